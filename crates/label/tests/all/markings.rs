//! Which markings are valid, and how they print.

use fastness_label::{MarkingError, Policy, TEXT_BYTES_MAX};

/// Reads `text`; `expected` is the banner that it prints, or a part of the error's text.
fn check(policy: &Policy, text: &str, expected: Result<&str, &str>) {
    let actual = policy.parse(text);
    match (&actual, expected) {
        (Ok(marking), Ok(banner)) => assert_eq!(marking.banner(), banner, "{text}"),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
        _ => unreachable!("{text}: {actual:?}, expected {expected:?}"),
    }
}

#[test]
fn levels() {
    let us = Policy::us();
    for (text, expected) in [
        ("U", Ok("UNCLASSIFIED")),
        ("  unclassified ", Ok("UNCLASSIFIED")),
        ("cui", Ok("CUI")),
        ("(C)", Ok("CONFIDENTIAL")),
        ("secret", Ok("SECRET")),
        ("(TS)", Ok("TOP SECRET")),
        ("top  secret", Ok("TOP SECRET")),
        ("SECERT", Err("`SECERT` is not a level of the policy `us`; levels: UNCLASSIFIED, CUI, CONFIDENTIAL,")),
        ("S/NOFORN", Err("`S/NOFORN` is not a level")),
        ("", Err("the marking is empty: write at least a level")),
        ("()", Err("is empty")),
        ("(S", Err("`(S` has a stray parenthesis")),
        ("S)", Err("stray parenthesis")),
        ("((S))", Err("stray parenthesis")),
        ("//CAN S", Err("`//CAN S` is a marking of another country: the policy `us` has no mapping")),
        ("(//JOINT S GBR USA)", Err("marking of another country")),
        ("S\u{2044}\u{2044}NF", Err("does not belong in a marking")),
        ("S//NF\n", Ok("SECRET//NOFORN")),
        ("S\n//NF", Err("`\\n` does not belong in a marking")),
    ] {
        check(&us, text, expected);
    }
}

#[test]
fn separators_and_order() {
    let us = Policy::us();
    for (text, expected) in [
        ("TS//SI-G ABCD/TK//OC/NF", Ok("TOP SECRET//SI-G ABCD/TK//ORCON/NOFORN")),
        ("TS // SI / TK // NF", Ok("TOP SECRET//SI/TK//NOFORN")),
        ("TS//TK/SI", Err("out of order: write `TOP SECRET//SI/TK`")),
        ("TS//NF//SI", Err("write `TOP SECRET//SI//NOFORN`")),
        ("TS//SI//TK", Err("write `TOP SECRET//SI/TK`")),
        ("TS//SI/NF", Err("write `TOP SECRET//SI//NOFORN`")),
        ("S//", Err("nothing between two separators")),
        ("S///NF", Err("nothing between two separators")),
        ("S////NF", Err("nothing between two separators")),
        ("S//NF/", Err("nothing between two separators")),
        ("S//NF/NF", Err("`NOFORN` stands twice")),
        ("S//SI/SI-ABC", Err("`SI` stands twice")),
        ("TS//SI-G ABCD ABCD//OC", Err("`SI-G ABCD` stands twice")),
        ("TS//SI-G-ABC//OC", Err("write `TOP SECRET//SI-ABC-G//ORCON`")),
        ("TS//SI-ABC-G ABCD DEFG//OC", Ok("TOP SECRET//SI-ABC-G ABCD DEFG//ORCON")),
        ("S//SI-XYZ", Err("`SI` has no compartment `XYZ`")),
        ("TS//SI-G XYZ//OC", Err("`SI-G` has no compartment `XYZ`")),
        ("S//SI-", Err("`SI` has no compartment ``")),
        ("S//SI ABC", Err("`SI ABC` is not a marking of the policy `us`: check its spelling")),
        ("S//ORCN", Err("`ORCN` is not a marking of the policy `us`")),
        ("S//SAR-BP/SAR-SP", Ok("SECRET//SAR-BUTTERED POPCORN/SAR-SALTED PEANUT")),
        ("S//special access required-buttered popcorn", Ok("SECRET//SAR-BUTTERED POPCORN")),
    ] {
        check(&us, text, expected);
    }
}

#[test]
fn release_lists() {
    let us = Policy::us();
    for (text, expected) in [
        ("S//REL TO USA, GBR", Ok("SECRET//REL TO USA, GBR")),
        ("s//rel to usa,gbr", Ok("SECRET//REL TO USA, GBR")),
        ("S//REL TO USA, GBR, FVEY, NATO", Ok("SECRET//REL TO USA, GBR, FVEY, NATO")),
        ("S//REL TO GBR, USA", Err("the list of `REL TO` starts with `USA`: write `REL TO USA, GBR`")),
        ("S//REL TO GBR", Err("write `REL TO USA, GBR`")),
        ("S//REL TO USA", Err("`REL TO` takes a list of at least 2: for `USA` alone write `NOFORN`")),
        ("S//REL TO", Err("takes a list of at least 2")),
        ("S//REL TO USA, GBR, CAN", Err("write `REL TO USA, CAN, GBR`")),
        ("S//REL TO USA, FVEY, GBR", Err("write `REL TO USA, GBR, FVEY`")),
        ("S//REL TO USA, GBR, GBR", Err("`GBR` stands twice")),
        ("S//REL TO USA, XYZ", Err("`XYZ` is not a country or group of the policy `us`")),
        ("S//REL TO USA GBR", Err("`USA GBR` is not a country")),
        ("S//REL TO USA,, GBR", Err("`` is not a country")),
        ("S//REL TO NOBODY", Err("`NOBODY` is not a country")),
        ("S//REL TO EVERYONE", Err("`EVERYONE` is not a country")),
        ("U//REL TO USA, GBR", Ok("UNCLASSIFIED//REL TO USA, GBR")),
        ("S//USA/GBR EYES ONLY", Ok("SECRET//USA/GBR EYES ONLY")),
        ("S//OC/USA/GBR EYES", Ok("SECRET//ORCON/USA/GBR EYES ONLY")),
        ("S//USA EYES ONLY", Err("`EYES ONLY` takes a list of at least 2")),
        ("S//GBR/USA EYES ONLY", Err("write `USA/GBR EYES ONLY`")),
        ("S//USA/GBR", Err("`USA` is not a marking")),
        ("S//USA/OC/GBR EYES ONLY", Err("`USA` is not a marking")),
        ("S//EYES ONLY", Err("`EYES ONLY` takes a list of at least 2")),
        ("S//DISPLAY ONLY", Err("`DISPLAY ONLY` takes a list of at least 1")),
    ] {
        check(&us, text, expected);
    }
}

#[test]
fn rules_between_markings() {
    let us = Policy::us();
    for (text, expected) in [
        ("S//NF/REL TO USA, GBR", Err("`NOFORN` and `REL TO` exclude each other")),
        ("S//NF/USA/GBR EYES ONLY", Err("`NOFORN` and `EYES ONLY` exclude each other")),
        ("S//REL TO USA, GBR/USA/GBR EYES ONLY", Err("`REL TO` and `EYES ONLY` exclude each other")),
        ("S//NF/RELIDO", Err("`NOFORN` and `RELIDO` exclude each other")),
        ("S//NF/DISPLAY ONLY AFG", Err("`NOFORN` and `DISPLAY ONLY` exclude each other")),
        ("S//RELIDO/DISPLAY ONLY AFG", Err("`RELIDO` and `DISPLAY ONLY` exclude each other")),
        ("S//REL TO USA, GBR/RELIDO", Ok("SECRET//REL TO USA, GBR/RELIDO")),
        ("S//REL TO USA, GBR/DISPLAY ONLY AFG", Ok("SECRET//REL TO USA, GBR/DISPLAY ONLY AFG")),
        ("U//FOUO", Ok("UNCLASSIFIED//FOUO")),
        ("CUI//FOUO", Err("`FOUO` does not go with `CUI`: it needs one of UNCLASSIFIED")),
        ("S//FOUO", Err("`FOUO` does not go with `SECRET`")),
        ("U//ORCON", Err("`ORCON` does not go with `UNCLASSIFIED`")),
        ("CUI//ORCON", Err("it needs one of CONFIDENTIAL, SECRET, TOP SECRET")),
        ("C//OC", Ok("CONFIDENTIAL//ORCON")),
        ("TS//SI-G", Err("`SI-G` needs `ORCON` beside it: add `ORCON`")),
        ("S//SI-G//OC", Err("`SI-G` does not go with `SECRET`")),
        ("TS//SI-G//OC", Ok("TOP SECRET//SI-G//ORCON")),
        ("TS//HCS", Err("`HCS` needs `NOFORN` beside it")),
        ("TS//HCS//REL TO USA, GBR", Err("`HCS` needs `NOFORN` beside it")),
        ("TS//HCS-P//NF", Ok("TOP SECRET//HCS-P//NOFORN")),
        ("U//SI", Err("`SI` does not go with `UNCLASSIFIED`")),
        ("CUI//RD", Err("`RD` does not go with `CUI`")),
        ("C//RD", Ok("CONFIDENTIAL//RD")),
        ("S//RD-N", Ok("SECRET//RD-CNWDI")),
        ("C//RD-N", Err("`RD-CNWDI` does not go with `CONFIDENTIAL`")),
        ("S//RD/FRD", Err("`RD` and `FRD` exclude each other")),
        ("S//FGI", Ok("SECRET//FGI")),
        ("S//FGI DEU GBR//NF", Ok("SECRET//FGI DEU GBR//NOFORN")),
        ("S//FGI GBR DEU", Err("write `FGI DEU GBR`")),
        ("S//RS/IMC/PR/FISA//LIMDIS", Ok("SECRET//RSEN/IMCON/PROPIN/FISA//LIMDIS")),
        ("U//EXDIS/NODIS", Err("`EXDIS` and `NODIS` exclude each other")),
    ] {
        check(&us, text, expected);
    }
}

#[test]
fn nato_words() {
    let nato = Policy::nato();
    for (text, expected) in [
        ("NU", Ok("NATO UNCLASSIFIED")),
        ("cosmic top secret//atomal/bohemia", Ok("COSMIC TOP SECRET//ATOMAL/BOHEMIA")),
        ("(NS//REL TO NATO, JPN, UKR)", Ok("NATO SECRET//RELEASABLE TO NATO, JPN, UKR")),
        ("NS//RELEASABLE TO JPN", Err("starts with `NATO`: write `RELEASABLE TO NATO, JPN`")),
        ("NU//RELEASABLE TO NATO", Ok("NATO UNCLASSIFIED//RELEASABLE TO NATO")),
        ("NR//ATOMAL", Err("`ATOMAL` does not go with `NATO RESTRICTED`")),
        ("NS//BOHEMIA", Err("it needs one of COSMIC TOP SECRET")),
        ("NS//NOFORN", Err("`NOFORN` is not a marking of the policy `nato`")),
        ("SECRET", Err("`SECRET` is not a level of the policy `nato`")),
        ("NS//CRYPTO", Ok("NATO SECRET//CRYPTO")),
    ] {
        check(&nato, text, expected);
    }
}

/// The label alone: what no text needs to say is not printed, and groups become countries.
#[test]
fn canonical_text_of_labels() {
    let us = Policy::us();
    for (text, banner, portion) in [
        ("U", "UNCLASSIFIED", "(U)"),
        ("U//FOUO", "UNCLASSIFIED", "(U)"),
        ("U//NF", "UNCLASSIFIED//NOFORN", "(U//NF)"),
        ("CUI//NF", "CUI", "(CUI)"),
        ("S//NF", "SECRET", "(S)"),
        ("S//USA/GBR EYES ONLY", "SECRET//REL TO USA, GBR", "(S//REL TO USA, GBR)"),
        ("S//REL TO USA, GBR, ACGU", "SECRET//REL TO USA, AUS, CAN, GBR", "(S//REL TO USA, AUS, CAN, GBR)"),
        ("TS//SI/TK//RSEN/OC", "TOP SECRET//SI/TK", "(TS//SI/TK)"),
        ("TS//SI-G ABCD//OC", "TOP SECRET//SI-G ABCD//ORCON", "(TS//SI-G ABCD//OC)"),
        ("TS//HCS-O//OC/NF", "TOP SECRET//HCS-O//ORCON/NOFORN", "(TS//HCS-O//OC/NF)"),
        ("S//SAR-BP", "SECRET//SAR-BUTTERED POPCORN", "(S//SAR-BP)"),
    ] {
        let label = us.label(text).unwrap();
        assert_eq!((us.banner(label), us.portion(label)), (banner.to_owned(), portion.to_owned()), "{text}");
    }
    let nato = Policy::nato();
    let label = nato.label("NS//RELEASABLE TO NATO, AP4").unwrap();
    assert_eq!(nato.banner(label), "NATO SECRET//RELEASABLE TO NATO, AUS, JPN, KOR, NZL");
}

#[test]
fn a_default_session_of_a_foreign_national() {
    let us = Policy::us();
    let (usa, gbr, fra) = (us.country("USA").unwrap(), us.country(" gbr ").unwrap(), us.country("FRA").unwrap());
    let label = us.with_release(us.label("S").unwrap(), &[gbr]);
    assert_eq!(us.banner(label), "SECRET//REL TO USA, GBR");
    assert_eq!(us.country_code(gbr), "GBR");
    assert!(us.releasable_to(label, usa) && us.releasable_to(label, gbr) && !us.releasable_to(label, fra));
    assert!(us.releasable_to(us.lowest(), fra));
    assert_eq!(us.with_release(label, &[]), us.label("S").unwrap());
    // It reads what is released to both, and nothing of the own nation alone.
    assert!(us.label("S//REL TO USA, FVEY").unwrap().is_dominated_by(label));
    assert!(!us.label("C").unwrap().is_dominated_by(label));
}

#[test]
fn what_no_policy_admits_prints_what_parse_refuses() {
    let us = Policy::us();
    let gbr = us.country("GBR").unwrap();
    let hcs = us.with_release(us.label("TS//HCS//NF").unwrap(), &[gbr]);
    assert_eq!(us.banner(hcs), "TOP SECRET//HCS//REL TO USA, GBR");
    assert!(!us.admits(hcs));
    // A label of another policy, where it shows.
    let foreign = Policy::nato().label("CTS//BOHEMIA//REL TO NATO, UKR").unwrap();
    let two_levels = Policy::from_toml(
        "name = 'two'\nown_nation = 'AAA'\ncountries = ['AAA']\n[[level]]\nbanner = 'L'\n[[level]]\nbanner = 'H'\n\
         [[category]]\nname = 'D'\n[[category.marking]]\nbanner = 'FOR'\nkind = 'release-list'\n",
    )
    .unwrap();
    assert!(two_levels.banner(foreign).starts_with("LEVEL UNKNOWN"), "{}", two_levels.banner(foreign));
    assert!(!two_levels.admits(foreign));
    assert_eq!(two_levels.country_code(gbr), "UNKNOWN");
}

#[test]
fn countries_and_groups() {
    let us = Policy::us();
    assert_eq!(us.own_nation(), "USA");
    let error = us.country("FVEY").unwrap_err().to_string();
    assert_eq!(error, "`FVEY` is a group of countries: name one of its members");
    assert!(matches!(us.country("ZZZ"), Err(MarkingError::UnknownCountry { .. })));
    assert_eq!(us.levels().collect::<Vec<_>>(), ["UNCLASSIFIED", "CUI", "CONFIDENTIAL", "SECRET", "TOP SECRET"]);
    assert_eq!(Policy::builtin("nato").unwrap().own_nation(), "NATO");
    assert!(Policy::builtin("US").is_none());
    assert_ne!(Policy::us(), Policy::nato());
}

#[test]
fn the_longest_text() {
    let us = Policy::us();
    let spaces = " ".repeat(TEXT_BYTES_MAX - 1);
    check(&us, &format!("{spaces}S"), Ok("SECRET"));
    check(&us, &format!("{spaces}SS"), Err("the marking has 4097 bytes; at most 4096 are read"));
    // What a user wrote is repeated only so far.
    let error = us.parse(&"A".repeat(1_000)).unwrap_err().to_string();
    assert!(error.len() < 300, "{error}");
    // The longest label reads back.
    let everybody: Vec<_> = us.countries().collect();
    let label = us.with_release(us.label("TS//SI-ABC-G ABCD DEFG/TK//OC").unwrap(), &everybody);
    assert_eq!(us.label(&us.portion(label)), Ok(label));
}

#[test]
fn further_markings_travel() {
    let marking = Policy::us().parse("S//FGI DEU GBR//RSEN/NF").unwrap();
    let printed: Vec<_> = marking.further().iter().map(|further| (further.banner(), further.portion())).collect();
    assert_eq!(printed, [("FGI DEU GBR", "FGI DEU GBR"), ("RSEN", "RS")]);
    assert_eq!(marking.further()[0].name(), "FGI");
    assert_eq!(marking.further()[0].countries(), ["DEU", "GBR"]);
    assert_eq!(marking.portion(), "(S//FGI DEU GBR//RS/NF)");
    assert_eq!(marking.to_string(), "SECRET//FGI DEU GBR//RSEN/NOFORN");
    assert_eq!(marking.label(), Policy::us().label("S").unwrap());
}

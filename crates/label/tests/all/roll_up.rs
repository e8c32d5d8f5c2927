//! From portions to a banner.

use fastness_label::{Marking, MarkingError, Policy};
use proptest::prelude::*;

fn check(policy: &Policy, portions: &[&str], expected: &str) {
    let markings: Vec<Marking> = portions.iter().map(|text| policy.parse(text).unwrap()).collect();
    let rolled = Marking::roll_up(&markings).unwrap();
    assert_eq!(rolled.banner(), expected, "{portions:?}");
    // The label is the join, the order of portions is nothing to it, and the banner is valid and stays.
    let join = markings.iter().fold(policy.lowest(), |label, marking| label.join(marking.label()));
    assert_eq!(rolled.label(), join, "{portions:?}");
    assert_eq!(policy.parse(expected).as_ref(), Ok(&rolled), "{portions:?}");
    let reversed: Vec<Marking> = markings.iter().rev().cloned().collect();
    assert_eq!(Marking::roll_up(&reversed).unwrap(), rolled, "{portions:?}");
    assert_eq!(Marking::roll_up(std::slice::from_ref(&rolled)).unwrap(), rolled, "{portions:?}");
}

#[test]
fn united_states() {
    let us = Policy::us();
    for (portions, expected) in [
        (&["(U)"][..], "UNCLASSIFIED"),
        (&["(U)", "(S)"], "SECRET"),
        (&["(S//SI//RS)", "(TS//TK//OC)"], "TOP SECRET//SI/TK//RSEN/ORCON"),
        (&["(TS//SI-G ABCD//OC)", "(TS//SI-G DEFG//OC)"], "TOP SECRET//SI-G ABCD DEFG//ORCON"),
        // Release lists.
        (&["(U)", "(S//REL TO USA, FVEY)"], "SECRET//REL TO USA, FVEY"),
        (&["(S//REL TO USA, FVEY)", "(S//REL TO USA, FRA, GBR)"], "SECRET//REL TO USA, GBR"),
        (&["(S//REL TO USA, GBR)", "(S//REL TO USA, FRA)"], "SECRET//NOFORN"),
        (&["(S//REL TO USA, GBR)", "(S)"], "SECRET//NOFORN"),
        (&["(S//REL TO USA, GBR)", "(S//NF)"], "SECRET//NOFORN"),
        (&["(U//NF)", "(S//REL TO USA, GBR)"], "SECRET//NOFORN"),
        (&["(U//REL TO USA, GBR)", "(U//REL TO USA, FRA)"], "UNCLASSIFIED//NOFORN"),
        (&["(U//REL TO USA, GBR)", "(U)"], "UNCLASSIFIED//REL TO USA, GBR"),
        (&["(S//NF)", "(TS//HCS-O//OC/NF)"], "TOP SECRET//HCS-O//ORCON/NOFORN"),
        (&["(S//USA/GBR EYES ONLY)", "(C//REL TO USA, GBR)"], "SECRET//REL TO USA, GBR"),
        // What only stands if all have it, and what only stands where it may.
        (&["(S//RELIDO)", "(U)"], "SECRET//RELIDO"),
        (&["(S//RELIDO)", "(S)"], "SECRET"),
        (&["(S//RELIDO)", "(S//NF)"], "SECRET//NOFORN"),
        (&["(S//REL TO USA, GBR/RELIDO)", "(S//REL TO USA, FRA/RELIDO)"], "SECRET//NOFORN"),
        (&["(U//FOUO)", "(U)"], "UNCLASSIFIED//FOUO"),
        (&["(U//FOUO)", "(CUI)"], "CUI"),
        (&["(U//FOUO)", "(S//NF)"], "SECRET//NOFORN"),
        // Those who may look: NOFORN before DISPLAY ONLY before REL TO.
        (&["(S//DISPLAY ONLY AFG)", "(S//NF)"], "SECRET//NOFORN"),
        (&["(S//DISPLAY ONLY AFG)", "(S)"], "SECRET"),
        (&["(S//DISPLAY ONLY AFG)", "(S//REL TO USA, GBR)"], "SECRET//NOFORN"),
        (&["(S//DISPLAY ONLY AFG, IRQ)", "(S//REL TO USA, AFG)"], "SECRET//DISPLAY ONLY AFG"),
        (&["(S//DISPLAY ONLY AFG, IRQ)", "(C//DISPLAY ONLY IRQ)"], "SECRET//DISPLAY ONLY IRQ"),
        (
            &["(S//REL TO USA, GBR/DISPLAY ONLY AFG)", "(S//REL TO USA, AFG, GBR)"],
            "SECRET//REL TO USA, GBR/DISPLAY ONLY AFG",
        ),
        // Foreign information: lists unite, a concealed origin conceals all.
        (&["(S//FGI GBR)", "(C//FGI DEU)"], "SECRET//FGI DEU GBR"),
        (&["(S//FGI GBR)", "(C//FGI)"], "SECRET//FGI"),
        // The more prevails.
        (&["(S//FRD)", "(C//RD)"], "SECRET//RD"),
        (&["(S//RD-N)", "(C//RD)", "(C//FRD)"], "SECRET//RD-CNWDI"),
        (&["(U//EXDIS)", "(C//ND)"], "CONFIDENTIAL//NODIS"),
        (&["(S//IMC/PR)", "(S//FISA)"], "SECRET//IMCON/PROPIN/FISA"),
    ] {
        check(&us, portions, expected);
    }
}

#[test]
fn nato() {
    let nato = Policy::nato();
    for (portions, expected) in [
        (&["(NS//REL TO NATO, JPN)", "(NR//REL TO NATO, UKR)"][..], "NATO SECRET"),
        (&["(NU//REL TO NATO, JPN)", "(NU//REL TO NATO, UKR)"], "NATO UNCLASSIFIED//RELEASABLE TO NATO"),
        (&["(CTS//BOHEMIA)", "(NS//ATOMAL//CRYPTO)"], "COSMIC TOP SECRET//ATOMAL/BOHEMIA//CRYPTO"),
    ] {
        check(&nato, portions, expected);
    }
}

#[test]
fn nothing_and_mixed() {
    assert_eq!(Marking::roll_up(&[]), Err(MarkingError::NothingToRollUp));
    let mixed = [Policy::us().parse("S").unwrap(), Policy::nato().parse("NS").unwrap()];
    let error = Marking::roll_up(&mixed).unwrap_err().to_string();
    assert!(error.contains("the policies `us` and `nato` do not roll up together"), "{error}");
}

const PORTIONS: &[&str] = &[
    "(U)",
    "(U//FOUO)",
    "(U//NF)",
    "(U//REL TO USA, GBR)",
    "(U//REL TO USA, GBR, JPN/DSEN)",
    "(CUI)",
    "(CUI//REL TO USA, FVEY)",
    "(C//RD)",
    "(C//FRD//FGI DEU//REL TO USA, DEU)",
    "(S//RD-N//FGI)",
    "(S)",
    "(S//NF)",
    "(S//RELIDO)",
    "(S//REL TO USA, AFG, GBR/RELIDO)",
    "(S//REL TO USA, GBR/DISPLAY ONLY AFG, IRQ)",
    "(S//DISPLAY ONLY AFG, IRQ//XD)",
    "(S//USA/AUS/GBR EYES//ND)",
    "(TS//SI-G ABCD//RS/OC/REL TO USA, FVEY)",
    "(TS//HCS-O//OC/NF)",
    "(TS//SI-ABC/TK//SAR-BP//IMC/REL TO USA, ACGU/FISA)",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Whatever the portions, their banner is a valid marking with their join.
    #[test]
    fn any_portions(texts in prop::collection::vec(prop::sample::select(PORTIONS), 1..6)) {
        let us = Policy::us();
        let markings: Vec<Marking> = texts.iter().map(|text| us.parse(text).unwrap()).collect();
        let rolled = Marking::roll_up(&markings).unwrap();
        check(&us, &texts, &rolled.banner());
    }
}

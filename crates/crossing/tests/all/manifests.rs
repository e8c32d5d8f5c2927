//! What a manifest may not say, though its origin signed it.

use crate::stranger::{Stranger, manifest, xml};
use crate::support::{NOW_MS, lift, noise, open, open_at, release, verdict};
use fastness_crossing::{BundleError, Errand, GAPS_MAX, Manifest, Part, read_gaps, write_gaps};
use fastness_operation::{BundleId, ObjectKey, RegionName};
use serde_json::{Value, json};

const CONTENTS: [(&str, &[u8]); 2] = [("a", b"one"), ("b", b"two")];
const ONE: [(&str, &[u8]); 1] = [("a", b"one")];

fn good() -> Manifest {
    manifest(lift(), "SECRET", &CONTENTS)
}

/// The words for a manifest that is changed so; its XML is made anew.
fn changed(change: impl Fn(&mut Manifest)) -> String {
    let mut manifest = good();
    change(&mut manifest);
    manifest.label_xml = xml(&manifest, "2026-03-01T12:00:00.000Z");
    said(&Stranger::new(&manifest, &CONTENTS).bundle())
}

fn said(bundle: &[u8]) -> String {
    match open(bundle) {
        Ok(_) => "good".to_owned(),
        Err(error) => format!("{}: {error}", error.kind()),
    }
}

/// The same for a change to its JSON, as it is written.
fn rewritten(manifest: &Manifest, change: impl Fn(String) -> String) -> String {
    let json = change(serde_json::to_string(manifest).unwrap());
    said(&Stranger::of_json(json.into_bytes(), &CONTENTS).bundle())
}

#[track_caller]
fn holds(said: String, part: &str) {
    assert!(said.contains(part), "{said}");
}

#[test]
fn what_its_head_says_stands_in_the_manifest_too() {
    holds(
        changed(|manifest| manifest.origin = RegionName::new("us-iso-east-1").unwrap()),
        "other regions than its head",
    );
    holds(
        changed(|manifest| manifest.destination = RegionName::new("us-iso-east-1").unwrap()),
        "other regions than its head",
    );
    holds(
        changed(|manifest| manifest.format = 2),
        "malformed: this is no bundle of format 1: its manifest is of another",
    );
}

#[test]
fn a_bundle_holds_one_to_a_thousand_objects_each_under_its_own_name() {
    let objects: Vec<(String, &[u8])> = (0..1_001).map(|place| (place.to_string(), b"x".as_slice())).collect();
    let objects: Vec<(&str, &[u8])> = objects.iter().map(|(key, content)| (key.as_str(), *content)).collect();
    let many = manifest(lift(), "SECRET", &objects);
    let mut stranger = Stranger::new(&many, &objects);
    stranger.plain_len = Some((stranger.objects.len() + stranger.json.len()).next_multiple_of(1 << 13));
    holds(said(&stranger.bundle()), "oversized: the bundle has 1001 objects; at most 1000 are right");
    let nothing: [(&str, &[u8]); 0] = [];
    let none = manifest(lift(), "SECRET", &nothing);
    holds(said(&Stranger::new(&none, &nothing).bundle()), "it holds nothing");
    holds(changed(|manifest| manifest.objects[1].key = ObjectKey::new("a").unwrap()), "two objects of one name");
}

#[test]
fn sizes_add_up() {
    // One byte more would be taken from the padding, unnoticed by the padded length: then the digest is wrong.
    let mut manifest = good();
    manifest.objects[1].size += 1;
    let bundle = Stranger::new(&manifest, &CONTENTS).bundle();
    assert!(matches!(open(&bundle).unwrap().verify(), Err(BundleError::Damaged(Part::Object(1)))));
    holds(changed(|manifest| manifest.objects[1].size = 100_000), "do not add up");
    holds(changed(|manifest| manifest.objects[1].size = 64 << 20), "do not add up");
    holds(changed(|manifest| manifest.objects[1].size = (64 << 20) + 1), "oversized");
    holds(changed(|manifest| manifest.objects[0].size = u64::MAX), "oversized");
    // One that begins later is damaged, too.
    let mut later = good();
    later.objects[0].size = 2;
    let bundle = Stranger::new(&later, &CONTENTS).bundle();
    assert!(matches!(open(&bundle).unwrap().verify(), Err(BundleError::Damaged(Part::Object(0)))));
}

#[test]
fn an_object_whose_digest_is_wrong_is_not_handed_over() {
    let mut manifest = good();
    manifest.objects[1].sha256[31] ^= 1;
    manifest.label_xml = xml(&manifest, "2026-03-01T12:00:00.000Z");
    let bundle = Stranger::new(&manifest, &CONTENTS).bundle();
    let mut reader = open(&bundle).unwrap();
    let mut into = vec![1, 2, 3];
    assert!(matches!(reader.object(1, &mut into), Err(BundleError::Damaged(Part::Object(1)))));
    assert!(into.is_empty());
    reader.object(0, &mut into).unwrap();
    assert_eq!(into, b"one");
}

#[test]
fn padding_is_zeros_and_as_long_as_it_must_be() {
    let mut noisy = Stranger::new(&good(), &CONTENTS);
    noisy.padding = 1;
    let bundle = noisy.bundle();
    let error = open(&bundle).unwrap().verify().unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), ("damaged", "the padding is damaged"));
    for longer in [65_537, 67_584, 131_072] {
        let mut long = Stranger::new(&good(), &CONTENTS);
        long.plain_len = Some(longer);
        holds(said(&long.bundle()), "do not add up to its padded length");
    }
    let mut short = Stranger::new(&good(), &CONTENTS);
    short.plain_len = Some(60_000);
    assert_eq!(verdict(&short.bundle()), "truncated", "no bundle is so short");
}

#[test]
fn the_index_points_at_the_manifest() {
    let length = serde_json::to_vec(&good()).unwrap().len() as u64;
    for (index, word) in [
        ((0, length), "malformed"),
        ((65_536 - length + 1, length), "malformed"),
        ((65_536, 0), "damaged"),
        ((65_536 - length - 1, length + 1), "damaged"),
        ((0, 65_536), "damaged"),
        ((u64::MAX, 1), "malformed"),
        ((u64::MAX, u64::MAX), "malformed"),
        ((1_u64.wrapping_neg(), 65_537), "malformed"),
    ] {
        let mut stranger = Stranger::new(&good(), &CONTENTS);
        stranger.index = Some(index);
        assert_eq!(verdict(&stranger.bundle()), word, "{index:?}");
    }
    let mut stranger = Stranger::new(&good(), &CONTENTS);
    stranger.manifest_sha256 = Some([7; 32]);
    holds(said(&stranger.bundle()), "damaged: the manifest is damaged");
}

#[test]
fn a_manifest_has_at_most_four_mebibytes() {
    let json = noise((4 << 20) + 1);
    let mut stranger = Stranger::of_json(json, &ONE);
    stranger.plain_len = Some(5 << 20);
    holds(said(&stranger.bundle()), "oversized: the bundle has 4194305 bytes in its manifest; at most 4194304");
}

#[test]
fn a_manifest_is_written_in_one_way() {
    let manifest = good();
    assert_eq!(rewritten(&manifest, |json| json), "good");
    let changes: [fn(String) -> String; 12] = [
        |json| format!("{json} "),
        |json| json.replace("\"format\":1", "\"format\": 1"),
        |json| json.replace("\"format\":1", "\"format\":1.0"),
        |json| json.replace("\"format\":1,", ""),
        |json| json.replace("\"format\":1,", "\"format\":1,\"format\":1,"),
        |json| json.replace("\"format\":1,", "\"format\":1,\"more\":0,"),
        |json| json.replace("\"key\":\"a\"", "\"key\":\"\\u0061\""),
        |json| json.replace("\"size\":3,", "\"size\":3,\"more\":0,"),
        |json| json.replace("\"cache_control\":null,", ""),
        |json| json.replace("\"owner\":", "\"owner\":\"x\",\"owner\":"),
        |json| json.replace("\"sha256\":\"7692", "\"sha256\":\"769g"),
        |json| json.to_uppercase(),
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let said = rewritten(&manifest, change);
        assert!(said.starts_with("malformed: this is no bundle of format 1: its manifest is"), "{place}: {said}");
    }
    for json in [String::new(), "null".to_owned(), "[".repeat(60_000), "\u{0}".to_owned(), "{\"format\":1}".to_owned()]
    {
        let said = rewritten(&manifest, |_| json.clone());
        assert!(said.starts_with("malformed"), "{said}");
    }
}

#[test]
fn names_in_a_manifest_follow_their_rules() {
    let manifest = good();
    for (from, to) in [
        ("\"to_bucket\":\"from-below\"", "\"to_bucket\":\"FROM\""),
        ("\"to_account\":\"123456789012\"", "\"to_account\":\"12345678901\""),
        ("\"to_account\":\"123456789012\"", "\"to_account\":123456789012"),
        ("\"mapping\":\"plans\"", "\"mapping\":\"../plans\""),
        ("\"key\":\"a\"", "\"key\":\"\""),
        ("\"id\":\"0", "\"id\":\"x"),
        ("exercise, order 7", "exercise,\\norder 7"),
        ("\"errand\":{\"lift\"", "\"errand\":{\"theft\""),
    ] {
        let said = rewritten(&manifest, |json| {
            assert!(json.contains(from), "{from}: {json}");
            json.replace(from, to)
        });
        assert!(said.starts_with("malformed"), "{to}: {said}");
    }
}

#[test]
fn a_lift_is_ordered_by_somebody_with_a_name() {
    let with = |change: &dyn Fn(&mut Vec<fastness_crossing::Person>)| {
        changed(|manifest| {
            if let Errand::Lift { ordered_by, .. } = &mut manifest.errand {
                change(ordered_by);
            }
        })
    };
    assert_eq!(with(&|_| ()), "good");
    holds(with(&|persons| persons.clear()), "nobody ordered");
    holds(with(&|persons| persons.extend(vec![persons[0].clone(); 16])), "more than 16 people");
    holds(with(&|persons| persons[0].name.clear()), "who ordered it has no name");
    holds(with(&|persons| persons[0].name = "x".repeat(129)), "one that nobody has");
    holds(with(&|persons| persons[0].duty = "a\u{7}b".to_owned()), "one that nobody has");
}

#[test]
fn what_comes_down_says_no_more_than_it_must() {
    let good = manifest(release(), "SECRET", &ONE);
    let of = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        manifest.label_xml = xml(&manifest, &time_text(manifest.made_ms));
        said(&Stranger::new(&manifest, &ONE).bundle())
    };
    assert_eq!(of(&|_| ()), "good");
    holds(of(&|manifest| manifest.made_ms += 1), "more of its time than the hour");
    holds(of(&|manifest| manifest.made_ms -= 60_000), "more of its time than the hour");
    holds(
        of(&|manifest| manifest.objects[0].attributes.cache_control = Some("private".to_owned())),
        "headers that nobody reviews",
    );
    let two = manifest(release(), "SECRET", &CONTENTS);
    holds(said(&Stranger::new(&two, &CONTENTS).bundle()), "more than one object");
    // Names of people, and where it came from.
    for more in [
        r#""ordered_by":[{"name":"wanda","duty":"","at_ms":0}],"#,
        r#""from_bucket":"plans","#,
        r#""purpose":"exercise","#,
        r#""from_account":"123456789012","#,
    ] {
        let json = serde_json::to_string(&good).unwrap();
        let json = json.replace("{\"release\":{", &format!("{{\"release\":{{{more}"));
        let bundle = Stranger::of_json(json.into_bytes(), &ONE).bundle();
        assert_eq!(verdict(&bundle), "malformed", "{more}");
    }
    // A power of two, not Padmé's next length.
    let mut stranger = Stranger::new(&good, &[("a", &[0; 65_000])]);
    stranger.plain_len = Some(67_584);
    assert_eq!(verdict(&stranger.bundle()), "malformed");
}

fn time_text(made_ms: i64) -> String {
    let of_day = made_ms.rem_euclid(86_400_000);
    let (hours, rest) = (of_day / 3_600_000, of_day % 3_600_000);
    format!("2026-03-01T{hours:02}:{:02}:{:02}.{:03}Z", rest / 60_000, rest / 1_000 % 60, rest % 1_000)
}

#[test]
fn the_label_is_written_as_the_policy_writes_it() {
    let of = |label: &str| {
        let mut manifest = good();
        manifest.label = label.to_owned();
        said(&Stranger::new(&manifest, &CONTENTS).bundle())
    };
    for label in ["S", "(S)", "secret", "SECRET//NOFORN", "SECRET "] {
        holds(
            of(label),
            "mislabelled: the bundle's label is not sound: its marking is not written in the policy's own way",
        );
    }
    for label in ["", "GEHEIM", "SECRET//UNOBTAINIUM", "NATO SECRET", &"S".repeat(5_000)] {
        holds(of(label), "its marking is none of this region's policy");
    }
    // Another good label than the XML's.
    holds(of("TOP SECRET"), "its XML says another label, time or content");
    holds(of("UNCLASSIFIED"), "its XML says another label, time or content");
    let mut other = good();
    other.policy = "nato".to_owned();
    holds(said(&Stranger::new(&other, &CONTENTS).bundle()), "it is one of another policy");
}

#[test]
fn the_label_is_bound_to_each_objects_digest_and_to_the_time() {
    let of = |xml: String| {
        let mut manifest = good();
        manifest.label_xml = xml;
        said(&Stranger::new(&manifest, &CONTENTS).bundle())
    };
    let right = good().label_xml;
    assert_eq!(of(right.clone()), "good");
    let reference = |place: usize| {
        let start = right.match_indices("<mb:DataReference").nth(place).unwrap().0;
        right[start..start + right[start..].find("/>").unwrap() + 2].to_owned()
    };
    let (first, second) = (reference(0), reference(1));
    assert_ne!(first, second);
    for xml in [
        String::new(),
        right.replace(&first, ""),
        right.replace(&second, &first),
        right.replace(&format!("{first}{second}"), &format!("{second}{first}")),
        right.replace(&second, &format!("{second}{second}")),
        right.replace("12:00:00", "12:00:01"),
        right.replace("SECRET", "TOP SECRET"),
        right.replace("<slab:GenericValue>USA</slab:GenericValue>", ""),
        right.replace("urn:fastness:policy:us", "urn:fastness:policy:other"),
        right.replace("?>\n", "?>\n<!DOCTYPE x [<!ENTITY e \"x\">]>\n"),
        format!("{right} "),
    ] {
        assert_ne!(xml, right);
        holds(of(xml), "mislabelled");
    }
}

#[test]
fn times_before_1970_and_beyond_the_calendar_are_clocks_apart() {
    for made_ms in [-1, i64::MIN, i64::MAX, 253_402_300_800_000] {
        let mut manifest = good();
        manifest.made_ms = made_ms;
        let bundle = Stranger::new(&manifest, &CONTENTS).bundle();
        for now_ms in [NOW_MS, made_ms] {
            let error = open_at(&bundle, now_ms).unwrap_err();
            assert_eq!(error.kind(), "clock", "{made_ms}: {error}");
        }
    }
}

#[test]
fn headers_and_metadata_are_what_http_can_carry() {
    for value in ["a\r\nx-evil: 1", "a\u{0}b", "\u{7f}", &"x".repeat(8_193)] {
        let of = |change: &dyn Fn(&mut fastness_operation::Attributes)| {
            changed(|manifest| change(&mut manifest.objects[0].attributes))
        };
        holds(
            of(&|attributes| attributes.content_type = Some(value.to_owned())),
            "too long, or has control characters",
        );
        holds(of(&|attributes| attributes.expires = Some(value.to_owned())), "too long, or has control characters");
        holds(
            of(&|attributes| drop(attributes.metadata.insert("k".to_owned(), value.to_owned()))),
            "too long, or has control characters",
        );
        holds(
            of(&|attributes| drop(attributes.metadata.insert(value.to_owned(), "v".to_owned()))),
            "too long, or has control characters",
        );
    }
    holds(
        changed(|manifest| {
            let many = (0..10).map(|place| (place.to_string(), "x".repeat(250)));
            manifest.objects[0].attributes.metadata.extend(many);
        }),
        "more than 2,048 bytes",
    );
}

#[test]
fn gaps_are_ranges_in_order_and_at_most_a_thousand() {
    let texts = |value: Value| read_gaps(value.to_string().as_bytes()).map_err(|error| error.kind());
    assert_eq!(texts(json!({"gaps": [[1, 1], [3, 1_001]]})), Ok(vec![(1, 1), (3, 1_001)]));
    for (bad, kind) in [
        (json!({"gaps": []}), "malformed"),
        (json!({"gaps": [[0, 1]]}), "malformed"),
        (json!({"gaps": [[5, 3]]}), "malformed"),
        (json!({"gaps": [[3, 5], [5, 6]]}), "malformed"),
        (json!({"gaps": [[3, 5], [6, 6]]}), "malformed"),
        (json!({"gaps": [[3, 5], [1, 1]]}), "malformed"),
        (json!({"gaps": [[1, 1_001]]}), "oversized"),
        (json!({"gaps": [[1, u64::MAX]]}), "malformed"),
        (json!({"gaps": [[1, 10_000_000_000_u64]]}), "malformed"),
        (json!({"gaps": [[1, 1, 1]]}), "malformed"),
        (json!({"gaps": [[1, 1]], "note": "hello"}), "malformed"),
        (json!([[1, 1]]), "malformed"),
    ] {
        assert_eq!(texts(bad.clone()), Err(kind), "{bad}");
    }
    assert!(read_gaps(b"{\"gaps\": [[1,1]]}").is_err(), "written in another way");
    assert_eq!(read_gaps(&vec![b' '; 1 << 20]).unwrap_err().kind(), "oversized");
    // The most of them, one by one.
    let ten_digits: Vec<(u64, u64)> =
        (0..GAPS_MAX).map(|place| 9_999_990_000 + 2 * place).map(|number| (number, number)).collect();
    assert_eq!(read_gaps(&write_gaps(&ten_digits).unwrap()).unwrap(), ten_digits);
    assert!(write_gaps(&[]).is_err() && write_gaps(&[(2, 1)]).is_err());
}

#[test]
fn a_bundle_of_gaps_holds_gaps() {
    let content: [(&str, &[u8]); 1] = [("gaps.json", b"{\"gaps\":[[1,1]]}")];
    let of = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = manifest(Errand::Gaps, "UNCLASSIFIED", &content);
        manifest.objects[0].attributes.metadata.clear();
        manifest.objects[0].attributes.content_type = Some("application/json".to_owned());
        change(&mut manifest);
        said(&Stranger::new(&manifest, &content).bundle())
    };
    assert_eq!(of(&|_| ()), "good");
    holds(of(&|manifest| manifest.objects[0].key = ObjectKey::new("plan").unwrap()), "holds something else");
    holds(of(&|manifest| manifest.objects[0].attributes.content_type = None), "holds something else");
    holds(
        of(&|manifest| drop(manifest.objects[0].attributes.metadata.insert("k".to_owned(), "v".to_owned()))),
        "holds something else",
    );
    assert_eq!(of(&|manifest| manifest.id = BundleId::from_random(5)), "good");
}

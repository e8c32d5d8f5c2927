//! What is written is read.

use crate::support::{
    HIGH, LOW, NOW_MS, begin, lift, noise, object, open, outline, region, regions, release, signed, verdict,
};
use fastness_crossing::{BundleReader, BundleWriter, Errand, Kind, Outline, Receiver, sign};
use fastness_operation::{Attributes, ObjectKey};
use proptest::prelude::*;
use std::io::Cursor;
use std::num::NonZeroU64;

#[test]
fn everything_arrives_as_it_was_sent() {
    let contents = [b"one".to_vec(), Vec::new(), noise(200_000)];
    let bundle = signed(&contents);
    let mut reader = open(&bundle).unwrap();
    assert_eq!(reader.signed().number, 1);
    assert_eq!(reader.signed().length, bundle.len() as u64);
    assert_eq!(reader.label(), regions().policy.label("S").unwrap());
    let manifest = reader.manifest().clone();
    assert_eq!((manifest.origin.as_str(), manifest.destination.as_str()), (LOW, HIGH));
    assert_eq!((manifest.label.as_str(), manifest.policy.as_str()), ("SECRET", "us"));
    assert_eq!((manifest.made_ms, manifest.errand), (NOW_MS, lift()));
    assert_eq!(manifest.objects.iter().map(|object| object.size).collect::<Vec<_>>(), [3, 0, 200_000]);
    assert_eq!(manifest.objects[0].attributes, object("0").attributes);
    reader.verify().unwrap();
    let mut into = b"what was there before".to_vec();
    for place in [2, 0, 1, 0, 2] {
        reader.object(place, &mut into).unwrap();
        assert_eq!(into, contents[place]);
    }
    assert_eq!(reader.object(3, &mut into).unwrap_err().kind(), "misused");
}

#[test]
fn outside_there_are_two_names_a_number_and_a_padded_length() {
    let bundle = signed(&[b"the plan of the exercise".to_vec()]);
    let seen = |needle: &[u8]| bundle.windows(needle.len()).filter(|window| *window == needle).count();
    for secret in ["the plan", "plans", "from-below", "wanda", "SECRET", "exercise", "ni:///", "000000000012"] {
        assert_eq!(seen(secret.as_bytes()), 0, "{secret}");
    }
    assert!(seen(LOW.as_bytes()) > 0 && seen(HIGH.as_bytes()) > 0);
    // One object or two hundred small ones: the same length.
    assert_eq!(bundle.len(), signed(&vec![b"x".to_vec(); 100]).len());
}

#[test]
fn a_release_says_no_more_than_it_must() {
    let house = regions();
    let mut writer = begin(&house.high.peer());
    writer.object(object("the new name")).unwrap();
    writer.write(b"content").unwrap();
    writer.end_object().unwrap();
    let written = writer.finish(outline(release(), "UNCLASSIFIED"), &house.policy).unwrap();
    let mut file = written.file;
    sign(&mut file, NonZeroU64::new(7).unwrap(), &house.low).unwrap();
    let bundle = file.into_inner();
    let reader = open(&bundle).unwrap();
    assert_eq!(reader.manifest().errand.kind(), Kind::Release);
    assert_eq!((reader.manifest().errand.from(), reader.signed().number), (None, 7));
    let json = serde_json::to_value(reader.manifest()).unwrap();
    assert_eq!(
        json["errand"],
        serde_json::json!({"release":
            {"mapping": "released", "to_account": "123456789012", "to_bucket": "from-above"}})
    );
    assert_eq!(verdict(&bundle), "good");
}

#[test]
fn gaps_go_down_and_name_numbers_alone() {
    let house = regions();
    let gaps = [(3, 5), (9, 9)];
    let mut writer = begin(&house.high.peer());
    let attributes = Attributes { content_type: Some("application/json".to_owned()), ..Attributes::default() };
    let key = ObjectKey::new("gaps.json").unwrap();
    writer.object(fastness_crossing::NewObject { key, attributes }).unwrap();
    writer.write(&fastness_crossing::write_gaps(&gaps).unwrap()).unwrap();
    writer.end_object().unwrap();
    let mut file = writer.finish(outline(Errand::Gaps, "UNCLASSIFIED"), &house.policy).unwrap().file;
    sign(&mut file, NonZeroU64::MIN, &house.low).unwrap();
    let bundle = file.into_inner();
    let mut reader = open(&bundle).unwrap();
    let mut content = Vec::new();
    reader.object(0, &mut content).unwrap();
    assert_eq!(content, br#"{"gaps":[[3,5],[9,9]]}"#);
    assert_eq!(fastness_crossing::read_gaps(&content).unwrap(), gaps);
    assert_eq!((reader.manifest().errand.mapping(), reader.manifest().errand.to()), (None, None));
}

#[test]
fn a_region_sends_to_itself() {
    let house = regions();
    let own = &house.low;
    let mut writer = BundleWriter::begin(Cursor::new(Vec::new()), own.region(), &own.peer()).unwrap();
    writer.object(object("regraded")).unwrap();
    writer.write(b"content").unwrap();
    writer.end_object().unwrap();
    let mut file = writer.finish(outline(release(), "CUI"), &house.policy).unwrap().file;
    sign(&mut file, NonZeroU64::MIN, own).unwrap();
    let receiver = Receiver { own, peer: &own.peer(), policy: &house.policy, now_ms: NOW_MS };
    let mut reader = BundleReader::open(file, receiver).unwrap();
    reader.verify().unwrap();
    assert_eq!(reader.manifest().origin, region(LOW));
    assert_eq!(reader.manifest().destination, region(LOW));
}

#[test]
fn a_thousand_objects_fit_and_no_more() {
    let house = regions();
    let mut writer = begin(&house.high.peer());
    for place in 0..1_000 {
        assert!(writer.has_room(&object(&place.to_string()), 1));
        writer.object(object(&place.to_string())).unwrap();
        writer.write(&[7]).unwrap();
        writer.end_object().unwrap();
    }
    assert!(!writer.has_room(&object("more"), 1));
    assert_eq!(writer.object(object("more")).unwrap_err().kind(), "oversized");
    let mut file = writer.finish(outline(lift(), "SECRET"), &house.policy).unwrap().file;
    sign(&mut file, NonZeroU64::MIN, &house.low).unwrap();
    assert_eq!(verdict(&file.into_inner()), "good");
}

/// Sizes around the borders of frames, and others.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        3 => 0..5_000_usize,
        2 => prop_oneof![Just(65_536_usize), Just(131_072), Just(196_608)]
            .prop_flat_map(|border| (border - 2)..(border + 3)),
        1 => 0..400_000_usize,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_contents_arrive(
        sizes in prop::collection::vec(size(), 1..6),
        piece in 1..100_000_usize,
        marking in 0..4_usize,
    ) {
        let house = regions();
        let contents: Vec<Vec<u8>> = sizes.iter().map(|size| noise(*size)).collect();
        let mut writer = begin(&house.high.peer());
        for (place, content) in contents.iter().enumerate() {
            writer.object(object(&place.to_string())).unwrap();
            for piece in content.chunks(piece) {
                writer.write(piece).unwrap();
            }
            writer.end_object().unwrap();
        }
        let marking = ["U", "CUI", "S//REL TO USA, GBR", "TS//SI-G ABCD/TK//OC"][marking];
        let outline = Outline { made_ms: NOW_MS + 17, ..outline(lift(), marking) };
        let written = writer.finish(outline, &house.policy).unwrap();
        let mut file = written.file;
        let signed = sign(&mut file, NonZeroU64::new(5).unwrap(), &house.low).unwrap();
        let bundle = file.into_inner();
        prop_assert_eq!(written.length, bundle.len() as u64);
        let mut reader = open(&bundle).unwrap();
        prop_assert_eq!(reader.signed(), signed);
        prop_assert_eq!(reader.manifest(), &written.manifest);
        reader.verify().unwrap();
        for (place, content) in contents.iter().enumerate() {
            let mut read = Vec::new();
            reader.object(place, &mut read).unwrap();
            prop_assert!(read == *content);
        }
    }
}

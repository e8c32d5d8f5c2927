//! Bundles from other regions: what a carrier changes, and what their origin itself may sign.
//!
//! Oracle: a bundle that was changed on the way is refused; one whose head was changed and signed anew holds what was
//! sealed, or is refused; a manifest that is read is the text that was sealed, byte for byte, and what its objects hold
//! fits its digests; keys and gaps that are read write themselves as what was read.

use crate::sure;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastness_crossing::{
    BundleReader, BundleWriter, Errand, Manifest, NewObject, Outline, OwnKeys, Peer, Person, Receiver, read_gaps, sign,
    write_gaps,
};
use fastness_label::Policy;
use fastness_ledger::SigningKeys;
use fastness_operation::{Attributes, BucketName, BundleId, LiftId, MappingName, ObjectKey, RegionName};
use fastness_vault::{FRAME_LEN, FramePlace, RootKey, TAG_LEN};
use std::io::Cursor;
use std::num::NonZeroU64;
use std::sync::OnceLock;

const NOW_MS: i64 = 1_772_366_400_000;
const HEAD_LEN: usize = 2_048;
const NOTE_LEN: usize = 8_192;
const CONTENTS: [&[u8]; 2] = [b"one", b"the second"];

struct House {
    low: OwnKeys,
    high: OwnKeys,
    peer: Peer,
    policy: Policy,
    /// The keys that low signs with: to sign what it never would.
    signing: SigningKeys,
    bundle: Vec<u8>,
    json: String,
}

fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let (root, policy) = (RootKey::from_bytes(&[1; 32]), Policy::us());
        let low = sure(OwnKeys::of(&sure(RegionName::new("low")), &root));
        let high = sure(OwnKeys::of(&sure(RegionName::new("high")), &RootKey::from_bytes(&[2; 32])));
        let (short, long) = (sure(root.seed("crossing Ed25519")), sure(root.seed("crossing ML-DSA-65")));
        let signing = sure(SigningKeys::from_seeds(&short, &long));
        let mut writer = sure(BundleWriter::begin(Cursor::new(Vec::new()), low.region(), &high.peer()));
        for (name, content) in ["a", "b"].into_iter().zip(CONTENTS) {
            let attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
            sure(writer.object(NewObject { key: sure(ObjectKey::new(name)), attributes }));
            sure(writer.write(content));
            sure(writer.end_object());
        }
        let written = sure(writer.finish(outline(&policy), &policy));
        let json = sure(serde_json::to_string(&written.manifest));
        let mut file = written.file;
        sure(sign(&mut file, NonZeroU64::MIN, &low));
        House { peer: low.peer(), low, high, policy, signing, bundle: file.into_inner(), json }
    })
}

fn outline(policy: &Policy) -> Outline {
    let errand = Errand::Lift {
        lift: LiftId::from_random(7),
        mapping: sure(MappingName::new("plans")),
        from_account: sure("000000000012".parse()),
        from_bucket: sure(BucketName::new("plans")),
        to_account: sure("123456789012".parse()),
        to_bucket: sure(BucketName::new("arrivals")),
        purpose: None,
        ordered_by: vec![Person { name: "wanda".to_owned(), duty: String::new(), at_ms: 0 }],
    };
    let label = sure(policy.label("SECRET//REL TO USA, GBR"));
    Outline { id: BundleId::from_random(99), made_ms: NOW_MS, errand, label }
}

/// What high reads in a file: manifest and contents, once everything is right.
fn read(bundle: &[u8]) -> Option<(Manifest, Vec<Vec<u8>>)> {
    let House { high, peer, policy, .. } = house();
    let receiver = Receiver { own: high, peer, policy, now_ms: NOW_MS };
    let mut reader = match BundleReader::open(Cursor::new(bundle), receiver) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(!error.is_own_fault(), "{error}");
            return None;
        }
    };
    let manifest = reader.manifest().clone();
    let verified = reader.verify();
    let mut contents = Vec::new();
    for (place, object) in manifest.objects.iter().enumerate() {
        let mut content = Vec::new();
        match reader.object(place, &mut content) {
            Ok(()) => assert_eq!(digest(&SHA256, &content).as_ref(), object.sha256),
            Err(_) => assert!(verified.is_err() && content.is_empty(), "a damaged object was handed over"),
        }
        contents.push(content);
    }
    verified.is_ok().then_some((manifest, contents))
}

pub(crate) fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 5 {
        0 => carried(data),
        1 => signed_anew(data),
        2 => another_manifest(data),
        3 => {
            if let Ok(gaps) = read_gaps(data) {
                assert_eq!(write_gaps(&gaps).ok().as_deref(), Some(data));
            }
        }
        _ => keys(data),
    }
}

/// Changes to bytes: three of the place, one mask each; a mask of 0 cuts there.
fn flipped(bytes: &mut Vec<u8>, edits: &[u8]) {
    for [a, b, c, mask] in edits.as_chunks::<4>().0.iter().take(16) {
        let place = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let at = place % bytes.len().max(1);
        match (mask, bytes.get_mut(at)) {
            (0, _) => bytes.truncate(at),
            (_, Some(byte)) => *byte ^= *mask,
            (_, None) => {}
        }
    }
}

/// Changes to a text: place, how many bytes go, how many come; then those.
fn rewritten(text: &str, mut edits: &[u8]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    while let Some(([a, b, gone, come], rest)) = edits.split_first_chunk::<4>() {
        let start = usize::from(u16::from_be_bytes([*a, *b])) % (bytes.len() + 1);
        let end = (start + usize::from(*gone)).min(bytes.len());
        let (new, later) = rest.split_at(usize::from(*come).min(rest.len()));
        bytes.splice(start..end, new.iter().copied());
        edits = later;
    }
    bytes
}

fn carried(edits: &[u8]) {
    let bundle = &house().bundle;
    let mut changed = bundle.clone();
    flipped(&mut changed, edits);
    match read(&changed) {
        Some((_, contents)) => assert!(changed == *bundle && contents == CONTENTS, "a changed bundle was taken"),
        None => assert!(changed != *bundle, "the good bundle was refused"),
    }
}

fn signed_anew(edits: &[u8]) {
    let House { bundle, json, .. } = house();
    let (head, _) = bundle.split_at(HEAD_LEN);
    let mut head = head.to_vec();
    flipped(&mut head, edits);
    head.resize(HEAD_LEN, 0);
    let frames = bundle.split_at(HEAD_LEN + NOTE_LEN).1;
    if let Some((manifest, contents)) = read(&[head.as_slice(), &note(&head), frames].concat()) {
        assert_eq!(sure(serde_json::to_string(&manifest)), *json);
        assert_eq!(contents, CONTENTS);
    }
}

/// A note of low over a head, whatever that says: of the numbers and names that stand where they should.
fn note(head: &[u8]) -> Vec<u8> {
    let field = |from: usize, length: usize| head.get(from..from + length).unwrap_or_default();
    let number = |from: usize| field(from, 8).iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let destination = String::from_utf8_lossy(field(64, 64));
    let text = format!(
        "fastness/low/crossing\nbundle 1\nto {}\nnumber {}\nlength {}\nhead {}\n",
        destination.trim_end_matches('\0'),
        number(1_404),
        number(1_320),
        STANDARD.encode(digest(&SHA256, head))
    );
    let mut note = sure(house().signing.sign("fastness/low/crossing", text)).to_string().into_bytes();
    note.resize(NOTE_LEN, 0);
    note
}

/// A manifest that low would not write, sealed and signed as a good one is.
fn another_manifest(edits: &[u8]) {
    let House { low, high, json, .. } = house();
    let json = rewritten(json, edits);
    let plain_len = (CONTENTS.concat().len() + json.len()).max(FRAME_LEN);
    if plain_len > FRAME_LEN {
        return;
    }
    let name = |name: &str| {
        let mut field = name.as_bytes().to_vec();
        field.resize(64, 0);
        field
    };
    let peer = high.peer();
    let start =
        [name("fastness bundle 1"), name("high"), name(low.region().as_str()), peer.sealer().id().to_vec()].concat();
    let (encapsulated, key) = sure(peer.sealer().seal(&start));
    let mut frame = CONTENTS.concat();
    frame.resize(plain_len - json.len(), 0);
    frame.extend_from_slice(&json);
    frame.extend_from_slice(&[0; TAG_LEN]);
    sure(sure(key.frames()).seal_in_place(FramePlace::Last { index: 0, length: plain_len as u64 }, &mut frame));
    let index = [((plain_len - json.len()) as u64).to_be_bytes(), (json.len() as u64).to_be_bytes()].concat();
    let file_len = (HEAD_LEN + NOTE_LEN + frame.len()) as u64;
    let mut head = [
        start.as_slice(),
        &encapsulated,
        &file_len.to_be_bytes(),
        digest(&SHA256, &json).as_ref(),
        &sure(key.seal_small(&index)),
        &1_u64.to_be_bytes(),
    ]
    .concat();
    head.resize(HEAD_LEN, 0);
    if let Some((manifest, contents)) = read(&[head.as_slice(), &note(&head), &frame].concat()) {
        assert_eq!(sure(serde_json::to_vec(&manifest)), json, "two manifests are one");
        assert_eq!(contents.concat(), CONTENTS.concat().get(..contents.concat().len()).unwrap_or_default());
    } else {
        assert!(json != house().json.as_bytes(), "the good manifest was refused");
    }
}

fn keys(edits: &[u8]) {
    let House { peer, .. } = house();
    let text = rewritten(&peer.to_string(), edits);
    let Ok(text) = String::from_utf8(text) else { return };
    match Peer::parse(peer.region(), &text) {
        Ok(read) => assert_eq!(read.to_string(), text),
        Err(error) => assert!(text != peer.to_string(), "{error}"),
    }
}

/// The good one of each kind, and a change to each part of it.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let places = [0_u32, 64, 128, 192, 200, 1_288, 1_320, 1_328, 1_360, 1_404, 1_411, 2_047, 2_048, 6_000, 10_240];
    let at = |kind: u8, place: u32, mask: u8| {
        let [_, a, b, c] = place.to_be_bytes();
        vec![kind, a, b, c, mask]
    };
    let mut seeds: Vec<Vec<u8>> = (0..5).map(|kind| vec![kind]).collect();
    for place in places {
        seeds.extend([at(0, place, 1), at(0, place, 0), at(1, place, 1), at(1, place, 0x80)]);
    }
    let json = &house().json;
    for (from, to) in [
        ("\"format\":1", "\"format\":2"),
        ("\"size\":3", "\"size\":4"),
        ("\"key\":\"b\"", "\"key\":\"a\""),
        ("\"lift\":{", "\"release\":{"),
        ("SECRET", "TOP SECRET"),
        ("wanda", ""),
        ("null", "\"x\""),
        ("1772366400000", "1772366400001"),
    ] {
        let Some(place) = json.find(from).and_then(|place| u16::try_from(place).ok()) else { continue };
        let [a, b] = place.to_be_bytes();
        let lengths = [from.len(), to.len()].map(|length| u8::try_from(length).unwrap_or(0));
        seeds.push([&[2, a, b], lengths.as_slice(), to.as_bytes()].concat());
    }
    seeds.extend([b"\x03{\"gaps\":[[3,5],[9,9]]}".to_vec(), b"\x03{\"gaps\":[[1,1000]]}".to_vec()]);
    seeds.extend([vec![4, 0, 0, 1, 0], vec![4, 0, 40, 1, 1, b'A'], vec![4, 0, 9, 3, 4, b'h', b'i', b'g', b'h']]);
    seeds
}

/// Words of manifests.
pub(crate) const WORDS: &[&str] = &[
    "\"errand\":",
    "{\"lift\":{",
    "{\"release\":{",
    "\"gaps\"",
    "\"objects\":[",
    "\"sha256\":",
    "\"attributes\":{",
    "\"metadata\":{",
    "\"label_xml\":",
    "\"ordered_by\":[",
    "null",
    "18446744073709551615",
    "{\"gaps\":[[",
    "]]}",
    "seal ",
];

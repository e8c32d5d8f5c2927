//! Two regions, and bundles between them.

use fastness_crossing::{
    BundleError, BundleReader, BundleWriter, Errand, NewObject, Outline, OwnKeys, Peer, Person, Receiver, sign,
};
use fastness_label::Policy;
use fastness_operation::{
    AccountNumber, Attributes, BucketName, BundleId, LiftId, MappingName, ObjectKey, Purpose, RegionName,
};
use fastness_vault::RootKey;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::num::NonZeroU64;
use std::sync::OnceLock;

/// 2026-03-01T12:00:00Z, a whole hour.
pub const NOW_MS: i64 = 1_772_366_400_000;
pub const LOW: &str = "us-gov-west-1";
pub const HIGH: &str = "us-isob-east-1";
/// Where things stand in a bundle (docs/formats/bundle.md).
pub const HEAD_LEN: usize = 2_048;
pub const PREFIX: usize = 10_240;
pub const SEALED_FRAME: usize = 65_552;

pub fn region(name: &str) -> RegionName {
    RegionName::new(name).unwrap()
}

/// The root key of a region, by a byte.
pub fn root(byte: u8) -> RootKey {
    RootKey::from_bytes(&[byte; 32])
}

pub struct Regions {
    pub low: OwnKeys,
    pub high: OwnKeys,
    pub policy: Policy,
}

pub fn regions() -> &'static Regions {
    static REGIONS: OnceLock<Regions> = OnceLock::new();
    REGIONS.get_or_init(|| Regions {
        low: OwnKeys::of(&region(LOW), &root(1)).unwrap(),
        high: OwnKeys::of(&region(HIGH), &root(2)).unwrap(),
        policy: Policy::us(),
    })
}

pub fn account(number: &str) -> AccountNumber {
    number.parse().unwrap()
}

pub fn bucket(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

pub fn lift() -> Errand {
    Errand::Lift {
        lift: LiftId::from_random(7),
        mapping: MappingName::new("plans").unwrap(),
        from_account: account("000000000012"),
        from_bucket: bucket("plans"),
        to_account: account("123456789012"),
        to_bucket: bucket("from-below"),
        purpose: Some(Purpose::new("exercise, order 7").unwrap()),
        ordered_by: vec![Person { name: "wanda".to_owned(), duty: String::new(), at_ms: NOW_MS - 5 }],
    }
}

pub fn release() -> Errand {
    Errand::Release {
        mapping: MappingName::new("released").unwrap(),
        to_account: account("123456789012"),
        to_bucket: bucket("from-above"),
    }
}

pub fn outline(errand: Errand, marking: &str) -> Outline {
    let label = regions().policy.label(marking).unwrap();
    Outline { id: BundleId::from_random(99), made_ms: NOW_MS, errand, label }
}

pub fn object(key: &str) -> NewObject {
    let metadata = BTreeMap::from([("owner".to_owned(), "ä & <b>".to_owned())]);
    let attributes = Attributes { content_type: Some("text/plain".to_owned()), metadata, ..Attributes::default() };
    NewObject { key: ObjectKey::new(key).unwrap(), attributes }
}

/// A bundle of a lift at SECRET from low to high with these contents, called `0`, `1`, …; unsigned.
pub fn written(contents: &[Vec<u8>]) -> Vec<u8> {
    let house = regions();
    let mut writer = begin(&house.high.peer());
    for (place, content) in contents.iter().enumerate() {
        writer.object(object(&place.to_string())).unwrap();
        writer.write(content).unwrap();
        writer.end_object().unwrap();
    }
    writer.finish(outline(lift(), "SECRET"), &house.policy).unwrap().file.into_inner()
}

pub fn begin(to: &Peer) -> BundleWriter<Cursor<Vec<u8>>> {
    BundleWriter::begin(Cursor::new(Vec::new()), regions().low.region(), to).unwrap()
}

pub fn signed(contents: &[Vec<u8>]) -> Vec<u8> {
    numbered(written(contents), 1)
}

/// The bundle under a number, signed by low.
pub fn numbered(bundle: Vec<u8>, number: u64) -> Vec<u8> {
    let mut file = Cursor::new(bundle);
    sign(&mut file, NonZeroU64::new(number).unwrap(), &regions().low).unwrap();
    file.into_inner()
}

/// High opens what lies in the inbox of low.
pub fn open(bundle: &[u8]) -> Result<BundleReader<Cursor<&[u8]>>, BundleError> {
    open_at(bundle, NOW_MS)
}

pub fn open_at(bundle: &[u8], now_ms: i64) -> Result<BundleReader<Cursor<&[u8]>>, BundleError> {
    let house = regions();
    let peer = house.low.peer();
    BundleReader::open(Cursor::new(bundle), Receiver { own: &house.high, peer: &peer, policy: &house.policy, now_ms })
}

/// The word for what is wrong with a bundle, its objects read, too; `good` when nothing is.
pub fn verdict(bundle: &[u8]) -> &'static str {
    match open(bundle).and_then(|mut reader| reader.verify()) {
        Ok(()) => "good",
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && said.len() < 300, "{said}");
            error.kind()
        }
    }
}

/// Bytes that do not repeat soon.
pub fn noise(length: usize) -> Vec<u8> {
    (0..length as u64).map(|place| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

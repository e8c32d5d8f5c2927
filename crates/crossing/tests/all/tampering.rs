//! What somebody on the way can do to a bundle.

use crate::support::{
    HEAD_LEN, NOW_MS, PREFIX, SEALED_FRAME, begin, lift, noise, numbered, object, open, open_at, outline, regions,
    root, signed, verdict, written,
};
use fastness_crossing::{
    BUNDLE_LEN_MAX, BundleError, BundleReader, CLOCK_AHEAD_MAX_MS, MADE_BEFORE_MAX_MS, OwnKeys, Part, Receiver, sign,
};
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroU64;

/// What a changed byte of the head may be called.
fn names_for(place: usize) -> &'static [&'static str] {
    match place {
        0..64 => &["malformed"],
        // A name that no region has, or another name.
        64..128 => &["malformed", "forged"],
        128..192 => &["malformed", "another origin's"],
        1_320..1_328 => &["truncated", "oversized"],
        1_412..2_048 => &["malformed"],
        _ => &["forged"],
    }
}

#[test]
fn every_changed_byte_before_the_frames_is_found() {
    let mut bundle = signed(&[b"content".to_vec()]);
    assert_eq!(verdict(&bundle), "good");
    for place in 0..PREFIX {
        let mask = [0x01, 0x20, 0x80][place % 3];
        bundle[place] ^= mask;
        let said = verdict(&bundle);
        assert!(names_for(place).contains(&said), "byte {place}: {said}");
        bundle[place] ^= mask;
    }
    assert_eq!(verdict(&bundle), "good");
}

#[test]
fn every_changed_byte_of_a_frame_is_found() {
    let mut bundle = signed(&[noise(100_000)]);
    let frames = PREFIX..bundle.len();
    let edges = frames.clone().step_by(SEALED_FRAME).flat_map(|border| border - 20..border + 20);
    let within = edges.chain(frames.clone().step_by(211)).chain(bundle.len() - 20..bundle.len());
    for place in within.filter(|place| frames.contains(place)).collect::<Vec<_>>() {
        bundle[place] ^= 1 << (place % 8);
        assert_eq!(verdict(&bundle), "damaged", "byte {place}");
        bundle[place] ^= 1 << (place % 8);
    }
    assert_eq!(verdict(&bundle), "good");
}

#[test]
fn a_damaged_frame_damages_what_lies_in_it_alone() {
    let mut bundle = signed(&[noise(70_000), noise(10), noise(200_000)]);
    // The frame from 131,072 on belongs to the last object.
    bundle[PREFIX + 2 * SEALED_FRAME + 5] ^= 4;
    let mut reader = open(&bundle).unwrap();
    let mut into = Vec::new();
    reader.object(0, &mut into).unwrap();
    reader.object(1, &mut into).unwrap();
    assert_eq!(into.len(), 10);
    assert!(matches!(reader.object(2, &mut into), Err(BundleError::Damaged(Part::Object(2)))));
    assert!(into.is_empty(), "nothing of a damaged object is handed over");
    assert!(matches!(reader.verify(), Err(BundleError::Damaged(Part::Object(2)))));
    // And it goes on with the others.
    reader.object(0, &mut into).unwrap();
}

#[test]
fn a_bundle_cut_anywhere_is_truncated() {
    let bundle = signed(&[noise(300_000)]);
    let borders = (0..bundle.len()).step_by(65_536).chain([HEAD_LEN, PREFIX, PREFIX + SEALED_FRAME, bundle.len()]);
    for length in borders.flat_map(|border| border.saturating_sub(1)..=border + 1) {
        if length < bundle.len() {
            assert_eq!(verdict(&bundle[..length]), "truncated", "{length}");
        }
    }
}

#[test]
fn a_bundle_with_more_bytes_than_it_says_is_oversized() {
    let bundle = signed(&[noise(10)]);
    for more in [1, 15, 16, 17, 65_552] {
        assert_eq!(verdict(&[bundle.as_slice(), &vec![0; more]].concat()), "oversized", "{more}");
    }
}

/// A file that is longer than anybody can hold.
struct Endless;

impl Read for Endless {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("nothing of it is read")
    }
}

impl Seek for Endless {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(BUNDLE_LEN_MAX + 1)
    }
}

#[test]
fn nothing_is_read_of_what_is_longer_than_any_bundle() {
    let house = regions();
    let peer = house.low.peer();
    let receiver = Receiver { own: &house.high, peer: &peer, policy: &house.policy, now_ms: NOW_MS };
    assert_eq!(BundleReader::open(Endless, receiver).unwrap_err().kind(), "oversized");
}

#[test]
fn two_bundles_frames_heads_and_notes_cannot_be_exchanged() {
    let one = signed(&[noise(150_000)]);
    let other = numbered(written(&[noise(150_000)]), 2);
    assert_eq!(one.len(), other.len());
    let swap = |range: std::ops::Range<usize>| {
        let mut mixed = one.clone();
        mixed[range.clone()].copy_from_slice(&other[range]);
        verdict(&mixed)
    };
    assert_eq!(swap(0..HEAD_LEN), "forged");
    assert_eq!(swap(HEAD_LEN..PREFIX), "forged");
    assert_eq!(swap(0..PREFIX), "damaged");
    assert_eq!(swap(PREFIX..PREFIX + SEALED_FRAME), "damaged");
    // Within one: frames in another order.
    let mut turned = one.clone();
    let (first, second) = turned[PREFIX..PREFIX + 2 * SEALED_FRAME].split_at_mut(SEALED_FRAME);
    first.swap_with_slice(second);
    assert_eq!(verdict(&turned), "damaged");
}

#[test]
fn a_bundle_for_another_region_is_not_opened() {
    let house = regions();
    let third = OwnKeys::of(&crate::support::region("us-iso-east-1"), &root(3)).unwrap();
    let mut writer = begin(&third.peer());
    writer.object(object("a")).unwrap();
    writer.end_object().unwrap();
    let mut file = writer.finish(outline(lift(), "SECRET"), &house.policy).unwrap().file;
    sign(&mut file, NonZeroU64::MIN, &house.low).unwrap();
    let error = open(&file.into_inner()).unwrap_err();
    assert_eq!(error.to_string(), "the bundle is for the region `us-iso-east-1`, not for this one");
    assert_eq!(error.kind(), "another region's");
}

#[test]
fn a_bundle_of_another_origin_is_not_opened_though_that_one_is_known_too() {
    let house = regions();
    let bundle = signed(&[noise(10)]);
    let third = OwnKeys::of(&crate::support::region("us-iso-east-1"), &root(3)).unwrap().peer();
    let receiver = Receiver { own: &house.high, peer: &third, policy: &house.policy, now_ms: NOW_MS };
    let error = BundleReader::open(io::Cursor::new(bundle), receiver).unwrap_err();
    assert_eq!(error.kind(), "another origin's");
}

#[test]
fn a_bundle_sealed_to_an_older_key_is_told_from_a_damaged_one() {
    let house = regions();
    let before = OwnKeys::of(house.high.region(), &root(9)).unwrap();
    let mut writer = begin(&before.peer());
    writer.object(object("a")).unwrap();
    writer.end_object().unwrap();
    let mut file = writer.finish(outline(lift(), "SECRET"), &house.policy).unwrap().file;
    sign(&mut file, NonZeroU64::MIN, &house.low).unwrap();
    let error = open(&file.into_inner()).unwrap_err();
    assert_eq!(error.kind(), "another key's");
    assert!(error.to_string().contains(&hex::encode(before.peer().sealer().id())), "{error}");
}

#[test]
fn a_bundle_is_good_for_thirty_days_and_a_quarter_of_an_hour_too_early() {
    let bundle = signed(&[noise(10)]);
    let at = |now_ms: i64| open_at(&bundle, now_ms).map(|_| ()).map_err(|error| error.kind());
    assert_eq!(at(NOW_MS + MADE_BEFORE_MAX_MS), Ok(()));
    assert_eq!(at(NOW_MS + MADE_BEFORE_MAX_MS + 1), Err("clock"));
    assert_eq!(at(NOW_MS - CLOCK_AHEAD_MAX_MS), Ok(()));
    assert_eq!(at(NOW_MS - CLOCK_AHEAD_MAX_MS - 1), Err("clock"));
    for extreme in [i64::MIN, i64::MAX, 0] {
        assert_eq!(at(extreme), Err("clock"));
    }
    let error = open_at(&bundle, 0).unwrap_err().to_string();
    assert!(error.contains("2026-03-01T12:00:00.000Z") && error.contains("1970-01-01T00:00:00.000Z"), "{error}");
}

/// A disk that fails after so many bytes.
struct Failing<'a>(io::Cursor<&'a [u8]>, usize);

impl Read for Failing<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.1 < into.len() {
            return Err(io::Error::other("the disk is broken"));
        }
        self.1 -= into.len();
        self.0.read(into)
    }
}

impl Seek for Failing<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_disk_that_fails_is_not_called_a_bad_bundle() {
    let house = regions();
    let peer = house.low.peer();
    let receiver = Receiver { own: &house.high, peer: &peer, policy: &house.policy, now_ms: NOW_MS };
    let bundle = signed(&[noise(10)]);
    for room in [0, HEAD_LEN, PREFIX] {
        let error = BundleReader::open(Failing(io::Cursor::new(&bundle), room), receiver).unwrap_err();
        assert!(error.is_own_fault(), "{room}: {error}");
        assert_eq!(error.kind(), "disk");
    }
}

//! What a writer refuses to write.

use crate::support::{NOW_MS, begin, lift, noise, object, outline, regions, release};
use fastness_crossing::{BundleWriter, NewObject, OBJECT_LEN_MAX, Outline};
use fastness_label::Policy;
use std::io::{self, Cursor, Seek, SeekFrom, Write};

fn one_object() -> BundleWriter<Cursor<Vec<u8>>> {
    let mut writer = begin(&regions().high.peer());
    writer.object(object("a")).unwrap();
    writer.write(b"one").unwrap();
    writer.end_object().unwrap();
    writer
}

#[test]
fn calls_come_in_order() {
    let policy = &regions().policy;
    let mut writer = begin(&regions().high.peer());
    assert_eq!(writer.write(b"x").unwrap_err().kind(), "misused");
    assert_eq!(writer.end_object().unwrap_err().kind(), "misused");
    writer.object(object("a")).unwrap();
    assert_eq!(writer.object(object("b")).unwrap_err().kind(), "misused");
    assert_eq!(writer.finish(outline(lift(), "SECRET"), policy).unwrap_err().kind(), "misused");
    let empty = begin(&regions().high.peer());
    assert!(empty.finish(outline(lift(), "SECRET"), policy).unwrap_err().to_string().contains("it holds nothing"));
}

#[test]
fn an_objects_digest_is_said_when_it_ends() {
    let mut writer = begin(&regions().high.peer());
    writer.object(object("a")).unwrap();
    writer.write(b"ab").unwrap();
    writer.write(b"c").unwrap();
    let digest = hex::encode(writer.end_object().unwrap());
    assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let policy = &regions().policy;
    let said = |outline: Outline| one_object().finish(outline, policy).unwrap_err().to_string();
    assert!(said(Outline { made_ms: NOW_MS + 1, ..outline(release(), "SECRET") }).contains("than the hour"));
    assert!(said(Outline { made_ms: -1, ..outline(lift(), "SECRET") }).contains("its time is none"));
    let label = Policy::nato().label("CTS//BOHEMIA//REL TO NATO, AUS").unwrap();
    assert!(said(Outline { label, ..outline(lift(), "SECRET") }).contains("none of this region's policy"));
    let mut twice = one_object();
    twice.object(object("a")).unwrap();
    twice.end_object().unwrap();
    assert!(
        twice.finish(outline(lift(), "SECRET"), policy).unwrap_err().to_string().contains("two objects of one name")
    );
}

#[test]
fn an_object_that_cannot_cross_is_refused_before_a_byte_of_it_is_written() {
    let mut writer = begin(&regions().high.peer());
    let mut bad = object("a");
    bad.attributes.content_type = Some("text/plain\n".to_owned());
    assert_eq!(writer.object(bad).unwrap_err().kind(), "malformed");
    // The bundle goes on without it.
    writer.object(object("a")).unwrap();
    let piece = vec![0; 1 << 20];
    for _ in 0..OBJECT_LEN_MAX >> 20 {
        writer.write(&piece).unwrap();
    }
    assert_eq!(writer.write(&[0]).unwrap_err().kind(), "oversized");
}

#[test]
fn names_that_fill_the_manifest_end_the_bundle() {
    let mut writer = begin(&regions().high.peer());
    let large = |place: u64| {
        let mut attributes = object("x").attributes;
        attributes.cache_control = Some("c".repeat(8_000));
        let key = fastness_operation::ObjectKey::new(format!("{place:\u{1f}>1000}")).unwrap();
        NewObject { key, attributes }
    };
    let mut written = 0;
    while writer.has_room(&large(written), 1) {
        writer.object(large(written)).unwrap();
        writer.write(b"x").unwrap();
        writer.end_object().unwrap();
        written += 1;
    }
    assert!((100..1_000).contains(&written), "{written}");
    assert_eq!(writer.object(large(written)).unwrap_err().kind(), "oversized");
    writer.finish(outline(lift(), "SECRET"), &regions().policy).unwrap();
}

/// Counts what is written, and keeps nothing.
struct Counting(u64, u64);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Counting {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        self.1 += 1;
        Ok(0)
    }
}

#[test]
fn a_bundle_is_written_in_one_pass() {
    let house = regions();
    let mut file = Counting(0, 0);
    let mut writer = BundleWriter::begin(&mut file, house.low.region(), &house.high.peer()).unwrap();
    writer.object(object("a")).unwrap();
    writer.write(&noise(1_000_000)).unwrap();
    writer.end_object().unwrap();
    let length = writer.finish(outline(lift(), "SECRET"), &house.policy).unwrap().length;
    // To the start, once at the beginning and once for the head, which is written twice.
    assert_eq!((file.0, file.1), (length + 2_048, 2));
}

/// A disk with no room after so many bytes.
struct Full(Cursor<Vec<u8>>, usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 = self.1.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Full {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_full_disk_is_an_error_wherever_it_comes() {
    let house = regions();
    let attempt = |room: usize| {
        let full = Full(Cursor::new(Vec::new()), room);
        let mut writer = BundleWriter::begin(full, house.low.region(), &house.high.peer())?;
        writer.object(object("a"))?;
        writer.write(&noise(200_000))?;
        writer.end_object()?;
        writer.finish(outline(lift(), "SECRET"), &house.policy).map(|_| ())
    };
    for room in [0, 10_239, 10_240, 100_000, 215_000] {
        let error = attempt(room).unwrap_err();
        assert!(error.is_own_fault() && error.kind() == "disk", "{room}: {error}");
    }
    attempt(300_000).unwrap();
}

//! What a receiver takes off a line: frames.
//!
//! The first byte says what is done: the rest is a datagram as it comes, or a body that is sealed by the key first, so that the
//! parser behind the tag is reached. Oracle: a datagram is opened only if the key sealed it; what is opened makes sense and, sealed
//! again from its fields, is the same bytes; sets of numbers are read as what they write.

use crate::sure;
use fastness_diode::{
    Body, BundleNumber, FRAME_BYTES_MAX, Frame, Geometry, LinkKey, Numbers, Opener, RunId, SYMBOL_AT, SYMBOL_OVERHEAD,
    Seal, Sealer, Seen, number_of_file,
};

const RUN: RunId = RunId([7; 32]);

fn link() -> LinkKey {
    LinkKey::new([42; 32])
}

fn sealer() -> Sealer {
    sure(Sealer::of_run(&link(), RUN))
}

pub(crate) fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => datagram(rest),
        1 => symbol(rest),
        2 => changed(rest),
        _ => text(rest),
    }
}

/// As it comes: nobody can seal without the key, so only what our sealer makes may be opened.
fn datagram(data: &[u8]) {
    if let Ok((frame, seen)) = Opener::new(link()).open(data) {
        assert_eq!(seen, Seen::First);
        assert!(seeds().iter().any(|seed| seed.get(1..) == Some(data)) || again(&frame) == data);
    }
}

/// Fields as somebody who holds the key chooses them.
fn symbol(data: &[u8]) {
    let Some((fields, bytes)) = data.split_first_chunk::<24>() else { return };
    let field =
        |at: usize| -> u64 { fields.iter().skip(at).take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)) };
    let (number, length) = (BundleNumber::new(field(0)), field(8));
    let size = u32::try_from(bytes.len()).unwrap_or(0);
    let (block, id) = ((field(16) >> 32) as u32, field(16) as u32);
    let (Some(number), Ok(geometry)) = (number, Geometry::new(length, size)) else { return };
    assert!(geometry.block(geometry.blocks()).is_none());
    let mut frame = vec![0; bytes.len() + SYMBOL_OVERHEAD];
    frame.iter_mut().skip(SYMBOL_AT).zip(bytes).for_each(|(to, from)| *to = *from);
    match sealer().symbol(&mut frame, number, &geometry, block, id) {
        Err(_) => assert!(geometry.block(block).is_none() || id >= 1 << 24),
        Ok(()) => {
            let mut opener = Opener::new(link());
            let (opened, _) = sure(opener.open(&frame));
            let Body::Symbol(symbol) = opened.body else { unreachable!("it was a symbol") };
            assert_eq!((symbol.number, symbol.geometry, symbol.block, symbol.id), (number, geometry, block, id));
            assert_eq!(symbol.bytes, bytes);
            assert!(symbol.geometry.block(block).is_some_and(|block| block.symbols > 0));
            assert_eq!(sure(opener.open(&frame)).1, Seen::Again);
        }
    }
}

/// A good frame, changed: place and mask of each change, two bytes and one.
fn changed(data: &[u8]) {
    let Some((which, changes)) = data.split_first() else { return };
    let frames = frames();
    let Some(good) = frames.get(usize::from(*which) % frames.len().max(1)) else { return };
    let mut frame = good.clone();
    for change in changes.as_chunks::<3>().0 {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]]));
        match frame.get_mut(at) {
            Some(byte) => *byte ^= change[2],
            None => frame.truncate(usize::from(change[2])),
        }
    }
    assert_eq!(Opener::new(link()).open(&frame).is_ok(), frame == *good);
}

fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(numbers) = text.parse::<Numbers>() {
        assert_eq!(sure(numbers.to_string().parse::<Numbers>()), numbers);
        let (first, last) = (BundleNumber::FIRST, sure(BundleNumber::new(u64::MAX).ok_or("none")));
        let missing = numbers.missing(first, last);
        assert!(missing.range_count() <= numbers.range_count() + 1);
        assert_eq!(missing.missing(first, last), numbers);
    }
    if let Some(number) = number_of_file(text) {
        assert_eq!(fastness_diode::file_name(number), text);
    }
}

/// The frame of what was read.
fn again(frame: &Frame<'_>) -> Vec<u8> {
    let mut sealer = sure(Sealer::of_run(&link(), frame.run));
    for _ in 0..frame.sequence.min(64) {
        sure(sealer.announcement(BundleNumber::FIRST));
    }
    match frame.body {
        Body::Announcement { highest } => sure(sealer.announcement(highest)),
        Body::Seals(seals) => sure(sealer.seals(&seals.iter().collect::<Vec<Seal>>())),
        Body::Symbol(symbol) => {
            let mut bytes = vec![0; symbol.bytes.len() + SYMBOL_OVERHEAD];
            bytes.iter_mut().skip(SYMBOL_AT).zip(symbol.bytes).for_each(|(to, from)| *to = *from);
            sure(sealer.symbol(&mut bytes, symbol.number, &symbol.geometry, symbol.block, symbol.id));
            bytes
        }
    }
}

/// One good frame of each kind.
fn frames() -> Vec<Vec<u8>> {
    let geometry = sure(Geometry::new(1_000, 64));
    let (number, digest) = (BundleNumber::FIRST, fastness_diode::BundleDigest([5; 32]));
    let mut symbol = vec![9; 64 + SYMBOL_OVERHEAD];
    sure(sealer().symbol(&mut symbol, number, &geometry, 0, 3));
    let seals = sure(sealer().seals(&[Seal { number, geometry, digest }; 2]));
    vec![symbol, seals, sure(sealer().announcement(number))]
}

/// Good frames, frames to change, fields, and texts.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = frames().iter().map(|frame| [&[0][..], frame.as_slice()].concat()).collect();
    seeds.extend([vec![0, 1, 2], vec![0; FRAME_BYTES_MAX + 2]]);
    let fields = |number: u64, length: u64, block: u32, id: u32, size: usize| {
        let (block, id) = (block.to_be_bytes(), id.to_be_bytes());
        [&[1][..], &number.to_be_bytes(), &length.to_be_bytes(), &block, &id, &vec![3; size]].concat()
    };
    seeds.push(fields(1, 1_000, 0, 0, 64));
    seeds.push(fields(u64::MAX, 1 << 40, 67_108_863, 0xFF_FFFF, 64));
    seeds.push(fields(1, 1 << 40, 0, 1 << 24, 72));
    seeds.push(fields(0, 0, 0, 0, 63));
    for which in 0..3 {
        seeds.push(vec![2, which]);
        seeds.push(vec![2, which, 0, 5, 1, 0, 70, 255]);
        seeds.push(vec![2, which, 255, 255, 80]);
    }
    let texts = ["3-5, 9", "1\n2\n3-18446744073709551615", "5-3", "0000000017.bundle", "17.bundle"];
    seeds.extend(texts.map(|text| [&[3][..], text.as_bytes()].concat()));
    seeds
}

/// Pieces of frames and of lists.
pub(crate) const WORDS: &[&str] =
    &["FSTD\u{1}\u{1}", "FSTD\u{1}\u{2}", "FSTD\u{1}\u{3}", "1-", ", ", ".bundle", "18446744073709551615"];

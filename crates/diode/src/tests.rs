use super::*;
use proptest::prelude::*;

const RUN: RunId = RunId([7; 32]);

fn link() -> LinkKey {
    LinkKey::new([42; 32])
}

fn number(number: u64) -> BundleNumber {
    BundleNumber::new(number).unwrap()
}

fn sealer() -> Sealer {
    Sealer::of_run(&link(), RUN).unwrap()
}

fn symbol_frame(sealer: &mut Sealer, length: u64, size: u32, block: u32, id: u32) -> Vec<u8> {
    let geometry = Geometry::new(length, size).unwrap();
    let mut frame = vec![3; size as usize + SYMBOL_OVERHEAD];
    sealer.symbol(&mut frame, number(9), &geometry, block, id).unwrap();
    frame
}

fn seal(number_of_bundle: u64) -> Seal {
    let geometry = Geometry::new(1_000, 64).unwrap();
    Seal { number: number(number_of_bundle), geometry, digest: BundleDigest([5; 32]) }
}

fn refusal(datagram: &[u8]) -> Refused {
    Opener::new(link()).open(datagram).unwrap_err()
}

#[test]
fn a_symbol_comes_back_as_it_was_sent() {
    let frame = symbol_frame(&mut sealer(), 10_000_000, 1384, 2, 300);
    let mut opener = Opener::new(link());
    let (frame, seen) = opener.open(&frame).unwrap();
    assert_eq!((frame.run, frame.sequence, seen), (RUN, 0, Seen::First));
    let Body::Symbol(symbol) = frame.body else { panic!("it is a symbol") };
    assert_eq!((symbol.number, symbol.block, symbol.id), (number(9), 2, 300));
    assert_eq!(symbol.geometry, Geometry::new(10_000_000, 1384).unwrap());
    assert_eq!(symbol.bytes, [3; 1384]);
}

#[test]
fn seals_and_announcements_come_back_as_they_were_sent() {
    let mut sealer = sealer();
    let seals: Vec<Seal> = (1..=SEALS_MAX as u64).map(seal).collect();
    let frames = [sealer.seals(&seals).unwrap(), sealer.announcement(number(77)).unwrap()];
    let mut opener = Opener::new(link());
    let Body::Seals(read) = opener.open(&frames[0]).unwrap().0.body else { panic!("they are seals") };
    assert_eq!(read.iter().collect::<Vec<_>>(), seals);
    assert_eq!(opener.open(&frames[1]).unwrap().0.body, Body::Announcement { highest: number(77) });
    assert_eq!(sealer.seals(&[]), Err(SealerError::Length(64)));
    assert!(sealer.seals(&[seals, vec![seal(1)]].concat()).is_err());
}

#[test]
fn a_frame_of_another_key_is_refused() {
    let frame = Sealer::of_run(&LinkKey::new([43; 32]), RUN).unwrap().announcement(number(1)).unwrap();
    assert_eq!(refusal(&frame), Refused::Forged);
}

#[test]
fn a_frame_that_takes_another_runs_number_is_refused() {
    let mut frame = sealer().announcement(number(1)).unwrap();
    frame[8] ^= 1;
    assert_eq!(refusal(&frame), Refused::Forged);
}

#[test]
fn every_changed_bit_is_refused() {
    let frame = symbol_frame(&mut sealer(), 100, 64, 0, 1);
    let mut opener = Opener::new(link());
    for at in 0..frame.len() {
        for bit in 0..8 {
            let mut changed = frame.clone();
            changed[at] ^= 1 << bit;
            assert!(opener.open(&changed).is_err(), "byte {at}, bit {bit}");
        }
    }
    assert!(opener.open(&frame).is_ok());
}

#[test]
fn every_truncated_or_lengthened_frame_is_refused() {
    let frame = symbol_frame(&mut sealer(), 100, 64, 0, 1);
    for length in 0..frame.len() {
        let expected = if length < FRAME_BYTES_MIN { Refused::Short } else { Refused::Length };
        assert_eq!(refusal(&frame[..length]), expected, "{length}");
    }
    assert_eq!(refusal(&[frame.as_slice(), &[0]].concat()), Refused::Length);
}

#[test]
fn what_is_no_frame_is_refused_by_its_reason() {
    assert_eq!(refusal(&[1, 2]), Refused::Short);
    assert_eq!(refusal(&[]), Refused::Short);
    assert_eq!(refusal(&vec![0; FRAME_BYTES_MAX + 1]), Refused::Oversized);
    assert_eq!(refusal(&[0; 500]), Refused::Foreign);
    let mut later = sealer().announcement(number(1)).unwrap();
    later[4] = 2;
    assert_eq!(refusal(&later), Refused::Version);
}

#[test]
fn a_frame_seen_before_says_so_and_one_long_ago_is_late() {
    let mut sealer = sealer();
    let mut opener = Opener::new(link());
    let frames: Vec<_> = (0..140_000).map(|_| sealer.announcement(number(1)).unwrap()).collect();
    let mut see = |at: usize| opener.open(&frames[at]).unwrap().1;
    assert_eq!((see(1), see(0), see(1), see(0)), (Seen::First, Seen::First, Seen::Again, Seen::Again));
    assert_eq!((see(130_000), see(2), see(130_000)), (Seen::First, Seen::First, Seen::Again));
    assert_eq!((see(139_999), see(3), see(10_000), see(130_000)), (Seen::First, Seen::Late, Seen::First, Seen::Again));
}

#[test]
fn runs_are_told_apart_and_old_ones_make_room() {
    let mut opener = Opener::new(link());
    let runs: Vec<Vec<u8>> = (0..20)
        .map(|run| Sealer::of_run(&link(), RunId([run; 32])).unwrap().announcement(number(1)).unwrap())
        .collect();
    for frame in &runs {
        assert_eq!(opener.open(frame).unwrap().1, Seen::First);
        assert_eq!(opener.open(frame).unwrap().1, Seen::Again);
    }
    assert_eq!(opener.open(&runs[15]).unwrap().1, Seen::Again);
    assert_eq!(opener.open(&runs[0]).unwrap().1, Seen::First);
}

#[test]
fn a_sender_cannot_seal_what_the_format_does_not_have() {
    let geometry = Geometry::new(1_000, 64).unwrap();
    let mut sealer = sealer();
    let mut frame = vec![0; 64 + SYMBOL_OVERHEAD];
    assert!(sealer.symbol(&mut frame, number(1), &geometry, geometry.blocks(), 0).is_err());
    assert!(sealer.symbol(&mut frame, number(1), &geometry, 0, 1 << 24).is_err());
    assert!(sealer.symbol(&mut [0; 10], number(1), &geometry, 0, 0).is_err());
    assert!(sealer.symbol(&mut [0; 72 + SYMBOL_OVERHEAD], number(1), &geometry, 0, 0).is_err());
    assert!(sealer.symbol(&mut frame, number(1), &geometry, 0, 0).is_ok());
}

#[test]
fn keys_are_read_as_they_are_written_and_never_shown() {
    let key = LinkKey::random().unwrap();
    let text = key.to_text();
    assert_eq!(*LinkKey::from_text(&text).unwrap().to_text(), *text);
    assert_eq!(LinkKey::from_text("abc").unwrap_err(), KeyError::Text);
    assert_eq!(format!("{key:?}"), "LinkKey(secret)");
    assert_ne!(RunId::random().unwrap(), RunId::random().unwrap());
}

#[test]
fn a_block_is_rebuilt_from_any_symbols_that_are_enough() {
    let block: Vec<u8> = (0..64 * 50_u32).map(|at| (at * 7 % 251) as u8).collect();
    let repair = Encoder::default().repair(&block, 64, 0, 40).unwrap();
    let source = block.chunks(64).enumerate().map(|(id, symbol)| (id as u32, symbol));
    let kept = source.clone().filter(|(id, _)| id % 3 != 0);
    let symbols = kept.clone().chain(repair.iter().map(|(id, symbol)| (*id, symbol.as_slice())));
    assert_eq!(decode(50, 64, symbols).unwrap(), block);
    assert_eq!(decode(50, 64, source).unwrap(), block);
    assert_eq!(decode(50, 64, kept), Err(CodeError::Undetermined));
}

#[test]
fn later_repair_symbols_are_other_ones() {
    let block = vec![9; 64 * 10];
    let mut encoder = Encoder::default();
    let all = encoder.repair(&block, 64, 0, 8).unwrap();
    assert_eq!(encoder.repair(&block, 64, 5, 3).unwrap(), all[5..]);
    assert_eq!(all[0].0, 10);
}

#[test]
fn the_code_refuses_what_it_would_fall_over() {
    let mut encoder = Encoder::default();
    assert!(encoder.repair(&[0; 65], 64, 0, 1).is_err());
    assert!(encoder.repair(&[], 64, 0, 1).is_err());
    assert!(encoder.repair(&[0; 60], 60, 0, 1).is_err());
    assert!(encoder.repair(&[0; 64], 64, 1 << 24, 1).is_err());
    assert!(encoder.repair(&[0; 64], 64, u32::MAX, 9).is_err());
    assert!(decode(0, 64, []).is_err());
    assert!(decode(BLOCK_SYMBOLS_MAX + 1, 64, []).is_err());
    assert_eq!(decode(2, 64, [(0, [0; 63].as_slice())]), Err(CodeError::Symbol(0)));
    assert_eq!(decode(2, 64, [(u32::MAX, [0; 64].as_slice())]), Err(CodeError::Symbol(u32::MAX)));
}

#[test]
fn the_digest_is_that_of_all_blocks_in_order() {
    let geometry = Geometry::new(100_000, 64).unwrap();
    let tagger = link().block_tagger(&RUN).unwrap();
    let (a, b) = (tagger.tag(number(1), 0, b"a").unwrap(), tagger.tag(number(1), 1, b"b").unwrap());
    assert_ne!(BundleDigest::of(&geometry, [&a, &b]), BundleDigest::of(&geometry, [&b, &a]));
    let longer = Geometry::new(100_001, 64).unwrap();
    assert_ne!(BundleDigest::of(&geometry, [&a]), BundleDigest::of(&longer, [&a]), "the length is part of it");
}

#[test]
fn a_tag_is_that_of_one_block_in_one_place_of_one_run() {
    let tagger = link().block_tagger(&RUN).unwrap();
    let tag = tagger.tag(number(1), 0, b"block");
    assert_eq!(tag, link().block_tagger(&RUN).unwrap().tag(number(1), 0, b"block"));
    let other_run = link().block_tagger(&RunId([8; 32])).unwrap();
    let others = [
        tagger.tag(number(1), 0, b"blocl"),
        tagger.tag(number(1), 1, b"block"),
        tagger.tag(number(2), 0, b"block"),
        other_run.tag(number(1), 0, b"block"),
    ];
    assert!(tag.is_some() && !others.contains(&tag));
}

#[test]
fn a_symbol_fits_the_frame_that_it_was_made_for() {
    assert_eq!(symbol_bytes_within(1_472), Some(1_384));
    assert_eq!(symbol_bytes_within(8_972), Some(8_880));
    assert_eq!(symbol_bytes_within(65_507), Some(SYMBOL_BYTES_MAX));
    assert_eq!(symbol_bytes_within(100), None);
}

#[test]
fn files_are_named_by_number_in_one_way() {
    assert_eq!(file_name(number(17)), "0000000017.bundle");
    assert_eq!(number_of_file(&file_name(number(u64::MAX))), BundleNumber::new(u64::MAX));
    for name in ["17.bundle", "0000000000.bundle", "0000000017.bundle.new", "+000000017.bundle", "00000000017.bundle"] {
        assert_eq!(number_of_file(name), None, "{name}");
    }
}

#[test]
fn numbers_are_read_as_people_write_them() {
    let numbers: Numbers = "9 3-5,\n6, 100-18446744073709551615".parse().unwrap();
    assert_eq!(numbers.to_string(), "3-6, 9, 100-18446744073709551615");
    assert_eq!(numbers.missing(number(1), number(120)).to_string(), "1-2, 7-8, 10-99");
    assert_eq!(numbers.missing(number(101), number(u64::MAX)).to_string(), "");
    for (text, expected) in [
        ("0", NumberError::Number("0".into())),
        ("-3", NumberError::Number(String::new())),
        ("+3", NumberError::Number("+3".into())),
        ("5-3", NumberError::Backward("5-3".into())),
    ] {
        assert_eq!(text.parse::<Numbers>(), Err(expected), "{text}");
    }
}

proptest! {
    #[test]
    fn blocks_cover_a_bundle_without_overlap(length in 1_u64..100_000_000, units in 8_u32..=1_137) {
        let geometry = Geometry::new(length, units * 8).unwrap();
        let mut end = 0;
        for block in (0..geometry.blocks()).map(|at| geometry.block(at).unwrap()) {
            prop_assert_eq!(block.offset, end);
            prop_assert!((1..=BLOCK_SYMBOLS_MAX).contains(&block.symbols));
            let whole = u64::from(block.symbols) * u64::from(geometry.symbol_bytes());
            prop_assert!(whole <= u64::from(BLOCK_BYTES_MAX) && (block.bytes as u64) <= whole);
            end += block.bytes as u64;
        }
        prop_assert_eq!(end, length);
        prop_assert_eq!(geometry.block(geometry.blocks()), None);
    }

    #[test]
    fn the_longest_bundles_have_a_geometry(length in BUNDLE_BYTES_MAX - 1_000..=BUNDLE_BYTES_MAX, units in 8_u32..=1_137) {
        let geometry = Geometry::new(length, units * 8).unwrap();
        let last = geometry.block(geometry.blocks() - 1).unwrap();
        prop_assert_eq!(last.offset + last.bytes as u64, length);
        prop_assert!(Geometry::new(BUNDLE_BYTES_MAX + 1, units * 8).is_err());
    }

    #[test]
    fn noise_is_never_a_frame(noise in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(Opener::new(link()).open(&noise).is_err());
    }

    #[test]
    fn authentic_nonsense_is_refused_and_harms_nobody(kind in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Body::Symbol(symbol)) = frame::Body::read(kind, &body) {
            prop_assert!(symbol.geometry.block(symbol.block).is_some());
            prop_assert_eq!(symbol.bytes.len(), symbol.geometry.symbol_bytes() as usize);
        }
    }

    #[test]
    fn a_set_of_numbers_is_what_a_plain_set_is(inserts in prop::collection::vec((1_u64..60, 0_u64..8, any::<bool>()), 0..40)) {
        let (mut numbers, mut plain) = (Numbers::default(), std::collections::BTreeSet::new());
        for (first, more, is_in) in inserts {
            if is_in {
                numbers.insert_range(number(first), number(first + more));
                plain.extend(first..=first + more);
            } else {
                numbers.remove_range(number(first), number(first + more));
                plain.retain(|at| !(first..=first + more).contains(at));
            }
        }
        for at in 1..80 {
            prop_assert_eq!(numbers.contains(number(at)), plain.contains(&at));
        }
        let missing = numbers.missing(number(3), number(70));
        for at in 1..80 {
            prop_assert_eq!(missing.contains(number(at)), (3..=70).contains(&at) && !plain.contains(&at));
        }
        prop_assert_eq!(numbers.count(), plain.len() as u64);
        prop_assert_eq!(numbers.to_string().parse::<Numbers>().unwrap(), numbers.clone());
        let ranges: Vec<_> = numbers.ranges().collect();
        prop_assert!(ranges.windows(2).all(|pair| pair[0].1.get() + 1 < pair[1].0.get()));
    }

    #[test]
    fn losses_up_to_the_repair_are_made_good(symbols in 1_u32..=64, lost in prop::collection::vec(any::<bool>(), 64), seed in any::<u8>()) {
        let block: Vec<u8> = (0..symbols * 64).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect();
        let kept: Vec<_> = block.chunks(64).enumerate().filter(|(at, _)| !lost[*at]).collect();
        let repair = Encoder::default().repair(&block, 64, 0, symbols - kept.len() as u32 + 4).unwrap();
        let all = kept.into_iter().map(|(at, symbol)| (at as u32, symbol));
        let all = all.chain(repair.iter().map(|(id, symbol)| (*id, symbol.as_slice())));
        prop_assert_eq!(decode(symbols, 64, all).unwrap(), block);
    }
}

//! The note, and what its two signatures are worth.

use crate::stranger::{Stranger, manifest, signing_keys};
use crate::support::{HEAD_LEN, LOW, PREFIX, lift, noise, numbered, open, regions, signed, verdict, written};
use fastness_crossing::{NUMBER_MAX, sign};
use std::io::Cursor;
use std::num::NonZeroU64;

const CONTENTS: [(&str, &[u8]); 1] = [("a", b"one")];

fn stranger() -> Stranger {
    Stranger::new(&manifest(lift(), "SECRET", &CONTENTS), &CONTENTS)
}

fn number(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

#[test]
fn without_a_note_it_is_no_bundle() {
    assert_eq!(verdict(&written(&[noise(10)])), "forged");
}

#[test]
fn a_number_that_was_torn_is_given_again() {
    let mut bundle = signed(&[noise(10)]);
    // A crash between head and note, and one within the note.
    for torn in [HEAD_LEN..PREFIX, HEAD_LEN + 100..PREFIX] {
        bundle[torn].fill(0);
        assert_eq!(verdict(&bundle), "forged");
        bundle = numbered(bundle, 1);
        assert_eq!(verdict(&bundle), "good");
    }
}

#[test]
fn under_another_number_it_is_another_bundle() {
    let bundle = written(&[noise(10)]);
    let (one, two) = (numbered(bundle.clone(), 1), numbered(bundle, 2));
    let digests = [&one, &two].map(|bundle| open(bundle).unwrap().signed().note_sha256);
    assert_ne!(digests[0], digests[1], "so that a fork is seen");
    // The same number again gives the same text, though other signatures.
    assert_eq!(open(&numbered(two, 1)).unwrap().signed().note_sha256, digests[0]);
}

#[test]
fn a_region_signs_only_what_it_wrote() {
    let house = regions();
    let mut foreign = Cursor::new(written(&[noise(10)]));
    assert_eq!(sign(&mut foreign, number(1), &house.high).unwrap_err().kind(), "another origin's");
    let mut short = written(&[noise(10)]);
    short.pop();
    assert_eq!(sign(&mut Cursor::new(short), number(1), &house.low).unwrap_err().kind(), "truncated");
    assert_eq!(sign(&mut Cursor::new(vec![0; 100_000]), number(1), &house.low).unwrap_err().kind(), "malformed");
    let mut good = Cursor::new(written(&[noise(10)]));
    assert_eq!(sign(&mut good, number(NUMBER_MAX + 1), &house.low).unwrap_err().kind(), "misused");
    assert_eq!(sign(&mut good, number(NUMBER_MAX), &house.low).unwrap().number, NUMBER_MAX);
    assert_eq!(verdict(&good.into_inner()), "good");
}

#[test]
fn both_signatures_are_needed_and_no_others_may_be_there() {
    // Only one of the two.
    for kept in [0, 1] {
        let mut one = stranger();
        one.note = match kept {
            0 => |note| without_line(&note, 1),
            _ => |note| without_line(&note, 0),
        };
        assert_eq!(verdict(&one.bundle()), "forged");
    }
    // A third, of somebody unknown; one of them twice; in the other order it is the same note no more.
    let mut third = stranger();
    third.note = |note| {
        let by = signing_keys(3).sign("fastness/us-iso-east-1/crossing", text_of(&note)).unwrap().to_string();
        let line = by.split("\n\n").nth(1).unwrap().lines().next().unwrap().to_owned();
        format!("{note}{line}\n")
    };
    assert_eq!(verdict(&third.bundle()), "forged");
    let mut twice = stranger();
    twice.note = |note| format!("{note}{}\n", note.lines().nth(7).unwrap());
    assert_eq!(verdict(&twice.bundle()), "forged");
}

fn text_of(note: &str) -> String {
    format!("{}\n", note.split_once("\n\n").unwrap().0)
}

fn without_line(note: &str, line: usize) -> String {
    let (text, signatures) = note.split_once("\n\n").unwrap();
    let kept = signatures.lines().enumerate().filter(|(place, _)| *place != line).map(|(_, line)| line);
    format!("{text}\n\n{}\n", kept.collect::<Vec<_>>().join("\n"))
}

#[test]
fn signed_by_another_region_under_its_name_it_is_forged() {
    let mut forged = stranger();
    forged.signed_by = 2;
    assert_eq!(verdict(&forged.bundle()), "forged");
    let mut forged = stranger();
    forged.signed_by = 3;
    assert_eq!(verdict(&forged.bundle()), "forged");
}

#[test]
fn what_was_signed_must_be_this_bundle_word_for_word() {
    let changes: [fn(String) -> String; 7] = [
        |text| text.replace("number 1", "number 2"),
        |text| text.replace("number 1", "number 01"),
        |text| text.replace("to us-isob-east-1", "to us-iso-east-1"),
        |text| text.replace("bundle 1", "bundle 2"),
        |text| text.replace("length ", "length 1"),
        |text| text.replace("head ", "head A"),
        |text| format!("{text}and more\n"),
    ];
    for note_text in changes {
        let mut other = stranger();
        other.note_text = note_text;
        assert_eq!(verdict(&other.bundle()), "forged");
    }
    assert_eq!(verdict(&stranger().bundle()), "good");
}

#[test]
fn what_stands_after_the_note_or_the_head_is_refused() {
    let mut bundle = stranger().bundle();
    bundle[PREFIX - 1] = b'\n';
    assert_eq!(verdict(&bundle), "forged");
    let mut other = stranger();
    other.end_of_head = 1;
    assert_eq!(verdict(&other.bundle()), "malformed");
}

#[test]
fn numbers_are_from_one_to_ten_digits() {
    for (number, said) in [(0, "malformed"), (NUMBER_MAX + 1, "malformed"), (NUMBER_MAX, "good")] {
        let mut other = stranger();
        other.number = number;
        assert_eq!(verdict(&other.bundle()), said, "{number}");
    }
}

#[test]
fn another_format_is_told_from_nonsense() {
    for (magic, said) in [
        (b"fastness bundle 2".to_vec(), "it is of another format than 1"),
        (b"PK\x03\x04".to_vec(), "it does not begin with `fastness bundle 1`"),
        (b"fastness bundle 1\0!".to_vec(), "it does not begin with `fastness bundle 1`"),
    ] {
        let mut other = stranger();
        other.magic = magic;
        let error = open(&other.bundle()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    // What comes is anything at all.
    for length in [0, 2, 10_240, 75_791, 75_792, 200_000] {
        let said = verdict(&vec![b'x'; length]);
        assert_eq!(said, if length < 75_792 { "truncated" } else { "malformed" }, "{length}");
    }
}

#[test]
fn errors_say_what_is_wrong_in_words() {
    let error = open(&written(&[noise(10)])).unwrap_err().to_string();
    assert_eq!(error, "the bundle is not signed by its origin: there is no signature");
    let mut other = stranger();
    other.origin = "us-iso-east-1";
    let error = open(&other.bundle()).unwrap_err().to_string();
    assert_eq!(error, format!("the bundle says that it comes from `us-iso-east-1`, and `{LOW}` is expected here"));
}

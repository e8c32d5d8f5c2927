//! The keys of regions, and the file that others know them by.

use crate::support::{HIGH, LOW, region, regions, root};
use fastness_crossing::{KEYS_LEN_MAX, OwnKeys, Peer, keys_name};
use fastness_vault::RegionOpener;

#[test]
fn a_region_is_known_by_what_it_printed() {
    let peer = regions().low.peer();
    let text = peer.to_string();
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().all(|line| line.contains("fastness/us-gov-west-1/crossing")));
    assert!(text.len() < KEYS_LEN_MAX);
    let read = Peer::parse(&region(LOW), &text).unwrap();
    assert_eq!(read, peer);
    assert_eq!((read.region(), read.keys(), read.sealer()), (peer.region(), peer.keys(), peer.sealer()));
}

#[test]
fn keys_come_from_the_root_key_each_for_one_purpose() {
    let again = OwnKeys::of(&region(LOW), &root(1)).unwrap();
    assert_eq!(again.peer(), regions().low.peer());
    assert_ne!(OwnKeys::of(&region(LOW), &root(3)).unwrap().peer(), again.peer());
    assert_eq!(again.peer().sealer(), RegionOpener::of(&root(1)).unwrap().sealer());
    assert_eq!(keys_name(again.region()), "fastness/us-gov-west-1/crossing");
    assert!(!format!("{again:?}").contains(&hex::encode([1; 32])));
}

#[test]
fn anything_else_is_refused_in_words() {
    let text = regions().low.peer().to_string();
    let lines: Vec<&str> = text.lines().collect();
    let (short, long, seal) = (lines[0], lines[1], lines[2]);
    let high = regions().high.peer().to_string();
    let high_seal = high.lines().nth(2).unwrap();
    let cases = [
        (String::new(), "three lines"),
        (format!("{short}\n{long}\n"), "three lines"),
        (format!("{text}\n"), "three lines"),
        (format!("{text}{seal}\n"), "three lines"),
        (format!("{long}\n{short}\n{seal}\n"), "another name, order or spelling"),
        (format!("{short}\n{short}\n{seal}\n"), "another name, order or spelling"),
        (format!("{short}\n{long}\n{seal}"), "another name, order or spelling"),
        (format!("{short} \n{long}\n{seal}\n"), "another name, order or spelling"),
        (text.replace('\n', "\r\n"), "another name, order or spelling"),
        (format!("{short}\n{long}\n{high_seal}\n"), "another name, order or spelling"),
        (format!("{short}\nx\n{seal}\n"), "no verifier key"),
        (format!("{short}\n{long}\nseal {} AAAA\n", keys_name(&region(LOW))), "`seal NAME KEY`"),
        (format!("{short}\n{long}\n{}\n", seal.replace("seal ", "open ")), "`seal NAME KEY`"),
        (format!("{short}\n{long}\n{seal}{}\n", "A".repeat(KEYS_LEN_MAX)), "too long"),
    ];
    for (text, said) in cases {
        let error = Peer::parse(&region(LOW), &text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}: {text}");
        assert!(error.starts_with("these are not the public keys of the region `us-gov-west-1`"), "{error}");
    }
    assert!(Peer::parse(&region(HIGH), &text).is_err(), "the keys of another region");
}

#[test]
fn every_changed_character_of_a_key_file_is_refused_or_is_another_key() {
    let peer = regions().low.peer();
    let text = peer.to_string();
    for place in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let Ok(changed) = String::from_utf8(changed) else { continue };
        // A sealing key has no check of its own: it is handed over by people who compare it.
        assert_ne!(Peer::parse(&region(LOW), &changed).ok(), Some(peer.clone()), "character {place}");
    }
}

//! Whoever changes the files of a log is found, at the first bad place. Those who hold the log's own keys can sign what
//! they like: they are found by what somebody else has seen before.

use crate::files::{Files, SIGNED, Signed, checkpoint, copy, copy_of, fill, keys, signed};
use crate::support::S;
use fastness_ledger::{
    Checkpoint, Log, MirrorFinding as Bad, MirrorReport, NoteError, SigningKeys, VerifierKey, leaf_hash, verify_mirror,
};

fn verify(files: &Files, keys: &[VerifierKey], known: &[Checkpoint]) -> Result<MirrorReport, Bad> {
    verify_mirror(&|path| Ok(files.get(path).cloned()), keys, known, |_| ()).unwrap()
}

fn bundle(number: u64) -> String {
    format!("tile/entries/{number:03}")
}

fn hashes(level: u8, number: u64) -> String {
    format!("tile/{level}/{number:03}")
}

/// The last bundle, and the last tiles of each level, of a log of 2,100 entries.
const LAST: &str = "tile/entries/008.p/52";
const LAST_HASHES: &str = "tile/0/008.p/52";
const LEVEL_1: &str = "tile/1/000.p/8";

/// Where an entry's bytes begin in its bundle.
fn at(place: usize) -> usize {
    place * 34 + 2
}

fn at_entry(number: u64) -> Bad {
    let part = if number / 256 == 8 { ".p/52" } else { "" };
    Bad::Entry { number, entries: bundle(number / 256) + part, hashes: hashes(0, number / 256) + part }
}

fn missing(path: &str, first: u64) -> Bad {
    Bad::Missing { path: path.to_owned(), first }
}

fn form(path: &str, first: u64) -> Bad {
    Bad::Form { path: path.to_owned(), first }
}

/// The hash over a full tile of level 0 is another than the one that is kept.
fn at_tile(number: u64) -> Bad {
    Bad::Hash { path: LEVEL_1.to_owned(), first: number * 256, last: number * 256 + 255 }
}

/// Changes an entry, and its hash with it.
fn forge(files: &mut Files, number: u64) {
    let part = if number / 256 == 8 { ".p/52" } else { "" };
    let place = (number % 256) as usize;
    let entries = files.get_mut(&(bundle(number / 256) + part)).unwrap();
    entries[at(place)] ^= 1;
    let hash = leaf_hash(&entries[at(place)..at(place) + 32]);
    files.get_mut(&(hashes(0, number / 256) + part)).unwrap()[place * 32..][..32].copy_from_slice(&hash);
}

/// The root of a full tile.
fn tile_root(tile: &[u8]) -> Vec<u8> {
    let mut row: Vec<[u8; 32]> = tile.as_chunks().0.to_vec();
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| fastness_ledger::node_hash(left, right)).collect();
    }
    row[0].to_vec()
}

fn text(files: &mut Files, change: impl Fn(String) -> String) {
    let old = String::from_utf8(files["checkpoint"].clone()).unwrap();
    let new = change(old.clone());
    assert_ne!(new, old);
    files.insert("checkpoint".to_owned(), new.into_bytes());
}

/// Changes a letter in the middle of a line of the checkpoint.
fn spoil(files: &mut Files, line: usize) {
    text(files, |note| {
        let mut lines: Vec<String> = note.lines().map(str::to_owned).collect();
        let middle = lines[line].len() - 40;
        let other = if lines[line].as_bytes()[middle] == b'A' { "B" } else { "A" };
        lines[line].replace_range(middle..=middle, other);
        lines.join("\n") + "\n"
    });
}

fn without_line(files: &mut Files, line: usize) {
    text(files, |note| {
        let lines = note.lines().enumerate().filter(|(number, _)| *number != line).map(|(_, line)| line);
        lines.collect::<Vec<_>>().join("\n") + "\n"
    });
}

type Attack = (&'static str, fn(&mut Files), Bad);

/// What somebody does who has the files and none of the log's keys.
fn without_keys(origin: &str) -> Vec<Attack> {
    let signature = |origin: &str| Bad::Note(NoteError::Signature(origin.to_owned()));
    let unsigned = || Bad::Note(NoteError::Unsigned);
    let root = |since| Bad::Root { size: 2_100, since };
    vec![
        ("an entry is edited", |files| files.get_mut(&bundle(3)).unwrap()[at(100) + 5] ^= 1, at_entry(868)),
        ("the first entry is edited", |files| files.get_mut(&bundle(0)).unwrap()[at(0)] ^= 0x80, at_entry(0)),
        ("the last entry is edited", |files| files.get_mut(LAST).unwrap()[at(51) + 31] ^= 1, at_entry(2_099)),
        ("a hash is edited", |files| files.get_mut(&hashes(0, 2)).unwrap()[32 * 7] ^= 1, at_entry(519)),
        ("the last hash is edited", |files| files.get_mut(LAST_HASHES).unwrap()[32 * 51] ^= 1, at_entry(2_099)),
        ("an entry is edited with its hash", |files| forge(files, 868), at_tile(3)),
        ("an entry in the last bundle is edited with its hash", |files| forge(files, 2_060), root(1_500)),
        (
            "an entry is edited with every hash over it",
            |files| {
                forge(files, 868);
                let hash = tile_root(&files[&hashes(0, 3)]);
                files.get_mut(LEVEL_1).unwrap()[3 * 32..4 * 32].copy_from_slice(&hash);
            },
            // The checkpoint over 1,500 entries, which is known, no longer fits.
            Bad::Fork { known: 1_500, since: 700 },
        ),
        (
            "an entry is deleted",
            |files| drop(files.get_mut(&bundle(3)).unwrap().drain(34 * 9..34 * 10)),
            form(&bundle(3), 768),
        ),
        (
            "an entry is deleted and those behind it move up",
            |files| {
                for number in 3..9 {
                    let next = files.get(&bundle(number + 1)).or(files.get(LAST)).unwrap()[..34].to_vec();
                    let path = if number == 8 { LAST.to_owned() } else { bundle(number) };
                    let entries = files.get_mut(&path).unwrap();
                    entries.drain(if number == 3 { 34 * 9..34 * 10 } else { 0..34 });
                    if number < 8 {
                        entries.extend(next);
                    }
                }
            },
            at_entry(777),
        ),
        (
            "an entry is put in twice",
            |files| {
                let entries = files.get_mut(&bundle(1)).unwrap();
                let copy = entries[34..68].to_vec();
                entries.splice(68..68, copy);
            },
            form(&bundle(1), 256),
        ),
        (
            "an entry takes the place of another",
            |files| {
                let entries = files.get_mut(&bundle(1)).unwrap();
                entries.copy_within(0..34, 34);
            },
            at_entry(257),
        ),
        (
            "two entries change places",
            |files| {
                let entries = files.get_mut(&bundle(1)).unwrap();
                let one = entries[..34].to_vec();
                entries.copy_within(34 * 8..34 * 9, 0);
                entries[34 * 8..34 * 9].copy_from_slice(&one);
            },
            at_entry(256),
        ),
        (
            "two bundles change places",
            |files| {
                let (one, other) = (files[&bundle(2)].clone(), files[&bundle(5)].clone());
                files.extend([(bundle(2), other), (bundle(5), one)]);
            },
            at_entry(512),
        ),
        (
            "two bundles change places with their hashes",
            |files| {
                for path in [|number| bundle(number), |number| hashes(0, number)] {
                    let (one, other) = (files[&path(2)].clone(), files[&path(5)].clone());
                    files.extend([(path(2), other), (path(5), one)]);
                }
            },
            at_tile(2),
        ),
        ("a bundle is cut off", |files| files.get_mut(&bundle(4)).unwrap().truncate(1_000), form(&bundle(4), 1_024)),
        ("a bundle is empty", |files| files.get_mut(&bundle(4)).unwrap().clear(), form(&bundle(4), 1_024)),
        ("something follows a bundle", |files| files.get_mut(&bundle(4)).unwrap().push(0), form(&bundle(4), 1_024)),
        (
            "an entry is appended",
            |files| {
                let entries = files.get_mut(LAST).unwrap();
                let copy = entries[..34].to_vec();
                entries.extend(copy);
            },
            form(LAST, 2_048),
        ),
        ("an entry's length is changed", |files| files.get_mut(&bundle(4)).unwrap()[1] = 31, form(&bundle(4), 1_024)),
        ("hashes are cut off", |files| files.get_mut(&hashes(0, 6)).unwrap().truncate(64), form(&hashes(0, 6), 1_536)),
        (
            "a hash is cut off",
            |files| files.get_mut(LAST_HASHES).unwrap().truncate(52 * 32 - 1),
            form(LAST_HASHES, 2_048),
        ),
        ("a bundle is deleted", |files| drop(files.remove(&bundle(7))), missing(&bundle(7), 1_792)),
        ("the last bundle is deleted", |files| drop(files.remove(LAST)), missing(LAST, 2_048)),
        ("hashes are deleted", |files| drop(files.remove(&hashes(0, 7))), missing(&hashes(0, 7), 1_792)),
        ("hashes of a level above are deleted", |files| drop(files.remove(LEVEL_1)), missing(LEVEL_1, 0)),
        ("a hash of a level above is edited", |files| files.get_mut(LEVEL_1).unwrap()[32 * 6] ^= 1, at_tile(6)),
        ("hashes of a level above are cut off", |files| files.get_mut(LEVEL_1).unwrap().truncate(64), form(LEVEL_1, 0)),
        ("the checkpoint is deleted", |files| drop(files.remove("checkpoint")), missing("checkpoint", 0)),
        (
            "the checkpoint is over fewer entries",
            |files| text(files, |note| note.replacen("\n2100\n", "\n2048\n", 1)),
            signature(origin),
        ),
        (
            "the checkpoint is over more entries",
            |files| text(files, |note| note.replacen("\n2100\n", "\n2101\n", 1)),
            signature(origin),
        ),
        ("the signed root is another", |files| spoil(files, 2), signature(origin)),
        ("the Ed25519 signature is damaged", |files| spoil(files, 4), signature(origin)),
        ("the ML-DSA-65 signature is damaged", |files| spoil(files, 5), signature(origin)),
        ("the Ed25519 signature is taken away", |files| without_line(files, 4), unsigned()),
        ("the ML-DSA-65 signature is taken away", |files| without_line(files, 5), unsigned()),
        (
            "the checkpoint is signed with other keys",
            |files| {
                let checkpoint = checkpoint(files);
                let keys = SigningKeys::from_seeds(&[1; 32], &[2; 32]).unwrap();
                let note = keys.sign(&checkpoint.origin, checkpoint.to_string()).unwrap();
                files.insert("checkpoint".to_owned(), note.to_string().into_bytes());
            },
            unsigned(),
        ),
        (
            "the checkpoint is nonsense",
            |files| drop(files.insert("checkpoint".to_owned(), b"nonsense".to_vec())),
            Bad::Note(NoteError::Malformed("no empty line ends its text")),
        ),
    ]
}

#[tokio::test]
async fn every_change_to_the_files_is_found_at_its_first_place() {
    let Signed { template, house, copies, .. } = signed().await;
    let keys = keys(&template, &house, S);
    let known: Vec<Checkpoint> = copies[..2].iter().map(checkpoint).collect();
    let good = verify(&copies[2], &keys, &known).unwrap();
    assert_eq!((good.checkpoint.size, good.signers.len()), (SIGNED[2], 2));
    let attacks = without_keys(&good.checkpoint.origin);
    assert!(attacks.len() >= 30, "{}", attacks.len());
    for (what, attack, expected) in attacks {
        let mut files = copies[2].clone();
        attack(&mut files);
        assert_ne!(files, copies[2], "{what}");
        assert_eq!(verify(&files, &keys, &known), Err(expected), "{what}");
    }
}

#[tokio::test]
async fn an_older_copy_another_log_and_a_fork_are_found_by_who_has_seen_more() {
    let Signed { template, house, copies, .. } = signed().await;
    let keys = keys(&template, &house, S);
    let known: Vec<Checkpoint> = copies.iter().map(checkpoint).collect();
    // Each of the older copies is good by itself; whoever knows a later checkpoint is told.
    assert!(verify(&copies[1], &keys, &known[..2]).is_ok());
    assert_eq!(verify(&copies[1], &keys, &known), Err(Bad::PutBack { known: 2_100, size: 1_500 }));

    let region = copy_of(&Log::of_region(&house.store), &house);
    let found = checkpoint(&region).origin;
    let swapped = verify(&region, &keys, &[]);
    assert_eq!(swapped, Err(Bad::Note(NoteError::Unsigned)), "the region's own log, {found}");

    // A second history, signed with the same keys by whoever holds the root key.
    let fork = template.open();
    let mut keeper = fork.keeper();
    for (size, salt) in [(1_500, 1), (2_300, 2)] {
        fill(&fork.store, &template, S, size, salt).await;
        assert_eq!(keeper.step().await.alarms, []);
    }
    let forked = copy(&template, &fork, S);
    assert!(verify(&forked, &keys, &known[..2]).is_ok(), "up to where it forks");
    assert_eq!(verify(&forked, &keys, &known), Err(Bad::Fork { known: 2_100, since: 1_500 }));
}

use super::*;
use crate::catalog::{self, LEDGER, LOG, STATE};
use crate::disk::{Disk, FaultKind, MemoryDisk, OpenMode};
use crate::records::{Place, Row};
use crate::{ContentDigest, RegionSetup, ScrubFinding, ScrubSums, ScrubWatch, blobs};
use fastness_identity::DirectoryChange;
use fastness_label::Policy;
use fastness_vault::RootKey;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

mod checked;
mod notes;

fn label() -> Label {
    Policy::us().lowest()
}

fn root() -> RootKey {
    RootKey::from_bytes(&[3; 32])
}

/// A region of one partition whose ledger is empty.
async fn made(disk: &MemoryDisk) -> Store {
    let text = || "UNCLASSIFIED".to_owned();
    let setup = RegionSetup { name: "r".to_owned(), floor: text(), ceiling: text(), labels: Vec::new() };
    let first = |_: &mut dyn DirectoryChange| Ok(());
    let disk = Arc::new(disk.clone());
    Store::create(disk, root(), Policy::us(), setup, first, Vec::new()).await.unwrap().0
}

fn open(disk: &MemoryDisk) -> Store {
    Store::open(Arc::new(disk.clone()), root(), Policy::us()).unwrap()
}

fn commitment(number: u64) -> [u8; 32] {
    let mut out = [9; 32];
    out[..8].copy_from_slice(&number.to_be_bytes());
    out
}

/// A time that mostly grows, and the terms of an entry.
fn digest_of(number: u64) -> ContentDigest {
    let wobble = (number * 7919 % 23) as i64;
    let terms = vec![(number % 5) as u32, 1_000 + (number % 97) as u32, 3_000_000_000 + (number * 31 % 2_003) as u32];
    ContentDigest { time_ms: 1_000_000 + number as i64 * 10 - wobble * 30, terms }
}

fn content(number: u64) -> Vec<u8> {
    let ContentDigest { time_ms, terms } = digest_of(number);
    postcard::to_stdvec(&(number, time_ms, terms)).unwrap()
}

fn digest(_: &[u8; 32], content: &[u8]) -> ContentDigest {
    let (_, time_ms, terms) = postcard::from_bytes::<(u64, i64, Vec<u32>)>(content).unwrap();
    ContentDigest { time_ms, terms }
}

/// Appends the entries of a range, in one turn.
async fn append(store: &Store, range: std::ops::Range<u64>) -> Result<(), Fault> {
    let work = move |turn: &mut Turn<'_>| {
        for number in range {
            turn.append(&[commitment(number).as_slice(), &content(number)].concat())?;
        }
        Ok(())
    };
    store.partition(label())?.turn(work, |_| Vec::new()).await
}

/// What a lookup would be handed of the ledger, without the permit that it needs.
fn candidates(
    store: &Store,
    term: Option<u32>,
    (from_ms, until_ms): (i64, i64),
    below: u64,
    mut see: impl FnMut(u64, &[u8]) -> bool,
) {
    let wanted = read::Wanted { term, from_ms, until_ms, above: 0, below };
    read::candidates(&store.partition(label()).unwrap(), &wanted, &mut see).unwrap();
}

/// Asserts that each entry from `from` to `to` is read once, and is what was appended.
#[track_caller]
fn assert_whole(store: &Store, from: u64, to: u64) {
    let dropped = store.ledger(label()).unwrap().dropped;
    let mut next = from;
    let see = |number: u64, hash: &[u8; 32], bytes: Option<&[u8]>| {
        assert_eq!((number, *hash), (next, commitment(next)));
        assert_eq!(bytes.map(<[u8]>::to_vec), (number >= dropped).then(|| content(number)), "{number}");
        next += 1;
        true
    };
    store.ledger_rows(label(), from, to, see).unwrap();
    assert_eq!(next, to);
    let mut next = from;
    let see = |number: u64, hash: &[u8; 32]| {
        assert_eq!((number, *hash), (next, commitment(next)));
        next += 1;
        true
    };
    store.commitments(label(), from, to, see).unwrap();
    assert_eq!(next, to);
}

fn tail_rows(store: &Store) -> Vec<u64> {
    let reading = store.partition(label()).unwrap().read().unwrap();
    let table = reading.numbers_if_made(LEDGER).unwrap().unwrap();
    let rows = table.range::<u64>(..).unwrap().map(|row| row.unwrap());
    let numbers = |(first, row): (redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, &[u8]>)| {
        let count = groups::entries(row.value()).map(Result::unwrap).count() as u64;
        assert!(count > 0 && first.value() / SEGMENT_LEN == (first.value() + count - 1) / SEGMENT_LEN);
        first.value()..first.value() + count
    };
    rows.flat_map(numbers).collect()
}

fn files(disk: &MemoryDisk) -> Vec<String> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let [partition] = disk.list("partitions").unwrap().try_into().unwrap();
    let mut found = Vec::new();
    for folder in ["incoming", "blobs"] {
        for name in disk.list(&format!("partitions/{partition}/{folder}")).unwrap() {
            let path = format!("partitions/{partition}/{folder}/{name}");
            match disk.list(&path) {
                Ok(names) => found.extend(names.into_iter().map(|name| format!("{path}/{name}"))),
                Err(_) => found.push(path),
            }
        }
    }
    found
}

#[tokio::test]
async fn packed_or_not_each_entry_is_read_once() {
    let disk = MemoryDisk::new();
    let store = made(&disk).await;
    assert!(!store.pack(label(), digest).await.unwrap());
    append(&store, 0..SEGMENT_LEN - 1).await.unwrap();
    assert!(!store.pack(label(), digest).await.unwrap(), "one is missing");
    append(&store, SEGMENT_LEN - 1..2 * SEGMENT_LEN + 700).await.unwrap();
    let length = 2 * SEGMENT_LEN + 700;
    assert_whole(&store, 0, length);
    for packed in [1, 2] {
        assert!(store.pack(label(), digest).await.unwrap());
        assert_whole(&store, 0, length);
        assert_eq!(tail_rows(&store), (packed * SEGMENT_LEN..length).collect::<Vec<_>>());
    }
    assert!(!store.pack(label(), digest).await.unwrap());
    let mut rng = StdRng::seed_from_u64(5);
    for _ in 0..60 {
        let from = rng.random_range(0..length);
        assert_whole(&store, from, rng.random_range(from..=length).min(from + 900));
    }
    // Whoever has enough says so, and what is asked beyond the end is nothing.
    let mut seen = 0;
    store
        .ledger_rows(label(), SEGMENT_LEN - 3, u64::MAX, |_, _, _| {
            seen += 1;
            seen < 5
        })
        .unwrap();
    store.ledger_rows(label(), length, u64::MAX, |_, _, _| panic!("there is nothing")).unwrap();
    assert_eq!(seen, 5);
    let state =
        LedgerState { label: label(), length, packed: 2 * SEGMENT_LEN, dropped: 0, region_length: 0, frozen: None };
    assert_eq!(store.ledgers().unwrap(), std::slice::from_ref(&state));
    store.close();
    let store = open(&disk);
    assert_eq!(store.ledger(label()).unwrap(), state);
    assert_whole(&store, 0, length);
    assert!(append(&store, 0..0).await.is_ok());
    let short = store.record(label(), vec![1; 31]).await;
    assert!(short.unwrap_err().to_string().contains("commitment"));
    let noted = store.note(label(), vec![1; 31]).await;
    assert!(noted.unwrap_err().to_string().contains("commitment"));
    assert_whole(&store, length - 9, length);
}

/// Long entries end a bundle early; what is in the others is found all the same.
#[tokio::test]
async fn long_entries_are_packed_and_read() {
    let long = |number: u64| {
        let more = match number % 300 {
            7 => 400_000,
            8..14 => 60_000,
            _ => number as usize % 3,
        };
        let mut rng = StdRng::seed_from_u64(number);
        let noise: Vec<u8> = (0..more / 100).flat_map(|_| [rng.random::<u8>(); 100]).collect();
        [content(number), noise].concat()
    };
    let store = made(&MemoryDisk::new()).await;
    for first in (0..SEGMENT_LEN).step_by(256) {
        let work = move |turn: &mut Turn<'_>| {
            let mut append = |number| turn.append(&[commitment(number).as_slice(), &long(number)].concat());
            (first..first + 256).try_for_each(&mut append)
        };
        store.partition(label()).unwrap().turn(work, |_| Vec::new()).await.unwrap();
    }
    assert!(store.pack(label(), digest).await.unwrap());
    let bundles = segment(&store.partition(label()).unwrap(), 0).unwrap().contents.unwrap().bundles;
    assert!(bundles.len() > 30 && bundles.iter().all(|bundle| bundle.plain < 700_000), "{bundles:?}");
    assert!(bundles.iter().any(|bundle| bundle.entries < 10) && bundles.iter().any(|bundle| bundle.entries == 256));
    for (from, to) in [(0, SEGMENT_LEN), (5, 9), (308, 311), (4_000, SEGMENT_LEN)] {
        let mut next = from;
        let see = |number: u64, hash: &[u8; 32], bytes: Option<&[u8]>| {
            assert!((number, *hash) == (next, commitment(next)) && bytes == Some(&long(next)), "{next}");
            next += 1;
            true
        };
        store.ledger_rows(label(), from, to, see).unwrap();
        assert_eq!(next, to);
    }
    for term in [None, Some(2), Some(1_010)] {
        let wanted = |number: &u64| term.is_none_or(|term| digest_of(*number).terms.contains(&term));
        let mut expected = (0..SEGMENT_LEN - 100).rev().filter(wanted);
        let see = |number, bytes: &[u8]| {
            assert!(Some(number) == expected.next() && bytes == long(number), "{number}");
            true
        };
        candidates(&store, term, (i64::MIN, i64::MAX), SEGMENT_LEN - 100, see);
        assert_eq!(expected.next(), None);
    }
    store.close();
}

/// The disk fails at a step of the packing, then loses power: nothing is lost, nothing is double, and the next packing
/// finishes the work.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_packing_loses_and_doubles_nothing() {
    let disk = MemoryDisk::with_faults();
    let store = made(&disk).await;
    let length = SEGMENT_LEN + 5;
    append(&store, 0..length).await.unwrap();
    store.close();
    drop(store);
    let (mut failed, mut seen) = (0, BTreeSet::new());
    for step in (0..).map(|step: u64| if step < 24 { step } else { 24 + (step - 24) * 5 }) {
        let disk = disk.crash(0);
        let store = open(&disk);
        disk.fail_next(FaultKind::Change, step, u64::MAX);
        let outcome = store.pack(label(), digest).await;
        if outcome.is_ok() {
            assert!(step > 10, "the disk was hardly used: {step}");
            break;
        }
        failed += 1;
        for seed in 0..2 {
            let crashed = disk.crash(seed);
            let again = open(&crashed);
            assert_whole(&again, 0, length);
            let packed = again.ledger(label()).unwrap().packed;
            assert_eq!(tail_rows(&again).len() as u64, length - packed, "step {step}, seed {seed}");
            seen.insert(packed);
            append(&again, length..length + 1).await.unwrap();
            again.pack(label(), digest).await.unwrap();
            assert_whole(&again, 0, length + 1);
            assert_eq!(tail_rows(&again).len(), 6, "step {step}, seed {seed}");
            again.close();
            drop(again);
            assert_eq!(files(&crashed).len(), 2, "step {step}, seed {seed}: {:?}", files(&crashed));
        }
        // The disk is well again, without a start in between.
        disk.heal();
        store.pack(label(), digest).await.unwrap();
        assert_whole(&store, 0, length);
        assert_eq!(tail_rows(&store).len(), 5);
        store.close();
    }
    // Some crashes came before the commit, some after it.
    assert!(failed > 10 && seen.len() == 2, "{failed} {seen:?}");
}

#[tokio::test]
async fn dropped_contents_cannot_be_read_again_and_commitments_can() {
    let disk = MemoryDisk::with_faults();
    let store = made(&disk).await;
    let length = 3 * SEGMENT_LEN + 10;
    append(&store, 0..length).await.unwrap();
    while store.pack(label(), digest).await.unwrap() {}
    let partition = store.partition(label()).unwrap();
    let old = segment(&partition, 0).unwrap().contents.unwrap().piece;
    let kept = segment(&partition, SEGMENT_LEN).unwrap();
    let Place::Blob(id) = old.place else { panic!("a file") };
    let record = |from: u64, to: u64| [[8; 32].as_slice(), &from.to_be_bytes(), &to.to_be_bytes()].concat();
    assert_eq!(store.drop_contents(label(), SEGMENT_LEN - 1, record).await.unwrap(), 0, "none ends there");
    assert_eq!(store.ledger(label()).unwrap().length, length, "nothing done, nothing recorded");
    assert_eq!(store.drop_contents(label(), 2 * SEGMENT_LEN - 1, record).await.unwrap(), SEGMENT_LEN);
    let mut entry = None;
    store
        .ledger_rows(label(), length, u64::MAX, |_, _, content| {
            entry = content.map(<[u8]>::to_vec);
            true
        })
        .unwrap();
    assert_eq!(entry.unwrap(), [0_u64.to_be_bytes(), SEGMENT_LEN.to_be_bytes()].concat());
    assert_eq!(store.ledger(label()).unwrap().dropped, SEGMENT_LEN);
    assert_whole(&store, 0, length);
    // Files go once the commit was told: what waits behind that finds them gone.
    store.flush().await.unwrap();
    assert!(!blobs::is_there(&partition, &id), "its file is gone");
    assert_eq!(store.drop_contents(label(), SEGMENT_LEN, record).await.unwrap(), 0, "once");
    // Nothing of it is found, whatever is looked for.
    for term in [None, Some(1_001)] {
        let see = |number, _: &[u8]| {
            assert!(number >= SEGMENT_LEN);
            true
        };
        candidates(&store, term, (i64::MIN, i64::MAX), length, see);
    }
    let erased = store.erase_deleted(label(), i64::MAX / 2, Duration::ZERO, |_| vec![7; 40]).await.unwrap();
    // The trees of all three and the contents of two.
    assert_eq!((erased.keys, erased.rewrapped, erased.blocked), (1, 5, 0));
    assert!(partition.erasure.value_key(&old).unwrap().is_none(), "nothing opens what was dropped");
    let anew = segment(&partition, SEGMENT_LEN).unwrap();
    assert!(
        anew.pieces().zip(kept.pieces()).all(|(one, other)| one.erasure != other.erasure && one.place == other.place)
    );
    assert_whole(&store, 0, length);
    drop(partition);
    store.close();
    let store = open(&disk);
    assert_whole(&store, 0, length);
    store.close();
}

/// Somebody reads while others append, pack and erase: each entry comes once.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nobody_who_reads_notices_the_packing() {
    let disk = MemoryDisk::new();
    let store = made(&disk).await;
    append(&store, 0..SEGMENT_LEN).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (of, until) = (store.clone(), Arc::clone(&stop));
    let reader = tokio::task::spawn_blocking(move || {
        let mut rounds = 0;
        while !until.load(Ordering::Relaxed) || rounds < 3 {
            let length = of.ledger(label()).unwrap().length;
            assert_whole(&of, 0, length);
            let mut below = length;
            let newest = |number, bytes: &[u8]| {
                below -= 1;
                assert_eq!((number, bytes), (below, content(below).as_slice()));
                true
            };
            candidates(&of, None, (i64::MIN, i64::MAX), length, newest);
            assert_eq!(below, 0);
            rounds += 1;
        }
    });
    let mut length = SEGMENT_LEN;
    for _ in 0..60 {
        append(&store, length..length + 256).await.unwrap();
        length += 256;
        store.pack(label(), digest).await.unwrap();
        // As if something under the current key had been removed.
        let partition = store.partition(label()).unwrap();
        let ids: BTreeSet<u64> = match partition.read().unwrap().state().unwrap().ledger.packed {
            0 => BTreeSet::new(),
            _ => segment(&partition, 0).unwrap().pieces().map(|piece| piece.erasure).collect(),
        };
        crate::erase::destroy(&partition, ids, crate::erase::Pace::Now, |_| Vec::new()).await.unwrap();
        assert!(!reader.is_finished());
    }
    stop.store(true, Ordering::Relaxed);
    reader.await.unwrap();
    assert_eq!(store.ledger(label()).unwrap().packed, 4 * SEGMENT_LEN);
    store.close();
}

/// What is handed on and matches is what a walk over all entries finds, whatever is looked for.
#[tokio::test]
async fn a_search_finds_what_a_walk_finds() {
    let disk = MemoryDisk::new();
    let store = made(&disk).await;
    let length = 2 * SEGMENT_LEN + 300;
    append(&store, 0..length).await.unwrap();
    while store.pack(label(), digest).await.unwrap() {}
    let of = store.clone();
    let compare = move || {
        let strategy = (
            prop_oneof![
                Just(None),
                (0_u32..6).prop_map(Some),
                (1_000_u32..1_100).prop_map(Some),
                (3_000_000_000_u32..3_000_002_100).prop_map(Some)
            ],
            (900_000_i64..1_100_000, 0_i64..90_000),
            0..length + 50,
        );
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let compared = runner.run(&strategy, |(term, (from_ms, span), below)| {
            let range = from_ms..=from_ms + span;
            let matches = |digest: &ContentDigest| {
                range.contains(&digest.time_ms) && term.is_none_or(|term| digest.terms.contains(&term))
            };
            let expected: Vec<u64> =
                (0..below.min(length)).rev().filter(|number| matches(&digest_of(*number))).collect();
            let mut found = Vec::new();
            let mut passed = 0;
            let see = |number, bytes: &[u8]| {
                assert_eq!(bytes, content(number));
                passed += u64::from(number < 2 * SEGMENT_LEN);
                found.extend(matches(&digest(&[0; 32], bytes)).then_some(number));
                true
            };
            candidates(&of, term, (from_ms, from_ms + span), below, see);
            prop_assert_eq!(found, expected);
            // In segments a rare term is found through the index.
            prop_assert!(term.is_none_or(|term| term < 3_000_000_000) || passed < 12, "{} passed", passed);
            Ok(())
        });
        compared.unwrap();
        let mut first = None;
        let see = |number, _: &[u8]| {
            first = Some(number);
            false
        };
        candidates(&of, Some(3), (i64::MIN, i64::MAX), SEGMENT_LEN, see);
        assert_eq!(first, Some(4093));
    };
    tokio::task::spawn_blocking(compare).await.unwrap();
    store.close();
}

/// What is kept beside the entries: as it was, also after a start that has it from the journal alone.
#[tokio::test]
async fn tiles_notes_and_the_regions_log_are_kept() {
    let disk = MemoryDisk::with_faults();
    let store = made(&disk).await;
    let hash = |index: u64| [index as u8; 32];
    let tiles = |log, level, range: std::ops::Range<u64>| range.map(move |index| (log, level, index, hash(index)));
    let mut first = Kept { notes: vec![("checkpoint".to_owned(), b"one".to_vec())], ..Kept::default() };
    first.tiles.extend(tiles(LedgerLog::Partition, 1, 0..300).chain(tiles(LedgerLog::Partition, 2, 0..1)));
    first.tiles.extend(tiles(LedgerLog::Region, 1, 0..2));
    first.region = vec![b"first".to_vec(), b"second".to_vec()];
    store.keep(label(), first).await.unwrap();
    store.keep(label(), Kept::default()).await.unwrap();
    let leaves = Kept { tiles: tiles(LedgerLog::Partition, 0, 0..1).collect(), ..Kept::default() };
    store.keep(label(), leaves).await.unwrap_err();
    append(&store, 0..40).await.unwrap();
    let second = Kept {
        tiles: tiles(LedgerLog::Partition, 1, 301..303).collect(),
        notes: vec![("checkpoint".to_owned(), b"two".to_vec()), ("empty".to_owned(), Vec::new())],
        region: vec![b"third".to_vec()],
    };
    store.keep(label(), second).await.unwrap();
    assert!(store.partition(label()).unwrap().is_ahead(), "only the journal has it durably");
    let look = |store: &Store| {
        let of = |log, level, range: (u64, u64)| store.tiles(label(), log, level, range.0, range.1).unwrap();
        assert_eq!(of(LedgerLog::Partition, 1, (0, 1_000)), (0..300).map(hash).collect::<Vec<_>>(), "up to the gap");
        assert_eq!(of(LedgerLog::Partition, 1, (298, 300)), [hash(298), hash(299)]);
        assert_eq!(of(LedgerLog::Partition, 1, (301, 305)), [hash(301), hash(302)]);
        assert_eq!(of(LedgerLog::Partition, 2, (0, 9)), [hash(0)]);
        assert_eq!(of(LedgerLog::Region, 1, (1, 9)), [hash(1)]);
        assert_eq!((of(LedgerLog::Region, 2, (0, 9)), of(LedgerLog::Region, 1, (2, 1))), (Vec::new(), Vec::new()));
        let note = |name| store.note_kept(label(), name).unwrap();
        assert_eq!((note("checkpoint").unwrap(), note("empty").unwrap()), (b"two".to_vec(), Vec::new()));
        assert_eq!(note("other"), None);
        let mut log = Vec::new();
        store
            .region_log(label(), 1, u64::MAX, |number, text| {
                log.push((number, text.to_vec()));
                true
            })
            .unwrap();
        assert_eq!(log, [(1, b"second".to_vec()), (2, b"third".to_vec())]);
        assert_eq!(store.ledger(label()).unwrap().region_length, 3);
        assert_whole(store, 0, 40);
    };
    look(&store);
    for seed in 0..4 {
        let again = open(&disk.crash(seed));
        look(&again);
        again.close();
    }
    // Packing is told to the journal, too.
    append(&store, 40..SEGMENT_LEN).await.unwrap();
    store.pack(label(), digest).await.unwrap();
    assert!(store.partition(label()).unwrap().is_ahead());
    for seed in 0..4 {
        let again = open(&disk.crash(seed));
        look(&again);
        assert_whole(&again, 0, SEGMENT_LEN);
        assert_eq!((tail_rows(&again).len(), again.ledger(label()).unwrap().packed), (0, SEGMENT_LEN));
        again.close();
    }
    store.close();
}

/// A catalog of format 2 keeps its chain as it was, and gets a ledger beside it.
#[tokio::test]
async fn the_chain_of_an_older_program_stays_as_it_is() {
    let disk = MemoryDisk::new();
    let store = made(&disk).await;
    store.close();
    drop(store);
    let store = open(&disk);
    {
        let partition = store.partition(label()).unwrap();
        let transaction = catalog::begin_durable(&partition.opened().database).unwrap();
        transaction.delete_table(LEDGER).unwrap();
        let mut log = transaction.open_table(LOG).unwrap();
        for number in 0..3_u64 {
            log.insert(number, [&[number as u8; 32], b"entry".as_slice()].concat().as_slice()).unwrap();
        }
        let row = postcard::to_stdvec(&(2_u32, 77_u64, 3_u64, [2_u8; 32])).unwrap();
        assert_eq!(State::from_row(&row).unwrap().ledger, LedgerCounters::default());
        transaction.open_table(STATE).unwrap().insert((), row.as_slice()).unwrap();
        drop(log);
        transaction.commit().unwrap();
    }
    store.close();
    drop(store);
    let store = open(&disk);
    let frozen = Some((3, [2; 32]));
    let state = |store: &Store| store.ledger(label()).unwrap();
    assert_eq!((state(&store).length, state(&store).frozen), (0, frozen));
    append(&store, 0..2).await.unwrap();
    let mut rows = Vec::new();
    let see = |number, hash: &[u8], entry: &[u8]| {
        rows.push((number, hash.to_vec(), entry.to_vec()));
        true
    };
    store.frozen_rows(label(), see).unwrap();
    let expected: Vec<_> = (0..3_u8).map(|number| (u64::from(number), vec![number; 32], b"entry".to_vec())).collect();
    assert_eq!(rows, expected);
    assert_whole(&store, 0, 2);
    assert_eq!((state(&store).length, state(&store).frozen), (2, frozen));
    let current = store.partition(label()).unwrap().read().unwrap().state().unwrap();
    assert_eq!((current.format, current.sequence), (4, 77));
    store.close();
}

/// Format 3 was in no release; what reads it as another would misread it.
#[tokio::test]
async fn a_catalog_of_a_format_that_this_program_does_not_read_is_refused_in_words() {
    for format in [0, 3, State::FORMAT + 1] {
        let disk = MemoryDisk::new();
        let store = made(&disk).await;
        append(&store, 0..2).await.unwrap();
        let partition = store.partition(label()).unwrap();
        let transaction = catalog::begin_durable(&partition.opened().database).unwrap();
        let state = State { format, ..partition.read().unwrap().state().unwrap() };
        transaction.open_table(STATE).unwrap().insert((), encode(&state).unwrap().as_slice()).unwrap();
        transaction.commit().unwrap();
        partition.supersede();
        drop(partition);
        store.close();
        drop(store);
        let refused = Store::open(Arc::new(disk.clone()), root(), Policy::us()).unwrap_err().to_string();
        assert!(refused.contains(&format!("format {format}, this program reads 1, 2 and 4")), "{refused}");
    }
}

/// What a typical entry holds: principals, keys, agents and buckets come again, ids and salts do not.
fn typical(number: u64, rng: &mut StdRng) -> Vec<u8> {
    const AGENTS: [&str; 3] = [
        "aws-cli/2.17.9 md/awscrt#0.20.11 ua/2.0 os/linux#6.8 md/arch#x86_64 lang/python#3.11.9",
        "Boto3/1.34.131 md/Botocore#1.34.131 ua/2.0 os/linux#5.15 lang/python#3.12.3",
        "aws-sdk-java/2.25.60 Linux/5.15 OpenJDK_64-Bit_Server_VM/17.0.11",
    ];
    let who: u64 = rng.random_range(0..200);
    let operation = ["GetObject", "PutObject", "HeadObject", "ListObjectsV2", "DeleteObject"][number as usize % 5];
    let object: u32 = rng.random_range(0..200_000);
    let version: u64 = rng.random();
    let resource =
        format!("read plans-{}/project/2026/report-{object:06}.pdf?versionId={number:016x}{version:016x}", who % 7);
    let key = format!("AKIA{:016X}", who.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let texts = ["s3", operation, &format!("user/analyst-{who}"), "123456789012", &key, "SECRET//REL TO USA, GBR"];
    let more = ["USA", AGENTS[who as usize % 3], "10.20.30.41", "permit"];
    let salts: [[u8; 32]; 1] = rng.random();
    let time_ms = 1_790_000_000_000_i64 + number as i64 * 13;
    let request: [u8; 8] = rng.random();
    postcard::to_stdvec(&(time_ms, request, salts, texts, more, resource)).unwrap()
}

#[tokio::test]
async fn a_typical_entry_takes_at_most_400_bytes_on_the_disk() {
    let disk = MemoryDisk::new();
    let store = made(&disk).await;
    let (mut rng, mut next, mut plain) = (StdRng::seed_from_u64(1), 0_u64, 0);
    let length = 25 * SEGMENT_LEN - 1_000;
    while next < length {
        let until = (next + 200).min(length);
        let entries: Vec<Vec<u8>> = (next..until).map(|number| typical(number, &mut rng)).collect();
        plain += entries.iter().map(Vec::len).sum::<usize>();
        let mut hashes = StdRng::seed_from_u64(next);
        let work = move |turn: &mut Turn<'_>| {
            let mut append = |entry: &Vec<u8>| turn.append(&[hashes.random::<[u8; 32]>().as_slice(), entry].concat());
            entries.iter().try_for_each(&mut append)
        };
        store.partition(label()).unwrap().turn(work, |_| Vec::new()).await.unwrap();
        next = until;
        // Seven terms: operation, principal, key, bucket, object, request, kind.
        let digest = |_: &[u8; 32], content: &[u8]| {
            let hash = |range: std::ops::Range<usize>| {
                crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &content[range]) as u32
            };
            let repeated = |number: u32| hash(48..70).wrapping_mul(number) % 400;
            let terms = vec![hash(0..60), hash(20..90), repeated(3), repeated(5), repeated(7), repeated(11), 5];
            ContentDigest { time_ms: 0, terms }
        };
        store.pack(label(), digest).await.unwrap();
    }
    store.close();
    let all: Arc<dyn Disk> = Arc::new(disk.clone());
    let [partition] = all.list("partitions").unwrap().try_into().unwrap();
    let bytes = |folder: &str| crate::bytes_below(all.folder(&format!("partitions/{partition}{folder}")).as_ref());
    let (whole, blobs) = (bytes(""), bytes("/blobs"));
    let of = |bytes: u64| bytes as f64 / length as f64;
    let said = format!(
        "{:.0} bytes an entry of {:.0}: {:.0} in segments, {:.0} in the catalog",
        of(whole),
        of(plain as u64),
        of(blobs),
        of(whole - blobs)
    );
    println!("{said}");
    assert!(of(whole) <= 400.0, "{said}");
    assert!(of(plain as u64) > 300.0, "{said}");
}

struct Watch(Vec<ScrubFinding>);

impl ScrubWatch for Watch {
    fn read(&mut self, _: u64) -> bool {
        true
    }

    fn found(&mut self, finding: ScrubFinding) {
        self.0.push(finding);
    }
}

#[tokio::test]
async fn a_scrub_reads_segments() {
    let disk = MemoryDisk::new();
    let store = made(&disk).await;
    append(&store, 0..SEGMENT_LEN + 3).await.unwrap();
    store.pack(label(), digest).await.unwrap();
    let scrub = || {
        let mut watch = Watch(Vec::new());
        let sums: ScrubSums = store.scrub(label(), &mut watch).unwrap();
        (sums.values, watch.0)
    };
    assert_eq!(scrub(), (2, Vec::new()));
    // Wherever the commit's aftermath has them by now.
    while files(&disk).iter().any(|path| path.contains("incoming")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let [one, other] = files(&disk).try_into().unwrap();
    for path in [one, other] {
        assert!(disk.flip_bit(&path, 5_000));
        let (values, found) = scrub();
        assert_eq!((values, found.len(), found[0].resource.as_str()), (2, 1, "segment 0 of the ledger"));
        disk.flip_bit(&path, 5_000);
    }
    store.close();
}

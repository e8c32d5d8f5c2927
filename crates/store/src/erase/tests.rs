use super::*;
use crate::catalog::Reading;
use crate::disk::{Disk, FaultKind, OpenMode};
use crate::objects::drop_pieces;
use crate::partition::Stage;
use crate::receive::{Draft, place};
use crate::records::{Extension, ObjectRecord, Place};
use crate::testing::Bench;
use crate::view::Slice;
use crate::{VALUES_PER_KEY_MAX, blobs, content::Content, keys};
use fastness_operation::{Extras, Lock};
use fastness_vault::ValueKey;
use futures_util::StreamExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn row(name: &str) -> Vec<u8> {
    keys::version(1, name, 1)
}

fn text(name: &str) -> Vec<u8> {
    format!("the content of {name}").into_bytes()
}

/// What is said of a version, and must be said of it afterwards.
fn held() -> Extension {
    let lock = Lock { retention: None, legal_hold: Some(true) };
    Extension { extras: Extras { lock, ..Extras::default() }, ..Extension::default() }
}

fn version(pieces: Vec<Piece>, size: u64) -> VersionRecord {
    let object = ObjectRecord {
        size,
        etag: String::new(),
        attributes: fastness_operation::Attributes::default(),
        checksum: None,
        pieces,
    };
    VersionRecord { id: String::new(), null: true, modified_ms: 0, object: Some(object), extension: held() }
}

/// Puts small values.
async fn put(partition: &Arc<Partition>, names: &[&str]) {
    for name in names {
        let (of, name) = (Arc::clone(partition), (*name).to_owned());
        let work = move |turn: &mut Turn<'_>| {
            remove_within(turn, &name)?;
            let plain = text(&name);
            let pieces = place(turn, Some(Draft::small(&of, &plain, None)?))?;
            let bytes = encode(&version(pieces, plain.len() as u64))?;
            turn.versions.insert(row(&name).as_slice(), bytes.as_slice())?;
            Ok(())
        };
        partition.turn(work, |_| Vec::new()).await.unwrap();
    }
}

fn remove_within(turn: &mut Turn<'_>, name: &str) -> Result<(), Fault> {
    let Some(found) = turn.versions.remove(row(name).as_slice())?.map(|guard| guard.value().to_vec()) else {
        return Ok(());
    };
    let record: VersionRecord = decode(&found)?;
    drop_pieces(turn, record.object.iter().flat_map(|object| &object.pieces))
}

async fn remove(partition: &Arc<Partition>, name: &'static str) {
    partition.turn(move |turn| remove_within(turn, name), |_| Vec::new()).await.unwrap();
}

fn pieces(reading: &Reading, name: &str) -> Option<Vec<Piece>> {
    let rows = reading.rows(catalog::VERSIONS).unwrap();
    let guard = rows.get(row(name).as_slice()).unwrap()?;
    let record: VersionRecord = decode(guard.value()).unwrap();
    assert_eq!(record.extension, held(), "what is said of the version is kept");
    Some(record.object.unwrap().pieces)
}

fn piece_of(partition: &Partition, name: &str) -> Piece {
    pieces(&partition.read().unwrap(), name).unwrap().remove(0)
}

/// The content, as a reader gets it; nothing when its erasure key was destroyed since the snapshot.
fn read(partition: &Partition, name: &str) -> Option<Vec<u8>> {
    let reading = partition.read().unwrap();
    let pieces = pieces(&reading, name)?;
    let [piece] = pieces.as_slice() else { panic!("one piece") };
    let Place::Inline(number) = piece.place else { panic!("a small value") };
    let key = partition.erasure.value_key(piece).unwrap()?;
    Some(key.open_small(&inline(partition, number)).unwrap())
}

fn inline(partition: &Partition, number: u64) -> Vec<u8> {
    use redb::ReadableDatabase;
    let transaction = partition.opened().database.begin_read().unwrap();
    transaction.open_table(catalog::INLINE).unwrap().get(number).unwrap().unwrap().value().to_vec()
}

fn listed(partition: &Partition) -> BTreeSet<u64> {
    partition.read().unwrap().erasable().unwrap().into_iter().map(|(id, _)| id).collect()
}

fn file(id: u64) -> String {
    format!("erasure/{id:016x}")
}

fn bytes_of(disk: &dyn Disk, path: &str) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

async fn erase_all(partition: &Arc<Partition>) -> Result<Erased, Fault> {
    destroy(partition, listed(partition), Pace::Now, |erased| format!("{:032}{erased:?}", 0).into_bytes()).await
}

#[tokio::test]
async fn what_is_deleted_cannot_be_read_again_and_what_survives_can() {
    let bench = Bench::new();
    let partition = bench.open();
    put(&partition, &["gone", "kept", "replaced"]).await;
    let old = piece_of(&partition, "gone");
    let Place::Inline(number) = old.place else { panic!("a small value") };
    let sealed = inline(&partition, number);
    // The thief's copy of everything, from before, and a handle on the key's file.
    let before = bench.disk.crash(0);
    let held = bench.disk.open(&file(old.erasure), OpenMode::Read).unwrap();
    assert!(listed(&partition).is_empty());

    remove(&partition, "gone").await;
    put(&partition, &["replaced"]).await;
    assert_eq!(listed(&partition), BTreeSet::from([old.erasure]), "listed by the turn that removed it");
    let erased = erase_all(&partition).await.unwrap();
    assert_eq!(erased, Erased { keys: 1, rewrapped: 2, blocked: 0 });
    assert!(listed(&partition).is_empty());
    assert_eq!(read(&partition, "gone"), None);
    for name in ["kept", "replaced"] {
        assert_eq!(read(&partition, name), Some(text(name)));
        assert_ne!(piece_of(&partition, name).erasure, old.erasure);
    }

    // With the partition's key, the old row and the old sealed bytes, nothing on the disk opens them now: the key's
    // file is gone, what it held was overwritten in place, and no other erasure key fits.
    assert!(!bench.disk.exists(&file(old.erasure)));
    let mut left = vec![0; 60];
    held.read_exact_at(0, &mut left).unwrap();
    assert!(bench.key().unwrap_erasure(old.erasure, &left).is_err(), "overwritten in place");
    for name in bench.disk.list("erasure").unwrap() {
        let id = u64::from_str_radix(&name, 16).unwrap();
        let key = bench.key().unwrap_erasure(id, &bytes_of(&bench.disk, &file(id))).unwrap();
        assert!(key.unwrap(&old.key).is_err(), "another key opens it");
    }
    assert!(partition.erasure.value_key(&old).unwrap().is_none());
    partition.close();
    let again = bench.open();
    assert_eq!(read(&again, "kept"), Some(text("kept")), "after a start, too");
    assert!(again.erasure.value_key(&old).unwrap().is_none());
    again.close();

    // What can be recovered: everything, by whoever copied the key's file before and has the keys above it.
    let stolen = bytes_of(&before, &file(old.erasure));
    let key: ValueKey = bench.key().unwrap_erasure(old.erasure, &stolen).unwrap().unwrap(&old.key).unwrap();
    assert_eq!(key.open_small(&sealed).unwrap(), text("gone"));
}

#[tokio::test]
async fn a_key_that_nothing_was_removed_under_stays() {
    let bench = Bench::new();
    let partition = bench.open();
    put(&partition, &["a"]).await;
    let erased = erase_all(&partition).await.unwrap();
    assert_eq!(erased, Erased::default());
    assert!(bench.disk.exists(&file(piece_of(&partition, "a").erasure)));
    partition.close();
}

/// The disk fails at each of its operations in turn, then loses power: the next start and pass finish the work.
#[tokio::test]
async fn a_crash_at_any_step_loses_no_survivor_and_no_erasure() {
    let mut failed = 0;
    for step in 0.. {
        let bench = Bench::new();
        let partition = bench.open();
        put(&partition, &["gone", "a", "b", "c"]).await;
        remove(&partition, "gone").await;
        let old = listed(&partition);
        bench.disk.fail_next(FaultKind::Change, step, u64::MAX);
        let outcome = erase_all(&partition).await;
        if outcome.is_ok() {
            assert!(step > 8, "the disk was hardly used");
            partition.close();
            break;
        }
        failed += 1;
        for seed in 0..4 {
            let disk = bench.disk.crash(seed);
            let again = bench.open_at(&disk, Stage::Made);
            for name in ["a", "b", "c"] {
                assert_eq!(read(&again, name), Some(text(name)), "step {step}, seed {seed}");
            }
            erase_all(&again).await.unwrap();
            assert!(listed(&again).is_empty(), "step {step}, seed {seed}");
            for name in ["a", "b", "c"] {
                assert_eq!(read(&again, name), Some(text(name)), "step {step}, seed {seed}");
            }
            assert!(old.iter().all(|id| !disk.exists(&file(*id))), "step {step}, seed {seed}");
            again.close();
        }
        partition.close();
    }
    assert!(failed > 8);
}

/// Writers and readers at work while key after key is destroyed: nobody misses a value.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nobody_notices_an_erasure() {
    let bench = Bench::new();
    let partition = bench.open();
    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    put(&partition, &NAMES).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (of, until) = (Arc::clone(&partition), Arc::clone(&stop));
    let writer = tokio::spawn(async move {
        while !until.load(Ordering::Relaxed) {
            put(&of, &NAMES).await;
        }
    });
    let seen = Arc::new(AtomicU64::new(0));
    let (of, until, count) = (Arc::clone(&partition), Arc::clone(&stop), Arc::clone(&seen));
    let reader = tokio::task::spawn_blocking(move || {
        while !until.load(Ordering::Relaxed) {
            for name in NAMES {
                // As a request does it: a snapshot that is too old is followed by a new one.
                let found = (0..8).find_map(|_| read_row(&of, name));
                assert_eq!(found, Some(text(name)));
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let mut keys = 0;
    while keys < 40 || seen.load(Ordering::Relaxed) < 500 {
        assert!(!reader.is_finished() && !writer.is_finished());
        keys += erase_all(&partition).await.unwrap().keys;
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    reader.await.unwrap();
    for name in NAMES {
        assert_eq!(read(&partition, name), Some(text(name)));
    }
    partition.close();
}

/// As [`read`], but row and value come from one snapshot.
fn read_row(partition: &Partition, name: &str) -> Option<Vec<u8>> {
    use redb::ReadableDatabase;
    let transaction = partition.opened().database.begin_read().unwrap();
    let rows = transaction.open_table(catalog::VERSIONS).unwrap();
    let guard = rows.get(row(name).as_slice()).unwrap()?;
    let record: VersionRecord = decode(guard.value()).unwrap();
    let piece = record.object.unwrap().pieces.remove(0);
    let Place::Inline(number) = piece.place else { panic!("a small value") };
    let key = partition.erasure.value_key(&piece).unwrap()?;
    let sealed = transaction.open_table(catalog::INLINE).unwrap().get(number).unwrap().unwrap().value().to_vec();
    Some(key.open_small(&sealed).unwrap())
}

/// Parts, and what an upload makes of them while a pass is under way, are survivors like versions.
#[tokio::test]
async fn parts_survive() {
    let bench = Bench::new();
    let partition = bench.open();
    put(&partition, &["gone"]).await;
    let of = Arc::clone(&partition);
    let work = move |turn: &mut Turn<'_>| {
        let piece = place(turn, Some(Draft::small(&of, b"a part", None)?))?.pop();
        let part = PartRecord { size: 6, md5: [0; 16], checksum: None, modified_ms: 0, piece };
        turn.parts.insert(keys::part(9, 1).as_slice(), encode(&part)?.as_slice())?;
        Ok(())
    };
    partition.turn(work, |_| Vec::new()).await.unwrap();
    remove(&partition, "gone").await;
    assert_eq!(erase_all(&partition).await.unwrap(), Erased { keys: 1, rewrapped: 1, blocked: 0 });
    let reading = partition.read().unwrap();
    let part: PartRecord =
        decode(reading.rows(catalog::PARTS).unwrap().get(keys::part(9, 1).as_slice()).unwrap().unwrap().value())
            .unwrap();
    assert!(partition.erasure.value_key(&part.piece.unwrap()).unwrap().is_some());
    partition.close();
}

/// A value in a file that is being read goes on being read; its successor is not touched.
#[tokio::test]
async fn an_open_reader_reads_to_the_end() {
    let bench = Bench::new();
    let partition = bench.open();
    let (key, id) = (ValueKey::generate().unwrap(), [7; 16]);
    let plain: Vec<u8> = (0..700_000_u32).map(|number| (number % 251) as u8).collect();
    let sealed = bench.disk.open(&blobs::incoming_name(&id), OpenMode::CreateNew).unwrap();
    let mut writer = crate::blob::BlobWriter::new(sealed, &key).unwrap();
    writer.push(&plain).unwrap();
    writer.finish().unwrap();
    let of = Arc::clone(&partition);
    let size = plain.len() as u64;
    let work = move |turn: &mut Turn<'_>| {
        of.erasure.prepare()?;
        let (erasure, key) = of.erasure.wrap(&key)?;
        let piece = Piece { size, erasure, key, place: Place::Blob(id) };
        let bytes = encode(&version(vec![piece], size))?;
        turn.versions.insert(row("large").as_slice(), bytes.as_slice())?;
        Ok(())
    };
    partition.turn(work, |_| Vec::new()).await.unwrap();
    let slice = Slice { partition: Arc::clone(&partition), reading: partition.read().unwrap() };
    let pieces = pieces(&slice.reading, "large").unwrap();
    let content = Content::open(&slice, (&pieces, None), 0, size).unwrap().unwrap();
    remove(&partition, "large").await;
    assert_eq!(erase_all(&partition).await.unwrap().keys, 1);
    let read: Vec<u8> =
        content.stream(0, size).flat_map(|bytes| futures_util::stream::iter(bytes.unwrap())).collect().await;
    assert!(read == plain);
    // Whoever comes with the snapshot of before finds the key gone, and looks anew.
    assert!(Content::open(&slice, (&pieces, None), 0, size).unwrap().is_none());
    drop(slice);
    partition.close();
}

/// A key whose file is damaged has survivors that cannot be rewrapped: it stays, and holds up no other.
#[tokio::test]
async fn a_damaged_key_holds_up_no_other() {
    let bench = Bench::new();
    let partition = bench.open();
    put(&partition, &["gone", "hurt"]).await;
    let bad = piece_of(&partition, "hurt").erasure;
    remove(&partition, "gone").await;
    partition.close();
    assert!(bench.disk.flip_bit(&file(bad), 30));
    let partition = bench.open();
    put(&partition, &["also gone", "kept"]).await;
    remove(&partition, "also gone").await;
    assert_eq!(listed(&partition).len(), 2);
    assert_eq!(erase_all(&partition).await.unwrap(), Erased { keys: 1, rewrapped: 1, blocked: 1 });
    assert_eq!(listed(&partition), BTreeSet::from([bad]));
    assert!(bench.disk.exists(&file(bad)));
    assert_eq!(read(&partition, "kept"), Some(text("kept")));
    partition.close();
}

/// What a turn wrapped that did not commit may lie in pages all the same: its key goes, too.
#[tokio::test]
async fn the_key_of_a_failed_turn_is_listed() {
    let bench = Bench::new();
    let partition = bench.open();
    put(&partition, &["a"]).await;
    let suspect = piece_of(&partition, "a").erasure;
    let of = Arc::clone(&partition);
    let work = move |turn: &mut Turn<'_>| {
        place(turn, Some(Draft::small(&of, b"never acknowledged", None)?))?;
        Err::<(), Fault>(Fault::Failed("the disk".to_owned()))
    };
    partition.turn(work, |_| Vec::new()).await.unwrap_err();
    put(&partition, &["b"]).await;
    assert_eq!(listed(&partition), BTreeSet::from([suspect]));
    assert_ne!(piece_of(&partition, "b").erasure, suspect);
    assert_eq!(erase_all(&partition).await.unwrap(), Erased { keys: 1, rewrapped: 1, blocked: 0 });
    assert_eq!(read(&partition, "a"), Some(text("a")));
    partition.close();
}

#[test]
fn an_erasure_key_has_a_bound() {
    let bench = Bench::new();
    let partition = bench.open();
    let value = ValueKey::generate().unwrap();
    let mut counts = std::collections::HashMap::new();
    for _ in 0..VALUES_PER_KEY_MAX + 10 {
        *counts.entry(partition.erasure.wrap(&value).unwrap().0).or_insert(0) += 1;
    }
    assert_eq!(counts.values().copied().max(), Some(VALUES_PER_KEY_MAX));
    partition.close();
}

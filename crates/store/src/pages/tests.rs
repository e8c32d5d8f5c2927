use super::*;
use crate::disk::{Disk, FaultKind, MemoryDisk, OpenMode};
use fastness_vault::PartitionKey;
use redb::{ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");
type Model = BTreeMap<u64, Vec<u8>>;

fn open(disk: &MemoryDisk, key: &PartitionKey) -> Result<redb::Database, CatalogError> {
    let name = "catalog";
    let failed = |source| CatalogError::Io { name: name.into(), source };
    let file = disk.open(name, OpenMode::ReadWriteCreate).map_err(failed)?;
    disk.sync_folder("").map_err(failed)?;
    open_catalog(name, file, key.pages(name).unwrap(), 64 * 1024)
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = match self.roll(12) {
            0 => 20_000,
            1 => 5_000,
            _ => 200,
        };
        vec![self.roll(256) as u8; self.roll(length) as usize]
    }
}

/// One transaction; the model changes alike even if the commit fails.
fn change(database: &redb::Database, dice: &mut Dice, model: &mut Model) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(dice.roll(4) == 0);
    transaction.set_quick_repair(dice.roll(6) == 0);
    {
        let mut rows = transaction.open_table(ROWS)?;
        for _ in 0..=dice.roll(12) {
            let key = dice.roll(300);
            if dice.roll(3) == 0 {
                model.remove(&key);
                rows.remove(key)?;
            } else {
                let bytes = dice.bytes();
                rows.insert(key, bytes.as_slice())?;
                model.insert(key, bytes);
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn everything(database: &redb::Database) -> Model {
    let transaction = database.begin_read().unwrap();
    let rows = match transaction.open_table(ROWS) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Model::new(),
        rows => rows.unwrap(),
    };
    let rows = rows.iter().unwrap().map(Result::unwrap);
    rows.map(|(key, bytes)| (key.value(), bytes.value().to_vec())).collect()
}

/// Several lives of one catalog, each ended by power loss at some operation, and some of them by another one
/// in the middle of the recovery.
fn lives(seed: u64) -> usize {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let key = PartitionKey::generate().unwrap();
    let mut disk = MemoryDisk::with_faults();
    let mut acknowledged = Model::new();
    let mut commits = 0;
    for life in 0..5 {
        let operations = if dice.roll(3) == 0 { 12 } else { 400 };
        disk.fail_next(FaultKind::Change, dice.roll(operations), u64::MAX);
        let mut attempted = acknowledged.clone();
        if let Ok(database) = open(&disk, &key) {
            while change(&database, &mut dice, &mut attempted).is_ok() {
                acknowledged.clone_from(&attempted);
                commits += 1;
            }
        }
        disk = disk.crash(dice.roll(u64::from(u32::MAX)));
        while dice.roll(3) == 0 {
            disk.fail_next(FaultKind::Change, dice.roll(20), u64::MAX);
            drop(open(&disk, &key));
            disk = disk.crash(dice.roll(u64::from(u32::MAX)));
        }
        let mut database = open(&disk, &key).unwrap_or_else(|error| panic!("seed {seed} life {life}: {error:?}"));
        let found = everything(&database);
        assert!(
            found == acknowledged || found == attempted,
            "seed {seed} life {life}: {} rows, acknowledged {}, attempted {}",
            found.len(),
            acknowledged.len(),
            attempted.len()
        );
        assert!(database.check_integrity().unwrap(), "seed {seed} life {life}");
        if dice.roll(2) == 0 {
            // The next life begins from a catalog that nobody closed.
            disk = disk.crash(dice.roll(u64::from(u32::MAX)));
        }
        acknowledged = found;
    }
    commits
}

#[test]
fn acknowledged_commits_survive_power_loss() {
    let seeds = 500;
    let work = |start: u64| move || (start..seeds).step_by(2).map(lives).sum::<usize>();
    let threads = [0, 1].map(|start| std::thread::spawn(work(start)));
    let commits: usize = threads.map(|thread| thread.join().unwrap()).iter().sum();
    assert!(commits > 5_000, "{commits} commits");
}

fn filled() -> (MemoryDisk, PartitionKey) {
    let (disk, key) = (MemoryDisk::new(), PartitionKey::generate().unwrap());
    let database = open(&disk, &key).unwrap();
    for round in 0..20 {
        let transaction = database.begin_write().unwrap();
        let mut rows = transaction.open_table(ROWS).unwrap();
        for row in 0..50 {
            rows.insert(round * 50 + row, b"TOP SECRET//a name".repeat(5).as_slice()).unwrap();
        }
        drop(rows);
        transaction.commit().unwrap();
    }
    drop(database);
    (disk, key)
}

fn bytes_of(disk: &MemoryDisk) -> Vec<u8> {
    let file = disk.open("catalog", OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn nothing_plain_is_on_the_disk() {
    let (disk, _) = filled();
    let bytes = bytes_of(&disk);
    for plain in [&b"TOP SECRET"[..], b"rows", b"redb"] {
        assert!(!bytes.windows(plain.len()).any(|window| window == plain));
    }
}

/// A disk of its own with this catalog on it.
fn holding(bytes: &[u8]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let file = disk.open("catalog", OpenMode::CreateNew).unwrap();
    file.write_all_at(0, bytes).unwrap();
    disk
}

fn try_everything(disk: &MemoryDisk, key: &PartitionKey) -> Result<Model, String> {
    let database = open(disk, key).map_err(|error| format!("{error:?}"))?;
    let read = || -> Result<Model, redb::Error> {
        let mut found = Model::new();
        for row in database.begin_read()?.open_table(ROWS)?.iter()? {
            let (key, bytes) = row?;
            found.insert(key.value(), bytes.value().to_vec());
        }
        Ok(found)
    };
    read().map_err(|error| format!("{error:?}"))
}

/// Each block in turn, after a clean stop and after a crash. One that matters must be an error; one that
/// does not (free, or of the commit before) must change nothing.
#[test]
fn a_damaged_block_is_reported_and_never_served() {
    let (disk, key) = filled();
    let whole = everything(&open(&disk, &key).unwrap());
    let clean = bytes_of(&disk);
    let database = open(&disk, &key).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(ROWS).unwrap().insert(5, whole[&5].as_slice()).unwrap();
    transaction.commit().unwrap();
    let unclean = bytes_of(&disk);
    drop(database);
    for (bytes, damage_reported) in [(clean, "is damaged"), (unclean, "orrupted")] {
        assert!(try_everything(&holding(&bytes), &key).unwrap() == whole);
        let (mut refused, mut harmless) = (0, 0);
        for (index, block) in bytes[BLOCKS_START as usize..].chunks_exact(SEALED).enumerate() {
            if block.iter().all(|byte| *byte == 0) {
                continue;
            }
            let disk = holding(&bytes);
            let number = index as u64 + 1;
            assert!(disk.flip_bit("catalog", place_of(number) + number % SEALED as u64));
            match try_everything(&disk, &key) {
                Ok(found) => {
                    assert!(found == whole, "block {number}");
                    harmless += 1;
                }
                Err(error) => {
                    assert!(error.contains(damage_reported), "block {number}: {error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 10 && harmless > 0, "{refused} {harmless}");
    }
}

/// Found by the fuzzer: `redb` panics when it recovers a file that lost its end.
#[test]
fn a_catalog_that_was_cut_off_is_refused() {
    let (disk, key) = filled();
    let whole = everything(&open(&disk, &key).unwrap());
    let database = open(&disk, &key).unwrap();
    let bytes = bytes_of(&disk);
    drop(database);
    let blocks = (bytes.len() - BLOCKS_START as usize) / SEALED;
    for kept in 1..blocks {
        match try_everything(&holding(&bytes[..place_of(kept as u64) as usize]), &key) {
            Ok(found) => assert!(found == whole, "{kept} of {blocks} blocks"),
            Err(error) => {
                let says_so = ["amaged", "orrupted", "UnexpectedEof"].iter().any(|word| error.contains(word));
                assert!(says_so, "{kept} of {blocks} blocks: {error}");
            }
        }
    }
}

#[test]
fn one_damaged_header_heals_and_two_are_refused() {
    let (disk, key) = filled();
    let whole = everything(&open(&disk, &key).unwrap());
    for slot in [0, 1] {
        assert!(disk.flip_bit("catalog", slot_place(slot) + 100));
        assert!(everything(&open(&disk, &key).unwrap()) == whole);
    }
    assert!(disk.flip_bit("catalog", slot_place(0) + 100));
    assert!(disk.flip_bit("catalog", slot_place(1) + 100));
    let error = open(&disk, &key).unwrap_err().to_string();
    assert!(error.contains("foreign or damaged"), "{error}");
}

/// A process is killed with its last header in the system's memory; the next one goes on from there and meets
/// power loss. Whatever is torn then, the header it saw is there, or its own.
#[test]
fn a_header_once_seen_is_kept() {
    let key = PartitionKey::generate().unwrap();
    let header = |number: u8| [&[1; REDB_MAGIC_LEN][..], &[0, number]].concat();
    for seed in 0..200 {
        let disk = MemoryDisk::with_faults();
        let reopened = |disk: &MemoryDisk| {
            let file = disk.open("pages", OpenMode::ReadWriteCreate).unwrap();
            disk.sync_folder("").unwrap();
            SealedPages::open("pages", file, key.pages("pages").unwrap()).unwrap()
        };
        let number = |pages: &SealedPages| {
            let mut out = [0; REDB_MAGIC_LEN + 2];
            pages.read(0, &mut out).unwrap();
            out[REDB_MAGIC_LEN + 1]
        };
        let pages = reopened(&disk);
        pages.set_len(10 * BLOCK as u64).unwrap();
        for (written, synced) in [(1, true), (2, true), (3, false)] {
            pages.write(0, &header(written)).unwrap();
            if synced {
                pages.sync_data().unwrap();
            }
        }
        let pages = reopened(&disk);
        assert_eq!(number(&pages), 3);
        pages.write(0, &header(4)).unwrap();
        pages.write(0, &header(5)).unwrap();
        let left = number(&reopened(&disk.crash(seed)));
        assert!(left >= 3, "seed {seed}: {left}");
    }
}

#[test]
fn foreign_files_are_refused() {
    let (disk, key) = filled();
    let check = |disk: &MemoryDisk, key: &PartitionKey, expected: &str| {
        let error = open(disk, key).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&disk, &PartitionKey::generate().unwrap(), "foreign or damaged");
    for (offset, expected) in [
        (0, "foreign or damaged"),
        (8, "format version 0"),
        (12, "foreign or damaged"),
        (20, "foreign or damaged"),
        (60, "foreign or damaged"),
    ] {
        disk.flip_bit("catalog", offset);
        check(&disk, &key, expected);
        disk.flip_bit("catalog", offset);
    }
    open(&disk, &key).unwrap();
}

#[test]
fn blocks_do_not_fit_elsewhere() {
    let (disk, key) = filled();
    let file = disk.open("catalog", OpenMode::ReadWriteCreate).unwrap();
    let pages = SealedPages::open("catalog", file.clone(), key.pages("catalog").unwrap()).unwrap();
    let mut out = [0; BLOCK];
    let readable = |pages: &SealedPages, block: u64| pages.read(block * BLOCK as u64, &mut [0; BLOCK]).is_ok();
    let used: Vec<u64> = (1..200).filter(|block| readable(&pages, *block)).collect();
    let [first, second, ..] = used[..] else { panic!("{used:?}") };
    let mut sealed = [[0; SEALED]; 2];
    file.read_exact_at(place_of(first), &mut sealed[0]).unwrap();
    file.read_exact_at(place_of(second), &mut sealed[1]).unwrap();
    file.write_all_at(place_of(first), &sealed[1]).unwrap();
    file.write_all_at(place_of(second), &sealed[0]).unwrap();
    for block in [first, second] {
        let error = pages.read(block * BLOCK as u64, &mut out).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn unaligned_and_unwritten() {
    let disk = MemoryDisk::new();
    let key = PartitionKey::generate().unwrap();
    let file = disk.open("pages", OpenMode::CreateNew).unwrap();
    let pages = SealedPages::open("pages", file.clone(), key.pages("pages").unwrap()).unwrap();
    assert_eq!(pages.len().unwrap(), 0);
    assert!(pages.write(0, b"beyond").is_err());
    let length = 700 * BLOCK;
    pages.set_len(length as u64).unwrap();
    assert!(pages.set_len(5).is_err());
    let mut model = vec![0; length];
    let mut dice = Dice(5);
    for _ in 0..200 {
        let from = dice.roll(length as u64) as usize;
        let most = if dice.roll(10) == 0 { 400 * BLOCK as u64 } else { 9_000 };
        let count = (dice.roll(most) as usize).min(length - from);
        if dice.roll(2) == 0 {
            let data = vec![dice.roll(256) as u8; count];
            pages.write(from as u64, &data).unwrap();
            model[from..from + count].copy_from_slice(&data);
        } else {
            let mut out = vec![9; count];
            pages.read(from as u64, &mut out).unwrap();
            assert!(out == model[from..from + count]);
        }
    }
    // A block once written may not turn into zeros again.
    pages.write(10 * BLOCK as u64, &[1; BLOCK]).unwrap();
    file.write_all_at(place_of(10), &[0; SEALED]).unwrap();
    let mut out = [0; BLOCK];
    assert!(pages.read(10 * BLOCK as u64, &mut out).is_err());
    // Shorter and longer again: what was there is gone.
    pages.set_len(5 * BLOCK as u64).unwrap();
    assert!(pages.read(5 * BLOCK as u64, &mut out).is_err());
    pages.set_len(20 * BLOCK as u64).unwrap();
    pages.read(10 * BLOCK as u64, &mut out).unwrap();
    assert_eq!(out, [0; BLOCK]);
}

#[test]
fn ranges() {
    let mut ranges = Ranges::default();
    ranges.add(1, 10);
    ranges.add(20, 30);
    ranges.remove(5, 7);
    ranges.remove(9, 22);
    ranges.remove(40, 50);
    let left: Vec<u64> = (0..60).filter(|block| ranges.contains(*block)).collect();
    assert_eq!(left, [1, 2, 3, 4, 7, 8, 22, 23, 24, 25, 26, 27, 28, 29]);
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let (disk, key) = filled();
    let database = open(&disk, &key).unwrap();
    let mut model = everything(&database);
    disk.set_full(0);
    let mut dice = Dice(1);
    let mut attempted = model.clone();
    while change(&database, &mut dice, &mut attempted).is_ok() {
        model.clone_from(&attempted);
    }
    drop(database);
    disk.set_full(u64::MAX);
    let mut database = open(&disk, &key).unwrap();
    assert!(everything(&database) == model);
    assert!(database.check_integrity().unwrap());
}

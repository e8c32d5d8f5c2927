//! A check finds each kind of damage to a ledger, and says nothing of what a crash may leave.

use super::*;
use crate::catalog::{NOTES, REGION_LOG, SEGMENTS, TILES};
use crate::check::{CheckReport, CheckSetup, Gravity, LedgerCheck};
use redb::WriteTransaction;
use std::collections::BTreeMap;

/// Counts entries and looks at what they hold.
#[derive(Default)]
struct Counting {
    next: u64,
    wrong: Option<String>,
}

impl LedgerCheck for Counting {
    fn frozen(&mut self, _: u64, _: &[u8], _: &[u8]) -> bool {
        true
    }

    fn row(&mut self, number: u64, hash: &[u8; 32], bytes: Option<&[u8]>) -> bool {
        if number != self.next {
            self.wrong = Some(format!("{} is followed by {number}", self.next));
        } else if *hash != commitment(number) || bytes.is_some_and(|bytes| bytes != content(number)) {
            self.wrong = Some(format!("{number} is another"));
        }
        self.next += 1;
        self.wrong.is_none()
    }

    fn finish(&mut self, ledger: &LedgerState, read: Result<(), Fault>) -> Option<String> {
        let length = (self.next != ledger.length).then(|| format!("{} of {}", self.next, ledger.length));
        self.wrong.take().or_else(|| read.err().map(|fault| fault.to_string())).or(length)
    }
}

fn check(disk: &MemoryDisk) -> CheckReport {
    let ledger = |_| -> Box<dyn LedgerCheck> { Box::new(Counting::default()) };
    let setup = CheckSetup { root: Arc::new(root()), policy: &Policy::us(), ledger: &ledger, operator: None };
    crate::check::check(Arc::new(disk.clone()), &setup, &mut |_| ())
}

/// A change of the catalog that no turn would make.
fn change(disk: &MemoryDisk, how: impl FnOnce(&WriteTransaction)) {
    let store = open(disk);
    let partition = store.partition(label()).unwrap();
    let transaction = catalog::begin_durable(&partition.opened().database).unwrap();
    how(&transaction);
    transaction.commit().unwrap();
    partition.supersede();
    store.close();
}

/// Changes the entries of the tail, and writes each in a row of its own.
fn with_tail(transaction: &WriteTransaction, how: impl FnOnce(&mut BTreeMap<u64, Vec<u8>>)) {
    let mut table = transaction.open_table(LEDGER).unwrap();
    let mut tail = BTreeMap::new();
    for row in table.iter().unwrap() {
        let (first, row) = row.unwrap();
        let numbered = (first.value()..).zip(groups::entries(row.value()));
        tail.extend(numbered.map(|(number, entry)| (number, entry.unwrap().to_vec())));
    }
    how(&mut tail);
    table.retain(|_, _| false).unwrap();
    for (number, entry) in tail {
        let length = u32::try_from(entry.len()).unwrap().to_be_bytes();
        table.insert(number, [length.as_slice(), &entry].concat().as_slice()).unwrap();
    }
}

fn with_state(transaction: &WriteTransaction, how: impl FnOnce(&mut LedgerCounters)) {
    let mut table = transaction.open_table(STATE).unwrap();
    let mut state: State = decode(table.get(()).unwrap().unwrap().value()).unwrap();
    how(&mut state.ledger);
    table.insert((), encode(&state).unwrap().as_slice()).unwrap();
}

#[tokio::test]
async fn each_kind_of_damage_is_found_and_named() {
    let disk = MemoryDisk::new();
    let store = made(&disk).await;
    let length = 3 * SEGMENT_LEN + 20;
    append(&store, 0..length).await.unwrap();
    while store.pack(label(), digest).await.unwrap() {}
    let dropped = store
        .drop_contents(label(), SEGMENT_LEN, move |_, _| [commitment(length).as_slice(), &content(length)].concat());
    assert_eq!(dropped.await.unwrap(), SEGMENT_LEN);
    let kept = Kept {
        tiles: vec![(LedgerLog::Partition, 1, 0, [1; 32]), (LedgerLog::Region, 3, 7, [1; 32])],
        notes: vec![("checkpoint".to_owned(), b"text".to_vec())],
        region: vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()],
    };
    store.keep(label(), kept).await.unwrap();
    let blob = |number: u64, of: fn(SegmentRecord) -> Option<crate::records::Piece>| {
        let piece = of(segment(&store.partition(label()).unwrap(), number * SEGMENT_LEN).unwrap()).unwrap();
        let Place::Blob(id) = piece.place else { panic!("a file") };
        hex::encode(id)
    };
    let (tree, contents) = (blob(0, |one| Some(one.tree)), blob(2, |one| one.contents.map(|of| of.piece)));
    store.close();
    drop(store);
    let sound = check(&disk);
    assert!(sound.findings.is_empty(), "{:?}", sound.findings);
    let sums = &sound.partitions[0];
    assert_eq!((sums.entries, sums.blobs), (length + 1, 5));

    let wrong = |what: &str, disk: &MemoryDisk, named: &str| {
        let report = check(disk);
        let found: Vec<&str> =
            report.findings.iter().filter(|one| one.gravity == Gravity::Wrong).map(|one| one.what.as_str()).collect();
        assert!(found.iter().any(|text| text.contains(named)), "{what}: `{named}` is not named in {found:?}");
        assert!(!report.is_sound());
    };
    let file = |of: &str| files(&disk).into_iter().find(|path| path.ends_with(of)).unwrap();
    for (of, name) in [(&tree, "segment 0 of the ledger"), (&contents, "segment 2 of the ledger")] {
        let case = disk.crash(0);
        case.remove(&file(of)).unwrap();
        wrong("a removed value", &case, &format!("{name} (`blobs/"));
        let case = disk.crash(0);
        assert!(case.flip_bit(&file(of), 4_000));
        wrong("a changed value", &case, "its bytes are damaged");
        let case = disk.crash(0);
        case.open(&file(of), OpenMode::ReadWriteCreate).unwrap().set_len(100).unwrap();
        wrong("a value cut off", &case, name);
    }
    type How<'h> = &'h dyn Fn(&WriteTransaction);
    let row = |number: u64| [commitment(number).as_slice(), &content(number)].concat();
    let cases: [(&str, How<'_>, &str); 16] = [
        (
            "no segment",
            &|t| drop(t.open_table(SEGMENTS).unwrap().remove(1_u64.to_be_bytes().as_slice()).unwrap()),
            "segment 1 of the ledger is missing",
        ),
        (
            "a segment too many",
            &|t| {
                let mut table = t.open_table(SEGMENTS).unwrap();
                let copy = table.get(2_u64.to_be_bytes().as_slice()).unwrap().unwrap().value().to_vec();
                table.insert(3_u64.to_be_bytes().as_slice(), copy.as_slice()).unwrap();
            },
            "segment 3 of the ledger is beyond",
        ),
        (
            "segments exchanged",
            &|t| {
                let mut table = t.open_table(SEGMENTS).unwrap();
                let copy = table.get(2_u64.to_be_bytes().as_slice()).unwrap().unwrap().value().to_vec();
                table.insert(1_u64.to_be_bytes().as_slice(), copy.as_slice()).unwrap();
            },
            "4096 is another",
        ),
        (
            "a malformed segment",
            &|t| drop(t.open_table(SEGMENTS).unwrap().insert(1_u64.to_be_bytes().as_slice(), [1].as_slice()).unwrap()),
            "segment 1 of the ledger: ",
        ),
        (
            "contents that should be there",
            &|t| {
                let mut table = t.open_table(SEGMENTS).unwrap();
                let mut record: SegmentRecord =
                    decode(table.get(1_u64.to_be_bytes().as_slice()).unwrap().unwrap().value()).unwrap();
                record.contents = None;
                table.insert(1_u64.to_be_bytes().as_slice(), encode(&record).unwrap().as_slice()).unwrap();
            },
            "segment 1 of the ledger: its contents do not fit",
        ),
        (
            "contents that should be gone",
            &|t| with_state(t, |counters| counters.dropped = 2 * SEGMENT_LEN),
            "segment 1 of the ledger: its contents do not fit",
        ),
        ("counters", &|t| with_state(t, |counters| counters.packed -= 1), "counters do not fit"),
        ("an entry removed", &|t| with_tail(t, |tail| drop(tail.remove(&(length - 9)))), "is followed by"),
        ("an entry at the end removed", &|t| with_tail(t, |tail| drop(tail.remove(&length))), "12308 of 12309"),
        ("an entry added", &|t| with_tail(t, |tail| drop(tail.insert(length + 1, row(length + 1)))), "12310 of 12309"),
        ("an entry cut off", &|t| with_tail(t, |tail| drop(tail.insert(length - 2, vec![1; 31]))), "has no commitment"),
        (
            "a row of what is packed",
            &|t| with_tail(t, |tail| drop(tail.insert(3 * SEGMENT_LEN - 1, row(3)))),
            "entry 12287 lies in a segment, and in a row of its own",
        ),
        (
            "a row cut off",
            &|t| drop(t.open_table(LEDGER).unwrap().insert(length + 1, [0, 0, 0, 9, 1].as_slice()).unwrap()),
            "a row of the ledger is malformed",
        ),
        (
            "a hash of another length",
            &|t| {
                drop(
                    t.open_table(TILES)
                        .unwrap()
                        .insert([0, 1, 0, 0, 0, 0, 0, 0, 0, 9].as_slice(), [1; 31].as_slice())
                        .unwrap(),
                )
            },
            "of a ledger's tree: ",
        ),
        (
            "a note without a name",
            &|t| drop(t.open_table(NOTES).unwrap().insert([0xff].as_slice(), [1].as_slice()).unwrap()),
            "the ledger's note",
        ),
        (
            "the region's log with a gap",
            &|t| drop(t.open_table(REGION_LOG).unwrap().remove(1).unwrap()),
            "the region's log has 1 entries",
        ),
    ];
    for (what, how, named) in cases {
        let case = disk.crash(0);
        change(&case, how);
        wrong(what, &case, named);
    }
}

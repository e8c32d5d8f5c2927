//! Entries, and the verifier of ledgers.
//!
//! Oracle: an entry that is read writes itself as what reads the same; a ledger is found whole if it is, and else broken
//! at its first bad place, where what was recorded is no entry.

use crate::house::runtime;
use crate::sure;
use fastness_identity::DirectoryChange;
use fastness_label::Policy;
use fastness_ledger::{Entry, EntryError, Finding, Outcome, Recorded, region_keys, verify};
use fastness_store::disk::MemoryDisk;
use fastness_store::{RegionSetup, Store};
use fastness_vault::RootKey;
use std::sync::{Arc, OnceLock};

/// Two bytes that count for nothing; then contents of entries, each after its length. An entry of the length 255 is a good
/// one.
pub(crate) fn run(data: &[u8]) {
    let Some((_, mut rest)) = data.split_first_chunk::<2>() else { return };
    let mut entries = Vec::new();
    while let Some((length, tail)) = rest.split_first()
        && entries.len() < 12
    {
        if *length == 255 {
            entries.push(entry().record(&[0; 32]));
            rest = tail;
            continue;
        }
        let (bytes, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        reads_back(bytes);
        entries.push([&[1; 32], bytes].concat());
        rest = tail;
    }
    reads_back(rest);
    ledger(entries);
}

fn reads_back(bytes: &[u8]) {
    match Recorded::read(bytes) {
        Ok(read) => {
            let row = read.entry.record(&[0; 32]);
            let (commitment, content) = sure(row.split_first_chunk().ok_or("a record is shorter than its commitment"));
            assert_eq!(Recorded::checked(commitment, content).map(|read| read.entry), Ok(read.entry));
        }
        Err(EntryError::Format(format)) => assert!(format != 2 && bytes.first() == Some(&format)),
        Err(EntryError::Malformed) => assert!(bytes.first().is_none_or(|format| *format == 2)),
        Err(EntryError::Commitment) => unreachable!("nothing was checked"),
    }
}

fn entry() -> Entry {
    let text = || "x".to_owned();
    Entry {
        time_ms: -1,
        request: [7; 8],
        service: text(),
        operation: text(),
        principal: text(),
        account: text(),
        key: text(),
        label: text(),
        nationality: String::new(),
        duty: String::new(),
        agent: String::new(),
        resources: vec![text(), text()],
        outcome: Outcome::Each(vec![Outcome::Done(None), Outcome::Refused(text(), text())]),
        source: text(),
    }
}

/// A region with one partition.
fn disk() -> MemoryDisk {
    static DISK: OnceLock<MemoryDisk> = OnceLock::new();
    let made = DISK.get_or_init(|| {
        let disk = MemoryDisk::new();
        let text = || "UNCLASSIFIED".to_owned();
        let setup = RegionSetup { name: "r".to_owned(), floor: text(), ceiling: text(), labels: Vec::new() };
        let first = |_: &mut dyn DirectoryChange| Ok(());
        let root = RootKey::from_bytes(&[9; 32]);
        let made = Store::create(Arc::new(disk.clone()), root, Policy::us(), setup, first, entry().record(&[0; 32]));
        let (store, ()) = sure(runtime().block_on(made));
        store.close();
        disk
    });
    made.crash(0)
}

fn ledger(entries: Vec<Vec<u8>>) {
    let _inside = runtime().enter();
    // The region's making wrote entry 0.
    let mut numbered = (1..).zip(&entries);
    let expected = numbered.find_map(|(number, entry)| {
        let (commitment, content) = sure(entry.split_first_chunk().ok_or("every entry has a commitment"));
        let error = Recorded::checked(commitment, content).err()?;
        Some(Finding::Content { number, error: error.to_string() })
    });
    let length = u64::try_from(entries.len()).unwrap_or(u64::MAX).saturating_add(1);
    let root = RootKey::from_bytes(&[9; 32]);
    let keys = sure(region_keys(&root)).of_log("fastness");
    let store = sure(Store::open(Arc::new(disk()), root, Policy::us()));
    let label = Policy::us().lowest();
    for entry in entries {
        sure(runtime().block_on(store.record(label, entry)));
    }
    let reports = sure(verify(&store, &keys, |_| {}));
    let Some(report) = reports.first() else { unreachable!("a region has a ledger") };
    // Nobody signs here, and an entry may say that there was a chain.
    let beside = |finding: &Finding| matches!(finding, Finding::Unsigned { .. } | Finding::ChainEnd { .. });
    assert_eq!(report.finding.clone().filter(|finding| !beside(finding)), expected);
    assert!(expected.is_some() || report.entries == length, "{} of {length} entries", report.entries);
    store.close();
}

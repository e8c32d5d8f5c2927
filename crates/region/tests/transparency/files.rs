//! A real ledger, signed at several sizes, and its copies as files.

use crate::support::{House, S, Template, ledger_entry};
use fastness_ledger::{Checkpoint, Entry, Keeper, Log, Note, VerifierKey, mirror};
use fastness_store::Store;
use std::collections::BTreeMap;

/// The files of a copy, by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Sizes at which the ledger was signed.
pub const SIGNED: [u64; 3] = [700, 1_500, 2_100];

/// A region whose ledger at SECRET was signed at some sizes.
pub struct Signed {
    pub template: Template,
    pub house: House,
    /// Signs whatever is new.
    pub keeper: Keeper,
    /// Copies at those sizes.
    pub copies: Vec<Files>,
}

/// An entry of its own for each number.
pub fn entry(number: u64) -> Entry {
    ledger_entry(S, 1_769_000_000_000 + number as i64, number)
}

/// Appends entries until the ledger at a label has so many; `salt` tells one such history from another.
pub async fn fill(store: &Store, template: &Template, label: &str, to: u64, salt: u8) {
    let label = template.label(label);
    for number in store.ledger(label).unwrap().length..to {
        store.note(label, entry(number).record(&[salt; 32])).await.unwrap();
    }
    store.flush().await.unwrap();
    assert_eq!(store.ledger(label).unwrap().length, to);
}

/// A copy of the ledger at a label, as it is signed now.
pub fn copy(template: &Template, house: &House, label: &str) -> Files {
    copy_of(&Log::of_partition(&house.store, template.label(label)), house)
}

pub fn copy_of(log: &Log<'_>, house: &House) -> Files {
    let mut files = Files::new();
    let put = |path: &str, bytes: &[u8]| {
        assert!(files.insert(path.to_owned(), bytes.to_vec()).is_none(), "{path} twice");
        Ok(())
    };
    mirror(log, &house.log_keys(), put, |_| ()).unwrap();
    files
}

/// The log's public keys under its own name.
pub fn keys(template: &Template, house: &House, label: &str) -> Vec<VerifierKey> {
    let origin = Log::of_partition(&house.store, template.label(label)).origin();
    house.log_keys().iter().map(|key| key.renamed(&origin)).collect()
}

pub fn checkpoint(files: &Files) -> Checkpoint {
    Checkpoint::parse(&Note::parse(&files["checkpoint"]).unwrap().text).unwrap()
}

pub async fn signed() -> Signed {
    let template = Template::make().await;
    let house = template.open();
    let mut keeper = house.keeper();
    let mut copies = Vec::new();
    for size in SIGNED {
        fill(&house.store, &template, S, size, 1).await;
        let step = keeper.step().await;
        assert_eq!(step.alarms, []);
        assert!(step.signed.iter().any(|checkpoint| checkpoint.size == size));
        copies.push(copy(&template, &house, S));
    }
    Signed { template, house, keeper, copies }
}

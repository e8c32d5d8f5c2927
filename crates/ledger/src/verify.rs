//! The offline verifier.

use crate::{Entry, HashChain};
use fastness_label::Label;
use fastness_store::{Chain, Fault, LogReader, Store};

/// What is wrong with a chain, at its first bad place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The number that should follow is not there.
    #[error("entry {expected} is missing; the next one there is {found}")]
    Gap {
        /// The number that should be there.
        expected: u64,
        /// The number that is.
        found: u64,
    },
    /// The entry, or one before it, is not what was chained.
    #[error("entry {0} does not fit the chain: it, or its hash, was changed")]
    Link(u64),
    /// The entry's own bytes are not an entry.
    #[error("entry {number} cannot be read: {error}")]
    Content {
        /// Its number.
        number: u64,
        /// Why.
        error: String,
    },
    /// The chain ends before or behind the place that the counters name.
    #[error("the chain has {found} entries, the catalog's counters say {expected}: entries were cut off or added")]
    Length {
        /// What the counters say.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The hash over all entries is not the one in the counters.
    #[error("the hash over the whole chain is not the one that the catalog's counters hold")]
    Head,
    /// The catalog could not be read.
    #[error("the ledger could not be read: {0}")]
    Unreadable(String),
}

/// One chain, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The partition's label.
    pub label: Label,
    /// Entries checked.
    pub entries: u64,
    /// The chain's hash over them.
    pub head: [u8; 32],
    /// The first thing that is wrong, if anything.
    pub finding: Option<Finding>,
}

/// Checks every chain of a region; `progress` hears how many entries were read.
///
/// # Errors
/// A fault when the counters cannot be read at all.
pub fn verify(store: &Store, mut progress: impl FnMut(u64)) -> Result<Vec<ChainReport>, Fault> {
    Ok(store.logs()?.iter().map(|log| verify_chain(store, log, &mut progress)).collect())
}

fn verify_chain(store: &Store, log: &LogReader, progress: &mut impl FnMut(u64)) -> ChainReport {
    let mut report = ChainReport { label: log.label, entries: 0, head: [0; 32], finding: None };
    let read = store.read_log(log.label, |number, stored, entry| {
        report.finding = check(&report, number, stored, entry);
        if report.finding.is_some() {
            return false;
        }
        report.head = HashChain.link(&report.head, number, entry);
        report.entries += 1;
        if report.entries.is_multiple_of(1024) {
            progress(1024);
        }
        true
    });
    progress(report.entries % 1024);
    if report.finding.is_none() {
        report.finding = match read {
            Err(fault) => Some(Finding::Unreadable(fault.to_string())),
            Ok(()) if report.entries != log.length => {
                Some(Finding::Length { expected: log.length, found: report.entries })
            }
            Ok(()) if report.head != log.head => Some(Finding::Head),
            Ok(()) => None,
        };
    }
    report
}

fn check(report: &ChainReport, number: u64, stored: &[u8], entry: &[u8]) -> Option<Finding> {
    if number != report.entries {
        return Some(Finding::Gap { expected: report.entries, found: number });
    }
    if HashChain.link(&report.head, number, entry) != stored {
        return Some(Finding::Link(number));
    }
    Entry::decode(entry).err().map(|error| Finding::Content { number, error: error.to_string() })
}

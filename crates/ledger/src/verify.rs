//! The offline verifier.

use crate::{Entry, HashChain};
use fastness_label::Label;
use fastness_store::{Chain, Fault, LedgerCheck, LogReader, Store};

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
    let mut chain = Running::new(log.label);
    let read = store.read_log(log.label, |number, stored, entry| {
        let good = chain.take(number, stored, entry);
        if good && chain.report.entries.is_multiple_of(1024) {
            progress(1024);
        }
        good
    });
    progress(chain.report.entries % 1024);
    chain.finish(read, log)
}

/// A chain as far as it was read.
struct Running {
    report: ChainReport,
}

impl Running {
    const fn new(label: Label) -> Self {
        Self { report: ChainReport { label, entries: 0, head: [0; 32], finding: None } }
    }

    /// Takes the next row; says whether it is good.
    fn take(&mut self, number: u64, stored: &[u8], entry: &[u8]) -> bool {
        let report = &mut self.report;
        let hash = HashChain.link(&report.head, number, entry);
        if number != report.entries {
            report.finding = Some(Finding::Gap { expected: report.entries, found: number });
        } else if hash != stored {
            report.finding = Some(Finding::Link(number));
        } else if let Err(error) = Entry::decode(entry) {
            report.finding = Some(Finding::Content { number, error: error.to_string() });
        } else {
            report.head = hash;
            report.entries += 1;
            return true;
        }
        false
    }

    /// Compares what was read with what the counters say.
    fn finish(self, read: Result<(), Fault>, log: &LogReader) -> ChainReport {
        let mut report = self.report;
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
}

/// A check of one ledger for whoever reads the rows: what [`verify`] does.
#[must_use]
pub fn checker(label: Label) -> Box<dyn LedgerCheck> {
    Box::new(Checker(Some(Running::new(label))))
}

struct Checker(Option<Running>);

impl LedgerCheck for Checker {
    fn row(&mut self, number: u64, hash: &[u8], entry: &[u8]) -> bool {
        self.0.as_mut().is_some_and(|chain| chain.take(number, hash, entry))
    }

    fn finish(&mut self, log: &LogReader, read: Result<(), Fault>) -> Option<String> {
        self.0.take()?.finish(read, log).finding.map(|finding| finding.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;
    use fastness_label::Policy;

    type Row = (u64, [u8; 32], Vec<u8>);

    fn entry(time_ms: i64) -> Vec<u8> {
        let text = String::new;
        Entry {
            time_ms,
            request: [0; 8],
            service: text(),
            operation: text(),
            principal: text(),
            account: text(),
            key: text(),
            label: text(),
            nationality: text(),
            duty: text(),
            agent: text(),
            resources: Vec::new(),
            outcome: Outcome::Done(None),
            source: text(),
        }
        .record(&[0; 32])
    }

    fn chain(length: u64) -> (Vec<Row>, LogReader) {
        let mut head = [0; 32];
        let mut rows = Vec::new();
        for number in 0..length {
            let entry = entry(number as i64);
            head = HashChain.link(&head, number, &entry);
            rows.push((number, head, entry));
        }
        (rows, LogReader { label: Policy::us().lowest(), length, head })
    }

    fn found(rows: &[Row], log: &LogReader) -> Option<Finding> {
        let mut running = Running::new(log.label);
        for (number, stored, entry) in rows {
            if !running.take(*number, stored, entry) {
                break;
            }
        }
        running.finish(Ok(()), log).finding
    }

    #[test]
    fn each_kind_of_damage_is_found_at_its_first_place() {
        let (rows, log) = chain(10);
        let check = |change: &dyn Fn(&mut Vec<Row>, &mut LogReader), expected: Option<Finding>| {
            let (mut rows, mut log) = (rows.clone(), log.clone());
            change(&mut rows, &mut log);
            assert_eq!(found(&rows, &log), expected);
        };
        check(&|_, _| {}, None);
        check(&|rows, _| drop(rows.remove(4)), Some(Finding::Gap { expected: 4, found: 5 }));
        check(&|rows, _| rows.swap(3, 4), Some(Finding::Gap { expected: 3, found: 4 }));
        check(&|rows, _| rows[6].2 = entry(99), Some(Finding::Link(6)));
        check(&|rows, _| rows[6].1[0] ^= 1, Some(Finding::Link(6)));
        check(&|rows, _| drop(rows.pop()), Some(Finding::Length { expected: 10, found: 9 }));
        check(&|_, log| log.length = 9, Some(Finding::Length { expected: 9, found: 10 }));
        check(&|_, log| log.head[31] ^= 1, Some(Finding::Head));
        // Whoever chains nonsense with the right hashes is told of the nonsense.
        let forged = |rows: &mut Vec<Row>, _: &mut LogReader| {
            let previous = rows[8].1;
            rows[9] = (9, HashChain.link(&previous, 9, &[1; 40]), vec![1; 40]);
        };
        let error = crate::EntryError::Format(1).to_string();
        check(&forged, Some(Finding::Content { number: 9, error }));
    }
}

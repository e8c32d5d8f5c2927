//! The offline verifier.

use crate::{Entry, chain_link};
use fastness_label::Label;
use fastness_store::{Fault, LedgerCheck, LedgerState, Store};

/// What is wrong with a ledger, at its first bad place. The chain of an earlier program is read first, entries since then
/// are numbered anew.
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
    /// The ledger, or the chain before it, ends before or behind the place that the counters name.
    #[error("it has {found} entries, the catalog's counters say {expected}: entries were cut off or added")]
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

/// One ledger, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The partition's label.
    pub label: Label,
    /// Entries checked.
    pub entries: u64,
    /// The hash over those of the chain that an earlier program kept; zeros if there is none.
    pub head: [u8; 32],
    /// The first thing that is wrong, if anything.
    pub finding: Option<Finding>,
}

/// Checks every ledger of a region; `progress` hears how many entries were read.
///
/// # Errors
/// A fault when the counters cannot be read at all.
pub fn verify(store: &Store, mut progress: impl FnMut(u64)) -> Result<Vec<ChainReport>, Fault> {
    Ok(store.ledgers()?.iter().map(|ledger| verify_ledger(store, ledger, &mut progress)).collect())
}

fn verify_ledger(store: &Store, ledger: &LedgerState, progress: &mut impl FnMut(u64)) -> ChainReport {
    let mut running = Running::new(ledger.label);
    let mut count = 0_u64;
    let mut told = |good| {
        count += 1;
        if count.is_multiple_of(1024) {
            progress(1024);
        }
        good
    };
    let read = store
        .frozen_rows(ledger.label, |number, stored, entry| told(running.frozen(number, stored, entry)))
        .and_then(|()| match running.report.finding {
            Some(_) => Ok(()),
            None => store
                .ledger_rows(ledger.label, 0, ledger.length, |number, _, content| told(running.row(number, content))),
        });
    progress(count % 1024);
    running.finish(read, ledger)
}

/// A ledger as far as it was read.
struct Running {
    report: ChainReport,
    /// Entries of the chain that an earlier program kept.
    frozen: u64,
    /// Entries since.
    rows: u64,
}

impl Running {
    const fn new(label: Label) -> Self {
        Self { report: ChainReport { label, entries: 0, head: [0; 32], finding: None }, frozen: 0, rows: 0 }
    }

    /// Takes the next row of the chain; says whether it is good.
    fn frozen(&mut self, number: u64, stored: &[u8], entry: &[u8]) -> bool {
        let hash = chain_link(&self.report.head, number, entry);
        let finding = if number != self.frozen {
            Some(Finding::Gap { expected: self.frozen, found: number })
        } else if hash != stored {
            Some(Finding::Link(number))
        } else {
            content(number, Some(entry))
        };
        if finding.is_none() {
            self.report.head = hash;
            self.frozen += 1;
        }
        self.take(finding)
    }

    /// Takes the next entry; says whether it is good.
    fn row(&mut self, number: u64, bytes: Option<&[u8]>) -> bool {
        let finding = if number == self.rows {
            content(number, bytes)
        } else {
            Some(Finding::Gap { expected: self.rows, found: number })
        };
        self.rows += u64::from(finding.is_none());
        self.take(finding)
    }

    fn take(&mut self, finding: Option<Finding>) -> bool {
        self.report.entries += u64::from(finding.is_none());
        self.report.finding = finding;
        self.report.finding.is_none()
    }

    /// Compares what was read with what the counters say.
    fn finish(self, read: Result<(), Fault>, ledger: &LedgerState) -> ChainReport {
        let Self { mut report, frozen, rows } = self;
        let (length, head) = ledger.frozen.unwrap_or_default();
        if report.finding.is_none() {
            report.finding = match read {
                Err(fault) => Some(Finding::Unreadable(fault.to_string())),
                Ok(()) if frozen != length => Some(Finding::Length { expected: length, found: frozen }),
                Ok(()) if report.head != head => Some(Finding::Head),
                Ok(()) if rows != ledger.length => Some(Finding::Length { expected: ledger.length, found: rows }),
                Ok(()) => None,
            };
        }
        report
    }
}

/// What is wrong with an entry's content, if it is there.
fn content(number: u64, bytes: Option<&[u8]>) -> Option<Finding> {
    let error = Entry::decode_content(bytes?).err()?;
    Some(Finding::Content { number, error: error.to_string() })
}

/// A check of one ledger for whoever reads the rows: what [`verify`] does.
#[must_use]
pub fn checker(label: Label) -> Box<dyn LedgerCheck> {
    Box::new(Checker(Some(Running::new(label))))
}

struct Checker(Option<Running>);

impl LedgerCheck for Checker {
    fn frozen(&mut self, number: u64, hash: &[u8], entry: &[u8]) -> bool {
        self.0.as_mut().is_some_and(|running| running.frozen(number, hash, entry))
    }

    fn row(&mut self, number: u64, _: &[u8; 32], content: Option<&[u8]>) -> bool {
        self.0.as_mut().is_some_and(|running| running.row(number, content))
    }

    fn finish(&mut self, ledger: &LedgerState, read: Result<(), Fault>) -> Option<String> {
        self.0.take()?.finish(read, ledger).finding.map(|finding| finding.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;
    use fastness_label::Policy;

    type Row = (u64, [u8; 32], Vec<u8>);
    type Entered = (u64, Option<Vec<u8>>);

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
            resources: Vec::new(),
            outcome: Outcome::Done(None),
            source: text(),
        }
        .encode()
    }

    fn state(frozen: Option<(u64, [u8; 32])>, length: u64) -> LedgerState {
        let label = Policy::us().lowest();
        LedgerState { label, length, packed: 0, dropped: 0, region_length: 0, frozen }
    }

    fn chain(length: u64) -> (Vec<Row>, LedgerState) {
        let mut head = [0; 32];
        let mut rows = Vec::new();
        for number in 0..length {
            let entry = entry(number as i64)[32..].to_vec();
            head = chain_link(&head, number, &entry);
            rows.push((number, head, entry));
        }
        (rows, state(Some((length, head)), 0))
    }

    fn found(rows: &[Row], log: &LedgerState) -> Option<Finding> {
        let mut running = Running::new(log.label);
        for (number, stored, entry) in rows {
            if !running.frozen(*number, stored, entry) {
                break;
            }
        }
        running.finish(Ok(()), log).finding
    }

    #[test]
    fn each_kind_of_damage_to_an_old_chain_is_found_at_its_first_place() {
        let (rows, log) = chain(10);
        let check = |change: &dyn Fn(&mut Vec<Row>, &mut LedgerState), expected: Option<Finding>| {
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
        let frozen = |log: &mut LedgerState, length, bit| {
            let (_, mut head) = log.frozen.unwrap();
            head[31] ^= bit;
            log.frozen = Some((length, head));
        };
        check(&|_, log| frozen(log, 9, 0), Some(Finding::Length { expected: 9, found: 10 }));
        check(&|_, log| frozen(log, 10, 1), Some(Finding::Head));
        check(&|_, log| log.length = 1, Some(Finding::Length { expected: 1, found: 0 }));
        // Whoever chains nonsense with the right hashes is told of the nonsense.
        let forged = |rows: &mut Vec<Row>, _: &mut LedgerState| {
            let previous = rows[8].1;
            rows[9] = (9, chain_link(&previous, 9, b"\x01nonsense"), b"\x01nonsense".to_vec());
        };
        let error = crate::EntryError::Malformed.to_string();
        check(&forged, Some(Finding::Content { number: 9, error }));
    }

    #[test]
    fn gaps_lengths_and_nonsense_are_found_in_the_ledger() {
        let rows: Vec<Entered> = (0..10).map(|number| (number, Some(entry(1)[32..].to_vec()))).collect();
        let check = |change: &dyn Fn(&mut Vec<Entered>), expected: Option<Finding>| {
            let (mut rows, state) = (rows.clone(), state(None, 10));
            change(&mut rows);
            let mut checker = Checker(Some(Running::new(state.label)));
            for (number, content) in &rows {
                if !checker.row(*number, &[0; 32], content.as_deref()) {
                    break;
                }
            }
            assert_eq!(checker.finish(&state, Ok(())), expected.map(|finding| finding.to_string()));
        };
        check(&|_| {}, None);
        check(&|rows| rows[3].1 = None, None);
        check(&|rows| drop(rows.remove(4)), Some(Finding::Gap { expected: 4, found: 5 }));
        check(&|rows| rows.swap(3, 4), Some(Finding::Gap { expected: 3, found: 4 }));
        check(&|rows| drop(rows.pop()), Some(Finding::Length { expected: 10, found: 9 }));
        check(&|rows| rows.push((10, None)), Some(Finding::Length { expected: 10, found: 11 }));
        let error = crate::EntryError::Format(7).to_string();
        check(&|rows| rows[6].1 = Some(vec![7]), Some(Finding::Content { number: 6, error }));
    }
}

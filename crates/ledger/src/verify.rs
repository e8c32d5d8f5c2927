//! The offline verifier: reads a region's logs from beginning to end.

use crate::checkpoint::Checkpoint;
use crate::log::{Log, LogError};
use crate::note::VerifierKey;
use crate::tree::{Frontier, Hash, TILE_LEN, TileHash};
use crate::{Entry, Recorded, chain_link};
use fastness_label::Label;
use fastness_store::{Fault, LedgerCheck, LedgerLog, LedgerState, Store};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Entries whose contents one thread checks before it takes others.
const SHARE_LEN: u64 = 1 << 16;

/// How often the progress of the threads is told.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// What is wrong with a log, at its first bad place.
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
    /// The entry of an older chain, or one before it, is not what was chained.
    #[error("entry {0} does not fit the old chain: it, or its hash, was changed")]
    Link(u64),
    /// The entry's own bytes are not an entry, or not the one that the tree commits to.
    #[error("entry {number} was changed or is damaged: {error}")]
    Content {
        /// Its number.
        number: u64,
        /// Why.
        error: String,
    },
    /// The log, or the chain before it, ends before or behind the place that the counters name.
    #[error("it has {found} entries, the catalog's counters say {expected}: entries were cut off or added")]
    Length {
        /// What the counters say.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The hash over all entries of an older chain is not the one in the counters.
    #[error("the hash over the whole old chain is not the one that the catalog's counters hold")]
    Head,
    /// A hash of the tree that is kept is missing, or is not the one that the entries make.
    #[error("the kept hash over entries {first} to {last} is missing or not theirs: it, or one of them, was changed")]
    Tile {
        /// The first entry under it.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The root at a checkpoint is not the one that was signed.
    #[error("the root over the first {size} entries is not the signed one: one of the entries {since} to {last} was changed", last = size - 1)]
    Signed {
        /// The checkpoint's size.
        size: u64,
        /// Entries that an earlier good checkpoint is over.
        since: u64,
    },
    /// The region's log holds a checkpoint that does not follow the one before it.
    #[error("entry {number} of the region's log is no checkpoint that follows those before it: {why}")]
    Region {
        /// Its number.
        number: u64,
        /// Why.
        why: String,
    },
    /// A witness saw a longer log.
    #[error(
        "the witness `{by}` cosigned a checkpoint over {cosigned} entries, this log's last is over {signed}: the whole log was put back to an older state"
    )]
    Rewound {
        /// The witness.
        by: String,
        /// Entries that it saw.
        cosigned: u64,
        /// Entries that the log's own last checkpoint is over.
        signed: u64,
    },
    /// A witness saw another log.
    #[error(
        "the witness `{by}` cosigned another root over the first {cosigned} entries: the log was put back and went on differently, or was forked"
    )]
    Forked {
        /// The witness.
        by: String,
        /// Entries that it saw.
        cosigned: u64,
    },
    /// A witness cosigned a checkpoint of this name that other keys signed.
    #[error(
        "the checkpoint that the witness `{by}` cosigned was not signed with this region's keys: the region was made anew under an old name, or the checkpoint is forged"
    )]
    OtherKeys {
        /// The witness.
        by: String,
    },
    /// Something else is wrong with the log as a whole.
    #[error("{0}")]
    Log(#[from] LogError),
    /// The catalog could not be read.
    #[error("the ledger could not be read: {0}")]
    Unreadable(String),
}

impl Finding {
    /// Where it is: the first entry that may be bad.
    #[must_use]
    pub const fn place(&self) -> u64 {
        match self {
            Self::Gap { expected, .. } => *expected,
            Self::Link(number) | Self::Content { number, .. } | Self::Region { number, .. } => *number,
            Self::Tile { first, .. } => *first,
            Self::Signed { since, .. } => *since,
            Self::Length { .. }
            | Self::Head
            | Self::Log(_)
            | Self::Rewound { .. }
            | Self::Forked { .. }
            | Self::OtherKeys { .. }
            | Self::Unreadable(_) => u64::MAX,
        }
    }
}

/// One log, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// The log's name in checkpoints.
    pub origin: String,
    /// The label at which it lies.
    pub label: Label,
    /// Whether it is the region's log of checkpoints.
    pub is_region: bool,
    /// Entries checked, those of an older chain among them.
    pub entries: u64,
    /// Entries that the last checkpoint is over.
    pub signed: u64,
    /// Entries whose contents were dropped when their time was over.
    pub dropped: u64,
    /// The root over all entries there are.
    pub root: Hash,
    /// The first thing that is wrong, if anything.
    pub finding: Option<Finding>,
}

/// Checks every log of a region with the public keys of its keeper; `progress` hears how many entries were read.
///
/// # Errors
/// A fault when the counters cannot be read at all.
pub fn verify(store: &Store, keys: &[VerifierKey], mut progress: impl FnMut(u64)) -> Result<Vec<LogReport>, Fault> {
    let (mut region, bound) = region_log(store, keys)?;
    let mut reports = Vec::new();
    for state in store.ledgers()? {
        let log = Log::of_partition(store, state.label);
        let origin = log.origin();
        let mut wanted: Vec<Bound> = bound.iter().filter(|one| one.checkpoint.origin == origin).cloned().collect();
        let mut report = ledger(store, &log, &state, keys, &mut wanted, &mut progress);
        // What the region's log says of a log that does not exist is looked at below.
        report.origin.clone_from(&origin);
        reports.push(report);
    }
    let known = |one: &Bound| reports.iter().any(|report| report.origin == one.checkpoint.origin);
    if region.finding.is_none()
        && let Some(one) = bound.iter().find(|one| !known(one))
    {
        let why = format!("there is no log `{}`", one.checkpoint.origin);
        region.finding = Some(Finding::Region { number: one.number, why });
    }
    reports.push(region);
    Ok(reports)
}

/// A partition's checkpoint in the region's log.
#[derive(Debug, Clone)]
struct Bound {
    number: u64,
    checkpoint: Checkpoint,
}

/// The region's log, checked, and the checkpoints in it.
fn region_log(store: &Store, keys: &[VerifierKey]) -> Result<(LogReport, Vec<Bound>), Fault> {
    let log = Log::of_region(store);
    let length = log.length()?;
    let mut report = blank(&log);
    let mut bound: Vec<Bound> = Vec::new();
    let mut finding = None;
    let read = store.region_log(log.label(), 0, length, |number, entry| {
        match follows(&bound, entry) {
            Ok(checkpoint) => bound.push(Bound { number, checkpoint }),
            Err(why) => finding = Some(Finding::Region { number, why }),
        }
        finding.is_none()
    });
    report.entries = bound.len() as u64;
    report.finding = finding.or_else(|| read.err().map(|fault| Finding::Unreadable(fault.to_string())));
    grown(&log, keys, length, Vec::new(), &mut report);
    Ok((report, bound))
}

/// A checkpoint that follows those before it.
fn follows(before: &[Bound], entry: &[u8]) -> Result<Checkpoint, String> {
    let text = std::str::from_utf8(entry).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(text).map_err(|error| error.to_string())?;
    let last = before.iter().rev().map(|one| &one.checkpoint).find(|one| one.origin == checkpoint.origin);
    match last {
        Some(last) if last.size > checkpoint.size => {
            Err(format!("`{}` shrank from {} entries to {}", last.origin, last.size, checkpoint.size))
        }
        Some(last) if last.size == checkpoint.size && last.root != checkpoint.root => {
            Err(format!("`{}` has two roots over {} entries: it was forked", last.origin, last.size))
        }
        _ => Ok(checkpoint),
    }
}

fn blank(log: &Log<'_>) -> LogReport {
    let (origin, label, is_region) = (log.origin(), log.label(), log.kind() == LedgerLog::Region);
    LogReport { origin, label, is_region, entries: 0, signed: 0, dropped: 0, root: [0; 32], finding: None }
}

/// A partition's ledger, checked.
fn ledger(
    store: &Store,
    log: &Log<'_>,
    state: &LedgerState,
    keys: &[VerifierKey],
    bound: &mut Vec<Bound>,
    progress: &mut dyn FnMut(u64),
) -> LogReport {
    let mut report = LogReport { dropped: state.dropped, ..blank(log) };
    let mut chain = Chain::default();
    let read = store.frozen_rows(state.label, |number, hash, entry| {
        let good = chain.take(number, hash, entry);
        progress(u64::from(good));
        good
    });
    report.finding = chain.finish(read, state.frozen);
    report.entries = chain.length;
    if report.finding.is_some() {
        return report;
    }
    let (good, finding) = contents(store, state, progress);
    report.entries += good;
    report.finding = finding;
    grown(log, keys, state.length, std::mem::take(bound), &mut report);
    report
}

/// Checks the contents of all entries against their commitments, on every core. How many are good, and the first bad one.
fn contents(store: &Store, state: &LedgerState, progress: &mut dyn FnMut(u64)) -> (u64, Option<Finding>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, done, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let from = next.fetch_add(SHARE_LEN, Ordering::Relaxed);
            if from >= state.length {
                break;
            }
            if let Some(finding) = share(store, state, from..state.length.min(from + SHARE_LEN), &done) {
                stop.store(true, Ordering::Relaxed);
                return Some((from, finding));
            }
        }
        None
    };
    let first = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut told = 0;
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(TOLD_EVERY.min(Duration::from_millis(1 + told / 1000)));
            let now = done.load(Ordering::Relaxed);
            progress(now - told);
            told = now;
        }
        progress(done.load(Ordering::Relaxed) - told);
        let ended = workers.into_iter().filter_map(|worker| {
            let unreadable = || Some((0, Finding::Unreadable("a thread of the verifier ended by a panic".to_owned())));
            worker.join().unwrap_or_else(|_| unreadable())
        });
        ended.min_by_key(|(from, _)| *from)
    });
    let good = done.load(Ordering::Relaxed);
    match first {
        Some((_, finding)) => (good, Some(finding)),
        None if good == state.length => (good, None),
        None => (good, Some(Finding::Length { expected: state.length, found: good })),
    }
}

/// Checks the contents of a range of entries; the first bad one.
fn share(store: &Store, state: &LedgerState, range: Range<u64>, done: &AtomicU64) -> Option<Finding> {
    let (mut next, mut finding) = (range.start, None);
    let read = store.ledger_rows(state.label, range.start, range.end, |number, commitment, content| {
        finding = row(next, state.dropped, number, commitment, content);
        if finding.is_none() {
            next += 1;
            done.fetch_add(1, Ordering::Relaxed);
        }
        finding.is_none()
    });
    match read {
        _ if finding.is_some() => finding,
        Err(fault) => Some(Finding::Content { number: next, error: fault.to_string() }),
        Ok(()) if next < range.end => Some(Finding::Gap { expected: next, found: range.end }),
        Ok(()) => None,
    }
}

/// What is wrong with one entry.
fn row(expected: u64, dropped: u64, number: u64, commitment: &Hash, content: Option<&[u8]>) -> Option<Finding> {
    if number != expected {
        return Some(Finding::Gap { expected, found: number });
    }
    let wrong = |error: String| Some(Finding::Content { number, error });
    match content {
        Some(content) => Recorded::checked(commitment, content).err().and_then(|error| wrong(error.to_string())),
        None if number < dropped => None,
        None => wrong("its content is gone, though its time was not over".to_owned()),
    }
}

/// Grows the tree over a log's entries, and compares it with every hash and root that was kept or signed.
fn grown(log: &Log<'_>, keys: &[VerifierKey], length: u64, bound: Vec<Bound>, report: &mut LogReport) {
    let signed = match log.checkpoint(keys) {
        Ok(signed) => signed.map(|(checkpoint, _)| checkpoint),
        Err(error) => {
            report.finding.get_or_insert(error.into());
            None
        }
    };
    report.signed = signed.as_ref().map_or(0, |checkpoint| checkpoint.size);
    if let Some(last) = bound.last().filter(|last| last.checkpoint.size > report.signed) {
        let put_back = LogError::PutBack { bound: last.checkpoint.size, signed: report.signed };
        report.finding.get_or_insert(put_back.into());
    }
    if report.signed > length {
        report.finding.get_or_insert(LogError::Shorter { signed: report.signed, found: length }.into());
    }
    // Whose roots are compared, in the order of their sizes.
    let mut wanted: Vec<Checkpoint> = bound.into_iter().map(|one| one.checkpoint).chain(signed).collect();
    wanted.retain(|checkpoint| (1..=length).contains(&checkpoint.size));
    wanted.sort_by_key(|checkpoint| checkpoint.size);
    let mut growing = Growing { log, frontier: Frontier::default(), wanted: &wanted, since: 0, finding: None };
    let read = log.leaves((0, length), |_, leaf| growing.push(leaf, report.signed));
    let Growing { frontier, finding, .. } = growing;
    report.root = frontier.root();
    let missing = || Finding::Gap { expected: frontier.size(), found: length };
    let of_tree = finding
        .or_else(|| read.err().map(|fault| Finding::Unreadable(fault.to_string())))
        .or_else(|| (frontier.size() < length).then(missing));
    // Of two, the one that says more exactly where.
    if let Some(found) = of_tree
        && report.finding.as_ref().is_none_or(|known| found.place() < known.place())
    {
        report.finding = Some(found);
    }
}

struct Growing<'a> {
    log: &'a Log<'a>,
    frontier: Frontier,
    wanted: &'a [Checkpoint],
    /// Entries that the last good root is over.
    since: u64,
    finding: Option<Finding>,
}

impl Growing<'_> {
    fn push(&mut self, leaf: Hash, signed: u64) {
        let mut complete = Vec::new();
        self.frontier.push(leaf, |tile| complete.push(tile));
        if self.finding.is_some() {
            return;
        }
        let size = self.frontier.size();
        // Hashes are kept with the checkpoint that covers them.
        if size <= signed {
            self.finding = complete.into_iter().find_map(|tile| self.kept(tile));
        }
        while let Some((next, rest)) = self.wanted.split_first().filter(|(next, _)| next.size == size) {
            self.wanted = rest;
            if self.frontier.root() != next.root {
                self.finding.get_or_insert(Finding::Signed { size, since: self.since });
                return;
            }
            self.since = size;
        }
    }

    /// What is wrong with the hash that was kept for a full tile.
    fn kept(&self, tile: TileHash) -> Option<Finding> {
        let kept = self.log.tile(tile.level, tile.index);
        if matches!(kept, Ok(Some(hash)) if hash == tile.hash) {
            return None;
        }
        let under = TILE_LEN.pow(u32::from(tile.level));
        let first = tile.index * under;
        Some(Finding::Tile { first, last: first + under - 1 })
    }
}

/// A chain of an earlier program, as far as it was read.
#[derive(Default)]
struct Chain {
    length: u64,
    head: Hash,
    finding: Option<Finding>,
}

impl Chain {
    /// Takes the next row; says whether it is good.
    fn take(&mut self, number: u64, stored: &[u8], entry: &[u8]) -> bool {
        let hash = chain_link(&self.head, number, entry);
        self.finding = if number != self.length {
            Some(Finding::Gap { expected: self.length, found: number })
        } else if hash != stored {
            Some(Finding::Link(number))
        } else {
            Entry::of_chain(entry).err().map(|error| Finding::Content { number, error: error.to_string() })
        };
        if self.finding.is_none() {
            self.head = hash;
            self.length += 1;
        }
        self.finding.is_none()
    }

    /// Compares what was read with what the counters say.
    fn finish(&mut self, read: Result<(), Fault>, counters: Option<(u64, Hash)>) -> Option<Finding> {
        let (length, head) = counters.unwrap_or_default();
        match read {
            _ if self.finding.is_some() => self.finding.take(),
            Err(fault) => Some(Finding::Unreadable(fault.to_string())),
            Ok(()) if self.length != length => Some(Finding::Length { expected: length, found: self.length }),
            Ok(()) if self.head != head => Some(Finding::Head),
            Ok(()) => None,
        }
    }
}

/// A check of one ledger for whoever reads the rows: the chain, then each entry against its commitment.
#[must_use]
pub fn checker(_: Label) -> Box<dyn LedgerCheck> {
    Box::new(Checker::default())
}

#[derive(Default)]
struct Checker {
    chain: Chain,
    rows: u64,
    finding: Option<Finding>,
}

impl LedgerCheck for Checker {
    fn frozen(&mut self, number: u64, hash: &[u8], entry: &[u8]) -> bool {
        self.chain.take(number, hash, entry)
    }

    fn row(&mut self, number: u64, commitment: &[u8; 32], content: Option<&[u8]>) -> bool {
        // Whether a content may be gone, the catalog's own check says.
        self.finding = row(self.rows, u64::MAX, number, commitment, content);
        self.rows += u64::from(self.finding.is_none());
        self.finding.is_none()
    }

    fn finish(&mut self, state: &LedgerState, read: Result<(), Fault>) -> Option<String> {
        let (of_rows, of_chain) = match &read {
            Ok(()) => (Ok(()), Ok(())),
            Err(fault) if self.rows == 0 && self.chain.length < state.frozen.map_or(0, |(length, _)| length) => {
                (Ok(()), Err(fault.clone()))
            }
            Err(fault) => (Err(fault.clone()), Ok(())),
        };
        let finding =
            self.chain.finish(of_chain, state.frozen).or_else(|| self.finding.take()).or_else(|| match of_rows {
                Err(fault) => Some(Finding::Unreadable(fault.to_string())),
                Ok(()) if self.rows != state.length => {
                    Some(Finding::Length { expected: state.length, found: self.rows })
                }
                Ok(()) => None,
            });
        finding.map(|finding| finding.to_string())
    }
}

#[cfg(test)]
mod tests;

//! The offline verifier: reads a region's logs from beginning to end.

mod bound;
mod said;
mod times;

use crate::checkpoint::Checkpoint;
use crate::log::{Log, LogError};
use crate::note::{Note, VerifierKey};
use crate::tree::{Frontier, Hash, TILE_LEN, TileHash};
use crate::{Entry, Recorded, chain_link};
use bound::{Size, region_log};
use fastness_label::Label;
use fastness_store::{ContentDigest, Fault, LedgerCheck, LedgerLog, LedgerState, Store};
use said::Said;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use times::Times;

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
    /// The older chain is not the one that an entry, which is under the tree, says that it was.
    #[error(
        "entry {number} says how the older chain ended, with {said} entries; the chain that is there, of {found}, is another: it was rewritten, cut off or removed"
    )]
    ChainEnd {
        /// The entry that says so.
        number: u64,
        /// The chain's entries, as it says.
        said: u64,
        /// Entries of the chain that is there.
        found: u64,
    },
    /// No entry says how the older chain ended.
    #[error("no entry `EndChain` says how the older chain ended: nothing that was signed holds that chain")]
    NoChainEnd,
    /// Contents are gone, and no entry says that they were dropped.
    #[error("the contents of entries {from} to {to} are gone, and no entry `DropContents` says so: they were removed")]
    Dropped {
        /// The first of them.
        from: u64,
        /// The last one.
        to: u64,
    },
    /// The times that a segment is found by are not those of its entries.
    #[error("entries {first} to {last} are looked up by times that are not theirs: their segment's record was changed")]
    Times {
        /// The segment's first entry.
        first: u64,
        /// Its last one.
        last: u64,
    },
    /// Entries that should long have been signed are under no checkpoint.
    #[error(
        "entries {first} to {last} are under no checkpoint, though the region was there for more than a minute after the first of them: its keeper did not run, or checkpoints were removed"
    )]
    Unsigned {
        /// The first of them.
        first: u64,
        /// The last one.
        last: u64,
    },
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
            Self::ChainEnd { number, .. } => *number,
            Self::Tile { first, .. } | Self::Times { first, .. } | Self::Unsigned { first, .. } => *first,
            Self::Dropped { from, .. } => *from,
            Self::Signed { since, .. } => *since,
            Self::Length { .. }
            | Self::Head
            | Self::NoChainEnd
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
    /// What could not be compared any more, in words; nothing of it is wrong.
    pub remarks: Vec<String>,
}

/// Checks every log of a region with the public keys of its keeper; `progress` hears how many entries were read.
///
/// # Errors
/// A fault when the counters cannot be read at all.
pub fn verify(store: &Store, keys: &[VerifierKey], mut progress: impl FnMut(u64)) -> Result<Vec<LogReport>, Fault> {
    let (mut region, mut bound) = region_log(store, keys)?;
    let (mut reports, mut times) = (Vec::new(), Vec::new());
    for state in store.ledgers()? {
        let log = Log::of_partition(store, state.label);
        let known = bound.remove(&log.origin()).map(|of| of.sizes).unwrap_or_default();
        let (report, of_log) = ledger(store, &log, &state, keys, known, &mut progress);
        reports.push(report);
        times.push(of_log);
    }
    times::compare(&times, &mut reports);
    let unknown = bound.into_iter().min_by_key(|(_, of)| of.number);
    if let Some((origin, of)) = unknown.filter(|_| region.finding.is_none()) {
        let why = format!("there is no log `{origin}`");
        region.finding = Some(Finding::Region { number: of.number, why });
    }
    reports.push(region);
    Ok(reports)
}

fn blank(log: &Log<'_>) -> LogReport {
    let (origin, label, is_region) = (log.origin(), log.label(), log.kind() == LedgerLog::Region);
    LogReport {
        origin,
        label,
        is_region,
        entries: 0,
        signed: 0,
        dropped: 0,
        root: [0; 32],
        finding: None,
        remarks: Vec::new(),
    }
}

/// A partition's ledger, checked, and when its entries were made.
fn ledger(
    store: &Store,
    log: &Log<'_>,
    state: &LedgerState,
    keys: &[VerifierKey],
    bound: Vec<Size>,
    progress: &mut dyn FnMut(u64),
) -> (LogReport, Times) {
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
        return (report, Times::default());
    }
    let signed = log.checkpoint(keys);
    let size = signed.iter().flatten().map(|(checkpoint, _)| checkpoint.size).next().unwrap_or_default();
    let Contents { good, finding, said, times } = contents(store, state, size, progress);
    report.entries += good;
    report.finding = finding.or_else(|| said.compare((chain.length, chain.head), state, &mut report.remarks));
    grown(log, signed, state.length, bound, &mut report);
    (report, times)
}

/// What was read of a ledger's contents.
struct Contents {
    good: u64,
    finding: Option<Finding>,
    said: Said,
    times: Times,
}

/// Checks the contents of all entries against their commitments, on every core.
fn contents(store: &Store, state: &LedgerState, signed: u64, progress: &mut dyn FnMut(u64)) -> Contents {
    let read = Mutex::new((Said::default(), Times::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, done, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let from = next.fetch_add(SHARE_LEN, Ordering::Relaxed);
            if from >= state.length {
                break;
            }
            let mut share = Share::new(signed);
            let finding = share.check(store, state, from..state.length.min(from + SHARE_LEN), &done);
            let mut all = read.lock().unwrap_or_else(PoisonError::into_inner);
            all.0.add(share.said);
            all.1.add(share.times);
            drop(all);
            if let Some(finding) = finding {
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
    let finding = match first {
        Some((_, finding)) => Some(finding),
        None if good == state.length => None,
        None => Some(Finding::Length { expected: state.length, found: good }),
    };
    let (said, times) = read.into_inner().unwrap_or_else(PoisonError::into_inner);
    Contents { good, finding, said, times }
}

/// What one thread reads at a time: whole segments.
struct Share {
    said: Said,
    times: Times,
}

impl Share {
    fn new(signed: u64) -> Self {
        Self { said: Said::default(), times: Times::behind(signed) }
    }

    /// Checks the contents of a range of entries; the first bad one.
    fn check(&mut self, store: &Store, state: &LedgerState, range: Range<u64>, done: &AtomicU64) -> Option<Finding> {
        let (mut next, mut finding) = (range.start, None);
        let read = store.ledger_rows(state.label, range.start, range.end, |number, commitment, content| {
            match row(next, state.dropped, number, commitment, content) {
                Err(found) => finding = Some(found),
                Ok(recorded) => {
                    finding = recorded.and_then(|recorded| self.see(store, state, number, &recorded.entry));
                }
            }
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

    /// What a good entry says beside; at the end of a segment, whether it is looked up by the right times.
    fn see(&mut self, store: &Store, state: &LedgerState, number: u64, entry: &Entry) -> Option<Finding> {
        self.said.see(number, entry);
        let whole = self.times.see(number, entry.time_ms)?;
        match store.segment_times(state.label, number) {
            Ok(kept) if kept.is_none_or(|kept| kept == whole.times) => None,
            Ok(_) => Some(Finding::Times { first: whole.first, last: number }),
            Err(fault) => Some(Finding::Unreadable(fault.to_string())),
        }
    }
}

/// An entry's content, unless it was dropped; or what is wrong with it.
fn row(
    expected: u64,
    dropped: u64,
    number: u64,
    commitment: &Hash,
    content: Option<&[u8]>,
) -> Result<Option<Recorded>, Finding> {
    if number != expected {
        return Err(Finding::Gap { expected, found: number });
    }
    let wrong = |error: String| Finding::Content { number, error };
    match content {
        Some(content) => Recorded::checked(commitment, content).map(Some).map_err(|error| wrong(error.to_string())),
        None if number < dropped => Ok(None),
        None => Err(wrong("its content is gone, though its time was not over".to_owned())),
    }
}

/// Grows the tree over a log's entries, and compares it with every hash and root that was kept or signed.
fn grown(
    log: &Log<'_>,
    signed: Result<Option<(Checkpoint, Note)>, LogError>,
    length: u64,
    bound: Vec<Size>,
    report: &mut LogReport,
) {
    let signed = signed.unwrap_or_else(|error| {
        report.finding.get_or_insert(error.into());
        None
    });
    let signed = signed.map(|(checkpoint, _)| (checkpoint.size, checkpoint.root));
    report.signed = signed.map_or(0, |(size, _)| size);
    if let Some((size, _)) = bound.last().filter(|(size, _)| *size > report.signed) {
        report.finding.get_or_insert(LogError::PutBack { bound: *size, signed: report.signed }.into());
    }
    if report.signed > length {
        report.finding.get_or_insert(LogError::Shorter { signed: report.signed, found: length }.into());
    }
    // Whose roots are compared, in the order of their sizes.
    let mut wanted = bound;
    if let Some(signed) = signed {
        wanted.insert(wanted.partition_point(|(size, _)| *size <= signed.0), signed);
    }
    wanted.retain(|(size, _)| (1..=length).contains(size));
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
    wanted: &'a [Size],
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
        while let Some((next, rest)) = self.wanted.split_first().filter(|(next, _)| next.0 == size) {
            self.wanted = rest;
            if self.frontier.root() != next.1 {
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
    said: Said,
    finding: Option<Finding>,
}

impl LedgerCheck for Checker {
    fn frozen(&mut self, number: u64, hash: &[u8], entry: &[u8]) -> bool {
        self.chain.take(number, hash, entry)
    }

    fn row(&mut self, number: u64, commitment: &[u8; 32], content: Option<&[u8]>) -> bool {
        // Whether a content may be gone, the catalog's own check says.
        match row(self.rows, u64::MAX, number, commitment, content) {
            Err(finding) => self.finding = Some(finding),
            Ok(recorded) => {
                self.rows += 1;
                recorded.iter().for_each(|recorded| self.said.see(number, &recorded.entry));
            }
        }
        self.finding.is_none()
    }

    fn digest(&self, commitment: &Hash, content: &[u8]) -> Option<ContentDigest> {
        Some(crate::digest(commitment, content))
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
                Ok(()) => {
                    // What cannot be compared any more, the verifier says.
                    let chain = (self.chain.length, self.chain.head);
                    std::mem::take(&mut self.said).compare(chain, state, &mut Vec::new())
                }
            });
        finding.map(|finding| finding.to_string())
    }
}

#[cfg(test)]
mod tests;

//! A partition's ledger: entries of a commitment and a content. What an entry says, how commitments make a tree and who
//! signs it is for others; here they are kept, packed, found, and their contents dropped.
//!
//! ```text
//! append      an entry into the turn's row, in the turn that it records
//! pack        the oldest 4,096 rows become a segment: two sealed values, a record, and the rows go
//! drop        a segment's contents go as any removed value does; the commitments stay
//! ```
//!
//! Readers go by number and take a new snapshot for each step. In every snapshot an entry lies in exactly one place: below
//! the counter of packed ones in its segment, from there on in its row.

mod groups;
mod index;
mod lookup;
mod pack;
mod read;
mod segments;
#[cfg(test)]
mod tests;

pub(crate) use groups::{Group, entries};
pub use lookup::LedgerSearch;
pub use pack::ContentDigest;
pub use read::LedgerPage;
pub use segments::SEGMENT_LEN;
pub(crate) use segments::{COMMITMENT_LEN, Pieces, Segment};

#[cfg(any(test, fuzzing))]
pub(crate) use index::places;

use crate::catalog::{NOTES, REGION_LOG, SEGMENTS, TILES, Turn};
use crate::objects::drop_pieces;
use crate::partition::Partition;
use crate::records::{LedgerCounters, SegmentRecord, State, decode, encode};
use crate::{Fault, Store};
use fastness_label::Label;
use redb::ReadableTable;
use std::sync::Arc;

/// Segments that one call drops the contents of at most: a million entries.
const DROP_LEN_MAX: u64 = 256;

/// One partition's ledger, as its counters have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerState {
    /// The partition's label.
    pub label: Label,
    /// Entries ever appended.
    pub length: u64,
    /// Those of them that lie in segments: all below this number.
    pub packed: u64,
    /// Of entries below this number the contents were dropped.
    pub dropped: u64,
    /// Entries of the region's log; in the ceiling's partition alone.
    pub region_length: u64,
    /// The chain that an earlier program kept, if there is one: how many entries it has, and its hash over them.
    pub frozen: Option<(u64, [u8; 32])>,
}

impl LedgerState {
    pub(crate) fn new(label: Label, state: &State) -> Self {
        let LedgerCounters { len, packed, dropped, region } = state.ledger;
        let frozen = (state.log_len > 0).then_some((state.log_len, state.log_head));
        Self { label, length: len, packed, dropped, region_length: region, frozen }
    }
}

/// Whose tree a hash belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LedgerLog {
    /// The partition's own ledger.
    Partition,
    /// The region's log of checkpoints.
    Region,
}

impl LedgerLog {
    const fn number(self) -> u8 {
        match self {
            Self::Partition => 0,
            Self::Region => 1,
        }
    }
}

/// What is kept beside the entries, in one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Hashes of a tree: level from 1, index from 0.
    pub tiles: Vec<(LedgerLog, u8, u64, [u8; 32])>,
    /// Small texts by name; an empty one is kept as such.
    pub notes: Vec<(String, Vec<u8>)>,
    /// Entries to append to the region's log.
    pub region: Vec<Vec<u8>>,
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.tiles.is_empty() && self.notes.is_empty() && self.region.is_empty()
    }

    fn write(self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        if !self.tiles.is_empty() {
            let mut table = turn.tiles()?;
            for (log, level, index, hash) in &self.tiles {
                table.insert(&tile(*log, *level, *index), hash)?;
            }
        }
        if !self.notes.is_empty() {
            let mut table = turn.notes()?;
            for (name, text) in &self.notes {
                table.insert(name.as_bytes(), text)?;
            }
        }
        if !self.region.is_empty() {
            let mut table = turn.region_log()?;
            for entry in &self.region {
                let counters = turn.counters();
                table.insert(counters.region, entry)?;
                counters.region += 1;
            }
        }
        Ok(())
    }
}

fn tile(log: LedgerLog, level: u8, index: u64) -> [u8; 10] {
    let [a, b, c, d, e, f, g, h] = index.to_be_bytes();
    [log.number(), level, a, b, c, d, e, f, g, h]
}

/// A segment's record, by the number of its first entry.
fn segment(partition: &Partition, first: u64) -> Result<SegmentRecord, Fault> {
    let reading = partition.read()?;
    let missing = || Fault::Failed(format!("the ledger's segment of entry {first} is missing"));
    let rows = reading.rows_if_made(SEGMENTS)?.ok_or_else(missing)?;
    let guard = rows.get(segments::row_of(first).as_slice())?.ok_or_else(missing)?;
    decode(guard.value())
}

impl Store {
    /// The ledgers of a region, topmost label first.
    ///
    /// # Errors
    /// A failure.
    pub fn ledgers(&self) -> Result<Vec<LedgerState>, Fault> {
        self.labels().held().iter().map(|label| self.ledger(*label)).collect()
    }

    /// One label's ledger.
    ///
    /// # Errors
    /// A failure.
    pub fn ledger(&self, label: Label) -> Result<LedgerState, Fault> {
        Ok(LedgerState::new(label, &self.partition(label)?.read()?.state()?))
    }

    /// The first and the last time, milliseconds since 1970, of the entries of the segment that an entry lies in; nothing if
    /// it is not packed.
    ///
    /// # Errors
    /// A failure.
    pub fn segment_times(&self, label: Label, number: u64) -> Result<Option<(i64, i64)>, Fault> {
        let partition = self.partition(label)?;
        if number >= partition.read()?.state()?.ledger.packed {
            return Ok(None);
        }
        let record = segment(&partition, number - number % SEGMENT_LEN)?;
        Ok(Some((record.first_ms, record.last_ms)))
    }

    /// Hashes of a tree that were kept, from an index to before another, as far as they are there without a gap.
    ///
    /// # Errors
    /// A failure.
    pub fn tiles(&self, label: Label, log: LedgerLog, level: u8, from: u64, to: u64) -> Result<Vec<[u8; 32]>, Fault> {
        let reading = self.partition(label)?.read()?;
        let mut found = Vec::new();
        let Some(rows) = reading.rows_if_made(TILES)? else { return Ok(found) };
        let (start, end) = (tile(log, level, from), tile(log, level, to));
        if start >= end {
            return Ok(found);
        }
        for (index, row) in (from..).zip(rows.range::<&[u8]>(start.as_slice()..end.as_slice())?) {
            let (key, value) = row?;
            if key.value() != tile(log, level, index) {
                break;
            }
            let malformed = |_| Fault::Failed("a hash of a ledger's tree is malformed".to_owned());
            found.push(value.value().try_into().map_err(malformed)?);
        }
        Ok(found)
    }

    /// A small text that was kept.
    ///
    /// # Errors
    /// A failure.
    pub fn note_kept(&self, label: Label, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let reading = self.partition(label)?.read()?;
        let Some(rows) = reading.rows_if_made(NOTES)? else { return Ok(None) };
        Ok(rows.get(name.as_bytes())?.map(|guard| guard.value().to_vec()))
    }

    /// Entries of the region's log, which lies in the ceiling's partition; `see` says whether to go on.
    ///
    /// # Errors
    /// A failure; a missing entry is one.
    pub fn region_log(
        &self,
        label: Label,
        from: u64,
        to: u64,
        mut see: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), Fault> {
        let reading = self.partition(label)?.read()?;
        let to = to.min(reading.state()?.ledger.region);
        let Some(rows) = reading.numbers_if_made(REGION_LOG)?.filter(|_| from < to) else { return Ok(()) };
        let mut next = from;
        for row in rows.range(from..to)? {
            let (number, value) = row?;
            if number.value() != next {
                break;
            }
            next += 1;
            if !see(number.value(), value.value()) {
                return Ok(());
            }
        }
        if next == to { Ok(()) } else { Err(Fault::Failed(format!("entry {next} of the region's log is missing"))) }
    }

    /// Keeps hashes, texts and entries of the region's log, in one commit. It leaves no entry in the ledger.
    ///
    /// # Errors
    /// A failure; then nothing of it is kept.
    pub async fn keep(&self, label: Label, kept: Kept) -> Result<(), Fault> {
        if kept.is_empty() {
            return Ok(());
        }
        if kept.tiles.iter().any(|(_, level, ..)| *level == 0) {
            return Err(Fault::Failed("level 0 of a tree is the entries' commitments, not kept apart".to_owned()));
        }
        self.partition(label)?.turn(move |turn| kept.write(turn), |_| Vec::new()).await
    }

    /// Drops the contents of whole segments that end at or before an entry's number; their commitments stay. At most a
    /// million entries a call: whoever wants more calls again until nothing is dropped. What was dropped becomes
    /// unreadable for good when the erasure keys go ([`Store::erase_deleted`]). `record` makes the entry, in the same
    /// commit, of the first and the one after the last; nothing dropped leaves none.
    ///
    /// # Errors
    /// A failure; then nothing is dropped.
    pub async fn drop_contents(
        &self,
        label: Label,
        below: u64,
        record: impl FnOnce(u64, u64) -> Vec<u8> + Send + 'static,
    ) -> Result<u64, Fault> {
        let partition = self.partition(label)?;
        let made = Arc::new(std::sync::Mutex::new((0, 0)));
        let of = Arc::clone(&made);
        let work = move |turn: &mut Turn<'_>| {
            let range = drop_within(turn, below)?;
            *of.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = range;
            Ok(range.1 - range.0)
        };
        let record = move |outcome: &Result<u64, Fault>| {
            let (from, to) = *made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if matches!(outcome, Ok(1..)) { record(from, to) } else { Vec::new() }
        };
        partition.turn(work, record).await
    }
}

fn drop_within(turn: &mut Turn<'_>, below: u64) -> Result<(u64, u64), Fault> {
    let LedgerCounters { packed, dropped, .. } = *turn.counters();
    let end = below.min(packed) / SEGMENT_LEN;
    let first = dropped / SEGMENT_LEN;
    let end = end.min(first + DROP_LEN_MAX);
    if end <= first {
        return Ok((dropped, dropped));
    }
    let mut pieces = Vec::new();
    {
        let mut table = turn.segments()?;
        for number in first..end {
            let row = number.to_be_bytes();
            let missing = || Fault::Failed(format!("segment {number} of the ledger is missing"));
            let mut record: SegmentRecord = decode(table.get(row.as_slice())?.ok_or_else(missing)?.value())?;
            pieces.extend(record.contents.take().map(|contents| contents.piece));
            table.insert(&row, &encode(&record)?)?;
        }
    }
    drop_pieces(turn, pieces.iter())?;
    turn.counters().dropped = end * SEGMENT_LEN;
    Ok((dropped, end * SEGMENT_LEN))
}

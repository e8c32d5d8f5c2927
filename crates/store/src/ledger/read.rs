//! Reading: by number, a snapshot a step, so that nobody is waited for and no snapshot grows old.

use super::groups::entries;
use super::segment;
use super::segments::{COMMITMENT_LEN, Pieces, SEGMENT_LEN, Search, See, Segment};
use crate::catalog::{LEDGER, LOG, Reading};
use crate::partition::Partition;
use crate::records::LedgerCounters;
use crate::{Fault, Store};
use fastness_decide::{Chore, Permit};
use fastness_label::Label;
use fastness_operation::Operation;
use std::sync::Arc;

/// Entries after which a step in the tail ends with its row.
const STEP_LEN: usize = 512;

/// Bytes of them after which a step ends.
const STEP_BYTES: usize = 1 << 20;

/// Looks at a segment whose values go away meanwhile, before that counts as a failure.
const LOOKS_MAX: usize = 8;

/// Takes a segment and the range that is wanted of it; says whether to go on.
type InSegment<'w> = dyn FnMut(&Segment, (u64, u64)) -> Result<bool, Fault> + 'w;

/// Takes a row of the tail; says whether to go on.
type InTail<'w> = dyn FnMut(u64, &[u8]) -> Result<bool, Fault> + 'w;

/// Contents of entries by place; one that was dropped is none.
pub type LedgerPage = Vec<(u64, Option<Vec<u8>>)>;

/// An entry of the tail.
pub(super) type TailRow = (u64, Vec<u8>);

fn missing(number: u64) -> Fault {
    Fault::Failed(format!("entry {number} of the ledger is missing"))
}

fn parted(number: u64, row: &[u8]) -> Result<(&[u8; COMMITMENT_LEN], &[u8]), Fault> {
    row.split_first_chunk().ok_or_else(|| Fault::Failed(format!("entry {number} of the ledger has no commitment")))
}

/// Some rows of the old chain from a number on, as far as they follow one another.
fn chain_step(reading: &Reading, from: u64, to: u64) -> Result<Vec<TailRow>, Fault> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let Some(table) = reading.numbers_if_made(LOG)?.filter(|_| from < to) else { return Ok(rows) };
    for (number, row) in (from..to).zip(table.range(from..to)?) {
        let (key, value) = row?;
        if key.value() != number {
            break;
        }
        bytes += value.value().len();
        rows.push((number, value.value().to_vec()));
        if rows.len() == STEP_LEN || bytes >= STEP_BYTES {
            break;
        }
    }
    Ok(rows)
}

/// Entries of the tail from a number on, as far as they follow one another.
pub(super) fn tail_step(reading: &Reading, from: u64, to: u64) -> Result<Vec<TailRow>, Fault> {
    let (mut found, mut bytes, mut next) = (Vec::new(), 0, from);
    let Some(table) = reading.numbers_if_made(LEDGER)?.filter(|_| from < to) else { return Ok(found) };
    let first = table.range(..=from)?.next_back().transpose()?.map_or(from, |(key, _)| key.value());
    for row in table.range(first..to)? {
        let (key, value) = row?;
        for (number, entry) in (key.value()..to).zip(entries(value.value())) {
            if number < next {
                continue;
            }
            let entry = entry?;
            if number > next {
                return Ok(found);
            }
            bytes += entry.len();
            found.push((number, entry.to_vec()));
            next += 1;
        }
        if found.len() >= STEP_LEN || bytes >= STEP_BYTES {
            break;
        }
    }
    Ok(found)
}

/// The same the other way round: those below a number, the newest first.
fn tail_step_back(reading: &Reading, from: u64, below: u64) -> Result<Vec<TailRow>, Fault> {
    let (mut found, mut bytes, mut above) = (Vec::new(), 0, below);
    let Some(table) = reading.numbers_if_made(LEDGER)?.filter(|_| from < below) else { return Ok(found) };
    for row in table.range(..below)?.rev() {
        let (key, value) = row?;
        let numbered = (key.value()..below).zip(entries(value.value()));
        let of_row: Vec<(u64, &[u8])> =
            numbered.map(|(number, entry)| Ok((number, entry?))).collect::<Result<_, Fault>>()?;
        for (number, entry) in of_row.into_iter().rev() {
            if number < from || number + 1 != above {
                return Ok(found);
            }
            bytes += entry.len();
            found.push((number, entry.to_vec()));
            above = number;
        }
        if found.len() >= STEP_LEN || bytes >= STEP_BYTES {
            break;
        }
    }
    Ok(found)
}

/// Opens what `open` finds in a fresh look at the catalog: a value may be gone since, its erasure key destroyed or its
/// contents dropped.
fn opened<T>(mut open: impl FnMut() -> Result<Option<T>, Fault>) -> Result<T, Fault> {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = open()? {
            return Ok(found);
        }
    }
    Err(Fault::Failed("a value of the ledger's segment is missing".to_owned()))
}

fn opened_segment(partition: &Partition, first: u64, with_contents: bool) -> Result<Segment, Fault> {
    opened(|| Segment::open(partition as &dyn Pieces, first, segment(partition, first)?, with_contents))
}

/// Walks entries from a number on: `packed` is handed each segment with the range wanted of it, `tail` each row.
fn walk(
    partition: &Partition,
    (from, to): (u64, u64),
    with_contents: bool,
    packed: &mut InSegment<'_>,
    tail: &mut InTail<'_>,
) -> Result<(), Fault> {
    let to = to.min(partition.read()?.state()?.ledger.len);
    let mut next = from;
    while next < to {
        let reading = partition.read()?;
        let counters = reading.state()?.ledger;
        if next < counters.packed {
            let first = next - next % SEGMENT_LEN;
            let until = to.min(first + SEGMENT_LEN);
            drop(reading);
            if !packed(&opened_segment(partition, first, with_contents)?, (next, until))? {
                return Ok(());
            }
            next = until;
            continue;
        }
        let rows = tail_step(&reading, next, to)?;
        drop(reading);
        if rows.is_empty() {
            return Err(missing(next));
        }
        for (number, row) in rows {
            if !tail(number, &row)? {
                return Ok(());
            }
            next = number + 1;
        }
    }
    Ok(())
}

pub(super) fn rows(partition: &Partition, range: (u64, u64), see: &mut See<'_>) -> Result<(), Fault> {
    let see = std::cell::RefCell::new(see);
    let mut packed = |segment: &Segment, range| segment.rows(range, &mut **see.borrow_mut());
    let mut tail = |number, row: &[u8]| {
        let (commitment, content) = parted(number, row)?;
        Ok((see.borrow_mut())(number, commitment, Some(content)))
    };
    walk(partition, range, true, &mut packed, &mut tail)
}

pub(super) fn commitments(
    partition: &Partition,
    range: (u64, u64),
    see: &mut dyn FnMut(u64, &[u8; COMMITMENT_LEN]) -> bool,
) -> Result<(), Fault> {
    let see = std::cell::RefCell::new(see);
    let mut packed = |segment: &Segment, range| segment.commitments(range, &mut **see.borrow_mut());
    let mut tail = |number, row: &[u8]| Ok((see.borrow_mut())(number, parted(number, row)?.0));
    walk(partition, range, false, &mut packed, &mut tail)
}

/// What is looked for.
pub(super) struct Wanted {
    pub(super) term: Option<u32>,
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
    pub(super) above: u64,
    pub(super) below: u64,
}

/// Hands on what may match; answers the bytes of indexes that were read for it.
pub(super) fn candidates(
    partition: &Partition,
    wanted: &Wanted,
    see: &mut dyn FnMut(u64, &[u8]) -> bool,
) -> Result<u64, Fault> {
    let mut indexes = 0;
    let mut below = wanted.below.min(partition.read()?.state()?.ledger.len);
    while below > wanted.above {
        let reading = partition.read()?;
        let LedgerCounters { packed, dropped, .. } = reading.state()?.ledger;
        if below > packed {
            let rows = tail_step_back(&reading, packed, below)?;
            drop(reading);
            if rows.is_empty() {
                return Err(missing(below - 1));
            }
            for (number, row) in rows {
                if !see(number, parted(number, &row)?.1) {
                    return Ok(indexes);
                }
                below = number;
            }
            continue;
        }
        if below <= dropped {
            return Ok(indexes);
        }
        drop(reading);
        let first = (below - 1) - (below - 1) % SEGMENT_LEN;
        let record = segment(partition, first)?;
        if record.first_ms <= wanted.until_ms && wanted.from_ms <= record.last_ms {
            let search = opened(|| match segment(partition, first)?.contents {
                Some(contents) => Ok(Search::open(partition as &dyn Pieces, first, contents)?.map(Some)),
                None => Ok(Some(None)),
            })?;
            if let Some(search) = search {
                indexes += wanted.term.map_or(0, |_| search.index_len());
                if !search.rows(wanted.term, below, see)? {
                    return Ok(indexes);
                }
            }
        }
        below = first;
    }
    Ok(indexes)
}

impl Store {
    /// The commitments of entries from a number to before another, from the first to the last; `see` says whether to go
    /// on. Contents are not touched.
    ///
    /// # Errors
    /// A failure; an entry that is missing is one.
    pub fn commitments(
        &self,
        label: Label,
        from: u64,
        to: u64,
        mut see: impl FnMut(u64, &[u8; 32]) -> bool,
    ) -> Result<(), Fault> {
        commitments(&*self.partition(label)?, (from, to), &mut see)
    }

    /// Entries from a number to before another: number, commitment, and the content unless it was dropped. `see` says
    /// whether to go on.
    ///
    /// # Errors
    /// A failure; an entry that is missing is one.
    pub fn ledger_rows(
        &self,
        label: Label,
        from: u64,
        to: u64,
        mut see: impl FnMut(u64, &[u8; 32], Option<&[u8]>) -> bool,
    ) -> Result<(), Fault> {
        rows(&*self.partition(label)?, (from, to), &mut see)
    }

    /// Contents of the entries of a chore's own label, in order, as far as they were not dropped; `see` says whether to go on.
    ///
    /// # Errors
    /// A failure; an entry that is missing is one.
    pub fn ledger_contents(&self, chore: &Chore, mut see: impl FnMut(&[u8]) -> bool) -> Result<(), Fault> {
        self.ledger_rows(chore.view().session(), 0, u64::MAX, |_, _, content| content.is_none_or(&mut see))
    }

    /// Rows of the chain that an earlier program kept, in order from its beginning: number, stored hash, entry. `see`
    /// says whether to go on.
    ///
    /// # Errors
    /// A failure; a damaged page is one.
    pub fn frozen_rows(&self, label: Label, mut see: impl FnMut(u64, &[u8], &[u8]) -> bool) -> Result<(), Fault> {
        let reading = self.partition(label)?.read()?;
        let Some(table) = reading.numbers_if_made(LOG)? else { return Ok(()) };
        for row in table.range::<u64>(..)? {
            let (number, value) = row?;
            let value = value.value();
            let (hash, entry) = value.split_at_checked(COMMITMENT_LEN).unwrap_or((value, &[]));
            if !see(number.value(), hash, entry) {
                break;
            }
        }
        Ok(())
    }

    /// Contents of a ledger's entries from a place on, at most some thousand: for the search for copies, readers and
    /// bundles. A containment and an erasure read their own label's, a report those of its view. Places count the chain
    /// that an earlier program kept, then the ledger's entries; a content that was dropped is none.
    ///
    /// # Errors
    /// A failure.
    pub fn ledger_page(&self, permit: &Permit, label: Label, from: u64) -> Result<LedgerPage, Fault> {
        const ENTRIES_MAX: usize = 4096;
        const BYTES_MAX: usize = 8 << 20;
        let allowed = match permit.operation() {
            Operation::ContainSpill { .. } | Operation::EraseSpill { .. } => label == permit.view().session(),
            Operation::ReportSpill { .. } => permit.view().labels().contains(&label),
            _ => false,
        };
        if !allowed {
            return Err(Fault::mismatch());
        }
        let partition: Arc<Partition> = self.partition(label)?;
        let reading = partition.read()?;
        let frozen = reading.state()?.log_len;
        if from < frozen {
            let rows = chain_step(&reading, from, frozen)?;
            if rows.is_empty() {
                return Err(missing(from));
            }
            let content = |row: Vec<u8>| row.get(COMMITMENT_LEN..).map(<[u8]>::to_vec).unwrap_or_default();
            return Ok(rows.into_iter().map(|(number, row)| (number, Some(content(row)))).collect());
        }
        drop(reading);
        let (mut page, mut bytes) = (Vec::new(), 0);
        rows(&partition, (from - frozen, u64::MAX), &mut |number, _, content| {
            bytes += content.map_or(0, <[u8]>::len);
            page.push((frozen + number, content.map(<[u8]>::to_vec)));
            page.len() < ENTRIES_MAX && bytes < BYTES_MAX
        })?;
        Ok(page)
    }
}

//! One partition's ledger: its segments, its tail, what is kept beside it, and the chain that an earlier program kept.

use super::RESTORE_PARTITION;
use super::catalog::{Look, MALFORMED, find};
use crate::blob::BlobReader;
use crate::catalog::{LEDGER, LOG, NOTES, Numbers, REGION_LOG, SEGMENTS, TILES};
use crate::disk::Disk;
use crate::erasure::ErasureKeys;
use crate::fault::CauseOf;
use crate::ledger::{COMMITMENT_LEN, Pieces, Segment};
use crate::records::{LedgerCounters, Piece, Place, SegmentContents, SegmentRecord, State, decode};
use crate::{ContentDigest, Fault, LedgerCheck, LedgerState, SEGMENT_LEN};
use redb::{ReadOnlyTable, ReadTransaction, TableError};
use std::collections::BTreeMap;

/// Segments by number.
pub(super) type Segments = BTreeMap<u64, SegmentRecord>;

struct Files<'a> {
    erasure: &'a ErasureKeys,
    disk: &'a dyn Disk,
}

impl Pieces for Files<'_> {
    fn open(&self, piece: &Piece) -> Result<Option<BlobReader>, Fault> {
        let failed = |error| Fault::failed("a segment of the ledger", error);
        let Place::Blob(id) = piece.place else { return Ok(None) };
        let Some(key) = self.erasure.value_key(piece)? else { return Ok(None) };
        let Some(file) = find(self.disk, &id).map_err(failed)? else { return Ok(None) };
        BlobReader::new(file, &key, piece.size).map(Some).map_err(failed)
    }
}

fn numbers(reading: &ReadTransaction, table: Numbers) -> Result<Option<ReadOnlyTable<u64, &'static [u8]>>, Fault> {
    match reading.open_table(table) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

fn segment_name(row: &[u8]) -> String {
    let number = row.try_into().map(u64::from_be_bytes);
    number.map_or_else(|_| "a segment of the ledger".to_owned(), |number| format!("segment {number} of the ledger"))
}

fn unreadable(error: &redb::StorageError) -> Fault {
    Fault::Failed(CauseOf(error).to_string())
}

impl Look<'_, '_, '_> {
    /// Segments, and what is kept beside the entries.
    pub(super) fn segments(&mut self, reading: &ReadTransaction, state: &State) -> Result<Segments, Fault> {
        let LedgerCounters { len, packed, dropped, region } = state.ledger;
        let whole = packed.is_multiple_of(SEGMENT_LEN) && dropped.is_multiple_of(SEGMENT_LEN);
        if !whole || packed > len || dropped > packed {
            let text = format!("the ledger's counters do not fit: {len} entries, {packed} packed, {dropped} dropped");
            self.wrong(text, MALFORMED);
        }
        let mut segments = Segments::new();
        self.each(
            reading,
            SEGMENTS,
            |_, row| segment_name(row),
            |look, row, value| {
                let number =
                    row.try_into().map(u64::from_be_bytes).map_err(|_| Fault::Failed("malformed".to_owned()))?;
                let (record, name) = (decode::<SegmentRecord>(value)?, segment_name(row));
                let end = number.saturating_add(1).saturating_mul(SEGMENT_LEN);
                if end > packed {
                    look.wrong(format!("{name} is beyond what the counters say: {packed} entries packed"), MALFORMED);
                }
                if u64::from(record.entries) != SEGMENT_LEN || record.tree.size != SEGMENT_LEN * COMMITMENT_LEN as u64 {
                    look.wrong(format!("{name} has not the {SEGMENT_LEN} entries that it should have"), MALFORMED);
                }
                if record.contents.is_some() == (end <= dropped) {
                    let text = "its contents do not fit what the counters say was dropped";
                    look.wrong(format!("{name}: {text}"), MALFORMED);
                }
                record.pieces().for_each(|piece| look.piece(reading, (piece, false), &name));
                segments.insert(number, record);
                Ok(())
            },
        )?;
        for number in (0..packed / SEGMENT_LEN).filter(|number| !segments.contains_key(number)) {
            let text = format!("segment {number} of the ledger is missing: {SEGMENT_LEN} entries are lost");
            self.wrong(text, RESTORE_PARTITION);
        }
        self.beside(reading, region)?;
        Ok(segments)
    }

    fn beside(&mut self, reading: &ReadTransaction, region: u64) -> Result<(), Fault> {
        let name = |_: &_, row: &[u8]| format!("the hash {} of a ledger's tree", hex::encode(row));
        self.each(reading, TILES, name, |_, row, value| {
            let fits = matches!(row, [0 | 1, level, ..] if *level > 0) && row.len() == 10 && value.len() == 32;
            if fits { Ok(()) } else { Err(Fault::Failed("malformed".to_owned())) }
        })?;
        let name = |_: &_, row: &[u8]| format!("the ledger's note `{}`", String::from_utf8_lossy(row));
        self.each(reading, NOTES, name, |_, row, _| {
            std::str::from_utf8(row).map(|_| ()).map_err(|error| Fault::Failed(error.to_string()))
        })?;
        let mut next = 0;
        let read = (|| {
            let Some(table) = numbers(reading, REGION_LOG)? else { return Ok(()) };
            for row in table.range::<u64>(..)? {
                let number = row.map_err(|error| unreadable(&error))?.0.value();
                if number != next {
                    break;
                }
                next += 1;
            }
            Ok::<_, Fault>(())
        })();
        if let Err(fault) = read {
            self.wrong(format!("the region's log cannot be read from entry {next} on: {fault}"), RESTORE_PARTITION);
        } else if next != region {
            let text = format!("the region's log has {next} entries without a gap, the counters say {region}");
            self.wrong(text, MALFORMED);
        }
        Ok(())
    }

    /// The ledger from its first entry to its last, and the chain before it.
    pub(super) fn ledger(&mut self, reading: &ReadTransaction, state: &State, segments: Segments) -> Result<(), Fault> {
        let mut check = (self.visit.setup.ledger)(self.visit.label);
        let (mut entries, mut unfit) = (0, Vec::new());
        let files = Files { erasure: &self.erasure, disk: self.visit.disk.as_ref() };
        let read = frozen(reading, check.as_mut(), &mut entries)
            .and_then(
                |on| if on { packed(&files, segments, check.as_mut(), &mut entries, &mut unfit) } else { Ok(false) },
            )
            .and_then(|on| if on { tail(reading, state, check.as_mut(), &mut entries) } else { Ok(()) });
        self.visit.sums.entries += entries;
        for text in unfit {
            self.wrong(
                text,
                "its entries are whole, and `fastness audit verify` reads them; lookups miss some of them",
            );
        }
        if let Some(text) = check.finish(&LedgerState::new(self.visit.label, state), read) {
            self.wrong(
                format!("the ledger: {text}"),
                "what is recorded before that place holds; keep this folder as evidence, and \
                 restore a backup elsewhere",
            );
        }
        Ok(())
    }
}

fn frozen(reading: &ReadTransaction, check: &mut dyn LedgerCheck, entries: &mut u64) -> Result<bool, Fault> {
    let Some(table) = numbers(reading, LOG)? else { return Ok(true) };
    for row in table.range::<u64>(..)? {
        let (number, value) = row.map_err(|error| unreadable(&error))?;
        let (hash, entry) = value.value().split_at_checked(COMMITMENT_LEN).unwrap_or((value.value(), &[]));
        *entries += 1;
        if !check.frozen(number.value(), hash, entry) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn packed(
    files: &Files<'_>,
    segments: Segments,
    check: &mut dyn LedgerCheck,
    entries: &mut u64,
    unfit: &mut Vec<String>,
) -> Result<bool, Fault> {
    for (number, record) in segments {
        let first = number.saturating_mul(SEGMENT_LEN);
        let missing = || Fault::Failed(format!("a value of segment {number} is missing"));
        let (kept, contents) = ((record.first_ms, record.last_ms), record.contents.clone());
        let segment = Segment::open(files, first, record, true)?.ok_or_else(missing)?;
        let mut found = Found::default();
        let on = segment.rows((first, first.saturating_add(SEGMENT_LEN)), &mut |number, commitment, content| {
            *entries += 1;
            if let Some(digest) = content.and_then(|content| check.digest(commitment, content)) {
                found.see(number - first, digest);
            }
            check.row(number, commitment, content)
        })?;
        if !on {
            return Ok(false);
        }
        if let Some(contents) = contents.filter(|_| found.entries == SEGMENT_LEN) {
            if found.times != kept {
                unfit.push(format!("segment {number} of the ledger is looked up by times that are not its entries'"));
            }
            if found.index()? != index_of(files, contents)? {
                unfit.push(format!("segment {number} of the ledger: its index is not the one that its entries make"));
            }
        }
    }
    Ok(true)
}

/// What a segment's contents are to be looked up by.
struct Found {
    entries: u64,
    times: (i64, i64),
    terms: Vec<(u32, u16)>,
}

impl Default for Found {
    fn default() -> Self {
        Self { entries: 0, times: (i64::MAX, i64::MIN), terms: Vec::new() }
    }
}

impl Found {
    fn see(&mut self, place: u64, digest: ContentDigest) {
        let ContentDigest { time_ms, terms } = digest;
        let Ok(place) = u16::try_from(place) else { return };
        self.entries += 1;
        self.times = (self.times.0.min(time_ms), self.times.1.max(time_ms));
        self.terms.extend(terms.into_iter().map(|term| (term, place)));
    }

    /// The index as `docs/formats/ledger.md` describes it, written without the code that packs: terms in order, each as the
    /// difference to the one before, and its places in order, likewise.
    fn index(mut self) -> Result<Vec<u8>, Fault> {
        let malformed = |error| Fault::failed("a segment's index", error);
        self.terms.sort_unstable();
        self.terms.dedup();
        let (mut index, mut before) = (Vec::new(), 0);
        for of_term in self.terms.chunk_by(|one, other| one.0 == other.0) {
            let (mut places, mut last) = (Vec::new(), 0);
            for (_, place) in of_term {
                places = postcard::to_extend(&(place - last), places).map_err(malformed)?;
                last = *place;
            }
            let term = of_term.first().map_or(0, |(term, _)| *term);
            index = postcard::to_extend(&(term - before, places.as_slice()), index).map_err(malformed)?;
            before = term;
        }
        Ok(index)
    }
}

/// The index that lies behind a segment's contents.
fn index_of(files: &Files<'_>, contents: SegmentContents) -> Result<Vec<u8>, Fault> {
    let SegmentContents { piece, bundles } = contents;
    let start: u64 = bundles.iter().map(|bundle| u64::from(bundle.packed)).sum();
    let length = usize::try_from(piece.size.saturating_sub(start)).unwrap_or(usize::MAX);
    let missing = || Fault::Failed("a segment's contents are missing".to_owned());
    let (reader, mut bytes) = (files.open(&piece)?.ok_or_else(missing)?, Vec::new());
    reader.read(start, &mut bytes, length).map_err(|error| Fault::failed("a segment of the ledger", error))?;
    Ok(bytes)
}

/// The rows. What makes a segment removes them, in one commit.
fn tail(reading: &ReadTransaction, state: &State, check: &mut dyn LedgerCheck, entries: &mut u64) -> Result<(), Fault> {
    let Some(table) = numbers(reading, LEDGER)? else { return Ok(()) };
    for row in table.range::<u64>(..)? {
        let (first, value) = row.map_err(|error| unreadable(&error))?;
        for (number, entry) in (first.value()..).zip(crate::ledger::entries(value.value())) {
            if number < state.ledger.packed {
                return Err(Fault::Failed(format!("entry {number} lies in a segment, and in a row of its own")));
            }
            let without = || Fault::Failed(format!("entry {number} has no commitment"));
            let (commitment, content) = entry?.split_first_chunk::<COMMITMENT_LEN>().ok_or_else(without)?;
            *entries += 1;
            if !check.row(number, commitment, Some(content)) {
                return Ok(());
            }
        }
    }
    Ok(())
}

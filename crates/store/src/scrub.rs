//! Scrubbing: reading everything in a partition of a running region, slowly, to find what the disk has damaged before
//! somebody needs it.
//!
//! Each partition is scrubbed by itself, at a rate of its own, so that what lies above a label changes nothing at it.
//! Snapshots live for a step. What changes while it is read is not damaged: a value counts as damaged when its row is
//! still the same afterwards, and it is damaged again.

use crate::catalog::{
    BUCKETS, CONFIGURATIONS, DIRECTORY, LEDGER, LOG, NOTES, Numbers, OwnedRow, PARTS, REGION_LOG, Rows, SEGMENTS,
    TILES, UPLOADS, VERSIONS,
};
use crate::check::{Damage, Values};
use crate::partition::Partition;
use crate::records::{BucketRecord, PartRecord, Piece, Place, SegmentRecord, UploadRecord, VersionRecord, decode};
use crate::{Fault, Store, blobs, keys};
use fastness_label::Label;
use redb::ReadableTable;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

/// Rows that one snapshot is used for.
const ROWS_A_STEP: usize = 64;

/// What a scrub found damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubFinding {
    /// What is touched, as a ledger's entry names it: `bucket/key?versionId=…`; empty for the catalog as a whole.
    pub resource: String,
    /// What is wrong with it.
    pub what: String,
}

/// What a scrub read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubSums {
    /// Values.
    pub values: u64,
    /// Their plain bytes.
    pub bytes: u64,
    /// Findings.
    pub damaged: u64,
}

/// Who watches over a scrub: how fast it goes, whether it goes on, and where findings go.
pub trait ScrubWatch {
    /// Hears of bytes that were read, and waits as long as the rate asks for. False ends the scrub.
    fn read(&mut self, bytes: u64) -> bool;

    /// Hears of a finding.
    fn found(&mut self, finding: ScrubFinding);
}

impl Store {
    /// Reads all values, parts and rows of one partition. Blocks for as long as that takes at the watch's rate. Pages
    /// that lie in the catalog's memory are not read from the disk again; what is cold is.
    ///
    /// # Errors
    /// A failure to begin at all; what cannot be read on the way is a finding.
    pub fn scrub(&self, label: Label, watch: &mut dyn ScrubWatch) -> Result<ScrubSums, Fault> {
        let partition = self.partition(label)?;
        let names = bucket_names(&partition)?;
        let mut scrub =
            Scrub { partition, watch, names, uploads: HashMap::new(), sums: ScrubSums::default(), stopped: false };
        scrub.rows(VERSIONS, |scrub, row, value| scrub.version(row, value));
        scrub.rows(PARTS, |scrub, row, value| scrub.part(row, value));
        scrub.rows(SEGMENTS, |scrub, row, value| scrub.segment(row, value));
        for table in [UPLOADS, CONFIGURATIONS, DIRECTORY, TILES, NOTES] {
            scrub.rows(table, |scrub, row, value| {
                scrub.pace((row.len() + value.len()) as u64);
                Ok(())
            });
        }
        for table in [LOG, LEDGER, REGION_LOG] {
            scrub.numbers(table);
        }
        Ok(scrub.sums)
    }
}

fn bucket_names(partition: &Partition) -> Result<HashMap<u64, String>, Fault> {
    let mut names = HashMap::new();
    for row in partition.read()?.rows(BUCKETS)?.iter()? {
        let (key, value) = row?;
        let record: BucketRecord = decode(value.value())?;
        names.insert(record.id, String::from_utf8_lossy(key.value().get(8..).unwrap_or_default()).into_owned());
    }
    Ok(names)
}

struct Scrub<'w> {
    partition: Arc<Partition>,
    watch: &'w mut dyn ScrubWatch,
    names: HashMap<u64, String>,
    /// Uploads, and whether their parts are sealed under their callers' keys.
    uploads: HashMap<u64, bool>,
    sums: ScrubSums,
    stopped: bool,
}

type See = fn(&mut Scrub<'_>, &[u8], &[u8]) -> Result<(), Fault>;

impl Scrub<'_> {
    fn pace(&mut self, bytes: u64) -> bool {
        self.stopped |= !self.watch.read(bytes);
        !self.stopped
    }

    fn found(&mut self, resource: String, what: String) {
        self.sums.damaged += 1;
        self.watch.found(ScrubFinding { resource, what });
    }

    /// Every row of a table, a few with each snapshot.
    fn rows(&mut self, table: Rows, see: See) {
        let mut after: Option<Vec<u8>> = None;
        while !self.stopped {
            let step = match self.step(table, after.as_deref()) {
                Ok(step) => step,
                Err(fault) => {
                    let name = redb::TableHandle::name(&table).to_owned();
                    self.found(String::new(), format!("the table `{name}` cannot be read to its end: {fault}"));
                    return;
                }
            };
            let Some((last, _)) = step.last() else { return };
            after = Some(last.clone());
            for (row, value) in &step {
                if self.stopped {
                    return;
                }
                if let Err(fault) = see(self, row, value) {
                    let resource = self.resource(row);
                    self.found(resource, fault.to_string());
                }
            }
        }
    }

    fn step(&self, table: Rows, after: Option<&[u8]>) -> Result<Vec<OwnedRow>, Fault> {
        let reading = self.partition.read()?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut step = Vec::with_capacity(ROWS_A_STEP);
        let Some(rows) = reading.rows_if_made(table)? else { return Ok(step) };
        for row in rows.range::<&[u8]>((start, Bound::Unbounded))?.take(ROWS_A_STEP) {
            let (key, value) = row?;
            step.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(step)
    }

    fn resource(&self, row: &[u8]) -> String {
        let bucket = row.first_chunk().and_then(|id| self.names.get(&u64::from_be_bytes(*id)));
        let key = keys::split(row).map(|(key, _)| key).unwrap_or_default();
        // As in every entry: no key reads like a version.
        let key = key.replace('%', "%25").replace('?', "%3F");
        bucket.map_or_else(String::new, |bucket| format!("{bucket}/{key}"))
    }

    fn version(&mut self, row: &[u8], value: &[u8]) -> Result<(), Fault> {
        let record: VersionRecord = decode(value)?;
        let Some(object) = record.object else {
            self.pace(value.len() as u64);
            return Ok(());
        };
        let resource = format!("{}?versionId={}", self.resource(row), record.id);
        let callers_key = record.extension.customer.is_some();
        self.pieces(VERSIONS, (row, value), (&object.pieces, callers_key), &resource);
        Ok(())
    }

    fn part(&mut self, row: &[u8], value: &[u8]) -> Result<(), Fault> {
        let record: PartRecord = decode(value)?;
        let number = row.last_chunk().map_or(0, |number| u16::from_be_bytes(*number));
        let pieces: Vec<Piece> = record.piece.into_iter().collect();
        let upload = row.first_chunk().map(|id| u64::from_be_bytes(*id)).unwrap_or_default();
        let callers_key = self.is_callers(upload)?;
        self.pieces(PARTS, (row, value), (&pieces, callers_key), &format!("part {number} of an upload"));
        Ok(())
    }

    /// Whether an upload's parts are sealed under its caller's key. Uploads are found by their keys, so what is known
    /// of one is kept; a part whose upload is gone is gone, too.
    fn is_callers(&mut self, upload: u64) -> Result<bool, Fault> {
        if let Some(known) = self.uploads.get(&upload) {
            return Ok(*known);
        }
        for row in self.partition.read()?.rows(UPLOADS)?.iter()? {
            let record: UploadRecord = decode(row?.1.value())?;
            self.uploads.insert(record.number, record.extension.customer.is_some());
        }
        Ok(*self.uploads.entry(upload).or_default())
    }

    fn pieces(
        &mut self,
        table: Rows,
        (row, value): (&[u8], &[u8]),
        (pieces, callers_key): (&[Piece], bool),
        resource: &str,
    ) {
        for piece in pieces {
            self.sums.values += 1;
            self.sums.bytes += piece.size;
            if self.verify(piece, callers_key).is_ok() || self.stopped {
                continue;
            }
            // Removed or replaced in the meantime, or damaged: a second look tells.
            match self.is_there(table, row, value) {
                Ok(true) => {
                    if let Err(damage) = self.verify(piece, callers_key) {
                        self.found(resource.to_owned(), damage.to_string());
                    }
                }
                Ok(false) => return,
                Err(fault) => self.found(resource.to_owned(), fault.to_string()),
            }
        }
    }

    fn is_there(&self, table: Rows, row: &[u8], value: &[u8]) -> Result<bool, Fault> {
        Ok(self.partition.read()?.rows(table)?.get(row)?.is_some_and(|guard| guard.value() == value))
    }

    fn verify(&mut self, piece: &Piece, callers_key: bool) -> Result<(), Damage> {
        let partition = Arc::clone(&self.partition);
        // Pinned, so that a value that is removed while it is read does not look like one that is damaged.
        let _pin = match piece.place {
            Place::Blob(id) => Some(blobs::Pin::new(&partition, vec![id])),
            Place::Inline(_) => None,
        };
        let inline = |number| {
            let reading = partition.read().map_err(|fault| fault.to_string())?;
            reading.inline(number, <[u8]>::to_vec).map_err(|fault| fault.to_string())
        };
        let open = |id: &[u8; 16]| blobs::open(&partition, id).map_err(|fault| fault.to_string());
        Values { erasure: &partition.erasure, inline: &inline, open: &open }
            .verify(piece, callers_key, &mut |bytes| self.pace(bytes))
    }

    fn segment(&mut self, row: &[u8], value: &[u8]) -> Result<(), Fault> {
        let record: SegmentRecord = decode(value)?;
        let number = row.first_chunk().map(|number| u64::from_be_bytes(*number)).unwrap_or_default();
        let pieces: Vec<Piece> = record.pieces().cloned().collect();
        self.pieces(SEGMENTS, (row, value), (&pieces, false), &format!("segment {number} of the ledger"));
        Ok(())
    }

    /// The ledger's rows: that they can be read; what is in them is for the verifier.
    fn numbers(&mut self, table: Numbers) {
        let mut next = 0_u64;
        while !self.stopped {
            let read = (|| {
                let reading = self.partition.read()?;
                let (mut last, mut bytes) = (None, 0_u64);
                let Some(rows) = reading.numbers_if_made(table)? else { return Ok((last, bytes)) };
                for row in rows.range(next..)?.take(ROWS_A_STEP) {
                    let (number, value) = row?;
                    (last, bytes) = (Some(number.value()), bytes + value.value().len() as u64);
                }
                Ok::<_, Fault>((last, bytes))
            })();
            match read {
                Ok((None, _)) => return,
                Ok((Some(last), bytes)) => {
                    next = last.saturating_add(1);
                    self.pace(bytes);
                }
                Err(fault) => {
                    let name = redb::TableHandle::name(&table).to_owned();
                    let what = format!("the table `{name}` cannot be read from row {next} on: {fault}");
                    self.found(String::new(), what);
                    return;
                }
            }
        }
    }
}

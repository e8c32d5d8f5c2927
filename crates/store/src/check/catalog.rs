//! One partition's catalog: its trees, its rows against each other, its values, its ledger.

use super::partition::Visit;
use super::{Damage, RESTORE_PARTITION, RESTORE_VALUE, Values};
use crate::catalog::{
    self, BUCKET_NAMES, BUCKETS, CONFIGURATIONS, CONTAINED, CROSSINGS, DIRECTORY, DOOMED, INLINE, NULLS, PARTS, Rows,
    STATE, UPLOADS, VERSIONS,
};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::erasure::ErasureKeys;
use crate::fault::CauseOf;
use crate::journal::Member;
use crate::opened::catch_up;
use crate::records::{BucketRecord, PartRecord, Piece, Place, State, UploadRecord, VersionRecord, decode};
use crate::spill::ContainedRecord;
use crate::{Fault, blobs, directory, keys};
use fastness_operation::AccessKeyId;
use fastness_vault::PartitionKey;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

pub(super) const MALFORMED: &str = "this is no damage by the disk, which the seal would show: report it, with \
 this output";

/// The labels on the region's list, once the floor's directory was read.
pub(super) struct Held(RefCell<Option<HashSet<String>>>);

impl Held {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(None))
    }

    pub(super) fn is_known(&self) -> bool {
        self.0.borrow().is_some()
    }

    pub(super) fn contains(&self, label: &str) -> bool {
        self.0.borrow().as_ref().is_some_and(|held| held.contains(label))
    }
}

/// What the rows name, to be held against the files.
#[derive(Default)]
pub(super) struct Named {
    buckets: HashMap<u64, String>,
    uploads: HashMap<u64, String>,
    /// Uploads whose parts are sealed under their caller's key.
    callers_uploads: HashSet<u64>,
    /// Values sealed under their callers' keys.
    callers: u64,
    /// Files, with what each is of.
    blobs: HashMap<[u8; 16], String>,
    inline: HashSet<u64>,
    doomed: HashSet<[u8; 16]>,
    erasure: HashSet<u64>,
    nulls: HashSet<Vec<u8>>,
}

/// Checks an opened catalog; `refused` are blocks of its file that do not authenticate.
pub(super) fn check(
    visit: &mut Visit<'_, '_>,
    mut database: Database,
    key: &Arc<PartitionKey>,
    journal: Option<&Member>,
    (floor, held): (bool, &Held),
    (refused, first): (u64, Vec<u64>),
) {
    let whole = match database.check_integrity() {
        Ok(true) => true,
        Ok(false) => {
            visit.findings.wrong(
                "the catalog's record of free blocks did not fit its trees; in memory it was \
                 rebuilt, and the rows below are what the trees hold",
                RESTORE_PARTITION,
            );
            true
        }
        Err(error) => {
            visit.findings.wrong(format!("the catalog's trees are damaged: {}", CauseOf(&error)), RESTORE_PARTITION);
            false
        }
    };
    if refused > 0 {
        let blocks = first.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let text = format!("{refused} blocks of the catalog do not authenticate (the first: {blocks})");
        match whole {
            true => visit.findings.note(
                format!("{text}; no row lies in them"),
                "after a loss of power this is what unfinished writes leave; without one, \
                 the disk damages data: copy it elsewhere",
            ),
            false => visit.findings.wrong(text, RESTORE_PARTITION),
        }
    }
    // What only the journal has of it belongs to it.
    if let Some(Err(fault)) = journal.map(|journal| catch_up(&database, journal, catalog::begin_durable)) {
        visit.findings.wrong(
            format!("{fault}; what was acknowledged shortly before the last stop is missing below"),
            RESTORE_PARTITION,
        );
    }
    let erasure = ErasureKeys::new(visit.disk.clone(), Arc::clone(key));
    let look = Look { visit: &mut *visit, named: Named::default(), erasure };
    if let Err(fault) = look.all(&database, floor, held) {
        visit.findings.wrong(format!("the catalog cannot be read: {fault}"), RESTORE_PARTITION);
    }
}

pub(super) struct Look<'l, 'v, 'r> {
    pub(super) visit: &'l mut Visit<'v, 'r>,
    named: Named,
    pub(super) erasure: ErasureKeys,
}

impl Look<'_, '_, '_> {
    fn all(mut self, database: &Database, floor: bool, held: &Held) -> Result<(), Fault> {
        let reading = database.begin_read()?;
        let state = self.state(&reading)?;
        self.buckets(&reading, &state)?;
        self.configurations(&reading)?;
        self.nulls(&reading)?;
        self.versions(&reading, &state)?;
        self.uploads(&reading, &state)?;
        self.parts(&reading)?;
        if self.named.callers > 0 {
            let text = format!("{} values are sealed under their callers' keys, too", self.named.callers);
            let advice = "that they are there was checked; what is in them can be read by who has those keys";
            self.visit.findings.note(text, advice);
        }
        self.contained(&reading)?;
        self.crossings(&reading)?;
        let segments = self.segments(&reading, &state)?;
        self.inline(&reading)?;
        self.doomed(&reading)?;
        self.directory(database, &reading, floor, held)?;
        self.ledger(&reading, &state, segments)?;
        self.visit.files(&self.named.blobs, &self.named.doomed, &self.named.erasure, &self.erasure);
        Ok(())
    }

    pub(super) fn wrong(&mut self, what: impl Into<String>, advice: &str) {
        self.visit.findings.wrong(what, advice);
    }

    /// Hands every row of a table on; says which row was the last before one that cannot be read.
    pub(super) fn each(
        &mut self,
        reading: &ReadTransaction,
        table: Rows,
        name: fn(&Named, &[u8]) -> String,
        mut see: impl FnMut(&mut Self, &[u8], &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let rows = match reading.open_table(table) {
            // A folder of an earlier program lacks the tables that came later.
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            rows => rows?,
        };
        let mut last: Option<Vec<u8>> = None;
        for row in rows.iter()? {
            match row {
                Ok((key, value)) => {
                    if let Err(fault) = see(self, key.value(), value.value()) {
                        let what = name(&self.named, key.value());
                        self.wrong(format!("{what}: {fault}"), MALFORMED);
                    }
                    last = Some(key.value().to_vec());
                }
                Err(error) => {
                    let after = last.map_or_else(
                        || "at its beginning".to_owned(),
                        |row| format!("after {}", name(&self.named, &row)),
                    );
                    let next =
                        rows.iter()?.rev().map_while(Result::ok).last().map(|(key, _)| name(&self.named, key.value()));
                    let before = next.map_or_else(|| "to its end".to_owned(), |row| format!("before {row}"));
                    let table = redb::TableHandle::name(&table).to_owned();
                    self.wrong(
                        format!(
                            "rows of the table `{table}` cannot be read, {after} and {before}: {}",
                            CauseOf(&error)
                        ),
                        RESTORE_PARTITION,
                    );
                    break;
                }
            }
        }
        Ok(())
    }

    fn state(&mut self, reading: &ReadTransaction) -> Result<State, Fault> {
        let missing = || Fault::Failed("its counters are missing".to_owned());
        let state: State = decode(reading.open_table(STATE)?.get(())?.ok_or_else(missing)?.value())?;
        if !State::reads(state.format) {
            let format = state.format;
            return Err(Fault::Failed(format!(
                "it has format {format}, this program reads 1, 2 and {}",
                State::FORMAT
            )));
        }
        Ok(state)
    }

    fn number(&mut self, what: &str, number: u64, state: &State) {
        if number >= state.sequence {
            self.wrong(
                format!("{what} has the number {number}, but the partition's next is {}", state.sequence),
                MALFORMED,
            );
        }
    }

    fn buckets(&mut self, reading: &ReadTransaction, state: &State) -> Result<(), Fault> {
        let mut rows = HashSet::new();
        self.each(reading, BUCKETS, bucket_name, |look, row, value| {
            let record: BucketRecord = decode(value)?;
            let name = bucket_name(&look.named, row);
            look.number(&name, record.id.max(record.sequence), state);
            look.named.buckets.insert(record.id, name);
            rows.insert(row.to_vec());
            Ok(())
        })?;
        self.visit.sums.buckets = rows.len() as u64;
        let mut names = 0;
        self.each(
            reading,
            BUCKET_NAMES,
            |_, row| format!("the name {}", String::from_utf8_lossy(row)),
            |look, row, _| {
                let split =
                    row.split_last_chunk::<8>().and_then(|(name, account)| Some((name.strip_suffix(&[0])?, account)));
                let Some((name, account)) = split else { return Err(Fault::Failed("malformed".to_owned())) };
                let bucket = [account.as_slice(), name].concat();
                names += 1;
                if !rows.contains(&bucket) {
                    let name = bucket_name(&look.named, &bucket);
                    look.wrong(format!("the index of names has {name}, which is not there"), MALFORMED);
                }
                Ok(())
            },
        )?;
        if names < rows.len() {
            self.wrong(format!("{} buckets are not in the index of names", rows.len() - names), MALFORMED);
        }
        Ok(())
    }

    fn configurations(&mut self, reading: &ReadTransaction) -> Result<(), Fault> {
        let name = |_: &Named, _: &[u8]| "what a bucket is configured with".to_owned();
        self.each(reading, CONFIGURATIONS, name, |look, row, _| {
            let bucket = row.first_chunk().map(|id| u64::from_be_bytes(*id));
            if bucket.is_none_or(|id| !look.named.buckets.contains_key(&id)) {
                look.wrong("a configuration belongs to no bucket", MALFORMED);
            }
            Ok(())
        })
    }

    fn nulls(&mut self, reading: &ReadTransaction) -> Result<(), Fault> {
        let versions = reading.open_table(VERSIONS)?;
        self.each(reading, NULLS, object_name, |look, row, value| {
            let sequence =
                value.try_into().map(u64::from_be_bytes).map_err(|_| Fault::Failed("malformed".to_owned()))?;
            let version = [row, (!sequence).to_be_bytes().as_slice()].concat();
            let record: Option<VersionRecord> = match versions.get(version.as_slice()) {
                Ok(found) => found.map(|guard| decode(guard.value())).transpose()?,
                // Said where the versions are walked.
                Err(_) => return Ok(()),
            };
            if !record.is_some_and(|record| record.null) {
                let name = object_name(&look.named, row);
                look.wrong(
                    format!(
                        "the index of null versions names a version of {name} that is not there, or \
                             is none"
                    ),
                    MALFORMED,
                );
            }
            look.named.nulls.insert(version);
            Ok(())
        })
    }

    fn versions(&mut self, reading: &ReadTransaction, state: &State) -> Result<(), Fault> {
        self.each(reading, VERSIONS, version_name, |look, row, value| {
            look.visit.sums.versions += 1;
            let record: VersionRecord = decode(value)?;
            let name = format!("{}, version `{}`", object_name(&look.named, row), record.id);
            let sequence = keys::split(row).and_then(|(_, tail)| keys::sequence(tail));
            let Some(sequence) = sequence else { return Err(Fault::Failed("malformed".to_owned())) };
            if crate::view::sequence_of(&record.id) != Some(sequence) {
                look.wrong(format!("{name} lies in the row of another one"), MALFORMED);
            }
            look.number("a version", sequence, state);
            let bucket = row.first_chunk().map(|id| u64::from_be_bytes(*id));
            if bucket.is_none_or(|id| !look.named.buckets.contains_key(&id)) {
                look.wrong(format!("{name} belongs to no bucket"), MALFORMED);
            }
            if record.null && !look.named.nulls.contains(row) {
                look.wrong(format!("{name} is a null version that the index does not name"), MALFORMED);
            }
            let Some(object) = &record.object else { return Ok(()) };
            let size: u64 = object.pieces.iter().map(|piece| piece.size).sum();
            if size != object.size {
                look.wrong(format!("{name} should have {} bytes, its content has {size}", object.size), MALFORMED);
            }
            let callers_key = record.extension.customer.is_some();
            object.pieces.iter().for_each(|piece| look.piece(reading, (piece, callers_key), &name));
            Ok(())
        })
    }

    fn uploads(&mut self, reading: &ReadTransaction, state: &State) -> Result<(), Fault> {
        self.each(
            reading,
            UPLOADS,
            |named, row| format!("an upload of {}", object_name(named, row)),
            |look, row, value| {
                look.visit.sums.uploads += 1;
                let record: UploadRecord = decode(value)?;
                let name = format!("an upload of {}", object_name(&look.named, row));
                look.number(&name, record.number, state);
                let bucket = row.first_chunk().map(|id| u64::from_be_bytes(*id));
                if bucket.is_none_or(|id| !look.named.buckets.contains_key(&id)) {
                    look.wrong(format!("{name} belongs to no bucket"), MALFORMED);
                }
                if record.extension.customer.is_some() {
                    look.named.callers_uploads.insert(record.number);
                }
                look.named.uploads.insert(record.number, name);
                Ok(())
            },
        )
    }

    fn parts(&mut self, reading: &ReadTransaction) -> Result<(), Fault> {
        self.each(reading, PARTS, part_name, |look, row, value| {
            let record: PartRecord = decode(value)?;
            let name = part_name(&look.named, row);
            let upload = row.first_chunk().map(|id| u64::from_be_bytes(*id));
            if upload.is_none_or(|id| !look.named.uploads.contains_key(&id)) {
                look.wrong(format!("{name} belongs to no upload"), MALFORMED);
            }
            if record.piece.as_ref().map_or(0, |piece| piece.size) != record.size {
                look.wrong(format!("{name} has not the length that it should have"), MALFORMED);
            }
            let callers_key = upload.is_some_and(|id| look.named.callers_uploads.contains(&id));
            record.piece.iter().for_each(|piece| look.piece(reading, (piece, callers_key), &name));
            Ok(())
        })
    }

    /// What no session reads is there all the same.
    fn contained(&mut self, reading: &ReadTransaction) -> Result<(), Fault> {
        let name = |_: &Named, row: &[u8]| {
            let spill = row.get(..32).unwrap_or(row);
            format!("a contained version of the spill {}", String::from_utf8_lossy(spill))
        };
        self.each(reading, CONTAINED, name, |look, row, value| {
            let contained: ContainedRecord = decode(value)?;
            let record: VersionRecord = decode(&contained.version)?;
            let name = name(&look.named, row);
            let pieces = record.object.iter().flat_map(|object| &object.pieces);
            let callers_key = record.extension.customer.is_some();
            pieces.for_each(|piece| look.piece(reading, (piece, callers_key), &name));
            Ok(())
        })
    }

    /// What is kept of crossings can be read.
    fn crossings(&mut self, reading: &ReadTransaction) -> Result<(), Fault> {
        let name = |_: &Named, row: &[u8]| format!("`{}` of the crossings", String::from_utf8_lossy(row));
        self.each(reading, CROSSINGS, name, |_, row, value| crate::crossing::check_row(row, value))
    }

    /// A value, from its key to its last byte.
    pub(super) fn piece(&mut self, reading: &ReadTransaction, (piece, callers_key): (&Piece, bool), name: &str) {
        self.named.callers += u64::from(callers_key);
        let sums = &mut self.visit.sums;
        sums.bytes += piece.size;
        self.named.erasure.insert(piece.erasure);
        match piece.place {
            Place::Inline(number) => {
                sums.inline_values += 1;
                self.named.inline.insert(number);
            }
            Place::Blob(id) => {
                sums.blobs += 1;
                self.named.blobs.insert(id, name.to_owned());
            }
        }
        let inline = |number| {
            let table = reading.open_table(INLINE).map_err(|error| error.to_string())?;
            let row = table.get(number).map_err(|error| CauseOf(&error).to_string())?;
            Ok(row.map(|guard| guard.value().to_vec()))
        };
        let disk = &self.visit.disk;
        let open = |id: &[u8; 16]| find(disk.as_ref(), id).map_err(|error| error.to_string());
        let values = Values { erasure: &self.erasure, inline: &inline, open: &open };
        let in_file = matches!(piece.place, Place::Blob(_));
        let progress = &mut self.visit.progress;
        let verified = values.verify(piece, callers_key, &mut |bytes| {
            if in_file {
                progress(bytes);
            }
            true
        });
        if let Err(damage) = verified {
            let place = match piece.place {
                Place::Inline(number) => format!("small value {number}"),
                Place::Blob(id) => format!("`{}`", blobs::settled_name(&id)),
            };
            let advice = match damage {
                Damage::Key(_) => {
                    "without its erasure key nothing can be read of it: restore `erasure/` from \
                     a backup, or delete it"
                }
                Damage::Missing(_) | Damage::Content(_) => RESTORE_VALUE,
            };
            self.wrong(format!("{name} ({place}): {damage}"), advice);
        }
    }

    fn inline(&mut self, reading: &ReadTransaction) -> Result<(), Fault> {
        let (mut orphans, mut first) = (0_u64, None);
        for row in reading.open_table(INLINE)?.iter()? {
            match row {
                Ok((number, _)) => {
                    let number = number.value();
                    if !self.named.inline.contains(&number) {
                        orphans += 1;
                        first.get_or_insert(number);
                    }
                }
                Err(error) => {
                    self.wrong(
                        format!("small values in the catalog cannot all be read: {}", CauseOf(&error)),
                        RESTORE_PARTITION,
                    );
                    break;
                }
            }
        }
        if let Some(first) = first {
            self.wrong(
                format!("{orphans} small values (the first: {first}) are named by no version and no part"),
                MALFORMED,
            );
        }
        Ok(())
    }

    fn doomed(&mut self, reading: &ReadTransaction) -> Result<(), Fault> {
        self.each(
            reading,
            DOOMED,
            |_, row| format!("the removed value {}", hex::encode(row)),
            |look, row, _| {
                let id: [u8; 16] = row.try_into().map_err(|_| Fault::Failed("malformed".to_owned()))?;
                if let Some(name) = look.named.blobs.get(&id).cloned() {
                    look.wrong(format!("{name} is listed for removal although it is there"), MALFORMED);
                }
                look.named.doomed.insert(id);
                Ok(())
            },
        )
    }

    fn directory(
        &mut self,
        database: &Database,
        reading: &ReadTransaction,
        floor: bool,
        held: &Held,
    ) -> Result<(), Fault> {
        if !floor {
            let first = reading.open_table(DIRECTORY)?.first()?.is_some();
            if first {
                self.wrong("there are rows of the directory, which belongs to the floor alone", MALFORMED);
            }
            return Ok(());
        }
        let unreadable = |fault: &Fault| format!("the directory cannot be read: {fault}; who is not in it is refused");
        match directory::labels_in(database, self.visit.setup.policy) {
            Ok(labels) => {
                *held.0.borrow_mut() =
                    Some(labels.into_iter().map(|label| self.visit.setup.policy.banner(label)).collect())
            }
            Err(fault) => self.wrong(unreadable(&fault), RESTORE_PARTITION),
        }
        self.each(
            reading,
            DIRECTORY,
            |_, row| format!("`{}` in the directory", String::from_utf8_lossy(row)),
            |_, row, _| std::str::from_utf8(row).map(|_| ()).map_err(|error| Fault::Failed(error.to_string())),
        )?;
        let Some((id, secret)) = &self.visit.setup.operator else { return Ok(()) };
        let known = AccessKeyId::new(id.as_str())
            .map_err(|error| Fault::Failed(error.to_string()))
            .and_then(|id| directory::secret_in(database, &id));
        match known {
            Ok(Some(known)) if known == *secret => {}
            Ok(_) => self.wrong(
                "`operator.json` holds another key than the directory's",
                "restore `operator.json` from a backup; until then the operator's commands \
                 are refused",
            ),
            Err(fault) => {
                self.wrong(format!("the operator's key in the directory cannot be read: {fault}"), RESTORE_PARTITION)
            }
        }
        Ok(())
    }
}

fn bucket_name(_: &Named, row: &[u8]) -> String {
    match row.split_first_chunk::<8>() {
        Some((account, name)) => {
            format!("the bucket `{}` of account {:012}", String::from_utf8_lossy(name), u64::from_be_bytes(*account))
        }
        None => "a bucket".to_owned(),
    }
}

/// Bucket and key of a row of versions, null versions or uploads.
fn object_name(named: &Named, row: &[u8]) -> String {
    let bucket = row.first_chunk().map(|id| u64::from_be_bytes(*id));
    let bucket = bucket.and_then(|id| named.buckets.get(&id)).map_or("an unknown bucket", String::as_str);
    let key = keys::split(row).map_or_else(|| hex::encode(row), |(key, _)| key);
    format!("{bucket}, key `{key}`")
}

fn version_name(named: &Named, row: &[u8]) -> String {
    let sequence = keys::split(row).and_then(|(_, tail)| keys::sequence(tail));
    format!("{}, version {}", object_name(named, row), sequence.map_or_else(String::new, |number| number.to_string()))
}

fn part_name(named: &Named, row: &[u8]) -> String {
    let upload = row.first_chunk().map(|id| u64::from_be_bytes(*id));
    let upload = upload.and_then(|id| named.uploads.get(&id)).map_or("an unknown upload", String::as_str);
    let number = row.last_chunk().map_or(0, |number| u16::from_be_bytes(*number));
    format!("part {number} of {upload}")
}

/// A value's file, wherever it lies.
pub(super) fn find(disk: &dyn Disk, id: &[u8; 16]) -> io::Result<Option<Arc<dyn DiskFile>>> {
    for name in [blobs::settled_name(id), blobs::incoming_name(id)] {
        match disk.open(&name, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result.map(Some),
        }
    }
    Ok(None)
}

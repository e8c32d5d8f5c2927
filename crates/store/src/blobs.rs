//! The files of large values: where they lie, how they come and go.
//!
//! A value is written and synced under `incoming/`, then the catalog's commit makes it real, then it moves to
//! `blobs/` at leisure. A removed value is listed in the catalog as doomed by the commit that removes it, and its
//! file is unlinked afterwards. So after a crash only `incoming/` and the doomed list need a look: recovery is the
//! normal start path and its cost does not grow with the data.

use crate::Fault;
use crate::catalog::{self, DOOMED, VERSIONS};
use crate::disk::{DiskFile, OpenMode};
use crate::partition::Partition;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The name of a value that is not committed yet, or has not moved.
pub(crate) fn incoming_name(id: &[u8; 16]) -> String {
    format!("incoming/{}", hex::encode(id))
}

/// A value's file that no commit has made real yet. Dropped, it removes the file. Whoever commits the value hands it
/// into the writer's turn, so that nobody who goes away in the meantime takes the file along.
#[derive(Debug)]
pub(crate) struct Incoming {
    partition: Arc<Partition>,
    id: Option<[u8; 16]>,
}

impl Incoming {
    pub(crate) const fn new(partition: Arc<Partition>, id: [u8; 16]) -> Self {
        Self { partition, id: Some(id) }
    }

    /// The commit succeeded: the file belongs to an object now, and moves to its place.
    pub(crate) fn settle(mut self) {
        if let Some(id) = self.id.take() {
            settle(&self.partition, &id);
        }
    }

    /// The commit failed, and may yet turn out to be there when the catalog is opened again: the next start decides.
    pub(crate) fn leave(mut self) {
        self.id = None;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(id) = self.id.take()
            && let Err(error) = self.partition.disk.remove(&incoming_name(&id))
        {
            tracing::warn!(%error, "an unfinished value is left in `incoming/` until the next start");
        }
    }
}

fn folder(id: &[u8; 16]) -> String {
    format!("blobs/{}", hex::encode(id.get(..1).unwrap_or_default()))
}

pub(crate) fn settled_name(id: &[u8; 16]) -> String {
    format!("{}/{}", folder(id), hex::encode(id))
}

/// Opens a committed value for reading, wherever it lies; nothing when it is gone.
pub(crate) fn open(partition: &Partition, id: &[u8; 16]) -> Result<Option<Arc<dyn DiskFile>>, Fault> {
    let disk = &partition.disk;
    // It may move from `incoming/` to its place between two looks, hence the third.
    for name in [settled_name(id), incoming_name(id), settled_name(id)] {
        match disk.open(&name, OpenMode::Read) {
            Ok(file) => return Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Fault::failed("opening a value", error)),
        }
    }
    Ok(None)
}

/// Whether a committed value's file is there, wherever it lies.
pub(crate) fn is_there(partition: &Partition, id: &[u8; 16]) -> bool {
    // As in `open`: it may move between two looks.
    [settled_name(id), incoming_name(id), settled_name(id)].iter().any(|name| partition.disk.exists(name))
}

/// Keeps the files of values from being unlinked while somebody reads them one after the other.
#[derive(Default)]
pub(crate) struct Pins {
    state: Mutex<PinState>,
}

#[derive(Default)]
struct PinState {
    readers: HashMap<[u8; 16], usize>,
    /// Removed meanwhile: the last reader unlinks them.
    due: HashSet<[u8; 16]>,
    /// Contained meanwhile: whoever reads them is cut off.
    cut: HashSet<[u8; 16]>,
}

impl Pins {
    /// Ends the reading of values that nobody may read any longer.
    pub(crate) fn cut(&self, ids: &[[u8; 16]]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let read: Vec<[u8; 16]> = ids.iter().copied().filter(|id| state.readers.contains_key(id)).collect();
        state.cut.extend(read);
    }

    pub(crate) fn is_cut(&self, id: &[u8; 16]) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).cut.contains(id)
    }
}

/// One reader's hold on some values.
pub(crate) struct Pin {
    partition: Arc<Partition>,
    ids: Vec<[u8; 16]>,
}

impl Pin {
    pub(crate) fn new(partition: &Arc<Partition>, ids: Vec<[u8; 16]>) -> Self {
        let mut state = partition.pins.state.lock().unwrap_or_else(PoisonError::into_inner);
        for id in &ids {
            *state.readers.entry(*id).or_default() += 1;
        }
        drop(state);
        Self { partition: Arc::clone(partition), ids }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.partition.pins.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        for id in &self.ids {
            let left = state.readers.get_mut(id).map_or(0, |readers| {
                *readers = readers.saturating_sub(1);
                *readers
            });
            if left == 0 {
                state.readers.remove(id);
                state.cut.remove(id);
                if state.due.remove(id) {
                    due.push(*id);
                }
            }
        }
        drop(state);
        unlink(&self.partition, &due);
    }
}

/// Moves a committed value to its place. A failure is harmless: it is found where it was.
fn settle(partition: &Partition, id: &[u8; 16]) {
    let disk = &partition.disk;
    let moved = partition.tidying.make_folder(disk.as_ref(), id);
    if let Err(error) = moved.and_then(|()| disk.rename(&incoming_name(id), &settled_name(id))) {
        tracing::warn!(%error, "a value stays in `incoming/` until the next start");
    }
}

/// Removed values that wait for their folders to be synced before they leave the list of the doomed. Each costs a row
/// until then, and a look at the next start.
const UNSYNCED_MAX: usize = 1024;

/// What is known of the folders below `blobs/`, and which removals are not durable yet.
#[derive(Default)]
pub(crate) struct Tidying {
    /// Folders whose names are durable, by the first byte of the ids in them.
    folders: Mutex<HashSet<u8>>,
    /// Values whose files are gone, but may be back after a loss of power.
    unsynced: Mutex<Vec<[u8; 16]>>,
}

impl Tidying {
    /// Makes the folder of a value.
    ///
    /// INVARIANT: a folder's name is durable before anything moves into it, or a loss of power could take the folder
    /// and with it what lay durably in `incoming/`. The move itself need not be durable: the file is found in either.
    fn make_folder(&self, disk: &dyn crate::disk::Disk, id: &[u8; 16]) -> std::io::Result<()> {
        let [first, ..] = *id;
        let mut known = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&first) {
            return Ok(());
        }
        disk.create_folder(&folder(id))?;
        disk.sync_folder("blobs")?;
        known.insert(first);
        let numbers = disk.list("blobs")?.into_iter().filter_map(|name| u8::from_str_radix(&name, 16).ok());
        known.extend(numbers);
        Ok(())
    }

    fn forget(&self, ids: Vec<[u8; 16]>) {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    /// Values to take off the list of the doomed: once enough have gathered (or `all`), their folders are synced.
    pub(crate) fn forgettable(&self, disk: &dyn crate::disk::Disk, all: bool) -> Vec<[u8; 16]> {
        let ids = {
            let mut waiting = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
            if !all && waiting.len() < UNSYNCED_MAX {
                return Vec::new();
            }
            std::mem::take(&mut *waiting)
        };
        sync_removals(disk, &ids).unwrap_or_else(|error| {
            tracing::warn!(%error, "removed values stay on the list of the doomed until the next start");
            Vec::new()
        })
    }
}

/// Makes removals durable, and returns the values whose files are gone for good.
fn sync_removals(disk: &dyn crate::disk::Disk, ids: &[[u8; 16]]) -> std::io::Result<Vec<[u8; 16]>> {
    let mut folders: HashSet<String> = ids.iter().map(folder).filter(|name| disk.exists(name)).collect();
    if !ids.is_empty() {
        folders.insert("incoming".to_owned());
    }
    folders.iter().try_for_each(|name| disk.sync_folder(name))?;
    Ok(ids.to_vec())
}

/// Unlinks values whose removal is durable; those that somebody reads go when the last reader does. What is unlinked
/// leaves the list of the doomed with a later commit.
pub(crate) fn unlink(partition: &Partition, ids: &[[u8; 16]]) {
    let mut gone = Vec::with_capacity(ids.len());
    {
        let mut state = partition.pins.state.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            if state.readers.contains_key(id) {
                state.due.insert(*id);
            } else {
                gone.push(*id);
            }
        }
    }
    gone.retain(|id| match remove(partition, id) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "a removed value's file is left until the next start");
            false
        }
    });
    partition.tidying.forget(gone);
}

/// Removes a value's file, wherever it lies.
fn remove(partition: &Partition, id: &[u8; 16]) -> std::io::Result<()> {
    for name in [settled_name(id), incoming_name(id)] {
        match partition.disk.remove(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// At start: finishes the removals and the moves that were under way, and drops what was never committed.
pub(crate) fn recover(partition: &Partition) -> Result<(), Fault> {
    let context = "looking through `incoming/`";
    let opened = partition.opened();
    let doomed: Vec<[u8; 16]> = {
        use redb::ReadableTable;
        let reading = partition.read()?;
        let rows = reading.rows(DOOMED)?;
        let mut found = Vec::new();
        for row in rows.iter()? {
            if let Ok(id) = row?.0.value().try_into() {
                found.push(id);
            }
        }
        found
    };
    if !doomed.is_empty() {
        unlink(partition, &doomed);
        let forgettable = partition.tidying.forgettable(partition.disk.as_ref(), true);
        let transaction = catalog::begin_durable(&opened.database)?;
        {
            let mut table = transaction.open_table(DOOMED)?;
            for id in &forgettable {
                table.remove(id.as_slice())?;
            }
        }
        transaction.commit()?;
        partition.supersede();
    }
    let names = partition.disk.list("incoming").map_err(|error| Fault::failed(context, error))?;
    let waiting: Vec<[u8; 16]> =
        names.iter().filter_map(|name| hex::decode(name).ok()).filter_map(|id| id.try_into().ok()).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let live = committed(partition, waiting.iter().copied().collect())?;
    for id in waiting {
        if live.contains(&id) {
            settle(partition, &id);
        } else {
            partition.disk.remove(&incoming_name(&id)).map_err(|error| Fault::failed(context, error))?;
        }
    }
    Ok(())
}

/// Which of these values the catalog refers to. Reads the whole catalog; needed only when a crash left files behind.
fn committed(partition: &Partition, wanted: HashSet<[u8; 16]>) -> Result<HashSet<[u8; 16]>, Fault> {
    use crate::catalog::{CONTAINED, PARTS, SEGMENTS};
    use crate::records::{PartRecord, Piece, Place, SegmentRecord, VersionRecord, decode};
    use crate::spill::ContainedRecord;
    use redb::ReadableTable;
    let mut found = HashSet::new();
    let mut see = |piece: &Piece| {
        if let Place::Blob(id) = piece.place
            && wanted.contains(&id)
        {
            found.insert(id);
        }
    };
    let reading = partition.read()?;
    for row in reading.rows(VERSIONS)?.iter()? {
        let record: VersionRecord = decode(row?.1.value())?;
        record.object.iter().flat_map(|object| &object.pieces).for_each(&mut see);
    }
    for row in reading.rows(PARTS)?.iter()? {
        let record: PartRecord = decode(row?.1.value())?;
        record.piece.iter().for_each(&mut see);
    }
    if let Some(rows) = reading.rows_if_made(CONTAINED)? {
        for row in rows.iter()? {
            let contained: ContainedRecord = decode(row?.1.value())?;
            let record: VersionRecord = decode(&contained.version)?;
            record.object.iter().flat_map(|object| &object.pieces).for_each(&mut see);
        }
    }
    if let Some(rows) = reading.rows_if_made(SEGMENTS)? {
        for row in rows.iter()? {
            let record: SegmentRecord = decode(row?.1.value())?;
            record.pieces().for_each(&mut see);
        }
    }
    Ok(found)
}

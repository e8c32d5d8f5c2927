//! The region's map: which label's partition lies in which folder, under which wrapped key. Sealed under the root key.

use crate::disk::{Disk, OpenMode};
use crate::journal::Journal;
use crate::partition::{Partition, Stage};
use crate::{Fault, Inner, OpenPartitions, Store, directory};
use fastness_identity::{DirectoryChange, DirectoryError, RegionLabels};
use fastness_label::{Label, Policy};
use fastness_vault::{PartitionKey, RootKey};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub(crate) const FILE: &str = "region.sealed";
const FILE_NEW: &str = "region.sealed.new";
const PURPOSE: &str = "region map";
const FILE_LEN_MAX: u64 = 16 << 20;

/// What a region is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionSetup {
    /// Its name, as AWS writes it (`us-isob-east-1`).
    pub name: String,
    /// The marking of its floor.
    pub floor: String,
    /// The marking of its ceiling.
    pub ceiling: String,
    /// The markings it holds at first; floor and ceiling are always among them.
    pub labels: Vec<String>,
}

/// The map as it lies on the disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegionMap {
    format: u32,
    /// The region.
    pub setup: RegionSetup,
    /// The policy's name: a folder is opened under the policy that it was made with.
    pub policy: String,
    pub(crate) partitions: Vec<MapEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MapEntry {
    pub(crate) label: String,
    pub(crate) folder: String,
    pub(crate) key: Vec<u8>,
}

const FORMAT: u32 = 1;

impl RegionMap {
    pub(crate) fn read(disk: &dyn Disk, root: &RootKey) -> Result<Self, Fault> {
        let context = "reading the region's map";
        let file = disk.open(FILE, OpenMode::Read).map_err(|error| Fault::failed(context, error))?;
        let length = file.len().map_err(|error| Fault::failed(context, error))?;
        if length > FILE_LEN_MAX {
            return Err(Fault::failed(context, "the file is too long"));
        }
        let mut sealed = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(0, &mut sealed).map_err(|error| Fault::failed(context, error))?;
        let plain = root
            .open(PURPOSE, &sealed)
            .map_err(|_| Fault::failed(context, "it was not written under this root key, or it is damaged"))?;
        let map: Self = postcard::from_bytes(&plain).map_err(|error| Fault::failed(context, error))?;
        if map.format != FORMAT {
            return Err(Fault::failed(context, format!("it has format {}, this program reads {FORMAT}", map.format)));
        }
        Ok(map)
    }

    fn write(&self, disk: &dyn Disk, root: &RootKey) -> Result<(), Fault> {
        let context = "writing the region's map";
        let plain = postcard::to_stdvec(self).map_err(|error| Fault::failed(context, error))?;
        let sealed = root.seal(PURPOSE, &plain).map_err(|error| Fault::failed(context, error))?;
        let write = || {
            let file = disk.open(FILE_NEW, OpenMode::ReadWriteCreate)?;
            file.set_len(0)?;
            file.write_all_at(0, &sealed)?;
            file.sync_data()?;
            disk.rename(FILE_NEW, FILE)?;
            disk.sync_folder("")
        };
        write().map_err(|error: std::io::Error| Fault::failed(context, error))
    }

    /// Adds a partition with a random folder name and a new key, if the label has none.
    fn add(&mut self, root: &RootKey, label: String) -> Result<(), Fault> {
        if self.partitions.iter().any(|entry| entry.label == label) {
            return Ok(());
        }
        let folder = hex::encode(rand::random::<[u8; 12]>());
        let key = root
            .wrap_partition(&folder, &PartitionKey::generate().map_err(|error| Fault::failed("making a key", error))?)
            .map_err(|error| Fault::failed("wrapping a partition's key", error))?;
        self.partitions.push(MapEntry { label, folder, key });
        Ok(())
    }

    fn open_partition(
        &self,
        policy: &Policy,
        label: Label,
        journal: &Arc<Journal>,
        stage: Stage,
    ) -> Result<Arc<Partition>, Fault> {
        let context = "opening a partition";
        let (disk, root) = (journal.disk(), journal.root());
        let text = policy.banner(label);
        let entry = self.partitions.iter().find(|entry| entry.label == text);
        let entry = entry.ok_or_else(|| Fault::failed(context, "the map does not list its label"))?;
        let key = root.unwrap_partition(&entry.folder, &entry.key).map_err(|error| Fault::failed(context, error))?;
        let folder = format!("partitions/{}", entry.folder);
        disk.create_folder(&folder).map_err(|error| Fault::failed(context, error))?;
        disk.sync_folder("partitions").map_err(|error| Fault::failed(context, error))?;
        let member = journal.member(&entry.folder, &key)?;
        Partition::open(label, disk.folder(&folder), key, member, stage)
    }
}

/// The partitions of a region that is not open yet. If another one does not open, their writers end: each holds its
/// partition, and would wait for work for as long as the process lives.
struct Opening(Vec<Arc<Partition>>);

impl Opening {
    fn add(&mut self, partition: Arc<Partition>) -> Arc<Partition> {
        self.0.push(Arc::clone(&partition));
        partition
    }

    fn done(mut self) -> Vec<Arc<Partition>> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.iter().for_each(|partition| partition.close());
    }
}

fn label(policy: &Policy, text: &str) -> Result<Label, Fault> {
    policy.label(text).map_err(|error| Fault::failed("the region's setup", error))
}

impl Store {
    /// Whether a folder holds a region.
    #[must_use]
    pub fn is_made(disk: &dyn Disk) -> bool {
        disk.exists(FILE)
    }

    /// Makes a region in an empty folder; `first` writes the directory's first rows, in the same commit as the list of
    /// labels and the ledger's first entry.
    ///
    /// # Errors
    /// A failure; the folder is not a region until everything is written.
    pub async fn create<T: Send + 'static>(
        disk: Arc<dyn Disk>,
        root: RootKey,
        policy: Policy,
        setup: RegionSetup,
        first: impl FnOnce(&mut dyn DirectoryChange) -> Result<T, DirectoryError> + Send + 'static,
        entry: Vec<u8>,
    ) -> Result<(Self, T), Fault> {
        let (floor, ceiling) = (label(&policy, &setup.floor)?, label(&policy, &setup.ceiling)?);
        let mut held = vec![floor, ceiling];
        for text in &setup.labels {
            held.push(label(&policy, text)?);
        }
        let labels = RegionLabels::new(&policy, floor, ceiling, held);
        if let Some(outside) = labels.held().iter().find(|label| !labels.could_hold(**label)) {
            let text = policy.banner(*outside);
            return Err(Fault::failed("the region's setup", format!("`{text}` is not between its floor and ceiling")));
        }
        let mut map = RegionMap { format: FORMAT, setup, policy: policy.name().to_owned(), partitions: Vec::new() };
        for held in labels.held() {
            map.add(&root, policy.banner(*held))?;
        }
        let context = "making the region's folder";
        disk.create_folder("partitions").map_err(|error| Fault::failed(context, error))?;
        let root = Arc::new(root);
        let journal = Journal::open(Arc::clone(&disk), Arc::clone(&root))?;
        journal.recovered()?;
        for held in labels.held().iter().filter(|held| **held != floor) {
            map.open_partition(&policy, *held, &journal, Stage::Making)?.close();
        }
        let partition = map.open_partition(&policy, floor, &journal, Stage::Making)?;
        let texts: Vec<String> = labels.held().iter().map(|label| policy.banner(*label)).collect();
        let made = partition
            .turn(
                move |turn| {
                    directory::change(turn, |rows| {
                        for text in texts {
                            rows.put(&format!("label/{text}"), &[])?;
                        }
                        first(rows)
                    })
                },
                move |_| entry,
            )
            .await;
        partition.close();
        drop(partition);
        drop(journal);
        let made = made?;
        // The map makes the folder a region: it is written last.
        map.write(disk.as_ref(), &root)?;
        Ok((Self::open_with(disk, root, policy)?, made))
    }

    /// Opens a region's folder.
    ///
    /// # Errors
    /// A failure that says what is wrong with it: no region, another root key, another policy, damage.
    pub fn open(disk: Arc<dyn Disk>, root: RootKey, policy: Policy) -> Result<Self, Fault> {
        Self::open_with(disk, Arc::new(root), policy)
    }

    fn open_with(disk: Arc<dyn Disk>, root: Arc<RootKey>, policy: Policy) -> Result<Self, Fault> {
        let map = RegionMap::read(disk.as_ref(), &root)?;
        if map.policy != policy.name() {
            let message = format!("it was made under the label policy `{}`, not `{}`", map.policy, policy.name());
            return Err(Fault::failed("opening the region", message));
        }
        let (floor, ceiling) = (label(&policy, &map.setup.floor)?, label(&policy, &map.setup.ceiling)?);
        let journal = Journal::open(Arc::clone(&disk), Arc::clone(&root))?;
        let mut opening = Opening(Vec::new());
        let floor_partition = opening.add(map.open_partition(&policy, floor, &journal, Stage::Made)?);
        let held = directory::held_labels(&floor_partition, &policy)?;
        let labels = RegionLabels::new(&policy, floor, ceiling, held);
        for held in labels.held().iter().filter(|label| **label != floor) {
            opening.add(map.open_partition(&policy, *held, &journal, Stage::Made)?);
        }
        journal.recovered()?;
        let open = OpenPartitions { labels: Arc::new(labels), partitions: opening.done() };
        let inner = Inner { disk, root, journal, policy, map: Mutex::new(map), open: RwLock::new(Arc::new(open)) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes sure that a label has a partition, before the list of labels says that the region holds it. A partition
    /// without a row on the list is never opened.
    pub(crate) fn make_partition(&self, label: Label) -> Result<(), Fault> {
        let inner = &self.inner;
        let mut map = inner.map.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = map.clone();
        changed.add(&inner.root, inner.policy.banner(label))?;
        let policy = &inner.policy;
        changed.open_partition(policy, label, &inner.journal, Stage::Making)?.close();
        changed.write(inner.disk.as_ref(), &inner.root)?;
        *map = changed;
        Ok(())
    }

    /// Opens the partition of a label that was added to the list.
    pub(crate) fn open_added(&self, label: Label) -> Result<(), Fault> {
        let inner = &self.inner;
        let map = inner.map.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slot = inner.open.write().unwrap_or_else(PoisonError::into_inner);
        if slot.find(label).is_some() {
            return Ok(());
        }
        let partition = map.open_partition(&inner.policy, label, &inner.journal, Stage::Made)?;
        let held = slot.labels.held().iter().copied().chain([label]);
        let labels = RegionLabels::new(&inner.policy, slot.labels.floor(), slot.labels.ceiling(), held);
        let partitions = slot.partitions.iter().cloned().chain([partition]).collect();
        *slot = Arc::new(OpenPartitions { labels: Arc::new(labels), partitions });
        Ok(())
    }

    /// What the region is.
    #[must_use]
    pub fn setup(&self) -> RegionSetup {
        self.inner.map.lock().unwrap_or_else(PoisonError::into_inner).setup.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;

    #[tokio::test]
    async fn a_region_that_does_not_open_leaves_no_writers() {
        let disk = MemoryDisk::new();
        let root = || RootKey::from_bytes(&[3; 32]);
        let setup = RegionSetup {
            name: "r".to_owned(),
            floor: "UNCLASSIFIED".to_owned(),
            ceiling: "TOP SECRET".to_owned(),
            labels: vec!["SECRET".to_owned()],
        };
        let handle: Arc<dyn Disk> = Arc::new(disk.clone());
        let first = |_: &mut dyn DirectoryChange| Ok(());
        let made = Store::create(Arc::clone(&handle), root(), Policy::us(), setup, first, vec![1; 33]).await;
        drop(made.unwrap());
        // Every writer's thread holds the journal, and the journal the disk.
        assert_eq!(Arc::strong_count(&handle), 1);
        let map = RegionMap::read(&disk, &root()).unwrap();
        for entry in &map.partitions {
            // Whichever is cut off, the writers of those that were opened before it end.
            let damaged = disk.crash(0);
            let catalog = format!("partitions/{}/catalog", entry.folder);
            damaged.open(&catalog, OpenMode::ReadWriteCreate).unwrap().set_len(0).unwrap();
            let handle: Arc<dyn Disk> = Arc::new(damaged);
            assert!(Store::open(Arc::clone(&handle), root(), Policy::us()).is_err(), "{}", entry.label);
            assert_eq!(Arc::strong_count(&handle), 1, "{}", entry.label);
        }
        drop(Store::open(Arc::clone(&handle), root(), Policy::us()).unwrap());
        assert_eq!(Arc::strong_count(&handle), 1);
    }
}

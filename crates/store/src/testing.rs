//! A partition on a disk in memory, for the tests of several modules.

use crate::disk::MemoryDisk;
use crate::journal::Journal;
use crate::partition::{Partition, Stage};
use fastness_label::Policy;
use fastness_vault::{PartitionKey, RootKey};
use std::sync::Arc;

/// A disk with a partition, and the key that opens it again.
pub(crate) struct Bench {
    pub(crate) disk: MemoryDisk,
    pub(crate) root: Arc<RootKey>,
    pub(crate) wrapped: Vec<u8>,
}

impl Bench {
    /// With a partition that was made and closed.
    pub(crate) fn new() -> Self {
        let root = Arc::new(RootKey::from_bytes(&[3; 32]));
        let wrapped = root.wrap_partition("p", &PartitionKey::generate().unwrap()).unwrap();
        let bench = Self { disk: MemoryDisk::with_faults(), root, wrapped };
        bench.open_at(&bench.disk, Stage::Making).close();
        bench
    }

    pub(crate) fn key(&self) -> PartitionKey {
        self.root.unwrap_partition("p", &self.wrapped).unwrap()
    }

    /// Opens the partition on this disk or a copy of it.
    pub(crate) fn open_at(&self, disk: &MemoryDisk, stage: Stage) -> Arc<Partition> {
        let disk = Arc::new(disk.clone());
        let journal = Journal::open(disk.clone(), Arc::clone(&self.root)).unwrap();
        let member = journal.member("p", &self.key()).unwrap();
        let partition = Partition::open(Policy::us().lowest(), disk, self.key(), member, stage).unwrap();
        journal.recovered().unwrap();
        partition
    }

    pub(crate) fn open(&self) -> Arc<Partition> {
        self.open_at(&self.disk, Stage::Made)
    }
}

//! The store: a region's data, partitioned by label.
//!
//! Each partition has its own folder with a random name, its own encrypted catalog, blobs, sequence, ledger and key.
//! Every call that touches data takes a [`Permit`] (or, to resolve names before one exists, a [`View`]), and opens
//! only the partitions that it names. A write goes to the session's own partition, in its writer's turn, and commits
//! together with its ledger entry; what lies below is read by snapshot and never locked.

mod annotations;
mod blob;
mod blobs;
mod buckets;
mod catalog;
mod check;
mod checksums;
mod configurations;
mod content;
mod crossing;
mod customer;
mod directory;
pub mod disk;
mod erase;
mod erasure;
mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod journal;
mod keys;
mod lanes;
mod ledger;
mod lifecycle;
mod listing;
mod locks;
mod map;
mod objects;
mod opened;
mod pages;
mod partition;
mod policies;
mod receive;
mod records;
mod redo;
mod scrub;
mod spill;
#[cfg(test)]
mod testing;
mod uploads;
mod view;

pub use annotations::Annotated;
pub use buckets::BucketInfo;
pub use check::{
    CheckFinding, CheckReport, CheckSetup, FINDINGS_MAX, Gravity, LedgerCheck, PartitionSums, bytes_below, check,
};
pub use checksums::ChecksumHasher;
pub use content::Content;
pub use crossing::{
    Again, Arrival, ArrivalHead, ArrivalState, ArrivalStep, Arrived, ArrivedMany, Arriving, ArrivingObject,
    CROSSING_KEPT_MS, ClosedGap, FINDINGS_LEN_MAX, LIFTS_KEPT_MAX, LIFTS_RUNNING_MAX, Leaving, Lift, LiftState,
    LiftStep, Liftable, Measure, NewLift, NewRelease, NumberSeen, Opening, PinnedVersion, RANGES_MAX,
    RELEASE_APPROVALS, RELEASES_KEPT_MAX, RELEASES_OPEN_MAX, ReceivedNumbers, Releasable, Release, ReleaseState,
    ReleaseStep, ReleaseVote, Resendable, Sendable, SentBundle, TakenBack, TookBack, WALK_BYTES_MAX, WALK_NAMES_MAX,
    WALK_OBJECTS_MAX, Walked, day_of,
};
pub use erase::Erased;
pub use erasure::VALUES_PER_KEY_MAX;
pub use fault::Fault;
pub use ledger::{ContentDigest, Kept, LedgerLog, LedgerPage, LedgerSearch, LedgerState, SEGMENT_LEN};
pub use lifecycle::{Clock, DuePlace, Expired, PLACES_PER_TURN_MAX, ROWS_LOOKED_AT_MAX, SearchFrom};
pub use listing::{KEYS_LOOKED_AT_MAX, ListPage, Listed, ListedUpload, UploadPage};
pub use map::{RegionMap, RegionSetup};
pub use objects::{Deleted, ManyDeleted, ObjectInfo, ObjectPart, Written};
pub use partition::{BATCH_LEN_MAX, LAZY_WAIT_MAX, QUEUE_LEN_MAX, RESERVE_LEN};
pub use receive::{CHUNK_TIME_MAX, INLINE_LEN_MAX, Received, VALUE_LEN_MAX};
pub use scrub::{ScrubFinding, ScrubSums, ScrubWatch};
pub use spill::{
    Actor, CopyName, ErasureStep, PROPOSAL_TIME_MAX_MS, Proposal, SPILLED_MAX, Spill, SpillErasure, SpilledVersion,
    Whereabouts,
};
pub use uploads::{PART_LEN_MIN, PartInfo, PartPage};

use disk::Disk;
use fastness_decide::{Permit, Resolved, View};
use fastness_identity::RegionLabels;
use fastness_label::{Label, Policy};
use fastness_operation::BucketName;
use fastness_vault::RootKey;
use journal::Journal;
use partition::Partition;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use view::{Slice, Snapshot};

/// Makes the ledger's entry from the outcome of a write, inside the write's turn.
pub type Record<T> = Box<dyn FnOnce(&Result<T, Fault>) -> Vec<u8> + Send>;

/// A region's store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Arc<dyn Disk>,
    root: Arc<RootKey>,
    journal: Arc<Journal>,
    policy: Policy,
    /// The region's map as it lies on the disk.
    map: Mutex<RegionMap>,
    /// Open partitions with the list of labels they make, topmost first.
    open: RwLock<Arc<OpenPartitions>>,
}

struct OpenPartitions {
    labels: Arc<RegionLabels>,
    partitions: Vec<Arc<Partition>>,
}

impl OpenPartitions {
    fn find(&self, label: Label) -> Option<&Arc<Partition>> {
        self.partitions.iter().find(|partition| partition.label == label)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    fn opened(&self) -> Arc<OpenPartitions> {
        Arc::clone(&self.inner.open.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The region's labels as they are now.
    #[must_use]
    pub fn labels(&self) -> Arc<RegionLabels> {
        Arc::clone(&self.opened().labels)
    }

    /// The region's label policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// The partition at exactly this label.
    fn partition(&self, label: Label) -> Result<Arc<Partition>, Fault> {
        let missing = || Fault::Failed("the region holds no partition at this label".to_owned());
        self.opened().find(label).cloned().ok_or_else(missing)
    }

    /// The session's own partition: the only one that a permit lets be written.
    fn own(&self, permit: &Permit) -> Result<Arc<Partition>, Fault> {
        self.partition(permit.view().session())
    }

    /// Snapshots of the partitions of a view, topmost first.
    fn snapshot(&self, view: &View) -> Result<Snapshot, Fault> {
        self.snapshot_of(view.labels())
    }

    /// Snapshots of what lies below the session in its view.
    fn below(&self, view: &View) -> Result<Snapshot, Fault> {
        let session = view.session();
        let below: Vec<Label> = view.labels().iter().copied().filter(|label| *label != session).collect();
        self.snapshot_of(&below)
    }

    fn snapshot_of(&self, labels: &[Label]) -> Result<Snapshot, Fault> {
        let open = self.opened();
        let missing = || Fault::Failed("the region holds no partition at this label".to_owned());
        let slice = |label: &Label| {
            let partition = Arc::clone(open.find(*label).ok_or_else(missing)?);
            let reading = partition.read()?;
            Ok(Slice { partition, reading })
        };
        Ok(Snapshot { slices: labels.iter().map(slice).collect::<Result<_, Fault>>()? })
    }

    /// What bucket names mean in a view, before anything is decided about them.
    ///
    /// # Errors
    /// A failure.
    pub fn resolve(&self, view: &View, names: Vec<BucketName>) -> Result<Vec<(BucketName, Option<Resolved>)>, Fault> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let snapshot = self.snapshot(view)?;
        let resolve = |name: BucketName| match snapshot.resolve(view.account(), &name)? {
            Some((bucket, found)) => Ok((name, Some(policies::resolved(&snapshot, bucket, &found)?))),
            None => Ok((name, None)),
        };
        names.into_iter().map(resolve).collect()
    }

    /// What is free on the region's disk, in bytes.
    ///
    /// # Errors
    /// A failure.
    pub fn free_bytes(&self) -> Result<u64, Fault> {
        self.inner.disk.free_bytes().map_err(|error| Fault::failed("asking for free space", error))
    }

    /// How often a partition could not commit since it was opened: what it was to record then was refused or, of reads, is
    /// recorded later.
    ///
    /// # Errors
    /// A failure.
    pub fn batches_refused(&self, label: Label) -> Result<u64, Fault> {
        Ok(self.partition(label)?.batches_refused())
    }

    /// Appends an entry to the ledger of a label's partition, and answers when it is durable.
    ///
    /// # Errors
    /// A failure: then whatever is to be recorded must not be answered as done.
    pub async fn record(&self, label: Label, entry: Vec<u8>) -> Result<(), Fault> {
        self.partition(label)?.turn(|_| Ok(()), move |_| entry).await
    }

    /// Appends the record of a read; it is durable within 100 ms.
    ///
    /// # Errors
    /// `SlowDown` when the label's queue stays full, or a failure.
    pub async fn note(&self, label: Label, entry: Vec<u8>) -> Result<(), Fault> {
        self.partition(label)?.note(entry).await
    }

    /// Waits until every record noted so far is durable.
    ///
    /// # Errors
    /// A failure.
    pub async fn flush(&self) -> Result<(), Fault> {
        for partition in &self.opened().partitions {
            partition.flush().await?;
        }
        Ok(())
    }

    /// Commits what is queued and stops every writer. Nothing can be written afterwards.
    pub fn close(&self) {
        for partition in &self.opened().partitions {
            partition.close();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A writer holds its partition; without this it would wait for work for ever.
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        for partition in &open.partitions {
            partition.close();
        }
    }
}

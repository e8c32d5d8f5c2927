//! Checking a stopped region's folder: everything in it is read, nothing is changed. What is found is said in words,
//! with the partition, the bucket, key and version that it touches, and what to do.
//!
//! Whoever checks holds the root key and sees every label: a report is data at the region's ceiling.

mod catalog;
mod files;
mod ledger;
mod partition;
mod value;

pub(crate) use value::{Damage, Values};

use crate::disk::{Disk, OverlayDisk};
use crate::{ContentDigest, Fault, LedgerState};
use fastness_label::{Label, Policy};
use fastness_vault::RootKey;
use std::sync::Arc;

/// Findings of one partition that are told one by one; more are counted.
pub const FINDINGS_MAX: usize = 1_000;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gravity {
    /// Something is damaged, missing, or does not fit.
    Wrong,
    /// Nothing is lost: what a crash may leave, or what the next start tidies up.
    Note,
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFinding {
    /// How much it matters.
    pub gravity: Gravity,
    /// The partition's folder below `partitions/`; empty for the region as a whole.
    pub folder: String,
    /// The partition's label; empty for the region as a whole.
    pub label: String,
    /// What is wrong, and what of it is touched.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// What was read in one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionSums {
    /// Its folder below `partitions/`.
    pub folder: String,
    /// Its label.
    pub label: String,
    /// Blocks of its catalog.
    pub blocks: u64,
    /// Records of buckets.
    pub buckets: u64,
    /// Versions of objects, delete markers among them.
    pub versions: u64,
    /// Uploads that are not complete.
    pub uploads: u64,
    /// Values in the catalog.
    pub inline_values: u64,
    /// Values in files.
    pub blobs: u64,
    /// Plain bytes of all values.
    pub bytes: u64,
    /// Erasure keys.
    pub erasure_keys: u64,
    /// Entries of the ledger.
    pub entries: u64,
    /// Findings that matter.
    pub wrong: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Every partition, topmost first as far as labels are known.
    pub partitions: Vec<PartitionSums>,
    /// What was found, partition by partition.
    pub findings: Vec<CheckFinding>,
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.gravity == Gravity::Note)
    }
}

/// Checks one ledger as it is read, first the chain that an earlier program kept, then the entries; the ledger's own crate
/// implements it.
pub trait LedgerCheck {
    /// The next row of the chain that an earlier program kept; whether to go on.
    fn frozen(&mut self, number: u64, hash: &[u8], entry: &[u8]) -> bool;

    /// The next entry, without its content if that was dropped; whether to go on.
    fn row(&mut self, number: u64, commitment: &[u8; 32], content: Option<&[u8]>) -> bool;

    /// What an entry is looked up by: a segment's index and times are compared with it. Nothing means that they are not.
    fn digest(&self, _commitment: &[u8; 32], _content: &[u8]) -> Option<ContentDigest> {
        None
    }

    /// What is wrong with the ledger, if anything, given what the counters say and how the reading went.
    fn finish(&mut self, ledger: &LedgerState, read: Result<(), Fault>) -> Option<String>;
}

/// What a check is told about the region beside its folder.
pub struct CheckSetup<'a> {
    /// The region's root key.
    pub root: Arc<RootKey>,
    /// Its label policy.
    pub policy: &'a Policy,
    /// Makes a check of one label's ledger.
    pub ledger: &'a dyn Fn(Label) -> Box<dyn LedgerCheck>,
    /// The operator's key, as it lies beside the data: its two halves.
    pub operator: Option<(String, String)>,
}

impl std::fmt::Debug for CheckSetup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckSetup").finish_non_exhaustive()
    }
}

/// Bytes of all files below a folder: what a check is going to read.
#[must_use]
pub fn bytes_below(disk: &dyn Disk) -> u64 {
    files::walk(disk, "").iter().map(|(_, length)| length).sum()
}

/// Checks a region's folder. `progress` hears of bytes as they are read, up to about [`bytes_below`].
#[must_use]
pub fn check(disk: Arc<dyn Disk>, setup: &CheckSetup<'_>, progress: &mut dyn FnMut(u64)) -> CheckReport {
    // On an overlay: opening a catalog may recover it, and that stays in memory.
    let disk: Arc<dyn Disk> = Arc::new(OverlayDisk::new(disk));
    let mut report = CheckReport::default();
    partition::region(&disk, setup, &mut report, progress);
    report
}

/// Where findings of one partition (or of the region) go.
pub(crate) struct Findings<'r> {
    report: &'r mut CheckReport,
    folder: String,
    label: String,
    count: usize,
    wrong: u64,
}

impl<'r> Findings<'r> {
    fn new(report: &'r mut CheckReport, folder: &str, label: &str) -> Self {
        Self { report, folder: folder.to_owned(), label: label.to_owned(), count: 0, wrong: 0 }
    }

    fn add(&mut self, gravity: Gravity, what: String, advice: &str) {
        self.wrong += u64::from(gravity == Gravity::Wrong);
        self.count += 1;
        if self.count > FINDINGS_MAX {
            return;
        }
        let (what, advice) = match self.count {
            FINDINGS_MAX => ("there is more of this partition than is listed here".to_owned(), ""),
            _ => (what, advice),
        };
        self.report.findings.push(CheckFinding {
            gravity,
            folder: self.folder.clone(),
            label: self.label.clone(),
            what,
            advice: advice.to_owned(),
        });
    }

    fn wrong(&mut self, what: impl Into<String>, advice: &str) {
        self.add(Gravity::Wrong, what.into(), advice);
    }

    fn note(&mut self, what: impl Into<String>, advice: &str) {
        self.add(Gravity::Note, what.into(), advice);
    }
}

/// What to do about a damaged value.
const RESTORE_VALUE: &str = "its bytes are never served; write it again from a copy, or delete it";
/// What to do about a damaged partition.
const RESTORE_PARTITION: &str = "restore the region's folder from a backup; nothing damaged is served meanwhile";
/// What to do about something that belongs to nothing.
const LOOK_FIRST: &str =
    "if an older catalog was put back, restore the newer one; otherwise the file takes room and may be removed";
/// What the next start does by itself.
const NEXT_START: &str = "nothing to do: the next start tidies it up";

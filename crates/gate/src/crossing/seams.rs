//! What the gate needs of others so that something crosses: which regions there are, where bundles wait, and a guard. The
//! region brings them together; tests bring their own.

use fastness_crossing::{OwnKeys, Peer, Resent};
use fastness_identity::directory::Beside;
use fastness_label::Label;
use fastness_operation::{BundleId, MappingName, MediaType, RegionName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io::{self, Read, Seek, Write};
use std::num::NonZeroU64;
use std::sync::Arc;

/// The regions that the configuration names.
pub trait Regions: Send + Sync + Debug + 'static {
    /// Where a region lies; nothing when the configuration does not name it.
    fn beside(&self, region: &RegionName) -> Option<Beside>;

    /// A region's public keys; nothing when they are not here yet.
    fn keys(&self, region: &RegionName) -> Option<Arc<Peer>>;

    /// All of them.
    fn names(&self) -> Vec<RegionName>;
}

/// A file that a bundle is written into, or read from.
pub trait BundleFile: Read + Seek + Send + Sync {}

impl<T: Read + Seek + Send + Sync> BundleFile for T {}

/// Where bundles of each label wait until they get their numbers.
pub trait Staging: Send + Sync + Debug + 'static {
    /// How many bundles of a label wait.
    ///
    /// # Errors
    /// Those of the disk.
    fn staged(&self, to: &RegionName, banner: &str) -> io::Result<usize>;

    /// A file for a bundle of one label.
    ///
    /// # Errors
    /// Those of the disk.
    fn stage(&self, to: &RegionName, banner: &str, id: &BundleId) -> io::Result<Box<dyn StagedFile>>;

    /// Releases bundles that are whole and of which `is_sent` says so; removes the others that are not released.
    ///
    /// # Errors
    /// Those of the disk.
    fn settle(&self, to: &RegionName, banner: &str, is_sent: &dyn Fn(&BundleId) -> bool) -> io::Result<()>;

    /// Takes bundles for a region away from carriers, wherever they wait or are kept to be sent again; which of them were
    /// there. Those that no carrier had taken are held, the others are gone.
    ///
    /// # Errors
    /// Those of the disk; some may be held or gone then.
    fn hold_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>>;

    /// The bundles of a label that are held, by the regions that they were for: also of those that the configuration names no
    /// longer.
    ///
    /// # Errors
    /// Those of the disk.
    fn held(&self, banner: &str) -> io::Result<BTreeMap<RegionName, BTreeSet<BundleId>>>;

    /// Removes bundles for a region, also those that are held; which of them were there.
    ///
    /// # Errors
    /// Those of the disk; some may be gone then.
    fn drop_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>>;

    /// Makes bundles for a region ready again that were sent, as far as they are kept.
    ///
    /// # Errors
    /// Those of the disk; some may be ready again then.
    fn resend(&self, to: &RegionName, numbers: &[NonZeroU64]) -> io::Result<Resent>;
}

/// A bundle that is being written. Dropped, it removes its file.
pub trait StagedFile: Write + Seek + Send {
    /// Makes it durable.
    ///
    /// # Errors
    /// Those of the disk.
    fn finish(self: Box<Self>) -> io::Result<Box<dyn WholeFile>>;
}

/// A bundle that is durable, and that nothing sends before it is released. Dropped, it stays as it is.
pub trait WholeFile: Send {
    /// Hands it over to be sent.
    ///
    /// # Errors
    /// Those of the disk.
    fn release(self: Box<Self>) -> io::Result<()>;

    /// Removes it.
    ///
    /// # Errors
    /// Those of the disk.
    fn discard(self: Box<Self>) -> io::Result<()>;
}

/// Whoever looks at what arrives.
pub trait Guard: Send + Sync + Debug + 'static {
    /// Somebody new, who looks at one bundle or one release of a label: nothing that its content did to them lasts, and
    /// nothing that other content did meets it.
    fn inspector(&self, label: Label) -> Box<dyn Inspector>;
}

/// Content in, verdicts out. Called on a thread that may block.
pub trait Inspector: Send + 'static {
    /// Looks at a batch; one judgement each, in order.
    ///
    /// # Errors
    /// [`GuardFault`] when the guard itself cannot work: the batch comes again later, and nothing of it passes before.
    fn inspect(&mut self, rules: &GuardRules, batch: Vec<Suspect>) -> Result<Vec<Judgement>, GuardFault>;
}

/// What a mapping lets through.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuardRules {
    /// The mapping.
    pub mapping: MappingName,
    /// The types that may pass.
    pub types: Vec<MediaType>,
    /// The names of the metadata that may pass.
    pub metadata: Vec<String>,
    /// SHA-256 of the mapping's row: another row is another guard.
    pub row_digest: [u8; 32],
}

/// An object that nobody looked at yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Its key.
    pub name: String,
    /// The type that it claims.
    pub content_type: String,
    /// The label that it claims, as a banner.
    pub label: String,
    /// Its metadata.
    pub metadata: Vec<(String, String)>,
    /// Its content.
    pub content: Vec<u8>,
}

impl Debug for Suspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Content is not for logs.
        f.debug_struct("Suspect").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the guard says of an object.
#[derive(Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It passes, as it is written here.
    Passed {
        /// The content, written anew.
        content: Vec<u8>,
        /// The metadata that passes.
        metadata: Vec<(String, String)>,
        /// What was changed, in words.
        findings: Vec<String>,
    },
    /// Nothing of it passes.
    Stopped {
        /// Why, in words.
        findings: Vec<String>,
    },
}

impl Debug for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Passed { .. } => f.write_str("Passed"),
            Self::Stopped { findings } => f.debug_struct("Stopped").field("findings", findings).finish(),
        }
    }
}

/// Why a guard could not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the guard cannot work: {0}")]
pub struct GuardFault(pub String);

/// What a region crosses with. Without it, nothing crosses; and there is none without a guard.
#[derive(Debug)]
pub struct CrossingParts {
    /// The region's own keys.
    pub own: OwnKeys,
    /// The other regions.
    pub regions: Arc<dyn Regions>,
    /// Where bundles wait.
    pub staging: Arc<dyn Staging>,
    /// Who looks at what arrives.
    pub guard: Arc<dyn Guard>,
}

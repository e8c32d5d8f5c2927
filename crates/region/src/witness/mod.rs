//! Regions witness the regions below them (docs/formats/witness.md).
//!
//! ```text
//! the lower region's keeper   writes a bundle for each new checkpoint of its region log   outbox/witness/
//! a carrier                   moves bytes upward and learns nothing from above           → inbox/witness/REGION/
//! the higher region's keeper  checks each anew, remembers the last, raises alarms         its ceiling's partition
//! ```
//!
//! Nothing comes back: whether anything was taken, refused or never read shows nowhere below.

mod inbox;
mod outbox;

pub use inbox::Inbox;
pub use outbox::Outbox;

/// Who carries checkpoints upward.
pub use fastness_crossing::carry::Showing as Carrier;

use fastness_ledger::{Checkpoint, Log, LogError, Note, VerifierKey, region_origin};
use fastness_store::Store;
use std::path::{Path, PathBuf};

/// A region below, and the keys that its logs are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedRegion {
    /// Its name.
    pub region: String,
    /// Its keys under the name of its region log.
    pub keys: Vec<VerifierKey>,
}

impl WitnessedRegion {
    /// A region with the keys of its file `ledger.keys`.
    #[must_use]
    pub fn new(region: &str, keys: &[VerifierKey]) -> Self {
        let origin = region_origin(region);
        let of_log = keys.iter().filter(|key| key.is_of_log());
        Self { region: region.to_owned(), keys: of_log.map(|key| key.renamed(&origin)).collect() }
    }

    fn origin(&self) -> String {
        region_origin(&self.region)
    }
}

/// What a region's keeper does about witnesses, beside signing.
#[derive(Debug, Default)]
pub struct Witnessing {
    /// Where bundles for those above are put, if anywhere.
    pub outbox: Option<Outbox>,
    /// The regions below.
    pub inboxes: Vec<Inbox>,
}

/// Where bundles lie in the folder of a region whose checkpoints are carried upward.
#[must_use]
pub fn outbox_folder(region: &Path) -> PathBuf {
    region.join("outbox").join("witness")
}

/// Where they arrive in the folder of a region that witnesses another.
#[must_use]
pub fn inbox_folder(region: &Path, from: &str) -> PathBuf {
    region.join("inbox").join("witness").join(from)
}

/// The note under which the ceiling's partition keeps what was cosigned of a log.
fn note_name(origin: &str) -> String {
    format!("witness/{origin}")
}

/// What a region cosigned of another's log, if anything.
///
/// # Errors
/// When it cannot be read, or is not what the region's own key cosigned.
pub fn cosigned(store: &Store, witness: &VerifierKey, origin: &str) -> Result<Option<(Checkpoint, Note)>, LogError> {
    let kept = store.note_kept(Log::of_region(store).label(), &note_name(origin))?;
    let Some(bytes) = kept else { return Ok(None) };
    let note = Note::parse(&bytes)?;
    note.verify(std::slice::from_ref(witness))?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    if checkpoint.origin != origin {
        return Err(LogError::Origin { found: checkpoint.origin, expected: origin.to_owned() });
    }
    Ok(Some((checkpoint, note)))
}

//! One region, wired together: folder, keys, store, gate, fronts, listener.

mod config;
mod crossing;
mod folder;
mod keeper;
mod lifecycle;
mod scrub;
mod server;
mod service;
mod signal;
mod tracked;
mod witness;

pub use config::{ConfigError, ErasureConfig, LedgerConfig, ReadsConfig, RegionConfig, WitnessedConfig};
pub use crossing::{Crossing, CrossingConfig, Crossings, FilterGuard, GuardConfig, WayConfig, peer_keys_file};
pub use folder::{CheckStep, Cosigned, KEYS_FILE, OperatorKey, RegionError, RegionFolder, try_lock_patiently};
pub use keeper::LedgerKeeper;
pub use lifecycle::LifecycleClock;
pub use scrub::{ScrubConfig, Scrubber};
pub use server::{ServeError, serve};
pub use service::{HEALTH_PATH, RegionService};
pub use witness::{Carrier, Inbox, Outbox, WitnessedRegion, Witnessing, cosigned, inbox_folder, outbox_folder};

// What the program needs of the crates below, so that it depends on this one alone.
pub use fastness_crossing::{
    FILES_IN_INBOX_MAX, InboxRoom, KEYS_FILE as CROSSING_KEYS_FILE, Peers, bundle_file_name, carry, crossing_inbox,
    files, number_of, ready_folder,
};
pub use fastness_gate::{Environment, Gate, Reads, SystemEnvironment};
pub use fastness_identity::signature::sign;
pub use fastness_label::{Label, Marking, MarkingError, Policy};
pub use fastness_ledger::{
    BUNDLE_LEN_MAX, Bundle, CHECKPOINT_FILE, Checkpoint, Finding, Log, LogReport, MirrorFinding, NOTE_LEN_MAX, Note,
    NoteError, PackageEnd, PackageHead, SigningKeys, VerifierKey, WitnessError, WitnessKey, cosigned_note, keys_of,
    mirror, read_checkpoint, read_keys, region_keys_name, verify_mirror, verify_package,
};
pub use fastness_operation as operation;
pub use fastness_store::{CheckFinding, CheckReport, Fault, Gravity, PartitionSums, RegionSetup, Store};

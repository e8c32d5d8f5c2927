//! One region, wired together: folder, keys, store, gate, fronts, listener.

mod config;
mod folder;
mod keeper;
mod lifecycle;
mod scrub;
mod server;
mod service;
mod signal;
mod tracked;

pub use config::{ConfigError, ErasureConfig, RegionConfig};
pub use folder::{CheckStep, OperatorKey, RegionError, RegionFolder, try_lock_patiently};
pub use keeper::LedgerKeeper;
pub use lifecycle::LifecycleClock;
pub use scrub::{ScrubConfig, Scrubber};
pub use server::{ServeError, serve};
pub use service::{HEALTH_PATH, RegionService};

// What the program needs of the crates below, so that it depends on this one alone.
pub use fastness_gate::{Environment, Gate, SystemEnvironment};
pub use fastness_identity::signature::sign;
pub use fastness_label::{Label, Marking, MarkingError, Policy};
pub use fastness_ledger::{
    CHECKPOINT_FILE, Checkpoint, Finding, Log, LogReport, PackageEnd, PackageHead, SigningKeys, VerifierKey, keys_of,
    mirror, region_keys_name, verify_mirror, verify_package,
};
pub use fastness_operation as operation;
pub use fastness_store::{CheckFinding, CheckReport, Fault, Gravity, PartitionSums, RegionSetup, Store};

//! A region's folder: made once, locked while it is open.

use crate::ConfigError;
use crate::witness::{Inbox, Outbox, WitnessedRegion, Witnessing, inbox_folder, outbox_folder};
use fastness_crossing::{KEYS_FILE as CROSSING_KEYS_FILE, KeysError, Outbox as BundleOutbox, OwnKeys, crossing_outbox};
use fastness_identity::directory::create_operator;
use fastness_label::Policy;
use fastness_ledger::{
    Checkpoint, Entry, Finding, Log, LogError, LogReport, Note, NoteError, Outcome, SigningKeys, WitnessKey,
    check_witnessed, region_keys_name, region_origin, witness_key, write_keys,
};
use fastness_operation::{Moment, RegionName};
use fastness_store::disk::{Disk, OsDisk, OverlayDisk};
use fastness_store::{CheckFinding, CheckReport, CheckSetup, Fault, Gravity, RegionSetup, Store};
use fastness_vault::{FileSeal, RootKey, RootSeal, VaultError};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ROOT_KEY: &str = "root.key";
const LOCK: &str = "lock";
const OPERATOR: &str = "operator.json";
/// Stands while the region is being made; a start that finds it begins anew.
const MAKING: &str = "making";
const MAP: &str = "region.sealed";
const PARTITIONS: &str = "partitions";
/// The public keys of the region's logs, and the one that it cosigns with.
pub const KEYS_FILE: &str = "ledger.keys";

/// A region's folder, locked against every other process.
#[derive(Debug)]
pub struct RegionFolder {
    path: PathBuf,
    /// Holds the lock as long as it is open.
    _lock: File,
}

/// The operator's key, as it lies in the folder for the owner alone.
#[derive(Clone, Serialize, Deserialize)]
pub struct OperatorKey {
    /// The region.
    pub region: String,
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
}

impl std::fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperatorKey").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// A checkpoint that a witness cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// With its signatures.
    pub note: Note,
    /// The witness's name.
    pub by: String,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStep {
    /// Bytes that there are to read.
    Total(u64),
    /// Bytes read since the last step.
    Read(u64),
}

/// Why a region's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// The disk refuses.
    #[error("`{path}`: {error}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process has it open.
    #[error("the region in `{0}` is in use by another process; stop that one first, or choose another folder")]
    InUse(PathBuf),
    /// There are files, but no region.
    #[error("`{0}` is not empty and holds no region; choose another folder")]
    Foreign(PathBuf),
    /// Part of a region is missing.
    #[error("the region in `{path}` is incomplete: `{missing}` is missing; restore it from a backup")]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// The file.
        missing: &'static str,
    },
    /// It holds another region than the configuration names.
    #[error("`{path}` holds the region `{found}`, not `{expected}`")]
    Another {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The root key.
    #[error("the root key of the region in `{path}`: {error}")]
    Root {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: VaultError,
    },
    /// The store.
    #[error("the region in `{path}` cannot be opened: {fault}")]
    Store {
        /// The folder.
        path: PathBuf,
        /// Why.
        fault: Fault,
    },
}

impl RegionFolder {
    /// Makes the folder if it is missing, and locks it.
    ///
    /// # Errors
    /// [`RegionError`]: in use, unreadable, or with foreign files in it.
    pub fn open(path: &Path) -> Result<Self, RegionError> {
        let disk = |error| RegionError::Disk { path: path.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(disk)?;
        let known = [
            ROOT_KEY,
            LOCK,
            OPERATOR,
            MAKING,
            MAP,
            PARTITIONS,
            KEYS_FILE,
            "region.toml",
            "journal",
            "outbox",
            "inbox",
            "witnessed",
            CROSSING_KEYS_FILE,
            "peers",
        ];
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(disk)? {
            names.push(entry.map_err(disk)?.file_name());
        }
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        let foreign = names.iter().any(|name| !known.iter().any(|known| name == known));
        if !has(ROOT_KEY) && !has(MAKING) && (foreign || has(MAP) || has(PARTITIONS)) {
            return Err(match has(MAP) {
                true => RegionError::Incomplete { path: path.to_owned(), missing: ROOT_KEY },
                false => RegionError::Foreign(path.to_owned()),
            });
        }
        let lock_path = path.join(LOCK);
        let at_lock = |error| RegionError::Disk { path: lock_path.clone(), error };
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(&lock_path).map_err(at_lock)?;
        match try_lock_patiently(&lock) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(RegionError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(at_lock(error)),
        }
    }

    /// What the start-up says of where the root key lies.
    #[must_use]
    pub fn describe_root(&self) -> String {
        self.seal().describe()
    }

    fn seal(&self) -> FileSeal {
        FileSeal::new(self.path.join(ROOT_KEY))
    }

    fn root(&self) -> Result<Option<RootKey>, RegionError> {
        self.seal().load().map_err(|error| RegionError::Root { path: self.path.clone(), error })
    }

    /// The root key of a region that was made.
    fn root_made(&self) -> Result<RootKey, RegionError> {
        self.root()?.ok_or_else(|| RegionError::Incomplete { path: self.path.clone(), missing: ROOT_KEY })
    }

    fn store_error(&self, fault: Fault) -> RegionError {
        RegionError::Store { path: self.path.clone(), fault }
    }

    /// Opens the region's store; makes it when the folder is new.
    ///
    /// # Errors
    /// [`RegionError`].
    pub async fn open_or_make(&self, policy: Policy, setup: RegionSetup, moment: Moment) -> Result<Store, RegionError> {
        let disk = |error| RegionError::Disk { path: self.path.clone(), error };
        if self.path.join(MAKING).exists() {
            self.clear().map_err(disk)?;
        }
        if let Some(root) = self.root()? {
            let store = self.open_made(Arc::new(OsDisk::new(&self.path)), root, policy, &setup.name)?;
            crate::keeper::end_chains(&store, &moment).await.map_err(|fault| self.store_error(fault))?;
            return Ok(store);
        }
        File::create(self.path.join(MAKING)).and_then(|file| file.sync_all()).map_err(disk)?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(disk)?;
        let root_error = |error| RegionError::Root { path: self.path.clone(), error };
        let root = RootKey::generate().map_err(root_error)?;
        self.seal().store(&root).map_err(root_error)?;
        let floor = policy.label(&setup.floor).map(|label| policy.banner(label));
        let floor = floor.map_err(|error| self.store_error(Fault::Failed(error.to_string())))?;
        let entry = first_entry(&setup, &floor, &moment);
        let label = floor.clone();
        let first = move |rows: &mut dyn fastness_identity::DirectoryChange| create_operator(rows, &label, &moment);
        let name = setup.name.clone();
        let disk_of = Arc::new(OsDisk::new(&self.path));
        let (store, key) =
            Store::create(disk_of, root, policy, setup, first, entry).await.map_err(|fault| self.store_error(fault))?;
        let operator = OperatorKey {
            region: name,
            access_key_id: key.id.to_string(),
            secret_access_key: key.secret.reveal().to_owned(),
        };
        write_private(&self.path.join(OPERATOR), &serde_json::to_vec_pretty(&operator).unwrap_or_default())
            .and_then(|()| std::fs::remove_file(self.path.join(MAKING)))
            .and_then(|()| File::open(&self.path)?.sync_all())
            .map_err(disk)?;
        Ok(store)
    }

    /// Opens a region that was made before, to read it: what opening would change stays in memory.
    ///
    /// # Errors
    /// [`RegionError`], also when the folder holds no region.
    pub fn open_existing(&self, policy: Policy) -> Result<Store, RegionError> {
        match self.root()? {
            // On an overlay: whoever checks a folder changes nothing in it.
            Some(root) => {
                self.open_made(Arc::new(OverlayDisk::new(Arc::new(OsDisk::new(&self.path)))), root, policy, "")
            }
            None => Err(RegionError::Incomplete { path: self.path.clone(), missing: ROOT_KEY }),
        }
    }

    fn open_made(
        &self,
        disk: Arc<dyn Disk>,
        root: RootKey,
        policy: Policy,
        expected: &str,
    ) -> Result<Store, RegionError> {
        if !self.path.join(MAP).exists() {
            return Err(RegionError::Incomplete { path: self.path.clone(), missing: MAP });
        }
        let store = Store::open(disk, root, policy).map_err(|fault| self.store_error(fault))?;
        let found = store.setup().name;
        if !expected.is_empty() && found != expected {
            return Err(RegionError::Another { path: self.path.clone(), found, expected: expected.to_owned() });
        }
        Ok(store)
    }

    /// The keys that sign the region's logs.
    ///
    /// # Errors
    /// [`RegionError`] when there is no root key that they come from.
    pub fn signing_keys(&self) -> Result<SigningKeys, RegionError> {
        let root = self.root_made()?;
        fastness_ledger::region_keys(&root).map_err(|error| self.store_error(Fault::Failed(error.to_string())))
    }

    /// The key with which the region cosigns for those below it.
    ///
    /// # Errors
    /// [`RegionError`] when there is no root key that it comes from.
    pub fn witness_key(&self, region: &str) -> Result<WitnessKey, RegionError> {
        let root = self.root_made()?;
        witness_key(&root, region).map_err(|error| self.store_error(Fault::Failed(error.to_string())))
    }

    /// Writes the region's public keys beside its data, for whoever checks its logs.
    ///
    /// # Errors
    /// [`RegionError`].
    pub fn publish_keys(&self, region: &str) -> Result<(), RegionError> {
        let failed = |error: NoteError| self.store_error(Fault::Failed(error.to_string()));
        let mut keys = self.signing_keys()?.of_log(&region_keys_name(region)).to_vec();
        keys.push(self.witness_key(region)?.verifier().map_err(failed)?);
        self.publish(KEYS_FILE, &write_keys(&keys))
    }

    fn publish(&self, name: &str, text: &str) -> Result<(), RegionError> {
        let path = self.path.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
            return Ok(());
        }
        write_private(&path, text.as_bytes()).map_err(|error| RegionError::Disk { path, error })
    }

    /// The region's own keys for what crosses.
    ///
    /// # Errors
    /// [`RegionError`] when there is no root key that they come from.
    pub fn crossing_keys(&self, region: &RegionName) -> Result<OwnKeys, RegionError> {
        let root = self.root_made()?;
        OwnKeys::of(region, &root).map_err(|error: KeysError| self.store_error(Fault::Failed(error.to_string())))
    }

    /// Writes the region's public keys for what crosses beside its data, for the regions beside it.
    ///
    /// # Errors
    /// [`RegionError`].
    pub fn publish_crossing_keys(&self, own: &OwnKeys) -> Result<(), RegionError> {
        self.publish(CROSSING_KEYS_FILE, &own.peer().to_string())
    }

    /// Where the region's bundles wait.
    ///
    /// # Errors
    /// [`RegionError`] when there is no root key that the names of its folders come from.
    pub fn bundle_outbox(&self) -> Result<BundleOutbox, RegionError> {
        let failed = |error: VaultError| RegionError::Root { path: self.path.clone(), error };
        BundleOutbox::new(crossing_outbox(&self.path), &self.root_made()?).map_err(failed)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the region does about witnesses: shows its own checkpoints, and takes those of the regions below.
    #[must_use]
    pub fn witnessing(&self, witnessed: Vec<WitnessedRegion>) -> Witnessing {
        let inbox = |of: WitnessedRegion| {
            let folder = inbox_folder(&self.path, &of.region);
            Inbox::new(of, folder)
        };
        Witnessing {
            outbox: Some(Outbox::new(outbox_folder(&self.path))),
            inboxes: witnessed.into_iter().map(inbox).collect(),
        }
    }

    /// Checks every log of the region, also against what witnesses cosigned of it.
    ///
    /// # Errors
    /// [`RegionError`] when the region cannot be opened.
    pub fn verify(
        &self,
        store: &Store,
        known: &[Cosigned],
        progress: impl FnMut(u64),
    ) -> Result<Vec<LogReport>, RegionError> {
        let keys = self.signing_keys()?.of_log("fastness");
        let mut reports = fastness_ledger::verify(store, &keys, progress).map_err(|fault| self.store_error(fault))?;
        for report in &mut reports {
            let of_region = report.origin == Log::of_region(store).origin();
            let log = if of_region { Log::of_region(store) } else { Log::of_partition(store, report.label) };
            for one in known.iter().filter(|one| one.checkpoint.origin == report.origin) {
                let found = check_witnessed(&log, &keys, &one.note, &one.by);
                let found = found.unwrap_or_else(|error| Some(Finding::Log(error)));
                report.finding = report.finding.take().or(found);
            }
        }
        Ok(reports)
    }

    /// What the region cosigned of the logs of other regions.
    ///
    /// # Errors
    /// [`RegionError`], also when a cosigned checkpoint is not what this region cosigned.
    pub fn cosigned(&self, store: &Store, others: &[String]) -> Result<Vec<Cosigned>, RegionError> {
        let key = self.witness_key(&store.setup().name)?;
        let failed = |error: LogError| self.store_error(Fault::Failed(format!("what it cosigned as witness: {error}")));
        let verifier = key.verifier().map_err(|error| failed(error.into()))?;
        let mut found = Vec::new();
        for other in others {
            let kept = crate::witness::cosigned(store, &verifier, &region_origin(other)).map_err(failed)?;
            found.extend(kept.map(|(checkpoint, note)| Cosigned { checkpoint, note, by: key.name().to_owned() }));
        }
        Ok(found)
    }

    /// Checks everything in the folder: structure, authentication tags, what belongs to what, the ledgers. Changes
    /// nothing. `progress` is called with the bytes that there are to read, then with bytes as they are read.
    ///
    /// # Errors
    /// [`RegionError`] when there is no root key to check with.
    pub fn check(&self, policy: &Policy, progress: &mut dyn FnMut(CheckStep)) -> Result<CheckReport, RegionError> {
        let root = self.root_made()?;
        let operator = OperatorKey::load(&self.path);
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::new(&self.path));
        progress(CheckStep::Total(fastness_store::bytes_below(disk.as_ref())));
        let setup = CheckSetup {
            root: Arc::new(root),
            policy,
            ledger: &fastness_ledger::checker,
            operator: operator.as_ref().ok().map(|key| (key.access_key_id.clone(), key.secret_access_key.clone())),
        };
        let mut report = fastness_store::check(disk, &setup, &mut |bytes| progress(CheckStep::Read(bytes)));
        if let Err(error) = operator {
            report.findings.push(CheckFinding {
                gravity: Gravity::Wrong,
                folder: String::new(),
                label: String::new(),
                what: format!("the operator's key cannot be read: {error}"),
                advice: "restore `operator.json` from a backup; no other command needs it but `fastness account`"
                    .to_owned(),
            });
        }
        Ok(report)
    }

    /// Removes what an unfinished making left. Nobody has been told of anything in it.
    fn clear(&self) -> io::Result<()> {
        for name in [MAP, ROOT_KEY, OPERATOR] {
            match std::fs::remove_file(self.path.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match std::fs::remove_dir_all(self.path.join(PARTITIONS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl OperatorKey {
    /// Reads the operator's key from a region's folder.
    ///
    /// # Errors
    /// [`RegionError`] when it is not there or unreadable.
    pub fn load(folder: &Path) -> Result<Self, RegionError> {
        let path = folder.join(OPERATOR);
        let read = std::fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        read.map_err(|error| RegionError::Disk { path, error })
    }
}

/// Tries for two seconds: a process that was just killed holds its locks until it is gone.
///
/// # Errors
/// As [`File::try_lock`].
pub fn try_lock_patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..40 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(50)),
            result => return result,
        }
    }
    file.try_lock()
}

/// Writes a file that its owner alone may read; whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

fn first_entry(setup: &RegionSetup, floor: &str, moment: &Moment) -> Vec<u8> {
    Entry {
        time_ms: moment.now_ms,
        request: [0; 8],
        service: "fastness".to_owned(),
        operation: "MakeRegion".to_owned(),
        principal: "operator".to_owned(),
        account: String::new(),
        key: String::new(),
        label: floor.to_owned(),
        nationality: String::new(),
        duty: String::new(),
        agent: String::new(),
        resources: vec![format!("write region {}", setup.name)],
        outcome: Outcome::Done(None),
        source: String::new(),
    }
    .record(&moment.seed)
}

//! A disk in memory, for tests. Plain, it costs what its bytes cost, so that a test may make thousands of
//! them. With faults switched on it also remembers what was synced, and can be cut off from power.

use super::sparse::{CHUNK, Change, Dice, Sparse};
use super::{Disk, DiskFile, OpenMode, parts};
use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A disk in memory. Clones and views share their contents.
#[derive(Clone)]
pub struct MemoryDisk {
    shared: Arc<Shared>,
    /// Path of the folder that this view shows, empty for the whole disk.
    folder: String,
}

/// Which operations a planned fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Reading from files.
    Read,
    /// Writing, setting lengths, making, renaming and removing.
    Write,
    /// Giving files another name, alone.
    Rename,
    /// Removing files, alone.
    Remove,
    /// Syncing files and folders.
    Sync,
    /// `Write` and `Sync`.
    Change,
    /// All of them.
    Any,
}

struct Shared {
    names: RwLock<BTreeMap<String, Entry>>,
    space: Arc<Space>,
    faults: Option<Arc<Mutex<Faults>>>,
}

#[derive(Clone)]
enum Entry {
    Folder,
    File(Arc<Contents>),
}

/// Counts chunks, so that a full disk can be played; and files, so that each has chances of its own.
struct Space {
    used: AtomicU64,
    capacity: AtomicU64,
    files: AtomicU64,
}

struct Contents {
    bytes: RwLock<Sparse>,
    space: Arc<Space>,
    /// What of it is durable; there only when faults are switched on.
    journal: Option<Mutex<Journal>>,
}

struct Journal {
    durable: Sparse,
    pending: Vec<Change>,
    /// The file's number, by making: what chance does to it does not depend on its name, which may be random.
    number: u64,
}

#[derive(Default)]
struct Faults {
    names: BTreeMap<String, Entry>,
    pending: Vec<NameChange>,
    planned: Vec<Planned>,
    operations: u64,
    syncs: u64,
}

#[derive(Clone)]
enum NameChange {
    Create(String, Entry),
    Remove(String),
    Rename(String, String),
}

struct Planned {
    kind: FaultKind,
    after: u64,
    count: u64,
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDisk {
    /// An empty disk that never fails.
    #[must_use]
    pub fn new() -> Self {
        Self::made_of(BTreeMap::new(), Arc::new(Space::unlimited()), None)
    }

    /// An empty disk that remembers what was synced and fails as planned.
    #[must_use]
    pub fn with_faults() -> Self {
        let faults = Arc::new(Mutex::new(Faults::default()));
        Self::made_of(BTreeMap::new(), Arc::new(Space::unlimited()), Some(faults))
    }

    fn made_of(names: BTreeMap<String, Entry>, space: Arc<Space>, faults: Option<Arc<Mutex<Faults>>>) -> Self {
        let names = RwLock::new(names);
        let shared = Arc::new(Shared { names, space, faults });
        Self { shared, folder: String::new() }
    }

    /// The disk as power loss leaves it: what was synced is there; of all that was not, each write and each
    /// change of a name is kept, lost, or (a write) torn at sectors, as `seed` has it, whatever was done before
    /// or after it. This disk stays as it is, and so may crash many ways.
    ///
    /// Without [`MemoryDisk::with_faults`] everything counts as synced.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut names = match &self.shared.faults {
            None => read(&self.shared.names).clone(),
            Some(faults) => {
                let faults = lock(faults);
                let mut names = faults.names.clone();
                for change in &faults.pending {
                    if dice.kept() {
                        change.apply(&mut names);
                    }
                }
                names
            }
        };
        let whole = names.clone();
        names.retain(|path, _| folder_of(path).is_none_or(|folder| whole.contains_key(folder)));
        let space = Arc::new(Space::unlimited());
        for entry in names.values_mut() {
            if let Entry::File(contents) = entry {
                *contents = Arc::new(contents.after_crash(&dice, &space));
            }
        }
        let faults = Faults { names: names.clone(), ..Faults::default() };
        let mut crashed = Self::made_of(names, space, Some(Arc::new(Mutex::new(faults))));
        crashed.folder.clone_from(&self.folder);
        crashed
    }

    /// From now on the files may hold `bytes` altogether; a write beyond that fails with `StorageFull`.
    pub fn set_full(&self, bytes: u64) {
        let chunks = bytes / CHUNK as u64;
        self.shared.space.capacity.store(chunks, Ordering::Relaxed);
    }

    /// After `after` more operations of this kind, the next `count` of them fail. A write that fails may
    /// yet be found on the disk after a crash. Needs [`MemoryDisk::with_faults`].
    ///
    /// `fail_next(FaultKind::Change, n, u64::MAX)` stops the disk at its n-th change: then [`Self::crash`].
    pub fn fail_next(&self, kind: FaultKind, after: u64, count: u64) {
        if let Some(faults) = &self.shared.faults {
            lock(faults).planned.push(Planned { kind, after, count });
        }
    }

    /// Takes back every planned failure.
    pub fn heal(&self) {
        if let Some(faults) = &self.shared.faults {
            lock(faults).planned.clear();
        }
    }

    /// Inverts the lowest bit of one byte of a file; false when there is no such byte.
    pub fn flip_bit(&self, path: &str, offset: u64) -> bool {
        let Ok(Entry::File(contents)) = self.found(path) else {
            return false;
        };
        let flipped = write(&contents.bytes).flip(offset);
        if let Some(journal) = &contents.journal {
            lock(journal).durable.flip(offset);
        }
        flipped
    }

    /// Changes and syncs so far, and syncs alone; zero without [`MemoryDisk::with_faults`].
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.shared.faults.as_ref().map_or((0, 0), |faults| {
            let faults = lock(faults);
            (faults.operations, faults.syncs)
        })
    }

    fn path(&self, path: &str) -> io::Result<String> {
        let mut full = self.folder.clone();
        for part in parts(path)? {
            if !full.is_empty() {
                full.push('/');
            }
            full.push_str(part);
        }
        Ok(full)
    }

    fn found(&self, path: &str) -> io::Result<Entry> {
        let path = self.path(path)?;
        read(&self.shared.names).get(&path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn check(&self, kind: FaultKind) -> io::Result<()> {
        check(self.shared.faults.as_ref(), kind)
    }

    fn note(&self, change: NameChange) {
        if let Some(faults) = &self.shared.faults {
            lock(faults).pending.push(change);
        }
    }

    fn handle(&self, contents: Arc<Contents>, writable: bool) -> Arc<dyn DiskFile> {
        let faults = self.shared.faults.clone();
        Arc::new(MemoryFile { contents, faults, writable })
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        if mode == OpenMode::Read {
            return match self.found(path)? {
                Entry::File(contents) => Ok(self.handle(contents, false)),
                Entry::Folder => Err(io::ErrorKind::IsADirectory.into()),
            };
        }
        let path = self.path(path)?;
        let mut names = write(&self.shared.names);
        match names.get(&path) {
            Some(_) if mode == OpenMode::CreateNew => Err(io::ErrorKind::AlreadyExists.into()),
            Some(Entry::File(contents)) => Ok(self.handle(contents.clone(), true)),
            Some(Entry::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => {
                self.check(FaultKind::Write)?;
                let is_folder = |folder| matches!(names.get(folder), Some(Entry::Folder));
                if !folder_of(&path).is_none_or(is_folder) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                let faulty = self.shared.faults.is_some();
                let space = self.shared.space.clone();
                let contents = Arc::new(Contents::new(Sparse::default(), space, faulty));
                let entry = Entry::File(contents.clone());
                names.insert(path.clone(), entry.clone());
                self.note(NameChange::Create(path, entry));
                Ok(self.handle(contents, true))
            }
        }
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.check(FaultKind::Remove)?;
        let path = self.path(path)?;
        let mut names = write(&self.shared.names);
        match names.get(&path) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Entry::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            Some(Entry::File(_)) => {
                names.remove(&path);
                self.note(NameChange::Remove(path));
                Ok(())
            }
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check(FaultKind::Rename)?;
        let (from, to) = (self.path(from)?, self.path(to)?);
        let mut names = write(&self.shared.names);
        match (names.get(&from), names.get(&to)) {
            (None, _) => Err(io::ErrorKind::NotFound.into()),
            (Some(Entry::Folder), _) | (_, Some(Entry::Folder)) => Err(io::ErrorKind::IsADirectory.into()),
            (Some(Entry::File(_)), _) => {
                let change = NameChange::Rename(from, to);
                change.apply(&mut names);
                self.note(change);
                Ok(())
            }
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.check(FaultKind::Read)?;
        let mut prefix = self.path(folder)?;
        let names = read(&self.shared.names);
        if !prefix.is_empty() {
            match names.get(&prefix) {
                Some(Entry::Folder) => {}
                Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            }
            prefix.push('/');
        }
        let below = names.range(prefix.clone()..);
        let own = below.map_while(|(path, _)| path.strip_prefix(&prefix));
        Ok(own.filter(|name| !name.contains('/')).map(String::from).collect())
    }

    fn create_folder(&self, path: &str) -> io::Result<()> {
        self.check(FaultKind::Write)?;
        let path = self.path(path)?;
        let mut names = write(&self.shared.names);
        let ends = path.match_indices('/').map(|(end, _)| end);
        for end in ends.chain([path.len()]) {
            let Some(folder) = path.get(..end).filter(|folder| !folder.is_empty()) else {
                continue;
            };
            match names.get(folder) {
                Some(Entry::Folder) => {}
                Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    names.insert(folder.into(), Entry::Folder);
                    self.note(NameChange::Create(folder.into(), Entry::Folder));
                }
            }
        }
        Ok(())
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        self.check(FaultKind::Sync)?;
        let path = self.path(path)?;
        if !path.is_empty() && !matches!(read(&self.shared.names).get(&path), Some(Entry::Folder)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Some(faults) = &self.shared.faults {
            let mut faults = lock(faults);
            let Faults { names, pending, .. } = &mut *faults;
            pending.retain(|change| {
                let synced = change.touches(&path);
                if synced {
                    change.apply(names);
                }
                !synced
            });
        }
        Ok(())
    }

    fn exists(&self, path: &str) -> bool {
        let is_root = |path: String| path.is_empty();
        self.path(path).is_ok_and(is_root) || self.found(path).is_ok()
    }

    fn folder(&self, path: &str) -> Arc<dyn Disk> {
        let folder = self.path(path).unwrap_or_else(|_| "\0".into());
        Arc::new(Self { shared: self.shared.clone(), folder })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let space = &self.shared.space;
        let capacity = space.capacity.load(Ordering::Relaxed);
        let used = space.used.load(Ordering::Relaxed);
        Ok(capacity.saturating_sub(used).saturating_mul(CHUNK as u64))
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MemoryDisk(`{}`)", self.folder)
    }
}

struct MemoryFile {
    contents: Arc<Contents>,
    faults: Option<Arc<Mutex<Faults>>>,
    writable: bool,
}

impl MemoryFile {
    /// Does `change`, and remembers it as not yet durable where that is asked for.
    fn change(&self, change: Change) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let Some(journal) = &self.contents.journal else {
            return self.contents.apply(&change);
        };
        let checked = check(self.faults.as_ref(), FaultKind::Write);
        if checked.is_ok() {
            self.contents.apply(&change)?;
        }
        // Also after a fault: what a disk does with a write that failed is not known.
        lock(journal).pending.push(change);
        checked
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        check(self.faults.as_ref(), FaultKind::Read)?;
        Ok(read(&self.contents.bytes).read(offset, out))
    }

    fn write_all_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.contents.journal.is_none() && self.writable {
            return self.contents.write(offset, data);
        }
        self.change(Change::Write { offset, data: data.to_vec() })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(read(&self.contents.bytes).length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let checked = check(self.faults.as_ref(), FaultKind::Sync);
        if let Some(journal) = &self.contents.journal {
            let mut journal = lock(journal);
            let Journal { durable, pending, number } = &mut *journal;
            // A sync that failed leaves what it should have written on the disk or not, and the system takes it for
            // written: no later sync writes it again.
            let mut dice = Dice::new(*number).of_file(pending.len() as u64);
            for change in pending.drain(..) {
                if checked.is_ok() || dice.kept() {
                    durable.apply(&change);
                }
            }
        }
        checked
    }

    fn forget_cached(&self) -> io::Result<()> {
        if let Some(journal) = &self.contents.journal {
            let journal = lock(journal);
            let mut bytes = write(&self.contents.bytes);
            let before = bytes.allocated();
            *bytes = journal.durable.clone();
            journal.pending.iter().for_each(|change| bytes.apply(change));
            let space = &self.contents.space.used;
            space.fetch_add(bytes.allocated(), Ordering::Relaxed);
            space.fetch_sub(before, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MemoryFile")
    }
}

impl Contents {
    fn new(bytes: Sparse, space: Arc<Space>, faulty: bool) -> Self {
        space.used.fetch_add(bytes.allocated(), Ordering::Relaxed);
        let number = space.files.fetch_add(1, Ordering::Relaxed);
        let durable = || Mutex::new(Journal { durable: bytes.clone(), pending: Vec::new(), number });
        Self { journal: faulty.then(durable), bytes: RwLock::new(bytes), space }
    }

    fn apply(&self, change: &Change) -> io::Result<()> {
        match change {
            Change::Write { offset, data } => self.write(*offset, data),
            Change::Length(length) => {
                let freed = write(&self.bytes).set_length(*length);
                self.space.used.fetch_sub(freed, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = write(&self.bytes);
        let missing = bytes.missing(offset, data.len());
        if missing > 0 {
            let used = self.space.used.fetch_add(missing, Ordering::Relaxed) + missing;
            if used > self.space.capacity.load(Ordering::Relaxed) {
                self.space.used.fetch_sub(missing, Ordering::Relaxed);
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        bytes.write(offset, data);
        Ok(())
    }

    fn after_crash(&self, dice: &Dice, space: &Arc<Space>) -> Self {
        let left = match &self.journal {
            None => read(&self.bytes).clone(),
            Some(journal) => {
                let journal = lock(journal);
                let mut dice = dice.of_file(journal.number);
                let mut left = journal.durable.clone();
                for change in &journal.pending {
                    match change {
                        Change::Write { offset, data } if dice.torn() => {
                            left.write_sectors(*offset, data, &mut dice);
                        }
                        change if dice.kept() => left.apply(change),
                        _ => {}
                    }
                }
                left
            }
        };
        Self::new(left, space.clone(), true)
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        let allocated = read(&self.bytes).allocated();
        self.space.used.fetch_sub(allocated, Ordering::Relaxed);
    }
}

impl Space {
    fn unlimited() -> Self {
        Self { used: AtomicU64::new(0), capacity: AtomicU64::new(u64::MAX), files: AtomicU64::new(0) }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Entry>) {
        match self {
            Self::Create(path, entry) => {
                names.insert(path.clone(), entry.clone());
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(entry) = names.remove(from) {
                    names.insert(to.clone(), entry);
                }
            }
        }
    }

    fn touches(&self, folder: &str) -> bool {
        let path = match self {
            Self::Create(path, _) | Self::Remove(path) | Self::Rename(_, path) => path,
        };
        folder_of(path).unwrap_or_default() == folder
    }
}

fn check(faults: Option<&Arc<Mutex<Faults>>>, kind: FaultKind) -> io::Result<()> {
    let Some(faults) = faults else { return Ok(()) };
    let mut faults = lock(faults);
    if kind != FaultKind::Read {
        faults.operations += 1;
        faults.syncs += u64::from(kind == FaultKind::Sync);
    }
    let mut failed = false;
    for planned in faults.planned.iter_mut().filter(|planned| planned.kind.meets(kind)) {
        if planned.after > 0 {
            planned.after -= 1;
        } else if planned.count > 0 {
            planned.count -= 1;
            failed = true;
        }
    }
    if failed {
        return Err(io::Error::other("a fault that the test planned"));
    }
    Ok(())
}

impl FaultKind {
    fn meets(self, kind: Self) -> bool {
        match self {
            Self::Any => true,
            Self::Change => kind != Self::Read,
            Self::Write => matches!(kind, Self::Write | Self::Rename | Self::Remove),
            Self::Read | Self::Sync | Self::Rename | Self::Remove => self == kind,
        }
    }
}

fn folder_of(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(folder, _)| folder)
}

// A test's panic elsewhere leaves the disk's own data whole, so a poisoned lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

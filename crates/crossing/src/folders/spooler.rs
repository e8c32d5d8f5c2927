//! Who gives staged bundles their numbers, signs them, and shows them to carriers.

use super::kept::{self, Kept};
use super::names::{PlacedName, bundle_file_name, ready_numbers};
use super::outbox::{Shared, label_folders, placed_names, staged_names};
use crate::{BundleError, NUMBER_MAX, OwnKeys, Signed, files, sign};
use fastness_operation::BundleId;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Gives numbers to the bundles for one region: [`next`](Self::next), then the entry in the ledger, then
/// [`show`](Self::show). After a crash it begins with what had its number and was not shown.
#[derive(Debug)]
pub struct Spooler {
    shared: Arc<Shared>,
    pair: PathBuf,
    /// What is kept; nothing before the folder was read.
    kept: Option<Kept>,
    /// The folder of the label that had its turn last.
    last: Option<PathBuf>,
    /// Files that cannot be signed, and are passed over.
    stuck: BTreeSet<PathBuf>,
}

/// A bundle that has its number and is signed, and that no carrier has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// Its number.
    pub number: NonZeroU64,
    /// Its id.
    pub id: BundleId,
    /// SHA-256 of the text that was signed, and the length of the file.
    pub signed: Signed,
}

/// Why no bundle could be given a number.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk failed; to be tried again.
    #[error("the outbox cannot be read or written")]
    Disk(#[from] io::Error),
    /// A staged file is no bundle. It is passed over until the region starts anew.
    #[error("`{path}` cannot be signed, and is passed over: {error}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: BundleError,
    },
    /// All numbers are given.
    #[error("all numbers of this pair of regions are given")]
    NoMoreNumbers,
}

impl Spooler {
    pub(super) const fn new(shared: Arc<Shared>, pair: PathBuf) -> Self {
        Self { shared, pair, kept: None, last: None, stuck: BTreeSet::new() }
    }

    /// The next bundle: labels take turns, and each label's come in the order in which they were written.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub fn next(&mut self, own: &OwnKeys) -> Result<Option<Numbered>, SpoolError> {
        let shared = Arc::clone(&self.shared);
        let _lock = shared.lock();
        self.open()?;
        if let Some(name) = self.unseen()? {
            return self.sign_again(name, own).map(Some);
        }
        let Some((path, id)) = self.waiting()? else { return Ok(None) };
        self.number(&path, id, own).map(Some)
    }

    /// Lets carriers see a bundle: once the ledger says that it has its number.
    ///
    /// # Errors
    /// As the file system; it comes again from [`next`](Self::next).
    pub fn show(&mut self, numbered: &Numbered) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let _lock = shared.lock();
        let ready = self.pair.join("ready");
        let seen = ready.join(bundle_file_name(numbered.number));
        // Somebody may have dropped it in between.
        if files::mark(&unseen(&seen))?.is_some() {
            self.shared.disk.rename(&unseen(&seen), &seen)?;
            self.shared.disk.sync_folder(&ready)?;
        }
        Ok(())
    }

    /// Forgets what carriers took, so that its label may write more; and what need not be kept any longer.
    ///
    /// # Errors
    /// As the file system.
    pub fn tidy(&mut self, now: SystemTime) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let _lock = shared.lock();
        self.open()?;
        let ready = self.pair.join("ready");
        let is_taken = |number: NonZeroU64| {
            let seen = ready.join(bundle_file_name(number));
            Ok::<_, io::Error>(files::mark(&seen)?.is_none() && files::mark(&unseen(&seen))?.is_none())
        };
        // Those that are ready again are staged no longer, and wait all the same; so does what this region sent to itself and
        // no mapping let in.
        let mut waiting: BTreeSet<NonZeroU64> = ready_numbers(&ready)?.into_iter().collect();
        waiting.extend(ready_numbers(&self.pair.join("refused"))?);
        for folder in label_folders(&self.pair)? {
            let mut is_changed = false;
            for name in staged_names(&folder)? {
                match self.number_of(&name.id) {
                    Some(number) if is_taken(number)? => {
                        self.shared.disk.remove(&folder.join(name.as_staged()))?;
                        is_changed = true;
                    }
                    Some(number) => drop(waiting.insert(number)),
                    None => {}
                }
            }
            if is_changed {
                self.shared.disk.sync_folder(&folder)?;
            }
        }
        match &mut self.kept {
            Some(kept) => kept.prune(&self.shared.disk, &self.pair, now, |name| waiting.contains(&name.place)),
            None => Ok(()),
        }
    }

    /// Reads what is kept, the first time; and removes what a crash left that has no number.
    fn open(&mut self) -> io::Result<()> {
        if self.kept.is_some() {
            return Ok(());
        }
        let (kept, ready) = (self.pair.join("kept"), self.pair.join("ready"));
        for folder in [&kept, &ready] {
            self.shared.disk.make_folder(folder)?;
        }
        let found = Kept::read(&kept)?;
        let given: BTreeSet<NonZeroU64> = found.names().map(|name| name.place).collect();
        for name in files::Listing::read(&ready, usize::MAX)?.unfinished {
            let number = name.to_str().and_then(|name| super::number_of(name.strip_suffix(files::UNFINISHED)?));
            if number.is_some_and(|number| !given.contains(&number)) {
                self.shared.disk.remove(&ready.join(name))?;
            }
        }
        self.kept = Some(found);
        Ok(())
    }

    /// A bundle that has its number, and that nobody has seen.
    fn unseen(&self) -> io::Result<Option<PlacedName>> {
        let ready = self.pair.join("ready");
        let mut newest = self.kept.iter().flat_map(Kept::names).rev();
        // One at a time is between its number and being shown.
        let Some(name) = newest.next() else { return Ok(None) };
        if files::mark(&unseen(&ready.join(bundle_file_name(name.place))))?.is_none() {
            return Ok(None);
        }
        // What is held, and has its link still since a crash came between, is not shown.
        for folder in label_folders(&self.pair)? {
            if placed_names(&folder, PlacedName::held)?.iter().any(|held| held.id == name.id) {
                return Ok(None);
            }
        }
        Ok(Some(name.clone()))
    }

    /// What was signed of a bundle that has its number already: the same text again.
    fn sign_again(&self, name: PlacedName, own: &OwnKeys) -> Result<Numbered, SpoolError> {
        let path = self.pair.join("kept").join(name.as_kept());
        let signed = self.sign(&path, name.place, own)?;
        Ok(Numbered { number: name.place, id: name.id, signed })
    }

    /// The staged bundle whose turn it is.
    fn waiting(&mut self) -> io::Result<Option<(PathBuf, BundleId)>> {
        let mut folders = label_folders(&self.pair)?;
        let after = folders.iter().position(|folder| self.last.as_ref().is_some_and(|last| folder > last));
        folders.rotate_left(after.unwrap_or(0));
        for folder in folders {
            for name in staged_names(&folder)? {
                let path = folder.join(name.as_staged());
                if self.number_of(&name.id).is_none() && !self.stuck.contains(&path) {
                    self.last = Some(folder);
                    return Ok(Some((path, name.id)));
                }
            }
        }
        Ok(None)
    }

    /// Gives a staged bundle the next number.
    fn number(&mut self, path: &Path, id: BundleId, own: &OwnKeys) -> Result<Numbered, SpoolError> {
        let disk = &self.shared.disk;
        let next = kept::next(&self.pair, self.kept.as_ref().and_then(Kept::highest))?;
        let number = NonZeroU64::new(next).filter(|_| next <= NUMBER_MAX).ok_or(SpoolError::NoMoreNumbers)?;
        let signed = match self.sign(path, number, own) {
            Err(SpoolError::Unusable { path, error }) => {
                self.stuck.insert(path.clone());
                return Err(SpoolError::Unusable { path, error });
            }
            signed => signed?,
        };
        let (kept, ready) = (self.pair.join("kept"), self.pair.join("ready"));
        disk.link(path, &unseen(&ready.join(bundle_file_name(number))))?;
        disk.sync_folder(&ready)?;
        let name = PlacedName { place: number, id: id.clone() };
        // From here on the number is given.
        disk.link(path, &kept.join(name.as_kept()))?;
        if let Some(all) = &mut self.kept {
            all.insert(name, signed.length);
        }
        disk.sync_folder(&kept)?;
        Ok(Numbered { number, id, signed })
    }

    fn sign(&self, path: &Path, number: NonZeroU64, own: &OwnKeys) -> Result<Signed, SpoolError> {
        self.shared.disk.will_write(path)?;
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let signed = sign(&mut file, number, own).map_err(|error| match error {
            BundleError::Disk(error) => SpoolError::Disk(error),
            error => SpoolError::Unusable { path: path.to_owned(), error },
        })?;
        self.shared.disk.sync_file(&file, path)?;
        Ok(signed)
    }

    fn number_of(&self, id: &BundleId) -> Option<NonZeroU64> {
        self.kept.as_ref()?.number(id)
    }
}

/// The name of what is ready while carriers are not to see it.
fn unseen(seen: &Path) -> PathBuf {
    seen.with_extension("bundle.new")
}

//! What a region sends: bundles that are staged, and those that are sent again.

use super::disk::Disk;
use super::kept;
use super::names::{FolderNames, PlacedName, bundle_file_name};
use super::spooler::Spooler;
use crate::files;
use fastness_operation::{BundleId, RegionName};
use fastness_vault::{RootKey, VaultError};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most bundles of one label for one region that wait; then its lifts wait, too. Other labels are not counted, so that
/// they do not feel it.
pub const STAGED_MAX: usize = 256;

/// The outbox of a region, with a folder for each region that it sends to.
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    folder: PathBuf,
    names: FolderNames,
    pub(super) disk: Disk,
    /// Held by whoever gives numbers, or takes kept bundles away.
    numbers: Mutex<()>,
}

/// A bundle that is being written. Unless it is [`finish`](Self::finish)ed, its file goes.
#[derive(Debug)]
pub struct NewBundle {
    shared: Arc<Shared>,
    folder: PathBuf,
    name: PlacedName,
    file: File,
    is_finished: bool,
}

/// A bundle that is written and durable, and not sent yet: nothing reads it before [`release`](Self::release). What a crash
/// leaves of it is decided by [`Outbox::settle`].
#[derive(Debug)]
pub struct WholeBundle {
    shared: Arc<Shared>,
    folder: PathBuf,
    name: PlacedName,
}

/// What became of numbers that are to be sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resent {
    /// Those that are ready again.
    pub again: Vec<NonZeroU64>,
    /// Those that are kept no longer, or were never given.
    pub gone: Vec<NonZeroU64>,
}

impl Outbox {
    /// The outbox in a folder, of the region with this root key.
    ///
    /// # Errors
    /// When the names of its folders cannot be derived.
    pub fn new(folder: PathBuf, root: &RootKey) -> Result<Self, VaultError> {
        let names = FolderNames::of(root)?;
        let shared = Shared { folder, names, disk: Disk::default(), numbers: Mutex::new(()) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A file for a bundle of one label, behind all that the label's work wrote before.
    ///
    /// # Errors
    /// As the file system.
    pub fn stage(&self, to: &RegionName, banner: &str, id: &BundleId) -> io::Result<NewBundle> {
        let folder = self.shared.label_folder(to, banner);
        self.shared.disk.make_folder(&folder)?;
        let last = staged_names(&folder)?.last().map_or(0, |name| name.place.get());
        let place = NonZeroU64::MIN.saturating_add(last);
        let name = PlacedName { place, id: id.clone() };
        let path = folder.join(unfinished(&name));
        let mut options = OpenOptions::new();
        let file = options.create_new(true).read(true).write(true).mode(0o600).open(path)?;
        Ok(NewBundle { shared: Arc::clone(&self.shared), folder, name, file, is_finished: false })
    }

    /// How many bundles of a label wait for a carrier, those with numbers among them.
    ///
    /// # Errors
    /// As the file system.
    pub fn staged(&self, to: &RegionName, banner: &str) -> io::Result<usize> {
        staged_names(&self.shared.label_folder(to, banner)).map(|names| names.len())
    }

    /// At the start of the region, for each label and each region that it sends to: releases the bundles that a crash left
    /// whole and that the label's rows say were sent; the others go.
    ///
    /// # Errors
    /// As the file system.
    pub fn settle(&self, to: &RegionName, banner: &str, mut is_sent: impl FnMut(&BundleId) -> bool) -> io::Result<()> {
        let folder = self.shared.label_folder(to, banner);
        let listing = match files::Listing::read(&folder, usize::MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            listing => listing?,
        };
        let disk = &self.shared.disk;
        for found in &listing.unfinished {
            let name = found.to_str().and_then(|name| PlacedName::staged(name.strip_suffix(files::UNFINISHED)?));
            match name.filter(|name| is_sent(&name.id)) {
                Some(name) => disk.rename(&folder.join(found), &folder.join(name.as_staged()))?,
                None => disk.remove(&folder.join(found))?,
            }
        }
        if listing.unfinished.is_empty() { Ok(()) } else { disk.sync_folder(&folder) }
    }

    /// Who gives numbers to bundles for a region. One at a time works on a folder.
    #[must_use]
    pub fn spooler(&self, to: &RegionName) -> Spooler {
        Spooler::new(Arc::clone(&self.shared), self.shared.pair_folder(to))
    }

    /// Makes bundles that were sent ready again, as far as they are kept.
    ///
    /// # Errors
    /// As the file system; some may be ready again then. [`RESEND_MAX`] numbers wait for a diode already.
    pub fn resend(&self, to: &RegionName, numbers: &[NonZeroU64]) -> io::Result<Resent> {
        let (_lock, folder) = (self.shared.lock(), self.shared.pair_folder(to));
        let (kept, ready) = (folder.join("kept"), folder.join("ready"));
        let mut resent = Resent::default();
        let names = kept::names(&kept)?;
        let mut links = Vec::new();
        for number in numbers {
            match names.iter().find(|name| name.place == *number) {
                Some(name) => {
                    let unseen = ready.join(format!("{}{}", bundle_file_name(*number), files::UNFINISHED));
                    // One that was not seen yet comes by itself.
                    if files::mark(&unseen)?.is_none() {
                        links.push((kept.join(name.as_kept()), ready.join(bundle_file_name(*number))));
                    }
                    resent.again.push(*number);
                }
                None => resent.gone.push(*number),
            }
        }
        if resent.again.is_empty() {
            return Ok(resent);
        }
        // A diode remembers what it sent, and has to be told before it sees the files: what it finds of which it knows
        // that it was sent, it removes. What it was told before, and did not take yet, stays.
        let mut asked = asked_before(&folder)?;
        asked.extend(&resent.again);
        if asked.len() > RESEND_MAX {
            return Err(io::Error::other(format!("{RESEND_MAX} bundles wait for a diode to be sent again")));
        }
        let lines: String = asked.iter().map(|number| format!("{number}\n")).collect();
        self.shared.disk.put(&folder, RESEND, lines.as_bytes())?;
        links.iter().try_for_each(|(from, to)| self.shared.disk.link(from, to))?;
        self.shared.disk.sync_folder(&ready)?;
        Ok(resent)
    }

    /// Takes bundles that hold what must not be sent any more away from carriers, wherever they lie; which of them were there.
    /// Those that nobody had taken yet are [`held`](Self::held), the others are gone. A number that one of them has is not
    /// given again.
    ///
    /// # Errors
    /// As the file system; some may be held or gone then.
    pub fn hold_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>> {
        self.take_away(to, ids, true)
    }

    /// The bundles of a label that are held, by the regions that they were for: those that have a folder here.
    ///
    /// # Errors
    /// As the file system.
    pub fn held(&self, banner: &str) -> io::Result<BTreeMap<RegionName, BTreeSet<BundleId>>> {
        let mut all = BTreeMap::new();
        let names = match files::names(&self.shared.folder, usize::MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
            names => names?,
        };
        for to in names.iter().filter_map(|name| RegionName::new(name.to_str()?).ok()) {
            let held = placed_names(&self.shared.label_folder(&to, banner), PlacedName::held)?;
            let held: BTreeSet<BundleId> = held.into_iter().map(|name| name.id).collect();
            all.extend((!held.is_empty()).then_some((to, held)));
        }
        Ok(all)
    }

    /// Removes bundles wherever they lie, also those that are held; which of them were there. A number that one of them has
    /// is not given again.
    ///
    /// # Errors
    /// As the file system; some may be gone then.
    pub fn drop_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>> {
        self.take_away(to, ids, false)
    }

    fn take_away(&self, to: &RegionName, ids: &BTreeSet<BundleId>, hold: bool) -> io::Result<BTreeSet<BundleId>> {
        let (_lock, folder) = (self.shared.lock(), self.shared.pair_folder(to));
        let disk = &self.shared.disk;
        let (kept, ready, refused) = (folder.join("kept"), folder.join("ready"), folder.join("refused"));
        let names = kept::names(&kept)?;
        let (mut carriers, mut ours) = (Vec::new(), Vec::new());
        let (mut taken, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for name in names.iter().filter(|name| ids.contains(&name.id)) {
            let seen = ready.join(bundle_file_name(name.place));
            let of_carrier = [seen.with_extension("bundle.new"), seen];
            let is_ready = of_carrier.iter().map(|path| files::mark(path)).collect::<io::Result<Vec<_>>>()?;
            if is_ready.iter().all(Option::is_none) {
                taken.insert(&name.id);
            }
            gone.insert(name.id.clone());
            carriers.extend(of_carrier);
            // Of what the region sends to itself, what no mapping let in was set aside here.
            ours.extend([refused.join(bundle_file_name(name.place)), kept.join(name.as_kept())]);
        }
        // What waits is held before its links go: a crash between loses neither, and whoever finds it held goes on. What fails
        // here does not leave it to carriers.
        let held = self.take_staged(&folder, ids, hold.then_some(&taken));
        let all: Vec<_> = carriers.iter().map(|path| disk.remove(path)).collect();
        if !carriers.is_empty() {
            disk.sync_folder(&ready)?;
        }
        all.into_iter().collect::<io::Result<()>>()?;
        gone.extend(held?);
        if !ours.is_empty() {
            kept::write_next(disk, &folder, &names)?;
            ours.iter().try_for_each(|path| disk.remove(path))?;
            if files::mark(&refused)?.is_some() {
                disk.sync_folder(&refused)?;
            }
            disk.sync_folder(&kept)?;
        }
        Ok(gone)
    }

    /// Renames what is staged of these bundles, but for those that were taken, which are removed; which were there. Without
    /// `taken` all of them are removed, those that are held, too.
    fn take_staged(
        &self,
        pair: &Path,
        ids: &BTreeSet<BundleId>,
        taken: Option<&BTreeSet<&BundleId>>,
    ) -> io::Result<BTreeSet<BundleId>> {
        let (disk, mut gone, mut failed) = (&self.shared.disk, BTreeSet::new(), None);
        for label in label_folders(pair)? {
            let mut waiting = Vec::new();
            for name in staged_names(&label)? {
                waiting.push((label.join(name.as_staged()), name));
            }
            // The ledger says that they went: they are whole, and only have not got their names.
            for found in files::Listing::read(&label, usize::MAX)?.unfinished {
                let name = found.to_str().and_then(|name| PlacedName::staged(name.strip_suffix(files::UNFINISHED)?));
                waiting.extend(name.map(|name| (label.join(&found), name)));
            }
            let mut steps: Vec<(BundleId, io::Result<()>)> = Vec::new();
            for (path, name) in waiting.into_iter().filter(|(_, name)| ids.contains(&name.id)) {
                let is_held = taken.is_some_and(|taken| !taken.contains(&name.id));
                let done = if is_held { disk.rename(&path, &label.join(name.as_held())) } else { disk.remove(&path) };
                steps.push((name.id, done));
            }
            let held = if taken.is_none() { placed_names(&label, PlacedName::held)? } else { Vec::new() };
            for name in held.into_iter().filter(|name| ids.contains(&name.id)) {
                let done = disk.remove(&label.join(name.as_held()));
                steps.push((name.id, done));
            }
            let is_changed = !steps.is_empty();
            // All of them, whatever becomes of one.
            for (id, done) in steps {
                match done {
                    Ok(()) => drop(gone.insert(id)),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if is_changed && let Err(error) = disk.sync_folder(&label) {
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(gone), Err)
    }

    #[cfg(test)]
    pub(super) fn disk(&self) -> &Disk {
        &self.shared.disk
    }
}

/// The file beside `ready/` with the numbers that are sent again, one a line, for a carrier that remembers what it sent.
const RESEND: &str = "resend";

/// The most numbers in it.
const RESEND_MAX: usize = 65_536;

/// The numbers that are to be sent again, and that no carrier took yet.
fn asked_before(pair: &Path) -> io::Result<BTreeSet<NonZeroU64>> {
    // Ten digits each, and what ends a line.
    let content = match files::read(&pair.join(RESEND), RESEND_MAX * 11) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        content => content?,
    };
    // What somebody else put there asks for nothing.
    let files::Content::Bytes(bytes) = content else { return Ok(BTreeSet::new()) };
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse().ok()).collect())
}

impl Shared {
    fn pair_folder(&self, to: &RegionName) -> PathBuf {
        self.folder.join(to.as_str())
    }

    fn label_folder(&self, to: &RegionName, banner: &str) -> PathBuf {
        self.pair_folder(to).join("staged").join(self.names.of_label(to, banner))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewBundle {
    /// The file to write into, from its start.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// As the file system; the file goes.
    pub fn finish(mut self) -> io::Result<WholeBundle> {
        let path = self.folder.join(unfinished(&self.name));
        self.shared.disk.sync_file(&self.file, &path)?;
        self.shared.disk.sync_folder(&self.folder)?;
        self.is_finished = true;
        Ok(WholeBundle { shared: Arc::clone(&self.shared), folder: self.folder.clone(), name: self.name.clone() })
    }
}

impl Drop for NewBundle {
    fn drop(&mut self) {
        if !self.is_finished {
            // What stays behind goes at the next start.
            let _gone = self.shared.disk.remove(&self.folder.join(unfinished(&self.name)));
        }
    }
}

impl WholeBundle {
    /// Hands the bundle to the spooler: after what the label's rows say of it is durable.
    ///
    /// # Errors
    /// As the file system; then it is [`Outbox::settle`]d at the next start.
    pub fn release(self) -> io::Result<()> {
        let (from, to) = (self.folder.join(unfinished(&self.name)), self.folder.join(self.name.as_staged()));
        self.shared.disk.rename(&from, &to)?;
        self.shared.disk.sync_folder(&self.folder)
    }

    /// Removes the bundle: the label's rows do not name it.
    ///
    /// # Errors
    /// As the file system.
    pub fn discard(self) -> io::Result<()> {
        self.shared.disk.remove(&self.folder.join(unfinished(&self.name)))
    }
}

fn unfinished(name: &PlacedName) -> String {
    format!("{}{}", name.as_staged(), files::UNFINISHED)
}

/// What a label's work wrote, in order; nothing when there is no such folder yet.
pub(super) fn staged_names(folder: &Path) -> io::Result<Vec<PlacedName>> {
    placed_names(folder, PlacedName::staged)
}

pub(super) fn placed_names(folder: &Path, of: fn(&str) -> Option<PlacedName>) -> io::Result<Vec<PlacedName>> {
    let names = match files::names(folder, usize::MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    Ok(names.iter().filter_map(|name| of(name.to_str()?)).collect())
}

/// The folders of labels that something was ever staged in, in order.
pub(super) fn label_folders(pair: &Path) -> io::Result<Vec<PathBuf>> {
    let staged = pair.join("staged");
    match files::names(&staged, usize::MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => Ok(names?.iter().map(|name| staged.join(name)).collect()),
    }
}

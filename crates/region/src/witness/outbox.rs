//! What a region shows of its checkpoints to those above.

use fastness_crossing::carry::{asked_folder, shown_name, sizes_of};
use fastness_crossing::files;
use fastness_ledger::{Log, VerifierKey};
use fastness_store::Store;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Most bundles that lie in an outbox; then the oldest goes with each new one. A carrier who comes later than that, or lost
/// one, asks for a bundle from where they stopped.
const BUNDLES_MAX: usize = 4096;

/// Questions that are answered in one look, and names that are looked at for them.
const ASKED_MAX: usize = 16;
const ASKED_NAMES_MAX: usize = 1024;

/// Where a region puts bundles.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
    /// The size that the last bundle is over, once the folder was looked through.
    shown: Option<u64>,
    /// The checkpoint that was looked at the last time.
    seen: Option<Vec<u8>>,
    /// Bundles there, and how many there may be.
    count: usize,
    max: usize,
    /// What cannot be removed from where carriers ask: no question.
    stuck: BTreeSet<OsString>,
}

impl Outbox {
    /// The outbox in a folder, which is made when it is missing.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self::holding(folder, BUNDLES_MAX)
    }

    /// The same, with so many bundles at most.
    #[must_use]
    pub const fn holding(folder: PathBuf, max: usize) -> Self {
        Self { folder, shown: None, seen: None, count: 0, max, stuck: BTreeSet::new() }
    }

    /// Puts a bundle there for what is new of the region's log, and those that were asked for. `keys` are those of the
    /// region's logs under any name.
    ///
    /// # Errors
    /// In words; the next look tries again.
    pub fn look(&mut self, store: &Store, keys: &[VerifierKey]) -> Result<(), String> {
        let log = Log::of_region(store);
        let signed = log.signed().map_err(|error| error.to_string())?;
        let asked = asked_folder(&self.folder);
        if signed == self.seen && self.questions(&asked).is_ok_and(|names| names.is_empty()) {
            return Ok(());
        }
        let Some((checkpoint, _)) = log.checkpoint(keys).map_err(|error| error.to_string())? else { return Ok(()) };
        let folder = self.folder.clone();
        let at = |error: io::Error| format!("`{}`: {error}", folder.display());
        let shown = match self.shown {
            Some(shown) => shown,
            None => {
                files::make_folder(&self.folder).and_then(|()| files::make_folder(&asked)).map_err(at)?;
                let names = files::names(&self.folder, usize::MAX).map_err(at)?;
                self.count = names.len();
                let sizes = names.iter().filter_map(|name| sizes_of(name.to_str()?));
                sizes.map(|(_, size)| size).max().unwrap_or(0)
            }
        };
        self.shown = Some(shown);
        let mut wanted = Vec::new();
        for name in self.questions(&asked).map_err(at)? {
            if let Err(error) = files::remove(&asked.join(&name)) {
                tracing::warn!(%error, "something where bundles are asked for cannot be removed, and is passed over");
                self.stuck.insert(name);
                continue;
            }
            wanted.extend(name.to_str().and_then(|old| old.parse::<u64>().ok()));
        }
        if shown > checkpoint.size {
            // The log was put back. What it showed before is not its any more; who carried it, knows better.
            for name in files::names(&self.folder, usize::MAX).map_err(at)? {
                if name.to_str().and_then(sizes_of).is_some_and(|(_, size)| size > checkpoint.size) {
                    files::remove(&self.folder.join(name)).map_err(at)?;
                }
            }
        }
        if shown != checkpoint.size {
            wanted.push(shown);
        }
        for old in wanted {
            self.put(&log, keys, old)?;
        }
        self.seen = signed;
        Ok(())
    }

    /// The names of some questions.
    fn questions(&mut self, asked: &Path) -> io::Result<Vec<OsString>> {
        let mut names = files::names(asked, ASKED_NAMES_MAX)?;
        self.stuck.retain(|name| names.binary_search(name).is_ok());
        names.retain(|name| !self.stuck.contains(name));
        names.truncate(ASKED_MAX);
        Ok(names)
    }

    fn put(&mut self, log: &Log<'_>, keys: &[VerifierKey], old: u64) -> Result<(), String> {
        let bundle = log.witness_bundle(keys, old).map_err(|error| error.to_string())?;
        let Some(bundle) = bundle else { return Ok(()) };
        let size = bundle.note.text.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0);
        let at = |error: io::Error| format!("`{}`: {error}", self.folder.display());
        files::put(&self.folder, &shown_name(bundle.old, size), bundle.to_string().as_bytes()).map_err(at)?;
        self.count += 1;
        if old == self.shown.unwrap_or(0) {
            self.shown = Some(size);
        }
        if self.count > self.max {
            let names = files::names(&self.folder, usize::MAX).map_err(at)?;
            self.count = names.len();
            let surplus = self.count.saturating_sub(self.max);
            for name in names.iter().take(surplus) {
                files::remove(&self.folder.join(name)).map_err(at)?;
                self.count -= 1;
            }
        }
        Ok(())
    }
}

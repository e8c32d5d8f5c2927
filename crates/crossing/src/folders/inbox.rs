//! What arrives: files that a carrier brought. Anything may lie there.

use super::names::number_of;
use crate::files::{self, Listing, Mark};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The most files in an inbox; then carriers wait.
pub const FILES_IN_INBOX_MAX: usize = 1_024;
/// The most bytes in an inbox; then carriers wait. A bundle that is longer than what is left comes into an empty one.
pub const BYTES_IN_INBOX_MAX: u64 = 8 << 30;

/// Names that are read of a folder in one look: what is there beyond that waits, since no carrier puts as much there.
const NAMES_MAX: usize = 8 * FILES_IN_INBOX_MAX;
/// Files that are handed out in one look.
const FOUND_MAX: usize = 256;
/// How long a file may take to be written.
const UNFINISHED_FOR: Duration = Duration::from_secs(60 * 60);
/// The most files that are set aside, and for how long.
const ASIDE_MAX: usize = 64;
const ASIDE_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The folder for what is set aside.
const ASIDE: &str = "refused";

/// What an inbox has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxRoom {
    files: usize,
    bytes: u64,
}

impl InboxRoom {
    /// The room in an inbox as it is now.
    ///
    /// # Errors
    /// As the file system.
    pub fn of(inbox: &Path) -> io::Result<Self> {
        let mut room = Self { files: FILES_IN_INBOX_MAX, bytes: BYTES_IN_INBOX_MAX };
        for name in Listing::read(inbox, NAMES_MAX)?.whole {
            if name == ASIDE {
                continue;
            }
            if let Some((_, length, _)) = files::mark(&inbox.join(name))? {
                room.files = room.files.saturating_sub(1);
                room.bytes = room.bytes.saturating_sub(length);
            }
        }
        Ok(room)
    }

    /// Takes room for a file of this length, if there is as much.
    pub fn take(&mut self, length: u64) -> bool {
        let is_empty = self.files == FILES_IN_INBOX_MAX;
        if self.files == 0 || (length > self.bytes && !is_empty) {
            return false;
        }
        self.files -= 1;
        self.bytes = self.bytes.saturating_sub(length);
        true
    }
}

/// Where bundles of one region arrive.
#[derive(Debug)]
pub struct Inbox {
    folder: PathBuf,
    /// Where files go that are set aside.
    aside: PathBuf,
    /// Whether others write here by unfinished files that nobody else removes.
    is_own: bool,
    /// What cannot be removed, and is passed over as long as it stays as it is.
    stuck: BTreeMap<OsString, Mark>,
}

/// A file in an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    name: OsString,
    mark: Mark,
}

/// What opening a file of an inbox gave.
#[derive(Debug)]
pub enum Opened {
    /// A file; whether it is a bundle is for [`crate::BundleReader`] to say.
    File(File),
    /// A folder, a link, a pipe; or a file whose name is none of a bundle.
    NoBundle(&'static str),
    /// Somebody took it away again.
    Gone,
}

impl Found {
    /// The number in its name. Nobody signed that one.
    #[must_use]
    pub fn number(&self) -> Option<NonZeroU64> {
        number_of(self.name.to_str()?)
    }

    /// Its name for people: at most 64 characters, no control characters.
    #[must_use]
    pub fn name(&self) -> String {
        let clean = |character: char| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
        self.name.to_string_lossy().chars().take(64).map(clean).collect()
    }

    /// The length that it had when it was found.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.mark.1
    }
}

impl Inbox {
    /// The inbox in a folder, which is made when it is missing.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        let aside = folder.join(ASIDE);
        Self { folder, aside, is_own: false, stuck: BTreeMap::new() }
    }

    /// The inbox of what a region sends to itself: what is ready in its own outbox.
    #[must_use]
    pub fn of_own(ready: PathBuf) -> Self {
        let aside = ready.with_file_name(ASIDE);
        Self { folder: ready, aside, is_own: true, stuck: BTreeMap::new() }
    }

    /// Some of what is there, in the order of names, without those that the caller works on. Files that were never finished
    /// go after an hour.
    ///
    /// # Errors
    /// As the file system.
    pub fn look(&mut self, now: SystemTime, busy: &BTreeSet<NonZeroU64>) -> io::Result<Vec<Found>> {
        files::make_folder(&self.folder)?;
        let Listing { mut whole, unfinished, .. } = Listing::read(&self.folder, NAMES_MAX)?;
        if !self.is_own {
            self.sweep(&unfinished, now)?;
        }
        whole.sort();
        let mut found = Vec::new();
        let mut seen = BTreeMap::new();
        for name in whole {
            if name == ASIDE || found.len() == FOUND_MAX {
                continue;
            }
            let Some(mark) = files::mark(&self.folder.join(&name))? else { continue };
            if self.stuck.get(&name) == Some(&mark) {
                seen.insert(name, mark);
                continue;
            }
            let one = Found { name, mark };
            if one.number().is_none_or(|number| !busy.contains(&number)) {
                found.push(one);
            }
        }
        self.stuck = seen;
        Ok(found)
    }

    /// Opens a file that was found.
    ///
    /// # Errors
    /// As the file system; it may be readable the next time.
    pub fn open(&self, found: &Found) -> io::Result<Opened> {
        if found.number().is_none() {
            return Ok(Opened::NoBundle("its name is none of a bundle"));
        }
        Ok(match files::open(&self.folder.join(&found.name)) {
            Ok(Some(file)) => Opened::File(file),
            Ok(None) => Opened::NoBundle("it is no file"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Opened::Gone,
            Err(error) => return Err(error),
        })
    }

    /// Removes a file that is done with, and makes that durable. What cannot be removed is passed over from now on.
    ///
    /// # Errors
    /// When it cannot be removed: a folder with something in it is one, since nothing here makes folders.
    pub fn remove(&mut self, found: &Found) -> io::Result<()> {
        let path = self.folder.join(&found.name);
        // Another one that came in its place meanwhile is no less a file to be looked at.
        if files::mark(&path)?.is_some_and(|mark| mark != found.mark) {
            return Ok(());
        }
        let removed = files::remove(&path);
        self.end(found, &path, removed)
    }

    /// Keeps a file that may be good later, out of the inbox: for a week, and no more than 64.
    ///
    /// # Errors
    /// As [`Self::remove`].
    pub fn set_aside(&mut self, found: &Found, now: SystemTime) -> io::Result<()> {
        files::make_folder(&self.aside)?;
        let path = self.folder.join(&found.name);
        let moved = fs::rename(&path, self.aside.join(&found.name));
        self.end(found, &path, moved)?;
        let mut kept = Vec::new();
        for name in Listing::read(&self.aside, NAMES_MAX)?.whole {
            if let Some((written, ..)) = files::mark(&self.aside.join(&name))? {
                kept.push((written, name));
            }
        }
        kept.sort();
        let surplus = kept.len().saturating_sub(ASIDE_MAX);
        for (place, (written, name)) in kept.into_iter().enumerate() {
            let is_old = now.duration_since(written).is_ok_and(|age| age > ASIDE_FOR);
            if is_old || place < surplus {
                files::remove(&self.aside.join(name))?;
            }
        }
        files::sync(&self.aside)
    }

    fn end(&mut self, found: &Found, path: &Path, done: io::Result<()>) -> io::Result<()> {
        if let Err(error) = done {
            if let Some(mark) = files::mark(path)? {
                self.stuck.insert(found.name.clone(), mark);
            }
            return Err(error);
        }
        files::sync(&self.folder)
    }

    /// Removes files that were never finished.
    fn sweep(&self, unfinished: &[OsString], now: SystemTime) -> io::Result<()> {
        for name in unfinished.iter().take(FOUND_MAX) {
            let path = self.folder.join(name);
            let written = files::mark(&path)?.map(|(written, ..)| written);
            if written.is_some_and(|at| now.duration_since(at).is_ok_and(|age| age > UNFINISHED_FOR)) {
                // One that stays, is looked at again the next time and harms nobody.
                let _gone = files::remove(&path);
            }
        }
        Ok(())
    }
}

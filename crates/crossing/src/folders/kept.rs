//! Bundles that have numbers, as they are kept to be sent again.

use super::disk::Disk;
use super::names::PlacedName;
use crate::{NUMBER_MAX, files};
use fastness_operation::BundleId;
use rustix::fs::statvfs;
use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a bundle is kept at most: within that, a number that is missing above may be asked for again.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The part of what the disk has free that kept bundles may take.
const KEPT_PART: u64 = 10;
/// The most that are kept.
const KEPT_FILES_MAX: usize = 100_000;
/// The file with the least number that may be given next; it is written before anything goes out of `kept/`.
const NEXT: &str = "next";

/// What is in `kept/`.
#[derive(Debug, Default)]
pub(super) struct Kept {
    by_number: BTreeMap<NonZeroU64, (PlacedName, u64)>,
    by_id: BTreeMap<BundleId, NonZeroU64>,
    bytes: u64,
}

/// The names of kept bundles, in the order of their numbers.
pub(super) fn names(kept: &Path) -> io::Result<Vec<PlacedName>> {
    let names = match files::names(kept, usize::MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    Ok(names.iter().filter_map(|name| PlacedName::kept(name.to_str()?)).collect())
}

/// The number that comes next, by the file and by what is kept. More than [`NUMBER_MAX`] when there are no more.
pub(super) fn next(pair: &Path, highest: Option<NonZeroU64>) -> io::Result<u64> {
    let after = highest.map_or(1, |highest| highest.get() + 1);
    let path = pair.join(NEXT);
    let written = match files::read(&path, 32) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(after),
        Ok(files::Content::Bytes(bytes)) => String::from_utf8(bytes).ok(),
        Ok(_) => None,
        Err(error) => return Err(error),
    };
    let number = written.and_then(|text| text.trim_end().parse::<u64>().ok());
    // Whoever guessed, might give a number twice.
    let number = number.filter(|number| (1..=NUMBER_MAX + 1).contains(number)).ok_or_else(|| {
        io::Error::other(format!("`{}` should hold the number of the next bundle, and holds none", path.display()))
    })?;
    Ok(number.max(after))
}

/// Writes down which number comes next, since what says it now is about to go.
pub(super) fn write_next(disk: &Disk, pair: &Path, names: &[PlacedName]) -> io::Result<()> {
    let number = next(pair, names.last().map(|name| name.place))?;
    disk.put(pair, NEXT, format!("{number}\n").as_bytes())
}

impl Kept {
    pub(super) fn read(kept: &Path) -> io::Result<Self> {
        let mut all = Self::default();
        for name in names(kept)? {
            if let Some((_, length, _)) = files::mark(&kept.join(name.as_kept()))? {
                all.insert(name, length);
            }
        }
        Ok(all)
    }

    pub(super) fn insert(&mut self, name: PlacedName, length: u64) {
        self.bytes += length;
        self.by_id.insert(name.id.clone(), name.place);
        self.by_number.insert(name.place, (name, length));
    }

    pub(super) fn highest(&self) -> Option<NonZeroU64> {
        self.by_number.last_key_value().map(|(number, _)| *number)
    }

    /// The number of a bundle.
    pub(super) fn number(&self, id: &BundleId) -> Option<NonZeroU64> {
        self.by_id.get(id).copied()
    }

    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = &PlacedName> {
        self.by_number.values().map(|(name, _)| name)
    }

    /// Removes what is kept longer, or takes more of the disk, than it may: the oldest first, never the newest, and none
    /// that `is_waiting`.
    pub(super) fn prune(
        &mut self,
        disk: &Disk,
        pair: &Path,
        now: SystemTime,
        is_waiting: impl Fn(&PlacedName) -> bool,
    ) -> io::Result<()> {
        let kept = pair.join("kept");
        let space = statvfs(pair)?;
        let most = space.f_bavail.saturating_mul(space.f_frsize) / KEPT_PART;
        let mut is_changed = false;
        let newest = self.highest();
        for number in self.by_number.keys().copied().filter(|number| Some(*number) != newest).collect::<Vec<_>>() {
            let Some((name, length)) = self.by_number.get(&number).cloned() else { break };
            let path = kept.join(name.as_kept());
            let written = files::mark(&path)?.map(|(written, ..)| written);
            // A clock that was set back makes nothing older.
            let is_old = written.is_none_or(|at| now.duration_since(at).is_ok_and(|age| age > KEPT_FOR));
            let is_surplus = self.bytes > most || self.by_number.len() > KEPT_FILES_MAX;
            if !(is_old || is_surplus) {
                break;
            }
            // One that waits for long keeps no other.
            if is_waiting(&name) {
                continue;
            }
            if !is_changed {
                let names: Vec<PlacedName> = self.names().cloned().collect();
                write_next(disk, pair, &names)?;
                is_changed = true;
            }
            disk.remove(&path)?;
            self.by_number.remove(&number);
            self.by_id.remove(&name.id);
            self.bytes = self.bytes.saturating_sub(length);
        }
        if is_changed { disk.sync_folder(&kept) } else { Ok(()) }
    }
}

//! Who carries what is shown and stays: checkpoints, upward, with a record of what was carried.

use crate::files::{self, Content};
use aws_lc_rs::digest::{SHA256, digest};
use fastness_ledger::BUNDLE_LEN_MAX;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Lines of the record after which it is written anew, without what is in the outbox no longer.
const RECORD_LINES_MAX: usize = 16_384;

/// Copies bundles from an outbox into an inbox above. What was carried is in a record of the carrier's own: nothing of the
/// inbox is ever read, so that nothing of it shows below.
///
/// Files are named by two sizes ([`shown_name`]), since what is shown says of one size that it leads on to the other.
#[derive(Debug)]
pub struct Showing {
    outbox: PathBuf,
    inbox: PathBuf,
    record: PathBuf,
    /// What was carried, by name; nothing before the record was read.
    carried: Option<BTreeMap<String, Carried>>,
    /// Lines of the record, and the last one.
    lines: usize,
    lines_max: usize,
    last_line: String,
    /// The size that the last bundle that was carried is over.
    last: Option<u64>,
    /// The size from which a bundle was asked for.
    asked: Option<u64>,
}

#[derive(Debug)]
struct Carried {
    sum: String,
    /// As the file was when it was read the last time, by this process.
    seen: Option<(SystemTime, u64)>,
}

impl Showing {
    /// A carrier from an outbox to an inbox, with its record in a file.
    #[must_use]
    pub const fn new(outbox: PathBuf, inbox: PathBuf, record: PathBuf) -> Self {
        let lines_max = RECORD_LINES_MAX;
        Self {
            outbox,
            inbox,
            record,
            carried: None,
            lines: 0,
            lines_max,
            last_line: String::new(),
            last: None,
            asked: None,
        }
    }

    /// Carries what is new; how many bundles.
    ///
    /// # Errors
    /// When a file cannot be read or written; the next time tries again.
    pub fn carry(&mut self) -> io::Result<usize> {
        let names = match files::names(&self.outbox, usize::MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            names => names?,
        };
        let names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        let mut carried = match self.carried.take() {
            Some(carried) => carried,
            None => self.read_record(&names)?,
        };
        carried.retain(|name, _| names.binary_search(name).is_ok());
        let mut count = 0;
        let done = names.iter().try_for_each(|name| {
            count += usize::from(self.carry_one(name, &mut carried)?);
            Ok(())
        });
        self.carried = Some(carried);
        done.map(|()| count)
    }

    fn carry_one(&mut self, name: &str, carried: &mut BTreeMap<String, Carried>) -> io::Result<bool> {
        let Some((old, size)) = sizes_of(name) else { return Ok(false) };
        let path = self.outbox.join(name);
        let metadata = match fs::symlink_metadata(&path) {
            // The region keeps so many and no more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            metadata => metadata?,
        };
        let seen = Some((metadata.modified()?, metadata.len()));
        if carried.get(name).is_some_and(|known| known.seen == seen) {
            return Ok(false);
        }
        let Content::Bytes(bytes) = files::read(&path, BUNDLE_LEN_MAX)? else { return Ok(false) };
        // By content: a log that was put back writes other bundles under names that were there before.
        let sum = hex::encode(digest(&SHA256, &bytes));
        let new = carried.get(name).is_none_or(|known| known.sum != sum);
        if new {
            self.ask(old)?;
            files::make_folder(&self.inbox)?;
            files::put(&self.inbox, name, &bytes)?;
            // One by one: a crash repeats the last bundle at most, which says nothing new.
            self.remember(format!("{sum} {name}\n"), carried)?;
            self.last = Some(size);
        }
        carried.insert(name.to_owned(), Carried { sum, seen });
        Ok(new)
    }

    /// If nothing leads on from where this carrier stopped, the region is asked for a bundle that does.
    fn ask(&mut self, old: u64) -> io::Result<()> {
        if let Some(last) = self.last.filter(|last| *last < old && self.asked != Some(*last)) {
            let asked = asked_folder(&self.outbox);
            files::make_folder(&asked)?;
            files::put(&asked, &last.to_string(), b"")?;
            self.asked = Some(last);
        }
        Ok(())
    }

    fn remember(&mut self, line: String, carried: &BTreeMap<String, Carried>) -> io::Result<()> {
        if self.lines >= self.lines_max {
            let mut kept = String::new();
            for (name, Carried { sum, .. }) in carried {
                let _written = writeln!(kept, "{sum} {name}");
            }
            // The last line says where this carrier stopped.
            kept.push_str(&self.last_line);
            self.write_record(&kept)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.record)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()?;
        self.lines += 1;
        self.last_line = line;
        Ok(())
    }

    fn write_record(&mut self, text: &str) -> io::Result<()> {
        if let (Some(folder), Some(name)) =
            (self.record.parent(), self.record.file_name().and_then(|name| name.to_str()))
        {
            files::put(folder, name, text.as_bytes())?;
        }
        self.lines = text.lines().count();
        Ok(())
    }

    /// Reads the record, and writes it anew without what is in the outbox no longer.
    fn read_record(&mut self, names: &[String]) -> io::Result<BTreeMap<String, Carried>> {
        let text = match fs::read_to_string(&self.record) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            text => text?,
        };
        let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        self.last = lines.iter().rev().find_map(|(_, name)| sizes_of(name)).map(|(_, size)| size);
        let there = |name: &str| names.binary_search_by(|one| one.as_str().cmp(name)).is_ok();
        let mut carried = BTreeMap::new();
        let mut kept = String::new();
        for (place, (sum, name)) in (1..).zip(&lines) {
            // The last line says where this carrier stopped.
            if there(name) || place == lines.len() {
                let _written = writeln!(kept, "{sum} {name}");
                carried.insert((*name).to_owned(), Carried { sum: (*sum).to_owned(), seen: None });
            }
        }
        self.write_record(&kept)?;
        self.last_line = kept.lines().next_back().map(|line| format!("{line}\n")).unwrap_or_default();
        Ok(carried)
    }
}

/// The name of a file that is shown: in the order of names, who saw the fewest entries comes first.
#[must_use]
pub fn shown_name(old: u64, size: u64) -> String {
    format!("{size:020}-{old:020}")
}

/// The old size and the size that a file is named by.
#[must_use]
pub fn sizes_of(name: &str) -> Option<(u64, u64)> {
    let (size, old) = name.split_once('-')?;
    let (size, old) = (size.parse().ok()?, old.parse().ok()?);
    (shown_name(old, size) == name).then_some((old, size))
}

/// Where carriers ask for a file from a size, by an empty file of that name.
#[must_use]
pub fn asked_folder(outbox: &Path) -> PathBuf {
    outbox.with_file_name("asked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_sizes() {
        let mut names = [(9, 10), (0, 9), (10, 100), (3, 10)].map(|(old, size)| shown_name(old, size));
        names.sort();
        assert_eq!(names.map(|name| sizes_of(&name).unwrap()), [(0, 9), (3, 10), (9, 10), (10, 100)]);
        for bad in ["", "1-2", "x", "00000000000000000001-0000000000000000000x", "../../etc/passwd"] {
            assert_eq!(sizes_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_record_is_bounded_and_says_what_was_carried() {
        let folder = tempfile::tempdir().unwrap();
        let [outbox, inbox, record] = ["outbox/witness", "inbox", "record"].map(|name| folder.path().join(name));
        fs::create_dir_all(&outbox).unwrap();
        let new = || Showing { lines_max: 8, ..Showing::new(outbox.clone(), inbox.clone(), record.clone()) };
        let mut carrier = new();
        for size in 1..=100 {
            fs::write(outbox.join(shown_name(size - 1, size)), format!("bundle {size}")).unwrap();
            if let Some(old) = size.checked_sub(4) {
                files::remove(&outbox.join(shown_name(old.saturating_sub(1), old))).unwrap();
            }
            assert_eq!(carrier.carry().unwrap(), 1);
            let lines = fs::read_to_string(&record).unwrap().lines().count();
            assert!(lines <= 8 + 5, "{lines} lines after {size}");
            fs::remove_file(inbox.join(shown_name(size - 1, size))).unwrap();
        }
        // Whoever goes on from the record carries nothing twice, and knows where it stopped.
        for mut carrier in [carrier, new()] {
            assert_eq!(carrier.carry().unwrap(), 0);
            assert_eq!(carrier.last, Some(100));
        }
        assert_eq!(fs::read_dir(&inbox).unwrap().count(), 0);
    }
}

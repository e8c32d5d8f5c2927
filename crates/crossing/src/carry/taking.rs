//! Who carries bundles: from what is ready in one region's outbox into another region's inbox.

use crate::files;
use crate::folders::{InboxRoom, bundle_file_name, ready_numbers};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Takes bundles, in the order of their numbers. A crash repeats the last one at most, which the other side knows by its
/// number.
#[derive(Debug)]
pub struct Taking {
    ready: PathBuf,
    inbox: PathBuf,
}

/// What one look carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bundles that are in the inbox now, and no longer in the outbox.
    pub count: usize,
    /// Whether the inbox has no room for the next one, which waits.
    pub is_full: bool,
}

impl Taking {
    /// A carrier from the folder `ready/` of an outbox to an inbox, which is made when it is missing.
    #[must_use]
    pub const fn new(ready: PathBuf, inbox: PathBuf) -> Self {
        Self { ready, inbox }
    }

    /// Carries what is there, as long as the inbox has room.
    ///
    /// # Errors
    /// When a file cannot be read or written; the next time tries again.
    pub fn carry(&self) -> io::Result<Taken> {
        let numbers = ready_numbers(&self.ready)?;
        let mut taken = Taken::default();
        if numbers.is_empty() {
            return Ok(taken);
        }
        files::make_folder(&self.inbox)?;
        let mut room = InboxRoom::of(&self.inbox)?;
        for number in numbers {
            let name = bundle_file_name(number);
            let path = self.ready.join(&name);
            let file = match files::open(&path) {
                Ok(Some(file)) => file,
                // What is no file is no bundle; and somebody may have been faster.
                Ok(None) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if !room.take(file.metadata()?.len()) {
                taken.is_full = true;
                break;
            }
            copy_whole(file, &self.inbox, &name)?;
            files::remove(&path)?;
            files::sync(&self.ready)?;
            taken.count += 1;
        }
        Ok(taken)
    }
}

/// Copies a file into a folder: there under its name only when it is whole and durable.
///
/// # Errors
/// As the file system; then there is at most a file whose name says that it is unfinished.
pub fn copy_whole(mut from: File, folder: &Path, name: &str) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}{}", files::UNFINISHED));
    // Not through a link that somebody put there.
    files::remove(&unfinished)?;
    let mut to = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&unfinished)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()?;
    // Nobody reads it here any more, though its region keeps it for long: it need not take the place of what is read, nor what
    // is written next memory that nobody used yet.
    let _takes_room_at_worst = rustix::fs::fadvise(&from, 0, None, rustix::fs::Advice::DontNeed);
    fs::rename(&unfinished, folder.join(name))?;
    files::sync(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folders::FILES_IN_INBOX_MAX;

    fn number(number: u64) -> String {
        bundle_file_name(std::num::NonZeroU64::new(number).unwrap())
    }

    struct Pair {
        folder: tempfile::TempDir,
        carrier: Taking,
    }

    fn pair() -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let [ready, inbox] = ["ready", "above/inbox"].map(|name| folder.path().join(name));
        fs::create_dir_all(&ready).unwrap();
        Pair { folder, carrier: Taking::new(ready, inbox) }
    }

    impl Pair {
        fn ready(&self, name: &str) -> PathBuf {
            self.folder.path().join("ready").join(name)
        }

        fn inbox(&self) -> Vec<String> {
            let names = files::names(&self.folder.path().join("above/inbox"), usize::MAX).unwrap();
            names.into_iter().map(|name| name.into_string().unwrap()).collect()
        }
    }

    #[test]
    fn what_is_ready_is_taken_in_order_and_is_gone_below() {
        let pair = pair();
        assert_eq!(pair.carrier.carry().unwrap(), Taken::default());
        for n in [3, 1, 2] {
            fs::write(pair.ready(&number(n)), format!("bundle {n}")).unwrap();
        }
        assert_eq!(pair.carrier.carry().unwrap(), Taken { count: 3, is_full: false });
        assert_eq!(pair.inbox(), [1, 2, 3].map(number));
        assert_eq!(fs::read(pair.folder.path().join("above/inbox").join(number(2))).unwrap(), b"bundle 2");
        assert_eq!(fs::read_dir(pair.folder.path().join("ready")).unwrap().count(), 0);
    }

    #[test]
    fn links_folders_pipes_and_other_names_are_left_where_they_are() {
        let pair = pair();
        fs::write(pair.folder.path().join("secret"), "of the region").unwrap();
        std::os::unix::fs::symlink(pair.folder.path().join("secret"), pair.ready(&number(1))).unwrap();
        fs::create_dir(pair.ready(&number(2))).unwrap();
        fifo(&pair.ready(&number(3)));
        for name in ["x", "1.bundle", "0000000004.bundle.new", "00000000005.bundle", "-000000006.bundle"] {
            fs::write(pair.ready(name), name).unwrap();
        }
        fs::write(pair.ready(&number(7)), "good").unwrap();
        assert_eq!(pair.carrier.carry().unwrap(), Taken { count: 1, is_full: false });
        assert_eq!(pair.inbox(), [number(7)]);
    }

    #[test]
    fn a_link_in_the_inbox_leads_nowhere() {
        let pair = pair();
        let target = pair.folder.path().join("target");
        fs::write(&target, "as it was").unwrap();
        files::make_folder(&pair.folder.path().join("above/inbox")).unwrap();
        for name in [number(1), format!("{}.new", number(1))] {
            std::os::unix::fs::symlink(&target, pair.folder.path().join("above/inbox").join(name)).unwrap();
        }
        fs::write(pair.ready(&number(1)), "bundle").unwrap();
        assert_eq!(pair.carrier.carry().unwrap().count, 1);
        assert_eq!(fs::read(&target).unwrap(), b"as it was");
        assert_eq!(fs::read(pair.folder.path().join("above/inbox").join(number(1))).unwrap(), b"bundle");
    }

    #[test]
    fn a_full_inbox_stops_the_carrier_and_one_with_room_lets_it_go_on() {
        let pair = pair();
        let inbox = pair.folder.path().join("above/inbox");
        files::make_folder(&inbox).unwrap();
        for n in 0..FILES_IN_INBOX_MAX - 1 {
            fs::write(inbox.join(format!("other {n}")), "").unwrap();
        }
        for n in 1..=3 {
            fs::write(pair.ready(&number(n)), "bundle").unwrap();
        }
        assert_eq!(pair.carrier.carry().unwrap(), Taken { count: 1, is_full: true });
        assert_eq!(pair.carrier.carry().unwrap(), Taken { count: 0, is_full: true });
        for n in 0..2 {
            fs::remove_file(inbox.join(format!("other {n}"))).unwrap();
        }
        assert_eq!(pair.carrier.carry().unwrap(), Taken { count: 2, is_full: false });
    }

    #[test]
    fn an_inbox_that_cannot_be_written_loses_nothing() {
        let pair = pair();
        fs::write(pair.ready(&number(1)), "bundle").unwrap();
        // A file where the folder should be: not even the superuser writes into that.
        fs::write(pair.folder.path().join("above"), "").unwrap();
        assert!(pair.carrier.carry().is_err());
        fs::remove_file(pair.folder.path().join("above")).unwrap();
        assert_eq!(pair.carrier.carry().unwrap().count, 1);
    }

    fn fifo(path: &Path) {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }
}

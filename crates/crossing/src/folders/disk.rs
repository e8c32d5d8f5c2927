//! The steps by which an outbox changes its folders: one place, so that tests can cut the power at each.

use crate::files;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The folders of an outbox.
#[derive(Debug, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    pub(super) power: power::Power,
}

impl Disk {
    pub(super) fn make_folder(&self, folder: &Path) -> io::Result<()> {
        files::make_folder(folder)
    }

    /// A second name for a file; what had that name before, has it no longer.
    pub(super) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.remove(to)?;
        #[cfg(test)]
        self.power.step(power::Undo::Remove(to.to_owned()))?;
        fs::hard_link(from, to)
    }

    /// Another name for a file, which nothing has.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.power.step(power::Undo::Rename { from: to.to_owned(), to: from.to_owned() })?;
        fs::rename(from, to)
    }

    /// Removes a file; one that is gone already is no error.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        if files::mark(path)?.is_none() {
            return Ok(());
        }
        #[cfg(test)]
        self.power.removes(path)?;
        files::remove(path)
    }

    /// Makes what was renamed, linked or removed in a folder durable.
    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.power.syncs(folder)?;
        files::sync(folder)
    }

    /// Makes what was written into a file durable.
    pub(super) fn sync_file(&self, file: &File, _path: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.power.syncs(_path)?;
        file.sync_all()
    }

    /// Says that a file is about to be written in place.
    pub(super) fn will_write(&self, _path: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.power.step(power::Undo::Tear(_path.to_owned()))?;
        Ok(())
    }

    /// Writes a small file whole, or not at all.
    pub(super) fn put(&self, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.power.step(power::Undo::Nothing)?;
        files::put(folder, name, bytes)
    }
}

/// The power of a disk in tests.
#[cfg(test)]
pub(super) mod power {
    use super::*;
    use std::os::unix::fs::FileExt;
    use std::path::PathBuf;
    use std::sync::Mutex;

    /// What a cut of the power may take back, as long as it was not synced.
    #[derive(Debug, Clone)]
    pub(in super::super) enum Undo {
        Nothing,
        Remove(PathBuf),
        Rename {
            from: PathBuf,
            to: PathBuf,
        },
        Restore {
            from: PathBuf,
            to: PathBuf,
        },
        /// What was written in place is neither old nor new.
        Tear(PathBuf),
    }

    impl Undo {
        /// What has to be synced so that it stays.
        fn is_settled_by(&self, path: &Path) -> bool {
            match self {
                Self::Nothing => true,
                Self::Remove(at) | Self::Restore { to: at, .. } => at.parent() == Some(path),
                Self::Rename { from, to } => from.parent() == Some(path) || to.parent() == Some(path),
                Self::Tear(at) => at == path,
            }
        }

        fn run(&self) {
            match self {
                Self::Nothing => {}
                Self::Remove(path) => drop(fs::remove_file(path)),
                Self::Rename { from, to } => drop(fs::rename(from, to)),
                Self::Restore { from, to } => fs::rename(from, to).unwrap(),
                Self::Tear(path) => {
                    if let Ok(file) = fs::OpenOptions::new().write(true).open(path) {
                        file.write_all_at(&[0xaa; 4096], crate::head::HEAD_LEN as u64).unwrap();
                    }
                }
            }
        }
    }

    #[derive(Debug)]
    pub(in super::super) struct Power {
        state: Mutex<(usize, Vec<Undo>)>,
        /// Where what was removed lies until that is durable.
        trash: Mutex<Option<tempfile::TempDir>>,
    }

    impl Default for Power {
        fn default() -> Self {
            Self { state: Mutex::new((usize::MAX, Vec::new())), trash: Mutex::default() }
        }
    }

    impl Power {
        /// The power is cut before this many further steps are done.
        pub(in super::super) fn cut_after(&self, steps: usize) {
            self.state.lock().unwrap().0 = steps;
        }

        pub(in super::super) fn is_cut(&self) -> bool {
            self.state.lock().unwrap().0 == 0
        }

        /// What was not synced is lost.
        pub(in super::super) fn lose(&self) {
            let undos = std::mem::take(&mut self.state.lock().unwrap().1);
            undos.iter().rev().for_each(Undo::run);
        }

        pub(super) fn step(&self, undo: Undo) -> io::Result<()> {
            let (left, undos) = &mut *self.state.lock().unwrap();
            if *left == 0 {
                return Err(io::Error::other("the power is cut"));
            }
            *left -= usize::from(*left != usize::MAX);
            undos.push(undo);
            Ok(())
        }

        pub(super) fn removes(&self, path: &Path) -> io::Result<()> {
            let mut trash = self.trash.lock().unwrap();
            let folder = trash.get_or_insert_with(|| tempfile::tempdir().unwrap());
            let count = fs::read_dir(folder.path()).unwrap().count();
            let from = folder.path().join(format!("{count}-{}", path.file_name().unwrap().to_str().unwrap()));
            self.step(Undo::Restore { from: from.clone(), to: path.to_owned() })?;
            fs::hard_link(path, from)
        }

        pub(in super::super) fn syncs(&self, path: &Path) -> io::Result<()> {
            self.step(Undo::Nothing)?;
            let mut state = self.state.lock().unwrap();
            state.1.retain(|undo| !undo.is_settled_by(path));
            Ok(())
        }
    }
}

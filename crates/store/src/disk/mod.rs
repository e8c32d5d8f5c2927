//! The storage seam: everything that the store keeps goes through these two traits, so that tests can cut
//! the power, fill the disk and damage what is on it.

mod memory;
mod os;
mod overlay;
mod sparse;

pub use memory::{FaultKind, MemoryDisk};
pub use os::OsDisk;
pub use overlay::OverlayDisk;

use std::{fmt::Debug, io, sync::Arc};

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Reading alone; the file must exist.
    Read,
    /// Reading and writing; made if it does not exist.
    ReadWriteCreate,
    /// Reading and writing; it must not exist yet.
    CreateNew,
}

/// One folder and what is below it. Paths are relative to it, with `/` between names; `..` is refused.
///
/// A file's existence and its contents become durable apart: [`DiskFile::sync_data`] for what is in it,
/// [`Disk::sync_folder`] for its name.
pub trait Disk: Send + Sync + Debug + 'static {
    /// Opens a file. The folder that holds it must exist.
    ///
    /// # Errors
    /// Those of the operating system.
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Removes a file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Gives a file another name, replacing any file of that name.
    ///
    /// # Errors
    /// Those of the operating system.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Names of the files and folders in a folder, in order. The empty path is this folder itself.
    ///
    /// # Errors
    /// Those of the operating system.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Makes a folder and those above it; one that exists already is fine.
    ///
    /// # Errors
    /// Those of the operating system.
    fn create_folder(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync_folder(&self, path: &str) -> io::Result<()>;

    /// Whether there is a file or folder of this name.
    fn exists(&self, path: &str) -> bool;

    /// The same disk seen from a folder below.
    fn folder(&self, path: &str) -> Arc<dyn Disk>;

    /// Bytes that this process may still write.
    ///
    /// # Errors
    /// Those of the operating system.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file. Reads and writes name their place, so many threads may use one handle.
pub trait DiskFile: Send + Sync + Debug {
    /// Reads what there is, at most `out.len()` bytes; fewer only at the end of the file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize>;

    /// Fills `out`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before that.
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.read_at(offset, out)? {
            length if length == out.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Writes all of `data`, lengthening the file where needed.
    ///
    /// # Errors
    /// Those of the operating system; some of the data may be written then.
    fn write_all_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// The file's length.
    ///
    /// # Errors
    /// Those of the operating system.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file is empty.
    ///
    /// # Errors
    /// Those of the operating system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or lengthens the file; what is new reads as zeros.
    ///
    /// # Errors
    /// Those of the operating system.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Makes contents and length durable.
    ///
    /// # Errors
    /// Those of the operating system. What was written since the last success may be lost then, even if a
    /// later call succeeds.
    fn sync_data(&self) -> io::Result<()>;

    /// Drops what the system remembers of the file, so that the next reads show what the disk has. After a sync that
    /// failed the two may differ: Linux keeps pages that it could not write, and takes them for written.
    ///
    /// # Errors
    /// Those of the operating system.
    fn forget_cached(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The parts of a path, or an error when it could lead out of its folder.
fn parts(path: &str) -> io::Result<impl Iterator<Item = &str>> {
    let bad = |part: &str| part == ".." || part.contains('\0');
    if path.starts_with('/') || path.split('/').any(bad) {
        let text = format!("the path `{path}` leads out of its folder");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(path.split('/').filter(|part| !part.is_empty() && *part != "."))
}

#[cfg(test)]
mod tests;

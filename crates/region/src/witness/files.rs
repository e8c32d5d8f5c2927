//! Files in an outbox or inbox: whole or not there.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

/// Ends the name of a file that is being written.
const UNFINISHED: &str = ".new";

/// Makes a folder, and those above it, for its owner alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file whole, or not at all.
pub(super) fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}{UNFINISHED}"));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    sync(folder)
}

/// Makes what was renamed or removed in a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// At most so many names in a folder, in order, without those of files that are being written.
pub(super) fn names(folder: &Path, max: usize) -> io::Result<Vec<OsString>> {
    let mut listing = Listing::read(folder, max)?;
    listing.whole.sort();
    Ok(listing.whole)
}

/// What lies in a folder that others write to.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Names in any order.
    pub(super) whole: Vec<OsString>,
    /// Of files that are being written, or never were finished.
    pub(super) unfinished: Vec<OsString>,
    /// Whether there may be more.
    pub(super) is_cut: bool,
}

impl Listing {
    /// At most so many names of each kind.
    pub(super) fn read(folder: &Path, max: usize) -> io::Result<Self> {
        let mut listing = Self::default();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let is_unfinished = name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes());
            let names = if is_unfinished { &mut listing.unfinished } else { &mut listing.whole };
            names.push(name);
            if names.len() == max {
                listing.is_cut = true;
                break;
            }
        }
        Ok(listing)
    }
}

/// Tells a file from another one in its place.
pub(super) type Mark = (SystemTime, u64, u64);

/// The mark of what is there, if something is.
pub(super) fn mark(path: &Path) -> io::Result<Option<Mark>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        metadata => metadata.and_then(|found| Ok(Some((found.modified()?, found.len(), found.ino())))),
    }
}

/// What reading a file gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    TooLong,
    /// A folder, a link, a pipe: nothing that is opened.
    NoFile,
}

/// Reads a file of at most so many bytes. Links are not followed, and what is no file is not opened.
pub(super) fn read(path: &Path, max: usize) -> io::Result<Content> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Ok(Content::NoFile);
    }
    let max = max as u64;
    let mut bytes = Vec::new();
    if metadata.len() <= max {
        File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    }
    Ok(if metadata.len() > max || bytes.len() as u64 > max { Content::TooLong } else { Content::Bytes(bytes) })
}

/// Removes a file; one that is gone already is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Who put a folder here?
        Err(error) if path.is_dir() => fs::remove_dir(path).map_err(|_| error),
        removed => removed,
    }
}

/// The name of a bundle's file: in the order of names, who saw the fewest entries comes first.
pub(super) fn bundle_name(old: u64, size: u64) -> String {
    format!("{size:020}-{old:020}")
}

/// The old size and the size that a bundle's file is named by.
pub(super) fn sizes_of(name: &str) -> Option<(u64, u64)> {
    let (size, old) = name.split_once('-')?;
    let (size, old) = (size.parse().ok()?, old.parse().ok()?);
    (bundle_name(old, size) == name).then_some((old, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_sizes() {
        let mut names = [(9, 10), (0, 9), (10, 100), (3, 10)].map(|(old, size)| bundle_name(old, size));
        names.sort();
        assert_eq!(names.map(|name| sizes_of(&name).unwrap()), [(0, 9), (3, 10), (9, 10), (10, 100)]);
        for bad in ["", "1-2", "x", "00000000000000000001-0000000000000000000x", "../../etc/passwd"] {
            assert_eq!(sizes_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_files_are_read_and_no_more_of_them_than_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        put(folder.path(), "a", b"12345").unwrap();
        assert_eq!(read(&path("a"), 5).unwrap(), Content::Bytes(b"12345".to_vec()));
        assert_eq!(read(&path("a"), 4).unwrap(), Content::TooLong);
        std::os::unix::fs::symlink(path("a"), path("link")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("b.new"), b"unfinished").unwrap();
        for other in ["link", "folder"] {
            assert_eq!(read(&path(other), 9).unwrap(), Content::NoFile);
        }
        assert_eq!(names(folder.path(), 9).unwrap(), ["a", "folder", "link"]);
        for name in ["a", "folder", "link", "gone"] {
            remove(&path(name)).unwrap();
        }
        assert_eq!(names(folder.path(), 9).unwrap(), Vec::<OsString>::new());
    }
}

//! Files in an outbox or inbox: whole or not there. Whoever else writes to the folder may put anything into it: links are not
//! followed, and what is no file is not opened.

use aws_lc_rs::digest;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

/// Ends the name of a file that is being written.
pub const UNFINISHED: &str = ".new";

/// Makes a folder, and those above it, for its owner alone.
///
/// # Errors
/// As the file system.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file whole, or not at all.
///
/// # Errors
/// As the file system.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}{UNFINISHED}"));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    sync(folder)
}

/// Makes what was renamed or removed in a folder durable.
///
/// # Errors
/// As the file system.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// At most so many names in a folder, in order, without those of files that are being written.
///
/// # Errors
/// As the file system.
pub fn names(folder: &Path, max: usize) -> io::Result<Vec<OsString>> {
    let mut listing = Listing::read(folder, max)?;
    listing.whole.sort();
    Ok(listing.whole)
}

/// What lies in a folder that others write to.
#[derive(Debug, Default)]
pub struct Listing {
    /// Names in any order.
    pub whole: Vec<OsString>,
    /// Of files that are being written, or never were finished.
    pub unfinished: Vec<OsString>,
    /// Whether there may be more.
    pub is_cut: bool,
}

impl Listing {
    /// At most so many names of each kind.
    ///
    /// # Errors
    /// As the file system.
    pub fn read(folder: &Path, max: usize) -> io::Result<Self> {
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
pub type Mark = (SystemTime, u64, u64);

/// The mark of what is there, if something is.
///
/// # Errors
/// As the file system.
pub fn mark(path: &Path) -> io::Result<Option<Mark>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        metadata => metadata.and_then(|found| Ok(Some((found.modified()?, found.len(), found.ino())))),
    }
}

/// What reading a file gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// It has more bytes than were asked for.
    TooLong,
    /// A folder, a link, a pipe: nothing that is opened.
    NoFile,
}

/// Reads a file of at most so many bytes. Links are not followed, and what is no file is not opened.
///
/// # Errors
/// As the file system.
pub fn read(path: &Path, max: usize) -> io::Result<Content> {
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

/// Opens a file that somebody else put there, to read it: nothing when it is a folder, a link or a pipe.
///
/// # Errors
/// As the file system.
pub fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        // A link, or what no process waits at the other end of.
        Err(error) if [Some(Errno::LOOP), Some(Errno::NXIO)].contains(&Errno::from_io_error(&error)) => {
            return Ok(None);
        }
        file => file?,
    };
    // Of what was opened, not of what the name means by now.
    let is_file = file.metadata()?.is_file();
    Ok(is_file.then_some(file))
}

/// SHA-256 of what is left of a file, in hexadecimal.
///
/// # Errors
/// As the file system.
pub fn sha256(file: &mut impl Read) -> io::Result<String> {
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut piece)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
    }
    Ok(hex::encode(hash.finish()))
}

/// Removes a file; one that is gone already is no error.
///
/// # Errors
/// As the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Who put a folder here?
        Err(error) if path.is_dir() => fs::remove_dir(path).map_err(|_| error),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

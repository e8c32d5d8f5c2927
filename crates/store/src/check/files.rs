//! The files of a folder.

use crate::disk::{Disk, OpenMode};

/// Files below a folder with their lengths, by path. What cannot be read is left out; whoever needs it says so.
pub(crate) fn walk(disk: &dyn Disk, folder: &str) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for name in disk.list(&folder).unwrap_or_default() {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            // A folder can be opened as a file is, but a file cannot be listed.
            if disk.list(&path).is_ok() {
                folders.push(path);
            } else if let Ok(length) = disk.open(&path, OpenMode::Read).and_then(|file| file.len()) {
                found.push((path, length));
            }
        }
    }
    found.sort_unstable();
    found
}

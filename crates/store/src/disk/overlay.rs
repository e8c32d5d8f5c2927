//! A disk over another that is never changed: what is written stays in memory. For whoever examines a folder.

use super::{Disk, DiskFile, OpenMode};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

const BLOCK: u64 = 4096;

/// A view of a disk whose changes stay in memory. Files and folders made or removed here are so here alone.
#[derive(Clone, Debug)]
pub struct OverlayDisk {
    base: Arc<dyn Disk>,
    changes: Arc<Mutex<Changes>>,
    /// Where this handle looks from, without a slash at its end.
    prefix: String,
}

#[derive(Debug, Default)]
struct Changes {
    files: BTreeMap<String, Arc<OverlayFile>>,
    removed: BTreeSet<String>,
}

/// A file of the base, or a new one, with the blocks that were written over it.
#[derive(Debug)]
struct OverlayFile {
    base: Option<Arc<dyn DiskFile>>,
    state: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    length: u64,
    /// Bytes of the base that still count: a file cut short does not show its old end again.
    base_length: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl OverlayDisk {
    /// An overlay over a disk.
    #[must_use]
    pub fn new(base: Arc<dyn Disk>) -> Self {
        Self { base, changes: Arc::default(), prefix: String::new() }
    }

    fn full(&self, path: &str) -> String {
        match (self.prefix.is_empty(), path.is_empty()) {
            (true, _) => path.to_owned(),
            (false, true) => self.prefix.clone(),
            (false, false) => format!("{}/{path}", self.prefix),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Changes) -> T) -> T {
        act(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Disk for OverlayDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.full(path);
        self.with(|changes| {
            if let Some(file) = changes.files.get(&path) {
                if mode == OpenMode::CreateNew {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                return Ok(Arc::clone(file) as Arc<dyn DiskFile>);
            }
            let in_base = !changes.removed.contains(&path) && self.base.exists(&path);
            let base = match (in_base, mode) {
                (true, OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
                (true, _) => Some(self.base.open(&path, OpenMode::Read)?),
                (false, OpenMode::Read) => return Err(io::ErrorKind::NotFound.into()),
                (false, _) => None,
            };
            let length = base.as_ref().map_or(Ok(0), |base| base.len())?;
            let state = Mutex::new(Written { length, base_length: length, blocks: BTreeMap::new() });
            let file = Arc::new(OverlayFile { base, state });
            changes.files.insert(path, Arc::clone(&file));
            Ok(file as Arc<dyn DiskFile>)
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        if !self.exists(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let path = self.full(path);
        self.with(|changes| {
            changes.files.remove(&path);
            changes.removed.insert(path);
        });
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.open(from, OpenMode::Read)?;
        let (from, to) = (self.full(from), self.full(to));
        self.with(|changes| {
            if let Some(file) = changes.files.remove(&from) {
                changes.files.insert(to, file);
            }
            changes.removed.insert(from);
        });
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let folder = self.full(folder);
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let base = match self.base.list(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            result => result?,
        };
        self.with(|changes| {
            let kept = base.into_iter().filter(|name| !changes.removed.contains(&format!("{below}{name}")));
            let mut names: BTreeSet<String> = kept.collect();
            for path in changes.files.keys() {
                let name = path.strip_prefix(&below).and_then(|rest| rest.split('/').next());
                names.extend(name.map(ToOwned::to_owned));
            }
            Ok(names.into_iter().collect())
        })
    }

    fn create_folder(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn exists(&self, path: &str) -> bool {
        let path = self.full(path);
        self.with(|changes| {
            changes.files.contains_key(&path) || (!changes.removed.contains(&path) && self.base.exists(&path))
        })
    }

    fn folder(&self, path: &str) -> Arc<dyn Disk> {
        Arc::new(Self { prefix: self.full(path), ..self.clone() })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        // What is written here takes no room on the disk.
        Ok(u64::MAX)
    }
}

impl OverlayFile {
    fn with<T>(&self, act: impl FnOnce(&mut Written) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One block as it is now, padded with zeros.
    fn block(&self, written: &Written, number: u64) -> io::Result<Vec<u8>> {
        if let Some(block) = written.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = vec![0; BLOCK as usize];
        let start = number * BLOCK;
        if let Some(base) = &self.base
            && start < written.base_length
        {
            let count = usize::try_from((written.base_length - start).min(BLOCK)).unwrap_or(0);
            if let Some(out) = block.get_mut(..count) {
                base.read_exact_at(start, out)?;
            }
        }
        Ok(block)
    }
}

impl DiskFile for OverlayFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.with(|written| {
            let count = usize::try_from(written.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
            let mut done = 0;
            while done < count {
                let place = offset + done as u64;
                let block = self.block(written, place / BLOCK)?;
                let from = usize::try_from(place % BLOCK).unwrap_or(0);
                let part = (block.len() - from).min(count - done);
                if let (Some(out), Some(bytes)) = (out.get_mut(done..done + part), block.get(from..from + part)) {
                    out.copy_from_slice(bytes);
                }
                done += part;
            }
            Ok(count)
        })
    }

    fn write_all_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|written| {
            let mut done = 0;
            while done < data.len() {
                let place = offset + done as u64;
                let number = place / BLOCK;
                let mut block = self.block(written, number)?;
                let from = usize::try_from(place % BLOCK).unwrap_or(0);
                let part = (block.len() - from).min(data.len() - done);
                if let (Some(out), Some(bytes)) = (block.get_mut(from..from + part), data.get(done..done + part)) {
                    out.copy_from_slice(bytes);
                }
                written.blocks.insert(number, block);
                done += part;
            }
            written.length = written.length.max(offset + data.len() as u64);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|written| written.length))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.with(|written| {
            if length < written.length {
                let last = length / BLOCK;
                let mut block = self.block(written, last)?;
                let kept = usize::try_from(length % BLOCK).unwrap_or(0);
                block.iter_mut().skip(kept).for_each(|byte| *byte = 0);
                written.blocks.retain(|number, _| *number < last);
                written.blocks.insert(last, block);
                written.base_length = written.base_length.min(length);
            }
            written.length = length;
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryDisk;
    use super::*;

    #[test]
    fn changes_show_above_and_never_below() {
        let base = MemoryDisk::new();
        base.create_folder("a").unwrap();
        let file = base.open("a/f", OpenMode::CreateNew).unwrap();
        file.write_all_at(0, &[7; 10_000]).unwrap();
        let over = OverlayDisk::new(Arc::new(base.clone())).folder("a");
        let top = over.open("f", OpenMode::ReadWriteCreate).unwrap();
        top.write_all_at(4_090, &[9; 20]).unwrap();
        top.set_len(5_000).unwrap();
        top.set_len(9_000).unwrap();
        let mut bytes = vec![1; 9_000];
        top.read_exact_at(0, &mut bytes).unwrap();
        assert!(bytes[..4_090].iter().all(|byte| *byte == 7) && bytes[4_090..4_110].iter().all(|byte| *byte == 9));
        assert!(bytes[4_110..5_000].iter().all(|byte| *byte == 7) && bytes[5_000..].iter().all(|byte| *byte == 0));
        over.open("new", OpenMode::CreateNew).unwrap().write_all_at(0, b"x").unwrap();
        over.rename("new", "newer").unwrap();
        assert_eq!(over.list("").unwrap(), ["f", "newer"]);
        over.remove("f").unwrap();
        assert!(!over.exists("f") && over.open("f", OpenMode::Read).is_err());
        let mut below = vec![0; 10_000];
        file.read_exact_at(0, &mut below).unwrap();
        assert!(below.iter().all(|byte| *byte == 7));
        assert_eq!(base.list("a").unwrap(), ["f"]);
    }
}

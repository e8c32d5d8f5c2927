//! Staging on the region's own disk, so that a cut of the power takes both; and places at which a test holds somebody up.

use fastness_crossing::Resent;
use fastness_gate::{StagedFile, Staging, WholeFile};
use fastness_operation::{BundleId, RegionName};
use fastness_store::disk::{Disk, DiskFile, MemoryDisk, OpenMode};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

/// Staged bundles on a disk of tests.
#[derive(Debug)]
pub struct Staged {
    pub disk: Arc<dyn Disk>,
    /// Plays a carrier that does not come.
    pub full: AtomicBool,
    /// What was to be sent again.
    pub asked: Mutex<Vec<(RegionName, Vec<NonZeroU64>)>>,
    /// Holds up whoever makes the next bundle durable.
    pub pause: Arc<Mutex<Option<Pause>>>,
    /// Nothing can be removed.
    pub stuck: AtomicBool,
}

/// A place at which the region waits for the test.
#[derive(Debug)]
pub struct Pause {
    reached: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

impl Pause {
    /// With what the test waits until it is reached, and lets it go on.
    pub fn new() -> (Self, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let ((reached, is_reached), (may, go_on)) = (mpsc::channel(), mpsc::channel());
        (Self { reached, go_on }, is_reached, may)
    }

    pub fn hold(self) {
        self.reached.send(()).unwrap();
        self.go_on.recv().unwrap();
    }
}

/// Ends the name of a bundle that is held.
const HELD: &str = ".held";

/// Whether it is the name of a bundle that waits.
pub fn waits(name: &str) -> bool {
    !name.ends_with(".new") && !name.ends_with(HELD)
}

pub fn folder(to: &RegionName, banner: &str) -> String {
    format!("{to}/{}", hex(banner))
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

impl Staged {
    pub fn new(disk: &MemoryDisk) -> Arc<Self> {
        disk.create_folder("outbox").unwrap();
        disk.sync_folder("").unwrap();
        let (pause, asked) = (Arc::default(), Mutex::default());
        let [full, stuck] = [(); 2].map(|()| AtomicBool::new(false));
        Arc::new(Self { disk: disk.folder("outbox"), full, asked, pause, stuck })
    }

    pub fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        if self.disk.exists(folder) { self.disk.list(folder) } else { Ok(Vec::new()) }
    }
}

impl Staging for Staged {
    fn staged(&self, to: &RegionName, banner: &str) -> io::Result<usize> {
        if self.full.load(Ordering::Relaxed) {
            return Ok(usize::MAX);
        }
        Ok(self.names(&folder(to, banner))?.iter().filter(|name| waits(name)).count())
    }

    fn stage(&self, to: &RegionName, banner: &str, id: &BundleId) -> io::Result<Box<dyn StagedFile>> {
        let folder = folder(to, banner);
        if !self.disk.exists(&folder) {
            self.disk.create_folder(&folder)?;
            self.disk.sync_folder(to.as_str())?;
            self.disk.sync_folder("")?;
        }
        let name = format!("{folder}/{id}");
        let file = self.disk.open(&format!("{name}.new"), OpenMode::CreateNew)?;
        let (disk, pause) = (Arc::clone(&self.disk), Arc::clone(&self.pause));
        Ok(Box::new(Sequential { pause, disk, folder, name, file, at: 0, finished: false }))
    }

    fn settle(&self, to: &RegionName, banner: &str, is_sent: &dyn Fn(&BundleId) -> bool) -> io::Result<()> {
        let folder = folder(to, banner);
        for name in self.names(&folder)? {
            let Some(id) = name.strip_suffix(".new") else { continue };
            let path = format!("{folder}/{name}");
            match BundleId::new(id).ok().filter(is_sent) {
                Some(id) => self.disk.rename(&path, &format!("{folder}/{id}"))?,
                None => self.disk.remove(&path)?,
            }
            self.disk.sync_folder(&folder)?;
        }
        Ok(())
    }

    fn resend(&self, to: &RegionName, numbers: &[NonZeroU64]) -> io::Result<Resent> {
        // Bundles get their numbers from the spooler: here none is kept by its number.
        self.asked.lock().unwrap().push((to.clone(), numbers.to_vec()));
        Ok(Resent { again: Vec::new(), gone: numbers.to_vec() })
    }

    fn hold_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>> {
        let mut held = BTreeSet::new();
        for label in self.names(to.as_str())? {
            let folder = format!("{to}/{label}");
            for id in self.names(&folder)?.into_iter().filter_map(|name| BundleId::new(name).ok()) {
                if ids.contains(&id) {
                    self.disk.rename(&format!("{folder}/{id}"), &format!("{folder}/{id}{HELD}"))?;
                    held.insert(id);
                }
            }
            self.disk.sync_folder(&folder)?;
        }
        Ok(held)
    }

    fn held(&self, banner: &str) -> io::Result<BTreeMap<RegionName, BTreeSet<BundleId>>> {
        let mut all = BTreeMap::new();
        for to in self.names("")?.into_iter().filter_map(|to| RegionName::new(to).ok()) {
            let names = self.names(&folder(&to, banner))?;
            let held: BTreeSet<_> =
                names.iter().filter_map(|name| BundleId::new(name.strip_suffix(HELD)?).ok()).collect();
            all.extend((!held.is_empty()).then_some((to, held)));
        }
        Ok(all)
    }

    fn drop_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>> {
        if self.stuck.load(Ordering::Relaxed) {
            return Err(io::Error::other("stuck"));
        }
        let mut gone = BTreeSet::new();
        for label in self.names(to.as_str())? {
            let folder = format!("{to}/{label}");
            for name in self.names(&folder)? {
                let id = BundleId::new(name.strip_suffix(HELD).unwrap_or(&name));
                if let Some(id) = id.ok().filter(|id| ids.contains(id)) {
                    self.disk.remove(&format!("{folder}/{name}"))?;
                    gone.insert(id);
                }
            }
            self.disk.sync_folder(&folder)?;
        }
        Ok(gone)
    }
}

/// A file that is written from its start.
struct Sequential {
    pause: Arc<Mutex<Option<Pause>>>,
    disk: Arc<dyn Disk>,
    folder: String,
    name: String,
    file: Arc<dyn DiskFile>,
    at: u64,
    finished: bool,
}

impl Write for Sequential {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sequential {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.file.len()?.checked_add_signed(by).unwrap(),
            SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
        };
        Ok(self.at)
    }
}

impl StagedFile for Sequential {
    fn finish(mut self: Box<Self>) -> io::Result<Box<dyn WholeFile>> {
        let pause = self.pause.lock().unwrap().take();
        if let Some(pause) = pause {
            pause.hold();
        }
        self.file.sync_data()?;
        self.disk.sync_folder(&self.folder)?;
        self.finished = true;
        Ok(Box::new(Whole { disk: Arc::clone(&self.disk), folder: self.folder.clone(), name: self.name.clone() }))
    }
}

impl Drop for Sequential {
    fn drop(&mut self) {
        if !self.finished {
            let _gone = self.disk.remove(&format!("{}.new", self.name));
        }
    }
}

struct Whole {
    disk: Arc<dyn Disk>,
    folder: String,
    name: String,
}

impl WholeFile for Whole {
    fn release(self: Box<Self>) -> io::Result<()> {
        self.disk.rename(&format!("{}.new", self.name), &self.name)?;
        self.disk.sync_folder(&self.folder)
    }

    fn discard(self: Box<Self>) -> io::Result<()> {
        self.disk.remove(&format!("{}.new", self.name))
    }
}

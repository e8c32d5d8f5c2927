//! Keeps what came: syncs bundles, renames them into the inbox, and writes the journal. When the inbox is full it waits, and
//! what it holds stays where it is.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use fastness_diode::{BundleDigest, BundleNumber, RunId, file_name, number_of_file};

use crate::ReceiveError;
use crate::events::Events;
use crate::gather::Done;
use crate::journal::Journal;
use crate::options::Settings;

/// How often a full inbox is looked at again, and a failure tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often the same trouble is told.
const TELL: Duration = Duration::from_secs(10);
/// The most bundles that share a sync of the inbox.
const TOGETHER_MAX: usize = 256;

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// A bundle is whole and right.
    Keep(Keep),
    /// A bundle was given up.
    Discard(PathBuf),
    /// A bundle has grown.
    Flush(Arc<File>),
    /// The journal changed.
    Journal(Journal),
    /// Files to be made whose names say what could not be used.
    Report(Vec<String>),
}

/// A bundle that is whole and right.
#[derive(Debug)]
pub(crate) struct Keep {
    pub(crate) number: BundleNumber,
    pub(crate) run: RunId,
    pub(crate) bytes: u64,
    pub(crate) digest: BundleDigest,
    pub(crate) content: Content,
}

/// Where a bundle is until it is in the inbox.
#[derive(Debug)]
pub(crate) enum Content {
    /// In memory: it had one block.
    Memory(Vec<u8>),
    /// In a file.
    File(Arc<File>, PathBuf),
}

/// Keeps.
#[derive(Debug)]
pub(crate) struct Keeper<'a> {
    settings: &'a Settings,
    events: &'a Events,
    waiting: VecDeque<Keep>,
    journal: Option<Journal>,
    /// Reports that are not made yet.
    reports: Vec<String>,
    /// What is in the inbox, as far as it is known: others take from it.
    files: usize,
    bytes: u64,
    looked_at: Option<Instant>,
    is_full: bool,
    told_at: Option<Instant>,
}

impl<'a> Keeper<'a> {
    pub(crate) fn new(settings: &'a Settings, events: &'a Events) -> Self {
        Self {
            settings,
            events,
            waiting: VecDeque::new(),
            journal: None,
            reports: Vec::new(),
            files: 0,
            bytes: 0,
            looked_at: None,
            is_full: false,
            told_at: None,
        }
    }

    /// Keeps what comes, until nothing comes any more.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>, done: &Sender<Done>) {
        loop {
            match jobs.recv_timeout(AGAIN) {
                Ok(job) => self.take(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while let Ok(job) = jobs.try_recv() {
                self.take(job);
            }
            while !self.waiting.is_empty() {
                let kept = self.keep_some();
                if kept.is_empty() || kept.into_iter().any(|number| done.send(Done::Kept(number)).is_err()) {
                    break;
                }
            }
            self.report();
            if let Some(journal) = self.journal.take()
                && let Err(error) = journal.save()
            {
                self.trouble("the journal cannot be written", &error);
                self.journal = Some(journal);
            }
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Keep(keep) => self.waiting.push_back(keep),
            Job::Journal(journal) => self.journal = Some(journal),
            // One an hour of each kind, so that they stay few.
            Job::Report(reports) => self.reports.extend(reports),
            // What fails here fails again where it matters.
            Job::Flush(file) => {
                if self.settings.sync {
                    let _later = file.sync_data();
                }
            }
            Job::Discard(path) => {
                if let Err(error) = std::fs::remove_file(&path) {
                    self.trouble("what was given up cannot be removed", &error);
                }
            }
        }
    }

    /// Makes the reports; those that cannot be made now are made later.
    fn report(&mut self) {
        let Some(folder) = &self.settings.reports else { return };
        while let Some(name) = self.reports.last() {
            match File::create_new(folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    self.trouble("a report cannot be made", &error);
                    return;
                }
                _ => self.reports.pop(),
            };
        }
    }

    /// Moves bundles into the inbox, as many as have room; says which are there durably.
    fn keep_some(&mut self) -> Vec<BundleNumber> {
        let mut kept = Vec::new();
        while kept.len() < TOGETHER_MAX {
            let Some(keep) = self.waiting.pop_front() else { break };
            if !self.has_room(keep.bytes) {
                self.waiting.push_front(keep);
                break;
            }
            if let Err(error) = self.place(&keep) {
                self.trouble("a bundle cannot be put into the inbox", &error);
                self.waiting.push_front(keep);
                break;
            }
            self.files += 1;
            self.bytes += keep.bytes;
            kept.push(keep);
        }
        if kept.is_empty() {
            return Vec::new();
        }
        if self.settings.sync
            && let Err(error) = File::open(&self.settings.inbox).and_then(|folder| folder.sync_all())
        {
            self.trouble("the inbox cannot be synced", &error);
        }
        for keep in &kept {
            let fields = [
                ("bundle", keep.number.get().into()),
                ("bytes", keep.bytes.into()),
                ("digest", keep.digest.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()),
                ("run", keep.run.to_string().into()),
            ];
            self.events.put("received", &fields);
        }
        kept.into_iter().map(|keep| keep.number).collect()
    }

    fn place(&self, keep: &Keep) -> std::io::Result<()> {
        let inbox = self.settings.inbox.join(file_name(keep.number));
        let made;
        let path = match &keep.content {
            Content::File(file, path) => {
                if self.settings.sync {
                    file.sync_data()?;
                }
                path
            }
            Content::Memory(bytes) => {
                made = self.settings.work.join(format!("{}.part", keep.number));
                let mut file = File::create(&made)?;
                file.write_all(bytes)?;
                if self.settings.sync {
                    file.sync_data()?;
                }
                &made
            }
        };
        // A bundle that is there already stays: whoever reads the inbox may have begun with it.
        match rustix::fs::renameat_with(
            rustix::fs::CWD,
            path,
            rustix::fs::CWD,
            &inbox,
            rustix::fs::RenameFlags::NOREPLACE,
        ) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => std::fs::remove_file(path),
            moved => Ok(moved?),
        }
    }

    fn has_room(&mut self, bytes: u64) -> bool {
        let room = |keeper: &Self| {
            let fits = keeper.bytes.saturating_add(bytes) <= keeper.settings.inbox_bytes_max;
            keeper.files < keeper.settings.inbox_files_max && (fits || keeper.files == 0)
        };
        if self.looked_at.is_none() || !room(self) && self.looked_at.is_none_or(|at| at.elapsed() >= AGAIN) {
            self.looked_at = Some(Instant::now());
            match usage(&self.settings.inbox) {
                Ok((files, bytes)) => (self.files, self.bytes) = (files, bytes),
                Err(error) => {
                    self.trouble("the inbox cannot be read", &error);
                    return false;
                }
            }
        }
        let has_room = room(self);
        if has_room == self.is_full {
            let name = if has_room { "inbox-has-room" } else { "inbox-full" };
            let fields = [("files", self.files.into()), ("bytes", self.bytes.into())];
            self.events.put(name, &[fields.as_slice(), &[("waiting", (self.waiting.len() + 1).into())]].concat());
            self.is_full = !has_room;
        }
        has_room
    }

    fn trouble(&mut self, what: &str, error: &std::io::Error) {
        if self.told_at.is_none_or(|at| at.elapsed() >= TELL) {
            self.told_at = Some(Instant::now());
            self.events.put("trouble", &[("what", what.into()), ("problem", error.to_string().into())]);
        }
    }
}

/// How many bundles an inbox holds, and their bytes.
fn usage(inbox: &Path) -> std::io::Result<(usize, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(inbox)? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(number_of_file).is_some() {
            files += 1;
            // It may have been taken since.
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
        }
    }
    Ok((files, bytes))
}

/// The bundles in an inbox.
pub(crate) fn numbers_in(inbox: &Path) -> Result<impl Iterator<Item = BundleNumber>, ReceiveError> {
    let failed = |source| ReceiveError::File { path: inbox.to_owned(), doing: "the inbox cannot be read", source };
    let entries = std::fs::read_dir(inbox).map_err(failed)?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str().and_then(number_of_file)))
}

//! One partition: its catalog, its blobs, its keys, and the writer thread that groups commits.
//!
//! Trust: the files are not trusted. Whoever changes them without the partition's key is detected (pages and blobs
//! are authenticated); whoever holds the key and the folder can rewrite the partition, and the ledger with it, up to the
//! checkpoints that others hold.

use crate::Fault;
use crate::blobs::{Incoming, Pins, Tidying};
use crate::catalog::{self, Aftermath, Reading, Turn};
use crate::disk::Disk;
use crate::erasure::ErasureKeys;
use crate::journal::Member;
use crate::lanes::Lanes;
use crate::ledger::Group;
use crate::opened::{Opened, catch_up};
use crate::policies::PolicyCache;
use crate::records::State;
use fastness_label::Label;
use fastness_vault::PartitionKey;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Work that may wait for a partition's writer; beyond it, callers are told to slow down.
pub const QUEUE_LEN_MAX: usize = 4096;

/// Records of reads that wait for a commit, or are in one; beyond it, reads are refused.
pub const NOTES_LEN_MAX: usize = 2 * QUEUE_LEN_MAX;

/// Jobs that share one commit at most.
pub const BATCH_LEN_MAX: usize = 256;

/// How long the record of a read may wait for company before it is committed: half of the promised 100 ms.
pub const LAZY_WAIT_MAX: Duration = Duration::from_millis(50);

/// Room on the disk that only records may use: data is refused before the ledger is.
pub const RESERVE_LEN: u64 = 16 << 20;

/// A partition that nothing was written to for this long makes its catalog durable by itself.
const REST_TIME: Duration = Duration::from_secs(2);

/// How long a caller waits for a place in a full queue.
const ENQUEUE_TIME_MAX: Duration = Duration::from_secs(10);

/// How old an answer of the disk about its free space may be.
const ROOM_TIME_MAX: Duration = Duration::from_millis(100);

type After = Box<dyn FnOnce(Result<(), Fault>) + Send>;
type Work = Box<dyn FnOnce(&mut Turn<'_>) -> Result<After, Fault> + Send>;

enum Job {
    /// The caller waits for it to be durable.
    Now(Work, After),
    /// The first of some records of reads waits: durable within [`LAZY_WAIT_MAX`] and a commit.
    Noted,
    /// Everything before it is durable when this is answered.
    Flush(After),
    /// Nothing to do but to look around.
    Wake,
}

pub(crate) struct Partition {
    pub(crate) label: Label,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) erasure: ErasureKeys,
    pub(crate) pins: Pins,
    pub(crate) policies: PolicyCache,
    pub(crate) tidying: Tidying,
    pub(crate) lanes: Lanes,
    /// Held by whoever rewraps what survives and destroys erasure keys: one at a time.
    pub(crate) erasing: tokio::sync::Mutex<()>,
    /// Held by whoever packs the ledger's entries: one at a time.
    pub(crate) packing: tokio::sync::Mutex<()>,
    key: Arc<PartitionKey>,
    journal: Member,
    /// Whether the catalog holds something that only the journal has durably.
    ahead: AtomicBool,
    /// Replaced when an error of the disk made the old one unusable.
    opened: RwLock<Arc<Opened>>,
    /// Held for a commit, a checkpoint, and by whoever opens the catalog anew.
    turn: Mutex<()>,
    /// The snapshot that requests share until the next commit, and what it is of.
    snapshot: RwLock<Option<(Arc<Reading>, Arc<Opened>)>>,
    /// Counts the commits that changed the directory.
    directory_epoch: AtomicU64,
    /// Counts the batches that were not committed.
    refused: AtomicU64,
    /// Records of reads that no commit has yet.
    unrecorded: Mutex<Notes>,
    /// What the disk had free, and when that was asked.
    room: Mutex<(Option<Instant>, u64)>,
    queue: Mutex<Option<SyncSender<Job>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Records of reads that wait for a commit.
#[derive(Default)]
struct Notes {
    entries: Group,
    /// Those that the writer has taken: they come back if they are not committed, and have their room meanwhile.
    committing: usize,
    /// Whether the writer knows that there are some: it is woken once for all that come while it waits.
    announced: bool,
}

/// Whether a partition's folder is being made, or has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Making,
    Made,
}

impl Partition {
    /// Opens a partition's folder, making what is missing, finishing what a crash left, and starts its writer.
    pub(crate) fn open(
        label: Label,
        disk: Arc<dyn Disk>,
        key: PartitionKey,
        journal: Member,
        stage: Stage,
    ) -> Result<Arc<Self>, Fault> {
        for folder in ["blobs", "incoming", "erasure"] {
            disk.create_folder(folder).map_err(|error| Fault::failed("making a folder", error))?;
        }
        disk.sync_folder("").map_err(|error| Fault::failed("syncing a folder", error))?;
        let key = Arc::new(key);
        let opened = Opened::open(disk.as_ref(), &key, stage)?;
        let database = &opened.database;
        if stage == Stage::Making {
            // The catalog's name is durable before anything says that there is a partition here.
            disk.sync_folder("").map_err(|error| Fault::failed("syncing a folder", error))?;
        }
        // First: the turn below takes a number of its own.
        catch_up(database, &journal, catalog::begin_durable)?;
        // A new catalog, or one of an older program: its first turn writes the state and makes what is missing.
        let reading = Reading::begin(database)?;
        let current = reading.is_complete() && reading.state().is_ok_and(|state| state.format == State::FORMAT);
        drop(reading);
        if !current {
            let transaction = catalog::begin_durable(database)?;
            Turn::open(&transaction)?.close()?;
            transaction.commit()?;
        }
        let (sender, receiver) = sync_channel(QUEUE_LEN_MAX);
        let partition = Arc::new(Self {
            label,
            erasure: ErasureKeys::new(disk.clone(), Arc::clone(&key)),
            disk,
            journal,
            ahead: AtomicBool::new(false),
            pins: Pins::default(),
            policies: PolicyCache::default(),
            tidying: Tidying::default(),
            lanes: Lanes::default(),
            erasing: tokio::sync::Mutex::default(),
            packing: tokio::sync::Mutex::default(),
            key,
            opened: RwLock::new(Arc::new(opened)),
            turn: Mutex::new(()),
            snapshot: RwLock::default(),
            directory_epoch: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unrecorded: Mutex::default(),
            room: Mutex::default(),
            queue: Mutex::new(Some(sender)),
            writer: Mutex::new(None),
        });
        crate::blobs::recover(&partition)?;
        let asleep = Arc::downgrade(&partition);
        partition.journal.wake_by(move || {
            if let Some(partition) = asleep.upgrade() {
                partition.wake();
            }
        });
        let writer = Arc::clone(&partition);
        let thread = std::thread::Builder::new()
            .name("partition-writer".to_owned())
            .spawn(move || writer.write_until_closed(&receiver))
            .map_err(|error| Fault::failed("starting a writer", error))?;
        *partition.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(partition)
    }

    pub(crate) fn opened(&self) -> Arc<Opened> {
        Arc::clone(&self.opened.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A snapshot of what is committed. Whatever was acknowledged before this is in it.
    ///
    /// After an error of the disk the first who reads has the catalog opened anew: nobody is answered with a failure
    /// because of one that is over.
    pub(crate) fn read(&self) -> Result<Arc<Reading>, Fault> {
        if let Some((reading, opened)) = self.snapshot.read().unwrap_or_else(PoisonError::into_inner).as_ref()
            && opened.is_sound()
        {
            return Ok(Arc::clone(reading));
        }
        if !self.opened().is_sound() {
            self.mend(&self.turn.lock().unwrap_or_else(PoisonError::into_inner))?;
        }
        // Begun under the lock, so that a commit's `supersede` either comes before or takes it away again.
        let mut slot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let opened = self.opened();
        match slot.as_ref() {
            Some((reading, of)) if Arc::ptr_eq(of, &opened) => Ok(Arc::clone(reading)),
            _ => {
                let reading = Arc::new(Reading::begin(&opened.database)?);
                *slot = Some((Arc::clone(&reading), opened));
                Ok(reading)
            }
        }
    }

    /// Ends the life of the shared snapshot: the next request sees what was just committed.
    pub(crate) fn supersede(&self) {
        let superseded = self.snapshot.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(superseded);
    }

    /// Counts the changes of the directory that this partition holds.
    pub(crate) fn directory_epoch(&self) -> u64 {
        self.directory_epoch.load(Ordering::Acquire)
    }

    /// Counts the batches that were not committed, each of which refused whatever it was to record.
    pub(crate) fn batches_refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes `size` bytes of the room that the disk has beyond the reserve; the disk itself is asked now and then.
    pub(crate) fn take_room(&self, size: u64) -> Result<bool, Fault> {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, free) = &mut *room;
        if asked.is_none_or(|asked| asked.elapsed() > ROOM_TIME_MAX) || *free < RESERVE_LEN + size {
            *free = self.disk.free_bytes().map_err(|error| Fault::failed("asking for free space", error))?;
            *asked = Some(Instant::now());
        }
        let fits = *free >= RESERVE_LEN + size;
        if fits {
            *free -= size;
        }
        Ok(fits)
    }

    /// Does `work` in the writer's turn, and appends the entry that `record` makes of its outcome, in one commit with
    /// it. Answers when both are durable. A refusal by `work` is recorded too; then nothing else was changed.
    pub(crate) async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Turn<'_>) -> Result<T, Fault> + Send + 'static,
        record: impl FnOnce(&Result<T, Fault>) -> Vec<u8> + Send + 'static,
    ) -> Result<T, Fault> {
        let (sender, answer) = oneshot::channel();
        let sender = Arc::new(Mutex::new(Some(sender)));
        let on_failure = Arc::clone(&sender);
        let send = |slot: &Mutex<Option<oneshot::Sender<Result<T, Fault>>>>, value| {
            if let Some(sender) = slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // The caller may have gone; what was done stays done and recorded.
                let _gone = sender.send(value);
            }
        };
        let work: Work = Box::new(move |turn| {
            let outcome = match work(turn) {
                Err(Fault::Failed(text)) => return Err(Fault::Failed(text)),
                outcome => outcome,
            };
            let entry = record(&outcome);
            // An empty one is none: upkeep goes in many turns and has one entry.
            if !entry.is_empty() {
                turn.append(&entry)?;
            }
            Ok(Box::new(move |committed: Result<(), Fault>| send(&sender, committed.and(outcome))))
        });
        let failed: After = Box::new(move |result| {
            if let Err(fault) = result {
                send(&on_failure, Err(fault));
            }
        });
        self.enqueue(Job::Now(work, failed)).await?;
        answer.await.unwrap_or_else(|_| Err(Fault::Failed("the partition's writer is gone".to_owned())))
    }

    /// Appends the record of a read; it is durable within 100 ms.
    pub(crate) async fn note(&self, entry: Vec<u8>) -> Result<(), Fault> {
        // As in a turn, an empty one is none.
        if entry.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + ENQUEUE_TIME_MAX;
        loop {
            let (noted, announce) = {
                // The queue's lock is held: nothing is noted once the writer has been told to end.
                let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                if queue.is_none() {
                    return Err(Fault::Failed("the region is stopping".to_owned()));
                }
                let mut notes = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
                let has_room = notes.entries.len() + notes.committing < NOTES_LEN_MAX;
                if has_room {
                    // Malformed it is refused here already: one that no turn takes would hold up those that come with it.
                    // Copied, so that its memory is freed by who made it.
                    notes.entries.push(&entry)?;
                }
                (has_room, !std::mem::replace(&mut notes.announced, true))
            };
            if announce {
                self.enqueue(Job::Noted).await?;
            }
            if noted {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(slow_down());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until everything queued so far is durable.
    pub(crate) async fn flush(&self) -> Result<(), Fault> {
        let (sender, answer) = oneshot::channel();
        self.enqueue(Job::Flush(Box::new(move |result| {
            let _gone = sender.send(result);
        })))
        .await?;
        answer.await.unwrap_or_else(|_| Err(Fault::Failed("the partition's writer is gone".to_owned())))
    }

    async fn enqueue(&self, mut job: Job) -> Result<(), Fault> {
        let deadline = Instant::now() + ENQUEUE_TIME_MAX;
        loop {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(queue) = queue else { return Err(Fault::Failed("the region is stopping".to_owned())) };
            match queue.try_send(job) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => {
                    return Err(Fault::Failed("the partition's writer is gone".to_owned()));
                }
                Err(TrySendError::Full(back)) if Instant::now() < deadline => job = back,
                Err(TrySendError::Full(_)) => {
                    return Err(slow_down());
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops taking work, commits what is queued, and ends the writer.
    pub(crate) fn close(&self) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("a partition's writer ended by a panic");
        }
    }

    fn write_until_closed(&self, receiver: &Receiver<Job>) {
        loop {
            let rest_in = self.ahead.load(Ordering::Relaxed).then_some(REST_TIME);
            let Some(batch) = next_batch(receiver, rest_in) else { break };
            let rested = batch.is_empty();
            let forgettable = self.tidying.forgettable(self.disk.as_ref(), false);
            self.commit_batch(batch, forgettable);
            if rested || self.journal.is_wanted() {
                self.checkpoint();
            }
        }
        // The last chance of what an earlier batch could not record.
        let forgettable = self.tidying.forgettable(self.disk.as_ref(), true);
        self.commit_batch(Vec::new(), forgettable);
        let lost = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner).entries.len();
        if lost > 0 {
            tracing::error!(label = ?self.label, lost, "the region ends, and the disk did not take these records of reads");
        }
        self.checkpoint();
    }

    /// Wakes the writer without work for it: the journal wants the catalog durable.
    fn wake(&self) {
        if let Some(queue) = self.queue.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // A full queue wakes it as well.
            let _woken = queue.try_send(Job::Wake);
        }
    }

    /// Makes the catalog durable by itself, so that the journal can forget what it holds for it.
    pub(crate) fn checkpoint(&self) {
        if self.ahead.load(Ordering::Relaxed) {
            let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let committed = self
                .mend(&turn)
                .and_then(|opened| catalog::begin_durable(&opened.database))
                .and_then(|transaction| Ok(transaction.commit()?));
            if let Err(fault) = committed {
                // The journal keeps everything; the next batch or rest tries again.
                tracing::error!(label = ?self.label, %fault, "a catalog could not be made durable");
                self.mend_or_tell(&turn);
                return;
            }
            self.ahead.store(false, Ordering::Relaxed);
        }
        if let Err(fault) = self.journal.checkpointed() {
            tracing::error!(%fault, "a segment of the journal keeps its key for now");
        }
    }

    fn commit_batch(&self, batch: Vec<Job>, forgettable: Vec<[u8; 16]>) {
        let mut failed = Vec::new();
        let mut done = Vec::new();
        let result = self.try_commit(batch, forgettable, &mut done, &mut failed);
        match result {
            Ok(aftermath) => {
                // INVARIANT: whoever is told of the commit below finds it in the next snapshot, and no session is
                // opened by what the directory said before it.
                self.supersede();
                if aftermath.directory_changed {
                    self.directory_epoch.fetch_add(1, Ordering::AcqRel);
                }
                self.erasure.listed(&aftermath.erased);
                for after in done {
                    after(Ok(()));
                }
                drop(failed);
                aftermath.settled.into_iter().for_each(Incoming::settle);
                crate::blobs::unlink(self, &aftermath.unlinked);
            }
            Err(fault) => {
                tracing::error!(label = ?self.label, %fault, "a batch was not committed");
                self.refused.fetch_add(1, Ordering::Relaxed);
                self.erasure.suspect();
                // INVARIANT: nobody is told of success before this point, and the transaction is gone.
                for after in done {
                    after(Err(fault.clone()));
                }
                for after in failed {
                    after(Err(fault.clone()));
                }
                self.mend_or_tell(&self.turn.lock().unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    fn try_commit(
        &self,
        batch: Vec<Job>,
        forgettable: Vec<[u8; 16]>,
        done: &mut Vec<After>,
        failed: &mut Vec<After>,
    ) -> Result<Aftermath, Fault> {
        let mut works = VecDeque::with_capacity(batch.len());
        for job in batch {
            match job {
                Job::Now(work, on_failure) => {
                    failed.push(on_failure);
                    works.push_back(work);
                }
                Job::Noted | Job::Wake => {}
                Job::Flush(after) => done.push(after),
            }
        }
        let notes = {
            let mut notes = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
            notes.announced = false;
            notes.committing = notes.entries.len();
            std::mem::take(&mut notes.entries)
        };
        if works.is_empty() && notes.is_empty() && forgettable.is_empty() {
            return Ok(Aftermath::default());
        }
        let committed = self.commit(works, &notes, forgettable, done);
        self.keep(if committed.is_err() { notes } else { Group::default() });
        committed
    }

    /// Whether only the journal has something durably.
    #[cfg(test)]
    pub(crate) fn is_ahead(&self) -> bool {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Keeps the records of reads that were not committed, before those that came since. None is given up: when there is
    /// no room for more, reads are refused.
    fn keep(&self, mut entries: Group) {
        let mut notes = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.is_empty() {
            entries.append(&notes.entries);
            notes.entries = entries;
        }
        notes.committing = 0;
    }

    fn commit(
        &self,
        works: VecDeque<Work>,
        notes: &Group,
        forgettable: Vec<[u8; 16]>,
        done: &mut Vec<After>,
    ) -> Result<Aftermath, Fault> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = self.mend(&turn)?;
        let transaction = catalog::begin(&opened.database)?;
        let (aftermath, changes) = {
            let mut turn = Turn::open(&transaction)?;
            for id in forgettable {
                turn.doomed.remove(id.as_slice())?;
            }
            turn.erased.extend(self.erasure.suspects());
            // Reads that were answered before: their records are kept until a commit has them.
            for entry in notes.iter() {
                turn.append(entry?)?;
            }
            for work in works {
                done.push(work(&mut turn)?);
            }
            turn.close()?
        };
        // INVARIANT: nothing is shown before the journal has it durably, nor told before it is shown.
        let committed = self.journal.append(changes.number, &changes.told).and_then(|()| Ok(transaction.commit()?));
        if let Err(fault) = committed {
            aftermath.settled.into_iter().for_each(Incoming::leave);
            return Err(fault);
        }
        self.ahead.store(true, Ordering::Relaxed);
        Ok(aftermath)
    }

    /// The catalog, opened anew if an error of the disk made it unusable: `redb` then refuses everything. What was
    /// committed is there, what was not is rolled back. The next call tries again what fails in this one.
    ///
    /// INVARIANT: nobody is in a commit meanwhile: what the journal takes after it was read here would be missed.
    fn mend(&self, _turn: &MutexGuard<'_, ()>) -> Result<Arc<Opened>, Fault> {
        let opened = self.opened();
        if opened.is_sound() || opened.is_usable() {
            return Ok(opened);
        }
        opened.retire();
        let anew = Opened::open(self.disk.as_ref(), &self.key, Stage::Made)?;
        // Not durable by itself: on a full disk there may be no room for that, and the journal keeps what it has.
        if catch_up(&anew.database, &self.journal, catalog::begin)? {
            self.ahead.store(true, Ordering::Relaxed);
        }
        let anew = Arc::new(anew);
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&anew);
        self.supersede();
        Ok(anew)
    }

    /// Mends early what the next request would have to.
    fn mend_or_tell(&self, turn: &MutexGuard<'_, ()>) {
        if let Err(fault) = self.mend(turn) {
            tracing::error!(label = ?self.label, %fault, "the catalog could not be opened again");
        }
    }
}

fn slow_down() -> Fault {
    Fault::refused(fastness_operation::Code::SlowDown, "Please reduce your request rate.")
}

/// Waits for work and takes what is there; records of reads alone wait a little for company. Nothing in it means that
/// nothing came for the time of a rest.
fn next_batch(receiver: &Receiver<Job>, rest_in: Option<Duration>) -> Option<Vec<Job>> {
    let first = match rest_in {
        None => receiver.recv().ok()?,
        Some(rest) => match receiver.recv_timeout(rest) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return None,
        },
    };
    let deadline = Instant::now() + LAZY_WAIT_MAX;
    let mut urgent = !matches!(first, Job::Noted);
    let mut batch = vec![first];
    while batch.len() < BATCH_LEN_MAX {
        let next = if urgent {
            receiver.try_recv().map_err(|error| error == TryRecvError::Disconnected)
        } else {
            let left = deadline.saturating_duration_since(Instant::now());
            receiver.recv_timeout(left).map_err(|error| error == RecvTimeoutError::Disconnected)
        };
        match next {
            Ok(job) => {
                urgent |= !matches!(job, Job::Noted);
                batch.push(job);
            }
            Err(_) => break,
        }
    }
    Some(batch)
}

//! Gathers symbols into blocks and blocks into bundles, within bounds. All of it happens on the thread that listens; so
//! nothing here waits, and nothing is looked at twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use fastness_diode::{
    BlockTag, Body, BundleDigest, BundleNumber, Frame, Geometry, Numbers, Refused, RunId, Seal, Seen, Symbol,
};
use time::OffsetDateTime;

use crate::ReceiveError;
use crate::block::{OpenBlock, Spare, Taken};
use crate::builder::{Build, Built, Outcome};
use crate::count::{Counts, Unused};
use crate::events::Events;
use crate::journal::Journal;
use crate::keeper::{Content, Job, Keep};
use crate::options::Settings;
use crate::report::Reports;

/// The most bundles that are under way at once.
const TRANSFERS_MAX: usize = 16_384;
/// The most of them that have a file each: those of more than one block.
const FILES_MAX: usize = 256;
/// After so long without a symbol, a block is tried with what it has.
const QUIET: Duration = Duration::from_millis(100);
/// When memory is short, blocks that were quiet for so long are given up.
const STALE: Duration = Duration::from_secs(1);
/// How often blocks are looked through.
const LOOK: Duration = Duration::from_millis(50);
/// How often what changed is told and written down.
const TELL: Duration = Duration::from_secs(1);
/// After so many bytes, the disk is asked to write what it has of a bundle, so that there is little left at the end.
const FLUSH_BYTES: u64 = 64 << 20;

/// What a bundle that is under way is called here.
pub(crate) type TransferId = u64;

/// What others did for the gatherer.
#[derive(Debug)]
pub(crate) enum Done {
    /// A block was worked on.
    Built(Built),
    /// A bundle is in the inbox, durably.
    Kept(BundleNumber),
}

/// A bundle that is under way, from one run.
#[derive(Debug)]
struct Transfer {
    number: BundleNumber,
    run: RunId,
    geometry: Geometry,
    /// Where its blocks go; a bundle of one block has none.
    file: Option<(Arc<File>, PathBuf)>,
    /// The only block of a bundle that has one.
    whole: Vec<u8>,
    tags: BTreeMap<u32, BlockTag>,
    at_work: BTreeSet<u32>,
    seal: Option<BundleDigest>,
    /// Bytes that were written since the disk was asked to write them.
    unflushed: u64,
    last: Instant,
}

/// Gathers.
#[derive(Debug)]
pub(crate) struct Gatherer<'a> {
    settings: &'a Settings,
    journal: Journal,
    events: &'a Events,
    builder: Sender<Build>,
    keeper: Sender<Job>,
    ids: HashMap<(RunId, BundleNumber), TransferId>,
    transfers: HashMap<TransferId, Transfer>,
    blocks: HashMap<(TransferId, u32), OpenBlock>,
    next_id: TransferId,
    /// Bundles that the keeper has, with the memory that they take.
    finishing: BTreeMap<BundleNumber, usize>,
    spare: Spare,
    /// Bytes of blocks and of bundles in memory.
    memory: usize,
    memory_is_short: bool,
    /// Lengths of all bundles that have a file.
    reserved: u64,
    files: usize,
    pub(crate) counts: Counts,
    received: u64,
    look_at: Instant,
    tell_at: Instant,
    journal_changed: bool,
    /// What was missing the last time, and what was told of it.
    missing: Numbers,
    told_missing: Numbers,
    /// What a region was told of what could not be used, if it wants to know.
    reports: Option<Reports>,
}

impl<'a> Gatherer<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        journal: Journal,
        events: &'a Events,
        builder: Sender<Build>,
        keeper: Sender<Job>,
    ) -> Self {
        let now = Instant::now();
        Self {
            settings,
            journal,
            events,
            builder,
            keeper,
            ids: HashMap::new(),
            transfers: HashMap::new(),
            blocks: HashMap::new(),
            next_id: 0,
            finishing: BTreeMap::new(),
            spare: Spare::default(),
            memory: 0,
            memory_is_short: false,
            reserved: 0,
            files: 0,
            counts: Counts::default(),
            received: 0,
            look_at: now,
            tell_at: now + TELL,
            journal_changed: true,
            missing: Numbers::default(),
            told_missing: Numbers::default(),
            reports: settings.reports.as_ref().map(|_| Reports::new(OffsetDateTime::now_utc())),
        }
    }

    /// Whether something is under way, so that somebody should look again soon.
    pub(crate) fn is_busy(&self) -> bool {
        !self.transfers.is_empty() || !self.finishing.is_empty()
    }

    /// A line of progress for people.
    pub(crate) fn progress(&self) -> String {
        let (under_way, missing) = (self.transfers.len(), self.missing.count());
        format!("{} bundles received, {under_way} under way, {missing} missing", self.received)
    }

    /// Takes a datagram that was no frame.
    pub(crate) fn refuse(&mut self, reason: Refused) {
        self.counts.refuse(reason);
    }

    /// Takes an authentic frame.
    pub(crate) fn take(&mut self, frame: &Frame<'_>, seen: Seen, now: Instant) -> Result<(), ReceiveError> {
        self.counts.frames += 1;
        if seen == Seen::Again {
            self.counts.leave(Unused::Replayed);
            return Ok(());
        }
        let unused = match frame.body {
            Body::Symbol(symbol) => self.symbol(frame.run, &symbol, now)?,
            Body::Seals(seals) => {
                for seal in seals.iter() {
                    if let Err(unused) = self.seal(frame.run, &seal)? {
                        self.counts.leave(unused);
                    }
                }
                Ok(())
            }
            Body::Announcement { highest } => {
                self.hear_of(highest);
                Ok(())
            }
        };
        if let Err(unused) = unused {
            self.counts.leave(unused);
        }
        Ok(())
    }

    fn symbol(&mut self, run: RunId, symbol: &Symbol<'_>, now: Instant) -> Result<Result<(), Unused>, ReceiveError> {
        self.counts.bytes += u64::try_from(symbol.bytes.len()).unwrap_or(0);
        if self.journal.has(symbol.number) || self.finishing.contains_key(&symbol.number) {
            return Ok(Err(Unused::Already));
        }
        let id = match self.transfer(run, symbol, now) {
            Ok(id) => id,
            Err(unused) => return Ok(Err(unused)),
        };
        let Some(transfer) = self.transfers.get_mut(&id) else { return Ok(Err(Unused::NoRoom)) };
        if transfer.geometry != symbol.geometry {
            return Ok(Err(Unused::Inconsistent));
        }
        transfer.last = now;
        if transfer.tags.contains_key(&symbol.block) || transfer.at_work.contains(&symbol.block) {
            return Ok(Err(Unused::Already));
        }
        let Some(block) = symbol.geometry.block(symbol.block) else { return Ok(Err(Unused::Inconsistent)) };
        let key = (id, symbol.block);
        let (before, open) = match self.blocks.get_mut(&key) {
            Some(open) => (open.bytes(), open),
            None => {
                let bytes = usize::try_from(block.symbols).unwrap_or(0) * symbol.bytes.len();
                if self.memory + bytes > self.settings.memory {
                    self.memory_is_short = true;
                    return Ok(Err(Unused::NoMemory));
                }
                let open = OpenBlock::new(block.symbols, symbol.bytes.len(), &mut self.spare, now);
                (0, self.blocks.entry(key).or_insert(open))
            }
        };
        let taken = open.take(symbol.id, symbol.bytes, &mut self.spare, now);
        self.memory += open.bytes() - before;
        match taken {
            Taken::Already => return Ok(Err(Unused::Already)),
            Taken::Waits => {}
            Taken::Enough => self.build(id, symbol.block)?,
        }
        Ok(Ok(()))
    }

    /// The transfer that a symbol belongs to; begins it if there is room.
    fn transfer(&mut self, run: RunId, symbol: &Symbol<'_>, now: Instant) -> Result<TransferId, Unused> {
        if let Some(id) = self.ids.get(&(run, symbol.number)) {
            return Ok(*id);
        }
        let length = symbol.geometry.length();
        if length > self.settings.bundle_bytes_max {
            return Err(Unused::TooLong);
        }
        if self.transfers.len() + self.finishing.len() >= TRANSFERS_MAX || !self.journal.has_room() {
            return Err(Unused::NoRoom);
        }
        let id = self.next_id;
        let file = if symbol.geometry.blocks() > 1 {
            if self.files >= FILES_MAX || self.reserved.saturating_add(length) > self.settings.work_bytes_max {
                return Err(Unused::NoRoom);
            }
            Some(self.open(symbol.number, id)?)
        } else {
            None
        };
        if file.is_some() {
            self.files += 1;
            self.reserved += length;
        }
        self.next_id += 1;
        self.ids.insert((run, symbol.number), id);
        let transfer = Transfer {
            number: symbol.number,
            run,
            geometry: symbol.geometry,
            file,
            whole: Vec::new(),
            tags: BTreeMap::new(),
            at_work: BTreeSet::new(),
            seal: None,
            unflushed: 0,
            last: now,
        };
        self.transfers.insert(id, transfer);
        self.hear_of(symbol.number);
        Ok(id)
    }

    fn open(&self, number: BundleNumber, id: TransferId) -> Result<(Arc<File>, PathBuf), Unused> {
        let path = self.settings.work.join(format!("{number}-{id}.part"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => Ok((Arc::new(file), path)),
            Err(error) => {
                self.events
                    .put("unwritable", &[("bundle", number.get().into()), ("problem", error.to_string().into())]);
                Err(Unused::NoRoom)
            }
        }
    }

    fn seal(&mut self, run: RunId, seal: &Seal) -> Result<Result<(), Unused>, ReceiveError> {
        self.hear_of(seal.number);
        let Some(id) = self.ids.get(&(run, seal.number)).copied() else { return Ok(Ok(())) };
        let Some(transfer) = self.transfers.get_mut(&id) else { return Ok(Ok(())) };
        if transfer.geometry != seal.geometry || transfer.seal.is_some_and(|digest| digest != seal.digest) {
            return Ok(Err(Unused::Inconsistent));
        }
        transfer.seal = Some(seal.digest);
        self.finish(id).map(Ok)
    }

    fn hear_of(&mut self, number: BundleNumber) {
        self.journal_changed |= self.journal.hear_of(number);
    }

    /// Hands a block to the builder.
    fn build(&mut self, id: TransferId, number: u32) -> Result<(), ReceiveError> {
        let Some(transfer) = self.transfers.get_mut(&id) else { return Ok(()) };
        let Some(block) = transfer.geometry.block(number) else { return Ok(()) };
        let Some(mut open) = self.blocks.remove(&(id, number)) else { return Ok(()) };
        open.try_now();
        transfer.at_work.insert(number);
        let file = transfer.file.as_ref().map(|(file, _)| Arc::clone(file));
        let build = Build {
            transfer: id,
            run: transfer.run,
            bundle: transfer.number,
            number,
            block,
            symbol_bytes: transfer.geometry.symbol_bytes(),
            open,
            file,
        };
        self.builder.send(build).map_err(|_| ReceiveError::Thread("builder"))
    }

    /// Takes what others did.
    pub(crate) fn done(&mut self, done: Done) -> Result<(), ReceiveError> {
        match done {
            Done::Built(built) => self.built(built),
            Done::Kept(number) => {
                self.memory -= self.finishing.remove(&number).unwrap_or(0);
                self.journal.receive(number);
                self.received += 1;
                self.journal_changed = true;
                // Another run may have been sending the same.
                let others = self.transfers.iter().filter(|(_, transfer)| transfer.number == number);
                let others: Vec<TransferId> = others.map(|(id, _)| *id).collect();
                others.into_iter().try_for_each(|id| self.drop_transfer(id))
            }
        }
    }

    fn built(&mut self, built: Built) -> Result<(), ReceiveError> {
        let Built { transfer: id, number, open, outcome } = built;
        let Some(transfer) = self.transfers.get_mut(&id) else {
            self.recycle(open);
            return Ok(());
        };
        transfer.at_work.remove(&number);
        match outcome {
            Outcome::Undetermined => {
                self.blocks.insert((id, number), open);
                return Ok(());
            }
            Outcome::Unwritable(error) => {
                let bundle = transfer.number.get().into();
                self.events.put("unwritable", &[("bundle", bundle), ("problem", error.to_string().into())]);
                self.recycle(open);
                return self.drop_transfer(id);
            }
            Outcome::Whole(tag, bytes) => {
                self.memory += bytes.len();
                transfer.whole = bytes;
                transfer.tags.insert(number, tag);
            }
            Outcome::Written(tag) => {
                transfer.tags.insert(number, tag);
                let block = transfer.geometry.block(number);
                transfer.unflushed += block.map_or(0, |block| u64::try_from(block.bytes).unwrap_or(0));
                if let Some((file, _)) = transfer.file.as_ref().filter(|_| transfer.unflushed >= FLUSH_BYTES) {
                    transfer.unflushed = 0;
                    self.keeper.send(Job::Flush(Arc::clone(file))).map_err(|_| ReceiveError::Thread("keeper"))?;
                }
            }
        }
        self.recycle(open);
        self.finish(id)
    }

    fn recycle(&mut self, open: OpenBlock) {
        self.memory -= open.bytes();
        let room = self.settings.memory.saturating_sub(self.memory);
        let buffers = std::iter::once(open.buffer).chain(open.repair.into_iter().map(|(_, symbol)| symbol));
        buffers.for_each(|buffer| self.spare.give(buffer, room));
    }

    /// Hands a bundle to the keeper if it is whole and right.
    fn finish(&mut self, id: TransferId) -> Result<(), ReceiveError> {
        let Some(transfer) = self.transfers.get(&id) else { return Ok(()) };
        let Some(seal) = transfer.seal else { return Ok(()) };
        if u32::try_from(transfer.tags.len()) != Ok(transfer.geometry.blocks()) {
            return Ok(());
        }
        let digest = BundleDigest::of(&transfer.geometry, transfer.tags.values());
        if digest != seal {
            self.events.put("wrong-digest", &[("bundle", transfer.number.get().into())]);
            return self.drop_transfer(id);
        }
        let Some(transfer) = self.forget(id) else { return Ok(()) };
        self.finishing.insert(transfer.number, transfer.whole.len());
        let content = match transfer.file {
            Some((file, path)) => Content::File(file, path),
            None => Content::Memory(transfer.whole),
        };
        let (number, run, bytes) = (transfer.number, transfer.run, transfer.geometry.length());
        let keep = Keep { number, run, bytes, digest, content };
        self.keeper.send(Job::Keep(keep)).map_err(|_| ReceiveError::Thread("keeper"))
    }

    /// Gives a bundle up.
    fn drop_transfer(&mut self, id: TransferId) -> Result<(), ReceiveError> {
        let Some(transfer) = self.forget(id) else { return Ok(()) };
        self.memory -= transfer.whole.len();
        let Some((_, path)) = transfer.file else { return Ok(()) };
        self.keeper.send(Job::Discard(path)).map_err(|_| ReceiveError::Thread("keeper"))
    }

    /// Takes a bundle out of what is under way, and its open blocks.
    fn forget(&mut self, id: TransferId) -> Option<Transfer> {
        let transfer = self.transfers.remove(&id)?;
        self.ids.remove(&(transfer.run, transfer.number));
        if transfer.file.is_some() {
            self.files -= 1;
            self.reserved -= transfer.geometry.length();
        }
        let is_whole = u32::try_from(transfer.tags.len()) == Ok(transfer.geometry.blocks());
        if !is_whole {
            let open: Vec<_> = self.blocks.keys().filter(|(of, _)| *of == id).copied().collect();
            for key in open {
                if let Some(block) = self.blocks.remove(&key) {
                    self.recycle(block);
                }
            }
        }
        self.journal_changed = true;
        Some(transfer)
    }

    /// What is to be done by the clock.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), ReceiveError> {
        if now < self.look_at {
            return Ok(());
        }
        self.look_at = now + LOOK;
        let quiet = |block: &OpenBlock, time| now.saturating_duration_since(block.last) >= time;
        let ready = self.blocks.iter().filter(|(_, block)| block.may_do() && quiet(block, QUIET));
        let ready: Vec<_> = ready.map(|(key, _)| *key).collect();
        ready.into_iter().try_for_each(|(id, number)| self.build(id, number))?;
        if std::mem::take(&mut self.memory_is_short) {
            let stale: Vec<_> =
                self.blocks.iter().filter(|(_, block)| quiet(block, STALE)).map(|(key, _)| *key).collect();
            if !stale.is_empty() {
                self.events.put("memory-short", &[("blocks_given_up", stale.len().into())]);
            }
            for key in stale {
                if let Some(block) = self.blocks.remove(&key) {
                    self.recycle(block);
                }
            }
        }
        if now >= self.tell_at {
            self.tell_at = now + TELL;
            self.give_up_quiet(now)?;
            self.tell()?;
        }
        self.write_down()
    }

    /// Has the journal written, if it changed. The keeper writes the newest that it is given.
    fn write_down(&mut self) -> Result<(), ReceiveError> {
        if !std::mem::take(&mut self.journal_changed) {
            return Ok(());
        }
        let under_way = self.transfers.values().map(|transfer| transfer.number);
        self.journal.set_under_way(under_way.chain(self.finishing.keys().copied()));
        self.keeper.send(Job::Journal(self.journal.clone())).map_err(|_| ReceiveError::Thread("keeper"))
    }

    /// Gives up bundles of which nothing came for long.
    fn give_up_quiet(&mut self, now: Instant) -> Result<(), ReceiveError> {
        let patience = self.settings.patience;
        let quiet = self.transfers.iter().filter(|(_, transfer)| {
            transfer.at_work.is_empty() && now.saturating_duration_since(transfer.last) >= patience
        });
        let quiet: Vec<TransferId> = quiet.map(|(id, _)| *id).collect();
        for id in quiet {
            if let Some(transfer) = self.transfers.get(&id) {
                let fields = [
                    ("bundle", transfer.number.get().into()),
                    ("blocks", transfer.geometry.blocks().into()),
                    ("blocks_built", transfer.tags.len().into()),
                    ("sealed", transfer.seal.is_some().into()),
                ];
                self.events.put("incomplete", &fields);
            }
            self.drop_transfer(id)?;
        }
        Ok(())
    }

    /// Tells what changed.
    fn tell(&mut self) -> Result<(), ReceiveError> {
        if let Some(counts) = self.counts.news() {
            self.events.put("unused", &[("counts", counts)]);
        }
        let under_way = self.transfers.values().map(|transfer| transfer.number);
        self.journal.set_under_way(under_way.chain(self.finishing.keys().copied()));
        let missing = self.journal.missing();
        // What is missing twice in a row is missing; the rest may be on its way.
        if missing == self.missing && missing != self.told_missing {
            self.events.put("missing", &[("bundles", missing.to_string().into())]);
            self.told_missing = missing.clone();
        }
        self.journal_changed |= missing != self.missing;
        self.missing = missing;
        let Some(reports) = &mut self.reports else { return Ok(()) };
        let due = reports.due(self.counts.unusual(), OffsetDateTime::now_utc());
        if due.is_empty() {
            return Ok(());
        }
        self.keeper.send(Job::Report(due)).map_err(|_| ReceiveError::Thread("keeper"))
    }
}

//! What is sent when: batches of bundles, groups of interleaved blocks, rounds. It reads, tags and encodes, beside the
//! thread that sends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use fastness_diode::{Block, BlockTag, BlockTagger, BundleDigest, BundleNumber, Encoder, Seal};

use crate::SendError;
use crate::events::Events;
use crate::line::{Group, Part, Repair, Report, Work};
use crate::options::Settings;
use crate::outbox::{Bundle, Outbox};
use crate::spread::{self, Haste};
use crate::state::State;

/// The most bundles in a batch.
const BATCH_MAX: usize = 4_096;
/// The most batches whose rounds are not over.
const BATCHES_MAX: usize = 16;
/// How often somebody looks whether a bundle came.
const LOOK: Duration = Duration::from_millis(50);

/// Bundles that are sent together: one, or as many small ones as fill a group.
#[derive(Debug)]
struct Batch {
    bundles: Vec<Arc<Bundle>>,
    haste: Haste,
    /// Rounds that were planned.
    planned: u32,
    /// When the next round may begin; nothing while one is under way.
    due: Option<Instant>,
    /// Made in the first round.
    seals: Vec<Seal>,
}

/// Plans what the line sends.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    settings: &'a Settings,
    outbox: Outbox,
    state: State,
    events: &'a Events,
    work: SyncSender<Work>,
    reports: Receiver<Report>,
    encoder: Encoder,
    tagger: BlockTagger,
    batches: BTreeMap<u64, Batch>,
    next_batch: u64,
    /// A block while it is tagged and encoded.
    buffer: Vec<u8>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        outbox: Outbox,
        state: State,
        events: &'a Events,
        work: SyncSender<Work>,
        reports: Receiver<Report>,
        tagger: BlockTagger,
    ) -> Self {
        Self {
            settings,
            outbox,
            state,
            events,
            work,
            reports,
            encoder: Encoder::default(),
            tagger,
            batches: BTreeMap::new(),
            next_batch: 0,
            buffer: Vec::new(),
        }
    }

    /// Plans until nothing is left to do, or for ever.
    pub(crate) fn run(mut self) -> Result<(), SendError> {
        loop {
            loop {
                match self.reports.try_recv() {
                    Ok(report) => self.take(report)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Err(SendError::Line),
                }
            }
            let next = match self.due() {
                Some(id) => Some(id),
                None if self.batches.len() < BATCHES_MAX => self.gather()?,
                None => None,
            };
            if let Some(id) = next {
                self.plan(id)?;
            } else if self.settings.once && self.batches.is_empty() {
                return self.outbox.finish();
            } else {
                match self.reports.recv_timeout(self.patience()) {
                    Ok(report) => self.take(report)?,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Err(SendError::Line),
                }
            }
        }
    }

    /// A batch whose next round may begin.
    fn due(&self) -> Option<u64> {
        let now = Instant::now();
        self.batches.iter().find(|(_, batch)| batch.due.is_some_and(|due| due <= now)).map(|(id, _)| *id)
    }

    fn patience(&self) -> Duration {
        let now = Instant::now();
        let until = self.batches.values().filter_map(|batch| batch.due).map(|due| due.saturating_duration_since(now));
        until.min().unwrap_or(LOOK).min(LOOK)
    }

    /// Makes a batch of what waits.
    fn gather(&mut self) -> Result<Option<u64>, SendError> {
        let (mut bundles, mut bytes) = (Vec::new(), 0);
        while bundles.len() < BATCH_MAX && bytes < self.settings.interleave.max(1) {
            let Some(bundle) = self.outbox.next(&mut self.state, self.events)? else { break };
            bytes += bundle.geometry.length();
            bundles.push(Arc::new(bundle));
        }
        if bundles.is_empty() {
            return Ok(None);
        }
        let blocks = bundles.iter().map(|bundle| bundle.geometry).flat_map(|geometry| {
            let blocks = (0..geometry.blocks()).filter_map(move |number| geometry.block(number));
            blocks.map(|block| block.symbols)
        });
        let haste = spread::haste(self.settings, bytes, blocks);
        let id = self.next_batch;
        self.next_batch += 1;
        let batch = Batch { bundles, haste, planned: 0, due: None, seals: Vec::new() };
        self.batches.insert(id, batch);
        Ok(Some(id))
    }

    /// Plans one round of a batch.
    fn plan(&mut self, id: u64) -> Result<(), SendError> {
        let Some(mut batch) = self.batches.remove(&id) else { return Ok(()) };
        let round = batch.planned;
        batch.planned += 1;
        batch.due = None;
        let mut tags = BTreeMap::new();
        for group in groups(&batch.bundles, self.settings.interleave) {
            let group = Arc::new(Group { slowness: batch.haste.slowness, ..group });
            self.hand(Work::Source(Arc::clone(&group)))?;
            let repair = group.parts.iter().map(|part| self.repair(part, round, &mut tags));
            let repair = repair.collect();
            // A bundle is sealed as soon as its last block is tagged: where nothing is lost, it is whole before its repair
            // symbols come.
            let done: Vec<Seal> = match round {
                0 => batch.bundles.iter().filter_map(|bundle| seal(bundle, &mut tags)).collect(),
                _ => Vec::new(),
            };
            batch.seals.extend(&done);
            self.hand(Work::Seals(done))?;
            self.hand(Work::Repair(group, repair))?;
        }
        if round > 0 {
            self.hand(Work::Seals(batch.seals.clone()))?;
        }
        let highest = batch.bundles.iter().map(|bundle| bundle.number).max();
        self.batches.insert(id, batch);
        self.hand(Work::End { batch: id, highest })
    }

    fn hand(&self, work: Work) -> Result<(), SendError> {
        self.work.send(work).map_err(|_| SendError::Line)
    }

    /// The repair symbols of a block; in the first round its tag, too.
    fn repair(&mut self, part: &Part, round: u32, tags: &mut BTreeMap<BundleNumber, Vec<BlockTag>>) -> Repair {
        let (number, size) = (part.bundle.number, part.bundle.geometry.symbol_bytes());
        let made = read(part, &mut self.buffer, size).map_err(|error| error.to_string()).and_then(|()| {
            if round == 0 {
                let block = self.buffer.get(..part.block.bytes).unwrap_or_default();
                let tag = self.tagger.tag(number, part.number, block).ok_or("a block cannot be tagged")?;
                tags.entry(number).or_default().push(tag);
            }
            let count = repair_count(part.block.symbols, self.settings.repair);
            let first = round.saturating_mul(count);
            self.encoder.repair(&self.buffer, size, first, count).map_err(|error| error.to_string())
        });
        made.unwrap_or_else(|problem| {
            part.bundle.fail(&problem);
            Vec::new()
        })
    }

    /// A round is over: there is another, or the bundles are done with.
    fn take(&mut self, report: Report) -> Result<(), SendError> {
        let Some(mut batch) = self.batches.remove(&report.batch) else { return Ok(()) };
        if batch.planned < batch.haste.rounds {
            batch.due = Some(Instant::now() + self.settings.round_gap);
            self.batches.insert(report.batch, batch);
            return Ok(());
        }
        let (whole, failed): (Vec<_>, Vec<_>) = batch.bundles.iter().partition(|bundle| bundle.problem().is_none());
        for bundle in failed {
            self.outbox.put_off(bundle.number, bundle.problem().unwrap_or_default(), self.events);
        }
        self.state.add(whole.iter().map(|bundle| bundle.number))?;
        for bundle in whole {
            self.outbox.put_away(bundle, self.events);
            let digest = batch.seals.iter().find(|seal| seal.number == bundle.number);
            let fields = [
                ("bundle", bundle.number.get().into()),
                ("bytes", bundle.geometry.length().into()),
                ("digest", digest.map(|seal| hex(&seal.digest.0)).into()),
                ("rounds", batch.haste.rounds.into()),
            ];
            self.events.put("sent", &fields);
        }
        Ok(())
    }
}

/// How many repair symbols a block gets. What is lost of a block at random spreads around its mean by about the root of
/// it: five times that is enough but once in a million blocks. Two more make it almost certain that the symbols
/// determine the block (RFC 6330, section 5.8: 10^-6).
pub(crate) fn repair_count(symbols: u32, share: f64) -> u32 {
    if share <= 0.0 {
        return 0;
    }
    let mean = f64::from(symbols) * share;
    (mean + 5.0 * mean.sqrt()).ceil() as u32 + 2
}

/// Cuts a batch into groups of about equal size: none smaller than what is interleaved, of which a break takes no more
/// than its repair makes good, if the batch is not; and each less than twice as large.
fn groups(bundles: &[Arc<Bundle>], interleave: u64) -> Vec<Group> {
    let bytes: u64 = bundles.iter().map(|bundle| bundle.geometry.length()).sum();
    let count = (bytes / interleave.max(1)).max(1);
    let size = bytes.div_ceil(count);
    let (mut groups, mut group, mut filled) = (Vec::new(), Group::default(), 0);
    for bundle in bundles {
        for number in 0..bundle.geometry.blocks() {
            let Some(block) = bundle.geometry.block(number) else { continue };
            filled += u64::try_from(block.bytes).unwrap_or(u64::MAX);
            group.parts.push(Part { bundle: Arc::clone(bundle), number, block });
            if filled >= size {
                groups.push(std::mem::take(&mut group));
                filled = 0;
            }
        }
    }
    if !group.parts.is_empty() {
        groups.push(group);
    }
    groups
}

/// Reads a block and fills up its last symbol.
fn read(part: &Part, buffer: &mut Vec<u8>, symbol_bytes: u32) -> std::io::Result<()> {
    let Block { offset, bytes, symbols } = part.block;
    let whole = usize::try_from(u64::from(symbols) * u64::from(symbol_bytes)).map_err(std::io::Error::other)?;
    buffer.resize(whole, 0);
    let (content, rest) = buffer.split_at_mut_checked(bytes).ok_or(std::io::ErrorKind::UnexpectedEof)?;
    rest.fill(0);
    part.bundle.read(content, offset)
}

/// The seal of a bundle whose last block was tagged, once.
fn seal(bundle: &Bundle, tags: &mut BTreeMap<BundleNumber, Vec<BlockTag>>) -> Option<Seal> {
    let tagged = tags.get(&bundle.number).map_or(0, Vec::len);
    if u32::try_from(tagged) != Ok(bundle.geometry.blocks()) {
        return None;
    }
    let tags = tags.remove(&bundle.number)?;
    let digest = BundleDigest::of(&bundle.geometry, &tags);
    Some(Seal { number: bundle.number, geometry: bundle.geometry, digest })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planner_ends_with_an_error_when_nobody_sends_any_more() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("outbox")).unwrap();
        let settings = Settings {
            outbox: folder.path().join("outbox"),
            state: folder.path().join("state.json"),
            events: Some(folder.path().join("events")),
            ..crate::options::tests::settings()
        };
        let key = fastness_diode::LinkKey::random().unwrap();
        // Nothing waits, and there is something to be sent.
        for content in [None, Some("bundle")] {
            if let Some(content) = content {
                std::fs::write(settings.outbox.join("0000000001.bundle"), content).unwrap();
            }
            let events = Events::open(settings.events.as_deref()).unwrap();
            let state = State::load(&settings.state).unwrap();
            let outbox = Outbox::open(&settings, 64).unwrap();
            let tagger = key.block_tagger(&fastness_diode::Sealer::new(&key).unwrap().run()).unwrap();
            let (work, _) = std::sync::mpsc::sync_channel(1);
            let (_, reports) = std::sync::mpsc::channel();
            let planner = Planner::new(&settings, outbox, state, &events, work, reports, tagger);
            assert!(matches!(planner.run(), Err(SendError::Line)));
        }
    }

    #[test]
    fn small_blocks_get_more_repair_for_their_size() {
        assert_eq!([1, 3, 132, 512].map(|symbols| repair_count(symbols, 0.12)), [4, 6, 38, 103]);
        assert_eq!(repair_count(512, 0.0), 0);
    }
}

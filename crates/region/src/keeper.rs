//! The threads that keep a region's ledgers. One signs each second what is new, packs what there is enough of, drops what
//! is old, and raises the alarms that only somebody who looks all the time can raise; the other takes the checkpoints of
//! the regions below, so that whoever brings those keeps nobody from signing.
//!
//! An alarm goes into the process's log and, as an entry `Alarm` by the region, into the ledger at the ceiling: a log that
//! no longer fits what was signed, a clock that steps, a disk that is nearly full, a record that could not be written, a
//! region below whose checkpoints are not what they must be.

mod alarms;
mod chains;
mod clock;

pub(crate) use chains::end_chains;

use crate::signal::Signal;
use crate::witness::{Inbox, Outbox, Witnessing};
use alarms::Alarms;
use clock::{Clock, Step};
use fastness_gate::Environment;
use fastness_label::Label;
use fastness_ledger::{Entry, Keeper, Log, SigningKeys, VerifierKey, WitnessKey, digest};
use fastness_operation::Moment;
use fastness_store::{Fault, Kept, LedgerState, RESERVE_LEN, SEGMENT_LEN, Store};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;

/// How often what is new is signed.
const EVERY: Duration = Duration::from_secs(1);

/// What must be free on the disk, or it is nearly full: room for records is held back at a sixteenth of this.
const FREE_MIN: u64 = 16 * RESERVE_LEN;

/// What must be free before it counts as nearly full no longer.
const FREE_AGAIN: u64 = FREE_MIN + FREE_MIN / 4;

/// Segments of one ledger that are packed between two signatures.
const SEGMENTS_A_STEP: usize = 32;

/// Segments of one ledger whose times are looked at in a step, to drop what is old.
const SEGMENTS_LOOKED_AT_MAX: usize = 1024;

/// The note, at the ceiling, of what was seen of the clock; and how often it is written.
const CLOCK_NOTE: &str = "clock";
const CLOCK_NOTE_EVERY: Duration = Duration::from_secs(600);

/// The keeper of a region's ledgers; when it is dropped it signs what is new, and ends.
#[derive(Debug)]
pub struct LedgerKeeper {
    signal: Arc<Signal>,
    threads: Vec<JoinHandle<()>>,
}

impl LedgerKeeper {
    /// Starts the keeper of a region. Called within the runtime.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        store: Store,
        environment: Arc<dyn Environment>,
        keep: Option<Duration>,
        (keys, witness_key): (SigningKeys, WitnessKey),
        witnessing: Witnessing,
    ) -> std::io::Result<Self> {
        let of_region = OfRegion { store: store.clone(), environment, runtime: Handle::current() };
        let mut taking = Taking { of_region: of_region.clone(), key: witness_key, inboxes: witnessing.inboxes };
        let mut watch = Watch {
            public: keys.of_log("fastness"),
            keeper: Keeper::new(store, keys),
            outbox: witnessing.outbox,
            keep,
            of_region,
            alarms: Alarms::default(),
            refused: HashMap::new(),
            clock: None,
            clock_noted: None,
        };
        let mut keeper = Self { signal: Arc::new(Signal::default()), threads: Vec::new() };
        if !taking.inboxes.is_empty() {
            keeper.run("ledger-witness", move || taking.look())?;
        }
        keeper.run("ledger-keeper", move || watch.look())?;
        Ok(keeper)
    }

    /// Looks each second, and once more at the end.
    fn run(&mut self, name: &str, mut look: impl FnMut() + Send + 'static) -> std::io::Result<()> {
        let stopped = Arc::clone(&self.signal);
        let work = move || {
            while stopped.sleep(EVERY) {
                look();
            }
            look();
        };
        self.threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }
}

impl Drop for LedgerKeeper {
    fn drop(&mut self) {
        self.signal.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the ledgers' keeper ended by a panic");
            }
        }
    }
}

/// What the region's own threads write into the ledger at the ceiling with.
#[derive(Debug, Clone)]
pub(crate) struct OfRegion {
    pub(crate) store: Store,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) runtime: Handle,
}

impl OfRegion {
    /// Records an alarm; whether the ledger has it.
    async fn alarm(&self, alarm: &str) -> bool {
        self.recorded("Alarm", alarm).await
    }

    /// The same from a thread that may block.
    pub(crate) fn raise(&self, alarm: &str) -> bool {
        self.record("Alarm", alarm)
    }

    /// Records what the region did; whether the ledger has it. Called from a thread that may block.
    pub(crate) fn record(&self, operation: &str, made: &str) -> bool {
        self.runtime.block_on(self.recorded(operation, made))
    }

    async fn recorded(&self, operation: &str, made: &str) -> bool {
        let label = self.store.labels().ceiling();
        let banner = self.store.policy().banner(label);
        let entry = Entry::by_the_region(&self.moment(), banner, operation, made.to_owned());
        match self.store.record(label, entry).await {
            Ok(()) => true,
            Err(fault) => {
                tracing::warn!(%fault, operation, made, "what the region did is not in the ledger yet");
                false
            }
        }
    }

    fn moment(&self) -> Moment {
        self.environment.moment(None)
    }
}

/// Takes what the regions below signed.
struct Taking {
    of_region: OfRegion,
    key: WitnessKey,
    inboxes: Vec<Inbox>,
}

impl Taking {
    fn look(&mut self) {
        let Self { of_region, key, inboxes } = self;
        let raise = async |alarm: &str| {
            tracing::error!(alarm, "the ledgers' keeper");
            of_region.alarm(alarm).await
        };
        for inbox in inboxes {
            let now_s = u64::try_from(of_region.moment().now_ms / 1000).unwrap_or(0);
            of_region.runtime.block_on(inbox.look(&of_region.store, key, now_s, &raise));
        }
    }
}

struct Watch {
    keeper: Keeper,
    /// The keys that it signs with.
    public: [VerifierKey; 2],
    outbox: Option<Outbox>,
    /// How long contents are kept, if not for ever.
    keep: Option<Duration>,
    of_region: OfRegion,
    alarms: Alarms,
    /// How often each partition could not commit, as it was seen the last time.
    refused: HashMap<Label, u64>,
    /// The clock, once it was looked at, and when that was noted.
    clock: Option<Clock>,
    clock_noted: Option<Duration>,
}

impl Watch {
    fn look(&mut self) {
        let runtime = self.of_region.runtime.clone();
        let store = self.of_region.store.clone();
        let mut unfit = BTreeSet::new();
        for (log, error) in runtime.block_on(self.keeper.step()).alarms {
            self.alarms.hold(&format!("log {log} {}", error.kind()), || format!("log {log}: {error}"));
            unfit.insert(log);
        }
        if let Some(outbox) = &mut self.outbox
            && let Err(error) = outbox.look(&store, &self.public)
        {
            self.alarms.hold("outbox", || format!("the outbox for witnesses: {error}"));
        }
        let believed_ms = self.look_at_clock();
        self.pack();
        if let (Some(keep), Some(now_ms)) = (self.keep, believed_ms) {
            runtime.block_on(self.drop_old(now_ms, keep, &unfit));
        }
        self.look_at_disk();
        self.look_at_records();
        let of_region = &self.of_region;
        self.alarms.end_look(|alarm| runtime.block_on(of_region.alarm(alarm)));
    }

    fn look_at_disk(&mut self) {
        let Ok(free) = self.of_region.store.free_bytes() else { return };
        if free < if self.alarms.holds("disk") { FREE_AGAIN } else { FREE_MIN } {
            let words = "the disk is nearly full: data is refused soon, so that records still find room";
            self.alarms.hold("disk", || words.to_owned());
        }
    }

    /// A partition that could not commit refused whatever it was asked: nothing of it was done.
    fn look_at_records(&mut self) {
        let store = &self.of_region.store;
        for label in store.labels().held().iter().rev().copied() {
            let Ok(count) = store.batches_refused(label) else { continue };
            if count > self.refused.insert(label, count).unwrap_or(0) {
                let log = Log::of_partition(store, label).origin();
                let words = || format!("log {log}: records could not be written, and what they were of was refused");
                self.alarms.hold(&format!("records {log}"), words);
            }
        }
    }

    /// What the clock shows, if it can be believed.
    fn look_at_clock(&mut self) -> Option<i64> {
        let (now_ms, at) = (self.of_region.moment().now_ms, clock::unset());
        let store = &self.of_region.store;
        let ceiling = store.labels().ceiling();
        let step = match &mut self.clock {
            Some(clock) => clock.look(now_ms, at),
            None => match store.note_kept(ceiling, CLOCK_NOTE) {
                Ok(note) => {
                    let (clock, step) = Clock::resume(note.as_deref(), now_ms, at);
                    self.clock = Some(clock);
                    // Only what is dropped by the clock is in danger from time that went by.
                    step.filter(|step| self.keep.is_some() || matches!(step, Step::Back { .. }))
                }
                Err(fault) => {
                    tracing::error!(%fault, "what was noted of the clock cannot be read");
                    return None;
                }
            },
        };
        match step {
            Some(Step::Back { by_ms, from_ms }) => {
                self.alarms.tell(format!("the clock stepped back by {by_ms} ms, from {from_ms}"));
            }
            Some(Step::Ahead { by_ms, from_ms }) => self.alarms.tell(format!(
                "the clock stepped ahead by {by_ms} ms, from {from_ms}, or nobody looked meanwhile: no contents are dropped before it was steady for a day"
            )),
            None => {}
        }
        let is_due = self.clock_noted.is_none_or(|noted| at.saturating_sub(noted) >= CLOCK_NOTE_EVERY);
        let clock = self.clock.as_ref()?;
        if is_due || step.is_some() {
            let notes = vec![(CLOCK_NOTE.to_owned(), clock.note(now_ms, at))];
            match self.of_region.runtime.block_on(store.keep(ceiling, Kept { notes, ..Kept::default() })) {
                Ok(()) => self.clock_noted = Some(at),
                Err(fault) => tracing::error!(%fault, "the clock could not be noted; the next step tries again"),
            }
        }
        clock.is_steady(at).then_some(now_ms)
    }

    /// Packs what there is enough of; the lowest label first, and of each one as much as came in a second at most.
    fn pack(&self) {
        let store = &self.of_region.store;
        for label in store.labels().held().iter().rev().copied() {
            for _ in 0..SEGMENTS_A_STEP {
                match self.of_region.runtime.block_on(store.pack(label, digest)) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(fault) => {
                        tracing::error!(%fault, "a ledger could not be packed; the next step tries again");
                        break;
                    }
                }
            }
        }
    }

    /// Drops contents whose time is over: of the lowest label first, and whatever fails at another one. What no longer fits
    /// what was signed is kept: somebody will want to see it. The time is the one that was believed: the clock may step
    /// meanwhile.
    async fn drop_old(&self, now_ms: i64, keep: Duration, unfit: &BTreeSet<String>) {
        let store = &self.of_region.store;
        for label in store.labels().held().iter().rev().copied() {
            if unfit.contains(&Log::of_partition(store, label).origin()) {
                continue;
            }
            if let Err(fault) = self.drop_of(label, now_ms, keep).await {
                tracing::error!(%fault, "contents whose time is over could not be dropped; the next step tries again");
            }
        }
    }

    async fn drop_of(&self, label: Label, now_ms: i64, keep: Duration) -> Result<(), Fault> {
        let store = &self.of_region.store;
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let (ledger, moment) = (store.ledger(label)?, self.of_region.moment());
        let below = self.old(&ledger, now_ms, keep_ms)?;
        if below <= ledger.dropped {
            return Ok(());
        }
        // The entry that says how an older chain ended is among those that go.
        chains::say(store, &ledger, &moment).await?;
        let marking = store.policy().banner(label);
        let record = move |from: u64, to: u64| {
            let made = format!("from={from} to={} kept-ms={keep_ms}", to - 1);
            Entry::by_the_region(&moment, marking, "DropContents", made)
        };
        store.drop_contents(label, below, record).await.map(|_| ())
    }

    /// The entry before which the contents' time is over: of whole segments, from the oldest on. What a clock dated ahead
    /// is over when something that came later is.
    fn old(&self, ledger: &LedgerState, now_ms: i64, keep_ms: i64) -> Result<u64, Fault> {
        let (mut below, mut next) = (ledger.dropped, ledger.dropped);
        for _ in 0..SEGMENTS_LOOKED_AT_MAX {
            let Some((_, last_ms)) = self.of_region.store.segment_times(ledger.label, next)? else { break };
            next += SEGMENT_LEN;
            if last_ms < now_ms.saturating_sub(keep_ms) {
                below = next;
            } else if last_ms <= now_ms {
                break;
            }
        }
        Ok(below)
    }
}

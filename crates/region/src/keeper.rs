//! The thread that keeps a region's ledgers: every second it signs what is new, packs what there is enough of, and raises
//! the alarms that only somebody who looks all the time can raise.
//!
//! An alarm goes into the process's log and, as an entry `Alarm` by the region, into the ledger at the ceiling: a log that
//! no longer fits what was signed, a clock that steps back, a disk that is nearly full, a region below whose checkpoints
//! are not what they must be.

use crate::signal::Signal;
use crate::witness::Witnessing;
use fastness_gate::Environment;
use fastness_label::Label;
use fastness_ledger::{Entry, Keeper, Outcome, SigningKeys, VerifierKey, WitnessKey, digest};
use fastness_operation::Moment;
use fastness_store::{Fault, RESERVE_LEN, SEGMENT_LEN, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How often what is new is signed.
const EVERY: Duration = Duration::from_secs(1);

/// How far a clock may step back without an alarm: time services correct by less.
const STEP_BACK_MAX_MS: i64 = 1_000;

/// What must be free on the disk, or it is nearly full: room for records is held back at a sixteenth of this.
const FREE_MIN: u64 = 16 * RESERVE_LEN;

/// Segments of one ledger that are packed between two signatures.
const SEGMENTS_A_STEP: usize = 32;

/// The operation of the entry that says how an earlier program's chain ended.
const END_CHAIN: &str = "EndChain";

/// The keeper of a region's ledgers; when it is dropped it signs what is new, and ends.
#[derive(Debug)]
pub struct LedgerKeeper {
    signal: Arc<Signal>,
    thread: Option<std::thread::JoinHandle<()>>,
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
        let signal = Arc::new(Signal::default());
        let mut watch = Watch {
            public: keys.of_log("fastness"),
            keeper: Keeper::new(store.clone(), keys),
            witness_key,
            witnessing,
            store,
            environment,
            keep,
            runtime: Handle::current(),
            raised: BTreeSet::new(),
            latest_ms: i64::MIN,
            chains_ended: false,
        };
        let stopped = Arc::clone(&signal);
        let work = move || {
            while stopped.sleep(EVERY) {
                watch.look();
            }
            watch.look();
        };
        let thread = std::thread::Builder::new().name("ledger-keeper".to_owned()).spawn(work)?;
        Ok(Self { signal, thread: Some(thread) })
    }
}

impl Drop for LedgerKeeper {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ledgers' keeper ended by a panic");
        }
    }
}

struct Watch {
    keeper: Keeper,
    /// The keys that it signs with.
    public: [VerifierKey; 2],
    witness_key: WitnessKey,
    witnessing: Witnessing,
    store: Store,
    environment: Arc<dyn Environment>,
    /// How long contents are kept, if not for ever.
    keep: Option<Duration>,
    runtime: Handle,
    /// Alarms that hold, each raised once.
    raised: BTreeSet<String>,
    /// The latest time that the clock has shown.
    latest_ms: i64,
    /// Whether the chains of earlier programs were looked at.
    chains_ended: bool,
}

impl Watch {
    fn look(&mut self) {
        let mut alarms = BTreeSet::new();
        let runtime = self.runtime.clone();
        if let Err(fault) = runtime.block_on(self.end_chains()) {
            tracing::error!(%fault, "the end of an older chain is not in the ledger");
        }
        for (log, error) in runtime.block_on(self.keeper.step()).alarms {
            alarms.insert(format!("log {log}: {error}"));
        }
        if let Some(outbox) = &mut self.witnessing.outbox
            && let Err(error) = outbox.look(&self.store, &self.public)
        {
            alarms.insert(format!("the outbox for witnesses: {error}"));
        }
        self.pack();
        if let Err(fault) = runtime.block_on(self.drop_old()) {
            tracing::error!(%fault, "contents whose time is over could not be dropped; the next step tries again");
        }
        if let Ok(free) = self.store.free_bytes()
            && free < FREE_MIN
        {
            alarms.insert("the disk is nearly full: data is refused soon, so that records still find room".to_owned());
        }
        let now_ms = self.environment.moment(None).now_ms;
        if now_ms < self.latest_ms.saturating_sub(STEP_BACK_MAX_MS) {
            // What it shows from now on is what the next step back is judged by.
            self.raise(&format!("the clock stepped back by {} ms, from {}", self.latest_ms - now_ms, self.latest_ms));
            self.latest_ms = now_ms;
        }
        self.latest_ms = self.latest_ms.max(now_ms);
        for alarm in alarms.difference(&self.raised) {
            self.raise(alarm);
        }
        self.raised = alarms;
        let mut inboxes = std::mem::take(&mut self.witnessing.inboxes);
        let now_s = u64::try_from(now_ms / 1000).unwrap_or(0);
        for inbox in &mut inboxes {
            runtime.block_on(
                inbox.look(&self.store, &self.witness_key, now_s, &async |alarm: &str| self.alarm(alarm).await),
            );
        }
        self.witnessing.inboxes = inboxes;
    }

    /// Packs what there is enough of; the lowest label first, and of each one as much as came in a second at most.
    fn pack(&self) {
        for label in self.store.labels().held().iter().rev().copied() {
            for _ in 0..SEGMENTS_A_STEP {
                match self.runtime.block_on(self.store.pack(label, digest)) {
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

    /// Drops contents whose time is over: of whole segments, from the oldest on.
    async fn drop_old(&self) -> Result<(), Fault> {
        let Some(keep) = self.keep else { return Ok(()) };
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        for ledger in self.store.ledgers()? {
            let moment = self.environment.moment(None);
            let before_ms = moment.now_ms.saturating_sub(keep_ms);
            let mut below = ledger.dropped;
            while let Some((_, last_ms)) = self.store.segment_times(ledger.label, below)?
                && last_ms < before_ms
            {
                below += SEGMENT_LEN;
            }
            if below > ledger.dropped {
                let marking = self.store.policy().banner(ledger.label);
                let record = move |from: u64, to: u64| {
                    entry(&moment, marking, "DropContents", format!("from={from} to={} kept-ms={keep_ms}", to - 1))
                };
                self.store.drop_contents(ledger.label, below, record).await?;
            }
        }
        Ok(())
    }

    /// Says in a ledger that follows the chain of an earlier program how that chain ended: what signs the ledger signs
    /// the chain's last hash with it.
    async fn end_chains(&mut self) -> Result<(), Fault> {
        if std::mem::replace(&mut self.chains_ended, true) {
            return Ok(());
        }
        for ledger in self.store.ledgers()? {
            let Some((length, head)) = ledger.frozen else { continue };
            let mut said = false;
            self.store.ledger_rows(ledger.label, 0, 1, |_, _, content| {
                said = content.is_none_or(|content| {
                    Entry::decode_content(content).is_ok_and(|entry| entry.operation == END_CHAIN)
                });
                false
            })?;
            if !said && ledger.length == 0 {
                let head: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
                self.record(ledger.label, END_CHAIN, format!("entries={length} head={head}")).await?;
            }
        }
        Ok(())
    }

    fn raise(&self, alarm: &str) {
        self.runtime.block_on(self.alarm(alarm));
    }

    /// Raises an alarm; whether the ledger has it.
    async fn alarm(&self, alarm: &str) -> bool {
        tracing::error!(alarm, "the ledgers' keeper");
        let label = self.store.labels().ceiling();
        match self.record(label, "Alarm", alarm.to_owned()).await {
            Ok(()) => true,
            Err(fault) => {
                tracing::error!(%fault, "an alarm is not in the ledger");
                false
            }
        }
    }

    /// An entry by the region itself.
    async fn record(&self, label: Label, operation: &str, what: String) -> Result<(), Fault> {
        let moment = self.environment.moment(None);
        self.store.record(label, entry(&moment, self.store.policy().banner(label), operation, what)).await
    }
}

/// What an entry by the region itself is in the ledger.
fn entry(moment: &Moment, label: String, operation: &str, what: String) -> Vec<u8> {
    Entry {
        time_ms: moment.now_ms,
        request: [0; 8],
        service: "fastness".to_owned(),
        operation: operation.to_owned(),
        principal: "region".to_owned(),
        account: String::new(),
        key: String::new(),
        label,
        nationality: String::new(),
        duty: String::new(),
        agent: String::new(),
        resources: Vec::new(),
        outcome: Outcome::Done(Some(what)),
        source: String::new(),
    }
    .record(&moment.seed)
}

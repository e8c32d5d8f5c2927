//! The scrubber: a thread for each partition, which reads everything in it again and again, slowly, so that damage is
//! found while there still is a backup.
//!
//! A finding goes into the process's log, and into the ledger of the partition that it is in; so does the sum of each
//! pass. Nothing of it is seen below: one partition's scrub knows nothing of another's.

use crate::signal::Signal;
use fastness_gate::Environment;
use fastness_label::Label;
use fastness_ledger::{Entry, Outcome};
use fastness_store::{Fault, ScrubFinding, ScrubSums, ScrubWatch, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long a region is left alone after its start, and how often new labels are looked for.
const PAUSE: Duration = Duration::from_secs(60);

/// Findings of one pass that get entries of their own; more are counted.
const ENTRIES_MAX: u64 = 1_000;

/// How a region scrubs itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScrubConfig {
    /// Seconds from the beginning of one pass to that of the next; 0 for never.
    pub every_s: u64,
    /// Bytes a second that one partition reads at most.
    pub bytes_per_s: u64,
}

impl Default for ScrubConfig {
    fn default() -> Self {
        Self { every_s: 7 * 24 * 3600, bytes_per_s: 4 << 20 }
    }
}

/// The scrubbers of a region; they end when this is dropped.
#[derive(Debug)]
pub struct Scrubber {
    signal: Arc<Signal>,
    overseer: Option<std::thread::JoinHandle<()>>,
}

/// What every scrubber of a region holds.
#[derive(Clone)]
struct Tools {
    store: Store,
    environment: Arc<dyn Environment>,
    config: ScrubConfig,
    signal: Arc<Signal>,
    runtime: Handle,
}

impl Scrubber {
    /// Starts the scrubbers of a region, unless its configuration says never. Called within the runtime.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(store: Store, environment: Arc<dyn Environment>, config: ScrubConfig) -> std::io::Result<Self> {
        let signal = Arc::new(Signal::default());
        let tools = Tools { store, environment, config, signal: Arc::clone(&signal), runtime: Handle::current() };
        let enabled = config.every_s > 0;
        let spawn = || std::thread::Builder::new().name("scrub-overseer".to_owned()).spawn(move || oversee(&tools));
        let overseer = enabled.then(spawn).transpose()?;
        Ok(Self { signal, overseer })
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(overseer) = self.overseer.take()
            && overseer.join().is_err()
        {
            tracing::error!("the scrubbers ended by a panic");
        }
    }
}

/// Starts a scrubber for each label, also for those that are added later.
fn oversee(tools: &Tools) {
    let pause = PAUSE.min(Duration::from_secs(tools.config.every_s));
    let (mut known, mut threads) = (BTreeSet::new(), Vec::new());
    while tools.signal.sleep(pause) {
        for label in tools.store.labels().held().iter().copied() {
            if !known.insert(tools.store.policy().banner(label)) {
                continue;
            }
            let tools = tools.clone();
            match std::thread::Builder::new().name("scrubber".to_owned()).spawn(move || scrub(&tools, label)) {
                Ok(thread) => threads.push(thread),
                Err(error) => tracing::error!(%error, "a partition is not scrubbed: no thread could be started"),
            }
        }
    }
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a scrubber ended by a panic");
        }
    }
}

/// Scrubs one partition until the region stops.
fn scrub(tools: &Tools, label: Label) {
    loop {
        let begin = Instant::now();
        if let Err(fault) = pass(tools, label) {
            tracing::error!(label = tools.store.policy().banner(label), %fault, "a partition could not be scrubbed");
        }
        let left = Duration::from_secs(tools.config.every_s).saturating_sub(begin.elapsed());
        // At least a moment, so that a short period does not become a busy loop.
        if !tools.signal.sleep(left.max(Duration::from_millis(100))) {
            return;
        }
    }
}

/// One pass over one partition, with its record.
fn pass(tools: &Tools, label: Label) -> Result<ScrubSums, Fault> {
    let mut watch = Watch { tools, label, due: Instant::now(), found: 0 };
    let sums = tools.store.scrub(label, &mut watch)?;
    if tools.signal.sleep(Duration::ZERO) {
        let text = format!("{} values, {} bytes, {} damaged", sums.values, sums.bytes, sums.damaged);
        watch.record(Vec::new(), Outcome::Done(Some(text)));
    }
    Ok(sums)
}

struct Watch<'t> {
    tools: &'t Tools,
    label: Label,
    /// When what was read so far would have been read at the rate allowed.
    due: Instant,
    found: u64,
}

impl ScrubWatch for Watch<'_> {
    fn read(&mut self, bytes: u64) -> bool {
        let nanos = bytes.saturating_mul(1_000_000_000) / self.tools.config.bytes_per_s.max(1);
        self.due = self.due.max(Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or(self.due));
        self.due += Duration::from_nanos(nanos);
        self.tools.signal.sleep(self.due.saturating_duration_since(Instant::now()))
    }

    fn found(&mut self, finding: ScrubFinding) {
        let ScrubFinding { resource, what } = finding;
        tracing::error!(label = self.tools.store.policy().banner(self.label), resource, what, "the disk damaged data");
        self.found += 1;
        if self.found <= ENTRIES_MAX {
            let resources = if resource.is_empty() { Vec::new() } else { vec![format!("read {resource}")] };
            self.record(resources, Outcome::Refused("fault".to_owned(), "InternalError".to_owned()));
        }
    }
}

impl Watch<'_> {
    /// An entry by the region itself, in the ledger of the partition that was read.
    fn record(&self, resources: Vec<String>, outcome: Outcome) {
        let Tools { store, environment, runtime, .. } = self.tools;
        let moment = environment.moment(None);
        let entry = Entry {
            time_ms: moment.now_ms,
            request: [0; 8],
            service: "fastness".to_owned(),
            operation: "Scrub".to_owned(),
            principal: "region".to_owned(),
            account: String::new(),
            key: String::new(),
            label: store.policy().banner(self.label),
            nationality: String::new(),
            duty: String::new(),
            agent: String::new(),
            resources,
            outcome,
            source: String::new(),
        };
        if let Err(fault) = runtime.block_on(store.record(self.label, entry.record(&moment.seed))) {
            tracing::error!(%fault, "a finding of the scrubber is not in the ledger");
        }
    }
}

//! Crossing in a region: the folders and keys that its gate crosses with, and what runs beside its requests.
//!
//! ```text
//! a task a label      Gate::send_lifts, send_releases   what is due goes into a staged bundle       (send)
//! one thread          Spooler            number, entry, shown to the carrier                        spool
//! a thread a region   Inbox              Gate::open_bundle; refused, set aside, or handed on        intake
//! a task a label      Gate::take_bundle  guard, commit; then its file goes                          workers
//! one thread          Peers              keys that come late, or are others than before             (peers)
//! ```

mod beside;
mod config;
mod guard;
mod intake;
mod spool;
mod workers;

pub use config::{CrossingConfig, GuardConfig, WayConfig, peer_keys_file};

pub use guard::FilterGuard;

pub(crate) use config::{check, peers};

use crate::keeper::OfRegion;
use crate::signal::Signal;
use crate::{ConfigError, RegionConfig, RegionError, RegionFolder};
use beside::{Others, Waiting};
use fastness_crossing::{Inbox, Outbox, OwnKeys, Peers, crossing_inbox, ready_folder};
use fastness_gate::{CrossingParts, Environment, Gate, Guard};
use fastness_label::Label;
use fastness_operation::RegionName;
use fastness_store::Store;
use intake::Intake;
use spool::Spool;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use workers::Workers;

/// How often somebody looks for what is due, waits or has arrived.
const EVERY: Duration = Duration::from_millis(200);

/// How often somebody looks at the other regions' keys.
const PEERS_EVERY: Duration = Duration::from_secs(5);

/// How often what arrived long ago is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long a label whose lifts fail is left alone.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What a region crosses with.
#[derive(Debug)]
pub struct Crossing {
    own: Arc<OwnKeys>,
    peers: Arc<Peers>,
    outbox: Outbox,
    folder: PathBuf,
}

/// What runs for crossing beside a region's requests. When it is dropped, it ends.
#[derive(Debug)]
pub struct Crossings {
    signal: Arc<Signal>,
    threads: Vec<JoinHandle<()>>,
    lifts: tokio::task::JoinHandle<()>,
}

impl Crossing {
    /// What a configuration says, in a region's folder.
    ///
    /// # Errors
    /// [`RegionError`], also for a configuration whose names are none.
    pub fn new(folder: &RegionFolder, config: &RegionConfig) -> Result<Self, RegionError> {
        let name = RegionName::new(&config.name).map_err(|_| ConfigError::Name(config.name.clone()))?;
        let own = Arc::new(folder.crossing_keys(&name)?);
        let peers = Arc::new(Peers::new(&own, config.peers()?));
        Ok(Self { own, peers, outbox: folder.bundle_outbox()?, folder: folder.path().to_owned() })
    }

    /// What the gate crosses with; `own` are the region's keys once more.
    #[must_use]
    pub fn parts(&self, own: OwnKeys, guard: Arc<dyn Guard>) -> CrossingParts {
        CrossingParts {
            own,
            regions: Arc::new(Others(Arc::clone(&self.peers))),
            staging: Arc::new(Waiting(self.outbox.clone())),
            guard,
        }
    }

    /// Starts what runs beside the requests of a gate that crosses. Called within the runtime.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(self, gate: &Gate, store: Store, environment: Arc<dyn Environment>) -> std::io::Result<Crossings> {
        let runtime = Handle::current();
        let of_region = OfRegion { store, environment, runtime: runtime.clone() };
        let lifts = runtime.spawn(send(gate.clone()));
        let mut running = Crossings { signal: Arc::new(Signal::default()), threads: Vec::new(), lifts };
        let peers = Arc::clone(&self.peers);
        let of_peers = of_region.clone();
        running.run("crossing-peers", PEERS_EVERY, move |_| look_at(&peers, &of_peers))?;
        let mut to: Vec<RegionName> = self.peers.others().cloned().collect();
        to.push(self.peers.own().clone());
        let spoolers = to.iter().map(|to| (to.clone(), self.outbox.spooler(to))).collect();
        let mut spool = Spool::new(of_region, self.own, spoolers);
        running.run("crossing-out", EVERY, move |go_on| spool.look(go_on))?;
        let workers = Arc::new(Workers::new(gate.clone(), runtime.clone()));
        for from in to {
            let inbox = match from == *self.peers.own() {
                true => Inbox::of_own(ready_folder(&self.folder, &from)),
                false => Inbox::new(crossing_inbox(&self.folder, &from)),
            };
            let mut intake = Intake::new(gate.clone(), from, inbox, Arc::clone(&workers), runtime.clone());
            running.run("crossing-in", EVERY, move |go_on| intake.look(go_on))?;
        }
        Ok(running)
    }
}

impl Crossings {
    /// Runs something again and again, until this is dropped; it is told whether to go on.
    fn run(
        &mut self,
        name: &str,
        every: Duration,
        mut look: impl FnMut(&dyn Fn() -> bool) + Send + 'static,
    ) -> std::io::Result<()> {
        let signal = Arc::clone(&self.signal);
        let work = move || {
            loop {
                look(&|| !signal.is_stopped());
                if !signal.sleep(every) {
                    break;
                }
            }
        };
        self.threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }
}

impl Drop for Crossings {
    fn drop(&mut self) {
        self.lifts.abort();
        self.signal.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of crossing ended by a panic");
            }
        }
    }
}

/// Sends what is due at each label, also at those that come later, until it is dropped: a task a label.
async fn send(gate: Gate) {
    let (mut tasks, mut known) = (JoinSet::new(), HashSet::new());
    tasks.spawn(forget(gate.clone()));
    loop {
        for label in gate.labels() {
            if known.insert(label) {
                tasks.spawn(send_at(gate.clone(), label));
            }
        }
        tokio::time::sleep(PEERS_EVERY).await;
    }
}

/// Forgets, again and again, what arrived without trouble long ago; and says how many refusals had no entry.
async fn forget(gate: Gate) {
    loop {
        for label in gate.labels() {
            loop {
                match gate.forget_arrivals(label).await {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(fault) => {
                        tracing::warn!(%fault, "arrivals of long ago are not forgotten yet");
                        break;
                    }
                }
            }
        }
        if let Err(fault) = gate.say_refusals().await {
            tracing::warn!(%fault, "refusals that were counted are not recorded yet");
        }
        tokio::time::sleep(FORGET_EVERY).await;
    }
}

async fn send_at(gate: Gate, label: Label) {
    loop {
        let (lifts, releases) = (gate.send_lifts(label).await, gate.send_releases(label).await);
        let wait = match (lifts, releases) {
            (Ok(0), Ok(0)) => EVERY,
            (Ok(_), Ok(_)) => continue,
            (Err(fault), _) | (_, Err(fault)) => {
                tracing::error!(%fault, "lifts or releases could not go on; it is tried again");
                AFTER_FAILURE
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Reads keys that came, and says which are not what they were.
fn look_at(peers: &Peers, of_region: &OfRegion) {
    for (region, words) in peers.look() {
        tracing::error!(%region, alarm = words, "the keys of a region beside this one");
        of_region.raise(&format!("keys of region {region}: {words}"));
    }
}

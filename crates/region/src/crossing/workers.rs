//! Who takes bundles in: one worker for each label, so that none waits for another label's. It has two bundles in hand: the
//! guard looks at the second one while the first one is committed.

use fastness_gate::{ArrivingBundle, Gate, Line, Taken};
use fastness_label::Label;
use fastness_store::Fault;
use futures_util::FutureExt;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// Bundles that wait for a label's worker; others stay in their inbox.
const WAITING_MAX: usize = 8;

/// Bundles of a label that are taken in side by side, each with filters of its own, and committed one after the other.
const AT_ONCE: usize = 2;

/// A bundle to take in.
pub(super) struct Work {
    /// The number in its file's name.
    pub(super) number: NonZeroU64,
    pub(super) bundle: Box<ArrivingBundle>,
    pub(super) done: Sender<Done>,
}

/// What came of it.
pub(super) struct Done {
    pub(super) number: NonZeroU64,
    pub(super) taken: Result<Taken, Fault>,
}

/// The workers, started when there is something for them; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Workers {
    gate: Gate,
    runtime: Handle,
    all: Mutex<HashMap<Label, Worker>>,
}

#[derive(Debug)]
struct Worker {
    work: mpsc::Sender<Work>,
    task: JoinHandle<()>,
}

impl Workers {
    pub(super) fn new(gate: Gate, runtime: Handle) -> Self {
        Self { gate, runtime, all: Mutex::default() }
    }

    /// Whether the worker of a label has room for a bundle.
    pub(super) fn has_room(&self, label: Label) -> bool {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&label).is_none_or(|worker| worker.work.capacity() > 0)
    }

    /// Hands a bundle to the worker of its label; whether there was room.
    pub(super) fn hand(&self, work: Work) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let worker = all.entry(work.bundle.target()).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            Worker { work: sender, task: self.runtime.spawn(take_in(self.gate.clone(), receiver)) }
        });
        worker.work.try_send(work).is_ok()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let all = self.all.get_mut().unwrap_or_else(PoisonError::into_inner);
        // What is cut off is taken in from where it stands at the next start.
        all.values().for_each(|worker| worker.task.abort());
    }
}

async fn take_in(gate: Gate, mut work: mpsc::Receiver<Work>) {
    let (line, mut in_hand) = (Line::default(), JoinSet::new());
    while let Some(Work { number, bundle, done }) = work.recv().await {
        let (gate, place) = (gate.clone(), line.join());
        in_hand.spawn(async move {
            // A panic holds up this bundle alone, which is tried again.
            let taken = AssertUnwindSafe(gate.take_bundle_at(*bundle, place)).catch_unwind().await;
            let taken = taken.unwrap_or_else(|_| Err(Fault::Failed("taking it in ended by a panic".to_owned())));
            // Its intake may have ended; then the file is looked at again at the next start.
            let _ended = done.send(Done { number, taken });
        });
        if in_hand.len() >= AT_ONCE {
            in_hand.join_next().await;
        }
    }
}

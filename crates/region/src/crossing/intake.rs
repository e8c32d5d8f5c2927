//! What arrives from one region: opened in the order of names, handed to the worker of its label, and removed when its
//! outcome is in the ledger. A label whose worker is busy holds up no other, and no region another.

use super::workers::{Done, Work, Workers};
use fastness_crossing::{Found, Inbox, Opened};
use fastness_gate::{Gate, Opening, Taken};
use fastness_label::Label;
use fastness_operation::RegionName;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Handle;

/// How long a bundle that has to wait is left alone: first so long, then twice as long each time, up to a minute.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// The inbox of one region.
pub(super) struct Intake {
    gate: Gate,
    from: RegionName,
    inbox: Inbox,
    workers: Arc<Workers>,
    runtime: Handle,
    /// What workers have, by number.
    busy: BTreeMap<NonZeroU64, Found>,
    /// What waits, until when, and how long it waited the last time.
    later: BTreeMap<NonZeroU64, (Instant, Duration)>,
    /// The labels of what waits for a worker that has others of that label, and since when: not to be opened for nothing.
    full: BTreeMap<NonZeroU64, (Label, Instant)>,
    done: mpsc::Receiver<Done>,
    to_done: mpsc::Sender<Done>,
    /// What was said last.
    said: Option<String>,
}

/// What is to become of a file.
enum Fate {
    /// Its outcome is in the ledger.
    Gone,
    /// It may come in later.
    Aside,
    /// It comes again.
    Later,
}

impl Intake {
    pub(super) fn new(gate: Gate, from: RegionName, inbox: Inbox, workers: Arc<Workers>, runtime: Handle) -> Self {
        let (to_done, done) = mpsc::channel();
        let (busy, later, full) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { gate, from, inbox, workers, runtime, busy, later, full, done, to_done, said: None }
    }

    /// Looks once at what is there and at what workers did with it.
    pub(super) fn look(&mut self, go_on: impl Fn() -> bool) {
        while let Ok(done) = self.done.try_recv() {
            self.end(done);
        }
        let now = Instant::now();
        let mut busy: BTreeSet<NonZeroU64> = self.busy.keys().copied().collect();
        busy.extend(self.later.iter().filter(|(_, (until, _))| *until > now).map(|(number, _)| *number));
        // A mapping may put it elsewhere by now.
        self.full.retain(|_, (_, since)| since.elapsed() < AGAIN_MAX);
        busy.extend(self.full.keys().filter(|number| self.is_full(**number)));
        let found = match self.inbox.look(SystemTime::now(), &busy) {
            Ok(found) => found,
            Err(error) => return self.say(format!("the inbox of {} cannot be read: {error}", self.from)),
        };
        for one in found {
            if !go_on() {
                return;
            }
            if one.number().is_some_and(|number| self.is_full(number)) {
                continue;
            }
            match self.open(&one) {
                Ok(Some(fate)) => self.meet(&one, fate),
                // A worker has it.
                Ok(None) => {}
                Err(words) => {
                    self.say(words);
                    self.meet(&one, Fate::Later);
                }
            }
        }
    }

    /// Whether a bundle waits for a worker that has no room yet.
    fn is_full(&self, number: NonZeroU64) -> bool {
        self.full.get(&number).is_some_and(|(label, _)| !self.workers.has_room(*label))
    }

    fn open(&mut self, found: &Found) -> Result<Option<Fate>, String> {
        let at =
            |error: &dyn std::fmt::Display| format!("{} of {} is not taken in yet: {error}", found.name(), self.from);
        let name = found.name();
        let file = match self.inbox.open(found).map_err(|error| at(&error))? {
            Opened::File(file) => file,
            Opened::Gone => return Ok(None),
            Opened::NoBundle(_) => {
                // A diode's receiver has no ledger: it says by the name of a file how many frames it refused.
                let kind = if name.starts_with("diode: ") { "diode" } else { "malformed" };
                let refused = self.gate.refuse_file(&self.from, &name, kind);
                return self.runtime.block_on(refused).map(|()| Some(Fate::Gone)).map_err(|fault| at(&fault));
            }
        };
        let has_room = |label| self.workers.has_room(label);
        let opening = self.gate.open_bundle_if(&self.from, &name, Box::new(file), has_room);
        let bundle = match self.runtime.block_on(opening).map_err(|fault| at(&fault))? {
            Opening::Ready(bundle) => bundle,
            Opening::Refused(_) => return Ok(Some(Fate::Gone)),
            Opening::NotMapped => return Ok(Some(Fate::Aside)),
            Opening::NoKeys => return Ok(Some(Fate::Later)),
            Opening::Later(label) => {
                self.full.extend(found.number().map(|number| (number, (label, Instant::now()))));
                return Ok(None);
            }
            Opening::Gaps(bundle) => {
                let resent = self.runtime.block_on(self.gate.resend_bundles(*bundle)).map_err(|fault| at(&fault))?;
                return Ok(Some(if matches!(resent, Taken::Waits(_)) { Fate::Later } else { Fate::Gone }));
            }
        };
        // A file is only opened when its name has a number.
        let Some(number) = found.number() else { return Ok(Some(Fate::Later)) };
        let work = Work { number, bundle, done: self.to_done.clone() };
        let label = work.bundle.target();
        if !self.workers.hand(work) {
            // Another region's was faster.
            self.full.insert(number, (label, Instant::now()));
            return Ok(None);
        }
        self.full.remove(&number);
        self.busy.insert(number, found.clone());
        Ok(None)
    }

    /// What a worker did.
    fn end(&mut self, Done { number, taken }: Done) {
        let Some(found) = self.busy.remove(&number) else { return };
        let fate = match taken {
            Ok(Taken::Whole { .. } | Taken::Resent { .. } | Taken::Refused(_)) => Fate::Gone,
            Ok(Taken::NotMapped) => Fate::Aside,
            Ok(Taken::Waits(why)) => {
                self.say(format!("{} of {} waits: {why}", found.name(), self.from));
                Fate::Later
            }
            Err(fault) => {
                self.say(format!("{} of {} is not taken in yet: {fault}", found.name(), self.from));
                Fate::Later
            }
        };
        self.meet(&found, fate);
    }

    fn meet(&mut self, found: &Found, fate: Fate) {
        let ended = match fate {
            Fate::Gone => self.inbox.remove(found),
            Fate::Aside => self.inbox.set_aside(found, SystemTime::now()),
            Fate::Later => {
                if let Some(number) = found.number() {
                    let (_, waited) = self.later.get(&number).copied().unwrap_or((Instant::now(), AGAIN_FIRST / 2));
                    let wait = (waited * 2).min(AGAIN_MAX);
                    self.later.insert(number, (Instant::now() + wait, wait));
                }
                return;
            }
        };
        if let Some(number) = found.number() {
            self.later.remove(&number);
        }
        if let Err(error) = ended {
            self.say(format!("{} of {} cannot be removed: {error}", found.name(), self.from));
        }
    }

    /// Each thing once, until it is another one.
    fn say(&mut self, words: String) {
        if self.said.as_ref() != Some(&words) {
            tracing::warn!("{words}");
            self.said = Some(words);
        }
    }
}

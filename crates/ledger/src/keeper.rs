//! The keeper: puts what was recorded under signed checkpoints.
//!
//! ```text
//! a partition's ledger grew   its tree grows by the new commitments; hashes of full tiles and a new checkpoint, signed
//!                             with both keys, are kept in one commit
//! then, at the ceiling        the partitions' new checkpoints become entries of the region's log, which gets a
//!                             checkpoint of its own in the same commit; so does a note of each one that is last
//! ```
//!
//! A log is never signed against its own last checkpoint: what no longer fits it is an alarm, and nothing more is signed
//! there. What the keeper holds of one label comes from that label's partition alone.

use crate::checkpoint::Checkpoint;
use crate::log::{Log, LogError, resume};
use crate::note::{NoteError, SigningKeys};
use crate::tree::{Frontier, leaf_hash, root};
use fastness_label::Label;
use fastness_store::{Fault, Kept, LedgerLog, Store};
use fastness_vault::RootKey;
use std::collections::HashMap;

/// Entries that one checkpoint takes in at most, so that a long backlog is worked off in steps.
const STEP_LEN: u64 = 1 << 20;

/// The note under which the ceiling keeps the last checkpoint of a partition's ledger that the region's log has.
fn bound_note(origin: &str) -> String {
    format!("bound/{origin}")
}

/// The keys that sign a region's logs: they come from its root key, and from nothing else.
///
/// # Errors
/// [`NoteError::Signing`] when the library refuses to make them.
pub fn region_keys(root: &RootKey) -> Result<SigningKeys, NoteError> {
    let seed = |purpose: &str| root.seed(purpose).map_err(|_| NoteError::Signing);
    SigningKeys::from_seeds(&*seed("ledger Ed25519")?, &*seed("ledger ML-DSA-65")?)
}

/// Signs a region's logs.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    keys: SigningKeys,
    /// Where each partition's ledger stood at its last checkpoint.
    partitions: HashMap<Label, Frontier>,
    region: Option<Frontier>,
    /// The last checkpoint of each partition that is in the region's log.
    bound: HashMap<Label, String>,
}

/// What one step did.
#[derive(Debug, Default)]
pub struct Step {
    /// New checkpoints.
    pub signed: Vec<Checkpoint>,
    /// Logs that could not be signed, by name, and why.
    pub alarms: Vec<(String, LogError)>,
}

impl Keeper {
    /// The keeper of a region's logs.
    #[must_use]
    pub fn new(store: Store, keys: SigningKeys) -> Self {
        Self { store, keys, partitions: HashMap::new(), region: None, bound: HashMap::new() }
    }

    /// Signs whatever grew since the last step. Reads from the disk: not for a thread that others wait for.
    pub async fn step(&mut self) -> Step {
        let mut step = Step::default();
        let labels = self.store.labels();
        let mut latest = Vec::new();
        // The lowest first: what waits for it is not to feel what lies above.
        for label in labels.held().iter().rev().copied() {
            match self.partition(label).await {
                Ok((checkpoint, new)) => {
                    if new {
                        step.signed.extend(checkpoint.clone());
                    }
                    latest.extend(checkpoint.map(|checkpoint| (label, checkpoint.to_string())));
                }
                Err(error) => step.alarms.push((Log::of_partition(&self.store, label).origin(), error)),
            }
        }
        match self.bind(latest).await {
            Ok(checkpoint) => step.signed.extend(checkpoint),
            Err(error) => step.alarms.push((Log::of_region(&self.store).origin(), error)),
        }
        step
    }

    /// One partition's last checkpoint, and whether it is new.
    async fn partition(&mut self, label: Label) -> Result<(Option<Checkpoint>, bool), LogError> {
        let store = self.store.clone();
        let log = Log::of_partition(&store, label);
        let mut frontier = match self.partitions.remove(&label) {
            Some(frontier) => frontier,
            None => {
                let frontier = resume(&log, &self.keys)?;
                self.fits_the_region(&log, &frontier)?;
                frontier
            }
        };
        let (signed, length) = (frontier.size(), log.length()?);
        if length < signed {
            return Err(LogError::Shorter { signed, found: length });
        }
        if length > signed {
            let kept = self.grow(&log, &mut frontier, length.min(signed + STEP_LEN))?;
            store.keep(label, kept).await?;
        }
        let checkpoint = Checkpoint { origin: log.origin(), size: frontier.size(), root: frontier.root() };
        self.partitions.insert(label, frontier);
        Ok((Some(checkpoint).filter(|checkpoint| checkpoint.size > 0), length > signed))
    }

    /// Whether a ledger that is met for the first time extends what the region's log knows of it.
    fn fits_the_region(&self, log: &Log<'_>, frontier: &Frontier) -> Result<(), LogError> {
        let Some(text) = self.last_bound(log.label())? else { return Ok(()) };
        let bound = Checkpoint::parse(&text)?;
        if bound.size > frontier.size() {
            return Err(LogError::PutBack { bound: bound.size, signed: frontier.size() });
        }
        if root(log, bound.size)? == bound.root { Ok(()) } else { Err(LogError::Root(bound.size)) }
    }

    /// What is to be kept of a log that grew to a size, beside its entries.
    fn grow(&self, log: &Log<'_>, frontier: &mut Frontier, to: u64) -> Result<Kept, LogError> {
        let mut tiles = Vec::new();
        log.leaves((frontier.size(), to), |_, leaf| {
            frontier.push(leaf, |tile| tiles.push((log.kind(), tile.level, tile.index, tile.hash)));
        })?;
        if frontier.size() != to {
            return Err(Fault::Failed("entries of the ledger are missing".to_owned()).into());
        }
        let note = self.sign(log.origin(), frontier)?;
        Ok(Kept { tiles, notes: vec![(log.note().to_owned(), note)], region: Vec::new() })
    }

    fn sign(&self, origin: String, frontier: &Frontier) -> Result<Vec<u8>, LogError> {
        let checkpoint = Checkpoint { origin, size: frontier.size(), root: frontier.root() };
        Ok(self.keys.sign(&checkpoint.origin, checkpoint.to_string())?.to_string().into_bytes())
    }

    /// Appends what is new of the partitions' last checkpoints to the region's log.
    async fn bind(&mut self, latest: Vec<(Label, String)>) -> Result<Option<Checkpoint>, LogError> {
        let store = self.store.clone();
        let log = Log::of_region(&store);
        let mut frontier = match self.region.take() {
            Some(frontier) => frontier,
            None => {
                let frontier = resume(&log, &self.keys)?;
                self.bound.clear();
                frontier
            }
        };
        let mut new = Vec::new();
        for (label, text) in latest {
            if !self.bound.contains_key(&label)
                && let Some(last) = self.last_bound(label)?
            {
                self.bound.insert(label, last);
            }
            if self.bound.get(&label) != Some(&text) {
                new.push((label, text));
            }
        }
        if new.is_empty() {
            self.region = Some(frontier);
            return Ok(None);
        }
        let mut kept = Kept::default();
        for (label, text) in &new {
            kept.notes.push((bound_note(&Log::of_partition(&store, *label).origin()), text.clone().into_bytes()));
            frontier.push(leaf_hash(text.as_bytes()), |tile| {
                kept.tiles.push((LedgerLog::Region, tile.level, tile.index, tile.hash));
            });
            kept.region.push(text.clone().into_bytes());
        }
        kept.notes.push((log.note().to_owned(), self.sign(log.origin(), &frontier)?));
        store.keep(log.label(), kept).await?;
        let checkpoint = Checkpoint { origin: log.origin(), size: frontier.size(), root: frontier.root() };
        self.region = Some(frontier);
        self.bound.extend(new);
        Ok(Some(checkpoint))
    }

    /// The last checkpoint of a partition's ledger that is in the region's log.
    fn last_bound(&self, label: Label) -> Result<Option<String>, LogError> {
        let note = bound_note(&Log::of_partition(&self.store, label).origin());
        let kept = self.store.note_kept(Log::of_region(&self.store).label(), &note)?;
        Ok(kept.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }
}

//! A region's logs as the store keeps them: where their hashes come from.

use crate::checkpoint::{Checkpoint, origin, region_origin};
use crate::note::{Note, NoteError, SigningKeys, VerifierKey};
use crate::tree::{Frontier, Hash, Hashes, consistency, leaf_hash};
use crate::witness::Bundle;
use fastness_label::Label;
use fastness_store::{Fault, LedgerLog, Store};

/// The note that a partition keeps its ledger's last checkpoint under.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The note that the ceiling's partition keeps the region's log's last checkpoint under.
pub(crate) const REGION_CHECKPOINT: &str = "region-checkpoint";

/// One log of a region.
#[derive(Debug, Clone, Copy)]
pub struct Log<'s> {
    store: &'s Store,
    label: Label,
    kind: LedgerLog,
}

impl<'s> Log<'s> {
    /// The ledger of a label's partition.
    #[must_use]
    pub const fn of_partition(store: &'s Store, label: Label) -> Self {
        Self { store, label, kind: LedgerLog::Partition }
    }

    /// The region's log of checkpoints, at its ceiling.
    #[must_use]
    pub fn of_region(store: &'s Store) -> Self {
        Self { store, label: store.labels().ceiling(), kind: LedgerLog::Region }
    }

    pub(crate) const fn store(&self) -> &'s Store {
        self.store
    }

    /// Which log of the label's partition it is.
    #[must_use]
    pub const fn kind(&self) -> LedgerLog {
        self.kind
    }

    /// The label at which it lies.
    #[must_use]
    pub const fn label(&self) -> Label {
        self.label
    }

    /// Its name in checkpoints.
    #[must_use]
    pub fn origin(&self) -> String {
        let region = self.store.setup().name;
        match self.kind {
            LedgerLog::Partition => origin(&region, &self.store.policy().banner(self.label)),
            LedgerLog::Region => region_origin(&region),
        }
    }

    pub(crate) const fn note(&self) -> &'static str {
        match self.kind {
            LedgerLog::Partition => CHECKPOINT,
            LedgerLog::Region => REGION_CHECKPOINT,
        }
    }

    /// Entries that it has now.
    ///
    /// # Errors
    /// A failure of the store.
    pub fn length(&self) -> Result<u64, Fault> {
        let state = self.store.ledger(self.label)?;
        Ok(match self.kind {
            LedgerLog::Partition => state.length,
            LedgerLog::Region => state.region_length,
        })
    }

    /// Its last signed checkpoint, as it was kept; nothing before the first.
    ///
    /// # Errors
    /// A failure of the store.
    pub fn signed(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.store.note_kept(self.label, self.note())
    }

    /// Its last checkpoint, with the signatures checked.
    ///
    /// # Errors
    /// A failure of the store, or what is wrong with the note.
    pub fn checkpoint(&self, keys: &[VerifierKey]) -> Result<Option<(Checkpoint, Note)>, LogError> {
        let Some(bytes) = self.signed()? else { return Ok(None) };
        let origin = self.origin();
        let note = Note::parse(&bytes)?;
        let known: Vec<VerifierKey> = keys.iter().map(|key| key.renamed(&origin)).collect();
        // A checkpoint without one of the two signatures is not one of ours.
        if note.verify(&known)?.len() < known.len() {
            return Err(NoteError::Unsigned.into());
        }
        let checkpoint = Checkpoint::parse(&note.text)?;
        if checkpoint.origin != origin {
            return Err(LogError::Origin { found: checkpoint.origin, expected: origin });
        }
        Ok(Some((checkpoint, note)))
    }

    /// What a witness is sent: the last checkpoint, with the proof that it extends the tree of `old` entries. Nothing
    /// before the first checkpoint; an old size beyond the checkpoint's counts as none.
    ///
    /// # Errors
    /// A failure of the store, or what is wrong with the checkpoint.
    pub fn witness_bundle(&self, keys: &[VerifierKey], old: u64) -> Result<Option<Bundle>, LogError> {
        let Some((checkpoint, note)) = self.checkpoint(keys)? else { return Ok(None) };
        let old = if old > checkpoint.size { 0 } else { old };
        Ok(Some(Bundle { old, proof: consistency(self, old, checkpoint.size)?, note }))
    }

    /// A kept hash of the tree.
    pub(crate) fn tile(&self, level: u8, index: u64) -> Result<Option<Hash>, Fault> {
        Ok(self.store.tiles(self.label, self.kind, level, index, index + 1)?.first().copied())
    }

    /// Hands leaf hashes of a range to `see`, in order.
    pub(crate) fn leaves(&self, (from, to): (u64, u64), mut see: impl FnMut(u64, Hash)) -> Result<(), Fault> {
        match self.kind {
            LedgerLog::Partition => self.store.commitments(self.label, from, to, |number, commitment| {
                see(number, leaf_hash(commitment));
                true
            }),
            LedgerLog::Region => self.store.region_log(self.label, from, to, |number, entry| {
                see(number, leaf_hash(entry));
                true
            }),
        }
    }
}

impl Hashes for Log<'_> {
    type Error = Fault;

    fn hashes(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, Fault> {
        if level > 0 {
            return self.store.tiles(self.label, self.kind, level, from, to);
        }
        let mut found = Vec::new();
        self.leaves((from, to), |_, hash| found.push(hash))?;
        Ok(found)
    }
}

/// What is wrong with a log as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The checkpoint is none, or is not signed as it must be.
    #[error("the last checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The checkpoint is another log's.
    #[error("the last checkpoint is of `{found}`, this log is `{expected}`: one was put in the place of another")]
    Origin {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// There are fewer entries than were signed.
    #[error("the last checkpoint is over {signed} entries, {found} are there: the log was cut off or put back")]
    Shorter {
        /// Signed.
        signed: u64,
        /// There.
        found: u64,
    },
    /// The region's log knows of more entries than the ledger's own checkpoint says.
    #[error("the region's log has a checkpoint over {bound} entries, this log's own is over {signed}: it was put back")]
    PutBack {
        /// Those that the region's log knows of.
        bound: u64,
        /// Those that the log's own checkpoint is over.
        signed: u64,
    },
    /// Hashes of its tree are there, or entries that come with a checkpoint, and no checkpoint is.
    #[error("it was signed, and its last checkpoint is missing: it was removed")]
    Missing,
    /// What was signed is not what is there.
    #[error("the root over the first {0} entries is not the one that was signed: one of them, or a hash, was changed")]
    Root(u64),
}

impl LogError {
    /// What alarms are told apart by: it stays the same while numbers in the words change.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Fault(_) => "store",
            Self::Note(_) => "checkpoint",
            Self::Origin { .. } => "another log's",
            Self::Shorter { .. } => "shorter",
            Self::PutBack { .. } => "put back",
            Self::Missing => "missing",
            Self::Root(_) => "root",
        }
    }
}

/// Where a log stands: what its next checkpoint grows from.
pub(crate) fn resume(log: &Log<'_>, keys: &SigningKeys) -> Result<Frontier, LogError> {
    let Some((signed, _)) = log.checkpoint(&keys.of_log(&log.origin()))? else {
        // Tiles, and every entry of the region's log, are committed together with a checkpoint.
        let was_signed = log.tile(1, 0)?.is_some() || (log.kind() == LedgerLog::Region && log.length()? > 0);
        return if was_signed { Err(LogError::Missing) } else { Ok(Frontier::default()) };
    };
    let found = log.length()?;
    if found < signed.size {
        return Err(LogError::Shorter { signed: signed.size, found });
    }
    let frontier = Frontier::of(log, signed.size)?;
    if frontier.root() == signed.root { Ok(frontier) } else { Err(LogError::Root(signed.size)) }
}

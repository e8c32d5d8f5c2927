//! Choosing records of a region's logs for a disclosure package: what is found, with its proofs.

use crate::checkpoint::Checkpoint;
use crate::entry::{EntryError, Recorded};
use crate::log::{Log, LogError};
use crate::lookup::Found;
use crate::note::Note;
use crate::package::{DisclosedRecord, PackageCheckpoint};
use crate::tree::{consistency, inclusion};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastness_label::Label;
use fastness_store::{Fault, Store};

/// A page of what is disclosed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DisclosedPage {
    /// Checkpoints that whoever asks does not know yet, in front of the records.
    pub checkpoints: Vec<PackageCheckpoint>,
    /// The records, newest first.
    pub records: Vec<DisclosedRecord>,
    /// Events that were found, but are under no checkpoint yet: that comes within a second or two.
    pub unsigned: u64,
    /// How the next page is asked for; nothing after the last one.
    pub token: Option<String>,
}

/// Writes disclosures of a log, as far as its last checkpoint goes when it is begun.
#[derive(Debug)]
pub struct Discloser<'s> {
    log: Log<'s>,
    store: &'s Store,
    signed: Option<(Checkpoint, String)>,
}

impl<'s> Discloser<'s> {
    /// Begins with the last checkpoint of a label's ledger.
    ///
    /// # Errors
    /// What is wrong with the log as a whole.
    pub fn new(store: &'s Store, label: Label) -> Result<Self, LogError> {
        let log = Log::of_partition(store, label);
        // Whoever reads the package checks the signatures; what lies here is sealed.
        let signed = match log.signed()? {
            Some(bytes) => {
                let note = Note::parse(&bytes)?;
                Some((Checkpoint::parse(&note.text)?, note.to_string()))
            }
            None => None,
        };
        Ok(Self { log, store, signed })
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> String {
        self.log.origin()
    }

    /// Entries that can be proven: those that the checkpoint is over.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.signed.as_ref().map_or(0, |(checkpoint, _)| checkpoint.size)
    }

    /// The checkpoint, with the proof that it extends the one of `known` entries (0: none is known). Nothing when there is
    /// no checkpoint yet, or it is over fewer entries than are known.
    ///
    /// # Errors
    /// A failure of the store.
    pub fn checkpoint(&self, known: u64) -> Result<Option<PackageCheckpoint>, Fault> {
        let Some((checkpoint, note)) = self.signed.as_ref().filter(|(checkpoint, _)| checkpoint.size >= known) else {
            return Ok(None);
        };
        let extends = consistency(&self.log, known, checkpoint.size)?;
        let extends = extends.iter().map(|hash| STANDARD.encode(hash)).collect();
        Ok(Some(PackageCheckpoint { checkpoint: note.clone(), extends }))
    }

    /// The record of an event but for the fields named, or nothing of it but that it is there (`whole`). Nothing for an event
    /// that is not under the checkpoint yet. What the event says is what whoever asks was shown; only hashes are read here.
    ///
    /// # Errors
    /// A failure of the store; an event that is not what the tree holds at its place is one.
    pub fn record(&self, event: &Found, hidden: &[String], whole: bool) -> Result<Option<DisclosedRecord>, Fault> {
        let (number, size) = (event.number, self.size());
        if number >= size {
            return Ok(None);
        }
        let origin = self.origin();
        let mut kept = None;
        self.store.commitments(self.log.label(), number, number + 1, |_, commitment| {
            kept = Some(*commitment);
            false
        })?;
        if kept != Some(event.commitment) {
            return Err(Fault::Failed(format!("entry {number} of `{origin}`: {}", EntryError::Commitment)));
        }
        let proof = inclusion(&self.log, number, size)?;
        Ok(Some(if whole {
            DisclosedRecord::withheld(origin, number, &event.commitment, &proof)
        } else {
            let recorded = Recorded { entry: event.entry.clone(), salt: event.salt };
            DisclosedRecord::fields(origin, number, &recorded, hidden, &proof)
        }))
    }
}

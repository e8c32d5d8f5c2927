//! Choosing records of a region's logs for a disclosure package: what is found, with its proofs.

use crate::checkpoint::Checkpoint;
use crate::entry::Recorded;
use crate::log::{Log, LogError};
use crate::note::Note;
use crate::package::{DisclosedRecord, PackageCheckpoint};
use crate::tree::{Hash, consistency, inclusion};
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

    /// A record but for the fields named, or nothing of it but that it is there (`whole`). Nothing for an entry that is
    /// not under the checkpoint yet, or whose content was dropped and is not withheld as a whole.
    ///
    /// # Errors
    /// A failure of the store; an entry that does not fit its commitment is one.
    pub fn record(&self, number: u64, hidden: &[String], whole: bool) -> Result<Option<DisclosedRecord>, Fault> {
        let size = self.size();
        if number >= size {
            return Ok(None);
        }
        let proof = inclusion(&self.log, number, size)?;
        let mut found: Option<(Hash, Option<Vec<u8>>)> = None;
        self.store.ledger_rows(self.log.label(), number, number + 1, |_, commitment, content| {
            found = Some((*commitment, content.map(<[u8]>::to_vec)));
            false
        })?;
        let Some((commitment, content)) = found else { return Ok(None) };
        let origin = self.origin();
        if whole {
            return Ok(Some(DisclosedRecord::withheld(origin, number, &commitment, &proof)));
        }
        let Some(content) = content else { return Ok(None) };
        let recorded = Recorded::checked(&commitment, &content)
            .map_err(|error| Fault::Failed(format!("entry {number} of `{origin}`: {error}")))?;
        Ok(Some(DisclosedRecord::fields(origin, number, &recorded, hidden, &proof)))
    }
}

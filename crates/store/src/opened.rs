//! A partition's catalog as it is open, and what tells whether it still serves.

use crate::Fault;
use crate::catalog::{self, Reading};
use crate::disk::{Disk, OpenMode};
use crate::fault::CauseOf;
use crate::journal::Member;
use crate::pages::{self, SealedPages};
use crate::partition::Stage;
use fastness_vault::PartitionKey;
use redb::{Database, WriteTransaction};

/// Memory for the pages of one catalog. So little in unit tests that reads do reach the disk.
const CACHE_LEN: usize = if cfg!(test) { 1 << 20 } else { 32 << 20 };

/// A catalog that was opened.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pages: SealedPages,
}

impl Opened {
    pub(crate) fn open(disk: &dyn Disk, key: &PartitionKey, stage: Stage) -> Result<Self, Fault> {
        let context = "opening a partition's catalog";
        let file = disk.open("catalog", OpenMode::ReadWriteCreate).map_err(|error| Fault::failed(context, error))?;
        // An empty file would be taken for a new one: a catalog that was cut off must not pass for that.
        if stage == Stage::Made && file.len().map_err(|error| Fault::failed(context, error))? <= 4096 {
            return Err(Fault::failed(context, "it is missing or was cut off"));
        }
        let cipher = key.pages("catalog").map_err(|error| Fault::failed(context, error))?;
        let (database, pages) = pages::open_with_pages("catalog", file, cipher, CACHE_LEN)
            .map_err(|error| Fault::failed(context, CauseOf(&error)))?;
        Ok(Self { database, pages })
    }

    /// Whether no error of the disk has met it. Costs next to nothing.
    pub(crate) fn is_sound(&self) -> bool {
        self.pages.is_sound()
    }

    /// Whether it serves in spite of errors. Only for who holds the partition's turn.
    pub(crate) fn is_usable(&self) -> bool {
        self.pages.is_usable(|| catalog::begin(&self.database).is_ok())
    }

    /// From now on it touches its file no more.
    pub(crate) fn retire(&self) {
        self.pages.retire();
    }
}

/// Does again in a catalog what only the journal has of it, in a transaction that `begin` makes; says whether there was
/// anything.
pub(crate) fn catch_up(
    database: &Database,
    journal: &Member,
    begin: impl FnOnce(&Database) -> Result<WriteTransaction, Fault>,
) -> Result<bool, Fault> {
    let changes = journal.after(Reading::begin(database)?.journaled()?)?;
    if changes.is_empty() {
        return Ok(false);
    }
    let transaction = begin(database)?;
    for (_, told) in changes {
        crate::redo::replay(&transaction, &told)?;
    }
    transaction.commit()?;
    Ok(true)
}

#[cfg(test)]
mod tests;

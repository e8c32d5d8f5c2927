//! One partition's catalog: its tables, a read snapshot of them, and a writer's turn.

use crate::Fault;
use crate::blobs::Incoming;
use crate::ledger::Group;
use crate::records::{self, LedgerCounters, State};
use crate::redo::{self, Redo};
use redb::{
    Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    TableHandle, WriteTransaction,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// A table from bytes to bytes.
pub(crate) type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// A table from numbers to bytes.
pub(crate) type Numbers = TableDefinition<'static, u64, &'static [u8]>;

pub(crate) const BUCKETS: Rows = TableDefinition::new("buckets");
pub(crate) const BUCKET_NAMES: Rows = TableDefinition::new("bucket-names");
/// `bucket, kind` → what the bucket's record goes with.
pub(crate) const CONFIGURATIONS: Rows = TableDefinition::new("bucket-configurations");
pub(crate) const VERSIONS: Rows = TableDefinition::new("versions");
/// `bucket, key` → the sequence of the key's null version: found without a walk over its other versions.
pub(crate) const NULLS: Rows = TableDefinition::new("nulls");
pub(crate) const UPLOADS: Rows = TableDefinition::new("uploads");
pub(crate) const PARTS: Rows = TableDefinition::new("parts");
pub(crate) const DIRECTORY: Rows = TableDefinition::new("directory");
pub(crate) const INLINE: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("inline");
pub(crate) const DOOMED: Rows = TableDefinition::new("doomed");
/// An erasure key's number → when the first of its values was removed, milliseconds since 1970: it is to be destroyed.
/// Made when it is first needed.
pub(crate) const ERASABLE: Rows = TableDefinition::new("erasable");
/// `spill, number` → a version that no session reads. Made when it is first needed.
pub(crate) const CONTAINED: Rows = TableDefinition::new("contained");
/// A spill's id → what is kept of it. Made when it is first needed.
pub(crate) const SPILLS: Rows = TableDefinition::new("spills");
/// A kind and what it is of, as text → what is kept of crossings. Made when it is first needed.
pub(crate) const CROSSINGS: Rows = TableDefinition::new("crossings");
/// The chain that ended with catalog format 2: nothing is appended to it any more. New catalogs lack it.
pub(crate) const LOG: Numbers = TableDefinition::new("log");
/// An entry's number → its commitment (32 bytes), its content. Those that were packed are gone from here.
pub(crate) const LEDGER: Numbers = TableDefinition::new("ledger");
/// A segment's number (big-endian) → its record. Made when it is first needed, as are the three that follow.
pub(crate) const SEGMENTS: Rows = TableDefinition::new("segments");
/// `log, level, index` → a hash of a log's tree.
pub(crate) const TILES: Rows = TableDefinition::new("tiles");
/// A name → a small text of the ledger's: checkpoints and the like.
pub(crate) const NOTES: Rows = TableDefinition::new("notes");
/// A number → an entry of the region's log; in the ceiling's partition alone.
pub(crate) const REGION_LOG: Numbers = TableDefinition::new("region-log");
pub(crate) const STATE: TableDefinition<'static, (), &'static [u8]> = TableDefinition::new("state");
/// The number of the last record of the journal that this catalog holds.
pub(crate) const JOURNALED: TableDefinition<'static, (), &'static [u8]> = TableDefinition::new("journaled");

/// A snapshot of one catalog. Requests share the latest one ([`crate::partition::Partition::read`]); one that a commit
/// has superseded lives on for the step of a request that holds it, at most about a second.
pub(crate) struct Reading {
    transaction: ReadTransaction,
    /// Tables are opened once a snapshot: finding one's root costs as much as finding a row in it.
    rows: Mutex<Vec<Arc<ReadRows>>>,
    inline: OnceLock<ReadOnlyTable<u64, &'static [u8]>>,
}

/// Rows of a snapshot.
pub(crate) type ReadRows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Numbered rows of a snapshot.
pub(crate) type ReadNumbers = ReadOnlyTable<u64, &'static [u8]>;

impl Reading {
    pub(crate) fn begin(database: &Database) -> Result<Self, Fault> {
        Ok(Self { transaction: database.begin_read()?, rows: Mutex::default(), inline: OnceLock::new() })
    }

    pub(crate) fn rows(&self, table: Rows) -> Result<Arc<ReadRows>, Fault> {
        let mut open = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = open.iter().find(|rows| rows.name() == table.name()) {
            return Ok(Arc::clone(rows));
        }
        let rows = Arc::new(self.transaction.open_table(table)?);
        open.push(Arc::clone(&rows));
        Ok(rows)
    }

    /// Whether every table is there: a folder of an earlier program lacks those that came later.
    pub(crate) fn is_complete(&self) -> bool {
        let tables = [BUCKETS, BUCKET_NAMES, CONFIGURATIONS, VERSIONS, NULLS, UPLOADS, PARTS, DIRECTORY, DOOMED];
        tables.into_iter().all(|table| self.rows(table).is_ok())
    }

    /// Hands a small value's sealed bytes to `open`.
    pub(crate) fn inline<T>(&self, number: u64, open: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, Fault> {
        let table = match self.inline.get() {
            Some(table) => table,
            None => {
                let table = self.transaction.open_table(INLINE)?;
                self.inline.get_or_init(|| table)
            }
        };
        Ok(table.get(number)?.map(|guard| open(guard.value())))
    }

    pub(crate) fn state(&self) -> Result<State, Fault> {
        let table = self.transaction.open_table(STATE)?;
        let guard = table.get(())?.ok_or_else(|| Fault::Failed("the catalog has no state".to_owned()))?;
        records::decode(guard.value())
    }

    /// The number of the last record of the journal that the catalog holds.
    pub(crate) fn journaled(&self) -> Result<u64, Fault> {
        match self.transaction.open_table(JOURNALED) {
            Ok(table) => redo::last_number(table.get(())?.as_ref().map(redb::AccessGuard::value)),
            // Made by a program without a journal.
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// A table that is made when it is first needed.
    pub(crate) fn rows_if_made(&self, table: Rows) -> Result<Option<ReadRows>, Fault> {
        match self.transaction.open_table(table) {
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }

    /// The erasure keys that are to be destroyed, with the time of the first removal under each.
    pub(crate) fn erasable(&self) -> Result<Vec<(u64, i64)>, Fault> {
        let malformed = || Fault::Failed("a row of the erasable keys is malformed".to_owned());
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| malformed());
        let mut found = Vec::new();
        let Some(rows) = self.rows_if_made(ERASABLE)? else { return Ok(found) };
        for row in rows.iter()? {
            let (id, since) = row?;
            found.push((number(id.value())?, number(since.value())?.cast_signed()));
        }
        Ok(found)
    }

    /// A table of numbers, if it was made.
    pub(crate) fn numbers_if_made(&self, table: Numbers) -> Result<Option<ReadNumbers>, Fault> {
        match self.transaction.open_table(table) {
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }
}

/// The writer's turn in one partition: every table open in one transaction, and the counters.
///
/// INVARIANT: there is one turn a partition at a time, on the partition's own writer thread; what a turn does becomes
/// visible and durable together, with the ledger entries that say so.
pub(crate) struct Turn<'t> {
    pub(crate) buckets: redo::Rows<'t>,
    pub(crate) bucket_names: redo::Rows<'t>,
    pub(crate) configurations: redo::Rows<'t>,
    pub(crate) versions: redo::Rows<'t>,
    pub(crate) nulls: redo::Rows<'t>,
    pub(crate) uploads: redo::Rows<'t>,
    pub(crate) parts: redo::Rows<'t>,
    pub(crate) directory: redo::Rows<'t>,
    pub(crate) inline: redo::Numbered<'t>,
    pub(crate) doomed: redo::Rows<'t>,
    pub(crate) ledger: redo::Numbered<'t>,
    /// The ledger's newest entries, which have no row yet.
    appended: Group,
    state_row: redo::Single<'t>,
    state: State,
    journaled: redo::Single<'t>,
    /// The number of this turn's record in the journal.
    number: u64,
    redo: Redo,
    transaction: &'t WriteTransaction,
    /// Erasure keys under which this turn removed something.
    pub(crate) erased: BTreeSet<u64>,
    /// Blobs that this turn took out of the catalog; unlinked once it is durable.
    pub(crate) unlinked: Vec<[u8; 16]>,
    /// Files that the commit makes real.
    pub(crate) settled: Vec<Incoming>,
    /// Whether it changed the directory.
    pub(crate) directory_changed: bool,
}

/// What is left to do with files once a turn's transaction is durable.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    pub(crate) unlinked: Vec<[u8; 16]>,
    pub(crate) settled: Vec<Incoming>,
    pub(crate) directory_changed: bool,
    pub(crate) erased: BTreeSet<u64>,
}

/// Begins a transaction. Its commit shows what the journal made durable before; a crash takes it back.
pub(crate) fn begin(database: &Database) -> Result<WriteTransaction, Fault> {
    with(database, Durability::None)
}

/// Begins a transaction that is durable when its commit returns, and all before it with it. These are few, so each keeps
/// what `redb` would otherwise find out after a crash by walking through the whole catalog.
pub(crate) fn begin_durable(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = with(database, Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn with(database: &Database, durability: Durability) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(durability).map_err(|error| Fault::failed("setting durability", error))?;
    Ok(transaction)
}

impl<'t> Turn<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        let redo = Redo::default();
        let state_row = redo::Single::open(transaction, STATE, &redo)?;
        let journaled = redo::Single::open(transaction, JOURNALED, &redo)?;
        let number = 1 + redo::last_number(journaled.get(())?.as_ref().map(redb::AccessGuard::value))?;
        let mut state: State = match state_row.get(())? {
            Some(guard) => records::decode(guard.value())?,
            None => State::new(),
        };
        if !State::reads(state.format) {
            return Err(Fault::Failed(format!(
                "the catalog has format {}, this program reads 1, 2 and {}",
                state.format,
                State::FORMAT
            )));
        }
        // INVARIANT: a row that an older program would misread is written only with the new number.
        state.format = State::FORMAT;
        Ok(Self {
            buckets: redo::Rows::open(transaction, BUCKETS, &redo)?,
            bucket_names: redo::Rows::open(transaction, BUCKET_NAMES, &redo)?,
            configurations: redo::Rows::open(transaction, CONFIGURATIONS, &redo)?,
            versions: redo::Rows::open(transaction, VERSIONS, &redo)?,
            nulls: redo::Rows::open(transaction, NULLS, &redo)?,
            uploads: redo::Rows::open(transaction, UPLOADS, &redo)?,
            parts: redo::Rows::open(transaction, PARTS, &redo)?,
            directory: redo::Rows::open(transaction, DIRECTORY, &redo)?,
            inline: redo::Numbered::open(transaction, INLINE, &redo)?,
            doomed: redo::Rows::open(transaction, DOOMED, &redo)?,
            ledger: redo::Numbered::open(transaction, LEDGER, &redo)?,
            appended: Group::default(),
            state_row,
            state,
            journaled,
            number,
            redo,
            transaction,
            erased: BTreeSet::new(),
            unlinked: Vec::new(),
            settled: Vec::new(),
            directory_changed: false,
        })
    }

    /// The partition's next number.
    pub(crate) const fn next_sequence(&mut self) -> u64 {
        let sequence = self.state.sequence;
        self.state.sequence += 1;
        sequence
    }

    /// Appends an entry to the partition's ledger: its commitment (32 bytes), then its content.
    pub(crate) fn append(&mut self, entry: &[u8]) -> Result<(), Fault> {
        if self.appended.is_full_for(entry.len(), self.state.ledger.len) {
            self.write_appended()?;
        }
        self.appended.push(entry)?;
        self.state.ledger.len += 1;
        Ok(())
    }

    fn write_appended(&mut self) -> Result<(), Fault> {
        if !self.appended.is_empty() {
            let first = self.state.ledger.len - self.appended.len() as u64;
            self.ledger.insert(first, self.appended.bytes())?;
            self.appended.clear();
        }
        Ok(())
    }

    /// The ledger's counters, to be changed with the rows that they count.
    pub(crate) const fn counters(&mut self) -> &mut LedgerCounters {
        &mut self.state.ledger
    }

    /// The ledger's segments. The table is open while it is held: let go of it before the next call.
    pub(crate) fn segments(&self) -> Result<redo::Rows<'t>, Fault> {
        redo::Rows::open(self.transaction, SEGMENTS, &self.redo)
    }

    /// The hashes of the logs' trees, as [`Self::segments`].
    pub(crate) fn tiles(&self) -> Result<redo::Rows<'t>, Fault> {
        redo::Rows::open(self.transaction, TILES, &self.redo)
    }

    /// The ledger's small texts, as [`Self::segments`].
    pub(crate) fn notes(&self) -> Result<redo::Rows<'t>, Fault> {
        redo::Rows::open(self.transaction, NOTES, &self.redo)
    }

    /// The region's log, as [`Self::segments`].
    pub(crate) fn region_log(&self) -> Result<redo::Numbered<'t>, Fault> {
        redo::Numbered::open(self.transaction, REGION_LOG, &self.redo)
    }

    /// What no session reads. The table is open while it is held: let go of it before the next call.
    pub(crate) fn contained(&self) -> Result<redo::Rows<'t>, Fault> {
        redo::Rows::open(self.transaction, CONTAINED, &self.redo)
    }

    /// The spills, as [`Self::contained`].
    pub(crate) fn spills(&self) -> Result<redo::Rows<'t>, Fault> {
        redo::Rows::open(self.transaction, SPILLS, &self.redo)
    }

    /// What is kept of crossings, as [`Self::contained`].
    pub(crate) fn crossings(&self) -> Result<redo::Rows<'t>, Fault> {
        redo::Rows::open(self.transaction, CROSSINGS, &self.redo)
    }

    /// Takes erasure keys that were destroyed off the list.
    pub(crate) fn forget_erasable(&self, ids: &BTreeSet<u64>) -> Result<(), Fault> {
        let mut table = redo::Rows::open(self.transaction, ERASABLE, &self.redo)?;
        for id in ids {
            table.remove(&id.to_be_bytes())?;
        }
        Ok(())
    }

    fn list_erasable(&self) -> Result<(), Fault> {
        if self.erased.is_empty() {
            return Ok(());
        }
        let mut table = redo::Rows::open(self.transaction, ERASABLE, &self.redo)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        for id in &self.erased {
            if table.get(id.to_be_bytes().as_slice())?.is_none() {
                table.insert(&id.to_be_bytes(), &since.to_be_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes the counters back; the tables close, and the transaction can commit once the journal has the changes.
    pub(crate) fn close(mut self) -> Result<(Aftermath, Changes), Fault> {
        self.list_erasable()?;
        self.write_appended()?;
        let state = records::encode(&self.state)?;
        self.state_row.insert((), state.as_slice())?;
        self.journaled.insert((), &self.number.to_be_bytes())?;
        let Self { unlinked, settled, directory_changed, erased, number, redo, .. } = self;
        Ok((Aftermath { unlinked, settled, directory_changed, erased }, Changes { number, told: redo.take() }))
    }
}

/// What a turn changed, for the journal.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) number: u64,
    pub(crate) told: Vec<u8>,
}

/// A row's key and value, copied.
pub(crate) type OwnedRow = (Vec<u8>, Vec<u8>);

/// The first row of a table that starts with a prefix.
pub(crate) fn first_row(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    prefix: &[u8],
) -> Result<Option<OwnedRow>, Fault> {
    let mut range = table.range::<&[u8]>(prefix..)?;
    match range.next() {
        None => Ok(None),
        Some(row) => {
            let (key, value) = row?;
            let found = key.value().starts_with(prefix).then(|| (key.value().to_vec(), value.value().to_vec()));
            Ok(found)
        }
    }
}

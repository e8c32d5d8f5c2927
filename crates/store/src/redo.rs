//! What a turn changes, told as it is changed: the journal keeps it until the catalog is durable by itself, and a start
//! after a crash does it again.
//!
//! Every byte is described in `docs/formats/journal.md`.

use crate::Fault;
use crate::catalog::{INLINE, JOURNALED, LEDGER, LOG, REGION_LOG, STATE};
use redb::{AccessGuard, Key, StorageError, Table, TableDefinition, TableHandle, Value, WriteTransaction};
use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

/// The changes of one turn, in order.
#[derive(Clone, Default)]
pub(crate) struct Redo(Rc<RefCell<Vec<u8>>>);

const INSERT: u8 = 1;
const REMOVE: u8 = 2;
const REMOVE_BELOW: u8 = 3;

impl Redo {
    fn tell(&self, table: &str, act: u8, key: &[u8], value: &[u8]) {
        let mut out = self.0.borrow_mut();
        out.push(act);
        for part in [table.as_bytes(), key, value] {
            // A row is far below 4 GiB: redb itself takes no more than 3.
            out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(part);
        }
    }

    /// Takes what was told.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.take()
    }
}

/// A table of the catalog in a turn: whatever changes it is told to the journal.
pub(crate) struct Journaled<'t, K: Key + 'static> {
    table: Table<'t, K, &'static [u8]>,
    redo: Redo,
}

/// A table from bytes to bytes.
pub(crate) type Rows<'t> = Journaled<'t, &'static [u8]>;
/// A table from numbers to bytes.
pub(crate) type Numbered<'t> = Journaled<'t, u64>;
/// A table of one row.
pub(crate) type Single<'t> = Journaled<'t, ()>;

impl<'t, K: Key + 'static> Journaled<'t, K> {
    pub(crate) fn open(
        transaction: &'t WriteTransaction,
        definition: TableDefinition<'static, K, &'static [u8]>,
        redo: &Redo,
    ) -> Result<Self, Fault> {
        Ok(Self { table: transaction.open_table(definition)?, redo: redo.clone() })
    }

    /// Inserts a row, in place of the one of that key.
    pub(crate) fn insert<'a>(&mut self, key: K::SelfType<'a>, value: &[u8]) -> Result<(), StorageError> {
        self.redo.tell(self.table.name(), INSERT, K::as_bytes(&key).as_ref(), value);
        self.table.insert(key, value)?;
        Ok(())
    }

    /// Removes a row, if there is one.
    pub(crate) fn remove<'a>(
        &mut self,
        key: K::SelfType<'a>,
    ) -> Result<Option<AccessGuard<'_, &'static [u8]>>, StorageError> {
        self.redo.tell(self.table.name(), REMOVE, K::as_bytes(&key).as_ref(), &[]);
        self.table.remove(key)
    }
}

impl Numbered<'_> {
    /// Removes every row below a number: page by page, much cheaper than row by row.
    pub(crate) fn remove_below(&mut self, end: u64) -> Result<(), StorageError> {
        self.redo.tell(self.table.name(), REMOVE_BELOW, u64::as_bytes(&end).as_ref(), &[]);
        self.table.retain_in(..end, |_, _| false)
    }
}

impl<'t, K: Key + 'static> Deref for Journaled<'t, K> {
    type Target = Table<'t, K, &'static [u8]>;

    fn deref(&self) -> &Self::Target {
        &self.table
    }
}

fn malformed() -> Fault {
    Fault::Failed("a record of the journal is malformed".to_owned())
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    let (part, tail) = tail.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = tail;
    Some(part)
}

/// Does again what one turn told.
pub(crate) fn replay(transaction: &WriteTransaction, mut told: &[u8]) -> Result<(), Fault> {
    while let Some((act, mut rest)) = told.split_first() {
        let parts = (part(&mut rest), part(&mut rest), part(&mut rest));
        let (Some(table), Some(key), Some(value)) = parts else { return Err(malformed()) };
        let name = std::str::from_utf8(table).map_err(|_| malformed())?;
        let insert = match *act {
            INSERT => true,
            REMOVE | REMOVE_BELOW => false,
            _ => return Err(malformed()),
        };
        if *act == REMOVE_BELOW && name != LEDGER.name() {
            return Err(malformed());
        }
        if [INLINE.name(), LOG.name(), LEDGER.name(), REGION_LOG.name()].contains(&name) {
            let number = <u64 as Value>::from_bytes(key.get(..8).filter(|_| key.len() == 8).ok_or_else(malformed)?);
            if *act == REMOVE_BELOW {
                transaction.open_table(LEDGER)?.retain_in(..number, |_, _| false)?;
            } else {
                again(transaction, TableDefinition::<u64, &[u8]>::new(name), number, insert.then_some(value))?;
            }
        } else if [STATE.name(), JOURNALED.name()].contains(&name) {
            again(transaction, TableDefinition::<(), &[u8]>::new(name), (), insert.then_some(value))?;
        } else {
            again(transaction, TableDefinition::<&[u8], &[u8]>::new(name), key, insert.then_some(value))?;
        }
        told = rest;
    }
    Ok(())
}

fn again<K: Key + 'static>(
    transaction: &WriteTransaction,
    definition: TableDefinition<'_, K, &'static [u8]>,
    key: K::SelfType<'_>,
    value: Option<&[u8]>,
) -> Result<(), Fault> {
    let mut table = transaction.open_table(definition)?;
    match value {
        Some(value) => drop(table.insert(key, value)?),
        None => drop(table.remove(key)?),
    }
    Ok(())
}

/// The number of the last record that the catalog holds.
pub(crate) fn last_number(row: Option<&[u8]>) -> Result<u64, Fault> {
    match row {
        None => Ok(0),
        Some(bytes) => Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| malformed())?)),
    }
}

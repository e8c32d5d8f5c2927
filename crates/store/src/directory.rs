//! The directory's rows, in the partition at the region's floor.

use crate::catalog::{self, Reading, Turn};
use crate::partition::Partition;
use crate::{Fault, Record, Store};
use fastness_decide::{Lookup, Permit};
use fastness_identity::directory::{self as rules, AccessKey, Holder, User};
use fastness_identity::{Directory, DirectoryChange, DirectoryError, DirectoryFault};
use fastness_label::{Label, Policy};
use fastness_operation::{AccessKeyId, Operation};
use redb::ReadableTable;
use std::sync::Arc;

impl From<DirectoryError> for Fault {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Refused { code, message } => Self::refused(code, message),
            DirectoryError::Fault(fault) => Self::Failed(fault.to_string()),
        }
    }
}

fn fault(error: impl std::fmt::Display) -> DirectoryFault {
    DirectoryFault(error.to_string())
}

fn get(rows: &impl ReadableTable<&'static [u8], &'static [u8]>, key: &str) -> Result<Option<Vec<u8>>, DirectoryFault> {
    Ok(rows.get(key.as_bytes()).map_err(fault)?.map(|guard| guard.value().to_vec()))
}

fn list(
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, Vec<u8>)>, DirectoryFault> {
    let start = after.max(prefix).as_bytes();
    let mut found = Vec::new();
    for row in rows.range::<&[u8]>(start..).map_err(fault)? {
        let (key, value) = row.map_err(fault)?;
        let key = key.value();
        if !key.starts_with(prefix.as_bytes()) || found.len() == limit {
            break;
        }
        if key > after.as_bytes() {
            found.push((String::from_utf8_lossy(key).into_owned(), value.value().to_vec()));
        }
    }
    Ok(found)
}

struct Snapshot(Arc<Reading>);

impl Directory for Snapshot {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, DirectoryFault> {
        get(self.0.rows(catalog::DIRECTORY).map_err(fault)?.as_ref(), key)
    }
    fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, DirectoryFault> {
        list(self.0.rows(catalog::DIRECTORY).map_err(fault)?.as_ref(), prefix, after, limit)
    }
}

struct Change<'a, 't> {
    turn: &'a mut Turn<'t>,
    dirty: bool,
}

impl Change<'_, '_> {
    const fn touch(&mut self) {
        self.dirty = true;
        self.turn.directory_changed = true;
    }
}

impl Directory for Change<'_, '_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, DirectoryFault> {
        get(&*self.turn.directory, key)
    }
    fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, DirectoryFault> {
        list(&*self.turn.directory, prefix, after, limit)
    }
}

impl DirectoryChange for Change<'_, '_> {
    fn put(&mut self, key: &str, value: &[u8]) -> Result<(), DirectoryFault> {
        self.touch();
        self.turn.directory.insert(key.as_bytes(), value).map_err(fault)?;
        Ok(())
    }
    fn remove(&mut self, key: &str) -> Result<(), DirectoryFault> {
        self.touch();
        self.turn.directory.remove(key.as_bytes()).map_err(fault)?;
        Ok(())
    }
}

/// Changes the directory within a turn. A refusal after a first change would leave it half-done, so it fails the turn.
pub(crate) fn change<T>(
    turn: &mut Turn<'_>,
    act: impl FnOnce(&mut dyn DirectoryChange) -> Result<T, DirectoryError>,
) -> Result<T, Fault> {
    let mut rows = Change { turn, dirty: false };
    match act(&mut rows) {
        Err(DirectoryError::Refused { message, .. }) if rows.dirty => Err(Fault::Failed(message)),
        outcome => Ok(outcome?),
    }
}

/// The region's list of labels, from the partition at its floor.
pub(crate) fn held_labels(floor: &Partition, policy: &Policy) -> Result<Vec<Label>, Fault> {
    Ok(rules::held_labels(&Snapshot(floor.read()?), policy)?)
}

/// The list of labels in a catalog that nothing else has open.
pub(crate) fn labels_in(database: &redb::Database, policy: &Policy) -> Result<Vec<Label>, Fault> {
    Ok(rules::held_labels(&Snapshot(std::sync::Arc::new(Reading::begin(database)?)), policy)?)
}

/// The secret half of a key in such a catalog.
pub(crate) fn secret_in(database: &redb::Database, id: &AccessKeyId) -> Result<Option<String>, Fault> {
    let key = rules::find_key(&Snapshot(std::sync::Arc::new(Reading::begin(database)?)), id)?;
    Ok(key.map(|key| key.secret.reveal().to_owned()))
}

impl Store {
    pub(crate) fn floor(&self) -> Result<Arc<Partition>, Fault> {
        self.partition(self.labels().floor())
    }

    /// Counts the changes of the directory: what was read of it holds as long as this is the same. Read it first.
    ///
    /// # Errors
    /// A failure.
    pub fn directory_epoch(&self) -> Result<u64, Fault> {
        Ok(self.floor()?.directory_epoch())
    }

    /// The key that a request claims, and its user, before anybody is known.
    ///
    /// # Errors
    /// A failure.
    pub fn credential(&self, lookup: &Lookup) -> Result<Option<(AccessKey, Option<User>)>, Fault> {
        let rows = Snapshot(self.floor()?.read()?);
        let Some(key) = rules::find_key(&rows, lookup.key())? else { return Ok(None) };
        let user = match &key.holder {
            Holder::Operator => None,
            Holder::User { account, name } => match rules::find_user(&rows, *account, name) {
                Ok(user) => Some(user),
                Err(DirectoryError::Refused { .. }) => None,
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Some((key, user)))
    }

    /// Reads the directory. The permit's view holds the floor, as every view does.
    ///
    /// # Errors
    /// What `read` refuses, or a failure.
    pub fn directory<T>(
        &self,
        permit: &Permit,
        read: impl FnOnce(&dyn Directory) -> Result<T, DirectoryError>,
    ) -> Result<T, Fault> {
        let floor = self.labels().floor();
        if !permit.view().labels().contains(&floor) {
            return Err(Fault::mismatch());
        }
        Ok(read(&Snapshot(self.partition(floor)?.read()?))?)
    }

    /// Reads the directory for a partition's housekeeping: its view holds the floor, too.
    ///
    /// # Errors
    /// What `read` refuses, or a failure.
    pub fn directory_of<T>(
        &self,
        chore: &fastness_decide::Chore,
        read: impl FnOnce(&dyn Directory) -> Result<T, DirectoryError>,
    ) -> Result<T, Fault> {
        let floor = self.labels().floor();
        if !chore.view().labels().contains(&floor) {
            return Err(Fault::mismatch());
        }
        Ok(read(&Snapshot(self.partition(floor)?.read()?))?)
    }

    /// Changes the directory, from a session at the floor.
    ///
    /// # Errors
    /// What `act` refuses, or a failure.
    pub async fn change_directory<T: Send + 'static>(
        &self,
        permit: &Permit,
        act: impl FnOnce(&mut dyn DirectoryChange) -> Result<T, DirectoryError> + Send + 'static,
        record: Record<T>,
    ) -> Result<T, Fault> {
        if permit.view().session() != self.labels().floor() || !permit.operation().writes() {
            return Err(Fault::mismatch());
        }
        self.own(permit)?.turn(move |turn| change(turn, act), record).await
    }

    /// AllowLabel: adds a label to the region's closed list, with a partition of its own.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed marking or one outside the region, or a failure.
    pub async fn allow_label(&self, permit: &Permit, record: Record<(Label, bool)>) -> Result<(Label, bool), Fault> {
        let Operation::AllowLabel { marking } = permit.operation() else { return Err(Fault::mismatch()) };
        if permit.view().session() != self.labels().floor() {
            return Err(Fault::mismatch());
        }
        let (store, marking) = (self.clone(), marking.clone());
        let work = move |turn: &mut Turn<'_>| {
            let labels = store.labels();
            let (label, new) = change(turn, |rows| rules::allow_label(rows, store.policy(), &labels, &marking))?;
            if new {
                store.make_partition(label)?;
            }
            Ok((label, new))
        };
        let (label, new) = self.own(permit)?.turn(work, record).await?;
        self.open_added(label)?;
        Ok((label, new))
    }
}

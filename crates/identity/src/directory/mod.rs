//! The directory: accounts, users, their tags and keys, and the region's list of labels.
//!
//! Rules only; the bytes are kept by whoever implements [`Directory`] and [`DirectoryChange`] (the store, in the
//! partition at the region's floor). Every function checks first and writes last, so that a refusal leaves no trace.

mod accounts;
mod keys;
mod labels;
mod mappings;
mod users;

pub use accounts::{Account, NewAccount, add_officer, create_account, create_operator, list_accounts};
pub use keys::{AccessKey, Holder, KEYS_PER_USER_MAX, create_key, delete_key, find_key, list_keys, update_key};
pub use labels::{LABELS_MAX, allow_label, held_labels};
pub use mappings::{
    ArrivalRoute, Beside, MAPPINGS_MAX, Mapping, delete_mapping, find_mapping, list_mappings, put_mapping,
    receiving_mapping, sending_mapping,
};
pub use users::{
    RESERVED_TAGS, TAGS_PER_USER_MAX, User, create_user, delete_user, find_user, list_users, tag_user, untag_user,
};

use fastness_operation::{Code, Moment};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes below could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the directory could not be read or written: {0}")]
pub struct DirectoryFault(pub String);

/// Reads the directory's rows, ordered by key.
pub trait Directory {
    /// One row.
    ///
    /// # Errors
    /// [`DirectoryFault`] when the store fails.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, DirectoryFault>;

    /// At most `limit` rows whose key starts with `prefix` and is above `after`.
    ///
    /// # Errors
    /// [`DirectoryFault`] when the store fails.
    fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, DirectoryFault>;
}

/// Changes the directory's rows, inside one transaction.
pub trait DirectoryChange: Directory {
    /// Writes one row.
    ///
    /// # Errors
    /// [`DirectoryFault`] when the store fails.
    fn put(&mut self, key: &str, value: &[u8]) -> Result<(), DirectoryFault>;

    /// Removes one row.
    ///
    /// # Errors
    /// [`DirectoryFault`] when the store fails.
    fn remove(&mut self, key: &str) -> Result<(), DirectoryFault>;
}

/// Why the directory refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// Refused by a rule; the code and a text for the caller.
    #[error("{message}")]
    Refused {
        /// AWS's code.
        code: Code,
        /// What is wrong and what to do.
        message: String,
    },
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] DirectoryFault),
}

pub(crate) fn refused<T>(code: Code, message: impl Into<String>) -> Result<T, DirectoryError> {
    Err(DirectoryError::Refused { code, message: message.into() })
}

fn read<T: DeserializeOwned>(directory: &(impl Directory + ?Sized), key: &str) -> Result<Option<T>, DirectoryError> {
    directory.get(key)?.map(|bytes| decode(key, &bytes)).transpose()
}

fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, DirectoryError> {
    postcard::from_bytes(bytes).map_err(|error| DirectoryFault(format!("row `{key}`: {error}")).into())
}

fn write<T: Serialize>(
    directory: &mut (impl DirectoryChange + ?Sized),
    key: &str,
    value: &T,
) -> Result<(), DirectoryError> {
    let bytes = postcard::to_stdvec(value).map_err(|error| DirectoryFault(format!("row `{key}`: {error}")))?;
    Ok(directory.put(key, &bytes)?)
}

/// A cryptographic generator for one request's identifiers and secrets.
fn chance(moment: &Moment) -> StdRng {
    StdRng::from_seed(moment.seed)
}

/// An id as AWS shapes them: a prefix and upper-case base 32.
fn unique_id(rng: &mut StdRng, prefix: &str, length: usize) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let tail = (0..length).map(|_| LETTERS.get(rng.random_range(0..32usize)).copied().map_or('A', char::from));
    prefix.chars().chain(tail).collect()
}

/// A secret access key: 40 characters of base 64, 240 bits.
fn secret(rng: &mut StdRng) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..40).map(|_| LETTERS.get(rng.random_range(0..64usize)).copied().map_or('A', char::from)).collect()
}

#[cfg(test)]
pub(crate) mod tests_support {
    use super::*;
    use std::collections::BTreeMap;

    /// The directory's rows in memory.
    #[derive(Default)]
    pub struct Rows(pub BTreeMap<String, Vec<u8>>);

    impl Directory for Rows {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, DirectoryFault> {
            Ok(self.0.get(key).cloned())
        }
        fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, DirectoryFault> {
            let rows = self.0.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after);
            Ok(rows.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
        }
    }

    impl DirectoryChange for Rows {
        fn put(&mut self, key: &str, value: &[u8]) -> Result<(), DirectoryFault> {
            self.0.insert(key.to_owned(), value.to_vec());
            Ok(())
        }
        fn remove(&mut self, key: &str) -> Result<(), DirectoryFault> {
            self.0.remove(key);
            Ok(())
        }
    }

    pub fn moment(number: u8) -> Moment {
        Moment { now_ms: 1_700_000_000_000 + i64::from(number), seed: [number; 32] }
    }
}

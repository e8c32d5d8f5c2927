//! Data in a partition too low for it: contained, so that no session reads it, and erased by two officers
//! (DESIGN.md section 1, names in a view, 7).

use serde::{Deserialize, Serialize};

/// One contained version: taken out of the versions, and so out of every listing and read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainedRecord {
    /// Whose bucket.
    pub(crate) account: u64,
    /// The bucket's name.
    pub(crate) bucket: String,
    /// The object's key.
    pub(crate) key: String,
    /// Whether the ledger names it as a copy of what the officer named.
    pub(crate) copy: bool,
    /// The row as it stood in the versions.
    pub(crate) version: Vec<u8>,
}

//! Reading the ledgers, for whoever verifies them.

use crate::{Fault, Store};
use fastness_label::Label;
use redb::ReadableTable;

/// One partition's ledger, from its first entry to its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReader {
    /// The partition's label.
    pub label: Label,
    /// How many entries the catalog's counters say that there are.
    pub length: u64,
    /// The chain's hash over all of them, as the counters say.
    pub head: [u8; 32],
}

impl Store {
    /// The ledgers of a region, topmost label first. For the offline verifier, which holds the root key.
    ///
    /// # Errors
    /// A failure.
    pub fn logs(&self) -> Result<Vec<LogReader>, Fault> {
        let labels = self.labels();
        let reader = |label: &Label| {
            let state = self.partition(*label)?.read()?.state()?;
            Ok(LogReader { label: *label, length: state.log_len, head: state.log_head })
        };
        labels.held().iter().map(reader).collect()
    }

    /// Every row of one ledger in order: number, stored hash, entry. `see` says whether to go on.
    ///
    /// # Errors
    /// A failure; a damaged page is one.
    pub fn read_log(&self, label: Label, mut see: impl FnMut(u64, &[u8], &[u8]) -> bool) -> Result<(), Fault> {
        let reading = self.partition(label)?.read()?;
        for row in reading.log()?.iter()? {
            let (number, value) = row?;
            let value = value.value();
            let (hash, entry) = value.split_at_checked(32).unwrap_or((value, &[]));
            if !see(number.value(), hash, entry) {
                break;
            }
        }
        Ok(())
    }
}

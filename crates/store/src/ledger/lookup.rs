//! Searching a ledger for somebody who may: within the view of a lookup, a stretch at a time, so that whoever searches
//! bounds the work of a request.

use super::LedgerState;
use super::read::{Wanted, candidates};
use crate::{Fault, Store};
use fastness_decide::Permit;
use fastness_label::Label;
use fastness_operation::{CrossingAct, Operation};

/// What is searched for, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerSearch {
    /// The number of a term that it has; none means any.
    pub term: Option<u32>,
    /// The first millisecond since 1970 that counts.
    pub from_ms: i64,
    /// The last one.
    pub until_ms: i64,
    /// The first entry of the stretch.
    pub above: u64,
    /// The entry after its last.
    pub below: u64,
}

/// Whether a lookup, or the search for a bundle, covers a label's ledger.
fn covered(permit: &Permit, label: Label) -> Result<(), Fault> {
    let lookup = match permit.operation() {
        Operation::LookupEvents { .. } | Operation::DiscloseEvents { .. } => true,
        Operation::Crossing(act) => matches!(act.as_ref(), CrossingAct::FindArrival { .. }),
        _ => false,
    };
    if lookup && permit.view().labels().contains(&label) { Ok(()) } else { Err(Fault::mismatch()) }
}

impl Store {
    /// The counters of a ledger that a lookup covers.
    ///
    /// # Errors
    /// A failure.
    pub fn ledger_in_view(&self, permit: &Permit, label: Label) -> Result<LedgerState, Fault> {
        covered(permit, label)?;
        self.ledger(label)
    }

    /// Contents of entries of a stretch that may have the term and the time, the newest first: what is handed on may not
    /// match and may lie before the stretch, what is not handed on does not match. `see` says whether to go on. Answers the
    /// bytes of indexes that were read for it.
    ///
    /// # Errors
    /// A failure; an entry that is missing is one.
    pub fn search_ledger(
        &self,
        permit: &Permit,
        label: Label,
        search: &LedgerSearch,
        see: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<u64, Fault> {
        covered(permit, label)?;
        let LedgerSearch { term, from_ms, until_ms, above, below } = *search;
        let wanted = Wanted { term, from_ms, until_ms, above, below };
        candidates(&*self.partition(label)?, &wanted, see)
    }
}

//! What a region says of a ledger in that ledger: how the chain before it ended, and which contents were dropped. It is
//! under the tree, so counters and rows that tell another story are found.

use super::Finding;
use crate::field::from_hexadecimal;
use crate::tree::Hash;
use crate::{Entry, Outcome};
use fastness_store::LedgerState;

/// The operation of the entry that says how an earlier program's chain ended.
const END_CHAIN: &str = "EndChain";

/// The operation of the entry that says which contents were dropped.
const DROP_CONTENTS: &str = "DropContents";

/// Entries of which the contents were dropped, as an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Drop {
    from: u64,
    /// The one after the last.
    end: u64,
}

/// Entries by the region itself, as far as they bear on the ledger.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Number, and what it says of the chain: entries, hash. Nothing where it says nothing that can be read.
    ends: Vec<(u64, Option<(u64, Hash)>)>,
    drops: Vec<Drop>,
}

impl Said {
    /// Takes an entry of the ledger.
    pub(super) fn see(&mut self, number: u64, entry: &Entry) {
        if entry.principal != "region" || entry.service != "fastness" {
            return;
        }
        let what = match &entry.outcome {
            Outcome::Done(Some(what)) => what.as_str(),
            _ => "",
        };
        match entry.operation.as_str() {
            END_CHAIN => self.ends.push((number, end_of(what))),
            // A record speaks of what lies before it.
            DROP_CONTENTS => self.drops.extend(drop_of(what).filter(|drop| drop.end <= number)),
            _ => {}
        }
    }

    /// Takes what another thread read.
    pub(super) fn add(&mut self, other: Self) {
        self.ends.extend(other.ends);
        self.drops.extend(other.drops);
    }

    /// Compares it with the chain and the counters; what cannot be compared goes to `remarks`.
    pub(super) fn compare(
        mut self,
        chain: (u64, Hash),
        ledger: &LedgerState,
        remarks: &mut Vec<String>,
    ) -> Option<Finding> {
        self.ends.sort_unstable();
        self.drops.sort_unstable();
        self.of_chain(chain, ledger, remarks).or_else(|| self.of_drops(ledger.dropped, remarks))
    }

    fn of_chain(&self, chain: (u64, Hash), ledger: &LedgerState, remarks: &mut Vec<String>) -> Option<Finding> {
        let other = self.ends.iter().find(|(_, said)| *said != Some(chain));
        if let Some((number, said)) = other {
            let said = said.map_or(0, |(length, _)| length);
            return Some(Finding::ChainEnd { number: *number, said, found: chain.0 });
        }
        if chain.0 == 0 || ledger.length == 0 || !self.ends.is_empty() {
            return None;
        }
        if ledger.dropped == 0 {
            return Some(Finding::NoChainEnd);
        }
        let text = "the entry that says how the older chain ended is gone with contents that were dropped: \
                    nothing that was signed holds that chain any more";
        remarks.push(text.to_owned());
        None
    }

    /// The newest record lies behind everything that it speaks of, so it is there; older ones may have been dropped in
    /// their turn, but none between two that are there.
    fn of_drops(&self, dropped: u64, remarks: &mut Vec<String>) -> Option<Finding> {
        let mut below = dropped;
        for drop in self.drops.iter().rev().filter(|drop| drop.from < dropped) {
            if drop.end < below {
                return Some(Finding::Dropped { from: drop.end, to: below - 1 });
            }
            below = below.min(drop.from);
        }
        if below == dropped && dropped > 0 {
            return Some(Finding::Dropped { from: 0, to: dropped - 1 });
        }
        if below > 0 {
            remarks.push(format!(
                "contents of entries 0 to {} were dropped, and what says so was dropped since, too",
                below - 1
            ));
        }
        None
    }
}

/// A value of a text of `name=value`, parted by spaces.
fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split(' ').find_map(|one| one.strip_prefix(name)?.strip_prefix('='))
}

fn end_of(what: &str) -> Option<(u64, Hash)> {
    Some((value(what, "entries")?.parse().ok()?, from_hexadecimal(value(what, "head")?)?))
}

fn drop_of(what: &str) -> Option<Drop> {
    let number = |name| value(what, name)?.parse::<u64>().ok();
    let (from, end) = (number("from")?, number("to")?.checked_add(1)?);
    (from < end).then_some(Drop { from, end })
}

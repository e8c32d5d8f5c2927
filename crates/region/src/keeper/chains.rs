//! How the chains of earlier programs ended, in the ledgers that follow them.

use fastness_ledger::Entry;
use fastness_operation::Moment;
use fastness_store::{Fault, Kept, LedgerState, Store};

/// The operation of the entry that says how an earlier program's chain ended.
const END_CHAIN: &str = "EndChain";

/// Stands where the entry was made, if it is not the ledger's first.
const NOTE: &str = "chain-ended";

/// Says in each ledger that follows the chain of an earlier program how that chain ended: what signs the ledger signs the
/// chain's last hash with it. It is done before anybody is served, so that it is the ledger's first entry.
pub(crate) async fn end_chains(store: &Store, moment: &Moment) -> Result<(), Fault> {
    for label in store.labels().held().iter().rev().copied() {
        let ledger = store.ledger(label)?;
        if ledger.frozen.is_none() || is_said(store, &ledger)? {
            continue;
        }
        let is_first = ledger.length == 0;
        say(store, &ledger, moment).await?;
        if !is_first {
            let notes = vec![(NOTE.to_owned(), Vec::new())];
            store.keep(label, Kept { notes, ..Kept::default() }).await?;
        }
    }
    Ok(())
}

fn is_said(store: &Store, ledger: &LedgerState) -> Result<bool, Fault> {
    if store.note_kept(ledger.label, NOTE)?.is_some() {
        return Ok(true);
    }
    let mut said = false;
    store.ledger_rows(ledger.label, 0, 1, |_, _, content| {
        // Whoever dropped it said it anew.
        let is_end = |content| Entry::decode_content(content).is_ok_and(|entry| entry.operation == END_CHAIN);
        said = content.is_none_or(is_end);
        false
    })?;
    Ok(said)
}

/// Says how a ledger's old chain ended, if there is one.
pub(super) async fn say(store: &Store, ledger: &LedgerState, moment: &Moment) -> Result<(), Fault> {
    let Some((length, head)) = ledger.frozen else { return Ok(()) };
    let head: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
    let marking = store.policy().banner(ledger.label);
    let what = format!("entries={length} head={head}");
    store.record(ledger.label, Entry::by_the_region(moment, marking, END_CHAIN, what)).await
}

//! The region's log of checkpoints, read for the verifier: what it holds of each partition's ledger.

use super::{Finding, LogReport, blank, grown};
use crate::checkpoint::Checkpoint;
use crate::log::Log;
use crate::note::VerifierKey;
use crate::tree::Hash;
use fastness_store::{Fault, Store};
use std::collections::HashMap;

/// Entries of a log, and the root over them.
pub(super) type Size = (u64, Hash);

/// Of one log, the checkpoints in the region's log. A busy label adds one each second, so no more is held of each than
/// what is compared.
#[derive(Debug)]
pub(super) struct OfLog {
    /// The number of the first of them in the region's log.
    pub(super) number: u64,
    /// Each that says something new, in order.
    pub(super) sizes: Vec<Size>,
}

/// Those of all logs, by name.
pub(super) type Bound = HashMap<String, OfLog>;

/// The region's log, checked, and the checkpoints in it. An entry that is none, or does not follow, is a finding and
/// counts for nothing else; the ones behind it count.
pub(super) fn region_log(store: &Store, keys: &[VerifierKey]) -> Result<(LogReport, Bound), Fault> {
    let log = Log::of_region(store);
    let length = log.length()?;
    let mut report = blank(&log);
    let mut bound = Bound::new();
    let read = store.region_log(log.label(), 0, length, |number, entry| {
        match follows(&bound, entry) {
            Ok(checkpoint) => bind(&mut bound, number, checkpoint),
            Err(why) => drop(report.finding.get_or_insert(Finding::Region { number, why })),
        }
        report.entries += 1;
        true
    });
    if let Err(fault) = read {
        report.finding.get_or_insert(Finding::Unreadable(fault.to_string()));
    }
    let signed = log.checkpoint(keys);
    grown(&log, signed, length, Vec::new(), &mut report);
    Ok((report, bound))
}

/// A checkpoint that follows those before it.
pub(super) fn follows(before: &Bound, entry: &[u8]) -> Result<Checkpoint, String> {
    let text = std::str::from_utf8(entry).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(text).map_err(|error| error.to_string())?;
    match before.get(&checkpoint.origin).and_then(|known| known.sizes.last()) {
        Some((size, _)) if *size > checkpoint.size => {
            Err(format!("`{}` shrank from {size} entries to {}", checkpoint.origin, checkpoint.size))
        }
        Some((size, root)) if *size == checkpoint.size && *root != checkpoint.root => {
            Err(format!("`{}` has two roots over {size} entries: it was forked", checkpoint.origin))
        }
        _ => Ok(checkpoint),
    }
}

/// Keeps a checkpoint that follows.
pub(super) fn bind(bound: &mut Bound, number: u64, checkpoint: Checkpoint) {
    let Checkpoint { origin, size, root } = checkpoint;
    let known = bound.entry(origin).or_insert_with(|| OfLog { number, sizes: Vec::new() });
    if known.sizes.last() != Some(&(size, root)) {
        known.sizes.push((size, root));
    }
}

//! Making deletion final (DESIGN.md section 5): what survives under an erasure key is wrapped anew, then the key is
//! destroyed, and with it every copy of what was removed, in free pages and unlinked files alike.
//!
//! ```text
//! a turn removes a value      its erasure key is listed as erasable, in the same commit
//! retire                      a turn: nothing more is wrapped under these keys
//! sweep, until one finds none parts, versions, what is contained, the ledger's segments; found rows are rewrapped, in turns
//! destroy                     overwritten in place, synced, unlinked, the folder synced
//! forget                      a turn: off the list, with the ledger's entry
//! ```
//!
//! Why no row under a key escapes: keys of values are wrapped only on the writer's thread, so after the turn that
//! retires an erasure key no new row is under it. Rows move only from parts to versions (a completed upload) and from
//! there to what is contained, and tables are swept in that order (segments stay where they are): what moves on is met further on, or was rewrapped
//! before it moved. Each step reads by a snapshot of its own, which lives for some thousand rows.
//!
//! Whoever reads with an older snapshot finds the key gone and looks anew ([`crate::content`]); whoever has opened a
//! value holds that value's own key and reads to the end. A crash anywhere leaves the list: the next pass does it all
//! again, which changes nothing that is done.

use crate::catalog::{self, Rows, Turn};
use crate::partition::Partition;
use crate::records::{PartRecord, Piece, SegmentRecord, VersionRecord, decode, encode};
use crate::spill::ContainedRecord;
use crate::{Fault, Store};
use fastness_label::Label;
use redb::ReadableTable;
use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// Rows looked at in one snapshot.
const LOOK_LEN: usize = 2048;

/// Rows rewrapped in one turn at most.
const REWRAP_LEN: usize = 256;

/// Sweeps until one finds nothing; more would be a defect of ours.
const SWEEPS_MAX: usize = 16;

/// The background's pause after each look, so that requests go first.
const PAUSE: Duration = Duration::from_millis(5);

/// Times that lie further ahead are those of a clock that was wrong.
const CLOCK_ERROR_MS: i64 = 60_000;

/// What was made final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erased {
    /// Erasure keys destroyed.
    pub keys: u64,
    /// Values that survive, wrapped anew under other keys.
    pub rewrapped: u64,
    /// Keys that are unreadable and have survivors: their files are damaged, and they are left as they are.
    pub blocked: u64,
}

/// Whether requests go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// In the background.
    Gentle,
    /// Somebody waits.
    Now,
}

/// Where rows with content lie, in the order in which they move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Part,
    Version,
    Contained,
    Segment,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Part, Self::Version, Self::Contained, Self::Segment];

    const fn table(self) -> Rows {
        match self {
            Self::Part => catalog::PARTS,
            Self::Version => catalog::VERSIONS,
            Self::Contained => catalog::CONTAINED,
            Self::Segment => catalog::SEGMENTS,
        }
    }

    /// The row after `change` had a look at each of its pieces, or nothing if it changed none.
    fn changed(self, row: &[u8], change: &mut Change<'_>) -> Result<Option<Vec<u8>>, Fault> {
        let mut any = false;
        let mut each = |piece: &mut Piece| -> Result<(), Fault> {
            any |= change(piece)?;
            Ok(())
        };
        let bytes = match self {
            Self::Part => {
                let mut part: PartRecord = decode(row)?;
                part.piece.iter_mut().try_for_each(&mut each)?;
                if any { encode(&part)? } else { Vec::new() }
            }
            Self::Version => version_changed(row, &mut each)?,
            Self::Contained => {
                let mut contained: ContainedRecord = decode(row)?;
                contained.version = version_changed(&contained.version, &mut each)?;
                encode(&contained)?
            }
            Self::Segment => {
                let mut segment: SegmentRecord = decode(row)?;
                segment.pieces_mut().try_for_each(&mut each)?;
                encode(&segment)?
            }
        };
        Ok(any.then_some(bytes))
    }
}

/// Looks at a piece, and says whether it changed it.
type Change<'a> = dyn FnMut(&mut Piece) -> Result<bool, Fault> + 'a;

fn version_changed(row: &[u8], each: &mut dyn FnMut(&mut Piece) -> Result<(), Fault>) -> Result<Vec<u8>, Fault> {
    let mut version: VersionRecord = decode(row)?;
    version.object.iter_mut().flat_map(|object| &mut object.pieces).try_for_each(each)?;
    encode(&version)
}

/// The keys of one pass.
#[derive(Debug, Clone)]
struct Doomed {
    /// Those that can be read.
    good: HashSet<u64>,
    /// Those that cannot: overwritten before a crash, or damaged. Their survivors could not be rewrapped.
    bad: HashSet<u64>,
}

/// One look: rows with something to rewrap, unreadable keys with survivors, and where to go on.
#[derive(Default)]
struct Look {
    rows: Vec<Vec<u8>>,
    blocked: HashSet<u64>,
    next: Option<Vec<u8>>,
}

fn look(partition: &Partition, kind: Kind, after: Option<Vec<u8>>, doomed: &Doomed) -> Result<Look, Fault> {
    let reading = partition.read()?;
    let mut found = Look::default();
    let Some(rows) = reading.rows_if_made(kind.table())? else { return Ok(found) };
    let start = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    for (number, row) in rows.range::<&[u8]>((start, Bound::Unbounded))?.enumerate() {
        let (key, value) = row?;
        let mut good = false;
        kind.changed(value.value(), &mut |piece| {
            good |= doomed.good.contains(&piece.erasure);
            if doomed.bad.contains(&piece.erasure) {
                found.blocked.insert(piece.erasure);
            }
            Ok(false)
        })?;
        if good {
            found.rows.push(key.value().to_vec());
        }
        if number + 1 == LOOK_LEN || found.rows.len() == REWRAP_LEN {
            found.next = Some(key.value().to_vec());
            break;
        }
    }
    Ok(found)
}

/// Rewraps, in a turn, what is still there of some rows.
fn rewrap(
    partition: &Partition,
    turn: &mut Turn<'_>,
    kind: Kind,
    rows: &[Vec<u8>],
    doomed: &Doomed,
) -> Result<u64, Fault> {
    let erasure = &partition.erasure;
    let mut count = 0;
    let mut anew = |piece: &mut Piece| {
        if !doomed.good.contains(&piece.erasure) {
            return Ok(false);
        }
        let missing = || Fault::Failed("an erasure key with survivors is missing".to_owned());
        let key = erasure.value_key(piece)?.ok_or_else(missing)?;
        (piece.erasure, piece.key) = erasure.wrap(&key)?;
        count += 1;
        Ok(true)
    };
    for row in rows {
        let row = row.as_slice();
        let there = match kind {
            Kind::Part => turn.parts.get(row)?.map(|guard| guard.value().to_vec()),
            Kind::Version => turn.versions.get(row)?.map(|guard| guard.value().to_vec()),
            Kind::Contained => turn.contained()?.get(row)?.map(|guard| guard.value().to_vec()),
            Kind::Segment => turn.segments()?.get(row)?.map(|guard| guard.value().to_vec()),
        };
        // It was replaced, removed or moved on meanwhile.
        let Some(there) = there else { continue };
        let Some(bytes) = kind.changed(&there, &mut anew)? else { continue };
        match kind {
            Kind::Part => turn.parts.insert(row, bytes.as_slice())?,
            Kind::Version => turn.versions.insert(row, bytes.as_slice())?,
            Kind::Contained => turn.contained()?.insert(row, bytes.as_slice())?,
            Kind::Segment => turn.segments()?.insert(row, bytes.as_slice())?,
        }
    }
    Ok(count)
}

/// Work of the store's own in a turn, without an entry.
async fn quietly<T: Send + 'static>(
    partition: &Partition,
    work: impl FnOnce(&mut Turn<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    partition.turn(work, |_| Vec::new()).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Fault::failed("erasing", error)))
}

/// One sweep: how many values were rewrapped, and which unreadable keys have survivors.
async fn sweep(partition: &Arc<Partition>, doomed: &Arc<Doomed>, pace: Pace) -> Result<(u64, HashSet<u64>), Fault> {
    let (mut count, mut blocked) = (0, HashSet::new());
    for kind in Kind::ALL {
        let mut after = None;
        loop {
            let (of, keys) = (Arc::clone(partition), Arc::clone(doomed));
            let found = blocking(move || look(&of, kind, after, &keys)).await?;
            blocked.extend(found.blocked);
            if !found.rows.is_empty() {
                let (of, keys) = (Arc::clone(partition), Arc::clone(doomed));
                count += quietly(partition, move |turn| rewrap(&of, turn, kind, &found.rows, &keys)).await?;
            }
            after = found.next;
            if after.is_none() {
                break;
            }
            if pace == Pace::Gentle {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    Ok((count, blocked))
}

/// Destroys these erasure keys, once what survives under them is wrapped anew. `record` makes the ledger's entry.
pub(crate) async fn destroy(
    partition: &Arc<Partition>,
    ids: BTreeSet<u64>,
    pace: Pace,
    record: impl FnOnce(&Erased) -> Vec<u8> + Send + 'static,
) -> Result<Erased, Fault> {
    if ids.is_empty() {
        return Ok(Erased::default());
    }
    let _alone = partition.erasing.lock().await;
    let all: HashSet<u64> = ids.iter().copied().collect();
    let (of, retired) = (Arc::clone(partition), all.clone());
    quietly(partition, move |_| {
        of.erasure.retire(&retired);
        Ok(())
    })
    .await?;
    let of = Arc::clone(partition);
    let sorted = move || {
        let (good, bad) = all.into_iter().partition(|id| matches!(of.erasure.find(*id), Ok(Some(_))));
        Ok(Doomed { good, bad })
    };
    let doomed = Arc::new(blocking(sorted).await?);
    let mut rewrapped = 0;
    let mut blocked = HashSet::new();
    for round in 0.. {
        let (count, met) = sweep(partition, &doomed, pace).await?;
        rewrapped += count;
        blocked.extend(met);
        if count == 0 {
            break;
        }
        if round == SWEEPS_MAX {
            return Err(Fault::Failed("rows under a retired erasure key do not end".to_owned()));
        }
    }
    // INVARIANT: what was rewrapped is durable before a key goes.
    partition.flush().await?;
    let gone: BTreeSet<u64> = ids.into_iter().filter(|id| !blocked.contains(id)).collect();
    let erased = Erased { keys: gone.len() as u64, rewrapped, blocked: blocked.len() as u64 };
    if erased.blocked > 0 {
        tracing::error!(label = ?partition.label, count = erased.blocked, "erasure keys with survivors are unreadable");
    }
    if gone.is_empty() {
        return Ok(erased);
    }
    let (of, ids) = (Arc::clone(partition), gone.clone());
    blocking(move || of.erasure.destroy(&ids)).await?;
    partition.turn(move |turn| turn.forget_erasable(&gone), move |_| record(&erased)).await?;
    Ok(erased)
}

impl Store {
    /// Makes final what was deleted at a label `age` or longer before `now_ms`: upkeep, which touches nothing that any
    /// session sees. `record` makes the ledger's entry of what was destroyed.
    ///
    /// # Errors
    /// A failure; what was not done is done by the next call.
    pub async fn erase_deleted(
        &self,
        label: Label,
        now_ms: i64,
        age: Duration,
        record: impl FnOnce(&Erased) -> Vec<u8> + Send + 'static,
    ) -> Result<Erased, Fault> {
        let partition = self.partition(label)?;
        let listed = partition.read()?.erasable()?;
        let until_ms = now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        // A clock that was ahead must not hold an erasure up.
        let due = |since: i64| since <= until_ms || since > now_ms.saturating_add(CLOCK_ERROR_MS);
        let ids = listed.into_iter().filter(|(_, since)| due(*since)).map(|(id, _)| id).collect();
        let pace = if age.is_zero() { Pace::Now } else { Pace::Gentle };
        destroy(&partition, ids, pace, record).await
    }
}

#[cfg(test)]
mod tests;

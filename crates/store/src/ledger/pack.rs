//! Packing: the oldest entries of the tail become a segment. Upkeep, which leaves no entry of its own.

use super::read::{TailRow, tail_step};
use super::segments::{COMMITMENT_LEN, Packing, SEGMENT_LEN, row_of};
use crate::blob::BlobWriter;
use crate::catalog::Turn;
use crate::partition::Partition;
use crate::receive::{Draft, check_room, disk_fault, place};
use crate::records::{Bundle, Piece, SegmentContents, SegmentRecord, encode};
use crate::{Fault, Store};
use fastness_label::Label;
use std::sync::Arc;

/// What is written beside the contents: commitments, and the index of usual entries.
const ROOM_LEN: u64 = 1 << 20;

/// Reads an entry: its commitment, its content.
type Digest = dyn Fn(&[u8; COMMITMENT_LEN], &[u8]) -> ContentDigest;

/// What the index needs to know of an entry's content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentDigest {
    /// The entry's time, milliseconds since 1970.
    pub time_ms: i64,
    /// Numbers of the terms by which it is to be found.
    pub terms: Vec<u32>,
}

impl Store {
    /// Packs the oldest [`SEGMENT_LEN`] entries of a label's tail, if there are so many; says whether it did. `digest`
    /// reads an entry: its commitment, its content.
    ///
    /// # Errors
    /// A failure, or a refusal for want of room: then everything is where it was.
    pub async fn pack(
        &self,
        label: Label,
        digest: impl Fn(&[u8; COMMITMENT_LEN], &[u8]) -> ContentDigest + Send + Sync + 'static,
    ) -> Result<bool, Fault> {
        pack(&self.partition(label)?, digest).await
    }
}

pub(super) async fn pack(
    partition: &Arc<Partition>,
    digest: impl Fn(&[u8; COMMITMENT_LEN], &[u8]) -> ContentDigest + Send + Sync + 'static,
) -> Result<bool, Fault> {
    let _alone = partition.packing.lock().await;
    let counters = partition.read()?.state()?.ledger;
    if counters.len - counters.packed < SEGMENT_LEN {
        return Ok(false);
    }
    let (of, first) = (Arc::clone(partition), counters.packed);
    let drafts = tokio::task::spawn_blocking(move || Drafts::write(&of, first, &digest)).await;
    let drafts = drafts.unwrap_or_else(|error| Err(Fault::failed("packing the ledger", error)))?;
    partition.turn(move |turn| drafts.commit(turn, first), |_| Vec::new()).await?;
    Ok(true)
}

/// A segment's two values, written and not committed.
struct Drafts {
    tree: Draft,
    contents: Draft,
    bundles: Vec<Bundle>,
    first_ms: i64,
    last_ms: i64,
}

impl Drafts {
    fn write(partition: &Arc<Partition>, first: u64, digest: &Digest) -> Result<Self, Fault> {
        check_room(partition, ROOM_LEN)?;
        let mut tree = Vec::with_capacity(SEGMENT_LEN as usize * COMMITMENT_LEN);
        let (mut first_ms, mut last_ms) = (i64::MAX, i64::MIN);
        let (contents, bundles) = Draft::large(partition, |writer| {
            let mut out = |bytes: &[u8]| push(writer, bytes);
            let mut packing = Packing::default();
            let mut next = first;
            while next < first + SEGMENT_LEN {
                let rows = read(partition, next, first + SEGMENT_LEN)?;
                // What is packed is rarely longer than it was, and the reserve is for records alone.
                check_room(partition, rows.iter().map(|(_, row)| row.len() as u64).sum())?;
                for (_, row) in rows {
                    let malformed = || Fault::Failed(format!("entry {next} of the ledger has no commitment"));
                    let (commitment, content) = row.split_first_chunk::<COMMITMENT_LEN>().ok_or_else(malformed)?;
                    tree.extend_from_slice(commitment);
                    let ContentDigest { time_ms, terms } = digest(commitment, content);
                    (first_ms, last_ms) = (first_ms.min(time_ms), last_ms.max(time_ms));
                    packing.push(content, &terms, &mut out)?;
                    next += 1;
                }
            }
            packing.finish(&mut out)
        })?;
        let (tree, ()) = Draft::large(partition, |writer| push(writer, &tree))?;
        Ok(Self { tree, contents, bundles, first_ms, last_ms })
    }

    /// In a turn: from its commit on the entries lie in the segment, and in no rows.
    fn commit(self, turn: &mut Turn<'_>, first: u64) -> Result<(), Fault> {
        let missing = || Fault::Failed("a segment has no place".to_owned());
        let mut one = |draft| -> Result<Piece, Fault> { place(turn, Some(draft))?.pop().ok_or_else(missing) };
        let (tree, piece) = (one(self.tree)?, one(self.contents)?);
        let record = SegmentRecord {
            entries: SEGMENT_LEN as u32,
            first_ms: self.first_ms,
            last_ms: self.last_ms,
            tree,
            contents: Some(SegmentContents { piece, bundles: self.bundles }),
        };
        turn.segments()?.insert(&row_of(first), &encode(&record)?)?;
        // INVARIANT: whoever packs is alone, so nobody moved the counter since.
        turn.counters().packed = first + SEGMENT_LEN;
        turn.ledger.remove_below(first + SEGMENT_LEN)?;
        Ok(())
    }
}

fn push(writer: &mut BlobWriter, bytes: &[u8]) -> Result<(), Fault> {
    writer.push(bytes).map_err(|error| disk_fault(&error))
}

/// Some entries of the tail from a number on, without a gap.
fn read(partition: &Partition, next: u64, end: u64) -> Result<Vec<TailRow>, Fault> {
    let rows = tail_step(&*partition.read()?, next, end)?;
    if rows.is_empty() { Err(Fault::Failed(format!("entry {next} of the ledger is missing"))) } else { Ok(rows) }
}

//! Quarantine: what the guard stopped is sealed and contained at once, with a spill of its own that the guard opened. It is
//! never a version, not for a moment, and replaces none; nobody reads it, and two officers erase it as any spill.

use crate::buckets::find_own;
use crate::catalog::Turn;
use crate::objects::version_id;
use crate::receive::{self, Received};
use crate::records::{Extension, ObjectRecord, VersionRecord, encode};
use crate::spill::{self, ContainedRecord};
use crate::view::Snapshot;
use crate::{Actor, Fault, Spill, SpilledVersion};
use fastness_decide::Bucket;
use fastness_operation::{Attributes, Moment, ObjectKey};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Who opens such a spill.
pub(super) const GUARD: &str = "guard";

/// Contains what came under the name of a key; the spill's id.
pub(super) fn hold(
    turn: &mut Turn<'_>,
    below: &Snapshot,
    (bucket, key): (&Bucket, &ObjectKey),
    (mut received, attributes): (Received, Attributes),
    moment: &Moment,
) -> Result<String, Fault> {
    // INVARIANT: what may refuse is looked at before the first change, as in `objects::put`.
    if find_own(turn, bucket)?.is_none() && below.bucket(bucket)?.is_none() {
        return Err(crate::fault::no_such_bucket());
    }
    let mut rng = StdRng::from_seed(moment.seed);
    let sequence = turn.next_sequence();
    let pieces = receive::place(turn, received.take())?;
    let (etag, size) = (hex::encode(received.md5), received.size);
    let object = ObjectRecord { size, etag: etag.clone(), attributes, checksum: None, pieces };
    let id = version_id(sequence, &mut rng);
    let record = VersionRecord {
        id: id.clone(),
        null: false,
        modified_ms: moment.now_ms,
        object: Some(object),
        extension: Extension::default(),
    };
    let spill = Spill {
        id: format!("{sequence:016x}{:016x}", rng.random::<u64>()),
        account: bucket.account,
        bucket: bucket.name.to_string(),
        key: key.to_string(),
        whole: false,
        opened_ms: moment.now_ms,
        opened_by: Actor { name: GUARD.to_owned(), id: String::new() },
        versions: vec![SpilledVersion {
            bucket: bucket.name.to_string(),
            key: key.to_string(),
            version: id,
            size,
            etag,
            modified_ms: moment.now_ms,
            copy: false,
        }],
        proposal: None,
        erased: None,
    };
    let row = spill::contained_row(&spill.id, sequence);
    let contained = ContainedRecord { version: encode(&record)? };
    turn.contained()?.insert(row.as_slice(), encode(&contained)?.as_slice())?;
    spill::write(turn, &spill)?;
    Ok(spill.id)
}

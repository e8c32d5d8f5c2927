//! What a lift has to send, and its content.

use super::lifts::{Lift, act_of};
use crate::catalog::VERSIONS;
use crate::content::Content;
use crate::fault::no_such_bucket;
use crate::records::{Piece, Place, VersionRecord, decode};
use crate::view::{Slice, Snapshot};
use crate::{Fault, Store, keys};
use fastness_decide::Permit;
use fastness_operation::{Attributes, CrossingAct, ObjectKey, Stop, VersionId};

/// Objects of one bundle, at most.
pub const WALK_OBJECTS_MAX: usize = 1_000;
/// Bytes of content of one bundle, at most, unless one object alone has more.
pub const WALK_BYTES_MAX: u64 = 32 << 20;
/// Bytes of the names in one bundle, at most: an entry of the ledger names them all.
pub const WALK_NAMES_MAX: usize = 256 << 10;
/// Keys that one step looks at, at most.
const KEYS_LOOKED_AT_MAX: usize = 10_000;
/// How often a value is looked for again that moved while it was opened.
const SNAPSHOTS_MAX: usize = 8;

/// An object that a lift has to send: the newest version of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liftable {
    /// Its key.
    pub key: ObjectKey,
    /// The version.
    pub version: VersionId,
    /// Its bytes.
    pub size: u64,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Whether it is sealed under a caller's key, too.
    pub customer: bool,
}

/// What one step found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Walked {
    /// What there is to send.
    pub found: Vec<Liftable>,
    /// The keys of what was written, or written over, after the lift was ordered.
    pub later: Vec<String>,
    /// The last key that was looked at.
    pub cursor: Option<String>,
    /// Whether there is nothing behind that.
    pub over: bool,
}

/// A version with its content.
pub struct Sendable {
    /// Its headers and metadata.
    pub attributes: Attributes,
    /// Its bytes.
    pub size: u64,
    /// The content.
    pub content: Content,
}

impl std::fmt::Debug for Sendable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sendable").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Store {
    /// WalkLift: what a lift has to send next, in the session's own partition alone, from where it stands. It blocks.
    ///
    /// # Errors
    /// A failure.
    pub fn walk_lift(&self, permit: &Permit, lift: &Lift) -> Result<Walked, Fault> {
        let (CrossingAct::WalkLift { lift: id, bucket, prefix }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        if (id, bucket, prefix, account) != (&lift.id, &lift.bucket, &lift.prefix, lift.account) {
            return Err(Fault::mismatch());
        }
        let own = self.snapshot_of(&[permit.view().session()])?;
        let bucket = own.bucket(permit.bucket(bucket).ok_or_else(no_such_bucket)?)?;
        let nothing = Walked { cursor: lift.cursor.clone(), over: true, ..Walked::default() };
        let (Some(rows), Some(bucket)) = (own.versions(0)?, bucket) else { return Ok(nothing) };
        let number = bucket.top.id;
        let beginning = keys::object_start(number, prefix);
        let mut from = match &lift.cursor {
            Some(last) => keys::after_prefix(keys::object(number, last)),
            None => beginning.clone(),
        };
        let (mut walked, mut bytes, mut names) = (nothing, 0_u64, 0);
        for _ in 0..KEYS_LOOKED_AT_MAX {
            let Some((row, value)) = rows.range::<&[u8]>(from.as_slice()..)?.next().transpose()? else {
                return Ok(walked);
            };
            if !row.value().starts_with(&beginning) {
                return Ok(walked);
            }
            let malformed = || Fault::Failed("a row of the versions is malformed".to_owned());
            let (key, tail) = keys::split(row.value()).ok_or_else(malformed)?;
            let sequence = keys::sequence(tail).ok_or_else(malformed)?;
            let record: VersionRecord = decode(value.value())?;
            from = keys::after_prefix(keys::object(number, &key));
            let Some(object) = record.object else {
                walked.cursor = Some(key);
                continue;
            };
            if sequence < lift.watermark || sequence >= lift.passing {
                // Of a standing lift the next pass finds it.
                if sequence >= lift.passing && !lift.standing {
                    walked.later.push(key.clone());
                }
                walked.cursor = Some(key);
                continue;
            }
            bytes += object.size;
            names += key.len();
            let is_full = walked.found.len() >= WALK_OBJECTS_MAX || bytes > WALK_BYTES_MAX || names > WALK_NAMES_MAX;
            if is_full && !walked.found.is_empty() {
                return Ok(Walked { over: false, ..walked });
            }
            walked.cursor = Some(key.clone());
            walked.found.push(Liftable {
                key: ObjectKey::new(key).map_err(|error| Fault::failed("a key in the catalog", error))?,
                version: VersionId::new(record.id),
                size: object.size,
                content_type: object.attributes.content_type,
                customer: record.extension.customer.is_some(),
            });
        }
        Ok(Walked { over: false, ..walked })
    }

    /// SendObjects: opens the versions that the permit names, in the session's own partition alone and in one snapshot,
    /// each or why it stays. It blocks.
    ///
    /// # Errors
    /// A failure.
    pub fn open_versions(&self, permit: &Permit) -> Result<Vec<Result<Sendable, Stop>>, Fault> {
        let (CrossingAct::SendObjects { bucket: name, objects, .. }, _) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let (label, bucket) = (permit.view().session(), permit.bucket(name).ok_or_else(no_such_bucket)?);
        if permit.withholds(name, label) {
            return Ok(objects.iter().map(|_| Err(Stop::Withheld)).collect());
        }
        let one_of = |own: &Snapshot, (key, version): &(ObjectKey, VersionId)| {
            let Some(found) = own.bucket(bucket)? else { return Ok(Some(Err(Stop::Gone))) };
            let slice = own.slices.first().ok_or_else(Fault::mismatch)?;
            open((slice, found.top.id), key, version)
        };
        let own = self.snapshot_of(&[label])?;
        let one = |object: &(ObjectKey, VersionId)| {
            if let Some(opened) = one_of(&own, object)? {
                return Ok(opened);
            }
            // A survivor of an erasure lies elsewhere since the snapshot; what was replaced is gone in the next one.
            for _ in 0..SNAPSHOTS_MAX {
                if let Some(opened) = one_of(&self.snapshot_of(&[label])?, object)? {
                    return Ok(opened);
                }
            }
            Ok(Err(Stop::Unreadable))
        };
        objects.iter().map(one).collect()
    }
}

/// One version of the one partition of a snapshot; nothing when its content is elsewhere since.
fn open(
    (slice, bucket): (&Slice, u64),
    key: &ObjectKey,
    version: &VersionId,
) -> Result<Option<Result<Sendable, Stop>>, Fault> {
    let gone = Ok(Some(Err(Stop::Gone)));
    let Some(sequence) = crate::view::sequence_of(version.as_str()) else { return gone };
    let row = keys::version(bucket, key.as_str(), sequence);
    let Some(found) = slice.reading.rows(VERSIONS)?.get(row.as_slice())?.map(|guard| guard.value().to_vec()) else {
        return gone;
    };
    let record: VersionRecord = decode(&found)?;
    let Some(object) = record.object.filter(|_| record.id == version.as_str()) else { return gone };
    if record.extension.customer.is_some() {
        return Ok(Some(Err(Stop::CustomerKey)));
    }
    let opened = match Content::open(slice, (&object.pieces, None), 0, object.size) {
        Ok(None) => return Ok(None),
        Ok(Some(content)) => Ok(Sendable { attributes: object.attributes, size: object.size, content }),
        Err(fault) if is_damaged(slice, &object.pieces)? => {
            tracing::error!(%fault, "an object that is to be sent cannot be read");
            Err(Stop::Unreadable)
        }
        // The disk may be well the next time: nothing stays behind for that.
        Err(fault) => return Err(fault),
    };
    Ok(Some(opened))
}

/// Whether a small value among these is not what was sealed.
fn is_damaged(slice: &Slice, pieces: &[Piece]) -> Result<bool, Fault> {
    for piece in pieces {
        let (Place::Inline(number), Some(key)) = (piece.place, slice.partition.erasure.value_key(piece)?) else {
            continue;
        };
        if slice.reading.inline(number, |sealed| key.open_small(sealed).is_err())?.unwrap_or(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

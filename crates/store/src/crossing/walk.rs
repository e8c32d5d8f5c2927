//! What a lift has to send, and its content.

use super::lifts::{Lift, act_of};
use crate::catalog::ReadRows;
use crate::content::Content;
use crate::fault::no_such_bucket;
use crate::records::{Piece, Place, VersionRecord, decode};
use crate::view::{Slice, Snapshot};
use crate::{Fault, Store, keys};
use fastness_decide::{Bucket, Permit};
use fastness_label::Label;
use fastness_operation::{Attributes, CrossingAct, ObjectKey, Stop, VersionId};
use redb::{AccessGuard, Range};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Objects of one bundle, at most.
pub const WALK_OBJECTS_MAX: usize = 1_000;
/// Bytes of content of one bundle, at most, unless one object alone has more.
pub const WALK_BYTES_MAX: u64 = 32 << 20;
/// Bytes of the names in one bundle, at most: an entry of the ledger names them all.
pub const WALK_NAMES_MAX: usize = 256 << 10;
/// Keys that one step looks at, at most.
const KEYS_LOOKED_AT_MAX: usize = 10_000;
/// Older versions of a key that are passed by before the next key is looked for.
const OLDER_PASSED_MAX: usize = 4;
/// How long versions are opened in one snapshot: it keeps what was replaced since from being given back.
const SNAPSHOT_FOR: Duration = Duration::from_millis(500);
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

impl Liftable {
    /// What a version is to a lift; nothing of a delete marker.
    pub(super) fn of(key: ObjectKey, record: VersionRecord) -> Option<Self> {
        let object = record.object?;
        Some(Self {
            key,
            version: VersionId::new(record.id),
            size: object.size,
            content_type: object.attributes.content_type,
            customer: record.extension.customer.is_some(),
        })
    }
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
        let mut range = rows.range::<&[u8]>(from.as_slice()..)?;
        for _ in 0..KEYS_LOOKED_AT_MAX {
            let Some((row, value)) = next_key(&rows, &mut range, &from)? else {
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
            let Some(size) = record.object.as_ref().map(|object| object.size) else {
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
            bytes += size;
            names += key.len();
            let is_full = walked.found.len() >= WALK_OBJECTS_MAX || bytes > WALK_BYTES_MAX || names > WALK_NAMES_MAX;
            if is_full && !walked.found.is_empty() {
                return Ok(Walked { over: false, ..walked });
            }
            walked.cursor = Some(key.clone());
            let key = ObjectKey::new(key).map_err(|error| Fault::failed("a key in the catalog", error))?;
            walked.found.extend(Liftable::of(key, record));
        }
        Ok(Walked { over: false, ..walked })
    }

    /// SendObjects: opens the versions that the permit names, one after the other and in its order, in the session's own
    /// partition alone. It blocks.
    ///
    /// # Errors
    /// Another permit.
    pub fn open_versions<'a>(&'a self, permit: &'a Permit) -> Result<Opening<'a>, Fault> {
        let (CrossingAct::SendObjects { bucket: name, objects, .. }, _) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let (label, bucket) = (permit.view().session(), permit.bucket(name).ok_or_else(no_such_bucket)?);
        let is_withheld = permit.withholds(name, label);
        Ok(Opening { store: self, label, bucket, objects: objects.iter(), is_withheld, seen: None })
    }
}

/// Versions that are opened one after the other: each, or why it stays; or a failure. Whoever writes them has one of them in
/// memory, not all.
pub struct Opening<'a> {
    store: &'a Store,
    label: Label,
    bucket: &'a Bucket,
    objects: std::slice::Iter<'a, (ObjectKey, VersionId)>,
    is_withheld: bool,
    seen: Option<Seen>,
}

impl std::fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("left", &self.objects.len()).finish_non_exhaustive()
    }
}

impl Iterator for Opening<'_> {
    type Item = Result<Result<Sendable, Stop>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, version) = self.objects.next()?;
        Some(if self.is_withheld { Ok(Err(Stop::Withheld)) } else { self.open(key, version) })
    }
}

impl Opening<'_> {
    fn open(&mut self, key: &ObjectKey, version: &VersionId) -> Result<Result<Sendable, Stop>, Fault> {
        self.seen.take_if(|seen| seen.since.elapsed() > SNAPSHOT_FOR);
        for _ in 0..=SNAPSHOTS_MAX {
            let seen = match &mut self.seen {
                Some(seen) => seen,
                none => none.insert(Seen::now(self.store, self.label, self.bucket)?),
            };
            if let Some(opened) = seen.open(key, version)? {
                return Ok(opened);
            }
            // A survivor of an erasure lies elsewhere since the snapshot; what was replaced is gone in the next one.
            self.seen = None;
        }
        Ok(Err(Stop::Unreadable))
    }
}

/// A snapshot of the one partition, and where it was read last.
struct Seen {
    own: Snapshot,
    /// The bucket's number, and its versions.
    bucket: Option<(u64, Arc<ReadRows>)>,
    range: Option<Range<'static, &'static [u8], &'static [u8]>>,
    since: Instant,
}

impl Seen {
    fn now(store: &Store, label: Label, bucket: &Bucket) -> Result<Self, Fault> {
        let own = store.snapshot_of(&[label])?;
        let bucket = own.bucket(bucket)?.map(|found| found.top.id).zip(own.versions(0)?);
        Ok(Self { own, bucket, range: None, since: Instant::now() })
    }

    /// One version; nothing when its content is elsewhere since.
    fn open(&mut self, key: &ObjectKey, version: &VersionId) -> Result<Option<Result<Sendable, Stop>>, Fault> {
        let gone = Ok(Some(Err(Stop::Gone)));
        let slice = self.own.slices.first().ok_or_else(Fault::mismatch)?;
        let (Some((bucket, rows)), Some(sequence)) = (&self.bucket, crate::view::sequence_of(version.as_str())) else {
            return gone;
        };
        let row = keys::version(*bucket, key.as_str(), sequence);
        let range = match &mut self.range {
            Some(range) => range,
            none => none.insert(rows.range::<&[u8]>(row.as_slice()..)?),
        };
        let found = match next_key(rows, range, &row)? {
            Some((found, value)) if found.value() == row => Some(value),
            // It is gone, or stands before what was opened last.
            _ => rows.get(row.as_slice())?,
        };
        let Some(found) = found else { return gone };
        open(slice, decode(found.value())?, version)
    }
}

type Row = (AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>);

/// The first row that is not before `from`. The next rows are looked at first: the next key's newest version is mostly one of
/// them, and looking for a row from the root of the tree costs more than going on.
fn next_key(
    rows: &ReadRows,
    range: &mut Range<'static, &'static [u8], &'static [u8]>,
    from: &[u8],
) -> Result<Option<Row>, Fault> {
    for _ in 0..OLDER_PASSED_MAX {
        match range.next().transpose()? {
            Some((row, _)) if row.value() < from => {}
            found => return Ok(found),
        }
    }
    *range = rows.range::<&[u8]>(from..)?;
    Ok(range.next().transpose()?)
}

/// The version of a record of a snapshot; nothing when its content is elsewhere since.
fn open(slice: &Slice, record: VersionRecord, version: &VersionId) -> Result<Option<Result<Sendable, Stop>>, Fault> {
    let Some(object) = record.object.filter(|_| record.id == version.as_str()) else {
        return Ok(Some(Err(Stop::Gone)));
    };
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

//! Objects and their versions (DESIGN.md section 1, names in a view, 1, 2, 4 and 5).

use crate::buckets::own_record;
use crate::catalog::Turn;
use crate::content::Content;
use crate::fault::{no_such_bucket, no_such_key};
use crate::receive::Received;
use crate::records::{BucketRecord, Extension, ObjectRecord, Piece, Place, StoredPart, VersionRecord, decode, encode};
use crate::view::{self, BucketInView, Found, Snapshot};
use crate::{Fault, Record, Store, keys, locks};
use fastness_decide::{About, Bucket, Permit};
use fastness_label::Label;
use fastness_operation::{
    Attributes, ByteRange, Checksum, Code, Conditions, Deletion, Extras, Moment, ObjectKey, ObjectTarget, Operation,
    PartNumber, VersionId, Versioning,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use redb::ReadableTable;

/// What a caller learns of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The label of the partition that holds it.
    pub label: Label,
    /// Bytes of content.
    pub size: u64,
    /// The `ETag`, without quotes.
    pub etag: String,
    /// When it was written, milliseconds since 1970.
    pub modified_ms: i64,
    /// Headers and metadata.
    pub attributes: Attributes,
    /// The checksum kept with it.
    pub checksum: Option<Checksum>,
    /// Tags, retention, legal hold.
    pub extras: Extras,
    /// The parts of an object that was uploaded in parts.
    pub parts: Vec<ObjectPart>,
    /// Whether it is sealed under a caller's key, too.
    pub customer: bool,
    /// What `x-amz-version-id` says, if anything.
    pub version: Option<String>,
}

/// A part of a finished object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPart {
    /// The number it was uploaded under.
    pub number: u16,
    /// Bytes of content.
    pub size: u64,
    /// Its own checksum, by the object's algorithm.
    pub checksum: Option<Checksum>,
}

impl ObjectInfo {
    /// Offset and length of what a read asks for, when it asks for less than the whole.
    ///
    /// # Errors
    /// `InvalidRange`, `InvalidPartNumber`.
    pub fn extent(&self, range: Option<ByteRange>, part: Option<PartNumber>) -> Result<Option<(u64, u64)>, Fault> {
        if let Some(range) = range {
            let unsatisfiable = || Fault::refused(Code::InvalidRange, "The requested range is not satisfiable");
            return range.resolve(self.size).map(Some).ok_or_else(unsatisfiable);
        }
        let Some(part) = part else { return Ok(None) };
        let mut offset = 0;
        for found in &self.parts {
            if found.number == part.get() {
                return Ok(Some((offset, found.size)));
            }
            offset += found.size;
        }
        // An object that came in one piece is its own first part.
        if self.parts.is_empty() && part.get() == 1 {
            return Ok(Some((0, self.size)));
        }
        Err(Fault::refused(Code::InvalidPartNumber, "The requested partnumber is not satisfiable"))
    }
}

/// The parts of an object. One of catalog format 1 does not say them: they are its pieces, if their number fits.
fn parts(object: &ObjectRecord, stored: Vec<StoredPart>) -> Vec<ObjectPart> {
    let algorithm = object.checksum.as_ref().map(|checksum| checksum.algorithm);
    let known = |part: StoredPart| {
        let StoredPart { number, size, checksum } = part;
        let checksum = checksum.and_then(|value| Some(Checksum { algorithm: algorithm?, value }));
        ObjectPart { number, size, checksum }
    };
    let count = object.etag.split_once('-').and_then(|(_, count)| count.parse::<usize>().ok());
    if stored.is_empty() && count == Some(object.pieces.len()) {
        let guessed = |(number, piece): (u16, &Piece)| ObjectPart { number, size: piece.size, checksum: None };
        return (1..).zip(&object.pieces).map(guessed).collect();
    }
    stored.into_iter().map(known).collect()
}

/// What a write of an object yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The `ETag`, without quotes.
    pub etag: String,
    /// When it was written, milliseconds since 1970.
    pub modified_ms: i64,
    /// The checksum kept with it.
    pub checksum: Option<Checksum>,
    /// What `x-amz-version-id` says, if anything.
    pub version: Option<String>,
    /// Bytes of content.
    pub size: u64,
}

/// What a deletion yields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// What `x-amz-version-id` says, if anything.
    pub version: Option<String>,
    /// Whether a delete marker was made, or was what the version id named.
    pub marker: bool,
}

/// An object to be committed: its content received, its attributes checked.
pub(crate) struct NewObject {
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) attributes: Attributes,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) extension: Extension,
}

/// The id of a version: its sequence, which finds it, and 64 random bits.
pub(crate) fn version_id(sequence: u64, rng: &mut StdRng) -> String {
    format!("{sequence:016x}{:016x}", rng.random::<u64>())
}

/// Whether a write's conditions hold for the latest version in view.
fn check_write(conditions: &Conditions, latest: Option<&VersionRecord>) -> Result<(), Fault> {
    let object = latest.and_then(|record| record.object.as_ref());
    let failed = |which: &str| {
        let message = "At least one of the pre-conditions you specified did not hold";
        Err(Fault::refused(Code::PreconditionFailed, format!("{message} ({which})")))
    };
    if let Some(wanted) = &conditions.if_none_match
        && object.is_some_and(|object| wanted.matches(&object.etag))
    {
        return failed("If-None-Match");
    }
    if let Some(wanted) = &conditions.if_match {
        match object {
            None => return Err(no_such_key()),
            Some(object) if !wanted.matches(&object.etag) => return failed("If-Match"),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Whether a deletion's conditions hold for the version that it names. As S3: what is not there has no size and no
/// time, and its deletion succeeds; its ETag matches nothing.
fn check_delete(conditions: &Conditions, current: Option<&VersionRecord>) -> Result<(), Fault> {
    let Some((record, object)) = current.and_then(|record| Some((record, record.object.as_ref()?))) else {
        return if conditions.if_match.is_some() { Err(no_such_key()) } else { Ok(()) };
    };
    let etag = conditions.if_match.as_ref().is_none_or(|wanted| wanted.matches(&object.etag));
    let size = conditions.if_match_size.is_none_or(|size| size == object.size);
    let modified_s = record.modified_ms.div_euclid(1000);
    if etag && size && conditions.if_match_modified_s.is_none_or(|wanted| wanted == modified_s) {
        return Ok(());
    }
    Err(Fault::refused(Code::PreconditionFailed, "At least one of the pre-conditions you specified did not hold"))
}

/// Whether a read's conditions hold (RFC 9110, section 13.2.2).
fn check_read(conditions: &Conditions, info: &ObjectInfo) -> Result<(), Fault> {
    let modified_s = info.modified_ms.div_euclid(1000);
    let failed =
        || Fault::refused(Code::PreconditionFailed, "At least one of the pre-conditions you specified did not hold");
    let unchanged = || Fault::refused(Code::NotModified, "Not Modified");
    if let Some(wanted) = &conditions.if_match {
        if !wanted.matches(&info.etag) {
            return Err(failed());
        }
    } else if conditions.if_unmodified_since_s.is_some_and(|since| modified_s > since) {
        return Err(failed());
    }
    if let Some(wanted) = &conditions.if_none_match {
        if wanted.matches(&info.etag) {
            return Err(unchanged());
        }
    } else if conditions.if_modified_since_s.is_some_and(|since| modified_s <= since) {
        return Err(unchanged());
    }
    Ok(())
}

/// Takes a version out of the session's partition; its content goes with it.
pub(crate) fn remove_version(
    turn: &mut Turn<'_>,
    (bucket, key): (u64, &ObjectKey),
    sequence: u64,
    record: &VersionRecord,
) -> Result<(), Fault> {
    turn.versions.remove(keys::version(bucket, key.as_str(), sequence).as_slice())?;
    if record.null {
        turn.nulls.remove(keys::object(bucket, key.as_str()).as_slice())?;
    }
    drop_pieces(turn, record.object.iter().flat_map(|object| &object.pieces))
}

/// Refuses the removal of a version that a retention or a legal hold keeps. Whoever removes a version that somebody
/// might still want asks here first.
pub(crate) fn check_lock(record: &VersionRecord, now_ms: i64, bypass_governance: bool) -> Result<(), Fault> {
    if record.extension.extras.lock.lets_go(now_ms, bypass_governance) {
        return Ok(());
    }
    Err(locked())
}

pub(crate) fn locked() -> Fault {
    Fault::refused(Code::AccessDenied, "Access Denied because object protected by object lock.")
}

pub(crate) fn drop_pieces<'a>(turn: &mut Turn<'_>, pieces: impl Iterator<Item = &'a Piece>) -> Result<(), Fault> {
    for piece in pieces {
        turn.erased.insert(piece.erasure);
        match piece.place {
            Place::Inline(number) => {
                turn.inline.remove(number)?;
            }
            Place::Blob(id) => {
                turn.doomed.insert(id.as_slice(), [].as_slice())?;
                turn.unlinked.push(id);
            }
        }
    }
    Ok(())
}

fn remove_null(turn: &mut Turn<'_>, own: &BucketRecord, key: &ObjectKey) -> Result<bool, Fault> {
    let Some((sequence, record)) = view::null_version(&*turn.nulls, &*turn.versions, own.id, key.as_str())? else {
        return Ok(false);
    };
    remove_version(turn, (own.id, key), sequence, &record)?;
    Ok(true)
}

fn insert_version(
    turn: &mut Turn<'_>,
    own: &BucketRecord,
    key: &ObjectKey,
    moment: &Moment,
    (object, extension): (Option<ObjectRecord>, Extension),
) -> Result<VersionRecord, Fault> {
    let null = own.versioning != Versioning::Enabled;
    if null {
        remove_null(turn, own, key)?;
    }
    let sequence = turn.next_sequence();
    let id = version_id(sequence, &mut StdRng::from_seed(moment.seed));
    let record = VersionRecord { id, null, modified_ms: moment.now_ms, object, extension };
    turn.versions.insert(keys::version(own.id, key.as_str(), sequence).as_slice(), encode(&record)?.as_slice())?;
    if null {
        turn.nulls.insert(keys::object(own.id, key.as_str()).as_slice(), sequence.to_be_bytes().as_slice())?;
    }
    Ok(record)
}

/// What `x-amz-version-id` says of a version just written by its own session.
fn own_shown_id(own: &BucketRecord, record: &VersionRecord) -> Option<String> {
    match own.versioning {
        // A marker is always named, or nobody could remove it; as in every listing it is the null version.
        Versioning::Unversioned if record.object.is_none() => Some(VersionId::NULL.to_owned()),
        Versioning::Unversioned => None,
        Versioning::Suspended => Some(VersionId::NULL.to_owned()),
        Versioning::Enabled => Some(record.id.clone()),
    }
}

pub(crate) fn latest_below(below: &Snapshot, bucket: &Bucket, key: &ObjectKey) -> Result<Option<VersionRecord>, Fault> {
    match below.bucket(bucket)? {
        Some(found) => Ok(below.latest(&found, key.as_str())?.map(|found| found.record)),
        None => Ok(None),
    }
}

/// The latest version of a key in the session's view, as its turn sees it.
pub(crate) fn latest_in_turn(
    turn: &Turn<'_>,
    below: &Snapshot,
    bucket: &Bucket,
    key: &ObjectKey,
) -> Result<Option<VersionRecord>, Fault> {
    let own = match crate::buckets::find_own(turn, bucket)? {
        Some(own) => view::newest(&*turn.versions, own.id, key.as_str())?,
        None => None,
    };
    match own {
        Some((_, record)) => Ok(Some(record)),
        None => latest_below(below, bucket, key),
    }
}

/// The version of the session's own partition that an id names.
pub(crate) fn own_version(
    turn: &Turn<'_>,
    own: &BucketRecord,
    key: &ObjectKey,
    id: &VersionId,
) -> Result<Option<(u64, VersionRecord)>, Fault> {
    if id.is_null() {
        return view::null_version(&*turn.nulls, &*turn.versions, own.id, key.as_str());
    }
    let Some(sequence) = view::sequence_of(id.as_str()) else { return Ok(None) };
    let row = keys::version(own.id, key.as_str(), sequence);
    let record: Option<VersionRecord> =
        turn.versions.get(row.as_slice())?.map(|guard| decode(guard.value())).transpose()?;
    Ok(record.filter(|record| record.id == id.as_str()).map(|record| (sequence, record)))
}

/// Where an object is to be written, and what must hold there.
pub(crate) struct Destination<'a> {
    pub(crate) bucket: &'a Bucket,
    pub(crate) key: &'a ObjectKey,
    pub(crate) conditions: &'a Conditions,
}

/// Makes a version of what was received, in the writer's turn. `pieces` places the content; it is asked last.
///
/// INVARIANT: everything that may refuse is looked at before the first change, because a refusal commits with its
/// ledger entry, and would commit what was changed before it.
pub(crate) fn put(
    turn: &mut Turn<'_>,
    below: &Snapshot,
    destination: &Destination<'_>,
    moment: &Moment,
    new: NewObject,
    pieces: impl FnOnce(&mut Turn<'_>) -> Result<Vec<Piece>, Fault>,
) -> Result<Written, Fault> {
    let Destination { bucket, key, conditions } = *destination;
    if *conditions != Conditions::default() {
        check_write(conditions, latest_in_turn(turn, below, bucket, key)?.as_ref())?;
    }
    let NewObject { etag, size, attributes, checksum, mut extension } = new;
    let own = own_record(turn, below, bucket)?;
    extension.extras.lock = locks::of_new(turn, own.id, extension.extras.lock, moment)?;
    let pieces = pieces(turn)?;
    let object = ObjectRecord { size, etag: etag.clone(), attributes, checksum: checksum.clone(), pieces };
    let record = insert_version(turn, &own, key, moment, (Some(object), extension))?;
    let version = own_shown_id(&own, &record);
    Ok(Written { etag, modified_ms: moment.now_ms, checksum, version, size })
}

/// DELETE without a version id: S3's rules within the session's partition, and a marker wherever a lower version
/// would still show.
pub(crate) fn delete_latest(
    turn: &mut Turn<'_>,
    below: &Snapshot,
    bucket: &Bucket,
    key: &ObjectKey,
    moment: &Moment,
) -> Result<Deleted, Fault> {
    let own = match crate::buckets::find_own(turn, bucket)? {
        Some(own) => own,
        None => {
            let lower = below.bucket(bucket)?.ok_or_else(no_such_bucket)?;
            let shows = latest_below(below, bucket, key)?.is_some_and(|record| record.object.is_some());
            if lower.top.versioning == Versioning::Unversioned && !shows {
                return Ok(Deleted::default());
            }
            own_record(turn, below, bucket)?
        }
    };
    if own.versioning == Versioning::Unversioned {
        remove_null(turn, &own, key)?;
        let own_left = view::newest(&*turn.versions, own.id, key.as_str())?.is_some();
        let shows = !own_left && latest_below(below, bucket, key)?.is_some_and(|record| record.object.is_some());
        if !shows {
            return Ok(Deleted::default());
        }
    }
    let marker = insert_version(turn, &own, key, moment, (None, Extension::default()))?;
    let version = own_shown_id(&own, &marker);
    Ok(Deleted { version, marker: true })
}

/// Which version a DELETE names, and on what terms.
struct Naming<'a> {
    id: &'a VersionId,
    conditions: &'a Conditions,
    now_ms: i64,
    bypass: bool,
}

/// DELETE of one version: only in the session's own partition.
fn delete_version(
    turn: &mut Turn<'_>,
    below: &Snapshot,
    bucket: &Bucket,
    key: &ObjectKey,
    Naming { id, conditions, now_ms, bypass }: Naming<'_>,
) -> Result<Deleted, Fault> {
    let own = crate::buckets::find_own(turn, bucket)?;
    let mine = match &own {
        Some(own) => own_version(turn, own, key, id)?,
        None => None,
    };
    if let (Some(own), Some((sequence, record))) = (&own, mine) {
        check_delete(conditions, Some(&record))?;
        check_lock(&record, now_ms, bypass)?;
        remove_version(turn, (own.id, key), sequence, &record)?;
        return Ok(Deleted { version: Some(id.as_str().to_owned()), marker: record.object.is_none() });
    }
    let lower = below.bucket(bucket)?;
    if own.is_none() && lower.is_none() {
        return Err(no_such_bucket());
    }
    if let Some(lower) = lower
        && below.version(&lower, key.as_str(), id)?.is_some()
    {
        let message = "the version is at a lower label; delete it there, from a session at that label";
        return Err(Fault::refused(Code::AccessDenied, message));
    }
    check_delete(conditions, None)?;
    // As S3: deleting what is not there succeeds.
    Ok(Deleted { version: Some(id.as_str().to_owned()), marker: false })
}

fn delete(
    turn: &mut Turn<'_>,
    below: &Snapshot,
    bucket: &Bucket,
    (Deletion { key, version, conditions }, bypass): (&Deletion, bool),
    moment: &Moment,
) -> Result<Deleted, Fault> {
    match version {
        None => {
            if *conditions != Conditions::default() {
                check_delete(conditions, latest_in_turn(turn, below, bucket, key)?.as_ref())?;
            }
            delete_latest(turn, below, bucket, key, moment)
        }
        Some(id) => {
            let naming = Naming { id, conditions, now_ms: moment.now_ms, bypass };
            delete_version(turn, below, bucket, key, naming)
        }
    }
}

/// Each object of a DeleteObjects with its own outcome.
pub type ManyDeleted = Vec<Result<Deleted, Fault>>;

impl Store {
    /// PutObject, and the writing half of CopyObject: commits what was received as a version at the session's label.
    ///
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`, or a failure; then what was received is gone.
    pub async fn put_object(
        &self,
        permit: &Permit,
        mut received: Received,
        (attributes, extras): (Attributes, Extras),
        moment: Moment,
        record: Record<Written>,
    ) -> Result<Written, Fault> {
        let (Operation::PutObject { bucket: name, key, conditions, .. }
        | Operation::CopyObject { bucket: name, key, conditions, .. }) = permit.operation()
        else {
            return Err(Fault::mismatch());
        };
        let (store, view, key, conditions) = (self.clone(), permit.view().clone(), key.clone(), conditions.clone());
        let bucket = permit.bucket(name).cloned().ok_or_else(no_such_bucket)?;
        let partition = self.own(permit)?;
        let draft = received.take();
        let new = NewObject {
            etag: hex::encode(received.md5),
            size: received.size,
            attributes,
            checksum: received.checksum.clone(),
            extension: Extension { extras, parts: Vec::new(), customer: received.customer.take() },
        };
        let work = move |turn: &mut Turn<'_>| {
            let place = |turn: &mut Turn<'_>| crate::receive::place(turn, draft);
            let destination = Destination { bucket: &bucket, key: &key, conditions: &conditions };
            let below = store.below(&view)?;
            locks::check_asked(turn, &below, &bucket, (new.extension.extras.lock, moment.now_ms))?;
            put(turn, &below, &destination, &moment, new, place)
        };
        partition.turn(work, record).await
    }

    /// Finds the object that a read names, checks the read's conditions, and opens its content.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker, `PreconditionFailed`, `NotModified`, or a failure.
    pub fn open_object(&self, permit: &Permit) -> Result<(ObjectInfo, Content), Fault> {
        // Between the snapshot and the opening of a file another session at that label may replace the object: then a
        // new snapshot shows what is there now.
        for _ in 0..8 {
            if let (info, Some(content)) = self.try_open_object(permit)? {
                return Ok((info, content));
            }
        }
        Err(Fault::Failed("a value's file is missing".to_owned()))
    }

    fn try_open_object(&self, permit: &Permit) -> Result<(ObjectInfo, Option<Content>), Fault> {
        let none = Conditions::default();
        let (target, conditions) = match permit.operation() {
            Operation::GetObject { target, conditions, .. } | Operation::HeadObject { target, conditions, .. } => {
                (target, conditions)
            }
            Operation::CopyObject { source, .. } | Operation::UploadPartCopy { source, .. } => {
                (&source.target, &source.conditions)
            }
            Operation::GetObjectAttributes { target, .. } => (target, &none),
            _ => return Err(Fault::mismatch()),
        };
        let snapshot = self.snapshot(permit.view())?;
        let bucket = permit.bucket(&target.bucket).ok_or_else(no_such_bucket)?;
        let bucket = snapshot.bucket(bucket)?.ok_or_else(no_such_bucket)?;
        let found = permitted(&snapshot, &bucket, target, permit)?;
        let version = found.shown_id(bucket.top.versioning);
        let slice = snapshot.slices.get(found.slice).ok_or_else(no_such_key)?;
        let Some(object) = found.record.object else { return Err(is_marker(target, version, slice.partition.label)) };
        let seal = found.record.extension.customer;
        let parts = parts(&object, found.record.extension.parts);
        let info = ObjectInfo {
            label: slice.partition.label,
            size: object.size,
            etag: object.etag,
            modified_ms: found.record.modified_ms,
            attributes: object.attributes,
            checksum: object.checksum,
            extras: found.record.extension.extras,
            parts,
            customer: seal.is_some(),
            version,
        };
        let about = || About {
            label: info.label,
            version: info.version.clone(),
            content: Some((info.etag.clone(), info.modified_ms)),
        };
        let customer = match permit.operation() {
            Operation::GetObject { customer, .. }
            | Operation::HeadObject { customer, .. }
            | Operation::GetObjectAttributes { customer, .. } => customer.as_ref(),
            Operation::CopyObject { source, .. } | Operation::UploadPartCopy { source, .. } => source.customer.as_ref(),
            _ => None,
        };
        crate::customer::check_read(seal.as_ref(), customer)?;
        check_read(conditions, &info).map_err(|fault| match (permit.operation(), fault) {
            // A copy has no "not modified": its source's condition does not hold.
            (
                Operation::CopyObject { .. } | Operation::UploadPartCopy { .. },
                Fault::Refused { code: Code::NotModified, message, .. },
            ) => Fault::refused(Code::PreconditionFailed, message),
            (Operation::CopyObject { .. } | Operation::UploadPartCopy { .. }, fault) => fault,
            (_, fault) => fault.with(about()),
        })?;
        let head_only =
            matches!(permit.operation(), Operation::HeadObject { .. } | Operation::GetObjectAttributes { .. });
        let pieces = if head_only { Vec::new() } else { object.pieces };
        let extent = match permit.operation() {
            Operation::GetObject { range, part, .. } | Operation::HeadObject { range, part, .. } => {
                info.extent(*range, *part).map_err(|fault| fault.with(about()))?
            }
            Operation::UploadPartCopy { range: Some(range), .. } => range.resolve(info.size).or(Some((0, 0))),
            _ => None,
        };
        let (offset, length) = extent.unwrap_or((0, info.size));
        let content = Content::open(slice, (&pieces, seal.as_ref().zip(customer)), offset, length)?;
        Ok((info, content))
    }

    /// DeleteObject.
    ///
    /// # Errors
    /// `NoSuchBucket`, `AccessDenied` for a version at a lower label, or a failure.
    pub async fn delete_object(
        &self,
        permit: &Permit,
        moment: Moment,
        record: Record<Deleted>,
    ) -> Result<Deleted, Fault> {
        let Operation::DeleteObject { target, conditions, bypass_governance } = permit.operation() else {
            return Err(Fault::mismatch());
        };
        let bypass = *bypass_governance;
        let (store, view) = (self.clone(), permit.view().clone());
        let ObjectTarget { bucket, key, version } = target.clone();
        let bucket = permit.bucket(&bucket).cloned().ok_or_else(no_such_bucket)?;
        let deletion = Deletion { key, version, conditions: conditions.clone() };
        let work = move |turn: &mut Turn<'_>| {
            let below = store.below(&view)?;
            delete(turn, &below, &bucket, (&deletion, bypass), &moment)
        };
        self.own(permit)?.turn(work, record).await
    }

    /// DeleteObjects: each with its own outcome, all in one turn.
    ///
    /// # Errors
    /// `NoSuchBucket`, or a failure.
    pub async fn delete_objects(
        &self,
        permit: &Permit,
        moment: Moment,
        record: Record<ManyDeleted>,
    ) -> Result<ManyDeleted, Fault> {
        let Operation::DeleteObjects { bucket: name, objects, bypass_governance } = permit.operation() else {
            return Err(Fault::mismatch());
        };
        let (store, view, objects, bypass) = (self.clone(), permit.view().clone(), objects.clone(), *bypass_governance);
        let bucket = permit.bucket(name).cloned().ok_or_else(no_such_bucket)?;
        let work = move |turn: &mut Turn<'_>| {
            let below = store.below(&view)?;
            let mut rng = StdRng::from_seed(moment.seed);
            let mut outcomes = Vec::with_capacity(objects.len());
            for deletion in &objects {
                let moment = Moment { seed: rng.random(), ..moment };
                match delete(turn, &below, &bucket, (deletion, bypass), &moment) {
                    Err(Fault::Failed(text)) => return Err(Fault::Failed(text)),
                    Err(fault @ Fault::Refused { code: Code::NoSuchBucket, .. }) => return Err(fault),
                    outcome => outcomes.push(outcome),
                }
            }
            Ok(outcomes)
        };
        self.own(permit)?.turn(work, record).await
    }
}

/// What a name means that means a delete marker.
pub(crate) fn is_marker(target: &ObjectTarget, shown: Option<String>, label: Label) -> Fault {
    let (code, message) = match &target.version {
        Some(_) => (Code::MethodNotAllowed, "The specified method is not allowed against this resource."),
        None => (Code::NoSuchKey, "The specified key does not exist."),
    };
    let version = Some(shown.unwrap_or_else(|| VersionId::NULL.to_owned()));
    Fault::refused(code, message).with(About { label, version, content: None })
}

/// What a reading finds, if the policy beside it does not withhold it. Who may not list learns of nothing that is missing.
pub(crate) fn permitted(
    snapshot: &Snapshot,
    bucket: &BucketInView,
    target: &ObjectTarget,
    permit: &Permit,
) -> Result<Found, Fault> {
    let denied = || Fault::Withheld("Access Denied".to_owned());
    match find(snapshot, bucket, target) {
        Err(Fault::Refused { .. }) if !permit.lists(&target.bucket) => Err(denied()),
        Ok(found) => {
            let label = snapshot.slices.get(found.slice).map(|slice| slice.partition.label);
            let withheld = label.is_none_or(|label| permit.withholds(&target.bucket, label));
            let hidden = found.record.object.is_none() && !permit.lists(&target.bucket);
            if withheld || hidden { Err(denied()) } else { Ok(found) }
        }
        refused => refused,
    }
}

pub(crate) fn find(snapshot: &Snapshot, bucket: &BucketInView, target: &ObjectTarget) -> Result<Found, Fault> {
    match &target.version {
        None => snapshot.latest(bucket, target.key.as_str())?.ok_or_else(no_such_key),
        Some(id) => snapshot
            .version(bucket, target.key.as_str(), id)?
            .ok_or_else(|| Fault::refused(Code::NoSuchVersion, "The specified version does not exist.")),
    }
}

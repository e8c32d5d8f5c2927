//! Tags, retention and legal hold: what is said of versions that are there: read in the view, changed at the session's own label alone (DESIGN.md
//! section 1, names in a view, 4).

use crate::catalog::Turn;
use crate::fault::{no_such_bucket, no_such_key};
use crate::objects::{find, is_marker, locked, own_version, permitted};
use crate::records::{VersionRecord, encode};
use crate::view::{self, Snapshot};
use crate::{Fault, Record, Store, keys, locks};
use fastness_decide::{Bucket, Permit};
use fastness_label::Label;
use fastness_operation::{
    Code, Extras, Moment, ObjectLock, ObjectTarget, Operation, Retention, Tags, VersionId, Versioning,
};

/// What is said of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotated {
    /// Tags, retention, legal hold.
    pub extras: Extras,
    /// What `x-amz-version-id` says, if anything.
    pub version: Option<String>,
    /// The label of the partition that holds the version.
    pub label: Label,
}

/// What a request changes.
enum Change {
    Tags(Tags),
    Retention(Option<Retention>, bool),
    LegalHold(bool),
    /// An ACL that says what holds anyway.
    None,
}

impl Change {
    fn apply(self, extras: &mut Extras, bucket: Option<ObjectLock>, now_ms: i64) -> Result<(), Fault> {
        match self {
            Self::None => {}
            Self::Tags(tags) => extras.tags = tags,
            Self::LegalHold(legal_hold) => {
                locks::needed(bucket)?;
                extras.lock.legal_hold = Some(legal_hold);
            }
            Self::Retention(wanted, bypass) => {
                locks::needed(bucket)?;
                wanted.map_or(Ok(()), |wanted| locks::check_until(wanted, now_ms))?;
                if extras.lock.retention.is_some_and(|held| !held.yields_to(wanted, now_ms, bypass)) {
                    return Err(locked());
                }
                extras.lock.retention = wanted;
            }
        }
        Ok(())
    }
}

/// A version of the session's own partition, in its turn.
struct Own {
    row: Vec<u8>,
    record: VersionRecord,
    shown: Option<String>,
}

/// Finds the version that a change names. A lower one is not changed from above; what is not in view is not there.
fn own_target(
    turn: &Turn<'_>,
    below: &Snapshot,
    bucket: &Bucket,
    (target, label): (&ObjectTarget, Label),
) -> Result<Own, Fault> {
    let own = crate::buckets::find_own(turn, bucket)?;
    let mine = match (&own, &target.version) {
        (Some(own), Some(id)) => own_version(turn, own, &target.key, id)?,
        (Some(own), None) => view::newest(&*turn.versions, own.id, target.key.as_str())?,
        (None, _) => None,
    };
    if let (Some(own), Some((sequence, record))) = (&own, mine) {
        let shown = match (record.null, own.versioning) {
            (true, Versioning::Unversioned) => None,
            (true, _) => Some(VersionId::NULL.to_owned()),
            (false, _) => Some(record.id.clone()),
        };
        if record.object.is_none() {
            return Err(is_marker(target, shown, label));
        }
        return Ok(Own { row: keys::version(own.id, target.key.as_str(), sequence), record, shown });
    }
    let lower = below.bucket(bucket)?;
    if own.is_none() && lower.is_none() {
        return Err(no_such_bucket());
    }
    let Some(lower) = lower else { return Err(missing(target)) };
    let found = find(below, &lower, target)?;
    if found.record.object.is_none() {
        let slice = below.slices.get(found.slice).ok_or_else(no_such_key)?;
        return Err(is_marker(target, found.shown_id(lower.top.versioning), slice.partition.label));
    }
    let message = "the version is at a lower label; change it there, from a session at that label";
    Err(Fault::refused(Code::AccessDenied, message))
}

fn missing(target: &ObjectTarget) -> Fault {
    match &target.version {
        None => no_such_key(),
        Some(_) => Fault::refused(Code::NoSuchVersion, "The specified version does not exist."),
    }
}

impl Store {
    /// GetObjectTagging, GetObjectRetention, GetObjectLegalHold, GetObjectAcl: what is said of the version that a name means in the view.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker, or a failure.
    pub fn annotations(&self, permit: &Permit) -> Result<Annotated, Fault> {
        let (Operation::GetObjectTagging { target }
        | Operation::GetObjectAcl { target }
        | Operation::GetObjectRetention { target }
        | Operation::GetObjectLegalHold { target }) = permit.operation()
        else {
            return Err(Fault::mismatch());
        };
        let snapshot = self.snapshot(permit.view())?;
        let bucket = permit.bucket(&target.bucket).ok_or_else(no_such_bucket)?;
        let bucket = snapshot.bucket(bucket)?.ok_or_else(no_such_bucket)?;
        let found = permitted(&snapshot, &bucket, target, permit)?;
        let version = found.shown_id(bucket.top.versioning);
        let slice = snapshot.slices.get(found.slice).ok_or_else(no_such_key)?;
        if found.record.object.is_none() {
            return Err(is_marker(target, version, slice.partition.label));
        }
        let lock = found.record.extension.extras.lock;
        let missing = match permit.operation() {
            Operation::GetObjectRetention { .. } => lock.retention.is_none(),
            Operation::GetObjectLegalHold { .. } => lock.legal_hold.is_none(),
            _ => false,
        };
        if missing {
            return Err(locks::nothing_said(locks::of_top(&snapshot, &bucket)?));
        }
        Ok(Annotated { extras: found.record.extension.extras, version, label: slice.partition.label })
    }

    /// PutObjectTagging, DeleteObjectTagging, PutObjectRetention, PutObjectLegalHold; PutObjectAcl, which changes nothing.
    ///
    /// # Errors
    /// As [`Store::annotations`], and `AccessDenied` for a version at a lower label.
    pub async fn annotate(
        &self,
        permit: &Permit,
        moment: Moment,
        record: Record<Annotated>,
    ) -> Result<Annotated, Fault> {
        let (target, change) = match permit.operation() {
            Operation::PutObjectTagging { target, tags } => (target.clone(), Change::Tags(tags.clone())),
            Operation::PutObjectAcl { target } => (target.clone(), Change::None),
            Operation::DeleteObjectTagging { target } => (target.clone(), Change::Tags(Tags::default())),
            Operation::PutObjectRetention { target, retention, bypass_governance } => {
                (target.clone(), Change::Retention(*retention, *bypass_governance))
            }
            Operation::PutObjectLegalHold { target, legal_hold } => (target.clone(), Change::LegalHold(*legal_hold)),
            _ => return Err(Fault::mismatch()),
        };
        let (store, view) = (self.clone(), permit.view().clone());
        let bucket = permit.bucket(&target.bucket).cloned().ok_or_else(no_such_bucket)?;
        let label = view.session();
        let work = move |turn: &mut Turn<'_>| {
            let below = store.below(&view)?;
            let Own { row, mut record, shown } = own_target(turn, &below, &bucket, (&target, label))?;
            let lock = locks::of_bucket(turn, &below, &bucket)?;
            change.apply(&mut record.extension.extras, lock, moment.now_ms)?;
            let extras = record.extension.extras.clone();
            turn.versions.insert(row.as_slice(), encode(&record)?.as_slice())?;
            Ok(Annotated { extras, version: shown, label })
        };
        self.own(permit)?.turn(work, record).await
    }
}

//! Object lock of a bucket, as its record in the session's partition says, or the one that it would take over.

use crate::catalog::Turn;
use crate::view::{BucketInView, Snapshot};
use crate::{Fault, configurations};
use fastness_decide::Bucket;
use fastness_operation::{Code, Configuration, ConfigurationKind, Lock, Moment, ObjectLock, Retention, Versioning};

fn of(found: Option<Configuration>) -> Option<ObjectLock> {
    match found {
        Some(Configuration::ObjectLock(lock)) => Some(lock),
        _ => None,
    }
}

/// What holds for the session's own record.
pub(crate) fn of_bucket(turn: &Turn<'_>, below: &Snapshot, bucket: &Bucket) -> Result<Option<ObjectLock>, Fault> {
    configurations::in_turn(turn, below, bucket, ConfigurationKind::ObjectLock).map(of)
}

/// What the topmost record in view says.
pub(crate) fn of_top(snapshot: &Snapshot, bucket: &BucketInView) -> Result<Option<ObjectLock>, Fault> {
    configurations::read_top(snapshot, bucket, ConfigurationKind::ObjectLock).map(of)
}

/// Without object lock on the bucket nothing is retained or held.
pub(crate) fn needed(bucket: Option<ObjectLock>) -> Result<ObjectLock, Fault> {
    bucket.ok_or_else(|| Fault::refused(Code::InvalidRequest, "Bucket is missing Object Lock Configuration"))
}

pub(crate) fn check_until(retention: Retention, now_ms: i64) -> Result<(), Fault> {
    if retention.until_ms > now_ms {
        return Ok(());
    }
    Err(Fault::refused(Code::InvalidArgument, "The retain until date must be in the future!"))
}

/// The lock of a version that is written now, in the bucket whose own record has this number.
pub(crate) fn of_new(turn: &Turn<'_>, own: u64, asked: Lock, moment: &Moment) -> Result<Lock, Fault> {
    let bucket = of(configurations::read_in(turn, own, ConfigurationKind::ObjectLock)?);
    Ok(bucket.map_or(asked, |lock| lock.of_new(asked, moment.now_ms)))
}

/// Whether what is asked of a version, or of an upload, that begins now can be had.
pub(crate) fn check_asked(
    turn: &Turn<'_>,
    below: &Snapshot,
    bucket: &Bucket,
    (asked, now_ms): (Lock, i64),
) -> Result<(), Fault> {
    if asked == Lock::default() {
        return Ok(());
    }
    needed(of_bucket(turn, below, bucket)?)?;
    asked.retention.map_or(Ok(()), |retention| check_until(retention, now_ms))
}

/// Where nothing keeps a version, S3 says whether anything could.
pub(crate) fn nothing_said(bucket: Option<ObjectLock>) -> Fault {
    match needed(bucket) {
        Err(fault) => fault,
        Ok(_) => Fault::refused(
            Code::NoSuchObjectLockConfiguration,
            "The specified object does not have a ObjectLock configuration",
        ),
    }
}

/// Object lock stands on versions: neither is taken without the other, and what was switched on stays on.
pub(crate) fn check_versioning(lock: Option<ObjectLock>, wanted: Versioning) -> Result<(), Fault> {
    if lock.is_none() || wanted == Versioning::Enabled {
        return Ok(());
    }
    let message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
    Err(Fault::refused(Code::InvalidBucketState, message))
}

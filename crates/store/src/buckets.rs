//! Buckets: made, listed, changed and removed as DESIGN.md section 1 (names in a view, 2 and 3) says.

use crate::catalog::{self, Turn};
use crate::fault::no_such_bucket;
use crate::records::{BucketRecord, decode, encode};
use crate::view::Snapshot;
use crate::{Fault, Record, Store, configurations, keys};
use fastness_decide::{Bucket, Permit};
use fastness_operation::{AccountNumber, BucketName, Code, Configuration, Moment, ObjectLock, Operation, Versioning};
use redb::ReadableTable;
use std::collections::BTreeMap;

/// A bucket as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketInfo {
    /// The account that owns it.
    pub account: AccountNumber,
    /// The name.
    pub name: BucketName,
    /// When it was made, milliseconds since 1970, as its topmost record in view says.
    pub created_ms: i64,
    /// Its versioning, as its topmost record in view says.
    pub versioning: Versioning,
}

/// The session's own record of a bucket, within its turn; a missing one is made as a copy of the topmost below.
///
/// `below` is the rest of the view: it is read by snapshot, after the turn has begun, and nothing in it is locked.
pub(crate) fn own_record(turn: &mut Turn<'_>, below: &Snapshot, bucket: &Bucket) -> Result<BucketRecord, Fault> {
    if let Some(record) = find_own(turn, bucket)? {
        return Ok(record);
    }
    let Some(lower) = below.bucket(bucket)? else { return Err(no_such_bucket()) };
    let record = make(turn, bucket, lower.top.created_ms, lower.top.versioning)?;
    configurations::take_over(turn, below, &lower, record.id)?;
    Ok(record)
}

pub(crate) fn find_own(turn: &Turn<'_>, bucket: &Bucket) -> Result<Option<BucketRecord>, Fault> {
    let row = keys::bucket(bucket.account, bucket.name.as_str());
    turn.buckets.get(row.as_slice())?.map(|guard| decode(guard.value())).transpose()
}

fn make(turn: &mut Turn<'_>, bucket: &Bucket, created_ms: i64, versioning: Versioning) -> Result<BucketRecord, Fault> {
    let sequence = turn.next_sequence();
    let record = BucketRecord { id: sequence, created_ms, sequence, versioning };
    write(turn, bucket, &record)?;
    let name = keys::bucket_name(bucket.name.as_str(), bucket.account);
    turn.bucket_names.insert(name.as_slice(), [].as_slice())?;
    Ok(record)
}

fn write(turn: &mut Turn<'_>, bucket: &Bucket, record: &BucketRecord) -> Result<(), Fault> {
    let row = keys::bucket(bucket.account, bucket.name.as_str());
    turn.buckets.insert(row.as_slice(), encode(record)?.as_slice())?;
    Ok(())
}

impl Store {
    /// CreateBucket: fails only if such a name is in view.
    ///
    /// # Errors
    /// `BucketAlreadyOwnedByYou`, `BucketAlreadyExists`, or a failure.
    pub async fn create_bucket(&self, permit: &Permit, moment: Moment, record: Record<()>) -> Result<(), Fault> {
        let Operation::CreateBucket { bucket: name, object_lock } = permit.operation() else {
            return Err(Fault::mismatch());
        };
        let object_lock = *object_lock;
        let Some(account) = permit.view().account() else { return Err(Fault::mismatch()) };
        let (store, view) = (self.clone(), permit.view().clone());
        let bucket = Bucket { account, name: name.clone() };
        let partition = self.own(permit)?;
        let work = move |turn: &mut Turn<'_>| {
            let below = store.below(&view)?;
            if find_own(turn, &bucket)?.is_some() || below.bucket(&bucket)?.is_some() {
                let message = "Your previous request to create the named bucket succeeded and you already own it.";
                return Err(Fault::refused(Code::BucketAlreadyOwnedByYou, message));
            }
            let prefix = keys::bucket_name_prefix(bucket.name.as_str());
            if catalog::first_row(&*turn.bucket_names, &prefix)?.is_some()
                || below.resolve(view.account(), &bucket.name)?.is_some()
            {
                let message =
                    "The requested bucket name is not available. Please select a different name and try again.";
                return Err(Fault::refused(Code::BucketAlreadyExists, message));
            }
            if !object_lock {
                return make(turn, &bucket, moment.now_ms, Versioning::Unversioned).map(|_| ());
            }
            let own = make(turn, &bucket, moment.now_ms, Versioning::Enabled)?;
            configurations::write(turn, own.id, &Configuration::ObjectLock(ObjectLock::default()))
        };
        partition.turn(work, record).await
    }

    /// The bucket that an operation names, as its topmost record in view says.
    ///
    /// # Errors
    /// `NoSuchBucket`, or a failure.
    pub fn bucket(&self, permit: &Permit, name: &BucketName) -> Result<BucketInfo, Fault> {
        let bucket = permit.bucket(name).ok_or_else(no_such_bucket)?;
        let found = self.snapshot(permit.view())?.bucket(bucket)?.ok_or_else(no_such_bucket)?;
        let (created_ms, versioning) = (found.top.created_ms, found.top.versioning);
        Ok(BucketInfo { account: bucket.account, name: name.clone(), created_ms, versioning })
    }

    /// ListBuckets: those of the caller's account in view, by name.
    ///
    /// # Errors
    /// A failure.
    pub fn list_buckets(&self, permit: &Permit) -> Result<Vec<BucketInfo>, Fault> {
        let Operation::ListBuckets = permit.operation() else { return Err(Fault::mismatch()) };
        let Some(account) = permit.view().account() else { return Ok(Vec::new()) };
        let prefix = keys::bucket(account, "");
        let mut found = BTreeMap::new();
        for slice in self.snapshot(permit.view())?.slices {
            for row in slice.reading.rows(catalog::BUCKETS)?.range::<&[u8]>(prefix.as_slice()..)? {
                let (key, value) = row?;
                let Some(name) = key.value().strip_prefix(prefix.as_slice()) else { break };
                let name = String::from_utf8_lossy(name).into_owned();
                let record: BucketRecord = decode(value.value())?;
                // Topmost first: the first record seen is the one that a session reads.
                found.entry(name).or_insert(record);
            }
        }
        let info = |(name, record): (String, BucketRecord)| {
            let name = BucketName::new(name).map_err(|error| Fault::failed("a bucket's name", error))?;
            Ok(BucketInfo { account, name, created_ms: record.created_ms, versioning: record.versioning })
        };
        found.into_iter().map(info).collect()
    }

    /// PutBucketVersioning: changes the record of the session's own label.
    ///
    /// # Errors
    /// `NoSuchBucket`, or a failure.
    pub async fn put_bucket_versioning(&self, permit: &Permit, record: Record<()>) -> Result<(), Fault> {
        let Operation::PutBucketVersioning { bucket: name, versioning } = permit.operation() else {
            return Err(Fault::mismatch());
        };
        let (store, view, versioning) = (self.clone(), permit.view().clone(), *versioning);
        let bucket = permit.bucket(name).cloned().ok_or_else(no_such_bucket)?;
        let work = move |turn: &mut Turn<'_>| {
            let below = store.below(&view)?;
            crate::locks::check_versioning(crate::locks::of_bucket(turn, &below, &bucket)?, versioning)?;
            let mut own = own_record(turn, &below, &bucket)?;
            own.versioning = versioning;
            write(turn, &bucket, &own)
        };
        self.own(permit)?.turn(work, record).await
    }

    /// DeleteBucket: needs no version in view, and no record below the session.
    ///
    /// # Errors
    /// `BucketNotEmpty`, `AccessDenied` for a record below, `NoSuchBucket`, or a failure.
    pub async fn delete_bucket(&self, permit: &Permit, record: Record<()>) -> Result<(), Fault> {
        let Operation::DeleteBucket { bucket: name } = permit.operation() else { return Err(Fault::mismatch()) };
        let (store, view) = (self.clone(), permit.view().clone());
        let bucket = permit.bucket(name).cloned().ok_or_else(no_such_bucket)?;
        let work = move |turn: &mut Turn<'_>| {
            let below = store.below(&view)?;
            let own = find_own(turn, &bucket)?;
            let lower = below.bucket(&bucket)?;
            let own_versions = match &own {
                Some(own) => catalog::first_row(&*turn.versions, &keys::object_start(own.id, ""))?.is_some(),
                None => false,
            };
            if own_versions || lower.as_ref().map_or(Ok(false), |lower| below.has_versions(lower))? {
                return Err(Fault::refused(Code::BucketNotEmpty, "The bucket you tried to delete is not empty"));
            }
            if lower.is_some() {
                let message = "the bucket is also held at a lower label; delete it there, from a session at that label";
                return Err(Fault::refused(Code::AccessDenied, message));
            }
            let Some(own) = own else { return Err(no_such_bucket()) };
            crate::uploads::drop_all(turn, own.id)?;
            configurations::drop_all(turn, own.id)?;
            turn.buckets.remove(keys::bucket(bucket.account, bucket.name.as_str()).as_slice())?;
            turn.bucket_names.remove(keys::bucket_name(bucket.name.as_str(), bucket.account).as_slice())?;
            Ok(())
        };
        self.own(permit)?.turn(work, record).await
    }
}

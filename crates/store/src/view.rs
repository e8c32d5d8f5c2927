//! A view on the store: snapshots of the partitions that a session dominates, topmost first.

use crate::Fault;
use crate::catalog::{ReadRows, Reading, VERSIONS};
use crate::partition::Partition;
use crate::records::{BucketRecord, VersionRecord, decode};
use crate::{catalog, keys};
use fastness_decide::Bucket;
use fastness_operation::{AccountNumber, BucketName, VersionId, Versioning};
use redb::ReadableTable;
use std::sync::Arc;

/// Snapshots of the partitions of a view, topmost first. Nothing else is ever opened for it.
pub(crate) struct Snapshot {
    pub(crate) slices: Vec<Slice>,
}

/// One partition in a snapshot.
pub(crate) struct Slice {
    pub(crate) partition: Arc<Partition>,
    pub(crate) reading: Arc<Reading>,
}

/// What a bucket is in a view.
pub(crate) struct BucketInView {
    /// The record of the topmost partition that has one.
    pub(crate) top: BucketRecord,
    /// For each slice of the snapshot: the bucket's number there, if it has a record.
    pub(crate) ids: Vec<Option<u64>>,
}

/// A version as it is found in a view.
pub(crate) struct Found {
    /// The slice that holds it.
    pub(crate) slice: usize,
    /// Its number in its partition.
    pub(crate) sequence: u64,
    /// The record.
    pub(crate) record: VersionRecord,
    /// Whether it is the topmost null version in view, which alone is called `null`.
    pub(crate) topmost_null: bool,
}

impl Found {
    /// What it is called in the view.
    pub(crate) fn id(&self) -> &str {
        if self.topmost_null { VersionId::NULL } else { &self.record.id }
    }

    /// What `x-amz-version-id` says: nothing for the plain object of a bucket that never had versions.
    pub(crate) fn shown_id(&self, versioning: Versioning) -> Option<String> {
        let plain = self.topmost_null && versioning == Versioning::Unversioned;
        (!plain).then(|| self.id().to_owned())
    }
}

impl Snapshot {
    /// The bucket in this view, if any partition of it has a record.
    pub(crate) fn bucket(&self, bucket: &Bucket) -> Result<Option<BucketInView>, Fault> {
        let row = keys::bucket(bucket.account, bucket.name.as_str());
        let mut ids = Vec::with_capacity(self.slices.len());
        let mut top = None;
        for slice in &self.slices {
            let record = match slice.reading.rows(catalog::BUCKETS)?.get(row.as_slice())? {
                Some(guard) => Some(decode::<BucketRecord>(guard.value())?),
                None => None,
            };
            ids.push(record.as_ref().map(|record| record.id));
            top = top.or(record);
        }
        Ok(top.map(|top| BucketInView { top, ids }))
    }

    /// What a bucket's name means here: the caller's own bucket if it is in view, else the topmost, oldest one
    /// (DESIGN.md section 1, names in a view, 3).
    pub(crate) fn resolve(
        &self,
        account: Option<AccountNumber>,
        name: &BucketName,
    ) -> Result<Option<(Bucket, BucketInView)>, Fault> {
        if let Some(account) = account {
            let own = Bucket { account, name: name.clone() };
            if let Some(found) = self.bucket(&own)? {
                return Ok(Some((own, found)));
            }
        }
        let prefix = keys::bucket_name_prefix(name.as_str());
        for slice in &self.slices {
            let mut oldest: Option<(u64, Bucket)> = None;
            let names = slice.reading.rows(catalog::BUCKET_NAMES)?;
            for row in names.range::<&[u8]>(prefix.as_slice()..)? {
                let (key, _) = row?;
                let Some(tail) = key.value().strip_prefix(prefix.as_slice()) else { break };
                let Some(account) = account_in(tail) else { continue };
                let bucket = Bucket { account, name: name.clone() };
                let records = slice.reading.rows(catalog::BUCKETS)?;
                let row = keys::bucket(account, name.as_str());
                let Some(guard) = records.get(row.as_slice())? else { continue };
                let record: BucketRecord = decode(guard.value())?;
                if oldest.as_ref().is_none_or(|(sequence, _)| record.sequence < *sequence) {
                    oldest = Some((record.sequence, bucket));
                }
            }
            if let Some((_, bucket)) = oldest {
                return Ok(self.bucket(&bucket)?.map(|found| (bucket, found)));
            }
        }
        Ok(None)
    }

    /// The latest version of a key in the view, delete markers included.
    pub(crate) fn latest(&self, bucket: &BucketInView, key: &str) -> Result<Option<Found>, Fault> {
        for (index, (slice, id)) in self.slices.iter().zip(&bucket.ids).enumerate() {
            let Some(id) = id else { continue };
            let rows = slice.reading.rows(VERSIONS)?;
            if let Some((sequence, record)) = newest(rows.as_ref(), *id, key)? {
                let topmost_null = record.null;
                return Ok(Some(Found { slice: index, sequence, record, topmost_null }));
            }
        }
        Ok(None)
    }

    /// The version of a key that an id names in the view; `null` names the topmost null version.
    pub(crate) fn version(&self, bucket: &BucketInView, key: &str, id: &VersionId) -> Result<Option<Found>, Fault> {
        let null = self.topmost_null(bucket, key)?;
        if id.is_null() {
            return Ok(null);
        }
        let Some(sequence) = sequence_of(id.as_str()) else { return Ok(None) };
        for (index, (slice, number)) in self.slices.iter().zip(&bucket.ids).enumerate() {
            let Some(number) = number else { continue };
            let rows = slice.reading.rows(VERSIONS)?;
            let row = keys::version(*number, key, sequence);
            let Some(guard) = rows.get(row.as_slice())? else { continue };
            let record: VersionRecord = decode(guard.value())?;
            if record.id == id.as_str() {
                let topmost_null = null.as_ref().is_some_and(|null| (null.slice, null.sequence) == (index, sequence));
                return Ok(Some(Found { slice: index, sequence, record, topmost_null }));
            }
        }
        Ok(None)
    }

    fn topmost_null(&self, bucket: &BucketInView, key: &str) -> Result<Option<Found>, Fault> {
        for (index, (slice, id)) in self.slices.iter().zip(&bucket.ids).enumerate() {
            let Some(id) = id else { continue };
            let (nulls, rows) = (slice.reading.rows(catalog::NULLS)?, slice.reading.rows(VERSIONS)?);
            if let Some((sequence, record)) = null_version(nulls.as_ref(), rows.as_ref(), *id, key)? {
                return Ok(Some(Found { slice: index, sequence, record, topmost_null: true }));
            }
        }
        Ok(None)
    }

    /// Whether any version is in view.
    pub(crate) fn has_versions(&self, bucket: &BucketInView) -> Result<bool, Fault> {
        for (slice, id) in self.slices.iter().zip(&bucket.ids) {
            if let Some(id) = id
                && catalog::first_row(slice.reading.rows(VERSIONS)?.as_ref(), &keys::object_start(*id, ""))?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rows of versions of one slice.
    pub(crate) fn versions(&self, slice: usize) -> Result<Option<Arc<ReadRows>>, Fault> {
        self.slices.get(slice).map(|slice| slice.reading.rows(VERSIONS)).transpose()
    }
}

fn account_in(tail: &[u8]) -> Option<AccountNumber> {
    let number = u64::from_be_bytes(tail.try_into().ok()?);
    format!("{number:012}").parse().ok()
}

/// The sequence that a version id begins with.
pub(crate) fn sequence_of(id: &str) -> Option<u64> {
    let valid = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| u64::from_str_radix(id.get(..16).unwrap_or_default(), 16).ok()).flatten()
}

/// The newest version of a key in one partition.
pub(crate) fn newest(
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    bucket: u64,
    key: &str,
) -> Result<Option<(u64, VersionRecord)>, Fault> {
    let prefix = keys::object(bucket, key);
    match catalog::first_row(rows, &prefix)? {
        None => Ok(None),
        Some((row, value)) => Ok(Some((sequence_in(&row, &prefix)?, decode(&value)?))),
    }
}

/// The null version of a key in one partition, if it has one: one look into the index of null versions.
pub(crate) fn null_version(
    nulls: &impl ReadableTable<&'static [u8], &'static [u8]>,
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    bucket: u64,
    key: &str,
) -> Result<Option<(u64, VersionRecord)>, Fault> {
    let malformed = || Fault::Failed("a row of the null versions is malformed".to_owned());
    let Some(guard) = nulls.get(keys::object(bucket, key).as_slice())? else { return Ok(None) };
    let sequence = u64::from_be_bytes(guard.value().try_into().map_err(|_| malformed())?);
    let version = rows.get(keys::version(bucket, key, sequence).as_slice())?.ok_or_else(malformed)?;
    Ok(Some((sequence, decode(version.value())?)))
}

fn sequence_in(row: &[u8], prefix: &[u8]) -> Result<u64, Fault> {
    row.strip_prefix(prefix)
        .and_then(keys::sequence)
        .ok_or_else(|| Fault::Failed("a row of the versions is malformed".to_owned()))
}

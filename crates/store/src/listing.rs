//! Listings: merges of the partitions in view, by key (DESIGN.md section 1, names in a view, 1).
//!
//! The work of a page grows with what is in the view and with nothing else.

use crate::catalog::{self, ReadRows};
use crate::fault::no_such_bucket;
use crate::records::{UploadRecord, VersionHead, decode};
use crate::uploads::checksum_of;
use crate::view::{BucketInView, Snapshot};
use crate::{Fault, Store, keys};
use fastness_decide::Permit;
use fastness_label::Label;
use fastness_operation::{ChecksumAlgorithm, ChecksumKind, Listing, Operation, UploadChecksum, VersionId};
use redb::{AccessGuard, Range};
use std::sync::Arc;

/// Keys that one page looks at, shown or not: a bound on its time, and on the life of its snapshot.
pub const KEYS_LOOKED_AT_MAX: usize = 100_000;

/// One object or version in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// The label of the partition that holds it.
    pub label: Label,
    /// What the version is called in this view.
    pub version: String,
    /// Whether it is the latest of its key in view.
    pub latest: bool,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    /// `ETag` (without quotes) and bytes; nothing for a delete marker.
    pub content: Option<(String, u64)>,
    /// The checksum's algorithm, and whether it is composed of parts'.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// A page of a listing of objects or versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// What was found, by key, then in the view's order.
    pub entries: Vec<Listed>,
    /// What was folded, by name.
    pub prefixes: Vec<String>,
    /// Where the next page begins, if there is one: after this key, and, among versions, after this id.
    pub next: Option<(String, Option<String>)>,
}

/// An upload in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUpload {
    /// The key.
    pub key: String,
    /// The upload's id.
    pub upload: String,
    /// Milliseconds since 1970.
    pub initiated_ms: i64,
    /// The checksum that it will carry.
    pub checksum: Option<UploadChecksum>,
}

/// A page of uploads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadPage {
    /// The uploads, by key, then by id.
    pub uploads: Vec<ListedUpload>,
    /// What was folded, by name.
    pub prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<(String, Option<String>)>,
}

impl ListPage {
    fn len(&self) -> usize {
        self.entries.len() + self.prefixes.len()
    }

    fn last(&self) -> Option<(String, Option<String>)> {
        let entry = self.entries.last().map(|entry| (entry.key.clone(), Some(entry.version.clone())));
        let prefix = self.prefixes.last().map(|prefix| (prefix.clone(), None));
        match (entry, prefix) {
            (Some(entry), Some(prefix)) => Some(if entry.0 > prefix.0 { entry } else { prefix }),
            (entry, prefix) => entry.or(prefix),
        }
    }
}

/// One partition's versions of a bucket, walked by key.
struct Walk {
    slice: usize,
    rows: Arc<ReadRows>,
    bucket: u64,
    /// What comes after the row at hand.
    range: Range<'static, &'static [u8], &'static [u8]>,
    /// The row at hand, if any is left, and its key.
    head: Option<(String, Row)>,
}

type Row = (AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>);

/// Older versions of a key that are walked over one by one before the walk jumps.
const STEPS_MAX: usize = 8;

impl Walk {
    fn new(slice: usize, rows: Arc<ReadRows>, bucket: u64) -> Result<Self, Fault> {
        let range = rows.range::<&[u8]>(..)?;
        Ok(Self { slice, rows, bucket, range, head: None })
    }

    fn key(&self) -> Option<&str> {
        self.head.as_ref().map(|(key, _)| key.as_str())
    }

    /// Goes to the first key at or above a row.
    fn seek(&mut self, row: &[u8]) -> Result<(), Fault> {
        self.range = self.rows.range::<&[u8]>(row..)?;
        self.step()
    }

    /// Goes to the next row, if it is one of the bucket.
    fn step(&mut self) -> Result<(), Fault> {
        let bucket = self.bucket.to_be_bytes();
        self.head = match self.range.next().transpose()? {
            Some(row) if row.0.value().starts_with(&bucket) => {
                let malformed = || Fault::Failed("a row of the versions is malformed".to_owned());
                let (key, _) = keys::split(row.0.value()).ok_or_else(malformed)?;
                Some((key, row))
            }
            _ => None,
        };
        Ok(())
    }

    fn seek_key(&mut self, key: &str) -> Result<(), Fault> {
        self.seek(&keys::object_start(self.bucket, key))
    }

    fn seek_after_key(&mut self, key: &str) -> Result<(), Fault> {
        self.seek(&keys::after_prefix(keys::object(self.bucket, key)))
    }

    fn seek_after_prefix(&mut self, prefix: &str) -> Result<(), Fault> {
        self.seek(&keys::after_prefix(keys::object_start(self.bucket, prefix)))
    }

    /// The versions of the key at hand, newest first, handed to `see` until it says enough; then goes to the next key.
    fn take(
        &mut self,
        key: &str,
        see: &mut dyn FnMut(usize, VersionHead<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let (mut enough, mut passed) = (false, 0);
        while let Some((found, (_, value))) = &self.head
            && found == key
        {
            if !enough {
                enough = see(self.slice, VersionHead::decode(value.value())?)?;
            } else if passed == STEPS_MAX {
                return self.seek_after_key(key);
            } else {
                passed += 1;
            }
            self.step()?;
        }
        Ok(())
    }

    /// Goes past the key at hand.
    fn pass(&mut self, key: &str) -> Result<(), Fault> {
        self.take(key, &mut |_, _| Ok(true))
    }
}

/// The walks of a view, merged.
struct Merge {
    walks: Vec<Walk>,
}

impl Merge {
    fn begin(snapshot: &Snapshot, bucket: &BucketInView, listing: &Listing) -> Result<Self, Fault> {
        let mut walks = Vec::new();
        for (slice, id) in bucket.ids.iter().enumerate() {
            if let (Some(bucket), Some(rows)) = (*id, snapshot.versions(slice)?) {
                let mut walk = Walk::new(slice, rows, bucket)?;
                match &listing.after {
                    // A common prefix as marker: everything folded into it was listed.
                    Some(after) if is_folded(listing, after) && *after >= listing.prefix => {
                        walk.seek_after_prefix(after)?;
                    }
                    Some(after) if *after >= listing.prefix => match &listing.after_id {
                        Some(_) => walk.seek_key(after)?,
                        None => walk.seek_after_key(after)?,
                    },
                    _ => walk.seek_key(&listing.prefix)?,
                }
                walks.push(walk);
            }
        }
        Ok(Self { walks })
    }

    /// The lowest key left, if it is within the prefix.
    fn key(&self, prefix: &str) -> Option<String> {
        let lowest = self.walks.iter().filter_map(Walk::key).min()?;
        lowest.starts_with(prefix).then(|| lowest.to_owned())
    }

    fn each_at(&mut self, key: &str, act: impl FnMut(&mut Walk) -> Result<(), Fault>) -> Result<(), Fault> {
        self.walks.iter_mut().filter(|walk| walk.key() == Some(key)).try_for_each(act)
    }

    fn skip_prefix(&mut self, prefix: &str) -> Result<(), Fault> {
        let behind = |walk: &&mut Walk| walk.key().is_some_and(|key| key.starts_with(prefix));
        self.walks.iter_mut().filter(behind).try_for_each(|walk| walk.seek_after_prefix(prefix))
    }
}

/// The common prefix that a key folds into, if a delimiter stands behind the prefix.
fn fold<'k>(listing: &Listing, key: &'k str) -> Option<&'k str> {
    let delimiter = listing.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.get(listing.prefix.len()..)?;
    let end = rest.find(delimiter)? + listing.prefix.len() + delimiter.len();
    key.get(..end)
}

fn is_folded(listing: &Listing, marker: &str) -> bool {
    marker.starts_with(&listing.prefix) && fold(listing, marker) == Some(marker)
}

fn listed(
    snapshot: &Snapshot,
    slice: usize,
    key: &str,
    (latest, topmost_null): (bool, bool),
    record: &VersionHead<'_>,
) -> Option<Listed> {
    let label = snapshot.slices.get(slice)?.partition.label;
    let content = record.object.as_ref().map(|object| (object.etag.to_owned(), object.size));
    let version = if topmost_null { VersionId::NULL } else { record.id }.to_owned();
    let checksum = record.object.as_ref().and_then(|object| object.checksum);
    let checksum = checksum.map(|(algorithm, value)| (algorithm, ChecksumKind::of(value)));
    Some(Listed { key: key.to_owned(), label, version, latest, modified_ms: record.modified_ms, content, checksum })
}

impl Store {
    /// ListObjects and ListObjectsV2: the latest version of each key in view, delete markers left out.
    ///
    /// # Errors
    /// `NoSuchBucket`, or a failure.
    pub fn list_objects(&self, permit: &Permit) -> Result<ListPage, Fault> {
        let Operation::ListObjects { bucket, listing } = permit.operation() else { return Err(Fault::mismatch()) };
        let snapshot = self.snapshot(permit.view())?;
        let bucket = permit.bucket(bucket).ok_or_else(no_such_bucket)?;
        let bucket = snapshot.bucket(bucket)?.ok_or_else(no_such_bucket)?;
        let mut page = ListPage::default();
        if listing.limit == 0 {
            return Ok(page);
        }
        let mut merge = Merge::begin(&snapshot, &bucket, listing)?;
        let (mut looked, mut last_key) = (0_usize, String::new());
        while let Some(key) = merge.key(&listing.prefix) {
            looked += 1;
            if looked > KEYS_LOOKED_AT_MAX {
                // Many keys whose latest is a delete marker: a page may end early, and the next goes on from here.
                page.next = Some((last_key, None));
                break;
            }
            last_key.clone_from(&key);
            let (mut seen, mut found) = (false, None);
            merge.each_at(&key, |walk| {
                if seen {
                    return walk.pass(&key);
                }
                walk.take(&key, &mut |slice, record| {
                    seen = true;
                    if record.object.is_some() {
                        found = listed(&snapshot, slice, &key, (true, record.null), &record);
                    }
                    Ok(true)
                })
            })?;
            let Some(found) = found else { continue };
            if page.len() == usize::from(listing.limit) {
                page.next = page.last().map(|(key, _)| (key, None));
                break;
            }
            if let Some(prefix) = fold(listing, &key) {
                page.prefixes.push(prefix.to_owned());
                merge.skip_prefix(prefix)?;
            } else {
                page.entries.push(found);
            }
        }
        Ok(page)
    }

    /// ListObjectVersions: every version in view, by key, then in the view's order.
    ///
    /// # Errors
    /// `NoSuchBucket`, or a failure.
    pub fn list_versions(&self, permit: &Permit) -> Result<ListPage, Fault> {
        let Operation::ListObjectVersions { bucket, listing } = permit.operation() else {
            return Err(Fault::mismatch());
        };
        let snapshot = self.snapshot(permit.view())?;
        let bucket = permit.bucket(bucket).ok_or_else(no_such_bucket)?;
        let bucket = snapshot.bucket(bucket)?.ok_or_else(no_such_bucket)?;
        let mut page = ListPage::default();
        if listing.limit == 0 {
            return Ok(page);
        }
        let limit = usize::from(listing.limit);
        let mut merge = Merge::begin(&snapshot, &bucket, listing)?;
        while let Some(key) = merge.key(&listing.prefix) {
            if let Some(prefix) = fold(listing, &key) {
                if page.len() == limit {
                    page.next = page.last();
                    break;
                }
                page.prefixes.push(prefix.to_owned());
                merge.skip_prefix(prefix)?;
                continue;
            }
            let mut entries = Vec::new();
            let room = limit - page.len();
            let marker = listing.after_id.as_deref().filter(|_| listing.after.as_deref() == Some(key.as_str()));
            let skip = match marker {
                Some(id) => position(&snapshot, &bucket, &key, id)?,
                None => 0,
            };
            let (mut seen, mut null_seen) = (0_usize, false);
            merge.each_at(&key, |walk| {
                walk.take(&key, &mut |slice, record| {
                    let topmost_null = record.null && !std::mem::replace(&mut null_seen, true);
                    let latest = seen == 0;
                    seen += 1;
                    if seen > skip && entries.len() <= room {
                        entries.extend(listed(&snapshot, slice, &key, (latest, topmost_null), &record));
                    }
                    Ok(entries.len() > room)
                })
            })?;
            let more = entries.len() > room;
            entries.truncate(room);
            page.entries.extend(entries);
            if more {
                page.next = page.last();
                break;
            }
        }
        Ok(page)
    }

    /// ListMultipartUploads: those of the session's own label.
    ///
    /// # Errors
    /// `NoSuchBucket`, or a failure.
    pub fn list_uploads(&self, permit: &Permit) -> Result<UploadPage, Fault> {
        let Operation::ListMultipartUploads { bucket, listing } = permit.operation() else {
            return Err(Fault::mismatch());
        };
        let snapshot = self.snapshot(permit.view())?;
        let bucket = permit.bucket(bucket).ok_or_else(no_such_bucket)?;
        let bucket = snapshot.bucket(bucket)?.ok_or_else(no_such_bucket)?;
        let mut page = UploadPage::default();
        let (Some(Some(id)), Some(own)) = (bucket.ids.first(), snapshot.slices.first()) else { return Ok(page) };
        let rows = own.reading.rows(catalog::UPLOADS)?;
        let within = keys::object_start(*id, &listing.prefix);
        let mut start = match (&listing.after, &listing.after_id) {
            (Some(key), Some(upload)) => {
                let mut row = keys::upload(*id, key, upload);
                row.push(0);
                row
            }
            (Some(key), None) if is_folded(listing, key) => keys::after_prefix(keys::object_start(*id, key)),
            (Some(key), None) => keys::after_prefix(keys::object(*id, key)),
            _ => within.clone(),
        };
        start = start.max(within.clone());
        loop {
            let next = match rows.range::<&[u8]>(start.as_slice()..)?.next() {
                None => break,
                Some(row) => {
                    let (row, value) = row?;
                    (row.value().to_vec(), decode::<UploadRecord>(value.value())?)
                }
            };
            let (row, record) = next;
            if !row.starts_with(&within) {
                break;
            }
            let malformed = || Fault::Failed("a row of the uploads is malformed".to_owned());
            let (key, tail) = keys::split(&row).ok_or_else(malformed)?;
            let upload = String::from_utf8(tail.to_vec()).map_err(|_| malformed())?;
            if page.uploads.len() + page.prefixes.len() == usize::from(listing.limit) {
                let upload = page.uploads.last().map(|last| (last.key.clone(), Some(last.upload.clone())));
                let prefix = page.prefixes.last().map(|prefix| (prefix.clone(), None));
                page.next = upload.max(prefix);
                break;
            }
            if let Some(prefix) = fold(listing, &key) {
                start = keys::after_prefix(keys::object_start(*id, prefix));
                page.prefixes.push(prefix.to_owned());
                continue;
            }
            start = row;
            start.push(0);
            page.uploads.push(ListedUpload {
                key,
                upload,
                initiated_ms: record.initiated_ms,
                checksum: checksum_of(&record),
            });
        }
        Ok(page)
    }
}

/// How many versions of a key stand in the view up to and with the one that a marker names; none when it is gone, so
/// that the page begins the key anew rather than losing any.
fn position(snapshot: &Snapshot, bucket: &BucketInView, key: &str, id: &str) -> Result<usize, Fault> {
    let Some(marker) = snapshot.version(bucket, key, &VersionId::new(id))? else { return Ok(0) };
    let mut count = 0;
    for (slice, number) in bucket.ids.iter().enumerate() {
        let (Some(number), Some(rows)) = (*number, snapshot.versions(slice)?) else { continue };
        let prefix = keys::object(number, key);
        for row in rows.range::<&[u8]>(prefix.as_slice()..)? {
            let (row, _) = row?;
            let Some(tail) = row.value().strip_prefix(prefix.as_slice()) else { break };
            count += 1;
            if slice == marker.slice && keys::sequence(tail) == Some(marker.sequence) {
                return Ok(count);
            }
        }
    }
    Ok(count)
}

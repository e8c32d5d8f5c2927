//! What expires: a partition's own versions and uploads, by the lifecycle beside its own records (DESIGN.md section 1,
//! names in a view, 2). Found by snapshot, done in the partition's turn, where everything is looked at again.

use crate::catalog::{self, Turn};
use crate::objects::{delete_latest, latest_below, remove_version};
use crate::records::{BucketRecord, UploadRecord, VersionRecord, decode};
use crate::view::Snapshot;
use crate::{Fault, Record, Store, configurations, keys, uploads};
use fastness_decide::{Bucket, Chore};
use fastness_operation::configuration::{Expiration, Lifecycle, LifecycleRule, after_days};
use fastness_operation::{BucketName, Configuration, ConfigurationKind as Kind, Moment, ObjectKey, Versioning};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use redb::ReadableTable;

/// Rows that one step of the search looks at, about.
pub const ROWS_LOOKED_AT_MAX: usize = 10_000;

/// Keys and uploads that one turn acts on at most.
pub const PLACES_PER_TURN_MAX: usize = 100;

/// Versions of one key that are looked at; what is older waits until newer ones are gone.
const VERSIONS_PER_KEY_MAX: usize = 10_000;

/// The clocks of a pass.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The pass's own moment: the time of delete markers, and what locks are compared with.
    pub moment: Moment,
    /// What is due is due at this time.
    pub due_ms: i64,
}

/// Something that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePlace {
    bucket: Bucket,
    id: u64,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// Versions of a key.
    Key(String),
    /// An upload, by its row.
    Upload(Vec<u8>),
}

/// Where a search goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchFrom {
    /// The bucket's row, and whether its versions are done with.
    bucket: Vec<u8>,
    /// The last row that was looked at there.
    row: Vec<u8>,
    uploads: bool,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: String,
    /// The version that was removed, or the delete marker that was made; nothing where a plain object is gone, or an upload.
    pub version: Option<String>,
    /// The upload that was aborted.
    pub upload: Option<String>,
}

enum Act {
    /// The current version expires, as a DELETE without a version id.
    Expire,
    /// The version at this place goes.
    Remove(usize),
}

type Versions = Vec<(u64, VersionRecord)>;

fn takes(rule: &LifecycleRule, key: &str, record: &VersionRecord) -> bool {
    let filter = &rule.filter;
    match &record.object {
        Some(object) => filter.takes(key, object.size, &record.extension.extras.tags),
        None => {
            let by_content = !filter.tags.is_empty() || filter.size_above.is_some() || filter.size_below.is_some();
            filter.takes_key(key) && !by_content
        }
    }
}

fn is_locked(record: &VersionRecord, now_ms: i64) -> bool {
    let lock = record.extension.extras.lock;
    !lock.lets_go(now_ms, false)
}

/// What is due of one key's versions, newest first. `lower` says whether an object below shows where these are gone.
fn acts(
    lifecycle: &Lifecycle,
    key: &str,
    versions: &Versions,
    versioning: Versioning,
    clock: &Clock,
    lower: impl FnOnce() -> Result<bool, Fault>,
) -> Result<Vec<Act>, Fault> {
    let mut due = Vec::new();
    for (number, pair) in versions.windows(2).enumerate() {
        let [(_, newer), (_, record)] = pair else { continue };
        let expires = lifecycle.enabled().filter(|rule| takes(rule, key, record)).any(|rule| {
            rule.noncurrent.is_some_and(|noncurrent| {
                noncurrent.newer.is_none_or(|kept| number >= usize::try_from(kept).unwrap_or(usize::MAX))
                    && after_days(newer.modified_ms, noncurrent.days) <= clock.due_ms
            })
        });
        if expires && !is_locked(record, clock.moment.now_ms) {
            due.push(Act::Remove(number + 1));
        }
    }
    let Some((_, current)) = versions.first() else { return Ok(due) };
    match &current.object {
        Some(object) => {
            let tags = &current.extension.extras.tags;
            let expires = lifecycle.expires(key, object.size, tags, current.modified_ms);
            // Where no version stays behind, a lock holds the object itself.
            let stays = versioning == Versioning::Enabled || (versioning == Versioning::Suspended && !current.null);
            if expires.is_some_and(|(at, _)| at <= clock.due_ms) && (stays || !is_locked(current, clock.moment.now_ms))
            {
                due.push(Act::Expire);
            }
        }
        None if versions.len() == 1 => {
            let expires =
                lifecycle.enabled().filter(|rule| takes(rule, key, current)).any(|rule| match rule.expiration {
                    Some(Expiration::Marker(goes)) => goes,
                    Some(Expiration::Days(days)) => after_days(current.modified_ms, days) <= clock.due_ms,
                    Some(Expiration::DateMs(date)) => date <= clock.due_ms,
                    None => false,
                });
            if expires && !lower()? {
                due.push(Act::Remove(0));
            }
        }
        None => {}
    }
    Ok(due)
}

fn upload_is_due(lifecycle: &Lifecycle, key: &str, initiated_ms: i64, clock: &Clock) -> bool {
    let due = |rule: &LifecycleRule| {
        rule.filter.takes_key(key)
            && rule.abort_uploads_days.is_some_and(|days| after_days(initiated_ms, days) <= clock.due_ms)
    };
    lifecycle.enabled().any(due)
}

fn shows_below(below: &Snapshot, bucket: &Bucket, key: &str) -> Result<bool, Fault> {
    let Ok(key) = ObjectKey::new(key) else { return Ok(false) };
    Ok(latest_below(below, bucket, &key)?.is_some_and(|record| record.object.is_some()))
}

/// The versions of a key, newest first.
fn versions_of(
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    bucket: u64,
    key: &str,
) -> Result<Versions, Fault> {
    let prefix = keys::object(bucket, key);
    let mut found = Versions::new();
    for row in rows.range::<&[u8]>(prefix.as_slice()..)?.take(VERSIONS_PER_KEY_MAX) {
        let (row, value) = row?;
        let Some(sequence) = row.value().strip_prefix(prefix.as_slice()).and_then(keys::sequence) else { break };
        found.push((sequence, decode(value.value())?));
    }
    Ok(found)
}

fn lifecycle_of(found: Option<Configuration>) -> Option<Lifecycle> {
    match found {
        Some(Configuration::Lifecycle(lifecycle)) if lifecycle.enabled().next().is_some() => Some(lifecycle),
        _ => None,
    }
}

/// One search: what it found, and how many rows it may still look at.
struct Search<'a> {
    own: &'a Snapshot,
    below: &'a Snapshot,
    clock: &'a Clock,
    found: Vec<DuePlace>,
    rows_left: usize,
}

impl Search<'_> {
    const fn is_over(&self) -> bool {
        self.rows_left == 0 || self.found.len() >= PLACES_PER_TURN_MAX
    }

    /// Walks a bucket's versions; the last row that was looked at, if the search is over before they are.
    fn versions(
        &mut self,
        bucket: &Bucket,
        record: &BucketRecord,
        lifecycle: &Lifecycle,
        after: &[u8],
    ) -> Result<Option<Vec<u8>>, Fault> {
        let Some(rows) = self.own.versions(0)? else { return Ok(None) };
        let prefix = keys::object_start(record.id, "");
        let mut from = if after.is_empty() { prefix.clone() } else { keys::after_prefix(after.to_vec()) };
        loop {
            let Some((row, _)) = rows.range::<&[u8]>(from.as_slice()..)?.next().transpose()? else { return Ok(None) };
            let row = row.value();
            if !row.starts_with(&prefix) {
                return Ok(None);
            }
            let (key, _) = keys::split(row).ok_or_else(malformed)?;
            let versions = versions_of(rows.as_ref(), record.id, &key)?;
            self.rows_left = self.rows_left.saturating_sub(versions.len().max(1));
            let lower = || shows_below(self.below, bucket, &key);
            if !acts(lifecycle, &key, &versions, record.versioning, self.clock, lower)?.is_empty() {
                self.found.push(DuePlace { bucket: bucket.clone(), id: record.id, what: What::Key(key.clone()) });
            }
            let walked = keys::object(record.id, &key);
            if self.is_over() {
                return Ok(Some(walked));
            }
            from = keys::after_prefix(walked);
        }
    }

    fn uploads(
        &mut self,
        bucket: &Bucket,
        record: &BucketRecord,
        lifecycle: &Lifecycle,
        after: &[u8],
    ) -> Result<Option<Vec<u8>>, Fault> {
        let Some(slice) = self.own.slices.first() else { return Ok(None) };
        let rows = slice.reading.rows(catalog::UPLOADS)?;
        let prefix = keys::object_start(record.id, "");
        let from = if after.is_empty() { prefix.as_slice() } else { after };
        for found in rows.range::<&[u8]>(from..)? {
            let (row, value) = found?;
            let row = row.value();
            if !row.starts_with(&prefix) {
                break;
            }
            if row == after {
                continue;
            }
            let (key, _) = keys::split(row).ok_or_else(malformed)?;
            let upload: UploadRecord = decode(value.value())?;
            self.rows_left = self.rows_left.saturating_sub(1);
            if upload_is_due(lifecycle, &key, upload.initiated_ms, self.clock) {
                let what = What::Upload(row.to_vec());
                self.found.push(DuePlace { bucket: bucket.clone(), id: record.id, what });
            }
            if self.is_over() {
                return Ok(Some(row.to_vec()));
            }
        }
        Ok(None)
    }
}

fn malformed() -> Fault {
    Fault::Failed("a row of the catalog is malformed".to_owned())
}

impl Store {
    /// Looks for what is due in a partition, from where an earlier step ended; answers what it found, and where to go on.
    /// It blocks; what it finds is looked at again before anything is done.
    ///
    /// # Errors
    /// A failure.
    pub fn find_due(
        &self,
        chore: &Chore,
        from: Option<SearchFrom>,
        clock: &Clock,
    ) -> Result<(Vec<DuePlace>, Option<SearchFrom>), Fault> {
        let (own, below) = (self.snapshot_of(&[chore.view().session()])?, self.below(chore.view())?);
        let Some(slice) = own.slices.first() else { return Ok((Vec::new(), None)) };
        let mut search = Search { own: &own, below: &below, clock, found: Vec::new(), rows_left: ROWS_LOOKED_AT_MAX };
        let from = from.unwrap_or_default();
        for found in slice.reading.rows(catalog::BUCKETS)?.range::<&[u8]>(from.bucket.as_slice()..)? {
            let (row, value) = found?;
            let (row, record) = (row.value().to_vec(), decode::<BucketRecord>(value.value())?);
            let Some(lifecycle) = lifecycle_of(configurations::read(&slice.reading, record.id, Kind::Lifecycle)?)
            else {
                continue;
            };
            let bucket = keys::bucket_in(&row).ok_or_else(malformed)?;
            let goes_on = row == from.bucket;
            if !(goes_on && from.uploads) {
                let after: &[u8] = if goes_on { &from.row } else { &[] };
                if let Some(last) = search.versions(&bucket, &record, &lifecycle, after)? {
                    return Ok((search.found, Some(SearchFrom { bucket: row, row: last, uploads: false })));
                }
            }
            let after: &[u8] = if goes_on && from.uploads { &from.row } else { &[] };
            if let Some(last) = search.uploads(&bucket, &record, &lifecycle, after)? {
                return Ok((search.found, Some(SearchFrom { bucket: row, row: last, uploads: true })));
            }
        }
        Ok((search.found, None))
    }

    /// Does what is due, in the partition's turn, where it is looked at again.
    ///
    /// # Errors
    /// A failure.
    pub async fn expire(
        &self,
        chore: &Chore,
        places: Vec<DuePlace>,
        clock: Clock,
        record: Record<Vec<Expired>>,
    ) -> Result<Vec<Expired>, Fault> {
        let (store, view) = (self.clone(), chore.view().clone());
        let work = move |turn: &mut Turn<'_>| {
            let below = store.below(&view)?;
            let mut rng = StdRng::from_seed(clock.moment.seed);
            let mut done = Vec::new();
            for place in &places {
                let Some(own) = crate::buckets::find_own(turn, &place.bucket)?.filter(|own| own.id == place.id) else {
                    continue;
                };
                let Some(lifecycle) = lifecycle_of(configurations::read_in(turn, own.id, Kind::Lifecycle)?) else {
                    continue;
                };
                let due = Due { place, own: &own, lifecycle: &lifecycle, clock: &clock };
                match &place.what {
                    What::Key(key) => due.expire_key(turn, &below, key, &mut rng, &mut done)?,
                    What::Upload(row) => due.abort_upload(turn, row, &mut done)?,
                }
            }
            Ok(done)
        };
        self.partition(chore.view().session())?.turn(work, record).await
    }
}

/// One place in a turn.
struct Due<'a> {
    place: &'a DuePlace,
    own: &'a BucketRecord,
    lifecycle: &'a Lifecycle,
    clock: &'a Clock,
}

impl Due<'_> {
    fn expire_key(
        &self,
        turn: &mut Turn<'_>,
        below: &Snapshot,
        key: &str,
        rng: &mut StdRng,
        done: &mut Vec<Expired>,
    ) -> Result<(), Fault> {
        let (bucket, own) = (&self.place.bucket, self.own);
        let versions = versions_of(&*turn.versions, own.id, key)?;
        let lower = || shows_below(below, bucket, key);
        let acts = acts(self.lifecycle, key, &versions, own.versioning, self.clock, lower)?;
        let name = ObjectKey::new(key).map_err(|error| Fault::failed("a key in the catalog", error))?;
        for act in acts {
            let version = match act {
                Act::Remove(number) => {
                    let Some((sequence, record)) = versions.get(number) else { continue };
                    remove_version(turn, (own.id, &name), *sequence, record)?;
                    Some(record.id.clone())
                }
                Act::Expire => {
                    let moment = Moment { seed: rng.random(), ..self.clock.moment };
                    delete_latest(turn, below, bucket, &name, &moment)?.version
                }
            };
            done.push(Expired { bucket: bucket.name.clone(), key: key.to_owned(), version, upload: None });
        }
        Ok(())
    }

    fn abort_upload(&self, turn: &mut Turn<'_>, row: &[u8], done: &mut Vec<Expired>) -> Result<(), Fault> {
        let found = turn.uploads.get(row)?.map(|guard| decode::<UploadRecord>(guard.value())).transpose()?;
        let (Some(upload), Some((key, id))) = (found, keys::split(row)) else { return Ok(()) };
        if upload_is_due(self.lifecycle, &key, upload.initiated_ms, self.clock) {
            uploads::drop_upload(turn, row, upload.number, &[])?;
            let (bucket, id) = (self.place.bucket.name.clone(), String::from_utf8_lossy(id).into_owned());
            done.push(Expired { bucket, key, version: None, upload: Some(id) });
        }
        Ok(())
    }
}

//! The policies beside buckets' records, as decisions need them.

use crate::catalog;
use crate::fault::no_such_bucket;
use crate::view::{BucketInView, Slice, Snapshot};
use crate::{Fault, Store, configurations, keys};
use fastness_decide::{Bucket, Permit, Preflight, Resolved, Rules};
use fastness_operation::configuration::{BucketPolicy, CorsRules};
use fastness_operation::{BucketName, Configuration, ConfigurationKind as Kind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Policies that a partition keeps parsed at most.
const CACHED_MAX: usize = 1024;

/// A policy's row, and what it says.
type Parsed = (Box<[u8]>, Arc<BucketPolicy>);

/// The policies of one partition that were parsed lately. What is kept holds as long as the row has the same bytes.
#[derive(Default)]
pub(crate) struct PolicyCache(Mutex<HashMap<u64, Parsed>>);

impl PolicyCache {
    fn parsed(&self, bucket: u64, row: &[u8]) -> Result<Arc<BucketPolicy>, Fault> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&bucket).cloned();
        if let Some((bytes, policy)) = known
            && *bytes == *row
        {
            return Ok(policy);
        }
        let Some(Configuration::Policy(policy)) = configurations::decode(Kind::Policy, Some(row))? else {
            return Err(Fault::Failed("a bucket's policy is of another kind than its row".to_owned()));
        };
        let policy = Arc::new(policy);
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_MAX {
            cache.clear();
        }
        cache.insert(bucket, (row.into(), Arc::clone(&policy)));
        Ok(policy)
    }
}

fn rules(slice: &Slice, id: u64) -> Result<Rules, Fault> {
    let label = slice.partition.label;
    let rows = slice.reading.rows(catalog::CONFIGURATIONS)?;
    let Some(guard) = rows.get(keys::configuration(id, Kind::Policy).as_slice())? else {
        return Ok(Rules { label, policy: None, restricts_public: false });
    };
    let policy = slice.partition.policies.parsed(id, guard.value())?;
    let block = configurations::read(&slice.reading, id, Kind::PublicAccessBlock)?;
    let restricts_public =
        matches!(block, Some(Configuration::PublicAccessBlock(block)) if block.restrict_public_buckets);
    Ok(Rules { label, policy: Some(policy), restricts_public })
}

/// What decides about a bucket: one for each record in view, topmost first.
pub(crate) fn resolved(snapshot: &Snapshot, bucket: Bucket, found: &BucketInView) -> Result<Resolved, Fault> {
    let held = snapshot.slices.iter().zip(&found.ids).filter_map(|(slice, id)| id.map(|id| (slice, id)));
    let rules = held.map(|(slice, id)| rules(slice, id)).collect::<Result<_, Fault>>()?;
    Ok(Resolved { bucket, rules })
}

impl Store {
    /// The CORS rules of a bucket that an operation was permitted on, as its topmost record in view has them.
    ///
    /// # Errors
    /// A failure.
    pub fn cors(&self, permit: &Permit, name: &BucketName) -> Result<Option<CorsRules>, Fault> {
        let bucket = permit.bucket(name).ok_or_else(no_such_bucket)?;
        let snapshot = self.snapshot(permit.view())?;
        let Some(found) = snapshot.bucket(bucket)? else { return Ok(None) };
        match configurations::read_top(&snapshot, &found, Kind::Cors)? {
            Some(Configuration::Cors(rules)) => Ok(Some(rules)),
            _ => Ok(None),
        }
    }

    /// The CORS rules that a bucket has at the region's floor, for a preflight: the oldest bucket of that name there.
    ///
    /// # Errors
    /// A failure.
    pub fn published_cors(&self, preflight: &Preflight) -> Result<Option<CorsRules>, Fault> {
        let snapshot = self.snapshot_of(&[self.labels().floor()])?;
        let Some((_, found)) = snapshot.resolve(None, preflight.bucket())? else { return Ok(None) };
        match configurations::read_top(&snapshot, &found, Kind::Cors)? {
            Some(Configuration::Cors(rules)) => Ok(Some(rules)),
            _ => Ok(None),
        }
    }
}

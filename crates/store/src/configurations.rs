//! What buckets are configured with, kind by kind, beside their records (DESIGN.md section 1, names in a view, 2).
//!
//! A session reads what goes with the topmost record in its view and changes what goes with its own label's.

use crate::buckets::own_record;
use crate::catalog::{self, Reading, Turn};
use crate::fault::no_such_bucket;
use crate::view::{BucketInView, Snapshot};
use crate::{Fault, Record, Store, keys};
use fastness_decide::{Bucket, Permit};
use fastness_operation::configuration::{Invalid, Logging};
use fastness_operation::{Code, Configuration, ConfigurationKind, ConfigurationKind as Kind, Operation, Versioning};
use redb::ReadableTable;

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::refused(invalid.code, invalid.message)
    }
}

/// A row's value: empty where what holds at first was removed.
pub(crate) fn decode(kind: ConfigurationKind, row: Option<&[u8]>) -> Result<Option<Configuration>, Fault> {
    match row {
        None => Ok(kind.at_first()),
        Some([]) => Ok(None),
        Some(bytes) => {
            let found: Configuration = serde_json::from_slice(bytes)
                .map_err(|error| Fault::failed("a bucket's configuration is malformed", error))?;
            if found.kind() == kind {
                Ok(Some(found))
            } else {
                Err(Fault::Failed("a bucket's configuration is of another kind than its row".to_owned()))
            }
        }
    }
}

/// What a bucket's record in one partition goes with.
pub(crate) fn read(reading: &Reading, bucket: u64, kind: ConfigurationKind) -> Result<Option<Configuration>, Fault> {
    let rows = reading.rows(catalog::CONFIGURATIONS)?;
    let guard = rows.get(keys::configuration(bucket, kind).as_slice())?;
    decode(kind, guard.as_ref().map(redb::AccessGuard::value))
}

/// The same, as a turn sees the record of the session's own.
pub(crate) fn read_in(turn: &Turn<'_>, bucket: u64, kind: ConfigurationKind) -> Result<Option<Configuration>, Fault> {
    let guard = turn.configurations.get(keys::configuration(bucket, kind).as_slice())?;
    decode(kind, guard.as_ref().map(redb::AccessGuard::value))
}

/// What the topmost record in view goes with.
pub(crate) fn read_top(
    snapshot: &Snapshot,
    bucket: &BucketInView,
    kind: ConfigurationKind,
) -> Result<Option<Configuration>, Fault> {
    let mut found = snapshot.slices.iter().zip(&bucket.ids);
    match found.find_map(|(slice, id)| id.map(|id| (slice, id))) {
        Some((slice, id)) => read(&slice.reading, id, kind),
        None => Ok(kind.at_first()),
    }
}

/// What the topmost record goes with, as a turn sees it: the session's own record, or what it would take over.
pub(crate) fn in_turn(
    turn: &Turn<'_>,
    below: &Snapshot,
    bucket: &Bucket,
    kind: Kind,
) -> Result<Option<Configuration>, Fault> {
    if let Some(own) = crate::buckets::find_own(turn, bucket)? {
        return read_in(turn, own.id, kind);
    }
    match below.bucket(bucket)? {
        Some(lower) => read_top(below, &lower, kind),
        None => Ok(kind.at_first()),
    }
}

/// Sets one, within a turn.
pub(crate) fn write(turn: &mut Turn<'_>, bucket: u64, configuration: &Configuration) -> Result<(), Fault> {
    let bytes = serde_json::to_vec(configuration).map_err(|error| Fault::failed("encoding a configuration", error))?;
    turn.configurations.insert(keys::configuration(bucket, configuration.kind()).as_slice(), bytes.as_slice())?;
    Ok(())
}

fn remove(turn: &mut Turn<'_>, bucket: u64, kind: ConfigurationKind) -> Result<(), Fault> {
    let row = keys::configuration(bucket, kind);
    if kind.at_first().is_some() {
        turn.configurations.insert(row.as_slice(), [].as_slice())?;
    } else {
        turn.configurations.remove(row.as_slice())?;
    }
    Ok(())
}

/// Takes over what the topmost record below goes with, for a new record of the session's own.
pub(crate) fn take_over(turn: &mut Turn<'_>, below: &Snapshot, lower: &BucketInView, own: u64) -> Result<(), Fault> {
    let mut found = below.slices.iter().zip(&lower.ids);
    let Some((slice, id)) = found.find_map(|(slice, id)| id.map(|id| (slice, id))) else { return Ok(()) };
    let rows = slice.reading.rows(catalog::CONFIGURATIONS)?;
    for kind in ConfigurationKind::ALL.iter().filter(|kind| kind.is_copied()) {
        if let Some(guard) = rows.get(keys::configuration(id, *kind).as_slice())? {
            turn.configurations.insert(keys::configuration(own, *kind).as_slice(), guard.value())?;
        }
    }
    Ok(())
}

/// Removes everything that a bucket's record goes with.
pub(crate) fn drop_all(turn: &mut Turn<'_>, bucket: u64) -> Result<(), Fault> {
    for kind in ConfigurationKind::ALL {
        turn.configurations.remove(keys::configuration(bucket, *kind).as_slice())?;
    }
    Ok(())
}

/// What must hold in the view before a configuration is taken; nothing was changed yet.
fn check(turn: &Turn<'_>, below: &Snapshot, bucket: &Bucket, configuration: &Configuration) -> Result<(), Fault> {
    if let Configuration::Policy(policy) = configuration
        && policy.is_public()
        && let Some(Configuration::PublicAccessBlock(block)) = in_turn(turn, below, bucket, Kind::PublicAccessBlock)?
        && block.block_public_policy
    {
        return Err(Fault::Withheld(
            "Access Denied: public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
                .to_owned(),
        ));
    }
    if let Configuration::Logging(logging) = configuration {
        let target = Bucket { account: bucket.account, name: logging.target.clone() };
        if crate::buckets::find_own(turn, &target)?.is_none() && below.bucket(&target)?.is_none() {
            return Err(Logging::no_such_target().into());
        }
    }
    if let Configuration::ObjectLock(_) = configuration {
        let versioning = match crate::buckets::find_own(turn, bucket)? {
            Some(own) => Some(own.versioning),
            None => below.bucket(bucket)?.map(|lower| lower.top.versioning),
        };
        if versioning.is_some_and(|versioning| versioning != Versioning::Enabled) {
            let message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
            return Err(Fault::refused(Code::InvalidBucketState, message));
        }
    }
    Ok(())
}

impl Store {
    /// The configuration that an operation reads; nothing where S3 answers with an empty one.
    ///
    /// # Errors
    /// `NoSuchBucket`, the kind's own code where there is none, or a failure.
    pub fn configuration(&self, permit: &Permit) -> Result<Option<Configuration>, Fault> {
        let (name, kind) = match permit.operation() {
            Operation::GetBucketConfiguration { bucket, kind } => (bucket, *kind),
            Operation::GetBucketPolicyStatus { bucket } => (bucket, Kind::Policy),
            _ => return Err(Fault::mismatch()),
        };
        let bucket = permit.bucket(name).ok_or_else(no_such_bucket)?;
        let snapshot = self.snapshot(permit.view())?;
        let bucket = snapshot.bucket(bucket)?.ok_or_else(no_such_bucket)?;
        match (read_top(&snapshot, &bucket, kind)?, kind.missing()) {
            (None, Some(missing)) => Err(missing.into()),
            (found, _) => Ok(found),
        }
    }

    /// Sets or removes a configuration of the session's own record.
    ///
    /// # Errors
    /// `NoSuchBucket`, `InvalidTargetBucketForLogging`, or a failure.
    pub async fn configure(&self, permit: &Permit, record: Record<()>) -> Result<(), Fault> {
        let (name, wanted) = match permit.operation() {
            Operation::PutBucketConfiguration { bucket, configuration } => (bucket, Ok(configuration.clone())),
            Operation::DeleteBucketConfiguration { bucket, kind } => (bucket, Err(*kind)),
            _ => return Err(Fault::mismatch()),
        };
        let (store, view) = (self.clone(), permit.view().clone());
        let bucket = permit.bucket(name).cloned().ok_or_else(no_such_bucket)?;
        let work = move |turn: &mut Turn<'_>| {
            let below = store.below(&view)?;
            if let Ok(configuration) = &wanted {
                check(turn, &below, &bucket, configuration)?;
            }
            let own = own_record(turn, &below, &bucket)?;
            match wanted {
                Ok(configuration) => write(turn, own.id, &configuration),
                Err(kind) => remove(turn, own.id, kind),
            }
        };
        self.own(permit)?.turn(work, record).await
    }
}

//! Data in a partition too low for it: contained, so that no session reads it, and erased by two officers
//! (DESIGN.md section 1, names in a view, 7; CNSSI 1001; NIST SP 800-53, IR-9).
//!
//! A contained version is taken out of the versions and kept aside, in a table that nothing else reads. So for every
//! session it is as if it were not there, in listings and reads and writes alike, without a look at anything that the
//! view does not hold; and nobody deletes it or writes over it, whatever its retention.

use crate::buckets::find_own;
use crate::catalog::{SPILLS, Turn};
use crate::erase::{Pace, destroy};
use crate::fault::no_such_key;
use crate::objects::drop_pieces;
use crate::records::{BucketRecord, Place, VersionRecord, decode, encode};
use crate::view::Slice;
use crate::{Erased, Fault, Record, Store, keys};
use aws_lc_rs::digest::{SHA256, digest};
use fastness_decide::{Bucket, Permit};
use fastness_label::Label;
use fastness_operation::{
    AccountNumber, BucketName, Code, CrossingAct, Moment, ObjectKey, Operation, SpillId, VersionId,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Versions in one spill at most.
pub const SPILLED_MAX: usize = 10_000;

/// How long a proposal waits for its approval: a day.
pub const PROPOSAL_TIME_MAX_MS: i64 = 24 * 60 * 60 * 1000;

/// One contained version: taken out of the versions, and so out of every listing and read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainedRecord {
    /// The row as it stood in the versions.
    pub(crate) version: Vec<u8>,
}

/// What is kept of a spilled version, also when it is erased. No metadata, no content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpilledVersion {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// The version's id.
    pub version: String,
    /// Bytes of content.
    pub size: u64,
    /// The `ETag`, without quotes.
    pub etag: String,
    /// When it was written, milliseconds since 1970.
    pub modified_ms: i64,
    /// Whether the ledger names it as a copy of what the officer named.
    pub copy: bool,
}

/// Somebody who acts in a spill: who, and the unique id that no later user has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The user's name.
    pub name: String,
    /// The user's unique id.
    pub id: String,
}

/// A first officer's half of an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Who.
    pub by: Actor,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Over the versions that are to be erased.
    pub digest: String,
}

/// An erasure that two officers decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpillErasure {
    /// The two, proposer first.
    pub by: [Actor; 2],
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Over the versions that were erased.
    pub digest: String,
    /// The erasure keys that had wrapped them.
    pub keys: Vec<u64>,
}

/// A spill, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spill {
    /// Its id.
    pub id: String,
    /// Whose buckets.
    pub account: AccountNumber,
    /// The bucket that the officer named.
    pub bucket: String,
    /// The key that the officer named.
    pub key: String,
    /// Whether every version of the key at this label was contained, or only those that were named.
    pub whole: bool,
    /// When it was contained first, milliseconds since 1970.
    pub opened_ms: i64,
    /// Who contained it first.
    pub opened_by: Actor,
    /// Every version in it.
    pub versions: Vec<SpilledVersion>,
    /// An erasure that waits for a second officer.
    pub proposal: Option<Proposal>,
    /// The erasure.
    pub erased: Option<SpillErasure>,
}

impl Spill {
    /// A digest over the id and every version: what an approval is bound to.
    ///
    /// # Errors
    /// A failure.
    pub fn digest(&self) -> Result<String, Fault> {
        let bytes = postcard::to_stdvec(&(&self.id, &self.versions));
        let bytes = bytes.map_err(|error| Fault::failed("a spill's digest", error))?;
        Ok(hex::encode(digest(&SHA256, &bytes).as_ref()))
    }
}

/// A version that the ledger names as a copy: by its id, or where it had none by its ETag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CopyName {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version's id.
    pub version: Option<VersionId>,
    /// The ETag, without quotes.
    pub etag: Option<String>,
}

/// What came of a call to erase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureStep {
    /// It waits for another officer.
    Proposed(Spill),
    /// It was approved: the versions are gone, their erasure keys about to go.
    Approved(Spill),
}

impl ErasureStep {
    /// The spill.
    #[must_use]
    pub const fn spill(&self) -> &Spill {
        match self {
            Self::Proposed(spill) | Self::Approved(spill) => spill,
        }
    }
}

fn no_such_spill() -> Fault {
    Fault::refused(Code::NoSuchEntity, "there is no such spill of your account at this label")
}

pub(crate) fn contained_row(spill: &str, number: u64) -> Vec<u8> {
    let mut row = spill.as_bytes().to_vec();
    row.extend_from_slice(&number.to_be_bytes());
    row
}

/// A version to be contained, with its row.
struct Found {
    bucket: u64,
    name: BucketName,
    key: ObjectKey,
    sequence: u64,
    record: VersionRecord,
    row: Vec<u8>,
    copy: bool,
}

/// The versions of a key in the session's own partition that hold content and fit.
fn versions_of(
    turn: &Turn<'_>,
    own: &BucketRecord,
    (name, key): (&BucketName, &ObjectKey),
    copy: bool,
    fits: impl Fn(&VersionRecord) -> bool,
) -> Result<Vec<Found>, Fault> {
    let prefix = keys::object(own.id, key.as_str());
    let mut found = Vec::new();
    for row in turn.versions.range::<&[u8]>(prefix.as_slice()..)? {
        let (at, value) = row?;
        let Some(tail) = at.value().strip_prefix(prefix.as_slice()) else { break };
        let record: VersionRecord = decode(value.value())?;
        if record.object.is_none() || !fits(&record) {
            continue;
        }
        let malformed = || Fault::Failed("a row of the versions is malformed".to_owned());
        let sequence = keys::sequence(tail).ok_or_else(malformed)?;
        let (name, key, row) = (name.clone(), key.clone(), value.value().to_vec());
        found.push(Found { bucket: own.id, name, key, sequence, record, row, copy });
        if found.len() > SPILLED_MAX {
            let message = format!("more than {SPILLED_MAX} versions: contain them version by version");
            return Err(Fault::refused(Code::LimitExceeded, message));
        }
    }
    Ok(found)
}

fn find_all(
    turn: &Turn<'_>,
    bucket: &Bucket,
    (key, version): (&ObjectKey, Option<&VersionId>),
    copies: &[CopyName],
) -> Result<Vec<Found>, Fault> {
    let mut found = Vec::new();
    if let Some(own) = find_own(turn, bucket)? {
        let named = |record: &VersionRecord| match version {
            None => true,
            Some(id) => id.as_str() == record.id || (id.is_null() && record.null),
        };
        found = versions_of(turn, &own, (&bucket.name, key), false, named)?;
    }
    for copy in copies {
        let of = Bucket { account: bucket.account, name: copy.bucket.clone() };
        let Some(own) = find_own(turn, &of)? else { continue };
        let named = |record: &VersionRecord| match (&copy.version, &copy.etag) {
            (Some(id), _) => id.as_str() == record.id || (id.is_null() && record.null),
            (None, Some(etag)) => record.object.as_ref().is_some_and(|object| object.etag == *etag),
            (None, None) => false,
        };
        for one in versions_of(turn, &own, (&copy.bucket, &copy.key), true, named)? {
            if !found.iter().any(|known| (known.bucket, known.sequence) == (one.bucket, one.sequence)) {
                found.push(one);
            }
        }
    }
    Ok(found)
}

/// The spill of this name that is not erased yet, or a new one.
fn spill_of(turn: &mut Turn<'_>, bucket: &Bucket, key: &ObjectKey) -> Result<Option<Spill>, Fault> {
    let spills = turn.spills()?;
    for row in spills.iter()? {
        let spill: Spill = decode(row?.1.value())?;
        let same = spill.account == bucket.account && spill.bucket == bucket.name.as_str() && spill.key == key.as_str();
        if same && spill.erased.is_none() {
            return Ok(Some(spill));
        }
    }
    Ok(None)
}

pub(crate) fn write(turn: &Turn<'_>, spill: &Spill) -> Result<(), Fault> {
    turn.spills()?.insert(spill.id.as_bytes(), encode(spill)?.as_slice())?;
    Ok(())
}

fn contain(
    turn: &mut Turn<'_>,
    (bucket, key, version): (&Bucket, &ObjectKey, Option<&VersionId>),
    copies: &[CopyName],
    by: Actor,
    moment: &Moment,
) -> Result<(Spill, Vec<[u8; 16]>), Fault> {
    let found = find_all(turn, bucket, (key, version), copies)?;
    let known = spill_of(turn, bucket, key)?;
    if found.is_empty() && known.is_none() {
        return Err(no_such_key());
    }
    if known.as_ref().map_or(0, |spill| spill.versions.len()) + found.len() > SPILLED_MAX {
        let message = format!("a spill holds at most {SPILLED_MAX} versions");
        return Err(Fault::refused(Code::LimitExceeded, message));
    }
    let mut spill = match known {
        Some(spill) => spill,
        None => {
            let random: u64 = StdRng::from_seed(moment.seed).random();
            Spill {
                id: format!("{:016x}{random:016x}", turn.next_sequence()),
                account: bucket.account,
                bucket: bucket.name.to_string(),
                key: key.to_string(),
                whole: false,
                opened_ms: moment.now_ms,
                opened_by: by,
                versions: Vec::new(),
                proposal: None,
                erased: None,
            }
        }
    };
    spill.whole |= version.is_none();
    let mut blobs = Vec::new();
    for one in found {
        let Some(object) = &one.record.object else { continue };
        turn.versions.remove(keys::version(one.bucket, one.key.as_str(), one.sequence).as_slice())?;
        if one.record.null {
            turn.nulls.remove(keys::object(one.bucket, one.key.as_str()).as_slice())?;
        }
        blobs.extend(object.pieces.iter().filter_map(|piece| match piece.place {
            Place::Blob(id) => Some(id),
            Place::Inline(_) => None,
        }));
        let contained = ContainedRecord { version: one.row };
        let row = contained_row(&spill.id, turn.next_sequence());
        turn.contained()?.insert(row.as_slice(), encode(&contained)?.as_slice())?;
        spill.versions.push(SpilledVersion {
            bucket: one.name.to_string(),
            key: one.key.to_string(),
            version: one.record.id.clone(),
            size: object.size,
            etag: object.etag.clone(),
            modified_ms: one.record.modified_ms,
            copy: one.copy,
        });
    }
    write(turn, &spill)?;
    Ok((spill, blobs))
}

/// One officer's step of an erasure.
fn decide_erasure(
    turn: &mut Turn<'_>,
    (account, id): (AccountNumber, &SpillId),
    approved: Option<&str>,
    by: Actor,
    moment: &Moment,
) -> Result<ErasureStep, Fault> {
    let found = turn.spills()?.get(id.as_str().as_bytes())?.map(|guard| decode::<Spill>(guard.value())).transpose()?;
    let mut spill = found.filter(|spill| spill.account == account).ok_or_else(no_such_spill)?;
    if spill.erased.is_some() {
        return Ok(ErasureStep::Approved(spill));
    }
    let digest = spill.digest()?;
    let Some(approved) = approved else {
        spill.proposal = Some(Proposal { by, at_ms: moment.now_ms, digest });
        write(turn, &spill)?;
        return Ok(ErasureStep::Proposed(spill));
    };
    let refused = |code, message: &str| Err(Fault::refused(code, message));
    let Some(proposal) = spill.proposal.take() else {
        return refused(
            Code::InvalidRequest,
            "nobody has proposed this erasure: a first officer proposes, without a digest",
        );
    };
    if proposal.by.id == by.id {
        return refused(Code::AccessDenied, "who proposed an erasure does not approve it: another officer does");
    }
    if moment.now_ms.saturating_sub(proposal.at_ms) > PROPOSAL_TIME_MAX_MS {
        return refused(Code::InvalidRequest, "the proposal is older than a day: propose the erasure again");
    }
    if approved != digest || proposal.digest != digest {
        return refused(
            Code::InvalidRequest,
            "the digest is not that of the versions which are contained now: look at the report, and propose again",
        );
    }
    let prefix = spill.id.as_bytes().to_vec();
    let mut rows = Vec::new();
    for row in turn.contained()?.range::<&[u8]>(prefix.as_slice()..)? {
        let (key, value) = row?;
        if !key.value().starts_with(&prefix) {
            break;
        }
        rows.push((key.value().to_vec(), decode::<ContainedRecord>(value.value())?));
    }
    let mut keys = BTreeSet::new();
    for (row, contained) in rows {
        let record: VersionRecord = decode(&contained.version)?;
        let pieces = || record.object.iter().flat_map(|object| &object.pieces);
        keys.extend(pieces().map(|piece| piece.erasure));
        drop_pieces(turn, pieces())?;
        turn.contained()?.remove(row.as_slice())?;
    }
    let keys = keys.into_iter().collect();
    spill.erased = Some(SpillErasure { by: [proposal.by, by], at_ms: moment.now_ms, digest, keys });
    write(turn, &spill)?;
    Ok(ErasureStep::Approved(spill))
}

impl Store {
    /// ContainSpill: takes the versions of a key, or one of them, out of every session's reach, and with them the copies
    /// that the caller found in the ledger.
    ///
    /// # Errors
    /// `NoSuchKey` when there is nothing to contain, `LimitExceeded`, or a failure.
    pub async fn contain_spill(
        &self,
        permit: &Permit,
        copies: Vec<CopyName>,
        by: Actor,
        moment: Moment,
        record: Record<Spill>,
    ) -> Result<Spill, Fault> {
        let Operation::ContainSpill { target } = permit.operation() else { return Err(Fault::mismatch()) };
        let target = target.clone();
        let bucket = permit.bucket(&target.bucket).cloned().ok_or_else(crate::fault::no_such_bucket)?;
        let partition = self.own(permit)?;
        let cut = Arc::new(std::sync::Mutex::new(Vec::new()));
        let blobs = Arc::clone(&cut);
        let work = move |turn: &mut Turn<'_>| {
            let named = (&bucket, &target.key, target.version.as_ref());
            let (spill, ids) = contain(turn, named, &copies, by, &moment)?;
            *blobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = ids;
            Ok(spill)
        };
        let spill = partition.turn(work, record).await?;
        partition.pins.cut(&cut.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        Ok(spill)
    }

    /// EraseSpill: without a digest proposes, with one approves. What is approved is final when this answers: the
    /// survivors are rewrapped, the erasure keys destroyed.
    ///
    /// # Errors
    /// `NoSuchEntity`; `AccessDenied` and `InvalidRequest` when it is not another officer's proposal of exactly this, or
    /// is too old; or a failure: then the rest is done in the background, or by the next call.
    pub async fn erase_spill(
        &self,
        permit: &Permit,
        by: Actor,
        moment: Moment,
        record: Record<ErasureStep>,
        destroyed: impl FnOnce(&Erased) -> Vec<u8> + Send + 'static,
    ) -> Result<(ErasureStep, Erased), Fault> {
        let Operation::EraseSpill { spill, digest } = permit.operation() else { return Err(Fault::mismatch()) };
        let Some(account) = permit.view().account() else { return Err(Fault::mismatch()) };
        let (spill, approved) = (spill.clone(), digest.clone());
        let partition = self.own(permit)?;
        let work = move |turn: &mut Turn<'_>| decide_erasure(turn, (account, &spill), approved.as_deref(), by, &moment);
        let step = partition.turn(work, record).await?;
        let ErasureStep::Approved(spill) = &step else { return Ok((step, Erased::default())) };
        let listed: BTreeSet<u64> = partition.read()?.erasable()?.into_iter().map(|(id, _)| id).collect();
        let keys = spill.erased.iter().flat_map(|erased| erased.keys.iter().copied());
        let ids: BTreeSet<u64> = keys.filter(|id| listed.contains(id)).collect();
        let erased = destroy(&partition, ids, Pace::Now, destroyed).await?;
        if erased.blocked > 0 {
            return Err(Fault::Failed("an erasure key has survivors that cannot be rewrapped".to_owned()));
        }
        Ok((step, erased))
    }

    /// The spill that a report is about, wherever in the view it lies, and whether its erasure is final.
    ///
    /// # Errors
    /// `NoSuchEntity`, or a failure.
    pub fn find_spill(&self, permit: &Permit) -> Result<(Label, Spill, bool), Fault> {
        let Operation::ReportSpill { spill: id } = permit.operation() else { return Err(Fault::mismatch()) };
        for slice in self.snapshot(permit.view())?.slices {
            let Some(rows) = slice.reading.rows_if_made(SPILLS)? else { continue };
            let Some(guard) = rows.get(id.as_str().as_bytes())? else { continue };
            let spill: Spill = decode(guard.value())?;
            if Some(spill.account) == permit.view().account() {
                let listed: BTreeSet<u64> = slice.reading.erasable()?.into_iter().map(|(id, _)| id).collect();
                let keys = |erased: &SpillErasure| !erased.keys.iter().any(|id| listed.contains(id));
                let is_final = spill.erased.as_ref().is_some_and(keys);
                return Ok((slice.partition.label, spill, is_final));
            }
        }
        Err(Fault::refused(Code::NoSuchEntity, "there is no such spill of your account"))
    }

    /// Whether versions lie in a partition of the view, and whether they are contained there: of each, in order.
    ///
    /// # Errors
    /// A failure.
    pub fn whereabouts(&self, permit: &Permit, label: Label, names: &[CopyName]) -> Result<Vec<Whereabouts>, Fault> {
        let account = traced_for(permit)?;
        let snapshot = self.snapshot(permit.view())?;
        let slice = snapshot.slices.iter().find(|slice| slice.partition.label == label).ok_or_else(Fault::mismatch)?;
        let mut found: Vec<Option<Whereabouts>> = vec![None; names.len()];
        if let Some(rows) = slice.reading.rows_if_made(SPILLS)? {
            for row in rows.iter()? {
                let spill: Spill = decode(row?.1.value())?;
                if spill.account != account {
                    continue;
                }
                for (name, found) in names.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                    *found =
                        spill.versions.iter().any(|version| name.means(version)).then(|| Whereabouts::held(&spill));
                }
            }
        }
        let seek = |(name, found): (&CopyName, Option<Whereabouts>)| match found {
            Some(found) => Ok(found),
            None if is_version(slice, account, name)? => Ok(Whereabouts::Readable),
            None => Ok(Whereabouts::Gone),
        };
        names.iter().zip(found).map(seek).collect()
    }

    /// What became of what is in a spill of a partition of the view; nothing when there is no such spill of the account.
    ///
    /// # Errors
    /// A failure.
    pub fn held(&self, permit: &Permit, label: Label, spill: &str) -> Result<Option<Whereabouts>, Fault> {
        let account = traced_for(permit)?;
        let snapshot = self.snapshot(permit.view())?;
        let slice = snapshot.slices.iter().find(|slice| slice.partition.label == label).ok_or_else(Fault::mismatch)?;
        let Some(rows) = slice.reading.rows_if_made(SPILLS)? else { return Ok(None) };
        let found = rows.get(spill.as_bytes())?.map(|guard| decode::<Spill>(guard.value())).transpose()?;
        Ok(found.filter(|spill| spill.account == account).map(|spill| Whereabouts::held(&spill)))
    }

    /// Versions of the caller's account in the view with the size and ETag of one that is given: perhaps the same data.
    /// Walks a part of one partition; answers where to go on.
    ///
    /// # Errors
    /// A failure.
    pub fn look_alikes(
        &self,
        permit: &Permit,
        label: Label,
        wanted: &BTreeSet<(u64, String)>,
        after: Option<&[u8]>,
    ) -> Result<(Vec<SpilledVersion>, Option<Vec<u8>>), Fault> {
        const ROWS_MAX: usize = 8192;
        let (Operation::ReportSpill { .. }, Some(account)) = (permit.operation(), permit.view().account()) else {
            return Err(Fault::mismatch());
        };
        let snapshot = self.snapshot(permit.view())?;
        let slice = snapshot.slices.iter().find(|slice| slice.partition.label == label).ok_or_else(Fault::mismatch)?;
        let mut names = std::collections::HashMap::new();
        let prefix = keys::bucket(account, "");
        for row in slice.reading.rows(crate::catalog::BUCKETS)?.range::<&[u8]>(prefix.as_slice()..)? {
            let (key, value) = row?;
            let Some(name) = key.value().strip_prefix(prefix.as_slice()) else { break };
            let record: BucketRecord = decode(value.value())?;
            names.insert(record.id, String::from_utf8_lossy(name).into_owned());
        }
        let rows = slice.reading.rows(crate::catalog::VERSIONS)?;
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut found = Vec::new();
        for (number, row) in rows.range::<&[u8]>((start, std::ops::Bound::Unbounded))?.enumerate() {
            let (at, value) = row?;
            let record: VersionRecord = decode(value.value())?;
            let bucket = at.value().get(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
            if let (Some(object), Some(bucket), Some((key, _))) =
                (&record.object, bucket.and_then(|id| names.get(&id)), keys::split(at.value()))
                && wanted.contains(&(object.size, object.etag.clone()))
            {
                found.push(SpilledVersion {
                    bucket: bucket.clone(),
                    key,
                    version: record.id.clone(),
                    size: object.size,
                    etag: object.etag.clone(),
                    modified_ms: record.modified_ms,
                    copy: false,
                });
            }
            if number + 1 == ROWS_MAX {
                return Ok((found, Some(at.value().to_vec())));
            }
        }
        Ok((found, None))
    }
}

/// The account of whoever traces data: for a report on a spill, or for what arrived in a bundle.
fn traced_for(permit: &Permit) -> Result<AccountNumber, Fault> {
    let is_trace = match permit.operation() {
        Operation::ReportSpill { .. } => true,
        Operation::Crossing(act) => matches!(act.as_ref(), CrossingAct::FindArrival { .. }),
        _ => false,
    };
    permit.view().account().filter(|_| is_trace).ok_or_else(Fault::mismatch)
}

/// Whether a version is among those that sessions read.
fn is_version(slice: &Slice, account: AccountNumber, name: &CopyName) -> Result<bool, Fault> {
    let bucket = keys::bucket(account, name.bucket.as_str());
    let Some(guard) = slice.reading.rows(crate::catalog::BUCKETS)?.get(bucket.as_slice())? else { return Ok(false) };
    let own: BucketRecord = decode(guard.value())?;
    let rows = slice.reading.rows(crate::catalog::VERSIONS)?;
    let prefix = keys::object(own.id, name.key.as_str());
    for row in rows.range::<&[u8]>(prefix.as_slice()..)? {
        let (key, value) = row?;
        if !key.value().starts_with(&prefix) {
            break;
        }
        let record: VersionRecord = decode(value.value())?;
        let same = match (&name.version, &name.etag, &record.object) {
            (Some(id), _, _) => id.as_str() == record.id || (id.is_null() && record.null),
            (None, Some(etag), Some(object)) => object.etag == *etag,
            _ => false,
        };
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

impl CopyName {
    /// Whether it names a spilled version.
    fn means(&self, version: &SpilledVersion) -> bool {
        let same = version.bucket == self.bucket.as_str() && version.key == self.key.as_str();
        same && match (&self.version, &self.etag) {
            (Some(id), _) => version.version == id.as_str(),
            (None, Some(etag)) => version.etag == *etag,
            (None, None) => false,
        }
    }
}

impl Whereabouts {
    fn held(spill: &Spill) -> Self {
        if spill.erased.is_some() { Self::Erased(spill.id.clone()) } else { Self::Contained(spill.id.clone()) }
    }
}

/// What became of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// Sessions at its label and above read it.
    Readable,
    /// It is contained, in this spill.
    Contained(String),
    /// It was erased, with this spill.
    Erased(String),
    /// It is there no longer: deleted or written over.
    Gone,
}

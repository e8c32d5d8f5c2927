//! Releases: what somebody asked to send down, who saw it, and who decided. A release lies at its requester's label, with
//! every vote on it, and only sessions of that very label decide.

use super::lifts::{self, act_of};
use super::rows::Until;
use super::{CROSSING_KEPT_MS, SentBundle, arrivals, rows, used};
use crate::buckets::find_own;
use crate::catalog::Turn;
use crate::content::Content;
use crate::fault::{no_such_bucket, no_such_key};
use crate::objects::{own_version, permitted};
use crate::{Actor, Fault, Record, Store, view};
use aws_lc_rs::digest::{SHA256, digest};
use fastness_decide::crossing::Used;
use fastness_decide::{Bucket, Chore, Permit};
use fastness_operation::{
    AccessKeyId, AccountNumber, Attributes, BucketName, BundleId, CROSSING_OBJECT_LEN_MAX, Code, CrossingAct,
    MappingName, Moment, ObjectKey, Purpose, RegionName, ReleaseId, VersionId, Words,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod find;

/// Releases of an account that wait for a decision or the carrier, at one label.
pub const RELEASES_OPEN_MAX: usize = 1_000;
/// Releases that are kept at one label, ended ones among them; then the oldest that ended go.
pub const RELEASES_KEPT_MAX: usize = 10_000;
/// Reviewers who have to approve.
pub const RELEASE_APPROVALS: usize = 2;
/// Reviewers who are remembered as having seen a release.
const SEEN_MAX: usize = 100;
/// A day, in ms.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How often a value is looked for again that moved while it was opened.
const SNAPSHOTS_MAX: usize = 8;

/// How far a release is. What became of it on the other side is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReleaseState {
    /// It waits for reviewers.
    Requested,
    /// Two approved it.
    Approved,
    /// It is in a bundle.
    Released,
    /// A reviewer refused it.
    Refused,
    /// Its time ran out.
    Expired,
    /// The object, or where the mapping sends it, is not what was asked for any more.
    Changed,
    /// It may go no longer, for the reason that it says.
    Stopped,
}

impl ReleaseState {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Released => "released",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Changed => "changed",
            Self::Stopped => "stopped",
        }
    }

    /// Whether something can still become of it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Approved)
    }
}

/// The version that a release is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedVersion {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its id: never `null`, so that no later version has it.
    pub version: String,
    /// Whether nobody named a version: then a newer one of the key ends the release.
    pub newest: bool,
    /// Bytes of its content.
    pub size: u64,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
}

/// What leaves: the version as the filters wrote it anew, and no other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// Bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

/// A reviewer's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseVote {
    /// Who.
    pub by: Actor,
    /// With which key: an approval counts as long as that opens a session of a reviewer here.
    pub key: AccessKeyId,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Of what: [`Release::digest`].
    pub digest: String,
    /// Why.
    pub reason: Words,
}

/// A release, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its id, and that of its bundle.
    pub id: ReleaseId,
    /// Whose object.
    pub account: AccountNumber,
    /// Who asked for it.
    pub by: Actor,
    /// With which key: what is sent is decided about the session that it opens then.
    pub key: AccessKeyId,
    /// When, milliseconds since 1970.
    pub requested_ms: i64,
    /// From when on nothing of it leaves.
    pub expires_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Of what.
    pub source: PinnedVersion,
    /// Whether it is a list of missing bundles: then the region below takes it, and no bucket.
    pub gaps: bool,
    /// What leaves of it.
    pub leaves: Leaving,
    /// The region that sends.
    pub origin: RegionName,
    /// The banner of the label at which it lies.
    pub label: String,
    /// By which mapping.
    pub mapping: MappingName,
    /// The region that it goes to.
    pub to: RegionName,
    /// The account there.
    pub to_account: AccountNumber,
    /// The bucket there.
    pub to_bucket: BucketName,
    /// Its name there.
    pub new_key: ObjectKey,
    /// The banner of its label there.
    pub new_label: String,
    /// Its type and metadata there.
    pub attributes: Attributes,
    /// What for.
    pub purpose: Purpose,
    /// What the filters said of it.
    pub findings: Vec<String>,
    /// The reviewers who saw all this.
    pub seen: Vec<Actor>,
    /// Who approved.
    pub approvals: Vec<ReleaseVote>,
    /// Who refused.
    pub refused: Option<ReleaseVote>,
    /// How far it is.
    pub state: ReleaseState,
    /// The bundle that it is in: after a crash it says which of the staged files is one.
    pub bundle: Option<BundleId>,
    /// Why it ended early.
    pub why: Option<String>,
}

impl Release {
    /// A digest over everything that reviewers see and that leaves: what an approval is bound to.
    ///
    /// # Errors
    /// A failure.
    pub fn digest(&self) -> Result<String, Fault> {
        let asked = (self.account, &self.by, &self.key);
        let from = (&self.origin, &self.label, &self.source, &self.leaves);
        let to = (&self.to, &self.mapping, self.to_account, &self.to_bucket, self.gaps);
        let object = (&self.new_key, &self.new_label, &self.attributes);
        let times = (self.requested_ms, self.expires_ms);
        let bound = ("fastness release 1", &self.id, asked, from, to, object, &self.purpose, &self.findings, times);
        let bytes = postcard::to_stdvec(&bound).map_err(|error| Fault::failed("a release's digest", error))?;
        Ok(hex::encode(digest(&SHA256, &bytes).as_ref()))
    }

    /// How far it is at a time: one that nothing became of has expired, although nobody wrote that down.
    #[must_use]
    pub const fn state_at(&self, now_ms: i64) -> ReleaseState {
        if self.state.is_open() && now_ms >= self.expires_ms { ReleaseState::Expired } else { self.state }
    }

    /// Whether two people approved exactly what it says, none of them who asked for it.
    ///
    /// # Errors
    /// A failure.
    pub fn is_approved(&self) -> Result<bool, Fault> {
        let digest = self.digest()?;
        let counts = |vote: &&ReleaseVote| vote.digest == digest && vote.by.id != self.by.id;
        let people: BTreeSet<&str> = self.approvals.iter().filter(counts).map(|vote| vote.by.id.as_str()).collect();
        Ok(people.len() >= RELEASE_APPROVALS)
    }

    fn end(&mut self, state: ReleaseState, why: impl Into<String>, now_ms: i64) {
        (self.state, self.ended_ms, self.why) = (state, Some(now_ms), Some(why.into()));
    }
}

/// The version that a request names, with its content.
pub struct Releasable {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its id, never `null`.
    pub version: String,
    /// Bytes of its content.
    pub size: u64,
    /// The content.
    pub content: Content,
}

impl std::fmt::Debug for Releasable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Releasable").field("size", &self.size).finish_non_exhaustive()
    }
}

/// What is known of a release that is asked for, beside its operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRelease {
    /// Who asks.
    pub by: Actor,
    /// With which key.
    pub key: AccessKeyId,
    /// The version, as it was read.
    pub source: PinnedVersion,
    /// The same, as the filters wrote it.
    pub leaves: Leaving,
    /// The region.
    pub origin: RegionName,
    /// The banner of the session's label.
    pub label: String,
    /// The mapping that was found.
    pub mapping: MappingName,
    /// The account that it names.
    pub to_account: AccountNumber,
    /// The bucket that it names.
    pub to_bucket: BucketName,
    /// The banner of the new label.
    pub new_label: String,
    /// What the filters said.
    pub findings: Vec<String>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseStep {
    /// It was taken.
    Taken(Release),
    /// It was not: the release is over, for the reason that it says.
    Ended(Release),
}

impl ReleaseStep {
    /// The release.
    #[must_use]
    pub const fn release(&self) -> &Release {
        match self {
            Self::Taken(release) | Self::Ended(release) => release,
        }
    }
}

fn no_such_release() -> Fault {
    Fault::refused(Code::NoSuchEntity, "there is no such release of your account at this label")
}

fn find(turn: &Turn<'_>, account: AccountNumber, id: &ReleaseId) -> Result<Release, Fault> {
    let found: Option<Release> = rows::read_in(turn, &rows::release(id))?;
    found.filter(|release| release.account == account).ok_or_else(no_such_release)
}

fn write(turn: &Turn<'_>, release: &Release) -> Result<(), Fault> {
    let row = rows::release(&release.id);
    rows::note_due(turn, &row, release.state == ReleaseState::Approved)?;
    rows::write(turn, &row, release)
}

fn not_by_requester(release: &Release, by: &Actor) -> Result<(), Fault> {
    if release.by.id != by.id {
        return Ok(());
    }
    Err(Fault::refused(Code::AccessDenied, "who asked for a release does not review it: two others do"))
}

/// Whether the version is where it was, holds content, and is the newest if it has to be. What was contained is not there.
fn stands(turn: &Turn<'_>, account: AccountNumber, source: &PinnedVersion) -> Result<bool, Fault> {
    let bucket = Bucket { account, name: source.bucket.clone() };
    let Some(own) = find_own(turn, &bucket)? else { return Ok(false) };
    let version = VersionId::new(source.version.as_str());
    let Some((sequence, record)) = own_version(turn, &own, &source.key, &version)? else { return Ok(false) };
    if record.object.is_none_or(|object| object.size != source.size) {
        return Ok(false);
    }
    let newest = view::newest(&*turn.versions, own.id, source.key.as_str())?;
    Ok(!source.newest || newest.is_some_and(|(newest, _)| newest == sequence))
}

/// Makes room for one more, as for lifts: what ended long ago goes, and of what ended lately the oldest.
fn make_room(turn: &Turn<'_>, account: AccountNumber, now_ms: i64) -> Result<(), Fault> {
    let (mut open, mut ended) = (0, Vec::new());
    rows::keys_in(turn, rows::RELEASES, Until::Found(usize::MAX), |key, release: &Release| {
        let is_open = release.state_at(now_ms).is_open();
        open += usize::from(release.account == account && is_open);
        ended.extend((!is_open).then(|| (release.ended_ms.unwrap_or(release.expires_ms), key.to_owned())));
        false
    })?;
    if open >= RELEASES_OPEN_MAX {
        let message = format!("{RELEASES_OPEN_MAX} releases of your account wait at this label for a decision");
        return Err(Fault::refused(Code::LimitExceeded, message));
    }
    ended.sort();
    let surplus = (ended.len() + 1).saturating_sub(RELEASES_KEPT_MAX);
    let goes = |(place, (at, _)): &(usize, &(i64, String))| *place < surplus || now_ms - at > CROSSING_KEPT_MS;
    for (_, (_, row)) in ended.iter().enumerate().filter(goes) {
        rows::remove(turn, row)?;
    }
    Ok(())
}

/// Whether something can be decided of a release; one whose time is over ends with that.
fn open_or_ended(turn: &Turn<'_>, release: &mut Release, now_ms: i64) -> Result<bool, Fault> {
    if !release.state.is_open() {
        let why = release.why.as_deref().map(|why| format!(", {why}")).unwrap_or_default();
        let message = format!("the release is {}{why}: there is nothing to decide any more", release.state.name());
        return Err(Fault::refused(Code::InvalidRequest, message));
    }
    if release.state_at(now_ms) == ReleaseState::Expired {
        release.end(ReleaseState::Expired, "its time ran out", now_ms);
        write(turn, release)?;
        return Ok(false);
    }
    Ok(true)
}

/// Ends a release whose version is not what it was; whether it is still open.
fn stands_or_ended(turn: &Turn<'_>, release: &mut Release, now_ms: i64) -> Result<bool, Fault> {
    if stands(turn, release.account, &release.source)? {
        return Ok(true);
    }
    release.end(ReleaseState::Changed, "the object was changed, removed or contained", now_ms);
    write(turn, release)?;
    Ok(false)
}

/// A reviewer's approval in the turn.
fn approve(
    turn: &Turn<'_>,
    (mut release, (by, key)): (Release, (Actor, AccessKeyId)),
    (digest, reason): (String, Words),
    now_ms: i64,
) -> Result<ReleaseStep, Fault> {
    let refused = |code, message: &str| Err(Fault::refused(code, message));
    not_by_requester(&release, &by)?;
    if !open_or_ended(turn, &mut release, now_ms)? {
        return Ok(ReleaseStep::Ended(release));
    }
    if release.state != ReleaseState::Requested {
        return refused(Code::InvalidRequest, "two have approved it already");
    }
    if !release.seen.iter().any(|one| one.id == by.id) {
        return refused(Code::InvalidRequest, "look at the release first: ReviewRelease shows what is approved");
    }
    if release.approvals.iter().any(|vote| vote.by.id == by.id) {
        return refused(Code::InvalidRequest, "you have approved it already: somebody else has to");
    }
    if digest != release.digest()? {
        return refused(Code::InvalidRequest, "the digest is not that of this release: look at it, and decide again");
    }
    if !stands_or_ended(turn, &mut release, now_ms)? {
        return Ok(ReleaseStep::Ended(release));
    }
    release.approvals.push(ReleaseVote { by, key, at_ms: now_ms, digest, reason });
    if release.is_approved()? {
        release.state = ReleaseState::Approved;
    }
    write(turn, &release)?;
    Ok(ReleaseStep::Taken(release))
}

impl Store {
    /// RequestRelease: finds the version that it names, at the session's own label, and opens its content. It blocks.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `InvalidRequest` for one that no release takes, `EntityTooLarge`, or a failure.
    pub fn open_release(&self, permit: &Permit) -> Result<Releasable, Fault> {
        let (CrossingAct::RequestRelease { wanted }, _) = act_of(permit)? else { return Err(Fault::mismatch()) };
        let target = &wanted.source;
        let refused = |message: &str| Err(Fault::refused(Code::InvalidRequest, message));
        let bucket = permit.bucket(&target.bucket).ok_or_else(no_such_bucket)?;
        for _ in 0..SNAPSHOTS_MAX {
            let snapshot = self.snapshot(permit.view())?;
            let in_view = snapshot.bucket(bucket)?.ok_or_else(no_such_bucket)?;
            let found = permitted(&snapshot, &in_view, target, permit)?;
            let slice = snapshot.slices.get(found.slice).ok_or_else(no_such_key)?;
            let Some(object) = found.record.object else { return Err(no_such_key()) };
            if slice.partition.label != permit.view().session() {
                return refused("the object lies at a lower label: ask from a session at that label");
            }
            if found.record.extension.customer.is_some() {
                return refused("the object is sealed with a key that only its writer has: no reviewer could read it");
            }
            if object.size > CROSSING_OBJECT_LEN_MAX {
                let message = format!("no more than {CROSSING_OBJECT_LEN_MAX} bytes are released at once");
                return Err(Fault::refused(Code::EntityTooLarge, message));
            }
            if let Some(content) = Content::open(slice, (&object.pieces, None), 0, object.size)? {
                let (bucket, key) = (target.bucket.clone(), target.key.clone());
                return Ok(Releasable { bucket, key, version: found.record.id, size: object.size, content });
            }
        }
        Err(Fault::Failed("a value's file is missing".to_owned()))
    }

    /// RequestRelease, after the content was looked at.
    ///
    /// # Errors
    /// `InvalidRequest` when the version changed meanwhile, `LimitExceeded`, or a failure.
    pub async fn request_release(
        &self,
        permit: &Permit,
        new: NewRelease,
        moment: Moment,
        record: Record<Release>,
    ) -> Result<Release, Fault> {
        let (CrossingAct::RequestRelease { wanted }, account) = act_of(permit)? else { return Err(Fault::mismatch()) };
        let release = Release {
            id: ReleaseId::from_random(StdRng::from_seed(moment.seed).random()),
            account,
            by: new.by,
            key: new.key,
            requested_ms: moment.now_ms,
            expires_ms: moment.now_ms.saturating_add(i64::from(wanted.days) * DAY_MS),
            ended_ms: None,
            source: new.source,
            gaps: wanted.gaps,
            leaves: new.leaves,
            origin: new.origin,
            label: new.label,
            mapping: new.mapping,
            to: wanted.to.clone(),
            to_account: new.to_account,
            to_bucket: new.to_bucket,
            new_key: wanted.key.clone(),
            new_label: new.new_label,
            attributes: wanted.metadata.clone(),
            purpose: wanted.purpose.clone(),
            findings: arrivals::kept(new.findings),
            seen: Vec::new(),
            approvals: Vec::new(),
            refused: None,
            state: ReleaseState::Requested,
            bundle: None,
            why: None,
        };
        let work = move |turn: &mut Turn<'_>| {
            if !stands(turn, account, &release.source)? {
                let message = "the object changed while the filters looked at it: ask again";
                return Err(Fault::refused(Code::InvalidRequest, message));
            }
            make_room(turn, account, moment.now_ms)?;
            write(turn, &release)?;
            Ok(release)
        };
        self.own(permit)?.turn(work, record).await
    }

    /// ReviewRelease: notes that a reviewer saw everything, unless `shown` says why they did not. A release whose object is
    /// not what it was ends with that.
    ///
    /// # Errors
    /// `NoSuchEntity`, `AccessDenied` for who asked for it, `LimitExceeded`, what `shown` says, or a failure.
    pub async fn review_release(
        &self,
        permit: &Permit,
        by: Actor,
        shown: Result<(), Fault>,
        moment: Moment,
        record: Record<ReleaseStep>,
    ) -> Result<ReleaseStep, Fault> {
        let (CrossingAct::ReviewRelease { release: id }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let id = id.clone();
        let work = move |turn: &mut Turn<'_>| {
            let mut release = find(turn, account, &id)?;
            not_by_requester(&release, &by)?;
            if !release.state_at(moment.now_ms).is_open() {
                return Ok(ReleaseStep::Taken(release));
            }
            if !stands_or_ended(turn, &mut release, moment.now_ms)? {
                return Ok(ReleaseStep::Ended(release));
            }
            shown?;
            if !release.seen.iter().any(|one| one.id == by.id) {
                if release.seen.len() >= SEEN_MAX {
                    let message = format!("{SEEN_MAX} reviewers have looked at it already");
                    return Err(Fault::refused(Code::LimitExceeded, message));
                }
                release.seen.push(by);
                write(turn, &release)?;
            }
            Ok(ReleaseStep::Taken(release))
        };
        self.own(permit)?.turn(work, record).await
    }

    /// ApproveRelease: one of two approvals.
    ///
    /// # Errors
    /// `NoSuchEntity`; `AccessDenied` for who asked for it; `InvalidRequest` for a reviewer who has not looked at it, who
    /// approved it already, or whose digest is another's, and for a release that is decided; or a failure.
    pub async fn approve_release(
        &self,
        permit: &Permit,
        by: (Actor, AccessKeyId),
        moment: Moment,
        record: Record<ReleaseStep>,
    ) -> Result<ReleaseStep, Fault> {
        let (CrossingAct::ApproveRelease { release: id, digest, reason }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let (id, vote) = (id.clone(), (digest.clone(), reason.clone()));
        let work = move |turn: &mut Turn<'_>| approve(turn, (find(turn, account, &id)?, by), vote, moment.now_ms);
        self.own(permit)?.turn(work, record).await
    }

    /// RefuseRelease: one is enough, and it is final, also after two approvals, as long as nothing has left.
    ///
    /// # Errors
    /// `NoSuchEntity`, `AccessDenied` for who asked for it, `InvalidRequest` for what is decided, or a failure.
    pub async fn refuse_release(
        &self,
        permit: &Permit,
        by: (Actor, AccessKeyId),
        moment: Moment,
        record: Record<ReleaseStep>,
    ) -> Result<ReleaseStep, Fault> {
        let (CrossingAct::RefuseRelease { release: id, reason }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let (id, reason) = (id.clone(), reason.clone());
        let work = move |turn: &mut Turn<'_>| {
            let (mut release, (by, key)) = (find(turn, account, &id)?, by);
            not_by_requester(&release, &by)?;
            if !open_or_ended(turn, &mut release, moment.now_ms)? {
                return Ok(ReleaseStep::Ended(release));
            }
            let digest = release.digest()?;
            release.end(ReleaseState::Refused, "a reviewer refused it", moment.now_ms);
            release.refused = Some(ReleaseVote { by, key, at_ms: moment.now_ms, digest, reason });
            write(turn, &release)?;
            Ok(ReleaseStep::Taken(release))
        };
        self.own(permit)?.turn(work, record).await
    }

    /// Commits that a release is in a staged bundle (SendObjects): here it is looked at for the last time.
    ///
    /// # Errors
    /// `InvalidRequest` when it was refused meanwhile, `NoSuchEntity`, `SlowDown` when the directory changed, or a failure:
    /// then it may be committed all the same.
    pub async fn send_release(
        &self,
        permit: &Permit,
        sent: SentBundle,
        moment: Moment,
        record: Record<ReleaseStep>,
    ) -> Result<ReleaseStep, Fault> {
        let (CrossingAct::SendObjects { crossing, bundle, to, bucket, objects }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let id = ReleaseId::new(crossing.as_str()).map_err(|_| Fault::mismatch())?;
        let [(key, version)] = objects.as_slice() else { return Err(Fault::mismatch()) };
        let named = (to.clone(), bucket.clone(), key.clone(), version.as_str().to_owned());
        let (bundle, floor) = (bundle.clone(), self.floor()?);
        let work = move |turn: &mut Turn<'_>| {
            let mut release = find(turn, account, &id)?;
            let Release { to, source: PinnedVersion { bucket, key, version, .. }, .. } = &release;
            let is_same = named == (to.clone(), bucket.clone(), key.clone(), version.clone());
            if !is_same || bundle != id.bundle() || sent.mapping != release.mapping || sent.bytes != release.leaves.size
            {
                return Err(Fault::mismatch());
            }
            if !open_or_ended(turn, &mut release, moment.now_ms)? {
                return Ok(ReleaseStep::Ended(release));
            }
            if release.state != ReleaseState::Approved || !release.is_approved()? {
                return Err(Fault::refused(Code::InvalidRequest, "two reviewers have not approved this release"));
            }
            if !stands_or_ended(turn, &mut release, moment.now_ms)? {
                return Ok(ReleaseStep::Ended(release));
            }
            lifts::same_directory(&floor, &sent)?;
            used::add(turn, (account, &sent.mapping, sent.day), Used { bytes: sent.bytes, objects: 1 })?;
            (release.state, release.ended_ms) = (ReleaseState::Released, Some(moment.now_ms));
            release.bundle = Some(bundle);
            write(turn, &release)?;
            Ok(ReleaseStep::Taken(release))
        };
        self.own(permit)?.turn(work, record).await
    }

    /// Ends a release that may go no longer.
    ///
    /// # Errors
    /// `NoSuchEntity` for one that has ended otherwise, or a failure.
    pub async fn end_release(
        &self,
        chore: &Chore,
        (account, id): (AccountNumber, &ReleaseId),
        (state, why): (ReleaseState, String),
        moment: Moment,
        record: Record<Release>,
    ) -> Result<Release, Fault> {
        let id = id.clone();
        let work = move |turn: &mut Turn<'_>| {
            let mut release = find(turn, account, &id)?;
            if !release.state.is_open() || state.is_open() {
                return Err(no_such_release());
            }
            release.end(state, why, moment.now_ms);
            write(turn, &release)?;
            Ok(release)
        };
        self.partition(chore.view().session())?.turn(work, record).await
    }
}

#[cfg(test)]
mod tests;

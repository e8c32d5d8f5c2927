//! Releases, as people ask for them and decide: filters look first, then two reviewers who see exactly what would leave.

use super::leaving::{Filtered, leaving_of};
use super::seams::Suspect;
use super::send_release::Halt;
use super::{Crossing, CrossingAnswer, apart};
use crate::record::Draft;
use crate::{Answer, Gate, Reason, Session};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use fastness_decide::crossing::{self as decide, Candidate, Used};
use fastness_decide::{Permit, View};
use fastness_identity::Principal;
use fastness_identity::directory::{Beside, Mapping, sending_mapping};
use fastness_label::Label;
use fastness_ledger::Outcome;
use fastness_operation::{
    AccessKeyId, AccountNumber, Attributes, BucketName, CROSSING_OBJECT_LEN_MAX, Code, CrossingAct, CrossingWay, Half,
    ObjectTarget, ReleaseWanted, Stop,
};
use fastness_store::{
    Actor, Fault, Leaving, NewRelease, PinnedVersion, Releasable, Release, ReleaseState, ReleaseStep,
};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The days that a release may wait for its reviewers.
const DAYS: std::ops::RangeInclusive<u8> = 1..=30;
/// Metadata of one release, at most.
const METADATA_MAX: usize = 10;

/// A release as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseShown {
    /// The label at which it lies, and at which it is decided.
    pub label: Label,
    /// How far it is now.
    pub state: ReleaseState,
    /// What an approval is bound to.
    pub digest: String,
    /// Everything that is known of it here.
    pub release: Release,
}

impl ReleaseShown {
    fn of(label: Label, release: Release, now_ms: i64) -> Result<Self, Fault> {
        Ok(Self { label, state: release.state_at(now_ms), digest: release.digest()?, release })
    }
}

/// What was looked at when somebody asked.
struct Asked {
    source: PinnedVersion,
    leaves: Leaving,
    findings: Vec<String>,
}

/// Where a release goes, as its mapping says today.
struct Route {
    mapping: Mapping,
    to_account: AccountNumber,
    to_bucket: BucketName,
    /// The banner of the new label.
    new_label: String,
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::refused(Code::InvalidRequest, message)
}

/// Who acts, as the rows of releases name people.
fn actor(session: &Session) -> Result<Actor, Fault> {
    match session.subject().principal() {
        Principal::User { name, id, .. } => Ok(Actor { name: name.to_string(), id: id.clone() }),
        Principal::Operator => Err(crate::perform::mismatch()),
    }
}

/// Who decides, and with which key.
fn reviewer(session: &Session) -> Result<(Actor, AccessKeyId), Fault> {
    Ok((actor(session)?, session.subject().key().clone()))
}

/// What the requester wants said of the object below, and nothing else: it is what reviewers see.
fn check_metadata(wanted: &Attributes, mapping: &Mapping) -> Result<(), Fault> {
    let Attributes { content_type, metadata, .. } = wanted;
    let only = Attributes { content_type: content_type.clone(), metadata: metadata.clone(), ..Attributes::default() };
    if *wanted != only {
        return Err(invalid("a release has a type and metadata, and no other headers"));
    }
    if metadata.len() > METADATA_MAX || wanted.metadata_len() > Attributes::METADATA_LEN_MAX {
        return Err(invalid(format!("a release has at most {METADATA_MAX} metadata, of 2,048 bytes together")));
    }
    if metadata.iter().any(|(name, value)| name.chars().chain(value.chars()).any(char::is_control)) {
        return Err(invalid("metadata has no control characters"));
    }
    match metadata.keys().find(|name| !mapping.metadata.contains(name)) {
        Some(name) => Err(invalid(format!("the mapping lets no metadata `{name}` go"))),
        None => Ok(()),
    }
}

impl Gate {
    /// Looks at what somebody wants released, and keeps the request with every finding; what a filter stops is refused.
    pub(super) async fn request_release(
        &self,
        session: &Session,
        permit: &Permit,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        let CrossingAct::RequestRelease { wanted } = super::act(permit)? else {
            return Err(crate::perform::mismatch());
        };
        let wanted = wanted.as_ref();
        let Some(crossing) = &self.crossing else {
            return Err(invalid("this region has no guard, and nothing crosses"));
        };
        let target = &wanted.source;
        let (label, context) = (permit.view().session(), session.context());
        let route = self.release_route(crossing, permit, (wanted, target))?;
        // One content of a label at a time: each is held in memory whole.
        let turn = crossing.turn(label);
        let Asked { source, leaves, findings } = {
            let _turn = turn.lock().await;
            let (gate, with, permit) = (self.clone(), Arc::clone(crossing), permit.clone());
            let (mapping, banner, wanted) = (route.mapping.clone(), route.new_label.clone(), wanted.clone());
            apart(move || {
                let opened = gate.store.open_release(&permit)?;
                gate.look_at_release(&with, permit.view(), (&mapping, banner.as_str()), (&wanted, opened))
            })
            .await?
        };
        let new = NewRelease {
            by: actor(session)?,
            key: session.subject().key().clone(),
            source,
            leaves,
            origin: crossing.parts.own.region().clone(),
            label: self.banner(label).to_string(),
            mapping: route.mapping.name,
            to_account: route.to_account,
            to_bucket: route.to_bucket,
            new_label: route.new_label,
            findings,
        };
        let record = draft.record(|release: &Release| {
            let digest = release.digest().unwrap_or_default();
            Some(format!("release {} mapping {} digest={digest}", release.id, release.mapping))
        });
        let release = self.store.request_release(permit, new, context.moment, record).await?;
        Ok(CrossingAnswer::Release(Box::new(ReleaseShown::of(label, release, context.moment.now_ms)?)).into())
    }

    /// What can be refused before anything is read.
    fn release_route(
        &self,
        crossing: &Crossing,
        permit: &Permit,
        (wanted, target): (&ReleaseWanted, &ObjectTarget),
    ) -> Result<Route, Fault> {
        let (policy, label) = (self.store.policy(), permit.view().session());
        let account = permit.view().account().ok_or_else(crate::perform::mismatch)?;
        if !DAYS.contains(&wanted.days) {
            return Err(invalid("a release waits 1 to 30 days"));
        }
        let beside = crossing.beside(&wanted.to);
        if !matches!(beside, Some(Beside::Below | Beside::Own)) {
            let to = &wanted.to;
            let message = format!("a release goes to a region below, or to this one itself; `{to}` is neither here");
            return Err(invalid(message));
        }
        if permit.bucket(&target.bucket).is_none_or(|bucket| bucket.account != account) {
            return Err(Fault::refused(Code::AccessDenied, "a release is of your own account's buckets"));
        }
        let new = policy.label(&wanted.marking).map_err(|error| invalid(error.to_string()))?;
        if beside == Some(Beside::Own) {
            if new == label {
                return Err(invalid("the object has that label already"));
            }
            if !self.store.labels().holds(new) {
                return Err(invalid("this region does not hold the new label"));
            }
        }
        if new != label && label.is_dominated_by(new) {
            return Err(invalid("the new label dominates the old one: that takes a copy or a lift, and no release"));
        }
        let way = (CrossingWay::Release, &target.bucket, &wanted.to);
        let mapping =
            self.store.directory(permit, |rows| sending_mapping(rows, account, way, wanted.mapping.as_ref()))?;
        let Half::Send { to_account, to_bucket, .. } = &mapping.half else {
            return Err(crate::perform::mismatch());
        };
        check_metadata(&wanted.metadata, &mapping)?;
        // Its size comes later; what the mapping says of label and type is said now.
        may_go(&mapping, self, (new, 0), wanted.metadata.content_type.as_ref())?;
        let (to_account, to_bucket, new_label) = (*to_account, to_bucket.clone(), policy.banner(new));
        Ok(Route { mapping, to_account, to_bucket, new_label })
    }

    /// Reads the content and has the filters look at it, as something of the new label. It blocks.
    fn look_at_release(
        &self,
        crossing: &Crossing,
        view: &View,
        (mapping, new_label): (&Mapping, &str),
        (wanted, opened): (&ReleaseWanted, Releasable),
    ) -> Result<Asked, Fault> {
        let Releasable { bucket, key, version, size, content } = opened;
        let new = self.store.policy().label(new_label).map_err(|error| invalid(error.to_string()))?;
        may_go(mapping, self, (new, size), wanted.metadata.content_type.as_ref())?;
        let plain = whole(&content, size)?
            .ok_or_else(|| invalid("the object cannot be read: it is damaged, or was contained meanwhile"))?;
        let source = PinnedVersion { bucket, key, version, newest: is_newest(wanted), size, sha256: sha256(&plain) };
        let suspect = Suspect {
            name: wanted.key.to_string(),
            content_type: wanted.metadata.content_type.clone().unwrap_or_default(),
            label: new_label.to_owned(),
            metadata: wanted.metadata.metadata.clone().into_iter().collect(),
            content: plain.to_vec(),
        };
        match crossing.filter(view.session(), mapping, suspect)? {
            Filtered::Stopped(findings) => {
                Err(invalid(format!("the filters stop it: {}", clipped(&findings.join("; ")))))
            }
            Filtered::Passed(content, findings) => {
                if wanted.gaps {
                    self.check_gaps(wanted, &content)?;
                }
                let leaves = leaving_of(&content);
                may_go(mapping, self, (new, leaves.size), wanted.metadata.content_type.as_ref())?;
                // First, since there is an end to how many findings are kept.
                let anew = (leaves.sha256 != source.sha256).then(|| {
                    format!("written anew: other bytes leave than lie here, sha256={}", hex::encode(leaves.sha256))
                });
                Ok(Asked { source, leaves, findings: anew.into_iter().chain(findings).collect() })
            }
        }
    }

    /// Shows a reviewer everything of a release, and the bytes that would leave; then it is noted that they saw it.
    async fn review_release(&self, session: &Session, permit: &Permit, draft: &Draft) -> Result<Answer, Fault> {
        let Some(crossing) = &self.crossing else {
            return Err(invalid("this region has no guard, and nothing crosses"));
        };
        let (label, moment, by) = (permit.view().session(), session.context().moment, actor(session)?);
        let release = self.store.reviewable(permit, &by)?;
        let is_open = release.state_at(moment.now_ms).is_open();
        let shown = match is_open {
            true => self.read_for_review(crossing, label, &release).await.map(Some),
            false => Ok(None),
        };
        let (content, why_not) = match shown {
            Ok(content) => (content, Ok(())),
            Err(Halt::Failed(fault)) => return Err(fault),
            Err(Halt::Waits) => return Err(crate::perform::mismatch()),
            Err(Halt::Ends(_, refusal)) => (None, Err(Fault::refused(refusal.code, refusal.message))),
        };
        let draft = if is_open { draft.reading(&release.source) } else { draft.clone() };
        let record = draft.record_outcome(|step: &ReleaseStep| match step {
            ReleaseStep::Taken(release) => Outcome::Done(release.digest().ok().map(|it| format!("digest={it}"))),
            ReleaseStep::Ended(_) => outcome_of(step),
        });
        match self.store.review_release(permit, by, why_not, moment, record).await? {
            ReleaseStep::Ended(release) => Err(ended(&release)),
            ReleaseStep::Taken(release) => {
                let content = content.map(|content| Bytes::from(content.to_vec()));
                Ok(CrossingAnswer::Review(Box::new(ReleaseShown::of(label, release, moment.now_ms)?), content).into())
            }
        }
    }

    /// The bytes that would leave. One content of a label at a time: each is held in memory whole.
    async fn read_for_review(
        &self,
        crossing: &Arc<Crossing>,
        label: Label,
        release: &Release,
    ) -> Result<Zeroizing<Vec<u8>>, Halt> {
        let turn = crossing.turn(label);
        let _turn = turn.lock().await;
        let leave = self.leave_to_read(label, release)?;
        let (gate, with, release) = (self.clone(), Arc::clone(crossing), release.clone());
        let read = move || gate.what_leaves(&with, label, (&release, &leave.mapping), &leave.permit);
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(Halt::Failed(Fault::Failed(format!("a release: {error}")))))
    }

    pub(super) async fn perform_release(
        &self,
        session: &Session,
        permit: &Permit,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        let (label, moment) = (permit.view().session(), session.context().moment);
        let shown = |label, release| ReleaseShown::of(label, release, moment.now_ms);
        let one = |shown: ReleaseShown| CrossingAnswer::Release(Box::new(shown));
        let step = |step: ReleaseStep| match step {
            ReleaseStep::Taken(release) => Ok(release),
            ReleaseStep::Ended(release) => Err(ended(&release)),
        };
        let answer = match super::act(permit)? {
            CrossingAct::ReviewRelease { .. } => return self.review_release(session, permit, draft).await,
            CrossingAct::ApproveRelease { .. } => {
                let record = draft.record_outcome(outcome_of);
                let taken = self.store.approve_release(permit, reviewer(session)?, moment, record).await?;
                one(shown(label, step(taken)?)?)
            }
            CrossingAct::RefuseRelease { .. } => {
                let record = draft.record_outcome(outcome_of);
                let taken = self.store.refuse_release(permit, reviewer(session)?, moment, record).await?;
                one(shown(label, step(taken)?)?)
            }
            CrossingAct::DescribeRelease { .. } => {
                let (label, release) = self.store.release(permit)?;
                one(shown(label, release)?)
            }
            CrossingAct::ListReleases { .. } => {
                let (all, more) = self.store.releases(permit)?;
                let all: Result<Vec<_>, Fault> = all.into_iter().map(|(label, one)| shown(label, one)).collect();
                CrossingAnswer::Releases(all?, more)
            }
            _ => return Err(crate::perform::mismatch()),
        };
        Ok(answer.into())
    }
}

/// Whether nobody named a version.
const fn is_newest(wanted: &ReleaseWanted) -> bool {
    wanted.source.version.is_none()
}

/// What the mapping says of one object of a label, as if nothing had gone today.
fn may_go(
    mapping: &Mapping,
    gate: &Gate,
    (label, size): (Label, u64),
    content_type: Option<&String>,
) -> Result<(), Fault> {
    let one = Candidate { label, content_type: content_type.cloned(), size };
    let answers = decide::send(mapping, gate.store.policy(), label, Used::default(), std::slice::from_ref(&one))
        .map_err(|refusal| Fault::refused(refusal.code, refusal.message))?;
    let most = mapping.object_len_max.min(CROSSING_OBJECT_LEN_MAX).min(mapping.bytes_per_day);
    match answers.into_iter().next().unwrap_or(Err(Stop::Day)) {
        Ok(()) => Ok(()),
        Err(Stop::Type) => Err(invalid("the mapping lets no object of that type go, or it claims none that crosses")),
        Err(Stop::TooLarge) => {
            Err(Fault::refused(Code::EntityTooLarge, format!("the mapping lets at most {most} bytes of an object go")))
        }
        Err(why) => Err(invalid(format!("the mapping does not let it go: {}", why.name()))),
    }
}

/// The whole content; nothing when there is no more to have of it.
pub(super) fn whole(content: &fastness_store::Content, size: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    let mut plain = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0)));
    Ok(content.read(|piece| plain.extend_from_slice(piece))?.then_some(plain))
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

fn clipped(text: &str) -> String {
    text.chars().take(1_000).collect()
}

/// What somebody is told who decides about a release that just ended.
fn ended(release: &Release) -> Fault {
    let why = release.why.as_deref().unwrap_or_default();
    invalid(format!("the release is {}, and nothing of it leaves: {why}", release.state.name()))
}

/// What the entry of a decision says; a step that found the release over is a refusal.
fn outcome_of(step: &ReleaseStep) -> Outcome {
    match step {
        ReleaseStep::Taken(release) => {
            Outcome::Done(Some(format!("{} with {} approvals", release.state.name(), release.approvals.len())))
        }
        ReleaseStep::Ended(release) => {
            Outcome::Refused(Reason::Request.as_str().to_owned(), release.state.name().to_owned())
        }
    }
}

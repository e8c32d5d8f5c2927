//! Sending releases: what two reviewers approved goes into a bundle, if everything is still as they saw it.
//!
//! ```text
//! requester and reviewers looked at anew → SendObjects decided → mapping → content hashed while it is written
//!   → committed with its entry, object and votes looked at once more → released
//! ```
//!
//! As for lifts, the commit makes the bundle sent. Its id is the release's.

use super::order::Unfollowed;
use super::release::{sha256, whole};
use super::seams::WholeFile;
use super::send::{STAGED_MAX, disk, sealing};
use super::{Crossing, apart};
use crate::record::Draft;
use crate::{Context, Gate, Reason, Refusal};
use fastness_crossing::{BundleError, BundleWriter, Errand, NewObject, Outline, Peer, RELEASE_HOUR_MS};
use fastness_decide::crossing::{self as decide, Candidate};
use fastness_decide::{Chore, Permit};
use fastness_identity::Duty;
use fastness_identity::directory::{Mapping, find_user, sending_mapping};
use fastness_label::Label;
use fastness_ledger::Outcome;
use fastness_operation::{Code, CrossingAct, CrossingWay, Half, Operation, Stop, UserName, VersionId};
use fastness_store::{
    Fault, PinnedVersion, Release, ReleaseState, ReleaseStep, ReleaseVote, Sendable, SentBundle, day_of,
};
use std::sync::Arc;

/// Why a release does not go.
enum Halt {
    /// Not now.
    Waits,
    /// Not any more: the state in which it ends, and why.
    Ends(ReleaseState, Refusal),
    /// It cannot be said now.
    Failed(Fault),
}

impl From<Unfollowed> for Halt {
    fn from(unfollowed: Unfollowed) -> Self {
        match unfollowed {
            Unfollowed::Refused(refusal) => Self::Ends(ReleaseState::Stopped, refusal),
            Unfollowed::Failed(fault) => Self::Failed(fault),
        }
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Unfollowed::from(fault).into()
    }
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Unfollowed::from(refusal).into()
    }
}

fn ends(state: ReleaseState, message: impl Into<String>) -> Halt {
    Halt::Ends(state, Refusal::new(Code::InvalidRequest, Reason::Request, message))
}

/// What one release is sent with.
struct Errands {
    crossing: Arc<Crossing>,
    release: Release,
    mapping: Mapping,
    peer: Arc<Peer>,
    context: Context,
    label: Label,
}

impl Gate {
    /// Sends what is approved of the releases of a label, oldest first; how many went. Whoever calls it calls it again.
    ///
    /// # Errors
    /// A failure; what was not done is done by the next call.
    pub async fn send_releases(&self, label: Label) -> Result<usize, Fault> {
        let Some(crossing) = self.crossing.clone() else { return Ok(0) };
        let Some(chore) = Chore::of(label, &self.store.labels()) else { return Ok(0) };
        let turn = crossing.turn(label);
        let mut turn = turn.lock().await;
        self.settle_staged(&crossing, &chore, &mut turn)?;
        let (mut bundles, mut failed) = (0, None);
        for release in self.store.due_releases(&chore)? {
            self.settle_staged(&crossing, &chore, &mut turn)?;
            let (account, id) = (release.account, release.id.clone());
            let context = self.context_of_order(label, &format!("release {id}"));
            let draft = Draft::on_a_releases_order(self, label, &release, &context);
            turn.settled = false;
            match self.send_release(&crossing, label, release, context.clone()).await {
                Ok(()) => bundles += 1,
                Err(Halt::Waits) => {}
                // One that cannot go now holds up no other.
                Err(Halt::Failed(fault)) => {
                    failed = failed.or(Some(fault));
                    continue;
                }
                Err(Halt::Ends(state, refusal)) => {
                    let entry = draft.refused(refusal.reason, refusal.code.as_str());
                    let record = Box::new(move |_: &Result<Release, Fault>| entry);
                    let why = (state, refusal.message);
                    match self.store.end_release(&chore, (account, &id), why, context.moment, record).await {
                        // A reviewer refused it meanwhile, or it ended in its turn.
                        Ok(_) | Err(Fault::Refused { .. } | Fault::Withheld(_)) => {}
                        Err(fault) => return Err(fault),
                    }
                }
            }
            turn.settled = true;
        }
        failed.map_or(Ok(bundles), Err)
    }

    async fn send_release(
        &self,
        crossing: &Arc<Crossing>,
        label: Label,
        release: Release,
        context: Context,
    ) -> Result<(), Halt> {
        let now_ms = context.moment.now_ms;
        if release.state_at(now_ms) == ReleaseState::Expired {
            return Err(ends(ReleaseState::Expired, "its time ran out"));
        }
        if !release.is_approved()? {
            return Err(ends(ReleaseState::Changed, "the approvals are not of what it says"));
        }
        let subject = self.subject_today(&release.key, &release.by, label)?;
        let permit = self.permit_for(&subject, sending(&release))?;
        if permit.withholds(&release.source.bucket, label) {
            return Err(ends(ReleaseState::Stopped, "a policy withholds the object from whoever asked for it"));
        }
        for vote in &release.approvals {
            self.reviewer_today(&permit, &release, vote)?;
        }
        let mapping = self.mapping_today(&permit, &release)?;
        let used = self.store.used(&permit, &mapping.name, day_of(now_ms))?;
        let new_label = self.new_label(&release)?;
        let content_type = release.attributes.content_type.clone();
        let one = Candidate { label: new_label, content_type, size: release.source.size };
        let answers = decide::send(&mapping, self.store.policy(), new_label, used, std::slice::from_ref(&one))?;
        match answers.into_iter().next().unwrap_or(Err(Stop::Day)) {
            Ok(()) => {}
            Err(Stop::Day) => return Err(Halt::Waits),
            Err(why) => {
                let message = format!("the mapping does not let it go any more: {}", why.name());
                return Err(ends(ReleaseState::Stopped, message));
            }
        }
        // Keys that are not here yet, and a carrier that does not come, hold it up and end nothing.
        let peer = crossing.keys(&release.to).ok_or(Halt::Waits)?;
        let waiting = crossing.parts.staging.staged(&release.to, &self.banner(label)).map_err(disk)?;
        if waiting >= STAGED_MAX {
            return Err(Halt::Waits);
        }
        let errands = Errands { crossing: Arc::clone(crossing), release, mapping, peer, context, label };
        let (gate, opening) = (self.clone(), permit.clone());
        let (errands, file) = tokio::task::spawn_blocking(move || {
            let file = gate.write_release(&errands, &opening)?;
            Ok::<_, Halt>((errands, file))
        })
        .await
        .map_err(|error| Halt::Failed(Fault::Failed(format!("a release: {error}"))))??;
        let Errands { release, mapping, context, .. } = errands;
        let draft = Draft::on_order(self, &subject, &context, permit.operation());
        let sent = SentBundle { mapping: mapping.name, day: day_of(now_ms), bytes: release.source.size };
        let record = draft.record_outcome(outcome_of);
        match self.store.send_release(&permit, sent, context.moment, record).await {
            Ok(ReleaseStep::Taken(_)) => Ok(apart(move || file.release().map_err(disk)).await?),
            // It ended in its turn, or was refused meanwhile: the entry says so.
            Ok(ReleaseStep::Ended(_)) | Err(Fault::Refused { .. } | Fault::Withheld(_)) => {
                apart(move || file.discard().map_err(disk)).await?;
                Err(Halt::Waits)
            }
            // It may be committed all the same: the next turn looks.
            Err(fault) => Err(Halt::Failed(fault)),
        }
    }

    /// Whether who approved it may still: the same user, with the duty and the clearance.
    fn reviewer_today(&self, permit: &Permit, release: &Release, vote: &ReleaseVote) -> Result<(), Halt> {
        let gone = || ends(ReleaseState::Stopped, "somebody who approved it is no reviewer any more");
        let name = UserName::new(vote.by.name.as_str()).map_err(|_| gone())?;
        let user = match self.store.directory(permit, |rows| find_user(rows, release.account, &name)) {
            Ok(user) => user,
            Err(Fault::Failed(text)) => return Err(Halt::Failed(Fault::Failed(text))),
            Err(_) => return Err(gone()),
        };
        let may = user.may_use(self.store.policy(), &self.store.labels(), permit.view().session()).is_ok();
        if user.id == vote.by.id && user.duty() == Some(Duty::Reviewer) && may { Ok(()) } else { Err(gone()) }
    }

    /// The mapping, if it still sends to where the reviewers saw it go.
    fn mapping_today(&self, permit: &Permit, release: &Release) -> Result<Mapping, Halt> {
        let way = (CrossingWay::Release, &release.source.bucket, &release.to);
        let find = |rows: &dyn fastness_identity::Directory| {
            sending_mapping(rows, release.account, way, Some(&release.mapping))
        };
        let mapping = self.store.directory(permit, find)?;
        let is_same = matches!(&mapping.half, Half::Send { to_account, to_bucket, .. }
            if *to_account == release.to_account && *to_bucket == release.to_bucket);
        let keys = release.attributes.metadata.keys();
        if is_same && keys.clone().all(|name| mapping.metadata.contains(name)) {
            return Ok(mapping);
        }
        Err(ends(ReleaseState::Changed, "the mapping was changed: it sends elsewhere, or lets less metadata go"))
    }

    fn new_label(&self, release: &Release) -> Result<Label, Halt> {
        let label = self.store.policy().label(&release.new_label);
        label.map_err(|error| ends(ReleaseState::Stopped, error.to_string()))
    }

    /// Writes the version into a staged file, if it is the one that was reviewed. It blocks.
    fn write_release(&self, errands: &Errands, permit: &Permit) -> Result<Box<dyn WholeFile>, Halt> {
        let Errands { crossing, release, peer, label, .. } = errands;
        let changed = || ends(ReleaseState::Changed, "the object was changed, removed or contained");
        let opened = self.store.open_versions(permit)?.into_iter().next().unwrap_or(Err(Stop::Gone));
        let Sendable { size, content, .. } = opened.map_err(|_| changed())?;
        let plain = whole(&content, size)?.ok_or_else(changed)?;
        // Nothing is written before it is known to be what the reviewers saw.
        if sha256(&plain) != release.source.sha256 {
            return Err(changed());
        }
        let banner = self.banner(*label);
        let file = crossing.parts.staging.stage(&release.to, &banner, &release.id.bundle()).map_err(disk)?;
        let mut writer = BundleWriter::begin(file, crossing.parts.own.region(), peer).map_err(sealing)?;
        let new = NewObject { key: release.new_key.clone(), attributes: release.attributes.clone() };
        match writer.object(new) {
            Ok(()) => {}
            Err(BundleError::Malformed(what)) => return Err(ends(ReleaseState::Stopped, what)),
            Err(error) => return Err(sealing(error).into()),
        }
        writer.write(&plain).map_err(sealing)?;
        if writer.end_object().map_err(sealing)? != release.source.sha256 {
            return Err(changed());
        }
        let now_ms = errands.context.moment.now_ms;
        let outline = Outline {
            id: release.id.bundle(),
            made_ms: now_ms - now_ms.rem_euclid(RELEASE_HOUR_MS),
            // Who asked and who decided stays here, in the ledger.
            errand: match release.gaps {
                true => Errand::Gaps,
                false => Errand::Release {
                    mapping: errands.mapping.name.clone(),
                    to_account: release.to_account,
                    to_bucket: release.to_bucket.clone(),
                },
            },
            label: self.new_label(release)?,
        };
        let written = writer.finish(outline, self.store.policy()).map_err(sealing)?;
        Ok(written.file.finish().map_err(disk)?)
    }
}

fn sending(release: &Release) -> Operation {
    let PinnedVersion { bucket, key, version, .. } = &release.source;
    Operation::Crossing(Box::new(CrossingAct::SendObjects {
        crossing: release.id.to_string(),
        bundle: release.id.bundle(),
        to: release.to.clone(),
        bucket: bucket.clone(),
        objects: vec![(key.clone(), VersionId::new(version.as_str()))],
    }))
}

/// What the entry says: it proves, above, who decided what came down under this id.
fn outcome_of(step: &ReleaseStep) -> Outcome {
    match step {
        ReleaseStep::Taken(release) => {
            let people: Vec<&str> = release.approvals.iter().map(|vote| vote.by.name.as_str()).collect();
            let digest = release.digest().unwrap_or_default();
            let (to, id, people) = (&release.to, &release.id, people.join(","));
            Outcome::Done(Some(format!("to {to} release {id} digest={digest} approved-by={people}")))
        }
        ReleaseStep::Ended(release) => {
            Outcome::Refused(Reason::Request.as_str().to_owned(), release.state.name().to_owned())
        }
    }
}

//! Sending releases: what two reviewers approved goes into a bundle, if everything is still as they saw it.
//!
//! ```text
//! requester and reviewers looked at anew → SendObjects decided → mapping → filters → what they wrote is what was approved
//!   → written → people and mapping looked at once more → committed with its entry, object, votes and directory the same
//!   → released
//! ```
//!
//! As for lifts, the commit makes the bundle sent. Its id is the release's.

use super::leaving::ends;
use super::order::Unfollowed;
use super::seams::WholeFile;
use super::send::{STAGED_MAX, disk, sealing};
use super::{Crossing, apart};
use crate::record::Draft;
use crate::{Context, Gate, Reason, Refusal};
use fastness_crossing::{BundleError, BundleWriter, Errand, NewObject, Outline, Peer, RELEASE_HOUR_MS};
use fastness_decide::crossing::{self as decide, Candidate};
use fastness_decide::{Chore, Permit};
use fastness_identity::directory::{Mapping, sending_mapping};
use fastness_identity::{Duty, Subject};
use fastness_label::Label;
use fastness_ledger::Outcome;
use fastness_operation::{CrossingAct, CrossingWay, Half, Operation, Stop, VersionId};
use fastness_store::{Fault, PinnedVersion, Release, ReleaseState, ReleaseStep, ReleaseVote, SentBundle, day_of};
use std::sync::Arc;

/// Why a release does not go.
pub(super) enum Halt {
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

/// What a release is read and sent with.
pub(super) struct Leave {
    subject: Subject,
    pub(super) permit: Permit,
    pub(super) mapping: Mapping,
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
        self.settle_staged(&crossing, &chore, &mut turn).await?;
        let (mut bundles, mut failed) = (0, None);
        for release in self.store.due_releases(&chore)? {
            self.settle_staged(&crossing, &chore, &mut turn).await?;
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
        let Leave { permit, mapping, .. } = self.leave_to_send(label, &release)?;
        let used = self.store.used(&permit, &mapping.name, day_of(now_ms))?;
        let new_label = self.new_label(&release)?;
        let content_type = release.attributes.content_type.clone();
        let one = Candidate { label: new_label, content_type, size: release.leaves.size };
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
        // Filters and disk took their time: everybody is looked at once more, and nobody changes before the commit.
        let directory_epoch = self.store.directory_epoch()?;
        let leave = match self.leave_to_send(label, &release) {
            Ok(leave) if leave.mapping == mapping => leave,
            Ok(_) => {
                apart(move || file.discard().map_err(disk)).await?;
                return Err(Halt::Waits);
            }
            Err(halt) => {
                apart(move || file.discard().map_err(disk)).await?;
                return Err(halt);
            }
        };
        let Leave { subject, permit, .. } = leave;
        let draft = Draft::on_order(self, &subject, &context, permit.operation());
        let sent =
            SentBundle { mapping: mapping.name, day: day_of(now_ms), bytes: release.leaves.size, directory_epoch };
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

    /// Leave to send a release as of now: of whoever asked for it, of whoever approved it, and of the mapping.
    fn leave_to_send(&self, label: Label, release: &Release) -> Result<Leave, Halt> {
        let leave = self.leave_to_read(label, release)?;
        for vote in &release.approvals {
            self.reviewer_today(label, release, vote)?;
        }
        Ok(leave)
    }

    /// The same, but for whoever approved it: enough for reviewers to be shown what would leave.
    pub(super) fn leave_to_read(&self, label: Label, release: &Release) -> Result<Leave, Halt> {
        let subject = self.subject_today(&release.key, &release.by, label)?;
        let permit = self.permit_for(&subject, sending(release))?;
        if permit.withholds(&release.source.bucket, label) {
            return Err(ends(ReleaseState::Stopped, "a policy withholds the object from whoever asked for it"));
        }
        let mapping = self.mapping_today(&permit, release)?;
        Ok(Leave { subject, permit, mapping })
    }

    /// Whether who approved it may still: the key opens a session of the same user, a reviewer, at the release's label.
    fn reviewer_today(&self, label: Label, release: &Release, vote: &ReleaseVote) -> Result<(), Halt> {
        let subject = match self.subject_today(&vote.key, &vote.by, label) {
            Ok(subject) => Some(subject),
            Err(Unfollowed::Failed(fault)) => return Err(Halt::Failed(fault)),
            Err(Unfollowed::Refused(_)) => None,
        };
        let is_one =
            |subject: &Subject| subject.duty() == Some(Duty::Reviewer) && subject.account() == Some(release.account);
        match subject.is_some_and(|subject| is_one(&subject)) {
            true => Ok(()),
            false => Err(ends(
                ReleaseState::Stopped,
                "somebody who approved it is no reviewer any more, or their key is off",
            )),
        }
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

    /// Writes what leaves into a staged file, if it is what was reviewed. It blocks.
    fn write_release(&self, errands: &Errands, permit: &Permit) -> Result<Box<dyn WholeFile>, Halt> {
        let Errands { crossing, release, peer, label, .. } = errands;
        // Nothing is written before it is known to be what the reviewers saw.
        let leaving = self.what_leaves(crossing, *label, (release, &errands.mapping), permit)?;
        let banner = self.banner(*label);
        let file = crossing.parts.staging.stage(&release.to, &banner, &release.id.bundle()).map_err(disk)?;
        let mut writer = BundleWriter::begin(file, crossing.parts.own.region(), peer).map_err(sealing)?;
        let new = NewObject { key: release.new_key.clone(), attributes: release.attributes.clone() };
        match writer.object(new) {
            Ok(()) => {}
            Err(BundleError::Malformed(what)) => return Err(ends(ReleaseState::Stopped, what)),
            Err(error) => return Err(sealing(error).into()),
        }
        writer.write(&leaving).map_err(sealing)?;
        if writer.end_object().map_err(sealing)? != release.leaves.sha256 {
            return Err(ends(ReleaseState::Changed, "what was written is not what was approved"));
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

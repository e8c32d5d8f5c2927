//! Sending: what lifts have to send goes into bundles, one at a time and label by label.
//!
//! ```text
//! subject opened anew → WalkLift decided → walk → mapping → SendObjects decided → written, synced
//!   → committed with its entry → released
//! ```
//!
//! The commit makes the bundle sent: it moves the lift's cursor and names the bundle. A file that no commit names is
//! removed; one that a commit names is released, by the next turn if a crash came between. So each object goes once; but
//! what was in a bundle that was taken back before anybody carried it, goes again (docs/decisions/0029-what-is-taken-back.md).

use super::order::Unfollowed;
use super::seams::{StagedFile, WholeFile};
use super::{Crossing, LabelTurn, Rest, apart};
use crate::record::Draft;
use crate::{Context, Gate};
use fastness_crossing::{BundleError, BundleWriter, Errand, NewObject, Outline, Peer, Person};
use fastness_decide::crossing::{self as decide, Candidate};
use fastness_decide::{Chore, Permit};
use fastness_identity::directory::{Mapping, sending_mapping};
use fastness_identity::{Duty, Subject};
use fastness_label::Label;
use fastness_operation::{Attributes, BundleId, CrossingAct, CrossingWay, Half, Operation, Stop};
use fastness_store::{
    Again, Fault, Lift, LiftStep, Liftable, Opening, Resendable, Sendable, SentBundle, Walked, day_of,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bundles of a label that may wait for the carrier; then its lifts wait, too.
pub(super) const STAGED_MAX: usize = 256;

/// What a batch is sent with.
struct Errands {
    crossing: Arc<Crossing>,
    lift: Lift,
    subject: Subject,
    mapping: Mapping,
    peer: Arc<Peer>,
    context: Context,
    label: Label,
}

/// What a step looked at, by key: what goes, and why the rest stays. A cut takes away what is behind it, so that the next
/// step looks at that anew and nothing is counted twice.
struct Batch {
    seen: BTreeMap<String, Result<Arc<Liftable>, Stop>>,
    /// Where the lift stands afterwards.
    to: Option<String>,
    over: bool,
    /// Of what goes again: all of it. The lift stands where it stood.
    again: Option<Again>,
}

impl Batch {
    /// What goes, in the order of keys.
    fn goes(&self) -> Vec<Arc<Liftable>> {
        self.seen.values().filter_map(|one| one.as_ref().ok()).cloned().collect()
    }

    fn leave_out(&mut self, one: &Liftable, why: Stop) {
        self.seen.insert(one.key.to_string(), Err(why));
    }

    /// Ends the step before a key; a step that looked at nothing ends where the lift stood.
    fn cut_before(&mut self, key: &str, stood: Option<&String>) {
        self.seen.split_off(key);
        if self.again.is_none() {
            self.to = self.seen.last_key_value().map(|(last, _)| last).or(stood).cloned();
        }
        self.over = false;
    }

    /// What goes again later: what the step did not look at.
    fn rest(&self) -> Option<Again> {
        let mut again = self.again.clone()?;
        again.objects.retain(|(key, _)| !self.seen.contains_key(key.as_str()));
        Some(again)
    }

    fn left_out(&self) -> BTreeMap<Stop, u64> {
        let mut counts = BTreeMap::new();
        for why in self.seen.values().filter_map(|one| one.as_ref().err()) {
            *counts.entry(*why).or_default() += 1;
        }
        counts
    }
}

/// What a call did for one lift.
#[derive(Default)]
struct Went {
    /// Whether a bundle went.
    bundle: bool,
    /// Up to which version the pass of a standing lift went, if it is over.
    passed: Option<u64>,
}

impl Went {
    /// `over`: whether the step looked at the last there is.
    fn of(lift: &Lift, bundle: bool, over: bool) -> Self {
        Self { bundle, passed: (lift.standing && over).then_some(lift.passing) }
    }
}

/// A bundle that is durable.
struct Written {
    file: Box<dyn WholeFile>,
    bytes: u64,
}

impl Gate {
    /// Sends one bundle of each lift of a label that has something to send, oldest first; how many bundles went. Whoever
    /// calls it calls it again: a lift that may go no longer ends, one that must wait waits.
    ///
    /// # Errors
    /// A failure; what was not done is done by the next call.
    pub async fn send_lifts(&self, label: Label) -> Result<usize, Fault> {
        let Some(crossing) = self.crossing.clone() else { return Ok(0) };
        let Some(chore) = Chore::of(label, &self.store.labels()) else { return Ok(0) };
        let turn = crossing.turn(label);
        let mut turn = turn.lock().await;
        self.settle_staged(&crossing, &chore, &mut turn).await?;
        let (mut bundles, mut failed) = (0, None);
        let due = self.store.due_lifts(&chore)?;
        turn.rests.retain(|id, _| due.iter().any(|lift| lift.id == *id));
        for mut lift in due {
            let (account, id) = (lift.account, lift.id.clone());
            let context = self.context_of_order(label, &format!("lift {id}"));
            let now_ms = context.moment.now_ms;
            if !turn.wakes(&mut lift, self.store.next_sequence(&chore)?, now_ms) {
                continue;
            }
            self.settle_staged(&crossing, &chore, &mut turn).await?;
            let draft = Draft::on_a_lifts_order(self, label, &lift, &context);
            // Not before the file has its name is the next one written.
            turn.settled = false;
            match self.send_bundle(&crossing, label, lift, context.clone()).await {
                Ok(Went { bundle, passed }) => {
                    bundles += usize::from(bundle);
                    turn.rests.extend(passed.map(|passing| (id, Rest { passing, at_ms: now_ms })));
                }
                // One that cannot go now holds up no other.
                Err(Unfollowed::Failed(fault)) => {
                    failed = failed.or(Some(fault));
                    continue;
                }
                Err(Unfollowed::Refused(refusal)) => {
                    let entry = draft.refused(refusal.reason, refusal.code.as_str());
                    let record = Box::new(move |_: &Result<Lift, Fault>| entry);
                    let why = refusal.message;
                    match self.store.refuse_lift(&chore, (account, &id), why, context.moment, record).await {
                        // Somebody stopped it meanwhile.
                        Ok(_) | Err(Fault::Refused { .. } | Fault::Withheld(_)) => {}
                        Err(fault) => return Err(fault),
                    }
                }
            }
            turn.settled = true;
        }
        failed.map_or(Ok(bundles), Err)
    }

    /// Gives names to the files that a crash or a failure left whole, removes the others, and takes back what is held. Whoever
    /// sends from a label does this first, in the label's turn.
    pub(crate) async fn settle_staged(
        &self,
        crossing: &Arc<Crossing>,
        chore: &Chore,
        turn: &mut LabelTurn,
    ) -> Result<(), Fault> {
        if turn.settled {
            return Ok(());
        }
        self.name_staged(crossing, chore)?;
        self.take_held_back(crossing, chore, turn).await?;
        turn.settled = true;
        Ok(())
    }

    /// Gives names to the files that a crash or a failure left whole, and removes the others.
    pub(super) fn name_staged(&self, crossing: &Crossing, chore: &Chore) -> Result<(), Fault> {
        let (banner, committed) = (self.banner(chore.view().session()), self.store.committed_bundles(chore)?);
        let mut names = crossing.parts.regions.names();
        names.push(crossing.parts.own.region().clone());
        let settle = |to| crossing.parts.staging.settle(&to, &banner, &|id: &BundleId| committed.contains(id));
        // All of them, whatever becomes of one.
        let all: Vec<_> = names.into_iter().map(settle).collect();
        all.into_iter().collect::<Result<(), _>>().map_err(disk)
    }

    /// One bundle of a lift, if there is one.
    async fn send_bundle(
        &self,
        crossing: &Arc<Crossing>,
        label: Label,
        lift: Lift,
        context: Context,
    ) -> Result<Went, Unfollowed> {
        let subject = self.subject_today(&lift.key, &lift.by, label)?;
        let walk =
            CrossingAct::WalkLift { lift: lift.id.clone(), bucket: lift.bucket.clone(), prefix: lift.prefix.clone() };
        let walk = self.permit_for(&subject, Operation::Crossing(Box::new(walk)))?;
        let mapping = self.lifts_mapping(&walk, &lift)?;
        // Keys that are not here yet, and a carrier that does not come, hold a lift up and end none.
        let Some(peer) = crossing.keys(&lift.to) else { return Ok(Went::default()) };
        let banner = self.banner(label);
        if crossing.parts.staging.staged(&lift.to, &banner).map_err(disk)? >= STAGED_MAX {
            return Ok(Went::default());
        }
        let errands = Errands { crossing: Arc::clone(crossing), lift, subject, mapping, peer, context, label };
        let Some(mut batch) = self.choose(&errands, &walk).await? else { return Ok(Went::default()) };
        if errands.lift.standing && errands.lift.cursor.is_none() && batch.over && batch.seen.is_empty() {
            // Nothing to say, and so no entry: what stands would fill the ledger.
            return Ok(Went::of(&errands.lift, false, true));
        }
        let bundle = BundleId::from_random(StdRng::from_seed(errands.context.moment.seed).random());
        let Some(opening) = self.permit_to_send(&errands, &bundle, &mut batch)? else {
            let over = batch.over;
            let lift = self.advance(&errands, walk, batch, None).await?;
            return Ok(Went::of(&lift, false, over));
        };
        let (gate, id) = (self.clone(), bundle.clone());
        let (errands, batch, written) = apart(move || {
            let opened = gate.store.open_versions(&opening)?;
            let written = gate.write_bundle(&errands, &id, &mut batch, opened)?;
            Ok((errands, batch, written))
        })
        .await?;
        let over = batch.over;
        let Some(Written { file, bytes }) = written else {
            let lift = self.advance(&errands, walk, batch, None).await?;
            return Ok(Went::of(&lift, false, over));
        };
        // What was gone, or is damaged, is not in the bundle: it is not in the entry either. Reading and writing took their
        // time: who ordered it is looked at once more, and nobody changes before the commit.
        let directory_epoch = self.store.directory_epoch()?;
        let again = || {
            let subject = self.subject_today(&errands.lift.key, &errands.lift.by, label)?;
            let send = self.permit_for(&subject, errands.sending(&bundle, &batch.goes()))?;
            let mapping = self.lifts_mapping(&send, &errands.lift)?;
            Ok::<_, Unfollowed>((send, mapping == errands.mapping))
        };
        let send = match again() {
            Ok((send, true)) => send,
            Ok((_, false)) => {
                apart(move || file.discard().map_err(disk)).await?;
                return Ok(Went::default());
            }
            Err(why) => {
                apart(move || file.discard().map_err(disk)).await?;
                return Err(why);
            }
        };
        let mapping = errands.mapping.name.clone();
        let sent = SentBundle { mapping, day: day_of(errands.context.moment.now_ms), bytes, directory_epoch };
        match self.advance(&errands, send, batch, Some(sent)).await {
            Ok(lift) => {
                apart(move || file.release().map_err(disk)).await?;
                Ok(Went::of(&lift, true, over))
            }
            // It was stopped, or stands elsewhere: nothing of this bundle went.
            Err(Fault::Refused { .. } | Fault::Withheld(_)) => {
                apart(move || file.discard().map_err(disk)).await?;
                Ok(Went::default())
            }
            // It may be committed all the same: the next turn looks.
            Err(fault) => Err(Unfollowed::Failed(fault)),
        }
    }

    /// The mapping of a lift as it is today.
    fn lifts_mapping(&self, permit: &Permit, lift: &Lift) -> Result<Mapping, Fault> {
        let way = (CrossingWay::Lift, &lift.bucket, &lift.to);
        self.store.directory(permit, |rows| sending_mapping(rows, lift.account, way, Some(&lift.mapping)))
    }

    /// Walks, and asks the mapping what of it may go; nothing when the day's measure lets nothing go.
    async fn choose(&self, errands: &Errands, walk: &Permit) -> Result<Option<Batch>, Unfollowed> {
        let Errands { lift, mapping, label, context, .. } = errands;
        let used = self.store.used(walk, &mapping.name, day_of(context.moment.now_ms))?;
        let (found, mut batch) = match self.resendable(walk).await? {
            Some(Resendable { again, found, later }) => {
                let gone = again.objects.iter().map(|(key, _)| (key.to_string(), Err(Stop::Gone)));
                let mut seen: BTreeMap<_, _> = gone.collect();
                seen.extend(later.into_iter().map(|key| (key.to_string(), Err(Stop::Later))));
                (found, Batch { seen, to: lift.cursor.clone(), over: false, again: Some(again) })
            }
            None => {
                let mut walked = self.walk_on(walk, lift.clone()).await?;
                // A pass over a bucket in which little is new needs no entry for each step of it.
                while lift.standing && !walked.over && walked.found.is_empty() {
                    walked = self.walk_on(walk, Lift { cursor: walked.cursor, ..lift.clone() }).await?;
                }
                let later = walked.later.into_iter().map(|key| (key, Err(Stop::Later))).collect();
                (walked.found, Batch { seen: later, to: walked.cursor, over: walked.over, again: None })
            }
        };
        // What alone is more than a day's measure would be waited for without end.
        let at_once = |one: &Liftable| match one {
            one if one.customer => Some(Stop::CustomerKey),
            one if one.size > mapping.bytes_per_day => Some(Stop::TooLarge),
            _ => None,
        };
        let candidate =
            |one: &Liftable| Candidate { label: *label, content_type: one.content_type.clone(), size: one.size };
        let asked: Vec<Candidate> = found.iter().filter(|one| at_once(one).is_none()).map(candidate).collect();
        let answers = decide::send(mapping, self.store.policy(), *label, used, &asked)?;
        let mut answers = answers.into_iter();
        for one in found {
            let answer = match at_once(&one) {
                Some(why) => Err(why),
                None => answers.next().unwrap_or(Err(Stop::Day)),
            };
            let key = one.key.to_string();
            if answer == Err(Stop::Day) {
                // The rest waits for another day, where it is.
                batch.cut_before(&key, lift.cursor.as_ref());
                return Ok((!batch.seen.is_empty()).then_some(batch));
            }
            batch.seen.insert(key, answer.map(|()| Arc::new(one)));
        }
        Ok(Some(batch))
    }

    async fn walk_on(&self, permit: &Permit, lift: Lift) -> Result<Walked, Fault> {
        let (gate, permit) = (self.clone(), permit.clone());
        apart(move || gate.store.walk_lift(&permit, &lift)).await
    }

    async fn resendable(&self, permit: &Permit) -> Result<Option<Resendable>, Fault> {
        let (gate, permit) = (self.clone(), permit.clone());
        apart(move || gate.store.resendable(&permit)).await
    }

    /// Leave to send what goes: of all at once, or, if a policy withholds some of it, of the rest. Nothing when nothing is
    /// left.
    fn permit_to_send(
        &self,
        errands: &Errands,
        bundle: &BundleId,
        batch: &mut Batch,
    ) -> Result<Option<Permit>, Unfollowed> {
        let Errands { lift, label, .. } = errands;
        let decide =
            |objects: &[Arc<Liftable>]| match self.permit_for(&errands.subject, errands.sending(bundle, objects)) {
                Ok(permit) if !permit.withholds(&lift.bucket, *label) => Ok(Some(permit)),
                Ok(_) | Err(Unfollowed::Refused(_)) => Ok(None),
                Err(failed) => Err(failed),
            };
        let goes = batch.goes();
        if goes.is_empty() {
            return Ok(None);
        }
        if let Some(permit) = decide(&goes)? {
            return Ok(Some(permit));
        }
        for one in goes {
            if decide(std::slice::from_ref(&one))?.is_none() {
                batch.leave_out(&one, Stop::Withheld);
            }
        }
        let goes = batch.goes();
        if goes.is_empty() {
            return Ok(None);
        }
        let changed = || Unfollowed::Failed(Fault::Failed("a policy was changed meanwhile".to_owned()));
        decide(&goes)?.ok_or_else(changed).map(Some)
    }

    /// Writes what was opened into a staged file and makes it durable; nothing when all of it stays. It blocks.
    fn write_bundle(
        &self,
        errands: &Errands,
        bundle: &BundleId,
        batch: &mut Batch,
        opened: Opening<'_>,
    ) -> Result<Option<Written>, Fault> {
        let Errands { crossing, lift, peer, label, .. } = errands;
        let banner = self.banner(*label);
        let file = crossing.parts.staging.stage(&lift.to, &banner, bundle).map_err(disk)?;
        let mut writer = BundleWriter::begin(file, crossing.parts.own.region(), peer).map_err(sealing)?;
        let (mut any, mut bytes, mut plain) = (false, 0, Zeroizing::default());
        for (one, opened) in batch.goes().into_iter().zip(opened) {
            match add((&mut writer, &mut plain), &errands.mapping, &one, opened?)? {
                Added::Whole(size) => (any, bytes) = (true, bytes + size),
                Added::Stays(why) => batch.leave_out(&one, why),
                Added::Full if !any => batch.leave_out(&one, Stop::TooLarge),
                // The next bundle begins with it.
                Added::Full => {
                    batch.cut_before(one.key.as_str(), lift.cursor.as_ref());
                    break;
                }
            }
        }
        if !any {
            return Ok(None);
        }
        let outline = Outline {
            id: bundle.clone(),
            made_ms: errands.context.moment.now_ms,
            errand: errands.errand()?,
            label: *label,
        };
        let written = writer.finish(outline, self.store.policy()).map_err(sealing)?;
        let file = written.file.finish().map_err(disk)?;
        Ok(Some(Written { file, bytes }))
    }

    /// Commits one step of a lift with its entry.
    async fn advance(
        &self,
        errands: &Errands,
        permit: Permit,
        batch: Batch,
        sent: Option<SentBundle>,
    ) -> Result<Lift, Fault> {
        let Errands { lift, subject, context, .. } = errands;
        let draft = Draft::on_order(self, subject, context, permit.operation());
        let (found, left_out) = (batch.seen.len() as u64, batch.left_out());
        let stays: u64 = left_out.values().sum();
        let made = match permit.operation() {
            Operation::Crossing(act) => match act.as_ref() {
                CrossingAct::SendObjects { bundle, to, .. } => format!("to {to} bundle {bundle} lift {}", lift.id),
                _ => format!("found={found} left-out={stays}"),
            },
            _ => return Err(crate::perform::mismatch()),
        };
        let again = batch.rest();
        let Batch { to, over, .. } = batch;
        let step =
            LiftStep { from: lift.cursor.clone(), to, over, passing: lift.passing, found, left_out, again, sent };
        let record = draft.record_outcome(move |_: &Lift| fastness_ledger::Outcome::Done(Some(made)));
        self.store.advance_lift(&permit, step, context.moment, record).await
    }
}

impl Errands {
    fn sending(&self, bundle: &BundleId, objects: &[Arc<Liftable>]) -> Operation {
        let Lift { id, to, bucket, .. } = &self.lift;
        let objects = objects.iter().map(|one| (one.key.clone(), one.version.clone())).collect();
        let (crossing, bundle, to) = (id.to_string(), bundle.clone(), to.clone());
        Operation::Crossing(Box::new(CrossingAct::SendObjects {
            crossing,
            bundle,
            to,
            bucket: bucket.clone(),
            objects,
        }))
    }

    /// What the manifest says beside its objects.
    fn errand(&self) -> Result<Errand, Fault> {
        let Half::Send { to_account, to_bucket, .. } = &self.mapping.half else {
            return Err(crate::perform::mismatch());
        };
        let person = Person {
            name: self.lift.by.name.clone(),
            duty: self.subject.duty().map(Duty::name).unwrap_or_default().to_owned(),
            at_ms: self.lift.started_ms,
        };
        Ok(Errand::Lift {
            lift: self.lift.id.clone(),
            mapping: self.mapping.name.clone(),
            from_account: self.lift.account,
            from_bucket: self.lift.bucket.clone(),
            to_account: *to_account,
            to_bucket: to_bucket.clone(),
            purpose: self.lift.purpose.clone(),
            ordered_by: vec![person],
        })
    }
}

/// What became of one object.
enum Added {
    Whole(u64),
    Stays(Stop),
    Full,
}

/// Puts one object into a bundle, or nothing of it. Its content is put together in `plain`, which all of a bundle's objects
/// share: fresh memory for each, and clearing it, would cost as much as sealing it.
fn add(
    (writer, plain): (&mut BundleWriter<Box<dyn StagedFile>>, &mut Zeroizing<Vec<u8>>),
    mapping: &Mapping,
    one: &Liftable,
    opened: Result<Sendable, Stop>,
) -> Result<Added, Fault> {
    let Sendable { attributes, size, content } = match opened {
        Ok(opened) => opened,
        Err(why) => return Ok(Added::Stays(why)),
    };
    // Whole, before the bundle has any of it: one that breaks off spoils nothing.
    plain.clear();
    let size_here = usize::try_from(size).unwrap_or(0);
    if plain.capacity() < size_here {
        // Anew, and not longer: growing would leave a copy behind that nobody clears.
        *plain = Zeroizing::new(Vec::with_capacity(size_here));
    }
    if !content.read(|piece| plain.extend_from_slice(piece))? {
        return Ok(Added::Stays(Stop::Unreadable));
    }
    let new = NewObject { key: one.key.clone(), attributes: passing(attributes, mapping) };
    if !writer.has_room(&new, size) {
        return Ok(Added::Full);
    }
    match writer.object(new) {
        Ok(()) => {}
        Err(BundleError::Malformed(_)) => return Ok(Added::Stays(Stop::Metadata)),
        Err(error) => return Err(sealing(error)),
    }
    writer.write(plain).map_err(sealing)?;
    writer.end_object().map_err(sealing)?;
    Ok(Added::Whole(size))
}

/// What goes along with the content: its type, and the metadata that the mapping names. The other side looks at it anew.
fn passing(attributes: Attributes, mapping: &Mapping) -> Attributes {
    let metadata = attributes.metadata.into_iter().filter(|(name, _)| mapping.metadata.contains(name)).collect();
    Attributes { content_type: attributes.content_type, metadata, ..Attributes::default() }
}

pub(super) fn disk(error: std::io::Error) -> Fault {
    Fault::Failed(format!("the folders of crossing: {error}"))
}

pub(super) fn sealing(error: BundleError) -> Fault {
    Fault::Failed(format!("writing a bundle: {error}"))
}

//! Receiving: a file that a carrier brought is opened, and what is in it is taken in batch by batch.
//!
//! ```text
//! open_bundle: signatures, digests, clock, label → mapping, permit → (a queue of its label)
//! take_bundle: number noted at the ceiling → guard → sealed → committed with its entry, as often as it takes → number done
//! ```
//!
//! Whoever refuses at the ceiling, refuses what nobody of any label is to learn of. Nothing of a bundle is looked at before
//! all of it is right; a failure of ours leaves the file where it is, to be tried again.

use super::judge::{Came, Rewritten, inspect};
use super::seams::BundleFile;
use super::send::disk;
use super::{Crossing, apart};
use crate::record::Draft;
use crate::{Context, Gate, Reason, Refusal};
use fastness_crossing::{BundleError, BundleReader, Kind, Manifest, Receiver};
use fastness_decide::crossing::{self as decide, ArrivalOf, Used};
use fastness_decide::{Chore, Permit};
use fastness_identity::directory::{ArrivalRoute, Mapping, receiving_mapping};
use fastness_label::Label;
use fastness_ledger::{Entry, Outcome};
use fastness_operation::{Code, CrossingWay, ObjectKey, RegionName};
use fastness_store::{
    Arrival, ArrivalHead, ArrivalState, ArrivalStep, Arrived, ArrivedMany, ArrivingObject, ClosedGap, Fault,
    NumberSeen, Record, day_of,
};
use std::sync::{Arc, PoisonError};

/// Objects that go to the guard together, at most: with their bundle a hundred resources of one entry, which is as many as an
/// auditor is shown of it.
const BATCH_OBJECTS_MAX: usize = 99;
/// Bytes that go to the guard together, at most, unless one object alone has more.
const BATCH_BYTES_MAX: u64 = 2 << 20;

/// What opening a file came to.
#[derive(Debug)]
pub enum Opening {
    /// It may come in.
    Ready(Box<ArrivingBundle>),
    /// It is refused for good, for this reason, which the ledger has: the file is done with.
    Refused(&'static str),
    /// It is sound, and no mapping lets it in: a later one may. The ledger has it.
    NotMapped,
    /// It is a list of numbers that are to be sent again: nothing for a bucket.
    Gaps(Box<ArrivingBundle>),
    /// The origin's public keys are not here yet.
    NoKeys,
    /// It would arrive at this label, whose bundles the caller does not want now.
    Later(Label),
}

/// What taking a bundle came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// All of it was looked at: so many objects can be read now, were quarantined, were refused.
    Whole {
        /// Objects that can be read.
        accepted: u32,
        /// Objects that the guard stopped.
        quarantined: u32,
        /// Objects for which there was no place.
        refused: u32,
    },
    /// It is refused for good, for this reason, which the ledger has: the file is done with.
    Refused(&'static str),
    /// It was a list of missing bundles: so many are ready again, so many are kept no longer.
    Resent {
        /// Bundles that are ready again.
        again: u64,
        /// Bundles that are not there to be sent again.
        gone: u64,
    },
    /// Its mapping is gone, or puts it elsewhere since it began: the file may be kept aside. The ledger has it.
    NotMapped,
    /// It has to wait, for this: the file stays where it is.
    Waits(&'static str),
}

/// A bundle whose signatures, digests and label are right, and which a mapping lets in.
pub struct ArrivingBundle {
    from: RegionName,
    reader: BundleReader<Box<dyn BundleFile>>,
    target: Label,
}

impl std::fmt::Debug for ArrivingBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArrivingBundle").field("from", &self.from).finish_non_exhaustive()
    }
}

impl ArrivingBundle {
    /// The label at which it is put: whose queue it belongs to.
    #[must_use]
    pub const fn target(&self) -> Label {
        self.target
    }

    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.reader.manifest()
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.reader.signed().number
    }

    /// The content of one object, verified.
    pub(super) fn content(&mut self, at: usize) -> Result<Vec<u8>, BundleError> {
        let mut content = Vec::new();
        self.reader.object(at, &mut content).map(|()| content)
    }

    /// Where it comes from, its number, and what was signed.
    pub(super) fn numbered(&self) -> (RegionName, u64, [u8; 32]) {
        let signed = self.reader.signed();
        (self.from.clone(), signed.number, signed.note_sha256)
    }

    fn head(&self) -> ArrivalHead {
        let manifest = self.manifest();
        let crossing = match &manifest.errand {
            fastness_crossing::Errand::Lift { lift, .. } => lift.to_string(),
            _ => manifest.id.to_string(),
        };
        ArrivalHead {
            kind: manifest.errand.kind().name().to_owned(),
            crossing,
            label: manifest.label.clone(),
            note_sha256: self.reader.signed().note_sha256,
            objects: u32::try_from(manifest.objects.len()).unwrap_or(u32::MAX),
        }
    }

    fn keys(&self, first: usize, count: usize) -> Vec<ObjectKey> {
        self.manifest().objects.iter().skip(first).take(count).map(|object| object.key.clone()).collect()
    }
}

/// Where a manifest says that it comes from and goes to; nothing of a list of gaps.
fn route<'a>(from: &'a RegionName, manifest: &'a Manifest) -> Option<ArrivalRoute<'a>> {
    let way = match manifest.errand.kind() {
        Kind::Lift => CrossingWay::Lift,
        Kind::Release => CrossingWay::Release,
        Kind::Gaps => return None,
    };
    let (to_account, to_bucket) = manifest.errand.to()?;
    let (from_account, from_bucket) = manifest.errand.from().unzip();
    Some(ArrivalRoute { from, way, from_account, from_bucket, to_account, to_bucket })
}

/// A bundle that is being taken out: nobody takes the same one out beside.
pub(super) struct UnderWay {
    crossing: Arc<Crossing>,
    of: (RegionName, u64),
}

impl UnderWay {
    pub(super) fn begin(crossing: &Arc<Crossing>, of: (RegionName, u64)) -> Option<Self> {
        let mut all = crossing.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(of.clone()).then(|| Self { crossing: Arc::clone(crossing), of })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.crossing.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.of);
    }
}

/// A batch that the guard looked at.
struct Looked {
    permit: Permit,
    context: Context,
    objects: Vec<ArrivingObject>,
    rewritten: Vec<Rewritten>,
    step: ArrivalStep,
    /// What it takes of its day.
    used: Used,
    note_sha256: [u8; 32],
}

/// Why a bundle is not taken out now, or not at all.
enum Held {
    Refused(&'static str),
    NotMapped(Refusal),
    Waits(&'static str),
    Failed(Fault),
}

impl From<Fault> for Held {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

pub(super) fn nothing_crosses() -> Fault {
    Fault::refused(Code::InvalidRequest, "this region has no regions beside it: nothing crosses")
}

impl Gate {
    /// Opens a file that lies in a region's inbox. `name` is what it is called there, for the ledger.
    ///
    /// # Errors
    /// A failure of ours: the file is as good as before.
    pub async fn open_bundle(
        &self,
        from: &RegionName,
        name: &str,
        file: Box<dyn BundleFile>,
    ) -> Result<Opening, Fault> {
        self.open_bundle_if(from, name, file, |_| true).await
    }

    /// The same, if the caller wants bundles of the label at which it would arrive: known before all of it is read.
    ///
    /// # Errors
    /// As [`Gate::open_bundle`].
    pub async fn open_bundle_if(
        &self,
        from: &RegionName,
        name: &str,
        file: Box<dyn BundleFile>,
        is_wanted: impl Fn(Label) -> bool,
    ) -> Result<Opening, Fault> {
        let crossing = self.crossing.clone().ok_or_else(nothing_crosses)?;
        let Some(peer) = crossing.keys(from) else { return Ok(Opening::NoKeys) };
        let ceiling = self.store.labels().ceiling();
        let context = self.context_of_order(ceiling, "");
        let (policy, now_ms, with) = (self.store.policy().clone(), context.moment.now_ms, Arc::clone(&crossing));
        let opened = apart(move || {
            let receiver = Receiver { own: &with.parts.own, peer: &peer, policy: &policy, now_ms };
            Ok(BundleReader::open(file, receiver))
        });
        let opened = opened.await?.map(|reader| ArrivingBundle { from: from.clone(), reader, target: ceiling });
        if let Some((_, permit)) = opened.as_ref().ok().and_then(|bundle| self.leave_for(bundle, &[]).ok())
            && !is_wanted(permit.view().session())
        {
            return Ok(Opening::Later(permit.view().session()));
        }
        // Every digest, before anything in it is looked at: what is damaged anywhere passes nothing.
        let verified = apart(move || Ok(opened.and_then(|mut bundle| bundle.reader.verify().map(|()| bundle))));
        let mut bundle = match verified.await? {
            Ok(bundle) => Box::new(bundle),
            Err(error) if error.is_own_fault() => return Err(reading(error)),
            Err(error) => {
                self.refuse_bundle(&crossing, &context, (from, name, None), (Reason::Request, error.kind())).await?;
                return Ok(Opening::Refused(error.kind()));
            }
        };
        if bundle.manifest().errand.kind() == Kind::Gaps {
            self.note_number(bundle.numbered(), &context).await?;
            return Ok(Opening::Gaps(bundle));
        }
        match self.leave_for(&bundle, &[]) {
            Ok((_, permit)) => {
                bundle.target = permit.view().session();
                Ok(Opening::Ready(bundle))
            }
            Err(Held::Failed(fault)) => Err(fault),
            Err(_) => {
                let about = (from, name, Some(&*bundle));
                self.refuse_bundle(&crossing, &context, about, (Reason::Mandatory, "not mapped")).await?;
                self.note_number(bundle.numbered(), &context).await?;
                Ok(Opening::NotMapped)
            }
        }
    }

    /// Records at the ceiling that somebody who may say so refused a file in an inbox: what is no file, or has a name that is
    /// none of a bundle.
    ///
    /// # Errors
    /// A failure.
    pub async fn refuse_file(&self, from: &RegionName, name: &str, kind: &'static str) -> Result<(), Fault> {
        let crossing = self.crossing.clone().ok_or_else(nothing_crosses)?;
        let context = self.context_of_order(self.store.labels().ceiling(), "");
        self.refuse_bundle(&crossing, &context, (from, name, None), (Reason::Request, kind)).await
    }

    /// Takes a bundle in: all of it, or from where an earlier attempt ended.
    ///
    /// # Errors
    /// A failure of ours: what was committed stays, the rest is taken in by the next call.
    pub async fn take_bundle(&self, bundle: ArrivingBundle) -> Result<Taken, Fault> {
        let crossing = self.crossing.clone().ok_or_else(nothing_crosses)?;
        let Some(_under_way) = UnderWay::begin(&crossing, (bundle.from.clone(), bundle.number())) else {
            return Ok(Taken::Waits("the same number is being taken in"));
        };
        let context = self.context_of_order(self.store.labels().ceiling(), "");
        let name = format!("number {}", bundle.number());
        let (about, numbered) = (bundle.about(), bundle.numbered());
        match self.take(&crossing, bundle, &context).await {
            Ok(taken) => Ok(taken),
            Err(Held::Failed(fault)) => Err(fault),
            Err(Held::Waits(why)) => Ok(Taken::Waits(why)),
            Err(Held::Refused(kind)) => {
                self.refuse_known(&crossing, &context, (&name, &about), (Reason::Request, kind)).await?;
                Ok(Taken::Refused(kind))
            }
            Err(Held::NotMapped(refusal)) => {
                self.refuse_known(&crossing, &context, (&name, &about), (refusal.reason, "not mapped")).await?;
                self.note_number(numbered, &context).await?;
                Ok(Taken::NotMapped)
            }
        }
    }

    /// Forgets what arrived at a label long ago, without trouble; how many bundles. Their numbers are not forgotten.
    ///
    /// # Errors
    /// A failure; what was not done is done by the next call.
    pub async fn forget_arrivals(&self, label: Label) -> Result<usize, Fault> {
        let Some(chore) = Chore::of(label, &self.store.labels()) else { return Ok(0) };
        self.store.forget_arrivals(&chore, self.context_of_order(label, "").moment.now_ms).await
    }

    async fn take(&self, crossing: &Arc<Crossing>, bundle: ArrivingBundle, context: &Context) -> Result<Taken, Held> {
        let ceiling = Chore::of(self.store.labels().ceiling(), &self.store.labels());
        let ceiling = ceiling.ok_or_else(crate::perform::mismatch)?;
        let (from, number) = (bundle.from.clone(), bundle.number());
        let (_, permit) = self.leave_for(&bundle, &[])?;
        let known = self.store.arrival_under_way(&permit)?;
        self.begin_bundle(&ceiling, &bundle, &permit, known.as_ref(), context).await?;
        crossing.parts.guard.renew(permit.view().session());
        let next = match &known {
            Some(known) if known.state == ArrivalState::Arrived => None,
            known => Some(known.as_ref().map_or(0, |known| known.next)),
        };
        let bundle = match next {
            Some(next) => self.take_batches(crossing, bundle, next, permit.view().session()).await?,
            None => bundle,
        };
        let arrival = self.store.arrival_under_way(&permit)?;
        let note = hex::encode(bundle.reader.signed().note_sha256);
        let made = format!("from {from} number {number} bundle {} note sha256={note}", bundle.manifest().id);
        let banner = self.banner(ceiling.view().session()).to_string();
        let moment = context.moment;
        let record = move |closed: &Result<ClosedGap, Fault>| {
            Entry::by_the_region(&moment, banner, "ReceiveBundle", made + &given_up(closed))
        };
        self.store.finish_number(&ceiling, (&from, number), context.moment, Box::new(record)).await?;
        let (accepted, quarantined, refused) =
            arrival.map(|arrival| (arrival.accepted, arrival.quarantined, arrival.refused)).unwrap_or_default();
        Ok(Taken::Whole { accepted, quarantined, refused })
    }

    /// Notes the number at the ceiling, unless it or the bundle came before.
    async fn begin_bundle(
        &self,
        ceiling: &Chore,
        bundle: &ArrivingBundle,
        permit: &Permit,
        known: Option<&Arrival>,
        context: &Context,
    ) -> Result<(), Held> {
        let (from, number, note_sha256) = (&bundle.from, bundle.number(), bundle.reader.signed().note_sha256);
        let target = self.banner(permit.view().session()).to_string();
        let seen = self.store.number_seen(ceiling, from, number)?;
        match &seen {
            Some(seen) if seen.note_sha256 != note_sha256 => return Err(Held::Refused("forked")),
            Some(seen) if seen.done => return Err(Held::Refused("replayed")),
            Some(seen) if seen.target != target && !seen.target.is_empty() => {
                let message = "the mapping puts the rest of the bundle at another label than its beginning";
                return Err(Held::NotMapped(Refusal::new(Code::AccessDenied, Reason::Mandatory, message)));
            }
            Some(_) => {}
            None if self.store.received_numbers(ceiling, from)?.holds(number) => return Err(Held::Refused("replayed")),
            None => {}
        }
        // The same bundle under another number.
        if known.is_some_and(|known| known.head.note_sha256 != note_sha256) {
            return Err(Held::Refused("replayed"));
        }
        if seen.is_some_and(|seen| !seen.target.is_empty()) {
            return Ok(());
        }
        let new = NumberSeen { note_sha256, target, at_ms: context.moment.now_ms, done: false };
        match self.store.begin_number(ceiling, (from, number), new, self.record_of_gap(from, context)).await {
            Ok(_) => Ok(()),
            Err(Fault::Refused { .. }) => Err(Held::Refused("replayed")),
            Err(fault) => Err(Held::Failed(fault)),
        }
    }

    /// Notes the number of a sound bundle that is not taken out now: nobody misses it.
    async fn note_number(
        &self,
        (from, number, note_sha256): (RegionName, u64, [u8; 32]),
        context: &Context,
    ) -> Result<(), Fault> {
        let labels = self.store.labels();
        let ceiling = Chore::of(labels.ceiling(), &labels).ok_or_else(crate::perform::mismatch)?;
        let record = self.record_of_gap(&from, context);
        self.store.note_number(&ceiling, (&from, number), note_sha256, context.moment, record).await.map(drop)
    }

    /// The entry of a gap that is closed because there is no room for another: none if there is.
    fn record_of_gap(&self, from: &RegionName, context: &Context) -> Record<ClosedGap> {
        let (banner, moment) = (self.banner(self.store.labels().ceiling()).to_string(), context.moment);
        let from = from.clone();
        Box::new(move |closed| match closed {
            Ok(Some((first, last))) => {
                let made = format!("from {from} numbers {first} to {last} given up");
                Entry::by_the_region(&moment, banner, "CloseGap", made)
            }
            Ok(None) | Err(_) => Vec::new(),
        })
    }

    /// The mapping that lets a bundle in, and leave to take these objects out of it: decided anew each time.
    fn leave_for(&self, bundle: &ArrivingBundle, keys: &[ObjectKey]) -> Result<(Mapping, Permit), Held> {
        let not_mapped = || {
            let message = "no mapping lets this bundle come in";
            Held::NotMapped(Refusal::new(Code::AccessDenied, Reason::Mandatory, message))
        };
        let manifest = bundle.manifest();
        let labels = self.store.labels();
        let chore = Chore::of(labels.ceiling(), &labels).ok_or_else(crate::perform::mismatch)?;
        let route = route(&bundle.from, manifest).ok_or_else(not_mapped)?;
        let mapping = self.store.directory_of(&chore, |rows| receiving_mapping(rows, &route))?;
        let mapping = mapping.ok_or_else(not_mapped)?;
        let arrival = ArrivalOf { route, bundle: &manifest.id, label: &manifest.label, keys: keys.to_vec() };
        let permit =
            decide::arrive(&mapping, arrival, self.store.policy(), &labels).map_err(|refusal| {
                match refusal.reason {
                    Reason::Fault => Held::Failed(Fault::Failed(refusal.message)),
                    _ => Held::NotMapped(refusal),
                }
            })?;
        Ok((mapping, permit))
    }

    /// Takes all batches in, from the object at `next` on. While one is committed, the guard looks at the one behind it.
    async fn take_batches(
        &self,
        crossing: &Arc<Crossing>,
        mut bundle: ArrivingBundle,
        mut next: u32,
        target: Label,
    ) -> Result<ArrivingBundle, Held> {
        let objects = bundle.head().objects;
        let mut seen: Option<Looked> = None;
        while next < objects {
            let ahead = seen.as_ref().map(|seen| (seen.step.day, seen.used)).unwrap_or_default();
            let commit = async {
                match seen.take() {
                    Some(seen) => self.commit_batch(seen).await,
                    None => Ok(()),
                }
            };
            let (looked, committed) = tokio::join!(self.look_at_batch(crossing, bundle, (next, target), ahead), commit);
            committed?;
            let (back, looked) = looked?;
            bundle = back;
            next = next.saturating_add(u32::try_from(looked.objects.len()).unwrap_or(u32::MAX));
            seen = Some(looked);
        }
        if let Some(seen) = seen {
            self.commit_batch(seen).await?;
        }
        Ok(bundle)
    }

    /// Has the guard look at the next batch, from the object at `first` on, and seals what it left. `ahead` is what the
    /// batch before it uses of its day, and may not be committed yet.
    async fn look_at_batch(
        &self,
        crossing: &Arc<Crossing>,
        mut bundle: ArrivingBundle,
        (first, target): (u32, Label),
        ahead: (u32, Used),
    ) -> Result<(ArrivingBundle, Looked), Held> {
        let context = self.context_of_order(target, &format!("bundle {}", bundle.manifest().id));
        let day = day_of(context.moment.now_ms);
        let (mapping, permit) = self.leave_for(&bundle, &[])?;
        // Nothing is waited for above: the batch before has not begun to be committed.
        let used = self.store.used(&permit, &mapping.name, day)?;
        let (bytes, objects) = if ahead.0 == day { (ahead.1.bytes, ahead.1.objects) } else { (0, 0) };
        let used = Used { bytes: used.bytes.saturating_add(bytes), objects: used.objects.saturating_add(objects) };
        let place = usize::try_from(first).unwrap_or(usize::MAX);
        let count = room_for(&bundle, place, &mapping, used).ok_or(Held::Waits("the day's measure is used up"))?;
        let (mapping, permit) = self.leave_for(&bundle, &bundle.keys(place, count))?;
        if permit.view().session() != target {
            let message = "the mapping puts the rest of the bundle at another label than its beginning";
            return Err(Held::NotMapped(Refusal::new(Code::AccessDenied, Reason::Mandatory, message)));
        }
        let (head, number) = (bundle.head(), bundle.number());
        let step = ArrivalStep { head, number, first, mapping: mapping.name.clone(), day };
        let (gate, with, permit_of) = (self.clone(), Arc::clone(crossing), permit.clone());
        let (bundle, objects, rewritten) = apart(move || {
            let mut batch = Vec::with_capacity(count);
            for at in place..place + count {
                let mut content = Vec::new();
                bundle.reader.object(at, &mut content).map_err(reading)?;
                let object = bundle.manifest().objects.get(at).ok_or_else(crate::perform::mismatch)?;
                let (key, sha256, attributes) = (object.key.clone(), object.sha256, object.attributes.clone());
                batch.push(Came { key, sha256, attributes, content });
            }
            let label = (permit_of.view().session(), bundle.manifest().label.as_str());
            let judged = inspect(&*with.parts.guard, &mapping, label, batch)?;
            let (objects, rewritten) = gate.seal_judged(&permit_of, judged)?;
            Ok((bundle, objects, rewritten))
        })
        .await?;
        let note_sha256 = bundle.reader.signed().note_sha256;
        let bytes = objects.iter().map(|object| object.content.size).sum();
        let used = Used { bytes, objects: objects.len() as u64 };
        Ok((bundle, Looked { permit, context, objects, rewritten, step, used, note_sha256 }))
    }

    /// Commits a batch with its entry.
    async fn commit_batch(&self, seen: Looked) -> Result<(), Held> {
        let Looked { permit, context, objects, rewritten, step, note_sha256, .. } = seen;
        let draft = Draft::by_crossing(self, &permit, &context);
        let note = format!("note sha256={}", hex::encode(note_sha256));
        let record = draft.record_outcome(move |outcomes: &ArrivedMany| outcome_of(note, outcomes, &rewritten));
        self.store.put_arrivals(&permit, objects, step, context.moment, record).await?;
        Ok(())
    }

    /// Records at the ceiling that a file of an inbox was refused.
    async fn refuse_bundle(
        &self,
        crossing: &Crossing,
        context: &Context,
        (from, name, bundle): (&RegionName, &str, Option<&ArrivingBundle>),
        (reason, kind): (Reason, &'static str),
    ) -> Result<(), Fault> {
        let about = About { from: from.clone(), bundle: bundle.map(|bundle| bundle.manifest().id.to_string()) };
        self.refuse_known(crossing, context, (name, &about), (reason, kind)).await
    }

    pub(super) async fn refuse_known(
        &self,
        crossing: &Crossing,
        context: &Context,
        (name, about): (&str, &About),
        (reason, kind): (Reason, &'static str),
    ) -> Result<(), Fault> {
        let (unsaid, is_said) = {
            let mut refusals = crossing.refusals();
            let unsaid = refusals.unsaid(&about.from, context.moment.now_ms);
            (unsaid, refusals.count(&about.from, kind, context.moment.now_ms))
        };
        if !is_said {
            return Ok(());
        }
        let ceiling = self.store.labels().ceiling();
        let clean: String = name.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect();
        let mut resources = vec![format!("read inbox/{} {clean:?}", about.from)];
        resources.extend(about.bundle.as_ref().map(|id| format!("read bundle/{}/{id}", about.from)));
        resources.extend(more(&about.from, &unsaid));
        let draft = Draft::of_the_intake(self, ceiling, context, resources);
        self.store.record(ceiling, draft.refused(reason, kind)).await?;
        crossing.refusals().said(&about.from, &unsaid);
        Ok(())
    }

    /// Records how many files of inboxes were refused, in hours that are over, without an entry of their own.
    ///
    /// # Errors
    /// A failure: what was not recorded is by the next call.
    pub async fn say_refusals(&self) -> Result<(), Fault> {
        let Some(crossing) = self.crossing.clone() else { return Ok(()) };
        let ceiling = self.store.labels().ceiling();
        let regions = crossing.refusals().regions();
        for from in regions {
            let context = self.context_of_order(ceiling, "");
            let unsaid = crossing.refusals().unsaid(&from, context.moment.now_ms);
            if unsaid.is_empty() {
                continue;
            }
            let draft = Draft::of_the_intake(self, ceiling, &context, more(&from, &unsaid).collect());
            self.store.record(ceiling, draft.refused(Reason::Request, "counted")).await?;
            crossing.refusals().said(&from, &unsaid);
        }
        Ok(())
    }
}

/// Which bundle a refusal is about.
pub(super) struct About {
    from: RegionName,
    bundle: Option<String>,
}

impl ArrivingBundle {
    pub(super) fn about(&self) -> About {
        About { from: self.from.clone(), bundle: Some(self.manifest().id.to_string()) }
    }
}

/// What an entry says of refusals that had none, a line a kind.
fn more(from: &RegionName, unsaid: &[(&'static str, u64)]) -> impl Iterator<Item = String> {
    unsaid.iter().map(move |(kind, count)| format!("read inbox/{from} and {count} more {kind} in the hour before"))
}

/// How many objects go together, from a place on: as many as the day has room for; nothing when it has none.
fn room_for(bundle: &ArrivingBundle, first: usize, mapping: &Mapping, used: Used) -> Option<usize> {
    let (mut bytes, mut count) = (0_u64, 0_usize);
    for object in bundle.manifest().objects.iter().skip(first).take(BATCH_OBJECTS_MAX) {
        // What alone is more than a day's measure is stopped, and need not wait for a day.
        let counted = if object.size > mapping.bytes_per_day { 0 } else { object.size };
        let is_over = used.bytes.saturating_add(bytes).saturating_add(counted) > mapping.bytes_per_day
            || used.objects.saturating_add(count as u64) >= mapping.objects_per_day;
        let is_full = count > 0 && bytes.saturating_add(object.size) > BATCH_BYTES_MAX;
        if is_over || is_full {
            break;
        }
        bytes = bytes.saturating_add(object.size);
        count += 1;
    }
    (count > 0).then_some(count)
}

/// One outcome for the bundle, and one for each object, in the order of the entry's resources.
fn outcome_of(note: String, outcomes: &ArrivedMany, rewritten: &[Rewritten]) -> Outcome {
    let each = |(outcome, rewritten): (&Result<Arrived, Fault>, &Rewritten)| match outcome {
        Ok(Arrived::Version(written)) => {
            let made = written.version.clone().unwrap_or_else(|| format!("etag {}", written.etag));
            Outcome::Done(Some(match rewritten {
                Some((came, stored)) => {
                    format!("{made} came sha256={} stored sha256={}", hex::encode(came), hex::encode(stored))
                }
                None => made,
            }))
        }
        Ok(Arrived::Quarantined(spill)) => Outcome::Done(Some(format!("quarantined spill {spill}"))),
        Err(fault) => crate::record::refused_outcome(fault),
    };
    let first = Outcome::Done(Some(note));
    Outcome::Each(std::iter::once(first).chain(outcomes.iter().zip(rewritten).map(each)).collect())
}

/// What an entry says of a gap that was closed for want of room.
pub(super) fn given_up(closed: &Result<ClosedGap, Fault>) -> String {
    let closed = closed.as_ref().ok().copied().flatten();
    closed.map(|(first, last)| format!(", numbers {first} to {last} given up")).unwrap_or_default()
}

fn reading(error: BundleError) -> Fault {
    match error {
        BundleError::Disk(error) => disk(error),
        error => Fault::Failed(format!("reading a bundle: {error}")),
    }
}

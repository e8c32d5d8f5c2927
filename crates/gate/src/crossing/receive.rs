//! Receiving: a file that a carrier brought is opened, and what is in it is taken in batch by batch.
//!
//! ```text
//! open_bundle: signatures, digests, clock, label → mapping, permit → (a queue of its label)
//! take_bundle: number noted at the ceiling → batches: read → guard → sealed → committed with an entry → number done
//! ```
//!
//! Whoever refuses at the ceiling, refuses what nobody of any label is to learn of. Nothing of a bundle is looked at before
//! all of it is right; a failure of ours leaves the file where it is, to be tried again.

use super::seams::BundleFile;
use super::send::disk;
use super::take::Held;
use super::{Crossing, apart};
use crate::record::Draft;
use crate::{Context, Gate, Reason, Refusal};
use fastness_crossing::{BundleError, BundleReader, Errand, Kind, Manifest, Receiver};
use fastness_decide::crossing::{self as decide, ArrivalOf};
use fastness_decide::{Chore, Permit};
use fastness_identity::directory::{ArrivalRoute, Mapping, receiving_mapping};
use fastness_label::Label;
use fastness_ledger::Entry;
use fastness_operation::{BundleId, Code, CrossingWay, ObjectKey, RegionName};
use fastness_store::{ArrivalHead, ClosedGap, Fault, Record};
use std::sync::Arc;

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

/// What is known of a bundle that comes in: all that its mapping is asked about.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) from: RegionName,
    pub(super) number: u64,
    pub(super) id: BundleId,
    /// The banner of its label.
    pub(super) label: String,
    /// SHA-256 of what was signed.
    pub(super) note_sha256: [u8; 32],
    errand: Errand,
}

/// A bundle whose signatures, digests and label are right, and which a mapping lets in.
pub struct ArrivingBundle {
    coming: Arc<Coming>,
    reader: BundleReader<Box<dyn BundleFile>>,
    target: Label,
}

impl std::fmt::Debug for ArrivingBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArrivingBundle").field("coming", &self.coming).finish_non_exhaustive()
    }
}

impl ArrivingBundle {
    fn new(from: &RegionName, reader: BundleReader<Box<dyn BundleFile>>, target: Label) -> Self {
        let (manifest, signed) = (reader.manifest(), reader.signed());
        let coming = Coming {
            from: from.clone(),
            number: signed.number,
            id: manifest.id.clone(),
            label: manifest.label.clone(),
            note_sha256: signed.note_sha256,
            errand: manifest.errand.clone(),
        };
        Self { coming: Arc::new(coming), reader, target }
    }

    /// The label at which it is put: whose queue it belongs to.
    #[must_use]
    pub const fn target(&self) -> Label {
        self.target
    }

    pub(super) const fn put_at(&mut self, target: Label) {
        self.target = target;
    }

    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.reader.manifest()
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.coming.number
    }

    pub(super) const fn coming(&self) -> &Arc<Coming> {
        &self.coming
    }

    /// The content of one object, verified.
    pub(super) fn content(&mut self, at: usize) -> Result<Vec<u8>, BundleError> {
        let mut content = Vec::new();
        self.reader.object(at, &mut content).map(|()| content)
    }

    /// Where it comes from, its number, and what was signed.
    pub(super) fn numbered(&self) -> (RegionName, u64, [u8; 32]) {
        (self.coming.from.clone(), self.coming.number, self.coming.note_sha256)
    }

    pub(super) fn about(&self) -> About {
        About { from: self.coming.from.clone(), bundle: Some(self.coming.id.to_string()) }
    }

    pub(super) fn head(&self) -> ArrivalHead {
        let Coming { id, label, note_sha256, errand, .. } = &*self.coming;
        let crossing = if let Errand::Lift { lift, .. } = errand { lift.to_string() } else { id.to_string() };
        ArrivalHead {
            kind: errand.kind().name().to_owned(),
            crossing,
            label: label.clone(),
            note_sha256: *note_sha256,
            objects: u32::try_from(self.manifest().objects.len()).unwrap_or(u32::MAX),
        }
    }
}

impl Coming {
    /// Where it says that it comes from and goes to; nothing of a list of gaps.
    fn route(&self) -> Option<ArrivalRoute<'_>> {
        let way = match self.errand.kind() {
            Kind::Lift => CrossingWay::Lift,
            Kind::Release => CrossingWay::Release,
            Kind::Gaps => return None,
        };
        let (to_account, to_bucket) = self.errand.to()?;
        let (from_account, from_bucket) = self.errand.from().unzip();
        Some(ArrivalRoute { from: &self.from, way, from_account, from_bucket, to_account, to_bucket })
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
        let opened = opened.await?.map(|reader| ArrivingBundle::new(from, reader, ceiling));
        if let Some((_, permit)) =
            opened.as_ref().ok().and_then(|bundle| self.leave_for(&bundle.coming, Vec::new()).ok())
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
        match self.leave_for(&bundle.coming, Vec::new()) {
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

    /// Notes the number of a sound bundle that is not taken out now: nobody misses it.
    pub(super) async fn note_number(
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
    pub(super) fn record_of_gap(&self, from: &RegionName, context: &Context) -> Record<ClosedGap> {
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
    pub(super) fn leave_for(&self, coming: &Coming, keys: Vec<ObjectKey>) -> Result<(Mapping, Permit), Held> {
        let not_mapped = || {
            let message = "no mapping lets this bundle come in";
            Held::NotMapped(Refusal::new(Code::AccessDenied, Reason::Mandatory, message))
        };
        let labels = self.store.labels();
        let chore = Chore::of(labels.ceiling(), &labels).ok_or_else(crate::perform::mismatch)?;
        let route = coming.route().ok_or_else(not_mapped)?;
        let mapping = self.store.directory_of(&chore, |rows| receiving_mapping(rows, &route))?;
        let mapping = mapping.ok_or_else(not_mapped)?;
        let arrival = ArrivalOf { route, bundle: &coming.id, label: &coming.label, keys };
        let permit =
            decide::arrive(&mapping, arrival, self.store.policy(), &labels).map_err(|refusal| {
                match refusal.reason {
                    Reason::Fault => Held::Failed(Fault::Failed(refusal.message)),
                    _ => Held::NotMapped(refusal),
                }
            })?;
        Ok((mapping, permit))
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

/// What an entry says of refusals that had none, a line a kind.
fn more(from: &RegionName, unsaid: &[(&'static str, u64)]) -> impl Iterator<Item = String> {
    unsaid.iter().map(move |(kind, count)| format!("read inbox/{from} and {count} more {kind} in the hour before"))
}

pub(super) fn reading(error: BundleError) -> Fault {
    match error {
        BundleError::Disk(error) => disk(error),
        error => Fault::Failed(format!("reading a bundle: {error}")),
    }
}

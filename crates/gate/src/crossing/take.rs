//! Taking a bundle in: its number is noted at the ceiling, its batches are taken in, and its number is done.

use super::Crossing;
use super::line::{Line, Place};
use super::receive::{ArrivingBundle, Coming, nothing_crosses};
use crate::{Context, Gate, Reason, Refusal};
use fastness_decide::Chore;
use fastness_label::Label;
use fastness_ledger::Entry;
use fastness_operation::{Code, RegionName};
use fastness_store::{Arrival, ArrivalState, ClosedGap, Fault, NumberSeen};
use std::sync::{Arc, PoisonError};

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

/// Why a bundle is not taken out now, or not at all.
pub(super) enum Held {
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

/// The mapping of what began to come in says another label by now.
pub(super) fn elsewhere() -> Held {
    let message = "the mapping puts the rest of the bundle at another label than its beginning";
    Held::NotMapped(Refusal::new(Code::AccessDenied, Reason::Mandatory, message))
}

impl Gate {
    /// Takes a bundle in: all of it, or from where an earlier attempt ended.
    ///
    /// # Errors
    /// A failure of ours: what was committed stays, the rest is taken in by the next call.
    pub async fn take_bundle(&self, bundle: ArrivingBundle) -> Result<Taken, Fault> {
        self.take_bundle_at(bundle, Line::default().join()).await
    }

    /// The same, beside other bundles of its label: nothing of it is committed while one is before it in the line. It is
    /// looked at meanwhile.
    ///
    /// # Errors
    /// As [`Gate::take_bundle`].
    pub async fn take_bundle_at(&self, bundle: ArrivingBundle, place: Place) -> Result<Taken, Fault> {
        let crossing = self.crossing.clone().ok_or_else(nothing_crosses)?;
        let (from, number, note_sha256) = bundle.numbered();
        let Some(_under_way) = UnderWay::begin(&crossing, (from.clone(), number)) else {
            return Ok(Taken::Waits("the same number is being taken in"));
        };
        let context = self.context_of_order(self.store.labels().ceiling(), "");
        let (name, about, numbered) = (format!("number {number}"), bundle.about(), (from, number, note_sha256));
        match self.take(&crossing, bundle, place, &context).await {
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

    async fn take(
        &self,
        crossing: &Crossing,
        mut bundle: ArrivingBundle,
        place: Place,
        context: &Context,
    ) -> Result<Taken, Held> {
        let ceiling = Chore::of(self.store.labels().ceiling(), &self.store.labels());
        let ceiling = ceiling.ok_or_else(crate::perform::mismatch)?;
        let coming = Arc::clone(bundle.coming());
        let (_, permit) = self.leave_for(&coming, Vec::new())?;
        let target = permit.view().session();
        bundle.put_at(target);
        let known = self.store.arrival_under_way(&permit)?;
        self.begin_bundle(&ceiling, &coming, target, known.as_ref(), context).await?;
        let next = match &known {
            Some(known) if known.state == ArrivalState::Arrived => None,
            known => Some(known.as_ref().map_or(0, |known| known.next)),
        };
        if let Some(next) = next {
            let inspector = crossing.parts.guard.inspector(target);
            self.take_batches(bundle, next, inspector, &place).await?;
        }
        drop(place);
        let arrival = self.store.arrival_under_way(&permit)?;
        let Coming { from, number, id, note_sha256, .. } = &*coming;
        let made = format!("from {from} number {number} bundle {id} note sha256={}", hex::encode(note_sha256));
        let banner = self.banner(ceiling.view().session()).to_string();
        let moment = context.moment;
        let record = move |closed: &Result<ClosedGap, Fault>| {
            Entry::by_the_region(&moment, banner, "ReceiveBundle", made + &given_up(closed))
        };
        self.store.finish_number(&ceiling, (from, *number), context.moment, Box::new(record)).await?;
        let (accepted, quarantined, refused) =
            arrival.map(|arrival| (arrival.accepted, arrival.quarantined, arrival.refused)).unwrap_or_default();
        Ok(Taken::Whole { accepted, quarantined, refused })
    }

    /// Notes the number at the ceiling, unless it or the bundle came before.
    async fn begin_bundle(
        &self,
        ceiling: &Chore,
        coming: &Coming,
        target: Label,
        known: Option<&Arrival>,
        context: &Context,
    ) -> Result<(), Held> {
        let Coming { from, number, note_sha256, .. } = coming;
        let (number, note_sha256) = (*number, *note_sha256);
        let target = self.banner(target).to_string();
        let seen = self.store.number_seen(ceiling, from, number)?;
        match &seen {
            Some(seen) if seen.note_sha256 != note_sha256 => return Err(Held::Refused("forked")),
            Some(seen) if seen.done => return Err(Held::Refused("replayed")),
            Some(seen) if seen.target != target && !seen.target.is_empty() => {
                return Err(elsewhere());
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
}

/// What an entry says of a gap that was closed for want of room.
pub(super) fn given_up(closed: &Result<ClosedGap, Fault>) -> String {
    let closed = closed.as_ref().ok().copied().flatten();
    closed.map(|(first, last)| format!(", numbers {first} to {last} given up")).unwrap_or_default()
}

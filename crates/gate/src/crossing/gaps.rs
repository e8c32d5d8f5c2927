//! Lists of missing bundles: which of a lower region's did not arrive, and what a higher region's list asks to be sent again.
//!
//! ```text
//! above  ListGaps → RequestRelease of gaps → two reviewers → a bundle of gaps      (release, send_release)
//! below  open_bundle → resend_bundles: asked-for numbers into the ledger → ready again → what became of them
//! ```

use super::take::{UnderWay, given_up};
use super::{ArrivingBundle, Crossing, CrossingAnswer, Taken, apart};
use crate::{Answer, Context, Gate, Reason};
use fastness_crossing::{BundleError, Resent, read_gaps};
use fastness_decide::crossing as decide;
use fastness_decide::{Chore, Permit};
use fastness_identity::directory::Beside;
use fastness_ledger::Entry;
use fastness_operation::{Attributes, Code, CrossingAct, RegionName, ReleaseWanted};
use fastness_store::{ClosedGap, Fault, NumberSeen, ReceivedNumbers};
use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::sync::Arc;

/// What the one object in a bundle of gaps is called.
const GAPS_KEY: &str = "gaps.json";

/// Which numbers of a region's bundles are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundGaps {
    /// Whose bundles.
    pub from: RegionName,
    /// Ranges with both ends in them, in order.
    pub gaps: Vec<(u64, u64)>,
    /// The highest number that came in; 0 when none did.
    pub highest: u64,
    /// When it came, milliseconds since 1970.
    pub highest_seen_ms: i64,
}

impl Gate {
    /// ListGaps: of the numbers below the highest that came in, those that did not.
    pub(super) fn list_gaps(&self, permit: &Permit) -> Result<Answer, Fault> {
        let CrossingAct::ListGaps { from } = super::act(permit)? else { return Err(crate::perform::mismatch()) };
        let known = self.crossing.as_ref().and_then(|crossing| crossing.beside(from));
        if known.is_none() {
            return Err(Fault::refused(
                Code::InvalidRequest,
                format!("this region's configuration does not name `{from}`"),
            ));
        }
        Ok(CrossingAnswer::Gaps(Box::new(self.found_gaps(from)?)).into())
    }

    pub(super) fn found_gaps(&self, from: &RegionName) -> Result<FoundGaps, Fault> {
        let numbers: ReceivedNumbers = self.store.received_numbers(&self.ceiling()?, from)?;
        let highest = numbers.ranges.last().map_or(0, |(_, last)| *last);
        Ok(FoundGaps { from: from.clone(), gaps: numbers.gaps(), highest, highest_seen_ms: numbers.highest_seen_ms })
    }

    /// What is released as a list of missing bundles must be one, of the region that it goes to, and ask for nothing that
    /// came in: a list of other numbers would be a way to write anything below.
    pub(super) fn check_gaps(&self, wanted: &ReleaseWanted, content: &[u8]) -> Result<(), Fault> {
        let Attributes { content_type, metadata, .. } = &wanted.metadata;
        let invalid = |message: String| Fault::refused(Code::InvalidRequest, message);
        if self.crossing.as_ref().and_then(|crossing| crossing.beside(&wanted.to)) != Some(Beside::Below) {
            return Err(invalid(format!("`{}` is no region below: no bundles of it come in here", wanted.to)));
        }
        let is_named = wanted.key.as_str() == GAPS_KEY;
        if !is_named || content_type.as_deref() != Some("application/json") || !metadata.is_empty() {
            let message = "a list of missing bundles is called `gaps.json`, of type application/json, without metadata";
            return Err(invalid(message.to_owned()));
        }
        let asked = read_gaps(content)
            .map_err(|error| invalid(format!("the object is no list of missing bundles: {error}")))?;
        let missing = self.found_gaps(&wanted.to)?.gaps;
        let is_missing =
            |(first, last): &(u64, u64)| missing.iter().any(|(from, until)| from <= first && last <= until);
        match asked.iter().find(|range| !is_missing(range)) {
            Some(range) => Err(invalid(format!("not all of {} are missing of `{}`", words(&[*range]), wanted.to))),
            None => Ok(()),
        }
    }

    fn ceiling(&self) -> Result<Chore, Fault> {
        let labels = self.store.labels();
        Chore::of(labels.ceiling(), &labels).ok_or_else(crate::perform::mismatch)
    }

    /// Does what a list of missing bundles asks, if a region above sent it: those that are kept are ready again. What is
    /// asked is in the ledger before, and what became of it after.
    ///
    /// # Errors
    /// A failure of ours: the list is as good as before, and what it asks is done by the next call.
    pub async fn resend_bundles(&self, bundle: ArrivingBundle) -> Result<Taken, Fault> {
        let crossing = self.crossing.clone().ok_or_else(super::receive::nothing_crosses)?;
        let (from, number, _) = bundle.numbered();
        let Some(_under_way) = UnderWay::begin(&crossing, (from, number)) else {
            return Ok(Taken::Waits("the same number is being taken in"));
        };
        let context = self.context_of_order(self.store.labels().ceiling(), "");
        let (name, about) = (format!("number {}", bundle.number()), bundle.about());
        let (reason, kind) = match self.resend(&crossing, bundle, &context).await? {
            Ok(resent) => {
                return Ok(Taken::Resent { again: resent.again.len() as u64, gone: resent.gone.len() as u64 });
            }
            Err(refused) => refused,
        };
        self.refuse_known(&crossing, &context, (&name, &about), (reason, kind)).await?;
        Ok(Taken::Refused(kind))
    }

    async fn resend(
        &self,
        crossing: &Arc<Crossing>,
        mut bundle: ArrivingBundle,
        context: &Context,
    ) -> Result<Result<Resent, (Reason, &'static str)>, Fault> {
        let ceiling = self.ceiling()?;
        let (from, number, note_sha256) = bundle.numbered();
        let (policy, labels) = (self.store.policy(), self.store.labels());
        if decide::resend(crossing.beside(&from), &bundle.manifest().label, policy, &labels).is_err() {
            return Ok(Err((Reason::Mandatory, "gaps")));
        }
        if let Some(kind) = self.came_before(&ceiling, (&from, number), note_sha256)? {
            return Ok(Err((Reason::Request, kind)));
        }
        let (bundle, read) = apart(move || {
            let read = bundle.content(0).and_then(|content| read_gaps(&content));
            Ok((bundle, read))
        })
        .await?;
        let gaps = match read {
            Ok(gaps) => gaps,
            Err(BundleError::Disk(error)) => return Err(super::send::disk(error)),
            Err(error) => return Ok(Err((Reason::Request, error.kind()))),
        };
        let banner = self.banner(ceiling.view().session()).to_string();
        let list = format!("from {from} number {number} bundle {}", bundle.manifest().id);
        let asked = format!("{list} note sha256={} asks numbers {}", hex::encode(note_sha256), words(&gaps));
        let (moment, at) = (context.moment, banner.clone());
        let record = move |closed: &Result<ClosedGap, Fault>| {
            Entry::by_the_region(&moment, at, "ReceiveGaps", asked + &given_up(closed))
        };
        let seen = NumberSeen { note_sha256, target: banner.clone(), at_ms: context.moment.now_ms, done: false };
        match self.store.begin_number(&ceiling, (&from, number), seen, Box::new(record)).await {
            Ok(_) => {}
            Err(Fault::Refused { .. }) => return Ok(Err((Reason::Request, "replayed"))),
            Err(fault) => return Err(fault),
        }
        // Making them ready twice makes them ready once.
        let numbers: Vec<NonZeroU64> =
            gaps.iter().flat_map(|(first, last)| *first..=*last).filter_map(NonZeroU64::new).collect();
        let (with, to) = (Arc::clone(crossing), from.clone());
        let resent = apart(move || with.parts.staging.resend(&to, &numbers).map_err(super::send::disk)).await?;
        let became = format!("{list} ready again {} kept no longer {}", listed(&resent.again), listed(&resent.gone));
        let record = move |closed: &Result<ClosedGap, Fault>| {
            Entry::by_the_region(&moment, banner, "ResendBundles", became + &given_up(closed))
        };
        self.store.finish_number(&ceiling, (&from, number), context.moment, Box::new(record)).await?;
        Ok(Ok(resent))
    }

    /// Whether a number came already, as another bundle or as this one.
    fn came_before(
        &self,
        ceiling: &Chore,
        (from, number): (&RegionName, u64),
        note_sha256: [u8; 32],
    ) -> Result<Option<&'static str>, Fault> {
        Ok(match self.store.number_seen(ceiling, from, number)? {
            Some(seen) if seen.note_sha256 != note_sha256 => Some("forked"),
            Some(seen) if seen.done => Some("replayed"),
            Some(_) => None,
            None if self.store.received_numbers(ceiling, from)?.holds(number) => Some("replayed"),
            None => None,
        })
    }
}

/// Ranges for people: `3-5, 9`; `none` when there are none.
pub(super) fn words(ranges: &[(u64, u64)]) -> String {
    let mut out = String::new();
    for (first, last) in ranges {
        let comma = if out.is_empty() { "" } else { ", " };
        let _infallible = match first == last {
            true => write!(out, "{comma}{first}"),
            false => write!(out, "{comma}{first}-{last}"),
        };
    }
    if out.is_empty() { "none".to_owned() } else { out }
}

/// Numbers in order, as ranges for people.
fn listed(numbers: &[NonZeroU64]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers.iter().map(|number| number.get()) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    words(&ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_ranges() {
        let number = |number| NonZeroU64::new(number).unwrap();
        assert_eq!(words(&[]), "none");
        assert_eq!(words(&[(3, 5), (9, 9)]), "3-5, 9");
        assert_eq!(listed(&[3, 4, 5, 9].map(number)), "3-5, 9");
    }
}

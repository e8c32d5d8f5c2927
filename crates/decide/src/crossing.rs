//! What may leave by a mapping, and what may come in.

use crate::policies::Grant;
use crate::{Bucket, Permit, Reason, Refusal, View};
use fastness_identity::RegionLabels;
use fastness_identity::directory::{ArrivalRoute, Beside, Mapping};
use fastness_label::{Label, Policy};
use fastness_operation::{
    BundleId, CROSSING_OBJECT_LEN_MAX, Code, CrossingAct, CrossingWay, Half, MediaType, ObjectKey, Operation, Stop,
};

/// An object that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies.
    pub label: Label,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Its bytes.
    pub size: u64,
}

/// How much of a mapping's measure a label has used up on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Bytes.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

impl Used {
    /// All that a mapping lets through on a day.
    #[must_use]
    pub const fn of_a_day(mapping: &Mapping) -> Self {
        Self { bytes: mapping.bytes_per_day, objects: mapping.objects_per_day }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(more.bytes), objects: self.objects.saturating_add(more.objects) }
    }

    /// Whether this is more, in bytes or in objects, than a measure.
    #[must_use]
    pub const fn exceeds(self, most: Self) -> bool {
        self.bytes > most.bytes || self.objects > most.objects
    }
}

/// Which of a batch may go in one bundle at this label: of a lift the session's own, of a release the new one. They are
/// answered in their order; after the first that the day has no room for, none goes.
///
/// # Errors
/// A [`Refusal`]: the mapping lets nothing leave, or nothing at this label.
pub fn send(
    mapping: &Mapping,
    policy: &Policy,
    label: Label,
    used: Used,
    batch: &[Candidate],
) -> Result<Vec<Result<(), Stop>>, Refusal> {
    if matches!(mapping.half, Half::Receive { .. }) {
        return Err(mandatory("the mapping lets something come in, and nothing leave"));
    }
    if !label.is_dominated_by(marked(policy, &mapping.highest)?) {
        return Err(mandatory("the mapping lets nothing of this label leave"));
    }
    let (mut used, mut is_over) = (used, false);
    let most = Used::of_a_day(mapping);
    let one = |candidate: &Candidate| {
        fits(mapping, label, candidate)?;
        let after = used.plus(Used { bytes: candidate.size, objects: 1 });
        is_over |= after.exceeds(most);
        if is_over {
            return Err(Stop::Day);
        }
        used = after;
        Ok(())
    };
    Ok(batch.iter().map(one).collect())
}

fn fits(mapping: &Mapping, label: Label, candidate: &Candidate) -> Result<(), Stop> {
    if mapping.way == CrossingWay::Lift && candidate.label != label {
        return Err(Stop::Label);
    }
    let claimed = candidate.content_type.as_deref().and_then(MediaType::claimed);
    if !claimed.is_some_and(|claimed| mapping.types.contains(&claimed)) {
        return Err(Stop::Type);
    }
    // What no day has room for would hold up everything behind it for ever.
    if candidate.size > mapping.object_len_max.min(CROSSING_OBJECT_LEN_MAX).min(mapping.bytes_per_day) {
        return Err(Stop::TooLarge);
    }
    Ok(())
}

/// What a bundle, whose signatures and digests were checked, says of itself.
#[derive(Debug, Clone)]
pub struct ArrivalOf<'a> {
    /// Where it comes from and goes to.
    pub route: ArrivalRoute<'a>,
    /// Its id.
    pub bundle: &'a BundleId,
    /// The banner of everything in it.
    pub label: &'a str,
    /// The keys of the objects that are taken out.
    pub keys: Vec<ObjectKey>,
}

/// Leave to take objects out of a bundle, into the partition of the label at which the mapping puts them. Nobody's
/// session acts: the receiving half of a mapping is the leave, and only this makes such a permit.
///
/// # Errors
/// A [`Refusal`]: the mapping is not the receiving half for this bundle, the label is none or exceeds the mapping's, or
/// it would be put at a label that does not dominate it, or that the region does not hold.
pub fn arrive(
    mapping: &Mapping,
    arrival: ArrivalOf<'_>,
    policy: &Policy,
    labels: &RegionLabels,
) -> Result<Permit, Refusal> {
    if !mapping.receives(&arrival.route) {
        return Err(mandatory("no mapping lets this bundle come in"));
    }
    let label = marked(policy, arrival.label)?;
    if !label.is_dominated_by(marked(policy, &mapping.highest)?) {
        return Err(mandatory("the bundle's label exceeds what the mapping lets in"));
    }
    let target = target(mapping, policy, label)?;
    if !label.is_dominated_by(target) {
        return Err(mandatory("the mapping puts the bundle at a label that does not dominate its own"));
    }
    if !labels.holds(target) || !labels.could_hold(target) {
        return Err(mandatory("the region does not hold the label at which the bundle would be put"));
    }
    let visible = labels.held().iter().copied().filter(|held| held.is_dominated_by(target)).collect();
    let view = View { labels: visible, session: target, account: Some(mapping.account) };
    // INVARIANT: as in `admit`.
    if view.labels.first() != Some(&target) {
        let message = "the region's order of labels does not extend dominance";
        return Err(Refusal::new(Code::InternalError, Reason::Fault, message));
    }
    let bucket = mapping.half.bucket().clone();
    let operation = Operation::Crossing(Box::new(CrossingAct::ReceiveObjects {
        from: arrival.route.from.clone(),
        bundle: arrival.bundle.clone(),
        bucket: bucket.clone(),
        keys: arrival.keys,
    }));
    let bucket = Bucket { account: mapping.account, name: bucket };
    Ok(Permit { view, operation, buckets: vec![Grant { bucket, withheld: Vec::new(), lists: true }] })
}

/// Whether a list of missing bundles, whose signatures and digests were checked, is followed: a region above sent it, at a
/// label that this region holds. It names numbers of bundles that went up to that region, and nothing else comes of it.
///
/// # Errors
/// A [`Refusal`].
pub fn resend(beside: Option<Beside>, label: &str, policy: &Policy, labels: &RegionLabels) -> Result<(), Refusal> {
    if beside != Some(Beside::Above) {
        return Err(mandatory("a list of missing bundles comes from a region above, and from no other"));
    }
    if !labels.holds(marked(policy, label)?) {
        return Err(mandatory("the region does not hold the label of the list"));
    }
    Ok(())
}

/// Where the mapping puts what arrives at a label. Rows whose first marking is none of the policy match nothing.
fn target(mapping: &Mapping, policy: &Policy, label: Label) -> Result<Label, Refusal> {
    let row = mapping.at.iter().find(|(from, _)| policy.label(from).is_ok_and(|from| from == label));
    row.map_or(Ok(label), |(_, to)| marked(policy, to))
}

fn marked(policy: &Policy, marking: &str) -> Result<Label, Refusal> {
    policy.label(marking).map_err(|error| mandatory(&error.to_string()))
}

fn mandatory(message: &str) -> Refusal {
    Refusal::new(Code::AccessDenied, Reason::Mandatory, message)
}

#[cfg(test)]
mod tests;

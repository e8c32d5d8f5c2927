//! What goes again: the rest of a bundle that was taken back before anybody carried it, because something in it was contained.

use super::lifts::{Lift, LiftState, act_of, find, write};
use super::rows::{self, Until};
use super::walk::Liftable;
use crate::catalog::Turn;
use crate::fault::no_such_bucket;
use crate::records::{VersionRecord, decode};
use crate::{Fault, Record, Store, keys};
use fastness_decide::{Chore, Permit};
use fastness_operation::{AccountNumber, BundleId, CrossingAct, LiftId, ObjectKey, Stop, VersionId};
use serde::{Deserialize, Serialize};

/// Versions of a lift that go again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// The bundle that was taken back.
    pub bundle: BundleId,
    /// What else was in it, in the order of keys.
    pub objects: Vec<(ObjectKey, VersionId)>,
}

/// A bundle that is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// Whose lift.
    pub account: AccountNumber,
    /// The lift.
    pub lift: LiftId,
    /// What goes again.
    pub again: Again,
    /// Objects that do not.
    pub contained: u64,
}

/// What a lift has to send again next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resendable {
    /// As it was noted.
    pub again: Again,
    /// What of it is there still.
    pub found: Vec<Liftable>,
}

impl Store {
    /// Notes that a bundle of a lift is taken back: nothing of it went. Its other objects go again, unless the lift was
    /// stopped or refused meanwhile. Called before the bundle is removed, so that nothing of it is lost between.
    ///
    /// # Errors
    /// `NoSuchEntity` when the lift is known no longer, or a failure.
    pub async fn take_back(&self, chore: &Chore, back: TakenBack, record: Record<Lift>) -> Result<Lift, Fault> {
        let work = move |turn: &mut Turn<'_>| {
            let TakenBack { account, lift, again, contained } = back;
            let mut lift = find(turn, account, &lift)?;
            let row = rows::again(&lift.id, &again.bundle);
            if rows::read_in::<Again>(turn, &row)?.is_some() {
                return Ok(lift);
            }
            let rest = again.objects.len() as u64;
            lift.sent = lift.sent.saturating_sub(rest + contained);
            // They are looked at anew.
            lift.found = lift.found.saturating_sub(rest);
            *lift.left_out.entry(Stop::Unreadable).or_default() += contained;
            if rest > 0 && (lift.state.is_due() || lift.state == LiftState::Sent) {
                (lift.state, lift.ended_ms) = (LiftState::Sending, None);
                rows::write(turn, &row, &again)?;
            }
            write(turn, &lift)?;
            Ok(lift)
        };
        self.partition(chore.view().session())?.turn(work, record).await
    }

    /// WalkLift: what of a lift goes again next, in the session's own partition alone; nothing when nothing does. It blocks.
    ///
    /// # Errors
    /// A failure.
    pub fn resendable(&self, permit: &Permit) -> Result<Option<Resendable>, Fault> {
        let (CrossingAct::WalkLift { lift, bucket, .. }, _) = act_of(permit)? else { return Err(Fault::mismatch()) };
        let own = self.snapshot_of(&[permit.view().session()])?;
        let slice = own.slices.first().ok_or_else(Fault::mismatch)?;
        let mut noted: Option<Again> = None;
        rows::each(&slice.reading, (&rows::agains(lift), ""), |_, again| {
            noted = Some(again);
            false
        })?;
        let Some(again) = noted else { return Ok(None) };
        let bucket = own.bucket(permit.bucket(bucket).ok_or_else(no_such_bucket)?)?;
        let (Some(rows), Some(bucket)) = (own.versions(0)?, bucket) else {
            return Ok(Some(Resendable { again, found: Vec::new() }));
        };
        let mut found = Vec::new();
        for (key, version) in &again.objects {
            let Some(sequence) = crate::view::sequence_of(version.as_str()) else { continue };
            let Some(row) = rows.get(keys::version(bucket.top.id, key.as_str(), sequence).as_slice())? else {
                continue;
            };
            let record: VersionRecord = decode(row.value())?;
            found.extend(Liftable::of(key.clone(), record).filter(|one| one.version == *version));
        }
        Ok(Some(Resendable { again, found }))
    }
}

/// Nothing of a lift goes again.
pub(super) fn forget(turn: &Turn<'_>, lift: &LiftId) -> Result<(), Fault> {
    let all = rows::keys_in(turn, &rows::agains(lift), Until::Found(usize::MAX), |_, _: &Again| true)?;
    all.iter().try_for_each(|row| rows::remove(turn, row))
}

/// After a step: what it did not look at goes again later.
pub(super) fn follow(turn: &Turn<'_>, lift: &LiftId, rest: &Again) -> Result<(), Fault> {
    let row = rows::again(lift, &rest.bundle);
    if rows::read_in::<Again>(turn, &row)?.is_none() {
        return Err(super::lifts::stands_elsewhere());
    }
    if rest.objects.is_empty() { rows::remove(turn, &row) } else { rows::write(turn, &row, rest) }
}

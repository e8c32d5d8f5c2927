//! What goes again: what was in a bundle that was taken back before anybody carried it, because something in it was
//! contained (docs/decisions/0029-what-is-taken-back.md).

use super::lifts::{Lift, LiftState, act_of, find, stands_elsewhere, write};
use super::rows::{self, Until};
use super::walk::Liftable;
use crate::catalog::Turn;
use crate::fault::no_such_bucket;
use crate::{Fault, Record, Store, keys, view};
use fastness_decide::{Chore, Permit};
use fastness_operation::{AccountNumber, BundleId, Code, CrossingAct, LiftId, ObjectKey, Stop, VersionId};
use serde::{Deserialize, Serialize};

/// Versions of a lift that go again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// The bundle that was taken back.
    pub bundle: BundleId,
    /// What was in it, in the order of keys, as far as nobody looked at it again. None of a lift that has ended: then the row
    /// only says that the bundle was counted, and goes with its file, or with the lift.
    pub objects: Vec<(ObjectKey, VersionId)>,
    /// Whether the lift had looked at everything else.
    pub over: bool,
}

/// A bundle of a lift that is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// Whose lift.
    pub account: AccountNumber,
    /// The lift.
    pub lift: LiftId,
    /// The bundle.
    pub bundle: BundleId,
    /// What was in it.
    pub objects: Vec<(ObjectKey, VersionId)>,
}

/// What taking a bundle back came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TookBack {
    /// What was in it goes again, as far as it may.
    Again,
    /// Its lift was stopped or refused: nothing goes again.
    Ended,
    /// Its lift is known no longer: nothing goes again.
    Forgotten,
    /// It was taken back before.
    Before,
}

/// What a lift has to send again next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resendable {
    /// As it was noted.
    pub again: Again,
    /// What of it is the newest of its key still.
    pub found: Vec<Liftable>,
    /// The keys of what was written over since.
    pub later: Vec<ObjectKey>,
}

impl Store {
    /// Notes that a bundle is taken back: nothing of it went. What was in it is looked at again, unless its lift was stopped
    /// or refused. Called before the bundle's file goes: twice does no harm before [`Store::forget_taken_back`].
    ///
    /// # Errors
    /// A failure.
    pub async fn take_back(&self, chore: &Chore, back: TakenBack, record: Record<TookBack>) -> Result<TookBack, Fault> {
        let work = move |turn: &mut Turn<'_>| {
            let TakenBack { account, lift, bundle, objects } = back;
            let mut lift = match find(turn, account, &lift) {
                Err(Fault::Refused { code: Code::NoSuchEntity, .. }) => return Ok(TookBack::Forgotten),
                found => found?,
            };
            let (row, count) = (rows::again(&lift.id, &bundle), objects.len() as u64);
            if rows::read_in::<Again>(turn, &row)?.is_some() {
                return Ok(TookBack::Before);
            }
            lift.sent = lift.sent.saturating_sub(count);
            let goes = lift.state.is_due() || lift.state == LiftState::Sent;
            let mut again = Again { bundle, objects: Vec::new(), over: false };
            if goes {
                again.objects = objects;
                again.over = lift.state == LiftState::Sent || is_over(turn, &lift.id)?;
                lift.found = lift.found.saturating_sub(count);
                (lift.state, lift.ended_ms) = (LiftState::Sending, None);
            } else {
                *lift.left_out.entry(Stop::TakenBack).or_default() += count;
            }
            rows::write(turn, &row, &again)?;
            write(turn, &lift)?;
            Ok(if goes { TookBack::Again } else { TookBack::Ended })
        };
        self.partition(chore.view().session())?.turn(work, record).await
    }

    /// The file of a bundle that was taken back is gone: that it was counted need not be known any more.
    ///
    /// # Errors
    /// A failure.
    pub async fn forget_taken_back(&self, chore: &Chore, lift: &LiftId, bundle: &BundleId) -> Result<(), Fault> {
        let row = rows::again(lift, bundle);
        let work = move |turn: &mut Turn<'_>| match rows::read_in::<Again>(turn, &row)? {
            Some(again) if again.objects.is_empty() => rows::remove(turn, &row),
            _ => Ok(()),
        };
        // The entry of taking it back says all that there is to say.
        self.partition(chore.view().session())?.turn(work, |_| Vec::new()).await
    }

    /// WalkLift: what of a lift goes again next, in the session's own partition alone; nothing when nothing does. What was
    /// written over since stays: the newer one goes by itself, or by another order, and no older one is to come after it. It
    /// blocks.
    ///
    /// # Errors
    /// A failure.
    pub fn resendable(&self, permit: &Permit) -> Result<Option<Resendable>, Fault> {
        let (CrossingAct::WalkLift { lift, bucket, .. }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let own = self.snapshot_of(&[permit.view().session()])?;
        let slice = own.slices.first().ok_or_else(Fault::mismatch)?;
        let known: Option<Lift> = rows::read(&slice.reading, &rows::lift(lift))?;
        if known.is_none_or(|known| known.account != account || known.bucket != *bucket) {
            return Err(Fault::mismatch());
        }
        let mut noted: Option<Again> = None;
        rows::each(&slice.reading, (&rows::agains(lift), ""), |_, again: Again| {
            noted = Some(again).filter(|again| !again.objects.is_empty());
            noted.is_none()
        })?;
        let Some(again) = noted else { return Ok(None) };
        let bucket = own.bucket(permit.bucket(bucket).ok_or_else(no_such_bucket)?)?;
        let (mut found, mut later) = (Vec::new(), Vec::new());
        if let (Some(rows), Some(bucket)) = (own.versions(0)?, bucket) {
            for (key, version) in &again.objects {
                let Some(sequence) = view::sequence_of(version.as_str()) else { continue };
                match view::newest(&*rows, bucket.top.id, key.as_str())? {
                    Some((newest, record)) if newest == sequence => {
                        found.extend(Liftable::of(key.clone(), record).filter(|one| one.version == *version));
                    }
                    _ => {
                        let row = rows.get(keys::version(bucket.top.id, key.as_str(), sequence).as_slice())?;
                        later.extend(row.map(|_| key.clone()));
                    }
                }
            }
        }
        Ok(Some(Resendable { again, found, later }))
    }
}

/// Whether a lift that goes on had been over, but for what goes again.
fn is_over(turn: &Turn<'_>, lift: &LiftId) -> Result<bool, Fault> {
    Ok(!rows::keys_in(turn, &rows::agains(lift), Until::Found(1), |_, again: &Again| again.over)?.is_empty())
}

/// A lift ends: nothing of it goes again. What would have is counted; its rows stay, so that it is not counted twice.
pub(super) fn end(turn: &Turn<'_>, lift: &mut Lift) -> Result<(), Fault> {
    let has_some = |_: &str, again: &Again| !again.objects.is_empty();
    for row in rows::keys_in(turn, &rows::agains(&lift.id), Until::Found(usize::MAX), has_some)? {
        let Some(again) = rows::read_in::<Again>(turn, &row)? else { continue };
        let count = again.objects.len() as u64;
        lift.found += count;
        *lift.left_out.entry(Stop::TakenBack).or_default() += count;
        rows::write(turn, &row, &Again { objects: Vec::new(), ..again })?;
    }
    Ok(())
}

/// After a step that looked at so many: what it did not look at goes again later. Whether the lift is over.
pub(super) fn follow(turn: &Turn<'_>, lift: &LiftId, rest: &Again, found: u64) -> Result<bool, Fault> {
    let row = rows::again(lift, &rest.bundle);
    let known: Option<Again> = rows::read_in(turn, &row)?;
    let known = known.filter(|known| known.objects.len() as u64 == rest.objects.len() as u64 + found);
    let known = known.ok_or_else(stands_elsewhere)?;
    if !rest.objects.is_empty() {
        rows::write(turn, &row, &Again { objects: rest.objects.clone(), ..known })?;
        return Ok(false);
    }
    rows::remove(turn, &row)?;
    let more = rows::keys_in(turn, &rows::agains(lift), Until::Found(1), |_, again: &Again| !again.objects.is_empty())?;
    Ok(known.over && more.is_empty())
}

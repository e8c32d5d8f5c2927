//! Lifts: who ordered that what is sent, and how far it is.

use super::again::{self, Again};
use super::releases::Release;
use super::rows::Until;
use super::{CROSSING_KEPT_MS, rows, used};
use crate::catalog::Turn;
use crate::partition::Partition;
use crate::{Actor, Fault, Record, Store};
use fastness_decide::crossing::Used;
use fastness_decide::{Chore, Permit};
use fastness_operation::{
    AccessKeyId, AccountNumber, BucketName, BundleId, Code, CrossingAct, LiftId, MappingName, Moment, Operation,
    Purpose, RegionName, Stop,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Lifts of an account that are not ended, at one label.
pub const LIFTS_RUNNING_MAX: usize = 100;

/// Lifts that are kept at one label, ended ones among them; then the oldest that ended go.
pub const LIFTS_KEPT_MAX: usize = 10_000;

/// How far a lift is. What became of it on the other side is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LiftState {
    /// Nothing went yet.
    Queued,
    /// Some went, or nothing could go today.
    Sending,
    /// All that was there went, or was left out. Until a bundle was carried it may be taken back: then there is more to send.
    Sent,
    /// It may go no longer, for the reason that it says.
    Refused,
    /// Somebody stopped it.
    Stopped,
}

impl LiftState {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }

    /// Whether there is more to do.
    #[must_use]
    pub const fn is_due(self) -> bool {
        matches!(self, Self::Queued | Self::Sending)
    }
}

/// A lift, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lift {
    /// Its id.
    pub id: LiftId,
    /// Whose bucket.
    pub account: AccountNumber,
    /// Who ordered it.
    pub by: Actor,
    /// With which key: each batch is decided anew about the session that it opens today.
    pub key: AccessKeyId,
    /// By which mapping.
    pub mapping: MappingName,
    /// The region that it goes to.
    pub to: RegionName,
    /// The bucket.
    pub bucket: BucketName,
    /// How the keys begin.
    pub prefix: String,
    /// Whether it goes on with what is written later, pass after pass, until somebody stops it.
    pub standing: bool,
    /// What for.
    pub purpose: Option<Purpose>,
    /// When it was ordered, milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// How far it is.
    pub state: LiftState,
    /// The last key that was looked at.
    pub cursor: Option<String>,
    /// Versions with lower numbers went in an earlier pass.
    pub watermark: u64,
    /// Versions with this number and above were written after the pass began.
    pub passing: u64,
    /// Objects looked at, without those that are looked at again.
    pub found: u64,
    /// Objects in bundles, without those of bundles that were taken back.
    pub sent: u64,
    /// Objects that stay, by the reason.
    pub left_out: BTreeMap<Stop, u64>,
    /// Bytes in bundles, those that were taken back among them.
    pub bytes: u64,
    /// Bundles, those that were taken back among them.
    pub bundles: u64,
    /// The latest bundle: after a crash it says which of the staged files is one.
    pub last_bundle: Option<BundleId>,
    /// Why it ended early.
    pub stopped: Option<String>,
}

/// What is known of a lift that begins, beside its operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLift {
    /// Who orders it.
    pub by: Actor,
    /// With which key.
    pub key: AccessKeyId,
    /// The mapping that was found.
    pub mapping: MappingName,
}

/// A bundle that is whole and staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentBundle {
    /// The mapping by which it goes.
    pub mapping: MappingName,
    /// The day of UTC whose measure it uses.
    pub day: u32,
    /// The bytes of the objects in it.
    pub bytes: u64,
    /// What [`Store::directory_epoch`] was before the leave of everybody was looked at: a change of the directory since, that
    /// was acknowledged, is none that comes too late.
    pub directory_epoch: u64,
}

/// One step of a lift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiftStep {
    /// Where the lift stood when the step began.
    pub from: Option<String>,
    /// Where it stands now.
    pub to: Option<String>,
    /// Whether there is nothing behind that.
    pub over: bool,
    /// Versions with this number and above are for another pass.
    pub passing: u64,
    /// Objects looked at.
    pub found: u64,
    /// Objects that stay.
    pub left_out: BTreeMap<Stop, u64>,
    /// Of a step over what goes again: what it did not look at.
    pub again: Option<Again>,
    /// The bundle, if something goes: the permit is for sending then, and names what is in it.
    pub sent: Option<SentBundle>,
}

fn no_such_lift() -> Fault {
    Fault::refused(Code::NoSuchEntity, "there is no such lift of your account at this label")
}

/// The operation of a permit, if it is one of crossing, and the account.
pub(super) fn act_of(permit: &Permit) -> Result<(&CrossingAct, AccountNumber), Fault> {
    match (permit.operation(), permit.view().account()) {
        (Operation::Crossing(act), Some(account)) => Ok((act, account)),
        _ => Err(Fault::mismatch()),
    }
}

/// That no user, key, tag or mapping changed since somebody's leave was looked at.
pub(super) fn same_directory(floor: &Partition, sent: &SentBundle) -> Result<(), Fault> {
    if floor.directory_epoch() == sent.directory_epoch {
        return Ok(());
    }
    let message = "users, keys or mappings changed while it was being sent: it is looked at anew";
    Err(Fault::refused(Code::SlowDown, message))
}

pub(super) fn stands_elsewhere() -> Fault {
    Fault::refused(Code::InvalidRequest, "the lift was stopped, or stands elsewhere")
}

/// The lift of a turn.
pub(super) fn find(turn: &Turn<'_>, account: AccountNumber, id: &LiftId) -> Result<Lift, Fault> {
    let found: Option<Lift> = rows::read_in(turn, &rows::lift(id))?;
    found.filter(|lift| lift.account == account).ok_or_else(no_such_lift)
}

pub(super) fn write(turn: &Turn<'_>, lift: &Lift) -> Result<(), Fault> {
    let row = rows::lift(&lift.id);
    rows::note_due(turn, &row, lift.state.is_due())?;
    rows::write(turn, &row, lift)
}

/// Makes room for one more: what ended long ago goes, and of what ended lately the oldest if there is too much.
fn make_room(turn: &Turn<'_>, account: AccountNumber, now_ms: i64) -> Result<(), Fault> {
    let (mut running, mut ended) = (0, Vec::new());
    rows::keys_in(turn, rows::LIFTS, Until::Found(usize::MAX), |key, lift: &Lift| {
        running += usize::from(lift.account == account && lift.state.is_due());
        ended.extend(lift.ended_ms.map(|at| (at, key.to_owned())));
        false
    })?;
    if running >= LIFTS_RUNNING_MAX {
        let message =
            format!("{LIFTS_RUNNING_MAX} lifts of your account are under way at this label: wait, or stop one");
        return Err(Fault::refused(Code::LimitExceeded, message));
    }
    ended.sort();
    let surplus = (ended.len() + 1).saturating_sub(LIFTS_KEPT_MAX);
    let goes = |(place, (at, _)): &(usize, &(i64, String))| *place < surplus || now_ms - at > CROSSING_KEPT_MS;
    for (_, (_, row)) in ended.iter().enumerate().filter(goes) {
        rows::remove(turn, row)?;
        let of_it = rows::keys_in(turn, &rows::agains_of(row), Until::Found(usize::MAX), |_, _: &Again| true)?;
        of_it.iter().try_for_each(|row| rows::remove(turn, row))?;
    }
    Ok(())
}

impl Store {
    /// StartLift.
    ///
    /// # Errors
    /// `LimitExceeded`, or a failure.
    pub async fn start_lift(
        &self,
        permit: &Permit,
        new: NewLift,
        moment: Moment,
        record: Record<Lift>,
    ) -> Result<Lift, Fault> {
        let (CrossingAct::StartLift { bucket, prefix, to, standing, purpose, .. }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let NewLift { by, key, mapping } = new;
        let lift = Lift {
            id: LiftId::from_random(StdRng::from_seed(moment.seed).random()),
            account,
            by,
            key,
            mapping,
            to: to.clone(),
            bucket: bucket.clone(),
            prefix: prefix.clone(),
            standing: *standing,
            purpose: purpose.clone(),
            started_ms: moment.now_ms,
            ended_ms: None,
            state: LiftState::Queued,
            cursor: None,
            watermark: 0,
            passing: 0,
            found: 0,
            sent: 0,
            left_out: BTreeMap::new(),
            bytes: 0,
            bundles: 0,
            last_bundle: None,
            stopped: None,
        };
        let work = move |turn: &mut Turn<'_>| {
            make_room(turn, account, moment.now_ms)?;
            let lift = Lift { passing: turn.next_sequence(), ..lift };
            write(turn, &lift)?;
            Ok(lift)
        };
        self.own(permit)?.turn(work, record).await
    }

    /// StopLift. One that has ended stays as it ended.
    ///
    /// # Errors
    /// `NoSuchEntity`, or a failure.
    pub async fn stop_lift(&self, permit: &Permit, moment: Moment, record: Record<Lift>) -> Result<Lift, Fault> {
        let (CrossingAct::StopLift { lift: id }, account) = act_of(permit)? else { return Err(Fault::mismatch()) };
        let id = id.clone();
        let work = move |turn: &mut Turn<'_>| {
            let mut lift = find(turn, account, &id)?;
            if lift.state.is_due() {
                (lift.state, lift.ended_ms) = (LiftState::Stopped, Some(moment.now_ms));
                again::end(turn, &mut lift)?;
                write(turn, &lift)?;
            }
            Ok(lift)
        };
        self.own(permit)?.turn(work, record).await
    }

    /// DescribeLift.
    ///
    /// # Errors
    /// `NoSuchEntity`, or a failure.
    pub fn lift(&self, permit: &Permit) -> Result<Lift, Fault> {
        let (CrossingAct::DescribeLift { lift: id }, account) = act_of(permit)? else { return Err(Fault::mismatch()) };
        let found: Option<Lift> = rows::read(&*self.own(permit)?.read()?, &rows::lift(id))?;
        found.filter(|lift| lift.account == account).ok_or_else(no_such_lift)
    }

    /// ListLifts: those of the account at the session's label, by id, and whether there are more.
    ///
    /// # Errors
    /// A failure.
    pub fn lifts(&self, permit: &Permit) -> Result<(Vec<Lift>, bool), Fault> {
        let (CrossingAct::ListLifts { after, limit }, account) = act_of(permit)? else { return Err(Fault::mismatch()) };
        let (mut found, most) = (Vec::new(), usize::from(*limit));
        let after = after.as_ref().map(rows::lift).unwrap_or_default();
        rows::each(&*self.own(permit)?.read()?, (rows::LIFTS, &after), |_, lift: Lift| {
            if lift.account == account {
                found.push(lift);
            }
            found.len() <= most
        })?;
        let more = found.len() > most;
        found.truncate(most);
        Ok((found, more))
    }

    /// The lifts of a label that have something to do, oldest first.
    ///
    /// # Errors
    /// A failure.
    pub fn due_lifts(&self, chore: &Chore) -> Result<Vec<Lift>, Fault> {
        let reading = self.partition(chore.view().session())?.read()?;
        let mut due: Vec<Lift> = rows::due(&reading, rows::LIFTS)?;
        due.sort_by(|one: &Lift, other| (one.started_ms, &one.id).cmp(&(other.started_ms, &other.id)));
        Ok(due)
    }

    /// The number that the next version at a label will have.
    ///
    /// # Errors
    /// A failure.
    pub fn next_sequence(&self, chore: &Chore) -> Result<u64, Fault> {
        Ok(self.partition(chore.view().session())?.read()?.state()?.sequence)
    }

    /// The latest bundle of each lift of a label, and the bundle of each release: what was committed, and may not have its
    /// name yet.
    ///
    /// # Errors
    /// A failure.
    pub fn committed_bundles(&self, chore: &Chore) -> Result<BTreeSet<BundleId>, Fault> {
        let mut found = BTreeSet::new();
        let reading = self.partition(chore.view().session())?.read()?;
        rows::each(&reading, (rows::LIFTS, ""), |_, lift: Lift| {
            found.extend(lift.last_bundle);
            true
        })?;
        rows::each(&reading, (rows::RELEASES, ""), |_, release: Release| {
            found.extend(release.bundle);
            true
        })?;
        Ok(found)
    }

    /// Ends a lift that may go no longer: its key opens no session, or what it asks for is refused today.
    ///
    /// # Errors
    /// `NoSuchEntity` for one that has ended otherwise, or a failure.
    pub async fn refuse_lift(
        &self,
        chore: &Chore,
        (account, id): (AccountNumber, &LiftId),
        why: String,
        moment: Moment,
        record: Record<Lift>,
    ) -> Result<Lift, Fault> {
        let id = id.clone();
        let work = move |turn: &mut Turn<'_>| {
            let mut lift = find(turn, account, &id)?;
            if !lift.state.is_due() {
                return Err(no_such_lift());
            }
            (lift.state, lift.ended_ms, lift.stopped) = (LiftState::Refused, Some(moment.now_ms), Some(why));
            again::end(turn, &mut lift)?;
            write(turn, &lift)?;
            Ok(lift)
        };
        self.partition(chore.view().session())?.turn(work, record).await
    }

    /// Commits one step of a lift: WalkLift when nothing goes, SendObjects with what is in the staged bundle. The step is
    /// refused when the lift does not stand where it began, or what goes again is not what it was, so that nothing goes
    /// twice; or, of a bundle, when the directory changed since the leave of whoever ordered it was looked at.
    ///
    /// # Errors
    /// `InvalidRequest` when the lift was stopped or stands elsewhere, `NoSuchEntity`, `SlowDown`, or a failure: then it may be
    /// committed all the same.
    pub async fn advance_lift(
        &self,
        permit: &Permit,
        step: LiftStep,
        moment: Moment,
        record: Record<Lift>,
    ) -> Result<Lift, Fault> {
        let (act, account) = act_of(permit)?;
        let (id, bundle, objects) = match (act, &step.sent) {
            (CrossingAct::WalkLift { lift, .. }, None) => (lift.clone(), None, 0),
            (CrossingAct::SendObjects { crossing, bundle, objects, .. }, Some(_)) => {
                let lift = LiftId::new(crossing.as_str()).map_err(|_| Fault::mismatch())?;
                (lift, Some(bundle.clone()), objects.len() as u64)
            }
            _ => return Err(Fault::mismatch()),
        };
        let floor = self.floor()?;
        let work = move |turn: &mut Turn<'_>| {
            let mut lift = find(turn, account, &id)?;
            if !lift.state.is_due() || lift.cursor != step.from {
                return Err(stands_elsewhere());
            }
            if let Some(sent) = &step.sent {
                same_directory(&floor, sent)?;
            }
            let over = match &step.again {
                Some(rest) => again::follow(turn, &lift.id, rest, step.found)?,
                None => step.over,
            };
            (lift.cursor, lift.passing) = (step.to, step.passing);
            lift.found += step.found;
            for (why, count) in step.left_out {
                *lift.left_out.entry(why).or_default() += count;
            }
            if let (Some(sent), Some(bundle)) = (step.sent, bundle) {
                lift.sent += objects;
                lift.bytes += sent.bytes;
                lift.bundles += 1;
                lift.last_bundle = Some(bundle);
                used::add(turn, (account, &sent.mapping, sent.day), Used { bytes: sent.bytes, objects })?;
            }
            lift.state = LiftState::Sending;
            match (over, lift.standing) {
                (false, _) => {}
                (true, false) => (lift.state, lift.ended_ms) = (LiftState::Sent, Some(moment.now_ms)),
                // The next pass begins where this one ended.
                (true, true) => (lift.cursor, lift.watermark) = (None, lift.passing),
            }
            write(turn, &lift)?;
            Ok(lift)
        };
        self.own(permit)?.turn(work, record).await
    }
}

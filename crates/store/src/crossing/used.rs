//! How much of a mapping's measure a label has used up on a day.

use super::rows::{self, Until};
use crate::catalog::Turn;
use crate::{Fault, Store};
use fastness_decide::Permit;
use fastness_decide::crossing::Used;
use fastness_operation::{AccountNumber, Code, CrossingAct, MappingName, Operation};
use serde::{Deserialize, Serialize};

/// Old days that one write takes away, at most.
const DAYS_REMOVED_MAX: usize = 64;

/// [`Used`] as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct UsedRecord {
    bytes: u64,
    objects: u64,
}

/// A day's measure of a mapping, and what a batch asks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// The mapping.
    pub mapping: MappingName,
    /// The day of UTC.
    pub day: u32,
    /// What the batch asks.
    pub asked: Used,
    /// All that the day has.
    pub most: Used,
}

impl Measure {
    /// That the day has room for what is asked.
    pub(super) fn check(&self, turn: &Turn<'_>, account: AccountNumber) -> Result<(), Fault> {
        let used =
            rows::read_in::<UsedRecord>(turn, &rows::used(account, &self.mapping, self.day))?.unwrap_or_default();
        let used = Used { bytes: used.bytes, objects: used.objects };
        if used.plus(self.asked).exceeds(self.most) {
            return Err(Fault::refused(Code::LimitExceeded, "the mapping's measure of the day is used up"));
        }
        Ok(())
    }
}

/// Adds to what a day has used, in the turn that uses it; earlier days are forgotten.
pub(super) fn add(
    turn: &Turn<'_>,
    (account, mapping, day): (AccountNumber, &MappingName, u32),
    more: Used,
) -> Result<(), Fault> {
    let row = rows::used(account, mapping, day);
    let UsedRecord { bytes, objects } = rows::read_in(turn, &row)?.unwrap_or_default();
    let Used { bytes, objects } = Used { bytes, objects }.plus(more);
    rows::write(turn, &row, &UsedRecord { bytes, objects })?;
    let earlier = |key: &str, _: &UsedRecord| key < row.as_str();
    for old in rows::keys_in(turn, &rows::used_of(account, mapping), Until::Found(DAYS_REMOVED_MAX), earlier)? {
        rows::remove(turn, &old)?;
    }
    Ok(())
}

impl Store {
    /// What a mapping of the permit's account has used up at the session's label on a day.
    ///
    /// # Errors
    /// A failure.
    pub fn used(&self, permit: &Permit, mapping: &MappingName, day: u32) -> Result<Used, Fault> {
        let Operation::Crossing(act) = permit.operation() else { return Err(Fault::mismatch()) };
        let (
            CrossingAct::WalkLift { .. } | CrossingAct::SendObjects { .. } | CrossingAct::ReceiveObjects { .. },
            Some(account),
        ) = (act.as_ref(), permit.view().account())
        else {
            return Err(Fault::mismatch());
        };
        let found: Option<UsedRecord> = rows::read(&*self.own(permit)?.read()?, &rows::used(account, mapping, day))?;
        let UsedRecord { bytes, objects } = found.unwrap_or_default();
        Ok(Used { bytes, objects })
    }
}

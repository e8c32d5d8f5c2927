//! An older state never comes after a newer one: what a bundle brings under a name that a later bundle of the same region
//! brought already is overtaken, and stays away (docs/formats/bundle.md, "Order").

use super::{CROSSING_KEPT_MS, rows};
use crate::Fault;
use crate::catalog::Turn;
use fastness_decide::Bucket;
use fastness_operation::{Code, ObjectKey, RegionName};
use serde::{Deserialize, Serialize};

/// The latest bundle of a region that made a version of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latest {
    /// Its number. It orders two bundles and is shown to nobody.
    number: u64,
    /// When it came, milliseconds since 1970.
    at_ms: i64,
}

impl Latest {
    /// Whether no bundle is taken any more that it could have overtaken.
    pub(super) const fn is_old(&self, now_ms: i64) -> bool {
        now_ms - self.at_ms > CROSSING_KEPT_MS
    }
}

/// A bundle that brings objects.
pub(super) struct Bringing<'a> {
    pub(super) from: &'a RegionName,
    pub(super) number: u64,
    pub(super) bucket: &'a Bucket,
}

impl Bringing<'_> {
    fn row(&self, key: &ObjectKey) -> String {
        let Bucket { account, name } = self.bucket;
        format!("{}{}/{account}/{name}/{key}", rows::OVERTAKES, self.from)
    }

    /// That no later bundle brought this name.
    pub(super) fn check(&self, turn: &Turn<'_>, key: &ObjectKey) -> Result<(), Fault> {
        let latest: Option<Latest> = rows::read_in(turn, &self.row(key))?;
        if latest.is_none_or(|latest| latest.number <= self.number) {
            return Ok(());
        }
        Err(Fault::refused(Code::Overtaken, "a later bundle of that region brought this name already"))
    }

    /// Notes that it brought a name.
    pub(super) fn note(&self, turn: &Turn<'_>, key: &ObjectKey, now_ms: i64) -> Result<(), Fault> {
        rows::write(turn, &self.row(key), &Latest { number: self.number, at_ms: now_ms })
    }
}

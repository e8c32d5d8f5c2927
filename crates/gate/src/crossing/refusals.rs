//! Refusals of what lies in inboxes: so many an hour have an entry each, for every region and kind by itself, so that a
//! flood of one kind hides no other. The rest is counted until an entry that says how many is durable.

use fastness_operation::RegionName;
use std::collections::BTreeMap;

/// Refusals of one kind of one region's files in an hour that each have an entry.
const REFUSALS_MAX: u64 = 100;
/// An hour, in ms.
const HOUR_MS: i64 = 60 * 60 * 1_000;

/// What was counted, by region and kind.
#[derive(Debug, Default)]
pub(crate) struct Refusals(BTreeMap<(RegionName, &'static str), Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// The hour since 1970 that `said` is of.
    hour: i64,
    /// Refusals of that hour with an entry of their own.
    said: u64,
    /// Refusals of any hour that no entry has said yet.
    unsaid: u64,
}

impl Refusals {
    /// Whether a refusal has an entry of its own; else it is counted.
    pub(crate) fn count(&mut self, from: &RegionName, kind: &'static str, now_ms: i64) -> bool {
        let counted = self.0.entry((from.clone(), kind)).or_default();
        let now = now_ms.div_euclid(HOUR_MS);
        if counted.hour != now {
            (counted.hour, counted.said) = (now, 0);
        }
        let is_said = counted.said < REFUSALS_MAX;
        let count = if is_said { &mut counted.said } else { &mut counted.unsaid };
        *count = count.saturating_add(1);
        is_said
    }

    /// What was counted of a region in hours that are over, by kind.
    pub(crate) fn unsaid(&self, from: &RegionName, now_ms: i64) -> Vec<(&'static str, u64)> {
        let now = now_ms.div_euclid(HOUR_MS);
        let of_region = self.0.iter().filter(|((region, _), _)| region == from);
        let over = of_region.filter(|(_, counted)| counted.unsaid > 0 && counted.hour != now);
        over.map(|((_, kind), counted)| (*kind, counted.unsaid)).collect()
    }

    /// The regions of which something was counted.
    pub(crate) fn regions(&self) -> Vec<RegionName> {
        let mut all: Vec<RegionName> = self.0.keys().map(|(region, _)| region.clone()).collect();
        all.dedup();
        all
    }

    /// An entry that says so much is durable.
    pub(crate) fn said(&mut self, from: &RegionName, all: &[(&'static str, u64)]) {
        for (kind, count) in all {
            if let Some(counted) = self.0.get_mut(&(from.clone(), *kind)) {
                counted.unsaid = counted.unsaid.saturating_sub(*count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_hides_no_other_and_counts_stay_until_they_were_said() {
        let (mut refusals, from) = (Refusals::default(), RegionName::new("low").unwrap());
        let own = |refusals: &mut Refusals, kind, times: u64, now_ms| {
            (0..times).filter(|_| refusals.count(&from, kind, now_ms)).count() as u64
        };
        assert_eq!(own(&mut refusals, "malformed", 250, 1), REFUSALS_MAX);
        assert_eq!(own(&mut refusals, "forged", 3, 2), 3, "the other kind has room of its own");
        assert_eq!(refusals.unsaid(&from, 3), [], "the hour is not over");
        assert_eq!(refusals.unsaid(&from, HOUR_MS), [("malformed", 150)]);
        assert_eq!(refusals.unsaid(&from, HOUR_MS), [("malformed", 150)], "asked is not said");
        assert_eq!(own(&mut refusals, "malformed", 101, HOUR_MS), REFUSALS_MAX);
        refusals.said(&from, &[("malformed", 150)]);
        assert_eq!(refusals.unsaid(&from, 2 * HOUR_MS), [("malformed", 1)]);
        assert_eq!(refusals.regions(), std::slice::from_ref(&from));
        let other = RegionName::new("high").unwrap();
        assert_eq!(
            (refusals.unsaid(&other, 2 * HOUR_MS), refusals.count(&other, "malformed", HOUR_MS)),
            (vec![], true)
        );
    }
}

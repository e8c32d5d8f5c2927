//! Reports for a region's ledger: for each kind of what could not be used an empty file, whose name says how much of it
//! came. A name, so that nothing that comes from here has to be parsed above: a region writes a ledger entry for whatever
//! lies in an inbox and is no bundle, with its name, and removes it.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How often a kind is reported, after its first time: so that a flood on the line is none in a ledger.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// What was reported of a kind.
#[derive(Debug)]
struct Told {
    /// Since the start.
    count: u64,
    at: OffsetDateTime,
}

/// What was reported.
#[derive(Debug)]
pub(crate) struct Reports {
    start: OffsetDateTime,
    told: BTreeMap<&'static str, Told>,
}

impl Reports {
    pub(crate) fn new(now: OffsetDateTime) -> Self {
        Self { start: now, told: BTreeMap::new() }
    }

    /// The names of the files that are due, for these counts since the start: a kind's first at once, and then one an hour
    /// if there was more of it.
    pub(crate) fn due(
        &mut self,
        counts: impl Iterator<Item = (&'static str, u64)>,
        now: OffsetDateTime,
    ) -> Vec<String> {
        let mut names = Vec::new();
        for (kind, count) in counts {
            let (before, since) = match self.told.get(kind) {
                Some(told) if now - told.at < EVERY => continue,
                Some(told) => (told.count, told.at),
                None => (0, self.start),
            };
            let more = count.saturating_sub(before);
            if more > 0 {
                let since = since.replace_nanosecond(0).unwrap_or(since).format(&Rfc3339).unwrap_or_default();
                names.push(format!("diode: {more} {kind} since {since}"));
                self.told.insert(kind, Told { count, at: now });
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_reported_at_once_and_then_once_an_hour() {
        let start = OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut reports = Reports::new(start);
        assert_eq!(reports.due([("forged", 0)].into_iter(), at(1)), Vec::<String>::new());
        assert_eq!(reports.due([("forged", 3)].into_iter(), at(9)), ["diode: 3 forged since 2026-11-18T11:06:40Z"]);
        assert_eq!(reports.due([("forged", 9), ("short", 1)].into_iter(), at(60)).len(), 1);
        assert_eq!(reports.due([("forged", 10), ("short", 1)].into_iter(), at(3_608)), Vec::<String>::new());
        let due = reports.due([("forged", 10), ("short", 1)].into_iter(), at(3_700));
        assert_eq!(due, ["diode: 7 forged since 2026-11-18T11:06:49Z"]);
        // As long as the longest name that a region takes into its ledger whole.
        let due = reports.due([("inconsistent", u64::MAX)].into_iter(), at(9_999));
        assert!(due[0].len() <= 70, "{due:?}");
    }
}

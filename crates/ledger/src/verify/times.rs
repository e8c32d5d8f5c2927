//! When entries were made: by these times they are looked up, and these times tell what should long have been signed.

use super::{Finding, LogReport};
use fastness_store::SEGMENT_LEN;

/// How long an entry may be under no checkpoint: the keeper signs every second, and may be busy.
const UNSIGNED_MAX_MS: i64 = 60_000;

/// An entry's number, and when it was made.
type Made = (u64, i64);

/// A segment of which every content was read.
pub(super) struct Whole {
    /// Its first entry.
    pub(super) first: u64,
    /// The earliest and the latest of its times.
    pub(super) times: (i64, i64),
}

/// Times of a ledger's entries, as far as their contents are there.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Times {
    /// Entries that the last checkpoint is over.
    signed: u64,
    /// The first entry behind it.
    unsigned: Option<Made>,
    last: Option<Made>,
    /// Of the segment that is being read: how many entries, the earliest time, the latest.
    segment: (u64, i64, i64),
}

impl Times {
    /// Begins; so many entries are signed.
    pub(super) fn behind(signed: u64) -> Self {
        Self { signed, ..Self::default() }
    }

    /// Takes the next entry; at the end of a segment that was read whole, that segment.
    pub(super) fn see(&mut self, number: u64, time_ms: i64) -> Option<Whole> {
        self.last = Some((number, time_ms));
        if number >= self.signed {
            self.unsigned.get_or_insert((number, time_ms));
        }
        let place = number % SEGMENT_LEN;
        self.segment = match self.segment {
            (count, first, last) if place > 0 && count == place => (count + 1, first.min(time_ms), last.max(time_ms)),
            _ if place == 0 => (1, time_ms, time_ms),
            _ => (0, 0, 0),
        };
        let (count, first_ms, last_ms) = self.segment;
        (count == SEGMENT_LEN).then(|| Whole { first: number - place, times: (first_ms, last_ms) })
    }

    /// Takes what another thread read.
    pub(super) fn add(&mut self, other: Self) {
        self.signed = self.signed.max(other.signed);
        self.unsigned = self.unsigned.into_iter().chain(other.unsigned).min();
        self.last = self.last.into_iter().chain(other.last).max();
    }
}

/// Finds logs that a keeper who was there would have signed: what is unsigned goes on for more than a minute, or there is
/// no checkpoint at all and another log's last entry is more than a minute later.
pub(super) fn compare(times: &[Times], reports: &mut [LogReport]) {
    let newest = times.iter().filter_map(|one| one.last).map(|(_, time_ms)| time_ms).max();
    for (of, report) in times.iter().zip(reports) {
        let (Some((first, since_ms)), Some((last, own_ms))) = (of.unsigned, of.last) else { continue };
        let until_ms = if of.signed == 0 { newest.unwrap_or(own_ms) } else { own_ms };
        if until_ms.saturating_sub(since_ms) > UNSIGNED_MAX_MS {
            report.finding.get_or_insert(Finding::Unsigned { first, last });
        }
    }
}

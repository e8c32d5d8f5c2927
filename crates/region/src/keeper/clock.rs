//! Whether the clock can be believed: contents are dropped by it, and what is dropped does not come back.
//!
//! The clock is compared with one that cannot be set. Where the two drift apart by more than an hour the clock stepped, and
//! is believed again when it was steady for a day. How steady it was is kept in a note: a region that is started each
//! morning gets on, and one that starts with a date far off drops nothing.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How far a clock may step back without an alarm: time services correct by less.
const STEP_BACK_MAX_MS: i64 = 1_000;

/// How far the two clocks may drift apart in a day.
const DRIFT_MAX_MS: i64 = 3_600_000;

/// For how long nobody may have looked, before a start is taken for a step: a weekend. A wrong date that is no further off
/// drops contents earlier by as much.
const DOWN_MAX_MS: i64 = 3 * 24 * 3_600_000;

/// How long a clock must have been steady to be believed.
const STEADY_MS: i64 = 24 * 3_600_000;

/// What the clock shows that cannot be set: the time since the machine was started, sleep included.
pub(super) fn unset() -> Duration {
    let since = clock_gettime(ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(since.tv_sec), u32::try_from(since.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}

/// A clock that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Back { by_ms: i64, from_ms: i64 },
    Ahead { by_ms: i64, from_ms: i64 },
}

/// What was seen of the clock. `at` is always what the other clock shows: the time since some moment.
#[derive(Debug)]
pub(super) struct Clock {
    /// What both showed when they were compared anew.
    anchor_ms: i64,
    anchor_at: Duration,
    /// How long the clock had been steady then.
    steady_ms: i64,
    /// The latest time that the clock has shown.
    latest_ms: i64,
}

fn millis(at: Duration) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

impl Clock {
    /// The clock as a note has it, or a new one; and how it differs from what the note says, if by more than may be. One
    /// that is ahead has stepped, or time went by without anybody who looked.
    pub(super) fn resume(note: Option<&[u8]>, now_ms: i64, at: Duration) -> (Self, Option<Step>) {
        let numbers = note.and_then(|note| {
            let (shown, steady) = std::str::from_utf8(note).ok()?.split_once(' ')?;
            Some((shown.parse::<i64>().ok()?, steady.trim_end().parse::<i64>().ok()?))
        });
        let mut clock = Self { anchor_ms: now_ms, anchor_at: at, steady_ms: 0, latest_ms: now_ms };
        let Some((shown_ms, steady_ms)) = numbers else { return (clock, None) };
        let apart_ms = now_ms.saturating_sub(shown_ms);
        if (-DRIFT_MAX_MS..=DOWN_MAX_MS).contains(&apart_ms) {
            clock.steady_ms = steady_ms.clamp(0, STEADY_MS);
        }
        let step = match apart_ms {
            ..0 if apart_ms < -STEP_BACK_MAX_MS => Some(Step::Back { by_ms: -apart_ms, from_ms: shown_ms }),
            _ if apart_ms > DOWN_MAX_MS => Some(Step::Ahead { by_ms: apart_ms, from_ms: shown_ms }),
            _ => None,
        };
        (clock, step)
    }

    /// Looks at the clock; says if it stepped.
    pub(super) fn look(&mut self, now_ms: i64, at: Duration) -> Option<Step> {
        let passed_ms = millis(at.saturating_sub(self.anchor_at));
        let lead_ms = now_ms.saturating_sub(self.anchor_ms).saturating_sub(passed_ms);
        let latest_ms = self.latest_ms;
        let back_ms = latest_ms.saturating_sub(now_ms);
        let step = if back_ms > STEP_BACK_MAX_MS {
            // What it shows from now on is what the next step back is judged by.
            self.latest_ms = now_ms;
            Some(Step::Back { by_ms: back_ms, from_ms: latest_ms })
        } else {
            self.latest_ms = latest_ms.max(now_ms);
            (lead_ms > DRIFT_MAX_MS).then_some(Step::Ahead { by_ms: lead_ms, from_ms: latest_ms })
        };
        if lead_ms.saturating_abs() > DRIFT_MAX_MS {
            self.anchor((now_ms, at), 0);
        } else if passed_ms >= STEADY_MS {
            self.anchor((now_ms, at), STEADY_MS);
        }
        step
    }

    fn anchor(&mut self, (now_ms, at): (i64, Duration), steady_ms: i64) {
        *self = Self { anchor_ms: now_ms, anchor_at: at, steady_ms, latest_ms: self.latest_ms };
    }

    fn steady_ms(&self, at: Duration) -> i64 {
        self.steady_ms.saturating_add(millis(at.saturating_sub(self.anchor_at))).min(STEADY_MS)
    }

    /// Whether contents may be dropped by it.
    pub(super) fn is_steady(&self, at: Duration) -> bool {
        self.steady_ms(at) >= STEADY_MS
    }

    /// What is kept of it.
    pub(super) fn note(&self, now_ms: i64, at: Duration) -> Vec<u8> {
        format!("{now_ms} {}\n", self.steady_ms(at)).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    const THEN: i64 = 1_790_000_000_000;

    fn at(ms: i64) -> Duration {
        Duration::from_millis(ms as u64)
    }

    /// Both clocks run for so long, and the first is looked at each minute.
    fn run(clock: &mut Clock, (now, mono): (i64, i64), length: i64) -> (i64, i64) {
        for passed in (0..=length).step_by(60_000) {
            assert_eq!(clock.look(now + passed, at(mono + passed)), None);
        }
        (now + length, mono + length)
    }

    #[test]
    fn a_clock_is_believed_when_it_was_steady_for_a_day() {
        let (mut clock, step) = Clock::resume(None, THEN, at(0));
        assert_eq!(step, None);
        let (now, mono) = run(&mut clock, (THEN, 0), DAY - 60_000);
        assert!(!clock.is_steady(at(mono)));
        let (now, mono) = run(&mut clock, (now, mono), 60_000);
        assert!(clock.is_steady(at(mono)));
        // A year ahead, and back again: neither is believed for a day.
        let year = 365 * DAY;
        let ahead = clock.look(now + year, at(mono + 1_000));
        assert_eq!(ahead, Some(Step::Ahead { by_ms: year - 1_000, from_ms: now }));
        assert!(!clock.is_steady(at(mono + 1_000)));
        assert_eq!(clock.look(now + year, at(mono + 2_000)), None, "it is told once");
        let back = clock.look(now + 3_000, at(mono + 3_000));
        assert_eq!(back, Some(Step::Back { by_ms: year - 3_000, from_ms: now + year }));
        let (_, mono) = run(&mut clock, (now + 3_000, mono + 3_000), DAY - HOUR);
        assert!(!clock.is_steady(at(mono)));
        let (now, mono) = run(&mut clock, (now + 3_000 + DAY - HOUR, mono), 2 * HOUR);
        assert!(clock.is_steady(at(mono)));
        // Small steps ahead count together.
        assert_eq!(clock.look(now + HOUR / 2, at(mono)), None);
        assert_eq!(clock.look(now + HOUR, at(mono)), None);
        assert!(matches!(clock.look(now + HOUR * 3 / 2, at(mono)), Some(Step::Ahead { .. })));
    }

    #[test]
    fn a_start_knows_what_the_clock_showed_before() {
        let (mut clock, _) = Clock::resume(None, THEN, at(0));
        let (now, mono) = run(&mut clock, (THEN, 0), 20 * HOUR);
        let note = clock.note(now, at(mono));
        // At once, and for the rest of the day.
        let (mut again, step) = Clock::resume(Some(&note), now + 60_000, at(5));
        assert_eq!((step, again.is_steady(at(5))), (None, false));
        let (_, mono) = run(&mut again, (now + 60_000, 5), 4 * HOUR);
        assert!(again.is_steady(at(mono)));
        // What is off at night gets on, day after day.
        let (mut each, mut now_each) = (note.clone(), now);
        for day in 0..2 {
            let (mut clock, step) = Clock::resume(Some(&each), now_each + 16 * HOUR, at(0));
            assert_eq!((step, clock.is_steady(at(0))), (None, day == 1));
            let (now, mono) = run(&mut clock, (now_each + 16 * HOUR, 0), 8 * HOUR);
            (each, now_each) = (clock.note(now, at(mono)), now);
        }
        // With another date.
        let (ahead, step) = Clock::resume(Some(&note), now + 40 * DAY, at(0));
        assert_eq!(step, Some(Step::Ahead { by_ms: 40 * DAY, from_ms: now }));
        assert!(!ahead.is_steady(at(4 * HOUR + 60_000)));
        let (_, step) = Clock::resume(Some(&note), now - 5_000, at(0));
        assert_eq!(step, Some(Step::Back { by_ms: 5_000, from_ms: now }));
        // What is no note is none.
        for bad in [b"".as_slice(), b"1", b"x y", b"1 2 3", b"\xff 1"] {
            assert!(!Clock::resume(Some(bad), now, at(0)).0.is_steady(at(0)), "{bad:?}");
        }
        let wild = format!("{} {}", i64::MIN, i64::MAX);
        assert!(!Clock::resume(Some(wild.as_bytes()), now, at(0)).0.is_steady(at(0)));
    }
}

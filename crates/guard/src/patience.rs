//! How long filters may take: for one object, and for all of a bundle.
//!
//! An object earns time by its size, a second at least. What it takes beyond that comes out of the patience that its bundle
//! has for all of its objects together. So a few objects that hang cost their whole time, and a thousand of them not a
//! thousand times as much.

use crate::Bounds;
use std::time::Duration;

/// What every object earns.
const EARNED: Duration = Duration::from_secs(1);
/// What it earns for each MiB of its content, and of what expands out of it: slower is no filter by far.
const EARNED_BY_MIB: Duration = Duration::from_millis(250);
/// What it earns for each entry of its archives.
const EARNED_BY_ENTRY: Duration = Duration::from_millis(10);
/// How many filters that hang have all of their time.
const HANGS: u32 = 3;

/// The time that a bundle's objects may take together, beyond what each of them earned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Patience(Duration);

impl Patience {
    /// At a bundle's beginning.
    pub(crate) fn new(bounds: &Bounds) -> Patience {
        Patience(bounds.time.saturating_mul(HANGS))
    }

    pub(crate) fn left(self) -> Duration {
        self.0
    }

    pub(crate) fn spend(&mut self, time: Duration) {
        self.0 = self.0.saturating_sub(time);
    }
}

/// The time of one object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Of the whole time that an object may take.
    left: Duration,
    /// Of what it earned.
    own: Duration,
}

impl Clock {
    /// Of an object of so many bytes.
    pub(crate) fn new(bounds: &Bounds, content_bytes: usize) -> Clock {
        Clock { left: bounds.total_time, own: EARNED.saturating_add(by_size(content_bytes)) }
    }

    /// More of it is to be looked at: an archive's entries, and their bytes together.
    pub(crate) fn earn(&mut self, entries: usize, bytes: usize) {
        let by_count = EARNED_BY_ENTRY.saturating_mul(u32::try_from(entries).unwrap_or(u32::MAX));
        self.own = self.own.saturating_add(by_count).saturating_add(by_size(bytes));
    }

    /// How long it may take now, if one that looks at it has at most so long.
    pub(crate) fn allowed(self, most: Duration, patience: Patience) -> Duration {
        most.min(self.left).min(self.own.saturating_add(patience.left()))
    }

    /// It took so long: first of what it earned, then of the bundle's patience.
    pub(crate) fn spend(&mut self, time: Duration, patience: &mut Patience) {
        self.left = self.left.saturating_sub(time);
        patience.spend(time.saturating_sub(self.own));
        self.own = self.own.saturating_sub(time);
    }
}

fn by_size(bytes: usize) -> Duration {
    EARNED_BY_MIB.saturating_mul(u32::try_from(bytes >> 20).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_hangs_takes_its_time_three_times_and_then_what_it_earned() {
        let bounds = Bounds::default();
        let (mut patience, mut whole) = (Patience::new(&bounds), Duration::ZERO);
        for hanging in 0..1_000 {
            let mut clock = Clock::new(&bounds, 4_096);
            let time = clock.allowed(bounds.time, patience);
            assert_eq!(time == bounds.time, hanging < 3, "{hanging}: {time:?}");
            clock.spend(time, &mut patience);
            whole += time;
        }
        assert_eq!(whole, 3 * bounds.time + 1_000 * SECOND, "and never more, in whatever order");
    }

    #[test]
    fn a_large_object_and_a_full_archive_earn_more() {
        let (bounds, patience) = (Bounds::default(), Patience(Duration::ZERO));
        let mut clock = Clock::new(&bounds, 64 << 20);
        assert_eq!(clock.allowed(bounds.time, patience), SECOND * 17);
        clock.earn(1_000, 4 << 20);
        assert_eq!(clock.allowed(bounds.time, patience), SECOND * 28);
        clock.spend(bounds.total_time, &mut patience.clone());
        assert_eq!(clock.allowed(bounds.time, Patience(SECOND)), Duration::ZERO, "no object has more than the whole");
    }
}

//! Pacing: a token bucket, so that a line that carries so much and no more is never given more.

use std::time::{Duration, Instant};

/// How far behind the sender may be and still catch up. Longer, and it would send bursts that a receiver's buffer does
/// not hold; shorter, and every hiccup of the scheduler would cost speed.
pub(crate) const BEHIND_MAX: Duration = Duration::from_millis(4);
/// Sleeping less than this takes longer than this.
const SLEEP_MIN: Duration = Duration::from_micros(100);

/// A bucket that fills at so many bytes a second.
#[derive(Debug)]
pub(crate) struct Pace {
    seconds_a_byte: f64,
    slowness: f64,
    /// When the next datagram may go.
    next: Instant,
}

impl Pace {
    pub(crate) fn new(bytes_a_second: f64) -> Self {
        Self { seconds_a_byte: 1.0 / bytes_a_second.max(1.0), slowness: 1.0, next: Instant::now() }
    }

    /// From now on, so many times as slow as the rate; never faster.
    pub(crate) fn slow_down(&mut self, times: f64) {
        self.slowness = times.max(1.0);
    }

    /// Waits until so many bytes may go.
    pub(crate) fn wait(&mut self, bytes: usize) {
        let now = Instant::now();
        if let Some(behind) = now.checked_duration_since(self.next) {
            if behind > BEHIND_MAX {
                self.next = now.checked_sub(BEHIND_MAX).unwrap_or(now);
            }
        } else {
            let ahead = self.next.saturating_duration_since(now);
            if ahead > SLEEP_MIN {
                std::thread::sleep(ahead);
            }
        }
        self.next += Duration::from_secs_f64(bytes as f64 * self.seconds_a_byte * self.slowness);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_kept_and_a_pause_is_not_caught_up() {
        let mut pace = Pace::new(1e6);
        std::thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        (0..20).for_each(|_| pace.wait(1_000));
        // Twenty thousand bytes at a million a second, less what may be caught up and the last one's own time.
        assert!(start.elapsed() >= Duration::from_millis(14), "{:?}", start.elapsed());
        pace.slow_down(3.0);
        let start = Instant::now();
        (0..10).for_each(|_| pace.wait(1_000));
        assert!(start.elapsed() >= Duration::from_millis(24), "{:?}", start.elapsed());
    }
}

//! Clocks that stand where a test puts them.

use crate::support::Counted;
use fastness_gate::Environment;
use fastness_operation::{AccessKeyId, Moment};
use std::sync::atomic::{AtomicI64, Ordering};

/// Clocks that a test moves.
#[derive(Debug, Default)]
pub struct Clocks {
    counted: Counted,
    ahead_ms: AtomicI64,
}

impl Clocks {
    pub fn advance_days(&self, days: i64) {
        self.ahead_ms.fetch_add(days * 86_400_000, Ordering::Relaxed);
    }

    /// About now: the moments of a test differ by some minutes.
    pub fn now_ms(&self) -> i64 {
        1_790_000_600_000 + self.ahead_ms.load(Ordering::Relaxed)
    }

    fn ahead(&self, moment: Moment) -> Moment {
        Moment { now_ms: moment.now_ms + self.ahead_ms.load(Ordering::Relaxed), ..moment }
    }
}

impl Environment for Clocks {
    fn moment(&self, key: Option<&AccessKeyId>) -> Moment {
        self.ahead(self.counted.moment(key))
    }

    fn chore(&self, label: &str) -> Moment {
        self.ahead(self.counted.chore(label))
    }
}

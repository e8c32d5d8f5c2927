//! The workers that do what is due: one for each partition, so that none waits for another.

use fastness_gate::Gate;
use fastness_label::Label;
use std::collections::HashSet;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often, and by which clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifecycleClock {
    /// The time between two passes over a partition.
    pub every: Duration,
    /// How far ahead of the true clock the workers judge what is due; for tests. Object locks go by the true clock.
    pub ahead: Duration,
}

impl LifecycleClock {
    /// The time between two passes, unless the start says otherwise. What is due by days is due at midnight.
    pub const EVERY: Duration = Duration::from_secs(15 * 60);
}

/// Runs a worker for every label that the region holds, also for those that it takes on later, until it is dropped.
pub(crate) async fn work(gate: Gate, clock: LifecycleClock) {
    let (mut workers, mut known) = (JoinSet::new(), HashSet::new());
    loop {
        for label in gate.labels() {
            if known.insert(label) {
                workers.spawn(tend(gate.clone(), label, clock));
            }
        }
        tokio::time::sleep(clock.every).await;
    }
}

async fn tend(gate: Gate, label: Label, clock: LifecycleClock) {
    let ahead_ms = i64::try_from(clock.ahead.as_millis()).unwrap_or(i64::MAX);
    loop {
        tokio::time::sleep(clock.every).await;
        if let Err(fault) = gate.expire(label, ahead_ms).await {
            tracing::error!(%fault, "a pass of the lifecycle failed; the next one begins anew");
        }
    }
}

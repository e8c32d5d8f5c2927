//! What a region does by itself: making deletion final.

use crate::Gate;
use fastness_label::Label;
use fastness_ledger::Entry;
use fastness_operation::Moment;
use fastness_store::{Erased, Fault};
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often a region looks for what is due, at most and at least.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(900));

/// Tasks that end with their owner.
#[derive(Default)]
struct Passes(HashMap<Label, JoinHandle<()>>);

impl Drop for Passes {
    fn drop(&mut self) {
        self.0.values().for_each(JoinHandle::abort);
    }
}

impl Gate {
    /// Makes final, for as long as it is polled, what was deleted: within `within` of the deletion, the erasure keys are
    /// destroyed (DESIGN.md section 5). One task a label, so that a long pass at one holds up no other.
    pub async fn keep_erasing(&self, within: Duration) {
        // Half of the time goes by until a key is due, an eighth until that is seen: the rest is for the pass.
        let (least, most) = LOOK_EVERY;
        let (age, every) = (within / 2, (within / 8).clamp(least, most));
        let mut passes = Passes::default();
        loop {
            for label in self.store.labels().held() {
                if passes.0.get(label).is_some_and(|pass| !pass.is_finished()) {
                    continue;
                }
                let (gate, label) = (self.clone(), *label);
                let pass = tokio::spawn(async move {
                    if let Err(fault) = gate.erase_deleted(label, age).await {
                        tracing::error!(?label, %fault, "what was deleted is not final yet");
                    }
                });
                passes.0.insert(label, pass);
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Makes final what was deleted at a label `age` ago or earlier.
    ///
    /// # Errors
    /// A failure of the store; what was not done is done by the next call.
    pub async fn erase_deleted(&self, label: Label, age: Duration) -> Result<Erased, Fault> {
        let moment = self.environment.moment(None);
        let marking = self.banner(label).to_string();
        let entry = move |erased: &Erased| destroyed_entry(&moment, marking, erased);
        self.store.erase_deleted(label, moment.now_ms, age, entry).await
    }
}

/// The ledger's entry of erasure keys that are destroyed.
pub(crate) fn destroyed_entry(moment: &Moment, marking: String, erased: &Erased) -> Vec<u8> {
    let made = format!("destroyed={} rewrapped={}", erased.keys, erased.rewrapped);
    Entry::by_the_region(moment, marking, "DestroyErasureKeys", made)
}

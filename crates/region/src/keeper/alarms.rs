//! What the keeper has to say to people: each thing once for as long as it holds, and again until the ledger has it.

use std::collections::{BTreeMap, VecDeque};

/// Looks for which a thing must have been over, or it is still the same alarm: what comes and goes each second is said once
/// a minute at most.
const QUIET_LOOKS: u32 = 60;

/// Things that happened once and wait for the ledger to take them.
const TOLD_MAX: usize = 64;

/// Alarms that hold, by kind: the words may change each second.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    standing: BTreeMap<String, Standing>,
    /// What happened once and is not in the ledger yet.
    told: VecDeque<String>,
}

#[derive(Debug)]
struct Standing {
    words: String,
    recorded: bool,
    /// Looks since it was seen.
    quiet: u32,
}

impl Alarms {
    /// Something holds in this look.
    pub(super) fn hold(&mut self, kind: &str, words: impl FnOnce() -> String) {
        if let Some(standing) = self.standing.get_mut(kind) {
            standing.quiet = 0;
            return;
        }
        let words = words();
        tracing::error!(alarm = words, "the ledgers' keeper");
        self.standing.insert(kind.to_owned(), Standing { words, recorded: false, quiet: 0 });
    }

    /// Whether something of this kind was said and is not over.
    pub(super) fn holds(&self, kind: &str) -> bool {
        self.standing.contains_key(kind)
    }

    /// Something happened once.
    pub(super) fn tell(&mut self, words: String) {
        tracing::error!(alarm = words, "the ledgers' keeper");
        if self.told.len() < TOLD_MAX {
            self.told.push_back(words);
        }
    }

    /// Ends a look: hands what is not in the ledger yet to `record`, until that fails, and forgets what is over.
    pub(super) fn end_look(&mut self, mut record: impl FnMut(&str) -> bool) {
        while let Some(words) = self.told.front() {
            if !record(words) {
                return self.age();
            }
            self.told.pop_front();
        }
        for standing in self.standing.values_mut().filter(|standing| !standing.recorded) {
            standing.recorded = record(&standing.words);
            if !standing.recorded {
                break;
            }
        }
        self.age();
    }

    /// What could not be recorded stays also when it is over: it happened.
    fn age(&mut self) {
        self.standing.retain(|_, standing| {
            standing.quiet += 1;
            !standing.recorded || standing.quiet <= QUIET_LOOKS
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(alarms: &mut Alarms, held: &[(&str, &str)], works: bool) -> Vec<String> {
        let mut recorded = Vec::new();
        for (kind, words) in held {
            alarms.hold(kind, || (*words).to_owned());
        }
        alarms.end_look(|words| {
            if works {
                recorded.push(words.to_owned());
            }
            works
        });
        recorded
    }

    #[test]
    fn a_kind_is_said_once_whatever_its_words() {
        let mut alarms = Alarms::default();
        for entries in 0..1_000 {
            let found = look(&mut alarms, &[("log a shorter", &format!("{entries} are there"))], true);
            assert_eq!(found, if entries == 0 { vec!["0 are there"] } else { Vec::new() });
        }
        // Another log's, and another kind, are others.
        assert_eq!(look(&mut alarms, &[("log a root", "r"), ("log b shorter", "s")], true), ["r", "s"]);
        // What comes and goes is the same alarm; what was over for a minute is another one.
        for _ in 0..20 {
            assert_eq!(look(&mut alarms, &[], true).len(), 0);
            assert_eq!(look(&mut alarms, &[("log b shorter", "s")], true).len(), 0);
        }
        for _ in 0..=QUIET_LOOKS {
            look(&mut alarms, &[], true);
        }
        assert!(!alarms.holds("log b shorter"));
        assert_eq!(look(&mut alarms, &[("log b shorter", "again")], true), ["again"]);
    }

    #[test]
    fn what_the_ledger_did_not_take_is_tried_again_also_when_it_is_over() {
        let mut alarms = Alarms::default();
        alarms.tell("the clock stepped".to_owned());
        look(&mut alarms, &[("disk", "full")], false);
        for _ in 0..3 * QUIET_LOOKS {
            look(&mut alarms, &[], false);
        }
        assert_eq!(look(&mut alarms, &[], true), ["the clock stepped", "full"]);
        for _ in 0..3 * QUIET_LOOKS {
            assert_eq!(look(&mut alarms, &[], true).len(), 0);
        }
        assert!(!alarms.holds("disk"));
    }
}

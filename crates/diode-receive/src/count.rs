//! What could not be used, counted by its reason.

use std::collections::BTreeMap;

use fastness_diode::Refused;
use serde_json::{Map, Value};

/// Why an authentic frame was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unused {
    /// It was seen before.
    Replayed,
    /// Its bundle, or its block, is there already: a later round, or a late frame.
    Already,
    /// Its bundle is longer than this receiver takes.
    TooLong,
    /// As many bundles are under way as this receiver keeps track of, or as its disk is given for.
    NoRoom,
    /// No memory is left for another block.
    NoMemory,
    /// It does not fit to what was said of its bundle before.
    Inconsistent,
}

impl Unused {
    fn name(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Already => "already",
            Self::TooLong => "too-long",
            Self::NoRoom => "no-room",
            Self::NoMemory => "no-memory",
            Self::Inconsistent => "inconsistent",
        }
    }
}

/// The counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Frames that were authentic.
    pub(crate) frames: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    refused: BTreeMap<Refused, u64>,
    unused: BTreeMap<Unused, u64>,
    /// What the last report said.
    reported: u64,
}

impl Counts {
    pub(crate) fn refuse(&mut self, reason: Refused) {
        *self.refused.entry(reason).or_default() += 1;
    }

    pub(crate) fn leave(&mut self, reason: Unused) {
        *self.unused.entry(reason).or_default() += 1;
    }

    /// The counts by reason, without what is there already.
    pub(crate) fn unusual(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let unused = self.unused.iter().filter(|(reason, _)| **reason != Unused::Already);
        let unused = unused.map(|(reason, count)| (reason.name(), *count));
        self.refused.iter().map(|(reason, count)| (reason.name(), *count)).chain(unused)
    }

    /// The counts by reason, if they changed since the last report. What is there already is no news.
    pub(crate) fn news(&mut self) -> Option<Value> {
        let total = self.unusual().map(|(_, count)| count).sum();
        if total == self.reported {
            return None;
        }
        self.reported = total;
        let refused = self.refused.iter().map(|(reason, count)| (reason.name(), *count));
        let all = refused.chain(self.unused.iter().map(|(reason, count)| (reason.name(), *count)));
        Some(Value::Object(all.map(|(name, count)| (name.to_owned(), count.into())).collect::<Map<_, _>>()))
    }
}

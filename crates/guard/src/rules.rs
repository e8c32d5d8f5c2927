//! What a filter's process is told: the rules once, and then a task for each object.

use crate::filter::markings::{Hints, Level};
use crate::filter::words::Words;
use crate::{Bounds, ContentType, Kind, Policy, Scale};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::fmt;
use std::marker::PhantomData;

/// The part of a policy that filters need.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct RulesText {
    pub(crate) bounds: Bounds,
    pub(crate) words: Vec<String>,
    pub(crate) scales: Vec<Scale>,
    pub(crate) metadata_keys: Vec<String>,
}

/// The rules as a filter holds them. What is costly to prepare is prepared when it is first needed.
#[derive(Debug)]
pub struct Rules {
    pub(crate) text: RulesText,
    words: OnceCell<Result<Words, String>>,
    scales: OnceCell<Result<Vec<LoadedScale>, String>>,
    hints: OnceCell<Hints>,
}

/// A scale whose policy is loaded.
#[derive(Debug)]
pub(crate) struct LoadedScale {
    pub(crate) policy: fastness_label::Policy,
    pub(crate) ceiling: Option<fastness_label::Label>,
    /// Every level's banner and portion, the longest first; made when they are first needed.
    pub(crate) levels: OnceCell<Vec<Level>>,
}

/// One question to one filter.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The object's name, or that of an archive's entry.
    pub(crate) name: String,
    /// The type that is claimed.
    pub(crate) content_type: Option<ContentType>,
    /// The claimed label.
    pub(crate) label: String,
    /// Metadata of the whole object; empty for entries.
    pub(crate) metadata: Vec<(String, String)>,
    /// Names of entries whose contents are among the parts.
    pub(crate) entries: Vec<String>,
}

/// A task as it travels with others: how many of the parts are its contents.
#[derive(Debug, Serialize)]
pub(crate) struct Sent<'a>(pub(crate) &'a Task, pub(crate) u32);

/// The same as a filter reads it.
#[derive(Debug, Deserialize)]
pub(crate) struct Came(pub(crate) Task, pub(crate) u32);

/// An answer among others: how many of the parts it made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answered(pub(crate) Answer, pub(crate) u32);

/// What a filter answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The object may go on; what was written anew is among the parts.
    Done(Done),
    /// It may not.
    Refused(Refusal),
}

/// Notes of one answer; no filter makes more than a few.
const NOTES_MAX: usize = 32;
/// Pairs of metadata of one answer; a name and its value take bytes, of which an object has 64 KiB.
const METADATA_MAX: usize = 4_096;
/// Entries of one answer: each has a part of the message.
const ENTRIES_MAX: usize = 1 << 20;

/// What a filter made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    /// What was changed, each with its place.
    #[serde(deserialize_with = "at_most::<_, _, NOTES_MAX>")]
    pub(crate) notes: Vec<(String, String)>,
    /// Metadata that is kept.
    #[serde(deserialize_with = "at_most::<_, _, METADATA_MAX>")]
    pub(crate) metadata: Vec<(String, String)>,
    /// Names of the archive's entries, one for each part.
    #[serde(deserialize_with = "at_most::<_, _, ENTRIES_MAX>")]
    pub(crate) entries: Vec<String>,
    /// Contents. They travel beside the answer, not in it.
    #[serde(skip)]
    pub(crate) parts: Vec<Vec<u8>>,
}

/// Reads a list of at most so many: what says that it has more is no answer, and takes no room.
fn at_most<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MAX: usize>(from: D) -> Result<Vec<T>, D::Error> {
    struct List<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MAX {
                    return Err(A::Error::invalid_length(MAX + 1, &self));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    from.deserialize_seq(List::<T, MAX>(PhantomData))
}

/// Why a filter refuses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    pub(crate) what: String,
    pub(crate) place: String,
}

impl Refusal {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Refusal {
        Refusal { kind, what: what.into(), place: String::new() }
    }

    pub(crate) fn at(mut self, place: impl Into<String>) -> Refusal {
        self.place = place.into();
        self
    }
}

impl Done {
    /// One content, written anew.
    pub(crate) fn content(content: Vec<u8>) -> Done {
        Done { parts: vec![content], ..Done::default() }
    }

    pub(crate) fn note(mut self, what: impl Into<String>) -> Done {
        self.notes.push((what.into(), String::new()));
        self
    }
}

/// The answer of every filter function.
pub(crate) type Outcome = Result<Done, Refusal>;

impl RulesText {
    pub(crate) fn of(policy: &Policy) -> RulesText {
        RulesText {
            bounds: policy.bounds,
            words: policy.words.clone(),
            scales: policy.scales.clone(),
            metadata_keys: policy.metadata_keys.iter().cloned().collect(),
        }
    }
}

impl Rules {
    /// The rules of a policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Rules {
        Rules::new(RulesText::of(policy))
    }

    pub(crate) fn new(text: RulesText) -> Rules {
        Rules { text, words: OnceCell::new(), scales: OnceCell::new(), hints: OnceCell::new() }
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.text.bounds
    }

    pub(crate) fn words(&self) -> Result<&Words, Refusal> {
        let words = self.words.get_or_init(|| Words::new(&self.text.words));
        words.as_ref().map_err(|error| Refusal::new(Kind::Crash, error.clone()))
    }

    pub(crate) fn scales(&self) -> Result<&[LoadedScale], Refusal> {
        let scales = self.scales.get_or_init(|| self.text.scales.iter().map(LoadedScale::load).collect());
        scales.as_deref().map_err(|error| Refusal::new(Kind::Crash, error.clone()))
    }

    /// What lines with markings in them are found by; made of the scales' levels when it is first needed.
    pub(crate) fn hints(&self, make: impl FnOnce() -> Hints) -> &Hints {
        self.hints.get_or_init(make)
    }
}

impl LoadedScale {
    pub(crate) fn load(scale: &Scale) -> Result<LoadedScale, String> {
        let policy = scale.policy.load()?;
        let ceiling = match &scale.ceiling {
            Some(text) => Some(policy.label(text).map_err(|error| error.to_string())?),
            None => None,
        };
        Ok(LoadedScale { policy, ceiling, levels: OnceCell::new() })
    }
}

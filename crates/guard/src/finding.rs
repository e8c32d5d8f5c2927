//! What goes in and what comes out: objects, verdicts, findings.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What somebody says of an object, and its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// Its name: a key or a path.
    pub name: String,
    /// The claimed media type.
    pub content_type: String,
    /// The claimed label, as a marking of the policy's label policy.
    pub label: String,
    /// Its metadata, in the order that it came in.
    pub metadata: Vec<(String, String)>,
    /// Its content.
    pub content: Vec<u8>,
}

/// What becomes of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It may go on, as what is written here and not as it came.
    Passed {
        /// The content, written anew.
        content: Vec<u8>,
        /// The part of the metadata that the policy lets through.
        metadata: Vec<(String, String)>,
        /// What was changed, in words.
        findings: Vec<Finding>,
    },
    /// Nothing of it goes on.
    Quarantined {
        /// Why, at least one; the first is the decisive one.
        findings: Vec<Finding>,
    },
}

impl Verdict {
    /// The findings of either verdict.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Verdict::Passed { findings, .. } | Verdict::Quarantined { findings } => findings,
        }
    }
}

/// One finding of one filter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The filter's name, such as `json-rewrite`.
    pub filter: String,
    /// Its kind, for programs.
    pub kind: Kind,
    /// What was found, for people. It quotes no content beyond a few characters.
    pub what: String,
    /// Where: a line, an entry of an archive, a key; empty if the whole is meant.
    pub place: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.filter, self.what)?;
        if self.place.is_empty() { Ok(()) } else { write!(f, " ({})", self.place) }
    }
}

/// Kinds of findings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something was changed on the way; the only kind that an object passes with.
    Changed,
    /// The claim itself cannot be read: label or media type.
    Claim,
    /// The name is empty, absolute, climbs out or holds what no name should.
    Name,
    /// Metadata that the policy has a rule for and that breaks it.
    Metadata,
    /// The content is of another type than claimed.
    Type,
    /// The policy does not let this type through.
    NotAllowed,
    /// Nobody can verify this type well enough.
    Unverifiable,
    /// Larger than the policy lets through.
    Size,
    /// Not well formed.
    Malformed,
    /// Two readers understand different things.
    Ambiguous,
    /// Not in the one encoding that is read.
    Encoding,
    /// Characters or parts that people do not see.
    Hidden,
    /// The same name twice.
    Duplicate,
    /// Nested too deep.
    Depth,
    /// A number that would not keep its value.
    Number,
    /// An entity, a document type or a processing instruction of XML.
    Entity,
    /// Something that programs would run or fetch.
    Active,
    /// A cell that a spreadsheet would compute.
    Formula,
    /// Bytes before the beginning or after the end.
    Trailing,
    /// A link, a device or another thing that is not a file.
    Special,
    /// Encrypted: nobody can look inside.
    Encrypted,
    /// More expands out of it than the policy lets through.
    Bomb,
    /// More entries than the policy lets through.
    Count,
    /// A word of the policy's list.
    Word,
    /// A marking that exceeds the claimed label, or cannot be read.
    Marking,
    /// A virus scanner knows it.
    Malware,
    /// A filter did not answer in time.
    Hang,
    /// A filter crashed.
    Crash,
    /// A filter needed more memory than it may take.
    Memory,
    /// A filter tried what its sandbox forbids.
    Sandbox,
    /// A filter or scanner is not to be had: nothing passes without it.
    Unavailable,
    /// The scanner answered about something harmless just before, took this content, and gave no answer.
    Unanswered,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As it is written in tables: the name in kebab case.
        let name = format!("{self:?}");
        for (at, c) in name.char_indices() {
            match c {
                'A'..='Z' if at > 0 => write!(f, "-{}", c.to_ascii_lowercase())?,
                _ => write!(f, "{}", c.to_ascii_lowercase())?,
            }
        }
        Ok(())
    }
}

//! What a mapping lets through: types, bounds, words, markings.

use crate::{Antivirus, ContentType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// The rules for one mapping.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// The types that may pass, in archives, too. [`ContentType::Pdf`] and [`ContentType::Office`] never do.
    pub content_types: BTreeSet<ContentType>,
    /// How much, how deep, how long.
    pub bounds: Bounds,
    /// Words that nothing may hold, compared without case, look-alike letters or spaces between letters.
    pub words: Vec<String>,
    /// How markings inside the content are read; the first scale is the one of the claimed label.
    pub scales: Vec<Scale>,
    /// The keys of metadata that pass, in lower case; all others are taken away.
    pub metadata_keys: BTreeSet<String>,
    /// Whether and how a virus scanner is asked.
    pub antivirus: Antivirus,
}

/// One label policy, and what a marking of it may reach.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scale {
    /// The label policy.
    pub policy: PolicyText,
    /// The highest marking that may stand in the content; none: the object's claimed label.
    pub ceiling: Option<String>,
}

/// A label policy, as text, because it goes to another process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PolicyText {
    /// One that is compiled in: `us` or `nato`.
    Builtin(String),
    /// A TOML document.
    Toml(String),
}

/// Bounds of one object, everything that expands out of it included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// Bytes of the content, and of any one thing in an archive.
    pub content_bytes: usize,
    /// Bytes of everything that expands out of one object.
    pub expanded_bytes: usize,
    /// How many times larger than its archive what expands out of it may be, beyond the first MiB.
    pub expansion_ratio: usize,
    /// Archives within archives.
    pub archive_depth: usize,
    /// Entries of all its archives together.
    pub entries: usize,
    /// Nesting of JSON and XML.
    pub nesting: usize,
    /// Pixels of an image.
    pub pixels: u64,
    /// Bytes of a name, of a metadata key and of a metadata value.
    pub name_bytes: usize,
    /// Time that one filter may take for one object, or one entry of it.
    pub time: Duration,
    /// Time for one object with everything in it.
    pub total_time: Duration,
    /// Memory that one filter's process may take, bytes of address space.
    pub memory_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            content_bytes: 64 << 20,
            expanded_bytes: 256 << 20,
            expansion_ratio: 200,
            archive_depth: 3,
            entries: 10_000,
            nesting: 64,
            pixels: 40_000_000,
            name_bytes: 1_024,
            time: Duration::from_secs(30),
            total_time: Duration::from_secs(600),
            memory_bytes: 1 << 30,
        }
    }
}

impl Policy {
    /// A policy that lets nothing through yet: no type, no metadata; markings by the label policy of this name.
    #[must_use]
    pub fn new(label_policy: &str) -> Policy {
        Policy {
            content_types: BTreeSet::new(),
            bounds: Bounds::default(),
            words: Vec::new(),
            scales: vec![Scale { policy: PolicyText::Builtin(label_policy.to_owned()), ceiling: None }],
            metadata_keys: BTreeSet::new(),
            antivirus: Antivirus::Off,
        }
    }
}

impl PolicyText {
    /// The label policy.
    ///
    /// # Errors
    /// When there is none of that name, or the text is none; in words.
    pub fn load(&self) -> Result<fastness_label::Policy, String> {
        match self {
            PolicyText::Builtin(name) => {
                fastness_label::Policy::builtin(name).ok_or_else(|| format!("there is no label policy `{name}`"))
            }
            PolicyText::Toml(text) => fastness_label::Policy::from_toml(text).map_err(|error| error.to_string()),
        }
    }
}

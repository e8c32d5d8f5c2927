//! A policy as it is written in TOML, before anything in it is believed.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) name: String,
    /// What names the policy among all others, in what leaves the program.
    pub(crate) uri: Option<String>,
    /// A country, or a group of them.
    pub(crate) own_nation: String,
    pub(crate) countries: Vec<String>,
    /// Tetragraphs and their members.
    #[serde(default)]
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    /// From the lowest up.
    pub(crate) level: Vec<SourceLevel>,
    /// In the order of a banner.
    #[serde(default)]
    pub(crate) category: Vec<SourceCategory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceLevel {
    pub(crate) banner: String,
    pub(crate) portion: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceCategory {
    /// For the reader of the file alone: nothing prints it.
    #[serde(rename = "name")]
    pub(crate) _name: String,
    #[serde(default)]
    pub(crate) marking: Vec<SourceMarking>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceMarking {
    pub(crate) banner: String,
    /// The banner's word, if it has no abbreviation.
    pub(crate) portion: Option<String>,
    /// Further words that mean the same; read, never printed.
    #[serde(default)]
    pub(crate) spellings: Vec<String>,
    #[serde(default)]
    pub(crate) kind: SourceKind,
    /// Portion marks of the levels on which it may stand; all, if missing.
    pub(crate) levels: Option<Vec<String>>,
    /// Banner names of what must stand beside it.
    #[serde(default)]
    pub(crate) requires: Vec<String>,
    /// Banner names of what must not stand beside it; it holds in both directions.
    #[serde(default)]
    pub(crate) excludes: Vec<String>,
    /// Banner names of what it replaces in a roll-up.
    #[serde(default)]
    pub(crate) supersedes: Vec<String>,
    #[serde(default)]
    pub(crate) roll_up: RollUp,
    #[serde(default)]
    pub(crate) compartments: Vec<SourceCompartment>,
    /// Of lists: what stands between two entries; `,` if missing.
    pub(crate) separator: Option<Separator>,
    /// Of lists: the fewest entries; 1 if missing.
    pub(crate) entries_min: Option<usize>,
    /// Of lists: the list stands before the word.
    #[serde(default)]
    pub(crate) list_first: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceCompartment {
    pub(crate) name: String,
    pub(crate) levels: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) requires: Vec<String>,
    #[serde(default)]
    pub(crate) sub: Vec<String>,
}

/// The three kinds of the Open XML SPIF, the permissive kind in its two forms, and the informative one too.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SourceKind {
    /// A compartment: it must be held.
    Restrictive,
    /// The release list that holds the own nation alone, as one word.
    OwnNationAlone,
    /// A release list.
    ReleaseList,
    /// Decides nothing.
    #[default]
    Informative,
    /// Decides nothing, and names countries.
    CountryList,
}

/// What stands between two entries of a list.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Separator {
    #[default]
    #[serde(rename = ",")]
    Comma,
    #[serde(rename = " ")]
    Space,
    #[serde(rename = "/")]
    Slash,
}

/// How an informative marking of the portions comes into their banner.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RollUp {
    /// If one portion has it. Lists are united; one without a list makes the whole without a list.
    #[default]
    Any,
    /// If every portion has it that restricts anything.
    All,
    /// If one portion has it and the banner's level allows it.
    WhileAllowed,
    /// A list of those who may look and not keep: what every portion shows or releases.
    Common,
}

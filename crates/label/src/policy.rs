//! A label policy: the vocabulary of labels and markings, and what can be asked of it.

use crate::compile::compile;
use crate::label::{Countries, Country, Label};
use crate::marking::{Content, Marking};
use crate::print::{Style, label_content, print};
use crate::source::{RollUp, Separator};
use crate::{COUNTRIES_MAX, MarkingError, PolicyError};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// One label policy: levels, compartments, countries and markings, and the rules between them, all of it data.
/// Cheap to clone.
#[derive(Clone)]
pub struct Policy {
    pub(crate) words: Arc<Vocabulary>,
}

/// A total order of labels that strictly extends [`Label::is_dominated_by`]: by level, then by number of
/// compartments, then the shorter release list higher, then by canonical text. A region orders its partitions
/// by it. Compare keys of one policy only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OrderKey {
    // INVARIANT: the derived order compares the fields as they stand here.
    level: u8,
    compartments: u32,
    countries_missing: u32,
    text: String,
}

/// The words of a policy, checked.
#[derive(PartialEq, Eq)]
pub(crate) struct Vocabulary {
    pub(crate) name: String,
    pub(crate) uri: Option<String>,
    pub(crate) own: String,
    pub(crate) own_countries: Countries,
    pub(crate) levels: Vec<Word>,
    /// In the order of print. A compartment follows its control system, a sub-compartment its compartment.
    pub(crate) items: Vec<Item>,
    /// In alphabetical order; a country's place is its bit.
    pub(crate) countries: Vec<String>,
    pub(crate) groups: BTreeMap<String, Countries>,
}

/// A word in its two forms.
#[derive(PartialEq, Eq, Clone)]
pub(crate) struct Word {
    pub(crate) banner: String,
    pub(crate) portion: String,
}

/// One marking, compartment or sub-compartment.
#[derive(PartialEq, Eq)]
pub(crate) struct Item {
    /// Its category's place in a banner.
    pub(crate) category: usize,
    /// 0: an entry of its category; 1: a compartment (`-G`); 2: a sub-compartment (` ABCD`).
    pub(crate) depth: u8,
    /// What it stands under: `None` at depth 0.
    pub(crate) parent: Option<usize>,
    /// The whole of it, as rules and errors call it: `SI-G ABCD`.
    pub(crate) name: String,
    /// Its own part: `ABCD`.
    pub(crate) word: Word,
    /// Everything that is read as this item.
    pub(crate) spellings: Vec<String>,
    pub(crate) kind: Kind,
    /// One bit a level.
    pub(crate) levels: u32,
    pub(crate) requires: Vec<usize>,
    pub(crate) excludes: Vec<usize>,
    pub(crate) supersedes: Vec<usize>,
    pub(crate) roll_up: RollUp,
}

impl Item {
    pub(crate) fn goes_with(&self, level: u8) -> bool {
        self.levels.checked_shr(u32::from(level)).unwrap_or(0) & 1 == 1
    }
}

/// What an item does.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A compartment: its bit.
    Restrictive(u32),
    OwnNationAlone,
    ReleaseList(ListForm),
    Informative,
    CountryList(ListForm),
}

#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub(crate) struct ListForm {
    pub(crate) separator: Separator,
    pub(crate) entries_min: usize,
    pub(crate) list_first: bool,
}

static US: LazyLock<Policy> = LazyLock::new(|| compiled_in(include_str!("../policies/us.toml")));
static NATO: LazyLock<Policy> = LazyLock::new(|| compiled_in(include_str!("../policies/nato.toml")));

#[expect(clippy::expect_used, reason = "the text is compiled in, and every test of this crate loads it")]
fn compiled_in(text: &str) -> Policy {
    Policy::from_toml(text).expect("a policy that is compiled in is valid")
}

impl Policy {
    /// The policy of the United States.
    #[must_use]
    pub fn us() -> Policy {
        US.clone()
    }

    /// The policy of NATO.
    #[must_use]
    pub fn nato() -> Policy {
        NATO.clone()
    }

    /// A policy that is compiled in: `us` or `nato`.
    #[must_use]
    pub fn builtin(name: &str) -> Option<Policy> {
        match name {
            "us" => Some(Policy::us()),
            "nato" => Some(Policy::nato()),
            _ => None,
        }
    }

    /// Reads a policy. `policies/us.toml` shows the tables.
    ///
    /// # Errors
    /// When the text is not a policy, or its rules would break the lattice: a join or meet of two labels that
    /// the policy admits must be admitted too.
    pub fn from_toml(text: &str) -> Result<Policy, PolicyError> {
        Ok(Policy { words: Arc::new(compile(text)?) })
    }

    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.words.name
    }

    /// What names the policy among all others, if it says so: a URI.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.words.uri.as_deref()
    }

    /// The country or group to which what carries no list is released, such as `USA`.
    #[must_use]
    pub fn own_nation(&self) -> &str {
        &self.words.own
    }

    /// The bottom of the lattice: the lowest level, no compartments, released to everyone.
    #[must_use]
    pub fn lowest(&self) -> Label {
        Label { compartments: 0, release: Countries::EVERYONE, level: 0 }
    }

    /// Reads a banner (`SECRET//NOFORN`) or a portion mark (`(S//NF)`), in any case. Categories, entries and
    /// lists must stand in their order.
    ///
    /// # Errors
    /// When the text is not a valid marking of this policy.
    pub fn parse(&self, text: &str) -> Result<Marking, MarkingError> {
        crate::parse::parse(self, text)
    }

    /// The label of the marking that [`Policy::parse`] reads.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn label(&self, text: &str) -> Result<Label, MarkingError> {
        Ok(self.parse(text)?.label())
    }

    /// The label's canonical banner, the shortest valid text that means it. Release lists name countries, never
    /// groups, so that the text keeps its meaning when a group's members change. Markings which the policy
    /// requires beside a compartment are printed with it.
    ///
    /// For every label that the policy admits, `parse(banner(label))` gives the label back. Others (see
    /// [`Policy::admits`]) print a text that `parse` refuses: one that nobody may read ends in `NOBODY`,
    /// and one of another policy, as far as it can be told, starts with `LEVEL UNKNOWN`.
    #[must_use]
    pub fn banner(&self, label: Label) -> String {
        print(&self.words, &label_content(&self.words, label), Style::Banner)
    }

    /// The label's canonical portion mark; what holds for [`Policy::banner`] holds here.
    #[must_use]
    pub fn portion(&self, label: Label) -> String {
        print(&self.words, &label_content(&self.words, label), Style::Portion)
    }

    /// Whether some marking of this policy carries exactly this label. Joins and meets of admitted labels are
    /// admitted; [`Policy::with_release`] can leave them, as when it adds a country to what needs `NOFORN`.
    #[must_use]
    pub fn admits(&self, label: Label) -> bool {
        self.label(&self.banner(label)) == Ok(label)
    }

    /// The country of a code such as `GBR`, in any case.
    ///
    /// # Errors
    /// When the policy has no such country, or the code is a group of countries.
    pub fn country(&self, code: &str) -> Result<Country, MarkingError> {
        let code = crate::error::clip(&code.trim().to_ascii_uppercase());
        if self.words.groups.contains_key(&code) {
            return Err(MarkingError::NotOneCountry { code });
        }
        self.words.country(&code).ok_or_else(|| self.words.unknown_country(&code))
    }

    /// The code of a country of this policy.
    #[must_use]
    pub fn country_code(&self, country: Country) -> &str {
        // A country of another policy may lie beyond this one's.
        self.words.countries.get(usize::from(country.0)).map_or("UNKNOWN", String::as_str)
    }

    /// The countries of this policy, in alphabetical order.
    pub fn countries(&self) -> impl Iterator<Item = Country> + '_ {
        self.words.countries.iter().zip(0_u8..=u8::MAX).map(|(_, bit)| Country(bit))
    }

    /// The levels' banner words, from the lowest up.
    pub fn levels(&self) -> impl Iterator<Item = &str> + '_ {
        self.words.levels.iter().map(|level| level.banner.as_str())
    }

    /// Whether the label's release list holds the country.
    #[must_use]
    pub fn releasable_to(&self, label: Label, country: Country) -> bool {
        label.release.contains(country)
    }

    /// The same label, released to exactly the own nation and these countries. The result follows the request
    /// even where the policy does not admit it ([`Policy::admits`]): anything else would read more than asked.
    #[must_use]
    pub fn with_release(&self, label: Label, countries: &[Country]) -> Label {
        let release =
            countries.iter().fold(self.words.own_countries, |list, country| list.union(Countries::only(*country)));
        Label { release, ..label }
    }

    /// The label's place in the order of partitions.
    #[must_use]
    pub fn order_key(&self, label: Label) -> OrderKey {
        OrderKey {
            level: label.level,
            compartments: label.compartment_count(),
            countries_missing: u32::try_from(COUNTRIES_MAX).unwrap_or(u32::MAX) - label.release.count(),
            text: self.banner(label),
        }
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Policy").field(&self.words.name).finish()
    }
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.words, &other.words) || self.words == other.words
    }
}

impl Eq for Policy {}

impl Vocabulary {
    pub(crate) fn country(&self, code: &str) -> Option<Country> {
        let place = self.countries.binary_search_by(|known| known.as_str().cmp(code)).ok()?;
        u8::try_from(place).ok().map(Country)
    }

    /// The countries of a country's or group's code.
    pub(crate) fn code(&self, code: &str) -> Option<Countries> {
        self.groups.get(code).copied().or_else(|| self.country(code).map(Countries::only))
    }

    /// The countries of a list. Codes that are none add nobody.
    pub(crate) fn codes(&self, codes: &[String]) -> Countries {
        codes.iter().filter_map(|code| self.code(code)).fold(Countries::NOBODY, Countries::union)
    }

    /// The codes of a set, in alphabetical order.
    pub(crate) fn codes_of(&self, set: Countries) -> impl Iterator<Item = String> + '_ {
        self.countries
            .iter()
            .zip(0_u8..=u8::MAX)
            .filter(move |(_, bit)| set.contains(Country(*bit)))
            .map(|(code, _)| code.clone())
    }

    /// A list in its order: the own nation, countries alphabetically, groups alphabetically; each once.
    pub(crate) fn in_order(&self, codes: &[String]) -> Vec<String> {
        let mut sorted = codes.to_vec();
        sorted.sort_by_key(|code| (*code != self.own, self.groups.contains_key(code), code.clone()));
        sorted.dedup();
        sorted
    }

    pub(crate) fn unknown_country(&self, code: &str) -> MarkingError {
        MarkingError::UnknownCountry {
            code: crate::error::clip(code),
            policy: self.name.clone(),
            example: self.countries.first().cloned().unwrap_or_default(),
        }
    }

    /// The levels of a mask, for people: `CONFIDENTIAL, SECRET`.
    pub(crate) fn level_names(&self, mask: u32) -> String {
        let names: Vec<&str> = self
            .levels
            .iter()
            .zip(0_u32..)
            .filter(|(_, bit)| mask >> bit & 1 == 1)
            .map(|(word, _)| &*word.banner)
            .collect();
        names.join(", ")
    }

    pub(crate) fn name_of(&self, item: usize) -> String {
        self.items.get(item).map(|item| item.name.clone()).unwrap_or_default()
    }

    /// The first item of a kind, with its place.
    pub(crate) fn find(&self, is_it: impl Fn(Kind) -> bool) -> Option<usize> {
        self.items.iter().position(|item| is_it(item.kind))
    }

    /// The label that a content means: section 1 of the design.
    pub(crate) fn label_of(&self, content: &Content) -> Label {
        let mut label = Label { compartments: 0, release: self.default_release(content.level), level: content.level };
        for (_, item, codes) in content.present(self) {
            match item.kind {
                Kind::Restrictive(bit) => label.compartments |= 1_u128.checked_shl(bit).unwrap_or(0),
                Kind::OwnNationAlone => label.release = self.own_countries,
                Kind::ReleaseList(_) => label.release = self.codes(codes),
                Kind::Informative | Kind::CountryList(_) => {}
            }
        }
        label
    }

    /// Whether the label uses a level, a compartment or a country that this policy does not have.
    pub(crate) fn is_foreign(&self, label: Label) -> bool {
        let compartments = self.items.iter().fold(0, |bits, item| match item.kind {
            Kind::Restrictive(bit) => bits | 1_u128.checked_shl(bit).unwrap_or(0),
            _ => bits,
        });
        let countries = self.countries.iter().zip(0_u8..=u8::MAX);
        let named = countries.fold(Countries::NOBODY, |set, (_, bit)| set.union(Countries::only(Country(bit))));
        usize::from(label.level) >= self.levels.len()
            || label.compartments & !compartments != 0
            || (label.release != Countries::EVERYONE && !named.contains_all(label.release))
    }

    /// Without a list, the lowest level is for everyone, any other for the own nation alone.
    pub(crate) fn default_release(&self, level: u8) -> Countries {
        if level == 0 { Countries::EVERYONE } else { self.own_countries }
    }
}

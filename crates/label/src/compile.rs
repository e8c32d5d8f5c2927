//! From a policy's TOML to its vocabulary, with every check that makes the rest of the crate total.

use crate::error::clip;
use crate::label::{Countries, Country};
use crate::policy::{Item, Kind, ListForm, Vocabulary, Word};
use crate::source::{RollUp, Source, SourceCategory, SourceCompartment, SourceKind, SourceMarking};
use crate::{COMPARTMENTS_MAX, COUNTRIES_MAX, PolicyError, TEXT_BYTES_MAX};
use std::collections::{BTreeMap, BTreeSet};

const SOURCE_BYTES_MAX: usize = 256 * 1_024;
const LEVELS_MAX: usize = 32;
const GROUPS_MAX: usize = 256;
const ITEMS_MAX: usize = 512;
const WORD_BYTES_MAX: usize = 64;
const URI_BYTES_MAX: usize = 256;
/// What a label prints that no policy admits; no code may mean it.
const RESERVED: [&str; 2] = ["NOBODY", "EVERYONE"];

pub(crate) fn compile(text: &str) -> Result<Vocabulary, PolicyError> {
    bound("bytes", text.len(), SOURCE_BYTES_MAX)?;
    let source: Source = toml::from_str(text).map_err(|error| PolicyError::Toml(Box::new(error)))?;
    let countries = countries(&source.countries)?;
    let groups = groups(&source.groups, &countries)?;
    let mut words = Vocabulary {
        name: source.name,
        uri: source.uri.map(uri).transpose()?,
        own: source.own_nation,
        own_countries: Countries::NOBODY,
        levels: levels(source.level.into_iter().map(|level| (level.banner, level.portion)))?,
        items: Vec::new(),
        countries,
        groups,
    };
    words.own_countries = words.code(&words.own).ok_or_else(|| PolicyError::UnknownReference {
        marking: "own_nation".to_owned(),
        reference: clip(&words.own),
    })?;
    words.items = items(&words, &source.category)?;
    check_spellings(&words)?;
    check_lattice(&words)?;
    check_length(&words)?;
    Ok(words)
}

fn bound(what: &'static str, count: usize, count_max: usize) -> Result<(), PolicyError> {
    if count > count_max { Err(PolicyError::TooMany { what, count, count_max }) } else { Ok(()) }
}

/// A word of letters and digits, with the characters of `more` inside.
fn check_word(word: &str, what: &'static str, more: &'static str) -> Result<(), PolicyError> {
    let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let is_good = (1..=WORD_BYTES_MAX).contains(&word.len())
        && word.chars().all(|c| is_plain(c) || more.contains(c))
        && word.starts_with(is_plain)
        && word.ends_with(is_plain)
        && !word.contains("  ");
    if is_good { Ok(()) } else { Err(PolicyError::Word { word: clip(word), what, more }) }
}

/// As far as it matters here: what stands in a URI (RFC 3986, section 2), and no more than its bound.
fn uri(uri: String) -> Result<String, PolicyError> {
    let is_good = (1..=URI_BYTES_MAX).contains(&uri.len())
        && uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte));
    if is_good { Ok(uri) } else { Err(PolicyError::Uri { uri: clip(&uri) }) }
}

fn countries(codes: &[String]) -> Result<Vec<String>, PolicyError> {
    bound("countries", codes.len(), COUNTRIES_MAX)?;
    let mut sorted = codes.to_vec();
    sorted.sort();
    for (code, next) in sorted.iter().zip(sorted.iter().skip(1).map(Some).chain([None])) {
        check_word(code, "a country's code", "")?;
        if next == Some(code) || RESERVED.contains(&code.as_str()) {
            return Err(PolicyError::Ambiguous { word: code.clone() });
        }
    }
    Ok(sorted)
}

fn groups(
    groups: &BTreeMap<String, Vec<String>>,
    countries: &[String],
) -> Result<BTreeMap<String, Countries>, PolicyError> {
    bound("groups", groups.len(), GROUPS_MAX)?;
    let mut sets = BTreeMap::new();
    for (group, members) in groups {
        check_word(group, "a group's code", "")?;
        if countries.binary_search(group).is_ok() || RESERVED.contains(&group.as_str()) {
            return Err(PolicyError::Ambiguous { word: group.clone() });
        }
        let mut set = Countries::NOBODY;
        for member in members {
            let place = countries.binary_search(member).ok().and_then(|place| u8::try_from(place).ok());
            let place = place
                .ok_or_else(|| PolicyError::UnknownReference { marking: group.clone(), reference: clip(member) })?;
            set = set.union(Countries::only(Country(place)));
        }
        if set == Countries::NOBODY {
            return Err(PolicyError::Rule { marking: group.clone(), problem: "a group has at least one member" });
        }
        sets.insert(group.clone(), set);
    }
    Ok(sets)
}

fn levels(source: impl Iterator<Item = (String, Option<String>)>) -> Result<Vec<Word>, PolicyError> {
    let levels: Vec<Word> = source.map(|(banner, portion)| word(banner, portion)).collect();
    bound("levels", levels.len(), LEVELS_MAX)?;
    if levels.is_empty() {
        return Err(PolicyError::Missing { what: "level" });
    }
    let mut seen = BTreeSet::new();
    for level in &levels {
        let spellings: BTreeSet<&str> = BTreeSet::from([level.banner.as_str(), level.portion.as_str()]);
        for spelling in spellings {
            check_word(spelling, "a level", " -.")?;
            if !seen.insert(spelling) {
                return Err(PolicyError::Ambiguous { word: spelling.to_owned() });
            }
        }
    }
    Ok(levels)
}

fn word(banner: String, portion: Option<String>) -> Word {
    Word { portion: portion.unwrap_or_else(|| banner.clone()), banner }
}

/// The references of an item, by name, until all items are known.
struct Names<'a> {
    requires: &'a [String],
    excludes: &'a [String],
    supersedes: &'a [String],
}

/// The items of all categories in the order of print, compartments after what they stand under.
fn items(words: &Vocabulary, categories: &[SourceCategory]) -> Result<Vec<Item>, PolicyError> {
    let mut flat = Flat { words, items: Vec::new(), names: Vec::new(), bits: 0 };
    for (category, source) in categories.iter().enumerate() {
        for marking in &source.marking {
            flat.marking(category, marking)?;
        }
    }
    bound("compartments", flat.bits as usize, COMPARTMENTS_MAX)?;
    bound("markings", flat.items.len(), ITEMS_MAX)?;
    resolve(flat.items, &flat.names)
}

struct Flat<'a> {
    words: &'a Vocabulary,
    items: Vec<Item>,
    names: Vec<Names<'a>>,
    bits: u32,
}

impl<'a> Flat<'a> {
    fn marking(&mut self, category: usize, source: &'a SourceMarking) -> Result<(), PolicyError> {
        let kind = self.kind(source);
        let word = word(source.banner.clone(), source.portion.clone());
        let spellings: BTreeSet<String> =
            source.spellings.iter().chain([&word.banner, &word.portion]).cloned().collect();
        for spelling in &spellings {
            check_word(spelling, "a marking", " -.")?;
        }
        let item = Item {
            category,
            depth: 0,
            parent: None,
            name: word.banner.clone(),
            word,
            spellings: spellings.into_iter().collect(),
            kind,
            levels: self.levels(&source.banner, source.levels.as_ref())?,
            requires: Vec::new(),
            excludes: Vec::new(),
            supersedes: Vec::new(),
            roll_up: source.roll_up,
        };
        check_marking(source, &item)?;
        let (requires, excludes, supersedes) = (&source.requires, &source.excludes, &source.supersedes);
        let place = self.push(item, Names { requires, excludes, supersedes });
        source.compartments.iter().try_for_each(|compartment| self.compartment(place, &source.banner, compartment))
    }

    fn kind(&mut self, source: &SourceMarking) -> Kind {
        let form = ListForm {
            separator: source.separator.unwrap_or_default(),
            entries_min: source.entries_min.unwrap_or(1),
            list_first: source.list_first,
        };
        match source.kind {
            SourceKind::Restrictive => self.next_bit(),
            SourceKind::OwnNationAlone => Kind::OwnNationAlone,
            SourceKind::ReleaseList => Kind::ReleaseList(form),
            SourceKind::Informative => Kind::Informative,
            SourceKind::CountryList => Kind::CountryList(form),
        }
    }

    fn compartment(&mut self, system: usize, name: &str, source: &'a SourceCompartment) -> Result<(), PolicyError> {
        let name = format!("{name}-{}", source.name);
        let levels = self.levels(&name, source.levels.as_ref())?;
        let names = Names { requires: &source.requires, excludes: &[], supersedes: &[] };
        let place = self.below(1, system, &name, &source.name, levels, names)?;
        for sub in &source.sub {
            let names = Names { requires: &[], excludes: &[], supersedes: &[] };
            self.below(2, place, &format!("{name} {sub}"), sub, levels, names)?;
        }
        Ok(())
    }

    fn below(
        &mut self,
        depth: u8,
        parent: usize,
        name: &str,
        own: &str,
        levels: u32,
        names: Names<'a>,
    ) -> Result<usize, PolicyError> {
        check_word(own, "a compartment", "")?;
        let item = Item {
            category: self.items.get(parent).map_or(0, |item| item.category),
            depth,
            parent: Some(parent),
            name: name.to_owned(),
            word: word(own.to_owned(), None),
            // Read under its parent alone.
            spellings: Vec::new(),
            kind: self.next_bit(),
            levels,
            requires: Vec::new(),
            excludes: Vec::new(),
            supersedes: Vec::new(),
            roll_up: RollUp::Any,
        };
        Ok(self.push(item, names))
    }

    fn next_bit(&mut self) -> Kind {
        let bit = self.bits;
        self.bits += 1;
        Kind::Restrictive(bit)
    }

    fn push(&mut self, item: Item, names: Names<'a>) -> usize {
        self.items.push(item);
        self.names.push(names);
        self.items.len() - 1
    }

    fn levels(&self, marking: &str, names: Option<&Vec<String>>) -> Result<u32, PolicyError> {
        let Some(names) = names else { return Ok(every_level(self.words)) };
        names.iter().try_fold(0, |mask, name| {
            let rank = self.words.levels.iter().position(|level| level.portion == *name || level.banner == *name);
            let rank = rank
                .ok_or_else(|| PolicyError::UnknownReference { marking: marking.to_owned(), reference: clip(name) })?;
            Ok(mask | 1_u32 << rank)
        })
    }
}

fn every_level(words: &Vocabulary) -> u32 {
    words.levels.iter().fold(0, |mask, _| mask << 1 | 1)
}

/// What one table of a marking may hold.
fn check_marking(source: &SourceMarking, item: &Item) -> Result<(), PolicyError> {
    let rule = |problem| Err(PolicyError::Rule { marking: item.name.clone(), problem });
    let is_list = matches!(item.kind, Kind::ReleaseList(_) | Kind::CountryList(_));
    let is_release = matches!(item.kind, Kind::ReleaseList(_) | Kind::OwnNationAlone);
    let is_restrictive = matches!(item.kind, Kind::Restrictive(_));
    if !is_restrictive && !source.compartments.is_empty() {
        return rule("only a restrictive marking has compartments");
    }
    if !is_list && (source.separator.is_some() || source.entries_min.is_some() || source.list_first) {
        return rule("only a list has a separator, a least number of entries, or stands before its word");
    }
    if is_release && (source.levels.is_some() || !source.requires.is_empty()) {
        return rule("a release list goes with every level and requires nothing, so that every label has a text");
    }
    if (is_release || is_restrictive) && (source.roll_up != RollUp::Any || !source.supersedes.is_empty()) {
        return rule("what decides rolls up by the lattice: leave out `roll_up` and `supersedes`");
    }
    if source.roll_up == RollUp::Common && !matches!(item.kind, Kind::CountryList(_)) {
        return rule("only a country list rolls up to what is common");
    }
    // A slash cuts entries, so a list after its word could not be told from them.
    let has_slash = source.separator == Some(crate::source::Separator::Slash);
    if is_list && has_slash != source.list_first {
        return rule("a list stands before its word exactly if its separator is `/`");
    }
    if source.list_first && source.entries_min == Some(0) {
        return rule("a list before its word has at least one entry");
    }
    Ok(())
}

/// Turns names into places. Exclusions hold in both directions, and release lists exclude each other anyway.
fn resolve(mut items: Vec<Item>, names: &[Names<'_>]) -> Result<Vec<Item>, PolicyError> {
    let places: BTreeMap<String, usize> =
        items.iter().enumerate().map(|(place, item)| (item.name.clone(), place)).collect();
    let decides: Vec<usize> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| matches!(item.kind, Kind::OwnNationAlone | Kind::ReleaseList(_)))
        .map(|(place, _)| place)
        .collect();
    let mut pairs: BTreeSet<(usize, usize)> = BTreeSet::new();
    for one in &decides {
        pairs.extend(decides.iter().filter(|other| *other != one).map(|other| (*one, *other)));
    }
    for (place, (item, names)) in items.iter_mut().zip(names).enumerate() {
        let find = |list: &[String]| {
            list.iter()
                .map(|name| {
                    places.get(name).copied().ok_or_else(|| PolicyError::UnknownReference {
                        marking: item.name.clone(),
                        reference: clip(name),
                    })
                })
                .collect::<Result<Vec<usize>, PolicyError>>()
        };
        let (requires, excludes, supersedes) = (find(names.requires)?, find(names.excludes)?, find(names.supersedes)?);
        item.requires = requires;
        item.supersedes = supersedes;
        for other in excludes {
            pairs.extend([(place, other), (other, place)]);
        }
    }
    for (one, other) in pairs {
        if let Some(item) = items.get_mut(one) {
            item.excludes.push(other);
        }
    }
    Ok(items)
}

/// No text is read as two things.
fn check_spellings(words: &Vocabulary) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    let mut siblings = BTreeSet::new();
    for item in &words.items {
        for spelling in &item.spellings {
            if !seen.insert(spelling) || words.code(spelling).is_some() {
                return Err(PolicyError::Ambiguous { word: spelling.clone() });
            }
        }
        if item.depth > 0 && !siblings.insert(&item.name) {
            return Err(PolicyError::Ambiguous { word: item.name.clone() });
        }
    }
    Ok(())
}

/// The rules that keep joins and meets of admitted labels admitted, and roll-ups valid.
fn check_lattice(words: &Vocabulary) -> Result<(), PolicyError> {
    let lists = words.items.iter().filter_map(|item| match item.kind {
        Kind::ReleaseList(form) => Some(form),
        _ => None,
    });
    let form = lists.into_iter().next().ok_or(PolicyError::Missing { what: "release list" })?;
    if form.entries_min > 1 && words.find(|kind| kind == Kind::OwnNationAlone).is_none() {
        return Err(PolicyError::Rule {
            marking: words.own.clone(),
            problem: "needs a word for the own nation alone, or a release list of one entry",
        });
    }
    for (place, item) in words.items.iter().enumerate() {
        check_item(words, place, item)?;
    }
    Ok(())
}

fn check_item(words: &Vocabulary, place: usize, item: &Item) -> Result<(), PolicyError> {
    let rule = |problem| Err(PolicyError::Rule { marking: item.name.clone(), problem });
    let kind_of = |place: &usize| words.items.get(*place).map(|item| item.kind);
    let is_restrictive = |kind| matches!(kind, Some(Kind::Restrictive(_)));
    let is_list = |kind| matches!(kind, Some(Kind::ReleaseList(_) | Kind::CountryList(_)));
    let is_upward_closed = (item.levels | item.levels.wrapping_sub(1) | !every_level(words)) == u32::MAX;
    let must_carry_up = item.roll_up == RollUp::Any;
    if item.levels == 0 {
        return rule("goes with no level: name at least one");
    }
    if must_carry_up && !is_upward_closed {
        return rule("a roll-up carries it to higher levels: allow those too, or let it roll up `while-allowed`");
    }
    if is_restrictive(Some(item.kind)) && !item.excludes.is_empty() {
        return rule("a compartment excludes nothing, and nothing excludes it: labels would have no join");
    }
    if item.requires.iter().any(|needed| is_list(kind_of(needed))) {
        return rule("nothing requires a list, since it would not say which");
    }
    if item.requires.contains(&place) || item.excludes.contains(&place) {
        return rule("does not require or exclude itself");
    }
    if item.requires.iter().any(|needed| item.excludes.contains(needed)) {
        return rule("does not require what it excludes");
    }
    let required_levels = |needed: &usize| words.items.get(*needed).map_or(0, |needed| needed.levels);
    if item.requires.iter().any(|needed| item.levels & !required_levels(needed) != 0) {
        return rule("goes with a level on which what it requires does not");
    }
    Ok(())
}

/// The longest label must be shorter than what `parse` reads.
fn check_length(words: &Vocabulary) -> Result<(), PolicyError> {
    const SEPARATORS: usize = 2;
    let level = words.levels.iter().map(|level| level.banner.len().max(level.portion.len())).max().unwrap_or(0);
    let items = words.items.iter().map(|item| item.word.banner.len().max(item.word.portion.len()) + SEPARATORS);
    let codes = words.countries.iter().chain([&words.own]).map(|code| code.len() + SEPARATORS);
    let parentheses = 2;
    let bytes = level + items.sum::<usize>() + codes.sum::<usize>() + parentheses;
    bound("bytes in its longest label", bytes, TEXT_BYTES_MAX)
}

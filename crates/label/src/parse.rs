//! From text to a marking. Total: any text gives a marking or an error that says what to write.
//!
//! A text is `LEVEL//ENTRY/ENTRY//ENTRY`: `//` between categories, `/` between entries of one, `-` before a
//! compartment, a space before a sub-compartment (CAPCO). Every spelling of a word is read in either form, so
//! `S//NOFORN` and `(SECRET//NF)` are read too; the order is not relaxed, since a banner out of order is often
//! one that was meant otherwise.

use crate::error::clip;
use crate::marking::{Content, Marking};
use crate::policy::{Item, Kind, ListForm, Policy, Vocabulary};
use crate::print::{Style, print, print_one};
use crate::source::Separator;
use crate::{MarkingError, TEXT_BYTES_MAX, rules};
use std::collections::BTreeSet;

pub(crate) fn parse(policy: &Policy, text: &str) -> Result<Marking, MarkingError> {
    let words = &*policy.words;
    let text = normalize(words, text)?;
    if text.starts_with("//") {
        return Err(MarkingError::Foreign { text: clip(&text), policy: words.name.clone() });
    }
    let mut segments = text.split("//");
    let level = read_level(words, segments.next().unwrap_or_default().trim())?;
    let mut reader = Reader { words, text: &text, content: Content { level, ..Content::default() }, trail: Vec::new() };
    for (segment, entries) in segments.enumerate() {
        reader.segment(segment, entries)?;
    }
    reader.check_order()?;
    rules::check(words, &reader.content)?;
    Ok(Marking::new(policy, reader.content))
}

/// Upper case, single spaces, without the parentheses of a portion mark.
fn normalize(words: &Vocabulary, text: &str) -> Result<String, MarkingError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(MarkingError::TooLong { bytes: text.len(), bytes_max: TEXT_BYTES_MAX });
    }
    let is_ours = |c: char| c.is_ascii_alphanumeric() || " /-,.()".contains(c);
    if let Some(stray) = text.trim().chars().find(|c| !is_ours(*c)) {
        return Err(MarkingError::Character { character: stray.escape_debug().to_string() });
    }
    let upper = text.trim().to_ascii_uppercase();
    let inner = upper.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(&upper);
    if inner.contains(['(', ')']) {
        return Err(MarkingError::Parentheses { text: clip(&upper) });
    }
    let spaced = inner.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    if spaced.is_empty() {
        return Err(MarkingError::Empty { levels: words.level_names(u32::MAX) });
    }
    Ok(spaced)
}

fn read_level(words: &Vocabulary, word: &str) -> Result<u8, MarkingError> {
    let levels = words.levels.iter().zip(0_u8..=u8::MAX);
    let found = levels.into_iter().find(|(level, _)| level.banner == word || level.portion == word);
    found.map(|(_, rank)| rank).ok_or_else(|| MarkingError::UnknownLevel {
        word: clip(word),
        policy: words.name.clone(),
        levels: words.level_names(u32::MAX),
    })
}

struct Reader<'a> {
    words: &'a Vocabulary,
    text: &'a str,
    content: Content,
    /// The segment and place of every item, in the order of reading.
    trail: Vec<(usize, usize)>,
}

impl<'w> Reader<'w> {
    /// One category: entries between `/`. A list before its word (`USA/GBR EYES ONLY`) spans several.
    fn segment(&mut self, segment: usize, text: &str) -> Result<(), MarkingError> {
        let mut codes: Vec<&str> = Vec::new();
        for entry in text.split('/').map(str::trim) {
            if entry.is_empty() {
                return Err(MarkingError::EmptyEntry { text: clip(self.text) });
            }
            if let Some((place, item, form, last)) = self.list_first(entry) {
                codes.push(last);
                self.list(segment, place, item, form, &codes)?;
                codes.clear();
            } else if self.words.code(entry).is_some() {
                codes.push(entry);
            } else {
                self.refuse_stray(&codes)?;
                self.entry(segment, entry)?;
            }
        }
        self.refuse_stray(&codes)
    }

    /// Codes that no list claims.
    fn refuse_stray(&self, codes: &[&str]) -> Result<(), MarkingError> {
        codes.first().map_or(Ok(()), |code| Err(self.unknown(code)))
    }

    /// An entry that ends with the word of a list which stands before it.
    fn list_first<'e>(&self, entry: &'e str) -> Option<(usize, &'w Item, ListForm, &'e str)> {
        self.words.items.iter().enumerate().find_map(|(place, item)| match item.kind {
            Kind::ReleaseList(form) | Kind::CountryList(form) if form.list_first => {
                let rest = item.spellings.iter().find_map(|word| entry.strip_suffix(word.as_str()))?;
                Some((place, item, form, rest.strip_suffix(' ')?))
            }
            _ => None,
        })
    }

    fn entry(&mut self, segment: usize, entry: &str) -> Result<(), MarkingError> {
        // The longest spelling first: `RD-CNWDI` is not the compartment `CNWDI` of `RD`.
        let (place, item, rest) = self.longest_prefix(entry).ok_or_else(|| self.unknown(entry))?;
        match item.kind {
            Kind::ReleaseList(form) | Kind::CountryList(form) => {
                let codes: Vec<&str> = match form.separator {
                    _ if rest.is_empty() => Vec::new(),
                    Separator::Comma => rest.split(',').map(str::trim).collect(),
                    Separator::Space | Separator::Slash => rest.trim().split(' ').collect(),
                };
                self.list(segment, place, item, form, &codes)
            }
            Kind::Restrictive(_) => {
                self.add(segment, place, Vec::new())?;
                self.compartments(segment, place, rest)
            }
            Kind::OwnNationAlone | Kind::Informative => self.add(segment, place, Vec::new()),
        }
    }

    /// The item whose spelling starts the entry, and what follows.
    fn longest_prefix<'e>(&self, entry: &'e str) -> Option<(usize, &'w Item, &'e str)> {
        let mut best: Option<(usize, &'w Item, &'e str)> = None;
        for (place, item) in self.words.items.iter().enumerate().filter(|(_, item)| item.depth == 0) {
            for rest in item.spellings.iter().filter_map(|word| entry.strip_prefix(word.as_str())) {
                let may_follow = rest.is_empty()
                    || match item.kind {
                        Kind::Restrictive(_) => rest.starts_with('-'),
                        Kind::ReleaseList(form) | Kind::CountryList(form) => !form.list_first && rest.starts_with(' '),
                        Kind::OwnNationAlone | Kind::Informative => false,
                    };
                if may_follow && best.is_none_or(|(_, _, shortest)| rest.len() < shortest.len()) {
                    best = Some((place, item, rest));
                }
            }
        }
        best
    }

    /// `-G ABCD DEFG-ABC`: compartments after a hyphen, their sub-compartments after spaces.
    fn compartments(&mut self, segment: usize, system: usize, text: &str) -> Result<(), MarkingError> {
        for compartment in text.split('-').skip(1) {
            let mut parent = system;
            for (depth, word) in compartment.split(' ').enumerate() {
                let place = self.child(parent, word)?;
                self.add(segment, place, Vec::new())?;
                if depth == 0 {
                    parent = place;
                }
            }
        }
        Ok(())
    }

    fn child(&self, parent: usize, word: &str) -> Result<usize, MarkingError> {
        let found = self.words.items.iter().position(|item| item.parent == Some(parent) && item.word.banner == word);
        found.ok_or_else(|| MarkingError::UnknownCompartment { word: clip(word), parent: self.words.name_of(parent) })
    }

    /// A list must be known, complete, and in order.
    fn list(
        &mut self,
        segment: usize,
        place: usize,
        item: &Item,
        form: ListForm,
        codes: &[&str],
    ) -> Result<(), MarkingError> {
        let words = self.words;
        if let Some(code) = codes.iter().find(|code| words.code(code).is_none()) {
            return Err(words.unknown_country(code));
        }
        let codes: Vec<String> = codes.iter().map(|code| (*code).to_owned()).collect();
        let mut seen = BTreeSet::new();
        if let Some(twice) = codes.iter().find(|code| !seen.insert(*code)) {
            return Err(MarkingError::Duplicate { word: twice.clone() });
        }
        let is_release = matches!(item.kind, Kind::ReleaseList(_));
        let starts_wrong = is_release && codes.first() != Some(&words.own);
        let own = std::iter::once(&words.own).filter(|_| starts_wrong);
        let right = words.in_order(&own.chain(&codes).cloned().collect::<Vec<_>>());
        // The length first, so that the right form of the other errors is valid.
        if right.len() < form.entries_min {
            return Err(MarkingError::ListLength {
                word: item.name.clone(),
                entries_min: form.entries_min,
                instead: instead_of_list(words, is_release),
            });
        }
        if starts_wrong {
            let right = print_one(item, &right, Style::Banner);
            return Err(MarkingError::ListStart { word: item.name.clone(), own: words.own.clone(), right });
        }
        if right != codes {
            let right = print_one(item, &right, Style::Banner);
            return Err(MarkingError::ListOrder { word: item.name.clone(), right });
        }
        self.add(segment, place, codes)
    }

    fn add(&mut self, segment: usize, place: usize, codes: Vec<String>) -> Result<(), MarkingError> {
        if self.content.items.insert(place, codes).is_some() {
            return Err(MarkingError::Duplicate { word: self.words.name_of(place) });
        }
        self.trail.push((segment, place));
        Ok(())
    }

    /// Places must rise, and segments and categories must be the same cut of them.
    fn check_order(&self) -> Result<(), MarkingError> {
        let category = |place: usize| self.words.items.get(place).map(|item| item.category);
        let is_in_order = self.trail.iter().zip(self.trail.iter().skip(1)).all(|(before, after)| {
            before.1 < after.1 && (before.0 == after.0) == (category(before.1) == category(after.1))
        });
        if is_in_order {
            return Ok(());
        }
        let right = print(self.words, &self.content, Style::Banner);
        Err(MarkingError::Order { text: clip(self.text), right })
    }

    fn unknown(&self, word: &str) -> MarkingError {
        MarkingError::UnknownMarking { word: clip(word), policy: self.words.name.clone() }
    }
}

fn instead_of_list(words: &Vocabulary, is_release: bool) -> String {
    match words.find(|kind| is_release && kind == Kind::OwnNationAlone) {
        Some(alone) => format!(": for `{}` alone write `{}`", words.own, words.name_of(alone)),
        None => String::new(),
    }
}

//! From contents and labels to text.

use crate::label::{Countries, Label};
use crate::marking::Content;
use crate::policy::{Item, Kind, ListForm, Vocabulary};
use crate::source::Separator;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Banner,
    Portion,
}

/// `LEVEL//CATEGORY/CATEGORY//…`, a portion mark in parentheses.
pub(crate) fn print(words: &Vocabulary, content: &Content, style: Style) -> String {
    let level = words.levels.get(usize::from(content.level));
    let mut text = level.map_or("LEVEL UNKNOWN", |word| word.styled(style)).to_owned();
    let mut category = None;
    for (_, item, codes) in content.present(words) {
        text.push_str(match item.depth {
            0 if category != Some(item.category) => "//",
            0 => "/",
            1 => "-",
            _ => " ",
        });
        category = Some(item.category);
        text.push_str(&print_one(item, codes, style));
    }
    match style {
        Style::Banner => text,
        Style::Portion => format!("({text})"),
    }
}

/// One item with its list: `NOFORN`, `REL TO USA, GBR`, `USA/GBR EYES ONLY`.
pub(crate) fn print_one(item: &Item, codes: &[String], style: Style) -> String {
    let word = item.word.styled(style);
    match item.kind {
        Kind::ReleaseList(form) | Kind::CountryList(form) if !codes.is_empty() => print_list(word, form, codes),
        _ => word.to_owned(),
    }
}

fn print_list(word: &str, form: ListForm, codes: &[String]) -> String {
    let list = codes.join(match form.separator {
        Separator::Comma => ", ",
        Separator::Space => " ",
        Separator::Slash => "/",
    });
    if form.list_first { format!("{list} {word}") } else { format!("{word} {list}") }
}

/// The shortest content that means the label.
pub(crate) fn label_content(words: &Vocabulary, label: Label) -> Content {
    // What this policy has no words for must not print as if it were not there.
    let level = if words.is_foreign(label) { u8::MAX } else { label.level };
    let mut content = Content { level, ..Content::default() };
    for (place, item) in words.items.iter().enumerate() {
        if let Kind::Restrictive(bit) = item.kind
            && label.compartments & 1_u128.checked_shl(bit).unwrap_or(0) != 0
        {
            content.items.insert(place, Vec::new());
        }
    }
    add_release(words, label.release, &mut content);
    add_required(words, label.release, &mut content);
    content
}

/// The release list, where it differs from what no list would mean.
fn add_release(words: &Vocabulary, release: Countries, content: &mut Content) {
    if release == words.default_release(content.level) {
        return;
    }
    if release == words.own_countries
        && let Some(alone) = words.find(|kind| kind == Kind::OwnNationAlone)
    {
        content.items.insert(alone, Vec::new());
        return;
    }
    if let Some(list) = words.find(|kind| matches!(kind, Kind::ReleaseList(_))) {
        content.items.insert(list, release_codes(words, release));
    }
}

/// The own nation, then the other countries. Lists that no policy admits print as what `parse` refuses.
pub(crate) fn release_codes(words: &Vocabulary, release: Countries) -> Vec<String> {
    if release == Countries::EVERYONE {
        return vec!["EVERYONE".to_owned()];
    }
    if release == Countries::NOBODY {
        return vec!["NOBODY".to_owned()];
    }
    if !release.contains_all(words.own_countries) {
        return words.codes_of(release).collect();
    }
    let others = words.codes_of(release.without(words.own_countries));
    std::iter::once(words.own.clone()).chain(others).collect()
}

/// What the policy demands beside the compartments: `ORCON` beside `SI-G`, `NOFORN` beside `HCS`.
fn add_required(words: &Vocabulary, release: Countries, content: &mut Content) {
    let mut open: Vec<usize> = content.items.keys().copied().collect();
    while let Some(place) = open.pop() {
        for required in words.items.get(place).map(|item| item.requires.as_slice()).unwrap_or_default() {
            let may_add = match words.items.get(*required).map(|item| item.kind) {
                Some(Kind::Informative) => true,
                Some(Kind::OwnNationAlone) => release == words.own_countries,
                _ => false,
            };
            if may_add && content.items.insert(*required, Vec::new()).is_none() {
                open.push(*required);
            }
        }
    }
}

impl crate::policy::Word {
    pub(crate) fn styled(&self, style: Style) -> &str {
        match style {
            Style::Banner => &self.banner,
            Style::Portion => &self.portion,
        }
    }
}

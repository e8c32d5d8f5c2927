//! Markings inside the content: portion marks such as `(S//NF)`, banners such as `TOP SECRET//SI`, and values of what is
//! called a classification. One that exceeds the claimed label stops the object, and so does one that begins like a
//! marking and cannot be read: nobody knows what it meant.

use crate::filter::only;
use crate::filter::runs::runs;
use crate::filter::segments::{self, Segment};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use crate::{ContentType, Kind};
use aho_corasick::{AhoCorasick, MatchKind};
use fastness_label::{Label, Policy};
use std::borrow::Cow;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

/// The longest marking that is looked for.
const MARKING_BYTES_MAX: usize = 512;
/// Longer than any level's name, so that a line is not read again for every pair of strokes in it.
const LEVEL_BYTES_MAX: usize = 128;

/// One label policy, and what of it may stand in this object.
struct Scale<'a> {
    policy: &'a Policy,
    ceiling: Label,
    levels: &'a [Level],
}

/// What a level is called.
#[derive(Debug)]
pub(crate) struct Level {
    word: String,
    is_banner: bool,
}

/// What each way of reading a line begins with, all scales together: a line without any of it holds no marking.
#[derive(Debug)]
pub(crate) struct Hints(Option<AhoCorasick>);

/// What [`Scale::said`], [`Scale::portions`] and [`Scale::inline`] do nothing without.
const SIGNS: [&str; 4] = [":", "=", "(", "//"];

/// What a candidate turned out to be.
enum Read {
    Within,
    Exceeds(String),
    Unreadable,
}

pub(crate) fn run(rules: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let mut scales = Vec::new();
    for scale in rules.scales()? {
        let ceiling = match scale.ceiling {
            Some(ceiling) => ceiling,
            None => scale.policy.label(&task.label).map_err(|error| Refusal::new(Kind::Claim, error.to_string()))?,
        };
        scales.push(Scale {
            policy: &scale.policy,
            ceiling,
            levels: scale.levels.get_or_init(|| levels(&scale.policy)),
        });
    }
    let hints = rules.hints(|| Hints::new(scales.iter().flat_map(|scale| scale.levels)));
    segments::each(rules, task, content, &mut |segment| {
        // Joined values of JSON and cells of CSV would make markings that nobody wrote.
        if segment.called == "*" && task.content_type != Some(ContentType::Xml) {
            return Ok(());
        }
        let text = fold(&segment.text);
        let read = |number: usize, line: &str| {
            scales.iter().try_for_each(|scale| scale.line(segment, line)).map_err(|refusal| {
                let place = segment.place.as_ref();
                refusal.at(if place.is_empty() { format!("line {number}") } else { place.to_owned() })
            })
        };
        match is_called_marking(&segment.called) {
            true => text.lines().zip(1..).try_for_each(|(line, number)| read(number, line)),
            false => hints.lines(&text, read),
        }
    })?;
    Ok(Done::default())
}

impl Hints {
    fn new<'l>(levels: impl Iterator<Item = &'l Level>) -> Hints {
        let looked_for = levels.filter(|level| level.is_banner || level.has_spaces()).map(|level| level.word.as_str());
        let all: Vec<&str> = SIGNS.into_iter().chain(looked_for).collect();
        // A hint lies within one line. What is found first in a place stands for all that overlap with it there.
        if all.iter().any(|hint| hint.contains('\n')) {
            return Hints(None);
        }
        Hints(AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(all).ok())
    }

    /// Calls back for the lines, by number and in order, that have a hint in them, as [`str::lines`] would cut them.
    fn lines<E>(&self, text: &str, mut see: impl FnMut(usize, &str) -> Result<(), E>) -> Result<(), E> {
        let Some(hints) = &self.0 else {
            return text.lines().zip(1..).try_for_each(|(line, number)| see(number, line));
        };
        // Where the first line begins that was not passed yet, and its number.
        let (mut next, mut number) = (0, 1);
        for hint in hints.find_iter(text) {
            // Nothing, if the line was passed already.
            let Some(passed) = text.get(next..hint.start()) else { continue };
            number += passed.matches('\n').count();
            let begin = passed.rfind('\n').map_or(next, |at| next + at + 1);
            let rest = text.get(begin..).unwrap_or_default();
            let line = rest.split_inclusive('\n').next().unwrap_or_default();
            see(number, line.lines().next().unwrap_or_default())?;
            (next, number) = (begin + line.len(), number + 1);
        }
        Ok(())
    }
}

impl Level {
    /// A level of several words.
    fn has_spaces(&self) -> bool {
        self.word.contains(' ')
    }
}

fn levels(policy: &Policy) -> Vec<Level> {
    let mut levels = Vec::new();
    for banner in policy.levels() {
        levels.push(Level { word: banner.to_owned(), is_banner: true });
        if let Ok(label) = policy.label(banner) {
            let portion = policy.portion(label);
            let word = portion.trim_matches(['(', ')']).split("//").next().unwrap_or_default().to_owned();
            levels.push(Level { word, is_banner: false });
        }
    }
    levels.sort_by_key(|level| std::cmp::Reverse(level.word.len()));
    levels
}

/// Whether something of this name says what the classification is.
fn is_called_marking(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("classification") || name.contains("marking") || matches!(name.trim(), "label" | "banner" | "portion")
}

/// At most so many bytes of a text's beginning, and of its end.
fn head(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

fn tail(text: &str, bytes_max: usize) -> &str {
    let from = (text.len().saturating_sub(bytes_max)..=text.len()).find(|at| text.is_char_boundary(*at));
    text.get(from.unwrap_or_default()..).unwrap_or_default()
}

/// Letters of other scripts that look like Latin ones, and wide forms, as the ones that they look like.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let (mut folded, mut known) = (String::with_capacity(text.len()), BTreeMap::new());
    for (ascii, others) in runs(text) {
        folded.push_str(ascii);
        for c in others.nfkc() {
            match c.is_ascii() {
                true => folded.push(c),
                false => folded.push_str(known.entry(c).or_insert_with(|| like(c))),
            }
        }
    }
    Cow::Owned(folded)
}

/// The Latin letters that a character looks like, or else the character.
fn like(c: char) -> String {
    let own = c.to_string();
    let seen: String = skeleton(&own).collect();
    if seen.is_ascii() { seen } else { own }
}

impl Scale<'_> {
    fn line(&self, segment: &Segment<'_>, line: &str) -> Result<(), Refusal> {
        self.whole(line)?;
        self.said(line)?;
        self.several_words(line)?;
        self.portions(line)?;
        self.inline(line)?;
        if is_called_marking(&segment.called) { self.judge(self.read(line.trim()), false) } else { Ok(()) }
    }

    /// `Classification: SECRET`.
    fn said(&self, line: &str) -> Result<(), Refusal> {
        match head(line, MARKING_BYTES_MAX).split_once([':', '=']) {
            Some((called, value)) if is_called_marking(called) => self.judge(self.read(value.trim()), false),
            _ => Ok(()),
        }
    }

    /// A level of several words in capitals, such as `TOP SECRET`, is meant as one wherever it stands.
    fn several_words(&self, line: &str) -> Result<(), Refusal> {
        for level in self.levels.iter().filter(|level| level.has_spaces()) {
            for (at, found) in line.match_indices(&level.word) {
                let before = line.get(..at).unwrap_or_default().chars().next_back();
                let after = line.get(at + found.len()..).unwrap_or_default().chars().next();
                if !before.into_iter().chain(after).any(char::is_alphanumeric) {
                    self.judge(self.read(found), true)?;
                }
            }
        }
        Ok(())
    }

    /// A line that is nothing but a level or a marking, perhaps with ornaments.
    fn whole(&self, line: &str) -> Result<(), Refusal> {
        let bare = line.trim_matches(|c: char| c.is_whitespace() || "*#=-_~<>[]\"'|:.".contains(c));
        let is_level = |level: &Level| level.is_banner && bare == level.word;
        if self.levels.iter().any(is_level) { self.judge(self.read(bare), true) } else { Ok(()) }
    }

    /// `(S//NF)`, and `(S)` in capitals.
    fn portions(&self, line: &str) -> Result<(), Refusal> {
        for (at, _) in line.match_indices('(') {
            let rest = head(line.get(at + 1..).unwrap_or_default(), MARKING_BYTES_MAX);
            let Some((inner, _)) = rest.split_once(')') else { continue };
            let level = inner.split("//").next().unwrap_or_default().trim();
            let is_marked = inner.contains("//") && self.is_level(&level.to_uppercase());
            if is_marked || self.is_level(level) && !inner.contains("//") {
                self.judge(self.read(inner), true)?;
            }
        }
        Ok(())
    }

    fn is_level(&self, word: &str) -> bool {
        self.levels.iter().any(|level| level.word == word)
    }

    /// `TOP SECRET//SI` or `TS//SI` anywhere in a line: a level, two strokes, and as much as is a marking.
    fn inline(&self, line: &str) -> Result<(), Refusal> {
        for (strokes, _) in line.match_indices("//") {
            let before = tail(line.get(..strokes).unwrap_or_default(), LEVEL_BYTES_MAX).trim_end();
            let upper = before.to_ascii_uppercase();
            let found = self.levels.iter().find(|level| {
                let stem =
                    if level.is_banner { upper.strip_suffix(&level.word) } else { before.strip_suffix(&level.word) };
                stem.is_some_and(|stem| !stem.chars().next_back().is_some_and(char::is_alphanumeric))
            });
            let Some(level) = found else { continue };
            let after = head(line.get(strokes..).unwrap_or_default(), MARKING_BYTES_MAX);
            let ours = |c: char| c.is_ascii_alphanumeric() || " /-,.".contains(c);
            let end = after.find(|c| !ours(c)).unwrap_or(after.len());
            let candidate = format!("{}{}", level.word, after.get(..end).unwrap_or_default());
            self.judge(self.longest(&candidate), true)?;
        }
        Ok(())
    }

    /// The longest beginning of a candidate that is a marking.
    fn longest(&self, candidate: &str) -> Read {
        let mut text = candidate.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        while text.contains("//") {
            match self.read(text) {
                Read::Unreadable => {}
                read => return read,
            }
            let cut = text.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
            text = cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        }
        Read::Unreadable
    }

    fn read(&self, text: &str) -> Read {
        match self.policy.parse(text) {
            Ok(marking) if marking.label().is_dominated_by(self.ceiling) => Read::Within,
            Ok(marking) => Read::Exceeds(marking.banner()),
            Err(_) => Read::Unreadable,
        }
    }

    fn judge(&self, read: Read, is_marking: bool) -> Result<(), Refusal> {
        match read {
            Read::Exceeds(banner) => {
                Err(Refusal::new(Kind::Marking, format!("the marking {banner} exceeds the claimed label")))
            }
            Read::Unreadable if is_marking => {
                Err(Refusal::new(Kind::Marking, "it begins like a marking and cannot be read as one"))
            }
            Read::Unreadable | Read::Within => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::runs;
    use crate::rules::Rules;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// As it was before texts were cut into runs.
    fn fold_slowly(text: &str) -> String {
        text.nfkc().map(|c| if c.is_ascii() { c.to_string() } else { like(c) }).collect()
    }

    /// Markings, whole and in pieces, one of them or a few.
    fn text() -> impl Strategy<Value = String> {
        const MARKINGS: [&str; 18] = [
            "(S)",
            "( TS )",
            "(C)",
            "(ts//si)",
            "(S//NF)",
            "(S//",
            "SECRET",
            "* TOP SECRET *",
            "of TOP SECRET use",
            "TOP SECRETS",
            "Classification: S",
            "label=ts",
            "MAR\u{212a}ING: confidential",
            "marking: secret//nf",
            "secret//nf",
            "as TS//SI here",
            "COSMIC TOP SECRET",
            "(NS)",
        ];
        const PIECES: [&str; 36] = [
            "TOP SECRET",
            "SECRET",
            "CONFIDENTIAL",
            "UNCLASSIFIED",
            "NATO SECRET",
            "TS",
            "S",
            "C",
            "//",
            "/",
            "(",
            ")",
            ":",
            "=",
            "classification",
            "label",
            "portion",
            "NOFORN",
            "REL TO USA, GBR",
            "\r\n",
            "\r",
            " ",
            "-",
            "*",
            "#",
            ".",
            "|",
            "a",
            "7",
            "\u{fc}",
            "\u{435}",
            "\u{421}",
            "\u{ff33}",
            "\u{ff0f}",
            "\u{17f}",
            "\u{2028}",
        ];
        let piece = prop_oneof![
            2 => select(&MARKINGS[..]).prop_map(str::to_owned),
            4 => select(&PIECES[..]).prop_map(str::to_owned),
            4 => Just("\n".to_owned()),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
    }

    /// Every line read, with no hint asked for.
    fn run_slowly(rules: &Rules, task: &Task, content: &[u8]) -> Outcome {
        let rules = Rules::new(rules.text.clone());
        rules.hints(|| Hints(None));
        run(&rules, task, &[content.to_vec()])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_line_without_a_hint_holds_no_marking(text in text(), called in select(vec!["", "note", "marking"]), label in select(vec!["UNCLASSIFIED", "SECRET"])) {
            let mut policy = crate::Policy::new("us");
            policy.scales.push(crate::Scale { policy: crate::PolicyText::Builtin("nato".to_owned()), ceiling: Some("NATO RESTRICTED".to_owned()) });
            let rules = Rules::of(&policy);
            let metadata = if called.is_empty() { Vec::new() } else { vec![(called.to_owned(), text.clone())] };
            let task = Task { label: label.to_owned(), content_type: Some(ContentType::Text), metadata, ..Task::default() };
            prop_assert_eq!(run(&rules, &task, &[text.clone().into_bytes()]), run_slowly(&rules, &task, text.as_bytes()));
        }

        #[test]
        fn a_text_folds_as_its_runs_do(text in prop_oneof![text(), runs::tests::text()]) {
            prop_assert_eq!(fold(&text), fold_slowly(&text));
        }
    }
}

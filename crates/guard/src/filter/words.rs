//! The policy's words: looked for by `aho-corasick` in text from which case, look-alike letters and forms of width are
//! taken away (`unicode-security`, UTS 39; `unicode-normalization`), and once more with nothing between the letters.

use crate::Kind;
use crate::filter::runs::runs;
use crate::filter::{only, segments};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use aho_corasick::AhoCorasick;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

/// Shorter words would be found within others by chance, once spaces are taken away.
const COMPACT_LETTERS_MIN: usize = 7;

/// The words, ready to be looked for.
#[derive(Debug)]
pub(crate) struct Words {
    whole: AhoCorasick,
    /// The same, as letters are written: what looks like a letter, as a stroke does, ends a word there.
    written: AhoCorasick,
    compact: AhoCorasick,
    /// Which words the patterns of `compact` are.
    compact_of: Vec<usize>,
}

/// Whether a list can be looked for.
pub(crate) fn check(words: &[String]) -> Result<(), String> {
    match words.iter().any(|word| fold(word.trim()).is_empty()) {
        true => Err("the policy's list of words holds an empty one".to_owned()),
        false => Ok(()),
    }
}

impl Words {
    pub(crate) fn new(words: &[String]) -> Result<Words, String> {
        check(words)?;
        let folded: Vec<String> = words.iter().map(|word| fold(word.trim())).collect();
        let (compact_of, compacted): (Vec<usize>, Vec<String>) = folded
            .iter()
            .map(|word| compact(word))
            .enumerate()
            .filter(|(_, word)| word.chars().count() >= COMPACT_LETTERS_MIN)
            .unzip();
        // Looking for the rare bytes of words first takes longer than the words themselves, in text as people write it.
        let build = |patterns: &[String]| {
            AhoCorasick::builder().prefilter(false).build(patterns).map_err(|error| error.to_string())
        };
        let written: Vec<String> = words.iter().map(|word| plain(word.trim())).collect();
        Ok(Words { whole: build(&folded)?, written: build(&written)?, compact: build(&compacted)?, compact_of })
    }

    /// The number of a word that stands in the text, and its line. Both count from one.
    fn find(&self, text: &str) -> Option<(usize, usize)> {
        let (folded, plain) = (fold(text), plain(text));
        if let Some(found) = whole_word(&self.whole, &folded).or_else(|| whole_word(&self.written, &plain)) {
            return Some(found);
        }
        // Signs between letters are taken away as they look and as they are written.
        let found = self.compact.find(&compact(&folded)).or_else(|| self.compact.find(&fold(&compact(&plain))))?;
        Some((self.compact_of.get(found.pattern().as_usize())? + 1, 1))
    }
}

/// The number of a word that stands in a text with no letter beside it, and its line.
fn whole_word(words: &AhoCorasick, text: &str) -> Option<(usize, usize)> {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    words.find_overlapping_iter(text).find_map(|found| {
        let before = text.get(..found.start()).unwrap_or_default();
        let after = text.get(found.end()..).unwrap_or_default();
        let is_whole = !is_letter(before.chars().next_back()) && !is_letter(after.chars().next());
        is_whole.then(|| (found.pattern().as_usize() + 1, before.matches('\n').count() + 1))
    })
}

pub(crate) fn run(rules: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    if rules.text.words.is_empty() {
        return Ok(Done::default());
    }
    let words = rules.words()?;
    segments::each(rules, task, content, &mut |segment| match words.find(&segment.text) {
        // The word itself is not said: it may be a secret.
        Some((number, line)) => {
            let place = match segment.place.as_ref() {
                "" => format!("line {line}"),
                place => place.to_owned(),
            };
            Err(Refusal::new(Kind::Word, format!("word {number} of the policy's list")).at(place))
        }
        None => Ok(()),
    })?;
    Ok(Done::default())
}

/// What each character of ASCII folds to.
static ASCII: LazyLock<Ascii> = LazyLock::new(|| {
    let texts: Vec<String> = (0..128_u8).map(|byte| fold_any(&char::from(byte).to_string())).collect();
    let one = |text: &String| match text.as_bytes() {
        [byte] => *byte,
        _ => NOT_ONE,
    };
    Ascii { ones: texts.iter().map(one).collect(), texts }
});

/// No byte of ASCII.
const NOT_ONE: u8 = 0xff;

struct Ascii {
    texts: Vec<String>,
    /// The same, where it is one character.
    ones: Vec<u8>,
}

impl Ascii {
    fn one(&self, byte: u8) -> u8 {
        self.ones.get(usize::from(byte)).copied().unwrap_or(NOT_ONE)
    }

    fn fold(&self, run: &str, folded: &mut Vec<u8>) {
        for part in run.as_bytes().split_inclusive(|byte| self.one(*byte) == NOT_ONE) {
            let last = part.last().filter(|byte| self.one(**byte) == NOT_ONE);
            let ones = part.len() - usize::from(last.is_some());
            folded.extend(part.iter().take(ones).map(|byte| self.one(*byte)));
            let text = last.and_then(|byte| self.texts.get(usize::from(*byte)));
            folded.extend_from_slice(text.map_or(&[][..], String::as_bytes));
        }
    }
}

/// Without case, forms of width, and differences between letters that look alike.
fn fold(text: &str) -> String {
    // What characters fold to, for this text alone: a filter keeps nothing of one object for the next.
    let (mut folded, mut known) = (Vec::with_capacity(text.len() + text.len() / 8), BTreeMap::new());
    for (ascii, others) in runs(text) {
        ASCII.fold(ascii, &mut folded);
        if unicode_normalization::is_nfkc(others) && !others.chars().any(is_combining_mark) {
            // No mark, so none that moves, and each character folds by itself.
            for c in others.chars() {
                folded.extend_from_slice(known.entry(c).or_insert_with(|| fold_any(&c.to_string())).as_bytes());
            }
        } else {
            folded.extend_from_slice(fold_any(others).as_bytes());
        }
    }
    String::from_utf8(folded).unwrap_or_else(|_| fold_any(text))
}

/// Without case and forms of width.
fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut plain = String::with_capacity(text.len());
    for (ascii, others) in runs(text) {
        plain.push_str(ascii);
        let from = plain.len() - ascii.len();
        if let Some(ascii) = plain.get_mut(from..) {
            ascii.make_ascii_lowercase();
        }
        match unicode_normalization::is_nfkc(others) {
            true => plain.extend(others.chars().flat_map(char::to_lowercase)),
            false => plain.extend(others.nfkc().flat_map(char::to_lowercase)),
        }
    }
    plain
}

fn fold_any(text: &str) -> String {
    let plain: String = text.nfkc().flat_map(char::to_lowercase).collect();
    skeleton(&plain).filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// Letters and digits alone.
fn compact(folded: &str) -> String {
    let mut compact = String::with_capacity(folded.len());
    for (ascii, others) in runs(folded) {
        ascii.split(|c: char| !c.is_ascii_alphanumeric()).for_each(|word| compact.push_str(word));
        compact.extend(others.chars().filter(|c| c.is_alphanumeric()));
    }
    compact
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::runs;
    use proptest::prelude::*;

    fn find(text: &str) -> Option<usize> {
        let words = Words::new(&["umbra".to_owned(), "blue harvest".to_owned()]).unwrap();
        words.find(text).map(|(number, _)| number)
    }

    #[test]
    fn words_are_found_in_every_dress() {
        for text in ["Project UMBRA", "umbra.", "ｕｍｂｒａ", "umbr\u{430}", "u\u{301}mbra", "(Umbra)"] {
            assert_eq!(find(text), Some(1), "{text}");
        }
        // Signs that look like letters are none where they stand between words.
        for text in ["|umbra|", "| Umbra|x|", "100%umbra", "1|umbra"] {
            assert_eq!(find(text), Some(1), "{text}");
        }
        for text in [
            "b l u e  h a r v e s t",
            "Blue\nHarvest",
            "BLUE-HARVEST",
            "blueharvest",
            "blue|harvest",
            "b%l%u%e harvest",
            "b|ue harvest",
        ] {
            assert_eq!(find(text), Some(2), "{text}");
        }
    }

    #[test]
    fn words_within_words_are_not_meant() {
        assert_eq!(find("penumbral umbrage"), None);
    }

    fn plain_slowly(text: &str) -> String {
        text.nfkc().flat_map(char::to_lowercase).collect()
    }

    fn compact_slowly(text: &str) -> String {
        text.chars().filter(|c| c.is_alphanumeric()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_text_is_folded_as_its_runs_are(text in runs::tests::text()) {
            prop_assert_eq!(fold(&text), fold_any(&text));
            prop_assert_eq!(plain(&text), plain_slowly(&text));
            prop_assert_eq!(compact(&text), compact_slowly(&text));
        }
    }

    #[test]
    fn every_character_folds_between_others_as_it_does_alone() {
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let text = format!("a\u{fc}{c}m{c}\u{43e}");
            assert_eq!(fold(&text), fold_any(&text), "U+{:04X}", u32::from(c));
        }
    }
}

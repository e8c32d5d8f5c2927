//! Plain text: UTF-8, brought to normalization form C by `unicode-normalization`; characters by `unicode-properties`.
//! The rules for characters serve the strings of JSON, XML and CSV, too.

use crate::Kind;
use crate::filter::only;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// More marks than this on one letter is no writing, but a place to hide something.
const MARKS_MAX: usize = 8;

pub(crate) fn run(_: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let text = decode(content)?;
    let (text, had_mark) = match text.strip_prefix('\u{feff}') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let clean = clean(text)?;
    let is_normal = matches!(clean, Cow::Borrowed(_));
    let (text, had_returns) = match clean.contains('\r') {
        true => (clean.replace("\r\n", "\n"), true),
        false => (clean.into_owned(), false),
    };
    let mut done = Done::content(text.into_bytes());
    if had_mark {
        done = done.note("the byte order mark was taken away");
    }
    if !is_normal {
        done = done.note("characters were brought to Unicode's normalization form C");
    }
    if had_returns {
        done = done.note("ends of lines were written as line feeds");
    }
    Ok(done)
}

/// Bytes as UTF-8, or which byte is not.
pub(crate) fn decode(content: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(content).map_err(|error| {
        Refusal::new(Kind::Encoding, "the text is not UTF-8").at(format!("byte {}", error.valid_up_to()))
    })
}

/// The text in normalization form C, if every character of it is one that people see.
pub(crate) fn clean(text: &str) -> Result<Cow<'_, str>, Refusal> {
    if is_plain(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    let normal = match unicode_normalization::is_nfc(text) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.nfc().collect()),
    };
    check(&normal)?;
    Ok(normal)
}

/// Whether these are all characters of ASCII that people see, and ends of lines. Each 64 are looked at without a branch,
/// which a compiler makes a few instructions of.
fn is_plain(bytes: &[u8]) -> bool {
    let is_seen = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    let (chunks, rest) = bytes.as_chunks::<64>();
    chunks.iter().all(|chunk| chunk.iter().fold(true, |all, byte| all & is_seen(byte))) && rest.iter().all(is_seen)
}

fn check(text: &str) -> Result<(), Refusal> {
    let (mut previous, mut marks, mut line) = (None, 0, 1_usize);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let fault = match c {
            '\n' => {
                line += 1;
                None
            }
            // What most texts are made of need not be looked up.
            '\t' | ' '..='~' => None,
            '\r' if characters.peek() == Some(&'\n') => None,
            '\r' => Some("a carriage return without a line feed, which hides what stands before it"),
            _ => fault(c, previous),
        };
        marks = if !c.is_ascii() && is_combining_mark(c) { marks + 1 } else { 0 };
        let fault = fault.or_else(|| (marks > MARKS_MAX).then_some("a heap of marks on one letter"));
        if let Some(what) = fault {
            let what = format!("{what} (U+{:04X})", u32::from(c));
            return Err(Refusal::new(Kind::Hidden, what).at(format!("line {line}")));
        }
        previous = Some(c);
    }
    Ok(())
}

/// What is wrong with a character after another one.
fn fault(c: char, previous: Option<char>) -> Option<&'static str> {
    match c {
        // Asks for the colourful form of the sign before it; elsewhere it is invisible.
        '\u{fe0f}' if previous.is_some_and(|c| c.general_category() == GeneralCategory::OtherSymbol) => return None,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => {
            return Some("a character that turns the direction of text");
        }
        '\u{e0000}'..='\u{e0fff}' => return Some("an invisible tag character"),
        // Invisible though not of a category that says so.
        '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{ffa0}' => return Some("a character that is not seen"),
        _ => {}
    }
    match c.general_category() {
        GeneralCategory::Control => Some("a control character"),
        GeneralCategory::Format => Some("a character that is not seen"),
        GeneralCategory::PrivateUse => Some("a character of private use, which means something else to each reader"),
        GeneralCategory::Unassigned | GeneralCategory::Surrogate => Some("a code that is no character"),
        GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => Some("an end of a line that few see"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_what_has_no_fault_wherever_it_stands() {
        for c in (0..=0xff_u8).map(char::from) {
            for at in [0, 1, 63, 64, 130, 191] {
                let text: String = (0..192).map(|place| if place == at { c } else { 'a' }).collect();
                let is_end = matches!(c, '\n' | '\t');
                assert_eq!(is_plain(text.as_bytes()), c.is_ascii() && (is_end || fault(c, None).is_none()), "{c:?}");
            }
            assert!(!c.is_ascii() || !is_combining_mark(c));
        }
    }
}

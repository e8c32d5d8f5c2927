//! The other reader of plain text, on ICU4X: `icu_normalizer` and `icu_properties`. It serves the strings of JSON, XML
//! and CSV, too.

use crate::Kind;
use crate::filter::{differs, pair};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    BidiControl, DefaultIgnorableCodePoint, Emoji, GeneralCategory, GeneralCategoryGroup, VariationSelector,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use std::borrow::Cow;

pub(crate) fn run(_: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let (before, after) = pair(contents)?;
    let utf8 = |bytes| str::from_utf8(bytes).map_err(|_| Refusal::new(Kind::Encoding, "the text is not UTF-8"));
    let (before, after) = (utf8(before)?, utf8(after)?);
    inspect(after)?;
    let before = before.strip_prefix('\u{feff}').unwrap_or(before);
    // Returns are the one thing besides normalization that the first filter may change.
    let expected = match before.contains('\r') {
        true => Cow::Owned(before.split("\r\n").map(normal).collect::<Vec<_>>().join("\n")),
        false => normal(before),
    };
    if expected != after {
        return Err(differs("the text before and after"));
    }
    Ok(Done::default())
}

/// The normalization form C of a text, as this reader understands it.
pub(crate) fn normal(text: &str) -> Cow<'_, str> {
    // ASCII is in every form.
    if text.is_ascii() { Cow::Borrowed(text) } else { ComposingNormalizerBorrowed::new_nfc().normalize(text) }
}

/// Whether some byte is neither of a letter or sign of ASCII nor the end of a line: these are counted, because a loop that
/// may end in the middle looks at one byte at a time.
fn has_unusual(bytes: &[u8]) -> bool {
    let unusual = |byte: u8| byte < b' ' && byte != b'\n' && byte != b'\t' || byte >= 0x7f;
    bytes.chunks(128).any(|some| some.iter().map(|byte| u8::from(unusual(*byte))).sum::<u8>() > 0)
}

/// Whether every character of a text may pass.
pub(crate) fn inspect(text: &str) -> Result<(), Refusal> {
    if !has_unusual(text.as_bytes()) {
        return Ok(());
    }
    if !ComposingNormalizerBorrowed::new_nfc().is_normalized(text) {
        return Err(Refusal::new(Kind::Ambiguous, "the text is not in normalization form C"));
    }
    let categories = CodePointMapData::<GeneralCategory>::new();
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let selectors = CodePointSetData::new::<VariationSelector>();
    let turning = CodePointSetData::new::<BidiControl>();
    let emoji = CodePointSetData::new::<Emoji>();
    let seen = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Mark)
        .union(GeneralCategoryGroup::Number)
        .union(GeneralCategoryGroup::Punctuation)
        .union(GeneralCategoryGroup::Symbol)
        .union(GeneralCategoryGroup::SpaceSeparator);
    let mut previous = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if matches!(c, ' '..='~') {
            previous = c;
            continue;
        }
        let is_line_end = c == '\r' && rest.peek() == Some(&'\n');
        let is_colourful = c == '\u{fe0f}' && emoji.contains(previous) && !previous.is_ascii();
        let is_plain = seen.contains(categories.get(c))
            && !ignorable.contains(c)
            && !selectors.contains(c)
            && !turning.contains(c)
            && c != '\u{2800}';
        if !(is_plain || is_line_end || is_colourful || c == '\n' || c == '\t') {
            return Err(Refusal::new(
                Kind::Hidden,
                format!("a character that people do not see (U+{:04X})", u32::from(c)),
            ));
        }
        previous = c;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_is_not_of_ascii_changes_nothing_for_those_that_are() {
        for c in (0..0x80_u8).map(char::from) {
            for at in [0, 1, 127, 128, 200] {
                let text: String = (0..201).map(|place| if place == at { c } else { 'a' }).collect();
                let is_seen = inspect(&text).is_ok();
                assert_eq!(is_seen, !c.is_ascii_control() || matches!(c, '\n' | '\t'), "{c:?}");
                assert_eq!(inspect(&format!("\u{fc}{text}")).is_ok(), is_seen, "{c:?}");
            }
        }
    }
}

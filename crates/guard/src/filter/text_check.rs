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

pub(crate) fn run(_: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let (before, after) = pair(contents)?;
    let utf8 = |bytes| String::from_utf8(bytes).map_err(|_| Refusal::new(Kind::Encoding, "the text is not UTF-8"));
    let (before, after) = (utf8(before.to_vec())?, utf8(after.to_vec())?);
    inspect(&after)?;
    let before = before.strip_prefix('\u{feff}').unwrap_or(&before);
    // Returns are the one thing besides normalization that the first filter may change.
    let expected = before.split("\r\n").map(normal).collect::<Vec<_>>().join("\n");
    if expected != after {
        return Err(differs("the text before and after"));
    }
    Ok(Done::default())
}

/// The normalization form C of a text, as this reader understands it.
pub(crate) fn normal(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// Whether every character of a text may pass.
pub(crate) fn inspect(text: &str) -> Result<(), Refusal> {
    if text.is_ascii() && !text.bytes().any(|byte| byte < b' ' && byte != b'\n' && byte != b'\t' || byte == 0x7f) {
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

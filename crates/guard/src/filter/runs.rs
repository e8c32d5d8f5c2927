//! Runs of ASCII in a text, which Unicode's normalization forms leave alone, and what stands between them.

/// Cuts a text into pairs: characters of ASCII that are the same in every normalization form; and other characters, with
/// the one of ASCII before them, because it may become one with them. Either may be empty. The second of a pair
/// normalizes as it does within the text: what follows it is of ASCII, and so joins nothing before it, nor does anything
/// move past it (UAX #15, section 9.1).
pub(crate) fn runs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let ascii = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        let others =
            rest.bytes().skip(ascii).position(|byte| byte.is_ascii()).map_or(rest.len(), |others| ascii + others);
        let alone = if others > ascii { ascii.saturating_sub(1) } else { ascii };
        let run = (rest.get(..alone)?, rest.get(alone..others)?);
        rest = rest.get(others..)?;
        (others > 0).then_some(run)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    /// Texts in which much joins, moves and looks alike: letters, marks of several classes, wide and narrow forms, jamo.
    pub(crate) fn text() -> impl Strategy<Value = String> {
        const PIECES: [&str; 40] = [
            "a",
            "u",
            "m",
            "b",
            "r",
            "|",
            "1",
            "0",
            "%",
            "\n",
            "\r\n",
            " ",
            "-",
            "\u{301}",
            "\u{323}",
            "\u{308}",
            "\u{345}",
            "\u{fc}",
            "\u{43e}",
            "\u{435}",
            "\u{ff55}",
            "\u{ff2d}",
            "\u{1100}",
            "\u{1161}",
            "\u{11a8}",
            "\u{ac00}",
            "\u{fb01}",
            "\u{212a}",
            "\u{130}",
            "\u{17f}",
            "\u{3a3}",
            "\u{df}",
            "\u{200d}",
            "\u{ad}",
            "\u{2126}",
            "\u{1d5a}",
            "\u{b2}",
            "\u{bd}",
            "\u{2024}",
            "\u{1d400}",
        ];
        let piece = prop_oneof![4 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_text_normalizes_as_its_runs_do(text in text()) {
            let (mut joined, mut composed, mut decomposed) = (String::new(), String::new(), String::new());
            for (ascii, others) in runs(&text) {
                prop_assert!(ascii.is_ascii() && others.chars().skip(1).all(|c| !c.is_ascii()));
                joined.extend([ascii, others]);
                composed.extend(ascii.chars().chain(others.nfkc()));
                decomposed.extend(ascii.chars().chain(others.nfd()));
            }
            prop_assert_eq!(&joined, &text);
            prop_assert_eq!(composed, text.nfkc().collect::<String>());
            prop_assert_eq!(decomposed, text.nfd().collect::<String>());
        }
    }
}

//! Rust source without its comments and literals, so that a rule about code does not trip over prose.

/// The text with comments, strings and characters blanked out; lines stay where they are.
pub fn only(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        let end = match character {
            '/' if next_is(&characters, at, '/') => line_end(&characters, at),
            '/' if next_is(&characters, at, '*') => block_comment_end(&characters, at),
            '"' => string_end(&characters, at + 1),
            'r' if !follows_word(&characters, at) => raw_string_end(&characters, at).unwrap_or(at),
            '\'' => character_end(&characters, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(character);
            at += 1;
        } else {
            let blanked = characters.get(at..end.min(characters.len())).unwrap_or_default();
            out.extend(blanked.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Whether the code holds the text as words of its own.
pub fn has_word(line: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        let open_end = !word.ends_with(is_part) || !after.is_some_and(is_part);
        let open_start = !word.starts_with(is_part) || !before.is_some_and(is_part);
        open_start && open_end
    })
}

fn next_is(characters: &[char], at: usize, wanted: char) -> bool {
    characters.get(at + 1) == Some(&wanted)
}

/// Whether this character continues a word, unless that word is the `b` or `c` before a raw string.
fn follows_word(characters: &[char], at: usize) -> bool {
    let is_part = |back: usize| {
        at.checked_sub(back).and_then(|at| characters.get(at)).is_some_and(|c| c.is_alphanumeric() || *c == '_')
    };
    let prefixed = at.checked_sub(1).and_then(|at| characters.get(at)).is_some_and(|c| matches!(c, 'b' | 'c'));
    if prefixed { is_part(2) } else { is_part(1) }
}

fn line_end(characters: &[char], from: usize) -> usize {
    let rest = characters.get(from..).unwrap_or_default();
    from + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment_end(characters: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while at < characters.len() {
        match (characters.get(at), characters.get(at + 1)) {
            (Some('/'), Some('*')) => (at, depth) = (at + 2, depth + 1),
            (Some('*'), Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_end(characters: &[char], from: usize) -> usize {
    let mut at = from;
    loop {
        match characters.get(at) {
            Some('\\') => at += 2,
            Some('"') => return at + 1,
            Some(_) => at += 1,
            None => return characters.len(),
        }
    }
}

fn raw_string_end(characters: &[char], from: usize) -> Option<usize> {
    let hashes = characters.get(from + 1..)?.iter().take_while(|c| **c == '#').count();
    let open = from + 1 + hashes;
    if characters.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| {
        let after = characters.get(at + 1..at + 1 + hashes);
        characters.get(at) == Some(&'"') && after.is_some_and(|after| after.iter().all(|c| *c == '#'))
    };
    Some((open + 1..characters.len()).find(|at| closes(*at)).map_or(characters.len(), |at| at + 1 + hashes))
}

/// The end of a character literal; nothing for a lifetime.
fn character_end(characters: &[char], from: usize) -> Option<usize> {
    if next_is(characters, from, '\\') {
        let rest = characters.get(from + 3..)?;
        return rest.iter().take(12).position(|c| *c == '\'').map(|length| from + 3 + length + 1);
    }
    (characters.get(from + 2) == Some(&'\'')).then_some(from + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        let squeezed: Vec<_> = only(source).split_whitespace().map(str::to_owned).collect();
        assert_eq!(squeezed.join(" "), expected, "{source}");
        assert_eq!(only(source).lines().count(), source.lines().count(), "{source}");
    }

    #[test]
    fn prose_goes_and_code_stays() {
        check("a // b\nc", "a c");
        check("a /* b /* c */ d */ e", "a e");
        check(r#"f("b \" c", x)"#, "f( , x)");
        check("f(r#\"b \" c\"#, x)", "f( , x)");
        check("f(br\"b\", x)", "f(b , x)");
        check("let c = '\"'; d", "let c = ; d");
        check("let c = '\\''; d", "let c = ; d");
        check("let c = '\\u{1F600}'; d", "let c = ; d");
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("for r in x {}", "for r in x {}");
        check("\"open\nend", "");
    }

    #[test]
    fn words_stand_alone() {
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("forbid(unsafe_code)", "unsafe"));
        assert!(has_word("x = format!()", "format!"));
        assert!(!has_word("my_format!()", "format!"));
    }
}

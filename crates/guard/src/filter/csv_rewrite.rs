//! CSV (RFC 4180), read by `csv` and written anew: commas, quotes only where they must be, line feeds.

use crate::Kind;
use crate::filter::only;
use crate::filter::text_rewrite::{clean, decode};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use csv::{ByteRecord, ReaderBuilder, Terminator, WriterBuilder};

pub(crate) fn run(_: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let text = decode(content)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_quotes(text)?;
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(false).from_reader(text.as_bytes());
    let mut writer = WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
    let unwritable = |_| Refusal::new(Kind::Malformed, "it cannot be written anew");
    let mut record = ByteRecord::new();
    loop {
        let line = reader.position().line();
        let more = reader.read_byte_record(&mut record).map_err(|error| {
            let what = match error.kind() {
                csv::ErrorKind::UnequalLengths { .. } => "rows of different length",
                _ => "it is not CSV",
            };
            Refusal::new(Kind::Malformed, what).at(format!("line {line}"))
        })?;
        if !more {
            break;
        }
        let mut row = Vec::with_capacity(record.len());
        for cell in &record {
            let cell = decode(cell).and_then(clean).map_err(|refusal| refusal.at(format!("line {line}")))?;
            if is_formula(&cell) {
                return Err(
                    Refusal::new(Kind::Formula, "a cell that a spreadsheet would compute").at(format!("line {line}"))
                );
            }
            row.push(cell.into_owned());
        }
        writer.write_record(&row).map_err(|error| unwritable(error.into()))?;
    }
    let anew = writer.into_inner().map_err(|error| unwritable(error.into_error()))?;
    let is_same = anew == content;
    let done = Done::content(anew);
    Ok(if is_same { done } else { done.note("the table was written anew") })
}

/// Quotes stand around a whole cell, and doubled within one (RFC 4180, section 2). The library reads more than that, and
/// other readers read it otherwise.
fn check_quotes(text: &str) -> Result<(), Refusal> {
    let refuse = |what: &str, line: usize| Err(Refusal::new(Kind::Malformed, what).at(format!("line {line}")));
    let (mut bytes, mut line) = (text.bytes().peekable(), 1_usize);
    let (mut is_quoted, mut at_start) = (false, true);
    while let Some(byte) = bytes.next() {
        line += usize::from(byte == b'\n');
        match byte {
            b'"' if is_quoted && bytes.peek() == Some(&b'"') => drop(bytes.next()),
            b'"' if is_quoted => {
                is_quoted = false;
                if !matches!(bytes.peek(), None | Some(b',' | b'\r' | b'\n')) {
                    return refuse("text after a closing quote", line);
                }
            }
            b'"' if at_start => is_quoted = true,
            b'"' => return refuse("a quote within a cell that does not begin with one", line),
            _ => {}
        }
        at_start = !is_quoted && matches!(byte, b',' | b'\r' | b'\n');
    }
    if is_quoted { refuse("a quote that is not closed", line) } else { Ok(()) }
}

/// Whether a spreadsheet would compute a cell, or a part of it where it splits at another character than we do.
fn is_formula(cell: &str) -> bool {
    cell.split([';', '\t', '|', '\n']).any(|part| {
        // Wide forms count as the narrow ones in some programs.
        let part = part.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | '"'));
        let mut characters = part.chars();
        match characters.next() {
            Some('=' | '@' | '＝' | '＠') => true,
            Some('+' | '-' | '＋' | '－' | '−') => !is_plain_number(characters.as_str()),
            _ => false,
        }
    })
}

/// What may follow a sign: digits as people write amounts and telephone numbers.
fn is_plain_number(text: &str) -> bool {
    let body = text.trim_end().trim_end_matches('%');
    let has_plain_exponent = body.split_once(['e', 'E']).is_some_and(|(_, exponent)| exponent.parse::<i16>().is_ok());
    let mantissa = if has_plain_exponent { body.split(['e', 'E']).next().unwrap_or_default() } else { body };
    mantissa.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_no_formulas_and_everything_else_after_a_sign_is() {
        for cell in ["-5", "+3.2", "-1,000.50", "+44 20 7946", "-1.5e-7", "-", "5-3", "a=b", "", "-12%"] {
            assert!(!is_formula(cell), "{cell}");
        }
        for cell in ["=1+1", " =1", "@SUM(A1)", "+1+1", "-2-3+cmd|' /C calc'!A0", "＝1", "x;=1", "\"=1", "-A1"] {
            assert!(is_formula(cell), "{cell}");
        }
    }
}

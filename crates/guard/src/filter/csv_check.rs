//! The other reader of CSV, `simd-csv`: it reads both tables and wants the same cells in both.

use crate::Kind;
use crate::filter::text_check::{inspect, normal};
use crate::filter::{differs, pair};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use simd_csv::{ByteRecord, Reader, ReaderBuilder};

pub(crate) fn run(_: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let (before, after) = pair(contents)?;
    let before = before.strip_prefix("\u{feff}".as_bytes()).unwrap_or(before);
    check_quotes(after)?;
    let (mut one, mut other) = (reader(before), reader(after));
    let (mut first, mut second) = (ByteRecord::new(), ByteRecord::new());
    loop {
        let more = (read(&mut one, &mut first)?, read(&mut other, &mut second)?);
        match more {
            (false, false) => return Ok(Done::default()),
            (true, true) if first.len() == second.len() => {}
            _ => return Err(differs("the rows before and after")),
        }
        for (cell, anew) in first.iter().zip(second.iter()) {
            let (cell, anew) = (text(cell)?, text(anew)?);
            if normal(cell) != anew {
                return Err(differs("a cell before and after"));
            }
            inspect(anew)?;
            if may_compute(anew) {
                return Err(Refusal::new(Kind::Formula, "a cell that a spreadsheet would compute"));
            }
        }
    }
}

fn reader(content: &[u8]) -> Reader<&[u8]> {
    ReaderBuilder::new().has_headers(false).flexible(false).from_reader(content)
}

fn read(reader: &mut Reader<&[u8]>, record: &mut ByteRecord) -> Result<bool, Refusal> {
    let read = reader.read_byte_record(record);
    read.map_err(|_| Refusal::new(Kind::Ambiguous, "the second reader does not take it for CSV"))
}

fn text(cell: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(cell).map_err(|_| Refusal::new(Kind::Encoding, "a cell is not UTF-8"))
}

/// What was written anew has quotes around whole cells alone, each within one twice: other readers would find other cells.
fn check_quotes(table: &[u8]) -> Result<(), Refusal> {
    let odd = || Refusal::new(Kind::Ambiguous, "quotes that not every reader understands alike");
    let mut rest = table;
    while !rest.is_empty() {
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b',' | b'\n')).unwrap_or(rest.len());
        let mut behind = rest.get(plain..).unwrap_or_default();
        if let Some(mut quoted) = behind.strip_prefix(b"\"") {
            if plain > 0 {
                return Err(odd());
            }
            // To the quote that has none beside it.
            loop {
                let end = quoted.iter().position(|byte| *byte == b'"').ok_or_else(odd)?;
                quoted = quoted.get(end + 1..).unwrap_or_default();
                match quoted.strip_prefix(b"\"") {
                    Some(more) => quoted = more,
                    None => break,
                }
            }
            behind = quoted;
        }
        rest = match behind {
            [] => behind,
            [b',' | b'\n', next @ ..] => next,
            _ => return Err(odd()),
        };
    }
    Ok(())
}

/// Whether a cell begins like a formula and holds a letter, a bracket or a bar, or a part of it does where others split it.
fn may_compute(cell: &str) -> bool {
    cell.split([';', '\t', '|', '\n', '\r']).any(|part| {
        let rest = part.trim_start_matches([' ', '\'', '"', '\u{a0}', '\u{3000}']);
        let begins = rest.starts_with(['=', '@', '\u{ff1d}', '\u{ff20}']);
        let is_signed = rest.starts_with(['+', '-', '\u{ff0b}', '\u{ff0d}', '\u{2212}']);
        begins || is_signed && rest.contains(|c: char| c.is_alphabetic() && !matches!(c, 'e' | 'E') || "(!".contains(c))
    })
}

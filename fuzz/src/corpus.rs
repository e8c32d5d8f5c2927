//! A corpus in one file: inputs are small, and thousands of files would be in everybody's way.

use crate::{TARGETS, Target, sure};
use aws_lc_rs::digest::{SHA256, digest};
use std::fmt::Write;
use std::path::Path;

/// Packs inputs, sorted, each once.
#[must_use]
pub fn pack(mut inputs: Vec<Vec<u8>>) -> Vec<u8> {
    inputs.sort();
    inputs.dedup();
    sure(postcard::to_stdvec(&inputs))
}

/// The inputs of a packed corpus; nothing if it is none.
#[must_use]
pub fn unpack(packed: &[u8]) -> Option<Vec<Vec<u8>>> {
    postcard::from_bytes(packed).ok()
}

/// The fuzzer's chores beside fuzzing, for `cargo xtask fuzz`: `list` prints the targets with their longest input;
/// `unpack` puts seeds and packed corpus into a folder, and a dictionary beside it; `pack` packs a folder.
///
/// # Panics
/// When it cannot.
pub fn chore(name: &str, target: Option<Target>, folder: &Path, packed: &Path) {
    match (name, target) {
        ("list", _) => TARGETS.iter().for_each(|target| println!("{} {}", target.name, target.len_max)),
        ("unpack", Some(target)) => {
            let mut inputs = (target.seeds)();
            // A target that is new has none yet.
            inputs.extend(std::fs::read(packed).ok().and_then(|packed| unpack(&packed)).unwrap_or_default());
            sure(std::fs::create_dir_all(folder));
            for input in inputs {
                let name = hex::encode(digest(&SHA256, &input).as_ref());
                sure(std::fs::write(folder.join(name), input));
            }
            sure(std::fs::write(folder.with_extension("dict"), dictionary(target.words)));
        }
        ("pack", _) => {
            let files = sure(std::fs::read_dir(folder));
            let inputs = files.map(|file| sure(std::fs::read(sure(file).path()))).collect();
            sure(std::fs::write(packed, pack(inputs)));
        }
        _ => unreachable!("there is no chore `{name}`"),
    }
}

/// libFuzzer's form: a quoted word a line, with everything unusual as `\xAB`.
fn dictionary(words: &[&str]) -> String {
    let mut text = String::new();
    for word in words {
        text.push('"');
        for byte in word.bytes() {
            match byte {
                b'"' | b'\\' => write!(text, "\\{}", char::from(byte)),
                b' '..=b'~' => write!(text, "{}", char::from(byte)),
                _ => write!(text, "\\x{byte:02X}"),
            }
            .unwrap_or_default();
        }
        text.push_str("\"\n");
    }
    text
}

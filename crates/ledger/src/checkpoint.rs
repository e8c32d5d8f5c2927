//! Checkpoints (C2SP tlog-checkpoint): a log's name, its size, and the root over all its entries.

use crate::note::NoteError;
use crate::tree::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// What a signed checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads a note's text. Extension lines are read past: nobody here writes any.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("its text is no checkpoint: a name, a size, a root in base64");
        let mut lines = text.strip_suffix('\n').ok_or(malformed.clone())?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(malformed);
        };
        let number = size.parse().ok().filter(|number: &u64| number.to_string() == size);
        let hash = STANDARD.decode(root).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        match (number, hash) {
            (Some(size), Some(root)) if !origin.is_empty() && lines.all(|line| !line.is_empty()) => {
                Ok(Self { origin: origin.to_owned(), size, root })
            }
            _ => Err(malformed),
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root))
    }
}

/// The name of a partition's log: `fastness/REGION/LABEL`, with everything but letters, digits, `-`, `.` and `_` in the
/// label's marking percent-encoded.
#[must_use]
pub fn origin(region: &str, marking: &str) -> String {
    let mut name = format!("fastness/{region}/");
    for byte in marking.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

/// The name under which a region publishes its keys: every log of it is called `NAME/…`.
#[must_use]
pub fn region_keys_name(region: &str) -> String {
    format!("fastness/{region}")
}

/// The name of the region's log of checkpoints. No label is called so: markings are in capitals.
#[must_use]
pub fn region_origin(region: &str) -> String {
    origin(region, "region")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_the_one_that_tlog_tiles_reads() {
        let origin = origin("us-isob-east-1", "SECRET//REL TO USA, GBR");
        assert_eq!(origin, "fastness/us-isob-east-1/SECRET%2F%2FREL%20TO%20USA%2C%20GBR");
        assert!(crate::note::is_key_name(&origin));
        let checkpoint = Checkpoint { origin, size: 20_852_163, root: [5; 32] };
        let text = checkpoint.to_string();
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
        assert_eq!(
            (theirs.origin(), theirs.size(), theirs.hash().0),
            (checkpoint.origin.as_str(), 20_852_163, [5; 32])
        );
        assert_eq!(theirs.to_bytes(), text.as_bytes());
        assert_eq!(Checkpoint::parse(&text), Ok(checkpoint.clone()));
        assert_eq!(Checkpoint::parse(&format!("{text}more\n")), Ok(checkpoint));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let root = STANDARD.encode([5; 32]);
        for text in [
            String::new(),
            format!("a\n1\n{root}"),
            format!("\n1\n{root}\n"),
            format!("a\n01\n{root}\n"),
            format!("a\n+1\n{root}\n"),
            format!("a\n-1\n{root}\n"),
            format!("a\n18446744073709551616\n{root}\n"),
            format!("a\n1\n{}\n", STANDARD.encode([5; 31])),
            format!("a\n1\n{root}\n\nmore\n"),
            "a\n1\n".to_owned(),
        ] {
            assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
        }
    }
}

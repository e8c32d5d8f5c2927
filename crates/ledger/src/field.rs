//! What a ledger's tree commits to: the fields of an entry, each under a salt of its own.
//!
//! An entry of the tree is 32 bytes: the hash over the commitments of all fields. Whoever is shown some fields with their
//! salts, and the bare commitments of the others, can compute it; nobody can guess a field from its commitment, because
//! its salt stays with it. Contents can go while the tree stays.

use crate::tree::{Hash, sha256};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::fmt;
use std::io::Write;

/// Bytes of a salt.
pub const SALT_LEN: usize = 16;

/// One field's salt.
pub type Salt = [u8; SALT_LEN];

/// The names of an entry's fields, in the order in which they are committed to.
pub const FIELDS: [&str; 14] = [
    "time",
    "request",
    "service",
    "operation",
    "principal",
    "account",
    "key",
    "label",
    "nationality",
    "duty",
    "agent",
    "resources",
    "outcome",
    "source",
];

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// Several.
    List(Vec<String>),
}

impl Value {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Text(text) => write_text(text, to),
            Self::List(texts) => write_list(texts, to),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::List(texts) => f.write_str(&texts.join(", ")),
        }
    }
}

/// A text as it is committed to: `00`, its bytes.
pub(crate) fn write_text(text: &str, to: &mut Vec<u8>) {
    to.push(0);
    to.extend_from_slice(text.as_bytes());
}

/// A number as it is committed to: the text of its decimal digits.
pub(crate) fn write_number(number: i64, to: &mut Vec<u8>) {
    to.push(0);
    // Writing to memory does not fail.
    let _written = write!(to, "{number}");
}

/// A list as it is committed to: `01`, then each text with its length (4 bytes, big-endian) before it.
pub(crate) fn write_list(texts: &[impl AsRef<str>], to: &mut Vec<u8>) {
    to.push(1);
    for text in texts {
        let text = text.as_ref();
        to.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        to.extend_from_slice(text.as_bytes());
    }
}

/// Bytes from so many pairs of hexadecimal digits, small letters alone: there is one way to write each.
pub(crate) fn from_hexadecimal<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != LEN || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; LEN];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// The salt of each field: 16 bytes each of ChaCha20's stream (RFC 8439, section 2.4; the counter begins at 0, the nonce
/// is zero) under the key `entry's salt ‖ "fastness salts 2"`. A key is used for one entry alone.
#[must_use]
pub fn salts(of_entry: &Salt) -> [Salt; FIELDS.len()] {
    let mut key = [0; 2 * SALT_LEN];
    key.copy_from_slice([*of_entry, *b"fastness salts 2"].as_flattened());
    let mut salts = [[0; SALT_LEN]; FIELDS.len()];
    ChaCha20Rng::from_seed(key).fill_bytes(salts.as_flattened_mut());
    salts
}

/// Commits to one field after the other.
pub(crate) struct Committing {
    all: Vec<u8>,
    buffer: Vec<u8>,
    number: u8,
}

impl Committing {
    pub(crate) fn new() -> Self {
        let mut all = Vec::with_capacity(HEAD.len() + 32 * FIELDS.len());
        all.extend_from_slice(HEAD);
        Self { all, buffer: Vec::with_capacity(256), number: 0 }
    }

    /// The next field, written by `write`.
    pub(crate) fn field(&mut self, salt: &Salt, write: impl FnOnce(&mut Vec<u8>)) {
        self.buffer.clear();
        self.buffer.extend_from_slice(salt);
        self.buffer.push(self.number);
        write(&mut self.buffer);
        self.all.extend_from_slice(&sha256(&self.buffer));
        self.number += 1;
    }

    pub(crate) fn finish(self) -> Hash {
        sha256(&self.all)
    }
}

/// What the hash over all commitments begins with.
const HEAD: &[u8] = b"fastness entry 2\n";

/// A field's commitment: `SHA-256(salt ‖ number ‖ value)`.
#[must_use]
pub fn commitment(number: u8, salt: &Salt, value: &Value) -> Hash {
    let mut bytes = [salt.as_slice(), &[number]].concat();
    value.write(&mut bytes);
    sha256(&bytes)
}

/// An entry of the tree: `SHA-256("fastness entry 2\n" ‖ commitments)`.
#[must_use]
pub fn entry_of(commitments: &[Hash]) -> Hash {
    sha256(&[HEAD, commitments.as_flattened()].concat())
}

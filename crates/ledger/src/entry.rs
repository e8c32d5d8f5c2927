//! What an entry holds.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done; for a write, what it made (a version's id, an upload's, a key's).
    Done(Option<String>),
    /// It was refused: the reason's kind, AWS's code.
    Refused(String, String),
    /// Several things were asked at once: one outcome each, in the order of the resources.
    Each(Vec<Self>),
}

/// One request in the ledger. Fields are CloudTrail's in substance; labels and duties are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// The id that the answer carried.
    pub request: [u8; 8],
    /// The service (`s3`, `iam`, …).
    pub service: String,
    /// The operation; empty when none was recognized.
    pub operation: String,
    /// Who: the ARN's tail (`user/…`), `operator`, or what an unproven credential claimed.
    pub principal: String,
    /// The principal's account, 12 digits; empty if none.
    pub account: String,
    /// The key that signed, or was claimed.
    pub key: String,
    /// The session's label.
    pub label: String,
    /// The nationality, if the principal has one.
    pub nationality: String,
    /// The resources, as `read bucket/key` or `write bucket/key`, with `?versionId=…` where one was named.
    pub resources: Vec<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Where from.
    pub source: String,
}

/// An entry that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Written by a newer program, or damaged.
    #[error("the entry has format {0}, this program reads format 1")]
    Format(u8),
    /// Its bytes do not make an entry.
    #[error("the entry is malformed")]
    Malformed,
}

const FORMAT: u8 = 1;

/// Bytes of the commitment before an entry's content.
const COMMITMENT_LEN: usize = 32;

/// Most entries are shorter.
const ENTRY_LEN_USUAL: usize = 320;

impl Entry {
    /// The entry's bytes: a commitment (SHA-256 of what follows), then the content: a format byte, then postcard.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(&self.outcome)
    }

    /// The bytes of this entry with another outcome in the place of its own.
    #[must_use]
    pub fn encode_with(&self, outcome: &Outcome) -> Vec<u8> {
        let Self { time_ms, request, service, operation, principal, account, key, label, nationality, .. } = self;
        // Postcard writes a tuple, and a tuple within, as it writes a struct of the same fields.
        let fields = (
            (time_ms, request, service, operation, principal, account, key, label, nationality),
            (&self.resources, outcome, &self.source),
        );
        let mut bytes = Vec::with_capacity(COMMITMENT_LEN + ENTRY_LEN_USUAL);
        bytes.extend_from_slice(&[0; COMMITMENT_LEN]);
        bytes.push(FORMAT);
        // An entry is plain data without maps or floats: writing it to memory does not fail.
        let mut bytes = postcard::to_extend(&fields, bytes).unwrap_or_else(|_| [0; COMMITMENT_LEN + 1].to_vec());
        if let Some((commitment, content)) = bytes.split_at_mut_checked(COMMITMENT_LEN) {
            commitment.copy_from_slice(digest(&SHA256, content).as_ref());
        }
        bytes
    }

    /// Reads an entry's bytes, the commitment before them.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        Self::decode_content(bytes.get(COMMITMENT_LEN..).ok_or(EntryError::Malformed)?)
    }

    /// Reads an entry's content, without its commitment. Entries of the chain of earlier programs are nothing else.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode_content(bytes: &[u8]) -> Result<Self, EntryError> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(|_| EntryError::Malformed),
            Some((format, _)) => Err(EntryError::Format(*format)),
            None => Err(EntryError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_damage_does_not() {
        let entry = Entry {
            time_ms: 1,
            request: [7; 8],
            service: "s3".into(),
            operation: "PutObject".into(),
            principal: "user/ann".into(),
            account: "123456789012".into(),
            key: "AKIAEXAMPLEEXAMPLE12".into(),
            label: "SECRET".into(),
            nationality: "USA".into(),
            resources: vec!["write b/k".into()],
            outcome: Outcome::Each(vec![Outcome::Done(None), Outcome::Refused("request".into(), "NoSuchKey".into())]),
            source: "127.0.0.1".into(),
        };
        let bytes = entry.encode();
        assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        assert_eq!(bytes.get(33..).unwrap(), postcard::to_stdvec(&entry).unwrap(), "as a struct");
        let done = Entry { outcome: Outcome::Done(None), ..entry.clone() };
        assert_eq!(entry.encode_with(&Outcome::Done(None)), done.encode());
        assert_eq!(Entry::decode(&[]), Err(EntryError::Malformed));
        assert_eq!(Entry::decode_content(&[9, 9]), Err(EntryError::Format(9)));
        assert_eq!(Entry::decode_content(bytes.get(32..).unwrap()).unwrap(), entry);
        assert_eq!(Entry::decode(bytes.get(..bytes.len() - 1).unwrap()), Err(EntryError::Malformed));
    }
}

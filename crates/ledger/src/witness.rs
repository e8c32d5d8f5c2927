//! Witnesses (C2SP tlog-witness, tlog-cosignature): whoever remembers the last checkpoint of a log that they saw, and
//! cosigns another one only if it extends that. The log's own keeper cannot put the log back, or show two people two
//! logs, without a witness who is asked afterwards knowing better.
//!
//! What a witness of a log holds is one checkpoint. What it is sent is a [`Bundle`], whose form is the body of the request
//! `add-checkpoint`; docs/formats/witness.md has it, and how bundles go from region to region.

use crate::checkpoint::Checkpoint;
use crate::log::{Log, LogError};
use crate::note::{KeyKind, NOTE_LEN_MAX, Note, NoteError, VerifierKey, cosignature};
use crate::tree::{Hash, check_consistency, root};
use crate::verify::Finding;
use aws_lc_rs::rand;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastness_vault::RootKey;
use std::fmt;

/// Most hashes in a bundle's proof (tlog-witness, `add-checkpoint`).
pub const PROOF_LEN_MAX: usize = 63;

/// Longest bundle that is read: the line of the old size, the proof's lines, an empty one, and a note.
pub const BUNDLE_LEN_MAX: usize = 32 + PROOF_LEN_MAX * 45 + NOTE_LEN_MAX;

/// Most lines that a file of keys may have.
const KEY_LINES_MAX: usize = 64;

/// Before a witness's secret key in its file, as before a log's in the programs of the Go project.
const SECRET: &str = "PRIVATE+KEY+";

/// The type of a witness's key (tlog-cosignature).
const COSIGNATURE_TYPE: u8 = 4;

/// Why a checkpoint is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// The bytes are no bundle.
    #[error("malformed: this is no bundle: {0}")]
    Form(&'static str),
    /// What should be a signed checkpoint is none.
    #[error("malformed: {0}")]
    Malformed(NoteError),
    /// It is not about the log that the keys are of.
    #[error("another log's: the checkpoint is of `{found}`, and `{expected}` is what is witnessed here")]
    AnotherLog {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// One of the log's keys did not sign it.
    #[error("forged: {0}; every key of the log has to sign")]
    Unsigned(NoteError),
    /// It is over fewer entries than were cosigned.
    #[error(
        "rewound: the checkpoint is over {size} entries, and one over {known} was cosigned: the log was put back, or an old checkpoint was sent again"
    )]
    Rewound {
        /// Entries that were cosigned.
        known: u64,
        /// Entries that it is over.
        size: u64,
    },
    /// It has another root over entries that were cosigned.
    #[error(
        "forked: the checkpoint over {size} entries does not extend the one over {known} that was cosigned: the log was changed before entry {known}, or the proof is not this checkpoint's"
    )]
    Forked {
        /// Entries that were cosigned.
        known: u64,
        /// Entries that it is over.
        size: u64,
    },
    /// Nothing leads from what was cosigned to it.
    #[error(
        "gap: the bundle leads from {old} entries to {size}, and {known} were cosigned: bundles between are missing, or the log was put back and went on differently"
    )]
    Gap {
        /// Entries that were cosigned.
        known: u64,
        /// Where the bundle begins.
        old: u64,
        /// Entries that it is over.
        size: u64,
    },
}

impl WitnessError {
    /// Its first word, by which alarms are told apart.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Form(_) | Self::Malformed(_) => "malformed",
            Self::AnotherLog { .. } => "another log's",
            Self::Unsigned(_) => "forged",
            Self::Rewound { .. } => "rewound",
            Self::Forked { .. } => "forked",
            Self::Gap { .. } => "gap",
        }
    }
}

/// Checks the next checkpoint of a log by the rules of a witness who saw `last`, and gives what to remember. The keys are
/// those of the log, under its name; every one of them must have signed. The proof goes from the last size, and is empty
/// for the first checkpoint.
///
/// # Errors
/// [`WitnessError`]; then `last` stays what is remembered.
pub fn add_checkpoint(
    last: Option<&Checkpoint>,
    note: &Note,
    log_keys: &[VerifierKey],
    proof: &[Hash],
) -> Result<Checkpoint, WitnessError> {
    let checkpoint = signed_checkpoint(note, log_keys)?;
    let Some(last) = last else {
        return match proof {
            [] => Ok(checkpoint),
            _ => Err(WitnessError::Form("a first checkpoint has no proof")),
        };
    };
    let (known, size) = (last.size, checkpoint.size);
    if size < known {
        return Err(WitnessError::Rewound { known, size });
    }
    if check_consistency(known, size, &last.root, &checkpoint.root, proof).is_err() {
        return Err(WitnessError::Forked { known, size });
    }
    Ok(checkpoint)
}

/// The checkpoint in a note that all keys of a log signed.
fn signed_checkpoint(note: &Note, log_keys: &[VerifierKey]) -> Result<Checkpoint, WitnessError> {
    let checkpoint = Checkpoint::parse(&note.text).map_err(WitnessError::Malformed)?;
    let expected = log_keys.first().map(VerifierKey::name).unwrap_or_default();
    if checkpoint.origin != expected {
        return Err(WitnessError::AnotherLog { found: checkpoint.origin, expected: expected.to_owned() });
    }
    let signed = note.verify(log_keys).map_err(WitnessError::Unsigned)?;
    if log_keys.iter().any(|key| !signed.contains(&key)) {
        return Err(WitnessError::Unsigned(NoteError::Unsigned));
    }
    Ok(checkpoint)
}

/// What a witness is sent: a signed checkpoint, and the proof that it extends the tree of `old` entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Entries of the older tree.
    pub old: u64,
    /// The proof that the checkpoint's tree extends it.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: Note,
}

impl Bundle {
    /// Reads the body of an `add-checkpoint` request.
    ///
    /// # Errors
    /// [`WitnessError::Form`], [`WitnessError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WitnessError> {
        let malformed = WitnessError::Form;
        if bytes.len() > BUNDLE_LEN_MAX {
            return Err(malformed("it is too long"));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, note) = whole.split_once("\n\n").ok_or(malformed("no empty line ends the proof"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(|old| {
            let number: u64 = old.parse().ok()?;
            (number.to_string() == old).then_some(number)
        });
        let old = old.ok_or(malformed("its first line is not `old` and a size"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PROOF_LEN_MAX {
                return Err(malformed("its proof is too long"));
            }
            let hash = STANDARD.decode(line).ok().and_then(|bytes| Hash::try_from(bytes).ok());
            proof.push(hash.ok_or(malformed("a line of its proof is no hash in base64"))?);
        }
        let note = Note::parse(note.as_bytes()).map_err(WitnessError::Malformed)?;
        Ok(Self { old, proof, note })
    }

    /// Checks the bundle by the rules of a witness who saw `last`. A witness who saw nothing yet has nothing that the proof
    /// could begin at: the signatures are all that it can check.
    ///
    /// # Errors
    /// As [`add_checkpoint`]; [`WitnessError::Gap`] when the proof begins elsewhere than at `last`.
    pub fn check(&self, last: Option<&Checkpoint>, log_keys: &[VerifierKey]) -> Result<Checkpoint, WitnessError> {
        let checkpoint = signed_checkpoint(&self.note, log_keys)?;
        let size = checkpoint.size;
        if self.old > size {
            return Err(WitnessError::Form("the old size is above the checkpoint's"));
        }
        match last {
            None => add_checkpoint(None, &self.note, log_keys, &[]),
            // Whatever the proof is about: the roots are at hand.
            Some(last) if last.size == size => add_checkpoint(Some(last), &self.note, log_keys, &[]),
            Some(last) if last.size < size && last.size != self.old => {
                Err(WitnessError::Gap { known: last.size, old: self.old, size })
            }
            Some(last) => add_checkpoint(Some(last), &self.note, log_keys, &self.proof),
        }
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.note)
    }
}

/// A witness's key: Ed25519, of type 0x04. It is another one than a log's, also where a region is both.
pub struct WitnessKey {
    name: String,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WitnessKey").field("name", &self.name).finish_non_exhaustive()
    }
}

impl WitnessKey {
    /// The key of a secret seed (RFC 8032, section 5.1.5), under a name.
    ///
    /// # Errors
    /// [`NoteError::Key`] when the name cannot be one, [`NoteError::Signing`] when the library takes the seed not.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Signing)?;
        VerifierKey::new(name, KeyKind::Cosignature, pair.public_key().as_ref())?;
        Ok(Self { name: name.to_owned(), pair })
    }

    /// The text of a new key, for a file that its owner alone may read. It is a secret.
    ///
    /// # Errors
    /// As [`WitnessKey::from_seed`].
    pub fn generate(name: &str) -> Result<String, NoteError> {
        let mut seed = [0; 32];
        rand::fill(&mut seed)?;
        let id = Self::from_seed(name, &seed)?.verifier()?.id();
        let key = STANDARD.encode([[COSIGNATURE_TYPE].as_slice(), &seed].concat());
        Ok(format!("{SECRET}{name}+{id:08x}+{key}\n"))
    }

    /// Reads what [`WitnessKey::generate`] wrote.
    ///
    /// # Errors
    /// [`NoteError::Key`], without a word of what was read.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let refused = || NoteError::Key("it is not `PRIVATE+KEY+name+id+key` of a witness");
        let mut parts = text.trim().strip_prefix(SECRET).ok_or_else(refused)?.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused());
        };
        let bytes = STANDARD.decode(key).map_err(|_| refused())?;
        let seed = match bytes.split_first() {
            Some((&COSIGNATURE_TYPE, seed)) => seed.try_into().map_err(|_| refused())?,
            _ => return Err(refused()),
        };
        let read = Self::from_seed(name, &seed)?;
        if format!("{:08x}", read.verifier()?.id()) == id { Ok(read) } else { Err(refused()) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    ///
    /// # Errors
    /// None: the name was checked when the key was made.
    pub fn verifier(&self) -> Result<VerifierKey, NoteError> {
        VerifierKey::new(&self.name, KeyKind::Cosignature, self.pair.public_key().as_ref())
    }
}

/// The key with which a region cosigns for the regions below it: from its root key, under the name
/// `fastness/REGION/witness`.
///
/// # Errors
/// [`NoteError`] when the library refuses to make it.
pub fn witness_key(root: &RootKey, region: &str) -> Result<WitnessKey, NoteError> {
    let seed = root.seed("witness Ed25519").map_err(|_| NoteError::Signing)?;
    WitnessKey::from_seed(&format!("fastness/{region}/witness"), &seed)
}

/// The note with a cosignature of a second since 1970, and one signature of each key of the log, and nothing else.
///
/// # Errors
/// [`NoteError::Malformed`] when the note would be none any more, another [`NoteError`] when the key cannot sign.
pub fn cosigned_note(
    note: &Note,
    log_keys: &[VerifierKey],
    witness: &WitnessKey,
    time: u64,
) -> Result<Note, NoteError> {
    let mut note = note.clone().of_known(log_keys);
    note.signatures.push(cosignature(&witness.pair, &witness.name, time, &note.text)?);
    // What is kept is read again: a note that nobody could read would be the witness's last.
    Note::parse(note.to_string().as_bytes())
}

/// What is wrong with a log, if a witness cosigned this checkpoint of it. Whose the cosignature is, is for the caller to
/// check.
///
/// # Errors
/// When the log cannot be read, or its own checkpoint is none.
pub fn check_witnessed(
    log: &Log<'_>,
    keys: &[VerifierKey],
    note: &Note,
    by: &str,
) -> Result<Option<Finding>, LogError> {
    let signed = log.checkpoint(keys)?.map_or(0, |(checkpoint, _)| checkpoint.size);
    let by = by.to_owned();
    let own: Vec<VerifierKey> = keys.iter().map(|key| key.renamed(&log.origin())).collect();
    let Ok(cosigned) = signed_checkpoint(note, &own) else { return Ok(Some(Finding::OtherKeys { by })) };
    if cosigned.size > signed {
        return Ok(Some(Finding::Rewound { by, cosigned: cosigned.size, signed }));
    }
    let same = root(log, cosigned.size)? == cosigned.root;
    Ok((!same).then_some(Finding::Forked { by, cosigned: cosigned.size }))
}

/// Writes public keys, one a line.
#[must_use]
pub fn write_keys(keys: &[VerifierKey]) -> String {
    keys.iter().map(|key| format!("{key}\n")).collect()
}

/// Reads public keys, one a line; empty lines and those that begin with `#` are passed over.
///
/// # Errors
/// [`NoteError::Key`].
pub fn read_keys(text: &str) -> Result<Vec<VerifierKey>, NoteError> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let keys = lines.take(KEY_LINES_MAX + 1).map(VerifierKey::parse).collect::<Result<Vec<_>, _>>()?;
    if keys.len() > KEY_LINES_MAX {
        return Err(NoteError::Key("there are too many in the file"));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;

//! Signed notes (C2SP signed-note): a text, and lines with signatures on it.
//!
//! Three kinds of keys sign: a log's Ed25519 key (type 0x01), a witness's timestamped Ed25519 key (type 0x04, C2SP
//! tlog-cosignature), and beside a log's Ed25519 key its ML-DSA-65 key (FIPS 204), to which C2SP assigns no type byte: as
//! the specification recommends, its type is 0xff and a name of its own.

use crate::tree::sha256;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair, ML_DSA_65, ML_DSA_65_SIGNING, PqdsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Longest note that is read: sixteen post-quantum signatures and their text.
pub const NOTE_LEN_MAX: usize = 128 << 10;

/// Most signatures that a note may carry.
pub const SIGNATURES_MAX: usize = 32;

/// The type of an ML-DSA-65 key in key ids and verifier keys, and the beginning of what it signs.
const ML_DSA_65_TYPE: &[u8] = b"\xfffastness ML-DSA-65 v1\n";

const ED25519_KEY_LEN: usize = 32;
const ML_DSA_65_KEY_LEN: usize = 1952;

/// What a key signs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// A log's Ed25519 key: signs the text.
    Ed25519,
    /// A witness's Ed25519 key: signs a time and the text.
    Cosignature,
    /// A log's ML-DSA-65 key: signs the type's name and the text.
    MlDsa65,
}

impl KeyKind {
    const fn type_bytes(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => b"\x01",
            Self::Cosignature => b"\x04",
            Self::MlDsa65 => ML_DSA_65_TYPE,
        }
    }

    const fn key_len(self) -> usize {
        match self {
            Self::Ed25519 | Self::Cosignature => ED25519_KEY_LEN,
            Self::MlDsa65 => ML_DSA_65_KEY_LEN,
        }
    }
}

/// A note, or a key, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Its bytes are not a signed note.
    #[error("this is no signed note: {0}")]
    Malformed(&'static str),
    /// A verifier key's text is not one.
    #[error("this is no verifier key: {0}")]
    Key(&'static str),
    /// A known key's signature does not fit the text.
    #[error("the signature of {0} does not fit the text")]
    Signature(String),
    /// No known key signed.
    #[error("no known key signed this note")]
    Unsigned,
    /// The library would not sign.
    #[error("the note could not be signed")]
    Signing,
}

impl From<Unspecified> for NoteError {
    fn from(_: Unspecified) -> Self {
        Self::Signing
    }
}

/// Whether a text may name a key: not empty, no spaces, no plus sign.
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|sign| sign.is_whitespace() || sign.is_control() || sign == '+')
}

fn key_id(name: &str, kind: KeyKind, key: &[u8]) -> u32 {
    let hash = sha256(&[name.as_bytes(), b"\n", kind.type_bytes(), key].concat());
    hash.first_chunk().map_or(0, |id| u32::from_be_bytes(*id))
}

/// A public key under a name (a "vkey").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    key: Vec<u8>,
}

impl VerifierKey {
    /// A key under a name.
    ///
    /// # Errors
    /// [`NoteError::Key`] when the name cannot be one, or the key has a wrong length.
    pub fn new(name: &str, kind: KeyKind, key: &[u8]) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::Key("its name is empty, or has a space or a plus sign in it"));
        }
        if key.len() != kind.key_len() {
            return Err(NoteError::Key("its length is not that of its type"));
        }
        Ok(Self { name: name.to_owned(), kind, key: key.to_vec() })
    }

    /// Reads `name+id+key`.
    ///
    /// # Errors
    /// [`NoteError::Key`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it has three parts with a plus sign between them"));
        };
        let bytes = STANDARD.decode(encoded).map_err(|_| NoteError::Key("its last part is not base64"))?;
        let kinds = [KeyKind::Ed25519, KeyKind::Cosignature, KeyKind::MlDsa65];
        let found = kinds.into_iter().find_map(|kind| Some((kind, bytes.strip_prefix(kind.type_bytes())?)));
        let Some((kind, key)) = found else { return Err(NoteError::Key("its type is not known")) };
        let read = Self::new(name, kind, key)?;
        if format!("{:08x}", read.id()) != id {
            return Err(NoteError::Key("its id is not that of its name and key"));
        }
        Ok(read)
    }

    /// Its name: the log's origin, or the witness's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Whether it is a log's, and not a witness's.
    #[must_use]
    pub const fn is_of_log(&self) -> bool {
        !matches!(self.kind, KeyKind::Cosignature)
    }

    /// The same key under another name: a region's keys sign all its logs, each under the log's own name.
    #[must_use]
    pub fn renamed(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    pub(crate) fn id(&self) -> u32 {
        key_id(&self.name, self.kind, &self.key)
    }

    fn fits(&self, text: &str, signature: &[u8]) -> bool {
        let check = |algorithm: &'static dyn VerificationAlgorithm, message: &[u8], signature: &[u8]| {
            UnparsedPublicKey::new(algorithm, &self.key).verify(message, signature).is_ok()
        };
        match self.kind {
            KeyKind::Ed25519 => check(&ED25519, text.as_bytes(), signature),
            KeyKind::Cosignature => signature
                .split_first_chunk()
                .is_some_and(|(time, rest)| check(&ED25519, &cosigned(u64::from_be_bytes(*time), text), rest)),
            KeyKind::MlDsa65 => check(&ML_DSA_65, &[ML_DSA_65_TYPE, text.as_bytes()].concat(), signature),
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.kind.type_bytes(), &self.key].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id(), STANDARD.encode(bytes))
    }
}

/// What a witness signs: that it saw this text at this second (C2SP tlog-cosignature, Ed25519 signed message).
fn cosigned(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// One line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    id: u32,
    bytes: Vec<u8>,
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("a line of signatures is not `— name base64`");
        let (name, encoded) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(malformed.clone())?;
        let bytes = STANDARD.decode(encoded).map_err(|_| malformed.clone())?;
        match bytes.split_first_chunk() {
            Some((id, rest)) if is_key_name(name) && !rest.is_empty() => {
                Ok(Self { name: name.to_owned(), id: u32::from_be_bytes(*id), bytes: rest.to_vec() })
            }
            _ => Err(malformed),
        }
    }

    /// The second at which a witness says that it signed, if this may be a witness's line.
    #[must_use]
    pub fn cosigned_at(&self) -> Option<u64> {
        self.bytes.first_chunk().map(|time| u64::from_be_bytes(*time)).filter(|_| self.bytes.len() == 8 + 64)
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "— {} {}", self.name, STANDARD.encode([&self.id.to_be_bytes(), self.bytes.as_slice()].concat()))
    }
}

/// A text with signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is signed; it ends with a newline.
    pub text: String,
    /// Who signed, as they say.
    pub signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a signed note.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_LEN_MAX {
            return Err(NoteError::Malformed("it is too long"));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("it is not UTF-8"))?;
        if whole.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(NoteError::Malformed("it has control characters"));
        }
        let parts = whole.rsplit_once("\n\n").ok_or(NoteError::Malformed("no empty line ends its text"))?;
        let lines = parts.1.strip_suffix('\n').ok_or(NoteError::Malformed("its last line does not end"))?;
        let signatures = lines.split('\n').map(NoteSignature::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Malformed("it has too many signatures"));
        }
        Ok(Self { text: format!("{}\n", parts.0), signatures })
    }

    /// Checks the signatures of known keys; the others are passed over. Which known keys signed.
    ///
    /// # Errors
    /// [`NoteError::Signature`] when a known key's does not fit, [`NoteError::Unsigned`] when no known key signed.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signed = Vec::new();
        for signature in &self.signatures {
            let of = known.iter().find(|key| key.name == signature.name && key.id() == signature.id);
            let Some(key) = of else { continue };
            if !key.fits(&self.text, &signature.bytes) {
                return Err(NoteError::Signature(signature.name.clone()));
            }
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() { Err(NoteError::Unsigned) } else { Ok(signed) }
    }
}

impl Note {
    /// The same with the first signature of each known key alone: who hands a note on may have repeated lines.
    #[must_use]
    pub fn of_known(mut self, known: &[VerifierKey]) -> Self {
        let mut seen = Vec::new();
        self.signatures.retain(|one| {
            let of = known.iter().find(|key| key.name == one.name && key.id() == one.id);
            let is_first = of.is_some_and(|key| !seen.contains(&key));
            seen.extend(of);
            is_first
        });
        self
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| write!(f, "{signature}"))
    }
}

/// The keys that sign a region's logs, or a witness's cosignatures.
pub struct SigningKeys {
    ed25519: Ed25519KeyPair,
    ml_dsa: PqdsaKeyPair,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// The keys of two secret seeds (RFC 8032, section 5.1.5; FIPS 204, algorithm 6).
    ///
    /// # Errors
    /// [`NoteError::Signing`] when the library takes them not.
    pub fn from_seeds(ed25519: &[u8; 32], ml_dsa: &[u8; 32]) -> Result<Self, NoteError> {
        let ed25519 = Ed25519KeyPair::from_seed_unchecked(ed25519).map_err(|_| NoteError::Signing)?;
        let ml_dsa = PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, ml_dsa).map_err(|_| NoteError::Signing)?;
        Ok(Self { ed25519, ml_dsa })
    }

    fn verifier(&self, name: &str, kind: KeyKind) -> VerifierKey {
        let key = match kind {
            KeyKind::Ed25519 | KeyKind::Cosignature => self.ed25519.public_key().as_ref().to_vec(),
            KeyKind::MlDsa65 => self.ml_dsa.public_key().as_ref().to_vec(),
        };
        VerifierKey { name: name.to_owned(), kind, key }
    }

    /// The two public keys with which the notes of a log are checked.
    #[must_use]
    pub fn of_log(&self, origin: &str) -> [VerifierKey; 2] {
        [KeyKind::Ed25519, KeyKind::MlDsa65].map(|kind| self.verifier(origin, kind))
    }

    /// The public key with which a witness's cosignatures are checked.
    #[must_use]
    pub fn of_witness(&self, name: &str) -> VerifierKey {
        self.verifier(name, KeyKind::Cosignature)
    }

    /// Signs a text with both keys.
    ///
    /// # Errors
    /// [`NoteError::Key`] when the name cannot be one, [`NoteError::Signing`].
    pub fn sign(&self, name: &str, text: String) -> Result<Note, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::Key("its name is empty, or has a space or a plus sign in it"));
        }
        let line = |kind: KeyKind, bytes: Vec<u8>| {
            let id = self.verifier(name, kind).id();
            NoteSignature { name: name.to_owned(), id, bytes }
        };
        let classic = self.ed25519.sign(text.as_bytes()).as_ref().to_vec();
        let mut lasting = vec![0; ML_DSA_65_SIGNING.signature_len()];
        let length = self.ml_dsa.sign(&[ML_DSA_65_TYPE, text.as_bytes()].concat(), &mut lasting)?;
        lasting.truncate(length);
        let signatures = vec![line(KeyKind::Ed25519, classic), line(KeyKind::MlDsa65, lasting)];
        Ok(Note { text, signatures })
    }

    /// A witness's line for a text that it saw at a second since 1970.
    ///
    /// # Errors
    /// [`NoteError::Key`] when the name cannot be one.
    pub fn cosign(&self, name: &str, time: u64, text: &str) -> Result<NoteSignature, NoteError> {
        cosignature(&self.ed25519, name, time, text)
    }
}

/// The line that a key cosigns with.
pub(crate) fn cosignature(
    pair: &Ed25519KeyPair,
    name: &str,
    time: u64,
    text: &str,
) -> Result<NoteSignature, NoteError> {
    let id = VerifierKey::new(name, KeyKind::Cosignature, pair.public_key().as_ref())?.id();
    let bytes = [&time.to_be_bytes(), pair.sign(&cosigned(time, text)).as_ref()].concat();
    Ok(NoteSignature { name: name.to_owned(), id, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use signed_note::{StandardVerifier, Verifier, VerifierList};

    const TEXT: &str = "fastness/us-isob-east-1/SECRET\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    const ORIGIN: &str = "fastness/us-isob-east-1/SECRET";

    fn keys() -> SigningKeys {
        SigningKeys::from_seeds(&[7; 32], &[8; 32]).unwrap()
    }

    #[test]
    fn a_note_is_read_and_checked_by_signed_note() {
        let note = keys().sign(ORIGIN, TEXT.to_owned()).unwrap();
        let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
        assert_eq!(theirs.text(), TEXT.as_bytes());
        let [classic, lasting] = keys().of_log(ORIGIN);
        let verifier = StandardVerifier::new(&classic.to_string()).unwrap();
        assert_eq!((verifier.name(), verifier.key_id()), (ORIGIN, classic.id()));
        let (good, unknown) = theirs.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
        assert_eq!((good.len(), unknown.len()), (1, 1));
        assert_eq!(Note::parse(note.to_string().as_bytes()).unwrap(), note);
        let known = [classic, lasting];
        assert_eq!(note.verify(&known).unwrap().len(), 2);
        for key in &known {
            assert_eq!(VerifierKey::parse(&key.to_string()).as_ref(), Ok(key));
        }
    }

    #[test]
    fn their_notes_are_read_and_checked_by_us() {
        let (secret, public) = signed_note::generate_key(&mut rand_core::OsRng, "their/log");
        let signer = signed_note::StandardSigner::new(&secret).unwrap();
        let mut theirs = signed_note::Note::new(TEXT.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        let note = Note::parse(&theirs.to_bytes()).unwrap();
        let known = [VerifierKey::parse(&public).unwrap()];
        assert_eq!(note.verify(&known).unwrap(), known.iter().collect::<Vec<_>>());
    }

    #[test]
    fn whatever_is_changed_is_found() {
        let known = keys().of_log(ORIGIN);
        let note = keys().sign(ORIGIN, TEXT.to_owned()).unwrap();
        let changed = Note { text: TEXT.replace('3', "4"), ..note.clone() };
        assert_eq!(changed.verify(&known), Err(NoteError::Signature(ORIGIN.to_owned())));
        for at in 0..2 {
            let mut note = note.clone();
            note.signatures[at].bytes[20] ^= 1;
            assert_eq!(note.verify(&known), Err(NoteError::Signature(ORIGIN.to_owned())));
            note.signatures.remove(at);
            assert_eq!(note.verify(&known).unwrap(), [&known[1 - at]]);
        }
        let others = SigningKeys::from_seeds(&[9; 32], &[9; 32]).unwrap().of_log(ORIGIN);
        assert_eq!(note.verify(&others), Err(NoteError::Unsigned));
        let renamed = [known[0].renamed("fastness/us-isob-east-1/other")];
        assert_eq!(note.verify(&renamed), Err(NoteError::Unsigned));
    }

    #[test]
    fn a_witness_says_when() {
        let key = keys().of_witness("witness.example/w1");
        let mut note = keys().sign(ORIGIN, TEXT.to_owned()).unwrap();
        note.signatures.push(keys().cosign("witness.example/w1", 1_679_315_147, TEXT).unwrap());
        let note = Note::parse(note.to_string().as_bytes()).unwrap();
        let known = [VerifierKey::parse(&key.to_string()).unwrap()];
        assert_eq!(note.verify(&known).unwrap(), [&key]);
        assert_eq!(note.signatures[2].cosigned_at(), Some(1_679_315_147));
        let mut later = note.clone();
        later.signatures[2].bytes[7] ^= 1;
        assert_eq!(later.verify(&known), Err(NoteError::Signature("witness.example/w1".to_owned())));
    }

    #[test]
    fn what_is_no_note_or_key_is_refused() {
        let good = keys().sign(ORIGIN, TEXT.to_owned()).unwrap().to_string();
        let refused = |text: &str| matches!(Note::parse(text.as_bytes()), Err(NoteError::Malformed(_)));
        assert!(!refused(&good));
        assert!(refused("") && refused(TEXT) && refused(good.trim_end()) && refused(&good.replace('—', "-")));
        assert!(
            refused(&good.replace('3', "\t")) && refused(&format!("{good}\n")) && refused(&format!("{good}— a b\n"))
        );
        assert!(refused(&good.replace(ORIGIN, "with+plus")) && refused(&"x".repeat(NOTE_LEN_MAX + 1)));
        let many = format!("{TEXT}\n{}", "— a AAAAAAA=\n".repeat(SIGNATURES_MAX + 1));
        assert!(refused(&many) && !refused(&format!("{TEXT}\n{}", "— a AAAAAAA=\n".repeat(SIGNATURES_MAX))));
        assert!(Note::parse(&[0xff, b'\n', b'\n']).is_err());

        let [key, _] = keys().of_log(ORIGIN).map(|key| key.to_string());
        let bad = |text: &str| matches!(VerifierKey::parse(text), Err(NoteError::Key(_)));
        assert!(!bad(&key));
        assert!(bad("") && bad("a+b") && bad(&key.replace(ORIGIN, "other")) && bad(&key.replace("+A", "+B")));
        assert!(bad(&key[..key.len() - 4]) && bad(&format!("{key}!")));
        assert!(keys().sign("a b", TEXT.to_owned()).is_err() && keys().cosign("", 0, TEXT).is_err());
    }
}

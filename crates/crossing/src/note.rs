//! The signed note over a head: what makes a file a bundle.

use crate::head::{self, HEAD_LEN, Head};
use crate::rules::sha256;
use crate::{BUNDLE_LEN_MAX, BundleError, OwnKeys, Peer, keys_name};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastness_ledger::Note;
use fastness_operation::RegionName;
use std::io::{Read, Seek, SeekFrom, Write};
use std::num::NonZeroU64;

/// Bytes for the note, zeros after it.
pub(crate) const NOTE_LEN: usize = 8192;
/// The highest number of a bundle: ten digits, as its file is named.
pub const NUMBER_MAX: u64 = 9_999_999_999;

/// What was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The bundle's number.
    pub number: u64,
    /// SHA-256 of the note's text: two bundles under one number differ in it.
    pub note_sha256: [u8; 32],
    /// Bytes of the file.
    pub length: u64,
}

/// Gives a bundle that is written its number, and signs it. What was there of either is overwritten: a number that was
/// torn by a crash is given again. It is for the caller to sync the file, and to give no number twice.
///
/// # Errors
/// [`BundleError::Truncated`], [`BundleError::Oversized`], [`BundleError::Malformed`] when the file is no bundle that
/// was finished; [`BundleError::AnotherOrigin`] when it is another region's; [`BundleError::Misused`] for a number
/// beyond [`NUMBER_MAX`]; [`BundleError::Disk`], [`BundleError::Sealing`].
pub fn sign<F: Read + Write + Seek>(file: &mut F, number: NonZeroU64, own: &OwnKeys) -> Result<Signed, BundleError> {
    if number.get() > NUMBER_MAX {
        return Err(BundleError::Misused("there are no more numbers"));
    }
    let length = checked_len(file)?;
    let mut head = read_head(file, length)?;
    if head.origin != *own.region() {
        return Err(another_origin(&head.origin, own.region()));
    }
    head.number = number.get();
    let encoded = head.encode()?;
    let text = note_text(&head, &encoded);
    let note_sha256 = sha256(text.as_bytes());
    let note = own.signing().sign(&keys_name(own.region()), text).map_err(|_| BundleError::Sealing)?.to_string();
    let mut padded = vec![0; NOTE_LEN];
    padded.get_mut(..note.len()).ok_or(BundleError::Sealing)?.copy_from_slice(note.as_bytes());
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&encoded)?;
    file.write_all(&padded)?;
    file.flush()?;
    Ok(Signed { number: head.number, note_sha256, length })
}

/// The file's length, if a bundle may have it.
pub(crate) fn checked_len(file: &mut impl Seek) -> Result<u64, BundleError> {
    let length = file.seek(SeekFrom::End(0))?;
    let needed = crate::stream::LEN_MIN;
    if length < needed {
        return Err(BundleError::Truncated { length, needed });
    }
    bounded_len(length)
}

pub(crate) fn bounded_len(length: u64) -> Result<u64, BundleError> {
    if length > BUNDLE_LEN_MAX {
        return Err(BundleError::Oversized { what: "bytes", found: length, most: BUNDLE_LEN_MAX });
    }
    Ok(length)
}

/// Reads the head of a file of this length.
pub(crate) fn read_head(file: &mut (impl Read + Seek), length: u64) -> Result<Head, BundleError> {
    let mut bytes = [0; HEAD_LEN];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut bytes)?;
    let head = Head::decode(&bytes)?;
    if length < head.length {
        return Err(BundleError::Truncated { length, needed: head.length });
    }
    if length > head.length {
        return Err(BundleError::Oversized { what: "bytes", found: length, most: head.length });
    }
    Ok(head)
}

/// Reads the note of a head and checks it: both signatures of the peer, and over this head.
pub(crate) fn read_note(file: &mut (impl Read + Seek), head: &Head, peer: &Peer) -> Result<Signed, BundleError> {
    let mut bytes = [0; NOTE_LEN];
    file.seek(SeekFrom::Start(HEAD_LEN as u64))?;
    file.read_exact(&mut bytes)?;
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let (note, _zeros) = bytes.split_at(length);
    if note.is_empty() {
        return Err(BundleError::Forged("there is no signature"));
    }
    let read = Note::parse(note).map_err(|_| BundleError::Forged("what should sign it is no signed note"))?;
    // Both, once each and nothing else: so a note has one form, and nobody adds to it on the way.
    let signed = read.verify(peer.keys()).map_err(|_| BundleError::Forged("a signature is missing or wrong"))?;
    if signed.len() != peer.keys().len() || read.signatures.len() != peer.keys().len() {
        return Err(BundleError::Forged("it has not exactly the two signatures of its origin"));
    }
    if read.to_string().as_bytes() != note {
        return Err(BundleError::Forged("its note is not written as notes are"));
    }
    if read.text != note_text(head, &head.encode()?) {
        return Err(BundleError::Forged("what was signed is another bundle"));
    }
    if !(1..=NUMBER_MAX).contains(&head.number) {
        return Err(BundleError::Malformed("its number is none"));
    }
    Ok(Signed { number: head.number, note_sha256: sha256(read.text.as_bytes()), length: head.length })
}

/// What is signed (docs/formats/bundle.md, "The note").
fn note_text(head: &Head, encoded: &[u8; HEAD_LEN]) -> String {
    let (name, digest) = (keys_name(&head.origin), STANDARD.encode(head::digest(encoded)));
    let Head { destination, number, length, .. } = head;
    format!("{name}\nbundle 1\nto {destination}\nnumber {number}\nlength {length}\nhead {digest}\n")
}

pub(crate) fn another_origin(origin: &RegionName, expected: &RegionName) -> BundleError {
    BundleError::AnotherOrigin { origin: origin.to_string(), expected: expected.to_string() }
}

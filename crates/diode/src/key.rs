//! Who may speak on the line: whoever holds the link key. Each run of a sender draws a random number and derives a key of
//! its own from the two, under which its frames are counted; so no nonce is used twice, whatever a restart forgets.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::digest::BlockTagger;
use crate::frame::{self, Body, Frame, Refused};
use crate::geometry::Geometry;
use crate::window::{Seen, Window};
use crate::{BundleNumber, Seal};

/// Bytes of a link key.
const KEY_LEN: usize = 32;
/// Bytes of a tag (GMAC, NIST SP 800-38D).
pub(crate) const TAG_LEN: usize = 16;
/// Runs whose keys and windows are kept at once. A recording of more runs costs time and nothing else.
const RUNS_MAX: usize = 8;
const FRAMES: &[u8] = b"fastness diode frame v1";
const BLOCKS: &[u8] = b"fastness diode block v1";

/// Why there is no key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// The text is no key.
    #[error("a link key is written as 64 hexadecimal digits")]
    Text,
    /// The system gives no random bytes, or the library refuses.
    #[error("the system's random numbers or its cryptography do not work")]
    Cryptography,
}

/// The key that both ends of a line share, 32 bytes. It authenticates; it hides nothing, since bundles are encrypted already.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LinkKey([u8; KEY_LEN]);

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(secret)")
    }
}

impl LinkKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// A new key.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; KEY_LEN];
        rand::fill(&mut bytes).map_err(|_| KeyError::Cryptography)?;
        Ok(Self(bytes))
    }

    /// Reads the text that a key's file holds: 64 hexadecimal digits, and space around them.
    ///
    /// # Errors
    /// For any other text.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let mut key = Self([0; KEY_LEN]);
        hex::decode_to_slice(text.trim(), &mut key.0).map_err(|_| KeyError::Text)?;
        Ok(key)
    }

    /// The text that a key's file holds. It is the secret.
    #[must_use]
    pub fn to_text(&self) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(hex::encode(self.0) + "\n")
    }

    /// What tags the blocks of a run.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn block_tagger(&self, run: &RunId) -> Result<BlockTagger, KeyError> {
        self.of_run(run, BLOCKS).map(BlockTagger::new).ok_or(KeyError::Cryptography)
    }

    /// A key of a run: HKDF-SHA-256 (RFC 5869), salted with the run's number.
    fn of_run(&self, run: &RunId, purpose: &[u8]) -> Option<LessSafeKey> {
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &run.0).extract(&self.0);
        let purpose = [purpose];
        let expanded = extracted.expand(&purpose, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(expanded)))
    }
}

/// The number of a sender's run, drawn at random when it starts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub [u8; RunId::LEN]);

impl RunId {
    /// Bytes of a run's number: two that are equal will not be drawn.
    pub const LEN: usize = 32;

    /// A new run.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; Self::LEN];
        rand::fill(&mut bytes).map_err(|_| KeyError::Cryptography)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for RunId {
    /// The first eight bytes: enough to tell runs apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

/// Why a frame cannot be sealed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SealerError {
    /// Every number of the run is used up.
    #[error("the run has no frame numbers left")]
    Exhausted,
    /// The buffer is none for such a frame.
    #[error("a frame of this kind has no {0} bytes")]
    Length(usize),
    /// The library refuses.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Numbers and seals a run's frames.
pub struct Sealer {
    run: RunId,
    key: LessSafeKey,
    sequence: u64,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({}, frame {})", self.run, self.sequence)
    }
}

impl Sealer {
    /// A new run.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn new(link: &LinkKey) -> Result<Self, KeyError> {
        Self::of_run(link, RunId::random()?)
    }

    /// A run of a given number: for tests, since frames of two runs of one number would share their nonces.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn of_run(link: &LinkKey, run: RunId) -> Result<Self, KeyError> {
        let key = link.of_run(&run, FRAMES).ok_or(KeyError::Cryptography)?;
        Ok(Self { run, key, sequence: 0 })
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Makes a frame of the symbol that lies in the buffer at [`crate::SYMBOL_AT`]. The buffer is the whole frame:
    /// [`crate::SYMBOL_OVERHEAD`] bytes longer than the symbol.
    ///
    /// # Errors
    /// For a buffer of another length.
    pub fn symbol(
        &mut self,
        buffer: &mut [u8],
        number: BundleNumber,
        geometry: &Geometry,
        block: u32,
        id: u32,
    ) -> Result<(), SealerError> {
        self.seal(buffer, |body| frame::write_symbol(body, number, geometry, block, id))
    }

    /// A frame that says that bundles were sent whole, and their digests; at most [`crate::SEALS_MAX`] of them.
    ///
    /// # Errors
    /// For none, or too many.
    pub fn seals(&mut self, seals: &[Seal]) -> Result<Vec<u8>, SealerError> {
        let mut buffer = vec![0; frame::seals_bytes(seals.len())];
        self.seal(&mut buffer, |body| frame::write_seals(body, seals))?;
        Ok(buffer)
    }

    /// A frame that says which is the highest bundle number sent.
    ///
    /// # Errors
    /// If the run has no numbers left.
    pub fn announcement(&mut self, highest: BundleNumber) -> Result<Vec<u8>, SealerError> {
        let mut buffer = vec![0; frame::ANNOUNCEMENT_BYTES];
        self.seal(&mut buffer, |body| frame::write_announcement(body, highest))?;
        Ok(buffer)
    }

    fn seal(
        &mut self,
        buffer: &mut [u8],
        write: impl FnOnce(&mut [u8]) -> Option<frame::Kind>,
    ) -> Result<(), SealerError> {
        let error = SealerError::Length(buffer.len());
        let next = self.sequence.checked_add(1).ok_or(SealerError::Exhausted)?;
        let length = u16::try_from(buffer.len()).map_err(|_| error)?;
        let (plain, tag_at) = buffer.split_last_chunk_mut::<TAG_LEN>().ok_or(error)?;
        let (head, body) = plain.split_first_chunk_mut::<{ frame::HEAD_BYTES }>().ok_or(error)?;
        let kind = write(body).ok_or(error)?;
        frame::write_head(head, kind, length, &self.run, self.sequence);
        let sealed = self.key.seal_in_place_separate_tag(nonce(self.sequence), Aad::from(plain), &mut []);
        let tag = sealed.map_err(|_| KeyError::Cryptography)?;
        tag_at.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        self.sequence = next;
        Ok(())
    }
}

/// Opens frames: whoever holds one has authentic fields in hand.
pub struct Opener {
    link: LinkKey,
    /// The run that spoke last comes first.
    runs: Vec<Run>,
}

struct Run {
    id: RunId,
    key: LessSafeKey,
    window: Window,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("runs", &self.runs.len()).finish()
    }
}

impl Opener {
    /// Opens what holders of this key send.
    #[must_use]
    pub fn new(link: LinkKey) -> Self {
        Self { link, runs: Vec::with_capacity(RUNS_MAX) }
    }

    /// Opens a datagram: its length, its mark, its tag; only then its fields. A frame that was seen before is opened as
    /// well, and says so.
    ///
    /// # Errors
    /// Why the datagram is no frame, in the order of the checks.
    pub fn open<'a>(&mut self, datagram: &'a [u8]) -> Result<(Frame<'a>, Seen), Refused> {
        let envelope = frame::envelope(datagram)?;
        let index = self.runs.iter().position(|run| run.id == envelope.run);
        match index {
            Some(0) => {}
            Some(index) => self.runs.get_mut(..=index).unwrap_or_default().rotate_right(1),
            // A key is derived for a stranger and thrown away again; it is kept once a frame of its run was authentic.
            None => {
                let key = self.link.of_run(&envelope.run, FRAMES).ok_or(Refused::Forged)?;
                check(&key, &envelope)?;
                self.runs.truncate(RUNS_MAX - 1);
                self.runs.insert(0, Run { id: envelope.run, key, window: Window::new() });
            }
        }
        let run = self.runs.first_mut().ok_or(Refused::Forged)?;
        if index.is_some() {
            check(&run.key, &envelope)?;
        }
        let body = Body::read(envelope.kind, envelope.body)?;
        let seen = run.window.see(envelope.sequence);
        Ok((Frame { run: envelope.run, sequence: envelope.sequence, body }, seen))
    }
}

fn check(key: &LessSafeKey, envelope: &frame::Envelope<'_>) -> Result<(), Refused> {
    let (nonce, aad) = (nonce(envelope.sequence), Aad::from(envelope.plain));
    key.open_separate_gather(nonce, aad, &[], envelope.tag, &mut []).map_err(|_| Refused::Forged)
}

/// The nonce of a frame: its number in the run, and four bytes of zeros before it.
fn nonce(sequence: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()).for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(nonce)
}

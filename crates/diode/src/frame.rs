//! A frame's bytes. What is read here was authenticated before, but for [`envelope`], which looks at lengths and at places
//! that do not move, and interprets nothing.

use thiserror::Error;

use crate::code::SYMBOL_ID_END;
use crate::digest::{BundleDigest, DIGEST_LEN};
use crate::geometry::{BUNDLE_BYTES_MAX, Geometry, SYMBOL_ALIGNMENT, SYMBOL_BYTES_MAX};
use crate::key::{RunId, TAG_LEN};
use crate::numbers::BundleNumber;

const MARK: [u8; 4] = *b"FSTD";
const VERSION: u8 = 1;

/// Bytes before a frame's body.
pub(crate) const HEAD_BYTES: usize = 48;
const SYMBOL_FIELDS_BYTES: usize = 24;
const SEAL_BYTES: usize = 8 + 8 + 4 + DIGEST_LEN;
const SEAL_COUNT_MAX: usize = 25;

/// Bytes of an announcement.
pub(crate) const ANNOUNCEMENT_BYTES: usize = HEAD_BYTES + 8 + TAG_LEN;
/// The shortest frame: an announcement.
pub const FRAME_BYTES_MIN: usize = ANNOUNCEMENT_BYTES;
/// The longest frame.
pub const FRAME_BYTES_MAX: usize = SYMBOL_BYTES_MAX as usize + SYMBOL_OVERHEAD;
/// Where a frame's symbol begins.
pub const SYMBOL_AT: usize = HEAD_BYTES + SYMBOL_FIELDS_BYTES;
/// What a symbol's frame is longer than the symbol.
pub const SYMBOL_OVERHEAD: usize = SYMBOL_AT + TAG_LEN;
/// The most seals in a frame: they fit where an Ethernet frame's 1,500 bytes do.
pub const SEALS_MAX: usize = SEAL_COUNT_MAX;

/// The largest symbol whose frame fits into a datagram of so many bytes; nothing if none does.
#[must_use]
pub fn symbol_bytes_within(datagram_bytes: usize) -> Option<u32> {
    let room = u32::try_from(datagram_bytes.checked_sub(SYMBOL_OVERHEAD)?).ok()?;
    let size = room.min(SYMBOL_BYTES_MAX) / SYMBOL_ALIGNMENT * SYMBOL_ALIGNMENT;
    Geometry::new(1, size).ok().map(|geometry| geometry.symbol_bytes())
}

/// Why a datagram is no frame. In the order of the checks.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// Shorter than every frame.
    #[error("shorter than every frame")]
    Short,
    /// Longer than every frame.
    #[error("longer than every frame")]
    Oversized,
    /// Something else altogether.
    #[error("not a frame of a diode")]
    Foreign,
    /// A later form of frames.
    #[error("a frame of another version")]
    Version,
    /// It says that it has another length: cut off, or added to.
    #[error("not as long as it says")]
    Length,
    /// The tag is wrong: another key, or changed bytes.
    #[error("sealed by another key, or changed")]
    Forged,
    /// Authentic, and of no kind that there is.
    #[error("authentic, of an unknown kind")]
    Kind,
    /// Authentic, and its fields make no sense.
    #[error("authentic, with fields that make no sense")]
    Malformed,
}

impl Refused {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Short,
        Self::Oversized,
        Self::Foreign,
        Self::Version,
        Self::Length,
        Self::Forged,
        Self::Kind,
        Self::Malformed,
    ];

    /// Its name, for counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Oversized => "oversized",
            Self::Foreign => "foreign",
            Self::Version => "version",
            Self::Length => "length",
            Self::Forged => "forged",
            Self::Kind => "kind",
            Self::Malformed => "malformed",
        }
    }
}

/// An authentic frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The sender's run.
    pub run: RunId,
    /// The frame's number in the run, from 0.
    pub sequence: u64,
    /// What it says.
    pub body: Body<'a>,
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A symbol of a block.
    Symbol(Symbol<'a>),
    /// Bundles that were sent whole.
    Seals(Seals<'a>),
    /// The highest bundle number that was sent.
    Announcement {
        /// That number.
        highest: BundleNumber,
    },
}

/// A symbol of a block of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// The bundle.
    pub number: BundleNumber,
    /// How the bundle lies in blocks.
    pub geometry: Geometry,
    /// The block. The bundle has it.
    pub block: u32,
    /// The symbol's number in the block: a source symbol if it is less than the block's symbols, else a repair symbol.
    pub id: u32,
    /// The symbol, of the size that the geometry says.
    pub bytes: &'a [u8],
}

/// The digest of a bundle that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The bundle.
    pub number: BundleNumber,
    /// How it lies in blocks.
    pub geometry: Geometry,
    /// Its digest.
    pub digest: BundleDigest,
}

/// The seals in a frame; each is well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seals<'a>(&'a [[u8; SEAL_BYTES]]);

impl<'a> Seals<'a> {
    /// Each seal.
    pub fn iter(&self) -> impl Iterator<Item = Seal> + 'a {
        self.0.iter().filter_map(read_seal)
    }
}

/// What kind a frame is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Symbol = 1,
    Seals = 2,
    Announcement = 3,
}

/// A datagram with the lengths of a frame; nothing in it is authentic yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) kind: u8,
    pub(crate) run: RunId,
    pub(crate) sequence: u64,
    pub(crate) body: &'a [u8],
    /// Everything before the tag.
    pub(crate) plain: &'a [u8],
    pub(crate) tag: &'a [u8; TAG_LEN],
}

/// Looks at a datagram's lengths and finds the places of what its tag is checked with.
pub(crate) fn envelope(datagram: &[u8]) -> Result<Envelope<'_>, Refused> {
    if datagram.len() < FRAME_BYTES_MIN {
        return Err(Refused::Short);
    }
    if datagram.len() > FRAME_BYTES_MAX {
        return Err(Refused::Oversized);
    }
    let (plain, tag) = datagram.split_last_chunk::<TAG_LEN>().ok_or(Refused::Short)?;
    let (mark, rest) = plain.split_first_chunk::<4>().ok_or(Refused::Short)?;
    if *mark != MARK {
        return Err(Refused::Foreign);
    }
    let ([version, kind], rest) = rest.split_first_chunk::<2>().ok_or(Refused::Short)?;
    if *version != VERSION {
        return Err(Refused::Version);
    }
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Refused::Short)?;
    if usize::from(u16::from_be_bytes(*length)) != datagram.len() {
        return Err(Refused::Length);
    }
    let (run, rest) = rest.split_first_chunk::<{ RunId::LEN }>().ok_or(Refused::Short)?;
    let (sequence, body) = rest.split_first_chunk::<8>().ok_or(Refused::Short)?;
    Ok(Envelope { kind: *kind, run: RunId(*run), sequence: u64::from_be_bytes(*sequence), body, plain, tag })
}

impl<'a> Body<'a> {
    /// Reads an authentic body.
    pub(crate) fn read(kind: u8, body: &'a [u8]) -> Result<Self, Refused> {
        match kind {
            kind if kind == Kind::Symbol as u8 => read_symbol(body).map(Self::Symbol).ok_or(Refused::Malformed),
            kind if kind == Kind::Seals as u8 => read_seals(body).map(Self::Seals).ok_or(Refused::Malformed),
            kind if kind == Kind::Announcement as u8 => {
                let highest = <[u8; 8]>::try_from(body).ok().map(u64::from_be_bytes).and_then(BundleNumber::new);
                highest.map(|highest| Self::Announcement { highest }).ok_or(Refused::Malformed)
            }
            _ => Err(Refused::Kind),
        }
    }
}

fn read_symbol(body: &[u8]) -> Option<Symbol<'_>> {
    let (number, rest) = body.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (block, rest) = rest.split_first_chunk::<4>()?;
    let (id, bytes) = rest.split_first_chunk::<4>()?;
    let number = BundleNumber::new(u64::from_be_bytes(*number))?;
    let geometry = Geometry::new(u64::from_be_bytes(*length), u32::try_from(bytes.len()).ok()?).ok()?;
    let (block, id) = (u32::from_be_bytes(*block), u32::from_be_bytes(*id));
    (block < geometry.blocks() && id < SYMBOL_ID_END).then_some(Symbol { number, geometry, block, id, bytes })
}

fn read_seals(body: &[u8]) -> Option<Seals<'_>> {
    let (seals, rest) = body.as_chunks::<SEAL_BYTES>();
    let is_whole = rest.is_empty() && (1..=SEALS_MAX).contains(&seals.len());
    (is_whole && seals.iter().all(|seal| read_seal(seal).is_some())).then_some(Seals(seals))
}

fn read_seal(bytes: &[u8; SEAL_BYTES]) -> Option<Seal> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (symbol_bytes, digest) = rest.split_first_chunk::<4>()?;
    let number = BundleNumber::new(u64::from_be_bytes(*number))?;
    let geometry = Geometry::new(u64::from_be_bytes(*length), u32::from_be_bytes(*symbol_bytes)).ok()?;
    Some(Seal { number, geometry, digest: BundleDigest(*digest.first_chunk()?) })
}

pub(crate) fn write_head(head: &mut [u8; HEAD_BYTES], kind: Kind, length: u16, run: &RunId, sequence: u64) {
    let (form, length, sequence) = ([VERSION, kind as u8], length.to_be_bytes(), sequence.to_be_bytes());
    put(head, MARK.iter().chain(&form).chain(&length).chain(&run.0).chain(&sequence));
}

pub(crate) fn write_symbol(
    body: &mut [u8],
    number: BundleNumber,
    geometry: &Geometry,
    block: u32,
    id: u32,
) -> Option<Kind> {
    let (fields, symbol) = body.split_first_chunk_mut::<SYMBOL_FIELDS_BYTES>()?;
    let is_symbol = u32::try_from(symbol.len()) == Ok(geometry.symbol_bytes());
    if !is_symbol || block >= geometry.blocks() || id >= SYMBOL_ID_END {
        return None;
    }
    let (number, length) = (number.get().to_be_bytes(), geometry.length().to_be_bytes());
    let (block, id) = (block.to_be_bytes(), id.to_be_bytes());
    put(fields, number.iter().chain(&length).chain(&block).chain(&id));
    Some(Kind::Symbol)
}

pub(crate) fn seals_bytes(count: usize) -> usize {
    HEAD_BYTES + count.saturating_mul(SEAL_BYTES).min(FRAME_BYTES_MAX) + TAG_LEN
}

pub(crate) fn write_seals(body: &mut [u8], seals: &[Seal]) -> Option<Kind> {
    let (places, rest) = body.as_chunks_mut::<SEAL_BYTES>();
    if places.len() != seals.len() || !rest.is_empty() || !(1..=SEALS_MAX).contains(&seals.len()) {
        return None;
    }
    for (place, seal) in places.iter_mut().zip(seals) {
        let (number, length) = (seal.number.get().to_be_bytes(), seal.geometry.length().to_be_bytes());
        let symbol_bytes = seal.geometry.symbol_bytes().to_be_bytes();
        put(place, number.iter().chain(&length).chain(&symbol_bytes).chain(&seal.digest.0));
    }
    Some(Kind::Seals)
}

pub(crate) fn write_announcement(body: &mut [u8], highest: BundleNumber) -> Option<Kind> {
    let body: &mut [u8; 8] = body.try_into().ok()?;
    *body = highest.get().to_be_bytes();
    Some(Kind::Announcement)
}

fn put<'a>(place: &mut [u8], bytes: impl Iterator<Item = &'a u8>) {
    place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}

const _: () = assert!(FRAME_BYTES_MAX <= 9_216 - 28 && seals_fit() && BUNDLE_BYTES_MAX < u64::MAX / 2);

const fn seals_fit() -> bool {
    HEAD_BYTES + SEALS_MAX * SEAL_BYTES + TAG_LEN <= 1_500 - 48
}

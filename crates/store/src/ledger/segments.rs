//! Segments: entries that were packed together. The commitments lie in one value, the contents in another, so that the
//! contents can be dropped and erased as any value is, and the commitments stay.
//!
//! Every byte is described in `docs/formats/ledger.md`.

use super::index;
use crate::Fault;
use crate::blob::BlobReader;
use crate::partition::Partition;
use crate::records::{Bundle, Piece, Place, SegmentContents, SegmentRecord};
use serde::{Serialize, Serializer};

/// Entries in a segment.
pub const SEGMENT_LEN: u64 = 4096;

/// Bytes of an entry's commitment.
pub(crate) const COMMITMENT_LEN: usize = 32;

/// Entries in a bundle at most.
const BUNDLE_ENTRIES_MAX: usize = 256;

/// A bundle that has so many bytes is full.
const BUNDLE_LEN_FULL: usize = 256 << 10;

/// Takes an entry: number, commitment, and content unless that was dropped; says whether to go on.
pub(crate) type See<'s> = dyn FnMut(u64, &[u8; COMMITMENT_LEN], Option<&[u8]>) -> bool + 's;

fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::failed("a segment of the ledger", error)
}

fn damaged(what: &str) -> Fault {
    failed(what)
}

/// The row of the segment that holds an entry.
pub(crate) const fn row_of(entry: u64) -> [u8; 8] {
    (entry / SEGMENT_LEN).to_be_bytes()
}

/// An entry's content, written at once and not byte by byte: what is written is the same.
#[derive(Debug)]
struct Content(Vec<u8>);

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// Contents on their way into a segment.
#[derive(Debug, Default)]
pub(crate) struct Packing {
    bundle: Vec<Content>,
    length: usize,
    bundles: Vec<Bundle>,
    terms: Vec<(u32, u16)>,
    count: u16,
}

impl Packing {
    /// Takes an entry's content; hands bytes on when a bundle is full.
    pub(crate) fn push(
        &mut self,
        content: &[u8],
        terms: &[u32],
        out: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.length += content.len();
        self.bundle.push(Content(content.to_vec()));
        self.terms.extend(terms.iter().map(|term| (*term, self.count)));
        self.count += 1;
        if self.bundle.len() == BUNDLE_ENTRIES_MAX || self.length >= BUNDLE_LEN_FULL {
            self.bundle(out)?;
        }
        Ok(())
    }

    fn bundle(&mut self, out: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
        let entries = std::mem::take(&mut self.bundle);
        // A length in front of each entry and of all of them.
        let length = std::mem::take(&mut self.length) + 5 * (entries.len() + 1);
        if entries.is_empty() {
            return Ok(());
        }
        let plain = postcard::to_extend(&entries, Vec::with_capacity(length)).map_err(failed)?;
        let packed = lz4_flex::block::compress(&plain);
        out(&packed)?;
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(failed);
        let count = u32::try_from(entries.len()).map_err(failed)?;
        self.bundles.push(Bundle { entries: count, plain: length(&plain)?, packed: length(&packed)? });
        Ok(())
    }

    /// The last bundle and the index; answers the bundles.
    pub(crate) fn finish(mut self, out: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<Vec<Bundle>, Fault> {
        self.bundle(out)?;
        out(&index::build(self.terms)?)?;
        Ok(self.bundles)
    }
}

/// Where sealed values lie.
pub(crate) trait Pieces {
    /// A value's reader; nothing when it is gone: then a new snapshot has it under another key, or not at all.
    fn open(&self, piece: &Piece) -> Result<Option<BlobReader>, Fault>;
}

impl Pieces for Partition {
    fn open(&self, piece: &Piece) -> Result<Option<BlobReader>, Fault> {
        let Place::Blob(id) = piece.place else { return Err(damaged("it lies where none belongs")) };
        let Some(key) = self.erasure.value_key(piece)? else { return Ok(None) };
        let Some(file) = crate::blobs::open(self, &id)? else { return Ok(None) };
        BlobReader::new(file, &key, piece.size).map(Some).map_err(failed)
    }
}

/// A segment with its files open: what is dropped meanwhile can be read to its end.
pub(crate) struct Segment {
    first: u64,
    tree: BlobReader,
    contents: Option<Contents>,
}

struct Contents {
    reader: BlobReader,
    size: u64,
    bundles: Vec<Bundle>,
}

impl Segment {
    /// Opens a segment whose first entry has this number; nothing when a value of it is gone since the snapshot.
    pub(crate) fn open(
        pieces: &dyn Pieces,
        first: u64,
        record: SegmentRecord,
        with_contents: bool,
    ) -> Result<Option<Self>, Fault> {
        if u64::from(record.entries) != SEGMENT_LEN {
            return Err(damaged("it has another number of entries"));
        }
        let Some(tree) = pieces.open(&record.tree)? else { return Ok(None) };
        let contents = match record.contents.filter(|_| with_contents) {
            None => None,
            Some(contents) => match Contents::open(pieces, contents)? {
                None => return Ok(None),
                some => some,
            },
        };
        Ok(Some(Self { first, tree, contents }))
    }

    fn commitments_of(&self, from: u64, to: u64) -> Result<Vec<u8>, Fault> {
        let length = COMMITMENT_LEN as u64;
        let (offset, mut bytes) = (from.saturating_sub(self.first) * length, Vec::new());
        let wanted = usize::try_from(to.saturating_sub(from) * length).map_err(failed)?;
        self.tree.read(offset, &mut bytes, wanted).map_err(failed)?;
        if bytes.len() == wanted { Ok(bytes) } else { Err(damaged("commitments are missing")) }
    }

    /// The commitments of entries of this segment; answers whether to go on.
    pub(crate) fn commitments(
        &self,
        (from, to): (u64, u64),
        see: &mut dyn FnMut(u64, &[u8; COMMITMENT_LEN]) -> bool,
    ) -> Result<bool, Fault> {
        let bytes = self.commitments_of(from, to)?;
        let (hashes, _) = bytes.as_chunks::<COMMITMENT_LEN>();
        Ok((from..).zip(hashes).all(|(number, hash)| see(number, hash)))
    }

    /// Entries of this segment with what is left of them; answers whether to go on.
    pub(crate) fn rows(&self, (from, to): (u64, u64), see: &mut See<'_>) -> Result<bool, Fault> {
        let bytes = self.commitments_of(from, to)?;
        let (hashes, _) = bytes.as_chunks::<COMMITMENT_LEN>();
        let mut hashes = (from..).zip(hashes);
        let Some(contents) = &self.contents else {
            return Ok(hashes.all(|(number, hash)| see(number, hash, None)));
        };
        let (mut number, mut offset) = (self.first, 0);
        for bundle in &contents.bundles {
            let until = number + u64::from(bundle.entries);
            if until > from && number < to {
                let plain = contents.bundle(bundle, offset)?;
                let skipped = usize::try_from(from.saturating_sub(number)).map_err(failed)?;
                // The commitments end where the wanted entries do.
                for (content, (number, hash)) in entries_of(bundle, &plain)?.into_iter().skip(skipped).zip(&mut hashes)
                {
                    if !see(number, hash, Some(content)) {
                        return Ok(false);
                    }
                }
            }
            number = until;
            offset += u64::from(bundle.packed);
        }
        if hashes.next().is_some() { Err(damaged("contents are missing")) } else { Ok(true) }
    }
}

fn entries_of<'a>(bundle: &Bundle, plain: &'a [u8]) -> Result<Vec<&'a [u8]>, Fault> {
    let entries: Vec<&[u8]> = postcard::from_bytes(plain).map_err(failed)?;
    let fits = entries.len() == bundle.entries as usize;
    if fits { Ok(entries) } else { Err(damaged("a bundle has another number of entries")) }
}

impl Contents {
    fn open(pieces: &dyn Pieces, contents: SegmentContents) -> Result<Option<Self>, Fault> {
        let SegmentContents { piece, bundles } = contents;
        Ok(pieces.open(&piece)?.map(|reader| Self { reader, size: piece.size, bundles }))
    }

    fn bundle(&self, bundle: &Bundle, offset: u64) -> Result<Vec<u8>, Fault> {
        let (mut packed, length) = (Vec::new(), bundle.packed as usize);
        self.reader.read(offset, &mut packed, length).map_err(failed)?;
        lz4_flex::block::decompress(&packed, bundle.plain as usize).map_err(failed)
    }

    /// Where the index begins, and its length.
    fn index(&self) -> (u64, u64) {
        let start = self.bundles.iter().map(|bundle| u64::from(bundle.packed)).sum();
        (start, self.size.saturating_sub(start))
    }

    /// The places of a term, in order.
    fn places(&self, term: u32) -> Result<Vec<u16>, Fault> {
        let ((start, length), mut bytes) = (self.index(), Vec::new());
        self.reader.read(start, &mut bytes, usize::try_from(length).map_err(failed)?).map_err(failed)?;
        index::places(&bytes, term)
    }
}

/// Contents of a segment alone, for a search: the newest first.
pub(crate) struct Search {
    first: u64,
    contents: Contents,
}

impl Search {
    /// Opens a segment's contents; nothing when they are gone since the snapshot.
    pub(crate) fn open(pieces: &dyn Pieces, first: u64, contents: SegmentContents) -> Result<Option<Self>, Fault> {
        Ok(Contents::open(pieces, contents)?.map(|contents| Self { first, contents }))
    }

    /// Bytes of the index.
    pub(crate) fn index_len(&self) -> u64 {
        self.contents.index().1
    }

    /// Entries below a number that may have the term, the newest first; answers whether to go on.
    pub(crate) fn rows(
        &self,
        term: Option<u32>,
        below: u64,
        see: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<bool, Fault> {
        let end = usize::try_from(below.saturating_sub(self.first).min(SEGMENT_LEN)).map_err(failed)?;
        let mut places: Vec<usize> = match term {
            None => (0..end).collect(),
            Some(term) => {
                self.contents.places(term)?.into_iter().map(usize::from).filter(|place| *place < end).collect()
            }
        };
        let total: u64 = self.contents.bundles.iter().map(|bundle| u64::from(bundle.packed)).sum();
        let (mut start, mut offset) = (SEGMENT_LEN as usize, total);
        for bundle in self.contents.bundles.iter().rev() {
            start = start.checked_sub(bundle.entries as usize).ok_or_else(|| damaged("its bundles hold too much"))?;
            offset -= u64::from(bundle.packed);
            if places.last().is_none_or(|place| *place < start) {
                continue;
            }
            let plain = self.contents.bundle(bundle, offset)?;
            let entries = entries_of(bundle, &plain)?;
            while let Some(place) = places.pop_if(|place| *place >= start) {
                let content = entries.get(place - start).ok_or_else(|| damaged("its index names what is not there"))?;
                if !see(self.first + place as u64, content) {
                    return Ok(false);
                }
            }
        }
        if start == 0 { Ok(true) } else { Err(damaged("contents are missing")) }
    }
}

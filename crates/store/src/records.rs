//! What the catalog's rows hold. Written with postcard; `docs/formats/catalog.md` describes them.

use crate::Fault;
use fastness_operation::{Attributes, Checksum, ChecksumAlgorithm, Extras, Versioning};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One partition's record of a bucket. The bucket in a view is the union of its partitions' records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BucketRecord {
    /// Its number within the partition.
    pub(crate) id: u64,
    /// When the bucket was made, milliseconds since 1970; copied from the topmost record in the maker's view.
    pub(crate) created_ms: i64,
    /// The partition's sequence when this record was made: which of two is the older.
    pub(crate) sequence: u64,
    /// Acts on the versions of this partition alone.
    pub(crate) versioning: Versioning,
}

/// One version of an object, or a delete marker. In its row the extension stands behind the rest, and is left out when
/// it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionRecord {
    /// 32 hexadecimal digits: the partition's sequence, then 64 random bits.
    pub(crate) id: String,
    /// Written while versioning was not enabled.
    pub(crate) null: bool,
    /// Milliseconds since 1970.
    pub(crate) modified_ms: i64,
    /// The object; nothing in a delete marker.
    pub(crate) object: Option<ObjectRecord>,
    /// What catalog format 2 added.
    pub(crate) extension: Extension,
}

/// What may be kept with a version since catalog format 2.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Extension {
    /// Tags, retention, legal hold.
    pub(crate) extras: Extras,
    /// The parts of an object that was uploaded in parts.
    pub(crate) parts: Vec<StoredPart>,
    /// Whether the content is sealed under the caller's key, too, and how that key is recognised.
    pub(crate) customer: Option<CustomerSeal>,
}

/// A part of a finished object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredPart {
    /// The number it was uploaded under.
    pub(crate) number: u16,
    /// Bytes of content.
    pub(crate) size: u64,
    /// Its checksum in base64, by the object's algorithm.
    pub(crate) checksum: Option<String>,
}

/// How a caller's key is recognised; the key itself is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CustomerSeal {
    /// Random, for this object or upload alone.
    pub(crate) salt: [u8; 16],
    /// A keyed digest of the salt under the caller's key.
    pub(crate) digest: [u8; 32],
}

/// The beginning of a [`VersionRecord`], read where it lies: what a listing shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct VersionHead<'a> {
    pub(crate) id: &'a str,
    pub(crate) null: bool,
    pub(crate) modified_ms: i64,
    pub(crate) object: Option<ObjectHead<'a>>,
}

/// The beginning of an [`ObjectRecord`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ObjectHead<'a> {
    pub(crate) size: u64,
    pub(crate) etag: &'a str,
    #[serde(borrow)]
    _attributes: PassedAttributes<'a>,
    pub(crate) checksum: Option<(ChecksumAlgorithm, &'a str)>,
}

/// [`Attributes`] that nobody looks at: the six headers, and the metadata without a map of it.
type PassedAttributes<'a> = ([Option<&'a str>; 6], PassedMap);

/// A map of text to text that is read past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PassedMap;

impl<'de> Deserialize<'de> for PassedMap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pass;
        impl<'de> serde::de::Visitor<'de> for Pass {
            type Value = PassedMap;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<PassedMap, A::Error> {
                while map.next_entry::<&str, &str>()?.is_some() {}
                Ok(PassedMap)
            }
        }
        deserializer.deserialize_map(Pass)
    }
}

impl<'a> VersionHead<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (head, _) = postcard::take_from_bytes(bytes)
            .map_err(|error| Fault::failed("a record of the catalog is malformed", error))?;
        Ok(head)
    }
}

/// What a version that is no delete marker holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    /// Bytes of content.
    pub(crate) size: u64,
    /// The `ETag`, without quotes.
    pub(crate) etag: String,
    /// Headers and metadata.
    pub(crate) attributes: Attributes,
    /// The checksum sent or asked for, if any.
    pub(crate) checksum: Option<Checksum>,
    /// The content, in order.
    pub(crate) pieces: Vec<Piece>,
}

/// A run of content under one value key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Bytes of plain content.
    pub(crate) size: u64,
    /// The erasure key that wraps the value key.
    pub(crate) erasure: u64,
    /// The value key, wrapped.
    pub(crate) key: Vec<u8>,
    /// Where the sealed bytes lie.
    pub(crate) place: Place,
}

/// Where sealed content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// In the catalog's table of small values, under this number.
    Inline(u64),
    /// In a file of its own, with a random name.
    Blob([u8; 16]),
}

/// A multipart upload that is not complete. Its extension stands behind the rest, as a version's does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadRecord {
    /// Its number within the partition.
    pub(crate) number: u64,
    /// When it began, milliseconds since 1970.
    pub(crate) initiated_ms: i64,
    /// What the finished object will carry.
    pub(crate) attributes: Attributes,
    /// The checksum algorithm asked for, if any.
    pub(crate) checksum: Option<ChecksumAlgorithm>,
    /// What catalog format 2 added.
    pub(crate) extension: UploadExtension,
}

/// What may be kept with an upload since catalog format 2.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct UploadExtension {
    /// What the finished object will carry.
    pub(crate) extras: Extras,
    /// The checksum is to be that of the whole object, not composed of the parts'.
    pub(crate) full_object: bool,
    /// The caller's key, if the parts are sealed under it.
    pub(crate) customer: Option<CustomerSeal>,
}

/// One part of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    /// Bytes of content.
    pub(crate) size: u64,
    /// MD5 of the content.
    pub(crate) md5: [u8; 16],
    /// The checksum, if one was sent or asked for.
    pub(crate) checksum: Option<Checksum>,
    /// Milliseconds since 1970.
    pub(crate) modified_ms: i64,
    /// The content; nothing when empty.
    pub(crate) piece: Option<Piece>,
}

/// Entries of the ledger that were packed together: commitments in one value, contents in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentRecord {
    /// How many.
    pub(crate) entries: u32,
    /// The earliest of their times, milliseconds since 1970.
    pub(crate) first_ms: i64,
    /// The latest of their times.
    pub(crate) last_ms: i64,
    /// Their commitments, 32 bytes each.
    pub(crate) tree: Piece,
    /// Their contents; nothing once these were lawfully dropped.
    pub(crate) contents: Option<SegmentContents>,
}

impl SegmentRecord {
    /// Its values.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        std::iter::once(&self.tree).chain(self.contents.as_ref().map(|contents| &contents.piece))
    }

    /// Its values, to be changed.
    pub(crate) fn pieces_mut(&mut self) -> impl Iterator<Item = &mut Piece> {
        std::iter::once(&mut self.tree).chain(self.contents.as_mut().map(|contents| &mut contents.piece))
    }
}

/// The contents of a segment's entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentContents {
    /// Bundles one behind the other, then the index of terms.
    pub(crate) piece: Piece,
    /// The bundles, in order.
    pub(crate) bundles: Vec<Bundle>,
}

/// Contents of some entries, compressed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bundle {
    /// Entries in it.
    pub(crate) entries: u32,
    /// Bytes before it was compressed.
    pub(crate) plain: u32,
    /// Bytes since.
    pub(crate) packed: u32,
}

/// The partition's counters. In its row those of the ledger stand behind the rest, and are left out while all are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// The format of the catalog.
    pub(crate) format: u32,
    /// The next number for a version, bucket, upload or small value.
    pub(crate) sequence: u64,
    /// Entries in the chain that ended with catalog format 2.
    pub(crate) log_len: u64,
    /// That chain's hash over all of them.
    pub(crate) log_head: [u8; 32],
    /// What came with catalog format 4.
    pub(crate) ledger: LedgerCounters,
}

/// The counters of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct LedgerCounters {
    /// Entries ever appended.
    pub(crate) len: u64,
    /// Those of them that lie in segments: all below this number.
    pub(crate) packed: u64,
    /// Contents that were dropped: of all entries below this number.
    pub(crate) dropped: u64,
    /// Entries of the region's log.
    pub(crate) region: u64,
}

impl State {
    /// The format this program writes. Format 1 lacks the extensions, format 2 the ledger's counters; their rows are
    /// read as they are.
    pub(crate) const FORMAT: u32 = 4;

    /// Whether this program reads a catalog of a format. Format 3 was in no release.
    pub(crate) const fn reads(format: u32) -> bool {
        matches!(format, 1 | 2 | Self::FORMAT)
    }

    pub(crate) const fn new() -> Self {
        let ledger = LedgerCounters { len: 0, packed: 0, dropped: 0, region: 0 };
        Self { format: Self::FORMAT, sequence: 1, log_len: 0, log_head: [0; 32], ledger }
    }
}

/// A record in the form that its row has.
pub(crate) trait Row: Sized {
    fn to_row(&self) -> postcard::Result<Vec<u8>>;
    fn from_row(bytes: &[u8]) -> postcard::Result<Self>;
}

impl<T: Serialize + DeserializeOwned> Row for T {
    fn to_row(&self) -> postcard::Result<Vec<u8>> {
        postcard::to_stdvec(self)
    }

    fn from_row(bytes: &[u8]) -> postcard::Result<Self> {
        postcard::from_bytes(bytes)
    }
}

fn extended(mut head: Vec<u8>, extension: &(impl Serialize + Default + PartialEq)) -> postcard::Result<Vec<u8>> {
    if *extension != Default::default() {
        head.extend_from_slice(&postcard::to_stdvec(extension)?);
    }
    Ok(head)
}

fn extension<T: DeserializeOwned + Default>(rest: &[u8]) -> postcard::Result<T> {
    if rest.is_empty() { Ok(T::default()) } else { postcard::from_bytes(rest) }
}

impl Row for VersionRecord {
    fn to_row(&self) -> postcard::Result<Vec<u8>> {
        let Self { id, null, modified_ms, object, extension } = self;
        extended(postcard::to_stdvec(&(id, null, modified_ms, object))?, extension)
    }

    fn from_row(bytes: &[u8]) -> postcard::Result<Self> {
        let ((id, null, modified_ms, object), rest) = postcard::take_from_bytes(bytes)?;
        Ok(Self { id, null, modified_ms, object, extension: extension(rest)? })
    }
}

impl Row for UploadRecord {
    fn to_row(&self) -> postcard::Result<Vec<u8>> {
        let Self { number, initiated_ms, attributes, checksum, extension } = self;
        extended(postcard::to_stdvec(&(number, initiated_ms, attributes, checksum))?, extension)
    }

    fn from_row(bytes: &[u8]) -> postcard::Result<Self> {
        let ((number, initiated_ms, attributes, checksum), rest) = postcard::take_from_bytes(bytes)?;
        Ok(Self { number, initiated_ms, attributes, checksum, extension: extension(rest)? })
    }
}

impl Row for State {
    fn to_row(&self) -> postcard::Result<Vec<u8>> {
        let Self { format, sequence, log_len, log_head, ledger } = self;
        extended(postcard::to_stdvec(&(format, sequence, log_len, log_head))?, ledger)
    }

    fn from_row(bytes: &[u8]) -> postcard::Result<Self> {
        let ((format, sequence, log_len, log_head), rest) = postcard::take_from_bytes(bytes)?;
        Ok(Self { format, sequence, log_len, log_head, ledger: extension(rest)? })
    }
}

pub(crate) fn encode<T: Row>(record: &T) -> Result<Vec<u8>, Fault> {
    record.to_row().map_err(|error| Fault::failed("encoding a record", error))
}

pub(crate) fn decode<T: Row>(bytes: &[u8]) -> Result<T, Fault> {
    T::from_row(bytes).map_err(|error| Fault::failed("a record of the catalog is malformed", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastness_operation::{Lock, Tags};

    #[test]
    fn an_extension_costs_nothing_until_it_is_there() {
        let plain = VersionRecord {
            id: "1".to_owned(),
            null: true,
            modified_ms: 7,
            object: None,
            extension: Extension::default(),
        };
        let row = encode(&plain).unwrap();
        assert_eq!(row, postcard::to_stdvec(&("1", true, 7_i64, None::<ObjectRecord>)).unwrap());
        assert_eq!(decode::<VersionRecord>(&row).unwrap(), plain);
        let tags = Tags::new([("k".to_owned(), "v".to_owned())]).unwrap();
        let extras = Extras { tags, lock: Lock { retention: None, legal_hold: Some(true) } };
        let more = VersionRecord { extension: Extension { extras, ..Extension::default() }, ..plain };
        let row = encode(&more).unwrap();
        assert_eq!(decode::<VersionRecord>(&row).unwrap(), more);
        for end in 5..row.len() - 1 {
            let cut = decode::<VersionRecord>(&row[..end]);
            assert!(end == 5 || cut.is_err(), "{end}");
        }
    }
}

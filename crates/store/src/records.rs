//! What the catalog's rows hold. Written with postcard; `docs/formats/catalog.md` describes them.

use crate::Fault;
use fastness_operation::{Attributes, Checksum, ChecksumAlgorithm, Versioning};
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

/// One version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    /// 32 hexadecimal digits: the partition's sequence, then 64 random bits.
    pub(crate) id: String,
    /// Written while versioning was not enabled.
    pub(crate) null: bool,
    /// Milliseconds since 1970.
    pub(crate) modified_ms: i64,
    /// The object; nothing in a delete marker.
    pub(crate) object: Option<ObjectRecord>,
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

/// A multipart upload that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    /// Its number within the partition.
    pub(crate) number: u64,
    /// When it began, milliseconds since 1970.
    pub(crate) initiated_ms: i64,
    /// What the finished object will carry.
    pub(crate) attributes: Attributes,
    /// The checksum algorithm asked for, if any.
    pub(crate) checksum: Option<ChecksumAlgorithm>,
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

/// The partition's counters and the head of its ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The format of the catalog.
    pub(crate) format: u32,
    /// The next number for a version, bucket, upload or small value.
    pub(crate) sequence: u64,
    /// Entries in the ledger.
    pub(crate) log_len: u64,
    /// The chain's hash over all of them.
    pub(crate) log_head: [u8; 32],
}

impl State {
    /// The format this program writes.
    pub(crate) const FORMAT: u32 = 1;

    pub(crate) const fn new() -> Self {
        Self { format: Self::FORMAT, sequence: 1, log_len: 0, log_head: [0; 32] }
    }
}

pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, Fault> {
    postcard::to_stdvec(record).map_err(|error| Fault::failed("encoding a record", error))
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    postcard::from_bytes(bytes).map_err(|error| Fault::failed("a record of the catalog is malformed", error))
}

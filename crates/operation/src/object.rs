//! The parameters of the object operations.

use crate::{BucketName, CustomerKey, ObjectKey, PartNumber, VersionId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An object, or one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectTarget {
    /// The bucket's name, to be resolved in the caller's view.
    pub bucket: BucketName,
    /// The object's key.
    pub key: ObjectKey,
    /// The version asked for; none means the latest in view.
    pub version: Option<VersionId>,
}

/// Where a copy comes from, and what must hold there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// The object or version to read.
    pub target: ObjectTarget,
    /// The `x-amz-copy-source-if-…` headers.
    pub conditions: Conditions,
    /// The key that the source is sealed under, if its writer kept one.
    pub customer: Option<CustomerKey>,
}

/// Whether a bucket keeps old versions (S3 user guide, "Using versioning in S3 buckets").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Versioning {
    /// Never switched on: one null version a key.
    #[default]
    Unversioned,
    /// Every write makes a version.
    Enabled,
    /// Switched off again: writes replace the null version, others stay.
    Suspended,
}

/// What travels with an object's content: HTTP headers kept for it, and the user's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attributes {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`, as sent.
    pub expires: Option<String>,
    /// `x-amz-meta-…`, names in lower case. At most 2 KiB in all.
    pub metadata: BTreeMap<String, String>,
}

impl Attributes {
    /// The most bytes that the names and values of the user's metadata take together (S3: 2 KB).
    pub const METADATA_LEN_MAX: usize = 2048;

    /// Bytes of the names and values of the user's metadata.
    #[must_use]
    pub fn metadata_len(&self) -> usize {
        self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

/// A byte range as HTTP writes it (RFC 9110, section 14.1.2), one range only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From a first byte to a last one, inclusive, or to the end.
    From {
        /// The first byte's offset.
        first: u64,
        /// The last byte's offset, inclusive.
        last: Option<u64>,
    },
    /// The last so many bytes.
    Suffix(u64),
}

impl ByteRange {
    /// Offset and length within a value of `size` bytes; nothing when the range lies outside it.
    #[must_use]
    pub fn resolve(self, size: u64) -> Option<(u64, u64)> {
        match self {
            Self::From { first, last } => {
                let last = last.unwrap_or(u64::MAX).min(size.checked_sub(1)?);
                (first <= last).then(|| (first, last - first + 1))
            }
            Self::Suffix(length) => {
                let length = length.min(size);
                (length > 0).then_some((size - length, length))
            }
        }
    }
}

/// An ETag in a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EtagCondition {
    /// `*`: any version.
    Any,
    /// One ETag, without its quotes.
    Etag(String),
}

impl EtagCondition {
    /// Whether it names this ETag.
    #[must_use]
    pub fn matches(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Etag(wanted) => wanted == etag,
        }
    }
}

/// Conditions of a request (RFC 9110, section 13). They look at the caller's view alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// `If-Match`.
    pub if_match: Option<EtagCondition>,
    /// `If-None-Match`.
    pub if_none_match: Option<EtagCondition>,
    /// `If-Modified-Since`, seconds since 1970.
    pub if_modified_since_s: Option<i64>,
    /// `If-Unmodified-Since`, seconds since 1970.
    pub if_unmodified_since_s: Option<i64>,
    /// `x-amz-if-match-last-modified-time` of a deletion, seconds since 1970.
    pub if_match_modified_s: Option<i64>,
    /// `x-amz-if-match-size` of a deletion.
    pub if_match_size: Option<u64>,
}

/// One object of a DeleteObjects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The object's key.
    pub key: ObjectKey,
    /// The version to remove; none leaves a marker where S3 does.
    pub version: Option<VersionId>,
    /// What must hold of the object.
    pub conditions: Conditions,
}

/// What a listing asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Only keys that start with this.
    pub prefix: String,
    /// Keys that share what stands between the prefix and this are folded into one common prefix.
    pub delimiter: Option<String>,
    /// Begin after this key (or common prefix).
    pub after: Option<String>,
    /// In a listing of versions or uploads: begin within the key `after`, after this version or upload.
    pub after_id: Option<String>,
    /// At most so many keys and common prefixes, 0 to 1,000.
    pub limit: u16,
}

/// One part as the completing client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// The part's number.
    pub number: PartNumber,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its checksum, if the client repeats it.
    pub checksum: Option<Checksum>,
}

/// The checksums that S3 offers (S3 user guide, "Checking object integrity").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the algorithms' own names")]
pub enum ChecksumAlgorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl ChecksumAlgorithm {
    /// The header or trailer that carries it.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The name in `x-amz-checksum-algorithm`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];
}

/// Whether a checksum of an object in parts is composed of the parts' or that of the whole (`x-amz-checksum-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// The checksum of the parts' checksums.
    Composite,
    /// The checksum of the content, as if it had come in one piece.
    FullObject,
}

impl ChecksumKind {
    /// What a checksum's value says: behind a composed one stands the number of parts.
    #[must_use]
    pub fn of(value: &str) -> Self {
        if value.contains('-') { Self::Composite } else { Self::FullObject }
    }

    /// The name in `x-amz-checksum-type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Composite => "COMPOSITE",
            Self::FullObject => "FULL_OBJECT",
        }
    }
}

/// The checksum that an upload in parts will carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadChecksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// How the parts' make the object's.
    pub kind: ChecksumKind,
}

impl UploadChecksum {
    /// What S3 takes when an upload names an algorithm alone: CRC64NVME is of whole objects, the others are composed.
    #[must_use]
    pub const fn usual(algorithm: ChecksumAlgorithm) -> Self {
        let kind = match algorithm {
            ChecksumAlgorithm::Crc64Nvme => ChecksumKind::FullObject,
            _ => ChecksumKind::Composite,
        };
        Self { algorithm, kind }
    }

    /// Whether S3 offers the two together: secure hashes cannot be combined, and CRC64NVME is never composed.
    #[must_use]
    pub const fn is_offered(self) -> bool {
        !matches!(
            (self.algorithm, self.kind),
            (ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256, ChecksumKind::FullObject)
                | (ChecksumAlgorithm::Crc64Nvme, ChecksumKind::Composite)
        )
    }
}

/// What a completing client says of the object that its parts make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpectedObject {
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// `x-amz-checksum-type`.
    pub kind: Option<ChecksumKind>,
    /// `x-amz-mp-object-size`.
    pub size: Option<u64>,
    /// The key that the parts were sent with.
    pub customer: Option<CustomerKey>,
}

/// A checksum's value, as the wire writes it: base64, with `-N` behind it when composed of N parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// The value in base64.
    pub value: String,
}

impl Checksum {
    /// Whether it is composed of parts' checksums: its value says so.
    #[must_use]
    pub fn kind(&self) -> ChecksumKind {
        ChecksumKind::of(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve_within_the_value() {
        let check = |range: ByteRange, size, expected| assert_eq!(range.resolve(size), expected, "{range:?} of {size}");
        let from = |first, last| ByteRange::From { first, last };
        check(from(0, None), 10, Some((0, 10)));
        check(from(2, Some(3)), 10, Some((2, 2)));
        check(from(9, Some(99)), 10, Some((9, 1)));
        check(from(10, None), 10, None);
        check(from(5, Some(4)), 10, None);
        check(from(0, None), 0, None);
        check(from(0, Some(u64::MAX)), u64::MAX, Some((0, u64::MAX)));
        check(ByteRange::Suffix(3), 10, Some((7, 3)));
        check(ByteRange::Suffix(30), 10, Some((0, 10)));
        check(ByteRange::Suffix(0), 10, None);
        check(ByteRange::Suffix(3), 0, None);
    }
}

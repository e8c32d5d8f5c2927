//! S3's checksums (S3 user guide, "Checking object integrity"): computed as bytes pass, and made of parts'.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm as Crc;
use fastness_operation::{Checksum, ChecksumAlgorithm, ChecksumKind, UploadChecksum};

const fn crc(algorithm: ChecksumAlgorithm) -> Option<(Crc, usize)> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some((Crc::Crc32IsoHdlc, 4)),
        ChecksumAlgorithm::Crc32c => Some((Crc::Crc32Iscsi, 4)),
        ChecksumAlgorithm::Crc64Nvme => Some((Crc::Crc64Nvme, 8)),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

fn crc_text(value: u64, length: usize) -> String {
    STANDARD.encode(value.to_be_bytes().get(8 - length..).unwrap_or_default())
}

/// One of S3's checksums, running.
pub enum ChecksumHasher {
    /// A cyclic redundancy check.
    Crc(ChecksumAlgorithm, Box<crc_fast::Digest>),
    /// A secure hash.
    Sha(ChecksumAlgorithm, digest::Context),
}

impl ChecksumHasher {
    /// Begins one.
    #[must_use]
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        match algorithm {
            ChecksumAlgorithm::Crc32 => Self::Crc(algorithm, Box::new(crc_fast::Digest::new(Crc::Crc32IsoHdlc))),
            ChecksumAlgorithm::Crc32c => Self::Crc(algorithm, Box::new(crc_fast::Digest::new(Crc::Crc32Iscsi))),
            ChecksumAlgorithm::Crc64Nvme => Self::Crc(algorithm, Box::new(crc_fast::Digest::new(Crc::Crc64Nvme))),
            ChecksumAlgorithm::Sha1 => Self::Sha(algorithm, digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            ChecksumAlgorithm::Sha256 => Self::Sha(algorithm, digest::Context::new(&digest::SHA256)),
        }
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha(_, context) => context.update(bytes),
        }
    }

    /// The checksum of all bytes taken.
    #[must_use]
    pub fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Self::Crc(algorithm, digest) => {
                let length = crc(algorithm).map_or(8, |(_, length)| length);
                (algorithm, crc_text(digest.finalize(), length))
            }
            Self::Sha(algorithm, context) => (algorithm, STANDARD.encode(context.finish().as_ref())),
        };
        Checksum { algorithm, value }
    }
}

/// The checksum of an object in parts, from each part's size and checksum. Nothing when a part lacks its own.
pub(crate) fn of_parts<'a>(
    upload: UploadChecksum,
    parts: impl ExactSizeIterator<Item = (u64, Option<&'a Checksum>)>,
) -> Option<Checksum> {
    let (algorithm, count) = (upload.algorithm, parts.len());
    let mut parts = parts.map(|(size, checksum)| {
        let checksum = checksum.filter(|checksum| checksum.algorithm == algorithm)?;
        Some((size, STANDARD.decode(&checksum.value).ok()?))
    });
    match upload.kind {
        ChecksumKind::Composite => {
            let mut hasher = ChecksumHasher::new(algorithm);
            parts.try_for_each(|part| {
                hasher.update(&part?.1);
                Some(())
            })?;
            let Checksum { algorithm, value } = hasher.finish();
            Some(Checksum { algorithm, value: format!("{value}-{count}") })
        }
        ChecksumKind::FullObject => {
            let (crc, length) = crc(algorithm)?;
            let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
            let whole = parts.try_fold(None, |whole, part| {
                let (size, bytes) = part?;
                let value = number(&bytes);
                Some(Some(whole.map_or(value, |whole| crc_fast::checksum_combine(crc, whole, value, size))))
            })??;
            Some(Checksum { algorithm, value: crc_text(whole, length) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = ChecksumHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn checksums_of_parts_make_that_of_the_whole() {
        let content: Vec<u8> = (0..100_000_u32).map(|number| ((number * 7) >> 3) as u8).collect();
        for algorithm in ChecksumAlgorithm::ALL {
            for cuts in [vec![content.len()], vec![1, 99_999], vec![0, 50_000, 49_999, 1, 0]] {
                let mut rest = content.as_slice();
                let mut parts = Vec::new();
                for size in cuts {
                    let (part, tail) = rest.split_at(size);
                    parts.push((size as u64, of(algorithm, part)));
                    rest = tail;
                }
                let made = |kind| {
                    let parts = parts.iter().map(|(size, checksum)| (*size, Some(checksum)));
                    of_parts(UploadChecksum { algorithm, kind }, parts)
                };
                match crc(algorithm) {
                    Some(_) => {
                        assert_eq!(made(ChecksumKind::FullObject), Some(of(algorithm, &content)), "{algorithm:?}")
                    }
                    None => assert_eq!(made(ChecksumKind::FullObject), None),
                }
                let composed = made(ChecksumKind::Composite).unwrap();
                assert!(composed.value.ends_with(&format!("-{}", parts.len())), "{composed:?}");
            }
        }
        assert_eq!(of_parts(UploadChecksum::usual(ChecksumAlgorithm::Crc32), [(1, None)].into_iter()), None);
    }
}

//! A request's body, and what its sender says that it is.

use bytes::Bytes;
use fastness_operation::{Checksum, ChecksumAlgorithm, Code};
use fastness_store::{Fault, Received};
use futures_util::stream::{self, BoxStream, StreamExt};

/// A body with what its sender claims of it.
pub struct Payload {
    pub(crate) stream: BoxStream<'static, Result<Bytes, Fault>>,
    pub(crate) expected: Expected,
}

/// What a sender claims of a body; checked before anything is committed.
#[derive(Default)]
pub struct Expected {
    /// `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// A checksum in a header, in a trailer, or merely asked for.
    pub checksum: Option<ExpectedChecksum>,
}

/// A checksum of a body, known now or at its end.
pub enum ExpectedChecksum {
    /// Sent in a header.
    Header(Checksum),
    /// To come in a trailer; the function yields it once the body has ended.
    Trailer(ChecksumAlgorithm, Box<dyn FnOnce() -> Option<String> + Send>),
    /// Only the algorithm was named: compute and keep it.
    Asked(ChecksumAlgorithm),
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload").finish_non_exhaustive()
    }
}

impl Payload {
    /// A body to be read once.
    #[must_use]
    pub fn new(stream: BoxStream<'static, Result<Bytes, Fault>>, expected: Expected) -> Self {
        Self { stream, expected }
    }

    /// No body.
    #[must_use]
    pub fn none() -> Self {
        Self { stream: stream::empty().boxed(), expected: Expected::default() }
    }
}

impl Expected {
    /// The checksum to compute while the body passes.
    pub(crate) fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.checksum.as_ref().map(|checksum| match checksum {
            ExpectedChecksum::Header(checksum) => checksum.algorithm,
            ExpectedChecksum::Trailer(algorithm, _) | ExpectedChecksum::Asked(algorithm) => *algorithm,
        })
    }

    /// Compares what came with what was claimed.
    pub(crate) fn check(self, received: &Received) -> Result<(), Fault> {
        if self.md5.is_some_and(|md5| md5 != received.md5) {
            let message = "The Content-MD5 you specified did not match what we received.";
            return Err(Fault::refused(Code::BadDigest, message));
        }
        let claimed = match self.checksum {
            None | Some(ExpectedChecksum::Asked(_)) => return Ok(()),
            Some(ExpectedChecksum::Header(checksum)) => checksum,
            Some(ExpectedChecksum::Trailer(algorithm, value)) => {
                let missing = || Fault::refused(Code::InvalidRequest, "the trailer that was announced did not come");
                Checksum { algorithm, value: value().ok_or_else(missing)? }
            }
        };
        if received.checksum.as_ref() == Some(&claimed) {
            return Ok(());
        }
        let name = claimed.algorithm.name();
        Err(Fault::refused(Code::BadDigest, format!("The {name} you specified did not match the calculated checksum.")))
    }
}

//! Receiving a value: hashed, sealed and written as it streams in, with bounded memory. Small values stay in memory
//! and go into the catalog with their version; larger ones become a file that the commit makes real.

use crate::blob::BlobWriter;
use crate::catalog::Turn;
use crate::disk::OpenMode;
use crate::partition::{Partition, RESERVE_LEN};
use crate::records::{Piece, Place};
use crate::{Fault, Store, blobs};
use aws_lc_rs::digest;
use base64::Engine;
use bytes::{Bytes, BytesMut};
use fastness_decide::Permit;
use fastness_operation::{Checksum, ChecksumAlgorithm, Code, Operation};
use futures_util::{Stream, StreamExt};
use md5::{Digest, Md5};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Values up to this many bytes lie in the catalog; larger ones in files of their own.
/// Measured: `docs/measurements/`, "where small values lie".
pub const INLINE_LEN_MAX: usize = 32 * 1024;

/// The most bytes of one PUT or one part (S3: 5 GiB).
pub const VALUE_LEN_MAX: u64 = 5 << 30;

/// Chunks that may wait between the network and the disk, for each upload.
const CHUNKS_WAITING_MAX: usize = 8;

/// The largest chunk handed on in one piece; larger ones are cut.
const CHUNK_LEN_MAX: usize = 256 * 1024;

/// A value that has arrived whole and is sealed, and is not yet part of any object. Dropping it removes it.
#[derive(Debug)]
pub struct Received {
    /// Bytes of content.
    pub size: u64,
    /// MD5 of the content.
    pub md5: [u8; 16],
    /// The checksum, with the algorithm that was asked for.
    pub checksum: Option<Checksum>,
    partition: Arc<Partition>,
    draft: Option<Draft>,
    sealed: Option<Vec<u8>>,
    /// The file to remove if the value is never committed.
    file: Option<[u8; 16]>,
}

/// A piece without its place.
#[derive(Debug)]
pub(crate) struct Draft {
    size: u64,
    erasure: u64,
    key: Vec<u8>,
    blob: Option<[u8; 16]>,
}

impl Received {
    pub(crate) fn take(&mut self) -> (Option<Vec<u8>>, Option<Draft>) {
        (self.sealed.take(), self.draft.take())
    }

    /// The commit succeeded: the file belongs to an object now, and moves to its place.
    pub(crate) fn settle(mut self) {
        if let Some(id) = self.file.take() {
            blobs::settle(&self.partition, &id);
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(id) = self.file.take() {
            discard(&self.partition, &id);
        }
    }
}

fn discard(partition: &Partition, id: &[u8; 16]) {
    if let Err(error) = partition.disk.remove(&blobs::incoming_name(id)) {
        tracing::warn!(%error, "an unfinished value is left in `incoming/` until the next start");
    }
}

/// Writes the small value into the catalog, or names the file, within the turn that commits it.
pub(crate) fn place(turn: &mut Turn<'_>, sealed: Option<Vec<u8>>, draft: Option<Draft>) -> Result<Vec<Piece>, Fault> {
    let Some(draft) = draft else { return Ok(Vec::new()) };
    let place = match (draft.blob, sealed) {
        (Some(id), _) => Place::Blob(id),
        (None, Some(sealed)) => {
            let number = turn.next_sequence();
            turn.inline.insert(number, sealed.as_slice())?;
            Place::Inline(number)
        }
        (None, None) => return Err(Fault::Failed("a received value has no content".to_owned())),
    };
    Ok(vec![Piece { size: draft.size, erasure: draft.erasure, key: draft.key, place }])
}

/// The digests that are computed as a value passes.
struct Digests {
    md5: Md5,
    checksum: Option<ChecksumHasher>,
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
        use crc_fast::CrcAlgorithm as Crc;
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
        let base64 = base64::engine::general_purpose::STANDARD;
        let (algorithm, value) = match self {
            Self::Crc(algorithm, digest) => {
                let value = digest.finalize().to_be_bytes();
                let length = if algorithm == ChecksumAlgorithm::Crc64Nvme { 8 } else { 4 };
                (algorithm, base64.encode(value.get(8 - length..).unwrap_or_default()))
            }
            Self::Sha(algorithm, context) => (algorithm, base64.encode(context.finish().as_ref())),
        };
        Checksum { algorithm, value }
    }
}

impl Digests {
    fn new(algorithm: Option<ChecksumAlgorithm>) -> Self {
        Self { md5: Md5::new(), checksum: algorithm.map(ChecksumHasher::new) }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
    }

    fn finish(self) -> ([u8; 16], Option<Checksum>) {
        (self.md5.finalize().into(), self.checksum.map(ChecksumHasher::finish))
    }
}

impl Store {
    /// Receives a value into the session's own partition. The stream's own error ends it, and nothing is left.
    ///
    /// # Errors
    /// The stream's fault, `EntityTooLarge`, `InsufficientStorage`, or a failure.
    pub async fn receive<S>(
        &self,
        permit: &Permit,
        mut stream: S,
        algorithm: Option<ChecksumAlgorithm>,
    ) -> Result<Received, Fault>
    where
        S: Stream<Item = Result<Bytes, Fault>> + Unpin + Send,
    {
        let (Operation::PutObject { .. }
        | Operation::CopyObject { .. }
        | Operation::UploadPart { .. }
        | Operation::UploadPartCopy { .. }) = permit.operation()
        else {
            return Err(Fault::mismatch());
        };
        let partition = self.own(permit)?;
        let mut small = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            if small.len() + chunk.len() > INLINE_LEN_MAX {
                return receive_large(partition, small.freeze(), chunk, stream, algorithm).await;
            }
            small.extend_from_slice(&chunk);
        }
        let mut digests = Digests::new(algorithm);
        digests.update(&small);
        let (md5, checksum) = digests.finish();
        let size = small.len() as u64;
        if small.is_empty() {
            return Ok(Received { size, md5, checksum, partition, draft: None, sealed: None, file: None });
        }
        check_room(&partition, size)?;
        let (key, erasure, wrapped) = partition.erasure.new_value_key()?;
        let sealed = key.seal_small(&small).map_err(|error| Fault::failed("sealing a value", error))?;
        let draft = Some(Draft { size, erasure, key: wrapped, blob: None });
        Ok(Received { size, md5, checksum, partition, draft, sealed: Some(sealed), file: None })
    }
}

fn check_room(partition: &Partition, size: u64) -> Result<(), Fault> {
    let free = partition.disk.free_bytes().map_err(|error| Fault::failed("asking for free space", error))?;
    if free < RESERVE_LEN + size {
        let message = "the disk has no room for more data; free some space and try again";
        return Err(Fault::refused(Code::InsufficientStorage, message));
    }
    Ok(())
}

async fn receive_large<S>(
    partition: Arc<Partition>,
    head: Bytes,
    next: Bytes,
    mut stream: S,
    algorithm: Option<ChecksumAlgorithm>,
) -> Result<Received, Fault>
where
    S: Stream<Item = Result<Bytes, Fault>> + Unpin + Send,
{
    check_room(&partition, (head.len() + next.len()) as u64)?;
    let (sender, receiver) = mpsc::channel::<Bytes>(CHUNKS_WAITING_MAX);
    let target = Arc::clone(&partition);
    let writer = tokio::task::spawn_blocking(move || write_blob(&target, receiver, algorithm));
    let mut size = 0_u64;
    let mut fault = None;
    let mut pending = [head, next].into_iter();
    'stream: loop {
        let mut chunk = match pending.next() {
            Some(chunk) => chunk,
            None => match stream.next().await {
                None => break,
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => {
                    fault = Some(error);
                    break;
                }
            },
        };
        size += chunk.len() as u64;
        if size > VALUE_LEN_MAX {
            let message = "Your proposed upload exceeds the maximum allowed size";
            fault = Some(Fault::refused(Code::EntityTooLarge, message));
            break;
        }
        while !chunk.is_empty() {
            let part = chunk.split_to(chunk.len().min(CHUNK_LEN_MAX));
            if sender.send(part).await.is_err() {
                // The writer ended early: its own fault says why.
                break 'stream;
            }
        }
    }
    drop(sender);
    let received = writer.await.map_err(|error| Fault::failed("writing a value", error))??;
    match fault {
        None => Ok(received),
        // Dropping what was received removes its file.
        Some(fault) => Err(fault),
    }
}

fn write_blob(
    partition: &Arc<Partition>,
    mut receiver: mpsc::Receiver<Bytes>,
    algorithm: Option<ChecksumAlgorithm>,
) -> Result<Received, Fault> {
    let id: [u8; 16] = rand::random();
    let (key, erasure, wrapped) = partition.erasure.new_value_key()?;
    let name = blobs::incoming_name(&id);
    let file = partition.disk.open(&name, OpenMode::CreateNew).map_err(|error| disk_fault(&error))?;
    let mut received = Received {
        size: 0,
        md5: [0; 16],
        checksum: None,
        partition: Arc::clone(partition),
        draft: None,
        sealed: None,
        file: Some(id),
    };
    let mut digests = Digests::new(algorithm);
    let mut writer = BlobWriter::new(file, &key).map_err(|error| disk_fault(&error))?;
    let mut checked = 0_u64;
    while let Some(chunk) = receiver.blocking_recv() {
        digests.update(&chunk);
        received.size += chunk.len() as u64;
        if received.size >= checked + (8 << 20) {
            checked = received.size;
            check_room(partition, 8 << 20)?;
        }
        writer.push(&chunk).map_err(|error| disk_fault(&error))?;
    }
    writer.finish().map_err(|error| disk_fault(&error))?;
    partition.disk.sync_folder("incoming").map_err(|error| disk_fault(&error))?;
    (received.md5, received.checksum) = digests.finish();
    received.draft = Some(Draft { size: received.size, erasure, key: wrapped, blob: Some(id) });
    Ok(received)
}

fn disk_fault(error: &std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Fault::refused(
            Code::InsufficientStorage,
            "the disk has no room for more data; free some space and try again",
        ),
        _ => Fault::failed("writing a value", error),
    }
}

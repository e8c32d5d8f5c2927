//! Receiving a value: hashed, sealed and written as it streams in, with bounded memory. Small values stay in memory
//! and go into the catalog with their version; larger ones become a file that the commit makes real.

use crate::blob::BlobWriter;
use crate::blobs::Incoming;
use crate::catalog::Turn;
use crate::checksums::ChecksumHasher;
use crate::customer::mixed;
use crate::disk::OpenMode;
use crate::partition::Partition;
use crate::records::{CustomerSeal, Piece, Place};
use crate::{Fault, Store, blobs};
use bytes::{Bytes, BytesMut};
use fastness_decide::Permit;
use fastness_operation::{Checksum, ChecksumAlgorithm, Code, CustomerKey, Operation};
use fastness_vault::ValueKey;
use futures_util::{Stream, StreamExt};
use std::sync::Arc;
use std::time::Duration;

/// Values up to this many bytes lie in the catalog; larger ones in files of their own.
/// Measured: at 32 KiB both are equally fast to write, below it the catalog wins
/// (`docs/measurements/2026-11-21-inline.md`).
pub const INLINE_LEN_MAX: usize = 32 * 1024;

/// The most bytes of one PUT or one part (S3: 5 GiB).
pub const VALUE_LEN_MAX: u64 = 5 << 30;

/// Bytes that are handed to a blocking thread at once.
const STEP_LEN: usize = 512 * 1024;

/// How long a client may take for the next bytes of a body.
pub const CHUNK_TIME_MAX: Duration = Duration::from_secs(60);

/// A value that has arrived whole and is sealed, and is not yet part of any object. Dropping it removes it.
#[derive(Debug)]
pub struct Received {
    /// Bytes of content.
    pub size: u64,
    /// MD5 of the content.
    pub md5: [u8; 16],
    /// The checksum, with the algorithm that was asked for.
    pub checksum: Option<Checksum>,
    /// How the caller's key is recognised, if the content is sealed under one.
    pub(crate) customer: Option<CustomerSeal>,
    draft: Option<Draft>,
}

/// A piece without its place.
#[derive(Debug)]
pub(crate) struct Draft {
    partition: Arc<Partition>,
    size: u64,
    /// Wrapped by the turn that commits it, and by no other: see [`crate::erasure`].
    key: ValueKey,
    content: Sealed,
}

#[derive(Debug)]
enum Sealed {
    Small(Vec<u8>),
    Large([u8; 16], Incoming),
}

impl Draft {
    /// A value that fits into a catalog's row, sealed.
    pub(crate) fn small(
        partition: &Arc<Partition>,
        plain: &[u8],
        customer: Option<(&CustomerSeal, &CustomerKey)>,
    ) -> Result<Self, Fault> {
        partition.erasure.prepare()?;
        let key = new_key()?;
        let sealing = mixed(&key, customer)?;
        let sealed = sealing
            .as_ref()
            .unwrap_or(&key)
            .seal_small(plain)
            .map_err(|error| Fault::failed("sealing a value", error))?;
        Ok(Self { partition: Arc::clone(partition), size: plain.len() as u64, key, content: Sealed::Small(sealed) })
    }

    /// A value in a file of its own, which `fill` writes. Its name is durable, and removed if nothing commits it.
    pub(crate) fn large<T>(
        partition: &Arc<Partition>,
        fill: impl FnOnce(&mut BlobWriter) -> Result<T, Fault>,
    ) -> Result<(Self, T), Fault> {
        let mut writing = Writing::begin(partition, (None, None))?;
        let filled = fill(&mut writing.writer)?;
        let Writing { partition, id, file, writer, key, .. } = writing;
        let size = writer.finish().map_err(|error| disk_fault(&error))?;
        partition.disk.sync_folder("incoming").map_err(|error| disk_fault(&error))?;
        partition.erasure.prepare()?;
        Ok((Self { partition, size, key, content: Sealed::Large(id, file) }, filled))
    }
}

fn new_key() -> Result<ValueKey, Fault> {
    ValueKey::generate().map_err(|error| Fault::failed("making a value's key", error))
}

impl Received {
    /// What was sealed at once.
    pub(crate) const fn sealed(size: u64, md5: [u8; 16], draft: Option<Draft>) -> Self {
        Self { size, md5, checksum: None, customer: None, draft }
    }

    pub(crate) const fn take(&mut self) -> Option<Draft> {
        self.draft.take()
    }
}

/// Writes the small value into the catalog, or names the file, within the turn that commits it.
pub(crate) fn place(turn: &mut Turn<'_>, draft: Option<Draft>) -> Result<Vec<Piece>, Fault> {
    let Some(Draft { partition, size, key, content }) = draft else { return Ok(Vec::new()) };
    let (erasure, key) = partition.erasure.wrap(&key)?;
    let place = match content {
        Sealed::Large(id, file) => {
            turn.settled.push(file);
            Place::Blob(id)
        }
        Sealed::Small(sealed) => {
            let number = turn.next_sequence();
            turn.inline.insert(number, sealed.as_slice())?;
            Place::Inline(number)
        }
    };
    Ok(vec![Piece { size, erasure, key, place }])
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
        let customer = match permit.operation() {
            Operation::PutObject { customer, .. } | Operation::CopyObject { customer, .. } => {
                let seal = |key: &CustomerKey| Ok::<_, Fault>((CustomerSeal::new(key)?, key.clone()));
                customer.as_ref().map(seal).transpose()?
            }
            // A part is sealed as its upload began.
            Operation::UploadPart { customer, .. } | Operation::UploadPartCopy { customer, .. } => {
                self.upload_seal(permit)?.zip(customer.clone())
            }
            _ => return Err(Fault::mismatch()),
        };
        let partition = self.own(permit)?;
        let mut small = BytesMut::new();
        while let Some(chunk) = next_chunk(&mut stream).await {
            let chunk = chunk?;
            if small.len() + chunk.len() > INLINE_LEN_MAX {
                return receive_large(partition, [small.freeze(), chunk], stream, (algorithm, customer)).await;
            }
            small.extend_from_slice(&chunk);
        }
        let md5 = md5_many::md5(&small);
        let checksum = algorithm.map(|algorithm| {
            let mut hasher = ChecksumHasher::new(algorithm);
            hasher.update(&small);
            hasher.finish()
        });
        let size = small.len() as u64;
        if small.is_empty() {
            let customer = customer.map(|(seal, _)| seal);
            return Ok(Received { size, md5, checksum, customer, draft: None });
        }
        check_room(&partition, size)?;
        let draft = Draft::small(&partition, &small, customer.as_ref().map(|(seal, key)| (seal, key)))?;
        let customer = customer.map(|(seal, _)| seal);
        Ok(Received { size, md5, checksum, customer, draft: Some(draft) })
    }
}

pub(crate) fn check_room(partition: &Partition, size: u64) -> Result<(), Fault> {
    if !partition.take_room(size)? {
        let message = "the disk has no room for more data; free some space and try again";
        return Err(Fault::refused(Code::InsufficientStorage, message));
    }
    Ok(())
}

/// The checksum that is asked for, and the caller's key with how it is recognised.
type Wanted = (Option<ChecksumAlgorithm>, Option<(CustomerSeal, CustomerKey)>);

/// A large value on its way to the disk. It changes hands between the request and the blocking threads step by step:
/// no thread is held for a client that takes its time.
struct Writing {
    partition: Arc<Partition>,
    id: [u8; 16],
    file: Incoming,
    writer: BlobWriter,
    checksum: Option<ChecksumHasher>,
    customer: Option<CustomerSeal>,
    key: ValueKey,
    size: u64,
    checked: u64,
}

impl Writing {
    fn begin(partition: &Arc<Partition>, (algorithm, customer): Wanted) -> Result<Self, Fault> {
        let id: [u8; 16] = rand::random();
        let key = new_key()?;
        let sealing = mixed(&key, customer.as_ref().map(|(seal, key)| (seal, key)))?;
        let customer = customer.map(|(seal, _)| seal);
        let name = blobs::incoming_name(&id);
        let target = partition.disk.open(&name, OpenMode::CreateNew).map_err(|error| disk_fault(&error))?;
        let file = Incoming::new(Arc::clone(partition), id);
        let writer = BlobWriter::new(target, sealing.as_ref().unwrap_or(&key)).map_err(|error| disk_fault(&error))?;
        let checksum = algorithm.map(ChecksumHasher::new);
        let partition = Arc::clone(partition);
        Ok(Self { partition, id, file, writer, checksum, customer, key, size: 0, checked: 0 })
    }

    fn push(mut self, step: &[u8]) -> Result<Self, Fault> {
        if let Some(checksum) = &mut self.checksum {
            checksum.update(step);
        }
        self.size += step.len() as u64;
        self.writer.push(step).map_err(|error| disk_fault(&error))?;
        if self.size >= self.checked + (8 << 20) {
            self.checked = self.size;
            check_room(&self.partition, 8 << 20)?;
        }
        Ok(self)
    }

    /// Everything but the MD5, which comes from elsewhere.
    fn finish(self) -> Result<Received, Fault> {
        self.writer.finish().map_err(|error| disk_fault(&error))?;
        self.partition.disk.sync_folder("incoming").map_err(|error| disk_fault(&error))?;
        let checksum = self.checksum.map(ChecksumHasher::finish);
        self.partition.erasure.prepare()?;
        let content = Sealed::Large(self.id, self.file);
        let draft = Draft { partition: self.partition, size: self.size, key: self.key, content };
        Ok(Received { size: self.size, md5: [0; 16], checksum, customer: self.customer, draft: Some(draft) })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Fault::failed("writing a value", error)))
}

/// The next chunk of a body, if it comes in time.
async fn next_chunk<S>(stream: &mut S) -> Option<Result<Bytes, Fault>>
where
    S: Stream<Item = Result<Bytes, Fault>> + Unpin + Send,
{
    tokio::time::timeout(CHUNK_TIME_MAX, stream.next()).await.unwrap_or_else(|_| {
        let message = "Your socket connection to the server was not read from or written to within the timeout period.";
        Some(Err(Fault::refused(Code::RequestTimeout, message)))
    })
}

async fn receive_large<S>(
    partition: Arc<Partition>,
    first: [Bytes; 2],
    mut stream: S,
    wanted: Wanted,
) -> Result<Received, Fault>
where
    S: Stream<Item = Result<Bytes, Fault>> + Unpin + Send,
{
    check_room(&partition, first.iter().map(|chunk| chunk.len() as u64).sum())?;
    let mut size = 0_u64;
    // While one step is written, the next is read, and some earlier ones are hashed.
    let hashing = partition.lanes.begin()?;
    let mut under_way: Pending = tokio::spawn(blocking(move || Writing::begin(&partition, wanted)));
    let mut buffer = BytesMut::with_capacity(STEP_LEN);
    let mut first = first.into_iter();
    loop {
        let mut chunk = match first.next() {
            Some(chunk) => chunk,
            None => match next_chunk(&mut stream).await {
                Some(chunk) => chunk?,
                None => break,
            },
        };
        size += chunk.len() as u64;
        if size > VALUE_LEN_MAX {
            let message = "Your proposed upload exceeds the maximum allowed size";
            return Err(Fault::refused(Code::EntityTooLarge, message));
        }
        while !chunk.is_empty() {
            let part = chunk.split_to(chunk.len().min(STEP_LEN - buffer.len()));
            buffer.extend_from_slice(&part);
            if buffer.len() == STEP_LEN {
                let step = std::mem::replace(&mut buffer, BytesMut::with_capacity(STEP_LEN)).freeze();
                hashing.push(step.clone()).await?;
                let writing = joined(under_way).await?;
                under_way = tokio::spawn(blocking(move || writing.push(&step)));
            }
        }
    }
    let step = buffer.freeze();
    hashing.push(step.clone()).await?;
    let writing = joined(under_way).await?;
    let finish = blocking(move || writing.push(&step)?.finish());
    let (md5, received) = tokio::join!(hashing.finish(), finish);
    Ok(Received { md5: md5?, ..received? })
}

type Pending = tokio::task::JoinHandle<Result<Writing, Fault>>;

async fn joined(pending: Pending) -> Result<Writing, Fault> {
    pending.await.unwrap_or_else(|error| Err(Fault::failed("writing a value", error)))
}

pub(crate) fn disk_fault(error: &std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Fault::refused(
            Code::InsufficientStorage,
            "the disk has no room for more data; free some space and try again",
        ),
        _ => Fault::failed("writing a value", error),
    }
}

//! Reading an object's content as a stream of plain bytes, a bounded number of them in memory.

use crate::blob::BlobReader;
use crate::blobs::Pin;
use crate::customer::mixed;
use crate::partition::Partition;
use crate::records::{CustomerSeal, Piece, Place};
use crate::view::Slice;
use crate::{Fault, blobs};
use bytes::Bytes;
use fastness_operation::CustomerKey;
use fastness_vault::ValueKey;
use futures_util::stream::{self, BoxStream, StreamExt};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use tokio::task::JoinHandle;

/// Plain bytes read, opened and handed on at once.
const STEP_LEN: u64 = 512 * 1024;

/// An object's content. Its first file is open; the others are opened one after the other as they are read, so that an
/// object of many parts holds few files. Values that lie in files are pinned: they stay although the object is removed.
pub struct Content {
    pieces: Vec<Open>,
    pin: Option<Pin>,
}

enum Open {
    Small(Bytes),
    Large(Arc<LargePiece>),
    /// Outside the range that is asked for.
    Skipped(u64),
}

/// A piece in a file, to be opened when it is read.
struct LargePiece {
    size: u64,
    id: [u8; 16],
    key: ValueKey,
    partition: Arc<Partition>,
    /// Opened by the first read; closed with the piece after its last.
    reader: OnceLock<Arc<BlobReader>>,
}

impl LargePiece {
    fn reader(&self) -> Result<Arc<BlobReader>, Fault> {
        if self.partition.pins.is_cut(&self.id) {
            return Err(Fault::Failed("the object was contained while it was read".to_owned()));
        }
        if let Some(reader) = self.reader.get() {
            return Ok(Arc::clone(reader));
        }
        let missing = || Fault::Failed("a value's file is missing".to_owned());
        let file = blobs::open(&self.partition, &self.id)?.ok_or_else(missing)?;
        let reader = BlobReader::new(file, &self.key, self.size);
        let reader = Arc::new(reader.map_err(|error| Fault::failed("opening a value", error))?);
        Ok(Arc::clone(self.reader.get_or_init(|| reader)))
    }
}

impl Open {
    fn size(&self) -> u64 {
        match self {
            Self::Small(bytes) => bytes.len() as u64,
            Self::Large(piece) => piece.size,
            Self::Skipped(size) => *size,
        }
    }
}

impl Content {
    /// Takes hold of the content from `offset`, `length` bytes of it; nothing when a file of it is gone already.
    pub(crate) fn open(
        slice: &Slice,
        (pieces, customer): (&[Piece], Option<(&CustomerSeal, &CustomerKey)>),
        offset: u64,
        length: u64,
    ) -> Result<Option<Self>, Fault> {
        let partition = &slice.partition;
        let end = offset.saturating_add(length);
        let mut start = 0_u64;
        let mut wanted = |piece: &Piece| {
            let first = start;
            start += piece.size;
            first < end && offset < start
        };
        let pieces: Vec<(&Piece, bool)> = pieces.iter().map(|piece| (piece, wanted(piece))).collect();
        let ids = pieces.iter().filter_map(|(piece, wanted)| match piece.place {
            Place::Blob(id) if *wanted => Some(id),
            _ => None,
        });
        let ids: Vec<[u8; 16]> = ids.collect();
        // First the pin, then a look whether the files are there: what is there now stays.
        let pin = (!ids.is_empty()).then(|| Pin::new(partition, ids.clone()));
        if ids.iter().any(|id| !blobs::is_there(partition, id)) {
            return Ok(None);
        }
        let open = |(piece, wanted): &(&Piece, bool)| {
            if !wanted {
                return Ok(Some(Open::Skipped(piece.size)));
            }
            // Its erasure key may be destroyed since the snapshot: what survived is under another one now.
            let Some(key) = partition.erasure.value_key(piece)? else { return Ok(None) };
            let key = mixed(&key, customer)?.unwrap_or(key);
            match piece.place {
                Place::Inline(number) => {
                    let opened = slice.reading.inline(number, |sealed| key.open_small(sealed))?;
                    let opened = opened.ok_or_else(|| Fault::Failed("a small value is missing".to_owned()))?;
                    let plain = opened.map_err(|error| Fault::failed("opening a value", error))?;
                    Ok(Some(Open::Small(Bytes::from(plain))))
                }
                Place::Blob(id) => {
                    let piece = LargePiece {
                        size: piece.size,
                        id,
                        key,
                        partition: Arc::clone(partition),
                        reader: OnceLock::new(),
                    };
                    Ok(Some(Open::Large(Arc::new(piece))))
                }
            }
        };
        let pieces = pieces.iter().map(open).collect::<Result<Option<Vec<Open>>, Fault>>()?;
        Ok(pieces.map(|pieces| Self { pieces, pin }))
    }

    /// Hands out the whole content, piece by piece, on the caller's thread. False when there is no more to have of it: it is
    /// damaged, or was contained meanwhile.
    ///
    /// # Errors
    /// A failure of the disk, which may not be there the next time.
    pub fn read(&self, mut take: impl FnMut(&[u8])) -> Result<bool, Fault> {
        for piece in &self.pieces {
            match piece {
                Open::Small(bytes) => take(bytes),
                Open::Skipped(_) => return Err(Fault::mismatch()),
                Open::Large(piece) => {
                    if piece.partition.pins.is_cut(&piece.id) {
                        return Ok(false);
                    }
                    let (reader, mut from) = (piece.reader()?, 0);
                    while from < piece.size {
                        let count = STEP_LEN.min(piece.size - from);
                        let length = usize::try_from(count).map_err(|error| Fault::failed("reading a value", error))?;
                        // No buffer is used twice: what one step left in it would be read as the next one's.
                        let mut out = zeroize::Zeroizing::new(Vec::new());
                        match reader.read(from, &mut out, length) {
                            Ok(()) => take(&out),
                            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Ok(false),
                            Err(error) => return Err(Fault::failed("reading a value", error)),
                        }
                        from += count;
                    }
                }
            }
        }
        Ok(true)
    }

    /// The bytes from `offset`, `length` of them, as a stream that reads one step ahead. A damaged file ends it with
    /// a fault.
    #[must_use]
    pub fn stream(self, offset: u64, length: u64) -> BoxStream<'static, Result<Bytes, Fault>> {
        let end = offset.saturating_add(length);
        let mut steps: VecDeque<Step> = VecDeque::new();
        let mut start = 0_u64;
        for piece in self.pieces {
            let size = piece.size();
            let (first, last) = (offset.max(start), end.min(start + size));
            if first < last {
                steps.push_back(Step { piece, from: first - start, left: last - first });
            }
            start += size;
        }
        let ahead = next_read(&mut steps);
        let pin = self.pin;
        stream::unfold((steps, ahead, pin), |(mut steps, ahead, pin)| async move {
            let read = ahead?;
            let bytes = match read {
                Read::Ready(bytes) => Ok(bytes),
                Read::Under(task) => task.await.unwrap_or_else(|error| Err(Fault::failed("reading a value", error))),
            };
            let ahead = if bytes.is_ok() { next_read(&mut steps) } else { None };
            Some((bytes, (steps, ahead, pin)))
        })
        .boxed()
    }
}

/// What is left to read of one piece.
struct Step {
    piece: Open,
    from: u64,
    left: u64,
}

enum Read {
    Ready(Bytes),
    Under(JoinHandle<Result<Bytes, Fault>>),
}

fn next_read(steps: &mut VecDeque<Step>) -> Option<Read> {
    let step = steps.front_mut()?;
    let (from, count) = (step.from, step.left.min(STEP_LEN));
    let read = match &step.piece {
        Open::Small(bytes) => {
            let first = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
            let last = usize::try_from(from + step.left).unwrap_or(usize::MAX).min(bytes.len());
            let read = Read::Ready(bytes.slice(first..last));
            steps.pop_front();
            return Some(read);
        }
        Open::Skipped(_) => {
            steps.pop_front();
            return Some(Read::Ready(Bytes::new()));
        }
        Open::Large(piece) => {
            let piece = Arc::clone(piece);
            Read::Under(tokio::task::spawn_blocking(move || {
                let reader = piece.reader()?;
                let length = usize::try_from(count).map_err(|error| Fault::failed("reading a value", error))?;
                // The reader makes it as long as it needs, tags included: one that is nearly long enough would be copied.
                let mut out = Vec::new();
                reader.read(from, &mut out, length).map_err(|error| Fault::failed("reading a value", error))?;
                Ok(Bytes::from(out))
            }))
        }
    };
    step.from += count;
    step.left -= count;
    if step.left == 0 {
        steps.pop_front();
    }
    Some(read)
}

//! Reading an object's content as a stream of plain bytes, a bounded number of them in memory.

use crate::blob::BlobReader;
use crate::records::{Piece, Place};
use crate::view::Slice;
use crate::{Fault, blobs};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Plain bytes read, opened and handed on at once.
const STEP_LEN: u64 = 512 * 1024;

/// An object's content, opened: its files stay readable even when the object is removed meanwhile.
pub struct Content {
    pieces: Vec<Open>,
}

enum Open {
    Small(Bytes),
    Large(u64, Arc<BlobReader>),
}

impl Open {
    const fn size(&self) -> u64 {
        match self {
            Self::Small(bytes) => bytes.len() as u64,
            Self::Large(size, _) => *size,
        }
    }
}

impl Content {
    pub(crate) fn open(slice: &Slice, pieces: Vec<Piece>) -> Result<Self, Fault> {
        let partition = &slice.partition;
        let open = |piece: &Piece| {
            let key = partition.erasure.value_key(piece)?;
            match piece.place {
                Place::Inline(number) => {
                    let sealed = slice.reading.inline(number)?;
                    let sealed = sealed.ok_or_else(|| Fault::Failed("a small value is missing".to_owned()))?;
                    let plain = key.open_small(&sealed).map_err(|error| Fault::failed("opening a value", error))?;
                    Ok(Open::Small(Bytes::from(plain)))
                }
                Place::Blob(id) => {
                    let file = blobs::open(partition, &id)?;
                    let reader = BlobReader::new(file, &key, piece.size)
                        .map_err(|error| Fault::failed("opening a value", error))?;
                    Ok(Open::Large(piece.size, Arc::new(reader)))
                }
            }
        };
        Ok(Self { pieces: pieces.iter().map(open).collect::<Result<_, Fault>>()? })
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
        stream::unfold((steps, ahead), |(mut steps, ahead)| async move {
            let read = ahead?;
            let bytes = match read {
                Read::Ready(bytes) => Ok(bytes),
                Read::Under(task) => task.await.unwrap_or_else(|error| Err(Fault::failed("reading a value", error))),
            };
            let ahead = if bytes.is_ok() { next_read(&mut steps) } else { None };
            Some((bytes, (steps, ahead)))
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
        Open::Large(_, reader) => {
            let reader = Arc::clone(reader);
            Read::Under(tokio::task::spawn_blocking(move || {
                let length = usize::try_from(count).map_err(|error| Fault::failed("reading a value", error))?;
                let mut out = Vec::with_capacity(length);
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

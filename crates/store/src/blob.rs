//! One large value in a file of its own, sealed in frames.
//!
//! Every byte is described in `docs/formats/pages-and-blobs.md`.

use crate::disk::DiskFile;
use fastness_vault::{FRAME_LEN, FrameCipher, FramePlace, SEALED_FRAME_LEN, TAG_LEN, ValueKey, VaultError};
use std::{fmt, io, sync::Arc};

const MAGIC: &[u8; 8] = b"FASTBLOB";
const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 4;

/// Frames written, or read, with one call to the disk; it bounds the buffers.
const GROUP: usize = 16;
/// Sizes are rounded up to multiples of this, or of more for larger values.
const PADDING: u64 = 4096;

/// Length of the padded value: what a thief of the disk learns of `length`. At most 64 classes for each
/// doubling, so up to 1.6 % is added, or 4 KiB.
#[must_use]
pub fn padded_length(length: u64) -> u64 {
    let step = match length.checked_ilog2() {
        Some(bits) => PADDING.max(1 << bits.saturating_sub(6)),
        None => PADDING,
    };
    length.max(1).div_ceil(step).saturating_mul(step)
}

/// Length of the file that holds a value of `length` bytes.
#[must_use]
pub fn file_length(length: u64) -> u64 {
    let padded = padded_length(length);
    HEADER as u64 + padded + padded.div_ceil(FRAME_LEN as u64) * TAG_LEN as u64
}

/// Writes one value from its beginning to its end.
///
/// What is dropped before [`BlobWriter::finish`] leaves a file that no reader accepts.
pub struct BlobWriter {
    file: Arc<dyn DiskFile>,
    cipher: FrameCipher,
    /// Sealed frames that are not written yet, then the plain bytes of the current frame.
    buffer: Vec<u8>,
    /// Where in the buffer the current frame begins.
    current: usize,
    /// The current frame's number.
    index: u64,
    /// Bytes on the disk.
    written: u64,
    length: u64,
}

impl BlobWriter {
    /// A writer into an empty file. The key must not have sealed anything before.
    ///
    /// # Errors
    /// When the key is refused.
    pub fn new(file: Arc<dyn DiskFile>, key: &ValueKey) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(HEADER + SEALED_FRAME_LEN);
        buffer.extend_from_slice(&header());
        Ok(Self {
            file,
            cipher: key.frames().map_err(io::Error::other)?,
            buffer,
            current: HEADER,
            index: 0,
            written: 0,
            length: 0,
        })
    }

    /// Appends to the value.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn push(&mut self, data: &[u8]) -> io::Result<()> {
        self.length += data.len() as u64;
        self.fill(data)
    }

    /// Pads, seals the last frame, makes the file durable, and returns the value's length. The file's name
    /// becomes durable with its folder, which is for the caller to sync.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn finish(mut self) -> io::Result<u64> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut missing = padded_length(self.length) - self.length;
        while missing > 0 {
            let (zeros, _) = ZEROS.split_at(missing.min(ZEROS.len() as u64) as usize);
            self.fill(zeros)?;
            missing -= zeros.len() as u64;
        }
        let (index, length) = (self.index, self.length);
        self.seal(FramePlace::Last { index, length })?;
        self.flush()?;
        self.file.sync_data()?;
        Ok(length)
    }

    fn fill(&mut self, data: &[u8]) -> io::Result<()> {
        let mut rest = data;
        while !rest.is_empty() {
            let room = FRAME_LEN - (self.buffer.len() - self.current);
            if room == 0 {
                // A full frame is sealed only when more follows: until then it may be the last.
                let index = self.index;
                self.seal(FramePlace::Middle { index })?;
                if self.buffer.len() >= GROUP * SEALED_FRAME_LEN {
                    self.flush()?;
                }
                continue;
            }
            let (part, after) = rest.split_at(room.min(rest.len()));
            self.buffer.extend_from_slice(part);
            rest = after;
        }
        Ok(())
    }

    fn seal(&mut self, place: FramePlace) -> io::Result<()> {
        self.buffer.extend_from_slice(&[0; TAG_LEN]);
        let (_, frame) = self.buffer.split_at_mut(self.current);
        self.cipher.seal_in_place(place, frame).map_err(io::Error::other)?;
        self.current = self.buffer.len();
        self.index += 1;
        Ok(())
    }

    /// INVARIANT: called only when no plain byte is in the buffer.
    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(self.written, &self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.current = 0;
        Ok(())
    }
}

impl fmt::Debug for BlobWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlobWriter({} bytes)", self.length)
    }
}

/// Reads any part of a value.
#[derive(Debug)]
pub struct BlobReader {
    file: Arc<dyn DiskFile>,
    cipher: FrameCipher,
    length: u64,
    padded: u64,
}

impl BlobReader {
    /// A reader of the value of `plain_length` bytes, as the catalog has it.
    ///
    /// # Errors
    /// `InvalidData` when the file is not ours or has not the length that such a value's file has.
    pub fn new(file: Arc<dyn DiskFile>, key: &ValueKey, plain_length: u64) -> io::Result<Self> {
        let mut start = [0; HEADER];
        let there = file.read_at(0, &mut start)?;
        if there < HEADER || start != header() {
            return Err(damaged("the file does not begin as a blob of version 1"));
        }
        if file.len()? != file_length(plain_length) {
            return Err(damaged("the blob has not the length that its catalog states"));
        }
        Ok(Self {
            file,
            cipher: key.frames().map_err(io::Error::other)?,
            length: plain_length,
            padded: padded_length(plain_length),
        })
    }

    /// Fills `out` with at most `length` bytes from `offset` on, fewer where the value ends. One call to the
    /// disk for each megabyte. A buffer used again costs no allocation, and less when it was not cleared.
    ///
    /// # Errors
    /// `InvalidData` when a frame is damaged; `out` is empty then.
    pub fn read(&self, offset: u64, out: &mut Vec<u8>, length: usize) -> io::Result<()> {
        let end = offset.saturating_add(length as u64).min(self.length);
        if offset >= end {
            out.clear();
            return Ok(());
        }
        let result = self.read_frames(offset, end, out);
        if result.is_err() {
            out.clear();
        }
        result
    }

    /// Reads the frames into `out` behind what is finished there, opens each where it lies, and moves its
    /// wanted part to the front.
    fn read_frames(&self, offset: u64, end: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let frame_len = FRAME_LEN as u64;
        let (mut index, beyond) = (offset / frame_len, end.div_ceil(frame_len));
        let mut done = 0;
        // Whole frames of plain bytes, and one group's tags: a group is read only after the one before
        // it has been stripped of its own.
        let frames = self.padded.min(beyond * frame_len) - index * frame_len;
        out.resize(frames as usize + GROUP * TAG_LEN, 0);
        while index < beyond {
            let until = beyond.min(index + GROUP as u64);
            let length = self.sealed_length(index, until);
            let place = HEADER as u64 + index * SEALED_FRAME_LEN as u64;
            let group = out.get_mut(done..done + length).ok_or_else(short)?;
            if self.file.read_at(place, group)? != length {
                return Err(damaged("the blob was cut short"));
            }
            let mut start = done;
            for number in index..until {
                let length = self.sealed_length(number, number + 1);
                let frame = out.get_mut(start..start + length).ok_or_else(short)?;
                let place = self.place(number);
                self.cipher.open_in_place(place, frame).map_err(refused)?;
                let from = offset.saturating_sub(number * frame_len) as usize;
                let to = (end - number * frame_len).min(frame_len) as usize;
                out.copy_within(start + from..start + to, done);
                done += to - from;
                start += length;
            }
            index = until;
        }
        out.truncate(done);
        Ok(())
    }

    /// Bytes on the disk of the frames from `first` to before `until`.
    fn sealed_length(&self, first: u64, until: u64) -> usize {
        let frame_len = FRAME_LEN as u64;
        let plain = self.padded.min(until * frame_len) - first * frame_len;
        (plain + (until - first) * TAG_LEN as u64) as usize
    }

    fn place(&self, index: u64) -> FramePlace {
        if (index + 1) * FRAME_LEN as u64 >= self.padded {
            FramePlace::Last { index, length: self.length }
        } else {
            FramePlace::Middle { index }
        }
    }
}

fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let (magic, rest) = header.split_at_mut(8);
    let (version, frame) = rest.split_at_mut(4);
    magic.copy_from_slice(MAGIC);
    version.copy_from_slice(&VERSION.to_le_bytes());
    frame.copy_from_slice(&(FRAME_LEN as u32).to_le_bytes());
    header
}

fn refused(error: VaultError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn damaged(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn short() -> io::Error {
    io::Error::other("a blob's buffer is too short")
}

#[cfg(test)]
mod tests;

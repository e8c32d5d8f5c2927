//! The plain stream in sealed frames (docs/formats/vault.md, "Frames"), written once and read from anywhere.

use crate::{BUNDLE_LEN_MAX, BundleError, PREFIX_LEN, Part};
use fastness_vault::{FRAME_LEN, FrameCipher, FramePlace, SEALED_FRAME_LEN, TAG_LEN};
use std::io::{Read, Seek, SeekFrom, Write};
use zeroize::Zeroizing;

/// Bytes of the shortest bundle: no stream is padded to less than a frame.
pub(crate) const LEN_MIN: u64 = PREFIX_LEN + SEALED_FRAME_LEN as u64;

/// The length of the stream in a file of this length; nothing when no stream makes such a file.
pub(crate) fn plain_len(file_len: u64) -> Option<u64> {
    let sealed = file_len.checked_sub(PREFIX_LEN)?;
    let frames = sealed.div_ceil(SEALED_FRAME_LEN as u64);
    let plain = sealed.checked_sub(frames.checked_mul(TAG_LEN as u64)?)?;
    (plain > 0 && file_len_of(plain) == Some(file_len)).then_some(plain)
}

/// The length of the file that a stream of this length makes.
pub(crate) fn file_len_of(plain: u64) -> Option<u64> {
    let tags = plain.div_ceil(FRAME_LEN as u64).checked_mul(TAG_LEN as u64)?;
    plain.checked_add(tags)?.checked_add(PREFIX_LEN)
}

/// Seals a stream into a file, from where the file stands.
pub(crate) struct FrameWriter<W> {
    file: W,
    cipher: FrameCipher,
    /// The plain bytes of the frame that is open; there is always one, since only the last knows that it is.
    frame: Zeroizing<Vec<u8>>,
    index: u64,
    length: u64,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(file: W, cipher: FrameCipher) -> Self {
        // Room for the tag from the start: growing would leave a copy of the frame behind.
        let frame = Zeroizing::new(Vec::with_capacity(SEALED_FRAME_LEN));
        Self { file, cipher, frame, index: 0, length: 0 }
    }

    /// Plain bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), BundleError> {
        let found = self.length.saturating_add(bytes.len() as u64);
        if found > BUNDLE_LEN_MAX {
            return Err(BundleError::Oversized { what: "bytes", found, most: BUNDLE_LEN_MAX });
        }
        while !bytes.is_empty() {
            if self.frame.len() == FRAME_LEN {
                let index = self.index;
                self.seal(FramePlace::Middle { index })?;
                self.index += 1;
            }
            let (now, later) = bytes.split_at(bytes.len().min(FRAME_LEN - self.frame.len()));
            self.frame.extend_from_slice(now);
            self.length += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Writes zeros until there are so many plain bytes.
    pub(crate) fn zeros_until(&mut self, length: u64) -> Result<(), BundleError> {
        const ZEROS: [u8; 4096] = [0; 4096];
        while self.length < length {
            let missing = usize::try_from(length - self.length).unwrap_or(usize::MAX).min(ZEROS.len());
            self.write(ZEROS.split_at(missing).0)?;
        }
        Ok(())
    }

    /// Ends the stream. The file, and the stream's length.
    pub(crate) fn finish(mut self) -> Result<(W, u64), BundleError> {
        let (index, length) = (self.index, self.length);
        self.seal(FramePlace::Last { index, length })?;
        Ok((self.file, length))
    }

    fn seal(&mut self, place: FramePlace) -> Result<(), BundleError> {
        self.frame.extend_from_slice(&[0; TAG_LEN]);
        self.cipher.seal_in_place(place, &mut self.frame).map_err(|_| BundleError::Sealing)?;
        self.file.write_all(&self.frame)?;
        self.frame.clear();
        Ok(())
    }
}

/// Opens the stream of a file, a frame at a time.
pub(crate) struct FrameReader<R> {
    file: R,
    cipher: FrameCipher,
    length: u64,
    frame: Zeroizing<Vec<u8>>,
    /// Which frame is open: neighbours that share one need it opened once.
    open: Option<u64>,
}

impl<R: Read + Seek> FrameReader<R> {
    /// The stream of `length` plain bytes in a file.
    pub(crate) fn new(file: R, cipher: FrameCipher, length: u64) -> Self {
        Self { file, cipher, length, frame: Zeroizing::new(Vec::with_capacity(SEALED_FRAME_LEN)), open: None }
    }

    /// Hands out the bytes from `offset` on, piece by piece. What is not in the stream, and a frame that does not
    /// open, is damage to `part`.
    pub(crate) fn read(
        &mut self,
        part: Part,
        mut offset: u64,
        mut length: u64,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), BundleError> {
        while length > 0 {
            self.open_frame(part, offset / FRAME_LEN as u64)?;
            let start = usize::try_from(offset % FRAME_LEN as u64).unwrap_or(usize::MAX);
            let here = self.frame.get(start..).unwrap_or_default();
            let here = here.get(..usize::try_from(length).unwrap_or(usize::MAX).min(here.len())).unwrap_or_default();
            if here.is_empty() {
                return Err(BundleError::Damaged(part));
            }
            take(here);
            offset += here.len() as u64;
            length -= here.len() as u64;
        }
        Ok(())
    }

    /// Opens a frame, unless it is the one that is open.
    fn open_frame(&mut self, part: Part, index: u64) -> Result<(), BundleError> {
        if self.open == Some(index) {
            return Ok(());
        }
        self.open = None;
        let plain_start = index.checked_mul(FRAME_LEN as u64).filter(|start| *start < self.length);
        let plain_start = plain_start.ok_or(BundleError::Damaged(part))?;
        let rest = self.length - plain_start;
        let plain_len = usize::try_from(rest).unwrap_or(usize::MAX).min(FRAME_LEN);
        let place = if rest <= FRAME_LEN as u64 {
            FramePlace::Last { index, length: self.length }
        } else {
            FramePlace::Middle { index }
        };
        self.frame.resize(plain_len + TAG_LEN, 0);
        self.file.seek(SeekFrom::Start(PREFIX_LEN + index * SEALED_FRAME_LEN as u64))?;
        self.file.read_exact(&mut self.frame)?;
        self.cipher.open_in_place(place, &mut self.frame).map_err(|_| BundleError::Damaged(part))?;
        self.frame.truncate(plain_len);
        self.open = Some(index);
        Ok(())
    }
}

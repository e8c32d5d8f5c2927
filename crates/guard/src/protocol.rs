//! How the guard and its filters speak: messages of parts over a pipe (`docs/formats/filter.md`).
//!
//! A message is the number of its parts, then each part's length and bytes. The first part says what the others are.
//! Neither side believes a length: memory grows with what arrives, and what is more than agreed ends the talk.

use std::io::{Error, ErrorKind, IoSlice, Read, Result, Write};

/// The most parts of a message: the first, and what a task or an answer carries.
pub(crate) const PARTS_MAX: u32 = 1 << 20;

/// What is read of a pipe at once.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;

/// Buffers of a message that go to the kernel at once; it takes 1,024 at most.
const SLICES_MAX: usize = 512;

/// Reads a message whose first part has at most so many bytes, and the others together; nothing if the other side closed
/// before it began.
pub(crate) fn read(from: &mut impl Read, head_max: usize, rest_max: usize) -> Result<Option<Vec<Vec<u8>>>> {
    let Some((head, mut rest)) = begin(from, head_max, rest_max)? else { return Ok(None) };
    let mut parts = vec![head];
    while rest.left > 0 {
        let mut part = Vec::new();
        rest.next(&mut part)?;
        parts.push(part);
    }
    Ok(Some(parts))
}

/// The parts of a message behind the first one, read one by one.
#[derive(Debug)]
pub(crate) struct Rest<'f, F> {
    from: &'f mut F,
    /// Parts that were not read yet.
    pub(crate) left: u32,
    /// Bytes that they may have together.
    bytes_left: usize,
}

/// Reads the first part of a message, with the bounds of [`read`].
pub(crate) fn begin<F: Read>(from: &mut F, head_max: usize, rest_max: usize) -> Result<Option<(Vec<u8>, Rest<'_, F>)>> {
    let (mut first, mut rest) = ([0; 1], [0; 3]);
    if from.read(&mut first)? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut rest)?;
    let ([a], [b, c, d]) = (first, rest);
    let count = u32::from_le_bytes([a, b, c, d]);
    if count == 0 || count > PARTS_MAX {
        return Err(Error::new(ErrorKind::InvalidData, "a message of no or too many parts"));
    }
    let mut rest = Rest { from, left: count, bytes_left: head_max };
    let mut head = Vec::new();
    rest.next(&mut head)?;
    rest.bytes_left = rest_max;
    Ok(Some((head, rest)))
}

impl<F: Read> Rest<'_, F> {
    /// Reads the next part in place of what `part` holds. To be called while parts are left.
    pub(crate) fn next(&mut self, part: &mut Vec<u8>) -> Result<()> {
        let mut word = [0; 4];
        self.from.read_exact(&mut word)?;
        let length = usize::try_from(u32::from_le_bytes(word)).unwrap_or(usize::MAX);
        let left = self.bytes_left.checked_sub(length);
        self.bytes_left = left.ok_or_else(|| Error::new(ErrorKind::InvalidData, "a message that is too long"))?;
        self.left = self.left.saturating_sub(1);
        read_part(self.from, length, part)
    }
}

/// Room is made for what is there: at most a MiB ahead of it.
fn read_part(from: &mut impl Read, length: usize, part: &mut Vec<u8>) -> Result<()> {
    part.clear();
    part.reserve(length.min(1 << 20));
    let limit = u64::try_from(length).unwrap_or(u64::MAX);
    from.take(limit).read_to_end(part)?;
    if part.len() == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// Writes a message. The parts go from where they lie: none is copied on its way to the kernel.
pub(crate) fn write(to: &mut impl Write, parts: &[&[u8]]) -> Result<()> {
    let too_long = || Error::new(ErrorKind::InvalidInput, "a message that is too long");
    let count = u32::try_from(parts.len()).map_err(|_| too_long())?.to_le_bytes();
    let length = |part: &&[u8]| u32::try_from(part.len()).map(u32::to_le_bytes).map_err(|_| too_long());
    let lengths = parts.iter().map(length).collect::<Result<Vec<_>>>()?;
    let mut wire = vec![IoSlice::new(&count)];
    for (length, part) in lengths.iter().zip(parts) {
        wire.extend([IoSlice::new(length), IoSlice::new(part)]);
    }
    let mut left = wire.as_mut_slice();
    while !left.is_empty() {
        match to.write_vectored(left.get(..SLICES_MAX).unwrap_or(left)) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..9)) {
            let mut wire = Vec::new();
            write(&mut wire, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(read(&mut wire.as_slice(), 40, 400).unwrap(), Some(parts));
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&mut bytes.as_slice(), 1_000, 1_000);
        }
    }

    /// Takes so many bytes at a time.
    struct Narrow(Vec<u8>, usize);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Result<usize> {
            assert!(slices.len() <= 1_024, "the kernel takes no more");
            let before = self.0.len();
            self.0.extend(slices.iter().flat_map(|slice| slice.iter()).take(self.1));
            Ok(self.0.len() - before)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_message_is_the_same_however_little_of_it_is_taken_at_a_time() {
        let parts: Vec<Vec<u8>> = (0..2_000_usize).map(|at| vec![1; at % 7]).collect();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        for (parts, most) in [(&parts[..], 1), (&parts[..], 5), (&parts[..], usize::MAX), (&[&b""[..]], 3)] {
            let mut wire = Narrow(Vec::new(), most);
            write(&mut wire, parts).unwrap();
            let bytes = parts.iter().map(|part| part.len() + 4).sum::<usize>() + 4;
            assert_eq!(wire.0.len(), bytes);
            assert_eq!(read(&mut wire.0.as_slice(), 40, 40_000).unwrap().unwrap(), parts);
        }
    }

    #[test]
    fn the_end_before_a_message_is_the_end_and_within_one_an_error() {
        assert_eq!(read(&mut [].as_slice(), 9, 9).unwrap(), None);
        assert!(read(&mut [1, 0, 0].as_slice(), 9, 9).is_err());
        assert!(read(&mut [1, 0, 0, 0, 5, 0, 0, 0, 1].as_slice(), 9, 9).is_err());
    }

    #[test]
    fn more_than_was_agreed_is_refused_before_it_is_read() {
        let lie = [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
        assert!(read(&mut lie.as_slice(), 9, 9).unwrap_err().to_string().contains("too long"));
        let mut wire = Vec::new();
        write(&mut wire, &[b"head", b"content", b"more"]).unwrap();
        assert!(read(&mut wire.as_slice(), 4, 11).is_ok());
        for (head_max, rest_max) in [(3, 1_000), (1_000, 10)] {
            assert!(read(&mut wire.as_slice(), head_max, rest_max).is_err(), "neither has the other's room");
        }
    }
}

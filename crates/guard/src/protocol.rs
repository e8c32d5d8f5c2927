//! How the guard and its filters speak: messages of parts over a pipe (`docs/formats/filter.md`).
//!
//! A message is the number of its parts, then each part's length and bytes. The first part says what the others are.
//! Neither side believes a length: memory grows with what arrives, and what is more than agreed ends the talk.

use std::io::{BufWriter, Error, ErrorKind, Read, Result, Write};

/// The most parts of a message: the first, and what a task or an answer carries.
pub(crate) const PARTS_MAX: u32 = 1 << 20;

/// Small messages go in one piece.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;

/// Reads a message whose first part has at most so many bytes, and the others together; nothing if the other side closed
/// before it began.
pub(crate) fn read(from: &mut impl Read, head_max: usize, rest_max: usize) -> Result<Option<Vec<Vec<u8>>>> {
    let (mut first, mut rest, mut word) = ([0; 1], [0; 3], [0; 4]);
    if from.read(&mut first)? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut rest)?;
    let ([a], [b, c, d]) = (first, rest);
    let count = u32::from_le_bytes([a, b, c, d]);
    if count == 0 || count > PARTS_MAX {
        return Err(Error::new(ErrorKind::InvalidData, "a message of no or too many parts"));
    }
    let mut parts = Vec::new();
    let mut left = head_max;
    for part in 0..count {
        if part == 1 {
            left = rest_max;
        }
        from.read_exact(&mut word)?;
        let length = usize::try_from(u32::from_le_bytes(word)).unwrap_or(usize::MAX);
        left =
            left.checked_sub(length).ok_or_else(|| Error::new(ErrorKind::InvalidData, "a message that is too long"))?;
        parts.push(read_part(from, length)?);
    }
    Ok(Some(parts))
}

/// Room is made for what is there: at most a MiB ahead of it.
fn read_part(from: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    let mut part = Vec::with_capacity(length.min(1 << 20));
    let limit = u64::try_from(length).unwrap_or(u64::MAX);
    from.take(limit).read_to_end(&mut part)?;
    if part.len() == length { Ok(part) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// Writes a message.
pub(crate) fn write(to: &mut impl Write, parts: &[&[u8]]) -> Result<()> {
    let too_long = || Error::new(ErrorKind::InvalidInput, "a message that is too long");
    let mut to = BufWriter::with_capacity(BUFFER_BYTES, to);
    let count = u32::try_from(parts.len()).map_err(|_| too_long())?;
    to.write_all(&count.to_le_bytes())?;
    for part in parts {
        let length = u32::try_from(part.len()).map_err(|_| too_long())?;
        to.write_all(&length.to_le_bytes())?;
        to.write_all(part)?;
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

//! The head: the first bytes of a bundle, in the clear. Nothing in it is believed before the note over it is checked.

use crate::BundleError;
use crate::rules::sha256;
use fastness_operation::RegionName;
use fastness_vault::{ENCAPSULATED_LEN, SEALER_ID_LEN};

/// Bytes of a head.
pub(crate) const HEAD_LEN: usize = 2048;
/// Bytes of the head that are known before the encapsulation: what a key is made for (HPKE's `info`).
pub(crate) const INFO_LEN: usize = MAGIC_LEN + 2 * REGION_LEN + SEALER_ID_LEN;
/// Bytes of the sealed index: nonce, offset, length, tag.
pub(crate) const SEALED_INDEX_LEN: usize = 12 + 16 + 16;

const MAGIC_LEN: usize = 64;
const REGION_LEN: usize = 64;
const MAGIC: &[u8] = b"fastness bundle 1";
const USED_LEN: usize = INFO_LEN + ENCAPSULATED_LEN + 8 + 32 + SEALED_INDEX_LEN + 8;

/// A head, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) destination: RegionName,
    pub(crate) origin: RegionName,
    /// Which of the destination's public keys the bundle is sealed with.
    pub(crate) key_id: [u8; SEALER_ID_LEN],
    pub(crate) encapsulated: [u8; ENCAPSULATED_LEN],
    /// Bytes of the whole file.
    pub(crate) length: u64,
    pub(crate) manifest_sha256: [u8; 32],
    pub(crate) sealed_index: [u8; SEALED_INDEX_LEN],
    /// Its place in the sequence of the directed pair, from 1; 0 until it is signed.
    pub(crate) number: u64,
}

/// What the key is made for: who made it for whom, and with which of their keys.
pub(crate) fn info(
    destination: &RegionName,
    origin: &RegionName,
    key_id: &[u8; SEALER_ID_LEN],
) -> Result<[u8; INFO_LEN], BundleError> {
    let mut info = [0; INFO_LEN];
    let mut rest = info.as_mut_slice();
    put(&mut rest, MAGIC, MAGIC_LEN)?;
    put(&mut rest, destination.as_str().as_bytes(), REGION_LEN)?;
    put(&mut rest, origin.as_str().as_bytes(), REGION_LEN)?;
    put(&mut rest, key_id, SEALER_ID_LEN)?;
    Ok(info)
}

impl Head {
    pub(crate) fn info(&self) -> Result<[u8; INFO_LEN], BundleError> {
        info(&self.destination, &self.origin, &self.key_id)
    }

    pub(crate) fn encode(&self) -> Result<[u8; HEAD_LEN], BundleError> {
        let mut head = [0; HEAD_LEN];
        let mut rest = head.as_mut_slice();
        put(&mut rest, &self.info()?, INFO_LEN)?;
        put(&mut rest, &self.encapsulated, ENCAPSULATED_LEN)?;
        put(&mut rest, &self.length.to_be_bytes(), 8)?;
        put(&mut rest, &self.manifest_sha256, 32)?;
        put(&mut rest, &self.sealed_index, SEALED_INDEX_LEN)?;
        put(&mut rest, &self.number.to_be_bytes(), 8)?;
        Ok(head)
    }

    /// Reads a head. What is read writes itself as what was read, byte for byte.
    pub(crate) fn decode(bytes: &[u8; HEAD_LEN]) -> Result<Self, BundleError> {
        let (used, zeros) = bytes.split_at(USED_LEN);
        let mut rest = used;
        check_magic(take(&mut rest)?)?;
        let head = Self {
            destination: region(take(&mut rest)?)?,
            origin: region(take(&mut rest)?)?,
            key_id: *take(&mut rest)?,
            encapsulated: *take(&mut rest)?,
            length: u64::from_be_bytes(*take(&mut rest)?),
            manifest_sha256: *take(&mut rest)?,
            sealed_index: *take(&mut rest)?,
            number: u64::from_be_bytes(*take(&mut rest)?),
        };
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(BundleError::Malformed("something stands at the end of its head"));
        }
        Ok(head)
    }
}

/// What a note is over: the whole head.
pub(crate) fn digest(head: &[u8; HEAD_LEN]) -> [u8; 32] {
    sha256(head)
}

fn check_magic(magic: &[u8; MAGIC_LEN]) -> Result<(), BundleError> {
    match padded(magic) {
        Some(MAGIC) => Ok(()),
        Some(other) if other.starts_with(b"fastness bundle ") => {
            Err(BundleError::Malformed("it is of another format than 1"))
        }
        _ => Err(BundleError::Malformed("it does not begin with `fastness bundle 1`")),
    }
}

fn region(field: &[u8; REGION_LEN]) -> Result<RegionName, BundleError> {
    padded(field)
        .and_then(|name| std::str::from_utf8(name).ok())
        .and_then(|name| RegionName::new(name).ok())
        .ok_or(BundleError::Malformed("a region in its head has a name that no region has"))
}

/// What stands before the zeros; nothing when something stands after them, too.
fn padded(field: &[u8]) -> Option<&[u8]> {
    let length = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (text, zeros) = field.split_at(length);
    zeros.iter().all(|byte| *byte == 0).then_some(text)
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], BundleError> {
    let (field, after) = rest.split_first_chunk().ok_or(BundleError::Malformed("its head is too short"))?;
    *rest = after;
    Ok(field)
}

fn put(rest: &mut &mut [u8], field: &[u8], width: usize) -> Result<(), BundleError> {
    let room = std::mem::take(rest);
    let (place, after) = room.split_at_mut_checked(width).ok_or(BundleError::Misused("its head has no room"))?;
    let start = place.get_mut(..field.len()).ok_or(BundleError::Misused("a field of its head is too long"))?;
    start.copy_from_slice(field);
    *rest = after;
    Ok(())
}

const _: () = assert!(INFO_LEN == 200 && USED_LEN == 1412 && USED_LEN <= HEAD_LEN);

use crate::{
    VaultError,
    cipher::{NONCE_LEN, Secret, TAG_LEN},
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce};
use std::fmt;

/// Plain bytes in every frame but the last, which may hold fewer.
pub const FRAME_LEN: usize = 64 * 1024;
/// Bytes of a full sealed frame.
pub const SEALED_FRAME_LEN: usize = FRAME_LEN + TAG_LEN;

/// Where a frame stands in its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramePlace {
    /// Another frame follows.
    Middle {
        /// The frame's number, from 0.
        index: u64,
    },
    /// The end: a value cut short, even at a frame's border, has no such frame and is refused.
    Last {
        /// The frame's number, from 0.
        index: u64,
        /// Length of the whole value.
        length: u64,
    },
}

/// Seals one large value in frames that can be opened singly and in any order.
///
/// This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015) over AES-256-GCM: the nonce
/// is the frame's number and whether it is the last. Nonces never repeat because a [`crate::ValueKey`]
/// seals a single value, each frame of it once.
pub struct FrameCipher {
    cipher: LessSafeKey,
}

impl FrameCipher {
    pub(crate) fn new(key: &Secret) -> Result<Self, VaultError> {
        Ok(Self { cipher: key.cipher(&AES_256_GCM)? })
    }

    /// Seals a frame where it lies: `frame` is the plain text and [`TAG_LEN`] bytes of room after it.
    ///
    /// # Errors
    /// When there is no room for the tag.
    pub fn seal_in_place(&self, place: FramePlace, frame: &mut [u8]) -> Result<(), VaultError> {
        let length = frame.len();
        let Some((plain, room)) = frame.split_last_chunk_mut::<TAG_LEN>() else {
            return Err(VaultError::Unsealable { length });
        };
        let tag = self
            .cipher
            .seal_in_place_separate_tag(nonce(place), bound_to(place), plain)
            .map_err(|_| VaultError::Unsealable { length })?;
        room.copy_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens a sealed frame where it lies and returns its plain part.
    ///
    /// # Errors
    /// When the frame was not sealed by this key for this place, or changed since; it is zeroed then.
    pub fn open_in_place<'frame>(
        &self,
        place: FramePlace,
        frame: &'frame mut [u8],
    ) -> Result<&'frame mut [u8], VaultError> {
        let what = "frame";
        let Some(plain_len) = frame.len().checked_sub(TAG_LEN) else {
            return Err(VaultError::Refused { what });
        };
        match self.cipher.open_in_place(nonce(place), bound_to(place), &mut *frame) {
            Ok(_) => Ok(frame.split_at_mut(plain_len).0),
            Err(_) => {
                frame.fill(0);
                Err(VaultError::Refused { what })
            }
        }
    }
}

impl fmt::Debug for FrameCipher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FrameCipher(secret)")
    }
}

/// Three zero bytes, the frame's number, and 1 for the last frame. The zero bytes keep frames apart from
/// small values, whose nonces begin with a set bit.
fn nonce(place: FramePlace) -> Nonce {
    let (index, last) = match place {
        FramePlace::Middle { index } => (index, 0),
        FramePlace::Last { index, .. } => (index, 1),
    };
    let [a, b, c, d, e, f, g, h] = index.to_be_bytes();
    let nonce: [u8; NONCE_LEN] = [0, 0, 0, a, b, c, d, e, f, g, h, last];
    Nonce::assume_unique_for_key(nonce)
}

fn bound_to(place: FramePlace) -> Aad<[u8; 8]> {
    match place {
        FramePlace::Middle { .. } => Aad::from([0; 8]),
        FramePlace::Last { length, .. } => Aad::from(length.to_be_bytes()),
    }
}

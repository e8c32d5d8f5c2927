//! The two ciphers as this crate uses them: `nonce | ciphertext | tag`, with a random nonce.

use crate::VaultError;
use aws_lc_rs::{
    aead::{Aad, Algorithm, LessSafeKey, Nonce, UnboundKey},
    hkdf, rand,
};
use zeroize::Zeroizing;

/// Bytes of nonce before each sealed text.
pub const NONCE_LEN: usize = 12;
/// Bytes of authentication tag after each sealed text.
pub const TAG_LEN: usize = 16;
/// What sealing adds to a text.
pub(crate) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;
pub(crate) const KEY_LEN: usize = 32;

/// Random bytes for identifiers and names; keys make their own.
///
/// # Errors
/// When the random source fails.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| VaultError::Random)?;
    Ok(bytes)
}

/// Thirty-two secret bytes. They live on the heap, so that moving the key leaves no copy behind, and are
/// zeroed when dropped.
pub(crate) struct Secret(Box<Zeroizing<[u8; KEY_LEN]>>);

impl Secret {
    pub(crate) fn zero() -> Self {
        Self(Box::new(Zeroizing::new([0; KEY_LEN])))
    }

    pub(crate) fn random() -> Result<Self, VaultError> {
        let mut secret = Self::zero();
        rand::fill(secret.bytes_mut()).map_err(|_| VaultError::Random)?;
        Ok(secret)
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; KEY_LEN] {
        &mut self.0
    }

    /// A key for one use, which tells nothing of this one or of those for other uses. `name` may vary;
    /// `label` is fixed and without a zero byte, so the two cannot be shifted into one another.
    pub(crate) fn derive(&self, label: &str, name: &[u8]) -> Result<Self, VaultError> {
        Self::derived_of(self.bytes(), label, name)
    }

    /// A key made of two: who lacks either of them lacks it.
    pub(crate) fn derive_with(&self, other: &[u8; KEY_LEN], label: &str, name: &[u8]) -> Result<Self, VaultError> {
        let mut both = Zeroizing::new([0; 2 * KEY_LEN]);
        let keys = self.bytes().iter().chain(other);
        both.iter_mut().zip(keys).for_each(|(out, byte)| *out = *byte);
        Self::derived_of(both.as_slice(), label, name)
    }

    fn derived_of(secret: &[u8], label: &str, name: &[u8]) -> Result<Self, VaultError> {
        let parts = [label.as_bytes(), &[0], name];
        let mut derived = Self::zero();
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"fastness vault 1")
            .extract(secret)
            .expand(&parts, hkdf::HKDF_SHA256)
            .and_then(|key| key.fill(derived.bytes_mut()))
            .map_err(|_| VaultError::Unsealable { length: name.len() })?;
        Ok(derived)
    }

    pub(crate) fn cipher(&self, algorithm: &'static Algorithm) -> Result<LessSafeKey, VaultError> {
        UnboundKey::new(algorithm, self.bytes())
            .map(LessSafeKey::new)
            .map_err(|_| VaultError::Unsealable { length: KEY_LEN })
    }
}

/// Seals `plain` into `out`, which must be longer by [`OVERHEAD`] exactly.
pub(crate) fn seal(cipher: &LessSafeKey, bound_to: &[u8], plain: &[u8], out: &mut [u8]) -> Result<(), VaultError> {
    let unsealable = VaultError::Unsealable { length: plain.len() };
    let Some((nonce, rest)) = out.split_first_chunk_mut::<NONCE_LEN>() else {
        return Err(unsealable);
    };
    rand::fill(nonce).map_err(|_| VaultError::Random)?;
    seal_at(cipher, *nonce, bound_to, plain, rest)
}

/// Seals `plain` under a nonce of the caller's into `out`: ciphertext, then tag.
pub(crate) fn seal_at(
    cipher: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    bound_to: &[u8],
    plain: &[u8],
    out: &mut [u8],
) -> Result<(), VaultError> {
    let unsealable = VaultError::Unsealable { length: plain.len() };
    if out.len() != plain.len() + TAG_LEN {
        return Err(unsealable);
    }
    let (text, tag) = out.split_at_mut(plain.len());
    cipher
        .seal_out_of_place_scatter(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), plain, text, &[], tag)
        .map_err(|_| unsealable)
}

/// Opens what [`seal`] made into `out`, which must have the plain text's length. On refusal `out` is zeroed.
pub(crate) fn open(
    cipher: &LessSafeKey,
    bound_to: &[u8],
    sealed: &[u8],
    out: &mut [u8],
    what: &'static str,
) -> Result<(), VaultError> {
    let opened = sealed
        .split_first_chunk::<NONCE_LEN>()
        .and_then(|(nonce, rest)| Some((nonce, rest.split_last_chunk::<TAG_LEN>()?)))
        .filter(|(_, (text, _))| text.len() == out.len())
        .is_some_and(|(nonce, (text, tag))| {
            let nonce = Nonce::assume_unique_for_key(*nonce);
            cipher.open_separate_gather(nonce, Aad::from(bound_to), text, tag, out).is_ok()
        });
    if opened {
        Ok(())
    } else {
        out.fill(0);
        Err(VaultError::Refused { what })
    }
}

//! The four keys. None of them prints, compares or copies its bytes.

use crate::{
    FrameCipher, PageCipher, VaultError,
    cipher::{self, KEY_LEN, NONCE_LEN, OVERHEAD, Secret, TAG_LEN},
};
use aws_lc_rs::{
    aead::{AES_256_GCM, LessSafeKey},
    rand,
};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of a wrapped key: nonce, key, tag.
pub const WRAPPED_KEY_LEN: usize = KEY_LEN + OVERHEAD;

/// The key above all others of a region.
///
/// It wraps partition keys and seals the region's few small secrets. Nonces are random: at 2³² sealings
/// the chance that two met reaches 2⁻³³, and a region makes a few thousand.
pub struct RootKey(Secret);

impl RootKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate() -> Result<Self, VaultError> {
        Secret::random().map(Self)
    }

    /// The key that a [`crate::RootSeal`] kept.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut secret = Secret::zero();
        secret.bytes_mut().copy_from_slice(bytes);
        Self(secret)
    }

    /// The key in the clear, for a [`crate::RootSeal`] to keep; nothing else has use for it.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// A secret seed for one purpose: the same for the same root key, and telling nothing of it or of other purposes'.
    ///
    /// # Errors
    /// When the library refuses to derive it.
    pub fn seed(&self, purpose: &str) -> Result<Zeroizing<[u8; KEY_LEN]>, VaultError> {
        let derived = self.0.derive("seeds", purpose.as_bytes())?;
        let mut seed = Zeroizing::new([0; KEY_LEN]);
        seed.copy_from_slice(derived.bytes());
        Ok(seed)
    }

    /// Wraps a partition's key for the file in that partition's `folder`.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn wrap_partition(&self, folder: &str, key: &PartitionKey) -> Result<Vec<u8>, VaultError> {
        let cipher = self.0.derive("partition keys", &[])?.cipher(&AES_256_GCM)?;
        Ok(wrap(&cipher, folder.as_bytes(), &key.secret)?.to_vec())
    }

    /// Unwraps what [`RootKey::wrap_partition`] wrapped.
    ///
    /// # Errors
    /// When it was wrapped by another key or for another folder, or changed since.
    pub fn unwrap_partition(&self, folder: &str, wrapped: &[u8]) -> Result<PartitionKey, VaultError> {
        let cipher = self.0.derive("partition keys", &[])?.cipher(&AES_256_GCM)?;
        PartitionKey::new(unwrap(&cipher, folder.as_bytes(), wrapped, "partition key")?)
    }

    /// Seals a small text for one purpose.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let cipher = self.0.derive("small texts", &[])?.cipher(&AES_256_GCM)?;
        let mut sealed = vec![0; plain.len() + OVERHEAD];
        cipher::seal(&cipher, purpose.as_bytes(), plain, &mut sealed)?;
        Ok(sealed)
    }

    /// Opens what [`RootKey::seal`] sealed for the same purpose.
    ///
    /// # Errors
    /// When it was sealed by another key or for another purpose, or changed since.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let cipher = self.0.derive("small texts", &[])?.cipher(&AES_256_GCM)?;
        let mut plain = Zeroizing::new(vec![0; sealed.len().saturating_sub(OVERHEAD)]);
        cipher::open(&cipher, purpose.as_bytes(), sealed, &mut plain, "text")?;
        Ok(plain)
    }
}

/// The key of one partition, and the keys derived from it.
pub struct PartitionKey {
    secret: Secret,
    erasure_keys: LessSafeKey,
}

impl PartitionKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate() -> Result<Self, VaultError> {
        Self::new(Secret::random()?)
    }

    fn new(secret: Secret) -> Result<Self, VaultError> {
        Ok(Self { erasure_keys: secret.derive("erasure keys", &[])?.cipher(&AES_256_GCM)?, secret })
    }

    /// The cipher for the pages of one file, such as `catalog`; each file has a key of its own.
    ///
    /// # Errors
    /// When the library refuses to derive the key.
    pub fn pages(&self, file: &str) -> Result<PageCipher, VaultError> {
        PageCipher::new(&self.secret.derive("pages", file.as_bytes())?)
    }

    /// Wraps the erasure key of number `id`.
    ///
    /// Nonces are random; a partition has one erasure key for some thousand values, so 2³² wrappings, where
    /// the chance of a repeated nonce reaches 2⁻³³, stand for trillions of values.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn wrap_erasure(&self, id: u64, key: &ErasureKey) -> Result<[u8; WRAPPED_KEY_LEN], VaultError> {
        wrap(&self.erasure_keys, &id.to_be_bytes(), &key.secret)
    }

    /// Unwraps what [`PartitionKey::wrap_erasure`] wrapped for the same number.
    ///
    /// # Errors
    /// When it was wrapped by another key or for another number, or changed since.
    pub fn unwrap_erasure(&self, id: u64, wrapped: &[u8]) -> Result<ErasureKey, VaultError> {
        ErasureKey::new(unwrap(&self.erasure_keys, &id.to_be_bytes(), wrapped, "erasure key")?)
    }
}

/// The key that a few thousand value keys are wrapped with. Once every copy of it is gone, so are they.
pub struct ErasureKey {
    secret: Secret,
    cipher: LessSafeKey,
}

impl ErasureKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate() -> Result<Self, VaultError> {
        Self::new(Secret::random()?)
    }

    fn new(secret: Secret) -> Result<Self, VaultError> {
        let cipher = secret.cipher(&AES_256_GCM)?;
        Ok(Self { secret, cipher })
    }

    /// Wraps a value's key. Nonces are random; keep to 2³² wrappings, of which thousands are meant.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn wrap(&self, key: &ValueKey) -> Result<[u8; WRAPPED_KEY_LEN], VaultError> {
        wrap(&self.cipher, b"value key", &key.0)
    }

    /// Unwraps what [`ErasureKey::wrap`] wrapped.
    ///
    /// # Errors
    /// When it was wrapped by another key, or changed since.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<ValueKey, VaultError> {
        unwrap(&self.cipher, b"value key", wrapped, "value key").map(ValueKey)
    }
}

/// The key of one value: it seals that value once, small or in frames.
pub struct ValueKey(Secret);

impl ValueKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate() -> Result<Self, VaultError> {
        Secret::random().map(Self)
    }

    /// A key that was agreed on.
    pub(crate) fn of(secret: Secret) -> Self {
        Self(secret)
    }

    /// The key of a value that is sealed under a caller's key, too: made of both, so that neither opens it alone. What
    /// is wrapped stays this one, and is wrapped anew without the caller.
    ///
    /// # Errors
    /// When the library refuses to derive the key.
    pub fn under_customer(&self, customer: &[u8; KEY_LEN], salt: &[u8; 16]) -> Result<Self, VaultError> {
        self.0.derive_with(customer, "value under a customer's key", salt).map(Self)
    }

    /// Seals a value that fits into a catalog's row.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn seal_small(&self, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut sealed = vec![0; plain.len() + OVERHEAD];
        if let Some((nonce, rest)) = sealed.split_first_chunk_mut::<NONCE_LEN>() {
            rand::fill(nonce).map_err(|_| VaultError::Random)?;
            // INVARIANT: the first bit tells a small value's nonce from a frame's.
            if let Some(first) = nonce.first_mut() {
                *first |= 0x80;
            }
            cipher::seal_at(&self.0.cipher(&AES_256_GCM)?, *nonce, b"small value", plain, rest)?;
        }
        Ok(sealed)
    }

    /// Opens what [`ValueKey::seal_small`] sealed.
    ///
    /// # Errors
    /// When it was sealed by another key, or changed since.
    pub fn open_small(&self, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut plain = vec![0; sealed.len().saturating_sub(OVERHEAD)];
        let cipher = self.0.cipher(&AES_256_GCM)?;
        cipher::open(&cipher, b"small value", sealed, &mut plain, "value")?;
        Ok(plain)
    }

    /// The cipher for a value that lies in a file of its own.
    ///
    /// # Errors
    /// When the library refuses the key.
    pub fn frames(&self) -> Result<FrameCipher, VaultError> {
        FrameCipher::new(&self.0)
    }
}

/// What a caller's key is recognised by: a digest of a salt that only who has the key can make, and that tells nothing
/// of the key.
///
/// # Errors
/// When the library refuses to derive it.
pub fn customer_digest(customer: &[u8; KEY_LEN], salt: &[u8; 16]) -> Result<[u8; 32], VaultError> {
    let mut key = Secret::zero();
    key.bytes_mut().copy_from_slice(customer);
    key.derive("recognising a customer's key", salt).map(|digest| *digest.bytes())
}

macro_rules! never_printed {
    ($($key:ident)*) => {$(
        impl fmt::Debug for $key {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(concat!(stringify!($key), "(secret)"))
            }
        }
    )*};
}
never_printed!(RootKey PartitionKey ErasureKey ValueKey);

fn wrap(cipher: &LessSafeKey, bound_to: &[u8], key: &Secret) -> Result<[u8; WRAPPED_KEY_LEN], VaultError> {
    let mut wrapped = [0; WRAPPED_KEY_LEN];
    cipher::seal(cipher, bound_to, key.bytes(), &mut wrapped)?;
    Ok(wrapped)
}

fn unwrap(cipher: &LessSafeKey, bound_to: &[u8], wrapped: &[u8], what: &'static str) -> Result<Secret, VaultError> {
    let mut key = Secret::zero();
    cipher::open(cipher, bound_to, wrapped, key.bytes_mut(), what)?;
    Ok(key)
}

const _: () = assert!(WRAPPED_KEY_LEN == NONCE_LEN + 32 + TAG_LEN && WRAPPED_KEY_LEN == 60);

//! Sealing for another region: whoever holds its public key makes a key that it alone can make, too.
//!
//! HPKE (RFC 9180) in its base mode, with the hybrid X-Wing (ML-KEM-768 and X25519; KEM 0x647A of
//! draft-ietf-hpke-pq), HKDF-SHA256 (KDF 0x0001), and nothing sealed by HPKE itself (AEAD 0xFFFF, export-only): what
//! it agrees on is a [`ValueKey`], and values are sealed with that as everywhere else. HPKE says who can open; it
//! does not say who sealed.

use crate::{RootKey, ValueKey, VaultError, cipher::Secret};
use aws_lc_rs::{digest, rand};
use hpke::{
    Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable,
    aead::ExportOnlyAead,
    kdf::HkdfSha256,
    kem::XWing,
    rand_core::{TryCryptoRng, TryRng},
    setup_receiver, setup_sender_with_rng,
};
use std::{convert::Infallible, fmt};

/// Bytes of a region's public key: ML-KEM-768's, then X25519's.
pub const SEALER_LEN: usize = 1216;
/// Bytes of an encapsulation: ML-KEM-768's ciphertext, then X25519's ephemeral public key.
pub const ENCAPSULATED_LEN: usize = 1120;
/// Bytes of the id of a region's public key.
pub const SEALER_ID_LEN: usize = 8;

/// What the exported secret is for (RFC 9180, section 5.3: `exporter_context`).
const EXPORTER_CONTEXT: &[u8] = b"fastness bundle 1";

/// A region's secret key: makes the keys that were made for it by its [`RegionSealer`].
pub struct RegionOpener {
    secret: <XWing as Kem>::PrivateKey,
    sealer: RegionSealer,
}

/// A region's public key: makes keys that only its [`RegionOpener`] makes again.
#[derive(Clone, PartialEq, Eq)]
pub struct RegionSealer {
    public: <XWing as Kem>::PublicKey,
}

impl RegionOpener {
    /// The key of a region: made from its root key, so that there is nothing more to keep.
    ///
    /// # Errors
    /// When the library refuses to derive it.
    pub fn of(root: &RootKey) -> Result<Self, VaultError> {
        let seed = root.seed("crossing X-Wing")?;
        let secret = <XWing as Kem>::PrivateKey::from_bytes(seed.as_slice()).map_err(refused("region's secret key"))?;
        let sealer = RegionSealer { public: XWing::sk_to_pk(&secret) };
        Ok(Self { secret, sealer })
    }

    /// The public half.
    #[must_use]
    pub fn sealer(&self) -> &RegionSealer {
        &self.sealer
    }

    /// The key that somebody made for this region and for `info`.
    ///
    /// An encapsulation of another region, or with other `info`, is not recognized: it gives another key, which opens
    /// nothing. So does a changed one (ML-KEM's implicit rejection, FIPS 203, section 6.3).
    ///
    /// # Errors
    /// When the library refuses.
    pub fn open(&self, encapsulated: &[u8; ENCAPSULATED_LEN], info: &[u8]) -> Result<ValueKey, VaultError> {
        let refused = refused("encapsulated key");
        let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated).map_err(refused)?;
        let context = setup_receiver::<ExportOnlyAead, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.secret,
            &encapsulated,
            bounded(info)?,
        )
        .map_err(refused)?;
        exported(|out| context.export(EXPORTER_CONTEXT, out))
    }
}

impl RegionSealer {
    /// Reads a public key.
    ///
    /// # Errors
    /// When it has another length, or ML-KEM refuses it (FIPS 203, section 7.2: the modulus check).
    pub fn parse(bytes: &[u8]) -> Result<Self, VaultError> {
        let public = <XWing as Kem>::PublicKey::from_bytes(bytes).map_err(refused("region's public key"))?;
        Ok(Self { public })
    }

    /// The public key's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.public.to_bytes().to_vec()
    }

    /// What tells this key from a region's others: the first bytes of its SHA-256.
    #[must_use]
    pub fn id(&self) -> [u8; SEALER_ID_LEN] {
        let hash = digest::digest(&digest::SHA256, &self.to_bytes());
        hash.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// A new key for the region and for `info` (at most 65,000 bytes, not secret), and what the region needs to make
    /// it, too.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn seal(&self, info: &[u8]) -> Result<([u8; ENCAPSULATED_LEN], ValueKey), VaultError> {
        let mut random = HouseRandom { failed: false };
        let (encapsulated, context) = setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.public,
            bounded(info)?,
            &mut random,
        )
        .map_err(refused("region's public key"))?;
        if random.failed {
            return Err(VaultError::Random);
        }
        let mut bytes = [0; ENCAPSULATED_LEN];
        bytes.copy_from_slice(&encapsulated.to_bytes());
        Ok((bytes, exported(|out| context.export(EXPORTER_CONTEXT, out))?))
    }
}

impl fmt::Debug for RegionOpener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RegionOpener(secret)")
    }
}

impl fmt::Debug for RegionSealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RegionSealer({})", hex::encode(self.id()))
    }
}

fn refused(what: &'static str) -> impl Fn(HpkeError) -> VaultError + Copy {
    move |_| VaultError::Refused { what }
}

/// HPKE panics at 64 KiB of `info`; nobody here has use for as much.
fn bounded(info: &[u8]) -> Result<&[u8], VaultError> {
    let length = info.len();
    if length <= 65_000 { Ok(info) } else { Err(VaultError::Unsealable { length }) }
}

fn exported(export: impl Fn(&mut [u8]) -> Result<(), HpkeError>) -> Result<ValueKey, VaultError> {
    let mut secret = Secret::zero();
    export(secret.bytes_mut()).map_err(refused("exported key"))?;
    Ok(ValueKey::of(secret))
}

/// The house's random source in the form that HPKE asks for, which cannot fail: that it did is remembered, and what was
/// made of it is thrown away.
struct HouseRandom {
    failed: bool,
}

impl HouseRandom {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.failed |= rand::fill(&mut bytes).is_err();
        bytes
    }
}

impl TryRng for HouseRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.failed |= rand::fill(bytes).is_err();
        Ok(())
    }
}

impl TryCryptoRng for HouseRandom {}

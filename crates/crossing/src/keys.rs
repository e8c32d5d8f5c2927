//! The keys of a region that have to do with crossing, its own and those of the regions it knows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastness_ledger::{NoteError, SigningKeys, VerifierKey};
use fastness_operation::RegionName;
use fastness_vault::{RegionOpener, RegionSealer, RootKey, VaultError};
use std::fmt;

/// The longest file of a region's public keys that is read.
pub const KEYS_LEN_MAX: usize = 8 << 10;

/// The name under which a region signs bundles.
#[must_use]
pub fn keys_name(region: &RegionName) -> String {
    format!("fastness/{region}/crossing")
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file that does not hold a region's public keys.
    #[error("these are not the public keys of the region `{region}`: {reason}")]
    Malformed {
        /// Whose they should be.
        region: RegionName,
        /// What is wrong.
        reason: &'static str,
    },
    /// The root key did not give the region's own.
    #[error("the region's keys for crossing could not be made from its root key")]
    Vault(#[from] VaultError),
    /// The signing library refused.
    #[error("the region's signing keys for crossing could not be made")]
    Signing(#[from] NoteError),
}

/// A region's own keys: it signs what it sends with them, and opens what it is sent. All come from its root key, each
/// for this one purpose.
#[derive(Debug)]
pub struct OwnKeys {
    region: RegionName,
    signing: SigningKeys,
    opener: RegionOpener,
}

impl OwnKeys {
    /// The keys of the region that has this root key.
    ///
    /// # Errors
    /// When a library refuses to make them.
    pub fn of(region: &RegionName, root: &RootKey) -> Result<Self, KeysError> {
        let (short, long) = (root.seed("crossing Ed25519")?, root.seed("crossing ML-DSA-65")?);
        let signing = SigningKeys::from_seeds(&short, &long)?;
        Ok(Self { region: region.clone(), signing, opener: RegionOpener::of(root)? })
    }

    /// Whose they are.
    #[must_use]
    pub fn region(&self) -> &RegionName {
        &self.region
    }

    /// The public halves, for other regions; and for the region itself, which sends to itself what is regraded.
    #[must_use]
    pub fn peer(&self) -> Peer {
        let keys = self.signing.of_log(&keys_name(&self.region));
        Peer { region: self.region.clone(), keys, sealer: self.opener.sealer().clone() }
    }

    pub(crate) fn signing(&self) -> &SigningKeys {
        &self.signing
    }

    pub(crate) fn opener(&self) -> &RegionOpener {
        &self.opener
    }
}

/// A region as others know it: its name, the keys that its bundles are checked with, and the one that bundles for it
/// are sealed with. It prints as the file that it is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    region: RegionName,
    keys: [VerifierKey; 2],
    sealer: RegionSealer,
}

impl Peer {
    /// Reads the public keys of a region: three lines, exactly as they are printed.
    ///
    /// # Errors
    /// When the text is anything else, or another region's.
    pub fn parse(region: &RegionName, text: &str) -> Result<Self, KeysError> {
        let malformed = |reason| KeysError::Malformed { region: region.clone(), reason };
        if text.len() > KEYS_LEN_MAX {
            return Err(malformed("the text is too long"));
        }
        let mut lines = text.lines();
        let (Some(short), Some(long), Some(seal), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("there are three lines: an Ed25519 key, an ML-DSA-65 key, and a sealing key"));
        };
        let verifier = |line| VerifierKey::parse(line).map_err(|_| malformed("a line is no verifier key"));
        let sealer = seal
            .strip_prefix("seal ")
            .and_then(|rest| rest.split_once(' '))
            .and_then(|(_, encoded)| STANDARD.decode(encoded).ok())
            .and_then(|bytes| RegionSealer::parse(&bytes).ok())
            .ok_or_else(|| malformed("the last line is not `seal NAME KEY`"))?;
        let peer = Self { region: region.clone(), keys: [verifier(short)?, verifier(long)?], sealer };
        // One way to write it: so names, order and spelling are checked at once.
        if peer.to_string() != text || !peer.has_both_kinds() {
            return Err(malformed("a line has another name, order or spelling than it must have"));
        }
        Ok(peer)
    }

    fn has_both_kinds(&self) -> bool {
        use fastness_ledger::KeyKind::{Ed25519, MlDsa65};
        self.keys.each_ref().map(VerifierKey::kind) == [Ed25519, MlDsa65]
    }

    /// Whose they are.
    #[must_use]
    pub fn region(&self) -> &RegionName {
        &self.region
    }

    /// What its bundles are checked with: an Ed25519 key and an ML-DSA-65 key, both needed.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey; 2] {
        &self.keys
    }

    /// What bundles for it are sealed with.
    #[must_use]
    pub fn sealer(&self) -> &RegionSealer {
        &self.sealer
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = keys_name(&self.region);
        for key in &self.keys {
            writeln!(formatter, "{}", key.renamed(&name))?;
        }
        writeln!(formatter, "seal {name} {}", STANDARD.encode(self.sealer.to_bytes()))
    }
}

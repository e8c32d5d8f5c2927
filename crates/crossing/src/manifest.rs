//! What a bundle holds, as it says itself: JSON, the last bytes of the plain stream.

use crate::BundleError;
use fastness_operation::{
    AccountNumber, Attributes, BucketName, BundleId, LiftId, MappingName, ObjectKey, Purpose, RegionName,
};
use serde::{Deserialize, Serialize};

/// The only format there is.
pub const MANIFEST_FORMAT: u32 = 1;
/// The most bytes of a manifest.
pub const MANIFEST_LEN_MAX: u64 = 4 << 20;
/// The most objects of a bundle.
pub const OBJECTS_MAX: usize = 1_000;
/// The most bytes of an object: it is held in memory while it is looked at.
pub const OBJECT_LEN_MAX: u64 = 64 << 20;
/// The most people who ordered one lift.
pub const PERSONS_MAX: usize = 16;

/// What is in a bundle, and why. All objects have one label.
///
/// A manifest that a reader hands out has passed every rule of `docs/formats/bundle.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`].
    pub format: u32,
    /// The bundle's random id, by which partitions know it.
    pub id: BundleId,
    /// The region that sends.
    pub origin: RegionName,
    /// The region that it is for.
    pub destination: RegionName,
    /// When it was made, in ms since 1970; of a release and of gaps, the hour.
    pub made_ms: i64,
    /// What it is sent as.
    pub errand: Errand,
    /// The name of the label policy that the label is one of.
    pub policy: String,
    /// The label of all that is in it: the policy's canonical banner.
    pub label: String,
    /// The same label as ADatP-4774 writes it, bound to the digest of each object as ADatP-4778 does.
    pub label_xml: String,
    /// What is in it, in the order of the stream.
    pub objects: Vec<Object>,
}

/// What a bundle is sent as, and with that, what else it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Errand {
    /// Up, in bulk, on somebody's order.
    Lift {
        /// The lift.
        lift: LiftId,
        /// The origin's mapping that lets it go.
        mapping: MappingName,
        /// The account that it comes from.
        #[serde(with = "digits")]
        from_account: AccountNumber,
        /// The bucket that it comes from.
        from_bucket: BucketName,
        /// The account that it is for.
        #[serde(with = "digits")]
        to_account: AccountNumber,
        /// The bucket that it is for.
        to_bucket: BucketName,
        /// What for, in the words of who ordered it.
        purpose: Option<Purpose>,
        /// Who ordered it.
        ordered_by: Vec<Person>,
    },
    /// Down, one object, decided by people whose names stay above.
    Release {
        /// The origin's mapping that lets it go.
        mapping: MappingName,
        /// The account that it is for.
        #[serde(with = "digits")]
        to_account: AccountNumber,
        /// The bucket that it is for.
        to_bucket: BucketName,
    },
    /// Down: numbers of bundles that did not arrive, to be sent again ([`crate::read_gaps`]).
    Gaps,
}

/// [`Errand`] without what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Errand::Lift`].
    Lift,
    /// [`Errand::Release`].
    Release,
    /// [`Errand::Gaps`].
    Gaps,
}

impl Errand {
    /// Which of the three it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Lift { .. } => Kind::Lift,
            Self::Release { .. } => Kind::Release,
            Self::Gaps => Kind::Gaps,
        }
    }

    /// The origin's mapping; gaps go by none.
    #[must_use]
    pub const fn mapping(&self) -> Option<&MappingName> {
        match self {
            Self::Lift { mapping, .. } | Self::Release { mapping, .. } => Some(mapping),
            Self::Gaps => None,
        }
    }

    /// The account and the bucket that it comes from: of a lift alone.
    #[must_use]
    pub const fn from(&self) -> Option<(AccountNumber, &BucketName)> {
        match self {
            Self::Lift { from_account, from_bucket, .. } => Some((*from_account, from_bucket)),
            Self::Release { .. } | Self::Gaps => None,
        }
    }

    /// The account and the bucket that it is for; gaps are for the region.
    #[must_use]
    pub const fn to(&self) -> Option<(AccountNumber, &BucketName)> {
        match self {
            Self::Lift { to_account, to_bucket, .. } | Self::Release { to_account, to_bucket, .. } => {
                Some((*to_account, to_bucket))
            }
            Self::Gaps => None,
        }
    }
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lift => "lift",
            Self::Release => "release",
            Self::Gaps => "gaps",
        }
    }
}

/// Who ordered something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Their name at the origin.
    pub name: String,
    /// Their duty; empty for a user without one.
    pub duty: String,
    /// When, in ms since 1970.
    pub at_ms: i64,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Its key: of a release the new one.
    pub key: ObjectKey,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of its content.
    #[serde(with = "hexadecimal")]
    pub sha256: [u8; 32],
    /// Its headers and metadata: of a release the reviewed ones, of a lift all that it had, and the guard decides.
    pub attributes: Attributes,
}

impl Manifest {
    /// The manifest as it stands in the stream.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, BundleError> {
        let json = serde_json::to_vec(self).map_err(|_| BundleError::Malformed("its manifest cannot be written"))?;
        bounded(json.len() as u64)?;
        Ok(json)
    }

    /// Reads a manifest that is written as [`Manifest::encode`] writes it: with two ways to write one, two readers
    /// might read two things.
    pub(crate) fn decode(json: &[u8]) -> Result<Self, BundleError> {
        bounded(json.len() as u64)?;
        let manifest: Self = serde_json::from_slice(json)
            .map_err(|_| BundleError::Malformed("its manifest is none, or has a field too many or too few"))?;
        if manifest.encode()? != json {
            return Err(BundleError::Malformed("its manifest is not written as manifests are"));
        }
        Ok(manifest)
    }
}

/// The length of a manifest, if one may have it.
pub(crate) fn bounded(length: u64) -> Result<u64, BundleError> {
    let what = "bytes in its manifest";
    match length {
        0..=MANIFEST_LEN_MAX => Ok(length),
        found => Err(BundleError::Oversized { what, found, most: MANIFEST_LEN_MAX }),
    }
}

/// An account's number as its twelve digits.
mod digits {
    use fastness_operation::AccountNumber;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(number: &AccountNumber, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccountNumber, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A digest in hexadecimal.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 64];
        hex::encode_to_slice(digest, &mut digits).map_err(S::Error::custom)?;
        serializer.serialize_str(std::str::from_utf8(&digits).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let mut digest = [0; 32];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut digest).map_err(D::Error::custom)?;
        Ok(digest)
    }
}

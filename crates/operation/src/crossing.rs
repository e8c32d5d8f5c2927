//! Crossings between regions and between labels: the names of what takes part, and the operations ([`CrossingAct`]).
//!
//! A *lift* sends what lies at the session's label to a region above, or to a higher label there. A *release* sends one
//! object down after two reviewers approved it. Both go by a *mapping*, of which each side's officer writes one half, in a
//! sealed *bundle*; what came of one on the other side is an *arrival* there, and nothing of it comes back.

use crate::names::text_name;
use crate::{
    AccountNumber, Attributes, BucketName, NameError, Need, ObjectKey, ObjectTarget, Resource, Touch, VersionId,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The media types that cross, as they are written: each has filters that write it anew. PDF and Office have none.
pub const CROSSING_TYPES: [&str; 9] = [
    "text/plain",
    "application/json",
    "application/xml",
    "text/csv",
    "image/png",
    "image/jpeg",
    "application/zip",
    "application/x-tar",
    "application/gzip",
];

/// The most bytes of an object that crosses: what is written anew lies in memory whole.
pub const CROSSING_OBJECT_LEN_MAX: u64 = 64 << 20;

/// Other names of such types, and which type each means.
const OTHER_NAMES: [(&str, &str); 4] = [
    ("text/markdown", "text/plain"),
    ("text/xml", "application/xml"),
    ("application/x-zip-compressed", "application/zip"),
    ("application/x-gzip", "application/gzip"),
];

fn is_random_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_words(text: &str) -> bool {
    (1..=1_000).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

text_name! {
    /// A region's name: 1 to 64 lower-case letters, digits and `-`.
    RegionName,
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
    |text| NameError::Region(text.chars().take(64).collect())
}

text_name! {
    /// The name of a mapping of an account: 1 to 64 lower-case letters, digits and `-`.
    MappingName,
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
    |text| NameError::Mapping(text.chars().take(64).collect())
}

text_name! {
    /// The random id of a lift.
    LiftId,
    is_random_id,
    |text| NameError::Crossing(text.chars().take(64).collect())
}

text_name! {
    /// The random id of a release. The bundle that carries it has the same.
    ReleaseId,
    is_random_id,
    |text| NameError::Crossing(text.chars().take(64).collect())
}

text_name! {
    /// The random id of a bundle: the name by which a partition knows it.
    BundleId,
    is_random_id,
    |text| NameError::Crossing(text.chars().take(64).collect())
}

text_name! {
    /// One of [`CROSSING_TYPES`].
    MediaType,
    |text| CROSSING_TYPES.contains(&text),
    |text| NameError::MediaType(text.chars().take(128).collect())
}

text_name! {
    /// What something is sent for, in the requester's words: 1 to 1,000 characters, none of them a control character.
    Purpose,
    is_words,
    |text| NameError::Words(text.chars().count())
}

text_name! {
    /// A reviewer's reason: 1 to 1,000 characters, none of them a control character.
    Words,
    is_words,
    |text| NameError::Words(text.chars().count())
}

impl MediaType {
    /// The type that an object's `Content-Type` claims (RFC 9110, section 8.3.1). A parameter but for `charset=utf-8` and
    /// `charset=us-ascii` claims something that nothing here checks, so it is none.
    #[must_use]
    pub fn claimed(content_type: &str) -> Option<Self> {
        let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
        let name = parts.next()?;
        let is_utf8 =
            |parameter: String| matches!(parameter.replace('"', "").as_str(), "charset=utf-8" | "charset=us-ascii");
        if !parts.all(is_utf8) {
            return None;
        }
        let written =
            OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name.as_str(), |(_, written)| written);
        Self::new(written).ok()
    }
}

impl LiftId {
    /// An id out of 128 random bits.
    #[must_use]
    pub fn from_random(random: u128) -> Self {
        Self(format!("{random:032x}"))
    }
}

impl ReleaseId {
    /// An id out of 128 random bits.
    #[must_use]
    pub fn from_random(random: u128) -> Self {
        Self(format!("{random:032x}"))
    }

    /// The id of the bundle that carries the release.
    #[must_use]
    pub fn bundle(&self) -> BundleId {
        BundleId(self.0.clone())
    }
}

impl BundleId {
    /// An id out of 128 random bits.
    #[must_use]
    pub fn from_random(random: u128) -> Self {
        Self(format!("{random:032x}"))
    }
}

/// Which way a mapping lets something go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CrossingWay {
    /// Up, in bulk, on one person's order.
    Lift,
    /// Down, or to another label of the same region, one object at a time, with two approvals.
    Release,
}

impl CrossingWay {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lift => "lift",
            Self::Release => "release",
        }
    }
}

/// Why an object stays where it is although somebody ordered it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stop {
    /// It lies at another label than the bundle's.
    Label,
    /// It claims a type that the mapping does not let go, or none that is known.
    Type,
    /// It is larger than the mapping, or any crossing, lets go.
    TooLarge,
    /// The day's measure is used up: it goes on another day.
    Day,
    /// It is sealed with a key that only its writer has.
    CustomerKey,
    /// A policy withholds it from whoever ordered it.
    Withheld,
    /// It was no longer there.
    Gone,
    /// It was written, or written over, after the order: another order sends it.
    Later,
    /// Its content is damaged, or was contained while it was read.
    Unreadable,
    /// Its headers or metadata hold what no bundle takes.
    Metadata,
    /// It was in a bundle that was taken back, and the lift had ended: it does not go again.
    TakenBack,
}

impl Stop {
    /// A word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Type => "type",
            Self::TooLarge => "too-large",
            Self::Day => "day",
            Self::CustomerKey => "customer-key",
            Self::Withheld => "withheld",
            Self::Gone => "gone",
            Self::Later => "later",
            Self::Unreadable => "unreadable",
            Self::Metadata => "metadata",
            Self::TakenBack => "taken-back",
        }
    }
}

/// One side of a mapping. Each region holds its own, and knows nothing of the other's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Half {
    /// What may leave.
    Send {
        /// Out of this bucket of the account.
        bucket: BucketName,
        /// The region that it goes to.
        to: RegionName,
        /// The account there.
        to_account: AccountNumber,
        /// The bucket there.
        to_bucket: BucketName,
    },
    /// What may come in.
    Receive {
        /// The region that it comes from.
        from: RegionName,
        /// The account there: of a lift; of a release nobody says it.
        from_account: Option<AccountNumber>,
        /// The bucket there: of a lift; of a release nobody says it.
        from_bucket: Option<BucketName>,
        /// Into this bucket of the account.
        bucket: BucketName,
    },
}

impl Half {
    /// The region on the other side.
    #[must_use]
    pub const fn other(&self) -> &RegionName {
        match self {
            Self::Send { to, .. } => to,
            Self::Receive { from, .. } => from,
        }
    }

    /// The bucket on this side.
    #[must_use]
    pub const fn bucket(&self) -> &BucketName {
        match self {
            Self::Send { bucket, .. } | Self::Receive { bucket, .. } => bucket,
        }
    }
}

/// A mapping as an officer asks for it; markings as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingWanted {
    /// Its name in the account.
    pub name: MappingName,
    /// Whether it lets something leave or come in, and between which buckets.
    pub half: Half,
    /// Whether for lifts or for releases.
    pub way: CrossingWay,
    /// The marking that nothing exceeds which goes by it.
    pub highest: String,
    /// The types that may go.
    pub types: Vec<MediaType>,
    /// The names of the metadata that passes (`x-amz-meta-…`, without that).
    pub metadata: Vec<String>,
    /// The most bytes of one object.
    pub object_len_max: u64,
    /// The most bytes in a day of UTC, at each label.
    pub bytes_per_day: u64,
    /// The most objects in a day of UTC, at each label.
    pub objects_per_day: u64,
    /// What arrives at the first marking is put at the second; everything else at its own.
    pub at: Vec<(String, String)>,
}

/// A release as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseWanted {
    /// Of which object, or version of one.
    pub source: ObjectTarget,
    /// Whether the object is a list of the bundles that are missing of the region that it goes to: at the ceiling alone.
    pub gaps: bool,
    /// To which region; to the own one for another label there.
    pub to: RegionName,
    /// By which mapping; none means the one that fits.
    pub mapping: Option<MappingName>,
    /// Its new name.
    pub key: ObjectKey,
    /// Its new label.
    pub marking: String,
    /// Its new headers and metadata: nothing is taken over.
    pub metadata: Attributes,
    /// What for.
    pub purpose: Purpose,
    /// Days until it expires, 1 to 30.
    pub days: u8,
}

/// An operation of crossing. The last three are the region's own, on somebody's order or a mapping's: no front parses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrossingAct {
    /// Writes a half of a mapping, in the place of one of the same name.
    PutMapping {
        /// The mapping.
        mapping: Box<MappingWanted>,
    },
    /// Removes one: what goes by it stops.
    DeleteMapping {
        /// Which.
        name: MappingName,
    },
    /// The account's mappings.
    ListMappings,
    /// Orders that what lies at the session's label in a bucket is sent.
    StartLift {
        /// The bucket.
        bucket: BucketName,
        /// How the keys begin; may be empty.
        prefix: String,
        /// The region that it goes to.
        to: RegionName,
        /// By which mapping; none means the one that fits.
        mapping: Option<MappingName>,
        /// Whether it goes on with what is written later, until somebody stops it.
        standing: bool,
        /// What for.
        purpose: Option<Purpose>,
    },
    /// Ends a lift.
    StopLift {
        /// Which.
        lift: LiftId,
    },
    /// How far a lift is.
    DescribeLift {
        /// Which.
        lift: LiftId,
    },
    /// The lifts at the session's label.
    ListLifts {
        /// Where the page before ended.
        after: Option<LiftId>,
        /// The most of one page.
        limit: u16,
    },
    /// Asks for a release.
    RequestRelease {
        /// What exactly.
        wanted: Box<ReleaseWanted>,
    },
    /// Answers everything of a release to a reviewer, and notes that they saw it.
    ReviewRelease {
        /// Which.
        release: ReleaseId,
    },
    /// Approves exactly what the digest says.
    ApproveRelease {
        /// Which.
        release: ReleaseId,
        /// The digest that the reviewer saw.
        digest: String,
        /// Why.
        reason: Words,
    },
    /// Refuses a release for good.
    RefuseRelease {
        /// Which.
        release: ReleaseId,
        /// Why.
        reason: Words,
    },
    /// How far a release is.
    DescribeRelease {
        /// Which.
        release: ReleaseId,
    },
    /// The releases in view.
    ListReleases {
        /// Where the page before ended.
        after: Option<ReleaseId>,
        /// The most of one page.
        limit: u16,
    },
    /// What came from a region.
    ListArrivals {
        /// Which.
        from: RegionName,
        /// Where the page before ended.
        after: Option<String>,
        /// The most of one page.
        limit: u16,
        /// Only what was refused or quarantined, wholly or in part.
        troubled: bool,
    },
    /// What became of one bundle.
    FindArrival {
        /// Which region's.
        from: RegionName,
        /// Which.
        bundle: BundleId,
    },
    /// Which numbers of a region's bundles are missing.
    ListGaps {
        /// Which.
        from: RegionName,
    },
    /// Looks for what a lift has to send.
    WalkLift {
        /// Which lift.
        lift: LiftId,
        /// The bucket.
        bucket: BucketName,
        /// How the keys begin.
        prefix: String,
    },
    /// Puts versions into a bundle.
    SendObjects {
        /// The id of the lift or the release.
        crossing: String,
        /// The bundle.
        bundle: BundleId,
        /// The region that it goes to.
        to: RegionName,
        /// The bucket of the versions.
        bucket: BucketName,
        /// The versions.
        objects: Vec<(ObjectKey, VersionId)>,
    },
    /// Takes objects out of a bundle.
    ReceiveObjects {
        /// The region that it came from.
        from: RegionName,
        /// The bundle.
        bundle: BundleId,
        /// The bucket that they go into.
        bucket: BucketName,
        /// Their keys.
        keys: Vec<ObjectKey>,
    },
}

impl CrossingAct {
    /// The operation's name as the ledger writes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PutMapping { .. } => "PutMapping",
            Self::DeleteMapping { .. } => "DeleteMapping",
            Self::ListMappings => "ListMappings",
            Self::StartLift { .. } => "StartLift",
            Self::StopLift { .. } => "StopLift",
            Self::DescribeLift { .. } => "DescribeLift",
            Self::ListLifts { .. } => "ListLifts",
            Self::RequestRelease { .. } => "RequestRelease",
            Self::ReviewRelease { .. } => "ReviewRelease",
            Self::ApproveRelease { .. } => "ApproveRelease",
            Self::RefuseRelease { .. } => "RefuseRelease",
            Self::DescribeRelease { .. } => "DescribeRelease",
            Self::ListReleases { .. } => "ListReleases",
            Self::ListArrivals { .. } => "ListArrivals",
            Self::FindArrival { .. } => "FindArrival",
            Self::ListGaps { .. } => "ListGaps",
            Self::WalkLift { .. } => "WalkLift",
            Self::SendObjects { .. } => "SendObjects",
            Self::ReceiveObjects { .. } => "ReceiveObjects",
        }
    }

    /// What bucket policies are asked (see [`crate::Operation::needs`]). What is received needs nothing of them: the
    /// mapping is the leave.
    pub(crate) fn needs(&self) -> Vec<Need<'_>> {
        match self {
            Self::StartLift { bucket, .. } | Self::WalkLift { bucket, .. } => {
                vec![Need { action: "s3:ListBucket", bucket, key: None, reads_version: false }]
            }
            Self::SendObjects { bucket, objects, .. } => {
                let action = "s3:GetObjectVersion";
                let read = |(key, _)| Need { action, bucket, key: Some(key), reads_version: true };
                objects.iter().map(|(key, version)| read((key, version))).collect()
            }
            Self::RequestRelease { wanted } => vec![crate::actions::content(&wanted.source)],
            _ => Vec::new(),
        }
    }

    /// What it touches (see [`crate::Operation::touches`]).
    pub(crate) fn touches(&self) -> Vec<Touch> {
        use crate::Way::{Read, Write};
        let object = |bucket: &BucketName, key: &ObjectKey| Resource::Object(bucket.clone(), key.clone());
        match self {
            Self::PutMapping { mapping } => vec![(Write, Resource::Mapping(mapping.name.clone()))],
            Self::DeleteMapping { name } => vec![(Write, Resource::Mapping(name.clone()))],
            Self::ListMappings => vec![(Read, Resource::Mappings)],
            Self::StartLift { bucket, .. } => {
                vec![(Read, Resource::Bucket(bucket.clone())), (Write, Resource::Lifts)]
            }
            Self::WalkLift { lift, bucket, .. } => {
                vec![(Read, Resource::Bucket(bucket.clone())), (Write, Resource::Lift(lift.clone()))]
            }
            Self::StopLift { lift } => vec![(Write, Resource::Lift(lift.clone()))],
            Self::DescribeLift { lift } => vec![(Read, Resource::Lift(lift.clone()))],
            Self::ListLifts { .. } => vec![(Read, Resource::Lifts)],
            Self::RequestRelease { wanted } => {
                vec![(Read, object(&wanted.source.bucket, &wanted.source.key)), (Write, Resource::Releases)]
            }
            Self::ReviewRelease { release }
            | Self::ApproveRelease { release, .. }
            | Self::RefuseRelease { release, .. } => vec![(Write, Resource::Release(release.clone()))],
            Self::DescribeRelease { release } => vec![(Read, Resource::Release(release.clone()))],
            Self::ListReleases { .. } => vec![(Read, Resource::Releases)],
            Self::ListArrivals { from, .. } | Self::ListGaps { from } => {
                vec![(Read, Resource::Arrivals(from.clone()))]
            }
            Self::FindArrival { from, bundle } => vec![(Read, Resource::Bundle(from.clone(), bundle.clone()))],
            Self::SendObjects { bundle, to, bucket, objects, .. } => {
                let read = objects.iter().map(|(key, _)| (Read, object(bucket, key)));
                read.chain([(Write, Resource::Bundle(to.clone(), bundle.clone()))]).collect()
            }
            Self::ReceiveObjects { from, bundle, bucket, keys } => {
                let first = (Read, Resource::Bundle(from.clone(), bundle.clone()));
                std::iter::once(first).chain(keys.iter().map(|key| (Write, object(bucket, key)))).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_rules() {
        assert!(RegionName::new("us-gov-west-1").is_ok() && MappingName::new("plans").is_ok());
        for bad in ["", "Plans", "a/b", "a b", "ä", &"a".repeat(65)] {
            assert!(RegionName::new(bad).is_err() && MappingName::new(bad).is_err(), "{bad}");
        }
        assert!(LiftId::new("0123456789abcdef0123456789abcdef").is_ok());
        for bad in ["", "0123456789abcdef0123456789abcde", "0123456789ABCDEF0123456789ABCDEF"] {
            assert!(LiftId::new(bad).is_err() && BundleId::new(bad).is_err() && ReleaseId::new(bad).is_err(), "{bad}");
        }
        assert_eq!(BundleId::from_random(255).as_str(), "000000000000000000000000000000ff");
    }

    #[test]
    fn words_have_bounds_and_no_control_characters() {
        assert!(Purpose::new("exercise, order 7 of the staff").is_ok() && Words::new("ä".repeat(1_000)).is_ok());
        for bad in ["", "two\nlines", "\u{1b}[2J", &"a".repeat(1_001)] {
            assert!(Purpose::new(bad).is_err() && Words::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_claimed_type_is_one_that_crosses_or_none() {
        let claimed = |text: &str| MediaType::claimed(text).map(String::from);
        assert_eq!(claimed("text/plain").as_deref(), Some("text/plain"));
        assert_eq!(claimed("Text/Markdown; charset=\"UTF-8\"").as_deref(), Some("text/plain"));
        assert_eq!(claimed("text/xml").as_deref(), Some("application/xml"));
        for none in
            ["", "binary/octet-stream", "text/plain; charset=utf-16", "text/plain; format=flowed", "application/pdf"]
        {
            assert_eq!(claimed(none), None, "{none}");
        }
        for (other, written) in OTHER_NAMES {
            assert!(CROSSING_TYPES.contains(&written) && !CROSSING_TYPES.contains(&other));
        }
    }
}

//! What can be wrong with a bundle.

use std::{fmt, io};

/// What of a bundle does not open, or is not what its manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Where the manifest lies: sealed for another region or head, or changed.
    Index,
    /// The manifest.
    Manifest,
    /// An object, by its place in the manifest, from 0.
    Object(usize),
    /// What lies between the objects and the manifest.
    Padding,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => formatter.write_str("the index"),
            Self::Manifest => formatter.write_str("the manifest"),
            Self::Object(place) => write!(formatter, "object {place} of the manifest (from 0)"),
            Self::Padding => formatter.write_str("the padding"),
        }
    }
}

/// Why a file is not taken as a bundle, or none could be made. In the order in which a reader finds them.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The disk failed, not the bundle.
    #[error("the bundle's file could not be read or written")]
    Disk(#[from] io::Error),
    /// It ends too early.
    #[error("the bundle ends after {length} bytes; it has at least {needed}")]
    Truncated {
        /// Its length.
        length: u64,
        /// What its head says, or the least of any bundle.
        needed: u64,
    },
    /// It has more bytes, objects or names than it says, or than any may have.
    #[error("the bundle has {found} {what}; at most {most} are right")]
    Oversized {
        /// Of what.
        what: &'static str,
        /// How many.
        found: u64,
        /// The bound.
        most: u64,
    },
    /// It does not have the form.
    #[error("this is no bundle of format 1: {0}")]
    Malformed(&'static str),
    /// It names another origin than the one whose inbox it lies in.
    #[error("the bundle says that it comes from `{origin}`, and `{expected}` is expected here")]
    AnotherOrigin {
        /// What it says.
        origin: String,
        /// Whose it must be.
        expected: String,
    },
    /// A signature is missing or wrong, or is of other bytes.
    #[error("the bundle is not signed by its origin: {0}")]
    Forged(&'static str),
    /// It goes to another region.
    #[error("the bundle is for the region `{to}`, not for this one")]
    AnotherRegion {
        /// Where it goes.
        to: String,
    },
    /// It is sealed with a public key that this region has no longer, or never had.
    #[error(
        "the bundle is sealed with the key `{id}`, which is not this region's: its origin has to be handed the new one"
    )]
    AnotherKey {
        /// The key's id.
        id: String,
    },
    /// What it holds is not what was sealed, or not what its manifest says.
    #[error("{0} is damaged")]
    Damaged(Part),
    /// Its label means nothing here, or what says it is not written as this region's policy writes it.
    #[error("the bundle's label is not sound: {0}")]
    Mislabelled(&'static str),
    /// It was made too long ago, or in the future.
    #[error("the bundle says that it was made {}, and the clock here says {}", Instant(*.made_ms), Instant(*.now_ms))]
    Clock {
        /// When it was made, in ms since 1970.
        made_ms: i64,
        /// What the clock here said.
        now_ms: i64,
    },
    /// The keys did not do what they are for.
    #[error("the bundle could not be sealed or signed")]
    Sealing,
    /// The calls came in an order that makes no bundle.
    #[error("the bundle cannot be written so: {0}")]
    Misused(&'static str),
}

impl BundleError {
    /// The word that the ledger writes.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Disk(_) => "disk",
            Self::Truncated { .. } => "truncated",
            Self::Oversized { .. } => "oversized",
            Self::Malformed(_) => "malformed",
            Self::AnotherOrigin { .. } => "another origin's",
            Self::Forged(_) => "forged",
            Self::AnotherRegion { .. } => "another region's",
            Self::AnotherKey { .. } => "another key's",
            Self::Damaged(_) => "damaged",
            Self::Mislabelled(_) => "mislabelled",
            Self::Clock { .. } => "clock",
            Self::Sealing => "sealing",
            Self::Misused(_) => "misused",
        }
    }

    /// Whether the fault may be this region's own, and the bundle good: to be tried again, not refused.
    #[must_use]
    pub const fn is_own_fault(&self) -> bool {
        matches!(self, Self::Disk(_) | Self::Sealing | Self::Misused(_))
    }
}

/// A time for people.
struct Instant(i64);

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match crate::rules::date_time(self.0) {
            Some(text) => formatter.write_str(&text),
            None => write!(formatter, "{} ms after 1970", self.0),
        }
    }
}

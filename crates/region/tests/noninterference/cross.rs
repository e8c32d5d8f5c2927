//! What is asked about crossings, and what the region does of itself: it sends what is due at a label, and takes in what
//! came from below.

use crate::action::{BUCKETS, KEYS, Place, Version, versioned};
use crate::beside::{ABOVE, BELOW, THERE, WORD, bundle_id};
use crate::session::{Memory, pick};
use crate::support::{Ask, S, TOP};
use serde_json::{Value, json};

/// Names of mappings.
pub const NAMES: [&str; 4] = ["plans", "other", "third", "down"];
/// The last of them: releases are planned by it.
pub const DOWN: usize = 3;

/// What half a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// What goes to the region above.
    Lift,
    /// What goes to the region below.
    Release,
    /// What comes from the region below.
    Arrival,
}

/// What is said of an object that is to be released.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Its name there, one of the keys.
    pub name: usize,
    pub label: &'static str,
    pub kind: &'static str,
    /// Metadata; the guard stops what has its word in it.
    pub subject: Option<&'static str>,
}

/// What a plain one is asked for with.
pub const PLAIN: &str = "text/plain";
/// Metadata that no guard stops, and some that ours does.
pub const SUBJECTS: [&str; 2] = ["exercise", WORD];

/// An operation of crossing.
#[derive(Clone, Copy, Debug)]
pub enum Crossing {
    /// Writes a half under one of [`NAMES`], between one of the buckets and another region.
    PutMapping {
        name: usize,
        half: Half,
        bucket: usize,
        highest: &'static str,
        /// A day has room for so little that a later object waits.
        tight: bool,
        /// What arrives at SECRET is put at the ceiling.
        lifts: bool,
    },
    DeleteMapping(usize),
    ListMappings,
    /// Of a bucket, or of the keys there that begin with `a/`; by the mapping of a name, or by any that fits.
    StartLift {
        bucket: usize,
        some: bool,
        mapping: Option<usize>,
        standing: bool,
    },
    StopLift(usize),
    DescribeLift(usize),
    ListLifts,
    RequestRelease {
        at: Place,
        version: Version,
        wish: Wish,
        mapping: Option<usize>,
    },
    ReviewRelease(usize),
    /// With the digest that was seen, or with another.
    ApproveRelease(usize, bool),
    RefuseRelease(usize),
    DescribeRelease(usize),
    /// All, or two behind a known one.
    ListReleases(Option<usize>),
    ListArrivals(bool),
    /// One of the prepared bundles.
    FindArrival(usize),
    /// No request: the region sends what lifts have due at the session's label.
    Send,
    /// No request: the region sends what is approved of the releases of the session's label.
    SendReleases,
    /// No request: one of the prepared bundles of the session's label comes in.
    Arrive(usize),
}

impl Crossing {
    /// Whether nobody asks for it.
    pub const fn is_of_itself(self) -> bool {
        matches!(self, Self::Send | Self::SendReleases | Self::Arrive(_))
    }

    /// Whether releases may be told of in the answer.
    pub const fn is_of_releases(self) -> bool {
        matches!(self, Self::RequestRelease { .. } | Self::ReviewRelease(_) | Self::ListReleases(_))
    }

    /// The request, given what its session saw so far.
    pub fn ask(self, memory: &Memory) -> Ask {
        let lift = |number| {
            let known = pick(&memory.lifts, number).cloned().unwrap_or_else(|| format!("{:032x}", 1));
            json!({ "lift": known })
        };
        let known = |number| {
            let nothing = || (format!("{:032x}", 1), "0".repeat(64));
            pick(&memory.releases, number).cloned().unwrap_or_else(nothing)
        };
        let release = |number| json!({ "release": known(number).0 });
        match self {
            Self::PutMapping { name, half, bucket, highest, tight, lifts } => {
                let way = if half == Half::Release { "release" } else { "lift" };
                let mut wanted = json!({
                    "name": NAMES[name], "way": way, "highest": highest, "types": [PLAIN], "metadata": ["subject"],
                    "bytes_per_day": 1_000_000, "objects_per_day": if tight { 1 } else { 100 },
                });
                let (side, text) = side(half, BUCKETS[bucket]);
                wanted[side] = text;
                if lifts && half == Half::Arrival {
                    wanted["at"] = json!([{ "from": S, "to": TOP }]);
                }
                Ask::own("PutMapping", &wanted)
            }
            Self::DeleteMapping(name) => Ask::own("DeleteMapping", &json!({ "name": NAMES[name] })),
            Self::ListMappings => Ask::own("ListMappings", &json!({})),
            Self::StartLift { bucket, some, mapping, standing } => {
                let mut wanted = json!({ "bucket": BUCKETS[bucket], "to": ABOVE, "standing": standing });
                if some {
                    wanted["prefix"] = json!("a/");
                }
                if let Some(name) = mapping {
                    wanted["mapping"] = json!(NAMES[name]);
                }
                Ask::own("StartLift", &wanted)
            }
            Self::StopLift(number) => Ask::own("StopLift", &lift(number)),
            Self::DescribeLift(number) => Ask::own("DescribeLift", &lift(number)),
            Self::ListLifts => Ask::own("ListLifts", &json!({})),
            Self::RequestRelease { at, version, wish, mapping } => {
                let (bucket, key, query) = versioned(at, version, memory);
                let mut wanted = json!({
                    "bucket": bucket, "key": key, "to": BELOW, "name": KEYS[wish.name], "label": wish.label,
                    "type": wish.kind, "purpose": "for the partners",
                });
                if let Some(id) = query.strip_prefix("?versionId=") {
                    wanted["version_id"] = json!(id);
                }
                if let Some(subject) = wish.subject {
                    wanted["metadata"] = json!({ "subject": subject });
                }
                if let Some(name) = mapping {
                    wanted["mapping"] = json!(NAMES[name]);
                }
                Ask::own("RequestRelease", &wanted)
            }
            Self::ReviewRelease(number) => Ask::own("ReviewRelease", &release(number)),
            Self::ApproveRelease(number, is_seen) => {
                let (id, digest) = known(number);
                let digest = if is_seen { digest } else { "0".repeat(64) };
                Ask::own("ApproveRelease", &json!({ "release": id, "digest": digest, "reason": "checked" }))
            }
            Self::RefuseRelease(number) => {
                Ask::own("RefuseRelease", &json!({ "release": known(number).0, "reason": "a name in it" }))
            }
            Self::DescribeRelease(number) => Ask::own("DescribeRelease", &release(number)),
            Self::ListReleases(None) => Ask::own("ListReleases", &json!({})),
            Self::ListReleases(Some(number)) => {
                Ask::own("ListReleases", &json!({ "after": known(number).0, "limit": 2 }))
            }
            Self::ListArrivals(troubled) => {
                Ask::own("ListArrivals", &json!({ "from": BELOW, "troubled": troubled, "limit": 3 }))
            }
            Self::FindArrival(number) => {
                Ask::own("FindArrival", &json!({ "from": BELOW, "bundle": bundle_id(number).as_str() }))
            }
            Self::Send | Self::SendReleases | Self::Arrive(_) => unreachable!("nobody asks for it"),
        }
    }
}

fn side(half: Half, bucket: &str) -> (&'static str, Value) {
    let (account, there) = THERE;
    let send = |to: &str| json!({ "bucket": bucket, "to": to, "to_account": account, "to_bucket": there });
    match half {
        Half::Lift => ("send", send(ABOVE)),
        Half::Release => ("send", send(BELOW)),
        Half::Arrival => {
            ("receive", json!({ "bucket": bucket, "from": BELOW, "from_account": account, "from_bucket": there }))
        }
    }
}

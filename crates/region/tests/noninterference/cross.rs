//! What is asked about crossings, and what the region does of itself: it sends what is due at a label, and takes in what
//! came from below.

use crate::action::BUCKETS;
use crate::beside::{ABOVE, BELOW, THERE, bundle_id};
use crate::session::{Memory, pick};
use crate::support::{Ask, S, TOP};
use serde_json::{Value, json};

/// Names of mappings.
pub const NAMES: [&str; 3] = ["plans", "other", "third"];

/// An operation of crossing.
#[derive(Clone, Copy, Debug)]
pub enum Crossing {
    /// Writes a half under one of [`NAMES`], between one of the buckets and another region.
    PutMapping {
        name: usize,
        sends: bool,
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
    StartLift(usize, bool, Option<usize>),
    StopLift(usize),
    DescribeLift(usize),
    ListLifts,
    ListArrivals(bool),
    /// One of the prepared bundles.
    FindArrival(usize),
    /// No request: the region sends what is due at the session's label.
    Send,
    /// No request: one of the prepared bundles of the session's label comes in.
    Arrive(usize),
    // Releases: RequestRelease, ReviewRelease, ApproveRelease, RefuseRelease, DescribeRelease, ListReleases, and
    // `SendReleases` beside `Send`; drawn in `generate::Draw::crossing`, played in `run::Play::cross`.
}

impl Crossing {
    /// The request, given what its session saw so far.
    pub fn ask(self, memory: &Memory) -> Ask {
        let lift = |number| {
            let known = pick(&memory.lifts, number).cloned().unwrap_or_else(|| format!("{:032x}", 1));
            json!({ "lift": known })
        };
        match self {
            Self::PutMapping { name, sends, bucket, highest, tight, lifts } => {
                let (side, half) = half(sends, BUCKETS[bucket]);
                let mut wanted = json!({
                    "name": NAMES[name], "way": "lift", "highest": highest, "types": ["text/plain"],
                    "bytes_per_day": 1_000_000, "objects_per_day": if tight { 1 } else { 100 },
                });
                wanted[side] = half;
                if lifts && !sends {
                    wanted["at"] = json!([{ "from": S, "to": TOP }]);
                }
                Ask::own("PutMapping", &wanted)
            }
            Self::DeleteMapping(name) => Ask::own("DeleteMapping", &json!({ "name": NAMES[name] })),
            Self::ListMappings => Ask::own("ListMappings", &json!({})),
            Self::StartLift(bucket, some, mapping) => {
                let mut wanted = json!({ "bucket": BUCKETS[bucket], "to": ABOVE });
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
            Self::ListArrivals(troubled) => {
                Ask::own("ListArrivals", &json!({ "from": BELOW, "troubled": troubled, "limit": 3 }))
            }
            Self::FindArrival(number) => {
                Ask::own("FindArrival", &json!({ "from": BELOW, "bundle": bundle_id(number).as_str() }))
            }
            Self::Send | Self::Arrive(_) => unreachable!("nobody asks for it"),
        }
    }
}

fn half(sends: bool, bucket: &str) -> (&'static str, Value) {
    let (account, there) = THERE;
    if sends {
        ("send", json!({ "bucket": bucket, "to": ABOVE, "to_account": account, "to_bucket": there }))
    } else {
        ("receive", json!({ "bucket": bucket, "from": BELOW, "from_account": account, "from_bucket": there }))
    }
}

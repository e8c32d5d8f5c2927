//! The content of a bundle of gaps: which numbers the other region should send again.

use crate::{BundleError, NUMBER_MAX};
use serde::{Deserialize, Serialize};

/// The most numbers that a bundle of gaps may ask for.
pub const GAPS_MAX: u64 = 1_000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gaps {
    gaps: Vec<(u64, u64)>,
}

/// The content: `{"gaps":[[3,5],[9,9]]}`, both ends belong to a range.
///
/// # Errors
/// As [`read_gaps`]: nothing is written that would not be read.
pub fn write_gaps(gaps: &[(u64, u64)]) -> Result<Vec<u8>, BundleError> {
    check(gaps)?;
    serde_json::to_vec(&Gaps { gaps: gaps.to_vec() }).map_err(|_| BundleError::Malformed("the gaps cannot be written"))
}

/// Reads the ranges of a bundle of gaps: in order, apart from each other, at most [`GAPS_MAX`] numbers in all.
///
/// # Errors
/// [`BundleError::Malformed`] when they are not, or are written in another way; [`BundleError::Oversized`].
pub fn read_gaps(content: &[u8]) -> Result<Vec<(u64, u64)>, BundleError> {
    // Ten digits twice, and what stands between.
    const CONTENT_LEN_MAX: u64 = 16 + GAPS_MAX * 24;
    let found = content.len() as u64;
    if found > CONTENT_LEN_MAX {
        return Err(BundleError::Oversized { what: "bytes of gaps", found, most: CONTENT_LEN_MAX });
    }
    let read: Gaps =
        serde_json::from_slice(content).map_err(|_| BundleError::Malformed("its gaps are not written as gaps are"))?;
    check(&read.gaps)?;
    if write_gaps(&read.gaps)? != content {
        return Err(BundleError::Malformed("its gaps are not written as gaps are"));
    }
    Ok(read.gaps)
}

fn check(gaps: &[(u64, u64)]) -> Result<(), BundleError> {
    let (mut found, mut after) = (0_u64, 0_u64);
    for (first, last) in gaps {
        // A range that touches the one before would be one with it.
        if first > last || *first <= after || *last > NUMBER_MAX || (after > 0 && *first == after + 1) {
            return Err(BundleError::Malformed("its gaps are not ranges in order, from 1"));
        }
        found = found.saturating_add(last - first + 1);
        after = *last;
    }
    match found {
        0 => Err(BundleError::Malformed("it asks for no number")),
        1..=GAPS_MAX => Ok(()),
        _ => Err(BundleError::Oversized { what: "numbers", found, most: GAPS_MAX }),
    }
}

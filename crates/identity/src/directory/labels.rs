//! The region's closed list of labels, kept by the officer at the floor.

use super::{Directory, DirectoryChange, DirectoryError, refused};
use crate::RegionLabels;
use fastness_label::{Label, Policy};
use fastness_operation::Code;

/// The most labels a region holds: each is a partition that is open as long as the region runs.
pub const LABELS_MAX: usize = 128;

/// Adds a label to the region's list, and says whether it is new.
///
/// # Errors
/// `InvalidInput` for a malformed marking, or one outside the region's floor and ceiling.
pub fn allow_label(
    directory: &mut dyn DirectoryChange,
    policy: &Policy,
    labels: &RegionLabels,
    marking: &str,
) -> Result<(Label, bool), DirectoryError> {
    let label = policy.label(marking).or_else(|error| refused(Code::InvalidInput, error.to_string()))?;
    let text = policy.banner(label);
    if !labels.could_hold(label) {
        let (floor, ceiling) = (policy.banner(labels.floor()), policy.banner(labels.ceiling()));
        return refused(
            Code::InvalidInput,
            format!("this region holds labels from `{floor}` up to `{ceiling}`; `{text}` is not between them"),
        );
    }
    let row = format!("label/{text}");
    if directory.get(&row)?.is_some() {
        return Ok((label, false));
    }
    if directory.list("label/", "", LABELS_MAX)?.len() >= LABELS_MAX {
        return refused(Code::LimitExceeded, format!("a region holds at most {LABELS_MAX} labels"));
    }
    directory.put(&row, &[])?;
    Ok((label, true))
}

/// The labels on the list.
///
/// # Errors
/// `InternalError` when a row is not a marking of the region's policy.
pub fn held_labels(directory: &dyn Directory, policy: &Policy) -> Result<Vec<Label>, DirectoryError> {
    let rows = directory.list("label/", "", LABELS_MAX)?;
    let label = |(row, _): &(String, Vec<u8>)| {
        let text = row.strip_prefix("label/").unwrap_or_default();
        policy.label(text).or_else(|error| refused(Code::InternalError, format!("row `{row}`: {error}")))
    };
    rows.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::Rows;
    use super::*;

    #[test]
    fn the_list_of_labels_has_a_bound() {
        let policy = Policy::us();
        let (floor, ceiling) = (policy.lowest(), policy.label("TOP SECRET//SI/TK").unwrap());
        let labels = RegionLabels::new(&policy, floor, ceiling, [floor, ceiling]);
        let mut rows = Rows::default();
        assert!(allow_label(&mut rows, &policy, &labels, "SECRET").unwrap().1);
        assert!(!allow_label(&mut rows, &policy, &labels, "(S)").unwrap().1, "the same label, written otherwise");
        for number in 1..LABELS_MAX {
            rows.0.insert(format!("label/{number}"), Vec::new());
        }
        let full = allow_label(&mut rows, &policy, &labels, "CONFIDENTIAL");
        assert!(matches!(full, Err(DirectoryError::Refused { code: Code::LimitExceeded, .. })));
        assert!(!allow_label(&mut rows, &policy, &labels, "SECRET").unwrap().1);
        let above = allow_label(&mut rows, &policy, &labels, "TOP SECRET//HCS//NOFORN");
        assert!(matches!(above, Err(DirectoryError::Refused { code: Code::InvalidInput, .. })));
    }
}

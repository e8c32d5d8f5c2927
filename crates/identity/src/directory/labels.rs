//! The region's closed list of labels, kept by the officer at the floor.

use super::{Directory, DirectoryChange, DirectoryError, refused};
use crate::RegionLabels;
use fastness_label::{Label, Policy};
use fastness_operation::Code;

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
    directory.put(&row, &[])?;
    Ok((label, true))
}

/// The labels on the list.
///
/// # Errors
/// `InternalError` when a row is not a marking of the region's policy.
pub fn held_labels(directory: &dyn Directory, policy: &Policy) -> Result<Vec<Label>, DirectoryError> {
    let rows = directory.list("label/", "", 10_000)?;
    let label = |(row, _): &(String, Vec<u8>)| {
        let text = row.strip_prefix("label/").unwrap_or_default();
        policy.label(text).or_else(|error| refused(Code::InternalError, format!("row `{row}`: {error}")))
    };
    rows.iter().map(label).collect()
}

//! Mappings: from which bucket to which, across regions, an account lets something go, and how much of it. Each region
//! holds its own half, kept by the account's officer at the floor.

use super::{Directory, DirectoryChange, DirectoryError, DirectoryFault, decode, read, refused, write};
use crate::RegionLabels;
use aws_lc_rs::digest;
use fastness_label::{Label, Policy};
use fastness_operation::{
    AccountNumber, BucketName, CROSSING_OBJECT_LEN_MAX, Code, CrossingWay, Half, MappingName, MappingWanted, MediaType,
    Moment, RegionName, UserName,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The most mappings of an account.
pub const MAPPINGS_MAX: usize = 1_000;
/// The most types, and the most names of metadata, of a mapping.
const LISTED_MAX: usize = 64;
/// The longest name of metadata, in bytes: more than a client's header would hold of it.
const METADATA_NAME_LEN_MAX: usize = 128;
/// The most labels that a mapping puts elsewhere: as many as a region holds.
const AT_MAX: usize = super::LABELS_MAX;

/// Half a mapping, as the directory keeps it. Markings are banners of the region's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Its name in the account.
    pub name: MappingName,
    /// The account.
    pub account: AccountNumber,
    /// Which side it is, and between which buckets it lets something go.
    pub half: Half,
    /// For lifts, or for releases.
    pub way: CrossingWay,
    /// The label that nothing exceeds which goes by it.
    pub highest: String,
    /// The types that may go.
    pub types: Vec<MediaType>,
    /// The names of the metadata that passes, without `x-amz-meta-`.
    pub metadata: Vec<String>,
    /// The most bytes of one object.
    pub object_len_max: u64,
    /// The most bytes in a day of UTC, at each label.
    pub bytes_per_day: u64,
    /// The most objects in a day of UTC, at each label.
    pub objects_per_day: u64,
    /// What arrives at the first label is put at the second; everything else at its own.
    pub at: Vec<(String, String)>,
    /// When it was written, in milliseconds since 1970.
    pub made_ms: i64,
    /// The name of the officer who wrote it.
    pub made_by: UserName,
}

impl Mapping {
    /// The SHA-256 of its row: another row, another digest.
    ///
    /// # Errors
    /// A failure to encode it.
    pub fn digest(&self) -> Result<[u8; 32], DirectoryError> {
        let row = postcard::to_stdvec(self).map_err(|error| DirectoryFault(format!("a mapping: {error}")))?;
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &row).as_ref());
        Ok(hash)
    }

    /// Whether it is the receiving half for what a bundle says of itself.
    #[must_use]
    pub fn receives(&self, arrival: &ArrivalRoute<'_>) -> bool {
        let Half::Receive { from, from_account, from_bucket, bucket } = &self.half else { return false };
        self.way == arrival.way
            && self.account == arrival.to_account
            && bucket == arrival.to_bucket
            && from == arrival.from
            && *from_account == arrival.from_account
            && from_bucket.as_ref() == arrival.from_bucket
    }
}

/// Where a bundle says that it comes from and goes to. Account and bucket there are named of a lift, and of no release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivalRoute<'a> {
    /// The region whose signatures the bundle has.
    pub from: &'a RegionName,
    /// Lift or release.
    pub way: CrossingWay,
    /// The account there.
    pub from_account: Option<AccountNumber>,
    /// The bucket there.
    pub from_bucket: Option<&'a BucketName>,
    /// The account here.
    pub to_account: AccountNumber,
    /// The bucket here.
    pub to_bucket: &'a BucketName,
}

/// Where another region lies, seen from this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Beside {
    /// Lifts go there; releases come from there.
    Above,
    /// Lifts come from there; releases go there.
    Below,
    /// It is this region: what is released within it gets another label.
    Own,
}

/// Writes half a mapping, in the place of one of the same name. `beside` says where the other region lies; nothing, when
/// the region's configuration does not name it (yet).
///
/// # Errors
/// `InvalidInput` for what is against the rules, each with its text; `EntityAlreadyExists` when another mapping is for
/// the same; `LimitExceeded` when the account has [`MAPPINGS_MAX`].
pub fn put_mapping(
    directory: &mut dyn DirectoryChange,
    (policy, labels): (&Policy, &RegionLabels),
    (account, officer): (AccountNumber, &UserName),
    beside: Option<Beside>,
    wanted: &MappingWanted,
    moment: &Moment,
) -> Result<Mapping, DirectoryError> {
    check_way(wanted, beside)?;
    check_lists(wanted)?;
    check_limits(wanted)?;
    let mapping = Mapping {
        name: wanted.name.clone(),
        account,
        half: wanted.half.clone(),
        way: wanted.way,
        highest: highest(policy, labels, wanted)?,
        types: wanted.types.clone(),
        metadata: wanted.metadata.clone(),
        object_len_max: wanted.object_len_max,
        bytes_per_day: wanted.bytes_per_day,
        objects_per_day: wanted.objects_per_day,
        at: targets(policy, labels, wanted)?,
        made_ms: moment.now_ms,
        made_by: officer.clone(),
    };
    let others = list_mappings(directory, account)?;
    let known = others.iter().any(|other| other.name == mapping.name);
    if !known && others.len() >= MAPPINGS_MAX {
        return refused(Code::LimitExceeded, format!("an account has at most {MAPPINGS_MAX} mappings"));
    }
    let same =
        |other: &&Mapping| other.name != mapping.name && (&other.half, other.way) == (&mapping.half, mapping.way);
    if let Some(other) = others.iter().find(same) {
        let message = format!("the mapping `{}` is for the same way between the same buckets", other.name);
        return refused(Code::EntityAlreadyExists, message);
    }
    write(directory, &row(account, &mapping.name), &mapping)?;
    Ok(mapping)
}

/// Removes half a mapping.
///
/// # Errors
/// `NoSuchEntity`.
pub fn delete_mapping(
    directory: &mut dyn DirectoryChange,
    account: AccountNumber,
    name: &MappingName,
) -> Result<(), DirectoryError> {
    let _there = find_mapping(directory, account, name)?;
    Ok(directory.remove(&row(account, name))?)
}

/// An account's mapping by its name.
///
/// # Errors
/// `NoSuchEntity`.
pub fn find_mapping(
    directory: &(impl Directory + ?Sized),
    account: AccountNumber,
    name: &MappingName,
) -> Result<Mapping, DirectoryError> {
    match read(directory, &row(account, name))? {
        Some(mapping) => Ok(mapping),
        None => refused(Code::NoSuchEntity, format!("the account has no mapping `{name}`")),
    }
}

/// An account's mappings, ordered by name.
///
/// # Errors
/// `InternalError` when a row cannot be read.
pub fn list_mappings(
    directory: &(impl Directory + ?Sized),
    account: AccountNumber,
) -> Result<Vec<Mapping>, DirectoryError> {
    let rows = directory.list(&format!("mapping/{account}/"), "", MAPPINGS_MAX)?;
    rows.iter().map(|(key, value)| decode(key, value)).collect()
}

/// The mapping by which an account sends from a bucket to a region: the one that is named, else the only one that fits.
///
/// # Errors
/// `NoSuchEntity` when none fits, or the named one does not; `InvalidInput` when several fit.
pub fn sending_mapping(
    directory: &(impl Directory + ?Sized),
    account: AccountNumber,
    (way, bucket, to): (CrossingWay, &BucketName, &RegionName),
    name: Option<&MappingName>,
) -> Result<Mapping, DirectoryError> {
    let fits = |mapping: &Mapping| match &mapping.half {
        Half::Send { bucket: from, to: region, .. } => mapping.way == way && from == bucket && region == to,
        Half::Receive { .. } => false,
    };
    let mut fitting = match name {
        Some(name) => vec![find_mapping(directory, account, name)?],
        None => list_mappings(directory, account)?,
    };
    fitting.retain(fits);
    let what = format!("that lets a {} go from `{bucket}` to {to}", way.name());
    match (fitting.pop(), fitting.is_empty()) {
        (Some(mapping), true) => Ok(mapping),
        (None, _) => refused(Code::NoSuchEntity, format!("there is no mapping {what}; an officer makes them")),
        (Some(_), false) => refused(Code::InvalidInput, format!("there is more than one mapping {what}: name one")),
    }
}

/// The receiving half for a bundle. No half that names exactly what the bundle does, no arrival.
///
/// # Errors
/// `InternalError` when a row cannot be read.
pub fn receiving_mapping(
    directory: &(impl Directory + ?Sized),
    arrival: &ArrivalRoute<'_>,
) -> Result<Option<Mapping>, DirectoryError> {
    let mappings = list_mappings(directory, arrival.to_account)?;
    Ok(mappings.into_iter().find(|mapping| mapping.receives(arrival)))
}

fn row(account: AccountNumber, name: &MappingName) -> String {
    format!("mapping/{account}/{name}")
}

fn invalid<T>(message: impl Into<String>) -> Result<T, DirectoryError> {
    refused(Code::InvalidInput, message)
}

/// Lifts go up and come from below, releases the other way; and what a half names fits what it is for.
fn check_way(wanted: &MappingWanted, beside: Option<Beside>) -> Result<(), DirectoryError> {
    let sends = matches!(wanted.half, Half::Send { .. });
    let other = wanted.half.other();
    let fits = match (wanted.way, beside) {
        (_, None) => true,
        (CrossingWay::Lift, Some(Beside::Own)) => false,
        (CrossingWay::Lift, Some(place)) => (place == Beside::Above) == sends,
        (CrossingWay::Release, Some(Beside::Own)) => true,
        (CrossingWay::Release, Some(place)) => (place == Beside::Below) == sends,
    };
    if !fits {
        let direction = if sends { "goes to" } else { "comes from" };
        return invalid(match (wanted.way, beside) {
            (CrossingWay::Lift, Some(Beside::Own)) => {
                "a lift goes to another region; within one, copy upward or release".to_owned()
            }
            (way, _) => {
                let place = if (way == CrossingWay::Lift) == sends { "above" } else { "below" };
                format!("a {} {direction} a region {place}; {other} is not", way.name())
            }
        });
    }
    match (&wanted.half, wanted.way) {
        (Half::Receive { from_account, from_bucket, .. }, CrossingWay::Lift)
            if from_account.is_none() || from_bucket.is_none() =>
        {
            invalid("name the account and the bucket from which a lift may come")
        }
        (Half::Receive { from_account, from_bucket, .. }, CrossingWay::Release)
            if from_account.is_some() || from_bucket.is_some() =>
        {
            invalid("a release does not say from which account or bucket it comes: name neither")
        }
        _ => Ok(()),
    }
}

fn check_lists(wanted: &MappingWanted) -> Result<(), DirectoryError> {
    let MappingWanted { types, metadata, .. } = wanted;
    if types.is_empty() || types.len() > LISTED_MAX {
        return invalid(format!("a mapping names 1 to {LISTED_MAX} types; this one names {}", types.len()));
    }
    if types.iter().collect::<BTreeSet<_>>().len() != types.len() {
        return invalid("a type is named twice");
    }
    let is_name = |name: &String| {
        (1..=METADATA_NAME_LEN_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
    };
    if metadata.len() > LISTED_MAX || !metadata.iter().all(is_name) {
        return invalid(format!(
            "names of metadata: at most {LISTED_MAX}, each of 1 to {METADATA_NAME_LEN_MAX} lower-case letters, digits and `-_.`"
        ));
    }
    if metadata.iter().collect::<BTreeSet<_>>().len() != metadata.len() {
        return invalid("a name of metadata is named twice");
    }
    Ok(())
}

fn check_limits(wanted: &MappingWanted) -> Result<(), DirectoryError> {
    if !(1..=CROSSING_OBJECT_LEN_MAX).contains(&wanted.object_len_max) {
        return invalid(format!("an object that crosses has 1 to {CROSSING_OBJECT_LEN_MAX} bytes"));
    }
    if wanted.bytes_per_day == 0 || wanted.objects_per_day == 0 {
        return invalid("a day's measure of bytes and of objects is more than nothing; to stop a mapping, delete it");
    }
    Ok(())
}

fn label(policy: &Policy, marking: &str) -> Result<Label, DirectoryError> {
    policy.label(marking).or_else(|error| invalid(error.to_string()))
}

/// The bound, as a banner. What leaves lies in this region; what comes in may come from below its floor.
fn highest(policy: &Policy, labels: &RegionLabels, wanted: &MappingWanted) -> Result<String, DirectoryError> {
    let bound = label(policy, &wanted.highest)?;
    let banner = policy.banner(bound);
    let (floor, ceiling) = (labels.floor(), labels.ceiling());
    match &wanted.half {
        Half::Send { .. } if !labels.could_hold(bound) => {
            let (floor, ceiling) = (policy.banner(floor), policy.banner(ceiling));
            invalid(format!("what leaves this region is between `{floor}` and `{ceiling}`; `{banner}` is not"))
        }
        Half::Receive { .. } if !bound.is_dominated_by(ceiling) => {
            let ceiling = policy.banner(ceiling);
            invalid(format!("`{banner}` is not within this region's ceiling `{ceiling}`"))
        }
        _ => Ok(banner),
    }
}

/// Where what arrives is put, as banners.
fn targets(
    policy: &Policy,
    labels: &RegionLabels,
    wanted: &MappingWanted,
) -> Result<Vec<(String, String)>, DirectoryError> {
    if wanted.at.len() > AT_MAX {
        return invalid(format!("a mapping puts at most {AT_MAX} labels elsewhere"));
    }
    if matches!(wanted.half, Half::Send { .. }) && !wanted.at.is_empty() {
        return invalid("the receiving half says at which label something is put");
    }
    let mut seen = BTreeSet::new();
    let target = |(from, to): &(String, String)| {
        let (low, high) = (label(policy, from)?, label(policy, to)?);
        let (from, to) = (policy.banner(low), policy.banner(high));
        if !low.is_dominated_by(high) {
            return invalid(format!("what arrives at `{from}` may not be put at `{to}`, which does not dominate it"));
        }
        if !labels.holds(high) {
            return invalid(format!("this region does not hold the label `{to}`"));
        }
        if !seen.insert(from.clone()) {
            return invalid(format!("`{from}` is put at two labels"));
        }
        Ok((from, to))
    };
    wanted.at.iter().map(target).collect()
}

#[cfg(test)]
mod tests;

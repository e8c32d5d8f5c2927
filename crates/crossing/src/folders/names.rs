//! The names of files and folders of crossing.

use crate::{NUMBER_MAX, files};
use aws_lc_rs::hmac;
use fastness_operation::{BundleId, RegionName};
use fastness_vault::{RootKey, VaultError};
use std::fmt;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// Ends the name of a bundle's file.
const SUFFIX: &str = ".bundle";
/// Ends the name of one that waited, and that nobody is to carry.
const HELD: &str = ".held";
/// Digits of a number in a name.
const DIGITS: usize = 10;

/// The name of a bundle's file where carriers see it: `0000000001.bundle`.
#[must_use]
pub fn bundle_file_name(number: NonZeroU64) -> String {
    format!("{number:0DIGITS$}{SUFFIX}")
}

/// The number that a file of this name should hold; nothing if it is named otherwise.
#[must_use]
pub fn number_of(name: &str) -> Option<NonZeroU64> {
    numbered(name.strip_suffix(SUFFIX)?)
}

/// The numbers of the bundles that are ready for a carrier, in order; none when there is no such folder yet.
pub(crate) fn ready_numbers(ready: &Path) -> io::Result<Vec<NonZeroU64>> {
    let names = match files::names(ready, usize::MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    Ok(names.iter().filter_map(|name| number_of(name.to_str()?)).collect())
}

/// Where a region's bundles wait, in its folder.
#[must_use]
pub fn crossing_outbox(region: &Path) -> PathBuf {
    region.join("outbox").join("crossing")
}

/// What carriers take for a region, in the folder of the region that sends.
#[must_use]
pub fn ready_folder(region: &Path, to: &RegionName) -> PathBuf {
    crossing_outbox(region).join(to.as_str()).join("ready")
}

/// Where bundles of another region arrive, in a region's folder.
#[must_use]
pub fn crossing_inbox(region: &Path, from: &RegionName) -> PathBuf {
    region.join("inbox").join("crossing").join(from.as_str())
}

/// A number of ten digits; there is one way to write it.
fn numbered(digits: &str) -> Option<NonZeroU64> {
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|number: &u64| is_number && *number <= NUMBER_MAX)?;
    NonZeroU64::new(number)
}

/// A bundle that is staged, or kept: a place in an order, and the bundle's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PlacedName {
    /// In `staged` the order in which they were written; in `kept` the bundle's number.
    pub(super) place: NonZeroU64,
    pub(super) id: BundleId,
}

impl PlacedName {
    pub(super) fn staged(name: &str) -> Option<Self> {
        let (place, id) = name.split_once('-')?;
        Some(Self { place: numbered(place)?, id: BundleId::new(id).ok()? })
    }

    pub(super) fn kept(name: &str) -> Option<Self> {
        Self::staged(name.strip_suffix(SUFFIX)?)
    }

    pub(super) fn held(name: &str) -> Option<Self> {
        Self::staged(name.strip_suffix(HELD)?)
    }

    pub(super) fn as_held(&self) -> String {
        format!("{}{HELD}", self.as_staged())
    }

    pub(super) fn as_staged(&self) -> String {
        format!("{:0DIGITS$}-{}", self.place, self.id)
    }

    pub(super) fn as_kept(&self) -> String {
        format!("{}{SUFFIX}", self.as_staged())
    }
}

/// Names the folders of labels, so that who sees an outbox does not read labels in it.
pub(super) struct FolderNames(hmac::Key);

impl fmt::Debug for FolderNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FolderNames(secret)")
    }
}

impl FolderNames {
    pub(super) fn of(root: &RootKey) -> Result<Self, VaultError> {
        let seed = root.seed("crossing folders")?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, seed.as_slice())))
    }

    /// The folder of a label on its way to a region: 16 hexadecimal digits.
    pub(super) fn of_label(&self, to: &RegionName, banner: &str) -> String {
        // No region's name holds a zero.
        let mut context = hmac::Context::with_key(&self.0);
        context.update(to.as_str().as_bytes());
        context.update(&[0]);
        context.update(banner.as_bytes());
        let tag = context.sign();
        hex::encode(tag.as_ref().get(..8).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_one_name() {
        for n in [1, 9, 10, 123_456_789, NUMBER_MAX] {
            let number = NonZeroU64::new(n).unwrap();
            assert_eq!(number_of(&bundle_file_name(number)), Some(number));
        }
        assert_eq!(bundle_file_name(NonZeroU64::MIN), "0000000001.bundle");
        for bad in [
            "",
            ".bundle",
            "1.bundle",
            "0000000000.bundle",
            "00000000001.bundle",
            "10000000000.bundle",
            "+000000001.bundle",
            "0000000001.bundle.new",
            "0000000001.BUNDLE",
            "../0000000001.bundle",
            "٠٠٠٠٠٠٠٠٠١.bundle",
        ] {
            assert_eq!(number_of(bad), None, "{bad}");
        }
        let id = BundleId::from_random(7);
        let name = PlacedName { place: NonZeroU64::MIN, id };
        assert_eq!(PlacedName::staged(&name.as_staged()), Some(name.clone()));
        assert_eq!(PlacedName::kept(&name.as_kept()), Some(name.clone()));
        assert_eq!(PlacedName::kept(&name.as_staged()), None);
        assert_eq!(PlacedName::staged(&name.as_kept()), None);
    }

    #[test]
    fn folders_of_labels_tell_pairs_apart_and_say_no_label() {
        let root = RootKey::generate().unwrap();
        let names = FolderNames::of(&root).unwrap();
        let [a, b] = ["high", "higher"].map(|name| RegionName::new(name).unwrap());
        let name = names.of_label(&a, "SECRET");
        assert_eq!(name, FolderNames::of(&root).unwrap().of_label(&a, "SECRET"));
        assert!(name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        for other in [names.of_label(&b, "SECRET"), names.of_label(&a, "TOP SECRET"), names.of_label(&b, "er\0SECRET")]
        {
            assert_ne!(name, other);
        }
    }
}

//! What is kept with a version beside its headers and metadata: tags, retention, a legal hold.

use crate::{Code, Lock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The tags of an object or a bucket (S3 user guide, "Categorizing your objects using tags"), each key once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tags(BTreeMap<String, String>);

/// Why tags were refused: AWS's code and text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TagError {
    /// `InvalidTag`, or `BadRequest` for too many.
    pub code: Code,
    /// The text for the caller.
    pub message: &'static str,
}

impl Tags {
    /// The most tags of an object.
    pub const COUNT_MAX: usize = 10;
    /// The most tags of a bucket.
    pub const BUCKET_COUNT_MAX: usize = 50;
    /// The most characters of a tag's key.
    pub const KEY_LEN_MAX: usize = 128;
    /// The most characters of a tag's value.
    pub const VALUE_LEN_MAX: usize = 256;

    /// Checks tags as they were sent.
    ///
    /// # Errors
    /// [`TagError`] for too many, too long, reserved or repeated ones.
    pub fn new(sent: impl IntoIterator<Item = (String, String)>) -> Result<Self, TagError> {
        Self::checked(sent, Self::COUNT_MAX, "Object tags cannot be greater than 10")
    }

    /// Checks tags of a bucket: the same, and 50 of them.
    ///
    /// # Errors
    /// [`TagError`] for too many, too long, reserved or repeated ones.
    pub fn of_bucket(sent: impl IntoIterator<Item = (String, String)>) -> Result<Self, TagError> {
        Self::checked(sent, Self::BUCKET_COUNT_MAX, "Bucket tag count cannot be greater than 50")
    }

    fn checked(
        sent: impl IntoIterator<Item = (String, String)>,
        most: usize,
        too_many: &'static str,
    ) -> Result<Self, TagError> {
        let invalid = |message| TagError { code: Code::InvalidTag, message };
        let mut tags = BTreeMap::new();
        for (key, value) in sent {
            if key.is_empty() || key.chars().count() > Self::KEY_LEN_MAX {
                return Err(invalid("The TagKey you have provided is invalid"));
            }
            if value.chars().count() > Self::VALUE_LEN_MAX {
                return Err(invalid("The TagValue you have provided is invalid"));
            }
            if key.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("aws:")) {
                return Err(invalid("System tags cannot be added/updated by requester"));
            }
            // What S3 allows: letters, digits and spaces of any script, and `+ - = . _ : / @`.
            let allowed = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " +-=._:/@".contains(c));
            if !allowed(&key) {
                return Err(invalid("The TagKey you have provided is invalid"));
            }
            if !allowed(&value) {
                return Err(invalid("The TagValue you have provided is invalid"));
            }
            if tags.insert(key, value).is_some() {
                return Err(invalid("Cannot provide multiple Tags with the same key"));
            }
        }
        if tags.len() > most {
            return Err(TagError { code: Code::BadRequest, message: too_many });
        }
        Ok(Self(tags))
    }

    /// Each key and value, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether a tag is among them, key and value.
    #[must_use]
    pub fn has(&self, key: &str, value: &str) -> bool {
        self.0.get(key).is_some_and(|held| held == value)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a write keeps with its version beside the attributes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Extras {
    /// `x-amz-tagging`.
    pub tags: Tags,
    /// `x-amz-object-lock-…`.
    pub lock: Lock,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_bounds() {
        let tags = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            Tags::new(pairs).map(|tags| tags.len()).map_err(|error| error.code)
        };
        let numbered = |count: usize| Tags::new((0..count).map(|n| (n.to_string(), String::new())));
        assert_eq!(tags(&[("a", "1"), ("b", "")]), Ok(2));
        assert_eq!(tags(&[("a", "1"), ("a", "2")]), Err(Code::InvalidTag));
        assert_eq!(tags(&[(&"é".repeat(128), &"é".repeat(256))]), Ok(1));
        for (key, value) in [("", "v"), (&*"k".repeat(129), "v"), ("k", &*"v".repeat(257)), ("aws:x", "v"), ("k!", "v")]
        {
            assert_eq!(tags(&[(key, value)]), Err(Code::InvalidTag), "{key} {value}");
        }
        assert!(numbered(10).is_ok());
        assert_eq!(numbered(11).map_err(|error| error.code), Err(Code::BadRequest));
    }
}

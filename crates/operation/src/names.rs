//! Typed names: one type a kind, valid by construction.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An account number is 12 decimal digits.
    #[error("`{0}` is not an account number: it has 12 digits")]
    Account(String),
    /// An account's name: 1 to 64 letters, digits, and `.-_` or a space between.
    #[error("`{0}` is not an account name: use 1 to 64 letters, digits, `.`, `-`, `_`")]
    AccountName(String),
    /// See the S3 user guide, "Bucket naming rules".
    #[error(
        "`{0}` is not a bucket name: use 3 to 63 lower-case letters, digits, `.` and `-`, starting and ending with a letter or digit"
    )]
    Bucket(String),
    /// A key has 1 to 1,024 bytes.
    #[error("an object key has 1 to 1,024 bytes; this one has {0}")]
    Key(usize),
    /// A part number is 1 to 10,000.
    #[error("part number must be an integer between 1 and 10000, inclusive; this one is {0}")]
    Part(i64),
    /// An IAM user name: 1 to 64 of `A-Za-z0-9+=,.@_-`.
    #[error("`{0}` is not a user name: use 1 to 64 of letters, digits, and `+=,.@_-`")]
    User(String),
    /// A spill's id is 32 hexadecimal digits.
    #[error("`{0}` is not a spill's id: it has 32 hexadecimal digits, as `fastness spill contain` shows it")]
    Spill(String),
    /// A region's name: 1 to 64 of `a-z0-9-`.
    #[error("`{0}` is not a region's name: use 1 to 64 lower-case letters, digits and `-`")]
    Region(String),
    /// A mapping's name: 1 to 64 of `a-z0-9-`.
    #[error("`{0}` is not a mapping's name: use 1 to 64 lower-case letters, digits and `-`")]
    Mapping(String),
    /// The id of a lift, a release or a bundle is 32 hexadecimal digits.
    #[error("`{0}` is not the id of a lift, a release or a bundle: it has 32 hexadecimal digits")]
    Crossing(String),
    /// A media type that crosses.
    #[error("`{0}` is not a type that crosses; these do: {types}", types = crate::CROSSING_TYPES.join(", "))]
    MediaType(String),
    /// A purpose or a reason.
    #[error("a purpose or a reason has 1 to 1,000 characters, without control characters; this one has {0}")]
    Words(usize),
    /// An access key id is 16 to 128 letters and digits.
    #[error("the access key id is not 16 to 128 letters and digits")]
    AccessKey,
}

/// An account's number: 12 decimal digits, as AWS writes it. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountNumber(u64);

impl AccountNumber {
    /// The first number past the range: numbers are below it.
    pub const LIMIT: u64 = 1_000_000_000_000;

    /// A number from a random value; the first digit is never 0, so that tools that read it as a number keep its form.
    #[must_use]
    pub const fn from_random(random: u64) -> Self {
        Self(100_000_000_000 + random % 900_000_000_000)
    }

    /// The number as an integer below [`Self::LIMIT`].
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

impl FromStr for AccountNumber {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let valid = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if valid => Ok(Self(number)),
            _ => Err(NameError::Account(text.chars().take(64).collect())),
        }
    }
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $check:expr, $error:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the rules of this kind of name.
            ///
            /// # Errors
            /// The [`NameError`] of this kind, with the rule in its text.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text: String = text.into();
                let check: fn(&str) -> bool = $check;
                let error: fn(String) -> NameError = $error;
                if check(&text) { Ok(Self(text)) } else { Err(error(text)) }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

pub(crate) use text_name;

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

text_name! {
    /// The id of a spill: data found in a partition too low for it.
    SpillId,
    |text| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)),
    |text| NameError::Spill(text.chars().take(64).collect())
}

text_name! {
    /// An account's name, chosen by the operator. Never reused.
    AccountName,
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b)),
    |text| NameError::AccountName(shortened(&text))
}

text_name! {
    /// A bucket's name, by the general-purpose rules of the S3 user guide ("Bucket naming rules").
    BucketName,
    is_bucket_name,
    |text| NameError::Bucket(shortened(&text))
}

text_name! {
    /// An object's key: 1 to 1,024 bytes of Unicode.
    ObjectKey,
    |text| (1..=1024).contains(&text.len()),
    |text| NameError::Key(text.len())
}

text_name! {
    /// An IAM user's name (IAM API reference, `UserName`).
    UserName,
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b)),
    |text| NameError::User(shortened(&text))
}

text_name! {
    /// The public half of an access key (IAM API reference, `AccessKeyId`).
    AccessKeyId,
    |text| (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric()),
    |_| NameError::AccessKey
}

fn is_bucket_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-' || *b == b'.')
        && edge(bytes.first())
        && edge(bytes.last())
        && !text.contains("..")
        && text.parse::<Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|p| text.starts_with(p))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|s| text.ends_with(s))
}

/// What a client sends to name a version: an id, or `null`. Any text of at most 1,024 bytes; one that names nothing is not found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionId(String);

impl VersionId {
    /// The name of the topmost null version in a view.
    pub const NULL: &'static str = "null";

    /// An id as sent or as stored.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it asks for the topmost null version in view.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0 == Self::NULL
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UploadId(String);

impl UploadId {
    /// An id as sent or as stored.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a part of a multipart upload: 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartNumber(u16);

impl PartNumber {
    /// Checks the range.
    ///
    /// # Errors
    /// [`NameError::Part`] outside 1 to 10,000.
    pub fn new(number: i64) -> Result<Self, NameError> {
        match u16::try_from(number) {
            Ok(value @ 1..=10_000) => Ok(Self(value)),
            _ => Err(NameError::Part(number)),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        let check = |text: &str, good: bool| assert_eq!(BucketName::new(text).is_ok(), good, "{text}");
        for good in ["abc", "my-bucket", "a.b.c", "123", &"a".repeat(63)] {
            check(good, true);
        }
        for bad in [
            "",
            "ab",
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "a..b",
            "192.168.0.1",
            "xn--abc",
            "abc-s3alias",
            "a b",
            "abc/",
            &"a".repeat(64),
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn account_numbers_have_twelve_digits() {
        assert_eq!(AccountNumber::from_random(7).to_string(), "100000000007");
        assert!("000000000001".parse::<AccountNumber>().is_ok());
        for bad in ["", "12345678901", "1234567890123", "+12345678901", "12345678901a"] {
            assert!(bad.parse::<AccountNumber>().is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_and_keys_are_bounded() {
        assert!(PartNumber::new(1).is_ok() && PartNumber::new(10_000).is_ok());
        assert!(PartNumber::new(0).is_err() && PartNumber::new(10_001).is_err());
        assert!(ObjectKey::new("").is_err() && ObjectKey::new("k".repeat(1025)).is_err());
        assert!(ObjectKey::new("k".repeat(1024)).is_ok());
    }
}

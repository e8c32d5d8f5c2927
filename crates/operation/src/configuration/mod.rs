//! What a bucket is configured with, apart from its versioning: typed values that are valid by construction.
//!
//! Each kind is one record beside the bucket's. They are kept as JSON with the names of these types, so that a field may
//! be added; what is unknown is refused when it is read, never passed over.

mod access;
mod cors;
mod destinations;
mod lifecycle;
mod policy;

pub use access::{Encryption, Ownership, PublicAccessBlock};
pub use cors::{CorsRule, CorsRules};
pub use destinations::{Destination, KeyFilter, LogKeyFormat, Logging, Notification, Notifications};
pub use lifecycle::{Expiration, Filter, Lifecycle, LifecycleRule, NoncurrentExpiration, after_days};
pub use policy::{Asking, BucketPolicy, Verdict};

use crate::{Code, ObjectLock, Tags};
use serde::{Deserialize, Serialize};

/// Why a configuration is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Invalid {
    /// AWS's code.
    pub code: Code,
    /// The text for the caller.
    pub message: String,
}

impl Invalid {
    /// A refusal with its parts.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// What does not fit the published schema.
    #[must_use]
    pub fn malformed() -> Self {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        Self::new(Code::MalformedXml, message)
    }

    /// An argument against its rules.
    #[must_use]
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// What is not offered.
    #[must_use]
    pub fn not_offered(what: &str) -> Self {
        Self::new(Code::NotImplemented, format!("{what} is not offered (yet); README lists what is"))
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $byte:literal $get:literal $put:literal $delete:literal,)*) => {
        /// The kinds of configuration, by what they configure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ConfigurationKind { $($(#[$doc])* $kind,)* }

        impl ConfigurationKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The kind's byte in the catalog's row keys.
            #[must_use]
            pub const fn byte(self) -> u8 {
                match self { $(Self::$kind => $byte,)* }
            }

            /// The operation that reads it, as the S3 API reference names it.
            #[must_use]
            pub const fn get_name(self) -> &'static str {
                match self { $(Self::$kind => $get,)* }
            }

            /// The operation that writes it.
            #[must_use]
            pub const fn put_name(self) -> &'static str {
                match self { $(Self::$kind => $put,)* }
            }

            /// The operation that removes it; what S3 has no such operation for is removed by an empty one.
            #[must_use]
            pub const fn delete_name(self) -> &'static str {
                match self { $(Self::$kind => $delete,)* }
            }
        }
    };
}

kinds! {
    /// Tags of the bucket.
    Tagging 1 "GetBucketTagging" "PutBucketTagging" "DeleteBucketTagging",
    /// Cross-origin resource sharing.
    Cors 2 "GetBucketCors" "PutBucketCors" "DeleteBucketCors",
    /// What expires.
    Lifecycle 3 "GetBucketLifecycleConfiguration" "PutBucketLifecycleConfiguration" "DeleteBucketLifecycle",
    /// Who may do what.
    Policy 4 "GetBucketPolicy" "PutBucketPolicy" "DeleteBucketPolicy",
    /// What public access is blocked.
    PublicAccessBlock 5 "GetPublicAccessBlock" "PutPublicAccessBlock" "DeletePublicAccessBlock",
    /// Whose the objects are.
    Ownership 6 "GetBucketOwnershipControls" "PutBucketOwnershipControls" "DeleteBucketOwnershipControls",
    /// How objects are encrypted by default.
    Encryption 7 "GetBucketEncryption" "PutBucketEncryption" "DeleteBucketEncryption",
    /// Where access logs go.
    Logging 8 "GetBucketLogging" "PutBucketLogging" "PutBucketLogging",
    /// Who is told of events.
    Notification 9 "GetBucketNotificationConfiguration" "PutBucketNotificationConfiguration"
        "PutBucketNotificationConfiguration",
    /// Object lock and its default retention.
    ObjectLock 10 "GetObjectLockConfiguration" "PutObjectLockConfiguration" "PutObjectLockConfiguration",
    /// Who pays for requests.
    RequestPayment 11 "GetBucketRequestPayment" "PutBucketRequestPayment" "PutBucketRequestPayment",
    /// Transfer acceleration.
    Accelerate 12 "GetBucketAccelerateConfiguration" "PutBucketAccelerateConfiguration"
        "PutBucketAccelerateConfiguration",
}

impl ConfigurationKind {
    /// What reading it answers when there is none; nothing where S3 answers with an empty configuration.
    #[must_use]
    pub fn missing(self) -> Option<Invalid> {
        let (code, message) = match self {
            Self::Tagging => (Code::NoSuchTagSet, "The TagSet does not exist"),
            Self::Cors => (Code::NoSuchCorsConfiguration, "The CORS configuration does not exist"),
            Self::Lifecycle => (Code::NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist"),
            Self::Policy => (Code::NoSuchBucketPolicy, "The bucket policy does not exist"),
            Self::PublicAccessBlock => {
                (Code::NoSuchPublicAccessBlockConfiguration, "The public access block configuration was not found")
            }
            Self::Ownership => (Code::OwnershipControlsNotFound, "The bucket ownership controls were not found"),
            Self::ObjectLock => {
                (Code::ObjectLockConfigurationNotFound, "Object Lock configuration does not exist for this bucket")
            }
            Self::Encryption | Self::Logging | Self::Notification | Self::RequestPayment | Self::Accelerate => {
                return None;
            }
        };
        Some(Invalid::new(code, message))
    }

    /// What holds for a bucket on which it was neither set nor removed (S3 user guide, "Blocking public access to your
    /// Amazon S3 storage" and "Controlling ownership of objects").
    #[must_use]
    pub const fn at_first(self) -> Option<Configuration> {
        match self {
            Self::PublicAccessBlock => Some(Configuration::PublicAccessBlock(PublicAccessBlock::ALL)),
            Self::Ownership => Some(Configuration::Ownership(Ownership::BucketOwnerEnforced)),
            _ => None,
        }
    }

    /// Whether a new record of a bucket takes it over from the one below: everything but the lifecycle (DESIGN.md
    /// section 1, names in a view, 2).
    #[must_use]
    pub fn is_copied(self) -> bool {
        self != Self::Lifecycle
    }
}

/// One configuration of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the kinds, which say what they are")]
pub enum Configuration {
    Tagging(Tags),
    Cors(CorsRules),
    Lifecycle(Lifecycle),
    Policy(BucketPolicy),
    PublicAccessBlock(PublicAccessBlock),
    Ownership(Ownership),
    Encryption(Encryption),
    Logging(Logging),
    Notification(Notifications),
    ObjectLock(ObjectLock),
    /// The bucket's owner pays: nothing else is offered.
    RequestPayment,
    /// Suspended: nothing else is offered.
    Accelerate,
}

impl Configuration {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ConfigurationKind {
        match self {
            Self::Tagging(_) => ConfigurationKind::Tagging,
            Self::Cors(_) => ConfigurationKind::Cors,
            Self::Lifecycle(_) => ConfigurationKind::Lifecycle,
            Self::Policy(_) => ConfigurationKind::Policy,
            Self::PublicAccessBlock(_) => ConfigurationKind::PublicAccessBlock,
            Self::Ownership(_) => ConfigurationKind::Ownership,
            Self::Encryption(_) => ConfigurationKind::Encryption,
            Self::Logging(_) => ConfigurationKind::Logging,
            Self::Notification(_) => ConfigurationKind::Notification,
            Self::ObjectLock(_) => ConfigurationKind::ObjectLock,
            Self::RequestPayment => ConfigurationKind::RequestPayment,
            Self::Accelerate => ConfigurationKind::Accelerate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_byte_of_its_own() {
        let bytes: std::collections::BTreeSet<u8> = ConfigurationKind::ALL.iter().map(|kind| kind.byte()).collect();
        assert_eq!(bytes.len(), ConfigurationKind::ALL.len());
    }
}

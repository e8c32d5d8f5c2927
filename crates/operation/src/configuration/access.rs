//! Public access, ownership of objects, default encryption.

use serde::{Deserialize, Serialize};

/// PublicAccessBlockConfiguration (S3 API reference).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicAccessBlock {
    /// Requests that set a public ACL are refused (ACLs are not supported at all).
    pub block_public_acls: bool,
    /// Public ACLs do not count.
    pub ignore_public_acls: bool,
    /// Requests that set a public bucket policy are refused.
    pub block_public_policy: bool,
    /// A public bucket policy lets in the owner's account alone.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// What a new bucket has.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// Whose the objects are, whoever writes them. ACLs are not supported, so there is one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ownership {
    /// The bucket owner's.
    BucketOwnerEnforced,
}

/// Default encryption: always with the store's own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    /// As sent; it means something for a key service alone.
    pub bucket_key_enabled: bool,
}

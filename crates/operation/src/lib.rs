//! What a caller can ask for: typed names, and the closed enum [`Operation`].
//!
//! Every wire protocol ends in one value of [`Operation`]; nothing else reaches the gate. The value lists every
//! resource that it touches and how ([`Operation::touches`]): copying is a read and a write. Bodies travel beside
//! it, because they are streams. Pure: no input, no output, no clock.

mod actions;
mod arn;
mod code;
pub mod configuration;
mod crossing;
mod customer;
mod events;
mod extras;
mod lock;
mod moment;
mod names;
mod object;
mod touch;

pub use actions::{Level, Need};
pub use arn::arn_partition;
pub use code::Code;
pub use configuration::{Configuration, ConfigurationKind};
pub use crossing::{
    BundleId, CROSSING_OBJECT_LEN_MAX, CROSSING_TYPES, CrossingAct, CrossingWay, Half, LiftId, MappingName,
    MappingWanted, MediaType, Purpose, RegionName, ReleaseId, ReleaseWanted, Stop, Words,
};
pub use customer::CustomerKey;
pub use events::{Disclosing, EventAttribute, EventFilter};
pub use extras::{Extras, TagError, Tags};
pub use lock::{Lock, ObjectLock, Period, Retention, RetentionMode};
pub use moment::Moment;
pub use names::{
    AccessKeyId, AccountName, AccountNumber, BucketName, NameError, ObjectKey, PartNumber, SpillId, UploadId, UserName,
    VersionId,
};
pub use object::{
    Attributes, ByteRange, Checksum, ChecksumAlgorithm, ChecksumKind, CompletedPart, Conditions, CopySource, Deletion,
    EtagCondition, ExpectedObject, Listing, ObjectTarget, UploadChecksum, Versioning,
};
pub use touch::{Resource, Touch, Way};

use std::collections::BTreeMap;

/// One request, whatever protocol it came by.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the variants are the operations of the S3, IAM, STS and CloudTrail API references, by their names"
)]
pub enum Operation {
    // S3, buckets
    CreateBucket {
        bucket: BucketName,
        object_lock: bool,
    },
    HeadBucket {
        bucket: BucketName,
    },
    ListBuckets,
    GetBucketLocation {
        bucket: BucketName,
    },
    DeleteBucket {
        bucket: BucketName,
    },
    GetBucketVersioning {
        bucket: BucketName,
    },
    PutBucketVersioning {
        bucket: BucketName,
        versioning: Versioning,
    },
    GetBucketAcl {
        bucket: BucketName,
    },
    PutBucketAcl {
        bucket: BucketName,
    },
    GetBucketPolicyStatus {
        bucket: BucketName,
    },
    /// Named in the ledger as the S3 API reference names it for this kind; so are the next two.
    GetBucketConfiguration {
        bucket: BucketName,
        kind: ConfigurationKind,
    },
    PutBucketConfiguration {
        bucket: BucketName,
        configuration: Box<Configuration>,
    },
    DeleteBucketConfiguration {
        bucket: BucketName,
        kind: ConfigurationKind,
    },
    // S3, objects
    PutObject {
        bucket: BucketName,
        key: ObjectKey,
        attributes: Attributes,
        extras: Extras,
        customer: Option<CustomerKey>,
        conditions: Conditions,
    },
    GetObject {
        target: ObjectTarget,
        range: Option<ByteRange>,
        part: Option<PartNumber>,
        customer: Option<CustomerKey>,
        conditions: Conditions,
    },
    HeadObject {
        target: ObjectTarget,
        range: Option<ByteRange>,
        part: Option<PartNumber>,
        customer: Option<CustomerKey>,
        conditions: Conditions,
    },
    GetObjectAttributes {
        target: ObjectTarget,
        customer: Option<CustomerKey>,
    },
    DeleteObject {
        target: ObjectTarget,
        conditions: Conditions,
        bypass_governance: bool,
    },
    DeleteObjects {
        bucket: BucketName,
        objects: Vec<Deletion>,
        bypass_governance: bool,
    },
    GetObjectAcl {
        target: ObjectTarget,
    },
    PutObjectAcl {
        target: ObjectTarget,
    },
    GetObjectRetention {
        target: ObjectTarget,
    },
    PutObjectRetention {
        target: ObjectTarget,
        retention: Option<Retention>,
        bypass_governance: bool,
    },
    GetObjectLegalHold {
        target: ObjectTarget,
    },
    PutObjectLegalHold {
        target: ObjectTarget,
        legal_hold: bool,
    },
    GetObjectTagging {
        target: ObjectTarget,
    },
    PutObjectTagging {
        target: ObjectTarget,
        tags: Tags,
    },
    DeleteObjectTagging {
        target: ObjectTarget,
    },
    CopyObject {
        source: Box<CopySource>,
        bucket: BucketName,
        key: ObjectKey,
        attributes: Option<Attributes>,
        tags: Option<Tags>,
        lock: Lock,
        checksum: Option<ChecksumAlgorithm>,
        customer: Option<CustomerKey>,
        conditions: Conditions,
    },
    // S3, listings
    ListObjects {
        bucket: BucketName,
        listing: Listing,
    },
    ListObjectVersions {
        bucket: BucketName,
        listing: Listing,
    },
    // S3, uploads in parts
    CreateMultipartUpload {
        bucket: BucketName,
        key: ObjectKey,
        attributes: Attributes,
        extras: Extras,
        checksum: Option<UploadChecksum>,
        customer: Option<CustomerKey>,
    },
    UploadPart {
        bucket: BucketName,
        key: ObjectKey,
        upload: UploadId,
        part: PartNumber,
        customer: Option<CustomerKey>,
    },
    UploadPartCopy {
        source: Box<CopySource>,
        range: Option<ByteRange>,
        bucket: BucketName,
        key: ObjectKey,
        upload: UploadId,
        part: PartNumber,
        customer: Option<CustomerKey>,
    },
    CompleteMultipartUpload {
        bucket: BucketName,
        key: ObjectKey,
        upload: UploadId,
        parts: Vec<CompletedPart>,
        expected: ExpectedObject,
        conditions: Conditions,
    },
    AbortMultipartUpload {
        bucket: BucketName,
        key: ObjectKey,
        upload: UploadId,
    },
    ListParts {
        bucket: BucketName,
        key: ObjectKey,
        upload: UploadId,
        after: u16,
        limit: u16,
    },
    ListMultipartUploads {
        bucket: BucketName,
        listing: Listing,
    },
    // IAM and STS
    CreateUser {
        user: UserName,
        path: String,
        tags: BTreeMap<String, String>,
    },
    GetUser {
        user: Option<UserName>,
    },
    ListUsers {
        prefix: String,
        after: Option<UserName>,
        limit: u16,
    },
    DeleteUser {
        user: UserName,
    },
    TagUser {
        user: UserName,
        tags: BTreeMap<String, String>,
    },
    UntagUser {
        user: UserName,
        keys: Vec<String>,
    },
    ListUserTags {
        user: UserName,
    },
    CreateAccessKey {
        user: Option<UserName>,
    },
    ListAccessKeys {
        user: Option<UserName>,
    },
    UpdateAccessKey {
        user: Option<UserName>,
        key: AccessKeyId,
        active: bool,
    },
    DeleteAccessKey {
        user: Option<UserName>,
        key: AccessKeyId,
    },
    GetCallerIdentity,
    // CloudTrail
    LookupEvents {
        filter: EventFilter,
        limit: u8,
        token: Option<String>,
    },
    // Fastness's own
    DiscloseEvents {
        disclosing: Box<Disclosing>,
    },
    CreateAccount {
        name: AccountName,
    },
    ListAccounts,
    AddOfficer {
        account: AccountNumber,
    },
    CreateKeyAt {
        marking: String,
    },
    AllowLabel {
        marking: String,
    },
    ListLabels,
    ContainSpill {
        target: ObjectTarget,
    },
    ReportSpill {
        spill: SpillId,
    },
    /// Without a digest a proposal, with one the approval of what was proposed.
    EraseSpill {
        spill: SpillId,
        digest: Option<String>,
    },
    /// Named in the ledger as the act is.
    Crossing(Box<CrossingAct>),
}

impl Operation {
    /// The operation's name as the API reference and the ledger write it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::GetBucketAcl { .. } => "GetBucketAcl",
            Self::PutBucketAcl { .. } => "PutBucketAcl",
            Self::GetBucketPolicyStatus { .. } => "GetBucketPolicyStatus",
            Self::GetBucketConfiguration { kind, .. } => kind.get_name(),
            Self::PutBucketConfiguration { configuration, .. } => configuration.kind().put_name(),
            Self::DeleteBucketConfiguration { kind, .. } => kind.delete_name(),
            Self::CreateBucket { .. } => "CreateBucket",
            Self::HeadBucket { .. } => "HeadBucket",
            Self::ListBuckets => "ListBuckets",
            Self::GetBucketLocation { .. } => "GetBucketLocation",
            Self::DeleteBucket { .. } => "DeleteBucket",
            Self::GetBucketVersioning { .. } => "GetBucketVersioning",
            Self::PutBucketVersioning { .. } => "PutBucketVersioning",
            Self::PutObject { .. } => "PutObject",
            Self::GetObject { .. } => "GetObject",
            Self::HeadObject { .. } => "HeadObject",
            Self::GetObjectAttributes { .. } => "GetObjectAttributes",
            Self::DeleteObject { .. } => "DeleteObject",
            Self::DeleteObjects { .. } => "DeleteObjects",
            Self::GetObjectAcl { .. } => "GetObjectAcl",
            Self::PutObjectAcl { .. } => "PutObjectAcl",
            Self::GetObjectRetention { .. } => "GetObjectRetention",
            Self::PutObjectRetention { .. } => "PutObjectRetention",
            Self::GetObjectLegalHold { .. } => "GetObjectLegalHold",
            Self::PutObjectLegalHold { .. } => "PutObjectLegalHold",
            Self::GetObjectTagging { .. } => "GetObjectTagging",
            Self::PutObjectTagging { .. } => "PutObjectTagging",
            Self::DeleteObjectTagging { .. } => "DeleteObjectTagging",
            Self::CopyObject { .. } => "CopyObject",
            Self::ListObjects { .. } => "ListObjects",
            Self::ListObjectVersions { .. } => "ListObjectVersions",
            Self::CreateMultipartUpload { .. } => "CreateMultipartUpload",
            Self::UploadPart { .. } => "UploadPart",
            Self::UploadPartCopy { .. } => "UploadPartCopy",
            Self::CompleteMultipartUpload { .. } => "CompleteMultipartUpload",
            Self::AbortMultipartUpload { .. } => "AbortMultipartUpload",
            Self::ListParts { .. } => "ListParts",
            Self::ListMultipartUploads { .. } => "ListMultipartUploads",
            Self::CreateUser { .. } => "CreateUser",
            Self::GetUser { .. } => "GetUser",
            Self::ListUsers { .. } => "ListUsers",
            Self::DeleteUser { .. } => "DeleteUser",
            Self::TagUser { .. } => "TagUser",
            Self::UntagUser { .. } => "UntagUser",
            Self::ListUserTags { .. } => "ListUserTags",
            Self::CreateAccessKey { .. } => "CreateAccessKey",
            Self::ListAccessKeys { .. } => "ListAccessKeys",
            Self::UpdateAccessKey { .. } => "UpdateAccessKey",
            Self::DeleteAccessKey { .. } => "DeleteAccessKey",
            Self::GetCallerIdentity => "GetCallerIdentity",
            Self::LookupEvents { .. } => "LookupEvents",
            Self::DiscloseEvents { .. } => "DiscloseEvents",
            Self::CreateAccount { .. } => "CreateAccount",
            Self::ListAccounts => "ListAccounts",
            Self::AddOfficer { .. } => "AddOfficer",
            Self::CreateKeyAt { .. } => "CreateKeyAt",
            Self::AllowLabel { .. } => "AllowLabel",
            Self::ListLabels => "ListLabels",
            Self::ContainSpill { .. } => "ContainSpill",
            Self::ReportSpill { .. } => "ReportSpill",
            Self::EraseSpill { .. } => "EraseSpill",
            Self::Crossing(act) => act.name(),
        }
    }

    /// The service prefix of the action (`s3`, `iam`, `sts`, `cloudtrail`, `fastness`).
    #[must_use]
    pub const fn service(&self) -> &'static str {
        match self {
            Self::CreateUser { .. }
            | Self::GetUser { .. }
            | Self::ListUsers { .. }
            | Self::DeleteUser { .. }
            | Self::TagUser { .. }
            | Self::UntagUser { .. }
            | Self::ListUserTags { .. }
            | Self::CreateAccessKey { .. }
            | Self::ListAccessKeys { .. }
            | Self::UpdateAccessKey { .. }
            | Self::DeleteAccessKey { .. } => "iam",
            Self::GetCallerIdentity => "sts",
            Self::LookupEvents { .. } | Self::DiscloseEvents { .. } => "cloudtrail",
            Self::CreateAccount { .. }
            | Self::ListAccounts
            | Self::AddOfficer { .. }
            | Self::ContainSpill { .. }
            | Self::ReportSpill { .. }
            | Self::EraseSpill { .. }
            | Self::Crossing(_)
            | Self::CreateKeyAt { .. }
            | Self::AllowLabel { .. }
            | Self::ListLabels => "fastness",
            _ => "s3",
        }
    }
}

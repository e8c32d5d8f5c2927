//! Which resources an operation touches, and how.

use crate::{
    BucketName, BundleId, LiftId, MappingName, ObjectKey, Operation, RegionName, ReleaseId, SpillId, UserName,
};

/// How a resource is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// Its content, attributes or existence are read.
    Read,
    /// It is made, changed or removed.
    Write,
}

/// What is touched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A bucket by name.
    Bucket(BucketName),
    /// An object by bucket and key.
    Object(BucketName, ObjectKey),
    /// The buckets of the caller's own account.
    OwnBuckets,
    /// A user of the caller's own account; none means the caller.
    User(Option<UserName>),
    /// The users of the caller's own account.
    OwnUsers,
    /// The region's accounts.
    Accounts,
    /// The region's closed list of labels.
    Labels,
    /// The ledgers of a view.
    Ledger,
    /// A spill, with the versions that are contained in it.
    Spill(SpillId),
    /// The mappings of the caller's own account.
    Mappings,
    /// One of them.
    Mapping(MappingName),
    /// The lifts at the session's label.
    Lifts,
    /// A lift.
    Lift(LiftId),
    /// The releases in view.
    Releases,
    /// A release.
    Release(ReleaseId),
    /// What came from a region.
    Arrivals(RegionName),
    /// A bundle, and the region on its other side.
    Bundle(RegionName, BundleId),
}

/// One resource and how it is touched.
pub type Touch = (Way, Resource);

impl Operation {
    /// Every resource that the operation touches, and how. The gate decides each of them.
    #[must_use]
    pub fn touches(&self) -> Vec<Touch> {
        use Operation as O;
        let bucket = |way, bucket: &BucketName| vec![(way, Resource::Bucket(bucket.clone()))];
        let object =
            |way, bucket: &BucketName, key: &ObjectKey| vec![(way, Resource::Object(bucket.clone(), key.clone()))];
        let user = |way, user: &Option<UserName>| vec![(way, Resource::User(user.clone()))];
        match self {
            O::CreateBucket { bucket: b, .. }
            | O::DeleteBucket { bucket: b }
            | O::PutBucketVersioning { bucket: b, .. }
            | O::PutBucketAcl { bucket: b }
            | O::PutBucketConfiguration { bucket: b, .. }
            | O::DeleteBucketConfiguration { bucket: b, .. } => bucket(Way::Write, b),
            O::HeadBucket { bucket: b }
            | O::GetBucketLocation { bucket: b }
            | O::GetBucketVersioning { bucket: b }
            | O::GetBucketAcl { bucket: b }
            | O::GetBucketPolicyStatus { bucket: b }
            | O::GetBucketConfiguration { bucket: b, .. }
            | O::ListObjects { bucket: b, .. }
            | O::ListObjectVersions { bucket: b, .. }
            | O::ListMultipartUploads { bucket: b, .. } => bucket(Way::Read, b),
            O::ListBuckets => vec![(Way::Read, Resource::OwnBuckets)],
            O::GetObject { target, .. }
            | O::HeadObject { target, .. }
            | O::GetObjectAttributes { target, .. }
            | O::GetObjectAcl { target }
            | O::GetObjectRetention { target }
            | O::GetObjectLegalHold { target }
            | O::GetObjectTagging { target } => object(Way::Read, &target.bucket, &target.key),
            O::DeleteObject { target, .. }
            | O::PutObjectAcl { target }
            | O::PutObjectRetention { target, .. }
            | O::PutObjectLegalHold { target, .. }
            | O::PutObjectTagging { target, .. }
            | O::DeleteObjectTagging { target } => object(Way::Write, &target.bucket, &target.key),
            O::DeleteObjects { bucket, objects, .. } => objects
                .iter()
                .map(|deletion| (Way::Write, Resource::Object(bucket.clone(), deletion.key.clone())))
                .collect(),
            O::CopyObject { source, bucket, key, .. } | O::UploadPartCopy { source, bucket, key, .. } => vec![
                (Way::Read, Resource::Object(source.target.bucket.clone(), source.target.key.clone())),
                (Way::Write, Resource::Object(bucket.clone(), key.clone())),
            ],
            O::PutObject { bucket, key, .. }
            | O::CreateMultipartUpload { bucket, key, .. }
            | O::UploadPart { bucket, key, .. }
            | O::CompleteMultipartUpload { bucket, key, .. }
            | O::AbortMultipartUpload { bucket, key, .. } => object(Way::Write, bucket, key),
            O::ListParts { bucket, key, .. } => object(Way::Read, bucket, key),
            O::CreateUser { user: name, .. }
            | O::DeleteUser { user: name }
            | O::TagUser { user: name, .. }
            | O::UntagUser { user: name, .. } => user(Way::Write, &Some(name.clone())),
            O::ListUserTags { user: name } => user(Way::Read, &Some(name.clone())),
            O::GetUser { user: name } | O::ListAccessKeys { user: name } => user(Way::Read, name),
            O::CreateAccessKey { user: name }
            | O::UpdateAccessKey { user: name, .. }
            | O::DeleteAccessKey { user: name, .. } => user(Way::Write, name),
            O::ListUsers { .. } => vec![(Way::Read, Resource::OwnUsers)],
            O::GetCallerIdentity => user(Way::Read, &None),
            O::CreateKeyAt { .. } => user(Way::Write, &None),
            O::CreateAccount { .. } | O::AddOfficer { .. } => vec![(Way::Write, Resource::Accounts)],
            O::ListAccounts => vec![(Way::Read, Resource::Accounts)],
            O::AllowLabel { .. } => vec![(Way::Write, Resource::Labels)],
            O::ListLabels => vec![(Way::Read, Resource::Labels)],
            O::LookupEvents { .. } | O::DiscloseEvents { .. } => vec![(Way::Read, Resource::Ledger)],
            O::ContainSpill { target } => object(Way::Write, &target.bucket, &target.key),
            O::ReportSpill { spill } => vec![(Way::Read, Resource::Spill(spill.clone()))],
            O::EraseSpill { spill, .. } => vec![(Way::Write, Resource::Spill(spill.clone()))],
            O::Crossing(act) => act.touches(),
        }
    }

    /// Whether it changes anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.touches().iter().any(|(way, _)| *way == Way::Write)
    }
}

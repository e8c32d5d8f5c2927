//! The actions of S3 that a policy names, and which of them an operation needs (Service authorization reference,
//! "Actions, resources, and condition keys for Amazon S3").

use crate::{BucketName, ConfigurationKind, Deletion, Lock, ObjectKey, ObjectTarget, Operation};

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

/// One action that an operation needs, and what on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// The action (`s3:GetObject`).
    pub action: &'static str,
    /// The bucket.
    pub bucket: &'a BucketName,
    /// The object, unless the action is about the bucket.
    pub key: Option<&'a ObjectKey>,
    /// Whether a version that is there is read: then the policy beside that version decides.
    pub reads_version: bool,
}

impl Need<'_> {
    /// The resource as policies name it, without what an ARN begins with.
    #[must_use]
    pub fn resource(&self) -> String {
        match self.key {
            None => self.bucket.to_string(),
            Some(key) => format!("{}/{}", self.bucket, key.as_str()),
        }
    }
}

/// Actions about buckets, in lower case.
const OF_BUCKETS: &str = "s3:createbucket s3:deletebucket s3:deletebucketpolicy s3:deletebucketwebsite \
    s3:getaccelerateconfiguration s3:getanalyticsconfiguration s3:getbucketacl s3:getbucketcors s3:getbucketlocation \
    s3:getbucketlogging s3:getbucketnotification s3:getbucketobjectlockconfiguration s3:getbucketownershipcontrols \
    s3:getbucketpolicy s3:getbucketpolicystatus s3:getbucketpublicaccessblock s3:getbucketrequestpayment \
    s3:getbuckettagging s3:getbucketversioning s3:getbucketwebsite s3:getencryptionconfiguration \
    s3:getintelligenttieringconfiguration s3:getinventoryconfiguration s3:getlifecycleconfiguration \
    s3:getmetricsconfiguration s3:getreplicationconfiguration s3:listbucket s3:listbucketmultipartuploads \
    s3:listbucketversions s3:putaccelerateconfiguration s3:putanalyticsconfiguration s3:putbucketacl s3:putbucketcors \
    s3:putbucketlogging s3:putbucketnotification s3:putbucketobjectlockconfiguration s3:putbucketownershipcontrols \
    s3:putbucketpolicy s3:putbucketpublicaccessblock s3:putbucketrequestpayment s3:putbuckettagging \
    s3:putbucketversioning s3:putbucketwebsite s3:putencryptionconfiguration s3:putintelligenttieringconfiguration \
    s3:putinventoryconfiguration s3:putlifecycleconfiguration s3:putmetricsconfiguration s3:putreplicationconfiguration";

/// Actions about objects, in lower case.
const OF_OBJECTS: &str = "s3:abortmultipartupload s3:bypassgovernanceretention s3:deleteobject s3:deleteobjecttagging \
    s3:deleteobjectversion s3:deleteobjectversiontagging s3:getobject s3:getobjectacl s3:getobjectattributes \
    s3:getobjectlegalhold s3:getobjectretention s3:getobjecttagging s3:getobjecttorrent s3:getobjectversion \
    s3:getobjectversionacl s3:getobjectversionattributes s3:getobjectversionforreplication s3:getobjectversiontagging \
    s3:getobjectversiontorrent s3:listmultipartuploadparts s3:objectowneroverridetobucketowner s3:putobject \
    s3:putobjectacl s3:putobjectlegalhold s3:putobjectretention s3:putobjecttagging s3:putobjectversionacl \
    s3:putobjectversiontagging s3:replicatedelete s3:replicateobject s3:replicatetags s3:restoreobject";

/// What the known actions that `fits` picks are about.
pub(crate) fn known(fits: impl Fn(&str) -> bool + Copy) -> impl Iterator<Item = Level> {
    let of = move |names: &'static str, level| names.split(' ').filter(move |name| fits(name)).map(move |_| level);
    of(OF_BUCKETS, Level::Bucket).chain(of(OF_OBJECTS, Level::Object))
}

/// What reading, and what changing a configuration needs.
const fn of_kind(kind: ConfigurationKind) -> (&'static str, &'static str) {
    use ConfigurationKind as K;
    match kind {
        K::Tagging => ("s3:GetBucketTagging", "s3:PutBucketTagging"),
        K::Cors => ("s3:GetBucketCORS", "s3:PutBucketCORS"),
        K::Lifecycle => ("s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
        K::Policy => ("s3:GetBucketPolicy", "s3:PutBucketPolicy"),
        K::PublicAccessBlock => ("s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
        K::Ownership => ("s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls"),
        K::Encryption => ("s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"),
        K::Logging => ("s3:GetBucketLogging", "s3:PutBucketLogging"),
        K::Notification => ("s3:GetBucketNotification", "s3:PutBucketNotification"),
        K::ObjectLock => ("s3:GetBucketObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration"),
        K::RequestPayment => ("s3:GetBucketRequestPayment", "s3:PutBucketRequestPayment"),
        K::Accelerate => ("s3:GetAccelerateConfiguration", "s3:PutAccelerateConfiguration"),
    }
}

/// What a deletion, or a weaker retention, past governance needs besides.
const BYPASS: &str = "s3:BypassGovernanceRetention";

impl Operation {
    /// Every action that the operation needs leave for, where a bucket has a policy, or another account owns it. A
    /// bucket that is made has no policy yet.
    #[must_use]
    pub fn needs(&self) -> Vec<Need<'_>> {
        use Operation as O;
        let bucket = |action, bucket| vec![Need { action, bucket, key: None, reads_version: false }];
        let object = |action, bucket, key| Need { action, bucket, key: Some(key), reads_version: false };
        match self {
            O::HeadBucket { bucket: b } | O::ListObjects { bucket: b, .. } => bucket("s3:ListBucket", b),
            O::ListObjectVersions { bucket: b, .. } => bucket("s3:ListBucketVersions", b),
            O::ListMultipartUploads { bucket: b, .. } => bucket("s3:ListBucketMultipartUploads", b),
            O::GetBucketLocation { bucket: b } => bucket("s3:GetBucketLocation", b),
            O::DeleteBucket { bucket: b } => bucket("s3:DeleteBucket", b),
            O::GetBucketVersioning { bucket: b } => bucket("s3:GetBucketVersioning", b),
            O::PutBucketVersioning { bucket: b, .. } => bucket("s3:PutBucketVersioning", b),
            O::GetBucketAcl { bucket: b } => bucket("s3:GetBucketAcl", b),
            O::PutBucketAcl { bucket: b } => bucket("s3:PutBucketAcl", b),
            O::GetBucketPolicyStatus { bucket: b } => bucket("s3:GetBucketPolicyStatus", b),
            O::GetBucketConfiguration { bucket: b, kind } => bucket(of_kind(*kind).0, b),
            O::PutBucketConfiguration { bucket: b, configuration } => bucket(of_kind(configuration.kind()).1, b),
            O::DeleteBucketConfiguration { bucket: b, kind: ConfigurationKind::Policy } => {
                bucket("s3:DeleteBucketPolicy", b)
            }
            O::DeleteBucketConfiguration { bucket: b, kind } => bucket(of_kind(*kind).1, b),
            O::PutObject { bucket, key, extras, .. } | O::CreateMultipartUpload { bucket, key, extras, .. } => {
                let mut needs = vec![object("s3:PutObject", bucket, key)];
                if !extras.tags.is_empty() {
                    needs.push(object("s3:PutObjectTagging", bucket, key));
                }
                needs.extend(lock_needs(&extras.lock).map(|action| object(action, bucket, key)));
                needs
            }
            O::UploadPart { bucket, key, .. } | O::CompleteMultipartUpload { bucket, key, .. } => {
                vec![object("s3:PutObject", bucket, key)]
            }
            O::AbortMultipartUpload { bucket, key, .. } => vec![object("s3:AbortMultipartUpload", bucket, key)],
            O::ListParts { bucket, key, .. } => vec![object("s3:ListMultipartUploadParts", bucket, key)],
            O::GetObject { target, .. } | O::HeadObject { target, .. } => vec![content(target)],
            O::GetObjectAttributes { target, .. } => {
                vec![content(target), read(target, "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes")]
            }
            O::GetObjectTagging { target } => vec![read(target, "s3:GetObjectTagging", "s3:GetObjectVersionTagging")],
            O::PutObjectTagging { target, .. } => {
                let action = of_version(target, "s3:PutObjectTagging", "s3:PutObjectVersionTagging");
                vec![object(action, &target.bucket, &target.key)]
            }
            O::DeleteObjectTagging { target } => {
                let action = of_version(target, "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging");
                vec![object(action, &target.bucket, &target.key)]
            }
            O::GetObjectRetention { target } => vec![read(target, "s3:GetObjectRetention", "s3:GetObjectRetention")],
            O::GetObjectLegalHold { target } => vec![read(target, "s3:GetObjectLegalHold", "s3:GetObjectLegalHold")],
            O::GetObjectAcl { target } => vec![read(target, "s3:GetObjectAcl", "s3:GetObjectVersionAcl")],
            O::PutObjectAcl { target } => {
                let action = of_version(target, "s3:PutObjectAcl", "s3:PutObjectVersionAcl");
                vec![object(action, &target.bucket, &target.key)]
            }
            O::PutObjectLegalHold { target, .. } => {
                vec![object("s3:PutObjectLegalHold", &target.bucket, &target.key)]
            }
            O::PutObjectRetention { target, bypass_governance, .. } => {
                let bypass = bypass_governance.then_some(BYPASS);
                let actions = std::iter::once("s3:PutObjectRetention").chain(bypass);
                actions.map(|action| object(action, &target.bucket, &target.key)).collect()
            }
            O::DeleteObject { target, bypass_governance, .. } => {
                let action = of_version(target, "s3:DeleteObject", "s3:DeleteObjectVersion");
                let actions = std::iter::once(action).chain(bypass_governance.then_some(BYPASS));
                actions.map(|action| object(action, &target.bucket, &target.key)).collect()
            }
            O::DeleteObjects { bucket, objects, bypass_governance } => {
                let action = |version: bool| if version { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
                let bypass = bypass_governance.then_some(BYPASS);
                let actions = |each: &Deletion| std::iter::once(action(each.version.is_some())).chain(bypass);
                let each = |each| actions(each).map(|action| object(action, bucket, &each.key)).collect::<Vec<_>>();
                objects.iter().flat_map(each).collect()
            }
            O::CopyObject { source, bucket, key, tags, lock, .. } => {
                let mut needs = vec![content(&source.target), object("s3:PutObject", bucket, key)];
                if tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
                    needs.push(object("s3:PutObjectTagging", bucket, key));
                }
                needs.extend(lock_needs(lock).map(|action| object(action, bucket, key)));
                needs
            }
            O::UploadPartCopy { source, bucket, key, .. } => {
                vec![content(&source.target), object("s3:PutObject", bucket, key)]
            }
            O::Crossing(act) => act.needs(),
            O::CreateBucket { .. }
            | O::ListBuckets
            | O::CreateUser { .. }
            | O::GetUser { .. }
            | O::ListUsers { .. }
            | O::DeleteUser { .. }
            | O::TagUser { .. }
            | O::UntagUser { .. }
            | O::ListUserTags { .. }
            | O::CreateAccessKey { .. }
            | O::ListAccessKeys { .. }
            | O::UpdateAccessKey { .. }
            | O::DeleteAccessKey { .. }
            | O::GetCallerIdentity
            | O::LookupEvents { .. }
            | O::DiscloseEvents { .. }
            | O::CreateAccount { .. }
            | O::ListAccounts
            | O::CreateKeyAt { .. }
            | O::AllowLabel { .. }
            | O::ListLabels
            | O::AddOfficer { .. }
            | O::ContainSpill { .. }
            | O::ReportSpill { .. }
            | O::EraseSpill { .. } => Vec::new(),
        }
    }
}

const fn read<'a>(target: &'a ObjectTarget, latest: &'static str, version: &'static str) -> Need<'a> {
    let action = of_version(target, latest, version);
    Need { action, bucket: &target.bucket, key: Some(&target.key), reads_version: true }
}

pub(crate) const fn content(target: &ObjectTarget) -> Need<'_> {
    read(target, "s3:GetObject", "s3:GetObjectVersion")
}

const fn of_version(target: &ObjectTarget, latest: &'static str, version: &'static str) -> &'static str {
    if target.version.is_some() { version } else { latest }
}

fn lock_needs(lock: &Lock) -> impl Iterator<Item = &'static str> {
    let retention = lock.retention.is_some().then_some("s3:PutObjectRetention");
    retention.into_iter().chain(lock.legal_hold.map(|_| "s3:PutObjectLegalHold"))
}

//! What a permitted operation yields; each front renders its own.

use crate::{CrossingAnswer, SpillReport};
use bytes::Bytes;
use fastness_identity::Subject;
use fastness_identity::directory::{AccessKey, Account, NewAccount, User};
use fastness_label::Label;
use fastness_ledger::{DisclosedPage, Page};
use fastness_operation::{Configuration, UploadId};
use fastness_store::{
    Annotated, BucketInfo, Deleted, ErasureStep, Fault, ListPage, ManyDeleted, ObjectInfo, PartInfo, PartPage, Spill,
    UploadPage, Written,
};
use futures_util::stream::BoxStream;

/// The answer to an operation. Which variant goes with which operation is fixed; see [`crate::Gate::handle`].
pub enum Answer {
    /// Nothing but success.
    Done,
    /// HeadBucket, GetBucketLocation, GetBucketVersioning, GetBucketAcl.
    Bucket(BucketInfo),
    /// GetBucketTagging and everything else that reads one configuration of a bucket.
    Configuration(Option<Box<Configuration>>),
    /// ListBuckets.
    Buckets(Vec<BucketInfo>),
    /// GetObject, HeadObject.
    Object(Box<ObjectAnswer>),
    /// GetObjectAttributes.
    Attributes(Box<ObjectInfo>),
    /// PutObject, CopyObject, CompleteMultipartUpload: what was written, at which label.
    Written(Written, Label),
    /// GetObjectTagging, PutObjectTagging, DeleteObjectTagging: what is said of the version now.
    Annotated(Annotated),
    /// DeleteObject.
    Deleted(Deleted),
    /// DeleteObjects.
    ManyDeleted(ManyDeleted),
    /// ListObjects, ListObjectVersions.
    Listing(ListPage),
    /// ListMultipartUploads.
    Uploads(UploadPage),
    /// CreateMultipartUpload.
    Upload(UploadId, Label),
    /// UploadPart.
    Part(PartInfo, Label),
    /// ListParts.
    Parts(PartPage),
    /// GetUser, CreateUser, ListUserTags.
    User(Box<User>),
    /// ListUsers, and whether there are more.
    Users(Vec<User>, bool),
    /// CreateAccessKey, CreateKeyAt, AddOfficer.
    Key(Box<AccessKey>),
    /// ListAccessKeys.
    Keys(Vec<AccessKey>),
    /// GetCallerIdentity.
    Identity(Box<Subject>),
    /// LookupEvents: a page, of what is at or below this label.
    Events(Box<Page>, Label),
    /// DiscloseEvents: a page, of what is at or below this label.
    Disclosed(Box<DisclosedPage>, Label),
    /// CreateAccount.
    Account(Box<NewAccount>),
    /// ListAccounts.
    Accounts(Vec<Account>),
    /// AllowLabel: the label, and whether it is new.
    Label(Label, bool),
    /// ListLabels, topmost first.
    Labels(Vec<Label>),
    /// ContainSpill: the spill, at which label.
    Spill(Box<Spill>, Label),
    /// ReportSpill: the report, and the digest of its canonical JSON.
    SpillReport(Box<SpillReport>, String),
    /// EraseSpill: what came of it, and how many erasure keys this call destroyed.
    Erasure(Box<ErasureStep>, u64),
    /// Everything of crossings.
    Crossing(Box<CrossingAnswer>),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // An answer may hold a secret or a body: its debug form shows neither.
        f.write_str("Answer")
    }
}

/// An object, or a range of it.
pub struct ObjectAnswer {
    /// Its headers.
    pub info: ObjectInfo,
    /// Offset and length of what is answered, when a range or a part was asked for.
    pub range: Option<(u64, u64)>,
    /// The bytes; empty for HeadObject.
    pub body: BoxStream<'static, Result<Bytes, Fault>>,
}

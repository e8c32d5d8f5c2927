//! Why something was not done, in AWS's words.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $text:literal $status:literal,)*) => {
        /// An error code as the S3, IAM, STS and CloudTrail API references name it, with the HTTP status that goes with it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The caller may not do this.
    AccessDenied "AccessDenied" 403,
    /// More tags than an object or a bucket may have.
    BadRequest "BadRequest" 400,
    /// A checksum or MD5 that was sent is not that of the bytes that came.
    BadDigest "BadDigest" 400,
    /// Another account's bucket of this name is in view.
    BucketAlreadyExists "BucketAlreadyExists" 409,
    /// The caller's account has this bucket in view.
    BucketAlreadyOwnedByYou "BucketAlreadyOwnedByYou" 409,
    /// A version is in view.
    BucketNotEmpty "BucketNotEmpty" 409,
    /// The user still has keys.
    DeleteConflict "DeleteConflict" 409,
    /// A name that is taken.
    EntityAlreadyExists "EntityAlreadyExists" 409,
    /// More than one request, part or object may hold.
    EntityTooLarge "EntityTooLarge" 400,
    /// A part that is not the last is below 5 MiB.
    EntityTooSmall "EntityTooSmall" 400,
    /// The body ended early.
    IncompleteBody "IncompleteBody" 400,
    /// The disk has no room for data; records still fit.
    InsufficientStorage "InsufficientStorage" 507,
    /// A fault on our side.
    InternalError "InternalError" 500,
    /// No such key id (S3).
    InvalidAccessKeyId "InvalidAccessKeyId" 403,
    /// A parameter against its rules (S3).
    InvalidArgument "InvalidArgument" 400,
    /// A digest that is none.
    InvalidDigest "InvalidDigest" 400,
    /// A parameter against its rules (IAM).
    InvalidInput "InvalidInput" 400,
    /// A page's token that is none, or of another lookup (CloudTrail).
    InvalidNextToken "InvalidNextTokenException" 400,
    /// A part that is not there, or has another ETag.
    InvalidPart "InvalidPart" 400,
    /// A part of an object that has fewer.
    InvalidPartNumber "InvalidPartNumber" 416,
    /// Parts not in ascending order.
    InvalidPartOrder "InvalidPartOrder" 400,
    /// A range outside the object.
    InvalidRange "InvalidRange" 416,
    /// Object lock without versions.
    InvalidBucketState "InvalidBucketState" 409,
    /// A request that contradicts itself.
    InvalidRequest "InvalidRequest" 400,
    /// A tag against its rules.
    InvalidTag "InvalidTag" 400,
    /// No bucket of this account that the caller sees.
    InvalidTargetBucketForLogging "InvalidTargetBucketForLogging" 400,
    /// A quota of entities is used up.
    LimitExceeded "LimitExceeded" 409,
    /// A bucket policy that is none.
    MalformedPolicy "MalformedPolicy" 400,
    /// What does not fit the published schema.
    MalformedXml "MalformedXML" 400,
    /// More than 2 KB of user metadata.
    MetadataTooLarge "MetadataTooLarge" 400,
    /// The version named is a delete marker.
    MethodNotAllowed "MethodNotAllowed" 405,
    /// No such bucket in view.
    NoSuchBucket "NoSuchBucket" 404,
    /// No bucket policy.
    NoSuchBucketPolicy "NoSuchBucketPolicy" 404,
    /// No CORS rules.
    NoSuchCorsConfiguration "NoSuchCORSConfiguration" 404,
    /// No such user, key, account.
    NoSuchEntity "NoSuchEntity" 404,
    /// No such object in view.
    NoSuchKey "NoSuchKey" 404,
    /// No lifecycle rules.
    NoSuchLifecycleConfiguration "NoSuchLifecycleConfiguration" 404,
    /// No public access block.
    NoSuchPublicAccessBlockConfiguration "NoSuchPublicAccessBlockConfiguration" 404,
    /// No tags.
    NoSuchTagSet "NoSuchTagSet" 404,
    /// The version is not retained, or not held.
    NoSuchObjectLockConfiguration "NoSuchObjectLockConfiguration" 404,
    /// No such upload at the session's label.
    NoSuchUpload "NoSuchUpload" 404,
    /// No such version in view.
    NoSuchVersion "NoSuchVersion" 404,
    /// What S3 has and this store does not (yet).
    NotImplemented "NotImplemented" 501,
    /// The condition says: unchanged.
    NotModified "NotModified" 304,
    /// No object lock on this bucket.
    ObjectLockConfigurationNotFound "ObjectLockConfigurationNotFoundError" 404,
    /// No ownership controls.
    OwnershipControlsNotFound "OwnershipControlsNotFoundError" 404,
    /// A later bundle of the same region brought an object of this name already.
    Overtaken "Overtaken" 409,
    /// A condition does not hold.
    PreconditionFailed "PreconditionFailed" 412,
    /// The client took too long to send the next bytes.
    RequestTimeout "RequestTimeout" 400,
    /// The signature, or that of a chunk of the body, is not right.
    SignatureDoesNotMatch "SignatureDoesNotMatch" 403,
    /// The queue of this label is full: come back later.
    SlowDown "SlowDown" 503,
    /// A parameter against its rules (CloudTrail, and Fastness's own operations).
    ValidationException "ValidationException" 400,
    /// The body's SHA-256 is not the one signed.
    ContentSha256Mismatch "XAmzContentSHA256Mismatch" 400,
}

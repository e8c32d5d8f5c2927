//! What can be wrong with a signature or with a signed body, in AWS's words.

use thiserror::Error;

/// Why a request's signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The computed signature differs from the one given.
    #[error("the signature does not match the request")]
    Mismatch,
    /// A header is named in the signature and absent from the request.
    #[error("the signature covers the header `{0}`, which the request lacks")]
    SignedHeaderMissing(String),
    /// The request was signed too long ago, or in the future.
    #[error("the request was signed more than 15 minutes away from the server's time")]
    TimeSkewed,
    /// A presigned address outlived its time.
    #[error("request has expired")]
    Expired,
    /// A presigned address was signed in the future.
    #[error("request is not yet valid")]
    NotYetValid,
    /// A signed request bears no usable date.
    #[error("a signed request needs a valid x-amz-date or date header")]
    DateMissing,
    /// A header that must be signed is not.
    #[error("the header `{0}` is present and not signed")]
    HeaderNotSigned(String),
    /// The `Authorization` header is not as it should be.
    #[error("the authorization header is malformed: {0}")]
    HeaderMalformed(&'static str),
    /// The query parameters of a presigned address are not as they should be.
    #[error("the query-string authorization is malformed: {0}")]
    QueryMalformed(&'static str),
    /// What a form says of its signature is not as it should be.
    #[error("the form's authorization is malformed: {0}")]
    FormMalformed(&'static str),
    /// The scope names another region.
    #[error("the credential is for the region `{given}`, and this is `{expected}`")]
    WrongRegion {
        /// The region in the credential.
        given: String,
        /// The region of this server.
        expected: String,
        /// How the request was signed.
        presigned: bool,
    },
    /// The scope names a service that is not served here.
    #[error("the credential is for the service `{given}`, which is not served here")]
    WrongService {
        /// The service in the credential.
        given: String,
        /// How the request was signed.
        presigned: bool,
    },
    /// The scope's date is not the request's date.
    #[error("the credential's date is not the date of the request")]
    WrongDate {
        /// How the request was signed.
        presigned: bool,
    },
    /// A mechanism that is not served: Signature Version 2, Version 4A or another scheme.
    #[error("the authorization mechanism is not supported, use AWS4-HMAC-SHA256")]
    UnsupportedMechanism,
    /// A request was signed in more than one way.
    #[error("only one authorization mechanism is allowed in a request")]
    TwoMechanisms,
    /// A session token was given, and none are issued.
    #[error("the security token is not valid: this server issues none")]
    SecurityToken,
    /// A header that a signed request to S3 needs is missing.
    #[error("the signed request lacks the header `{0}`")]
    SecurityHeaderMissing(&'static str),
    /// `x-amz-content-sha256` is neither a hash nor a known word.
    #[error("x-amz-content-sha256 is neither a SHA-256 in lower-case hex nor a known word")]
    ContentSha256Malformed,
    /// The body's hash is not the one that was announced.
    #[error("the body's SHA-256 is not the announced one")]
    ContentSha256Mismatch,
    /// The request contradicts itself or lacks what its encoding needs.
    #[error("the request is malformed: {0}")]
    Request(&'static str),
    /// A chunked body without its decoded length.
    #[error("an aws-chunked body needs the header x-amz-decoded-content-length")]
    DecodedLengthMissing,
    /// The server did not hash a body whose hash the signature covers: a mistake of the server.
    #[error("the hash of the body was needed and not given")]
    BodyHashNotGiven,
}

impl SignatureError {
    /// The code of this error in AWS's protocols.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mismatch | Self::SignedHeaderMissing(_) => "SignatureDoesNotMatch",
            Self::TimeSkewed => "RequestTimeTooSkewed",
            Self::Expired | Self::NotYetValid | Self::DateMissing | Self::HeaderNotSigned(_) => "AccessDenied",
            Self::HeaderMalformed(_)
            | Self::WrongRegion { presigned: false, .. }
            | Self::WrongService { presigned: false, .. }
            | Self::WrongDate { presigned: false } => "AuthorizationHeaderMalformed",
            Self::QueryMalformed(_)
            | Self::WrongRegion { presigned: true, .. }
            | Self::WrongService { presigned: true, .. }
            | Self::WrongDate { presigned: true } => "AuthorizationQueryParametersError",
            Self::TwoMechanisms | Self::ContentSha256Malformed | Self::FormMalformed(_) => "InvalidArgument",
            Self::UnsupportedMechanism | Self::Request(_) => "InvalidRequest",
            Self::SecurityToken => "InvalidToken",
            Self::SecurityHeaderMissing(_) => "MissingSecurityHeader",
            Self::ContentSha256Mismatch => "XAmzContentSHA256Mismatch",
            Self::DecodedLengthMissing => "MissingContentLength",
            Self::BodyHashNotGiven => "InternalError",
        }
    }

    /// The HTTP status of this error.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.code() {
            "SignatureDoesNotMatch" | "RequestTimeTooSkewed" | "AccessDenied" => 403,
            "MissingContentLength" => 411,
            "InternalError" => 500,
            _ => 400,
        }
    }
}

/// Why a body's stream ended with an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The body's hash is not the signed one.
    #[error("the body's SHA-256 is not the announced one")]
    Sha256Mismatch,
    /// The body ended early, or is longer than announced.
    #[error("the body's length is not the announced one")]
    Incomplete,
    /// The signature of a chunk or of the trailers is wrong.
    #[error("the signature of a part of the body does not match")]
    SignatureMismatch,
    /// A chunk's size is not a number, or more than what is left of the decoded length.
    #[error("the size of a chunk is not valid")]
    ChunkSize,
    /// The framing of the aws-chunked body is wrong.
    #[error("the aws-chunked body is malformed: {0}")]
    Framing(&'static str),
    /// A trailer is malformed, was not announced, or is missing.
    #[error("the trailers of the body are malformed: {0}")]
    Trailer(&'static str),
    /// The body could not be read.
    #[error("the body could not be read")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BodyError {
    /// The code of this error in AWS's protocols.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sha256Mismatch => "XAmzContentSHA256Mismatch",
            Self::Incomplete | Self::Transport(_) => "IncompleteBody",
            Self::SignatureMismatch => "SignatureDoesNotMatch",
            Self::ChunkSize => "InvalidChunkSizeError",
            Self::Framing(_) => "InvalidRequest",
            Self::Trailer(_) => "MalformedTrailerError",
        }
    }

    /// The HTTP status of this error.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::SignatureMismatch => 403,
            _ => 400,
        }
    }
}

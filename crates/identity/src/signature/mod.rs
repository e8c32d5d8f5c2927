//! AWS Signature Version 4: who signed this request, and is its body the one that was signed?
//!
//! A request passes in four steps, each of which yields what the next one needs:
//!
//! 1. [`claim`] reads what the request says of itself, before any secret is known;
//! 2. [`Claim::verify`] checks freshness, scope, coverage and the signature with the caller's secret;
//! 3. [`Verified::body`] wraps the body so that its stream ends cleanly only if the body was signed;
//! 4. [`strip`] removes what was consumed, so that a library behind it sees an anonymous request.
//!
//! What is refused, and why:
//!
//! - Signature Version 2 and 4A, temporary session tokens (none are issued here), and every other
//!   `Authorization` scheme. A caller that takes bearer tokens looks for them before [`claim`].
//! - Two mechanisms in one request, or one given twice: which of them counts would be a guess.
//! - `x-amz-*` headers outside the signature: someone on the way could have added them.
//! - Presigned addresses that live longer than seven days.
//!
//! Browser form uploads carry their signature inside the body. To [`claim`] they are anonymous; a caller that takes
//! them reads the form and asks [`PostedClaim`].
//!
//! INVARIANT: nothing here panics, and no memory grows with the body. Bytes of a chunk are handed out
//! before that chunk's signature is checked; if it proves wrong, the stream ends with an error. A
//! consumer must therefore commit nothing before the clean end of the stream.

mod body;
mod canonical;
mod chunked;
mod claim;
mod error;
mod key;
mod posted;
pub mod sign;
mod strip;
mod verify;

#[cfg(test)]
mod tests;

pub use body::{CheckedBody, TrailerHandle};
pub use claim::{Claim, Form, PayloadKind, Scope, claim};
pub use error::{BodyError, SignatureError};
pub use key::SigningKey;
pub use posted::PostedClaim;
pub use strip::strip;
pub use verify::{Expected, Verified};

use time::Duration;

/// How far the clock of a client may differ from ours, either way.
pub const CLOCK_SKEW_MAX: Duration = Duration::minutes(15);

/// The longest life of a presigned address.
pub const PRESIGNED_LIFE_MAX: Duration = Duration::days(7);

/// The longest access key id that is looked at, in bytes.
pub const ACCESS_KEY_ID_BYTES_MAX: usize = 128;

/// The longest region or service name in a credential scope, in bytes.
pub const SCOPE_PART_BYTES_MAX: usize = 64;

/// The longest `Authorization` header that is parsed, in bytes.
pub const AUTHORIZATION_BYTES_MAX: usize = 16 * 1024;

/// How many headers a signature may name.
pub const SIGNED_HEADERS_MAX: usize = 256;

/// The longest header line of an aws-chunked chunk, line end included, in bytes. A signed one with a
/// 64-bit size has 99.
pub const CHUNK_HEADER_BYTES_MAX: usize = 128;

/// The longest trailer line of an aws-chunked body, line end included, in bytes.
pub const TRAILER_LINE_BYTES_MAX: usize = 1024;

/// How many trailers a request may announce.
pub const TRAILERS_MAX: usize = 16;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const CHUNK_ALGORITHM: &str = "AWS4-HMAC-SHA256-PAYLOAD";
const TRAILER_ALGORITHM: &str = "AWS4-HMAC-SHA256-TRAILER";
const SCOPE_END: &str = "aws4_request";

const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DATE: &str = "x-amz-date";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const SECURITY_TOKEN: &str = "x-amz-security-token";
const TRAILER: &str = "x-amz-trailer";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// The query parameters of a presigned address.
mod parameter {
    pub(super) const ALGORITHM: &str = "X-Amz-Algorithm";
    pub(super) const CREDENTIAL: &str = "X-Amz-Credential";
    pub(super) const DATE: &str = "X-Amz-Date";
    pub(super) const EXPIRES: &str = "X-Amz-Expires";
    pub(super) const SIGNED_HEADERS: &str = "X-Amz-SignedHeaders";
    pub(super) const SIGNATURE: &str = "X-Amz-Signature";
    pub(super) const SECURITY_TOKEN: &str = "X-Amz-Security-Token";
    /// Some clients move the header of this name into the query.
    pub(super) const CONTENT_SHA256: &str = "X-Amz-Content-Sha256";
}

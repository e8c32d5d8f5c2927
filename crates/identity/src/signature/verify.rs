//! The check of a claim against a secret.

use std::fmt;

use http::request::Parts;
use time::OffsetDateTime;

use super::canonical::canonical_request;
use super::key::{DIGEST_BYTES, format_date, format_timestamp, same_digest, string_to_sign};
use super::{CLOCK_SKEW_MAX, Claim, Form, PayloadKind, Scope, SignatureError, SigningKey};

/// What this server accepts.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'server> {
    /// The region that it is.
    pub region: &'server str,
    /// The services that it serves.
    pub services: &'server [&'server str],
    /// Its time.
    pub now: OffsetDateTime,
}

/// Proof that a request's head was signed with the secret, and what its body needs to be checked.
///
/// Only [`Claim::verify`] makes one.
pub struct Verified {
    pub(super) key: SigningKey,
    pub(super) seed: [u8; DIGEST_BYTES],
    pub(super) timestamp: String,
    pub(super) scope: Scope,
    pub(super) payload: PayloadKind,
}

impl fmt::Debug for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Verified")
            .field("scope", &self.scope)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

impl Verified {
    /// What the signature says of the body. [`PayloadKind::Absent`] became
    /// [`PayloadKind::Signed`] with the hash that was given.
    #[must_use]
    pub fn payload(&self) -> PayloadKind {
        self.payload
    }

    /// The scope that was verified.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Claim {
    /// Checks the claim against the request's head and the secret.
    ///
    /// `body_hash` is the SHA-256 of the body: needed if [`Claim::payload`] is
    /// [`PayloadKind::Absent`], and compared if it is [`PayloadKind::Signed`].
    ///
    /// # Errors
    ///
    /// If the claim is not fresh, not for this server, leaves out a header that it must cover, or if
    /// its signature is not the secret's.
    pub fn verify(
        &self,
        parts: &Parts,
        secret: &str,
        expected: &Expected<'_>,
        body_hash: Option<[u8; DIGEST_BYTES]>,
    ) -> Result<Verified, SignatureError> {
        self.verify_with(parts, |scope| SigningKey::derive(secret, scope), expected, body_hash)
    }

    /// The same, with a signing key that the caller derived or kept: `key` is asked for that of the claim's scope.
    ///
    /// # Errors
    ///
    /// As [`Claim::verify`].
    pub fn verify_with(
        &self,
        parts: &Parts,
        key: impl FnOnce(&Scope) -> SigningKey,
        expected: &Expected<'_>,
        body_hash: Option<[u8; DIGEST_BYTES]>,
    ) -> Result<Verified, SignatureError> {
        check_scope(&self.scope, self.when, expected, self.is_presigned())?;
        check_freshness(self.form, self.when, expected.now)?;
        self.check_coverage(parts)?;
        let payload = self.payload_with(body_hash)?;
        let word = payload.canonical().ok_or(SignatureError::BodyHashNotGiven)?;
        let canonical = canonical_request(parts, &self.scope.service, &self.signed_headers, &word)?;
        let timestamp = format_timestamp(self.when);
        let text = string_to_sign(&timestamp, &self.scope, &canonical);
        let key = key(&self.scope);
        if !key.verifies(text.as_bytes(), &self.signature) {
            return Err(SignatureError::Mismatch);
        }
        Ok(Verified { key, seed: self.signature, timestamp, scope: self.scope.clone(), payload })
    }

    fn is_presigned(&self) -> bool {
        matches!(self.form, Form::Presigned { .. })
    }

    /// Every header that changes what a request means to us must be signed: `host`, all `x-amz-*`, and
    /// `date` where it is the request's date. `content-type` is not among them, because widespread
    /// clients leave it out and AWS takes their requests.
    fn check_coverage(&self, parts: &Parts) -> Result<(), SignatureError> {
        let is_signed = |name: &str| self.signed_headers.binary_search_by(|signed| signed.as_str().cmp(name)).is_ok();
        let date_counts = !self.is_presigned() && !parts.headers.contains_key(super::DATE);
        let must_be_signed =
            |name: &str| name.starts_with("x-amz-") || name == "host" || (date_counts && name == "date");
        let unsigned = parts
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .chain(["host"])
            .find(|name| must_be_signed(name) && !is_signed(name));
        unsigned.map_or(Ok(()), |name| Err(SignatureError::HeaderNotSigned(name.to_owned())))
    }

    fn payload_with(&self, body_hash: Option<[u8; DIGEST_BYTES]>) -> Result<PayloadKind, SignatureError> {
        match (self.payload, body_hash) {
            (PayloadKind::Absent, Some(hash)) => Ok(PayloadKind::Signed(hash)),
            (PayloadKind::Absent, None) => Err(SignatureError::BodyHashNotGiven),
            (PayloadKind::Signed(signed), Some(hash)) if !same_digest(&signed, &hash) => {
                Err(SignatureError::ContentSha256Mismatch)
            }
            (payload, _) => Ok(payload),
        }
    }
}

pub(super) fn check_scope(
    scope: &Scope,
    when: OffsetDateTime,
    expected: &Expected<'_>,
    presigned: bool,
) -> Result<(), SignatureError> {
    if scope.region != expected.region {
        return Err(SignatureError::WrongRegion {
            given: scope.region.clone(),
            expected: expected.region.to_owned(),
            presigned,
        });
    }
    if !expected.services.contains(&scope.service.as_str()) {
        let given = scope.service.clone();
        return Err(SignatureError::WrongService { given, presigned });
    }
    if scope.date != format_date(when) {
        return Err(SignatureError::WrongDate { presigned });
    }
    Ok(())
}

pub(super) fn check_freshness(form: Form, when: OffsetDateTime, now: OffsetDateTime) -> Result<(), SignatureError> {
    // Differences of two times cannot overflow; sums near the end of time could.
    let age = now - when;
    match form {
        Form::Header if age.abs() > CLOCK_SKEW_MAX => Err(SignatureError::TimeSkewed),
        Form::Presigned { .. } if age < -CLOCK_SKEW_MAX => Err(SignatureError::NotYetValid),
        Form::Presigned { expires } if age > expires => Err(SignatureError::Expired),
        Form::Header | Form::Presigned { .. } => Ok(()),
    }
}

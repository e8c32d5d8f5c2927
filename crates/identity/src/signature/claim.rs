//! What a request claims about its signer: a pure parse, before any secret is known.

use std::borrow::Cow;

use http::request::Parts;
use time::format_description::well_known::Rfc2822;
use time::{Duration, OffsetDateTime};

use super::canonical::{S3, query_pairs, single};
use super::key::{DIGEST_BYTES, format_timestamp, parse_digest, parse_timestamp};
use super::{
    ALGORITHM, AUTHORIZATION_BYTES_MAX, CONTENT_SHA256, DATE, PRESIGNED_LIFE_MAX, SECURITY_TOKEN, SIGNED_HEADERS_MAX,
    SignatureError, parameter,
};

/// What the request claims. Nothing of it is proved before [`Claim::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose secret would prove the claim.
    pub access_key_id: String,
    /// What the signing key is good for.
    pub scope: Scope,
    /// The names of the signed headers: lower case, sorted, each once.
    pub signed_headers: Vec<String>,
    /// The signature.
    pub signature: [u8; DIGEST_BYTES],
    /// When the request was signed.
    pub when: OffsetDateTime,
    /// Where the signature stands.
    pub form: Form,
    /// What the signature says of the body.
    pub payload: PayloadKind,
}

/// The scope of a signing key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The day, as `YYYYMMDD`.
    pub date: String,
    /// The region.
    pub region: String,
    /// The service.
    pub service: String,
}

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query of a presigned address.
    Presigned {
        /// How long the address lives, from its signing.
        expires: Duration,
    },
}

/// What a signature says of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadKind {
    /// The body has this SHA-256.
    Signed([u8; DIGEST_BYTES]),
    /// Nothing.
    Unsigned,
    /// aws-chunked, each chunk signed.
    Streaming,
    /// aws-chunked, each chunk and the trailers signed.
    StreamingTrailer,
    /// aws-chunked with trailers, without signatures.
    UnsignedTrailer,
    /// No `x-amz-content-sha256`, as with IAM and STS: the signature covers the SHA-256 of the body,
    /// which the caller reads (these bodies are small, and the caller bounds them) and hashes.
    Absent,
}

impl PayloadKind {
    /// Whether the body is encoded as aws-chunked.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        matches!(self, Self::Streaming | Self::StreamingTrailer | Self::UnsignedTrailer)
    }

    /// What stands for the body in the canonical request; none if the body must be hashed first.
    pub(super) fn canonical(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Signed(digest) => Cow::Owned(hex::encode(digest)),
            Self::Unsigned => Cow::Borrowed("UNSIGNED-PAYLOAD"),
            Self::Streaming => Cow::Borrowed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            Self::StreamingTrailer => Cow::Borrowed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            Self::UnsignedTrailer => Cow::Borrowed("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            Self::Absent => return None,
        })
    }

    fn parse(text: &[u8]) -> Result<Self, SignatureError> {
        let words = [Self::Unsigned, Self::Streaming, Self::StreamingTrailer, Self::UnsignedTrailer];
        words
            .into_iter()
            .find(|word| word.canonical().is_some_and(|word| word.as_bytes() == text))
            .or_else(|| parse_digest(text).map(Self::Signed))
            .ok_or(SignatureError::ContentSha256Malformed)
    }
}

/// Reads what a request claims. `None` means that it bears no signature at all: it is anonymous.
///
/// # Errors
///
/// If the request bears a signature that is malformed, or one of a kind that is not served.
pub fn claim(parts: &Parts) -> Result<Option<Claim>, SignatureError> {
    let query = Presigned::read(parts.uri.query().unwrap_or_default())?;
    if query.security_token || parts.headers.contains_key(SECURITY_TOKEN) {
        return Err(SignatureError::SecurityToken);
    }
    let mut headers = parts.headers.get_all(http::header::AUTHORIZATION).iter();
    let authorization = headers.next();
    if headers.next().is_some() {
        return Err(SignatureError::HeaderMalformed("it stands twice"));
    }
    if query.version_2 {
        return Err(SignatureError::UnsupportedMechanism);
    }
    match (authorization, query.is_present()) {
        (None, false) => Ok(None),
        (Some(_), true) => Err(SignatureError::TwoMechanisms),
        (Some(authorization), false) => claim_header(parts, authorization.as_bytes()).map(Some),
        (None, true) => claim_presigned(parts, &query).map(Some),
    }
}

fn claim_header(parts: &Parts, authorization: &[u8]) -> Result<Claim, SignatureError> {
    let malformed = SignatureError::HeaderMalformed;
    if authorization.len() > AUTHORIZATION_BYTES_MAX {
        return Err(malformed("it is too long"));
    }
    let text = std::str::from_utf8(authorization).map_err(|_| malformed("it is not text"))?.trim();
    let (algorithm, fields) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    if algorithm != ALGORITHM {
        return Err(SignatureError::UnsupportedMechanism);
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in fields.split(',') {
        let (name, value) = field.trim().split_once('=').ok_or(malformed("a field has no value"))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(malformed("a field is unknown")),
        };
        if slot.replace(value).is_some() {
            return Err(malformed("a field stands twice"));
        }
    }
    let (Some(credential), Some(signed_headers), Some(signature)) = (credential, signed_headers, signature) else {
        return Err(malformed("a field is missing"));
    };
    let (access_key_id, scope) = Scope::parse_credential(credential, malformed)?;
    let signed_headers = parse_signed_headers(signed_headers, malformed)?;
    let signature = parse_digest(signature.as_bytes()).ok_or(malformed("the signature is not 64 hex digits"))?;
    let payload = match single(&parts.headers, CONTENT_SHA256)? {
        Some(text) => PayloadKind::parse(text)?,
        None if scope.service == S3 => {
            return Err(SignatureError::SecurityHeaderMissing(CONTENT_SHA256));
        }
        None => PayloadKind::Absent,
    };
    let when = request_date(parts)?;
    Ok(Claim { access_key_id, scope, signed_headers, signature, when, form: Form::Header, payload })
}

fn claim_presigned(parts: &Parts, query: &Presigned<'_>) -> Result<Claim, SignatureError> {
    let malformed = SignatureError::QueryMalformed;
    let text = |value: &Option<Cow<'_, [u8]>>| -> Result<String, SignatureError> {
        let value = value.as_ref().ok_or(malformed("a parameter is missing"))?;
        let value = std::str::from_utf8(value).map_err(|_| malformed("a parameter is not text"))?;
        Ok(value.to_owned())
    };
    if text(&query.algorithm)? != ALGORITHM {
        return Err(malformed("X-Amz-Algorithm is not AWS4-HMAC-SHA256"));
    }
    let (access_key_id, scope) = Scope::parse_credential(&text(&query.credential)?, malformed)?;
    let signed_headers = parse_signed_headers(&text(&query.signed_headers)?, malformed)?;
    let signature =
        parse_digest(text(&query.signature)?.as_bytes()).ok_or(malformed("the signature is not 64 hex digits"))?;
    let when = parse_timestamp(&text(&query.date)?).ok_or(malformed("X-Amz-Date is not YYYYMMDDTHHMMSSZ"))?;
    let seconds = text(&query.expires)?;
    let seconds = Some(seconds.as_str())
        .filter(|text| text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse::<u32>().ok())
        .ok_or(malformed("X-Amz-Expires is not a number of seconds"))?;
    let expires = Duration::seconds(i64::from(seconds));
    if !expires.is_positive() || expires > PRESIGNED_LIFE_MAX {
        return Err(malformed("X-Amz-Expires is not between one second and seven days"));
    }
    let payload = presigned_payload(parts, query, &scope)?;
    let form = Form::Presigned { expires };
    Ok(Claim { access_key_id, scope, signed_headers, signature, when, form, payload })
}

/// What a presigned address says of the body: `x-amz-content-sha256` as a header or a parameter; else
/// S3 leaves the body open, and other services sign its hash.
fn presigned_payload(parts: &Parts, query: &Presigned<'_>, scope: &Scope) -> Result<PayloadKind, SignatureError> {
    let header = single(&parts.headers, CONTENT_SHA256)?;
    let payload = match (header, query.content_sha256.as_deref()) {
        (Some(header), Some(parameter)) if header != parameter => {
            return Err(SignatureError::Request("x-amz-content-sha256 stands twice"));
        }
        (Some(text), _) | (None, Some(text)) => PayloadKind::parse(text)?,
        (None, None) if scope.service == S3 => PayloadKind::Unsigned,
        (None, None) => PayloadKind::Absent,
    };
    if payload.is_chunked() {
        return Err(SignatureError::Request("a presigned request cannot have an aws-chunked body"));
    }
    Ok(payload)
}

/// When a request with an `Authorization` header was signed: `x-amz-date`, or else `date`.
fn request_date(parts: &Parts) -> Result<OffsetDateTime, SignatureError> {
    let (name, value) = match single(&parts.headers, DATE)? {
        Some(value) => (DATE, value),
        None => ("date", single(&parts.headers, "date")?.ok_or(SignatureError::DateMissing)?),
    };
    let text = std::str::from_utf8(value).map_err(|_| SignatureError::DateMissing)?.trim();
    let when = parse_timestamp(text).or_else(|| {
        let when = OffsetDateTime::parse(text, &Rfc2822).ok().filter(|_| name == "date")?;
        // The signed text is the time in whole seconds: read back what will be written.
        parse_timestamp(&format_timestamp(when))
    });
    when.ok_or(SignatureError::DateMissing)
}

/// Reads `a;b;c`: lower case, sorted, each once, and `host` among them.
fn parse_signed_headers(
    text: &str,
    malformed: fn(&'static str) -> SignatureError,
) -> Result<Vec<String>, SignatureError> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(';') {
        if names.len() >= SIGNED_HEADERS_MAX {
            return Err(malformed("too many headers are signed"));
        }
        // INVARIANT: only bytes that a header name may have: no line end gets into the signed text.
        let is_name = http::HeaderName::from_lowercase(name.as_bytes()).is_ok();
        if !is_name || names.last().is_some_and(|last| last.as_str() >= name) {
            return Err(malformed("the signed headers are not a sorted list of lower-case names"));
        }
        names.push(name.to_owned());
    }
    if names.binary_search_by(|name| name.as_str().cmp("host")).is_err() {
        return Err(malformed("the host header is not signed"));
    }
    Ok(names)
}

/// The parameters of a query that have to do with signatures.
#[derive(Default)]
struct Presigned<'query> {
    algorithm: Option<Cow<'query, [u8]>>,
    credential: Option<Cow<'query, [u8]>>,
    date: Option<Cow<'query, [u8]>>,
    expires: Option<Cow<'query, [u8]>>,
    signed_headers: Option<Cow<'query, [u8]>>,
    signature: Option<Cow<'query, [u8]>>,
    content_sha256: Option<Cow<'query, [u8]>>,
    security_token: bool,
    version_2: bool,
}

impl<'query> Presigned<'query> {
    fn read(query: &'query str) -> Result<Self, SignatureError> {
        let mut found = Self::default();
        for (name, value) in query_pairs(query) {
            let Ok(name) = std::str::from_utf8(&name) else { continue };
            let slot = match name {
                parameter::ALGORITHM => &mut found.algorithm,
                parameter::CREDENTIAL => &mut found.credential,
                parameter::DATE => &mut found.date,
                parameter::EXPIRES => &mut found.expires,
                parameter::SIGNED_HEADERS => &mut found.signed_headers,
                parameter::SIGNATURE => &mut found.signature,
                _ if name.eq_ignore_ascii_case(parameter::CONTENT_SHA256) => &mut found.content_sha256,
                _ if name.eq_ignore_ascii_case(parameter::SECURITY_TOKEN) => {
                    found.security_token = true;
                    continue;
                }
                "AWSAccessKeyId" | "Signature" | "SignatureVersion" => {
                    found.version_2 = true;
                    continue;
                }
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(SignatureError::QueryMalformed("a parameter stands twice"));
            }
        }
        Ok(found)
    }

    /// Whether the query means to be signed. One parameter suffices: half a signature is an error, and
    /// never an anonymous request.
    fn is_present(&self) -> bool {
        self.algorithm.is_some() || self.credential.is_some() || self.signature.is_some()
    }
}

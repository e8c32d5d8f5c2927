//! The client's side: signing requests, addresses and chunks. For our command line, tests and
//! benchmarks.

use std::fmt;

use http::request::Parts;
use http::{HeaderValue, Method, Uri, header};
use thiserror::Error;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::canonical::{S3, canonical_request, encoded};
use super::chunked::{Chain, canonical_trailers};
use super::key::{DIGEST_BYTES, format_date, format_timestamp, sha256, string_to_sign};
use super::{
    ALGORITHM, CONTENT_SHA256, DATE, DECODED_LENGTH, PRESIGNED_LIFE_MAX, PayloadKind, Scope, SignatureError,
    SigningKey, TRAILER, TRAILER_SIGNATURE, parameter,
};

/// Headers that proxies change or that describe the hop: they are not signed.
const UNSIGNED_HEADERS: [&str; 8] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "transfer-encoding",
    "user-agent",
    "x-amzn-trace-id",
];

/// Why a request could not be signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The request names no host.
    #[error("the request has neither a host header nor a host in its address")]
    HostMissing,
    /// A value cannot stand in a header.
    #[error("a value cannot stand in a header")]
    Header(#[from] http::header::InvalidHeaderValue),
    /// The address is not valid.
    #[error("the address is not valid")]
    Address(#[from] http::Error),
    /// The life of a presigned address is out of bounds.
    #[error("a presigned address lives between one second and seven days")]
    Life,
    /// The request cannot be brought into its canonical form.
    #[error("the request has no canonical form")]
    Canonical(#[from] SignatureError),
}

/// What to sign of the body.
#[derive(Debug, Clone, Copy)]
pub enum SignPayload<'request> {
    /// This body.
    Body(&'request [u8]),
    /// A body with this SHA-256.
    Sha256([u8; DIGEST_BYTES]),
    /// Nothing.
    Unsigned,
    /// A body in signed chunks, of this decoded length.
    Streaming {
        /// The length before the encoding.
        decoded_length: u64,
    },
    /// A body in signed chunks with one signed trailer.
    StreamingTrailer {
        /// The length before the encoding.
        decoded_length: u64,
        /// The trailer's name, in lower case.
        trailer: &'request str,
    },
    /// A body in unsigned chunks with one trailer.
    UnsignedTrailer {
        /// The length before the encoding.
        decoded_length: u64,
        /// The trailer's name, in lower case.
        trailer: &'request str,
    },
}

impl SignPayload<'_> {
    fn kind(&self) -> PayloadKind {
        match self {
            Self::Body(body) => PayloadKind::Signed(sha256(body)),
            Self::Sha256(hash) => PayloadKind::Signed(*hash),
            Self::Unsigned => PayloadKind::Unsigned,
            Self::Streaming { .. } => PayloadKind::Streaming,
            Self::StreamingTrailer { .. } => PayloadKind::StreamingTrailer,
            Self::UnsignedTrailer { .. } => PayloadKind::UnsignedTrailer,
        }
    }

    fn decoded_length(&self) -> Option<u64> {
        match self {
            Self::Body(_) | Self::Sha256(_) | Self::Unsigned => None,
            Self::Streaming { decoded_length }
            | Self::StreamingTrailer { decoded_length, .. }
            | Self::UnsignedTrailer { decoded_length, .. } => Some(*decoded_length),
        }
    }

    fn trailer(&self) -> Option<&str> {
        match self {
            Self::StreamingTrailer { trailer, .. } | Self::UnsignedTrailer { trailer, .. } => Some(trailer),
            _ => None,
        }
    }
}

/// Signs with one access key for one region and service.
pub struct Signer {
    access_key_id: String,
    secret: Zeroizing<String>,
    region: String,
    service: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Signer")
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer. The secret is cleared from memory when it is dropped.
    #[must_use]
    pub fn new(access_key_id: &str, secret: &str, region: &str, service: &str) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            secret: Zeroizing::new(secret.to_owned()),
            region: region.to_owned(),
            service: service.to_owned(),
        }
    }

    /// Signs a request: sets the headers that the signature needs, and `Authorization`.
    ///
    /// What it returns encodes the body, if that is sent in chunks; else it can be dropped. For chunks
    /// the caller sets the encoded `Content-Length`, or sends without one.
    ///
    /// # Errors
    ///
    /// If the request names no host, or a value cannot stand in a header.
    pub fn sign(
        &self,
        request: &mut Parts,
        payload: SignPayload<'_>,
        now: OffsetDateTime,
    ) -> Result<ChunkSigner, SignError> {
        let scope = self.scope(now);
        let timestamp = format_timestamp(now);
        let kind = payload.kind();
        let word = kind.canonical().ok_or(SignatureError::BodyHashNotGiven)?;
        self.prepare(request, &payload, &timestamp, &word)?;
        let mut signed_headers: Vec<String> = request
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .filter(|name| !UNSIGNED_HEADERS.contains(&name.as_str()))
            .collect();
        signed_headers.sort_unstable();
        let canonical = canonical_request(request, &self.service, &signed_headers, &word)?;
        let key = SigningKey::derive(&self.secret, &scope);
        let seed = key.sign(string_to_sign(&timestamp, &scope, &canonical).as_bytes());
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={}",
            self.access_key_id,
            signed_headers.join(";"),
            hex::encode(seed)
        );
        request.headers.insert(header::AUTHORIZATION, HeaderValue::try_from(authorization)?);
        let is_signed = matches!(kind, PayloadKind::Streaming | PayloadKind::StreamingTrailer);
        let chain = is_signed.then(|| Chain::new(key, timestamp, &scope, seed));
        Ok(ChunkSigner { chain })
    }

    /// Signs a browser's form: the fields that its policy has to name, and the policy's signature once it is written.
    ///
    /// The fields are `x-amz-algorithm`, `x-amz-credential` and `x-amz-date`; the second of the pair signs the policy in
    /// its base64.
    pub fn form(&self, now: OffsetDateTime) -> ([(&'static str, String); 3], impl Fn(&str) -> String) {
        let scope = self.scope(now);
        let fields = [
            ("x-amz-algorithm", ALGORITHM.to_owned()),
            ("x-amz-credential", format!("{}/{scope}", self.access_key_id)),
            ("x-amz-date", format_timestamp(now)),
        ];
        let key = SigningKey::derive(&self.secret, &scope);
        (fields, move |policy: &str| hex::encode(key.sign(policy.as_bytes())))
    }

    /// Makes a presigned address. It covers the host alone, and leaves an S3 body open.
    ///
    /// # Errors
    ///
    /// If `url` is not an absolute address, or `expires` is not between a second and seven days.
    pub fn presign(
        &self,
        method: &Method,
        url: &str,
        expires: Duration,
        now: OffsetDateTime,
    ) -> Result<String, SignError> {
        if expires < Duration::SECOND || expires > PRESIGNED_LIFE_MAX {
            return Err(SignError::Life);
        }
        let uri: Uri = url.parse().map_err(http::Error::from)?;
        let host = host_of(&uri).ok_or(SignError::HostMissing)?;
        let scope = self.scope(now);
        let timestamp = format_timestamp(now);
        let credential = format!("{}/{scope}", self.access_key_id);
        let seconds = expires.whole_seconds().to_string();
        let mut query = uri.query().map(|query| format!("{query}&")).unwrap_or_default();
        for (name, value) in [
            (parameter::ALGORITHM, ALGORITHM),
            (parameter::CREDENTIAL, &credential),
            (parameter::DATE, &timestamp),
            (parameter::EXPIRES, &seconds),
            (parameter::SIGNED_HEADERS, "host"),
        ] {
            query.push_str(&format!("{name}={}&", encoded(value.as_bytes())));
        }
        let target = format!("{}?{}", uri.path(), query.trim_end_matches('&'));
        let (parts, ()) = http::Request::builder()
            .method(method)
            .uri(target.as_str())
            .header(header::HOST, host.as_str())
            .body(())?
            .into_parts();
        let word = if self.service == S3 { PayloadKind::Unsigned } else { signed_empty() };
        let word = word.canonical().ok_or(SignatureError::BodyHashNotGiven)?;
        let canonical = canonical_request(&parts, &self.service, &["host".to_owned()], &word)?;
        let key = SigningKey::derive(&self.secret, &scope);
        let text = string_to_sign(&timestamp, &scope, &canonical);
        let signature = hex::encode(key.sign(text.as_bytes()));
        let scheme = uri.scheme_str().unwrap_or("https");
        Ok(format!("{scheme}://{host}{target}&{}={signature}", parameter::SIGNATURE))
    }

    fn scope(&self, now: OffsetDateTime) -> Scope {
        Scope { date: format_date(now), region: self.region.clone(), service: self.service.clone() }
    }

    fn prepare(
        &self,
        request: &mut Parts,
        payload: &SignPayload<'_>,
        timestamp: &str,
        word: &str,
    ) -> Result<(), SignError> {
        let headers = &mut request.headers;
        headers.remove(header::AUTHORIZATION);
        if !headers.contains_key(header::HOST) {
            let authority = request.uri.authority().ok_or(SignError::HostMissing)?;
            headers.insert(header::HOST, HeaderValue::try_from(authority.as_str())?);
        }
        headers.insert(DATE, HeaderValue::try_from(timestamp)?);
        // Services other than S3 hash the body unasked.
        if self.service == S3 || !matches!(payload.kind(), PayloadKind::Signed(_)) {
            headers.insert(CONTENT_SHA256, HeaderValue::try_from(word)?);
        } else {
            // One that was there would be believed, and it says something else than what is signed.
            headers.remove(CONTENT_SHA256);
        }
        if let Some(length) = payload.decoded_length() {
            headers.insert(DECODED_LENGTH, HeaderValue::from(length));
            let coding = match headers.get(header::CONTENT_ENCODING) {
                Some(value) => [b"aws-chunked,", value.as_bytes()].concat(),
                None => b"aws-chunked".to_vec(),
            };
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_bytes(&coding)?);
        }
        if let Some(trailer) = payload.trailer() {
            headers.insert(TRAILER, HeaderValue::try_from(trailer)?);
        }
        Ok(())
    }
}

fn signed_empty() -> PayloadKind {
    PayloadKind::Signed(sha256(b""))
}

/// The host of an address as clients send it: without the port that its scheme implies.
fn host_of(uri: &Uri) -> Option<String> {
    let authority = uri.authority()?;
    let implied = match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    Some(match authority.port_u16() {
        Some(port) if Some(port) != implied => format!("{}:{port}", authority.host()),
        _ => authority.host().to_owned(),
    })
}

/// Encodes a body as aws-chunked, and signs its chunks if the request said so.
pub struct ChunkSigner {
    chain: Option<Chain>,
}

impl fmt::Debug for ChunkSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ChunkSigner").field("is_signed", &self.chain.is_some()).finish()
    }
}

impl ChunkSigner {
    /// The line in front of a chunk with this data; behind the data stands `\r\n`. Not for an empty
    /// chunk, which ends the body: see [`ChunkSigner::finish`].
    pub fn header(&mut self, data: &[u8]) -> String {
        match &mut self.chain {
            Some(chain) => {
                format!("{:x};chunk-signature={}\r\n", data.len(), chain.sign_chunk(data))
            }
            None => format!("{:x}\r\n", data.len()),
        }
    }

    /// Appends a whole chunk to `out`. Without data, nothing.
    pub fn chunk(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if !data.is_empty() {
            out.extend_from_slice(self.header(data).as_bytes());
            out.extend_from_slice(data);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends the end of the body to `out`, with the trailer that was announced.
    pub fn finish(mut self, trailer: Option<(&str, &str)>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.header(b"").as_bytes());
        if let Some((name, value)) = trailer {
            out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            if let Some(chain) = &mut self.chain {
                let signature = chain.sign_trailers(&canonical_trailers([(name, value)].into_iter()));
                out.extend_from_slice(format!("{TRAILER_SIGNATURE}:{signature}\r\n").as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

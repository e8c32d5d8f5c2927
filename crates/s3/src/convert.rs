//! Small conversions between the wire's types and ours.

use crate::error::{malformed, not_offered};
use base64::Engine;
use fastness_gate::{Expected, ExpectedChecksum, Gate, Payload, Session};
use fastness_identity::signature::TrailerHandle;
use fastness_label::Label;
use fastness_operation::{
    Attributes, BucketName, Checksum, ChecksumAlgorithm, ChecksumKind, Code, Conditions, EtagCondition, NameError,
    ObjectKey, TagError, Tags,
};
use fastness_store::Fault;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{self, ETag, ETagCondition, StreamingBlob, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Response};
use time::OffsetDateTime;

pub(crate) fn bucket(name: &str) -> Result<BucketName, S3Error> {
    BucketName::new(name).map_err(name_error)
}

pub(crate) fn key(text: &str) -> Result<ObjectKey, S3Error> {
    ObjectKey::new(text).map_err(name_error)
}

pub(crate) fn name_error(error: NameError) -> S3Error {
    let code = match &error {
        NameError::Bucket(_) => S3ErrorCode::InvalidBucketName,
        NameError::Key(_) => S3ErrorCode::KeyTooLongError,
        _ => S3ErrorCode::InvalidArgument,
    };
    malformed(code, error.to_string())
}

pub(crate) fn timestamp(ms: i64) -> Timestamp {
    let nanos = i128::from(ms) * 1_000_000;
    Timestamp::from(OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH))
}

pub(crate) fn http_date(time: Timestamp) -> Option<String> {
    let mut text = Vec::new();
    time.format(dto::TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
}

fn seconds(time: Timestamp) -> i64 {
    OffsetDateTime::from(time).unix_timestamp()
}

pub(crate) fn etag(text: &str) -> ETag {
    ETag::Strong(text.to_owned())
}

pub(crate) fn condition(condition: ETagCondition) -> EtagCondition {
    match condition {
        ETagCondition::Any => EtagCondition::Any,
        ETagCondition::ETag(etag) => EtagCondition::Etag(etag.into_value()),
    }
}

pub(crate) fn conditions(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
) -> Conditions {
    Conditions {
        if_match: if_match.map(condition),
        if_none_match: if_none_match.map(condition),
        if_modified_since_s: if_modified_since.map(seconds),
        if_unmodified_since_s: if_unmodified_since.map(seconds),
        ..Conditions::default()
    }
}

/// The conditions of a deletion.
pub(crate) fn deletion_conditions(
    if_match: Option<EtagCondition>,
    modified: Option<Timestamp>,
    size: Option<i64>,
) -> Result<Conditions, S3Error> {
    let below_zero = |_| malformed(S3ErrorCode::InvalidArgument, "a size is not below zero");
    Ok(Conditions {
        if_match,
        if_match_modified_s: modified.map(seconds),
        if_match_size: size.map(u64::try_from).transpose().map_err(below_zero)?,
        ..Conditions::default()
    })
}

pub(crate) fn tag_error(error: &TagError) -> S3Error {
    let code = S3ErrorCode::from_bytes(error.code.as_str().as_bytes()).unwrap_or(S3ErrorCode::InvalidTag);
    let mut refused = malformed(code, error.message);
    refused.set_status_code(http::StatusCode::BAD_REQUEST);
    refused
}

/// The tags of an XML body.
pub(crate) fn tag_set(tags: Vec<dto::Tag>) -> Result<Tags, S3Error> {
    let pair = |tag: dto::Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    Tags::new(tags.into_iter().map(pair)).map_err(|error| tag_error(&error))
}

/// `x-amz-tagging`: tags in the form of a query.
pub(crate) fn tagging(header: Option<&str>) -> Result<Tags, S3Error> {
    let Some(text) = header else { return Ok(Tags::default()) };
    let valid = percent_encoding::percent_decode_str(text).decode_utf8().is_ok();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let mut keys: Vec<&String> = pairs.iter().map(|(key, _)| key).collect();
    keys.sort();
    if !valid || keys.windows(2).any(|pair| pair.first() == pair.last()) {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        return Err(malformed(S3ErrorCode::InvalidArgument, message));
    }
    Tags::new(pairs).map_err(|error| tag_error(&error))
}

/// Whose bucket the caller expects: another account than the caller's owns nothing that the caller may use.
pub(crate) fn expected_owner(session: &Session, expected: Option<&String>) -> Result<(), S3Error> {
    let own = session.subject().account().map(|account| account.to_string());
    match expected {
        Some(expected) if own.as_deref() != Some(expected.as_str()) => {
            Err(malformed(S3ErrorCode::AccessDenied, "the bucket is not owned by the expected account"))
        }
        _ => Ok(()),
    }
}

/// Refuses what a request asks for beyond what is offered: `(what, asked)`.
pub(crate) fn refuse_if(asked: &[(&str, bool)]) -> Result<(), S3Error> {
    match asked.iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(not_offered(what)),
        None => Ok(()),
    }
}

/// ACLs as with "bucket owner enforced": only those that say nothing new are taken.
pub(crate) fn acl(acl: Option<&str>) -> Result<(), S3Error> {
    match acl {
        None | Some("private" | "bucket-owner-full-control") => Ok(()),
        Some(_) => Err(no_acls()),
    }
}

pub(crate) fn no_acls() -> S3Error {
    let code = S3ErrorCode::from_bytes(b"AccessControlListNotSupported").unwrap_or(S3ErrorCode::InvalidRequest);
    let mut error = malformed(code, "The bucket does not allow ACLs");
    error.set_status_code(http::StatusCode::BAD_REQUEST);
    error
}

pub(crate) fn storage_class(class: Option<&str>) -> Result<(), S3Error> {
    match class {
        None | Some("STANDARD") => Ok(()),
        Some(_) => Err(malformed(S3ErrorCode::InvalidStorageClass, "The storage class you specified is not valid")),
    }
}

pub(crate) fn encryption(encryption: Option<&str>) -> Result<(), S3Error> {
    match encryption {
        None | Some("AES256") => Ok(()),
        Some(_) => Err(not_offered("encryption under a key service")),
    }
}

/// Objects are encrypted always, and say so.
pub(crate) fn aes256() -> Option<dto::ServerSideEncryption> {
    Some(dto::ServerSideEncryption::from_static(dto::ServerSideEncryption::AES256))
}

/// Refuses what PutObject, CopyObject and CreateMultipartUpload may ask for alike and is not offered.
macro_rules! refuse_unoffered {
    ($input:ident) => {
        $crate::convert::acl($input.acl.as_ref().map(s3s::dto::ObjectCannedACL::as_str))?;
        $crate::convert::storage_class($input.storage_class.as_ref().map(s3s::dto::StorageClass::as_str))?;
        $crate::convert::encryption(
            $input.server_side_encryption.as_ref().map(s3s::dto::ServerSideEncryption::as_str),
        )?;
        let grants = [&$input.grant_full_control, &$input.grant_read, &$input.grant_read_acp, &$input.grant_write_acp];
        if grants.iter().any(|grant| grant.is_some()) {
            return Err($crate::convert::no_acls());
        }
        $crate::convert::refuse_if(&[("website redirection", $input.website_redirect_location.is_some())])?;
    };
}
pub(crate) use refuse_unoffered;

/// The checksums that a request or a part of it states.
macro_rules! stated_checksum {
    ($input:ident) => {
        $crate::convert::Checksums {
            crc32: $input.checksum_crc32,
            crc32c: $input.checksum_crc32c,
            crc64nvme: $input.checksum_crc64nvme,
            sha1: $input.checksum_sha1,
            sha256: $input.checksum_sha256,
        }
    };
}
pub(crate) use stated_checksum;

/// Attributes from the headers of a write.
pub(crate) fn attributes(
    headers: &HeaderMap,
    content_type: Option<String>,
    metadata: Option<dto::Metadata>,
) -> Result<Attributes, S3Error> {
    let header = |name: &str| -> Result<Option<String>, S3Error> {
        let Some(value) = headers.get(name) else { return Ok(None) };
        let text = value.to_str().map_err(|_| {
            malformed(S3ErrorCode::InvalidArgument, format!("the header `{name}` has characters that are not ASCII"))
        })?;
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    };
    Ok(Attributes {
        content_type,
        content_encoding: header("content-encoding")?,
        content_disposition: header("content-disposition")?,
        content_language: header("content-language")?,
        cache_control: header("cache-control")?,
        expires: header("expires")?,
        metadata: metadata.into_iter().flatten().map(|(name, value)| (name.to_lowercase(), value)).collect(),
    })
}

/// The checksum that a request states in its headers, one at most.
pub(crate) struct Checksums {
    pub(crate) crc32: Option<String>,
    pub(crate) crc32c: Option<String>,
    pub(crate) crc64nvme: Option<String>,
    pub(crate) sha1: Option<String>,
    pub(crate) sha256: Option<String>,
}

impl Checksums {
    pub(crate) fn one(self) -> Result<Option<Checksum>, S3Error> {
        let stated = [
            (ChecksumAlgorithm::Crc32, self.crc32),
            (ChecksumAlgorithm::Crc32c, self.crc32c),
            (ChecksumAlgorithm::Crc64Nvme, self.crc64nvme),
            (ChecksumAlgorithm::Sha1, self.sha1),
            (ChecksumAlgorithm::Sha256, self.sha256),
        ];
        let mut found = stated.into_iter().filter_map(|(algorithm, value)| Some(Checksum { algorithm, value: value? }));
        let first = found.next();
        if found.next().is_some() {
            let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            return Err(malformed(S3ErrorCode::InvalidRequest, message));
        }
        Ok(first)
    }

    /// For answers: the fields that one checksum fills.
    pub(crate) fn of(checksum: Option<Checksum>) -> Self {
        let mut fields = Self { crc32: None, crc32c: None, crc64nvme: None, sha1: None, sha256: None };
        if let Some(Checksum { algorithm, value }) = checksum {
            let field = match algorithm {
                ChecksumAlgorithm::Crc32 => &mut fields.crc32,
                ChecksumAlgorithm::Crc32c => &mut fields.crc32c,
                ChecksumAlgorithm::Crc64Nvme => &mut fields.crc64nvme,
                ChecksumAlgorithm::Sha1 => &mut fields.sha1,
                ChecksumAlgorithm::Sha256 => &mut fields.sha256,
            };
            *field = Some(value);
        }
        fields
    }
}

/// The type of a checksum that goes with it in answers.
pub(crate) fn checksum_type(checksum: Option<&Checksum>) -> Option<dto::ChecksumType> {
    checksum.map(|checksum| kind_name(checksum.kind()))
}

pub(crate) fn kind_name(kind: ChecksumKind) -> dto::ChecksumType {
    dto::ChecksumType::from_static(kind.name())
}

pub(crate) fn algorithm_name(algorithm: ChecksumAlgorithm) -> dto::ChecksumAlgorithm {
    dto::ChecksumAlgorithm::from_static(algorithm.name())
}

pub(crate) fn algorithm(name: &str) -> Result<ChecksumAlgorithm, S3Error> {
    ChecksumAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
        malformed(S3ErrorCode::InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    })
}

fn content_md5(text: &str) -> Result<[u8; 16], S3Error> {
    decode_md5(text).ok_or_else(|| malformed(S3ErrorCode::InvalidDigest, INVALID_MD5))
}

pub(crate) const INVALID_MD5: &str = "The Content-MD5 you specified was invalid.";

pub(crate) fn decode_md5(text: &str) -> Option<[u8; 16]> {
    base64::engine::general_purpose::STANDARD.decode(text).ok()?.try_into().ok()
}

/// A body with everything that its sender claims of it.
pub(crate) fn payload(
    headers: &HeaderMap,
    extensions: &http::Extensions,
    body: Option<StreamingBlob>,
    md5: Option<&str>,
    checksum: Option<Checksum>,
    asked: Option<&str>,
) -> Result<Payload, S3Error> {
    let md5 = md5.map(content_md5).transpose()?;
    for algorithm in ChecksumAlgorithm::ALL {
        if headers.get(algorithm.header()).is_some_and(|value| value.is_empty()) {
            let message = format!("Value for {} header is invalid.", algorithm.header());
            return Err(malformed(S3ErrorCode::InvalidRequest, message));
        }
    }
    let trailer = trailer_algorithm(headers);
    let checksum = match (checksum, trailer, asked) {
        (Some(checksum), _, _) => {
            check_form(&checksum)?;
            Some(ExpectedChecksum::Header(checksum))
        }
        (None, Some(algorithm), _) => {
            let trailers = extensions.get::<TrailerHandle>().cloned();
            let value = move || trailers.and_then(|trailers| trailers.get(algorithm.header()));
            Some(ExpectedChecksum::Trailer(algorithm, Box::new(value)))
        }
        (None, None, Some(name)) => Some(ExpectedChecksum::Asked(algorithm(name)?)),
        (None, None, None) => None,
    };
    let stream = body.map(|body| body.map(|item| item.map_err(|error| body_fault(&*error))).boxed());
    let stream = stream.unwrap_or_else(|| futures_util::stream::empty().boxed());
    Ok(Payload::new(stream, Expected { md5, checksum }))
}

/// The algorithm whose trailer the request announced. `strip` leaves the announcement to us under this name.
fn trailer_algorithm(headers: &HeaderMap) -> Option<ChecksumAlgorithm> {
    let announced = headers.get(ANNOUNCED)?.to_str().ok()?;
    ChecksumAlgorithm::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(announced.trim()))
}

/// Carries the announcement of a trailer past `strip`, which removes the header that the client sent.
pub(crate) const ANNOUNCED: HeaderName = HeaderName::from_static("x-fastness-trailer");

fn check_form(checksum: &Checksum) -> Result<(), S3Error> {
    let length = match checksum.algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64Nvme => 8,
        ChecksumAlgorithm::Sha1 => 20,
        ChecksumAlgorithm::Sha256 => 32,
    };
    let decoded = base64::engine::general_purpose::STANDARD.decode(&checksum.value);
    if decoded.is_ok_and(|bytes| bytes.len() == length) {
        return Ok(());
    }
    let message = format!("Value for {} header is invalid.", checksum.algorithm.header());
    Err(malformed(S3ErrorCode::InvalidRequest, message))
}

fn body_fault(error: &(dyn std::error::Error + 'static)) -> Fault {
    let wrong = error.downcast_ref::<crate::body::Wrong>();
    let code = match wrong.map(|wrong| wrong.code) {
        Some("XAmzContentSHA256Mismatch") => Code::ContentSha256Mismatch,
        Some("SignatureDoesNotMatch") => Code::SignatureDoesNotMatch,
        Some("IncompleteBody") | None => Code::IncompleteBody,
        Some(_) => Code::InvalidRequest,
    };
    Fault::refused(code, wrong.map_or_else(|| error.to_string(), |wrong| wrong.message.clone()))
}

/// An answer with the object's label in its header.
pub(crate) fn labelled<T>(gate: &Gate, label: Label, output: T) -> S3Response<T> {
    let mut response = S3Response::new(output);
    if let Ok(value) = HeaderValue::from_str(&gate.banner(label)) {
        response.headers.insert("x-fastness-label", value);
    }
    response
}

/// What `encoding-type=url` leaves as it is.
const LISTING: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

/// How a listing writes keys: as they are, or percent-encoded.
#[derive(Clone, Copy)]
pub(crate) struct Encoding {
    url: bool,
}

impl Encoding {
    pub(crate) fn asked(encoding: Option<&dto::EncodingType>) -> Result<Self, S3Error> {
        match encoding.map(dto::EncodingType::as_str) {
            None => Ok(Self { url: false }),
            Some("url") => Ok(Self { url: true }),
            Some(_) => Err(malformed(S3ErrorCode::InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    pub(crate) fn text(self, text: &str) -> String {
        if self.url { utf8_percent_encode(text, LISTING).to_string() } else { text.to_owned() }
    }
}

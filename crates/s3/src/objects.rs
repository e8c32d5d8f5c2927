//! The object operations.

use crate::convert::{
    Checksums, algorithm, attributes, bucket, checksum_type, condition, conditions, deletion_conditions, etag,
    expected_owner, http_date, key, labelled, name_error, payload, refuse_if, refuse_unoffered, stated_checksum,
    tagging, timestamp,
};
use crate::customer::{customer, source_customer};
use crate::error::{malformed, mismatch, refused, session};
use crate::locks::{hold_name, lock_headers, mode_name};
use fastness_gate::{Answer, Gate, ObjectAnswer, Payload};
use fastness_operation::{
    ByteRange, Conditions, CopySource, CustomerKey, Deletion, EtagCondition, Extras, NameError, ObjectKey,
    ObjectTarget, Operation, PartNumber, VersionId,
};
use fastness_store::{Deleted, Fault};
use http::{HeaderMap, HeaderValue};
use s3s::dto::{self, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

/// The most keys of one DeleteObjects (S3).
const DELETED_MAX: usize = 1000;

pub(crate) fn target(bucket_name: &str, key_name: &str, version: Option<String>) -> Result<ObjectTarget, S3Error> {
    Ok(ObjectTarget { bucket: bucket(bucket_name)?, key: key(key_name)?, version: version_id(version)? })
}

fn version_id(version: Option<String>) -> Result<Option<VersionId>, S3Error> {
    match version {
        None => Ok(None),
        Some(text) if text.is_empty() || text.len() > 1024 => {
            Err(malformed(S3ErrorCode::InvalidArgument, "Version id cannot be the empty string, nor above 1,024 bytes"))
        }
        Some(text) => Ok(Some(VersionId::new(text))),
    }
}

pub(crate) async fn put(
    gate: &Gate,
    request: S3Request<dto::PutObjectInput>,
) -> S3Result<S3Response<dto::PutObjectOutput>> {
    let session = session(&request)?;
    let S3Request { input, headers, extensions, .. } = request;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    refuse_unoffered!(input);
    refuse_if(&[("appending", input.write_offset_bytes.is_some())])?;
    let customer = customer!(input)?.alone(input.server_side_encryption.as_ref())?;
    let checksum = stated_checksum!(input).one()?;
    let asked = input.checksum_algorithm.as_ref().map(dto::ChecksumAlgorithm::as_str);
    let payload = payload(&headers, &extensions, input.body, input.content_md5.as_deref(), checksum, asked)?;
    let operation = Operation::PutObject {
        bucket: bucket(&input.bucket)?,
        key: key(&input.key)?,
        attributes: attributes(&headers, input.content_type, input.metadata)?,
        extras: Extras { tags: tagging(input.tagging.as_deref())?, lock: lock_headers!(input)? },
        customer: customer.key.clone(),
        conditions: conditions(input.if_match, input.if_none_match, None, None),
    };
    let answer = gate.handle(&session, operation, payload).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Written(written, label) = answer else { return Err(mismatch(gate)) };
    let checksum_type = checksum_type(written.checksum.as_ref());
    let sums = Checksums::of(written.checksum);
    let output = dto::PutObjectOutput {
        e_tag: Some(etag(&written.etag)),
        version_id: written.version,
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        checksum_type,
        server_side_encryption: customer.encryption(),
        sse_customer_algorithm: customer.echo().0,
        sse_customer_key_md5: customer.echo().1,
        ..Default::default()
    };
    Ok(labelled(gate, label, output))
}

fn range(range: Option<dto::Range>) -> Option<ByteRange> {
    range.map(|range| match range {
        dto::Range::Int { first, last } => ByteRange::From { first, last },
        dto::Range::Suffix { length } => ByteRange::Suffix(length),
    })
}

/// The content type of an object that was stored without one (S3).
const OCTETS: &str = "binary/octet-stream";

fn set_expires(headers: &mut HeaderMap, expires: Option<String>) {
    if let Some(value) = expires.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(http::header::EXPIRES, value);
    }
}

/// GetObject and HeadObject: the same request, the same headers; `$field`s are what one of them answers besides.
macro_rules! read_object {
    ($gate:ident, $request:ident, $operation:ident, $output:ident, |$body:ident| { $($field:ident: $value:expr)? }) => {{
        let session = session(&$request)?;
        let input = $request.input;
        expected_owner(&session, input.expected_bucket_owner.as_ref())?;
        let customer = customer!(input)?;
        let part = input.part_number.map(|number| PartNumber::new(i64::from(number))).transpose().map_err(name_error)?;
        if part.is_some() && input.range.is_some() {
            let message = "Cannot specify both Range header and partNumber query parameter";
            return Err(malformed(S3ErrorCode::InvalidRequest, message));
        }
        let since = (input.if_modified_since, input.if_unmodified_since);
        let operation = Operation::$operation {
            target: target(&input.bucket, &input.key, input.version_id)?,
            range: range(input.range),
            part,
            customer: customer.key.clone(),
            conditions: conditions(input.if_match, input.if_none_match, since.0, since.1),
        };
        let answer =
            $gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused($gate, &session, refusal))?;
        let Answer::Object(object) = answer else { return Err(mismatch($gate)) };
        let ObjectAnswer { info, range, body: $body } = *object;
        let (offset, length) = range.unwrap_or((0, info.size));
        // A part is described by its own checksum, a range by none.
        let of_part = |wanted: PartNumber| info.parts.iter().find(|part| part.number == wanted.get());
        let kind = checksum_type(info.checksum.as_ref());
        let parts_count = part.and(i32::try_from(info.parts.len()).ok()).filter(|count| *count > 0);
        let checksum = match part.and_then(of_part) {
            Some(part) => part.checksum.clone(),
            None if range.is_none() || part.is_some() => info.checksum,
            None => None,
        };
        let checksum = checksum.filter(|_| input.checksum_mode.is_some());
        let checksum_type = kind.filter(|_| checksum.is_some());
        let sums = Checksums::of(checksum);
        let held = info.attributes;
        let output = dto::$output {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(length).ok(),
            parts_count,
            content_range: range.filter(|_| length > 0).map(|_| format!("bytes {offset}-{}/{}", offset + length - 1, info.size)),
            e_tag: Some(etag(&info.etag)),
            last_modified: Some(timestamp(info.modified_ms)),
            metadata: Some(held.metadata.into_iter().collect()),
            cache_control: input.response_cache_control.or(held.cache_control),
            content_disposition: input.response_content_disposition.or(held.content_disposition),
            content_encoding: input.response_content_encoding.or(held.content_encoding),
            content_language: input.response_content_language.or(held.content_language),
            content_type: input.response_content_type.or(held.content_type).or_else(|| Some(OCTETS.to_owned())),
            version_id: info.version,
            object_lock_mode: info.extras.lock.retention.map(|retention| mode_name(retention.mode)),
            object_lock_retain_until_date: info.extras.lock.retention.map(|retention| timestamp(retention.until_ms)),
            object_lock_legal_hold_status: info.extras.lock.legal_hold.map(hold_name),
            server_side_encryption: customer.encryption(),
            sse_customer_algorithm: customer.echo().0,
            sse_customer_key_md5: customer.echo().1,
            checksum_crc32: sums.crc32,
            checksum_crc32c: sums.crc32c,
            checksum_crc64nvme: sums.crc64nvme,
            checksum_sha1: sums.sha1,
            checksum_sha256: sums.sha256,
            checksum_type,
            $($field: $value,)?
            ..Default::default()
        };
        let mut response = labelled($gate, info.label, output);
        let expires = input.response_expires.map_or(held.expires, http_date);
        set_expires(&mut response.headers, expires);
        // Of the two answers the library knows the number of tags in one alone.
        if !info.extras.tags.is_empty() {
            response.headers.insert("x-amz-tagging-count", HeaderValue::from(info.extras.tags.len()));
        }
        Ok(response)
    }};
}

pub(crate) async fn get(
    gate: &Gate,
    request: S3Request<dto::GetObjectInput>,
) -> S3Result<S3Response<dto::GetObjectOutput>> {
    read_object!(gate, request, GetObject, GetObjectOutput, |body| { body: Some(StreamingBlob::wrap(Shared::new(body))) })
}

pub(crate) async fn head(
    gate: &Gate,
    request: S3Request<dto::HeadObjectInput>,
) -> S3Result<S3Response<dto::HeadObjectOutput>> {
    read_object!(gate, request, HeadObject, HeadObjectOutput, |_body| {})
}

pub(crate) fn copy_source(
    source: &dto::CopySource,
    conditions: Conditions,
    customer: Option<CustomerKey>,
) -> Result<CopySource, S3Error> {
    let dto::CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(crate::error::not_offered("copying from an access point"));
    };
    let target = target(bucket, key, version_id.as_ref().map(ToString::to_string))?;
    Ok(CopySource { target, conditions, customer })
}

/// `If-Match` and `If-None-Match` on the target of a copy, which the library does not read.
fn copy_conditions(headers: &HeaderMap) -> Result<Conditions, S3Error> {
    let read = |name: http::HeaderName| match headers
        .get(name)
        .map(|value| dto::ETagCondition::parse_http_header(value.as_bytes()))
    {
        None => Ok(None),
        Some(Ok(condition)) => Ok(Some(condition)),
        Some(Err(_)) => Err(malformed(S3ErrorCode::InvalidArgument, "the condition is not an ETag")),
    };
    Ok(conditions(read(http::header::IF_MATCH)?, read(http::header::IF_NONE_MATCH)?, None, None))
}

pub(crate) async fn copy(
    gate: &Gate,
    request: S3Request<dto::CopyObjectInput>,
) -> S3Result<S3Response<dto::CopyObjectOutput>> {
    let session = session(&request)?;
    let S3Request { input, headers, .. } = request;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    expected_owner(&session, input.expected_source_bucket_owner.as_ref())?;
    refuse_unoffered!(input);
    let customer = customer!(input)?.alone(input.server_side_encryption.as_ref())?;
    let of_source = source_customer!(input)?;
    let source = copy_source(
        &input.copy_source,
        conditions(
            input.copy_source_if_match,
            input.copy_source_if_none_match,
            input.copy_source_if_modified_since,
            input.copy_source_if_unmodified_since,
        ),
        of_source.key,
    )?;
    let replaced = match input.metadata_directive.as_ref().map(dto::MetadataDirective::as_str) {
        Some("REPLACE") => Some(attributes(&headers, input.content_type, input.metadata)?),
        None | Some("COPY") => None,
        Some(_) => return Err(malformed(S3ErrorCode::InvalidArgument, "Unknown metadata directive.")),
    };
    let tags = match input.tagging_directive.as_ref().map(dto::TaggingDirective::as_str) {
        Some("REPLACE") => Some(tagging(input.tagging.as_deref())?),
        None | Some("COPY") => None,
        Some(_) => return Err(malformed(S3ErrorCode::InvalidArgument, "Unknown tagging directive.")),
    };
    let named_version = source.target.version.clone();
    let operation = Operation::CopyObject {
        source: Box::new(source),
        bucket: bucket(&input.bucket)?,
        key: key(&input.key)?,
        attributes: replaced,
        tags,
        lock: lock_headers!(input)?,
        checksum: input.checksum_algorithm.as_ref().map(|name| algorithm(name.as_str())).transpose()?,
        customer: customer.key.clone(),
        conditions: copy_conditions(&headers)?,
    };
    let answer =
        gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Written(written, label) = answer else { return Err(mismatch(gate)) };
    let checksum_type = checksum_type(written.checksum.as_ref());
    let sums = Checksums::of(written.checksum);
    let result = dto::CopyObjectResult {
        e_tag: Some(etag(&written.etag)),
        last_modified: Some(timestamp(written.modified_ms)),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        checksum_type,
    };
    let output = dto::CopyObjectOutput {
        copy_object_result: Some(result),
        version_id: written.version,
        copy_source_version_id: named_version.map(|version| version.as_str().to_owned()),
        server_side_encryption: customer.encryption(),
        sse_customer_algorithm: customer.echo().0,
        sse_customer_key_md5: customer.echo().1,
        ..Default::default()
    };
    Ok(labelled(gate, label, output))
}

pub(crate) async fn delete(
    gate: &Gate,
    request: S3Request<dto::DeleteObjectInput>,
) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    refuse_if(&[("MFA delete", input.mfa.is_some())])?;
    let if_match = input.if_match.map(condition);
    let operation = Operation::DeleteObject {
        target: target(&input.bucket, &input.key, input.version_id)?,
        conditions: deletion_conditions(if_match, input.if_match_last_modified_time, input.if_match_size)?,
        bypass_governance: input.bypass_governance_retention == Some(true),
    };
    let answer =
        gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Deleted(deleted) = answer else { return Err(mismatch(gate)) };
    let output = dto::DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version,
        ..Default::default()
    };
    Ok(S3Response::with_status(output, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn delete_many(
    gate: &Gate,
    request: S3Request<dto::DeleteObjectsInput>,
) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    refuse_if(&[("MFA delete", input.mfa.is_some())])?;
    let count = input.delete.objects.len();
    if count == 0 || count > DELETED_MAX || input.delete.objects.iter().any(|object| object.key.is_empty()) {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        return Err(malformed(S3ErrorCode::MalformedXML, message));
    }
    let mut objects = Vec::with_capacity(input.delete.objects.len());
    for object in input.delete.objects {
        let key = ObjectKey::new(object.key).map_err(|error: NameError| crate::convert::name_error(error))?;
        let etag = object.e_tag.map(|etag| match etag.into_value() {
            any if any == "*" => EtagCondition::Any,
            etag => EtagCondition::Etag(etag),
        });
        let conditions = deletion_conditions(etag, object.last_modified_time, object.size)?;
        objects.push(Deletion { key, version: version_id(object.version_id)?, conditions });
    }
    let quiet = input.delete.quiet == Some(true);
    let asked = objects.clone();
    let operation = Operation::DeleteObjects {
        bucket: bucket(&input.bucket)?,
        objects,
        bypass_governance: input.bypass_governance_retention == Some(true),
    };
    let answer =
        gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::ManyDeleted(outcomes) = answer else { return Err(mismatch(gate)) };
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (Deletion { key, version, .. }, outcome) in asked.into_iter().zip(outcomes) {
        match outcome {
            Ok(_) if quiet => {}
            Ok(outcome) => deleted.push(one_deleted(&key, version, outcome)),
            Err(fault) => errors.push(one_refused(&key, version, fault)),
        }
    }
    let output = dto::DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..Default::default() };
    Ok(S3Response::new(output))
}

fn one_deleted(key: &ObjectKey, version: Option<VersionId>, outcome: Deleted) -> dto::DeletedObject {
    dto::DeletedObject {
        key: Some(key.to_string()),
        delete_marker: outcome.marker.then_some(true),
        delete_marker_version_id: if outcome.marker { outcome.version } else { None },
        version_id: version.map(|version| version.as_str().to_owned()),
    }
}

fn one_refused(key: &ObjectKey, version: Option<VersionId>, fault: Fault) -> dto::Error {
    let (code, message) = match fault {
        Fault::Refused { code, message, .. } => (code.as_str().to_owned(), message),
        Fault::Withheld(message) => ("AccessDenied".to_owned(), message),
        Fault::Failed(_) => ("InternalError".to_owned(), "We encountered an internal error.".to_owned()),
    };
    dto::Error {
        key: Some(key.to_string()),
        code: Some(code),
        message: Some(message),
        version_id: version.map(|version| version.as_str().to_owned()),
    }
}

/// A stream behind a lock that is never contended, because `s3s` asks for `Sync`.
struct Shared<S>(std::sync::Mutex<S>);

impl<S> Shared<S> {
    const fn new(stream: S) -> Self {
        Self(std::sync::Mutex::new(stream))
    }
}

impl<S: futures_util::Stream + Unpin> futures_util::Stream for Shared<S> {
    type Item = S::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        let stream = self.get_mut().0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::pin::Pin::new(stream).poll_next(context)
    }
}

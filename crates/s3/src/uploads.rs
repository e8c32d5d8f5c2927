//! The multipart operations.

use crate::convert::{
    Checksums, Encoding, aes256, algorithm, algorithm_name, attributes, bucket, checksum_type, conditions, etag,
    expected_owner, key, kind_name, labelled, name_error, payload, refuse_if, refuse_unoffered, stated_checksum,
    tagging, timestamp,
};
use crate::customer::{customer, source_customer};
use crate::error::{malformed, mismatch, refused, session};
use crate::listings::{echoed, limit, owner};
use crate::locks::lock_headers;
use crate::objects::copy_source;
use fastness_gate::{Answer, Gate, Payload};
use fastness_operation::{
    ByteRange, ChecksumKind, CompletedPart, ExpectedObject, Extras, Listing, Operation, PartNumber, UploadChecksum,
    UploadId,
};
use s3s::dto;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

fn checksum_kind(name: &dto::ChecksumType) -> Result<ChecksumKind, S3Error> {
    match name.as_str() {
        dto::ChecksumType::COMPOSITE => Ok(ChecksumKind::Composite),
        dto::ChecksumType::FULL_OBJECT => Ok(ChecksumKind::FullObject),
        _ => Err(malformed(S3ErrorCode::InvalidRequest, "Value for x-amz-checksum-type header is invalid.")),
    }
}

/// The checksum that an upload asks for.
fn upload_checksum(
    name: Option<&dto::ChecksumAlgorithm>,
    kind: Option<&dto::ChecksumType>,
) -> Result<Option<UploadChecksum>, S3Error> {
    let kind = kind.map(checksum_kind).transpose()?;
    let Some(name) = name else {
        let message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
        return if kind.is_some() { Err(malformed(S3ErrorCode::InvalidRequest, message)) } else { Ok(None) };
    };
    let usual = UploadChecksum::usual(algorithm(name.as_str())?);
    let checksum = UploadChecksum { kind: kind.unwrap_or(usual.kind), ..usual };
    if checksum.is_offered() {
        return Ok(Some(checksum));
    }
    let (kind, name) = (checksum.kind.name(), checksum.algorithm.name().to_lowercase());
    let message = format!("The {kind} checksum type cannot be used with the {name} checksum algorithm.");
    Err(malformed(S3ErrorCode::InvalidRequest, message))
}

pub(crate) async fn create(
    gate: &Gate,
    request: S3Request<dto::CreateMultipartUploadInput>,
) -> S3Result<S3Response<dto::CreateMultipartUploadOutput>> {
    let session = session(&request)?;
    let S3Request { input, headers, .. } = request;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    refuse_unoffered!(input);
    let customer = customer!(input)?.alone(input.server_side_encryption.as_ref())?;
    let checksum = upload_checksum(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
    let operation = Operation::CreateMultipartUpload {
        bucket: bucket(&input.bucket)?,
        key: key(&input.key)?,
        attributes: attributes(&headers, input.content_type, input.metadata)?,
        extras: Extras { tags: tagging(input.tagging.as_deref())?, lock: lock_headers!(input)? },
        checksum,
        customer: customer.key.clone(),
    };
    let answer =
        gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Upload(upload, label) = answer else { return Err(mismatch(gate)) };
    let output = dto::CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload.to_string()),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: checksum.map(|checksum| kind_name(checksum.kind)),
        server_side_encryption: customer.encryption(),
        sse_customer_algorithm: customer.echo().0,
        sse_customer_key_md5: customer.echo().1,
        ..Default::default()
    };
    Ok(labelled(gate, label, output))
}

pub(crate) async fn part(
    gate: &Gate,
    request: S3Request<dto::UploadPartInput>,
) -> S3Result<S3Response<dto::UploadPartOutput>> {
    let session = session(&request)?;
    let S3Request { input, headers, extensions, .. } = request;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let customer = customer!(input)?;
    let checksum = stated_checksum!(input).one()?;
    let asked = input.checksum_algorithm.as_ref().map(dto::ChecksumAlgorithm::as_str);
    let payload = payload(&headers, &extensions, input.body, input.content_md5.as_deref(), checksum, asked)?;
    let operation = Operation::UploadPart {
        bucket: bucket(&input.bucket)?,
        key: key(&input.key)?,
        upload: UploadId::new(input.upload_id),
        part: PartNumber::new(i64::from(input.part_number)).map_err(name_error)?,
        customer: customer.key.clone(),
    };
    let answer = gate.handle(&session, operation, payload).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Part(part, label) = answer else { return Err(mismatch(gate)) };
    let sums = Checksums::of(part.checksum);
    let output = dto::UploadPartOutput {
        e_tag: Some(etag(&part.etag)),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        server_side_encryption: customer.encryption(),
        sse_customer_algorithm: customer.echo().0,
        sse_customer_key_md5: customer.echo().1,
        ..Default::default()
    };
    Ok(labelled(gate, label, output))
}

pub(crate) async fn part_copy(
    gate: &Gate,
    request: S3Request<dto::UploadPartCopyInput>,
) -> S3Result<S3Response<dto::UploadPartCopyOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    expected_owner(&session, input.expected_source_bucket_owner.as_ref())?;
    let customer = customer!(input)?;
    let of_source = source_customer!(input)?;
    let range = match input.copy_source_range.as_deref().map(dto::Range::parse) {
        None => None,
        Some(Ok(dto::Range::Int { first, last: Some(last) })) => Some(ByteRange::From { first, last: Some(last) }),
        Some(_) => {
            let message = "The x-amz-copy-source-range value must be of the form bytes=first-last";
            return Err(malformed(S3ErrorCode::InvalidArgument, message));
        }
    };
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
    let named_version = source.target.version.clone();
    let operation = Operation::UploadPartCopy {
        source: Box::new(source),
        range,
        bucket: bucket(&input.bucket)?,
        key: key(&input.key)?,
        upload: UploadId::new(input.upload_id),
        part: PartNumber::new(i64::from(input.part_number)).map_err(name_error)?,
        customer: customer.key.clone(),
    };
    let answer =
        gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Part(part, label) = answer else { return Err(mismatch(gate)) };
    let sums = Checksums::of(part.checksum);
    let result = dto::CopyPartResult {
        e_tag: Some(etag(&part.etag)),
        last_modified: Some(timestamp(part.modified_ms)),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
    };
    let output = dto::UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: named_version.map(|version| version.as_str().to_owned()),
        server_side_encryption: customer.encryption(),
        sse_customer_algorithm: customer.echo().0,
        sse_customer_key_md5: customer.echo().1,
        ..Default::default()
    };
    Ok(labelled(gate, label, output))
}

pub(crate) async fn complete(
    gate: &Gate,
    request: S3Request<dto::CompleteMultipartUploadInput>,
) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let below_zero = |_| malformed(S3ErrorCode::InvalidArgument, "x-amz-mp-object-size is not below zero");
    let expected = ExpectedObject {
        checksum: stated_checksum!(input).one()?,
        kind: input.checksum_type.as_ref().map(checksum_kind).transpose()?,
        size: input.mpu_object_size.map(u64::try_from).transpose().map_err(below_zero)?,
        customer: customer!(input)?.key,
    };
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    if named.is_empty() || named.len() > 10_000 {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        return Err(malformed(S3ErrorCode::MalformedXML, message));
    }
    let mut parts = Vec::with_capacity(named.len());
    for part in named {
        let number = PartNumber::new(i64::from(part.part_number.unwrap_or(0))).map_err(name_error)?;
        let checksum = stated_checksum!(part).one()?;
        let etag = part.e_tag.map(dto::ETag::into_value).unwrap_or_default();
        parts.push(CompletedPart { number, etag, checksum });
    }
    let operation = Operation::CompleteMultipartUpload {
        bucket: bucket(&input.bucket)?,
        key: key(&input.key)?,
        upload: UploadId::new(input.upload_id),
        parts,
        expected,
        conditions: conditions(input.if_match, input.if_none_match, None, None),
    };
    let answer =
        gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Written(written, label) = answer else { return Err(mismatch(gate)) };
    let checksum_type = checksum_type(written.checksum.as_ref());
    let sums = Checksums::of(written.checksum);
    let output = dto::CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(etag(&written.etag)),
        version_id: written.version,
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        checksum_type,
        server_side_encryption: aes256(),
        ..Default::default()
    };
    Ok(labelled(gate, label, output))
}

pub(crate) async fn abort(
    gate: &Gate,
    request: S3Request<dto::AbortMultipartUploadInput>,
) -> S3Result<S3Response<dto::AbortMultipartUploadOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    refuse_if(&[("conditional aborting", input.if_match_initiated_time.is_some())])?;
    let operation = Operation::AbortMultipartUpload {
        bucket: bucket(&input.bucket)?,
        key: key(&input.key)?,
        upload: UploadId::new(input.upload_id),
    };
    match gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))? {
        Answer::Done => {
            Ok(S3Response::with_status(dto::AbortMultipartUploadOutput::default(), http::StatusCode::NO_CONTENT))
        }
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn list_parts(
    gate: &Gate,
    request: S3Request<dto::ListPartsInput>,
) -> S3Result<S3Response<dto::ListPartsOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let after = input.part_number_marker.unwrap_or(0);
    let operation = Operation::ListParts {
        bucket: bucket(&input.bucket)?,
        key: key(&input.key)?,
        upload: UploadId::new(input.upload_id.clone()),
        after: u16::try_from(after.clamp(0, 65_535)).unwrap_or(0),
        limit: limit(input.max_parts, "max-parts")?,
    };
    let answer =
        gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Parts(page) = answer else { return Err(mismatch(gate)) };
    let next = page.parts.last().filter(|_| page.truncated).map(|part| i32::from(part.number));
    let parts = page.parts.into_iter().map(|part| {
        let sums = Checksums::of(part.checksum);
        dto::Part {
            part_number: Some(i32::from(part.number)),
            e_tag: Some(etag(&part.etag)),
            size: i64::try_from(part.size).ok(),
            last_modified: Some(timestamp(part.modified_ms)),
            checksum_crc32: sums.crc32,
            checksum_crc32c: sums.crc32c,
            checksum_crc64nvme: sums.crc64nvme,
            checksum_sha1: sums.sha1,
            checksum_sha256: sums.sha256,
        }
    });
    let output = dto::ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        parts: Some(parts.collect()),
        is_truncated: Some(page.truncated),
        part_number_marker: Some(after),
        next_part_number_marker: next,
        max_parts: Some(i32::from(limit(input.max_parts, "max-parts")?)),
        checksum_algorithm: page.checksum.map(|checksum| algorithm_name(checksum.algorithm)),
        checksum_type: page.checksum.map(|checksum| kind_name(checksum.kind)),
        owner: owner(&session),
        storage_class: Some(dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

pub(crate) async fn list(
    gate: &Gate,
    request: S3Request<dto::ListMultipartUploadsInput>,
) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let key_marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
    let listing = Listing {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        // As S3: an upload marker without a key marker says nothing.
        after_id: input.upload_id_marker.clone().filter(|marker| !marker.is_empty() && key_marker.is_some()),
        after: key_marker,
        limit: limit(input.max_uploads, "max-uploads")?,
    };
    let max_uploads = i32::from(listing.limit);
    let operation = Operation::ListMultipartUploads { bucket: bucket(&input.bucket)?, listing };
    let answer =
        gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Uploads(page) = answer else { return Err(mismatch(gate)) };
    let uploads = page.uploads.into_iter().map(|upload| dto::MultipartUpload {
        key: Some(encoding.text(&upload.key)),
        upload_id: Some(upload.upload),
        initiated: Some(timestamp(upload.initiated_ms)),
        owner: owner(&session),
        storage_class: Some(dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
        checksum_algorithm: upload.checksum.map(|checksum| algorithm_name(checksum.algorithm)),
        checksum_type: upload.checksum.map(|checksum| kind_name(checksum.kind)),
        ..Default::default()
    });
    let prefixes = page.prefixes.iter().map(|prefix| dto::CommonPrefix { prefix: Some(encoding.text(prefix)) });
    let (next_key, next_upload) = page.next.map_or((None, None), |(key, upload)| (Some(encoding.text(&key)), upload));
    let output = dto::ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(encoding.text(&input.prefix.unwrap_or_default())),
        key_marker: Some(encoding.text(&input.key_marker.unwrap_or_default())),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        max_uploads: Some(max_uploads),
        is_truncated: Some(next_key.is_some()),
        next_key_marker: next_key,
        next_upload_id_marker: next_upload,
        uploads: Some(uploads.collect()),
        common_prefixes: Some(prefixes.collect()),
        delimiter: echoed(encoding, input.delimiter),
        encoding_type: input.encoding_type,
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

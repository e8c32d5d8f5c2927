//! GetObjectAttributes: what is known of an object, chosen piece by piece.

use crate::convert::{Checksums, checksum_type, etag, expected_owner, labelled};
use crate::customer::customer;
use crate::error::{malformed, mismatch, refused, session};
use crate::listings::limit;
use crate::objects::target;
use bytes::Bytes;
use fastness_gate::{Answer, Gate, Payload};
use fastness_operation::Operation;
use fastness_store::ObjectPart;
use http::request::Parts;
use http::{Method, Response};
use http_body_util::BodyExt;
use s3s::dto;
use s3s::{Body, S3ErrorCode, S3Request, S3Response, S3Result};

pub(crate) fn asks(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    parts.method == Method::GET && query.split('&').any(|pair| pair.split('=').next() == Some("attributes"))
}

/// S3 writes the ETag without its quotes here and nowhere else; the library writes them.
pub(crate) async fn plain_etag(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let Ok(collected) = body.collect().await else {
        return Response::from_parts(parts, Body::empty());
    };
    let text = String::from_utf8_lossy(&collected.to_bytes()).into_owned();
    let text = text.replace("<ETag>\"", "<ETag>").replace("\"</ETag>", "</ETag>");
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(Bytes::from(text)))
}

const KNOWN: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

pub(crate) async fn get(
    gate: &Gate,
    request: S3Request<dto::GetObjectAttributesInput>,
) -> S3Result<S3Response<dto::GetObjectAttributesOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let customer = customer!(input)?.key;
    let wanted: Vec<String> = input
        .object_attributes
        .iter()
        .flat_map(|names| names.as_str().split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    if wanted.is_empty() || wanted.iter().any(|name| !KNOWN.contains(&name.as_str())) {
        return Err(malformed(S3ErrorCode::InvalidArgument, "Invalid attribute name specified."));
    }
    let wants = |name: &str| wanted.iter().any(|wanted| wanted == name);
    let max_parts = limit(input.max_parts, "max-parts")?;
    let marker = input.part_number_marker.unwrap_or(0);
    let operation =
        Operation::GetObjectAttributes { target: target(&input.bucket, &input.key, input.version_id)?, customer };
    let answer =
        gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))?;
    let Answer::Attributes(info) = answer else { return Err(mismatch(gate)) };
    let checksum = info.checksum.clone().filter(|_| wants("Checksum")).map(|checksum| {
        let kind = checksum_type(Some(&checksum));
        let sums = Checksums::of(Some(checksum));
        dto::Checksum {
            checksum_crc32: sums.crc32,
            checksum_crc32c: sums.crc32c,
            checksum_crc64nvme: sums.crc64nvme,
            checksum_sha1: sums.sha1,
            checksum_sha256: sums.sha256,
            checksum_type: kind,
        }
    });
    let output = dto::GetObjectAttributesOutput {
        checksum,
        e_tag: wants("ETag").then(|| etag(&info.etag)),
        last_modified: Some(crate::convert::timestamp(info.modified_ms)),
        object_parts: (wants("ObjectParts") && !info.parts.is_empty()).then(|| page(&info.parts, marker, max_parts)),
        object_size: i64::try_from(info.size).ok().filter(|_| wants("ObjectSize")),
        storage_class: wants("StorageClass").then(|| dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
        version_id: info.version.clone(),
        ..Default::default()
    };
    Ok(labelled(gate, info.label, output))
}

fn page(parts: &[ObjectPart], marker: i32, max_parts: u16) -> dto::GetObjectAttributesParts {
    let mut left = parts.iter().filter(|part| i32::from(part.number) > marker);
    let shown: Vec<&ObjectPart> = left.by_ref().take(usize::from(max_parts)).collect();
    let last = shown.last().map_or(marker, |part| i32::from(part.number));
    let part = |part: &ObjectPart| {
        let sums = Checksums::of(part.checksum.clone());
        dto::ObjectPart {
            part_number: Some(i32::from(part.number)),
            size: i64::try_from(part.size).ok(),
            checksum_crc32: sums.crc32,
            checksum_crc32c: sums.crc32c,
            checksum_crc64nvme: sums.crc64nvme,
            checksum_sha1: sums.sha1,
            checksum_sha256: sums.sha256,
        }
    };
    dto::GetObjectAttributesParts {
        is_truncated: Some(left.next().is_some()),
        max_parts: Some(i32::from(max_parts)),
        next_part_number_marker: Some(last),
        part_number_marker: Some(marker),
        parts: Some(shown.into_iter().map(part).collect()),
        total_parts_count: i32::try_from(parts.len()).ok(),
    }
}

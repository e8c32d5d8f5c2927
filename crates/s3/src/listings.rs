//! The listings of objects and versions.

use crate::convert::{Encoding, algorithm_name, bucket, etag, expected_owner, kind_name, timestamp};
use crate::error::{malformed, mismatch, refused, session};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastness_gate::{Answer, Gate, Payload, Session};
use fastness_operation::{Listing, Operation};
use fastness_store::{ListPage, Listed};
use s3s::dto;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

/// The most keys of a page (S3).
const PAGE_MAX: i32 = 1000;

pub(crate) fn limit(asked: Option<i32>, name: &str) -> Result<u16, S3Error> {
    match asked {
        None => Ok(1000),
        Some(limit) if limit < 0 => Err(malformed(
            S3ErrorCode::InvalidArgument,
            format!("Argument {name} must be an integer between 0 and 2147483647"),
        )),
        Some(limit) => Ok(u16::try_from(limit.min(PAGE_MAX)).unwrap_or(1000)),
    }
}

/// The delimiter as an answer repeats it: an empty one is none.
pub(crate) fn echoed(encoding: Encoding, delimiter: Option<String>) -> Option<String> {
    delimiter.filter(|delimiter| !delimiter.is_empty()).map(|delimiter| encoding.text(&delimiter))
}

pub(crate) fn owner(session: &Session) -> Option<dto::Owner> {
    let id = session.subject().account().map(|account| account.to_string());
    Some(dto::Owner { display_name: None, id })
}

async fn page(gate: &Gate, session: &Session, operation: Operation) -> S3Result<ListPage> {
    match gate.handle(session, operation, Payload::none()).await.map_err(|refusal| refused(gate, session, refusal))? {
        Answer::Listing(page) => Ok(page),
        _ => Err(mismatch(gate)),
    }
}

fn prefixes(encoding: Encoding, prefixes: &[String]) -> Option<Vec<dto::CommonPrefix>> {
    Some(prefixes.iter().map(|prefix| dto::CommonPrefix { prefix: Some(encoding.text(prefix)) }).collect())
}

fn object(encoding: Encoding, listed: Listed, owner: Option<dto::Owner>) -> dto::Object {
    let (tag, size) = listed.content.unwrap_or_default();
    dto::Object {
        key: Some(encoding.text(&listed.key)),
        e_tag: Some(etag(&tag)),
        size: i64::try_from(size).ok(),
        last_modified: Some(timestamp(listed.modified_ms)),
        storage_class: Some(dto::ObjectStorageClass::from_static(dto::ObjectStorageClass::STANDARD)),
        checksum_algorithm: listed.checksum.map(|(algorithm, _)| vec![algorithm_name(algorithm)]),
        checksum_type: listed.checksum.map(|(_, kind)| kind_name(kind)),
        owner,
        ..Default::default()
    }
}

pub(crate) async fn objects(
    gate: &Gate,
    request: S3Request<dto::ListObjectsInput>,
) -> S3Result<S3Response<dto::ListObjectsOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let listing = Listing {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        after: input.marker.clone().filter(|marker| !marker.is_empty()),
        after_id: None,
        limit: limit(input.max_keys, "max-keys")?,
    };
    let max_keys = i32::from(listing.limit);
    let page = page(gate, &session, Operation::ListObjects { bucket: bucket(&input.bucket)?, listing }).await?;
    let next = page.next.map(|(key, _)| encoding.text(&key));
    // Without a last key to go on from, the client needs the marker.
    let empty = page.entries.is_empty();
    let with_delimiter = input.delimiter.as_deref().is_some_and(|delimiter| !delimiter.is_empty());
    let output = dto::ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.text(&input.prefix.unwrap_or_default())),
        marker: Some(encoding.text(&input.marker.unwrap_or_default())),
        max_keys: Some(max_keys),
        is_truncated: Some(next.is_some()),
        common_prefixes: prefixes(encoding, &page.prefixes),
        contents: Some(page.entries.into_iter().map(|listed| object(encoding, listed, owner(&session))).collect()),
        delimiter: echoed(encoding, input.delimiter),
        next_marker: next.filter(|_| with_delimiter || empty),
        encoding_type: input.encoding_type,
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

/// A continuation token: the key to go on after, so that it stays valid whatever happens meanwhile.
fn token(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

fn from_token(token: &str) -> Result<String, S3Error> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .filter(|key| key.len() <= 2048)
        .ok_or_else(|| malformed(S3ErrorCode::InvalidArgument, "The continuation token provided is incorrect"))
}

pub(crate) async fn objects_v2(
    gate: &Gate,
    request: S3Request<dto::ListObjectsV2Input>,
) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let after = match &input.continuation_token {
        Some(token) => Some(from_token(token)?),
        None => input.start_after.clone(),
    };
    let listing = Listing {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        after: after.filter(|after| !after.is_empty()),
        after_id: None,
        limit: limit(input.max_keys, "max-keys")?,
    };
    let max_keys = i32::from(listing.limit);
    let page = page(gate, &session, Operation::ListObjects { bucket: bucket(&input.bucket)?, listing }).await?;
    let owner = if input.fetch_owner == Some(true) { owner(&session) } else { None };
    let count = page.entries.len() + page.prefixes.len();
    let output = dto::ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.text(&input.prefix.unwrap_or_default())),
        max_keys: Some(max_keys),
        key_count: i32::try_from(count).ok(),
        is_truncated: Some(page.next.is_some()),
        continuation_token: input.continuation_token,
        next_continuation_token: page.next.map(|(key, _)| token(&key)),
        common_prefixes: prefixes(encoding, &page.prefixes),
        contents: Some(page.entries.into_iter().map(|listed| object(encoding, listed, owner.clone())).collect()),
        delimiter: echoed(encoding, input.delimiter),
        start_after: input.start_after.map(|after| encoding.text(&after)),
        encoding_type: input.encoding_type,
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

pub(crate) async fn versions(
    gate: &Gate,
    request: S3Request<dto::ListObjectVersionsInput>,
) -> S3Result<S3Response<dto::ListObjectVersionsOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let key_marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
    let id_marker = input.version_id_marker.clone().filter(|marker| !marker.is_empty());
    if id_marker.is_some() && key_marker.is_none() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(malformed(S3ErrorCode::InvalidArgument, message));
    }
    let listing = Listing {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        after: key_marker,
        after_id: id_marker,
        limit: limit(input.max_keys, "max-keys")?,
    };
    let max_keys = i32::from(listing.limit);
    let operation = Operation::ListObjectVersions { bucket: bucket(&input.bucket)?, listing };
    let page = page(gate, &session, operation).await?;
    let owner = owner(&session);
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for listed in page.entries {
        let (key, version_id) = (Some(encoding.text(&listed.key)), Some(listed.version));
        let (is_latest, last_modified) = (Some(listed.latest), Some(timestamp(listed.modified_ms)));
        match listed.content {
            Some((tag, size)) => versions.push(dto::ObjectVersion {
                key,
                version_id,
                is_latest,
                last_modified,
                e_tag: Some(etag(&tag)),
                size: i64::try_from(size).ok(),
                checksum_algorithm: listed.checksum.map(|(algorithm, _)| vec![algorithm_name(algorithm)]),
                checksum_type: listed.checksum.map(|(_, kind)| kind_name(kind)),
                owner: owner.clone(),
                storage_class: Some(dto::ObjectVersionStorageClass::from_static(
                    dto::ObjectVersionStorageClass::STANDARD,
                )),
                ..Default::default()
            }),
            None => {
                markers.push(dto::DeleteMarkerEntry { key, version_id, is_latest, last_modified, owner: owner.clone() })
            }
        }
    }
    let (next_key, next_id) = page.next.map_or((None, None), |(key, id)| (Some(encoding.text(&key)), id));
    let output = dto::ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.text(&input.prefix.unwrap_or_default())),
        key_marker: Some(encoding.text(&input.key_marker.unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        max_keys: Some(max_keys),
        is_truncated: Some(next_key.is_some()),
        next_key_marker: next_key,
        next_version_id_marker: next_id,
        common_prefixes: prefixes(encoding, &page.prefixes),
        versions: Some(versions),
        delete_markers: Some(markers),
        delimiter: echoed(encoding, input.delimiter),
        encoding_type: input.encoding_type,
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

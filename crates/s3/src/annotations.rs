//! What is said of objects that are there: tags.

use crate::convert::{expected_owner, labelled, tag_set};
use crate::error::{mismatch, refused, session};
use crate::objects::target;
use fastness_gate::{Answer, Gate, Payload, Session};
use fastness_operation::Operation;
use fastness_store::Annotated;
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

async fn asked(gate: &Gate, session: &Session, operation: Operation) -> S3Result<Annotated> {
    match gate.handle(session, operation, Payload::none()).await.map_err(|refusal| refused(gate, session, refusal))? {
        Answer::Annotated(found) => Ok(found),
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn tags(
    gate: &Gate,
    request: S3Request<dto::GetObjectTaggingInput>,
) -> S3Result<S3Response<dto::GetObjectTaggingOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let target = target(&input.bucket, &input.key, input.version_id)?;
    let found = asked(gate, &session, Operation::GetObjectTagging { target }).await?;
    let tag = |(key, value): (&str, &str)| dto::Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
    let tag_set = found.extras.tags.iter().map(tag).collect();
    Ok(labelled(gate, found.label, dto::GetObjectTaggingOutput { tag_set, version_id: found.version }))
}

pub(crate) async fn put_tags(
    gate: &Gate,
    request: S3Request<dto::PutObjectTaggingInput>,
) -> S3Result<S3Response<dto::PutObjectTaggingOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let target = target(&input.bucket, &input.key, input.version_id)?;
    let operation = Operation::PutObjectTagging { target, tags: tag_set(input.tagging.tag_set)? };
    let found = asked(gate, &session, operation).await?;
    Ok(labelled(gate, found.label, dto::PutObjectTaggingOutput { version_id: found.version }))
}

pub(crate) async fn delete_tags(
    gate: &Gate,
    request: S3Request<dto::DeleteObjectTaggingInput>,
) -> S3Result<S3Response<dto::DeleteObjectTaggingOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let target = target(&input.bucket, &input.key, input.version_id)?;
    let found = asked(gate, &session, Operation::DeleteObjectTagging { target }).await?;
    let output = dto::DeleteObjectTaggingOutput { version_id: found.version };
    let mut response = labelled(gate, found.label, output);
    response.status = Some(http::StatusCode::NO_CONTENT);
    Ok(response)
}

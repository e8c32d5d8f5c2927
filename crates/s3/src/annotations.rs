//! What is said of objects that are there: tags, and the only ACL that there is.

use crate::configurations::{owner_in_control, says_owner_in_control};
use crate::convert::{acl as canned, expected_owner, labelled, no_acls, refuse_if, tag_set};
use crate::error::{malformed, mismatch, refused, session};
use crate::objects::target;
use fastness_gate::{Answer, Gate, Payload, Session};
use fastness_operation::Operation;
use fastness_store::Annotated;
use s3s::dto;
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

pub(crate) async fn asked(gate: &Gate, session: &Session, operation: Operation) -> S3Result<Annotated> {
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

pub(crate) async fn acl(
    gate: &Gate,
    request: S3Request<dto::GetObjectAclInput>,
) -> S3Result<S3Response<dto::GetObjectAclOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let target = target(&input.bucket, &input.key, input.version_id)?;
    let found = asked(gate, &session, Operation::GetObjectAcl { target }).await?;
    // Ownership was decided: the bucket is of the caller's account, and so is what is in it.
    let account = session.subject().account().ok_or_else(|| mismatch(gate))?;
    let (owner, grants) = owner_in_control(account);
    let output = dto::GetObjectAclOutput { grants: Some(grants), owner: Some(owner), ..Default::default() };
    Ok(labelled(gate, found.label, output))
}

pub(crate) async fn put_acl(
    gate: &Gate,
    request: S3Request<dto::PutObjectAclInput>,
) -> S3Result<S3Response<dto::PutObjectAclOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let named = input.acl.as_ref().map(dto::ObjectCannedACL::as_str);
    canned(named)?;
    let grants = [&input.grant_full_control, &input.grant_read, &input.grant_write, &input.grant_write_acp];
    let granted = grants.iter().any(|grant| grant.is_some()) || input.grant_read_acp.is_some();
    let policy = input.access_control_policy.as_ref();
    if granted || policy.is_some_and(|policy| !says_owner_in_control(&session, policy)) {
        return Err(no_acls());
    }
    refuse_if(&[("an ACL twice over", named.is_some() && policy.is_some())])?;
    if named.is_none() && policy.is_none() {
        let message = "Your request was missing a required header: x-amz-acl";
        return Err(malformed(S3ErrorCode::MissingSecurityHeader, message));
    }
    let target = target(&input.bucket, &input.key, input.version_id)?;
    let found = asked(gate, &session, Operation::PutObjectAcl { target }).await?;
    Ok(labelled(gate, found.label, dto::PutObjectAclOutput::default()))
}

//! The bucket operations.

use crate::convert::{acl, bucket, expected_owner, refuse_if, timestamp};
use crate::error::{malformed, mismatch, refused, session};
use fastness_gate::{Answer, Gate, Payload};
use fastness_operation::{Operation, Versioning};
use s3s::dto::{self, BucketVersioningStatus};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

pub(crate) async fn create(
    gate: &Gate,
    request: S3Request<dto::CreateBucketInput>,
) -> S3Result<S3Response<dto::CreateBucketOutput>> {
    let session = session(&request)?;
    let input = request.input;
    acl(input.acl.as_ref().map(dto::BucketCannedACL::as_str))?;
    let grants = [&input.grant_full_control, &input.grant_read, &input.grant_write, &input.grant_write_acp];
    refuse_if(&[("granting by ACL", grants.iter().any(|grant| grant.is_some()) || input.grant_read_acp.is_some())])?;
    let constraint = input.create_bucket_configuration.and_then(|configuration| configuration.location_constraint);
    if let Some(constraint) = constraint
        && constraint.as_str() != gate.region()
    {
        let code = S3ErrorCode::InvalidLocationConstraint;
        let message = format!("The specified location-constraint is not valid: this is the region {}", gate.region());
        return Err(malformed(code, message));
    }
    let operation = Operation::CreateBucket {
        bucket: bucket(&input.bucket)?,
        object_lock: input.object_lock_enabled_for_bucket == Some(true),
    };
    match gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))? {
        Answer::Done => {
            let location = Some(format!("/{}", input.bucket));
            Ok(S3Response::new(dto::CreateBucketOutput { location }))
        }
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn head(
    gate: &Gate,
    request: S3Request<dto::HeadBucketInput>,
) -> S3Result<S3Response<dto::HeadBucketOutput>> {
    let session = session(&request)?;
    expected_owner(&session, request.input.expected_bucket_owner.as_ref())?;
    let operation = Operation::HeadBucket { bucket: bucket(&request.input.bucket)? };
    match gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))? {
        Answer::Bucket(_) => Ok(S3Response::new(dto::HeadBucketOutput {
            bucket_region: Some(gate.region().to_owned()),
            ..Default::default()
        })),
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn list(
    gate: &Gate,
    request: S3Request<dto::ListBucketsInput>,
) -> S3Result<S3Response<dto::ListBucketsOutput>> {
    let session = session(&request)?;
    let input = request.input;
    let limit = match input.max_buckets {
        None => usize::MAX,
        Some(limit @ 1..=10_000) => usize::try_from(limit).unwrap_or(usize::MAX),
        Some(_) => return Err(malformed(S3ErrorCode::InvalidArgument, "max-buckets is 1 to 10000")),
    };
    let answer =
        gate.handle(&session, Operation::ListBuckets, Payload::none()).await.map_err(|r| refused(gate, &session, r))?;
    let Answer::Buckets(found) = answer else { return Err(mismatch(gate)) };
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = input.continuation_token.unwrap_or_default();
    let mut wanted = found
        .into_iter()
        .filter(|found| found.name.as_str().starts_with(&prefix) && found.name.as_str() > after.as_str())
        .filter(|_| input.bucket_region.as_deref().is_none_or(|region| region == gate.region()));
    let buckets: Vec<dto::Bucket> = wanted
        .by_ref()
        .take(limit)
        .map(|found| dto::Bucket {
            name: Some(found.name.to_string()),
            creation_date: Some(timestamp(found.created_ms)),
            bucket_region: Some(gate.region().to_owned()),
        })
        .collect();
    let continuation_token = wanted.next().and(buckets.last()).and_then(|bucket: &dto::Bucket| bucket.name.clone());
    let id = session.subject().account().map(|account| account.to_string());
    let owner = Some(dto::Owner { display_name: None, id });
    Ok(S3Response::new(dto::ListBucketsOutput {
        buckets: Some(buckets),
        continuation_token,
        owner,
        prefix: input.prefix,
    }))
}

pub(crate) async fn location(
    gate: &Gate,
    request: S3Request<dto::GetBucketLocationInput>,
) -> S3Result<S3Response<dto::GetBucketLocationOutput>> {
    let session = session(&request)?;
    expected_owner(&session, request.input.expected_bucket_owner.as_ref())?;
    let operation = Operation::GetBucketLocation { bucket: bucket(&request.input.bucket)? };
    match gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))? {
        Answer::Bucket(_) => {
            let constraint = dto::BucketLocationConstraint::from(gate.region().to_owned());
            Ok(S3Response::new(dto::GetBucketLocationOutput { location_constraint: Some(constraint) }))
        }
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn delete(
    gate: &Gate,
    request: S3Request<dto::DeleteBucketInput>,
) -> S3Result<S3Response<dto::DeleteBucketOutput>> {
    let session = session(&request)?;
    expected_owner(&session, request.input.expected_bucket_owner.as_ref())?;
    let operation = Operation::DeleteBucket { bucket: bucket(&request.input.bucket)? };
    match gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))? {
        Answer::Done => Ok(S3Response::with_status(dto::DeleteBucketOutput {}, http::StatusCode::NO_CONTENT)),
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn versioning(
    gate: &Gate,
    request: S3Request<dto::GetBucketVersioningInput>,
) -> S3Result<S3Response<dto::GetBucketVersioningOutput>> {
    let session = session(&request)?;
    expected_owner(&session, request.input.expected_bucket_owner.as_ref())?;
    let operation = Operation::GetBucketVersioning { bucket: bucket(&request.input.bucket)? };
    match gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))? {
        Answer::Bucket(found) => {
            let status = match found.versioning {
                Versioning::Unversioned => None,
                Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
                Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
            };
            Ok(S3Response::new(dto::GetBucketVersioningOutput { status, ..Default::default() }))
        }
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn put_versioning(
    gate: &Gate,
    request: S3Request<dto::PutBucketVersioningInput>,
) -> S3Result<S3Response<dto::PutBucketVersioningOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let asked = input.versioning_configuration;
    refuse_if(&[("MFA delete", input.mfa.is_some() || asked.mfa_delete.is_some_and(|mfa| mfa.as_str() == "Enabled"))])?;
    let versioning = match asked.status.as_ref().map(BucketVersioningStatus::as_str) {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => {
            let message = "The Versioning element must be specified";
            let code = S3ErrorCode::from_bytes(b"IllegalVersioningConfigurationException");
            return Err(malformed(code.unwrap_or(S3ErrorCode::MalformedXML), message));
        }
    };
    let operation = Operation::PutBucketVersioning { bucket: bucket(&input.bucket)?, versioning };
    match gate.handle(&session, operation, Payload::none()).await.map_err(|refusal| refused(gate, &session, refusal))? {
        Answer::Done => Ok(S3Response::new(dto::PutBucketVersioningOutput {})),
        _ => Err(mismatch(gate)),
    }
}

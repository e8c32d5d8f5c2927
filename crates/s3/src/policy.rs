//! Bucket policies.

use crate::configurations::{asked, deletes, invalid};
use crate::error::{mismatch, refused};
use fastness_gate::{Answer, Gate, Payload};
use fastness_operation::configuration::BucketPolicy;
use fastness_operation::{Configuration, ConfigurationKind as Kind, Operation, arn_partition};
use http::{HeaderValue, StatusCode, header};
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

deletes! {
    delete DeleteBucketPolicyInput DeleteBucketPolicyOutput Policy;
}

pub(crate) async fn get(
    gate: &Gate,
    request: S3Request<dto::GetBucketPolicyInput>,
) -> S3Result<S3Response<dto::GetBucketPolicyOutput>> {
    let Some(Configuration::Policy(policy)) = asked!(request).get(gate, Kind::Policy).await? else {
        return Err(mismatch(gate));
    };
    let mut response = S3Response::new(dto::GetBucketPolicyOutput { policy: Some(policy.into()) });
    response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

pub(crate) async fn put(
    gate: &Gate,
    request: S3Request<dto::PutBucketPolicyInput>,
) -> S3Result<S3Response<dto::PutBucketPolicyOutput>> {
    let asked = asked!(request);
    let policy = BucketPolicy::parse(request.input.policy).map_err(invalid)?;
    policy.check(&asked.bucket, arn_partition(gate.region())).map_err(invalid)?;
    asked.put(gate, Configuration::Policy(policy)).await?;
    Ok(S3Response::with_status(dto::PutBucketPolicyOutput {}, StatusCode::NO_CONTENT))
}

pub(crate) async fn status(
    gate: &Gate,
    request: S3Request<dto::GetBucketPolicyStatusInput>,
) -> S3Result<S3Response<dto::GetBucketPolicyStatusOutput>> {
    let asked = asked!(request);
    let operation = Operation::GetBucketPolicyStatus { bucket: asked.bucket.clone() };
    let answer = gate.handle(&asked.session, operation, Payload::none()).await;
    match answer.map_err(|refusal| refused(gate, &asked.session, refusal))? {
        Answer::Configuration(Some(found)) => match *found {
            Configuration::Policy(policy) => {
                let policy_status = Some(dto::PolicyStatus { is_public: Some(policy.is_public()) });
                Ok(S3Response::new(dto::GetBucketPolicyStatusOutput { policy_status }))
            }
            _ => Err(mismatch(gate)),
        },
        _ => Err(mismatch(gate)),
    }
}

//! Cross-origin resource sharing: a bucket's rules.

use crate::configurations::{asked, deletes, invalid};
use crate::error::mismatch;
use fastness_gate::Gate;
use fastness_operation::configuration::{CorsRule, CorsRules, Invalid};
use fastness_operation::{Configuration, ConfigurationKind as Kind};
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

deletes! {
    delete DeleteBucketCorsInput DeleteBucketCorsOutput Cors;
}

pub(crate) async fn get(
    gate: &Gate,
    request: S3Request<dto::GetBucketCorsInput>,
) -> S3Result<S3Response<dto::GetBucketCorsOutput>> {
    let Some(Configuration::Cors(rules)) = asked!(request).get(gate, Kind::Cors).await? else {
        return Err(mismatch(gate));
    };
    let some = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
    let rule = |rule: &CorsRule| dto::CORSRule {
        allowed_headers: some(&rule.headers),
        allowed_methods: rule.methods.clone(),
        allowed_origins: rule.origins.clone(),
        expose_headers: some(&rule.expose),
        id: rule.id.clone(),
        max_age_seconds: rule.max_age_s.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX)),
    };
    let cors_rules = Some(rules.rules().iter().map(rule).collect());
    Ok(S3Response::new(dto::GetBucketCorsOutput { cors_rules }))
}

pub(crate) async fn put(
    gate: &Gate,
    request: S3Request<dto::PutBucketCorsInput>,
) -> S3Result<S3Response<dto::PutBucketCorsOutput>> {
    let asked = asked!(request);
    let rule = |rule: dto::CORSRule| {
        let max_age_s = rule.max_age_seconds.map(u32::try_from).transpose();
        Ok(CorsRule {
            id: rule.id,
            origins: rule.allowed_origins,
            methods: rule.allowed_methods,
            headers: rule.allowed_headers.unwrap_or_default(),
            expose: rule.expose_headers.unwrap_or_default(),
            max_age_s: max_age_s.map_err(|_| invalid(Invalid::malformed()))?,
        })
    };
    let rules: S3Result<Vec<CorsRule>> = request.input.cors_configuration.cors_rules.into_iter().map(rule).collect();
    let rules = CorsRules::new(rules?).map_err(invalid)?;
    asked.put(gate, Configuration::Cors(rules)).await?;
    Ok(S3Response::new(dto::PutBucketCorsOutput {}))
}

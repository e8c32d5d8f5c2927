//! Cross-origin resource sharing: a bucket's rules, preflights, and what answers say to a page of another origin (the
//! Fetch standard, section 3.2; S3 user guide, "Using cross-origin resource sharing").

use crate::configurations::{asked, deletes, invalid};
use crate::error::{error_response, mismatch};
use fastness_gate::{Context, Gate};
use fastness_operation::configuration::{CorsRule, CorsRules, Invalid};
use fastness_operation::{Configuration, ConfigurationKind as Kind};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use s3s::dto;
use s3s::{Body, S3Request, S3Response, S3Result};

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

/// The headers of a request that decide about its origin.
const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Rules are visible ASCII, and what a request sent was a header before.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Lets a page of another origin read an answer, where a rule of the bucket says so.
pub(crate) fn apply(headers: &mut HeaderMap, rules: &CorsRules, origin: &str, method: &str) {
    let Some(rule) = rules.find(origin, method, &[]) else { return };
    allow(headers, rule, origin);
    if !rule.expose.is_empty() {
        insert(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose.join(", "));
    }
}

fn allow(headers: &mut HeaderMap, rule: &CorsRule, origin: &str) {
    let Some(allowed) = rule.origin(origin) else { return };
    insert(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    insert(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
    if allowed != "*" {
        insert(headers, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    if let Some(seconds) = rule.max_age_s {
        insert(headers, header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    insert(headers, header::VARY, VARY);
}

/// Answers a preflight. It carries no signature, so nobody is known: it is answered from what is published at the region's
/// floor, and alike for every bucket that publishes nothing there, whether it exists or not.
pub(crate) async fn preflight(gate: &Gate, context: &Context, parts: &Parts) -> Response<Body> {
    let request_id = context.request_id();
    let read = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let bucket = parts.uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let rules = gate.preflight(context, bucket).await;
    let Some(origin) = read(header::ORIGIN) else {
        let message = "Insufficient information. Origin request header needed.";
        return error_response(&request_id, "BadRequest", 400, message);
    };
    let Some(method) = read(header::ACCESS_CONTROL_REQUEST_METHOD) else {
        let message = "Invalid Access-Control-Request-Method: null";
        return error_response(&request_id, "BadRequest", 400, message);
    };
    let asked = read(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let wanted: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let rule = rules.as_ref().and_then(|rules| rules.find(origin, method, &wanted));
    let Some(rule) = rule else {
        let message = "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, \
                       request method / Access-Control-Request-Method or Access-Control-Request-Headers are not \
                       whitelisted by the resource's CORS spec.";
        return error_response(&request_id, "AccessForbidden", 403, message);
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::OK;
    allow(response.headers_mut(), rule, origin);
    if !wanted.is_empty() {
        insert(response.headers_mut(), header::ACCESS_CONTROL_ALLOW_HEADERS, &wanted.join(", ").to_ascii_lowercase());
    }
    insert(response.headers_mut(), HeaderName::from_static("x-amz-request-id"), &request_id);
    response
}

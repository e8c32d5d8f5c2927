//! The S3 front: wire ⇄ [`Operation`](fastness_operation::Operation), and nothing else.
//!
//! `s3s` parses requests and renders answers; signatures were checked before it sees a request (it is given none), and
//! every operation ends in [`Gate::handle`]. What a request asks for and this front does not offer is refused as
//! `NotImplemented`, never ignored.

mod admission;
mod annotations;
mod attributes;
mod body;
mod buckets;
mod configurations;
mod convert;
mod cors;
mod customer;
mod destinations;
mod error;
mod form;
mod host;
mod lifecycle;
mod listings;
mod locks;
mod objects;
mod policy;
mod uploads;

pub use error::error_response;
pub use form::{Form, is_form};

use body::{Claims, Guarded};
use fastness_gate::{Context, Gate, Session};
use fastness_identity::signature::{self, Verified};
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use s3s::dto;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Request, S3Response, S3Result};
use std::sync::Arc;

/// The most bytes of an XML body (a deletion of 1,000 long keys stays below).
const XML_LEN_MAX: usize = 4 << 20;

/// The S3 front of a region.
#[derive(Clone, Debug)]
pub struct S3Front {
    gate: Gate,
    service: S3Service,
    domains: host::Domains,
}

struct Operations {
    gate: Gate,
}

impl S3Front {
    /// The front before a gate; `domain` is one under which buckets have names, beside the region's own.
    #[must_use]
    pub fn new(gate: Gate, domain: Option<&str>) -> Self {
        let mut builder = S3ServiceBuilder::new(Operations { gate: gate.clone() });
        let mut config = s3s::config::S3Config::default();
        config.xml_max_body_size = XML_LEN_MAX;
        config.post_object_max_file_size = 0;
        builder.set_config(Arc::new(s3s::config::StaticConfigProvider::new(Arc::new(config))));
        let domains = host::Domains::new(gate.region(), domain);
        Self { gate, service: builder.build(), domains }
    }

    /// Answers a preflight, which carries no signature.
    pub async fn preflight(&self, context: &Context, mut parts: Parts) -> Response<Body> {
        self.domains.apply(&mut parts);
        cors::preflight(&self.gate, context, &parts).await
    }

    /// Answers one form that a browser posted, once its signature was checked: stores its file.
    pub async fn handle_form(
        &self,
        session: Session,
        verified: Verified,
        mut parts: Parts,
        form: Form,
    ) -> Response<Body> {
        self.domains.apply(&mut parts);
        match form.into_put(&parts, session.context().moment.now_ms) {
            Ok((put, file, success)) => {
                success.answer(Box::pin(self.perform(session, verified, put, file, &parts.method)).await)
            }
            Err((code, status, message)) => {
                let what = format!("{} {}", parts.method, parts.uri.path());
                self.gate.refuse_malformed(&session, &what, code).await;
                error_response(&session.context().request_id(), code, status, &message)
            }
        }
    }

    /// Answers one authenticated request.
    pub async fn handle<B>(&self, session: Session, verified: Verified, mut parts: Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.domains.apply(&mut parts);
        let method = parts.method.clone();
        self.perform(session, verified, parts, body, &method).await
    }

    /// `method` is the one on the wire, which a page of another origin has to be allowed.
    async fn perform<B>(
        &self,
        session: Session,
        verified: Verified,
        mut parts: Parts,
        body: B,
        method: &http::Method,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request_id = session.context().request_id();
        let what = format!("{} {}", parts.method, parts.uri.path());
        let session = Arc::new(session);
        let origin = parts.headers.get(http::header::ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_owned);
        if origin.is_some() {
            session.mark_cross_origin();
        }
        if let Err((code, status, message)) = admission::check(&parts) {
            self.gate.refuse_malformed(&session, &what, code).await;
            return error_response(&request_id, code, status, &message);
        }
        let is_head = parts.method == http::Method::HEAD;
        let names_attributes = attributes::asks(&parts);
        let checked = match verified.body(&parts, body) {
            Ok(checked) => checked,
            Err(error) => {
                self.gate.refuse_malformed(&session, &what, error.code()).await;
                return error_response(&request_id, error.code(), error.status(), &error.to_string());
            }
        };
        // The announcement of a trailer is needed after `strip` has taken what belongs to the signature.
        let announced = parts.headers.get("x-amz-trailer").cloned();
        parts.headers.remove(convert::ANNOUNCED);
        signature::strip(&mut parts, checked.decoded_length());
        if checked.decoded_length().is_some_and(|length| length > fastness_store::VALUE_LEN_MAX) {
            self.gate.refuse_malformed(&session, &what, "EntityTooLarge").await;
            let message = "Your proposed upload exceeds the maximum allowed size";
            return error_response(&request_id, "EntityTooLarge", 400, message);
        }
        pass_over_nonsense(&mut parts.headers);
        let if_none_match = parts.headers.get(IF_NONE_MATCH).cloned();
        if let Some(announced) = announced {
            parts.headers.insert(convert::ANNOUNCED, announced);
        }
        let guarded = match Claims::of(&parts) {
            Ok(claims) => Guarded::new(checked, claims),
            Err((code, message)) => {
                self.gate.refuse_malformed(&session, &what, code).await;
                return error_response(&request_id, code, 400, &message);
            }
        };
        let fault = guarded.fault();
        parts.extensions.insert(Arc::clone(&session));
        parts.extensions.insert(guarded.trailers());
        let request = Request::from_parts(parts, guarded.into_body());
        let answered = self.service.call(request).await;
        let mut response = match answered {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(error = ?error, "the S3 library failed");
                error_response(&request_id, "InternalError", 500, "We encountered an internal error. Please try again.")
            }
        };
        // What was wrong with the body itself says more than what the parser or the store made of it.
        if let Some(error) = fault.take()
            && !response.status().is_success()
        {
            response = error_response(&request_id, error.code, error.status, &error.message);
        }
        if !session.was_handled() {
            let code = response.status().as_u16().to_string();
            self.gate.refuse_malformed(&session, &what, &code).await;
        }
        // `s3s` leaves the status of a HEAD at 200 where a range was asked for.
        let partial = is_head && response.headers().contains_key(http::header::CONTENT_RANGE);
        if partial && response.status() == http::StatusCode::OK {
            *response.status_mut() = http::StatusCode::PARTIAL_CONTENT;
        }
        if names_attributes && response.status() == http::StatusCode::OK {
            response = attributes::plain_etag(response).await;
        }
        // Not modified, because this very ETag is the object's: RFC 9110, section 15.4.5, wants it repeated.
        if let Some(etag) = if_none_match.filter(|etag| etag.as_bytes().starts_with(b"\""))
            && response.status() == http::StatusCode::NOT_MODIFIED
        {
            response.headers_mut().insert(http::header::ETAG, etag);
        }
        order_metadata(response.headers_mut());
        if let (Some(origin), Some(rules)) = (origin, session.cors()) {
            cors::apply(response.headers_mut(), rules, &origin, method.as_str());
        }
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("x-amz-request-id", value);
        }
        response
    }
}

/// Takes away ranges and dates that are not understood: they are as if not sent (RFC 9110, sections 14.2, 13.1.3, 13.1.4).
fn pass_over_nonsense(headers: &mut HeaderMap) {
    let range = |text: &str| dto::Range::parse(text).is_ok();
    let date = |text: &str| dto::Timestamp::parse(dto::TimestampFormat::HttpDate, text).is_ok();
    let sound = |headers: &HeaderMap, name: &HeaderName, reads: &dyn Fn(&str) -> bool| {
        headers.get(name).is_none_or(|value| value.to_str().is_ok_and(reads))
    };
    if !sound(headers, &RANGE, &range) {
        headers.remove(RANGE);
    }
    for name in [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
        if !sound(headers, &name, &date) {
            headers.remove(name);
        }
    }
}

/// The same object is answered by the same bytes: `s3s` writes metadata in the order of a hash map.
fn order_metadata(headers: &mut HeaderMap) {
    let is_metadata = |name: &HeaderName| name.as_str().starts_with("x-amz-meta-");
    if !headers.keys().any(is_metadata) {
        return;
    }
    let (mut metadata, mut ordered) = (Vec::new(), HeaderMap::with_capacity(headers.len()));
    for (name, value) in &*headers {
        if is_metadata(name) {
            metadata.push((name.clone(), value.clone()));
        } else {
            ordered.append(name.clone(), value.clone());
        }
    }
    metadata.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    ordered.extend(metadata);
    *headers = ordered;
}

/// Hands an S3 request to the function that maps it.
macro_rules! operations {
    ($($method:ident $input:ident $output:ident => $function:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Operations {
            $(
                async fn $method(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                    $function(&self.gate, request).await
                }
            )*
        }
    };
}

operations! {
    create_bucket CreateBucketInput CreateBucketOutput => buckets::create;
    head_bucket HeadBucketInput HeadBucketOutput => buckets::head;
    list_buckets ListBucketsInput ListBucketsOutput => buckets::list;
    get_bucket_location GetBucketLocationInput GetBucketLocationOutput => buckets::location;
    delete_bucket DeleteBucketInput DeleteBucketOutput => buckets::delete;
    get_bucket_versioning GetBucketVersioningInput GetBucketVersioningOutput => buckets::versioning;
    put_bucket_versioning PutBucketVersioningInput PutBucketVersioningOutput => buckets::put_versioning;
    get_bucket_tagging GetBucketTaggingInput GetBucketTaggingOutput => configurations::get_tagging;
    put_bucket_tagging PutBucketTaggingInput PutBucketTaggingOutput => configurations::put_tagging;
    delete_bucket_tagging DeleteBucketTaggingInput DeleteBucketTaggingOutput => configurations::delete_tagging;
    get_public_access_block GetPublicAccessBlockInput GetPublicAccessBlockOutput
        => configurations::get_public_access_block;
    put_public_access_block PutPublicAccessBlockInput PutPublicAccessBlockOutput
        => configurations::put_public_access_block;
    delete_public_access_block DeletePublicAccessBlockInput DeletePublicAccessBlockOutput
        => configurations::delete_public_access_block;
    get_bucket_ownership_controls GetBucketOwnershipControlsInput GetBucketOwnershipControlsOutput
        => configurations::get_ownership;
    put_bucket_ownership_controls PutBucketOwnershipControlsInput PutBucketOwnershipControlsOutput
        => configurations::put_ownership;
    delete_bucket_ownership_controls DeleteBucketOwnershipControlsInput DeleteBucketOwnershipControlsOutput
        => configurations::delete_ownership;
    get_bucket_encryption GetBucketEncryptionInput GetBucketEncryptionOutput => configurations::get_encryption;
    put_bucket_encryption PutBucketEncryptionInput PutBucketEncryptionOutput => configurations::put_encryption;
    delete_bucket_encryption DeleteBucketEncryptionInput DeleteBucketEncryptionOutput
        => configurations::delete_encryption;
    get_bucket_request_payment GetBucketRequestPaymentInput GetBucketRequestPaymentOutput
        => configurations::get_request_payment;
    put_bucket_request_payment PutBucketRequestPaymentInput PutBucketRequestPaymentOutput
        => configurations::put_request_payment;
    get_bucket_accelerate_configuration GetBucketAccelerateConfigurationInput GetBucketAccelerateConfigurationOutput
        => configurations::get_accelerate;
    put_bucket_accelerate_configuration PutBucketAccelerateConfigurationInput PutBucketAccelerateConfigurationOutput
        => configurations::put_accelerate;
    get_bucket_acl GetBucketAclInput GetBucketAclOutput => configurations::get_acl;
    put_bucket_acl PutBucketAclInput PutBucketAclOutput => configurations::put_acl;
    get_bucket_logging GetBucketLoggingInput GetBucketLoggingOutput => destinations::get_logging;
    put_bucket_logging PutBucketLoggingInput PutBucketLoggingOutput => destinations::put_logging;
    get_bucket_notification_configuration GetBucketNotificationConfigurationInput
        GetBucketNotificationConfigurationOutput => destinations::get_notification;
    put_bucket_notification_configuration PutBucketNotificationConfigurationInput
        PutBucketNotificationConfigurationOutput => destinations::put_notification;
    get_bucket_cors GetBucketCorsInput GetBucketCorsOutput => cors::get;
    put_bucket_cors PutBucketCorsInput PutBucketCorsOutput => cors::put;
    delete_bucket_cors DeleteBucketCorsInput DeleteBucketCorsOutput => cors::delete;
    get_bucket_policy GetBucketPolicyInput GetBucketPolicyOutput => policy::get;
    put_bucket_policy PutBucketPolicyInput PutBucketPolicyOutput => policy::put;
    delete_bucket_policy DeleteBucketPolicyInput DeleteBucketPolicyOutput => policy::delete;
    get_bucket_policy_status GetBucketPolicyStatusInput GetBucketPolicyStatusOutput => policy::status;
    get_bucket_lifecycle_configuration GetBucketLifecycleConfigurationInput GetBucketLifecycleConfigurationOutput
        => lifecycle::get;
    put_bucket_lifecycle_configuration PutBucketLifecycleConfigurationInput PutBucketLifecycleConfigurationOutput
        => lifecycle::put;
    delete_bucket_lifecycle DeleteBucketLifecycleInput DeleteBucketLifecycleOutput => lifecycle::delete;
    put_object PutObjectInput PutObjectOutput => objects::put;
    get_object GetObjectInput GetObjectOutput => objects::get;
    head_object HeadObjectInput HeadObjectOutput => objects::head;
    copy_object CopyObjectInput CopyObjectOutput => objects::copy;
    get_object_attributes GetObjectAttributesInput GetObjectAttributesOutput => attributes::get;
    delete_object DeleteObjectInput DeleteObjectOutput => objects::delete;
    delete_objects DeleteObjectsInput DeleteObjectsOutput => objects::delete_many;
    get_object_tagging GetObjectTaggingInput GetObjectTaggingOutput => annotations::tags;
    put_object_tagging PutObjectTaggingInput PutObjectTaggingOutput => annotations::put_tags;
    delete_object_tagging DeleteObjectTaggingInput DeleteObjectTaggingOutput => annotations::delete_tags;
    get_object_acl GetObjectAclInput GetObjectAclOutput => annotations::acl;
    put_object_acl PutObjectAclInput PutObjectAclOutput => annotations::put_acl;
    get_object_retention GetObjectRetentionInput GetObjectRetentionOutput => locks::retention;
    put_object_retention PutObjectRetentionInput PutObjectRetentionOutput => locks::put_retention;
    get_object_legal_hold GetObjectLegalHoldInput GetObjectLegalHoldOutput => locks::legal_hold;
    put_object_legal_hold PutObjectLegalHoldInput PutObjectLegalHoldOutput => locks::put_legal_hold;
    get_object_lock_configuration GetObjectLockConfigurationInput GetObjectLockConfigurationOutput => locks::configuration;
    put_object_lock_configuration PutObjectLockConfigurationInput PutObjectLockConfigurationOutput => locks::put_configuration;
    list_objects ListObjectsInput ListObjectsOutput => listings::objects;
    list_objects_v2 ListObjectsV2Input ListObjectsV2Output => listings::objects_v2;
    list_object_versions ListObjectVersionsInput ListObjectVersionsOutput => listings::versions;
    create_multipart_upload CreateMultipartUploadInput CreateMultipartUploadOutput => uploads::create;
    upload_part UploadPartInput UploadPartOutput => uploads::part;
    upload_part_copy UploadPartCopyInput UploadPartCopyOutput => uploads::part_copy;
    complete_multipart_upload CompleteMultipartUploadInput CompleteMultipartUploadOutput => uploads::complete;
    abort_multipart_upload AbortMultipartUploadInput AbortMultipartUploadOutput => uploads::abort;
    list_parts ListPartsInput ListPartsOutput => uploads::list_parts;
    list_multipart_uploads ListMultipartUploadsInput ListMultipartUploadsOutput => uploads::list;
}

//! Errors as S3 clients expect them.

use crate::convert::{http_date, timestamp};
use fastness_gate::{Gate, Refusal, Session};
use fastness_operation::Code;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use s3s::{Body, S3Error, S3ErrorCode, S3Request};
use std::sync::Arc;

fn build(request_id: &str, code: &str, status: u16, message: &str) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, message.to_owned());
    error.set_request_id(request_id);
    error.set_status_code(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    error
}

/// An error in S3's XML, for refusals before an operation exists (a bad signature, an unknown key).
#[must_use]
pub fn error_response(request_id: &str, code: &str, status: u16, message: &str) -> Response<Body> {
    let mut response = build(request_id, code, status, message).to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amz-request-id", value);
    }
    response
}

/// A gate's refusal on the wire.
pub(crate) fn refused(gate: &Gate, session: &Session, refusal: Refusal) -> S3Error {
    let request_id = session.context().request_id();
    let mut error = build(&request_id, refusal.code.as_str(), refusal.code.status(), &refusal.message);
    if let Some(about) = refusal.about {
        let mut headers = HeaderMap::new();
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-fastness-label", &gate.banner(about.label));
        if let Some(id) = &about.version {
            set("x-amz-version-id", id);
        }
        match &about.content {
            None => set("x-amz-delete-marker", "true"),
            // What a 304 says of the representation that the client has (RFC 9110, section 15.4.5).
            Some((etag, modified_ms)) if refusal.code == Code::NotModified => {
                set("etag", &format!("\"{etag}\""));
                set("last-modified", &http_date(timestamp(*modified_ms)).unwrap_or_default());
            }
            Some(_) => {}
        }
        if refusal.code == Code::MethodNotAllowed {
            set("allow", "DELETE");
        }
        headers.insert("content-type", HeaderValue::from_static("application/xml"));
        error.set_headers(headers);
    }
    error
}

/// A refusal of this front: the request is malformed, or asks for what is not offered. The gate never hears of it, so
/// the caller records it.
pub(crate) fn malformed(code: S3ErrorCode, message: impl Into<String>) -> S3Error {
    S3Error::with_message(code, message.into())
}

pub(crate) fn not_offered(what: &str) -> S3Error {
    malformed(S3ErrorCode::NotImplemented, format!("{what} is not offered (yet); README lists what is"))
}

/// The session that the region put beside the request.
pub(crate) fn session<T>(request: &S3Request<T>) -> Result<Arc<Session>, S3Error> {
    request.extensions.get::<Arc<Session>>().cloned().ok_or_else(|| S3Error::new(S3ErrorCode::AccessDenied))
}

/// The gate answered with another kind of answer than the operation has: a defect of ours.
pub(crate) fn mismatch(_: &Gate) -> S3Error {
    S3Error::new(S3ErrorCode::InternalError)
}

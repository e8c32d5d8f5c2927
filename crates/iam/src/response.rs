//! An answer over HTTP, and errors in each service's words.

use crate::call::Service;
use crate::{json, xml};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// An error in the form that the client of this service expects; also for refusals before anybody was known.
///
/// Codes that only S3 has are put into the words of the query protocol: `InternalError` is IAM's `ServiceFailure`.
#[must_use]
pub fn error_response(service: &str, request_id: &str, code: &str, status: u16, message: &str) -> Response<Bytes> {
    // A request for an unknown service came by the query protocol or by nothing at all.
    let service = Service::parse(service).unwrap_or(Service::Iam);
    let (code, status) = in_words_of(service, code, status);
    let body = match service {
        Service::Iam | Service::Sts => xml::error(service, request_id, code, status, message),
        Service::Fastness => json::error(code, message),
    };
    with_body(service, request_id, status, body)
}

/// An answer with a body.
pub(crate) fn with_body(service: Service, request_id: &str, status: u16, body: Vec<u8>) -> Response<Bytes> {
    let media_type = match service {
        Service::Iam | Service::Sts => "text/xml",
        Service::Fastness => json::MEDIA_TYPE,
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // An answer may hold a new secret: nobody on the way keeps it.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

/// The code and status that the service's clients know; those of S3 are the house's own.
fn in_words_of(service: Service, code: &str, status: u16) -> (&str, u16) {
    match (service, code) {
        (Service::Iam, "InternalError" | "InsufficientStorage") => ("ServiceFailure", 500),
        (Service::Sts, "InternalError" | "InsufficientStorage") => ("InternalFailure", 500),
        (Service::Iam | Service::Sts, "SlowDown") => ("Throttling", 400),
        (Service::Iam | Service::Sts, "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError") => {
            ("IncompleteSignature", 400)
        }
        _ => (code, status),
    }
}

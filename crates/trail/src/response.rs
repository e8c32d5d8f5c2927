//! An answer over HTTP, and errors in CloudTrail's words.

use crate::request::MEDIA_TYPE;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const LABEL: HeaderName = HeaderName::from_static("x-fastness-label");

/// An error in the form that CloudTrail's clients expect; also for refusals before anybody was known.
#[must_use]
pub fn error_response(request_id: &str, code: &str, status: u16, message: &str) -> Response<Bytes> {
    let (code, status) = in_words_of_json(code, status);
    with_body(request_id, status, &json!({ "__type": code, "message": message }))
}

/// An answer that holds nothing above a label.
pub(crate) fn with_label(request_id: &str, label: &str, body: Value) -> Response<Bytes> {
    let mut response = with_body(request_id, 200, &body);
    if let Ok(value) = HeaderValue::from_str(label) {
        response.headers_mut().insert(LABEL, value);
    }
    response
}

fn with_body(request_id: &str, status: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

/// The code and status that clients of AWS's JSON protocol know (CloudTrail API reference, "Common errors").
fn in_words_of_json(code: &str, status: u16) -> (&str, u16) {
    match code {
        "AccessDenied" => ("AccessDeniedException", 400),
        "InvalidClientTokenId" | "InvalidToken" => ("UnrecognizedClientException", 400),
        "SignatureDoesNotMatch" | "RequestTimeTooSkewed" | "XAmzContentSHA256Mismatch" => {
            ("InvalidSignatureException", 400)
        }
        "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError" => ("IncompleteSignatureException", 400),
        "MissingAuthenticationToken" => ("MissingAuthenticationTokenException", 400),
        "InternalError" | "InsufficientStorage" => ("InternalFailure", 500),
        "SlowDown" => ("ThrottlingException", 400),
        _ => (code, status),
    }
}

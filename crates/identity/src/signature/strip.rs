//! What a library behind this one must not see.

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri, header};

use super::canonical::query_pairs;
use super::{CONTENT_SHA256, DECODED_LENGTH, TRAILER, parameter};

const CONSUMED_PARAMETERS: [&str; 8] = [
    parameter::ALGORITHM,
    parameter::CREDENTIAL,
    parameter::DATE,
    parameter::EXPIRES,
    parameter::SIGNED_HEADERS,
    parameter::SIGNATURE,
    parameter::SECURITY_TOKEN,
    parameter::CONTENT_SHA256,
];

/// Removes what verification consumed, so that a library behind it sees an anonymous request with a
/// plain body.
///
/// That is `Authorization`; the query parameters of presigned addresses; `x-amz-content-sha256`,
/// `x-amz-decoded-content-length` and `x-amz-trailer`; and `aws-chunked` in `Content-Encoding`. With
/// `decoded_length`, `Content-Length` becomes it and `Transfer-Encoding` goes. Everything else stays.
pub fn strip(parts: &mut Parts, decoded_length: Option<u64>) {
    for name in [header::AUTHORIZATION.as_str(), CONTENT_SHA256, DECODED_LENGTH, TRAILER] {
        parts.headers.remove(name);
    }
    strip_query(&mut parts.uri);
    strip_content_encoding(parts);
    if let Some(length) = decoded_length {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        parts.headers.remove(header::TRANSFER_ENCODING);
    }
}

fn strip_query(uri: &mut Uri) {
    let Some(query) = uri.query() else { return };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_consumed(pair)).collect();
    let kept = kept.join("&");
    if kept.len() == query.len() {
        return;
    }
    let path = uri.path();
    let text = if kept.is_empty() { path.to_owned() } else { format!("{path}?{kept}") };
    let mut parts = uri.clone().into_parts();
    // A part of a valid query is valid. Were it not, the address stays as it is: the library behind
    // then sees a signature that it cannot verify, and refuses.
    let Ok(path_and_query) = PathAndQuery::try_from(text) else { return };
    parts.path_and_query = Some(path_and_query);
    if let Ok(stripped) = Uri::from_parts(parts) {
        *uri = stripped;
    }
}

fn is_consumed(pair: &str) -> bool {
    query_pairs(pair)
        .any(|(name, _)| CONSUMED_PARAMETERS.iter().any(|consumed| name.eq_ignore_ascii_case(consumed.as_bytes())))
}

fn strip_content_encoding(parts: &mut Parts) {
    let mut kept: Vec<u8> = Vec::new();
    let mut found = false;
    for value in parts.headers.get_all(header::CONTENT_ENCODING) {
        for coding in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if coding.eq_ignore_ascii_case(b"aws-chunked") {
                found = true;
            } else if !coding.is_empty() {
                if !kept.is_empty() {
                    kept.extend_from_slice(b", ");
                }
                kept.extend_from_slice(coding);
            }
        }
    }
    if !found {
        return;
    }
    parts.headers.remove(header::CONTENT_ENCODING);
    if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_bytes(&kept)) {
        parts.headers.insert(header::CONTENT_ENCODING, value);
    }
}

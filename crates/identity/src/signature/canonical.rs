//! The canonical request: the one text that a client and we both derive from a request.
//!
//! The size of everything here is bounded by the size of the request's head, which the HTTP server
//! limits.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::{SignatureError, parameter};

/// Everything but RFC 3986's unreserved characters.
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The service whose paths are encoded once.
pub(super) const S3: &str = "s3";

/// Writes the canonical request.
///
/// `signed_headers` are sorted, lower-case names. `payload` is the hash or the word that stands for
/// the body.
pub(super) fn canonical_request(
    parts: &Parts,
    service: &str,
    signed_headers: &[String],
    payload: &str,
) -> Result<Vec<u8>, SignatureError> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b'\n');
    write_path(&mut out, parts.uri.path(), service);
    out.push(b'\n');
    write_query(&mut out, parts.uri.query().unwrap_or_default());
    out.push(b'\n');
    for name in signed_headers {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        write_header_values(&mut out, parts, name)?;
        out.push(b'\n');
    }
    out.push(b'\n');
    for (index, name) in signed_headers.iter().enumerate() {
        if index > 0 {
            out.push(b';');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    Ok(out)
}

/// Writes the path.
///
/// S3: each segment is decoded and encoded again, so that spellings of one key are one; nothing is
/// normalized, because `a//b` and `a/../b` are keys, and an encoded slash stays encoded. Other
/// services: the path as it was sent is encoded a second time. Their dot segments and double slashes
/// are not normalized away either: we serve no such paths, and a client that sends one is refused.
fn write_path(out: &mut Vec<u8>, path: &str, service: &str) {
    if path.is_empty() {
        out.push(b'/');
        return;
    }
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        if service == S3 {
            let decoded: Cow<'_, [u8]> = percent_decode(segment.as_bytes()).into();
            write_encoded(out, &decoded);
        } else {
            write_encoded(out, segment.as_bytes());
        }
    }
}

fn write_encoded(out: &mut Vec<u8>, decoded: &[u8]) {
    for piece in percent_encode(decoded, RESERVED) {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Writes the query: each name and value decoded and encoded again, sorted by name and then value, as
/// they are encoded, without the signature itself. A parameter without `=` gets one.
fn write_query(out: &mut Vec<u8>, query: &str) {
    let mut pairs: Vec<(String, String)> = query_pairs(query)
        .filter(|(name, _)| name.as_ref() != parameter::SIGNATURE.as_bytes())
        .map(|(name, value)| (encoded(&name), encoded(&value)))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
}

pub(super) fn encoded(decoded: &[u8]) -> String {
    percent_encode(decoded, RESERVED).to_string()
}

/// The decoded parameters of a query, in their order. Empty ones (`a&&b`) are left out.
pub(super) fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// Decodes a name or value of a query. `+` is a space, as it is to the libraries behind us: what is
/// verified must be what is acted on.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        let spaced = text.replace('+', "%20");
        Cow::Owned(percent_decode(spaced.as_bytes()).collect())
    } else {
        percent_decode(text.as_bytes()).into()
    }
}

/// Writes the values of a header, joined by commas.
fn write_header_values(out: &mut Vec<u8>, parts: &Parts, name: &str) -> Result<(), SignatureError> {
    if name == "host" {
        let host =
            host(&parts.headers, &parts.uri)?.ok_or_else(|| SignatureError::SignedHeaderMissing(name.to_owned()))?;
        write_collapsed(out, host);
        return Ok(());
    }
    let mut first = true;
    for value in parts.headers.get_all(name) {
        if !first {
            out.push(b',');
        }
        first = false;
        write_collapsed(out, value.as_bytes());
    }
    if first {
        return Err(SignatureError::SignedHeaderMissing(name.to_owned()));
    }
    Ok(())
}

/// Writes a value without white space at its ends, and with one space for each run of it inside.
fn write_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// The host that the request is for: the `Host` header, or the authority of the address (HTTP/2 has
/// only that). Two that differ are refused: the signature would cover one, and routing see the other.
fn host<'request>(headers: &'request HeaderMap, uri: &'request Uri) -> Result<Option<&'request [u8]>, SignatureError> {
    let header = single(headers, "host")?;
    let authority = uri.authority().map(|authority| {
        let text = authority.as_str();
        text.rsplit_once('@').map_or(text, |(_, host)| host).as_bytes()
    });
    match (header, authority) {
        (Some(header), Some(authority)) if !header.eq_ignore_ascii_case(authority) => {
            Err(SignatureError::Request("the host header is not the host of the address"))
        }
        (Some(header), _) => Ok(Some(header)),
        (None, authority) => Ok(authority),
    }
}

/// The value of a header that may stand at most once.
pub(super) fn single<'request>(
    headers: &'request HeaderMap,
    name: &str,
) -> Result<Option<&'request [u8]>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(SignatureError::Request("a header that matters to the signature stands twice"));
    }
    Ok(first.map(http::HeaderValue::as_bytes))
}

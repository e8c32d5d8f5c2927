//! Heads of requests: claims, and their verification.
//!
//! Oracle: what nobody signed is never verified; what our signer signs is, in the header and in the address; stripped,
//! it is anonymous; and a change of one byte in what a signature covers is refused, unless both mean the same.

use crate::scenario::{Ask, pieces, read};
use fastness_identity::signature::sign::{SignPayload, Signer};
use fastness_identity::signature::{Expected, SignatureError, Verified, claim, strip};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use percent_encoding::percent_decode;
use time::{Duration, OffsetDateTime};

pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "us-east-1";
const SERVICES: [&str; 4] = ["s3", "iam", "sts", "fastness"];

/// 2013-05-24, the day of AWS's examples.
pub(crate) fn now() -> OffsetDateTime {
    crate::sure(OffsetDateTime::from_unix_timestamp(1_369_353_600))
}

pub(crate) fn verify(parts: &Parts, secret: &str, hash: Option<[u8; 32]>) -> Result<Option<Verified>, SignatureError> {
    let expected = Expected { region: REGION, services: &SERVICES, now: now() };
    // The key's name is not signed: it chooses the secret, and another one's is another.
    let secret_of = |key: &str| if key == KEY { secret } else { "the secret of another key" };
    claim(parts)?.map(|claim| claim.verify(parts, secret_of(&claim.access_key_id), &expected, hash)).transpose()
}

pub(crate) fn run(data: &[u8]) {
    for piece in pieces(data) {
        let (text, edit) = split_edit(piece);
        let Some(ask) = read(text, "s3") else { continue };
        let Some(parts) = head(&ask) else { continue };
        // The secret that nobody ever signed with.
        let read = verify(&parts, "another secret", Some([7; 32]));
        assert!(!matches!(read, Ok(Some(_))), "verified without a signature: {parts:?}");
        if matches!(read, Ok(None)) {
            assert!(!parts.headers.contains_key("authorization"), "a signature was overlooked: {parts:?}");
        }
        let mut stripped = parts.clone();
        strip(&mut stripped, Some(3));
        assert!(matches!(claim(&stripped), Ok(None) | Err(_)), "still signed: {stripped:?}");
        signed_in_header(&ask, parts.clone(), edit);
        presigned(&ask, &parts, edit);
    }
}

/// The last three bytes of an input name a change: which part, where in it, what to.
fn split_edit(piece: &[u8]) -> (&[u8], [u8; 3]) {
    match piece.split_last_chunk::<3>() {
        Some((text, edit)) => (text, *edit),
        None => (piece, [0; 3]),
    }
}

fn head(ask: &Ask) -> Option<Parts> {
    let mut request = Request::builder().method(ask.method.clone()).uri(&ask.target);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn signed_in_header(ask: &Ask, mut parts: Parts, edit: [u8; 3]) {
    // What is signed anew was not signed before: a query with half a signature is refused, and rightly.
    if !parts.headers.contains_key("host") {
        parts.headers.insert("host", HeaderValue::from_static("localhost"));
    }
    let service = if ask.service == "s3" { "s3" } else { "iam" };
    let signer = Signer::new(KEY, SECRET, REGION, service);
    if signer.sign(&mut parts, SignPayload::Body(b"body"), now()).is_err() {
        return;
    }
    let hash = (service == "iam").then(|| sha256(b"body"));
    match verify(&parts, SECRET, hash) {
        Ok(Some(_)) => {}
        // What cannot be signed and verified: it says itself that it is signed otherwise, or names a thing twice.
        Err(
            SignatureError::TwoMechanisms
            | SignatureError::UnsupportedMechanism
            | SignatureError::SecurityToken
            | SignatureError::QueryMalformed(_)
            | SignatureError::Request(_)
            | SignatureError::ContentSha256Malformed
            | SignatureError::HeaderNotSigned(_)
            | SignatureError::HeaderMalformed("too many headers are signed" | "it is too long"),
        ) => return,
        other => unreachable!("our own signature is refused: {other:?} {parts:?}"),
    }
    changed(&parts, hash, edit);
    let mut stripped = parts;
    strip(&mut stripped, None);
    assert!(matches!(claim(&stripped), Ok(None)), "still signed: {stripped:?}");
}

fn presigned(ask: &Ask, parts: &Parts, edit: [u8; 3]) {
    let signer = Signer::new(KEY, SECRET, REGION, "s3");
    let url = format!("http://localhost{}", parts.uri.path_and_query().map_or("/", |path| path.as_str()));
    let Ok(url) = signer.presign(&ask.method, &url, Duration::HOUR, now()) else { return };
    let Some(Ok(uri)) = url.strip_prefix("http://localhost").map(str::parse::<Uri>) else { return };
    let Ok(request) = Request::builder().method(&ask.method).uri(uri).header("host", "localhost").body(()) else {
        return;
    };
    let parts = request.into_parts().0;
    match verify(&parts, SECRET, None) {
        Ok(Some(_)) => {}
        Err(
            SignatureError::SecurityToken
            | SignatureError::UnsupportedMechanism
            | SignatureError::QueryMalformed("a parameter stands twice")
            | SignatureError::Mismatch
            | SignatureError::ContentSha256Malformed
            | SignatureError::Request(_),
        ) if url.to_ascii_lowercase().contains("x-amz-") && is_signed_already(&url) => return,
        other => unreachable!("our own address is refused: {other:?} {url}"),
    }
    changed(&parts, None, edit);
    let mut stripped = parts;
    strip(&mut stripped, None);
    let query = stripped.uri.query().unwrap_or_default();
    assert!(matches!(claim(&stripped), Ok(None)), "still signed: {query}");
}

/// Whether the query, before it was signed, had a parameter that means a signature.
fn is_signed_already(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let own = query.split('&').count().saturating_sub(6);
    query.split('&').take(own).any(|pair| {
        let name: Vec<u8> = percent_decode(pair.split('=').next().unwrap_or_default().as_bytes()).collect();
        let name = String::from_utf8_lossy(&name).to_ascii_lowercase();
        name.starts_with("x-amz-") || ["awsaccesskeyid", "signature", "signatureversion"].contains(&name.as_str())
    })
}

/// Changes one byte, and checks that the signature no longer holds, or that nothing that counts was changed.
fn changed(parts: &Parts, hash: Option<[u8; 32]>, edit: [u8; 3]) {
    let mut other = parts.clone();
    let [part, place, to] = edit;
    let is_edited = match part % 4 {
        0 => edit_method(&mut other, to),
        1 => edit_uri(&mut other, place, to),
        _ => edit_header(&mut other, part, place, to),
    };
    if !is_edited || meaning(&other) == meaning(parts) {
        return;
    }
    let verified = verify(&other, SECRET, hash);
    assert!(!matches!(verified, Ok(Some(_))), "the change passed unseen: {parts:?} {other:?}");
}

fn edit_method(parts: &mut Parts, to: u8) -> bool {
    let methods = [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::HEAD];
    let Some(method) = methods.get(usize::from(to) % methods.len()) else { return false };
    parts.method = method.clone();
    true
}

fn edited(bytes: &[u8], place: u8, to: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = usize::from(place) % bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(at) {
        *byte = to;
    }
    bytes
}

fn edit_uri(parts: &mut Parts, place: u8, to: u8) -> bool {
    let text = edited(parts.uri.to_string().as_bytes(), place, to);
    let uri = String::from_utf8(text).ok().filter(|text| text.starts_with('/')).and_then(|text| text.parse().ok());
    uri.map(|uri| parts.uri = uri).is_some()
}

fn edit_header(parts: &mut Parts, part: u8, place: u8, to: u8) -> bool {
    let names: Vec<HeaderName> = parts.headers.keys().cloned().collect();
    let Some(name) = names.get(usize::from(part / 4) % names.len().max(1)) else { return false };
    let Some(value) = parts.headers.get(name) else { return false };
    let Ok(value) = HeaderValue::from_bytes(&edited(value.as_bytes(), place, to)) else { return false };
    // Of a header that stands twice the first is changed, the others stay behind it.
    let rest: Vec<HeaderValue> = parts.headers.get_all(name).iter().skip(1).cloned().collect();
    parts.headers.insert(name, value);
    for value in rest {
        parts.headers.append(name, value);
    }
    true
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What a signed head says, free of spelling: written down apart from the canonical request's own code. Headers that
/// no signature of ours covers say nothing.
fn meaning(parts: &Parts) -> (Method, Vec<Vec<u8>>, Pairs, Pairs, Option<Vec<u8>>) {
    let decoded = |text: &str| percent_decode(text.as_bytes()).collect::<Vec<u8>>();
    let path = parts.uri.path().split('/').map(decoded).collect();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")));
        (name, value)
    };
    let query = parts.uri.query().unwrap_or_default();
    let mut query: Pairs = query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
    query.sort();
    let authorization = parts.headers.get("authorization").map(|value| words(value.as_bytes()));
    let unsigned = [
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "expect",
        "transfer-encoding",
        "user-agent",
        "x-amzn-trace-id",
    ];
    let is_presigned = authorization.is_none();
    let counts = |name: &str| if is_presigned { name == "host" } else { !unsigned.contains(&name) };
    let headers = parts.headers.iter().filter(|(name, _)| counts(name.as_str()));
    let mut headers: Pairs =
        headers.map(|(name, value)| (name.as_str().as_bytes().to_vec(), words(value.as_bytes()))).collect();
    headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    (parts.method.clone(), path, query, headers, authorization)
}

/// The words of a value, with one space between two; blanks and commas as they separate fields.
fn words(value: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let words: Vec<&[u8]> = value.split(blank).filter(|word| !word.is_empty()).collect();
    words.join(&b' ')
}

pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data);
    hash.iter_mut().zip(digest.as_ref()).for_each(|(out, byte)| *out = *byte);
    hash
}

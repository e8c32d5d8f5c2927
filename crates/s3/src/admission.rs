//! What a request may carry at all: closed lists of query names and headers. The S3 library passes over what it does
//! not know, and a subresource passed over turns `DELETE /bucket?logging` into the deletion of the bucket.

use crate::convert::algorithm;
use fastness_operation::ChecksumAlgorithm;
use http::Method;
use http::header::HeaderName;
use http::request::Parts;

/// Why a request is not taken: AWS's code, its status, a text.
pub(crate) type Unfit = (&'static str, u16, String);

pub(crate) fn not_offered(what: &str) -> Unfit {
    let what: String = what.chars().take(80).collect();
    ("NotImplemented", 501, format!("`{what}` asks for something that is not offered here; README lists what is"))
}

/// What the path names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}

fn level(path: &str) -> Level {
    match path.trim_start_matches('/').split_once('/') {
        Some((_, key)) if !key.is_empty() => Level::Object,
        None if path.trim_start_matches('/').is_empty() => Level::Service,
        _ => Level::Bucket,
    }
}

/// Whether the path names an object.
pub(crate) fn is_object(parts: &Parts) -> bool {
    level(parts.uri.path()) == Level::Object
}

/// Checks method, query and headers before the library sees them.
pub(crate) fn check(parts: &Parts) -> Result<(), Unfit> {
    let level = level(parts.uri.path());
    // Its signature is in its body, or it has none.
    if crate::form::is_form(parts) {
        return Err(not_offered("POST of a form with a signature in its head"));
    }
    let names = query_names(parts);
    for name in &names {
        if !query_is_known(&parts.method, level, name) {
            return Err(not_offered(name));
        }
    }
    let has = |name: &str| names.iter().any(|found| found == name);
    if parts.method == Method::PUT && has("uploadId") != has("partNumber") {
        let message = "a part is named by uploadId and partNumber together".to_owned();
        return Err(("InvalidArgument", 400, message));
    }
    let subresources = OBJECT_SUBRESOURCES.iter().filter(|name| has(name)).count();
    if level == Level::Object && subresources > 1 {
        return Err(("InvalidArgument", 400, "Conflicting query string parameters".to_owned()));
    }
    // A write names no version; what is said of one does.
    if parts.method == Method::PUT && has("versionId") && !ANNOTATIONS.iter().any(|name| has(name)) {
        return Err(not_offered("versionId"));
    }
    if parts.headers.get("content-md5").is_some_and(|value| value.is_empty()) {
        return Err(("InvalidDigest", 400, crate::convert::INVALID_MD5.to_owned()));
    }
    for name in parts.headers.keys() {
        check_header(parts, level, name, subresources > 0)?;
    }
    check_checksums(parts)?;
    check_digest(parts, level, &names)
}

/// What may not be taken without a digest: a list of deletions, and locks (S3 API reference, "DeleteObjects",
/// "PutObject").
fn check_digest(parts: &Parts, level: Level, names: &[String]) -> Result<(), Unfit> {
    let states = |name: &HeaderName| {
        let name = name.as_str();
        name == "content-md5" || ChecksumAlgorithm::ALL.iter().any(|algorithm| algorithm.header() == name)
    };
    if parts.headers.keys().any(states) || parts.headers.contains_key("x-amz-trailer") {
        return Ok(());
    }
    let deletes = parts.method == Method::POST && level == Level::Bucket && names.iter().any(|name| name == "delete");
    if deletes {
        let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
        return Err(("InvalidRequest", 400, message.to_owned()));
    }
    let locks = |name: &HeaderName| name.as_str().starts_with("x-amz-object-lock-");
    let copies = parts.headers.contains_key("x-amz-copy-source");
    if parts.method == Method::PUT && level == Level::Object && !copies && parts.headers.keys().any(locks) {
        let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
        return Err(("InvalidRequest", 400, message.to_owned()));
    }
    Ok(())
}

/// What is said of a version: each is changed by a PUT with a body of its own.
pub(crate) const ANNOTATIONS: [&str; 4] = ["acl", "legal-hold", "retention", "tagging"];

/// Of these a request names one at most.
const OBJECT_SUBRESOURCES: [&str; 7] =
    ["acl", "attributes", "legal-hold", "retention", "tagging", "uploadId", "uploads"];

/// What listings are asked by.
const LISTINGS: [&str; 15] = [
    "list-type",
    "prefix",
    "delimiter",
    "marker",
    "max-keys",
    "encoding-type",
    "continuation-token",
    "start-after",
    "fetch-owner",
    "versions",
    "key-marker",
    "version-id-marker",
    "uploads",
    "max-uploads",
    "upload-id-marker",
];

/// What is configured of a bucket, beside its versioning.
const CONFIGURED: [&str; 13] = [
    "accelerate",
    "acl",
    "cors",
    "encryption",
    "lifecycle",
    "logging",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "publicAccessBlock",
    "requestPayment",
    "tagging",
];

/// The headers of an answer that its reader may choose.
const OVERRIDES: [&str; 6] = [
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
];

fn query_names(parts: &Parts) -> Vec<String> {
    let query = parts.uri.query().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    pairs.map(name).filter(|name| !name.to_ascii_lowercase().starts_with("x-amz-")).collect()
}

fn query_is_known(method: &Method, level: Level, name: &str) -> bool {
    let known: &[&[&str]] = match (method.as_str(), level) {
        ("GET", Level::Service) => &[&["max-buckets", "prefix", "continuation-token", "bucket-region"]],
        ("GET", Level::Bucket) => &[&LISTINGS, &["location", "policyStatus"], &CONFIGURED, &["versioning"]],
        ("PUT", Level::Bucket) => &[&CONFIGURED, &["versioning"]],
        ("DELETE", Level::Bucket) => {
            &[&["cors", "encryption", "lifecycle", "ownershipControls", "policy", "publicAccessBlock", "tagging"]]
        }
        ("POST", Level::Bucket) => &[&["delete"]],
        ("GET", Level::Object) => &[
            &["versionId", "partNumber", "acl", "attributes", "legal-hold", "retention", "tagging"],
            &["uploadId", "max-parts", "part-number-marker"],
            &OVERRIDES,
        ],
        ("HEAD", Level::Object) => &[&["versionId", "partNumber"], &OVERRIDES],
        ("PUT", Level::Object) => {
            &[&["uploadId", "partNumber", "acl", "legal-hold", "retention", "tagging", "versionId"]]
        }
        ("POST", Level::Object) => &[&["uploads", "uploadId"]],
        ("DELETE", Level::Object) => &[&["versionId", "uploadId", "tagging"]],
        _ => &[],
    };
    name == "x-id" || known.iter().any(|names| names.contains(&name))
}

/// The `x-amz-…` headers that are acted on, or refused by name where they are read.
const HEADERS: &[&str] = &[
    "x-amz-acl",
    "x-amz-api-version",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
    "x-amz-confirm-remove-self-bucket-access",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-if-match-initiated-time",
    "x-amz-max-parts",
    "x-amz-metadata-directive",
    "x-amz-mfa",
    "x-amz-mp-object-size",
    "x-amz-object-attributes",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-part-number-marker",
    "x-amz-request-payer",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-skip-destination-validation",
    "x-amz-source-expected-bucket-owner",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-te",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
];

fn check_header(parts: &Parts, level: Level, name: &HeaderName, is_subresource: bool) -> Result<(), Unfit> {
    let text = name.as_str();
    let at_object = level == Level::Object && !is_subresource;
    let (writes_object, deletes) =
        (parts.method == Method::PUT && at_object, parts.method == Method::DELETE && at_object);
    let completes = parts.method == Method::POST && level == Level::Object;
    let reads_object = (parts.method == Method::GET || parts.method == Method::HEAD) && level == Level::Object;
    let fits = match text {
        "if-match" => reads_object || writes_object || completes || deletes,
        "if-none-match" => reads_object || writes_object || completes,
        "x-amz-if-match-last-modified-time" | "x-amz-if-match-size" => deletes,
        _ if text.starts_with("x-amz-object-lock-") && HEADERS.contains(&text) => writes_object || completes,
        "if-modified-since" | "if-unmodified-since" => reads_object,
        "content-range" => false,
        // The version that the AWS SDK for C++ was made for; there is no other.
        "x-amz-api-version" => parts.headers.get(name).is_some_and(|value| value.as_bytes() == b"2006-03-01"),
        // The AWS SDK for Java 2 says with it that it would also take a digest after the body; it need not get one.
        "x-amz-te" => reads_object,
        // The trailers of other bodies would go unchecked.
        "x-amz-trailer" => parts.method == Method::PUT && level == Level::Object,
        "x-amz-object-ownership" => {
            parts.headers.get(name).is_some_and(|value| value.as_bytes() == b"BucketOwnerEnforced")
        }
        _ if text.starts_with("x-amz-copy-source-") => parts.headers.contains_key("x-amz-copy-source"),
        _ if text.starts_with("x-amz-meta-") || text.starts_with("x-amz-grant-") => true,
        _ if text.starts_with("x-amz-checksum-") => {
            HEADERS.contains(&text) || ChecksumAlgorithm::ALL.iter().any(|algorithm| algorithm.header() == text)
        }
        _ => !text.starts_with("x-amz-") || HEADERS.contains(&text),
    };
    if fits { Ok(()) } else { Err(not_offered(text)) }
}

/// Every checksum that is named must be one that is computed: none is taken unverified.
fn check_checksums(parts: &Parts) -> Result<(), Unfit> {
    let unknown = |name: &str| {
        let name: String = name.chars().take(80).collect();
        (
            "InvalidRequest",
            400,
            format!("`{name}` names no checksum that is offered: CRC32, CRC32C, CRC64NVME, SHA1, SHA256"),
        )
    };
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(trailers) = header("x-amz-trailer") {
        let known = |trailer: &str| {
            ChecksumAlgorithm::ALL.iter().any(|algorithm| algorithm.header().eq_ignore_ascii_case(trailer.trim()))
        };
        if !known(trailers) {
            return Err(unknown(trailers));
        }
    }
    for name in ["x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"] {
        if let Some(value) = header(name)
            && algorithm(value).is_err()
        {
            return Err(unknown(value));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let check = |method: &str, uri: &str, headers: &[(&str, &str)], code: Option<&str>| {
            let found = super::check(&parts(method, uri, headers)).err().map(|(code, ..)| code);
            assert_eq!(found, code, "{method} {uri} {headers:?}");
        };
        let no = Some("NotImplemented");
        check("GET", "/", &[], None);
        check("GET", "/b?list-type=2&prefix=a%2Fb&x-id=ListObjectsV2", &[], None);
        check("DELETE", "/b", &[], None);
        for name in ["logging", "accelerate", "metadataConfiguration", "versions", "foo"] {
            check("DELETE", &format!("/b?{name}"), &[], no);
        }
        for name in ["restore", "torrent", "renameObject", "encryption", "uploads", "versionId=1"] {
            check("PUT", &format!("/b/k?{name}"), &[], no);
        }
        check("PUT", "/b/k?uploadId=1&partNumber=1", &[], None);
        check("PUT", "/b/k?uploadId=1", &[], Some("InvalidArgument"));
        check("PUT", "/b/k?partNumber=1", &[], Some("InvalidArgument"));
        check("PUT", "/b/k/", &[("if-none-match", "*"), ("x-amz-meta-a", "b")], None);
        check("DELETE", "/b/k", &[("if-none-match", "*")], no);
        check("DELETE", "/b/k", &[("if-match", "*"), ("x-amz-if-match-size", "1")], None);
        check("DELETE", "/b/k?uploadId=1", &[("if-match", "*")], no);
        check("PUT", "/b/k", &[("x-amz-if-match-size", "1")], no);
        check("PUT", "/b/k?tagging&versionId=1", &[], None);
        check("PUT", "/b/k?tagging", &[("if-match", "1")], no);
        check("PUT", "/b/k?tagging&uploadId=1&partNumber=1", &[], Some("InvalidArgument"));
        check("PUT", "/b/k", &[("x-amz-foo", "1")], no);
        check("HEAD", "/b", &[("x-amz-api-version", "2006-03-01")], None);
        check("HEAD", "/b", &[("x-amz-api-version", "2030-03-01")], no);
        check("GET", "/b/k", &[("x-amz-te", "append-md5")], None);
        check("PUT", "/b/k", &[("x-amz-te", "append-md5")], no);
        check("PUT", "/b/k", &[("content-md5", "")], Some("InvalidDigest"));
        check("PUT", "/b/k", &[("content-range", "bytes 0-1/2")], no);
        check("PUT", "/b/k", &[("x-amz-copy-source-if-match", "1")], no);
        check("PUT", "/b/k", &[("x-amz-copy-source-if-match", "1"), ("x-amz-copy-source", "a/b")], None);
        check("PUT", "/b/k", &[("x-amz-checksum-sha512", "1")], no);
        check("PUT", "/b/k", &[("x-amz-checksum-sha256", "1")], None);
        check("PUT", "/b/k", &[("x-amz-trailer", "x-amz-checksum-sha512")], Some("InvalidRequest"));
        check("PUT", "/b/k", &[("x-amz-sdk-checksum-algorithm", "BAD")], Some("InvalidRequest"));
        check("POST", "/b", &[("content-type", "Multipart/Form-Data; boundary=x")], no);
        let lock = ("x-amz-object-lock-legal-hold", "ON");
        check("POST", "/b?delete", &[("x-amz-checksum-algorithm", "SHA256")], Some("InvalidRequest"));
        check("POST", "/b?delete", &[("x-amz-checksum-crc32", "AAAAAA==")], None);
        check("POST", "/b?delete", &[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")], None);
        check("PUT", "/b/k", &[lock], Some("InvalidRequest"));
        check("PUT", "/b/k", &[lock, ("x-amz-trailer", "x-amz-checksum-crc32")], None);
        check("PUT", "/b/k", &[lock, ("x-amz-copy-source", "/b/l")], None);
    }
}

//! What is refused, with which code.

use super::*;

const SIGNATURE: &str = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

fn check_claim(target: &str, headers: &[(&str, &str)], code: &str) {
    let result = claim(&head("GET", target, headers));
    let given = match &result {
        Ok(None) => "anonymous",
        Ok(Some(_)) => "claimed",
        Err(error) => {
            assert!((400..=500).contains(&error.status()));
            error.code()
        }
    };
    assert_eq!(given, code, "{target} {headers:?}: {result:?}");
}

#[test]
fn authorization_headers() {
    let scope = format!("{KEY}/20130524/us-east-1/s3/aws4_request");
    let good = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={SIGNATURE}");
    let date = ("x-amz-date", "20130524T000000Z");
    let hash = ("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let malformed = "AuthorizationHeaderMalformed";
    check_claim("/", &[], "anonymous");
    check_claim("/?prefix=Signatures", &[date, hash], "anonymous");
    check_claim("/", &[("authorization", &good), date, hash], "claimed");
    check_claim("/", &[("authorization", &good), hash], "AccessDenied");
    check_claim("/", &[("authorization", &good), ("x-amz-date", "today"), hash], "AccessDenied");
    check_claim("/", &[("authorization", &good), date], "MissingSecurityHeader");
    check_claim("/", &[("authorization", &good), date, date, hash], "InvalidRequest");
    check_claim("/", &[("authorization", &good), date, hash, hash], "InvalidRequest");
    check_claim("/", &[("authorization", &good), ("authorization", &good), date, hash], malformed);
    for wrong in ["STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "", "E3", &"A".repeat(64)] {
        let hash = ("x-amz-content-sha256", wrong);
        check_claim("/", &[("authorization", &good), date, hash], "InvalidArgument");
    }
    let token = ("x-amz-security-token", "t");
    check_claim("/", &[("authorization", &good), date, hash, token], "InvalidToken");
    check_claim("/?X-Amz-Algorithm=a", &[("authorization", &good), date, hash], "InvalidArgument");
    check_claim("/?Signature=a", &[("authorization", &good), date, hash], "InvalidRequest");
    for other in ["AWS AKID:c2ln", "Bearer t", "Basic dTpw", "", "AWS4-ECDSA-P256-SHA256 a=b"] {
        check_claim("/", &[("authorization", other), date, hash], "InvalidRequest");
    }
    let long = "a".repeat(200);
    for (from, to) in [
        (", Signature=", ", Other="),
        ("Signature=", "Signature=0"),
        (SIGNATURE, &SIGNATURE.to_uppercase()),
        ("SignedHeaders=host", "SignedHeaders=Host"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=x-amz-date;host"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=host;host"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=x-amz-date"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders="),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=;host"),
        ("SignedHeaders=host;x-amz-date, ", ""),
        ("SignedHeaders", "Credential"),
        ("aws4_request", "aws5_request"),
        ("aws4_request", "aws4_request/more"),
        ("/s3/", "//"),
        ("/20130524/", "/2013052/"),
        ("/20130524/", "/2013052x/"),
        ("us-east-1", "us east 1"),
        ("us-east-1", long.as_str()),
        (KEY, ""),
        (KEY, long.as_str()),
        (", ", "; "),
    ] {
        assert!(good.contains(from), "{from}");
        check_claim("/", &[("authorization", &good.replace(from, to)), date, hash], malformed);
    }
}

#[test]
fn the_bounds_on_the_authorization_header() {
    let names =
        |count: usize| (0..count).map(|index| format!("a{index:05}")).chain(["host".to_owned()]).collect::<Vec<_>>();
    let with = |names: Vec<String>| {
        format!(
            "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/iam/aws4_request,\
             SignedHeaders={},Signature={SIGNATURE}",
            names.join(";")
        )
    };
    let date = ("x-amz-date", "20130524T000000Z");
    let most = with(names(SIGNED_HEADERS_MAX - 1));
    check_claim("/", &[("authorization", &most), date], "claimed");
    let more = with(names(SIGNED_HEADERS_MAX));
    check_claim("/", &[("authorization", &more), date], "AuthorizationHeaderMalformed");
    let padded = format!("{most:<width$}", width = AUTHORIZATION_BYTES_MAX + 1) + "x";
    check_claim("/", &[("authorization", &padded), date], "AuthorizationHeaderMalformed");
}

#[test]
fn presigned_addresses() {
    let good = format!(
        "/k?X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential={KEY}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host\
         &X-Amz-Signature={SIGNATURE}"
    );
    check_claim(&good, &[], "claimed");
    check_claim(&format!("{good}&x-amz-content-sha256=UNSIGNED-PAYLOAD"), &[], "claimed");
    check_claim(&format!("{good}&X-Amz-Security-Token=t"), &[], "InvalidToken");
    check_claim(&format!("{good}&AWSAccessKeyId=t"), &[], "InvalidRequest");
    check_claim("/?AWSAccessKeyId=A&Signature=b&Expires=1", &[], "InvalidRequest");
    let streaming = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    check_claim(&good, &[streaming], "InvalidRequest");
    for (from, to) in [
        ("Expires=604800", "Expires=604801"),
        ("Expires=604800", "Expires=0"),
        ("Expires=604800", "Expires=-1"),
        ("Expires=604800", "Expires=%2B1"),
        ("Expires=604800", "Expires="),
        ("Expires=604800", "Expires=99999999999999999999"),
        ("&X-Amz-Expires=604800", ""),
        ("&X-Amz-Date=20130524T000000Z", ""),
        ("20130524T000000Z", "20130524T000000"),
        ("20130524T000000Z", "20130532T000000Z"),
        ("20130524T000000Z", "20130524T240000Z"),
        ("20130524T000000Z", "%2B0130524T00000Z"),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""),
        ("Headers=host", "Headers=range"),
        ("Headers=host", "Headers=host%0A"),
        ("us-east-1", "us%0Aeast"),
        ("X-Amz-Date", "X-Amz-Signature"),
        (SIGNATURE, "%FF"),
    ] {
        assert!(good.contains(from), "{from}");
        check_claim(&good.replace(from, to), &[], "AuthorizationQueryParametersError");
    }
    for half in ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"] {
        check_claim(&format!("/?{half}=a"), &[], "AuthorizationQueryParametersError");
    }
    let unsigned = good.split("&X-Amz-Signature").next().unwrap();
    check_claim(unsigned, &[], "AuthorizationQueryParametersError");
}

#[test]
fn freshness() {
    let (parts, _) = signed(SignPayload::Unsigned, &[]);
    let code = |parts: &Parts, seconds: i64| {
        let result = check(parts, EXAMPLE_TIME + Duration::seconds(seconds));
        result.map_or_else(|error| error.code(), |_| "verified")
    };
    for (seconds, outcome) in [
        (-901, "RequestTimeTooSkewed"),
        (-900, "verified"),
        (0, "verified"),
        (900, "verified"),
        (901, "RequestTimeTooSkewed"),
    ] {
        assert_eq!(code(&parts, seconds), outcome, "{seconds}");
    }
    let url = "https://fastness.example/bucket/key?versionId=a%2Fb";
    let life = Duration::seconds(100);
    let url = signer("s3").presign(&http::Method::GET, url, life, EXAMPLE_TIME).unwrap();
    let target = url.strip_prefix("https://fastness.example").unwrap();
    let parts = head("GET", target, &[("host", "fastness.example")]);
    for (seconds, outcome) in [(-901, "AccessDenied"), (-900, "verified"), (100, "verified"), (101, "AccessDenied")] {
        assert_eq!(code(&parts, seconds), outcome, "{seconds}");
    }
    let late = check(&parts, EXAMPLE_TIME + Duration::seconds(101)).unwrap_err();
    assert_eq!(late.to_string(), "request has expired");
    for life in [Duration::ZERO, PRESIGNED_LIFE_MAX + Duration::SECOND] {
        let refused = signer("s3").presign(&http::Method::GET, &url, life, EXAMPLE_TIME);
        assert!(matches!(refused, Err(sign::SignError::Life)));
    }
}

#[test]
fn scope() {
    let (parts, _) = signed(SignPayload::Unsigned, &[]);
    let claim = claim(&parts).unwrap().unwrap();
    let verify = |claim: &Claim, region, services: &[&str]| {
        let expected = Expected { region, services, now: EXAMPLE_TIME };
        claim.verify(&parts, SECRET, &expected, None).map(|_| ()).unwrap_err().code()
    };
    assert_eq!(verify(&claim, "eu-west-1", &SERVICES), "AuthorizationHeaderMalformed");
    assert_eq!(verify(&claim, REGION, &["iam"]), "AuthorizationHeaderMalformed");
    let mut other = claim.clone();
    other.scope.date = "20130523".to_owned();
    assert_eq!(verify(&other, REGION, &SERVICES), "AuthorizationHeaderMalformed");
    other.form = Form::Presigned { expires: Duration::DAY };
    assert_eq!(verify(&other, REGION, &SERVICES), "AuthorizationQueryParametersError");
}

#[test]
fn coverage_and_hosts() {
    let (parts, _) = signed(SignPayload::Unsigned, &[("x-amz-meta-a", "1")]);
    let code = |parts: &Parts| check(parts, EXAMPLE_TIME).unwrap_err().code();
    let mut changed = parts.clone();
    changed.headers.insert("x-amz-acl", "public-read".parse().unwrap());
    assert_eq!(code(&changed), "AccessDenied");
    let mut changed = parts.clone();
    changed.headers.remove("x-amz-meta-a");
    assert_eq!(code(&changed), "SignatureDoesNotMatch");
    let mut changed = parts.clone();
    changed.headers.append("host", "fastness.example".parse().unwrap());
    assert_eq!(code(&changed), "InvalidRequest");
    let mut changed = parts.clone();
    changed.uri = "http://other.example/bucket/key".parse().unwrap();
    assert_eq!(code(&changed), "InvalidRequest");
    // Absolute addresses and HTTP/2, where the authority is the host.
    changed.uri = "http://fastness.example/bucket/key".parse().unwrap();
    check(&changed, EXAMPLE_TIME).unwrap();
    changed.headers.remove("host");
    check(&changed, EXAMPLE_TIME).unwrap();
    // Headers outside the signature that mean nothing to it.
    let mut changed = parts.clone();
    changed.headers.insert("x-amzn-trace-id", "1".parse().unwrap());
    check(&changed, EXAMPLE_TIME).unwrap();
}

#[test]
fn hashes_of_bodies() {
    let mut parts = head("POST", "/", &[("host", "fastness.example")]);
    let now = EXAMPLE_TIME;
    signer("iam").sign(&mut parts, SignPayload::Body(b"Action=A"), now).unwrap();
    let claim_iam = claim(&parts).unwrap().unwrap();
    assert_eq!(claim_iam.payload, PayloadKind::Absent);
    let verify = |hash| claim_iam.verify(&parts, SECRET, &expected(now), hash);
    assert_eq!(verify(None).unwrap_err().code(), "InternalError");
    assert_eq!(verify(Some(key::sha256(b"Action=B"))).unwrap_err(), SignatureError::Mismatch);
    let verified = verify(Some(key::sha256(b"Action=A"))).unwrap();
    assert_eq!(verified.scope().service, "iam");
    let again = drain(verified.body(&parts, pieces(b"Action=B", 3)).unwrap());
    assert!(matches!(again, Err(BodyError::Sha256Mismatch)), "what is read is what was hashed");

    let (parts, _) = signed(SignPayload::Body(b"data"), &[]);
    let claim = claim(&parts).unwrap().unwrap();
    let other = Some(key::sha256(b"date"));
    let error = claim.verify(&parts, SECRET, &expected(now), other).unwrap_err();
    assert_eq!(error.code(), "XAmzContentSHA256Mismatch");
}

#[test]
fn secrets_are_not_printed() {
    let (parts, chunks) = signed(SignPayload::Streaming { decoded_length: 1 }, &[]);
    let verified = check(&parts, EXAMPLE_TIME).unwrap();
    let printed = format!("{verified:?} {chunks:?} {:?}", signer("s3"));
    assert!(!printed.contains(SECRET) && !printed.to_lowercase().contains("secret"), "{printed}");
}

#[test]
fn stripping_keeps_the_rest() {
    let mut parts = head(
        "PUT",
        "/a%20b?X-Amz-Signature=1&x=%2F&x-amz%2Dexpires=2&y",
        &[
            ("content-encoding", "gzip,AWS-Chunked , br"),
            ("x-amz-meta-a", "1"),
            ("x-amz-date", "20130524T000000Z"),
            ("content-length", "99"),
        ],
    );
    strip(&mut parts, None);
    assert_eq!(parts.uri, "/a%20b?x=%2F&y");
    assert_eq!(parts.headers["content-encoding"], "gzip, br");
    assert_eq!(parts.headers["content-length"], "99");
    assert_eq!(parts.headers["x-amz-meta-a"], "1");
    let mut parts = head("GET", "http://h/k?X-Amz-Signature=1", &[]);
    strip(&mut parts, None);
    assert_eq!(parts.uri, "http://h/k");
}

/// Found by the fuzzer: the hash of an earlier signing stayed, and stood for the body.
#[test]
fn a_hash_that_was_there_before_is_not_signed_over() {
    let mut parts = head("POST", "/", &[("host", "h"), ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")]);
    signer("iam").sign(&mut parts, SignPayload::Body(b""), EXAMPLE_TIME).unwrap();
    check(&parts, EXAMPLE_TIME).unwrap();
}

//! The examples that AWS publishes in "Authenticating Requests (AWS Signature Version 4)".

use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HOST: &str = "examplebucket.s3.amazonaws.com";
const DATE_VALUE: &str = "20130524T000000Z";

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed_headers},Signature={signature}"
    )
}

fn check_example(method: &str, target: &str, headers: &[(&str, &str)], signed: &str, value: &str) {
    let authorization = authorization(signed, value);
    let mut all = vec![("host", HOST), ("x-amz-date", DATE_VALUE)];
    all.push(("authorization", &authorization));
    all.extend_from_slice(headers);
    let parts = head(method, target, &all);
    let claim = claim(&parts).unwrap().unwrap();
    assert_eq!(claim.access_key_id, KEY);
    assert_eq!(claim.form, Form::Header);
    assert_eq!(claim.when, EXAMPLE_TIME);
    check(&parts, EXAMPLE_TIME).unwrap();
    let other = claim.verify(&parts, "another secret", &expected(EXAMPLE_TIME), None);
    assert_eq!(other.unwrap_err(), SignatureError::Mismatch);
}

#[test]
fn get_object_with_a_range() {
    check_example(
        "GET",
        "/test.txt",
        &[("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY)],
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
}

#[test]
fn put_object() {
    let hash = hex::encode(key::sha256(b"Welcome to Amazon S3."));
    check_example(
        "PUT",
        "/test%24file.text",
        &[
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", &hash),
        ],
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
}

#[test]
fn get_bucket_lifecycle() {
    check_example(
        "GET",
        "/?lifecycle",
        &[("x-amz-content-sha256", EMPTY)],
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
}

#[test]
fn list_objects() {
    check_example(
        "GET",
        "/?max-keys=2&prefix=J",
        &[("x-amz-content-sha256", EMPTY)],
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
}

#[test]
fn presigned_address() {
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let parts = head("GET", target, &[("host", HOST)]);
    let claim = claim(&parts).unwrap().unwrap();
    assert_eq!(claim.form, Form::Presigned { expires: Duration::DAY });
    assert_eq!(claim.payload, PayloadKind::Unsigned);
    check(&parts, EXAMPLE_TIME + Duration::DAY).unwrap();

    let url = format!("https://{HOST}/test.txt");
    let ours = signer("s3").presign(&http::Method::GET, &url, Duration::DAY, EXAMPLE_TIME).unwrap();
    assert_eq!(ours, format!("https://{HOST}{target}"));
}

/// The 65 KiB upload in chunks of 64 KiB, as published.
fn chunked_body(signatures: [&str; 3], trailer: &str) -> Vec<u8> {
    let [first, second, last] = signatures;
    let mut body = format!("10000;chunk-signature={first}\r\n").into_bytes();
    body.extend_from_slice(&[b'a'; 65536]);
    body.extend_from_slice(format!("\r\n400;chunk-signature={second}\r\n").as_bytes());
    body.extend_from_slice(&[b'a'; 1024]);
    body.extend_from_slice(format!("\r\n0;chunk-signature={last}\r\n{trailer}\r\n").as_bytes());
    body
}

#[test]
fn upload_in_signed_chunks() {
    let authorization = authorization(
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
         x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    let parts = head(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", DATE_VALUE),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("authorization", &authorization),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("content-length", "66824"),
        ],
    );
    let body = chunked_body(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        "",
    );
    for piece in [1, 100, 8192, body.len()] {
        assert_eq!(receive(&parts, &body, piece).unwrap(), vec![b'a'; 66560]);
    }
}

#[test]
fn upload_in_signed_chunks_with_a_trailer() {
    let mut parts = head(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[("host", "s3.amazonaws.com"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
    );
    let payload = SignPayload::StreamingTrailer { decoded_length: 66560, trailer: "x-amz-checksum-crc32c" };
    let mut chunks = signer("s3").sign(&mut parts, payload, EXAMPLE_TIME).unwrap();
    let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let authorization = parts.headers["authorization"].to_str().unwrap();
    assert!(authorization.ends_with(seed), "our signer makes the published seed");

    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let checksum = "x-amz-checksum-crc32c:sOO8/Q==";
    let signature = "x-amz-trailer-signature:\
        d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    let body = chunked_body(signatures, &format!("{checksum}\r\n{signature}\r\n"));

    let mut ours = Vec::new();
    chunks.chunk(&[b'a'; 65536], &mut ours);
    chunks.chunk(&[b'a'; 1024], &mut ours);
    chunks.finish(Some(("x-amz-checksum-crc32c", "sOO8/Q==")), &mut ours);
    assert!(ours == body, "our signer makes the published chunks");

    // The second spelling is that of a Go client.
    let other = chunked_body(signatures, &format!("{checksum}\n\r\n{signature}\r\n"));
    for body in [body, other] {
        let verified = check(&parts, EXAMPLE_TIME).unwrap();
        let stream = verified.body(&parts, pieces(&body, 1000)).unwrap();
        assert_eq!(stream.decoded_length(), Some(66560));
        let trailers = stream.trailers();
        assert_eq!(trailers.get("x-amz-checksum-crc32c"), None, "not before the end");
        assert_eq!(drain(stream).unwrap().len(), 66560);
        assert_eq!(trailers.get("x-amz-checksum-crc32c").as_deref(), Some("sOO8/Q=="));
        assert_eq!(trailers.get("x-amz-trailer-signature"), None);
    }
}

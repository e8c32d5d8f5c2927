"""AWS signature version 4 over bare sockets: what is right passes, what is not is refused with AWS's code and changes nothing."""

import hashlib

import pytest

from cloud import get, keys, put
from wire import (
    EMPTY, STREAM_SIGNED, STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER, UNSIGNED, crc32, crc32c, pattern_chunks, sha256, utc,
)

fastness = pytest.mark.fastness


@pytest.fixture
def wire(cloud):
    w = cloud.wire("secret-analyst")
    yield w
    w.close()


@pytest.fixture
def path(s3, bucket):
    """An object `k` that must be the same after every refusal."""
    put(s3, bucket, "k", b"before")
    yield f"/{bucket}/k"
    assert get(s3, bucket, "k") == b"before"
    assert keys(s3, bucket) == ["k"]


def assert_refused(answer, status, *codes):
    assert answer.status == status and answer.code in codes, f"{answer} (expected {status} {codes})"


# ---------------------------------------------------------------- what is right


def test_signed_requests_pass(wire, bucket):
    for payload in (None, UNSIGNED):
        assert wire.request("PUT", f"/{bucket}/a b/ü+c", body=b"hello", payload=payload).status == 200
        answer = wire.request("GET", f"/{bucket}/a b/ü+c")
        assert (answer.status, answer.body) == (200, b"hello")


def test_small_clock_differences_pass(wire, path):
    for offset in (-600, 600):
        assert wire.request("GET", path, signature=wire.signature(moment=utc(offset))).status == 200


def test_several_requests_on_one_connection(wire, path):
    for n in range(20):
        assert wire.request("GET", path).status == 200
        assert wire.request("GET", path + "-none").status == 404
        assert wire.request("HEAD", path).status == 200


def test_presigned_passes(wire, path):
    assert wire.send("GET", wire.presign("GET", path, 60), {}).body == b"before"
    assert wire.send("GET", wire.presign("GET", path, 7 * 24 * 3600), {}).body == b"before"


# ---------------------------------------------------------------- who


def test_anonymous(wire, path):
    assert_refused(wire.send("GET", path, {}), 403, "AccessDenied")
    assert_refused(wire.send("PUT", path, {}, b"x"), 403, "AccessDenied")
    assert_refused(wire.send("DELETE", path, {}), 403, "AccessDenied")
    assert_refused(wire.send("GET", "/", {}), 403, "AccessDenied")


def test_unknown_key(wire, path):
    answer = wire.request("GET", path, signature=wire.signature(access="AKIAIOSFODNN7EXAMPLE"))
    assert_refused(answer, 403, "InvalidAccessKeyId")


def test_wrong_secret(wire, path):
    answer = wire.request("GET", path, signature=wire.signature(secret="x" + wire.secret[1:]))
    assert_refused(answer, 403, "SignatureDoesNotMatch")
    answer = wire.request("PUT", path, body=b"evil", signature=wire.signature(secret="x" + wire.secret[1:]))
    assert_refused(answer, 403, "SignatureDoesNotMatch")


def test_the_answer_never_helps(wire, path):
    """No refusal carries the right signature or the secret."""
    wrong = wire.request("GET", path, signature=wire.signature(secret="wrong"))
    assert wire.secret.encode() not in wrong.body


@fastness
def test_session_token_that_nobody_gave(wire, path):
    answer = wire.request("GET", path, headers={"x-amz-security-token": "made-up"})
    assert 400 <= answer.status < 404 and answer.code in ("InvalidToken", "AccessDenied", "InvalidClientTokenId"), answer


# ---------------------------------------------------------------- when


@pytest.mark.parametrize("offset", [-16 * 60 - 5, 16 * 60 + 5, -24 * 3600, 400 * 24 * 3600])
def test_stale(wire, path, offset):
    signature = wire.signature(moment=utc(offset))
    assert_refused(wire.request("GET", path, signature=signature), 403, "RequestTimeTooSkewed")
    assert_refused(wire.request("PUT", path, body=b"evil", signature=signature), 403, "RequestTimeTooSkewed")


@fastness
def test_date_missing_or_malformed(wire, path):
    for answer in (
        wire.request("GET", path, drop=("x-amz-date",), not_signed=("x-amz-date",)),
        wire.request("GET", path, headers={"x-amz-date": "yesterday"}),
    ):
        assert answer.status in (400, 403) and answer.code, answer


@fastness
def test_scope_of_another_day(wire, path):
    answer = wire.request("GET", path, signature=wire.signature(scope_date="20200101"))
    assert answer.status in (400, 403) and answer.code in (
        "AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "AccessDenied", "RequestTimeTooSkewed"), answer


# ---------------------------------------------------------------- what for


@fastness
@pytest.mark.parametrize("changes", [
    {"region": "us-gov-west-1"}, {"region": "us-east-1"}, {"region": ""}, {"terminator": "aws5_request"}, {"service": "glacier"},
])
def test_wrong_scope(wire, path, changes):
    answer = wire.request("GET", path, signature=wire.signature(**changes))
    assert_refused(answer, 400, "AuthorizationHeaderMalformed")


@fastness
def test_a_signature_for_iam_opens_no_object(wire, path):
    """The service is part of the signature: one made for IAM or STS is none for S3."""
    for service in ("iam", "sts"):
        answer = wire.request("GET", path, signature=wire.signature(service=service))
        assert 400 <= answer.status < 500 and b"before" not in answer.body, answer


def test_signature_of_another_request(wire, path):
    """Method, path, query and each signed header are under the signature."""
    for method, target in (("DELETE", path), ("GET", path + "2"), ("GET", path + "?versionId=null"), ("HEAD", path)):
        signature = wire.signature()
        headers = {"host": wire.netloc, "x-amz-date": signature.moment.strftime("%Y%m%dT%H%M%SZ"), "x-amz-content-sha256": EMPTY}
        names, value = signature.request("GET", path, "", headers, EMPTY)
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signature.access}/{signature.scope}, SignedHeaders={names}, Signature={value}"
        )
        answer = wire.send(method, target, headers)
        assert answer.status == 403 and (method == "HEAD" or answer.code == "SignatureDoesNotMatch"), (method, target, answer)


@fastness
def test_header_that_is_not_signed(wire, path):
    """x-amz-* headers and the host must be signed, or someone on the way could add them."""
    for answer in (
        wire.request("PUT", path, body=b"evil", unsigned={"x-amz-meta-colour": "red"}),
        wire.request("PUT", path + "2", unsigned={"x-amz-copy-source": path}),
        wire.request("GET", path, not_signed=("host",)),
    ):
        assert answer.status in (400, 403) and answer.code in ("AccessDenied", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed"), answer


def test_header_that_is_signed_but_not_sent(wire, path):
    answer = wire.request("GET", path, headers={"x-amz-meta-colour": "red"}, drop=("x-amz-meta-colour",))
    assert answer.status in (400, 403), answer


@fastness
@pytest.mark.parametrize("value", [
    "", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=", "Basic dXNlcjpwYXNz", "AWS AKIAEXAMPLE:c2ln",
    "AWS4-HMAC-SHA256 Credential=a/b/c/d, SignedHeaders=host, Signature=00",
    "AWS4-HMAC-SHA256 Credential=A/20200101/us-isob-east-1/s3/aws4_request, SignedHeaders=host, Signature=zz",
    "AWS4-HMAC-SHA1 Credential=A/20200101/us-isob-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
])
def test_malformed_authorization(wire, path, value):
    answer = wire.send("GET", path, {"Authorization": value, "x-amz-date": utc().strftime("%Y%m%dT%H%M%SZ"), "x-amz-content-sha256": EMPTY})
    assert answer.status in (400, 403) and answer.code, answer


@fastness
def test_two_signatures_at_once(wire, path):
    url = wire.presign("GET", path, 60)
    answer = wire.send("GET", url, {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0"})
    assert answer.status in (400, 403), answer


# ---------------------------------------------------------------- presigned


@fastness
@pytest.mark.parametrize("expires", [7 * 24 * 3600 + 1, 0, -1, "soon", ""])
def test_presigned_with_a_bad_expiry(wire, path, expires):
    answer = wire.send("GET", wire.presign("GET", path, expires), {})
    assert answer.status in (400, 403) and answer.code in ("AuthorizationQueryParametersError", "AccessDenied"), answer
    if expires == 7 * 24 * 3600 + 1:
        assert_refused(answer, 400, "AuthorizationQueryParametersError")


def test_presigned_expired(wire, path):
    url = wire.presign("GET", path, 60, signature=wire.signature(moment=utc(-120)))
    assert_refused(wire.send("GET", url, {}), 403, "AccessDenied")


@fastness
def test_presigned_from_the_future(wire, path):
    url = wire.presign("GET", path, 60, signature=wire.signature(moment=utc(3600)))
    answer = wire.send("GET", url, {})
    assert answer.status == 403 and answer.code in ("AccessDenied", "RequestTimeTooSkewed"), answer


def test_presigned_tampered(wire, path):
    url = wire.presign("GET", path, 60)
    for method, target in (
        ("PUT", url), ("DELETE", url), ("GET", url.replace("/k?", "/k2?")), ("GET", url[:-1] + ("0" if url[-1] != "0" else "1")),
        ("GET", url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")), ("GET", url + "&versionId=null"),
    ):
        answer = wire.send(method, target, {})
        assert answer.status == 403, (method, target, answer)


@fastness
def test_presigned_parameter_twice_or_missing(wire, path):
    url = wire.presign("GET", path, 60)
    for target in (url + "&X-Amz-Expires=600", url.replace("&X-Amz-Expires=60", ""), url.split("&X-Amz-Signature")[0],
                   url.replace("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "")):
        answer = wire.send("GET", target, {})
        assert answer.status in (400, 403), (target, answer)


# ---------------------------------------------------------------- bodies


def test_body_that_is_not_the_signed_one(wire, path):
    answer = wire.request("PUT", path, body=b"evil", payload=hashlib.sha256(b"good").hexdigest())
    assert_refused(answer, 400, "XAmzContentSHA256Mismatch")
    big = b"x" * 500_000
    answer = wire.request("PUT", path, body=big, payload=hashlib.sha256(big + b"y").hexdigest())
    assert_refused(answer, 400, "XAmzContentSHA256Mismatch")


@fastness
def test_payload_header_missing_or_nonsense(wire, path):
    for answer in (
        wire.request("PUT", path, body=b"evil", not_signed=("x-amz-content-sha256",), drop=("x-amz-content-sha256",)),
        wire.request("PUT", path, body=b"evil", payload="nonsense"),
        wire.request("PUT", path, body=b"evil", payload="STREAMING-SOMETHING-ELSE"),
    ):
        assert answer.status in (400, 403, 501) and answer.code, answer


@pytest.mark.parametrize("sizes", [[0], [5], [8192, 8192, 5], [65536] * 4 + [1], [1 << 20, 1 << 20, 77]])
def test_signed_chunks(wire, s3, bucket, sizes):
    chunks = pattern_chunks(sizes)
    answer = wire.put_chunked(f"/{bucket}/k", [c for c in chunks if c])
    assert answer.status == 200, answer
    assert get(s3, bucket, "k") == b"".join(chunks)
    assert s3.head_object(Bucket=bucket, Key="k").get("ContentEncoding", "") in ("", "aws-chunked")


@fastness
def test_chunked_content_encoding_is_not_kept(wire, s3, bucket):
    for sent, kept in (("aws-chunked", ""), ("gzip,aws-chunked", "gzip"), ("aws-chunked, gzip", "gzip")):
        assert wire.put_chunked(f"/{bucket}/k", [b"abc"], headers={"Content-Encoding": sent}).status == 200
        assert s3.head_object(Bucket=bucket, Key="k").get("ContentEncoding", "") == kept


@pytest.mark.parametrize("sizes", [[5], [8192, 8192, 5], [1 << 20, 77]])
@pytest.mark.parametrize("kind", [STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER])
@pytest.mark.parametrize("header,compute", [("x-amz-checksum-crc32", crc32), ("x-amz-checksum-sha256", sha256), ("x-amz-checksum-crc32c", crc32c)])
def test_trailer(wire, s3, bucket, sizes, kind, header, compute):
    chunks = pattern_chunks(sizes)
    body = b"".join(chunks)
    answer = wire.put_chunked(f"/{bucket}/k", chunks, kind, (header, compute(body)))
    assert answer.status == 200, answer
    assert get(s3, bucket, "k") == body


@pytest.mark.parametrize("kind", [STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER])
@pytest.mark.parametrize("size", [10, 300_000])
def test_trailer_with_a_wrong_checksum(wire, path, kind, size):
    chunks = pattern_chunks([size])
    answer = wire.put_chunked(path, chunks, kind, ("x-amz-checksum-crc32", crc32(b"other")))
    assert_refused(answer, 400, "BadDigest", "XAmzContentChecksumMismatch")


@fastness
def test_trailer_announced_but_not_sent(wire, path):
    def without(body):
        start = body.index(b"x-amz-checksum-crc32:")
        return body[:start] + b"\r\n"

    for kind in (STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER):
        answer = wire.put_chunked(path, [b"abcdef"], kind, ("x-amz-checksum-crc32", crc32(b"abcdef")), tamper=without)
        assert answer.status in (400, 403) and answer.code, (kind, answer)


@pytest.mark.parametrize("what", ["data", "signature", "order"])
def test_signed_chunks_tampered(wire, path, what):
    chunks = [b"a" * 8192, b"b" * 8192, b"c" * 100]

    def tamper(body):
        if what == "data":
            return body.replace(b"bbbb", b"bbbX", 1)
        if what == "signature":
            at = body.index(b"chunk-signature=", 5000) + 20
            return body[:at] + (b"0" if body[at : at + 1] != b"0" else b"1") + body[at + 1 :]
        first = body.index(b"\r\n", body.index(b"\r\n") + 2) + 2
        return body[first : 2 * first] + body[:first] + body[2 * first :]

    answer = wire.put_chunked(path, chunks, tamper=tamper)
    assert answer.status in (400, 403) and answer.code in ("SignatureDoesNotMatch", "InvalidRequest", "IncompleteBody"), answer
    if what != "order":
        assert_refused(answer, 403, "SignatureDoesNotMatch")


@fastness
def test_trailer_signature_tampered(wire, path):
    def tamper(body):
        at = body.index(b"x-amz-trailer-signature:") + 30
        return body[:at] + (b"0" if body[at : at + 1] != b"0" else b"1") + body[at + 1 :]

    answer = wire.put_chunked(path, [b"abc"], STREAM_SIGNED_TRAILER, ("x-amz-checksum-crc32", crc32(b"abc")), tamper=tamper)
    assert_refused(answer, 403, "SignatureDoesNotMatch")


@fastness
def test_chunks_that_end_early(wire, path):
    """The last (empty, signed) chunk is what says that the body is whole."""

    def cut_last(body):
        return body[: body.rindex(b"0;chunk-signature=")]

    answer = wire.put_chunked(path, [b"a" * 8192, b"b" * 100], tamper=cut_last)
    assert answer.status in (400, 403) and answer.code, answer


@fastness
@pytest.mark.parametrize("decoded", [50, 150])
def test_decoded_length_that_is_not_the_length(wire, path, decoded):
    answer = wire.put_chunked(path, [b"a" * 100], decoded=decoded)
    assert answer.status in (400, 403) and answer.code, answer


@fastness
@pytest.mark.parametrize("junk", [b"zzzz\r\n", b"ffffffffffffffffff;chunk-signature=0\r\n", b"5\r\nabc", b"\r\n\r\n"])
def test_chunks_that_are_junk(wire, path, junk):
    answer = wire.put_chunked(path, [b"abc"], tamper=lambda _: junk)
    assert answer.status in (400, 403) and answer.code, answer
    assert wire.request("GET", path).body == b"before"


@pytest.mark.parametrize("kind", [STREAM_SIGNED, STREAM_UNSIGNED_TRAILER])
def test_chunks_cut_off(wire, path, kind):
    trailer = None if kind == STREAM_SIGNED else ("x-amz-checksum-crc32", crc32(b"a" * 300_000))
    answer = wire.put_chunked(path, [b"a" * 100_000] * 3, kind, trailer, cut=50_000)
    assert answer is None or answer.status >= 400, answer


# ---------------------------------------------------------------- IAM and STS


@fastness
@pytest.mark.parametrize("service,action,version", [("iam", "GetUser", "2010-05-08"), ("sts", "GetCallerIdentity", "2011-06-15")])
def test_query_protocols(cloud, service, action, version):
    wire = cloud.wire("secret-admin", service)
    assert wire.query_api(action, version=version).status == 200
    bad = wire.query_api(action, version=version, signature=wire.signature(access="AKIAIOSFODNN7EXAMPLE"))
    assert_refused(bad, 403, "InvalidClientTokenId")
    bad = wire.query_api(action, version=version, signature=wire.signature(secret="wrong"))
    assert_refused(bad, 403, "SignatureDoesNotMatch")
    bad = wire.query_api(action, version=version, signature=wire.signature(moment=utc(-3600)))
    assert_refused(bad, 403, "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed")
    bad = wire.query_api(action, version=version, signature=wire.signature(region="us-gov-west-1"))
    assert bad.status in (400, 403), bad
    bad = wire.send("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, f"Action={action}&Version={version}".encode())
    assert bad.status in (400, 403), bad
    bad = wire.query_api("MakeCoffee", version=version)
    assert bad.status == 400 and bad.code in ("InvalidAction", "UnknownOperationException"), bad
    bad = wire.query_api(action, {"Note": "x"}, version=version, payload=hashlib.sha256(b"other").hexdigest())
    assert bad.status in (400, 403), bad


def test_nonsense_over_http(cloud):
    """Whatever comes, the server answers something below 500 or closes, and lives."""
    import socket

    wire = cloud.wire("secret-analyst")
    host, port = wire.netloc.split(":")
    for junk in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2000 + b"\r\n", b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                 b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=10) as s:
            try:
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
                first = s.recv(4096)
            except OSError:
                first = b""
            assert not first or (first.startswith(b"HTTP/1.") and first[9:12] == b"505" or first[9:10] == b"4"), (junk[:40], first[:100])
    assert wire.request("GET", "/").status == 200

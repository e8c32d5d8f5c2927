"""Requests, corner by corner: conditions and their order, ranges, metadata, headers, bodies and names that make no sense."""

import hashlib
import urllib.error
import urllib.request
from base64 import b64encode
from datetime import datetime, timedelta, timezone

import pytest

from cloud import get, keys, pattern, put, refused
from wire import UNSIGNED, crc32, stamp

NOW = datetime.now(timezone.utc)
PAST, FUTURE = NOW - timedelta(days=2), NOW + timedelta(days=2)


@pytest.fixture
def wire(cloud):
    return cloud.wire("secret-analyst")


def md5(body):
    return b64encode(hashlib.md5(body).digest()).decode()


# ---------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    "conditions,status",
    [
        ({"IfMatch": "TAG"}, 200),
        ({"IfMatch": "*"}, 200),
        ({"IfMatch": '"no"'}, 412),
        ({"IfNoneMatch": "TAG"}, 304),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfNoneMatch": '"no"'}, 200),
        ({"IfModifiedSince": PAST}, 200),
        ({"IfUnmodifiedSince": PAST}, 412),
        ({"IfUnmodifiedSince": FUTURE}, 200),
        # RFC 9110, section 13.2.2, and S3's own words: an ETag counts before a date.
        ({"IfMatch": "TAG", "IfUnmodifiedSince": PAST}, 200),
        ({"IfMatch": '"no"', "IfUnmodifiedSince": FUTURE}, 412),
        ({"IfNoneMatch": "TAG", "IfModifiedSince": PAST}, 304),
        ({"IfNoneMatch": '"no"', "IfModifiedSince": FUTURE}, 200),
        ({"IfMatch": '"no"', "IfNoneMatch": "TAG"}, 412),
        ({"IfMatch": "TAG", "IfNoneMatch": "TAG"}, 304),
    ],
)
def test_conditions_of_reads(s3, bucket, conditions, status):
    tag = put(s3, bucket, "k", b"abc")["ETag"]
    conditions = {k: tag if v == "TAG" else v for k, v in conditions.items()}
    for call in (s3.get_object, s3.head_object):
        if status == 200:
            assert call(Bucket=bucket, Key="k", **conditions)["ETag"] == tag
        else:
            with refused({"PreconditionFailed", "412", "304", "NotModified"}, status):
                call(Bucket=bucket, Key="k", **conditions)


def test_what_304_carries(wire, s3, bucket):
    tag = put(s3, bucket, "k", b"abc")["ETag"]
    for method in ("GET", "HEAD"):
        answer = wire.request(method, f"/{bucket}/k", None, {"If-None-Match": tag})
        assert (answer.status, answer.body, answer.header("etag")) == (304, b"", tag)
        assert answer.header("content-length") in (None, "0") or method == "HEAD"
        for condition in ({"If-None-Match": "*"}, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}):
            answer = wire.request(method, f"/{bucket}/k", None, condition)
            assert (answer.status, answer.body, answer.header("etag")) == (304, b"", tag)
    # Without quotes, as many send it.
    assert wire.request("GET", f"/{bucket}/k", None, {"If-None-Match": tag.strip('"')}).status == 304
    assert wire.request("GET", f"/{bucket}/k", None, {"If-Match": tag.strip('"')}).status == 200


def test_dates_that_are_none_are_passed_over(wire, s3, bucket):
    put(s3, bucket, "k", b"abc")
    for header in ("If-Modified-Since", "If-Unmodified-Since"):
        answer = wire.request("GET", f"/{bucket}/k", None, {header: "yesterday"})
        assert (answer.status, answer.body) == (200, b"abc"), (header, answer)


def test_conditions_of_writes(s3, bucket):
    with refused("NoSuchKey", 404):
        put(s3, bucket, "k", b"x", IfMatch='"0"')
    with refused("NoSuchKey", 404):
        put(s3, bucket, "k", b"x", IfMatch="*")
    tag = put(s3, bucket, "k", b"x", IfNoneMatch="*")["ETag"]
    put(s3, bucket, "k", b"y", IfMatch=tag)
    with refused("PreconditionFailed", 412):
        put(s3, bucket, "k", b"z", IfMatch=tag)
    s3.delete_object(Bucket=bucket, Key="k")
    put(s3, bucket, "k", b"again", IfNoneMatch="*")
    assert get(s3, bucket, "k") == b"again"


@pytest.mark.parametrize(
    "conditions,status",
    [
        ({"CopySourceIfMatch": "TAG"}, 200),
        ({"CopySourceIfMatch": '"no"'}, 412),
        ({"CopySourceIfNoneMatch": "TAG"}, 412),
        ({"CopySourceIfNoneMatch": '"no"'}, 200),
        ({"CopySourceIfModifiedSince": PAST}, 200),
        ({"CopySourceIfUnmodifiedSince": PAST}, 412),
        ({"CopySourceIfMatch": "TAG", "CopySourceIfUnmodifiedSince": PAST}, 200),
        ({"CopySourceIfNoneMatch": "TAG", "CopySourceIfModifiedSince": PAST}, 412),
    ],
)
def test_conditions_of_copies(s3, bucket, conditions, status):
    tag = put(s3, bucket, "k", b"abc")["ETag"]
    conditions = {k: tag if v == "TAG" else v for k, v in conditions.items()}
    copy = lambda: s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/k", **conditions)
    if status == 200:
        copy()
    else:
        with refused("PreconditionFailed", status):
            copy()
    assert ("to" in keys(s3, bucket)) == (status == 200)


# ---------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    "header,status,body",
    [
        ("bytes=0-0", 206, b"0"), ("bytes=9-9", 206, b"9"), ("bytes=4-", 206, b"456789"), ("bytes=-1", 206, b"9"),
        ("bytes=-10", 206, b"0123456789"), ("bytes=-11", 206, b"0123456789"), ("bytes=9-100", 206, b"9"),
        ("bytes=10-10", 416, None), ("bytes=100-200", 416, None), ("bytes=-0", 416, None),
        ("bytes=0-1,3-4", 200, b"0123456789"), ("bytes=", 200, b"0123456789"), ("byte=0-1", 200, b"0123456789"), ("0-1", 200, b"0123456789"),
    ],
)
def test_ranges(wire, s3, bucket, header, status, body):
    put(s3, bucket, "k", b"0123456789")
    answer = wire.request("GET", f"/{bucket}/k", None, {"Range": header})
    assert answer.status == status, answer
    assert answer.header("accept-ranges") == "bytes" or status == 416
    if status == 416:
        assert answer.code == "InvalidRange"
    else:
        assert answer.body == body


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_ranges_of_nothing(s3, bucket, header):
    put(s3, bucket, "k", b"")
    with refused("InvalidRange", 416):
        s3.get_object(Bucket=bucket, Key="k", Range=header)


def test_ranges_with_conditions(s3, bucket):
    tag = put(s3, bucket, "k", b"0123456789")["ETag"]
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-3", IfMatch=tag)["Body"].read() == b"23"
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-3", IfMatch='"no"')
    with refused({"304", "NotModified"}, 304):
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-3", IfNoneMatch=tag)


# ---------------------------------------------------------------- metadata and headers


def test_metadata_as_it_was_sent(s3, wire, bucket):
    sent = {"empty": "", "spaces": "a  b", "encoded": "=?UTF-8?B?w7xuw69jw7Zkw6k=?=", "UPPER": "Kept", "long": "x" * 1800}
    put(s3, bucket, "k", b"", Metadata=sent)
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {k.lower(): v for k, v in sent.items()}
    put(s3, bucket, "k", b"", Metadata={})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {}
    # Two kilobytes of names and values, and not one more.
    put(s3, bucket, "k", b"", Metadata={"n": "x" * 2047})
    with refused("MetadataTooLarge", 400):
        put(s3, bucket, "k", b"", Metadata={"n": "x" * 2048})


def test_metadata_in_other_characters(s3, wire, bucket):
    """Bytes that are no ASCII are either refused, or come back in a form that says what they were (RFC 2047)."""
    answer = wire.request("PUT", f"/{bucket}/k", None, {"x-amz-meta-a": "ünï".encode().decode("latin-1")}, b"x")
    if answer.status == 200:
        assert wire.request("HEAD", f"/{bucket}/k").header("x-amz-meta-a") == "=?UTF-8?B?" + b64encode("ünï".encode()).decode() + "?="
    else:
        assert 400 <= answer.status < 500 and answer.code and keys(s3, bucket) == []


def test_the_coding_of_chunks_is_not_kept(s3, bucket, tmp_path):
    """aws-chunked is how a body came, no property of the object; what stands beside it is."""
    (tmp_path / "f").write_bytes(pattern(100_000))
    for sent, kept in (({"ContentEncoding": "gzip"}, "gzip"), ({}, None)):
        with open(tmp_path / "f", "rb") as f:
            put(s3, bucket, "k", f, ChecksumAlgorithm="CRC32", **sent)
        assert s3.head_object(Bucket=bucket, Key="k").get("ContentEncoding") == kept


def test_metadata_of_a_copy(s3, bucket):
    put(s3, bucket, "k", b"x", Metadata={"a": "1"}, ContentType="x/y", CacheControl="no-cache", ContentLanguage="de")
    copy = lambda to, **more: s3.copy_object(Bucket=bucket, Key=to, CopySource=f"{bucket}/k", **more)
    copy("kept", Metadata={"ignored": "1"}, ContentType="x/z")  # without REPLACE what is sent counts for nothing
    head = s3.head_object(Bucket=bucket, Key="kept")
    assert (head["Metadata"], head["ContentType"], head["CacheControl"]) == ({"a": "1"}, "x/y", "no-cache")
    copy("replaced", MetadataDirective="REPLACE")
    head = s3.head_object(Bucket=bucket, Key="replaced")
    assert (head["Metadata"], head["ContentType"]) == ({}, "binary/octet-stream") and "CacheControl" not in head
    with refused("InvalidArgument", 400):
        copy("none", MetadataDirective="MERGE")
    assert keys(s3, bucket) == ["k", "kept", "replaced"]


def test_sources_of_copies_as_clients_write_them(s3, wire, bucket):
    put(s3, bucket, "a b/ü+c%20", b"x")
    for source in (f"/{bucket}/a%20b/%C3%BC%2Bc%2520", f"{bucket}/a%20b/%C3%BC%2Bc%2520", f"{bucket}%2Fa%20b%2F%C3%BC%2Bc%2520"):
        answer = wire.request("PUT", f"/{bucket}/to", None, {"x-amz-copy-source": source})
        assert answer.status == 200 and b"<CopyObjectResult" in answer.body, (source, answer)
    for source in ("", "/", bucket, f"{bucket}/", "no slash"):
        answer = wire.request("PUT", f"/{bucket}/to2", None, {"x-amz-copy-source": source})
        assert answer.status in (400, 404) and answer.code, (source, answer)
    assert keys(s3, bucket) == ["a b/ü+c%20", "to"]


def test_overrides_of_an_answer(cloud, s3, bucket):
    put(s3, bucket, "k", b"x")
    overrides = {
        "ResponseCacheControl": "no-cache", "ResponseContentDisposition": "attachment; filename=a", "ResponseContentEncoding": "aaa",
        "ResponseContentLanguage": "esperanto", "ResponseContentType": "foo/bar", "ResponseExpires": "Mon, 03 Feb 2031 04:05:06 GMT",
    }
    url = cloud.s3("secret-analyst", signature_version="s3v4").generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k", **overrides})
    with urllib.request.urlopen(url, timeout=30) as answer:
        for name, value in overrides.items():
            header = "".join("-" + c if c.isupper() else c for c in name.removeprefix("Response")).strip("-")
            assert answer.headers[header] == value, header


def test_what_every_answer_carries(wire, s3, bucket):
    put(s3, bucket, "k", b"x")
    answers = [wire.request("GET", f"/{bucket}/k"), wire.request("GET", f"/{bucket}/none"), wire.request("GET", f"/{bucket}", {"list-type": "2"})]
    ids = [a.header("x-amz-request-id") for a in answers]
    assert all(ids) and len(set(ids)) == 3
    assert f"<RequestId>{ids[1]}</RequestId>".encode() in answers[1].body
    assert all(a.header("date") for a in answers) and answers[2].header("content-type") == "application/xml"
    assert answers[0].header("last-modified").endswith(" GMT") and answers[0].header("content-type") == "binary/octet-stream"


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize("value,code", [("", "InvalidDigest"), ("garbage", "InvalidDigest"), ("YWJyYWNhZGFicmE=", "InvalidDigest"), (md5(b"other"), "BadDigest")])
def test_digests(wire, s3, bucket, value, code):
    answer = wire.request("PUT", f"/{bucket}/k", None, {"Content-MD5": value}, b"body")
    assert (answer.status, answer.code) == (400, code), answer
    assert keys(s3, bucket) == []


def test_a_body_that_is_not_the_signed_one(wire, s3, bucket):
    answer = wire.request("PUT", f"/{bucket}/k", None, None, b"body", payload=hashlib.sha256(b"other").hexdigest())
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch"), answer
    for payload in ("garbage", "STREAMING-SOMETHING"):
        answer = wire.request("PUT", f"/{bucket}/k", None, None, b"body", payload=payload)
        assert answer.status in (400, 501) and answer.code, (payload, answer)
    assert keys(s3, bucket) == []


def test_two_checksums_at_once(wire, s3, bucket):
    headers = {"x-amz-checksum-crc32": crc32(b"body"), "x-amz-checksum-sha256": b64encode(hashlib.sha256(b"body").digest()).decode()}
    answer = wire.request("PUT", f"/{bucket}/k", None, headers, b"body")
    assert (answer.status, answer.code) == (400, "InvalidRequest") and keys(s3, bucket) == []


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("path", ["%AE%8A-", "%FF", "a%C3"])
def test_keys_that_are_no_text(wire, s3, bucket, path):
    """S3's keys are UTF-8. These bytes are sent as they are, so that no client mends them."""
    signature = wire.signature()
    headers = {"Host": wire.netloc, "x-amz-date": stamp(signature.moment), "x-amz-content-sha256": UNSIGNED}
    wire_path = f"/{bucket}/{path}"
    names, value = signature.request("PUT", wire_path, "", headers, UNSIGNED)
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={signature.access}/{signature.scope}, SignedHeaders={names}, Signature={value}"
    answer = wire.send("PUT", wire_path, headers, b"x")
    assert answer.status in (400, 403) and answer.code, answer
    assert keys(s3, bucket) == []


def test_a_zero_in_a_key(wire, s3, bucket):
    answer = wire.request("PUT", f"/{bucket}/a\0b", None, None, b"x")
    if answer.status == 200:
        assert wire.request("GET", f"/{bucket}/a\0b").body == b"x" and wire.request("GET", f"/{bucket}/a").status == 404
    else:
        assert answer.status == 400 and answer.code


def test_methods_that_are_none_here(wire, bucket):
    for method, path in (("PATCH", f"/{bucket}/k"), ("PUT", "/"), ("DELETE", "/"), ("POST", f"/{bucket}/k"), ("TRACE", f"/{bucket}"), ("FROB", f"/{bucket}/k")):
        answer = wire.request(method, path)
        assert 400 <= answer.status <= 501 and answer.status != 500, (method, path, answer)
        assert answer.code in ("MethodNotAllowed", "NotImplemented", "InvalidRequest", "InvalidArgument"), (method, path, answer)


# ---------------------------------------------------------------- deletion of many


def delete_many(wire, bucket, body, **headers):
    return wire.request("POST", f"/{bucket}", {"delete": ""}, headers or {"Content-MD5": md5(body)}, body)


def test_digests_of_a_deletion_of_many(wire, s3, bucket):
    put(s3, bucket, "k")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    answer = delete_many(wire, bucket, body, **{"x-amz-checksum-crc32": crc32(b"other")})
    assert (answer.status, answer.code) == (400, "BadDigest") and keys(s3, bucket) == ["k"]
    answer = wire.request("POST", f"/{bucket}", {"delete": ""}, {}, body)
    assert (answer.status, answer.code) == (400, "InvalidRequest") and keys(s3, bucket) == ["k"]
    assert delete_many(wire, bucket, body, **{"x-amz-checksum-crc32": crc32(body)}).status == 200 and keys(s3, bucket) == []


def test_deletion_of_many_in_odd_forms(wire, s3, bucket):
    for key in ("a", "b", "c"):
        put(s3, bucket, key)
    body = b"""<?xml version="1.0" encoding="UTF-8"?>
    <Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
      <Quiet>false</Quiet> <Object> <Key>a</Key> </Object> <Object><Key>a</Key></Object> <Object><Key>&#98;</Key></Object>
    </Delete>"""
    answer = delete_many(wire, bucket, body)
    assert answer.status == 200 and answer.body.count(b"<Deleted>") == 3 and keys(s3, bucket) == ["c"], answer
    for body in (b"<Delete></Delete>", b"<Delete><Object></Object></Delete>", b"<Delete><Object><Key></Key></Object></Delete>"):
        answer = delete_many(wire, bucket, body)
        assert answer.status == 400 and answer.code in ("MalformedXML", "InvalidArgument", "UserKeyMustBeSpecified"), (body, answer)
    entity = b'<!DOCTYPE d [<!ENTITY x "c">]><Delete><Object><Key>&x;</Key></Object></Delete>'
    assert delete_many(wire, bucket, entity).status == 400 and keys(s3, bucket) == ["c"]


# ---------------------------------------------------------------- presigned


def fetch(url, method="GET", body=None, headers=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}, method=method), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("expires,status", [(1000, 200), (604_800, 200), (604_801, 400), (0, 400), (-7, 400), ("x", 400), ("", 400)])
def test_how_long_an_address_may_live(wire, s3, bucket, expires, status):
    put(s3, bucket, "k", b"body")
    answer = wire.send("GET", wire.presign("GET", f"/{bucket}/k", expires), {})
    assert answer.status == status or (expires == 0 and answer.status == 403), answer
    assert answer.body == b"body" if status == 200 else answer.code in ("AuthorizationQueryParametersError", "AccessDenied")


def test_what_an_address_does_not_cover(wire, cloud, s3, bucket):
    put(s3, bucket, "k", b"body")
    presigned = cloud.s3("secret-analyst", signature_version="s3v4").generate_presigned_url
    url = presigned("get_object", {"Bucket": bucket, "Key": "k"})
    assert fetch(url)[0] == 200 and fetch(url, headers={"Range": "bytes=0-0"}) == (206, b"b")
    for changed in (url.replace(f"{bucket}/k", f"{bucket}/l"), url + "&versionId=null", url + "&x=y"):
        assert fetch(changed)[0] == 403
    for method in ("PUT", "DELETE", "POST"):
        assert fetch(url, method, b"x" if method != "DELETE" else None)[0] == 403
    assert fetch(url, headers={"x-amz-meta-a": "b"})[0] == 403  # a header of S3's that nobody signed
    url = presigned("put_object", {"Bucket": bucket, "Key": "new", "ContentType": "x/y"})
    assert fetch(url, "PUT", b"x", {"Content-Type": "x/z"})[0] == 403
    assert fetch(url, "PUT", b"x", {"Content-Type": "x/y"})[0] == 200
    assert keys(s3, bucket) == ["k", "new"]

"""Keys that callers keep themselves (SSE-C): without the key nothing opens, with it everything does as usual."""

import base64
import hashlib
import os

import pytest

from cloud import get, keys, pattern, put, refused

KEY, OTHER = b"k" * 32, b"o" * 32
FIVE = 5 << 20


def sse(key, source=False):
    prefix = "CopySource" if source else ""
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}


def md5_of(key):
    return base64.b64encode(hashlib.md5(key).digest()).decode()


@pytest.mark.parametrize("size", [0, 10, 40_000, 1 << 20])
def test_one_piece(s3, bucket, size):
    body = pattern(size)
    answer = put(s3, bucket, "k", body, **sse(KEY))
    assert (answer["SSECustomerAlgorithm"], answer["SSECustomerKeyMD5"]) == ("AES256", md5_of(KEY))
    assert "ServerSideEncryption" not in answer
    answer = s3.get_object(Bucket=bucket, Key="k", **sse(KEY))
    assert answer["Body"].read() == body and answer["SSECustomerKeyMD5"] == md5_of(KEY)
    assert "ServerSideEncryption" not in answer
    if size:
        assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=3-8", **sse(KEY))["Body"].read() == body[3:9]
    assert s3.head_object(Bucket=bucket, Key="k", **sse(KEY))["ContentLength"] == size
    with refused("InvalidRequest", 400):
        s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])
    for read in (s3.get_object, s3.head_object):
        with refused({"InvalidRequest", "400"}, 400):
            read(Bucket=bucket, Key="k")
        with refused({"AccessDenied", "403"}, 403):
            read(Bucket=bucket, Key="k", **sse(OTHER))
    assert keys(s3, bucket) == ["k"]


def test_a_key_for_what_has_none(s3, bucket):
    answer = put(s3, bucket, "k", b"x")
    assert answer["ServerSideEncryption"] == "AES256" and s3.head_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"
    with refused("InvalidRequest", 400) as caught:
        s3.get_object(Bucket=bucket, Key="k", **sse(KEY))
    assert "The encryption parameters are not applicable to this object." in str(caught.value)
    assert get(s3, bucket, "k") == b"x"


def test_copies_on_both_sides(s3, bucket):
    body = pattern(50_000)
    put(s3, bucket, "from", body, **sse(KEY))
    place = {"Bucket": bucket, "CopySource": f"{bucket}/from"}
    with refused("InvalidRequest", 400):
        s3.copy_object(**place, Key="to")
    with refused("AccessDenied", 403):
        s3.copy_object(**place, Key="to", **sse(OTHER, source=True))
    s3.copy_object(**place, Key="plain", **sse(KEY, source=True))
    assert get(s3, bucket, "plain") == body
    s3.copy_object(**place, Key="other", **sse(KEY, source=True), **sse(OTHER))
    assert get(s3, bucket, "other", **sse(OTHER)) == body
    with refused("AccessDenied", 403):
        get(s3, bucket, "other", **sse(KEY))
    # Under another key it is another object, although the content stays.
    s3.copy_object(Bucket=bucket, Key="from", CopySource=f"{bucket}/from", MetadataDirective="REPLACE", **sse(KEY, source=True), **sse(OTHER))
    assert get(s3, bucket, "from", **sse(OTHER)) == body


def test_uploads_in_parts(s3, bucket):
    parts = [pattern(FIVE, 1), pattern(70_000, 2)]
    place = {"Bucket": bucket, "Key": "k"}
    created = s3.create_multipart_upload(**place, **sse(KEY))
    assert created["SSECustomerKeyMD5"] == md5_of(KEY)
    upload = place | {"UploadId": created["UploadId"]}
    for wrong in ({}, sse(OTHER)):
        with refused("InvalidRequest", 400):
            s3.upload_part(**upload, PartNumber=1, Body=b"x", **wrong)
    tags = [s3.upload_part(**upload, PartNumber=1, Body=parts[0], **sse(KEY))["ETag"]]
    put(s3, bucket, "from", parts[1], **sse(OTHER))
    copied = s3.upload_part_copy(
        **upload, PartNumber=2, CopySource=f"{bucket}/from", **sse(KEY), **sse(OTHER, source=True)
    )
    tags.append(copied["CopyPartResult"]["ETag"])
    named = {"Parts": [{"PartNumber": n + 1, "ETag": tag} for n, tag in enumerate(tags)]}
    s3.complete_multipart_upload(**upload, MultipartUpload=named)
    assert get(s3, bucket, "k", **sse(KEY)) == b"".join(parts)
    assert get(s3, bucket, "k", PartNumber=2, **sse(KEY)) == parts[1]
    with refused("AccessDenied", 403):
        get(s3, bucket, "k", **sse(OTHER))
    plain = s3.create_multipart_upload(**place)["UploadId"]
    with refused("InvalidRequest", 400):
        s3.upload_part(**place, UploadId=plain, PartNumber=1, Body=b"x", **sse(KEY))


@pytest.mark.parametrize(
    "change, code",
    [
        ({"algorithm": "AES128"}, "InvalidEncryptionAlgorithmError"), ({"key": base64.b64encode(b"short").decode()}, "InvalidArgument"),
        ({"key-md5": md5_of(OTHER)}, "InvalidArgument"), ({"key-md5": None}, "InvalidArgument"), ({"key": None}, "InvalidArgument"),
        ({"algorithm": None}, "InvalidArgument"),
    ],
)
def test_bad_headers(cloud, s3, bucket, change, code):
    parts = {"algorithm": "AES256", "key": base64.b64encode(KEY).decode(), "key-md5": md5_of(KEY)} | change
    headers = {f"x-amz-server-side-encryption-customer-{k}": v for k, v in parts.items() if v is not None}
    answer = cloud.wire("secret-analyst").request("PUT", f"/{bucket}/k", None, headers, b"x")
    assert (answer.status, answer.code) == (400, code), answer
    assert keys(s3, bucket) == []


def test_two_kinds_of_encryption_at_once(s3, bucket):
    with refused("InvalidArgument", 400):
        put(s3, bucket, "k", b"x", ServerSideEncryption="AES256", **sse(KEY))


@pytest.mark.fastness
def test_neither_key_nor_content_is_on_the_disk(fresh_cloud):
    key, body = os.urandom(32), os.urandom(64) * 2000
    s3 = fresh_cloud.s3("secret-analyst")
    s3.create_bucket(Bucket="sealed", CreateBucketConfiguration={"LocationConstraint": "us-isob-east-1"})
    put(s3, "sealed", "small", body[:1000], **sse(key))
    put(s3, "sealed", "large", body, **sse(key))
    assert get(s3, "sealed", "large", **sse(key)) == body
    assert fresh_cloud.stop() == 0
    texts = [key, base64.b64encode(key), key.hex().encode(), body[:64]]
    files = [p for p in fresh_cloud.data.rglob("*") if p.is_file()]
    assert files and not [(p, t) for p in [*files, fresh_cloud.log] for t in texts if t in p.read_bytes()]
    fresh_cloud.start()
    s3 = fresh_cloud.s3("secret-analyst")
    assert get(s3, "sealed", "small", **sse(key)) == body[:1000] and get(s3, "sealed", "large", **sse(key)) == body

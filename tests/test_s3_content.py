"""S3 as its clients know it: multipart uploads, copies, presigned URLs, checksums, bodies cut short."""

import hashlib
import io
import time
import urllib.error
import urllib.request
from base64 import b64encode

import pytest

from cloud import get, keys, make_bucket, missing, pattern, put, refused, set_versioning, versions
from wire import crc32, crc32c, crc64nvme, sha1, sha256

MIB = 1 << 20
PART = 5 * MIB

fastness = pytest.mark.fastness


def etag(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


# ---------------------------------------------------------------- multipart


def start_upload(s3, bucket, key="big", **more):
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]


def send_parts(s3, bucket, upload, bodies, key="big"):
    return [
        {"PartNumber": n, "ETag": s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=n, Body=b)["ETag"]}
        for n, b in bodies
    ]


def complete(s3, bucket, upload, parts, key="big", **more):
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **more)


def test_multipart(s3, bucket):
    bodies = [(1, pattern(PART, 1)), (2, pattern(PART, 2)), (3, pattern(1234, 3))]
    upload = start_upload(s3, bucket, ContentType="x/big", Metadata={"colour": "red"}, CacheControl="no-cache")
    parts = send_parts(s3, bucket, upload, bodies)
    assert [p["ETag"] for p in parts] == [etag(b) for _, b in bodies]

    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in listed["Parts"]] == [(n, len(b), etag(b)) for n, b in bodies]
    assert [(u["Key"], u["UploadId"]) for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [("big", upload)]
    assert keys(s3, bucket) == []
    with missing():
        s3.get_object(Bucket=bucket, Key="big")

    whole = b"".join(b for _, b in bodies)
    digest = hashlib.md5(b"".join(hashlib.md5(b).digest() for _, b in bodies)).hexdigest()
    done = complete(s3, bucket, upload, parts)
    assert done["ETag"] == f'"{digest}-3"' and done["Bucket"] == bucket and done["Key"] == "big"
    got = s3.get_object(Bucket=bucket, Key="big")
    assert got["Body"].read() == whole
    assert got["ETag"] == f'"{digest}-3"'
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("x/big", {"colour": "red"}, "no-cache")
    assert get(s3, bucket, "big", Range=f"bytes={PART - 10}-{PART + 9}") == whole[PART - 10 : PART + 10]
    assert get(s3, bucket, "big", Range=f"bytes=-{1234 + 5}") == whole[-1239:]
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    with missing("NoSuchUpload"):
        s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)


def test_multipart_part_again_and_numbers_with_gaps(s3, bucket):
    upload = start_upload(s3, bucket)
    send_parts(s3, bucket, upload, [(7, b"old tail")])
    parts = send_parts(s3, bucket, upload, [(9000, b"tail"), (7, pattern(PART, 7)), (1, pattern(PART, 1))])
    complete(s3, bucket, upload, sorted(parts, key=lambda p: p["PartNumber"]))
    assert get(s3, bucket, "big") == pattern(PART, 1) + pattern(PART, 7) + b"tail"


def test_multipart_some_parts_left_out(s3, bucket):
    upload = start_upload(s3, bucket)
    parts = send_parts(s3, bucket, upload, [(1, pattern(PART, 1)), (2, b"not wanted"), (3, b"tail")])
    complete(s3, bucket, upload, [parts[0], parts[2]])
    assert get(s3, bucket, "big") == pattern(PART, 1) + b"tail"


def test_multipart_abort(s3, bucket):
    upload = start_upload(s3, bucket)
    send_parts(s3, bucket, upload, [(1, pattern(PART, 1))])
    assert s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=upload)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    with missing("NoSuchUpload"):
        s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=2, Body=b"x")
    with missing("NoSuchUpload"):
        complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": etag(pattern(PART, 1))}])
    assert keys(s3, bucket) == []
    s3.delete_bucket(Bucket=bucket)


def test_multipart_entity_too_small(s3, bucket):
    upload = start_upload(s3, bucket)
    parts = send_parts(s3, bucket, upload, [(1, b"small"), (2, b"tail")])
    with refused("EntityTooSmall", 400):
        complete(s3, bucket, upload, parts)
    assert keys(s3, bucket) == []


def test_multipart_invalid_part(s3, bucket):
    upload = start_upload(s3, bucket)
    parts = send_parts(s3, bucket, upload, [(1, b"tail")])
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}])
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload, [{"PartNumber": 2, "ETag": parts[0]["ETag"]}])
    complete(s3, bucket, upload, parts)  # the upload is still whole
    assert get(s3, bucket, "big") == b"tail"


@fastness
def test_multipart_part_order(s3, bucket):
    upload = start_upload(s3, bucket)
    parts = send_parts(s3, bucket, upload, [(1, pattern(PART, 1)), (2, pattern(PART, 2))])
    with refused("InvalidPartOrder", 400):
        complete(s3, bucket, upload, parts[::-1])
    with refused({"MalformedXML", "InvalidRequest"}, 400):
        complete(s3, bucket, upload, [])
    assert keys(s3, bucket) == []


@fastness
@pytest.mark.parametrize("number", [0, 10001, -1])
def test_multipart_part_number_out_of_range(s3, bucket, number):
    upload = start_upload(s3, bucket)
    with refused("InvalidArgument", 400):
        s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=b"x")


@fastness
def test_multipart_wrong_bucket_or_key(s3, bucket):
    upload = start_upload(s3, bucket)
    with missing("NoSuchUpload"):
        s3.upload_part(Bucket=bucket, Key="other", UploadId=upload, PartNumber=1, Body=b"x")
    with missing("NoSuchUpload"):
        s3.abort_multipart_upload(Bucket=bucket, Key="other", UploadId=upload)
    with missing("NoSuchUpload"):
        s3.list_parts(Bucket=bucket, Key="big", UploadId="nonsense")


@fastness
def test_multipart_list_parts_pages(s3, bucket):
    upload = start_upload(s3, bucket)
    send_parts(s3, bucket, upload, [(n, b"%d" % n) for n in (2, 3, 5, 8, 13)])
    found, marker = [], 0
    while True:
        answer = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload, MaxParts=2, PartNumberMarker=marker)
        found += [p["PartNumber"] for p in answer.get("Parts", [])]
        if not answer["IsTruncated"]:
            break
        marker = answer["NextPartNumberMarker"]
    assert found == [2, 3, 5, 8, 13]


@fastness
def test_multipart_list_uploads_pages(s3, bucket):
    want = [(k, start_upload(s3, bucket, k)) for k in ("a/1", "a/2", "a/2", "b", "c d")]
    found, more = [], {}
    while True:
        answer = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **more)
        page = [(u["Key"], u["UploadId"]) for u in answer.get("Uploads", [])]
        found += page
        if not answer["IsTruncated"]:
            break
        more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
        assert len(found) < 20, "endless"
    assert sorted(found) == sorted(want) and [k for k, _ in found] == [k for k, _ in want]
    answer = s3.list_multipart_uploads(Bucket=bucket, Prefix="a/")
    assert {u["Key"] for u in answer["Uploads"]} == {"a/1", "a/2"}
    answer = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in answer["CommonPrefixes"]] == ["a/"]


@fastness
def test_multipart_in_a_versioned_bucket(s3, bucket):
    set_versioning(s3, bucket)
    first = put(s3, bucket, "big", b"first")["VersionId"]
    upload = start_upload(s3, bucket)
    done = complete(s3, bucket, upload, send_parts(s3, bucket, upload, [(1, b"tail")]))
    assert done["VersionId"] not in (first, "null", None)
    assert [v["VersionId"] for v in versions(s3, bucket)] == [done["VersionId"], first]


def test_managed_upload_and_download(s3, bucket):
    body = pattern(20 * MIB, 9)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big")
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].strip('"').endswith("-3")
    back = io.BytesIO()
    s3.download_fileobj(bucket, "big", back)
    assert back.getvalue() == body


# ---------------------------------------------------------------- copies


def test_copy(s3, bucket):
    body = pattern(100_000)
    put(s3, bucket, "from this+ü", body, ContentType="x/y", Metadata={"a": "1"}, CacheControl="no-cache")
    answer = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from this+ü"})
    assert answer["CopyObjectResult"]["ETag"] == etag(body)
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("x/y", {"a": "1"}, "no-cache")
    answer = s3.copy_object(
        Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from this+ü"}, MetadataDirective="REPLACE",
        Metadata={"b": "2"}, ContentType="x/z",
    )
    head = s3.head_object(Bucket=bucket, Key="to")
    assert (head["ContentType"], head["Metadata"]) == ("x/z", {"b": "2"}) and "CacheControl" not in head
    put(s3, bucket, "from this+ü", b"changed")
    assert get(s3, bucket, "to") == body  # a copy of its own


def test_copy_onto_itself(s3, bucket):
    put(s3, bucket, "k", b"abc", Metadata={"a": "1"})
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="k", CopySource=source, MetadataDirective="REPLACE", Metadata={"a": "2"})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "2"} and get(s3, bucket, "k") == b"abc"


@fastness
def test_copy_onto_itself_needs_a_change(s3, bucket):
    put(s3, bucket, "k", b"abc")
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"})


def test_copy_across_buckets(s3, bucket, name):
    other = make_bucket(s3, name + "-2")
    put(s3, bucket, "k", b"abc")
    s3.copy_object(Bucket=other, Key="dir/k2", CopySource=f"/{bucket}/k")
    assert get(s3, other, "dir/k2") == b"abc" and keys(s3, bucket) == ["k"]


def test_copy_of_a_version(s3, bucket):
    set_versioning(s3, bucket)
    one = put(s3, bucket, "k", b"one")["VersionId"]
    put(s3, bucket, "k", b"two")
    answer = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "k", "VersionId": one})
    assert get(s3, bucket, "to") == b"one"
    assert answer["CopySourceVersionId"] == one and answer["VersionId"]


def test_copy_from_nothing(s3, bucket):
    with missing():
        s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "none"})
    with missing("NoSuchBucket"):
        s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": "no-" + bucket, "Key": "k"})
    assert keys(s3, bucket) == []


@fastness
def test_copy_conditions(s3, bucket):
    tag = put(s3, bucket, "k", b"abc")["ETag"]
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source, CopySourceIfMatch=tag)
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="to2", CopySource=source, CopySourceIfMatch='"0000"')
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="to2", CopySource=source, CopySourceIfNoneMatch=tag)
    assert keys(s3, bucket) == ["k", "to"]


# ---------------------------------------------------------------- presigned


def fetch(method, url, body=None, headers=None):
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_presigned_get_and_put(cloud, bucket):
    s3 = cloud.s3("secret-analyst", signature_version="s3v4")
    put(s3, bucket, "a b/ü+c", b"presigned")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b/ü+c"}, ExpiresIn=60)
    assert fetch("GET", url) == (200, b"presigned")
    assert fetch("GET", url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"))[0] == 403
    assert fetch("PUT", url, b"x")[0] == 403
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "up", "ContentType": "x/y"}, ExpiresIn=60)
    assert fetch("PUT", url, b"sent", {"Content-Type": "x/y"})[0] == 200
    got = s3.get_object(Bucket=bucket, Key="up")
    assert got["Body"].read() == b"sent" and got["ContentType"] == "x/y"
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "up"}, ExpiresIn=1)
    time.sleep(2.2)
    status, body = fetch("GET", url)
    assert status == 403 and b"AccessDenied" in body


# ---------------------------------------------------------------- checksums

CHECKSUMS = {"CRC32": crc32, "CRC32C": crc32c, "CRC64NVME": crc64nvme, "SHA1": sha1, "SHA256": sha256}


@fastness
@pytest.mark.parametrize("kind", CHECKSUMS)
@pytest.mark.parametrize("size", [0, 1000, 100_000])
def test_checksum_kept(s3, bucket, kind, size):
    body = pattern(size)
    value = CHECKSUMS[kind](body)
    answer = put(s3, bucket, "k", body, **{f"Checksum{kind}": value})
    assert answer[f"Checksum{kind}"] == value
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{kind}"] == value
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == body and got[f"Checksum{kind}"] == value


@fastness
def test_checksum_by_default(s3, bucket):
    """What boto3 sends without being asked (CRC-32) is checked and kept."""
    assert put(s3, bucket, "k", b"abc")["ChecksumCRC32"] == crc32(b"abc")
    assert s3.get_object(Bucket=bucket, Key="k")["ChecksumCRC32"] == crc32(b"abc")
    put(s3, bucket, "k", b"abc", ChecksumAlgorithm="SHA256")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == sha256(b"abc")


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[] if k in ("CRC32", "SHA256") else fastness) for k in CHECKSUMS]
)
@pytest.mark.parametrize("size", [10, 200_000])
def test_checksum_wrong(s3, bucket, kind, size):
    body = pattern(size)
    put(s3, bucket, "k", b"before")
    with refused({"BadDigest", "XAmzContentChecksumMismatch"}, 400):
        put(s3, bucket, "k", body, **{f"Checksum{kind}": CHECKSUMS[kind](body + b"x")})
    assert get(s3, bucket, "k") == b"before"


@fastness
def test_checksum_malformed(s3, bucket):
    for value in ("", "not base64!", b64encode(b"too short").decode()):
        with refused({"InvalidRequest", "InvalidArgument", "BadDigest"}, 400):
            put(s3, bucket, "k", b"abc", ChecksumSHA256=value)
    assert keys(s3, bucket) == []


def test_content_md5(s3, bucket):
    put(s3, bucket, "k", b"abc", ContentMD5=b64encode(hashlib.md5(b"abc").digest()).decode())
    with refused("BadDigest", 400):
        put(s3, bucket, "k", b"abd", ContentMD5=b64encode(hashlib.md5(b"abc").digest()).decode())
    with refused("InvalidDigest", 400):
        put(s3, bucket, "k", b"abd", ContentMD5="nonsense")
    assert get(s3, bucket, "k") == b"abc"


@fastness
def test_checksum_of_a_multipart_upload(s3, bucket):
    bodies = [(1, pattern(PART, 1)), (2, b"tail")]
    upload = start_upload(s3, bucket, ChecksumAlgorithm="SHA256")
    parts = []
    for n, body in bodies:
        answer = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=n, Body=body, ChecksumAlgorithm="SHA256")
        assert answer["ChecksumSHA256"] == sha256(body)
        parts.append({"PartNumber": n, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
    wrong = [parts[0], parts[1] | {"ChecksumSHA256": sha256(b"other")}]
    with refused({"InvalidPart", "BadDigest"}, 400):
        complete(s3, bucket, upload, wrong)
    complete(s3, bucket, upload, parts)
    assert get(s3, bucket, "big") == b"".join(b for _, b in bodies)


def test_checksum_wrong_in_a_part(s3, bucket):
    upload = start_upload(s3, bucket)
    with refused({"BadDigest", "XAmzContentChecksumMismatch"}, 400):
        s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=1, Body=b"abc", ChecksumSHA256=sha256(b"abd"))
    assert not s3.list_parts(Bucket=bucket, Key="big", UploadId=upload).get("Parts")


# ---------------------------------------------------------------- bodies cut short or too long


@pytest.mark.parametrize("size", [1000, 300_000, 3 * MIB])
def test_truncated_body_leaves_nothing(cloud, s3, bucket, size):
    from wire import UNSIGNED, stamp

    wire = cloud.wire("secret-analyst")
    put(s3, bucket, "old", b"before")
    for key in ("old", "new"):
        signature = wire.signature()
        headers = {"Host": wire.netloc, "x-amz-date": stamp(signature.moment), "x-amz-content-sha256": UNSIGNED}
        path = f"/{bucket}/{key}"
        names, value = signature.request("PUT", path, "", headers, UNSIGNED)
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signature.access}/{signature.scope}, SignedHeaders={names}, Signature={value}"
        )
        answer = wire.send_cut("PUT", path, headers, pattern(size), 100)
        assert answer is None or answer.status >= 400, answer
    time.sleep(0.2)
    assert get(s3, bucket, "old") == b"before"
    assert keys(s3, bucket) == ["old"]


@fastness
def test_oversized_body_is_refused_at_once(cloud, s3, bucket):
    """More than 5 GiB in one PUT is EntityTooLarge, before the bytes are sent."""
    wire = cloud.wire("secret-analyst")
    from wire import UNSIGNED

    answer = wire.request("PUT", f"/{bucket}/huge", None, {"Content-Length": str((5 << 30) + 1), "Expect": "100-continue"}, b"", payload=UNSIGNED)
    assert (answer.status, answer.code) == (400, "EntityTooLarge"), answer
    assert keys(s3, bucket) == []


@fastness
def test_unknown_operations_say_so(cloud, bucket):
    wire = cloud.wire("secret-analyst")
    for query in ("acl", "website", "notification", "replication", "logging"):
        answer = wire.request("PUT", f"/{bucket}", {query: ""}, None, b"<x/>")
        assert answer.status in (400, 403, 405, 501) and answer.code, (query, answer)


def test_errors_are_s3_documents(cloud, bucket):
    wire = cloud.wire("secret-analyst")
    answer = wire.request("GET", f"/{bucket}/none")
    text = answer.body.decode()
    assert answer.status == 404 and "<Error>" in text and "<Code>NoSuchKey</Code>" in text and "<RequestId>" in text
    assert answer.header("content-type", "").startswith("application/xml")
    head = wire.request("HEAD", f"/{bucket}/none")
    assert head.status == 404 and head.body == b""

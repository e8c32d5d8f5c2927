"""Uploads in parts, corner by corner: what completion checks, parts sent again, copies into parts, what stays untouched."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud import get, keys, make_bucket, missing, pattern, put, refused

MIB = 1 << 20
PART = 5 * MIB


@pytest.fixture
def upload(s3, bucket):
    """An upload under way to the key `big`: what names it in calls."""
    made = s3.create_multipart_upload(Bucket=bucket, Key="big", Metadata={"a": "b"})
    assert (made["Bucket"], made["Key"]) == (bucket, "big")
    return {"Bucket": bucket, "Key": "big", "UploadId": made["UploadId"]}


def part(s3, upload, number, body):
    return {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}


def complete(s3, upload, parts, **more):
    return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **more)


# ---------------------------------------------------------------- completion


def test_sizes_of_parts(s3, upload):
    """All but the last must have 5 MiB: one byte less is too small."""
    parts = [part(s3, upload, 1, pattern(PART - 1)), part(s3, upload, 2, b"tail")]
    with refused("EntityTooSmall", 400):
        complete(s3, upload, parts)
    complete(s3, upload, [part(s3, upload, 1, pattern(PART)), parts[1]])
    assert get(s3, upload["Bucket"], "big") == pattern(PART) + b"tail"


def test_what_completion_refuses(s3, cloud, upload):
    first, second = part(s3, upload, 1, pattern(PART)), part(s3, upload, 2, b"tail")
    cases = [
        ([first, second | {"ETag": first["ETag"]}], "InvalidPart"),
        ([first, {"PartNumber": 3, "ETag": second["ETag"]}], "InvalidPart"),
        ([second, first], "InvalidPartOrder"),
        ([first, first], "InvalidPartOrder"),
        ([{"PartNumber": 0, "ETag": first["ETag"]}], "InvalidArgument"),
    ]
    for parts, code in cases:
        with refused({code, "MalformedXML"} if code == "InvalidArgument" else code, 400):
            complete(s3, upload, parts)
    wire = cloud.wire("secret-analyst")
    path, query = f"/{upload['Bucket']}/big", {"uploadId": upload["UploadId"]}
    for body in (b"", b"<CompleteMultipartUpload>", b"<Other/>", b"<CompleteMultipartUpload/>", b"\xff\xfe"):
        answer = wire.request("POST", path, query, None, body)
        assert answer.status == 400 and answer.code in ("MalformedXML", "InvalidRequest", "MissingRequestBodyError"), (body, answer)
    assert len(s3.list_parts(**upload)["Parts"]) == 2 and keys(s3, upload["Bucket"]) == []
    unquoted = [p | {"ETag": p["ETag"].strip('"')} for p in (first, second)]
    assert complete(s3, upload, unquoted)["ETag"].endswith('-2"')


def test_parts_sent_again(s3, upload):
    old = part(s3, upload, 1, b"old")
    new = part(s3, upload, 1, b"new")
    with refused("InvalidPart", 400):
        complete(s3, upload, [old])
    complete(s3, upload, [new])
    assert get(s3, upload["Bucket"], "big") == b"new"


def test_the_same_part_by_many_at_once(s3, upload):
    bodies = {f'"{hashlib.md5(b).hexdigest()}"': b for b in (pattern(200_000, n) for n in range(8))}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: part(s3, upload, 1, body), bodies.values()))
    (listed,) = s3.list_parts(**upload)["Parts"]
    complete(s3, upload, [{"PartNumber": 1, "ETag": listed["ETag"]}])
    assert get(s3, upload["Bucket"], "big") == bodies[listed["ETag"]]


def test_completion_by_many_at_once(s3, upload):
    parts = [part(s3, upload, 1, b"whole")]

    def finish(_):
        try:
            return complete(s3, upload, parts)["ETag"]
        except s3.exceptions.NoSuchUpload:
            return None

    with ThreadPoolExecutor(6) as pool:
        tags = {tag for tag in pool.map(finish, range(6)) if tag}
    assert len(tags) == 1 and get(s3, upload["Bucket"], "big") == b"whole"


def test_conditions_of_completion(s3, upload):
    bucket = upload["Bucket"]
    tag = put(s3, bucket, "big", b"before")["ETag"]
    parts = [part(s3, upload, 1, b"after")]
    with refused("PreconditionFailed", 412):
        complete(s3, upload, parts, IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        complete(s3, upload, parts, IfMatch='"0000"')
    assert get(s3, bucket, "big") == b"before"
    complete(s3, upload, parts, IfMatch=tag)
    assert get(s3, bucket, "big") == b"after"


# ---------------------------------------------------------------- what stays untouched


def test_an_object_stays_while_an_upload_to_it_goes_on(s3, upload):
    bucket = upload["Bucket"]
    put(s3, bucket, "big", b"before")
    parts = [part(s3, upload, 1, b"after")]
    assert get(s3, bucket, "big") == b"before"
    other = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=other)
    assert get(s3, bucket, "big") == b"before"
    complete(s3, upload, parts)
    assert get(s3, bucket, "big") == b"after" and s3.head_object(Bucket=bucket, Key="big")["Metadata"] == {"a": "b"}


def test_two_uploads_to_one_key(s3, upload):
    bucket = upload["Bucket"]
    other = {**upload, "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]}
    mine, theirs = part(s3, upload, 1, b"mine"), part(s3, other, 1, b"theirs")
    complete(s3, other, [theirs])
    assert get(s3, bucket, "big") == b"theirs"
    complete(s3, upload, [mine])
    assert get(s3, bucket, "big") == b"mine"


def test_an_upload_that_is_gone(s3, upload):
    parts = [part(s3, upload, 1, b"x")]
    s3.abort_multipart_upload(**upload)
    calls = [
        lambda: s3.upload_part(**upload, PartNumber=1, Body=b"x"), lambda: complete(s3, upload, parts), lambda: s3.list_parts(**upload),
        lambda: s3.abort_multipart_upload(**upload),
    ]
    for call in calls:
        with missing("NoSuchUpload"):
            call()
    assert keys(s3, upload["Bucket"]) == []


def test_a_bucket_with_an_upload_in_it_can_go(s3, name):
    """S3 asks for an empty bucket; uploads under way count for nothing, and go with it."""
    bucket = make_bucket(s3, name)
    made = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="k", UploadId=made, PartNumber=1, Body=b"x")
    s3.delete_bucket(Bucket=bucket)
    make_bucket(s3, name)
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


# ---------------------------------------------------------------- listings of parts and uploads


def test_what_is_listed(s3, upload):
    tag = part(s3, upload, 3, b"three")["ETag"]
    answer = s3.list_parts(**upload)
    assert (answer["Bucket"], answer["Key"], answer["UploadId"]) == (upload["Bucket"], "big", upload["UploadId"])
    assert answer["StorageClass"] == "STANDARD" and answer["Owner"]["ID"]
    (listed,) = answer["Parts"]
    assert (listed["PartNumber"], listed["Size"], listed["ETag"]) == (3, 5, tag) and listed["LastModified"]
    (listed,) = s3.list_multipart_uploads(Bucket=upload["Bucket"])["Uploads"]
    assert (listed["Key"], listed["UploadId"], listed["StorageClass"]) == ("big", upload["UploadId"], "STANDARD")
    assert listed["Initiated"] and listed["Owner"]["ID"]


def test_uploads_by_marker_prefix_and_delimiter(s3, bucket):
    for key in ("a/1", "a/2", "b", "c/x y", "ü"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    listed = lambda **more: [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket, **more).get("Uploads", [])]
    assert listed() == ["a/1", "a/2", "b", "c/x y", "ü"] and listed(KeyMarker="a/2") == ["b", "c/x y", "ü"]
    answer = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [u["Key"] for u in answer["Uploads"]] == ["b", "ü"] and [p["Prefix"] for p in answer["CommonPrefixes"]] == ["a/", "c/"]
    seen, more = [], {}
    while True:
        answer = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", MaxUploads=1, **more)
        seen += [u["Key"] for u in answer.get("Uploads", [])] + [p["Prefix"] for p in answer.get("CommonPrefixes", [])]
        if not answer["IsTruncated"]:
            break
        more = {"KeyMarker": answer["NextKeyMarker"]} | ({"UploadIdMarker": answer["NextUploadIdMarker"]} if answer.get("NextUploadIdMarker") else {})
        assert len(seen) < 6, seen
    assert seen == ["a/", "b", "c/", "ü"]


# ---------------------------------------------------------------- copies into parts


def test_copies_into_parts(s3, upload):
    bucket, body = upload["Bucket"], pattern(PART + 1000)
    put(s3, bucket, "from ü", body)
    source = {"Bucket": bucket, "Key": "from ü"}
    first = s3.upload_part_copy(**upload, PartNumber=1, CopySource=source, CopySourceRange=f"bytes=0-{PART - 1}")["CopyPartResult"]
    assert first["ETag"] == f'"{hashlib.md5(body[:PART]).hexdigest()}"' and first["LastModified"]
    rest = s3.upload_part_copy(**upload, PartNumber=2, CopySource=source, CopySourceRange=f"bytes={PART}-{PART + 999}")["CopyPartResult"]
    whole = s3.upload_part_copy(**upload, PartNumber=3, CopySource=source)["CopyPartResult"]
    with refused("EntityTooSmall", 400):
        complete(s3, upload, [{"PartNumber": n, "ETag": p["ETag"]} for n, p in enumerate((first, rest, whole), 1)])
    complete(s3, upload, [{"PartNumber": 1, "ETag": first["ETag"]}, {"PartNumber": 3, "ETag": whole["ETag"]}])
    assert get(s3, bucket, "big") == body[:PART] + body


@pytest.mark.parametrize("text", ["0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-5", "bytes=2-", "bytes=-2"])
def test_ranges_of_copies_that_make_no_sense(s3, upload, text):
    put(s3, upload["Bucket"], "from", b"0123456789")
    with refused({"InvalidArgument", "InvalidRequest"}, 400):
        s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{upload['Bucket']}/from", CopySourceRange=text)


def test_ranges_of_copies_beyond_the_source(s3, upload):
    put(s3, upload["Bucket"], "from", b"01234")
    for text in ("bytes=0-21", "bytes=5-6"):
        with refused({"InvalidArgument", "InvalidRange", "InvalidRequest"}):
            s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{upload['Bucket']}/from", CopySourceRange=text)
    assert not s3.list_parts(**upload).get("Parts")


def test_conditions_of_copies_into_parts(s3, upload):
    tag = put(s3, upload["Bucket"], "from", b"x")["ETag"]
    copy = lambda **more: s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{upload['Bucket']}/from", **more)
    copy(CopySourceIfMatch=tag)
    for condition in ({"CopySourceIfMatch": '"0"'}, {"CopySourceIfNoneMatch": tag}):
        with refused("PreconditionFailed", 412):
            copy(**condition)
    with missing():
        s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{upload['Bucket']}/none")


def test_bad_numbers(cloud, upload):
    wire = cloud.wire("secret-analyst")
    for number in ("", "x", "1.5", "10001", "99999999999999999999"):
        answer = wire.request("PUT", f"/{upload['Bucket']}/big", {"partNumber": number, "uploadId": upload["UploadId"]}, None, b"x")
        assert (answer.status, answer.code) == (400, "InvalidArgument"), (number, answer)

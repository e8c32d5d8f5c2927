"""What is known of an object without its content, its parts by number, and the headers of answers without content."""

import pytest
import urllib.request
import urllib.error

from cloud import get, label_of, make_bucket, pattern, put, refused, set_versioning
from wire import crc32c

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
FIVE = 5 << 20


def in_parts(s3, bucket, key, parts, **create):
    place = {"Bucket": bucket, "Key": key}
    place["UploadId"] = s3.create_multipart_upload(**place, **create)["UploadId"]
    done = []
    for number, body in parts.items():
        answer = s3.upload_part(**place, PartNumber=number, Body=body, **{k: v for k, v in create.items() if k == "ChecksumAlgorithm"})
        done.append({"PartNumber": number} | {k: v for k, v in answer.items() if k == "ETag" or k.startswith("Checksum")})
        done[-1].pop("ChecksumType", None)
    return s3.complete_multipart_upload(**place, MultipartUpload={"Parts": done})


@pytest.fixture
def three(s3, bucket):
    parts = {2: pattern(FIVE, 1), 5: pattern(FIVE + 3, 2), 9: b"the end"}
    in_parts(s3, bucket, "parts", parts, ChecksumAlgorithm="CRC32C")
    return parts


def test_attributes_of_one_piece(s3, bucket):
    answer = put(s3, bucket, "k", b"four", ChecksumAlgorithm="CRC32C")
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)
    assert found["ETag"] == answer["ETag"].strip('"'), "here S3 writes no quotes"
    assert (found["ObjectSize"], found["StorageClass"]) == (4, "STANDARD")
    assert found["Checksum"]["ChecksumCRC32C"] == crc32c(b"four") and "ObjectParts" not in found
    assert found["LastModified"] and label_of(found) == "SECRET"
    assert set(s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])) == {
        "ObjectSize", "LastModified", "ResponseMetadata"
    }
    with refused("NoSuchKey", 404):
        s3.get_object_attributes(Bucket=bucket, Key="none", ObjectAttributes=ALL)


def test_attributes_that_are_none(cloud, s3, bucket):
    put(s3, bucket, "k", b"x")
    wire = cloud.wire("secret-analyst")
    for headers in ({"x-amz-object-attributes": "Etag"}, {"x-amz-object-attributes": ""}, {}):
        assert wire.request("GET", f"/{bucket}/k", {"attributes": ""}, headers).status == 400


def test_parts_page_by_page(s3, bucket, three):
    found = s3.get_object_attributes(Bucket=bucket, Key="parts", ObjectAttributes=ALL)
    parts = found["ObjectParts"]
    assert (parts["TotalPartsCount"], parts["IsTruncated"]) == (3, False)
    assert [(p["PartNumber"], p["Size"], p["ChecksumCRC32C"]) for p in parts["Parts"]] == [
        (number, len(body), crc32c(body) if len(body) < 100 else p["ChecksumCRC32C"])
        for (number, body), p in zip(three.items(), parts["Parts"])
    ]
    seen, marker = [], 0
    while True:
        page = s3.get_object_attributes(
            Bucket=bucket, Key="parts", ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=marker
        )["ObjectParts"]
        seen += [p["PartNumber"] for p in page["Parts"]]
        assert len(page["Parts"]) == page["MaxParts"] == 1 and page["PartNumberMarker"] == marker
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert seen == [2, 5, 9]


def test_a_part_by_its_number(s3, bucket, three):
    offset, size = 0, sum(map(len, three.values()))
    for number, body in three.items():
        for read in (s3.get_object, s3.head_object):
            answer = read(Bucket=bucket, Key="parts", PartNumber=number, ChecksumMode="ENABLED")
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert (answer["ContentLength"], answer["PartsCount"]) == (len(body), 3)
            assert answer["ContentRange"] == f"bytes {offset}-{offset + len(body) - 1}/{size}"
            if "Body" in answer:
                assert answer["Body"].read() == body
        offset += len(body)
    for number in (1, 3, 10_000):
        with refused({"InvalidPartNumber", "416"}, 416):
            s3.get_object(Bucket=bucket, Key="parts", PartNumber=number)
    for number in (0, 10_001):
        with refused("InvalidArgument", 400):
            s3.get_object(Bucket=bucket, Key="parts", PartNumber=number)
    with refused("InvalidRequest", 400):
        s3.get_object(Bucket=bucket, Key="parts", PartNumber=2, Range="bytes=0-1")


def test_one_piece_is_its_own_first_part(s3, bucket):
    put(s3, bucket, "k", b"whole")
    answer = s3.get_object(Bucket=bucket, Key="k", PartNumber=1)
    assert answer["Body"].read() == b"whole" and "PartsCount" not in answer
    with refused({"InvalidPartNumber", "416"}, 416):
        s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    put(s3, bucket, "empty", b"")
    assert s3.get_object(Bucket=bucket, Key="empty", PartNumber=1)["Body"].read() == b""


def headers_of(call):
    with refused({"304", "NotModified", "412", "PreconditionFailed", "NoSuchKey", "404", "MethodNotAllowed", "405"}) as caught:
        call()
    return caught.value.response["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.fastness
def test_rule_8_answers_without_content_carry_the_label(at, si, low):
    set_versioning(low, at)
    answer = put(low, at, "k", b"low")
    for read in (si.get_object, si.head_object):
        headers = headers_of(lambda: read(Bucket=at, Key="k", IfNoneMatch=answer["ETag"]))
        assert (headers["x-fastness-label"], headers["etag"]) == ("SECRET", answer["ETag"]) and headers["last-modified"]
        headers = headers_of(lambda: read(Bucket=at, Key="k", IfMatch='"00"'))
        assert (headers["x-fastness-label"], headers["x-amz-version-id"]) == ("SECRET", answer["VersionId"])
    marker = low.delete_object(Bucket=at, Key="k")["VersionId"]
    for read in (si.get_object, si.head_object):
        headers = headers_of(lambda: read(Bucket=at, Key="k"))
        assert (headers["x-amz-delete-marker"], headers["x-amz-version-id"]) == ("true", marker)
        assert headers["x-fastness-label"] == "SECRET"
        headers = headers_of(lambda: read(Bucket=at, Key="k", VersionId=marker))
        assert (headers["x-amz-delete-marker"], headers["allow"], headers["x-fastness-label"]) == ("true", "DELETE", "SECRET")
    # What is not there, or not in view, carries none.
    put(si, at, "above", b"high")
    for key in ("above", "none"):
        headers = headers_of(lambda: low.get_object(Bucket=at, Key=key))
        assert "x-fastness-label" not in headers and "x-amz-version-id" not in headers


def test_overrides_of_headers_are_for_signed_requests(cloud, s3, bucket):
    put(s3, bucket, "k", b"x", ContentType="text/plain")
    for read in (s3.get_object, s3.head_object):
        answer = read(Bucket=bucket, Key="k", ResponseContentType="text/html", ResponseCacheControl="no-store")
        assert (answer["ContentType"], answer["CacheControl"]) == ("text/html", "no-store")
    url = f"{cloud.profile('secret-analyst')['endpoint_url']}/{bucket}/k?response-content-type=text/html"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    assert caught.value.code == 403

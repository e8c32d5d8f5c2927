"""Checksums of objects and of uploads in parts: verified, kept, returned, composed or of the whole."""

import base64
import hashlib

import pytest

from cloud import get, pattern, put, refused
from wire import crc32, crc32c, crc64nvme, sha1, sha256

OF = {"CRC32": crc32, "CRC32C": crc32c, "CRC64NVME": crc64nvme, "SHA1": sha1, "SHA256": sha256}
FIVE = 5 << 20


def field(algorithm):
    return f"Checksum{algorithm}"


def composite(algorithm, parts):
    joined = b"".join(base64.b64decode(OF[algorithm](part)) for part in parts)
    return f"{OF[algorithm](joined)}-{len(parts)}"


class Upload:
    """An upload in parts, with boto3 told to add nothing of its own."""

    def __init__(self, cloud, bucket, key="k", **create):
        self.s3 = cloud.s3("secret-analyst", request_checksum_calculation="when_required")
        self.place = {"Bucket": bucket, "Key": key}
        self.created = self.s3.create_multipart_upload(**self.place, **create)
        self.place["UploadId"] = self.created["UploadId"]
        self.parts = []

    def part(self, body, number=None, **more):
        number = number or len(self.parts) + 1
        answer = self.s3.upload_part(**self.place, PartNumber=number, Body=body, **more)
        named = {"PartNumber": number, "ETag": answer["ETag"]}
        self.parts.append(named | {k: v for k, v in answer.items() if k.startswith("Checksum")})
        return answer

    def complete(self, **more):
        return self.s3.complete_multipart_upload(**self.place, MultipartUpload={"Parts": self.parts}, **more)


@pytest.fixture(scope="module")
def contents():
    """Two parts, and their checksums, computed once (the slow way)."""
    parts = [b"0123456789abcdef" * (FIVE // 16), b"the end"]
    return parts


@pytest.mark.parametrize("algorithm", OF)
def test_one_piece(s3, bucket, algorithm):
    body = pattern(3000)
    name, value = field(algorithm), OF[algorithm](body)
    answer = put(s3, bucket, "asked", body, ChecksumAlgorithm=algorithm)
    assert (answer[name], answer["ChecksumType"]) == (value, "FULL_OBJECT")
    answer = put(s3, bucket, "sent", body, **{name: value})
    assert (answer[name], answer["ChecksumType"]) == (value, "FULL_OBJECT")
    with refused({"BadDigest", "InvalidRequest"}, 400):
        put(s3, bucket, "wrong", body, **{name: OF[algorithm](b"another")})
    for key in ("asked", "sent"):
        for read in (s3.get_object, s3.head_object):
            answer = read(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            assert (answer[name], answer["ChecksumType"]) == (value, "FULL_OBJECT")
        answer = s3.get_object_attributes(Bucket=bucket, Key=key, ObjectAttributes=["Checksum"])
        assert answer["Checksum"] == {name: value, "ChecksumType": "FULL_OBJECT"}
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [(o["Key"], o["ChecksumAlgorithm"], o["ChecksumType"]) for o in listed] == [
        ("asked", [algorithm], "FULL_OBJECT"), ("sent", [algorithm], "FULL_OBJECT")
    ]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_composed_of_parts(cloud, s3, bucket, contents, algorithm):
    upload = Upload(cloud, bucket, ChecksumAlgorithm=algorithm)
    assert (upload.created["ChecksumAlgorithm"], upload.created["ChecksumType"]) == (algorithm, "COMPOSITE")
    for body in contents:
        assert upload.part(body, ChecksumAlgorithm=algorithm)[field(algorithm)] == OF[algorithm](body)
    listed = s3.list_parts(**upload.place)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, "COMPOSITE")
    [found] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert (found["ChecksumAlgorithm"], found["ChecksumType"]) == (algorithm, "COMPOSITE")
    value = composite(algorithm, contents)
    with refused("BadDigest", 400):
        upload.complete(**{field(algorithm): composite(algorithm, contents[::-1])})
    answer = upload.complete(**{field(algorithm): value})
    assert (answer[field(algorithm)], answer["ChecksumType"]) == (value, "COMPOSITE")
    answer = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (answer[field(algorithm)], answer["ChecksumType"]) == (value, "COMPOSITE")
    [listed] = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == ([algorithm], "COMPOSITE")
    # A copy comes in one piece, and so does its checksum.
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    answer = s3.get_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert answer["ChecksumType"] == "FULL_OBJECT" and answer["Body"].read() == b"".join(contents)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_of_the_whole_object(cloud, s3, bucket, contents, algorithm):
    kind = {} if algorithm == "CRC64NVME" else {"ChecksumType": "FULL_OBJECT"}
    upload = Upload(cloud, bucket, ChecksumAlgorithm=algorithm, **kind)
    assert upload.created["ChecksumType"] == "FULL_OBJECT"
    for body in contents:
        upload.part(body)
    value = OF[algorithm](b"".join(contents))
    for wrong in ({field(algorithm): OF[algorithm](b"another")}, {"ChecksumType": "COMPOSITE"}):
        with refused("BadDigest", 400):
            upload.complete(**wrong)
    answer = upload.complete(**{field(algorithm): value, "ChecksumType": "FULL_OBJECT"})
    assert (answer[field(algorithm)], answer["ChecksumType"]) == (value, "FULL_OBJECT")
    answer = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert answer[field(algorithm)] == value and answer["Body"].read() == b"".join(contents)


def test_what_does_not_go_together(cloud, bucket):
    s3 = cloud.s3("secret-analyst")
    for create in (
        {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}, {"ChecksumAlgorithm": "SHA1", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"},
    ):
        with refused("InvalidRequest", 400):
            s3.create_multipart_upload(Bucket=bucket, Key="k", **create)
    answer = cloud.wire("secret-analyst").request(
        "POST", f"/{bucket}/k", {"uploads": ""}, {"x-amz-checksum-type": "FULL_OBJECT"}
    )
    assert (answer.status, answer.code) == (400, "InvalidRequest"), answer
    upload = Upload(cloud, bucket, ChecksumAlgorithm="SHA256")
    with refused("InvalidRequest", 400) as caught:
        upload.part(b"x", ChecksumCRC32=crc32(b"x"))
    message = "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32"
    assert message in str(caught.value)
    with refused({"BadDigest", "InvalidRequest"}, 400):
        upload.part(b"x", ChecksumSHA256=sha256(b"y"))


def test_the_size_that_is_stated(cloud, s3, bucket):
    upload = Upload(cloud, bucket)
    upload.part(b"seven b")
    with refused("InvalidRequest", 400):
        upload.complete(MpuObjectSize=8)
    upload.complete(MpuObjectSize=7)
    assert get(s3, bucket, "k") == b"seven b"


def test_a_completion_may_name_the_algorithm_of_the_parts(cloud, s3, bucket):
    upload = Upload(cloud, bucket)
    assert "ChecksumType" not in upload.created
    upload.part(b"abc", ChecksumCRC32C=crc32c(b"abc"))
    answer = upload.complete(ChecksumCRC32C=crc32c(b"abc"))
    assert (answer["ChecksumCRC32C"], answer["ChecksumType"]) == (crc32c(b"abc"), "FULL_OBJECT")


def test_a_copy_takes_another_checksum(s3, bucket):
    put(s3, bucket, "from", b"abc", ChecksumAlgorithm="CRC32")
    answer = s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from", ChecksumAlgorithm="SHA256")
    assert answer["CopyObjectResult"]["ChecksumSHA256"] == sha256(b"abc")
    answer = s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
    assert answer["ChecksumSHA256"] == sha256(b"abc") and "ChecksumCRC32" not in answer


def test_etags_stay_what_they_were(cloud, s3, bucket, contents):
    upload = Upload(cloud, bucket, ChecksumAlgorithm="CRC64NVME")
    for body in contents:
        upload.part(body)
    tag = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in contents)).hexdigest()
    assert upload.complete()["ETag"] == f'"{tag}-2"'

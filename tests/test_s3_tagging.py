"""Tags of objects: on writes, alone, at their own label."""

import pytest

from cloud import denied, get, label_of, missing, put, refused, set_versioning


def tags(s3, bucket, key="k", **more):
    return {t["Key"]: t["Value"] for t in s3.get_object_tagging(Bucket=bucket, Key=key, **more)["TagSet"]}


def tag(s3, bucket, tags, key="k", **more):
    pairs = tags.items() if isinstance(tags, dict) else tags
    tag_set = {"TagSet": [{"Key": k, "Value": v} for k, v in pairs]}
    return s3.put_object_tagging(Bucket=bucket, Key=key, Tagging=tag_set, **more)


def count(s3, bucket, key="k"):
    heads = (s3.head_object(Bucket=bucket, Key=key), s3.get_object(Bucket=bucket, Key=key))
    counts = {a["ResponseMetadata"]["HTTPHeaders"].get("x-amz-tagging-count") for a in heads}
    assert len(counts) == 1
    return counts.pop()


def test_tags_are_put_read_and_removed(s3, bucket):
    put(s3, bucket, "k", b"content")
    assert tags(s3, bucket) == {} and count(s3, bucket) is None
    tag(s3, bucket, {"b": "2", "a": "", "größe": "très grand + /:@"})
    assert tags(s3, bucket) == {"a": "", "b": "2", "größe": "très grand + /:@"} and count(s3, bucket) == "3"
    tag(s3, bucket, {"only": "one"})
    assert tags(s3, bucket) == {"only": "one"} and get(s3, bucket, "k") == b"content"
    answer = s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags(s3, bucket) == {} and count(s3, bucket) is None
    for call in (lambda k: tags(s3, bucket, k), lambda k: tag(s3, bucket, {}, k), lambda k: s3.delete_object_tagging(Bucket=bucket, Key=k)):
        with missing():
            call("none")


def test_tags_come_with_writes(s3, bucket):
    put(s3, bucket, "k", b"x", Tagging="a=1&b=two%20words&c")
    assert tags(s3, bucket) == {"a": "1", "b": "two words", "c": ""}
    put(s3, bucket, "k", b"x")
    assert tags(s3, bucket) == {}, "tags belong to what was written"
    put(s3, bucket, "from", b"x", Tagging="a=1")
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/from")
    assert tags(s3, bucket) == {"a": "1"}
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/from", Tagging="b=2", TaggingDirective="REPLACE")
    assert tags(s3, bucket) == {"b": "2"}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Tagging="parts=yes")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert tags(s3, bucket) == {"parts": "yes"} and count(s3, bucket) == "1"


@pytest.mark.parametrize(
    "bad, code",
    [
        ([("a", "1"), ("a", "2")], "InvalidTag"), ([("k" * 129, "v")], "InvalidTag"), ([("k", "v" * 257)], "InvalidTag"),
        ([("aws:k", "v")], "InvalidTag"), ([("k?", "v")], "InvalidTag"),
        ([(str(n), "") for n in range(11)], "BadRequest"),
    ],
)
def test_bad_tags_change_nothing(s3, bucket, bad, code):
    put(s3, bucket, "k", b"x", Tagging="a=1")
    with refused(code, 400):
        tag(s3, bucket, bad)
    assert tags(s3, bucket) == {"a": "1"}


def test_bad_headers_write_nothing(s3, bucket):
    for header, code in (("a=1&a=2", "InvalidArgument"), ("a=%FF", "InvalidArgument"), ("k" * 129, "InvalidTag")):
        with refused(code, 400):
            put(s3, bucket, "k", b"x", Tagging=header)
    with missing():
        get(s3, bucket, "k")
    longest = {str(n) + "k" * 126: "v" * 256 for n in range(10, 20)}
    put(s3, bucket, "k", b"x", Tagging="&".join(f"{k}={v}" for k, v in longest.items()))
    assert tags(s3, bucket) == longest


def test_each_version_has_its_tags(s3, bucket):
    put(s3, bucket, "k", b"null", Tagging="v=null")
    set_versioning(s3, bucket)
    one, two = (put(s3, bucket, "k", text)["VersionId"] for text in (b"one", b"two"))
    assert tag(s3, bucket, {"v": "one"}, VersionId=one)["VersionId"] == one
    assert tag(s3, bucket, {"v": "two"})["VersionId"] == two
    found = {v: tags(s3, bucket, VersionId=v)["v"] for v in ("null", one, two)}
    assert found == {"null": "null", one: "one", two: "two"} and tags(s3, bucket) == {"v": "two"}
    s3.delete_object_tagging(Bucket=bucket, Key="k", VersionId=one)
    assert tags(s3, bucket, VersionId=one) == {} and tags(s3, bucket) == {"v": "two"}
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    with missing():
        tags(s3, bucket)
    for call in (tags, lambda *a, **m: tag(*a, {}, **m)):
        with refused("MethodNotAllowed", 405):
            call(s3, bucket, VersionId=marker)
        with refused("NoSuchVersion", 404):
            call(s3, bucket, VersionId="0" * 32)


@pytest.mark.fastness
def test_rule_4_a_lower_version_is_tagged_at_its_label_alone(at, both, si, tk, low):
    set_versioning(low, at)
    version = put(low, at, "k", b"low", Tagging="by=low")["VersionId"]
    assert tags(si, at) == {"by": "low"} and label_of(si.get_object_tagging(Bucket=at, Key="k")) == "SECRET"
    for call in (lambda **m: tag(si, at, {"by": "si"}, **m), lambda **m: si.delete_object_tagging(Bucket=at, Key="k", **m)):
        with denied():
            call()
        with denied():
            call(VersionId=version)
    high = put(si, at, "k", b"high")["VersionId"]
    tag(si, at, {"by": "si"})
    assert tags(si, at) == {"by": "si"} and tags(low, at) == tags(tk, at) == {"by": "low"}
    with denied():
        tag(si, at, {}, VersionId=version)
    # Beside SI, and below it, its version is like one that never was.
    for other in (tk, low):
        with refused("NoSuchVersion", 404):
            tag(other, at, {}, VersionId=high)
    with denied():
        tag(both, at, {})


def test_a_body_that_is_no_tagging_is_refused(cloud, s3, bucket):
    put(s3, bucket, "k", b"x", Tagging="a=1")
    wire = cloud.wire("secret-analyst")
    for body in (b"", b"<Tagging>", b"<Tagging><TagSet><Tag><Key>k</Key>"):
        assert wire.request("PUT", f"/{bucket}/k", {"tagging": ""}, body=body).status == 400
    answer = wire.request("PUT", f"/{bucket}/k", {"versionId": "null"}, body=b"x")
    assert (answer.status, answer.code) == (501, "NotImplemented"), "a write names no version"
    query = {"tagging": "", "uploadId": "x", "partNumber": "1"}
    assert wire.request("PUT", f"/{bucket}/k", query, body=b"x").code == "InvalidArgument"
    assert tags(s3, bucket) == {"a": "1"} and get(s3, bucket, "k") == b"x"

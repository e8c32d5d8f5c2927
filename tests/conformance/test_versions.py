"""Versions, corner by corner: null versions, markers, suspension, copies, deletion of many, many writers at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud import get, keys, markers, missing, pattern, put, refused, set_versioning, versions


@pytest.fixture
def versioned(s3, bucket):
    set_versioning(s3, bucket)
    return bucket


def ids(s3, bucket, **more):
    return [v["VersionId"] for v in versions(s3, bucket, **more)]


# ---------------------------------------------------------------- null versions and suspension


def test_ids_in_answers(s3, bucket):
    assert "VersionId" not in put(s3, bucket, "k")
    assert "VersionId" not in s3.get_object(Bucket=bucket, Key="k") and "VersionId" not in s3.delete_object(Bucket=bucket, Key="k")
    set_versioning(s3, bucket)
    one = put(s3, bucket, "k")["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == one == s3.head_object(Bucket=bucket, Key="k")["VersionId"]
    set_versioning(s3, bucket, "Suspended")
    assert put(s3, bucket, "k")["VersionId"] == "null" == s3.head_object(Bucket=bucket, Key="k")["VersionId"]
    gone = s3.delete_object(Bucket=bucket, Key="k")
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")


def test_a_null_version_is_removed_by_its_name(s3, bucket):
    put(s3, bucket, "k", b"plain")
    set_versioning(s3, bucket)
    gone = s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert gone["VersionId"] == "null" and "DeleteMarker" not in gone
    with missing():
        s3.get_object(Bucket=bucket, Key="k")
    assert ids(s3, bucket) == [] and markers(s3, bucket) == []


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_a_plain_object_is_overwritten(s3, bucket, status):
    put(s3, bucket, "k", b"plain")
    set_versioning(s3, bucket, status)
    new = put(s3, bucket, "k", b"new")["VersionId"]
    assert get(s3, bucket, "k") == b"new" and len(ids(s3, bucket)) == (2 if status == "Enabled" else 1)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=new)
    if status == "Enabled":
        assert get(s3, bucket, "k") == b"plain" and ids(s3, bucket) == ["null"]
        s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    with missing():
        s3.get_object(Bucket=bucket, Key="k")


def test_suspended_and_enabled_again(s3, versioned):
    kept = [put(s3, versioned, "k", b"%d" % n)["VersionId"] for n in range(3)]
    set_versioning(s3, versioned, "Suspended")
    for n in range(2):
        put(s3, versioned, "k", b"null %d" % n)  # each replaces the null version alone
    assert ids(s3, versioned) == ["null", *kept[::-1]] and get(s3, versioned, "k", VersionId="null") == b"null 1"
    for _ in range(2):
        s3.delete_object(Bucket=versioned, Key="k")
    assert ids(s3, versioned) == kept[::-1] and [m["VersionId"] for m in markers(s3, versioned)] == ["null"]
    set_versioning(s3, versioned)
    new = put(s3, versioned, "k", b"new")["VersionId"]
    assert ids(s3, versioned) == [new, *kept[::-1]] and [m["IsLatest"] for m in markers(s3, versioned)] == [False]
    for version in (new, *kept):
        s3.delete_object(Bucket=versioned, Key="k", VersionId=version)
    with missing():
        s3.get_object(Bucket=versioned, Key="k")
    gone = s3.delete_object(Bucket=versioned, Key="k", VersionId="null")
    assert gone["DeleteMarker"] is True and markers(s3, versioned) == []


def test_status_nonsense(cloud, bucket):
    wire = cloud.wire("secret-analyst")
    for body in (b"<VersioningConfiguration/>", b"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>", b"<Other/>", b""):
        answer = wire.request("PUT", f"/{bucket}", {"versioning": ""}, None, body)
        assert answer.status == 400, (body, answer)
        assert answer.code in ("IllegalVersioningConfigurationException", "MalformedXML", "MissingRequestBodyError"), (body, answer)


# ---------------------------------------------------------------- markers


def test_what_a_marker_answers(s3, cloud, versioned):
    put(s3, versioned, "k", b"x")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    wire = cloud.wire("secret-analyst")
    for method in ("GET", "HEAD"):
        answer = wire.request(method, f"/{versioned}/k")
        assert (answer.status, answer.header("x-amz-delete-marker"), answer.header("x-amz-version-id")) == (404, "true", marker)
        answer = wire.request(method, f"/{versioned}/k", {"versionId": marker})
        assert (answer.status, answer.header("x-amz-delete-marker"), answer.header("allow")) == (405, "true", "DELETE")
        if method == "GET":
            assert answer.code == "MethodNotAllowed"
    (listed,) = markers(s3, versioned)
    assert (listed["Key"], listed["VersionId"], listed["IsLatest"]) == ("k", marker, True) and listed["Owner"]["ID"] and listed["LastModified"]


def test_markers_upon_markers(s3, versioned):
    one = put(s3, versioned, "k", b"one")["VersionId"]
    made = [s3.delete_object(Bucket=versioned, Key="k")["VersionId"] for _ in range(3)]
    assert [m["VersionId"] for m in markers(s3, versioned)] == made[::-1] and ids(s3, versioned) == [one]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=made[0])  # not the topmost: the object stays gone
    with missing():
        s3.get_object(Bucket=versioned, Key="k")
    for marker in made[:0:-1]:
        s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    assert get(s3, versioned, "k") == b"one"


def test_deleting_a_key_that_never_was(s3, versioned):
    gone = s3.delete_object(Bucket=versioned, Key="never")
    assert gone["DeleteMarker"] is True and [m["Key"] for m in markers(s3, versioned)] == ["never"]
    with refused({"NoSuchVersion", "InvalidArgument"}):
        s3.get_object(Bucket=versioned, Key="never", VersionId="no-such-version")


def test_version_ids_that_fit_nothing(s3, cloud, versioned):
    one = put(s3, versioned, "a", b"x")["VersionId"]
    put(s3, versioned, "b", b"x")
    with refused("NoSuchVersion", 404):
        s3.get_object(Bucket=versioned, Key="b", VersionId=one)
    with refused("404", 404):
        s3.head_object(Bucket=versioned, Key="b", VersionId=one)
    with refused("NoSuchVersion", 404):
        s3.get_object(Bucket=versioned, Key="b", VersionId="null")
    s3.delete_object(Bucket=versioned, Key="b", VersionId=one)  # no error, and nothing happens
    assert len(ids(s3, versioned)) == 2
    answer = cloud.wire("secret-analyst").request("GET", f"/{versioned}/a", {"versionId": ""})
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer


# ---------------------------------------------------------------- copies and uploads


def test_copies_of_versions(s3, versioned):
    one = put(s3, versioned, "k", b"one", Metadata={"a": "1"})["VersionId"]
    two = put(s3, versioned, "k", b"two")["VersionId"]
    source = lambda version: {"Bucket": versioned, "Key": "k", "VersionId": version}
    done = s3.copy_object(Bucket=versioned, Key="k", CopySource=source(one))  # an old version comes back: a new one on top
    assert done["CopySourceVersionId"] == one and done["VersionId"] not in (one, two)
    got = s3.get_object(Bucket=versioned, Key="k")
    assert got["Body"].read() == b"one" and got["Metadata"] == {"a": "1"} and len(ids(s3, versioned)) == 3
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    with missing():
        s3.copy_object(Bucket=versioned, Key="x", CopySource={"Bucket": versioned, "Key": "k"})
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=versioned, Key="x", CopySource=source(marker))
    with refused({"NoSuchVersion", "InvalidArgument"}):
        s3.copy_object(Bucket=versioned, Key="x", CopySource=source("no-such-version"))
    assert keys(s3, versioned) == []


def test_parts_from_versions(s3, versioned):
    one = put(s3, versioned, "k", b"one")["VersionId"]
    put(s3, versioned, "k", b"two")
    upload = s3.create_multipart_upload(Bucket=versioned, Key="to")["UploadId"]
    common = {"Bucket": versioned, "Key": "to", "UploadId": upload}
    part = s3.upload_part_copy(**common, PartNumber=1, CopySource={"Bucket": versioned, "Key": "k", "VersionId": one})
    assert part["CopySourceVersionId"] == one
    done = s3.complete_multipart_upload(**common, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]})
    assert done["VersionId"] and get(s3, versioned, "to", VersionId=done["VersionId"]) == b"one"


def test_conditions_see_the_current_version(s3, versioned):
    tag = put(s3, versioned, "k", b"one")["ETag"]
    with refused("PreconditionFailed", 412):
        put(s3, versioned, "k", b"two", IfNoneMatch="*")
    put(s3, versioned, "k", b"two", IfMatch=tag)
    s3.delete_object(Bucket=versioned, Key="k")
    put(s3, versioned, "k", b"three", IfNoneMatch="*")  # a marker is no object
    assert len(ids(s3, versioned)) == 3
    s3.delete_object(Bucket=versioned, Key="k")
    with refused({"NoSuchKey", "PreconditionFailed"}):
        put(s3, versioned, "k", b"four", IfMatch=tag)


# ---------------------------------------------------------------- deletion of many


def test_deleting_many_versions_and_markers(s3, versioned):
    one, two = (put(s3, versioned, "k", b"%d" % n)["VersionId"] for n in range(2))
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    objects = [{"Key": "k", "VersionId": v} for v in (one, marker)] + [{"Key": "other"}, {"Key": "k", "VersionId": "no-such-version"}]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": objects})
    by_id = {d.get("VersionId"): d for d in answer["Deleted"]}
    assert "DeleteMarker" not in by_id[one]
    assert by_id[marker]["DeleteMarker"] is True and by_id[marker]["DeleteMarkerVersionId"] == marker
    assert by_id[None]["Key"] == "other" and by_id[None]["DeleteMarker"] is True
    refusals = [e["Code"] for e in answer.get("Errors", [])]
    assert "no-such-version" in by_id or refusals in (["NoSuchVersion"], ["InvalidArgument"])
    assert ids(s3, versioned, Prefix="k") == [two] and get(s3, versioned, "k") == b"1"


def test_emptying_a_bucket(s3, versioned):
    for n in range(4):
        for key in ("a", "b/c", "ü &<"):
            put(s3, versioned, key, b"%d" % n)
    for key in ("a", "b/c"):
        s3.delete_object(Bucket=versioned, Key=key)
    page = s3.list_object_versions(Bucket=versioned)
    every = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page["Versions"] + page["DeleteMarkers"]]
    assert len(every) == 14
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": every, "Quiet": True})
    assert not answer.get("Errors") and not answer.get("Deleted")
    s3.delete_bucket(Bucket=versioned)


# ---------------------------------------------------------------- many at once


def test_many_writers_make_many_versions(s3, versioned):
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda n: put(s3, versioned, "k", pattern(1000, n))["VersionId"], range(24)))
    listed = ids(s3, versioned)
    assert sorted(listed) == sorted(made) and len(set(made)) == 24
    for n, version in enumerate(made):
        assert get(s3, versioned, "k", VersionId=version) == pattern(1000, n)
    assert [v["IsLatest"] for v in versions(s3, versioned)] == [True] + [False] * 23
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda version: s3.delete_object(Bucket=versioned, Key="k", VersionId=version), made))
    assert ids(s3, versioned) == []


def test_many_deleters_of_a_plain_object(s3, bucket):
    put(s3, bucket, "k")
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"], range(8)))
    assert done == [204] * 8 and keys(s3, bucket) == [] and markers(s3, bucket) == []

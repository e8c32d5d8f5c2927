"""Conditions of writes and deletions: they look at the view alone, and exactly one of many racing writers wins."""

import threading
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from cloud import get, keys, label_of, put, refused, set_versioning

WRITERS = 12


def race(cloud, act):
    """Everybody at once, each with a connection of their own; what each got: nothing, or a code."""
    clients = [cloud.s3("secret-analyst", user_agent_extra=f"writer/{n}") for n in range(WRITERS)]
    barrier, got = threading.Barrier(WRITERS), [None] * WRITERS

    def run(n):
        barrier.wait()
        try:
            act(clients[n], n)
            got[n] = "won"
        except ClientError as error:
            got[n] = error.response["Error"]["Code"]

    threads = [threading.Thread(target=run, args=(n,)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_one_writer_makes_the_object(cloud, s3, bucket):
    for turn in range(5):
        key = f"new-{turn}"
        got = race(cloud, lambda c, n: put(c, bucket, key, f"{n}".encode(), IfNoneMatch="*"))
        assert sorted(got) == ["PreconditionFailed"] * (WRITERS - 1) + ["won"]
        assert get(s3, bucket, key) == f"{got.index('won')}".encode()


def test_one_writer_changes_the_object(cloud, s3, bucket):
    tag = put(s3, bucket, "k", b"begin")["ETag"]
    for _ in range(5):
        got = race(cloud, lambda c, n: put(c, bucket, "k", f"{tag} {n}".encode(), IfMatch=tag))
        assert sorted(got) == ["PreconditionFailed"] * (WRITERS - 1) + ["won"]
        assert get(s3, bucket, "k") == f"{tag} {got.index('won')}".encode()
        tag = s3.head_object(Bucket=bucket, Key="k")["ETag"]


def test_one_completes_and_one_deletes(cloud, s3, bucket):
    uploads = []
    for n in range(WRITERS):
        upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        tag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=f"{n}".encode())["ETag"]
        uploads.append((upload, {"Parts": [{"PartNumber": 1, "ETag": tag}]}))

    def complete(c, n):
        upload, parts = uploads[n]
        c.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts, IfNoneMatch="*")

    got = race(cloud, complete)
    assert sorted(got) == ["PreconditionFailed"] * (WRITERS - 1) + ["won"]
    assert get(s3, bucket, "k") == f"{got.index('won')}".encode()
    tag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    got = race(cloud, lambda c, n: c.delete_object(Bucket=bucket, Key="k", IfMatch=tag))
    assert sorted(got) == ["NoSuchKey"] * (WRITERS - 1) + ["won"]


def test_deleting_by_etag_size_and_time(s3, bucket):
    answer = put(s3, bucket, "k", b"four")
    written = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    wrong = [
        {"IfMatch": '"00"'}, {"IfMatchSize": 5}, {"IfMatchLastModifiedTime": written - timedelta(seconds=1)},
        {"IfMatch": answer["ETag"], "IfMatchSize": 5}, {"IfMatch": "*", "IfMatchSize": 0},
    ]
    for condition in wrong:
        with refused("PreconditionFailed", 412):
            s3.delete_object(Bucket=bucket, Key="k", **condition)
    assert get(s3, bucket, "k") == b"four"
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=answer["ETag"], IfMatchSize=4, IfMatchLastModifiedTime=written)
    assert keys(s3, bucket) == []
    # What is not there has no size and no time; its ETag matches nothing.
    s3.delete_object(Bucket=bucket, Key="k", IfMatchSize=4)
    for condition in ("*", answer["ETag"]):
        with refused("NoSuchKey", 404):
            s3.delete_object(Bucket=bucket, Key="k", IfMatch=condition)


def test_deleting_with_versions(s3, bucket):
    set_versioning(s3, bucket)
    one, two = (put(s3, bucket, "k", text) for text in (b"one", b"two"))
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch=one["ETag"])
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=one["VersionId"], IfMatch=two["ETag"])
    s3.delete_object(Bucket=bucket, Key="k", VersionId=one["VersionId"], IfMatch=one["ETag"])
    assert s3.delete_object(Bucket=bucket, Key="k", IfMatch=two["ETag"])["DeleteMarker"] is True
    # The latest is a marker now: nothing that an ETag could name.
    with refused("NoSuchKey", 404):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch="*")
    assert get(s3, bucket, "k", VersionId=two["VersionId"]) == b"two"


def test_each_object_of_many_has_its_conditions(s3, bucket):
    tags = {key: put(s3, bucket, key, key.encode())["ETag"] for key in ("a", "b", "c", "d")}
    objects = [
        {"Key": "a", "ETag": tags["a"]}, {"Key": "b", "ETag": tags["a"]}, {"Key": "c", "Size": 1}, {"Key": "d", "Size": 2},
        {"Key": "none", "ETag": tags["a"]}, {"Key": "none too", "Size": 7},
    ]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [d["Key"] for d in answer["Deleted"]] == ["a", "c", "none too"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [
        ("b", "PreconditionFailed"), ("d", "PreconditionFailed"), ("none", "NoSuchKey")
    ]
    assert keys(s3, bucket) == ["b", "d"]


def test_conditions_on_copies(s3, bucket):
    source = put(s3, bucket, "from", b"source")
    written = s3.head_object(Bucket=bucket, Key="from")["LastModified"]
    place = {"Bucket": bucket, "Key": "to", "CopySource": f"{bucket}/from"}
    for condition in (
        {"CopySourceIfMatch": '"00"'}, {"CopySourceIfNoneMatch": source["ETag"]}, {"CopySourceIfModifiedSince": written},
        {"CopySourceIfUnmodifiedSince": written - timedelta(seconds=1)},
    ):
        with refused("PreconditionFailed", 412):
            s3.copy_object(**place, **condition)
    assert keys(s3, bucket) == ["from"]
    s3.copy_object(**place, CopySourceIfMatch=source["ETag"], IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.copy_object(**place, IfNoneMatch="*")


@pytest.mark.fastness
def test_deletions_look_at_the_view_alone(at, both, si, tk, low):
    low_tag = put(low, at, "k", b"low")["ETag"]
    high_tag = put(tk, at, "k", b"high")["ETag"]
    # Beside TK, SI sees the low one alone; from above, TK's covers it.
    with refused("PreconditionFailed", 412):
        si.delete_object(Bucket=at, Key="k", IfMatch=high_tag)
    with refused("PreconditionFailed", 412):
        tk.delete_object(Bucket=at, Key="k", IfMatch=low_tag)
    assert si.delete_object(Bucket=at, Key="k", IfMatch=low_tag)["DeleteMarker"] is True
    assert get(low, at, "k") == b"low" and get(tk, at, "k") == b"high"
    with refused("NoSuchKey", 404):
        si.delete_object(Bucket=at, Key="k", IfMatch="*")
    assert label_of(low.head_object(Bucket=at, Key="k")) == "SECRET"

"""Object lock: retention by governance and compliance, legal hold, defaults; nobody gets past it."""

import datetime
import time

import pytest

from cloud import denied, get, make_bucket, missing, put, refused, set_versioning, versions

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


@pytest.fixture
def locked(s3, name):
    s3.create_bucket(
        Bucket=name, ObjectLockEnabledForBucket=True, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name}
    )
    return name


def retain(s3, bucket, mode, until, key="k", **more):
    retention = {"Mode": mode, "RetainUntilDate": until} if mode else {}
    return s3.put_object_retention(Bucket=bucket, Key=key, Retention=retention, **more)


def hold(s3, bucket, status, key="k", **more):
    s3.put_object_legal_hold(Bucket=bucket, Key=key, LegalHold={"Status": status}, **more)


def default(s3, bucket, **retention):
    rule = {"Rule": {"DefaultRetention": retention}} if retention else {}
    s3.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", **rule}
    )


def test_a_bucket_with_lock_has_versions_for_good(s3, locked):
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    found = s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    assert found == {"ObjectLockEnabled": "Enabled"}
    with refused("InvalidBucketState", 409):
        set_versioning(s3, locked, "Suspended")
    set_versioning(s3, locked)
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"


def test_lock_comes_later_with_versions_alone(s3, bucket):
    with refused("ObjectLockConfigurationNotFoundError", 404):
        s3.get_object_lock_configuration(Bucket=bucket)
    with refused("InvalidBucketState", 409):
        default(s3, bucket)
    put(s3, bucket, "k", b"before")
    until = now() + DAY
    for call in (
        lambda: retain(s3, bucket, "GOVERNANCE", until), lambda: hold(s3, bucket, "ON"),
        lambda: s3.get_object_retention(Bucket=bucket, Key="k"), lambda: s3.get_object_legal_hold(Bucket=bucket, Key="k"),
        lambda: put(s3, bucket, "k", b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until),
        lambda: put(s3, bucket, "k", b"x", ObjectLockLegalHoldStatus="ON"),
        lambda: s3.create_multipart_upload(Bucket=bucket, Key="k", ObjectLockLegalHoldStatus="ON"),
    ):
        with refused("InvalidRequest", 400) as caught:
            call()
        assert "Bucket is missing Object Lock Configuration" in str(caught.value)
    assert get(s3, bucket, "k") == b"before"
    set_versioning(s3, bucket)
    default(s3, bucket)
    retain(s3, bucket, "GOVERNANCE", until)
    with denied():
        s3.delete_object(Bucket=bucket, Key="k", VersionId="null")


@pytest.mark.parametrize(
    "bad, code",
    [
        ({"Mode": "GOVERNANCE", "Days": 0}, "InvalidRetentionPeriod"), ({"Mode": "GOVERNANCE", "Years": -1}, "InvalidRetentionPeriod"),
        ({"Mode": "GOVERNANCE", "Days": 36_501}, "InvalidRetentionPeriod"), ({"Mode": "governance", "Days": 1}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "Days": 1, "Years": 1}, "MalformedXML"), ({"Mode": "GOVERNANCE"}, "MalformedXML"), ({"Days": 1}, "MalformedXML"),
    ],
)
def test_bad_defaults(s3, locked, bad, code):
    with refused(code, 400):
        default(s3, locked, **bad)
    assert "Rule" not in s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]


@pytest.mark.parametrize("mode, period, days", [("GOVERNANCE", {"Days": 2}, 2), ("COMPLIANCE", {"Years": 1}, 365)])
def test_default_retention(s3, locked, mode, period, days):
    default(s3, locked, Mode=mode, **period)
    found = s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    assert found["Rule"]["DefaultRetention"] == {"Mode": mode, **period}
    version = put(s3, locked, "k", b"x")["VersionId"]
    head = s3.head_object(Bucket=locked, Key="k")
    assert head["ObjectLockMode"] == mode
    assert abs((head["ObjectLockRetainUntilDate"] - now()) - days * DAY) < datetime.timedelta(minutes=5)
    with denied():
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    # What a write asks for itself goes before.
    until = now() + 7 * DAY
    put(s3, locked, "own", b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    assert s3.head_object(Bucket=locked, Key="own")["ObjectLockRetainUntilDate"] == until
    s3.copy_object(Bucket=locked, Key="copy", CopySource=f"{locked}/own")
    assert s3.head_object(Bucket=locked, Key="copy")["ObjectLockMode"] == mode, "a lock does not go along"
    upload = s3.create_multipart_upload(Bucket=locked, Key="parts", ObjectLockLegalHoldStatus="ON")["UploadId"]
    part = s3.upload_part(Bucket=locked, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=locked, Key="parts", UploadId=upload, MultipartUpload=parts)
    head = s3.get_object(Bucket=locked, Key="parts")
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == (mode, "ON")


def test_governance_yields_to_who_asks(s3, locked):
    until = now() + DAY
    version = put(s3, locked, "k", b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"] == {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    for weaker in (("GOVERNANCE", until - DAY / 2), ("COMPLIANCE", until + DAY), (None, None)):
        with denied():
            retain(s3, locked, *weaker)
    retain(s3, locked, "GOVERNANCE", until + DAY)
    with denied():
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    retain(s3, locked, "GOVERNANCE", until, BypassGovernanceRetention=True)
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["RetainUntilDate"] == until
    # A deletion that names no version leaves a marker and takes nothing.
    marker = s3.delete_object(Bucket=locked, Key="k")
    assert marker["DeleteMarker"] is True and [v["VersionId"] for v in versions(s3, locked)] == [version]
    s3.delete_object(Bucket=locked, Key="k", VersionId=marker["VersionId"])
    s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    assert versions(s3, locked) == []


def test_compliance_yields_to_nobody_until_its_time(s3, locked):
    until = now() + datetime.timedelta(seconds=20)
    version = put(s3, locked, "k", b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    for weaker in (("COMPLIANCE", until - datetime.timedelta(seconds=5)), ("GOVERNANCE", until + DAY), (None, None)):
        for bypass in ({}, {"BypassGovernanceRetention": True}):
            with denied():
                retain(s3, locked, *weaker, **bypass)
    with denied():
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    objects = {"Objects": [{"Key": "k", "VersionId": version}]}
    answer = s3.delete_objects(Bucket=locked, Delete=objects, BypassGovernanceRetention=True)
    assert [e["Code"] for e in answer["Errors"]] == ["AccessDenied"] and "Deleted" not in answer
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=locked)
    put(s3, locked, "k", b"another")
    assert get(s3, locked, "k", VersionId=version) == b"x"
    time.sleep(max(0, (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) + 0.1)
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    assert version not in [v["VersionId"] for v in versions(s3, locked)]


def test_legal_hold(s3, locked):
    version = put(s3, locked, "k", b"x")["VersionId"]
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_legal_hold(Bucket=locked, Key="k")
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(Bucket=locked, Key="k")
    hold(s3, locked, "ON")
    assert s3.get_object_legal_hold(Bucket=locked, Key="k")["LegalHold"] == {"Status": "ON"}
    assert s3.head_object(Bucket=locked, Key="k")["ObjectLockLegalHoldStatus"] == "ON"
    with denied():
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    hold(s3, locked, "OFF", VersionId=version)
    assert s3.get_object_legal_hold(Bucket=locked, Key="k")["LegalHold"] == {"Status": "OFF"}
    for call in (lambda: hold(s3, locked, "on"), lambda: retain(s3, locked, "governance", now() + DAY)):
        with refused("MalformedXML", 400):
            call()
    with refused("InvalidArgument", 400):
        retain(s3, locked, "GOVERNANCE", now() - DAY)
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    with missing():
        hold(s3, locked, "ON")


def test_bad_headers_write_nothing(s3, locked):
    until = now() + DAY
    for bad in (
        {"ObjectLockMode": "GOVERNANCE"}, {"ObjectLockRetainUntilDate": until}, {"ObjectLockMode": "x", "ObjectLockRetainUntilDate": until},
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": now() - DAY}, {"ObjectLockLegalHoldStatus": "x"},
    ):
        with refused("InvalidArgument", 400):
            put(s3, locked, "k", b"x", **bad)
    assert versions(s3, locked) == []


@pytest.mark.fastness
def test_a_lock_belongs_to_its_label(at, both, si, tk, low):
    set_versioning(low, at)
    default(low, at, Mode="COMPLIANCE", Days=1)
    version = put(low, at, "k", b"low")["VersionId"]
    for call in (lambda: hold(si, at, "ON"), lambda: retain(si, at, "COMPLIANCE", now() + 9 * DAY, VersionId=version)):
        with denied():
            call()
    # The bucket's record above took the lock over with the versions; its default is its own from then on.
    high = put(si, at, "k", b"high")["VersionId"]
    default(si, at)
    assert put(si, at, "k", b"free") and si.head_object(Bucket=at, Key="k").get("ObjectLockMode") is None
    with denied():
        si.delete_object(Bucket=at, Key="k", VersionId=high)
    with refused("InvalidBucketState", 409):
        set_versioning(tk, at, "Suspended")
    hold(si, at, "ON", VersionId=high)
    assert low.head_object(Bucket=at, Key="k").get("ObjectLockLegalHoldStatus") is None
    found = low.get_object_lock_configuration(Bucket=at)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert found == {"Mode": "COMPLIANCE", "Days": 1}



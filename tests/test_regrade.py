"""`fastness object regrade`: upward within a region, by a copy; the lower version goes by a session at its own label."""

import json

import pytest

from cloud import get, label_of, make_bucket, missing, pattern, put, set_versioning, versions

LOW, HIGH = "secret-analyst-low", "secret-analyst"


def regrade(cloud, where, *more, profile=HIGH, check=True):
    done = cloud.fastness("object", "regrade", f"s3://{where}", "--profile", profile, "--json", *more, check=check)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


@pytest.fixture
def bucket(cloud, name):
    return make_bucket(cloud.s3(LOW), name)


def test_a_copy_above_and_the_lower_stays(cloud, bucket):
    low, high = cloud.s3(LOW), cloud.s3(HIGH)
    put(low, bucket, "a b/ü?&", b"text", ContentType="text/plain", Metadata={"owner": "j2", "classification": "UNCLASSIFIED"})
    done = regrade(cloud, f"{bucket}/a b/ü?&")
    assert (done["from"]["label"], done["to"]["label"], done["from"]["deleted"]) == ("UNCLASSIFIED", "SECRET", False)
    answer = high.get_object(Bucket=bucket, Key="a b/ü?&")
    assert label_of(answer) == "SECRET" and answer["Body"].read() == b"text"
    assert answer["ContentType"] == "text/plain"
    assert answer["Metadata"] == {"owner": "j2", "classification": "SECRET"}
    assert label_of(low.get_object(Bucket=bucket, Key="a b/ü?&")) == "UNCLASSIFIED"


def test_the_lower_goes_by_a_session_of_its_own(cloud, bucket):
    low, high = cloud.s3(LOW), cloud.s3(HIGH)
    put(low, bucket, "k", b"text")
    done = regrade(cloud, f"{bucket}/k", "--lower-profile", LOW)
    assert done["from"]["deleted"] is True
    with missing():
        get(low, bucket, "k")
    assert get(high, bucket, "k") == b"text"


def test_versions(cloud, bucket):
    low, high = cloud.s3(LOW), cloud.s3(HIGH)
    set_versioning(low, bucket)
    one, two = (put(low, bucket, "k", body)["VersionId"] for body in (b"one", b"two"))
    done = regrade(cloud, f"{bucket}/k", "--version-id", one, "--lower-profile", LOW)
    assert done["from"]["version_id"] == one and done["to"]["version_id"] not in (one, two)
    assert get(high, bucket, "k") == b"one"
    assert [v["VersionId"] for v in versions(low, bucket)] == [two]
    # By its id, a version at the session's own label is no source.
    refusal = regrade(cloud, f"{bucket}/k", "--version-id", done["to"]["version_id"], check=False)
    assert "already" in refusal and len(versions(high, bucket)) == 2


def test_a_large_object_goes_in_parts(cloud, bucket):
    low, high = cloud.s3(LOW), cloud.s3(HIGH)
    body = pattern(12 << 20)
    put(low, bucket, "large", body, ContentType="application/x-thing", Metadata={"owner": "j2", "classification": "UNCLASSIFIED"})
    done = regrade(cloud, f"{bucket}/large", "--part-mib", "5", "--lower-profile", LOW)
    assert done["size"] == len(body) and done["to"]["etag"].endswith('-3"')
    answer = high.get_object(Bucket=bucket, Key="large")
    assert answer["Body"].read() == body and label_of(answer) == "SECRET"
    assert answer["ContentType"] == "application/x-thing" and answer["Metadata"] == {"owner": "j2"}
    with missing():
        get(low, bucket, "large")


def test_refusals_say_what_to_do(cloud, bucket):
    low, high = cloud.s3(LOW), cloud.s3(HIGH)
    put(low, bucket, "k", b"text")
    assert "take a profile at a higher" in regrade(cloud, f"{bucket}/k", profile=LOW, check=False)
    assert "no such object" in regrade(cloud, f"{bucket}/none", check=False)
    assert "no object" in regrade(cloud, bucket, check=False)
    put(high, bucket, "high", b"text")
    assert "no such object" in regrade(cloud, f"{bucket}/high", profile=LOW, check=False)
    # The lower profile is tried before anything is copied.
    put(low, bucket, "other", b"text")
    assert "no such object" in regrade(cloud, f"{bucket}/other", "--lower-profile", "unclass-analyst", check=False)
    assert label_of(high.head_object(Bucket=bucket, Key="other")) == "UNCLASSIFIED"
    # A session above the version cannot delete it: the copy is there, and that is said.
    refusal = regrade(cloud, f"{bucket}/other", "--lower-profile", "secret-analyst-rel", check=False)
    assert "could not delete" in refusal and "AccessDenied" in refusal
    assert get(low, bucket, "other") == b"text"

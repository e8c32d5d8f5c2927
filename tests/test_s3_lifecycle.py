"""Lifecycle rules: kept, refused, and what the region's worker makes of them."""

import datetime
import time

import pytest

from cloud import keys, make_bucket, markers, missing, put, refused, set_versioning, versions

EXPIRE = {"Days": 3}


def configure(client, bucket, *rules):
    full = [{"ID": f"r{n}", "Status": "Enabled", "Filter": {"Prefix": ""}, **rule} for n, rule in enumerate(rules)]
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": full})
    return full


def rules(client, bucket):
    return client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]


def test_rules_are_kept_as_sent(s3, bucket):
    with missing("NoSuchLifecycleConfiguration"):
        rules(s3, bucket)
    date = datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc)
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    sent = configure(
        s3, bucket, {"Expiration": EXPIRE}, {"Filter": {"Prefix": "logs/"}, "Expiration": {"Date": date}, "Status": "Disabled"},
        {"Filter": {"Tag": tags[0]}, "Expiration": EXPIRE},
        {"Filter": {"And": {"Prefix": "x", "Tags": tags, "ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 50}}, "Expiration": EXPIRE},
        {"Filter": {"ObjectSizeLessThan": 10}, "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 4}},
        {"Expiration": {"ExpiredObjectDeleteMarker": True}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    )
    assert rules(s3, bucket) == sent
    old = {"ID": "old", "Status": "Enabled", "Prefix": "old/", "Expiration": EXPIRE}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [old]})
    assert rules(s3, bucket) == [old]
    unnamed = {"Status": "Enabled", "Filter": {}, "Expiration": EXPIRE}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [unnamed]})
    assert rules(s3, bucket)[0]["ID"], "what has no name gets one"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    with missing("NoSuchLifecycleConfiguration"):
        rules(s3, bucket)


def test_what_is_no_rule_is_refused(s3, bucket):
    def wrong(code, *rules):
        with refused(code):
            configure(s3, bucket, *rules)

    wrong("InvalidRequest", {})
    wrong("InvalidArgument", {"Expiration": {"Days": 0}})
    wrong("InvalidArgument", {"Expiration": {"Days": -1}})
    wrong("InvalidArgument", {"Expiration": {"Date": datetime.datetime(2031, 1, 1, 5)}})
    wrong("MalformedXML", {"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}})
    wrong("MalformedXML", {"Expiration": EXPIRE, "Status": "enabled"})
    wrong("MalformedXML", {"Expiration": EXPIRE, "Filter": {"Prefix": "a", "ObjectSizeGreaterThan": 1}})
    wrong("InvalidArgument", {"Expiration": EXPIRE, "ID": "i" * 256})
    wrong("InvalidArgument", {"Expiration": EXPIRE, "ID": "same"}, {"Expiration": EXPIRE, "ID": "same"})
    wrong("InvalidArgument", {"NoncurrentVersionExpiration": {"NoncurrentDays": 0}})
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
    wrong("InvalidRequest", {**abort, "Filter": {"Tag": {"Key": "a", "Value": "1"}}})
    wrong("NotImplemented", {"Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]})
    wrong("MalformedXML", *[{"Expiration": EXPIRE}] * 1001)
    with missing("NoSuchLifecycleConfiguration"):
        rules(s3, bucket)


def until(what):
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "the worker did not do it"
        time.sleep(0.2)


@pytest.mark.fastness
def test_the_worker_does_what_is_due(new_cloud, name):
    """A worker a partition, by a clock that the start moves 40 days ahead."""
    cloud = new_cloud()
    cloud.start(env={"FASTNESS_LIFECYCLE_EVERY_S": "1", "FASTNESS_LIFECYCLE_AHEAD_DAYS": "40"})
    high, low = cloud.s3("secret-analyst"), cloud.s3("secret-analyst-low")
    for client, bucket in [(high, name + "-high"), (low, name + "-low")]:
        make_bucket(client, bucket)
        put(client, bucket, "logs/a")
        put(client, bucket, "kept")
        configure(client, bucket, {"Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}})
    make_bucket(high, name)
    set_versioning(high, name)
    put(high, name, "k")
    put(high, name, "k")
    upload = high.create_multipart_upload(Bucket=name, Key="u")["UploadId"]
    configure(
        high, name, {"NoncurrentVersionExpiration": {"NoncurrentDays": 30}},
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 30}}, {"Expiration": {"Days": 60}},
    )
    until(lambda: keys(high, name + "-high") == ["kept"])
    until(lambda: keys(low, name + "-low") == ["kept"])
    until(lambda: len(versions(high, name)) == 1)
    until(lambda: not high.list_multipart_uploads(Bucket=name).get("Uploads"))
    assert upload and keys(high, name) == ["k"] and not markers(high, name)
    assert cloud.stop() == 0
    done = cloud.verify()
    assert done.returncode == 0, done.stdout + done.stderr

"""Bucket policies: set, refused, and what they allow and deny, to whom, in which view."""

import json

import pytest

from cloud import denied, get, keys, make_bucket, missing, put, refused, set_versioning, versions

SECRET = "SECRET"


def arn(*parts):
    return "arn:aws-iso-b:s3:::" + "/".join(parts)


def allow(principal, actions, *resources, effect="Allow", **more):
    return {"Effect": effect, "Principal": principal, "Action": actions, "Resource": list(resources), **more}


def deny(*args, **more):
    return allow(*args, effect="Deny", **more)


def set_policy(client, bucket, *statements):
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def open_to_public(client, bucket):
    client.delete_public_access_block(Bucket=bucket)


@pytest.fixture
def me(cloud):
    """The ARN of the analyst of the secret region."""
    return cloud.sts("secret-analyst").get_caller_identity()["Arn"]


@pytest.fixture(scope="session")
def guest(cloud):
    """Somebody of another account, and its number."""
    account = cloud.new_account("guests", "us-isob-east-1")
    people = dict(clearance=SECRET, nationality="USA")
    client = account.s3("guest", label=SECRET, **people)
    client.account, client.low = account.number, account.s3("guest-low", label="UNCLASSIFIED", **people)
    return client


def test_a_policy_is_kept_as_sent(s3, bucket, cloud):
    account = cloud.account("secret-analyst")
    with missing("NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=bucket)
    with missing("NoSuchBucketPolicy"):
        s3.get_bucket_policy_status(Bucket=bucket)
    text = json.dumps({"Version": "2012-10-17", "Statement": allow({"AWS": account}, "s3:GetObject", arn(bucket, "*"))}, indent=3)
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    s3.delete_bucket_policy(Bucket=bucket)
    with missing("NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=bucket)


def test_what_is_not_evaluated_is_refused(s3, bucket, cloud):
    account = cloud.account("secret-analyst")
    good = allow({"AWS": account}, "s3:GetObject", arn(bucket, "*"))
    without = lambda name: {k: v for k, v in good.items() if k != name}
    for statement in [
        {**good, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {**without("Principal"), "NotPrincipal": {"AWS": account}},
        {**without("Action"), "NotAction": "s3:GetObject"},
        {**without("Resource"), "NotResource": arn(bucket, "*")},
        {**good, "Resource": arn(bucket, "${aws:username}/*")},
        {**good, "Principal": {"Service": "logging.s3.amazonaws.com"}},
    ]:
        with refused("NotImplemented", 501):
            set_policy(s3, bucket, statement)
    for statement in [
        {**good, "Resource": arn("another", "*")},
        {**good, "Resource": f"arn:aws:s3:::{bucket}/*"},
        {**good, "Resource": arn(bucket)},
        {**good, "Action": "s3:MakeCoffee"},
        {**good, "Effect": "Perhaps"},
        {**good, "Principal": {"AWS": "somebody"}},
        {**good, "Principal": {"AWS": f"arn:aws:iam::{account}:root"}},
        {**good, "Other": 1},
        without("Principal"),
    ]:
        with refused("MalformedPolicy", 400):
            set_policy(s3, bucket, statement)
    for text in ["{", "[]", "policy", json.dumps({"Version": "1999", "Statement": good})]:
        with refused("MalformedPolicy", 400):
            s3.put_bucket_policy(Bucket=bucket, Policy=text)
    with missing("NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=bucket)


def test_public_policies_are_blocked_at_first(s3, bucket):
    statement = allow("*", "s3:GetObject", arn(bucket, "*"))
    with denied():
        set_policy(s3, bucket, statement)
    open_to_public(s3, bucket)
    set_policy(s3, bucket, statement)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True


def test_a_denial_holds_for_the_owners_users(s3, bucket, me):
    for key in ["open/a", "shut/a"]:
        put(s3, bucket, key)
    set_policy(s3, bucket, deny({"AWS": me}, "s3:*Object*", arn(bucket, "shut/*")))
    assert get(s3, bucket, "open/a") == b"x"
    for call in [s3.get_object, s3.head_object, s3.delete_object, s3.get_object_tagging]:
        with refused(["AccessDenied", "403"], 403):
            call(Bucket=bucket, Key="shut/a")
    with denied():
        put(s3, bucket, "shut/b")
    with denied():
        s3.create_multipart_upload(Bucket=bucket, Key="shut/b")
    with denied():
        s3.copy_object(Bucket=bucket, Key="open/b", CopySource=f"{bucket}/shut/a")
    with denied():
        s3.copy_object(Bucket=bucket, Key="shut/b", CopySource=f"{bucket}/open/a")
    with denied():
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "open/a"}, {"Key": "shut/a"}]})
    assert keys(s3, bucket) == ["open/a", "shut/a"], "nothing was changed"


def test_versions_have_actions_of_their_own(s3, bucket, me):
    set_versioning(s3, bucket)
    put(s3, bucket, "k")
    version = versions(s3, bucket)[0]["VersionId"]
    set_policy(s3, bucket, deny({"AWS": me}, ["s3:GetObjectVersion", "s3:DeleteObjectVersion"], arn(bucket, "*")))
    assert get(s3, bucket, "k") == b"x"
    with denied():
        get(s3, bucket, "k", VersionId=version)
    with denied():
        s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    s3.delete_object(Bucket=bucket, Key="k")


def test_nobody_is_locked_out_for_good(s3, bucket):
    open_to_public(s3, bucket)
    set_policy(s3, bucket, deny("*", "s3:*", arn(bucket), arn(bucket, "*")))
    with denied():
        keys(s3, bucket)
    with denied():
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": []})
    assert "Deny" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    assert keys(s3, bucket) == []


def test_a_user_may_be_kept_from_the_policy_by_name(s3, cloud, bucket, me):
    set_policy(s3, bucket, deny({"AWS": me}, "s3:*Policy", arn(bucket)))
    for call in [s3.get_bucket_policy, s3.delete_bucket_policy]:
        with denied():
            call(Bucket=bucket)


@pytest.mark.fastness
def test_another_account_is_let_in(s3, guest, bucket):
    put(s3, bucket, "in/a", b"theirs to read")
    put(s3, bucket, "out/a")
    with denied():
        get(guest, bucket, "in/a")
    set_policy(
        s3, bucket, allow({"AWS": guest.account}, ["s3:GetObject", "s3:PutObject"], arn(bucket, "in/*")),
        allow({"AWS": guest.account}, "s3:ListBucket", arn(bucket)),
    )
    assert get(guest, bucket, "in/a") == b"theirs to read"
    put(guest, bucket, "in/b", b"from a guest")
    assert get(s3, bucket, "in/b") == b"from a guest"
    assert keys(guest, bucket) == ["in/a", "in/b", "out/a"]
    with missing():
        get(guest, bucket, "in/none")
    for call in [lambda: get(guest, bucket, "out/a"), lambda: put(guest, bucket, "out/b"),
                 lambda: guest.delete_object(Bucket=bucket, Key="in/a"), lambda: guest.get_bucket_policy(Bucket=bucket),
                 lambda: guest.delete_bucket(Bucket=bucket), lambda: guest.get_bucket_tagging(Bucket=bucket)]:
        with denied():
            call()
    s3.delete_bucket_policy(Bucket=bucket)
    with denied():
        get(guest, bucket, "in/a")


@pytest.mark.fastness
def test_who_may_not_list_learns_of_nothing_missing(s3, guest, bucket):
    put(s3, bucket, "a")
    set_policy(s3, bucket, allow({"AWS": guest.account}, "s3:GetObject", arn(bucket, "*")))
    assert get(guest, bucket, "a") == b"x"
    with denied():
        get(guest, bucket, "none")
    with denied():
        keys(guest, bucket)


@pytest.mark.fastness
def test_a_public_policy_may_be_restricted_to_the_account(s3, guest, bucket):
    put(s3, bucket, "a")
    open_to_public(s3, bucket)
    set_policy(s3, bucket, allow("*", "s3:GetObject", arn(bucket, "*")))
    assert get(guest, bucket, "a") == b"x"
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    with denied():
        get(guest, bucket, "a")
    assert get(s3, bucket, "a") == b"x"


@pytest.mark.fastness
def test_a_policy_opens_nothing_that_is_out_of_view(s3, guest, bucket):
    put(s3, bucket, "a")
    set_policy(s3, bucket, allow({"AWS": guest.account}, "s3:*", arn(bucket), arn(bucket, "*")))
    assert get(guest, bucket, "a") == b"x"
    with missing("NoSuchBucket"):
        get(guest.low, bucket, "a")


@pytest.mark.fastness
def test_a_version_is_read_under_the_policy_beside_it(s3, cloud, guest, name):
    """Low and high records have policies of their own; a refusal never falls through to another version."""
    low = cloud.s3("secret-analyst-low")
    bucket = make_bucket(low, name)
    put(low, bucket, "low", b"low")
    put(low, bucket, "both", b"low")
    set_policy(low, bucket, allow({"AWS": guest.account}, "s3:GetObject", arn(bucket, "*")))
    put(s3, bucket, "both", b"high")
    s3.delete_bucket_policy(Bucket=bucket)
    assert get(guest, bucket, "low") == b"low", "the low version is under the low policy"
    with denied():
        get(guest, bucket, "both")
    assert get(guest.low, bucket, "both") == b"low"
    low.delete_bucket_policy(Bucket=bucket)
    set_policy(s3, bucket, allow({"AWS": guest.account}, "s3:GetObject", arn(bucket, "*")))
    assert get(guest, bucket, "both") == b"high"
    with denied():
        get(guest, bucket, "low")

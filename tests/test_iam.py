"""IAM and STS: who manages whom, and what a key's label comes from."""

import json
import uuid

import pytest

from cloud import ARN_PARTITION, Account, denied, get, label_of, make_bucket, make_user, put, refused

RESERVED = {"clearance": "SECRET", "nationality": "USA", "label": "UNCLASSIFIED", "duty": "reviewer"}
INVALID = {"InvalidInput", "ValidationError", "MalformedInput", "InvalidParameterValue", "MalformedPolicyDocument"}


@pytest.fixture
def admin(cloud):
    return cloud.iam("secret-admin")


@pytest.fixture
def officer(cloud):
    return cloud.iam("secret-officer")


@pytest.fixture
def user(admin):
    """A user's name; the user and their keys go with the test."""
    name = "u-" + uuid.uuid4().hex[:12]
    admin.create_user(UserName=name)
    return name


def tag(iam, user, **tags):
    iam.tag_user(UserName=user, Tags=[{"Key": k, "Value": v} for k, v in tags.items()])


def tags(iam, user):
    return {t["Key"]: t["Value"] for t in iam.list_user_tags(UserName=user)["Tags"]}


def new_key(iam, user):
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def s3_of(cloud, key, region="us-isob-east-1"):
    return cloud.client_for("s3", region, *key)


def session_label(cloud, key, region="us-isob-east-1"):
    """The label of a key's session: the one of what it writes."""
    s3 = s3_of(cloud, key, region)
    bucket = make_bucket(s3, "l-" + uuid.uuid4().hex[:20])
    return label_of(put(s3, bucket, "k"))


# ---------------------------------------------------------------- users


def test_user_life(cloud, admin):
    name = "u-" + uuid.uuid4().hex[:12]
    made = admin.create_user(UserName=name, Path="/staff/", Tags=[{"Key": "team", "Value": "blue"}])["User"]
    number = cloud.account("secret-admin")
    assert made["Arn"] == f"arn:aws-iso-b:iam::{number}:user/staff/{name}"
    assert made["UserName"] == name and made["Path"] == "/staff/" and made["UserId"].startswith("AIDA") and made["CreateDate"]
    got = admin.get_user(UserName=name)["User"]
    assert (got["Arn"], got["UserId"], got["CreateDate"]) == (made["Arn"], made["UserId"], made["CreateDate"])
    assert {t["Key"]: t["Value"] for t in got["Tags"]} == {"team": "blue"}
    assert name in [u["UserName"] for u in admin.list_users()["Users"]]
    assert name in [u["UserName"] for u in admin.list_users(PathPrefix="/staff/")["Users"]]
    assert name not in [u["UserName"] for u in admin.list_users(PathPrefix="/other/")["Users"]]
    admin.delete_user(UserName=name)
    assert name not in [u["UserName"] for u in admin.list_users()["Users"]]
    with refused("NoSuchEntity", 404):
        admin.get_user(UserName=name)


def test_user_errors(admin, user):
    with refused("EntityAlreadyExists", 409):
        admin.create_user(UserName=user)
    with refused("EntityAlreadyExists", 409):
        admin.create_user(UserName=user.upper())  # names differ by more than case
    nobody = "nobody-" + user
    for call in (
        lambda: admin.get_user(UserName=nobody),
        lambda: admin.delete_user(UserName=nobody),
        lambda: admin.list_user_tags(UserName=nobody),
        lambda: tag(admin, nobody, team="x"),
        lambda: admin.untag_user(UserName=nobody, TagKeys=["team"]),
        lambda: admin.create_access_key(UserName=nobody),
        lambda: admin.list_access_keys(UserName=nobody),
    ):
        with refused("NoSuchEntity", 404):
            call()


@pytest.mark.parametrize("bad", ["sp ace", "a/b", "x" * 65, "ü", "a*b", "<b>"])
def test_user_bad_name(admin, bad):
    with refused(INVALID, 400):
        admin.create_user(UserName=bad)


def test_users_in_pages(cloud):
    account = cloud.new_account("pages-" + uuid.uuid4().hex[:8], "us-isob-east-1")
    names = [f"p-{n:02}" for n in range(7)]
    for name in names:
        account.admin.create_user(UserName=name)
    whole = [u["UserName"] for u in account.admin.list_users()["Users"]]
    assert set(names) <= set(whole)
    found, more = [], {}
    while True:
        answer = account.admin.list_users(MaxItems=3, **more)
        assert len(answer["Users"]) <= 3
        found += [u["UserName"] for u in answer["Users"]]
        if not answer["IsTruncated"]:
            break
        more = {"Marker": answer["Marker"]}
        assert len(found) < 50, "endless"
    assert found == whole


def test_get_user_without_a_name_is_the_caller(cloud, admin):
    assert admin.get_user()["User"]["Arn"] == cloud.sts("secret-admin").get_caller_identity()["Arn"]


def test_delete_conflict(admin, user):
    key = new_key(admin, user)[0]
    with refused("DeleteConflict", 409):
        admin.delete_user(UserName=user)
    admin.delete_access_key(UserName=user, AccessKeyId=key)
    admin.delete_user(UserName=user)


# ---------------------------------------------------------------- tags and duties


def test_tags(admin, user):
    tag(admin, user, team="blue", city="Rome")
    tag(admin, user, team="red")
    assert tags(admin, user) == {"team": "red", "city": "Rome"}
    admin.untag_user(UserName=user, TagKeys=["team", "never"])
    assert tags(admin, user) == {"city": "Rome"}


@pytest.mark.parametrize("key,value", RESERVED.items())
def test_the_administrator_sets_no_clearance(admin, officer, user, key, value):
    with denied():
        tag(admin, user, **{key: value})
    with denied():
        tag(admin, user, team="x", **{key: value})
    assert tags(admin, user) == {}
    tag(officer, user, **({"clearance": "SECRET", "nationality": "USA"} | {key: value}))
    with denied():
        admin.untag_user(UserName=user, TagKeys=[key])
    assert tags(admin, user)[key] == value
    officer.untag_user(UserName=user, TagKeys=[key])
    assert key not in tags(officer, user)


def test_nobody_becomes_an_officer_or_an_administrator(cloud, admin, officer, user):
    """These duties come with an account. Whoever knew the secret of a user who is given one would hold two duties."""
    for duty in ("officer", "administrator"):
        for client in (admin, officer):
            with denied():
                tag(client, user, duty=duty)
    assert tags(admin, user) == {}
    with denied():
        admin.create_access_key(UserName="officer")
    key = officer.list_access_keys(UserName="officer")["AccessKeyMetadata"][0]["AccessKeyId"]
    with denied():
        admin.update_access_key(UserName="officer", AccessKeyId=key, Status="Inactive")
    with denied():
        admin.delete_access_key(UserName="officer", AccessKeyId=key)
    with denied():
        admin.delete_user(UserName="officer")
    with denied():
        officer.create_access_key(UserName="admin")
    with denied():
        officer.untag_user(UserName="admin", TagKeys=["duty"])
    with denied():
        officer.create_access_key(UserName=user)
    fresh = officer.create_access_key()["AccessKey"]  # their own they change themselves
    assert fresh["UserName"] == "officer"
    officer.delete_access_key(UserName="officer", AccessKeyId=fresh["AccessKeyId"])


@pytest.mark.parametrize("key,value", RESERVED.items())
def test_create_user_with_a_reserved_tag(admin, key, value):
    name = "u-" + uuid.uuid4().hex[:12]
    with denied():
        admin.create_user(UserName=name, Tags=[{"Key": key, "Value": value}])
    with refused("NoSuchEntity", 404):
        admin.get_user(UserName=name)


@pytest.mark.parametrize("key", ["Clearance", "CLEARANCE", "clearance "])
def test_the_administrator_gets_round_no_reserved_tag(cloud, admin, user, key):
    """IAM's tag keys ignore case: no spelling gives a clearance."""
    from botocore.exceptions import ClientError

    try:
        tag(admin, user, **{key: "SECRET"})
    except ClientError as error:
        assert error.response["Error"]["Code"] in {"AccessDenied"} | INVALID, error
    assert session_label(cloud, new_key(admin, user)) == "UNCLASSIFIED"


@pytest.mark.parametrize("key,value", [
    ("clearance", "SECRETT"), ("clearance", ""), ("clearance", "TOP SECRET//"), ("clearance", "SECRET//NOFORN/REL TO USA, GBR"),
    ("nationality", "Germany"), ("nationality", "U"), ("nationality", ""), ("label", "nonsense"),
])
def test_the_officer_sets_no_nonsense(officer, user, key, value):
    with refused(INVALID, 400):
        tag(officer, user, **{key: value})
    assert tags(officer, user) == {}


@pytest.mark.parametrize("person", ["secret-analyst", "secret-analyst-low", "secret-partner"])
def test_people_manage_nobody(cloud, user, person):
    iam = cloud.iam(person)
    name = "u-" + uuid.uuid4().hex[:12]
    for call in (
        lambda: iam.create_user(UserName=name),
        lambda: iam.delete_user(UserName=user),
        lambda: iam.create_access_key(UserName=user),
        lambda: tag(iam, user, clearance="SECRET"),
        lambda: tag(iam, user, team="x"),
        lambda: iam.list_users(),
    ):
        with denied():
            call()
    with refused("NoSuchEntity", 404):
        cloud.iam("secret-admin").get_user(UserName=name)


def test_an_account_sees_its_own_users_alone(cloud, admin, user):
    account = cloud.new_account("alone-" + uuid.uuid4().hex[:8], "us-isob-east-1")
    assert user not in [u["UserName"] for u in account.admin.list_users()["Users"]]
    with refused("NoSuchEntity", 404):
        account.admin.get_user(UserName=user)
    account.admin.create_user(UserName=user)  # the same name in another account is another user
    key = new_key(admin, user)[0]
    with refused({"NoSuchEntity", "AccessDenied"}):
        account.admin.delete_access_key(UserName=user, AccessKeyId=key)
    assert [k["AccessKeyId"] for k in admin.list_access_keys(UserName=user)["AccessKeyMetadata"]] == [key]


# ---------------------------------------------------------------- keys


def test_key_life(cloud, admin, officer, user):
    tag(officer, user, clearance="SECRET", nationality="USA")
    made = admin.create_access_key(UserName=user)["AccessKey"]
    assert made["UserName"] == user and made["Status"] == "Active" and made["AccessKeyId"].startswith("AKIA")
    key = (made["AccessKeyId"], made["SecretAccessKey"])
    listed = admin.list_access_keys(UserName=user)["AccessKeyMetadata"]
    assert [(k["AccessKeyId"], k["Status"]) for k in listed] == [(key[0], "Active")]
    assert "SecretAccessKey" not in listed[0]
    s3 = s3_of(cloud, key)
    s3.list_buckets()
    admin.update_access_key(UserName=user, AccessKeyId=key[0], Status="Inactive")
    assert admin.list_access_keys(UserName=user)["AccessKeyMetadata"][0]["Status"] == "Inactive"
    with refused("InvalidAccessKeyId", 403):
        s3.list_buckets()
    admin.update_access_key(UserName=user, AccessKeyId=key[0], Status="Active")
    s3.list_buckets()
    admin.delete_access_key(UserName=user, AccessKeyId=key[0])
    with refused("InvalidAccessKeyId", 403):
        s3.list_buckets()
    with refused("InvalidClientTokenId", 403):
        cloud.client_for("sts", "us-isob-east-1", *key).get_caller_identity()
    assert admin.list_access_keys(UserName=user)["AccessKeyMetadata"] == []


def test_key_errors(admin, user):
    with refused("NoSuchEntity", 404):
        admin.delete_access_key(UserName=user, AccessKeyId="AKIAIOSFODNN7EXAMPLE")
    with refused("NoSuchEntity", 404):
        admin.update_access_key(UserName=user, AccessKeyId="AKIAIOSFODNN7EXAMPLE", Status="Inactive")
    key = new_key(admin, user)[0]
    with refused(INVALID, 400):
        admin.update_access_key(UserName=user, AccessKeyId=key, Status="Sleeping")
    other = user + "-2"
    admin.create_user(UserName=other)
    with refused("NoSuchEntity", 404):
        admin.delete_access_key(UserName=other, AccessKeyId=key)


def test_eight_keys_a_user(admin, user):
    ids = [new_key(admin, user)[0] for _ in range(8)]
    assert len(set(ids)) == 8
    with refused({"LimitExceeded", "LimitExceededException"}, 409):
        admin.create_access_key(UserName=user)
    admin.delete_access_key(UserName=user, AccessKeyId=ids[0])
    new_key(admin, user)


@pytest.mark.parametrize("given,label", [
    ({}, "UNCLASSIFIED"),
    ({"nationality": "USA"}, "UNCLASSIFIED"),
    ({"clearance": "SECRET", "nationality": "USA"}, "SECRET"),
    ({"clearance": "SECRET", "nationality": "USA", "label": "UNCLASSIFIED"}, "UNCLASSIFIED"),
    ({"clearance": "SECRET", "nationality": "USA", "label": "SECRET//REL TO USA, GBR"}, "SECRET//REL TO USA, GBR"),
    ({"clearance": "SECRET", "nationality": "GBR"}, "SECRET//REL TO USA, GBR"),
    ({"clearance": "SECRET", "nationality": "GBR", "label": "UNCLASSIFIED"}, "UNCLASSIFIED"),
    ({"clearance": "UNCLASSIFIED", "nationality": "GBR"}, "UNCLASSIFIED"),
])
def test_label_of_a_key(cloud, admin, officer, user, given, label):
    if given:
        tag(officer, user, **given)
    assert session_label(cloud, new_key(admin, user)) == label


@pytest.mark.parametrize("given", [
    {"clearance": "UNCLASSIFIED", "nationality": "USA", "label": "SECRET"},  # above the clearance
    {"clearance": "SECRET", "nationality": "GBR", "label": "SECRET"},  # not released to GBR
    {"clearance": "SECRET", "nationality": "AUS", "label": "SECRET//REL TO USA, GBR"},
    {"clearance": "SECRET//REL TO USA, GBR", "nationality": "USA", "label": "SECRET"},
    {"clearance": "TOP SECRET", "nationality": "USA", "label": "TOP SECRET"},  # above the region's ceiling
    {"clearance": "SECRET", "nationality": "USA", "label": "SECRET//REL TO USA, NZL"},  # not in the region's list
])
def test_no_key_for_a_label_that_is_not_theirs(admin, officer, user, given):
    """Refused when the officer sets the tags, or at the latest when the key is made."""
    from botocore.exceptions import ClientError

    try:
        tag(officer, user, **given)
    except ClientError as error:
        assert error.response["Error"]["Code"] in INVALID | {"AccessDenied"}, error
        return
    with refused({"AccessDenied"} | INVALID):
        admin.create_access_key(UserName=user)
    assert admin.list_access_keys(UserName=user)["AccessKeyMetadata"] == []


def test_a_key_keeps_the_label_it_was_made_with(cloud, admin, officer, user):
    tag(officer, user, clearance="SECRET", nationality="USA", label="UNCLASSIFIED")
    low = new_key(admin, user)
    tag(officer, user, label="SECRET")
    high = new_key(admin, user)
    assert (session_label(cloud, low), session_label(cloud, high)) == ("UNCLASSIFIED", "SECRET")


def test_a_lowered_clearance_stops_higher_keys(cloud, admin, officer, user):
    tag(officer, user, clearance="SECRET", nationality="USA")
    high = s3_of(cloud, new_key(admin, user))
    tag(officer, user, label="UNCLASSIFIED")
    low = s3_of(cloud, new_key(admin, user))
    bucket = make_bucket(high, "l-" + uuid.uuid4().hex[:20])
    tag(officer, user, clearance="UNCLASSIFIED")
    with denied():
        high.list_objects_v2(Bucket=bucket)
    with denied():
        put(high, bucket, "k")
    low.list_buckets()
    officer.untag_user(UserName=user, TagKeys=["clearance"])
    with denied():
        high.list_buckets()
    low.list_buckets()
    tag(officer, user, clearance="SECRET")
    high.list_objects_v2(Bucket=bucket)


def test_a_changed_nationality_stops_keys_not_released_to_it(cloud, admin, officer, user):
    tag(officer, user, clearance="SECRET", nationality="USA")
    key = s3_of(cloud, new_key(admin, user))
    key.list_buckets()
    tag(officer, user, nationality="GBR")
    with denied():
        key.list_buckets()


# ---------------------------------------------------------------- STS


@pytest.mark.parametrize("profile,region", [("unclass-analyst", "us-gov-west-1"), ("secret-partner", "us-isob-east-1"), ("topsecret-si", "us-iso-east-1"), ("secret-admin", "us-isob-east-1")])
def test_caller_identity(cloud, profile, region):
    answer = cloud.sts(profile).get_caller_identity()
    assert len(answer["Account"]) == 12 and answer["Account"].isdigit()
    assert answer["Arn"].startswith(f"arn:{ARN_PARTITION[region]}:iam::{answer['Account']}:user/")
    assert answer["UserId"].startswith("AIDA")


def test_the_people_of_a_region_share_an_account(cloud):
    for region in ("unclass", "secret", "topsecret"):
        people = [p for p in cloud.profiles() if p.startswith(region + "-")]
        assert len({cloud.account(p) for p in people}) == 1, region


# ---------------------------------------------------------------- the program's own commands


def test_account_create_and_list(cloud):
    name = "acct-" + uuid.uuid4().hex[:8]
    made = json.loads(cloud.fastness("account", "create", name, "--json", "--region", "us-iso-east-1").stdout)
    assert made["name"] == name and len(made["account"]) == 12 and made["account"].isdigit()
    account = Account(cloud, "us-iso-east-1", made)
    assert account.admin.get_user()["User"]["UserName"] == made["administrator"]["user"]
    assert account.officer.get_user()["User"]["UserName"] == made["officer"]["user"]
    listed = json.loads(cloud.fastness("account", "list", "--json", "--region", "us-iso-east-1").stdout)
    assert made["account"] in json.dumps(listed) and name in json.dumps(listed)
    elsewhere = cloud.fastness("account", "list", "--json", "--region", "us-isob-east-1").stdout
    assert name not in elsewhere
    again = cloud.fastness("account", "create", name, "--json", "--region", "us-iso-east-1", check=False)
    assert again.returncode != 0 and name in again.stderr  # names are never reused
    plain = cloud.fastness("account", "list", "--region", "us-iso-east-1")
    assert name in plain.stdout and made["account"] in plain.stdout


def test_account_create_refuses(cloud):
    for args in (("bad/name", "us-iso-east-1"), ("good-name", "mars-north-1")):
        done = cloud.fastness("account", "create", args[0], "--region", args[1], check=False)
        assert done.returncode != 0 and done.stderr.strip() and "panicked" not in done.stderr


def test_a_new_account_works_on_its_own(cloud, name):
    account = cloud.new_account("own-" + uuid.uuid4().hex[:8], "us-isob-east-1")
    s3 = account.s3("worker", clearance="SECRET", nationality="USA")
    make_bucket(s3, name)
    put(s3, name, "k", b"abc")
    assert get(s3, name, "k") == b"abc"
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert name not in [b["Name"] for b in cloud.s3("secret-analyst").list_buckets()["Buckets"]]


@pytest.fixture
def holder(cloud, admin, officer):
    """A profile at the floor whose user is cleared SECRET."""
    name = "h-" + uuid.uuid4().hex[:12]
    key = make_user(admin, officer, name, {"clearance": "SECRET", "nationality": "USA", "label": "UNCLASSIFIED"})[1]
    cloud.add_profile(name, "us-isob-east-1", key)
    return name


def test_key_create(cloud, holder):
    for label in ("SECRET", "SECRET//REL TO USA, GBR", "UNCLASSIFIED"):
        made = json.loads(cloud.fastness("key", "create", "--label", label, "--json", "--profile", holder).stdout)
        assert made["label"] == label
        assert session_label(cloud, (made["access_key_id"], made["secret_access_key"])) == label
    listed = cloud.iam("secret-admin").list_access_keys(UserName=holder)["AccessKeyMetadata"]
    assert len(listed) == 4


@pytest.mark.parametrize("label", ["TOP SECRET", "SECRET//SI", "CONFIDENTIAL//REL TO USA, NZL", "nonsense", ""])
def test_key_create_refuses(cloud, holder, label):
    done = cloud.fastness("key", "create", "--label", label, "--json", "--profile", holder, check=False)
    assert done.returncode != 0 and done.stderr.strip() and "panicked" not in done.stderr
    assert len(cloud.iam("secret-admin").list_access_keys(UserName=holder)["AccessKeyMetadata"]) == 1


def test_key_create_only_from_the_floor(cloud):
    for profile in ("secret-analyst", "secret-analyst-rel"):
        done = cloud.fastness("key", "create", "--label", "UNCLASSIFIED", "--profile", profile, check=False)
        assert done.returncode != 0 and done.stderr.strip() and "panicked" not in done.stderr


def test_label_allow(cloud, holder):
    label = "SECRET//REL TO USA, AUS, CAN"
    done = cloud.fastness("key", "create", "--label", label, "--json", "--profile", holder, check=False)
    assert done.returncode != 0
    for profile in ("secret-admin", holder):
        assert cloud.fastness("label", "allow", label, "--profile", profile, check=False).returncode != 0
    cloud.fastness("label", "allow", label, "--profile", "secret-officer")
    cloud.fastness("label", "allow", label, "--profile", "secret-officer")  # again: nothing to do
    made = json.loads(cloud.fastness("key", "create", "--label", label, "--json", "--profile", holder).stdout)
    key = (made["access_key_id"], made["secret_access_key"])
    assert session_label(cloud, key) == label
    # REL TO AUS, CAN and REL TO GBR do not compare
    bucket = make_bucket(s3_of(cloud, key), "l-" + uuid.uuid4().hex[:20])
    with refused("NoSuchBucket", 404):
        cloud.s3("secret-analyst-rel").list_objects_v2(Bucket=bucket)
    cloud.s3("secret-analyst").list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("label", ["TOP SECRET", "TOP SECRET//SI", "nonsense", ""])
def test_label_allow_refuses(cloud, label):
    done = cloud.fastness("label", "allow", label, "--profile", "secret-officer", check=False)
    assert done.returncode != 0 and done.stderr.strip() and "panicked" not in done.stderr

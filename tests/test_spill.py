"""Spills: data found at a label too low for it. Contained at once, reported with every reader, erased by two officers."""

import datetime
import hashlib
import json
import threading
import time
from types import SimpleNamespace

import pytest

from cloud import denied, get, keys, make_bucket, missing, pattern, put, refused, set_versioning, versions

REGION = "us-isob-east-1"
REL = "SECRET//REL TO USA, GBR"


def officers_of(cloud, prefix, region, labels):
    """Two officers, each cleared by the other, with profiles at these labels."""
    account = cloud.account(f"{prefix}-admin")
    made = json.loads(cloud.fastness("account", "add-officer", account, "--json", "--region", region).stdout)
    cloud.add_profile(f"{prefix}-officer-2", region, (made["access_key_id"], made["secret_access_key"]))
    clear = [{"Key": "clearance", "Value": labels[-1]}]
    cloud.iam(f"{prefix}-officer").tag_user(UserName=made["user"], Tags=clear)
    cloud.iam(f"{prefix}-officer-2").tag_user(UserName="officer", Tags=clear)
    for officer in (f"{prefix}-officer", f"{prefix}-officer-2"):
        for label in labels:
            done = cloud.fastness("key", "create", "--label", label, "--profile", officer, "--json")
            key = json.loads(done.stdout)
            cloud.add_profile(f"{officer}@{label}", region, (key["access_key_id"], key["secret_access_key"]))


@pytest.fixture(scope="module")
def office(cloud):
    officers_of(cloud, "secret", REGION, ["UNCLASSIFIED", "CUI", REL, "SECRET"])
    return cloud


def first(label):
    return f"secret-officer@{label}"


def second(label):
    return f"secret-officer-2@{label}"


def spill(cloud, *args, profile, check=True):
    done = cloud.fastness("spill", *args, "--profile", profile, "--json", check=check)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def contain(cloud, where, label, *more):
    return spill(cloud, "contain", f"s3://{where}", *more, profile=first(label))


def report(cloud, id):
    answer = spill(cloud, "report", id, profile=first("SECRET"))
    text = json.dumps(answer["report"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == answer["sha256"]
    return answer["report"]


def erase(cloud, id, label):
    proposed = spill(cloud, "erase", id, profile=first(label))
    assert proposed["state"] == "proposed"
    return spill(cloud, "erase", id, "--approve", proposed["digest"], profile=second(label))


def reads(found):
    return [(r["principal"], r["operation"], r["what"], r["certainty"]) for r in found["readers"]]


@pytest.fixture
def low(office, name):
    """A bucket at UNCLASSIFIED, seen by everybody."""
    s3 = office.s3("secret-analyst-low")
    make_bucket(s3, name)
    return SimpleNamespace(cloud=office, s3=s3, high=office.s3("secret-analyst"), bucket=name)


def test_contained_is_not_there_for_anybody(low):
    s3, high, bucket = low.s3, low.high, low.bucket
    put(s3, bucket, "spilled", b"what should be SECRET")
    put(s3, bucket, "other", b"fine")
    found = contain(low.cloud, f"{bucket}/spilled", "UNCLASSIFIED")
    assert found["label"] == "UNCLASSIFIED" and [v["key"] for v in found["versions"]] == ["spilled"]
    for who in (s3, high):
        with missing():
            get(who, bucket, "spilled")
        with refused(("404", "NoSuchKey"), 404):
            who.head_object(Bucket=bucket, Key="spilled")
        with missing():
            who.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/spilled")
        assert keys(who, bucket) == ["other"]
        assert [v["Key"] for v in versions(who, bucket)] == ["other"]
        assert get(who, bucket, "other") == b"fine"
    # Workers neither delete it nor write over it: the name is free, what is contained stays.
    s3.delete_object(Bucket=bucket, Key="spilled")
    put(s3, bucket, "spilled", b"new and harmless")
    s3.delete_object(Bucket=bucket, Key="spilled", VersionId=found["versions"][0]["version_id"])
    assert get(high, bucket, "spilled") == b"new and harmless"
    seen = report(low.cloud, found["spill"])
    assert seen["state"] == "contained" and [v["etag"] for v in seen["versions"]] == [
        hashlib.md5(b"what should be SECRET").hexdigest()
    ]


def test_all_versions_or_one(low):
    s3, bucket = low.s3, low.bucket
    set_versioning(s3, bucket)
    ids = [put(s3, bucket, "k", body)["VersionId"] for body in (b"one", b"two", b"three")]
    found = contain(low.cloud, f"{bucket}/k", "UNCLASSIFIED", "--version-id", ids[1])
    assert [v["version_id"] for v in found["versions"]] == [ids[1]]
    assert [v["VersionId"] for v in versions(s3, bucket)] == [ids[2], ids[0]]
    assert get(s3, bucket, "k") == b"three"
    with missing("NoSuchVersion"):
        get(s3, bucket, "k", VersionId=ids[1])
    again = contain(low.cloud, f"{bucket}/k", "UNCLASSIFIED")
    assert again["spill"] == found["spill"] and len(again["versions"]) == 3
    with missing():
        get(s3, bucket, "k")
    assert versions(s3, bucket) == []


def test_copies_at_the_label_are_contained_with_it(low):
    s3, high, bucket = low.s3, low.high, low.bucket
    # Content of its own: other tests of the same region write the usual pattern.
    body = bucket.encode() + pattern(100_000)
    put(s3, bucket, "a", body)
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/b")
    high.copy_object(Bucket=bucket, Key="up", CopySource=f"{bucket}/a")
    put(s3, bucket, "same", body)
    put(s3, bucket, "unrelated", b"x")
    found = contain(low.cloud, f"{bucket}/a", "UNCLASSIFIED")
    assert sorted((v["key"], v["copy"]) for v in found["versions"]) == [("a", False), ("b", True), ("c", True)]
    assert keys(s3, bucket) == ["same", "unrelated"]
    seen = report(low.cloud, found["spill"])
    copies = {c["key"]: (c["label"], c["state"], c["principal"]) for c in seen["copies"]}
    assert copies == {
        "b": ("UNCLASSIFIED", f"contained in {found['spill']}", "user/analyst"),
        "c": ("UNCLASSIFIED", f"contained in {found['spill']}", "user/analyst"),
        "up": ("SECRET", "readable", "user/analyst"),
    }
    assert sorted((a["label"], a["key"]) for a in seen["look_alikes"]) == [("SECRET", "up"), ("UNCLASSIFIED", "same")]
    # Nothing above is changed from below: the copy upward is contained from a session at its own label.
    assert get(high, bucket, "up") == body
    above = contain(low.cloud, f"{bucket}/up", "SECRET")
    with missing():
        get(high, bucket, "up")
    states = {c["key"]: c["state"] for c in report(low.cloud, found["spill"])["copies"]}
    assert states["up"] == f"contained in {above['spill']}"


def test_every_reader_is_named(low):
    cloud, s3, high, bucket = low.cloud, low.s3, low.high, low.bucket
    put(s3, bucket, "k", b"spilled")
    put(s3, bucket, "other", b"x")
    get(s3, bucket, "other")
    before = time.time() * 1000
    get(s3, bucket, "k")
    got = high.get_object(Bucket=bucket, Key="k")
    got["Body"].read()
    cloud.s3("secret-partner").head_object(Bucket=bucket, Key="k")
    high.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    get(cloud.s3("secret-analyst"), bucket, "copy")
    with missing():
        get(high, bucket, "never")
    found = contain(cloud, f"{bucket}/k", "UNCLASSIFIED")
    with missing():
        get(high, bucket, "k")
    seen = report(cloud, found["spill"])
    assert sorted(reads(seen)) == sorted([
        ("user/analyst", "GetObject", "content", "certain"),
        ("user/analyst", "GetObject", "content", "possible"),
        ("user/partner", "HeadObject", "metadata", "possible"),
        ("user/analyst", "CopyObject", "content", "possible"),
        ("user/analyst", "GetObject", "content", "possible"),
    ])
    assert seen["reads"] == 5
    by_request = {r["request"]: r for r in seen["readers"]}
    reader = by_request[got["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]]
    assert reader["label"] == "SECRET" and reader["nationality"] == "USA" and reader["source"] == "127.0.0.1"
    assert reader["account"] == cloud.account("secret-analyst") and reader["resource"] == f"read {bucket}/k"
    assert reader["key"] == cloud.profile("secret-analyst")["aws_access_key_id"]
    assert before - 1000 < reader["time_ms"] < time.time() * 1000 + 1000
    # Every label that the region holds at or below the officers' own; other tests have it hold more.
    held = cloud.fastness("label", "list", "--profile", first("SECRET"), "--json")
    held = {label for label in json.loads(held.stdout)["labels"] if not label.startswith("TOP SECRET")}
    assert held >= {"UNCLASSIFIED", "CUI", REL, "SECRET"}
    assert set(seen["ledgers"]) == held and seen["unknown"]
    text = cloud.fastness("spill", "report", found["spill"], "--profile", first("SECRET")).stdout
    for word in (bucket, "user/partner", "not known to the region", found["spill"]):
        assert word in text


def test_reads_by_version_are_certain(low):
    s3, high, bucket = low.s3, low.high, low.bucket
    set_versioning(s3, bucket)
    one, two = (put(s3, bucket, "k", body)["VersionId"] for body in (b"one", b"two"))
    get(high, bucket, "k", VersionId=one)
    get(high, bucket, "k", VersionId=two)
    found = contain(low.cloud, f"{bucket}/k", "UNCLASSIFIED", "--version-id", one)
    seen = report(low.cloud, found["spill"])
    assert [(r["resource"], r["certainty"]) for r in seen["readers"]] == [(f"read {bucket}/k?versionId={one}", "certain")]


def test_erased_by_two_officers_at_once(low):
    cloud, s3, bucket = low.cloud, low.s3, low.bucket
    for n in range(5):
        put(s3, bucket, f"kept-{n}", b"%d" % n)
    put(s3, bucket, "k", b"small and spilled")
    put(s3, bucket, "large", pattern(200_000))
    before = {p.name for p in cloud.data.glob(f"regions/{REGION}/partitions/*/erasure/*")}
    small, large = (contain(cloud, f"{bucket}/{key}", "UNCLASSIFIED") for key in ("k", "large"))
    for found in (small, large):
        proposed = spill(cloud, "erase", found["spill"], profile=first("UNCLASSIFIED"))
        assert proposed["state"] == "proposed" and proposed["expires"]
        assert report(cloud, found["spill"])["state"] == "proposed"
        # Not the same officer, not another digest.
        mine = spill(cloud, "erase", found["spill"], "--approve", proposed["digest"], profile=first("UNCLASSIFIED"), check=False)
        assert "another officer" in mine
        other = spill(cloud, "erase", found["spill"], "--approve", "0" * 64, profile=second("UNCLASSIFIED"), check=False)
        assert "digest" in other
        done = spill(cloud, "erase", found["spill"], "--approve", proposed["digest"], profile=second("UNCLASSIFIED"))
        assert done["state"] == "erased" and done["erasure_keys_destroyed"] >= 1
        again = spill(cloud, "erase", found["spill"], "--approve", proposed["digest"], profile=second("UNCLASSIFIED"))
        assert again["state"] == "erased" and again["erasure_keys_destroyed"] == 0
        seen = report(cloud, found["spill"])
        assert seen["state"] == "erased" and seen["erased_by"] == ["officer", "officer-2"]
        assert [v["etag"] for v in seen["versions"]], "the evidence stays"
    after = {p.name for p in cloud.data.glob(f"regions/{REGION}/partitions/*/erasure/*")}
    assert before - after, "the erasure key is destroyed before the answer"
    for n in range(5):
        assert get(s3, bucket, f"kept-{n}") == b"%d" % n


def test_a_proposal_is_bound_to_what_is_contained(low):
    cloud, s3, bucket = low.cloud, low.s3, low.bucket
    put(s3, bucket, "k", b"one")
    found = contain(cloud, f"{bucket}/k", "UNCLASSIFIED")
    proposed = spill(cloud, "erase", found["spill"], profile=first("UNCLASSIFIED"))
    put(s3, bucket, "k", b"two")
    assert contain(cloud, f"{bucket}/k", "UNCLASSIFIED")["spill"] == found["spill"]
    refusal = spill(cloud, "erase", found["spill"], "--approve", proposed["digest"], profile=second("UNCLASSIFIED"), check=False)
    assert "digest" in refusal
    assert erase(cloud, found["spill"], "UNCLASSIFIED")["state"] == "erased"


def test_a_read_under_way_is_cut(low):
    cloud, s3, bucket = low.cloud, low.s3, low.bucket
    put(s3, bucket, "large", pattern(64 << 20))
    body = cloud.s3("secret-analyst").get_object(Bucket=bucket, Key="large")["Body"]
    assert len(body.read(1 << 20)) == 1 << 20
    contain(cloud, f"{bucket}/large", "UNCLASSIFIED")
    with pytest.raises(Exception):
        rest = body.read()
        assert len(rest) == 63 << 20, "cut off"
        pytest.fail("the whole object was read")


def test_who_may(low):
    cloud, s3, bucket = low.cloud, low.s3, low.bucket
    put(s3, bucket, "k", b"x")
    put(low.high, bucket, "high", b"x")
    for profile in ("secret-analyst-low", "secret-admin"):
        assert "AccessDenied" in spill(cloud, "contain", f"s3://{bucket}/k", profile=profile, check=False)
    # At another label there is nothing of it to contain, and what is above is not there.
    assert "NoSuchKey" in spill(cloud, "contain", f"s3://{bucket}/k", profile=first("SECRET"), check=False)
    assert "NoSuchKey" in spill(cloud, "contain", f"s3://{bucket}/high", profile=first("UNCLASSIFIED"), check=False)
    assert "NoSuchBucket" in spill(cloud, "contain", "s3://no-such-bucket/k", profile=first("UNCLASSIFIED"), check=False)
    id = contain(cloud, f"{bucket}/k", "UNCLASSIFIED")["spill"]
    for profile in ("secret-analyst", "secret-admin"):
        assert "AccessDenied" in spill(cloud, "erase", id, profile=profile, check=False)
        assert "AccessDenied" in spill(cloud, "report", id, profile=profile, check=False)
    assert "ceiling" in spill(cloud, "report", id, profile=first("UNCLASSIFIED"), check=False)
    assert "NoSuchEntity" in spill(cloud, "erase", id, profile=first("SECRET"), check=False)
    assert "NoSuchEntity" in spill(cloud, "erase", "0" * 32, profile=first("UNCLASSIFIED"), check=False)
    assert "spill's id" in spill(cloud, "erase", "nonsense", profile=first("UNCLASSIFIED"), check=False)
    assert "nobody has proposed" in spill(cloud, "erase", id, "--approve", "0" * 64, profile=second("UNCLASSIFIED"), check=False)
    # Officers see no data at any label.
    for label in ("UNCLASSIFIED", "SECRET"):
        with denied():
            get(cloud.s3(first(label)), bucket, "high")
    # Officers of another account do not know of it.
    other = cloud.new_account(f"other-{bucket}", REGION)
    cloud.add_profile(f"other-{bucket}", REGION, other.officer_key)
    assert "NoSuchEntity" in spill(cloud, "erase", id, profile=f"other-{bucket}", check=False)
    assert "AccessDenied" in spill(cloud, "contain", f"s3://{bucket}/k", profile=f"other-{bucket}", check=False)


def test_nothing_of_it_shows_below(low):
    cloud, s3, high, bucket = low.cloud, low.s3, low.high, low.bucket
    put(s3, bucket, "k", b"low")
    put(high, bucket, "k", b"high")
    found = contain(cloud, f"{bucket}/k", "SECRET")
    assert [v["size"] for v in found["versions"]] == [4]
    assert get(s3, bucket, "k") == b"low" and get(high, bucket, "k") == b"low"
    assert erase(cloud, found["spill"], "SECRET")["state"] == "erased"
    assert get(s3, bucket, "k") == b"low"


def test_copies_under_way_do_not_get_away(low):
    """Copiers at work while their source is contained: whatever they made before is contained, too."""
    cloud, s3, bucket = low.cloud, low.s3, low.bucket
    put(s3, bucket, "k", b"spilled")
    stop, made = threading.Event(), []

    def copier(number):
        n = 0
        while not stop.is_set():
            try:
                s3.copy_object(Bucket=bucket, Key=f"copy-{number}-{n}", CopySource=f"{bucket}/k")
                made.append(f"copy-{number}-{n}")
            except s3.exceptions.ClientError:
                return
            n += 1

    threads = [threading.Thread(target=copier, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    contain(cloud, f"{bucket}/k", "UNCLASSIFIED")
    stop.set()
    for thread in threads:
        thread.join()
    assert made
    # One more call takes what was committed in the meantime.
    found = contain(cloud, f"{bucket}/k", "UNCLASSIFIED")
    assert keys(s3, bucket) == []
    assert {v["key"] for v in found["versions"]} == {"k", *made}


def test_object_lock_yields_to_it_alone(office, name):
    s3 = office.s3("secret-analyst-low")
    where = {"LocationConstraint": s3.meta.region_name}
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=where)
    until = datetime.datetime(2040, 1, 1, tzinfo=datetime.timezone.utc)
    locked = put(s3, name, "k", b"locked", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    with denied():
        s3.delete_object(Bucket=name, Key="k", VersionId=locked)
    found = contain(office, f"{name}/k", "UNCLASSIFIED")
    assert [v["version_id"] for v in found["versions"]] == [locked]
    assert erase(office, found["spill"], "UNCLASSIFIED")["state"] == "erased"
    with missing("NoSuchVersion"):
        get(s3, name, "k", VersionId=locked)


def test_what_is_contained_survives_a_start_and_checks_out(new_cloud, name):
    cloud = new_cloud().start()
    officers_of(cloud, "secret", REGION, ["UNCLASSIFIED", "SECRET"])
    s3 = cloud.s3("secret-analyst-low")
    make_bucket(s3, name)
    for key, body in {"small": b"x", "large": pattern(100_000), "gone": b"y", "kept": b"z"}.items():
        put(s3, name, key, body)
    found = {key: contain(cloud, f"{name}/{key}", "UNCLASSIFIED")["spill"] for key in ("small", "large", "gone")}
    erase(cloud, found["gone"], "UNCLASSIFIED")
    cloud.kill()
    cloud.start()
    assert keys(cloud.s3("secret-analyst-low"), name) == ["kept"]
    assert report(cloud, found["large"])["state"] == "contained" and report(cloud, found["gone"])["state"] == "erased"
    assert cloud.stop() == 0
    done = cloud.fastness("check", cloud.data / "regions" / REGION, data=False, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cloud.start()
    assert erase(cloud, found["large"], "UNCLASSIFIED")["state"] == "erased"

"""Mappings: what an officer lets cross, in either region; who writes, who reads, and what is refused."""

import json

import pytest

from cloud import make_user

REGION, ABOVE, BELOW = "us-isob-east-1", "us-iso-east-1", "us-gov-west-1"
OFFICER, WORKER = "secret-officer", "secret-analyst"
THERE = "123456789012"
LIMITS = ["--highest", "SECRET", "--type", "text/plain,text/csv", "--per-day", "10GiB/100000"]


def send(name, *more, to=ABOVE, way="lift"):
    half = ["--send", "plans", "--to", to, "--to-account", THERE, "--to-bucket", f"{name}-there"]
    return ["add", name, *half, "--way", way, *LIMITS, *more]


def receive(name, *more, start=BELOW):
    half = ["--receive", "plans", "--from", start, "--from-account", THERE, "--from-bucket", f"{name}-there"]
    return ["add", name, *half, "--way", "lift", *LIMITS, *more]


@pytest.fixture
def mapping(cloud):
    """Runs `fastness cross mapping`; every mapping of the account goes with the test."""

    def run(*args, profile=OFFICER, check=True):
        done = cloud.fastness("cross", "mapping", *args, "--profile", profile, "--json", check=check)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    yield run
    for one in run("list")["mappings"]:
        run("remove", one["name"])


def names(mapping, profile=OFFICER):
    return [one["name"] for one in mapping("list", profile=profile)["mappings"]]


def user_with(cloud, label, name, **tags):
    """A profile of a new user of the account, at a label."""
    _, key = cloud.new_user("secret", name, clearance="SECRET", nationality="USA", label=label, **tags)
    cloud.add_profile(name, REGION, key)
    return name


def test_a_half_is_written_listed_and_removed(mapping):
    made = mapping(*send("plans", "--metadata", "subject", "--object-max", "1MiB"))
    assert made["send"] == {"bucket": "plans", "to": ABOVE, "to_account": THERE, "to_bucket": "plans-there"}
    assert (made["way"], made["highest"], made["types"]) == ("lift", "SECRET", ["text/plain", "text/csv"])
    assert (made["bytes_per_day"], made["objects_per_day"], made["object_bytes"]) == (10 << 30, 100_000, 1 << 20)
    assert made["metadata"] == ["subject"] and made["made_by"] == "officer"
    inward = mapping(*receive("inward", "--at", "(U)=(S)"))
    assert inward["receive"]["from"] == BELOW and inward["at"] == [{"from": "UNCLASSIFIED", "to": "SECRET"}]
    assert mapping("list")["mappings"] == [inward, made], "ordered by name, as they were written"
    mapping("remove", "plans")
    assert names(mapping) == ["inward"]
    assert "NoSuchEntity" in mapping("remove", "plans", check=False)


def test_a_half_of_the_same_name_is_replaced(mapping):
    mapping(*send("plans"))
    again = mapping(*send("plans", "--object-max", "7"))
    assert mapping("list")["mappings"] == [again] and again["object_bytes"] == 7


def test_people_see_a_table(cloud, mapping):
    mapping(*receive("inward", "--at", "(U)=(S)"))
    shown = cloud.fastness("cross", "mapping", "list", "--profile", WORKER).stdout
    for part in ["inward", "into plans", BELOW, "SECRET", "text/csv", "10GiB", "UNCLASSIFIED at SECRET"]:
        assert part in shown, shown
    mapping("remove", "inward")
    assert "no mapping" in cloud.fastness("cross", "mapping", "list", "--profile", WORKER).stdout


def test_an_officer_writes_and_everybody_of_the_account_reads(cloud, mapping):
    mapping(*send("plans"))
    for profile in ["secret-admin", "secret-analyst", "secret-analyst-low", "secret-partner", "secret-auditor"]:
        assert "AccessDenied" in mapping(*send("mine"), profile=profile, check=False), profile
        assert "AccessDenied" in mapping("remove", "plans", profile=profile, check=False), profile
        assert names(mapping, profile) == ["plans"], profile
    reviewer = user_with(cloud, "UNCLASSIFIED", "mapping-reviewer", duty="reviewer")
    assert "AccessDenied" in mapping(*send("mine"), profile=reviewer, check=False)
    assert names(mapping, reviewer) == ["plans"]
    for mine in (mapping("list")["mappings"], mapping("list", profile="secret-analyst-low")["mappings"]):
        assert [one["name"] for one in mine] == ["plans"]


def test_mappings_change_from_the_floor_alone(cloud, mapping):
    account = cloud.new_account("mappings-at-the-floor", REGION)
    cloud.add_profile("floor-officer", REGION, account.officer_key)
    made = json.loads(cloud.fastness("account", "add-officer", account.number, "--json", "--region", REGION).stdout)
    other = cloud.client_for("iam", REGION, made["access_key_id"], made["secret_access_key"])
    other.tag_user(UserName="officer", Tags=[{"Key": "clearance", "Value": "SECRET"}])
    high = json.loads(cloud.fastness("key", "create", "--label", "SECRET", "--profile", "floor-officer", "--json").stdout)
    cloud.add_profile("high-officer", REGION, (high["access_key_id"], high["secret_access_key"]))
    mapping(*send("plans"), profile="floor-officer")
    for change in (["remove", "plans"], send("more")):
        assert "floor" in mapping(*change, profile="high-officer", check=False)
    assert names(mapping, "high-officer") == names(mapping, "floor-officer") == ["plans"]


def test_another_accounts_mappings_are_not_seen(cloud, mapping):
    mapping(*send("plans"))
    other = cloud.new_account("mappings-of-others", REGION)
    cloud.add_profile("other-officer", REGION, other.officer_key)
    assert names(mapping, "other-officer") == []
    assert "NoSuchEntity" in mapping("remove", "plans", profile="other-officer", check=False)
    mapping(*send("plans"), profile="other-officer")
    mapping("remove", "plans", profile="other-officer")
    assert names(mapping) == ["plans"]
    _, key = make_user(other.admin, other.officer, "worker", {"clearance": "SECRET", "nationality": "USA"})
    cloud.add_profile("other-worker", REGION, key)
    assert names(mapping, "other-worker") == []


@pytest.mark.parametrize(
    "half, why",
    [
        (send("m", "--highest", "TOP SECRET"), "cannot be used multiple times"),
        (send("m", "--object-max", "65MiB"), "67108864"),
        (send("m", "--metadata", "Subject"), "names of metadata"),
        (send("m", to=REGION), "another region"),
        (send("m", to="Nowhere"), "not a region's name"),
        (receive("m", "--at", "SECRET=UNCLASSIFIED"), "does not dominate"),
        (receive("m", "--at", "UNCLASSIFIED=CONFIDENTIAL"), "does not hold"),
        (receive("m", "--at", "NONSENSE=SECRET"), "NONSENSE"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(mapping, half, why):
    said = mapping(*half, check=False)
    assert why in said, said
    assert names(mapping) == []


def test_bounds_of_the_marking(mapping):
    above = [part if part != "SECRET" else "TOP SECRET" for part in send("m")]
    assert "what leaves this region" in mapping(*above, check=False)
    assert "ceiling" in mapping(*[p if p != "SECRET" else "TOP SECRET" for p in receive("m")], check=False)


def test_one_mapping_for_the_same_buckets(mapping):
    mapping(*send("plans"))
    other = [part if part != "plans" else "again" for part in send("plans")]
    other[other.index("--send") + 1] = "plans"
    assert "EntityAlreadyExists" in mapping(*other, check=False)


def test_what_is_not_built_yet_says_so(cloud):
    """An operation that no front knows: nothing pretends."""
    wire = cloud.wire(OFFICER, service="fastness")
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Fastness.SendObjects"}
    answer = wire.request("POST", "/", headers=headers, body=b"{}")
    assert answer.status == 400 and b"UnknownOperationException" in answer.body


def test_writing_is_in_the_ledger_at_the_floor(cloud, mapping):
    mapping(*send("ledgered"))
    client = cloud.client("cloudtrail", "secret-auditor")
    wanted = [{"AttributeKey": "ResourceName", "AttributeValue": "ledgered"}]
    (found,) = client.lookup_events(LookupAttributes=wanted)["Events"]
    record = json.loads(found["CloudTrailEvent"])
    assert found["EventName"] == "PutMapping" and record["additionalEventData"]["label"] == "UNCLASSIFIED"
    (line,) = record["requestParameters"]["recorded"]
    assert line == f"write mapping/ledgered send lift plans {ABOVE}/{THERE}/ledgered-there"
    assert record["responseElements"]["made"].startswith("digest=")
    assert found["Resources"] == [{"ResourceType": "Fastness::Mapping", "ResourceName": "ledgered"}]

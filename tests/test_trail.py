"""The ledger read with CloudTrail's API: `lookup_events` of boto3 and of the AWS CLI, and `fastness audit tail|search`."""

import datetime
import json
import os
import re
import signal
import subprocess
import time
import uuid

import pytest

from cloud import PEOPLE, binary, children_of, get, make_bucket, make_user, missing, put, refused

PREFIX = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."
MANY = 60  # more than a page


def trail(cloud, profile):
    return cloud.client("cloudtrail", profile)


def settle():
    """A read's entry is in the ledger within 100 ms."""
    time.sleep(0.3)


def lookup(cloud, profile="secret-auditor", key=None, value=None, **more):
    """All pages."""
    if key:
        more["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
    pages = trail(cloud, profile).get_paginator("lookup_events").paginate(**more)
    return [event for page in pages for event in page["Events"]]


def record(event):
    return json.loads(event["CloudTrailEvent"])


def names(events):
    return [e["EventName"] for e in events]


def label(event):
    return record(event)["additionalEventData"]["label"]


@pytest.fixture(scope="module")
def history(cloud):
    """What a few people did in buckets of one name, at several labels."""
    name = "trail-" + uuid.uuid4().hex[:12]
    low, high = cloud.s3("secret-analyst-low"), cloud.s3("secret-analyst")
    make_bucket(low, name)
    for n in range(MANY):
        put(low, name, f"k{n}", b"x")
    put(high, name, "high one", b"above")
    get(low, name, "k1")
    with missing():
        get(low, name, "high one")
    high.copy_object(Bucket=name, Key="copy", CopySource=f"{name}/k2")
    low.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k3"}, {"Key": "k4"}]})
    cloud.iam("secret-admin").create_user(UserName=name)
    cloud.iam("secret-officer").tag_user(UserName=name, Tags=[{"Key": "clearance", "Value": "CUI"}])
    settle()
    return name


def test_an_event_is_cloud_trails(cloud, history):
    events = lookup(cloud, key="ResourceName", value=f"{history}/high one")
    assert names(events) == ["GetObject", "PutObject"]
    refusal, write = events
    profile, account = cloud.profile("secret-analyst-low"), cloud.account("secret-analyst")
    assert refusal["Username"] == "analyst" and refusal["AccessKeyId"] == profile["aws_access_key_id"]
    assert (refusal["EventSource"], refusal["ReadOnly"], write["ReadOnly"]) == ("s3.amazonaws.com", "true", "false")
    assert {(r["ResourceType"], r["ResourceName"]) for r in refusal["Resources"]} == {
        ("AWS::S3::Object", f"{history}/high one"), ("AWS::S3::Bucket", history)
    }
    age = datetime.datetime.now(datetime.timezone.utc) - refusal["EventTime"]
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=10)
    said = record(refusal)
    assert said["eventVersion"] == "1.11" and said["eventID"] == refusal["EventId"] == str(uuid.UUID(refusal["EventId"]))
    assert said["userIdentity"] == {
        "type": "IAMUser", "arn": f"arn:aws-iso-b:iam::{account}:user/analyst", "accountId": account,
        "accessKeyId": profile["aws_access_key_id"], "userName": "analyst",
    }
    assert (said["errorCode"], said["errorMessage"]) == ("NoSuchKey", "not-in-view")
    assert said["awsRegion"] == "us-isob-east-1" and said["sourceIPAddress"] == "127.0.0.1"
    assert said["userAgent"].startswith("Boto3/") and said["recipientAccountId"] == account
    assert said["requestParameters"]["bucketName"] == history and said["requestParameters"]["key"] == "high one"
    assert (said["eventCategory"], said["managementEvent"], said["readOnly"]) == ("Data", False, True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said["eventTime"])
    more = said["additionalEventData"]
    assert (more["label"], more["decision"], more["reason"]) == ("UNCLASSIFIED", "refused", "not-in-view")
    # The id is of the entry's commitment: whoever has a proof of the one can tell that it is the other's.
    commitment = more["ledger"]["commitment"]
    assert re.fullmatch(r"[0-9a-f]{64}", commitment)
    bits, mask = uuid.UUID(refusal["EventId"]).int, ~(0xF << 76 | 0b11 << 62)
    assert bits & mask == int(commitment[:32], 16) & mask and uuid.UUID(refusal["EventId"]).version == 8
    assert label(write) == "SECRET" and record(write)["additionalEventData"]["decision"] == "allowed"


def test_the_request_id_of_an_answer_finds_its_event(cloud, history):
    answer = cloud.s3("secret-analyst-low").head_object(Bucket=history, Key="k7")
    settle()
    wanted = answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    [event] = [e for e in lookup(cloud, key="EventName", value="HeadObject") if record(e)["requestID"] == wanted]
    assert record(event)["requestParameters"]["key"] == "k7"


def test_each_attribute(cloud, history):
    key = cloud.profile("secret-analyst-low")["aws_access_key_id"]
    of_bucket = lookup(cloud, key="ResourceName", value=history)
    assert len(of_bucket) >= MANY + 6
    assert names(of_bucket)[-1] == "CreateBucket"
    by_key = lookup(cloud, key="AccessKeyId", value=key)
    assert {e["AccessKeyId"] for e in by_key} == {key} and {label(e) for e in by_key} == {"UNCLASSIFIED"}
    assert {e["EventId"] for e in by_key} >= {e["EventId"] for e in of_bucket if label(e) == "UNCLASSIFIED" and e["Username"] == "analyst"}
    one = of_bucket[5]
    assert [e["EventId"] for e in lookup(cloud, key="EventId", value=one["EventId"])] == [one["EventId"]]
    assert [e["EventId"] for e in lookup(cloud, key="EventId", value=one["EventId"].upper())] == [one["EventId"]]
    copies = lookup(cloud, key="EventName", value="CopyObject")
    assert f"{history}/copy" in {r["ResourceName"] for e in copies for r in e["Resources"]}
    assert set(names(copies)) == {"CopyObject"}
    iam = lookup(cloud, key="EventSource", value="iam.amazonaws.com")
    assert {"CreateUser", "TagUser"} <= set(names(iam)) and {e["EventSource"] for e in iam} == {"iam.amazonaws.com"}
    for value, known in (("true", "GetObject"), ("false", "PutObject")):
        found = lookup(cloud, key="ReadOnly", value=value)
        assert {e["ReadOnly"] for e in found} == {value} and known in names(found)
    users = lookup(cloud, key="ResourceType", value="AWS::IAM::User")
    assert users and all(any(r["ResourceType"] == "AWS::IAM::User" for r in e["Resources"]) for e in users)
    assert history in {r["ResourceName"] for e in users for r in e["Resources"]}
    officers = lookup(cloud, key="Username", value="officer")
    assert {e["Username"] for e in officers} == {"officer"} and "TagUser" in names(officers)
    # Users have their names as resources, too.
    assert {"TagUser", "CreateUser"} <= set(names(of_bucket))


def test_an_entry_of_many_resources_is_found_by_each(cloud, history):
    for key in ("k3", "k4"):
        assert names(lookup(cloud, key="ResourceName", value=f"{history}/{key}"))[0] == "DeleteObjects"


def test_pages(cloud, history):
    client, wanted = trail(cloud, "secret-auditor"), [{"AttributeKey": "ResourceName", "AttributeValue": history}]
    whole = [e["EventId"] for e in lookup(cloud, key="ResourceName", value=history)]
    assert len(set(whole)) == len(whole)
    first = client.lookup_events(LookupAttributes=wanted)
    assert len(first["Events"]) == 50 and first["NextToken"]
    for size in (1, 7, 50):
        found, token, pages = [], {}, 0
        while True:
            page = client.lookup_events(LookupAttributes=wanted, MaxResults=size, **token)
            assert len(page["Events"]) <= size
            found += [e["EventId"] for e in page["Events"]]
            pages += 1
            # What happens meanwhile moves nothing.
            if pages == 2:
                put(cloud.s3("secret-analyst-low"), history, "k1", b"again")
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        assert found[-len(whole):] == whole and len(found) - len(whole) in (0, 1, 2)
        whole = [e["EventId"] for e in lookup(cloud, key="ResourceName", value=history)]
    with refused("InvalidNextTokenException", 400):
        client.lookup_events(NextToken=first["NextToken"])
    with refused("InvalidNextTokenException", 400):
        client.lookup_events(LookupAttributes=wanted, NextToken="nonsense")
    with refused("InvalidNextTokenException", 400):
        client.lookup_events(LookupAttributes=wanted, NextToken=first["NextToken"][:-3])


def test_the_newest_comes_first(cloud, history):
    times = [e["EventTime"] for e in lookup(cloud, PaginationConfig={"MaxItems": 150})]
    # Entries lie in the order of their commits, and have the times at which their requests came.
    assert all(a >= b - datetime.timedelta(seconds=2) for a, b in zip(times, times[1:]))


def test_times(cloud, history):
    events = lookup(cloud, key="ResourceName", value=history)
    middle = events[len(events) // 2]["EventTime"]
    since = lookup(cloud, key="ResourceName", value=history, StartTime=middle)
    until = lookup(cloud, key="ResourceName", value=history, EndTime=middle)
    # botocore sends whole seconds: all of that second counts, on both sides.
    assert all(e["EventTime"] >= middle.replace(microsecond=0) for e in since)
    assert all(e["EventTime"] < middle.replace(microsecond=0) + datetime.timedelta(seconds=1) for e in until)
    both = {e["EventId"] for e in since} | {e["EventId"] for e in until}
    assert both == {e["EventId"] for e in events}
    early = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)
    assert lookup(cloud, EndTime=early) == [] and lookup(cloud, StartTime=early, EndTime=early) == []
    with refused("InvalidTimeRangeException", 400):
        trail(cloud, "secret-auditor").lookup_events(StartTime=middle, EndTime=early)


def test_nothing_is_found(cloud, history):
    for key in ("AccessKeyId", "EventId", "EventName", "EventSource", "ResourceName", "ResourceType", "Username"):
        answer = trail(cloud, "secret-auditor").lookup_events(
            LookupAttributes=[{"AttributeKey": key, "AttributeValue": "there is none"}]
        )
        assert answer["Events"] == [] and "NextToken" not in answer, key
    assert trail(cloud, "secret-auditor").lookup_events(EventCategory="insight")["Events"] == []


def test_what_is_wrong_is_refused_in_cloud_trails_words(cloud):
    wire = cloud.wire("secret-auditor", "cloudtrail")

    def ask(body, target=PREFIX + "LookupEvents"):
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
        answer = wire.request("POST", "/", None, headers, body if isinstance(body, bytes) else json.dumps(body).encode())
        assert answer.header("content-type") == "application/x-amz-json-1.1" and answer.header("x-amzn-requestid")
        said = json.loads(answer.body)
        return answer.status, said.get("__type")

    attribute = {"AttributeKey": "Username", "AttributeValue": "x"}
    assert ask({}) == (200, None)
    assert ask({"MaxResults": 0}) == (400, "InvalidMaxResultsException")
    assert ask({"MaxResults": 51}) == (400, "InvalidMaxResultsException")
    assert ask({"LookupAttributes": [attribute, attribute]}) == (400, "InvalidLookupAttributesException")
    assert ask({"LookupAttributes": [{**attribute, "AttributeKey": "Color"}]}) == (400, "InvalidLookupAttributesException")
    assert ask({"LookupAttributes": [{**attribute, "AttributeValue": ""}]}) == (400, "InvalidLookupAttributesException")
    assert ask({"EventCategory": "x"}) == (400, "InvalidEventCategoryException")
    assert ask({"Account": "x"}) == (400, "SerializationException")
    assert ask(b"[") == (400, "SerializationException")
    assert ask({}, PREFIX + "DescribeTrails") == (400, "UnsupportedOperationException")
    assert ask({}, PREFIX + "MakeCoffee") == (400, "UnknownOperationException")
    with refused("UnsupportedOperationException", 400):
        trail(cloud, "secret-auditor").describe_trails()
    # What was refused is in the ledger as well.
    found = [record(e) for e in lookup(cloud, key="EventName", value="Unrecognized")]
    assert any(r["requestParameters"]["recorded"] == ["cloudtrail DescribeTrails"] for r in found)


def test_auditors_alone_look_up_and_see_no_data(cloud, history):
    for person in ("secret-analyst", "secret-analyst-low", "secret-partner", "secret-admin", "secret-officer"):
        with refused("AccessDeniedException", 400):
            trail(cloud, person).lookup_events()
    s3 = cloud.s3("secret-auditor")
    for call in (
        lambda: s3.list_buckets(),
        lambda: s3.list_objects_v2(Bucket=history),
        lambda: s3.get_object(Bucket=history, Key="k1"),
        lambda: s3.put_object(Bucket=history, Key="k1", Body=b""),
    ):
        with refused("AccessDenied", 403):
            call()
    # Looking up is an event itself, and so is being refused.
    settle()
    mine = lookup(cloud, key="EventName", value="LookupEvents")
    by = {(e["Username"], record(e)["additionalEventData"]["decision"]) for e in mine}
    assert {("auditor", "allowed"), *((who, "refused") for who in ("analyst", "partner", "admin", "officer"))} <= by
    assert any(record(e)["requestParameters"]["recorded"] == [f'read ledger ResourceName="{history}"'] for e in mine)
    assert {e["EventSource"] for e in mine} == {"cloudtrail.amazonaws.com"}


def test_keys_that_are_none_are_refused(cloud):
    p = cloud.profile("secret-auditor")
    for key, secret, code in (
        ("AKIA0000000000000000", "x" * 40, "UnrecognizedClientException"),
        (p["aws_access_key_id"], "x" * 40, "InvalidSignatureException"),
    ):
        client = cloud.client_for("cloudtrail", p["region"], key, secret)
        with refused(code, 400):
            client.lookup_events()
    # Nobody was known: the entry lies at the ceiling, where this auditor's session is.
    settle()
    found = lookup(cloud, key="AccessKeyId", value="AKIA0000000000000000")
    assert found and all(record(e)["errorMessage"] == "authentication" for e in found)
    assert all("Username" not in e and record(e)["userIdentity"]["type"] == "Unknown" for e in found)


@pytest.fixture(scope="module")
def auditors(cloud):
    """The auditor of the top secret region with keys at every label; made from a key at the floor."""
    officer, admin = cloud.iam("topsecret-officer"), cloud.iam("topsecret-admin")
    officer.tag_user(UserName="auditor", Tags=[{"Key": "label", "Value": "UNCLASSIFIED"}])
    made = admin.create_access_key(UserName="auditor")["AccessKey"]
    officer.untag_user(UserName="auditor", TagKeys=["label"])
    cloud.add_profile("topsecret-auditor@UNCLASSIFIED", "us-iso-east-1", (made["AccessKeyId"], made["SecretAccessKey"]))
    for marking in ("SECRET", "TOP SECRET//SI", "TOP SECRET//TK"):
        done = cloud.fastness(
            "key", "create", "--label", marking, "--profile", "topsecret-auditor@UNCLASSIFIED", "--json"
        )
        key = json.loads(done.stdout)
        cloud.add_profile(f"topsecret-auditor@{marking}", "us-iso-east-1", (key["access_key_id"], key["secret_access_key"]))
    return cloud


def test_a_session_sees_the_ledgers_of_its_view_alone(auditors, name):
    cloud = auditors
    people = [p for p in PEOPLE if p.startswith("topsecret-")]
    for person in people:
        s3 = cloud.s3(person)
        try:
            make_bucket(s3, name)
        except s3.exceptions.BucketAlreadyOwnedByYou:
            pass
        put(s3, name, person, b"x")
    settle()
    below = {
        "topsecret-auditor": set(people),
        "topsecret-auditor@TOP SECRET//SI": {"topsecret-si", "topsecret-analyst-low"},
        "topsecret-auditor@TOP SECRET//TK": {"topsecret-tk", "topsecret-analyst-low"},
        "topsecret-auditor@SECRET": {"topsecret-analyst-low"},
        "topsecret-auditor@UNCLASSIFIED": set(),
    }
    for auditor, seen in below.items():
        own = auditor.partition("@")[2] or "TOP SECRET//SI/TK"
        for person in people:
            found = lookup(cloud, auditor, "ResourceName", f"{name}/{person}")
            assert [label(e) for e in found] == ([PEOPLE[person]] if person in seen else []), (auditor, person)
            key = cloud.profile(person)["aws_access_key_id"]
            assert bool(lookup(cloud, auditor, "AccessKeyId", key)) == (person in seen), (auditor, person)
        answer = trail(cloud, auditor).lookup_events()
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-fastness-label"] == own
    # What nobody asked who is known is shown at the ceiling alone.
    profile = cloud.profile("topsecret-si")
    with refused("InvalidAccessKeyId"):
        cloud.client_for("s3", profile["region"], "AKIA00000000" + name[-8:].upper(), "x" * 40).list_buckets()
    for auditor in below:
        found = lookup(cloud, auditor, "AccessKeyId", "AKIA00000000" + name[-8:].upper())
        assert len(found) == (auditor == "topsecret-auditor"), auditor


def test_what_is_above_changes_no_page(auditors, name):
    """The same pages, byte for byte but for the lookups themselves, before and after somebody is busy above."""
    cloud = auditors
    low, high = cloud.s3("topsecret-analyst-low"), cloud.s3("topsecret-si")
    make_bucket(low, name)
    for n in range(12):
        put(low, name, f"k{n}", b"x")
    settle()

    def pages():
        wire, token, found = cloud.wire("topsecret-auditor@SECRET", "cloudtrail"), None, []
        while True:
            body = {"LookupAttributes": [{"AttributeKey": "ResourceName", "AttributeValue": name}], "MaxResults": 5}
            if token:
                body["NextToken"] = token
            headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": PREFIX + "LookupEvents"}
            answer = wire.request("POST", "/", None, headers, json.dumps(body).encode())
            said = json.loads(answer.body)
            assert answer.status == 200, answer
            # The token counts the lookups, which are entries of this ledger themselves.
            token = said.pop("NextToken", None)
            found.append(json.dumps(said))
            if token is None:
                return found

    before = pages()
    assert sum(len(json.loads(page)["Events"]) for page in before) == 13
    for n in range(12):
        put(high, name, f"k{n}", b"above")
        get(high, name, f"k{n}")
    with missing():
        get(high, name, "nothing")
    settle()
    assert pages() == before


def test_accounts_see_their_own(cloud, name):
    account = cloud.new_account("audited-" + uuid.uuid4().hex[:8], "us-isob-east-1")
    s3 = account.s3("worker", clearance="SECRET", nationality="USA", label="SECRET")
    make_bucket(s3, name)
    tags = dict(clearance="SECRET", nationality="USA", label="SECRET", duty="auditor")
    _, key = make_user(account.admin, account.officer, "inspector", tags)
    theirs = cloud.client_for("cloudtrail", "us-isob-east-1", *key)
    settle()
    found = theirs.lookup_events(LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": name}])["Events"]
    assert names(found) == ["CreateBucket"]
    assert lookup(cloud, key="ResourceName", value=name) == []
    seen = [e for page in theirs.get_paginator("lookup_events").paginate() for e in page["Events"]]
    assert {record(e).get("recipientAccountId", account.number) for e in seen} == {account.number}


def test_the_aws_cli(cloud, history):
    def cli(*args, check=True):
        return cloud.cli("secret-auditor", "cloudtrail", "lookup-events", *args, check=check)

    by = f"AttributeKey=ResourceName,AttributeValue={history}"
    whole = json.loads(cli("--lookup-attributes", by).stdout)["Events"]
    assert len(whole) >= MANY + 6 and {"CreateBucket", "PutObject", "GetObject"} <= {e["EventName"] for e in whole}
    assert json.loads(whole[0]["CloudTrailEvent"])["eventVersion"] == "1.11"
    page = json.loads(cli("--lookup-attributes", by, "--max-items", "7", "--page-size", "3").stdout)
    assert [e["EventId"] for e in page["Events"]] == [e["EventId"] for e in whole[:7]]
    rest = json.loads(cli("--lookup-attributes", by, "--page-size", "3", "--starting-token", page["NextToken"]).stdout)
    assert [e["EventId"] for e in page["Events"] + rest["Events"]] == [e["EventId"] for e in whole]
    assert json.loads(cli("--end-time", "2001-01-01").stdout)["Events"] == []
    found = cli("--start-time", "2001-01-01", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=CopyObject", "--query", "Events[].EventName", "--output", "text")
    assert set(found.stdout.split()) == {"CopyObject"}
    done = cli("--max-results", "51", check=False)
    assert done.returncode != 0
    done = cloud.cli("secret-analyst", "cloudtrail", "lookup-events", check=False)
    assert done.returncode != 0 and "AccessDeniedException" in done.stderr


# -- the program's own commands


def audit(cloud, *args, profile="secret-auditor", check=True):
    return cloud.fastness("audit", *args, "--profile", profile, check=check)


def test_audit_search(cloud, history):
    found = json.loads(audit(cloud, "search", "--resource", history, "--json").stdout)
    assert [r["eventID"] for r in found] == [e["EventId"] for e in lookup(cloud, key="ResourceName", value=history)]
    found = json.loads(audit(cloud, "search", "--resource", history, "--user", "analyst", "--event", "PutObject", "--label", "SECRET", "--json").stdout)
    assert [r["requestParameters"]["key"] for r in found] == ["high one"]
    key = cloud.profile("secret-analyst")["aws_access_key_id"]
    found = json.loads(audit(cloud, "search", "--key", key, "--event", "CopyObject", "--json").stdout)
    assert found and {r["eventName"] for r in found} == {"CopyObject"}
    assert json.loads(audit(cloud, "search", "--until", "2001-01-01", "--json").stdout) == []
    assert len(json.loads(audit(cloud, "search", "--since", "1h", "--limit", "3", "--json").stdout)) == 3
    table = audit(cloud, "search", "--resource", f"{history}/high one").stdout
    assert "refused: not-in-view NoSuchKey" in table and "allowed" in table and "2 events" in table
    for args, text in (
        (("search", "--since", "yesterday"), "`yesterday` is no time"),
        (("search", "--since", "1h", "--until", "2h"), "--since is later than --until"),
    ):
        done = audit(cloud, *args, check=False)
        assert done.returncode == 1 and text in done.stderr
    done = audit(cloud, "search", profile="secret-analyst", check=False)
    assert done.returncode == 1 and "AccessDeniedException: the caller's duty does not cover this action" in done.stderr


def test_audit_tail(cloud, history, name):
    lines = audit(cloud, "tail", "-n", "5").stdout.splitlines()
    assert len(lines) == 5 and not any("LookupEvents" in line and " auditor " in line for line in lines)
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z  ", line) for line in lines)
    lines = audit(cloud, "tail", "-n", "1", "--own").stdout.splitlines()
    assert len(lines) == 1 and "LookupEvents" in lines[0]
    lines = audit(cloud, "tail", "-n", "3", "--resource", f"{history}/high one", "--json").stdout.splitlines()
    assert [json.loads(line)["eventName"] for line in lines] == ["PutObject", "GetObject"]
    following = subprocess.Popen(
        [binary(), "audit", "tail", "-n", "0", "-f", "--profile", "secret-auditor", "--data", cloud.data],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    try:
        time.sleep(1.5)
        s3 = cloud.s3("secret-analyst")
        make_bucket(s3, name)
        put(s3, name, "one")
        time.sleep(1.5)
        get(s3, name, "one")
        time.sleep(2.5)
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=20)
    finally:
        following.kill()
    assert following.returncode == 0, err
    seen = [line for line in out.splitlines() if name in line]
    assert [next(e for e in ("CreateBucket", "PutObject", "GetObject") if e in line) for line in seen] == ["CreateBucket", "PutObject", "GetObject"]
    assert "LookupEvents" not in "".join(line for line in out.splitlines() if " auditor " in line)


def test_who_follows_can_stop_while_the_region_does_not_answer(cloud):
    following = subprocess.Popen(
        [binary(), "audit", "tail", "-n", "0", "-f", "--profile", "secret-auditor", "--data", cloud.data],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    programs = children_of(cloud.process.pid)
    try:
        time.sleep(2.5)
        for pid in programs:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2.5)
        following.send_signal(signal.SIGINT)
        _, err = following.communicate(timeout=20)
    finally:
        for pid in programs:
            os.kill(pid, signal.SIGCONT)
        following.kill()
    assert following.returncode == 0, err

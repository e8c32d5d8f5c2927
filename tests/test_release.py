"""Releases over `up`: asked for, reviewed by two, carried down, read below; refused, and never there; regraded in one region."""

import hashlib
import json
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

LOW, MIDDLE, HIGH = "us-gov-west-1", "us-isob-east-1", "us-iso-east-1"
REVIEWERS = ["secret-reviewer", "secret-reviewer-2"]
PATIENCE = 300


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    from cloud import Cloud

    made = Cloud(tmp_path_factory.mktemp("release") / "data")
    made.start("--demo")
    yield made
    made.stop()


def cross(cloud, *args, profile, check=True):
    """A command's JSON; what it says when it fails."""
    done = cloud.fastness("cross", *args, "--profile", profile, "--json", check=check)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def put(cloud, key, body, profile="secret-analyst", media_type="text/plain"):
    cloud.s3(profile).put_object(Bucket="released", Key=key, Body=body, ContentType=media_type)


def request(cloud, key, name, *more, to=LOW, label="UNCLASSIFIED", profile="secret-analyst", check=True):
    return cross(
        cloud, "release", f"released/{key}", "--to", to, "--name", name, "--label", label, "--type", "text/plain",
        "--purpose", "for the partners", *more, profile=profile, check=check,
    )


def approve(cloud, release, profile):
    seen = cross(cloud, "review", release["release"], profile=profile)
    return cross(cloud, "approve", seen["release"], "--digest", seen["digest"], "--reason", "checked", profile=profile)


def state(cloud, release, profile="secret-analyst"):
    return cross(cloud, "show-release", release["release"], profile=profile)["state"]


def there(cloud, profile, key, bucket="released"):
    """The object when it has come; a machine may be busy."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return cloud.s3(profile).get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("NoSuchKey", "404"), error
        assert time.monotonic() < deadline, f"{key} did not come within {PATIENCE} s\n{cloud.errors()}"
        time.sleep(0.2)


def keys(cloud, profile, bucket="released"):
    return {one["Key"] for one in cloud.s3(profile).list_objects_v2(Bucket=bucket).get("Contents", [])}


def arrivals(cloud, profile, region):
    wire = cloud.wire(profile, "fastness")
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Fastness.ListArrivals"}
    answer = wire.request("POST", "/", body=json.dumps({"from": region, "limit": 1000}).encode(), headers=headers)
    assert answer.status == 200, answer
    return {one["bundle"]: one for one in json.loads(answer.body)["arrivals"]}


def test_a_release_goes_down_after_two_reviewers(cloud):
    put(cloud, "report", "what everybody may read\n")
    release = request(cloud, "report", "public/report.txt", "--meta", "classification=UNCLASSIFIED")
    assert (release["state"], release["label"], release["new_label"]) == ("requested", "SECRET", "UNCLASSIFIED")
    assert approve(cloud, release, REVIEWERS[0])["state"] == "requested"
    assert approve(cloud, release, REVIEWERS[1])["state"] == "approved"
    got = there(cloud, "unclass-analyst", "public/report.txt")
    assert got["Body"].read() == b"what everybody may read\n"
    assert got["ResponseMetadata"]["HTTPHeaders"]["x-fastness-label"] == "UNCLASSIFIED"
    assert got["Metadata"] == {"classification": "UNCLASSIFIED"}
    assert state(cloud, release) == "released"
    found = arrivals(cloud, "unclass-analyst", MIDDLE)[release["release"]]
    assert (found["kind"], found["accepted"], found["label"]) == ("release", 1, "UNCLASSIFIED")
    shown = cross(cloud, "releases", profile="secret-analyst")["releases"]
    assert release["release"] in {one["release"] for one in shown}


def test_from_the_highest_region_to_the_middle_one(cloud):
    put(cloud, "summary", "a summary\n", profile="topsecret-analyst")
    release = request(cloud, "summary", "from-above.txt", to=MIDDLE, label="SECRET", profile="topsecret-analyst")
    for reviewer in ("topsecret-reviewer", "topsecret-reviewer-2"):
        approve(cloud, release, reviewer)
    got = there(cloud, "secret-analyst", "from-above.txt")
    assert got["ResponseMetadata"]["HTTPHeaders"]["x-fastness-label"] == "SECRET"
    assert "from-above.txt" not in keys(cloud, "secret-analyst-low"), "not below its label"


def sent_after(cloud, name):
    """Has another release go all the way: what was to go before it, has gone by then."""
    put(cloud, name, "another\n")
    release = request(cloud, name, f"{name}.txt")
    for reviewer in REVIEWERS:
        approve(cloud, release, reviewer)
    there(cloud, "unclass-analyst", f"{name}.txt")


def test_a_refused_release_never_arrives(cloud):
    put(cloud, "refused", "not for everybody\n")
    release = request(cloud, "refused", "refused.txt")
    approve(cloud, release, REVIEWERS[0])
    refused = cross(cloud, "refuse", release["release"], "--reason", "a name in it", profile=REVIEWERS[1])
    assert (refused["state"], refused["refused"]["reason"]) == ("refused", "a name in it")
    said = cross(
        cloud, "approve", release["release"], "--digest", release["digest"], "--reason", "x", profile=REVIEWERS[1], check=False
    )
    assert "nothing to decide" in said, said
    sent_after(cloud, "after-refused")
    assert "refused.txt" not in keys(cloud, "unclass-analyst")
    assert release["release"] not in arrivals(cloud, "unclass-analyst", MIDDLE)


def test_one_approval_one_person_and_who_asked_are_not_enough(cloud):
    put(cloud, "alone", "alone\n")
    release = request(cloud, "alone", "alone.txt")
    approve(cloud, release, REVIEWERS[0])
    again = ["approve", release["release"], "--digest", release["digest"], "--reason", "x"]
    assert "somebody else" in cross(cloud, *again, profile=REVIEWERS[0], check=False)
    for profile in ("secret-analyst", "secret-officer", "secret-admin", "secret-auditor"):
        assert "AccessDenied" in cross(cloud, *again, profile=profile, check=False), profile
    assert "look at the release first" in cross(cloud, *again, profile=REVIEWERS[1], check=False)
    own = request(cloud, "alone", "own.txt", profile=REVIEWERS[0])
    asked = ["approve", own["release"], "--digest", own["digest"], "--reason", "x"]
    assert "does not review it" in cross(cloud, *asked, profile=REVIEWERS[0], check=False)
    sent_after(cloud, "after-alone")
    assert keys(cloud, "unclass-analyst").isdisjoint({"alone.txt", "own.txt"})
    assert (state(cloud, release), state(cloud, own)) == ("requested", "requested")
    put(cloud, "alone", "changed\n")
    assert "changed, removed or contained" in cross(cloud, "review", release["release"], profile=REVIEWERS[1], check=False)


def test_a_review_shows_what_would_leave(cloud, tmp_path):
    body = b"one line\x1b[2J of text\n"
    put(cloud, "shown", b"one line of text\r\n")
    release = request(cloud, "shown", "shown.txt")
    done = cloud.fastness("cross", "review", release["release"], "--profile", REVIEWERS[0])
    for part in ("released/shown at SECRET", "shown.txt at UNCLASSIFIED", "for the partners", "one line of text", release["digest"]):
        assert part in done.stdout, done.stdout
    out = tmp_path / "shown"
    cloud.fastness("cross", "review", release["release"], "--out", str(out), "--profile", REVIEWERS[0])
    assert hashlib.sha256(out.read_bytes()).hexdigest() == release["leaves"]["sha256"] != release["sha256"], "as the filters wrote it"
    done = cloud.fastness("cross", "review", release["release"], "--out", str(out), "--profile", REVIEWERS[0], check=False)
    assert done.returncode != 0 and "cannot write" in done.stderr, "nothing is written over"
    assert out.read_bytes() == b"one line of text\n" != body
    cloud.s3("secret-analyst").put_object(Bucket="released", Key="shown", Body=body, ContentType="text/plain")
    done = cloud.fastness("cross", "review", release["release"], "--profile", REVIEWERS[1], check=False)
    assert done.returncode != 0 and "changed, removed or contained" in done.stderr, done


@pytest.mark.parametrize(
    "body, more, why",
    [
        (b"(TS//SI//NF) too high\n", [], "the filters stop it"),
        (b"SECRET\n\nmarked as secret\n", [], "the filters stop it"),
        (b"\x00\x01\x02", [], "the filters stop it"),
        (b"fine\n", ["--meta", "owner=somebody"], "no metadata `owner`"),
    ],
)
def test_what_a_filter_or_the_mapping_stops_is_refused_in_words(cloud, body, more, why):
    put(cloud, "stopped", body)
    said = request(cloud, "stopped", "stopped.txt", *more, check=False)
    assert why in said, said


def test_a_regrade_within_a_region(cloud):
    account = cloud.account("secret-analyst")
    limits = ["--highest", "UNCLASSIFIED", "--type", "text/plain", "--per-day", "1GiB/1000", "--way", "release"]
    send = ["--send", "released", "--to", MIDDLE, "--to-account", account, "--to-bucket", "released"]
    cross(cloud, "mapping", "add", "down-here", *send, *limits, profile="secret-officer")
    receive = ["--receive", "released", "--from", MIDDLE]
    cross(cloud, "mapping", "add", "down-here-in", *receive, *limits, profile="secret-officer")
    put(cloud, "regraded", "for everybody here\n")
    release = request(cloud, "regraded", "regraded", to=MIDDLE)
    assert "regraded" not in keys(cloud, "secret-analyst-low")
    for reviewer in REVIEWERS:
        approve(cloud, release, reviewer)
    got = there(cloud, "secret-analyst-low", "regraded")
    assert got["Body"].read() == b"for everybody here\n"
    assert got["ResponseMetadata"]["HTTPHeaders"]["x-fastness-label"] == "UNCLASSIFIED"

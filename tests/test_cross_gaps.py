"""A bundle that a diode lost: above its number is missing, two people let the number go down, and it is sent again."""

import json
import os
import signal
from pathlib import Path

import pytest

from cloud import Cloud, children_of, get, keys, put
from crossing import LOW, MIDDLE, Crossing, wait

REVIEWERS = ["secret-reviewer", "secret-reviewer-2"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    cloud = Cloud(tmp_path_factory.mktemp("gaps") / "data").start("--demo")
    yield cloud
    cloud.kill()


@pytest.fixture(scope="module")
def crossing(cloud):
    return Crossing(cloud)


def receiver(cloud):
    """The process of the diode's upper end; none while it does not run."""
    for pid in children_of(cloud.process.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"fastness-diode-receive" in words and f"{LOW}--{MIDDLE}".encode() in words and b"with-parent" not in words:
            return pid
    return None


def sent_events(cloud):
    lines = (cloud.data / "diode" / f"{LOW}--{MIDDLE}" / "send.events").read_text().splitlines()
    return [one for one in map(json.loads, lines) if one["event"] == "sent"]


def lift(cloud, crossing, key):
    put(cloud.s3("unclass-analyst"), "plans", f"gaps/{key}", f"{key}\n".encode(), ContentType="text/plain")
    return crossing.lift("unclass-analyst", f"plans/gaps/{key}", MIDDLE)


def test_a_lost_bundle_comes_after_two_people_let_its_number_go_down(cloud, crossing):
    above = cloud.s3("secret-analyst")
    crossing.arrived("secret-auditor", LOW, lift(cloud, crossing, "first"))
    assert crossing("gaps", LOW, profile="secret-analyst")["gaps"] == []
    before = len(sent_events(cloud))
    os.kill(cloud.process.pid, signal.SIGSTOP)  # so that the receiver is not started again at once
    try:
        os.kill(receiver(cloud), signal.SIGKILL)
        lift(cloud, crossing, "lost")
        wait(lambda: len(sent_events(cloud)) > before)
    finally:
        os.kill(cloud.process.pid, signal.SIGCONT)
    wait(lambda: receiver(cloud))
    crossing.arrived("secret-auditor", LOW, lift(cloud, crossing, "last"))
    found = crossing("gaps", LOW, profile="secret-analyst")
    [[first, last]] = found["gaps"]
    assert first == last == found["highest"] - 1, found
    assert keys(above, "plans", Prefix="gaps/") == ["gaps/first", "gaps/last"]
    said = cloud.fastness("cross", "gaps", LOW, "--profile", "secret-analyst").stdout
    assert f"  {first}\n" in said and "release-gaps" in said
    for person in ("secret-analyst-low", "secret-officer"):
        assert "AccessDenied" in crossing("gaps", LOW, profile=person, check=False), person

    order = ["release-gaps", LOW, "--bucket", "released", "--label", "UNCLASSIFIED", "--purpose", "lost on the line"]
    release = crossing(*order, profile="secret-analyst")
    assert (release["gaps"], release["state"], release["new_name"]) == (True, "requested", "gaps.json")
    for reviewer in REVIEWERS:
        seen = cloud.fastness("cross", "review", release["release"], "--profile", reviewer).stdout
        assert json.dumps({"gaps": [[first, first]]}, separators=(",", ":")) in seen, seen
        crossing("approve", release["release"], "--digest", release["digest"], "--reason", "a number", profile=reviewer)
    wait(lambda: keys(above, "plans", Prefix="gaps/") == ["gaps/first", "gaps/last", "gaps/lost"])
    assert get(above, "plans", "gaps/lost") == b"lost\n"
    wait(lambda: crossing("gaps", LOW, profile="secret-analyst")["gaps"] == [])
    assert "nothing to ask for" in crossing(*order, profile="secret-analyst", check=False)

    def events(name):
        return cloud.fastness("audit", "search", "--event", name, "--profile", "unclass-auditor", "--json").stdout

    assert f"asks numbers {first}" in events("ReceiveGaps")
    assert f"ready again {first}" in events("ResendBundles")


def test_in_the_end_every_ledger_is_sound(cloud):
    assert cloud.stop() == 0
    done = cloud.verify()
    assert done.returncode == 0, done.stdout + done.stderr

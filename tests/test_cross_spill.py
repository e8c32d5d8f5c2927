"""A spill that crossed before somebody saw it: the report below is carried up, and what it names is found, contained and
erased there, too."""

import hashlib
import json
import os
import signal

import pytest

from cloud import Cloud, get, missing, put
from crossing import LOW, MIDDLE, Crossing, wait
from test_spill import officers_of

KEY, BODY = "spilled/notes.txt", b"What should be SECRET stood in a text without a marking.\n"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Three regions with the demo's mappings; officers at both ends' labels, folders as carriers."""
    cloud = Cloud(tmp_path_factory.mktemp("spills") / "data").start("--demo", "--no-diodes")
    officers_of(cloud, "unclass", LOW, ["UNCLASSIFIED", "CUI"])
    officers_of(cloud, "secret", MIDDLE, ["UNCLASSIFIED", "SECRET"])
    yield cloud
    cloud.kill()


def spill(cloud, *args, profile, check=True):
    done = cloud.fastness("spill", *args, "--profile", profile, "--json", check=check)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def erase(cloud, prefix, id):
    first, second = (f"{prefix}-{name}@UNCLASSIFIED" for name in ("officer", "officer-2"))
    proposed = spill(cloud, "erase", id, profile=first)
    return spill(cloud, "erase", id, "--approve", proposed["digest"], profile=second)


def test_a_spill_is_followed_up_contained_and_erased_on_both_sides(cloud, tmp_path):
    crossing = Crossing(cloud)
    low, high = cloud.s3("unclass-analyst"), cloud.s3("secret-analyst")
    put(low, "plans", KEY, BODY, ContentType="text/plain")
    lift = crossing.lift("unclass-analyst", "plans/spilled/", MIDDLE)
    (bundle,) = crossing.arrived("secret-officer", LOW, lift)
    assert get(high, "plans", KEY) == BODY

    kept = cloud.data / "regions" / LOW / "outbox" / "crossing" / MIDDLE / "kept"
    assert [path.name for path in kept.iterdir() if bundle["bundle"] in path.name] != []
    below = spill(cloud, "contain", f"s3://plans/{KEY}", profile="unclass-officer@UNCLASSIFIED")["spill"]
    assert [path.name for path in kept.iterdir() if bundle["bundle"] in path.name] == []
    answer = spill(cloud, "report", below, profile="unclass-officer@CUI")
    text = json.dumps(answer["report"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == answer["sha256"], "what is in the ledger is bound to the report"
    (crossed,) = answer["report"]["crossings"]
    assert (crossed["to"], crossed["bundle"], crossed["crossing"]) == (MIDDLE, bundle["bundle"], lift["lift"])
    told = cloud.fastness("spill", "report", below, "--profile", "unclass-officer@CUI").stdout
    assert bundle["bundle"] in told and "fastness spill trace" in told

    # Carried up by hand.
    report = tmp_path / "report.json"
    report.write_text(json.dumps(answer))
    shown = cloud.fastness("spill", "trace", report, "--profile", "secret-officer@SECRET").stdout
    assert KEY in shown and "Still readable at UNCLASSIFIED" in shown
    # A session contains what lies at its own label, and nothing else.
    away = spill(cloud, "trace", str(report), "--contain", profile="secret-officer@SECRET")
    assert [one["state"] for one in away["bundles"][0]["contents"]] == ["readable"]
    assert "auditors" in spill(cloud, "trace", str(report), profile="secret-analyst", check=False)

    found = spill(cloud, "trace", str(report), "--contain", profile="secret-officer@UNCLASSIFIED")
    (one,) = found["bundles"][0]["contents"]
    assert (one["bucket"], one["key"], one["label"]) == ("plans", KEY, "UNCLASSIFIED")
    assert one["state"] == f"contained in {one['spill']}"
    with missing():
        get(high, "plans", KEY)
    above = spill(cloud, "report", one["spill"], profile="secret-officer@SECRET")["report"]
    assert [(o["from"], o["bundle"]) for o in above["origins"]] == [(LOW, bundle["bundle"])]
    assert "user/analyst" in [reader["principal"] for reader in above["readers"]]

    assert erase(cloud, "secret", one["spill"])["state"] == "erased"
    assert erase(cloud, "unclass", below)["state"] == "erased"
    said = cloud.fastness("audit", "search", "--event", "ContainSpill", "--profile", "unclass-auditor", "--json").stdout
    assert "removed from the outbox of" in said and bundle["bundle"] in said
    (gone,) = spill(cloud, "trace", str(report), profile="secret-officer@UNCLASSIFIED")["bundles"][0]["contents"]
    assert gone["state"] == f"erased with {one['spill']}"


def test_what_else_was_in_a_bundle_that_waits_goes_again(cloud):
    """`up` itself carries from folder to folder: while it stands still, the regions go on and bundles wait."""
    crossing = Crossing(cloud)
    low, high = cloud.s3("unclass-analyst"), cloud.s3("secret-analyst")
    for n in range(20):
        put(low, "plans", f"together/{n}.txt", b"harmless\n", ContentType="text/plain")
    put(low, "plans", "together/spilled.txt", BODY, ContentType="text/plain")
    outbox = cloud.data / "regions" / LOW / "outbox" / "crossing" / MIDDLE

    def waits():
        return list((outbox / "ready").glob("*.bundle"))

    def sent():
        now = crossing("show", lift["lift"], profile="unclass-analyst")
        return now["state"] == "sent" and now

    wait(lambda: not waits())
    os.kill(cloud.process.pid, signal.SIGSTOP)
    try:
        lift = crossing.lift("unclass-analyst", "plans/together/", MIDDLE)
        assert (lift["state"], lift["sent"]) == ("sent", 21)
        wait(waits)
        spill(cloud, "contain", "s3://plans/together/spilled.txt", profile="unclass-officer@UNCLASSIFIED")
        again = wait(sent)
        assert (again["found"], again["sent"], again["left_out"], again["bundles"]) == (21, 20, {"gone": 1}, 2), again
        assert not list(outbox.glob("staged/*/*.held"))
    finally:
        os.kill(cloud.process.pid, signal.SIGCONT)
    (bundle,) = crossing.arrived("secret-officer", LOW, lift, bundles=1)
    assert (bundle["accepted"], bundle["quarantined"], bundle["refused"]) == (20, 0, 0)
    assert get(high, "plans", "together/0.txt") == b"harmless\n"
    with missing():
        get(high, "plans", "together/spilled.txt")
    said = cloud.fastness("audit", "search", "--event", "TakeBackBundle", "--profile", "unclass-auditor", "--json").stdout
    assert "objects=21 again" in said, said


def test_a_bundle_is_asked_for_by_its_id_alone(cloud):
    unknown = "0" * 32
    found = spill(cloud, "trace", "--bundle", unknown, "--from", LOW, profile="secret-officer@UNCLASSIFIED")
    assert (found["bundles"][0]["state"], found["bundles"][0]["contents"]) == ("not in view", [])
    shown = cloud.fastness("spill", "trace", "--bundle", unknown, "--from", LOW, "--profile", "secret-officer").stdout
    assert "What is not in view was refused, has not arrived, or lies above" in shown


def test_what_is_no_report_is_said_to_be_none(cloud, tmp_path):
    for name, content in (("text", "a text"), ("list", "[]"), ("other", '{"region": "us-gov-west-1"}')):
        path = tmp_path / name
        path.write_text(content)
        said = spill(cloud, "trace", str(path), profile="secret-officer", check=False)
        assert "report" in said, said
    assert "cannot read" in spill(cloud, "trace", str(tmp_path / "missing"), profile="secret-officer", check=False)
    assert cloud.fastness("spill", "trace", "--profile", "secret-officer", check=False).returncode != 0

"""The whole way over three regions from `up`: a thousand real files go up, what is marked too high is stopped, and in the
end every ledger and folder is sound."""

import json
import signal
import subprocess
import uuid

import pytest
from botocore.exceptions import ClientError

from cloud import Cloud, REGIONS, binary, get, keys, label_of, make_bucket, missing, put, versions
from crossing import HIGH, LOW, MIDDLE, PATIENCE, Crossing, in_parallel, real_files, same, wait
from test_cross_spill import spill
from test_spill import officers_of

COUNT = 1_000
STOPPED = "lift/0500-notes.txt"
MARKED = b"Minutes of the meeting\n\n(TS//SI//NF) The source was met on Tuesday.\n"
SECRET_PEOPLE = ["secret-analyst", "secret-analyst-rel", "secret-analyst-low", "secret-partner"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Three regions with the demo's mappings: `plans` goes up between each two, by diodes where their programs are."""
    cloud = Cloud(tmp_path_factory.mktemp("cross") / "data").start("--demo")
    yield cloud
    cloud.kill()


@pytest.fixture(scope="module")
def crossing(cloud):
    return Crossing(cloud)


@pytest.fixture(scope="module")
def sent(cloud, crossing):
    """A thousand real files, put and lifted: by key their type and content, and the lift as it ended."""
    files = {f"lift/{key}": (media_type, content) for key, media_type, content in real_files(COUNT - 1)}
    files[STOPPED] = ("text/plain", MARKED)
    s3 = cloud.s3("unclass-analyst")
    in_parallel(lambda one: put(s3, "plans", one[0], one[1][1], ContentType=one[1][0]), files.items())
    lift = crossing.lift("unclass-analyst", "plans/lift/", MIDDLE, "--purpose", "the exercise in May")
    return files, lift


@pytest.fixture(scope="module")
def lifted(crossing, sent):
    """The same, and the bundles that arrived."""
    return *sent, crossing.arrived("secret-officer", LOW, sent[1])


# -- up


def test_a_thousand_real_files_go_up_and_the_one_that_is_marked_too_high_is_stopped(cloud, crossing, lifted, tmp_path):
    files, lift, bundles = lifted
    assert (lift["state"], lift["found"], lift["sent"], lift["left_out"]) == ("sent", COUNT, COUNT, {}), lift
    counts = {name: sum(b[name] for b in bundles) for name in ("objects", "accepted", "quarantined", "refused")}
    stopped = {one["key"]: one["findings"] for b in bundles for one in b["stopped"]}
    assert counts == {"objects": COUNT, "accepted": COUNT - 1, "quarantined": 1, "refused": 0}, stopped
    assert set(stopped) == {STOPPED} and "TOP SECRET//SI//NOFORN exceeds" in " ".join(stopped[STOPPED]), stopped

    s3 = cloud.s3("secret-analyst")
    good = sorted(set(files) - {STOPPED})

    def read(key):
        answer = s3.get_object(Bucket="plans", Key=key)
        media_type, content = files[key]
        assert (label_of(answer), answer["ContentType"]) == ("UNCLASSIFIED", media_type), key
        return same(media_type, content, answer["Body"].read())

    assert [key for key, is_same in zip(good, in_parallel(read, good)) if not is_same] == []
    cloud.cli("secret-analyst", "s3", "sync", "s3://plans/lift/", tmp_path, "--only-show-errors")
    assert sorted(f"lift/{path.name}" for path in tmp_path.iterdir()) == good


def test_the_low_side_learns_that_it_was_sent_and_no_more(cloud, crossing, lifted):
    _, lift, _ = lifted
    assert crossing("show", lift["lift"], profile="unclass-analyst") == lift, "nothing is added when it has arrived"
    known = {"lift", "bucket", "prefix", "to", "mapping", "standing", "purpose", "ordered_by", "started", "ended", "state",
             "found", "sent", "left_out", "bytes", "bundles", "why"}
    assert set(lift) == known
    shown = cloud.fastness("cross", "lifts", "--profile", "unclass-analyst").stdout
    assert lift["lift"] in shown and "1000 of 1000" in shown
    said = cloud.fastness("cross", "show", lift["lift"], "--profile", "unclass-analyst").stdout
    assert "shows on the other side alone" in said
    # Another label's session has no part in it, also one above.
    assert crossing("lifts", profile="unclass-analyst-cui") == {"lifts": []}
    assert "NoSuchEntity" in crossing("show", lift["lift"], profile="unclass-analyst-cui", check=False)


def test_nobody_reads_what_was_stopped(cloud, crossing, lifted):
    for person in SECRET_PEOPLE:
        s3 = cloud.s3(person)
        assert STOPPED not in keys(s3, "plans", Prefix=STOPPED[:9])
        assert versions(s3, "plans", Prefix=STOPPED) == []
        for read in (s3.get_object, s3.head_object):
            with missing({"NoSuchKey", "404"} if read == s3.head_object else "NoSuchKey"):
                read(Bucket="plans", Key=STOPPED)
    for person in ("secret-officer", "secret-admin", "secret-auditor"):
        with pytest.raises(ClientError):
            get(cloud.s3(person), "plans", STOPPED)


def test_workers_see_that_something_was_stopped_and_officers_and_auditors_why(cloud, crossing, lifted):
    for person in ("secret-officer", "secret-auditor"):
        (one,) = crossing.arrivals(person, LOW, "--troubled")
        assert one["stopped"][0]["findings"], person
    for person in SECRET_PEOPLE:
        (one,) = crossing.arrivals(person, LOW, "--troubled")
        assert one["stopped"] == [{"key": STOPPED, "findings": []}], person
    said = cloud.fastness("cross", "arrivals", LOW, "--profile", "secret-officer").stdout
    assert f"quarantined plans/{STOPPED}: " in said and "fastness spill report" in said
    assert crossing.arrivals("topsecret-officer", LOW) == []


def test_both_sides_have_it_in_their_ledgers(cloud, lifted):
    _, lift, bundles = lifted

    def events(profile, name):
        found = cloud.fastness("audit", "search", "--event", name, "--profile", profile, "--json").stdout
        return [json.dumps(record) for record in json.loads(found)]

    for bundle in bundles:
        sending = [one for one in events("unclass-auditor", "SendObjects") if bundle["bundle"] in one]
        receiving = [one for one in events("secret-auditor", "ReceiveObjects") if bundle["bundle"] in one]
        assert sending and receiving and lift["lift"] in sending[0]
        assert any("quarantined spill" in one for one in receiving) == (bundle["quarantined"] > 0)


# -- the whole way


def carried(cloud, below, above):
    """The bundles that a diode brought whole, by its receiver's own events."""
    events = cloud.data / "diode" / f"{below}--{above}" / "receive.events"
    return [json.loads(line) for line in events.read_text().splitlines() if json.loads(line)["event"] == "received"]


def test_the_whole_way_up_down_and_back(cloud, crossing, lifted, tmp_path):
    """A thousand files up by the diode, one down after two people, one refused, and a spill that is followed across."""
    _, lift, bundles = lifted
    # Up: nothing but the diode carries.
    brought = carried(cloud, LOW, MIDDLE)
    assert len(brought) >= len(bundles) == lift["bundles"], brought

    # Down: what two reviewers approve, and not what one of them refuses.
    above, below = cloud.s3("secret-analyst"), cloud.s3("unclass-analyst")
    asked = {}
    for key, body in (("approved", b"For all.\n"), ("refused", b"For some.\n")):
        put(above, "released", key, body, ContentType="text/plain")
        asked[key] = crossing(
            "release", f"released/{key}", "--to", LOW, "--name", f"way/{key}.txt", "--label", "UNCLASSIFIED",
            "--type", "text/plain", "--purpose", "the exercise in May", profile="secret-analyst",
        )
    decide = [("approve", "secret-reviewer", "approved"), ("approve", "secret-reviewer", "refused"),
              ("refuse", "secret-reviewer-2", "refused"), ("approve", "secret-reviewer-2", "approved")]
    for word, reviewer, key in decide:
        seen = crossing("review", asked[key]["release"], profile=reviewer)
        digest = ["--digest", seen["digest"]] if word == "approve" else []
        crossing(word, seen["release"], *digest, "--reason", "looked at", profile=reviewer)
    wait(lambda: keys(below, "released", Prefix="way/") == ["way/approved.txt"])
    assert get(below, "released", "way/approved.txt") == b"For all.\n"
    states = {key: crossing("show-release", one["release"], profile="secret-analyst")["state"] for key, one in asked.items()}
    assert states == {"approved": "released", "refused": "refused"}

    # Back: what should not have gone up is found there by the report from below, and nobody reads it any more.
    put(below, "plans", "way/spilled.txt", b"This stood too low.\n", ContentType="text/plain")
    spilled = crossing.lift("unclass-analyst", "plans/way/spilled.txt", MIDDLE)
    (bundle,) = crossing.arrived("secret-officer", LOW, spilled)
    assert get(above, "plans", "way/spilled.txt") == b"This stood too low.\n"
    officers_of(cloud, "unclass", LOW, ["UNCLASSIFIED", "CUI"])
    officers_of(cloud, "secret", MIDDLE, ["UNCLASSIFIED", "SECRET"])
    contained = spill(cloud, "contain", "s3://plans/way/spilled.txt", profile="unclass-officer@UNCLASSIFIED")
    told = spill(cloud, "report", contained["spill"], profile="unclass-officer@CUI")
    assert [one["bundle"] for one in told["report"]["crossings"]] == [bundle["bundle"]]
    report = tmp_path / "report.json"
    report.write_text(json.dumps(told))
    (found,) = spill(cloud, "trace", str(report), "--contain", profile="secret-officer@UNCLASSIFIED")["bundles"][0]["contents"]
    assert found["state"] == f"contained in {found['spill']}"
    for s3 in (above, below):
        with missing():
            get(s3, "plans", "way/spilled.txt")


# -- further up


def test_a_file_goes_on_from_secret_to_top_secret(cloud, crossing, lifted):
    files, _, _ = lifted
    key = next(key for key, (media_type, _) in sorted(files.items()) if media_type == "text/plain" and key != STOPPED)
    # What came from below lies at its own label, and goes on from there.
    lift = crossing.lift("secret-analyst-low", f"plans/{key}", HIGH)
    assert (lift["state"], lift["sent"]) == ("sent", 1), lift
    crossing.arrived("topsecret-auditor", MIDDLE, lift)
    answer = cloud.s3("topsecret-analyst").get_object(Bucket="plans", Key=key)
    assert label_of(answer) == "SECRET", "the mapping puts it there"
    assert same("text/plain", files[key][1], answer["Body"].read())
    # And one of its own label.
    put(cloud.s3("secret-analyst"), "plans", "own.txt", b"(S//NF) Of our own.\n", ContentType="text/plain")
    lift = crossing.lift("secret-analyst", "plans/own.txt", HIGH)
    (bundle,) = crossing.arrived("topsecret-auditor", MIDDLE, lift)
    assert (bundle["came_as"], bundle["accepted"]) == ("SECRET", 1), bundle
    assert get(cloud.s3("topsecret-analyst-low"), "plans", "own.txt") == b"(S//NF) Of our own.\n"


def test_from_the_lowest_region_to_the_highest_directly(cloud, crossing):
    put(cloud.s3("unclass-analyst-cui"), "plans", "direct/report.json", b'{ "b" : 1, "a": [true] }', ContentType="application/json")
    lift = crossing.lift("unclass-analyst-cui", "plans/direct/", HIGH)
    (bundle,) = crossing.arrived("topsecret-auditor", LOW, lift)
    assert (bundle["came_as"], bundle["label"]) == ("CUI", "SECRET")
    answer = cloud.s3("topsecret-analyst-low").get_object(Bucket="plans", Key="direct/report.json")
    assert label_of(answer) == "SECRET" and answer["Body"].read() == b'{"b":1,"a":[true]}', "as the guard wrote it"
    assert crossing.arrivals("secret-auditor", LOW) != [] and not any(
        one["crossing"] == lift["lift"] for one in crossing.arrivals("secret-auditor", LOW)), "it passed no other region"


# -- people


def test_who_stops_waiting_stops_no_lift(cloud, crossing):
    bucket, name = f"slow-{uuid.uuid4().hex[:8]}", f"slow-{uuid.uuid4().hex[:8]}"
    s3 = cloud.s3("unclass-analyst")
    make_bucket(s3, bucket)
    half = ["--send", bucket, "--to", MIDDLE, "--to-account", cloud.account("secret-analyst"), "--to-bucket", bucket]
    limits = ["--way", "lift", "--highest", "CUI", "--type", "text/plain", "--per-day", "1MiB/1"]
    crossing("mapping", "add", name, *half, *limits, profile="unclass-officer")
    for key in ("a", "b"):
        put(s3, bucket, key, b"text", ContentType="text/plain")
    process = subprocess.Popen(
        [binary(), "cross", "lift", bucket, "--to", MIDDLE, "--profile", "unclass-analyst", "--data", cloud.data],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )

    def mine():
        return next((one for one in crossing("lifts", profile="unclass-analyst")["lifts"] if one["bucket"] == bucket), None)

    # One went; the other waits for another day.
    lift = wait(lambda: (found := mine()) and found["sent"] == 1 and found)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and f"cross show {lift['lift']}" in err, (out, err)
    assert mine()["state"] == "sending"
    stopped = crossing("stop", lift["lift"], profile="unclass-analyst")
    assert (stopped["state"], stopped["sent"]) == ("stopped", 1)
    crossing("mapping", "remove", name, profile="unclass-officer")


def test_a_standing_lift_sends_what_is_written_later(cloud, crossing):
    s3, above = cloud.s3("unclass-analyst"), cloud.s3("secret-analyst")
    put(s3, "plans", "standing/a", b"before\n", ContentType="text/plain")
    lift = crossing.lift("unclass-analyst", "plans/standing/", MIDDLE, "--standing")
    assert (lift["state"], lift["standing"], lift["ended"]) == ("queued", True, None)
    wait(lambda: keys(above, "plans", Prefix="standing/") == ["standing/a"])
    put(s3, "plans", "standing/a", b"changed\n", ContentType="text/plain")
    put(s3, "plans", "standing/b", b"later\n", ContentType="text/plain")
    wait(lambda: keys(above, "plans", Prefix="standing/") == ["standing/a", "standing/b"])
    wait(lambda: get(above, "plans", "standing/a") == b"changed\n")
    shown = crossing("show", lift["lift"], profile="unclass-analyst")
    assert (shown["state"], shown["sent"], shown["left_out"]) == ("sending", 3, {}), "each version once"
    assert crossing("stop", lift["lift"], profile="unclass-analyst")["state"] == "stopped"


@pytest.mark.parametrize(
    "profile, more, why",
    [
        ("unclass-analyst", ["plans", "--to", "eu-nowhere-1"], "does not name"),
        ("secret-analyst", ["plans", "--to", LOW], "region above"),
        ("unclass-analyst", ["plans", "--to", MIDDLE, "--mapping", "none"], "NoSuchEntity"),
        ("unclass-analyst", ["logistics", "--to", MIDDLE], "mapping"),
        ("unclass-analyst", ["nowhere", "--to", MIDDLE], "NoSuchBucket"),
        ("unclass-analyst", ["/", "--to", MIDDLE], "names no bucket"),
        ("unclass-officer", ["plans", "--to", MIDDLE], "AccessDenied"),
        ("unclass-admin", ["plans", "--to", MIDDLE], "AccessDenied"),
        ("unclass-auditor", ["plans", "--to", MIDDLE], "AccessDenied"),
    ],
)
def test_what_cannot_be_lifted_is_refused_in_words(crossing, profile, more, why):
    said = crossing("lift", *more, profile=profile, check=False)
    assert why in said, said


def test_lifts_that_are_not_there(crossing):
    for command in ("show", "stop"):
        assert "NoSuchEntity" in crossing(command, "0" * 32, profile="unclass-analyst", check=False)
        assert crossing(command, "../nonsense", profile="unclass-analyst", check=False)


# -- by hand


def test_a_disc_takes_the_place_of_a_diode(cloud, crossing, lifted, tmp_path):
    """The lower region alone runs, and nobody carries: then the disc is brought to the higher one."""
    assert cloud.stop() == 0
    config = cloud.data / "regions" / LOW / "region.toml"
    alone = subprocess.Popen([binary(), "serve", "--config", config], stdout=subprocess.PIPE, text=True)
    try:
        assert alone.stdout.readline() == "ready\n"
        put(cloud.s3("unclass-analyst"), "plans", "disc/a.txt", b"By hand.\n", ContentType="text/plain")
        lift = crossing.lift("unclass-analyst", "plans/disc/", MIDDLE)
        assert lift["state"] == "sent"
        ready = cloud.data / "regions" / LOW / "outbox" / "crossing" / MIDDLE / "ready"
        wait(lambda: len(list(ready.glob("*.bundle"))) == 1)
    finally:
        alone.send_signal(signal.SIGTERM)
        assert alone.wait(60) == 0
    disc = tmp_path / "disc"
    cloud.fastness("cross", "export", disc, "--from", LOW, "--to", MIDDLE)
    assert list(ready.glob("*.bundle")) == [] and len(list(disc.glob("*.bundle"))) == 1
    cloud.start()
    cloud.fastness("cross", "import", disc, "--from", LOW, "--into", MIDDLE)
    crossing.arrived("secret-auditor", LOW, lift)
    assert get(cloud.s3("secret-analyst"), "plans", "disc/a.txt") == b"By hand.\n"
    # A second time it is a replay, and nothing comes of it.
    before = crossing.arrivals("secret-auditor", LOW)
    inbox = cloud.data / "regions" / MIDDLE / "inbox" / "crossing" / LOW
    cloud.fastness("cross", "import", disc, "--from", LOW, "--into", MIDDLE)
    wait(lambda: list(inbox.glob("*.bundle")) == [])
    assert crossing.arrivals("secret-auditor", LOW) == before


# What is added to the way stands above: here the regions stop.


def test_in_the_end_every_ledger_and_folder_is_sound(cloud, lifted):
    assert cloud.stop() == 0
    done = cloud.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(cloud.fastness("check", cloud.data, "--json", data=False, timeout=PATIENCE).stdout)
    assert report["sound"] and {one["region"] for one in report["regions"]} == {name for _, name in REGIONS.values()}, report

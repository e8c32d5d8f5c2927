"""Witnesses: regions remember the checkpoints of those below them, and `fastness audit witness` those of any log."""

import json
import re
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

import tlog
from cloud import Cloud, binary, get, make_bucket, put
from witnessed import LOW, MIDDLE, TOP, carried, inbox, outbox, region, settle, until


def live(cloud, keys, bucket="witnessed", pause=1.2):
    """Something happens in the lowest region, a checkpoint for each key, and those above take it."""
    s3 = cloud.s3("unclass-analyst")
    if bucket not in [b["Name"] for b in s3.list_buckets()["Buckets"]]:
        make_bucket(s3, bucket)
    for key in keys:
        put(s3, bucket, key, key.encode())
        time.sleep(pause)


def command(*args, timeout=60):
    return subprocess.run(
        [binary(), *map(str, args)], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
    )


def copy(source, target):
    shutil.copytree(source, target, copy_function=shutil.copy2)
    return Cloud(target)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A stopped cloud that lived twice, and what its lowest region was after the first time."""
    folder = tmp_path_factory.mktemp("witness")
    cloud = Cloud(folder / "data").start()
    try:
        live(cloud, ["a", "b"])
        settle(cloud)
        assert cloud.stop() == 0
        shutil.copytree(region(cloud, LOW), folder / "older")
        cloud.start()
        live(cloud, ["c", "d"])
        settle(cloud)
        assert cloud.stop() == 0, cloud.errors()
    finally:
        cloud.kill()
    assert "the ledgers' keeper" not in cloud.errors(), cloud.errors()
    return cloud, folder / "older"


@pytest.fixture
def lived(story, tmp_path):
    """A copy of that cloud."""
    cloud = copy(story[0].data, tmp_path / "data")
    yield cloud
    cloud.kill()


def put_back(cloud, older):
    shutil.rmtree(region(cloud, LOW))
    shutil.copytree(older, region(cloud, LOW))


def test_a_sound_cloud_verifies(story):
    done = story[0].verify()
    assert done.returncode == 0, done.stdout + done.stderr
    done = command("check", story[0].data)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_whole_region_that_is_put_back_is_found(lived, story):
    put_back(lived, story[1])
    alone = command("audit", "verify", region(lived, LOW))
    assert alone.returncode == 0, "by itself an older state is sound"
    done = command("audit", "verify", lived.data, "--json")
    assert done.returncode == 1, done.stdout
    found = [c["finding"] for c in json.loads(done.stdout)["chains"] if c["finding"]]
    assert len(found) == 1 and "put back to an older state" in found[0], found
    assert "/witness` cosigned a checkpoint over" in found[0], found


def test_a_region_that_is_put_back_and_goes_on_is_found(lived, story):
    """The regions above hear of it at once, nothing that they know is lost, and `verify` finds the fork."""
    put_back(lived, story[1])
    lived.start()
    live(lived, [f"other-{n}" for n in range(9)])
    until(lambda: lived.errors().count(f"witness of region {LOW}: ") >= 2)
    assert get(lived.s3("unclass-analyst"), "witnessed", "other-8") == b"other-8"
    assert lived.stop() == 0
    assert re.search(f"witness of region {LOW}: (rewound|forked|gap): .* put back", lived.errors()), lived.errors()
    done = command("audit", "verify", lived.data, "--json")
    found = [c["finding"] for c in json.loads(done.stdout)["chains"] if c["finding"]]
    assert done.returncode == 1 and any("cosigned another root" in f for f in found), done.stdout


def test_a_region_that_is_made_anew_is_found(lived):
    shutil.rmtree(region(lived, LOW))
    fresh = Cloud(lived.data.parent / "fresh").start()
    assert fresh.stop() == 0
    shutil.copytree(region(fresh, LOW), region(lived, LOW))
    done = command("audit", "verify", lived.data, "--json")
    assert done.returncode == 1 and "the region was made anew under an old name" in done.stdout, done.stdout


def test_bad_bundles_are_alarms_and_the_next_good_one_is_taken(lived):
    newest = sorted(outbox(lived).iterdir())
    lived.start()
    size = int(newest[-1].name[:20])
    name = f"{size + 50:020}-{size:020}"
    good = newest[-1].read_text()
    bad = {
        "malformed": b"nonsense",
        "oversized": b"x" * 300_000,
        "forged": good.replace(f"\n{size}\n", f"\n{size + 50}\n").encode(),
        "rewound": newest[0].read_bytes(),
    }
    for kind, content in bad.items():
        (inbox(lived, MIDDLE) / (name + ".new")).write_bytes(content)
        (inbox(lived, MIDDLE) / (name + ".new")).rename(inbox(lived, MIDDLE) / name)
        until(lambda: f"witness of region {LOW}: {kind}: " in lived.errors() and not (inbox(lived, MIDDLE) / name).exists())
    # Sent again as it is, the last one says nothing new.
    (inbox(lived, MIDDLE) / newest[-1].name).write_text(good)
    live(lived, ["after"])
    settle(lived)
    assert lived.errors().count("witness of region") == len(bad), lived.errors()
    assert lived.stop() == 0
    assert lived.verify().returncode == 0


def test_nothing_above_shows_below(lived):
    """The regions above can take nothing at all: below, all goes on, and nothing tells."""
    for above in (MIDDLE, TOP):
        shutil.rmtree(region(lived, above) / "inbox")
        (region(lived, above) / "inbox").write_text("in the way")
    known = {p.name for p in outbox(lived).iterdir()}
    before = sorted(p.name for p in region(lived, LOW).iterdir())
    lived.start()
    live(lived, ["e", "f"])
    until(lambda: {p.name for p in outbox(lived).iterdir()} - known)
    assert get(lived.s3("unclass-analyst"), "witnessed", "e") == b"e"
    assert sorted(p.name for p in region(lived, LOW).iterdir()) == before
    assert lived.stop() == 0
    assert "could not be carried upward" in lived.errors()
    # Once there is room, what was missed arrives: the carrier has its own record.
    for above in (MIDDLE, TOP):
        (region(lived, above) / "inbox").unlink()
    lived.start()
    settle(lived)
    assert lived.stop() == 0
    assert lived.verify().returncode == 0


class Inspector:
    """Somebody with a key of their own."""

    def __init__(self, folder, log):
        self.key, self.state, self.log = folder / "inspector.key", folder / "state", log

    def look(self, source, *more):
        return command(
            "audit", "witness", "--key", self.key, "--state", self.state, "--log", self.log, source, "--json", *more
        )

    def good(self, source):
        done = self.look(source)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def bad(self, source, *words):
        before = {p: p.read_bytes() for p in self.state.iterdir() if p.name != "lock"}
        done = self.look(source)
        assert done.returncode == 1, done.stdout
        said = json.loads(done.stdout.splitlines()[-1])["error"]
        assert all(word in said for word in words), said
        assert {p: p.read_bytes() for p in before} == before, "the last good state stays"


def test_an_inspector_witnesses_a_regions_bundles(lived, story, tmp_path):
    inspector = Inspector(tmp_path, region(lived, LOW) / "ledger.keys")
    said = inspector.good(outbox(lived))
    assert said["new"] and said["log"] == f"fastness/{LOW}/region"
    assert stat.S_IMODE(inspector.key.stat().st_mode) == 0o600
    public = (tmp_path / "inspector.key.pub").read_text().strip()
    secret = inspector.key.read_text().strip().rsplit("+", 1)[1]
    again = inspector.look(outbox(lived))
    assert secret not in again.stdout + again.stderr and not json.loads(again.stdout)["new"]

    verify = ["audit", "verify", lived.data, "--witness", said["file"]]
    done = command(*verify, "--witness-key", public)
    assert done.returncode == 0, done.stdout + done.stderr
    stranger = Inspector(tmp_path / "other", inspector.log)
    stranger.key.parent.mkdir()
    stranger.good(outbox(lived))
    done = command(*verify, "--witness-key", (tmp_path / "other" / "inspector.key.pub").read_text())
    assert done.returncode == 1 and "no known key signed" in done.stderr, done.stderr

    inspector.bad(story[1] / "outbox" / "witness", "rewound")
    put_back(lived, story[1])
    alone = command("audit", "verify", region(lived, LOW), "--witness", said["file"], "--json")
    assert alone.returncode == 1 and "put back to an older state" in alone.stdout
    elsewhere = command("audit", "verify", region(lived, MIDDLE), "--witness", said["file"])
    assert elsewhere.returncode == 1 and "not here" in elsewhere.stderr
    inspector.key.chmod(0o644)
    done = inspector.look(outbox(lived))
    assert done.returncode == 1 and "others may read it" in done.stderr


def test_an_inspector_witnesses_a_copy_of_a_regions_ledger(lived, story, tmp_path):
    keys = region(lived, LOW) / "ledger.keys"
    shutil.copytree(story[1], tmp_path / "was")
    for source, name in ((region(lived, LOW), "new"), (tmp_path / "was", "old")):
        done = command("audit", "copy", source, "--label", "UNCLASSIFIED", "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
    inspector = Inspector(tmp_path, keys)
    was = inspector.good(tmp_path / "old")
    now = inspector.good(tmp_path / "new")
    assert was["log"] == now["log"] == f"fastness/{LOW}/UNCLASSIFIED" and was["size"] < now["size"]
    inspector.bad(tmp_path / "old", "put back")
    for name, good in (("new", True), ("old", False)):
        done = command("audit", "verify", tmp_path / name, "--key", keys, "--witness", now["file"])
        assert (done.returncode == 0) == good and ("put back" in done.stdout) != good, done.stdout


@pytest.fixture
def log(tmp_path):
    """A log that is none of ours, and its inspector."""
    key = tlog.Key("logs.example/behind-the-sofa", b"\7" * 32)
    (tmp_path / "log.keys").write_text(f"# by hand\n{key.vkey()}\n")
    return key, Inspector(tmp_path, tmp_path / "log.keys")


ENTRIES = [b"entry %d" % n for n in range(700)]


def written(folder, key, entries):
    if folder.exists():
        shutil.rmtree(folder)
    tlog.write(folder, key, entries)
    return folder


def test_an_inspector_witnesses_a_copy_that_others_wrote(log, tmp_path):
    key, inspector = log
    for size in (1, 255, 256, 300, 700):
        said = inspector.good(written(tmp_path / "copy", key, ENTRIES[:size]))
        assert said["size"] == size and said["new"], said
    cosigned = Path(said["file"]).read_text()
    assert cosigned.startswith((tmp_path / "copy" / "checkpoint").read_text()) and cosigned.count("\u2014") == 2
    assert Path(said["file"]).name == "logs.example%2Fbehind-the-sofa.checkpoint"
    # Put back; forked at the same size, longer, before the first that was seen; forged; other keys.
    inspector.bad(written(tmp_path / "copy", key, ENTRIES[:600]), "put back")
    other = [*ENTRIES[:400], b"other", *ENTRIES[401:]]
    inspector.bad(written(tmp_path / "copy", key, other), "forked")
    inspector.bad(written(tmp_path / "copy", key, [*other, b"more"]), "forked")
    stranger = tlog.Key(key.name, b"\x08" * 32)
    inspector.bad(written(tmp_path / "copy", stranger, [*ENTRIES, b"more"]), "no known key signed")
    # Changed or missing files of a copy that goes on rightly.
    longer = [*ENTRIES, b"more"]
    for path in ("tile/entries/001", "tile/0/000", "tile/1/000.p/2"):
        target = written(tmp_path / "copy", key, longer) / path
        content = bytearray(target.read_bytes())
        content[40] ^= 1
        target.write_bytes(content)
        inspector.bad(tmp_path / "copy", path)
        target.unlink()
        inspector.bad(tmp_path / "copy", path, "missing")
    assert inspector.good(written(tmp_path / "copy", key, longer))["size"] == 701


def test_an_inspector_witnesses_bundles_that_others_wrote(log, tmp_path):
    key, inspector = log
    folder = tmp_path / "bundles"
    folder.mkdir()
    for old, size in ((0, 3), (3, 7), (7, 300)):
        (folder / f"{size}").write_text(tlog.bundle(key, old, ENTRIES[:size]))
        assert inspector.good(folder)["size"] == size
    (folder / "700").write_text(tlog.bundle(key, 600, ENTRIES))
    inspector.bad(folder, "gap", "300 were cosigned")
    (folder / "600").write_text(tlog.bundle(key, 300, ENTRIES[:600]))
    assert inspector.good(folder)["size"] == 700
    (folder / "701").write_text(tlog.bundle(key, 700, [*ENTRIES[:500], b"other", *ENTRIES[501:], b"more"]))
    inspector.bad(folder, "forked")
    (folder / "701").write_text("nonsense")
    inspector.bad(folder, "malformed")


def test_a_watch_says_what_changes_until_it_is_stopped(log, tmp_path):
    key, inspector = log
    written(tmp_path / "copy", key, ENTRIES[:10])
    watch = subprocess.Popen(
        [binary(), "audit", "witness", "--key", inspector.key, "--state", inspector.state, "--log", inspector.log,
         tmp_path / "copy", "--every", "1", "--json"],
        stdout=subprocess.PIPE, text=True,
    )
    try:
        assert "key" in json.loads(watch.stdout.readline())
        assert json.loads(watch.stdout.readline())["size"] == 10
        locked = inspector.look(tmp_path / "copy")
        assert locked.returncode == 1 and "another witness" in locked.stderr
        tlog.write(tmp_path / "copy", key, ENTRIES[:20])
        assert json.loads(watch.stdout.readline())["size"] == 20
        tlog.write(tmp_path / "copy", key, ENTRIES[:15])
        assert "put back" in json.loads(watch.stdout.readline())["error"]
        watch.send_signal(signal.SIGINT)
        assert watch.wait(20) == 1 and watch.stdout.read() == ""
    finally:
        watch.kill()
        watch.wait()


def test_what_cannot_be_witnessed_is_said(log, tmp_path):
    key, inspector = log
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "none"):
        done = inspector.look(source)
        assert done.returncode == 1 and "error" in done.stdout
    (tmp_path / "log.keys").write_text("nonsense")
    assert "no verifier key" in inspector.look(tmp_path / "empty").stderr
    (tmp_path / "log.keys").write_text("")
    assert "no key of a log" in inspector.look(tmp_path / "empty").stderr

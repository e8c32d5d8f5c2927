"""What carries bundles: `fastness cross export` and `import` on folders alone; and what `up` hands out and keeps running."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from cloud import REGIONS, binary, children_of

LOW, HIGH = "us-gov-west-1", "us-isob-east-1"


def number(n):
    return f"{n:010}.bundle"


class Pair:
    """Folders of two regions that nobody runs. What is in a bundle is nothing that a carrier asks."""

    def __init__(self, folder):
        self.data, self.disc = folder / "data", folder / "disc"
        self.ready = self.data / "regions" / LOW / "outbox" / "crossing" / HIGH / "ready"
        self.inbox = self.data / "regions" / HIGH / "inbox" / "crossing" / LOW
        for made in (self.ready, self.inbox):
            made.mkdir(parents=True)

    def bundle(self, n, size=70_000):
        (self.ready / number(n)).write_bytes(os.urandom(size))
        return (self.ready / number(n)).read_bytes()

    def run(self, *args, check=True):
        done = subprocess.run([binary(), "cross", *map(str, args), "--data", self.data], capture_output=True, text=True, timeout=60)
        assert "panicked" not in done.stderr, done.stderr
        assert not check or done.returncode == 0, done.stderr
        return done

    def export(self, **kw):
        return self.run("export", self.disc, "--from", LOW, "--to", HIGH, **kw)

    def bring(self, **kw):
        return self.run("import", self.disc, "--from", LOW, "--into", HIGH, **kw)


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_what_is_exported_and_imported_is_the_same(pair):
    contents = {n: pair.bundle(n) for n in (1, 2, 11)}
    (pair.ready / "0000000012.bundle.new").write_bytes(b"not to be seen yet")
    pair.export()
    assert names(pair.ready) == ["0000000012.bundle.new"], "what was moved is gone, what is not shown stays"
    sums = (pair.disc / "SHA256SUMS").read_text()
    assert sums == "".join(f"{hashlib.sha256(c).hexdigest()}  {number(n)}\n" for n, c in contents.items())
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=pair.disc).returncode == 0
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in pair.disc.iterdir()}
    pair.bring()
    assert {n: (pair.inbox / number(n)).read_bytes() for n in contents} == contents
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in pair.disc.iterdir()} == before, "nothing is written to the disc"
    pair.bundle(20)
    pair.export()
    assert len((pair.disc / "SHA256SUMS").read_text().splitlines()) == 4


def test_an_export_that_was_cut_off_goes_on(pair):
    content = pair.bundle(1)
    pair.disc.mkdir()
    (pair.disc / number(1)).write_bytes(content)
    pair.export()
    assert names(pair.ready) == [] and (pair.disc / number(1)).read_bytes() == content
    pair.bundle(1)
    refused = pair.export(check=False)
    assert refused.returncode == 1 and "another one" in refused.stderr
    assert names(pair.ready) == [number(1)], "what could not be moved stays"


def test_links_damage_and_other_names_are_not_brought_in(pair, tmp_path):
    (tmp_path / "secret").write_text("of this machine")
    pair.disc.mkdir()
    (pair.disc / number(1)).symlink_to(tmp_path / "secret")
    (pair.disc / number(2)).mkdir()
    os.mkfifo(pair.disc / number(3))
    for name in ("x.bundle", "1.bundle", "0000000004.bundle.new", "00000000005.bundle", "..bundle"):
        (pair.disc / name).write_bytes(b"no bundle's name")
    (pair.disc / number(6)).write_bytes(b"damaged")
    (pair.disc / number(7)).write_bytes(b"good")
    (pair.disc / "SHA256SUMS").write_text(f"{'0' * 64}  {number(6)}\n{hashlib.sha256(b'good').hexdigest()}  {number(7)}\nnonsense\n")
    done = pair.bring()
    assert names(pair.inbox) == [number(7)]
    assert "no file" in done.stderr and "damaged" in done.stderr
    assert (tmp_path / "secret").read_text() == "of this machine"


def test_a_full_inbox_takes_as_much_as_it_has_room_for(pair):
    for n in range(1, 4):
        pair.bundle(n, 100)
    pair.export()
    for n in range(1_000, 2_022):
        (pair.inbox / number(n)).write_bytes(b"")
    full = pair.bring(check=False)
    assert full.returncode == 1 and "full" in full.stderr and number(3) in full.stderr
    assert (pair.inbox / number(2)).exists() and not (pair.inbox / number(3)).exists()
    for n in range(1_000, 1_010):
        (pair.inbox / number(n)).unlink()
    pair.bring()
    assert (pair.inbox / number(3)).exists()


def test_regions_that_are_not_there_are_named(pair):
    for wrong in (["export", pair.disc, "--from", "eu-nowhere-1", "--to", HIGH], ["import", pair.disc, "--into", "..", "--from", LOW]):
        done = pair.run(*wrong, check=False)
        assert done.returncode == 1 and LOW in done.stderr
    done = pair.run("export", pair.disc, "--from", LOW, "--to", "../../..", check=False)
    assert done.returncode == 1
    assert not pair.disc.exists()


# -- up

def keys(cloud, of):
    return (cloud.data / "regions" / of / "crossing.keys").read_text()


def test_up_hands_keys_once_and_says_if_they_change(new_cloud):
    cloud = new_cloud().start("--no-diodes")
    names_of = [name for _, name in REGIONS.values()]
    known = {(to, of): cloud.data / "regions" / to / "peers" / f"{of}.keys" for to in names_of for of in names_of if of != to}
    for (_, of), path in known.items():
        assert path.read_text() == keys(cloud, of)
    assert all(len(keys(cloud, of).splitlines()) == 3 for of in names_of)
    reviewers = {name for name in cloud.profiles() if "reviewer" in name}
    assert {"unclass-reviewer", "unclass-reviewer-2", "secret-reviewer", "secret-reviewer-2", "topsecret-reviewer", "topsecret-reviewer-2-low"} <= reviewers
    assert cloud.stop() == 0
    changed = known[HIGH, LOW]
    changed.write_text(keys(cloud, HIGH))
    before = (cloud.data / "aws" / "credentials").read_text()
    cloud.start("--no-diodes")
    assert "by other keys" in cloud.errors() and changed.read_text() == keys(cloud, HIGH), "not taken over"
    assert (cloud.data / "aws" / "credentials").read_text() == before, "reviewers are made once"
    assert cloud.stop() == 0


def test_people_of_an_earlier_folder_get_reviewers(new_cloud):
    cloud = new_cloud().start("--no-diodes")
    assert cloud.stop() == 0
    # As a start leaves it that was cut off just before its end.
    (cloud.data / "aws" / "crossing").unlink()
    cloud.start("--no-diodes")
    assert "secret-reviewer" in cloud.profiles()
    assert cloud.stop() == 0


def diodes(cloud):
    """The ends of diodes that run, by what they are called with."""
    found = {}
    for pid in children_of(cloud.process.pid):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"fastness-diode-" in arguments[0]:
            found[b" ".join(arguments)] = pid
    return found


def wait(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


HAS_DIODES = all((binary().parent / f"fastness-diode-{end}").exists() for end in ("send", "receive"))
needs_diodes = pytest.mark.skipif(not HAS_DIODES, reason="the diodes' programs are not built beside `fastness`")


@needs_diodes
def test_diodes_carry_upward_are_started_again_and_end_with_up(new_cloud):
    cloud = new_cloud().start()
    wait(lambda: len(diodes(cloud)) == 6)
    before = diodes(cloud)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait(lambda: len(diodes(cloud)) == 6 and not set(diodes(cloud).values()) & set(before.values()))
    assert set(diodes(cloud)) == set(before)
    pair = Pair.__new__(Pair)
    pair.ready = cloud.data / "regions" / LOW / "outbox" / "crossing" / HIGH / "ready"
    content = os.urandom(300_000)
    (pair.ready / "0000000001.bundle.new").write_bytes(content)
    (pair.ready / "0000000001.bundle.new").rename(pair.ready / number(1))
    # It is no bundle, so the region above refuses it, if it takes any; until then it lies there.
    wait(lambda: not (pair.ready / number(1)).exists())
    last = list(diodes(cloud).values())
    # Killed, `up` takes them with it: the system does it.
    os.kill(cloud.process.pid, signal.SIGKILL)
    wait(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and b"diode" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in last))


@needs_diodes
def test_what_a_diode_refuses_is_in_the_ledger_above(new_cloud):
    cloud = new_cloud().start()
    wait(lambda: len(diodes(cloud)) == 6)
    (receiver,) = [one.split(b" ") for one in diodes(cloud) if b"fastness-diode-receive" in one and f"{LOW}--{HIGH}".encode() in one]
    host, port = receiver[receiver.index(b"--listen") + 1].decode().split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(b"??", (host, int(port)))

    def said():
        found = cloud.fastness("audit", "search", "--event", "ReceiveObjects", "--profile", "secret-auditor", "--json").stdout
        return [text for text in map(json.dumps, json.loads(found)) if "diode: 1 short since 20" in text]

    wait(said)
    (entry,) = said()
    assert f"inbox/{LOW}" in entry and '"errorCode"' in entry, entry
    inbox = cloud.data / "regions" / HIGH / "inbox" / "crossing" / LOW
    wait(lambda: not any(name.startswith("diode") for name in names(inbox)))
    assert cloud.stop() == 0

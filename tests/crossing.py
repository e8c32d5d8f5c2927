"""What tests of crossing share: lifts and arrivals by the command line, and real files."""

import csv
import io
import json
import re
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LOW, MIDDLE, HIGH = "us-gov-west-1", "us-isob-east-1", "us-iso-east-1"
PATIENCE = 600


def wait(condition, seconds=PATIENCE, every=0.2):
    """Waits until something is so; a machine may be busy."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(every)
    return found


class Crossing:
    """A running cloud, seen through `fastness cross`."""

    def __init__(self, cloud):
        self.cloud = cloud

    def __call__(self, *args, profile, check=True):
        """A command's JSON; what it says when it fails."""
        done = self.cloud.fastness("cross", *args, "--profile", profile, "--json", check=check, timeout=PATIENCE)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    def lift(self, profile, source, to, *more, check=True):
        return self("lift", source, "--to", to, *more, profile=profile, check=check)

    def arrivals(self, profile, source, *more):
        return self("arrivals", source, *more, profile=profile)["arrivals"]

    def arrived(self, profile, source, lift, bundles=None):
        """The bundles of a lift on the other side, when all of them are taken in: as many as were sent."""

        def whole():
            of = [a for a in self.arrivals(profile, source) if a["crossing"] == lift["lift"]]
            done = [a for a in of if a["state"] == "arrived"]
            return done if len(done) == (bundles or lift["bundles"]) else None

        return wait(whole)


# -- real files


def _plain(content):
    """A text that says nothing of classifications, of characters that people see."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if not text.isprintable() and re.search(r"[^\S\n\r\t ]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", text):
        return None
    marked = re.search(r"classification|marking|\blabel\b|SECRET|\((?:TS|S|C|U|CUI|R|NU|NR|NC|NS)\b", text, re.I)
    return None if marked or not text.isascii() else text


def _texts(folder):
    for path in sorted([*folder.rglob("*.rst"), *folder.rglob("*.txt")]):
        if path.stat().st_size < 24_000 and (content := path.read_bytes()) and _plain(content):
            yield path.name, "text/plain", content


def _jsons(folder):
    for path in sorted(folder.rglob("*.json")):
        if path.stat().st_size < 24_000 and _plain(content := path.read_bytes()):
            yield path.name, "application/json", content


def _tables(folder):
    """What was installed stands in a table beside each package (PEP 376); cut in parts, each with rows of its own."""
    for path in sorted(folder.glob("*.dist-info/RECORD")):
        rows = list(csv.reader(path.read_text().splitlines()))
        for at in range(0, len(rows), 25):
            part = io.StringIO()
            csv.writer(part).writerows(rows[at:at + 25])
            if _plain(content := part.getvalue().encode()):
                yield f"{path.parent.name}-{at}.csv", "text/csv", content


def _pictures(folders, ending, media_type):
    for folder in folders:
        for path in sorted(folder.rglob(f"*{ending}")):
            if path.is_file() and path.stat().st_size < 200_000:
                yield path.name, media_type, path.read_bytes()


def real_files(count):
    """So many files of Python's installed packages, each another: (key, type, content)."""
    folder = Path(sysconfig.get_path("purelib"))
    # The interpreter's own: its library's tests and programs have the pictures.
    library = Path(sys.base_prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    kinds = [
        (_pictures([folder, library], ".png", "image/png"), 40),
        (_pictures([folder, library], ".jpg", "image/jpeg"), 40),
        (_tables(folder), 150),
        (_jsons(folder), 350),
        (_texts(folder), count),
    ]
    found, seen = [], set()
    for kind, most in kinds:
        taken = 0
        for name, media_type, content in kind:
            if len(found) == count or taken == most:
                break
            if content in seen:
                continue
            seen.add(content)
            taken += 1
            found.append((f"{len(found):04}-{name}", media_type, content))
    assert len(found) == count, f"there are {len(found)} real files here: install tests/requirements.txt"
    return found


def same(media_type, sent, got):
    """Whether what came is what was sent: the guard writes everything anew."""
    if media_type == "application/json":
        return json.loads(sent) == json.loads(got)
    if media_type == "text/csv":
        rows = [list(csv.reader(io.StringIO(content.decode(), newline=""))) for content in (sent, got)]
        return rows[0] == rows[1]
    if media_type == "image/png":
        # The header: width, height.
        return got[:8] == sent[:8] and got[16:24] == sent[16:24]
    if media_type == "image/jpeg":
        return got[:3] == b"\xff\xd8\xff"
    return got.decode().splitlines() == sent.decode().removeprefix("\ufeff").splitlines()


def in_parallel(work, items, threads=8):
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))

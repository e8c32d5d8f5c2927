"""A disk that is full: clear errors, nothing half-written, and all well again when there is room."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from cloud import get, keys, make_bucket, put
from wire import pattern_chunks

MIB = 1 << 20
SIZE = 400  # MiB; three regions with their catalogs fit several times


@pytest.fixture
def small_disk():
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root; CI runs this as root")
    where = Path(tempfile.mkdtemp(prefix="fastness-disk-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m,mode=700", "tmpfs", where], capture_output=True, text=True)
    assert done.returncode == 0, f"root, and yet no mount: {done.stderr}"
    yield where
    for _ in range(50):
        if subprocess.run(["umount", where], capture_output=True).returncode == 0:
            break
        time.sleep(0.1)
    else:
        subprocess.run(["umount", "-l", where], check=True)
    where.rmdir()


@pytest.fixture
def cloud(small_disk, new_cloud):
    cloud = new_cloud(small_disk / "data")
    cloud.log = Path(tempfile.mkstemp(prefix="fastness-", suffix=".log")[1])
    cloud.start()
    yield cloud
    cloud.kill()
    cloud.log.unlink()


def fill(disk, leave):
    """Takes all but `leave` bytes of the disk."""
    room = shutil.disk_usage(disk).free - leave
    with open(disk / "filler", "ab") as f:
        while room > 0:
            n = min(room, MIB)
            try:
                f.write(b"\0" * n)
                f.flush()
            except OSError:
                break
            room -= n


def assert_full(answer):
    assert answer.status >= 500, answer
    assert answer.code in ("InternalError", "InsufficientStorage", "ServiceUnavailable", "SlowDown", "InsufficientCapacity"), answer
    assert b"<Message>" in answer.body


def put_until_full(wire, bucket, stem, size, limit):
    """PUTs until one is refused; the keys that were acknowledged."""
    done = []
    for n in range(limit):
        answer = wire.request("PUT", f"/{bucket}/{stem}{n:04}", body=pattern_chunks([size])[0])
        if answer.status != 200:
            assert_full(answer)
            return done
        done.append(f"{stem}{n:04}")
    pytest.fail(f"the disk never got full: {limit} × {size}")


def grow(disk):
    subprocess.run(["mount", "-o", f"remount,size={SIZE * 2}m", disk], check=True)


def test_full_disk(small_disk, cloud, name):
    s3, wire = cloud.s3("secret-analyst"), cloud.wire("secret-analyst")
    make_bucket(s3, name)
    earlier = {"small": b"small", "middle": pattern_chunks([100_000])[0], "large": pattern_chunks([3 * MIB])[0]}
    for key, body in earlier.items():
        put(s3, name, key, body)
    fill(small_disk, 8 * MIB)
    big = put_until_full(wire, name, "big", MIB, 40)

    # what was there is there, what was refused is not, whole or in part
    for key, body in earlier.items():
        assert get(s3, name, key) == body
    assert keys(s3, name) == sorted([*earlier, *big])
    for key in big:
        assert get(s3, name, key) == pattern_chunks([MIB])[0]
    answer = wire.request("GET", f"/{name}/big{len(big):04}")
    assert (answer.status, answer.code) == (404, "NoSuchKey"), answer

    # an overwrite that is refused leaves the old one
    answer = wire.request("PUT", f"/{name}/large", body=pattern_chunks([30 * MIB])[0])
    assert_full(answer)
    assert get(s3, name, "large") == earlier["large"]

    grow(small_disk)
    put(s3, name, "again", b"room")
    put(s3, name, "again-large", pattern_chunks([3 * MIB])[0])
    assert get(s3, name, "again") == b"room" and get(s3, name, "again-large") == pattern_chunks([3 * MIB])[0]
    assert keys(s3, name) == sorted([*earlier, *big, "again", "again-large"])

    assert cloud.stop() == 0
    assert cloud.verify().returncode == 0
    cloud.start()
    for key, body in earlier.items():
        assert get(cloud.s3("secret-analyst"), name, key) == body


def test_not_one_byte_left(small_disk, cloud, name):
    """Even the catalog and the ledger find no room. A read may then be refused (it cannot be recorded), never be wrong."""
    s3, wire = cloud.s3("secret-analyst"), cloud.wire("secret-analyst")
    make_bucket(s3, name)
    put(s3, name, "k", b"before")
    fill(small_disk, 0)
    small = put_until_full(wire, name, "s", 50_000, 2000)
    tiny = put_until_full(wire, name, "t", 100, 20_000)
    fill(small_disk, 0)
    for n in range(20):
        answer = wire.request("GET", f"/{name}/k")
        assert answer.status >= 500 or (answer.status, answer.body) == (200, b"before"), answer
        answer = wire.request("PUT", f"/{name}/k", body=b"x" * 100_000)
        if answer.status == 200:
            pytest.fail("a write was acknowledged on a disk without room")
        assert_full(answer)

    grow(small_disk)
    deadline = time.monotonic() + 60
    while wire.request("PUT", f"/{name}/again", body=b"room").status != 200:
        assert time.monotonic() < deadline, "there is room again, and it does not work again"
        time.sleep(0.2)
    assert get(s3, name, "k") == b"before"
    answer, found = s3.list_objects_v2(Bucket=name), []
    while True:
        found += [o["Key"] for o in answer["Contents"]]
        if not answer["IsTruncated"]:
            break
        answer = s3.list_objects_v2(Bucket=name, ContinuationToken=answer["NextContinuationToken"])
    assert found == sorted(["k", "again", *small, *tiny])
    assert cloud.stop() == 0
    assert cloud.verify().returncode == 0


def test_killed_on_a_full_disk(small_disk, cloud, name):
    """kill -9 with the disk full, then room, then start: what was acknowledged is there."""
    s3, wire = cloud.s3("secret-analyst"), cloud.wire("secret-analyst")
    make_bucket(s3, name)
    fill(small_disk, 2 * MIB)
    done = put_until_full(wire, name, "s", 50_000, 2000)
    cloud.kill()
    grow(small_disk)
    cloud.start()
    s3 = cloud.s3("secret-analyst")
    assert keys(s3, name) == done
    for key in done:
        assert get(s3, name, key) == pattern_chunks([50_000])[0]
    assert cloud.stop() == 0
    assert cloud.verify().returncode == 0


def test_up_on_a_full_disk(small_disk, new_cloud):
    """A first start without room says so and leaves nothing in the way of the next."""
    fill(small_disk, 64 * 1024)
    cloud = new_cloud(small_disk / "data")
    cloud.log = Path(tempfile.mkstemp(prefix="fastness-", suffix=".log")[1])
    ready = cloud.launch()
    assert ready.wait(180) and "ready" not in cloud.stdout
    assert cloud.process.wait(60) != 0
    cloud.process = None
    text = cloud.errors()
    assert text.strip() and "panicked" not in text, text
    (small_disk / "filler").unlink()
    cloud.start()
    assert cloud.stop() == 0
    cloud.log.unlink()

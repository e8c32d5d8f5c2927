"""s3fs: a bucket as a folder. Needs FUSE; without it the tests are skipped, and say so."""

import os
import time

import pytest

from cloud import get, keys, put
from programs import HIGH, LOW, on_path, run


def why_not():
    """Why nothing can be mounted here, or nothing."""
    if not on_path("s3fs"):
        return "s3fs is not installed (apt-get install s3fs)"
    if not (on_path("fusermount") or on_path("fusermount3")):
        return "there is no fusermount (apt-get install fuse)"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be opened: {error}"
    return None


@pytest.fixture
def mount(cloud, tmp_path):
    """Mounts buckets; unmounts them whatever happens."""
    if reason := why_not():
        print(f"SKIPPED: {reason}")
        pytest.skip(reason)
    unmount = on_path("fusermount") or on_path("fusermount3")
    mounted = []

    def make(profile, bucket):
        p = cloud.profile(profile)
        secrets = tmp_path / f"{profile}.passwd"
        secrets.touch(0o600)
        secrets.write_text(f"{p['aws_access_key_id']}:{p['aws_secret_access_key']}\n")
        folder = tmp_path / f"{bucket}-{profile}"
        folder.mkdir()
        options = f"passwd_file={secrets},url={p['endpoint_url']},endpoint={p['region']},use_path_request_style,multipart_size=5,retries=1"
        run("s3fs", bucket, folder, "-o", options, timeout=120)
        mounted.append(folder)
        deadline = time.monotonic() + 60
        while not folder.is_mount():
            assert time.monotonic() < deadline, "s3fs said that it had mounted the bucket, and did not"
            time.sleep(0.05)
        return folder

    yield make
    for folder in mounted:
        for _ in range(50):
            if run(unmount, "-u", folder, check=False).returncode == 0 or not folder.is_mount():
                break
            time.sleep(0.2)
        assert not folder.is_mount(), f"{folder} is still mounted"


def test_files(mount, cloud, bucket):
    s3 = cloud.s3(HIGH)
    put(s3, bucket, "there/before.txt", b"put by the API\n")
    folder = mount(HIGH, bucket)
    assert (folder / "there" / "before.txt").read_bytes() == b"put by the API\n"
    (folder / "made").mkdir()
    body = os.urandom(11_000_000)
    (folder / "made" / "big").write_bytes(body)
    assert (folder / "made" / "big").read_bytes() == body and get(s3, bucket, "made/big") == body
    (folder / "made" / "big").rename(folder / "made" / "moved")
    with open(folder / "made" / "moved", "ab") as f:
        f.write(b"more")
    with open(folder / "made" / "moved", "rb") as f:
        f.seek(6_000_000)
        assert f.read(10) == body[6_000_000:6_000_010]
    assert get(s3, bucket, "made/moved") == body + b"more"
    os.chmod(folder / "made" / "moved", 0o640)
    assert (folder / "made" / "moved").stat().st_mode & 0o777 == 0o640
    os.symlink("made/moved", folder / "link")
    assert os.readlink(folder / "link") == "made/moved"
    assert sorted(p.name for p in folder.iterdir()) == ["link", "made", "there"]
    (folder / "made" / "moved").unlink()
    (folder / "made").rmdir()
    assert keys(s3, bucket) == ["link", "there/before.txt"]


def test_two_labels_at_one_name(mount, cloud, shared):
    high, low = mount(HIGH, shared), mount(LOW, shared)
    (high / "from-above").write_text("made above\n")
    assert sorted(p.name for p in high.iterdir()) == ["from-above", "from-below"]
    assert [p.name for p in low.iterdir()] == ["from-below"] and not (low / "from-above").exists()
    with open(high / "from-below", "a") as f:
        f.write("and changed above\n")
    assert (high / "from-below").read_text() == "made below\nand changed above\n"
    assert (low / "from-below").read_text() == "made below\n"
    (high / "from-below").unlink()
    assert not (high / "from-below").exists() and (low / "from-below").read_text() == "made below\n"

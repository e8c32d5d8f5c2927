"""`fastness audit verify DIR`: sound chains pass, damage is found."""

import json
import random
import re
import shutil

import pytest

from cloud import Cloud, make_bucket, put
from witnessed import settle

PAGE = 4096


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A data folder with some history, cleanly stopped."""
    cloud = Cloud(tmp_path_factory.mktemp("audit") / "data").start()
    for person in ("unclass-analyst", "secret-analyst", "secret-analyst-low", "topsecret-si", "topsecret-tk"):
        s3 = cloud.s3(person)
        try:
            make_bucket(s3, "audited-" + person)
            for n in range(30):
                put(s3, "audited-" + person, f"k{n}", b"x" * (n * 100))
            s3.get_object(Bucket="audited-" + person, Key="k1")["Body"].read()
            s3.delete_object(Bucket="audited-" + person, Key="k2")
            s3.get_object(Bucket="audited-" + person, Key="k2")
        except s3.exceptions.NoSuchKey:
            pass
    cloud.iam("secret-admin").create_user(UserName="audited")
    settle(cloud)
    assert cloud.stop() == 0
    return cloud


@pytest.fixture
def damaged(stopped, tmp_path):
    """A copy to damage."""
    shutil.copytree(stopped.data, tmp_path / "data")
    return Cloud(tmp_path / "data", base=1)


def catalogs(cloud):
    """The catalog of each partition: whatever it is called, it is the file of that name in several folders, or a .redb."""
    files = [p for p in (cloud.data / "regions").rglob("*") if p.is_file()]
    found = [p for p in files if "catalog" in p.name or p.suffix == ".redb"]
    assert found, f"no catalog files among {sorted({p.name for p in files})}"
    return sorted(found, key=lambda p: -p.stat().st_size)


def assert_found(done):
    assert done.returncode != 0, done.stdout
    assert (done.stdout + done.stderr).strip() and "panicked" not in done.stderr


def test_sound(stopped):
    done = stopped.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    lengths = [int(n.replace(",", "")) for n in re.findall(r"\b\d[\d,]*\b", done.stdout)]
    assert any(n >= 30 for n in lengths), f"no chain of 30 entries or more is shown:\n{done.stdout}"


def test_verifying_changes_nothing(stopped):
    before = {p: p.read_bytes() for p in stopped.data.rglob("*") if p.is_file() and "lock" not in p.name}
    assert stopped.verify().returncode == 0
    assert {p: p.read_bytes() for p in before} == before


def test_every_catalog_counts(stopped, tmp_path):
    """A byte flipped in each half page of one catalog is found, whichever catalog it is."""
    for n, path in enumerate(catalogs(stopped)):
        copy = tmp_path / str(n)
        shutil.copytree(stopped.data, copy)
        target = copy / path.relative_to(stopped.data)
        content = bytearray(target.read_bytes())
        for at in range(PAGE // 4, len(content), PAGE // 2):
            content[at] ^= 0x40
        target.write_bytes(content)
        assert_found(Cloud(copy, base=1).verify())
        shutil.rmtree(copy)


def test_a_few_flipped_bytes(damaged):
    """One byte in every fourth used page."""
    path = catalogs(damaged)[0]
    content, rng = bytearray(path.read_bytes()), random.Random(1)
    pages = [at for at in range(PAGE, len(content), PAGE) if any(content[at : at + PAGE])]
    for at in pages[::4]:
        content[at + rng.randrange(PAGE)] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    assert_found(damaged.verify())


def test_a_catalog_cut_short(damaged):
    path = catalogs(damaged)[0]
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert_found(damaged.verify())


def test_a_catalog_that_is_gone(damaged):
    catalogs(damaged)[0].unlink()
    assert_found(damaged.verify())


def test_a_catalog_of_another_partition(damaged):
    first, second = catalogs(damaged)[:2]
    first.write_bytes(second.read_bytes())
    assert_found(damaged.verify())


def test_foreign_folder(tmp_path, stopped):
    (tmp_path / "x").write_text("x")
    assert_found(stopped.fastness("audit", "verify", tmp_path, check=False, data=False))


def test_a_running_cloud_is_not_disturbed(cloud, name):
    """While the cloud runs, verify either works or says that it has to stop; the cloud goes on."""
    s3 = cloud.s3("secret-analyst")
    make_bucket(s3, name)
    done = cloud.verify()
    assert done.returncode == 0 or done.stderr.strip()
    put(s3, name, "k")


def test_whom_it_was_compared_with_is_said(stopped):
    done = stopped.verify()
    assert "compared with: what `fastness/" in done.stdout, done.stdout
    region = sorted((stopped.data / "regions").iterdir())[0]
    alone = stopped.fastness("audit", "verify", region, check=False, data=False)
    assert alone.returncode == 0 and "compared with: nobody" in alone.stdout, alone.stdout + alone.stderr
    done = stopped.fastness("audit", "verify", region, "--json", check=False, data=False)
    report = json.loads(done.stdout)
    assert report["compared_with"] == [] and all(chain["remarks"] == [] for chain in report["chains"])

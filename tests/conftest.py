import os
import sys
import tempfile
import shutil
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cloud import Cloud, OtherServer, make_bucket  # noqa: E402

OTHER = os.environ.get("S3_TESTS_AGAINST")  # URL of another S3 server; see README.md


def pytest_addoption(parser):
    parser.addoption("--bless", action="store_true", help="write the README's table of S3's operations anew")


def pytest_collection_modifyitems(config, items):
    if OTHER:
        for item in items:
            if item.get_closest_marker("fastness") and not os.environ.get("S3_TESTS_ALL") or Path(item.fspath).name not in ("test_s3.py", "test_s3_content.py", "test_signatures.py"):
                item.add_marker(pytest.mark.skip(reason="a promise of Fastness alone"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """One running cloud for all tests that do not stop it."""
    if OTHER:
        yield OtherServer(OTHER, os.environ["S3_TESTS_ACCESS"], os.environ["S3_TESTS_SECRET"])
        return
    c = Cloud(tmp_path_factory.mktemp("cloud") / "data")
    c.start()
    yield c
    assert c.stop() == 0, f"not a clean stop\n{c.errors()}"


@pytest.fixture
def new_cloud():
    """Makes clouds of a test's own; started by the test, killed in the end whatever happened."""
    made, folders = [], []

    def make(data=None, base=None):
        if data is None:
            folders.append(tempfile.mkdtemp(prefix="fastness-"))
            data = Path(folders[-1]) / "data"
        made.append(Cloud(data, base))
        return made[-1]

    yield make
    for c in made:
        c.kill()
    for f in folders:
        shutil.rmtree(f, ignore_errors=True)


@pytest.fixture
def fresh_cloud(new_cloud):
    """A running cloud that this test alone uses, and may stop, kill or break."""
    return new_cloud().start()


@pytest.fixture
def name():
    """A name that no other test uses."""
    return "b-" + uuid.uuid4().hex[:20]


@pytest.fixture
def s3(cloud):
    return cloud.s3("secret-analyst")


@pytest.fixture
def bucket(s3, name):
    return make_bucket(s3, name)


# The people of the top secret region, by their labels.


@pytest.fixture
def both(cloud):
    return cloud.s3("topsecret-analyst")


@pytest.fixture
def si(cloud):
    return cloud.s3("topsecret-si")


@pytest.fixture
def tk(cloud):
    return cloud.s3("topsecret-tk")


@pytest.fixture
def low(cloud):
    return cloud.s3("topsecret-analyst-low")


@pytest.fixture
def at(name, low):
    """A bucket made at SECRET: in everybody's view."""
    return make_bucket(low, name)


@pytest.fixture(scope="session")
def others(cloud):
    """People of a second account of the secret region, by label."""
    account = cloud.new_account("second-account", "us-isob-east-1")
    return {
        label: account.s3(f"person-{n}", clearance="SECRET", nationality="USA", label=label)
        for n, label in enumerate(["UNCLASSIFIED", "SECRET", "SECRET//REL TO USA, GBR"])
    }

import pytest

from cloud import make_bucket, put
from programs import HIGH, LOW, Relay, make_tree


@pytest.fixture
def tree(tmp_path):
    """A folder of small files with awkward names, and one of three parts."""
    make_tree(tmp_path / "tree", big=12_000_000)
    return tmp_path / "tree"


@pytest.fixture
def shared(cloud, name):
    """A bucket made at UNCLASSIFIED, so that the same name serves the analyst's session at SECRET, too."""
    low = cloud.s3(LOW)
    make_bucket(low, name)
    put(low, name, "from-below", b"made below\n")
    return name


@pytest.fixture
def relay(cloud):
    made = Relay(cloud.profile(HIGH)["endpoint_url"])
    yield made
    made.close()

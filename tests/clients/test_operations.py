"""The README's table of S3's operations says what a region answers: each operation that botocore knows is called, and a form posted.

`--bless` writes the table anew.
"""

import re
import uuid

import pytest

from cloud import ROOT, make_bucket, put
from forms import post, sign
from operations import AREAS, BEGIN, BEYOND, END, answers, model, probe_client, table

README = ROOT / "README.md"

# These have no form of their own: by method and path they are another operation, which answers them.
SHARED = {"ListDirectoryBuckets": "ListBuckets"}


@pytest.fixture(scope="module")
def found(cloud):
    """The answer to each operation, each before a bucket of its own with an object in it."""
    s3, client = cloud.s3("secret-analyst"), probe_client(cloud, "secret-analyst")
    out = {}
    for name in model().operation_names:
        if name in SHARED:
            continue
        bucket = make_bucket(s3, f"o-{uuid.uuid4().hex}")
        put(s3, bucket, "k", b"x")
        out[name] = answers(client, name, {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k"})
    bucket = make_bucket(s3, f"o-{uuid.uuid4().hex}")
    form = post(*sign(s3, bucket, "k"))
    out["PostObject"] = form.status, form.code
    return out


def test_every_operation_has_its_area():
    listed = [name for names in AREAS.values() for name in names]
    assert sorted(listed) == sorted([*model().operation_names, *BEYOND])


def test_what_is_not_offered_says_so(found):
    for name, (status, code) in found.items():
        # HeadObject and HeadBucket answer without a document, so their code is the status.
        assert (status == 501) == (code in ("NotImplemented", "501")), (name, status, code)
        assert status < 500 or status == 501, (name, status, code)


def test_the_table_of_the_readme_is_true(found, request):
    offered = {name for name, (status, _) in found.items() if status != 501}
    want = table(offered)
    text = README.read_text()
    place = re.compile(re.escape(BEGIN) + r"\n(.*?)\n" + re.escape(END), re.S)
    stands = place.search(text)
    assert stands, f"README.md has no place for the table: {BEGIN} … {END}"
    if request.config.getoption("--bless"):
        README.write_text(text[: stands.start(1)] + "\n" + want + "\n" + text[stands.end(1) :])
        return
    assert stands[1].strip().splitlines() == want.splitlines(), "write it anew: pytest tests/clients/test_operations.py --bless"

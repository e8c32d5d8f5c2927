"""rclone, with the AWS SDK for Go 2: trees with their hashes and metadata."""

import json
import urllib.request

import pytest

from cloud import get, keys
from programs import HIGH, LOW, program, run, same_trees


@pytest.fixture
def rclone(cloud):
    """rclone with the remotes `high` and `low`."""
    env = {"RCLONE_CONFIG": "/nonexistent/rclone.conf"}
    for remote, profile in (("HIGH", HIGH), ("LOW", LOW)):
        p = cloud.profile(profile)
        settings = {
            "TYPE": "s3", "PROVIDER": "Other", "REGION": p["region"], "ENDPOINT": p["endpoint_url"],
            "ACCESS_KEY_ID": p["aws_access_key_id"], "SECRET_ACCESS_KEY": p["aws_secret_access_key"],
        }
        env |= {f"RCLONE_CONFIG_{remote}_{k}": v for k, v in settings.items()}
    parts = ("--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--s3-copy-cutoff", "5M")

    def call(*arguments, **more):
        return run(program("rclone"), "--retries", "1", "--low-level-retries", "1", *parts, *arguments, env=env, **more)

    return call


def test_a_tree_there_and_back(rclone, cloud, name, tree, tmp_path):
    rclone("mkdir", f"high:{name}")
    rclone("sync", "--metadata", tree, f"high:{name}/tree")
    assert cloud.s3(HIGH).head_object(Bucket=name, Key="tree/big.bin")["ETag"].endswith('-3"')
    assert "6 matching files" in rclone("check", tree, f"high:{name}/tree").stderr
    assert "0 differences" in rclone("check", "--download", tree, f"high:{name}/tree").stderr
    here = sorted(rclone("hashsum", "MD5", tree).stdout.splitlines())
    assert sorted(rclone("hashsum", "MD5", f"high:{name}/tree").stdout.splitlines()) == here
    (tree / "one.txt").write_text("one!")
    assert rclone("check", tree, f"high:{name}/tree", check=False).returncode != 0
    (tree / "empty").unlink()
    rclone("sync", tree, f"high:{name}/tree")
    rclone("copy", "--multi-thread-cutoff", "1M", f"high:{name}/tree", tmp_path / "back")
    assert same_trees(tree, tmp_path / "back")
    assert (tmp_path / "back" / "big.bin").stat().st_mtime == 1_700_000_000
    rclone("purge", f"high:{name}")


def test_metadata_and_the_label(rclone, cloud, bucket, tree):
    rclone("copyto", "--metadata", "--metadata-set", "classification=SECRET", tree / "one.txt", f"high:{bucket}/one.txt")
    (listed,) = json.loads(rclone("lsjson", "--metadata", f"high:{bucket}").stdout)
    assert listed["Metadata"]["classification"] == "SECRET" and listed["Metadata"]["mode"].startswith("100")
    wrong = rclone("copyto", "--metadata", "--metadata-set", "classification=CUI", tree / "one.txt", f"high:{bucket}/two.txt", check=False)
    assert wrong.returncode != 0 and "AccessDenied" in wrong.stderr
    assert keys(cloud.s3(HIGH), bucket) == ["one.txt"]


def test_two_labels_at_one_name(rclone, shared, tree):
    rclone("copyto", tree / "one.txt", f"high:{shared}/from-above")
    assert rclone("lsf", f"high:{shared}").stdout.split() == ["from-above", "from-below"]
    assert rclone("lsf", f"low:{shared}").stdout.split() == ["from-below"]
    assert rclone("cat", f"low:{shared}/from-above").stdout == ""
    # The way up is a copy by a session above: read below, written above.
    rclone("copyto", f"low:{shared}/from-below", f"high:{shared}/lifted")
    assert rclone("lsf", f"low:{shared}").stdout.split() == ["from-below"]


def test_streams_copies_versions_addresses(rclone, cloud, bucket, tree):
    s3 = cloud.s3(HIGH)
    body = (tree / "big.bin").read_bytes()
    rclone("rcat", "--streaming-upload-cutoff", "0", f"high:{bucket}/streamed", input=body)
    rclone("copyto", f"high:{bucket}/streamed", f"high:{bucket}/copied")
    rclone("moveto", f"high:{bucket}/streamed", f"high:{bucket}/moved")
    assert keys(s3, bucket) == ["copied", "moved"] and get(s3, bucket, "copied") == get(s3, bucket, "moved") == body
    with urllib.request.urlopen(rclone("link", "--expire", "1h", f"high:{bucket}/moved").stdout.strip(), timeout=60) as answer:
        assert answer.read() == body
    assert rclone("cat", "--offset", "5000000", "--count", "9", f"high:{bucket}/moved", input=b"").stdout == body[5_000_000:5_000_009]
    rclone("backend", "versioning", f"high:{bucket}", "Enabled")
    rclone("rcat", f"high:{bucket}/moved", input=b"anew")
    assert len(rclone("lsf", "--s3-versions", f"high:{bucket}").stdout.splitlines()) == 3
    upload = s3.create_multipart_upload(Bucket=bucket, Key="left")["UploadId"]
    assert upload in rclone("backend", "list-multipart-uploads", f"high:{bucket}").stdout
    rclone("backend", "cleanup", "-o", "max-age=0s", f"high:{bucket}")
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    rclone("backend", "cleanup-hidden", f"high:{bucket}")
    assert len(rclone("lsf", "--s3-versions", f"high:{bucket}").stdout.splitlines()) == 2

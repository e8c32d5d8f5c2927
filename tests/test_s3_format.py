"""A folder that an older program wrote is opened, read and verified by this one (docs/formats)."""

import json
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from cloud import binary, free_port_base, get, keys, refused

HERE = Path(__file__).resolve().parent / "format"
sys.path.insert(0, str(HERE))

from make import CONFIG, body, client  # noqa: E402


@pytest.fixture(params=["1", "2"])
def old(request, tmp_path):
    """The folder of an older format, served: what it holds, and clients at its two labels."""
    with tarfile.open(HERE / f"{request.param}.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    held, port = json.loads((tmp_path / "held.json").read_text()), free_port_base()
    config = tmp_path / "data" / "region.toml"
    config.write_text(CONFIG.format(data=tmp_path / "data", port=port))
    process = subprocess.Popen(
        [binary(), "serve", "--config", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    low, high = (client(port, "s3", held[user]) for user in ("unclassified", "secret"))
    yield held, low, high
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    done = subprocess.run([binary(), "audit", "verify", tmp_path / "data"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_older_folder_is_read_whole(old):
    held, low, high = old
    assert keys(low, "old") == ["blob", "empty", "inline/é", "parts"]
    assert get(low, "old", "empty") == b""
    answer = low.get_object(Bucket="old", Key="inline/é", ChecksumMode="ENABLED")
    assert answer["Body"].read() == body(100) and answer["ContentType"] == "text/plain"
    assert answer["Metadata"] == {"note": "kept"} and answer["ChecksumSHA256"]
    assert get(low, "old", "blob") == body(40_000)
    assert get(low, "old", "parts") == body(50_000) and low.head_object(Bucket="old", Key="parts")["ETag"].endswith('-1"')
    assert get(high, "old", "blob") == b"covers the lower one" and get(high, "old", "parts") == body(50_000)
    with refused({"NoSuchKey", "404"}, 404):
        high.get_object(Bucket="old", Key="inline/é")
    listed = low.list_object_versions(Bucket="versioned")
    assert sorted(v["VersionId"] for v in listed["Versions"]) == sorted(held["versions"])
    assert [m["VersionId"] for m in listed["DeleteMarkers"]] == [held["marker"]]
    assert get(low, "versioned", "k", VersionId="null") == b"null"
    assert get(low, "versioned", "k", VersionId=held["versions"][2]) == b"two"
    [part] = low.list_parts(Bucket="old", Key="unfinished", UploadId=held["upload"])["Parts"]
    assert (part["PartNumber"], part["ETag"], part["Size"]) == (3, held["part"], 60)


def test_an_older_folder_is_written_on(old):
    held, low, _ = old
    parts = {"Parts": [{"PartNumber": 3, "ETag": held["part"]}]}
    low.complete_multipart_upload(Bucket="old", Key="unfinished", UploadId=held["upload"], MultipartUpload=parts)
    answer = low.get_object(Bucket="old", Key="unfinished")
    assert answer["Body"].read() == body(60) and answer["Metadata"] == {"note": "later"}
    # A row of the old form takes what only the new one has room for.
    tags = [{"Key": "age", "Value": "old"}]
    low.put_object_tagging(Bucket="old", Key="inline/é", Tagging={"TagSet": tags})
    assert low.get_object_tagging(Bucket="old", Key="inline/é")["TagSet"] == tags
    assert get(low, "old", "inline/é") == body(100)
    low.delete_object(Bucket="versioned", Key="k", VersionId=held["marker"])
    assert get(low, "versioned", "k") == b"two"

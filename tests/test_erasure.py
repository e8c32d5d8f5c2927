"""Deletion becomes final: the erasure keys of what was deleted are destroyed in time, and what survives stays."""

import json
import signal
import subprocess
import time

import boto3
import pytest

from cloud import binary, client_config, free_port_base, make_bucket, pattern

CONFIG = """
name = "us-gov-west-1"
data = "{data}"
listen = "127.0.0.1:{port}"
floor = "UNCLASSIFIED"
ceiling = "CUI"

[erasure]
within_s = {within}
"""


class Region:
    """One region by `serve`, with a user at the floor."""

    def __init__(self, folder, within):
        self.data, self.port, self.config = folder / "data", free_port_base(), folder / "region.toml"
        self.config.write_text(CONFIG.format(data=self.data, port=self.port, within=within))
        self.start()
        made = subprocess.run(
            [binary(), "account", "create", "mission", "--json", "--config", self.config],
            capture_output=True, text=True, check=True,
        )
        key = json.loads(made.stdout)["administrator"]
        iam = self.client("iam", key["access_key_id"], key["secret_access_key"])
        iam.create_user(UserName="ann")
        key = iam.create_access_key(UserName="ann")["AccessKey"]
        self.s3 = self.client("s3", key["AccessKeyId"], key["SecretAccessKey"])

    def start(self):
        self.process = subprocess.Popen([binary(), "serve", "--config", self.config], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        self.process.wait(60)

    def client(self, service, access, secret):
        return boto3.client(
            service, endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-gov-west-1", config=client_config(),
            aws_access_key_id=access, aws_secret_access_key=secret,
        )

    def erasure_keys(self):
        return {path.name for path in self.data.glob("partitions/*/erasure/*")}

    def only_key(self, seconds=120):
        """The key under which everything lies, in a moment when no pass has begun to wrap survivors under another."""
        deadline = time.monotonic() + seconds
        while len(keys := self.erasure_keys()) != 1:
            assert time.monotonic() < deadline, f"still more than one: {keys}"
            time.sleep(0.01)
        return keys

    def wait_gone(self, names, seconds=120):
        deadline = time.monotonic() + seconds
        while names & self.erasure_keys():
            assert time.monotonic() < deadline, f"still there: {names & self.erasure_keys()}"
            time.sleep(0.05)


@pytest.fixture
def region(tmp_path):
    made = []

    def make(within):
        made.append(Region(tmp_path, within))
        return made[0]

    yield make
    for one in made:
        one.process.kill()


def text(n):
    return b"the small value %d" % n


def test_deletion_is_final_in_time(region):
    region = region(within=2)
    s3, bucket = region.s3, make_bucket(region.s3, "plans")
    large = pattern(300_000)
    steps = {
        "delete": lambda: s3.delete_object(Bucket=bucket, Key="small-0"),
        "overwrite": lambda: s3.put_object(Bucket=bucket, Key="small-1", Body=b"new"),
        "delete many": lambda: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "large"}]}),
        "replace a part": lambda: s3.upload_part(
            Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"another"
        ),
        "abort": lambda: s3.abort_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload),
    }
    for n in range(5):
        s3.put_object(Bucket=bucket, Key=f"small-{n}", Body=text(n))
    s3.put_object(Bucket=bucket, Key="large", Body=large)
    s3.put_object(Bucket=bucket, Key="large-kept", Body=large)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"one")
    time.sleep(3)
    for name, act in steps.items():
        before = region.erasure_keys()
        assert len(before) == 1, (name, before)
        act()
        region.wait_gone(before)
        for n in (2, 3, 4):
            assert s3.get_object(Bucket=bucket, Key=f"small-{n}")["Body"].read() == text(n), name
        assert s3.get_object(Bucket=bucket, Key="large-kept")["Body"].read() == large, name
    time.sleep(1)
    before = region.erasure_keys()
    time.sleep(3)
    assert region.erasure_keys() == before, "nothing deleted, nothing destroyed"
    region.stop()
    done = subprocess.run([binary(), "audit", "verify", region.data], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_killed_region_goes_on_where_it_was(region):
    region = region(within=1)
    s3, bucket = region.s3, make_bucket(region.s3, "plans")
    for n in range(200):
        s3.put_object(Bucket=bucket, Key=f"k-{n}", Body=text(n))
    for n in range(0, 200, 2):
        before = region.only_key()
        s3.delete_object(Bucket=bucket, Key=f"k-{n}")
        if n % 40 == 0:
            time.sleep(0.1 * (n // 40))
            region.stop(signal.SIGKILL)
            region.start()
    region.wait_gone(before)
    left = {o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert left == {f"k-{n}" for n in range(1, 200, 2)}
    for n in range(1, 200, 2):
        assert s3.get_object(Bucket=bucket, Key=f"k-{n}")["Body"].read() == text(n)


def test_a_day_at_most(tmp_path):
    config = tmp_path / "region.toml"
    config.write_text(CONFIG.format(data=tmp_path / "data", port=1, within=86_401))
    done = subprocess.run([binary(), "serve", "--config", config], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "within_s" in done.stderr and not (tmp_path / "data").exists()

"""`fastness serve`: one region as production would run it, under a policy that is not the United States' own."""

import json
import signal
import subprocess
import urllib.request

import boto3
import pytest

from cloud import binary, client_config, free_port_base

CONFIG = """
name = "nato-north-1"
data = "{data}"
listen = "127.0.0.1:{port}"
policy = "nato"
floor = "NATO UNCLASSIFIED"
ceiling = "NATO SECRET"
labels = ["NATO RESTRICTED"]
"""


@pytest.fixture
def region(tmp_path):
    port = free_port_base()
    config = tmp_path / "region.toml"
    config.write_text(CONFIG.format(data=tmp_path / "data", port=port))
    process = subprocess.Popen(
        [binary(), "serve", "--config", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield config, port, process
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    done = subprocess.run([binary(), "audit", "verify", tmp_path / "data", "--policy-file", "/dev/null"], capture_output=True)
    assert done.returncode != 0, "a policy that is none is refused"
    (tmp_path / "data" / "region.toml").write_text(config.read_text())
    done = subprocess.run([binary(), "audit", "verify", tmp_path / "data"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_region_under_another_policy(region):
    config, port, process = region
    endpoint = f"http://127.0.0.1:{port}"
    assert urllib.request.urlopen(f"{endpoint}/_fastness/health").status == 200
    made = subprocess.run(
        [binary(), "account", "create", "allies", "--json", "--config", config], capture_output=True, text=True, check=True
    )
    account = json.loads(made.stdout)

    def client(service, key):
        return boto3.client(
            service, endpoint_url=endpoint, region_name="nato-north-1", config=client_config(),
            aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
        )

    admin, officer = client("iam", account["administrator"]), client("iam", account["officer"])
    admin.create_user(UserName="ann")
    tags = [{"Key": "clearance", "Value": "NATO SECRET"}, {"Key": "nationality", "Value": "NOR"}]
    officer.tag_user(UserName="ann", Tags=tags)
    key = admin.create_access_key(UserName="ann")["AccessKey"]
    s3 = client("s3", {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]})
    s3.create_bucket(Bucket="plans", CreateBucketConfiguration={"LocationConstraint": "nato-north-1"})
    answer = s3.put_object(Bucket="plans", Key="k", Body=b"x", Metadata={"classification": "NATO SECRET"})
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-fastness-label"] == "NATO SECRET"
    assert s3.get_object(Bucket="plans", Key="k")["Body"].read() == b"x"


def test_serve_says_where_the_root_key_lies(region):
    _, _, process = region
    line = process.stderr.readline()
    assert "nato-north-1" in line and "root key" in line and "beside the data" in line, line


def test_serve_listens_on_no_other_address(tmp_path):
    config = tmp_path / "region.toml"
    config.write_text(CONFIG.format(data=tmp_path / "data", port=1).replace("127.0.0.1", "0.0.0.0"))
    done = subprocess.run([binary(), "serve", "--config", config], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "loopback" in done.stderr and not (tmp_path / "data").exists()

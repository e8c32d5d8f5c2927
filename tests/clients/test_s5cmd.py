"""s5cmd: many requests at once, by the AWS SDK for Go 1."""

import json
import urllib.request

import pytest

from cloud import keys
from programs import HIGH, LOW, program, run, same_trees


@pytest.fixture
def s5cmd(cloud):
    def call(profile, *arguments, **more):
        p = cloud.profile(profile)
        settings = ("--endpoint-url", p["endpoint_url"], "--credentials-file", cloud.data / "aws" / "credentials", "--profile", profile)
        return run(program("s5cmd"), *settings, "--retry-count", "0", *arguments, env={"AWS_REGION": p["region"]}, **more)

    return call


def test_a_tree_there_and_back(s5cmd, name, tree, tmp_path):
    s5cmd(HIGH, "mb", f"s3://{name}")
    s5cmd(HIGH, "cp", "--part-size", "5", f"{tree}/", f"s3://{name}/tree/")
    big = json.loads(s5cmd(HIGH, "head", f"s3://{name}/tree/big.bin").stdout)
    assert big["size"] == 12_000_000 and big["etag"].endswith("-3") and big["server_side_encryption"] == "AES256"
    assert s5cmd(HIGH, "sync", "--size-only", f"{tree}/", f"s3://{name}/tree/").stdout == ""
    s5cmd(HIGH, "cp", "--concurrency", "3", "--part-size", "5", f"s3://{name}/tree/*", tmp_path / "back/")
    assert same_trees(tree, tmp_path / "back")
    (tree / "one.txt").unlink()
    assert "one.txt" in s5cmd(HIGH, "sync", "--delete", "--size-only", f"{tree}/", f"s3://{name}/tree/").stdout
    assert "in 5 objects" in s5cmd(HIGH, "du", f"s3://{name}/*").stdout


def test_two_labels_at_one_name(s5cmd, cloud, shared, tmp_path):
    (tmp_path / "note").write_text("made above\n")
    s5cmd(HIGH, "cp", tmp_path / "note", f"s3://{shared}/from-above")
    assert [line.split()[-1] for line in s5cmd(HIGH, "ls", f"s3://{shared}/").stdout.splitlines()] == ["from-above", "from-below"]
    assert [line.split()[-1] for line in s5cmd(LOW, "ls", f"s3://{shared}/").stdout.splitlines()] == ["from-below"]
    refused = s5cmd(LOW, "cat", f"s3://{shared}/from-above", check=False)
    assert refused.returncode != 0 and "not found" in refused.stderr
    s5cmd(LOW, "cp", tmp_path / "note", f"s3://{shared}/from-above")
    assert s5cmd(LOW, "cat", f"s3://{shared}/from-above").stdout == "made above\n"


def test_pipes_moves_versions_addresses(s5cmd, cloud, bucket):
    s5cmd(HIGH, "pipe", f"s3://{bucket}/piped", input="from a pipe")
    s5cmd(HIGH, "mv", f"s3://{bucket}/piped", f"s3://{bucket}/moved")
    assert keys(cloud.s3(HIGH), bucket) == ["moved"]
    url = s5cmd(HIGH, "presign", f"s3://{bucket}/moved").stdout.strip()
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"from a pipe"
    s5cmd(HIGH, "bucket-version", "--set", "Enabled", f"s3://{bucket}")
    s5cmd(HIGH, "pipe", f"s3://{bucket}/moved", input="anew")
    assert len(s5cmd(HIGH, "ls", "--all-versions", f"s3://{bucket}/moved").stdout.splitlines()) == 2
    commands = "".join(f"cp s3://{bucket}/moved s3://{bucket}/copy-{n}\n" for n in range(30))
    s5cmd(HIGH, "run", input=commands)
    assert len(keys(cloud.s3(HIGH), bucket)) == 31
    s5cmd(HIGH, "rm", "--all-versions", f"s3://{bucket}/*")
    s5cmd(HIGH, "rb", f"s3://{bucket}")

"""The AWS CLI, version 1: `aws s3` with trees and big files, `aws s3api` with single calls. A day's use: `../test_cli.py`."""

import json
import urllib.request

from cloud import get, keys, put
from programs import HIGH, LOW, same_trees


def objects(cloud, bucket):
    return keys(cloud.s3(HIGH), bucket)


def test_trees(cloud, name, tree, tmp_path):
    aws = lambda *arguments, **more: cloud.cli(HIGH, "s3", *arguments, **more)
    aws("mb", f"s3://{name}")
    aws("cp", "--recursive", "--only-show-errors", "--exclude", "*.csv", tree, f"s3://{name}/a")
    assert "a/dir/sub/[x]=1.csv" not in objects(cloud, name) and len(objects(cloud, name)) == 5
    aws("sync", "--only-show-errors", tree, f"s3://{name}/a")
    aws("mv", "--recursive", "--only-show-errors", f"s3://{name}/a", f"s3://{name}/b")
    aws("cp", "--recursive", "--only-show-errors", f"s3://{name}/b", tmp_path / "back")
    assert same_trees(tree, tmp_path / "back")
    (tmp_path / "back" / "one.txt").unlink()
    aws("sync", "--delete", "--only-show-errors", "--exact-timestamps", tmp_path / "back", f"s3://{name}/b")
    assert "b/one.txt" not in objects(cloud, name)
    aws("rm", "--recursive", "--only-show-errors", f"s3://{name}/b", "--exclude", "*", "--include", "*.bin")
    assert objects(cloud, name) == ["b/dir/sub/[x]=1.csv", "b/dir/two words.txt", "b/empty"]
    aws("rb", "--force", f"s3://{name}")


def test_big_files_and_options(cloud, bucket, tree):
    aws = lambda *arguments, **more: cloud.cli(HIGH, "s3", *arguments, **more)
    s3, body = cloud.s3(HIGH), (tree / "big.bin").read_bytes()
    aws(
        "cp", "--only-show-errors", tree / "big.bin", f"s3://{bucket}/big", "--checksum-algorithm", "CRC64NVME", "--sse", "AES256",
        "--acl", "bucket-owner-full-control", "--storage-class", "STANDARD", "--cache-control", "no-cache", "--content-type", "x/y",
        "--metadata", "classification=SECRET,colour=blue", "--expected-size", len(body),
    )
    head = s3.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-2"') and head["ChecksumCRC64NVME"] and head["ChecksumType"] == "FULL_OBJECT"
    assert (head["CacheControl"], head["ContentType"], head["Metadata"]["colour"]) == ("no-cache", "x/y", "blue")
    aws("cp", "--only-show-errors", f"s3://{bucket}/big", f"s3://{bucket}/copy")
    assert get(s3, bucket, "copy") == body  # in parts; version 1 of the CLI takes no metadata along then
    assert aws("cp", "--checksum-mode", "ENABLED", f"s3://{bucket}/big", "-", input=b"").stdout == body
    aws("cp", "-", f"s3://{bucket}/piped", input=body)
    assert get(s3, bucket, "piped") == body
    with urllib.request.urlopen(aws("presign", f"s3://{bucket}/big", "--expires-in", "60").stdout.strip(), timeout=60) as answer:
        assert answer.read() == body
    done = aws("cp", "--grants", "read=uri=http://acs.amazonaws.com/groups/global/AllUsers", tree / "one.txt", f"s3://{bucket}/public", check=False)
    assert done.returncode != 0 and objects(cloud, bucket) == ["big", "copy", "piped"]


def test_two_labels_at_one_name(cloud, shared, tree):
    cloud.cli(HIGH, "s3", "cp", "--only-show-errors", tree / "one.txt", f"s3://{shared}/from-above")
    names = lambda profile: [line.split()[-1] for line in cloud.cli(profile, "s3", "ls", f"s3://{shared}").stdout.splitlines()]
    assert names(HIGH) == ["from-above", "from-below"] and names(LOW) == ["from-below"]
    done = cloud.cli(LOW, "s3", "cp", f"s3://{shared}/from-above", "-", check=False)
    assert done.returncode != 0 and "404" in done.stderr


def test_single_calls(cloud, bucket, tmp_path):
    def api(*arguments, **more):
        done = cloud.cli(HIGH, "s3api", *arguments, "--output", "json", **more)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else done

    s3 = cloud.s3(HIGH)
    for n in range(5):
        put(s3, bucket, f"k{n}", b"%d" % n)
    page = api("list-objects-v2", "--bucket", bucket, "--page-size", "2", "--max-items", "3")
    assert [o["Key"] for o in page["Contents"]] == ["k0", "k1", "k2"]
    page = api("list-objects-v2", "--bucket", bucket, "--starting-token", page["NextToken"])
    assert [o["Key"] for o in page["Contents"]] == ["k3", "k4"]
    body = tmp_path / "body"
    body.write_bytes(b"0123456789")
    assert api("put-object", "--bucket", bucket, "--key", "new", "--body", body, "--if-none-match", "*")["ETag"]
    again = api("put-object", "--bucket", bucket, "--key", "new", "--body", body, "--if-none-match", "*", check=False)
    assert again.returncode != 0 and "PreconditionFailed" in again.stderr
    got = api("get-object", "--bucket", bucket, "--key", "new", "--range", "bytes=2-4", tmp_path / "part")
    assert got["ContentRange"] == "bytes 2-4/10" and (tmp_path / "part").read_bytes() == b"234"
    api("wait", "object-exists", "--bucket", bucket, "--key", "new")
    api("put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    api("delete-object", "--bucket", bucket, "--key", "new")
    listed = api("list-object-versions", "--bucket", bucket, "--prefix", "new")
    assert len(listed["Versions"]) == len(listed["DeleteMarkers"]) == 1
    gone = api("delete-objects", "--bucket", bucket, "--delete", json.dumps({"Objects": [{"Key": f"k{n}"} for n in range(5)]}))
    assert len(gone["Deleted"]) == 5 and objects(cloud, bucket) == []

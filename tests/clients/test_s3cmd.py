"""s3cmd, which brings a signature of its own."""

import pytest

from cloud import get, keys, refused
from programs import HIGH, LOW, program, run, same_trees


@pytest.fixture
def s3cmd(cloud, tmp_path):
    for profile in (HIGH, LOW):
        p = cloud.profile(profile)
        host = p["endpoint_url"].removeprefix("http://")
        settings = {
            "access_key": p["aws_access_key_id"], "secret_key": p["aws_secret_access_key"], "bucket_location": p["region"],
            "host_base": host, "host_bucket": host, "use_https": "False", "max_retries": "1",
        }
        (tmp_path / f"{profile}.cfg").write_text("[default]\n" + "".join(f"{k} = {v}\n" for k, v in settings.items()))

    def call(profile, *arguments, **more):
        return run(program("s3cmd"), "--config", tmp_path / f"{profile}.cfg", "--no-progress", *arguments, **more)

    return call


def test_a_tree_there_and_back(s3cmd, cloud, name, tree, tmp_path):
    s3cmd(HIGH, "mb", f"s3://{name}")
    s3cmd(HIGH, "sync", "--multipart-chunk-size-mb=5", f"{tree}/", f"s3://{name}/tree/")
    assert cloud.s3(HIGH).head_object(Bucket=name, Key="tree/big.bin")["ETag"].endswith('-3"')
    assert "upload" not in s3cmd(HIGH, "sync", f"{tree}/", f"s3://{name}/tree/").stdout
    s3cmd(HIGH, "sync", f"s3://{name}/tree/", f"{tmp_path}/back/")
    assert same_trees(tree, tmp_path / "back")
    assert "6 objects" in s3cmd(HIGH, "du", f"s3://{name}").stdout
    (tree / "one.txt").unlink()
    s3cmd(HIGH, "sync", "--delete-removed", f"{tree}/", f"s3://{name}/tree/")
    assert "tree/one.txt" not in keys(cloud.s3(HIGH), name)
    s3cmd(HIGH, "rb", "--recursive", "--force", f"s3://{name}")


def test_what_is_known_of_objects_and_buckets(s3cmd, cloud, bucket, tree):
    s3 = cloud.s3(HIGH)
    s3cmd(HIGH, "put", "--add-header=x-amz-meta-classification: SECRET", "--mime-type=text/x-one", tree / "one.txt", f"s3://{bucket}/one")
    info = s3cmd(HIGH, "info", f"s3://{bucket}/one").stdout
    assert "SSE:       AES256" in info and "text/x-one" in info and "classification" in info
    assert "us-isob-east-1" in s3cmd(HIGH, "info", f"s3://{bucket}").stdout
    s3cmd(HIGH, "modify", "--add-header=Content-Type: x/y", f"s3://{bucket}/one")
    assert s3.head_object(Bucket=bucket, Key="one")["ContentType"] == "x/y"
    s3cmd(HIGH, "mv", f"s3://{bucket}/one", f"s3://{bucket}/two")
    assert keys(s3, bucket) == ["two"] and get(s3, bucket, "two") == b"one\n"
    s3cmd(HIGH, "put", "-", f"s3://{bucket}/piped", input="from a pipe")
    assert s3cmd(HIGH, "get", f"s3://{bucket}/piped", "-").stdout == "from a pipe"
    s3cmd(HIGH, "setversioning", f"s3://{bucket}", "enable")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    public = s3cmd(HIGH, "put", "--acl-public", tree / "one.txt", f"s3://{bucket}/public", check=False)
    assert public.returncode != 0 and "AccessControlListNotSupported" in public.stderr
    assert keys(s3, bucket) == ["piped", "two"]


CORS = """<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://a.example</AllowedOrigin></CORSRule></CORSConfiguration>"""


def test_settings_of_a_bucket(s3cmd, cloud, bucket, tmp_path):
    s3 = cloud.s3(HIGH)
    s3cmd(HIGH, "settagging", f"s3://{bucket}", "team=fusion&level=2")
    assert {t["Key"]: t["Value"] for t in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]} == {"team": "fusion", "level": "2"}
    assert "fusion" in s3cmd(HIGH, "gettagging", f"s3://{bucket}").stdout
    s3cmd(HIGH, "deltagging", f"s3://{bucket}")
    assert s3cmd(HIGH, "gettagging", f"s3://{bucket}", check=False).stdout == ""
    (tmp_path / "cors.xml").write_text(CORS)
    s3cmd(HIGH, "setcors", tmp_path / "cors.xml", f"s3://{bucket}")
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"][0]["AllowedOrigins"] == ["https://a.example"]
    assert "https://a.example" in s3cmd(HIGH, "info", f"s3://{bucket}").stdout
    s3cmd(HIGH, "delcors", f"s3://{bucket}")
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)
    s3cmd(HIGH, "setacl", "--acl-private", f"s3://{bucket}")
    public = s3cmd(HIGH, "setacl", "--acl-public", f"s3://{bucket}", check=False)
    assert public.returncode != 0 and "AccessControlListNotSupported" in public.stderr


def test_two_labels_at_one_name(s3cmd, shared, tree):
    s3cmd(HIGH, "put", tree / "one.txt", f"s3://{shared}/from-above")
    names = lambda profile: [line.rsplit("/", 1)[1] for line in s3cmd(profile, "ls", f"s3://{shared}").stdout.splitlines()]
    assert names(HIGH) == ["from-above", "from-below"] and names(LOW) == ["from-below"]
    assert s3cmd(LOW, "get", f"s3://{shared}/from-above", "-", check=False).returncode != 0
    s3cmd(HIGH, "del", f"s3://{shared}/from-below")
    assert names(HIGH) == ["from-above"] and names(LOW) == ["from-below"]

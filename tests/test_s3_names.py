"""Hosts that name a bucket, keys of any characters, delimiters, and ACLs where there are none."""

import socket
from urllib.parse import unquote

import pytest

from cloud import denied, get, keys, make_bucket, missing, put, refused, set_versioning

STRANGE = [
    "a b+c%20d", "\x01control\x1f", "tab\tline\n", "é\u0301 und ü", "日本語/キー", "\U0001f600", "..", ".", "a/../b", "//double//", "/lead", "trail/",
    "a" * 1024, "é" * 512, "&<>\"'", "%2F", "?versionId=null", "#frag", "a\\b", "~*()!'", "\u200b",
]


@pytest.mark.parametrize("domain", ["localhost", "s3.us-isob-east-1.sc2s.sgov.gov"])
def test_a_host_names_the_bucket(cloud, s3, bucket, domain):
    wire, host = cloud.wire("secret-analyst"), f"{bucket}.{domain}:{cloud.wire('secret-analyst').port}"
    at = {"Host": host}
    assert wire.request("PUT", "/dir/k", None, at, b"by host").status == 200
    assert get(s3, bucket, "dir/k") == b"by host"
    answer = wire.request("GET", "/dir/k", None, at)
    assert (answer.status, answer.body) == (200, b"by host")
    listed = wire.request("GET", "/", {"list-type": "2", "prefix": "dir/"}, at)
    assert listed.status == 200 and b"<Key>dir/k</Key>" in listed.body
    assert wire.request("HEAD", "/", None, at).status == 200
    # The host is signed: another one is another request.
    assert wire.request("GET", "/dir/k", None, at, unsigned={"Host": f"other.{domain}"}).status == 403
    assert wire.request("DELETE", "/dir/k", None, at).status == 204 and keys(s3, bucket) == []
    # The domain itself names none: the path does.
    assert wire.request("GET", f"/{bucket}", {"list-type": "2"}, {"Host": domain}).status == 200
    assert wire.request("PUT", "/k", None, {"Host": f"No_Bucket.{domain}"}, b"x").code == "InvalidBucketName"
    assert wire.request("PUT", "/k", None, {"Host": f"none-such-bucket.{domain}"}, b"x").code == "NoSuchBucket"


def test_boto3_in_virtual_host_style(cloud, bucket):
    """The client puts the bucket before `localhost`; systemd and glibc resolve every name under it to this machine."""
    profile = cloud.profile("secret-analyst")
    port = profile["endpoint_url"].rsplit(":", 1)[1]
    s3 = cloud.client_for(
        "s3", profile["region"], profile["aws_access_key_id"], profile["aws_secret_access_key"],
        f"http://localhost:{port}", s3={"addressing_style": "virtual"},
    )
    try:
        socket.getaddrinfo(f"{bucket}.localhost", int(port), socket.AF_INET)
    except OSError:
        pytest.skip("this machine resolves no names under localhost")
    put(s3, bucket, "dir/k", b"virtual")
    assert get(s3, bucket, "dir/k") == b"virtual" and keys(s3, bucket) == ["dir/k"]


def test_keys_of_any_characters(cloud, s3, bucket):
    wire = cloud.wire("secret-analyst")
    for n, key in enumerate(STRANGE):
        # On the wire as it is: other clients take dots and slashes out of a path.
        answer = wire.request("PUT", f"/{bucket}/{key}", None, None, f"{n}".encode())
        assert answer.status == 200, (key, answer)
    want = sorted(STRANGE, key=lambda key: key.encode())
    assert keys(s3, bucket) == want
    found, marker = [], None
    while True:
        page = s3.list_objects(Bucket=bucket, MaxKeys=2, **({"Marker": marker} if marker else {}))
        found += [o["Key"] for o in page.get("Contents", [])]
        if not page["IsTruncated"]:
            break
        marker = page.get("NextMarker") or found[-1]
    assert found == want
    found, token = [], {}
    while True:
        page = s3.list_objects_v2(Bucket=bucket, MaxKeys=3, **token)
        found += [o["Key"] for o in page.get("Contents", [])]
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert found == want
    found, markers = [], {}
    while True:
        page = s3.list_object_versions(Bucket=bucket, MaxKeys=4, **markers)
        found += [o["Key"] for o in page.get("Versions", [])]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert found == want
    for n, key in enumerate(STRANGE):
        answer = wire.request("GET", f"/{bucket}/{key}")
        assert (answer.status, answer.body) == (200, f"{n}".encode()), key
        assert wire.request("DELETE", f"/{bucket}/{key}").status == 204
    assert keys(s3, bucket) == []


def test_uploads_of_strange_keys_are_listed(cloud, s3, bucket):
    wire = cloud.wire("secret-analyst")
    strange = [key for key in STRANGE if len(key.encode()) < 1000]
    for key in strange:
        assert wire.request("POST", f"/{bucket}/{key}", {"uploads": ""}).status == 200, key
    found, markers = [], {}
    for _ in strange:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=3, EncodingType="url", **markers)
        # This listing boto3 does not decode by itself.
        found += [unquote(u["Key"]) for u in page.get("Uploads", [])]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": unquote(page["NextKeyMarker"]), "UploadIdMarker": page["NextUploadIdMarker"]}
    assert found == sorted(strange, key=lambda key: key.encode())


def test_keys_that_are_too_long(cloud, s3, bucket):
    wire = cloud.wire("secret-analyst")
    for key in ("a" * 1025, "é" * 513):
        answer = wire.request("PUT", f"/{bucket}/{key}", None, None, b"x")
        assert (answer.status, answer.code) == (400, "KeyTooLongError"), answer
    assert keys(s3, bucket) == []


def test_delimiters_of_several_characters(s3, bucket):
    for key in ("a--b--c", "a--b--d", "a-b", "x", "é--1", "é--2"):
        put(s3, bucket, key)

    def walk(**more):
        names, prefixes, token = [], [], {}
        while True:
            page = s3.list_objects_v2(Bucket=bucket, Delimiter="--", MaxKeys=1, **more, **token)
            names += [o["Key"] for o in page.get("Contents", [])]
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
            if not page["IsTruncated"]:
                return names, prefixes
            token = {"ContinuationToken": page["NextContinuationToken"]}

    assert walk() == (["a-b", "x"], ["a--", "é--"])
    assert walk(Prefix="a--") == ([], ["a--b--"]) and walk(Prefix="a--b--") == (["a--b--c", "a--b--d"], [])
    versions = s3.list_object_versions(Bucket=bucket, Delimiter="--")
    assert [p["Prefix"] for p in versions["CommonPrefixes"]] == ["a--", "é--"]


def test_acls_of_objects(cloud, s3, bucket):
    account = cloud.account("secret-analyst")
    for acl in ("private", "bucket-owner-full-control"):
        put(s3, bucket, "k", b"x", ACL=acl)
        s3.put_object_acl(Bucket=bucket, Key="k", ACL=acl)
    found = s3.get_object_acl(Bucket=bucket, Key="k")
    assert found["Owner"]["ID"] == account
    [grant] = found["Grants"]
    assert (grant["Grantee"]["ID"], grant["Permission"]) == (account, "FULL_CONTROL")
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy={"Owner": found["Owner"], "Grants": found["Grants"]})
    for call in (
        lambda: put(s3, bucket, "k", b"y", ACL="public-read"), lambda: put(s3, bucket, "k", b"y", GrantRead=f"id={account}"),
        lambda: s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read"),
        lambda: s3.put_object_acl(Bucket=bucket, Key="k", GrantFullControl=f"id={account}"),
        lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", ACL="authenticated-read"),
        lambda: s3.create_multipart_upload(Bucket=bucket, Key="c", ACL="public-read-write"),
    ):
        with refused("AccessControlListNotSupported", 400):
            call()
    assert get(s3, bucket, "k") == b"x" and keys(s3, bucket) == ["k"]
    for call in (lambda: s3.get_object_acl(Bucket=bucket, Key="none"), lambda: s3.put_object_acl(Bucket=bucket, Key="none", ACL="private")):
        with missing():
            call()


@pytest.mark.fastness
def test_rule_4_an_acl_is_put_at_its_label_alone(at, si, low):
    put(low, at, "k", b"low")
    assert si.get_object_acl(Bucket=at, Key="k")["Grants"]
    with denied():
        si.put_object_acl(Bucket=at, Key="k", ACL="private")

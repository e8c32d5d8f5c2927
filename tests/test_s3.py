"""S3 as its clients know it: one session, no other labels in play."""

import hashlib
import io
import time
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote_plus

import pytest

from cloud import get, keys, make_bucket, markers, missing, pattern, put, refused, set_versioning, versions
from wire import crc32, crc32c, crc64nvme, sha1, sha256

MIB = 1 << 20
PART = 5 * MIB

fastness = pytest.mark.fastness


def etag(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


# ---------------------------------------------------------------- buckets


def test_bucket_create_head_list_delete(s3, name):
    with refused("404", 404):
        s3.head_bucket(Bucket=name)
    make_bucket(s3, name)
    assert s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
    listed = {b["Name"]: b["CreationDate"] for b in s3.list_buckets()["Buckets"]}
    assert abs(datetime.now(timezone.utc) - listed[name]) < timedelta(minutes=5)
    assert list(listed) == sorted(listed)
    assert s3.delete_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with refused("404", 404):
        s3.head_bucket(Bucket=name)
    with missing("NoSuchBucket"):
        s3.delete_bucket(Bucket=name)
    assert name not in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    make_bucket(s3, name)  # the name is free again


def test_bucket_made_twice(s3, bucket):
    with refused({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}, 409):
        make_bucket(s3, bucket)


def test_bucket_not_empty(s3, bucket):
    put(s3, bucket, "k")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)


@fastness
def test_bucket_with_a_delete_marker_is_not_empty(s3, bucket):
    set_versioning(s3, bucket)
    s3.delete_object(Bucket=bucket, Key="k")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=markers(s3, bucket)[0]["VersionId"])
    s3.delete_bucket(Bucket=bucket)


@fastness
def test_bucket_location(s3, bucket):
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == s3.meta.region_name
    with missing("NoSuchBucket"):
        s3.get_bucket_location(Bucket="no-such-" + bucket)


@fastness
def test_bucket_in_another_region_is_refused(s3, name):
    with refused({"IllegalLocationConstraintException", "InvalidLocationConstraint"}, 400):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-gov-west-1"})
    with refused("404", 404):
        s3.head_bucket(Bucket=name)


@pytest.mark.parametrize(
    "bad", ["ab", "a" * 64, "Upper-case", "under_score", "-dash-first", "dash-last-", "two..dots", "192.168.5.4",
            "xn--punycode", "alias-s3alias", "spa ce", "ümlaut"],
)
@fastness
def test_bucket_bad_name(cloud, bad):
    wire = cloud.wire("secret-analyst")
    answer = wire.request("PUT", f"/{bad}")
    assert (answer.status, answer.code) == (400, "InvalidBucketName"), answer


@pytest.mark.parametrize("good", ["abc", "a.b-c", "a" * 63, "0123", "b.3.c"])
def test_bucket_good_name(s3, good):
    # unique where the length leaves room; three letters are tried as they are
    chosen = good if len(good) == 3 else (uuid.uuid4().hex + good)[-len(good):] if len(good) > 40 else good + uuid.uuid4().hex[:8]
    make_bucket(s3, chosen)
    s3.delete_bucket(Bucket=chosen)


def test_no_such_bucket(s3, name):
    for call in (
        lambda: put(s3, name, "k"),
        lambda: s3.get_object(Bucket=name, Key="k"),
        lambda: s3.list_objects_v2(Bucket=name),
        lambda: s3.list_objects(Bucket=name),
        lambda: s3.list_object_versions(Bucket=name),
        lambda: s3.list_multipart_uploads(Bucket=name),
        lambda: s3.create_multipart_upload(Bucket=name, Key="k"),
        lambda: s3.get_bucket_versioning(Bucket=name),
        lambda: set_versioning(s3, name),
        lambda: s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k"}]}),
    ):
        with missing("NoSuchBucket"):
            call()


# ---------------------------------------------------------------- bodies and headers


@pytest.mark.parametrize(
    "size", [0, 1, 100, 16383, 16384, 16385, 32768, 65535, 65536, 65537, MIB - 1, MIB, MIB + 1, 20 * MIB]
)
def test_body_round_trip(s3, bucket, size):
    body = pattern(size)
    answer = put(s3, bucket, "k", body)
    assert answer["ETag"] == etag(body)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    assert got["ContentLength"] == size and got["ETag"] == etag(body)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentLength"] == size and head["ETag"] == etag(body)
    assert abs(datetime.now(timezone.utc) - head["LastModified"]) < timedelta(minutes=5)


def test_overwrite_and_delete(s3, bucket):
    for body in (b"one", pattern(100_000), b"", b"three"):
        put(s3, bucket, "k", body)
        assert get(s3, bucket, "k") == body
    assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with missing():
        s3.get_object(Bucket=bucket, Key="k")
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k")  # again: no error
    assert keys(s3, bucket) == []


def test_headers_and_metadata_round_trip(s3, bucket):
    sent = dict(
        ContentType="text/x-thing; charset=utf-8", CacheControl="max-age=17, private", ContentDisposition='attachment; filename="a b.txt"',
        ContentEncoding="identity-ish", ContentLanguage="de, fr", Expires=datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
        Metadata={"colour": "blue", "with-dash": "a, b;c", "number": "0"},
    )
    put(s3, bucket, "k", b"abc", **sent)
    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        for header in ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Metadata"):
            assert answer[header] == sent[header], header
        assert answer["ExpiresString"] == "Mon, 03 Feb 2031 04:05:06 GMT"
    put(s3, bucket, "k", b"abc")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {} and "CacheControl" not in head
    assert head["ContentType"] == "binary/octet-stream"


@fastness
def test_metadata_too_large(s3, bucket):
    with refused("MetadataTooLarge", 400):
        put(s3, bucket, "k", b"abc", Metadata={"big": "x" * 2100})
    with missing():
        s3.get_object(Bucket=bucket, Key="k")


def test_response_overrides(s3, bucket):
    put(s3, bucket, "k", b"abc", ContentType="text/plain")
    answer = s3.get_object(
        Bucket=bucket, Key="k", ResponseContentType="x/y", ResponseContentDisposition="inline", ResponseCacheControl="no-store"
    )
    assert (answer["ContentType"], answer["ContentDisposition"], answer["CacheControl"]) == ("x/y", "inline", "no-store")


# ---------------------------------------------------------------- ranges


@pytest.mark.parametrize("size", [1000, 65537, 3 * MIB + 17])
@pytest.mark.parametrize("of", ["first", "middle", "tail", "suffix", "suffix-long", "beyond", "byte", "across"])
def test_range(s3, bucket, size, of):
    body = pattern(size)
    put(s3, bucket, "k", body)
    first, last, header = {
        "first": (0, 9, "bytes=0-9"),
        "middle": (size // 3, size // 2, f"bytes={size // 3}-{size // 2}"),
        "tail": (size // 2, size - 1, f"bytes={size // 2}-"),
        "suffix": (size - 7, size - 1, "bytes=-7"),
        "suffix-long": (0, size - 1, f"bytes=-{size * 2}"),
        "beyond": (size - 5, size - 1, f"bytes={size - 5}-{size + 1000}"),
        "byte": (size - 1, size - 1, f"bytes={size - 1}-{size - 1}"),
        "across": (1, size - 2, f"bytes=1-{size - 2}"),
    }[of]
    answer = s3.get_object(Bucket=bucket, Key="k", Range=header)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["Body"].read() == body[first : last + 1]
    assert answer["ContentRange"] == f"bytes {first}-{last}/{size}"
    assert answer["ContentLength"] == last - first + 1
    assert answer["ETag"] == etag(body)


@pytest.mark.parametrize("size,header", [(10, "bytes=10-20"), (10, "bytes=10-"), (100_000, "bytes=100000-"), (0, "bytes=0-0")])
def test_range_not_satisfiable(s3, bucket, size, header):
    put(s3, bucket, "k", pattern(size))
    with refused("InvalidRange", 416):
        s3.get_object(Bucket=bucket, Key="k", Range=header)


@fastness
@pytest.mark.parametrize("header", ["bytes=5-3", "lines=0-1", "bytes=a-b"])
def test_range_not_understood_is_the_whole(s3, bucket, header):
    put(s3, bucket, "k", b"0123456789")
    answer = s3.get_object(Bucket=bucket, Key="k", Range=header)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200 and answer["Body"].read() == b"0123456789"


# ---------------------------------------------------------------- conditions


def test_conditional_reads(s3, bucket):
    tag = put(s3, bucket, "k", b"abc")["ETag"]
    assert get(s3, bucket, "k", IfMatch=tag) == b"abc"
    with refused({"PreconditionFailed", "412"}, 412):
        s3.get_object(Bucket=bucket, Key="k", IfMatch='"0000"')
    with refused({"304", "NotModified"}, 304):
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=tag)
    assert get(s3, bucket, "k", IfNoneMatch='"0000"') == b"abc"
    now = datetime.now(timezone.utc)
    with refused({"304", "NotModified"}, 304):
        s3.head_object(Bucket=bucket, Key="k", IfModifiedSince=s3.head_object(Bucket=bucket, Key="k")["LastModified"])
    with refused({"PreconditionFailed", "412"}, 412):
        s3.head_object(Bucket=bucket, Key="k", IfUnmodifiedSince=now - timedelta(days=1))


@fastness
def test_conditional_writes(s3, bucket):
    tag = put(s3, bucket, "k", b"one", IfNoneMatch="*")["ETag"]
    with refused("PreconditionFailed", 412):
        put(s3, bucket, "k", b"two", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        put(s3, bucket, "k", b"two", IfMatch='"0000"')
    put(s3, bucket, "k", b"two", IfMatch=tag)
    assert get(s3, bucket, "k") == b"two"
    with refused({"NoSuchKey", "PreconditionFailed"}):
        put(s3, bucket, "none", b"x", IfMatch=tag)


# ---------------------------------------------------------------- keys

ODD_KEYS = [
    "plain", "with space", " leading", "trailing ", "a+b", "a%20b", "100%", "a&b=c", "q?x", "hash#tag", "semi;colon", "comma,",
    "quote'\"", "<xml>&amp;", "back\\slash", "ünïcödé", "日本語", "🦀/crab", "a//b", "//", "/leading", "trailing/", "dir/", "dir/sub/",
    ".", "a/../b", "./a", "a/./b", "~tilde", "*star*", "(paren)", "!bang", "@at", "$dollar", "[br]{ace}", "|pipe", "^", "`", "\ttab",
    "e\u0301", "é", "z" * 1024, "ü" * 512, "long/" * 204 + "tail",
]


@fastness
def test_odd_keys(s3, bucket):
    for n, key in enumerate(ODD_KEYS):
        put(s3, bucket, key, f"body {n}".encode())
    for n, key in enumerate(ODD_KEYS):
        assert get(s3, bucket, key) == f"body {n}".encode(), key
    want = sorted(ODD_KEYS, key=lambda k: k.encode())
    assert keys(s3, bucket) == want
    assert [v["Key"] for v in versions(s3, bucket)] == want
    for key in ODD_KEYS:
        s3.delete_object(Bucket=bucket, Key=key)
    assert keys(s3, bucket) == []


COMMON_KEYS = ["plain", "with space", "a+b", "a%20b", "100%", "a&b=c", "q?x", "ünïcödé", "日本語", "z" * 200, "dir/sub/file", "quote'\""]


def test_common_keys(s3, bucket):
    for key in COMMON_KEYS:
        put(s3, bucket, key, key.encode())
    for key in COMMON_KEYS:
        assert get(s3, bucket, key) == key.encode(), key
    assert sorted(keys(s3, bucket)) == sorted(COMMON_KEYS)


@fastness
def test_control_characters_in_a_key_are_listed_with_url_encoding(s3, bucket):
    key = "a\x01b\nc"
    put(s3, bucket, key, b"x")
    answer = s3.list_objects_v2(Bucket=bucket, EncodingType="url")
    assert [unquote_plus(o["Key"]) for o in answer["Contents"]] == [key]
    assert get(s3, bucket, key) == b"x"


@pytest.mark.parametrize("key", ["k" * 1025, "ü" * 513, "z" * 3000])
@fastness
def test_key_too_long(s3, bucket, key):
    with refused("KeyTooLongError", 400):
        put(s3, bucket, key)
    assert keys(s3, bucket) == []


# ---------------------------------------------------------------- listing

TREE = sorted(["a", "b/1", "b/2", "b/c/3", "b/c/4", "c", "d/1", "d-1", "e f/1", "z/z/z"])


@pytest.fixture(scope="module")
def tree(cloud):
    s3 = cloud.s3("secret-analyst")
    bucket = make_bucket(s3, "b-" + uuid.uuid4().hex)
    for key in TREE:
        put(s3, bucket, key, key.encode())
    return bucket


def test_list_v2(s3, tree):
    answer = s3.list_objects_v2(Bucket=tree)
    assert [o["Key"] for o in answer["Contents"]] == TREE
    assert answer["KeyCount"] == len(TREE) and not answer["IsTruncated"] and answer["Name"] == tree
    for o in answer["Contents"]:
        assert o["ETag"] == etag(o["Key"].encode()) and o["Size"] == len(o["Key"]) and o["StorageClass"] == "STANDARD"
        assert "Owner" not in o


@fastness
def test_list_v2_owner(s3, tree):
    answer = s3.list_objects_v2(Bucket=tree, FetchOwner=True)
    assert len({o["Owner"]["ID"] for o in answer["Contents"]}) == 1


@pytest.mark.parametrize("prefix,want", [("b/", ["b/1", "b/2", "b/c/3", "b/c/4"]), ("d", ["d-1", "d/1"]), ("nope", []), ("a", ["a"]), ("", TREE)])
def test_list_prefix(s3, tree, prefix, want):
    assert keys(s3, tree, Prefix=prefix) == want
    assert [o["Key"] for o in s3.list_objects(Bucket=tree, Prefix=prefix).get("Contents", [])] == want


@pytest.mark.parametrize(
    "prefix,delimiter,contents,commons",
    [
        ("", "/", ["a", "c", "d-1"], ["b/", "d/", "e f/", "z/"]),
        ("b/", "/", ["b/1", "b/2"], ["b/c/"]),
        ("b", "/", [], ["b/"]),
        ("d", "-", ["d/1"], ["d-"]),
        ("b/c/", "/", ["b/c/3", "b/c/4"], []),
        ("", "f/", ["a", "b/1", "b/2", "b/c/3", "b/c/4", "c", "d-1", "d/1", "z/z/z"], ["e f/"]),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_list_delimiter(s3, tree, prefix, delimiter, contents, commons, version):
    call = s3.list_objects if version == 1 else s3.list_objects_v2
    answer = call(Bucket=tree, Prefix=prefix, Delimiter=delimiter)
    assert [o["Key"] for o in answer.get("Contents", [])] == contents
    assert [p["Prefix"] for p in answer.get("CommonPrefixes", [])] == commons
    if version == 2:
        assert answer["KeyCount"] == len(contents) + len(commons)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_list_v2_pages(s3, tree, size, delimiter):
    found, token, rounds = [], None, 0
    while True:
        more = {"ContinuationToken": token} if token else {}
        answer = s3.list_objects_v2(Bucket=tree, MaxKeys=size, Delimiter=delimiter, **more)
        page = [o["Key"] for o in answer.get("Contents", [])] + [p["Prefix"] for p in answer.get("CommonPrefixes", [])]
        assert len(page) <= size and answer["KeyCount"] == len(page)
        found += sorted(page)
        rounds += 1
        assert rounds <= len(TREE) + 1, "endless"
        if not answer["IsTruncated"]:
            assert "NextContinuationToken" not in answer
            break
        token = answer["NextContinuationToken"]
    want = TREE if not delimiter else ["a", "b/", "c", "d-1", "d/", "e f/", "z/"]
    assert found == want and rounds == -(-len(want) // size)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_list_v1_pages(s3, tree, size, delimiter):
    found, marker = [], ""
    for _ in range(len(TREE) + 1):
        answer = s3.list_objects(Bucket=tree, MaxKeys=size, Delimiter=delimiter, Marker=marker)
        page = sorted([o["Key"] for o in answer.get("Contents", [])] + [p["Prefix"] for p in answer.get("CommonPrefixes", [])])
        found += page
        if not answer["IsTruncated"]:
            break
        marker = answer.get("NextMarker") or page[-1]
    assert found == (TREE if not delimiter else ["a", "b/", "c", "d-1", "d/", "e f/", "z/"])


def test_list_start_after(s3, tree):
    assert keys(s3, tree, StartAfter="b/2") == TREE[TREE.index("b/2") + 1 :]
    assert keys(s3, tree, StartAfter="b/2x") == [k for k in TREE if k > "b/2x"]
    assert keys(s3, tree, StartAfter="zzz") == []


def test_list_max_keys_zero(s3, tree):
    answer = s3.list_objects_v2(Bucket=tree, MaxKeys=0)
    assert answer.get("Contents", []) == [] and not answer["IsTruncated"]


@fastness
def test_list_refuses_nonsense(cloud, tree):
    wire = cloud.wire("secret-analyst")
    for query in ({"list-type": "2", "max-keys": "-1"}, {"list-type": "2", "max-keys": "many"},
                  {"list-type": "2", "continuation-token": "not-one-of-yours"}, {"list-type": "2", "encoding-type": "rot13"}):
        answer = wire.request("GET", f"/{tree}", query)
        assert (answer.status, answer.code) == (400, "InvalidArgument"), (query, answer)


def test_list_1000_at_most(s3, name):
    make_bucket(s3, name)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: put(s3, name, f"{n:04}", b""), range(1050)))
    answer = s3.list_objects_v2(Bucket=name, MaxKeys=5000)
    assert len(answer["Contents"]) == 1000 and answer["IsTruncated"]
    rest = s3.list_objects_v2(Bucket=name, ContinuationToken=answer["NextContinuationToken"])
    assert [o["Key"] for o in answer["Contents"] + rest["Contents"]] == [f"{n:04}" for n in range(1050)]
    gone = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": f"{n:04}"} for n in range(1000)]})
    assert len(gone["Deleted"]) == 1000 and len(keys(s3, name)) == 50


@fastness
def test_list_url_encoding(cloud, s3, bucket):
    for key in ("a b/c+d", "ü/1"):
        put(s3, bucket, key)
    wire = cloud.wire("secret-analyst")
    answer = wire.request("GET", f"/{bucket}", {"list-type": "2", "encoding-type": "url", "delimiter": "/"})
    text = answer.body.decode()
    assert "<EncodingType>url</EncodingType>" in text, text
    assert "<Prefix>%C3%BC/</Prefix>" in text, text
    assert "<Prefix>a%20b/</Prefix>" in text or "<Prefix>a+b/</Prefix>" in text, text
    answer = s3.list_objects_v2(Bucket=bucket)
    assert [o["Key"] for o in answer["Contents"]] == ["a b/c+d", "ü/1"]


# ---------------------------------------------------------------- DeleteObjects


def test_delete_objects(s3, bucket):
    for key in ("a", "b", "c d+é&<"):
        put(s3, bucket, key)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "c d+é&<"}, {"Key": "never"}]})
    assert sorted(d["Key"] for d in answer["Deleted"]) == ["a", "c d+é&<", "never"] and not answer.get("Errors")
    assert keys(s3, bucket) == ["b"]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    assert not answer.get("Deleted") and not answer.get("Errors")
    assert keys(s3, bucket) == []


@fastness
def test_delete_objects_refuses_nonsense(s3, cloud, bucket):
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]})
    wire = cloud.wire("secret-analyst")
    for body in (b"", b"<Delete>", b"<Other/>", b"not xml"):
        md5 = b64encode(hashlib.md5(body).digest()).decode()
        answer = wire.request("POST", f"/{bucket}", {"delete": ""}, {"Content-MD5": md5}, body)
        assert answer.status == 400 and answer.code in ("MalformedXML", "MissingRequestBodyError"), (body, answer)
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    put(s3, bucket, "k")
    answer = wire.request("POST", f"/{bucket}", {"delete": ""}, {"Content-MD5": b64encode(b"0" * 16).decode()}, body)
    assert (answer.status, answer.code) == (400, "BadDigest"), answer
    assert keys(s3, bucket) == ["k"]


@fastness
def test_delete_objects_with_versions(s3, bucket):
    set_versioning(s3, bucket)
    one, two = (put(s3, bucket, "k", b)["VersionId"] for b in (b"1", b"2"))
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": two}, {"Key": "x"}]})
    by_key = {d["Key"]: d for d in answer["Deleted"]}
    assert by_key["k"]["VersionId"] == two
    assert by_key["x"]["DeleteMarker"] is True and by_key["x"]["DeleteMarkerVersionId"]
    assert get(s3, bucket, "k") == b"1"
    assert [v["VersionId"] for v in versions(s3, bucket, Prefix="k")] == [one]


# ---------------------------------------------------------------- versions


def test_versioning_status(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended", "Enabled"):
        set_versioning(s3, bucket, status)
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status


def test_versions(s3, bucket):
    set_versioning(s3, bucket)
    ids = [put(s3, bucket, "k", b"%d" % n)["VersionId"] for n in range(3)]
    assert len(set(ids)) == 3 and "null" not in ids
    assert get(s3, bucket, "k") == b"2"
    for n, version in enumerate(ids):
        answer = s3.get_object(Bucket=bucket, Key="k", VersionId=version)
        assert answer["Body"].read() == b"%d" % n and answer["VersionId"] == version
        assert s3.head_object(Bucket=bucket, Key="k", VersionId=version)["ETag"] == etag(b"%d" % n)
    listed = versions(s3, bucket)
    assert [v["VersionId"] for v in listed] == ids[::-1]
    assert [v["IsLatest"] for v in listed] == [True, False, False]
    gone = s3.delete_object(Bucket=bucket, Key="k")
    assert gone["DeleteMarker"] is True and gone["VersionId"] not in ids
    with missing() as caught:
        s3.get_object(Bucket=bucket, Key="k")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    with refused({"MethodNotAllowed", "405"}, 405):
        s3.get_object(Bucket=bucket, Key="k", VersionId=gone["VersionId"])
    assert [(m["VersionId"], m["IsLatest"]) for m in markers(s3, bucket)] == [(gone["VersionId"], True)]
    assert [v["IsLatest"] for v in versions(s3, bucket)] == [False] * 3
    assert keys(s3, bucket) == []
    undo = s3.delete_object(Bucket=bucket, Key="k", VersionId=gone["VersionId"])
    assert undo["DeleteMarker"] is True and undo["VersionId"] == gone["VersionId"]
    assert get(s3, bucket, "k") == b"2"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[2])
    assert get(s3, bucket, "k") == b"1"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[0])
    assert [v["VersionId"] for v in versions(s3, bucket)] == [ids[1]]


@fastness
def test_versions_null(s3, bucket):
    put(s3, bucket, "k", b"before")
    assert [v["VersionId"] for v in versions(s3, bucket)] == ["null"]
    set_versioning(s3, bucket)
    one = put(s3, bucket, "k", b"one")["VersionId"]
    assert get(s3, bucket, "k", VersionId="null") == b"before"
    set_versioning(s3, bucket, "Suspended")
    answer = put(s3, bucket, "k", b"after")
    assert answer.get("VersionId", "null") == "null"
    assert get(s3, bucket, "k", VersionId="null") == get(s3, bucket, "k") == b"after"
    assert {v["VersionId"] for v in versions(s3, bucket)} == {one, "null"}
    s3.delete_object(Bucket=bucket, Key="k")  # suspended: a null marker takes the null version's place
    assert [m["VersionId"] for m in markers(s3, bucket)] == ["null"]
    assert [v["VersionId"] for v in versions(s3, bucket)] == [one]
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert get(s3, bucket, "k") == b"one"


@fastness
def test_versions_unknown_id(s3, bucket):
    set_versioning(s3, bucket)
    one = put(s3, bucket, "k", b"one")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=one)
    with refused({"NoSuchVersion", "NoSuchKey"}, 404):
        s3.get_object(Bucket=bucket, Key="k", VersionId=one)
    with refused({"NoSuchVersion", "InvalidArgument"}):
        s3.get_object(Bucket=bucket, Key="k", VersionId="nonsense")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
@fastness
def test_list_versions_pages(s3, bucket, size):
    set_versioning(s3, bucket)
    want = []
    for key in ("a", "b/x", "c"):
        ids = [put(s3, bucket, key, b"%d" % n)["VersionId"] for n in range(3)]
        if key == "c":
            ids.append(s3.delete_object(Bucket=bucket, Key=key)["VersionId"])
        want += [(key, i) for i in reversed(ids)]
    found, more = [], {}
    while True:
        answer = s3.list_object_versions(Bucket=bucket, MaxKeys=size, **more)
        page = [(v["Key"], v["VersionId"]) for kind in ("Versions", "DeleteMarkers") for v in answer.get(kind, [])]
        assert len(page) <= size
        found += sorted(page, key=want.index)
        if not answer["IsTruncated"]:
            break
        more = {"KeyMarker": answer["NextKeyMarker"]}
        if answer.get("NextVersionIdMarker"):
            more["VersionIdMarker"] = answer["NextVersionIdMarker"]
        assert len(found) <= len(want), "endless"
    assert found == want
    answer = s3.list_object_versions(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in answer["CommonPrefixes"]] == ["b/"]
    assert {v["Key"] for v in answer["Versions"]} == {"a", "c"}
    assert {v["Key"] for v in versions(s3, bucket, Prefix="b/")} == {"b/x"}


# ---------------------------------------------------------------- multipart


def start_upload(s3, bucket, key="big", **more):
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]


def send_parts(s3, bucket, upload, bodies, key="big"):
    return [
        {"PartNumber": n, "ETag": s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=n, Body=b)["ETag"]}
        for n, b in bodies
    ]


def complete(s3, bucket, upload, parts, key="big", **more):
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **more)


def test_multipart(s3, bucket):
    bodies = [(1, pattern(PART, 1)), (2, pattern(PART, 2)), (3, pattern(1234, 3))]
    upload = start_upload(s3, bucket, ContentType="x/big", Metadata={"colour": "red"}, CacheControl="no-cache")
    parts = send_parts(s3, bucket, upload, bodies)
    assert [p["ETag"] for p in parts] == [etag(b) for _, b in bodies]

    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in listed["Parts"]] == [(n, len(b), etag(b)) for n, b in bodies]
    assert [(u["Key"], u["UploadId"]) for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [("big", upload)]
    assert keys(s3, bucket) == []
    with missing():
        s3.get_object(Bucket=bucket, Key="big")

    whole = b"".join(b for _, b in bodies)
    digest = hashlib.md5(b"".join(hashlib.md5(b).digest() for _, b in bodies)).hexdigest()
    done = complete(s3, bucket, upload, parts)
    assert done["ETag"] == f'"{digest}-3"' and done["Bucket"] == bucket and done["Key"] == "big"
    got = s3.get_object(Bucket=bucket, Key="big")
    assert got["Body"].read() == whole
    assert got["ETag"] == f'"{digest}-3"'
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("x/big", {"colour": "red"}, "no-cache")
    assert get(s3, bucket, "big", Range=f"bytes={PART - 10}-{PART + 9}") == whole[PART - 10 : PART + 10]
    assert get(s3, bucket, "big", Range=f"bytes=-{1234 + 5}") == whole[-1239:]
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    with missing("NoSuchUpload"):
        s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)


def test_multipart_part_again_and_numbers_with_gaps(s3, bucket):
    upload = start_upload(s3, bucket)
    send_parts(s3, bucket, upload, [(7, b"old tail")])
    parts = send_parts(s3, bucket, upload, [(9000, b"tail"), (7, pattern(PART, 7)), (1, pattern(PART, 1))])
    complete(s3, bucket, upload, sorted(parts, key=lambda p: p["PartNumber"]))
    assert get(s3, bucket, "big") == pattern(PART, 1) + pattern(PART, 7) + b"tail"


def test_multipart_some_parts_left_out(s3, bucket):
    upload = start_upload(s3, bucket)
    parts = send_parts(s3, bucket, upload, [(1, pattern(PART, 1)), (2, b"not wanted"), (3, b"tail")])
    complete(s3, bucket, upload, [parts[0], parts[2]])
    assert get(s3, bucket, "big") == pattern(PART, 1) + b"tail"


def test_multipart_abort(s3, bucket):
    upload = start_upload(s3, bucket)
    send_parts(s3, bucket, upload, [(1, pattern(PART, 1))])
    assert s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=upload)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    with missing("NoSuchUpload"):
        s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=2, Body=b"x")
    with missing("NoSuchUpload"):
        complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": etag(pattern(PART, 1))}])
    assert keys(s3, bucket) == []
    s3.delete_bucket(Bucket=bucket)


def test_multipart_entity_too_small(s3, bucket):
    upload = start_upload(s3, bucket)
    parts = send_parts(s3, bucket, upload, [(1, b"small"), (2, b"tail")])
    with refused("EntityTooSmall", 400):
        complete(s3, bucket, upload, parts)
    assert keys(s3, bucket) == []


def test_multipart_invalid_part(s3, bucket):
    upload = start_upload(s3, bucket)
    parts = send_parts(s3, bucket, upload, [(1, b"tail")])
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}])
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload, [{"PartNumber": 2, "ETag": parts[0]["ETag"]}])
    complete(s3, bucket, upload, parts)  # the upload is still whole
    assert get(s3, bucket, "big") == b"tail"


@fastness
def test_multipart_part_order(s3, bucket):
    upload = start_upload(s3, bucket)
    parts = send_parts(s3, bucket, upload, [(1, pattern(PART, 1)), (2, pattern(PART, 2))])
    with refused("InvalidPartOrder", 400):
        complete(s3, bucket, upload, parts[::-1])
    with refused({"MalformedXML", "InvalidRequest"}, 400):
        complete(s3, bucket, upload, [])
    assert keys(s3, bucket) == []


@fastness
@pytest.mark.parametrize("number", [0, 10001, -1])
def test_multipart_part_number_out_of_range(s3, bucket, number):
    upload = start_upload(s3, bucket)
    with refused("InvalidArgument", 400):
        s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=b"x")


@fastness
def test_multipart_wrong_bucket_or_key(s3, bucket):
    upload = start_upload(s3, bucket)
    with missing("NoSuchUpload"):
        s3.upload_part(Bucket=bucket, Key="other", UploadId=upload, PartNumber=1, Body=b"x")
    with missing("NoSuchUpload"):
        s3.abort_multipart_upload(Bucket=bucket, Key="other", UploadId=upload)
    with missing("NoSuchUpload"):
        s3.list_parts(Bucket=bucket, Key="big", UploadId="nonsense")


@fastness
def test_multipart_list_parts_pages(s3, bucket):
    upload = start_upload(s3, bucket)
    send_parts(s3, bucket, upload, [(n, b"%d" % n) for n in (2, 3, 5, 8, 13)])
    found, marker = [], 0
    while True:
        answer = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload, MaxParts=2, PartNumberMarker=marker)
        found += [p["PartNumber"] for p in answer.get("Parts", [])]
        if not answer["IsTruncated"]:
            break
        marker = answer["NextPartNumberMarker"]
    assert found == [2, 3, 5, 8, 13]


@fastness
def test_multipart_list_uploads_pages(s3, bucket):
    want = [(k, start_upload(s3, bucket, k)) for k in ("a/1", "a/2", "a/2", "b", "c d")]
    found, more = [], {}
    while True:
        answer = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **more)
        page = [(u["Key"], u["UploadId"]) for u in answer.get("Uploads", [])]
        found += page
        if not answer["IsTruncated"]:
            break
        more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
        assert len(found) < 20, "endless"
    assert sorted(found) == sorted(want) and [k for k, _ in found] == [k for k, _ in want]
    answer = s3.list_multipart_uploads(Bucket=bucket, Prefix="a/")
    assert {u["Key"] for u in answer["Uploads"]} == {"a/1", "a/2"}
    answer = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in answer["CommonPrefixes"]] == ["a/"]


@fastness
def test_multipart_in_a_versioned_bucket(s3, bucket):
    set_versioning(s3, bucket)
    first = put(s3, bucket, "big", b"first")["VersionId"]
    upload = start_upload(s3, bucket)
    done = complete(s3, bucket, upload, send_parts(s3, bucket, upload, [(1, b"tail")]))
    assert done["VersionId"] not in (first, "null", None)
    assert [v["VersionId"] for v in versions(s3, bucket)] == [done["VersionId"], first]


def test_managed_upload_and_download(s3, bucket):
    body = pattern(20 * MIB, 9)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big")
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].strip('"').endswith("-3")
    back = io.BytesIO()
    s3.download_fileobj(bucket, "big", back)
    assert back.getvalue() == body


# ---------------------------------------------------------------- copies


def test_copy(s3, bucket):
    body = pattern(100_000)
    put(s3, bucket, "from this+ü", body, ContentType="x/y", Metadata={"a": "1"}, CacheControl="no-cache")
    answer = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from this+ü"})
    assert answer["CopyObjectResult"]["ETag"] == etag(body)
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("x/y", {"a": "1"}, "no-cache")
    answer = s3.copy_object(
        Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from this+ü"}, MetadataDirective="REPLACE",
        Metadata={"b": "2"}, ContentType="x/z",
    )
    head = s3.head_object(Bucket=bucket, Key="to")
    assert (head["ContentType"], head["Metadata"]) == ("x/z", {"b": "2"}) and "CacheControl" not in head
    put(s3, bucket, "from this+ü", b"changed")
    assert get(s3, bucket, "to") == body  # a copy of its own


def test_copy_onto_itself(s3, bucket):
    put(s3, bucket, "k", b"abc", Metadata={"a": "1"})
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="k", CopySource=source, MetadataDirective="REPLACE", Metadata={"a": "2"})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "2"} and get(s3, bucket, "k") == b"abc"


@fastness
def test_copy_onto_itself_needs_a_change(s3, bucket):
    put(s3, bucket, "k", b"abc")
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"})


def test_copy_across_buckets(s3, bucket, name):
    other = make_bucket(s3, name + "-2")
    put(s3, bucket, "k", b"abc")
    s3.copy_object(Bucket=other, Key="dir/k2", CopySource=f"/{bucket}/k")
    assert get(s3, other, "dir/k2") == b"abc" and keys(s3, bucket) == ["k"]


def test_copy_of_a_version(s3, bucket):
    set_versioning(s3, bucket)
    one = put(s3, bucket, "k", b"one")["VersionId"]
    put(s3, bucket, "k", b"two")
    answer = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "k", "VersionId": one})
    assert get(s3, bucket, "to") == b"one"
    assert answer["CopySourceVersionId"] == one and answer["VersionId"]


def test_copy_from_nothing(s3, bucket):
    with missing():
        s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "none"})
    with missing("NoSuchBucket"):
        s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": "no-" + bucket, "Key": "k"})
    assert keys(s3, bucket) == []


@fastness
def test_copy_conditions(s3, bucket):
    tag = put(s3, bucket, "k", b"abc")["ETag"]
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source, CopySourceIfMatch=tag)
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="to2", CopySource=source, CopySourceIfMatch='"0000"')
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="to2", CopySource=source, CopySourceIfNoneMatch=tag)
    assert keys(s3, bucket) == ["k", "to"]


# ---------------------------------------------------------------- presigned


def fetch(method, url, body=None, headers=None):
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_presigned_get_and_put(cloud, bucket):
    s3 = cloud.s3("secret-analyst", signature_version="s3v4")
    put(s3, bucket, "a b/ü+c", b"presigned")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b/ü+c"}, ExpiresIn=60)
    assert fetch("GET", url) == (200, b"presigned")
    assert fetch("GET", url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"))[0] == 403
    assert fetch("PUT", url, b"x")[0] == 403
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "up", "ContentType": "x/y"}, ExpiresIn=60)
    assert fetch("PUT", url, b"sent", {"Content-Type": "x/y"})[0] == 200
    got = s3.get_object(Bucket=bucket, Key="up")
    assert got["Body"].read() == b"sent" and got["ContentType"] == "x/y"
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "up"}, ExpiresIn=1)
    time.sleep(2.2)
    status, body = fetch("GET", url)
    assert status == 403 and b"AccessDenied" in body


# ---------------------------------------------------------------- checksums

CHECKSUMS = {"CRC32": crc32, "CRC32C": crc32c, "CRC64NVME": crc64nvme, "SHA1": sha1, "SHA256": sha256}


@fastness
@pytest.mark.parametrize("kind", CHECKSUMS)
@pytest.mark.parametrize("size", [0, 1000, 100_000])
def test_checksum_kept(s3, bucket, kind, size):
    body = pattern(size)
    value = CHECKSUMS[kind](body)
    answer = put(s3, bucket, "k", body, **{f"Checksum{kind}": value})
    assert answer[f"Checksum{kind}"] == value
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{kind}"] == value
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == body and got[f"Checksum{kind}"] == value


@fastness
def test_checksum_by_default(s3, bucket):
    """What boto3 sends without being asked (CRC-32) is checked and kept."""
    assert put(s3, bucket, "k", b"abc")["ChecksumCRC32"] == crc32(b"abc")
    assert s3.get_object(Bucket=bucket, Key="k")["ChecksumCRC32"] == crc32(b"abc")
    put(s3, bucket, "k", b"abc", ChecksumAlgorithm="SHA256")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == sha256(b"abc")


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[] if k in ("CRC32", "SHA256") else fastness) for k in CHECKSUMS]
)
@pytest.mark.parametrize("size", [10, 200_000])
def test_checksum_wrong(s3, bucket, kind, size):
    body = pattern(size)
    put(s3, bucket, "k", b"before")
    with refused({"BadDigest", "XAmzContentChecksumMismatch"}, 400):
        put(s3, bucket, "k", body, **{f"Checksum{kind}": CHECKSUMS[kind](body + b"x")})
    assert get(s3, bucket, "k") == b"before"


@fastness
def test_checksum_malformed(s3, bucket):
    for value in ("", "not base64!", b64encode(b"too short").decode()):
        with refused({"InvalidRequest", "InvalidArgument", "BadDigest"}, 400):
            put(s3, bucket, "k", b"abc", ChecksumSHA256=value)
    assert keys(s3, bucket) == []


def test_content_md5(s3, bucket):
    put(s3, bucket, "k", b"abc", ContentMD5=b64encode(hashlib.md5(b"abc").digest()).decode())
    with refused("BadDigest", 400):
        put(s3, bucket, "k", b"abd", ContentMD5=b64encode(hashlib.md5(b"abc").digest()).decode())
    with refused("InvalidDigest", 400):
        put(s3, bucket, "k", b"abd", ContentMD5="nonsense")
    assert get(s3, bucket, "k") == b"abc"


@fastness
def test_checksum_of_a_multipart_upload(s3, bucket):
    bodies = [(1, pattern(PART, 1)), (2, b"tail")]
    upload = start_upload(s3, bucket, ChecksumAlgorithm="SHA256")
    parts = []
    for n, body in bodies:
        answer = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=n, Body=body, ChecksumAlgorithm="SHA256")
        assert answer["ChecksumSHA256"] == sha256(body)
        parts.append({"PartNumber": n, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
    wrong = [parts[0], parts[1] | {"ChecksumSHA256": sha256(b"other")}]
    with refused({"InvalidPart", "BadDigest"}, 400):
        complete(s3, bucket, upload, wrong)
    complete(s3, bucket, upload, parts)
    assert get(s3, bucket, "big") == b"".join(b for _, b in bodies)


def test_checksum_wrong_in_a_part(s3, bucket):
    upload = start_upload(s3, bucket)
    with refused({"BadDigest", "XAmzContentChecksumMismatch"}, 400):
        s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=1, Body=b"abc", ChecksumSHA256=sha256(b"abd"))
    assert not s3.list_parts(Bucket=bucket, Key="big", UploadId=upload).get("Parts")


# ---------------------------------------------------------------- bodies cut short or too long


@pytest.mark.parametrize("size", [1000, 300_000, 3 * MIB])
def test_truncated_body_leaves_nothing(cloud, s3, bucket, size):
    from wire import UNSIGNED, stamp

    wire = cloud.wire("secret-analyst")
    put(s3, bucket, "old", b"before")
    for key in ("old", "new"):
        signature = wire.signature()
        headers = {"Host": wire.netloc, "x-amz-date": stamp(signature.moment), "x-amz-content-sha256": UNSIGNED}
        path = f"/{bucket}/{key}"
        names, value = signature.request("PUT", path, "", headers, UNSIGNED)
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signature.access}/{signature.scope}, SignedHeaders={names}, Signature={value}"
        )
        answer = wire.send_cut("PUT", path, headers, pattern(size), 100)
        assert answer is None or answer.status >= 400, answer
    time.sleep(0.2)
    assert get(s3, bucket, "old") == b"before"
    assert keys(s3, bucket) == ["old"]


@fastness
def test_oversized_body_is_refused_at_once(cloud, s3, bucket):
    """More than 5 GiB in one PUT is EntityTooLarge, before the bytes are sent."""
    wire = cloud.wire("secret-analyst")
    from wire import UNSIGNED

    answer = wire.request("PUT", f"/{bucket}/huge", None, {"Content-Length": str((5 << 30) + 1), "Expect": "100-continue"}, b"", payload=UNSIGNED)
    assert (answer.status, answer.code) == (400, "EntityTooLarge"), answer
    assert keys(s3, bucket) == []


@fastness
def test_unknown_operations_say_so(cloud, bucket):
    wire = cloud.wire("secret-analyst")
    for query in ("acl", "website", "notification", "replication", "logging"):
        answer = wire.request("PUT", f"/{bucket}", {query: ""}, None, b"<x/>")
        assert answer.status in (400, 403, 405, 501) and answer.code, (query, answer)


def test_errors_are_s3_documents(cloud, bucket):
    wire = cloud.wire("secret-analyst")
    answer = wire.request("GET", f"/{bucket}/none")
    text = answer.body.decode()
    assert answer.status == 404 and "<Error>" in text and "<Code>NoSuchKey</Code>" in text and "<RequestId>" in text
    assert answer.header("content-type", "").startswith("application/xml")
    head = wire.request("HEAD", f"/{bucket}/none")
    assert head.status == 404 and head.body == b""

"""S3 as its clients know it: one session, no other labels in play. Uploads and checksums: `test_s3_content.py`."""

import hashlib
import uuid
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote_plus

import pytest

from cloud import get, keys, make_bucket, markers, missing, pattern, put, refused, set_versioning, versions

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

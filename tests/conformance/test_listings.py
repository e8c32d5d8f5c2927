"""Listings, corner by corner: delimiters, markers, prefixes, encodings, and what an answer repeats of its question."""

import uuid
from urllib.parse import unquote_plus

import pytest

from cloud import make_bucket, put, refused, set_versioning


@pytest.fixture(scope="module")
def filled(cloud):
    """Buckets by what is in them, made once."""
    s3, made = cloud.s3("secret-analyst"), {}

    def get(*names):
        if names not in made:
            made[names] = make_bucket(s3, f"l-{uuid.uuid4().hex}")
            for name in names:
                put(s3, made[names], name, b"")
        return made[names]

    return get


def found(answer):
    return [o["Key"] for o in answer.get("Contents", [])], [p["Prefix"] for p in answer.get("CommonPrefixes", [])]


WORDS = ("bar", "baz", "foo", "quxx")
SLASHES = ("b/a/c", "b/a/g", "b/a/r", "g")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "names,prefix,delimiter,keys,prefixes",
    [
        (("bar", "baz", "cab", "foo"), "", "a", ["foo"], ["ba", "ca"]),
        (("b%ar", "b%az", "c%ab", "foo"), "", "%", ["foo"], ["b%", "c%"]),
        (("b ar", "b az", "c ab", "foo"), "", " ", ["foo"], ["b ", "c "]),
        (("b.ar", "b.az", "c.ab", "foo"), "", ".", ["foo"], ["b.", "c."]),
        (("b+ar", "b&az", "c+ab", "foo"), "", "+", ["b&az", "foo"], ["b+", "c+"]),
        (("büar", "büaz", "foo"), "", "ü", ["foo"], ["bü"]),
        (("a::b", "a::c", "a:d"), "", "::", ["a:d"], ["a::"]),
        (WORDS, "", "\n", list(WORDS), []),
        (("a\nb", "a\nc", "d"), "", "\n", ["d"], ["a\n"]),
        (WORDS, "", "", list(WORDS), []),
        (WORDS, "", "/", list(WORDS), []),
        (("foo/bar", "foo/baz/xyzzy", "quux/thud", "asdf"), "foo/", "/", ["foo/bar"], ["foo/baz/"]),
        (("bar", "bazar", "cab", "foo"), "ba", "a", ["bar"], ["baza"]),
        (("b/a/r", "b/a/c", "b/a/g", "g"), "/", "d", [], []),
        (SLASHES, "b", "z", ["b/a/c", "b/a/g", "b/a/r"], []),
        (SLASHES, "y", "z", [], []),
        (SLASHES, "b/", "/", [], ["b/a/"]),
        (SLASHES, "b/a", "/", [], ["b/a/"]),
        (("asdf/",), "asdf/", "/", ["asdf/"], []),
        (("asdf/", "asdf/x", "asdf/y/"), "asdf/", "/", ["asdf/", "asdf/x"], ["asdf/y/"]),
        (WORDS, "\n", "", [], []),
        (("foo/bar", "foo/baz", "quux"), "foo/", "", ["foo/bar", "foo/baz"], []),
        (("0/", "0/1", "0/2", "1999", "1999#", "1999+", "2000"), "", "/", ["1999", "1999#", "1999+", "2000"], ["0/"]),
    ],
)
def test_prefixes_and_delimiters(s3, filled, version, names, prefix, delimiter, keys, prefixes):
    call = s3.list_objects if version == 1 else s3.list_objects_v2
    answer = call(Bucket=filled(*names), Prefix=prefix, Delimiter=delimiter)
    assert found(answer) == (keys, prefixes) and not answer["IsTruncated"]
    assert unquote_plus(answer["Prefix"]) == prefix and answer.get("Delimiter", "") == delimiter
    assert ("Delimiter" in answer) == bool(delimiter)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "prefix,size,pages",
    [
        ("", 1, [(["_obj1_"], []), ([], ["_under1/"]), ([], ["_under2/"])]),
        ("", 2, [(["_obj1_"], ["_under1/"]), ([], ["_under2/"])]),
        ("_under1/", 1, [(["_under1/bar"], []), ([], ["_under1/baz/"])]),
        ("_under1/", 2, [(["_under1/bar"], ["_under1/baz/"])]),
        ("_obj1_", 1, [(["_obj1_"], [])]),
    ],
)
def test_pages_of_folders(s3, filled, version, prefix, size, pages):
    bucket = filled("_obj1_", "_under1/bar", "_under1/baz/xyzzy", "_under2/thud", "_under2/bla")
    more, seen = {}, []
    while True:
        call = s3.list_objects if version == 1 else s3.list_objects_v2
        answer = call(Bucket=bucket, Prefix=prefix, Delimiter="/", MaxKeys=size, **more)
        seen.append(found(answer))
        assert len(seen) <= len(pages), seen
        if not answer["IsTruncated"]:
            break
        more = {"Marker": answer["NextMarker"]} if version == 1 else {"ContinuationToken": answer["NextContinuationToken"]}
    assert seen == pages
    assert "NextMarker" not in answer and "NextContinuationToken" not in answer


@pytest.mark.parametrize("after,keys", [("", list(WORDS)), ("\n", list(WORDS)), ("bar", ["baz", "foo", "quxx"]), ("blah", ["foo", "quxx"]), ("zzz", [])])
def test_markers(s3, filled, after, keys):
    answer = s3.list_objects(Bucket=filled(*WORDS), Marker=after)
    assert answer["Marker"] == after and found(answer) == (keys, []) and not answer["IsTruncated"]
    answer = s3.list_objects_v2(Bucket=filled(*WORDS), StartAfter=after)
    assert answer.get("StartAfter", "") == after and found(answer) == (keys, []) and answer["KeyCount"] == len(keys)


def test_what_a_page_repeats(s3, filled):
    bucket = filled(*WORDS)
    answer = s3.list_objects(Bucket=bucket, MaxKeys=2)
    assert answer["IsTruncated"] and "NextMarker" not in answer  # only with a delimiter; the last key serves
    assert (answer["Name"], answer["MaxKeys"], answer["Marker"]) == (bucket, 2, "")
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=1, StartAfter="bar")
    assert (first["MaxKeys"], first["KeyCount"], first["StartAfter"]) == (1, 1, "bar")
    token = first["NextContinuationToken"]
    second = s3.list_objects_v2(Bucket=bucket, ContinuationToken=token, StartAfter="bar")
    assert (second["ContinuationToken"], second["StartAfter"]) == (token, "bar")
    assert found(second) == (["foo", "quxx"], [])


def test_a_listing_says_what_a_head_says(s3, bucket):
    set_versioning(s3, bucket)
    for key in WORDS:
        put(s3, bucket, key, key.encode() * 100)
    heads = {key: s3.head_object(Bucket=bucket, Key=key) for key in WORDS}
    for o in s3.list_objects(Bucket=bucket)["Contents"] + s3.list_object_versions(Bucket=bucket)["Versions"]:
        head = heads[o["Key"]]
        assert (o["ETag"], o["Size"]) == (head["ETag"], head["ContentLength"])
        assert o["LastModified"].replace(microsecond=0) == head["LastModified"] and o["Owner"]["ID"]
        assert o.get("VersionId", head["VersionId"]) == head["VersionId"] and o["StorageClass"] == "STANDARD"


def test_many_kinds_of_characters_in_pages(s3, filled):
    names = tuple(sorted(["a b", "a+b", "a%b", "a&b", "ä", "日本", "🦀", "a\tb", "a\x07b", "<", "'\""], key=str.encode))
    answers, token = [], None
    while True:
        answer = s3.list_objects_v2(Bucket=filled(*names), MaxKeys=2, EncodingType="url", **({"ContinuationToken": token} if token else {}))
        answers += [unquote_plus(o["Key"]) for o in answer["Contents"]]
        assert answer["EncodingType"] == "url"
        if not answer["IsTruncated"]:
            break
        token = answer["NextContinuationToken"]
    assert answers == list(names)


@pytest.mark.parametrize("query", [{"max-keys": "blah"}, {"max-keys": "-1"}, {"encoding-type": "blah"}])
@pytest.mark.parametrize("more", [{}, {"list-type": "2"}, {"versions": ""}])
def test_nonsense_is_refused(cloud, filled, query, more):
    answer = cloud.wire("secret-analyst").request("GET", f"/{filled(*WORDS)}", query | more)
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer


# ---------------------------------------------------------------- versions


def test_versions_by_marker(s3, bucket):
    set_versioning(s3, bucket)
    ids = {key: [put(s3, bucket, key)["VersionId"] for _ in range(3)][::-1] for key in ("a", "b")}
    listed = lambda **more: [(v["Key"], v["VersionId"]) for v in s3.list_object_versions(Bucket=bucket, **more).get("Versions", [])]
    every = [(key, version) for key in "ab" for version in ids[key]]
    assert listed() == every and listed(KeyMarker="a") == every[3:] and listed(KeyMarker="b") == []
    assert listed(KeyMarker="a", VersionIdMarker=ids["a"][0]) == every[1:]
    assert listed(KeyMarker="a", VersionIdMarker=ids["a"][2]) == every[3:]
    answer = s3.list_object_versions(Bucket=bucket, MaxKeys=2)
    assert (answer["NextKeyMarker"], answer["NextVersionIdMarker"]) == every[1] and answer["KeyMarker"] == ""
    with refused("InvalidArgument", 400):
        s3.list_object_versions(Bucket=bucket, VersionIdMarker=ids["a"][0])


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_folders_among_versions(s3, name, size):
    bucket = make_bucket(s3, name)
    set_versioning(s3, bucket)
    for key in ("a/1", "a/1", "a/2", "b", "b", "c/1"):
        put(s3, bucket, key)
    s3.delete_object(Bucket=bucket, Key="a/1")
    seen, more = [], {}
    while True:
        answer = s3.list_object_versions(Bucket=bucket, Delimiter="/", MaxKeys=size, **more)
        page = [v["Key"] for v in answer.get("Versions", [])] + [p["Prefix"] for p in answer.get("CommonPrefixes", [])]
        assert len(page) <= size and not answer.get("DeleteMarkers")
        seen += sorted(page)
        if not answer["IsTruncated"]:
            break
        more = {"KeyMarker": answer["NextKeyMarker"]}
        if "NextVersionIdMarker" in answer:
            more["VersionIdMarker"] = answer["NextVersionIdMarker"]
        assert len(seen) <= 4, seen
    assert seen == ["a/", "b", "b", "c/"]


# ---------------------------------------------------------------- buckets


def test_buckets_in_pages(cloud, s3, name):
    names = [make_bucket(s3, f"{name}-{n}") for n in range(5)]
    seen, token = [], None
    while True:
        answer = s3.list_buckets(MaxBuckets=2, Prefix=name, **({"ContinuationToken": token} if token else {}))
        assert len(answer["Buckets"]) <= 2 and answer["Prefix"] == name
        seen += [b["Name"] for b in answer["Buckets"]]
        token = answer.get("ContinuationToken")
        if not token:
            break
    assert seen == names
    assert s3.list_buckets(Prefix=name, BucketRegion=s3.meta.region_name)["Buckets"][0]["BucketRegion"] == s3.meta.region_name
    assert s3.list_buckets(Prefix=name, BucketRegion="us-gov-west-1")["Buckets"] == []
    for size in ("0", "10001", "x"):
        answer = cloud.wire("secret-analyst").request("GET", "/", {"max-buckets": size})
        assert (answer.status, answer.code) == (400, "InvalidArgument"), answer


def test_expected_owner(s3, bucket, cloud):
    account = cloud.account("secret-analyst")
    put(s3, bucket, "k")
    for call in (s3.head_bucket, s3.list_objects_v2, s3.get_bucket_versioning, s3.list_multipart_uploads):
        assert call(Bucket=bucket, ExpectedBucketOwner=account)
        with refused({"AccessDenied", "403"}, 403):
            call(Bucket=bucket, ExpectedBucketOwner="000000000000")
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=bucket, Key="k", ExpectedBucketOwner="000000000000")
    assert s3.head_object(Bucket=bucket, Key="k", ExpectedBucketOwner=account)

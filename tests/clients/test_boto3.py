"""boto3: transfers by threads, checksums in every mode, pages, waiters, resources, addresses, conditions."""

import io
import os
import sys
import threading
import urllib.request

import boto3
import pytest
from boto3.s3.transfer import TransferConfig

from cloud import CLEAN, client_config, get, keys, missing, pattern, put, refused
from programs import HIGH, LOW, run
from wire import crc32, crc32c, crc64nvme, sha1, sha256

MIB = 1 << 20
KINDS = {"CRC32": crc32, "CRC32C": crc32c, "CRC64NVME": crc64nvme, "SHA1": sha1, "SHA256": sha256}
MODES = ["when_supported", "when_required"]
SMALL_PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=6)


def with_modes(cloud, sent, got):
    return cloud.s3(HIGH, request_checksum_calculation=sent, response_checksum_validation=got)


# ---------------------------------------------------------------- transfers


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_transfer_there_and_back(cloud, bucket, kind, tmp_path):
    s3, body = cloud.s3(HIGH), pattern(12 * MIB + 5, 1)
    seen, lock = [0], threading.Lock()

    def count(n):
        with lock:
            seen[0] += n

    more = {"ExtraArgs": {"ChecksumAlgorithm": kind}} if kind else {}
    s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=SMALL_PARTS, Callback=count, **more)
    assert seen[0] == len(body)
    head = s3.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-3"') and head["ContentLength"] == len(body)
    value = head[f"Checksum{kind or 'CRC32'}"]
    if kind == "CRC64NVME":  # which is always of the whole object
        assert value == crc64nvme(body) and head["ChecksumType"] == "FULL_OBJECT"
    else:
        assert value.endswith("-3") and head["ChecksumType"] == "COMPOSITE"
    s3.download_file(bucket, "big", str(tmp_path / "back"), Config=SMALL_PARTS)
    assert (tmp_path / "back").read_bytes() == body


def test_many_transfers_at_once(cloud, bucket):
    s3 = cloud.s3(HIGH)
    bodies = {f"k{n}": pattern(300_000 + n, n) for n in range(24)}
    faults = []

    def work(key):
        try:
            s3.upload_fileobj(io.BytesIO(bodies[key]), bucket, key)
            back = io.BytesIO()
            s3.download_fileobj(bucket, key, back)
            assert back.getvalue() == bodies[key]
        except Exception as error:  # noqa: BLE001: handed to the test's own thread
            faults.append(error)

    threads = [threading.Thread(target=work, args=(key,)) for key in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and keys(s3, bucket) == sorted(bodies)


def test_managed_copy_in_parts(cloud, bucket):
    s3, body = cloud.s3(HIGH), pattern(11 * MIB, 2)
    s3.upload_fileobj(io.BytesIO(body), bucket, "from", ExtraArgs={"Metadata": {"a": "b"}})
    s3.copy({"Bucket": bucket, "Key": "from"}, bucket, "to", Config=SMALL_PARTS)
    assert get(s3, bucket, "to") == body and s3.head_object(Bucket=bucket, Key="to")["ETag"].endswith('-3"')


def test_a_stream_of_unknown_length(cloud, bucket):
    """A body that cannot be rewound goes in parts, and small ones in chunks with a trailer."""

    class Pipe(io.RawIOBase):
        def __init__(self, body):
            self.inner = io.BytesIO(body)

        def readable(self):
            return True

        def read(self, n=-1):
            return self.inner.read(n)

    s3 = cloud.s3(HIGH)
    for size in (0, 10, 6 * MIB):
        s3.upload_fileobj(Pipe(pattern(size)), bucket, "piped", Config=SMALL_PARTS)
        assert get(s3, bucket, "piped") == pattern(size)


# ---------------------------------------------------------------- checksums


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("streamed", [False, True])
def test_checksum(cloud, bucket, kind, mode, streamed, tmp_path):
    """Asked for by name it is sent in both modes: of bytes in a header, of a file in a trailer of unsigned chunks."""
    s3, body = with_modes(cloud, mode, mode), pattern(150_000, 3)
    (tmp_path / "f").write_bytes(body)
    with open(tmp_path / "f", "rb") as f:
        answer = put(s3, bucket, "k", f if streamed else body, ChecksumAlgorithm=kind)
    assert answer[f"Checksum{kind}"] == KINDS[kind](body)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == body and got[f"Checksum{kind}"] == KINDS[kind](body) and got["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize("mode", MODES)
def test_checksum_that_nobody_asked_for(cloud, bucket, mode):
    s3 = with_modes(cloud, mode, mode)
    answer = put(s3, bucket, "k", b"abc")
    assert (answer.get("ChecksumCRC32") == crc32(b"abc")) == (mode == "when_supported")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"abc"
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})  # requires one in any mode


@pytest.mark.parametrize("kind", ["CRC32", "CRC32C", "CRC64NVME"])
def test_full_object_checksum_of_parts(cloud, bucket, kind):
    s3, bodies = cloud.s3(HIGH), [pattern(5 * MIB, 1), pattern(1000, 2)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=kind, ChecksumType="FULL_OBJECT")
    assert (upload["ChecksumAlgorithm"], upload["ChecksumType"]) == (kind, "FULL_OBJECT")
    common = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    parts = []
    for n, body in enumerate(bodies, 1):
        done = s3.upload_part(**common, PartNumber=n, Body=body, ChecksumAlgorithm=kind)
        parts.append({"PartNumber": n, "ETag": done["ETag"], f"Checksum{kind}": done[f"Checksum{kind}"]})
    whole = KINDS[kind](b"".join(bodies))
    with refused({"BadDigest", "InvalidRequest"}, 400):
        s3.complete_multipart_upload(**common, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT", **{f"Checksum{kind}": KINDS[kind](b"")})
    done = s3.complete_multipart_upload(**common, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT", **{f"Checksum{kind}": whole})
    assert done[f"Checksum{kind}"] == whole and done["ChecksumType"] == "FULL_OBJECT"
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[f"Checksum{kind}"] == whole


# ---------------------------------------------------------------- pages, waiters, resources


def test_paginators_and_waiters(cloud, name):
    s3 = cloud.s3(HIGH)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    s3.get_waiter("bucket_exists").wait(Bucket=name)
    want = [f"d{n % 3}/{n:02}" for n in range(20)]
    for key in want:
        put(s3, name, key)
    s3.get_waiter("object_exists").wait(Bucket=name, Key=want[-1])
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(Bucket=name, PaginationConfig={"PageSize": 3})
        assert [o["Key"] for page in pages for o in page.get("Contents", [])] == sorted(want)
        pages = s3.get_paginator(operation).paginate(Bucket=name, Delimiter="/", PaginationConfig={"PageSize": 2})
        assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["d0/", "d1/", "d2/"]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": 3})
    assert sorted(v["Key"] for page in pages for v in page.get("Versions", [])) == sorted(want)
    assert list(s3.get_paginator("list_multipart_uploads").paginate(Bucket=name).search("Uploads[].Key")) in ([], [None])
    pages = s3.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 1}, Prefix=name)
    assert [b["Name"] for page in pages for b in page["Buckets"]] == [name]
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": key} for key in want]})
    s3.get_waiter("object_not_exists").wait(Bucket=name, Key=want[0])
    s3.delete_bucket(Bucket=name)
    s3.get_waiter("bucket_not_exists").wait(Bucket=name)


def test_resources(cloud, name):
    p = cloud.profile(HIGH)
    session = boto3.session.Session(p["aws_access_key_id"], p["aws_secret_access_key"], region_name=p["region"])
    resource = session.resource("s3", endpoint_url=p["endpoint_url"], config=client_config())
    bucket = resource.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": p["region"]})
    bucket.wait_until_exists()
    thing = bucket.put_object(Key="dir/k", Body=b"abc", Metadata={"a": "b"})
    assert thing.get()["Body"].read() == b"abc" and thing.metadata == {"a": "b"} and thing.content_length == 3
    bucket.Object("copy").copy_from(CopySource={"Bucket": name, "Key": "dir/k"})
    assert [o.key for o in bucket.objects.all()] == ["copy", "dir/k"]
    assert [o.key for o in bucket.objects.filter(Prefix="dir/")] == ["dir/k"]
    bucket.Versioning().enable()
    assert bucket.Versioning().status == "Enabled"
    thing.delete()
    upload = bucket.Object("parts").initiate_multipart_upload()
    part = upload.Part(1).upload(Body=b"tail")
    upload.complete(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert sorted(o.object_key for o in bucket.object_versions.all()) == ["copy", "dir/k", "dir/k", "parts"]
    bucket.object_versions.delete()
    bucket.delete()


# ---------------------------------------------------------------- addresses, conditions, labels


@pytest.mark.parametrize("mode", MODES)
def test_presigned(cloud, bucket, mode):
    s3 = cloud.s3(HIGH, signature_version="s3v4", request_checksum_calculation=mode)

    def send(operation, parameters, method, body=None, headers=None):
        url = s3.generate_presigned_url(operation, {"Bucket": bucket, **parameters}, ExpiresIn=60)
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}, method=method), timeout=30) as answer:
            return answer.headers, answer.read()

    meta = {"x-amz-meta-a": "b", "content-type": "x/y"}
    send("put_object", {"Key": "k ü", "Metadata": {"a": "b"}, "ContentType": "x/y"}, "PUT", b"sent", meta)
    headers, body = send("get_object", {"Key": "k ü", "ResponseContentType": "x/z"}, "GET")
    assert body == b"sent" and (headers["x-amz-meta-a"], headers["content-type"]) == ("b", "x/z")
    assert send("head_object", {"Key": "k ü"}, "HEAD")[0]["content-length"] == "4"
    assert b"<Key>k" in send("list_objects_v2", {}, "GET")[1]
    send("delete_object", {"Key": "k ü"}, "DELETE")
    assert keys(s3, bucket) == []


def test_one_of_many_writers_is_first(cloud, bucket):
    """If-None-Match: * as a lock: of many at once, one gets it."""
    s3, outcomes = cloud.s3(HIGH), []

    def work(n):
        try:
            put(s3, bucket, "lock", b"%d" % n, IfNoneMatch="*")
            outcomes.append(n)
        except s3.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 1 and get(s3, bucket, "lock") == b"%d" % outcomes[0]


def test_a_counter_by_if_match_loses_nothing(cloud, bucket):
    s3, rounds = cloud.s3(HIGH), 8
    put(s3, bucket, "n", b"0")

    def work():
        done = 0
        while done < rounds:
            now = s3.get_object(Bucket=bucket, Key="n")
            try:
                put(s3, bucket, "n", b"%d" % (int(now["Body"].read()) + 1), IfMatch=now["ETag"])
                done += 1
            except s3.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get(s3, bucket, "n") == b"%d" % (4 * rounds)


def test_two_labels_at_one_name(cloud, shared):
    high, low = cloud.s3(HIGH), cloud.s3(LOW)
    high.upload_fileobj(io.BytesIO(pattern(9 * MIB)), shared, "from-above", Config=SMALL_PARTS)
    with missing("404"):
        low.download_fileobj(shared, "from-above", io.BytesIO())
    low.upload_fileobj(io.BytesIO(pattern(6 * MIB)), shared, "from-above", Config=SMALL_PARTS)
    assert get(high, shared, "from-above") == pattern(9 * MIB) and get(low, shared, "from-above") == pattern(6 * MIB)


def test_the_environment_alone(cloud, bucket):
    """Nothing but variables, as in a container: key, secret, region and AWS_ENDPOINT_URL_S3."""
    p = cloud.profile(HIGH)
    env = {
        **CLEAN, "AWS_ACCESS_KEY_ID": p["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": p["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": p["region"], "AWS_ENDPOINT_URL_S3": p["endpoint_url"], "PYTHONWARNINGS": "ignore", "PATH": os.environ["PATH"],
    }
    code = f"import boto3; print(boto3.client('s3').head_bucket(Bucket='{bucket}')['BucketRegion'])"
    assert run(sys.executable, "-c", code, env=env).stdout.strip() == p["region"]

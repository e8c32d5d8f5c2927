"""What hostile clients tried once and must not succeed with again."""

import random
import socket
import threading
import time
from base64 import b64encode
from hashlib import md5

import pytest
from botocore.exceptions import ClientError

from cloud import get, keys, put, refused


@pytest.mark.parametrize("query", ["logging", "accelerate", "metadataConfiguration", "versions", "uploads", "foo"])
def test_a_subresource_that_is_not_known_deletes_no_bucket(cloud, s3, bucket, query):
    answer = cloud.wire("secret-analyst").request("DELETE", f"/{bucket}", {query: ""})
    assert (answer.status, answer.code) == (501, "NotImplemented"), answer
    s3.head_bucket(Bucket=bucket)


@pytest.mark.parametrize("query", [{"restore": ""}, {"renameObject": ""}, {"encryption": ""}, {"uploadId": "x"}, {"partNumber": "1"}])
def test_a_subresource_that_is_not_known_writes_no_object(cloud, s3, bucket, query):
    put(s3, bucket, "k", b"before")
    assert cloud.wire("secret-analyst").request("PUT", f"/{bucket}/k", query, body=b"<x/>").status in (400, 501)
    assert get(s3, bucket, "k") == b"before"


def test_a_copy_honours_conditions_on_its_target(s3, bucket):
    put(s3, bucket, "source", b"source")
    tag = put(s3, bucket, "k", b"before")["ETag"]
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"deadbeef"'}):
        with refused("PreconditionFailed", 412):
            s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/source", **condition)
    assert get(s3, bucket, "k") == b"before"
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/source", IfMatch=tag)
    assert get(s3, bucket, "k") == b"source"


def test_cdata_names_no_other_key(cloud, s3, bucket):
    for key in ("a", "ab"):
        put(s3, bucket, key)
    body = b"<Delete><Object><Key>a<![CDATA[b]]></Key></Object></Delete>"
    headers = {"Content-MD5": b64encode(md5(body).digest()).decode()}
    answer = cloud.wire("secret-analyst").request("POST", f"/{bucket}", {"delete": ""}, headers, body)
    assert (answer.status, answer.code) == (400, "MalformedXML"), answer
    assert keys(s3, bucket) == ["a", "ab"]


@pytest.mark.parametrize("header", ["x-amz-checksum-sha512", "x-amz-checksum-md5", "x-amz-foo", "Content-Range"])
def test_no_header_is_taken_that_is_not_acted_on(cloud, s3, bucket, header):
    answer = cloud.wire("secret-analyst").request("PUT", f"/{bucket}/k", None, {header: "AAAA"}, b"x")
    assert answer.status == 501, answer
    assert keys(s3, bucket) == []


def test_a_form_is_not_collected_in_memory(cloud, bucket):
    body = b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nb\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert cloud.wire("secret-analyst").request("POST", f"/{bucket}", None, headers, body).status == 501


def test_head_of_a_range_is_partial(s3, bucket):
    put(s3, bucket, "k", b"0123456789")
    answer = s3.head_object(Bucket=bucket, Key="k", Range="bytes=2-4")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206 and answer["ContentLength"] == 3


def test_head_honours_the_overrides_of_get(s3, bucket):
    put(s3, bucket, "k", b"x", ContentType="text/plain")
    more = {"ResponseContentType": "text/csv", "ResponseCacheControl": "no-store"}
    for act in (s3.head_object, s3.get_object):
        answer = act(Bucket=bucket, Key="k", **more)
        assert (answer["ContentType"], answer["CacheControl"]) == ("text/csv", "no-store")


def test_reads_race_overwrites_of_files(cloud, s3, bucket):
    bodies = {bytes([n]) * 40_000 for n in range(4)}
    put(s3, bucket, "k", bytes(40_000))
    stop, faults = time.monotonic() + 4, []

    def work(act):
        mine = cloud.s3("secret-analyst")
        rng = random.Random(id(act))
        while time.monotonic() < stop:
            try:
                act(mine, rng)
            except (ClientError, AssertionError) as error:
                faults.append(error)

    def write(mine, rng):
        put(mine, bucket, "k", bytes([rng.randrange(4)]) * 40_000)

    def read(mine, rng):
        assert get(mine, bucket, "k") in bodies

    threads = [threading.Thread(target=work, args=(act,)) for act in (write, write, read, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]


def test_an_object_of_many_parts_is_read_whole_although_it_goes(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    bodies = [random.Random(n).randbytes(5 << 20) for n in range(4)]
    parts = []
    for n, body in enumerate(bodies, 1):
        tag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=n, Body=body)["ETag"]
        parts.append({"PartNumber": n, "ETag": tag})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    whole = b"".join(bodies)
    for first, last in ((0, 0), ((5 << 20) - 1, 5 << 20), (12_000_000, 20_000_000)):
        part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}")["Body"].read()
        assert part == whole[first : last + 1]
    answer = s3.get_object(Bucket=bucket, Key="k")
    start = answer["Body"].read(100_000)
    s3.delete_object(Bucket=bucket, Key="k")
    assert start + answer["Body"].read() == whole


def test_a_body_that_never_comes_is_given_up(cloud):
    """A request to IAM whose body does not come: answered after half a minute, not held for ever."""
    wire = cloud.wire("secret-admin", "iam")
    head, _ = wire.raw("POST", "/", b"Action=ListUsers&Version=2010-05-08", sent=0)
    with socket.create_connection(("127.0.0.1", wire.port), 50) as s:
        s.sendall(head)
        assert s.recv(100).startswith(b"HTTP/1.1 413")

"""What a write leaves to be seen while it goes on: the old object, whole, until the new one is there, whole."""

import http.client
import threading
import time

import pytest
from botocore.exceptions import ClientError

from cloud import get, keys, pattern, put
from wire import UNSIGNED, stamp

MIB = 1 << 20


class Slow:
    """A PUT that stops half-way until it is told to go on."""

    def __init__(self, wire, path, body):
        self.body = body
        signature = wire.signature()
        headers = {"Host": wire.netloc, "x-amz-date": stamp(signature.moment), "x-amz-content-sha256": UNSIGNED}
        names, value = signature.request("PUT", path, "", headers, UNSIGNED)
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signature.access}/{signature.scope}, SignedHeaders={names}, Signature={value}"
        )
        self.connection = http.client.HTTPConnection(wire.netloc, timeout=60)
        self.connection.putrequest("PUT", path, skip_host=True, skip_accept_encoding=True)
        for name, text in headers.items():
            self.connection.putheader(name, text)
        self.connection.putheader("Content-Length", str(len(body)))
        self.connection.endheaders()
        self.connection.send(body[: len(body) // 2])

    def finish(self):
        try:
            self.connection.send(self.body[len(self.body) // 2 :])
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was all there; the answer is to be read all the same
        answer = self.connection.getresponse()
        answer.read()
        self.connection.close()
        return answer.status


@pytest.mark.parametrize("size", [20_000, MIB, 6 * MIB])
def test_a_write_is_seen_when_it_is_done(cloud, s3, bucket, size):
    old, new = pattern(size, 1), pattern(size, 2)
    put(s3, bucket, "k", old)
    writer = Slow(cloud.wire("secret-analyst"), f"/{bucket}/k", new)
    time.sleep(0.05)
    assert get(s3, bucket, "k") == old and s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == size
    assert writer.finish() == 200
    assert get(s3, bucket, "k") == new


def test_a_first_write_is_not_seen_before(cloud, s3, bucket):
    writer = Slow(cloud.wire("secret-analyst"), f"/{bucket}/k", pattern(MIB))
    time.sleep(0.05)
    assert keys(s3, bucket) == []
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key="k")
    assert writer.finish() == 200 and keys(s3, bucket) == ["k"]


def test_the_last_writer_to_end_wins(cloud, s3, bucket):
    bodies = [pattern(MIB, n) for n in range(3)]
    first = Slow(cloud.wire("secret-analyst"), f"/{bucket}/k", bodies[0])
    second = Slow(cloud.wire("secret-analyst"), f"/{bucket}/k", bodies[1])
    put(s3, bucket, "k", bodies[2])
    assert second.finish() == 200 and get(s3, bucket, "k") == bodies[1]
    assert first.finish() == 200 and get(s3, bucket, "k") == bodies[0]


def test_a_deletion_during_a_write(cloud, s3, bucket):
    put(s3, bucket, "k", b"old")
    writer = Slow(cloud.wire("secret-analyst"), f"/{bucket}/k", pattern(MIB))
    s3.delete_object(Bucket=bucket, Key="k")
    assert keys(s3, bucket) == []
    assert writer.finish() == 200 and get(s3, bucket, "k") == pattern(MIB)


def test_a_bucket_that_goes_during_a_write(cloud, s3, bucket):
    writer = Slow(cloud.wire("secret-analyst"), f"/{bucket}/k", pattern(MIB))
    time.sleep(0.05)
    s3.delete_bucket(Bucket=bucket)
    assert writer.finish() == 404
    assert bucket not in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_a_reader_keeps_what_it_began_with(cloud, s3, bucket):
    old = pattern(8 * MIB, 1)
    put(s3, bucket, "k", old)
    body = s3.get_object(Bucket=bucket, Key="k")["Body"]
    start = body.read(1000)
    for n in range(3):
        put(s3, bucket, "k", pattern(8 * MIB, n + 2))
    s3.delete_object(Bucket=bucket, Key="k")
    assert start + body.read() == old


def test_writers_and_listers_at_once(cloud, s3, bucket):
    """A listing shows only whole objects: ETag and size of one value, never of two."""
    bodies = [pattern(1000 * (n + 1), n) for n in range(4)]
    allowed = {(put(s3, bucket, "k", body)["ETag"], len(body)) for body in bodies}
    stop, faults = time.monotonic() + 2, []

    def write(n):
        mine = cloud.s3("secret-analyst")
        while time.monotonic() < stop:
            put(mine, bucket, "k", bodies[n])

    def look():
        mine = cloud.s3("secret-analyst")
        while time.monotonic() < stop:
            found = [(o["ETag"], o["Size"]) for o in mine.list_objects_v2(Bucket=bucket).get("Contents", [])]
            if len(found) != 1 or not set(found) <= allowed:
                faults.append(found)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)] + [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]

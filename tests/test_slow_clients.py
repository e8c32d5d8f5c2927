"""Clients that go away in the middle, and clients that never finish."""

import random
import socket
import threading
import time

from cloud import get, make_bucket, put


def test_a_client_that_goes_away_loses_no_object(cloud, name):
    """Overwrites whose client closes the connection around the commit: afterwards the object is the old or a new one, whole."""
    s3 = make_bucket_and_first(cloud, name)
    wire = cloud.wire("secret-analyst")
    bodies = {0: b"first" * 20_000}
    put(s3, name, "k", bodies[0])
    rng = random.Random(5)
    for n in range(1, 121):
        bodies[n] = rng.randbytes(70_000)
        head, body = wire.raw("PUT", f"/{name}/k", bodies[n])
        with socket.create_connection(("127.0.0.1", wire.port), 10) as s:
            s.sendall(head + body)
            time.sleep(rng.random() * 0.02)
        if n % 10 == 0:
            assert get(s3, name, "k") in bodies.values(), f"round {n}"
    assert get(s3, name, "k") in bodies.values()


def make_bucket_and_first(cloud, name):
    s3 = cloud.s3("secret-analyst")
    make_bucket(s3, name)
    return s3


def test_stalled_uploads_hold_up_nobody_else(cloud, name):
    """Hundreds of uploads at one label that stop in the middle; a session at another label reads and writes large objects."""
    low = cloud.s3("secret-analyst-low")
    make_bucket(low, name)
    big = random.Random(6).randbytes(3_000_000)
    put(low, name, "big", big)
    wire = cloud.wire("secret-analyst")
    stalled = []
    try:
        for n in range(560):
            head, body = wire.raw("PUT", f"/{name}/stalled-{n}", b"x" * 10_000_000, sent=40_000)
            s = socket.create_connection(("127.0.0.1", wire.port), 10)
            s.sendall(head + body)
            stalled.append(s)
        done = []

        def work():
            assert get(low, name, "big") == big
            put(low, name, "big2", big)
            done.append(True)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
        assert done, "a large read and a large write at the lower label did not finish in time"
    finally:
        for s in stalled:
            s.close()
    assert "Contents" not in low.list_objects_v2(Bucket=name, Prefix="stalled")

"""Noninterference over HTTP (DESIGN.md section 1).

A random history of several sessions at four labels is run against a fresh cloud, once whole and once without the operations of
the sessions whose label is not ≤ L. The answers to the sessions ≤ L must be the same: status, headers and body as bytes.

In process nothing is masked (crates' own tests). Here the clock and the random identifiers are the real ones, so what they make is
replaced: dates go, and an identifier becomes the number of its first appearance to the sessions ≤ L, so that equality of
identifiers is still compared.
"""

import random
import re
import os

import pytest

BOTH, SI, TK, LOW, FLOOR = "TOP SECRET//SI/TK", "TOP SECRET//SI", "TOP SECRET//TK", "SECRET", "UNCLASSIFIED"
SESSIONS = {  # session → (profile, label)
    "both": ("topsecret-analyst", BOTH),
    "si-1": ("topsecret-si", SI),
    "si-2": ("topsecret-si", SI),
    "tk": ("topsecret-tk", TK),
    "low-1": ("topsecret-analyst-low", LOW),
    "low-2": ("topsecret-analyst-low", LOW),
    "admin": ("topsecret-admin", FLOOR),
}
BELOW = {SI: {SI, LOW, FLOOR}, TK: {TK, LOW, FLOOR}, LOW: {LOW, FLOOR}}
BUCKETS, KEYS = ["nine", "ten-b"], ["a", "b", "dir/c", "dir/d e"]
SEEDS = [int(s) for s in os.environ.get("FASTNESS_HTTP_SEEDS", "1 2").split()]
LENGTH = int(os.environ.get("FASTNESS_HTTP_LENGTH", "90"))


def history(seed):
    """Operations as data; `pick` names an identifier among those that the same session has been told."""
    rng, ops = random.Random(seed), []
    kinds = {
        "create_bucket": 4, "delete_bucket": 3, "head_bucket": 1, "list_buckets": 2, "versioning": 3, "get_versioning": 2, "put": 14, "put_if_none": 3, "get": 8,
        "get_version": 5, "head": 2, "delete": 6, "delete_version": 4, "delete_many": 2, "copy": 4, "list": 5, "list_paged": 2, "versions": 6, "upload": 3,
        "part": 4, "complete": 3, "abort": 1, "uploads": 2, "parts": 1, "users": 1, "create_user": 1, "location": 1,
    }
    people = [s for s in SESSIONS if s != "admin"]
    for s in people:  # enough to stand on
        if rng.random() < 0.7:
            ops.append(dict(session=s, kind="create_bucket", bucket=rng.choice(BUCKETS)))
    while len(ops) < LENGTH:
        kind = rng.choices(list(kinds), kinds.values())[0]
        session = "admin" if kind in ("users", "create_user") or rng.random() < 0.03 else rng.choice(people)
        ops.append(dict(
            session=session, kind=kind, bucket=rng.choice(BUCKETS), key=rng.choice(KEYS), other=rng.choice(KEYS), pick=rng.randrange(1000),
            size=rng.choice([0, 3, 700, 30_000, 70_000]), number=rng.randrange(1 << 30), status=rng.choice(["Enabled", "Suspended"]),
            delimiter=rng.choice(["", "/"]), label=rng.choice([None, None, None, "own", "wrong"]),
        ))
    return ops


class Run:
    def __init__(self, cloud):
        self.wires = {s: cloud.wire(p) for s, (p, _) in SESSIONS.items()}
        self.iam = cloud.wire("topsecret-admin", "iam")
        self.told = {s: [] for s in SESSIONS}  # version ids that a session has been told
        self.uploads = {s: [] for s in SESSIONS}
        self.account = cloud.account("topsecret-si")

    def pick(self, pool, op, default):
        return pool[op["pick"] % len(pool)] if pool else default

    def do(self, op):
        session, kind = op["session"], op["kind"]
        w, bucket = self.wires[session], op["bucket"]
        key = op.get("key", "a")
        b, k = f"/{bucket}", f"/{bucket}/{key}"
        body = random.Random(op.get("number", 0)).randbytes(op.get("size", 0))
        if kind == "create_bucket":
            return w.request("PUT", b)
        if kind == "delete_bucket":
            return w.request("DELETE", b)
        if kind == "head_bucket":
            return w.request("HEAD", b)
        if kind == "list_buckets":
            return w.request("GET", "/")
        if kind == "location":
            return w.request("GET", b, {"location": ""})
        if kind == "versioning":
            xml = f'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>{op["status"]}</Status></VersioningConfiguration>'
            return w.request("PUT", b, {"versioning": ""}, None, xml.encode())
        if kind == "get_versioning":
            return w.request("GET", b, {"versioning": ""})
        if kind in ("put", "put_if_none"):
            headers = {"If-None-Match": "*"} if kind == "put_if_none" else {}
            if op["label"]:
                own = SESSIONS[session][1]
                headers["x-amz-meta-classification"] = own if op["label"] == "own" else "CONFIDENTIAL"
            return w.request("PUT", k, None, headers, body)
        if kind == "get":
            return w.request("GET", k)
        if kind == "head":
            return w.request("HEAD", k)
        if kind in ("get_version", "delete_version"):
            version = self.pick(self.told[session], op, "null") if op["pick"] % 5 else "null"
            return w.request("GET" if kind == "get_version" else "DELETE", k, {"versionId": version})
        if kind == "delete":
            return w.request("DELETE", k)
        if kind == "delete_many":
            import base64
            import hashlib

            xml = f"<Delete><Object><Key>{key}</Key></Object><Object><Key>{op['other']}</Key></Object></Delete>".encode()
            return w.request("POST", b, {"delete": ""}, {"Content-MD5": base64.b64encode(hashlib.md5(xml).digest()).decode()}, xml)
        if kind == "copy":
            source = f"/{bucket}/{op['other']}".replace(" ", "%20")
            return w.request("PUT", k, None, {"x-amz-copy-source": source, "x-amz-metadata-directive": "REPLACE"})
        if kind == "list":
            return w.request("GET", b, {"list-type": "2", "delimiter": op["delimiter"]})
        if kind == "list_paged":
            return w.request("GET", b, {"list-type": "2", "max-keys": "2", "delimiter": op["delimiter"]})
        if kind == "versions":
            return w.request("GET", b, {"versions": "", "delimiter": op["delimiter"]})
        if kind == "upload":
            return w.request("POST", k, {"uploads": ""})
        if kind == "uploads":
            return w.request("GET", b, {"uploads": ""})
        if kind in ("part", "complete", "abort", "parts"):
            where, upload, tags = self.pick(self.uploads[session], op, (k, "none", []))
            if kind == "part":
                answer = w.request("PUT", where, {"uploadId": upload, "partNumber": "1"}, None, body)
                if answer.status == 200:
                    tags[:] = [answer.header("etag")]
                return answer
            if kind == "abort":
                return w.request("DELETE", where, {"uploadId": upload})
            if kind == "parts":
                return w.request("GET", where, {"uploadId": upload})
            part = tags[0] if tags else '"none"'
            xml = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>"
            return w.request("POST", where, {"uploadId": upload}, None, xml.encode())
        if kind == "users":
            return self.iam.query_api("ListUsers")
        if kind == "create_user":
            return self.iam.query_api("CreateUser", {"UserName": f"user-{op['number'] % 4}"})
        raise AssertionError(kind)

    def run(self, ops):
        answers = {}
        for n, op in ops:
            answer = self.do(op)
            answers[n] = answer
            session, text = op["session"], answer.body.decode("latin-1")
            for version in [answer.header("x-amz-version-id"), *re.findall(r"<VersionId>([^<]+)</VersionId>", text)]:
                if version and version not in self.told[session]:
                    self.told[session].append(version)
            if op["kind"] == "upload" and answer.status == 200:
                self.uploads[session].append((f"/{op['bucket']}/{op['key']}", re.search(r"<UploadId>([^<]+)<", text)[1], []))
        return answers


class Mask:
    """Replaces what the clock and the random source make. One for each run; answers in their order."""

    DROP = {"date", "x-amz-request-id", "x-amzn-requestid", "x-amz-id-2", "last-modified", "connection", "keep-alive"}
    DATES = re.compile(r"<(LastModified|CreationDate|Initiated|CreateDate)>[^<]*</\1>")
    NOISE = re.compile(r"<(RequestId|HostId)>[^<]*</\1>")
    IDS = re.compile(r"<(VersionId|UploadId|NextVersionIdMarker|VersionIdMarker|NextUploadIdMarker|NextContinuationToken|ContinuationToken|DeleteMarkerVersionId|ID|UserId)>([^<]+)</\1>")

    def __init__(self, account):
        self.names, self.account = {}, account

    def id(self, value):
        return value if value == "null" else self.names.setdefault(value, f"id-{len(self.names)}")

    def __call__(self, answer):
        text = answer.body.decode("latin-1")
        if answer.header("content-type", "").startswith(("application/xml", "text/xml")):
            text = self.DATES.sub(r"<\1/>", self.NOISE.sub(r"<\1/>", text))
            text = self.IDS.sub(lambda m: f"<{m[1]}>{self.id(m[2])}</{m[1]}>", text)
            xml = True
        else:
            xml = False
        headers = []
        for k, v in sorted((k.lower(), v) for k, v in answer.headers):
            if k in self.DROP or (xml and k == "content-length"):
                continue
            headers.append((k, self.id(v) if k in ("x-amz-version-id", "x-amz-copy-source-version-id") else v))
        text = text.replace(self.account, "ACCOUNT")
        return answer.status, headers, text


def seen(cloud, ops, label):
    """What the sessions ≤ label are told when exactly these operations run."""
    run = Run(cloud)
    answers = run.run(ops)
    return {n: answers[n] for n, op in ops if SESSIONS[op["session"]][1] in BELOW[label]}, run.account


def masked(answers, account):
    mask = Mask(account)
    return {n: mask(a) for n, a in answers.items()}


@pytest.fixture(scope="module", params=SEEDS)
def whole(request, tmp_path_factory):
    """The whole history, run once; each observer reads their part of it."""
    from cloud import Cloud

    ops = list(enumerate(history(request.param)))
    cloud = Cloud(tmp_path_factory.mktemp("whole") / "data").start()
    run = Run(cloud)
    answers = run.run(ops)
    assert cloud.stop() == 0
    return ops, answers, run.account


def compare(ops, left, right):
    assert left.keys() == right.keys()
    for n in left:
        assert left[n] == right[n], f"operation {n}, {ops[n][1]}:\nwhole:  {left[n]}\npurged: {right[n]}"


@pytest.mark.parametrize("label", [SI, TK, LOW])
def test_noninterference(whole, fresh_cloud, label):
    ops, answers, account = whole
    purged = [(n, op) for n, op in ops if SESSIONS[op["session"]][1] in BELOW[label]]
    assert len(purged) < len(ops)
    left = masked({n: answers[n] for n, _ in purged}, account)
    right = masked(*seen(fresh_cloud, purged, label))
    compare(ops, left, right)


def test_the_histories_are_worth_it():
    """Enough of them do something: the generator is not a heap of refusals. (Counted where a cloud has answered.)"""
    for seed in SEEDS:
        kinds = {op["kind"] for op in history(seed)}
        assert len(kinds) >= 15
        assert len({op["session"] for op in history(seed)}) >= 6


def test_enough_succeeds(whole):
    ops, answers, _ = whole
    good = [n for n, a in answers.items() if a.status < 300]
    assert len(good) > len(ops) // 3, [(ops[n][1]["kind"], a.status) for n, a in answers.items()]

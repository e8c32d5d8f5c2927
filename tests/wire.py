"""An S3 client on bare sockets with its own AWS signature version 4.

boto3 and the AWS CLI send only what is right. This one can send what is wrong, gives the answer as bytes,
and is an oracle of the signature that shares no code with the server or with botocore.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import time
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

EMPTY = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAM_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAM_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAM_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def utc(offset=0):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)


def stamp(moment):
    return moment.strftime("%Y%m%dT%H%M%SZ")


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def enc(text, safe="-_.~"):
    return quote(text, safe=safe)


@dataclass
class Answer:
    status: int
    headers: list
    body: bytes

    def header(self, name, default=None):
        for k, v in self.headers:
            if k.lower() == name.lower():
                return v
        return default

    @property
    def code(self):
        """The AWS error code of an S3 or IAM error document."""
        text = self.body.decode("utf-8", "replace")
        if "<Code>" not in text:
            return None
        return text.split("<Code>", 1)[1].split("</Code>", 1)[0]

    def __str__(self):
        return f"{self.status} {self.code} {self.body[:300]!r}"


@dataclass
class Signature:
    """Everything that goes into a signature, each part open to be falsified."""

    access: str
    secret: str
    region: str
    service: str = "s3"
    moment: datetime.datetime = field(default_factory=utc)
    scope_date: str | None = None
    terminator: str = "aws4_request"

    @property
    def date(self):
        return self.scope_date or self.moment.strftime("%Y%m%d")

    @property
    def scope(self):
        return f"{self.date}/{self.region}/{self.service}/{self.terminator}"

    def key(self):
        key = mac(("AWS4" + self.secret).encode(), self.date)
        return mac(mac(mac(key, self.region), self.service), self.terminator)

    def sign(self, text):
        return hmac.new(self.key(), text.encode(), hashlib.sha256).hexdigest()

    def request(self, method, path, query, headers, payload):
        """path and query already encoded for the wire; headers: the ones to sign."""
        pairs = sorted((k.lower(), " ".join(str(v).split())) for k, v in headers.items())
        names = ";".join(k for k, _ in pairs)
        canonical = "\n".join(
            [method, path, query, "".join(f"{k}:{v}\n" for k, v in pairs), names, payload]
        )
        text = "\n".join(
            ["AWS4-HMAC-SHA256", stamp(self.moment), self.scope, hashlib.sha256(canonical.encode()).hexdigest()]
        )
        return names, self.sign(text)

    def chunk(self, previous, data):
        return self.sign(
            "\n".join(
                ["AWS4-HMAC-SHA256-PAYLOAD", stamp(self.moment), self.scope, previous, EMPTY,
                 hashlib.sha256(data).hexdigest()]
            )
        )

    def trailer(self, previous, text):
        return self.sign(
            "\n".join(
                ["AWS4-HMAC-SHA256-TRAILER", stamp(self.moment), self.scope, previous,
                 hashlib.sha256(text.encode()).hexdigest()]
            )
        )


class Wire:
    """One connection (kept alive), one key. Not for several threads at once."""

    def __init__(self, endpoint, access, secret, region, service="s3", timeout=60):
        self.netloc = urlsplit(endpoint).netloc
        self.access, self.secret, self.region, self.service = access, secret, region, service
        self.timeout = timeout
        self.connection = None
        self.used = 0.0

    def signature(self, **changes):
        values = dict(access=self.access, secret=self.secret, region=self.region, service=self.service)
        return Signature(**(values | changes))

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def send(self, method, target, headers, body=b"", length=None):
        """Sends exactly this; answers what came back."""
        # The server ends a connection on which nothing comes for half a minute.
        if time.monotonic() - self.used > 20:
            self.close()
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.netloc, timeout=self.timeout)
        c = self.connection
        try:
            c.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            names = {k.lower() for k in headers}
            if "host" not in names:
                c.putheader("Host", self.netloc)
            for k, v in headers.items():
                c.putheader(k, v)
            if length is None:
                length = len(body)
            if "content-length" not in names and (body or method in ("PUT", "POST")):
                c.putheader("Content-Length", str(length))
            c.endheaders()
            if body:
                try:
                    c.send(body)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # refused early; the answer is to be read all the same
            r = c.getresponse()
            answer = Answer(r.status, r.getheaders(), r.read())
            if r.will_close:
                self.close()
            self.used = time.monotonic()
            return answer
        except BaseException:
            self.close()
            raise

    @staticmethod
    def target(path, query):
        wire_path = enc(path, "-_.~/")
        wire_query = "&".join(f"{enc(k)}={enc(v or '')}" for k, v in sorted(query.items()))
        return wire_path, wire_query

    def request(self, method, path, query=None, headers=None, body=b"", payload=None, signature=None,
                unsigned=None, not_signed=(), drop=()):
        """A signed request. payload: what x-amz-content-sha256 says; unsigned: headers sent but not signed;
        not_signed: names left out of the signature; drop: names signed but not sent."""
        signature = signature or self.signature()
        wire_path, wire_query = self.target(path, query or {})
        if payload is None:
            payload = hashlib.sha256(body).hexdigest()
        sent = {"Host": self.netloc, "x-amz-date": stamp(signature.moment), "x-amz-content-sha256": payload}
        sent.update(headers or {})
        signed = {k: v for k, v in sent.items() if k.lower() not in not_signed}
        names, value = signature.request(method, wire_path, wire_query, signed, payload)
        sent["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signature.access}/{signature.scope}, SignedHeaders={names}, Signature={value}"
        )
        sent.update(unsigned or {})
        sent = {k: v for k, v in sent.items() if k.lower() not in drop}
        return self.send(method, wire_path + ("?" + wire_query if wire_query else ""), sent, body)

    @property
    def port(self):
        return int(self.netloc.rsplit(":", 1)[1])

    def raw(self, method, path, body, sent=None):
        """The bytes of a signed request: its head, which announces the whole body, and the body or its first `sent` bytes."""
        signature = self.signature()
        wire_path, _ = self.target(path, {})
        payload = hashlib.sha256(body).hexdigest()
        headers = {"Host": self.netloc, "x-amz-date": stamp(signature.moment), "x-amz-content-sha256": payload}
        names, value = signature.request(method, wire_path, "", headers, payload)
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signature.access}/{signature.scope}, SignedHeaders={names}, Signature={value}"
        )
        headers["Content-Length"] = str(len(body))
        lines = [f"{method} {wire_path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        return "\r\n".join(lines).encode(), body[:sent]

    def presign(self, method, path, expires, query=None, signature=None, extra=None):
        signature = signature or self.signature()
        query = dict(query or {})
        query.update({
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{signature.access}/{signature.scope}",
            "X-Amz-Date": stamp(signature.moment),
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": "host",
        })
        query.update(extra or {})
        wire_path, wire_query = self.target(path, query)
        _, value = signature.request(method, wire_path, wire_query, {"host": self.netloc}, UNSIGNED)
        return f"{wire_path}?{wire_query}&X-Amz-Signature={value}"

    def put_chunked(self, path, chunks, kind=STREAM_SIGNED, trailer=None, headers=None, decoded=None,
                    tamper=None, cut=0):
        """PUT in aws-chunked form. trailer: (name, value); tamper: bytes of the body → bytes; cut: so many bytes
        at the end are announced and never sent."""
        signature = self.signature()
        signed = kind != STREAM_UNSIGNED_TRAILER
        wire_path, _ = self.target(path, {})
        total = sum(len(c) for c in chunks)
        sent = {
            "Host": self.netloc, "x-amz-date": stamp(signature.moment), "x-amz-content-sha256": kind,
            "Content-Encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(total if decoded is None else decoded),
        }
        if trailer:
            sent["x-amz-trailer"] = trailer[0]
        sent.update(headers or {})
        names, seed = signature.request("PUT", wire_path, "", sent, kind)
        sent["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signature.access}/{signature.scope}, SignedHeaders={names}, Signature={seed}"
        )
        body = bytearray()
        previous = seed
        for chunk in [*chunks, b""]:
            if signed:
                previous = signature.chunk(previous, chunk)
                body += f"{len(chunk):x};chunk-signature={previous}\r\n".encode()
            else:
                body += f"{len(chunk):x}\r\n".encode()
            if chunk:
                body += chunk + b"\r\n"
        if trailer:
            body += f"{trailer[0]}:{trailer[1]}\r\n".encode()
            if signed:
                value = signature.trailer(previous, f"{trailer[0]}:{trailer[1]}\n")
                body += f"x-amz-trailer-signature:{value}\r\n".encode()
        body += b"\r\n"
        body = bytes(body)
        if tamper:
            body = tamper(body)
        if cut:
            return self.send_cut("PUT", wire_path, sent, body, cut)
        return self.send("PUT", wire_path, sent, body)

    def send_cut(self, method, target, headers, body, cut):
        """Announces the whole body, sends all but the last `cut` bytes and closes the sending side."""
        import socket

        self.close()
        c = http.client.HTTPConnection(self.netloc, timeout=self.timeout)
        try:
            c.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for k, v in headers.items():
                c.putheader(k, v)
            c.putheader("Content-Length", str(len(body)))
            c.endheaders()
            c.send(body[: len(body) - cut])
            c.sock.shutdown(socket.SHUT_WR)
            try:
                r = c.getresponse()
                return Answer(r.status, r.getheaders(), r.read())
            except (http.client.HTTPException, OSError):
                return None
        finally:
            c.close()

    def query_api(self, action, parameters=None, version="2010-05-08", signature=None, **kw):
        """A call of the IAM or STS query protocol."""
        form = "&".join(
            f"{enc(k)}={enc(v)}" for k, v in {"Action": action, "Version": version, **(parameters or {})}.items()
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return self.request("POST", "/", None, headers, form.encode(), signature=signature, **kw)


def _crc_table(poly):
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (poly if n & 1 else 0)
        table.append(n)
    return table


_C32C = _crc_table(0x82F63B78)
_C64 = _crc_table(0x9A6C9329AC4BC9B5)


def _crc(data, table, mask, size):
    crc = mask
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    return base64.b64encode((crc ^ mask).to_bytes(size, "big")).decode()


def crc32c(data):
    return _crc(data, _C32C, 0xFFFFFFFF, 4)


def crc64nvme(data):
    return _crc(data, _C64, 0xFFFFFFFFFFFFFFFF, 8)


def crc32(data):
    import zlib

    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def sha256(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def sha1(data):
    return base64.b64encode(hashlib.sha1(data).digest()).decode()


assert crc32c(b"123456789") == base64.b64encode(bytes.fromhex("E3069283")).decode()
assert crc64nvme(b"123456789") == base64.b64encode(bytes.fromhex("AE8B14860A799888")).decode()


def pattern_chunks(sizes):
    import random

    return [random.Random(n * 7919 + size).randbytes(size) for n, size in enumerate(sizes)]

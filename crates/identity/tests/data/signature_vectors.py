"""Writes signature_vectors.json: requests signed by botocore, an implementation that is not ours.

Run it here, with botocore and boto3 installed: python3 signature_vectors.py
The time, keys and inputs are fixed, so the same botocore writes the same file.
"""

import datetime
import io
import json
import pathlib
from unittest import mock

import boto3
import botocore
import botocore.auth
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "eu-isoe-west-1"
NOW = datetime.datetime(2026, 11, 21, 21, 30, 5, tzinfo=datetime.timezone.utc)
HOST = "https://fastness.example:8443"
VECTORS = []


def text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def record(name, service, request, body=b""):
    """A prepared request becomes one vector."""
    url = request.url
    scheme_end = url.index("//") + 2
    slash = url.index("/", scheme_end)
    headers = [
        [key, text(value)]
        for key, value in request.headers.items()
        if key.lower() not in ("user-agent", "amz-sdk-invocation-id")  # differ from run to run
    ]
    if "host" not in {key.lower() for key, _ in headers}:
        headers.append(["Host", url[scheme_end:slash]])
    VECTORS.append(
        {
            "name": name,
            "service": service,
            "method": request.method,
            "target": url[slash:],
            "headers": headers,
            "body": body.hex(),
        }
    )


def sign(name, service, method, target, headers=None, body=b"", auth=None, https=True):
    url = (HOST if https else HOST.replace("https", "http")) + target
    request = AWSRequest(method=method, url=url, headers=headers or {}, data=body)
    signer = auth or (S3SigV4Auth if service == "s3" else SigV4Auth)
    signer(Credentials(KEY, SECRET), service, REGION).add_auth(request)
    record(name, service, request.prepare(), body)


def low_level():
    paths = {
        "root": "/",
        "plain": "/bucket/key",
        "space": "/bucket/a%20b",
        "plus": "/bucket/a%2Bb",
        "unicode": "/bucket/gr%C3%BC%C3%9Fe/%F0%9F%8F%B0",
        "double slash": "/bucket//a//b/",
        "dots": "/bucket/../a/./b/...",
        "punctuation": "/bucket/%21%22%23%24%25%26%27%28%29%2A%2C%3A%3B%3D%3F%40%5B%5D",
        "unreserved": "/bucket/-_.~",
        "percent twice": "/bucket/100%2525",
        "encoded slash": "/bucket/a%2Fb",
        "control": "/bucket/%00%0A%7F",
    }
    for name, path in paths.items():
        sign(f"path: {name}", "s3", "GET", path)
    queries = {
        "sub-resource": "?acl",
        "empty value": "?prefix=&delimiter=",
        "order": "?b=2&a=1&A=0&a-b=3&a=0&a=",
        "duplicates": "?x=2&x=1&x=10",
        "space and plus": "?prefix=a%20b%2Bc",
        "unicode": "?prefix=%E6%97%A5%E6%9C%AC&marker=%C3%A9",
        "slash": "?list-type=2&prefix=a%2Fb%2F&continuation-token=1%2Fabc%3D%3D",
        "equals": "?prefix=a%3Db%26c",
        "tilde": "?prefix=~._-",
    }
    for name, query in queries.items():
        sign(f"query: {name}", "s3", "GET", "/bucket" + query)
    sign("headers: spaces", "s3", "PUT", "/b/k", {"x-amz-meta-a": "  two   words \t here  "}, b"body")
    sign("headers: empty", "s3", "PUT", "/b/k", {"x-amz-meta-a": "", "Content-Type": "text/plain"}, b"x")
    sign("headers: range", "s3", "GET", "/b/k", {"Range": "bytes=0-9", "If-Match": '"a, b"'})
    sign("headers: date", "s3", "GET", "/b/k", {"Date": "set by botocore"})
    sign("delete", "s3", "DELETE", "/b/k?versionId=3%2FL4kqtJlcpXroDTDmJ%2BrmSpXd3dIbrHY")
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    sign("iam", "iam", "POST", "/", form, b"Action=ListUsers&Version=2010-05-08")
    sign("sts", "sts", "POST", "/", form, b"Action=GetCallerIdentity&Version=2011-06-15")
    sign("sts get", "sts", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15")
    sign("fastness", "fastness", "POST", "/", {"X-Amz-Target": "Fastness.Explain"}, b"{}")
    sign("fastness path", "fastness", "GET", "/v1/a%20b/c%2Fd?x=y%20z")
    for name, target in {
        "plain": "/bucket/key",
        "path and query": "/bucket/a%20b%2Bc?versionId=a%2Fb&response-content-type=text%2Fplain",
        "empty": "/bucket?acl=",
    }.items():
        sign(f"presigned: {name}", "s3", "GET", target, auth=S3SigV4QueryAuth)
    sign("presigned: header", "s3", "PUT", "/b/k", {"x-amz-acl": "private"}, auth=S3SigV4QueryAuth)
    sign("presigned: sts", "sts", "GET", "/?Action=GetCallerIdentity", auth=SigV4QueryAuth)


def clients():
    """Whole requests as boto3 sends them, taken just before the wire."""
    captured = []

    def capture(request, **_):
        body = request.body
        body = b"" if body is None else body.read() if hasattr(body, "read") else body
        captured.append((request, body.encode() if isinstance(body, str) else body))
        return AWSResponse(request.url, 200, {}, io.BytesIO(b""))

    def client(service, **options):
        made = boto3.client(
            service,
            region_name=REGION,
            endpoint_url=HOST,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, **options),
        )
        made.meta.events.register("before-send.*.*", capture)
        return made

    def call(name, service, function):
        captured.clear()
        try:
            function()
        except AttributeError:  # the answer is a stub: only the request counts
            pass
        request, body = captured[0]
        record(f"boto3: {name}", service, request, body)

    s3 = client("s3")
    data = bytes(range(256)) * 16
    call("put bytes", "s3", lambda: s3.put_object(Bucket="b", Key="a b/ü+~'()", Body=data))
    call(
        "put with a trailer",
        "s3",
        lambda: s3.put_object(
            Bucket="b", Key="k", Body=io.BytesIO(data), ChecksumAlgorithm="SHA256",
            Metadata={"colour": "blue  and green"}, ContentEncoding="gzip",
        ),
    )
    call("put empty", "s3", lambda: s3.put_object(Bucket="b", Key="k", Body=io.BytesIO(b"")))
    call("list", "s3", lambda: s3.list_objects_v2(Bucket="b", Prefix="a b/+&=", StartAfter="é"))
    call("copy", "s3", lambda: s3.copy_object(Bucket="b", Key="k2", CopySource={"Bucket": "b", "Key": "ü k"}))
    call(
        "delete many", "s3",
        lambda: s3.delete_objects(Bucket="b", Delete={"Objects": [{"Key": "a&b"}]}),
    )
    call("iam", "iam", lambda: client("iam").create_user(UserName="zoé", Path="/a/"))
    call("sts", "sts", lambda: client("sts").get_caller_identity())


def main():
    now = mock.Mock(return_value=NOW)
    with mock.patch.object(botocore.auth, "get_current_datetime", now):
        low_level()
        clients()
    target = pathlib.Path(__file__).with_name("signature_vectors.json")
    document = {
        "botocore": botocore.__version__,
        "access_key_id": KEY,
        "secret": SECRET,
        "region": REGION,
        "now_unix": int(NOW.timestamp()),
        "vectors": VECTORS,
    }
    target.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(len(VECTORS), "vectors")


if __name__ == "__main__":
    main()

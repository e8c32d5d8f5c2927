"""Forms that browsers post: what their policy allows is stored like a PUT, everything else is refused."""

import base64
import json
import re
import shutil
import subprocess
import urllib.parse

import pytest

from cloud import get, keys, make_bucket, pattern, put, refused
from forms import post, send, sign


@pytest.fixture
def form(s3, bucket):
    """Signs a form for the bucket and posts it."""

    def make(key="k", body=b"x", fields=None, conditions=None, change=None, **more):
        given = dict(fields or {})
        url, signed = sign(s3, bucket, key, given, [{k: v} for k, v in given.items()] + list(conditions or []))
        signed.update(change or {})
        return post(url, {k: v for k, v in signed.items() if v is not None}, body, **more)

    return make


def test_a_form_is_a_put(form, s3, bucket):
    body = pattern(3_000_000)
    answer = form("a/b", body, {
        "Content-Type": "text/csv", "Cache-Control": "no-store", "Content-Disposition": "inline", "x-amz-meta-a": "1", "acl": "private",
        "tagging": "<Tagging><TagSet><Tag><Key>a b</Key><Value>1 +2</Value></Tag></TagSet></Tagging>",
    })
    assert (answer.status, answer.body) == (204, b""), answer
    got = s3.get_object(Bucket=bucket, Key="a/b")
    assert got["Body"].read() == body and got["Metadata"] == {"a": "1"}
    assert (got["ContentType"], got["CacheControl"], got["ContentDisposition"]) == ("text/csv", "no-store", "inline")
    assert answer.header("etag") == got["ETag"] and answer.header("x-fastness-label")
    assert answer.header("location").endswith(f"/{bucket}/a/b")
    assert s3.get_object_tagging(Bucket=bucket, Key="a/b")["TagSet"] == [{"Key": "a b", "Value": "1 +2"}]


def test_success_is_answered_as_asked(form, bucket):
    for status in ("200", "201", "204"):
        assert form(fields={"success_action_status": status}).status == int(status)
    assert form(fields={"success_action_status": "302"}).status == 204
    answer = form("a & b/ü", fields={"success_action_status": "201"})
    assert answer.header("content-type") == "application/xml"
    text = answer.body.decode()
    assert f"<Bucket>{bucket}</Bucket><Key>a &amp; b/ü</Key>" in text and "<ETag>" in text
    assert re.search(r"<Location>http://127.0.0.1:\d+/" + bucket + r"/a%20%26%20b/%C3%BC</Location>", text)


def test_success_redirects(form, bucket):
    for name in ("success_action_redirect", "redirect"):
        for page, sign_ in [("http://example.com/done", "?"), ("https://example.com/done?a=1", "&")]:
            answer = form("k&1", fields={name: page})
            assert answer.status == 303
            where = answer.header("location")
            assert where.startswith(page + sign_)
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(where).query))
            assert (query["bucket"], query["key"]) == (bucket, "k&1") and query["etag"] == answer.header("etag")
    for no_page in ("nowhere", "javascript://example.com/%0aalert(1)", "http://"):
        assert form(fields={"success_action_redirect": no_page}).status == 204


def test_the_name_of_the_file_goes_into_the_key(form, s3, bucket):
    for given, key in [("photo.jpg", "u/photo.jpg"), ("C:\\pictures\\me.png", "u/me.png"), ("/etc/x", "u/x")]:
        assert form("u/${filename}", filename=given).status == 204
        assert key in keys(s3, bucket)


def test_a_policy_is_held_to(form, s3, bucket):
    def refuses(code, status=403, **more):
        answer = form(**more)
        assert (answer.status, answer.code) == (status, code), answer
        return answer.body.decode()

    allowed = [["starts-with", "$x-amz-meta-a", "b"], ["content-length-range", 2, 4]]
    good = {"x-amz-meta-a": "bc"}
    assert form(conditions=allowed, change=good, body=b"12").status == 204
    s3.delete_object(Bucket=bucket, Key="k")
    assert "Policy Condition failed" in refuses("AccessDenied", conditions=allowed, change={"x-amz-meta-a": "c"}, body=b"12")
    assert "Policy Condition failed" in refuses("AccessDenied", conditions=allowed, body=b"12")
    assert "Policy Condition failed" in refuses("AccessDenied", change={"key": "other"})
    assert "Extra input fields: x-amz-meta-z" in refuses("AccessDenied", change={"x-amz-meta-z": "1"})
    assert "Extra input fields: submit" in refuses("AccessDenied", change={"submit": "Go"})
    refuses("EntityTooSmall", 400, conditions=allowed, change=good, body=b"1")
    refuses("EntityTooLarge", 400, conditions=allowed, change=good, body=b"12345")
    refuses("EntityTooLarge", 400, conditions=allowed, change=good, body=pattern(5_000_000))
    assert keys(s3, bucket) == []
    assert form(change={"x-ignore-submit": "Go"}).status == 204


def test_a_policy_ends(s3, bucket):
    url, fields = sign(s3, bucket, "k", seconds=-1)
    answer = post(url, fields)
    assert (answer.status, answer.code) == (403, "AccessDenied") and b"Policy expired" in answer.body
    assert keys(s3, bucket) == []


def test_the_policy_is_of_this_bucket(s3, bucket):
    other = make_bucket(s3, f"{bucket}-2")
    url, fields = sign(s3, bucket, "k")
    answer = post(url.replace(bucket, other), fields)
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert keys(s3, other) == keys(s3, bucket) == []


def resign(cloud, fields, policy):
    """The fields with another policy under a right signature."""
    from wire import mac

    text = base64.b64encode(policy if isinstance(policy, bytes) else json.dumps(policy).encode()).decode()
    profile = cloud.profile("secret-analyst")
    _, day, region, service, end = fields["x-amz-credential"].split("/")
    key = ("AWS4" + profile["aws_secret_access_key"]).encode()
    for part in (day, region, service, end):
        key = mac(key, part)
    return {**fields, "policy": text, "x-amz-signature": mac(key, text).hex()}


@pytest.mark.parametrize("policy", [
    b"{", b"[]", b"\xff", {"conditions": []}, {"expiration": "2030-01-01T00:00:00Z"}, {"expiration": "soon", "conditions": []},
    {"expiration": "2030-01-01T00:00:00Z", "conditions": [["like", "$key", "k"]]},
    {"expiration": "2030-01-01T00:00:00Z", "conditions": [["content-length-range", 1]]},
])
def test_what_is_no_policy_is_refused(cloud, s3, bucket, policy):
    url, fields = sign(s3, bucket, "k")
    answer = post(url, resign(cloud, fields, policy))
    assert (answer.status, answer.code) == (400, "InvalidPolicyDocument"), answer
    assert keys(s3, bucket) == []


def test_an_empty_policy_allows_nothing(cloud, s3, bucket):
    url, fields = sign(s3, bucket, "k")
    answer = post(url, resign(cloud, fields, {"expiration": "2030-01-01T00:00:00Z", "conditions": []}))
    assert (answer.status, answer.code) == (403, "AccessDenied") and b"Extra input fields: bucket" in answer.body


def test_nobody_posts_without_a_right_signature(form, cloud, s3, bucket):
    for change, status, code in [
        ({"x-amz-signature": "0" * 64}, 403, "SignatureDoesNotMatch"),
        ({"x-amz-signature": "zz"}, 400, "InvalidArgument"),
        ({"x-amz-signature": None}, 400, "InvalidArgument"),
        ({"policy": None}, 400, "InvalidArgument"),
        ({"policy": base64.b64encode(b"{}").decode()}, 403, "SignatureDoesNotMatch"),
        ({"policy": None, "x-amz-signature": None}, 403, "AccessDenied"),
        ({"x-amz-credential": "AKIAAAAAAAAAAAAAAAAA/20200101/us-isob-east-1/s3/aws4_request"}, 403, "InvalidAccessKeyId"),
        ({"x-amz-credential": "x"}, 400, "InvalidArgument"),
        ({"x-amz-algorithm": "AWS4-ECDSA-P256-SHA256"}, 400, "InvalidRequest"),
        ({"x-amz-date": None}, 400, "InvalidArgument"),
        ({"x-amz-security-token": "t"}, 400, "InvalidToken"),
        ({"AWSAccessKeyId": "a"}, 400, "InvalidRequest"),
    ]:
        answer = form(change=change)
        assert (answer.status, answer.code) == (status, code), (change, answer)
    url, fields = sign(s3, bucket, "k")
    unknown = fields["x-amz-credential"].split("/")
    unknown[0] = "AKIAAAAAAAAAAAAAAAAA"
    answer = post(url, {**fields, "x-amz-credential": "/".join(unknown)})
    assert (answer.status, answer.code) == (403, "InvalidAccessKeyId")
    # The right key, for another region, service or day.
    for place, value in [(1, "20200101"), (2, "us-east-1"), (3, "iam")]:
        parts = fields["x-amz-credential"].split("/")
        parts[place] = value
        answer = post(url, {**fields, "x-amz-credential": "/".join(parts)})
        assert answer.status == 400 and answer.code in ("AuthorizationHeaderMalformed", "InvalidArgument"), answer
    assert keys(s3, bucket) == []


def test_what_is_no_form_is_refused(form, s3, bucket):
    url, fields = sign(s3, bucket, "k")

    def check(answer, code):
        assert (answer.status, answer.code) == (400, code), answer

    check(post(url, {k: v for k, v in fields.items() if k != "key"}), "InvalidArgument")
    check(post(url, fields, body=None), "InvalidArgument")
    check(post(url, [*fields.items(), ("key", "k")]), "InvalidArgument")
    check(post(url, {"x-ignore-a": "a" * 30_000, **fields}), "MaxPostPreDataLengthExceeded")
    check(post(url, {"x-ignore-a": "a" * 300_000, **fields}), "MaxPostPreDataLengthExceeded")
    for kind in ("multipart/form-data", "multipart/form-data; boundary="):
        check(send(url, b"--x--\r\n", {"Content-Type": kind}), "MalformedPOSTRequest")
    typed = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"x", b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"):
        check(send(url, body, typed), "MalformedPOSTRequest")
    check(send(url, b"--x--\r\n", typed), "InvalidArgument")
    # The end of the file never comes.
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (k.encode(), v.encode()) for k, v in fields.items())
    check(send(url, parts + b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n12345', typed), "IncompleteBody")
    assert post(url + "/k", fields).status == 405
    assert post(url + "?tagging", fields).status == 501
    assert keys(s3, bucket) == []


def test_what_stands_behind_the_file_is_passed_over(s3, bucket):
    url, fields = sign(s3, bucket, "k")
    answer = post(url, [*fields.items(), ("file", ("f", b"whole")), ("submit", "Go"), ("key", "other")], body=None)
    assert answer.status == 204
    assert keys(s3, bucket) == ["k"] and get(s3, bucket, "k") == b"whole"


def test_headers_of_a_put_do_what_they_do_there(form, s3, bucket):
    assert form(fields={"x-amz-checksum-sha256": "AAAA"}).code == "InvalidRequest"
    wrong = base64.b64encode(bytes(32)).decode()
    assert form(fields={"x-amz-checksum-sha256": wrong}).code == "BadDigest"
    assert form(fields={"x-amz-foo": "1"}).status == 501
    assert form(fields={"acl": "public-read"}).code == "AccessControlListNotSupported"
    assert form(fields={"tagging": "<Tagging><TagSet>"}).code == "MalformedXML"
    assert form(fields={"x-amz-storage-class": "GLACIER"}).status >= 400
    assert keys(s3, bucket) == []
    assert form(fields={"x-amz-storage-class": "STANDARD", "x-amz-server-side-encryption": "AES256"}).status == 204


def test_a_form_writes_at_its_signers_label(cloud, bucket, s3):
    """A form is of the key that signed it: what it stores has that key's label, and lower ones do not see it."""
    high, low = s3, cloud.s3("secret-analyst-low")
    url, fields = sign(high, bucket, "k")
    assert post(url, fields).status == 204
    with refused("NoSuchBucket"):
        low.get_object(Bucket=bucket, Key="k")
    # The bucket of another is as if it were not there.
    url, fields = sign(low, bucket, "k2")
    answer = post(url, fields)
    assert (answer.status, answer.code) == (404, "NoSuchBucket")
    assert keys(high, bucket) == ["k"]


def test_pages_of_other_origins_post_where_the_rules_allow(s3, bucket):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["https://a"], "AllowedMethods": ["POST"]}]})
    url, fields = sign(s3, bucket, "k")
    answer = post(url, fields, headers={"Origin": "https://a"})
    assert answer.status == 204 and answer.header("access-control-allow-origin") == "https://a"
    assert post(url, fields, headers={"Origin": "https://b"}).header("access-control-allow-origin") is None


def test_virtual_hosts_take_forms(s3, bucket):
    url, fields = sign(s3, bucket, "k")
    base, host = url.rsplit("/", 1)[0], url.split("//")[1].split("/")[0]
    answer = post(base + "/", fields, headers={"Host": f"{bucket}.localhost:{host.split(':')[1]}"})
    assert answer.status == 204 and keys(s3, bucket) == ["k"]


@pytest.mark.skipif(not shutil.which("curl"), reason="this machine has no curl")
def test_curl_posts_a_form(s3, bucket, tmp_path):
    (tmp_path / "f").write_bytes(pattern(2_000_000))
    url, fields = sign(s3, bucket, "c")
    more = [part for k, v in fields.items() for part in ("-F", f"{k}={v}")]
    done = subprocess.run(["curl", "-sS", "-o", "-", "-w", "%{http_code}", *more, "-F", f"file=@{tmp_path}/f", url], capture_output=True)
    assert done.stdout == b"204", done
    assert get(s3, bucket, "c") == pattern(2_000_000)


def test_a_form_overwrites_like_a_put(form, s3, bucket):
    put(s3, bucket, "k", b"old")
    assert form(body=b"new").status == 204
    assert get(s3, bucket, "k") == b"new"

"""Cross-origin resource sharing: rules, preflights, and what answers say to a page of another origin."""

import pytest
from botocore.exceptions import ClientError

from cloud import make_bucket, put

RULES = [
    {
        "ID": "app", "AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["x-amz-*", "content-type"], "ExposeHeaders": ["ETag", "x-fastness-label"], "MaxAgeSeconds": 600,
    },
    {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]},
]
APP = "https://a.example.com"


def configure(client, bucket, rules=RULES):
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})


def ask(wire, bucket, origin=APP, method="GET", headers=None, key="k"):
    sent = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    sent["Host"] = "127.0.0.1"
    return wire.send("OPTIONS", f"/{bucket}/{key}", {k: v for k, v in sent.items() if v is not None})


@pytest.fixture
def floor(cloud):
    return cloud.s3("secret-analyst-low")


@pytest.fixture
def wire(cloud):
    return cloud.wire("secret-analyst")


def test_rules_are_kept_as_sent(s3, bucket):
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=bucket)
    configure(s3, bucket)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES
    s3.delete_bucket_cors(Bucket=bucket)
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=bucket)


def test_what_is_no_rule_is_refused(s3, bucket):
    base = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}
    for wrong, code in [
        ({**base, "AllowedMethods": ["OPTIONS"]}, "InvalidRequest"),
        ({**base, "AllowedOrigins": ["http://*.*"]}, "InvalidRequest"),
        ({**base, "AllowedHeaders": ["*-*"]}, "InvalidRequest"),
        ({**base, "ExposeHeaders": ["x-*"]}, "InvalidRequest"),
    ]:
        with pytest.raises(ClientError, match=code):
            configure(s3, bucket, [wrong])
    with pytest.raises(ClientError, match="MalformedXML"):
        configure(s3, bucket, [base] * 101)


@pytest.mark.fastness
def test_a_preflight_is_answered_from_the_floor(floor, wire, name):
    bucket = make_bucket(floor, name)
    configure(floor, bucket)
    answer = ask(wire, bucket, method="PUT", headers="X-Amz-Date, Content-Type")
    assert answer.status == 200 and answer.body == b""
    assert answer.header("access-control-allow-origin") == APP
    assert answer.header("access-control-allow-methods") == "GET, PUT"
    assert answer.header("access-control-allow-headers") == "x-amz-date, content-type"
    assert answer.header("access-control-max-age") == "600"
    assert answer.header("access-control-allow-credentials") == "true"
    assert "Origin" in answer.header("vary")
    anybody = ask(wire, bucket, origin="http://other")
    assert (anybody.status, anybody.header("access-control-allow-origin")) == (200, "*")
    assert anybody.header("access-control-allow-credentials") is None
    assert ask(wire, bucket, origin="http://other", method="PUT").status == 403
    assert ask(wire, bucket, method="PUT", headers="x-other").status == 403
    assert ask(wire, bucket, method="DELETE").status == 403
    assert ask(wire, bucket, origin=None).code == "BadRequest"
    assert ask(wire, bucket, method=None).code == "BadRequest"


@pytest.mark.fastness
def test_a_preflight_of_a_presigned_url(floor, wire, name):
    bucket = make_bucket(floor, name)
    configure(floor, bucket)
    url = floor.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"})
    answer = wire.send(
        "OPTIONS", "/" + url.split("/", 3)[3], {"Host": "x", "Origin": APP, "Access-Control-Request-Method": "PUT"}
    )
    assert answer.status == 200, answer


@pytest.mark.fastness
def test_a_preflight_tells_no_bucket_from_none(s3, floor, wire, bucket, name):
    """What is above the floor, what publishes nothing and what is not there are answered alike."""
    configure(s3, bucket)
    quiet = make_bucket(floor, name + "-quiet")
    answers = [ask(wire, b) for b in (bucket, quiet, name + "-none", "No_Name")]
    assert {a.status for a in answers} == {403}
    forms = {a.body.replace(a.header("x-amz-request-id").encode(), b"") for a in answers}
    assert len(forms) == 1 and b"AccessForbidden" in forms.pop()


def test_an_answer_says_who_may_read_it(s3, cloud, wire, bucket):
    put(s3, bucket, "k", b"x")
    configure(s3, bucket)
    answer = wire.request("GET", f"/{bucket}/k", None, {"Origin": APP})
    assert answer.status == 200 and answer.body == b"x"
    assert answer.header("access-control-allow-origin") == APP
    assert answer.header("access-control-expose-headers") == "ETag, x-fastness-label"
    assert wire.request("GET", f"/{bucket}/k", None, {"Origin": "http://b"}).header("access-control-allow-origin") == "*"
    written = wire.request("PUT", f"/{bucket}/k", None, {"Origin": "http://b"}, b"y")
    assert written.status == 200 and written.header("access-control-allow-origin") is None
    missing = wire.request("GET", f"/{bucket}/none", None, {"Origin": APP})
    assert missing.status == 404 and missing.header("access-control-allow-origin") == APP
    plain = wire.request("GET", f"/{bucket}/k")
    assert not [name for name, _ in plain.headers if name.lower().startswith("access-control")]


@pytest.mark.fastness
def test_the_sessions_view_decides_what_answers_say(low, both, cloud, at):
    configure(low, at)
    put(low, at, "k", b"x")
    high = cloud.wire("topsecret-analyst")
    read = lambda: high.request("GET", f"/{at}/k", None, {"Origin": APP}).header("access-control-allow-origin")
    assert read() == APP
    both.delete_bucket_cors(Bucket=at)
    assert read() is None, "the record above has no rules"
    below = cloud.wire("topsecret-analyst-low")
    assert below.request("GET", f"/{at}/k", None, {"Origin": APP}).header("access-control-allow-origin") == APP

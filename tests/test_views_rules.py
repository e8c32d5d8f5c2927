"""The rest of the numbered rules of DESIGN.md section 1: 5 to 8, over HTTP. The regions are those of `test_views.py`."""

import pytest
from botocore.exceptions import ClientError

from cloud import PEOPLE, denied, get, keys, label_of, make_bucket, missing, put, refused, set_versioning, versions

BOTH, SI, TK, LOW = "TOP SECRET//SI/TK", "TOP SECRET//SI", "TOP SECRET//TK", "SECRET"


def outcome(call):
    """What a caller learns: the answer's status, code and message, without the request's own identifiers."""
    try:
        answer = call()
        return answer["ResponseMetadata"]["HTTPStatusCode"], None, None
    except ClientError as error:
        r = error.response
        return r["ResponseMetadata"]["HTTPStatusCode"], r["Error"]["Code"], r["Error"].get("Message")


# ---------------------------------------------------------------- rule 5


def test_rule_5_conditions_look_at_the_view_alone(at, both, si, tk, low):
    tag = put(si, at, "k", b"high")["ETag"]
    put(tk, at, "k", b"tk", IfNoneMatch="*")  # SI's is not in view
    put(low, at, "k", b"low", IfNoneMatch="*")
    put(si, at, "k", b"high 2", IfMatch=tag)
    with refused("PreconditionFailed", 412):
        put(both, at, "k", b"both", IfNoneMatch="*")
    low_tag = put(low, at, "x", b"low")["ETag"]
    with refused("PreconditionFailed", 412):
        put(si, at, "x", b"high", IfNoneMatch="*")
    assert label_of(put(si, at, "x", b"high", IfMatch=low_tag)) == SI
    assert get(low, at, "x") == b"low"


def test_rule_5_emptiness_looks_at_the_view_alone(name, si, tk):
    for s3 in (si, tk):
        make_bucket(s3, name)
    put(tk, name, "k", b"tk")
    si.delete_bucket(Bucket=name)
    assert get(tk, name, "k") == b"tk"


def test_rule_5_an_upload_belongs_to_the_label(at, both, si, tk, low):
    mine = low.create_multipart_upload(Bucket=at, Key="k")["UploadId"]
    part = low.upload_part(Bucket=at, Key="k", UploadId=mine, PartNumber=1, Body=b"low")
    done = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    for who in (si, tk, both):
        assert not who.list_multipart_uploads(Bucket=at).get("Uploads")
        for call in (
            lambda: who.upload_part(Bucket=at, Key="k", UploadId=mine, PartNumber=2, Body=b"x"),
            lambda: who.list_parts(Bucket=at, Key="k", UploadId=mine),
            lambda: who.abort_multipart_upload(Bucket=at, Key="k", UploadId=mine),
            lambda: who.complete_multipart_upload(Bucket=at, Key="k", UploadId=mine, MultipartUpload=done),
        ):
            with missing("NoSuchUpload"):
                call()
    assert [u["UploadId"] for u in low.list_multipart_uploads(Bucket=at)["Uploads"]] == [mine]
    assert label_of(low.complete_multipart_upload(Bucket=at, Key="k", UploadId=mine, MultipartUpload=done)) in (LOW, None)
    assert get(si, at, "k") == b"low" and label_of(si.head_object(Bucket=at, Key="k")) == LOW


def test_rule_5_two_people_at_one_label_share_uploads(cloud, name):
    rel, partner = cloud.s3("secret-analyst-rel"), cloud.s3("secret-partner")
    make_bucket(rel, name)
    upload = rel.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    assert [u["UploadId"] for u in partner.list_multipart_uploads(Bucket=name)["Uploads"]] == [upload]


# ---------------------------------------------------------------- rule 6


def test_rule_6_what_is_not_in_view_is_not_found(at, si, tk):
    put(tk, at, "hidden", b"tk", Metadata={"a": "b"})
    calls = [
        lambda k: si.get_object(Bucket=at, Key=k),
        lambda k: si.head_object(Bucket=at, Key=k),
        lambda k: si.get_object(Bucket=at, Key=k, Range="bytes=0-0"),
        lambda k: si.get_object(Bucket=at, Key=k, IfMatch='"x"'),
        lambda k: si.get_object(Bucket=at, Key=k, VersionId="null"),
        lambda k: si.copy_object(Bucket=at, Key="c", CopySource={"Bucket": at, "Key": k}),
        lambda k: si.delete_object(Bucket=at, Key=k),
    ]
    for n, call in enumerate(calls):
        assert outcome(lambda: call("hidden")) == outcome(lambda: call("never")), n
    with missing():
        si.get_object(Bucket=at, Key="hidden")
    assert get(tk, at, "hidden") == b"tk"


def test_rule_6_the_whole_answer_is_the_same(cloud, at, tk):
    """Headers and body too, apart from the request's id, the date and the name itself."""
    put(tk, at, "hidden", b"tk")
    wire = cloud.wire("topsecret-si")

    def seen(key):
        a = wire.request("GET", f"/{at}/{key}")
        request = a.header("x-amz-request-id") or ""
        body = a.body.decode().replace(key, "KEY")
        if request:
            body = body.replace(request, "ID")
        hidden = ("date", "x-amz-request-id", "x-amz-id-2", "content-length")
        return a.status, sorted((k.lower(), v) for k, v in a.headers if k.lower() not in hidden), body

    assert seen("hidden") == seen("absent")


def test_rule_6_a_bucket_that_is_not_in_view(name, si, tk):
    make_bucket(tk, name)
    put(tk, name, "k", b"tk")
    for call in (
        lambda: si.get_object(Bucket=name, Key="k"),
        lambda: put(si, name, "k2"),
        lambda: si.list_objects_v2(Bucket=name),
        lambda: si.list_object_versions(Bucket=name),
        lambda: si.delete_object(Bucket=name, Key="k"),
        lambda: si.delete_bucket(Bucket=name),
        lambda: si.get_bucket_versioning(Bucket=name),
        lambda: set_versioning(si, name),
        lambda: si.get_bucket_location(Bucket=name),
        lambda: si.create_multipart_upload(Bucket=name, Key="k"),
        lambda: si.list_multipart_uploads(Bucket=name),
        lambda: si.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k"}]}),
    ):
        with missing("NoSuchBucket"):
            call()
    assert keys(tk, name) == ["k"]


@pytest.mark.parametrize("office", ["secret-admin", "secret-officer", "topsecret-admin", "topsecret-officer", "unclass-admin", "unclass-officer"])
def test_rule_6_administrators_and_officers_see_no_data(cloud, name, office):
    analyst = {"secret": "secret-analyst-low", "topsecret": "topsecret-analyst-low", "unclass": "unclass-analyst"}[office.split("-")[0]]
    make_bucket(cloud.s3(analyst), name)
    put(cloud.s3(analyst), name, "k")
    who = cloud.s3(office)
    if not office.startswith("topsecret"):  # there the bucket lies above the office's session: not found, see below
        for call in (
            lambda: who.get_object(Bucket=name, Key="k"),
            lambda: who.list_objects_v2(Bucket=name),
            lambda: who.list_object_versions(Bucket=name),
            lambda: put(who, name, "k2"),
            lambda: who.delete_object(Bucket=name, Key="k"),
            lambda: set_versioning(who, name),
            lambda: who.delete_bucket(Bucket=name),
        ):
            with denied():
                call()
        with refused("403", 403):
            who.head_object(Bucket=name, Key="k")
    else:
        with refused({"NoSuchBucket", "AccessDenied"}):
            who.get_object(Bucket=name, Key="k")
    with denied():
        make_bucket(who, name + "-office")
    with denied():
        who.list_buckets()


# ---------------------------------------------------------------- rule 7


def test_rule_7_regrading_upward_is_a_copy(at, si, low):
    put(low, at, "k", b"report", ContentType="text/plain", Metadata={"author": "a"})
    answer = si.copy_object(Bucket=at, Key="k", CopySource={"Bucket": at, "Key": "k"}, MetadataDirective="REPLACE", Metadata={"author": "b"})
    assert label_of(answer) in (SI, None)
    head = si.head_object(Bucket=at, Key="k")
    assert label_of(head) == SI and head["Metadata"] == {"author": "b"}
    assert get(low, at, "k") == b"report" and label_of(low.head_object(Bucket=at, Key="k")) == LOW
    low.delete_object(Bucket=at, Key="k")  # the lower version goes by a session at its own label
    with missing():
        low.get_object(Bucket=at, Key="k")
    assert get(si, at, "k") == b"report"


def test_rule_7_a_copy_takes_the_sessions_label(at, both, si, tk, low):
    put(low, at, "from", b"low")
    for who, label in ((si, SI), (tk, TK), (both, BOTH)):
        who.copy_object(Bucket=at, Key="to", CopySource={"Bucket": at, "Key": "from"})
        assert label_of(who.head_object(Bucket=at, Key="to")) == label
    with missing():
        low.get_object(Bucket=at, Key="to")


def test_rule_7_nothing_above_removes_anything_below(at, both, si, tk, low):
    for who in (low, si, tk):
        put(who, at, "k", label_of(put(who, at, "x")).encode())
    put(both, at, "k", b"")
    both.delete_object(Bucket=at, Key="k")
    for v in versions(both, at):
        outcome(lambda: both.delete_object(Bucket=at, Key=v["Key"], VersionId=v["VersionId"]))
    outcome(lambda: both.delete_bucket(Bucket=at))
    assert (get(low, at, "k"), get(si, at, "k"), get(tk, at, "k")) == (LOW.encode(), SI.encode(), TK.encode())


# ---------------------------------------------------------------- rule 8


@pytest.mark.parametrize("person", PEOPLE)
def test_rule_8_the_header_carries_the_label(cloud, name, person):
    s3 = cloud.s3(person)
    make_bucket(s3, name)
    assert label_of(put(s3, name, "k", b"abc")) == PEOPLE[person]
    assert label_of(s3.get_object(Bucket=name, Key="k")) == PEOPLE[person]
    assert label_of(s3.head_object(Bucket=name, Key="k")) == PEOPLE[person]
    assert label_of(s3.get_object(Bucket=name, Key="k", Range="bytes=0-0")) == PEOPLE[person]
    assert "classification" not in s3.head_object(Bucket=name, Key="k")["Metadata"]


ACCEPTED = [
    ("secret-analyst", "SECRET"), ("secret-analyst", "SECRET//NOFORN"), ("secret-analyst", "(S//NF)"), ("secret-analyst", "SECRET//ORCON/NOFORN"),
    ("secret-analyst-rel", "SECRET//REL TO USA, GBR"), ("secret-partner", "SECRET//REL TO USA, GBR"),
    ("secret-analyst-low", "UNCLASSIFIED"), ("secret-analyst-low", "(U)"), ("secret-analyst-low", "UNCLASSIFIED//FOUO"),
    ("unclass-analyst-cui", "CUI"), ("topsecret-analyst", "TOP SECRET//SI/TK"), ("topsecret-analyst", "(TS//SI/TK//NF)"), ("topsecret-si", "TOP SECRET//SI//NOFORN"),
]


@pytest.mark.parametrize("person,marking", ACCEPTED)
def test_rule_8_classification_is_kept_as_sent(cloud, name, person, marking):
    s3 = cloud.s3(person)
    make_bucket(s3, name)
    answer = put(s3, name, "k", b"abc", Metadata={"classification": marking, "other": "x"})
    assert label_of(answer) == PEOPLE[person]
    for answer in (s3.head_object(Bucket=name, Key="k"), s3.get_object(Bucket=name, Key="k")):
        assert answer["Metadata"] == {"classification": marking, "other": "x"}
        assert label_of(answer) == PEOPLE[person]


@pytest.mark.parametrize("person,marking", [
    ("secret-analyst", "UNCLASSIFIED"), ("secret-analyst", "TOP SECRET"), ("secret-analyst", "SECRET//REL TO USA, GBR"), ("secret-analyst", "SECRET//SI"),
    ("secret-analyst", "CONFIDENTIAL"), ("secret-analyst-low", "SECRET"), ("secret-analyst-low", "CUI"), ("secret-analyst-rel", "SECRET"),
    ("secret-analyst-rel", "SECRET//NOFORN"), ("secret-analyst-rel", "SECRET//REL TO USA, AUS, GBR"),
    ("topsecret-si", "TOP SECRET//TK"), ("topsecret-si", "TOP SECRET//SI/TK"), ("topsecret-si", "TOP SECRET"), ("topsecret-analyst", "TOP SECRET//SI"),
])
def test_rule_8_another_label_is_refused(cloud, name, person, marking):
    s3 = cloud.s3(person)
    make_bucket(s3, name)
    with denied():
        put(s3, name, "k", b"abc", Metadata={"classification": marking})
    with denied():
        s3.create_multipart_upload(Bucket=name, Key="k", Metadata={"classification": marking})
    put(s3, name, "source", b"abc")
    with denied():
        s3.copy_object(Bucket=name, Key="k", CopySource={"Bucket": name, "Key": "source"}, MetadataDirective="REPLACE",
                       Metadata={"classification": marking})
    assert keys(s3, name) == ["source"]
    assert not s3.list_multipart_uploads(Bucket=name).get("Uploads")


@pytest.mark.parametrize("marking", [
    "", "SECRETT", "secret//", "SECRET/NOFORN", "SECRET//NOFORN//REL TO USA, GBR", "SECRET//NOFORN/REL TO USA, GBR", "SECRET//REL TO GBR, USA", "SECRET//REL TO USA",
    "SECRET//REL TO USA, ZZZ, AAA", "(SECRET", "(S//NF", "UNCLASSIFIED//ORCON", "SECRET//FOUO", "SECRET//SI-G//ORCON/NOFORN", "NOFORN//SECRET", "SECRET NOFORN", "//SECRET//",
])
def test_rule_8_a_malformed_marking_is_refused(cloud, name, marking):
    s3 = cloud.s3("secret-analyst")
    make_bucket(s3, name)
    with refused("InvalidArgument", 400):
        put(s3, name, "k", b"abc", Metadata={"classification": marking})
    assert keys(s3, name) == []


def test_rule_8_classification_of_a_multipart_upload(cloud, name):
    s3 = cloud.s3("secret-analyst")
    make_bucket(s3, name)
    upload = s3.create_multipart_upload(Bucket=name, Key="k", Metadata={"classification": "SECRET//NOFORN"})["UploadId"]
    part = s3.upload_part(Bucket=name, Key="k", UploadId=upload, PartNumber=1, Body=b"abc")
    s3.complete_multipart_upload(Bucket=name, Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    head = s3.head_object(Bucket=name, Key="k")
    assert head["Metadata"] == {"classification": "SECRET//NOFORN"} and label_of(head) == "SECRET"


# ---------------------------------------------------------------- regions


def test_regions_know_nothing_of_each_other(cloud, name):
    for person in ("unclass-analyst", "secret-analyst", "topsecret-analyst"):
        make_bucket(cloud.s3(person), name)
        put(cloud.s3(person), name, "k", person.encode())
    for person in ("unclass-analyst", "secret-analyst", "topsecret-analyst"):
        assert get(cloud.s3(person), name, "k") == person.encode()
    secret, top = cloud.profile("secret-analyst"), cloud.profile("topsecret-analyst")
    stranger = cloud.client_for("s3", top["region"], secret["aws_access_key_id"], secret["aws_secret_access_key"])
    with refused("InvalidAccessKeyId", 403):
        stranger.list_buckets()


def test_view_follows_at_once(at, si, low):
    """What a low session has been told is written, a high one sees in its next request."""
    for n in range(30):
        put(low, at, f"{n}", b"x")
        assert get(si, at, f"{n}") == b"x"
        low.delete_object(Bucket=at, Key=f"{n}")
        with missing():
            si.get_object(Bucket=at, Key=f"{n}")

"""Each numbered rule of DESIGN.md section 1, over HTTP, with labels that compare and labels that do not.

Top secret region:  SI/TK (both) above SI and TK (which do not compare) above SECRET (low).
Secret region:      SECRET above SECRET//REL TO USA, GBR (rel, partner) above UNCLASSIFIED (low).
"""

import pytest
from botocore.exceptions import ClientError

from cloud import PEOPLE, denied, get, keys, label_of, make_bucket, markers, missing, put, refused, set_versioning, versions

BOTH, SI, TK, LOW = "TOP SECRET//SI/TK", "TOP SECRET//SI", "TOP SECRET//TK", "SECRET"


def outcome(call):
    """What a caller learns: the answer's status, code and message, without the request's own identifiers."""
    try:
        answer = call()
        return answer["ResponseMetadata"]["HTTPStatusCode"], None, None
    except ClientError as error:
        r = error.response
        return r["ResponseMetadata"]["HTTPStatusCode"], r["Error"]["Code"], r["Error"].get("Message")


# ---------------------------------------------------------------- the view itself


@pytest.mark.parametrize("writer", PEOPLE)
def test_view_reads_what_is_below_and_nothing_else(cloud, name, writer):
    """Every pair of people of a region: who may read the label, reads; for the others there is nothing."""
    region = writer.split("-")[0]
    below = {  # label → the labels that it reads
        "UNCLASSIFIED": {"UNCLASSIFIED"},
        "CUI": {"UNCLASSIFIED", "CUI"},
        "SECRET//REL TO USA, GBR": {"UNCLASSIFIED", "SECRET//REL TO USA, GBR"},
        "SECRET": {"UNCLASSIFIED", "SECRET//REL TO USA, GBR", "SECRET"},
        SI: {LOW, SI},
        TK: {LOW, TK},
        BOTH: {LOW, SI, TK, BOTH},
    }
    w = cloud.s3(writer)
    make_bucket(w, name)
    assert label_of(put(w, name, "k", writer.encode())) == PEOPLE[writer]
    for reader, label in PEOPLE.items():
        if not reader.startswith(region + "-"):
            continue
        r = cloud.s3(reader)
        listed = name in [b["Name"] for b in r.list_buckets()["Buckets"]]
        if PEOPLE[writer] in below[label]:
            answer = r.get_object(Bucket=name, Key="k")
            assert answer["Body"].read() == writer.encode() and label_of(answer) == PEOPLE[writer]
            assert label_of(r.head_object(Bucket=name, Key="k")) == PEOPLE[writer]
            assert keys(r, name) == ["k"] and listed
        else:
            with missing("NoSuchBucket"):
                r.get_object(Bucket=name, Key="k")
            with missing("NoSuchBucket"):
                r.list_objects_v2(Bucket=name)
            with refused("404", 404):
                r.head_bucket(Bucket=name)
            assert not listed


def test_view_two_labels_work_on_the_same_names(name, si, tk):
    for s3, body in ((si, b"si"), (tk, b"tk")):
        make_bucket(s3, name)
        put(s3, name, "same", body)
    assert (get(si, name, "same"), get(tk, name, "same")) == (b"si", b"tk")
    si.delete_object(Bucket=name, Key="same")
    si.delete_bucket(Bucket=name)
    assert get(tk, name, "same") == b"tk"


# ---------------------------------------------------------------- rule 1


def test_rule_1_own_partition_comes_first(at, si, low):
    put(low, at, "k", b"low 1")
    assert get(si, at, "k") == b"low 1"
    put(si, at, "k", b"high")
    put(low, at, "k", b"low 2")  # later in time, and still below
    assert (get(si, at, "k"), get(low, at, "k")) == (b"high", b"low 2")
    assert label_of(si.head_object(Bucket=at, Key="k")) == SI
    assert label_of(low.head_object(Bucket=at, Key="k")) == LOW


def test_rule_1_a_low_delete_does_not_hide_a_high_version(at, si, low):
    put(low, at, "k", b"low")
    put(si, at, "k", b"high")
    low.delete_object(Bucket=at, Key="k")
    assert get(si, at, "k") == b"high"
    with missing():
        low.get_object(Bucket=at, Key="k")
    set_versioning(low, at)
    low.delete_object(Bucket=at, Key="k")  # now with a marker
    assert get(si, at, "k") == b"high"


def test_rule_1_order_of_incomparable_partitions_is_fixed(at, both, si, tk):
    """Not who wrote last, but one order of the region decides between SI and TK."""
    put(si, at, "one", b"si")
    put(tk, at, "one", b"tk")
    put(tk, at, "two", b"tk")
    put(si, at, "two", b"si")
    first = [label_of(both.head_object(Bucket=at, Key=k)) for k in ("one", "two")]
    # the order ends with the canonical text; the last in the order is the topmost
    assert first == [TK, TK]
    assert get(si, at, "one") == b"si" and get(tk, at, "two") == b"tk"
    put(both, at, "two", b"both")
    put(si, at, "two", b"si again")
    assert get(both, at, "two") == b"both"


def test_rule_1_versions_are_listed_by_partition_then_sequence(at, both, si, tk, low):
    set_versioning(low, at)
    wrote = {}
    for n, who in enumerate([low, si, tk, both, low, tk, both, si]):
        wrote[put(who, at, "k", b"%d" % n)["VersionId"]] = n
    order = {id(low): [4, 0], id(si): [7, 1, 4, 0], id(tk): [5, 2, 4, 0], id(both): [6, 3, 5, 2, 7, 1, 4, 0]}
    for who in (low, si, tk, both):
        listed = versions(who, at)
        assert [wrote[v["VersionId"]] for v in listed] == order[id(who)]
        assert [v["IsLatest"] for v in listed] == [True] + [False] * (len(listed) - 1)
        for v in listed:
            assert get(who, at, "k", VersionId=v["VersionId"]) == b"%d" % wrote[v["VersionId"]]


def test_rule_1_pages_of_a_union_neither_repeat_nor_skip(at, both, si, tk, low):
    set_versioning(low, at)
    for n in range(6):
        for who in (low, si, tk, both):
            put(who, at, f"k{n % 3}", b"x")
    whole = [(v["Key"], v["VersionId"]) for v in versions(both, at)]
    assert len(whole) == 24
    for size in (1, 4, 7):
        found, more = [], {}
        while True:
            answer = both.list_object_versions(Bucket=at, MaxKeys=size, **more)
            found += [(v["Key"], v["VersionId"]) for v in answer["Versions"]]
            if not answer["IsTruncated"]:
                break
            more = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}
        assert found == whole


def test_rule_1_listing_is_the_union(at, both, si, tk, low):
    for who, key in ((low, "a"), (si, "b"), (tk, "c"), (both, "d"), (low, "e/1"), (si, "e/2"), (tk, "f/1")):
        put(who, at, key)
    assert keys(low, at) == ["a", "e/1"]
    assert keys(si, at) == ["a", "b", "e/1", "e/2"]
    assert keys(tk, at) == ["a", "c", "e/1", "f/1"]
    assert keys(both, at) == ["a", "b", "c", "d", "e/1", "e/2", "f/1"]
    folders = lambda who: [p["Prefix"] for p in who.list_objects_v2(Bucket=at, Delimiter="/").get("CommonPrefixes", [])]
    assert (folders(low), folders(tk), folders(both)) == (["e/"], ["e/", "f/"], ["e/", "f/"])
    page = si.list_objects_v2(Bucket=at, MaxKeys=3)
    assert [o["Key"] for o in page["Contents"]] == ["a", "b", "e/1"] and page["IsTruncated"]
    page = si.list_objects_v2(Bucket=at, MaxKeys=3, ContinuationToken=page["NextContinuationToken"])
    assert [o["Key"] for o in page["Contents"]] == ["e/2"] and not page["IsTruncated"]


# ---------------------------------------------------------------- rule 2


def test_rule_2_versioning_acts_on_the_own_partition_alone(at, si, low):
    set_versioning(si, at)
    assert si.get_bucket_versioning(Bucket=at)["Status"] == "Enabled"
    assert "Status" not in low.get_bucket_versioning(Bucket=at)
    for n in range(3):
        put(si, at, "k", b"si %d" % n)
        put(low, at, "k", b"low %d" % n)
    assert len(versions(low, at)) == 1
    assert len([v for v in versions(si, at)]) == 4
    assert get(low, at, "k") == b"low 2" and get(si, at, "k") == b"si 2"


def test_rule_2_a_new_record_copies_the_topmost(at, both, si, low):
    set_versioning(low, at)
    assert put(si, at, "k", b"1").get("VersionId", "null") != "null"
    set_versioning(low, at, "Suspended")
    # SI has a record of its own since its first write; the change below does not reach it
    assert si.get_bucket_versioning(Bucket=at)["Status"] == "Enabled"
    assert low.get_bucket_versioning(Bucket=at)["Status"] == "Suspended"
    # SI/TK has none yet, and reads the topmost in its view
    assert both.get_bucket_versioning(Bucket=at)["Status"] == "Enabled"
    set_versioning(si, at, "Suspended")
    assert both.get_bucket_versioning(Bucket=at)["Status"] == "Suspended"


def test_rule_2_who_has_no_record_reads_the_topmost_below(at, si, low):
    assert "Status" not in si.get_bucket_versioning(Bucket=at)
    set_versioning(low, at)
    assert si.get_bucket_versioning(Bucket=at)["Status"] == "Enabled"


def test_rule_2_delete_bucket_needs_no_version_in_view(at, si, low):
    put(low, at, "k")
    with refused("BucketNotEmpty", 409):
        low.delete_bucket(Bucket=at)
    with refused("BucketNotEmpty", 409):
        si.delete_bucket(Bucket=at)
    low.delete_object(Bucket=at, Key="k")
    with denied():  # empty for SI too, but a record lies below it
        si.delete_bucket(Bucket=at)
    assert low.head_bucket(Bucket=at)
    low.delete_bucket(Bucket=at)
    with missing("NoSuchBucket"):
        si.list_objects_v2(Bucket=at)


def test_rule_2_a_low_delete_of_a_bucket_leaves_the_high_record(at, si, low):
    put(si, at, "k", b"high")
    low.delete_bucket(Bucket=at)  # for the low session it is empty
    with missing("NoSuchBucket"):
        low.list_objects_v2(Bucket=at)
    assert get(si, at, "k") == b"high"
    make_bucket(low, at)  # and the name is free below
    put(low, at, "k", b"low")
    assert (get(si, at, "k"), get(low, at, "k")) == (b"high", b"low")


def test_rule_2_delete_bucket_with_an_own_record_over_a_low_one(at, si, low):
    set_versioning(si, at)  # makes SI's own record
    with denied():
        si.delete_bucket(Bucket=at)
    low.delete_bucket(Bucket=at)
    si.delete_bucket(Bucket=at)
    with refused("404", 404):
        si.head_bucket(Bucket=at)


def test_rule_2_uploads_hold_a_record(at, si, low):
    upload = si.create_multipart_upload(Bucket=at, Key="k")["UploadId"]
    low.delete_bucket(Bucket=at)
    part = si.upload_part(Bucket=at, Key="k", UploadId=upload, PartNumber=1, Body=b"abc")
    si.complete_multipart_upload(
        Bucket=at, Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    assert get(si, at, "k") == b"abc"


# ---------------------------------------------------------------- rule 3


def test_rule_3_create_fails_only_if_the_name_is_in_view(name, both, si, tk, low):
    make_bucket(si, name)
    make_bucket(tk, name)  # SI's is not in its view
    make_bucket(low, name)  # neither of them is
    for who in (both, si, tk, low):
        with refused({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}, 409):
            make_bucket(who, name)


def test_rule_3_a_low_name_is_taken_for_the_high(at, si):
    with refused("BucketAlreadyOwnedByYou", 409):
        make_bucket(si, at)


def test_rule_3_another_account_in_view(cloud, name, others):
    make_bucket(others["UNCLASSIFIED"], name)
    put(others["UNCLASSIFIED"], name, "k", b"theirs")
    ours = cloud.s3("secret-analyst")
    with refused("BucketAlreadyExists", 409):
        make_bucket(ours, name)
    assert name not in [b["Name"] for b in ours.list_buckets()["Buckets"]]
    for call in (
        lambda: ours.get_object(Bucket=name, Key="k"),
        lambda: ours.get_object(Bucket=name, Key="none"),
        lambda: put(ours, name, "k2"),
        lambda: ours.list_objects_v2(Bucket=name),
        lambda: ours.delete_object(Bucket=name, Key="k"),
        lambda: ours.get_bucket_versioning(Bucket=name),
        lambda: ours.create_multipart_upload(Bucket=name, Key="k"),
        lambda: ours.delete_bucket(Bucket=name),
    ):
        with denied():
            call()
    with refused("403", 403):
        ours.head_bucket(Bucket=name)
    assert get(others["SECRET"], name, "k") == b"theirs"


def test_rule_3_another_account_above_is_not_there(cloud, name, others):
    make_bucket(others["SECRET"], name)
    low = cloud.s3("secret-analyst-low")
    with missing("NoSuchBucket"):
        low.list_objects_v2(Bucket=name)
    make_bucket(low, name)
    put(low, name, "k", b"ours")
    # each account's people mean their own, even where both are in view
    assert get(cloud.s3("secret-analyst"), name, "k") == b"ours"
    put(others["SECRET"], name, "k", b"theirs")
    assert get(others["SECRET"], name, "k") == b"theirs"
    assert get(cloud.s3("secret-analyst"), name, "k") == b"ours"
    # who of the other account sees only ours is refused, and who sees their own is not
    with denied():
        others["UNCLASSIFIED"].get_object(Bucket=name, Key="k")


def test_rule_3_own_account_is_chosen_though_lower(cloud, name, others):
    low = cloud.s3("secret-analyst-low")
    make_bucket(others["SECRET"], name)
    make_bucket(low, name)
    put(cloud.s3("secret-analyst"), name, "high", b"x")  # ours at UNCLASSIFIED, theirs at SECRET
    assert keys(cloud.s3("secret-analyst"), name) == ["high"]
    assert keys(others["SECRET"], name) == []


def test_rule_3_copy_from_another_account(cloud, name, others):
    make_bucket(others["UNCLASSIFIED"], name)
    put(others["UNCLASSIFIED"], name, "k", b"theirs")
    ours = cloud.s3("secret-analyst")
    mine = make_bucket(ours, name + "-mine")
    with denied():
        ours.copy_object(Bucket=mine, Key="k", CopySource={"Bucket": name, "Key": "k"})
    assert keys(ours, mine) == []


# ---------------------------------------------------------------- rule 4


def test_rule_4_delete_hides_a_lower_version_from_above_alone(at, both, si, tk, low):
    put(low, at, "k", b"low")
    si.delete_object(Bucket=at, Key="k")
    with missing():
        si.get_object(Bucket=at, Key="k")
    assert keys(si, at) == []
    assert [(m["Key"], m["IsLatest"]) for m in markers(si, at)] == [("k", True)]
    assert get(low, at, "k") == b"low" == get(tk, at, "k")
    assert not markers(low, at) and not markers(tk, at)
    with missing():  # SI's marker is the topmost there is for SI/TK
        both.get_object(Bucket=at, Key="k")
    put(si, at, "k", b"again")
    assert get(si, at, "k") == b"again" == get(both, at, "k")


def test_rule_4_delete_of_own_over_lower_leaves_a_marker(at, si, low):
    put(low, at, "k", b"low")
    put(si, at, "k", b"high")
    si.delete_object(Bucket=at, Key="k")
    with missing():
        si.get_object(Bucket=at, Key="k")
    listed = markers(si, at)
    assert len(listed) == 1 and listed[0]["IsLatest"]
    assert len(versions(si, at)) == 1  # the lower one; the own null version is gone, as S3 has it
    si.delete_object(Bucket=at, Key="k", VersionId=listed[0]["VersionId"])
    assert get(si, at, "k") == b"low"


def test_rule_4_no_marker_where_nothing_shows(at, si, low):
    put(si, at, "k", b"high")
    si.delete_object(Bucket=at, Key="k")
    assert not markers(si, at) and not versions(si, at)
    si.delete_object(Bucket=at, Key="never")
    assert not markers(si, at)
    # a lower marker hides the lower version already: nothing would show
    set_versioning(low, at)
    put(low, at, "m", b"low")
    low.delete_object(Bucket=at, Key="m")
    assert keys(si, at) == []


def test_rule_4_versioned_bucket_always_marks(at, si, low):
    set_versioning(si, at)
    version = put(si, at, "k", b"high")["VersionId"]
    gone = si.delete_object(Bucket=at, Key="k")
    assert gone["DeleteMarker"] is True
    assert get(si, at, "k", VersionId=version) == b"high"


@pytest.mark.parametrize("versioned", [False, True])
def test_rule_4_deleting_a_lower_version_by_id_is_denied(at, both, si, low, versioned):
    if versioned:
        set_versioning(low, at)
    put(low, at, "k", b"low")
    put(si, at, "k", b"high")
    for who in (si, both):
        lower = [v for v in versions(who, at) if v["Key"] == "k"][-1]["VersionId"]
        with denied():
            who.delete_object(Bucket=at, Key="k", VersionId=lower)
        answer = who.delete_objects(Bucket=at, Delete={"Objects": [{"Key": "k", "VersionId": lower}]})
        assert [e["Code"] for e in answer["Errors"]] == ["AccessDenied"] and not answer.get("Deleted")
    assert get(low, at, "k") == b"low"


def test_rule_4_deleting_a_lower_marker_by_id_is_denied(at, si, low):
    set_versioning(low, at)
    put(low, at, "k", b"low")
    low.delete_object(Bucket=at, Key="k")
    marker = markers(si, at)[0]["VersionId"]
    with denied():
        si.delete_object(Bucket=at, Key="k", VersionId=marker)
    with missing():
        low.get_object(Bucket=at, Key="k")


def test_rule_4_an_id_out_of_view_is_like_one_that_never_was(at, si, tk, low):
    set_versioning(low, at)
    hidden = put(tk, at, "k", b"tk")["VersionId"]
    former = put(tk, at, "k", b"former")["VersionId"]
    tk.delete_object(Bucket=at, Key="k", VersionId=former)
    for who in (si, low):
        for call in (
            lambda v: who.delete_object(Bucket=at, Key="k", VersionId=v),
            lambda v: who.get_object(Bucket=at, Key="k", VersionId=v),
            lambda v: who.head_object(Bucket=at, Key="k", VersionId=v),
            lambda v: who.copy_object(Bucket=at, Key="c", CopySource={"Bucket": at, "Key": "k", "VersionId": v}),
        ):
            assert outcome(lambda: call(hidden)) == outcome(lambda: call(former))
        with refused({"NoSuchVersion", "NoSuchKey"}, 404):
            who.get_object(Bucket=at, Key="k", VersionId=hidden)
    assert get(tk, at, "k", VersionId=hidden) == b"tk"


def test_rule_4_only_the_topmost_null_version_is_called_null(at, both, si, low):
    put(low, at, "k", b"low")
    assert [v["VersionId"] for v in versions(low, at)] == ["null"]
    assert [v["VersionId"] for v in versions(si, at)] == ["null"]
    assert get(si, at, "k", VersionId="null") == b"low"
    put(si, at, "k", b"high")
    listed = versions(si, at)
    assert listed[0]["VersionId"] == "null" and listed[1]["VersionId"] != "null" and len(listed) == 2
    assert get(si, at, "k", VersionId="null") == b"high"
    assert get(si, at, "k", VersionId=listed[1]["VersionId"]) == b"low"
    assert [v["VersionId"] for v in versions(low, at)] == ["null"]
    with denied():  # null now means SI's version: not SI/TK's to delete
        both.delete_object(Bucket=at, Key="k", VersionId="null")
    si.delete_object(Bucket=at, Key="k", VersionId="null")
    assert get(si, at, "k") == b"low"
    with denied():
        si.delete_object(Bucket=at, Key="k", VersionId="null")
    assert get(low, at, "k") == b"low"


def test_rule_4_delete_objects_follows_the_same_rules(at, si, low):
    for key in ("a", "b"):
        put(low, at, key, b"low")
    put(si, at, "b", b"high")
    put(si, at, "c", b"high")
    answer = si.delete_objects(Bucket=at, Delete={"Objects": [{"Key": k} for k in "abcd"]})
    assert sorted(d["Key"] for d in answer["Deleted"]) == ["a", "b", "c", "d"] and not answer.get("Errors")
    assert keys(si, at) == [] and keys(low, at) == ["a", "b"]
    assert sorted(m["Key"] for m in markers(si, at)) == ["a", "b"]

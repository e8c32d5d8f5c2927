"""What buckets are configured with: each kind set, read, removed, refused; and what a view makes of it."""

import pytest
from botocore.exceptions import ClientError

from cloud import make_bucket


def refused(call, *args, **kw):
    with pytest.raises(ClientError) as caught:
        call(*args, **kw)
    return caught.value.response["Error"]["Code"]


def tags(client, bucket):
    return {t["Key"]: t["Value"] for t in client.get_bucket_tagging(Bucket=bucket)["TagSet"]}


def set_tags(client, bucket, **wanted):
    tag_set = [{"Key": k, "Value": v} for k, v in wanted.items()]
    return client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_set})


def test_tagging(s3, bucket):
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    set_tags(s3, bucket, team="blue", cost="12")
    assert tags(s3, bucket) == {"team": "blue", "cost": "12"}
    set_tags(s3, bucket, only="one")
    assert tags(s3, bucket) == {"only": "one"}, "a new set replaces the old one"
    done = s3.delete_bucket_tagging(Bucket=bucket)
    assert done["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"


def test_tagging_refuses(s3, bucket, name):
    assert refused(set_tags, s3, bucket, **{"aws:x": "1"}) == "InvalidTag"
    assert refused(set_tags, s3, bucket, **{"k" * 129: "1"}) == "InvalidTag"
    assert refused(set_tags, s3, bucket, **{"k": "v" * 257}) == "InvalidTag"
    assert refused(set_tags, s3, bucket, **{f"k{n}": "" for n in range(51)}) == "BadRequest"
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging=twice) == "InvalidTag"
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet", "a refused set leaves no trace"
    assert refused(set_tags, s3, name + "-gone", a="1") == "NoSuchBucket"
    assert refused(s3.get_bucket_tagging, Bucket=name + "-gone") == "NoSuchBucket"


def test_malformed_xml(cloud, s3, bucket):
    wire = cloud.wire("secret-analyst")
    for body in [b"<Tagging>", b"<Other/>", b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", b"nonsense"]:
        answer = wire.request("PUT", f"/{bucket}", {"tagging": ""}, body=body)
        assert (answer.status, b"<Code>MalformedXML</Code>" in answer.body) == (400, True), (body, answer.body)


def test_public_access_block(s3, bucket):
    full = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True)
    get = lambda: s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert get() == full, "a new bucket blocks public access"
    wanted = {**full, "BlockPublicPolicy": False}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=wanted)
    assert get() == wanted
    s3.delete_public_access_block(Bucket=bucket)
    assert refused(s3.get_public_access_block, Bucket=bucket) == "NoSuchPublicAccessBlockConfiguration"


def test_ownership_controls(s3, bucket):
    get = lambda: s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    enforced = [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert get() == enforced
    for other in ["ObjectWriter", "BucketOwnerPreferred"]:
        rules = {"Rules": [{"ObjectOwnership": other}]}
        assert refused(s3.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls=rules) == "NotImplemented"
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert refused(s3.get_bucket_ownership_controls, Bucket=bucket) == "OwnershipControlsNotFoundError"
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": enforced})
    assert get() == enforced


def test_acl(cloud, s3, bucket):
    account = cloud.account("secret-analyst")
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert acl["Owner"]["ID"] == account
    assert acl["Grants"] == [{"Grantee": {"ID": account, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": acl["Owner"], "Grants": acl["Grants"]})
    for canned in ["public-read", "public-read-write", "authenticated-read"]:
        assert refused(s3.put_bucket_acl, Bucket=bucket, ACL=canned) == "AccessControlListNotSupported"
    assert refused(s3.put_bucket_acl, Bucket=bucket, GrantRead=f"id={account}") == "AccessControlListNotSupported"
    wider = acl["Grants"] + [{"Grantee": {"ID": "1" * 12, "Type": "CanonicalUser"}, "Permission": "READ"}]
    policy = {"Owner": acl["Owner"], "Grants": wider}
    assert refused(s3.put_bucket_acl, Bucket=bucket, AccessControlPolicy=policy) == "AccessControlListNotSupported"
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"] == acl["Grants"]


def encryption(algorithm, **more):
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}, **more}]}


def test_encryption(s3, bucket):
    get = lambda: s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    put = lambda wanted: s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=wanted)
    assert get() == encryption("AES256", BucketKeyEnabled=False), "objects are encrypted always"
    put(encryption("AES256", BucketKeyEnabled=True))
    assert get() == encryption("AES256", BucketKeyEnabled=True)
    assert refused(put, encryption("aws:kms")) == "NotImplemented"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert get() == encryption("AES256", BucketKeyEnabled=False)


def test_logging(s3, bucket, name):
    def put(enabled):
        status = {"LoggingEnabled": enabled} if enabled else {}
        return s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=status)

    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    wanted = {"TargetBucket": name + "-logs", "TargetPrefix": "a/"}
    assert refused(put, wanted) == "InvalidTargetBucketForLogging"
    make_bucket(s3, name + "-logs")
    put(wanted)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == wanted
    by = {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}
    put({**wanted, "TargetObjectKeyFormat": by})
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetObjectKeyFormat"] == by
    put(None)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def test_notification(s3, bucket):
    arn = "arn:aws-iso-b:{}:us-isob-east-1:123456789012:{}"
    put = lambda wanted: s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)

    def get():
        found = s3.get_bucket_notification_configuration(Bucket=bucket)
        found.pop("ResponseMetadata")
        return found

    assert get() == {}
    queue = {"QueueArn": arn.format("sqs", "q"), "Events": ["s3:ObjectCreated:*"], "Id": "one"}
    queue["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]}}
    topic = {"TopicArn": arn.format("sns", "t"), "Events": ["s3:ObjectRemoved:Delete"], "Id": "two"}
    function = {"LambdaFunctionArn": arn.format("lambda", "function:f"), "Events": ["s3:ObjectCreated:Put"], "Id": "three"}
    wanted = {
        "QueueConfigurations": [queue], "TopicConfigurations": [topic], "LambdaFunctionConfigurations": [function],
        "EventBridgeConfiguration": {},
    }
    put(wanted)
    assert get() == wanted
    unnamed = {"QueueArn": arn.format("sqs", "q"), "Events": ["s3:ObjectCreated:*"]}
    put({"QueueConfigurations": [unnamed]})
    assert get()["QueueConfigurations"][0]["Id"], "what has no name gets one"
    for wrong in [
        {**unnamed, "QueueArn": arn.format("sns", "q")},
        {**unnamed, "QueueArn": "q"},
        {**unnamed, "QueueArn": arn.format("sqs", "q").replace("aws-iso-b", "aws")},
        {**unnamed, "Events": ["s3:ObjectCreated:Nothing"]},
        {**unnamed, "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a"}, {"Name": "prefix", "Value": "b"}]}}},
    ]:
        assert refused(put, {"QueueConfigurations": [wrong]}) == "InvalidArgument", wrong
    put({})
    assert get() == {}


def test_request_payment_and_acceleration(s3, bucket):
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    pay = lambda payer: s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": payer})
    pay("BucketOwner")
    assert refused(pay, "Requester") == "NotImplemented"
    accelerate = lambda status: s3.put_bucket_accelerate_configuration(
        Bucket=bucket, AccelerateConfiguration={"Status": status}
    )
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert refused(accelerate, "Enabled") == "NotImplemented"
    accelerate("Suspended")
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Suspended"


def test_what_is_not_offered(s3, bucket):
    assert refused(s3.get_bucket_website, Bucket=bucket) == "NotImplemented"
    assert refused(s3.get_bucket_replication, Bucket=bucket) == "NotImplemented"
    assert refused(s3.list_bucket_analytics_configurations, Bucket=bucket) == "NotImplemented"
    assert refused(s3.list_bucket_inventory_configurations, Bucket=bucket) == "NotImplemented"
    assert refused(s3.list_bucket_metrics_configurations, Bucket=bucket) == "NotImplemented"
    assert refused(s3.list_bucket_intelligent_tiering_configurations, Bucket=bucket) == "NotImplemented"
    assert refused(s3.delete_bucket_website, Bucket=bucket) == "NotImplemented"
    assert s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200, "and nothing was deleted"


# What a view makes of it.


@pytest.mark.fastness
def test_a_session_reads_the_topmost_record_and_changes_its_own(low, both, at):
    set_tags(low, at, at="low")
    assert tags(both, at) == {"at": "low"}, "there is no record above: the low one is the topmost"
    set_tags(both, at, at="high")
    assert (tags(both, at), tags(low, at)) == ({"at": "high"}, {"at": "low"})
    set_tags(low, at, at="lower")
    assert tags(both, at) == {"at": "high"}, "a low change does not show through a high record"
    both.delete_bucket_tagging(Bucket=at)
    assert refused(both.get_bucket_tagging, Bucket=at) == "NoSuchTagSet"
    assert tags(low, at) == {"at": "lower"}


@pytest.mark.fastness
def test_a_new_record_takes_over_what_the_topmost_goes_with(low, both, at):
    set_tags(low, at, at="low")
    low.delete_public_access_block(Bucket=at)
    both.put_object(Bucket=at, Key="a", Body=b"makes the high record")
    set_tags(low, at, at="lower")
    low.put_public_access_block(Bucket=at, PublicAccessBlockConfiguration={"BlockPublicPolicy": True})
    assert tags(both, at) == {"at": "low"}, "it was copied when the high record was made"
    assert refused(both.get_public_access_block, Bucket=at) == "NoSuchPublicAccessBlockConfiguration"


@pytest.mark.fastness
def test_a_new_bucket_has_nothing_of_an_old_one(s3, name):
    make_bucket(s3, name)
    set_tags(s3, name, a="1")
    s3.delete_bucket(Bucket=name)
    make_bucket(s3, name)
    assert refused(s3.get_bucket_tagging, Bucket=name) == "NoSuchTagSet"


@pytest.mark.fastness
def test_log_targets_are_looked_for_in_the_view_alone(low, both, at, name):
    make_bucket(both, name + "-high")
    status = {"LoggingEnabled": {"TargetBucket": name + "-high", "TargetPrefix": ""}}
    assert refused(low.put_bucket_logging, Bucket=at, BucketLoggingStatus=status) == "InvalidTargetBucketForLogging"
    both.put_bucket_logging(Bucket=at, BucketLoggingStatus=status)

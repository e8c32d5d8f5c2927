"""Every operation of S3, by area, and the table of them in the project's README.

Which of them are offered is not written here: `test_operations.py` asks a running region. `LIMITS` says what is limited in
those that are, and stands in the table only while one of the operations that it names is offered.
"""

import datetime

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

BEGIN, END = "<!-- operations: written by `pytest tests/clients/test_operations.py --bless` -->", "<!-- /operations -->"


def reports(*kinds):
    return [
        name
        for kind in kinds
        for name in (
            f"GetBucket{kind}Configuration", f"PutBucket{kind}Configuration", f"DeleteBucket{kind}Configuration",
            f"ListBucket{kind}Configurations",
        )
    ]


AREAS = {
    "Buckets": ["CreateBucket", "HeadBucket", "ListBuckets", "GetBucketLocation", "DeleteBucket", "ListDirectoryBuckets", "CreateSession"],
    "Objects": [
        "PutObject", "PostObject", "GetObject", "HeadObject", "GetObjectAttributes", "CopyObject", "DeleteObject", "DeleteObjects", "RenameObject",
        "RestoreObject", "SelectObjectContent", "GetObjectTorrent", "WriteGetObjectResponse",
    ],
    "Listings": ["ListObjectsV2", "ListObjects", "ListObjectVersions"],
    "Uploads in parts": [
        "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload", "ListParts",
        "ListMultipartUploads",
    ],
    "Versions": ["GetBucketVersioning", "PutBucketVersioning"],
    "Tags": [
        "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging",
    ],
    "Object lock": [
        "GetObjectLockConfiguration", "PutObjectLockConfiguration", "GetObjectRetention", "PutObjectRetention", "GetObjectLegalHold",
        "PutObjectLegalHold",
    ],
    "Access": [
        "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy", "GetBucketPolicyStatus", "GetPublicAccessBlock",
        "PutPublicAccessBlock", "DeletePublicAccessBlock", "GetBucketOwnershipControls", "PutBucketOwnershipControls",
        "DeleteBucketOwnershipControls", "GetBucketAcl", "PutBucketAcl", "GetObjectAcl", "PutObjectAcl", "GetBucketAbac", "PutBucketAbac",
    ],
    "CORS": ["GetBucketCors", "PutBucketCors", "DeleteBucketCors"],
    "Lifecycle": [
        "GetBucketLifecycleConfiguration", "PutBucketLifecycleConfiguration", "GetBucketLifecycle", "PutBucketLifecycle",
        "DeleteBucketLifecycle",
    ],
    "Encryption": ["GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption", "UpdateObjectEncryption"],
    "Events and logs": [
        "GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration", "GetBucketNotification", "PutBucketNotification",
        "GetBucketLogging", "PutBucketLogging",
    ],
    "Charges and speed": [
        "GetBucketRequestPayment", "PutBucketRequestPayment", "GetBucketAccelerateConfiguration", "PutBucketAccelerateConfiguration",
    ],
    "Replication": ["GetBucketReplication", "PutBucketReplication", "DeleteBucketReplication"],
    "Websites": ["GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"],
    "Reports": reports("Analytics", "IntelligentTiering", "Inventory", "Metrics"),
    "Annotations": ["GetObjectAnnotation", "PutObjectAnnotation", "DeleteObjectAnnotation", "ListObjectAnnotations"],
    "Metadata tables": [
        "CreateBucketMetadataConfiguration", "GetBucketMetadataConfiguration", "DeleteBucketMetadataConfiguration",
        "CreateBucketMetadataTableConfiguration", "GetBucketMetadataTableConfiguration", "DeleteBucketMetadataTableConfiguration",
        "UpdateBucketMetadataAnnotationTableConfiguration", "UpdateBucketMetadataInventoryTableConfiguration",
        "UpdateBucketMetadataJournalTableConfiguration",
    ],
}

# What is limited: an operation of the area, the text.
LIMITS = [
    ("CreateBucket", "in the region's own place"),
    ("PutObject", "storage class STANDARD; `If-Match` and `If-None-Match`"),
    ("PostObject", "forms signed with Signature Version 4"),
    ("CopyObject", "within the region"),
    ("PutBucketVersioning", "no MFA delete"),
    ("PutBucketPolicy", "actions to accounts and users; no conditions, no `NotPrincipal`, `NotAction`, `NotResource`"),
    ("PutBucketOwnershipControls", "BucketOwnerEnforced alone"),
    ("PutBucketAcl", "only what says that the owner has full control"),
    ("PutObjectAcl", "the same"),
    ("PutBucketLifecycleConfiguration", "no transitions to other storage classes"),
    ("PutBucketEncryption", "AES256 alone, which always holds"),
    ("PutBucketNotificationConfiguration", "kept; nothing is delivered yet"),
    ("PutBucketLogging", "kept; nothing is delivered yet"),
    ("PutBucketRequestPayment", "BucketOwner alone"),
    ("PutBucketAccelerateConfiguration", "Suspended alone"),
]

# Of these enumerations not the first value, but the one that is least to ask for.
PLAINEST = {
    "ObjectOwnership": "BucketOwnerEnforced", "Payer": "BucketOwner", "BucketAccelerateStatus": "Suspended", "ServerSideEncryption": "AES256",
}


# What botocore has no shape for: browsers' forms.
BEYOND = ["PostObject"]


def model():
    return botocore.session.get_session().get_service_model("s3")


def least(shape, known, depth=0):
    """The least value that a shape allows: what is required and nothing else; of a union its first member."""
    kind = shape.type_name
    if kind == "structure":
        names = shape.required_members or (list(shape.members)[:1] if getattr(shape, "is_tagged_union", False) else [])
        return {n: known[n] if depth == 0 and n in known else least(shape.members[n], known, depth + 1) for n in names}
    if kind == "list":
        return [least(shape.member, known, depth + 1)]
    if kind == "map":
        return {"a": least(shape.value, known, depth + 1)}
    if kind == "string":
        return PLAINEST.get(shape.name) or (shape.enum[0] if getattr(shape, "enum", None) else "x")
    return {
        "integer": 1, "long": 1, "float": 1.0, "double": 1.0, "boolean": True, "blob": b"x",
        "timestamp": datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc),
    }[kind]


def answers(client, name, known):
    """What a region answers to an operation in its least form: status and code (or nothing)."""
    operation = model().operation_model(name)
    arguments = least(operation.input_shape, known) if operation.input_shape else {}
    try:
        answer = client._make_api_call(name, arguments)["ResponseMetadata"]
        return answer["HTTPStatusCode"], None
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]


def probe_client(cloud, profile):
    """A client that sends whatever it is given, signs it for S3, and changes no host."""
    p = cloud.profile(profile)
    client = botocore.session.get_session().create_client(
        "s3", region_name=p["region"], endpoint_url=p["endpoint_url"], aws_access_key_id=p["aws_access_key_id"],
        aws_secret_access_key=p["aws_secret_access_key"],
        config=Config(parameter_validation=False, inject_host_prefix=False, retries={"total_max_attempts": 1}, read_timeout=30),
    )

    def sign_for_s3(request, **_):
        request.context.setdefault("signing", {})["signing_name"] = "s3"

    client.meta.events.register("before-sign.s3", sign_for_s3)
    return client


def table(offered):
    """The README's table, of the names of what is offered."""
    limits = {}
    for name, text in LIMITS:
        if name in offered:
            limits.setdefault(next(a for a, names in AREAS.items() if name in names), []).append(f"{name}: {text}")
    lines = ["| area | offered | limits | not offered |", "|---|---|---|---|"]
    for area, names in AREAS.items():
        yes, no = [n for n in names if n in offered], [n for n in names if n not in offered]
        cells = (", ".join(yes) or "–", ". ".join(limits.get(area, [])), ", ".join(no) or "–")
        lines.append(f"| {area} | {cells[0]} | {cells[1]} | {cells[2]} |")
    return "\n".join(lines)

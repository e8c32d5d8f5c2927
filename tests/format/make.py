"""Makes a small region's folder and packs it, with what it holds as text: `test_format.py` opens it with later programs.

    FASTNESS_BIN=... python tests/format/make.py NAME     writes tests/format/NAME.tar.xz

The keys in it, the root key's included, are test data: they open nothing else.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from cloud import binary, client_config, free_port_base  # noqa: E402

import boto3  # noqa: E402

CONFIG = """
name = "us-isob-east-1"
data = "{data}"
listen = "127.0.0.1:{port}"
floor = "UNCLASSIFIED"
ceiling = "SECRET"
"""
MIB = 1 << 20


def serve(folder, config):
    process = subprocess.Popen(
        [binary(), "serve", "--config", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def client(port, service, key):
    return boto3.client(
        service, endpoint_url=f"http://127.0.0.1:{port}", region_name="us-isob-east-1", config=client_config(),
        aws_access_key_id=key[0], aws_secret_access_key=key[1],
    )


def body(size, seed=7):
    """The same bytes for everybody, without much of them in a file."""
    return (hashlib.sha256(str(seed).encode()).digest() * (size // 32 + 1))[:size]


def fill(s3, held):
    s3.create_bucket(Bucket="old", CreateBucketConfiguration={"LocationConstraint": "us-isob-east-1"})
    s3.put_object(Bucket="old", Key="empty", Body=b"")
    s3.put_object(
        Bucket="old", Key="inline/é", Body=body(100), ContentType="text/plain", Metadata={"note": "kept"},
        ChecksumAlgorithm="SHA256",
    )
    s3.put_object(Bucket="old", Key="blob", Body=body(40_000), ChecksumAlgorithm="CRC32")
    upload = s3.create_multipart_upload(Bucket="old", Key="parts", ChecksumAlgorithm="CRC32C")["UploadId"]
    parts = []
    # Parts below 5 MiB may only be last: one part keeps the folder small.
    for number, size in ((1, 50_000),):
        part = s3.upload_part(
            Bucket="old", Key="parts", UploadId=upload, PartNumber=number, Body=body(size), ChecksumAlgorithm="CRC32C"
        )
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32C": part["ChecksumCRC32C"]})
    s3.complete_multipart_upload(Bucket="old", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    upload = s3.create_multipart_upload(Bucket="old", Key="unfinished", Metadata={"note": "later"})["UploadId"]
    part = s3.upload_part(Bucket="old", Key="unfinished", UploadId=upload, PartNumber=3, Body=body(60))
    held["upload"], held["part"] = upload, part["ETag"]
    s3.create_bucket(Bucket="versioned", CreateBucketConfiguration={"LocationConstraint": "us-isob-east-1"})
    held["versions"] = ["null"]
    s3.put_object(Bucket="versioned", Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    for text in (b"one", b"two"):
        held["versions"].append(s3.put_object(Bucket="versioned", Key="k", Body=text)["VersionId"])
    held["marker"] = s3.delete_object(Bucket="versioned", Key="k")["VersionId"]


def main(name):
    with tempfile.TemporaryDirectory() as folder:
        folder, port, held = Path(folder), free_port_base(), {}
        config = folder / "region.toml"
        config.write_text(CONFIG.format(data=folder / "data", port=port))
        process = serve(folder, config)
        try:
            made = subprocess.run(
                [binary(), "account", "create", "old", "--json", "--config", config], capture_output=True, text=True, check=True
            )
            account = json.loads(made.stdout)
            keys = [account[office] for office in ("administrator", "officer")]
            admin, officer = (client(port, "iam", (key["access_key_id"], key["secret_access_key"])) for key in keys)
            for label in ("UNCLASSIFIED", "SECRET"):
                user = label.lower()
                admin.create_user(UserName=user)
                tags = {"clearance": "SECRET", "nationality": "USA", "label": label}
                officer.tag_user(UserName=user, Tags=[{"Key": k, "Value": v} for k, v in tags.items()])
                key = admin.create_access_key(UserName=user)["AccessKey"]
                held[user] = (key["AccessKeyId"], key["SecretAccessKey"])
            low, high = (client(port, "s3", held[user]) for user in ("unclassified", "secret"))
            fill(low, held)
            high.put_object(Bucket="old", Key="blob", Body=b"covers the lower one")
            held["marker above"] = high.delete_object(Bucket="old", Key="inline/é")["VersionId"]
        finally:
            process.terminate()
            assert process.wait(30) == 0
        config.unlink()
        (folder / "held.json").write_text(json.dumps(held, indent=1))
        with tarfile.open(HERE / f"{name}.tar.xz", "w:xz", preset=9) as tar:
            for path in ("held.json", "data"):
                tar.add(folder / path, path, filter=nobody)


def nobody(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 1_790_000_000
    return entry


if __name__ == "__main__":
    main(sys.argv[1])

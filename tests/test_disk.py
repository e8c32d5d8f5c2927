"""What a stolen disk shows: the data folder as bytes."""

import base64
import hashlib
import os
import re
import stat
from pathlib import Path

from cloud import make_bucket, make_user, pattern, put, set_versioning

WORDS = {
    "bucket": "quizzical-marmalade-bucket",
    "key": "Zephyranthes/Ornithorhynchus-4711.docx",
    "metadata name": "xylophonist",
    "metadata value": "Brobdingnagian-verdigris",
    "content type": "application/x-gallimaufry",
    "user": "Quetzalcoatlus.Nonesuch",
    "tag value": "Tintinnabulation-Street-9",
    "account": "Sesquipedalian-Agency",
    "upload key": "Hippopotomonstro/upload.bin",
    "deleted key": "Floccinaucinihili-deleted.txt",
}
TEXT = b"The operation Antidisestablishment begins at dawn on the banks of the Susquehanna. "


def forms(text):
    """A text as bytes, and as somebody might have stored it without meaning to hide it."""
    raw = text.encode() if isinstance(text, str) else text
    yield raw
    yield raw.lower()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield raw.decode("latin-1").encode("utf-16-le")
    yield re.sub(rb"[/:]", lambda m: b"%%%02X" % m[0][0], raw)
    for shift in range(3):  # the middle of its base64, at each alignment
        coded = base64.b64encode(b"\0" * shift + raw)[4:]
        yield coded[: len(coded) // 4 * 4 - 4]


def everything(folder):
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder)).encode(), "the name of a file"
        # A region's configuration is no data: it names floor and ceiling for whoever starts the region.
        if path.is_file() and path.name != "region.toml":
            yield path.read_bytes(), path


def search(cloud, secrets):
    regions = cloud.data / "regions"
    assert regions.is_dir() and sum(p.stat().st_size for p in regions.rglob("*") if p.is_file()) > 100_000
    found = []
    heaps = list(everything(regions))
    for what, text in secrets.items():
        for form in forms(text):
            found += [(what, form, where) for data, where in heaps if form in data]
    assert not found, found[:10]


def test_no_name_and_no_content_on_disk(fresh_cloud):
    cloud = fresh_cloud
    s3, region = cloud.s3("secret-analyst"), "us-isob-east-1"
    bucket = make_bucket(s3, WORDS["bucket"])
    more = dict(Metadata={WORDS["metadata name"]: WORDS["metadata value"]}, ContentType=WORDS["content type"])
    noise = pattern(1 << 20, 5)
    put(s3, bucket, WORDS["key"], TEXT, **more)
    put(s3, bucket, WORDS["key"] + ".large", TEXT * 20_000, **more)
    put(s3, bucket, WORDS["key"] + ".noise", noise, **more)
    put(s3, bucket, WORDS["deleted key"], TEXT)
    s3.delete_object(Bucket=bucket, Key=WORDS["deleted key"])
    set_versioning(s3, bucket)
    version = put(s3, bucket, WORDS["key"], TEXT * 2, **more)["VersionId"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key=WORDS["upload key"], **more)["UploadId"]
    s3.upload_part(Bucket=bucket, Key=WORDS["upload key"], UploadId=upload, PartNumber=1, Body=TEXT * 70_000)
    account = cloud.new_account(WORDS["account"], region)
    user, key = make_user(account.admin, account.officer, WORDS["user"], {"clearance": "SECRET//REL TO USA, GBR", "nationality": "GBR"})
    account.admin.tag_user(UserName=WORDS["user"], Tags=[{"Key": "home", "Value": WORDS["tag value"]}])
    cloud.client_for("s3", region, *key).list_buckets()
    for attempt in (WORDS["key"] + "-none", WORDS["deleted key"]):  # reads and refusals are in the ledger
        try:
            s3.get_object(Bucket=bucket, Key=attempt)
        except s3.exceptions.NoSuchKey:
            pass
    secrets = WORDS | {
        "content": TEXT[:40], "content's middle": TEXT[30:70], "noise": noise[:24], "noise's middle": noise[500_000:500_024],
        "content's digest": hashlib.md5(TEXT).hexdigest(), "raw digest": hashlib.md5(noise).digest(), "secret of a key": key[1],
        "secret of a profile": cloud.profile("secret-analyst")["aws_secret_access_key"],
        "another's secret": cloud.profile("topsecret-si")["aws_secret_access_key"],
        "version id": version, "user id": user["UserId"], "label": "REL TO USA, GBR", "partition": "TOP SECRET//SI",
    }
    search(cloud, secrets)  # while it runs: journals and temporary files too
    assert cloud.stop() == 0
    search(cloud, secrets)


def test_the_search_finds_what_is_there(tmp_path):
    """The search itself: each form is found when it is there."""
    text = WORDS["key"]
    for n, form in enumerate([text.encode(), text.encode().hex().encode(), base64.b64encode(b"ab" + text.encode()), text.encode("utf-16-le")]):
        assert any(f in b"..." + form + b"..." for f in forms(text)), n


def test_only_the_owner_may_read(fresh_cloud, name):
    s3 = fresh_cloud.s3("secret-analyst")
    make_bucket(s3, name)
    put(s3, name, "small", b"x")
    put(s3, name, "large", b"x" * 2_000_000)
    wrong = []
    for path in [fresh_cloud.data, *fresh_cloud.data.rglob("*")]:
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            continue
        want = 0o700 if stat.S_ISDIR(mode) else 0o600
        if (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and stat.S_IMODE(mode) != want:
            wrong.append((str(path), oct(stat.S_IMODE(mode))))
    assert not wrong, wrong


def test_folder_names_of_partitions_say_nothing(fresh_cloud):
    names = [p.name for p in (fresh_cloud.data / "regions").rglob("*")]
    for word in ("secret", "unclass", "cui", "rel", "gbr", "usa", "si_tk", "noforn"):
        assert not [n for n in names if re.search(rf"(^|[^a-z0-9]){word}([^a-z0-9]|$)", n.lower())], word


def test_two_clouds_have_nothing_in_common(new_cloud):
    """Keys, folder names and credentials are made at random."""
    a, b = new_cloud().start(), new_cloud().start()
    ids = [{p["aws_secret_access_key"] for p in c.profiles().values()} for c in (a, b)]
    assert not ids[0] & ids[1]
    assert a.account("secret-analyst") != b.account("secret-analyst")
    assert Path(a.data) != Path(b.data)

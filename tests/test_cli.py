"""The AWS CLI as it stands, and the program's commands for people."""

import hashlib
import json
import os
import random
import shutil
import urllib.request
from pathlib import Path

import pytest

from cloud import pattern

DOC = Path("/usr/share/doc")


def digests(root):
    """Every regular file below root: relative path → digest."""
    out = {}
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                out[str(path.relative_to(root))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return out


def there_and_back(cloud, profile, bucket, source, work):
    back = work / "back"
    cloud.cli(profile, "s3", "mb", f"s3://{bucket}")
    cloud.cli(profile, "s3", "sync", "--no-follow-symlinks", "--only-show-errors", source, f"s3://{bucket}/tree")
    cloud.cli(profile, "s3", "sync", "--only-show-errors", f"s3://{bucket}/tree", back)
    want, got = digests(source), digests(back)
    assert len(want) == len(got) and want == got
    return want


# ---------------------------------------------------------------- aws s3


def test_day_of_a_user(cloud, name, tmp_path):
    cli = lambda *args, **kw: cloud.cli("secret-analyst", *args, **kw)
    file = tmp_path / "report one.txt"
    file.write_text("the report\n")
    assert "make_bucket" in cli("s3", "mb", f"s3://{name}").stdout
    assert name in cli("s3", "ls").stdout
    cli("s3", "cp", file, f"s3://{name}/in/")
    cli("s3", "cp", file, f"s3://{name}/in/two.txt", "--metadata", "classification=SECRET//NOFORN")
    listing = cli("s3", "ls", "--recursive", f"s3://{name}/").stdout
    assert "in/report one.txt" in listing and "in/two.txt" in listing
    assert "PRE in/" in cli("s3", "ls", f"s3://{name}/").stdout
    head = json.loads(cli("s3api", "head-object", "--bucket", name, "--key", "in/two.txt", "--output", "json").stdout)
    assert head["Metadata"] == {"classification": "SECRET//NOFORN"}
    assert cli("s3", "cp", f"s3://{name}/in/two.txt", "-").stdout == "the report\n"
    cli("s3", "cp", "-", f"s3://{name}/piped", input="from a pipe")
    assert cli("s3", "cp", f"s3://{name}/piped", "-").stdout == "from a pipe"
    cli("s3", "mv", f"s3://{name}/piped", f"s3://{name}/moved")
    assert "moved" in cli("s3", "ls", f"s3://{name}/").stdout and "piped" not in cli("s3", "ls", f"s3://{name}/").stdout
    url = cli("s3", "presign", f"s3://{name}/moved").stdout.strip()
    assert urllib.request.urlopen(url, timeout=20).read() == b"from a pipe"
    assert cli("s3", "rb", f"s3://{name}", check=False).returncode != 0
    cli("s3", "rm", f"s3://{name}/moved")
    cli("s3", "rm", "--recursive", f"s3://{name}/in/")
    cli("s3", "rb", f"s3://{name}")
    assert name not in cli("s3", "ls").stdout


def test_refusals_as_the_cli_shows_them(cloud, name, tmp_path):
    cloud.cli("secret-analyst", "s3", "mb", f"s3://{name}")
    file = tmp_path / "f"
    file.write_text("x")
    for marking, code in (("UNCLASSIFIED", "AccessDenied"), ("SECRETT", "InvalidArgument")):
        done = cloud.cli("secret-analyst", "s3", "cp", file, f"s3://{name}/k", "--metadata", f"classification={marking}", check=False)
        assert done.returncode != 0 and code in done.stderr
    done = cloud.cli("secret-analyst-low", "s3", "ls", f"s3://{name}", check=False)
    assert done.returncode != 0 and "NoSuchBucket" in done.stderr
    done = cloud.cli("secret-admin", "s3", "ls", check=False)
    assert done.returncode != 0 and "AccessDenied" in done.stderr


def test_big_file_in_parts(cloud, name, tmp_path):
    body = pattern(20 << 20, 4)
    (tmp_path / "big").write_bytes(body)
    cloud.cli("topsecret-si", "s3", "mb", f"s3://{name}")
    cloud.cli("topsecret-si", "s3", "cp", "--only-show-errors", tmp_path / "big", f"s3://{name}/big")
    assert "-3" in cloud.cli("topsecret-si", "s3api", "head-object", "--bucket", name, "--key", "big", "--query", "ETag").stdout
    cloud.cli("topsecret-si", "s3", "cp", "--only-show-errors", f"s3://{name}/big", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == body
    cloud.cli("topsecret-analyst", "s3", "cp", "--only-show-errors", f"s3://{name}/big", f"s3://{name}/copy")
    head = cloud.s3("topsecret-analyst").head_object(Bucket=name, Key="copy")
    assert head["ContentLength"] == len(body)
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-fastness-label"] == "TOP SECRET//SI/TK"


def test_each_profile_works_as_written(cloud):
    """The files that `up` wrote, with nothing but the profile's name."""
    for profile in ("unclass-analyst", "secret-analyst", "topsecret-tk", "secret-partner"):
        assert cloud.cli(profile, "s3", "ls").returncode == 0
    identity = json.loads(cloud.cli("topsecret-admin", "sts", "get-caller-identity", "--output", "json").stdout)
    assert identity["Arn"].startswith("arn:aws-iso:iam::")


def test_iam_with_the_cli(cloud):
    user = "cli-" + os.urandom(4).hex()
    cloud.cli("topsecret-admin", "iam", "create-user", "--user-name", user)
    cloud.cli("topsecret-officer", "iam", "tag-user", "--user-name", user, "--tags", "Key=clearance,Value=TOP SECRET//SI", "Key=nationality,Value=USA")
    done = cloud.cli("topsecret-admin", "iam", "tag-user", "--user-name", user, "--tags", "Key=clearance,Value=TOP SECRET//SI/TK", check=False)
    assert done.returncode != 0 and "AccessDenied" in done.stderr
    key = json.loads(cloud.cli("topsecret-admin", "iam", "create-access-key", "--user-name", user, "--output", "json").stdout)["AccessKey"]
    s3 = cloud.client_for("s3", "us-iso-east-1", key["AccessKeyId"], key["SecretAccessKey"])
    s3.list_buckets()


# ---------------------------------------------------------------- trees


def test_sync_of_some_real_documents(cloud, name, tmp_path):
    source = tmp_path / "source"
    chosen = 0
    for folder, _, files in os.walk(DOC if DOC.is_dir() else "/usr/share"):
        for file in files:
            path = Path(folder) / file
            if path.is_file() and not path.is_symlink() and chosen < 300:
                target = source / path.relative_to("/usr/share")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)  # old dates, so that a second sync finds them unchanged
                chosen += 1
    want = there_and_back(cloud, "topsecret-tk", name, source, tmp_path)
    assert len(want) == chosen > 50
    again = cloud.cli("topsecret-tk", "s3", "sync", "--no-progress", source, f"s3://{name}/tree")
    assert again.stdout == "", "a second sync finds nothing to do"
    gone = sorted(want)[0]
    (source / gone).unlink()
    done = cloud.cli("topsecret-tk", "s3", "sync", "--no-progress", "--delete", source, f"s3://{name}/tree")
    assert done.stdout.count("delete:") == 1


def test_sync_of_a_large_tree(cloud, name, tmp_path):
    """A real tree of over 5,000 files, the AWS CLI's own examples, and some empty files, into the secret region and back."""
    import awscli

    source = tmp_path / "source"
    shutil.copytree(Path(awscli.__file__).parent / "examples", source)
    (source / "empty and more").mkdir()
    for n in range(100):
        (source / "empty and more" / f"{n}").write_bytes(b"x" * (n % 2))
    for n, size in enumerate((65535, 65537, 300_000)):
        (source / f"larger-{n}").write_bytes(random.Random(n).randbytes(size))
    assert len(there_and_back(cloud, "secret-analyst", name, source, tmp_path)) > 5000


# ---------------------------------------------------------------- fastness label


def label(cloud, *args):
    return cloud.fastness("label", *args, check=False, data=False)


def test_label_show(cloud):
    for given, banner, portion in (
        ("TOP SECRET//SI/TK", "TOP SECRET//SI/TK", "TS//SI/TK"),
        ("(S//REL TO USA, GBR)", "SECRET//REL TO USA, GBR", "S//REL"),
        ("UNCLASSIFIED", "UNCLASSIFIED", "(U"),
    ):
        done = label(cloud, "show", given)
        assert done.returncode == 0 and banner in done.stdout and portion in done.stdout, done


def test_label_roll_up(cloud):
    for portions, banner in (
        (["(U)", "(S//REL TO USA, GBR)"], "SECRET//REL TO USA, GBR"),
        (["(S//NF)", "(S//REL TO USA, GBR)"], "SECRET//NOFORN"),
        (["(TS//SI)", "(TS//TK)"], "TOP SECRET//SI/TK"),
        (["(S//REL TO USA, AUS, GBR)", "(S//REL TO USA, CAN, GBR)"], "SECRET//REL TO USA, GBR"),
    ):
        done = label(cloud, "roll-up", *portions)
        assert done.returncode == 0 and banner in done.stdout, (portions, done)


def test_label_compare(cloud):
    answers = {
        pair: label(cloud, "compare", *pair)
        for pair in (("SECRET", "TOP SECRET"), ("TOP SECRET", "SECRET"), ("TOP SECRET//SI", "TOP SECRET//TK"), ("SECRET", "SECRET//NOFORN"))
    }
    assert all(a.stdout.strip() for a in answers.values()), answers
    assert len({a.stdout.split("\n")[0] for a in answers.values()}) >= 3


@pytest.mark.parametrize("command", ["show", "compare", "roll-up"])
@pytest.mark.parametrize("bad", ["SECRETT", "", "SECRET//NOFORN/REL TO USA, GBR", "(S"])
def test_label_refuses_nonsense(cloud, command, bad):
    done = label(cloud, command, "SECRET", bad) if command != "show" else label(cloud, command, bad)
    assert done.returncode != 0 and done.stderr.strip() and "panicked" not in done.stderr

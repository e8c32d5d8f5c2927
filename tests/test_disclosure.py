"""What leaves a region of its ledger: disclosure packages and copies, checked with the public keys alone."""

import base64
import hashlib
import json
import re

import pytest

from cloud import Cloud, make_bucket, missing, put

FIELDS = 14


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A cloud of its own with some history; packages made while it ran; keys and copies after it stopped."""
    folder = tmp_path_factory.mktemp("disclosure")
    cloud = Cloud(folder / "data")
    cloud.start()
    s3, low = cloud.s3("secret-analyst"), cloud.s3("secret-analyst-low")
    make_bucket(s3, "disclosed")
    make_bucket(low, "below")
    for number in range(60):
        put(s3, "disclosed", f"k{number}")
    put(low, "below", "k")
    with missing():
        s3.get_object(Bucket="disclosed", Key="nothing")
    export(cloud, folder / "all")
    export(cloud, folder / "hidden", "--user", "analyst", "--hide", "key", "--hide", "source", "--hide", "key", "--withhold", "unclassified")
    found = cloud.fastness("audit", "search", "--profile", "secret-auditor", "--event", "GetObject", "--json").stdout
    event = [one for one in json.loads(found) if one.get("errorCode") == "NoSuchKey"][0]
    cloud.fastness("audit", "prove", event["eventID"], "--profile", "secret-auditor", "--out", folder / "one")
    cloud.event = event
    cloud.folder = folder
    unfit = [
        ("export", "--user", "a", "--event", "b"), ("export", "--hide", "nonsense"), ("export", "--since", "never"),
        ("prove", "00000000-0000-8000-8000-000000000000"), ("export", "--withhold", "SECRET//RELTO"),
    ]
    cloud.refused = [
        cloud.fastness("audit", *args, "--profile", "secret-auditor", "--out", folder / "no", check=False) for args in unfit
    ]
    cloud.not_auditor = cloud.fastness("audit", "export", "--profile", "secret-analyst", "--out", folder / "no", check=False)
    cloud.stop()
    keys = cloud.fastness("audit", "keys", cloud.data, data=False).stdout
    (folder / "keys").write_text(keys)
    region = cloud.data / "regions" / "us-isob-east-1"
    cloud.fastness("audit", "copy", region, "--label", "SECRET", "--out", folder / "copy", data=False)
    cloud.fastness("audit", "copy", region, "--out", folder / "checkpoints", data=False)
    yield cloud
    cloud.kill()


def export(cloud, out, *args):
    return cloud.fastness("audit", "export", "--profile", "secret-auditor", "--out", out, *args)


def verify(cloud, path, *args, keys="keys"):
    return cloud.fastness("audit", "verify", path, "--key", cloud.folder / keys, *args, check=False, data=False)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def records(path):
    return [line for line in lines(path) if "record" in line]


def leaf_of(record):
    """The log's entry that a record's fields lead to, computed as the package's own instructions say."""
    if "withheld" in record["record"]:
        return base64.b64decode(record["record"]["withheld"])
    commitments = b""
    for number, field in enumerate(record["record"]["fields"]):
        if "withheld" in field:
            commitments += base64.b64decode(field["withheld"])
            continue
        value = field["value"]
        if isinstance(value, str):
            value = b"\x00" + value.encode()
        else:
            value = b"\x01" + b"".join(len(one.encode()).to_bytes(4, "big") + one.encode() for one in value)
        commitments += hashlib.sha256(bytes.fromhex(field["salt"]) + bytes([number]) + value).digest()
    return hashlib.sha256(b"fastness entry 2\n" + commitments).digest()


def root_of(leaf, index, size, proof):
    """RFC 9162, section 2.1.3.2."""
    place, last, node = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for sibling in map(base64.b64decode, proof):
        if place % 2 == 1 or place == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        place, last = place >> 1, last >> 1
    assert last == 0
    return node


def test_packages_are_good(told):
    done = verify(told, told.folder / "all", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["good"] and report["records"] > 60, done.stdout + done.stderr
    assert {log["log"] for log in report["logs"]} >= {"fastness/us-isob-east-1/SECRET", "fastness/us-isob-east-1/UNCLASSIFIED"}
    assert "good: 1 record" in verify(told, told.folder / "one").stdout


def test_the_instructions_are_enough(told):
    """Another program, in another language, comes to the same with nothing but what the package says."""
    sizes, checked = {}, 0
    for line in lines(told.folder / "hidden"):
        if "checkpoint" in line:
            origin, size, root = line["checkpoint"].split("\n")[:3]
            sizes[origin] = int(size), base64.b64decode(root)
        elif "record" in line:
            size, root = sizes[line["log"]]
            assert root_of(leaf_of(line), line["index"], size, line["proof"]) == root
            checked += 1
    assert checked > 60


def test_what_is_withheld_is_seen_to_be(told):
    text = (told.folder / "hidden").read_text()
    assert told.event["userIdentity"]["accessKeyId"] not in text and '"value":"127.0.0.1"' not in text
    whole = [one for one in records(told.folder / "hidden") if "withheld" in one["record"]]
    # The user whom they were chosen by did something there: that is not said.
    assert lines(told.folder / "hidden")[0]["chosen"] == "Username=(hidden)"
    assert whole and all(one["log"].endswith("/UNCLASSIFIED") for one in whole)
    for one in records(told.folder / "hidden"):
        fields = one["record"].get("fields")
        if fields:
            assert len(fields) == FIELDS
            assert {field["name"] for field in fields if "withheld" in field} == {"key", "source"}


def test_a_refused_get_is_proven(told):
    (one,) = records(told.folder / "one")
    fields = {field["name"]: field["value"] for field in one["record"]["fields"]}
    assert fields["operation"] == "GetObject" and fields["resources"] == ["read disclosed/nothing"]
    assert fields["outcome"] == "refused not-in-view NoSuchKey"
    assert fields["request"] == told.event["requestID"]
    assert leaf_of(one)[:6].hex() == told.event["eventID"].replace("-", "")[:12]


@pytest.mark.parametrize("change", [
    lambda text: text.replace('"user/analyst"', '"user/analysr"', 1),
    lambda text: text.replace("allowed", "refused", 1) if "allowed" in text else text.replace('"done', '"dune', 1),
    lambda text: re.sub(r'"index":(\d+)', lambda m: f'"index":{int(m[1]) + 1}', text, count=1),
    lambda text: "\n".join(text.splitlines()[:-1]) + "\n",
    lambda text: "\n".join(line for n, line in enumerate(text.splitlines()) if n != 3) + "\n",
    lambda text: text[: len(text) // 2],
    lambda text: text.replace("fastness/us-isob-east-1/SECRET", "fastness/us-iso-east-1/SECRET"),
    lambda text: "",
])
def test_a_changed_package_is_found(told, tmp_path, change):
    text = (told.folder / "hidden").read_text()
    changed = change(text)
    assert changed != text
    (tmp_path / "package").write_text(changed)
    done = verify(told, tmp_path / "package")
    assert done.returncode == 1 and re.match(r"line \d+: ", done.stdout), done.stdout + done.stderr


def test_keys_are_needed_and_have_to_be_the_regions(told, tmp_path):
    package = told.folder / "all"
    done = told.fastness("audit", "verify", package, check=False, data=False)
    assert done.returncode != 0 and "--key" in done.stderr
    for keys, says in [("", "holds no keys"), ("nonsense", "verifier key")]:
        (told.folder / "bad").write_text(keys)
        done = verify(told, package, keys="bad")
        assert done.returncode != 0 and says in done.stderr, done.stderr
    other = "\n".join(line for line in (told.folder / "keys").read_text().splitlines() if "us-isob" not in line)
    (told.folder / "other").write_text(other)
    done = verify(told, package, keys="other")
    assert done.returncode == 1 and "no key that you trust" in done.stdout


def test_what_makes_no_sense_is_refused_and_leaves_nothing(told):
    for done, says in zip(told.refused, ["choose by one", "there is no field `nonsense`", "is no time", "there is no event", "cannot be withheld"]):
        assert done.returncode != 0 and says in done.stderr, done.stderr
    assert told.not_auditor.returncode != 0 and "AccessDenied" in told.not_auditor.stderr
    assert not (told.folder / "no").exists()


def test_copies_are_good_and_say_nothing(told):
    for name, origin in [("copy", "fastness/us-isob-east-1/SECRET"), ("checkpoints", "fastness/us-isob-east-1/region")]:
        done = verify(told, told.folder / name)
        assert done.returncode == 0 and f"of {origin}, signed with every key" in done.stdout, done.stdout + done.stderr
    content = b"".join(path.read_bytes() for path in (told.folder / "copy").rglob("*") if path.is_file())
    assert b"disclosed" not in content and b"analyst" not in content
    again = told.fastness(
        "audit", "copy", told.data / "regions" / "us-isob-east-1", "--out", told.folder / "copy", check=False, data=False
    )
    assert again.returncode != 0 and "holds a copy already" in again.stderr


def test_a_changed_copy_is_found(told, tmp_path):
    files = [path for path in (told.folder / "copy").rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        for changed in (bytes([content[0] ^ 1]) + content[1:], content[:-1], None):
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
            done = verify(told, told.folder / "copy")
            assert done.returncode != 0 and (done.stdout or done.stderr), f"{path.name}: {done.stdout}"
            path.write_bytes(content)
    assert verify(told, told.folder / "copy").returncode == 0


def test_the_folder_is_sound(told):
    done = told.verify()
    assert done.returncode == 0 and "the region: checkpoints" in done.stdout, done.stdout + done.stderr


def test_a_package_is_compared_with_a_checkpoint_from_elsewhere(told, tmp_path):
    package = told.folder / "all"
    notes = {line["checkpoint"].split("\n")[0]: line["checkpoint"] for line in lines(package) if "checkpoint" in line}
    secret = tmp_path / "secret.checkpoint"
    secret.write_text(notes["fastness/us-isob-east-1/SECRET"])
    done = verify(told, package, "--witness", secret)
    assert done.returncode == 0 and "compared with: what" in done.stdout, done.stdout + done.stderr
    assert json.loads(verify(told, package, "--witness", secret, "--json").stdout)["compared_with"]
    # What it has no checkpoint of, by log or by size, is said and is no success.
    for other in ["checkpoints", "copy"]:
        done = verify(told, package, "--witness", told.folder / other / "checkpoint")
        assert done.returncode == 1 and "could not be compared" in done.stdout, done.stdout + done.stderr
    # One that the region never signed.
    secret.write_text(secret.read_text().replace("/SECRET\n", "/SECRETS\n", 1))
    done = verify(told, package, "--witness", secret)
    assert done.returncode != 0 and "not signed with these keys" in done.stderr, done.stdout + done.stderr


def test_a_package_says_what_is_the_senders_word(told):
    done = verify(told, told.folder / "hidden")
    assert "in the sender's words: Username=(hidden)" in done.stdout and "compared with: nobody" in done.stdout


def test_a_copy_of_another_log_is_not_compared(told):
    done = verify(told, told.folder / "copy", "--witness", told.folder / "checkpoints" / "checkpoint")
    assert done.returncode != 0 and "is of" in done.stderr, done.stdout + done.stderr
    done = verify(told, told.folder / "copy", "--witness", told.folder / "copy" / "checkpoint")
    assert done.returncode == 0 and "compared with: what" in done.stdout, done.stdout + done.stderr

"""`fastness up`: start, stop, start again, and what can be wrong with the folder or the ports."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from cloud import OFFICES, PEOPLE, REGIONS, binary, children_of, free_port_base, get, keys, make_bucket, put, set_versioning, versions


def health(base, n):
    with urllib.request.urlopen(f"http://127.0.0.1:{base + n}/_fastness/health", timeout=10) as answer:
        hidden = ("date", "x-amz-request-id", "x-amz-id-2")
        return answer.status, sorted((k.lower(), v) for k, v in answer.headers.items() if k.lower() not in hidden), answer.read()


def up(data, base, timeout=120, **kw):
    """An `up` that is expected to fail."""
    done = subprocess.run(
        [kw.pop("program", binary()), "up", "--data", data, "--port-base", str(base)], capture_output=True, text=True, timeout=timeout,
        stdin=subprocess.DEVNULL, **kw,
    )
    assert done.returncode != 0, done.stdout
    assert "ready" not in done.stdout.split()
    assert done.stderr.strip() and "panicked" not in done.stderr, done.stderr
    return done.stderr


def snapshot(folder):
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in Path(folder).rglob("*")}


def test_profiles_are_written(cloud):
    profiles = cloud.profiles()
    assert set(profiles) >= set(PEOPLE) | set(OFFICES)
    for name in [*PEOPLE, *OFFICES]:
        number, region = REGIONS[name.split("-")[0]]
        assert profiles[name]["region"] == region
        assert profiles[name]["endpoint_url"] == f"http://127.0.0.1:{cloud.base + number}"
        assert profiles[name]["aws_access_key_id"].startswith("AKIA") and len(profiles[name]["aws_secret_access_key"]) >= 40
    ids = [p["aws_access_key_id"] for p in profiles.values()]
    assert len(set(ids)) == len(ids)


def test_ready_is_said_once_and_alone(cloud):
    assert [line for line in cloud.stdout if line.strip() == "ready"] == ["ready"]


def test_without_demo_there_is_no_data(fresh_cloud):
    for person in PEOPLE:
        assert fresh_cloud.s3(person).list_buckets()["Buckets"] == []


def test_demo_has_data_at_several_labels(new_cloud):
    cloud = new_cloud().start("--demo")
    seen = {}
    for person in PEOPLE:
        s3 = cloud.s3(person)
        for bucket in s3.list_buckets()["Buckets"]:
            for o in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
                head = s3.head_object(Bucket=bucket["Name"], Key=o["Key"])
                seen.setdefault(person.split("-")[0], set()).add(head["ResponseMetadata"]["HTTPHeaders"]["x-fastness-label"])
    assert set(seen) == set(REGIONS) and all(len(labels) >= 2 for labels in seen.values()), seen
    assert cloud.stop() == 0
    cloud.start("--demo")  # a second time: nothing doubles, nothing fails
    assert cloud.stop() == 0


def test_health_is_constant(cloud, name):
    before = [health(cloud.base, n) for n in (1, 2, 3)]
    assert all(status == 200 for status, _, _ in before)
    s3 = cloud.s3("topsecret-analyst")
    make_bucket(s3, name)
    for n in range(20):
        put(s3, name, f"k{n}", b"x" * 100_000)
    assert [health(cloud.base, n) for n in (1, 2, 3)] == before


def test_listens_on_the_loopback_address_alone(cloud):
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, port = local.split(":")
            if state == "0A" and cloud.base < int(port, 16) <= cloud.base + 3:
                found.add((address, int(port, 16) - cloud.base))
    assert found == {("0100007F", 1), ("0100007F", 2), ("0100007F", 3)}


def test_three_processes(cloud):
    assert len(children_of(cloud.process.pid)) >= 3


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_restart_keeps_everything(fresh_cloud, name, sig):
    cloud = fresh_cloud
    profiles = cloud.profiles()
    low, high = cloud.s3("topsecret-analyst-low"), cloud.s3("topsecret-si")
    make_bucket(low, name)
    put(low, name, "small", b"low", Metadata={"a": "b"})
    put(high, name, "small", b"high")
    put(high, name, "large", b"x" * 3_000_000)
    put(low, name, "gone", b"")
    low.delete_object(Bucket=name, Key="gone")
    set_versioning(high, name)
    ids = [put(high, name, "v", b"%d" % n)["VersionId"] for n in range(3)]
    upload = high.create_multipart_upload(Bucket=name, Key="up")["UploadId"]
    part = high.upload_part(Bucket=name, Key="up", UploadId=upload, PartNumber=1, Body=b"part one")
    cloud.iam("topsecret-admin").create_user(UserName="survivor")
    account = cloud.account("topsecret-si")
    label = high.head_object(Bucket=name, Key="small")

    assert cloud.stop(sig) == 0
    cloud.start()

    assert cloud.profiles() == profiles
    low, high = cloud.s3("topsecret-analyst-low"), cloud.s3("topsecret-si")
    assert cloud.account("topsecret-si") == account
    assert get(low, name, "small") == b"low" and get(high, name, "small") == b"high"
    head = high.head_object(Bucket=name, Key="small")
    assert head["LastModified"] == label["LastModified"] and head["ETag"] == label["ETag"]
    assert low.head_object(Bucket=name, Key="small")["Metadata"] == {"a": "b"}
    assert get(high, name, "large") == b"x" * 3_000_000
    assert keys(low, name) == ["small"]
    assert [v["VersionId"] for v in versions(high, name, Prefix="v")] == ids[::-1]
    done = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    high.complete_multipart_upload(Bucket=name, Key="up", UploadId=upload, MultipartUpload=done)
    assert get(high, name, "up") == b"part one"
    assert cloud.iam("topsecret-admin").get_user(UserName="survivor")
    put(high, name, "after", b"restart")
    assert cloud.stop() == 0


def test_restart_on_other_ports(fresh_cloud, name):
    cloud = fresh_cloud
    make_bucket(cloud.s3("secret-analyst"), name)
    assert cloud.stop() == 0
    cloud.base = free_port_base()
    cloud.start()
    assert name in [b["Name"] for b in cloud.s3("secret-analyst").list_buckets()["Buckets"]]
    assert cloud.profile("secret-analyst")["endpoint_url"].endswith(f":{cloud.base + 2}")


def test_stop_finishes_quickly_with_open_connections(fresh_cloud):
    idle = [socket.create_connection(("127.0.0.1", fresh_cloud.base + n)) for n in (1, 2, 3)]
    wire = fresh_cloud.wire("secret-analyst")
    assert wire.request("GET", "/").status == 200  # kept alive
    began = time.monotonic()
    assert fresh_cloud.stop() == 0
    assert time.monotonic() - began < 20
    for s in idle:
        s.close()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_port_in_use(new_cloud, n):
    cloud = new_cloud()
    with socket.socket() as taken:
        # Connections of an earlier test may still wait at the port for their last packets.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", cloud.base + n))
        taken.listen()
        assert str(cloud.base + n) in up(cloud.data, cloud.base)
    cloud.start()  # free again: all is well, nothing half-made is in the way
    assert cloud.stop() == 0


def test_second_up_on_the_same_folder(fresh_cloud, name):
    cloud = fresh_cloud
    make_bucket(cloud.s3("secret-analyst"), name)
    before = cloud.profiles()
    up(cloud.data, free_port_base())
    up(cloud.data, cloud.base)
    assert cloud.profiles() == before
    put(cloud.s3("secret-analyst"), name, "k", b"still here")
    assert get(cloud.s3("secret-analyst"), name, "k") == b"still here"
    assert cloud.stop() == 0


def test_foreign_folder(tmp_path):
    foreign = tmp_path / "somebody's"
    (foreign / "regions").mkdir(parents=True)
    (foreign / "thesis.txt").write_text("years of work")
    (foreign / "regions" / "map.png").write_bytes(b"\x89PNG")
    before = snapshot(foreign)
    assert "somebody's" in up(foreign, free_port_base())
    assert snapshot(foreign) == before


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    up(tmp_path / "file", free_port_base())
    assert (tmp_path / "file").read_text() == "x"


def test_unreadable_folder():
    """As root nothing is unreadable, so there somebody else starts `up`."""
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        folder = Path(work) / "data"
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            program = Path(work) / "fastness"
            shutil.copy(binary(), program)
            program.chmod(0o755)
            text = up(folder, free_port_base(), program=program, user=65534, group=65534, extra_groups=[], cwd=work)
        else:
            folder.chmod(0)
            text = up(folder, free_port_base())
            folder.chmod(0o700)
        assert str(folder) in text.replace("\n", "")
        assert list(folder.iterdir()) == []


def test_damaged_root_key(fresh_cloud):
    """Without its keys a region refuses to start, and says where it looked; with them it starts again."""
    assert fresh_cloud.stop() == 0
    region = fresh_cloud.data / "regions" / "us-isob-east-1"
    aside = fresh_cloud.data.parent / "aside"
    tops = [p for p in region.iterdir() if p.is_file() and p.suffix == ".key"]
    if not tops:
        tops = [p for p in region.rglob("*") if p.is_file() and "key" in p.name]
    assert tops, f"no key file below {region}"
    shutil.copy(tops[0], aside)
    content = bytearray(tops[0].read_bytes())
    content[len(content) // 2] ^= 1
    tops[0].write_bytes(content)
    up(fresh_cloud.data, fresh_cloud.base)
    shutil.copy(aside, tops[0])
    fresh_cloud.start()
    assert fresh_cloud.stop() == 0


@pytest.mark.parametrize("args", [["up", "--port-base", "70000"], ["up", "--port-base", "many"], ["serve"], ["serve", "--config", "/nonexistent"], ["nonsense"], ["audit", "verify", "/nonexistent"]])
def test_bad_arguments(args, tmp_path):
    done = subprocess.run([binary(), *args], capture_output=True, text=True, timeout=120, cwd=tmp_path, env={**os.environ, "FASTNESS_DATA": str(tmp_path / "d"), "HOME": str(tmp_path)})
    assert done.returncode not in (0, 101) and done.stderr.strip() and "panicked" not in done.stderr


def test_commands_without_a_running_cloud(tmp_path):
    for args in (["account", "list", "--region", "us-isob-east-1"], ["key", "create", "--label", "SECRET", "--profile", "secret-analyst-low"], ["label", "allow", "SECRET", "--profile", "secret-officer"]):
        done = subprocess.run([binary(), *args, "--data", tmp_path / "none"], capture_output=True, text=True, timeout=120)
        assert done.returncode not in (0, 101) and done.stderr.strip() and "panicked" not in done.stderr
        assert not (tmp_path / "none").exists()


def test_one_region_that_dies_is_noticed(fresh_cloud):
    """`up` does not go on pretending: it ends, with an error and without leaving the others behind."""
    offspring = children_of(fresh_cloud.process.pid)
    os.kill(offspring[0], signal.SIGKILL)
    code = fresh_cloud.process.wait(60)
    assert code != 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(Path(f"/proc/{p}").exists() for p in offspring):
        time.sleep(0.1)
    assert not [p for p in offspring if Path(f"/proc/{p}").exists()]
    assert fresh_cloud.errors().strip()
    fresh_cloud.process = None

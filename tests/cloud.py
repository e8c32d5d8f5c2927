"""Starts `fastness up`, and gives clients by profile."""

import configparser
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from wire import Wire

ROOT = Path(__file__).resolve().parent.parent
REGIONS = {"unclass": (1, "us-gov-west-1"), "secret": (2, "us-isob-east-1"), "topsecret": (3, "us-iso-east-1")}
ARN_PARTITION = {"us-gov-west-1": "aws-us-gov", "us-isob-east-1": "aws-iso-b", "us-iso-east-1": "aws-iso"}
PEOPLE = {
    "unclass-analyst": "UNCLASSIFIED",
    "unclass-analyst-cui": "CUI",
    "secret-analyst": "SECRET",
    "secret-analyst-low": "UNCLASSIFIED",
    "secret-analyst-rel": "SECRET//REL TO USA, GBR",
    "secret-partner": "SECRET//REL TO USA, GBR",
    "topsecret-analyst": "TOP SECRET//SI/TK",
    "topsecret-analyst-low": "SECRET",
    "topsecret-si": "TOP SECRET//SI",
    "topsecret-tk": "TOP SECRET//TK",
}
OFFICES = [f"{r}-{o}" for r in REGIONS for o in ("admin", "officer")]
START_LIMIT = float(os.environ.get("FASTNESS_START_LIMIT", "180"))

# Nothing of the machine's own AWS set-up gets in, and nobody is asked for credentials over the network.
for name in [n for n in os.environ if n.startswith("AWS_")]:
    del os.environ[name]
CLEAN = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_PAGER": "",
}
os.environ.update(CLEAN)


def binary():
    given = os.environ.get("FASTNESS_BIN")
    for path in [Path(given)] if given else [ROOT / "target" / k / "fastness" for k in ("release", "debug")]:
        if not path.is_absolute():
            path = ROOT / path
        if path.is_file():
            return path
    pytest.fail(f"no fastness program found ({given or 'target/release, target/debug'}): build it, or set FASTNESS_BIN")


def aws_program():
    path = Path(sys.executable).parent / "aws"
    return path if path.exists() else pytest.fail(f"no aws beside {sys.executable}: pip install -r tests/requirements.txt")


def free_port_base():
    for _ in range(1000):
        base = random.randrange(20000, 32000, 10)
        held = []
        try:
            for n in range(0, 4):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.append(s)
                s.bind(("127.0.0.1", base + n))
            return base
        except OSError:
            continue
        finally:
            for s in held:
                s.close()
    raise RuntimeError("no free ports")


def children_of(pid):
    """Every descendant of a process, from /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            fields = stat.rsplit(")", 1)[1].split()
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found, grow = [], {pid}
    while grow:
        grow = {p for p, parent in parents.items() if parent in grow}
        found += sorted(grow)
    return found


def client_config(**more):
    return Config(
        retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=120, max_pool_connections=16, **more
    )


class Cloud:
    def __init__(self, data, base=None):
        self.data = Path(data)
        self.base = base or free_port_base()
        self.process = None
        self.log = self.data.parent / f"{self.data.name}.log"
        self.stdout = []
        self._clients = {}

    # -- the process

    def launch(self, *more, env=None, cwd=None):
        """Starts `up` without waiting."""
        self._clients.clear()
        self.stdout = []
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [binary(), "up", "--data", self.data, "--port-base", str(self.base), *more],
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True,
                env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True,
            )
        ready = threading.Event()

        def read(pipe):
            for line in pipe:
                self.stdout.append(line.rstrip("\n"))
                if line.strip() == "ready":
                    ready.set()
            ready.set()

        self.reader = threading.Thread(target=read, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        return ready

    def start(self, *more, **kw):
        ready = self.launch(*more, **kw)
        if not ready.wait(START_LIMIT) or "ready" not in self.stdout:
            self.kill()
            raise AssertionError(f"fastness up did not get ready: {self.stdout}\n{self.errors()}")
        return self

    def errors(self):
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def stop(self, sig=signal.SIGTERM):
        """Stops cleanly; the exit code."""
        if self.process is None:
            return 0
        offspring = children_of(self.process.pid)
        self.process.send_signal(sig)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"fastness up did not stop within 60 s\n{self.errors()}") from None
        self.reader.join(10)
        left = [p for p in offspring if Path(f"/proc/{p}").exists() and p in children_of(1) + children_of(os.getpid())]
        self.process = None
        assert not left, f"processes left behind after a clean stop: {left}"
        return code

    def kill(self):
        """kill -9 for the regions and `up`, all at once."""
        if self.process is None:
            return
        process, self.process = self.process, None
        try:
            os.killpg(process.pid, signal.SIGKILL)  # the whole group: nobody whom `up` is just starting gets away
        except ProcessLookupError:
            pass
        process.wait()
        deadline = time.monotonic() + 60
        while left := [p for p in _group(process.pid) if _running(p)]:
            assert time.monotonic() < deadline, f"killed, and still there: {left}"
            time.sleep(0.005)

    # -- who is who

    def profiles(self):
        config, credentials = configparser.RawConfigParser(), configparser.RawConfigParser()
        config.read(self.data / "aws" / "config")
        credentials.read(self.data / "aws" / "credentials")
        out = {}
        for section in config.sections():
            name = section.removeprefix("profile ").strip()
            entry = dict(config[section])
            if credentials.has_section(name):
                entry.update(credentials[name])
            out[name] = entry
        return out

    def profile(self, name):
        return self.profiles()[name]

    def endpoint(self, region_name):
        number = next(n for n, r in REGIONS.values() if r == region_name)
        return f"http://127.0.0.1:{self.base + number}"

    def add_profile(self, name, region, key):
        """Adds a profile beside the ones that `up` wrote."""
        with open(self.data / "aws" / "config", "a") as f:
            f.write(f"\n[profile {name}]\nregion = {region}\nendpoint_url = {self.endpoint(region)}\n")
        with open(self.data / "aws" / "credentials", "a") as f:
            f.write(f"\n[{name}]\naws_access_key_id = {key[0]}\naws_secret_access_key = {key[1]}\n")

    # -- clients

    def client(self, service, profile, **config):
        if config or (service, profile) not in self._clients:
            p = self.profile(profile)
            made = self.client_for(
                service, p["region"], p["aws_access_key_id"], p["aws_secret_access_key"], p["endpoint_url"], **config
            )
            if config:
                return made
            self._clients[service, profile] = made
        return self._clients[service, profile]

    def client_for(self, service, region, access, secret, endpoint=None, **config):
        session = boto3.session.Session(
            aws_access_key_id=access, aws_secret_access_key=secret, region_name=region
        )
        return session.client(
            service, endpoint_url=endpoint or self.endpoint(region), config=client_config(**config)
        )

    def s3(self, profile, **config):
        return self.client("s3", profile, **config)

    def iam(self, profile):
        return self.client("iam", profile)

    def sts(self, profile):
        return self.client("sts", profile)

    def wire(self, profile, service="s3", timeout=60):
        p = self.profile(profile)
        return Wire(
            p["endpoint_url"], p["aws_access_key_id"], p["aws_secret_access_key"], p["region"], service, timeout
        )

    def account(self, profile):
        return self.sts(profile).get_caller_identity()["Account"]

    # -- programs

    def aws_env(self):
        return {
            **os.environ,
            "AWS_CONFIG_FILE": str(self.data / "aws" / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.data / "aws" / "credentials"),
            "AWS_MAX_ATTEMPTS": "1",
            "PYTHONWARNINGS": "ignore",
        }

    def cli(self, profile, *args, check=True, cwd=None, input=None, timeout=600):
        done = subprocess.run(
            [aws_program(), "--profile", profile, *map(str, args)], env=self.aws_env(), cwd=cwd, input=input,
            capture_output=True, text=not isinstance(input, bytes), timeout=timeout,
        )
        if check:
            assert done.returncode == 0, f"aws {args} → {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def fastness(self, *args, check=True, data=True, timeout=120):
        """Runs a command of the program; `--data` is added unless data=False."""
        extra = ["--data", str(self.data)] if data else []
        done = subprocess.run(
            [binary(), *map(str, args), *extra], capture_output=True, text=True, timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if check:
            assert done.returncode == 0, f"fastness {args} → {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def verify(self):
        return self.fastness("audit", "verify", self.data, check=False, data=False)

    # -- people made by a test

    def new_account(self, name, region):
        made = json.loads(self.fastness("account", "create", name, "--json", "--region", region).stdout)
        return Account(self, region, made)

    def new_user(self, region_prefix, name, **tags):
        """A user of the people's account: made by the administrator, cleared by the officer."""
        admin, officer = self.iam(f"{region_prefix}-admin"), self.iam(f"{region_prefix}-officer")
        return make_user(admin, officer, name, tags)


class Account:
    """A further account, with its administrator and its officer."""

    def __init__(self, cloud, region, made):
        self.cloud, self.region, self.made = cloud, region, made
        self.number = made["account"]
        keys = [(made[o]["access_key_id"], made[o]["secret_access_key"]) for o in ("administrator", "officer")]
        self.admin, self.officer = (cloud.client_for("iam", region, *k) for k in keys)
        self.admin_key, self.officer_key = keys

    def s3(self, name, **tags):
        """An S3 client for a new user with these tags."""
        user, key = make_user(self.admin, self.officer, name, tags)
        return self.cloud.client_for("s3", self.region, *key)


def make_user(admin, officer, name, tags):
    user = admin.create_user(UserName=name)["User"]
    if tags:
        officer.tag_user(UserName=name, Tags=[{"Key": k, "Value": v} for k, v in tags.items()])
    key = admin.create_access_key(UserName=name)["AccessKey"]
    return user, (key["AccessKeyId"], key["SecretAccessKey"])


class OtherServer(Cloud):
    """Another S3 server, to check the tests themselves (README.md)."""

    def __init__(self, url, access, secret):
        self.data, self.process, self._clients = Path("/nonexistent"), None, {}
        self.entry = dict(
            endpoint_url=url, aws_access_key_id=access, aws_secret_access_key=secret, region="us-east-1"
        )

    def profiles(self):
        return {name: self.entry for name in [*PEOPLE, *OFFICES]}


def _stat(path):
    """What follows the name in a process's or a thread's `stat`: its state, its parent, its group and so on; nothing of one that is gone."""
    try:
        return (path / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _group(leader):
    """Every process of a group, those that are not reaped among them."""
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _stat(p)[2:3] == [str(leader)]]


def _running(pid):
    """Whether a process is there, and not only waiting to be reaped. Its first thread may be gone while another one still
    waits for the disk, and holds its ports and locks."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False
    return any(_stat(task)[:1] not in ([], ["Z"], ["X"]) for task in tasks)


# -- small things that every test uses


@contextmanager
def refused(code, status=None):
    """The call inside is refused with this AWS code (or one of these)."""
    codes = {code} if isinstance(code, str) else set(code)
    with pytest.raises(ClientError) as caught:
        yield caught
    error = caught.value.response
    assert error["Error"]["Code"] in codes, f"{caught.value} (expected {codes})"
    if status is not None:
        assert error["ResponseMetadata"]["HTTPStatusCode"] == status, caught.value


def missing(code="NoSuchKey"):
    return refused(code, 404)


def denied():
    return refused("AccessDenied", 403)


def label_of(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"].get("x-fastness-label")


def make_bucket(s3, name):
    region = s3.meta.region_name
    more = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **more)
    return name


def put(s3, bucket, key, body=b"x", **more):
    return s3.put_object(Bucket=bucket, Key=key, Body=body, **more)


def get(s3, bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def keys(s3, bucket, **more):
    return [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, **more).get("Contents", [])]


def versions(s3, bucket, **more):
    return s3.list_object_versions(Bucket=bucket, **more).get("Versions", [])


def markers(s3, bucket, **more):
    return s3.list_object_versions(Bucket=bucket, **more).get("DeleteMarkers", [])


def set_versioning(s3, bucket, status="Enabled"):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def pattern(size, seed=0):
    """Bytes that differ at every place, quick to make."""
    return random.Random(seed * 1_000_003 + size).randbytes(size)

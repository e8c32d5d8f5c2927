"""The tour of README.md, its commands run as they are written.

Each fenced `sh` or `python` block whose fence follows a line `<!-- tour -->` is part of the tour. All blocks run in one bash
session, in an empty folder, with `fastness up --demo` running. Every command must succeed, but one whose line ends with a
comment that contains `refused`: that one must fail. A block after `<!-- tour, where there is s3fs -->` is left out, and that is
said, where nothing can be mounted.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from cloud import ROOT, Cloud, binary, free_port_base


def blocks():
    readme = ROOT / "README.md"
    text = readme.read_text() if readme.exists() else ""
    found = re.findall(r"^<!-- tour(, where there is s3fs)? -->[ \t]*\n+```(sh|python)\n(.*?)^```", text, re.M | re.S)
    out = []
    for needs_mount, language, body in found:
        if needs_mount and not can_mount():
            print("the tour's part about s3fs is left out: no s3fs, no fusermount or no /dev/fuse here")
        elif language == "python":
            out.append(f"python - <<'END OF PYTHON'\n{body}END OF PYTHON\n")
        else:
            out.append(body)
    return out


def can_mount():
    return all(shutil.which(name) for name in ("s3fs", "fusermount")) and os.access("/dev/fuse", os.R_OK | os.W_OK)


def statements(script):
    """(first line, last line, text) of each command that a backslash or a quote carries over lines."""
    lines, out, n = script.splitlines(), [], 0
    while n < len(lines):
        first = n
        while lines[n].endswith("\\") and n + 1 < len(lines):
            n += 1
        out.append((first + 1, n + 1, "\n".join(lines[first : n + 1])))
        n += 1
    return out


def usual_ports_free():
    for n in (1, 2, 3):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", 9400 + n))
            except OSError:
                return False
    return True


def test_tour(tmp_path, new_cloud):
    script = "\n".join(blocks())
    assert script.strip(), "README.md has no tour (fenced sh blocks after a line <!-- tour -->)"
    home = tmp_path / "home"
    home.mkdir()
    tools = tmp_path / "tools"
    tools.mkdir()
    shutil.copy(binary(), tools / "fastness")
    data = tmp_path / "data"
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        "HOME": str(home),
        "FASTNESS_DATA": str(data),
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_CONFIG_FILE": str(data / "aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(data / "aws" / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "PYTHONWARNINGS": "ignore",
        "TERM": "dumb",
    }
    cloud: Cloud = new_cloud(data, 9400 if usual_ports_free() else free_port_base())
    cloud.start("--demo", env=env, cwd=home)
    log = tmp_path / "failed-lines"
    tour = home / "tour.sh"
    tour.write_text(script)
    (tmp_path / "start.sh").write_text(f"trap 'echo $LINENO >> {log}' ERR\n")
    folder = tmp_path / "here"
    folder.mkdir()
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail -E; source {tmp_path}/start.sh; source {tour}'], cwd=folder, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200,
    )
    failed = {int(n) for n in log.read_text().split()} if log.exists() else set()
    wrong = []
    for first, last, text in statements(script):
        expected = bool(re.search(r"#.*\brefused\b", text)) and not text.lstrip().startswith("#")
        happened = any(first <= n <= last for n in failed)
        if expected != happened:
            wrong.append(f"line {first} {'failed' if happened else 'did not fail'}: {text}")
    assert not wrong, "\n".join(wrong) + "\n\n" + done.stdout
    assert cloud.stop() == 0

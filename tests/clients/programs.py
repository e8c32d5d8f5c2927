"""What the tests of clients share: running programs, trees of files, a relay that counts bytes."""

import filecmp
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

# The same person in two sessions of the secret region: SECRET and UNCLASSIFIED.
HIGH, LOW = "secret-analyst", "secret-analyst-low"


def program(name):
    """A program of the virtual environment."""
    path = Path(sys.executable).parent / name
    return path if path.exists() else pytest.fail(f"no {name} beside {sys.executable}: pip install -r tests/requirements.txt")


def run(*command, env=None, cwd=None, input=None, check=True, timeout=180):
    """Runs a program that knows nothing of this machine's own set-up."""
    done = subprocess.run(
        [str(c) for c in command], env={**os.environ, **(env or {})}, cwd=cwd, input=input, capture_output=True,
        text=not isinstance(input, bytes), timeout=timeout,
    )
    if check:
        assert done.returncode == 0, f"{command} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def make_tree(root, big=0):
    """A small tree with awkward names; with one file of `big` bytes. The files are old, so that a second sync finds them unchanged."""
    rng = random.Random(big)
    files = {
        "one.txt": b"one\n", "empty": b"", "dir/two words.txt": b"two\n", "dir/sub/\u00fcn\u00efc\u00f6d\u00e9 & + %.bin": rng.randbytes(5000),
        "dir/sub/[x]=1.csv": b"a,b\n1,2\n",
    }
    if big:
        files["big.bin"] = rng.randbytes(big)
    for name, body in files.items():
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return sorted(files)


def same_trees(a, b):
    """Whether two folders hold the same files with the same bytes."""

    def files(root):
        return sorted(str(p.relative_to(root)) for p in Path(root).rglob("*") if p.is_file())

    return files(a) == files(b) and all(filecmp.cmp(Path(a) / f, Path(b) / f, shallow=False) for f in files(a))


def on_path(name):
    return shutil.which(name)


class Relay:
    """A relay before a region that counts what passes. Signatures hold, since the client signs the relay's own address."""

    def __init__(self, endpoint):
        host, port = endpoint.removeprefix("http://").split(":")
        self.to = (host, int(port))
        self.sent = self.received = 0
        self.counting = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.to)
            for a, b, name in ((client, server, "sent"), (server, client, "received")):
                threading.Thread(target=self.copy, args=(a, b, name), daemon=True).start()

    def copy(self, a, b, name):
        try:
            while data := a.recv(1 << 16):
                with self.counting:
                    setattr(self, name, getattr(self, name) + len(data))
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()

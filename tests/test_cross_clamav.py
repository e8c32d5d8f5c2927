"""ClamAV behind the guard of a whole region: what it knows does not arrive, and without it nothing does. Its signatures here
are one, for the EICAR test file (eicar.org), so that no test needs the internet."""

import shutil
import subprocess
from socket import AF_UNIX
from socket import socket as connection

import pytest

from cloud import Cloud, get, missing, put
from crossing import LOW, MIDDLE, Crossing, wait

# In two pieces, or scanners would object to this source.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND" + b"ARD-ANTIVIRUS-TEST-FILE!$H+H*"

clamd = shutil.which("clamd", path="/usr/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(not clamd, reason="clamd is not installed (Debian package clamav-daemon)")


@pytest.fixture
def daemon(tmp_path):
    """Starts a daemon of the test's own; a function that starts it again after it was ended."""
    socket, signatures, config = tmp_path / "clamd.socket", tmp_path / "signatures", tmp_path / "clamd.conf"
    signatures.mkdir()
    (signatures / "test.ndb").write_text(f"Fastness.Test.Eicar:0:*:{EICAR.hex()}\n")
    config.write_text(
        f"Foreground yes\nLocalSocket {socket}\nFixStaleSocket yes\nDatabaseDirectory {signatures}\n"
        "StreamMaxLength 100M\nMaxScanSize 100M\nMaxFileSize 100M\nAlertExceedsMax yes\n"
    )
    processes = []

    def listens():
        """Its socket is there before that, and after a daemon that was killed."""
        with connection(AF_UNIX) as s:
            return s.connect_ex(str(socket)) == 0

    def start():
        processes.append(subprocess.Popen([clamd, "--config-file", config], stdout=subprocess.DEVNULL))
        wait(listens, seconds=60)
        return processes[-1]

    start.socket = socket
    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_what_clamav_knows_is_quarantined_and_without_it_nothing_arrives(daemon, tmp_path):
    scanner = daemon()
    cloud = Cloud(tmp_path / "data").start("--demo", "--no-diodes", "--clamd", str(daemon.socket))
    try:
        crossing = Crossing(cloud)
        low, high = cloud.s3("unclass-analyst"), cloud.s3("secret-analyst")
        put(low, "plans", "scanned/good.txt", b"harmless\n", ContentType="text/plain")
        put(low, "plans", "scanned/bad.txt", EICAR, ContentType="text/plain")
        lift = crossing.lift("unclass-analyst", "plans/scanned/", MIDDLE)
        (bundle,) = crossing.arrived("secret-officer", LOW, lift)
        assert (bundle["accepted"], bundle["quarantined"]) == (1, 1), bundle
        (stopped,) = bundle["stopped"]
        assert stopped["key"] == "scanned/bad.txt"
        assert stopped["findings"][0].startswith("malware: clamav: ClamAV knows it as `Fastness.Test.Eicar"), stopped
        assert get(high, "plans", "scanned/good.txt") == b"harmless\n"
        with missing():
            get(high, "plans", "scanned/bad.txt")
        said = cloud.fastness(
            "audit", "search", "--event", "ReceiveObjects", "--profile", "secret-auditor", "--json"
        ).stdout
        assert "quarantined spill" in said and "scanned/bad.txt" in said

        # Without the scanner what comes waits outside, and comes in once it is back.
        scanner.kill()
        scanner.wait()
        put(low, "plans", "waiting/late.txt", b"harmless, too\n", ContentType="text/plain")
        lift = crossing.lift("unclass-analyst", "plans/waiting/", MIDDLE)
        wait(lambda: "ClamAV does not answer" in cloud.errors(), seconds=120)
        with missing():
            get(high, "plans", "waiting/late.txt")
        daemon()
        (bundle,) = crossing.arrived("secret-officer", LOW, lift)
        assert (bundle["accepted"], bundle["quarantined"]) == (1, 0), bundle
    finally:
        cloud.kill()

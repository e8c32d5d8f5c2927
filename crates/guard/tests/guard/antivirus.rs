//! ClamAV with a signature database of one signature, for the EICAR test file (eicar.org). The file itself stands nowhere:
//! it is joined when the test runs, or scanners would object to this source.

use crate::common::{guard_with, object, text};
use fastness_guard::{Antivirus, Kind, Verdict};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn eicar() -> String {
    ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

/// A signature in ClamAV's extended format (`.ndb`): name, any type, anywhere, bytes.
fn database(folder: &Path) -> PathBuf {
    let mut signature = "Fastness.Test.Eicar:0:*:".to_owned();
    eicar().bytes().for_each(|byte| write!(signature, "{byte:02x}").unwrap());
    let path = folder.join("test.ndb");
    std::fs::write(&path, signature + "\n").unwrap();
    path
}

/// Where a program of Debian's packages clamav and clamav-daemon lies; none: not installed here.
fn installed(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/usr/sbin"].iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

fn check(antivirus: Antivirus) {
    let mut guard = guard_with(env!("CARGO_BIN_EXE_fastness-filter"), |policy| policy.antivirus = antivirus);
    let verdict = guard.inspect(&text("harmless"));
    assert!(matches!(verdict, Verdict::Passed { .. }), "{verdict:?}");
    let zipped = crate::corpus::zip(&[("a.txt", eicar().as_bytes())]);
    for object in [text(&eicar()), object("a.zip", "application/zip", zipped)] {
        let Verdict::Quarantined { findings } = guard.inspect(&object) else { panic!("EICAR passed: {}", object.name) };
        assert_eq!((findings[0].kind, findings[0].filter.as_str()), (Kind::Malware, "clamav"), "{findings:?}");
        assert!(findings[0].what.contains("Fastness.Test.Eicar"), "{findings:?}");
    }
}

#[test]
fn clamscan_stops_the_eicar_file() {
    let Some(program) = installed("clamscan") else {
        eprintln!("skipped: clamscan is not installed (Debian package clamav)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    check(Antivirus::Program { program, database: Some(database(folder.path())), time: PATIENCE });
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn clamd_stops_the_eicar_file() {
    let Some(program) = installed("clamd") else {
        eprintln!("skipped: clamd is not installed (Debian package clamav-daemon)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (data, socket) = (folder.path().join("db"), folder.path().join("clamd.socket"));
    std::fs::create_dir(&data).unwrap();
    database(&data);
    let config = folder.path().join("clamd.conf");
    let text = format!(
        "Foreground yes\nLocalSocket {}\nDatabaseDirectory {}\nStreamMaxLength 100M\nAlertExceedsMax yes\n",
        socket.display(),
        data.display()
    );
    std::fs::write(&config, text).unwrap();
    let daemon = Command::new(program).arg("--config-file").arg(&config).stdout(std::process::Stdio::null()).spawn();
    let _daemon = Daemon(daemon.unwrap());
    let until = Instant::now() + PATIENCE;
    while !socket.exists() {
        assert!(Instant::now() < until, "clamd does not begin");
        std::thread::sleep(Duration::from_millis(50));
    }
    check(Antivirus::Daemon { socket, time: PATIENCE });
}

#[test]
fn a_scanner_that_is_not_there_lets_nothing_through() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("nobody");
    let missing = folder.path().join("clamscan");
    for antivirus in [
        Antivirus::Daemon { socket, time: PATIENCE },
        Antivirus::Program { program: missing, database: None, time: PATIENCE },
        Antivirus::Program { program: "/bin/false".into(), database: None, time: PATIENCE },
    ] {
        let mut guard = guard_with(env!("CARGO_BIN_EXE_fastness-filter"), |policy| policy.antivirus = antivirus);
        let Verdict::Quarantined { findings } = guard.inspect(&text("harmless")) else { panic!("passed unseen") };
        assert_eq!(findings[0].kind, Kind::Unavailable, "{findings:?}");
    }
}

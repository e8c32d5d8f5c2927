//! ClamAV with a signature database of one signature, for the EICAR test file (eicar.org). The file itself stands nowhere:
//! it is joined when the test runs, or scanners would object to this source.

use crate::common::{guard_with, object, text};
use fastness_guard::{Antivirus, Guard, Kind, Verdict};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
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
    // Its socket is there before it listens.
    while UnixStream::connect(&socket).is_err() {
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

/// Something that speaks as `clamd` does, and behaves as the content says.
fn behave(mut stream: UnixStream) -> std::io::Result<()> {
    let (mut command, mut length, mut content) = ([0; 10], [0; 4], Vec::new());
    stream.read_exact(&mut command)?;
    assert_eq!(&command, b"zINSTREAM\0");
    loop {
        stream.read_exact(&mut length)?;
        let mut chunk = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        if chunk.is_empty() {
            break;
        }
        stream.read_exact(&mut chunk)?;
        content.extend(chunk);
        if content.starts_with(b"too large") {
            return stream.write_all(b"INSTREAM size limit exceeded. ERROR\0");
        }
    }
    match content.as_slice() {
        b"fall over" => Ok(()),
        b"answer slowly" => {
            stream.write_all(b"stream: ")?;
            loop {
                stream.write_all(b"a")?;
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        b"answer nonsense" => stream.write_all(b"stream: Can't allocate memory ERROR\0"),
        _ => stream.write_all(b"stream: OK\0"),
    }
}

fn guard_of(socket: PathBuf) -> Guard {
    let time = Duration::from_secs(2);
    guard_with(env!("CARGO_BIN_EXE_fastness-filter"), |policy| policy.antivirus = Antivirus::Daemon { socket, time })
}

#[test]
fn a_daemon_that_misbehaves_over_one_content_stops_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("clamd.socket");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever asked may have had enough of it.
            std::thread::spawn(move || behave(stream.unwrap()));
        }
    });
    let mut guard = guard_of(socket);
    let whats = ["good", "fall over", "answer slowly", "answer nonsense", "good, too"].map(str::to_owned);
    let large = format!("too large{}", "x".repeat(3 << 20));
    let objects: Vec<_> = whats.iter().chain([&large]).map(|content| text(content)).collect();
    let begin = Instant::now();
    let verdicts = guard.inspect_many(&objects);
    assert!(begin.elapsed() < PATIENCE, "one deadline for all of it: {:?}", begin.elapsed());
    let kinds: Vec<Option<Kind>> = verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::Passed { .. } => None,
            Verdict::Quarantined { findings } => {
                assert_eq!(findings[0].filter, "clamav", "{findings:?}");
                Some(findings[0].kind)
            }
        })
        .collect();
    let expected = [None, Some(Kind::Unanswered), Some(Kind::Hang), Some(Kind::Unanswered), None, Some(Kind::Size)];
    assert_eq!(kinds, expected);
}

#[test]
fn a_daemon_that_lets_nobody_in_is_not_waited_for() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("clamd.socket");
    let address = SocketAddrUnix::new(&socket).unwrap();
    let open =
        || rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
    let listener = open();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    // Until its queue is full.
    let mut waiting = Vec::new();
    loop {
        let one = open();
        let connected = rustix::net::connect(&one, &address);
        waiting.push(one);
        if connected.is_err() {
            break;
        }
    }
    let begin = Instant::now();
    let verdict = guard_of(socket).inspect(&text("harmless"));
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    assert_eq!(verdict.findings()[0].kind, Kind::Unavailable, "{verdict:?}");
}

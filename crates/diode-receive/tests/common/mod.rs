//! Both ends of a line as processes of their own, and what can happen in between.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The arguments of a sender that this test program is to be; see [`sender`].
pub const SENDER_ARGUMENTS: &str = "FASTNESS_DIODE_SEND_ARGUMENTS";
/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a key, an outbox, an inbox, and what the two ends remember.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["outbox", "sent", "inbox", "work"] {
            std::fs::create_dir(place.path(folder)).unwrap();
        }
        place.make_key("link.key");
        place
    }

    pub fn make_key(&self, name: &str) {
        let key = fastness_diode::LinkKey::random().unwrap();
        let path = self.path(name);
        std::fs::write(&path, key.to_text().as_bytes()).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    pub fn key(&self) -> fastness_diode::LinkKey {
        fastness_diode::LinkKey::from_text(&std::fs::read_to_string(self.path("link.key")).unwrap()).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a bundle into the outbox; its content follows from its number and length.
    pub fn put(&self, number: u64, length: usize) -> Vec<u8> {
        let content = content(number, length);
        let new = self.path("outbox/new");
        std::fs::write(&new, &content).unwrap();
        std::fs::rename(new, self.path(&format!("outbox/{number:010}.bundle"))).unwrap();
        content
    }

    /// Waits until a bundle is in the inbox, and gives its content.
    pub fn wait_for(&self, number: u64) -> Vec<u8> {
        let path = self.path(&format!("inbox/{number:010}.bundle"));
        wait(&format!("bundle {number}"), || path.exists());
        std::fs::read(path).unwrap()
    }

    pub fn inbox(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("inbox")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Events of an end, of one kind.
    pub fn events(&self, end: &str, kind: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(end)).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|event| event["event"] == kind).collect()
    }

    /// The count of a reason, as the receiver told it last.
    pub fn count(&self, reason: &str) -> u64 {
        let events = self.events("receive.log", "unused");
        events.last().and_then(|event| event["counts"][reason].as_u64()).unwrap_or(0)
    }

    /// What `--gaps` prints.
    pub fn gaps(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastness-diode-receive"));
        let output = command.arg("--work").arg(self.path("work")).arg("--gaps").output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Bytes that repeat nowhere and follow from a number.
pub fn content(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

pub fn wait(what: &str, mut is_there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_there() {
        assert!(start.elapsed() < PATIENCE, "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process that ends with the test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// The receiver's command, without where to listen.
pub fn receiver_command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastness-diode-receive"));
    command.arg("--key").arg(place.path("link.key"));
    command.arg("--inbox").arg(place.path("inbox")).arg("--work").arg(place.path("work"));
    command.arg("--events").arg(place.path("receive.log")).args(["--buffer", "16"]).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Starts a receiver; says where it listens.
pub fn receiver(place: &Place, arguments: &[&str]) -> (Process, SocketAddr) {
    receiver_at(place, SocketAddr::from(([127, 0, 0, 1], 0)), arguments)
}

/// Starts a receiver that listens at an address; says where, if its port is 0.
pub fn receiver_at(place: &Place, at: SocketAddr, arguments: &[&str]) -> (Process, SocketAddr) {
    let before = place.events("receive.log", "started").len();
    let mut command = receiver_command(place, arguments);
    let process = Process(command.args(["--listen", &at.to_string()]).spawn().unwrap());
    wait("the receiver", || place.events("receive.log", "started").len() > before);
    let started = place.events("receive.log", "started").pop().unwrap();
    (process, started["listen"].as_str().unwrap().parse().unwrap())
}

/// Starts a receiver whose inbox and folder of work are on a disk of 4 MB of its own.
pub fn receiver_on_a_small_disk(place: &Place, arguments: &[&str]) -> Process {
    std::fs::create_dir(place.path("disk")).unwrap();
    for folder in ["inbox", "work"] {
        std::fs::remove_dir(place.path(folder)).unwrap();
        std::os::unix::fs::symlink(place.path("disk").join(folder), place.path(folder)).unwrap();
    }
    let receiver = receiver_command(place, arguments);
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let script = r#"mount -t tmpfs -o size=4m none "$0" && mkdir "$0/inbox" "$0/work" && exec "$@""#;
    command.args(["--mount", "sh", "-c", script]).arg(place.path("disk"));
    command.arg(receiver.get_program()).args(receiver.get_args()).args(["--listen", "127.0.0.1:0"]);
    let process = Process(command.stdin(Stdio::null()).spawn().unwrap());
    wait("the receiver", || !place.events("receive.log", "started").is_empty());
    process
}

/// The sender's command. It is this test program once more, whose test `sender_process` turns into the sender.
pub fn sender_command(place: &Place, to: SocketAddr, arguments: &[&str]) -> Command {
    let path = |name: &str| place.path(name).to_str().unwrap().to_owned();
    let mut all = vec!["fastness-diode-send".to_owned(), "--to".to_owned(), to.to_string()];
    for (flag, name) in
        [("--outbox", "outbox"), ("--key", "link.key"), ("--state", "state.json"), ("--events", "send.log")]
    {
        all.extend([flag.to_owned(), path(name)]);
    }
    all.extend(["--announce-ms", "100"].map(str::to_owned));
    if !arguments.contains(&"--rate") {
        all.extend(["--rate", "50"].map(str::to_owned));
    }
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "sender_process", "--nocapture"]).env(SENDER_ARGUMENTS, all.join("\x1f"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The same command, in a process that may have few files open at once: so many at first, and so many if it asks for more.
pub fn with_descriptors(command: &Command, soft: u32, hard: u32) -> Command {
    let mut limited = Command::new("sh");
    let limits = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
    limited.args(["-c", &limits]).arg(command.get_program()).args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdin(Stdio::null()).stdout(Stdio::null());
    limited
}

/// Sends what is in the outbox.
pub fn send(place: &Place, to: SocketAddr, arguments: &[&str]) {
    let status = sender_command(place, to, &[&["--once"], arguments].concat()).status().unwrap();
    assert!(status.success(), "the sender failed");
}

/// Becomes the sender, if this process was started as one.
pub fn become_sender() {
    if let Ok(arguments) = std::env::var(SENDER_ARGUMENTS) {
        let code = fastness_diode_send::program(arguments.split('\x1f').map(Into::into));
        assert_eq!(code, std::process::ExitCode::SUCCESS);
    }
}

/// What a line does with a datagram.
pub enum Fate {
    Pass,
    Lose,
    Twice,
    /// It comes after the next one.
    Late,
}

/// A line between two ends, which does with each datagram what it is told to.
pub struct Line {
    pub from: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    pub fn new(to: SocketAddr, mut fate: impl FnMut(u64, &[u8]) -> Fate + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let _default = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 64 << 20);
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let from = socket.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let has_ended = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            let mut late: Option<Vec<u8>> = None;
            let mut count = 0;
            while !has_ended.load(Ordering::Relaxed) {
                let Ok(length) = socket.recv(&mut buffer) else { continue };
                let datagram = &buffer[..length];
                let pass = |datagram: &[u8]| {
                    let _lost = socket.send_to(datagram, to);
                };
                let fate = fate(count, datagram);
                count += 1;
                match fate {
                    Fate::Lose => continue,
                    Fate::Late if late.is_none() => {
                        late = Some(datagram.to_vec());
                        continue;
                    }
                    Fate::Twice => pass(datagram),
                    Fate::Pass | Fate::Late => {}
                }
                pass(datagram);
                late.take().iter().for_each(|datagram| pass(datagram));
            }
        });
        Self { from, ended, thread: Some(thread) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ended = self.thread.take().unwrap().join();
    }
}

/// Random numbers from a seed, so that a failure can be repeated.
pub fn chance(seed: u64) -> impl FnMut(f64) -> bool + Send {
    let mut state = seed | 1;
    move |probability| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 <= probability
    }
}

/// Whether a path is gone.
pub fn is_gone(path: &Path) -> bool {
    !path.exists()
}

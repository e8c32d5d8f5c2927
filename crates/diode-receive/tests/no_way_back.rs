//! Nothing goes from the upper end of a line to the lower one: by what the two programs share, by what their source calls,
//! by what their processes may ask of the system, and by what is seen on a wire.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[expect(dead_code, reason = "other tests use more of it")]
mod common;

use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, Process, wait};
use serde_json::Value;

#[test]
fn sender_process() {
    common::become_sender();
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The packages of this project that a package is built of.
fn ours(package: &str) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.current_dir(crates()).args(["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|other| other["name"] == package).unwrap();
    let dependencies = package["dependencies"].as_array().unwrap();
    let ours = dependencies.iter().filter(|other| other["kind"].is_null() && other["path"].is_string());
    ours.map(|other| other["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_two_ends_share_the_frames_and_nothing_else() {
    assert_eq!(ours("fastness-diode-send"), ["fastness-diode"]);
    assert_eq!(ours("fastness-diode-receive"), ["fastness-diode"]);
    assert_eq!(ours("fastness-diode"), Vec::<String>::new());
}

#[test]
fn the_frames_know_no_socket_and_no_file() {
    for (path, line) in code("diode") {
        for word in ["std::net", "std::fs", "std::process", "std::os", "tokio", "rustix", "libc"] {
            assert!(!line.contains(word), "{}: {line}", path.display());
        }
    }
}

/// Lines of a crate's source that are no comment.
fn code(name: &str) -> Vec<(PathBuf, String)> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(crates().join(name).join("src")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() == "tests.rs" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        lines.extend(code.map(|line| (path.clone(), line.to_owned())));
    }
    assert!(lines.len() > 100);
    lines
}

/// Calls on sockets and on what could be one; channels between threads have `recv` and `send`, too, and are named so that they
/// are told apart here.
fn forbidden<'a>(line: &'a str, calls: &[&str], channels: &[&str]) -> Option<&'a str> {
    let is_call = calls.iter().any(|call| line.contains(call));
    let is_channel = channels.iter().any(|channel| line.contains(channel));
    (is_call && !is_channel).then_some(line)
}

#[test]
fn the_senders_source_receives_nothing() {
    let calls =
        [".recv", ".peek", "recv_from", "recvm", ".connect(", "TcpListener", "TcpStream", "UnixStream", "accept("];
    let channels = ["work.recv_timeout(", "reports.recv_timeout(", "reports.try_recv("];
    for (path, line) in code("diode-send") {
        assert_eq!(forbidden(&line, &calls, &channels), None, "{}", path.display());
    }
}

#[test]
fn the_receivers_source_sends_nothing() {
    let calls = [".send", "send_to", "sendm", "Transmit", ".connect(", "TcpListener", "TcpStream", "UnixStream"];
    let channels = ["builder.send(", "keeper.send(", "done.send("];
    for (path, line) in code("diode-receive") {
        assert_eq!(forbidden(&line, &calls, &channels), None, "{}", path.display());
    }
}

/// Runs one of the tests below in a process of its own, where it puts the filter on itself.
fn in_a_process(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("FASTNESS_DIODE_CONFINED", test)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn is_the_process(test: &str) -> bool {
    std::env::var("FASTNESS_DIODE_CONFINED").is_ok_and(|wanted| wanted == test)
}

fn is_forbidden<T>(result: std::io::Result<T>) -> bool {
    // EPERM is what the filter answers.
    result.is_err_and(|error| error.raw_os_error() == Some(1))
}

#[test]
fn the_senders_process_cannot_receive() {
    in_a_process("a_confined_sender");
}

#[test]
fn a_confined_sender() {
    if !is_the_process("a_confined_sender") {
        return;
    }
    let (socket, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = socket.local_addr().unwrap();
    // Something is there to be received, so that nothing fails for want of it.
    other.send_to(b"answer", address).unwrap();
    let file = std::fs::File::open("/proc/self/status").unwrap();
    fastness_diode_send::confine(socket.as_fd()).unwrap();
    let mut buffer = [0; 16];
    assert!(is_forbidden(socket.recv_from(&mut buffer)));
    assert!(is_forbidden(socket.recv(&mut buffer)));
    assert!(is_forbidden(socket.peek_from(&mut buffer)));
    assert!(is_forbidden(rustix::io::read(&socket, &mut buffer).map_err(Into::into)));
    assert!(is_forbidden(rustix::io::readv(&socket, &mut [std::io::IoSliceMut::new(&mut buffer)]).map_err(Into::into)));
    let mut slots = [std::io::IoSliceMut::new(&mut buffer)];
    let offload = quinn_udp::UdpSocketState::new((&socket).into());
    assert!(offload.is_err(), "options of sockets are fixed");
    assert!(is_forbidden(
        rustix::net::recvmsg(&socket, &mut slots, &mut Default::default(), rustix::net::RecvFlags::empty())
            .map_err(Into::into)
    ));
    // Nor by a second descriptor, a second socket, or another program.
    assert!(is_forbidden(socket.try_clone()));
    assert!(is_forbidden(rustix::io::dup(&socket).map_err(Into::into)));
    assert!(is_forbidden(socket.connect(address)));
    assert!(is_forbidden(UdpSocket::bind("127.0.0.1:0")));
    assert!(is_forbidden(std::net::TcpStream::connect("127.0.0.1:1")));
    assert!(is_forbidden(std::os::unix::net::UnixStream::pair()));
    assert!(Command::new("/bin/true").status().is_err());
    // The other threads of the process cannot, either.
    let thread = std::thread::spawn(move || is_forbidden(socket.recv(&mut [0; 16])));
    assert!(thread.join().unwrap());
    // What it is for, it still can.
    assert_eq!(other.send_to(b"frame", address).unwrap(), 5);
    assert!(std::io::Read::read(&mut &file, &mut [0; 16]).unwrap() > 0);
    assert!(std::fs::read_dir("/proc/self").is_ok());
}

#[test]
fn the_receivers_process_cannot_send() {
    in_a_process("a_confined_receiver");
}

#[test]
fn a_confined_receiver() {
    if !is_the_process("a_confined_receiver") {
        return;
    }
    let (socket, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = other.local_addr().unwrap();
    other.send_to(b"frame", socket.local_addr().unwrap()).unwrap();
    let mut folder = tempfile::tempfile().unwrap();
    fastness_diode_receive::confine(socket.as_fd()).unwrap();
    assert!(is_forbidden(socket.send_to(b"answer", address)));
    assert!(is_forbidden(socket.connect(address)));
    assert!(is_forbidden(socket.send(b"answer")));
    assert!(is_forbidden(rustix::io::write(&socket, b"answer").map_err(Into::into)));
    assert!(is_forbidden(rustix::io::writev(&socket, &[std::io::IoSlice::new(b"answer")]).map_err(Into::into)));
    let (buffers, flags) = ([std::io::IoSlice::new(b"answer")], rustix::net::SendFlags::empty());
    assert!(is_forbidden(rustix::net::sendmsg(&socket, &buffers, &mut Default::default(), flags).map_err(Into::into)));
    assert!(is_forbidden(socket.try_clone()));
    assert!(is_forbidden(rustix::io::dup(&socket).map_err(Into::into)));
    assert!(is_forbidden(UdpSocket::bind("127.0.0.1:0")));
    assert!(is_forbidden(std::net::TcpStream::connect("127.0.0.1:1")));
    assert!(Command::new("/bin/true").status().is_err());
    let thread = std::thread::spawn(move || {
        let cannot = is_forbidden(socket.send_to(b"answer", address));
        let mut buffer = [0; 16];
        (cannot, socket.recv_from(&mut buffer).map(|(length, _)| length).ok())
    });
    assert_eq!(thread.join().unwrap(), (true, Some(5)));
    folder.write_all(b"bundle").unwrap();
}

/// Two network namespaces, joined by a wire.
struct Wire {
    low: Process,
    high: Process,
}

impl Wire {
    fn new() -> Self {
        let hold = |own: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(own).args(["--net", "sleep", "600"]);
            Process(command.spawn().expect("util-linux is there"))
        };
        // Without the right to, a namespace of users gives it.
        let own: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--map-root-user"] };
        let low = hold(own);
        let net = |id: u32| std::fs::read_link(format!("/proc/{id}/ns/net")).ok();
        let our_own = net(std::process::id());
        let apart = |id: u32| wait("a namespace", || net(id).is_some_and(|net| Some(net) != our_own));
        apart(low.0.id());
        let wire = if own.is_empty() {
            let high = hold(own);
            Self { low, high }
        } else {
            let mut command = Command::new("nsenter");
            command.args(["-t", &low.0.id().to_string(), "-U", "--preserve-credentials"]);
            let high = Process(command.args(["unshare", "--net", "sleep", "600"]).spawn().unwrap());
            Self { low, high }
        };
        apart(wire.high.0.id());
        let high = wire.high.0.id().to_string();
        let link = ["ip", "link", "add", "lower", "type", "veth", "peer", "name", "upper", "netns", &high];
        wire.low(&link);
        // Each datagram is a packet of its own on this wire, as it would be on another.
        wire.low(&["ip", "link", "set", "lower", "gso_max_segs", "1"]);
        // No neighbour is asked for and no IPv6 chatter begins: what the upper end would send, it would send by itself.
        for (is_low, device, own, other, other_mac) in [
            (true, "lower", "10.9.0.1/24", "10.9.0.2", "02:00:00:00:00:02"),
            (false, "upper", "10.9.0.2/24", "10.9.0.1", "02:00:00:00:00:01"),
        ] {
            let mac = if is_low { "02:00:00:00:00:01" } else { "02:00:00:00:00:02" };
            let run = |arguments: &[&str]| if is_low { wire.low(arguments) } else { wire.high(arguments) };
            // Where the kernel has IPv6 at all.
            let quiet =
                format!("! [ -e {0} ] || echo 1 > {0}", format_args!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"));
            run(&["sh", "-c", &quiet]);
            run(&["ip", "link", "set", device, "address", mac, "arp", "off", "up"]);
            run(&["ip", "address", "add", own, "dev", device]);
            run(&["ip", "neighbour", "replace", other, "lladdr", other_mac, "dev", device, "nud", "permanent"]);
        }
        wire
    }

    fn enter(of: &Process) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &of.0.id().to_string(), "-n"]);
        if !rustix::process::geteuid().is_root() {
            command.args(["-U", "--preserve-credentials"]);
        }
        command
    }

    fn low(&self, arguments: &[&str]) {
        assert!(Self::enter(&self.low).args(arguments).status().unwrap().success(), "{arguments:?}");
    }

    fn high(&self, arguments: &[&str]) {
        assert!(Self::enter(&self.high).args(arguments).status().unwrap().success(), "{arguments:?}");
    }

    /// Runs a command within a namespace; its own arguments and variables stay.
    fn within(of: &Process, command: &Command) -> Command {
        let mut inside = Self::enter(of);
        inside.arg(command.get_program()).args(command.get_args());
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside
    }

    /// Packets that the upper end ever put on the wire, and those that it took from it.
    fn packets(&self) -> (u64, u64) {
        let output = Self::enter(&self.high).args(["cat", "/proc/net/dev"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.trim().starts_with("upper:")).unwrap();
        let fields: Vec<u64> = line.split_once(':').unwrap().1.split_whitespace().map(|n| n.parse().unwrap()).collect();
        (fields[9], fields[1])
    }
}

/// A diode over a wire; what is done to the wire before comes from outside.
fn over_a_wire(prepare: impl FnOnce(&Wire)) {
    let (place, wire) = (Place::new(), Wire::new());
    prepare(&wire);
    let mut command = common::receiver_command(&place, &[]);
    command.args(["--listen", "10.9.0.2:9999"]);
    let _receiver = Process(Wire::within(&wire.high, &command).spawn().unwrap());
    wait("the receiver", || !place.events("receive.log", "started").is_empty());
    let sent = [place.put(1, 2_000_000), place.put(2, 100)];
    let to = "10.9.0.2:9999".parse().unwrap();
    let command = common::sender_command(&place, to, &["--once", "--rate", "20"]);
    assert!(Wire::within(&wire.low, &command).status().unwrap().success());
    for (number, content) in (1..).zip(sent) {
        assert!(place.wait_for(number) == content, "bundle {number}");
    }
    let (from_above, to_above) = wire.packets();
    assert_eq!(from_above, 0, "packets came from above");
    assert!(to_above > 1_000, "{to_above} packets went up");
}

#[test]
fn the_upper_end_puts_no_packet_on_the_wire() {
    over_a_wire(|_| {});
}

#[test]
fn a_diode_works_where_the_way_back_is_cut() {
    // Whatever the upper end would send has nowhere to go: it has no route but to itself.
    over_a_wire(|wire| wire.high(&["ip", "route", "replace", "blackhole", "10.9.0.0/24"]));
}

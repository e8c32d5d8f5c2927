//! A wire between two network namespaces, and what it loses. The namespaces end with the processes that hold them.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::process::{Background, Ending, output};

/// What a wire loses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// Nothing.
    None,
    /// Each packet with this probability.
    Random {
        /// In percent.
        percent: u32,
    },
    /// The first packets of so many.
    Breaks {
        /// Packets that are lost in a row.
        packets: u64,
        /// Packets from one break to the next.
        of: u64,
    },
}

impl Loss {
    /// The share of packets that is lost.
    pub fn share(&self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Random { percent } => f64::from(*percent) / 100.0,
            Self::Breaks { packets, of } => *packets as f64 / (*of).max(1) as f64,
        }
    }

    /// As nftables says it.
    fn rule(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Random { percent } => Some(format!("numgen random mod 10000 < {}", percent * 100)),
            Self::Breaks { packets, of } => Some(format!("numgen inc mod {of} < {packets}")),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::Random { percent } => write!(f, "{percent} % at random"),
            Self::Breaks { packets, of } => write!(f, "breaks of {packets} packets in {of}"),
        }
    }
}

/// The wire: `lower` in one namespace, `upper` in the other.
#[derive(Debug)]
pub struct Wire {
    low: Background,
    high: Background,
}

impl Wire {
    /// Lays a wire.
    pub fn new(mtu: u32, loss: Loss) -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "network namespaces with loss need root");
        let wire = Self { low: hold()?, high: hold()? };
        let (low, high) = (&wire.low, &wire.high);
        let (mtu, peer) = (mtu.to_string(), high.id().to_string());
        run(
            low,
            &[
                "ip", "link", "add", "lower", "mtu", &mtu, "type", "veth", "peer", "name", "upper", "mtu", &mtu,
                "netns", &peer,
            ],
        )?;
        // Each datagram is a packet of its own on this wire, as it would be on another.
        run(low, &["ip", "link", "set", "lower", "gso_max_segs", "1"])?;
        for (end, device, mac, own) in
            [(low, "lower", "02:00:00:00:00:01", "10.9.0.1/24"), (high, "upper", "02:00:00:00:00:02", "10.9.0.2/24")]
        {
            run(end, &["ip", "link", "set", device, "address", mac, "arp", "off", "up"])?;
            run(end, &["ip", "address", "add", own, "dev", device])?;
        }
        run(
            low,
            &[
                "ip",
                "neighbour",
                "replace",
                "10.9.0.2",
                "lladdr",
                "02:00:00:00:00:02",
                "dev",
                "lower",
                "nud",
                "permanent",
            ],
        )?;
        if let Some(rule) = loss.rule() {
            let rules = format!(
                "add table netdev wire; \
                 add chain netdev wire loss {{ type filter hook ingress device upper priority 0; }}; \
                 add rule netdev wire loss {rule} counter drop"
            );
            run(high, &["nft", &rules]).context("the wire's loss needs nftables (`nft`)")?;
        }
        Ok(wire)
    }

    /// A program in the lower namespace.
    pub fn low(&self, program: &Path) -> Command {
        within(&self.low, program)
    }

    /// A program in the upper namespace.
    pub fn high(&self, program: &Path) -> Command {
        within(&self.high, program)
    }

    /// Packets that the wire lost.
    pub fn lost(&self) -> Result<u64> {
        let Ok(rules) = output(within(&self.high, Path::new("nft")).args(["list", "ruleset"])) else { return Ok(0) };
        let after = rules.split("counter packets ").nth(1).and_then(|text| text.split(' ').next());
        Ok(after.map(str::parse).transpose()?.unwrap_or(0))
    }

    /// Datagrams for which the receiver's buffer had no room.
    pub fn dropped_for_want_of_room(&self) -> Result<u64> {
        let text = output(within(&self.high, Path::new("cat")).arg("/proc/net/snmp"))?;
        let mut lines = text.lines().filter(|line| line.starts_with("Udp:"));
        let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let pair = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "RcvbufErrors");
        Ok(pair.context("the kernel counts no datagrams")?.1.parse()?)
    }
}

/// A process that holds a network namespace.
fn hold() -> Result<Background> {
    let child = Command::new("unshare").args(["--net", "sleep", "3600"]).stdin(Stdio::null()).spawn();
    let holder = Background::new(child.context("network namespaces need `unshare`")?, Ending::AtOnce);
    let net = |id: u32| std::fs::read_link(format!("/proc/{id}/ns/net")).ok();
    let start = Instant::now();
    while net(holder.id()) == net(std::process::id()) {
        ensure!(start.elapsed() < Duration::from_secs(10), "no network namespace comes");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(holder)
}

/// `nsenter` becomes the program, so that the process that is started is the program's.
fn within(namespace: &Background, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &namespace.id().to_string(), "-n"]).arg(program);
    command
}

fn run(namespace: &Background, command: &[&str]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    output(within(namespace, Path::new(program)).args(arguments)).map(|_| ())
}

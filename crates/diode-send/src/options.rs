//! The command line: flags as people give them, and the settings that come of them.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use fastness_diode::{Geometry, LinkKey, Numbers, symbol_bytes_within};

use crate::SendError;
use crate::plan::repair_count;

/// What becomes of a bundle that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum After {
    /// It is removed
    #[default]
    Delete,
    /// It stays in the outbox; the state file says that it was sent
    Keep,
    /// It is moved to the folder of `--sent`, from where it can be sent again
    Move,
}

/// What the sender is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that bundles come into.
    pub outbox: PathBuf,
    /// The file that says what was sent.
    pub state: PathBuf,
    /// Where to send to.
    pub to: SocketAddr,
    /// Bytes a second on the line, headers of IP and UDP included.
    pub rate: f64,
    /// Symbol size, bytes.
    pub symbol_bytes: u32,
    /// Repair symbols, as a share of the source symbols; each block gets some more.
    pub repair: f64,
    /// How long a break in the line is to do no harm.
    pub burst: Duration,
    /// How many bytes of bundles are interleaved.
    pub interleave: u64,
    /// How often each bundle is sent.
    pub rounds: u32,
    /// The time between two rounds, at least.
    pub round_gap: Duration,
    /// The time between two announcements.
    pub announce: Duration,
    /// What becomes of bundles that were sent.
    pub after: After,
    /// Where they are moved to.
    pub sent: Option<PathBuf>,
    /// Bundles to send again.
    pub resend: Numbers,
    /// A file that more of these come in.
    pub resend_file: Option<PathBuf>,
    /// Send what is there, and end.
    pub once: bool,
    /// Where events go, if not to the standard error.
    pub events: Option<PathBuf>,
}

impl Settings {
    /// Any own address, of the family that is sent to.
    pub(crate) fn unspecified(&self) -> SocketAddr {
        let any = if self.to.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
        SocketAddr::new(any, 0)
    }

    /// What IP and UDP add to a frame, bytes.
    pub(crate) fn header_bytes(&self) -> usize {
        header_bytes(&self.to)
    }
}

fn header_bytes(to: &SocketAddr) -> usize {
    if to.is_ipv4() { 28 } else { 48 }
}

/// Sends bundles over a line that carries one way.
///
/// Takes files named by number (0000000001.bundle) from an outbox, in order, and sends each as frames with enough repair
/// symbols that nobody need ask for what is lost. It never receives anything: see `fastness-diode-receive` for the other end.
/// Rename bundles into the outbox; what is written there in place may be sent half.
#[derive(Debug, Parser)]
#[command(name = "fastness-diode-send", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Option<Chore>,
    #[command(flatten)]
    line: Option<LineArguments>,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Make a link key, to be carried to both ends by hand
    Key {
        /// The file to write, for its owner alone
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct LineArguments {
    /// Folder that bundles are renamed into
    #[arg(long, value_name = "DIR")]
    outbox: PathBuf,
    /// Address and port of the receiver
    #[arg(long, value_name = "ADDRESS:PORT")]
    to: SocketAddr,
    /// File that holds the link key; nobody but its owner may read it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File that remembers which bundles were sent
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Megabytes (10^6 bytes) a second on the line, headers included
    #[arg(long, value_name = "MB/S", default_value_t = 100.0)]
    rate: f64,
    /// The line's MTU, bytes; a frame fills it
    #[arg(long, value_name = "BYTES", default_value_t = 1_500, value_parser = clap::value_parser!(u32).range(256..=9_216))]
    mtu: u32,
    /// Repair symbols in percent of the source; each block gets five times the root of that and two more, so that
    /// small blocks hold out as long as large ones. Twelve make good that a tenth is lost at random
    #[arg(long, value_name = "PERCENT", default_value_t = 12.0)]
    repair: f64,
    /// The longest break of the line that is to do no harm, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    burst_ms: u64,
    /// How much is interleaved, in megabytes; without it, what a break of `--burst-ms` asks for at this rate
    #[arg(long, value_name = "MB")]
    interleave: Option<u64>,
    /// How often each bundle is sent. Sent once, what is so short that a break would take more of it than its repair makes good
    /// is sent more slowly than the line allows, within a second, or else twice
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Time between two rounds of a bundle, milliseconds at least
    #[arg(long, value_name = "MS", default_value_t = 200)]
    round_gap_ms: u64,
    /// Time between two announcements of the highest number, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    announce_ms: u64,
    /// What becomes of a bundle that was sent
    #[arg(long, value_enum, default_value_t = After::Delete)]
    after: After,
    /// Folder for bundles that were sent, with `--after move`; on the outbox's file system
    #[arg(long, value_name = "DIR", required_if_eq("after", "move"))]
    sent: Option<PathBuf>,
    /// Bundles to send again, as the receiver's gap list writes them: `3-5, 9`
    #[arg(long, value_name = "NUMBERS", default_value = "", hide_default_value = true)]
    resend: Numbers,
    /// File that such lists are renamed to while the sender runs; it is taken and removed. The list comes first, and then the
    /// bundles that are not in the outbox any more
    #[arg(long, value_name = "FILE")]
    resend_file: Option<PathBuf>,
    /// Send what is there, and end
    #[arg(long)]
    once: bool,
    /// File that events are appended to, one JSON object a line; without it, the standard error
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

/// The most that may be interleaved, bytes.
const INTERLEAVE_MAX: u64 = 1 << 30;

impl LineArguments {
    fn settings(self) -> Result<Settings, SendError> {
        let wrong = |text: String| Err(SendError::Settings(text));
        if !(0.001..=100_000.0).contains(&self.rate) {
            return wrong(format!("a rate of {} MB/s is none", self.rate));
        }
        if !(0.0..=500.0).contains(&self.repair) {
            return wrong(format!("{} percent of repair is not between 0 and 500", self.repair));
        }
        let room = usize::try_from(self.mtu).unwrap_or(0).saturating_sub(header_bytes(&self.to));
        let Some(symbol_bytes) = symbol_bytes_within(room) else {
            return wrong(format!("no frame fits an MTU of {}", self.mtu));
        };
        let (rate, repair) = (self.rate * 1e6, self.repair / 100.0);
        let interleave = match self.interleave {
            Some(megabytes) => megabytes.saturating_mul(1_000_000),
            None => interleave(rate, repair, self.burst_ms, symbol_bytes),
        };
        Ok(Settings {
            outbox: self.outbox,
            state: self.state,
            to: self.to,
            rate,
            symbol_bytes,
            repair,
            burst: Duration::from_millis(self.burst_ms),
            interleave: interleave.min(INTERLEAVE_MAX),
            rounds: self.rounds,
            round_gap: Duration::from_millis(self.round_gap_ms.max(self.burst_ms + 10)),
            announce: Duration::from_millis(self.announce_ms),
            after: self.after,
            sent: self.sent,
            resend: self.resend,
            resend_file: self.resend_file,
            once: self.once,
            events: self.events,
        })
    }
}

/// A break takes from each block of a group the same share as from the group: at most four fifths of its repair, so that
/// something is left for what is lost beside it.
fn interleave(rate: f64, repair: f64, burst_ms: u64, symbol_bytes: u32) -> u64 {
    // A bundle so long that its blocks are as large as they get.
    let largest = Geometry::new(1 << 30, symbol_bytes).ok().and_then(|geometry| geometry.block(0));
    let symbols = largest.map_or(1, |block| block.symbols);
    let made = f64::from(repair_count(symbols, repair));
    let broken = rate * burst_ms as f64 / 1e3;
    let share = made / (made + f64::from(symbols)) * 0.8;
    if share > 0.0 { (broken / share).min(INTERLEAVE_MAX as f64) as u64 } else { 0 }
}

/// Reads a link key that is for its owner alone.
fn read_key(path: &Path) -> Result<LinkKey, SendError> {
    let failed = |source| SendError::File { path: path.to_owned(), doing: "the link key cannot be read", source };
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(SendError::KeyOpen(path.to_owned()));
    }
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    LinkKey::from_text(&text).map_err(|source| SendError::Key { path: path.to_owned(), source })
}

fn make_key(path: &Path) -> Result<(), SendError> {
    let failed = |source| SendError::File { path: path.to_owned(), doing: "the link key cannot be written", source };
    let key = LinkKey::random()?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    std::io::Write::write_all(&mut file, key.to_text().as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// The program.
pub(crate) fn program(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _unprinted = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match (arguments.chore, arguments.line) {
        (Some(Chore::Key { file }), _) => make_key(&file),
        (None, Some(line)) => {
            let key = read_key(&line.key);
            line.settings().and_then(|settings| crate::run(&settings, &key?))
        }
        (None, None) => Err(SendError::Settings("nothing to do: see --help".to_owned())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fastness-diode-send: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Settings as they are when nobody says anything.
    pub(crate) fn settings() -> Settings {
        let needed = ["", "--outbox", "o", "--to", "127.0.0.1:9", "--key", "k", "--state", "s"];
        Arguments::try_parse_from(needed).unwrap().line.unwrap().settings().unwrap()
    }
}

//! The command line: flags as people give them, and the settings that come of them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fastness_diode::{BUNDLE_BYTES_MAX, BundleNumber, LinkKey};

use crate::ReceiveError;
use crate::journal::Journal;

/// What the receiver is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder that whole bundles come into.
    pub inbox: PathBuf,
    /// The folder of the journal, and of bundles that are under way.
    pub work: PathBuf,
    /// Where the journal begins, if it is new.
    pub first: Option<BundleNumber>,
    /// The most memory for blocks that are not whole, bytes.
    pub memory: usize,
    /// What the kernel is asked to hold for us, bytes.
    pub buffer: usize,
    /// The longest bundle that is taken, bytes.
    pub bundle_bytes_max: u64,
    /// The most that bundles under way may take of the disk, bytes.
    pub work_bytes_max: u64,
    /// The most bundles in the inbox.
    pub inbox_files_max: usize,
    /// The most bytes in the inbox; a bundle that is longer by itself comes into an empty one.
    pub inbox_bytes_max: u64,
    /// After so long without a symbol, a bundle is given up.
    pub patience: Duration,
    /// Whether bundles are durable before they are in the inbox.
    pub sync: bool,
    /// Where events go, if not to the standard error.
    pub events: Option<PathBuf>,
    /// Where reports for a ledger go, if somebody wants them.
    pub reports: Option<PathBuf>,
}

/// Receives bundles over a line that carries one way.
///
/// Rebuilds what `fastness-diode-send` sends, and renames each bundle into an inbox once it is whole and its digest right. It
/// never answers. Which bundle numbers are missing stands in a journal; `--gaps` prints them. A bundle may come into the inbox a
/// second time if the receiver was killed in between: whoever takes bundles goes by their numbers.
#[derive(Debug, Parser)]
#[command(name = "fastness-diode-receive", version)]
struct Arguments {
    /// Folder of the journal and of what is under way; on the inbox's file system
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present = "gaps")]
    listen: Option<SocketAddr>,
    /// File that holds the link key; nobody but its owner may read it
    #[arg(long, value_name = "FILE", required_unless_present = "gaps")]
    key: Option<PathBuf>,
    /// Folder that whole bundles are renamed into
    #[arg(long, value_name = "DIR", required_unless_present = "gaps")]
    inbox: Option<PathBuf>,
    /// Print which bundle numbers are missing, and end; what is under way is not missing
    #[arg(long)]
    gaps: bool,
    /// With --gaps: print JSON
    #[arg(long, requires = "gaps")]
    json: bool,
    /// The first bundle number to wait for
    #[arg(long, value_name = "NUMBER")]
    first: Option<BundleNumber>,
    /// Memory for blocks that are not whole, megabytes
    #[arg(long, value_name = "MB", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(4..=1_048_576))]
    memory: u64,
    /// What the kernel is asked to hold while we are late, megabytes; more than the system's bound needs CAP_NET_ADMIN
    #[arg(long, value_name = "MB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_024))]
    buffer: u64,
    /// The longest bundle that is taken, megabytes
    #[arg(long, value_name = "MB", default_value_t = 65_536)]
    bundle_max: u64,
    /// Disk for bundles under way, megabytes
    #[arg(long, value_name = "MB", default_value_t = 131_072)]
    work_max: u64,
    /// The most bundles in the inbox; when it is full, those that are whole wait
    #[arg(long, value_name = "FILES", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    inbox_max: u64,
    /// The most bytes in the inbox, megabytes
    #[arg(long, value_name = "MB", default_value_t = 1_048_576)]
    inbox_max_mb: u64,
    /// A bundle of which nothing came for so many seconds is given up, and missing
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    patience: u64,
    /// Leave it to the system when bundles are durable: faster, and a power cut may take what was received
    #[arg(long)]
    no_sync: bool,
    /// File that events are appended to, one JSON object a line; without it, the standard error
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Folder for reports of what could not be used, one an hour of each kind: an empty file, whose name says how much. A
    /// region takes them into its ledger from its inbox
    #[arg(long, value_name = "DIR")]
    reports: Option<PathBuf>,
}

const MEGABYTE: u64 = 1_000_000;

impl Arguments {
    fn settings(self) -> Result<(Settings, PathBuf), ReceiveError> {
        let (Some(listen), Some(key), Some(inbox)) = (self.listen, self.key, self.inbox) else {
            return Err(ReceiveError::Settings("--listen, --key and --inbox are needed".to_owned()));
        };
        let bytes = |megabytes: u64| megabytes.saturating_mul(MEGABYTE);
        let narrow = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let settings = Settings {
            listen,
            inbox,
            work: self.work,
            first: self.first,
            memory: narrow(bytes(self.memory)),
            buffer: narrow(bytes(self.buffer)),
            bundle_bytes_max: bytes(self.bundle_max).min(BUNDLE_BYTES_MAX),
            work_bytes_max: bytes(self.work_max),
            inbox_files_max: narrow(self.inbox_max),
            inbox_bytes_max: bytes(self.inbox_max_mb),
            patience: Duration::from_secs(self.patience),
            sync: !self.no_sync,
            events: self.events,
            reports: self.reports,
        };
        Ok((settings, key))
    }
}

/// Reads a link key that is for its owner alone.
fn read_key(path: &Path) -> Result<LinkKey, ReceiveError> {
    let failed = |source| ReceiveError::File { path: path.to_owned(), doing: "the link key cannot be read", source };
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(ReceiveError::KeyOpen(path.to_owned()));
    }
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    LinkKey::from_text(&text).map_err(|source| ReceiveError::Key { path: path.to_owned(), source })
}

fn print_gaps(work: &Path, first: Option<BundleNumber>, as_json: bool) -> Result<(), ReceiveError> {
    let journal = Journal::load(work, first)?;
    if as_json {
        println!("{}", journal.gaps_json());
    } else {
        print!("{}", journal.gaps_text());
    }
    Ok(())
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
    let done = if arguments.gaps {
        print_gaps(&arguments.work, arguments.first, arguments.json)
    } else {
        arguments.settings().and_then(|(settings, key)| crate::run(&settings, read_key(&key)?))
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fastness-diode-receive: {}", chain(&error));
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

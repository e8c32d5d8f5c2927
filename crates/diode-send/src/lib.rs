//! The lower end of a diode: takes bundles from an outbox and sends them over a line that carries one way.
//!
//! ```text
//! outbox ─▶ planner (reads, tags, encodes) ─▶ line (seals, paces, sends) ─▶ datagrams
//!                ▲                                   │
//!                └──────── what was sent ◀───────────┘        the state file; nothing ever comes from the line
//! ```
//!
//! It knows nothing of what is in a bundle, and nothing of who receives it. There is no way back in it: the socket is not
//! connected, so the kernel has nobody to hand an ICMP error to; no code of it receives; and a filter on its system
//! calls, put on before the first frame, forbids it what would.

mod confine;
mod events;
mod line;
mod options;
mod outbox;
mod pace;
mod plan;
mod spread;
mod state;

use std::ffi::OsString;
use std::io;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use fastness_diode::{LinkKey, Sealer};
use thiserror::Error;

pub use confine::{Confined, confine};
pub use options::{After, Settings};

use events::Events;

/// Why the sender ends.
#[derive(Debug, Error)]
pub enum SendError {
    /// A file or folder that it needs.
    #[error("`{path}`: {doing}")]
    File {
        /// Which.
        path: PathBuf,
        /// What it was needed for.
        doing: &'static str,
        /// Why that fails.
        #[source]
        source: io::Error,
    },
    /// The key's file holds no key.
    #[error("`{path}` holds no link key")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: fastness_diode::KeyError,
    },
    /// The key's file is open to others.
    #[error(
        "`{0}` may be read by others than its owner: `chmod 600` it, and make a new key if others may have read it"
    )]
    KeyOpen(PathBuf),
    /// The state file cannot be understood.
    #[error("`{path}` is no state of a sender: {problem}")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The settings do not fit together.
    #[error("{0}")]
    Settings(String),
    /// The socket.
    #[error("the socket cannot be {0}")]
    Socket(&'static str, #[source] io::Error),
    /// The filter on system calls.
    #[error("the filter on system calls cannot be put on: {0}")]
    Confine(String),
    /// The thread that sends.
    #[error("the thread that sends ended")]
    Line,
    /// The frames' keys and numbers.
    #[error("frames cannot be sealed")]
    Seal(#[from] fastness_diode::SealerError),
}

impl From<fastness_diode::KeyError> for SendError {
    fn from(error: fastness_diode::KeyError) -> Self {
        Self::Seal(error.into())
    }
}

/// The program `fastness-diode-send`, with its arguments.
pub fn program(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    options::program(arguments)
}

/// Sends what is in the outbox, and what comes into it; with `once`, only what is there.
///
/// # Errors
/// For what is wrong at the start, and if the state can no longer be kept. A bundle that cannot be read is an event.
pub fn run(settings: &Settings, key: &LinkKey) -> Result<(), SendError> {
    let events = &Events::open(settings.events.as_deref())?;
    let state = state::State::load(&settings.state)?;
    let outbox = outbox::Outbox::open(settings, open_files_max())?;
    let sealer = Sealer::new(key)?;
    let socket = UdpSocket::bind(settings.unspecified()).map_err(|error| SendError::Socket("bound", error))?;
    let tagger = key.block_tagger(&sealer.run())?;
    let line = line::Line::new(socket, settings, sealer)?;
    // From here on, nothing in this process can receive.
    confine(line.socket())?;
    events.put("started", &[("run", line.run().to_string().into()), ("to", settings.to.to_string().into())]);
    let (work, to_line) = mpsc::sync_channel(line::WORK_WAITING);
    let (report, from_line) = mpsc::channel();
    let highest = state.highest();
    std::thread::scope(|scope| {
        // The channels go with it: so the planner hears of its end.
        let sender = scope.spawn(move || line.run_until_done(to_line, &report, highest, events));
        let planned = plan::Planner::new(settings, outbox, state, events, work, from_line, tagger).run();
        // If the line fails, so does the planner, and the line knows why.
        sender.join().unwrap_or(Err(SendError::Line)).and(planned)
    })
}

/// Lets this process have as many files open as it may; says how many that are. No call on the filter's list could do so
/// later.
fn open_files_max() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _as_it_was = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

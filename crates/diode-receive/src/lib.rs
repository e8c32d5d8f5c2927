//! The upper end of a diode: takes what a line carries, rebuilds bundles, and puts each whole one into an inbox.
//!
//! ```text
//! datagrams ─▶ listener (authenticates) ─▶ gatherer (blocks, bounds) ─▶ builder (decodes, tags, writes)
//!                                              │  ▲                       │
//!                                              │  └────── blocks done ◀───┘
//!                                              └─▶ keeper (syncs, renames into the inbox, keeps the journal)
//! ```
//!
//! It knows nothing of what is in a bundle. Nothing that comes over the line stops it: what it cannot use is counted by its
//! reason. It answers nobody: no code of it sends, and a filter on its system calls forbids it what would.

mod block;
mod builder;
mod confine;
mod count;
mod events;
mod gather;
mod journal;
mod keeper;
mod listen;
mod options;
mod report;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;

use fastness_diode::LinkKey;
use thiserror::Error;

pub use confine::{Confined, confine};
pub use options::Settings;

use events::Events;
use gather::Gatherer;
use journal::Journal;

/// Why the receiver ends.
#[derive(Debug, Error)]
pub enum ReceiveError {
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
    /// The journal cannot be understood.
    #[error("`{path}` is no journal of a receiver: {problem}")]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another receiver works there.
    #[error("another receiver works in `{0}`")]
    Busy(PathBuf),
    /// Bundles could not be renamed into the inbox.
    #[error("`{work}` and `{inbox}` lie on different file systems; a bundle is renamed from one to the other")]
    Apart {
        /// The folder of work.
        work: PathBuf,
        /// The inbox.
        inbox: PathBuf,
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
    /// A thread of the receiver ended.
    #[error("the receiver's {0} ended")]
    Thread(&'static str),
}

/// The program `fastness-diode-receive`, with its arguments.
pub fn program(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    options::program(arguments)
}

/// Receives, for ever.
///
/// # Errors
/// For what is wrong at the start, and if a thread of it ends.
pub fn run(settings: &Settings, key: LinkKey) -> Result<(), ReceiveError> {
    let events = Events::open(settings.events.as_deref())?;
    let _lock = take_folder(&settings.work)?;
    ensure_together(&settings.work, &settings.inbox)?;
    let mut journal = Journal::load(&settings.work, settings.first)?;
    // What came in just before an end may be in the inbox and not in the journal.
    keeper::numbers_in(&settings.inbox)?.for_each(|number| journal.receive(number));
    let listener = listen::Listener::open(settings, key.clone())?;
    confine(listener.socket())?;
    events.put(
        "started",
        &[
            ("listen", listener.address().to_string().into()),
            ("buffer_bytes", listener.buffer_bytes().into()),
            ("missing", journal.missing().to_string().into()),
        ],
    );
    let (to_builder, blocks) = mpsc::channel();
    let (to_keeper, jobs) = mpsc::channel();
    let (to_gatherer, done) = mpsc::channel();
    std::thread::scope(|scope| {
        let built = to_gatherer.clone();
        scope.spawn(move || builder::run(&key, &blocks, &built));
        let events = &events;
        scope.spawn(move || keeper::Keeper::new(settings, events).run(&jobs, &to_gatherer));
        let gatherer = Gatherer::new(settings, journal, events, to_builder, to_keeper);
        listener.run(gatherer, &done)
    })
}

/// Takes the folder of work: it is this receiver's alone, and what an earlier one left half is removed.
fn take_folder(work: &Path) -> Result<File, ReceiveError> {
    let failed = |source| ReceiveError::File { path: work.to_owned(), doing: "the folder cannot be used", source };
    let lock = File::create(work.join("lock")).map_err(failed)?;
    lock.try_lock().map_err(|_| ReceiveError::Busy(work.to_owned()))?;
    for entry in std::fs::read_dir(work).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "part") {
            std::fs::remove_file(path).map_err(failed)?;
        }
    }
    Ok(lock)
}

fn ensure_together(work: &Path, inbox: &Path) -> Result<(), ReceiveError> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| {
        let failed = |source| ReceiveError::File { path: path.to_owned(), doing: "the folder cannot be used", source };
        std::fs::metadata(path).map(|metadata| metadata.dev()).map_err(failed)
    };
    if device(work)? == device(inbox)? {
        return Ok(());
    }
    Err(ReceiveError::Apart { work: work.to_owned(), inbox: inbox.to_owned() })
}

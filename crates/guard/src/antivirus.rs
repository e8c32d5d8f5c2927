//! ClamAV, where it is installed. It sees every content as it came, and that of every entry of an archive. A scanner that
//! was asked for and does not answer lets nothing through.

use crate::Kind;
use crate::rules::Refusal;
use crate::timed::Timed;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest reply of the daemon that is read.
const REPLY_BYTES_MAX: u64 = 4_096;
/// Content goes to the daemon in chunks (clamd(8), INSTREAM).
const CHUNK_BYTES: usize = 1 << 20;

/// Whether and how ClamAV is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Antivirus {
    /// Not at all.
    Off,
    /// The daemon `clamd`, by its command INSTREAM. Its `StreamMaxLength` must be at least the policy's `content_bytes`, and
    /// `AlertExceedsMax` on, or what is too large for it would pass unseen.
    Daemon {
        /// Its socket.
        socket: PathBuf,
        /// Time for one content.
        time: Duration,
    },
    /// The program `clamscan`, once for each content: slow, because it loads its signatures every time.
    Program {
        /// Where it lies.
        program: PathBuf,
        /// Signatures to use instead of those of the system.
        database: Option<PathBuf>,
        /// Time for one content.
        time: Duration,
    },
}

/// Something that no scanner knows: whoever answers about it works.
const HARMLESS: &[u8] = b"harmless";
/// Time for that. A daemon that reads its signatures anew may keep everybody waiting for a while.
const PROBE: Duration = Duration::from_secs(10);
/// How often a daemon whose queue is full is asked again.
const AGAIN: Duration = Duration::from_millis(10);

/// Why there is no clear answer.
#[derive(Debug)]
enum Silence {
    /// Nobody is there: no content is to blame.
    Away(Error),
    /// It took the content, and did not answer in time.
    Late,
    /// It took the content, and its answer is none.
    Broken(Error),
    /// It takes no content of this size.
    TooLarge,
}

impl Antivirus {
    /// The time for one content.
    pub(crate) fn time(&self) -> Duration {
        match self {
            Antivirus::Off => Duration::ZERO,
            Antivirus::Daemon { time, .. } | Antivirus::Program { time, .. } => *time,
        }
    }

    /// Whether the daemon answers about something harmless. A program is begun for each content anew; there is nothing to
    /// ask before.
    pub(crate) fn probe(&self) -> Result<(), Refusal> {
        match self {
            Antivirus::Off | Antivirus::Program { .. } => Ok(()),
            Antivirus::Daemon { time, .. } => self.is_well(*time),
        }
    }

    /// Refuses what the scanner knows, and what it gives no answer about within this time.
    pub(crate) fn scan(&self, content: &[u8], time: Duration) -> Result<(), Refusal> {
        let silence = match self.ask(content, time) {
            Ok(None) => return Ok(()),
            Ok(Some(name)) => {
                let what = format!("ClamAV knows it as `{}`", name.escape_debug());
                return Err(Refusal::new(Kind::Malware, what));
            }
            Err(silence) => silence,
        };
        let is_program = matches!(self, Antivirus::Program { .. });
        Err(match silence {
            Silence::TooLarge => Refusal::new(Kind::Size, "ClamAV takes no content of this size"),
            Silence::Away(error) => Refusal::new(Kind::Unavailable, format!("ClamAV does not answer: {error}")),
            // It may have been busy with something else than this content, or not work at all.
            Silence::Late => match self.is_well(PROBE) {
                Ok(()) => Refusal::new(Kind::Hang, "ClamAV did not answer in time"),
                Err(refusal) => refusal,
            },
            Silence::Broken(error) => match if is_program { self.is_well(PROBE) } else { Ok(()) } {
                Ok(()) => Refusal::new(Kind::Unanswered, format!("ClamAV took it and gave no answer: {error}")),
                Err(refusal) => refusal,
            },
        })
    }

    fn ask(&self, content: &[u8], time: Duration) -> Result<Option<String>, Silence> {
        let deadline = Instant::now() + time;
        match self {
            Antivirus::Off => Ok(None),
            Antivirus::Daemon { socket, .. } => ask_daemon(socket, deadline, content),
            Antivirus::Program { program, database, .. } => {
                ask_program(program, database.as_deref(), deadline, content)
            }
        }
    }

    fn is_well(&self, time: Duration) -> Result<(), Refusal> {
        let unwell = |what: String| Err(Refusal::new(Kind::Unavailable, what));
        match self.ask(HARMLESS, time.min(PROBE)) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => unwell("ClamAV finds something in what is harmless".to_owned()),
            Err(Silence::Away(error) | Silence::Broken(error)) => unwell(format!("ClamAV does not answer: {error}")),
            Err(Silence::Late | Silence::TooLarge) => {
                unwell("ClamAV does not answer about what is harmless".to_owned())
            }
        }
    }
}

/// Late, or broken.
fn silence(error: Error) -> Silence {
    if error.kind() == ErrorKind::TimedOut { Silence::Late } else { Silence::Broken(error) }
}

/// One deadline holds for all of it: to be let in, to hand over, to be answered.
fn ask_daemon(socket: &Path, deadline: Instant, content: &[u8]) -> Result<Option<String>, Silence> {
    let mut stream = connect(socket, deadline).map_err(Silence::Away)?;
    let handed = hand_over(&mut Timed { pipe: &mut stream, deadline }, content);
    // A daemon that had enough of it says so before it stops reading.
    let mut reply = String::new();
    let answered = Timed { pipe: &mut stream, deadline }.take(REPLY_BYTES_MAX).read_to_string(&mut reply);
    let reply = reply.trim_end_matches(['\0', '\n']);
    if reply.contains("size limit exceeded") {
        return Err(Silence::TooLarge);
    }
    handed.and(answered).map_err(silence)?;
    understand(reply).map_err(Silence::Broken)
}

fn hand_over(to: &mut impl Write, content: &[u8]) -> Result<(), Error> {
    to.write_all(b"zINSTREAM\0")?;
    for chunk in content.chunks(CHUNK_BYTES) {
        let length = u32::try_from(chunk.len()).map_err(|_| ErrorKind::InvalidInput)?;
        to.write_all(&length.to_be_bytes())?;
        to.write_all(chunk)?;
    }
    to.write_all(&[0; 4])
}

/// A connection that never blocks. A socket of this kind is let in at once, or not, when too many wait before it.
fn connect(socket: &Path, deadline: Instant) -> Result<UnixStream, Error> {
    let address = SocketAddrUnix::new(socket)?;
    loop {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let ours = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&ours, &address) {
            Ok(()) => return Ok(ours.into()),
            Err(Errno::AGAIN | Errno::INTR) if Instant::now() < deadline => std::thread::sleep(AGAIN),
            Err(Errno::AGAIN | Errno::INTR) => return Err(ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// `stream: OK`, `stream: NAME FOUND`, or an error.
fn understand(reply: &str) -> Result<Option<String>, Error> {
    let said = reply.strip_prefix("stream: ").unwrap_or(reply);
    match said.strip_suffix(" FOUND") {
        Some(name) => Ok(Some(name.to_owned())),
        None if said == "OK" => Ok(None),
        None => Err(Error::other("an answer that is neither yes nor no")),
    }
}

fn ask_program(
    program: &Path,
    database: Option<&Path>,
    deadline: Instant,
    content: &[u8],
) -> Result<Option<String>, Silence> {
    let mut command = Command::new(program);
    command.args(["--no-summary", "--stdout", "--alert-exceeds-max=yes"]);
    if let Some(database) = database {
        command.arg("--database").arg(database);
    }
    command.arg("-").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(Silence::Away)?;
    let Some(mut to) = child.stdin.take() else { return Err(Silence::Away(ErrorKind::BrokenPipe.into())) };
    let status = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A scanner that stops reading has made up its mind, or is about to be ended.
            let _ = to.write_all(content);
        });
        wait(&mut child, deadline)
    });
    let status = status.map_err(silence)?;
    let mut said = String::new();
    if let Some(from) = child.stdout.take() {
        from.take(REPLY_BYTES_MAX).read_to_string(&mut said).map_err(Silence::Broken)?;
    }
    let last = said.lines().find(|line| line.ends_with(" FOUND")).unwrap_or_default();
    match status.code() {
        Some(0) => Ok(None),
        Some(1) => {
            let name = last.rsplit_once(": ").map_or(last, |(_, name)| name);
            understand(&format!("stream: {name}")).map_err(Silence::Broken)
        }
        _ => Err(Silence::Broken(Error::other("it ended with an error"))),
    }
}

fn wait(child: &mut Child, deadline: Instant) -> Result<std::process::ExitStatus, Error> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_is_one() {
        assert_eq!(understand("stream: OK").unwrap(), None);
        assert_eq!(understand("stream: Eicar-Test FOUND").unwrap(), Some("Eicar-Test".to_owned()));
        assert!(understand("stream: Can't allocate memory ERROR").is_err());
        assert!(understand("").is_err());
    }
}

//! ClamAV, where it is installed. It sees every content as it came, and that of every entry of an archive. A scanner that
//! was asked for and does not answer lets nothing through.

use crate::Kind;
use crate::rules::Refusal;
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

impl Antivirus {
    /// Refuses what the scanner knows.
    pub(crate) fn scan(&self, content: &[u8]) -> Result<(), Refusal> {
        let found = match self {
            Antivirus::Off => return Ok(()),
            Antivirus::Daemon { socket, time } => ask_daemon(socket, *time, content),
            Antivirus::Program { program, database, time } => {
                ask_program(program, database.as_deref(), Instant::now() + *time, content)
            }
        };
        match found {
            Ok(None) => Ok(()),
            Ok(Some(name)) => Err(Refusal::new(Kind::Malware, format!("ClamAV knows it as `{}`", name.escape_debug()))),
            Err(error) => Err(Refusal::new(Kind::Unavailable, format!("ClamAV does not answer: {error}"))),
        }
    }
}

fn ask_daemon(socket: &Path, time: Duration, content: &[u8]) -> Result<Option<String>, Error> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(time))?;
    stream.write_all(b"zINSTREAM\0")?;
    for chunk in content.chunks(CHUNK_BYTES) {
        let length = u32::try_from(chunk.len()).map_err(|_| ErrorKind::InvalidInput)?;
        stream.write_all(&length.to_be_bytes())?;
        stream.write_all(chunk)?;
    }
    stream.write_all(&[0; 4])?;
    let mut reply = String::new();
    stream.take(REPLY_BYTES_MAX).read_to_string(&mut reply)?;
    understand(reply.trim_end_matches(['\0', '\n']))
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
) -> Result<Option<String>, Error> {
    let mut command = Command::new(program);
    command.args(["--no-summary", "--stdout", "--alert-exceeds-max=yes"]);
    if let Some(database) = database {
        command.arg("--database").arg(database);
    }
    command.arg("-").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let Some(mut to) = child.stdin.take() else { return Err(ErrorKind::BrokenPipe.into()) };
    let status = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A scanner that stops reading has made up its mind, or is about to be ended.
            let _ = to.write_all(content);
        });
        wait(&mut child, deadline)
    })?;
    let mut said = String::new();
    if let Some(from) = child.stdout.take() {
        from.take(REPLY_BYTES_MAX).read_to_string(&mut said)?;
    }
    let last = said.lines().find(|line| line.ends_with(" FOUND")).unwrap_or_default();
    match status.code() {
        Some(0) => Ok(None),
        Some(1) => understand(&format!("stream: {}", last.rsplit_once(": ").map_or(last, |(_, name)| name))),
        _ => Err(Error::other("it ended with an error")),
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
        assert!(understand("INSTREAM size limit exceeded. ERROR").is_err());
        assert!(understand("").is_err());
    }
}

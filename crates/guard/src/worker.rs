//! The guard's side of the pipe: one filter's process, its deadlines and its end.

use crate::protocol;
use crate::rules::{Answer, Answered, Done, Refusal, Sent, Task};
use crate::serve::{OVERHEAD_BYTES, READY};
use crate::{Bounds, Kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use std::io::{BufReader, Error, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What the kernel may hold of a message, so that both sides work at once.
const PIPE_BYTES: usize = 1 << 20;
/// What is looked at of a dead filter's last words.
const LAST_WORDS_BYTES: u64 = 4_096;
/// Characters of a finding, and notes of one answer.
const WORDS_MAX: usize = 300;
const NOTES_MAX: usize = 32;
/// Time for a process to start and enter its sandbox.
const START: Duration = Duration::from_secs(30);

/// A filter's process. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    is_ready: bool,
}

/// One question to a filter: a task with its contents.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) task: &'a Task,
    pub(crate) contents: Vec<&'a [u8]>,
}

/// A filter's words as they may reach people: hostile content may have made it say anything.
fn tame(text: &str) -> String {
    let is_harmless = |c: &char| !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    text.chars().filter(is_harmless).take(WORDS_MAX).collect()
}

fn tame_answer(answer: Answer, made: Vec<Vec<u8>>) -> Answer {
    match answer {
        Answer::Done(done) => {
            let notes = done.notes.iter().take(NOTES_MAX).map(|(what, place)| (tame(what), tame(place))).collect();
            Answer::Done(Done { parts: made, notes, ..done })
        }
        Answer::Refused(Refusal { kind, what, place }) => {
            Answer::Refused(Refusal { kind, what: tame(&what), place: tame(&place) })
        }
    }
}

/// How a filter ended instead of answering.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) kind: Kind,
    pub(crate) what: String,
}

impl Death {
    fn new(kind: Kind, what: impl Into<String>) -> Death {
        Death { kind, what: what.into() }
    }
}

impl Worker {
    /// Starts the filter of this name and hands it the rules.
    pub(crate) fn start(program: &Path, name: &str, bounds: &Bounds, rules: &[u8]) -> Result<Worker, Death> {
        let mut command = Command::new(program);
        command.arg(name).arg(bounds.memory_bytes.to_string()).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let unavailable = |error: Error| Death::new(Kind::Unavailable, format!("the filter does not start: {error}"));
        let mut child = command.spawn().map_err(unavailable)?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Death::new(Kind::Unavailable, "the filter has no pipes"));
        };
        // Without either, it works all the same, only slower.
        let _ = rustix::pipe::fcntl_setpipe_size(&to, PIPE_BYTES);
        let _ = rustix::pipe::fcntl_setpipe_size(&from, PIPE_BYTES);
        let mut worker = Worker { child, to, from, is_ready: false };
        fcntl_setfl(&worker.to, OFlags::NONBLOCK).map_err(|error| unavailable(error.into()))?;
        fcntl_setfl(&worker.from, OFlags::NONBLOCK).map_err(|error| unavailable(error.into()))?;
        worker.greet(rules).map_err(|error| worker.autopsy(&error))?;
        worker.is_ready = true;
        Ok(worker)
    }

    /// Hands over the rules, and waits until the filter is in its sandbox and knows them.
    fn greet(&mut self, rules: &[u8]) -> Result<(), Error> {
        let deadline = Instant::now() + START;
        protocol::write(&mut Timed { pipe: &mut self.to, deadline, flags: PollFlags::OUT }, &[rules])?;
        let mut from = Timed { pipe: &mut self.from, deadline, flags: PollFlags::IN };
        match protocol::read(&mut from, READY.len())?.as_deref() {
            None => Err(ErrorKind::UnexpectedEof.into()),
            Some([said]) if said == READY => Ok(()),
            Some(_) => Err(Error::new(ErrorKind::InvalidData, "it speaks another protocol")),
        }
    }

    /// Asks all of it at once, and waits for the answers, one each, as long as the bounds allow for one. After an error the
    /// worker is dead.
    pub(crate) fn ask(&mut self, asks: &[Ask<'_>], bounds: &Bounds) -> Result<Vec<Answer>, Death> {
        let deadline = Instant::now() + bounds.time;
        self.talk(asks, bounds, deadline).map_err(|error| self.autopsy(&error))
    }

    fn talk(&mut self, asks: &[Ask<'_>], bounds: &Bounds, deadline: Instant) -> Result<Vec<Answer>, Error> {
        let odd = |what| Error::new(ErrorKind::InvalidData, what);
        let tasks = asks.iter().map(|ask| u32::try_from(ask.contents.len()).map(|count| Sent(ask.task, count)));
        let tasks = tasks.collect::<Result<Vec<_>, _>>().map_err(|_| odd("a task that cannot be written"))?;
        let head = postcard::to_stdvec(&tasks).map_err(|_| odd("a task that cannot be written"))?;
        let mut wire = vec![head.as_slice()];
        wire.extend(asks.iter().flat_map(|ask| ask.contents.iter().copied()));
        protocol::write(&mut Timed { pipe: &mut self.to, deadline, flags: PollFlags::OUT }, &wire)?;
        let most = bounds.content_bytes.max(bounds.expanded_bytes).saturating_add(OVERHEAD_BYTES);
        let from = Timed { pipe: &mut self.from, deadline, flags: PollFlags::IN };
        // Nothing is lost with the buffer: a filter says one thing at a time.
        let mut from = BufReader::with_capacity(protocol::BUFFER_BYTES, from);
        let mut parts = protocol::read(&mut from, most)?.ok_or(ErrorKind::UnexpectedEof)?.into_iter();
        let answers: Vec<Answered> = postcard::from_bytes(&parts.next().unwrap_or_default())
            .map_err(|_| odd("an answer that cannot be read"))?;
        let made: usize = answers.iter().filter_map(|Answered(_, count)| usize::try_from(*count).ok()).sum();
        if answers.len() != asks.len() || made != parts.len() {
            return Err(odd("an answer to other questions"));
        }
        let own = |Answered(answer, count)| {
            let made = parts.by_ref().take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
            tame_answer(answer, made)
        };
        Ok(answers.into_iter().map(own).collect())
    }

    /// Ends the process and says what it died of. Nothing that it wrote is repeated: what hostile content made of a
    /// filter's words must not reach people as ours.
    fn autopsy(&mut self, error: &Error) -> Death {
        if !self.is_ready {
            // Nothing that anybody wrote was read yet: no content is to blame.
            let is_over = error.kind() != ErrorKind::TimedOut;
            let code = if is_over { self.wait_or_kill() } else { self.end() }.and_then(|status| status.code());
            let how = code.map_or_else(|| error.to_string(), |code| format!("exit code {code}"));
            return Death::new(Kind::Unavailable, format!("the filter does not begin ({how})"));
        }
        if error.kind() == ErrorKind::TimedOut {
            self.end();
            return Death::new(Kind::Hang, "the filter did not answer in time and was ended");
        }
        if error.kind() == ErrorKind::InvalidData {
            self.end();
            return Death::new(Kind::Crash, format!("the filter's answer is none: {error}"));
        }
        // It closed its pipes, so it is about to end; if it does not, it is ended.
        let status = self.wait_or_kill();
        let mut words = Vec::new();
        if let Some(said) = self.child.stderr.take() {
            let _ = said.take(LAST_WORDS_BYTES).read_to_end(&mut words);
        }
        let is_out_of_memory = String::from_utf8_lossy(&words).contains("memory allocation of");
        match status.as_ref().map(|status| (status.signal(), status.code())) {
            Some((Some(SIGSYS), _)) => {
                Death::new(Kind::Sandbox, "the filter tried what its sandbox forbids and was ended")
            }
            Some((Some(SIGXCPU), _)) => Death::new(Kind::Hang, "the filter used up its processor time and was ended"),
            Some((Some(_), _)) if is_out_of_memory => {
                Death::new(Kind::Memory, "the filter needed more memory than it may take")
            }
            Some((Some(signal), _)) => Death::new(Kind::Crash, format!("the filter was ended by signal {signal}")),
            Some((None, Some(code))) => Death::new(Kind::Crash, format!("the filter crashed (exit code {code})")),
            _ => Death::new(Kind::Crash, "the filter ended in an unknown way"),
        }
    }

    fn wait_or_kill(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(_) => break,
            }
        }
        self.end()
    }

    fn end(&mut self) -> Option<ExitStatus> {
        // It fails only if the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

const SIGSYS: i32 = nix::libc::SIGSYS;
const SIGXCPU: i32 = nix::libc::SIGXCPU;

/// A pipe's end that never blocks, read or written until a deadline.
struct Timed<'a, P> {
    pipe: &'a mut P,
    deadline: Instant,
    flags: PollFlags,
}

fn wait(pipe: BorrowedFd<'_>, flags: PollFlags, deadline: Instant) -> Result<(), Error> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let timeout = Timespec::try_from(left).map_err(|_| ErrorKind::InvalidInput)?;
        match poll(&mut [PollFd::from_borrowed_fd(pipe, flags)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

impl<P: Read + AsFd> Read for Timed<'_, P> {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.pipe.read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(self.pipe.as_fd(), self.flags, self.deadline)?
                }
                other => return other,
            }
        }
    }
}

impl<P: Write + AsFd> Write for Timed<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        loop {
            match self.pipe.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(self.pipe.as_fd(), self.flags, self.deadline)?
                }
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

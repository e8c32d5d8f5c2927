//! The guard's side of the pipe: one filter's process, its deadlines and its end.

use crate::patience::Clock;
use crate::protocol;
use crate::rules::{Answer, Answered, Done, Refusal, Sent, Task};
use crate::serve::{OVERHEAD_BYTES, READY};
use crate::timed::Timed;
use crate::{Bounds, Kind};
use rustix::fs::{OFlags, fcntl_setfl};
use std::cell::Cell;
use std::io::{BufReader, Error, ErrorKind, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What the kernel may hold of a message, so that both sides work at once.
const PIPE_BYTES: usize = 1 << 20;
/// What is looked at of a dead filter's last words.
const LAST_WORDS_BYTES: u64 = 4_096;
/// Characters of a finding.
const WORDS_MAX: usize = 300;
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
    /// The time of its object.
    pub(crate) clock: &'a Cell<Clock>,
}

/// A filter's words as they may reach people: hostile content may have made it say anything.
fn tame(text: &str) -> String {
    let is_harmless = |c: &char| !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    text.chars().filter(is_harmless).take(WORDS_MAX).collect()
}

fn tame_answer(answer: Answer, made: Vec<Vec<u8>>) -> Answer {
    match answer {
        Answer::Done(done) => {
            let notes = done.notes.iter().map(|(what, place)| (tame(what), tame(place))).collect();
            Answer::Done(Done { parts: made, notes, ..done })
        }
        // Whether the guard can work is not a filter's to say, or a file that makes one say so would hold up a label.
        Answer::Refused(Refusal { kind: Kind::Unavailable | Kind::Unanswered, what, place }) => {
            Answer::Refused(Refusal { kind: Kind::Crash, what: tame(&what), place: tame(&place) })
        }
        Answer::Refused(Refusal { kind, what, place }) => {
            Answer::Refused(Refusal { kind, what: tame(&what), place: tame(&place) })
        }
    }
}

/// The answers in a message, one to each of so many questions, with what was made of each. Nothing is believed: the first
/// part was held to its bound before it was read, and lists in it are held to theirs while they are.
pub(crate) fn understand(parts: Vec<Vec<u8>>, questions: usize) -> Result<Vec<Answer>, &'static str> {
    let unreadable = |_| "an answer that cannot be read";
    let mut parts = parts.into_iter();
    let head = parts.next().unwrap_or_default();
    let (count, mut rest) = postcard::take_from_bytes::<u32>(&head).map_err(unreadable)?;
    if usize::try_from(count) != Ok(questions) {
        return Err("an answer to other questions");
    }
    let mut answers = Vec::with_capacity(questions);
    // Each entry of an archive is a content: names without one are no answer, and take no room.
    let mut entries_left = parts.len();
    for _ in 0..questions {
        let (Answered(answer, made), behind) = postcard::take_from_bytes(rest).map_err(unreadable)?;
        rest = behind;
        let entries = if let Answer::Done(done) = &answer { done.entries.len() } else { 0 };
        entries_left = entries_left.checked_sub(entries).ok_or("an answer of more entries than contents")?;
        let made = usize::try_from(made).ok().filter(|made| *made <= parts.len());
        let made = made.ok_or("an answer to other questions")?;
        answers.push(tame_answer(answer, parts.by_ref().take(made).collect()));
    }
    if rest.is_empty() && parts.len() == 0 { Ok(answers) } else { Err("an answer to other questions") }
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
        protocol::write(&mut Timed { pipe: &mut self.to, deadline }, &[rules])?;
        let mut from = Timed { pipe: &mut self.from, deadline };
        match protocol::read(&mut from, READY.len(), 0)?.as_deref() {
            None => Err(ErrorKind::UnexpectedEof.into()),
            Some([said]) if said == READY => Ok(()),
            Some(_) => Err(Error::new(ErrorKind::InvalidData, "it speaks another protocol")),
        }
    }

    /// Asks all of it at once, and waits so long for the answers, one each. After an error the worker is dead.
    pub(crate) fn ask(&mut self, asks: &[Ask<'_>], bounds: &Bounds, time: Duration) -> Result<Vec<Answer>, Death> {
        let deadline = Instant::now() + time;
        self.talk(asks, bounds, deadline).map_err(|error| self.autopsy(&error))
    }

    fn talk(&mut self, asks: &[Ask<'_>], bounds: &Bounds, deadline: Instant) -> Result<Vec<Answer>, Error> {
        let odd = |what| Error::new(ErrorKind::InvalidData, what);
        let tasks = asks.iter().map(|ask| u32::try_from(ask.contents.len()).map(|count| Sent(ask.task, count)));
        let tasks = tasks.collect::<Result<Vec<_>, _>>().map_err(|_| odd("a task that cannot be written"))?;
        let head = postcard::to_stdvec(&tasks).map_err(|_| odd("a task that cannot be written"))?;
        let mut wire = vec![head.as_slice()];
        wire.extend(asks.iter().flat_map(|ask| ask.contents.iter().copied()));
        protocol::write(&mut Timed { pipe: &mut self.to, deadline }, &wire)?;
        let most = bounds.content_bytes.max(bounds.expanded_bytes);
        let from = Timed { pipe: &mut self.from, deadline };
        // Nothing is lost with the buffer: a filter says one thing at a time.
        let mut from = BufReader::with_capacity(protocol::BUFFER_BYTES, from);
        let parts = protocol::read(&mut from, OVERHEAD_BYTES, most)?.ok_or(ErrorKind::UnexpectedEof)?;
        understand(parts, asks.len()).map_err(odd)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message(answers: &[Answered], parts: usize) -> Vec<Vec<u8>> {
        let mut message = vec![postcard::to_stdvec(answers).unwrap()];
        message.resize(parts + 1, b"made".to_vec());
        message
    }

    fn done(notes: usize, metadata: usize, entries: usize) -> Answer {
        let pair = || (String::new(), String::new());
        Answer::Done(Done {
            notes: vec![pair(); notes],
            metadata: vec![pair(); metadata],
            entries: vec![String::new(); entries],
            parts: Vec::new(),
        })
    }

    #[test]
    fn an_answer_has_as_much_of_everything_as_there_may_be() {
        let is_read = |answer, parts| understand(message(&[Answered(answer, 2)], parts), 1).is_ok();
        assert!(is_read(done(32, 4_096, 2), 2));
        assert!(!is_read(done(33, 0, 2), 2), "notes");
        assert!(!is_read(done(0, 4_097, 2), 2), "metadata");
        assert!(!is_read(done(0, 0, 3), 2), "entries without a content");
        assert!(!is_read(done(0, 0, 0), 1) && !is_read(done(0, 0, 0), 3), "contents of no answer");
        let names = message(&[Answered(done(0, 0, (1 << 20) + 1), 2)], (1 << 20) + 1);
        assert!(understand(names, 1).is_err(), "more entries than any archive has");
    }

    #[test]
    fn each_question_has_one_answer() {
        let two = || message(&[Answered(done(0, 0, 0), 1), Answered(done(0, 0, 0), 0)], 1);
        assert_eq!(understand(two(), 2).map(|answers| answers.len()), Ok(2));
        assert!(understand(two(), 1).is_err() && understand(two(), 3).is_err());
        let mut longer = two();
        longer[0].push(0);
        assert!(understand(longer, 2).is_err(), "something behind the answers");
        assert!(understand(Vec::new(), 0).is_err());
    }
}

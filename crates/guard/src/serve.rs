//! The filter's side of the pipe: the whole life of a `fastness-filter` process.

use crate::filter::Filter;
use crate::protocol::Rest;
use crate::rules::{Answer, Answered, Came, Rules, RulesText};
use crate::sandbox::{self, NoSandbox};
use crate::{filter, protocol};
use std::hint::black_box;
use std::io::{BufReader, IoSlice, Read, Write, stdin, stdout};

/// What a message may take beside the contents: names, rules, framing.
pub(crate) const OVERHEAD_BYTES: usize = 16 << 20;

/// The largest room for a content that is kept for the next one, bytes.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// Rooms that are kept: what compares has two.
const KEPT_MAX: usize = 2;
/// Half of what glibc keeps of memory that was given back to it, bytes: more than a message of small contents and what is
/// made of them.
const HEAP_BYTES: usize = 1 << 20;

/// What a filter says once it is in its sandbox and knows its rules.
pub(crate) const READY: &[u8] = b"fastness filter 2";

/// Why a filter's process ended other than by being told.
#[derive(thiserror::Error, Debug)]
pub enum Failure {
    /// It was started with other words than it knows.
    #[error("usage: fastness-filter NAME MEMORY_BYTES; `{0}` is no filter of this program")]
    Usage(String),
    /// No content is read without a sandbox.
    #[error(transparent)]
    NoSandbox(#[from] NoSandbox),
    /// The pipe broke, or what came through it is no message.
    #[error("the guard cannot be understood")]
    Pipe(#[from] std::io::Error),
    /// A message that is none of the protocol's.
    #[error("the guard's message cannot be read")]
    Message(#[from] postcard::Error),
}

/// Serves the filter that the program's arguments name, until the guard closes the pipe. `find` knows more filters than
/// [`filter::find`] does in tests alone.
///
/// # Errors
/// When there is no such filter or no sandbox, or the other side of the pipe does not keep to the protocol.
pub fn serve(mut arguments: impl Iterator<Item = String>, find: fn(&str) -> Option<Filter>) -> Result<(), Failure> {
    let name = arguments.next().unwrap_or_default();
    let memory = arguments.next().and_then(|text| text.parse().ok());
    let (Some(filter), Some(memory)) = (find(&name), memory) else { return Err(Failure::Usage(name)) };
    filter::prepare(&name);
    // A heap that is given back to the kernel after each message and taken anew costs a filter of small texts as much as its
    // work. glibc keeps twice the size of the largest piece that it ever unmapped (M_MMAP_THRESHOLD in mallopt(3)); it says
    // so in no environment, which a filter does not have. The piece itself is never touched; elsewhere nothing happens.
    drop(black_box(Vec::<u8>::with_capacity(HEAP_BYTES)));
    sandbox::enter(memory)?;
    // INVARIANT: nothing is read above this line.
    let (mut from, mut to) = (BufReader::with_capacity(protocol::BUFFER_BYTES, stdin().lock()), Out);
    let Some(first) = protocol::read(&mut from, OVERHEAD_BYTES, 0)? else { return Ok(()) };
    let text: RulesText = postcard::from_bytes(first.first().map_or(&[][..], Vec::as_slice))?;
    // A task carries the archive before and after, and its entries before and after.
    let bytes_max =
        text.bounds.content_bytes.saturating_mul(2).saturating_add(text.bounds.expanded_bytes.saturating_mul(2));
    let rules = Rules::new(text);
    protocol::write(&mut to, &[READY])?;
    let mut room = Room::default();
    while let Some((head, rest)) = protocol::begin(&mut from, OVERHEAD_BYTES, bytes_max)? {
        let (answers, made) = answer((&name, filter), &rules, &head, rest, &mut room)?;
        let head = postcard::to_stdvec(&answers)?;
        let mut wire = vec![head.as_slice()];
        wire.extend(made.iter().map(Vec::as_slice));
        protocol::write(&mut to, &wire)?;
    }
    Ok(())
}

/// Standard output without the library's buffer, which looks for ends of lines in whatever passes.
struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(rustix::io::write(stdout(), bytes)?)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        Ok(rustix::io::writev(stdout(), slices)?)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Room for one task's contents after the other's: memory that is fresh for each costs more than what most filters do.
#[derive(Debug, Default)]
struct Room(Vec<Vec<u8>>);

impl Room {
    /// Keeps what may be used again: no more than [`KEPT_BYTES_MAX`] of each, and a few.
    fn take_back(&mut self, contents: Vec<Vec<u8>>) {
        let kept = contents.into_iter().filter(|content| content.capacity() <= KEPT_BYTES_MAX);
        self.0.extend(kept.take(KEPT_MAX.saturating_sub(self.0.len())));
    }
}

/// One answer to each task of a message, in order, and what they made. Each task's contents are read when it is its turn.
fn answer(
    (name, filter): (&str, Filter),
    rules: &Rules,
    head: &[u8],
    mut rest: Rest<'_, impl Read>,
    room: &mut Room,
) -> Result<(Vec<Answered>, Vec<Vec<u8>>), Failure> {
    let tasks: Vec<Came> = postcard::from_bytes(head)?;
    let (mut answers, mut made) = (Vec::with_capacity(tasks.len()), Vec::new());
    for Came(task, count) in tasks {
        let mut contents = Vec::new();
        for _ in 0..count.min(rest.left) {
            let mut content = room.0.pop().unwrap_or_default();
            rest.next(&mut content)?;
            contents.push(content);
        }
        let (answer, own) = match filter::run(name, filter, rules, &task, &contents) {
            Ok(mut done) => {
                let own = std::mem::take(&mut done.parts);
                (Answer::Done(done), own)
            }
            Err(refusal) => (Answer::Refused(refusal), Vec::new()),
        };
        answers.push(Answered(answer, u32::try_from(own.len()).unwrap_or(u32::MAX)));
        made.extend(own);
        room.take_back(contents);
    }
    // What belongs to no task is passed over, so that the next message begins where it does.
    let mut content = Vec::new();
    while rest.left > 0 {
        rest.next(&mut content)?;
    }
    Ok((answers, made))
}

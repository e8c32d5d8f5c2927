//! The filter's side of the pipe: the whole life of a `fastness-filter` process.

use crate::filter::Filter;
use crate::rules::{Answer, Answered, Came, Rules, RulesText};
use crate::sandbox::{self, NoSandbox};
use crate::{filter, protocol};
use std::io::{BufReader, stdin, stdout};

/// What a message may take beside the contents: names, rules, framing.
pub(crate) const OVERHEAD_BYTES: usize = 16 << 20;

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
    sandbox::enter(memory)?;
    // INVARIANT: nothing is read above this line.
    let (mut from, mut to) = (BufReader::with_capacity(protocol::BUFFER_BYTES, stdin().lock()), stdout().lock());
    let Some(first) = protocol::read(&mut from, OVERHEAD_BYTES, 0)? else { return Ok(()) };
    let text: RulesText = postcard::from_bytes(first.first().map_or(&[][..], Vec::as_slice))?;
    // A task carries the archive before and after, and its entries before and after.
    let bytes_max =
        text.bounds.content_bytes.saturating_mul(2).saturating_add(text.bounds.expanded_bytes.saturating_mul(2));
    let rules = Rules::new(text);
    protocol::write(&mut to, &[READY])?;
    while let Some(parts) = protocol::read(&mut from, OVERHEAD_BYTES, bytes_max)? {
        let (answers, made) = answer((&name, filter), &rules, parts)?;
        let head = postcard::to_stdvec(&answers)?;
        let mut wire = vec![head.as_slice()];
        wire.extend(made.iter().map(Vec::as_slice));
        protocol::write(&mut to, &wire)?;
    }
    Ok(())
}

/// One answer to each task of a message, in order, and what they made.
fn answer(
    (name, filter): (&str, Filter),
    rules: &Rules,
    parts: Vec<Vec<u8>>,
) -> Result<(Vec<Answered>, Vec<Vec<u8>>), Failure> {
    let mut parts = parts.into_iter();
    let tasks: Vec<Came> = postcard::from_bytes(&parts.next().unwrap_or_default())?;
    let (mut answers, mut made) = (Vec::with_capacity(tasks.len()), Vec::new());
    for Came(task, count) in tasks {
        let contents: Vec<Vec<u8>> = parts.by_ref().take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
        let (answer, own) = match filter::run(name, filter, rules, &task, &contents) {
            Ok(mut done) => {
                let own = std::mem::take(&mut done.parts);
                (Answer::Done(done), own)
            }
            Err(refusal) => (Answer::Refused(refusal), Vec::new()),
        };
        answers.push(Answered(answer, u32::try_from(own.len()).unwrap_or(u32::MAX)));
        made.extend(own);
    }
    Ok((answers, made))
}

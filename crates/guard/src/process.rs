//! One filter in its process, asked by itself: for measurements.

use crate::filter::{Made, Question};
use crate::patience::Clock;
use crate::rules::{Answer, Refusal, RulesText};
use crate::worker::{self, Ask, Death, Worker};
use crate::{Bounds, Finding, Kind, Policy};
use std::cell::Cell;
use std::path::Path;

/// A filter's process in its sandbox. Dropped, it ends.
#[derive(Debug)]
pub struct Process {
    worker: Worker,
    name: String,
    bounds: Bounds,
}

impl Process {
    /// Starts one filter of the program.
    ///
    /// # Errors
    /// The finding, when it does not start.
    pub fn start(policy: &Policy, program: &Path, name: &str) -> Result<Process, Finding> {
        let fail = |kind, what| finding(name, kind, what);
        let rules = postcard::to_stdvec(&RulesText::of(policy));
        let rules = rules.map_err(|error| fail(Kind::Unavailable, error.to_string()))?;
        let worker = Worker::start(program, name, &policy.bounds, &rules);
        let worker = worker.map_err(|Death { kind, what }| fail(kind, what))?;
        Ok(Process { worker, name: name.to_owned(), bounds: policy.bounds })
    }

    /// Asks it.
    ///
    /// # Errors
    /// The finding, when it refuses or dies. A dead one answers nothing any more.
    pub fn ask(&mut self, question: &Question<'_>, contents: &[&[u8]]) -> Result<Made, Finding> {
        let mut made = self.ask_many(question, &[contents])?;
        made.pop().unwrap_or_else(|| Err(finding(&self.name, Kind::Crash, "the filter made nothing".to_owned())))
    }

    /// Asks it the same of many contents at once; one answer each.
    ///
    /// # Errors
    /// The finding, when it dies.
    pub fn ask_many(
        &mut self,
        question: &Question<'_>,
        many: &[&[&[u8]]],
    ) -> Result<Vec<Result<Made, Finding>>, Finding> {
        let task = question.task();
        let clock = Cell::new(Clock::new(&self.bounds, 0));
        let asks = many.iter().map(|one| Ask { task: &task, contents: one.to_vec(), clock: &clock });
        let asks: Vec<Ask<'_>> = asks.collect();
        let answers = self.worker.ask(&asks, &self.bounds, self.bounds.time);
        let answers = answers.map_err(|Death { kind, what }| finding(&self.name, kind, what))?;
        let one = |answer| match answer {
            Answer::Done(done) => Ok(Made { metadata: done.metadata, entries: done.entries, contents: done.parts }),
            Answer::Refused(Refusal { kind, what, place }) => Err(Finding { place, ..finding(&self.name, kind, what) }),
        };
        Ok(answers.into_iter().map(one).collect())
    }
}

fn finding(filter: &str, kind: Kind, what: String) -> Finding {
    Finding { filter: filter.to_owned(), kind, what, place: String::new() }
}

/// How many answers [`is_answer`] looks for.
const ANSWERS: usize = 4;

/// Reads an answer as the guard does, and says whether it is one: for fuzzers, because a filter that hostile content has
/// taken over may answer anything.
#[must_use]
pub fn is_answer(bytes: &[u8]) -> bool {
    let message = crate::protocol::read(&mut &*bytes, 1 << 20, 1 << 20).ok().flatten();
    message.is_some_and(|parts| (0..=ANSWERS).any(|questions| worker::understand(parts.clone(), questions).is_ok()))
}

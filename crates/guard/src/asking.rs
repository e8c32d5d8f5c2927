//! The filters' processes, and how they are asked: about many contents at once, and about each alone when that goes wrong.

use crate::pipeline::finding;
use crate::rules::{Answer, Done, Refusal};
use crate::worker::{Ask, Death, Worker};
use crate::{Bounds, Finding, Kind};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Questions that go to a process at once, at most.
const TOGETHER_MAX: usize = 128;
/// Bytes of contents that go to a process at once, at most, unless one question alone has more.
const TOGETHER_BYTES_MAX: usize = 2 << 20;

/// A process for each filter that was needed.
#[derive(Debug)]
pub(crate) struct Filters {
    program: PathBuf,
    rules: Vec<u8>,
    bounds: Bounds,
    workers: BTreeMap<&'static str, Worker>,
}

/// What a filter said of one content, and how much time it took for it: its share, if it was asked about others, too.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) done: Result<Done, Finding>,
    pub(crate) took: Duration,
}

impl Filters {
    pub(crate) fn new(program: PathBuf, rules: Vec<u8>, bounds: Bounds) -> Filters {
        Filters { program, rules, bounds, workers: BTreeMap::new() }
    }

    /// Ends all processes.
    pub(crate) fn end(&mut self) {
        self.workers.clear();
    }

    /// Asks one filter; one answer each, in order.
    pub(crate) fn ask(&mut self, name: &'static str, asks: &[Ask<'_>]) -> Vec<Answered> {
        let (mut all, mut rest) = (Vec::with_capacity(asks.len()), asks);
        while let Some((group, behind)) = rest.split_at_checked(together(rest)).filter(|(group, _)| !group.is_empty()) {
            all.extend(self.group(name, group));
            rest = behind;
        }
        all
    }

    fn group(&mut self, name: &'static str, group: &[Ask<'_>]) -> Vec<Answered> {
        let begin = Instant::now();
        let share = |begin: Instant| begin.elapsed() / u32::try_from(group.len()).unwrap_or(1).max(1);
        match self.talk(name, group) {
            Ok(answers) => {
                let took = share(begin);
                let answered = |answer| match answer {
                    Answer::Done(done) => Answered { done: Ok(done), took },
                    Answer::Refused(refusal) => Answered { done: Err(finding(name, refusal)), took },
                };
                answers.into_iter().map(answered).collect()
            }
            // Nobody knows which one it was: each is asked about alone.
            Err(death) if group.len() > 1 && death.kind != Kind::Unavailable => {
                group.iter().flat_map(|one| self.group(name, std::slice::from_ref(one))).collect()
            }
            Err(Death { kind, what }) => {
                let (found, took) = (finding(name, Refusal::new(kind, what)), share(begin));
                group.iter().map(|_| Answered { done: Err(found.clone()), took }).collect()
            }
        }
    }

    /// One message to a filter's process, and one back. A process that died is replaced for the next one.
    fn talk(&mut self, name: &'static str, asks: &[Ask<'_>]) -> Result<Vec<Answer>, Death> {
        let mut worker = match self.workers.remove(name) {
            Some(worker) => worker,
            None => Worker::start(&self.program, name, &self.bounds, &self.rules)?,
        };
        let answers = worker.ask(asks, &self.bounds)?;
        self.workers.insert(name, worker);
        Ok(answers)
    }
}

/// How many of these go together: at least one, if there is any.
fn together(asks: &[Ask<'_>]) -> usize {
    let mut bytes = 0_usize;
    let fits = |ask: &&Ask<'_>| {
        let is_first = bytes == 0;
        bytes = bytes.saturating_add(ask.contents.iter().map(|content| content.len()).sum()).max(1);
        is_first || bytes <= TOGETHER_BYTES_MAX
    };
    asks.iter().take(TOGETHER_MAX).take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Task;

    #[test]
    fn what_goes_together_is_bounded_and_never_nothing() {
        let (task, large, small) = (Task::default(), vec![0; TOGETHER_BYTES_MAX + 1], [0; 4_096]);
        let of = |contents: &[&[u8]]| -> usize {
            let asks: Vec<Ask<'_>> = contents.iter().map(|one| Ask { task: &task, contents: vec![one] }).collect();
            together(&asks)
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[&large, &small]), 1);
        assert_eq!(of(&[&small, &large]), 1);
        assert_eq!(of(&[&[], &[]]), 2);
        assert_eq!(of(&[&small[..]; 200]), TOGETHER_MAX);
    }
}

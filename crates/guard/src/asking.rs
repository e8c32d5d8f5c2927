//! The filters' processes, and how they are asked: about many contents at once, and about each alone when that goes wrong.

use crate::patience::Patience;
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
    /// What is left of the bundle's.
    pub(crate) patience: Patience,
}

/// What a filter said of one content.
type Answered = Result<Done, Finding>;

impl Filters {
    pub(crate) fn new(program: PathBuf, rules: Vec<u8>, bounds: Bounds) -> Filters {
        Filters { program, rules, bounds, workers: BTreeMap::new(), patience: Patience::new(&bounds) }
    }

    /// Asks one filter; one answer each, in order. The time that it takes is taken off each object's.
    pub(crate) fn ask(&mut self, name: &'static str, asks: &[Ask<'_>]) -> Vec<Answered> {
        let (mut all, mut rest) = (Vec::with_capacity(asks.len()), asks);
        while let Some((group, behind)) = rest.split_at_checked(together(rest)).filter(|(group, _)| !group.is_empty()) {
            all.extend(self.group(name, group));
            rest = behind;
        }
        all
    }

    fn group(&mut self, name: &'static str, group: &[Ask<'_>]) -> Vec<Answered> {
        // Without patience left, none waits for what another one makes of a filter.
        if group.len() > 1 && self.patience.left().is_zero() {
            return self.each(name, group);
        }
        let time = match group {
            [one] => one.clock.get().allowed(self.bounds.time, self.patience),
            _ => self.bounds.time.min(self.patience.left()),
        };
        let begin = Instant::now();
        let said = self.talk(name, group, time);
        let took = begin.elapsed();
        match said {
            // Nobody knows which one it was: each is asked about alone.
            Err(death) if group.len() > 1 && death.kind != Kind::Unavailable => {
                self.patience.spend(took);
                self.each(name, group)
            }
            said => {
                let share = took / u32::try_from(group.len()).unwrap_or(1).max(1);
                group.iter().for_each(|ask| self.spend(ask, share));
                match said {
                    Ok(answers) => answers.into_iter().map(|answer| answered(name, answer)).collect(),
                    Err(Death { kind, what }) => {
                        let found = finding(name, Refusal::new(kind, what));
                        group.iter().map(|_| Err(found.clone())).collect()
                    }
                }
            }
        }
    }

    fn each(&mut self, name: &'static str, group: &[Ask<'_>]) -> Vec<Answered> {
        group.iter().flat_map(|one| self.group(name, std::slice::from_ref(one))).collect()
    }

    fn spend(&mut self, ask: &Ask<'_>, time: Duration) {
        let mut clock = ask.clock.get();
        clock.spend(time, &mut self.patience);
        ask.clock.set(clock);
    }

    /// One message to a filter's process, and one back. A process that died is replaced for the next one.
    fn talk(&mut self, name: &'static str, asks: &[Ask<'_>], time: Duration) -> Result<Vec<Answer>, Death> {
        let mut worker = match self.workers.remove(name) {
            Some(worker) => worker,
            None => Worker::start(&self.program, name, &self.bounds, &self.rules)?,
        };
        let answers = worker.ask(asks, &self.bounds, time)?;
        self.workers.insert(name, worker);
        Ok(answers)
    }
}

fn answered(name: &str, answer: Answer) -> Answered {
    match answer {
        Answer::Done(done) => Ok(done),
        Answer::Refused(refusal) => Err(finding(name, refusal)),
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
    use crate::patience::Clock;
    use crate::rules::Task;
    use std::cell::Cell;

    #[test]
    fn what_goes_together_is_bounded_and_never_nothing() {
        let (task, large, small) = (Task::default(), vec![0; TOGETHER_BYTES_MAX + 1], [0; 4_096]);
        let clock = Cell::new(Clock::new(&Bounds::default(), 0));
        let of = |contents: &[&[u8]]| -> usize {
            let asks: Vec<Ask<'_>> =
                contents.iter().map(|one| Ask { task: &task, contents: vec![one], clock: &clock }).collect();
            together(&asks)
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[&large, &small]), 1);
        assert_eq!(of(&[&small, &large]), 1);
        assert_eq!(of(&[&[], &[]]), 2);
        assert_eq!(of(&[&small[..]; 200]), TOGETHER_MAX);
    }
}

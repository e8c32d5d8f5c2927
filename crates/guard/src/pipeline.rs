//! The pipeline: which filter is asked for what, in which order. There is one way through it and no way around.

use crate::archive::Room;
use crate::asking::Filters as Processes;
use crate::content_type::Filters;
use crate::filter::words;
use crate::patience::Clock;
use crate::rules::{Done, LoadedScale, Refusal, RulesText, Task};
use crate::worker::Ask;
use crate::{ContentType, Finding, Kind, Object, Policy, Verdict};
use std::cell::Cell;
use std::path::PathBuf;
use std::time::Instant;

/// Why there is no guard.
#[derive(thiserror::Error, Debug)]
pub enum GuardError {
    /// The policy cannot be read.
    #[error("the guard's policy cannot be read: {0}")]
    Policy(String),
    /// The filter program is not there.
    #[error("there is no filter program at `{0}`")]
    NoProgram(PathBuf),
}

/// A guard with its filters' processes. They are started when they are first needed and serve one object after the other;
/// with the guard they end. It is for one bundle, so that nothing lasts that an object did to a filter, and the time that its
/// objects may take beyond what each earned is the bundle's.
#[derive(Debug)]
pub struct Guard {
    pub(crate) policy: Policy,
    /// The one of the claimed labels.
    claims: LoadedScale,
    processes: Processes,
    /// Whether the scanner answered about something harmless before this batch, or why not.
    scanner: Result<(), Refusal>,
}

/// What goes through the pipeline with one object.
pub(crate) struct Passage {
    pub(crate) notes: Vec<Finding>,
    pub(crate) room: Room,
    clock: Cell<Clock>,
}

/// A content on its way through the pipeline: an object's, or that of an archive's entry.
pub(crate) struct Way<'a> {
    pub(crate) task: Task,
    pub(crate) content: &'a [u8],
    /// Which entry it is.
    pub(crate) place: String,
    pub(crate) depth: usize,
    pub(crate) passage: &'a mut Passage,
    /// Metadata that one filter kept, and the other one has not seen yet.
    kept: Vec<(String, String)>,
    /// What was written anew so far, or why it stops here.
    pub(crate) anew: Result<Vec<u8>, Finding>,
}

/// Which contents a filter is asked about.
#[derive(Clone, Copy)]
enum About {
    Nothing,
    Before,
    After,
    Both,
}

impl Guard {
    /// A guard of this policy, whose filters are this program.
    ///
    /// # Errors
    /// When the policy cannot be read, or there is no such program.
    pub fn new(policy: Policy, program: impl Into<PathBuf>) -> Result<Guard, GuardError> {
        let program = program.into();
        if !program.is_file() {
            return Err(GuardError::NoProgram(program));
        }
        let scales = policy.scales.iter().map(LoadedScale::load).collect::<Result<Vec<_>, _>>();
        let claims = scales.map_err(GuardError::Policy)?.into_iter().next();
        let claims = claims.ok_or_else(|| GuardError::Policy("it says nothing of markings".to_owned()))?;
        // Or each object would learn of it, and none of the operators.
        words::check(&policy.words).map_err(GuardError::Policy)?;
        let rules =
            postcard::to_stdvec(&RulesText::of(&policy)).map_err(|error| GuardError::Policy(error.to_string()))?;
        let processes = Processes::new(program, rules, policy.bounds);
        Ok(Guard { policy, claims, processes, scanner: Ok(()) })
    }

    /// Checks one object. Whatever happens to a filter is a finding; this never fails and never panics.
    pub fn inspect(&mut self, object: &Object) -> Verdict {
        let stopped = || Verdict::Quarantined { findings: vec![own(Kind::Crash, "nothing was judged")] };
        self.inspect_many(std::slice::from_ref(object)).pop().unwrap_or_else(stopped)
    }

    /// Checks many objects, each as if it were alone, and one verdict each, in order: a filter is asked about all of them
    /// at once, so that small ones do not each wait for a process. One that makes a filter hang, crash or eat memory stops
    /// nothing but itself: the others are asked about anew. Objects that hang have all of their time until the bundle's
    /// patience is used up, and then a second (`docs/guard.md`).
    pub fn inspect_many(&mut self, objects: &[Object]) -> Vec<Verdict> {
        let passage = |object: &Object| Passage {
            notes: Vec::new(),
            room: Room::new(&self.policy.bounds, object.content.len()),
            clock: Cell::new(Clock::new(&self.policy.bounds, object.content.len())),
        };
        self.scanner = self.policy.antivirus.probe();
        let mut passages: Vec<Passage> = objects.iter().map(passage).collect();
        let begin = |(object, passage)| self.begin(object, passage);
        let mut ways: Vec<Way<'_>> = objects.iter().zip(&mut passages).map(begin).collect();
        self.stage(
            "claim",
            &mut ways,
            About::Nothing,
            |_| true,
            |way, done| {
                way.passage.note("claim", "", &done);
                let kept = postcard::to_stdvec(&done.metadata);
                way.anew = Ok(kept.map_err(|_| own(Kind::Crash, "metadata that cannot be written"))?);
                way.kept = done.metadata;
                Ok(())
            },
        );
        // What the first filter kept is not left to it alone.
        self.stage(
            "claim-check",
            &mut ways,
            About::After,
            |_| true,
            |way, _| {
                way.task.metadata = std::mem::take(&mut way.kept);
                way.anew = Ok(Vec::new());
                Ok(())
            },
        );
        self.contents(&mut ways);
        let ends: Vec<_> = ways.into_iter().map(|way| (way.anew, way.task.metadata)).collect();
        let verdict = |((anew, metadata), passage): ((Result<_, _>, _), Passage)| match anew {
            Ok(content) => Verdict::Passed { content, metadata, findings: passage.notes },
            Err(finding) => Verdict::Quarantined { findings: vec![finding] },
        };
        ends.into_iter().zip(passages).map(verdict).collect()
    }

    /// What is seen of an object without any filter.
    fn begin<'a>(&self, object: &'a Object, passage: &'a mut Passage) -> Way<'a> {
        let task = Task {
            name: object.name.clone(),
            content_type: ContentType::of_media_type(&object.content_type),
            label: object.label.clone(),
            metadata: object.metadata.clone(),
            entries: Vec::new(),
        };
        let bytes: usize = object.metadata.iter().map(|(key, value)| key.len().saturating_add(value.len())).sum();
        let stopped = if object.content.len() > self.policy.bounds.content_bytes {
            Some(own(Kind::Size, "the content is larger than the policy allows"))
        } else if bytes.saturating_add(object.name.len()) > METADATA_BYTES_MAX {
            Some(own(Kind::Metadata, "the metadata are larger than any that are read"))
        } else if let Err(error) = self.claims.policy.label(&object.label) {
            // It must be one; whether it may cross is for others to say.
            Some(own(Kind::Claim, &error.to_string()))
        } else if task.content_type.is_none() {
            Some(own(Kind::Claim, "the claimed type is none that the guard knows"))
        } else {
            None
        };
        let way = Way::new(task, &object.content, String::new(), 0, passage);
        Way { anew: stopped.map_or(Ok(Vec::new()), Err), ..way }
    }

    /// Contents on their way, side by side: type, scanner, rewriting, comparison, words, markings.
    pub(crate) fn contents(&mut self, ways: &mut [Way<'_>]) {
        let nothing = |_: &mut Way<'_>, _| Ok(());
        for way in ways.iter_mut().filter(|way| way.anew.is_ok()) {
            way.stop(self.check_type(way.task.content_type));
        }
        self.stage("type-claim", ways, About::Before, |_| true, nothing);
        self.stage("type-check", ways, About::Before, |_| true, nothing);
        for way in ways.iter_mut().filter(|way| way.anew.is_ok()) {
            let scanned = self.scan(way);
            way.stop(scanned);
        }
        for content_type in ContentType::ALL {
            let is_own = |way: &Way<'_>| way.task.content_type == Some(content_type);
            match content_type.filters() {
                Filters::Content([rewrite, check]) => {
                    self.stage(rewrite, ways, About::Before, is_own, |way, mut done| {
                        way.passage.note(rewrite, &way.place, &done);
                        let anew = done.parts.pop();
                        way.anew = Ok(anew.ok_or_else(|| own(Kind::Crash, "the filter made nothing"))?);
                        Ok(())
                    });
                    self.stage(check, ways, About::Both, is_own, nothing);
                }
                Filters::Archive(filters) => {
                    for way in ways.iter_mut().filter(|way| way.anew.is_ok() && is_own(way)) {
                        way.anew = self.archive(filters, way);
                    }
                }
                // Stopped above.
                Filters::None => {}
            }
        }
        if !self.policy.words.is_empty() {
            self.stage("words", ways, About::After, |_| true, nothing);
        }
        self.stage("markings", ways, About::After, |_| true, nothing);
    }

    fn check_type(&self, content_type: Option<ContentType>) -> Result<(), Finding> {
        let Some(content_type) = content_type else {
            return Err(own(Kind::Type, "its name claims no type that the guard knows"));
        };
        if content_type.filters() == Filters::None {
            return Err(own(Kind::Unverifiable, "this type is refused whole: no two readers can vouch for all of it"));
        }
        if !self.policy.content_types.contains(&content_type) {
            return Err(own(Kind::NotAllowed, "the policy does not let this type through"));
        }
        Ok(())
    }

    /// Has the scanner look at a content as it came.
    fn scan(&mut self, way: &Way<'_>) -> Result<(), Finding> {
        let scanned = |refusal: Refusal| finding("clamav", refusal);
        self.scanner.clone().map_err(scanned)?;
        let antivirus = &self.policy.antivirus;
        let mut clock = way.passage.clock.get();
        let begin = Instant::now();
        let found = antivirus.scan(way.content, clock.allowed(antivirus.time(), self.processes.patience));
        clock.spend(begin.elapsed(), &mut self.processes.patience);
        way.passage.clock.set(clock);
        if let Err(refusal) = &found
            && refusal.kind == Kind::Unavailable
        {
            // The others of this batch need not wait for it, too.
            self.scanner = found.clone();
        }
        found.map_err(scanned)
    }

    /// Asks both filters about the name of an archive's entry.
    pub(crate) fn claim(&mut self, task: &Task, passage: &Passage) -> Result<(), Finding> {
        self.ask("claim", (task, &[]), passage)?;
        let nothing = postcard::to_stdvec(&task.metadata).unwrap_or_default();
        self.ask("claim-check", (task, &[&nothing]), passage).map(|_| ())
    }

    /// Asks one filter about all that still go on and that are for it.
    fn stage(
        &mut self,
        name: &'static str,
        ways: &mut [Way<'_>],
        about: About,
        is_for: impl Fn(&Way<'_>) -> bool,
        mut then: impl FnMut(&mut Way<'_>, Done) -> Result<(), Finding>,
    ) {
        for way in ways.iter_mut().filter(|way| way.anew.is_ok() && is_for(way)) {
            way.stop(self.check_time(name, way.passage));
        }
        let asked = |way: &Way<'_>| way.anew.is_ok() && is_for(way);
        let asks: Vec<Ask<'_>> = ways.iter().filter(|way| asked(way)).map(|way| way.ask(about)).collect();
        let answers = self.processes.ask(name, &asks);
        for (way, answer) in ways.iter_mut().filter(|way| asked(way)).zip(answers) {
            let then = answer.and_then(|done| then(way, done));
            way.stop(then);
        }
    }

    /// Asks one filter about one thing.
    pub(crate) fn ask(
        &mut self,
        name: &'static str,
        (task, contents): (&Task, &[&[u8]]),
        passage: &Passage,
    ) -> Result<Done, Finding> {
        self.check_time(name, passage)?;
        let ask = Ask { task, contents: contents.to_vec(), clock: &passage.clock };
        let answer = self.processes.ask(name, &[ask]).into_iter().next();
        answer.unwrap_or_else(|| Err(finding(name, Refusal::new(Kind::Crash, "the filter made nothing"))))
    }

    fn check_time(&self, filter: &str, passage: &Passage) -> Result<(), Finding> {
        if passage.clock.get().allowed(self.policy.bounds.time, self.processes.patience).is_zero() {
            let what = "the whole object took longer than the policy allows";
            return Err(finding(filter, Refusal::new(Kind::Hang, what)));
        }
        Ok(())
    }
}

/// Name and metadata together; S3 allows 2 KiB of metadata.
const METADATA_BYTES_MAX: usize = 64 << 10;

impl<'a> Way<'a> {
    pub(crate) fn new(task: Task, content: &'a [u8], place: String, depth: usize, passage: &'a mut Passage) -> Way<'a> {
        Way { task, content, place, depth, passage, kept: Vec::new(), anew: Ok(Vec::new()) }
    }

    fn ask(&self, about: About) -> Ask<'_> {
        let anew = self.anew.as_deref().unwrap_or_default();
        let contents = match about {
            About::Nothing => Vec::new(),
            About::Before => vec![self.content],
            About::After => vec![anew],
            About::Both => vec![self.content, anew],
        };
        Ask { task: &self.task, contents, clock: &self.passage.clock }
    }

    /// Goes no further, if this is why not.
    fn stop(&mut self, checked: Result<(), Finding>) {
        if let Err(found) = checked {
            self.anew = Err(within(found, &self.place));
        }
    }
}

impl Passage {
    pub(crate) fn note(&mut self, filter: &str, place: &str, done: &Done) {
        for (what, own) in &done.notes {
            let refusal = Refusal::new(Kind::Changed, what.clone()).at(own.clone());
            self.notes.push(within(finding(filter, refusal), place));
        }
    }

    /// Takes room for what expanded out of an archive; it earns time, too.
    pub(crate) fn take(&mut self, contents: &[Vec<u8>]) -> Result<(), Refusal> {
        self.room.take(contents)?;
        self.clock.get_mut().earn(contents.len(), contents.iter().map(Vec::len).sum());
        Ok(())
    }
}

fn own(kind: Kind, what: &str) -> Finding {
    finding("guard", Refusal::new(kind, what))
}

pub(crate) fn finding(filter: &str, refusal: Refusal) -> Finding {
    let Refusal { kind, what, place } = refusal;
    Finding { filter: filter.to_owned(), kind, what, place }
}

/// A finding within an entry says which.
pub(crate) fn within(finding: Finding, place: &str) -> Finding {
    let place = match (place.is_empty(), finding.place.is_empty()) {
        (true, _) => finding.place,
        (false, true) => place.to_owned(),
        (false, false) => format!("{place}, {}", finding.place),
    };
    Finding { place, ..finding }
}

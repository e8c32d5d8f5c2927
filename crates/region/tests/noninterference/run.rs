//! Plays histories, and compares what an observer gets with and without what they may not know of.

use crate::action::Action;
use crate::beside::{BELOW, Shelves, World};
use crate::cross::Crossing;
use crate::generate::Step;
use crate::lookup::without_chance;
use crate::session::{Memory, OBSERVERS, SESSIONS, key_of, pick};
use crate::support::{Answer, House, Key};
use fastness_ledger::Keeper;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was seen, added up.
#[derive(Debug, Default)]
pub struct Tally {
    /// Histories played.
    pub histories: u64,
    /// Histories from which at least one operation was purged for some observer.
    pub purged: u64,
    /// Requests sent, purged runs included.
    pub requests: u64,
    /// Operations purged, over all observers.
    pub removed: u64,
    /// Answers compared.
    pub compared: u64,
    /// Bundles compared that wait for a carrier.
    pub bundles: u64,
    /// Those of them that are releases.
    pub released: u64,
    /// Answers about a standing lift of which a later pass sent something, in the whole runs.
    pub later_passes: u64,
    /// For each action: how many were done, how many refused, in the whole runs.
    pub actions: BTreeMap<String, (u64, u64)>,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.purged += other.purged;
        self.requests += other.requests;
        self.removed += other.removed;
        self.compared += other.compared;
        self.bundles += other.bundles;
        self.released += other.released;
        self.later_passes += other.later_passes;
        for (name, (done, refused)) in other.actions {
            let sum = self.actions.entry(name).or_default();
            *sum = (sum.0 + done, sum.1 + refused);
        }
    }
}

/// An answer that is not the same.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The step's number in the history.
    pub step: usize,
    /// The answer in the whole run.
    pub whole: Answer,
    /// The answer in the purged run.
    pub purged: Answer,
}

/// Which sessions' operations an observer may know of.
pub type Keep<'a> = &'a dyn Fn(usize) -> bool;

/// Whether an observer at a label may know of a session's operations.
pub fn may_know(world: &World, observer: &str, session: usize) -> bool {
    world.template.label(SESSIONS[session].label).is_dominated_by(world.template.label(observer))
}

/// What a history leaves: every answer, and what waits for a carrier then, by label.
#[derive(Debug)]
pub struct Played {
    pub answers: Vec<Answer>,
    staged: BTreeMap<&'static str, Vec<String>>,
}

/// A region in the middle of a history.
struct Play<'a> {
    world: &'a World,
    house: House,
    shelves: Arc<Shelves>,
    keeper: Keeper,
    memories: Vec<Memory>,
}

impl<'a> Play<'a> {
    fn begin(world: &'a World) -> Self {
        let (house, shelves) = world.open();
        let keeper = house.keeper();
        Self { world, house, shelves, keeper, memories: vec![Memory::default(); SESSIONS.len()] }
    }

    /// What waits for a carrier at the labels of the sessions that count.
    fn staged(&self, keep: Keep<'_>) -> BTreeMap<&'static str, Vec<String>> {
        let labels = (0..SESSIONS.len()).filter(|session| keep(*session)).map(|session| SESSIONS[session].label);
        labels.map(|label| (label, self.world.staged(&self.shelves, label))).collect()
    }

    /// What the region does of itself, on nobody's request; none for what somebody asks.
    async fn cross(&self, session: usize, crossing: Crossing) -> Option<Answer> {
        let told = match crossing {
            Crossing::Send => self.world.send(&self.house, &self.shelves, SESSIONS[session].label).await,
            Crossing::SendReleases => {
                self.world.send_releases(&self.house, &self.shelves, SESSIONS[session].label).await
            }
            Crossing::Arrive(number) => self.world.arrive(&self.house, number).await,
            _ => return None,
        };
        let (status, text) = told.map_or_else(|fault| (500, fault), |text| (200, text));
        Some(Answer { status, headers: Vec::new(), body: text.into() })
    }

    /// Officers tell each other of spills: those of one label, and those below the one at the ceiling. Whoever is
    /// purged is purged with everybody who could have told them.
    fn share(&mut self, session: usize) {
        let spills = self.memories[session].spills.clone();
        let told: &[usize] = match session {
            8 | 14 => &[8, 14],
            15 | 16 => &[15, 16, 17],
            _ => &[],
        };
        for other in told {
            self.memories[*other].spills.clone_from(&spills);
        }
    }

    /// Everybody tells those of their own label and above of releases. Nobody tells anybody below: whoever is purged is
    /// purged with everybody who could have told them.
    fn share_releases(&mut self, session: usize) {
        let told = self.memories[session].releases.clone();
        let hears = |other: &usize| may_know(self.world, SESSIONS[*other].label, session);
        for other in (0..SESSIONS.len()).filter(hears).collect::<Vec<_>>() {
            self.memories[other].hear(&told, SESSIONS[other].label == SESSIONS[session].label);
        }
    }

    async fn step(&mut self, step: &Step) -> Answer {
        if let Action::Cross(crossing) = &step.action
            && let Some(answer) = self.cross(step.session, *crossing).await
        {
            return answer;
        }
        if let Action::Lifecycle(days) = &step.action {
            let label = self.world.template.label(SESSIONS[step.session].label);
            // A label that the region does not hold has no partition.
            return self.house.expire(label, *days).await;
        }
        if matches!(step.action, Action::Lookup(_) | Action::NextEvents(_) | Action::Disclose(_)) {
            // A read's entry follows within 100 ms. When exactly is timing, and told of in SECURITY.md.
            self.house.store.flush().await.unwrap();
        }
        if matches!(step.action, Action::Disclose(_)) {
            // When the region signs is timing, too.
            let signed = self.keeper.step().await;
            assert_eq!(signed.alarms, [], "a history raises no alarm");
        }
        let rendered = step.action.render(&self.memories[step.session], &self.world.template.cast);
        let mut key = key_of(step.session, &self.world.template.cast, &self.memories);
        match &step.action {
            Action::UnknownKey(_) => key = Key::unknown(step.session),
            Action::BadSignature(_) => key.secret.push('x'),
            _ => {}
        }
        let key = (!matches!(step.action, Action::Anonymous(_))).then_some(&key);
        if matches!(step.action, Action::Report(_)) {
            // It counts reads, whose entries follow within 100 ms where the machine has the time: here, in any case.
            self.house.store.flush().await.unwrap();
        }
        let mut answer = self.house.send(key, &rendered.ask).await;
        if let Action::Disclose(_) = &step.action
            && let Some(body) = without_chance(&answer.body)
        {
            answer.body = body.into();
        }
        let memory = &mut self.memories[step.session];
        memory.learn(&answer, &rendered.bucket, &rendered.key);
        self.share(step.session);
        if matches!(&step.action, Action::Cross(crossing) if crossing.is_of_releases()) {
            self.share_releases(step.session);
        }
        let memory = &mut self.memories[step.session];
        if let Action::Lookup(lookup) = &step.action {
            memory.learn_events(&answer, lookup.body(memory, &self.world.template.cast));
        }
        let copied = answer.one("ETag").replace("&quot;", "\"");
        let etag = answer.header("etag").or(Some(&*copied).filter(|etag| !etag.is_empty() && answer.status == 200));
        if let (Action::Part(upload, part, _) | Action::PartCopy(upload, part, ..), Some(etag)) = (&step.action, etag)
            && let Some(upload) = pick(&memory.uploads, *upload).map(|upload| upload.id.clone())
        {
            let found = memory.uploads.iter_mut().find(|found| found.id == upload).unwrap();
            found.parts.insert(*part, etag.to_owned());
        }
        answer
    }
}

/// Plays a whole history.
pub async fn play(world: &World, steps: &[Step], tally: &mut Tally) -> Played {
    let mut play = Play::begin(world);
    let mut answers = Vec::with_capacity(steps.len());
    for step in steps {
        answers.push(play.step(step).await);
    }
    tally.requests += answers.len() as u64;
    Played { answers, staged: play.staged(&|_| true) }
}

/// Plays what an observer may know of, and compares with the whole run.
pub async fn compare(
    world: &World,
    steps: &[Step],
    whole: &Played,
    keep: Keep<'_>,
    tally: &mut Tally,
) -> Option<Difference> {
    let mut play = Play::begin(world);
    for (number, step) in steps.iter().enumerate().filter(|(_, step)| keep(step.session)) {
        let purged = play.step(step).await;
        tally.requests += 1;
        tally.compared += 1;
        if purged != whole.answers[number] {
            return Some(Difference { step: number, whole: whole.answers[number].clone(), purged });
        }
    }
    for (label, purged) in play.staged(keep) {
        let whole = &whole.staged[label];
        tally.bundles += purged.len() as u64;
        tally.released += purged.iter().filter(|line| line.starts_with(BELOW)).count() as u64;
        if purged != *whole {
            let told = |lines: &[String]| Answer { status: 200, headers: Vec::new(), body: lines.join("\n").into() };
            return Some(Difference { step: steps.len(), whole: told(whole), purged: told(&purged) });
        }
    }
    None
}

/// What is wrong with an answer by itself: a fault of ours, or a label above the session's.
pub fn wrong_alone(world: &World, step: &Step, answer: &Answer) -> Option<String> {
    if answer.status >= 500 && answer.status != 501 {
        return Some(format!("status {}", answer.status));
    }
    let template = &world.template;
    let label = template.label(SESSIONS[step.session].label);
    match answer.header("x-fastness-label") {
        Some(text) if !template.label(text).is_dominated_by(label) => {
            Some(format!("an answer at `{text}` to a session at `{}`", SESSIONS[step.session].label))
        }
        _ => None,
    }
}

/// Whether an answer tells of a standing lift that sent again what was written later.
fn is_of_a_later_pass(step: &Step, answer: &Answer) -> bool {
    if !matches!(step.action, Action::Cross(Crossing::DescribeLift(_))) {
        return false;
    }
    let lift: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    lift["standing"] == true && lift["bundles"].as_u64().is_some_and(|bundles| bundles > 1)
}

/// A history for every observer; the first thing that is wrong, as a text.
pub async fn check(world: &World, seed: u64, steps: &[Step], tally: &mut Tally) -> Result<(), String> {
    let whole = play(world, steps, tally).await;
    tally.histories += 1;
    for (step, answer) in steps.iter().zip(&whole.answers) {
        let counts = tally.actions.entry(step.action.name()).or_default();
        if answer.status < 400 {
            counts.0 += 1
        } else {
            counts.1 += 1
        }
        tally.later_passes += u64::from(is_of_a_later_pass(step, answer));
        if let Some(wrong) = wrong_alone(world, step, answer) {
            return Err(format!("seed {seed}: {wrong}\n  {}\n  {answer:?}", told(step)));
        }
    }
    let mut any = false;
    for observer in OBSERVERS {
        let keep = |session: usize| may_know(world, observer, session);
        let kept = steps.iter().filter(|step| keep(step.session)).count();
        // Nothing purged, nothing to show but that runs repeat: now and then is enough.
        if kept == 0 || (kept == steps.len() && !seed.is_multiple_of(16)) {
            continue;
        }
        any |= kept < steps.len();
        tally.removed += (steps.len() - kept) as u64;
        if compare(world, steps, &whole, &keep, tally).await.is_some() {
            return Err(explain(world, seed, observer, steps.to_vec(), tally).await);
        }
    }
    tally.purged += u64::from(any);
    Ok(())
}

/// The smallest history, by greedy removal, that still shows the difference.
async fn explain(world: &World, seed: u64, observer: &str, mut steps: Vec<Step>, tally: &mut Tally) -> String {
    let keep = |session: usize| may_know(world, observer, session);
    let mut found = difference(world, &steps, &keep, tally).await;
    if found.is_none() {
        return format!("seed {seed}, observer {observer}: a difference that a second run does not show");
    }
    let mut shrunk = true;
    while shrunk {
        shrunk = false;
        for number in (0..steps.len()).rev() {
            let mut fewer = steps.clone();
            fewer.remove(number);
            if let Some(difference) = difference(world, &fewer, &keep, tally).await {
                (steps, found, shrunk) = (fewer, Some(difference), true);
            }
        }
    }
    let Difference { step, whole, purged } = found.unwrap();
    let list: Vec<String> =
        steps.iter().enumerate().map(|(number, step)| format!("{number:3} {}", told(step))).collect();
    format!(
        "seed {seed}, observer {observer}: the answer to step {step} (or, behind the last, what waits for a carrier) depends on what the observer may not know of\n{}\n  whole:  {whole:?}\n  purged: {purged:?}",
        list.join("\n")
    )
}

async fn difference(world: &World, steps: &[Step], keep: Keep<'_>, tally: &mut Tally) -> Option<Difference> {
    let whole = play(world, steps, tally).await;
    compare(world, steps, &whole, keep, tally).await
}

fn told(step: &Step) -> String {
    let session = SESSIONS[step.session];
    format!("{:<24} {:?} {:?}", session.label, session.credential, step.action)
}

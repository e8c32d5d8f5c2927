//! Random crossings, and whole ones from their mapping to their end.

use super::{Draw, MAPPER, OFFICERS, Step, WRITER};
use crate::action::{Action, Condition, Content, Digest, KEYS, Place, Version};
use crate::beside::BUNDLES_EACH;
use crate::cross::{Crossing, DOWN, Half, NAMES, PLAIN, SUBJECTS, Wish};
use crate::session::{LAST, OBSERVERS, REVIEWERS, SESSIONS};
use crate::support::{S, TOP, U};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Somebody at the ceiling, and the officer there.
const HIGH: usize = 6;
const CEILING: usize = 17;
/// Workers where there are reviewers.
const REQUESTERS: [usize; 3] = [WRITER, 3, HIGH];

/// What a session does next: who and what.
type Plan = Vec<(usize, Action)>;

fn draw(seed: u64) -> Draw {
    Draw { rng: StdRng::seed_from_u64(seed) }
}

/// The same by one at the ceiling, and then by one below, after a bucket and a mapping were made.
fn above_and_below(mut draw: Draw, half: Half, each: impl Fn(&mut Draw, usize, Place) -> Plan) -> Vec<Step> {
    let mapped = Crossing::PutMapping { name: 0, half, bucket: 0, highest: TOP, tight: false, lifts: false };
    let mut steps = vec![(0, Action::CreateBucket(0)), (MAPPER, Action::Cross(mapped))];
    for session in [HIGH, WRITER] {
        let at = (0, draw.rng.random_range(0..KEYS.len()));
        steps.extend(each(&mut draw, session, at));
    }
    steps.into_iter().map(|(session, action)| Step { session, action }).collect()
}

/// A history in which one at the ceiling lifts something, and then one below.
pub fn lifting(seed: u64) -> Vec<Step> {
    above_and_below(draw(seed), Half::Lift, |draw, session, at| {
        let lift = Crossing::StartLift { bucket: 0, some: false, mapping: None, standing: false };
        let own = [draw.written(session, at), Action::Cross(lift), Action::Cross(Crossing::Send)];
        own.map(|action| (session, action)).into()
    })
}

/// The same with lifts that stand, and with what is written later.
pub fn standing(seed: u64) -> Vec<Step> {
    above_and_below(draw(seed), Half::Lift, |draw, session, at| draw.standing(session, at))
}

/// A history in which something of one at the ceiling is released, and then of one below.
pub fn releasing(seed: u64) -> Vec<Step> {
    above_and_below(draw(seed), Half::Release, |draw, session, at| {
        let reviewers = draw.reviewers(session);
        draw.release(session, at, (reviewers, false))
    })
}

impl Draw {
    pub(super) fn mappings(&mut self) -> Action {
        let name = self.rng.random_range(0..NAMES.len());
        match self.rng.random_range(0..5) {
            0 => Action::Cross(Crossing::DeleteMapping(name)),
            1 => Action::Cross(Crossing::ListMappings),
            _ => {
                let half = self.one(&[Half::Lift, Half::Release, Half::Arrival]);
                let highest = self.one(&[U, S, TOP, TOP, "SECERT"]);
                self.mapping(name, half, highest)
            }
        }
    }

    fn mapping(&mut self, name: usize, half: Half, highest: &'static str) -> Action {
        let bucket = self.bucket();
        self.mapping_of((name, bucket), half, highest)
    }

    fn mapping_of(&mut self, (name, bucket): (usize, usize), half: Half, highest: &'static str) -> Action {
        let (tight, lifts) = (self.chance(15), self.chance(20));
        Action::Cross(Crossing::PutMapping { name, half, bucket, highest, tight, lifts })
    }

    /// What a worker asks of crossings, or the region does at their label.
    pub(super) fn crossing(&mut self, session: usize) -> Action {
        let lift = if self.chance(70) { LAST } else { self.number() };
        Action::Cross(match self.rng.random_range(0..17) {
            0 | 1 => Crossing::StartLift {
                bucket: self.bucket(),
                some: self.chance(30),
                mapping: self.chance(20).then_some(0),
                standing: self.chance(30),
            },
            2 => Crossing::StopLift(lift),
            3 => Crossing::DescribeLift(lift),
            4 => Crossing::ListLifts,
            5 | 6 => Crossing::Send,
            7 | 8 => Crossing::Arrive(self.bundle(session)),
            9 => Crossing::ListArrivals(self.chance(30)),
            10 => Crossing::FindArrival(self.rng.random_range(0..OBSERVERS.len() * BUNDLES_EACH)),
            11 | 12 => {
                let (at, version, wish) = (self.place(), self.version(), self.wish());
                Crossing::RequestRelease { at, version, wish, mapping: self.chance(20).then_some(DOWN) }
            }
            13 | 14 => Crossing::SendReleases,
            _ => return self.release_told(),
        })
    }

    fn wish(&mut self) -> Wish {
        Wish {
            name: self.rng.random_range(0..KEYS.len()),
            label: self.one(&[U, U, U, S, TOP, "SECERT"]),
            kind: self.one(&[PLAIN, PLAIN, PLAIN, PLAIN, "image/png"]),
            subject: self.one(&[None, None, None, Some(SUBJECTS[0]), Some(SUBJECTS[0]), Some(SUBJECTS[1])]),
        }
    }

    fn release_number(&mut self) -> usize {
        if self.chance(70) { LAST } else { self.number() }
    }

    /// What is known of releases.
    pub(super) fn release_told(&mut self) -> Action {
        let number = self.release_number();
        Action::Cross(match self.rng.random_range(0..3) {
            0 => Crossing::ListReleases(self.chance(30).then_some(number)),
            _ => Crossing::DescribeRelease(number),
        })
    }

    /// What a reviewer does, or the region with what was approved.
    pub(super) fn review(&mut self) -> Action {
        let number = self.release_number();
        Action::Cross(match self.rng.random_range(0..10) {
            0..4 => Crossing::ReviewRelease(number),
            4..7 => Crossing::ApproveRelease(number, self.chance(90)),
            7 => Crossing::RefuseRelease(number),
            8 => Crossing::SendReleases,
            _ => return self.release_told(),
        })
    }

    /// A bundle of the session's label.
    fn bundle(&mut self, session: usize) -> usize {
        let label = OBSERVERS.iter().position(|label| *label == SESSIONS[session].label).unwrap();
        label * BUNDLES_EACH + self.rng.random_range(0..BUNDLES_EACH)
    }

    /// An object that may cross.
    fn written(&mut self, session: usize, at: Place) -> Action {
        let put = Content { digest: Digest::None, classification: None, metadata: 20, ..self.content(session) };
        Action::Put(at, Content { sealed: false, ..put }, Condition::None)
    }

    /// Reviewers at a session's label; where there are none, those of another try.
    fn reviewers(&mut self, session: usize) -> [usize; 2] {
        let own = REVIEWERS.iter().find(|(label, _)| *label == SESSIONS[session].label);
        own.map_or_else(|| self.one(&REVIEWERS).1, |(_, pair)| *pair)
    }

    /// A crossing from its mapping to its end.
    pub(super) fn crossing_plan(&mut self, session: usize) -> Plan {
        let at = self.place();
        let (half, bucket, plan) = match self.rng.random_range(0..10) {
            0..3 => (Half::Lift, at.0, self.lift_plan(session, at)),
            3..6 => (Half::Arrival, 0, self.arrival_plan(session)),
            6 => (Half::Lift, at.0, self.standing(session, at)),
            _ => return self.release_plan(session),
        };
        let name = self.rng.random_range(0..DOWN);
        let mapped = self.mapping_of((name, bucket), half, TOP);
        [(MAPPER, mapped)].into_iter().chain(plan).collect()
    }

    /// The same of a release, by somebody at the label of a session, or, most often where no reviewers are, at theirs.
    pub(super) fn release_plan(&mut self, session: usize) -> Plan {
        let of = |session: usize| REQUESTERS.into_iter().find(|one| SESSIONS[*one].label == SESSIONS[session].label);
        let other = if self.chance(75) { self.one(&REQUESTERS) } else { session };
        let session = of(session).unwrap_or(other);
        let at = (0, self.rng.random_range(1..KEYS.len()));
        let reviewers = self.reviewers(session);
        let refused = self.chance(25);
        let mapped = self.mapping_of((DOWN, at.0), Half::Release, TOP);
        let mut plan = vec![(MAPPER, mapped)];
        plan.extend(self.release(session, at, (reviewers, refused)));
        if session == WRITER && self.chance(25) {
            // What left was a spill.
            let [first, second] = OFFICERS;
            plan.extend([
                (first, Action::Contain(at, Version::Latest)),
                (first, Action::Propose(LAST)),
                (CEILING, Action::Report(LAST)),
                (second, Action::Approve(LAST)),
            ]);
        }
        plan
    }

    fn lift_plan(&mut self, session: usize, at: Place) -> Plan {
        let lift = Crossing::StartLift { bucket: at.0, some: false, mapping: None, standing: false };
        let end = if self.chance(75) { Crossing::Send } else { Crossing::StopLift(LAST) };
        let own = [
            self.written(session, at),
            Action::Cross(lift),
            Action::Cross(end),
            Action::Cross(Crossing::DescribeLift(LAST)),
        ];
        own.map(|action| (session, action)).into()
    }

    /// A lift that goes on with what is written later, until it is stopped.
    fn standing(&mut self, session: usize, at: Place) -> Plan {
        let lift = Crossing::StartLift { bucket: at.0, some: false, mapping: None, standing: true };
        let own = [
            Action::Cross(lift),
            self.written(session, at),
            Action::Cross(Crossing::Send),
            self.written(session, at),
            Action::Cross(Crossing::Send),
            Action::Cross(Crossing::DescribeLift(LAST)),
            Action::Cross(Crossing::StopLift(LAST)),
        ];
        own.map(|action| (session, action)).into()
    }

    /// It leaves, or it is refused.
    fn release(&mut self, session: usize, at: Place, (reviewers, refused): ([usize; 2], bool)) -> Plan {
        let wish = Wish { name: at.1, label: U, kind: PLAIN, subject: self.chance(50).then_some(SUBJECTS[0]) };
        let request = Crossing::RequestRelease { at, version: Version::Latest, wish, mapping: None };
        let put = self.written(session, at);
        let (first, second) = (reviewers[0], reviewers[1]);
        let end = if refused { Crossing::RefuseRelease(LAST) } else { Crossing::ApproveRelease(LAST, true) };
        let asked = [
            (session, request),
            (first, Crossing::ReviewRelease(LAST)),
            (second, Crossing::ReviewRelease(LAST)),
            (first, Crossing::ApproveRelease(LAST, true)),
            (second, end),
            (session, Crossing::SendReleases),
            (session, Crossing::DescribeRelease(LAST)),
        ];
        let asked = asked.map(|(session, crossing)| (session, Action::Cross(crossing)));
        [(session, put)].into_iter().chain(asked).collect()
    }

    fn arrival_plan(&mut self, session: usize) -> Plan {
        let bundle = self.bundle(session);
        let own = [
            Action::Cross(Crossing::Arrive(bundle)),
            Action::Cross(Crossing::FindArrival(bundle)),
            Action::Get((0, bundle % 2), Version::Latest, None, Condition::None),
            Action::Cross(Crossing::ListArrivals(false)),
        ];
        own.map(|action| (session, action)).into()
    }

    /// A mapping that comes and goes.
    pub(super) fn mapping_plan(&mut self) -> Plan {
        let name = self.rng.random_range(0..NAMES.len());
        let half = self.one(&[Half::Lift, Half::Release, Half::Arrival]);
        let actions = [self.mapping(name, half, TOP), Action::Cross(Crossing::DeleteMapping(name))];
        actions.map(|action| (MAPPER, action)).into()
    }
}

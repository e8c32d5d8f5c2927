//! Random histories: a pure function of a seed.

mod crossings;

pub use crossings::{lifting, releasing, standing};

use crate::action::{
    Action, BUCKETS, CONFIGURATIONS, Condition, Content, Digest, KEYS, KeyChoice, Page, Place, USERS, Version,
};
use crate::cross::Crossing;
use crate::lookup::{ATTRIBUTES, Lookup, Search};
use crate::session::{AUDITORS, LAST, REVIEWERS, Role, SESSIONS};
use crate::support::{REL, S, SI, TK, TOP, TS, U};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// One request of a history: who and what.
#[derive(Clone, Debug)]
pub struct Step {
    /// The session's number.
    pub session: usize,
    /// What it asks for.
    pub action: Action,
}

const MARKINGS: [&str; 9] = [U, REL, S, TS, SI, TK, TOP, "SECERT", "CONFIDENTIAL"];

/// A worker and two officers of one account at one label.
const WRITER: usize = 2;
const OFFICERS: [usize; 2] = [15, 16];
/// Who writes mappings.
const MAPPER: usize = 8;

/// The number of object lock among the configurations.
fn lock() -> usize {
    CONFIGURATIONS.iter().position(|(name, ..)| *name == "object-lock").unwrap()
}

struct Draw {
    rng: StdRng,
}

/// The history of a seed.
pub fn history(seed: u64) -> Vec<Step> {
    let mut draw = Draw { rng: StdRng::seed_from_u64(seed) };
    let length = draw.rng.random_range(30..=60);
    let beta = draw.rng.random_bool(0.3);
    // Not everybody takes part every time, so that few people meet often.
    let mut taking: Vec<usize> = (0..10).filter(|number| *number == 0 || draw.rng.random_bool(0.5)).collect();
    if draw.rng.random_bool(0.3) {
        taking.extend([10, 11]);
    }
    if beta {
        taking.extend([12, 13]);
    }
    if draw.rng.random_bool(0.4) {
        taking.extend([14, 15, 16, 17]);
    }
    if draw.rng.random_bool(0.5) {
        taking.extend(AUDITORS.filter(|_| draw.rng.random_bool(0.4)));
    }
    if draw.rng.random_bool(0.4) {
        let some = |(_, pair): (_, [usize; 2])| draw.rng.random_bool(0.5).then_some(pair);
        taking.extend(REVIEWERS.into_iter().filter_map(some).flatten());
    }
    let mut steps = Vec::with_capacity(length);
    if taking.contains(&10) && draw.chance(75) {
        steps.push(Step { session: 8, action: Action::AllowLabel(TS) });
        steps.extend([S, TS].map(|label| Step { session: 0, action: Action::CreateKey(label) }));
    }
    // Most begin with a bucket that everybody sees; some with one that only a few do.
    let maker = if draw.chance(75) { 0 } else { draw.worker(&taking) };
    steps.push(Step { session: maker, action: Action::CreateBucket(0) });
    for _ in 0..draw.rng.random_range(0..=2) {
        let session = draw.worker(&taking);
        steps.push(Step { session, action: Action::CreateBucket(draw.bucket()) });
    }
    if draw.chance(65) {
        let session = if draw.chance(60) { maker } else { draw.worker(&taking) };
        steps.push(Step { session, action: Action::PutVersioning(0, "Enabled") });
    }
    // What a session means to do next, while others come between.
    let mut plans: Vec<(usize, Action)> = Vec::new();
    while steps.len() < length {
        if !plans.is_empty() && draw.chance(50) {
            let (session, action) = plans.remove(0);
            steps.push(Step { session, action });
            continue;
        }
        let session = if draw.chance(75) { draw.worker(&taking) } else { draw.one(&taking) };
        if SESSIONS[session].role == Role::Worker && draw.chance(6) {
            plans.extend(draw.plan(session).into_iter().map(|action| (session, action)));
        }
        if SESSIONS[session].role == Role::Auditor && draw.chance(25) {
            let first = Lookup { limit: Some(draw.one(&[1, 2, 5])), ..draw.lookup() };
            plans.extend([Action::Lookup(first), Action::NextEvents(LAST)].map(|action| (session, action)));
        }
        if session == OFFICERS[0] && draw.chance(30) {
            plans.extend(draw.spill_plan());
        }
        if SESSIONS[session].role == Role::Worker && draw.chance(8) {
            plans.extend(draw.crossing_plan(session));
        }
        if SESSIONS[session].role == Role::Reviewer && draw.chance(15) {
            plans.extend(draw.release_plan(session));
        }
        if session == MAPPER && draw.chance(20) {
            plans.extend(draw.mapping_plan());
        }
        if SESSIONS[session].role == Role::Administrator && draw.chance(15) {
            // A user that is new has no keys yet, and may go.
            let name = draw.rng.random_range(0..3);
            plans.extend([Action::CreateUser(name), Action::DeleteUser(name)].map(|action| (session, action)));
        }
        let action = draw.action(session);
        steps.push(Step { session, action });
    }
    steps
}

impl Draw {
    fn one<T: Copy>(&mut self, items: &[T]) -> T {
        *items.choose(&mut self.rng).unwrap()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    fn number(&mut self) -> usize {
        self.rng.random_range(0..1000)
    }

    fn worker(&mut self, taking: &[usize]) -> usize {
        let workers: Vec<usize> =
            taking.iter().copied().filter(|number| SESSIONS[*number].role == Role::Worker).collect();
        self.one(&workers)
    }

    /// The first bucket and key most of the time, so that sessions meet.
    fn bucket(&mut self) -> usize {
        if self.chance(75) { 0 } else { self.rng.random_range(0..BUCKETS.len()) }
    }

    fn place(&mut self) -> Place {
        let key = if self.chance(60) { 0 } else { self.rng.random_range(0..KEYS.len()) };
        (self.bucket(), key)
    }

    fn version(&mut self) -> Version {
        match self.rng.random_range(0..100) {
            0..50 => Version::Latest,
            50..60 => Version::Null,
            60..97 => Version::Seen(self.number()),
            _ => Version::Strange,
        }
    }

    fn condition(&mut self) -> Condition {
        if self.chance(75) {
            return Condition::None;
        }
        match self.rng.random_range(0..6) {
            0 => Condition::Match(self.number()),
            1 => Condition::NoneMatch(self.number()),
            2 => Condition::Absent,
            3 => Condition::Present,
            4 => Condition::Modified(self.rng.random_range(0..120)),
            _ => Condition::Unmodified(self.rng.random_range(0..120)),
        }
    }

    fn write_condition(&mut self) -> Condition {
        match self.rng.random_range(0..20) {
            0 => Condition::Match(self.number()),
            1 => Condition::NoneMatch(self.number()),
            2 | 3 => Condition::Absent,
            4 => Condition::Present,
            _ => Condition::None,
        }
    }

    fn content(&mut self, session: usize) -> Content {
        let size = match self.rng.random_range(0..100) {
            0..10 => 0,
            10..85 => self.rng.random_range(1..2_000),
            85..96 => self.rng.random_range(2_000..32_768),
            _ => self.rng.random_range(32_769..65_536),
        };
        let digest = match self.rng.random_range(0..100) {
            0..82 => Digest::None,
            82..94 => Digest::Asked(self.one(&["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])),
            94..96 => Digest::WrongMd5,
            96..98 => Digest::NoMd5,
            _ => Digest::WrongChecksum,
        };
        let metadata = match self.rng.random_range(0..100) {
            0..70 => 0,
            70..99 => 20,
            _ => 2_100,
        };
        let (fill, classification) = (self.rng.random(), self.classification(session));
        Content { size, fill, digest, classification, metadata, tagged: self.chance(10), sealed: self.chance(4) }
    }

    fn classification(&mut self, session: usize) -> Option<&'static str> {
        match self.rng.random_range(0..100) {
            0..75 => None,
            75..95 => Some(SESSIONS[session].label),
            _ => Some(self.one(&MARKINGS)),
        }
    }

    fn page(&mut self) -> Page {
        let limit = match self.rng.random_range(0..10) {
            0..4 => None,
            4 => Some(0),
            5..8 => Some(1),
            8 => Some(2),
            _ => Some(5_000),
        };
        Page {
            prefix: self.one(&["", "", "a", "a/", "z"]),
            delimiter: self.chance(40),
            limit,
            marker: self.chance(40).then(|| self.number()),
        }
    }

    fn action(&mut self, session: usize) -> Action {
        let role = if self.chance(92) {
            SESSIONS[session].role
        } else {
            use Role::{Administrator, Auditor, Officer, Operator, Reviewer, Worker};
            self.one(&[Worker, Administrator, Officer, Operator, Auditor, Reviewer])
        };
        let action = match role {
            Role::Worker if self.chance(85) => self.data(session),
            Role::Worker if self.chance(35) => self.crossing(session),
            Role::Worker => self.own_affairs(),
            Role::Administrator => self.administration(),
            Role::Officer if SESSIONS[session].label != U || self.chance(20) => self.spills(),
            Role::Officer => self.office(),
            Role::Auditor if self.chance(10) => self.own_affairs(),
            Role::Auditor if self.chance(15) => Action::NextEvents(self.number()),
            Role::Auditor if self.chance(10) => self.release_told(),
            Role::Auditor => match self.lookup() {
                wide @ Lookup { limit: Some(50), .. } => Action::Disclose(wide),
                lookup => Action::Lookup(lookup),
            },
            Role::Reviewer if self.chance(60) => self.review(),
            Role::Reviewer if self.chance(50) => self.crossing(session),
            Role::Reviewer => self.data(session),
            Role::Operator => match self.rng.random_range(0..5) {
                4 => Action::AddOfficer(self.number()),
                0 => Action::CreateAccount(self.rng.random_range(0..2)),
                1 => Action::ListAccounts,
                2 => Action::ListLabels,
                _ => Action::Identity,
            },
        };
        match self.rng.random_range(0..100) {
            // Nobody asks for what the region does of itself.
            0..=2 if matches!(&action, Action::Cross(crossing) if crossing.is_of_itself()) => action,
            0 => Action::UnknownKey(Box::new(action)),
            1 => Action::BadSignature(Box::new(action)),
            // An unsigned request is of no session; what everybody may know is sent at the floor.
            2 if SESSIONS[session].label == U && self.chance(50) => {
                Action::Anonymous(Box::new(Action::Preflight(self.bucket(), self.one(&["GET", "PUT"]))))
            }
            2 if SESSIONS[session].label == U => Action::Anonymous(Box::new(action)),
            3 => Action::Unoffered(self.bucket()),
            4 => Action::Nonsense,
            _ => action,
        }
    }

    fn data(&mut self, session: usize) -> Action {
        let bucket = self.bucket();
        match self.rng.random_range(0..100) {
            0..5 => Action::CreateBucket(bucket),
            5..7 => Action::HeadBucket(bucket),
            7..10 => Action::ListBuckets,
            10 => Action::Location(bucket),
            11..14 => Action::DeleteBucket(bucket),
            14..16 => Action::GetVersioning(bucket),
            16..19 => Action::PutVersioning(bucket, self.one(&["Enabled", "Enabled", "Suspended"])),
            19 => Action::Lifecycle(self.one(&[0, 2, 5])),
            20..25 => {
                // The lifecycle more often: it is what the housekeeping needs.
                let kind = if self.chance(25) { 2 } else { self.rng.random_range(0..CONFIGURATIONS.len()) };
                match self.rng.random_range(0..5) {
                    0 | 1 => Action::GetConfiguration(bucket, kind),
                    2 | 3 => Action::PutConfiguration(bucket, kind, self.chance(30)),
                    _ => Action::DeleteConfiguration(bucket, self.rng.random_range(0..6)),
                }
            }
            25 => {
                let at = self.place();
                let allowed = if self.chance(80) { at } else { self.place() };
                Action::Post(at, allowed, self.rng.random_range(0..40_000))
            }
            26..40 => Action::Put(self.place(), self.content(session), self.write_condition()),
            40..49 => {
                let range = self.one(&["bytes=0-0", "bytes=-5", "bytes=100-", "bytes=5-2"]);
                let range = self.chance(25).then_some(range);
                Action::Get(self.place(), self.version(), range, self.condition())
            }
            49 => Action::GetPart(self.place(), self.version(), self.one(&[1, 1, 2, 7, 10_001])),
            50 => Action::Attributes(self.place(), self.version()),
            51 => Action::GetSealed(self.place(), self.version()),
            52 => Action::Head(self.place(), self.version(), self.condition()),
            53..60 => {
                let condition = if self.chance(80) { Condition::None } else { self.write_condition() };
                Action::Delete(self.place(), self.version(), condition)
            }
            60 => {
                let what = self.one(&["retention", "legal-hold"]);
                let wanted =
                    self.one(&[("GOVERNANCE", 50), ("GOVERNANCE", 9_999), ("COMPLIANCE", 60), ("COMPLIANCE", 9_999)]);
                let wanted = self.chance(85).then_some(wanted);
                match self.rng.random_range(0..5) {
                    0 => Action::GetLock(self.place(), self.version(), what),
                    1 => Action::Retain(self.place(), self.version(), wanted, self.chance(30)),
                    2 | 3 => Action::Hold(self.place(), self.version(), self.one(&["ON", "ON", "OFF"])),
                    _ => Action::Bypass(self.place(), self.version()),
                }
            }
            61..63 => match self.rng.random_range(0..3) {
                0 => Action::GetTags(self.place(), self.version()),
                1 => Action::PutTags(self.place(), self.version(), self.one(&["blue", "green", "a!"])),
                _ => Action::DeleteTags(self.place(), self.version()),
            },
            63..66 => {
                let count = self.rng.random_range(1..=4);
                let objects = (0..count).map(|_| (self.place().1, self.version())).collect();
                Action::DeleteMany(bucket, objects, self.chance(20))
            }
            66..72 => {
                let from = self.place();
                let to = if self.chance(30) { from } else { self.place() };
                let (version, condition) = (self.version(), self.condition());
                Action::Copy { from, version, to, replace: self.chance(40), condition }
            }
            72..76 => Action::List(bucket, self.page()),
            76..80 => Action::ListV2(bucket, self.page()),
            80..86 => Action::ListVersions(bucket, self.page()),
            _ => self.parts(session),
        }
    }

    /// An upload in parts, or a version that is made, looked at, copied and removed.
    fn plan(&mut self, session: usize) -> Vec<Action> {
        let at = self.place();
        if self.chance(50) {
            let content = Content { digest: Digest::None, classification: None, ..self.content(session) };
            let last =
                if self.chance(80) { Action::Complete(LAST, true, Condition::None) } else { Action::Abort(LAST) };
            return vec![
                Action::CreateUpload(at, None, None),
                Action::Part(LAST, self.one(&[1, 7]), content),
                Action::PartCopy(LAST, 7, self.place(), Version::Latest, Condition::None),
                Action::ListParts(LAST, None),
                last,
            ];
        }
        let put = Content { digest: Digest::None, classification: None, ..self.content(session) };
        let to = self.place();
        if self.chance(12) {
            let put = Content { sealed: true, ..put };
            return vec![Action::Put(at, put, Condition::None), Action::GetSealed(at, Version::Latest)];
        }
        if self.chance(25) {
            let mode = self.one(&["GOVERNANCE", "COMPLIANCE"]);
            return vec![
                Action::PutVersioning(at.0, "Enabled"),
                Action::PutConfiguration(at.0, lock(), self.chance(30)),
                Action::Put(at, put, Condition::None),
                Action::Retain(at, Version::Latest, Some((mode, 9_999)), false),
                Action::GetLock(at, Version::Latest, "retention"),
                Action::Hold(at, Version::Latest, "ON"),
                Action::Delete(at, Version::Seen(LAST), Condition::None),
            ];
        }
        vec![
            Action::Put(at, put, Condition::None),
            Action::ListVersions(at.0, Page { prefix: "", delimiter: false, limit: None, marker: None }),
            Action::Copy { from: at, version: self.version(), to, replace: true, condition: Condition::None },
            Action::Get(to, self.version(), None, Condition::None),
            Action::Delete(at, Version::Seen(LAST), Condition::None),
        ]
    }

    /// A spill from its writing to the second officer's word.
    fn spill_plan(&mut self) -> Vec<(usize, Action)> {
        let at = self.place();
        let put = Content { digest: Digest::None, classification: None, ..self.content(WRITER) };
        let [first, second] = OFFICERS;
        vec![
            (WRITER, Action::Put(at, put, Condition::None)),
            (first, Action::Contain(at, Version::Latest)),
            (second, Action::Report(LAST)),
            (first, Action::Propose(LAST)),
            (second, Action::Approve(LAST)),
        ]
    }

    fn parts(&mut self, session: usize) -> Action {
        let upload = if self.chance(70) { LAST } else { self.number() };
        match self.rng.random_range(0..17) {
            14..17 => {
                let (number, version) = (self.one(&[1, 2]), self.version());
                Action::PartCopy(upload, number, self.place(), version, self.condition())
            }
            0..4 => {
                let offered = [("CRC32", "COMPOSITE"), ("CRC32C", "FULL_OBJECT"), ("SHA256", "COMPOSITE")];
                let algorithm = self.one(&[offered[0], offered[1], offered[2], ("CRC64NVME", "COMPOSITE")]);
                let algorithm = self.chance(40).then_some(algorithm);
                Action::CreateUpload(self.place(), algorithm, self.classification(session))
            }
            4..8 => {
                let number = self.one(&[1, 1, 1, 2, 3, 10_001]);
                Action::Part(upload, number, Content { classification: None, ..self.content(session) })
            }
            8..11 => Action::Complete(upload, self.chance(50), self.write_condition()),
            11 => Action::Abort(upload),
            12 => Action::ListParts(upload, self.chance(50).then_some(1)),
            _ => Action::ListUploads(self.bucket(), self.page()),
        }
    }

    fn own_affairs(&mut self) -> Action {
        match self.rng.random_range(0..10) {
            0..5 => Action::CreateKey(self.one(&[S, TS, S, TS, U, "SECERT"])),
            5 => Action::GetUser(None),
            6 => Action::ListAccessKeys(None),
            7 => Action::DeleteAccessKey(3, KeyChoice::Made(self.number())),
            8 if self.chance(50) => Action::Cross(Crossing::ListMappings),
            8 => Action::ListUsers,
            _ => Action::Identity,
        }
    }

    fn user(&mut self) -> usize {
        self.rng.random_range(0..USERS.len())
    }

    fn administration(&mut self) -> Action {
        let user = self.user();
        let (of, name) = self.one(&[
            (3, "ana UNCLASSIFIED"),
            (3, "ana SECRET"),
            (4, "sid TOP SECRET//SI"),
            (5, "gwen SECRET//REL TO USA, GBR"),
        ]);
        match self.rng.random_range(0..24) {
            0..4 => Action::CreateUser(self.rng.random_range(0..3)),
            4..7 => Action::DeleteUser(self.rng.random_range(0..4)),
            7 | 8 => Action::GetUser(Some(user)),
            9 => Action::ListUsers,
            10 => Action::TagUser(user, "team", "blue"),
            11 => Action::UntagUser(user, "team"),
            12 => Action::ListUserTags(user),
            13..16 => Action::CreateAccessKey(user),
            16 => Action::ListAccessKeys(Some(user)),
            17 => Action::UpdateAccessKey(of, KeyChoice::Cast(name), false),
            18..21 => Action::UpdateAccessKey(of, KeyChoice::Cast(name), true),
            21 => Action::UpdateAccessKey(user, KeyChoice::Made(self.number()), self.chance(50)),
            22 if self.chance(20) => Action::DeleteAccessKey(of, KeyChoice::Cast(name)),
            _ => Action::DeleteAccessKey(user, KeyChoice::Made(self.number())),
        }
    }

    fn lookup(&mut self) -> Lookup {
        let search = match self.rng.random_range(0..10) {
            0..3 => Search::All,
            3..7 => Search::By(self.rng.random_range(0..ATTRIBUTES.len())),
            7 => Search::Key(self.one(&["ana UNCLASSIFIED", "ana SECRET", "zoe TOP SECRET//SI/TK", "bob SECRET"])),
            8 => Search::Event(self.number()),
            _ => Search::Object(self.rng.random_range(0..KEYS.len())),
        };
        let from = self.chance(30).then(|| self.rng.random_range(0..150));
        let until = self.chance(30).then(|| self.rng.random_range(0..150));
        Lookup { search, from, until, limit: self.one(&[None, None, Some(1), Some(3), Some(50), Some(51)]) }
    }

    fn spills(&mut self) -> Action {
        let spill = if self.chance(70) { LAST } else { self.number() };
        match self.rng.random_range(0..20) {
            0..7 => Action::Contain(self.place(), if self.chance(70) { Version::Latest } else { self.version() }),
            7..11 => Action::Propose(spill),
            11..17 => Action::Approve(spill),
            _ => Action::Report(spill),
        }
    }

    fn office(&mut self) -> Action {
        let user = self.user();
        match self.rng.random_range(0..14) {
            12.. => self.mappings(),
            0..3 => Action::TagUser(user, "clearance", self.one(&[TOP, TOP, S, SI, U, "SECERT"])),
            3 => Action::TagUser(user, "nationality", self.one(&["USA", "USA", "GBR", "XXQ"])),
            4 => Action::TagUser(user, "label", self.one(&[U, S, REL])),
            5 if self.chance(30) => {
                Action::TagUser(user, "duty", self.one(&["auditor", "administrator", "reviewer", "cook"]))
            }
            6 => Action::UntagUser(user, self.one(&["label", "duty", "duty", "clearance"])),
            7 | 8 => Action::AllowLabel(self.one(&[TS, TS, "SECRET//SI", "CONFIDENTIAL", "SECERT"])),
            9 => Action::ListLabels,
            10 => Action::ListUserTags(user),
            _ => Action::ListUsers,
        }
    }
}

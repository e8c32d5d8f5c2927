//! Arrivals: what came in a bundle, and what became of each object in it.

use super::lifts::act_of;
use super::overtake::{Bringing, Latest};
use super::rows::Until;
use super::used::Measure;
use super::{CROSSING_KEPT_MS, quarantine, rows, used};
use crate::catalog::Turn;
use crate::fault::no_such_bucket;
use crate::objects::{Destination, NewObject, put};
use crate::receive::{self, Draft, INLINE_LEN_MAX, Received, check_room};
use crate::records::Extension;
use crate::{Fault, Record, Store, Written};
use bytes::Bytes;
use fastness_decide::crossing::Used;
use fastness_decide::{Chore, Permit};
use fastness_label::Label;
use fastness_operation::{
    AccountNumber, Attributes, BucketName, BundleId, Code, Conditions, CrossingAct, Moment, ObjectKey, RegionName,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// The most bytes of findings that are kept of one bundle; what is beyond is counted alone.
pub const FINDINGS_LEN_MAX: usize = 64 << 10;
/// The most characters of one finding.
const FINDING_CHARS_MAX: usize = 256;
/// Findings of one object, at most.
const FINDINGS_PER_OBJECT_MAX: usize = 16;
/// Rows that one step of forgetting takes away, at most.
const FORGOTTEN_MAX: usize = 1_000;

/// How far a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ArrivalState {
    /// Some of it was taken out.
    Arriving,
    /// All of it.
    Arrived,
}

/// What is known of a bundle before anything is taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalHead {
    /// Lift or release, in the manifest's word.
    pub kind: String,
    /// The lift that it is of; of a release the bundle's own id.
    pub crossing: String,
    /// The banner of the label that it came with.
    pub label: String,
    /// SHA-256 of the note that was signed.
    pub note_sha256: [u8; 32],
    /// Objects in it.
    pub objects: u32,
}

/// A bundle that arrived, as it is kept. Its number is not: no session below the ceiling learns of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The bundle.
    pub bundle: BundleId,
    /// Where it comes from.
    pub from: RegionName,
    /// For whom it is.
    pub account: AccountNumber,
    /// Into which bucket.
    pub bucket: BucketName,
    /// What it said of itself.
    pub head: ArrivalHead,
    /// How far it is.
    pub state: ArrivalState,
    /// When the first object was taken out, milliseconds since 1970.
    pub at_ms: i64,
    /// How many objects were looked at: the next one's place.
    pub next: u32,
    /// Objects that can be read now.
    pub accepted: u32,
    /// Objects that the guard stopped.
    pub quarantined: u32,
    /// Objects for which there was no place.
    pub refused: u32,
    /// What the guard said of those that it stopped: key, findings.
    pub findings: Vec<(String, Vec<String>)>,
    /// Why others were refused: key, code.
    pub refusals: Vec<(String, String)>,
    /// The spills in which the stopped ones are contained.
    pub spills: Vec<String>,
}

impl Arrival {
    /// Whether an object was refused or quarantined.
    #[must_use]
    pub const fn is_troubled(&self) -> bool {
        self.quarantined > 0 || self.refused > 0
    }
}

/// An object out of a bundle, as the guard left it.
#[derive(Debug)]
pub struct ArrivingObject {
    /// Its key.
    pub key: ObjectKey,
    /// What is to be kept of it.
    pub content: Received,
    /// What is to be kept with it.
    pub attributes: Attributes,
    /// What becomes of it.
    pub verdict: Arriving,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arriving {
    /// It becomes a version.
    Passes,
    /// It is contained, for these reasons.
    Stopped(Vec<String>),
    /// Nothing of it is kept: what it says of itself is not so.
    Refused(Code, String),
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived {
    /// A version.
    Version(Written),
    /// It is contained in the spill of this id.
    Quarantined(String),
}

/// Each object of a batch with its own outcome.
pub type ArrivedMany = Vec<Result<Arrived, Fault>>;

/// One step of an arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivalStep {
    /// What the bundle says of itself.
    pub head: ArrivalHead,
    /// The number of the bundle: no later one is replaced by it.
    pub number: u64,
    /// The place of the first object of the batch.
    pub first: u32,
    /// What it asks of its mapping's day.
    pub measure: Measure,
}

fn mentions(texts: &[(String, Vec<String>)]) -> usize {
    texts.iter().map(|(key, all)| key.len() + all.iter().map(String::len).sum::<usize>()).sum()
}

/// Findings as they are kept: bounded, the last of too many saying how many more there are, and without what terminals
/// would obey.
pub(super) fn kept(findings: Vec<String>) -> Vec<String> {
    let clean = |text: String| {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(FINDING_CHARS_MAX).collect::<String>()
    };
    let (all, mut findings) = (findings.len(), findings);
    if all > FINDINGS_PER_OBJECT_MAX {
        findings.truncate(FINDINGS_PER_OBJECT_MAX - 1);
        findings.push(format!("and {} more", all - findings.len()));
    }
    findings.into_iter().map(clean).collect()
}

impl Arrival {
    fn count(&mut self, key: &ObjectKey, findings: Vec<String>, outcome: &Result<Arrived, Fault>) {
        self.next += 1;
        match outcome {
            Ok(Arrived::Version(_)) => self.accepted += 1,
            Ok(Arrived::Quarantined(spill)) => {
                self.quarantined += 1;
                self.spills.push(spill.clone());
                let one = (key.to_string(), kept(findings));
                if mentions(&self.findings) + mentions(std::slice::from_ref(&one)) <= FINDINGS_LEN_MAX {
                    self.findings.push(one);
                }
            }
            Err(fault) => {
                self.refused += 1;
                let code = match fault {
                    Fault::Refused { code, .. } => code.as_str(),
                    Fault::Withheld(_) | Fault::Failed(_) => Code::AccessDenied.as_str(),
                };
                let said: usize = self.refusals.iter().map(|(key, code)| key.len() + code.len()).sum();
                if said + key.as_str().len() + code.len() <= FINDINGS_LEN_MAX {
                    self.refusals.push((key.to_string(), code.to_owned()));
                }
            }
        }
    }
}

impl Store {
    /// Seals contents into the partition of the permit's label; nothing of them is part of an object yet. It blocks.
    ///
    /// # Errors
    /// `InsufficientStorage`, or a failure.
    pub fn receive_many(&self, permit: &Permit, contents: Vec<Bytes>) -> Result<Vec<Received>, Fault> {
        let (CrossingAct::ReceiveObjects { .. }, _) = act_of(permit)? else { return Err(Fault::mismatch()) };
        let partition = self.own(permit)?;
        check_room(&partition, contents.iter().map(|content| content.len() as u64).sum())?;
        let plain: Vec<&[u8]> = contents.iter().map(Bytes::as_ref).collect();
        let mut digests = vec![[0; 16]; plain.len()];
        md5_many::md5_many(&plain, &mut digests);
        let seal = |(content, md5): (&Bytes, [u8; 16])| {
            let draft = match content.len() {
                0 => None,
                1..=INLINE_LEN_MAX => Some(Draft::small(&partition, content, None)?),
                _ => {
                    let fill = |writer: &mut crate::blob::BlobWriter| {
                        writer.push(content).map_err(|error| receive::disk_fault(&error))
                    };
                    Some(Draft::large(&partition, fill)?.0)
                }
            };
            Ok(Received::sealed(content.len() as u64, md5, draft))
        };
        contents.iter().zip(digests).map(seal).collect()
    }

    /// ReceiveObjects: commits a batch out of a bundle, in one turn and with one entry. Each object becomes a version, is
    /// contained, or is refused; none replaces another but as a write of that name would, and none one that a later bundle
    /// of the same region brought.
    ///
    /// # Errors
    /// `InvalidRequest` when another bundle came under its id, `SlowDown` when the batch is not the next one of its
    /// bundle, `LimitExceeded` when the day has no room for all of it; or a failure. Then nothing of it is there.
    pub async fn put_arrivals(
        &self,
        permit: &Permit,
        batch: Vec<ArrivingObject>,
        step: ArrivalStep,
        moment: Moment,
        record: Record<ArrivedMany>,
    ) -> Result<ArrivedMany, Fault> {
        let (CrossingAct::ReceiveObjects { from, bundle, bucket: name, keys }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        if !batch.iter().map(|object| &object.key).eq(keys) {
            return Err(Fault::mismatch());
        }
        let (from, bundle, name) = (from.clone(), bundle.clone(), name.clone());
        let bucket = permit.bucket(&name).cloned().ok_or_else(no_such_bucket)?;
        let (store, view) = (self.clone(), permit.view().clone());
        let work = move |turn: &mut Turn<'_>| {
            let row = rows::arrival(&from, &bundle);
            let known: Option<Arrival> = rows::read_in(turn, &row)?;
            let mut arrival = known.unwrap_or_else(|| Arrival {
                bundle: bundle.clone(),
                from: from.clone(),
                account,
                bucket: name,
                head: step.head.clone(),
                state: ArrivalState::Arriving,
                at_ms: moment.now_ms,
                next: 0,
                accepted: 0,
                quarantined: 0,
                refused: 0,
                findings: Vec::new(),
                refusals: Vec::new(),
                spills: Vec::new(),
            });
            let is_next = arrival.state == ArrivalState::Arriving && arrival.next == step.first;
            if arrival.account != account || arrival.head != step.head {
                return Err(Fault::refused(Code::InvalidRequest, "another bundle came under this id"));
            }
            if !is_next {
                return Err(Fault::refused(Code::SlowDown, "this part of the bundle is not the next one"));
            }
            step.measure.check(turn, account)?;
            let below = store.below(&view)?;
            let bringing = Bringing { from: &from, number: step.number, bucket: &bucket };
            let (mut rng, mut outcomes, mut sum) = (StdRng::from_seed(moment.seed), Vec::new(), Used::default());
            for mut object in batch {
                let moment = Moment { seed: rng.random(), ..moment };
                let (key, findings) = (object.key.clone(), object.take_findings());
                let size = object.content.size;
                if matches!(object.verdict, Arriving::Passes)
                    && let Err(fault) = bringing.check(turn, &key)
                {
                    let Fault::Refused { code, message, .. } = fault else { return Err(fault) };
                    object.verdict = Arriving::Refused(code, message);
                }
                let outcome = match take_in(turn, &below, &bucket, object, &moment) {
                    Err(Fault::Failed(text)) => return Err(Fault::Failed(text)),
                    outcome => outcome,
                };
                if let Ok(Arrived::Version(_)) = &outcome {
                    bringing.note(turn, &key, moment.now_ms)?;
                }
                sum = sum.plus(Used { bytes: size, objects: 1 });
                arrival.count(&key, findings, &outcome);
                outcomes.push(outcome);
            }
            if arrival.next >= arrival.head.objects {
                arrival.state = ArrivalState::Arrived;
            }
            used::add(turn, (account, &step.measure.mapping, step.measure.day), sum)?;
            rows::write(turn, &row, &arrival)?;
            Ok(outcomes)
        };
        self.own(permit)?.turn(work, record).await
    }

    /// How far the bundle of a permit is, at the permit's label.
    ///
    /// # Errors
    /// A failure.
    pub fn arrival_under_way(&self, permit: &Permit) -> Result<Option<Arrival>, Fault> {
        let (CrossingAct::ReceiveObjects { from, bundle, .. }, _) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        rows::read(&*self.own(permit)?.read()?, &rows::arrival(from, bundle))
    }

    /// FindArrival: what became of a bundle, and at which label, if it is in view and the account's.
    ///
    /// # Errors
    /// `NoSuchEntity`, or a failure.
    pub fn arrival(&self, permit: &Permit) -> Result<(Label, Arrival), Fault> {
        let (CrossingAct::FindArrival { from, bundle }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        for slice in self.snapshot(permit.view())?.slices {
            let found: Option<Arrival> = rows::read(&slice.reading, &rows::arrival(from, bundle))?;
            if let Some(found) = found.filter(|arrival| arrival.account == account) {
                return Ok((slice.partition.label, found));
            }
        }
        Err(Fault::refused(Code::NoSuchEntity, "no such bundle of your account is in view"))
    }

    /// ListArrivals: those of the account in view, by bundle, each with its label, and whether there are more.
    ///
    /// # Errors
    /// A failure.
    pub fn arrivals(&self, permit: &Permit) -> Result<(Vec<(Label, Arrival)>, bool), Fault> {
        let (CrossingAct::ListArrivals { from, after, limit, troubled }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let (mut all, most) = (Vec::new(), usize::from(*limit));
        let prefix = rows::arrivals(from);
        let after = after.as_ref().map(|after| format!("{prefix}{after}")).unwrap_or_default();
        for slice in self.snapshot(permit.view())?.slices {
            let mut found = 0;
            rows::each(&slice.reading, (&prefix, &after), |_, arrival: Arrival| {
                if arrival.account == account && (!*troubled || arrival.is_troubled()) {
                    found += 1;
                    all.push((slice.partition.label, arrival));
                }
                found <= most
            })?;
        }
        all.sort_by(|(_, one), (_, other)| one.bundle.cmp(&other.bundle));
        let more = all.len() > most;
        all.truncate(most);
        Ok((all, more))
    }

    /// Forgets arrivals of a label that ended without trouble long ago, and which bundles brought what then; how many rows.
    /// No bundle so old is taken again.
    ///
    /// # Errors
    /// A failure.
    pub async fn forget_arrivals(&self, chore: &Chore, now_ms: i64) -> Result<usize, Fault> {
        let partition = self.partition(chore.view().session())?;
        let old = move |arrival: &Arrival| {
            let ended = arrival.state == ArrivalState::Arrived && !arrival.is_troubled();
            ended && now_ms - arrival.at_ms > CROSSING_KEPT_MS
        };
        let mut any = false;
        rows::each(&*partition.read()?, ("arrival/", ""), |_, arrival: Arrival| {
            any = old(&arrival);
            !any
        })?;
        let old_name = move |latest: &Latest| latest.is_old(now_ms);
        rows::each(&*partition.read()?, (rows::OVERTAKES, ""), |_, latest: Latest| {
            any |= old_name(&latest);
            !any
        })?;
        if !any {
            return Ok(0);
        }
        let work = move |turn: &mut Turn<'_>| {
            let mut gone =
                rows::keys_in(turn, "arrival/", Until::Found(FORGOTTEN_MAX), |_, arrival: &Arrival| old(arrival))?;
            gone.extend(rows::keys_in(turn, rows::OVERTAKES, Until::Found(FORGOTTEN_MAX), |_, latest: &Latest| {
                old_name(latest)
            })?);
            for row in &gone {
                rows::remove(turn, row)?;
            }
            Ok(gone.len())
        };
        // Rows alone go, and the ledger names what they did: this needs no entry of its own.
        partition.turn(work, |_| Vec::new()).await
    }
}

impl ArrivingObject {
    /// Takes the findings out: they go to the row, not into the turn's work.
    fn take_findings(&mut self) -> Vec<String> {
        match &mut self.verdict {
            Arriving::Stopped(findings) => std::mem::take(findings),
            Arriving::Passes | Arriving::Refused(..) => Vec::new(),
        }
    }
}

fn take_in(
    turn: &mut Turn<'_>,
    below: &crate::view::Snapshot,
    bucket: &fastness_decide::Bucket,
    object: ArrivingObject,
    moment: &Moment,
) -> Result<Arrived, Fault> {
    let ArrivingObject { key, mut content, attributes, verdict } = object;
    match verdict {
        Arriving::Refused(code, message) => Err(Fault::refused(code, message)),
        Arriving::Stopped(_) => {
            quarantine::hold(turn, below, (bucket, &key), (content, attributes), moment).map(Arrived::Quarantined)
        }
        Arriving::Passes => {
            let draft = content.take();
            let new = NewObject {
                etag: hex::encode(content.md5),
                size: content.size,
                attributes,
                checksum: None,
                extension: Extension::default(),
            };
            let destination = Destination { bucket, key: &key, conditions: &Conditions::default() };
            put(turn, below, &destination, moment, new, |turn| receive::place(turn, draft)).map(Arrived::Version)
        }
    }
}

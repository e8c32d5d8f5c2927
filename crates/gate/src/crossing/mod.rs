//! Crossings between regions and between labels: lifts, releases and what arrives.
//!
//! What users ask comes by [`Gate::handle`], as everything does, and ends in [`Gate::perform_crossing`]. What the region
//! does later on their order is decided anew, batch by batch ([`Gate::send_lifts`], [`Gate::send_releases`]). What
//! arrives is taken in on the leave of a mapping ([`Gate::open_bundle`], [`Gate::take_bundle`]), after the guard looked
//! at it.

mod batches;
mod gaps;
mod judge;
mod leaving;
mod lift;
mod line;
mod mappings;
mod order;
mod receive;
pub(crate) mod record;
mod refusals;
mod release;
pub(crate) mod report;
mod seams;
mod send;
mod send_release;
mod take;
mod taken_back;

pub use gaps::FoundGaps;
pub use line::{Line, Place};
pub use receive::{ArrivingBundle, Opening};
pub use release::ReleaseShown;
pub use report::{ArrivedContents, ArrivedObject, FoundArrival, FoundCrossing, FoundOrigin};
pub use seams::{
    BundleFile, CrossingParts, Guard, GuardFault, GuardRules, Inspector, Judgement, Regions, StagedFile, Staging,
    Suspect, WholeFile,
};
pub use take::Taken;

use crate::record::Draft;
use crate::{Answer, Gate, Session};
use bytes::Bytes;
use fastness_crossing::Peer;
use fastness_decide::Permit;
use fastness_identity::directory::{Beside, Mapping};
use fastness_label::Label;
use fastness_operation::{Code, CrossingAct, LiftId, Operation, RegionName};
use fastness_store::{Arrival, Fault, Lift};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an operation of crossing yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrossingAnswer {
    /// PutMapping.
    Mapping(Box<Mapping>),
    /// ListMappings.
    Mappings(Vec<Mapping>),
    /// StartLift, StopLift, DescribeLift.
    Lift(Box<Lift>),
    /// ListLifts, and whether there are more.
    Lifts(Vec<Lift>, bool),
    /// RequestRelease, ApproveRelease, RefuseRelease, DescribeRelease.
    Release(Box<ReleaseShown>),
    /// ReviewRelease: with the bytes that would leave, as long as something is to be decided.
    Review(Box<ReleaseShown>, Option<Bytes>),
    /// ListReleases, and whether there are more.
    Releases(Vec<ReleaseShown>, bool),
    /// ListArrivals: each with the label at which it was put, and whether there are more.
    Arrivals(Vec<(Label, Arrival)>, bool),
    /// FindArrival.
    Arrival(Box<FoundArrival>),
    /// ListGaps.
    Gaps(Box<FoundGaps>),
}

impl From<CrossingAnswer> for Answer {
    fn from(answer: CrossingAnswer) -> Self {
        Self::Crossing(Box::new(answer))
    }
}

/// How a label's staged files stand.
#[derive(Debug, Default)]
pub(crate) struct LabelTurn {
    /// Whether every whole file that the rows name has its name.
    pub(crate) settled: bool,
    /// Standing lifts whose pass is over.
    rests: HashMap<LiftId, Rest>,
}

/// Up to which version a standing lift looked, and when.
#[derive(Debug, Clone, Copy)]
struct Rest {
    passing: u64,
    at_ms: i64,
}

/// How long a standing lift rests between two passes.
const REST_MS: i64 = 5_000;

impl LabelTurn {
    /// Whether a lift has something to do now. A pass of a standing one begins here: it goes up to what was written so far.
    fn wakes(&self, lift: &mut Lift, next_sequence: u64, now_ms: i64) -> bool {
        if !lift.standing || lift.cursor.is_some() {
            return true;
        }
        let rests = |rest: &Rest| rest.passing >= next_sequence || (0..REST_MS).contains(&(now_ms - rest.at_ms));
        if self.rests.get(&lift.id).is_some_and(rests) {
            return false;
        }
        lift.passing = next_sequence;
        true
    }
}

/// What a region crosses with, and what of it is under way.
#[derive(Debug)]
pub(crate) struct Crossing {
    pub(crate) parts: CrossingParts,
    /// One bundle of a label is written at a time.
    turns: Mutex<HashMap<Label, Arc<tokio::sync::Mutex<LabelTurn>>>>,
    /// Bundles that are being taken out: origin and number.
    under_way: Arc<Mutex<BTreeSet<(RegionName, u64)>>>,
    refusals: Mutex<refusals::Refusals>,
}

impl Crossing {
    fn new(parts: CrossingParts) -> Self {
        Self { parts, turns: Mutex::default(), under_way: Arc::default(), refusals: Mutex::default() }
    }

    /// Where a region lies.
    pub(crate) fn beside(&self, region: &RegionName) -> Option<Beside> {
        self.parts.regions.beside(region).or_else(|| (region == self.parts.own.region()).then_some(Beside::Own))
    }

    /// A region's keys; the own ones for what the region sends to itself.
    pub(crate) fn keys(&self, region: &RegionName) -> Option<Arc<Peer>> {
        if region == self.parts.own.region() {
            return Some(Arc::new(self.parts.own.peer()));
        }
        self.parts.regions.keys(region)
    }

    /// What was refused and not said yet.
    fn refusals(&self) -> MutexGuard<'_, refusals::Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of a label's sending: lifts and releases write their bundles one after the other.
    pub(crate) fn turn(&self, label: Label) -> Arc<tokio::sync::Mutex<LabelTurn>> {
        Arc::clone(self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(label).or_default())
    }
}

impl Gate {
    /// The same gate, through which something crosses.
    #[must_use]
    pub fn with_crossing(self, parts: CrossingParts) -> Self {
        Self { crossing: Some(Arc::new(Crossing::new(parts))), ..self }
    }

    pub(crate) async fn perform_crossing(
        &self,
        session: &Session,
        permit: &Permit,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        use CrossingAct as A;
        let act = act(permit)?;
        match act {
            A::PutMapping { .. } | A::DeleteMapping { .. } | A::ListMappings => {
                self.perform_mapping(session, permit, draft, act).await
            }
            A::StartLift { .. } => self.start_lift(session, permit, draft).await,
            A::StopLift { .. } | A::DescribeLift { .. } | A::ListLifts { .. } => {
                self.perform_lift(session, permit, draft).await
            }
            A::ListArrivals { .. } => self.list_arrivals(session, permit),
            A::FindArrival { .. } => self.find_arrival(session, permit).await,
            A::RequestRelease { .. } => self.request_release(session, permit, draft).await,
            A::ReviewRelease { .. }
            | A::ApproveRelease { .. }
            | A::RefuseRelease { .. }
            | A::DescribeRelease { .. }
            | A::ListReleases { .. } => self.perform_release(session, permit, draft).await,
            A::ListGaps { .. } => self.list_gaps(permit),
            A::WalkLift { .. } | A::SendObjects { .. } | A::ReceiveObjects { .. } => {
                Err(Fault::refused(Code::InvalidRequest, "this is the region's own work: nobody asks for it"))
            }
        }
    }
}

/// The operation of a permit that is one of crossing.
fn act(permit: &Permit) -> Result<&CrossingAct, Fault> {
    match permit.operation() {
        Operation::Crossing(act) => Ok(act),
        _ => Err(crate::perform::mismatch()),
    }
}

/// Work that blocks, on a thread of its own.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Fault::Failed(format!("a crossing: {error}"))))
}

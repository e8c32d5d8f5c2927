//! The gate: the one way from a request to data.
//!
//! ```text
//! authenticate → resolve names in the view → decide → perform, with its record → render
//! ```
//!
//! Every protocol front parses its wire form into an [`Operation`], and ends in [`Gate::handle`]. No front holds a
//! store: only the gate does, and the store does nothing without the permit that [`fastness_decide`] makes here.
//! What is recorded, and when: a write's entry commits with the write; a refusal's is durable before the answer; a
//! read's within 100 ms. What cannot be recorded is not done.

mod answer;
mod authenticate;
mod classification;
mod crossing;
mod lifecycle;
mod lookup;
mod opened;
mod payload;
mod perform;
mod record;
mod session;
mod spill;
mod upkeep;

pub use answer::{Answer, ObjectAnswer};
pub use authenticate::Unauthenticated;
pub use crossing::{
    ArrivedContents, ArrivedObject, ArrivingBundle, BundleFile, CrossingAnswer, CrossingParts, FoundArrival,
    FoundCrossing, FoundGaps, FoundOrigin, Guard, GuardFault, GuardRules, Inspector, Judgement, Line, Opening, Place,
    Regions, ReleaseShown, StagedFile, Staging, Suspect, Taken, WholeFile,
};
pub use fastness_decide::{About, Reason, Refusal};
pub use fastness_ledger::FIELDS;
pub use fastness_store::{
    Arrival, ArrivalState, ErasureStep, Lift, LiftState, Release, ReleaseState, ReleaseVote, Spill, SpilledVersion,
};
pub use payload::{Expected, ExpectedChecksum, Payload};
pub use session::{Context, Environment, Session, SystemEnvironment};
pub use spill::{Certainty, FoundCopy, LookAlike, Reader, SpillReport, proposal_ends_ms};

use fastness_decide::{Preflight, admit, bucket_names, decide};
use fastness_label::Label;
use fastness_operation::configuration::CorsRules;
use fastness_operation::{BucketName, Operation};
use fastness_store::{Fault, Store};
use record::Draft;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A region's gate. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    store: Store,
    region: Arc<str>,
    environment: Arc<dyn Environment>,
    opened: Arc<opened::OpenedLately>,
    banners: Arc<RwLock<HashMap<Label, Arc<str>>>>,
    lookups: Arc<lookup::LookupTurns>,
    reads: Reads,
    crossing: Option<Arc<crossing::Crossing>>,
}

/// When a read is in the ledger (DESIGN.md section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reads {
    /// Within 100 ms.
    #[default]
    Soon,
    /// Durably, before it is answered.
    BeforeAnswer,
}

impl Gate {
    /// The gate before a store. Whoever makes it keeps no other handle to the store's data.
    #[must_use]
    pub fn new(store: Store, environment: Arc<dyn Environment>) -> Self {
        let region = store.setup().name.into();
        Self {
            store,
            region,
            environment,
            opened: Arc::default(),
            banners: Arc::default(),
            lookups: Arc::default(),
            reads: Reads::Soon,
            crossing: None,
        }
    }

    /// The same gate with another rule for when reads are recorded.
    #[must_use]
    pub fn with_reads(self, reads: Reads) -> Self {
        Self { reads, ..self }
    }

    /// The region's name.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Commits what is queued and stops the store.
    pub fn close(&self) {
        self.store.close();
    }

    /// The marking of a label, for whoever renders one.
    #[must_use]
    pub fn banner(&self, label: Label) -> Arc<str> {
        if let Some(banner) = self.banners.read().unwrap_or_else(PoisonError::into_inner).get(&label) {
            return Arc::clone(banner);
        }
        let banner: Arc<str> = self.store.policy().banner(label).into();
        // Of the region's own labels alone, which are few.
        if self.store.labels().holds(label) {
            self.banners.write().unwrap_or_else(PoisonError::into_inner).insert(label, Arc::clone(&banner));
        }
        banner
    }

    /// The way of every request, after its signature was checked and its wire form parsed.
    ///
    /// # Errors
    /// A [`Refusal`], which is in the ledger by then.
    pub async fn handle(&self, session: &Session, operation: Operation, payload: Payload) -> Result<Answer, Refusal> {
        let draft = Draft::new(self, session, &operation);
        session.reached_gate();

        // The mandatory rule and the duties; the view in which names have a meaning.
        let labels = self.store.labels();
        let view = match admit(session.subject(), &operation, &labels) {
            Ok(view) => view,
            Err(refusal) => return Err(self.refuse(draft, refusal).await),
        };

        // Names, in that view.
        let resolved = match self.store.resolve(&view, bucket_names(&operation)) {
            Ok(resolved) => resolved,
            Err(fault) => return Err(self.refuse(draft, record::refusal(fault)).await),
        };

        // The discretionary rule.
        let permit = match decide(view, session.subject(), operation, resolved) {
            Ok(permit) => permit,
            Err(refusal) => return Err(self.refuse(draft, refusal).await),
        };

        // Whether a page of another origin may read the answer.
        if session.is_cross_origin()
            && let Some(name) = permit.operation().needs().last().map(|need| need.bucket)
            && let Ok(Some(rules)) = self.store.cors(&permit, name)
        {
            session.set_cors(rules);
        }

        // Perform. A write commits together with its entry; what it refuses in its turn is recorded there too.
        match self.perform(session, &permit, payload, &draft).await {
            Ok(answer) if draft.is_recorded() => Ok(answer),
            Ok(answer) => match self.record_read(&draft).await {
                Ok(()) => Ok(answer),
                Err(fault) => Err(self.refuse(draft, record::refusal(fault)).await),
            },
            Err(fault) if draft.is_recorded() && !record::is_failure(&fault) => Err(record::refusal(fault)),
            Err(fault) => Err(self.refuse(draft, record::refusal(fault)).await),
        }
    }

    /// The CORS rules that answer a preflight of a bucket: those at the region's floor, where whoever sets them publishes
    /// them. Nobody is known, so it is recorded at the ceiling, and the answer does not wait for that.
    pub async fn preflight(&self, context: &Context, bucket: &str) -> Option<CorsRules> {
        let name = BucketName::new(bucket).ok();
        let found = name.and_then(|name| match self.store.published_cors(&Preflight::of(name)) {
            Ok(found) => found,
            Err(fault) => {
                tracing::error!(%fault, "a preflight could not be answered");
                None
            }
        });
        let draft = Draft::preflight(self, context, bucket);
        if let Err(fault) = self.store.note(draft.label(), draft.done(None)).await {
            tracing::error!(%fault, "a preflight could not be recorded");
        }
        found
    }

    /// Records that an authenticated request was refused before it became an operation: its wire form made no sense.
    pub async fn refuse_malformed(&self, session: &Session, what: &str, code: &str) {
        let draft = Draft::malformed(self, session, what);
        let entry = draft.refused(Reason::Request, code);
        if let Err(fault) = self.store.record(draft.label(), entry).await {
            tracing::error!(%fault, "a refusal could not be recorded");
        }
    }

    async fn record_read(&self, draft: &Draft) -> Result<(), Fault> {
        match self.reads {
            Reads::Soon => self.store.note(draft.label(), draft.done(None)).await,
            Reads::BeforeAnswer => self.store.record(draft.label(), draft.done(None)).await,
        }
    }

    /// Records a refusal; the answer goes out only afterwards.
    async fn refuse(&self, draft: Draft, refusal: Refusal) -> Refusal {
        let entry = draft.refused(refusal.reason, refusal.code.as_str());
        match self.store.record(draft.label(), entry).await {
            Ok(()) => refusal,
            Err(fault) => {
                tracing::error!(%fault, "a refusal could not be recorded");
                record::refusal(fault)
            }
        }
    }
}

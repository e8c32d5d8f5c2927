//! What goes into the ledger.

use crate::{Context, Gate, Reason, Refusal, Session};
use fastness_decide::Permit;
use fastness_identity::{Duty, Principal, Subject};
use fastness_label::Label;
use fastness_ledger::{Entry, Outcome};
use fastness_operation::{
    BundleId, Code, EventFilter, LiftId, ObjectTarget, Operation, RegionName, Resource, VersionId, Way,
};
use fastness_store::{Fault, Lift, PinnedVersion, Record, Release};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An entry without its outcome.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    label: Label,
    entry: Arc<Entry>,
    /// Seeds the salts under which the ledger commits to the entry.
    chance: [u8; 32],
    /// Whether a write's turn took the entry.
    recorded: Arc<AtomicBool>,
}

/// At most so many characters of a text.
pub(crate) fn clipped(text: &str, characters: usize) -> String {
    // A text has at least as many bytes.
    if text.len() <= characters { text.to_owned() } else { text.chars().take(characters).collect() }
}

impl Draft {
    pub(crate) fn new(gate: &Gate, session: &Session, operation: &Operation) -> Self {
        let (label, context) = (session.subject().session(), session.context());
        if cfg!(feature = "unrecorded") {
            return Self::of(label, blank(context), context);
        }
        let mut entry = known(gate, session.subject(), context);
        operation.service().clone_into(&mut entry.service);
        operation.name().clone_into(&mut entry.operation);
        entry.resources = resources(operation);
        Self::of(label, entry, context)
    }

    pub(crate) fn malformed(gate: &Gate, session: &Session, what: &str) -> Self {
        let mut entry = known(gate, session.subject(), session.context());
        entry.resources = vec![clipped(what, 256)];
        Self::of(session.subject().session(), entry, session.context())
    }

    pub(crate) fn preflight(gate: &Gate, context: &Context, bucket: &str) -> Self {
        let mut entry = unknown(gate, context);
        "s3".clone_into(&mut entry.service);
        "PreflightObject".clone_into(&mut entry.operation);
        entry.resources = vec![format!("read {}", clipped(bucket, 64))];
        Self::of(gate.store.labels().ceiling(), entry, context)
    }

    pub(crate) fn unauthenticated(gate: &Gate, context: &Context, claimed: &str) -> Self {
        let mut entry = unknown(gate, context);
        entry.key = clipped(claimed, 128);
        Self::of(gate.store.labels().ceiling(), entry, context)
    }

    /// Of what the region does on the order of a subject.
    pub(crate) fn on_order(gate: &Gate, subject: &Subject, context: &Context, operation: &Operation) -> Self {
        let mut entry = known(gate, subject, context);
        operation.service().clone_into(&mut entry.service);
        operation.name().clone_into(&mut entry.operation);
        entry.resources = resources(operation);
        Self::of(subject.session(), entry, context)
    }

    /// Of a lift that is followed no longer, whatever became of whoever ordered it.
    pub(crate) fn on_a_lifts_order(gate: &Gate, label: Label, lift: &Lift, context: &Context) -> Self {
        let mut entry = of_the_region(gate, label, context, "WalkLift");
        entry.principal = format!("user/{}", lift.by.name);
        entry.account = lift.account.to_string();
        entry.key = lift.key.to_string();
        entry.resources = vec![format!("read {}", lift.bucket), format!("write lift/{}", lift.id)];
        Self::of(label, entry, context)
    }

    /// Of a release that goes no longer, whatever became of whoever asked for it.
    pub(crate) fn on_a_releases_order(gate: &Gate, label: Label, release: &Release, context: &Context) -> Self {
        let mut entry = of_the_region(gate, label, context, "SendObjects");
        entry.principal = format!("user/{}", release.by.name);
        entry.account = release.account.to_string();
        entry.key = release.key.to_string();
        let PinnedVersion { bucket, key, version, .. } = &release.source;
        let read = format!("read {bucket}/{}?versionId={version}", plain_key(key.as_str()));
        entry.resources = vec![read, format!("write bundle/{}/{}", release.to, release.id)];
        Self::of(label, entry, context)
    }

    /// Of what is taken out of a bundle, on the leave of a mapping.
    pub(crate) fn by_crossing(gate: &Gate, permit: &Permit, context: &Context) -> Self {
        let label = permit.view().session();
        let mut entry = of_the_region(gate, label, context, permit.operation().name());
        entry.account = permit.view().account().map(|account| account.to_string()).unwrap_or_default();
        entry.resources = resources(permit.operation());
        Self::of(label, entry, context)
    }

    /// Of a bundle that is taken back, since something in it was contained.
    pub(crate) fn of_what_is_taken_back(
        gate: &Gate,
        label: Label,
        (to, bundle): (&RegionName, &BundleId),
        (account, lift): (String, Option<&LiftId>),
    ) -> Self {
        let context = gate.context_of_order(label, &lift.map(|lift| format!("lift {lift}")).unwrap_or_default());
        let mut entry = of_the_region(gate, label, &context, "TakeBackBundle");
        entry.account = account;
        entry.resources = lift.map(|lift| format!("write lift/{lift}")).into_iter().collect();
        entry.resources.push(format!("write bundle/{to}/{bundle}"));
        Self::of(label, entry, &context)
    }

    /// Of a file in an inbox that is refused.
    pub(crate) fn of_the_intake(gate: &Gate, ceiling: Label, context: &Context, resources: Vec<String>) -> Self {
        let mut entry = of_the_region(gate, ceiling, context, "ReceiveObjects");
        entry.resources = resources;
        Self::of(ceiling, entry, context)
    }

    /// The same, of something that shows a version's content, too.
    pub(crate) fn reading(&self, PinnedVersion { bucket, key, version, .. }: &PinnedVersion) -> Self {
        let mut entry = Entry::clone(&self.entry);
        entry.resources.insert(0, format!("read {bucket}/{}?versionId={version}", plain_key(key.as_str())));
        Self { entry: Arc::new(entry), ..self.clone() }
    }

    fn of(label: Label, entry: Entry, context: &Context) -> Self {
        Self { label, entry: Arc::new(entry), chance: context.chance(), recorded: Arc::default() }
    }

    /// Whose partition keeps the entry.
    pub(crate) const fn label(&self) -> Label {
        self.label
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Acquire)
    }

    /// The entry of something done, naming what it made.
    pub(crate) fn done(&self, made: Option<String>) -> Vec<u8> {
        self.with(Outcome::Done(made))
    }

    /// The entry of something done that is recorded by itself: nothing more is noted of the request.
    pub(crate) fn done_and_recorded(&self, made: String) -> Vec<u8> {
        self.recorded.store(true, Ordering::Release);
        self.done(Some(made))
    }

    /// The entry of a refusal.
    pub(crate) fn refused(&self, reason: Reason, code: &str) -> Vec<u8> {
        self.with(Outcome::Refused(reason.as_str().to_owned(), code.to_owned()))
    }

    fn with(&self, outcome: Outcome) -> Vec<u8> {
        if cfg!(feature = "unrecorded") {
            return Vec::new();
        }
        self.entry.record_with(&outcome, &self.chance)
    }

    /// Makes the entry of a write inside its turn; `made` names what it made.
    pub(crate) fn record<T: 'static>(&self, made: fn(&T) -> Option<String>) -> Record<T> {
        self.record_outcome(move |value| Outcome::Done(made(value)))
    }

    /// The same, for a write with an outcome of its own form.
    pub(crate) fn record_outcome<T: 'static>(&self, outcome: impl FnOnce(&T) -> Outcome + Send + 'static) -> Record<T> {
        let draft = self.clone();
        Box::new(move |result| {
            draft.recorded.store(true, Ordering::Release);
            match result {
                Ok(value) => draft.with(outcome(value)),
                Err(fault) => draft.with(refused_outcome(fault)),
            }
        })
    }
}

pub(crate) fn refused_outcome(fault: &Fault) -> Outcome {
    let refusal = refusal(fault.clone());
    Outcome::Refused(refusal.reason.as_str().to_owned(), refusal.code.as_str().to_owned())
}

/// The entry of a request by nobody who is known.
fn unknown(gate: &Gate, context: &Context) -> Entry {
    Entry { label: gate.banner(gate.store.labels().ceiling()).to_string(), ..blank(context) }
}

/// Nobody's session acts.
fn of_the_region(gate: &Gate, label: Label, context: &Context, operation: &str) -> Entry {
    let mut entry = blank(context);
    "fastness".clone_into(&mut entry.service);
    operation.clone_into(&mut entry.operation);
    "crossing".clone_into(&mut entry.principal);
    entry.label = gate.banner(label).to_string();
    entry
}

/// The entry of somebody's request.
fn known(gate: &Gate, subject: &Subject, context: &Context) -> Entry {
    Entry {
        principal: match subject.principal() {
            Principal::Operator => "operator".to_owned(),
            Principal::User { name, path, .. } => format!("user{path}{name}"),
        },
        account: subject.account().map(|account| account.to_string()).unwrap_or_default(),
        key: subject.key().to_string(),
        label: gate.banner(subject.session()).to_string(),
        nationality: subject.nationality().unwrap_or_default().to_owned(),
        duty: subject.duty().map(Duty::name).unwrap_or_default().to_owned(),
        ..blank(context)
    }
}

pub(crate) fn blank(context: &Context) -> Entry {
    Entry {
        time_ms: context.moment.now_ms,
        request: context.request,
        service: String::new(),
        operation: String::new(),
        principal: String::new(),
        account: String::new(),
        key: String::new(),
        label: String::new(),
        nationality: String::new(),
        duty: String::new(),
        agent: context.agent.clone(),
        resources: Vec::new(),
        outcome: Outcome::Done(None),
        source: context.source.clone(),
    }
}

fn resources(operation: &Operation) -> Vec<String> {
    let version = |id: &Option<VersionId>| match id {
        Some(id) => format!("?versionId={}", clipped(id.as_str(), 128)),
        None => String::new(),
    };
    let target = |way: &str, target: &ObjectTarget| {
        let (key, version) = (plain_key(target.key.as_str()), version(&target.version));
        [way, " ", target.bucket.as_str(), "/", &key, &version].concat()
    };
    // That somebody asked to get past governance is told, whether it came to that or not.
    let bypass = |asked: bool| if asked { " bypass-governance" } else { "" };
    match operation {
        Operation::GetObject { target: object, .. }
        | Operation::HeadObject { target: object, .. }
        | Operation::GetObjectAttributes { target: object, .. }
        | Operation::GetObjectAcl { target: object }
        | Operation::GetObjectRetention { target: object }
        | Operation::GetObjectLegalHold { target: object }
        | Operation::GetObjectTagging { target: object } => vec![target("read", object)],
        Operation::DeleteObject { target: object, bypass_governance, .. } => {
            vec![target("write", object) + bypass(*bypass_governance)]
        }
        Operation::PutObjectRetention { target: object, retention, bypass_governance } => {
            let what = retention.map_or("none", |retention| retention.mode.name());
            vec![format!("{} retention={what}{}", target("write", object), bypass(*bypass_governance))]
        }
        Operation::PutObjectLegalHold { target: object, legal_hold } => {
            vec![format!("{} legal-hold={legal_hold}", target("write", object))]
        }
        Operation::PutObjectAcl { target: object }
        | Operation::PutObjectTagging { target: object, .. }
        | Operation::DeleteObjectTagging { target: object }
        | Operation::ContainSpill { target: object } => vec![target("write", object)],
        Operation::AddOfficer { account } => vec![format!("write account/{account}")],
        Operation::EraseSpill { spill, digest } => {
            let digest = digest.as_deref().map(|digest| format!(" digest={}", clipped(digest, 64)));
            vec![format!("write spill/{spill}{}", digest.unwrap_or_default())]
        }
        Operation::DeleteObjects { bucket, objects, bypass_governance } => objects
            .iter()
            .map(|deletion| {
                let bypass = bypass(*bypass_governance);
                format!("write {bucket}/{}{}{bypass}", plain_key(deletion.key.as_str()), version(&deletion.version))
            })
            .collect(),
        Operation::CopyObject { source, bucket, key, .. } | Operation::UploadPartCopy { source, bucket, key, .. } => {
            vec![target("read", &source.target), format!("write {bucket}/{}", plain_key(key.as_str()))]
        }
        Operation::TagUser { user, tags } => {
            // Quoted, so that a value never reads like another tag.
            tags.iter().map(|(key, value)| format!("write user/{user} {key:?}={value:?}")).collect()
        }
        Operation::UntagUser { user, keys } => keys.iter().map(|key| format!("write user/{user} -{key:?}")).collect(),
        Operation::UpdateAccessKey { key, active, .. } => vec![format!("write key/{key} active={active}")],
        Operation::DeleteAccessKey { key, .. } => vec![format!("write key/{key}")],
        Operation::CreateKeyAt { marking } | Operation::AllowLabel { marking } => {
            vec![format!("write label {}", clipped(marking, 256))]
        }
        Operation::LookupEvents { filter, .. } => vec![searched(filter)],
        Operation::DiscloseEvents { disclosing } => {
            let hidden = disclosing.hidden.iter().map(|field| format!(" -{field}"));
            let withheld = disclosing.withheld.iter().map(|label| format!(" -label={label:?}"));
            vec![searched(&disclosing.filter) + &hidden.chain(withheld).collect::<String>()]
        }
        Operation::Crossing(act) => crate::crossing::record::resources(act, &operation.touches()),
        _ => operation.touches().iter().map(|(way, resource)| plain(*way, resource)).collect(),
    }
}

/// What was looked for in the ledger.
fn searched(filter: &EventFilter) -> String {
    let wanted = filter.attribute.as_ref().map(|attribute| {
        let value: String = clipped(attribute.value(), 256);
        format!(" {}={value:?}", attribute.name())
    });
    format!("read ledger{}", wanted.unwrap_or_default())
}

/// A key as the ledger writes it: what could be taken for a version's name is percent-encoded.
pub(crate) fn plain_key(key: &str) -> Cow<'_, str> {
    if key.contains(['%', '?']) { Cow::Owned(key.replace('%', "%25").replace('?', "%3F")) } else { Cow::Borrowed(key) }
}

pub(crate) fn plain(way: Way, resource: &Resource) -> String {
    let way = match way {
        Way::Read => "read",
        Way::Write => "write",
    };
    match resource {
        Resource::Bucket(bucket) => format!("{way} {bucket}"),
        Resource::Object(bucket, key) => format!("{way} {bucket}/{}", plain_key(key.as_str())),
        Resource::OwnBuckets => format!("{way} buckets"),
        Resource::User(Some(user)) => format!("{way} user/{user}"),
        Resource::User(None) => format!("{way} own user"),
        Resource::OwnUsers => format!("{way} users"),
        Resource::Accounts => format!("{way} accounts"),
        Resource::Labels => format!("{way} labels"),
        Resource::Spill(spill) => format!("{way} spill/{spill}"),
        Resource::Ledger => format!("{way} ledger"),
        Resource::Mappings => format!("{way} mappings"),
        Resource::Mapping(name) => format!("{way} mapping/{name}"),
        Resource::Lifts => format!("{way} lifts"),
        Resource::Lift(lift) => format!("{way} lift/{lift}"),
        Resource::Releases => format!("{way} releases"),
        Resource::Release(release) => format!("{way} release/{release}"),
        Resource::Arrivals(from) => format!("{way} arrivals/{from}"),
        Resource::Bundle(region, bundle) => format!("{way} bundle/{region}/{bundle}"),
    }
}

pub(crate) const fn is_failure(fault: &Fault) -> bool {
    matches!(fault, Fault::Failed(_))
}

/// What the caller is told of a fault; a failure's own text stays with us.
pub(crate) fn refusal(fault: Fault) -> Refusal {
    match fault {
        Fault::Failed(text) => {
            tracing::error!(fault = %text, "a request failed");
            let message = "We encountered an internal error. Please try again.";
            Refusal::new(Code::InternalError, Reason::Fault, message)
        }
        Fault::Withheld(message) => Refusal::new(Code::AccessDenied, Reason::Policy, message),
        Fault::Refused { code, message, about } => {
            let reason = match code {
                Code::NoSuchBucket
                | Code::NoSuchKey
                | Code::NoSuchVersion
                | Code::NoSuchUpload
                | Code::NoSuchBucketPolicy
                | Code::NoSuchCorsConfiguration
                | Code::NoSuchLifecycleConfiguration
                | Code::NoSuchPublicAccessBlockConfiguration
                | Code::NoSuchTagSet
                | Code::ObjectLockConfigurationNotFound
                | Code::OwnershipControlsNotFound
                | Code::NoSuchEntity => Reason::NotInView,
                Code::AccessDenied => Reason::Mandatory,
                Code::InternalError | Code::SlowDown | Code::InsufficientStorage => Reason::Fault,
                _ => Reason::Request,
            };
            Refusal { code, message, reason, about }
        }
    }
}

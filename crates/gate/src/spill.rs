//! Spills: containment with the copies that the ledger knows of, the report on readers, erasure by two officers
//! (DESIGN.md section 1, names in a view, 7; CNSSI 1001; NIST SP 800-53, IR-9). The store keeps what is contained; what
//! the ledger says of copies and readers is read here.

use crate::crossing::report;
use crate::record::Draft;
use crate::upkeep::destroyed_entry;
use crate::{Answer, Gate, Session};
use aws_lc_rs::digest::{SHA256, digest};
use fastness_decide::Permit;
use fastness_identity::Principal;
use fastness_label::Label;
use fastness_ledger::{Entry, Outcome};
use fastness_operation::{BucketName, Moment, ObjectKey, ObjectTarget, Operation as O, VersionId};
use fastness_store::{Actor, CopyName, ErasureStep, Fault, LAZY_WAIT_MAX, PROPOSAL_TIME_MAX_MS, Spill, SpilledVersion};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Readers that a report names; it says how many there are in all.
pub const READERS_MAX: usize = 10_000;

/// Copies that are followed.
const COPIES_MAX: usize = 10_000;

/// Crossings that a report names.
const CROSSINGS_MAX: usize = 10_000;

/// Rounds of looking for copies of copies.
const ROUNDS_MAX: usize = 32;

/// How sure it is that somebody's read was one of the spilled data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// The entry names the version, or nothing else could have been meant.
    Certain,
    /// The entry names no version: it may have been another one of that name.
    Possible,
}

/// A copy that the ledger names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundCopy {
    /// The label of the copy.
    pub label: String,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The copy's version id or ETag as its entry has it; of a part, its number.
    pub made: String,
    /// When, milliseconds since 1970.
    pub time_ms: i64,
    /// Who.
    pub principal: String,
    /// The request.
    pub request: String,
    /// Whether what was copied was the spilled data.
    pub certainty: Certainty,
    /// `readable`, `contained in …`, `erased with …`, `gone`, or `unknown`.
    pub state: String,
}

/// A version with the size and ETag of a spilled one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookAlike {
    /// Its label.
    pub label: String,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version's id.
    pub version: String,
}

/// One read of the data, of a copy, or of their metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reader {
    /// When, milliseconds since 1970.
    pub time_ms: i64,
    /// Who.
    pub principal: String,
    /// Their account.
    pub account: String,
    /// Their nationality, if they have one.
    pub nationality: String,
    /// The key that signed.
    pub key: String,
    /// The session's label.
    pub label: String,
    /// The operation.
    pub operation: String,
    /// `content` or `metadata`.
    pub what: &'static str,
    /// What was named.
    pub resource: String,
    /// The request's id.
    pub request: String,
    /// Where from.
    pub source: String,
    /// Whether it was the spilled data.
    pub certainty: Certainty,
}

/// Everything that the region knows of a spill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpillReport {
    /// The region.
    pub region: String,
    /// The spill's id.
    pub spill: String,
    /// The label where it was found.
    pub label: String,
    /// The account.
    pub account: String,
    /// The bucket that was named.
    pub bucket: String,
    /// The key that was named.
    pub key: String,
    /// `contained`, `proposed`, `erasing` or `erased`.
    pub state: &'static str,
    /// When it was contained, milliseconds since 1970.
    pub opened_ms: i64,
    /// Who contained it.
    pub opened_by: String,
    /// Who decided the erasure.
    pub erased_by: Vec<String>,
    /// When it was decided, milliseconds since 1970.
    pub erased_ms: Option<i64>,
    /// The digest that an approval is bound to.
    pub versions_digest: String,
    /// Its versions.
    pub versions: Vec<Version>,
    /// Copies that the ledgers name.
    pub copies: Vec<FoundCopy>,
    /// Bundles in which it came, of what its versions were taken out of.
    pub origins: Vec<report::FoundOrigin>,
    /// Bundles in which it, or a copy, went to another region or label.
    pub crossings: Vec<report::FoundCrossing>,
    /// Versions with the same size and ETag that no entry explains.
    pub look_alikes: Vec<LookAlike>,
    /// Who read it.
    pub readers: Vec<Reader>,
    /// How many reads there are in all.
    pub reads: usize,
    /// Each ledger that was read, and how many of its entries.
    pub ledgers: BTreeMap<String, u64>,
    /// What this report cannot know.
    pub unknown: Vec<String>,
}

/// A version in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// Its id.
    pub version: String,
    /// Bytes of content.
    pub size: u64,
    /// The `ETag`, without quotes.
    pub etag: String,
    /// When it was written, milliseconds since 1970.
    pub modified_ms: i64,
    /// `named` or `copy`.
    pub how: &'static str,
}

impl From<&SpilledVersion> for Version {
    fn from(version: &SpilledVersion) -> Self {
        Self {
            bucket: version.bucket.clone(),
            key: version.key.clone(),
            version: version.version.clone(),
            size: version.size,
            etag: version.etag.clone(),
            modified_ms: version.modified_ms,
            how: if version.copy { "copy" } else { "named" },
        }
    }
}

/// A name under which the data was to be had: where, and since when.
#[derive(Debug, Clone)]
struct Trace {
    label: Label,
    /// Version ids that are the data; any other is not.
    ids: BTreeSet<String>,
    /// Before this, the name meant something else; known for names at the spill's own label.
    since_ms: i64,
    /// Whether every version of the name at this label is the data.
    whole: bool,
}

/// A bucket's name and a key.
pub(crate) type Name = (String, String);

/// A copy: the source with the version that was named, the target, and what was made.
type Copied = ((Name, Option<String>), Name, Option<String>);

/// `read bucket/key?versionId=…` taken apart: see `docs/formats/ledger.md`.
pub(crate) fn parse(resource: &str, way: &str) -> Option<(Name, Option<String>)> {
    let rest = resource.strip_prefix(way)?.strip_prefix(' ')?;
    let (path, version) = match rest.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version.to_owned())),
        None => (rest, None),
    };
    let (bucket, key) = path.split_once('/')?;
    let key = key.replace("%3F", "?").replace("%25", "%");
    Some(((bucket.to_owned(), key), version))
}

/// An entry of a copy: what was read, and what was made of it.
fn copied(entry: &Entry) -> Option<Copied> {
    if !matches!(entry.operation.as_str(), "CopyObject" | "UploadPartCopy") {
        return None;
    }
    let Outcome::Done(made) = &entry.outcome else { return None };
    let source = entry.resources.iter().find_map(|resource| parse(resource, "read"))?;
    let (target, _) = entry.resources.iter().find_map(|resource| parse(resource, "write"))?;
    Some((source, target, made.clone()))
}

/// The copy's name for the store, from what its entry says was made.
pub(crate) fn copy_name((bucket, key): &Name, made: Option<&str>) -> Option<CopyName> {
    let made = made?;
    let etag = made.strip_prefix("etag ").map(str::to_owned);
    let version = if etag.is_some() || made.starts_with("part ") { None } else { Some(VersionId::new(made)) };
    if etag.is_none() && version.is_none() {
        return None;
    }
    Some(CopyName { bucket: BucketName::new(bucket).ok()?, key: ObjectKey::new(key).ok()?, version, etag })
}

fn actor(session: &Session) -> Result<Actor, Fault> {
    match session.subject().principal() {
        Principal::User { name, id, .. } => Ok(Actor { name: name.to_string(), id: id.clone() }),
        Principal::Operator => Err(crate::perform::mismatch()),
    }
}

/// Work that goes on when whoever asked for it goes away.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(Fault::Failed(format!("a containment or an erasure: {error}"))))
}

async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Fault::Failed(format!("looking into the ledgers: {error}"))))
}

impl Gate {
    /// Walks a ledger; answers how many entries there are, are unreadable, and have lost their contents to retention.
    pub(crate) fn walk(
        &self,
        permit: &Permit,
        label: Label,
        mut see: impl FnMut(Entry),
    ) -> Result<(u64, u64, u64), Fault> {
        let (mut next, mut unreadable, mut dropped) = (0, 0, 0);
        loop {
            let page = self.store.ledger_page(permit, label, next)?;
            let Some((last, _)) = page.last() else { return Ok((next, unreadable, dropped)) };
            next = last + 1;
            for (_, bytes) in page {
                match bytes.map(|bytes| Entry::decode_content(&bytes)) {
                    Some(Ok(entry)) => see(entry),
                    Some(Err(_)) => unreadable += 1,
                    None => dropped += 1,
                }
            }
        }
    }

    /// The copies, and copies of copies, at the session's own label that its ledger names from an entry on.
    fn copies_here(&self, permit: &Permit, target: &ObjectTarget) -> Result<Vec<CopyName>, Fault> {
        let account = permit.view().account().map(|account| account.to_string()).unwrap_or_default();
        let label = permit.view().session();
        let mut copies: Vec<Copied> = Vec::new();
        self.walk(permit, label, |entry| {
            copies.extend(copied(&entry).filter(|_| entry.account == account));
        })?;
        // The name that was named, at any version or one; of copies, the version that was made.
        let named = (target.bucket.to_string(), target.key.to_string());
        let wanted = target.version.as_ref().map(|id| id.as_str().to_owned());
        let mut known: BTreeMap<Name, BTreeSet<Option<String>>> = BTreeMap::from([(named, BTreeSet::from([wanted]))]);
        let mut found = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let before = found.len();
            for ((source, version), target, made) in &copies {
                let Some(ids) = known.get(source) else { continue };
                // Which version a copy without an id meant is not written down: it is taken along.
                let means = version.is_none() || ids.contains(&None) || ids.contains(version);
                let Some(name) = copy_name(target, made.as_deref()).filter(|_| means) else { continue };
                known.entry(target.clone()).or_default().insert(name.version.as_ref().map(|id| id.as_str().to_owned()));
                found.insert(name);
            }
            if found.len() == before || found.len() > COPIES_MAX {
                break;
            }
        }
        Ok(found.into_iter().collect())
    }

    pub(crate) async fn contain_spill(
        &self,
        session: &Session,
        permit: &Permit,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        let O::ContainSpill { target } = permit.operation() else { return Err(crate::perform::mismatch()) };
        let (label, moment) = (permit.view().session(), session.context().moment);
        let by = actor(session)?;
        let (gate, permit, draft, target) = (self.clone(), permit.clone(), draft.clone(), target.clone());
        let spill = to_its_end(async move { gate.contain(&permit, target, (by, moment), &draft).await }).await?;
        Ok(Answer::Spill(Box::new(spill), label))
    }

    async fn contain(
        &self,
        permit: &Permit,
        target: ObjectTarget,
        (by, moment): (Actor, Moment),
        draft: &Draft,
    ) -> Result<Spill, Fault> {
        // What is being sent is sent before, and found below; what comes after finds the versions gone.
        let sending = self.crossing.as_ref().map(|crossing| crossing.turn(permit.view().session()));
        let mut sending = match &sending {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let made = |spill: &Spill| Some(format!("spill {} versions={}", spill.id, spill.versions.len()));
        let looked = || {
            let (gate, permit, target) = (self.clone(), permit.clone(), target.clone());
            apart(move || gate.copies_here(&permit, &target))
        };
        let copies = looked().await?;
        let known = copies.clone();
        let spill = self.store.contain_spill(permit, copies, by.clone(), moment, draft.record(made)).await?;
        // Bundles that wait hold the data still, and nobody who may not have it is to get it. What fails is done by the next
        // call, and keeps nothing else from being done now.
        let dropped = match &mut sending {
            Some(turn) => self.drop_bundles_of(permit, &spill, turn, draft).await,
            None => Ok(()),
        };
        // A copy that was under way when its source was contained may have been committed meanwhile.
        let late = looked().await?;
        if late == known {
            return dropped.map(|()| spill);
        }
        let spill = self.store.contain_spill(permit, late, by, moment, draft.record(made)).await?;
        if let Some(turn) = &mut sending {
            self.drop_bundles_of(permit, &spill, turn, draft).await?;
        }
        dropped.map(|()| spill)
    }

    pub(crate) async fn erase_spill(&self, session: &Session, permit: &Permit, draft: &Draft) -> Result<Answer, Fault> {
        let (label, moment) = (permit.view().session(), session.context().moment);
        let marking = self.banner(label).to_string();
        let destroyed = move |erased: &fastness_store::Erased| destroyed_entry(&moment, marking, erased);
        let made = |step: &ErasureStep| {
            let spill = step.spill();
            let (word, digest) = match step {
                ErasureStep::Proposed(spill) => ("proposed", spill.proposal.as_ref().map(|one| one.digest.clone())),
                ErasureStep::Approved(spill) => ("approved", spill.erased.as_ref().map(|one| one.digest.clone())),
            };
            Some(format!("{word} versions={} digest={}", spill.versions.len(), digest.unwrap_or_default()))
        };
        let by = actor(session)?;
        let (gate, permit, draft) = (self.clone(), permit.clone(), draft.clone());
        let erase = async move {
            let sending = gate.crossing.as_ref().map(|crossing| crossing.turn(label));
            let mut sending = match &sending {
                Some(turn) => Some(turn.lock().await),
                None => None,
            };
            let (step, erased) = gate.store.erase_spill(&permit, by, moment, draft.record(made), destroyed).await?;
            // Bundles hold the data still, though only their destinations open them. What fails is done by the next call.
            if let (ErasureStep::Approved(spill), Some(turn)) = (&step, &mut sending) {
                gate.drop_bundles_of(&permit, spill, turn, &draft).await?;
            }
            Ok((step, erased))
        };
        let (step, erased) = to_its_end(erase).await?;
        Ok(Answer::Erasure(Box::new(step), erased.keys))
    }

    pub(crate) async fn report_spill(&self, permit: &Permit, draft: &Draft) -> Result<Answer, Fault> {
        let (label, spill, is_final) = self.store.find_spill(permit)?;
        // Records of reads are durable within 100 ms: what was read before this call is in the ledgers then. Nothing below
        // is asked to hurry, so that nothing below can feel it.
        tokio::time::sleep(LAZY_WAIT_MAX * 4).await;
        let (gate, of) = (self.clone(), permit.clone());
        let report = apart(move || gate.compile(&of, label, &spill, is_final)).await?;
        let value = serde_json::to_value(&report).map_err(|error| Fault::Failed(format!("a report: {error}")))?;
        let bytes = serde_json::to_vec(&value).map_err(|error| Fault::Failed(format!("a report: {error}")))?;
        let hash = hex::encode(digest(&SHA256, &bytes).as_ref());
        let made = format!("report sha256={hash} reads={} copies={}", report.reads, report.copies.len());
        self.store.record(draft.label(), draft.done_and_recorded(made)).await?;
        Ok(Answer::SpillReport(Box::new(report), hash))
    }

    /// Reads the ledgers of every label at which the data could have been read.
    fn compile(&self, permit: &Permit, label: Label, spill: &Spill, is_final: bool) -> Result<SpillReport, Fault> {
        let account = spill.account.to_string();
        let labels: Vec<Label> =
            permit.view().labels().iter().copied().filter(|other| label.is_dominated_by(*other)).collect();
        let mut traces: BTreeMap<Name, Vec<Trace>> = BTreeMap::new();
        for version in &spill.versions {
            let name = (version.bucket.clone(), version.key.clone());
            let all = spill.whole && !version.copy && name == (spill.bucket.clone(), spill.key.clone());
            let of = traces.entry(name).or_default();
            if of.is_empty() {
                of.push(Trace { label, ids: BTreeSet::new(), since_ms: i64::MAX, whole: all });
            }
            if let Some(trace) = of.first_mut() {
                trace.ids.insert(version.version.clone());
                trace.since_ms = trace.since_ms.min(version.modified_ms);
            }
        }
        let (copies, unsettled) = self.follow(permit, &account, &labels, &mut traces)?;
        let mut report = SpillReport {
            region: self.region().to_owned(),
            spill: spill.id.clone(),
            label: self.banner(label).to_string(),
            account: account.clone(),
            bucket: spill.bucket.clone(),
            key: spill.key.clone(),
            state: match (&spill.erased, &spill.proposal) {
                (Some(_), _) if is_final => "erased",
                (Some(_), _) => "erasing",
                (None, Some(_)) => "proposed",
                (None, None) => "contained",
            },
            opened_ms: spill.opened_ms,
            opened_by: spill.opened_by.name.clone(),
            erased_by: spill.erased.iter().flat_map(|one| one.by.iter().map(|by| by.name.clone())).collect(),
            erased_ms: spill.erased.as_ref().map(|one| one.at_ms),
            versions_digest: spill.digest()?,
            versions: spill.versions.iter().map(Version::from).collect(),
            copies,
            origins: Vec::new(),
            crossings: Vec::new(),
            look_alikes: self.alike(permit, &labels, spill)?,
            readers: Vec::new(),
            reads: 0,
            ledgers: BTreeMap::new(),
            unknown: unknown(unsettled),
        };
        for of in &labels {
            let banner = self.banner(*of);
            let (count, unreadable, dropped) = self.walk(permit, *of, |entry| {
                if entry.account == account {
                    let is_data =
                        |name: &Name, version: Option<&str>| traced(*of, name, version, entry.time_ms, &traces);
                    let room = CROSSINGS_MAX.saturating_sub(report.crossings.len());
                    report.crossings.extend(report::crossings(&entry, &banner, is_data).into_iter().take(room));
                    report.origins.extend((*of == label).then(|| report::origins(&entry, spill)).into_iter().flatten());
                }
                let Some(reader) = self.reader(*of, &entry, &traces, &account) else { return };
                report.reads += 1;
                if report.readers.len() < READERS_MAX {
                    report.readers.push(reader);
                }
            })?;
            report.ledgers.insert(banner.to_string(), count);
            if unreadable > 0 {
                report.unknown.push(format!("{unreadable} entries in the ledger of {banner} are unreadable"));
            }
            if dropped > 0 {
                report.unknown.push(format!("{dropped} entries in the ledger of {banner} are past their retention"));
            }
        }
        report.unknown.extend(report::unknown(&report.crossings));
        if report.crossings.len() == CROSSINGS_MAX {
            report.unknown.push(format!("more crossings than the first {CROSSINGS_MAX}"));
        }
        report.readers.sort_by(|a, b| (a.time_ms, &a.request).cmp(&(b.time_ms, &b.request)));
        if report.reads > report.readers.len() {
            report.unknown.push(format!("only the first {READERS_MAX} of {} reads are named", report.reads));
        }
        Ok(report)
    }

    /// Follows copies and copies of copies through the ledgers; what they made is traced from then on.
    fn follow(
        &self,
        permit: &Permit,
        account: &str,
        labels: &[Label],
        traces: &mut BTreeMap<Name, Vec<Trace>>,
    ) -> Result<(Vec<FoundCopy>, bool), Fault> {
        let mut entries: Vec<(Label, Entry)> = Vec::new();
        for label in labels {
            self.walk(permit, *label, |entry| {
                if entry.account == account && copied(&entry).is_some() {
                    entries.push((*label, entry));
                }
            })?;
        }
        let mut found: BTreeMap<usize, FoundCopy> = BTreeMap::new();
        for round in 0.. {
            if round == ROUNDS_MAX || found.len() > COPIES_MAX {
                return Ok((found.into_values().collect(), true));
            }
            let before = found.len();
            for (number, (label, entry)) in entries.iter().enumerate() {
                let Some((source, target, made)) = copied(entry).filter(|_| !found.contains_key(&number)) else {
                    continue;
                };
                let Some(certainty) = traced(*label, &source.0, source.1.as_deref(), entry.time_ms, traces) else {
                    continue;
                };
                let name = copy_name(&target, made.as_deref());
                let became = self.store.whereabouts(permit, *label, name.as_slice())?.pop();
                let state = became.map_or_else(|| "unknown: a part of an upload".to_owned(), report::state);
                let id = name.and_then(|name| name.version).map(|id| id.as_str().to_owned());
                let trace =
                    Trace { label: *label, ids: id.into_iter().collect(), since_ms: entry.time_ms, whole: false };
                traces.entry(target.clone()).or_default().push(trace);
                found.insert(
                    number,
                    FoundCopy {
                        label: self.banner(*label).to_string(),
                        bucket: target.0,
                        key: target.1,
                        made: made.unwrap_or_default(),
                        time_ms: entry.time_ms,
                        principal: entry.principal.clone(),
                        request: hex::encode_upper(entry.request),
                        certainty,
                        state,
                    },
                );
            }
            if found.len() == before {
                break;
            }
        }
        Ok((found.into_values().collect(), false))
    }

    fn alike(&self, permit: &Permit, labels: &[Label], spill: &Spill) -> Result<Vec<LookAlike>, Fault> {
        let wanted: BTreeSet<(u64, String)> =
            spill.versions.iter().map(|version| (version.size, version.etag.clone())).collect();
        let mut found = Vec::new();
        for label in labels {
            let mut after = None;
            loop {
                let (some, next) = self.store.look_alikes(permit, *label, &wanted, after.as_deref())?;
                let of = |one: SpilledVersion| LookAlike {
                    label: self.banner(*label).to_string(),
                    bucket: one.bucket,
                    key: one.key,
                    version: one.version,
                };
                found.extend(some.into_iter().map(of));
                after = next;
                if after.is_none() || found.len() > COPIES_MAX {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// What an entry says of a read of the data, if it does.
    fn reader(
        &self,
        label: Label,
        entry: &Entry,
        traces: &BTreeMap<Name, Vec<Trace>>,
        account: &str,
    ) -> Option<Reader> {
        let Outcome::Done(_) = &entry.outcome else { return None };
        // A lift's reading is a crossing, and shows the data to nobody here; others of the region's own operations name
        // bundles, lifts and users, which read like buckets' names.
        if entry.service != "s3" && !["RequestRelease", "ReviewRelease"].contains(&entry.operation.as_str()) {
            return None;
        }
        let (resource, certainty) = entry.resources.iter().find_map(|resource| {
            let (name, version) = parse(resource, "read")?;
            let certainty = traced(label, &name, version.as_deref(), entry.time_ms, traces)?;
            Some((resource.clone(), certainty))
        })?;
        let what = match entry.operation.as_str() {
            "GetObject" | "CopyObject" | "UploadPartCopy" | "ReviewRelease" => "content",
            _ => "metadata",
        };
        // Another account's session means a bucket of its own first: then it was not this one.
        let certainty = if entry.account == account { certainty } else { Certainty::Possible };
        Some(Reader {
            time_ms: entry.time_ms,
            principal: entry.principal.clone(),
            account: entry.account.clone(),
            nationality: entry.nationality.clone(),
            key: entry.key.clone(),
            label: entry.label.clone(),
            operation: entry.operation.clone(),
            what,
            resource,
            request: hex::encode_upper(entry.request),
            source: entry.source.clone(),
            certainty,
        })
    }
}

/// Whether a session at a label that named this may have meant the data.
fn traced(
    label: Label,
    name: &Name,
    version: Option<&str>,
    time_ms: i64,
    traces: &BTreeMap<Name, Vec<Trace>>,
) -> Option<Certainty> {
    let mut best = None;
    for trace in traces.get(name)?.iter().filter(|trace| trace.label.is_dominated_by(label)) {
        let certainty = match version {
            Some(id) if trace.ids.contains(id) => Certainty::Certain,
            // An id of another version; `null` is a name like none.
            Some(id) if id != VersionId::NULL && !trace.ids.is_empty() => continue,
            // A session's own partition comes first, and every version there was the data.
            _ if trace.whole && label == trace.label && time_ms >= trace.since_ms => Certainty::Certain,
            _ => Certainty::Possible,
        };
        if certainty == Certainty::Certain {
            return Some(certainty);
        }
        best = Some(certainty);
    }
    best
}

fn unknown(unsettled: bool) -> Vec<String> {
    let mut unknown = vec![
        "what readers did with the data outside of this region".to_owned(),
        "copies of the region's disk: backups, snapshots, exports".to_owned(),
        "content that was downloaded and stored again in another form: only the same bytes look alike".to_owned(),
        "reads in the last 100 ms before a crash, which may have no entry".to_owned(),
        "listings that showed the name, size and ETag".to_owned(),
    ];
    if unsettled {
        unknown.push("there are more copies of copies than were followed".to_owned());
    }
    unknown
}

/// When a proposal ends, milliseconds since 1970.
#[must_use]
pub fn proposal_ends_ms(spill: &Spill) -> Option<i64> {
    spill.proposal.as_ref().map(|proposal| proposal.at_ms.saturating_add(PROPOSAL_TIME_MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_come_apart() {
        let check = |text: &str, bucket: &str, key: &str, version: Option<&str>| {
            let expected = ((bucket.to_owned(), key.to_owned()), version.map(str::to_owned));
            assert_eq!(parse(text, "read"), Some(expected), "{text}");
        };
        check("read b/k", "b", "k", None);
        check("read b/a/k?versionId=07", "b", "a/k", Some("07"));
        check("read b/a%3FversionId=1?versionId=2", "b", "a?versionId=1", Some("2"));
        check("read b/%253F", "b", "%3F", None);
        assert_eq!(parse("write b/k", "read"), None);
        assert_eq!(parse("read b", "read"), None);
    }
}

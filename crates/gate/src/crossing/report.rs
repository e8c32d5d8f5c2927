//! What the ledgers say of data that crossed: in which bundles it went, from which it came, and what became of a bundle's
//! objects here (docs/formats/ledger.md, "Crossings"). Rows of lifts and arrivals may have gone, entries have not.

use crate::spill::{Certainty, Name, copy_name, parse};
use crate::{Answer, CrossingAnswer, Gate, Session};
use fastness_decide::Permit;
use fastness_identity::Duty;
use fastness_label::Label;
use fastness_ledger::{Entry, Outcome};
use fastness_operation::{BundleId, Code, CrossingAct, RegionName, VersionId};
use fastness_store::{Arrival, CopyName, Fault, Spill, SpilledVersion, Whereabouts};
use serde::Serialize;
use std::collections::BTreeSet;

/// A bundle in which spilled data, or a copy of it, went to another region or to another label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundCrossing {
    /// The label at which it was sent.
    pub label: String,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version that went.
    pub version: String,
    /// The region that it went to.
    pub to: String,
    /// The bundle's id: of a release the release's own.
    pub bundle: String,
    /// `lift` or `release`.
    pub kind: &'static str,
    /// The lift; of a release the same as the bundle.
    pub crossing: String,
    /// When, milliseconds since 1970.
    pub time_ms: i64,
    /// Who ordered it.
    pub principal: String,
    /// The request.
    pub request: String,
    /// Whether what went was the spilled data.
    pub certainty: Certainty,
}

/// A bundle in which spilled data came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundOrigin {
    /// The region that it came from.
    pub from: String,
    /// The bundle's id there.
    pub bundle: String,
    /// The bucket that it was put into.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// Whether the guard had stopped it.
    pub quarantined: bool,
    /// When, milliseconds since 1970.
    pub time_ms: i64,
}

/// An object of a bundle, as the entry of its arrival and the store of today have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedObject {
    /// The label at which it was put.
    pub label: Label,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version's id; nothing of one that has none, and of what was never a version.
    pub version: Option<String>,
    /// When, milliseconds since 1970.
    pub time_ms: i64,
    /// `readable`, `contained in …`, `erased with …`, `gone`, or `refused: …`.
    pub state: String,
}

/// What is known of a bundle that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundArrival {
    /// The label of the session that asks: it contains what lies there, and nothing else.
    pub session: Label,
    /// The region that it came from.
    pub from: RegionName,
    /// The bundle's id.
    pub bundle: BundleId,
    /// Its row and where that lies, as long as it is kept.
    pub row: Option<(Label, Arrival)>,
    /// Its objects, for officers and auditors.
    pub contents: Option<ArrivedContents>,
}

/// The objects of a bundle that are in view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedContents {
    /// In the order in which they were taken out.
    pub objects: Vec<ArrivedObject>,
    /// Whether these are all: nothing ends the search early but entries that name the bundle without end.
    pub is_complete: bool,
}

/// The crossing of an entry of SendObjects.
pub(super) struct Sent<'a> {
    to: &'a str,
    pub(super) bundle: &'a str,
    pub(super) kind: &'static str,
    pub(super) crossing: &'a str,
}

/// What an entry says was sent; nothing of another operation's, and of one that was refused.
pub(super) fn sent(entry: &Entry) -> Option<Sent<'_>> {
    let Outcome::Done(Some(made)) = &entry.outcome else { return None };
    if entry.operation != "SendObjects" {
        return None;
    }
    let line = entry.resources.iter().find_map(|line| line.strip_prefix("write bundle/"))?;
    let (to, bundle) = line.split_once('/')?;
    // By their places: a region may be called by any of these words.
    let mut words = made.split(' ').skip(2);
    let (kind, crossing) = match (words.next(), words.nth(1), words.next()) {
        (Some("bundle"), Some("lift"), Some(lift)) => ("lift", lift),
        _ => ("release", bundle),
    };
    Some(Sent { to, bundle, kind, crossing })
}

/// The bundle, and each of its objects in an entry with what became of it.
type Came<'a> = ((&'a str, &'a str), Vec<(Name, &'a Outcome)>);

/// What an entry says was taken out of a bundle.
fn came(entry: &Entry) -> Option<Came<'_>> {
    let (Outcome::Each(outcomes), "ReceiveObjects", "crossing") =
        (&entry.outcome, entry.operation.as_str(), entry.principal.as_str())
    else {
        return None;
    };
    let (first, objects) = entry.resources.split_first()?;
    let bundle = first.strip_prefix("read bundle/")?.split_once('/')?;
    let named = objects.iter().map(|line| parse(line, "write").map(|(name, _)| name));
    // One outcome for the bundle, then one for each object.
    Some((bundle, named.zip(outcomes.iter().skip(1)).filter_map(|(name, one)| Some((name?, one))).collect()))
}

/// What an arriving object's outcome says that it became.
enum Became<'a> {
    /// What an entry of a copy would say that it made.
    Version(&'a str),
    Quarantined(&'a str),
    Refused(&'a str),
}

fn became(outcome: &Outcome) -> Option<Became<'_>> {
    match outcome {
        Outcome::Done(Some(made)) => Some(match made.strip_prefix("quarantined spill ") {
            Some(spill) => Became::Quarantined(spill),
            // Behind it, perhaps, digests.
            None => Became::Version(made.split_once(" came ").map_or(made, |(made, _)| made)),
        }),
        Outcome::Refused(_, code) => Some(Became::Refused(code)),
        Outcome::Done(None) | Outcome::Each(_) => None,
    }
}

/// In words, what became of a version.
pub(crate) fn state(found: Whereabouts) -> String {
    match found {
        Whereabouts::Readable => "readable".to_owned(),
        Whereabouts::Contained(spill) => format!("contained in {spill}"),
        Whereabouts::Erased(spill) => format!("erased with {spill}"),
        Whereabouts::Gone => "gone".to_owned(),
    }
}

/// The crossings that an entry of a label tells of; `traced` says of a name and a version whether they are the data.
pub(crate) fn crossings(
    entry: &Entry,
    banner: &str,
    traced: impl Fn(&Name, Option<&str>) -> Option<Certainty>,
) -> Vec<FoundCrossing> {
    let Some(Sent { to, bundle, kind, crossing }) = sent(entry) else { return Vec::new() };
    let found = entry.resources.iter().filter_map(|line| {
        let (name, version) = parse(line, "read")?;
        let certainty = traced(&name, version.as_deref())?;
        let (bucket, key) = name;
        Some(FoundCrossing {
            label: banner.to_owned(),
            bucket,
            key,
            version: version.unwrap_or_default(),
            to: to.to_owned(),
            bundle: bundle.to_owned(),
            kind,
            crossing: crossing.to_owned(),
            time_ms: entry.time_ms,
            principal: entry.principal.clone(),
            request: hex::encode_upper(entry.request),
            certainty,
        })
    });
    found.collect()
}

/// The bundles out of which an entry at a spill's own label says that its versions came.
pub(crate) fn origins(entry: &Entry, spill: &Spill) -> Vec<FoundOrigin> {
    let Some(((from, bundle), objects)) = came(entry) else { return Vec::new() };
    let found = objects.into_iter().filter_map(|(name, outcome)| {
        let quarantined = match became(outcome)? {
            Became::Quarantined(of) if of == spill.id => true,
            Became::Version(made) if spill.versions.iter().any(|version| is_made(version, &name, made)) => false,
            _ => return None,
        };
        let (bucket, key) = name;
        Some(FoundOrigin {
            from: from.to_owned(),
            bundle: bundle.to_owned(),
            bucket,
            key,
            quarantined,
            time_ms: entry.time_ms,
        })
    });
    found.collect()
}

/// Whether a spilled version is what was made under a name.
fn is_made(version: &SpilledVersion, (bucket, key): &Name, made: &str) -> bool {
    let same = (&version.bucket, &version.key) == (bucket, key);
    same && match made.strip_prefix("etag ") {
        Some(etag) => version.etag == etag,
        None => version.version == made,
    }
}

/// What a report cannot know, since the data went elsewhere.
pub(crate) fn unknown(crossings: &[FoundCrossing]) -> Vec<String> {
    let regions: BTreeSet<&str> = crossings.iter().map(|one| one.to.as_str()).collect();
    let ask = |to: &str| {
        format!(
            "what became in {to} of the bundles named here: its officers ask there, with `fastness spill trace`; and what \
             carriers and media hold of them"
        )
    };
    regions.into_iter().map(ask).collect()
}

impl Gate {
    /// FindArrival: what became of a bundle. Its objects are for officers and auditors, and read from the ledger.
    pub(super) async fn find_arrival(&self, session: &Session, permit: &Permit) -> Result<Answer, Fault> {
        let CrossingAct::FindArrival { from, bundle } = super::act(permit)? else {
            return Err(crate::perform::mismatch());
        };
        let sees_all = matches!(session.subject().duty(), Some(Duty::Officer | Duty::Auditor));
        let row = match self.store.arrival(permit) {
            Err(Fault::Refused { code: Code::NoSuchEntity, .. }) if sees_all => None,
            found => Some(found?),
        };
        let contents = match sees_all {
            true => Some(self.contents_of(permit, from, bundle).await?),
            false => None,
        };
        if row.is_none() && contents.as_ref().is_none_or(|contents| contents.objects.is_empty()) {
            return Err(Fault::refused(Code::NoSuchEntity, "no such bundle of your account is in view"));
        }
        let row = row.map(|(label, row)| (label, super::lift::shown(row, sees_all)));
        let session = permit.view().session();
        let found = FoundArrival { session, from: from.clone(), bundle: bundle.clone(), row, contents };
        Ok(CrossingAnswer::Arrival(Box::new(found)).into())
    }

    async fn contents_of(
        &self,
        permit: &Permit,
        from: &RegionName,
        bundle: &BundleId,
    ) -> Result<ArrivedContents, Fault> {
        let named = (from.to_string(), bundle.to_string());
        let is_of = move |entry: &Entry| {
            came(entry).is_some_and(|((from, bundle), _)| (from, bundle) == (named.0.as_str(), named.1.as_str()))
        };
        let (entries, is_complete) = self.entries_about(permit, bundle.to_string(), is_of).await?;
        let (gate, permit) = (self.clone(), permit.clone());
        let objects = super::apart(move || {
            let mut all = Vec::new();
            for (label, entry) in &entries {
                all.extend(gate.objects_in(&permit, *label, entry)?);
            }
            Ok(all)
        });
        Ok(ArrivedContents { objects: objects.await?, is_complete })
    }

    /// The objects of one entry.
    fn objects_in(&self, permit: &Permit, label: Label, entry: &Entry) -> Result<Vec<ArrivedObject>, Fault> {
        let Some((_, objects)) = came(entry) else { return Ok(Vec::new()) };
        let (mut all, mut names): (Vec<ArrivedObject>, Vec<(usize, CopyName)>) = (Vec::new(), Vec::new());
        for (name, outcome) in objects {
            let (version, state) = match became(outcome) {
                Some(Became::Version(made)) => {
                    names.extend(copy_name(&name, Some(made)).map(|name| (all.len(), name)));
                    let id = (!made.starts_with("etag ")).then(|| made.to_owned());
                    // Of one that has no id, the name at its bucket and key.
                    (Some(id.unwrap_or_else(|| VersionId::NULL.to_owned())), "unknown".to_owned())
                }
                Some(Became::Quarantined(spill)) => {
                    (None, self.store.held(permit, label, spill)?.map_or_else(|| "gone".to_owned(), state))
                }
                Some(Became::Refused(code)) => (None, format!("refused: {code}")),
                None => (None, "unknown".to_owned()),
            };
            let ((bucket, key), time_ms) = (name, entry.time_ms);
            all.push(ArrivedObject { label, bucket, key, version, time_ms, state });
        }
        let asked: Vec<CopyName> = names.iter().map(|(_, name)| name.clone()).collect();
        for ((place, _), found) in names.iter().zip(self.store.whereabouts(permit, label, &asked)?) {
            if let Some(object) = all.get_mut(*place) {
                object.state = state(found);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(operation: &str, resources: &[&str], outcome: Outcome) -> Entry {
        Entry {
            time_ms: 1,
            request: [0; 8],
            service: "fastness".to_owned(),
            operation: operation.to_owned(),
            principal: if operation == "ReceiveObjects" { "crossing" } else { "user/ana" }.to_owned(),
            account: "000000000001".to_owned(),
            key: String::new(),
            label: "SECRET".to_owned(),
            nationality: String::new(),
            duty: String::new(),
            agent: String::new(),
            resources: resources.iter().map(|line| (*line).to_owned()).collect(),
            outcome,
            source: String::new(),
        }
    }

    fn done(made: &str) -> Outcome {
        Outcome::Done(Some(made.to_owned()))
    }

    #[test]
    fn what_was_sent_is_read_out_of_its_entry() {
        let all = |_: &Name, version: Option<&str>| (version == Some("07")).then_some(Certainty::Certain);
        let lines = ["read b/a/k?versionId=07", "read b/other?versionId=08", "write bundle/high/0a"];
        let found = crossings(&entry("SendObjects", &lines, done("to high bundle 0a lift 0b")), "SECRET", all);
        assert_eq!(found.len(), 1);
        let one = &found[0];
        assert_eq!((one.key.as_str(), one.version.as_str(), one.to.as_str()), ("a/k", "07", "high"));
        assert_eq!((one.kind, one.bundle.as_str(), one.crossing.as_str()), ("lift", "0a", "0b"));
        let release = entry("SendObjects", &lines, done("to high release 0a digest=00"));
        assert_eq!(
            (crossings(&release, "", all)[0].kind, crossings(&release, "", all)[0].crossing.as_str()),
            ("release", "0a")
        );
        // A region that is called as a word of the entry.
        let to_lift =
            entry("SendObjects", &["read b/k?versionId=07", "write bundle/lift/0a"], done("to lift bundle 0a lift 0b"));
        assert_eq!(
            (crossings(&to_lift, "", all)[0].kind, crossings(&to_lift, "", all)[0].crossing.as_str()),
            ("lift", "0b")
        );
        let to_lift = entry(
            "SendObjects",
            &["read b/k?versionId=07", "write bundle/lift/0a"],
            done("to lift release 0a digest=00"),
        );
        assert_eq!(crossings(&to_lift, "", all)[0].kind, "release");
        let refused = Outcome::Refused("policy".to_owned(), "AccessDenied".to_owned());
        for not_sent in [entry("SendObjects", &lines, refused), entry("GetObject", &lines, done("x"))] {
            assert_eq!(crossings(&not_sent, "", all), []);
        }
    }

    #[test]
    fn what_came_is_read_out_of_its_entry_and_not_out_of_another_that_names_the_bundle() {
        let outcomes = vec![
            done("note sha256=00"),
            done("07 came sha256=01 stored sha256=02"),
            done("etag 0e"),
            done("quarantined spill 0f"),
            Outcome::Refused("request".to_owned(), "NoSuchBucket".to_owned()),
        ];
        let lines = ["read bundle/low/0a", "write b/1", "write b/2", "write b/3", "write b/4"];
        let entry_of = entry("ReceiveObjects", &lines, Outcome::Each(outcomes));
        let ((from, bundle), objects) = came(&entry_of).unwrap();
        assert_eq!((from, bundle, objects.len()), ("low", "0a", 4));
        let words = |outcome: &Outcome| match became(outcome) {
            Some(Became::Version(made)) => format!("version {made}"),
            Some(Became::Quarantined(spill)) => format!("quarantined {spill}"),
            Some(Became::Refused(code)) => format!("refused {code}"),
            None => "nothing".to_owned(),
        };
        let told: Vec<String> = objects.iter().map(|(_, outcome)| words(outcome)).collect();
        assert_eq!(told, ["version 07", "version etag 0e", "quarantined 0f", "refused NoSuchBucket"]);
        assert!(came(&entry("FindArrival", &["read bundle/low/0a"], Outcome::Done(None))).is_none());
        // A bucket that is called so.
        assert!(came(&entry("GetObject", &["read bundle/low/0a"], Outcome::Done(None))).is_none());
    }
}

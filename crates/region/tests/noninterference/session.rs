//! Who takes part in a history, and what each remembers of their own answers.

use crate::support::{Answer, Cast, Key, REL, S, SI, TK, TOP, TS, U, elements};
use std::collections::BTreeMap;
use std::ops::Range;

/// Where a session's key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// One of the cast.
    Cast(&'static str),
    /// The last key at this session's label that the first session made for itself in this history.
    Made,
}

/// What somebody mostly does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Works with data.
    Worker,
    /// Manages users and keys.
    Administrator,
    /// Sets clearances, allows labels.
    Officer,
    /// Makes accounts.
    Operator,
    /// Reads the ledger.
    Auditor,
    /// Decides what leaves.
    Reviewer,
}

/// One who takes part.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// The label: every answer goes there.
    pub label: &'static str,
    /// The key.
    pub credential: Credential,
    /// The role.
    pub role: Role,
}

const fn session(label: &'static str, key: &'static str, role: Role) -> Session {
    Session { label, credential: Credential::Cast(key), role }
}

const fn newcomer(label: &'static str) -> Session {
    Session { label, credential: Credential::Made, role: Role::Worker }
}

/// Everybody. The first is at the floor and makes the newcomers' keys; two are of another account, then come officers at the labels of
/// spills, auditors, one of them of the other account, and reviewers.
pub const SESSIONS: [Session; 32] = [
    session(U, "ana UNCLASSIFIED", Role::Worker),
    session(REL, "gwen SECRET//REL TO USA, GBR", Role::Worker),
    session(S, "ana SECRET", Role::Worker),
    session(SI, "sid TOP SECRET//SI", Role::Worker),
    session(TK, "tim TOP SECRET//TK", Role::Worker),
    session(TK, "zoe TOP SECRET//TK", Role::Worker),
    session(TOP, "zoe TOP SECRET//SI/TK", Role::Worker),
    session(U, "admin@alpha", Role::Administrator),
    session(U, "officer@alpha", Role::Officer),
    session(U, "operator", Role::Operator),
    newcomer(S),
    newcomer(TS),
    session(U, "bob UNCLASSIFIED", Role::Worker),
    session(S, "bob SECRET", Role::Worker),
    session(U, "second@alpha", Role::Officer),
    session(S, "officer@alpha SECRET", Role::Officer),
    session(S, "officer-2@alpha SECRET", Role::Officer),
    session(TOP, "officer@alpha TOP SECRET//SI/TK", Role::Officer),
    session(U, "vera UNCLASSIFIED", Role::Auditor),
    session(REL, "vera SECRET//REL TO USA, GBR", Role::Auditor),
    session(S, "vera SECRET", Role::Auditor),
    session(SI, "vera TOP SECRET//SI", Role::Auditor),
    session(TK, "vera TOP SECRET//TK", Role::Auditor),
    session(TOP, "vera TOP SECRET//SI/TK", Role::Auditor),
    session(U, "max UNCLASSIFIED", Role::Auditor),
    session(S, "max SECRET", Role::Auditor),
    session(S, "nora SECRET", Role::Reviewer),
    session(S, "otto SECRET", Role::Reviewer),
    session(SI, "nora TOP SECRET//SI", Role::Reviewer),
    session(SI, "otto TOP SECRET//SI", Role::Reviewer),
    session(TOP, "nora TOP SECRET//SI/TK", Role::Reviewer),
    session(TOP, "otto TOP SECRET//SI/TK", Role::Reviewer),
];

/// Those of them who are auditors.
pub const AUDITORS: Range<usize> = 18..26;

/// Where a release finds two reviewers, and which sessions theirs are.
pub const REVIEWERS: [(&str, [usize; 2]); 3] = [(S, [26, 27]), (SI, [28, 29]), (TOP, [30, 31])];

/// The distinct labels of sessions: each is an observer.
pub const OBSERVERS: [&str; 7] = [U, REL, S, TS, SI, TK, TOP];

/// An upload that a session began.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its id.
    pub id: String,
    /// The ETags of its parts.
    pub parts: BTreeMap<u16, String>,
}

/// What a session saw in its own answers.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Versions: bucket, key, id.
    pub versions: Vec<(String, String, String)>,
    /// ETags.
    pub etags: Vec<String>,
    /// Uploads.
    pub uploads: Vec<Upload>,
    /// Where pages go on: key, id.
    pub markers: Vec<(String, String)>,
    /// Continuation tokens.
    pub tokens: Vec<String>,
    /// Numbers of accounts.
    pub accounts: Vec<String>,
    /// Spills: id, and the digest of a proposal.
    pub spills: Vec<(String, String)>,
    /// Ids of lifts.
    pub lifts: Vec<String>,
    /// Releases: id, and digest. Those that somebody lower told of come first, so that the last is of one's own label.
    pub releases: Vec<(String, String)>,
    /// Ids of events.
    pub events: Vec<String>,
    /// Lookups that go on: what was asked, and the token.
    pub lookups: Vec<(serde_json::Value, String)>,
    /// Keys made: label or nothing, key.
    pub keys: Vec<(String, Key)>,
}

/// Picks the last.
pub const LAST: usize = usize::MAX;

/// Picks by a number that was drawn beforehand.
pub fn pick<T>(items: &[T], number: usize) -> Option<&T> {
    if number == LAST {
        return items.last();
    }
    (!items.is_empty()).then(|| &items[number % items.len()])
}

impl Memory {
    /// Learns from an answer about a bucket and a key (either may be empty).
    pub fn learn(&mut self, answer: &Answer, bucket: &str, key: &str) {
        let version = answer.header("x-amz-version-id").filter(|id| *id != "null");
        if let Some(id) = version {
            self.versions.push((bucket.to_owned(), key.to_owned(), id.to_owned()));
        }
        if let Some(etag) = answer.header("etag") {
            self.etags.push(etag.to_owned());
        }
        if !answer.header("content-type").is_some_and(|kind| kind.contains("xml") || kind.contains("json")) {
            return;
        }
        let text = answer.text();
        for kind in ["Version", "DeleteMarker"] {
            for entry in elements(&text, kind) {
                let part = |name: &str| elements(&entry, name).into_iter().next().unwrap_or_default();
                if part("VersionId") != "null" {
                    self.versions.push((bucket.to_owned(), part("Key"), part("VersionId")));
                }
            }
        }
        for id in answer.all("UploadId").into_iter().filter(|_| !key.is_empty() && text.contains("<Initiate")) {
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            self.uploads.push(Upload { bucket, key, id, parts: BTreeMap::new() });
        }
        let next_id = format!("{}{}", answer.one("NextVersionIdMarker"), answer.one("NextUploadIdMarker"));
        let next_key = format!("{}{}", answer.one("NextKeyMarker"), answer.one("NextMarker"));
        if !next_key.is_empty() {
            self.markers.push((next_key, next_id));
        }
        self.tokens.extend(answer.all("NextContinuationToken"));
        self.learn_keys(answer, &text);
    }

    /// Learns from the answer to a lookup.
    pub fn learn_events(&mut self, answer: &Answer, asked: serde_json::Value) {
        let Ok(page) = serde_json::from_str::<serde_json::Value>(&answer.text()) else { return };
        let events = page["Events"].as_array().cloned().unwrap_or_default();
        self.events.extend(events.iter().filter_map(|event| event["EventId"].as_str().map(str::to_owned)));
        if let Some(token) = page["NextToken"].as_str() {
            self.lookups.push((asked, token.to_owned()));
        }
    }

    /// Hears of releases, of one's own label or of a lower one.
    pub fn hear(&mut self, releases: &[(String, String)], is_own: bool) {
        for release in releases {
            if !self.releases.contains(release) {
                let place = if is_own { self.releases.len() } else { 0 };
                self.releases.insert(place, release.clone());
            }
        }
    }

    fn learn_keys(&mut self, answer: &Answer, text: &str) {
        if !answer.one("SecretAccessKey").is_empty() {
            let key = Key { id: answer.one("AccessKeyId"), secret: answer.one("SecretAccessKey") };
            self.keys.push((String::new(), key));
        }
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
            && let Some(secret) = value["secret_access_key"].as_str()
        {
            let part = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            self.keys.push((part("label"), Key { id: part("access_key_id"), secret: secret.to_owned() }));
        }
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
            let accounts = value["accounts"].as_array().cloned().unwrap_or_default();
            let number = |account: &serde_json::Value| account["account"].as_str().map(str::to_owned);
            self.accounts.extend(accounts.iter().chain([&value]).filter_map(number));
            self.lifts.extend(value["lift"].as_str().map(str::to_owned));
            let listed = value["releases"].as_array().cloned().unwrap_or_default();
            let text = |release: &serde_json::Value, name: &str| release[name].as_str().map(str::to_owned);
            let release = |one: &serde_json::Value| Some((text(one, "release")?, text(one, "digest")?));
            let releases: Vec<_> = listed.iter().chain([&value]).filter_map(release).collect();
            self.hear(&releases, true);
        }
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
            && let Some(id) = value["spill"].as_str()
        {
            self.spills.push((id.to_owned(), value["digest"].as_str().unwrap_or_default().to_owned()));
        }
    }
}

/// The key that a session signs with now.
pub fn key_of(number: usize, cast: &Cast, memories: &[Memory]) -> Key {
    let session = SESSIONS[number];
    match session.credential {
        Credential::Cast(name) => cast[name].clone(),
        Credential::Made => {
            let made = memories[0].keys.iter().rev().find(|(label, _)| label == session.label);
            made.map_or_else(|| Key::unknown(number), |(_, key)| key.clone())
        }
    }
}

//! What auditors look up.

use crate::action::{BUCKETS, KEYS};
use crate::session::{Memory, pick};
use crate::support::Cast;
use serde_json::{Value, json};

/// Attributes with values that entries of the histories have, or not.
pub const ATTRIBUTES: [(&str, &str); 23] = [
    ("Username", "ana"),
    ("Username", "zoe"),
    ("Username", "bob"),
    ("EventName", "PutObject"),
    ("EventName", "GetObject"),
    ("EventName", "Unrecognized"),
    ("EventSource", "iam.amazonaws.com"),
    ("EventSource", "s3.amazonaws.com"),
    ("ReadOnly", "true"),
    ("ReadOnly", "false"),
    ("ResourceName", BUCKETS[0]),
    ("ResourceName", "alpha-data/a"),
    ("ResourceType", "AWS::IAM::User"),
    ("ResourceType", "Fastness::Spill"),
    ("ResourceType", "Fastness::Mapping"),
    ("ResourceType", "Fastness::Bundle"),
    ("EventName", "SendObjects"),
    ("EventName", "ReceiveObjects"),
    ("Username", "crossing"),
    ("Username", "nora"),
    ("EventName", "RequestRelease"),
    ("EventName", "ApproveRelease"),
    ("ResourceType", "Fastness::Release"),
];

/// By what a lookup searches.
#[derive(Clone, Copy, Debug)]
pub enum Search {
    All,
    /// One of [`ATTRIBUTES`].
    By(usize),
    /// The key of one of the cast.
    Key(&'static str),
    /// An event that this session saw.
    Event(usize),
    /// An object of the first bucket.
    Object(usize),
}

/// One lookup.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    pub search: Search,
    /// Seconds around the time of the first requests.
    pub from: Option<i64>,
    pub until: Option<i64>,
    pub limit: Option<u8>,
}

impl Lookup {
    /// The body, given what its session saw so far.
    pub fn body(&self, memory: &Memory, cast: &Cast) -> Value {
        let mut body = json!({});
        let attribute = match self.search {
            Search::All => None,
            Search::By(number) => Some((ATTRIBUTES[number].0, ATTRIBUTES[number].1.to_owned())),
            Search::Key(name) => Some(("AccessKeyId", cast[name].id.clone())),
            Search::Event(number) => pick(&memory.events, number).map(|id| ("EventId", id.clone())),
            Search::Object(key) => Some(("ResourceName", format!("{}/{}", BUCKETS[0], KEYS[key]))),
        };
        if let Some((name, value)) = attribute {
            body["LookupAttributes"] = json!([{ "AttributeKey": name, "AttributeValue": value }]);
        }
        for (name, seconds) in [("StartTime", self.from), ("EndTime", self.until)] {
            if let Some(seconds) = seconds {
                body[name] = json!(1_790_000_000 + seconds);
            }
        }
        if let Some(limit) = self.limit {
            body["MaxResults"] = json!(limit);
        }
        body
    }
}

impl Lookup {
    /// The body of a disclosure of what it finds.
    pub fn disclosed(&self, memory: &Memory, cast: &Cast) -> Value {
        let mut body = self.body(memory, cast);
        body["HideFields"] = json!(["key", "source"]);
        body
    }
}

/// A disclosure without its ML-DSA-65 signatures: whoever makes one chooses it at random (FIPS 204, section 3.4). The
/// other signature on the same text stays.
pub fn without_chance(body: &[u8]) -> Option<Vec<u8>> {
    let mut page: Value = serde_json::from_slice(body).ok()?;
    for signed in page.get_mut("Checkpoints")?.as_array_mut()? {
        let note = signed.get("checkpoint")?.as_str()?;
        assert_eq!(note.lines().count(), 6, "a text of three lines, an empty one, two signatures");
        let kept: String = note.split_inclusive('\n').take(5).collect();
        signed["checkpoint"] = json!(kept);
    }
    serde_json::to_vec(&page).ok()
}

/// The body that goes on where an earlier lookup of this session ended.
pub fn next(memory: &Memory, number: usize) -> Value {
    let nothing = || (json!({}), "bm90aGluZw".to_owned());
    let (mut body, token) = pick(&memory.lookups, number).cloned().unwrap_or_else(nothing);
    body["NextToken"] = json!(token);
    body
}

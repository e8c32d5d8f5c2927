//! Looking entries up: by one attribute and a stretch of time, the newest first, a page at a time, over the ledgers of a
//! view. Packed entries are found through the index of [`terms`]; the tail is read as it is.
//!
//! Each ledger is walked from its newest entry down. Of the entries that the ledgers hold next, the one with the latest
//! time comes first; of the same time, the one of the partition that comes first in the region's order. Where a page
//! ends, one number for each ledger says how it goes on; so what is appended meanwhile moves nothing.

use crate::entry::{Entry, Recorded, Sought};
use crate::facets::{Touched, event_id};
use crate::field::Salt;
use crate::tree::{Hash, sha256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastness_label::Label;
use fastness_operation::{EventAttribute, EventFilter};
use fastness_store::{ContentDigest, Fault, LedgerSearch, SEGMENT_LEN};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Events of a page at most (CloudTrail API reference, LookupEvents, `MaxResults`).
pub const EVENTS_MAX: usize = 50;

/// Entries that one page looks at, at most: then it ends early, with a token. What no index keeps away counts one, and
/// opening a segment some more.
pub const ENTRIES_LOOKED_AT_MAX: u64 = 100_000;

/// What opening a segment counts, in entries.
const SEGMENT_COST: u64 = 128;

/// Bytes of a segment's index that count as one entry.
const INDEX_COST_BYTES: u64 = 1 << 10;

/// What passing over a segment by its times counts.
const PASSED_COST: u64 = 8;

/// Bytes of entries after which a page ends: one request may name a thousand resources.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// The longest token that is read; none is longer in a region of a hundred labels.
pub const TOKEN_LEN_MAX: usize = 4096;

/// Where the ledgers of a view are read.
pub trait Source {
    /// The numbers below which a ledger's contents were dropped, and after its last entry.
    ///
    /// # Errors
    /// A failure.
    fn bounds(&self, label: Label) -> Result<(u64, u64), Fault>;

    /// Hands on contents of entries of a stretch, the newest first: what does not match may be among them, what matches
    /// is. `see` says whether to go on. Answers the bytes of indexes that were read for it.
    ///
    /// # Errors
    /// A failure.
    fn search(
        &self,
        label: Label,
        search: &LedgerSearch,
        see: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<u64, Fault>;
}

/// What is looked for, and for whom.
#[derive(Debug, Clone)]
pub struct Searched<'a> {
    /// The filter that was asked for.
    pub filter: &'a EventFilter,
    /// The account whose entries are shown.
    pub account: &'a str,
    /// Whether entries of no account are shown, too.
    pub nobodys: bool,
    /// Events of a page.
    pub limit: usize,
    /// Where an earlier page ended.
    pub token: Option<&'a str>,
}

/// An entry that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The marking of its ledger.
    pub ledger: String,
    /// Its number there.
    pub number: u64,
    /// What the ledger's tree holds of it.
    pub commitment: Hash,
    /// What it says.
    pub entry: Entry,
    /// From which its fields' salts come: for whom it is disclosed to, field by field.
    pub salt: Salt,
}

/// A page of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries, newest first.
    pub events: Vec<Found>,
    /// How the next page is asked for; nothing after the last one.
    pub token: Option<String>,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The token is none, or is of another lookup.
    #[error("the token is not one of this lookup")]
    Token,
    /// The ledgers could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A term's number: CRC-32C of the value, and the kind's multiple of 2^32 over the golden ratio beside it. Nothing is
/// protected by it: whoever makes two values alike makes a search read more, as they would by naming the value itself.
#[expect(clippy::cast_possible_truncation, reason = "a CRC of 32 bits")]
fn term(kind: u8, value: &str) -> u32 {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, value.as_bytes()) as u32;
    crc ^ u32::from(kind).wrapping_mul(0x9e37_79b9)
}

const USER: u8 = 1;
const KEY: u8 = 2;
const EVENT_NAME: u8 = 3;
const EVENT_SOURCE: u8 = 4;
const RESOURCE: u8 = 5;

/// The term of an event's id: its first eight digits, which are the commitment's.
fn event_term(commitment: &Hash) -> u32 {
    let [a, b, c, d, ..] = *commitment;
    u32::from_be_bytes([a, b, c, d])
}

/// The names of resources: of an object its bucket's, too.
fn resource_names<'a>(resources: impl Iterator<Item = Touched<'a>>, mut see: impl FnMut(&str)) {
    for touched in resources {
        see(&touched.name);
        if let (Some(bucket), Some(_)) = (touched.bucket(), touched.key()) {
            see(bucket);
        }
    }
}

/// The terms by which an entry is found.
fn terms(commitment: &Hash, sought: &Sought<'_>) -> Vec<u32> {
    let facets = sought.facets();
    let mut found = vec![
        term(USER, facets.user_name()),
        term(KEY, sought.key),
        term(EVENT_NAME, facets.event_name()),
        term(EVENT_SOURCE, facets.event_source()),
        event_term(commitment),
    ];
    resource_names(facets.touched(), |name| found.push(term(RESOURCE, name)));
    found.sort_unstable();
    found.dedup();
    found
}

/// What the store's index keeps of an entry; of one that cannot be read, nothing. The commitment is taken as it is: to
/// compute it again would be most of the work, and [`crate::verify`] does that.
#[must_use]
pub fn digest(commitment: &Hash, content: &[u8]) -> ContentDigest {
    match Sought::read(content) {
        Ok(sought) => ContentDigest { time_ms: sought.time_ms, terms: terms(commitment, &sought) },
        Err(_) => ContentDigest::default(),
    }
}

/// The term that an attribute's entries have, if the index knows it.
fn term_of(attribute: &EventAttribute) -> Option<u32> {
    Some(match attribute {
        EventAttribute::Username(value) => term(USER, value),
        EventAttribute::AccessKeyId(value) => term(KEY, value),
        EventAttribute::EventName(value) => term(EVENT_NAME, value),
        EventAttribute::EventSource(value) => term(EVENT_SOURCE, value),
        EventAttribute::ResourceName(value) => term(RESOURCE, value),
        EventAttribute::EventId(value) => u32::from_str_radix(value.get(..8).unwrap_or_default(), 16).unwrap_or(0),
        EventAttribute::ReadOnly(_) | EventAttribute::ResourceType(_) => return None,
    })
}

impl Searched<'_> {
    fn matches(&self, recorded: &Recorded) -> bool {
        let (filter, entry) = (self.filter, &recorded.entry);
        let shown = if entry.account.is_empty() { self.nobodys } else { entry.account == self.account };
        if !shown || entry.time_ms < filter.from_ms || entry.time_ms > filter.until_ms {
            return false;
        }
        match &filter.attribute {
            None => true,
            Some(EventAttribute::Username(value)) => entry.user_name() == value,
            Some(EventAttribute::AccessKeyId(value)) => entry.key == *value,
            Some(EventAttribute::EventName(value)) => entry.event_name() == value,
            Some(EventAttribute::EventSource(value)) => entry.event_source() == value,
            Some(EventAttribute::ReadOnly(value)) => entry.is_read_only() == *value,
            Some(EventAttribute::EventId(value)) => event_id(&recorded.commitment()).eq_ignore_ascii_case(value),
            Some(EventAttribute::ResourceType(value)) => entry.touched().any(|touched| {
                // An object's bucket is one of its event's resources.
                touched.kind.type_name() == value || touched.key().is_some() && value == crate::Kind::Bucket.type_name()
            }),
            Some(EventAttribute::ResourceName(value)) => {
                let mut found = false;
                resource_names(entry.touched(), |name| found |= name == value);
                found
            }
        }
    }

    /// What a token must fit: the session's own ledger, and everything that was asked for but the page's size.
    fn hash(&self, own: &str) -> [u8; 16] {
        let filter = self.filter;
        let attribute = filter.attribute.as_ref();
        let fields = (
            "fastness lookup 1",
            (own, self.account, self.nobodys),
            attribute.map(|attribute| (attribute.name(), attribute.value())),
            (filter.from_ms, filter.until_ms),
        );
        // Texts and numbers in memory: writing them does not fail.
        let bytes = postcard::to_stdvec(&fields).unwrap_or_default();
        let mut hash = [0; 16];
        hash.copy_from_slice(sha256(&bytes).split_at(16).0);
        hash
    }
}

/// Where a page ended.
#[derive(Serialize, Deserialize)]
struct Position {
    lookup: [u8; 16],
    /// For each ledger, by the beginning of its marking's hash: the number below which it goes on.
    below: BTreeMap<u64, u64>,
}

/// What a position calls a ledger.
fn name_of(marking: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = sha256(marking.as_bytes());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Position {
    fn read(token: &str) -> Option<Self> {
        if token.len() > TOKEN_LEN_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (position, rest) = postcard::take_from_bytes::<Self>(&bytes).ok()?;
        rest.is_empty().then_some(position)
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(postcard::to_stdvec(self).unwrap_or_default())
    }
}

/// A ledger on the way down.
struct Walk<'a> {
    label: Label,
    marking: &'a str,
    /// Of entries below this number the contents are gone.
    end: u64,
    /// What is not below this number was looked at.
    below: u64,
    /// What matched of it and was not shown yet, with its size.
    found: VecDeque<(Found, usize)>,
}

impl Walk<'_> {
    const fn is_over(&self) -> bool {
        self.below <= self.end
    }

    /// Looks at entries until there are some that match, or the work allowed is done. A page looks at one entry of each
    /// ledger at least: else ledgers that have found something could use up what is allowed page after page, while one
    /// that has found nothing never went on.
    fn fill(&mut self, source: &impl Source, searched: &Searched<'_>, allowed: &mut u64) -> Result<(), Fault> {
        let filter = searched.filter;
        let term = filter.attribute.as_ref().and_then(term_of);
        let mut is_first = true;
        while self.found.is_empty() && !self.is_over() && (*allowed > 0 || is_first) {
            is_first = false;
            let (from_ms, until_ms, below) = (filter.from_ms, filter.until_ms, self.below);
            let above = ((below - 1) - (below - 1) % SEGMENT_LEN).max(self.end);
            let search = LedgerSearch { term, from_ms, until_ms, above, below };
            let (mut looked, mut bytes, mut stopped_at) = (0, 0, None);
            let indexes = source.search(self.label, &search, &mut |number, content| {
                if number < above {
                    return false;
                }
                looked += 1;
                if let Ok(recorded) = Recorded::read(content)
                    && searched.matches(&recorded)
                {
                    let (ledger, commitment) = (self.marking.to_owned(), recorded.commitment());
                    let Recorded { entry, salt } = recorded;
                    let found = Found { ledger, number, commitment, entry, salt };
                    self.found.push_back((found, content.len()));
                    bytes += content.len();
                }
                let goes_on = looked < *allowed && self.found.len() < searched.limit && bytes < PAGE_BYTES_MAX;
                stopped_at = (!goes_on).then_some(number);
                goes_on
            })?;
            self.below = stopped_at.unwrap_or(above);
            let opened = if looked == 0 && term.is_none() { PASSED_COST } else { SEGMENT_COST };
            *allowed = allowed.saturating_sub(looked + opened + indexes / INDEX_COST_BYTES);
        }
        Ok(())
    }

    /// Where the next page goes on.
    fn rest(&self) -> u64 {
        self.found.front().map_or(self.below, |(found, _)| found.number + 1)
    }
}

/// A page of what is looked for in these ledgers, each with its marking, topmost first: the first is the session's own.
///
/// # Errors
/// [`LookupError`].
pub fn lookup(source: &impl Source, ledgers: &[(Label, &str)], searched: &Searched<'_>) -> Result<Page, LookupError> {
    lookup_within(source, ledgers, searched, ENTRIES_LOOKED_AT_MAX)
}

fn lookup_within(
    source: &impl Source,
    ledgers: &[(Label, &str)],
    searched: &Searched<'_>,
    mut allowed: u64,
) -> Result<Page, LookupError> {
    let limit = searched.limit.clamp(1, EVENTS_MAX);
    let fits = searched.hash(ledgers.first().map_or("", |(_, own)| own));
    let position = match searched.token {
        None => None,
        Some(token) => {
            let position = Position::read(token).filter(|position| position.lookup == fits);
            Some(position.ok_or(LookupError::Token)?)
        }
    };
    if searched.filter.insights {
        return Ok(Page { events: Vec::new(), token: None });
    }
    let mut walks = Vec::with_capacity(ledgers.len());
    for (label, marking) in ledgers {
        let (end, length) = source.bounds(*label)?;
        let below = match &position {
            None => length,
            // A ledger that came into the view since holds nothing that is older than the first page.
            Some(position) => position.below.get(&name_of(marking)).copied().unwrap_or_default().min(length),
        };
        walks.push(Walk { label: *label, marking, end, below, found: VecDeque::new() });
    }
    let (mut events, mut bytes) = (Vec::new(), 0);
    while events.len() < limit && bytes < PAGE_BYTES_MAX {
        for walk in &mut walks {
            walk.fill(source, searched, &mut allowed)?;
        }
        // What is newest is known only when each ledger says what it has next.
        if walks.iter().any(|walk| walk.found.is_empty() && !walk.is_over()) {
            break;
        }
        let newest = walks.iter_mut().filter(|walk| !walk.found.is_empty()).reduce(|one, other| {
            let time = |walk: &Walk<'_>| walk.found.front().map(|(found, _)| found.entry.time_ms);
            if time(other) > time(one) { other } else { one }
        });
        let Some((found, length)) = newest.and_then(|walk| walk.found.pop_front()) else { break };
        bytes += length;
        events.push(found);
    }
    let is_last = walks.iter().all(|walk| walk.found.is_empty() && walk.is_over());
    let token = (!is_last).then(|| {
        let below = walks.iter().map(|walk| (name_of(walk.marking), walk.rest())).collect();
        Position { lookup: fits, below }.token()
    });
    Ok(Page { events, token })
}

#[cfg(test)]
mod tests;

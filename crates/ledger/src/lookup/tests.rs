use super::*;
use crate::Outcome;
use crate::entry::tests::entry;
use fastness_decide::{Permit, admit, decide};
use fastness_identity::directory::{AccessKey, User};
use fastness_identity::{DirectoryChange, Subject};
use fastness_label::Policy;
use fastness_operation::Operation;
use fastness_store::disk::MemoryDisk;
use fastness_store::{RegionSetup, Store};
use fastness_vault::RootKey;
use proptest::prelude::*;
use serde_json::{from_value, json};
use std::sync::{Arc, OnceLock};

const MARKINGS: [&str; 3] = ["TOP SECRET", "SECRET", "UNCLASSIFIED"];

/// Of the last, two segments are full; of the one before, one.
const LENGTHS: [u64; 3] = [700, 4_500, 8_400];

fn label(marking: &str) -> Label {
    Policy::us().label(marking).unwrap()
}

fn ledgers() -> Vec<(Label, &'static str)> {
    MARKINGS.map(|marking| (label(marking), marking)).to_vec()
}

/// An entry of a ledger: little that differs, most of it common, some of it rare.
fn nth(ledger: usize, number: u64) -> Entry {
    let mixed = sha256(&[ledger as u8, number as u8, (number >> 8) as u8]);
    let pick = |place: usize, of: &[&str]| of[usize::from(mixed[place]) % of.len()].to_owned();
    let rare = number.is_multiple_of(997);
    let key = if rare { format!("k{number}") } else { pick(2, &["a", "a/b", "c d", "e?%"]) };
    let key = key.replace('%', "%25").replace('?', "%3F");
    let (service, operation, resource) = match mixed[3] % 8 {
        0 => ("iam", "TagUser", format!("write user/{} \"a\"=\"b\"", pick(4, &["ann", "bob"]))),
        1 => ("s3", "ListBuckets", "read buckets".to_owned()),
        2 => ("", "", "PUT /nonsense".to_owned()),
        3 => ("s3", "DeleteObject", format!("write shared/{key}?versionId=v{number}")),
        4 => ("s3", "CreateBucket", "write shared".to_owned()),
        _ => ("s3", "GetObject", format!("read shared/{key}")),
    };
    Entry {
        time_ms: 1_000 * number as i64 + i64::from(mixed[5]) * 40,
        service: service.to_owned(),
        operation: operation.to_owned(),
        principal: pick(6, &["user/ann", "user/staff/bob", "operator", ""]),
        account: pick(7, &["123456789012", "123456789012", "210987654321", ""]),
        key: pick(8, &["AKIA1", "AKIA2"]),
        resources: vec![resource],
        outcome: Outcome::Done(None),
        ..entry()
    }
}

fn recorded(ledger: usize, number: u64) -> Vec<u8> {
    nth(ledger, number).record(&sha256(&[ledger as u8, 1, number as u8, (number >> 8) as u8]))
}

/// Every entry with its event's id, by ledger and number.
fn known() -> &'static [Vec<(Entry, String)>] {
    static KNOWN: OnceLock<Vec<Vec<(Entry, String)>>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let with_id = |ledger, number| {
            let row = recorded(ledger, number);
            (nth(ledger, number), event_id(row.split_first_chunk().unwrap().0))
        };
        (0..3).map(|ledger| (0..LENGTHS[ledger]).map(|number| with_id(ledger, number)).collect()).collect()
    })
}

/// The same entries twice: in the tails alone, and in segments as far as they fill them.
struct Stores {
    tails: Store,
    packed: Store,
    _runtime: tokio::runtime::Runtime,
}

fn stores() -> &'static Stores {
    static STORES: OnceLock<Stores> = OnceLock::new();
    STORES.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tails, packed) = runtime.block_on(async { (filled(false).await, filled(true).await) });
        Stores { tails, packed, _runtime: runtime }
    })
}

async fn filled(pack: bool) -> Store {
    let setup = RegionSetup {
        name: "r".to_owned(),
        floor: MARKINGS[2].to_owned(),
        ceiling: MARKINGS[0].to_owned(),
        labels: vec![MARKINGS[1].to_owned()],
    };
    let first = |_: &mut dyn DirectoryChange| Ok(());
    let (disk, root) = (Arc::new(MemoryDisk::new()), RootKey::from_bytes(&[9; 32]));
    let made = Store::create(disk, root, Policy::us(), setup, first, recorded(2, 0)).await;
    let (store, ()) = made.unwrap();
    for (ledger, (label, _)) in ledgers().into_iter().enumerate() {
        let from = store.ledger(label).unwrap().length;
        for number in from..LENGTHS[ledger] {
            store.note(label, recorded(ledger, number)).await.unwrap();
        }
    }
    store.flush().await.unwrap();
    for (label, _) in ledgers().into_iter().filter(|_| pack) {
        while store.pack(label, digest).await.unwrap() {}
    }
    let state = |marking: &str| store.ledger(label(marking)).unwrap();
    assert_eq!(MARKINGS.map(|marking| state(marking).length), LENGTHS);
    assert_eq!(MARKINGS.map(|marking| state(marking).packed), if pack { [0, 4096, 8192] } else { [0, 0, 0] });
    store
}

/// An auditor's leave to look up what the region's ceiling dominates.
fn permit(store: &Store) -> Permit {
    const ACCOUNT: u64 = 123_456_789_012;
    let user = json!({
        "account": ACCOUNT, "name": "ann", "id": "AIDAABCDEFGHIJKLMNOPQ", "path": "/", "created_ms": 0,
        "tags": { "duty": "auditor", "clearance": MARKINGS[0], "nationality": "USA" },
    });
    let key = json!({
        "id": "AKIAABCDEFGHIJKLMNOPQ", "secret": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "active": true, "created_ms": 0,
        "holder": { "User": { "account": ACCOUNT, "name": "ann" } }, "label": MARKINGS[0],
    });
    let (user, key): (User, AccessKey) = (from_value(user).unwrap(), from_value(key).unwrap());
    let labels = store.labels();
    let subject = Subject::open(store.policy(), &labels, &key, Some(&user)).unwrap();
    let filter = EventFilter { from_ms: i64::MIN, until_ms: i64::MAX, attribute: None, insights: false };
    let lookup = Operation::LookupEvents { filter, limit: 50, token: None };
    let view = admit(&subject, &lookup, &labels).unwrap();
    decide(view, &subject, lookup, Vec::new()).unwrap()
}

impl Source for Store {
    fn bounds(&self, label: Label) -> Result<(u64, u64), Fault> {
        self.ledger(label).map(|state| (state.dropped, state.length))
    }

    fn search(
        &self,
        label: Label,
        search: &LedgerSearch,
        see: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<u64, Fault> {
        self.search_ledger(&permit(self), label, search, see)
    }
}

/// Segments whose entries name many things: their indexes are long.
struct LongIndexes(&'static Store);

impl Source for LongIndexes {
    fn bounds(&self, label: Label) -> Result<(u64, u64), Fault> {
        self.0.bounds(label)
    }

    fn search(
        &self,
        label: Label,
        search: &LedgerSearch,
        see: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<u64, Fault> {
        self.0.search(label, search, see).map(|read| if read > 0 { 20 << 20 } else { 0 })
    }
}

/// What a lookup finds, page after page; and how many pages that took.
fn pages(
    store: &impl Source,
    view: &[(Label, &str)],
    searched: &Searched<'_>,
    allowed: u64,
) -> Result<(Vec<Found>, usize), LookupError> {
    let (mut found, mut token, mut count) = (Vec::new(), None, 0);
    loop {
        let searched = Searched { token: token.as_deref(), ..searched.clone() };
        let page = lookup_within(store, view, &searched, allowed)?;
        assert!(page.events.len() <= searched.limit);
        found.extend(page.events);
        count += 1;
        match page.token {
            Some(next) => assert_ne!(token.replace(next.clone()), Some(next), "each page goes on"),
            None => return Ok((found, count)),
        }
    }
}

/// The same without index, pages or walks: everything is read, filtered, and merged.
fn linear(view: &[usize], matches: impl Fn(&Entry, &str) -> bool) -> Vec<(String, u64)> {
    let mut lists: Vec<Vec<(i64, usize, u64)>> = Vec::new();
    for ledger in view {
        let of = (0..).zip(&known()[*ledger]).filter(|(_, (entry, id))| matches(entry, id));
        lists.push(of.map(|(number, (entry, _))| (entry.time_ms, *ledger, number)).collect());
    }
    let mut merged = Vec::new();
    loop {
        let heads = lists.iter().enumerate().filter_map(|(at, list)| list.last().map(|head| (at, *head)));
        let Some((at, _)) = heads.max_by_key(|(at, head)| (head.0, std::cmp::Reverse(*at))) else { break };
        let (_, ledger, number) = lists[at].pop().unwrap();
        merged.push((MARKINGS[ledger].to_owned(), number));
    }
    merged
}

fn attribute() -> impl Strategy<Value = Option<EventAttribute>> {
    use EventAttribute as A;
    let text = |of: &'static [&'static str]| proptest::sample::select(of).prop_map(str::to_owned);
    prop_oneof![
        Just(None),
        text(&["ann", "bob", "operator", "carol"]).prop_map(|value| Some(A::Username(value))),
        text(&["AKIA1", "AKIA2", "AKIA3"]).prop_map(|value| Some(A::AccessKeyId(value))),
        text(&["GetObject", "CreateBucket", "Unrecognized", "PutObject"]).prop_map(|value| Some(A::EventName(value))),
        text(&["s3.amazonaws.com", "iam.amazonaws.com", "fastness"]).prop_map(|value| Some(A::EventSource(value))),
        any::<bool>().prop_map(|value| Some(A::ReadOnly(value))),
        text(&["shared", "shared/a", "shared/c d", "shared/e?%", "shared/k997", "shared/k2991", "ann", "a"])
            .prop_map(|value| Some(A::ResourceName(value))),
        text(&["AWS::S3::Bucket", "AWS::S3::Object", "AWS::IAM::User"]).prop_map(|value| Some(A::ResourceType(value))),
        (0_usize..3, 0_u64..9_000).prop_map(|(ledger, number)| {
            let known = &known()[ledger];
            Some(A::EventId(known[number as usize % known.len()].1.to_ascii_uppercase()))
        }),
    ]
}

/// An oracle of its own: what an entry made by [`nth`] is about, told from the entry's text.
fn has(attribute: &EventAttribute, entry: &Entry, id: &str) -> bool {
    use EventAttribute as A;
    let resource = &entry.resources[0];
    let known = !entry.operation.is_empty();
    let object = resource.contains(" shared/");
    match attribute {
        A::Username(value) => entry.principal.ends_with(&format!("/{value}")) || entry.principal == *value,
        A::AccessKeyId(value) => entry.key == *value,
        A::EventName(value) => entry.operation == *value || !known && value == "Unrecognized",
        A::EventSource(value) => match value.strip_suffix(".amazonaws.com") {
            Some(service) => entry.service == service,
            None => entry.service.is_empty(),
        },
        A::ReadOnly(value) => *value == ["ListBuckets", "GetObject"].contains(&entry.operation.as_str()),
        A::ResourceName(value) if value == "shared" => known && resource.contains(" shared"),
        A::ResourceName(value) if value == "ann" => resource.starts_with("write user/ann "),
        A::ResourceName(value) => {
            let name = resource.split_once(' ').unwrap().1.split("?versionId=").next().unwrap();
            object && *value == name.replace("%3F", "?").replace("%25", "%")
        }
        A::ResourceType(value) => match value.as_str() {
            "AWS::S3::Object" => object,
            "AWS::S3::Bucket" => known && resource.contains(" shared"),
            _ => resource.contains(" user/"),
        },
        A::EventId(value) => value.eq_ignore_ascii_case(id),
    }
}

/// Two ledgers have found something, and use up what is allowed; the third goes on all the same.
#[test]
fn every_page_goes_on_in_every_ledger() {
    let filter = EventFilter { attribute: Some(EventAttribute::ReadOnly(true)), ..EventFilter::default() };
    let searched = Searched { filter: &filter, account: "123456789012", nobodys: true, limit: 24, token: None };
    let mut token = None;
    for _ in 0..40 {
        let searched = Searched { token: token.as_deref(), ..searched.clone() };
        let page = lookup_within(&stores().packed, &ledgers(), &searched, 10).unwrap();
        assert_ne!(page.token, token);
        token = page.token;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Over tails and over segments, in whatever pages, a lookup finds what a linear filter does, in its order.
    #[test]
    fn a_lookup_is_a_linear_filter(
        attribute in attribute(),
        (from, span) in prop_oneof![Just((i64::MIN / 2, i64::MAX)), (0_i64..9_000_000, 0_i64..3_000_000)],
        own in 0_usize..3,
        limit in 1_usize..=50,
        allowed in prop_oneof![Just(ENTRIES_LOOKED_AT_MAX), 3_000_u64..20_000],
        nobodys in any::<bool>(),
    ) {
        let filter = EventFilter { attribute, from_ms: from, until_ms: from.saturating_add(span), insights: false };
        let account = "123456789012";
        let searched = Searched { filter: &filter, account, nobodys, limit, token: None };
        let (all, view) = (ledgers(), (own..3).collect::<Vec<_>>());
        let expected = linear(&view, |entry, id| {
            let shown = entry.account == account || nobodys && entry.account.is_empty();
            let in_time = (filter.from_ms..=filter.until_ms).contains(&entry.time_ms);
            shown && in_time && filter.attribute.as_ref().is_none_or(|attribute| has(attribute, entry, id))
        });
        for store in [&stores().tails, &stores().packed] {
            let (found, _) = pages(store, &all[own..], &searched, allowed).unwrap();
            let names: Vec<(String, u64)> = found.iter().map(|one| (one.ledger.clone(), one.number)).collect();
            prop_assert_eq!(&names, &expected);
            for one in &found {
                let ledger = MARKINGS.iter().position(|marking| *marking == one.ledger).unwrap();
                let (entry, id) = &known()[ledger][one.number as usize];
                prop_assert_eq!((&event_id(&one.commitment), &one.entry), (id, entry));
            }
        }
    }

    #[test]
    fn a_token_is_one_of_its_lookup_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let filter = EventFilter::default();
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let searched = Searched { filter: &filter, account: "", nobodys: true, limit: 50, token: Some(&token) };
        prop_assert_eq!(lookup(&stores().tails, &ledgers(), &searched), Err(LookupError::Token));
    }
}

#[test]
fn a_rare_term_in_segments_costs_little_and_one_without_index_ends_early() {
    let filter = |attribute| EventFilter { attribute: Some(attribute), ..EventFilter::default() };
    let (rare, common) = (
        filter(EventAttribute::ResourceName("shared/k2991".to_owned())),
        filter(EventAttribute::ResourceType("Fastness::Spill".to_owned())),
    );
    let searched = |filter| Searched { filter, account: "123456789012", nobodys: true, limit: 50, token: None };
    let view = ledgers();
    // Two segments, their tail, and what the tail and the segment of the others hold.
    let budget = LENGTHS[0] + 404 + 208 + 10 * SEGMENT_COST;
    let (_, count) = pages(&stores().packed, &view, &searched(&rare), budget).unwrap();
    assert_eq!(count, 1);
    let (found, count) = pages(&stores().packed, &view, &searched(&common), budget).unwrap();
    assert!(found.is_empty() && count > 5, "{count}");
    let (_, count) = pages(&LongIndexes(&stores().packed), &view, &searched(&rare), budget).unwrap();
    assert!(count >= 3, "three segments, each with more to read than a page may: {count}");
}

#[test]
fn a_token_of_every_label_that_a_region_may_hold_is_read_again() {
    let labels = fastness_identity::directory::LABELS_MAX as u64;
    let below = (0..labels).map(|label| (u64::MAX - label, u64::MAX)).collect();
    let token = Position { lookup: [7; 16], below }.token();
    assert!(Position::read(&token).is_some_and(|read| read.below.len() as u64 == labels), "{}", token.len());
}

#[test]
fn a_token_goes_with_its_lookup_its_view_and_what_was_there() {
    let (store, view, filter) = (&stores().packed, ledgers(), EventFilter::default());
    let searched = Searched { filter: &filter, account: "123456789012", nobodys: true, limit: 7, token: None };
    let first = lookup(store, &view, &searched).unwrap();
    let token = first.token.as_deref();
    assert_eq!(first.events.len(), 7);
    let refused = |searched: &Searched<'_>, view: &[(Label, &str)]| {
        assert_eq!(lookup(store, view, searched), Err(LookupError::Token));
    };
    let next = Searched { token, ..searched.clone() };
    let other = EventFilter { from_ms: 0, ..EventFilter::default() };
    refused(&Searched { filter: &other, ..next.clone() }, &view);
    refused(&Searched { account: "210987654321", ..next.clone() }, &view);
    refused(&Searched { nobodys: false, ..next.clone() }, &view);
    refused(&next, &view[1..]);
    refused(&Searched { token: Some(""), ..next.clone() }, &view);
    refused(&Searched { token: Some(&"A".repeat(TOKEN_LEN_MAX + 4)), ..next.clone() }, &view);
    refused(&Searched { token: token.and_then(|token| token.get(..token.len() - 2)), ..next.clone() }, &view);
    // Another page's size is no other lookup.
    let second = lookup(store, &view, &Searched { limit: 9, ..next.clone() }).unwrap();
    assert_eq!(second.events.len(), 9);
    // A label that came into the view later has nothing older; one that left it shows nothing.
    let fewer = [view[0], view[2]];
    let page = lookup(store, &fewer, &next).unwrap();
    assert!(page.events.iter().all(|found| found.ledger != MARKINGS[1]));
    let token = lookup(store, &fewer, &searched).unwrap().token;
    let (mut token, mut rest) = (token, Vec::new());
    while let Some(one) = token {
        let page = lookup(store, &view, &Searched { token: Some(&one), limit: 50, ..searched.clone() }).unwrap();
        rest.extend(page.events);
        token = page.token;
    }
    assert!(rest.iter().all(|found| found.ledger != MARKINGS[1]) && rest.len() > 1_000);
}

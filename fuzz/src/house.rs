//! A region in memory that low and high people use, and its twin, which nobody high ever used.

use crate::answer::Answer;
use crate::scenario::{Ask, Mode, read};
use crate::sure;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fastness_gate::{Environment, Gate};
use fastness_identity::directory::{self as rules, AccessKey};
use fastness_identity::signature::sign::{SignPayload, Signer};
use fastness_identity::{DirectoryChange, DirectoryError, RegionLabels};
use fastness_label::Policy;
use fastness_ledger::{Entry, Outcome};
use fastness_operation::{AccessKeyId, AccountName, Moment, UserName};
use fastness_region::RegionService;
use fastness_store::disk::MemoryDisk;
use fastness_store::{RegionSetup, Store};
use fastness_vault::RootKey;
use http::{HeaderValue, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use time::OffsetDateTime;
use tokio::runtime::Runtime;

/// The region's name.
pub(crate) const REGION: &str = "us-iso-east-1";
const FLOOR: &str = "UNCLASSIFIED";
const MIDDLE: &str = "SECRET";
const CEILING: &str = "TOP SECRET//SI/TK";
pub(crate) const ROOT: [u8; 32] = [9; 32];

/// The labels of somebody's keys, and their letters in scenarios.
type Keys = &'static [(&'static str, char)];

/// Users of the accounts: account, name, clearance, and the labels of their keys with their letters in scenarios.
const PEOPLE: [(&str, &str, &str, Keys); 4] = [
    ("alpha", "ana", CEILING, &[(FLOOR, 'U'), (MIDDLE, 'S')]),
    ("alpha", "zoe", CEILING, &[(CEILING, 'T')]),
    ("beta", "bob", MIDDLE, &[(FLOOR, 'B'), (MIDDLE, 'C')]),
    (AUDITED, AUDITOR, CEILING, &[(FLOOR, 'V'), (MIDDLE, 'W'), (CEILING, 'Y')]),
];

/// Who reads the ledger, and of which account.
const AUDITOR: &str = "vera";
const AUDITED: &str = "alpha";

/// Whether a letter's session is above the observers'.
pub(crate) fn is_high(who: char) -> bool {
    matches!(who, 'T' | 'Y')
}

/// The labels that a letter's session may see.
pub(crate) fn view_of(who: char) -> &'static [&'static str] {
    match who {
        'T' | 'Y' => &[FLOOR, MIDDLE, CEILING],
        'S' | 'C' | 'W' => &[FLOOR, MIDDLE],
        _ => &[FLOOR],
    }
}

type Key = (String, String);
type Cast = HashMap<char, Key>;

/// The runtime that everything here runs on.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| sure(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()))
}

/// Clock and chance of a request, from its access key and how many requests that key made before. Nothing else.
#[derive(Debug, Default)]
struct Counted(Mutex<HashMap<String, u64>>);

impl Environment for Counted {
    fn moment(&self, key: Option<&AccessKeyId>) -> Moment {
        // Anybody's malformed request is nobody's: those of high sessions must not count among those of low ones.
        let Some(key) = key.map(AccessKeyId::as_str) else { return moment("nobody", 0) };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.to_owned()).or_default();
        *count += 1;
        moment(key, *count)
    }
}

fn moment(who: &str, count: u64) -> Moment {
    let mut seed = [0; 32];
    let hash = digest(&SHA256, format!("{who} {count}").as_bytes());
    seed.iter_mut().zip(hash.as_ref()).for_each(|(out, byte)| *out = *byte);
    let count = i64::try_from(count).unwrap_or(i64::MAX / 4_000);
    Moment { now_ms: 1_790_000_000_000 + count.saturating_mul(1_777), seed }
}

/// A region that was made once; what is tried works on copies.
pub(crate) struct Template {
    disk: MemoryDisk,
    cast: Cast,
}

impl Template {
    /// A region with its people and nothing else.
    pub(crate) fn make() -> Self {
        runtime().block_on(async {
            let (policy, disk) = (Policy::us(), MemoryDisk::new());
            let setup = RegionSetup {
                name: REGION.to_owned(),
                floor: FLOOR.to_owned(),
                ceiling: CEILING.to_owned(),
                labels: vec![MIDDLE.to_owned()],
            };
            let rules = policy.clone();
            let first = move |rows: &mut dyn DirectoryChange| people(rows, &rules);
            let root = RootKey::from_bytes(&ROOT);
            let made = Store::create(Arc::new(disk.clone()), root, policy, setup, first, entry()).await;
            let (store, cast) = sure(made);
            store.close();
            Self { disk, cast }
        })
    }

    /// The same after these requests, each of which must succeed.
    pub(crate) fn after(&self, requests: &str) -> Self {
        let house = self.open();
        let mut answers = Vec::new();
        for piece in pieces_all(requests) {
            let Some(ask) = read(piece.as_bytes(), "s3") else { unreachable!("no request: {piece}") };
            let Some(answer) = house.ask(&ask, &answers, OffsetDateTime::now_utc()) else {
                unreachable!("not sent: {piece}")
            };
            assert!(answer.status < 300, "{piece}: {answer:?}");
            answers.push(Some(answer));
        }
        sure(runtime().block_on(house.store.flush()));
        house.store.close();
        Self { disk: house.disk.crash(0), cast: self.cast.clone() }
    }

    /// A copy of its disk: all on it counts as synced.
    pub(crate) fn disk(&self) -> MemoryDisk {
        self.disk.crash(0)
    }

    /// A copy of the region, open.
    pub(crate) fn open(&self) -> House {
        sure(self.open_on(self.disk()))
    }

    /// The region on a disk that was a copy of this one's.
    pub(crate) fn open_on(&self, disk: MemoryDisk) -> Result<House, fastness_store::Fault> {
        let _inside = runtime().enter();
        let store = Store::open(Arc::new(disk.clone()), RootKey::from_bytes(&ROOT), Policy::us())?;
        let service = RegionService::new(Gate::new(store.clone(), Arc::new(Counted::default())));
        Ok(House { service, store, disk, cast: self.cast.clone() })
    }
}

/// All requests of a text, however many.
fn pieces_all(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n%%\n").map(str::trim_start)
}

fn entry() -> Vec<u8> {
    let text = String::new;
    let (service, operation) = ("fastness".to_owned(), "MakeRegion".to_owned());
    let (principal, label) = ("operator".to_owned(), FLOOR.to_owned());
    Entry {
        time_ms: 1_790_000_000_000,
        request: [0; 8],
        service,
        operation,
        principal,
        account: text(),
        key: text(),
        label,
        nationality: text(),
        duty: String::new(),
        agent: String::new(),
        resources: Vec::new(),
        outcome: Outcome::Done(None),
        source: text(),
    }
    .record(&[0; 32])
}

/// The first rows of the directory.
fn people(rows: &mut dyn DirectoryChange, policy: &Policy) -> Result<Cast, DirectoryError> {
    let both = |key: &AccessKey| (key.id.to_string(), key.secret.reveal().to_owned());
    let label = |text: &str| sure(policy.label(text));
    let labels = RegionLabels::new(policy, label(FLOOR), label(CEILING), [FLOOR, MIDDLE, CEILING].map(label));
    let mut cast = Cast::new();
    cast.insert('P', both(&rules::create_operator(rows, FLOOR, &moment("operator", 0))?));
    let mut accounts = HashMap::new();
    for (name, administrator, officer) in [("alpha", 'A', 'O'), ("beta", 'D', 'E')] {
        let made = rules::create_account(rows, policy, FLOOR, sure(AccountName::new(name)), &moment(name, 0))?;
        accounts.insert(name, made.account.number);
        cast.insert(administrator, both(&made.administrator));
        cast.insert(officer, both(&made.officer));
    }
    for (account, name, clearance, keys) in PEOPLE {
        let Some(account) = accounts.get(account).copied() else { continue };
        let user = sure(UserName::new(name));
        let tags = [("clearance", clearance), ("nationality", "USA")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        rules::create_user(rows, account, &user, "/", tags, &moment(name, 0))?;
        if name == AUDITOR {
            let duty = [("duty".to_owned(), "auditor".to_owned())].into();
            rules::tag_user(rows, policy, account, &user, &duty)?;
        }
        for ((marking, letter), number) in keys.iter().zip(1..) {
            let who = (account, &user, &user);
            let key = rules::create_key(rows, policy, &labels, who, Some(marking), &moment(name, number))?;
            cast.insert(*letter, both(&key));
        }
    }
    cast.insert('X', ("AKIAUNKNOWN000000001".to_owned(), "secret".to_owned()));
    Ok(cast)
}

/// A form with what was signed of it.
pub(crate) struct SignedForm {
    /// The policy's text.
    pub(crate) policy: Vec<u8>,
    pub(crate) policy_base64: String,
    pub(crate) signature: String,
    /// The body.
    pub(crate) wire: Vec<u8>,
}

/// One open region.
pub(crate) struct House {
    service: RegionService,
    pub(crate) store: Store,
    disk: MemoryDisk,
    cast: Cast,
}

impl Drop for House {
    fn drop(&mut self) {
        self.store.close();
    }
}

impl House {
    /// Waits until what was noted is durable.
    pub(crate) fn settle(&self) {
        sure(runtime().block_on(self.store.flush()));
    }

    /// How many entries all ledgers have together, once what was noted is durable.
    pub(crate) fn entries(&self) -> u64 {
        self.settle();
        sure(self.store.ledgers()).iter().map(|ledger| ledger.length).sum()
    }

    /// A request's body, with what it quotes of the answers so far.
    pub(crate) fn body(&self, ask: &Ask, answers: &[Option<Answer>]) -> Vec<u8> {
        crate::scenario::filled(&ask.body, |number, name| answers.get(number)?.as_ref()?.find(name))
    }

    /// Sends a request; nothing if it cannot be put on the wire at all.
    pub(crate) fn ask(&self, ask: &Ask, answers: &[Option<Answer>], now: OffsetDateTime) -> Option<Answer> {
        let lookup = |number: usize, name: &str| answers.get(number)?.as_ref()?.find(name);
        let fill = |text: &[u8]| crate::scenario::filled(text, lookup);
        let target = String::from_utf8(fill(ask.target.as_bytes())).ok()?;
        let mut request = Request::builder().method(ask.method.clone()).uri(&target);
        for (name, value) in &ask.headers {
            request = request.header(name, HeaderValue::from_bytes(&fill(value.as_bytes())).ok()?);
        }
        let (mut parts, ()) = request.body(()).ok()?.into_parts();
        // As hyper hands them over: no authority, and a path.
        if parts.uri.authority().is_some() || !parts.uri.path().starts_with('/') {
            return None;
        }
        if !parts.headers.contains_key("host") {
            parts.headers.insert("host", HeaderValue::from_static("localhost"));
        }
        let body = self.body(ask, answers);
        let wire = self.signed(ask, &mut parts, &body, now)?;
        for (name, value) in &ask.added {
            parts.headers.append(name, value.clone());
        }
        if !parts.headers.contains_key("content-length") {
            parts.headers.insert("content-length", HeaderValue::from(wire.len()));
        }
        let pieces: Vec<Result<Frame<Bytes>, Infallible>> =
            wire.chunks(ask.cut).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
        let body = StreamBody::new(futures_util::stream::iter(pieces));
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let request = Request::from_parts(parts, body);
        runtime().block_on(async {
            let (head, body) = self.service.call(request, "192.0.2.1".to_owned()).await.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes().to_vec()).map_err(|error| error.to_string());
            Some(Answer { method, path, status: head.status.as_u16(), headers: head.headers, body })
        })
    }

    /// A form as it is sent, its policy signed.
    pub(crate) fn form(&self, ask: &Ask, body: &[u8], now: OffsetDateTime) -> Option<SignedForm> {
        let (id, secret) = self.cast.get(&ask.who)?;
        let signer = Signer::new(id, secret, REGION, &ask.service);
        let (of_signer, sign) = signer.form(now);
        let of_signer = |name: &str| of_signer.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
        let (policy, form) = crate::scenario::policy_and_form(body);
        let policy = crate::scenario::filled(policy, |_, name| of_signer(name));
        let base64 = STANDARD.encode(&policy);
        let signature = sign(&base64);
        let wire = crate::scenario::filled(form, |_, name| match name {
            "policy" => Some(base64.clone()),
            "x-amz-signature" => Some(signature.clone()),
            _ => of_signer(name),
        });
        Some(SignedForm { policy, policy_base64: base64, signature, wire })
    }

    /// Signs the head, and returns the body as it is sent.
    fn signed(&self, ask: &Ask, parts: &mut http::request::Parts, body: &[u8], now: OffsetDateTime) -> Option<Vec<u8>> {
        let (id, secret) = self.cast.get(&ask.who)?;
        let signer = Signer::new(id, secret, REGION, &ask.service);
        let decoded_length = u64::try_from(body.len()).ok()?;
        let (payload, piece, trailer) = match &ask.mode {
            Mode::Unsigned => return Some(body.to_vec()),
            Mode::Form => return Some(self.form(ask, body, now)?.wire),
            Mode::Presigned => {
                let url = format!("http://localhost{}", parts.uri);
                let url = signer.presign(&parts.method, &url, time::Duration::HOUR, now).ok()?;
                parts.uri = url.strip_prefix("http://localhost")?.parse().ok()?;
                return Some(body.to_vec());
            }
            Mode::Hashed => (SignPayload::Body(body), 0, None),
            Mode::Open => (SignPayload::Unsigned, 0, None),
            Mode::Stream(piece) => (SignPayload::Streaming { decoded_length }, *piece, None),
            Mode::Trailer(name, value) => {
                (SignPayload::StreamingTrailer { decoded_length, trailer: name }, 16, Some((name, value)))
            }
            Mode::OpenTrailer(name, value) => {
                (SignPayload::UnsignedTrailer { decoded_length, trailer: name }, 16, Some((name, value)))
            }
        };
        let mut chunks = signer.sign(parts, payload, now).ok()?;
        if piece == 0 {
            return Some(body.to_vec());
        }
        let mut wire = Vec::new();
        for data in body.chunks(piece) {
            chunks.chunk(data, &mut wire);
        }
        chunks.finish(trailer.map(|(name, value)| (name.as_str(), value.as_str())), &mut wire);
        Some(wire)
    }
}

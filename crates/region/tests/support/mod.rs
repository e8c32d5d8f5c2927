//! A region in memory, its people, and how they ask.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fastness_gate::{Environment, Gate, Reads};
use fastness_identity::directory::{self as rules, AccessKey};
use fastness_identity::signature::sign::{SignPayload, Signer};
use fastness_identity::{DirectoryChange, DirectoryError, RegionLabels};
use fastness_label::{Label, Policy};
use fastness_ledger::{Entry, Keeper, Outcome, SigningKeys, VerifierKey, WitnessKey, region_keys, witness_key};
use fastness_operation::{AccessKeyId, AccountName, AccountNumber, Moment, UserName};
use fastness_region::RegionService;
use fastness_store::disk::MemoryDisk;
use fastness_store::{CheckReport, CheckSetup, Fault, RegionSetup, Store};
use fastness_vault::RootKey;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;

/// The region's name.
pub const REGION: &str = "us-iso-east-1";

/// Where the region's directory lives.
pub const U: &str = "UNCLASSIFIED";
/// Released to one foreign country.
pub const REL: &str = "SECRET//REL TO USA, GBR";
/// Own nation alone.
pub const S: &str = "SECRET";
/// One compartment.
pub const SI: &str = "TOP SECRET//SI";
/// Another one: incomparable with the one before.
pub const TK: &str = "TOP SECRET//TK";
/// Both: the ceiling.
pub const TOP: &str = "TOP SECRET//SI/TK";
/// Not held by the region at first.
pub const TS: &str = "TOP SECRET";

/// Users of the account `alpha` and of `beta`: account, name, clearance, nationality, the labels of their keys.
const PEOPLE: [(&str, &str, &str, &str, &[&str]); 10] = [
    ("alpha", "ana", TOP, "USA", &[U, S]),
    ("alpha", "gwen", S, "GBR", &[REL]),
    ("alpha", "sid", SI, "USA", &[SI]),
    ("alpha", "tim", TK, "USA", &[TK]),
    ("alpha", "zoe", TOP, "USA", &[TOP, TK]),
    ("beta", "bob", S, "USA", &[U, S]),
    ("alpha", "vera", TOP, "USA", &[U, REL, S, SI, TK, TOP]),
    ("beta", "max", S, "USA", &[U, S]),
    ("alpha", "nora", TOP, "USA", &[S, SI, TOP]),
    ("alpha", "otto", TOP, "USA", &[S, SI, TOP]),
];

/// Those of them who have a duty.
const DUTIES: [(&str, &str); 4] = [("vera", "auditor"), ("max", "auditor"), ("nora", "reviewer"), ("otto", "reviewer")];

/// Both halves of an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
}

impl Key {
    /// A key that nobody ever made.
    pub fn unknown(number: usize) -> Self {
        Self { id: format!("AKIAUNKNOWN{number:09}"), secret: "secret".to_owned() }
    }

    fn of(key: &AccessKey) -> Self {
        Self { id: key.id.to_string(), secret: key.secret.reveal().to_owned() }
    }
}

/// The keys of the region's people: `operator`, `admin@alpha`, `officer@alpha`, and `ana SECRET`.
pub type Cast = BTreeMap<String, Key>;

/// Clock and chance of a request, from its access key and how many requests that key made before. Nothing else.
#[derive(Debug, Default)]
pub struct Counted(Mutex<HashMap<String, u64>>);

impl Environment for Counted {
    fn moment(&self, key: Option<&AccessKeyId>) -> Moment {
        let key = key.map_or("nobody", AccessKeyId::as_str);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.to_owned()).or_default();
        *count += 1;
        moment(key, *count)
    }

    fn chore(&self, label: &str) -> Moment {
        let who = format!("lifecycle {label}");
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(who.clone()).or_default();
        *count += 1;
        moment(&who, *count)
    }
}

fn moment(who: &str, count: u64) -> Moment {
    let hash = digest(&SHA256, format!("{who} {count}").as_bytes());
    let seed: [u8; 32] = hash.as_ref().try_into().unwrap();
    let offset = who.bytes().fold(0_i64, |sum, byte| (sum * 31 + i64::from(byte)) % 90_000);
    Moment { now_ms: 1_790_000_000_000 + offset + i64::try_from(count).unwrap() * 1_777, seed }
}

/// A region that was made once; every test opens its own copy.
pub struct Template {
    disk: MemoryDisk,
    root: [u8; 32],
    /// The label policy.
    pub policy: Policy,
    /// Everybody's keys.
    pub cast: Cast,
}

impl Template {
    /// Makes the region with its people.
    pub async fn make() -> Self {
        Self::make_as(REGION, [9; 32]).await
    }

    /// Makes it under another name and root key.
    pub async fn make_as(name: &str, root: [u8; 32]) -> Self {
        let (policy, disk) = (Policy::us(), MemoryDisk::new());
        let texts = [REL, S, SI, TK].map(str::to_owned).to_vec();
        let setup = RegionSetup { name: name.to_owned(), floor: U.to_owned(), ceiling: TOP.to_owned(), labels: texts };
        let rules = policy.clone();
        let first = move |rows: &mut dyn DirectoryChange| people(rows, &rules);
        let entry = fastness_ledger::Entry {
            time_ms: 1_790_000_000_000,
            request: [0; 8],
            service: "fastness".to_owned(),
            operation: "MakeRegion".to_owned(),
            principal: "operator".to_owned(),
            account: String::new(),
            key: String::new(),
            label: U.to_owned(),
            nationality: String::new(),
            duty: String::new(),
            agent: String::new(),
            resources: Vec::new(),
            outcome: fastness_ledger::Outcome::Done(None),
            source: String::new(),
        };
        let key = RootKey::from_bytes(&root);
        let (store, cast) =
            Store::create(Arc::new(disk.clone()), key, policy.clone(), setup, first, entry.record(&[0; 32]))
                .await
                .unwrap();
        store.close();
        drop(store);
        Self { disk, root, policy, cast }
    }

    /// A copy of the region, open.
    pub fn open(&self) -> House {
        self.open_recording(Reads::Soon)
    }

    /// The same with a rule for when reads are recorded.
    pub fn open_recording(&self, reads: Reads) -> House {
        // A copy of a disk that never fails: everything on it counts as synced.
        let disk = Arc::new(self.disk.crash(0));
        let root = RootKey::from_bytes(&self.root);
        let store = Store::open(disk, root, self.policy.clone()).unwrap();
        let gate = Gate::new(store.clone(), Arc::new(Counted::default())).with_reads(reads);
        House::of(gate, store, self.root)
    }

    /// A copy of the region's disk, with faults to be planned on it.
    pub fn disk(&self) -> MemoryDisk {
        self.disk.crash(0)
    }

    /// Opens the region on a disk of its own, as a start does.
    pub fn open_on(&self, disk: &MemoryDisk, environment: Arc<dyn Environment>) -> Result<House, Fault> {
        self.open_with(disk, environment, |gate| gate)
    }

    /// The same with what else a gate may have.
    pub fn open_with(
        &self,
        disk: &MemoryDisk,
        environment: Arc<dyn Environment>,
        with: impl FnOnce(Gate) -> Gate,
    ) -> Result<House, Fault> {
        let store = Store::open(Arc::new(disk.clone()), self.root_key(), self.policy.clone())?;
        Ok(House::of(with(Gate::new(store.clone(), environment)), store, self.root))
    }

    /// The region's root key.
    pub fn root_key(&self) -> RootKey {
        RootKey::from_bytes(&self.root)
    }

    /// Checks the region on a disk that nothing has open.
    pub fn check(&self, disk: &MemoryDisk) -> CheckReport {
        let root = Arc::new(RootKey::from_bytes(&self.root));
        let setup = CheckSetup { root, policy: &self.policy, ledger: &fastness_ledger::checker, operator: None };
        fastness_store::check(Arc::new(disk.clone()), &setup, &mut |_| ())
    }

    /// The label of a marking.
    pub fn label(&self, text: &str) -> Label {
        self.policy.label(text).unwrap()
    }
}

/// The first rows of the directory.
fn people(rows: &mut dyn DirectoryChange, policy: &Policy) -> Result<Cast, DirectoryError> {
    let label = |text: &str| policy.label(text).unwrap();
    let labels = RegionLabels::new(policy, label(U), label(TOP), [U, REL, S, SI, TK, TOP].map(label));
    let mut cast = Cast::new();
    cast.insert("operator".to_owned(), Key::of(&rules::create_operator(rows, U, &moment("operator", 0))?));
    let mut accounts: BTreeMap<&str, AccountNumber> = BTreeMap::new();
    for name in ["alpha", "beta"] {
        let account = AccountName::new(name).unwrap();
        let made = rules::create_account(rows, policy, U, account, &moment(name, 0))?;
        accounts.insert(name, made.account.number);
        cast.insert(format!("admin@{name}"), Key::of(&made.administrator));
        cast.insert(format!("officer@{name}"), Key::of(&made.officer));
        let number = made.account.number;
        let second = rules::add_officer(rows, policy, U, number, &moment(&format!("second {name}"), 0))?;
        cast.insert(format!("second@{name}"), Key::of(&second));
        // Each officer is cleared by the other.
        for (user, markings) in [("officer", [S, TOP]), ("officer-2", [S, TOP])] {
            let user = UserName::new(user).unwrap();
            rules::tag_user(rows, policy, number, &user, &[("clearance".to_owned(), TOP.to_owned())].into())?;
            for (marking, place) in markings.iter().zip(1..) {
                let moment = moment(&format!("{user} {name}"), place);
                let key = rules::create_key(rows, policy, &labels, (number, &user, &user), Some(marking), &moment)?;
                cast.insert(format!("{user}@{name} {marking}"), Key::of(&key));
            }
        }
    }
    for (account, name, clearance, nationality, markings) in PEOPLE {
        let (account, user) = (accounts[account], UserName::new(name).unwrap());
        let tags = [("clearance", clearance), ("nationality", nationality)];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        rules::create_user(rows, account, &user, "/", tags, &moment(name, 0))?;
        if let Some((_, duty)) = DUTIES.iter().find(|(who, _)| *who == name) {
            let duty = [("duty".to_owned(), (*duty).to_owned())].into();
            rules::tag_user(rows, policy, account, &user, &duty)?;
        }
        for (marking, number) in markings.iter().zip(1..) {
            let moment = moment(name, number);
            let key = rules::create_key(rows, policy, &labels, (account, &user, &user), Some(marking), &moment)?;
            cast.insert(format!("{name} {marking}"), Key::of(&key));
        }
    }
    Ok(cast)
}

/// One open region.
pub struct House {
    service: RegionService,
    /// For looking at the ledgers; requests go through the service alone.
    pub store: Store,
    /// For what the region does by itself.
    pub gate: Gate,
    root: [u8; 32],
}

/// A request before it is signed.
#[derive(Clone, Debug)]
pub struct Ask {
    service: &'static str,
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    /// A browser's form: its key, and the only key that its policy allows. The body is its file.
    posted: Option<(String, String)>,
}

impl Ask {
    /// A request to S3; `target` is path and query.
    pub fn s3(method: Method, target: impl Into<String>) -> Self {
        Self { service: "s3", method, target: target.into(), headers: Vec::new(), body: Bytes::new(), posted: None }
    }

    /// A browser's form to S3: what is signed is a policy that allows one key in the bucket.
    pub fn posted(bucket: &str, key: &str, allowed: &str) -> Self {
        Self { posted: Some((key.to_owned(), allowed.to_owned())), ..Self::s3(Method::POST, format!("/{bucket}")) }
            .with("content-type", "multipart/form-data; boundary=end")
    }

    /// The form as it is sent: the signature, if somebody signs, stands in its fields.
    fn form_body(&self, key: Option<&Key>) -> Option<Bytes> {
        let (name, allowed) = self.posted.as_ref()?;
        let bucket = self.target.trim_start_matches('/');
        let mut fields = vec![("key", name.clone())];
        if let Some(key) = key {
            let signer = Signer::new(&key.id, &key.secret, REGION, self.service);
            let (of_signer, sign) = signer.form(OffsetDateTime::now_utc());
            let mut conditions = vec![serde_json::json!({ "bucket": bucket }), serde_json::json!({ "key": allowed })];
            conditions.extend(of_signer.iter().map(|(name, value)| serde_json::json!({ *name: value })));
            let policy = serde_json::json!({ "expiration": "2100-01-01T00:00:00Z", "conditions": conditions });
            let policy = STANDARD.encode(policy.to_string());
            fields.extend(of_signer);
            fields.extend([("x-amz-signature", sign(&policy)), ("policy", policy)]);
        }
        let mut text = Vec::new();
        for (name, value) in fields {
            let head = format!("--end\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            text.extend_from_slice(head.as_bytes());
        }
        text.extend_from_slice(b"--end\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n");
        text.extend_from_slice(&self.body);
        text.extend_from_slice(b"\r\n--end--\r\n");
        Some(Bytes::from(text))
    }

    /// A call of IAM (or STS) with its parameters as a form.
    pub fn form(service: &'static str, parameters: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (name, value) in parameters {
            let value: String = value.bytes().map(escaped).collect();
            text.push_str(&format!("{name}={value}&"));
        }
        let body = Bytes::from(text.trim_end_matches('&').to_owned());
        Self { service, method: Method::POST, target: "/".to_owned(), headers: Vec::new(), body, posted: None }
            .with("content-type", "application/x-www-form-urlencoded; charset=utf-8")
    }

    /// A call of Fastness's own interface.
    pub fn own(operation: &str, body: &serde_json::Value) -> Self {
        Self::json("fastness", &format!("Fastness.{operation}"), body)
    }

    /// A call of CloudTrail.
    pub fn trail(operation: &str, body: &serde_json::Value) -> Self {
        let target = format!("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.{operation}");
        Self::json("cloudtrail", &target, body)
    }

    fn json(service: &'static str, target: &str, body: &serde_json::Value) -> Self {
        let body = Bytes::from(body.to_string());
        Self { service, method: Method::POST, target: "/".to_owned(), headers: Vec::new(), body, posted: None }
            .with("content-type", "application/x-amz-json-1.1")
            .with("x-amz-target", target)
    }

    /// The same with a header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A list of deletions, with the digest that S3 asks of one.
    pub fn deletions(bucket: &str, list: String) -> Self {
        let sum = STANDARD.encode(digest(&SHA256, list.as_bytes()));
        Self::s3(Method::POST, format!("/{bucket}?delete")).with("x-amz-checksum-sha256", &sum).body(list)
    }

    /// The same with a body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

fn escaped(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

/// An answer as its client gets it: everything.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers in the order sent; those of the user's metadata are sorted, because the S3 library sends them in
    /// the random order of a hash map.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The texts of all elements of a name in an XML body.
    pub fn all(&self, name: &str) -> Vec<String> {
        elements(&self.text(), name)
    }

    /// The text of the first element of a name; empty if there is none.
    pub fn one(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}\n    {}", self.status, self.headers, self.text().chars().take(2000).collect::<String>())
    }
}

/// The texts of all elements of a name in XML that was written without attributes on them.
pub fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split_once(&close)).map(|(text, _)| text.to_owned()).collect()
}

impl House {
    fn of(gate: Gate, store: Store, root: [u8; 32]) -> Self {
        Self { service: RegionService::new(gate.clone()), store, gate, root }
    }

    /// The keeper of the region's ledgers, which signs when it is told to.
    pub fn keeper(&self) -> Keeper {
        Keeper::new(self.store.clone(), region_keys(&RootKey::from_bytes(&self.root)).unwrap())
    }

    /// The key with which the region cosigns.
    pub fn witness_key(&self) -> WitnessKey {
        witness_key(&RootKey::from_bytes(&self.root), &self.store.setup().name).unwrap()
    }

    /// The keys that a region's own keeper signs with.
    pub fn keeper_keys(&self) -> (SigningKeys, WitnessKey) {
        let root = RootKey::from_bytes(&self.root);
        (region_keys(&root).unwrap(), witness_key(&root, REGION).unwrap())
    }

    /// The public keys with which the region's logs are checked.
    pub fn log_keys(&self) -> [VerifierKey; 2] {
        region_keys(&RootKey::from_bytes(&self.root)).unwrap().of_log("fastness")
    }

    /// What the region does by itself, for as long as it is polled.
    pub async fn keep_up(&self, erase_within: std::time::Duration) {
        self.service.clone().keep_up(erase_within).await;
    }

    /// Does what lifecycles say is due at a label, by a clock so many days ahead; what was done, as an answer.
    pub async fn expire(&self, label: Label, days: i64) -> Answer {
        let done = self.service.expire(label, days * 86_400_000).await.unwrap();
        Answer { status: 200, headers: Vec::new(), body: Bytes::from(done.to_string()) }
    }

    /// Sends a request, signed with a key, or unsigned.
    pub async fn send(&self, key: Option<&Key>, ask: &Ask) -> Answer {
        self.try_send(key, ask).await.unwrap()
    }

    /// The same; an error when the answer breaks off.
    pub async fn try_send(&self, key: Option<&Key>, ask: &Ask) -> Result<Answer, String> {
        let mut request = Request::builder().method(ask.method.clone()).uri(&ask.target).header("host", "localhost");
        for (name, value) in &ask.headers {
            request = request.header(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        }
        let form = ask.form_body(key);
        let body = form.clone().unwrap_or_else(|| ask.body.clone());
        request = request.header("content-length", body.len());
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(key) = key.filter(|_| form.is_none()) {
            let region = &self.store.setup().name;
            let signer = Signer::new(&key.id, &key.secret, region, ask.service);
            signer.sign(&mut parts, SignPayload::Body(&ask.body), OffsetDateTime::now_utc()).unwrap();
        }
        let request = Request::from_parts(parts, Full::new(body));
        let (head, body) = self.service.call(request, "192.0.2.1".to_owned()).await.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Ok(Answer { status: head.status.as_u16(), headers, body })
    }
}

/// An entry of the ledger, of its own for each number.
pub fn ledger_entry(label: &str, time_ms: i64, number: u64) -> Entry {
    Entry {
        time_ms,
        request: number.to_be_bytes(),
        service: "s3".to_owned(),
        operation: "GetObject".to_owned(),
        principal: "user/ana".to_owned(),
        account: "000000000001".to_owned(),
        key: "AKIAEXAMPLEEXAMPLE12".to_owned(),
        label: label.to_owned(),
        nationality: "USA".to_owned(),
        duty: String::new(),
        agent: "tests".to_owned(),
        resources: vec![format!("read plans/{number}")],
        outcome: Outcome::Done(None),
        source: "127.0.0.1".to_owned(),
    }
}

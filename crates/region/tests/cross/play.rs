//! Two regions, their people's requests, and what stands between them: staging, and a guard that reads plain text.

use crate::clocks::Clocks;
use crate::staged::{folder, waits};
use crate::support::{Answer, Ask, House, Key, Template};
use fastness_crossing::{BundleReader, OwnKeys, Peer, Receiver, sign};
use fastness_gate::{
    CrossingParts, Guard, GuardFault, GuardRules, Inspector, Judgement, Opening, Regions, Staging, Suspect, Taken,
};
use fastness_identity::directory::Beside;
use fastness_label::Label;
use fastness_operation::RegionName;
use fastness_store::disk::{MemoryDisk, OpenMode};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub use crate::staged::{Pause, Staged};

pub const LOW: &str = "us-gov-west-1";
pub const HIGH: &str = "us-iso-east-1";

pub fn region(name: &str) -> RegionName {
    RegionName::new(name).unwrap()
}

/// The one region beside.
#[derive(Debug)]
struct Beside1(RegionName, Beside, Arc<Peer>);

impl Regions for Beside1 {
    fn beside(&self, region: &RegionName) -> Option<Beside> {
        (*region == self.0).then_some(self.1)
    }

    fn keys(&self, region: &RegionName) -> Option<Arc<Peer>> {
        (*region == self.0).then(|| Arc::clone(&self.2))
    }

    fn names(&self) -> Vec<RegionName> {
        vec![self.0.clone()]
    }
}

/// Reads plain text, writes its line ends anew, and stops what has a word in it.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    /// How many batches it looked at.
    pub batches: Arc<AtomicUsize>,
    /// From this batch on it cannot work.
    pub broken_from: Arc<Mutex<Option<usize>>>,
    /// Judges one object too few.
    pub forgets: Arc<AtomicBool>,
    /// After how many batches each inspector began.
    pub begun: Arc<Mutex<Vec<usize>>>,
    /// Where the next batch is held up.
    pub pause: Arc<Mutex<Option<Pause>>>,
    /// Who looks in its place.
    pub instead: Arc<Mutex<Option<Arc<dyn Guard>>>>,
}

pub const WORD: &str = "(TS//SI//NF)";

impl Guard for Reader {
    fn inspector(&self, label: Label) -> Box<dyn Inspector> {
        self.begun.lock().unwrap().push(self.batches.load(Ordering::Relaxed));
        let instead = self.instead.lock().unwrap().clone();
        instead.map_or_else(|| Box::new(self.clone()) as _, |guard| guard.inspector(label))
    }
}

impl Inspector for Reader {
    fn inspect(&mut self, rules: &GuardRules, batch: Vec<Suspect>) -> Result<Vec<Judgement>, GuardFault> {
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        let pause = self.pause.lock().unwrap().take();
        if let Some(pause) = pause {
            pause.hold();
        }
        if self.broken_from.lock().unwrap().is_some_and(|from| number >= from) {
            return Err(GuardFault("its program is missing".to_owned()));
        }
        let judge = |suspect: Suspect| {
            let stopped = |finding: &str| Judgement::Stopped { findings: vec![format!("text: {finding}")] };
            let Ok(text) = String::from_utf8(suspect.content) else { return stopped("it is no text") };
            if text.contains(WORD) {
                return stopped("a marking exceeds the label");
            }
            let metadata = suspect.metadata.into_iter().filter(|(name, _)| rules.metadata.contains(name)).collect();
            let content = text.replace("\r\n", "\n").into_bytes();
            Judgement::Passed { content, metadata, findings: Vec::new() }
        };
        let forgets = usize::from(self.forgets.load(Ordering::Relaxed));
        Ok(batch.into_iter().skip(forgets).map(judge).collect())
    }
}

/// One region.
pub struct Side {
    pub template: Template,
    pub disk: MemoryDisk,
    pub house: House,
    pub staged: Arc<Staged>,
    pub guard: Arc<Reader>,
    pub clocks: Arc<Clocks>,
    name: RegionName,
    root: [u8; 32],
    other: (RegionName, Beside, Arc<Peer>),
}

/// Both, and the numbers that were given.
pub struct Play {
    pub low: Side,
    pub high: Side,
    next: Mutex<u64>,
}

pub fn own(name: &str, root: [u8; 32]) -> OwnKeys {
    OwnKeys::of(&region(name), &fastness_vault::RootKey::from_bytes(&root)).unwrap()
}

impl Side {
    async fn new(name: &str, root: [u8; 32], other: (&str, Beside, [u8; 32])) -> Self {
        let template = Template::make_as(name, root).await;
        let (disk, clocks, guard) = (template.disk(), Arc::new(Clocks::default()), Arc::new(Reader::default()));
        let (other_name, beside, other_root) = other;
        let other = (region(other_name), beside, Arc::new(own(other_name, other_root).peer()));
        let staged = Staged::new(&disk);
        let parts = parts(name, root, &other, &staged, &guard);
        let house = template.open_with(&disk, clocks.clone(), |gate| gate.with_crossing(parts)).unwrap();
        Self { template, disk, house, staged, guard, clocks, name: region(name), root, other }
    }

    /// Opens the region on another disk: after a crash, or a stop.
    pub fn open_on(&mut self, disk: MemoryDisk) {
        self.staged = Staged::new(&disk);
        let parts = parts(self.name.as_str(), self.root, &self.other, &self.staged, &self.guard);
        self.house = self.template.open_with(&disk, self.clocks.clone(), |gate| gate.with_crossing(parts)).unwrap();
        self.disk = disk;
    }

    /// The power goes: what was not synced is lost as `seed` has it.
    pub fn lose_power(&mut self, seed: u64) {
        self.disk.fail_next(fastness_store::disk::FaultKind::Any, 0, u64::MAX);
        self.house.store.close();
        let disk = self.disk.crash(seed);
        self.open_on(disk);
    }

    pub async fn ask(&self, who: &str, ask: Ask) -> Answer {
        self.house.send(Some(&self.template.cast[who]), &ask).await
    }

    /// A call of Fastness's own interface, and its answer as JSON.
    pub async fn own(&self, who: &str, operation: &str, body: Value) -> (u16, Value) {
        let answer = self.ask(who, Ask::own(operation, &body)).await;
        (answer.status, serde_json::from_str(&answer.text()).unwrap_or(Value::Null))
    }

    pub async fn done(&self, who: &str, operation: &str, body: Value) -> Value {
        let (status, answer) = self.own(who, operation, body).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    pub async fn put(&self, who: &str, key: &str, content: impl Into<bytes::Bytes>) {
        self.put_as(who, key, content, "text/plain").await;
    }

    pub async fn put_as(&self, who: &str, key: &str, content: impl Into<bytes::Bytes>, media_type: &str) {
        let ask = Ask::s3(Method::PUT, format!("/plans/{key}")).with("content-type", media_type).body(content);
        let answer = self.ask(who, ask).await;
        assert_eq!(answer.status, 200, "{key}: {answer:?}");
    }

    pub async fn bucket(&self, who: &str) {
        assert_eq!(self.ask(who, Ask::s3(Method::PUT, "/plans")).await.status, 200);
    }

    pub async fn versioning(&self, who: &str, status: &str) {
        let body = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
        let answer = self.ask(who, Ask::s3(Method::PUT, "/plans?versioning").body(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub async fn get(&self, who: &str, key: &str) -> Answer {
        self.ask(who, Ask::s3(Method::GET, format!("/plans/{key}"))).await
    }

    /// The keys in view, each version with its own line.
    pub async fn versions(&self, who: &str) -> Vec<String> {
        self.ask(who, Ask::s3(Method::GET, "/plans?versions")).await.all("Key")
    }

    pub async fn account(&self) -> String {
        self.ask("ana UNCLASSIFIED", Ask::form("sts", &[("Action", "GetCallerIdentity")])).await.one("Account")
    }

    /// The events of an operation in the ledgers that an auditor sees, newest first, as CloudTrail's records.
    pub async fn events(&self, who: &str, operation: &str) -> Vec<Value> {
        self.house.store.flush().await.unwrap();
        let wanted = json!([{ "AttributeKey": "EventName", "AttributeValue": operation }]);
        let (start, end) = (1_700_000_000, 2_000_000_000);
        let body = json!({ "LookupAttributes": wanted, "StartTime": start, "EndTime": end, "MaxResults": 50 });
        let answer = self.ask(who, Ask::trail("LookupEvents", &body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page: Value = serde_json::from_str(&answer.text()).unwrap();
        let event = |event: &Value| serde_json::from_str(event["CloudTrailEvent"].as_str().unwrap()).unwrap();
        page["Events"].as_array().unwrap().iter().map(event).collect()
    }

    pub fn label(&self, text: &str) -> Label {
        self.template.label(text)
    }

    pub async fn send(&self, label: &str) -> usize {
        self.house.gate.send_lifts(self.label(label)).await.unwrap()
    }

    /// Sends until there is nothing more to do.
    pub async fn send_all(&self, label: &str) -> usize {
        let mut all = 0;
        loop {
            match self.send(label).await {
                0 => return all,
                some => all += some,
            }
        }
    }

    /// The bundles of a label that wait for the carrier.
    pub fn waiting(&self, label: &str) -> BTreeMap<String, Vec<u8>> {
        let folder = folder(&self.other.0, &self.template.policy.banner(self.label(label)));
        let names = self.staged.names(&folder).unwrap();
        let read = |name: String| {
            let file = self.staged.disk.open(&format!("{folder}/{name}"), OpenMode::Read).unwrap();
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_exact_at(0, &mut bytes).unwrap();
            (name, bytes)
        };
        names.into_iter().filter(|name| waits(name)).map(read).collect()
    }

    /// The same, taken away by the carrier.
    pub fn taken(&self, label: &str) -> Vec<Vec<u8>> {
        let folder = folder(&self.other.0, &self.template.policy.banner(self.label(label)));
        let waiting = self.waiting(label);
        for name in waiting.keys() {
            self.staged.disk.remove(&format!("{folder}/{name}")).unwrap();
        }
        waiting.into_values().collect()
    }

    /// The region's keys, with which it signs and opens.
    pub fn keys(&self) -> OwnKeys {
        own(self.name.as_str(), self.root)
    }

    pub async fn open(&self, bundle: &[u8]) -> Opening {
        let file = Box::new(Cursor::new(bundle.to_vec()));
        self.house.gate.open_bundle(&self.other.0, "0000000007.bundle", file).await.unwrap()
    }

    pub async fn receive(&self, bundle: &[u8]) -> Taken {
        match self.open(bundle).await {
            Opening::Ready(bundle) => self.house.gate.take_bundle(*bundle).await.unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn parts(
    name: &str,
    root: [u8; 32],
    other: &(RegionName, Beside, Arc<Peer>),
    staged: &Arc<Staged>,
    guard: &Arc<Reader>,
) -> CrossingParts {
    let (other, beside, peer) = other.clone();
    CrossingParts {
        own: own(name, root),
        regions: Arc::new(Beside1(other, beside, peer)),
        staging: Arc::clone(staged) as Arc<dyn Staging>,
        guard: Arc::clone(guard) as Arc<dyn Guard>,
    }
}

impl Play {
    /// Two regions with a bucket each, and a mapping of `types` between them.
    pub async fn begin() -> Self {
        let play = Self::unmapped().await;
        play.map_low(json!({})).await;
        play.map_high(json!({})).await;
        play
    }

    pub async fn unmapped() -> Self {
        let (low, high) = ([5; 32], [6; 32]);
        let play = Self {
            low: Side::new(LOW, low, (HIGH, Beside::Above, high)).await,
            high: Side::new(HIGH, high, (LOW, Beside::Below, low)).await,
            next: Mutex::new(0),
        };
        play.low.bucket("ana UNCLASSIFIED").await;
        play.high.bucket("ana UNCLASSIFIED").await;
        play
    }

    pub async fn map_low(&self, changes: Value) {
        let account = self.high.account().await;
        let half = json!({ "bucket": "plans", "to": HIGH, "to_account": account, "to_bucket": "plans" });
        self.map(&self.low, "send", half, changes).await;
    }

    pub async fn map_high(&self, changes: Value) {
        let account = self.low.account().await;
        let half = json!({ "from": LOW, "from_account": account, "from_bucket": "plans", "bucket": "plans" });
        self.map(&self.high, "receive", half, changes).await;
    }

    async fn map(&self, side: &Side, way: &str, half: Value, changes: Value) {
        let mut body = json!({
            "name": "plans", "way": "lift", "highest": "SECRET", "types": ["text/plain"], "metadata": ["kept"],
            "bytes_per_day": 1_u64 << 40, "objects_per_day": 1_000_000,
        });
        body[way] = half;
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        side.done("officer@alpha", "PutMapping", body).await;
    }

    pub async fn start(&self, who: &str) -> String {
        let answer = self.low.done(who, "StartLift", json!({ "bucket": "plans", "to": HIGH })).await;
        answer["lift"].as_str().unwrap().to_owned()
    }

    pub async fn describe(&self, who: &str, lift: &str) -> Value {
        self.low.done(who, "DescribeLift", json!({ "lift": lift })).await
    }

    /// Gives a bundle the next number and signs it.
    pub fn sign(&self, bundle: &[u8]) -> Vec<u8> {
        let mut next = self.next.lock().unwrap();
        *next += 1;
        self.sign_as(bundle, *next)
    }

    pub fn sign_as(&self, bundle: &[u8], number: u64) -> Vec<u8> {
        let mut file = Cursor::new(bundle.to_vec());
        sign(&mut file, NonZeroU64::new(number).unwrap(), &own(LOW, self.low.root)).unwrap();
        file.into_inner()
    }

    /// What a bundle says and holds, as the region above opens it.
    pub fn read(&self, signed: &[u8]) -> (fastness_crossing::Manifest, BTreeMap<String, Vec<u8>>) {
        let (own_keys, peer) = (own(HIGH, self.high.root), own(LOW, self.low.root).peer());
        let policy = self.high.template.policy.clone();
        let receiver = Receiver { own: &own_keys, peer: &peer, policy: &policy, now_ms: self.low.clocks.now_ms() };
        let mut reader = BundleReader::open(Cursor::new(signed.to_vec()), receiver).unwrap();
        reader.verify().unwrap();
        let manifest = reader.manifest().clone();
        let mut contents = BTreeMap::new();
        for (place, object) in manifest.objects.iter().enumerate() {
            let mut content = Vec::new();
            reader.object(place, &mut content).unwrap();
            contents.insert(object.key.to_string(), content);
        }
        (manifest, contents)
    }

    /// Lifts everything at a label and has it taken in above; what came of each bundle.
    pub async fn cross(&self, who: &str, label: &str) -> Vec<Taken> {
        self.start(who).await;
        self.low.send_all(label).await;
        let mut all = Vec::new();
        for bundle in self.low.taken(label) {
            all.push(self.high.receive(&self.sign(&bundle)).await);
        }
        all
    }
}

impl Side {
    /// Makes a user of an account with keys at these labels, called `name LABEL` in the cast; `duty` may be empty.
    pub async fn hire(&mut self, account: &str, name: &str, duty: &str, labels: &[&str]) {
        let admin = format!("admin@{account}");
        let made = self.ask(&admin, Ask::form("iam", &[("Action", "CreateUser"), ("UserName", name)])).await;
        assert_eq!(made.status, 200, "{made:?}");
        self.tag(account, name, &[("clearance", "TOP SECRET//SI/TK"), ("nationality", "USA")]).await;
        if !duty.is_empty() {
            self.tag(account, name, &[("duty", duty)]).await;
        }
        for label in labels {
            self.tag(account, name, &[("label", label)]).await;
            let ask = Ask::form("iam", &[("Action", "CreateAccessKey"), ("UserName", name)]);
            let answer = self.ask(&admin, ask).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let key = Key { id: answer.one("AccessKeyId"), secret: answer.one("SecretAccessKey") };
            // A second key at the same label is another name for the same person.
            let mut who = format!("{name} {label}");
            while self.template.cast.contains_key(&who) {
                who.push('+');
            }
            self.template.cast.insert(who, key);
        }
    }

    /// Tags that the officer sets.
    pub async fn tag(&self, account: &str, user: &str, tags: &[(&str, &str)]) {
        let names: Vec<(String, String)> = (1..=tags.len())
            .map(|number| (format!("Tags.member.{number}.Key"), format!("Tags.member.{number}.Value")))
            .collect();
        let mut parameters = vec![("Action", "TagUser"), ("UserName", user)];
        for ((key, value), (tag, text)) in names.iter().zip(tags) {
            parameters.extend([(key.as_str(), *tag), (value.as_str(), *text)]);
        }
        let answer = self.ask(&format!("officer@{account}"), Ask::form("iam", &parameters)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// An officer switches a key of the cast off.
    pub async fn switch_off(&self, account: &str, user: &str, who: &str) {
        let key = &self.template.cast[who].id;
        let ask = Ask::form(
            "iam",
            &[("Action", "UpdateAccessKey"), ("UserName", user), ("AccessKeyId", key), ("Status", "Inactive")],
        );
        let answer = self.ask(&format!("officer@{account}"), ask).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Sends what is approved of a label's releases.
    pub async fn send_releases(&self, label: &str) -> usize {
        self.house.gate.send_releases(self.label(label)).await.unwrap()
    }

    /// The bundles of a label for a region, taken away by the carrier.
    pub fn taken_for(&self, to: &str, label: &str) -> Vec<Vec<u8>> {
        let folder = folder(&region(to), &self.template.policy.banner(self.label(label)));
        let mut taken = Vec::new();
        for name in self.staged.names(&folder).unwrap() {
            let path = format!("{folder}/{name}");
            let file = self.staged.disk.open(&path, OpenMode::Read).unwrap();
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_exact_at(0, &mut bytes).unwrap();
            assert!(!name.ends_with(".new"), "nothing waits without its name");
            self.staged.disk.remove(&path).unwrap();
            taken.push(bytes);
        }
        taken
    }

    /// A bundle of this region under a number, signed.
    pub fn signed(&self, bundle: &[u8], number: u64) -> Vec<u8> {
        let mut file = Cursor::new(bundle.to_vec());
        sign(&mut file, NonZeroU64::new(number).unwrap(), &own(self.name.as_str(), self.root)).unwrap();
        file.into_inner()
    }

    /// What a bundle for this region says and holds.
    pub fn read_from(&self, from: &Self, signed: &[u8]) -> (fastness_crossing::Manifest, BTreeMap<String, Vec<u8>>) {
        let (own_keys, peer) = (own(self.name.as_str(), self.root), own(from.name.as_str(), from.root).peer());
        let now_ms = from.clocks.now_ms();
        let receiver = Receiver { own: &own_keys, peer: &peer, policy: &self.template.policy, now_ms };
        let mut reader = BundleReader::open(Cursor::new(signed.to_vec()), receiver).unwrap();
        reader.verify().unwrap();
        let manifest = reader.manifest().clone();
        let read = |(place, object): (usize, &fastness_crossing::Object)| {
            let mut content = Vec::new();
            reader.object(place, &mut content).unwrap();
            (object.key.to_string(), content)
        };
        let contents = manifest.objects.iter().enumerate().map(read).collect();
        (manifest, contents)
    }

    pub async fn receive_from(&self, from: &str, bundle: &[u8]) -> Taken {
        let file = Box::new(Cursor::new(bundle.to_vec()));
        match self.house.gate.open_bundle(&region(from), "0000000007.bundle", file).await.unwrap() {
            Opening::Ready(bundle) => self.house.gate.take_bundle(*bundle).await.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Writes a mapping of releases out of this region, or into it.
    pub async fn map_releases(&self, name: &str, half: &Value, changes: Value) {
        let mut body = json!({
            "name": name, "way": "release", "highest": "UNCLASSIFIED", "types": ["text/plain"], "metadata": ["subject"],
            "bytes_per_day": 1_u64 << 40, "objects_per_day": 1_000_000,
        });
        for part in [half, &changes] {
            for (name, value) in part.as_object().unwrap() {
                body[name] = value.clone();
            }
        }
        self.done("officer@alpha", "PutMapping", body).await;
    }
}

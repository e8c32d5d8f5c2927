//! What stands beside the region of a history: one above that lifts go to, one below that releases go to and whose own
//! bundles were made before any history, shelves on which the region's bundles wait, and a guard.

use crate::action::{BUCKETS, KEYS};
use crate::session::OBSERVERS;
use crate::support::{Ask, Counted, House, REGION, Template};
use fastness_crossing::{
    BundleReader, BundleWriter, Errand, NewObject, Outline, OwnKeys, Peer, Person, Receiver, Resent, sign,
};
use fastness_gate::{
    CrossingParts, Guard, GuardFault, GuardRules, Inspector, Judgement, Opening, Regions, StagedFile, Staging, Suspect,
    Taken, WholeFile,
};
use fastness_identity::directory::Beside;
use fastness_label::Label;
use fastness_operation::{AccountNumber, Attributes, BucketName, BundleId, LiftId, MappingName, ObjectKey, RegionName};
use fastness_vault::RootKey;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The region that lifts go to.
pub const ABOVE: &str = "above";
/// The region whose bundles come in, and that releases go to.
pub const BELOW: &str = "below";
/// The account and the bucket there.
pub const THERE: (&str, &str) = ("123456789012", "there");
/// Bundles of each label.
pub const BUNDLES_EACH: usize = 2;

/// When all bundles were made: shortly before the first requests.
const MADE_MS: i64 = 1_790_000_000_000;
/// What the guard stops.
pub const WORD: &str = "(TS//SI//NF)";

/// What a test does wrong on purpose, so that it can be seen to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    Nothing,
    /// Whoever sends is told how many bundles of all labels went before.
    SharedNumber,
    /// All labels' bundles wait on one shelf.
    SharedShelf,
    /// The guard counts what it looked at over all labels, and says so in what it finds.
    SharedGuard,
}

/// A region as every history begins with it, and what stands beside it.
pub struct World {
    pub template: Template,
    slip: Slip,
    own: OwnKeys,
    above: OwnKeys,
    below: OwnKeys,
    /// Of each observer's label [`BUNDLES_EACH`].
    bundles: Vec<Vec<u8>>,
}

/// The id of a bundle of the region below.
pub fn bundle_id(number: usize) -> BundleId {
    BundleId::from_random(0xb0b0 + number as u128)
}

fn region(name: &str) -> RegionName {
    RegionName::new(name).unwrap()
}

fn keys(name: &str, root: u8) -> OwnKeys {
    OwnKeys::of(&region(name), &RootKey::from_bytes(&[root; 32])).unwrap()
}

impl World {
    pub async fn make(slip: Slip) -> Self {
        let template = Template::make().await;
        let own = OwnKeys::of(&region(REGION), &template.root_key()).unwrap();
        let (above, below) = (keys(ABOVE, 21), keys(BELOW, 22));
        let identity = Ask::form("sts", &[("Action", "GetCallerIdentity")]);
        let caller = template.open().send(Some(&template.cast["ana UNCLASSIFIED"]), &identity).await;
        let account: AccountNumber = caller.one("Account").parse().unwrap();
        let bundle = |number| bundle(&template, (&below, &own.peer()), account, number);
        let bundles = (0..OBSERVERS.len() * BUNDLES_EACH).map(bundle).collect();
        Self { template, slip, own, above, below, bundles }
    }

    /// A copy of the region, open, with empty shelves.
    pub fn open(&self) -> (House, Arc<Shelves>) {
        let shelves = Arc::new(Shelves { shared: self.slip == Slip::SharedShelf, all: Arc::default() });
        let parts = CrossingParts {
            own: OwnKeys::of(&region(REGION), &self.template.root_key()).unwrap(),
            regions: Arc::new(Others { above: Arc::new(self.above.peer()), below: Arc::new(self.below.peer()) }),
            staging: Arc::clone(&shelves) as Arc<dyn Staging>,
            guard: Arc::new(Reader { tells: self.slip == Slip::SharedGuard, looked_at: Arc::default() }),
        };
        let (disk, environment) = (self.template.disk(), Arc::new(Counted::default()));
        let house = self.template.open_with(&disk, environment, |gate| gate.with_crossing(parts)).unwrap();
        (house, shelves)
    }

    /// What of a label waits for a carrier: of each bundle where it goes, its id, its length, and its manifest as the
    /// other region reads it. Encapsulations and ML-DSA-65 signatures are random; and numbers are given later, at the
    /// ceiling.
    pub fn staged(&self, shelves: &Shelves, label: &str) -> Vec<String> {
        let banner = self.template.policy.banner(self.template.label(label));
        let read = |(to, id, bytes): (RegionName, BundleId, Vec<u8>)| {
            let mut file = Cursor::new(bytes);
            sign(&mut file, NonZeroU64::MIN, &self.own).unwrap();
            let length = file.get_ref().len();
            let (own, peer) = (if to.as_str() == ABOVE { &self.above } else { &self.below }, self.own.peer());
            let receiver = Receiver { own, peer: &peer, policy: &self.template.policy, now_ms: MADE_MS + 600_000 };
            file.rewind().unwrap();
            let mut reader = BundleReader::open(file, receiver).unwrap();
            reader.verify().unwrap();
            format!("{to} {id} {length} {}", serde_json::to_string(reader.manifest()).unwrap())
        };
        [ABOVE, BELOW].into_iter().flat_map(|to| shelves.released(&region(to), &banner)).map(read).collect()
    }

    /// Sends what lifts have due at a label; what waits there then.
    pub async fn send(&self, house: &House, shelves: &Shelves, label: &str) -> Result<String, String> {
        // As often as it takes a standing lift to have rested, by the clock of the region's own work at a label.
        for _ in 0..4 {
            house.gate.send_lifts(self.template.label(label)).await.map_err(|fault| fault.to_string())?;
        }
        Ok(self.told(shelves, label))
    }

    /// Sends what is approved of a label's releases; what waits there then.
    pub async fn send_releases(&self, house: &House, shelves: &Shelves, label: &str) -> Result<String, String> {
        house.gate.send_releases(self.template.label(label)).await.map_err(|fault| fault.to_string())?;
        Ok(self.told(shelves, label))
    }

    fn told(&self, shelves: &Shelves, label: &str) -> String {
        let mut told = self.staged(shelves, label);
        if self.slip == Slip::SharedNumber {
            told.push(format!("the next number is {}", shelves.count() + 1));
        }
        told.join("\n")
    }

    /// Has a bundle of the region below taken in. What came of it is told where it is put at its own label, and as far as
    /// the label can know it: why a bundle stays outside is the ceiling's affair.
    pub async fn arrive(&self, house: &House, number: usize) -> Result<String, String> {
        let file = Box::new(Cursor::new(self.bundles[number].clone()));
        let name = format!("{:010}.bundle", number + 1);
        let own = self.template.label(OBSERVERS[number / BUNDLES_EACH]);
        match house.gate.open_bundle(&region(BELOW), &name, file).await.map_err(|fault| fault.to_string())? {
            Opening::Ready(bundle) => {
                let is_own = bundle.target() == own;
                let taken = house.gate.take_bundle(*bundle).await.map_err(|fault| fault.to_string())?;
                let is_whole = matches!(taken, Taken::Whole { .. });
                Ok(if is_own && is_whole { format!("{taken:?}") } else { "nothing to tell".to_owned() })
            }
            Opening::NotMapped => Ok("nothing to tell".to_owned()),
            other => Err(format!("{other:?}")),
        }
    }
}

/// A bundle of the region below, of one label, with an object that the guard lets pass and one that it stops.
fn bundle(template: &Template, (from, to): (&OwnKeys, &Peer), to_account: AccountNumber, number: usize) -> Vec<u8> {
    let label = OBSERVERS[number / BUNDLES_EACH];
    let mut writer = BundleWriter::begin(Cursor::new(Vec::new()), from.region(), to).unwrap();
    let contents = [(KEYS[number % 2], format!("{label} of below, {number}")), (KEYS[2], format!("{WORD} {number}"))];
    for (key, content) in contents {
        let attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
        writer.object(NewObject { key: ObjectKey::new(key).unwrap(), attributes }).unwrap();
        writer.write(content.as_bytes()).unwrap();
        writer.end_object().unwrap();
    }
    let errand = Errand::Lift {
        lift: LiftId::from_random(number as u128 + 1),
        mapping: MappingName::new("up").unwrap(),
        from_account: THERE.0.parse().unwrap(),
        from_bucket: BucketName::new(THERE.1).unwrap(),
        to_account,
        to_bucket: BucketName::new(BUCKETS[0]).unwrap(),
        purpose: None,
        ordered_by: vec![Person { name: "lou".to_owned(), duty: String::new(), at_ms: MADE_MS }],
    };
    let outline = Outline { id: bundle_id(number), made_ms: MADE_MS, errand, label: template.label(label) };
    let mut file = writer.finish(outline, &template.policy).unwrap().file;
    sign(&mut file, NonZeroU64::new(number as u64 + 1).unwrap(), from).unwrap();
    file.into_inner()
}

#[derive(Debug)]
struct Others {
    above: Arc<Peer>,
    below: Arc<Peer>,
}

impl Regions for Others {
    fn beside(&self, region: &RegionName) -> Option<Beside> {
        match region.as_str() {
            ABOVE => Some(Beside::Above),
            BELOW => Some(Beside::Below),
            _ => None,
        }
    }

    fn keys(&self, region: &RegionName) -> Option<Arc<Peer>> {
        match region.as_str() {
            ABOVE => Some(Arc::clone(&self.above)),
            BELOW => Some(Arc::clone(&self.below)),
            _ => None,
        }
    }

    fn names(&self) -> Vec<RegionName> {
        [ABOVE, BELOW].map(region).to_vec()
    }
}

/// Stops what has a word in it, and passes the rest as it is.
#[derive(Debug, Clone)]
struct Reader {
    tells: bool,
    looked_at: Arc<AtomicUsize>,
}

impl Guard for Reader {
    fn inspector(&self, _: Label) -> Box<dyn Inspector> {
        Box::new(self.clone())
    }
}

impl Inspector for Reader {
    fn inspect(&mut self, _: &GuardRules, batch: Vec<Suspect>) -> Result<Vec<Judgement>, GuardFault> {
        let judge = |suspect: Suspect| {
            let before = self.looked_at.fetch_add(1, Ordering::Relaxed);
            let mut texts = suspect.metadata.iter().map(|(_, value)| value.as_str());
            if String::from_utf8_lossy(&suspect.content).contains(WORD) || texts.any(|text| text.contains(WORD)) {
                return Judgement::Stopped { findings: vec!["a marking exceeds the label".to_owned()] };
            }
            let findings = if self.tells { vec![format!("{before} objects before this one")] } else { Vec::new() };
            Judgement::Passed { content: suspect.content, metadata: suspect.metadata, findings }
        };
        Ok(batch.into_iter().map(judge).collect())
    }
}

/// One bundle of a shelf.
#[derive(Debug)]
struct Waiting {
    id: BundleId,
    bytes: Vec<u8>,
    is_released: bool,
    /// Nobody carries it any more.
    is_held: bool,
}

/// The region that bundles of a shelf go to, and their label.
type Place = (RegionName, String);
type All = Arc<Mutex<BTreeMap<Place, Vec<Waiting>>>>;

/// Where bundles wait: a shelf for each region and label, in memory.
#[derive(Debug)]
pub struct Shelves {
    shared: bool,
    all: All,
}

impl Shelves {
    fn shelf(&self, to: &RegionName, banner: &str) -> Place {
        (to.clone(), if self.shared { String::new() } else { banner.to_owned() })
    }

    fn released(&self, to: &RegionName, banner: &str) -> Vec<(RegionName, BundleId, Vec<u8>)> {
        let all = self.all.lock().unwrap();
        let shelf = all.get(&self.shelf(to, banner)).into_iter().flatten();
        shelf
            .filter(|one| one.is_released && !one.is_held)
            .map(|one| (to.clone(), one.id.clone(), one.bytes.clone()))
            .collect()
    }

    fn count(&self) -> usize {
        self.all.lock().unwrap().values().map(Vec::len).sum()
    }
}

impl Staging for Shelves {
    fn staged(&self, to: &RegionName, banner: &str) -> io::Result<usize> {
        Ok(self.released(to, banner).len())
    }

    fn stage(&self, to: &RegionName, banner: &str, id: &BundleId) -> io::Result<Box<dyn StagedFile>> {
        let of = Of { all: Arc::clone(&self.all), shelf: self.shelf(to, banner), id: id.clone() };
        Ok(Box::new(Written { file: Cursor::new(Vec::new()), of }))
    }

    fn settle(&self, to: &RegionName, banner: &str, is_sent: &dyn Fn(&BundleId) -> bool) -> io::Result<()> {
        if let Some(shelf) = self.all.lock().unwrap().get_mut(&self.shelf(to, banner)) {
            shelf.retain(|one| one.is_released || is_sent(&one.id));
            shelf.iter_mut().for_each(|one| one.is_released = true);
        }
        Ok(())
    }

    fn resend(&self, _: &RegionName, numbers: &[NonZeroU64]) -> io::Result<Resent> {
        Ok(Resent { again: Vec::new(), gone: numbers.to_vec() })
    }

    fn hold_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>> {
        let (mut all, mut held) = (self.all.lock().unwrap(), BTreeSet::new());
        let shelves = all.iter_mut().filter(|((region, _), _)| region == to).flat_map(|(_, shelf)| shelf);
        for one in shelves.filter(|one| ids.contains(&one.id)) {
            one.is_held = true;
            held.insert(one.id.clone());
        }
        Ok(held)
    }

    fn held(&self, banner: &str) -> io::Result<BTreeMap<RegionName, BTreeSet<BundleId>>> {
        let mut held: BTreeMap<RegionName, BTreeSet<BundleId>> = BTreeMap::new();
        for ((to, of), shelf) in self.all.lock().unwrap().iter() {
            if (to.clone(), of.clone()) == self.shelf(to, banner) {
                for one in shelf.iter().filter(|one| one.is_held) {
                    held.entry(to.clone()).or_default().insert(one.id.clone());
                }
            }
        }
        Ok(held)
    }

    fn drop_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>> {
        let (mut all, mut gone) = (self.all.lock().unwrap(), BTreeSet::new());
        for (_, shelf) in all.iter_mut().filter(|((region, _), _)| region == to) {
            gone.extend(shelf.extract_if(.., |one| ids.contains(&one.id)).map(|one| one.id));
        }
        Ok(gone)
    }
}

/// A bundle's place.
struct Of {
    all: All,
    shelf: Place,
    id: BundleId,
}

struct Written {
    file: Cursor<Vec<u8>>,
    of: Of,
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Written {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl StagedFile for Written {
    fn finish(self: Box<Self>) -> io::Result<Box<dyn WholeFile>> {
        let Self { file, of } = *self;
        let waiting = Waiting { id: of.id.clone(), bytes: file.into_inner(), is_released: false, is_held: false };
        of.all.lock().unwrap().entry(of.shelf.clone()).or_default().push(waiting);
        Ok(Box::new(of))
    }
}

impl WholeFile for Of {
    fn release(self: Box<Self>) -> io::Result<()> {
        let mut all = self.all.lock().unwrap();
        all.get_mut(&self.shelf).unwrap().iter_mut().find(|one| one.id == self.id).unwrap().is_released = true;
        Ok(())
    }

    fn discard(self: Box<Self>) -> io::Result<()> {
        self.all.lock().unwrap().get_mut(&self.shelf).unwrap().retain(|one| one.id != self.id);
        Ok(())
    }
}

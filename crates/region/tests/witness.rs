//! A region witnesses the one below it: what it takes, what it refuses, and that nothing of it shows below.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use fastness_ledger::{
    Bundle, Checkpoint, Entry, Finding, Keeper, Log, SigningKeys, VerifierKey, check_witnessed, region_keys,
    region_origin,
};
use fastness_region::{Carrier, Inbox, Outbox, WitnessedRegion, cosigned};
use fastness_vault::RootKey;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};
use support::{House, Template, U, ledger_entry};
use tempfile::TempDir;

const LOW: &str = "us-gov-west-1";
const HIGH: &str = "us-isob-east-1";
const NOW: u64 = 1_790_000_000;

/// Two regions, what lies between them, and what the higher one raised.
struct Pair {
    folder: TempDir,
    template: Template,
    low: House,
    high: House,
    keeper: Keeper,
    outbox: Outbox,
    carrier: Carrier,
    inbox: Inbox,
    raised: Mutex<Vec<String>>,
}

fn signing() -> SigningKeys {
    region_keys(&RootKey::from_bytes(&[1; 32])).unwrap()
}

async fn pair() -> Pair {
    let template = Template::make_as(LOW, [1; 32]).await;
    let low = template.open();
    let high = Template::make_as(HIGH, [2; 32]).await.open();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    Pair {
        keeper: low.keeper(),
        outbox: Outbox::new(at("low/witness")),
        carrier: Carrier::new(at("low/witness"), at("high/witness"), at("record")),
        inbox: Inbox::new(WitnessedRegion::new(LOW, &low.log_keys()), at("high/witness")),
        raised: Mutex::new(Vec::new()),
        folder,
        template,
        low,
        high,
    }
}

fn entry(number: u64) -> Entry {
    ledger_entry(U, number as i64, number)
}

/// Something happens in a region, and is signed.
async fn happens(template: &Template, house: &House, keeper: &mut Keeper, number: u64) {
    let label = template.label(U);
    house.store.note(label, entry(number).record(&[number as u8; 32])).await.unwrap();
    house.store.flush().await.unwrap();
    assert_eq!(keeper.step().await.alarms, []);
}

/// The files of a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

impl Pair {
    async fn happens(&mut self, number: u64) {
        happens(&self.template, &self.low, &mut self.keeper, number).await;
        self.outbox.look(&self.low.store, &self.low.log_keys()).unwrap();
    }

    async fn look(&mut self) {
        let raised = &self.raised;
        let raise = async |alarm: &str| {
            raised.lock().unwrap().push(alarm.to_owned());
            true
        };
        self.inbox.look(&self.high.store, &self.high.witness_key(), NOW, &raise).await;
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn keys(&self) -> Vec<VerifierKey> {
        self.low.log_keys().to_vec()
    }

    /// The size that the higher region cosigned.
    fn cosigned(&self) -> u64 {
        let key = self.high.witness_key().verifier().unwrap();
        cosigned(&self.high.store, &key, &region_origin(LOW)).unwrap().map_or(0, |(checkpoint, _)| checkpoint.size)
    }

    fn signed(&self) -> u64 {
        Log::of_region(&self.low.store).checkpoint(&self.keys()).unwrap().unwrap().0.size
    }

    fn inbox_is_empty(&self) -> bool {
        files(&self.at("high/witness")).is_empty()
    }

    fn take_alarms(&self) -> Vec<String> {
        std::mem::take(&mut *self.raised.lock().unwrap())
    }

    /// Puts a file into the inbox under the name of a bundle.
    fn send(&self, old: u64, size: u64, bytes: &[u8]) {
        std::fs::write(self.at("high/witness").join(format!("{size:020}-{old:020}")), bytes).unwrap();
    }

    /// A bundle that lies in the outbox, by its size.
    fn shown(&self, size: u64) -> Bundle {
        let shown = files(&self.at("low/witness"));
        let of = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{size:020}-"));
        Bundle::parse(shown.iter().find(|(path, _)| of(path)).unwrap().1).unwrap()
    }
}

/// Four things happened below, and only the first was carried.
async fn behind() -> Pair {
    let mut pair = pair().await;
    for number in 0..4 {
        pair.happens(number).await;
        if number == 0 {
            pair.carrier.carry().unwrap();
            pair.look().await;
        }
    }
    pair
}

#[tokio::test]
async fn checkpoints_go_up_and_are_remembered() {
    let mut pair = pair().await;
    for number in 0..5 {
        pair.happens(number).await;
        assert_eq!(pair.carrier.carry().unwrap(), 1);
        pair.look().await;
        assert_eq!((pair.cosigned(), pair.inbox_is_empty()), (pair.signed(), true));
    }
    // Nothing new is nothing to do.
    pair.outbox.look(&pair.low.store, &pair.keys()).unwrap();
    assert_eq!(pair.carrier.carry().unwrap(), 0);
    // Several at once, by a carrier who comes later.
    for number in 5..9 {
        pair.happens(number).await;
    }
    assert_eq!(pair.carrier.carry().unwrap(), 4);
    pair.look().await;
    assert_eq!((pair.cosigned(), pair.inbox_is_empty()), (pair.signed(), true));
    assert_eq!(pair.take_alarms(), Vec::<String>::new());
    // The cosigned note bears the log's signatures and the region's own.
    let key = pair.high.witness_key().verifier().unwrap();
    let (_, note) = cosigned(&pair.high.store, &key, &region_origin(LOW)).unwrap().unwrap();
    let keys = pair.keys().iter().map(|key| key.renamed(&region_origin(LOW))).collect::<Vec<_>>();
    assert_eq!((note.verify(&keys).unwrap().len(), note.signatures.len()), (2, 3));
    assert_eq!(note.signatures[2].cosigned_at(), Some(NOW));
    let found = check_witnessed(&Log::of_region(&pair.low.store), &pair.keys(), &note, key.name()).unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn a_region_that_is_put_back_or_forked_is_found() {
    let mut pair = pair().await;
    for number in 0..6 {
        pair.happens(number).await;
    }
    pair.carrier.carry().unwrap();
    pair.look().await;
    let seen = pair.cosigned();
    let key = pair.high.witness_key().verifier().unwrap();
    let (_, note) = cosigned(&pair.high.store, &key, &region_origin(LOW)).unwrap().unwrap();
    let by = key.name();

    // The whole region as it was before, and nothing in it that tells.
    let back = pair.template.open();
    let mut keeper = back.keeper();
    happens(&pair.template, &back, &mut keeper, 0).await;
    let found = |house: &House| check_witnessed(&Log::of_region(&house.store), &pair.keys(), &note, by).unwrap();
    let signed = Log::of_region(&back.store).checkpoint(&pair.keys()).unwrap().unwrap().0.size;
    let rewound = Finding::Rewound { by: by.to_owned(), cosigned: seen, signed };
    assert_eq!(found(&back), Some(rewound));
    // It goes on with other deeds until it is longer.
    for number in 0..12 {
        happens(&pair.template, &back, &mut keeper, 100 + number).await;
    }
    assert_eq!(found(&back), Some(Finding::Forked { by: by.to_owned(), cosigned: seen }));
    // A region that was made anew has other keys.
    let anew = region_keys(&RootKey::from_bytes(&[3; 32])).unwrap().of_log("fastness");
    let unknown = check_witnessed(&Log::of_region(&pair.low.store), &anew, &note, by);
    assert!(unknown.is_err(), "its own checkpoint is not signed with these keys");

    // The witness itself hears of it with the first bundle.
    let mut outbox = Outbox::new(pair.at("back/witness"));
    let mut carrier = Carrier::new(pair.at("back/witness"), pair.at("high/witness"), pair.at("record of back"));
    outbox.look(&back.store, &back.log_keys()).unwrap();
    assert_eq!(carrier.carry().unwrap(), 1);
    for _ in 0..4 {
        pair.look().await;
    }
    let alarms = pair.take_alarms();
    assert!(matches!(&alarms[..], [one] if one.contains("gap") && one.contains("put back")), "{alarms:?}");
    assert_eq!(pair.cosigned(), seen);
}

#[tokio::test]
async fn what_is_wrong_is_an_alarm_and_the_last_good_state_stays() {
    let mut pair = pair().await;
    for number in 0..4 {
        pair.happens(number).await;
    }
    pair.carrier.carry().unwrap();
    pair.look().await;
    let seen = pair.cosigned();
    pair.happens(4).await;
    let next = pair.signed();
    let good = pair.shown(next);
    let name = region_origin(LOW);
    let signed = |origin: &str, size: u64, root: u8| {
        signing().sign(origin, Checkpoint { origin: origin.to_owned(), size, root: [root; 32] }.to_string()).unwrap()
    };
    let mut unsigned = good.clone();
    unsigned.note.signatures.truncate(1);
    let other_keys = SigningKeys::from_seeds(&[5; 32], &[6; 32]).unwrap();
    let forged = Bundle { note: other_keys.sign(&name, good.note.text.clone()).unwrap(), ..good.clone() };
    let forked = Bundle { note: signed(&name, next, 7), ..good.clone() };
    let same = Bundle { note: signed(&name, seen, 7), ..good.clone() };
    let others = Bundle { note: signed(&region_origin("us-iso-east-1"), next, 7), ..good.clone() };
    let mut damaged = good.to_string().into_bytes();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let cases: [(&str, Vec<u8>); 10] = [
        ("malformed", b"nonsense".to_vec()),
        ("malformed", Vec::new()),
        ("malformed", good.to_string().into_bytes()[..200].to_vec()),
        ("oversized", vec![b'x'; 300_000]),
        ("forged", unsigned.to_string().into_bytes()),
        ("forged", forged.to_string().into_bytes()),
        ("forked", forked.to_string().into_bytes()),
        ("forked", same.to_string().into_bytes()),
        ("another log's", others.to_string().into_bytes()),
        ("rewound", pair.shown(seen - 1).to_string().into_bytes()),
    ];
    for (kind, bytes) in cases {
        // A fresh inbox raises each kind again.
        pair.inbox = Inbox::new(WitnessedRegion::new(LOW, &pair.low.log_keys()), pair.at("high/witness"));
        pair.send(seen, next, &bytes);
        pair.look().await;
        let alarms = pair.take_alarms();
        let says = format!("witness of region {LOW}: {kind}: ");
        assert!(matches!(&alarms[..], [one] if one.starts_with(&says)), "{kind}: {alarms:?}");
        assert_eq!((pair.cosigned(), pair.inbox_is_empty()), (seen, true), "{kind}");
    }
    pair.send(seen, next, &damaged);
    pair.look().await;
    assert_eq!((pair.take_alarms().len(), pair.cosigned(), pair.inbox_is_empty()), (1, seen, true));
    // What is no file, or has the name of none.
    let inbox = pair.at("high/witness");
    std::os::unix::fs::symlink("/etc/passwd", inbox.join(format!("{next:020}-{seen:020}"))).unwrap();
    std::fs::write(inbox.join("etc"), good.to_string()).unwrap();
    std::fs::create_dir(inbox.join("folder")).unwrap();
    std::fs::write(inbox.join("half.new"), "half").unwrap();
    pair.look().await;
    assert_eq!(pair.cosigned(), seen);
    assert_eq!(files(&inbox).len(), 1, "what is being written stays");
    assert!(pair.take_alarms().iter().all(|alarm| alarm.contains("malformed")));
    // A kind that stands is not raised again until something good came.
    pair.send(seen, next, b"nonsense");
    pair.look().await;
    assert_eq!(pair.take_alarms(), Vec::<String>::new());
    pair.send(seen, next, good.to_string().as_bytes());
    pair.look().await;
    assert_eq!(pair.cosigned(), next);
    pair.send(next, next + 1, b"nonsense");
    pair.look().await;
    assert_eq!(pair.take_alarms().len(), 1);
}

#[tokio::test]
async fn a_replay_of_the_last_and_another_order_are_harmless_and_a_gap_heals() {
    let mut pair = pair().await;
    for number in 0..3 {
        pair.happens(number).await;
        pair.carrier.carry().unwrap();
        pair.look().await;
    }
    let seen = pair.signed();
    let last = pair.shown(seen);
    pair.send(last.old, seen, last.to_string().as_bytes());
    pair.look().await;
    assert_eq!((pair.take_alarms().len(), pair.inbox_is_empty()), (0, true), "a crash repeats the last");

    for number in 3..6 {
        pair.happens(number).await;
    }
    let newest = pair.signed();
    let bundles = [newest, pair.shown(newest).old].map(|size| (size, pair.shown(size)));
    let third = pair.shown(bundles[1].1.old);
    for (size, bundle) in &bundles {
        pair.send(bundle.old, *size, bundle.to_string().as_bytes());
        pair.look().await;
        assert_eq!(pair.cosigned(), seen);
    }
    pair.send(third.old, bundles[1].1.old, third.to_string().as_bytes());
    pair.look().await;
    assert_eq!((pair.cosigned(), pair.inbox_is_empty(), pair.take_alarms().len()), (newest, true, 0));

    // One is lost for good: an alarm says how far it got, and a bundle that is asked for from there heals it.
    pair.happens(6).await;
    pair.happens(7).await;
    let latest = pair.signed();
    let bundle = pair.shown(latest);
    pair.send(bundle.old, latest, bundle.to_string().as_bytes());
    for _ in 0..5 {
        pair.look().await;
    }
    let alarms = pair.take_alarms();
    assert!(
        matches!(&alarms[..], [one] if one.contains("gap") && one.contains(&format!("{newest} were"))),
        "{alarms:?}"
    );
    std::fs::write(pair.at("low/asked").join(newest.to_string()), b"").unwrap();
    pair.outbox.look(&pair.low.store, &pair.keys()).unwrap();
    assert_eq!(files(&pair.at("low/asked")).len(), 0);
    let asked = pair.at("low/witness").join(format!("{latest:020}-{newest:020}"));
    pair.send(newest, latest, &std::fs::read(asked).unwrap());
    pair.look().await;
    assert_eq!((pair.cosigned(), pair.inbox_is_empty(), pair.take_alarms().len()), (latest, true, 0));
}

#[tokio::test]
async fn an_outbox_is_bounded_and_a_late_carrier_asks() {
    let mut pair = pair().await;
    pair.outbox = Outbox::holding(pair.at("low/witness"), 4);
    for number in 0..3 {
        pair.happens(number).await;
    }
    pair.carrier.carry().unwrap();
    pair.look().await;
    let seen = pair.cosigned();
    for number in 3..13 {
        pair.happens(number).await;
        assert!(files(&pair.at("low/witness")).len() <= 4);
    }
    // The carrier starts anew, too: how far it came is in its record.
    pair.carrier = Carrier::new(pair.at("low/witness"), pair.at("high/witness"), pair.at("record"));
    assert_eq!(pair.carrier.carry().unwrap(), 4);
    pair.look().await;
    assert_eq!(pair.cosigned(), seen);
    pair.outbox.look(&pair.low.store, &pair.keys()).unwrap();
    assert_eq!(pair.carrier.carry().unwrap(), 1);
    pair.look().await;
    assert_eq!((pair.cosigned(), pair.inbox_is_empty()), (pair.signed(), true));
    assert_eq!(pair.take_alarms(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_goes_before_its_outcome_is_durable() {
    let mut pair = pair().await;
    pair.happens(0).await;
    std::fs::create_dir_all(pair.at("high/witness")).unwrap();
    pair.send(0, 1, b"nonsense");
    let not_recorded = async |_: &str| false;
    pair.inbox.look(&pair.high.store, &pair.high.witness_key(), NOW, &not_recorded).await;
    assert!(!pair.inbox_is_empty());
    pair.look().await;
    assert_eq!((pair.take_alarms().len(), pair.inbox_is_empty()), (1, true));
}

#[tokio::test]
async fn nothing_of_a_witness_shows_below() {
    // The same lower region, once with a witness who takes everything, once with one who refuses, once with none.
    let mut outboxes = Vec::new();
    for mode in 0..3 {
        let mut pair = pair().await;
        if mode == 1 {
            // Whatever arrives cannot even be put there.
            std::fs::create_dir_all(pair.at("high")).unwrap();
            std::fs::write(pair.at("high/witness"), b"").unwrap();
        }
        for number in 0..6 {
            pair.happens(number).await;
            let before = files(&pair.at("low"));
            if mode < 2 {
                assert_eq!(pair.carrier.carry().is_ok(), mode == 0);
                pair.look().await;
            }
            assert_eq!(files(&pair.at("low")), before);
        }
        assert_eq!(pair.cosigned() > 0, mode == 0);
        // ML-DSA signatures are made with chance; what is signed is the same.
        let texts = files(&pair.at("low")).into_iter().map(|(path, bytes)| {
            let bundle = Bundle::parse(&bytes).unwrap();
            (path.file_name().unwrap().to_owned(), bundle.old, bundle.proof, bundle.note.text)
        });
        outboxes.push(texts.collect::<Vec<_>>());
    }
    assert!(outboxes[0].len() == 6 && outboxes[0] == outboxes[1] && outboxes[1] == outboxes[2]);
}

#[tokio::test]
async fn a_carrier_who_repeats_signatures_disables_no_witness() {
    let mut pair = pair().await;
    pair.happens(0).await;
    std::fs::create_dir_all(pair.at("high/witness")).unwrap();
    // As many lines as a note may have, of each kind; ML-DSA's are long.
    for (number, repeated) in [(1, 0), (2, 1)] {
        pair.happens(number).await;
        let mut bundle = pair.shown(pair.signed());
        let line = bundle.note.signatures[repeated].clone();
        bundle.note.signatures.resize(if repeated == 0 { 32 } else { 28 }, line);
        pair.send(bundle.old, pair.signed(), bundle.to_string().as_bytes());
        pair.look().await;
        assert_eq!((pair.cosigned(), pair.inbox_is_empty()), (pair.signed(), true));
        assert_eq!(pair.take_alarms(), Vec::<String>::new());
        let key = pair.high.witness_key().verifier().unwrap();
        let (_, note) = cosigned(&pair.high.store, &key, &region_origin(LOW)).unwrap().unwrap();
        assert_eq!(note.signatures.len(), 3, "one of each key");
    }
}

#[tokio::test]
async fn thousands_of_bundles_keep_an_inbox_from_nothing() {
    let mut pair = behind().await;
    let (seen, newest) = (pair.cosigned(), pair.signed());
    let genuine = pair.shown(newest);
    let before = pair.shown(genuine.old);
    assert!(before.old > seen, "one is missing");
    // Whoever brings bundles makes as many of one note as there are sizes: where a proof begins is under no signature.
    let count = 900;
    for old in 1_000..1_000 + count {
        let bundle = Bundle { old: 0, proof: Vec::new(), ..genuine.clone() };
        pair.send(old, newest, bundle.to_string().as_bytes());
    }
    let left = |pair: &Pair| files(&pair.at("high/witness")).len() as u64;
    for look in 1..=5 {
        pair.look().await;
        let read = (look * 256).min(count);
        assert_eq!(left(&pair), count - (read - 1), "a look reads so many, and one of a size waits");
    }
    assert_eq!(pair.cosigned(), seen);
    assert_eq!(pair.take_alarms().len(), 1, "that something is missing");
    // What is missing heals it, in the same look.
    let missing = pair.shown(before.old);
    pair.send(missing.old, before.old, missing.to_string().as_bytes());
    pair.send(before.old, genuine.old, before.to_string().as_bytes());
    pair.send(genuine.old, newest, genuine.to_string().as_bytes());
    pair.look().await;
    assert_eq!((pair.cosigned(), pair.inbox_is_empty()), (newest, true));
    assert_eq!(pair.take_alarms(), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_removed_and_what_is_never_finished_is_passed_over() {
    let mut pair = pair().await;
    pair.happens(0).await;
    pair.carrier.carry().unwrap();
    pair.look().await;
    let inbox = pair.at("high/witness");
    for folder in [inbox.join("0"), pair.at("low/asked/7")] {
        std::fs::create_dir_all(folder.join("within")).unwrap();
    }
    let written = |name: &str, ago: u64| {
        let file = std::fs::File::create(inbox.join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW - ago)).unwrap();
    };
    written("half.new", 60);
    written("never.new", 4_000);
    for number in 1..4 {
        pair.happens(number).await;
        pair.carrier.carry().unwrap();
        pair.look().await;
        assert_eq!(pair.cosigned(), pair.signed(), "it goes on");
    }
    let names = std::fs::read_dir(&inbox).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<BTreeSet<_>>(), ["0", "half.new"].map(Into::into).into());
    let alarms = pair.take_alarms();
    assert!((1..=2).contains(&alarms.len()) && alarms.iter().all(|one| one.contains("malformed")), "{alarms:?}");
    // Questions are answered as before.
    let seen = pair.cosigned();
    pair.happens(4).await;
    std::fs::write(pair.at("low/asked").join("1"), b"").unwrap();
    pair.outbox.look(&pair.low.store, &pair.keys()).unwrap();
    assert_eq!(files(&pair.at("low/asked")).len(), 0);
    assert!(pair.at("low/witness").join(format!("{:020}-{:020}", pair.signed(), 1)).exists());
    assert!(seen < pair.signed());
}

#[tokio::test]
async fn a_bundle_in_the_place_of_one_that_waits_is_read() {
    let mut pair = behind().await;
    let (seen, newest) = (pair.cosigned(), pair.signed());
    let waits = pair.shown(newest);
    pair.send(waits.old, newest, waits.to_string().as_bytes());
    pair.look().await;
    assert_eq!(pair.cosigned(), seen);
    // Under the same name, what leads on.
    std::fs::write(pair.at("low/asked").join(seen.to_string()), b"").unwrap();
    pair.outbox.look(&pair.low.store, &pair.keys()).unwrap();
    let leads = std::fs::read(pair.at("low/witness").join(format!("{newest:020}-{seen:020}"))).unwrap();
    pair.send(waits.old, newest, &leads);
    pair.look().await;
    assert_eq!((pair.cosigned(), pair.inbox_is_empty()), (newest, true));
}

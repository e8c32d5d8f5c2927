//! What the region's keeper does when something is wrong: with the clock, the disk, a log, the chain of an older program.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use fastness_gate::Environment;
use fastness_label::{Label, Policy};
use fastness_ledger::{Checkpoint, Entry, Log, LogError, Outcome, verify};
use fastness_operation::{AccessKeyId, Moment};
use fastness_region::{LedgerKeeper, RegionFolder, Witnessing};
use fastness_store::disk::{MemoryDisk, OsDisk};
use fastness_store::{Kept, RegionSetup, Store};
use fastness_vault::{FileSeal, RootSeal};
use http::Method;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use support::{Ask, Counted, House, S, TOP, Template, U, ledger_entry};

const DAY_MS: i64 = 86_400_000;
const DAY: Duration = Duration::from_secs(86_400);

/// When the entries of [`fill`] were made, and a time soon after.
const THEN_MS: i64 = 1_769_000_000_000;
const SOON_MS: i64 = THEN_MS + 60_000;
const MIB: u64 = 1 << 20;

/// A clock that a test sets.
#[derive(Debug)]
struct Set(AtomicI64);

impl Environment for Set {
    fn moment(&self, _: Option<&AccessKeyId>) -> Moment {
        Moment { now_ms: self.0.load(Ordering::Relaxed), seed: [5; 32] }
    }
}

fn clock(now_ms: i64) -> Arc<Set> {
    Arc::new(Set(AtomicI64::new(now_ms)))
}

fn start(house: &House, clock: &Arc<Set>, keep: Option<Duration>) -> LedgerKeeper {
    LedgerKeeper::start(house.store.clone(), clock.clone(), keep, house.keeper_keys(), Witnessing::default()).unwrap()
}

/// A keeper that saw the clock be steady for a day.
async fn start_steady(house: &House, clock: &Arc<Set>, keep: Duration) -> LedgerKeeper {
    let text = format!("{} {DAY_MS}\n", clock.0.load(Ordering::Relaxed));
    put_note(&house.store, house.store.labels().ceiling(), "clock", text.as_bytes()).await;
    start(house, clock, Some(keep))
}

async fn put_note(store: &Store, label: Label, name: &str, text: &[u8]) {
    let notes = vec![(name.to_owned(), text.to_vec())];
    store.keep(label, Kept { notes, ..Kept::default() }).await.unwrap();
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waited = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(120), waited).await.is_ok(), "{what}");
}

fn entry(time_ms: i64, number: u64) -> Vec<u8> {
    ledger_entry(S, time_ms, number).record(&[1; 32])
}

/// Appends entries of a time until the ledger at a label has so many.
async fn fill(store: &Store, label: Label, to: u64, time_ms: i64) {
    for number in store.ledger(label).unwrap().length..to {
        store.note(label, entry(time_ms, number)).await.unwrap();
    }
    store.flush().await.unwrap();
}

async fn pack(store: &Store, label: Label) {
    while store.pack(label, fastness_ledger::digest).await.unwrap() {}
}

/// All entries of a label's ledger that can be read.
fn entries(store: &Store, label: Label) -> Vec<Entry> {
    let mut found = Vec::new();
    let see = |_, _: &[u8; 32], content: Option<&[u8]>| {
        found.extend(content.map(|content| Entry::decode_content(content).unwrap()));
        true
    };
    store.ledger_rows(label, 0, u64::MAX, see).unwrap();
    found
}

/// What entries by the region of one operation say.
fn said(store: &Store, label: Label, operation: &str) -> Vec<String> {
    let of = entries(store, label).into_iter().filter(|entry| entry.operation == operation);
    of.filter_map(|entry| match entry.outcome {
        Outcome::Done(what) => what,
        _ => None,
    })
    .collect()
}

fn alarms(house: &House) -> Vec<String> {
    said(&house.store, house.store.labels().ceiling(), "Alarm")
}

/// Waits for some looks: each step of the keeper notes or signs something of this entry.
async fn looks(house: &House, label: Label, count: u64) {
    let note = || house.store.note_kept(label, "checkpoint").unwrap();
    for _ in 0..count {
        let before = note();
        let length = house.store.ledger(label).unwrap().length;
        fill(&house.store, label, length + 1, SOON_MS).await;
        until("it looks", || note() != before).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_steps_ahead_drops_nothing_and_is_an_alarm() {
    let template = Template::make().await;
    let house = template.open();
    let (label, low) = (template.label(S), template.label(U));
    fill(&house.store, label, 8_192, THEN_MS).await;
    let clock = clock(SOON_MS);
    let keeper = start_steady(&house, &clock, DAY).await;
    until("all is packed", || house.store.ledger(label).unwrap().packed == 8_192).await;
    clock.0.store(SOON_MS + 365 * DAY_MS, Ordering::Relaxed);
    until("it is told", || !alarms(&house).is_empty()).await;
    looks(&house, low, 2).await;
    // It goes back to what it was, which is no day either.
    clock.0.store(SOON_MS, Ordering::Relaxed);
    until("that is told, too", || alarms(&house).len() == 2).await;
    looks(&house, low, 1).await;
    drop(keeper);
    assert_eq!(house.store.ledger(label).unwrap().dropped, 0);
    let told = alarms(&house);
    assert!(told[0].starts_with("the clock stepped ahead by 315") && told[0].contains("steady for a day"), "{told:?}");
    assert!(told[1].starts_with("the clock stepped back by 315"), "{told:?}");
    // Nor after a start with a wrong date.
    clock.0.store(SOON_MS + 365 * DAY_MS, Ordering::Relaxed);
    let keeper = start(&house, &clock, Some(DAY));
    until("a start tells of it", || alarms(&house).len() == 3).await;
    looks(&house, low, 1).await;
    drop(keeper);
    assert_eq!(house.store.ledger(label).unwrap().dropped, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_a_far_future_keeps_nothing_for_ever_and_a_log_under_alarm_is_kept() {
    let template = Template::make().await;
    let house = template.open();
    let (label, unfit) = (template.label(U), template.label(S));
    for label in [label, unfit] {
        let length = house.store.ledger(label).unwrap().length;
        fill(&house.store, label, length + 1, SOON_MS + 70 * 365 * DAY_MS).await;
        fill(&house.store, label, 12_288, THEN_MS).await;
        pack(&house.store, label).await;
    }
    // What S signed is not what is there.
    let origin = Log::of_partition(&house.store, unfit).origin();
    let forged = Checkpoint { origin: origin.clone(), size: 1_000_000, root: [7; 32] };
    let note = house.keeper_keys().0.sign(&origin, forged.to_string()).unwrap();
    put_note(&house.store, unfit, "checkpoint", note.to_string().as_bytes()).await;
    let clock = clock(SOON_MS + 2 * DAY_MS);
    let keeper = start_steady(&house, &clock, DAY).await;
    until("what is old is dropped", || house.store.ledger(label).unwrap().dropped == 12_288).await;
    until("and recorded", || !said(&house.store, label, "DropContents").is_empty()).await;
    looks(&house, label, 2).await;
    assert_eq!(house.store.ledger(unfit).unwrap().dropped, 0, "somebody will want to see it");

    // The alarm is one, whatever number it says.
    for _ in 0..3 {
        let length = house.store.ledger(unfit).unwrap().length;
        fill(&house.store, unfit, length + 1, SOON_MS).await;
        looks(&house, label, 1).await;
    }
    drop(keeper);
    let told = alarms(&house);
    assert!(told.len() == 1 && told[0].contains("over 1000000 entries, 12288 are there"), "{told:?}");
}

#[tokio::test]
async fn a_ledger_that_is_put_back_after_a_long_time_is_not_signed() {
    let template = Template::make().await;
    let house = template.open();
    let (label, busy) = (template.label(S), template.label(U));
    let mut keeper = house.keeper();
    fill(&house.store, label, 10, THEN_MS).await;
    assert_eq!(keeper.step().await.alarms, []);
    let older = house.store.note_kept(label, "checkpoint").unwrap().unwrap();
    fill(&house.store, label, 20, THEN_MS).await;
    assert_eq!(keeper.step().await.alarms, []);
    // Others are busy: more checkpoints than anybody looks through.
    for number in 0..4_200 {
        house.store.record(busy, entry(THEN_MS, number)).await.unwrap();
        assert_eq!(keeper.step().await.alarms, []);
    }
    put_note(&house.store, label, "checkpoint", &older).await;
    fill(&house.store, label, 21, THEN_MS).await;
    let step = house.keeper().step().await;
    let log = Log::of_partition(&house.store, label).origin();
    assert_eq!(step.alarms, [(log, LogError::PutBack { bound: 20, signed: 10 })]);
    assert_eq!(step.signed, []);
}

#[tokio::test]
async fn a_checkpoint_that_was_removed_is_an_alarm() {
    let template = Template::make().await;
    let house = template.open();
    let label = template.label(S);
    fill(&house.store, label, 300, THEN_MS).await;
    assert_eq!(house.keeper().step().await.alarms, []);
    // Where only hashes and entries are, somebody took the note: no key would help against who can do that everywhere.
    let other = template.open();
    let hashes = house.store.tiles(label, fastness_store::LedgerLog::Partition, 1, 0, 1).unwrap();
    let tiles = vec![(fastness_store::LedgerLog::Partition, 1, 0, hashes[0])];
    other.store.keep(label, Kept { tiles, ..Kept::default() }).await.unwrap();
    let region = vec![b"a checkpoint\n".to_vec()];
    other.store.keep(template.label(TOP), Kept { region, ..Kept::default() }).await.unwrap();
    let logs = [Log::of_partition(&other.store, label), Log::of_region(&other.store)];
    let step = other.keeper().step().await;
    assert_eq!(step.alarms, logs.map(|log| (log.origin(), LogError::Missing)));
}

/// Leaves so many bytes of a disk free.
fn leave(disk: &MemoryDisk, store: &Store, free: u64) {
    disk.set_full(1 << 40);
    let used = (1_u64 << 40) - store.free_bytes().unwrap();
    disk.set_full(used + free);
}

async fn full() -> (Template, MemoryDisk, House) {
    let template = Template::make().await;
    let disk = template.disk();
    let house = template.open_on(&disk, Arc::new(Counted::default())).unwrap();
    for ask in [put("bucket", b""), put("bucket/key", b"before")] {
        assert_eq!(house.send(Some(&template.cast["ana SECRET"]), &ask).await.status, 200);
    }
    (template, disk, house)
}

fn put(target: &str, body: &'static [u8]) -> Ask {
    Ask::s3(Method::PUT, format!("/{target}")).body(body)
}

fn get(target: &str) -> Ask {
    Ask::s3(Method::GET, format!("/{target}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_is_one_alarm_and_writes_stop_before_records_do() {
    let (template, disk, house) = full().await;
    let (ana, label) = (Some(&template.cast["ana SECRET"]), template.label(S));
    let keeper = start(&house, &clock(SOON_MS), None);
    looks(&house, template.label(U), 2).await;
    assert_eq!(alarms(&house), Vec::<String>::new(), "there is room");

    // Nearly full: it is told, and data is still taken.
    leave(&disk, &house.store, 64 * MIB);
    until("it is told", || !alarms(&house).is_empty()).await;
    assert_eq!(house.send(ana, &put("bucket/more", b"more")).await.status, 200);

    // Fuller: data is refused, and everything is still recorded.
    leave(&disk, &house.store, 12 * MIB);
    // The disk is asked ten times a second.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let length = house.store.ledger(label).unwrap().length as usize;
    let refused = house.send(ana, &put("bucket/again", &[7; 20_000])).await;
    assert_eq!((refused.status, refused.one("Code").as_str()), (507, "InsufficientStorage"), "{refused:?}");
    let read = house.send(ana, &get("bucket/key")).await;
    assert_eq!((read.status, read.text().as_str()), (200, "before"));
    assert_eq!(house.send(ana, &get("bucket/again")).await.status, 404);
    house.store.flush().await.unwrap();
    let newest = entries(&house.store, label).split_off(length);
    let outcomes = newest.iter().map(|entry| (entry.operation.as_str(), matches!(entry.outcome, Outcome::Done(_))));
    let expected = [("PutObject", false), ("GetObject", true), ("GetObject", false)];
    assert_eq!(outcomes.collect::<Vec<_>>(), expected, "{newest:?}");
    looks(&house, template.label(U), 3).await;
    drop(keeper);
    let told = alarms(&house);
    assert!(told.len() == 1 && told[0].starts_with("the disk is nearly full"), "once: {told:?}");
    let reports = verify(&house.store, &house.log_keys(), |_| ()).unwrap();
    assert!(reports.iter().all(|report| report.finding.is_none()), "{reports:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_not_done_and_is_an_alarm_once_there_is_room() {
    let (template, disk, house) = full().await;
    let (ana, label) = (Some(&template.cast["ana SECRET"]), template.label(S));
    let keeper = start(&house, &clock(SOON_MS), None);
    looks(&house, template.label(U), 1).await;
    let before = house.store.ledger(label).unwrap().length;
    // Not one byte left.
    leave(&disk, &house.store, 0);
    let asks =
        [put("bucket/key", b""), Ask::s3(Method::DELETE, "/bucket/key"), put("bucket/new", b""), get("bucket/nothing")];
    for ask in &asks {
        let refused = house.send(ana, ask).await;
        assert!(refused.status >= 500, "{ask:?}: {refused:?}");
    }
    assert_eq!(house.store.ledger(label).unwrap().length, before);
    tokio::time::sleep(Duration::from_millis(2_500)).await;

    disk.set_full(1 << 40);
    let of_records = || {
        let told = alarms(&house);
        told.into_iter().filter(|alarm| alarm.contains("records could not be written")).collect::<Vec<_>>()
    };
    let log = Log::of_partition(&house.store, label).origin();
    until("it is told", || of_records().iter().any(|alarm| alarm.contains(&format!("{log}:")))).await;
    // Nothing of it was done.
    let read = house.send(ana, &get("bucket/key")).await;
    assert_eq!((read.status, read.text().as_str()), (200, "before"));
    assert_eq!(house.send(ana, &get("bucket/new")).await.status, 404);
    looks(&house, template.label(U), 2).await;
    drop(keeper);
    let told = of_records();
    assert_eq!(told.iter().filter(|alarm| alarm.contains(&format!("{log}:"))).count(), 1, "once: {told:?}");
    assert_eq!(alarms(&house).iter().filter(|alarm| alarm.contains("nearly full")).count(), 1, "it was");
}

/// A folder that a program of format 1 wrote.
fn older_folder(to: &Path) -> (RegionSetup, Moment) {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/format/1.tar.xz");
    let done = std::process::Command::new("tar").arg("-xJf").arg(packed).arg("-C").arg(to).status().unwrap();
    assert!(done.success());
    let setup = RegionSetup {
        name: "us-isob-east-1".to_owned(),
        floor: U.to_owned(),
        ceiling: S.to_owned(),
        labels: Vec::new(),
    };
    (setup, Moment { now_ms: THEN_MS, seed: [3; 32] })
}

#[tokio::test]
async fn how_an_older_chain_ended_is_in_the_ledger_before_anybody_is_served() {
    for is_late in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (setup, moment) = older_folder(folder.path());
        let data = folder.path().join("data");
        if is_late {
            // A program that served first.
            let root = FileSeal::new(data.join("root.key")).load().unwrap().unwrap();
            let store = Store::open(Arc::new(OsDisk::new(&data)), root, Policy::us()).unwrap();
            for ledger in store.ledgers().unwrap() {
                store.record(ledger.label, entry(THEN_MS, 0)).await.unwrap();
            }
            store.close();
        }
        let place = usize::from(is_late);
        for _ in 0..3 {
            let opened = RegionFolder::open(&data).unwrap();
            let store = opened.open_or_make(Policy::us(), setup.clone(), moment).await.unwrap();
            let mut chains = 0;
            for ledger in store.ledgers().unwrap() {
                let Some((length, head)) = ledger.frozen else { continue };
                let head: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(said(&store, ledger.label, "EndChain"), [format!("entries={length} head={head}")]);
                assert_eq!(entries(&store, ledger.label)[place].operation, "EndChain");
                chains += 1;
            }
            assert_eq!(chains, 2, "both labels of the folder had one");
            store.close();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_an_older_chain_ended_is_said_anew_when_contents_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (setup, moment) = older_folder(folder.path());
    let opened = RegionFolder::open(&folder.path().join("data")).unwrap();
    let keys = (opened.signing_keys().unwrap(), opened.witness_key(&setup.name).unwrap());
    let store = opened.open_or_make(Policy::us(), setup, moment).await.unwrap();
    let label = Policy::us().label(U).unwrap();
    fill(&store, label, 4_096, THEN_MS).await;
    pack(&store, label).await;
    let before = said(&store, label, "EndChain");
    let clock = clock(THEN_MS + 2 * DAY_MS);
    let text = format!("{} {DAY_MS}\n", THEN_MS + 2 * DAY_MS);
    put_note(&store, store.labels().ceiling(), "clock", text.as_bytes()).await;
    let keeper = LedgerKeeper::start(store.clone(), clock, Some(DAY), keys, Witnessing::default()).unwrap();
    until("contents are dropped", || store.ledger(label).unwrap().dropped == 4_096).await;
    drop(keeper);
    assert_eq!((said(&store, label, "EndChain"), before.len()), (before, 1));
    assert_eq!(said(&store, label, "DropContents").len(), 1);
    store.close();
}

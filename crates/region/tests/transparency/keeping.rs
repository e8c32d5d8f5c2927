//! What the region's keeper does while nobody looks: signs, packs, drops what is old, raises alarms.

use crate::files::fill;
use crate::support::{House, S, TOP, Template};
use fastness_gate::Environment;
use fastness_label::Label;
use fastness_ledger::{Entry, Outcome, verify};
use fastness_operation::{AccessKeyId, Moment};
use fastness_region::{LedgerKeeper, Witnessing};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock that a test sets.
#[derive(Debug)]
struct Set(AtomicI64);

impl Environment for Set {
    fn moment(&self, _: Option<&AccessKeyId>) -> Moment {
        Moment { now_ms: self.0.load(Ordering::Relaxed), seed: [5; 32] }
    }
}

/// When the entries of [`fill`] were made, and a time soon after.
const THEN_MS: i64 = 1_769_000_000_000;
const SOON_MS: i64 = THEN_MS + 60_000;

fn start(house: &House, clock: &Arc<Set>, keep: Option<Duration>) -> LedgerKeeper {
    LedgerKeeper::start(house.store.clone(), clock.clone(), keep, house.keeper_keys(), Witnessing::default()).unwrap()
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waited = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(120), waited).await.is_ok(), "{what}");
}

/// Entries by the region of one operation, in the ledger of a label.
fn by_the_region(house: &House, label: Label, operation: &str) -> Vec<String> {
    let mut found = Vec::new();
    let see = |_, _: &[u8; 32], content: Option<&[u8]>| {
        let entry = content.and_then(|content| Entry::decode_content(content).ok());
        if let Some(Entry { operation: of, outcome: Outcome::Done(Some(what)), .. }) = entry
            && of == operation
        {
            found.push(what);
        }
        true
    };
    house.store.ledger_rows(label, 0, u64::MAX, see).unwrap();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_is_signed_and_packed_and_what_is_old_is_dropped() {
    let template = Template::make().await;
    let house = template.open();
    let label = template.label(S);
    fill(&house.store, &template, S, 9_000, 1).await;
    let clock = Arc::new(Set(AtomicI64::new(SOON_MS)));
    let keeper = start(&house, &clock, Some(Duration::from_secs(86_400)));
    until("all is packed", || house.store.ledger(label).unwrap().packed == 8_192).await;
    let note = || house.store.note_kept(label, "checkpoint").unwrap();
    until("all is signed", || note().is_some()).await;
    assert_eq!(house.store.ledger(label).unwrap().dropped, 0, "nothing is a day old");
    // A day and more later, by a clock that was steady.
    drop(keeper);
    clock.0.store(SOON_MS + 2 * 86_400_000, Ordering::Relaxed);
    let text = format!("{} 86400000\n", SOON_MS + 2 * 86_400_000);
    let notes = vec![("clock".to_owned(), text.into_bytes())];
    let kept = fastness_store::Kept { notes, ..fastness_store::Kept::default() };
    house.store.keep(template.label(TOP), kept).await.unwrap();
    let keeper = start(&house, &clock, Some(Duration::from_secs(86_400)));
    until("what is old is dropped", || house.store.ledger(label).unwrap().dropped == 8_192).await;
    until("and recorded", || !by_the_region(&house, label, "DropContents").is_empty()).await;
    assert_eq!(by_the_region(&house, label, "DropContents"), ["from=0 to=8191 kept-ms=86400000"]);
    drop(keeper);
    let reports = verify(&house.store, &house.log_keys(), |_| ()).unwrap();
    assert!(reports.iter().all(|report| report.finding.is_none()), "{reports:?}");
    let report = reports.iter().find(|report| report.label == label).unwrap();
    assert_eq!((report.dropped, report.signed), (8_192, 9_001), "what ends is signed before it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_steps_back_is_an_alarm_at_the_ceiling() {
    let template = Template::make().await;
    let house = template.open();
    let clock = Arc::new(Set(AtomicI64::new(SOON_MS)));
    let keeper = start(&house, &clock, None);
    let note = || house.store.note_kept(template.label(TOP), "region-checkpoint").unwrap();
    until("it has looked once", || note().is_some()).await;
    clock.0.store(SOON_MS - 5_000, Ordering::Relaxed);
    let alarms = || by_the_region(&house, template.label(TOP), "Alarm");
    until("it is told", || !alarms().is_empty()).await;
    drop(keeper);
    assert_eq!(alarms(), [format!("the clock stepped back by 5000 ms, from {SOON_MS}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_is_an_alarm_and_is_not_signed() {
    let mut signed = crate::files::signed().await;
    let label = signed.template.label(S);
    let older = signed.copies[0]["checkpoint"].clone();
    let kept = fastness_store::Kept {
        notes: vec![("checkpoint".to_owned(), older.clone())],
        ..fastness_store::Kept::default()
    };
    signed.house.store.keep(label, kept).await.unwrap();
    signed.keeper = signed.house.keeper();
    let clock = Arc::new(Set(AtomicI64::new(SOON_MS)));
    let keeper = start(&signed.house, &clock, None);
    let alarms = || by_the_region(&signed.house, signed.template.label(TOP), "Alarm");
    until("it is told", || !alarms().is_empty()).await;
    drop(keeper);
    let alarms = alarms();
    assert!(alarms.len() == 1 && alarms[0].contains("it was put back"), "raised once: {alarms:?}");
    assert_eq!(signed.house.store.note_kept(label, "checkpoint").unwrap(), Some(older), "not signed over");
}

//! The power goes at any step of sending and of receiving: each object goes once and arrives once.

use crate::play::{Play, Side, WORD};
use crate::support::{S, U};
use fastness_gate::{Opening, Taken};
use fastness_store::disk::FaultKind;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const ANA: &str = "ana SECRET";

/// How many days it takes until all has gone.
const DAYS: usize = 3;

/// Sends what goes today and on the days after that, with a disk that stops after so many operations; whether all was done
/// before.
async fn send_until(side: &Side, operations: u64) -> bool {
    let before = side.disk.counts().0;
    side.disk.fail_next(FaultKind::Any, operations, u64::MAX);
    for _ in 0..DAYS {
        if side.house.gate.send_lifts(side.label(S)).await.is_err() {
            return false;
        }
        side.clocks.advance_days(1);
    }
    side.disk.counts().0 - before < operations
}

#[tokio::test]
async fn the_power_goes_at_each_step_of_sending_and_each_object_goes_once() {
    let mut play = Play::begin().await;
    play.map_low(json!({ "objects_per_day": 2 })).await;
    let keys: Vec<String> = (0..5).map(|number| format!("k{number}")).collect();
    for key in &keys {
        play.low.put(ANA, key, key.repeat(30_000)).await;
    }
    let lift = play.start(ANA).await;
    play.low.house.store.close();
    let beginning = play.low.disk.crash(0);
    let (mut operations, mut cut) = (0, 0);
    loop {
        play.low.open_on(beginning.crash(operations));
        let is_done = send_until(&play.low, operations).await;
        play.low.lose_power(operations + 77);
        for _ in 0..DAYS {
            play.low.send_all(S).await;
            play.low.clocks.advance_days(1);
        }
        let mut sent: BTreeMap<String, usize> = BTreeMap::new();
        let bundles = play.low.taken(S);
        for bundle in &bundles {
            let (_, contents) = play.read(&play.sign(bundle));
            for (key, content) in contents {
                assert!(content == key.repeat(30_000).as_bytes(), "{key}");
                *sent.entry(key).or_default() += 1;
            }
        }
        let expected: BTreeMap<String, usize> = keys.iter().map(|key| (key.clone(), 1)).collect();
        let described = play.describe(ANA, &lift).await;
        assert_eq!(sent, expected, "cut after {operations} operations: {described}");
        assert_eq!((&described["sent"], &described["bundles"]), (&json!(5), &json!(bundles.len())), "{described}");
        let entries = play.low.events("vera SECRET", "SendObjects").await;
        assert_eq!(entries.len(), bundles.len(), "one entry a bundle");
        cut += usize::from(!is_done);
        if is_done {
            break;
        }
        operations += 1 + operations / 30;
    }
    assert!(cut > 5, "{cut}");
}

#[tokio::test]
async fn the_power_goes_at_each_step_of_receiving_and_each_object_arrives_once() {
    let mut play = Play::begin().await;
    play.high.versioning("ana UNCLASSIFIED", "Enabled").await;
    for number in 0..140 {
        let content = match number {
            7 => WORD.to_owned(),
            9 => "x".repeat(60_000),
            _ => format!("text {number}"),
        };
        play.low.put(ANA, &format!("{number:03}"), content).await;
    }
    play.start(ANA).await;
    assert_eq!(play.low.send_all(S).await, 1);
    let bundle = play.sign(&play.low.taken(S)[0]);
    play.high.house.store.close();
    let beginning = play.high.disk.crash(0);
    let (mut operations, mut cut) = (0, 0);
    loop {
        play.high.open_on(beginning.crash(operations));
        let before = play.high.disk.counts().0;
        play.high.disk.fail_next(FaultKind::Any, operations, u64::MAX);
        let is_done = match play.high.open(&bundle).await {
            Opening::Ready(bundle) => play.high.house.gate.take_bundle(*bundle).await.is_ok(),
            _ => false,
        } && play.high.disk.counts().0 - before < operations;
        play.high.lose_power(operations + 99);
        // The carrier's file is there as long as nobody said that it is done with.
        let taken = play.high.receive(&bundle).await;
        let whole = Taken::Whole { accepted: 139, quarantined: 1, refused: 0 };
        assert!(taken == whole || taken == Taken::Refused("replayed"), "{taken:?} after {operations}");
        let versions = play.high.versions(ANA).await;
        let names: BTreeSet<&String> = versions.iter().collect();
        assert_eq!((versions.len(), names.len()), (139, 139), "cut after {operations} operations");
        let listed = play.high.done(ANA, "ListArrivals", json!({ "from": crate::play::LOW })).await;
        assert_eq!(listed["arrivals"][0]["spills"].as_array().unwrap().len(), 1, "{listed}");
        let entries = play.high.events("vera SECRET", "ReceiveObjects").await;
        assert_eq!(entries.len(), 2, "one entry a batch");
        assert_eq!(play.high.send_all(U).await, 0);
        cut += usize::from(!is_done);
        if is_done {
            break;
        }
        operations += 1 + operations / 30;
    }
    assert!(cut > 5, "{cut}");
}

//! Bundles of a label that are taken in side by side, and what changes while the guard looks.

use crate::play::{Pause, Play};
use crate::support::U;
use fastness_gate::{ArrivingBundle, Gate, Line, Opening, Place, Taken};
use fastness_store::Fault;
use serde_json::json;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinHandle;

const ANA_LOW: &str = "ana UNCLASSIFIED";
const SOON: Duration = Duration::from_secs(30);

/// Two regions, and two bundles of the lower one's bucket, the second with what was written since the first.
struct Two {
    play: Play,
    line: Line,
    bundles: [Vec<u8>; 2],
}

impl Two {
    async fn begin(first: &[(&str, &str)], then: &[(&str, &str)]) -> Self {
        let (play, mut bundles) = (Play::begin().await, Vec::new());
        for written in [first, then] {
            for (key, content) in written {
                play.low.put(ANA_LOW, key, (*content).to_owned()).await;
            }
            play.start(ANA_LOW).await;
            assert_eq!(play.low.send_all(U).await, 1);
            bundles.push(play.sign(play.low.taken(U).last().unwrap()));
        }
        Self { play, line: Line::default(), bundles: bundles.try_into().unwrap() }
    }

    /// Has a bundle taken in, behind those that are.
    async fn take(&self, which: usize) -> JoinHandle<Result<Taken, Fault>> {
        let Opening::Ready(bundle) = self.play.high.open(&self.bundles[which]).await else { panic!("it may come in") };
        tokio::spawn(take(self.play.high.house.gate.clone(), *bundle, self.line.join()))
    }

    /// Has the first one taken in, as far as to the guard, who then waits for the answer's sender.
    async fn hold_first(&self) -> (JoinHandle<Result<Taken, Fault>>, mpsc::Sender<()>) {
        let (pause, is_reached, go_on) = Pause::new();
        *self.play.high.guard.pause.lock().unwrap() = Some(pause);
        let taking = self.take(0).await;
        tokio::task::spawn_blocking(move || is_reached.recv_timeout(SOON)).await.unwrap().unwrap();
        (taking, go_on)
    }

    /// Waits until the guard has looked at so many batches, the one that is held up among them.
    async fn looked_at(&self, batches: usize) {
        let begin = Instant::now();
        while self.play.high.guard.batches.load(Ordering::Relaxed) < batches {
            assert!(begin.elapsed() < SOON, "the guard does not look at {batches} batches");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // What comes after the look, if it may.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    async fn keys(&self) -> Vec<String> {
        self.play.high.versions(ANA_LOW).await
    }
}

async fn take(gate: Gate, bundle: ArrivingBundle, place: Place) -> Result<Taken, Fault> {
    gate.take_bundle_at(bundle, place).await
}

fn whole(accepted: u32) -> Taken {
    Taken::Whole { accepted, quarantined: 0, refused: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_bundle_is_looked_at_beside_the_first_and_committed_after_it() {
    let two = Two::begin(&[("a", "old")], &[("a", "new"), ("b", "new")]).await;
    let (first, go_on) = two.hold_first().await;
    let second = two.take(1).await;
    two.looked_at(2).await;
    assert_eq!(two.keys().await, [""; 0], "nothing of the second is there before the first");
    assert!(!second.is_finished());
    go_on.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), whole(1), "and none of it came too late");
    assert_eq!(second.await.unwrap().unwrap(), whole(2));
    assert_eq!(two.play.high.get(ANA_LOW, "a").await.text(), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_looked_at_meanwhile_is_committed_whole_and_in_its_order() {
    let keys: Vec<String> = (0..900).map(|number| format!("{number:03}")).collect();
    let many: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "text")).collect();
    let two = Two::begin(&[("a", "old")], &many).await;
    let (first, go_on) = two.hold_first().await;
    let second = two.take(1).await;
    // More than wait to be committed.
    two.looked_at(6).await;
    go_on.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), whole(1));
    assert_eq!(second.await.unwrap().unwrap(), whole(901), "at once");
    let entries = two.play.high.events("vera UNCLASSIFIED", "ReceiveObjects").await;
    let refused = |entry: &&serde_json::Value| entry.get("errorCode").is_some_and(|code| !code.is_null());
    assert_eq!((entries.len(), entries.iter().filter(refused).count()), (1 + 10, 0), "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_to_be_committed_has_the_time_of_its_commit() {
    let two = Two::begin(&[("a", "old")], &[("a", "new")]).await;
    let (first, go_on) = two.hold_first().await;
    let second = two.take(1).await;
    two.looked_at(2).await;
    two.play.high.clocks.advance_days(1);
    let now_ms = two.play.high.clocks.now_ms();
    go_on.send(()).unwrap();
    assert_eq!((first.await.unwrap().unwrap(), second.await.unwrap().unwrap()), (whole(1), whole(1)));
    let entries = two.play.high.events("vera UNCLASSIFIED", "ReceiveObjects").await;
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let time = time::OffsetDateTime::parse(entry["eventTime"].as_str().unwrap(), &Rfc3339).unwrap();
        let apart_s = time.unix_timestamp() - now_ms / 1_000;
        assert!(apart_s.abs() < 60 * 60, "{apart_s} seconds from its commit: {entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bundle_under_two_numbers_beside_itself_comes_once() {
    let mut two = Two::begin(&[("a", "text")], &[]).await;
    two.bundles[1] = two.play.sign_as(&two.bundles[0], 9);
    let (first, go_on) = two.hold_first().await;
    let second = two.take(1).await;
    two.looked_at(2).await;
    go_on.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), whole(1));
    assert_eq!(second.await.unwrap().unwrap(), Taken::Refused("replayed"));
    let entries = two.play.high.events("vera UNCLASSIFIED", "ReceiveObjects").await;
    let codes: Vec<&str> = entries.iter().filter_map(|entry| entry["errorCode"].as_str()).collect();
    assert_eq!((entries.len(), codes), (2, vec!["InvalidRequest"]), "what came, and what was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_ends_early_lets_the_next_one_go_on() {
    let two = Two::begin(&[("a", "old")], &[("a", "new")]).await;
    let (first, go_on) = two.hold_first().await;
    let second = two.take(1).await;
    two.looked_at(2).await;
    *two.play.high.guard.broken_from.lock().unwrap() = Some(0);
    go_on.send(()).unwrap();
    assert!(first.await.unwrap().is_err());
    assert_eq!(second.await.unwrap().unwrap(), whole(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bundles_side_by_side_have_one_days_measure() {
    let two = Two::begin(&[("a", "1"), ("b", "1")], &[("0", "2")]).await;
    two.play.map_high(json!({ "objects_per_day": 3 })).await;
    let (first, go_on) = two.hold_first().await;
    let second = two.take(1).await;
    two.looked_at(2).await;
    go_on.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), whole(2));
    assert!(matches!(second.await.unwrap().unwrap(), Taken::Waits(_)), "three were looked at, one has room");
    assert_eq!(two.keys().await, ["a", "b"]);
    assert_eq!(two.play.high.events("vera UNCLASSIFIED", "ReceiveObjects").await.len(), 1, "what waits has no entry");
    let again = two.take(1).await.await.unwrap().unwrap();
    assert!(matches!(again, Taken::Waits(_)));
    assert_eq!(two.keys().await, ["0", "a", "b"], "what has room comes");
    two.play.high.clocks.advance_days(1);
    assert_eq!(two.take(1).await.await.unwrap().unwrap(), whole(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_changes_while_the_guard_looks_lets_in_what_it_says_then() {
    let two = Two::begin(&[("a", "1")], &[]).await;
    let (first, go_on) = two.hold_first().await;
    two.play.map_high(json!({ "types": ["application/json"] })).await;
    go_on.send(()).unwrap();
    assert!(matches!(first.await.unwrap().unwrap(), Taken::Waits(_)), "it was looked at by other rules");
    assert_eq!(two.keys().await, [""; 0]);
    let then = two.take(0).await.await.unwrap().unwrap();
    assert_eq!(then, Taken::Whole { accepted: 0, quarantined: 1, refused: 0 }, "text may come in no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_is_deleted_while_the_guard_looks_lets_nothing_in() {
    let two = Two::begin(&[("a", "1")], &[]).await;
    let (first, go_on) = two.hold_first().await;
    two.play.high.done("officer@alpha", "DeleteMapping", json!({ "name": "plans" })).await;
    go_on.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), Taken::NotMapped);
    assert_eq!(two.keys().await, [""; 0]);
}

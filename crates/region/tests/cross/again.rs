//! A bundle that waits holds what is contained: it goes, and what else was in it goes again, in another one.

use crate::play::{HIGH, Play, region};
use crate::support::{Ask, S, U};
use fastness_gate::Staging;
use fastness_operation::BundleId;
use fastness_store::disk::FaultKind;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

const ANA: &str = "ana UNCLASSIFIED";
const OFFICER: &str = "officer@alpha";

async fn contain(play: &Play) -> (u16, Value) {
    play.low.own(OFFICER, "ContainSpill", json!({ "bucket": "plans", "key": "plan" })).await
}

/// How a lift stands: its state, and what it counts as found, sent and left out.
async fn stands(play: &Play, lift: &str) -> (String, Value, Value, Value) {
    let lift = play.describe(ANA, lift).await;
    let text = lift["state"].as_str().unwrap().to_owned();
    (text, lift["found"].clone(), lift["sent"].clone(), lift["left_out"].clone())
}

/// What is in the bundles that wait; the carrier takes them.
fn carried(play: &Play) -> Vec<BTreeMap<String, String>> {
    let text = |(key, content): (String, Vec<u8>)| (key, String::from_utf8(content).unwrap());
    play.low.taken(U).iter().map(|one| play.read(&play.sign(one)).1.into_iter().map(text).collect()).collect()
}

fn named(all: &[BTreeMap<String, String>]) -> Vec<Vec<&str>> {
    all.iter().map(|one| one.keys().map(String::as_str).collect()).collect()
}

#[tokio::test]
async fn what_else_was_in_a_bundle_goes_again_as_far_as_it_is_there() {
    for versioned in [false, true] {
        let play = Play::begin().await;
        if versioned {
            play.low.versioning(ANA, "Enabled").await;
        }
        for key in ["a%3Fb c?d", "gone", "over", "plan", "z"] {
            play.low.put(ANA, &key.replace('%', "%25").replace(' ', "%20").replace('?', "%3F"), key).await;
        }
        let lift = play.start(ANA).await;
        assert_eq!((play.low.send_all(U).await, play.low.waiting(U).len()), (1, 1));
        assert_eq!(stands(&play, &lift).await, ("sent".to_owned(), json!(5), json!(5), json!({})));
        play.low.put(ANA, "over", "written since").await;
        let remove = if versioned {
            format!("/plans/gone?versionId={}", version(&play, "gone").await)
        } else {
            "/plans/gone".to_owned()
        };
        assert_eq!(play.low.ask(ANA, Ask::s3(Method::DELETE, remove)).await.status, 204);

        assert_eq!(contain(&play).await.0, 200);
        assert_eq!(play.low.waiting(U).len(), 0);
        let taken_back = stands(&play, &lift).await;
        assert_eq!(taken_back, ("sending".to_owned(), json!(0), json!(0), json!({})));
        let said = play.low.events("vera UNCLASSIFIED", "TakeBackBundle").await;
        let noted = said.iter().map(ToString::to_string).find(|text| text.contains("objects=5 again")).unwrap();
        assert!(said.len() == 1 && noted.contains(&lift), "{said:?}");

        // Written after the lift was over, behind its last key: nothing to it.
        play.low.put(ANA, "zz", "later").await;
        assert_eq!(play.low.send_all(U).await, 1);
        let all = carried(&play);
        assert_eq!(named(&all), [["a%3Fb c?d", "z"]]);
        assert!(all[0].iter().all(|(key, content)| key == content), "{all:?}");
        // What was written over since, is not sent in its older state.
        let left_out = if versioned { json!({ "gone": 2, "later": 1 }) } else { json!({ "gone": 3 }) };
        assert_eq!(stands(&play, &lift).await, ("sent".to_owned(), json!(5), json!(2), left_out.clone()));
        assert_eq!(play.describe(ANA, &lift).await["bundles"], json!(2));
        assert_eq!(play.low.send_all(U).await, 0);
        // Nothing of it waits any more: another call takes nothing back.
        contain(&play).await;
        assert_eq!(stands(&play, &lift).await, ("sent".to_owned(), json!(5), json!(2), left_out));
        assert_eq!(play.low.send_all(U).await, 0);
    }
}

async fn version(play: &Play, key: &str) -> String {
    play.low.get(ANA, key).await.header("x-amz-version-id").unwrap().to_owned()
}

#[tokio::test]
async fn what_was_carried_does_not_go_again() {
    let play = Play::begin().await;
    for key in ["fine", "plan"] {
        play.low.put(ANA, key, key).await;
    }
    let lift = play.start(ANA).await;
    play.low.send_all(U).await;
    assert_eq!(carried(&play).len(), 1);
    assert_eq!(contain(&play).await.0, 200);
    let found = stands(&play, &lift).await;
    assert_eq!(found, ("sent".to_owned(), json!(2), json!(2), json!({})), "nobody here knows whether it arrived");
    assert_eq!(play.low.send_all(U).await, 0);
}

#[tokio::test]
async fn a_lift_that_had_been_stopped_counts_what_was_taken_back_and_sends_nothing() {
    let play = Play::begin().await;
    play.low.put(ANA, "a", "a").await;
    for key in ["plan", "z"] {
        // Two of them do not fit into one bundle.
        play.low.put(ANA, key, vec![b'x'; 17 << 20]).await;
    }
    let lift = play.start(ANA).await;
    assert_eq!(play.low.send(U).await, 1);
    let stopped = play.low.done(ANA, "StopLift", json!({ "lift": lift })).await;
    assert_eq!((&stopped["state"], &stopped["sent"]), (&json!("stopped"), &json!(2)));
    assert_eq!(contain(&play).await.0, 200);
    let found = stands(&play, &lift).await;
    assert_eq!(found, ("stopped".to_owned(), json!(2), json!(0), json!({ "taken-back": 2 })));
    assert_eq!((play.low.send_all(U).await, play.low.waiting(U).len()), (0, 0));
}

#[tokio::test]
async fn what_goes_again_is_measured_again_and_may_go_another_day() {
    let play = Play::begin().await;
    play.map_low(json!({ "objects_per_day": 4 })).await;
    for key in ["a", "b", "plan"] {
        play.low.put(ANA, key, key).await;
    }
    let lift = play.start(ANA).await;
    play.low.send_all(U).await;
    contain(&play).await;
    assert_eq!((play.low.send_all(U).await, stands(&play, &lift).await.0.as_str()), (1, "sending"));
    assert_eq!(named(&carried(&play)), [["a"]]);
    play.low.clocks.advance_days(1);
    assert_eq!((play.low.send_all(U).await, stands(&play, &lift).await.0.as_str()), (1, "sent"));
    assert_eq!(named(&carried(&play)), [["b"]]);
}

#[tokio::test]
async fn a_lift_that_is_stopped_or_refused_sends_nothing_again() {
    for how in ["stopped", "refused"] {
        let play = Play::begin().await;
        for key in ["a", "plan"] {
            play.low.put(ANA, key, key).await;
        }
        let lift = play.start(ANA).await;
        play.low.send_all(U).await;
        contain(&play).await;
        match how {
            "stopped" => drop(play.low.done(ANA, "StopLift", json!({ "lift": lift })).await),
            _ => drop(play.low.done(OFFICER, "DeleteMapping", json!({ "name": "plans" })).await),
        }
        let sent = play.low.send_all(U).await;
        let (state, found, went, left_out) = stands(&play, &lift).await;
        assert_eq!((sent, state.as_str(), found, went), (0, how, json!(2), json!(0)));
        assert_eq!(left_out, json!({ "taken-back": 2 }));
        play.map_low(json!({})).await;
        assert_eq!((play.low.send_all(U).await, play.low.waiting(U).len()), (0, 0), "{how}");
    }
}

#[tokio::test]
async fn a_standing_lift_sends_again_and_goes_on() {
    let play = Play::begin().await;
    for key in ["a", "plan", "z"] {
        play.low.put(ANA, key, key).await;
    }
    let body = json!({ "bucket": "plans", "to": HIGH, "standing": true });
    let lift = play.low.done(ANA, "StartLift", body).await["lift"].as_str().unwrap().to_owned();
    play.low.send_all(U).await;
    contain(&play).await;
    assert_eq!(play.low.send_all(U).await, 1, "though its pass was over");
    assert_eq!(named(&carried(&play)), [["a", "z"]]);
    play.low.put(ANA, "later", "x").await;
    play.low.clocks.advance_days(1);
    assert_eq!(play.low.send_all(U).await, 1);
    assert_eq!(named(&carried(&play)), [["later"]]);
    let (state, found, sent, left_out) = stands(&play, &lift).await;
    assert_eq!((state.as_str(), found, sent, left_out), ("sending", json!(4), json!(3), json!({ "gone": 1 })));
}

#[tokio::test]
async fn an_older_state_does_not_go_after_a_newer_one() {
    let play = Play::begin().await;
    play.low.versioning(ANA, "Enabled").await;
    for key in ["k", "plan"] {
        play.low.put(ANA, key, "old").await;
    }
    let body = json!({ "bucket": "plans", "to": HIGH, "standing": true });
    play.low.done(ANA, "StartLift", body).await;
    play.low.send_all(U).await;
    play.low.put(ANA, "k", "new").await;
    play.low.clocks.advance_days(1);
    assert_eq!((play.low.send_all(U).await, play.low.waiting(U).len()), (1, 2));
    contain(&play).await;
    play.low.send_all(U).await;
    let all = carried(&play);
    assert_eq!((named(&all), all[0]["k"].as_str()), (vec![vec!["k"]], "new"));
}

#[tokio::test]
async fn what_cannot_be_removed_is_held_counted_once_and_keeps_no_other_from_being_held() {
    let play = Play::begin().await;
    let mut lifts = Vec::new();
    for prefix in ["one/", "two/"] {
        for key in ["other", "plan"] {
            play.low.put(ANA, &format!("{prefix}{key}"), key).await;
        }
        let body = json!({ "bucket": "plans", "prefix": prefix, "to": HIGH });
        lifts.push(play.low.done(ANA, "StartLift", body).await["lift"].as_str().unwrap().to_owned());
    }
    assert_eq!((play.low.send_all(U).await, play.low.waiting(U).len()), (2, 2));
    let contain = async |key: &str| {
        let asked = json!({ "bucket": "plans", "key": key });
        (play.low.own(OFFICER, "ContainSpill", asked).await.0, play.low.waiting(U).len())
    };
    play.low.staged.stuck.store(true, Ordering::Relaxed);
    assert_eq!(contain("one/plan").await, (500, 1), "the one without it waits");
    play.low.done(ANA, "StopLift", json!({ "lift": lifts[0] })).await;
    assert_eq!(contain("two/plan").await, (500, 0), "held, whatever became of the first");
    assert!(play.low.house.gate.send_lifts(play.low.label(U)).await.is_err());
    play.low.staged.stuck.store(false, Ordering::Relaxed);
    assert_eq!(play.low.send_all(U).await, 1, "nobody had to ask again");
    assert!(play.low.staged.held(&play.low.template.policy.banner(play.low.label(U))).unwrap().is_empty());
    assert_eq!(named(&carried(&play)), [["two/other"]]);
    let stopped = stands(&play, &lifts[0]).await;
    assert_eq!((stopped.0.as_str(), &stopped.2, &stopped.3), ("stopped", &json!(0), &json!({ "taken-back": 2 })));
    assert_eq!(play.low.events("vera UNCLASSIFIED", "TakeBackBundle").await.len(), 2, "each once");
}

#[tokio::test]
async fn a_release_that_waits_goes_with_what_was_contained_and_nothing_of_it_goes_again() {
    let play = crate::release::begin().await;
    let release = crate::release::ask(&play.high, json!({})).await;
    crate::release::both(&play.high, &release).await;
    assert_eq!(play.high.send_releases(S).await, 1);
    let contained = json!({ "bucket": "plans", "key": "plan" });
    play.high.staged.stuck.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(play.high.own("officer@alpha SECRET", "ContainSpill", contained.clone()).await.0, 500);
        assert!(play.high.waiting(S).is_empty(), "held");
        assert!(play.high.house.gate.send_releases(play.high.label(S)).await.is_err());
    }
    play.high.staged.stuck.store(false, Ordering::Relaxed);
    assert_eq!(play.high.own("officer@alpha SECRET", "ContainSpill", contained).await.0, 200);
    let said = play.high.events("vera SECRET", "TakeBackBundle").await;
    assert!(said.len() == 1 && said[0].to_string().contains("not again: a release"), "{said:?}");
    assert_eq!(play.high.send_releases(S).await, 0);
}

#[tokio::test]
async fn what_is_held_of_a_lift_that_is_known_no_longer_or_of_nobody_goes_and_the_ledger_says_so() {
    let play = Play::begin().await;
    for key in ["a", "plan"] {
        play.low.put(ANA, key, key).await;
    }
    let lift = play.start(ANA).await;
    play.low.send_all(U).await;
    play.low.clocks.advance_days(32);
    // What ended long ago goes when another one begins.
    play.low.done(ANA, "StartLift", json!({ "bucket": "plans", "prefix": "none/", "to": HIGH })).await;
    assert_eq!(play.low.own(ANA, "DescribeLift", json!({ "lift": lift })).await.0, 404);
    assert_eq!(contain(&play).await.0, 200);
    let said = play.low.events("vera UNCLASSIFIED", "TakeBackBundle").await;
    assert!(said.len() == 1 && said[0].to_string().contains("known no longer"), "{said:?}");

    // A file of which no entry tells.
    let (banner, high) = (play.low.template.policy.banner(play.low.label(U)), region(HIGH));
    let unknown = BundleId::from_random(7);
    play.low.staged.stage(&high, &banner, &unknown).unwrap().finish().unwrap().release().unwrap();
    assert_eq!(play.low.staged.hold_bundles(&high, &[unknown].into()).unwrap().len(), 1);
    assert_eq!(contain(&play).await.0, 200);
    assert!(play.low.staged.held(&banner).unwrap().is_empty());
    assert_eq!((play.low.send_all(U).await, play.low.waiting(U).len()), (0, 0));
}

#[tokio::test]
async fn the_power_goes_at_each_step_of_a_containment_and_all_else_goes_once() {
    let mut play = Play::begin().await;
    for key in ["a", "plan", "z"] {
        play.low.put(ANA, key, key).await;
    }
    let lift = play.start(ANA).await;
    play.low.send_all(U).await;
    play.low.house.store.close();
    let beginning = play.low.disk.crash(0);
    let mut held = 0;
    for operations in 0.. {
        play.low.open_on(beginning.crash(operations));
        play.low.disk.fail_next(FaultKind::Any, operations, u64::MAX);
        let is_contained = contain(&play).await.0 == 200;
        play.low.lose_power(operations + 77);
        let waited = play.low.waiting(U).len();
        // What is held is taken back by whoever sends next: nobody has to ask again.
        let again = play.low.send_all(U).await;
        held += usize::from(!is_contained && waited == 0 && again == 1);
        if !is_contained {
            assert_eq!(contain(&play).await.0, 200, "cut after {operations} operations");
        }
        play.low.send_all(U).await;
        let all = carried(&play);
        assert_eq!(named(&all), [["a", "z"]], "{operations}");
        let counted = stands(&play, &lift).await;
        assert_eq!(counted, ("sent".to_owned(), json!(3), json!(2), json!({ "gone": 1 })), "{operations}");
        if is_contained {
            assert!(held > 0, "cut while it was held: {held} times of {operations}");
            return;
        }
    }
}

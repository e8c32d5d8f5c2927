//! Data that crossed before somebody saw that its label was too low: the report below names the bundles, officers above
//! find what was in them, and both erase it.

use crate::play::{HIGH, LOW, Pause, Play, Side, WORD};
use crate::support::{Ask, S, U};
use fastness_decide::Chore;
use http::Method;
use serde_json::{Value, json};

const ANA: &str = "ana SECRET";
const ANA_LOW: &str = "ana UNCLASSIFIED";
/// An officer at the floor, the other one there, and the first at the ceiling.
const FIRST: &str = "officer@alpha";
const SECOND: &str = "second@alpha";
const CEILING: &str = "officer@alpha TOP SECRET//SI/TK";

async fn contain(side: &Side, who: &str, object: &Value) -> String {
    let found = side.done(who, "ContainSpill", object.clone()).await;
    found["spill"].as_str().unwrap().to_owned()
}

async fn report(side: &Side, spill: &str) -> Value {
    side.done(CEILING, "ReportSpill", json!({ "spill": spill })).await["report"].take()
}

async fn erase(side: &Side, spill: &str) -> Value {
    let proposed = side.done(FIRST, "EraseSpill", json!({ "spill": spill })).await;
    side.done(SECOND, "EraseSpill", json!({ "spill": spill, "digest": proposed["digest"] })).await
}

/// What an officer above is told of each bundle of a report.
async fn trace(play: &Play, who: &str, report: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for one in report["crossings"].as_array().unwrap() {
        assert_eq!(one["to"], HIGH);
        let asked = json!({ "from": report["region"], "bundle": one["bundle"] });
        let mut answer = play.high.done(who, "FindArrival", asked).await;
        let all = answer["contents"].as_array_mut().unwrap();
        found.extend(std::mem::take(all).into_iter().filter(|object| object["key"] == one["key"]));
    }
    found
}

#[tokio::test]
async fn a_spill_below_is_traced_above_contained_and_erased_on_both_sides() {
    for versioned in [false, true] {
        let mut play = Play::begin().await;
        if versioned {
            play.low.versioning(ANA_LOW, "Enabled").await;
            play.high.versioning(ANA_LOW, "Enabled").await;
        }
        play.low.put(ANA_LOW, "plan", "what should be SECRET").await;
        play.low.put(ANA_LOW, "other", "fine").await;
        let copy = Ask::s3(Method::PUT, "/plans/copy").with("x-amz-copy-source", "/plans/plan");
        assert_eq!(play.low.ask(ANA_LOW, copy).await.status, 200);
        let lift = play.start(ANA_LOW).await;
        assert_eq!(play.low.send_all(U).await, 1);
        let staged = play.low.waiting(U);
        let bundle = play.sign(staged.values().next().unwrap());
        play.high.receive(&bundle).await;
        assert_eq!(play.high.get(ANA_LOW, "plan").await.status, 200);

        let spill = contain(&play.low, FIRST, &json!({ "bucket": "plans", "key": "plan" })).await;
        let below = report(&play.low, &spill).await;
        let crossings = below["crossings"].as_array().unwrap();
        let mut keys: Vec<&str> = crossings.iter().map(|one| one["key"].as_str().unwrap()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["copy", "plan"], "what is not of the spill is not named: {below}");
        for one in crossings {
            assert_eq!((&one["crossing"], &one["kind"], &one["label"]), (&json!(lift), &json!("lift"), &json!(U)));
            assert_eq!((&one["certainty"], &one["principal"]), (&json!("certain"), &json!("user/ana")), "{one}");
        }
        assert_eq!(
            below["readers"].as_array().unwrap().iter().filter(|one| one["operation"] == "SendObjects").count(),
            0
        );
        let unknown = below["unknown"].to_string();
        assert!(unknown.contains(HIGH), "what became of it above is not known below: {unknown}");

        let found = trace(&play, FIRST, &below).await;
        assert_eq!(found.len(), 2);
        for object in &found {
            assert_eq!((&object["label"], &object["state"]), (&json!(U), &json!("readable")), "{object}");
            let named = json!({ "bucket": object["bucket"], "key": object["key"], "version_id": object["version_id"] });
            let above = contain(&play.high, FIRST, &named).await;
            let seen = report(&play.high, &above).await;
            let origin = &seen["origins"][0];
            assert_eq!((&origin["from"], &origin["bundle"]), (&json!(LOW), &crossings[0]["bundle"]), "{seen}");
            assert_eq!(seen["crossings"], json!([]));
            assert_eq!(erase(&play.high, &above).await["state"], "erased");
        }
        assert_eq!(play.high.get(ANA_LOW, "plan").await.status, 404);
        assert_eq!(play.high.get(ANA_LOW, "other").await.text(), "fine");
        for object in trace(&play, FIRST, &below).await {
            assert!(object["state"].as_str().unwrap().starts_with("erased with "), "{object}");
        }

        // Below, the bundle waited still: it went when the object was contained, and the ledger says so. What is not there
        // any more is not said to have been removed.
        assert_eq!(play.low.waiting(U).len(), 0);
        assert_eq!(erase(&play.low, &spill).await["state"], "erased");
        let erased = play.low.events("vera UNCLASSIFIED", "EraseSpill").await;
        assert!(!erased.iter().any(|event| event.to_string().contains("outbox")), "{erased:?}");
        let said = play.low.events("vera UNCLASSIFIED", "ContainSpill").await;
        let gone = staged.keys().next().unwrap();
        assert!(said.iter().any(|event| event.to_string().contains(gone)), "{said:?}");
        assert_eq!(play.low.get(ANA_LOW, "other").await.text(), "fine");
        play.low.lose_power(3);
        // What else was in it goes again.
        assert_eq!(play.low.send_all(U).await, 1);
        let again = play.low.taken(U).pop().unwrap();
        assert_eq!(play.read(&play.sign(&again)).1.into_keys().collect::<Vec<_>>(), ["other"]);
    }
}

#[tokio::test]
async fn a_bundle_of_others_stays_when_a_spill_is_erased() {
    let play = Play::begin().await;
    play.low.put(ANA_LOW, "harmless", "fine").await;
    play.start(ANA_LOW).await;
    play.low.send_all(U).await;
    play.low.put(ANA_LOW, "plan", "what should be SECRET").await;
    play.low.put(ANA, "plan", "of the same name, and right where it is").await;
    play.start(ANA).await;
    play.low.send_all(S).await;
    let spill = contain(&play.low, FIRST, &json!({ "bucket": "plans", "key": "plan" })).await;
    assert_eq!(report(&play.low, &spill).await["crossings"], json!([]));
    assert_eq!(erase(&play.low, &spill).await["state"], "erased");
    assert_eq!((play.low.waiting(U).len(), play.low.waiting(S).len()), (1, 1));
}

#[tokio::test]
async fn the_ledger_names_the_bundles_that_were_removed_and_no_others() {
    let play = Play::begin().await;
    play.low.put(ANA_LOW, "plan", "what should be SECRET").await;
    // The same version went twice: one bundle is carried away, the other one waits.
    let mut ids = Vec::new();
    for round in ["carried", "waiting"] {
        play.start(ANA_LOW).await;
        play.low.send_all(U).await;
        ids.extend(play.low.waiting(U).into_keys());
        if round == "carried" {
            play.low.taken(U);
        }
    }
    assert_eq!(ids.len(), 2);
    contain(&play.low, FIRST, &json!({ "bucket": "plans", "key": "plan" })).await;
    let said = play.low.events("vera UNCLASSIFIED", "ContainSpill").await;
    let removed: Vec<String> = said.iter().map(ToString::to_string).filter(|text| text.contains("outbox")).collect();
    assert_eq!(removed.len(), 1, "{said:?}");
    assert!(removed[0].contains(&ids[1]) && !removed[0].contains(&ids[0]), "{ids:?}: {removed:?}");
    assert_eq!(play.low.waiting(U).len(), 0);
}

/// A bundle that is being written when its object is contained.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_sent_while_it_is_contained_does_not_wait_to_be_carried() {
    for act in ["contain", "erase"] {
        let play = Play::begin().await;
        play.low.put(ANA_LOW, "plan", "what should be SECRET").await;
        play.start(ANA_LOW).await;
        let (pause, is_reached, go_on) = Pause::new();
        *play.low.staged.pause.lock().unwrap() = Some(pause);
        let (gate, label) = (play.low.house.gate.clone(), play.low.label(U));
        let sending = tokio::spawn(async move { gate.send_lifts(label).await });
        tokio::task::spawn_blocking(move || is_reached.recv().unwrap()).await.unwrap();
        let containing = async {
            let spill = contain(&play.low, FIRST, &json!({ "bucket": "plans", "key": "plan" })).await;
            if act == "erase" {
                assert_eq!(erase(&play.low, &spill).await["state"], "erased");
            }
        };
        let go_on = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            go_on.send(()).unwrap();
        };
        tokio::join!(containing, go_on);
        sending.await.unwrap().unwrap();
        assert_eq!(play.low.waiting(U).len(), 0, "{act}");
    }
}

#[tokio::test]
async fn a_reviewer_who_was_shown_the_data_is_one_of_its_readers() {
    let play = crate::release::begin().await;
    let release = crate::release::ask(&play.high, json!({})).await;
    crate::release::see(&play.high, crate::release::RITA, &release).await;
    let spill = contain(&play.high, "officer@alpha SECRET", &json!({ "bucket": "plans", "key": "plan" })).await;
    let told = report(&play.high, &spill).await;
    let mut readers: Vec<String> =
        told["readers"].as_array().unwrap().iter().map(|one| format!("{} {}", one["principal"], one["what"])).collect();
    readers.sort();
    assert_eq!(readers, [r#""user/ana" "metadata""#, r#""user/rita" "content""#], "{told}");
}

#[tokio::test]
async fn what_is_not_in_view_is_not_told_and_no_worker_is_told_of_objects() {
    let play = Play::begin().await;
    play.low.put(ANA, "plan", "should be higher").await;
    play.low.put(ANA, "stopped", WORD).await;
    play.cross(ANA, S).await;
    let listed = play.high.done(ANA, "ListArrivals", json!({ "from": LOW })).await;
    let asked = json!({ "from": LOW, "bundle": listed["arrivals"][0]["bundle"] });
    for who in [FIRST, "second@alpha", "vera UNCLASSIFIED", "bob SECRET", "max SECRET", ANA_LOW] {
        let (status, answer) = play.high.own(who, "FindArrival", asked.clone()).await;
        assert_eq!(status, 404, "{who}: {answer}");
    }
    let of_another = json!({ "from": LOW, "bundle": "0".repeat(32) });
    let same = play.high.own(FIRST, "FindArrival", of_another).await;
    let message = |answer: &Value| answer["message"].clone();
    assert_eq!(message(&play.high.own(FIRST, "FindArrival", asked.clone()).await.1), message(&same.1));
    let worker = play.high.done(ANA, "FindArrival", asked.clone()).await;
    assert_eq!((&worker["contents"], &worker["accepted"]), (&Value::Null, &json!(1)), "{worker}");
    for who in ["officer@alpha SECRET", "vera SECRET", CEILING] {
        let told = play.high.done(who, "FindArrival", asked.clone()).await;
        let all = told["contents"].as_array().unwrap();
        let states: Vec<String> = all
            .iter()
            .map(|object| format!("{}: {}", object["key"].as_str().unwrap(), object["state"].as_str().unwrap()))
            .collect();
        assert_eq!((states.len(), states[0].as_str()), (2, "plan: readable"), "{who}: {told}");
        assert!(states[1].starts_with("stopped: contained in "), "{who}: {told}");
        assert_eq!((&all[0]["version_id"], &all[1]["version_id"]), (&json!("null"), &Value::Null));
    }
}

#[tokio::test]
async fn an_arrival_whose_row_has_gone_is_found_in_the_ledger() {
    let play = Play::begin().await;
    play.high.versioning(ANA_LOW, "Enabled").await;
    play.low.put(ANA_LOW, "plan", "what should be SECRET").await;
    play.cross(ANA_LOW, U).await;
    let listed = play.high.done(ANA_LOW, "ListArrivals", json!({ "from": LOW })).await;
    let asked = json!({ "from": LOW, "bundle": listed["arrivals"][0]["bundle"] });
    play.high.clocks.advance_days(32);
    let chore = Chore::of(play.high.label(U), &play.high.house.store.labels()).unwrap();
    let forgotten = play.high.house.store.forget_arrivals(&chore, play.high.clocks.now_ms()).await;
    assert_eq!(forgotten.unwrap(), 2, "the arrival, and what it brought");
    assert_eq!(play.high.done(ANA_LOW, "ListArrivals", json!({ "from": LOW })).await["arrivals"], json!([]));
    assert_eq!(play.high.own(ANA_LOW, "FindArrival", asked.clone()).await.0, 404);
    let found = play.high.done(FIRST, "FindArrival", asked).await;
    let object = &found["contents"][0];
    assert_eq!(
        (&object["key"], &object["state"], &found["complete"]),
        (&json!("plan"), &json!("readable"), &json!(true))
    );
    let version = play.high.get(ANA_LOW, "plan").await.header("x-amz-version-id").unwrap().to_owned();
    assert_eq!(object["version_id"], json!(version));
}

#[tokio::test]
async fn a_bucket_that_is_called_bundle_is_no_bundle() {
    let play = Play::begin().await;
    assert_eq!(play.low.ask(ANA_LOW, Ask::s3(Method::PUT, "/bundle")).await.status, 200);
    let key = format!("{HIGH}/{:032x}", 7);
    let put = Ask::s3(Method::PUT, format!("/bundle/{key}")).body("what should be SECRET");
    assert_eq!(play.low.ask(ANA_LOW, put).await.status, 200);
    assert_eq!(
        play.low.own(ANA_LOW, "FindArrival", json!({ "from": HIGH, "bundle": format!("{:032x}", 7) })).await.0,
        404
    );
    let spill = contain(&play.low, FIRST, &json!({ "bucket": "bundle", "key": key })).await;
    let below = report(&play.low, &spill).await;
    assert_eq!(
        (&below["crossings"], &below["origins"], &below["readers"]),
        (&json!([]), &json!([]), &json!([])),
        "{below}"
    );
}

//! What arrives, what does not, and what is said of either.

use crate::play::{LOW, Play, WORD, region};
use crate::support::{Ask, REL, S, U};
use fastness_decide::Chore;
use fastness_gate::{Environment, Opening, Taken};
use fastness_store::RANGES_MAX;
use http::Method;
use serde_json::json;
use std::sync::atomic::Ordering;

const ANA: &str = "ana SECRET";
const ANA_LOW: &str = "ana UNCLASSIFIED";

fn whole(accepted: u32, quarantined: u32, refused: u32) -> Taken {
    Taken::Whole { accepted, quarantined, refused }
}

/// One signed bundle of one lift at a label.
async fn bundle(play: &Play, who: &str, label: &str) -> Vec<u8> {
    play.start(who).await;
    assert_eq!(play.low.send_all(label).await, 1);
    play.sign(&play.low.taken(label)[0])
}

#[tokio::test]
async fn what_was_lifted_is_read_at_its_label_and_not_below() {
    let play = Play::begin().await;
    let ask = Ask::s3(Method::PUT, "/plans/a")
        .with("content-type", "text/plain")
        .with("x-amz-meta-kept", "yes")
        .body("line\r\nline\r\n");
    assert_eq!(play.low.ask(ANA, ask).await.status, 200);
    play.low.put(ANA, "empty", "").await;
    play.low.put(ANA, "large", "x".repeat(200_000)).await;
    assert_eq!(play.cross(ANA, S).await, [whole(3, 0, 0)]);

    let got = play.high.get(ANA, "a").await;
    assert_eq!((got.status, got.text().as_str()), (200, "line\nline\n"), "as the guard wrote it");
    assert_eq!((got.header("x-amz-meta-kept"), got.header("content-type")), (Some("yes"), Some("text/plain")));
    assert_eq!(got.header("x-fastness-label"), Some(S));
    assert_eq!(play.high.get(ANA, "large").await.body.len(), 200_000);
    assert_eq!(play.high.get(ANA, "empty").await.status, 200);
    assert_eq!(play.high.get(ANA_LOW, "a").await.status, 404, "nothing of it lies below");

    let listed = play.high.done(ANA, "ListArrivals", json!({ "from": LOW })).await;
    assert_eq!(listed["arrivals"].as_array().unwrap().len(), 1);
    let one = &listed["arrivals"][0];
    assert_eq!((&one["label"], &one["came_as"], &one["state"]), (&json!(S), &json!(S), &json!("arrived")), "{one}");
    assert!(!listed.to_string().contains("number"), "nobody below the ceiling learns of numbers: {listed}");
    let found = json!({ "from": LOW, "bundle": one["bundle"] });
    assert_eq!(play.high.done(ANA, "FindArrival", found.clone()).await["accepted"], 3);
    for (who, status) in [(ANA_LOW, 404), ("bob SECRET", 404)] {
        assert_eq!(play.high.own(who, "FindArrival", found.clone()).await.0, status, "{who}");
        let listed = play.high.done(who, "ListArrivals", json!({ "from": LOW })).await;
        assert_eq!(listed["arrivals"], json!([]), "{who}");
    }

    let entries = play.high.events("vera SECRET", "ReceiveObjects").await;
    let text = entries[0].to_string();
    assert_eq!(entries.len(), 1);
    assert!(text.contains("plans/large") && text.contains("came sha256=") && text.contains("note sha256="), "{text}");
    assert!(text.contains(one["bundle"].as_str().unwrap()) && text.contains("crossing"), "{text}");
    assert_eq!(play.high.events("vera UNCLASSIFIED", "ReceiveObjects").await.len(), 0);
    assert_eq!(play.high.events("vera SECRET", "ReceiveBundle").await.len(), 0, "numbers are the ceiling's");
}

#[tokio::test]
async fn what_comes_again_is_refused_and_said_so() {
    let mut play = Play::begin().await;
    play.low.versioning(ANA_LOW, "Enabled").await;
    play.high.versioning(ANA_LOW, "Enabled").await;
    play.low.put(ANA_LOW, "a", "a").await;
    play.start(ANA_LOW).await;
    assert_eq!(play.low.send_all(U).await, 1);
    let staged = play.low.taken(U).remove(0);
    let first = play.sign_as(&staged, 3);
    assert_eq!(play.high.receive(&first).await, whole(1, 0, 0));
    assert_eq!(play.high.receive(&first).await, Taken::Refused("replayed"));
    assert_eq!(play.high.receive(&play.sign_as(&staged, 4)).await, Taken::Refused("replayed"), "under another number");
    play.low.put(ANA_LOW, "b", "b").await;
    play.start(ANA_LOW).await;
    play.low.send_all(U).await;
    let second = play.low.taken(U).remove(0);
    assert_eq!(play.high.receive(&play.sign_as(&second, 3)).await, Taken::Refused("forked"));
    let late = play.high.receive(&play.sign_as(&second, 1)).await;
    assert_eq!(late, whole(1, 0, 1), "the order of numbers is free; what a later one brought stays");
    play.high.lose_power(1);
    assert_eq!(play.high.receive(&first).await, Taken::Refused("replayed"), "after a restart, too");
    assert_eq!(play.high.versions(ANA_LOW).await, ["a", "b"]);
    let refused = play.high.events("vera TOP SECRET//SI/TK", "ReceiveObjects").await;
    for kind in ["replayed", "forked"] {
        assert!(refused.iter().any(|event| event.to_string().contains(kind)), "{kind}: {refused:?}");
    }
    assert!(!play.high.events("vera SECRET", "ReceiveObjects").await.iter().any(|e| e.to_string().contains("forked")));
}

/// Whether a file is refused, with an entry that says so.
async fn refused(play: &Play, file: &[u8], kind: &str) {
    let opened = play.high.open(file).await;
    assert!(matches!(&opened, Opening::Refused(found) if *found == kind), "{kind}: {opened:?}");
    let events = play.high.events("vera TOP SECRET//SI/TK", "ReceiveObjects").await;
    let text = events[0].to_string();
    assert!(text.contains(kind) && text.contains("0000000007.bundle") && text.contains(LOW), "{kind}: {text}");
}

#[tokio::test]
async fn what_is_not_sound_is_refused_with_an_entry_and_the_next_one_passes() {
    let play = Play::begin().await;
    play.low.put(ANA_LOW, "a", "a").await;
    play.start(ANA_LOW).await;
    play.low.send_all(U).await;
    let staged = play.low.taken(U).remove(0);
    let good = play.sign_as(&staged, 1);

    refused(&play, b"", "truncated").await;
    refused(&play, &good[..good.len() - 1], "truncated").await;
    refused(&play, &[good.clone(), vec![0]].concat(), "oversized").await;
    refused(&play, &vec![7; good.len()], "malformed").await;
    refused(&play, &staged, "forged").await;
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    refused(&play, &flipped(1_400), "forged").await;
    refused(&play, &flipped(2_100), "forged").await;
    refused(&play, &flipped(good.len() - 20), "damaged").await;
    // A bundle of the region above, sent back to itself: another origin's.
    play.high.clocks.advance_days(31);
    refused(&play, &good, "clock").await;
    play.high.clocks.advance_days(-31);
    let listed = play.high.done(ANA, "ListArrivals", json!({ "from": LOW })).await;
    assert_eq!((&listed["arrivals"], play.high.versions(ANA_LOW).await.len()), (&json!([]), 0));
    assert_eq!(play.high.receive(&good).await, whole(1, 0, 0));
}

#[tokio::test]
async fn what_was_put_off_replaces_nothing_that_a_later_bundle_brought() {
    for versioning in [None, Some("Enabled")] {
        let mut play = Play::begin().await;
        if let Some(status) = versioning {
            play.high.versioning(ANA_LOW, status).await;
        }
        let mut bundles = Vec::new();
        for content in ["first", "second", "third"] {
            play.low.put(ANA_LOW, "plan", content).await;
            play.low.put(ANA_LOW, content, content).await;
            bundles.push(bundle(&play, ANA_LOW, U).await);
        }
        assert_eq!(play.high.receive(&bundles[1]).await, whole(3, 0, 0));
        play.high.lose_power(2);
        assert_eq!(play.high.receive(&bundles[0]).await, whole(0, 0, 2), "{versioning:?}");
        let got = play.high.get(ANA_LOW, "plan").await;
        assert_eq!((got.status, got.text().as_str()), (200, "second"), "{versioning:?}");
        assert_eq!(play.high.versions(ANA_LOW).await, ["first", "plan", "second"]);
        let listed = play.high.done(ANA_LOW, "ListArrivals", json!({ "from": LOW, "troubled": true })).await;
        let refusals = &listed["arrivals"][0]["refusals"];
        assert_eq!((refusals[0]["code"].as_str(), refusals[1]["key"].as_str()), (Some("Overtaken"), Some("plan")));
        let said = play.high.events("vera UNCLASSIFIED", "ReceiveObjects").await.remove(0).to_string();
        assert!(said.contains("Overtaken"), "the ledger has it: {said}");
        // Nor what has gone here since.
        assert_eq!(play.high.ask(ANA_LOW, Ask::s3(Method::DELETE, "/plans/plan")).await.status, 204);
        assert_eq!(play.high.receive(&bundles[2]).await, whole(4, 0, 0));
        assert_eq!(play.high.get(ANA_LOW, "plan").await.text(), "third");
    }
}

#[tokio::test]
async fn the_number_of_a_bundle_that_no_mapping_lets_in_is_not_missing() {
    let play = Play::begin().await;
    play.low.put(ANA_LOW, "a", "a").await;
    let good = bundle(&play, ANA_LOW, U).await;
    play.low.put(ANA_LOW, "b", "b").await;
    play.start(ANA_LOW).await;
    play.low.send_all(U).await;
    let another = play.sign_as(&play.low.taken(U)[0], 1);
    play.high.done("officer@alpha", "DeleteMapping", json!({ "name": "plans" })).await;
    assert!(matches!(play.high.open(&good).await, Opening::NotMapped));
    let labels = play.high.house.store.labels();
    let chore = Chore::of(labels.ceiling(), &labels).unwrap();
    let numbers = || play.high.house.store.received_numbers(&chore, &region(LOW)).unwrap().ranges;
    assert_eq!(numbers(), [(1, 1)]);
    play.map_high(json!({})).await;
    assert_eq!(play.high.receive(&another).await, Taken::Refused("forked"), "it is that bundle's number");
    assert_eq!(play.high.receive(&good).await, whole(1, 0, 0), "which may come in later");
    assert_eq!(play.high.receive(&good).await, Taken::Refused("replayed"));
    assert_eq!(numbers(), [(1, 1)]);
}

#[tokio::test]
async fn a_thousand_gaps_stop_no_bundle_and_the_ledger_names_the_one_that_is_given_up() {
    let play = Play::begin().await;
    let labels = play.high.house.store.labels();
    let (chore, moment) = (Chore::of(labels.ceiling(), &labels).unwrap(), play.high.clocks.chore("a"));
    let store = &play.high.house.store;
    for place in 0..RANGES_MAX as u64 {
        let (from, number) = (region(LOW), 2 * place + 1);
        assert_eq!(
            store.note_number(&chore, (&from, number), [0; 32], moment, Box::new(|_| Vec::new())).await,
            Ok(None)
        );
    }
    play.low.put(ANA_LOW, "a", "a").await;
    play.start(ANA_LOW).await;
    play.low.send_all(U).await;
    let staged = play.low.taken(U).remove(0);
    let good = play.sign_as(&staged, 5_000);
    assert_eq!(play.high.receive(&good).await, whole(1, 0, 0));
    let said = play.high.events("vera TOP SECRET//SI/TK", "CloseGap").await;
    assert_eq!(said.len(), 1);
    let text = said[0].to_string();
    assert!(text.contains("numbers 2 to 2 given up") && text.contains(LOW), "{text}");
    let late = play.sign_as(&staged, 2);
    assert_eq!(play.high.receive(&late).await, Taken::Refused("replayed"), "what was given up does not come any more");
}

#[tokio::test]
async fn a_flood_of_refusals_does_not_flood_the_ledger() {
    let play = Play::begin().await;
    for _ in 0..120 {
        assert!(matches!(play.high.open(b"nothing").await, Opening::Refused(_)));
    }
    let first = play.high.events("vera TOP SECRET//SI/TK", "ReceiveObjects").await;
    assert_eq!(first.len(), 50, "a page is full of them");
    let wanted = json!([{ "AttributeKey": "EventName", "AttributeValue": "ReceiveObjects" }]);
    let (mut token, mut entries) = (json!(null), 0);
    loop {
        let mut body = json!({ "LookupAttributes": wanted, "StartTime": 1_700_000_000, "EndTime": 2_000_000_000 });
        if !token.is_null() {
            body["NextToken"] = token;
        }
        let answer = play.high.ask("vera TOP SECRET//SI/TK", Ask::trail("LookupEvents", &body)).await;
        let page: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
        entries += page["Events"].as_array().unwrap().len();
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(entries, 100);
    // Another kind is said all the same.
    let ceiling = "vera TOP SECRET//SI/TK";
    assert!(matches!(play.high.open(&vec![7; 100_000]).await, Opening::Refused("malformed")));
    let said = play.high.events(ceiling, "ReceiveObjects").await[0].to_string();
    assert!(said.contains("malformed") && !said.contains("more"), "{said}");
    // The rest is counted until it was said, once, whether another comes or not.
    play.high.clocks.advance_days(1);
    for others in ["and 20 more truncated", "malformed"] {
        play.high.house.gate.say_refusals().await.unwrap();
        let said = play.high.events(ceiling, "ReceiveObjects").await[0].to_string();
        assert!(said.contains(others), "{others}: {said}");
        play.high.open(&vec![7; 100_000]).await;
    }
}

#[tokio::test]
async fn a_stopped_object_leaves_the_good_one_of_its_name_as_it_is() {
    for versioning in [None, Some("Enabled"), Some("Suspended")] {
        let play = Play::begin().await;
        if let Some(status) = versioning {
            play.high.versioning(ANA_LOW, "Enabled").await;
            play.high.versioning(ANA_LOW, status).await;
        }
        play.high.put(ANA_LOW, "notes", "the good one").await;
        let before = play.high.versions(ANA_LOW).await;
        let etag = play.high.get(ANA_LOW, "notes").await.header("etag").unwrap().to_owned();
        play.low.put(ANA_LOW, "notes", format!("{WORD} not for here")).await;
        play.low.put(ANA_LOW, "other", "good").await;
        play.low.put(ANA_LOW, "large", format!("{WORD}{}", "x".repeat(50_000))).await;
        assert_eq!(play.cross(ANA_LOW, U).await, [whole(1, 2, 0)], "{versioning:?}");

        let got = play.high.get(ANA_LOW, "notes").await;
        assert_eq!((got.text().as_str(), got.header("etag")), ("the good one", Some(etag.as_str())), "{versioning:?}");
        assert_eq!(play.high.versions(ANA_LOW).await.len(), before.len() + 1, "the other one alone is new");
        assert_eq!(play.high.get(ANA_LOW, "large").await.status, 404);
        assert_eq!(play.high.get("zoe TOP SECRET//SI/TK", "large").await.status, 404, "nobody reads it");

        let mine = play.high.done(ANA_LOW, "ListArrivals", json!({ "from": LOW, "troubled": true })).await;
        assert!(mine.to_string().contains("notes") && !mine.to_string().contains("exceeds"), "{mine}");
        let officers = play.high.done("officer@alpha", "ListArrivals", json!({ "from": LOW })).await;
        assert!(officers.to_string().contains("a marking exceeds the label"), "{officers}");
        let entry = play.high.events("vera UNCLASSIFIED", "ReceiveObjects").await[0].to_string();
        assert!(entry.contains("quarantined spill"), "{entry}");

        // Two officers erase it as any spill.
        for spill in officers["arrivals"][0]["spills"].as_array().unwrap() {
            let proposed = play.high.done("officer@alpha", "EraseSpill", json!({ "spill": spill })).await;
            let approved = json!({ "spill": spill, "digest": proposed["digest"] });
            let erased = play.high.done("second@alpha", "EraseSpill", approved).await;
            assert_eq!(erased["state"], "erased");
        }
        assert_eq!(play.high.get(ANA_LOW, "notes").await.text(), "the good one");
        play.high.house.store.close();
        let report = play.high.template.check(&play.high.disk);
        let wrong = report.findings.iter().filter(|finding| !finding.what.contains("outbox")).collect::<Vec<_>>();
        assert!(report.is_sound(), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_bundle_that_no_mapping_lets_in_waits_outside() {
    let play = Play::unmapped().await;
    play.map_low(json!({})).await;
    play.low.put(ANA, "a", "a").await;
    let good = bundle(&play, ANA, S).await;
    assert!(matches!(play.high.open(&good).await, Opening::NotMapped));
    play.map_high(json!({ "highest": U })).await;
    assert!(matches!(play.high.open(&good).await, Opening::NotMapped), "its label exceeds the mapping's");
    let events = play.high.events("vera TOP SECRET//SI/TK", "ReceiveObjects").await;
    assert!(events[0].to_string().contains("not mapped"), "{events:?}");
    play.map_high(json!({})).await;
    assert_eq!(play.high.receive(&good).await, whole(1, 0, 0));
}

#[tokio::test]
async fn a_mapping_puts_what_arrives_at_a_higher_label() {
    let play = Play::begin().await;
    play.map_high(json!({ "at": [{ "from": U, "to": S }] })).await;
    play.low.put(ANA_LOW, "a", "a").await;
    assert_eq!(play.cross(ANA_LOW, U).await, [whole(1, 0, 0)]);
    assert_eq!(play.high.get(ANA, "a").await.header("x-fastness-label"), Some(S));
    assert_eq!(play.high.get(ANA_LOW, "a").await.status, 404);
    assert_eq!(play.high.get("gwen SECRET//REL TO USA, GBR", "a").await.status, 404, "{REL}");
    let (status, _) = play.high.own(ANA_LOW, "ListArrivals", json!({ "from": LOW })).await;
    assert_eq!(status, 200);
    assert_eq!(play.high.done(ANA_LOW, "ListArrivals", json!({ "from": LOW })).await["arrivals"], json!([]));
}

#[tokio::test]
async fn a_guard_that_cannot_work_lets_nothing_pass_and_loses_nothing() {
    let play = Play::begin().await;
    for number in 0..130 {
        play.low.put(ANA_LOW, &format!("{number:03}"), "text").await;
    }
    let good = bundle(&play, ANA_LOW, U).await;
    let take = async || match play.high.open(&good).await {
        Opening::Ready(bundle) => play.high.house.gate.take_bundle(*bundle).await,
        other => panic!("{other:?}"),
    };
    play.high.guard.forgets.store(true, Ordering::Relaxed);
    assert!(take().await.is_err(), "a judgement too few is none");
    play.high.guard.forgets.store(false, Ordering::Relaxed);
    let looked_at = play.high.guard.batches.load(Ordering::Relaxed);
    *play.high.guard.broken_from.lock().unwrap() = Some(looked_at);
    assert!(take().await.is_err());
    assert_eq!(play.high.versions(ANA_LOW).await.len(), 0);
    *play.high.guard.broken_from.lock().unwrap() = Some(looked_at + 2);
    assert!(take().await.is_err(), "the second batch");
    assert_eq!(play.high.versions(ANA_LOW).await.len(), 99);

    // The mapping goes half-way: the rest does not come in, and nothing that came is lost.
    *play.high.guard.broken_from.lock().unwrap() = None;
    play.high.done("officer@alpha", "DeleteMapping", json!({ "name": "plans" })).await;
    assert!(matches!(play.high.open(&good).await, Opening::NotMapped));
    play.map_high(json!({ "at": [{ "from": U, "to": S }] })).await;
    assert_eq!(take().await.unwrap(), Taken::NotMapped, "no half of a bundle goes to another label");
    play.map_high(json!({})).await;
    assert_eq!(take().await.unwrap(), whole(130, 0, 0));
    assert_eq!(play.high.versions(ANA_LOW).await.len(), 130);
    assert_eq!(play.high.versions(ANA).await.len(), 130, "each once");
}

#[tokio::test]
async fn what_a_day_has_no_room_for_waits_outside() {
    let play = Play::begin().await;
    play.map_high(json!({ "objects_per_day": 2 })).await;
    for key in ["a", "b", "c"] {
        play.low.put(ANA_LOW, key, key).await;
    }
    let good = bundle(&play, ANA_LOW, U).await;
    assert!(matches!(play.high.receive(&good).await, Taken::Waits(_)));
    assert_eq!(play.high.versions(ANA_LOW).await, ["a", "b"]);
    assert!(matches!(play.high.receive(&good).await, Taken::Waits(_)));
    play.high.clocks.advance_days(1);
    assert_eq!(play.high.receive(&good).await, whole(3, 0, 0));
    assert_eq!(play.high.versions(ANA_LOW).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn an_object_without_a_place_is_refused_alone_and_said_so() {
    let play = Play::unmapped().await;
    play.map_low(json!({ "metadata": ["classification"] })).await;
    play.map_high(json!({ "metadata": ["classification"], "types": ["text/plain"], "object_bytes": 100 })).await;
    let ask = |key: &str, says: &str| {
        Ask::s3(Method::PUT, format!("/plans/{key}"))
            .with("content-type", "text/plain")
            .with("x-amz-meta-classification", says)
            .body("text")
    };
    assert_eq!(play.low.ask(ANA, ask("a", S)).await.status, 200);
    play.low.put(ANA, "large", "x".repeat(101)).await;
    assert_eq!(play.cross(ANA, S).await, [whole(1, 1, 0)]);
    let officers = play.high.done("officer@alpha SECRET", "ListArrivals", json!({ "from": LOW })).await;
    assert!(officers.to_string().contains("more than the mapping lets in"), "{officers}");
    // A bucket that is not there any more.
    assert_eq!(play.high.ask(ANA, Ask::s3(Method::DELETE, "/plans/a")).await.status, 204);
    let play = Play::begin().await;
    play.low.put(ANA, "a", "a").await;
    play.low.put(ANA, "b", WORD).await;
    assert_eq!(play.high.ask(ANA_LOW, Ask::s3(Method::DELETE, "/plans")).await.status, 204);
    assert_eq!(play.cross(ANA, S).await, [whole(0, 0, 2)]);
    let listed = play.high.done(ANA, "ListArrivals", json!({ "from": LOW })).await;
    assert_eq!(listed["arrivals"][0]["refusals"][0]["code"], "NoSuchBucket", "{listed}");
}

#[tokio::test]
async fn what_arrived_long_ago_without_trouble_is_forgotten_and_does_not_come_again() {
    let play = Play::begin().await;
    play.low.put(ANA_LOW, "a", format!("{WORD} not for here")).await;
    assert_eq!(play.cross(ANA_LOW, U).await, [whole(0, 1, 0)]);
    play.low.put(ANA_LOW, "a", "good").await;
    let good = bundle(&play, ANA_LOW, U).await;
    assert_eq!(play.high.receive(&good).await, whole(1, 0, 0));
    let forget = async || play.high.house.gate.forget_arrivals(play.high.label(U)).await.unwrap();
    assert_eq!(forget().await, 0);
    play.high.clocks.advance_days(32);
    assert_eq!(forget().await, 2, "the arrival, and what it brought");
    assert_eq!(forget().await, 0);
    assert!(matches!(play.high.open(&good).await, Opening::Refused("clock")));
    play.high.clocks.advance_days(-32);
    let listed = play.high.done(ANA_LOW, "ListArrivals", json!({ "from": LOW })).await;
    let counts: Vec<_> = listed["arrivals"].as_array().unwrap().iter().map(|one| &one["quarantined"]).collect();
    assert_eq!(counts, [&json!(1)], "what was stopped is not forgotten");
    assert_eq!(play.high.receive(&good).await, Taken::Refused("replayed"), "nor by a clock that went back");
    assert_eq!(play.high.get(ANA_LOW, "a").await.text(), "good");
}

#[tokio::test]
async fn each_bundle_meets_filters_that_no_other_bundle_met() {
    let play = Play::begin().await;
    for number in 0..130 {
        play.low.put(ANA_LOW, &format!("{number:03}"), "text").await;
    }
    assert_eq!(play.cross(ANA_LOW, U).await, [whole(130, 0, 0)]);
    assert_eq!(play.cross(ANA_LOW, U).await, [whole(130, 0, 0)]);
    assert_eq!(*play.high.guard.begun.lock().unwrap(), [0, 2], "before its first batch, and not between its batches");
}

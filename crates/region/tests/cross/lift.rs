//! What a lift sends, and what it leaves out.

use crate::play::{HIGH, Pause, Play};
use crate::support::{Ask, S, TOP, U};
use fastness_crossing::Errand;
use fastness_store::disk::{Disk, MemoryDisk, OpenMode};
use http::Method;
use serde_json::{Value, json};

const ANA: &str = "ana SECRET";
const ANA_LOW: &str = "ana UNCLASSIFIED";
/// Two of this length do not fit into one bundle.
const HALF: usize = 17 << 20;

#[tokio::test]
async fn only_what_lies_at_the_sessions_own_label_goes() {
    let play = Play::begin().await;
    play.low.versioning(ANA_LOW, "Enabled").await;
    for who in [ANA_LOW, ANA, "zoe TOP SECRET//SI/TK"] {
        for key in ["a", "b", "deep/c"] {
            // More of the middle one than the walk passes by one after the other.
            for round in 0..if key == "b" { 9 } else { 1 } {
                play.low.put(who, key, format!("old {key} of {who}, {round}")).await;
            }
            play.low.put(who, key, format!("{key} of {who}")).await;
        }
    }
    play.low.put(ANA_LOW, "below", "only below").await;
    let body = json!({ "bucket": "plans", "to": HIGH, "purpose": "exercise" });
    let lift = play.low.done(ANA, "StartLift", body).await["lift"].as_str().unwrap().to_owned();
    assert_eq!(play.low.send(U).await + play.low.send(TOP).await, 0, "nothing of it lies at another label");
    assert_eq!(play.low.send_all(S).await, 1);

    let bundles = play.low.taken(S);
    let (manifest, contents) = play.read(&play.sign(&bundles[0]));
    let expected: Vec<_> =
        ["a", "b", "deep/c"].map(|key| (key.to_owned(), format!("{key} of {ANA}").into_bytes())).into();
    assert_eq!(contents.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!((manifest.label.as_str(), manifest.objects.len()), (S, 3));
    let Errand::Lift { lift: of, ordered_by, purpose, from_bucket, .. } = &manifest.errand else { panic!() };
    assert_eq!((of.as_str(), from_bucket.as_str()), (lift.as_str(), "plans"));
    assert_eq!((ordered_by[0].name.as_str(), purpose.as_ref().unwrap().as_str()), ("ana", "exercise"));
    assert!(play.low.taken(U).is_empty() && play.low.taken(TOP).is_empty());

    let described = play.describe(ANA, &lift).await;
    assert_eq!((&described["state"], &described["sent"], &described["found"]), (&json!("sent"), &json!(3), &json!(3)));
    for other in [ANA_LOW, "zoe TOP SECRET//SI/TK"] {
        let (status, _) = play.low.own(other, "DescribeLift", json!({ "lift": lift })).await;
        assert_ne!(status, 200, "a lift is of its own label alone");
        let listed = play.low.done(other, "ListLifts", json!({})).await;
        assert_eq!(listed["lifts"], json!([]));
    }
    assert_eq!(play.low.done(ANA, "ListLifts", json!({})).await["lifts"].as_array().unwrap().len(), 1);

    let sent = play.low.events("vera SECRET", "SendObjects").await;
    assert_eq!(sent.len(), 1);
    let text = sent[0].to_string();
    assert!(text.contains("plans/deep/c") && text.contains("versionId"), "{text}");
    assert!(text.contains(manifest.id.as_str()) && text.contains(&lift) && text.contains("ana"), "{text}");
    assert_eq!(play.low.events("vera UNCLASSIFIED", "SendObjects").await.len(), 0);
}

#[tokio::test]
async fn what_stays_is_counted_by_its_reason() {
    let play = Play::begin().await;
    play.map_low(json!({ "object_bytes": 100 })).await;
    play.low.put(ANA_LOW, "good", "good").await;
    play.low.put(ANA_LOW, "large", "x".repeat(101)).await;
    play.low.put_as(ANA_LOW, "picture", "x", "image/png").await;
    play.low.put_as(ANA_LOW, "unknown", "x", "binary/octet-stream").await;
    play.low.put(ANA_LOW, "gone", "x").await;
    play.low.put(ANA_LOW, "later", "x").await;
    play.low.put(ANA_LOW, "secret/plan", "x").await;
    let sealed = Ask::s3(Method::PUT, "/plans/sealed")
        .with("content-type", "text/plain")
        .with("x-amz-server-side-encryption-customer-algorithm", "AES256")
        .with("x-amz-server-side-encryption-customer-key", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")
        .with("x-amz-server-side-encryption-customer-key-md5", "mT2HRsMGJ5IX5C+0rreZ8Q==")
        .body("x");
    let sealed = play.low.ask(ANA_LOW, sealed).await;
    assert_eq!(sealed.status, 200, "{sealed:?}");
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObjectVersion", "Resource": "arn:aws-us-gov:s3:::plans/secret/*",
    }] });
    let policy = play.low.ask(ANA_LOW, Ask::s3(Method::PUT, "/plans?policy").body(policy.to_string())).await;
    assert!(policy.status < 300, "{policy:?}");

    let lift = play.start(ANA_LOW).await;
    play.low.put(ANA_LOW, "later", "changed").await;
    play.low.put(ANA_LOW, "new", "new").await;
    assert_eq!(play.low.ask(ANA_LOW, Ask::s3(Method::DELETE, "/plans/gone")).await.status, 204);
    assert_eq!(play.low.send_all(U).await, 1);
    let (_, contents) = play.read(&play.sign(&play.low.taken(U)[0]));
    assert_eq!(contents.into_iter().collect::<Vec<_>>(), [("good".to_owned(), b"good".to_vec())]);
    let described = play.describe(ANA_LOW, &lift).await;
    let expected = json!({ "too-large": 1, "type": 2, "customer-key": 1, "withheld": 1, "later": 2 });
    assert_eq!((&described["left_out"], &described["state"]), (&expected, &json!("sent")), "{described}");
    assert_eq!((&described["found"], &described["sent"]), (&json!(8), &json!(1)));
    let event = play.low.events("vera UNCLASSIFIED", "SendObjects").await.remove(0).to_string();
    assert!(event.contains("plans/good") && !event.contains("plans/secret"), "{event}");
}

fn files(disk: &MemoryDisk, folder: &str) -> Vec<String> {
    let path = |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
    let all = disk.list(folder).unwrap().into_iter().map(path);
    all.flat_map(|path| if disk.open(&path, OpenMode::Read).is_ok() { vec![path] } else { files(disk, &path) })
        .collect()
}

#[tokio::test]
async fn a_damaged_object_stays_alone() {
    let play = Play::begin().await;
    play.low.put(ANA_LOW, "damaged", "x".repeat(60_000)).await;
    let values = files(&play.low.disk, "");
    let value = values.iter().find(|path| path.contains("/blobs/") || path.contains("/incoming/")).unwrap();
    assert!(play.low.disk.flip_bit(value, 30_000));
    play.low.put(ANA_LOW, "good", "good").await;
    let lift = play.start(ANA_LOW).await;
    assert_eq!(play.low.send_all(U).await, 1);
    let (_, contents) = play.read(&play.sign(&play.low.taken(U)[0]));
    assert_eq!(contents.into_keys().collect::<Vec<_>>(), ["good"]);
    let described = play.describe(ANA_LOW, &lift).await;
    assert_eq!((&described["left_out"], &described["state"]), (&json!({ "unreadable": 1 }), &json!("sent")));
}

#[tokio::test]
async fn a_bundle_says_no_more_than_the_mapping_lets_go() {
    let play = Play::begin().await;
    let ask = Ask::s3(Method::PUT, "/plans/a")
        .with("content-type", "text/plain")
        .with("cache-control", "no-store")
        .with("x-amz-meta-kept", "yes")
        .with("x-amz-meta-other", "no")
        .body("a");
    assert_eq!(play.low.ask(ANA_LOW, ask).await.status, 200);
    play.start(ANA_LOW).await;
    play.low.send_all(U).await;
    let (manifest, _) = play.read(&play.sign(&play.low.taken(U)[0]));
    let attributes = &manifest.objects[0].attributes;
    assert_eq!(attributes.metadata.iter().collect::<Vec<_>>(), [(&"kept".to_owned(), &"yes".to_owned())]);
    assert_eq!((attributes.content_type.as_deref(), attributes.cache_control.as_deref()), (Some("text/plain"), None));
}

#[tokio::test]
async fn a_key_switched_off_half_way_stops_a_lift() {
    let event = half_way(async |play| {
        let key = play.low.template.cast[ANA].id.clone();
        let off = [("Action", "UpdateAccessKey"), ("UserName", "ana"), ("AccessKeyId", &key), ("Status", "Inactive")];
        assert_eq!(play.low.ask("officer@alpha", Ask::form("iam", &off)).await.status, 200);
    })
    .await;
    assert!(event.to_string().contains("AccessDenied"), "{event}");
}

#[tokio::test]
async fn a_lowered_clearance_stops_a_lift() {
    half_way(async |play| {
        let tag = [
            ("Action", "TagUser"),
            ("UserName", "ana"),
            ("Tags.member.1.Key", "clearance"),
            ("Tags.member.1.Value", U),
        ];
        assert_eq!(play.low.ask("officer@alpha", Ask::form("iam", &tag)).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_policy_stops_a_lift() {
    half_way(async |play| {
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws-us-gov:s3:::plans",
        }] });
        let answer = play.low.ask(ANA, Ask::s3(Method::PUT, "/plans?policy").body(policy.to_string())).await;
        assert!(answer.status < 300, "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn a_mapping_that_is_deleted_stops_a_lift() {
    half_way(async |play| {
        play.low.done("officer@alpha", "DeleteMapping", json!({ "name": "plans" })).await;
    })
    .await;
}

#[tokio::test]
async fn a_mapping_that_lets_less_go_stops_a_lift() {
    half_way(async |play| play.map_low(json!({ "highest": U })).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_taken_back_while_a_bundle_is_written_sends_nothing() {
    for what in ["key", "clearance", "mapping", "less"] {
        let play = Play::begin().await;
        play.low.put(ANA, "a", "a").await;
        play.start(ANA).await;
        let (pause, is_reached, go_on) = Pause::new();
        *play.low.staged.pause.lock().unwrap() = Some(pause);
        let (gate, label) = (play.low.house.gate.clone(), play.low.label(S));
        let sending = tokio::spawn(async move { gate.send_lifts(label).await });
        tokio::task::spawn_blocking(move || is_reached.recv().unwrap()).await.unwrap();
        match what {
            "key" => play.low.switch_off("alpha", "ana", ANA).await,
            "clearance" => play.low.tag("alpha", "ana", &[("clearance", U)]).await,
            "mapping" => drop(play.low.done("officer@alpha", "DeleteMapping", json!({ "name": "plans" })).await),
            _ => play.map_low(json!({ "highest": U })).await,
        }
        go_on.send(()).unwrap();
        assert_eq!(sending.await.unwrap().unwrap(), 0, "{what}");
        assert_eq!((play.low.send_all(S).await, play.low.taken(S).len()), (0, 0), "{what}");
        let store = &play.low.house.store;
        let chore = fastness_decide::Chore::of(label, &store.labels()).unwrap();
        assert_eq!(store.due_lifts(&chore).unwrap(), [], "{what}: it is over");
    }
}

/// A lift of two bundles, of which one went; then something is withdrawn, and the lift ends. The entry that says so.
async fn half_way(withdraw: impl AsyncFnOnce(&Play)) -> Value {
    let play = Play::begin().await;
    play.low.put(ANA, "a", vec![b'a'; HALF]).await;
    play.low.put(ANA, "b", vec![b'b'; HALF]).await;
    play.start(ANA).await;
    assert_eq!(play.low.send(S).await, 1);
    withdraw(&play).await;
    assert_eq!(play.low.send_all(S).await, 0);
    let chore = fastness_decide::Chore::of(play.low.label(S), &play.low.house.store.labels()).unwrap();
    assert_eq!(play.low.house.store.due_lifts(&chore).unwrap(), [], "nothing is due any more");
    assert_eq!(play.low.taken(S).len(), 1);
    let events = play.low.events("vera SECRET", "WalkLift").await;
    assert_eq!(events.len(), 1, "one entry says that it ended: {events:?}");
    events[0].clone()
}

#[tokio::test]
async fn what_a_day_has_no_room_for_goes_the_next_day() {
    let play = Play::begin().await;
    play.map_low(json!({ "objects_per_day": 2, "bytes_per_day": 1_000 })).await;
    for key in ["a", "b", "c", "d", "e"] {
        play.low.put(ANA_LOW, key, key.repeat(400)).await;
    }
    play.low.put(ANA_LOW, "f", "f".repeat(1_001)).await;
    let lift = play.start(ANA_LOW).await;
    for (sent, state) in [(2, "sending"), (4, "sending"), (5, "sent")] {
        assert_eq!(play.low.send_all(U).await, 1);
        let described = play.describe(ANA_LOW, &lift).await;
        assert_eq!((&described["sent"], &described["state"]), (&json!(sent), &json!(state)), "{described}");
        play.low.clocks.advance_days(1);
    }
    let described = play.describe(ANA_LOW, &lift).await;
    assert_eq!(described["left_out"], json!({ "too-large": 1 }), "more than a day's measure is never waited for");
    assert_eq!(play.low.taken(U).len(), 3);
}

#[tokio::test]
async fn a_lift_waits_for_its_carrier_and_can_be_stopped() {
    let play = Play::begin().await;
    play.low.put(ANA_LOW, "a", "a").await;
    let lift = play.start(ANA_LOW).await;
    play.low.staged.full.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(play.low.send_all(U).await, 0);
    assert_eq!(play.describe(ANA_LOW, &lift).await["state"], "queued");
    let stopped = play.low.done(ANA_LOW, "StopLift", json!({ "lift": lift })).await;
    assert_eq!(stopped["state"], "stopped");
    play.low.staged.full.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(play.low.send_all(U).await, 0);
    assert!(play.low.waiting(U).is_empty());
}

#[tokio::test]
async fn a_lift_that_may_not_go_does_not_begin() {
    let play = Play::begin().await;
    play.low.put(ANA_LOW, "a", "a").await;
    let start = async |who: &str, body: Value| play.low.own(who, "StartLift", body).await;
    let refusals = [
        (ANA_LOW, json!({ "bucket": "plans", "to": "us-west-9" })),
        (ANA_LOW, json!({ "bucket": "nothing", "to": HIGH })),
        (ANA_LOW, json!({ "bucket": "plans", "to": HIGH, "mapping": "other" })),
        ("zoe TOP SECRET//SI/TK", json!({ "bucket": "plans", "to": HIGH })),
        ("officer@alpha", json!({ "bucket": "plans", "to": HIGH })),
        ("vera UNCLASSIFIED", json!({ "bucket": "plans", "to": HIGH })),
        ("bob UNCLASSIFIED", json!({ "bucket": "plans", "to": HIGH })),
    ];
    for (who, body) in refusals {
        let (status, answer) = start(who, body.clone()).await;
        assert!((400..=501).contains(&status), "{who} {body}: {answer}");
    }
    // The region above names the one below as what it is.
    let body = json!({ "bucket": "plans", "to": crate::play::LOW });
    let (status, answer) = play.high.own(ANA_LOW, "StartLift", body).await;
    assert_eq!(status, 400, "{answer}");
    for operation in ["WalkLift", "SendObjects", "ReceiveObjects"] {
        let (status, _) = play.low.own(ANA_LOW, operation, json!({})).await;
        assert_eq!(status, 400, "no front parses it");
    }
}

/// What went of a label since the last time, by key.
fn went(play: &Play, label: &str) -> Vec<(String, String)> {
    let read = |bundle: Vec<u8>| play.read(&play.sign(&bundle)).1;
    let text = |(key, content): (String, Vec<u8>)| (key, String::from_utf8(content).unwrap());
    play.low.taken(label).into_iter().flat_map(read).map(text).collect()
}

#[tokio::test]
async fn a_standing_lift_sends_what_is_written_later_each_version_once_until_it_is_stopped() {
    let mut play = Play::begin().await;
    let pair = |key: &str, content: &str| (key.to_owned(), content.to_owned());
    play.low.put(ANA_LOW, "a", "first").await;
    play.low.put(ANA_LOW, "b", "first").await;
    let body = json!({ "bucket": "plans", "to": HIGH, "standing": true });
    let lift = play.low.done(ANA_LOW, "StartLift", body).await["lift"].as_str().unwrap().to_owned();
    play.low.put(ANA_LOW, "c", "after the order").await;
    assert_eq!(play.low.send_all(U).await, 1);
    assert_eq!(went(&play, U), [pair("a", "first"), pair("b", "first"), pair("c", "after the order")]);
    play.low.put(ANA_LOW, "b", "again").await;
    play.low.put(ANA, "d", "at another label").await;
    play.low.put(ANA_LOW, "e", "later").await;
    play.low.clocks.advance_days(1);
    assert_eq!(play.low.send_all(U).await, 1);
    assert_eq!(went(&play, U), [pair("b", "again"), pair("e", "later")]);

    // Something else is written at its label: it looks, finds nothing, and says nothing.
    assert_eq!(play.low.ask(ANA_LOW, Ask::s3(Method::PUT, "/other")).await.status, 200);
    let put = Ask::s3(Method::PUT, "/other/x").with("content-type", "text/plain").body("x");
    assert_eq!(play.low.ask(ANA_LOW, put).await.status, 200);
    play.low.clocks.advance_days(1);
    assert_eq!(play.low.send_all(U).await, 0);
    assert_eq!(play.low.events("vera UNCLASSIFIED", "WalkLift").await.len(), 0);

    play.low.lose_power(1);
    assert_eq!(play.low.send_all(U).await, 0, "after a restart nothing goes twice");
    play.low.put(ANA_LOW, "f", "last").await;
    play.low.clocks.advance_days(1);
    assert_eq!(play.low.send_all(U).await, 1);
    let described = play.describe(ANA_LOW, &lift).await;
    assert_eq!(
        (&described["state"], &described["sent"], &described["found"]),
        (&json!("sending"), &json!(6), &json!(6))
    );
    assert_eq!(
        (&described["standing"], &described["left_out"], &described["ended"]),
        (&json!(true), &json!({}), &Value::Null)
    );
    let stopped = play.low.done(ANA_LOW, "StopLift", json!({ "lift": lift })).await;
    assert_eq!(stopped["state"], "stopped");
    play.low.put(ANA_LOW, "g", "too late").await;
    play.low.clocks.advance_days(1);
    assert_eq!(play.low.send_all(U).await, 0);
}

#[tokio::test]
async fn a_pass_over_many_bundles_ends_where_it_began() {
    let play = Play::begin().await;
    for key in ["a", "b", "c"] {
        play.low.put(ANA_LOW, key, key.repeat(HALF)).await;
    }
    let body = json!({ "bucket": "plans", "to": HIGH, "standing": true });
    let lift = play.low.done(ANA_LOW, "StartLift", body).await["lift"].as_str().unwrap().to_owned();
    assert_eq!(play.low.send(U).await, 1);
    // Before the cursor and behind it: both are for the next pass.
    play.low.put(ANA_LOW, "a", "again").await;
    play.low.put(ANA_LOW, "d", "new").await;
    assert_eq!((play.low.send(U).await, play.low.send(U).await), (1, 1));
    play.low.clocks.advance_days(1);
    assert_eq!(play.low.send_all(U).await, 1);
    let sent: Vec<(String, usize)> = went(&play, U).into_iter().map(|(key, content)| (key, content.len())).collect();
    let mut expected = vec![("a".to_owned(), HALF), ("b".to_owned(), HALF), ("c".to_owned(), HALF)];
    expected.extend([("a".to_owned(), 5), ("d".to_owned(), 3)]);
    let sorted = |mut all: Vec<(String, usize)>| {
        all.sort();
        all
    };
    assert_eq!(sorted(sent), sorted(expected));
    assert_eq!(play.describe(ANA_LOW, &lift).await["sent"], 5);
}

//! Lists of missing bundles: what did not arrive above is named, two people let the list go down, and below the bundles
//! that it names are ready again.

use crate::play::{HIGH, LOW, Play, own, region};
use crate::support::{TOP, U};
use fastness_crossing::{BundleWriter, Errand, NewObject, Outline, write_gaps};
use fastness_gate::{Opening, Taken};
use fastness_operation::{Attributes, BundleId, ObjectKey};
use serde_json::{Value, json};
use std::io::Cursor;
use std::num::NonZeroU64;

const ANA: &str = "ana UNCLASSIFIED";
/// Works at the ceiling.
const ZOE: &str = "zoe TOP SECRET//SI/TK";
const VERA: &str = "vera TOP SECRET//SI/TK";
const REVIEWERS: [&str; 2] = ["rita TOP SECRET//SI/TK", "rolf TOP SECRET//SI/TK"];
const LIST: &str = r#"{"gaps":[[2,2],[4,5]]}"#;

/// Numbers 1, 3 and 6 came in above; 2, 4 and 5 did not.
async fn with_gaps() -> Play {
    let mut play = Play::begin().await;
    for reviewer in ["rita", "rolf"] {
        play.high.hire("alpha", reviewer, "reviewer", &[TOP]).await;
    }
    let account = play.low.account().await;
    let half = json!({ "send": { "bucket": "plans", "to": LOW, "to_account": account, "to_bucket": "plans" } });
    play.high.map_releases("lists", &half, json!({ "types": ["application/json", "text/plain"] })).await;
    for key in ["a", "b", "c", "d", "e", "f"] {
        play.low.put(ANA, key, "text\n").await;
        play.start(ANA).await;
        play.low.send_all(U).await;
    }
    let staged = play.low.taken(U);
    assert!(staged.len() >= 6, "{}", staged.len());
    for (bundle, number) in staged.iter().zip([1, 3, 6]) {
        assert!(matches!(play.high.receive(&play.sign_as(bundle, number)).await, Taken::Whole { .. }));
    }
    play
}

fn asked(change: &[(&str, Value)]) -> Value {
    let mut asked = json!({
        "bucket": "plans", "key": "list", "to": LOW, "name": "gaps.json", "label": "UNCLASSIFIED",
        "type": "application/json", "purpose": "bundles that are missing", "gaps": true,
    });
    for (name, value) in change {
        asked[*name] = value.clone();
    }
    asked
}

/// A bundle of gaps of one side, made past its gate.
fn list_of(play: &Play, from: (&str, [u8; 32]), to: (&str, [u8; 32]), (number, content): (u64, &[u8])) -> Vec<u8> {
    let (own_keys, peer) = (own(from.0, from.1), own(to.0, to.1).peer());
    let mut writer = BundleWriter::begin(Cursor::new(Vec::new()), &region(from.0), &peer).unwrap();
    let attributes = Attributes { content_type: Some("application/json".to_owned()), ..Attributes::default() };
    writer.object(NewObject { key: ObjectKey::new("gaps.json").unwrap(), attributes }).unwrap();
    writer.write(content).unwrap();
    writer.end_object().unwrap();
    let now_ms = play.low.clocks.now_ms();
    let outline = Outline {
        id: BundleId::new("7".repeat(32)).unwrap(),
        made_ms: now_ms - now_ms % 3_600_000,
        errand: Errand::Gaps,
        label: play.low.label(U),
    };
    let mut file = writer.finish(outline, &play.low.template.policy).unwrap().file;
    fastness_crossing::sign(&mut file, NonZeroU64::new(number).unwrap(), &own_keys).unwrap();
    file.into_inner()
}

async fn resent(play: &Play, bundle: &[u8]) -> Taken {
    match play.low.open(bundle).await {
        Opening::Gaps(list) => play.low.house.gate.resend_bundles(*list).await.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_missing_is_told_at_the_ceiling_alone() {
    let play = with_gaps().await;
    let told = play.high.done(ZOE, "ListGaps", json!({ "from": LOW })).await;
    assert_eq!((told["gaps"].to_string(), told["highest"].as_u64()), ("[[2,2],[4,5]]".to_owned(), Some(6)), "{told}");
    assert!(told["highest_seen"].is_string());
    for who in [ANA, "ana SECRET", "officer@alpha", "operator"] {
        let (status, refused) = play.high.own(who, "ListGaps", json!({ "from": LOW })).await;
        assert_eq!((status, refused["__type"].as_str()), (403, Some("AccessDenied")), "{who}: {refused}");
    }
    let (status, refused) = play.high.own(ZOE, "ListGaps", json!({ "from": "eu-nowhere-1" })).await;
    assert_eq!(status, 400, "{refused}");
}

#[tokio::test]
async fn two_people_let_a_list_go_and_what_it_names_is_sent_again() {
    let play = with_gaps().await;
    play.high.put_as(ZOE, "list", LIST, "application/json").await;
    let release = play.high.done(ZOE, "RequestRelease", asked(&[])).await;
    let id = release["release"].as_str().unwrap();
    assert_eq!((release["gaps"].as_bool(), release["state"].as_str()), (Some(true), Some("requested")));
    for reviewer in REVIEWERS {
        assert_eq!(play.high.send_releases(TOP).await, 0, "one approval is not enough");
        let seen = play.high.done(reviewer, "ReviewRelease", json!({ "release": id })).await;
        let vote = json!({ "release": id, "digest": seen["digest"], "reason": "numbers alone" });
        play.high.done(reviewer, "ApproveRelease", vote).await;
    }
    assert_eq!(play.high.send_releases(TOP).await, 1);
    let bundles = play.high.taken_for(LOW, TOP);
    let [bundle] = bundles.as_slice() else { panic!("{} bundles", bundles.len()) };
    let signed = play.high.signed(bundle, 1);
    let (manifest, contents) = play.low.read_from(&play.high, &signed);
    assert_eq!((manifest.errand, contents["gaps.json"].as_slice()), (Errand::Gaps, LIST.as_bytes()));

    assert_eq!(resent(&play, &signed).await, Taken::Resent { again: 0, gone: 3 });
    let numbers: Vec<NonZeroU64> = [2, 4, 5].into_iter().filter_map(NonZeroU64::new).collect();
    assert_eq!(*play.low.staged.asked.lock().unwrap(), [(region(HIGH), numbers)]);
    let read = |name: &'static str| play.low.events(VERA, name);
    for (name, says) in [("ReceiveGaps", "asks numbers 2, 4-5"), ("ResendBundles", "kept no longer 2, 4-5")] {
        let events = read(name).await;
        assert!(events.len() == 1 && events[0].to_string().contains(says), "{name}: {events:?}");
    }
    // Once.
    assert_eq!(resent(&play, &signed).await, Taken::Refused("replayed"));
    assert_eq!(resent(&play, &play.high.signed(bundle, 1)).await, Taken::Refused("replayed"));
    assert_eq!(play.low.staged.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_names_what_is_missing_and_says_nothing_else() {
    let play = with_gaps().await;
    let request = async |content: &str, change: &[(&str, Value)]| {
        play.high.put_as(ZOE, "list", content.to_owned(), "application/json").await;
        let (status, refused) = play.high.own(ZOE, "RequestRelease", asked(change)).await;
        assert_eq!(status, 400, "{content} {change:?}: {refused}");
        refused["message"].as_str().unwrap_or_default().to_owned()
    };
    for (content, why) in [
        (r#"{"gaps":[[1,2]]}"#, "not all of 1-2 are missing"),
        (r#"{"gaps":[[2,2],[7,9]]}"#, "not all of 7-9 are missing"),
        (r#"{"gaps": [[2,2]]}"#, "no list of missing bundles"),
        (r#"{"gaps":[[2,2]],"note":"hello"}"#, "no list of missing bundles"),
        (r#"{"gaps":[]}"#, "no list of missing bundles"),
    ] {
        let told = request(content, &[]).await;
        assert!(told.contains(why), "{content}: {told}");
    }
    for change in
        [("name", json!("other.json")), ("type", json!("text/plain")), ("metadata", json!({ "subject": "a" }))]
    {
        let told = request(LIST, &[change]).await;
        assert!(told.contains("called `gaps.json`"), "{told}");
    }
    // No bundles of its own are missing of a region, and no mapping sends them.
    let (status, refused) = play.high.own(ZOE, "RequestRelease", asked(&[("to", json!(HIGH))])).await;
    assert_eq!((status, refused["__type"].as_str()), (404, Some("NoSuchEntity")), "{refused}");
    // Who is not at the ceiling is not told which numbers are missing, either by asking for their release.
    play.high.put_as("ana SECRET", "list", LIST, "application/json").await;
    let (status, refused) = play.high.own("ana SECRET", "RequestRelease", asked(&[])).await;
    assert_eq!((status, refused["__type"].as_str()), (403, Some("AccessDenied")), "{refused}");
}

#[tokio::test]
async fn a_list_comes_from_above_and_from_nowhere_else() {
    let play = with_gaps().await;
    // The region below signs one for the region above: sound, and not followed.
    let upward = list_of(&play, (LOW, [5; 32]), (HIGH, [6; 32]), (9, &write_gaps(&[(1, 1)]).unwrap()));
    let Opening::Gaps(list) = play.high.open(&upward).await else { panic!("no list") };
    assert_eq!(play.high.house.gate.resend_bundles(*list).await.unwrap(), Taken::Refused("gaps"));
    assert!(play.high.staged.asked.lock().unwrap().is_empty());
    let refusals = play.high.events(VERA, "ReceiveObjects").await;
    assert!(refusals.iter().any(|event| event.to_string().contains("gaps")), "{refusals:?}");
    // What is no list is refused, and the next one is taken in.
    let bad_ones: [&[u8]; 3] = [b"{}", b"{\"gaps\":[[9,1]]}", b"\xff\xfe"];
    for (number, content) in (1..).zip(bad_ones) {
        let bad = list_of(&play, (HIGH, [6; 32]), (LOW, [5; 32]), (number, content));
        assert_eq!(resent(&play, &bad).await, Taken::Refused("malformed"), "{content:?}");
    }
    let good = list_of(&play, (HIGH, [6; 32]), (LOW, [5; 32]), (4, &write_gaps(&[(1, 1)]).unwrap()));
    assert_eq!(resent(&play, &good).await, Taken::Resent { again: 0, gone: 1 });
}

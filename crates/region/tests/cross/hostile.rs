//! What nobody should send, as a region that has it in its inbox: refused or stopped, said in the ledger, and the next good
//! bundle passes. What a carrier can do to bytes is in `arrive`, every single byte in the tests of the bundles' own crate.

use crate::play::{HIGH, LOW, Play, own, region};
use crate::support::{S, U};
use fastness_crossing::{BundleWriter, Errand, NewObject, Outline, OwnKeys, Peer, Person, sign};
use fastness_gate::{Opening, Taken};
use fastness_label::Policy;
use fastness_operation::{Attributes, BundleId, LiftId, ObjectKey};
use fastness_region::{FilterGuard, GuardConfig, RegionConfig};
use serde_json::{Value, json};
use std::io::{self, Cursor, Read, Write};
use std::num::NonZeroU64;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const ANA_LOW: &str = "ana UNCLASSIFIED";
const EVERYTHING: &str = "vera TOP SECRET//SI/TK";

/// A bundle that somebody writes by hand, and everything in it is right but what a test makes wrong.
struct Hand {
    from: OwnKeys,
    to: Peer,
    policy: Policy,
    marking: &'static str,
    made_ms: i64,
    id: u128,
    number: u64,
}

impl Hand {
    fn of(play: &Play) -> Self {
        let (from, to) = (play.low.keys(), play.high.keys().peer());
        Self { from, to, policy: Policy::us(), marking: U, made_ms: play.high.clocks.now_ms(), id: 77, number: 77 }
    }

    async fn write(&self, play: &Play) -> Vec<u8> {
        let mut writer = BundleWriter::begin(Cursor::new(Vec::new()), self.from.region(), &self.to).unwrap();
        let attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
        writer.object(NewObject { key: ObjectKey::new("by-hand").unwrap(), attributes }).unwrap();
        writer.write(b"a text").unwrap();
        writer.end_object().unwrap();
        let errand = Errand::Lift {
            lift: LiftId::from_random(1),
            mapping: "plans".to_owned().try_into().unwrap(),
            from_account: play.low.account().await.parse().unwrap(),
            from_bucket: "plans".to_owned().try_into().unwrap(),
            to_account: play.high.account().await.parse().unwrap(),
            to_bucket: "plans".to_owned().try_into().unwrap(),
            purpose: None,
            ordered_by: vec![Person { name: "lou".to_owned(), duty: String::new(), at_ms: self.made_ms }],
        };
        let label = self.policy.label(self.marking).unwrap();
        let outline = Outline { id: BundleId::from_random(self.id), made_ms: self.made_ms, errand, label };
        let mut file = writer.finish(outline, &self.policy).unwrap().file;
        sign(&mut file, NonZeroU64::new(self.number).unwrap(), &self.from).unwrap();
        file.into_inner()
    }
}

async fn refusals(play: &Play) -> Vec<Value> {
    play.high.events(EVERYTHING, "ReceiveObjects").await
}

/// Refused for this reason, with an entry at the ceiling, and nobody below learns of it.
async fn refused(play: &Play, file: &[u8], kind: &str) {
    let before = refusals(play).await.len();
    let opened = play.high.open(file).await;
    assert!(matches!(&opened, Opening::Refused(found) if *found == kind), "{kind}: {opened:?}");
    let after = refusals(play).await;
    assert_eq!(after.len(), before + 1, "{kind}");
    assert!(after[0].to_string().contains(kind) && after[0].to_string().contains(LOW), "{kind}: {}", after[0]);
    assert!(!play.high.events("vera SECRET", "ReceiveObjects").await.iter().any(|one| one.to_string().contains(kind)));
}

/// What is right passes, whatever came before.
async fn the_next_one_passes(play: &Play) {
    let good = Hand { id: 78, number: 78, ..Hand::of(play) }.write(play).await;
    assert_eq!(play.high.receive(&good).await, Taken::Whole { accepted: 1, quarantined: 0, refused: 0 });
    assert_eq!(play.high.get(ANA_LOW, "by-hand").await.text(), "a text");
}

#[tokio::test]
async fn a_bundle_for_another_region_and_one_of_another_origin_are_refused() {
    let play = Play::begin().await;
    let third = own("us-isob-east-1", [7; 32]);
    let for_another = Hand { to: third.peer(), ..Hand::of(&play) }.write(&play).await;
    refused(&play, &for_another, "another region's").await;
    let of_another = Hand { from: third, ..Hand::of(&play) }.write(&play).await;
    refused(&play, &of_another, "another origin's").await;
    // Under the origin's name, by somebody without its keys.
    let forged = Hand { from: own(LOW, [8; 32]), ..Hand::of(&play) }.write(&play).await;
    refused(&play, &forged, "forged").await;
    let to_an_older_key = Hand { to: own(HIGH, [9; 32]).peer(), ..Hand::of(&play) }.write(&play).await;
    refused(&play, &to_an_older_key, "another key's").await;
    // What the region itself sent comes back to it.
    let own_again = Hand { from: play.high.keys(), to: play.low.keys().peer(), ..Hand::of(&play) }.write(&play).await;
    refused(&play, &own_again, "another origin's").await;
    the_next_one_passes(&play).await;
}

#[tokio::test]
async fn a_mislabelled_bundle_and_one_of_another_time_are_refused() {
    let play = Play::begin().await;
    let other_policy = Hand { policy: Policy::nato(), marking: "NATO SECRET", ..Hand::of(&play) }.write(&play).await;
    refused(&play, &other_policy, "mislabelled").await;
    let now = play.high.clocks.now_ms();
    let (minute, day) = (60_000, 86_400_000);
    for made_ms in [now + 30 * minute, now - 31 * day] {
        let apart = Hand { made_ms, ..Hand::of(&play) }.write(&play).await;
        refused(&play, &apart, "clock").await;
    }
    the_next_one_passes(&play).await;
}

#[tokio::test]
async fn a_label_that_the_mapping_or_the_region_does_not_let_in_waits_outside() {
    let play = Play::begin().await;
    // Above what the mapping lets in; within it, and not held here.
    for (marking, highest) in [("TOP SECRET", S), ("CONFIDENTIAL", S)] {
        play.map_high(json!({ "highest": highest })).await;
        let bundle = Hand { marking, ..Hand::of(&play) }.write(&play).await;
        assert!(matches!(play.high.open(&bundle).await, Opening::NotMapped), "{marking}");
        let said = refusals(&play).await[0].to_string();
        assert!(said.contains("not mapped"), "{said}");
    }
    the_next_one_passes(&play).await;
}

#[tokio::test]
async fn a_mapping_goes_the_way_that_the_configuration_says() {
    let play = Play::begin().await;
    let put = async |side: &crate::play::Side, half: &str, way: &str, other: &str| {
        let mut wanted = json!({
            "name": "wrong", "way": way, "highest": U, "types": ["text/plain"], "bytes_per_day": 1, "objects_per_day": 1,
        });
        wanted[half] = match half {
            "send" => json!({ "bucket": "plans", "to": other, "to_account": "123456789012", "to_bucket": "there" }),
            _ if way == "release" => json!({ "from": other, "bucket": "plans" }),
            _ => json!({ "from": other, "from_account": "123456789012", "from_bucket": "there", "bucket": "plans" }),
        };
        side.own("officer@alpha", "PutMapping", wanted).await
    };
    for (half, way, is_right) in
        [("send", "lift", false), ("receive", "lift", true), ("send", "release", true), ("receive", "release", false)]
    {
        // Seen from above, the other region lies below; seen from below, the other way about.
        let (above, said) = put(&play.high, half, way, LOW).await;
        assert_eq!(above == 200, is_right, "{half} {way}: {said}");
        let (below, said) = put(&play.low, half, way, HIGH).await;
        assert_eq!(below == 200, !is_right, "{half} {way}: {said}");
        for refused in [above, below].into_iter().filter(|status| *status != 200) {
            assert_eq!(refused, 400);
        }
    }
}

/// Real filters in their processes, one of which does what no filter should where the content says so.
fn filters() -> Arc<FilterGuard> {
    filters_and(None)
}

/// The same, and ClamAV behind this socket.
fn filters_and(clamd: Option<PathBuf>) -> Arc<FilterGuard> {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/misbehaving-filter");
    assert!(program.is_file(), "`cargo build -p fastness-region --examples` builds {}", program.display());
    let text = format!(
        "name = {HIGH:?}\ndata = \"unused\"\nlisten = \"127.0.0.1:1\"\nfloor = {U:?}\nceiling = \"TOP SECRET//SI/TK\"\n"
    );
    let config: RegionConfig = toml::from_str(&text).unwrap();
    let guard = GuardConfig { program, words: None, clamd };
    Arc::new(FilterGuard::new(&config, &guard).unwrap().within(Duration::from_secs(2), 256 << 20))
}

fn zip(content: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::DEFAULT.compression_method(zip::CompressionMethod::Deflated);
    writer.start_file("a.txt", options).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_filter_that_hangs_crashes_or_eats_memory_stops_its_object_alone() {
    let play = Play::begin().await;
    *play.high.guard.instead.lock().unwrap() = Some(filters());
    let hostile = [("b", "hang"), ("c", "crash"), ("d", "eat memory"), ("e", "say unavailable")];
    for (key, content) in [("a", "good"), ("f", "good, too")].into_iter().chain(hostile) {
        play.low.put(ANA_LOW, key, content).await;
    }
    assert_eq!(play.cross(ANA_LOW, U).await, [Taken::Whole { accepted: 2, quarantined: 4, refused: 0 }]);
    for (key, status) in [("a", 200), ("b", 404), ("c", 404), ("d", 404), ("e", 404), ("f", 200)] {
        assert_eq!(play.high.get(ANA_LOW, key).await.status, status, "{key}");
    }
    let listed = play.high.done("officer@alpha", "ListArrivals", json!({ "from": LOW })).await;
    let stopped = listed["arrivals"][0]["stopped"].as_array().unwrap();
    for (one, kind) in stopped.iter().zip(["hang", "crash", "memory", "crash"]) {
        assert!(one["findings"][0].as_str().unwrap().starts_with(kind), "{kind}: {one}");
    }
    let said = play.high.events("vera UNCLASSIFIED", "ReceiveObjects").await[0].to_string();
    assert_eq!(said.matches("quarantined spill").count(), 4, "{said}");
    the_next_one_passes(&play).await;
}

/// Speaks as `clamd` does, and falls over where the content says so.
fn answer_as_clamd(mut stream: UnixStream) -> io::Result<()> {
    let (mut command, mut length, mut content) = ([0; 10], [0; 4], Vec::new());
    stream.read_exact(&mut command)?;
    loop {
        stream.read_exact(&mut length)?;
        let mut chunk = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        if chunk.is_empty() {
            break;
        }
        stream.read_exact(&mut chunk)?;
        content.extend(chunk);
    }
    if content == b"fall over" { Ok(()) } else { stream.write_all(b"stream: OK\0") }
}

#[tokio::test]
async fn a_content_on_which_the_scanner_fails_alone_is_stopped_alone_and_a_scanner_that_is_away_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("clamd.socket");
    let play = Play::begin().await;
    *play.high.guard.instead.lock().unwrap() = Some(filters_and(Some(socket.clone())));
    for (key, content) in [("a", "good"), ("b", "fall over"), ("c", "good, too")] {
        play.low.put(ANA_LOW, key, content).await;
    }
    play.start(ANA_LOW).await;
    assert_eq!(play.low.send_all(U).await, 1);
    let bundle = play.sign(&play.low.taken(U)[0]);
    let take = async || match play.high.open(&bundle).await {
        Opening::Ready(bundle) => play.high.house.gate.take_bundle(*bundle).await,
        other => panic!("{other:?}"),
    };
    for _ in 0..5 {
        assert!(take().await.is_err(), "nobody scans: no content is to blame");
    }
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever asked may be gone.
            std::thread::spawn(move || answer_as_clamd(stream.unwrap()));
        }
    });
    for attempt in 0..3 {
        assert!(take().await.is_err(), "{attempt}");
        assert_eq!(play.high.versions(ANA_LOW).await.len(), 0, "nothing passes unseen");
    }
    assert_eq!(take().await.unwrap(), Taken::Whole { accepted: 2, quarantined: 1, refused: 0 });
    assert_eq!(play.high.versions(ANA_LOW).await, ["a", "c"]);
    let listed = play.high.done("officer@alpha", "ListArrivals", json!({ "from": LOW })).await;
    let finding = listed["arrivals"][0]["stopped"][0]["findings"][0].as_str().unwrap();
    assert!(finding.starts_with("unanswered: clamav:"), "{finding}");
    the_next_one_passes(&play).await;
}

#[tokio::test]
async fn an_archive_bomb_and_a_polyglot_are_stopped_and_what_is_sound_passes() {
    let play = Play::unmapped().await;
    let types = json!({ "types": ["text/plain", "application/zip"] });
    play.map_low(types.clone()).await;
    play.map_high(types).await;
    *play.high.guard.instead.lock().unwrap() = Some(filters());
    let good = zip(b"a text");
    play.low.put_as(ANA_LOW, "a.zip", good.clone(), "application/zip").await;
    play.low.put_as(ANA_LOW, "bomb.zip", zip(&vec![b'0'; 16 << 20]), "application/zip").await;
    // A text to whoever reads from the front, an archive to whoever reads from the back.
    let polyglot = [b"#!/bin/sh\nexit 0\n".as_slice(), &good].concat();
    play.low.put_as(ANA_LOW, "polyglot.zip", polyglot.clone(), "application/zip").await;
    play.low.put_as(ANA_LOW, "polyglot.txt", polyglot, "text/plain").await;
    play.low.put_as(ANA_LOW, "claims.txt", good, "text/plain").await;
    assert_eq!(play.cross(ANA_LOW, U).await, [Taken::Whole { accepted: 1, quarantined: 4, refused: 0 }]);
    assert_eq!(play.high.versions(ANA_LOW).await, ["a.zip"]);
    let listed = play.high.done("officer@alpha", "ListArrivals", json!({ "from": LOW })).await;
    let stopped = listed["arrivals"][0]["stopped"].as_array().unwrap();
    assert!(
        stopped.iter().any(|one| one["key"] == "bomb.zip" && one["findings"].to_string().contains("bomb")),
        "{listed}"
    );
    play.map_high(json!({})).await;
    the_next_one_passes(&play).await;
}

#[tokio::test]
async fn a_region_that_nobody_named_has_no_inbox_here() {
    let play = Play::begin().await;
    let bundle = Hand::of(&play).write(&play).await;
    let (stranger, file) = (region("us-isob-east-1"), Box::new(Cursor::new(bundle)));
    let opened = play.high.house.gate.open_bundle(&stranger, "0000000001.bundle", file).await;
    assert!(matches!(opened.unwrap(), Opening::NoKeys));
    the_next_one_passes(&play).await;
}

//! Releases: what leaves after two reviewers saw it, and that nothing else does.

use crate::play::{HIGH, LOW, Play, Side, WORD};
use crate::support::{Ask, S, TOP, U};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastness_crossing::{Errand, RELEASE_HOUR_MS};
use fastness_gate::Taken;
use fastness_store::disk::FaultKind;
use http::Method;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

pub const ANA: &str = "ana SECRET";
const ANA_LOW: &str = "ana UNCLASSIFIED";
pub const RITA: &str = "rita SECRET";
pub const ROLF: &str = "rolf SECRET";
const WHOLE: Taken = Taken::Whole { accepted: 1, quarantined: 0, refused: 0 };

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two regions, reviewers above, and both halves of a mapping of releases.
pub async fn begin() -> Play {
    let mut play = Play::unmapped().await;
    let (high, low) = (&mut play.high, &play.low);
    high.hire("alpha", "rita", "reviewer", &[S, S, U]).await;
    high.hire("alpha", "rolf", "reviewer", &[S, TOP]).await;
    high.hire("alpha", "ralf", "reviewer", &[S]).await;
    high.hire("beta", "bert", "reviewer", &[S]).await;
    down(high, low, json!({})).await;
    let half = json!({ "receive": { "from": HIGH, "bucket": "plans" } });
    low.map_releases("down", &half, json!({})).await;
    play.high.put(ANA, "plan", "line\r\nline\r\n").await;
    play
}

async fn down(high: &Side, low: &Side, changes: Value) {
    let account = low.account().await;
    let half = json!({ "send": { "bucket": "plans", "to": LOW, "to_account": account, "to_bucket": "plans" } });
    high.map_releases("down", &half, changes).await;
}

fn wanted() -> Value {
    json!({
        "bucket": "plans", "key": "plan", "to": LOW, "name": "public/plan.txt", "label": "U", "type": "text/plain",
        "metadata": { "subject": "exercise" }, "purpose": "for the partners",
    })
}

fn with(changes: Value) -> Value {
    let mut body = wanted();
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub async fn ask(side: &Side, changes: Value) -> Value {
    side.done(ANA, "RequestRelease", with(changes)).await
}

pub fn of(release: &Value) -> Value {
    json!({ "release": release["release"] })
}

pub async fn see(side: &Side, who: &str, release: &Value) {
    let seen = side.done(who, "ReviewRelease", of(release)).await;
    assert_eq!(seen["digest"], release["digest"]);
}

fn approval(release: &Value) -> Value {
    json!({ "release": release["release"], "digest": release["digest"], "reason": "checked" })
}

/// Looks, and approves.
async fn approve(side: &Side, who: &str, release: &Value) -> (u16, Value) {
    see(side, who, release).await;
    side.own(who, "ApproveRelease", approval(release)).await
}

/// Both reviewers approve.
pub async fn both(side: &Side, release: &Value) {
    for (who, state) in [(RITA, "requested"), (ROLF, "approved")] {
        let (status, answer) = approve(side, who, release).await;
        assert_eq!((status, answer["state"].as_str()), (200, Some(state)), "{answer}");
    }
}

async fn state(side: &Side, release: &Value) -> String {
    side.done("vera SECRET", "DescribeRelease", of(release)).await["state"].as_str().unwrap().to_owned()
}

/// That nothing leaves, now and when it is tried again, and in which state the release is.
pub async fn stays(play: &Play, release: &Value, expected: &str) {
    for _ in 0..2 {
        assert_eq!(play.high.send_releases(S).await, 0);
        assert!(play.high.taken_for(LOW, S).is_empty());
    }
    assert_eq!(state(&play.high, release).await, expected);
}

#[tokio::test]
async fn what_two_reviewers_approved_leaves_exactly_as_they_saw_it() {
    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    assert_eq!(
        (&release["state"], &release["label"], &release["new_label"]),
        (&json!("requested"), &json!(S), &json!(U))
    );
    let first = release["findings"][0].as_str().unwrap();
    assert!(first.contains("written anew"), "reviewers see first that other bytes leave: {first}");
    let (lies, leaves) = (sha256(b"line\r\nline\r\n"), sha256(b"line\nline\n"));
    assert!(first.contains(&leaves), "{first}");
    assert_eq!((&release["bytes"], &release["sha256"]), (&json!(12), &json!(lies)));
    assert_eq!(release["leaves"], json!({ "bytes": 10, "sha256": leaves }));
    assert_eq!(release.get("content"), None, "only a reviewer who looks is shown it");
    let shown = play.high.done("ralf SECRET", "ReviewRelease", of(&release)).await;
    assert_eq!(shown["content"], BASE64.encode(b"line\nline\n"), "what the filters wrote, not what lies there");
    both(&play.high, &release).await;
    assert_eq!(play.high.send_releases(S).await, 1);
    assert_eq!(state(&play.high, &release).await, "released");
    assert_eq!(play.high.send_releases(S).await, 0, "it goes once");

    let bundles = play.high.taken_for(LOW, S);
    assert_eq!(bundles.len(), 1);
    let signed = play.high.signed(&bundles[0], 1);
    let (manifest, contents) = play.low.read_from(&play.high, &signed);
    assert_eq!(
        contents.into_iter().collect::<Vec<_>>(),
        [("public/plan.txt".to_owned(), b"line\nline\n".to_vec())],
        "what was shown, and no other bytes"
    );
    assert_eq!((manifest.id.as_str(), manifest.label.as_str()), (release["release"].as_str().unwrap(), U));
    assert_eq!((manifest.origin.as_str(), manifest.destination.as_str()), (HIGH, LOW));
    let object = &manifest.objects[0];
    let metadata: Vec<_> =
        object.attributes.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        (object.attributes.content_type.as_deref(), metadata),
        (Some("text/plain"), vec![("subject", "exercise")])
    );
    let expected = Errand::Release {
        mapping: fastness_operation::MappingName::new("down").unwrap(),
        to_account: play.low.account().await.parse().unwrap(),
        to_bucket: fastness_operation::BucketName::new("plans").unwrap(),
    };
    assert_eq!(manifest.errand, expected);
    assert_eq!(manifest.made_ms % RELEASE_HOUR_MS, 0);
    let text = serde_json::to_string(&manifest).unwrap();
    for word in ["\"ana\"", "rita", "rolf", "partners", "checked", "\"plan\""] {
        assert!(!text.contains(word), "`{word}` stays above: {text}");
    }

    assert_eq!(play.low.receive_from(HIGH, &signed).await, WHOLE);
    let got = play.low.get(ANA_LOW, "public/plan.txt").await;
    assert_eq!((got.status, got.text().as_str()), (200, "line\nline\n"), "as the guard below wrote it");
    assert_eq!((got.header("x-amz-meta-subject"), got.header("x-fastness-label")), (Some("exercise"), Some(U)));
    let found = json!({ "from": HIGH, "bundle": release["release"] });
    assert_eq!(play.low.done(ANA_LOW, "FindArrival", found).await["kind"], "release");
}

#[tokio::test]
async fn the_ledger_above_says_who_asked_saw_and_decided() {
    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    both(&play.high, &release).await;
    play.high.send_releases(S).await;
    let (id, digest) = (release["release"].as_str().unwrap(), release["digest"].as_str().unwrap());
    let vera = "vera SECRET";
    let only = |events: Vec<Value>, count: usize| {
        assert_eq!(events.len(), count);
        events.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let asked = only(play.high.events(vera, "RequestRelease").await, 1).remove(0);
    assert!(
        asked.contains(id) && asked.contains(digest) && asked.contains("plans/plan") && asked.contains("ana"),
        "{asked}"
    );
    for (who, entry) in ["rolf", "rita"].iter().zip(only(play.high.events(vera, "ReviewRelease").await, 2)) {
        assert!(entry.contains(who) && entry.contains(digest), "{entry}");
    }
    for (who, entry) in ["rolf", "rita"].iter().zip(only(play.high.events(vera, "ApproveRelease").await, 2)) {
        assert!(entry.contains(who) && entry.contains(digest) && entry.contains("checked"), "{entry}");
    }
    let sent = only(play.high.events(vera, "SendObjects").await, 1).remove(0);
    assert!(sent.contains(id) && sent.contains(digest) && sent.contains("approved-by=rita,rolf"), "{sent}");
    assert!(sent.contains("versionId") && sent.contains(LOW), "{sent}");
    for operation in ["RequestRelease", "ReviewRelease", "ApproveRelease", "SendObjects"] {
        assert!(play.high.events("vera UNCLASSIFIED", operation).await.is_empty(), "{operation}: not below");
    }
}

#[tokio::test]
async fn a_regrade_within_a_region_takes_the_same_way() {
    let play = begin().await;
    let account = play.high.account().await;
    let half = json!({ "send": { "bucket": "plans", "to": HIGH, "to_account": account, "to_bucket": "plans" } });
    play.high.map_releases("regrade-out", &half, json!({})).await;
    let half = json!({ "receive": { "from": HIGH, "bucket": "plans" } });
    play.high.map_releases("regrade-in", &half, json!({})).await;
    let regrade = json!({ "to": HIGH, "name": "plan", "mapping": "regrade-out" });
    let release = ask(&play.high, regrade.clone()).await;
    assert_eq!(play.high.get(ANA_LOW, "plan").await.status, 404);
    both(&play.high, &release).await;
    assert_eq!(play.high.send_releases(S).await, 1);
    let bundle = play.high.signed(&play.high.taken_for(HIGH, S)[0], 1);
    assert_eq!(play.high.receive_from(HIGH, &bundle).await, WHOLE);
    assert_eq!(play.high.receive_from(HIGH, &bundle).await, Taken::Refused("replayed"));
    let below = play.high.get(ANA_LOW, "plan").await;
    assert_eq!((below.status, below.text().as_str(), below.header("x-fastness-label")), (200, "line\nline\n", Some(U)));
    assert_eq!(play.high.get(ANA, "plan").await.header("x-fastness-label"), Some(S), "above it stays as it was");

    for (label, words) in [(S, "that label already"), ("TOP SECRET//SI/TK", "dominates"), ("CONFIDENTIAL", "not hold")]
    {
        let (status, answer) = play.high.own(ANA, "RequestRelease", with(json!({ "to": HIGH, "label": label }))).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer.to_string().contains(words), "{words}: {answer}");
    }
}

#[tokio::test]
async fn nothing_leaves_with_one_approval() {
    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    stays(&play, &release, "requested").await;
    assert_eq!(approve(&play.high, RITA, &release).await.0, 200);
    stays(&play, &release, "requested").await;
}

#[tokio::test]
async fn nothing_leaves_with_two_approvals_of_one_person() {
    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    assert_eq!(approve(&play.high, RITA, &release).await.0, 200);
    for who in [RITA, "rita SECRET+"] {
        let (status, answer) = approve(&play.high, who, &release).await;
        assert_eq!(status, 400, "{who}: {answer}");
        assert!(answer.to_string().contains("somebody else"), "{answer}");
    }
    assert_eq!(play.high.own("rita UNCLASSIFIED", "ApproveRelease", approval(&release)).await.0, 404);
    stays(&play, &release, "requested").await;
    let shown = play.high.done(ANA, "DescribeRelease", of(&release)).await;
    assert_eq!((shown["approvals"].as_array().unwrap().len(), &shown["seen_by"]), (1, &json!(["rita"])));
}

#[tokio::test]
async fn who_asked_does_not_review() {
    let play = begin().await;
    let release = play.high.done(RITA, "RequestRelease", wanted()).await;
    for (operation, body) in [
        ("ReviewRelease", of(&release)),
        ("ApproveRelease", approval(&release)),
        ("RefuseRelease", json!({ "release": release["release"], "reason": "no" })),
    ] {
        for who in [RITA, "rita SECRET+"] {
            let (status, answer) = play.high.own(who, operation, body.clone()).await;
            assert_eq!(status, 403, "{operation} by {who}: {answer}");
        }
    }
    assert_eq!(approve(&play.high, ROLF, &release).await.0, 200);
    stays(&play, &release, "requested").await;
    assert_eq!(approve(&play.high, "ralf SECRET", &release).await.0, 200);
    assert_eq!(play.high.send_releases(S).await, 1, "two others may");
}

#[tokio::test]
async fn who_has_not_looked_does_not_approve() {
    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    for who in [RITA, ROLF] {
        play.high.done(who, "DescribeRelease", of(&release)).await;
        let (status, answer) = play.high.own(who, "ApproveRelease", approval(&release)).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer.to_string().contains("look at the release first"), "{answer}");
    }
    stays(&play, &release, "requested").await;
}

#[tokio::test]
async fn an_approval_of_another_digest_counts_for_nothing() {
    let play = begin().await;
    let (release, other) = (ask(&play.high, json!({})).await, ask(&play.high, json!({ "name": "other" })).await);
    assert_ne!(release["digest"], other["digest"]);
    see(&play.high, RITA, &release).await;
    let mut wrong = approval(&release);
    wrong["digest"] = other["digest"].clone();
    let (status, answer) = play.high.own(RITA, "ApproveRelease", wrong).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer.to_string().contains("digest"), "{answer}");
    assert_eq!(approve(&play.high, ROLF, &release).await.0, 200);
    stays(&play, &release, "requested").await;
}

/// What may become of an object, and whether a release of the newest version, of that version, is over then.
#[derive(Clone, Copy, Debug)]
enum Change {
    Overwritten,
    Deleted,
    VersionDeleted,
    Contained,
}

async fn change(side: &Side, change: Change, version: &str) {
    match change {
        Change::Overwritten => side.put(ANA, "plan", "line\r\nline\r\n").await,
        Change::Deleted => assert_eq!(side.ask(ANA, Ask::s3(Method::DELETE, "/plans/plan")).await.status, 204),
        Change::VersionDeleted => {
            let ask = Ask::s3(Method::DELETE, format!("/plans/plan?versionId={version}"));
            assert_eq!(side.ask(ANA, ask).await.status, 204);
        }
        Change::Contained => {
            let body = json!({ "bucket": "plans", "key": "plan" });
            side.done("officer@alpha SECRET", "ContainSpill", body).await;
        }
    }
}

#[tokio::test]
async fn nothing_leaves_after_the_object_changed() {
    for versioning in [None, Some("Enabled")] {
        for what in [Change::Overwritten, Change::Deleted, Change::VersionDeleted, Change::Contained] {
            for approvals in [0, 1, 2] {
                let play = begin().await;
                if let Some(status) = versioning {
                    play.high.versioning(ANA, status).await;
                    play.high.put(ANA, "plan", "line\r\nline\r\n").await;
                }
                let release = ask(&play.high, json!({})).await;
                let reviewers = [RITA, ROLF, "ralf SECRET"];
                for who in &reviewers[..approvals] {
                    assert_eq!(approve(&play.high, who, &release).await.0, 200);
                }
                if approvals < 2 {
                    see(&play.high, reviewers[approvals], &release).await;
                }
                let version = if versioning.is_some() { release["version_id"].as_str().unwrap() } else { "null" };
                change(&play.high, what, version).await;
                if approvals < 2 {
                    // Who looked before, and who looks now.
                    let (operation, body) = match approvals {
                        0 => ("ApproveRelease", approval(&release)),
                        _ => ("ReviewRelease", of(&release)),
                    };
                    let (status, answer) = play.high.own(reviewers[approvals], operation, body).await;
                    assert_eq!(status, 400, "{what:?} {versioning:?} {approvals}: {answer}");
                    assert!(answer.to_string().contains("changed, removed or contained"), "{answer}");
                }
                stays(&play, &release, "changed").await;
                let (status, _) = approve(&play.high, "ralf SECRET", &release).await;
                assert_eq!(status, 400, "it does not come back");
            }
        }
    }
}

#[tokio::test]
async fn a_version_that_was_named_may_have_later_ones() {
    let play = begin().await;
    play.high.versioning(ANA, "Enabled").await;
    play.high.put(ANA, "plan", "first").await;
    let first = ask(&play.high, json!({})).await["version_id"].clone();
    play.high.put(ANA, "plan", "second").await;
    let release = ask(&play.high, json!({ "version_id": first })).await;
    both(&play.high, &release).await;
    play.high.put(ANA, "plan", "third").await;
    assert_eq!(play.high.send_releases(S).await, 1);
    let bundle = play.high.signed(&play.high.taken_for(LOW, S)[0], 1);
    let (_, contents) = play.low.read_from(&play.high, &bundle);
    assert_eq!(contents["public/plan.txt"], b"first");
}

#[tokio::test]
async fn nothing_leaves_after_expiry() {
    for approvals in [0, 1, 2] {
        let play = begin().await;
        let release = ask(&play.high, json!({ "days": 1 })).await;
        let reviewers = [RITA, ROLF, "ralf SECRET"];
        for who in &reviewers[..approvals] {
            assert_eq!(approve(&play.high, who, &release).await.0, 200);
        }
        play.high.clocks.advance_days(2);
        assert_eq!(state(&play.high, &release).await, "expired", "whether somebody looks or not");
        if approvals < 2 {
            see(&play.high, reviewers[approvals], &release).await;
            let (status, answer) = play.high.own(reviewers[approvals], "ApproveRelease", approval(&release)).await;
            assert_eq!(status, 400, "{answer}");
        }
        stays(&play, &release, "expired").await;
        play.high.clocks.advance_days(-2);
        if approvals == 2 {
            stays(&play, &release, "expired").await;
        }
    }
}

#[tokio::test]
async fn nothing_leaves_by_a_mapping_that_is_gone_or_sends_elsewhere() {
    for gone in [true, false] {
        let play = begin().await;
        let release = ask(&play.high, json!({})).await;
        both(&play.high, &release).await;
        if gone {
            play.high.done("officer@alpha", "DeleteMapping", json!({ "name": "down" })).await;
            stays(&play, &release, "stopped").await;
        } else {
            let half =
                json!({ "send": { "bucket": "plans", "to": LOW, "to_account": "123456789012", "to_bucket": "plans" } });
            play.high.map_releases("down", &half, json!({})).await;
            stays(&play, &release, "changed").await;
        }
    }
    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    both(&play.high, &release).await;
    down(&play.high, &play.low, json!({ "types": ["text/csv"] })).await;
    stays(&play, &release, "stopped").await;
}

#[tokio::test]
async fn nothing_leaves_when_a_reviewer_or_the_requester_may_no_more() {
    let play = begin().await;
    let mut releases = Vec::new();
    for _ in 0..4 {
        let release = ask(&play.high, json!({})).await;
        both(&play.high, &release).await;
        releases.push(release);
    }
    play.high.tag("alpha", "rolf", &[("duty", "contracting")]).await;
    play.high.send_releases(S).await;
    for release in &releases {
        stays(&play, release, "stopped").await;
    }

    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    both(&play.high, &release).await;
    play.high.tag("alpha", "rita", &[("clearance", "UNCLASSIFIED")]).await;
    stays(&play, &release, "stopped").await;

    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    both(&play.high, &release).await;
    play.high.tag("alpha", "ana", &[("clearance", "UNCLASSIFIED")]).await;
    stays(&play, &release, "stopped").await;
    let text = play.high.events("vera SECRET", "SendObjects").await.remove(0).to_string();
    assert!(text.contains("ana") && text.contains(release["release"].as_str().unwrap()), "the ledger has it: {text}");

    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    both(&play.high, &release).await;
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObjectVersion", "Resource": "arn:aws-iso:s3:::plans/*",
    }] });
    let policy = play.high.ask(ANA, Ask::s3(Method::PUT, "/plans?policy").body(policy.to_string())).await;
    assert!(policy.status < 300, "{policy:?}");
    stays(&play, &release, "stopped").await;
}

#[tokio::test]
async fn one_refusal_is_enough_and_final() {
    for approvals in [0, 1, 2] {
        let play = begin().await;
        let release = ask(&play.high, json!({})).await;
        for who in &[RITA, ROLF][..approvals] {
            assert_eq!(approve(&play.high, who, &release).await.0, 200);
        }
        let refusal = json!({ "release": release["release"], "reason": "a name in it" });
        let refused = play.high.done("ralf SECRET", "RefuseRelease", refusal.clone()).await;
        assert_eq!(
            (&refused["refused"]["by"], &refused["refused"]["reason"]),
            (&json!("ralf"), &json!("a name in it"))
        );
        for who in [RITA, ROLF] {
            assert_eq!(approve(&play.high, who, &release).await.0, 400, "after {approvals} approvals");
        }
        assert_eq!(play.high.own("ralf SECRET", "RefuseRelease", refusal).await.0, 400);
        stays(&play, &release, "refused").await;
    }
}

#[tokio::test]
async fn nobody_without_the_duty_at_that_label_and_account_decides() {
    let mut play = begin().await;
    play.high.hire("alpha", "paul", "", &[S]).await;
    let release = ask(&play.high, json!({})).await;
    let acts = |release: &Value| {
        [
            ("ReviewRelease", of(release)),
            ("ApproveRelease", approval(release)),
            ("RefuseRelease", json!({ "release": release["release"], "reason": "no" })),
        ]
    };
    for (who, expected) in [
        ("paul SECRET", 403),
        ("admin@alpha", 403),
        ("officer@alpha SECRET", 403),
        ("vera SECRET", 403),
        ("operator", 403),
        // Another account's reviewer, one below and one above: there is none.
        ("bert SECRET", 404),
        ("rita UNCLASSIFIED", 404),
        ("rolf TOP SECRET//SI/TK", 404),
    ] {
        for (operation, body) in acts(&release) {
            let (status, answer) = play.high.own(who, operation, body).await;
            assert_eq!(status, expected, "{operation} by {who}: {answer}");
        }
    }
    for (who, sees) in [
        (ANA, true),
        ("paul SECRET", true),
        ("vera SECRET", true),
        ("rolf TOP SECRET//SI/TK", true),
        ("bert SECRET", false),
        (ANA_LOW, false),
        ("gwen SECRET//REL TO USA, GBR", false),
    ] {
        let (status, _) = play.high.own(who, "DescribeRelease", of(&release)).await;
        assert_eq!(status, if sees { 200 } else { 404 }, "{who}");
        let listed = play.high.done(who, "ListReleases", json!({})).await;
        assert_eq!(listed["releases"].as_array().unwrap().len(), usize::from(sees), "{who}");
    }
    for who in ["admin@alpha", "officer@alpha SECRET", "operator"] {
        assert_eq!(play.high.own(who, "DescribeRelease", of(&release)).await.0, 403, "{who}");
        assert_eq!(play.high.own(who, "RequestRelease", wanted()).await.0, 403, "{who}");
    }
    stays(&play, &release, "requested").await;
}

#[tokio::test]
async fn what_may_not_go_is_not_asked_for() {
    let play = begin().await;
    play.high.put(ANA, "marked", format!("x {WORD}")).await;
    play.high.put(ANA_LOW, "below", "x").await;
    play.high.put(ANA, "large", "x".repeat(101)).await;
    down(&play.high, &play.low, json!({ "object_bytes": 100 })).await;
    for (changes, status, words) in [
        (json!({ "key": "marked" }), 400, "a marking exceeds the label"),
        (json!({ "key": "below" }), 400, "lower label"),
        (json!({ "key": "large" }), 400, "at most 100 bytes"),
        (json!({ "key": "none" }), 404, "does not exist"),
        (json!({ "type": "image/png" }), 400, "no object of that type"),
        (json!({ "label": "SECRET" }), 403, "nothing of this label"),
        (json!({ "label": "TOP SECRET//SI/TK" }), 400, "dominates"),
        (json!({ "label": "VERY SECRET" }), 400, "VERY SECRET"),
        (json!({ "metadata": { "other": "x" } }), 400, "no metadata `other`"),
        (json!({ "metadata": { "subject": "a\nb" } }), 400, "control"),
        (json!({ "metadata": { "subject": "x".repeat(2_100) } }), 400, "2,048 bytes"),
        (json!({ "days": 0 }), 400, "1 to 30 days"),
        (json!({ "days": 31 }), 400, "1 to 30 days"),
        (json!({ "to": "us-isob-east-1" }), 400, "neither"),
        (json!({ "mapping": "none" }), 404, "none"),
        (json!({ "purpose": "" }), 400, "1 to 1,000"),
        (json!({ "bucket": "other" }), 404, "bucket"),
    ] {
        let (found, answer) = play.high.own(ANA, "RequestRelease", with(changes.clone())).await;
        assert!(found == status && answer.to_string().contains(words), "{changes}: {found} {answer}");
    }
    // Upward there is no release, and from another account's bucket none either.
    let (status, answer) = play.low.own(ANA, "RequestRelease", with(json!({ "to": HIGH }))).await;
    assert!(status == 400 && answer.to_string().contains("neither"), "{answer}");
    assert_ne!(play.high.own("bob SECRET", "RequestRelease", wanted()).await.0, 200);
    assert_eq!(play.high.done(ANA, "ListReleases", json!({})).await["releases"], json!([]), "no row is left of these");
    play.high.guard.broken_from.lock().unwrap().replace(0);
    assert_eq!(
        play.high.own(ANA, "RequestRelease", wanted()).await.0,
        500,
        "nothing goes past a guard that cannot work"
    );
}

#[tokio::test]
async fn a_release_waits_for_its_carrier_and_its_day() {
    let play = begin().await;
    let release = ask(&play.high, json!({})).await;
    both(&play.high, &release).await;
    play.high.staged.full.store(true, Ordering::Relaxed);
    stays(&play, &release, "approved").await;
    play.high.staged.full.store(false, Ordering::Relaxed);
    down(&play.high, &play.low, json!({ "objects_per_day": 1 })).await;
    let second = ask(&play.high, json!({ "name": "second" })).await;
    both(&play.high, &second).await;
    assert_eq!(play.high.send_releases(S).await, 1);
    assert_eq!(
        (state(&play.high, &release).await.as_str(), state(&play.high, &second).await.as_str()),
        ("released", "approved")
    );
    assert_eq!(play.high.send_releases(S).await, 0);
    play.high.clocks.advance_days(1);
    assert_eq!(play.high.send_releases(S).await, 1);
    assert_eq!(play.high.taken_for(LOW, S).len(), 2);
}

#[tokio::test]
async fn the_power_goes_at_each_step_of_a_release_and_it_leaves_once() {
    let mut play = begin().await;
    play.high.put(ANA, "plan", "x".repeat(90_000)).await;
    let release = ask(&play.high, json!({})).await;
    both(&play.high, &release).await;
    play.high.house.store.close();
    let beginning = play.high.disk.crash(0);
    let (mut operations, mut cut) = (0, 0);
    loop {
        play.high.open_on(beginning.crash(operations));
        let before = play.high.disk.counts().0;
        play.high.disk.fail_next(FaultKind::Any, operations, u64::MAX);
        let sent = play.high.house.gate.send_releases(play.high.label(S)).await;
        let is_done = sent == Ok(1) && play.high.disk.counts().0 - before < operations;
        play.high.lose_power(operations + 55);
        play.high.send_releases(S).await;
        let bundles = play.high.taken_for(LOW, S);
        assert_eq!(bundles.len(), 1, "cut after {operations} operations");
        let (_, contents) = play.low.read_from(&play.high, &play.high.signed(&bundles[0], 1));
        assert_eq!(contents["public/plan.txt"].len(), 90_000);
        assert_eq!(state(&play.high, &release).await, "released");
        assert_eq!(play.high.events("vera SECRET", "SendObjects").await.len(), 1, "with one entry");
        cut += usize::from(!is_done);
        if is_done {
            break;
        }
        operations += 1 + operations / 30;
    }
    assert!(cut > 5, "{cut}");
}

//! What leaves in a release is what was shown, as the filters wrote it; and by whose leave, until the moment it goes.

use crate::play::{Pause, Side};
use crate::release::{ANA, RITA, ROLF, ask, begin, both, of, see, stays};
use crate::support::S;
use fastness_gate::{Guard, GuardFault, GuardRules, Inspector, Judgement, Suspect};
use fastness_label::Label;
use serde_json::json;
use std::sync::Arc;

/// Filters that have a version of their own.
#[derive(Debug, Clone, Copy)]
struct Version(&'static str);

impl Guard for Version {
    fn inspector(&self, _: Label) -> Box<dyn Inspector> {
        Box::new(*self)
    }
}

impl Inspector for Version {
    fn inspect(&mut self, _: &GuardRules, batch: Vec<Suspect>) -> Result<Vec<Judgement>, GuardFault> {
        let write = |one: Suspect| match self.0 {
            "stops" => Judgement::Stopped { findings: vec!["a word of today's list".to_owned()] },
            version => {
                let content = [one.content.as_slice(), version.as_bytes()].concat();
                let findings = (0..40).map(|number| format!("changed: {number}")).collect();
                Judgement::Passed { content, metadata: one.metadata, findings }
            }
        };
        Ok(batch.into_iter().map(write).collect())
    }
}

#[tokio::test]
async fn nothing_leaves_that_the_filters_write_otherwise_than_it_was_approved() {
    for (then, state) in [("2", "changed"), ("stops", "stopped")] {
        let play = begin().await;
        let filters = |version| *play.high.guard.instead.lock().unwrap() = Some(Arc::new(Version(version)) as Arc<_>);
        filters("1");
        let release = ask(&play.high, json!({})).await;
        let findings = release["findings"].as_array().unwrap();
        assert!(findings[0].as_str().unwrap().contains("written anew"), "{findings:?}");
        assert_eq!((findings.len(), &findings[15]), (16, &json!("and 26 more")));
        both(&play.high, &release).await;
        filters(then);
        let (status, answer) = play.high.own("ralf SECRET", "ReviewRelease", of(&release)).await;
        assert_eq!((status, answer.get("content")), (400, None), "nor is it shown: {answer}");
        stays(&play, &release, state).await;
    }
}

#[tokio::test]
async fn filters_that_look_at_a_release_met_nothing_before() {
    let play = begin().await;
    let begun = || play.high.guard.begun.lock().unwrap().clone();
    let release = ask(&play.high, json!({})).await;
    assert_eq!(begun(), [0]);
    see(&play.high, RITA, &release).await;
    see(&play.high, ROLF, &release).await;
    ask(&play.high, json!({ "name": "another" })).await;
    assert_eq!(begun(), [0, 1, 2, 3], "each time, before they look");
}

/// What takes somebody's leave away.
#[derive(Clone, Copy, Debug)]
enum Withdrawn {
    ReviewersDuty,
    ReviewersClearance,
    ReviewersKey,
    RequestersClearance,
    RequestersKey,
    Mapping,
}

const ALL: [Withdrawn; 6] = [
    Withdrawn::ReviewersDuty,
    Withdrawn::ReviewersClearance,
    Withdrawn::ReviewersKey,
    Withdrawn::RequestersClearance,
    Withdrawn::RequestersKey,
    Withdrawn::Mapping,
];

async fn withdraw(side: &Side, what: Withdrawn) {
    match what {
        Withdrawn::ReviewersDuty => side.tag("alpha", "rolf", &[("duty", "contracting")]).await,
        Withdrawn::ReviewersClearance => side.tag("alpha", "rita", &[("clearance", "UNCLASSIFIED")]).await,
        Withdrawn::ReviewersKey => side.switch_off("alpha", "rita", RITA).await,
        Withdrawn::RequestersClearance => side.tag("alpha", "ana", &[("clearance", "UNCLASSIFIED")]).await,
        Withdrawn::RequestersKey => side.switch_off("alpha", "ana", ANA).await,
        Withdrawn::Mapping => {
            side.done("officer@alpha", "DeleteMapping", json!({ "name": "down" })).await;
        }
    }
}

#[tokio::test]
async fn an_approval_counts_no_more_when_a_leave_was_taken_since() {
    for what in ALL {
        let play = begin().await;
        let release = ask(&play.high, json!({})).await;
        both(&play.high, &release).await;
        withdraw(&play.high, what).await;
        stays(&play, &release, "stopped").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_is_taken_while_the_bundle_is_written_is_none() {
    for what in ALL {
        let play = begin().await;
        let release = ask(&play.high, json!({})).await;
        both(&play.high, &release).await;
        let (pause, is_reached, go_on) = Pause::new();
        *play.high.staged.pause.lock().unwrap() = Some(pause);
        let (gate, label) = (play.high.house.gate.clone(), play.high.label(S));
        let sending = tokio::spawn(async move { gate.send_releases(label).await });
        tokio::task::spawn_blocking(move || is_reached.recv().unwrap()).await.unwrap();
        withdraw(&play.high, what).await;
        go_on.send(()).unwrap();
        assert_eq!(sending.await.unwrap().unwrap(), 0, "{what:?}");
        stays(&play, &release, "stopped").await;
    }
}

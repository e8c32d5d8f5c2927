//! Filters that hang, crash, eat memory or try to get out, in real processes: the object that made them is quarantined, and
//! the next one goes on.

use crate::common::{guard_with, text};
use fastness_guard::{Guard, Kind, Verdict};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The example `misbehaving`, which is built with the tests.
fn misbehaving() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_fastness-filter")).parent().unwrap();
    folder.join("examples/misbehaving")
}

fn guard() -> Guard {
    guard_with(misbehaving(), |policy| {
        policy.bounds.time = Duration::from_secs(4);
        policy.bounds.memory_bytes = 256 << 20;
    })
}

#[track_caller]
fn check(what: &str, kind: Kind) {
    let mut guard = guard();
    let before = guard.inspect(&text("before"));
    assert!(matches!(before, Verdict::Passed { .. }), "{before:?}");
    let Verdict::Quarantined { findings } = guard.inspect(&text(what)) else { panic!("`{what}` passed") };
    assert_eq!((findings[0].kind, findings[0].filter.as_str()), (kind, "text-rewrite"), "{findings:?}");
    let after = guard.inspect(&text("after"));
    assert!(matches!(after, Verdict::Passed { .. }), "the next object after `{what}`: {after:?}");
}

#[test]
fn a_filter_that_hangs_is_ended_and_the_next_object_goes_on() {
    check("hang", Kind::Hang);
}

/// A batch of texts among which one makes its filter misbehave.
#[track_caller]
fn check_among_many(what: &str, kind: Kind) {
    let mut guard = guard();
    let texts: Vec<String> =
        (0..40).map(|at| if at == 17 { what.to_owned() } else { format!("text {at}\n") }).collect();
    let objects: Vec<_> = texts.iter().map(|content| text(content)).collect();
    let verdicts = guard.inspect_many(&objects);
    assert_eq!(verdicts.len(), objects.len());
    for (at, (verdict, content)) in verdicts.into_iter().zip(&texts).enumerate() {
        match verdict {
            Verdict::Passed { content: anew, .. } => {
                assert!(at != 17, "`{what}` passed");
                assert_eq!(anew, content.as_bytes(), "each its own content");
            }
            Verdict::Quarantined { findings } => {
                assert_eq!((at, findings[0].kind), (17, kind), "{findings:?}");
                assert_eq!(findings[0].filter, "text-rewrite");
            }
        }
    }
    let after = guard.inspect(&text("after"));
    assert!(matches!(after, Verdict::Passed { .. }), "the next object after `{what}`: {after:?}");
}

#[test]
fn a_filter_that_hangs_in_the_middle_of_a_batch_stops_its_own_object_alone() {
    check_among_many("hang", Kind::Hang);
}

#[test]
fn a_filter_that_crashes_in_the_middle_of_a_batch_stops_its_own_object_alone() {
    check_among_many("crash", Kind::Crash);
    check_among_many("end", Kind::Crash);
    check_among_many("talk nonsense", Kind::Crash);
}

#[test]
fn a_filter_that_eats_memory_in_the_middle_of_a_batch_stops_its_own_object_alone() {
    check_among_many("eat memory", Kind::Memory);
}

#[test]
fn a_filter_that_tries_to_get_out_in_the_middle_of_a_batch_stops_its_own_object_alone() {
    check_among_many("open a socket", Kind::Sandbox);
}

#[test]
fn a_batch_of_nothing_but_hostile_objects_stops_each_for_its_own_reason() {
    let whats = ["crash", "open a file", "hang", "end", "eat memory", "talk nonsense"];
    let kinds = [Kind::Crash, Kind::Sandbox, Kind::Hang, Kind::Crash, Kind::Memory, Kind::Crash];
    let verdicts = guard().inspect_many(&whats.map(text));
    let found: Vec<Kind> = verdicts.iter().map(|verdict| verdict.findings()[0].kind).collect();
    assert_eq!(found, kinds);
}

#[test]
fn a_filter_that_crashes_quarantines_its_object_alone() {
    check("crash", Kind::Crash);
    check("panic", Kind::Crash);
    check("end", Kind::Crash);
}

#[test]
fn a_filter_that_eats_memory_is_ended_at_its_bound() {
    check("eat memory", Kind::Memory);
}

#[test]
fn a_filter_opens_no_file() {
    check("open a file", Kind::Sandbox);
    check("write a file", Kind::Sandbox);
    assert!(!Path::new("/tmp/fastness-guard-escaped").exists());
}

#[test]
fn a_filter_reaches_no_network() {
    check("open a socket", Kind::Sandbox);
}

#[test]
fn a_filter_starts_no_process_and_no_thread() {
    check("start a process", Kind::Sandbox);
    check("start a thread", Kind::Sandbox);
}

#[test]
fn a_filter_waits_for_nothing() {
    check("sleep", Kind::Sandbox);
}

#[test]
fn a_filter_that_talks_nonsense_is_not_believed() {
    check("talk nonsense", Kind::Crash);
}

#[test]
fn a_filter_has_no_environment() {
    let verdict = guard().inspect(&text("find the environment"));
    assert!(matches!(verdict, Verdict::Passed { .. }), "{verdict:?}");
}

#[test]
fn a_program_that_is_no_filter_lets_nothing_through() {
    let mut guard = guard_with("/bin/true", |_| {});
    let verdicts = guard.inspect_many(&[text("x"), text("y")]);
    // No content is to blame for that.
    let kinds: Vec<Kind> = verdicts.iter().map(|verdict| verdict.findings()[0].kind).collect();
    assert_eq!(kinds, [Kind::Unavailable; 2], "{verdicts:?}");
}

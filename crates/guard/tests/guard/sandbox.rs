//! Filters that hang, crash, eat memory or try to get out, in real processes: the object that made them is quarantined, and
//! the next one goes on.

use crate::common::{guard_with, text};
use fastness_guard::{Guard, Kind, Verdict};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The example `misbehaving`.
pub fn misbehaving() -> PathBuf {
    example("misbehaving")
}

/// A program that is built with the tests.
pub fn example(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_fastness-filter")).parent().unwrap();
    folder.join("examples").join(name)
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

#[test]
fn a_filter_that_says_nobody_is_to_be_had_stops_its_object_alone() {
    // That is for the guard to say: it would hold up all that comes after.
    check("say unavailable", Kind::Crash);
    check("say unanswered", Kind::Crash);
    check_among_many("say unavailable", Kind::Crash);
}

#[test]
fn a_filter_that_says_too_much_is_not_listened_to() {
    check("say too much", Kind::Crash);
    check("say more than fits", Kind::Crash);
}

#[test]
fn many_that_hang_use_up_the_patience_of_their_bundle_and_then_have_a_second_each() {
    const TIME: Duration = Duration::from_secs(3);
    const HANGING: u32 = 9;
    let begun = || guard_with(misbehaving(), |policy| policy.bounds.time = TIME);
    let mut guard = begun();
    let mut objects: Vec<_> = (0..HANGING).map(|_| text("hang")).collect();
    objects.push(text("good"));
    let begin = Instant::now();
    let verdicts = guard.inspect_many(&objects);
    let took = begin.elapsed();
    let (good, hanging) = verdicts.split_last().unwrap();
    assert!(matches!(good, Verdict::Passed { .. }), "{good:?}");
    assert!(hanging.iter().all(|verdict| verdict.findings()[0].kind == Kind::Hang), "{hanging:?}");
    // Three times its time for all of them, and a second for each; without an end to it, ten times.
    let (most, slack) = (3 * TIME + HANGING * Duration::from_secs(1), Duration::from_secs(4));
    assert!(took < most + slack, "{took:?}");

    let one = |guard: &mut Guard| {
        let begin = Instant::now();
        guard.inspect(&text("hang"));
        begin.elapsed()
    };
    assert!(one(&mut guard) < TIME, "the same bundle");
    assert!(one(&mut begun()) >= TIME, "another one has patience anew");
}

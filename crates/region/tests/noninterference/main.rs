//! Noninterference (DESIGN.md section 1), over the whole HTTP service: for every observer's label, a random history
//! with the operations of all sessions purged whose label the observer's does not dominate gives every session at or
//! below the observer the same answers, byte for byte: status, headers, bodies; and at each such label the same bundles
//! of lifts and releases wait for a carrier, with the same ids, lengths and manifests. What is released goes to a region
//! below: within a region the decision of two reviewers puts it at a lower label, where it is meant to be known. Nothing
//! is masked, because clocks and chance come from the access key and the number of its request alone; but for one thing:
//! of the two signatures on a checkpoint the ML-DSA-65 one is left out, which is random by its standard.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
mod action;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod cross;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod lookup;
#[cfg(test)]
mod run;
#[cfg(test)]
mod session;
#[cfg(test)]
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "../support/mod.rs"]
mod support;

use beside::{Slip, World};
use generate::{Step, history, lifting, releasing, standing};
use run::{Tally, check, compare, may_know, play};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::runtime::Runtime;

/// Histories played when `NONINTERFERENCE_HISTORIES` says nothing else.
const HISTORIES: u64 = 1_000;

/// Histories of the control.
const CONTROLS: u64 = 60;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Hands numbers below `count` to as many threads as there are processors, until one fails.
fn each(count: u64, slip: Slip, act: impl Fn(&Runtime, &World, u64) -> Result<(), String> + Sync) {
    let world = runtime().block_on(World::make(slip));
    let (next, stop, failure) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(None));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runtime = runtime();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    if let Err(text) = act(&runtime, &world, seed) {
                        stop.store(true, Ordering::Relaxed);
                        failure.lock().unwrap().get_or_insert(text);
                    }
                }
            });
        }
    });
    if let Some(text) = failure.into_inner().unwrap() {
        panic!("{text}");
    }
}

#[test]
fn what_an_observer_may_not_know_of_changes_no_answer() {
    let count = match std::env::var("NONINTERFERENCE_HISTORIES") {
        Ok(text) => text.parse().expect("NONINTERFERENCE_HISTORIES is a number"),
        Err(_) => HISTORIES,
    };
    let first: u64 = std::env::var("NONINTERFERENCE_SEED").map_or(0, |text| text.parse().unwrap());
    let total = Mutex::new(Tally::default());
    each(count, Slip::Nothing, |runtime, world, number| {
        let (seed, mut tally) = (first + number, Tally::default());
        let outcome = runtime.block_on(check(world, seed, &history(seed), &mut tally));
        total.lock().unwrap().add(tally);
        outcome
    });
    let total = total.into_inner().unwrap();
    println!("{total:#?}");
    assert_eq!(total.histories, count);
    assert!(total.purged * 10 >= count * 9, "only {} of {count} histories had something to purge", total.purged);
    if count >= HISTORIES {
        assert!(total.bundles > count / 10, "only {} bundles waited for a carrier", total.bundles);
        assert!(total.released > count / 10, "only {} of them were releases", total.released);
        assert!(total.later_passes > count / 100, "only {} later passes of lifts sent", total.later_passes);
        let never = |(name, (done, _)): (&String, &(u64, u64))| (*done == 0).then(|| name.clone());
        let never: Vec<String> = total.actions.iter().filter_map(never).collect();
        assert_eq!(never, ["Anonymous", "BadSignature", "Nonsense", "UnknownKey", "Unoffered"], "never done");
    }
}

/// The test has teeth: a high observer, from whose history what is below them is purged, sees a difference.
#[test]
fn a_comparison_that_must_fail_fails() {
    let (differ, tried) = (AtomicU64::new(0), AtomicU64::new(0));
    each(CONTROLS, Slip::Nothing, |runtime, world, seed| {
        let steps = history(seed);
        let low = |session: usize| may_know(world, support::U, session);
        let keep = |session: usize| may_know(world, support::TOP, session) && !low(session);
        if steps.iter().filter(|step| keep(step.session)).count() < 5 {
            return Ok(());
        }
        let mut tally = Tally::default();
        let difference = runtime.block_on(async {
            let whole = play(world, &steps, &mut tally).await;
            compare(world, &steps, &whole, &keep, &mut tally).await
        });
        tried.fetch_add(1, Ordering::Relaxed);
        differ.fetch_add(u64::from(difference.is_some()), Ordering::Relaxed);
        Ok(())
    });
    let (differ, tried) = (differ.into_inner(), tried.into_inner());
    println!("{differ} of {tried} histories differ when what is below is purged");
    assert!(tried * 2 >= CONTROLS && differ * 10 >= tried * 8, "{differ} of {tried}");
}

/// How many of some histories are found to differ for an observer, when something is wrong on purpose.
fn found_with(slip: Slip, histories: u64, observer: &str, history: fn(u64) -> Vec<Step>) -> u64 {
    let differ = AtomicU64::new(0);
    each(histories, slip, |runtime, world, seed| {
        let steps = history(seed);
        let keep = |session: usize| may_know(world, observer, session);
        let mut tally = Tally::default();
        let difference = runtime.block_on(async {
            let whole = play(world, &steps, &mut tally).await;
            compare(world, &steps, &whole, &keep, &mut tally).await
        });
        differ.fetch_add(u64::from(difference.is_some()), Ordering::Relaxed);
        Ok(())
    });
    differ.into_inner()
}

/// A number that all labels share, told to whoever sends, is a difference; so is a shelf that all labels share, and so is,
/// where something is released, a guard that says what it looked at before. With none of these, the same histories differ
/// nowhere.
#[test]
fn what_all_labels_share_is_found() {
    let slips = [Slip::Nothing, Slip::SharedNumber, Slip::SharedShelf, Slip::SharedGuard];
    let found = |history| slips.map(|slip| found_with(slip, 8, support::S, history));
    assert_eq!(found(lifting), [0, 8, 8, 0], "lifts");
    assert_eq!(found(standing), [0, 8, 8, 0], "standing lifts");
    assert_eq!(found(releasing), [0, 8, 8, 8], "releases");
}

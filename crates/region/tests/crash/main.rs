//! Crashes and faults of the disk, many times over the whole service: random histories of several clients at several
//! labels, cut off by a loss of power at a random change, or met by errors, a full disk or flipped bits. Then the
//! region starts as it always does (and may be cut off in that, too), and is held to what it acknowledged.
//!
//! `cargo xtask crash` plays more rounds. A seed decides the history, the fault and what power loss leaves. Names of
//! files and the order of threads are not the seed's, so a rare failure may need a replay or several.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
mod client;
#[cfg(test)]
mod round;
#[cfg(test)]
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "../support/mod.rs"]
mod support;

use round::{Kind, Tally, play};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use support::Template;

/// Rounds of each kind when `FASTNESS_CRASH_ROUNDS` says nothing else.
const ROUNDS: u64 = 12;

/// Of single errors more: most of their rounds leave the outcome of one write open, or none.
const ROUNDS_OF_ERRORS: u64 = 24;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("`{name}` is no number: {text}")))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Plays rounds of a kind on two threads until one fails.
fn rounds(kind: Kind, enough: impl Fn(&Tally) -> bool) {
    let usual = if kind == Kind::Errors { ROUNDS_OF_ERRORS } else { ROUNDS };
    let (count, first) = (number("FASTNESS_CRASH_ROUNDS").unwrap_or(usual), number("FASTNESS_CRASH_SEED").unwrap_or(1));
    let template = runtime().block_on(Template::make());
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (total, failure) = (Mutex::new(Tally::default()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = runtime();
                while !stop.load(Ordering::Relaxed) {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= count {
                        break;
                    }
                    match runtime.block_on(play(&template, kind, first + round)) {
                        Ok(tally) => total.lock().unwrap().add(&tally),
                        Err(text) => {
                            stop.store(true, Ordering::Relaxed);
                            let replay =
                                format!("cargo xtask crash --only {} --rounds 1 --seed {}", kind.name(), first + round);
                            failure.lock().unwrap().get_or_insert(format!("{text}\nreplay: {replay}"));
                        }
                    }
                }
            });
        }
    });
    if let Some(text) = failure.into_inner().unwrap() {
        panic!("{text}");
    }
    let tally = total.into_inner().unwrap();
    // The chore reads this line.
    println!("crash-suite {} {}", kind.name(), serde_json::to_string(&tally).unwrap());
    assert!(count < usual || enough(&tally), "too little happened to mean anything: {tally:?}");
}

#[test]
fn power_loss_at_any_change_loses_nothing_acknowledged() {
    rounds(Kind::Power, |tally| tally.acknowledged > 300 && tally.open > 10 && tally.checked > 300);
}

#[test]
fn errors_of_the_disk_lose_nothing_acknowledged() {
    rounds(Kind::Errors, |tally| tally.acknowledged > 300 && tally.open > 10 && tally.checked > 300);
}

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    rounds(Kind::Full, |tally| tally.acknowledged > 300 && tally.refused > 10 && tally.checked > 300);
}

#[test]
fn flipped_bits_are_never_served() {
    rounds(Kind::Bits, |tally| tally.acknowledged > 300 && tally.damaged + tally.closed > 3 && tally.checked > 300);
}

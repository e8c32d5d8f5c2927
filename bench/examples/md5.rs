//! Hashes values one after the other and several at once, and prints what each way gives, a line of JSON a round.
//!
//! `md5 ROUNDS MILLISECONDS`, each way of a round so long. `cargo xtask bench md5` runs it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use md5::{Digest, Md5};
use md5_many::{Md5Many, Md5State};

/// What a region hashes of a value at once.
const STEP: usize = 512 << 10;
const STREAMS: [usize; 4] = [2, 4, 8, 16];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("two numbers are needed: rounds, and milliseconds of each way");
    let (rounds, time): (u32, u64) = (next()?.parse()?, next()?.parse()?);
    let time = Duration::from_millis(time);
    let values: Vec<Vec<u8>> = (0..16_u8).map(value).collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    check(&values)?;
    for round in 1..=rounds {
        let first = values.get(..1).unwrap_or_default();
        let mut hasher = Md5::new();
        print("`md-5`", 1, round, rate(time, 1, || first.iter().for_each(|step| hasher.update(step))))?;
        black_box(hasher.finalize());
        let mut state = Md5State::new();
        print("`md5-many`, alone", 1, round, rate(time, 1, || first.iter().for_each(|step| state.update(step))))?;
        black_box(state.finalize());
        for streams in STREAMS {
            let own = values.get(..streams).unwrap_or_default();
            print("`md5-many`, at once", streams, round, at_once(time, streams, own))?;
            let lanes = streams.next_multiple_of(8);
            if lanes > streams {
                let mut filled = own.to_vec();
                filled.resize(lanes, first.first().copied().unwrap_or_default());
                print("`md5-many`, at once, filled", streams, round, at_once(time, streams, &filled))?;
            }
        }
    }
    Ok(())
}

/// Bytes without a pattern that a processor could profit from; their worth is not looked at by any of the ways.
fn value(seed: u8) -> Vec<u8> {
    (0..STEP).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 13) as u8 ^ seed).collect()
}

/// All ways must say the same, or none of their speeds means anything.
fn check(values: &[&[u8]]) -> Result<()> {
    let mut states = vec![Md5State::new(); values.len()];
    Md5Many::new().update_many(&mut states, values);
    for (state, value) in states.iter().zip(values) {
        let mut alone = Md5State::new();
        alone.update(value);
        let expected = <[u8; 16]>::from(Md5::digest(value));
        ensure!(state.finalize() == expected && alone.finalize() == expected, "the hashes differ");
    }
    Ok(())
}

fn at_once(time: Duration, streams: usize, inputs: &[&[u8]]) -> f64 {
    let engine = Md5Many::new();
    let mut states = vec![Md5State::new(); inputs.len()];
    let rate = rate(time, streams, || engine.update_many(&mut states, inputs));
    black_box(states);
    rate
}

/// Billions of bytes a second, when each call hashes a step of so many values.
fn rate(time: Duration, streams: usize, mut step: impl FnMut()) -> f64 {
    step();
    let (start, mut steps) = (Instant::now(), 0_u64);
    while start.elapsed() < time {
        step();
        steps += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    steps as f64 * (streams * STEP) as f64 / seconds / 1e9
}

fn print(how: &str, streams: usize, round: u32, rate: f64) -> Result<()> {
    let line = serde_json::json!({ "how": how, "streams": streams, "round": round, "gigabytes_per_second": rate });
    println!("{}", serde_json::to_string(&line)?);
    Ok(())
}

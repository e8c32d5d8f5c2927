//! `cargo xtask bench labels`: whether many labels at once cost more than one, for they share a journal (decision 15).

use std::process::Child;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::figures::{Spread, number};
use super::ground::{Common, Ground, timed};
use super::machine::processor_seconds;
use super::up::{Region, Session, Up, report};

/// At four labels, of which none dominates all others' and two are not comparable.
const PROFILES: [&str; 4] = ["topsecret-analyst", "topsecret-si", "topsecret-tk", "topsecret-analyst-low"];
/// Of each load generator; there are always four of them, so that rows differ in their labels alone.
const CLIENTS: u32 = 16;
const LABELS: [usize; 3] = [1, 2, 4];

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Runs of each row, of which the table shows the medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=21))]
    runs: u32,
    /// Length of each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
    #[command(flatten)]
    common: Common,
}

/// One row of one run.
#[derive(Debug, Serialize)]
struct Sample {
    labels: usize,
    run: u32,
    requests: u64,
    requests_per_second: f64,
    /// Processor time of the region's process for one request.
    processor_us: f64,
    /// What the load generators reported, with the profile of each.
    results: Vec<(&'static str, Value)>,
}

/// One figure of a sample.
type Figure = fn(&Sample) -> f64;

#[derive(Debug, Serialize)]
struct Measured {
    samples: Vec<Sample>,
}

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let quick = options.common.quick;
    let (runs, seconds) = if quick { (1, 1.0) } else { (options.runs, f64::from(options.seconds)) };
    let ground = Ground::prepare(&options.common)?;
    let up = Up::start(&ground.program, &ground.data().join("labels"), options.common.port_base)?;
    let sessions = PROFILES
        .into_iter()
        .map(|profile| Ok((profile, up.session(profile)?)))
        .collect::<Result<Vec<(&'static str, Session)>>>()?;
    let region = up.region(Region::TopSecret)?;
    for (profile, session) in &sessions {
        // Makes the bucket, opens what is opened late, and so warms up.
        let first = start(&ground, session, profile, "first", if quick { 0.2 } else { 1.0 }, false)?;
        report(&first.wait_with_output()?)?;
    }
    let mut samples = Vec::new();
    for run in 1..=runs {
        for labels in LABELS {
            rustix::fs::sync();
            let before = processor_seconds(region)?;
            let mut children = Vec::new();
            for (number, (profile, session)) in divide(&sessions, labels).into_iter().enumerate() {
                let folder = format!("run-{run}-{labels}-{number}");
                children.push((*profile, start(&ground, session, profile, &folder, seconds, true)?));
            }
            let mut results = Vec::new();
            for (profile, child) in children {
                results.push((profile, report(&child.wait_with_output()?)?));
            }
            let sample = sum(labels, run, processor_seconds(region)? - before, results);
            let (rate, cost) = (sample.requests_per_second, sample.processor_us);
            eprintln!("run {run}  {labels} labels  {rate:>8.0}/s  {cost:.1} µs of the server's processor time each");
            samples.push(sample);
        }
    }
    up.stop()?;
    let command = match quick {
        true => "cargo xtask bench labels --quick".to_owned(),
        false => format!("cargo xtask bench labels --runs {runs} --seconds {}", options.seconds),
    };
    ground.write("journal", command, Measured { samples }, page)
}

/// The sessions of the four load generators, when they share so many labels.
fn divide<T>(sessions: &[T], labels: usize) -> Vec<&T> {
    sessions.iter().take(labels).cycle().take(sessions.len()).collect()
}

fn start(
    ground: &Ground,
    session: &Session,
    profile: &str,
    folder: &str,
    seconds: f64,
    ready_made: bool,
) -> Result<Child> {
    // A bucket of its own for each label: which record of a shared one is found would be another question.
    let mut load = session.load(&ground.generator, &format!("bench-{profile}"));
    load.args(["--op", "put", "--size", "4K", "--keys", "1000000", "--folder", folder]);
    load.arg("--clients").arg(CLIENTS.to_string());
    if ready_made {
        load.arg("--ready-made");
    }
    timed(&mut load, seconds, 0.0);
    load.spawn().context("the load generator does not start")
}

fn sum(labels: usize, run: u32, processor_seconds: f64, results: Vec<(&'static str, Value)>) -> Sample {
    let count = |result: &Value| result.get("requests").and_then(Value::as_u64).unwrap_or_default();
    let requests: u64 = results.iter().map(|(_, result)| count(result)).sum();
    let rate = |result: &Value| number(result, "requests_per_second").unwrap_or_default();
    Sample {
        labels,
        run,
        requests,
        requests_per_second: results.iter().map(|(_, result)| rate(result)).sum(),
        processor_us: processor_seconds * 1e6 / requests.max(1) as f64,
        results,
    }
}

fn page(measured: &Measured) -> String {
    let mut text = format!(
        "Writes at one, two and four labels\n\n\
         PUTs of 4 KiB, always four load generators with {CLIENTS} clients each, spread over the labels of {}. They share a region's \
         process and its journal; catalogs, ledgers and writers are the labels' own. Requests a second in sum, and processor time (user and \
         system, all threads) of the region's process for one request; medians, least and most in brackets.\n\n\
         | labels | runs | requests/s | to one label | processor time, µs | to one label | p99, ms: worst median |\n\
         |---:|---:|---:|---:|---:|---:|---:|\n",
        PROFILES.map(|profile| format!("`{profile}`")).join(", "),
    );
    let of = |labels: usize, figure: Figure| {
        let own = measured.samples.iter().filter(|sample| sample.labels == labels);
        Spread::of(&own.map(figure).collect::<Vec<f64>>())
    };
    let rate: Figure = |sample| sample.requests_per_second;
    let cost: Figure = |sample| sample.processor_us;
    for labels in LABELS {
        let (Some(rates), Some(costs)) = (of(labels, rate), of(labels, cost)) else { continue };
        let to_one = |spread: Spread, one: Option<Spread>| {
            one.map_or_else(|| "–".to_owned(), |one| format!("{:.2}", spread.median / one.median))
        };
        let p99 = of(labels, |sample| {
            let each = sample.results.iter().filter_map(|(_, result)| number(result, "latency_us_p99"));
            each.fold(0.0, f64::max) / 1e3
        });
        text.push_str(&format!(
            "| {labels} | {} | {} | {} | {} | {} | {:.2} |\n",
            measured.samples.iter().filter(|sample| sample.labels == labels).count(),
            rates.text(0),
            to_one(rates, of(1, rate)),
            costs.text(1),
            to_one(costs, of(1, cost)),
            p99.map_or(0.0, |p99| p99.median),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_load_generators_share_the_labels_evenly() {
        assert_eq!(divide(&PROFILES, 1), [&PROFILES[0]; 4]);
        assert_eq!(divide(&PROFILES, 2), [&PROFILES[0], &PROFILES[1], &PROFILES[0], &PROFILES[1]]);
        assert_eq!(divide(&PROFILES, 4), PROFILES.iter().collect::<Vec<_>>());
    }

    #[test]
    fn rates_add_up_and_processor_time_is_shared() {
        let result = |requests: u64, rate: f64, p99: u32| serde_json::json!({ "requests": requests, "requests_per_second": rate, "latency_us_p99": p99 });
        let one = sum(1, 1, 0.5, vec![("a", result(3_000, 600.0, 9_000)), ("b", result(1_000, 200.0, 4_000))]);
        assert_eq!((one.requests, one.requests_per_second, one.processor_us), (4_000, 800.0, 125.0));
        let two = sum(2, 1, 0.5, vec![("a", result(5_000, 1_000.0, 2_000))]);
        let text = page(&Measured { samples: vec![one, two] });
        assert!(
            text.contains("| 1 | 1 | 800 (800 to 800) | 1.00 | 125.0 (125.0 to 125.0) | 1.00 | 9.00 |\n"),
            "{text}"
        );
        assert!(
            text.contains("| 2 | 1 | 1000 (1000 to 1000) | 1.25 | 100.0 (100.0 to 100.0) | 0.80 | 2.00 |\n"),
            "{text}"
        );
    }
}

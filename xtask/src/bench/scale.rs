//! `cargo xtask bench scale`: what a million objects cost, those who see them and those below who must not notice.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::figures::{Spread, megabytes, number, verdict};
use super::ground::{Common, Ground, timed};
use super::machine::Resident;
use super::up::{Region, Session, Up, report};
use crate::process::{Background, Ending};

const LOW: &str = "secret-analyst-low";
const HIGH: &str = "secret-analyst";
/// Both sessions use this one: the large number lies in the very bucket that the low session works in.
const LARGE: &str = "scale-large";
const SMALL: &str = "scale-small";
/// The folder of the objects at SECRET, in either bucket.
const FOLDER: &str = "objects";
const SIZE: &str = "128";

/// What the issue asks for.
const RATIO_MAX: f64 = 1.5;
const RESIDENT_MAX: u64 = 300_000_000;
const READY_MS_MAX: u64 = 2_000;

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Objects in the large bucket
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..=5_000_000))]
    objects: u64,
    /// Runs of each row, of which the table shows the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=21))]
    runs: u32,
    /// Length of each row's timed section
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
    #[command(flatten)]
    common: Common,
}

/// One row of one run, as the load generator reports it.
#[derive(Debug, Serialize)]
struct Sample {
    row: &'static str,
    when: When,
    run: u32,
    result: Value,
}

/// The two sides that a row is compared on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum When {
    /// The low session, before anything lies above it.
    Before,
    /// The low session, below everything.
    Below,
    /// The high session, in the bucket of few.
    Small,
    /// The high session, in the bucket of many.
    Large,
}

/// A start on a folder that holds everything.
#[derive(Debug, Serialize)]
struct Start {
    after: &'static str,
    ready_ms: u64,
    /// Two seconds after `ready`.
    idle: Resident,
    /// After HEADs all over the large bucket.
    after_heads: Resident,
    heads: Value,
}

#[derive(Debug, Serialize)]
struct Measured {
    small: u64,
    large: u64,
    runs: u32,
    loads: Vec<Value>,
    samples: Vec<Sample>,
    resident: Resident,
    stop_ms: u64,
    starts: Vec<Start>,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
struct Scale {
    small: u64,
    large: u64,
    listed: u64,
    deleted: u64,
    runs: u32,
    seconds: f64,
    warmup: f64,
}

impl Scale {
    fn of(options: &Options) -> Self {
        if options.common.quick {
            return Self {
                small: 2_000,
                large: 20_000,
                listed: 2_000,
                deleted: 500,
                runs: 1,
                seconds: 1.0,
                warmup: 0.2,
            };
        }
        Self {
            small: 10_000,
            large: options.objects,
            listed: 10_000,
            deleted: 20_000,
            runs: options.runs,
            seconds: f64::from(options.seconds),
            warmup: 1.0,
        }
    }
}

/// A row: its name, and what is asked of the load generator.
#[derive(Clone, Debug)]
struct Row {
    name: &'static str,
    op: &'static str,
    size: &'static str,
    clients: u32,
    keys: u64,
    folder: String,
    ready_made: bool,
}

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let scale = Scale::of(options);
    let ground = Ground::prepare(&options.common)?;
    let measured = measure(&ground, scale, options.common.port_base)?;
    let command = match options.common.quick {
        true => "cargo xtask bench scale --quick".to_owned(),
        false => format!(
            "cargo xtask bench scale --objects {} --runs {} --seconds {}",
            options.objects, options.runs, options.seconds
        ),
    };
    ground.write("scale", command, measured, page)
}

fn measure(ground: &Ground, scale: Scale, port_base: u16) -> Result<Measured> {
    let data = ground.data().join("scale");
    let up = Up::start(&ground.program, &data, port_base)?;
    let (low, high) = (up.session(LOW)?, up.session(HIGH)?);
    let load = Load { generator: &ground.generator, scale };
    let mut samples = Vec::new();
    // Both buckets begin at the low label, so that the high session's two differ in nothing but their number.
    for bucket in [SMALL, LARGE] {
        load.put(&low, bucket, "made", "0", 1)?;
    }
    load.put(&low, LARGE, "low-small", "4K", 1_000)?;
    load.put(&low, LARGE, "low-put", "4K", 10_000)?;
    load.put(&low, LARGE, "low-list", SIZE, scale.listed)?;
    low_rows(&load, &low, When::Before, &mut samples)?;

    let mut loads = Vec::new();
    for (bucket, objects) in [(SMALL, scale.small), (LARGE, scale.large)] {
        eprintln!("==> load {objects} objects");
        let result = load.put(&high, bucket, FOLDER, SIZE, objects)?;
        eprintln!("    {:.0}/s", number(&result, "requests_per_second").unwrap_or_default());
        loads.push(result);
    }
    high_rows(&load, &high, &mut samples)?;
    low_rows(&load, &low, When::Below, &mut samples)?;

    let resident = Resident::of(up.region(Region::Secret)?)?;
    let stop_ms = up.stop()?;
    let mut starts = Vec::new();
    for after in ["a stop", "the end of every process at once, while 64 clients wrote"] {
        rustix::fs::sync();
        let up = Up::start(&ground.program, &data, port_base)?;
        std::thread::sleep(Duration::from_secs(2));
        let region = up.region(Region::Secret)?;
        let idle = Resident::of(region)?;
        let heads = load.row(&high, LARGE, &high_row("head", scale.large))?;
        let start = Start { after, ready_ms: up.ready_ms, idle, after_heads: Resident::of(region)?, heads };
        eprintln!("==> start after {after}: ready after {} ms", start.ready_ms);
        starts.push(start);
        if starts.len() == 1 {
            crash(&load, &high, up)?;
        }
    }
    Ok(Measured { small: scale.small, large: scale.large, runs: scale.runs, loads, samples, resident, stop_ms, starts })
}

/// Ends everything at once while clients write.
fn crash(load: &Load<'_>, session: &Session, up: Up) -> Result<()> {
    let mut command = session.load(load.generator, LARGE);
    command.args(["--op", "put", "--size", "4K", "--clients", "64", "--keys", "1000000", "--folder", "crash"]);
    timed(&mut command, 60.0, 0.0);
    let writing = Background::new(command.spawn().context("the load generator does not start")?, Ending::AtOnce);
    std::thread::sleep(Duration::from_secs_f64(load.scale.seconds));
    up.kill()?;
    drop(writing);
    Ok(())
}

fn low_rows(load: &Load<'_>, session: &Session, when: When, samples: &mut Vec<Sample>) -> Result<()> {
    let scale = load.scale;
    for run in 1..=scale.runs {
        let row = |name, op, size, clients, keys, folder: &str| Row {
            name,
            op,
            size,
            clients,
            keys,
            folder: folder.to_owned(),
            ready_made: true,
        };
        // PUT replaces what is there: the session's own partition is as large after as before.
        let gone = format!("low-delete-{when:?}-{run}").to_lowercase();
        let rows = [
            row("PUT 4 KiB, 16 clients", "put", "4K", 16, 10_000, "low-put"),
            row("GET 4 KiB, 16 clients", "get", "4K", 16, 1_000, "low-small"),
            row("HEAD, 16 clients", "head", "4K", 16, 1_000, "low-small"),
            row("LIST, pages of 1,000, 1 client", "list", SIZE, 1, scale.listed, "low-list"),
            Row { ready_made: false, ..row("DELETE, 16 clients", "delete", SIZE, 16, scale.deleted, &gone) },
        ];
        for row in &rows {
            samples.push(load.sample(session, LARGE, row, when, run)?);
        }
    }
    Ok(())
}

fn high_row(op: &'static str, keys: u64) -> Row {
    let (name, clients) = match op {
        "head" => ("HEAD, 64 clients", 64),
        "get" => ("GET 128 bytes, 64 clients", 64),
        _ => ("LIST, pages of 1,000, 1 client", 1),
    };
    Row { name, op, size: SIZE, clients, keys, folder: FOLDER.to_owned(), ready_made: true }
}

fn high_rows(load: &Load<'_>, session: &Session, samples: &mut Vec<Sample>) -> Result<()> {
    for run in 1..=load.scale.runs {
        for op in ["head", "get", "list"] {
            for (bucket, keys, when) in [(SMALL, load.scale.small, When::Small), (LARGE, load.scale.large, When::Large)]
            {
                samples.push(load.sample(session, bucket, &high_row(op, keys), when, run)?);
            }
        }
    }
    Ok(())
}

/// The load generator, and how much is asked of it.
#[derive(Clone, Copy, Debug)]
struct Load<'a> {
    generator: &'a Path,
    scale: Scale,
}

impl Load<'_> {
    /// Puts each of a folder's objects there once.
    fn put(&self, session: &Session, bucket: &str, folder: &str, size: &str, objects: u64) -> Result<Value> {
        let mut load = session.load(self.generator, bucket);
        load.args(["--op", "put", "--size", size, "--clients", "64", "--folder", folder]);
        load.arg("--keys").arg(objects.to_string()).arg("--requests").arg(objects.to_string());
        timed(&mut load, 3_600.0, 0.0);
        let result = finish(load)?;
        let written = result.get("requests").and_then(Value::as_u64);
        ensure!(written == Some(objects), "{written:?} objects were written instead of {objects}");
        Ok(result)
    }

    fn row(&self, session: &Session, bucket: &str, row: &Row) -> Result<Value> {
        let mut load = session.load(self.generator, bucket);
        load.args(["--op", row.op, "--size", row.size, "--folder", &row.folder]);
        load.arg("--clients").arg(row.clients.to_string()).arg("--keys").arg(row.keys.to_string());
        if row.ready_made {
            load.arg("--ready-made");
        }
        timed(&mut load, self.scale.seconds, self.scale.warmup);
        // What the last row left unwritten must not be paid for by this one.
        rustix::fs::sync();
        finish(load).with_context(|| format!("{} in {bucket}", row.name))
    }

    fn sample(&self, session: &Session, bucket: &str, row: &Row, when: When, run: u32) -> Result<Sample> {
        let result = self.row(session, bucket, row)?;
        let rate = number(&result, "requests_per_second").unwrap_or_default();
        eprintln!("run {run}  {:<32} {:<8} {rate:>8.0}/s", row.name, format!("{when:?}").to_lowercase());
        Ok(Sample { row: row.name, when, run, result })
    }
}

fn finish(mut load: Command) -> Result<Value> {
    report(&load.output().context("the load generator does not start")?)
}

/// The rates of a row's runs.
fn rates(samples: &[Sample], row: &str, when: When) -> Option<Spread> {
    let own = samples.iter().filter(|sample| sample.row == row && sample.when == when);
    Spread::of(&own.filter_map(|sample| number(&sample.result, "requests_per_second")).collect::<Vec<_>>())
}

/// The rows that were compared on two sides, in the order in which they were first measured.
fn compared(samples: &[Sample], one: When, other: When) -> Vec<(&'static str, Spread, Spread)> {
    let mut rows: Vec<&'static str> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.when == one) {
        if !rows.contains(&sample.row) {
            rows.push(sample.row);
        }
    }
    let both = |row| Some((row, rates(samples, row, one)?, rates(samples, row, other)?));
    rows.into_iter().filter_map(both).collect()
}

fn page(measured: &Measured) -> String {
    let Measured { small, large, runs, .. } = measured;
    let mut text = format!(
        "A region with many objects\n\n\
         One region of `fastness up`, the load generator (one thread) on the same cores; medians of {runs} run{}, least and most in \
         brackets. The file systems were synced before each row. Objects at SECRET have {SIZE} bytes and lie in two buckets, \
         {small} in one and {large} in the other.\n\n## Loading, 64 clients\n\n| objects | rate | p99, ms |\n|---:|---:|---:|\n",
        if *runs == 1 { "" } else { "s" },
    );
    for load in &measured.loads {
        let of = |name| number(load, name).unwrap_or_default();
        let (rate, p99) = (of("requests_per_second"), of("latency_us_p99") / 1e3);
        text.push_str(&format!("| {} | {rate:.0}/s | {p99:.2} |\n", of("requests")));
    }
    text.push_str(&format!(
        "\n## Listing and lookup, few and many\n\nRandom keys; the two buckets took turns. Cost is the rate among few over the rate among \
         many. Promised: at most {RATIO_MAX}.\n\n| row | requests/s of {small} | requests/s of {large} | cost | |\n\
         |---|---:|---:|---:|---|\n"
    ));
    for (row, few, many) in compared(&measured.samples, When::Small, When::Large) {
        let cost = few.median / many.median;
        text.push_str(&format!(
            "| {row} | {} | {} | {cost:.2} | {} |\n",
            few.text(0),
            many.text(0),
            verdict(cost <= RATIO_MAX)
        ));
    }
    text.push_str(&format!(
        "\n## A session below\n\nThe same rows by a session at UNCLASSIFIED, in the very bucket that holds the many, before there was anything \
         above it and below {large} objects at SECRET. Its own partition is as large both times, but for its ledger. Promised: no \
         change beyond the noise, that is, the runs before and after overlap.\n\n| row | requests/s before | requests/s below | \
         change | |\n|---|---:|---:|---:|---|\n",
        large = large + small
    ));
    for (row, before, below) in compared(&measured.samples, When::Before, When::Below) {
        let change = (below.median / before.median - 1.0) * 100.0;
        text.push_str(&format!(
            "| {row} | {} | {} | {change:+.1} % | {} |\n",
            before.text(0),
            below.text(0),
            // One run has no noise to compare a change with.
            if *runs > 1 { verdict(before.meets(&below)) } else { "–" }
        ));
    }
    text.push_str(&format!(
        "\n## Memory and starting\n\nResident memory of the region's process; promised: below {}. Time from the start of `fastness up` to its \
         line `ready`, three regions; promised: within {READY_MS_MAX} ms. The page cache is warm.\n\n\
         | | ready, ms | resident | peak since its start | |\n|---|---:|---:|---:|---|\n",
        megabytes(RESIDENT_MAX)
    ));
    let mut row = |what: &str, ready: Option<u64>, memory: &Resident| {
        let kept = memory.bytes < RESIDENT_MAX && ready.is_none_or(|ms| ms <= READY_MS_MAX);
        let ready = ready.map_or_else(|| "–".to_owned(), |ms| ms.to_string());
        let (now, peak) = (megabytes(memory.bytes), megabytes(memory.peak_bytes));
        text.push_str(&format!("| {what} | {ready} | {now} | {peak} | {} |\n", verdict(kept)));
    };
    row("after all of the above", None, &measured.resident);
    for start in &measured.starts {
        row(&format!("started after {}", start.after), Some(start.ready_ms), &start.idle);
        row("then, after HEADs all over the large bucket", None, &start.after_heads);
    }
    text.push_str(&format!("\nThe stop took {} ms.\n", measured.stop_ms));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(row: &'static str, when: When, run: u32, rate: f64) -> Sample {
        let result = serde_json::json!({ "requests": 10, "requests_per_second": rate, "latency_us_p99": 1500 });
        Sample { row, when, run, result }
    }

    fn measured(samples: Vec<Sample>) -> Measured {
        let resident = |bytes| Resident { bytes, peak_bytes: bytes };
        let start = |after, ready_ms, bytes| Start {
            after,
            ready_ms,
            idle: resident(bytes),
            after_heads: resident(400_000_000),
            heads: Value::Null,
        };
        Measured {
            small: 10_000,
            large: 1_000_000,
            runs: 2,
            loads: vec![
                serde_json::json!({ "requests": 10_000, "requests_per_second": 8000.0, "latency_us_p99": 9000 }),
            ],
            samples,
            resident: resident(299_000_000),
            stop_ms: 77,
            starts: vec![start("a stop", 1_900, 100_000_000), start("a crash", 2_100, 100_000_000)],
        }
    }

    #[test]
    fn cost_is_judged_by_its_ratio() {
        let text = page(&measured(vec![
            sample("HEAD", When::Small, 1, 300.0),
            sample("HEAD", When::Large, 1, 200.0),
            sample("LIST", When::Small, 1, 301.0),
            sample("LIST", When::Large, 1, 200.0),
            sample("LIST", When::Large, 2, 100.0),
        ]));
        assert!(text.contains("| HEAD | 300 (300 to 300) | 200 (200 to 200) | 1.50 | kept |\n"), "{text}");
        assert!(text.contains("| LIST | 301 (301 to 301) | 150 (100 to 200) | 2.01 | **missed** |\n"), "{text}");
        assert!(text.contains("| 10000 | 8000/s | 9.00 |\n"), "{text}");
    }

    #[test]
    fn a_session_below_is_judged_by_the_noise() {
        let text = page(&measured(vec![
            sample("PUT", When::Before, 1, 100.0),
            sample("PUT", When::Before, 2, 120.0),
            sample("PUT", When::Below, 1, 90.0),
            sample("PUT", When::Below, 2, 104.0),
            sample("GET", When::Before, 1, 100.0),
            sample("GET", When::Below, 1, 80.0),
        ]));
        assert!(text.contains("| PUT | 110 (100 to 120) | 97 (90 to 104) | -11.8 % | kept |\n"), "{text}");
        assert!(text.contains("| GET | 100 (100 to 100) | 80 (80 to 80) | -20.0 % | **missed** |\n"), "{text}");
    }

    #[test]
    fn memory_and_starts_are_judged() {
        let text = page(&measured(Vec::new()));
        for row in [
            "| after all of the above | – | 299 MB | 299 MB | kept |\n",
            "| started after a stop | 1900 | 100 MB | 100 MB | kept |\n",
            "| started after a crash | 2100 | 100 MB | 100 MB | **missed** |\n",
            "| then, after HEADs all over the large bucket | – | 400 MB | 400 MB | **missed** |\n",
        ] {
            assert!(text.contains(row), "{row} in {text}");
        }
    }
}

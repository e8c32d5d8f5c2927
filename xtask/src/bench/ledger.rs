//! `cargo xtask bench ledger`: the ledger by itself (appending, packing, checking, what it takes on the disk), and what it
//! costs S3: the same rows with a program that records and with one built to record nothing, side by side, in short turns.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::figures::{Spread, median, number, verdict};
use super::ground::{Common, Ground, timed};
use super::up::{Region, Session, Up, report, settled};
use crate::process::{command, output, stage};
use crate::tree::cargo;

/// The program that records nothing is built here, below the target folder.
const UNRECORDED: &str = "unrecorded";

/// What S3 may lose with the ledger on.
const LOSS_MAX: f64 = 0.10;

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Entries that 64 producers append, in each of two ways
    #[arg(long, default_value_t = 1_000_000)]
    append: u64,
    /// Entries in the ledger that is checked
    #[arg(long, default_value_t = 10_000_000)]
    verify: u64,
    /// Pairs of runs of each row of S3, of which the table shows the medians
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=101))]
    runs: u32,
    /// Length of each run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
    #[command(flatten)]
    common: Common,
}

/// A line that the example prints.
#[derive(Debug, Deserialize, Serialize)]
struct Alone {
    what: String,
    entries: u64,
    seconds: Option<f64>,
    per_second: Option<f64>,
    bytes: Option<u64>,
    per_entry: Option<f64>,
}

/// One row of one run against one program.
#[derive(Debug, Serialize)]
struct Sample {
    row: &'static str,
    recorded: bool,
    run: u32,
    requests_per_second: f64,
    /// Processor time that the region took afterwards, for what the run left to be done.
    left_processor_seconds: f64,
    result: Value,
}

#[derive(Debug, Serialize)]
struct Measured {
    alone: Vec<Alone>,
    samples: Vec<Sample>,
}

/// Name, what the clients do, keys.
const ROWS: [(&str, &str, &str); 4] = [
    ("PUT 4 KiB", "put", "1000000"),
    ("GET 4 KiB", "get", "1000"),
    ("HEAD", "head", "1000"),
    ("DELETE", "delete", "100000"),
];

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let quick = options.common.quick;
    let (append, verify) = if quick { (20_000, 50_000) } else { (options.append, options.verify) };
    let (runs, seconds) = if quick { (1, 1.0) } else { (options.runs, f64::from(options.seconds)) };
    let ground = Ground::prepare(&options.common)?;
    let silent = build(&ground, options.common.debug_build)?;
    let alone = by_itself(&ground, options.common.debug_build, append, verify)?;
    let sides = [
        Side::start(&ground, true, &ground.program, options.common.port_base)?,
        Side::start(&ground, false, &silent, options.common.port_base + PORTS)?,
    ];
    let mut samples = Vec::new();
    // A row is done before the next begins, so that none pays for what another did.
    for (name, op, keys) in ROWS {
        for run in 1..=runs {
            // Each goes first in every other run: what the machine does meanwhile favours neither.
            let [one, other] = &sides;
            for side in if run % 2 == 1 { [one, other] } else { [other, one] } {
                samples.push(side.sample(&ground, Row { name, op, keys }, run, seconds)?);
            }
        }
    }
    for side in sides {
        side.up.stop()?;
    }
    let command = match quick {
        true => "cargo xtask bench ledger --quick".to_owned(),
        false => format!(
            "cargo xtask bench ledger --append {append} --verify {verify} --runs {runs} --seconds {}",
            options.seconds
        ),
    };
    ground.write("ledger", command, Measured { alone, samples }, page)
}

/// Ports that one `up` takes.
const PORTS: u16 = 10;

/// A row to measure.
#[derive(Clone, Copy, Debug)]
struct Row {
    name: &'static str,
    op: &'static str,
    keys: &'static str,
}

/// One of the two programs that are compared, at work.
struct Side {
    recorded: bool,
    up: Up,
    session: Session,
    region: u32,
}

impl Side {
    fn start(ground: &Ground, recorded: bool, program: &Path, port_base: u16) -> Result<Self> {
        let up = Up::start(program, &ground.data().join(format!("s3-{recorded}")), port_base)?;
        let (session, region) = (up.session("secret-analyst")?, up.region(Region::Secret)?);
        Ok(Self { recorded, up, session, region })
    }

    fn sample(&self, ground: &Ground, row: Row, run: u32, seconds: f64) -> Result<Sample> {
        let mut load = self.session.load(&ground.generator, "bench");
        load.args(["--op", row.op, "--size", "4K", "--clients", "64", "--keys", row.keys, "--folder", row.op]);
        timed(&mut load, seconds, 1.0);
        let result = report(&load.output().context("the load generator does not start")?)?;
        let left_processor_seconds = settled(self.region)?;
        let requests_per_second = number(&result, "requests_per_second").unwrap_or_default();
        let (name, recorded) = (row.name, self.recorded);
        let how = if recorded { "recorded" } else { "not recorded" };
        eprintln!(
            "run {run:>3}  {how:<12}  {name:<10} {requests_per_second:>9.0}/s  left {left_processor_seconds:.2} s"
        );
        Ok(Sample { row: name, recorded, run, requests_per_second, left_processor_seconds, result })
    }
}

/// Builds the program that records nothing: for this measurement alone, in a folder of its own.
fn build(ground: &Ground, debug: bool) -> Result<PathBuf> {
    let target = ground.root.join("target").join(UNRECORDED);
    let mut build = vec!["build", "-p", "fastness", "--features", "fastness/unrecorded"];
    if !debug {
        build.push("--release");
    }
    let mut build = command(&ground.root, cargo(), &build);
    build.env("CARGO_TARGET_DIR", &target);
    stage("build a program that records nothing", &mut build)?;
    Ok(target.join(if debug { "debug" } else { "release" }).join("fastness"))
}

fn by_itself(ground: &Ground, debug: bool, append: u64, verify: u64) -> Result<Vec<Alone>> {
    let data = ground.data().join("alone");
    let [append, verify] = [append, verify].map(|count| count.to_string());
    let mut arguments = vec!["run", "-q", "-p", "fastness-bench", "--example", "ledger"];
    if !debug {
        arguments.push("--release");
    }
    let folder = path(&data)?;
    arguments.extend(["--", folder, &append, &verify]);
    let printed = output(&mut command(&ground.root, cargo(), &arguments))?;
    std::fs::remove_dir_all(&data)?;
    let lines = printed.lines().map(|line| {
        eprintln!("{line}");
        serde_json::from_str(line).with_context(|| format!("the example printed `{line}`"))
    });
    let alone = lines.collect::<Result<Vec<Alone>>>()?;
    ensure!(!alone.is_empty(), "the example printed nothing");
    Ok(alone)
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("the folder's name is not UTF-8")
}

fn page(measured: &Measured) -> String {
    let mut text = String::from(
        "The ledger\n\n\
         By itself, on this machine's disk (`bench/examples/ledger.rs`): 64 producers append entries of a GET or PUT by boto3, while another thread \
         signs every second and packs what there is enough of, as a region's keeper does.\n\n\
         | what | entries | seconds | entries/s |\n|---|---:|---:|---:|\n",
    );
    for one in &measured.alone {
        if let (Some(seconds), Some(rate)) = (one.seconds, one.per_second) {
            text.push_str(&format!("| {} | {} | {seconds:.1} | {rate:.0} |\n", one.what, one.entries));
        }
    }
    for one in &measured.alone {
        if let (Some(bytes), Some(each)) = (one.bytes, one.per_entry) {
            text.push_str(&format!(
                "\nThe folder of {} entries takes {:.0} MB, catalog and journal included: {each:.0} bytes an entry.\n",
                one.entries,
                bytes as f64 / 1e6
            ));
        }
    }
    text.push_str(&format!(
        "\nWhat it costs S3: 64 clients, requests a second, medians (least to most), against a program that was built to record nothing \
         (`--features unrecorded`, for this measurement alone). Both run, and are asked in turns, the one first and then the other; each rests \
         before the other's turn. The loss is the median of the pairs' losses (half of the pairs lie within the reach in brackets). At most {:.0} % \
         may be lost. `left` is the processor time that a region takes for what a run left to be done: packing, signing, the catalog.\n\n\
         | row | pairs | recorded | not recorded | loss | left, recorded | left, not recorded | |\n\
         |---|---:|---:|---:|---:|---:|---:|---|\n",
        LOSS_MAX * 100.0
    ));
    for (row, ..) in ROWS {
        let of = |recorded: bool, what: fn(&Sample) -> f64| {
            let own = measured.samples.iter().filter(move |sample| sample.row == row && sample.recorded == recorded);
            own.map(what).collect::<Vec<f64>>()
        };
        let rate = |sample: &Sample| sample.requests_per_second;
        let left = |recorded: bool| {
            let of = of(recorded, |sample| sample.left_processor_seconds);
            median(of).map_or_else(String::new, |seconds| format!("{seconds:.2} s"))
        };
        let (Some(with), Some(without)) = (Spread::of(&of(true, rate)), Spread::of(&of(false, rate))) else { continue };
        let mut losses = losses(measured, row);
        losses.sort_by(f64::total_cmp);
        let (Some(loss), count) = (median(losses.clone()), losses.len()) else { continue };
        let quarter = |at: usize| losses.get(at).copied().unwrap_or(loss) * 100.0;
        let (low, high) = (quarter(count / 4), quarter(count - 1 - count / 4));
        let (loss, kept) = (loss * 100.0, verdict(loss <= LOSS_MAX));
        text.push_str(&format!(
            "| {row} | {count} | {} | {} | {loss:.1} % ({low:.1} to {high:.1}) | {} | {} | {kept} |\n",
            with.text(0),
            without.text(0),
            left(true),
            left(false)
        ));
    }
    text
}

/// What is lost of a row, in each pair of runs.
fn losses(measured: &Measured, row: &str) -> Vec<f64> {
    let of = |recorded: bool| measured.samples.iter().filter(move |one| one.row == row && one.recorded == recorded);
    let pair = |with: &Sample| {
        let without = of(false).find(|without| without.run == with.run)?;
        Some(1.0 - with.requests_per_second / without.requests_per_second.max(f64::MIN_POSITIVE))
    };
    of(true).filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_it_loses() {
        let sample = |recorded, requests_per_second| Sample {
            row: "GET 4 KiB",
            recorded,
            run: 1,
            requests_per_second,
            left_processor_seconds: 0.5,
            result: Value::Null,
        };
        let alone: Alone =
            serde_json::from_str(r#"{"what":"verify","entries":10,"seconds":2.0,"per_second":5.0}"#).unwrap();
        let disk: Alone =
            serde_json::from_str(r#"{"what":"disk","entries":10,"bytes":2000,"per_entry":200.0}"#).unwrap();
        let samples = vec![sample(true, 950.0), sample(false, 1_000.0)];
        let text = page(&Measured { alone: vec![alone, disk], samples });
        assert!(text.contains("| verify | 10 | 2.0 | 5 |\n") && text.contains("200 bytes an entry"), "{text}");
        assert!(text.contains("| 5.0 % (5.0 to 5.0) | 0.50 s | 0.50 s | kept |\n"), "{text}");
        let text = page(&Measured { alone: Vec::new(), samples: vec![sample(true, 800.0), sample(false, 1_000.0)] });
        assert!(text.contains("| 20.0 % (20.0 to 20.0) | 0.50 s | 0.50 s | **missed** |\n"), "{text}");
    }
}

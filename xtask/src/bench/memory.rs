//! `cargo xtask bench memory`: what a region's process takes while 64 clients write, and read, large objects at once.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::figures::{megabytes, number, verdict};
use super::ground::{Common, Ground, timed};
use super::machine::Resident;
use super::up::{Region, Up, report};

/// What the issue asks for: 64 uploads of 64 MiB at once within 512 MB.
const PEAK_MAX: u64 = 512_000_000;
const CLIENTS: u64 = 64;
/// Requests for each client, on average; the clients never wait for each other.
const ROUNDS: u64 = 3;

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Runs of each kind
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=21))]
    runs: u32,
    #[command(flatten)]
    common: Common,
}

/// One row on a process of its own.
#[derive(Debug, Serialize)]
struct Sample {
    op: &'static str,
    run: u32,
    idle: Resident,
    after: Resident,
    result: Value,
}

#[derive(Debug, Serialize)]
struct Measured {
    size: &'static str,
    samples: Vec<Sample>,
}

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let quick = options.common.quick;
    let (size, runs) = if quick { ("4M", 1) } else { ("64M", options.runs) };
    let ground = Ground::prepare(&options.common)?;
    let mut samples = Vec::new();
    for run in 1..=runs {
        let data = ground.data().join(format!("memory-{run}"));
        for op in ["put", "get"] {
            rustix::fs::sync();
            // Each starts the process anew: the peak is of this row alone.
            let sample = sample(&ground, &data, options.common.port_base, op, size, run)?;
            eprintln!("run {run}  {op}  peak {}", megabytes(sample.after.peak_bytes));
            samples.push(sample);
        }
        std::fs::remove_dir_all(&data).context("the folder of a run cannot be removed")?;
    }
    let command = match quick {
        true => "cargo xtask bench memory --quick".to_owned(),
        false => format!("cargo xtask bench memory --runs {runs}"),
    };
    ground.write("memory", command, Measured { size, samples }, page)
}

fn sample(
    ground: &Ground,
    data: &std::path::Path,
    port_base: u16,
    op: &'static str,
    size: &str,
    run: u32,
) -> Result<Sample> {
    let up = Up::start(&ground.program, data, port_base)?;
    let region = up.region(Region::Secret)?;
    let session = up.session("secret-analyst")?;
    let idle = Resident::of(region)?;
    let requests = CLIENTS * ROUNDS;
    let mut load = session.load(&ground.generator, "memory");
    load.args(["--op", op, "--size", size, "--folder", "large"]);
    load.arg("--clients").arg(CLIENTS.to_string()).arg("--keys").arg(CLIENTS.to_string());
    load.arg("--requests").arg(requests.to_string());
    if op == "get" {
        load.arg("--ready-made");
    }
    timed(&mut load, 3_600.0, 0.0);
    let result = report(&load.output().context("the load generator does not start")?)?;
    let done = result.get("requests").and_then(Value::as_u64);
    ensure!(done == Some(requests), "{done:?} requests were answered instead of {requests}");
    Ok(Sample { op, run, idle, after: Resident::of(region)?, result })
}

fn page(measured: &Measured) -> String {
    let mut text = format!(
        "Memory under large objects\n\n\
         {CLIENTS} clients at once, {} requests together, objects of {}; each row against a process just started. Peak is the most \
         that the region's process ever had resident (VmHWM); promised: at most {}.\n\n\
         | row | run | before | peak | after | MB/s | |\n|---|---:|---:|---:|---:|---:|---|\n",
        CLIENTS * ROUNDS,
        measured.size.replace('M', " MiB"),
        megabytes(PEAK_MAX),
    );
    for sample in &measured.samples {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {:.0} | {} |\n",
            sample.op.to_uppercase(),
            sample.run,
            megabytes(sample.idle.bytes),
            megabytes(sample.after.peak_bytes),
            megabytes(sample.after.bytes),
            number(&sample.result, "megabytes_per_second").unwrap_or_default(),
            verdict(sample.after.peak_bytes <= PEAK_MAX),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_judged() {
        let resident = |bytes, peak_bytes| Resident { bytes, peak_bytes };
        let sample = |op, peak| Sample {
            op,
            run: 1,
            idle: resident(14_000_000, 14_000_000),
            after: resident(90_000_000, peak),
            result: serde_json::json!({ "megabytes_per_second": 512.4 }),
        };
        let text = page(&Measured {
            size: "64M",
            samples: vec![sample("put", PEAK_MAX), sample("get", PEAK_MAX + 1_000_000)],
        });
        assert!(text.contains("| PUT | 1 | 14 MB | 512 MB | 90 MB | 512 | kept |\n"), "{text}");
        assert!(text.contains("| GET | 1 | 14 MB | 513 MB | 90 MB | 512 | **missed** |\n"), "{text}");
    }
}

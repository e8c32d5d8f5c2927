//! `cargo xtask bench s3`: the same rows against Fastness and SeaweedFS, in turns, on this machine; a table comes out.
//! The other measurements have a file each.

pub mod cross;
pub mod diode;
mod figures;
mod ground;
pub mod guard;
pub mod labels;
pub mod ledger;
pub mod machine;
pub mod md5;
pub mod memory;
mod rows;
pub mod scale;
mod servers;
pub mod start;
mod table;
mod up;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::process::{command, output, stage};
use crate::tree::{self, cargo};
use rows::Row;
use servers::{Server, Setup};

/// Where measurements are kept.
pub const MEASUREMENTS: &str = "docs/measurements";

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Length of each row's timed section
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
    /// Runs, of which the table shows the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=21))]
    runs: u32,
    /// One short run, to see that it works; its table stays out of docs/measurements
    #[arg(long)]
    quick: bool,
    /// Only this server; the table stays out of docs/measurements
    #[arg(long)]
    only: Option<servers::Kind>,
    /// The first of the ports that the servers take (this to this + 40, and 10,000 above)
    #[arg(long, default_value_t = 19_400, value_parser = clap::value_parser!(u16).range(1_024..=22_000))]
    port_base: u16,
}

/// One row of one run on one server, as the load generator reports it.
#[derive(Debug, Serialize)]
struct Sample {
    row: &'static str,
    server: servers::Kind,
    run: u32,
    /// Why the row does not count.
    failed: Option<String>,
    /// What the load generator printed.
    result: Value,
}

/// Everything there is to say about one benchmark.
#[derive(Debug, Serialize)]
struct Record {
    date: String,
    command: String,
    commit: String,
    machine: machine::Machine,
    servers: Vec<servers::Description>,
    samples: Vec<Sample>,
}

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let root = tree::root()?;
    let target = tree::metadata(&root)?.target_directory;
    let mut build = vec!["build", "--release", "-p", "fastness-bench"];
    if options.only != Some(servers::Kind::SeaweedFs) {
        build.extend(["-p", "fastness"]);
    }
    stage("build", &mut command(&root, cargo(), &build))?;
    let folder = Folder::take(&target)?;
    let machine = machine::Machine::look(&folder.data)?;
    let group = machine::SchedulerGroup::raise();
    eprintln!("    scheduler group {}", if group.is_raised() { "raised" } else { "as it was" });
    let setup = Setup { root: &root, target: &target, data: &folder.data, port_base: options.port_base };
    let mut servers = Vec::new();
    for kind in [servers::Kind::Fastness, servers::Kind::SeaweedFs] {
        if options.only.is_none_or(|only| only == kind) {
            eprintln!("==> start {kind}");
            servers.push(setup.start(kind).with_context(|| format!("{kind} does not start"))?);
        }
    }
    let generator = target.join("release/fastness-bench");
    let samples = measure(&generator, options, &mut servers)?;
    let mut descriptions = Vec::new();
    for server in servers {
        descriptions.push(server.finish()?);
    }
    let record = Record {
        date: date()?,
        command: spell(options),
        commit: commit(&root)?,
        machine,
        servers: descriptions,
        samples,
    };
    write(&root, &target, options, &record)
}

/// The folder of the servers' data, removed when dropped. It lies beside the builds, on the same disk, rather than
/// where temporary files may live in memory.
#[derive(Debug)]
struct Folder {
    data: PathBuf,
    /// Held as long as the folder is ours.
    _lock: File,
}

impl Folder {
    fn take(target: &Path) -> Result<Self> {
        let lock = File::create(target.join("bench-s3.lock")).context("no lock in the folder of builds")?;
        lock.try_lock().context("another benchmark is running; two would measure each other")?;
        let data = target.join("bench-s3");
        // A run that was killed left its own behind.
        if data.exists() {
            std::fs::remove_dir_all(&data).context("the folder of an earlier benchmark cannot be removed")?;
        }
        std::fs::create_dir(&data).context("no folder for the servers' data")?;
        Ok(Self { data, _lock: lock })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.data) {
            eprintln!("xtask: `{}` cannot be removed: {error}", self.data.display());
        }
    }
}

fn measure(generator: &Path, options: &Options, servers: &mut [Server]) -> Result<Vec<Sample>> {
    let runs = if options.quick { 1 } else { options.runs };
    let rows = rows::all(options.quick);
    let bar = ProgressBar::new(u64::from(runs) * rows.len() as u64 * servers.len() as u64);
    bar.set_style(ProgressStyle::with_template("[{elapsed_precise}] {bar:30} {pos}/{len} {msg}")?);
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut samples = Vec::new();
    for run in 1..=runs {
        for row in &rows {
            for server in servers.iter_mut() {
                bar.set_message(format!("run {run}: {} on {}", row.name, server.kind));
                server.ensure_alive()?;
                // What one server left unwritten must not be paid for by the next.
                rustix::fs::sync();
                let sample = sample(generator, options, server, row, run)?;
                let line =
                    format!("run {run}  {:<24} {:<10} {}", row.name, server.kind.to_string(), table::line(&sample));
                if bar.is_hidden() {
                    eprintln!("{line}")
                } else {
                    bar.println(line)
                }
                samples.push(sample);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(samples)
}

fn sample(generator: &Path, options: &Options, server: &Server, row: &Row, run: u32) -> Result<Sample> {
    let (seconds, warmup) = if options.quick { (1.0, 0.2) } else { (f64::from(options.seconds), 1.0) };
    let mut load = server.load(generator);
    load.args(["--op", row.op, "--size", row.size, "--json"]);
    load.arg("--clients").arg(row.clients.to_string()).arg("--keys").arg(row.keys.to_string());
    load.arg("--seconds").arg(seconds.to_string()).arg("--warmup-seconds").arg(warmup.to_string());
    load.arg("--prefix").arg(format!("run-{run}-{}", row.clients));
    let done = load.output().context("the load generator does not start")?;
    let result: Value = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
    let failed = (!done.status.success()).then(|| match result.get("first_error").and_then(Value::as_str) {
        Some(error) => error.to_owned(),
        None => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
    });
    Ok(Sample { row: row.name, server: server.kind, run, failed, result })
}

fn write(root: &Path, target: &Path, options: &Options, record: &Record) -> Result<()> {
    // Only a whole measurement is worth keeping.
    let whole = !options.quick && options.only.is_none();
    let folder: PathBuf = if whole { root.join(MEASUREMENTS) } else { target.join("measurements") };
    std::fs::create_dir_all(&folder)?;
    let name = format!("{}-s3", record.date);
    let text = table::document(record, &format!("{name}.json"));
    std::fs::write(folder.join(format!("{name}.md")), &text)?;
    std::fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(record)? + "\n")?;
    println!("{text}");
    eprintln!("==> written to {}/{name}.md and .json", folder.strip_prefix(root).unwrap_or(&folder).display());
    let failed = record.samples.iter().filter(|sample| sample.failed.is_some()).count();
    if failed > 0 {
        bail!("{failed} of {} rows failed; the table says which", record.samples.len());
    }
    Ok(())
}

/// The command that was given, as a person would repeat it.
fn spell(options: &Options) -> String {
    let mut text = match options.quick {
        true => "cargo xtask bench s3 --quick".to_owned(),
        false => format!("cargo xtask bench s3 --seconds {} --runs {}", options.seconds, options.runs),
    };
    if let Some(only) = options.only {
        text.push_str(&format!(" --only {}", only.to_string().to_lowercase()));
    }
    text
}

/// Today.
pub fn date() -> Result<String> {
    Ok(OffsetDateTime::now_utc().format(format_description!("[year]-[month]-[day]"))?)
}

/// The commit that is checked out.
pub fn commit(root: &Path) -> Result<String> {
    let ask = |arguments: &[&str]| output(&mut git(root, arguments));
    let Ok(head) = ask(&["rev-parse", "--verify", "--quiet", "HEAD"]) else { return Ok("none yet".to_owned()) };
    let head = head.trim();
    ensure!(head.len() >= 40, "git names no commit");
    let changed = !ask(&["status", "--porcelain"])?.trim().is_empty();
    Ok(format!("{head}{}", if changed { " with uncommitted changes" } else { "" }))
}

fn git(root: &Path, arguments: &[&str]) -> Command {
    command(root, "git", arguments)
}

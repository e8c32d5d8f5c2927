//! `cargo xtask bench start`: how long `fastness up` takes until it is `ready`, and what idle regions hold in memory.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::machine::{Machine, Memory};
use super::up::Up;
use super::{Folder, MEASUREMENTS, commit, date};
use crate::process::{command, stage};
use crate::tree::{self, cargo};

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Starts of each kind
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The regions listen on the three ports after this one
    #[arg(long, default_value_t = 19500)]
    port_base: u16,
}

/// One start.
#[derive(Debug, Clone, Copy, Serialize)]
struct Start {
    /// From the start of the process to the line `ready`.
    ready_ms: u64,
    /// Memory of the largest of the processes after two seconds without requests, in bytes.
    idle_largest: u64,
    /// Of all of them together.
    idle_all: u64,
}

#[derive(Debug, Serialize)]
struct Record {
    date: String,
    command: String,
    commit: String,
    machine: Machine,
    /// On an empty folder: three regions are made, with their people.
    first: Vec<Start>,
    /// On the folder of the start before.
    again: Vec<Start>,
}

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let root = tree::root()?;
    let target = tree::metadata(&root)?.target_directory;
    stage("build", &mut command(&root, cargo(), &["build", "--release", "-p", "fastness"]))?;
    let folder = Folder::take(&target)?;
    let machine = Machine::look(&folder.data)?;
    let program = target.join("release/fastness");
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for run in 1..=options.runs {
        let data = folder.data.join(format!("run-{run}"));
        for list in [&mut first, &mut again] {
            rustix::fs::sync();
            let start = start(&program, &data, options.port_base)?;
            eprintln!("run {run}  ready after {} ms, idle {} MB", start.ready_ms, start.idle_all / 1_000_000);
            list.push(start);
        }
        std::fs::remove_dir_all(&data).context("the folder of a start cannot be removed")?;
    }
    let command = format!("cargo xtask bench start --runs {}", options.runs);
    let record = Record { date: date()?, command, commit: commit(&root)?, machine, first, again };
    let name = format!("{}-start", record.date);
    let text = document(&record, &name);
    let folder = root.join(MEASUREMENTS);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(format!("{name}.md")), &text)?;
    std::fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(&record)? + "\n")?;
    println!("{text}");
    Ok(())
}

fn start(program: &Path, data: &Path, port_base: u16) -> Result<Start> {
    let up = Up::start(program, data, port_base)?;
    std::thread::sleep(Duration::from_secs(2));
    let memory = Memory::of(up.process.id());
    Ok(Start { ready_ms: up.ready_ms, idle_largest: memory.resident_largest_bytes, idle_all: memory.resident_bytes })
}

fn document(record: &Record, name: &str) -> String {
    let mut text = format!(
        "# Starting, and standing idle, {}\n\n- Command: `{}`\n- Commit: {}\n- Machine: {}\n\
         - Raw file: [{name}.json]({name}.json)\n\n\
         From the start of `fastness up` to its line `ready`: three regions in three processes. Memory two seconds later.\n\n\
         | start | runs | ready, ms: median | worst | largest process idle, MB | all processes, MB |\n\
         |---|---:|---:|---:|---:|---:|\n",
        record.date, record.command, record.commit, record.machine,
    );
    for (what, starts) in [("on an empty folder", &record.first), ("again, on the same folder", &record.again)] {
        let mut ready: Vec<u64> = starts.iter().map(|start| start.ready_ms).collect();
        ready.sort_unstable();
        let median = ready.get(ready.len() / 2).copied().unwrap_or_default();
        let worst = ready.last().copied().unwrap_or_default();
        let most = |of: fn(&Start) -> u64| starts.iter().map(of).max().unwrap_or_default() as f64 / 1e6;
        text.push_str(&format!(
            "| {what} | {} | {median} | {worst} | {:.0} | {:.0} |\n",
            starts.len(),
            most(|start| start.idle_largest),
            most(|start| start.idle_all),
        ));
    }
    text
}

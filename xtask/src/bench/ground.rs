//! What every measurement of `fastness up` stands on: builds, a folder, a look at the machine, and where its page goes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::machine::{Machine, SchedulerGroup};
use super::{Folder, MEASUREMENTS, commit, date};
use crate::process::{command, output, stage};
use crate::tree::{self, cargo};

/// What these measurements have in common.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// One short run, to see that it works; what it writes goes to target/measurements
    #[arg(long)]
    pub quick: bool,
    /// The regions listen on the three ports after this one
    #[arg(long, default_value_t = 19_600, value_parser = clap::value_parser!(u16).range(1_024..=65_000))]
    pub port_base: u16,
    /// Debug builds: to work on the benchmark itself, never a measurement
    #[arg(long, hide = true)]
    pub debug_build: bool,
}

/// The ground of one measurement.
#[derive(Debug)]
pub struct Ground {
    /// The project's root.
    pub root: PathBuf,
    /// `fastness`.
    pub program: PathBuf,
    /// The load generator.
    pub generator: PathBuf,
    /// The machine.
    pub machine: Machine,
    folder: Folder,
    group: SchedulerGroup,
    pages: PathBuf,
}

/// Everything there is to say about one measurement: a heading, and what is its own.
#[derive(Debug, Serialize)]
pub struct Record<T> {
    /// The day.
    pub date: String,
    /// How to repeat it.
    pub command: String,
    /// What was measured.
    pub commit: String,
    /// Where.
    pub machine: Machine,
    /// What came out.
    #[serde(flatten)]
    pub measured: T,
}

/// Runs an example of a package that prints a sample a line, as JSON, while the lock of `folder` is held: the machine, and
/// what was printed.
pub fn run_example<T: DeserializeOwned>(
    root: &Path,
    common: &Common,
    folder: Folder,
    (package, example): (&str, &str),
    numbers: &[String],
) -> Result<(Machine, Vec<T>)> {
    let mut arguments = vec!["run", "-q", "-p", package, "--example", example];
    if !common.debug_build {
        arguments.push("--release");
    }
    arguments.push("--");
    arguments.extend(numbers.iter().map(String::as_str));
    let machine = Machine::look(&folder.data)?;
    let group = if common.debug_build { SchedulerGroup::leave() } else { SchedulerGroup::raise() };
    let printed = output(&mut command(root, cargo(), &arguments))?;
    drop((folder, group));
    let sample = |line| serde_json::from_str(line).with_context(|| format!("the example printed `{line}`"));
    Ok((machine, printed.lines().map(sample).collect::<Result<Vec<T>>>()?))
}

impl Ground {
    /// Builds, takes the folder, looks at the machine.
    pub fn prepare(common: &Common) -> Result<Self> {
        Self::prepare_with(common, &[])
    }

    /// The same, and builds the programs of these packages, too.
    pub fn prepare_with(common: &Common, packages: &[&str]) -> Result<Self> {
        let root = tree::root()?;
        let target = tree::metadata(&root)?.target_directory;
        let mut build = vec!["build", "-p", "fastness", "-p", "fastness-bench"];
        build.extend(packages.iter().flat_map(|package| ["-p", package]));
        if !common.debug_build {
            build.push("--release");
        }
        stage("build", &mut command(&root, cargo(), &build))?;
        let builds = target.join(if common.debug_build { "debug" } else { "release" });
        let folder = Folder::take(&target)?;
        let machine = Machine::look(&folder.data)?;
        let group = if common.debug_build { SchedulerGroup::leave() } else { SchedulerGroup::raise() };
        eprintln!("    scheduler group {}", if group.is_raised() { "raised" } else { "as it was" });
        let pages = pages(&root, &target, common);
        Ok(Self {
            program: builds.join("fastness"),
            generator: builds.join("fastness-bench"),
            root,
            machine,
            folder,
            group,
            pages,
        })
    }

    /// The folder of the data.
    pub fn data(&self) -> &Path {
        &self.folder.data
    }

    /// Writes the page and the raw file, and shows the page.
    pub fn write<T: Serialize>(
        self,
        name: &str,
        command: String,
        measured: T,
        page: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        let Self { root, machine, folder, group, pages, .. } = self;
        // The folder goes, and the share of the machine goes back, before anything else is done.
        drop((folder, group));
        write(&root, &pages, name, command, machine, measured, page)
    }
}

/// Only a whole measurement is worth keeping.
pub fn pages(root: &Path, target: &Path, common: &Common) -> PathBuf {
    if common.quick || common.debug_build { target.join("measurements") } else { root.join(MEASUREMENTS) }
}

/// Writes a page and its raw file into a folder, and shows the page.
pub fn write<T: Serialize>(
    root: &Path,
    pages: &Path,
    name: &str,
    command: String,
    machine: Machine,
    measured: T,
    page: impl FnOnce(&T) -> String,
) -> Result<()> {
    let record = Record { date: date()?, command, commit: commit(root)?, machine, measured };
    let name = format!("{}-{name}", record.date);
    let body = page(&record.measured);
    let (title, body) = body.split_once('\n').context("a page without a title")?;
    let text = format!(
        "# {title}, {}\n\n- Command: `{}`\n- Commit: {}\n- Machine: {}\n- Raw file: [{name}.json]({name}.json)\n{body}",
        record.date, record.command, record.commit, record.machine,
    );
    std::fs::create_dir_all(pages)?;
    std::fs::write(pages.join(format!("{name}.md")), &text)?;
    std::fs::write(pages.join(format!("{name}.json")), serde_json::to_string_pretty(&record)? + "\n")?;
    println!("{text}");
    eprintln!("==> written to {}/{name}.md and .json", pages.strip_prefix(root).unwrap_or(pages).display());
    Ok(())
}

/// Sets how much of a row the load generator does.
pub fn timed(load: &mut Command, seconds: f64, warmup_seconds: f64) {
    load.arg("--seconds").arg(seconds.to_string()).arg("--warmup-seconds").arg(warmup_seconds.to_string());
}

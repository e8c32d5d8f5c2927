//! `cargo xtask crash`: crashes and faults, many rounds of each kind, in process and against the real program; a table
//! comes out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::bench::machine::Machine;
use crate::bench::{MEASUREMENTS, commit, date};
use crate::process::{command, stage};
use crate::tree::{self, cargo};

/// What is done to the disk or the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Power is lost at a random change
    Power,
    /// Reads, writes, syncs, renames and removals fail
    Errors,
    /// The disk gets full
    Full,
    /// Bits flip in the stopped region's files
    Bits,
    /// The real program is killed
    Real,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Power, Self::Errors, Self::Full, Self::Bits, Self::Real];

    /// The test that plays it.
    const fn test(self) -> &'static str {
        match self {
            Self::Power => "power_loss_at_any_change_loses_nothing_acknowledged",
            Self::Errors => "errors_of_the_disk_lose_nothing_acknowledged",
            Self::Full => "a_full_disk_loses_nothing_acknowledged",
            Self::Bits => "flipped_bits_are_never_served",
            Self::Real => "",
        }
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::Power => "power lost at a random change, and in the starts after it",
            Self::Errors => "reads, writes, syncs, renames, removals fail; then power lost",
            Self::Full => "the disk full, then room again; then power lost",
            Self::Bits => "bits flipped in the stopped region's files",
            Self::Real => "`fastness serve` killed (SIGKILL) under load, also while it starts",
        }
    }
}

/// What to play.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Rounds of each kind
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// The first round's seed; the next ones follow it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this kind
    #[arg(long, value_enum)]
    only: Option<Kind>,
    /// Keep the table and the raw file in docs/measurements, not in the folder of builds
    #[arg(long)]
    keep: bool,
    /// Where the real region listens, on 127.0.0.1
    #[arg(long, default_value_t = 19_700)]
    port: u16,
}

#[derive(Debug, Serialize)]
struct Outcome {
    kind: Kind,
    seconds: f64,
    /// What the rounds counted; nothing when they failed.
    tally: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Record {
    date: String,
    command: String,
    commit: String,
    machine: Machine,
    outcomes: Vec<Outcome>,
}

/// Plays the rounds, prints a table, and fails when anything was lost or damaged bytes were served.
pub fn run(options: &Options) -> Result<()> {
    let root = tree::root()?;
    let target = tree::metadata(&root)?.target_directory;
    let machine = Machine::look(&target)?;
    let mut outcomes = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| options.only.is_none_or(|only| only == *kind)) {
        eprintln!("==> {}", kind.describe());
        let begin = Instant::now();
        let tally = match kind {
            Kind::Real => real(&root, &target, options)?,
            _ => in_process(&root, kind, options)?,
        };
        outcomes.push(Outcome { kind, seconds: begin.elapsed().as_secs_f64(), tally });
    }
    let record = Record { date: date()?, command: spell(options), commit: commit(&root)?, machine, outcomes };
    let folder: PathBuf = if options.keep { root.join(MEASUREMENTS) } else { target.join("measurements") };
    std::fs::create_dir_all(&folder)?;
    let name = format!("{}-crash", record.date);
    let text = document(&record, &name);
    std::fs::write(folder.join(format!("{name}.md")), &text)?;
    std::fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(&record)? + "\n")?;
    println!("{text}");
    if record.outcomes.iter().any(|outcome| outcome.tally.is_none()) {
        bail!("a promise was broken: what is printed above says which, and how to play it again");
    }
    Ok(())
}

/// Rounds of the suite in `crates/region/tests/crash`, on a disk in memory.
fn in_process(root: &Path, kind: Kind, options: &Options) -> Result<Option<Value>> {
    let arguments =
        ["test", "-q", "-p", "fastness-region", "--test", "crash", "--", "--exact", "--nocapture", kind.test()];
    let mut test = command(root, cargo(), &arguments);
    test.env("FASTNESS_CRASH_ROUNDS", options.rounds.to_string());
    test.env("FASTNESS_CRASH_SEED", options.seed.to_string());
    let output = test.stderr(Stdio::inherit()).output().context("cargo does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        eprintln!("{text}");
        return Ok(None);
    }
    let line = text.lines().find_map(|line| line.split_once("crash-suite ")).context("the suite printed no sums")?;
    let (_, json) = line.1.split_once(' ').context("the suite printed no sums")?;
    Ok(Some(serde_json::from_str(json)?))
}

/// Rounds against the program itself.
fn real(root: &Path, target: &Path, options: &Options) -> Result<Option<Value>> {
    let build = ["build", "-p", "fastness", "-p", "fastness-bench"];
    stage("build", &mut command(root, cargo(), &build))?;
    let folder = target.join("crash");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("the folder of earlier rounds cannot be removed")?;
    }
    std::fs::create_dir(&folder)?;
    let mut rounds = Command::new(target.join("debug/fastness-crash"));
    rounds.arg("--program").arg(target.join("debug/fastness")).arg("--data").arg(&folder);
    for (name, value) in [("--rounds", u64::from(options.rounds)), ("--seed", options.seed)] {
        rounds.arg(name).arg(value.to_string());
    }
    rounds.arg("--port").arg(options.port.to_string());
    let output = rounds.stderr(Stdio::inherit()).output().context("the rounds do not start")?;
    if !output.status.success() {
        eprintln!("the folder is left as it is, for whoever looks into it: {}", folder.display());
        return Ok(None);
    }
    std::fs::remove_dir_all(&folder).context("the folder of the rounds cannot be removed")?;
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}

/// The command that was given, as a person would repeat it.
fn spell(options: &Options) -> String {
    let mut text = format!("cargo xtask crash --rounds {} --seed {}", options.rounds, options.seed);
    if let Some(only) = options.only.and_then(|only| only.to_possible_value()) {
        let _infallible = write!(text, " --only {}", only.get_name());
    }
    text + if options.keep { " --keep" } else { "" }
}

fn document(record: &Record, name: &str) -> String {
    let machine = &record.machine;
    let mut text = format!(
        "# Crashes and faults, {}\n\n- Command: `{}`\n- Commit: {}\n- Machine: {}, {} cores, {:.1} GB memory, \
         Linux {}, data on {}, load average {} at the start\n- Raw file: [{name}.json]({name}.json)\n\n\
         In process: six clients at five labels work on a region whose disk is in memory and remembers what was synced. \
         For real: eight clients at three labels work over HTTP on `fastness serve` (debug build) in a folder. \
         Cut off: answers that never came, or came as failures; the effect may be there, whole, or not. \
         After each cut the region starts as it always does; then every key is read and compared byte for byte, and the \
         ledgers are verified. In process each acknowledged effect is looked up in its ledger. Damaged: reads that were \
         refused, and folders that did not open, because of the bits flipped.\n\n\
         | what happened | rounds | starts | acknowledged | cut off | compared | damaged | lost or served damaged |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
        record.date,
        record.command,
        record.commit,
        machine.processor,
        machine.cores,
        machine.memory_bytes as f64 / 1e9,
        machine.kernel,
        machine.disk,
        machine.load_average,
    );
    for outcome in &record.outcomes {
        let number =
            |name: &str| outcome.tally.as_ref().and_then(|tally| tally.get(name)).and_then(Value::as_u64).unwrap_or(0);
        let verdict = if outcome.tally.is_some() { "0" } else { "**FAILED**" };
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {verdict} |",
            outcome.kind.describe(),
            number("rounds"),
            number("starts"),
            number("acknowledged"),
            number("refused"),
            number("checked"),
            number("damaged") + number("closed"),
        );
    }
    text
}

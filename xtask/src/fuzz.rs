//! `cargo xtask fuzz`: builds the fuzzer, runs its targets, and keeps what they find.
//!
//! libFuzzer needs the compiler to count what is reached. Stable `rustc` can do that when it is asked as a nightly one
//! would be (`RUSTC_BOOTSTRAP`); so is nothing but the fuzzer built, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::process::{command, output, stage};
use crate::tree::{self, cargo};

const ENGINE: &str = "fuzz/engine/Cargo.toml";
const CORPUS: &str = "fuzz/corpus";
const FINDINGS: &str = "fuzz/findings";

/// What cargo-fuzz asks of the compiler, without a sanitizer: there is no `unsafe` code of ours to watch.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=4";

/// How to fuzz.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only these targets
    targets: Vec<String>,
    /// How long each
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
    /// Take what was built before
    #[arg(long)]
    no_build: bool,
}

/// What a run of one target did.
#[derive(Debug, Default, Serialize)]
struct Summary {
    target: String,
    minutes: u32,
    /// Inputs at the start: seeds and the committed corpus.
    inputs_before: usize,
    executions: u64,
    executions_a_second: u64,
    /// libFuzzer's counters once the inputs at the start were read, and at the end: edges reached, and features (edges
    /// by how often, and compared values).
    coverage_before: u64,
    coverage: u64,
    features_before: u64,
    features: u64,
    /// The corpus after it was minimized.
    inputs: usize,
    bytes: u64,
    /// What was found, as it is kept.
    findings: Vec<String>,
}

/// Runs the targets; fails if one of them finds something.
pub fn run(options: &Options) -> Result<()> {
    let root = tree::root()?;
    let target_folder = tree::metadata(&root)?.target_directory.join("fuzz");
    let host = host(&root)?;
    if !options.no_build {
        let folder = target_folder.display().to_string();
        let arguments = ["build", "--release", "--manifest-path", ENGINE, "--target", &host, "--target-dir", &folder];
        let mut build = command(&root, cargo(), &arguments);
        stage("build the fuzzer", build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS))?;
    }
    let engine = target_folder.join(&host).join("release/engine");
    let listed = output(command(&root, &engine, &[]).env("FUZZ_CHORE", "list"))?;
    let known: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
    for name in &options.targets {
        ensure!(known.iter().any(|(known, _)| known == name), "there is no target `{name}`; there are:\n{listed}");
    }
    let chosen =
        known.iter().filter(|(name, _)| options.targets.is_empty() || options.targets.iter().any(|t| t == name));
    let mut summaries = Vec::new();
    for (name, length_max) in chosen {
        let fuzzer = Fuzzer { root: &root, engine: &engine, name, work: target_folder.join("work").join(name) };
        let summary = fuzzer.run(length_max, options.minutes)?;
        let line = serde_json::to_string(&summary)?;
        println!("{line}");
        fs::write(fuzzer.work.join("summary.json"), line + "\n")?;
        summaries.push(summary);
    }
    let found: Vec<&str> = summaries.iter().flat_map(|summary| &summary.findings).map(String::as_str).collect();
    if !found.is_empty() {
        bail!(
            "found something: {}\nmend it; the test `replay` of fastness-fuzz tries these inputs from now on",
            found.join(", ")
        );
    }
    Ok(())
}

/// The triple of this machine: naming it keeps the flags from build scripts and procedural macros.
fn host(root: &Path) -> Result<String> {
    let text = output(&mut command(root, "rustc", &["-vV"]))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(host.to_owned())
}

struct Fuzzer<'a> {
    root: &'a Path,
    engine: &'a Path,
    name: &'a str,
    /// Where the corpus is worked on, with the log.
    work: PathBuf,
}

impl Fuzzer<'_> {
    fn run(&self, length_max: &str, minutes: u32) -> Result<Summary> {
        let (corpus, small) = (self.work.join("corpus"), self.work.join("small"));
        let found = self.work.join("found");
        for folder in [&corpus, &small, &found] {
            // What an earlier run left that nobody kept.
            let _not_there = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
        }
        let packed = self.root.join(CORPUS).join(format!("{}.postcard", self.name));
        self.chore("unpack", &corpus, &packed)?;
        let inputs_before = fs::read_dir(&corpus)?.count();

        let log = self.work.join("log");
        let mut fuzz = self.command();
        fuzz.arg(format!("-max_total_time={}", u64::from(minutes) * 60))
            .arg(format!("-max_len={length_max}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .args(["-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1", "-reload=0", "-verbosity=1"])
            .arg(&corpus)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?);
        let words = corpus.with_extension("dict");
        // libFuzzer takes no empty dictionary; some targets know no words.
        if fs::metadata(&words)?.len() > 0 {
            fuzz.arg(format!("-dict={}", words.display()));
        }
        eprintln!("==> {} for {minutes} min, log in {}", self.name, log.display());
        let status = fuzz.status().context("the fuzzer does not start")?;
        let mut summary = read_log(&String::from_utf8_lossy(&fs::read(&log)?));
        (summary.target, summary.minutes, summary.inputs_before) = (self.name.to_owned(), minutes, inputs_before);
        summary.findings = self.keep(&found)?;
        if summary.findings.is_empty() {
            ensure!(status.success(), "`{}` ended with {status} and left nothing: see {}", self.name, log.display());
        }
        self.minimize(&corpus, &small, &packed)?;
        (summary.inputs, summary.bytes) =
            (fs::read_dir(&small)?.count(), fs::metadata(&packed).map_or(0, |file| file.len()));
        Ok(summary)
    }

    /// The fuzzer, behind everything else on the machine.
    fn command(&self) -> Command {
        let mut command = command(self.root, "nice", &["-n", "10"]);
        command.arg(self.engine).env("FUZZ_TARGET", self.name);
        command
    }

    fn chore(&self, chore: &str, folder: &Path, packed: &Path) -> Result<()> {
        let mut command = self.command();
        command.env("FUZZ_CHORE", chore).env("FUZZ_FOLDER", folder).env("FUZZ_PACKED", packed);
        output(&mut command).map(drop)
    }

    /// Copies what broke something to where it is replayed from now on, shortened if that goes quickly.
    fn keep(&self, found: &Path) -> Result<Vec<String>> {
        let mut kept = Vec::new();
        for file in fs::read_dir(found)? {
            let path = file?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let short = self.work.join(format!("{name}.short"));
            let mut shorten = self.command();
            shorten
                .args(["-minimize_crash=1", "-max_total_time=60"])
                .arg(format!("-exact_artifact_path={}", short.display()))
                .arg(&path)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let _not_shorter = shorten.status();
            let place = format!("{FINDINGS}/{}/{name}", self.name);
            fs::create_dir_all(self.root.join(FINDINGS).join(self.name))?;
            fs::copy(if short.exists() { &short } else { &path }, self.root.join(&place))?;
            kept.push(place);
        }
        Ok(kept)
    }

    /// Keeps of the corpus what reaches everything that all of it reaches, and packs that.
    fn minimize(&self, corpus: &Path, small: &Path, packed: &Path) -> Result<()> {
        let mut merge = self.command();
        merge.args(["-merge=1", "-timeout=20", "-rss_limit_mb=3000"]).arg(small).arg(corpus);
        merge.stdout(Stdio::null()).stderr(fs::File::create(self.work.join("merge.log"))?);
        ensure!(merge.status()?.success(), "`{}`: its corpus cannot be minimized", self.name);
        self.chore("pack", small, packed)
    }
}

/// Reads libFuzzer's own account.
fn read_log(log: &str) -> Summary {
    let number = |text: &str| text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
    let after = |line: &str, name: &str| line.split_once(name).and_then(|(_, rest)| number(rest));
    let mut summary = Summary::default();
    for line in log.lines() {
        if let (Some(coverage), Some(features)) = (after(line, " cov: "), after(line, " ft: ")) {
            if line.contains("INITED") {
                (summary.coverage_before, summary.features_before) = (coverage, features);
            }
            (summary.coverage, summary.features) = (coverage, features);
        }
        if let Some(executions) = after(line, "stat::number_of_executed_units:") {
            summary.executions = executions;
        }
        if let Some(rate) = after(line, "stat::average_exec_per_sec:") {
            summary.executions_a_second = rate;
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuzzers_account_is_read() {
        let log = "#22\tINITED cov: 713 ft: 1024 corp: 9/1Kb exec/s: 0 rss: 50Mb\n\
                   #512\tNEW    cov: 720 ft: 1100 corp: 10/1Kb lim: 4 exec/s: 0 rss: 50Mb L: 3/9 MS: 1 CopyPart-\n\
                   #900\tDONE   cov: 721 ft: 1101 corp: 10/1Kb lim: 4 exec/s: 9 rss: 50Mb\n\
                   stat::number_of_executed_units: 900\nstat::average_exec_per_sec:     9\n";
        let read = read_log(log);
        assert_eq!((read.coverage_before, read.coverage, read.features), (713, 721, 1101));
        assert_eq!((read.executions, read.executions_a_second), (900, 9));
    }
}

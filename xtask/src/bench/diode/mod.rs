//! `cargo xtask bench diode`: a bundle over a wire between two network namespaces, which loses what it is told to.

mod wire;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::Folder;
use super::figures::median;
use super::ground::{Common, pages, write};
use super::machine::{Machine, Resident, SchedulerGroup, processor_seconds};
use crate::process::{Background, Ending, command, output, stage};
use crate::tree::{self, cargo};
use wire::{Loss, Wire};

/// What the receiver's address and port are on the wire.
const RECEIVER: &str = "10.9.0.2:9000";
/// What the receiver's kernel holds for it, MB: about a tenth of a second of the line.
const BUFFER_MB: &str = "64";
/// How long a bundle may take before it is called lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// A break lasts so long, milliseconds, and comes once a second.
const BREAK_MS: f64 = 50.0;
/// With loss, a bundle may take so many times what the loss itself costs.
const SLOWER_MAX: f64 = 1.5;

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Runs of each row, of which the table shows the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=21))]
    runs: u32,
    /// The bundle, MiB
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=16_384))]
    mebibytes: u64,
    /// What the line carries at an MTU of 9,000, MB/s
    #[arg(long, default_value_t = 560.0)]
    rate_9000: f64,
    /// What the line carries at an MTU of 1,500, MB/s
    #[arg(long, default_value_t = 350.0)]
    rate_1500: f64,
    /// Folder of outbox and inbox; in memory, so that the line is measured and not the disk
    #[arg(long, default_value = "/dev/shm")]
    folder: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// One MTU.
#[derive(Clone, Copy, Debug, Serialize)]
struct Line {
    mtu: u32,
    rate: f64,
    /// What the project set out to reach without loss, MB/s.
    reach: f64,
}

/// One bundle over the wire.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    mtu: u32,
    loss: Loss,
    run: u32,
    /// Whether it came as it was sent.
    whole: bool,
    /// From the start of the sender until the bundle is in the inbox.
    seconds: f64,
    megabytes_per_second: f64,
    /// Datagrams that the wire lost, and those that the receiver's kernel had no room for.
    lost_by_wire: u64,
    lost_by_kernel: u64,
    receiver_processor_seconds: f64,
    receiver_peak_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Measured {
    bundle_bytes: u64,
    lines: Vec<Line>,
    samples: Vec<Sample>,
}

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let Options { runs, mebibytes, common, .. } = options;
    let root = tree::root()?;
    let target = tree::metadata(&root)?.target_directory;
    let mut build = vec!["build", "-p", "fastness-diode-send", "-p", "fastness-diode-receive"];
    if !common.debug_build {
        build.push("--release");
    }
    stage("build", &mut command(&root, cargo(), &build))?;
    let builds = target.join(if common.debug_build { "debug" } else { "release" });
    let lock = Folder::take(&target)?;
    let (runs, mebibytes) = if common.quick { (1, 64) } else { (*runs, *mebibytes) };
    let lines = vec![
        Line { mtu: 9_000, rate: options.rate_9000, reach: 400.0 },
        Line { mtu: 1_500, rate: options.rate_1500, reach: 250.0 },
    ];
    let place = Place::new(&options.folder, mebibytes << 20)?;
    let machine = Machine::look(&lock.data)?;
    let group = if common.debug_build { SchedulerGroup::leave() } else { SchedulerGroup::raise() };
    // A machine's memory may have to be found by its host first: that is nobody's time, and not counted.
    for line in &lines {
        place.measure(&builds, line, Loss::None, 0)?;
    }
    let mut samples = Vec::new();
    for run in 1..=runs {
        for line in &lines {
            for loss in losses(line) {
                let sample = place.measure(&builds, line, loss, run)?;
                eprintln!(
                    "    run {run}, MTU {}, {loss}: {:.2} s, {:.0} MB/s, {}, lost {} and {}",
                    line.mtu,
                    sample.seconds,
                    sample.megabytes_per_second,
                    if sample.whole { "whole" } else { "NOT whole" },
                    sample.lost_by_wire,
                    sample.lost_by_kernel,
                );
                samples.push(sample);
            }
        }
    }
    drop((place, group, lock));
    let spelled = match common.quick {
        true => "cargo xtask bench diode --quick".to_owned(),
        false => format!(
            "cargo xtask bench diode --runs {runs} --mebibytes {mebibytes} --rate-9000 {} --rate-1500 {}",
            options.rate_9000, options.rate_1500
        ),
    };
    let measured = Measured { bundle_bytes: mebibytes << 20, lines, samples };
    write(&root, &pages(&root, &target, common), "diode", spelled, machine, measured, page)
}

/// What a line is made to lose.
fn losses(line: &Line) -> [Loss; 5] {
    let frames_a_second = line.rate * 1e6 / f64::from(line.mtu);
    let burst = Loss::Breaks { packets: (frames_a_second * BREAK_MS / 1e3) as u64, of: frames_a_second as u64 };
    [Loss::None, Loss::Random { percent: 1 }, Loss::Random { percent: 5 }, Loss::Random { percent: 10 }, burst]
}

/// The folder of a bundle, an outbox and an inbox.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(parent: &Path, bytes: u64) -> Result<Self> {
        let folder = parent.join(format!("fastness-bench-diode-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("no folder in `{}`", parent.display()))?;
        let place = Self { folder };
        let mut file = File::create(place.folder.join("bundle"))?;
        // Nothing that could be compressed, and nothing that repeats.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut piece = Vec::with_capacity(1 << 20);
        let mut left = bytes;
        while left > 0 {
            piece.clear();
            while piece.len() < 1 << 20 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                piece.extend(state.to_le_bytes());
            }
            let length = usize::try_from(left.min(1 << 20))?;
            file.write_all(piece.get(..length).unwrap_or_default())?;
            left -= u64::try_from(length)?;
        }
        Ok(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Sends the bundle once.
    fn measure(&self, builds: &Path, line: &Line, loss: Loss, run: u32) -> Result<Sample> {
        let wire = Wire::new(line.mtu, loss)?;
        for folder in ["outbox", "inbox", "work"] {
            std::fs::create_dir(self.path(folder))?;
        }
        let (send, receive) = (builds.join("fastness-diode-send"), builds.join("fastness-diode-receive"));
        output(std::process::Command::new(&send).arg("key").arg(self.path("key")))?;
        let mut command = wire.high(&receive);
        command.args(["--listen", RECEIVER, "--memory", "2000", "--buffer", BUFFER_MB]);
        for (flag, name) in [("--key", "key"), ("--inbox", "inbox"), ("--work", "work"), ("--events", "receive.log")] {
            command.arg(flag).arg(self.path(name));
        }
        let receiver = Background::new(command.stdin(Stdio::null()).spawn()?, Ending::AtOnce);
        let start = Instant::now();
        while !std::fs::read_to_string(self.path("receive.log")).is_ok_and(|log| log.contains("started")) {
            ensure!(start.elapsed() < PATIENCE, "the receiver does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut command = wire.low(&send);
        command.args(["--once", "--after", "keep", "--to", RECEIVER]);
        command.args(["--rate", &line.rate.to_string(), "--mtu", &line.mtu.to_string()]);
        for (flag, name) in [("--key", "key"), ("--outbox", "outbox"), ("--state", "state"), ("--events", "send.log")] {
            command.arg(flag).arg(self.path(name));
        }
        let name = "0000000001.bundle";
        std::fs::hard_link(self.path("bundle"), self.path("outbox").join(name))?;
        let inbox = self.path("inbox").join(name);
        let start = Instant::now();
        let mut sender = command.stdin(Stdio::null()).spawn()?;
        while !inbox.exists() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
        let seconds = start.elapsed().as_secs_f64();
        ensure!(sender.wait()?.success(), "the sender failed");
        let whole = inbox.exists() && same(&self.path("bundle"), &inbox)?;
        let bytes = std::fs::metadata(self.path("bundle"))?.len();
        let sample = Sample {
            mtu: line.mtu,
            loss,
            run,
            whole,
            seconds,
            megabytes_per_second: bytes as f64 / 1e6 / seconds,
            lost_by_wire: wire.lost()?,
            lost_by_kernel: wire.dropped_for_want_of_room()?,
            receiver_processor_seconds: processor_seconds(receiver.id())?,
            receiver_peak_bytes: Resident::of(receiver.id())?.peak_bytes,
        };
        drop(receiver);
        for folder in ["outbox", "inbox", "work"] {
            std::fs::remove_dir_all(self.path(folder))?;
        }
        for file in ["key", "state", "send.log", "receive.log"] {
            std::fs::remove_file(self.path(file))?;
        }
        Ok(sample)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("xtask: `{}` cannot be removed: {error}", self.folder.display());
        }
    }
}

fn same(one: &Path, other: &Path) -> Result<bool> {
    Ok(std::process::Command::new("cmp").arg("-s").args([one, other]).status()?.success())
}

fn page(measured: &Measured) -> String {
    let mut text = format!(
        "A bundle over a diode\n\n\
         A bundle of {} MiB from an outbox to an inbox, both in memory; sender and receiver in network namespaces of their own, joined by \
         a veth pair on which every datagram is a packet (no segmentation offload on the wire), all on the same two cores. The \
         receiver's side of the wire drops packets as it is told to (nftables): at random, or in breaks of {BREAK_MS} ms once a second at \
         the line's rate. One setting of repair (the default) for all rows; the receiver's kernel holds {BUFFER_MB} MB for it. One bundle at each MTU goes \
         before, and is not counted. Time: from the start of the sender's process until the bundle \
         is in the inbox; medians. The loss itself costs the time without loss over the share that arrives; allowed is {SLOWER_MAX} times \
         that. lidi, the open peer, reached 268 MB/s at MTU 9000 and 127 MB/s at MTU 1500 without loss, and failed at 1–5 %.\n\n",
        measured.bundle_bytes >> 20,
    );
    text.push_str(
        "| MTU | line, MB/s | loss | runs | whole | s | MB/s | reach | to the loss's own cost | lost by the wire / the kernel | receiver, CPU s | its peak, MB | short of |\n\
         |---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for line in &measured.lines {
        let mut clean = None;
        for loss in losses(line) {
            let own: Vec<&Sample> =
                measured.samples.iter().filter(|sample| sample.mtu == line.mtu && sample.loss == loss).collect();
            let of =
                |value: fn(&Sample) -> f64| median(own.iter().map(|sample| value(sample)).collect()).unwrap_or(0.0);
            let (seconds, speed) = (of(|sample| sample.seconds), of(|sample| sample.megabytes_per_second));
            let whole = own.iter().filter(|sample| sample.whole).count();
            let clean = *clean.get_or_insert(seconds);
            let slower = seconds / (clean / (1.0 - loss.share()));
            let is_clean = loss == Loss::None;
            let is_short = whole < own.len() || if is_clean { speed < line.reach } else { slower > SLOWER_MAX };
            text.push_str(&format!(
                "| {} | {:.0} | {loss} | {} | {whole} | {seconds:.2} | {speed:.0} | {} | {slower:.2} | {:.0} / {:.0} | {:.1} | {:.0} | {} |\n",
                line.mtu,
                line.rate,
                own.len(),
                if is_clean { format!("{:.0}", line.reach) } else { format!("≤ {SLOWER_MAX}") },
                of(|sample| sample.lost_by_wire as f64),
                of(|sample| sample.lost_by_kernel as f64),
                of(|sample| sample.receiver_processor_seconds),
                of(|sample| sample.receiver_peak_bytes as f64 / 1e6),
                if is_short { "**reach**" } else { "" },
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_it_falls_short_of() {
        let line = Line { mtu: 9_000, rate: 500.0, reach: 400.0 };
        let sample = |loss, seconds: f64, whole| Sample {
            mtu: 9_000,
            loss,
            run: 1,
            whole,
            seconds,
            megabytes_per_second: 1_000.0 / seconds,
            lost_by_wire: 0,
            lost_by_kernel: 0,
            receiver_processor_seconds: 1.0,
            receiver_peak_bytes: 1,
        };
        let [none, one, five, ten, breaks] = losses(&line);
        let samples = vec![
            sample(none, 2.0, true),
            sample(one, 4.0, true),
            sample(five, 2.5, true),
            sample(ten, 2.5, false),
            sample(breaks, 3.0, true),
        ];
        let text = page(&Measured { bundle_bytes: 1 << 30, lines: vec![line], samples });
        let short: Vec<bool> =
            text.lines().filter(|line| line.starts_with("| 9000")).map(|l| l.contains("**")).collect();
        assert_eq!(short, [false, true, false, true, false], "{text}");
    }
}

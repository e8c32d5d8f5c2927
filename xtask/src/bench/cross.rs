//! `cargo xtask bench cross`: many small objects from a bucket of one region to a bucket of the one above, through all that
//! `fastness up` puts in between: bundle, carrier, guard, store.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::figures::{Spread, verdict};
use super::ground::{Common, Ground};
use super::machine::{Family, Spent};
use super::up::{Region, Up, report};
use crate::process::output;

/// Objects a second, on two cores.
const RATE_MIN: f64 = 10_000.0;
/// How long a run may take.
const SECONDS_MAX: u64 = 600;
/// How often it is asked how far it is: each asking is an entry of the ledger and a process of its own.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// And towards the end.
const ASK_OFTEN: Duration = Duration::from_millis(100);
/// The bucket of the demo that goes up, on both sides.
const BUCKET: &str = "plans";

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Objects of one run, of 4 KiB each
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=300_000))]
    objects: u32,
    /// Runs by each carrier, of which the table shows the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3))]
    runs: u32,
    /// This carrier alone; the table stays out of docs/measurements
    #[arg(long)]
    only: Option<CarriedBy>,
    #[command(flatten)]
    common: Common,
}

/// What carries the bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum CarriedBy {
    /// The carrier from folder to folder.
    Folder,
    /// A diode, as `up` runs it.
    Diode,
}

/// One run.
#[derive(Debug, Serialize)]
struct Sample {
    by: CarriedBy,
    run: u32,
    objects: u64,
    /// From StartLift to the last accepted arrival.
    seconds: f64,
    /// From StartLift to the lift's own end, about.
    sent_seconds: f64,
    objects_per_second: f64,
    /// Objects that had arrived, after so many seconds.
    arrived: Vec<(f64, u64)>,
    /// Processor time, by who took it.
    spent: Vec<(&'static str, f64)>,
    /// How the objects were put, before it.
    put: Value,
}

#[derive(Debug, Serialize)]
struct Measured {
    samples: Vec<Sample>,
}

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let mut common = options.common.clone();
    let quick = common.quick;
    let (objects, runs) = if quick { (2_000, 1) } else { (options.objects, options.runs) };
    // Half a measurement is none to keep.
    common.quick |= options.only.is_some();
    let packages = ["fastness-guard", "fastness-diode-send", "fastness-diode-receive"];
    let ground = Ground::prepare_with(&common, &packages)?;
    let mut samples = Vec::new();
    for by in [CarriedBy::Folder, CarriedBy::Diode] {
        if options.only.is_none_or(|only| only == by) {
            let house = House::start(&ground, &common, by)?;
            for run in 1..=runs {
                let sample = house.sample(run, u64::from(objects))?;
                let (rate, seconds) = (sample.objects_per_second, sample.seconds);
                eprintln!("run {run}  by {by:?}  {rate:>7.0} objects/s  {seconds:.2} s");
                samples.push(sample);
            }
            house.up.stop()?;
        }
    }
    let mut command = match quick {
        true => "cargo xtask bench cross --quick".to_owned(),
        false => format!("cargo xtask bench cross --objects {objects} --runs {runs}"),
    };
    if let Some(only) = options.only {
        command.push_str(&format!(" --only {}", format!("{only:?}").to_lowercase()));
    }
    ground.write("cross", command, Measured { samples }, page)
}

/// A running `up` with the demo's mappings.
struct House {
    by: CarriedBy,
    up: Up,
    program: PathBuf,
    generator: PathBuf,
    data: PathBuf,
    regions: [u32; 2],
}

impl House {
    fn start(ground: &Ground, common: &Common, by: CarriedBy) -> Result<Self> {
        let data = ground.data().join(format!("{by:?}").to_lowercase());
        let with: &[&str] = if by == CarriedBy::Folder { &["--demo", "--no-diodes"] } else { &["--demo"] };
        let up = Up::start_with(&ground.program, &data, common.port_base, with)?;
        let regions = [up.region(Region::Unclass)?, up.region(Region::Secret)?];
        let (program, generator) = (ground.program.clone(), ground.generator.clone());
        Ok(Self { by, up, program, generator, data, regions })
    }

    fn sample(&self, run: u32, objects: u64) -> Result<Sample> {
        let folder = format!("run-{run}");
        let put = self.put(&folder, objects)?;
        // What the writing left to be done is not the crossing's.
        super::up::settled(self.regions[0])?;
        rustix::fs::sync();
        let before = self.arrived()?;
        let spent_before = self.spent()?;
        let begin = Instant::now();
        let prefix = format!("{BUCKET}/{folder}/");
        let lift = self.ask("unclass-analyst", &["lift", &prefix, "--to", Region::Secret.name(), "--detach"])?;
        let lift = lift.get("lift").and_then(Value::as_str).context("the lift has no id")?.to_owned();
        let (mut arrived, mut sent) = (Vec::new(), None);
        loop {
            let done = self.arrived()? - before;
            let now = begin.elapsed();
            arrived.push((now.as_secs_f64(), done));
            if sent.is_none() {
                let found = self.ask("unclass-analyst", &["show", &lift])?;
                let state = found.get("state").and_then(Value::as_str).unwrap_or_default();
                ensure!(["queued", "sending", "sent"].contains(&state), "the lift is {state}: {found}");
                sent = (state == "sent").then(|| begin.elapsed());
            }
            if done >= objects {
                break;
            }
            ensure!(now.as_secs() < SECONDS_MAX, "{done} of {objects} objects arrived within {SECONDS_MAX} s");
            std::thread::sleep(if done * 10 < objects * 9 { ASK_EVERY } else { ASK_OFTEN });
        }
        let spent = self.spent()?.since(&spent_before);
        let seconds = arrived.last().map_or(0.0, |(seconds, _)| *seconds);
        ensure!(arrived.last().is_some_and(|(_, done)| *done == objects), "other objects arrived than were sent");
        Ok(Sample {
            by: self.by,
            run,
            objects,
            seconds,
            sent_seconds: sent.unwrap_or_else(|| begin.elapsed()).as_secs_f64(),
            objects_per_second: objects as f64 / seconds,
            arrived,
            spent,
            put,
        })
    }

    /// Writes the objects: prose, which is a type that crosses.
    fn put(&self, folder: &str, objects: u64) -> Result<Value> {
        let mut load = self.up.session("unclass-analyst")?.load(&self.generator, BUCKET);
        load.args(["--op", "put", "--size", "4K", "--clients", "32", "--text", "--folder", folder]);
        load.args(["--warmup-seconds", "0", "--seconds", "600"]);
        load.arg("--keys").arg(objects.to_string()).arg("--requests").arg(objects.to_string());
        let put = report(&load.output().context("the load generator does not start")?)?;
        let written = put.get("requests").and_then(Value::as_u64).unwrap_or_default();
        ensure!(written == objects, "{written} of {objects} objects were written");
        Ok(put)
    }

    /// How many objects have come from below; an error if one did not come in.
    fn arrived(&self) -> Result<u64> {
        let answer = self.ask("secret-analyst-low", &["arrivals", Region::Unclass.name()])?;
        let sum = |name: &str| {
            let all = answer.get("arrivals").and_then(Value::as_array).into_iter().flatten();
            all.filter_map(|one| one.get(name).and_then(Value::as_u64)).sum::<u64>()
        };
        let stopped = sum("quarantined") + sum("refused");
        ensure!(stopped == 0, "{stopped} objects were quarantined or refused: {answer}");
        Ok(sum("accepted"))
    }

    /// What `fastness cross` answers.
    fn ask(&self, profile: &str, what: &[&str]) -> Result<Value> {
        let mut ask = Command::new(&self.program);
        ask.arg("cross").args(what).args(["--json", "--profile", profile]).arg("--data").arg(&self.data);
        Ok(serde_json::from_str(&output(&mut ask)?)?)
    }

    fn spent(&self) -> Result<Spending> {
        let [below, above] = self.regions;
        let (sending, receiving) = (Spent::of(below)?, Spent::of(above)?);
        let mut filters = receiving.reaped_seconds;
        let mut carrier = Spent::of(self.up.process.id())?.seconds;
        for one in Family::of(self.up.process.id()) {
            // One that ended meanwhile is among what was reaped.
            let seconds = Spent::of(one.process).map_or(0.0, |spent| spent.seconds);
            if one.parent == above {
                filters += seconds;
            } else if one.command.contains("fastness-diode") {
                carrier += seconds;
            }
        }
        Ok(Spending([sending.seconds, carrier, receiving.seconds, filters]))
    }
}

/// Processor time so far, seconds: of the region that sends, of what carries, of the region that receives, of its filters.
struct Spending([f64; 4]);

const WHO: [&str; 4] = ["sending region", "carrier", "receiving region", "filters"];

impl Spending {
    fn since(&self, before: &Self) -> Vec<(&'static str, f64)> {
        let each = self.0.iter().zip(before.0).map(|(now, then)| now - then);
        WHO.into_iter().zip(each).collect()
    }
}

fn page(measured: &Measured) -> String {
    let mut text = format!(
        "From bucket to bucket across regions\n\n\
         Texts of 4 KiB in a bucket of {below} are lifted to one of {above}: `fastness cross lift`, with the mappings of \
         `fastness up --demo`, everything of `up` running. Objects a second from the order (StartLift) to the last object that can be \
         read above; every one of them has been through seal, signature, carrier, guard (six filters) and the store's journal. At least \
         {RATE_MIN:.0} objects/s are promised on two cores. Processor time is that of all threads, for one object. Medians, least and most in \
         brackets.\n\n\
         | carried by | runs | objects | objects/s | seconds | of them until it was sent | |\n|---|---:|---:|---:|---:|---:|---|\n",
        below = Region::Unclass.name(),
        above = Region::Secret.name(),
    );
    let of = |by: CarriedBy, figure: &dyn Fn(&Sample) -> f64| {
        let own = measured.samples.iter().filter(|sample| sample.by == by);
        Spread::of(&own.map(figure).collect::<Vec<f64>>())
    };
    let mut costs = String::new();
    for by in [CarriedBy::Folder, CarriedBy::Diode] {
        let own: Vec<&Sample> = measured.samples.iter().filter(|sample| sample.by == by).collect();
        let (Some(rate), Some(seconds), Some(sent)) = (
            of(by, &|sample| sample.objects_per_second),
            of(by, &|sample| sample.seconds),
            of(by, &|sample| sample.sent_seconds),
        ) else {
            continue;
        };
        let objects = own.first().map_or(0, |sample| sample.objects);
        let (name, kept) = (format!("{by:?}").to_lowercase(), verdict(rate.median >= RATE_MIN));
        let (runs, rate, seconds, sent) = (own.len(), rate.text(0), seconds.text(1), sent.text(1));
        text.push_str(&format!("| {name} | {runs} | {objects} | {rate} | {seconds} | {sent} | {kept} |\n"));
        let cost = |place: usize| {
            let each = |sample: &Sample| {
                sample.spent.get(place).map_or(0.0, |(_, seconds)| seconds * 1e6 / sample.objects.max(1) as f64)
            };
            of(by, &each).map_or_else(String::new, |cost| cost.text(0))
        };
        costs.push_str(&format!("| {name} | {} |\n", (0..WHO.len()).map(cost).collect::<Vec<_>>().join(" | ")));
    }
    text.push_str(&format!("\n| µs for one object | {} |\n|---|---:|---:|---:|---:|\n{costs}", WHO.join(" | ")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(by: CarriedBy, seconds: f64) -> Sample {
        Sample {
            by,
            run: 1,
            objects: 100_000,
            seconds,
            sent_seconds: 4.0,
            objects_per_second: 100_000.0 / seconds,
            arrived: vec![(seconds, 100_000)],
            spent: Spending([3.0, 1.0, 9.0, 6.0]).since(&Spending([1.0, 0.5, 4.0, 1.0])),
            put: Value::Null,
        }
    }

    #[test]
    fn a_table_says_whether_it_is_as_fast_as_promised_and_who_took_the_time() {
        let samples = vec![sample(CarriedBy::Folder, 8.0), sample(CarriedBy::Diode, 12.5)];
        let text = page(&Measured { samples });
        for row in [
            "| folder | 1 | 100000 | 12500 (12500 to 12500) | 8.0 (8.0 to 8.0) | 4.0 (4.0 to 4.0) | kept |\n",
            "| diode | 1 | 100000 | 8000 (8000 to 8000) | 12.5 (12.5 to 12.5) | 4.0 (4.0 to 4.0) | **missed** |\n",
            "| µs for one object | sending region | carrier | receiving region | filters |\n",
            "| diode | 20 (20 to 20) | 5 (5 to 5) | 50 (50 to 50) | 50 (50 to 50) |\n",
        ] {
            assert!(text.contains(row), "{text}");
        }
    }

    #[test]
    fn a_carrier_that_was_not_measured_has_no_row() {
        let text = page(&Measured { samples: vec![sample(CarriedBy::Folder, 8.0)] });
        assert!(!text.contains("| diode |"), "{text}");
    }
}

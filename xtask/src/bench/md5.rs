//! `cargo xtask bench md5`: MD5 one value after the other, and several values at once (decision 14).

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Folder;
use super::figures::Spread;
use super::ground::{Common, pages, run_example, write};
use crate::tree;

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Rounds, of which the table shows the medians
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=101))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

/// A line that the example prints.
#[derive(Debug, Deserialize, Serialize)]
struct Sample {
    how: String,
    streams: u32,
    round: u32,
    gigabytes_per_second: f64,
}

#[derive(Debug, Serialize)]
struct Measured {
    samples: Vec<Sample>,
}

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let Options { rounds, common } = options;
    let root = tree::root()?;
    let target = tree::metadata(&root)?.target_directory;
    let folder = Folder::take(&target)?;
    let rounds = if common.quick { 1 } else { *rounds };
    let numbers = [rounds.to_string(), if common.quick { "20" } else { "300" }.to_owned()];
    let (machine, samples) = run_example(&root, common, folder, ("fastness-bench", "md5"), &numbers)?;
    let command = match common.quick {
        true => "cargo xtask bench md5 --quick".to_owned(),
        false => format!("cargo xtask bench md5 --rounds {rounds}"),
    };
    write(&root, &pages(&root, &target, common), "md5", command, machine, Measured { samples }, page)
}

fn page(measured: &Measured) -> String {
    let mut text = String::from(
        "MD5 of one value, and of several at once\n\n\
         One thread; each value is hashed in steps of 512 KiB, as they come from a client. GB/s of all values together; medians, least and \
         most in brackets. \"Filled\" hashes the first value again in the lanes that would be empty of eight or sixteen, as \
         `crates/store/src/lanes.rs` does; only the values' own bytes count.\n\n\
         | values at once | how | rounds | GB/s | to `md-5` |\n|---:|---|---:|---:|---:|\n",
    );
    let mut rows: Vec<(u32, &str)> = Vec::new();
    for sample in &measured.samples {
        if !rows.contains(&(sample.streams, &sample.how)) {
            rows.push((sample.streams, &sample.how));
        }
    }
    let rates = |streams: u32, how: &str| {
        let own = measured.samples.iter().filter(|sample| sample.streams == streams && sample.how == how);
        own.map(|sample| sample.gigabytes_per_second).collect::<Vec<f64>>()
    };
    let alone = Spread::of(&rates(1, "`md-5`"));
    for (streams, how) in rows {
        let rates = rates(streams, how);
        let Some(spread) = Spread::of(&rates) else { continue };
        let ratio = alone.map_or_else(|| "–".to_owned(), |alone| format!("{:.1}", spread.median / alone.median));
        text.push_str(&format!("| {streams} | {how} | {} | {} | {ratio} |\n", rates.len(), spread.text(2)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_compared_with_one_value_alone() {
        let sample = |how: &str, streams, gigabytes_per_second| Sample {
            how: how.to_owned(),
            streams,
            round: 1,
            gigabytes_per_second,
        };
        let samples = vec![sample("`md-5`", 1, 0.5), sample("`md-5`", 1, 0.7), sample("`md5-many`", 8, 3.0)];
        let text = page(&Measured { samples });
        assert!(text.contains("| 1 | `md-5` | 2 | 0.60 (0.50 to 0.70) | 1.0 |\n"), "{text}");
        assert!(text.contains("| 8 | `md5-many` | 1 | 3.00 (3.00 to 3.00) | 5.0 |\n"), "{text}");
    }
}

//! `cargo xtask bench guard`: what each filter of the guard does a second, in its process and its sandbox, and all of them
//! one after the other.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Folder;
use super::figures::Spread;
use super::ground::{Common, pages, run_example, write};
use crate::process::{command, stage};
use crate::tree::{self, cargo};

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Rounds, of which the table shows the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=21))]
    rounds: u32,
    /// Milliseconds of each row of a round
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    milliseconds: u32,
    #[command(flatten)]
    common: Common,
}

/// A line that the example prints.
#[derive(Debug, Deserialize, Serialize)]
struct Sample {
    row: String,
    /// Objects that were asked about at once.
    together: u32,
    content_type: String,
    /// The size that was aimed at, bytes.
    size: u64,
    /// The content's bytes.
    bytes: u64,
    round: u32,
    objects_per_second: f64,
    megabytes_per_second: f64,
}

#[derive(Debug, Serialize)]
struct Measured {
    samples: Vec<Sample>,
}

/// Measures, and writes the table and the raw file.
pub fn run(options: &Options) -> Result<()> {
    let Options { rounds, milliseconds, common } = options;
    let root = tree::root()?;
    let target = tree::metadata(&root)?.target_directory;
    let folder = Folder::take(&target)?;
    let (rounds, milliseconds) = if common.quick { (1, 20) } else { (*rounds, *milliseconds) };
    let mut build = vec!["build", "-p", "fastness-guard", "--bin", "fastness-filter"];
    build.extend((!common.debug_build).then_some("--release"));
    stage("build", &mut command(&root, cargo(), &build))?;
    let program = target.join(if common.debug_build { "debug" } else { "release" }).join("fastness-filter");
    let numbers = [rounds.to_string(), milliseconds.to_string(), program.display().to_string()];
    let (machine, samples) = run_example(&root, common, folder, ("fastness-guard", "measure"), &numbers)?;
    let command = match common.quick {
        true => "cargo xtask bench guard --quick".to_owned(),
        false => format!("cargo xtask bench guard --rounds {rounds} --milliseconds {milliseconds}"),
    };
    write(&root, &pages(&root, &target, common), "guard", command, machine, Measured { samples }, page)
}

fn page(measured: &Measured) -> String {
    let mut text = String::from(
        "The guard's filters\n\n\
         Each filter in its own process and sandbox, asked over its pipes about so many objects at once, and the whole guard, \
         which asks all filters of a type in turn. What crosses is taken in by 128 at once, or fewer if they are large. MB/s \
         count the content as it came; archives hold one text and are counted packed. Medians, least and most in brackets.\n",
    );
    let mut sizes: Vec<u64> = measured.samples.iter().map(|sample| sample.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for size in sizes {
        text.push_str(&format!(
            "\n## Objects of about {} KiB\n\n| type | filter | bytes | at once | objects/s | MB/s |\n|---|---|---:|---:|---:|---:|\n",
            size / 1024
        ));
        let own: Vec<&Sample> = measured.samples.iter().filter(|sample| sample.size == size).collect();
        let mut rows: Vec<(&str, &str, u64, u32)> = Vec::new();
        for sample in &own {
            let row = (sample.content_type.as_str(), sample.row.as_str(), sample.bytes, sample.together);
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        for (content_type, name, bytes, together) in rows {
            let of = |sample: &&&Sample| {
                (sample.content_type.as_str(), sample.row.as_str(), sample.together) == (content_type, name, together)
            };
            let rates: Vec<f64> = own.iter().filter(of).map(|sample| sample.objects_per_second).collect();
            let speeds: Vec<f64> = own.iter().filter(of).map(|sample| sample.megabytes_per_second).collect();
            let (Some(rates), Some(speeds)) = (Spread::of(&rates), Spread::of(&speeds)) else { continue };
            let name = if name.contains(' ') { format!("**{name}**") } else { format!("`{name}`") };
            let (rates, speeds) = (rates.text(0), speeds.text(1));
            text.push_str(&format!("| {content_type} | {name} | {bytes} | {together} | {rates} | {speeds} |\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_a_table_of_medians() {
        let sample = |row: &str, together, objects_per_second| Sample {
            row: row.to_owned(),
            together,
            content_type: "text/plain".to_owned(),
            size: 4096,
            bytes: 4096,
            round: 1,
            objects_per_second,
            megabytes_per_second: objects_per_second / 10.0,
        };
        let mut samples = vec![sample("words", 1, 10.0), sample("words", 1, 30.0), sample("words", 128, 50.0)];
        samples.push(sample("the whole guard", 1, 5.0));
        let text = page(&Measured { samples });
        for row in [
            "| text/plain | `words` | 4096 | 1 | 20 (10 to 30) | 2.0 (1.0 to 3.0) |\n",
            "| text/plain | `words` | 4096 | 128 | 50 (50 to 50) | 5.0 (5.0 to 5.0) |\n",
            "| text/plain | **the whole guard** | 4096 | 1 | 5 (5 to 5) | 0.5 (0.5 to 0.5) |\n",
        ] {
            assert!(text.contains(row), "{text}");
        }
    }
}

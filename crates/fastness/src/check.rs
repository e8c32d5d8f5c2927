//! `fastness check`: a region's folder, checked offline.

use crate::arguments::Check;
use crate::{audit, place, say};
use anyhow::bail;
use comfy_table::{Table, presets};
use fastness_region::{CheckFinding, CheckReport, CheckStep, Gravity, PartitionSums, RegionFolder};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Something is wrong in the folder.
const WRONG: u8 = 1;
/// It could not be checked.
const UNCHECKED: u8 = 2;

/// One region, checked.
struct Checked {
    region: String,
    report: CheckReport,
}

/// Runs the command.
pub fn run(arguments: &Check) -> ExitCode {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {binary_bytes} of {binary_total_bytes}, {eta}") {
        bar.set_style(style);
    }
    let (mut checked, mut errors) = (Vec::new(), Vec::new());
    match regions(&arguments.folder) {
        Ok(regions) => {
            for (region, path) in regions {
                match check(&path, arguments.policy_file.as_deref(), &bar) {
                    Ok(report) => checked.push(Checked { region, report }),
                    Err(error) => errors.push(format!("{region}: {error:#}")),
                }
            }
        }
        Err(error) => errors.push(format!("{error:#}")),
    }
    bar.finish_and_clear();
    let sound = checked.iter().all(|one| one.report.is_sound());
    if arguments.json {
        let regions: Vec<Value> = checked.iter().map(as_json).collect();
        let all = json!({ "sound": sound && errors.is_empty(), "regions": regions, "errors": errors });
        say!("{all:#}");
    } else {
        print(&checked);
        for error in &errors {
            eprintln!("fastness: {error}");
        }
    }
    match (sound, errors.is_empty()) {
        (false, _) => ExitCode::from(WRONG),
        (true, false) => ExitCode::from(UNCHECKED),
        (true, true) => ExitCode::SUCCESS,
    }
}

fn check(path: &Path, policy_file: Option<&Path>, bar: &ProgressBar) -> anyhow::Result<CheckReport> {
    let policy = audit::load_policy(path, policy_file)?;
    let folder = RegionFolder::open(path)?;
    let report = folder.check(&policy, &mut |step| match step {
        CheckStep::Total(bytes) => bar.inc_length(bytes),
        CheckStep::Read(bytes) => bar.inc(bytes),
    });
    Ok(report?)
}

/// The regions in a folder: that of `up`, or one region's own.
fn regions(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if folder.join("regions").is_dir() {
        let names = place::regions(folder)?;
        return Ok(names.into_iter().map(|name| (name.clone(), place::region_folder(folder, &name))).collect());
    }
    if !["root.key", "region.sealed", "partitions"].iter().any(|name| folder.join(name).exists()) {
        bail!("`{}` holds no regions: name the folder that `fastness up` used, or one region's", folder.display());
    }
    let name = folder.file_name().map_or_else(|| "region".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(vec![(name, folder.to_owned())])
}

fn print(checked: &[Checked]) {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "region",
        "label",
        "folder",
        "buckets",
        "versions",
        "uploads",
        "small values",
        "files",
        "bytes",
        "entries",
        "verdict",
    ]);
    for one in checked {
        for sums in &one.report.partitions {
            let verdict = if sums.wrong == 0 { "sound".to_owned() } else { format!("{} wrong", sums.wrong) };
            let count = |number: u64| number.to_string();
            let PartitionSums { buckets, versions, uploads, inline_values, blobs, bytes, entries, .. } = sums;
            let numbers =
                [buckets, versions, uploads, inline_values, blobs, bytes, entries].map(|number| count(*number));
            let row = [one.region.clone(), sums.label.clone(), sums.folder.clone()].into_iter().chain(numbers);
            table.add_row(row.chain([verdict]));
        }
    }
    if checked.iter().any(|one| !one.report.partitions.is_empty()) {
        say!("{table}");
    }
    for one in checked {
        for CheckFinding { gravity, folder, label, what, advice } in &one.report.findings {
            let word = if *gravity == Gravity::Wrong { "WRONG" } else { "note" };
            let place = if folder.is_empty() { String::new() } else { format!(", {label} (partitions/{folder})") };
            say!("{word}: {}{place}: {what}", one.region);
            if !advice.is_empty() {
                say!("    {advice}");
            }
        }
    }
}

fn as_json(one: &Checked) -> Value {
    let partition = |sums: &PartitionSums| {
        json!({
            "folder": sums.folder, "label": sums.label, "catalog_blocks": sums.blocks, "buckets": sums.buckets,
            "versions": sums.versions, "uploads": sums.uploads, "small_values": sums.inline_values,
            "files": sums.blobs, "bytes": sums.bytes, "erasure_keys": sums.erasure_keys, "entries": sums.entries,
            "wrong": sums.wrong,
        })
    };
    let finding = |finding: &CheckFinding| {
        json!({
            "wrong": finding.gravity == Gravity::Wrong, "folder": finding.folder, "label": finding.label,
            "what": finding.what, "advice": finding.advice,
        })
    };
    json!({
        "region": one.region,
        "sound": one.report.is_sound(),
        "partitions": one.report.partitions.iter().map(partition).collect::<Vec<_>>(),
        "findings": one.report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

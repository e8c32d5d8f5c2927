//! `fastness audit`: the ledgers, read through a region's interface and checked offline.

use crate::arguments::AuditCommand;
use crate::events;
use crate::export;
use crate::inspect;
use crate::place;
use crate::say;
use crate::witness;
use anyhow::{Context, bail};
use comfy_table::{Table, presets};
use fastness_region::{Cosigned, LogReport, Policy, RegionFolder, region_keys_name};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

struct Checked {
    region: String,
    report: LogReport,
    label: String,
}

/// Runs the command.
pub fn run(command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Tail(arguments) => crate::block_on(events::tail(arguments)).map(|()| ExitCode::SUCCESS),
        AuditCommand::Search(arguments) => crate::block_on(events::search(arguments)).map(|()| ExitCode::SUCCESS),
        AuditCommand::Export(arguments) => crate::block_on(export::export(arguments)).map(|()| ExitCode::SUCCESS),
        AuditCommand::Prove(arguments) => crate::block_on(export::prove(arguments)).map(|()| ExitCode::SUCCESS),
        AuditCommand::Copy(arguments) => inspect::copy(&arguments).map(|()| ExitCode::SUCCESS),
        AuditCommand::Keys { folder } => keys(&folder).map(|()| ExitCode::SUCCESS),
        AuditCommand::Verify { folder, key, json, witness, witness_key, .. } if inspect::is_copy(&folder) => {
            let known = known(witness.as_deref(), witness_key.as_deref())?;
            inspect::verify_copy(&folder, key.as_deref(), known.as_ref(), json)
        }
        AuditCommand::Verify { folder, key, json, witness, witness_key, .. } if folder.is_file() => {
            let known = known(witness.as_deref(), witness_key.as_deref())?;
            inspect::verify_package(&folder, key.as_deref(), known.as_ref(), json)
        }
        AuditCommand::Verify { folder, policy_file, json, witness, witness_key, .. } => {
            verify_all(&folder, policy_file.as_deref(), known(witness.as_deref(), witness_key.as_deref())?, json)
        }
        AuditCommand::Witness(arguments) => crate::block_on(witness::run(arguments)),
    }
}

/// The cosigned checkpoint that the verifier was given.
fn known(file: Option<&Path>, key: Option<&str>) -> anyhow::Result<Option<Cosigned>> {
    file.map(|file| witness::of_file(file, key)).transpose()
}

/// What is said when nothing from elsewhere was compared.
pub const COMPARED_WITH_NOBODY: &str = "compared with: nobody. Whoever holds the region's root key could have signed \
                                        another history; --witness compares a checkpoint from elsewhere";

/// What was compared, in words.
pub fn compared(one: &Cosigned) -> String {
    let Cosigned { checkpoint, by, .. } = one;
    format!("compared with: what `{by}` has of {}, {} entries", checkpoint.origin, checkpoint.size)
}

/// What was compared, for programs.
pub fn compared_json(one: &Cosigned) -> serde_json::Value {
    json!({ "by": one.by, "log": one.checkpoint.origin, "entries": one.checkpoint.size })
}

/// Prints the public keys of each region in a folder.
fn keys(folder: &Path) -> anyhow::Result<()> {
    for (_, path) in regions(folder)? {
        let folder = RegionFolder::open(&path)?;
        let store = folder.open_existing(load_policy(&path, None)?)?;
        let name = region_keys_name(&store.setup().name);
        store.close();
        for key in folder.signing_keys()?.of_log(&name) {
            say!("{key}");
        }
    }
    Ok(())
}

fn verify_all(
    folder: &Path,
    policy_file: Option<&Path>,
    given: Option<Cosigned>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {human_pos} entries, {per_sec}")?);
    let (mut checked, mut broken) = (Vec::new(), Vec::new());
    let regions = regions(folder)?;
    let mut known = witness::of_regions(&regions, policy_file, &mut broken);
    known.extend(given.clone());
    for (region, path) in &regions {
        match verify(region, path, policy_file, &known, &bar) {
            Ok(reports) => checked.extend(reports),
            Err(error) => broken.push(format!("{region}: {error:#}")),
        }
    }
    bar.finish_and_clear();
    if let Some(Cosigned { checkpoint, by, .. }) = &given
        && !checked.iter().any(|log| log.report.origin == checkpoint.origin)
    {
        broken.push(format!("what `{by}` cosigned is of the log `{}`, which is not here", checkpoint.origin));
    }
    known.retain(|one| checked.iter().any(|log| log.report.origin == one.checkpoint.origin));
    let good = broken.is_empty() && checked.iter().all(|one| one.report.finding.is_none());
    if json {
        let row = |one: &Checked| {
            json!({
                "region": one.region,
                "label": one.label,
                "entries": one.report.entries,
                "log": one.report.origin,
                "signed": one.report.signed,
                "dropped": one.report.dropped,
                "root": hex(&one.report.root),
                "finding": one.report.finding.as_ref().map(ToString::to_string),
                "remarks": one.report.remarks,
            })
        };
        let rows: Vec<_> = checked.iter().map(row).collect();
        let compared: Vec<_> = known.iter().map(compared_json).collect();
        let value = json!({ "good": good, "chains": rows, "errors": broken, "compared_with": compared });
        say!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        print(&checked, &broken);
        known.iter().for_each(|one| say!("{}", compared(one)));
        if known.is_empty() {
            say!("{COMPARED_WITH_NOBODY}");
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The regions in a folder: that of `up`, or one region's own.
fn regions(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if folder.join("regions").is_dir() {
        let names = place::regions(folder)?;
        return Ok(names.into_iter().map(|name| (name.clone(), place::region_folder(folder, &name))).collect());
    }
    if !folder.join("root.key").exists() {
        bail!("`{}` holds no regions: name the folder that `fastness up` used, or one region's", folder.display());
    }
    let name = folder.file_name().map_or_else(|| "region".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(vec![(name, folder.to_owned())])
}

fn verify(
    region: &str,
    path: &Path,
    policy: Option<&Path>,
    known: &[Cosigned],
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Checked>> {
    let policy = load_policy(path, policy)?;
    let folder = RegionFolder::open(path)?;
    let store = folder.open_existing(policy.clone())?;
    let reports = folder.verify(&store, known, |count| bar.inc(count));
    store.close();
    let checked = |report: LogReport| {
        let label = policy.banner(report.label);
        Checked { region: region.to_owned(), label, report }
    };
    Ok(reports?.into_iter().map(checked).collect())
}

/// The policy named, else that of the region's configuration, else `us`.
pub fn load_policy(path: &Path, file: Option<&Path>) -> anyhow::Result<Policy> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        return Policy::from_toml(&text).with_context(|| format!("the label policy in `{}`", file.display()));
    }
    let config = path.join("region.toml");
    if config.exists() { Ok(place::read_config(&config)?.load_policy()?) } else { Ok(Policy::us()) }
}

fn print(checked: &[Checked], broken: &[String]) {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    table.set_header(["region", "ledger of", "entries", "signed", "root", "verdict"]);
    for one in checked {
        let verdict = one.report.finding.as_ref().map_or_else(|| "good".to_owned(), ToString::to_string);
        let root = hex(&one.report.root).chars().take(16).collect();
        let of = if one.report.is_region { "the region: checkpoints" } else { one.label.as_str() };
        let (entries, signed) = (one.report.entries.to_string(), one.report.signed.to_string());
        table.add_row([one.region.clone(), of.to_owned(), entries, signed, root, verdict]);
    }
    say!("{table}");
    for one in checked {
        for remark in &one.report.remarks {
            say!("{}, {}: {remark}", one.region, one.report.origin);
        }
    }
    for error in broken {
        eprintln!("fastness: {error}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! `fastness audit copy`, and `verify` of what has left a region: copies of ledgers and disclosure packages, checked with
//! public keys alone.

use crate::arguments::CopyLog;
use crate::audit::{COMPARED_WITH_NOBODY, compared, compared_json, load_policy};
use crate::say;
use anyhow::{Context, bail};
use fastness_region::{
    CHECKPOINT_FILE, Cosigned, Log, RegionFolder, VerifierKey, keys_of, mirror, read_checkpoint, region_keys_name,
    verify_mirror,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;
use std::process::ExitCode;

fn bar(what: &str) -> anyhow::Result<ProgressBar> {
    let template = format!("{{spinner}} {{human_pos}} {what}, {{per_sec}}");
    Ok(ProgressBar::new_spinner().with_style(ProgressStyle::with_template(&template)?))
}

/// Public keys from a file: one a line; empty lines and lines that begin with `#` do not count.
pub fn read_keys(path: &Path) -> anyhow::Result<Vec<VerifierKey>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(VerifierKey::parse).collect::<Result<Vec<_>, _>>();
    let keys = keys.with_context(|| format!("`{}`", path.display()))?;
    if keys.is_empty() {
        bail!("`{}` holds no keys: `fastness audit keys` prints a region's", path.display());
    }
    Ok(keys)
}

fn wanted_keys(key: Option<&Path>) -> anyhow::Result<Vec<VerifierKey>> {
    let Some(path) = key else {
        bail!("name the region's public keys with --key FILE; `fastness audit keys FOLDER` prints them at the region")
    };
    read_keys(path)
}

/// `fastness audit copy`.
pub fn copy(arguments: &CopyLog) -> anyhow::Result<()> {
    let CopyLog { folder, label, out } = arguments;
    let policy = load_policy(folder, None)?;
    let region = RegionFolder::open(folder)?;
    let store = region.open_existing(policy.clone())?;
    let log = match label {
        Some(text) => {
            let label = policy.label(text).with_context(|| format!("`{text}`"))?;
            if !store.labels().held().contains(&label) {
                bail!("the region holds no label `{text}`");
            }
            Log::of_partition(&store, label)
        }
        None => Log::of_region(&store),
    };
    if out.join(CHECKPOINT_FILE).exists() {
        bail!("`{}` holds a copy already: choose another folder", out.display());
    }
    let keys = region.signing_keys()?.of_log(&region_keys_name(&store.setup().name));
    let write = |path: &str, bytes: &[u8]| {
        let path = out.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)
    };
    let bar = bar("entries")?;
    let checkpoint = mirror(&log, &keys, write, |count| bar.inc(count))?;
    bar.finish_and_clear();
    store.close();
    say!("{}: {} entries in {}", checkpoint.origin, checkpoint.size, out.display());
    Ok(())
}

/// Whether a folder holds a ledger's copy.
pub fn is_copy(folder: &Path) -> bool {
    folder.join(CHECKPOINT_FILE).is_file()
}

/// `fastness audit verify` of a copy; it must extend the checkpoint of it that is known.
pub fn verify_copy(
    folder: &Path,
    key: Option<&Path>,
    known: Option<&Cosigned>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let published = wanted_keys(key)?;
    let read = |path: &str| match std::fs::read(folder.join(path)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    // Whose it says that it is: then its keys must have signed it.
    let first = std::fs::read_to_string(folder.join(CHECKPOINT_FILE)).unwrap_or_default();
    let origin = first.lines().next().unwrap_or_default();
    let keys = keys_of(&published, origin);
    if keys.is_empty() {
        bail!("the copy says that it is of `{origin}`, and none of the keys is of its region");
    }
    if let Some(known) = known
        && known.checkpoint.origin != origin
    {
        bail!("the copy is of `{origin}`, and what `{}` has is of `{}`", known.by, known.checkpoint.origin);
    }
    let checkpoints: Vec<_> = known.iter().map(|known| known.checkpoint.clone()).collect();
    let bar = bar("entries")?;
    let checked = verify_mirror(&read, &keys, &checkpoints, |count| bar.inc(count))?;
    bar.finish_and_clear();
    let good = checked.is_ok();
    let (text, value) = match checked {
        Ok(report) => {
            let checkpoint = &report.checkpoint;
            let value = json!({
                "good": true, "log": checkpoint.origin, "entries": checkpoint.size,
                "compared_with": known.map(compared_json).into_iter().collect::<Vec<_>>(),
            });
            let compared = known.map_or_else(|| COMPARED_WITH_NOBODY.to_owned(), compared);
            let (size, log) = (checkpoint.size, &checkpoint.origin);
            (format!("good: {size} entries of {log}, signed with every key\n{compared}"), value)
        }
        Err(finding) => {
            let text = finding.to_string();
            (text.clone(), json!({ "good": false, "log": origin, "finding": text }))
        }
    };
    say!("{}", if json { serde_json::to_string_pretty(&value)? } else { text });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `fastness audit verify` of a package; a checkpoint from elsewhere is compared where that can be done.
pub fn verify_package(
    path: &Path,
    key: Option<&Path>,
    known: Option<&Cosigned>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let published = wanted_keys(key)?;
    if let Some(Cosigned { checkpoint, note, by }) = known {
        let keys = keys_of(&published, &checkpoint.origin);
        let read = read_checkpoint(note.to_string().as_bytes(), &keys);
        read.with_context(|| format!("the checkpoint that `{by}` has is not signed with these keys"))?;
    }
    let file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let bar = bar("records")?;
    let checked = fastness_region::verify_package(BufReader::new(file), &published, |count| bar.inc(count))?;
    bar.finish_and_clear();
    let (good, text, value) = match checked {
        Ok(report) => {
            let comparing = known.map(|known| match report.compare(&known.checkpoint) {
                Ok(true) => Ok(compared(known)),
                Ok(false) => Err(format!(
                    "`{}` has another root over the first {} entries of {}: one of the two is of a fork",
                    known.by, known.checkpoint.size, known.checkpoint.origin
                )),
                Err(why) => Err(format!("what `{}` has could not be compared: {why}", known.by)),
            });
            let unfit = comparing.clone().and_then(Result::err);
            let logs: Vec<String> = report.logs.iter().map(|(name, size)| format!("{name} ({size} entries)")).collect();
            let text = format!(
                "{}: {} records ({} withheld as a whole, {} fields of the others withheld), each in its log: {}\n\
                 chosen by, in the sender's words: {}\nthat no record was left out is the sender's word, too\n{}",
                if unfit.is_some() { "not good" } else { "good" },
                report.records,
                report.withheld_records,
                report.withheld_fields,
                logs.join(", "),
                report.chosen.escape_debug(),
                comparing.map_or_else(|| COMPARED_WITH_NOBODY.to_owned(), |all| all.unwrap_or_else(|why| why)),
            );
            let value = json!({
                "good": unfit.is_none(),
                "chosen": report.chosen,
                "records": report.records,
                "withheld_records": report.withheld_records,
                "withheld_fields": report.withheld_fields,
                "logs": report.logs.iter().map(|(name, size)| json!({ "log": name, "entries": size })).collect::<Vec<_>>(),
                "compared_with": known.filter(|_| unfit.is_none()).map(compared_json).into_iter().collect::<Vec<_>>(),
                "finding": unfit,
            });
            (unfit.is_none(), text, value)
        }
        Err(finding) => {
            let value = json!({ "good": false, "line": finding.line, "finding": finding.what });
            (false, finding.to_string(), value)
        }
    };
    say!("{}", if json { serde_json::to_string_pretty(&value)? } else { text });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

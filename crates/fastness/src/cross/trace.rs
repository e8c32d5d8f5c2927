//! `fastness spill trace`: what became, on this side, of the bundles that a report from another region names.

use crate::arguments::Identity;
use crate::client::Client;
use crate::spill::{plain, rows, table, text};
use crate::{profiles, say};
use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest report that is read.
const REPORT_LEN_MAX: u64 = 64 << 20;

/// `fastness spill trace`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["report", "bundle"]))]
pub struct Trace {
    /// A report of another region, as `fastness spill report --json` writes it
    #[arg(value_name = "REPORT.json", conflicts_with = "from")]
    pub report: Option<PathBuf>,
    /// One bundle by its id, as people above told it: a release's id is its bundle's
    #[arg(long, value_name = "ID", requires = "from")]
    pub bundle: Option<String>,
    /// The region that sent it
    #[arg(long, value_name = "REGION", requires = "bundle")]
    pub from: Option<String>,
    /// Contain what can be read and lies at the session's label
    #[arg(long)]
    pub contain: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Who.
    #[command(flatten)]
    pub identity: Identity,
}

/// A bundle that is looked for, and which of its objects count: by their keys; all, if nothing says which.
struct Sought {
    from: String,
    bundle: String,
    keys: Option<BTreeSet<String>>,
}

/// Runs the command.
pub async fn run(arguments: &Trace) -> anyhow::Result<()> {
    let credential = profiles::find(&arguments.identity.data, &arguments.identity.profile)?;
    let region = credential.region.clone();
    let client = Client::new(credential);
    let (sought, elsewhere) = match (&arguments.report, &arguments.bundle, &arguments.from) {
        (Some(path), ..) => sought(&read(path)?, &region)?,
        (None, Some(bundle), Some(from)) => {
            (vec![Sought { from: from.clone(), bundle: bundle.clone(), keys: None }], BTreeSet::new())
        }
        _ => bail!("name a report, or a bundle and the region that sent it"),
    };
    let mut bundles = Vec::new();
    for one in &sought {
        bundles.push(ask(&client, one, arguments.contain).await?);
    }
    if arguments.json {
        let all = json!({ "region": region, "bundles": bundles, "elsewhere": elsewhere });
        say!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    show(&region, &bundles, &elsewhere, arguments.contain);
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut bytes = Vec::new();
    file.take(REPORT_LEN_MAX + 1).read_to_end(&mut bytes).with_context(|| format!("reading `{}`", path.display()))?;
    ensure!(bytes.len() as u64 <= REPORT_LEN_MAX, "`{}` is longer than any report", path.display());
    let mut value: Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("`{}` is no report: write it with `fastness spill report --json`", path.display()))?;
    // As the command writes it, or the report alone.
    let within = value.get_mut("report").map(Value::take);
    Ok(within.unwrap_or(value))
}

/// The bundles of a report that went to a region, and the other regions that it names.
fn sought(report: &Value, region: &str) -> anyhow::Result<(Vec<Sought>, BTreeSet<String>)> {
    let (from, crossings) = (text(report, "region"), report.get("crossings"));
    ensure!(!from.is_empty() && crossings.is_some_and(Value::is_array), "the file holds no report on a spill");
    let (mut found, mut elsewhere): (BTreeMap<String, Sought>, BTreeSet<String>) = Default::default();
    for one in rows(report, "crossings") {
        let to = text(one, "to");
        if to != region {
            elsewhere.insert(to.to_owned());
            continue;
        }
        let bundle = text(one, "bundle").to_owned();
        let new = || Sought { from: from.to_owned(), bundle: bundle.clone(), keys: Some(BTreeSet::new()) };
        let sought = found.entry(bundle.clone()).or_insert_with(new);
        if text(one, "kind") == "release" {
            // It has one object, under a new name.
            sought.keys = None;
        } else if let Some(keys) = &mut sought.keys {
            keys.insert(text(one, "key").to_owned());
        }
    }
    Ok((found.into_values().collect(), elsewhere))
}

/// What the region says of a bundle, and, if it is to be, contains of it.
async fn ask(client: &Client, sought: &Sought, contain: bool) -> anyhow::Result<Value> {
    let Sought { from, bundle, keys } = sought;
    let found = match client.fastness("FindArrival", &json!({ "from": from, "bundle": bundle })).await {
        Ok(found) => found,
        Err(error) if error.to_string().starts_with("NoSuchEntity") => {
            return Ok(json!({ "from": from, "bundle": bundle, "state": "not in view", "contents": [] }));
        }
        Err(error) => return Err(error),
    };
    let Some(all) = found.get("contents").and_then(Value::as_array) else {
        bail!("the objects of a bundle are told to officers and auditors: use an officer's profile");
    };
    let counts = |object: &&Value| keys.as_ref().is_none_or(|keys| keys.contains(text(object, "key")));
    let session = text(&found, "session");
    let mut contents: Vec<Value> = all.iter().filter(counts).cloned().collect();
    for object in contents.iter_mut().filter(|_| contain) {
        if text(object, "state") == "readable" && text(object, "label") == session {
            let spill = contain_one(client, object).await?;
            if let Some(fields) = object.as_object_mut() {
                fields.insert("state".to_owned(), json!(format!("contained in {}", text(&spill, "spill"))));
                fields.insert("spill".to_owned(), spill.get("spill").cloned().unwrap_or_default());
            }
        }
    }
    let complete = found.get("complete").cloned().unwrap_or_default();
    let state = text(&found, "state");
    Ok(json!({
        "from": from, "bundle": bundle, "state": state, "session": session, "complete": complete, "contents": contents,
    }))
}

async fn contain_one(client: &Client, object: &Value) -> anyhow::Result<Value> {
    let input = json!({
        "bucket": text(object, "bucket"), "key": text(object, "key"), "version_id": text(object, "version_id"),
    });
    client.fastness("ContainSpill", &input).await
}

fn show(region: &str, bundles: &[Value], elsewhere: &BTreeSet<String>, contain: bool) {
    if bundles.is_empty() {
        say!("The report names no bundle for {region}.");
    }
    let mut list = table(&["from", "bundle", "label", "bucket", "key", "version", "state"]);
    let (mut above, mut spills) = (BTreeSet::new(), BTreeSet::new());
    for bundle in bundles {
        let of_bundle = ["from", "bundle"].map(|name| plain(bundle, name));
        let mut any = false;
        for object in rows(bundle, "contents") {
            let fields = ["label", "bucket", "key", "version_id", "state"].map(|name| plain(object, name));
            list.add_row(of_bundle.iter().cloned().chain(fields));
            any = true;
            let is_open = text(object, "state") == "readable";
            if is_open && (!contain || text(object, "label") != text(bundle, "session")) {
                above.insert(text(object, "label").to_owned());
            }
            spills.extend(object.get("spill").and_then(Value::as_str).map(str::to_owned));
        }
        if !any {
            let state = format!("nothing in view ({})", text(bundle, "state"));
            list.add_row(of_bundle.into_iter().chain(["", "", "", ""].map(str::to_owned)).chain([state]));
        }
        if bundle.get("complete").and_then(Value::as_bool) == Some(false) {
            say!("Not the whole ledger was looked at for {}: there may be more.", text(bundle, "bundle"));
        }
    }
    if !bundles.is_empty() {
        say!("{list}");
    }
    for label in above {
        say!("Still readable at {label}: an officer's session at that label contains it, here with --contain.");
    }
    for spill in spills {
        say!("Contained: `fastness spill report {spill}` from the region's ceiling names who read it.");
    }
    if bundles.iter().any(|bundle| rows(bundle, "contents").next().is_none()) {
        say!("What is not in view was refused, has not arrived, or lies above the session's label.");
    }
    for other in elsewhere {
        say!("The report names bundles for {other}, too: ask there.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_of_a_report_are_sought_by_the_keys_that_it_names() {
        let report = json!({ "region": "low", "crossings": [
            { "to": "high", "bundle": "0a", "kind": "lift", "key": "x" },
            { "to": "high", "bundle": "0a", "kind": "lift", "key": "y" },
            { "to": "high", "bundle": "0b", "kind": "release", "key": "x" },
            { "to": "other", "bundle": "0c", "kind": "lift", "key": "x" },
        ] });
        let (found, elsewhere) = sought(&report, "high").unwrap();
        let keys: Vec<Option<usize>> = found.iter().map(|one| one.keys.as_ref().map(BTreeSet::len)).collect();
        assert_eq!((found.len(), keys), (2, vec![Some(2), None]));
        assert!(found.iter().all(|one| one.from == "low"));
        assert_eq!(elsewhere.into_iter().collect::<Vec<_>>(), ["other"]);
        for nonsense in [json!({}), json!([]), json!({ "region": "low" }), json!({ "region": "low", "crossings": 1 })] {
            assert!(sought(&nonsense, "high").is_err(), "{nonsense}");
        }
    }
}

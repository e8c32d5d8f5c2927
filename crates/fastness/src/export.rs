//! `fastness audit export` and `prove`: events with their proofs, for an inspector who has the public keys alone.

use crate::arguments::{EventChoice, Export, Prove, Shown};
use crate::client::Client;
use crate::events::{attribute, point};
use crate::{inspect, profiles, say};
use anyhow::{Context, bail};
use fastness_region::{PackageEnd, PackageHead};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;

/// How often an event that is under no checkpoint yet is asked for again.
const TRIES_MAX: u32 = 20;

const TRY_EVERY: Duration = Duration::from_millis(250);

/// `fastness audit export`.
pub async fn export(arguments: Export) -> anyhow::Result<()> {
    let Export { choice, since, until, shown } = arguments;
    let now = OffsetDateTime::now_utc();
    let mut input = Map::new();
    let mut chosen = Vec::new();
    for (name, given) in [("StartTime", &since), ("EndTime", &until)] {
        if let Some(given) = given {
            input.insert(name.to_owned(), json!(point(given, now)?));
            chosen.push(format!("{name}={given}"));
        }
    }
    let EventChoice { user, event, resource, key, label } = &choice;
    let given = [user, event, resource, key].into_iter().filter(|one| one.is_some()).count();
    if given > 1 || label.is_some() {
        bail!("choose by one of --user, --event, --resource and --key; what else is not to be seen, withhold");
    }
    if let Some((name, value)) = attribute(&choice) {
        input.insert("LookupAttributes".to_owned(), json!([{ "AttributeKey": name, "AttributeValue": value }]));
        // What is not to be seen of the records is not to be seen by what they were chosen for.
        let is_hidden = !shown.withhold.is_empty() || shown.hide.iter().any(|field| field_of(name) == field);
        chosen.push(if is_hidden { format!("{name}=(hidden)") } else { format!("{name}={value}") });
    }
    let chosen = if chosen.is_empty() { "everything in view".to_owned() } else { chosen.join(" ") };
    let written = write(&shown, input, chosen).await?;
    say!("{written} in {}", shown.out.display());
    Ok(())
}

/// The field of an entry that an attribute of a lookup is about.
fn field_of(attribute: &str) -> &str {
    match attribute {
        "Username" => "principal",
        "EventName" => "operation",
        "ResourceName" => "resources",
        "AccessKeyId" => "key",
        other => other,
    }
}

/// `fastness audit prove`.
pub async fn prove(arguments: Prove) -> anyhow::Result<()> {
    let Prove { event, shown } = arguments;
    let mut input = Map::new();
    input.insert("LookupAttributes".to_owned(), json!([{ "AttributeKey": "EventId", "AttributeValue": event }]));
    let written = write(&shown, input, format!("EventId={event}")).await?;
    if written.records == 0 {
        std::fs::remove_file(&shown.out).with_context(|| format!("cannot remove `{}`", shown.out.display()))?;
        bail!("there is no event `{event}` in view");
    }
    say!("{written} in {}", shown.out.display());
    Ok(())
}

/// What was written.
struct Written {
    records: u64,
    withheld: u64,
    unsigned: u64,
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = if self.records == 1 { "" } else { "s" };
        write!(f, "{} record{s}, each with its proof", self.records)?;
        if self.withheld > 0 {
            write!(f, " ({} withheld as a whole)", self.withheld)?;
        }
        if self.unsigned > 0 {
            write!(f, "; {} too new to be proven left out", self.unsigned)?;
        }
        Ok(())
    }
}

/// Asks for page after page, and writes the package; one that is broken off is removed.
async fn write(shown: &Shown, input: Map<String, Value>, chosen: String) -> anyhow::Result<Written> {
    let client = Client::new(profiles::find(&shown.identity.data, &shown.identity.profile)?);
    let keys = match &shown.keys {
        Some(path) => inspect::read_keys(path)?.iter().map(ToString::to_string).collect(),
        None => Vec::new(),
    };
    let file = File::create_new(&shown.out).with_context(|| format!("cannot make `{}`", shown.out.display()))?;
    // Each once, as a package's head names them.
    let hidden: BTreeSet<String> = shown.hide.iter().cloned().collect();
    let head = PackageHead::new(chosen, hidden.into_iter().collect(), keys);
    let written = pages(&client, shown, input, &head, file).await;
    if written.is_err() {
        remove(&shown.out);
    }
    written
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        eprintln!("fastness: `{}` is not whole and could not be removed: {error}", path.display());
    }
}

async fn pages(
    client: &Client,
    shown: &Shown,
    mut input: Map<String, Value>,
    head: &PackageHead,
    file: File,
) -> anyhow::Result<Written> {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {human_pos} records, {per_sec}")?);
    let mut out = BufWriter::new(file);
    let mut line = |value: &dyn erased::Line| -> anyhow::Result<()> {
        value.write(&mut out)?;
        Ok(out.write_all(b"\n")?)
    };
    line(head)?;
    input.insert("HideFields".to_owned(), json!(head.withheld_fields));
    input.insert("WithholdLabels".to_owned(), json!(shown.withhold));
    let mut known: BTreeMap<String, u64> = BTreeMap::new();
    let mut written = Written { records: 0, withheld: 0, unsigned: 0 };
    let mut tries = 0;
    loop {
        input.insert("Known".to_owned(), json!(known));
        let answer = client.cloudtrail("DiscloseEvents", &Value::Object(input.clone())).await?;
        let unsigned = answer.get("Unsigned").and_then(Value::as_u64).unwrap_or_default();
        // What is new is signed within a second: a first page is asked for again until it is.
        if unsigned > 0 && known.is_empty() && tries < TRIES_MAX {
            tries += 1;
            tokio::time::sleep(TRY_EVERY).await;
            continue;
        }
        for checkpoint in rows(&answer, "Checkpoints") {
            let text = checkpoint.get("checkpoint").and_then(Value::as_str).unwrap_or_default();
            let mut lines = text.lines();
            if let (Some(origin), Some(Ok(size))) = (lines.next(), lines.next().map(str::parse)) {
                known.insert(origin.to_owned(), size);
            }
            line(checkpoint)?;
        }
        for record in rows(&answer, "Records") {
            line(record)?;
            written.records += 1;
            written.withheld += u64::from(record.pointer("/record/withheld").is_some());
            bar.inc(1);
        }
        written.unsigned += unsigned;
        match answer.get("NextToken").and_then(Value::as_str) {
            Some(token) => input.insert("NextToken".to_owned(), json!(token)),
            None => break,
        };
    }
    line(&PackageEnd { records: written.records })?;
    bar.finish_and_clear();
    let file = out.into_inner().map_err(|error| anyhow::anyhow!("the package could not be written: {error}"))?;
    file.sync_all()?;
    Ok(written)
}

fn rows<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Lines of different types.
mod erased {
    use serde::Serialize;
    use std::io::Write;

    pub trait Line {
        fn write(&self, to: &mut dyn Write) -> serde_json::Result<()>;
    }

    impl<T: Serialize> Line for T {
        fn write(&self, to: &mut dyn Write) -> serde_json::Result<()> {
            serde_json::to_writer(to, self)
        }
    }
}

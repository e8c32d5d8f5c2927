//! `fastness spill`: what officers do with data found at a label too low for it.

use crate::arguments::SpillCommand;
use crate::client::Client;
use crate::object::Place;
use crate::{profiles, say};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

/// Runs the command.
pub async fn run(command: SpillCommand) -> anyhow::Result<()> {
    match command {
        SpillCommand::Contain { object, version_id, json, identity } => {
            let place = Place::parse(&object)?;
            let client = Client::new(profiles::find(&identity.data, &identity.profile)?);
            let mut input = json!({ "bucket": place.bucket, "key": place.key });
            if let (Some(version), Some(fields)) = (version_id, input.as_object_mut()) {
                fields.insert("version_id".to_owned(), Value::String(version));
            }
            let spill = client.fastness("ContainSpill", &input).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&spill)?);
                return Ok(());
            }
            say!("spill {} at {}", text(&spill, "spill"), text(&spill, "label"));
            say!("{}", versions(&spill));
            say!("No session reads them any longer. Copies at higher labels: see `fastness spill report`.");
        }
        SpillCommand::Report { spill, json, identity } => {
            let client = Client::new(profiles::find(&identity.data, &identity.profile)?);
            let answer = client.fastness("ReportSpill", &json!({ "spill": spill })).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&answer)?);
            } else {
                report(answer.get("report").unwrap_or(&Value::Null));
                say!("sha256 of the report's JSON, recorded in the ledger: {}", text(&answer, "sha256"));
            }
        }
        SpillCommand::Trace(arguments) => crate::cross::trace::run(&arguments).await?,
        SpillCommand::Erase { spill, approve, json, identity } => {
            let client = Client::new(profiles::find(&identity.data, &identity.profile)?);
            let mut input = json!({ "spill": spill });
            if let (Some(digest), Some(fields)) = (approve, input.as_object_mut()) {
                fields.insert("digest".to_owned(), Value::String(digest));
            }
            let answer = client.fastness("EraseSpill", &input).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&answer)?);
                return Ok(());
            }
            say!("{}", versions(&answer));
            if text(&answer, "state") == "proposed" {
                say!("Nothing is erased yet. Until {} another officer approves it with:", text(&answer, "expires"));
                say!("  fastness spill erase {} --approve {}", text(&answer, "spill"), text(&answer, "digest"));
            } else {
                let keys = answer.get("erasure_keys_destroyed").and_then(Value::as_u64).unwrap_or_default();
                say!("Erased for good: {keys} erasure keys destroyed, what else they held rewrapped.");
            }
        }
    }
    Ok(())
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn rows<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header);
    table
}

pub(crate) fn plain(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Times in reports are milliseconds since 1970.
fn time(value: &Value, name: &str) -> String {
    let ms = value.get(name).and_then(Value::as_i64).unwrap_or_default();
    let form = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    let time = time::OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000));
    time.ok().and_then(|time| time.format(form).ok()).unwrap_or_default()
}

fn versions(spill: &Value) -> Table {
    let mut table = table(&["bucket", "key", "version", "bytes", "etag", "modified", ""]);
    for one in rows(spill, "versions") {
        let copy = if one.get("copy").and_then(Value::as_bool) == Some(true) { "copy" } else { "" };
        let fields = ["bucket", "key", "version_id", "size", "etag", "modified"];
        table.add_row(fields.map(|name| plain(one, name)).into_iter().chain([copy.to_owned()]));
    }
    table
}

/// From where it came, and where it went.
fn crossed(report: &Value) {
    if rows(report, "origins").next().is_some() {
        let mut list = table(&["time", "from", "bundle", "bucket", "key", "the guard"]);
        for one in rows(report, "origins") {
            let mut row = vec![time(one, "time_ms")];
            row.extend(["from", "bundle", "bucket", "key"].map(|name| plain(one, name)));
            let is_stopped = one.get("quarantined").and_then(Value::as_bool) == Some(true);
            row.push(if is_stopped { "stopped it" } else { "let it pass" }.to_owned());
            list.add_row(row);
        }
        say!("\nit came in\n{list}");
    }
    if rows(report, "crossings").next().is_some() {
        let mut list = table(&["time", "who", "label", "bucket", "key", "to", "in bundle", "by", "sure"]);
        for one in rows(report, "crossings") {
            let mut row = vec![time(one, "time_ms")];
            let fields = ["principal", "label", "bucket", "key", "to", "bundle", "kind", "certainty"];
            row.extend(fields.map(|name| plain(one, name)));
            list.add_row(row);
        }
        say!("\nit crossed\n{list}");
        say!("What became of it there, an officer of that region asks: `fastness spill trace REPORT.json`, with this");
        say!("report as `--json` writes it. Nothing goes down by itself: tell a region below the bundle's id alone.");
    }
}

fn report(report: &Value) {
    say!(
        "spill {} at {}: {}/{} of account {}, {}",
        text(report, "spill"),
        text(report, "label"),
        text(report, "bucket"),
        text(report, "key"),
        text(report, "account"),
        text(report, "state")
    );
    say!("contained {} by {}", time(report, "opened_ms"), text(report, "opened_by"));
    let mut list = table(&["bucket", "key", "version", "bytes", "etag", "modified", ""]);
    for one in rows(report, "versions") {
        let mut row = ["bucket", "key", "version", "size", "etag"].map(|name| plain(one, name)).to_vec();
        row.extend([time(one, "modified_ms"), plain(one, "how")]);
        list.add_row(row);
    }
    say!("\nversions\n{list}");
    let mut list = table(&["time", "who", "label", "bucket", "key", "made", "sure", "now"]);
    for one in rows(report, "copies") {
        let mut row = vec![time(one, "time_ms")];
        row.extend(["principal", "label", "bucket", "key", "made", "certainty", "state"].map(|name| plain(one, name)));
        list.add_row(row);
    }
    say!("\ncopies that the ledgers name\n{list}");
    crossed(report);
    let mut list = table(&["label", "bucket", "key", "version"]);
    for one in rows(report, "look_alikes") {
        list.add_row(["label", "bucket", "key", "version"].map(|name| plain(one, name)));
    }
    say!("\nother versions of the same size and ETag\n{list}");
    let mut list = table(&["time", "who", "nation", "label", "operation", "read", "request", "from", "sure"]);
    for one in rows(report, "readers") {
        let mut row = vec![time(one, "time_ms")];
        let fields = ["principal", "nationality", "label", "operation", "what", "request", "source", "certainty"];
        row.extend(fields.map(|name| plain(one, name)));
        list.add_row(row);
    }
    say!("\nreaders\n{list}");
    say!("\nnot known to the region:");
    for one in rows(report, "unknown") {
        say!("  - {}", one.as_str().unwrap_or_default());
    }
}

//! `fastness cross arrivals`: what came from a region, and what became of it on this side.

use super::arguments::ArrivalChoice;
use crate::client::Client;
use crate::events::printable;
use crate::{profiles, say};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

/// Bundles of one answer.
const PAGE_LEN: u16 = 1_000;

/// Shows the bundles of the account that are in view, the oldest first.
pub async fn list(choice: &ArrivalChoice) -> anyhow::Result<()> {
    let client = Client::new(profiles::find(&choice.identity.data, &choice.identity.profile)?);
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let wanted = json!({ "from": choice.from, "after": after, "limit": PAGE_LEN, "troubled": choice.troubled });
        let mut answer = client.fastness("ListArrivals", &wanted).await?;
        let page = answer.get_mut("arrivals").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        after = page.last().and_then(|one| one.get("bundle")).cloned().unwrap_or_default();
        all.extend(page);
        if after.is_null() || answer.get("more").and_then(Value::as_bool) != Some(true) {
            break;
        }
    }
    all.sort_by(|one, other| (text(one, "at"), text(one, "bundle")).cmp(&(text(other, "at"), text(other, "bundle"))));
    if choice.json {
        say!("{}", serde_json::to_string_pretty(&json!({ "arrivals": all }))?);
        return Ok(());
    }
    if all.is_empty() {
        let troubled = if choice.troubled { "in which something was stopped " } else { "" };
        say!("No bundle of {} {troubled}is in view.", choice.from);
        return Ok(());
    }
    say!("{}", table(&all));
    for arrival in &all {
        troubles(arrival);
    }
    Ok(())
}

fn table(arrivals: &[Value]) -> Table {
    let mut table = Table::new();
    let header = ["bundle", "of", "into", "label", "came as", "state", "accepted", "quarantined", "refused", "since"];
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header);
    for one in arrivals {
        let count = |name: &str| one.get(name).and_then(Value::as_u64).unwrap_or_default().to_string();
        table.add_row([
            text(one, "bundle").to_owned(),
            printable(&format!("{} {}", text(one, "kind"), text(one, "crossing"))),
            text(one, "bucket").to_owned(),
            text(one, "label").to_owned(),
            printable(text(one, "came_as")),
            text(one, "state").to_owned(),
            format!("{} of {}", count("accepted"), count("objects")),
            count("quarantined"),
            count("refused"),
            text(one, "at").to_owned(),
        ]);
    }
    table
}

/// Each object that did not come in, and why, as far as the session may know.
fn troubles(arrival: &Value) {
    let bucket = text(arrival, "bucket");
    for one in rows(arrival, "stopped") {
        let key = printable(text(one, "key"));
        let findings: Vec<String> = rows(one, "findings").filter_map(Value::as_str).map(printable).collect();
        let findings = if findings.is_empty() { String::new() } else { format!(": {}", findings.join("; ")) };
        say!("quarantined {bucket}/{key}{findings}");
    }
    for one in rows(arrival, "refusals") {
        say!("refused {bucket}/{}: {}", printable(text(one, "key")), text(one, "code"));
    }
    for spill in rows(arrival, "spills").filter_map(Value::as_str) {
        say!("contained in the spill {spill}: an officer sees it with `fastness spill report {spill}`");
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn rows<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

//! `fastness cross lift` and what is asked about lifts: how far they are on this side, and nothing of the other.

use super::arguments::LiftOrder;
use crate::arguments::Identity;
use crate::client::Client;
use crate::events::printable;
use crate::{profiles, say};
use anyhow::{Context, bail};
use comfy_table::{Table, presets};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often it is asked how far a lift is: each asking is an entry of the ledger.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Lifts of one answer.
const PAGE_LEN: u16 = 1_000;
/// Where a lift's status ends: more would be a way back.
const NO_MORE: &str = "What becomes of it shows on the other side alone.";

/// Orders a lift, and says how far it is until it ends. Who stops waiting stops no lift.
pub async fn start(order: &LiftOrder) -> anyhow::Result<()> {
    let client = client(&order.identity)?;
    // Before there is a lift: whoever interrupts is told where it is.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let begun = client.fastness("StartLift", &wanted(order)?).await?;
    if order.detach || order.standing {
        print(&begun, order.json)?;
        if !order.json {
            say!("Look with: fastness cross show {} --profile {}", text(&begun, "lift"), order.identity.profile);
        }
        return Ok(());
    }
    let ended = tokio::select! {
        ended = follow(&client, &begun) => ended.with_context(|| later(&begun, order))?,
        _ = interrupt.recv() => {
            eprintln!("{}", later(&begun, order));
            return Ok(());
        }
    };
    print(&ended, order.json)?;
    match text(&ended, "state") {
        "sent" => Ok(()),
        "refused" => bail!("the lift may not go on: {}", printable(text(&ended, "why"))),
        _ => bail!("the lift was stopped"),
    }
}

fn later(lift: &Value, order: &LiftOrder) -> String {
    let (lift, profile) = (text(lift, "lift"), &order.identity.profile);
    format!("the lift goes on; look with: fastness cross show {lift} --profile {profile}")
}

/// Asks until there is no more to do.
async fn follow(client: &Client, begun: &Value) -> anyhow::Result<Value> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} objects sent{msg}") {
        bar.set_style(style);
    }
    let (mut lift, asked) = (begun.clone(), json!({ "lift": text(begun, "lift") }));
    while ["queued", "sending"].contains(&text(&lift, "state")) {
        tokio::time::sleep(ASK_EVERY).await;
        lift = client.fastness("DescribeLift", &asked).await?;
        bar.set_length(number(&lift, "found"));
        bar.set_position(number(&lift, "sent"));
        bar.set_message(match left_out(&lift).as_str() {
            "" => String::new(),
            left => format!(", left out: {left}"),
        });
    }
    bar.finish_and_clear();
    Ok(lift)
}

/// The request's body.
fn wanted(order: &LiftOrder) -> anyhow::Result<Value> {
    let from = order.from.strip_prefix("s3://").unwrap_or(&order.from);
    let (bucket, prefix) = from.split_once('/').unwrap_or((from, ""));
    if bucket.is_empty() {
        bail!("`{}` names no bucket: write BUCKET or BUCKET/PREFIX", order.from);
    }
    Ok(json!({
        "bucket": bucket,
        "prefix": prefix,
        "to": order.to,
        "mapping": order.mapping,
        "purpose": order.purpose,
        "standing": order.standing,
    }))
}

/// Shows the account's lifts at the session's label, the oldest first.
pub async fn list(identity: &Identity, json: bool) -> anyhow::Result<()> {
    let client = client(identity)?;
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut answer = client.fastness("ListLifts", &json!({ "after": after, "limit": PAGE_LEN })).await?;
        let page = answer.get_mut("lifts").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        after = page.last().and_then(|lift| lift.get("lift")).cloned().unwrap_or_default();
        all.extend(page);
        if after.is_null() || answer.get("more").and_then(Value::as_bool) != Some(true) {
            break;
        }
    }
    all.sort_by(|one, other| {
        (text(one, "started"), text(one, "lift")).cmp(&(text(other, "started"), text(other, "lift")))
    });
    if json {
        say!("{}", serde_json::to_string_pretty(&json!({ "lifts": all }))?);
    } else if all.is_empty() {
        say!("The account has no lift at this label.");
    } else {
        say!("{}", table(&all));
    }
    Ok(())
}

/// Stops a lift.
pub async fn stop(identity: &Identity, lift: &str, json: bool) -> anyhow::Result<()> {
    let stopped = client(identity)?.fastness("StopLift", &json!({ "lift": lift })).await?;
    print(&stopped, json)
}

/// Shows how far a lift is.
pub async fn show(identity: &Identity, lift: &str, json: bool) -> anyhow::Result<()> {
    let found = client(identity)?.fastness("DescribeLift", &json!({ "lift": lift })).await?;
    print(&found, json)
}

fn client(identity: &Identity) -> anyhow::Result<Client> {
    Ok(Client::new(profiles::find(&identity.data, &identity.profile)?))
}

fn print(lift: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string_pretty(lift)?);
        return Ok(());
    }
    say!("{}", table(std::slice::from_ref(lift)));
    match text(lift, "state") {
        "sent" => say!("Sent. {NO_MORE}"),
        "refused" => say!("It may not go on: {}. {NO_MORE}", printable(text(lift, "why"))),
        "stopped" => say!("It was stopped. {NO_MORE}"),
        _ => {}
    }
    Ok(())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// How many stay, by the reason.
fn left_out(lift: &Value) -> String {
    let all = lift.get("left_out").and_then(Value::as_object).into_iter().flatten();
    all.map(|(why, count)| format!("{count} {why}")).collect::<Vec<_>>().join(", ")
}

fn table(lifts: &[Value]) -> Table {
    let mut table = Table::new();
    let header = ["lift", "from", "to", "by", "state", "sent", "left out", "bundles", "bytes", "ordered"];
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header);
    for lift in lifts {
        let standing = if lift.get("standing").and_then(Value::as_bool) == Some(true) { ", standing" } else { "" };
        table.add_row([
            text(lift, "lift").to_owned(),
            printable(&format!("{}/{}", text(lift, "bucket"), text(lift, "prefix"))),
            text(lift, "to").to_owned(),
            text(lift, "mapping").to_owned(),
            format!("{}{standing}", text(lift, "state")),
            format!("{} of {}", number(lift, "sent"), number(lift, "found")),
            left_out(lift),
            number(lift, "bundles").to_string(),
            HumanBytes(number(lift, "bytes")).to_string(),
            format!("{} by {}", text(lift, "started"), text(lift, "ordered_by")),
        ]);
    }
    table
}

//! `fastness label`: markings for people, and a region's list of labels.

use crate::arguments::{LabelCommand, PolicyChoice};
use crate::client::Client;
use crate::profiles;
use crate::say;
use anyhow::Context;
use comfy_table::{Table, presets};
use fastness_region::{Marking, Policy};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Runs the command.
pub async fn run(command: LabelCommand) -> anyhow::Result<ExitCode> {
    match command {
        LabelCommand::Show { markings, policy } => show(&markings, &policy)?,
        LabelCommand::Compare { markings, policy } => compare(&markings, &policy)?,
        LabelCommand::RollUp { markings, policy } => roll_up(&markings, &policy)?,
        LabelCommand::Allow { marking, json, identity } => {
            let client = Client::new(profiles::find(&identity.data, &identity.profile)?);
            let answer = client.fastness("AllowLabel", &json!({ "label": marking })).await?;
            let label = answer.get("label").and_then(Value::as_str).unwrap_or_default();
            match answer.get("new").and_then(Value::as_bool) {
                _ if json => say!("{}", serde_json::to_string_pretty(&answer)?),
                Some(false) => say!("the region holds {label} already"),
                _ => say!("the region holds {label} from now on"),
            }
        }
        LabelCommand::List { json, identity } => {
            let client = Client::new(profiles::find(&identity.data, &identity.profile)?);
            let answer = client.fastness("ListLabels", &json!({})).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&answer)?);
            } else {
                for label in answer.get("labels").and_then(Value::as_array).into_iter().flatten() {
                    say!("{}", label.as_str().unwrap_or_default());
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load(choice: &PolicyChoice) -> anyhow::Result<Policy> {
    if let Some(policy) = Policy::builtin(&choice.policy) {
        return Ok(policy);
    }
    let text = std::fs::read_to_string(&choice.policy).with_context(|| {
        format!("`{}` is neither a label policy that is compiled in (us, nato) nor a file", choice.policy)
    })?;
    Policy::from_toml(&text).with_context(|| format!("the label policy in `{}`", choice.policy))
}

fn parse(policy: &Policy, markings: &[String]) -> anyhow::Result<Vec<Marking>> {
    markings.iter().map(|text| policy.parse(text).with_context(|| format!("the marking `{text}`"))).collect()
}

fn table(header: [&str; 4]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header);
    table
}

fn show(markings: &[String], choice: &PolicyChoice) -> anyhow::Result<()> {
    let policy = load(choice)?;
    let parsed = parse(&policy, markings)?;
    let further = |marking: &Marking| -> Vec<String> {
        marking.further().iter().map(|further| further.banner().to_string()).collect()
    };
    if choice.json {
        let row = |marking: &Marking| {
            json!({
                "banner": marking.banner(),
                "portion": marking.portion(),
                "label": policy.banner(marking.label()),
                "further": further(marking),
            })
        };
        say!("{}", serde_json::to_string_pretty(&parsed.iter().map(row).collect::<Vec<_>>())?);
        return Ok(());
    }
    let mut table = table(["banner", "portion mark", "label that decides", "further markings"]);
    for marking in &parsed {
        let further = further(marking).join(", ");
        table.add_row([marking.banner(), marking.portion(), policy.banner(marking.label()), further]);
    }
    say!("{table}");
    Ok(())
}

fn relation(policy: &Policy, a: &Marking, b: &Marking) -> (&'static str, String) {
    let (x, y) = (a.label(), b.label());
    let (left, right) = (policy.banner(x), policy.banner(y));
    match (x.is_dominated_by(y), y.is_dominated_by(x)) {
        (true, true) => ("equal", format!("{left} and {right} are the same label")),
        (true, false) => ("below", format!("{left} is below {right}: a session at {right} reads {left}")),
        (false, true) => ("above", format!("{left} is above {right}: a session at {left} reads {right}")),
        (false, false) => ("incomparable", format!("{left} and {right} are incomparable: neither reads the other")),
    }
}

fn compare(markings: &[String], choice: &PolicyChoice) -> anyhow::Result<()> {
    let policy = load(choice)?;
    let parsed = parse(&policy, markings)?;
    let mut rows = Vec::new();
    for (index, a) in parsed.iter().enumerate() {
        for b in parsed.iter().skip(index + 1) {
            let (word, sentence) = relation(&policy, a, b);
            if !choice.json {
                say!("{sentence}");
            }
            rows.push(json!({ "a": a.banner(), "b": b.banner(), "relation": word }));
        }
    }
    if choice.json {
        say!("{}", serde_json::to_string_pretty(&rows)?);
    }
    Ok(())
}

fn roll_up(markings: &[String], choice: &PolicyChoice) -> anyhow::Result<()> {
    let policy = load(choice)?;
    let whole = Marking::roll_up(&parse(&policy, markings)?)?;
    if choice.json {
        let value = json!({ "banner": whole.banner(), "portion": whole.portion() });
        say!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        say!("{}", whole.banner());
    }
    Ok(())
}

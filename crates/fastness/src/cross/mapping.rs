//! `fastness cross mapping`: the halves of mappings that an officer writes in one region.

use super::arguments::{Bytes, MappingAdd, MappingCommand};
use crate::arguments::Identity;
use crate::client::Client;
use crate::{profiles, say};
use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};

/// Runs the command.
pub async fn run(command: MappingCommand) -> anyhow::Result<()> {
    match command {
        MappingCommand::Add(add) => {
            let made = client(&add.identity)?.fastness("PutMapping", &wanted(&add)).await?;
            if add.json {
                say!("{}", serde_json::to_string_pretty(&made)?);
                return Ok(());
            }
            say!("{}", table(std::slice::from_ref(&made)));
            say!("Nothing crosses by it until the other region's officer has written the other half.");
        }
        MappingCommand::Remove { name, json, identity } => {
            let answer = client(&identity)?.fastness("DeleteMapping", &json!({ "name": name })).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&answer)?);
            } else {
                say!("the mapping {name} is gone: what goes by it stops at its next batch");
            }
        }
        MappingCommand::List { json, identity } => {
            let answer = client(&identity)?.fastness("ListMappings", &json!({})).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&answer)?);
                return Ok(());
            }
            match answer.get("mappings").and_then(Value::as_array) {
                Some(mappings) if !mappings.is_empty() => say!("{}", table(mappings)),
                _ => say!("The account has no mapping in this region."),
            }
        }
    }
    Ok(())
}

fn client(identity: &Identity) -> anyhow::Result<Client> {
    Ok(Client::new(profiles::find(&identity.data, &identity.profile)?))
}

/// The request's body.
fn wanted(add: &MappingAdd) -> Value {
    let mut wanted = json!({
        "name": add.name,
        "way": add.way.name(),
        "highest": add.highest,
        "types": add.types,
        "metadata": add.metadata,
        "object_bytes": add.object_max.0,
        "bytes_per_day": add.per_day.bytes.0,
        "objects_per_day": add.per_day.objects,
        "at": add.at.iter().map(|put| json!({ "from": put.from, "to": put.to })).collect::<Vec<_>>(),
    });
    let (side, half) = match (&add.send, &add.receive) {
        (Some(bucket), _) => (
            "send",
            given(&[
                ("bucket", Some(bucket)),
                ("to", add.to.as_ref()),
                ("to_account", add.to_account.as_ref()),
                ("to_bucket", add.to_bucket.as_ref()),
            ]),
        ),
        (None, bucket) => (
            "receive",
            given(&[
                ("bucket", bucket.as_ref()),
                ("from", add.from.as_ref()),
                ("from_account", add.from_account.as_ref()),
                ("from_bucket", add.from_bucket.as_ref()),
            ]),
        ),
    };
    if let Some(members) = wanted.as_object_mut() {
        members.insert(side.to_owned(), half);
    }
    wanted
}

fn given(members: &[(&str, Option<&String>)]) -> Value {
    let given =
        members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), Value::from(value.as_ref()?.as_str()))));
    Value::Object(given.collect::<Map<_, _>>())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: &Value, name: &str) -> String {
    let all = value.get(name).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn table(mappings: &[Value]) -> Table {
    let mut table = Table::new();
    let header = ["mapping", "way", "here", "there", "highest", "types", "metadata", "a day, at each label", "put at"];
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header);
    for mapping in mappings {
        let (here, there) = sides(mapping);
        let number = |name: &str| mapping.get(name).and_then(Value::as_u64).unwrap_or_default();
        let day = format!("{}, {} objects", Bytes(number("bytes_per_day")), number("objects_per_day"));
        let put = mapping.get("at").and_then(Value::as_array).into_iter().flatten();
        let put = put.map(|row| format!("{} at {}", text(row, "from"), text(row, "to"))).collect::<Vec<_>>().join(", ");
        table.add_row([
            text(mapping, "name").to_owned(),
            text(mapping, "way").to_owned(),
            here,
            there,
            text(mapping, "highest").to_owned(),
            texts(mapping, "types"),
            texts(mapping, "metadata"),
            day,
            put,
        ]);
    }
    table
}

/// The bucket here, and what is on the other side.
fn sides(mapping: &Value) -> (String, String) {
    let place = |half: &Value, names: [&str; 3]| {
        names.iter().map(|name| text(half, name)).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    };
    match (mapping.get("send"), mapping.get("receive")) {
        (Some(half), _) => {
            (format!("from {}", text(half, "bucket")), format!("to {}", place(half, ["to", "to_account", "to_bucket"])))
        }
        (None, half) => {
            let half = half.unwrap_or(&Value::Null);
            let there = place(half, ["from", "from_account", "from_bucket"]);
            (format!("into {}", text(half, "bucket")), format!("from {there}"))
        }
    }
}

//! `fastness account`: what the region's operator does.

use crate::arguments::{AccountCommand, Place};
use crate::client::{Client, Credential};
use crate::place;
use crate::say;
use comfy_table::{Table, presets};
use fastness_region::OperatorKey;
use serde_json::{Value, json};

/// Runs the command.
pub async fn run(command: AccountCommand) -> anyhow::Result<()> {
    match command {
        AccountCommand::Create { name, json, place } => {
            let (region, client) = operator(place)?;
            let account = client.fastness("CreateAccount", &json!({ "name": name })).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&account)?);
                return Ok(());
            }
            say!("account {} `{}` in {region}", text(&account, "account"), text(&account, "name"));
            let mut table = Table::new();
            table.load_preset(presets::UTF8_BORDERS_ONLY);
            table.set_header(["duty", "user", "access key id", "secret access key"]);
            for duty in ["administrator", "officer"] {
                let key = account.get(duty).cloned().unwrap_or_default();
                table.add_row([duty, text(&key, "user"), text(&key, "access_key_id"), text(&key, "secret_access_key")]);
            }
            say!("{table}\nThe secrets are not shown again.");
        }
        AccountCommand::AddOfficer { account, json, place } => {
            let (_, client) = operator(place)?;
            let key = client.fastness("AddOfficer", &json!({ "account": account })).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&key)?);
                return Ok(());
            }
            say!("user               {}", text(&key, "user"));
            say!("access key id      {}", text(&key, "access_key_id"));
            say!("secret access key  {}", text(&key, "secret_access_key"));
            say!("The secret is not shown again.");
        }
        AccountCommand::List { json, place } => {
            let (_, client) = operator(place)?;
            let answer = client.fastness("ListAccounts", &json!({})).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&answer)?);
                return Ok(());
            }
            let mut table = Table::new();
            table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(["account", "name", "created"]);
            for account in answer.get("accounts").and_then(Value::as_array).into_iter().flatten() {
                table.add_row([text(account, "account"), text(account, "name"), text(account, "created")]);
            }
            say!("{table}");
        }
    }
    Ok(())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn operator(place: Place) -> anyhow::Result<(String, Client)> {
    let config = match place.config {
        Some(path) => place::read_config(&path)?,
        None => {
            let name = place::choose_region(&place.data, place.region)?;
            place::read_config(&place::config_file(&place.data, &name))?
        }
    };
    let key = OperatorKey::load(&config.data)?;
    let credential = Credential {
        region: config.name.clone(),
        endpoint: format!("http://{}", config.listen),
        access_key_id: key.access_key_id,
        secret_access_key: key.secret_access_key,
    };
    Ok((config.name, Client::new(credential)))
}

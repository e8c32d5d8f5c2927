//! `fastness key`: keys that holders make for themselves.

use crate::arguments::KeyCommand;
use crate::client::Client;
use crate::profiles;
use crate::say;
use serde_json::{Value, json};

/// Runs the command.
pub async fn run(command: KeyCommand) -> anyhow::Result<()> {
    let KeyCommand::Create { label, json, identity } = command;
    let client = Client::new(profiles::find(&identity.data, &identity.profile)?);
    let key = client.fastness("CreateKey", &json!({ "label": label })).await?;
    if json {
        say!("{}", serde_json::to_string_pretty(&key)?);
        return Ok(());
    }
    let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
    say!("session label      {}", text("label"));
    say!("access key id      {}", text("access_key_id"));
    say!("secret access key  {}", text("secret_access_key"));
    say!("The secret is not shown again.");
    Ok(())
}

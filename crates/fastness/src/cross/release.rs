//! `fastness cross release` and what is asked about releases.

use super::release_arguments::{ReleaseCommand, ReleaseOrder};
use super::review;
use crate::arguments::Identity;
use crate::client::Client;
use crate::events::printable;
use crate::object::Place;
use crate::{profiles, say};
use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};

/// Releases of one answer.
const PAGE_LEN: u16 = 1_000;

/// Runs the command.
pub async fn run(command: ReleaseCommand) -> anyhow::Result<()> {
    match command {
        ReleaseCommand::Release(order) => request(&order).await,
        ReleaseCommand::Releases { json, identity } => list(&identity, json).await,
        ReleaseCommand::ShowRelease { release, json, identity } => {
            let found = client(&identity)?.fastness("DescribeRelease", &json!({ "release": release })).await?;
            print(&found, json)
        }
        ReleaseCommand::Review(arguments) => review::look(&arguments).await,
        ReleaseCommand::Approve { release, digest, reason, json, identity } => {
            let wanted = json!({ "release": release, "digest": digest, "reason": reason });
            let decided = client(&identity)?.fastness("ApproveRelease", &wanted).await?;
            print(&decided, json)?;
            if !json && text(&decided, "state") == "requested" {
                say!("Nothing leaves before another reviewer approves it, too.");
            }
            Ok(())
        }
        ReleaseCommand::Refuse { release, reason, json, identity } => {
            let wanted = json!({ "release": release, "reason": reason });
            print(&client(&identity)?.fastness("RefuseRelease", &wanted).await?, json)
        }
    }
}

async fn request(order: &ReleaseOrder) -> anyhow::Result<()> {
    let object =
        if order.object.starts_with("s3://") { order.object.clone() } else { format!("s3://{}", order.object) };
    let place = Place::parse(&object)?;
    let metadata: Map<String, Value> =
        order.meta.iter().map(|one| (one.name.clone(), Value::from(one.value.as_str()))).collect();
    let wanted = json!({
        "bucket": place.bucket,
        "key": place.key,
        "version_id": order.version_id,
        "to": order.to,
        "mapping": order.terms.mapping,
        "name": order.name,
        "label": order.label,
        "type": order.content_type,
        "metadata": metadata,
        "purpose": order.terms.purpose,
        "days": order.terms.days,
    });
    let asked = client(&order.identity)?.fastness("RequestRelease", &wanted).await?;
    print(&asked, order.json)?;
    if !order.json {
        let (release, label) = (text(&asked, "release"), text(&asked, "label"));
        say!("Two reviewers at {label} decide, each after: fastness cross review {release}");
    }
    Ok(())
}

async fn list(identity: &Identity, json: bool) -> anyhow::Result<()> {
    let client = client(identity)?;
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut answer = client.fastness("ListReleases", &json!({ "after": after, "limit": PAGE_LEN })).await?;
        let page = answer.get_mut("releases").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        after = page.last().and_then(|one| one.get("release")).cloned().unwrap_or_default();
        all.extend(page);
        if after.is_null() || answer.get("more").and_then(Value::as_bool) != Some(true) {
            break;
        }
    }
    let order = |one: &Value| (text(one, "requested").to_owned(), text(one, "release").to_owned());
    all.sort_by_key(order);
    if json {
        say!("{}", serde_json::to_string_pretty(&json!({ "releases": all }))?);
    } else if all.is_empty() {
        say!("No release of the account is in view.");
    } else {
        say!("{}", table(&all));
    }
    Ok(())
}

fn table(releases: &[Value]) -> Table {
    let mut table = Table::new();
    let header = ["release", "object", "at", "to", "as", "label there", "state", "approved by", "expires"];
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header);
    for one in releases {
        let approved: Vec<&str> = rows(one, "approvals").map(|vote| text(vote, "by")).collect();
        table.add_row([
            text(one, "release").to_owned(),
            printable(&format!("{}/{}", text(one, "bucket"), text(one, "key"))),
            text(one, "label").to_owned(),
            text(one, "to").to_owned(),
            printable(text(one, "new_name")),
            text(one, "new_label").to_owned(),
            text(one, "state").to_owned(),
            approved.join(", "),
            text(one, "expires").to_owned(),
        ]);
    }
    table
}

/// A release, as JSON or for people.
pub fn print(release: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string_pretty(release)?);
        return Ok(());
    }
    let it = |name: &str| printable(text(release, name));
    let number = |name: &str| release.get(name).and_then(Value::as_u64).unwrap_or_default();
    say!("release {} is {}", it("release"), it("state"));
    if !it("why").is_empty() {
        say!("  {}", it("why"));
    }
    say!("  here     {}/{} at {}", it("bucket"), it("key"), it("label"));
    say!("           version {}, {} bytes, sha256 {}", it("version_id"), number("bytes"), it("sha256"));
    let leaves = |name: &str| release.get("leaves").and_then(|leaves| leaves.get(name));
    let (bytes, sha256) = (leaves("bytes").and_then(Value::as_u64), leaves("sha256").and_then(Value::as_str));
    say!("  leaves   {} bytes, sha256 {}", bytes.unwrap_or_default(), printable(sha256.unwrap_or_default()));
    say!("  there    {} at {}", it("new_name"), it("new_label"));
    say!(
        "           in {}, bucket {} of account {}, by the mapping {}",
        it("to"),
        it("to_bucket"),
        it("to_account"),
        it("mapping")
    );
    say!("           type {}", it("type"));
    for (name, value) in release.get("metadata").and_then(Value::as_object).into_iter().flatten() {
        say!("           metadata {}: {}", printable(name), printable(value.as_str().unwrap_or_default()));
    }
    say!("  purpose  {}", it("purpose"));
    say!("  asked    by {} on {}; expires {}", it("requested_by"), it("requested"), it("expires"));
    for finding in rows(release, "findings").filter_map(Value::as_str) {
        say!("  finding  {}", printable(finding));
    }
    for name in rows(release, "seen_by").filter_map(Value::as_str) {
        say!("  seen     by {}", printable(name));
    }
    let votes = rows(release, "approvals").map(|vote| ("approved", vote));
    for (word, vote) in
        votes.chain(release.get("refused").filter(|vote| vote.is_object()).map(|vote| ("refused", vote)))
    {
        say!(
            "  {word} by {} on {}: {}",
            printable(text(vote, "by")),
            text(vote, "at"),
            printable(text(vote, "reason"))
        );
    }
    say!("  digest   {}", it("digest"));
    Ok(())
}

pub fn client(identity: &Identity) -> anyhow::Result<Client> {
    Ok(Client::new(profiles::find(&identity.data, &identity.profile)?))
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn rows<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

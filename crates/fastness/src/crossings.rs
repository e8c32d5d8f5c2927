//! What `fastness up` makes so that something can cross: the regions' keys in each other's hands, reviewers, and with
//! `--demo` the mappings of the demo. People and mappings are made through the same interfaces that anybody uses.

use crate::client::Client;
use crate::people::{self, Person};
use crate::place::{self, Builtin, REGIONS};
use crate::profiles::{self, Profiles};
use anyhow::Context;
use bytes::Bytes;
use fastness_region::{CROSSING_KEYS_FILE, operation::CROSSING_TYPES, peer_keys_file};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The types of the demo's mappings: all that have filters, but for archives of tapes.
const TYPES: usize = 7;

/// Hands each region the public keys of the others, once: later they are compared, not taken over.
pub fn hand_keys(data: &Path) -> anyhow::Result<()> {
    for (of, to) in ordered_pairs() {
        let from = place::region_folder(data, of.name).join(CROSSING_KEYS_FILE);
        let known = peer_keys_file(&place::region_folder(data, to.name), of.name);
        if !known.exists() {
            place::copy_whole(&from, &known)
                .with_context(|| format!("cannot hand `{}` to the region {}", from.display(), to.name))?;
        } else if std::fs::read(&known).ok() != std::fs::read(&from).ok() {
            eprintln!(
                "fastness: {} knows {} by other keys than it has now, and nothing crosses from or to it; if that region was made anew, remove `{}`",
                to.name,
                of.name,
                known.display()
            );
        }
    }
    Ok(())
}

fn ordered_pairs() -> impl Iterator<Item = (&'static Builtin, &'static Builtin)> {
    place::pairs().flat_map(|(below, above)| [(below, above), (above, below)])
}

/// Stands in the folder of `up` once its reviewers are made; written last.
fn marker(data: &Path) -> PathBuf {
    data.join("aws").join("crossing")
}

/// Two reviewers in each region, who approve at the label that they work at.
fn reviewers(region: &str) -> Vec<Person> {
    let person = |profile, user, clearance, label| Person {
        profile,
        user,
        clearance,
        nationality: "USA",
        label,
        duty: Some("reviewer"),
    };
    const ALL: &str = "TOP SECRET//SI/TK";
    match region {
        "us-gov-west-1" => vec![
            person("unclass-reviewer", "reviewer", "CUI", "CUI"),
            person("unclass-reviewer-2", "reviewer-2", "CUI", "CUI"),
        ],
        "us-isob-east-1" => vec![
            person("secret-reviewer", "reviewer", "SECRET", "SECRET"),
            person("secret-reviewer-2", "reviewer-2", "SECRET", "SECRET"),
        ],
        _ => vec![
            person("topsecret-reviewer", "reviewer", ALL, ALL),
            person("topsecret-reviewer-low", "reviewer", ALL, "SECRET"),
            person("topsecret-reviewer-2", "reviewer-2", ALL, ALL),
            person("topsecret-reviewer-2-low", "reviewer-2", ALL, "SECRET"),
        ],
    }
}

/// Makes the reviewers, unless they were made before; also in a folder of an earlier `up`.
pub async fn make_reviewers(data: &Path, mut found: Profiles) -> anyhow::Result<Profiles> {
    let marker = marker(data);
    if marker.exists() {
        return Ok(found);
    }
    for region in &REGIONS {
        let (admin, officer) = (office(&found, region, "admin")?, office(&found, region, "officer")?);
        let made = people::add(&admin, &officer, &reviewers(region.name)).await;
        found.extend(made.with_context(|| format!("making the reviewers of {}", region.name))?);
    }
    profiles::write(data, &found)?;
    std::fs::write(&marker, "").with_context(|| format!("cannot write `{}`", marker.display()))?;
    Ok(found)
}

fn office(profiles: &Profiles, region: &Builtin, office: &str) -> anyhow::Result<Client> {
    let name = format!("{}-{office}", region.prefix);
    let found = profiles.get(&name).with_context(|| format!("there is no profile `{name}`"))?;
    Ok(Client::new(found.clone()))
}

/// The buckets of the demo that something crosses from or to, by the profile that makes them: the lowest that there is.
const BUCKETS: [(&str, &str); 6] = [
    ("unclass-analyst", "plans"),
    ("unclass-analyst", "released"),
    ("secret-analyst-low", "plans"),
    ("secret-analyst-low", "released"),
    ("topsecret-analyst-low", "plans"),
    ("topsecret-analyst-low", "released"),
];

/// Makes buckets and both halves of each mapping of the demo, unless they are there: `plans` goes up, `released` comes down.
pub async fn load(profiles: &Profiles) -> anyhow::Result<()> {
    for (profile, bucket) in BUCKETS {
        let found = profiles.get(profile).with_context(|| format!("there is no profile `{profile}`"))?;
        let client = Client::new(found.clone());
        let (status, body) = client.send("s3", Method::PUT, &format!("/{bucket}"), &[], Bytes::new()).await?;
        if !status.is_success() && status.as_u16() != 409 {
            anyhow::bail!("making the bucket `{bucket}`: {}", String::from_utf8_lossy(&body));
        }
    }
    let mut accounts = BTreeMap::new();
    for region in &REGIONS {
        accounts.insert(region.name, office(profiles, region, "officer")?.account().await?);
    }
    for region in &REGIONS {
        let officer = office(profiles, region, "officer")?;
        let known = officer.fastness("ListMappings", &json!({})).await?;
        let known: Vec<&str> = known
            .get("mappings")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|mapping| mapping.get("name").and_then(Value::as_str))
            .collect();
        for wanted in mappings(region, &accounts) {
            let name = wanted.get("name").and_then(Value::as_str).unwrap_or_default();
            // What an officer changed since, is theirs.
            if !known.contains(&name) {
                officer
                    .fastness("PutMapping", &wanted)
                    .await
                    .with_context(|| format!("making the mapping `{name}`"))?;
            }
        }
    }
    Ok(())
}

/// The halves of a region: what goes up and comes down between it and each other.
fn mappings(region: &Builtin, accounts: &BTreeMap<&str, String>) -> Vec<Value> {
    let account = |of: &Builtin| accounts.get(of.name).cloned().unwrap_or_default();
    let mut all = Vec::new();
    for (below, above) in place::pairs() {
        // What comes from below has a marking of below, and the other way round: no label of one that the other lacks.
        if region.name == below.name {
            let to = json!({ "bucket": "plans", "to": above.name, "to_account": account(above), "to_bucket": "plans" });
            all.push(half(format!("plans-to-{}", above.prefix), "lift", below.ceiling, ("send", to), &[]));
            let from = json!({ "bucket": "released", "from": above.name });
            all.push(half(format!("released-from-{}", above.prefix), "release", below.ceiling, ("receive", from), &[]));
        }
        if region.name == above.name {
            let (from_account, at) = (account(below), put_at(below, above));
            let from =
                json!({ "bucket": "plans", "from": below.name, "from_account": from_account, "from_bucket": "plans" });
            all.push(half(format!("plans-from-{}", below.prefix), "lift", below.ceiling, ("receive", from), &at));
            let to = json!({ "bucket": "released", "to": below.name, "to_account": account(below), "to_bucket": "released" });
            all.push(half(format!("released-to-{}", below.prefix), "release", below.ceiling, ("send", to), &[]));
        }
    }
    all
}

/// Where what comes from below is put: in the highest region, whose lowest people work at SECRET, nothing lower is.
fn put_at(below: &Builtin, above: &Builtin) -> Vec<(&'static str, &'static str)> {
    let is_highest = REGIONS.last().is_some_and(|last| last.name == above.name);
    let lower = below.labels.iter().filter(|label| **label != "SECRET");
    if is_highest { lower.map(|label| (*label, "SECRET")).collect() } else { Vec::new() }
}

fn half(name: String, way: &str, highest: &str, (side, half): (&str, Value), at: &[(&str, &str)]) -> Value {
    let types: Vec<&str> = CROSSING_TYPES.iter().take(TYPES).copied().collect();
    let at: Vec<Value> = at.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect();
    json!({
        "name": name,
        "way": way,
        "highest": highest,
        "types": types,
        "metadata": ["classification"],
        "object_bytes": 64 << 20,
        "bytes_per_day": 10_u64 << 30,
        "objects_per_day": 1_000_000,
        "at": at,
        side: half,
    })
}

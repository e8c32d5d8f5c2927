//! The people that `up` makes: through the same interfaces that anybody uses.

use crate::client::{Client, Credential};
use crate::place::{self, Builtin, REGIONS};
use crate::profiles::{self, Profiles};
use anyhow::{Context, bail};
use fastness_region::OperatorKey;
use serde_json::{Value, json};
use std::path::Path;

/// One profile: a key of a person at a label.
pub struct Person {
    /// The profile's name.
    pub profile: &'static str,
    /// The user's.
    pub user: &'static str,
    /// What they are cleared for.
    pub clearance: &'static str,
    /// Their country.
    pub nationality: &'static str,
    /// The key's label.
    pub label: &'static str,
    /// The duty that the officer charges them with, if any.
    pub duty: Option<&'static str>,
}

const fn person(
    profile: &'static str,
    user: &'static str,
    clearance: &'static str,
    nationality: &'static str,
    label: &'static str,
) -> Person {
    Person { profile, user, clearance, nationality, label, duty: None }
}

/// Reads the ledger at a label, and no data.
const fn auditor(profile: &'static str, label: &'static str) -> Person {
    Person { profile, user: "auditor", clearance: label, nationality: "USA", label, duty: Some("auditor") }
}

const ALL: &str = "TOP SECRET//SI/TK";
const REL: &str = "SECRET//REL TO USA, GBR";

/// Who works in which region; a user with several keys stands in several rows.
fn people(region: &str) -> Vec<Person> {
    match region {
        "us-gov-west-1" => vec![
            person("unclass-analyst", "analyst", "CUI", "USA", "UNCLASSIFIED"),
            person("unclass-analyst-cui", "analyst", "CUI", "USA", "CUI"),
            auditor("unclass-auditor", "CUI"),
        ],
        "us-isob-east-1" => vec![
            person("secret-analyst-low", "analyst", "SECRET", "USA", "UNCLASSIFIED"),
            person("secret-analyst-rel", "analyst", "SECRET", "USA", REL),
            person("secret-analyst", "analyst", "SECRET", "USA", "SECRET"),
            person("secret-partner", "partner", "SECRET", "GBR", REL),
            auditor("secret-auditor", "SECRET"),
        ],
        _ => vec![
            person("topsecret-analyst-low", "analyst", ALL, "USA", "SECRET"),
            person("topsecret-analyst", "analyst", ALL, "USA", ALL),
            person("topsecret-si", "si-analyst", "TOP SECRET//SI", "USA", "TOP SECRET//SI"),
            person("topsecret-tk", "tk-analyst", "TOP SECRET//TK", "USA", "TOP SECRET//TK"),
            auditor("topsecret-auditor", ALL),
        ],
    }
}

fn endpoint(region: &Builtin, port_base: u16) -> String {
    format!("http://127.0.0.1:{}", port_base + region.port)
}

/// Makes everybody, and writes their profiles.
pub async fn make(data: &Path, port_base: u16) -> anyhow::Result<Profiles> {
    let mut profiles = Profiles::new();
    for region in &REGIONS {
        populate(data, region, port_base, &mut profiles)
            .await
            .with_context(|| format!("making the people of {}", region.name))?;
    }
    profiles::write(data, &profiles)?;
    Ok(profiles)
}

/// The profiles of before, at the ports of now.
pub fn at_port_base(data: &Path, mut found: Profiles, port_base: u16) -> anyhow::Result<Profiles> {
    for region in &REGIONS {
        let endpoint = endpoint(region, port_base);
        found.values_mut().filter(|one| one.region == region.name).for_each(|one| one.endpoint.clone_from(&endpoint));
    }
    profiles::write(data, &found)?;
    Ok(found)
}

async fn populate(data: &Path, region: &Builtin, port_base: u16, profiles: &mut Profiles) -> anyhow::Result<()> {
    let credential = |id: &str, secret: &str| Credential {
        region: region.name.to_owned(),
        endpoint: endpoint(region, port_base),
        access_key_id: id.to_owned(),
        secret_access_key: secret.to_owned(),
    };
    let key = OperatorKey::load(&place::region_folder(data, region.name))?;
    let operator = Client::new(credential(&key.access_key_id, &key.secret_access_key));
    let account = create_account(&operator).await?;
    let first = |duty: &str| {
        let text = |name: &str| account.get(duty).and_then(|key| key.get(name)).and_then(Value::as_str);
        let id = text("access_key_id").context("the new account has no keys")?;
        anyhow::Ok(credential(id, text("secret_access_key").context("the new account has no keys")?))
    };
    let (admin, officer) = (first("administrator")?, first("officer")?);
    profiles.insert(format!("{}-admin", region.prefix), admin.clone());
    profiles.insert(format!("{}-officer", region.prefix), officer.clone());
    let (admin, officer) = (Client::new(admin), Client::new(officer));
    profiles.extend(add(&admin, &officer, &people(region.name)).await?);
    Ok(())
}

/// Makes users with a key each row; one that an interrupted start made is taken as it is. Their profiles.
pub async fn add(admin: &Client, officer: &Client, people: &[Person]) -> anyhow::Result<Profiles> {
    let (mut known, mut profiles) = (Vec::new(), Profiles::new());
    for person in people {
        if !known.contains(&person.user) {
            known.push(person.user);
            match admin.iam("CreateUser", &[("UserName", person.user)]).await {
                Err(error) if !error.to_string().contains("EntityAlreadyExists") => return Err(error),
                _ => {}
            }
            let tags = [("clearance", person.clearance), ("nationality", person.nationality)];
            tag(officer, person.user, &tags).await?;
            if let Some(duty) = person.duty {
                tag(officer, person.user, &[("duty", duty)]).await?;
            }
        }
        tag(officer, person.user, &[("label", person.label)]).await?;
        let answer = admin.iam("CreateAccessKey", &[("UserName", person.user)]).await?;
        let (id, secret) = (element(&answer, "AccessKeyId")?, element(&answer, "SecretAccessKey")?);
        profiles.insert(person.profile.to_owned(), admin.with_key(id, secret));
    }
    for user in known {
        officer.iam("UntagUser", &[("UserName", user), ("TagKeys.member.1", "label")]).await?;
    }
    Ok(profiles)
}

/// Makes the account; a name that an interrupted start has used up is passed over.
async fn create_account(operator: &Client) -> anyhow::Result<Value> {
    for number in 1..100 {
        let name = if number == 1 { "mission".to_owned() } else { format!("mission-{number}") };
        match operator.fastness("CreateAccount", &json!({ "name": name })).await {
            Ok(account) => return Ok(account),
            Err(error) if error.to_string().starts_with("EntityAlreadyExists") => {}
            Err(error) => return Err(error),
        }
    }
    bail!("the region has too many accounts that were begun and not finished")
}

async fn tag(officer: &Client, user: &str, tags: &[(&str, &str)]) -> anyhow::Result<()> {
    let names: Vec<(String, String)> =
        (1..=tags.len()).map(|n| (format!("Tags.member.{n}.Key"), format!("Tags.member.{n}.Value"))).collect();
    let mut parameters = vec![("UserName", user)];
    for ((key_name, value_name), (key, value)) in names.iter().zip(tags) {
        parameters.push((key_name, key));
        parameters.push((value_name, value));
    }
    officer.iam("TagUser", &parameters).await.map(|_| ())
}

/// The text of an element in an answer of our own IAM, whose values here are letters, digits, `+` and `/`.
pub fn element<'a>(xml: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>")).with_context(|| format!("IAM answered without {name}"))?;
    let (text, _) = rest.split_once('<').with_context(|| format!("IAM answered without {name}"))?;
    Ok(text)
}

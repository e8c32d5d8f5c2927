//! Fastness's own API: an operation's name in the header `x-amz-target`, JSON in and out.

use crate::arn::date;
use crate::call::{Call, Malformed, shortened};
use crate::query::is_media_type;
use crate::{Frame, crossing, lifts, releases};
use fastness_gate::{Answer, ErasureStep, Spill, proposal_ends_ms};
use fastness_identity::directory::{AccessKey, Account, Holder};
use fastness_operation::{AccountName, BucketName, ObjectKey, ObjectTarget, Operation, SpillId, VersionId};
use http::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The media type of bodies in both directions.
pub(crate) const MEDIA_TYPE: &str = "application/x-amz-json-1.1";
const TARGET: &str = "x-amz-target";
/// The longest marking; no policy writes one of this length.
pub(crate) const MARKING_BYTES_MAX: usize = 1_024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Labelled {
    label: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfAccount {
    account: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contained {
    bucket: String,
    key: String,
    version_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfSpill {
    spill: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Erased {
    spill: String,
    digest: Option<String>,
}

/// The request as a call.
pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Call, Malformed> {
    let mut targets = headers.get_all(TARGET).iter();
    let target = match (targets.next().map(|target| target.to_str()), targets.next()) {
        (Some(Ok(target)), None) => target,
        _ => {
            let message = format!("the request must name its operation in one header `{TARGET}`");
            return Err(Malformed::new("UnknownOperationException", message).of("fastness"));
        }
    };
    let what = format!("fastness {target}");
    if !is_media_type(headers, MEDIA_TYPE) {
        let message = format!("the body must be of the type {MEDIA_TYPE}");
        return Err(Malformed::new("SerializationException", message).of(&what));
    }
    operation(target, body).map(Call::from).map_err(|malformed| malformed.of(&what))
}

fn operation(target: &str, body: &[u8]) -> Result<Operation, Malformed> {
    Ok(match target {
        "Fastness.CreateAccount" => {
            let Named { name } = fields(body)?;
            let name = AccountName::new(name).map_err(|error| invalid(error.to_string()))?;
            Operation::CreateAccount { name }
        }
        "Fastness.ListAccounts" => fields(body).map(|Nothing {}| Operation::ListAccounts)?,
        "Fastness.CreateKey" => Operation::CreateKeyAt { marking: marking(body)? },
        "Fastness.AllowLabel" => Operation::AllowLabel { marking: marking(body)? },
        "Fastness.AddOfficer" => {
            let OfAccount { account } = fields(body)?;
            Operation::AddOfficer { account: account.parse().map_err(named)? }
        }
        "Fastness.ContainSpill" => {
            let Contained { bucket, key, version_id } = fields(body)?;
            let target = ObjectTarget {
                bucket: BucketName::new(bucket).map_err(named)?,
                key: ObjectKey::new(key).map_err(named)?,
                version: version_id.map(VersionId::new),
            };
            Operation::ContainSpill { target }
        }
        "Fastness.ReportSpill" => {
            let OfSpill { spill } = fields(body)?;
            Operation::ReportSpill { spill: SpillId::new(spill).map_err(named)? }
        }
        "Fastness.EraseSpill" => {
            let Erased { spill, digest } = fields(body)?;
            let spill = SpillId::new(spill).map_err(named)?;
            if digest.as_ref().is_some_and(|digest| digest.len() != 64) {
                return Err(invalid("a digest has 64 hexadecimal digits"));
            }
            Operation::EraseSpill { spill, digest }
        }
        "Fastness.ListLabels" => fields(body).map(|Nothing {}| Operation::ListLabels)?,
        other => crossing::operation(other, body)?,
    })
}

fn marking(body: &[u8]) -> Result<String, Malformed> {
    let Labelled { label } = fields(body)?;
    if label.is_empty() || label.len() > MARKING_BYTES_MAX {
        return Err(invalid(format!("a label is a marking of 1 to {MARKING_BYTES_MAX} bytes")));
    }
    Ok(label)
}

pub(crate) fn fields<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    // A structure could also be read from an array; only an object is meant.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed::new("SerializationException", "the body must be a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let text = shortened(&error.to_string());
        if error.is_data() { invalid(text) } else { Malformed::new("SerializationException", text) }
    })
}

pub(crate) fn named(error: fastness_operation::NameError) -> Malformed {
    invalid(error.to_string())
}

pub(crate) fn invalid(message: impl Into<String>) -> Malformed {
    Malformed::new("ValidationException", message)
}

/// The body of an answer; none when the answer is not the one that goes with the operation.
pub(crate) fn answer(frame: &Frame<'_>, action: &str, answer: &Answer) -> Option<Vec<u8>> {
    let value = match (action, answer) {
        ("CreateAccount", Answer::Account(new)) => {
            let mut value = account(&new.account);
            let fields = value.as_object_mut()?;
            fields.insert("administrator".to_owned(), person(&new.administrator)?);
            fields.insert("officer".to_owned(), person(&new.officer)?);
            value
        }
        ("ListAccounts", Answer::Accounts(accounts)) => {
            json!({ "accounts": accounts.iter().map(account).collect::<Vec<_>>() })
        }
        ("CreateKeyAt", Answer::Key(key)) => json!({
            "access_key_id": key.id.as_str(),
            "secret_access_key": key.secret.reveal(),
            "label": key.label,
        }),
        ("AddOfficer", Answer::Key(key)) => person(key)?,
        ("ContainSpill", Answer::Spill(found, label)) => {
            let mut value = spill(found);
            value.as_object_mut()?.insert("label".to_owned(), json!((frame.banner)(*label)));
            value
        }
        ("ReportSpill", Answer::SpillReport(report, digest)) => {
            json!({ "report": serde_json::to_value(report).ok()?, "sha256": digest })
        }
        ("EraseSpill", Answer::Erasure(step, keys)) => match step.as_ref() {
            ErasureStep::Proposed(found) => {
                let mut value = spill(found);
                let fields = value.as_object_mut()?;
                let proposal = found.proposal.as_ref()?;
                fields.insert("state".to_owned(), json!("proposed"));
                fields.insert("digest".to_owned(), json!(proposal.digest));
                fields.insert("expires".to_owned(), json!(date(proposal_ends_ms(found)?)));
                value
            }
            ErasureStep::Approved(found) => {
                let mut value = spill(found);
                let fields = value.as_object_mut()?;
                fields.insert("state".to_owned(), json!("erased"));
                fields.insert("erasure_keys_destroyed".to_owned(), json!(keys));
                value
            }
        },
        ("AllowLabel", Answer::Label(label, new)) => json!({ "label": (frame.banner)(*label), "new": new }),
        ("ListLabels", Answer::Labels(labels)) => {
            json!({ "labels": labels.iter().map(|label| (frame.banner)(*label)).collect::<Vec<_>>() })
        }
        _ => crossing::answer(action, answer)
            .or_else(|| lifts::answer(frame, action, answer))
            .or_else(|| releases::answer(frame, action, answer))?,
    };
    serde_json::to_vec(&value).ok()
}

/// The body of an error.
pub(crate) fn error(code: &str, message: &str) -> Vec<u8> {
    json!({ "__type": code, "message": message }).to_string().into_bytes()
}

fn spill(spill: &Spill) -> Value {
    let version = |one: &fastness_gate::SpilledVersion| {
        json!({
            "bucket": one.bucket,
            "key": one.key,
            "version_id": one.version,
            "size": one.size,
            "etag": one.etag,
            "modified": date(one.modified_ms),
            "copy": one.copy,
        })
    };
    json!({
        "spill": spill.id,
        "bucket": spill.bucket,
        "key": spill.key,
        "opened": date(spill.opened_ms),
        "opened_by": spill.opened_by.name,
        "versions": spill.versions.iter().map(version).collect::<Vec<_>>(),
    })
}

fn account(account: &Account) -> Value {
    json!({
        "account": account.number.to_string(),
        "name": account.name.as_str(),
        "created": date(account.created_ms),
    })
}

fn person(key: &AccessKey) -> Option<Value> {
    match &key.holder {
        Holder::Operator => None,
        Holder::User { name, .. } => Some(json!({
            "user": name.as_str(),
            "access_key_id": key.id.as_str(),
            "secret_access_key": key.secret.reveal(),
        })),
    }
}

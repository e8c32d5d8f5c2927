//! Crossings in Fastness's own API (see [`crate::json`] for its form).

use crate::arn::date;
use crate::call::{Malformed, shortened};
use crate::json::{MARKING_BYTES_MAX, fields, invalid, named};
use crate::releases;
use fastness_gate::{Answer, CrossingAnswer};
use fastness_identity::directory::Mapping;
use fastness_operation::{
    AccountNumber, BucketName, CROSSING_OBJECT_LEN_MAX, CrossingAct, CrossingWay, Half, MappingName, MappingWanted,
    MediaType, Operation, RegionName,
};
use serde::Deserialize;
use serde_json::{Value, json};

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
struct Sent {
    bucket: String,
    to: String,
    to_account: String,
    to_bucket: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Received {
    from: String,
    from_account: Option<String>,
    from_bucket: Option<String>,
    bucket: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapped {
    name: String,
    way: String,
    send: Option<Sent>,
    receive: Option<Received>,
    highest: String,
    types: Vec<String>,
    metadata: Option<Vec<String>>,
    object_bytes: Option<u64>,
    bytes_per_day: u64,
    objects_per_day: u64,
    at: Option<Vec<Put>>,
}

/// The operation of this target.
pub(crate) fn operation(target: &str, body: &[u8]) -> Result<Operation, Malformed> {
    let act = match target {
        "Fastness.PutMapping" => CrossingAct::PutMapping { mapping: Box::new(mapping(fields(body)?)?) },
        "Fastness.DeleteMapping" => {
            let Named { name } = fields(body)?;
            CrossingAct::DeleteMapping { name: MappingName::new(name).map_err(named)? }
        }
        "Fastness.ListMappings" => fields(body).map(|Nothing {}| CrossingAct::ListMappings)?,
        other => match (crate::lifts::act(other, body)?, releases::act(other, body)?) {
            (Some(act), _) | (None, Some(act)) => act,
            (None, None) => {
                let message = format!("there is no operation `{}`", shortened(other));
                return Err(Malformed::new("UnknownOperationException", message));
            }
        },
    };
    Ok(Operation::Crossing(Box::new(act)))
}

fn mapping(mapped: Mapped) -> Result<MappingWanted, Malformed> {
    let way = match mapped.way.as_str() {
        "lift" => CrossingWay::Lift,
        "release" => CrossingWay::Release,
        _ => return Err(invalid("the way of a mapping is `lift` or `release`")),
    };
    let half = match (mapped.send, mapped.receive) {
        (Some(half), None) => send(half)?,
        (None, Some(half)) => receive(half)?,
        _ => return Err(invalid("a half of a mapping either sends or receives: give `send` or `receive`")),
    };
    let kinds: Result<Vec<_>, _> = mapped.types.into_iter().map(MediaType::new).collect();
    let at = mapped.at.unwrap_or_default().into_iter().map(|row| Ok((marking(row.from)?, marking(row.to)?)));
    Ok(MappingWanted {
        name: MappingName::new(mapped.name).map_err(named)?,
        half,
        way,
        highest: marking(mapped.highest)?,
        types: kinds.map_err(named)?,
        metadata: mapped.metadata.unwrap_or_default(),
        object_len_max: mapped.object_bytes.unwrap_or(CROSSING_OBJECT_LEN_MAX),
        bytes_per_day: mapped.bytes_per_day,
        objects_per_day: mapped.objects_per_day,
        at: at.collect::<Result<_, Malformed>>()?,
    })
}

fn send(half: Sent) -> Result<Half, Malformed> {
    Ok(Half::Send {
        bucket: BucketName::new(half.bucket).map_err(named)?,
        to: RegionName::new(half.to).map_err(named)?,
        to_account: account(&half.to_account)?,
        to_bucket: BucketName::new(half.to_bucket).map_err(named)?,
    })
}

fn receive(half: Received) -> Result<Half, Malformed> {
    Ok(Half::Receive {
        from: RegionName::new(half.from).map_err(named)?,
        from_account: half.from_account.as_deref().map(account).transpose()?,
        from_bucket: half.from_bucket.map(BucketName::new).transpose().map_err(named)?,
        bucket: BucketName::new(half.bucket).map_err(named)?,
    })
}

fn account(number: &str) -> Result<AccountNumber, Malformed> {
    number.parse().map_err(named)
}

pub(crate) fn marking(text: String) -> Result<String, Malformed> {
    if text.is_empty() || text.len() > MARKING_BYTES_MAX {
        return Err(invalid(format!("a label is a marking of 1 to {MARKING_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// The answer as JSON; none when it is not the one that goes with the operation.
pub(crate) fn answer(action: &str, answer: &Answer) -> Option<Value> {
    match (action, answer) {
        ("DeleteMapping", Answer::Done) => Some(json!({})),
        (_, Answer::Crossing(answer)) => match (action, answer.as_ref()) {
            ("PutMapping", CrossingAnswer::Mapping(mapping)) => Some(shown(mapping)),
            ("ListMappings", CrossingAnswer::Mappings(all)) => {
                Some(json!({ "mappings": all.iter().map(shown).collect::<Vec<_>>() }))
            }
            _ => None,
        },
        _ => None,
    }
}

fn shown(mapping: &Mapping) -> Value {
    let types: Vec<&str> = mapping.types.iter().map(MediaType::as_str).collect();
    let at: Vec<Value> = mapping.at.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect();
    let mut value = json!({
        "name": mapping.name.as_str(),
        "way": mapping.way.name(),
        "highest": mapping.highest,
        "types": types,
        "metadata": mapping.metadata,
        "object_bytes": mapping.object_len_max,
        "bytes_per_day": mapping.bytes_per_day,
        "objects_per_day": mapping.objects_per_day,
        "at": at,
        "made": date(mapping.made_ms),
        "made_by": mapping.made_by.as_str(),
    });
    let (side, half) = match &mapping.half {
        Half::Send { bucket, to, to_account, to_bucket } => {
            let (bucket, to, to_bucket) = (bucket.as_str(), to.as_str(), to_bucket.as_str());
            (
                "send",
                json!({ "bucket": bucket, "to": to, "to_account": to_account.to_string(), "to_bucket": to_bucket }),
            )
        }
        Half::Receive { from, from_account, from_bucket, bucket } => {
            let from_account = from_account.map(|account| account.to_string());
            let from_bucket = from_bucket.as_ref().map(BucketName::as_str);
            let (from, bucket) = (from.as_str(), bucket.as_str());
            let half =
                json!({ "from": from, "from_account": from_account, "from_bucket": from_bucket, "bucket": bucket });
            ("receive", half)
        }
    };
    if let Some(members) = value.as_object_mut() {
        members.insert(side.to_owned(), half);
    }
    value
}

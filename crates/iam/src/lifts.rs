//! Lifts, arrivals and missing bundles in Fastness's own API (see [`crate::json`] for its form).

use crate::Frame;
use crate::arn::date;
use crate::call::Malformed;
use crate::json::{fields, invalid, named};
use fastness_gate::{
    Answer, Arrival, ArrivalState, ArrivedContents, ArrivedObject, CrossingAnswer, FoundArrival, FoundGaps, Lift,
};
use fastness_label::Label;
use fastness_operation::{BucketName, BundleId, CrossingAct, LiftId, MappingName, Purpose, RegionName};

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The most of one page.
const PAGE_LEN_MAX: u16 = 1_000;
/// The length of a page that nobody asked for.
const PAGE_LEN: u16 = 100;
/// The longest beginning of a key: no key is longer.
const PREFIX_BYTES_MAX: usize = 1_024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Started {
    bucket: String,
    prefix: Option<String>,
    to: String,
    mapping: Option<String>,
    standing: Option<bool>,
    purpose: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfLift {
    lift: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<String>,
    limit: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArrivalPage {
    from: String,
    after: Option<String>,
    limit: Option<u16>,
    troubled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRegion {
    from: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfBundle {
    from: String,
    bundle: String,
}

/// The operation of this target, if it is one of lifts or arrivals.
pub(crate) fn act(target: &str, body: &[u8]) -> Result<Option<CrossingAct>, Malformed> {
    Ok(Some(match target {
        "Fastness.StartLift" => start(fields(body)?)?,
        "Fastness.StopLift" => CrossingAct::StopLift { lift: lift_id(body)? },
        "Fastness.DescribeLift" => CrossingAct::DescribeLift { lift: lift_id(body)? },
        "Fastness.ListLifts" => {
            let Page { after, limit } = fields(body)?;
            let after = after.map(LiftId::new).transpose().map_err(named)?;
            CrossingAct::ListLifts { after, limit: page_len(limit)? }
        }
        "Fastness.ListArrivals" => {
            let ArrivalPage { from, after, limit, troubled } = fields(body)?;
            let after = after.map(BundleId::new).transpose().map_err(named)?.map(String::from);
            let (from, limit) = (RegionName::new(from).map_err(named)?, page_len(limit)?);
            CrossingAct::ListArrivals { from, after, limit, troubled: troubled.unwrap_or_default() }
        }
        "Fastness.FindArrival" => {
            let OfBundle { from, bundle } = fields(body)?;
            let (from, bundle) = (RegionName::new(from).map_err(named)?, BundleId::new(bundle).map_err(named)?);
            CrossingAct::FindArrival { from, bundle }
        }
        "Fastness.ListGaps" => {
            let OfRegion { from } = fields(body)?;
            CrossingAct::ListGaps { from: RegionName::new(from).map_err(named)? }
        }
        _ => return Ok(None),
    }))
}

fn start(started: Started) -> Result<CrossingAct, Malformed> {
    let prefix = started.prefix.unwrap_or_default();
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err(invalid(format!("a key begins with at most {PREFIX_BYTES_MAX} bytes")));
    }
    Ok(CrossingAct::StartLift {
        bucket: BucketName::new(started.bucket).map_err(named)?,
        prefix,
        to: RegionName::new(started.to).map_err(named)?,
        mapping: started.mapping.map(MappingName::new).transpose().map_err(named)?,
        standing: started.standing.unwrap_or_default(),
        purpose: started.purpose.map(Purpose::new).transpose().map_err(named)?,
    })
}

fn lift_id(body: &[u8]) -> Result<LiftId, Malformed> {
    let OfLift { lift } = fields(body)?;
    LiftId::new(lift).map_err(named)
}

pub(crate) fn page_len(limit: Option<u16>) -> Result<u16, Malformed> {
    match limit.unwrap_or(PAGE_LEN) {
        limit @ 1..=PAGE_LEN_MAX => Ok(limit),
        _ => Err(invalid(format!("a page has 1 to {PAGE_LEN_MAX}"))),
    }
}

/// The answer as JSON; none when it is not the one that goes with the operation.
pub(crate) fn answer(frame: &Frame<'_>, action: &str, answer: &Answer) -> Option<Value> {
    let Answer::Crossing(answer) = answer else { return None };
    match (action, answer.as_ref()) {
        ("StartLift" | "StopLift" | "DescribeLift", CrossingAnswer::Lift(found)) => Some(lift(found)),
        ("ListLifts", CrossingAnswer::Lifts(all, more)) => {
            Some(json!({ "lifts": all.iter().map(lift).collect::<Vec<_>>(), "more": more }))
        }
        ("FindArrival", CrossingAnswer::Arrival(found)) => Some(found_arrival(frame, found)),
        ("ListArrivals", CrossingAnswer::Arrivals(all, more)) => {
            let all: Vec<Value> = all.iter().map(|one| arrival(frame, one)).collect();
            Some(json!({ "arrivals": all, "more": more }))
        }
        ("ListGaps", CrossingAnswer::Gaps(found)) => Some(gaps(found)),
        _ => None,
    }
}

fn gaps(found: &FoundGaps) -> Value {
    let FoundGaps { from, gaps, highest, highest_seen_ms } = found;
    let seen = (*highest > 0).then(|| date(*highest_seen_ms));
    json!({ "from": from.as_str(), "gaps": gaps, "highest": highest, "highest_seen": seen })
}

fn lift(lift: &Lift) -> Value {
    let left_out = lift.left_out.iter().map(|(why, count)| (why.name().to_owned(), json!(count)));
    json!({
        "lift": lift.id.as_str(),
        "bucket": lift.bucket.as_str(),
        "prefix": lift.prefix,
        "to": lift.to.as_str(),
        "mapping": lift.mapping.as_str(),
        "standing": lift.standing,
        "purpose": lift.purpose.as_ref().map(Purpose::as_str),
        "ordered_by": lift.by.name,
        "started": date(lift.started_ms),
        "ended": lift.ended_ms.map(date),
        "state": lift.state.name(),
        "found": lift.found,
        "sent": lift.sent,
        "left_out": left_out.collect::<Map<_, _>>(),
        "bytes": lift.bytes,
        "bundles": lift.bundles,
        "why": lift.stopped,
    })
}

fn arrival(frame: &Frame<'_>, (label, arrival): &(Label, Arrival)) -> Value {
    let state = match arrival.state {
        ArrivalState::Arriving => "arriving",
        ArrivalState::Arrived => "arrived",
    };
    let finding = |(key, findings): &(String, Vec<String>)| json!({ "key": key, "findings": findings });
    let refusal = |(key, code): &(String, String)| json!({ "key": key, "code": code });
    json!({
        "bundle": arrival.bundle.as_str(),
        "from": arrival.from.as_str(),
        "kind": arrival.head.kind,
        "crossing": arrival.head.crossing,
        "bucket": arrival.bucket.as_str(),
        "came_as": arrival.head.label,
        "label": (frame.banner)(*label),
        "state": state,
        "at": date(arrival.at_ms),
        "objects": arrival.head.objects,
        "accepted": arrival.accepted,
        "quarantined": arrival.quarantined,
        "refused": arrival.refused,
        "stopped": arrival.findings.iter().map(finding).collect::<Vec<_>>(),
        "refusals": arrival.refusals.iter().map(refusal).collect::<Vec<_>>(),
        "spills": arrival.spills,
    })
}

/// A bundle, its row as long as that is kept, and its objects for those who may know.
fn found_arrival(frame: &Frame<'_>, found: &FoundArrival) -> Value {
    let object = |one: &ArrivedObject| {
        json!({
            "label": (frame.banner)(one.label),
            "bucket": one.bucket,
            "key": one.key,
            "version_id": one.version,
            "at": date(one.time_ms),
            "state": one.state,
        })
    };
    let forgotten =
        || json!({ "bundle": found.bundle.as_str(), "from": found.from.as_str(), "state": "in the ledger alone" });
    let mut value = found.row.as_ref().map_or_else(forgotten, |row| arrival(frame, row));
    if let (Some(fields), Some(ArrivedContents { objects, is_complete })) = (value.as_object_mut(), &found.contents) {
        fields.insert("session".to_owned(), json!((frame.banner)(found.session)));
        fields.insert("contents".to_owned(), objects.iter().map(object).collect());
        fields.insert("complete".to_owned(), json!(is_complete));
    }
    value
}

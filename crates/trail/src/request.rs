//! CloudTrail's requests: an operation's name in the header `x-amz-target`, JSON in the body → [`Operation`].
//!
//! The members and their rules are those of botocore's service model (`cloudtrail/2013-11-01`).

use crate::{Malformed, SERVICE};
use fastness_operation::{Disclosing, EventAttribute, EventFilter, Operation};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The media type of bodies in both directions.
pub(crate) const MEDIA_TYPE: &str = "application/x-amz-json-1.1";
const TARGET: &str = "x-amz-target";
/// What an operation's name follows in the target; older clients leave out what the first begins with.
const TARGETS: [&str; 2] = ["com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.", "CloudTrail_20131101."];
/// Events of a page at most, and when nobody says.
const RESULTS_MAX: u8 = 50;
const VALUE_LEN_MAX: usize = 2_000;
/// From the year 1 to the year 9999, in seconds since 1970.
const TIMES: std::ops::RangeInclusive<f64> = -62_135_596_800.0..=253_402_300_799.0;

/// CloudTrail's operations that are not offered.
const NOT_OFFERED: &str = "AddTags CancelQuery CreateChannel CreateDashboard CreateEventDataStore CreateTrail DeleteChannel \
    DeleteDashboard DeleteEventDataStore DeleteResourcePolicy DeleteTrail DeregisterOrganizationDelegatedAdmin \
    DescribeQuery DescribeTrails DisableFederation EnableFederation GenerateQuery GetChannel GetDashboard \
    GetEventConfiguration GetEventDataStore GetEventSelectors GetImport GetInsightSelectors GetQueryResults \
    GetResourcePolicy GetTrail GetTrailStatus ListChannels ListDashboards ListEventDataStores ListImportFailures \
    ListImports ListInsightsData ListInsightsMetricData ListPublicKeys ListQueries ListTags ListTrails \
    PutEventConfiguration PutEventSelectors PutInsightSelectors PutResourcePolicy \
    RegisterOrganizationDelegatedAdmin RemoveTags RestoreEventDataStore SearchSampleQueries \
    StartDashboardRefresh StartEventDataStoreIngestion StartImport StartLogging StartQuery \
    StopEventDataStoreIngestion StopImport StopLogging UpdateChannel UpdateDashboard UpdateEventDataStore \
    UpdateTrail";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Lookup {
    lookup_attributes: Option<Vec<Attribute>>,
    start_time: Option<f64>,
    end_time: Option<f64>,
    event_category: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Attribute {
    attribute_key: String,
    attribute_value: String,
}

impl Malformed {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, status: 400, message: message.into(), what: String::new() }
    }

    fn of(self, what: &str) -> Self {
        Self { what: shortened(what), ..self }
    }
}

/// At most 128 characters of a caller's text, for a message or a record.
fn shortened(text: &str) -> String {
    text.chars().take(128).collect()
}

/// What the request says that it wants.
fn target(headers: &HeaderMap) -> Option<&str> {
    let mut targets = headers.get_all(TARGET).iter();
    let target = targets.next()?.to_str().ok()?;
    targets.next().is_none().then_some(target)
}

/// The operation's name, if it is said to be one of CloudTrail.
pub(crate) fn name(headers: &HeaderMap) -> Option<&str> {
    let target = target(headers)?;
    TARGETS.iter().find_map(|prefix| target.strip_prefix(prefix))
}

/// The request as an operation, without asking anybody.
pub(crate) fn parse(method: &Method, headers: &HeaderMap, body: &[u8]) -> Result<Operation, Malformed> {
    if method != Method::POST {
        let message = format!("`{}` has no meaning here; send a POST", shortened(method.as_str()));
        return Err(Malformed { status: 405, ..Malformed::new("MethodNotAllowed", message) }.of(SERVICE));
    }
    let Some(target) = target(headers) else {
        let message = format!("the request must name its operation in one header `{TARGET}`");
        return Err(Malformed::new("UnknownOperationException", message).of(SERVICE));
    };
    let name = name(headers).unwrap_or_default();
    let what = format!("{SERVICE} {}", if name.is_empty() { target } else { name });
    match name {
        "LookupEvents" if is_json(headers) => lookup(body).map_err(|malformed| malformed.of(&what)),
        "DiscloseEvents" if is_json(headers) => disclose(body).map_err(|malformed| malformed.of(&what)),
        "LookupEvents" | "DiscloseEvents" => {
            let message = format!("the body must be of the type {MEDIA_TYPE}");
            Err(Malformed::new("SerializationException", message).of(&what))
        }
        name if NOT_OFFERED.split(' ').any(|known| known == name) => {
            let message = format!("{name} is not offered: the ledger is kept always, and read by LookupEvents");
            Err(Malformed::new("UnsupportedOperationException", message).of(&what))
        }
        _ => {
            let message = format!("there is no operation `{}`", shortened(target));
            Err(Malformed::new("UnknownOperationException", message).of(&what))
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let is = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA_TYPE)
    };
    headers.get_all(CONTENT_TYPE).iter().all(is)
}

fn lookup(body: &[u8]) -> Result<Operation, Malformed> {
    let (filter, limit, token) = searched(body)?;
    Ok(Operation::LookupEvents { filter, limit, token })
}

/// What a disclosure has beside the members of a lookup.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
struct Disclose {
    hide_fields: Vec<String>,
    withhold_labels: Vec<String>,
    known: BTreeMap<String, u64>,
}

/// Names of a disclosure at most, of each kind.
const NAMES_MAX: usize = 128;

fn disclose(body: &[u8]) -> Result<Operation, Malformed> {
    let malformed = |error: serde_json::Error| Malformed::new("SerializationException", shortened(&error.to_string()));
    let mut members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).map_err(malformed)?;
    let mut own = serde_json::Map::new();
    for name in ["HideFields", "WithholdLabels", "Known"] {
        own.extend(members.remove(name).map(|value| (name.to_owned(), value)));
    }
    let Disclose { hide_fields, withhold_labels, known } =
        serde_json::from_value(serde_json::Value::Object(own)).map_err(malformed)?;
    let invalid = |message: String| Malformed::new("ValidationException", message);
    if let Some(other) = hide_fields.iter().find(|name| !fastness_gate::FIELDS.contains(&name.as_str())) {
        let names = fastness_gate::FIELDS.join(", ");
        return Err(invalid(format!("there is no field `{}`; fields: {names}", shortened(other))));
    }
    if [hide_fields.len(), withhold_labels.len(), known.len()].into_iter().any(|count| count > NAMES_MAX) {
        return Err(invalid(format!("at most {NAMES_MAX} names of a kind")));
    }
    let rest = serde_json::to_vec(&members).map_err(malformed)?;
    let (filter, limit, token) = searched(&rest)?;
    let (hidden, withheld) = (hide_fields, withhold_labels);
    Ok(Operation::DiscloseEvents { disclosing: Box::new(Disclosing { filter, limit, token, hidden, withheld, known }) })
}

/// The members of a lookup.
fn searched(body: &[u8]) -> Result<(EventFilter, u8, Option<String>), Malformed> {
    // A structure could also be read from an array; only an object is meant.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed::new("SerializationException", "the body must be a JSON object"));
    }
    let asked: Lookup = serde_json::from_slice(body)
        .map_err(|error| Malformed::new("SerializationException", shortened(&error.to_string())))?;
    let mut attributes = asked.lookup_attributes.unwrap_or_default().into_iter();
    let one = attributes.next().map(attribute).transpose()?;
    if attributes.next().is_some() {
        let message = "Only one lookup attribute may be specified.";
        return Err(Malformed::new("InvalidLookupAttributesException", message));
    }
    let from_ms = asked.start_time.map(milliseconds).transpose()?;
    // A time that is given in whole seconds means all of its second.
    let end = |seconds: f64| Ok(milliseconds(seconds)? + if seconds.fract() == 0.0 { 999 } else { 0 });
    let until_ms = asked.end_time.map(end).transpose()?;
    let filter = EventFilter {
        attribute: one,
        from_ms: from_ms.unwrap_or(i64::MIN),
        until_ms: until_ms.unwrap_or(i64::MAX),
        insights: insights(asked.event_category.as_deref())?,
    };
    if filter.from_ms > filter.until_ms {
        let message = "The start time specified occurs after the end time.";
        return Err(Malformed::new("InvalidTimeRangeException", message));
    }
    let limit = match asked.max_results {
        None => RESULTS_MAX,
        Some(number) => {
            u8::try_from(number).ok().filter(|number| (1..=RESULTS_MAX).contains(number)).ok_or_else(|| {
                let message = format!("The maximum number of results must be between 1 and {RESULTS_MAX}.");
                Malformed::new("InvalidMaxResultsException", message)
            })?
        }
    };
    Ok((filter, limit, asked.next_token))
}

fn insights(category: Option<&str>) -> Result<bool, Malformed> {
    match category {
        None => Ok(false),
        Some("insight") => Ok(true),
        Some(_) => Err(Malformed::new("InvalidEventCategoryException", "The event category is not valid: insight is.")),
    }
}

fn attribute(Attribute { attribute_key: key, attribute_value: value }: Attribute) -> Result<EventAttribute, Malformed> {
    let invalid = |message: String| Malformed::new("InvalidLookupAttributesException", message);
    // LookupAttribute, `AttributeValue`: these count twice.
    let weight = |letter: char| if matches!(letter, '_' | ' ' | ',' | '\n') { 2 } else { 1 };
    if value.is_empty() || value.chars().map(weight).sum::<usize>() > VALUE_LEN_MAX {
        return Err(invalid(format!("The value of an attribute has 1 to {VALUE_LEN_MAX} characters.")));
    }
    Ok(match key.as_str() {
        "AccessKeyId" => EventAttribute::AccessKeyId(value),
        "EventId" => EventAttribute::EventId(value),
        "EventName" => EventAttribute::EventName(value),
        "EventSource" => EventAttribute::EventSource(value),
        "ResourceName" => EventAttribute::ResourceName(value),
        "ResourceType" => EventAttribute::ResourceType(value),
        "Username" => EventAttribute::Username(value),
        "ReadOnly" => match value.to_ascii_lowercase().as_str() {
            "true" => EventAttribute::ReadOnly(true),
            "false" => EventAttribute::ReadOnly(false),
            _ => return Err(invalid("The value of ReadOnly is true or false.".to_owned())),
        },
        other => return Err(invalid(format!("There is no lookup attribute `{}`.", shortened(other)))),
    })
}

fn milliseconds(seconds: f64) -> Result<i64, Malformed> {
    if TIMES.contains(&seconds) {
        Ok((seconds * 1_000.0).round() as i64)
    } else {
        Err(Malformed::new("InvalidTimeRangeException", "The time range is outside the range of possible values."))
    }
}

//! Entries of the ledger as CloudTrail's events (its user guide, "CloudTrail record contents", "userIdentity element").

use fastness_ledger::{DisclosedPage, Entry, Found, Kind, Outcome, Page, Touched, event_id};
use fastness_operation::arn_partition;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

/// The version of CloudTrail's record that this is.
const EVENT_VERSION: &str = "1.11";

/// Resources of an event that are shown; one request may name a thousand.
const RESOURCES_MAX: usize = 100;

/// The account number of the operator, who is of no account.
const NO_ACCOUNT: &str = "000000000000";

/// The body of LookupEvents's answer.
pub(crate) fn page(region: &str, page: &Page) -> Value {
    let mut body = Map::new();
    body.insert("Events".to_owned(), page.events.iter().map(|found| shown(region, found)).collect());
    put(&mut body, "NextToken", page.token.as_deref());
    Value::Object(body)
}

/// A page of disclosures, as JSON. Checkpoints and records are lines of a package as they are.
pub(crate) fn disclosed(page: &DisclosedPage) -> Value {
    let mut body = Map::new();
    // Plain data with names for keys: it becomes JSON.
    body.insert("Checkpoints".to_owned(), serde_json::to_value(&page.checkpoints).unwrap_or_default());
    body.insert("Records".to_owned(), serde_json::to_value(&page.records).unwrap_or_default());
    body.insert("Unsigned".to_owned(), json!(page.unsigned));
    put(&mut body, "NextToken", page.token.as_deref());
    Value::Object(body)
}

/// Sets a member, unless it is empty.
fn put(to: &mut Map<String, Value>, name: &str, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        to.insert(name.to_owned(), json!(text));
    }
}

/// An event in a page.
fn shown(region: &str, found: &Found) -> Value {
    let entry = &found.entry;
    let mut event = Map::new();
    put(&mut event, "EventId", Some(&event_id(&found.commitment)));
    put(&mut event, "EventName", Some(entry.event_name()));
    put(&mut event, "EventSource", Some(entry.event_source()));
    put(&mut event, "ReadOnly", Some(if entry.is_read_only() { "true" } else { "false" }));
    put(&mut event, "AccessKeyId", Some(&entry.key));
    put(&mut event, "Username", Some(entry.user_name()));
    event.insert("EventTime".to_owned(), json!(entry.time_ms as f64 / 1_000.0));
    let resources = resources(entry).map(|(kind, name)| {
        json!({
            "ResourceType": kind.type_name(),
            "ResourceName": name,
        })
    });
    event.insert("Resources".to_owned(), resources.collect());
    event.insert("CloudTrailEvent".to_owned(), json!(record(region, found).to_string()));
    Value::Object(event)
}

/// What an entry names, each once: an object's bucket, too.
fn resources(entry: &Entry) -> impl Iterator<Item = (Kind, String)> {
    let mut seen = std::collections::BTreeSet::new();
    let with_bucket = |touched: Touched<'_>| {
        let bucket = touched.key().and(touched.bucket()).map(|bucket| (Kind::Bucket, bucket.to_owned()));
        [Some((touched.kind, touched.name.into_owned())), bucket]
    };
    let all = entry.touched().take(RESOURCES_MAX).flat_map(with_bucket).flatten();
    all.filter(move |(kind, name)| seen.insert((kind.type_name(), name.clone())))
}

/// The event as CloudTrail's record.
fn record(region: &str, found: &Found) -> Value {
    let (entry, partition) = (&found.entry, arn_partition(region));
    let is_data = entry.is_data_event();
    let mut event = Map::new();
    let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
    set("eventVersion", json!(EVENT_VERSION));
    set("userIdentity", identity(partition, entry));
    set("eventTime", json!(date(entry.time_ms)));
    set("eventSource", json!(entry.event_source()));
    set("eventName", json!(entry.event_name()));
    set("awsRegion", json!(region));
    set("sourceIPAddress", json!(entry.source));
    set("userAgent", json!(entry.agent));
    let verdict = verdict(&entry.outcome);
    if let Some((reason, code)) = verdict.refused {
        set("errorCode", json!(code));
        set("errorMessage", json!(reason));
    }
    set("requestParameters", parameters(entry));
    set("responseElements", answered(&entry.outcome));
    set("additionalEventData", additional(found, &verdict));
    set("requestID", json!(hex::encode_upper(entry.request)));
    set("eventID", json!(event_id(&found.commitment)));
    set("readOnly", json!(entry.is_read_only()));
    set("resources", resources(entry).map(|(kind, name)| resource(partition, entry, kind, &name)).collect());
    set("eventType", json!(if entry.principal == "region" { "AwsServiceEvent" } else { "AwsApiCall" }));
    set("managementEvent", json!(!is_data));
    set("eventCategory", json!(if is_data { "Data" } else { "Management" }));
    if !entry.account.is_empty() {
        set("recipientAccountId", json!(entry.account));
    }
    Value::Object(event)
}

/// Who: what their entry says of them, and no more. The unique id that IAM gives a user is not recorded.
fn identity(partition: &str, entry: &Entry) -> Value {
    let mut who = Map::new();
    let known = |account: &str| format!("arn:{partition}:iam::{account}:{}", entry.principal);
    let (kind, arn) = match entry.principal.as_str() {
        "" => ("Unknown", None),
        "region" => ("AWSService", None),
        "operator" => ("Root", Some(known(NO_ACCOUNT))),
        _ => ("IAMUser", Some(known(&entry.account))),
    };
    put(&mut who, "type", Some(kind));
    put(&mut who, "arn", arn.as_deref());
    put(&mut who, "accountId", Some(&entry.account));
    put(&mut who, "accessKeyId", Some(&entry.key));
    put(&mut who, "userName", Some(entry.user_name()).filter(|_| kind != "AWSService"));
    put(&mut who, "invokedBy", Some("fastness").filter(|_| kind == "AWSService"));
    Value::Object(who)
}

/// What was decided.
struct Verdict<'a> {
    decision: &'static str,
    /// Reason and code of the first refusal.
    refused: Option<(&'a str, &'a str)>,
}

fn verdict(outcome: &Outcome) -> Verdict<'_> {
    match outcome {
        Outcome::Done(_) => Verdict { decision: "allowed", refused: None },
        Outcome::Refused(reason, code) => Verdict { decision: "refused", refused: Some((reason, code)) },
        Outcome::Each(all) => {
            let mut refused = all.iter().filter_map(|one| verdict(one).refused);
            let first = refused.next();
            let count = usize::from(first.is_some()) + refused.count();
            let decision = match count {
                0 => "allowed",
                count if count == all.len() => "refused",
                _ => "partly",
            };
            Verdict { decision, refused: first }
        }
    }
}

/// The request's members as far as they are recorded, and the resources as they are recorded.
fn parameters(entry: &Entry) -> Value {
    if entry.resources.is_empty() {
        return Value::Null;
    }
    let mut members = Map::new();
    // Of a copy the target: what is written is what the operation is about.
    let of_s3 = |touched: &Touched<'_>| touched.bucket().is_some();
    let named: Vec<Touched<'_>> = entry.touched().take(RESOURCES_MAX).collect();
    if let Some(about) = named.iter().find(|touched| touched.writes && of_s3(touched)).or_else(|| named.first()) {
        put(&mut members, "bucketName", about.bucket());
        match about.kind {
            Kind::User => put(&mut members, "userName", Some(&about.name)),
            Kind::AccessKey => put(&mut members, "accessKeyId", Some(&about.name)),
            // Which of many is no member of a deletion of many.
            _ if entry.operation == "DeleteObjects" => {}
            _ => {
                put(&mut members, "key", about.key());
                put(&mut members, "versionId", about.version);
            }
        }
    }
    if let Some(from) = named.iter().find(|touched| !touched.writes && named.len() > 1 && touched.key().is_some()) {
        put(&mut members, "x-amz-copy-source", Some(&from.name));
    }
    members.insert("recorded".to_owned(), entry.resources.iter().take(RESOURCES_MAX).cloned().collect());
    if entry.resources.len() > RESOURCES_MAX {
        members.insert("omitted".to_owned(), json!(entry.resources.len() - RESOURCES_MAX));
    }
    Value::Object(members)
}

/// What was made, as far as it is recorded.
fn answered(outcome: &Outcome) -> Value {
    let told = |one: &Outcome| match one {
        Outcome::Done(made) => json!({ "made": made }),
        Outcome::Refused(reason, code) => json!({ "errorCode": code, "errorMessage": reason }),
        Outcome::Each(_) => Value::Null,
    };
    match outcome {
        Outcome::Done(Some(made)) => json!({ "made": made }),
        Outcome::Each(all) => json!({ "each": all.iter().take(RESOURCES_MAX).map(told).collect::<Vec<_>>() }),
        Outcome::Done(None) | Outcome::Refused(..) => Value::Null,
    }
}

/// What is Fastness's own: labels, duties, the decision, and where the entry lies in which ledger, so that it can be proven.
fn additional(found: &Found, verdict: &Verdict<'_>) -> Value {
    let entry = &found.entry;
    let mut more = Map::new();
    put(&mut more, "label", Some(&entry.label));
    put(&mut more, "duty", Some(&entry.duty));
    put(&mut more, "nationality", Some(&entry.nationality));
    put(&mut more, "decision", Some(verdict.decision));
    put(&mut more, "reason", verdict.refused.map(|(reason, _)| reason));
    let commitment = hex::encode(found.commitment);
    more.insert("ledger".to_owned(), json!({ "label": found.ledger, "index": found.number, "commitment": commitment }));
    Value::Object(more)
}

fn resource(partition: &str, entry: &Entry, kind: Kind, name: &str) -> Value {
    let mut resource = Map::new();
    let account = &entry.account;
    let arn = match kind {
        Kind::Bucket | Kind::Object => Some(format!("arn:{partition}:s3:::{name}")),
        Kind::User => Some(format!("arn:{partition}:iam::{account}:user/{name}")),
        Kind::AccessKey
        | Kind::Account
        | Kind::Label
        | Kind::Spill
        | Kind::Mapping
        | Kind::Lift
        | Kind::Release
        | Kind::Bundle => None,
    };
    put(&mut resource, "type", Some(kind.type_name()));
    put(&mut resource, "ARN", arn.as_deref());
    // Of a bucket the entry does not say whose it is.
    put(&mut resource, "accountId", Some(account.as_str()).filter(|_| kind == Kind::User));
    if arn.is_none() {
        put(&mut resource, "name", Some(name));
    }
    Value::Object(resource)
}

/// A date: seconds, UTC.
fn date(ms: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    moment.format(&form).unwrap_or_default()
}

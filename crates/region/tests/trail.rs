//! LookupEvents over ledgers that are packed meanwhile: what lies in segments is found as it was found before.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
#[expect(dead_code, reason = "the histories use more of it")]
mod support;

use fastness_ledger::{Entry, Outcome, digest};
use serde_json::{Value, json};
use support::{Ask, House, S, Template, U};

/// More than a segment, and a tail.
const ENTRIES: u64 = 4_700;

const WHO: [&str; 3] = ["ann", "bob", "cid"];

fn entry(account: &str, label: &str, number: u64) -> Entry {
    let pick = |of: &[&str]| of.iter().cycle().nth(number as usize % 60).copied().unwrap_or_default().to_owned();
    let rare = number.is_multiple_of(1_999);
    Entry {
        time_ms: 1_790_000_000_000 + 100 * number as i64,
        request: number.to_be_bytes(),
        service: "s3".to_owned(),
        operation: pick(&["GetObject", "PutObject", "HeadObject", "GetObject"]),
        principal: format!("user/{}", pick(&WHO)),
        account: account.to_owned(),
        key: format!("AKIA{}", pick(&WHO)),
        label: label.to_owned(),
        nationality: "USA".to_owned(),
        duty: String::new(),
        agent: String::new(),
        resources: vec![if rare { format!("read rare/{number}") } else { format!("read common/{}", pick(&WHO)) }],
        outcome: Outcome::Done(None),
        source: "192.0.2.1".to_owned(),
    }
}

/// Every page of a lookup.
async fn pages(template: &Template, house: &House, lookup: &Value) -> Vec<String> {
    let (mut found, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut body = lookup.clone();
        if let Some(token) = &token {
            body["NextToken"] = json!(token);
        }
        let answer = house.send(template.cast.get("vera SECRET"), &Ask::trail("LookupEvents", &body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page: Value = serde_json::from_str(&answer.text()).unwrap();
        token = page["NextToken"].as_str().map(str::to_owned);
        found.push(answer.text());
        if token.is_none() {
            return found;
        }
    }
}

fn count(pages: &[String]) -> usize {
    let events = |page: &String| serde_json::from_str::<Value>(page).unwrap()["Events"].as_array().unwrap().len();
    pages.iter().map(events).sum()
}

#[tokio::test]
async fn packing_changes_no_answer() {
    let template = Template::make().await;
    let house = template.open();
    let who = house.send(template.cast.get("vera SECRET"), &Ask::form("sts", &[("Action", "GetCallerIdentity")])).await;
    let account = who.one("Account");
    for label in [U, S] {
        for number in 0..ENTRIES {
            let record = entry(&account, label, number).record(&[number as u8; 32]);
            house.store.note(template.label(label), record).await.unwrap();
        }
    }
    house.store.flush().await.unwrap();
    let by = |key: &str, value: &str| json!([{ "AttributeKey": key, "AttributeValue": value }]);
    let (from, until) = (1_790_000_000, 1_790_000_040);
    let lookups = [
        (json!({ "LookupAttributes": by("ResourceName", "rare") }), 6),
        (json!({ "LookupAttributes": by("ResourceName", "rare/1999"), "MaxResults": 1 }), 2),
        (json!({ "LookupAttributes": by("AccessKeyId", "AKIAbob"), "EndTime": until }), 274),
        (json!({ "LookupAttributes": by("EventName", "PutObject"), "StartTime": from, "EndTime": until }), 206),
        (json!({ "LookupAttributes": by("Username", "cid"), "StartTime": 1_790_000_460 }), 66),
        (json!({ "LookupAttributes": by("ResourceType", "AWS::S3::Object"), "EndTime": from }), 20),
        (json!({ "EndTime": from, "MaxResults": 7 }), 20),
        (json!({ "LookupAttributes": by("Username", "nobody") }), 0),
    ];
    let mut before = Vec::new();
    for (lookup, expected) in &lookups {
        let found = pages(&template, &house, lookup).await;
        assert_eq!(count(&found), *expected, "{lookup}");
        before.push(found);
    }
    for label in [U, S] {
        while house.store.pack(template.label(label), digest).await.unwrap() {}
        assert_eq!(house.store.ledger(template.label(label)).unwrap().packed, 4_096);
    }
    for ((lookup, _), before) in lookups.iter().zip(before) {
        assert_eq!(pages(&template, &house, lookup).await, before, "{lookup}");
    }
}

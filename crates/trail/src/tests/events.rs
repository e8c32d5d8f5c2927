use crate::event::page;
use fastness_ledger::{Entry, Found, Outcome, Page};
use serde_json::{Value, json};

fn entry() -> Entry {
    Entry {
        time_ms: 1_790_000_000_123,
        request: [0xab; 8],
        service: "s3".into(),
        operation: "GetObject".into(),
        principal: "user/staff/ann".into(),
        account: "123456789012".into(),
        key: "AKIAEXAMPLEEXAMPLE12".into(),
        label: "SECRET".into(),
        nationality: "USA".into(),
        duty: String::new(),
        agent: "aws-cli/2".into(),
        resources: vec!["read plans/a b?versionId=v1".into()],
        outcome: Outcome::Refused("not-in-view".into(), "NoSuchKey".into()),
        source: "127.0.0.1".into(),
    }
}

fn shown(entry: Entry) -> (Value, Value) {
    let found = Found { ledger: "SECRET".into(), number: 7, commitment: [0x11; 32], entry, salt: [0; 16] };
    let page = page("us-isob-east-1", &Page { events: vec![found], token: None });
    assert_eq!(page.get("NextToken"), None);
    let mut event = page["Events"][0].clone();
    let record = event.as_object_mut().unwrap().remove("CloudTrailEvent").unwrap();
    (event, serde_json::from_str(record.as_str().unwrap()).unwrap())
}

#[test]
fn a_refused_read_of_an_object_is_an_event_as_cloud_trail_writes_it() {
    let (event, record) = shown(entry());
    assert_eq!(
        event,
        json!({
            "EventId": "11111111-1111-8111-9111-111111111111",
            "EventName": "GetObject",
            "EventSource": "s3.amazonaws.com",
            "ReadOnly": "true",
            "AccessKeyId": "AKIAEXAMPLEEXAMPLE12",
            "Username": "ann",
            "EventTime": 1_790_000_000.123,
            "Resources": [
                { "ResourceType": "AWS::S3::Object", "ResourceName": "plans/a b" },
                { "ResourceType": "AWS::S3::Bucket", "ResourceName": "plans" },
            ],
        })
    );
    assert_eq!(
        record,
        json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser",
                "arn": "arn:aws-iso-b:iam::123456789012:user/staff/ann",
                "accountId": "123456789012",
                "accessKeyId": "AKIAEXAMPLEEXAMPLE12",
                "userName": "ann",
            },
            "eventTime": "2026-09-21T14:13:20Z",
            "eventSource": "s3.amazonaws.com",
            "eventName": "GetObject",
            "awsRegion": "us-isob-east-1",
            "sourceIPAddress": "127.0.0.1",
            "userAgent": "aws-cli/2",
            "errorCode": "NoSuchKey",
            "errorMessage": "not-in-view",
            "requestParameters": {
                "bucketName": "plans",
                "key": "a b",
                "versionId": "v1",
                "recorded": ["read plans/a b?versionId=v1"],
            },
            "responseElements": null,
            "additionalEventData": {
                "label": "SECRET",
                "nationality": "USA",
                "decision": "refused",
                "reason": "not-in-view",
                "ledger": { "label": "SECRET", "index": 7, "commitment": "11".repeat(32) },
            },
            "requestID": "ABABABABABABABAB",
            "eventID": "11111111-1111-8111-9111-111111111111",
            "readOnly": true,
            "resources": [
                { "type": "AWS::S3::Object", "ARN": "arn:aws-iso-b:s3:::plans/a b" },
                { "type": "AWS::S3::Bucket", "ARN": "arn:aws-iso-b:s3:::plans" },
            ],
            "eventType": "AwsApiCall",
            "managementEvent": false,
            "eventCategory": "Data",
            "recipientAccountId": "123456789012",
        })
    );
}

#[test]
fn what_was_written_made_and_decided_is_told() {
    let outcome = Outcome::Done(Some("v2".into()));
    let resources = vec!["read plans/a".into(), "write reports/b".into()];
    let (event, record) = shown(Entry { operation: "CopyObject".into(), resources, outcome, ..entry() });
    assert_eq!(event["ReadOnly"], "false");
    assert_eq!(event["Resources"].as_array().unwrap().len(), 4);
    let parameters = &record["requestParameters"];
    assert_eq!((&parameters["bucketName"], &parameters["key"]), (&json!("reports"), &json!("b")));
    assert_eq!(parameters["x-amz-copy-source"], "plans/a");
    assert_eq!(record["responseElements"], json!({ "made": "v2" }));
    assert_eq!(record["additionalEventData"]["decision"], "allowed");
    assert_eq!(record.get("errorCode"), None);

    let each = Outcome::Each(vec![Outcome::Done(None), Outcome::Refused("mandatory".into(), "AccessDenied".into())]);
    let resources = vec!["write b/one".into(), "write b/two".into()];
    let (event, record) = shown(Entry { operation: "DeleteObjects".into(), resources, outcome: each, ..entry() });
    assert_eq!(event["Resources"].as_array().unwrap().len(), 3);
    assert_eq!(record["requestParameters"]["bucketName"], "b");
    assert_eq!(record["requestParameters"].get("key"), None);
    assert_eq!(record["additionalEventData"]["decision"], "partly");
    assert_eq!(record["errorCode"], "AccessDenied");
    assert_eq!(record["responseElements"]["each"].as_array().unwrap().len(), 2);
}

#[test]
fn a_thousand_resources_are_shown_in_part() {
    let resources = (0..1_000).map(|number| format!("write b/{number}")).collect();
    let (event, record) = shown(Entry { operation: "DeleteObjects".into(), resources, ..entry() });
    assert_eq!(event["Resources"].as_array().unwrap().len(), 101);
    assert_eq!(record["requestParameters"]["omitted"], 900);
}

#[test]
fn who_is_told_as_far_as_it_is_known() {
    let who = |principal: &str, account: &str, service: &str, operation: &str| {
        let (principal, account) = (principal.to_owned(), account.to_owned());
        let (service, operation) = (service.to_owned(), operation.to_owned());
        shown(Entry { principal, account, service, operation, ..entry() })
    };
    let (event, record) = who("", "", "", "");
    assert_eq!((&event["EventName"], &event["EventSource"]), (&json!("Unrecognized"), &json!("fastness")));
    assert_eq!((event.get("Username"), record.get("recipientAccountId")), (None, None));
    assert_eq!(record["userIdentity"], json!({ "type": "Unknown", "accessKeyId": "AKIAEXAMPLEEXAMPLE12" }));
    let (_, record) = who("operator", "", "fastness", "CreateAccount");
    assert_eq!(record["userIdentity"]["arn"], "arn:aws-iso-b:iam::000000000000:operator");
    let (event, record) = who("region", "", "fastness", "DestroyErasureKeys");
    assert_eq!((&event["Username"], &record["eventType"]), (&json!("region"), &json!("AwsServiceEvent")));
    assert_eq!(record["userIdentity"]["invokedBy"], "fastness");
    let (_, record) = who("user/ann", "123456789012", "cloudtrail", "LookupEvents");
    assert_eq!((&record["eventCategory"], &record["managementEvent"]), (&json!("Management"), &json!(true)));
}

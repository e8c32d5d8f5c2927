use crate::request::parse;
use fastness_operation::{EventAttribute as A, EventFilter, Operation};
use http::{HeaderMap, HeaderValue, Method};

const PREFIX: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.";

fn headers(target: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", HeaderValue::from_str(target).unwrap());
    headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.1"));
    headers
}

fn asked(body: &str) -> Result<(EventFilter, u8, Option<String>), &'static str> {
    match parse(&Method::POST, &headers(&format!("{PREFIX}LookupEvents")), body.as_bytes()) {
        Ok(Operation::LookupEvents { filter, limit, token }) => Ok((filter, limit, token)),
        Ok(other) => panic!("{other:?}"),
        Err(malformed) => {
            assert_eq!((malformed.status, malformed.what.as_str()), (400, "cloudtrail LookupEvents"));
            Err(malformed.code)
        }
    }
}

#[test]
fn members_become_the_operation() {
    assert_eq!(asked("{}"), Ok((EventFilter::default(), 50, None)));
    let all_null =
        r#" {"LookupAttributes":null,"StartTime":null,"EndTime":null,"EventCategory":null,"MaxResults":null}"#;
    assert_eq!(asked(all_null), Ok((EventFilter::default(), 50, None)));
    let body = r#"{"LookupAttributes":[{"AttributeKey":"Username","AttributeValue":"ann"}],"StartTime":1.5,
        "EndTime":1790000000,"EventCategory":"insight","MaxResults":7,"NextToken":"t"}"#;
    let attribute = Some(A::Username("ann".to_owned()));
    let filter = EventFilter { attribute, from_ms: 1_500, until_ms: 1_790_000_000_999, insights: true };
    assert_eq!(asked(body), Ok((filter, 7, Some("t".to_owned()))));
    assert_eq!(asked(r#"{"EndTime":1.25}"#).map(|(filter, ..)| filter.until_ms), Ok(1_250));
    assert_eq!(asked(r#"{"LookupAttributes":[]}"#).map(|(filter, ..)| filter.attribute), Ok(None));
    for (key, value) in [
        ("AccessKeyId", "A"),
        ("EventId", "A"),
        ("EventName", "A"),
        ("EventSource", "A"),
        ("ReadOnly", "false"),
        ("ResourceName", "A"),
        ("ResourceType", "A"),
    ] {
        let body = format!(r#"{{"LookupAttributes":[{{"AttributeKey":"{key}","AttributeValue":"{value}"}}]}}"#);
        let attribute = asked(&body).unwrap().0.attribute.unwrap();
        assert_eq!((attribute.name(), attribute.value()), (key, value));
    }
}

#[test]
fn members_against_their_rules_are_refused_in_cloud_trails_words() {
    let with = |attributes: &str| format!(r#"{{"LookupAttributes":[{attributes}]}}"#);
    let one = |key: &str, value: &str| format!(r#"{{"AttributeKey":"{key}","AttributeValue":"{value}"}}"#);
    let check = |body: &str, code: &'static str| assert_eq!(asked(body), Err(code), "{body}");
    check("", "SerializationException");
    check("[]", "SerializationException");
    check("{", "SerializationException");
    check("{} {}", "SerializationException");
    check(r#"{"Unknown":1}"#, "SerializationException");
    check(r#"{"MaxResults":1,"MaxResults":2}"#, "SerializationException");
    check(r#"{"MaxResults":"1"}"#, "SerializationException");
    check(r#"{"MaxResults":1.5}"#, "SerializationException");
    check(r#"{"StartTime":"2026-01-01"}"#, "SerializationException");
    check(r#"{"NextToken":1}"#, "SerializationException");
    check(&with(r#"{"AttributeKey":"Username"}"#), "SerializationException");
    check(&format!("{}{}", r#"{"NextToken":"#.repeat(500), "}".repeat(500)), "SerializationException");
    check(r#"{"MaxResults":0}"#, "InvalidMaxResultsException");
    check(r#"{"MaxResults":-1}"#, "InvalidMaxResultsException");
    check(r#"{"MaxResults":51}"#, "InvalidMaxResultsException");
    check(r#"{"StartTime":2,"EndTime":1}"#, "InvalidTimeRangeException");
    check(r#"{"StartTime":1e12}"#, "InvalidTimeRangeException");
    check(r#"{"EndTime":-1e300}"#, "InvalidTimeRangeException");
    check(r#"{"EventCategory":"data"}"#, "InvalidEventCategoryException");
    let two = format!("{},{}", one("Username", "a"), one("EventName", "b"));
    check(&with(&two), "InvalidLookupAttributesException");
    check(&with(&one("Username", "")), "InvalidLookupAttributesException");
    check(&with(&one("User", "a")), "InvalidLookupAttributesException");
    check(&with(&one("ReadOnly", "yes")), "InvalidLookupAttributesException");
    check(&with(&one("Username", &"a".repeat(2_001))), "InvalidLookupAttributesException");
    check(&with(&one("Username", &"_".repeat(1_001))), "InvalidLookupAttributesException");
    assert!(asked(&with(&one("Username", &"_".repeat(1_000)))).is_ok());
    assert!(asked(r#"{"StartTime":1,"EndTime":1}"#).is_ok());
}

#[test]
fn other_operations_are_not_offered_or_not_known() {
    let code = |method: Method, headers: &HeaderMap| parse(&method, headers, b"{}").map_err(|malformed| malformed.code);
    let check = |target: &str, expected: &'static str| {
        assert_eq!(code(Method::POST, &headers(target)), Err(expected), "{target}");
    };
    assert!(code(Method::POST, &headers("CloudTrail_20131101.LookupEvents")).is_ok());
    check(&format!("{PREFIX}DescribeTrails"), "UnsupportedOperationException");
    check(&format!("{PREFIX}StopLogging"), "UnsupportedOperationException");
    check(&format!("{PREFIX}Nonsense"), "UnknownOperationException");
    check(&format!("{PREFIX}lookupevents"), "UnknownOperationException");
    check("Fastness.ListLabels", "UnknownOperationException");
    check("", "UnknownOperationException");
    assert_eq!(code(Method::POST, &HeaderMap::new()), Err("UnknownOperationException"));
    let lookup = headers(&format!("{PREFIX}LookupEvents"));
    assert_eq!(code(Method::GET, &lookup), Err("MethodNotAllowed"));
    let mut twice = lookup.clone();
    twice.append("x-amz-target", HeaderValue::from_static("CloudTrail_20131101.LookupEvents"));
    assert_eq!(code(Method::POST, &twice), Err("UnknownOperationException"));
    let mut form = lookup;
    form.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    assert_eq!(code(Method::POST, &form), Err("SerializationException"));
}

use crate::call::{Call, Malformed, Page};
use crate::parse;
use fastness_operation::{
    AccessKeyId, AccountName, CROSSING_OBJECT_LEN_MAX, CrossingAct, CrossingWay, MappingName, Operation as O, UserName,
};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What botocore sends; see `tests/golden/check.py`.
const REQUESTS: &str = include_str!("../../tests/golden/requests.json");

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn form(service: &str, body: &str) -> Result<Call, Malformed> {
    parse(service, &Method::POST, &HeaderMap::new(), body.as_bytes()).map(|(_, call)| call)
}

fn target(target: &str, body: &str) -> Result<Call, Malformed> {
    let headers =
        headers(&[(HeaderName::from_static("x-amz-target"), target), (CONTENT_TYPE, "application/x-amz-json-1.1")]);
    parse("fastness", &Method::POST, &headers, body.as_bytes()).map(|(_, call)| call)
}

fn ana() -> UserName {
    UserName::new("ana").unwrap()
}

fn key() -> AccessKeyId {
    AccessKeyId::new("AKIAIOSFODNN7EXAMPLE").unwrap()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn paged(operation: O, after: Option<&str>, limit: u16) -> Call {
    Call { operation, page: Some(Page { after: after.map(str::to_owned), limit }) }
}

/// The operations that the requests of `check.py` mean, in their order.
fn meant() -> Vec<Call> {
    let root = || "/".to_owned();
    let odd = UserName::new("a+b=c,d.e@f_g-h").unwrap();
    vec![
        O::CreateUser { user: ana(), path: root(), tags: map(&[]) }.into(),
        O::CreateUser { user: odd, path: "/staff/night/".to_owned(), tags: map(&[("Größe", "a&b=c+d% e")]) }.into(),
        O::CreateUser { user: ana(), path: root(), tags: map(&[]) }.into(),
        O::GetUser { user: None }.into(),
        O::GetUser { user: Some(ana()) }.into(),
        O::ListUsers { prefix: root(), after: None, limit: 100 }.into(),
        O::ListUsers { prefix: "/staff/".to_owned(), after: Some(ana()), limit: 1_000 }.into(),
        O::DeleteUser { user: ana() }.into(),
        O::TagUser { user: ana(), tags: map(&[("clearance", "TOP SECRET//SI/TK"), ("nationality", "USA")]) }.into(),
        O::TagUser { user: ana(), tags: map(&[("k", "")]) }.into(),
        O::UntagUser { user: ana(), keys: vec!["clearance".to_owned(), "label".to_owned()] }.into(),
        paged(O::ListUserTags { user: ana() }, None, 100),
        paged(O::ListUserTags { user: ana() }, Some("clearance"), 1),
        O::CreateAccessKey { user: None }.into(),
        O::CreateAccessKey { user: Some(ana()) }.into(),
        paged(O::ListAccessKeys { user: None }, None, 100),
        paged(O::ListAccessKeys { user: Some(ana()) }, Some("AKIAIOSFODNN7EXAMPLE"), 2),
        O::UpdateAccessKey { user: None, key: key(), active: false }.into(),
        O::UpdateAccessKey { user: Some(ana()), key: key(), active: true }.into(),
        O::DeleteAccessKey { user: None, key: key() }.into(),
        O::DeleteAccessKey { user: Some(ana()), key: key() }.into(),
        O::GetCallerIdentity.into(),
    ]
}

#[test]
fn what_botocore_sends_is_understood() {
    let requests: Vec<BTreeMap<String, String>> = serde_json::from_str(REQUESTS).unwrap();
    let meant = meant();
    assert_eq!(requests.len(), meant.len());
    for (request, meant) in requests.iter().zip(meant) {
        let headers = headers(&[(CONTENT_TYPE, &request["content_type"])]);
        let parsed = parse(&request["service"], &Method::POST, &headers, request["body"].as_bytes());
        assert_eq!(parsed.map(|(_, call)| call), Ok(meant), "{}", request["body"]);
    }
}

#[test]
fn members_against_their_rules_are_refused() {
    let check = |body: &str, text: &str| {
        let malformed = form("iam", body).unwrap_err();
        assert_eq!((malformed.code, malformed.status), ("ValidationError", 400), "{body}");
        assert!(malformed.message.contains(text), "{body}: {}", malformed.message);
        assert!(malformed.what.starts_with("iam"), "{body}");
    };
    let null = |member: &str| format!("1 validation error detected: Value null at '{member}' failed to satisfy");
    let long = |count: usize| "x".repeat(count);
    check("Action=CreateUser", &null("userName"));
    check(
        "Action=CreateUser&UserName=",
        "Value '' at 'userName' failed to satisfy constraint: Member must have length",
    );
    check(&format!("Action=CreateUser&UserName={}", long(65)), "less than or equal to 64");
    check("Action=GetUser&UserName=sp+ace", r"regular expression pattern: [\w+=,.@-]+");
    check("Action=CreateUser&UserName=a&Path=x", "'path'");
    check("Action=CreateUser&UserName=a&Path=%2F%2F", "'path'");
    check("Action=CreateUser&UserName=a&Path=%2Fa+b%2F", "'path'");
    check(&format!("Action=CreateUser&UserName=a&Path=/{}/", long(511)), "'path'");
    check("Action=CreateUser&UserName=a&PermissionsBoundary=arn", "`PermissionsBoundary`");
    check("Action=CreateUser&UserName=a&Tags.member.1.Key=k", &null("tags.1.member.value"));
    check("Action=CreateUser&UserName=a&Tags.member.1.Value=v", &null("tags.1.member.key"));
    check("Action=TagUser&UserName=a", &null("tags"));
    check("Action=TagUser&UserName=a&Tags.member.1.Key=&Tags.member.1.Value=v", "'tags.1.member.key'");
    check(&format!("Action=TagUser&UserName=a&Tags.member.1.Key={}&Tags.member.1.Value=", long(129)), "128");
    check(&format!("Action=TagUser&UserName=a&Tags.member.1.Key=k&Tags.member.1.Value={}", long(257)), "256");
    check("Action=TagUser&UserName=a&Tags.member.1.Key=k&Tags.member.1.Value=%00", "control characters");
    check("Action=UntagUser&UserName=a", &null("tagKeys"));
    check("Action=UntagUser&UserName=a&TagKeys.member.1=", "'tagKeys.1.member'");
    check("Action=ListUsers&MaxItems=0", "greater than or equal to 1");
    check("Action=ListUsers&MaxItems=1001", "less than or equal to 1000");
    check("Action=ListUsers&MaxItems=99999999", "between 1 and 1000");
    check("Action=ListUsers&MaxItems=%2B5", "between 1 and 1000");
    check("Action=ListUsers&MaxItems=", "between 1 and 1000");
    check("Action=ListUsers&Marker=", "'marker'");
    check("Action=ListUsers&Marker=a/b", "'marker'");
    check("Action=ListUsers&PathPrefix=x", "'pathPrefix'");
    check("Action=UpdateAccessKey&AccessKeyId=AKIAIOSFODNN7EXAMPLE", &null("status"));
    check("Action=UpdateAccessKey&AccessKeyId=AKIAIOSFODNN7EXAMPLE&Status=Sleeping", "[Active, Inactive]");
    check("Action=DeleteAccessKey&UserName=a", &null("accessKeyId"));
    check("Action=DeleteAccessKey&AccessKeyId=AKIA", "greater than or equal to 16");
    check("Action=DeleteAccessKey&AccessKeyId=AKIAIOSFODNN7_EXAMPLE", "'accessKeyId'");
    check("Action=GetUser&UserName=a&UserName=b", "`UserName` was sent twice");
    check("Action=GetUser&Note=x", "`Note`");
    check("Action=GetUser&UserName=%zz", "percent-encoding");
}

#[test]
fn duplicate_tags_are_refused_whatever_their_case() {
    let body =
        "Action=TagUser&UserName=a&Tags.member.1.Key=k&Tags.member.1.Value=1&Tags.member.2.Key=K&Tags.member.2.Value=2";
    assert_eq!(form("iam", body).unwrap_err().code, "InvalidInput");
}

#[test]
fn a_marking_with_commas_is_a_tag_value() {
    let body = "Action=TagUser&UserName=ana&Tags.member.1.Key=label&Tags.member.1.Value=SECRET%2F%2FREL+TO+USA%2C+GBR";
    let tags = map(&[("label", "SECRET//REL TO USA, GBR")]);
    assert_eq!(form("iam", body), Ok(O::TagUser { user: ana(), tags }.into()));
}

#[test]
fn actions_and_versions_that_are_unknown_are_refused() {
    let check = |service: &str, body: &str, code: &str| {
        assert_eq!(form(service, body).unwrap_err().code, code, "{service} {body}");
    };
    check("iam", "Action=MakeCoffee&Version=2010-05-08", "InvalidAction");
    check("iam", "Action=GetUser&Version=2011-06-15", "InvalidAction");
    check("iam", "Action=GetCallerIdentity&Version=2010-05-08", "InvalidAction");
    check("sts", "Action=GetUser", "InvalidAction");
    check("sts", "Action=AssumeRole", "InvalidAction");
    check("iam", "", "MissingAction");
    check("s3", "Action=GetUser", "InvalidAction");
    let message = form("iam", "Action=MakeCoffee&Version=2010-05-08").unwrap_err().message;
    assert_eq!(message, "Could not find operation MakeCoffee for version 2010-05-08");
    assert_eq!(form("sts", "Action=GetCallerIdentity"), Ok(O::GetCallerIdentity.into()));
}

#[test]
fn other_methods_and_media_types_are_refused() {
    let body = b"Action=GetUser";
    let malformed = parse("iam", &Method::GET, &HeaderMap::new(), body).unwrap_err();
    assert_eq!((malformed.code, malformed.status), ("MethodNotAllowed", 405));
    let json = headers(&[(CONTENT_TYPE, "application/json")]);
    assert_eq!(parse("iam", &Method::POST, &json, body).unwrap_err().code, "ValidationError");
    let form = headers(&[(CONTENT_TYPE, "Application/X-WWW-form-urlencoded ; charset=utf-8")]);
    assert!(parse("iam", &Method::POST, &form, body).is_ok());
}

#[test]
fn fastness_reads_json() {
    let name = AccountName::new("alpha").unwrap();
    let marking = || "SECRET//NOFORN".to_owned();
    let check = |name: &str, body: &str, expected: O| assert_eq!(target(name, body), Ok(expected.into()), "{name}");
    check("Fastness.CreateAccount", r#"{"name":"alpha"}"#, O::CreateAccount { name });
    check("Fastness.ListAccounts", "{}", O::ListAccounts);
    check("Fastness.CreateKey", r#" {"label":"SECRET//NOFORN"} "#, O::CreateKeyAt { marking: marking() });
    check("Fastness.AllowLabel", r#"{"label":"SECRET//NOFORN"}"#, O::AllowLabel { marking: marking() });
    check("Fastness.ListLabels", "{}", O::ListLabels);
}

/// A half of a mapping, in which one member may be another.
fn half_of_a_mapping(change: &[(&str, serde_json::Value)]) -> String {
    let mut half = serde_json::json!({
        "name": "plans", "way": "lift", "highest": "SECRET", "types": ["text/plain"],
        "bytes_per_day": 10, "objects_per_day": 2,
        "send": { "bucket": "plans", "to": "us-isob-east-1", "to_account": "123456789012", "to_bucket": "plans" },
    });
    for (name, value) in change {
        half.as_object_mut().unwrap().insert((*name).to_owned(), value.clone());
    }
    half.to_string()
}

#[test]
fn a_mapping_is_read_with_what_is_meant_where_nothing_is_said() {
    let plain = target("Fastness.PutMapping", &half_of_a_mapping(&[])).unwrap().operation;
    let O::Crossing(act) = plain else { panic!("{plain:?}") };
    let CrossingAct::PutMapping { mapping } = *act else { panic!("{act:?}") };
    assert_eq!((mapping.way, mapping.object_len_max), (CrossingWay::Lift, CROSSING_OBJECT_LEN_MAX));
    assert!(mapping.metadata.is_empty() && mapping.at.is_empty());
    assert_eq!(mapping.half.other().as_str(), "us-isob-east-1");
    let name = MappingName::new("plans").unwrap();
    let deleted = O::Crossing(Box::new(CrossingAct::DeleteMapping { name }));
    assert_eq!(target("Fastness.DeleteMapping", r#"{"name":"plans"}"#), Ok(deleted.into()));
    assert_eq!(target("Fastness.ListMappings", "{}"), Ok(O::Crossing(Box::new(CrossingAct::ListMappings)).into()));
}

#[test]
fn a_mapping_that_is_not_meant_is_refused() {
    use serde_json::json;
    let receive = json!({ "bucket": "plans", "from": "us-gov-west-1" });
    for (name, value) in [
        ("name", json!("Plans")),
        ("way", json!("sideways")),
        ("highest", json!("")),
        ("highest", json!("S".repeat(1_025))),
        ("types", json!(["application/pdf"])),
        ("types", json!("text/plain")),
        ("bytes_per_day", json!(-1)),
        ("bytes_per_day", json!("10")),
        ("send", json!({ "bucket": "plans", "to": "us-isob-east-1", "to_account": "1", "to_bucket": "plans" })),
        ("send", json!({ "bucket": "plans", "to": "../x", "to_account": "123456789012", "to_bucket": "plans" })),
        ("send", json!(null)),
        ("receive", receive),
        ("at", json!([{ "from": "CUI" }])),
        ("at", json!([{ "from": "CUI", "to": "" }])),
        ("at", json!({ "CUI": "SECRET" })),
        ("force", json!(true)),
    ] {
        let refused = target("Fastness.PutMapping", &half_of_a_mapping(&[(name, value.clone())]));
        assert_eq!(refused.unwrap_err().code, "ValidationException", "{name} {value}");
    }
    for region_s_own in ["WalkLift", "SendObjects", "ReceiveObjects"] {
        let refused = target(&format!("Fastness.{region_s_own}"), "{}");
        assert_eq!(refused.unwrap_err().code, "UnknownOperationException", "nobody asks for {region_s_own}");
    }
}

/// A request for a release, in which one member may be another.
fn asked_release(change: &[(&str, serde_json::Value)]) -> String {
    let mut asked = serde_json::json!({
        "bucket": "plans", "key": "a", "to": "us-gov-west-1", "name": "b", "label": "U", "type": "text/plain",
        "purpose": "exercise",
    });
    for (name, value) in change {
        asked.as_object_mut().unwrap().insert((*name).to_owned(), value.clone());
    }
    asked.to_string()
}

#[test]
fn a_release_is_read_with_what_is_meant_where_nothing_is_said() {
    let plain = target("Fastness.RequestRelease", &asked_release(&[])).unwrap().operation;
    let O::Crossing(act) = plain else { panic!("{plain:?}") };
    let CrossingAct::RequestRelease { wanted } = *act else { panic!("{act:?}") };
    assert_eq!((wanted.days, wanted.key.as_str(), wanted.marking.as_str()), (7, "b", "U"));
    assert!(wanted.metadata.metadata.is_empty() && wanted.mapping.is_none());
    let of = &wanted.source;
    assert!(of.version.is_none() && of.key.as_str() == "a");
}

#[test]
fn a_release_that_is_not_meant_is_refused() {
    use serde_json::json;
    for (name, value) in [
        ("bucket", json!("A")),
        ("key", json!("")),
        ("name", json!("x".repeat(1_025))),
        ("label", json!("")),
        ("label", json!("S".repeat(1_025))),
        ("type", json!(null)),
        ("type", json!("t".repeat(257))),
        ("to", json!("../x")),
        ("mapping", json!("A B")),
        ("metadata", json!({ "Subject": "x" })),
        ("metadata", json!({ "": "x" })),
        ("metadata", json!({ "subject": 1 })),
        ("purpose", json!("")),
        ("purpose", json!("two\nlines")),
        ("days", json!(-1)),
        ("days", json!(256)),
        ("gaps", json!([[1, 2]])),
    ] {
        let refused = target("Fastness.RequestRelease", &asked_release(&[(name, value.clone())]));
        assert_eq!(refused.unwrap_err().code, "ValidationException", "{name} {value}");
    }
    let (id, digest) = ("0123456789abcdef".repeat(2), "0".repeat(64));
    let decision = |release: &str, digest: &str, reason: &str| {
        target(
            "Fastness.ApproveRelease",
            &json!({ "release": release, "digest": digest, "reason": reason }).to_string(),
        )
    };
    assert!(decision(&id, &digest, "checked").is_ok());
    for refused in
        [decision("1", &digest, "x"), decision(&id, "0", "x"), decision(&id, &digest, ""), decision(&id, &digest, "\n")]
    {
        assert_eq!(refused.unwrap_err().code, "ValidationException");
    }
    for name in ["ReviewRelease", "DescribeRelease"] {
        assert!(target(&format!("Fastness.{name}"), &json!({ "release": id }).to_string()).is_ok());
        assert!(target(&format!("Fastness.{name}"), &json!({ "release": "../x" }).to_string()).is_err());
    }
    assert!(target("Fastness.RefuseRelease", &json!({ "release": id }).to_string()).is_err(), "a reason is needed");
    assert!(target("Fastness.ListReleases", "{}").is_ok());
    assert!(target("Fastness.ListReleases", r#"{"limit":1001}"#).is_err());
}

#[test]
fn fastness_refuses_json_that_is_not_meant() {
    let check = |name: &str, body: &str, code: &str| {
        assert_eq!(target(name, body).unwrap_err().code, code, "{name} {body}");
    };
    check("Fastness.MakeCoffee", "{}", "UnknownOperationException");
    check("CreateAccount", "{}", "UnknownOperationException");
    check("Fastness.ListAccounts", "", "SerializationException");
    check("Fastness.ListAccounts", "[]", "SerializationException");
    check("Fastness.ListAccounts", "{", "SerializationException");
    check("Fastness.ListAccounts", "{} {}", "SerializationException");
    check("Fastness.ListAccounts", r#"{"x":1}"#, "ValidationException");
    check("Fastness.CreateAccount", "{}", "ValidationException");
    check("Fastness.CreateAccount", r#"["alpha"]"#, "SerializationException");
    check("Fastness.CreateAccount", r#"{"name":"bad/name"}"#, "ValidationException");
    check("Fastness.CreateAccount", r#"{"name":"a","name":"b"}"#, "ValidationException");
    check("Fastness.CreateKey", r#"{"label":1}"#, "ValidationException");
    check("Fastness.CreateKey", r#"{"label":""}"#, "ValidationException");
    check("Fastness.AllowLabel", r#"{"label":"SECRET","force":true}"#, "ValidationException");
    check("Fastness.AllowLabel", &format!(r#"{{"label":"{}"}}"#, "S".repeat(1_025)), "ValidationException");
    let twice = headers(&[
        (HeaderName::from_static("x-amz-target"), "Fastness.ListLabels"),
        (HeaderName::from_static("x-amz-target"), "Fastness.ListAccounts"),
    ]);
    let parsed = parse("fastness", &Method::POST, &twice, b"{}");
    assert_eq!(parsed.unwrap_err().code, "UnknownOperationException");
}

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "CreateUser",
        "GetUser",
        "ListUsers",
        "DeleteUser",
        "TagUser",
        "UntagUser",
        "ListUserTags",
        "CreateAccessKey",
        "ListAccessKeys",
        "UpdateAccessKey",
        "DeleteAccessKey",
        "GetCallerIdentity",
        "",
    ])
}

fn parameter() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "UserName",
        "Path",
        "PathPrefix",
        "Marker",
        "MaxItems",
        "AccessKeyId",
        "Status",
        "Version",
        "Tags",
        "TagKeys",
        "Tags.member.1.Key",
        "Tags.member.1.Value",
        "Tags.member.2.Key",
        "Tags.member.2.Value",
        "TagKeys.member.1",
        "TagKeys.member.2",
        "Tags.member.0.Key",
        "Tags.member..Key",
    ]);
    (name, "([ -~]{0,20}|[a-z]{16}|[0-9]{1,6}|/[a-z]{0,3}/|%[0-9a-f]{2}|\\PC{0,8})")
        .prop_map(|(name, value)| format!("&{name}={value}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(
        body in prop::collection::vec(any::<u8>(), 0..400),
        service in prop::sample::select(vec!["iam", "sts", "fastness", ""]),
    ) {
        let _ = parse(service, &Method::POST, &HeaderMap::new(), &body);
    }

    #[test]
    fn random_forms_never_panic_and_keep_to_their_names(
        action in action(),
        parameters in prop::collection::vec(parameter(), 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut body = format!("Action={action}{}", parameters.concat()).into_bytes();
        body.extend(tail);
        match parse("iam", &Method::POST, &HeaderMap::new(), &body) {
            Ok((_, call)) => prop_assert_eq!(call.operation.name(), action),
            Err(malformed) => {
                prop_assert!((400..500).contains(&malformed.status));
                prop_assert!(malformed.what.chars().count() <= 128);
                prop_assert!(malformed.message.chars().count() < 512);
            }
        }
    }

    #[test]
    fn random_json_never_panics(
        name in prop::sample::select(vec!["CreateAccount", "ListAccounts", "CreateKey", "AllowLabel", "ListLabels"]),
        body in "(\\{\"(name|label)\":\"\\PC{0,80}\"\\}|[\\[\\{\"a-z0-9:,\\}\\]]{0,60})",
    ) {
        if let Err(malformed) = target(&format!("Fastness.{name}"), &body) {
            prop_assert!(malformed.message.chars().count() < 512);
        }
    }
}

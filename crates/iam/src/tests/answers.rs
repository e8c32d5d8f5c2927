use crate::call::{Page, Service};
use crate::{Frame, error_response, render};
use bytes::Bytes;
use fastness_gate::Answer;
use fastness_identity::directory::{AccessKey, Account, NewAccount, User};
use fastness_identity::{RegionLabels, Subject};
use fastness_label::Policy;
use http::Response;
use serde_json::json;
use std::path::Path;

const REQUEST_ID: &str = "0123456789ABCDEF";
const ACCOUNT: u64 = 123_456_789_012;

fn user(name: &str, path: &str, tags: &[(&str, &str)]) -> User {
    let tags: serde_json::Map<_, _> = tags.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let value = json!({
        "account": ACCOUNT, "name": name, "id": "AIDAABCDEFGHIJKLMNOPQ", "path": path,
        "created_ms": 1_790_000_000_123_i64, "tags": tags,
    });
    serde_json::from_value(value).unwrap()
}

fn key(id: &str, holder: serde_json::Value, active: bool) -> AccessKey {
    let value = json!({
        "id": id, "secret": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "holder": holder, "label": "UNCLASSIFIED",
        "active": active, "created_ms": 1_790_000_000_123_i64,
    });
    serde_json::from_value(value).unwrap()
}

fn key_of(id: &str, name: &str, active: bool) -> AccessKey {
    key(id, json!({ "User": { "account": ACCOUNT, "name": name } }), active)
}

fn subject(key: &AccessKey, user: Option<&User>) -> Subject {
    let policy = Policy::us();
    let floor = policy.label("UNCLASSIFIED").unwrap();
    let labels = RegionLabels::new(&policy, floor, policy.label("SECRET").unwrap(), [floor]);
    Subject::open(&policy, &labels, key, user).unwrap()
}

fn rendered(service: Service, action: &'static str, page: Option<&Page>, answer: &Answer) -> Response<Bytes> {
    let policy = Policy::us();
    let banner = |label| policy.banner(label);
    let frame = Frame { region: "us-isob-east-1", request_id: REQUEST_ID, banner: &banner };
    render(&frame, service, action, page, answer)
}

/// Compares a body with its golden file, or writes that file when `FASTNESS_BLESS` is set.
fn golden(file: &str, response: &Response<Bytes>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("FASTNESS_BLESS").is_some() {
        std::fs::write(&path, response.body()).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(String::from_utf8_lossy(response.body()), expected, "{file}");
    assert_eq!(response.headers()["x-amzn-requestid"], REQUEST_ID);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let media_type = if file.ends_with(".xml") { "text/xml" } else { "application/x-amz-json-1.1" };
    assert_eq!(response.headers()["content-type"], media_type);
}

fn check(file: &str, action: &'static str, page: Option<&Page>, answer: &Answer) {
    let service = file.split('.').next().and_then(Service::parse).unwrap();
    let response = rendered(service, action, page, answer);
    assert_eq!(response.status(), 200, "{file}");
    golden(file, &response);
}

#[test]
fn answers_about_users_are_as_botocore_reads_them() {
    let ana = || user("ana", "/", &[]);
    let tags = [("city", "<Rome & \"Bari\">"), ("clearance", "SECRET//REL TO USA, GBR"), ("empty", "")];
    let bob = || user("bob", "/staff/night/", &tags);
    let boxed = |user: User| Answer::User(Box::new(user));
    check("iam.CreateUser.xml", "CreateUser", None, &boxed(ana()));
    check("iam.GetUser.xml", "GetUser", None, &boxed(bob()));
    check("iam.ListUsers.xml", "ListUsers", None, &Answer::Users(vec![ana(), bob()], false));
    check("iam.ListUsers.more.xml", "ListUsers", None, &Answer::Users(vec![ana()], true));
    check("iam.ListUsers.none.xml", "ListUsers", None, &Answer::Users(Vec::new(), false));
    let page = |after: Option<&str>, limit| Page { after: after.map(str::to_owned), limit };
    check("iam.ListUserTags.xml", "ListUserTags", Some(&page(None, 100)), &boxed(bob()));
    check("iam.ListUserTags.first.xml", "ListUserTags", Some(&page(None, 2)), &boxed(bob()));
    check("iam.ListUserTags.last.xml", "ListUserTags", Some(&page(Some("clearance"), 2)), &boxed(bob()));
    check("iam.ListUserTags.none.xml", "ListUserTags", Some(&page(None, 100)), &boxed(ana()));
    for (file, action) in [
        ("iam.DeleteUser.xml", "DeleteUser"),
        ("iam.TagUser.xml", "TagUser"),
        ("iam.UntagUser.xml", "UntagUser"),
        ("iam.UpdateAccessKey.xml", "UpdateAccessKey"),
        ("iam.DeleteAccessKey.xml", "DeleteAccessKey"),
    ] {
        check(file, action, None, &Answer::Done);
    }
}

#[test]
fn answers_about_keys_are_as_botocore_reads_them() {
    let first = || key_of("AKIAAAAAAAAAAAAAAAAA", "ana", true);
    let keys = || Answer::Keys(vec![first(), key_of("AKIABBBBBBBBBBBBBBBB", "ana", false)]);
    check("iam.CreateAccessKey.xml", "CreateAccessKey", None, &Answer::Key(Box::new(first())));
    let page = |after: Option<&str>, limit| Page { after: after.map(str::to_owned), limit };
    check("iam.ListAccessKeys.xml", "ListAccessKeys", Some(&page(None, 100)), &keys());
    check("iam.ListAccessKeys.first.xml", "ListAccessKeys", Some(&page(None, 1)), &keys());
    check("iam.ListAccessKeys.last.xml", "ListAccessKeys", Some(&page(Some("AKIAAAAAAAAAAAAAAAAA"), 1)), &keys());
}

#[test]
fn callers_are_who_they_are() {
    let ana = user("ana", "/staff/", &[]);
    let who = |subject: Subject| Answer::Identity(Box::new(subject));
    let of_ana = who(subject(&key_of("AKIAAAAAAAAAAAAAAAAA", "ana", true), Some(&ana)));
    check("sts.GetCallerIdentity.xml", "GetCallerIdentity", None, &of_ana);
    let operator = who(subject(&key("AKIAOOOOOOOOOOOOOOOO", json!("Operator"), true), None));
    check("sts.GetCallerIdentity.operator.xml", "GetCallerIdentity", None, &operator);
}

#[test]
fn fastness_answers_in_json() {
    let account: Account =
        serde_json::from_value(json!({ "number": ACCOUNT, "name": "alpha", "created_ms": 1_790_000_000_123_i64 }))
            .unwrap();
    let new = NewAccount {
        account: account.clone(),
        administrator: key_of("AKIAAAAAAAAAAAAAAAAA", "admin", true),
        officer: key_of("AKIABBBBBBBBBBBBBBBB", "officer", true),
    };
    let label = |text: &str| Policy::us().label(text).unwrap();
    let labels = vec![label("SECRET"), label("SECRET//REL TO USA, GBR"), label("UNCLASSIFIED")];
    let made = key_of("AKIAAAAAAAAAAAAAAAAA", "ana", true);
    check("fastness.CreateAccount.json", "CreateAccount", None, &Answer::Account(Box::new(new)));
    check("fastness.ListAccounts.json", "ListAccounts", None, &Answer::Accounts(vec![account]));
    check("fastness.CreateKey.json", "CreateKeyAt", None, &Answer::Key(Box::new(made)));
    check("fastness.AllowLabel.json", "AllowLabel", None, &Answer::Label(label("SECRET//NOFORN"), true));
    check("fastness.ListLabels.json", "ListLabels", None, &Answer::Labels(labels));
}

#[test]
fn errors_are_in_the_words_of_the_service() {
    let check = |file: &str, code: &str, status: u16, sent: u16| {
        let service = file.split('.').next().unwrap();
        let response = error_response(service, REQUEST_ID, code, status, "what is <wrong> & what to do");
        assert_eq!(response.status(), sent, "{file}");
        golden(file, &response);
    };
    check("iam.GetUser.404.xml", "NoSuchEntity", 404, 404);
    check("iam.GetUser.denied.403.xml", "AccessDenied", 403, 403);
    check("iam.CreateUser.409.xml", "EntityAlreadyExists", 409, 409);
    check("iam.CreateUser.500.xml", "InternalError", 500, 500);
    check("iam.CreateUser.full.500.xml", "InsufficientStorage", 507, 500);
    check("iam.CreateUser.slow.400.xml", "SlowDown", 503, 400);
    check("iam.DeleteUser.409.xml", "DeleteConflict", 409, 409);
    check("iam.TagUser.400.xml", "InvalidInput", 400, 400);
    check("iam.TagUser.409.xml", "LimitExceeded", 409, 409);
    check("iam.ListUsers.400.xml", "ValidationError", 400, 400);
    check("iam.ListUsers.scope.400.xml", "AuthorizationHeaderMalformed", 400, 400);
    check("sts.GetCallerIdentity.403.xml", "InvalidClientTokenId", 403, 403);
    check("sts.GetCallerIdentity.500.xml", "InternalError", 500, 500);
    check("fastness.error.json", "AccessDenied", 403, 403);
}

#[test]
fn what_xml_cannot_hold_is_replaced() {
    let response = error_response("iam", "id", "AccessDenied", 403, "a\u{0}b\u{1b}c\u{ffff}d\u{10348}");
    let text = String::from_utf8_lossy(response.body());
    assert!(text.contains("<Message>a\u{fffd}b\u{fffd}c\u{fffd}d\u{10348}</Message>"), "{text}");
}

#[test]
fn an_answer_of_another_operation_is_a_failure_and_shows_nothing() {
    let made = Answer::Key(Box::new(key_of("AKIAAAAAAAAAAAAAAAAA", "ana", true)));
    for (service, action) in
        [(Service::Iam, "GetUser"), (Service::Sts, "CreateAccessKey"), (Service::Fastness, "ListLabels")]
    {
        let response = rendered(service, action, None, &made);
        assert_eq!(response.status(), 500);
        assert!(!String::from_utf8_lossy(response.body()).contains("wJalr"));
    }
}

#[test]
fn an_answer_for_nobody_in_particular_is_xml() {
    let response = error_response("no such service", "id\nwith a break", "InvalidAction", 999, "text");
    assert!(response.body().starts_with(b"<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">"));
    assert!(!response.headers().contains_key("x-amzn-requestid"));
}

//! Every request ends as exactly one entry of one ledger: that of its session's label, or the ceiling's when nobody
//! was known; and no ledger tells a low reader of high activity.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
#[expect(dead_code, reason = "the histories use more of it")]
mod support;

use fastness_gate::Reads;
use fastness_ledger::{Entry, Outcome, verify};
use http::Method;
use std::time::{Duration, Instant};
use support::{Ask, House, Key, REL, S, SI, TK, TOP, Template, U};

const LABELS: [&str; 6] = [U, REL, S, SI, TK, TOP];

/// All rows of a label's ledger: stored hash and entry.
fn rows(template: &Template, house: &House, label: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let see = |_, hash: &[u8; 32], content: Option<&[u8]>| {
        rows.push((hash.to_vec(), content.unwrap().to_vec()));
        true
    };
    house.store.ledger_rows(template.label(label), 0, u64::MAX, see).unwrap();
    rows
}

/// The entries behind the first `known` ones.
fn entries(template: &Template, house: &House, label: &str, known: usize) -> Vec<Entry> {
    rows(template, house, label).iter().skip(known).map(|(_, entry)| Entry::decode_content(entry).unwrap()).collect()
}

struct Case {
    key: &'static str,
    ask: Ask,
    status: u16,
    /// The ledger, the operation, and AWS's code if it was refused.
    expected: (&'static str, &'static str, Option<&'static str>),
    /// Whether the entry is durable before the answer goes out.
    at_once: bool,
}

fn case(
    key: &'static str,
    ask: Ask,
    status: u16,
    expected: (&'static str, &'static str, Option<&'static str>),
    at_once: bool,
) -> Case {
    Case { key, ask, status, expected, at_once }
}

fn put(target: &str, body: &'static str) -> Ask {
    Ask::s3(Method::PUT, target).body(body)
}

fn get(target: &str) -> Ask {
    Ask::s3(Method::GET, target)
}

const LOW: &str = "ana UNCLASSIFIED";
const HIGH: &str = "ana SECRET";

fn of_s3() -> Vec<Case> {
    let copy = put("/bucket/copy", "").with("x-amz-copy-source", "/bucket/key");
    let objects = "<Delete><Object><Key>key</Key></Object><Object><Key>copy</Key></Object></Delete>";
    let many = Ask::deletions("bucket", objects.into());
    let preflight = Ask::s3(Method::OPTIONS, "/bucket/key").with("origin", "http://a");
    let preflight = preflight.with("access-control-request-method", "GET");
    let stated = put("/bucket/key", "x").with("x-amz-meta-classification", TOP);
    vec![
        case(LOW, put("/bucket", ""), 200, (U, "CreateBucket", None), true),
        case(LOW, put("/bucket", ""), 409, (U, "CreateBucket", Some("BucketAlreadyOwnedByYou")), true),
        case(LOW, put("/bucket/key", "low"), 200, (U, "PutObject", None), true),
        case(HIGH, put("/bucket/key", "high"), 200, (S, "PutObject", None), true),
        case(HIGH, stated, 403, (S, "PutObject", Some("AccessDenied")), true),
        case(
            HIGH,
            put("/bucket/key", "x").with("if-none-match", "*"),
            412,
            (S, "PutObject", Some("PreconditionFailed")),
            true,
        ),
        case(
            HIGH,
            put("/bucket/key", "x").with("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            400,
            (S, "PutObject", Some("BadDigest")),
            true,
        ),
        case(HIGH, copy, 200, (S, "CopyObject", None), true),
        case(HIGH, get("/bucket/key"), 200, (S, "GetObject", None), false),
        case(HIGH, Ask::s3(Method::HEAD, "/bucket/key"), 200, (S, "HeadObject", None), false),
        case(HIGH, get("/bucket?list-type=2"), 200, (S, "ListObjects", None), false),
        case(HIGH, get("/"), 200, (S, "ListBuckets", None), false),
        case(LOW, get("/bucket/key"), 200, (U, "GetObject", None), false),
        case(LOW, get("/bucket/copy"), 404, (U, "GetObject", Some("NoSuchKey")), true),
        case(LOW, get("/nothing/key"), 404, (U, "GetObject", Some("NoSuchBucket")), true),
        case("bob UNCLASSIFIED", get("/bucket/key"), 403, (U, "GetObject", Some("AccessDenied")), true),
        case("admin@alpha", get("/bucket/key"), 403, (U, "GetObject", Some("AccessDenied")), true),
        case("unsigned", preflight, 403, (TOP, "PreflightObject", None), false),
        case(HIGH, get("/bucket?website"), 501, (S, "", Some("NotImplemented")), true),
        case(HIGH, put("/bucket/key", "x").with("content-md5", "none"), 400, (S, "", Some("400")), true),
        case(HIGH, Ask::posted("bucket", "form", "form").body("x"), 204, (S, "PutObject", None), true),
        case(HIGH, Ask::posted("bucket", "form", "other").body("x"), 403, (S, "", Some("AccessDenied")), true),
        case("wrong", Ask::posted("bucket", "form", "form"), 403, (TOP, "", Some("SignatureDoesNotMatch")), true),
        case("unknown", Ask::posted("bucket", "form", "form"), 403, (TOP, "", Some("InvalidAccessKeyId")), true),
        case("unsigned", Ask::posted("bucket", "form", "form"), 403, (TOP, "", Some("AccessDenied")), true),
        case(HIGH, Ask::s3(Method::DELETE, "/bucket/form"), 204, (S, "DeleteObject", None), true),
        case(HIGH, many, 200, (S, "DeleteObjects", None), true),
        case(LOW, Ask::s3(Method::DELETE, "/bucket/key"), 204, (U, "DeleteObject", None), true),
        case(LOW, Ask::s3(Method::DELETE, "/bucket"), 204, (U, "DeleteBucket", None), true),
    ]
}

fn of_others() -> Vec<Case> {
    let iam = |parameters: &[(&str, &str)]| Ask::form("iam", parameters);
    let own = |operation: &str, label: &str| Ask::own(operation, &serde_json::json!({ "label": label }));
    let create = iam(&[("Action", "CreateUser"), ("UserName", "new")]);
    let trail = |operation: &str| Ask::trail(operation, &serde_json::json!({}));
    let (lookup, token) = (trail("LookupEvents"), serde_json::json!({ "NextToken": "none" }));
    let withheld = |label: &str| Ask::trail("DiscloseEvents", &serde_json::json!({ "WithholdLabels": [label] }));
    let bad_token = Ask::trail("LookupEvents", &token);
    vec![
        case("admin@alpha", create.clone(), 200, (U, "CreateUser", None), true),
        case("admin@alpha", create.clone(), 409, (U, "CreateUser", Some("EntityAlreadyExists")), true),
        case(HIGH, create, 403, (S, "CreateUser", Some("AccessDenied")), true),
        case(HIGH, iam(&[("Action", "GetUser")]), 200, (S, "GetUser", None), false),
        case(HIGH, iam(&[("Action", "MakeCoffee")]), 400, (S, "", Some("InvalidAction")), true),
        case(HIGH, Ask::form("sts", &[("Action", "GetCallerIdentity")]), 200, (S, "GetCallerIdentity", None), false),
        case(LOW, own("CreateKey", S), 200, (U, "CreateKeyAt", None), true),
        case(HIGH, own("CreateKey", S), 403, (S, "CreateKeyAt", Some("AccessDenied")), true),
        case("vera SECRET", lookup.clone(), 200, (S, "LookupEvents", None), false),
        case("vera TOP SECRET//SI", bad_token, 400, (SI, "LookupEvents", Some("InvalidNextTokenException")), true),
        case(HIGH, lookup.clone(), 400, (S, "LookupEvents", Some("AccessDenied")), true),
        case("vera SECRET", withheld("UNCLASSIFIED"), 200, (S, "DiscloseEvents", None), false),
        case("vera SECRET", withheld("UNCLASIFIED"), 400, (S, "DiscloseEvents", Some("ValidationException")), true),
        case("vera SECRET", trail("DescribeTrails"), 400, (S, "", Some("UnsupportedOperationException")), true),
        case("unsigned", lookup.clone(), 400, (TOP, "", Some("MissingAuthenticationToken")), true),
        case("wrong", lookup, 400, (TOP, "", Some("SignatureDoesNotMatch")), true),
        case("vera SECRET", get("/bucket/key"), 403, (S, "GetObject", Some("AccessDenied")), true),
        case("officer@alpha", own("AllowLabel", "TOP SECRET"), 200, (U, "AllowLabel", None), true),
        case("unknown", get("/bucket/key"), 403, (TOP, "", Some("InvalidAccessKeyId")), true),
        case("unsigned", get("/bucket/key"), 403, (TOP, "", Some("AccessDenied")), true),
        case("wrong", get("/bucket/key"), 403, (TOP, "", Some("SignatureDoesNotMatch")), true),
        case("wrong", iam(&[("Action", "GetUser")]), 403, (TOP, "", Some("SignatureDoesNotMatch")), true),
    ]
}

fn code(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Refused(_, code) => Some(code),
        _ => None,
    }
}

#[tokio::test]
async fn every_request_is_one_entry_in_the_right_ledger() {
    let template = Template::make().await;
    let house = template.open();
    let count = || LABELS.map(|label| rows(&template, &house, label).len());
    let (mut before, mut waits) = (count(), Vec::new());
    for Case { key, ask, status, expected: (label, operation, refusal), at_once } in
        of_s3().into_iter().chain(of_others())
    {
        let place = LABELS.iter().position(|name| *name == label).unwrap();
        let signer = match key {
            "unknown" => Some(Key::unknown(1)),
            "unsigned" => None,
            "wrong" => Some(Key { secret: "wrong".to_owned(), ..template.cast[HIGH].clone() }),
            name => Some(template.cast[name].clone()),
        };
        let answer = house.send(signer.as_ref(), &ask).await;
        assert_eq!(answer.status, status, "{ask:?}: {answer:?}");
        if !at_once {
            let answered = Instant::now();
            let noted = async {
                while rows(&template, &house, label).len() == before[place] {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let noted = tokio::time::timeout(Duration::from_secs(60), noted).await;
            assert!(noted.is_ok(), "{ask:?}: the ledger at {label} has no entry");
            waits.push(answered.elapsed());
            // Whatever else is on its way is there now, too.
            house.store.flush().await.unwrap();
        }
        let after = count();
        for (number, name) in LABELS.iter().enumerate() {
            let more = usize::from(*name == label);
            assert_eq!(after[number], before[number] + more, "{ask:?}: the ledger at {name}");
        }
        let entry = entries(&template, &house, label, before[place]).remove(0);
        assert_eq!((entry.operation.as_str(), code(&entry.outcome)), (operation, refusal), "{ask:?}: {entry:?}");
        let request = hex(&entry.request);
        let shown = answer.header("x-amz-request-id").or_else(|| answer.header("x-amzn-requestid"));
        assert_eq!((entry.label.as_str(), shown), (label, Some(request.as_str())), "{ask:?}");
        before = after;
    }
    // One that waits longer says how busy the machine is with other things; half of them say how long it takes.
    waits.sort();
    let median = waits[waits.len() / 2];
    assert!(median <= Duration::from_millis(100), "reads' entries do not follow within 100 ms: {waits:?}");
    assert_eq!(house.keeper().step().await.alarms, []);
    for report in verify(&house.store, &house.log_keys(), |_| ()).unwrap() {
        assert_eq!(report.finding, None, "{report:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[tokio::test]
async fn a_read_is_recorded_before_its_answer_where_that_is_configured() {
    let template = Template::make().await;
    let house = template.open_recording(Reads::BeforeAnswer);
    let key = Some(&template.cast[LOW]);
    house.send(key, &put("/bucket", "")).await;
    house.send(key, &put("/bucket/key", "low")).await;
    for ask in [get("/bucket/key"), get("/bucket?list-type=2"), Ask::s3(Method::HEAD, "/bucket/key")] {
        let before = rows(&template, &house, U).len();
        assert_eq!(house.send(key, &ask).await.status, 200);
        assert_eq!(rows(&template, &house, U).len(), before + 1, "{ask:?}");
    }
}

#[tokio::test]
async fn an_entry_of_many_deletions_holds_each_outcome() {
    let template = Template::make().await;
    let house = template.open();
    let low = Some(&template.cast[LOW]);
    house.send(low, &put("/bucket", "")).await;
    house.send(low, &put("/bucket/key", "low")).await;
    let lower = house.send(Some(&template.cast[HIGH]), &put("/bucket/key", "high")).await;
    assert_eq!(lower.status, 200);
    let listing = house.send(Some(&template.cast[HIGH]), &get("/bucket?versions")).await;
    let id = listing.all("VersionId").pop().unwrap();
    let objects = format!(
        "<Delete><Object><Key>key</Key></Object><Object><Key>key</Key><VersionId>{id}</VersionId></Object></Delete>"
    );
    house.store.flush().await.unwrap();
    let known = rows(&template, &house, S).len();
    house.send(Some(&template.cast[HIGH]), &Ask::deletions("bucket", objects)).await;
    let entry = entries(&template, &house, S, known).remove(0);
    let refused = Outcome::Refused("mandatory".to_owned(), "AccessDenied".to_owned());
    assert_eq!(entry.outcome, Outcome::Each(vec![Outcome::Done(Some("null".to_owned())), refused]), "{entry:?}");
    assert_eq!(entry.resources, ["write bucket/key".to_owned(), format!("write bucket/key?versionId={id}")]);
}

/// What sessions at or below SECRET do, and in between, if asked for, what others do.
async fn activity(house: &House, template: &Template, with_high: bool) {
    for round in 0..4 {
        for name in ["zoe TOP SECRET//SI/TK", "sid TOP SECRET//SI", "tim TOP SECRET//TK"] {
            if with_high {
                let key = Some(&template.cast[name]);
                house.send(key, &put("/bucket", "")).await;
                house.send(key, &put("/bucket/key", "high")).await;
                house.send(key, &get("/bucket/key")).await;
                house.send(key, &Ask::s3(Method::DELETE, "/bucket/key")).await;
                house.send(Some(&Key::unknown(7)), &get("/bucket/key")).await;
            }
        }
        for name in [LOW, "gwen SECRET//REL TO USA, GBR", HIGH] {
            let key = Some(&template.cast[name]);
            house.send(key, &put("/bucket", "")).await;
            house.send(key, &put(&format!("/bucket/key-{round}"), "low")).await;
            house.send(key, &get("/bucket/key-0")).await;
            house.send(key, &get("/bucket?versions")).await;
            house.send(key, &Ask::s3(Method::DELETE, "/bucket/key-0")).await;
        }
    }
    house.store.flush().await.unwrap();
}

#[tokio::test]
async fn low_ledgers_are_the_same_with_and_without_high_activity() {
    let template = Template::make().await;
    let (busy, quiet) = (template.open(), template.open());
    activity(&busy, &template, true).await;
    activity(&quiet, &template, false).await;
    for label in [U, REL, S] {
        let (with, without) = (rows(&template, &busy, label), rows(&template, &quiet, label));
        assert!(without.len() >= 20, "{label}: {}", without.len());
        assert_eq!(with, without, "{label}");
    }
    assert!(rows(&template, &busy, TOP).len() > rows(&template, &quiet, TOP).len());
    assert_eq!(busy.keeper().step().await.alarms, []);
    for report in verify(&busy.store, &busy.log_keys(), |_| ()).unwrap() {
        assert_eq!(report.finding, None, "{report:?}");
    }
}

/// What was deleted becomes final by itself, at its own label alone, and the ledger says so.
#[tokio::test]
async fn the_region_records_what_it_destroys() {
    let template = Template::make().await;
    let house = template.open();
    for (target, body) in [("/bucket", ""), ("/bucket/a", "x"), ("/bucket/b", "x")] {
        assert_eq!(house.send(Some(&template.cast[LOW]), &put(target, body)).await.status, 200);
    }
    assert_eq!(house.send(Some(&template.cast[HIGH]), &put("/bucket/a", "high")).await.status, 200);
    let gone = Ask::s3(Method::DELETE, "/bucket/a");
    assert_eq!(house.send(Some(&template.cast[LOW]), &gone).await.status, 204);
    let known = LABELS.map(|label| rows(&template, &house, label).len());
    let destroyed = async {
        while rows(&template, &house, U).len() == known[0] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = house.keep_up(Duration::from_secs(1)) => unreachable!("upkeep does not end"),
        found = tokio::time::timeout(Duration::from_secs(120), destroyed) => found.unwrap(),
    }
    let entry = entries(&template, &house, U, known[0]).remove(0);
    assert_eq!((entry.operation.as_str(), entry.principal.as_str()), ("DestroyErasureKeys", "region"));
    assert_eq!(entry.outcome, Outcome::Done(Some("destroyed=1 rewrapped=1".to_owned())));
    assert_eq!(entry.label, U);
    for (label, known) in LABELS.iter().zip(known).skip(1) {
        assert_eq!(rows(&template, &house, label).len(), known, "{label}");
    }
    for (key, target, text) in [(LOW, "/bucket/b", "x"), (HIGH, "/bucket/a", "high")] {
        assert_eq!(house.send(Some(&template.cast[key]), &get(target)).await.text(), text);
    }
}

//! The whole way: a signed request, the gate, the store in memory, and the answer as a client gets it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use fastness_gate::{Gate, SystemEnvironment};
use fastness_identity::directory::create_operator;
use fastness_identity::signature::claim;
use fastness_identity::signature::sign::{SignPayload, Signer};
use fastness_label::Policy;
use fastness_ledger::{Entry, Outcome};
use fastness_operation::Moment;
use fastness_store::disk::MemoryDisk;
use fastness_store::{RegionSetup, Store};
use fastness_vault::RootKey;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use time::OffsetDateTime;

const REGION: &str = "us-isob-east-1";

/// An access key: its id and its secret.
type Key = (String, String);

struct House {
    gate: Gate,
    /// For reading the ledger alone.
    store: Store,
    operator: Key,
}

async fn house() -> House {
    let setup = RegionSetup {
        name: REGION.to_owned(),
        floor: "UNCLASSIFIED".to_owned(),
        ceiling: "SECRET".to_owned(),
        labels: vec!["SECRET//REL TO USA, GBR".to_owned()],
    };
    let first = |rows: &mut dyn fastness_identity::DirectoryChange| {
        create_operator(rows, "UNCLASSIFIED", &Moment { now_ms: 1_790_000_000_000, seed: [7; 32] })
    };
    let disk = Arc::new(MemoryDisk::default());
    let root = RootKey::generate().unwrap();
    let (store, key) = Store::create(disk, root, Policy::us(), setup, first, Vec::new()).await.unwrap();
    let operator = (key.id.to_string(), key.secret.reveal().to_owned());
    House { gate: Gate::new(store.clone(), Arc::new(SystemEnvironment)), store, operator }
}

impl House {
    async fn send(&self, key: &Key, service: &str, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let mut request = Request::builder().method(Method::POST).uri("/").header("host", "localhost:9402");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let signer = Signer::new(&key.0, &key.1, REGION, service);
        signer.sign(&mut parts, SignPayload::Body(body.as_bytes()), OffsetDateTime::now_utc()).unwrap();
        let claim = claim(&parts).unwrap().unwrap();
        let hash = digest(&SHA256, body.as_bytes()).as_ref().try_into().unwrap();
        let context = self.gate.begin(Some(&claim.access_key_id), "test".to_owned(), "");
        let (session, _) = self.gate.authenticate(context, &claim, &parts, Some(hash)).await.unwrap();
        let answer =
            fastness_iam::handle(&self.gate, &session, service, &parts.method, &parts.headers, body.as_bytes()).await;
        assert_eq!(answer.headers()["x-amzn-requestid"], session.context().request_id());
        answer
    }

    /// A call of the query protocol: its status and its body.
    async fn query(&self, key: &Key, service: &str, body: &str) -> (u16, String) {
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let answer = self.send(key, service, &headers, body).await;
        (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap())
    }

    /// A call of Fastness's own API: its status and its body.
    async fn own(&self, key: &Key, operation: &str, body: Value) -> (u16, Value) {
        let target = format!("Fastness.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let answer = self.send(key, "fastness", &headers, &body.to_string()).await;
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    /// The ledger's entries at the floor.
    fn entries(&self) -> Vec<Entry> {
        let mut found = Vec::new();
        let floor = self.store.labels().floor();
        let see = |_, _: &[u8; 32], content: Option<&[u8]>| {
            found.extend(Entry::decode_content(content.unwrap()).ok());
            true
        };
        self.store.ledger_rows(floor, 0, u64::MAX, see).unwrap();
        found
    }

    async fn account(&self) -> (String, Key, Key) {
        let (status, made) = self.own(&self.operator, "CreateAccount", json!({ "name": "alpha" })).await;
        assert_eq!(status, 200, "{made}");
        assert_eq!((&made["administrator"]["user"], &made["officer"]["user"]), (&json!("admin"), &json!("officer")));
        let number = made["account"].as_str().unwrap().to_owned();
        (number, key_of(&made["administrator"]), key_of(&made["officer"]))
    }
}

fn key_of(value: &Value) -> Key {
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    (text("access_key_id"), text("secret_access_key"))
}

fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split_once(&format!("</{name}>")).unwrap().0
}

#[tokio::test]
async fn a_user_lives_works_and_goes() {
    let house = house().await;
    let (number, admin, officer) = house.account().await;
    let ok = async |key: &Key, body: &str| {
        let (status, xml) = house.query(key, "iam", body).await;
        assert_eq!(status, 200, "{body}: {xml}");
        xml
    };
    let made =
        ok(&admin, "Action=CreateUser&UserName=ana&Path=/staff/&Tags.member.1.Key=team&Tags.member.1.Value=blue").await;
    let arn = format!("arn:aws-iso-b:iam::{number}:user/staff/ana");
    assert_eq!(element(&made, "Arn"), arn);
    assert_eq!(ok(&admin, "Action=GetUser&UserName=ana").await.matches("<member>").count(), 1);
    let officers = "Action=TagUser&UserName=ana&Tags.member.1.Key=clearance&Tags.member.1.Value=SECRET\
                    &Tags.member.2.Key=nationality&Tags.member.2.Value=USA&Tags.member.3.Key=label&Tags.member.3.Value=UNCLASSIFIED";
    ok(&officer, officers).await;
    let first = ok(&admin, "Action=ListUserTags&UserName=ana&MaxItems=3").await;
    assert_eq!((element(&first, "IsTruncated"), element(&first, "Marker")), ("true", "nationality"));
    let rest = ok(&admin, "Action=ListUserTags&UserName=ana&Marker=nationality").await;
    assert_eq!((element(&rest, "Key"), element(&rest, "IsTruncated")), ("team", "false"));

    let made = ok(&admin, "Action=CreateAccessKey&UserName=ana").await;
    let ana = (element(&made, "AccessKeyId").to_owned(), element(&made, "SecretAccessKey").to_owned());
    let (status, identity) = house.query(&ana, "sts", "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(
        (status, element(&identity, "Arn"), element(&identity, "Account")),
        (200, arn.as_str(), number.as_str())
    );
    assert_eq!(element(&ok(&ana, "Action=GetUser").await, "UserName"), "ana");

    let (status, other) = house.own(&ana, "CreateKey", json!({ "label": "SECRET" })).await;
    assert_eq!((status, &other["label"]), (200, &json!("SECRET")));
    let page = ok(&ana, "Action=ListAccessKeys&MaxItems=1").await;
    assert_eq!((page.matches("<member>").count(), element(&page, "IsTruncated")), (1, "true"));
    let rest = ok(&ana, &format!("Action=ListAccessKeys&Marker={}", element(&page, "Marker"))).await;
    assert_eq!((rest.matches("<member>").count(), element(&rest, "IsTruncated")), (1, "false"));
    assert!(!rest.contains("Secret"));

    let other = key_of(&other).0;
    ok(&admin, &format!("Action=UpdateAccessKey&UserName=ana&AccessKeyId={other}&Status=Inactive")).await;
    assert!(ok(&admin, "Action=ListAccessKeys&UserName=ana").await.contains("<Status>Inactive</Status>"));
    let (status, xml) = house.query(&admin, "iam", "Action=DeleteUser&UserName=ana").await;
    assert_eq!((status, element(&xml, "Code")), (409, "DeleteConflict"));
    for key in [&other, &ana.0] {
        ok(&admin, &format!("Action=DeleteAccessKey&UserName=ana&AccessKeyId={key}")).await;
    }
    ok(&officer, "Action=UntagUser&UserName=ana&TagKeys.member.1=clearance").await;
    ok(&admin, "Action=DeleteUser&UserName=ana").await;
    let (status, xml) = house.query(&admin, "iam", "Action=GetUser&UserName=ana").await;
    assert_eq!((status, element(&xml, "Code")), (404, "NoSuchEntity"));
}

#[tokio::test]
async fn users_come_in_pages() {
    let house = house().await;
    let (_, admin, _) = house.account().await;
    let (mut found, mut marker) = (Vec::new(), String::new());
    for _ in 0..3 {
        let (status, xml) = house.query(&admin, "iam", &format!("Action=ListUsers&MaxItems=1{marker}")).await;
        assert_eq!(status, 200, "{xml}");
        found.push(element(&xml, "UserName").to_owned());
        if element(&xml, "IsTruncated") == "false" {
            break;
        }
        marker = format!("&Marker={}", element(&xml, "Marker"));
    }
    assert_eq!(found, ["admin", "officer"]);
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let house = house().await;
    let (_, admin, officer) = house.account().await;
    let check = async |key: &Key, body: &str, expected: (u16, &str)| {
        let (status, xml) = house.query(key, "iam", body).await;
        assert_eq!((status, element(&xml, "Code")), expected, "{body}: {xml}");
        assert_eq!(element(&xml, "Type"), "Sender");
    };
    check(&admin, "Action=CreateUser&UserName=Admin", (409, "EntityAlreadyExists")).await;
    check(&admin, "Action=CreateUser&UserName=a/b", (400, "ValidationError")).await;
    check(&admin, "Action=MakeCoffee", (400, "InvalidAction")).await;
    check(&admin, "Action=ListUserTags&UserName=nobody", (404, "NoSuchEntity")).await;
    check(
        &admin,
        "Action=TagUser&UserName=admin&Tags.member.1.Key=label&Tags.member.1.Value=SECRET",
        (403, "AccessDenied"),
    )
    .await;
    check(
        &officer,
        "Action=TagUser&UserName=admin&Tags.member.1.Key=clearance&Tags.member.1.Value=SECERT",
        (400, "InvalidInput"),
    )
    .await;
    check(&house.operator, "Action=ListUsers", (403, "AccessDenied")).await;
    check(&house.operator, "Action=GetUser", (403, "AccessDenied")).await;
    let (status, refusal) = house.own(&admin, "CreateAccount", json!({ "name": "beta" })).await;
    assert_eq!((status, &refusal["__type"]), (403, &json!("AccessDenied")));
    let (status, refusal) = house.own(&house.operator, "CreateAccount", json!({ "name": "beta", "x": 1 })).await;
    assert_eq!((status, &refusal["__type"]), (400, &json!("ValidationException")));
}

#[tokio::test]
async fn the_operator_and_the_officer_have_their_own_calls() {
    let house = house().await;
    let (number, admin, officer) = house.account().await;
    let (_, identity) = house.query(&house.operator, "sts", "Action=GetCallerIdentity").await;
    assert_eq!(element(&identity, "Arn"), "arn:aws-iso-b:iam::000000000000:operator");
    assert_eq!(
        (element(&identity, "Account"), element(&identity, "UserId")),
        ("000000000000", house.operator.0.as_str())
    );
    let (_, accounts) = house.own(&house.operator, "ListAccounts", json!({})).await;
    assert_eq!(
        (&accounts["accounts"][0]["account"], &accounts["accounts"][0]["name"]),
        (&json!(number), &json!("alpha"))
    );
    let label = "SECRET//REL TO USA, AUS";
    for new in [true, false] {
        let (status, allowed) = house.own(&officer, "AllowLabel", json!({ "label": label })).await;
        assert_eq!((status, allowed), (200, json!({ "label": label, "new": new })));
    }
    let (_, labels) = house.own(&admin, "ListLabels", json!({})).await;
    let labels = labels["labels"].as_array().unwrap();
    assert_eq!((labels.len(), &labels[0], &labels[3]), (4, &json!("SECRET"), &json!("UNCLASSIFIED")));
}

#[tokio::test]
async fn what_makes_no_sense_is_in_the_ledger() {
    let house = house().await;
    let (_, admin, _) = house.account().await;
    let refused = |expected: (&str, &str)| {
        let entry = house.entries().pop().unwrap();
        let Outcome::Refused(reason, code) = &entry.outcome else { panic!("{entry:?}") };
        assert_eq!(
            (reason.as_str(), code.as_str(), entry.resources.join(" ").as_str()),
            ("request", expected.0, expected.1)
        );
    };
    let count = house.entries().len();
    house.query(&admin, "iam", "Action=MakeCoffee").await;
    refused(("InvalidAction", "iam MakeCoffee"));
    house.query(&admin, "iam", "Action=GetUser&UserName=a&UserName=b").await;
    refused(("ValidationError", "iam"));
    house.query(&admin, "sts", "Action=GetCallerIdentity&X=1").await;
    refused(("ValidationError", "sts GetCallerIdentity"));
    house.own(&admin, "AllowLabel", json!({ "label": 1 })).await;
    refused(("ValidationException", "fastness Fastness.AllowLabel"));
    assert_eq!(house.entries().len(), count + 4);
}

#[tokio::test]
async fn no_secret_is_in_the_ledger() {
    let house = house().await;
    let (_, admin, officer) = house.account().await;
    let (_, made) = house.query(&admin, "iam", "Action=CreateAccessKey").await;
    let ledger = format!("{:?}", house.entries());
    for secret in [&admin.1, &officer.1, element(&made, "SecretAccessKey")] {
        assert!(!ledger.contains(secret));
    }
    assert!(ledger.contains(element(&made, "AccessKeyId")));
}

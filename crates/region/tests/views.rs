//! Names in a view (DESIGN.md section 1): each rule by its number, over the HTTP service, as its users see it.

#![expect(
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
#[expect(dead_code, reason = "the histories use more of it")]
mod support;

use http::Method;
use support::{Answer, Ask, House, Key, REL, S, SI, TK, TOP, Template, U};

struct Region {
    template: Template,
    house: House,
}

async fn region() -> Region {
    let template = Template::make().await;
    let house = template.open();
    Region { template, house }
}

/// Whose key a label stands for.
fn holder(label: &str) -> String {
    let name = match label {
        U | S => "ana",
        REL => "gwen",
        SI => "sid",
        TK => "tim",
        _ => "zoe",
    };
    format!("{name} {label}")
}

impl Region {
    fn key(&self, label: &str) -> &Key {
        self.template.cast.get(label).unwrap_or_else(|| &self.template.cast[&holder(label)])
    }

    /// A request of whoever holds the key at a label (or of the one named).
    async fn ask(&self, who: &str, ask: Ask) -> Answer {
        self.house.send(Some(self.key(who)), &ask).await
    }

    async fn call(&self, who: &str, method: Method, target: &str) -> Answer {
        self.ask(who, Ask::s3(method, target)).await
    }

    async fn ok(&self, who: &str, method: Method, target: &str) -> Answer {
        let answer = self.call(who, method.clone(), target).await;
        assert!(answer.status < 300, "{who} {method} {target}: {answer:?}");
        answer
    }

    async fn put(&self, who: &str, target: &str, body: &str) -> Answer {
        let answer = self.ask(who, Ask::s3(Method::PUT, target).body(body.to_owned())).await;
        assert_eq!(answer.status, 200, "{who} {target}: {answer:?}");
        answer
    }

    async fn get(&self, who: &str, target: &str) -> Answer {
        self.call(who, Method::GET, target).await
    }

    /// The body at a target, or the error's code.
    async fn read(&self, who: &str, target: &str) -> String {
        let answer = self.get(who, target).await;
        if answer.status == 200 { answer.text() } else { answer.one("Code") }
    }

    async fn version(&self, bucket: &str, who: &str) {
        let text = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let answer = self.ask(who, Ask::s3(Method::PUT, format!("/{bucket}?versioning")).body(text)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn refused(&self, who: &str, method: Method, target: &str) -> (u16, String) {
        let answer = self.call(who, method, target).await;
        (answer.status, answer.one("Code"))
    }
}

fn id(answer: &Answer) -> String {
    answer.header("x-amz-version-id").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn rule_1_versions_are_ordered_by_partition_then_by_sequence() {
    let region = region().await;
    region.ok(U, Method::PUT, "/bucket").await;
    region.version("bucket", U).await;
    let mut ids = Vec::new();
    for (who, body) in
        [(TOP, "top"), (S, "secret 1"), (S, "secret 2"), (REL, "rel"), (SI, "si"), (TK, "tk"), (U, "low")]
    {
        ids.push((body, id(&region.put(who, "/bucket/key", body).await)));
    }
    for (who, latest) in [(U, "low"), (REL, "rel"), (S, "secret 2"), (SI, "si"), (TK, "tk"), (TOP, "top")] {
        let answer = region.get(who, "/bucket/key").await;
        assert_eq!((answer.text().as_str(), answer.header("x-fastness-label")), (latest, Some(who)));
    }
    let order = |listing: &Answer| -> Vec<String> {
        let found = listing.all("VersionId").into_iter();
        found.map(|found| ids.iter().find(|(_, id)| *id == found).map_or("?", |(body, _)| *body).to_owned()).collect()
    };
    let listing = region.get(SI, "/bucket?versions").await;
    assert_eq!(order(&listing), ["si", "secret 2", "secret 1", "rel", "low"]);
    assert_eq!(listing.all("IsLatest"), ["true", "false", "false", "false", "false"]);
    assert_eq!(order(&region.get(U, "/bucket?versions").await), ["low"]);
}

#[tokio::test]
async fn rule_2_a_bucket_is_the_union_of_its_records() {
    let region = region().await;
    region.ok(U, Method::PUT, "/bucket").await;
    region.version("bucket", U).await;
    // The first write at a label copies the topmost record: versioning is on there too.
    assert_ne!(id(&region.put(S, "/bucket/key", "1").await), "");
    // From now on each changes its own.
    let text = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    region.ask(S, Ask::s3(Method::PUT, "/bucket?versioning").body(text)).await;
    assert_eq!(region.get(S, "/bucket?versioning").await.one("Status"), "Suspended");
    assert_eq!(region.get(U, "/bucket?versioning").await.one("Status"), "Enabled");
    assert_eq!(id(&region.put(S, "/bucket/key", "2").await), "null");
    assert_ne!(id(&region.put(U, "/bucket/key", "3").await), "null");
    // Removing it needs no version in view, and no record below.
    assert_eq!(region.refused(S, Method::DELETE, "/bucket").await, (409, "BucketNotEmpty".to_owned()));
    let (low, high) = (id(&region.get(U, "/bucket/key").await), region.get(S, "/bucket?versions").await);
    region.ok(U, Method::DELETE, &format!("/bucket/key?versionId={low}")).await;
    for id in high.all("VersionId").iter().filter(|id| **id != low) {
        region.ok(S, Method::DELETE, &format!("/bucket/key?versionId={id}")).await;
    }
    assert_eq!(region.refused(S, Method::DELETE, "/bucket").await, (403, "AccessDenied".to_owned()));
    region.ok(U, Method::DELETE, "/bucket").await;
    assert_eq!(region.call(U, Method::HEAD, "/bucket").await.status, 404);
    region.ok(S, Method::HEAD, "/bucket").await;
    region.ok(S, Method::DELETE, "/bucket").await;
    assert_eq!(region.call(S, Method::HEAD, "/bucket").await.status, 404);
}

#[tokio::test]
async fn rule_3_a_name_means_ones_own_bucket_then_the_topmost() {
    let region = region().await;
    // Low and high, and two accounts, make the same name and never learn of each other.
    region.ok(S, Method::PUT, "/bucket").await;
    region.ok(U, Method::PUT, "/bucket").await;
    assert_eq!(region.refused(S, Method::PUT, "/bucket").await, (409, "BucketAlreadyOwnedByYou".to_owned()));
    assert_eq!(region.refused("bob UNCLASSIFIED", Method::PUT, "/bucket").await.1, "BucketAlreadyExists");
    assert_eq!(region.refused("bob UNCLASSIFIED", Method::GET, "/bucket").await.1, "AccessDenied");

    region.ok("bob SECRET", Method::PUT, "/other").await;
    assert_eq!(region.refused(U, Method::GET, "/other").await.1, "NoSuchBucket");
    region.ok(U, Method::PUT, "/other").await;
    region.put(U, "/other/key", "ana's").await;
    region.put("bob SECRET", "/other/key", "bob's").await;
    assert_eq!(region.read("bob SECRET", "/other/key").await, "bob's");
    assert_eq!(region.read(S, "/other/key").await, "ana's");
    assert_eq!(region.refused("bob UNCLASSIFIED", Method::GET, "/other/key").await, (403, "AccessDenied".to_owned()));
}

#[tokio::test]
async fn rule_4_deleting_covers_what_is_lower_and_takes_nothing_of_it() {
    let region = region().await;
    region.ok(U, Method::PUT, "/bucket").await;
    region.put(U, "/bucket/key", "low").await;
    let marker = region.ok(S, Method::DELETE, "/bucket/key").await;
    assert_eq!(marker.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(region.read(S, "/bucket/key").await, "NoSuchKey");
    assert_eq!(region.read(U, "/bucket/key").await, "low");
    // What an unversioned bucket holds at one label alone goes without a marker.
    region.put(S, "/bucket/own", "own").await;
    assert_eq!(region.ok(S, Method::DELETE, "/bucket/own").await.header("x-amz-delete-marker"), None);
    // A lower version is deleted at its own label.
    let listing = region.get(S, "/bucket?versions&prefix=key").await;
    let low = listing.all("VersionId").pop().unwrap();
    let target = format!("/bucket/key?versionId={low}");
    assert_eq!(region.refused(S, Method::DELETE, &target).await, (403, "AccessDenied".to_owned()));
    // The topmost null version alone is called `null`: here the marker; the lower one shows its id.
    assert_eq!(listing.all("VersionId").len(), 2);
    assert!(listing.one("DeleteMarker").contains("<VersionId>null</VersionId>"));
    assert_eq!(low.len(), 32);
    assert_eq!(region.get(U, "/bucket?versions&prefix=key").await.all("VersionId"), ["null"]);
    assert_eq!(region.read(S, &target).await, "low");
}

#[tokio::test]
async fn rule_5_conditions_and_counts_look_at_the_view() {
    let region = region().await;
    region.ok(U, Method::PUT, "/bucket").await;
    region.put(S, "/bucket/key", "high").await;
    let only_new = || Ask::s3(Method::PUT, "/bucket/key").with("if-none-match", "*").body("new");
    assert_eq!(region.ask(SI, only_new()).await.status, 412);
    assert_eq!(region.ask(REL, only_new()).await.status, 200);
    assert_eq!(region.ask(U, only_new()).await.status, 200);
    assert_eq!(region.get(U, "/bucket?list-type=2").await.one("KeyCount"), "1");
    region.put(TK, "/bucket/tk", "").await;
    assert_eq!(region.get(SI, "/bucket?list-type=2").await.all("Key"), ["key"]);
    // Uploads belong to the session's label: neither from below nor from above are they seen.
    let upload = region.ok(S, Method::POST, "/bucket/part?uploads").await.one("UploadId");
    for who in [U, SI] {
        assert_eq!(region.read(who, &format!("/bucket/part?uploadId={upload}")).await, "NoSuchUpload");
        assert_eq!(region.get(who, "/bucket?uploads").await.all("UploadId"), [""; 0]);
    }
    assert_eq!(region.get(S, "/bucket?uploads").await.all("UploadId"), [upload]);
}

#[tokio::test]
async fn rule_6_mandatory_refusals_are_not_found_and_discretionary_ones_forbidden() {
    let region = region().await;
    region.ok(SI, Method::PUT, "/bucket").await;
    region.version("bucket", SI).await;
    let version = id(&region.put(SI, "/bucket/key", "si").await);
    for who in [U, S, TK] {
        assert_eq!(region.read(who, "/bucket/key").await, "NoSuchBucket");
    }
    region.ok(U, Method::PUT, "/bucket").await;
    let no_version = format!("/bucket/key?versionId={version}");
    for who in [U, S, TK] {
        assert_eq!(region.read(who, "/bucket/key").await, "NoSuchKey");
        assert_eq!(region.read(who, &no_version).await, "NoSuchVersion");
    }
    assert_eq!(region.read("bob UNCLASSIFIED", "/bucket/key").await, "AccessDenied");
    assert_eq!(region.read("admin@alpha", "/bucket/key").await, "AccessDenied");
    // A refusal never falls through to a version below: the name means the marker.
    region.put(U, "/bucket/low", "low").await;
    region.ok(S, Method::DELETE, "/bucket/low").await;
    assert_eq!(region.read(S, "/bucket/low").await, "NoSuchKey");
}

#[tokio::test]
async fn rule_7_nothing_above_removes_anything_below() {
    let region = region().await;
    region.ok(U, Method::PUT, "/bucket").await;
    region.version("bucket", U).await;
    let low = id(&region.put(U, "/bucket/key", "low").await);
    // Regrading upward is a copy; the lower version stays until it goes at its own label.
    let copy = Ask::s3(Method::PUT, "/bucket/key").with("x-amz-copy-source", &format!("/bucket/key?versionId={low}"));
    assert_eq!(region.ask(S, copy).await.header("x-fastness-label"), Some(S));
    let objects = format!("<Delete><Object><Key>key</Key><VersionId>{low}</VersionId></Object></Delete>");
    let many = region.ask(S, Ask::deletions("bucket", objects)).await;
    assert_eq!(many.one("Code"), "AccessDenied");
    region.ok(S, Method::DELETE, "/bucket/key").await;
    assert_eq!(region.read(U, "/bucket/key").await, "low");
    assert_eq!(region.refused(S, Method::DELETE, "/bucket").await.0, 409);
    region.ok(U, Method::DELETE, &format!("/bucket/key?versionId={low}")).await;
    assert_eq!(region.read(U, "/bucket/key").await, "NoSuchKey");
    let listing = region.get(S, "/bucket?versions").await;
    assert_eq!((listing.all("Version").len(), listing.all("DeleteMarker").len()), (1, 1));
}

#[tokio::test]
async fn rule_8_the_label_is_in_the_header_and_may_be_stated() {
    let region = region().await;
    region.ok(U, Method::PUT, "/bucket").await;
    let put = |text: &str| Ask::s3(Method::PUT, "/bucket/key").with("x-amz-meta-classification", text).body("text");
    assert_eq!(region.ask(S, put(S)).await.status, 200);
    for (text, expected) in
        [(U, (403, "AccessDenied")), (TOP, (403, "AccessDenied")), ("SECERT", (400, "InvalidArgument"))]
    {
        let answer = region.ask(S, put(text)).await;
        assert_eq!((answer.status, answer.one("Code").as_str()), expected, "{text}");
    }
    for who in [S, SI, TOP] {
        let answer = region.get(who, "/bucket/key").await;
        let stated = answer.header("x-amz-meta-classification");
        assert_eq!((answer.header("x-fastness-label"), stated), (Some(S), Some(S)));
    }
    region.put(S, "/bucket/plain", "text").await;
    assert_eq!(region.get(S, "/bucket/plain").await.header("x-amz-meta-classification"), None);
}

#[tokio::test]
async fn a_refused_write_changes_nothing() {
    let region = region().await;
    region.ok(U, Method::PUT, "/bucket").await;
    region.put(U, "/bucket/key", "low").await;
    let refused = Ask::s3(Method::PUT, "/bucket/key").with("if-none-match", "*").body("new");
    assert_eq!(region.ask(S, refused).await.status, 412);
    region.ok(U, Method::DELETE, "/bucket/key").await;
    region.ok(U, Method::DELETE, "/bucket").await;
    assert_eq!(region.call(S, Method::HEAD, "/bucket").await.status, 404, "the refusal left a record of the bucket");
}

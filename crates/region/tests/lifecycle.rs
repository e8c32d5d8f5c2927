//! The lifecycle, in process, by clocks that the test moves: what expires, when, and where.

#![expect(
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
#[expect(dead_code, reason = "the histories use more of it")]
mod support;

use fastness_ledger::{Entry, Outcome};
use http::Method;
use support::{Answer, Ask, House, S, Template, U};

const LOW: &str = "ana UNCLASSIFIED";
const HIGH: &str = "ana SECRET";

struct Play {
    template: Template,
    house: House,
}

impl Play {
    async fn begin() -> Self {
        let template = Template::make().await;
        let house = template.open();
        let play = Self { template, house };
        play.put(LOW, "/bucket", "").await;
        play
    }

    async fn ask(&self, who: &str, ask: Ask) -> Answer {
        self.house.send(Some(&self.template.cast[who]), &ask).await
    }

    async fn put(&self, who: &str, target: &str, body: &str) -> Answer {
        let answer = self.ask(who, Ask::s3(Method::PUT, target).body(body.to_owned())).await;
        assert!(answer.status < 300, "{target}: {answer:?}");
        answer
    }

    async fn versioned(&self, who: &str) {
        let text = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        self.put(who, "/bucket?versioning", text).await;
    }

    async fn rules(&self, who: &str, rules: &[&str]) {
        let rule =
            |(number, rule): (usize, &&str)| format!("<Rule><ID>{number}</ID><Status>Enabled</Status>{rule}</Rule>");
        let rules: String = rules.iter().enumerate().map(rule).collect();
        self.put(who, "/bucket?lifecycle", &format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>")).await;
    }

    async fn status(&self, who: &str, key: &str) -> u16 {
        self.ask(who, Ask::s3(Method::HEAD, format!("/bucket/{key}"))).await.status
    }

    async fn listed(&self, who: &str, query: &str, element: &str) -> Vec<String> {
        self.ask(who, Ask::s3(Method::GET, format!("/bucket?{query}"))).await.all(element)
    }

    /// How much was done at a label, by a clock so many days ahead.
    async fn pass(&self, label: &str, days: i64) -> String {
        self.house.expire(self.template.label(label), days).await.text()
    }
}

const DAYS: &str = "<Filter/><Expiration><Days>3</Days></Expiration>";

#[tokio::test]
async fn objects_expire_by_days_prefix_tag_and_size() {
    let play = Play::begin().await;
    for key in ["a", "logs/a", "big"] {
        play.put(LOW, &format!("/bucket/{key}"), if key == "big" { "0123456789" } else { "x" }).await;
    }
    let tagged = Ask::s3(Method::PUT, "/bucket/tagged").with("x-amz-tagging", "keep=no").body("x");
    assert_eq!(play.ask(LOW, tagged).await.status, 200);
    play.rules(
        LOW,
        &[
            "<Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>3</Days></Expiration>",
            "<Filter><Tag><Key>keep</Key><Value>no</Value></Tag></Filter><Expiration><Days>10</Days></Expiration>",
            "<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter><Expiration><Days>20</Days></Expiration>",
        ],
    )
    .await;
    assert_eq!(play.pass(U, 0).await, "0");
    assert_eq!(play.pass(U, 2).await, "0", "not before the third day is over");
    assert_eq!(play.pass(U, 5).await, "1");
    assert_eq!(play.listed(LOW, "list-type=2", "Key").await, ["a", "big", "tagged"]);
    assert_eq!(play.pass(U, 12).await, "1");
    assert_eq!(play.pass(U, 22).await, "1");
    assert_eq!(play.listed(LOW, "list-type=2", "Key").await, ["a"]);
    assert_eq!(play.pass(U, 1000).await, "0", "what no rule is about stays");
}

#[tokio::test]
async fn versions_and_markers_expire_in_their_turn() {
    let play = Play::begin().await;
    play.versioned(LOW).await;
    for body in ["1", "2", "3", "4"] {
        play.put(LOW, "/bucket/k", body).await;
    }
    play.rules(
        LOW,
        &[
            DAYS,
            "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays>\
         <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>",
        ],
    )
    .await;
    assert_eq!(play.pass(U, 5).await, "1", "the current version is covered by a marker");
    assert_eq!(play.status(LOW, "k").await, 404);
    assert_eq!(play.listed(LOW, "versions", "DeleteMarker").await.len(), 1);
    assert_eq!(play.listed(LOW, "versions", "Version").await.len(), 4, "older ones are there");
    assert_eq!(play.pass(U, 32).await, "2", "all but the two newest of those that are not current");
    play.rules(
        LOW,
        &[
            "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration>",
            "<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
        ],
    )
    .await;
    assert_eq!(play.pass(U, 32).await, "2");
    assert_eq!(play.pass(U, 32).await, "1", "a marker with nothing behind it");
    assert!(play.listed(LOW, "versions", "Key").await.is_empty());
}

#[tokio::test]
async fn unfinished_uploads_are_aborted() {
    let play = Play::begin().await;
    for key in ["a", "z"] {
        assert_eq!(play.ask(LOW, Ask::s3(Method::POST, format!("/bucket/{key}?uploads"))).await.status, 200);
    }
    let abort =
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    play.rules(LOW, &[&format!("<Filter><Prefix>a</Prefix></Filter>{abort}")]).await;
    assert_eq!(play.pass(U, 6).await, "0");
    assert_eq!(play.pass(U, 9).await, "1");
    assert_eq!(play.listed(LOW, "uploads", "Key").await, ["z"]);
}

#[tokio::test]
async fn a_lifecycle_acts_on_its_own_partition_and_is_not_taken_over() {
    let play = Play::begin().await;
    play.put(LOW, "/bucket/k", "low").await;
    play.rules(LOW, &[DAYS]).await;
    play.put(HIGH, "/bucket/k", "high").await;
    assert_eq!(play.ask(HIGH, Ask::s3(Method::GET, "/bucket?lifecycle")).await.status, 404, "the new record has none");
    assert_eq!(play.pass(S, 5).await, "0");
    assert_eq!(play.pass(U, 5).await, "1");
    assert_eq!((play.status(LOW, "k").await, play.status(HIGH, "k").await), (404, 200));
    // From above: what is below shows no more, and stays.
    play.put(LOW, "/bucket/k", "low").await;
    play.put(LOW, "/bucket/only-low", "low").await;
    play.rules(HIGH, &[DAYS]).await;
    assert_eq!(play.pass(S, 5).await, "1");
    assert_eq!((play.status(LOW, "k").await, play.status(HIGH, "k").await), (200, 404));
    assert_eq!(play.status(HIGH, "only-low").await, 200);
    assert_eq!(play.pass(S, 1000).await, "0", "the marker covers what is below as long as it shows");
}

#[tokio::test]
async fn what_expires_is_in_the_ledger() {
    let play = Play::begin().await;
    play.put(LOW, "/bucket/k", "x").await;
    play.rules(LOW, &[DAYS]).await;
    play.house.store.flush().await.unwrap();
    let label = play.template.label(U);
    let count = |house: &House| {
        let mut rows = Vec::new();
        let see = |_, _: &[u8; 32], content: Option<&[u8]>| {
            rows.push(Entry::decode_content(content.unwrap()).unwrap());
            true
        };
        house.store.ledger_rows(label, 0, u64::MAX, see).unwrap();
        rows
    };
    let before = count(&play.house).len();
    assert_eq!(play.pass(U, 2).await, "0");
    assert_eq!(count(&play.house).len(), before, "a pass that does nothing leaves no entry");
    assert_eq!(play.pass(U, 5).await, "1");
    let rows = count(&play.house);
    assert_eq!(rows.len(), before + 1);
    let entry = &rows[before];
    assert_eq!((entry.principal.as_str(), entry.operation.as_str()), ("lifecycle", "Expire"));
    assert_eq!(entry.resources, ["write bucket/k"]);
    assert_eq!(entry.outcome, Outcome::Each(vec![Outcome::Done(None)]));
}

#[tokio::test]
async fn object_lock_holds_against_the_lifecycle() {
    let play = Play::begin().await;
    play.versioned(LOW).await;
    let lock = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
    play.put(LOW, "/bucket?object-lock", lock).await;
    for key in ["free", "held", "kept"] {
        play.put(LOW, &format!("/bucket/{key}"), "first").await;
    }
    play.put(LOW, "/bucket/held?legal-hold", "<LegalHold><Status>ON</Status></LegalHold>").await;
    let kept = "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>";
    play.put(LOW, "/bucket/kept?retention", kept).await;
    for key in ["free", "held", "kept"] {
        play.put(LOW, &format!("/bucket/{key}"), "second").await;
    }
    let rule = "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>";
    play.rules(LOW, &[rule]).await;
    play.pass(U, 10).await;
    assert_eq!(play.listed(LOW, "versions", "Key").await, ["free", "held", "held", "kept", "kept"]);
    // A clock that is moved ahead says what is due, and ends no lock.
    play.pass(U, 50_000).await;
    assert_eq!(play.listed(LOW, "versions", "Key").await, ["free", "held", "held", "kept", "kept"]);
    let versions = play.listed(LOW, "versions&prefix=held", "VersionId").await;
    let off = "<LegalHold><Status>OFF</Status></LegalHold>";
    play.put(LOW, &format!("/bucket/held?legal-hold&versionId={}", versions[1]), off).await;
    play.pass(U, 10).await;
    assert_eq!(play.listed(LOW, "versions", "Key").await, ["free", "held", "kept", "kept"]);
}

//! The scrubber finds what the disk damaged, says so where it may be known, and takes nothing else for damage.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use fastness_ledger::{Entry, Outcome};
use fastness_region::{ScrubConfig, Scrubber};
use fastness_store::disk::{Disk, MemoryDisk, OpenMode};
use fastness_store::{ScrubFinding, ScrubWatch};
use http::Method;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Ask, Counted, House, REL, S, TOP, Template, U};

#[derive(Default)]
struct Watch {
    bytes: u64,
    findings: Vec<ScrubFinding>,
}

impl ScrubWatch for Watch {
    fn read(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        true
    }

    fn found(&mut self, finding: ScrubFinding) {
        self.findings.push(finding);
    }
}

fn blobs(disk: &MemoryDisk) -> Vec<String> {
    let mut found = Vec::new();
    for partition in disk.list("partitions").unwrap() {
        for folder in disk.list(&format!("partitions/{partition}/blobs")).unwrap() {
            let folder = format!("partitions/{partition}/blobs/{folder}");
            found.extend(disk.list(&folder).unwrap().into_iter().map(|name| format!("{folder}/{name}")));
        }
    }
    found
}

async fn put(house: &House, template: &Template, who: &str, target: &str, length: usize) {
    let ask = Ask::s3(Method::PUT, target).body(vec![7; length]);
    assert_eq!(house.send(Some(&template.cast[who]), &ask).await.status, 200);
}

fn scrubs(house: &House, template: &Template, label: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let see = |_, _: &[u8; 32], content: Option<&[u8]>| {
        found.extend(Entry::decode_content(content.unwrap()).ok().filter(|entry| entry.operation == "Scrub"));
        true
    };
    house.store.ledger_rows(template.label(label), 0, u64::MAX, see).unwrap();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_a_cold_blob_is_found_and_told_at_its_own_label_alone() {
    let template = Template::make().await;
    let disk = template.disk();
    let house = template.open_on(&disk, Arc::new(Counted::default())).unwrap();
    for (who, bucket) in [("ana UNCLASSIFIED", "/low"), ("ana SECRET", "/high")] {
        put(&house, &template, who, bucket, 0).await;
        put(&house, &template, who, &format!("{bucket}/small"), 1_000).await;
    }
    let before = blobs(&disk);
    put(&house, &template, "ana SECRET", "/high/large", 400_000).await;
    // The move to its place follows the answer.
    while blobs(&disk).len() == before.len() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut clean = Watch::default();
    let sums = house.store.scrub(template.label(S), &mut clean).unwrap();
    assert_eq!((sums.values, sums.bytes, sums.damaged), (2, 401_000, 0));
    assert!(clean.bytes >= 401_000 && clean.findings.is_empty());

    let blob = blobs(&disk).into_iter().find(|path| !before.contains(path)).unwrap();
    let length = disk.open(&blob, OpenMode::Read).unwrap().len().unwrap();
    assert!(disk.flip_bit(&blob, length / 2));
    let config = ScrubConfig { every_s: 1, bytes_per_s: 1 << 30 };
    let scrubber = Scrubber::start(house.store.clone(), Arc::new(Counted::default()), config).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let told = |entries: &[Entry]| entries.iter().any(|entry| matches!(entry.outcome, Outcome::Refused(..)));
    while !told(&scrubs(&house, &template, S)) || scrubs(&house, &template, U).is_empty() {
        assert!(Instant::now() < deadline, "nothing was found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(scrubber);
    let entries = scrubs(&house, &template, S);
    let finding = entries.iter().find(|entry| matches!(entry.outcome, Outcome::Refused(..))).unwrap();
    assert!(finding.resources[0].starts_with("read high/large?versionId="), "{finding:?}");
    assert_eq!((finding.principal.as_str(), finding.label.as_str()), ("region", S));
    for label in [U, REL, TOP] {
        for entry in scrubs(&house, &template, label) {
            let Outcome::Done(Some(text)) = &entry.outcome else { panic!("{label}: {entry:?}") };
            assert!(text.ends_with(", 0 damaged"), "{label}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_it_is_read_is_not_damaged() {
    let template = Arc::new(Template::make().await);
    let disk = template.disk();
    let house = Arc::new(template.open_on(&disk, Arc::new(Counted::default())).unwrap());
    put(&house, &template, "ana SECRET", "/bucket", 0).await;
    let (store, label) = (house.store.clone(), template.label(S));
    let scrubbing = tokio::task::spawn_blocking(move || {
        let (begin, mut watch, mut passes) = (Instant::now(), Watch::default(), 0);
        while begin.elapsed() < Duration::from_secs(2) || passes < 3 || watch.bytes <= 100_000 {
            store.scrub(label, &mut watch).unwrap();
            passes += 1;
        }
        (watch.findings, watch.bytes)
    });
    let mut round = 0;
    while !scrubbing.is_finished() {
        for key in 0..4 {
            let length = if (round + key) % 2 == 0 { 70_000 } else { 500 };
            put(&house, &template, "ana SECRET", &format!("/bucket/{key}"), length).await;
        }
        let ask = Ask::s3(Method::DELETE, format!("/bucket/{}", round % 4));
        house.send(Some(&template.cast["ana SECRET"]), &ask).await;
        round += 1;
    }
    let (findings, bytes) = scrubbing.await.unwrap();
    assert_eq!(findings, []);
    assert!(bytes > 100_000, "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_keeps_to_its_rate_and_ends_with_the_region() {
    let template = Template::make().await;
    let house = template.open_on(&template.disk(), Arc::new(Counted::default())).unwrap();
    put(&house, &template, "ana SECRET", "/bucket", 0).await;
    put(&house, &template, "ana SECRET", "/bucket/large", 3_000_000).await;
    let start = |bytes_per_s| {
        let config = ScrubConfig { every_s: 1, bytes_per_s };
        Scrubber::start(house.store.clone(), Arc::new(Counted::default()), config).unwrap()
    };
    let begin = Instant::now();
    let scrubber = start(1_000_000);
    while scrubs(&house, &template, S).is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(120), "no pass comes to its end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Begun after a second; three megabytes take three, less the second that it may be ahead.
    assert!(begin.elapsed() >= Duration::from_secs(3), "it is faster than its rate: {:?}", begin.elapsed());
    drop(scrubber);

    // Begun after a second, and asleep for more than a minute after the first half megabyte.
    let scrubber = start(5_000);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let begin = Instant::now();
    drop(scrubber);
    assert!(begin.elapsed() < Duration::from_secs(30), "a sleeping scrubber is woken");
}

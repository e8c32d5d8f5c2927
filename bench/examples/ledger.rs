//! The ledger by itself, on a folder of the real disk: appending by many producers, packing, what it takes on the disk,
//! checking. `cargo xtask bench ledger` runs it; a line of JSON for each figure.

use anyhow::{Context, Result, ensure};
use fastness_identity::DirectoryChange;
use fastness_label::{Label, Policy};
use fastness_ledger::{Entry, Keeper, Outcome, digest, region_keys, verify};
use fastness_store::disk::OsDisk;
use fastness_store::{RegionSetup, Store};
use fastness_vault::RootKey;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

const PRODUCERS: u64 = 64;
const ROOT: [u8; 32] = [7; 32];

/// A GET by the AWS CLI's library: a program with a long name for itself, a key of usual length.
fn entry(number: u64) -> Vec<u8> {
    let entry = Entry {
        time_ms: 1_769_000_000_000 + (number / 50) as i64,
        request: number.to_be_bytes(),
        service: "s3".to_owned(),
        operation: if number.is_multiple_of(4) { "PutObject" } else { "GetObject" }.to_owned(),
        principal: format!("user/analyst-{}", number % 23),
        account: "000000000001".to_owned(),
        key: format!("AKIAEXAMPLEEXAMPL{:03}", number % 23),
        label: "SECRET".to_owned(),
        nationality: "USA".to_owned(),
        duty: String::new(),
        agent:
            "Boto3/1.40.1 md/Botocore#1.40.1 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.12 cfg/retry-mode#legacy"
                .to_owned(),
        resources: vec![format!("read reports-2026/daily/{:08}/part-{number:012}.parquet", number % 365)],
        outcome: Outcome::Done(
            number.is_multiple_of(4).then(|| format!("{:032x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        ),
        source: format!("10.1.{}.{}", number % 7, number % 251),
    };
    let mut chance = [3; 32];
    chance.iter_mut().zip(number.to_le_bytes()).for_each(|(to, byte)| *to = byte);
    entry.record(&chance)
}

async fn region(folder: &Path) -> Result<(Store, Label)> {
    let policy = Policy::us();
    let setup = RegionSetup {
        name: "bench".to_owned(),
        floor: "UNCLASSIFIED".to_owned(),
        ceiling: "SECRET".to_owned(),
        labels: Vec::new(),
    };
    let label = policy.label("SECRET").ok().context("the policy has SECRET")?;
    let first = |_: &mut dyn DirectoryChange| Ok(());
    std::fs::create_dir_all(folder)?;
    let disk = Arc::new(OsDisk::new(folder));
    let made = Store::create(disk, RootKey::from_bytes(&ROOT), policy, setup, first, entry(0)).await;
    let (store, ()) = made.ok().context("the store is made")?;
    Ok((store, label))
}

/// Appends from many producers at once. `waits`: each is durable before the producer goes on.
async fn append(store: &Store, label: Label, count: u64, waits: bool) -> Result<f64> {
    let next = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|_| {
            let (store, next) = (store.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok(());
                    }
                    let row = entry(number);
                    if waits { store.record(label, row).await } else { store.note(label, row).await }?;
                }
            })
        })
        .collect();
    for producer in producers {
        let done: Result<(), fastness_store::Fault> = producer.await?;
        done?;
    }
    store.flush().await?;
    Ok(begin.elapsed().as_secs_f64())
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for found in std::fs::read_dir(folder)? {
        let found = found?;
        let data = found.metadata()?;
        sum += if data.is_dir() { bytes_below(&found.path())? } else { data.len() };
    }
    Ok(sum)
}

fn say(what: &str, entries: u64, seconds: f64) {
    let rate = entries as f64 / seconds;
    println!("{}", json!({ "what": what, "entries": entries, "seconds": seconds, "per_second": rate }));
}

/// What a region's keeper does beside: signs every second, and packs what there is enough of. Ends when it is told to,
/// with everything signed and packed.
fn keep(store: &Store, label: Label) -> (Arc<AtomicBool>, std::thread::JoinHandle<Result<()>>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (store, stopped, runtime) = (store.clone(), Arc::clone(&stop), tokio::runtime::Handle::current());
    let work = move || {
        let mut keeper = Keeper::new(store.clone(), region_keys(&RootKey::from_bytes(&ROOT))?);
        let mut signed = Instant::now();
        loop {
            let is_last = stopped.load(Ordering::Relaxed);
            let more = runtime.block_on(store.pack(label, digest))?;
            if is_last && !more || signed.elapsed().as_secs() >= 1 {
                ensure!(runtime.block_on(keeper.step()).alarms.is_empty(), "what was appended is signed");
                signed = Instant::now();
            }
            if is_last && !more {
                return Ok(());
            }
            if !more {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    };
    (stop, std::thread::spawn(work))
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("a folder")?;
    let appended: u64 = arguments.next().context("entries to append")?.parse()?;
    let checked: u64 = arguments.next().context("entries to check")?.parse()?;
    let folder = Path::new(&folder).join("region");
    let (store, label) = region(&folder).await?;
    let end = |(stop, thread): (Arc<AtomicBool>, std::thread::JoinHandle<Result<()>>)| {
        stop.store(true, Ordering::Relaxed);
        thread.join().map_err(|_| anyhow::anyhow!("the keeper ended by a panic"))?
    };
    for (what, waits) in [("each durable before the next", true), ("durable within 100 ms", false)] {
        let begin = Instant::now();
        let keeper = keep(&store, label);
        say(&format!("append, {what}"), appended, append(&store, label, appended, waits).await?);
        end(keeper)?;
        say(&format!("append, {what}, until all is signed and packed"), appended, begin.elapsed().as_secs_f64());
    }
    let begin = Instant::now();
    let before = store.ledger(label)?.length;
    while store.ledger(label)?.length < checked {
        let keeper = keep(&store, label);
        append(&store, label, (checked - store.ledger(label)?.length).min(100_000), false).await?;
        end(keeper)?;
    }
    let length = store.ledger(label)?.length;
    say("append, sign and pack", length - before, begin.elapsed().as_secs_f64());
    let keys = region_keys(&RootKey::from_bytes(&ROOT))?.of_log("fastness");
    let begin = Instant::now();
    let reports = verify(&store, &keys, |_| ())?;
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(reports.iter().all(|report| report.finding.is_none()), "a ledger has findings: {reports:?}");
    say("verify", length, seconds);
    store.close();
    let bytes = bytes_below(&folder)?;
    println!(
        "{}",
        json!({ "what": "disk", "entries": length, "bytes": bytes, "per_entry": bytes as f64 / length as f64 })
    );
    Ok(())
}

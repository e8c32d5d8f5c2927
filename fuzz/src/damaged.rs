//! A region's files, damaged while it was stopped.
//!
//! Oracle: the region opens or says why not; what is read is, for each key, something that was once put there, or an
//! error; listings name no key that was never there; and where nothing was changed, everything is there.

use crate::house::{House, ROOT, Template, runtime};
use crate::scenario::read;
use crate::sure;
use fastness_label::Policy;
use fastness_ledger::{Finding, region_keys};
use fastness_store::Store;
use fastness_store::disk::{Disk, MemoryDisk, OpenMode};
use fastness_vault::RootKey;
use std::sync::{Arc, OnceLock};
use time::OffsetDateTime;

/// The keys, and everything that was ever put under each; the last is there now.
const CONTENTS: [(&str, &[&str]); 4] =
    [("a.txt", &["low content"]), ("b.txt", &["first", "second"]), ("empty", &[""]), ("large", &["0123456789"])];
/// The large one is so many times as long: it lies in a file of its own, in more than one frame.
const TIMES: usize = 10_000;

fn content(key: &str, text: &str) -> Vec<u8> {
    text.repeat(if key == "large" { TIMES } else { 1 }).into_bytes()
}

struct Made {
    template: Template,
    /// The region's files, in order.
    files: Vec<String>,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut requests = vec!["S PUT /plain".to_owned()];
        for (key, texts) in CONTENTS {
            for text in texts {
                let body = String::from_utf8_lossy(&content(key, text)).into_owned();
                requests.push(format!("S PUT /plain/{key}\n\n{body}"));
            }
        }
        let template = Template::make().after(&requests.join("\n%%\n"));
        let mut files = Vec::new();
        find(&template.disk(), "", &mut files);
        in_order(&template.disk(), &mut files);
        Made { template, files }
    })
}

fn find(disk: &MemoryDisk, folder: &str, files: &mut Vec<String>) {
    for name in disk.list(folder).unwrap_or_default() {
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if disk.open(&path, OpenMode::Read).is_ok() {
            files.push(path);
        } else {
            find(disk, &path, files);
        }
    }
}

/// Puts the partitions in the order of the map: by their names, which are chance, an input would change another file in
/// each process, and what was found could not be found again.
fn in_order(disk: &MemoryDisk, files: &mut [String]) {
    let file = sure(disk.open("region.sealed", OpenMode::Read));
    let mut sealed = vec![0; usize::try_from(sure(file.len())).unwrap_or_default()];
    sure(file.read_exact_at(0, &mut sealed));
    let map = sure(RootKey::from_bytes(&[9; 32]).open("region map", &sealed));
    let place = |folder: &str| map.windows(folder.len().max(1)).position(|part| part == folder.as_bytes());
    files.sort_by_cached_key(|path| {
        let mut names = path.splitn(3, '/').map(str::to_owned);
        let (first, second, rest) = (names.next(), names.next(), names.next());
        (first, second.as_deref().and_then(place), second.filter(|_| rest.is_none()), rest)
    });
}

/// Changes of eight bytes: which file, what is done, where (in 4,096ths of its length, and bytes), and bytes to write.
pub(crate) fn run(data: &[u8]) {
    let made = made();
    let disk = made.template.disk();
    if let Some(plain) = data.strip_prefix(b"map") {
        return map(&disk, plain);
    }
    let mut is_changed = false;
    for edit in data.as_chunks::<8>().0.iter().take(16) {
        is_changed |= change(&disk, &made.files, *edit);
    }
    let house = match made.template.open_on(disk) {
        Ok(house) => house,
        Err(fault) => {
            assert!(is_changed, "an untouched region does not open: {fault}");
            return;
        }
    };
    let reports = fastness_ledger::verify(
        &house.store,
        &sure(region_keys(&RootKey::from_bytes(&ROOT))).of_log("fastness"),
        |_| {},
    );
    if !is_changed {
        // Nobody signs here.
        let is_good = |finding: &Option<Finding>| matches!(finding, None | Some(Finding::Unsigned { .. }));
        assert!(sure(reports).iter().all(|report| is_good(&report.finding)), "an untouched ledger has findings");
    }
    for (key, texts) in CONTENTS {
        let Some((status, body)) = get(&house, &format!("/plain/{key}")) else { continue };
        if status != 200 {
            assert!(is_changed, "`{key}` of an untouched region answers {status}");
            continue;
        }
        // A body that broke off was not taken for whole.
        let Some(body) = body else {
            assert!(is_changed, "`{key}` of an untouched region breaks off");
            continue;
        };
        let is_known = texts.iter().any(|text| content(key, text) == body);
        assert!(is_known, "`{key}` holds what was never put there");
        let newest = texts.last().map(|text| content(key, text));
        assert!(is_changed || newest.as_deref() == Some(&*body));
    }
    if let Some((200, Some(body))) = get(&house, "/plain") {
        let text = String::from_utf8_lossy(&body).into_owned();
        for key in text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
            assert!(CONTENTS.iter().any(|(known, _)| *known == key), "`{key}` was never there");
        }
    }
}

fn get(house: &House, target: &str) -> Option<(u16, Option<Vec<u8>>)> {
    let ask = read(format!("S GET {target}").as_bytes(), "s3")?;
    let answer = house.ask(&ask, &[], OffsetDateTime::now_utc())?;
    Some((answer.status, answer.body.ok()))
}

/// Whether anything is not as it was.
fn change(disk: &MemoryDisk, files: &[String], edit: [u8; 8]) -> bool {
    let [file, what, high, low, fine, bytes @ ..] = edit;
    let Some(path) = files.get(usize::from(file) % files.len().max(1)) else { return false };
    let Ok(file) = disk.open(path, OpenMode::ReadWriteCreate) else { return true };
    let length = sure(file.len());
    let share = u64::from(u16::from_be_bytes([high, low]) % 4096);
    let at = length * share / 4096 + u64::from(fine);
    match what % 6 {
        0 | 1 => {
            let mut before = bytes;
            let was = file.read_at(at, &mut before).unwrap_or_default();
            sure(file.write_all_at(at, &bytes));
            was != bytes.len() || before != bytes
        }
        2 => {
            sure(file.set_len(at.min(length)));
            at < length
        }
        3 => {
            // A torn or lost block.
            sure(file.write_all_at(at / 4096 * 4096, &[bytes[0]; 4096]));
            true
        }
        4 => {
            let mut block = vec![0; 4096];
            let _read = file.read_at(at / 4096 * 4096, &mut block);
            sure(file.write_all_at(u64::from(bytes[0]) * 4096, &block));
            true
        }
        _ => {
            sure(disk.remove(path));
            true
        }
    }
}

/// Any text in place of the region's map, sealed under the right key: whoever wrote it had the key, and yet nothing
/// stops but the start.
fn map(disk: &MemoryDisk, plain: &[u8]) {
    let _inside = runtime().enter();
    let root = || RootKey::from_bytes(&[9; 32]);
    let sealed = sure(root().seal("region map", plain));
    let file = sure(disk.open("region.sealed", OpenMode::ReadWriteCreate));
    sure(file.set_len(0));
    sure(file.write_all_at(0, &sealed));
    if let Ok(store) = Store::open(Arc::new(disk.clone()), root(), Policy::us()) {
        let labels = store.labels();
        let bounded = |label: &fastness_label::Label| {
            labels.floor().is_dominated_by(*label) && label.is_dominated_by(labels.ceiling())
        };
        assert!(labels.held().iter().all(bounded), "a label outside the floor and the ceiling");
        store.close();
    }
}

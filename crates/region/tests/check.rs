//! Everything that can happen to a folder's files is found by a check, and named.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

#[cfg(test)]
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use fastness_store::disk::{Disk, MemoryDisk, OpenMode};
use fastness_store::{CheckReport, Gravity};
use http::Method;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use support::{Ask, Counted, S, TOP, Template, U};

/// A stopped region with something of everything.
async fn stopped(template: &Template) -> MemoryDisk {
    let disk = template.disk();
    let house = template.open_on(&disk, Arc::new(Counted::default())).unwrap();
    for name in ["ana UNCLASSIFIED", "ana SECRET", "zoe TOP SECRET//SI/TK"] {
        let key = Some(&template.cast[name]);
        let put = |target: String, body: Vec<u8>| Ask::s3(Method::PUT, target).body(body);
        let label = name.split_once(' ').unwrap().1.len();
        house.send(key, &put("/bucket".to_owned(), Vec::new())).await;
        for number in 0..8 {
            let body = vec![u8::try_from(number).unwrap(); 300 * number];
            assert_eq!(house.send(key, &put(format!("/bucket/small-{label}-{number}"), body)).await.status, 200);
            let body = vec![u8::try_from(number).unwrap(); 40_000 + 50_000 * number];
            assert_eq!(house.send(key, &put(format!("/bucket/large-{label}-{number}"), body)).await.status, 200);
        }
        for number in 0..3 {
            let target = format!("/bucket/small-{label}-{number}");
            assert_eq!(house.send(key, &Ask::s3(Method::DELETE, target)).await.status, 204);
        }
        let upload = house.send(key, &Ask::s3(Method::POST, format!("/bucket/upload-{label}?uploads"))).await;
        let target = format!("/bucket/upload-{label}?partNumber=1&uploadId={}", upload.one("UploadId"));
        assert_eq!(house.send(key, &put(target, vec![9; 100_000])).await.status, 200);
    }
    house.store.close();
    drop(house);
    // Everything synced: what follows is about damage alone.
    for path in files(&disk) {
        disk.open(&path, OpenMode::Read).unwrap().sync_data().unwrap();
        disk.sync_folder(path.rsplit_once('/').map_or("", |(folder, _)| folder)).unwrap();
    }
    disk
}

fn files(disk: &MemoryDisk) -> Vec<String> {
    fn walk(disk: &MemoryDisk, folder: &str, found: &mut Vec<String>) {
        for name in disk.list(folder).unwrap() {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match disk.open(&path, OpenMode::Read) {
                Ok(_) => found.push(path),
                Err(_) => walk(disk, &path, found),
            }
        }
    }
    let mut found = Vec::new();
    walk(disk, "", &mut found);
    found
}

fn length(disk: &MemoryDisk, path: &str) -> u64 {
    disk.open(path, OpenMode::Read).unwrap().len().unwrap()
}

fn of<'f>(files: &'f [String], what: &str) -> Vec<&'f String> {
    files.iter().filter(|path| path.contains(what)).collect()
}

#[track_caller]
fn assert_wrong(report: &CheckReport, what: &str, named: &str) {
    let wrong: Vec<_> = report.findings.iter().filter(|finding| finding.gravity == Gravity::Wrong).collect();
    assert!(!wrong.is_empty() && !report.is_sound(), "{what} was not found: {:?}", report.findings);
    assert!(wrong.iter().any(|finding| finding.what.contains(named)), "{what}: `{named}` is not named in {wrong:?}");
    assert!(wrong.iter().all(|finding| !finding.advice.is_empty()), "{wrong:?}");
}

#[tokio::test]
async fn a_sound_folder_is_sound_and_stays_as_it_is() {
    let template = Template::make().await;
    let disk = stopped(&template).await;
    let before: Vec<_> = files(&disk);
    let counts = disk.counts();
    let report = template.check(&disk);
    assert!(report.is_sound() && report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!((files(&disk), disk.counts()), (before, counts), "a check changes nothing");
    for label in [U, S, TOP] {
        let sums = report.partitions.iter().find(|sums| sums.label == label).unwrap();
        let seen = (sums.buckets, sums.versions, sums.uploads, sums.inline_values, sums.blobs, sums.erasure_keys);
        // Of the small ones the first is empty; three go, which leaves markers where nothing lower shows: nowhere.
        assert_eq!(seen, (1, 13, 1, 5, 9, 1), "{label}");
        assert!(sums.entries >= 20 && sums.bytes > 1_000_000);
    }
}

#[tokio::test]
async fn a_flipped_bit_is_found_in_every_kind_of_file() {
    let template = Template::make().await;
    let disk = stopped(&template).await;
    let all = files(&disk);
    let mut rng = StdRng::seed_from_u64(7);
    let (mut wrong, mut notes) = (0, 0);
    for (kind, times) in [("region.sealed", 12), ("/catalog", 60), ("/blobs/", 30), ("/erasure/", 20)] {
        let of_kind = of(&all, kind);
        assert!(!of_kind.is_empty(), "{kind}");
        for _ in 0..times {
            let path = of_kind[rng.random_range(0..of_kind.len())];
            let place = rng.random_range(0..length(&disk, path));
            assert!(disk.flip_bit(path, place));
            let report = template.check(&disk);
            assert!(!report.findings.is_empty(), "a bit of {path} at {place} of {}", length(&disk, path));
            wrong += usize::from(!report.is_sound());
            notes += usize::from(report.is_sound());
            // Nothing but a catalog has room that nothing lies in.
            assert!(!report.is_sound() || kind == "/catalog", "{path} at {place}: {:?}", report.findings);
            disk.flip_bit(path, place);
        }
    }
    // Much of a small catalog is room that nothing lies in.
    assert!(wrong > 70 && notes < 55, "{wrong} {notes}");
    assert!(template.check(&disk).is_sound());
}

#[tokio::test]
async fn missing_cut_exchanged_and_foreign_files_are_found_and_named() {
    let template = Template::make().await;
    let disk = stopped(&template).await;
    let copy = || {
        let copy = disk.crash(0);
        let all = files(&copy);
        (copy, all)
    };
    let (case, all) = copy();
    let blob = of(&all, "/blobs/")[0];
    case.remove(blob).unwrap();
    assert_wrong(&template.check(&case), "a removed blob", "its file is missing");
    assert_wrong(&template.check(&case), "a removed blob", "bucket `bucket`");

    let (case, all) = copy();
    let blob = of(&all, "/blobs/")[1];
    let file = case.open(blob, OpenMode::ReadWriteCreate).unwrap();
    file.set_len(length(&case, blob) / 2).unwrap();
    assert_wrong(&template.check(&case), "a blob cut short", "damaged");

    let (case, all) = copy();
    let blobs = of(&all, "/blobs/");
    let (one, other) = (blobs[2], blobs[3]);
    case.rename(one, "aside").unwrap();
    case.rename(other, one).unwrap();
    case.rename("aside", other).unwrap();
    assert_wrong(&template.check(&case), "two blobs exchanged", "damaged");

    let (case, all) = copy();
    let folder = of(&all, "/blobs/")[0].rsplit_once('/').unwrap().0.to_owned();
    let stray = format!("{folder}/{}{}", folder.rsplit_once('/').unwrap().1, "0".repeat(30));
    case.open(&stray, OpenMode::CreateNew).unwrap();
    assert_wrong(&template.check(&case), "a blob that belongs to nothing", "nothing in the catalog names");

    let (case, all) = copy();
    case.remove(of(&all, "/erasure/")[0]).unwrap();
    assert_wrong(&template.check(&case), "a removed erasure key", "its key cannot be unwrapped");

    let (case, all) = copy();
    case.remove(of(&all, "/catalog")[0]).unwrap();
    assert_wrong(&template.check(&case), "a removed catalog", "catalog");

    let (case, all) = copy();
    let catalog = of(&all, "/catalog")[1];
    let file = case.open(catalog, OpenMode::ReadWriteCreate).unwrap();
    file.set_len(length(&case, catalog) / 2).unwrap();
    assert_wrong(&template.check(&case), "a catalog cut short", "catalog");

    let (case, all) = copy();
    let catalogs = of(&all, "/catalog");
    case.rename(catalogs[0], catalogs[1]).unwrap();
    assert_wrong(&template.check(&case), "a catalog of another partition", "key does not open it");

    let (case, _) = copy();
    case.remove("region.sealed").unwrap();
    assert_wrong(&template.check(&case), "a removed map", "region.sealed");

    let (case, _) = copy();
    case.open("stranger", OpenMode::CreateNew).unwrap();
    assert_wrong(&template.check(&case), "a foreign file", "stranger");

    // What a crash may leave is no damage, nor is a folder from which everything has gone.
    let (case, all) = copy();
    let partition = of(&all, "/catalog")[0].rsplit_once('/').unwrap().0.to_owned();
    case.create_folder(&format!("{partition}/blobs/00")).unwrap();
    case.open(&format!("{partition}/incoming/{}", "0".repeat(32)), OpenMode::CreateNew).unwrap();
    let report = template.check(&case);
    assert!(report.is_sound() && report.findings.len() == 1, "{:?}", report.findings);
}

use super::*;

fn put(disk: &dyn Disk, path: &str, data: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(path, OpenMode::ReadWriteCreate).unwrap();
    file.write_all_at(0, data).unwrap();
    file
}

fn contents(disk: &dyn Disk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    Some(bytes)
}

/// What both disks must do alike.
fn check_disk(disk: &dyn Disk) {
    assert!(disk.list("").unwrap().is_empty());
    assert!(disk.open("a", OpenMode::Read).is_err());
    assert!(disk.open("no/a", OpenMode::CreateNew).is_err());
    let file = put(disk, "a", b"hello");
    let again = disk.open("a", OpenMode::CreateNew).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);

    file.write_all_at(5000, b"far").unwrap();
    assert_eq!(file.len().unwrap(), 5003);
    let mut bytes = [1; 4];
    assert_eq!(file.read_at(4998, &mut bytes).unwrap(), 4);
    assert_eq!(&bytes, b"\0\0fa");
    assert_eq!(file.read_at(5001, &mut bytes).unwrap(), 2);
    assert_eq!(file.read_at(6000, &mut bytes).unwrap(), 0);
    assert!(file.read_exact_at(5001, &mut bytes).is_err());
    file.set_len(2).unwrap();
    file.set_len(4).unwrap();
    assert_eq!(contents(disk, "a").unwrap(), b"he\0\0", "what was cut off does not come back");
    let reader = disk.open("a", OpenMode::Read).unwrap();
    assert!(reader.write_all_at(0, b"x").is_err());

    disk.create_folder("x/y").unwrap();
    disk.create_folder("x/y").unwrap();
    put(disk, "x/y/b", b"1");
    put(disk, "x/c", b"2");
    assert_eq!(disk.list("x").unwrap(), ["c", "y"]);
    assert_eq!(disk.list("").unwrap(), ["a", "x"]);
    assert!(disk.list("none").is_err());
    assert_eq!(disk.list("a").unwrap_err().kind(), io::ErrorKind::NotADirectory);
    let view = disk.folder("x");
    assert_eq!(view.list("").unwrap(), ["c", "y"]);
    assert!(view.exists("y/b") && view.exists("") && !view.exists("a"));
    view.rename("c", "y/b").unwrap();
    assert_eq!(contents(disk, "x/y/b").unwrap(), b"2");
    view.sync_folder("y").unwrap();
    view.sync_folder("").unwrap();
    file.sync_data().unwrap();
    view.remove("y/b").unwrap();
    assert!(view.remove("y/b").is_err());
    assert!(disk.free_bytes().unwrap() > 0);
    for path in ["../a", "/a", "x/../../a"] {
        assert!(disk.open(path, OpenMode::ReadWriteCreate).is_err(), "{path}");
        assert!(!disk.exists(path));
    }
    assert!(disk.folder("..").open("a", OpenMode::ReadWriteCreate).is_err());
}

#[test]
fn disks_agree() {
    check_disk(&MemoryDisk::new());
    check_disk(&MemoryDisk::with_faults());
    let folder = tempfile::tempdir().unwrap();
    check_disk(&OsDisk::new(folder.path()));
}

#[test]
fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let disk = OsDisk::new(folder.path());
    disk.create_folder("f").unwrap();
    put(&disk, "f/a", b"");
    let mode = |path: &str| {
        let metadata = std::fs::metadata(folder.path().join(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!((mode("f"), mode("f/a")), (0o700, 0o600));
}

#[test]
fn power_loss_keeps_what_was_synced() {
    let disk = MemoryDisk::with_faults();
    let file = put(&disk, "a", &[1; 2048]);
    file.sync_data().unwrap();
    disk.sync_folder("").unwrap();
    file.write_all_at(0, &[2; 2048]).unwrap();
    put(&disk, "b", b"unsynced");
    let (mut olds, mut news, mut torn, mut with_b) = (0, 0, 0, 0);
    for seed in 0..200 {
        let crashed = disk.crash(seed);
        let left = contents(&crashed, "a").unwrap();
        assert_eq!(left.len(), 2048);
        for sector in left.chunks(512) {
            assert!(sector == [1; 512] || sector == [2; 512], "a sector is whole");
        }
        olds += usize::from(left == [1; 2048]);
        news += usize::from(left == [2; 2048]);
        torn += usize::from(left.windows(2).any(|pair| pair[0] != pair[1]));
        with_b += usize::from(crashed.exists("b"));
        assert_eq!(contents(&disk.crash(seed), "a").unwrap(), left, "the seed decides");
    }
    assert!(olds > 20 && news > 20 && torn > 20, "{olds} {news} {torn}");
    assert!((20..180).contains(&with_b));

    // A second crash loses nothing that the first one left.
    let crashed = disk.crash(3);
    assert_eq!(contents(&crashed.crash(9), "a"), contents(&crashed, "a"));
}

#[test]
fn power_loss_takes_unsynced_names() {
    let disk = MemoryDisk::with_faults();
    put(&disk, "old", b"1").sync_data().unwrap();
    disk.sync_folder("").unwrap();
    disk.rename("old", "new").unwrap();
    let names = |seed| disk.crash(seed).list("").unwrap();
    let seen: std::collections::BTreeSet<_> = (0..50).map(names).collect();
    let both = [vec!["new".to_string()], vec!["old".to_string()]];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), both, "one name or the other, never none");
    disk.sync_folder("").unwrap();
    assert!((0..50).all(|seed| names(seed) == ["new"]));
}

#[test]
fn writes_between_syncs_persist_in_any_subset() {
    let disk = MemoryDisk::with_faults();
    let (a, b) = (put(&disk, "a", &[0; 1024]), put(&disk, "b", &[0; 512]));
    a.sync_data().unwrap();
    b.sync_data().unwrap();
    disk.sync_folder("").unwrap();
    a.write_all_at(0, &[1; 512]).unwrap();
    a.write_all_at(512, &[1; 512]).unwrap();
    b.write_all_at(0, &[1; 512]).unwrap();
    let left = |seed| {
        let crashed = disk.crash(seed);
        let (a, b) = (contents(&crashed, "a").unwrap(), contents(&crashed, "b").unwrap());
        (a[0], a[512], b[0])
    };
    let seen: std::collections::BTreeSet<_> = (0..200).map(left).collect();
    assert_eq!(seen.len(), 8, "{seen:?}");
    // Only the later of them: what comes first need not persist first, in one file or in two.
    assert!(seen.contains(&(0, 1, 0)) && seen.contains(&(0, 0, 1)));
}

#[test]
fn a_failed_sync_may_have_dropped_what_it_should_have_written() {
    let mut lost = 0;
    for number in 0..40 {
        let disk = MemoryDisk::with_faults();
        // Chance goes by the file's number.
        for other in 0..number {
            put(&disk, &format!("x{other}"), b"");
        }
        let file = put(&disk, "a", &[1; 512]);
        disk.sync_folder("").unwrap();
        disk.fail_next(FaultKind::Sync, 0, 1);
        assert!(file.sync_data().is_err());
        assert_eq!(contents(&disk, "a").unwrap(), [1; 512], "the system still shows it");
        file.sync_data().unwrap();
        let left = contents(&disk.crash(1), "a").unwrap();
        file.forget_cached().unwrap();
        assert_eq!(contents(&disk, "a").unwrap(), left);
        lost += usize::from(left.is_empty());
    }
    assert!((5..35).contains(&lost), "{lost}");
}

#[test]
fn planned_faults() {
    let disk = MemoryDisk::with_faults();
    let file = put(&disk, "a", b"1");
    disk.fail_next(FaultKind::Sync, 1, 2);
    let results: Vec<_> = (0..4).map(|_| file.sync_data().is_ok()).collect();
    assert_eq!(results, [true, false, false, true]);
    disk.fail_next(FaultKind::Change, 0, u64::MAX);
    assert!(file.write_all_at(0, b"2").is_err() && file.sync_data().is_err());
    assert!(disk.open("b", OpenMode::CreateNew).is_err());
    assert_eq!(contents(&disk, "a").unwrap(), b"1");
    disk.heal();
    for (kind, renamed, removed) in [(FaultKind::Rename, false, true), (FaultKind::Remove, true, false)] {
        put(&disk, "x", b"");
        disk.fail_next(kind, 0, u64::MAX);
        assert_eq!(disk.rename("x", "y").is_ok(), renamed);
        assert_eq!(disk.remove(if renamed { "y" } else { "x" }).is_ok(), removed);
        disk.heal();
    }
    file.write_all_at(0, b"2").unwrap();

    assert!(disk.flip_bit("a", 0) && !disk.flip_bit("a", 1) && !disk.flip_bit("b", 0));
    assert_eq!(contents(&disk, "a").unwrap(), b"3");
}

#[test]
fn a_full_disk() {
    let disk = MemoryDisk::new();
    disk.set_full(8192);
    let file = put(&disk, "a", &[1; 8192]);
    assert_eq!(disk.free_bytes().unwrap(), 0);
    file.write_all_at(0, b"over").unwrap();
    let error = file.write_all_at(8192, b"more").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    file.set_len(100).unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 4096);
    drop(file);
    disk.remove("a").unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 8192);
}

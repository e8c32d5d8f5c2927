//! Bundles that older programs wrote are read for ever.

use crate::support::{NOW_MS, lift, noise, numbered, open_at, written};
use fastness_crossing::MANIFEST_FORMAT;
use std::path::{Path, PathBuf};

fn contents() -> Vec<Vec<u8>> {
    vec![b"content".to_vec(), Vec::new(), noise(1_000)]
}

fn path(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/format/{format}.bundle"))
}

#[test]
fn a_bundle_of_format_1_is_read() {
    let bundle = std::fs::read(path(1)).unwrap();
    let mut reader = open_at(&bundle, NOW_MS).unwrap();
    reader.verify().unwrap();
    assert_eq!((reader.signed().number, reader.signed().length), (17, 75_792));
    assert_eq!((reader.manifest().made_ms, reader.manifest().errand.clone()), (NOW_MS, lift()));
    for (place, content) in contents().iter().enumerate() {
        let mut read = Vec::new();
        reader.object(place, &mut read).unwrap();
        assert_eq!(read, *content);
    }
}

/// What this program writes is kept from the first day of its format: without its file, the format is one that nobody can
/// be held to. What older programs wrote is not written again.
#[test]
fn a_bundle_of_the_present_format_is_kept() {
    let path = path(MANIFEST_FORMAT);
    if !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, numbered(written(&contents()), 17)).unwrap();
        panic!("`{}` was missing, and is written now: read it in a test of its own, and commit it", path.display());
    }
}

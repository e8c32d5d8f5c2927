//! `tlog_tiles` and `signed_note` read our files: none of our own code checks anything here.

use crate::files::{Files, copy_of, fill, signed};
use crate::support::{S, U};
use fastness_ledger::{Log, inclusion};
use signed_note::{Note, StandardVerifier, VerifierList};
use std::collections::BTreeMap;
use tlog_tiles::tlog::{check_record, check_tree, prove_record, prove_tree, record_hash, tree_hash};
use tlog_tiles::{Checkpoint, Hash, HashReader, Tile, TileHashReader, TileReader, tlog};

/// Tiles from files. Their paths hold the tiles' height, which the specification has since fixed at 8.
struct FromFiles<'f>(&'f Files);

impl TileReader for FromFiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        let read = |tile: &Tile| {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            self.0.get(&path).cloned().ok_or(tlog::Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn opened(files: &Files, key: &str) -> Checkpoint {
    let note = Note::from_bytes(&files["checkpoint"]).unwrap();
    let verifier = StandardVerifier::new(key).unwrap();
    let (good, _) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!(good.len(), 1);
    Checkpoint::from_bytes(note.text()).unwrap()
}

/// Entries of all bundles, in order.
fn entries(files: &Files) -> Vec<Vec<u8>> {
    let number = |path: &str| path.split('/').nth(2)?.split('.').next()?.parse::<u64>().ok();
    let bundles: BTreeMap<u64, &Vec<u8>> = files
        .iter()
        .filter(|(path, _)| path.starts_with("tile/entries/"))
        .map(|(path, bytes)| (number(path).unwrap(), bytes))
        .collect();
    let mut entries = Vec::new();
    for mut rest in bundles.into_values().map(Vec::as_slice) {
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let (entry, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
            entries.push(entry.to_vec());
            rest = tail;
        }
    }
    entries
}

#[tokio::test]
async fn checkpoints_tiles_entries_and_proofs_of_every_log_are_good() {
    let mut signed = signed().await;
    fill(&signed.house.store, &signed.template, U, 300, 1).await;
    assert_eq!(signed.keeper.step().await.alarms, []);
    let store = &signed.house.store;
    let labels = store.labels();
    let logs = labels.held().iter().map(|label| Log::of_partition(store, *label)).chain([Log::of_region(store)]);
    let mut seen = 0;
    for log in logs {
        let origin = log.origin();
        if log.signed().unwrap().is_none() {
            continue;
        }
        seen += 1;
        let files = copy_of(&log, &signed.house);
        let [key, _] = signed.house.log_keys().map(|key| key.renamed(&origin).to_string());
        let checkpoint = opened(&files, &key);
        assert_eq!(checkpoint.origin(), origin);
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        let tiles = FromFiles(&files);
        let reader = TileHashReader::new(size, root, &tiles);
        assert_eq!(tree_hash(size, &reader).unwrap(), root);
        let entries = entries(&files);
        assert_eq!(entries.len() as u64, size, "{origin}");
        for (number, entry) in (0..).zip(&entries).filter(|(number, _)| number % 17 == 0 || number + 2 > size) {
            let proof = prove_record(size, number, &reader).unwrap();
            check_record(&proof, size, root, number, record_hash(entry)).unwrap();
            // And the proof that the region itself makes.
            let ours: Vec<Hash> = inclusion(&log, number, size).unwrap().into_iter().map(Hash).collect();
            check_record(&ours, size, root, number, record_hash(entry)).unwrap();
        }
    }
    assert_eq!(seen, 3, "U, S and the region's log");
}

#[tokio::test]
async fn what_was_signed_later_extends_what_was_signed_before() {
    let signed = signed().await;
    let label = signed.template.label(S);
    let log = Log::of_partition(&signed.house.store, label);
    let [key, _] = signed.house.log_keys().map(|key| key.renamed(&log.origin()).to_string());
    let checkpoints: Vec<Checkpoint> = signed.copies.iter().map(|files| opened(files, &key)).collect();
    for (at, old) in checkpoints.iter().enumerate() {
        for (new, files) in checkpoints.iter().zip(&signed.copies).skip(at + 1) {
            let tiles = FromFiles(files);
            let reader = TileHashReader::new(new.size(), *new.hash(), &tiles);
            let proof = prove_tree(new.size(), old.size(), &reader).unwrap();
            check_tree(&proof, new.size(), *new.hash(), old.size(), *old.hash()).unwrap();
            let ours = fastness_ledger::consistency(&log, old.size(), new.size()).unwrap();
            assert_eq!(ours.into_iter().map(Hash).collect::<Vec<_>>(), proof);
            // The tiles that both have are the same.
            for (path, bytes) in signed.copies[at].iter().filter(|(path, _)| !path.contains(".p/")) {
                assert!(path == "checkpoint" || files.get(path) == Some(bytes), "{path}");
            }
        }
    }
    let last = checkpoints.last().unwrap();
    let tiles = FromFiles(signed.copies.last().unwrap());
    let reader = TileHashReader::new(last.size(), *last.hash(), &tiles);
    assert!(
        reader.read_hashes(&[tlog_tiles::stored_hash_index(0, last.size())]).is_err(),
        "nothing beyond what is signed"
    );
}

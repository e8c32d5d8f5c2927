use super::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use tlog_tiles::{Hash as TheirHash, HashReader, stored_hash_index, tlog};

/// Both trees, grown together.
#[derive(Default)]
struct Grown {
    leaves: Vec<Hash>,
    tiles: HashMap<(u8, u64), Hash>,
    theirs: RefCell<HashMap<u64, TheirHash>>,
}

impl Hashes for Grown {
    type Error = Infallible;

    fn hashes(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, Infallible> {
        let at = |index: u64| match level {
            0 => self.leaves[index as usize],
            _ => self.tiles[&(level, index)],
        };
        Ok((from..to).map(at).collect())
    }
}

impl HashReader for Grown {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<TheirHash>, tlog::Error> {
        let theirs = self.theirs.borrow();
        Ok(indexes.iter().map(|index| theirs[index]).collect())
    }
}

fn entry(number: u64) -> Hash {
    sha256(&number.to_be_bytes())
}

fn grown(size: u64) -> (Grown, Frontier) {
    let (mut grown, mut frontier) = (Grown::default(), Frontier::default());
    for number in 0..size {
        let leaf = leaf_hash(&entry(number));
        let tiles = &mut grown.tiles;
        frontier.push(leaf, |tile| assert!(tiles.insert((tile.level, tile.index), tile.hash).is_none()));
        grown.leaves.push(leaf);
        let stored = tlog::stored_hashes(number, &entry(number), &grown).unwrap();
        let first = stored_hash_index(0, number);
        let mut theirs = grown.theirs.borrow_mut();
        theirs.extend(stored.into_iter().enumerate().map(|(at, hash)| (first + at as u64, hash)));
    }
    (grown, frontier)
}

/// Sizes around where something changes.
fn sizes() -> Vec<u64> {
    (0..40).chain([63, 64, 65, 100, 255, 256, 257, 300, 511, 512, 513, 700, 768]).collect()
}

#[test]
fn roots_are_those_of_tlog_tiles() {
    for size in sizes() {
        let (grown, frontier) = grown(size);
        let theirs = tlog::tree_hash(size, &grown).unwrap().0;
        assert_eq!(frontier.root(), theirs, "{size}");
        assert_eq!(root(&grown, size), Ok(theirs), "{size}");
        assert_eq!(Frontier::of(&grown, size), Ok(frontier), "{size}");
    }
}

#[test]
fn inclusion_proofs_are_those_of_tlog_tiles_and_nothing_else_passes() {
    let (grown, _) = grown(768);
    for size in sizes() {
        let whole = root(&grown, size).unwrap();
        for index in (0..size).filter(|index| size < 40 || index % 37 == 0 || index + 3 > size) {
            let proof = inclusion(&grown, index, size).unwrap();
            let theirs = tlog::prove_record(size, index, &grown).unwrap();
            assert_eq!(proof, theirs.iter().map(|hash| hash.0).collect::<Vec<_>>());
            let leaf = leaf_hash(&entry(index));
            assert_eq!(check_inclusion(index, size, &leaf, &proof, &whole), Ok(()));
            tlog::check_record(&theirs, size, TheirHash(whole), index, TheirHash(leaf)).unwrap();
            // Another leaf, place, root, or proof.
            let other = leaf_hash(&entry(index + 1));
            assert_eq!(check_inclusion(index, size, &other, &proof, &whole), Err(ProofError::Root));
            assert_eq!(check_inclusion(size, size, &leaf, &proof, &whole), Err(ProofError::Outside));
            assert_eq!(check_inclusion(index, size, &leaf, &proof, &other), Err(ProofError::Root));
            let longer = [proof.clone(), vec![other]].concat();
            assert_eq!(check_inclusion(index, size, &leaf, &longer, &whole), Err(ProofError::Length));
            if let Some((_, shorter)) = proof.split_last() {
                assert_eq!(check_inclusion(index, size, &leaf, shorter, &whole), Err(ProofError::Length));
            }
            for at in 0..proof.len() {
                let mut changed = proof.clone();
                changed[at][7] ^= 1;
                assert_eq!(check_inclusion(index, size, &leaf, &changed, &whole), Err(ProofError::Root));
            }
        }
        assert_eq!(inclusion(&grown, size, size), Ok(Vec::new()));
    }
}

#[test]
fn consistency_proofs_are_those_of_tlog_tiles_and_nothing_else_passes() {
    let (grown, _) = grown(768);
    for size in sizes() {
        let new = root(&grown, size).unwrap();
        for old in sizes().into_iter().filter(|old| *old <= size) {
            let before = root(&grown, old).unwrap();
            let proof = consistency(&grown, old, size).unwrap();
            assert_eq!(check_consistency(old, size, &before, &new, &proof), Ok(()), "{old} {size}");
            let other = entry(7);
            assert_eq!(check_consistency(old, size, &other, &new, &proof), Err(ProofError::Root));
            assert_eq!(check_consistency(size + 1, size, &before, &new, &proof), Err(ProofError::Outside));
            let longer = [proof.clone(), vec![other]].concat();
            assert_eq!(check_consistency(old, size, &before, &new, &longer), Err(ProofError::Length));
            if old == 0 || old == size {
                continue;
            }
            let theirs = tlog::prove_tree(size, old, &grown).unwrap();
            assert_eq!(proof, theirs.iter().map(|hash| hash.0).collect::<Vec<_>>(), "{old} {size}");
            tlog::check_tree(&theirs, size, TheirHash(new), old, TheirHash(before)).unwrap();
            assert_eq!(check_consistency(old, size, &before, &other, &proof), Err(ProofError::Root));
            assert!(check_consistency(old, size, &before, &new, &proof[1..]).is_err());
            for at in 0..proof.len() {
                let mut changed = proof.clone();
                changed[at][31] ^= 1;
                assert_eq!(check_consistency(old, size, &before, &new, &changed), Err(ProofError::Root));
            }
        }
    }
}

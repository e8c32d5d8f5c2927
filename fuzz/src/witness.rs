//! What a region takes from those below: bundles.
//!
//! Oracle: a bundle that is read writes itself as what was read, byte for byte; whoever saw nothing takes only what the
//! log's key signed, and whoever saw a checkpoint only what extends it.

use crate::sure;
use fastness_ledger::{
    Bundle, Checkpoint, Frontier, Hashes, KeyKind, SigningKeys, VerifierKey, WitnessError, consistency, leaf_hash, root,
};
use std::convert::Infallible;
use std::sync::OnceLock;

const ORIGIN: &str = "log";

/// Trees of so many leaves were signed.
const SIZES: [u64; 4] = [1, 5, 8, 11];

struct Leaves;

impl Hashes for Leaves {
    type Error = Infallible;

    fn hashes(&self, level: u8, from: u64, to: u64) -> Result<Vec<[u8; 32]>, Infallible> {
        assert_eq!(level, 0, "the trees are small");
        Ok((from..to).map(|number| leaf_hash(&number.to_be_bytes())).collect())
    }
}

fn checkpoint(size: u64) -> Checkpoint {
    let mut frontier = Frontier::default();
    (0..size).for_each(|number| frontier.push(leaf_hash(&number.to_be_bytes()), |_| ()));
    assert_eq!(root(&Leaves, size), Ok(frontier.root()));
    Checkpoint { origin: ORIGIN.to_owned(), size, root: frontier.root() }
}

/// The short key alone: with both, an input would be five thousand bytes of signature.
fn key() -> &'static [VerifierKey] {
    static KEY: OnceLock<Vec<VerifierKey>> = OnceLock::new();
    KEY.get_or_init(|| {
        let keys = sure(SigningKeys::from_seeds(&[7; 32], &[8; 32])).of_log(ORIGIN);
        keys.into_iter().filter(|key| key.kind() == KeyKind::Ed25519).collect()
    })
}

pub(crate) fn run(data: &[u8]) {
    let bundle = match Bundle::parse(data) {
        Ok(bundle) => bundle,
        Err(error) => {
            assert_eq!(error.kind(), "malformed");
            return;
        }
    };
    assert_eq!(bundle.to_string().as_bytes(), data);
    let first = bundle.check(None, key());
    if let Ok(first) = &first {
        assert!(SIZES.contains(&first.size) && *first == checkpoint(first.size), "nobody signed {first:?}");
    }
    for known in SIZES {
        let last = checkpoint(known);
        match bundle.check(Some(&last), key()) {
            Ok(next) => assert!(next.size >= known && first.as_ref() == Ok(&next)),
            Err(WitnessError::Rewound { size, .. }) => assert!(size < known),
            Err(WitnessError::Gap { old, size, .. }) => assert!(old != known && size > known),
            // A proof that is none, of a tree that was signed.
            Err(WitnessError::Forked { .. }) => assert!(first.is_ok()),
            Err(error) => assert_eq!(first, Err(error)),
        }
    }
}

/// Bundles from each size to each.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let keys = sure(SigningKeys::from_seeds(&[7; 32], &[8; 32]));
    let mut seeds = Vec::new();
    for size in SIZES {
        for old in SIZES.into_iter().chain([0]).filter(|old| *old <= size) {
            let note = sure(keys.sign(ORIGIN, checkpoint(size).to_string())).of_known(key());
            let Ok(proof) = consistency(&Leaves, old, size);
            seeds.push(Bundle { old, proof, note }.to_string().into_bytes());
        }
    }
    seeds
}

/// Words of bundles.
pub(crate) const WORDS: &[&str] = &["old ", "\n\n", "\n— log ", "log\n", "old 18446744073709551615\n", "AAAA", "="];

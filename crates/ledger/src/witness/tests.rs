use super::*;
use crate::note::{SIGNATURES_MAX, SigningKeys};
use crate::tree::{Frontier, Hashes, consistency, leaf_hash};
use std::convert::Infallible;

const ORIGIN: &str = "fastness/us-gov-west-1/region";

/// A log's leaves in memory.
struct Leaves(Vec<Hash>);

impl Hashes for Leaves {
    type Error = Infallible;

    fn hashes(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, Infallible> {
        let under = 256_usize.pow(u32::from(level));
        let of = |index: u64| {
            let mut frontier = Frontier::default();
            let first = index as usize * under;
            self.0[first..first + under].iter().for_each(|leaf| frontier.push(*leaf, |_| ()));
            frontier.root()
        };
        Ok((from..to).map(of).collect())
    }
}

fn leaves(length: u64) -> Leaves {
    Leaves((0..length).map(|number| leaf_hash(&number.to_be_bytes())).collect())
}

/// The same log up to an entry, and then another.
fn fork(length: u64, at: u64) -> Leaves {
    let mut leaves = leaves(length);
    leaves.0.iter_mut().skip(at as usize).for_each(|leaf| leaf[0] ^= 1);
    leaves
}

fn signing() -> SigningKeys {
    SigningKeys::from_seeds(&[7; 32], &[8; 32]).unwrap()
}

fn keys() -> [VerifierKey; 2] {
    signing().of_log(ORIGIN)
}

fn checkpoint(log: &Leaves, size: u64) -> Checkpoint {
    let Ok(root) = root(log, size);
    Checkpoint { origin: ORIGIN.to_owned(), size, root }
}

fn bundle(log: &Leaves, old: u64, size: u64) -> Bundle {
    let Ok(proof) = consistency(log, old, size);
    let note = signing().sign(ORIGIN, checkpoint(log, size).to_string()).unwrap();
    Bundle { old, proof, note }
}

#[test]
fn what_extends_the_last_is_taken_from_any_size_to_any() {
    let log = leaves(600);
    for (old, size) in [(0, 1), (1, 2), (3, 7), (255, 256), (256, 300), (300, 600), (8, 512), (600, 600)] {
        let last = (old > 0).then(|| checkpoint(&log, old));
        let sent = Bundle::parse(bundle(&log, old, size).to_string().as_bytes()).unwrap();
        assert_eq!(sent.check(last.as_ref(), &keys()), Ok(checkpoint(&log, size)), "{old} to {size}");
        assert_eq!(add_checkpoint(last.as_ref(), &sent.note, &keys(), &sent.proof), Ok(checkpoint(&log, size)));
    }
    // One who saw nothing has the signatures alone.
    assert_eq!(bundle(&log, 300, 600).check(None, &keys()), Ok(checkpoint(&log, 600)));
    // One who saw this very checkpoint needs no proof.
    assert_eq!(bundle(&log, 300, 600).check(Some(&checkpoint(&log, 600)), &keys()), Ok(checkpoint(&log, 600)));
}

#[test]
fn whatever_does_not_is_refused_in_words() {
    let log = leaves(600);
    let last = checkpoint(&log, 300);
    let refused = |bundle: &Bundle| bundle.check(Some(&last), &keys()).unwrap_err();
    assert_eq!(refused(&bundle(&log, 100, 200)), WitnessError::Rewound { known: 300, size: 200 });
    let forked = fork(600, 299);
    assert_eq!(refused(&bundle(&forked, 300, 600)), WitnessError::Forked { known: 300, size: 600 });
    assert_eq!(refused(&bundle(&forked, 200, 300)), WitnessError::Forked { known: 300, size: 300 });
    assert_eq!(refused(&bundle(&log, 400, 600)), WitnessError::Gap { known: 300, old: 400, size: 600 });
    assert_eq!(refused(&bundle(&log, 200, 600)), WitnessError::Gap { known: 300, old: 200, size: 600 });
    let mut damaged = bundle(&log, 300, 600);
    damaged.proof[0][0] ^= 1;
    assert_eq!(refused(&damaged).kind(), "forked");
    damaged.proof.clear();
    assert_eq!(refused(&damaged).kind(), "forked");

    let good = bundle(&log, 300, 600);
    let mut unsigned = good.clone();
    unsigned.note.signatures.remove(0);
    assert_eq!(refused(&unsigned), WitnessError::Unsigned(NoteError::Unsigned));
    unsigned.note.signatures.clear();
    assert_eq!(refused(&unsigned).kind(), "forged");
    let changed =
        Bundle { note: Note { text: good.note.text.replace("600", "599"), ..good.note.clone() }, ..good.clone() };
    assert_eq!(refused(&changed), WitnessError::Unsigned(NoteError::Signature(ORIGIN.to_owned())));
    let others = SigningKeys::from_seeds(&[1; 32], &[2; 32]).unwrap().sign(ORIGIN, good.note.text.clone()).unwrap();
    assert_eq!(refused(&Bundle { note: others, ..good.clone() }), WitnessError::Unsigned(NoteError::Unsigned));
    let elsewhere = keys().map(|key| key.renamed("fastness/us-isob-east-1/region"));
    assert_eq!(good.check(Some(&last), &elsewhere).unwrap_err().kind(), "another log's");
    assert_eq!(refused(&Bundle { old: 601, ..good.clone() }).kind(), "malformed");
    // The first checkpoint of all comes without a proof.
    assert_eq!(add_checkpoint(None, &good.note, &keys(), &good.proof).unwrap_err().kind(), "malformed");
}

#[test]
fn every_error_begins_with_its_kind() {
    let errors = [
        WitnessError::Form("x"),
        WitnessError::Malformed(NoteError::Unsigned),
        WitnessError::AnotherLog { found: "a".to_owned(), expected: "b".to_owned() },
        WitnessError::Unsigned(NoteError::Unsigned),
        WitnessError::Rewound { known: 2, size: 1 },
        WitnessError::Forked { known: 2, size: 2 },
        WitnessError::Gap { known: 2, old: 3, size: 4 },
    ];
    for error in errors {
        assert!(error.to_string().starts_with(error.kind()), "{error}");
    }
}

#[test]
fn the_bundle_of_the_specification_is_read_and_printed() {
    // C2SP tlog-witness, "Example request body".
    let example = "old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6265UEjw6QUXTS5Rovnzv++qbSzm9Q=
";
    let read = Bundle::parse(example.as_bytes()).unwrap();
    assert_eq!((read.old, read.proof.len(), read.note.signatures.len()), (20_852_014, 4, 2));
    assert_eq!(read.to_string(), example);
}

#[test]
fn what_is_no_bundle_is_refused() {
    let good = bundle(&leaves(600), 300, 600).to_string();
    let refused = |text: &str| Bundle::parse(text.as_bytes()).is_err_and(|error| error.kind() == "malformed");
    assert!(!refused(&good));
    let hash = format!("{}\n", STANDARD.encode([5; 32]));
    let with = |head: &str| format!("{head}{}", &good[good.find("\n\n").unwrap()..]);
    assert!(!refused(&with("old 0")) && !refused(&with(&format!("old 3\n{}", hash.repeat(63).trim_end()))));
    for head in ["old", "old ", "old 03", "old +3", "old -1", "old 18446744073709551616", "new 3", " old 3", "old 3\n="]
    {
        assert!(refused(&with(head)), "{head:?}");
    }
    assert!(refused(&with(&format!("old 3\n{}", hash.repeat(64).trim_end()))));
    assert!(refused(&with(&format!("old 3\n{}", STANDARD.encode([5; 31])))));
    assert!(refused("") && refused("old 3\n") && refused(good.trim_end()) && refused(&good.replace('—', "-")));
    assert!(refused(&format!("{}{good}", " ".repeat(BUNDLE_LEN_MAX))) && Bundle::parse(b"old 3\n\n\xff").is_err());
}

#[test]
fn a_witnesss_key_reads_back_and_cosigns() {
    let text = WitnessKey::generate("inspector.example/w1").unwrap();
    let key = WitnessKey::parse(&text).unwrap();
    assert!(!format!("{key:?}").contains(text.trim().rsplit('+').next().unwrap()));
    let note = bundle(&leaves(3), 0, 3).note;
    let mut with_more = note.clone();
    with_more.signatures.push(signing().cosign("somebody.else", 9, &note.text).unwrap());
    let cosigned = cosigned_note(&with_more, &keys(), &key, 1_790_000_000).unwrap();
    let known = [key.verifier().unwrap()];
    assert_eq!(cosigned.verify(&known).unwrap(), [&known[0]]);
    assert_eq!((cosigned.signatures.len(), cosigned.signatures[2].cosigned_at()), (3, Some(1_790_000_000)));
    assert_eq!(cosigned.verify(&keys()).unwrap().len(), 2);
    // Lines that were repeated on the way are one; what would be no note any more is refused.
    let mut repeated = note.clone();
    repeated.signatures.resize(SIGNATURES_MAX, note.signatures[0].clone());
    assert_eq!(cosigned_note(&repeated, &keys(), &key, 1_790_000_000).unwrap().signatures.len(), 3);
    let long = Note { text: format!("{}{}\n", note.text, "x".repeat(NOTE_LEN_MAX - 4_000)), ..note };
    assert!(matches!(cosigned_note(&long, &keys(), &key, 1_790_000_000), Err(NoteError::Malformed(_))));

    assert_ne!(WitnessKey::generate("inspector.example/w1").unwrap(), text);
    assert!(WitnessKey::generate("with space").is_err());
    for bad in ["", "PRIVATE+KEY+", &text.replace("w1", "w2"), &text.replace("+B", "+A"), &text[..text.len() - 6]] {
        assert!(matches!(WitnessKey::parse(bad), Err(NoteError::Key(_))), "{bad}");
    }
}

#[test]
fn files_of_keys_read_back() {
    let text = format!("# the region's\n\n{}", write_keys(&keys()));
    assert_eq!(read_keys(&text).unwrap(), keys());
    assert!(read_keys("nonsense").is_err() && read_keys(&write_keys(&keys()).repeat(33)).is_err());
    assert_eq!(read_keys("").unwrap(), []);
}

#[test]
fn a_region_witnesses_with_another_key_than_it_signs() {
    let root = RootKey::from_bytes(&[9; 32]);
    let key = witness_key(&root, "us-isob-east-1").unwrap();
    assert_eq!(key.name(), "fastness/us-isob-east-1/witness");
    let of_log = crate::region_keys(&root).unwrap().of_witness(key.name());
    assert_ne!(key.verifier().unwrap(), of_log);
}

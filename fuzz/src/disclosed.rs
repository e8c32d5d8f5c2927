//! What leaves a region of its ledger, and comes back to whoever checks it: packages, copies, notes, keys.
//!
//! Oracle: a changed package that is found good shows of each record what was shown before; a changed copy that is found
//! good is the copy; a note, a key or a checkpoint that is read writes itself as what reads the same.

use crate::sure;
use fastness_ledger::{
    Checkpoint, DisclosedRecord, Disclosure, Entry, Frontier, Hash, Hashes, KeyKind, Note, Outcome, PackageCheckpoint,
    PackageEnd, PackageHead, Recorded, SigningKeys, Tile, TileKind, VerifierKey, entry_bundle, inclusion, leaf_hash,
    verify_mirror, verify_package,
};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::OnceLock;

const REGION: &str = "fastness/r";
const LOG: &str = "fastness/r/S";
/// More than a full tile: there is a level above.
const SIZE: u64 = 300;

struct Made {
    /// The short key alone, as for witnesses.
    keys: Vec<VerifierKey>,
    package: Vec<u8>,
    /// Log, number, and what is shown.
    shown: BTreeSet<(String, u64, String)>,
    files: BTreeMap<String, Vec<u8>>,
}

/// Leaves, and the hashes over full tiles of them.
struct Tree(Vec<Hash>, Vec<Hash>);

impl Hashes for Tree {
    type Error = Infallible;

    fn hashes(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, Infallible> {
        let row = if level == 0 { &self.0 } else { &self.1 };
        Ok((from..to).filter_map(|at| row.get(usize::try_from(at).ok()?).copied()).collect())
    }
}

fn entry(number: u64) -> Entry {
    let text = |text: &str| text.to_owned();
    Entry {
        time_ms: i64::try_from(number).unwrap_or_default(),
        request: number.to_be_bytes(),
        service: text("s3"),
        operation: text("GetObject"),
        principal: text("user/a"),
        account: text("1"),
        key: text("K"),
        label: text("S"),
        nationality: String::new(),
        duty: String::new(),
        agent: String::new(),
        resources: vec![text("read b/k"), text("write b/l")],
        outcome: Outcome::Each(vec![Outcome::Done(None), Outcome::Refused(text("duty"), text("AccessDenied"))]),
        source: text("::1"),
    }
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let signer = sure(SigningKeys::from_seeds(&[7; 32], &[8; 32]));
        let rows: Vec<Vec<u8>> = (0..SIZE).map(|number| entry(number).record(&[3; 32])).collect();
        let commitments: Vec<Hash> = rows.iter().filter_map(|row| row.first_chunk().copied()).collect();
        let leaves: Vec<Hash> = commitments.iter().map(|commitment| leaf_hash(commitment)).collect();
        let (mut frontier, mut above) = (Frontier::default(), Vec::new());
        leaves.iter().for_each(|leaf| frontier.push(*leaf, |tile| above.push(tile.hash)));
        let tree = Tree(leaves, above);
        let checkpoint = Checkpoint { origin: LOG.to_owned(), size: SIZE, root: frontier.root() };
        let mut note = sure(signer.sign(LOG, checkpoint.to_string()));
        note.signatures.truncate(1);
        let note = note.to_string();

        let head = PackageHead::new("x".to_owned(), vec!["key".to_owned()], Vec::new());
        let head = PackageHead { instructions: Vec::new(), ..head };
        let mut lines = vec![sure(serde_json::to_string(&head))];
        lines.push(sure(serde_json::to_string(&PackageCheckpoint { checkpoint: note.clone(), extends: Vec::new() })));
        let mut shown = BTreeSet::new();
        for number in [0, 299] {
            let Ok(proof) = inclusion(&tree, number, SIZE);
            let row = rows.get(usize::try_from(number).unwrap_or_default()).map_or(&[][..], Vec::as_slice);
            let (commitment, content) = sure(row.split_first_chunk().ok_or("a row has a commitment"));
            let recorded = sure(Recorded::read(content));
            let record = match number {
                0 => DisclosedRecord::fields(LOG.to_owned(), number, &recorded, &["key".to_owned()], &proof),
                _ => DisclosedRecord::withheld(LOG.to_owned(), number, commitment, &proof),
            };
            shown.insert(of(&record));
            lines.push(sure(serde_json::to_string(&record)));
        }
        lines.push(sure(serde_json::to_string(&PackageEnd { records: 2 })));
        let package = (lines.join("\n") + "\n").into_bytes();

        let mut files = BTreeMap::from([("checkpoint".to_owned(), note.into_bytes())]);
        for tile in Tile::of_log(SIZE) {
            let part = |hashes: &[Hash]| {
                let from = usize::try_from(tile.start()).unwrap_or_default();
                let width = usize::try_from(tile.width).unwrap_or_default();
                hashes.iter().skip(from).take(width).copied().collect::<Vec<Hash>>()
            };
            let bytes = match tile.kind {
                TileKind::Entries => entry_bundle(&part(&commitments)),
                TileKind::Hashes(0) => part(&tree.0).concat(),
                TileKind::Hashes(_) => part(&tree.1).concat(),
            };
            files.insert(tile.path(), bytes);
        }
        let all = signer.of_log(REGION);
        let keys = all.into_iter().filter(|key| key.kind() == KeyKind::Ed25519).collect();
        Made { keys, package, shown, files }
    })
}

/// What a record shows, apart from how it is written.
fn of(record: &DisclosedRecord) -> (String, u64, String) {
    let shown = match &record.record {
        Disclosure::Withheld(entry) => entry.clone(),
        Disclosure::Fields(fields) => format!("{fields:?}").to_lowercase(),
    };
    (record.log.clone(), record.index, shown)
}

/// Changes bytes: of four each, two say where, one what, one how.
fn edit(bytes: &mut Vec<u8>, edits: &[u8]) {
    for [high, low, value, how] in edits.as_chunks::<4>().0.iter().take(8) {
        if bytes.is_empty() {
            return;
        }
        let at = usize::from(u16::from_be_bytes([*high, *low])) % bytes.len();
        match how % 4 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, *value),
            2 => drop(bytes.remove(at)),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = *value;
                }
            }
        }
    }
}

/// The first byte says what is tried.
pub(crate) fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, edits)) => package(edits),
        Some((1, edits)) => copy(edits),
        Some((_, text)) => texts(text),
        None => {}
    }
}

fn package(edits: &[u8]) {
    let made = made();
    let mut bytes = made.package.clone();
    edit(&mut bytes, edits);
    let checked = sure(verify_package(bytes.as_slice(), &made.keys, |_| ()));
    if bytes == made.package {
        assert!(checked.is_ok(), "an unchanged package: {checked:?}");
    }
    if checked.is_ok() {
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(record) = serde_json::from_slice::<DisclosedRecord>(line) {
                assert!(made.shown.contains(&of(&record)), "a good package shows what nobody recorded: {record:?}");
            }
        }
    }
}

fn copy(edits: &[u8]) {
    let made = made();
    let mut files = made.files.clone();
    let Some((which, edits)) = edits.split_first() else { return };
    let number = usize::from(*which) % files.len();
    if let Some(bytes) = files.values_mut().nth(number) {
        edit(bytes, edits);
    }
    let keys: Vec<VerifierKey> = made.keys.iter().map(|key| key.renamed(LOG)).collect();
    let checked = sure(verify_mirror(&|path| Ok(files.get(path).cloned()), &keys, &[], |_| ()));
    if files == made.files {
        assert!(checked.is_ok(), "an unchanged copy: {checked:?}");
    } else if checked.is_ok() {
        // A note may carry signatures of nobody's, and none of them counts.
        let same = files
            .iter()
            .filter(|(path, _)| *path != "checkpoint")
            .all(|(path, bytes)| made.files.get(path) == Some(bytes));
        assert!(same, "a changed copy is found good");
    }
}

fn texts(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(Note::parse(note.to_string().as_bytes()).as_ref(), Ok(&note));
        if let Ok(checkpoint) = Checkpoint::parse(&note.text) {
            assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key));
    }
}

/// Texts that the parsers know.
pub(crate) const WORDS: &[&str] =
    &["— ", "\n\n", "fastness/r/S", "\"withheld\"", "\"salt\":\"", "\"index\":", "+", "extends"];

/// A good one of each kind, and some bad ones.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let made = made();
    let mut seeds =
        vec![vec![0], vec![1, 0], vec![1, 1], vec![1, 2, 0, 9, 7, 3], vec![0, 2, 0, 65, 3], vec![0, 3, 9, 0, 2]];
    let note = made.files.get("checkpoint").cloned().unwrap_or_default();
    seeds.push([vec![2], note].concat());
    seeds.extend(made.keys.iter().map(|key| [vec![2], key.to_string().into_bytes()].concat()));
    seeds
}

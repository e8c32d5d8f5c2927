//! A log as files (C2SP tlog-tiles): a copy that anybody can read and check with the log's public keys alone. It holds
//! hashes and commitments, and no content.

use crate::checkpoint::Checkpoint;
use crate::log::{Log, LogError};
use crate::note::{Note, NoteError, VerifierKey};
use crate::tile::{Tile, TileKind, entry_bundle, read_entry_bundle, read_hashes};
use crate::tree::{Frontier, Hash, Hashes, TILE_LEN, TileHash, leaf_hash};
use fastness_store::{Fault, LedgerLog};
use std::collections::HashMap;
use std::io;

/// The file that holds a log's signed checkpoint.
pub const CHECKPOINT_FILE: &str = "checkpoint";

/// Why a log could not be written as files.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The log itself cannot be read, or is not what was signed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing was signed yet.
    #[error("the log has no checkpoint yet: one follows within a second of its first entry")]
    Unsigned,
    /// A file could not be written.
    #[error("`{path}`: {error}")]
    File {
        /// Its path below the copy's folder.
        path: String,
        /// Why.
        error: io::Error,
    },
}

impl From<Fault> for MirrorError {
    fn from(fault: Fault) -> Self {
        Self::Log(fault.into())
    }
}

/// Writes a log as files, its checkpoint last: a copy that was broken off has none. `progress` hears of entries.
///
/// # Errors
/// [`MirrorError`].
pub fn mirror(
    log: &Log<'_>,
    keys: &[VerifierKey],
    mut write: impl FnMut(&str, &[u8]) -> io::Result<()>,
    mut progress: impl FnMut(u64),
) -> Result<Checkpoint, MirrorError> {
    let (checkpoint, note) = log.checkpoint(keys)?.ok_or(MirrorError::Unsigned)?;
    let mut put = |path: &str, bytes: &[u8]| {
        write(path, bytes).map_err(|error| MirrorError::File { path: path.to_owned(), error })
    };
    for tile in Tile::of_log(checkpoint.size) {
        let range = (tile.start(), tile.start() + tile.width);
        let bytes = match tile.kind {
            TileKind::Entries => log.bundle(range)?,
            TileKind::Hashes(level) => log.hashes(level, range.0, range.1)?.concat(),
        };
        if tile.kind == TileKind::Entries {
            progress(tile.width);
        }
        put(&tile.path(), &bytes)?;
    }
    put(CHECKPOINT_FILE, note.to_string().as_bytes())?;
    Ok(checkpoint)
}

impl Log<'_> {
    /// A bundle of entries as a file holds it.
    fn bundle(&self, range: (u64, u64)) -> Result<Vec<u8>, Fault> {
        match self.kind() {
            LedgerLog::Partition => {
                let mut entries = Vec::new();
                self.store().commitments(self.label(), range.0, range.1, |_, commitment| {
                    entries.push(*commitment);
                    true
                })?;
                Ok(entry_bundle(&entries))
            }
            LedgerLog::Region => {
                let mut bytes = Vec::new();
                self.store().region_log(self.label(), range.0, range.1, |_, entry| {
                    bytes.extend(u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes());
                    bytes.extend_from_slice(entry);
                    true
                })?;
                Ok(bytes)
            }
        }
    }
}

/// What is wrong with a copy of a log, at its first bad place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorFinding {
    /// The checkpoint is none, or is not signed as it must be.
    #[error("`checkpoint`: {0}")]
    Note(#[from] NoteError),
    /// It is another log's.
    #[error("`checkpoint` is of the log `{found}`, and `{expected}` was asked for")]
    Origin {
        /// Whose it is.
        found: String,
        /// Whose was asked for.
        expected: String,
    },
    /// A file is missing.
    #[error("`{path}` is missing: it holds entries, or hashes over entries, from number {first} on")]
    Missing {
        /// Its path.
        path: String,
        /// The first entry that it is about.
        first: u64,
    },
    /// A file has not the form that it must have.
    #[error("`{path}` is not whole: it was cut off, or something was added; it begins with entry {first}")]
    Form {
        /// Its path.
        path: String,
        /// The first entry that it is about.
        first: u64,
    },
    /// An entry is not the one whose hash is kept.
    #[error("entry {number} does not fit its hash: `{entries}` or `{hashes}` was changed")]
    Entry {
        /// Its number.
        number: u64,
        /// The file of entries.
        entries: String,
        /// The file of hashes.
        hashes: String,
    },
    /// A hash over a full tile is not the one that the tile makes.
    #[error("`{path}` does not fit what lies below it: the hash over entries {first} to {last} is another")]
    Hash {
        /// The file with the hash.
        path: String,
        /// The first entry under it.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The root is not the one that was signed.
    #[error(
        "the root over all {size} entries is not the signed one: the copy is of a fork, or entries from {since} on were changed together with all hashes over them"
    )]
    Root {
        /// Entries.
        size: u64,
        /// Entries that an earlier good checkpoint is over.
        since: u64,
    },
    /// A checkpoint that is known from elsewhere is over more entries.
    #[error("a checkpoint over {known} entries is known, this one is over {size}: the log was put back")]
    PutBack {
        /// Entries of the one that is known.
        known: u64,
        /// Entries of the copy.
        size: u64,
    },
    /// A checkpoint that is known from elsewhere has another root.
    #[error(
        "a checkpoint over {known} entries is known whose root is another: the log was forked at or after entry {since}"
    )]
    Fork {
        /// Entries of the one that is known.
        known: u64,
        /// Entries that the last checkpoint that fits is over.
        since: u64,
    },
}

/// A copy that is sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorReport {
    /// What its checkpoint says.
    pub checkpoint: Checkpoint,
    /// The names of the known keys that signed it.
    pub signers: Vec<String>,
}

/// Reads a file below a copy's folder; nothing when it is not there.
pub type ReadFile<'f> = dyn Fn(&str) -> io::Result<Option<Vec<u8>>> + 'f;

/// Checks a copy with the log's public keys: every entry, every hash, the root, the signatures; and that it extends the
/// checkpoints that are known from elsewhere, say from a witness. `progress` hears of entries.
///
/// # Errors
/// The inner error is what is wrong with the copy; the outer one, a file that could not be read.
pub fn verify_mirror(
    read: &ReadFile<'_>,
    keys: &[VerifierKey],
    known: &[Checkpoint],
    mut progress: impl FnMut(u64),
) -> io::Result<Result<MirrorReport, MirrorFinding>> {
    let mut reading = Reading { read, tiles: HashMap::new() };
    let checked = reading.check(keys, known, &mut progress);
    match checked {
        Ok(report) => Ok(Ok(report)),
        Err(Problem::Found(finding)) => Ok(Err(finding)),
        Err(Problem::Io(error)) => Err(error),
    }
}

enum Problem {
    Found(MirrorFinding),
    Io(io::Error),
}

impl<T: Into<MirrorFinding>> From<T> for Problem {
    fn from(finding: T) -> Self {
        Self::Found(finding.into())
    }
}

/// Reads a signed checkpoint and checks it: every log key that is given under its name must have signed.
///
/// # Errors
/// What is wrong with it.
pub fn read_checkpoint(bytes: &[u8], keys: &[VerifierKey]) -> Result<(Checkpoint, Vec<String>), MirrorFinding> {
    let note = Note::parse(bytes)?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    let signed = note.verify(keys)?;
    let of_log: Vec<&VerifierKey> = keys.iter().filter(|key| key.name() == checkpoint.origin).collect();
    if of_log.is_empty() {
        let expected = keys.first().map(|key| key.name().to_owned()).unwrap_or_default();
        return Err(MirrorFinding::Origin { found: checkpoint.origin, expected });
    }
    if of_log.iter().any(|key| !signed.contains(key)) {
        return Err(NoteError::Unsigned.into());
    }
    let names = signed.into_iter().map(|key| key.name().to_owned()).collect();
    Ok((checkpoint, names))
}

struct Reading<'f> {
    read: &'f ReadFile<'f>,
    /// The tile of each level above 0 that was read last.
    tiles: HashMap<u8, (u64, Vec<Hash>)>,
}

impl Reading<'_> {
    fn file(&self, path: &str, first: u64) -> Result<Vec<u8>, Problem> {
        let missing = || MirrorFinding::Missing { path: path.to_owned(), first };
        (self.read)(path).map_err(Problem::Io)?.ok_or_else(|| missing().into())
    }

    fn check(
        &mut self,
        keys: &[VerifierKey],
        known: &[Checkpoint],
        progress: &mut dyn FnMut(u64),
    ) -> Result<MirrorReport, Problem> {
        let (checkpoint, signers) = read_checkpoint(&self.file(CHECKPOINT_FILE, 0)?, keys)?;
        let size = checkpoint.size;
        let mut known: Vec<&Checkpoint> = known.iter().filter(|one| one.origin == checkpoint.origin).collect();
        known.sort_by_key(|one| one.size);
        if let Some(last) = known.last().filter(|last| last.size > size) {
            return Err(MirrorFinding::PutBack { known: last.size, size }.into());
        }
        let (mut frontier, mut since, mut known) = (Frontier::default(), 0, known.into_iter().peekable());
        for tile in Tile::of_log(size).filter(|tile| tile.kind == TileKind::Entries) {
            // A root that does not fit waits for the end of its bundle, where the hash over it may say more exactly what.
            let mut fork = None;
            for leaf in self.leaves(tile)? {
                let mut complete = Vec::new();
                frontier.push(leaf, |tile| complete.push(tile));
                for tile in complete {
                    self.kept(tile, size)?;
                }
                while let Some(one) = known.next_if(|one| one.size <= frontier.size()) {
                    if one.size > 0 && one.root != frontier.root() {
                        fork.get_or_insert(MirrorFinding::Fork { known: one.size, since });
                    } else if fork.is_none() {
                        since = one.size;
                    }
                }
            }
            if let Some(fork) = fork {
                return Err(fork.into());
            }
            progress(tile.width);
        }
        if frontier.root() != checkpoint.root {
            return Err(MirrorFinding::Root { size, since }.into());
        }
        Ok(MirrorReport { checkpoint, signers })
    }

    /// The leaf hashes of a bundle of entries, compared with the tile that keeps them.
    fn leaves(&self, entries: Tile) -> Result<Vec<Hash>, Problem> {
        let hashes = Tile { kind: TileKind::Hashes(0), ..entries };
        let first = entries.start();
        let form = |tile: Tile| MirrorFinding::Form { path: tile.path(), first };
        let bundle = self.file(&entries.path(), first)?;
        let made: Vec<Hash> = match read_entry_bundle(&bundle) {
            Some(bundle) => bundle.iter().map(|entry| leaf_hash(entry)).collect(),
            None => return Err(form(entries).into()),
        };
        let kept = read_hashes(&self.file(&hashes.path(), first)?).ok_or_else(|| form(hashes))?;
        let width = usize::try_from(entries.width).unwrap_or(usize::MAX);
        for (tile, length) in [(entries, made.len()), (hashes, kept.len())] {
            if length != width {
                return Err(form(tile).into());
            }
        }
        let bad = (first..).zip(made.iter().zip(&kept)).find(|(_, (made, kept))| made != kept);
        match bad {
            Some((number, _)) => {
                Err(MirrorFinding::Entry { number, entries: entries.path(), hashes: hashes.path() }.into())
            }
            None => Ok(made),
        }
    }

    /// Compares a hash that full tiles made with the one that is kept a level above.
    fn kept(&mut self, made: TileHash, size: u64) -> Result<(), Problem> {
        let under = TILE_LEN.pow(u32::from(made.level));
        let number = made.index / TILE_LEN;
        let in_level = size / under;
        let width = TILE_LEN.min(in_level - number * TILE_LEN);
        let tile = Tile { kind: TileKind::Hashes(made.level), number, width };
        let first = tile.start() * under;
        if self.tiles.get(&made.level).is_none_or(|(read, _)| *read != number) {
            let bytes = self.file(&tile.path(), first)?;
            let hashes = read_hashes(&bytes).filter(|hashes| hashes.len() as u64 == width);
            let hashes = hashes.ok_or_else(|| MirrorFinding::Form { path: tile.path(), first })?;
            self.tiles.insert(made.level, (number, hashes));
        }
        let place = usize::try_from(made.index % TILE_LEN).unwrap_or(usize::MAX);
        let kept = self.tiles.get(&made.level).and_then(|(_, hashes)| hashes.get(place));
        if kept == Some(&made.hash) {
            return Ok(());
        }
        let first = made.index * under;
        Err(MirrorFinding::Hash { path: tile.path(), first, last: first + under - 1 }.into())
    }
}

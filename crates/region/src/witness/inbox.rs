//! What a region takes from those below.

use super::{WitnessedRegion, cosigned, note_name};
use fastness_crossing::carry::sizes_of;
use fastness_crossing::files::{self, Content, Listing, Mark};
use fastness_ledger::{
    BUNDLE_LEN_MAX, Bundle, Checkpoint, Log, Note, NoteError, WitnessError, WitnessKey, cosigned_note,
};
use fastness_store::{Kept, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Names that are read of a folder in one look.
const NAMES_MAX: usize = 8192;

/// Files that are read in one look.
const FILES_MAX: usize = 256;

/// Bundles that wait for one that is missing before them; beyond that the oldest goes.
const HELD_MAX: usize = 256;

/// Looks for which a bundle may be missing before that is an alarm: carriers may bring two in another order.
const GAP_LOOKS: u32 = 3;

/// How long a file may take to be written.
const UNFINISHED_S_MAX: u64 = 3600;

/// What an alarm is called, and its words.
type Said = (&'static str, String);

/// Where bundles of a region below arrive.
#[derive(Debug)]
pub struct Inbox {
    of: WitnessedRegion,
    folder: PathBuf,
    /// Bundles that wait, by name.
    waiting: BTreeMap<OsString, Waiting>,
    /// What cannot be removed, and is passed over as long as it stays as it is.
    stuck: BTreeMap<OsString, Mark>,
    /// What the first of those that wait, waits for; and for how many looks.
    gap: Option<WitnessError>,
    waited: u32,
    /// Kinds of alarms since a bundle was taken the last time; each is raised once.
    standing: BTreeSet<&'static str>,
}

/// A bundle that does not lead on from what was cosigned.
#[derive(Debug)]
struct Waiting {
    mark: Mark,
    old: u64,
    size: u64,
}

/// What is to be done with a file.
enum Outcome {
    /// It is what was cosigned already.
    Known,
    /// It extends that.
    New(Checkpoint, Bundle),
    /// It may, once others are there: it begins at a size and is over another.
    Waits(u64, u64),
    /// It is refused.
    Bad(&'static str, String),
}

/// What a look found so far.
struct Found {
    last: Option<Checkpoint>,
    /// The newest of what is to be kept.
    note: Option<Note>,
    /// What goes when that is.
    done: Vec<OsString>,
    /// The alarms that stood before.
    stood: BTreeSet<&'static str>,
}

fn at(error: io::Error) -> Said {
    ("unreadable", format!("the inbox cannot be used: {error}"))
}

fn state(error: impl std::fmt::Display) -> Said {
    ("state", format!("what was cosigned cannot be used, and nothing is taken: {error}"))
}

impl Inbox {
    /// The inbox in a folder, which is made when it is missing.
    #[must_use]
    pub fn new(of: WitnessedRegion, folder: PathBuf) -> Self {
        let (waiting, stuck) = (BTreeMap::new(), BTreeMap::new());
        Self { of, folder, waiting, stuck, gap: None, waited: 0, standing: BTreeSet::new() }
    }

    /// Takes what is there, in the order of sizes. A file goes once its outcome is durable: the checkpoint is cosigned and
    /// kept, or `raise` says that the alarm is in the ledger.
    pub async fn look(&mut self, store: &Store, key: &WitnessKey, now_s: u64, raise: &impl AsyncFn(&str) -> bool) {
        if let Err((kind, words)) = self.take(store, key, now_s, raise).await {
            self.alarm(kind, &words, raise).await;
        }
    }

    async fn take(
        &mut self,
        store: &Store,
        key: &WitnessKey,
        now_s: u64,
        raise: &impl AsyncFn(&str) -> bool,
    ) -> Result<(), Said> {
        files::make_folder(&self.folder).map_err(at)?;
        let mut work = self.unread(now_s, raise).await.map_err(at)?;
        if work.is_empty() {
            self.wait(raise).await;
            return Ok(());
        }
        let verifier = key.verifier().map_err(state)?;
        let last = cosigned(store, &verifier, &self.of.origin()).map_err(state)?.map(|(checkpoint, _)| checkpoint);
        let mut found = Found { last, note: None, done: Vec::new(), stood: BTreeSet::new() };
        for _ in 0..FILES_MAX {
            let Some((name, mark)) = work.pop_first() else { break };
            let outcome = match self.outcome(&name, found.last.as_ref()) {
                Ok(outcome) => outcome,
                // It may be readable the next time; the others are not to wait for it.
                Err(error) => {
                    let (kind, words) = at(error);
                    self.alarm(kind, &words, raise).await;
                    continue;
                }
            };
            match outcome {
                Outcome::New(checkpoint, bundle) => match cosigned_note(&bundle.note, &self.of.keys, key, now_s) {
                    Ok(note) => {
                        found.done.push(name);
                        self.follow(&mut found, checkpoint, note, &mut work);
                    }
                    Err(error @ NoteError::Malformed(_)) => {
                        if self.alarm("malformed", &format!("malformed: {error}"), raise).await {
                            found.done.push(name);
                        }
                    }
                    Err(error) => return Err(state(error)),
                },
                Outcome::Waits(old, size) => {
                    // One of each size: whoever brings them can make thousands of one.
                    if self.waiting.values().any(|other| other.size == size) {
                        found.done.push(name);
                    } else {
                        self.waiting.insert(name, Waiting { mark, old, size });
                    }
                }
                Outcome::Bad(kind, words) => {
                    if self.alarm(kind, &words, raise).await {
                        found.done.push(name);
                    }
                }
                Outcome::Known => found.done.push(name),
            }
        }
        self.end(store, found, raise).await
    }

    /// What was not read yet, by name, and how each was found.
    async fn unread(&mut self, now_s: u64, raise: &impl AsyncFn(&str) -> bool) -> io::Result<BTreeMap<OsString, Mark>> {
        let Listing { whole, unfinished, is_cut } = Listing::read(&self.folder, NAMES_MAX)?;
        if is_cut {
            let words = format!("crowded: {NAMES_MAX} files or more lie in the inbox, and some of them are not seen");
            self.alarm("crowded", &words, raise).await;
        }
        let mut marks = BTreeMap::new();
        for name in whole {
            if let Some(mark) = files::mark(&self.folder.join(&name))? {
                marks.insert(name, mark);
            }
        }
        self.waiting.retain(|name, waiting| marks.get(name) == Some(&waiting.mark));
        self.stuck.retain(|name, mark| marks.get(name) == Some(&*mark));
        marks.retain(|name, _| !self.waiting.contains_key(name) && !self.stuck.contains_key(name));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now_s.saturating_sub(UNFINISHED_S_MAX));
        let mut old = Vec::new();
        for name in unfinished.into_iter().take(FILES_MAX) {
            if files::mark(&self.folder.join(&name))?.is_some_and(|(written, ..)| written < now) {
                old.push(name);
            }
        }
        self.remove(old);
        Ok(marks)
    }

    /// What was found goes on from here.
    fn follow(&mut self, found: &mut Found, checkpoint: Checkpoint, note: Note, work: &mut BTreeMap<OsString, Mark>) {
        let size = checkpoint.size;
        (found.last, found.note) = (Some(checkpoint), Some(note));
        found.stood.append(&mut self.standing);
        // There is nothing left for smaller ones to show, and the next one may lead on now.
        let over = self.waiting.extract_if(.., |_, waiting| waiting.size <= size || waiting.old == size);
        for (name, waiting) in over {
            if waiting.size <= size {
                found.done.push(name);
            } else {
                work.insert(name, waiting.mark);
            }
        }
    }

    /// Keeps what was found; then what is not needed any more goes.
    async fn end(&mut self, store: &Store, mut found: Found, raise: &impl AsyncFn(&str) -> bool) -> Result<(), Said> {
        if let Some(note) = found.note.take() {
            let notes = vec![(note_name(&self.of.origin()), note.to_string().into_bytes())];
            if let Err(fault) = store.keep(Log::of_region(store).label(), Kept { notes, ..Kept::default() }).await {
                // What stood, stands.
                self.standing.append(&mut found.stood);
                return Err(("state", format!("what was cosigned cannot be kept: {fault}")));
            }
            self.waited = 0;
        }
        while self.waiting.len() > HELD_MAX {
            found.done.extend(self.waiting.pop_first().map(|(name, _)| name));
        }
        let known = found.last.map_or(0, |last| last.size);
        let first = self.waiting.values().next();
        self.gap = first.map(|&Waiting { old, size, .. }| WitnessError::Gap { known, old, size });
        if self.gap.is_none() {
            self.waited = 0;
        }
        if self.remove(found.done) > 0 {
            let words = "malformed: something in the inbox cannot be removed, and is passed over";
            self.alarm("malformed", words, raise).await;
        }
        self.wait(raise).await;
        Ok(())
    }

    /// Counts a look for which bundles wait; after some that is an alarm.
    async fn wait(&mut self, raise: &impl AsyncFn(&str) -> bool) {
        let Some(gap) = &self.gap else { return };
        let (kind, words) = (gap.kind(), gap.to_string());
        self.waited += 1;
        if self.waited >= GAP_LOOKS {
            self.alarm(kind, &words, raise).await;
        }
    }

    /// Removes what is done with, and makes that durable; how many things cannot be removed. A folder with something in it is
    /// one: nothing here makes folders.
    fn remove(&mut self, names: Vec<OsString>) -> usize {
        let (is_any, known) = (!names.is_empty(), self.stuck.len());
        for name in names {
            let path = self.folder.join(&name);
            if files::remove(&path).is_err()
                && let Ok(Some(mark)) = files::mark(&path)
            {
                self.stuck.insert(name, mark);
            }
        }
        if is_any && let Err(error) = files::sync(&self.folder) {
            // What comes back after a crash is known already, or is refused again.
            tracing::warn!(region = self.of.region, %error, "an inbox could not be synced");
        }
        self.stuck.len() - known
    }

    fn outcome(&self, name: &OsStr, last: Option<&Checkpoint>) -> io::Result<Outcome> {
        let bytes = match files::read(&self.folder.join(name), BUNDLE_LEN_MAX) {
            Ok(Content::Bytes(bytes)) => bytes,
            Ok(Content::TooLong) => {
                let words = format!("oversized: a file is longer than a bundle's {BUNDLE_LEN_MAX} bytes");
                return Ok(Outcome::Bad("oversized", words));
            }
            Ok(Content::NoFile) => {
                return Ok(Outcome::Bad("malformed", "malformed: something in the inbox is no file".to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcome::Known),
            Err(error) => return Err(error),
        };
        let bad = |error: WitnessError| Outcome::Bad(error.kind(), error.to_string());
        if name.to_str().and_then(sizes_of).is_none() {
            let words = "malformed: the name of a file in the inbox is not that of a bundle".to_owned();
            return Ok(Outcome::Bad("malformed", words));
        }
        Ok(match Bundle::parse(&bytes) {
            Err(error) => bad(error),
            Ok(bundle) => match bundle.check(last, &self.of.keys) {
                Ok(checkpoint) if Some(&checkpoint) == last => Outcome::Known,
                Ok(checkpoint) => Outcome::New(checkpoint, bundle),
                Err(WitnessError::Gap { old, size, .. }) => Outcome::Waits(old, size),
                Err(error) => bad(error),
            },
        })
    }

    /// Raises an alarm, unless one of its kind stands; whether the ledger has it.
    async fn alarm(&mut self, kind: &'static str, words: &str, raise: &impl AsyncFn(&str) -> bool) -> bool {
        if self.standing.contains(kind) {
            tracing::warn!(region = self.of.region, words, "refused as witness, as before");
            return true;
        }
        let durable = raise(&format!("witness of region {}: {words}", self.of.region)).await;
        if durable {
            self.standing.insert(kind);
        }
        durable
    }
}

//! What a region takes from those below.

use super::files::{self, Content};
use super::{WitnessedRegion, cosigned, note_name};
use fastness_ledger::{BUNDLE_LEN_MAX, Bundle, Checkpoint, Log, WitnessError, WitnessKey, cosigned_note};
use fastness_store::{Kept, Store};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

/// Names that are read of a folder in one look.
const NAMES_MAX: usize = 8192;

/// Files whose outcome one look makes durable.
const FILES_MAX: usize = 256;

/// Bundles that wait for one that is missing before them; beyond that the oldest goes.
const HELD_MAX: usize = 256;

/// Looks for which a bundle may be missing before that is an alarm: carriers may bring two in another order.
const GAP_LOOKS: u32 = 3;

/// Where bundles of a region below arrive.
#[derive(Debug)]
pub struct Inbox {
    of: WitnessedRegion,
    folder: PathBuf,
    /// Bundles that wait.
    held: Vec<OsString>,
    /// Why, and for how many looks.
    gap: Option<WitnessError>,
    waited: u32,
    /// Kinds of alarms since a bundle was taken the last time; each is raised once.
    standing: BTreeSet<&'static str>,
}

/// What is to be done with a file.
enum Outcome {
    /// It is what was cosigned already.
    Known,
    /// It extends that.
    New(Checkpoint, Bundle),
    /// It may, once others are there.
    Waits(WitnessError),
    /// It is refused.
    Bad(&'static str, String),
}

impl Inbox {
    /// The inbox in a folder, which is made when it is missing.
    #[must_use]
    pub const fn new(of: WitnessedRegion, folder: PathBuf) -> Self {
        Self { of, folder, held: Vec::new(), gap: None, waited: 0, standing: BTreeSet::new() }
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
    ) -> Result<(), (&'static str, String)> {
        let at = |error: io::Error| ("unreadable", format!("the inbox cannot be used: {error}"));
        files::make_folder(&self.folder).map_err(at)?;
        let names = files::names(&self.folder, NAMES_MAX).map_err(at)?;
        if names == self.held {
            self.wait(raise).await;
            return Ok(());
        }
        let state =
            |error: String| ("state", format!("what was cosigned cannot be used, and nothing is taken: {error}"));
        let verifier = key.verifier().map_err(|error| state(error.to_string()))?;
        let last = cosigned(store, &verifier, &self.of.origin()).map_err(|error| state(error.to_string()))?;
        let mut last = last.map(|(checkpoint, _)| checkpoint);
        let (mut held, mut gap, mut done, mut taken) = (Vec::new(), None, 0, false);
        for name in names {
            if done == FILES_MAX {
                break;
            }
            let (checkpoint, bundle) = match self.outcome(&name, last.as_ref()).map_err(at)? {
                Outcome::New(checkpoint, bundle) => (checkpoint, bundle),
                Outcome::Waits(error) => {
                    gap = gap.or(Some(error));
                    held.push(name);
                    continue;
                }
                Outcome::Bad(kind, words) => {
                    if self.alarm(kind, &words, raise).await {
                        self.remove(&name).map_err(at)?;
                    }
                    done += 1;
                    continue;
                }
                Outcome::Known => {
                    self.remove(&name).map_err(at)?;
                    done += 1;
                    continue;
                }
            };
            let note =
                cosigned_note(&bundle.note, &self.of.keys, key, now_s).map_err(|error| state(error.to_string()))?;
            let notes = vec![(note_name(&checkpoint.origin), note.to_string().into_bytes())];
            let kept = store.keep(Log::of_region(store).label(), Kept { notes, ..Kept::default() }).await;
            kept.map_err(|fault| ("state", format!("what was cosigned cannot be kept: {fault}")))?;
            self.remove(&name).map_err(at)?;
            // Whatever waited was before this one in order, and there is nothing left for it to show.
            for name in held.drain(..) {
                self.remove(&name).map_err(at)?;
            }
            self.standing.clear();
            (last, gap, taken, done) = (Some(checkpoint), None, true, done + 1);
        }
        if taken || held.is_empty() {
            self.waited = 0;
        }
        for name in held.drain(..held.len().saturating_sub(HELD_MAX)) {
            self.remove(&name).map_err(at)?;
        }
        (self.held, self.gap) = (held, gap);
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

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        files::remove(&self.folder.join(name))?;
        files::sync(&self.folder)
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
        if name.to_str().and_then(files::sizes_of).is_none() {
            let words = "malformed: the name of a file in the inbox is not that of a bundle".to_owned();
            return Ok(Outcome::Bad("malformed", words));
        }
        Ok(match Bundle::parse(&bytes) {
            Err(error) => bad(error),
            Ok(bundle) => match bundle.check(last, &self.of.keys) {
                Ok(checkpoint) if Some(&checkpoint) == last => Outcome::Known,
                Ok(checkpoint) => Outcome::New(checkpoint, bundle),
                Err(error @ WitnessError::Gap { .. }) => Outcome::Waits(error),
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

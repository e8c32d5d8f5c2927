//! The outbox: which bundles wait, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fastness_diode::{BundleNumber, Geometry, Numbers, file_name, number_of_file};

use crate::options::{After, Settings};
use crate::state::State;
use crate::{SendError, events::Events};

/// Bundles up to this size are held in memory, so that thousands can be under way without thousands of open files.
const SMALL_MAX: u64 = 64 * 1024;

/// A bundle that is being sent.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) number: BundleNumber,
    pub(crate) geometry: Geometry,
    pub(crate) path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Small(Vec<u8>),
    Large(File),
}

impl Bundle {
    fn open(path: &Path, number: BundleNumber, symbol_bytes: u32) -> io::Result<Self> {
        // A link would let whoever writes the outbox have other files sent.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let length = metadata.len();
        let geometry = Geometry::new(length, symbol_bytes).map_err(io::Error::other)?;
        let mut bundle = Self { number, geometry, path: path.to_owned(), content: Content::Large(file) };
        if length <= SMALL_MAX {
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            bundle.read(&mut bytes, 0)?;
            bundle.content = Content::Small(bytes);
        }
        Ok(bundle)
    }

    /// Reads bytes of the bundle, all of them.
    pub(crate) fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.content {
            Content::Large(file) => file.read_exact_at(into, offset),
            Content::Small(bytes) => {
                into.copy_from_slice(small(bytes, offset, into.len())?);
                Ok(())
            }
        }
    }

    /// Reads consecutive bytes into several places, all of them.
    pub(crate) fn read_into(&self, places: &mut [io::IoSliceMut<'_>], offset: u64) -> io::Result<()> {
        let wanted: usize = places.iter().map(|place| place.len()).sum();
        if let Content::Large(file) = &self.content
            && rustix::io::preadv(file, places, offset)? == wanted
        {
            return Ok(());
        }
        let mut offset = offset;
        for place in places {
            self.read(place, offset)?;
            offset += u64::try_from(place.len()).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

fn small(bytes: &[u8], offset: u64, length: usize) -> io::Result<&[u8]> {
    let start = usize::try_from(offset).map_err(io::Error::other)?;
    let range = start..start.saturating_add(length);
    bytes.get(range).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
}

/// The folder that bundles come into.
#[derive(Debug)]
pub(crate) struct Outbox {
    folder: PathBuf,
    sent: Option<PathBuf>,
    after: After,
    symbol_bytes: u32,
    resend: Numbers,
    resend_file: Option<PathBuf>,
    /// What was found the last time that somebody looked, and not taken yet.
    waiting: BTreeMap<BundleNumber, PathBuf>,
    /// What is being sent, and what cannot be: not to be found again.
    taken: BTreeSet<BundleNumber>,
}

impl Outbox {
    pub(crate) fn open(settings: &Settings) -> Result<Self, SendError> {
        for folder in [Some(&settings.outbox), settings.sent.as_ref()].into_iter().flatten() {
            std::fs::read_dir(folder).map_err(|source| SendError::File {
                path: folder.clone(),
                doing: "the folder cannot be read",
                source,
            })?;
        }
        Ok(Self {
            folder: settings.outbox.clone(),
            sent: settings.sent.clone(),
            after: settings.after,
            symbol_bytes: settings.symbol_bytes,
            resend: settings.resend.clone(),
            resend_file: settings.resend_file.clone(),
            waiting: BTreeMap::new(),
            taken: BTreeSet::new(),
        })
    }

    /// The next bundle, in the order of numbers; nothing if none waits.
    pub(crate) fn next(&mut self, state: &State, events: &Events) -> Result<Option<Bundle>, SendError> {
        loop {
            if self.waiting.is_empty() {
                self.look(state, events)?;
            }
            let Some((number, path)) = self.waiting.pop_first() else { return Ok(None) };
            self.taken.insert(number);
            match Bundle::open(&path, number, self.symbol_bytes) {
                Ok(bundle) => return Ok(Some(bundle)),
                Err(error) => {
                    events.put("unreadable", &[("bundle", number.get().into()), ("problem", error.to_string().into())])
                }
            }
        }
    }

    /// Looks at what is there now.
    fn look(&mut self, state: &State, events: &Events) -> Result<(), SendError> {
        self.take_requests(events);
        let asked = std::mem::take(&mut self.resend);
        let again = |number: BundleNumber| asked.contains(number);
        let waiting = numbered(&self.folder)?;
        let mut found: BTreeMap<_, _> = waiting
            .into_iter()
            .filter(|(number, _)| again(*number) || !state.was_sent(*number) && !self.taken.contains(number))
            .collect();
        if let Some(sent) = self.sent.as_ref().filter(|_| !asked.is_empty()) {
            let kept = numbered(sent)?.into_iter().filter(|(number, _)| again(*number));
            kept.for_each(|(number, path)| {
                found.entry(number).or_insert(path);
            });
        }
        if !asked.is_empty() {
            let there: Numbers = found.keys().copied().collect();
            let mut gone = Numbers::default();
            for (first, last) in asked.ranges() {
                let missing = there.missing(first, last);
                missing.ranges().for_each(|(first, last)| gone.insert_range(first, last));
            }
            let fields = [("asked", asked.to_string().into()), ("not_there", gone.to_string().into())];
            events.put("resend", &fields);
        }
        self.waiting = found;
        Ok(())
    }

    /// Takes the list of bundles to send again, if somebody put one there.
    fn take_requests(&mut self, events: &Events) {
        let Some(path) = &self.resend_file else { return };
        let Ok(text) = std::fs::read_to_string(path) else { return };
        match text.parse::<Numbers>() {
            Ok(numbers) => numbers.ranges().for_each(|(first, last)| self.resend.insert_range(first, last)),
            Err(error) => events.put("resend-refused", &[("problem", error.to_string().into())]),
        }
        if let Err(error) = std::fs::remove_file(path) {
            events.put("resend-refused", &[("problem", error.to_string().into())]);
            // What cannot be removed would be sent again for ever.
            self.resend_file = None;
        }
    }

    /// Does with a bundle that was sent what is to become of it. Its number can come again later.
    pub(crate) fn put_away(&mut self, bundle: &Bundle, events: &Events) {
        self.taken.remove(&bundle.number);
        let done = match (self.after, &self.sent) {
            (After::Keep, _) | (After::Move, None) => Ok(()),
            (After::Delete, _) => std::fs::remove_file(&bundle.path),
            (After::Move, Some(sent)) => std::fs::rename(&bundle.path, sent.join(file_name(bundle.number))),
        };
        if let Err(error) = done {
            let fields = [("bundle", bundle.number.get().into()), ("problem", error.to_string().into())];
            events.put("not-put-away", &fields);
        }
    }
}

/// The bundles in a folder.
fn numbered(folder: &Path) -> Result<Vec<(BundleNumber, PathBuf)>, SendError> {
    let failed = |source| SendError::File { path: folder.to_owned(), doing: "the folder cannot be read", source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Some(number) = entry.file_name().to_str().and_then(number_of_file) {
            found.push((number, entry.path()));
        }
    }
    Ok(found)
}

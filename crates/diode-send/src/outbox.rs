//! The outbox: which bundles wait, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fastness_diode::{BundleNumber, Geometry, Numbers, file_name, number_of_file};

use crate::options::{After, Settings};
use crate::state::State;
use crate::{SendError, events::Events};

/// Bundles up to this size, bytes, are held in memory, so that thousands can be under way without thousands of open files.
/// The shortest bundle of a region has 75,792.
const SMALL_MAX: u64 = 128 * 1024;
/// The most bytes of such bundles; beyond that, their files stay open.
const SMALL_TOGETHER_MAX: u64 = 128 << 20;
/// Files that are needed beside those of bundles: the state, lists, folders, events, the socket.
const OTHER_FILES: u64 = 32;
/// The most files of bundles that are open at once, whatever the system allows.
const FILES_MAX: u64 = 16_384;
/// The longest list of bundles to send again, bytes.
const LIST_BYTES_MAX: u64 = 1 << 20;
/// After so long, a bundle that could not be read is tried again; then after twice as long, and so on up to the most.
const AGAIN_MIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(300);
const TOO_MANY: &str = "too many ranges of bundle numbers";

/// A bundle that is being sent.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) number: BundleNumber,
    pub(crate) geometry: Geometry,
    pub(crate) path: PathBuf,
    content: Content,
    /// What it takes of what may be held.
    _lease: Lease,
    /// Why it could not be read, the first time that it could not.
    problem: OnceLock<String>,
}

#[derive(Debug)]
enum Content {
    Small(Vec<u8>),
    Large(File),
}

/// What bundles under way hold: open files, or bytes of memory.
#[derive(Debug, Default)]
struct Held {
    files: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

/// So much of it, until it is dropped.
#[derive(Debug)]
struct Lease {
    of: Arc<AtomicU64>,
    much: u64,
}

impl Lease {
    fn new(of: &Arc<AtomicU64>, much: u64) -> Self {
        of.fetch_add(much, Ordering::Relaxed);
        Self { of: Arc::clone(of), much }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.of.fetch_sub(self.much, Ordering::Relaxed);
    }
}

impl Bundle {
    fn open(path: &Path, number: BundleNumber, symbol_bytes: u32, held: &Held) -> io::Result<Self> {
        // A link would let whoever writes the outbox have other files sent.
        let (file, length) = open_file(path)?;
        let geometry = Geometry::new(length, symbol_bytes).map_err(io::Error::other)?;
        let is_small = length <= SMALL_MAX && held.bytes.load(Ordering::Relaxed) + length <= SMALL_TOGETHER_MAX;
        let (content, lease) = if is_small {
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, 0)?;
            (Content::Small(bytes), Lease::new(&held.bytes, length))
        } else {
            (Content::Large(file), Lease::new(&held.files, 1))
        };
        Ok(Self { number, geometry, path: path.to_owned(), content, _lease: lease, problem: OnceLock::new() })
    }

    /// Takes note that it cannot be read, so that it does not pass for sent.
    pub(crate) fn fail(&self, problem: &dyn fmt::Display) {
        let _said_before = self.problem.set(problem.to_string());
    }

    /// Why it could not be read; nothing if it could.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.get().map(String::as_str)
    }

    /// Says that nobody reads it any more. The region that wrote it keeps it for long: it need not take the place of what is
    /// read, nor new bundles memory that nobody used yet.
    fn leave(&self) {
        if let Content::Large(file) = &self.content {
            let _takes_room_at_worst = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
        }
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
    bytes.get(range).ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))
}

/// Opens a file that others put there, and says its length: no link is followed, and no pipe waited for.
fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    Ok((file, metadata.len()))
}

/// A bundle that could not be read.
#[derive(Debug)]
struct PutOff {
    until: Instant,
    delay: Duration,
    /// Why, as it was said.
    problem: String,
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
    /// What is being sent.
    under_way: BTreeSet<BundleNumber>,
    /// What could not be read, and is tried again later.
    put_off: BTreeMap<BundleNumber, PutOff>,
    held: Held,
    /// The most files of bundles that may be open.
    files_max: u64,
    /// A bundle that waits because the system has no room for another open file, and what the system said.
    shortage: Option<(PathBuf, io::Error)>,
    /// Whether somebody looked before.
    is_seen: bool,
}

impl Outbox {
    /// The outbox of a process that may have so many files open.
    pub(crate) fn open(settings: &Settings, open_files_max: u64) -> Result<Self, SendError> {
        for folder in [Some(&settings.outbox), settings.sent.as_ref()].into_iter().flatten() {
            numbered(folder)?;
        }
        Ok(Self {
            folder: settings.outbox.clone(),
            sent: settings.sent.clone(),
            after: settings.after,
            symbol_bytes: settings.symbol_bytes,
            resend: settings.resend.clone(),
            resend_file: settings.resend_file.clone(),
            waiting: BTreeMap::new(),
            under_way: BTreeSet::new(),
            put_off: BTreeMap::new(),
            held: Held::default(),
            files_max: open_files_max.saturating_sub(OTHER_FILES).clamp(1, FILES_MAX),
            shortage: None,
            is_seen: false,
        })
    }

    /// The next bundle, in the order of numbers; nothing if none waits, or if those under way hold all that may be held.
    pub(crate) fn next(&mut self, state: &mut State, events: &Events) -> Result<Option<Bundle>, SendError> {
        loop {
            if self.waiting.is_empty() {
                self.look(state, events)?;
            }
            if self.held.files.load(Ordering::Relaxed) >= self.files_max && !self.under_way.is_empty() {
                return Ok(None);
            }
            let Some((number, path)) = self.waiting.pop_first() else { return Ok(None) };
            match Bundle::open(&path, number, self.symbol_bytes, &self.held) {
                Ok(bundle) => {
                    self.shortage = None;
                    self.under_way.insert(number);
                    return Ok(Some(bundle));
                }
                Err(error) if is_shortage(&error) => {
                    if self.shortage.is_none() {
                        events.put("waits", &[("bundle", number.get().into()), ("problem", error.to_string().into())]);
                    }
                    self.waiting.insert(number, path.clone());
                    self.shortage = Some((path, error));
                    return Ok(None);
                }
                Err(error) => self.put_off(number, &error.to_string(), events),
            }
        }
    }

    /// Whether everything was taken, when nothing is under way any more.
    ///
    /// # Errors
    /// If a bundle waits for what this process does not hold.
    pub(crate) fn finish(self) -> Result<(), SendError> {
        let Some((path, source)) = self.shortage else { return Ok(()) };
        Err(SendError::File { path, doing: "the bundle cannot be opened", source })
    }

    /// Looks at what is there now.
    fn look(&mut self, state: &mut State, events: &Events) -> Result<(), SendError> {
        // In this order: who has bundles sent again says so before their files are there. So a file that is found here
        // and was sent is one that nobody asked for.
        let mut there = numbered(&self.folder)?;
        let asked = self.take_requests(state, &there, events)?;
        if !std::mem::replace(&mut self.is_seen, true) {
            let left = there.iter().filter(|(number, _)| state.was_sent(**number));
            left.for_each(|(number, path)| self.put_file_away(*number, path, events));
        }
        if !asked.is_empty() {
            there = numbered(&self.folder)?;
            let found: Numbers = there.keys().copied().collect();
            let mut gone = Numbers::default();
            for (first, last) in asked.ranges() {
                let missing = found.missing(first, last);
                missing.ranges().for_each(|(first, last)| gone.insert_range(first, last));
            }
            let fields = [("asked", asked.to_string().into()), ("not_there", gone.to_string().into())];
            events.put("resend", &fields);
        }
        self.put_off.retain(|number, _| there.contains_key(number));
        let now = Instant::now();
        there.retain(|number, _| {
            let is_due = self.put_off.get(number).is_none_or(|put_off| put_off.until <= now);
            is_due && !state.was_sent(*number) && !self.under_way.contains(number)
        });
        self.waiting = there;
        Ok(())
    }

    /// Takes what is to be sent again: from the command line, from a list that an earlier run took and was killed over, and
    /// from the one that is there now.
    fn take_requests(
        &mut self,
        state: &mut State,
        there: &BTreeMap<BundleNumber, PathBuf>,
        events: &Events,
    ) -> Result<Numbers, SendError> {
        let refuse = |problem: String| events.put("resend-refused", &[("problem", problem.into())]);
        let mut asked = std::mem::take(&mut self.resend);
        if !self.ask(&asked, state, there, events)? {
            refuse(TOO_MANY.to_owned());
            asked = Numbers::default();
        }
        for _ in 0..2 {
            let list = match self.resend_file.as_deref().map(claim) {
                None | Some(Ok(None)) => break,
                Some(Ok(Some(list))) => list,
                Some(Err(error)) => {
                    refuse(error.to_string());
                    self.resend_file = None;
                    break;
                }
            };
            match read_list(&list) {
                Ok(numbers) if self.ask(&numbers, state, there, events)? => {
                    numbers.ranges().for_each(|(first, last)| asked.insert_range(first, last));
                }
                Ok(_) => refuse(TOO_MANY.to_owned()),
                Err(problem) => refuse(problem),
            }
            if let Err(error) = fs::remove_file(list) {
                refuse(error.to_string());
                // What cannot be removed would be sent again for ever.
                self.resend_file = None;
            }
        }
        Ok(asked)
    }

    /// Has bundles sent again: they are out of the state, durably, and back in the outbox before their list goes. So they
    /// are sent, or asked for once more, whenever this program is killed. Says whether the state has room for so many
    /// ranges.
    fn ask(
        &mut self,
        asked: &Numbers,
        state: &mut State,
        there: &BTreeMap<BundleNumber, PathBuf>,
        events: &Events,
    ) -> Result<bool, SendError> {
        if !state.forget(asked)? {
            return Ok(false);
        }
        self.put_off.retain(|number, _| !asked.contains(*number));
        let Some(sent) = self.sent.as_ref().filter(|_| !asked.is_empty()) else { return Ok(true) };
        let kept = numbered(sent)?.into_iter();
        for (number, path) in kept.filter(|(number, _)| asked.contains(*number) && !there.contains_key(number)) {
            if let Err(error) = fs::rename(path, self.folder.join(file_name(number))) {
                let fields = [("bundle", number.get().into()), ("problem", error.to_string().into())];
                events.put("not-brought-back", &fields);
            }
        }
        Ok(true)
    }

    /// Does with a bundle that was sent what is to become of it. Its number can come again later.
    pub(crate) fn put_away(&mut self, bundle: &Bundle, events: &Events) {
        self.under_way.remove(&bundle.number);
        self.put_off.remove(&bundle.number);
        bundle.leave();
        self.put_file_away(bundle.number, &bundle.path, events);
    }

    fn put_file_away(&self, number: BundleNumber, path: &Path, events: &Events) {
        let done = match (self.after, &self.sent) {
            (After::Keep, _) | (After::Move, None) => Ok(()),
            (After::Delete, _) => fs::remove_file(path),
            (After::Move, Some(sent)) => fs::rename(path, sent.join(file_name(number))),
        };
        if let Err(error) = done {
            let fields = [("bundle", number.get().into()), ("problem", error.to_string().into())];
            events.put("not-put-away", &fields);
        }
    }

    /// Puts a bundle off that cannot be read; says so, once for each problem.
    pub(crate) fn put_off(&mut self, number: BundleNumber, problem: &str, events: &Events) {
        self.under_way.remove(&number);
        let before = self.put_off.remove(&number);
        if before.as_ref().is_none_or(|before| before.problem != problem) {
            events.put("unreadable", &[("bundle", number.get().into()), ("problem", problem.into())]);
        }
        let delay = before.map_or(AGAIN_MIN, |before| (before.delay * 2).min(AGAIN_MAX));
        let put_off = PutOff { until: Instant::now() + delay, delay, problem: problem.to_owned() };
        self.put_off.insert(number, put_off);
    }
}

/// Whether an error says that something is short which others hold now, and will not hold later.
fn is_shortage(error: &io::Error) -> bool {
    [libc::EMFILE, libc::ENFILE, libc::ENOMEM].map(Some).contains(&error.raw_os_error())
}

/// Takes a list away from where others write it, if there is one: what they put there after that is another list. One that
/// an earlier run took, and was killed over, comes first.
fn claim(list: &Path) -> io::Result<Option<PathBuf>> {
    let mut claimed = list.as_os_str().to_owned();
    claimed.push(".taken");
    let claimed = PathBuf::from(claimed);
    if fs::symlink_metadata(&claimed).is_ok() {
        return Ok(Some(claimed));
    }
    match fs::rename(list, &claimed) {
        Ok(()) => Ok(Some(claimed)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a list of bundles to send again.
fn read_list(path: &Path) -> Result<Numbers, String> {
    let (file, length) = open_file(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    if length <= LIST_BYTES_MAX {
        file.take(LIST_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    }
    if length.max(text.len() as u64) > LIST_BYTES_MAX {
        return Err(format!("a list of more than {LIST_BYTES_MAX} bytes"));
    }
    text.parse::<Numbers>().map_err(|error| error.to_string())
}

/// The bundles in a folder.
fn numbered(folder: &Path) -> Result<BTreeMap<BundleNumber, PathBuf>, SendError> {
    let failed = |source| SendError::File { path: folder.to_owned(), doing: "the folder cannot be read", source };
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Some(number) = entry.file_name().to_str().and_then(number_of_file) {
            found.insert(number, entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        folder: tempfile::TempDir,
        settings: Settings,
        events: Events,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            fs::create_dir(path("outbox")).unwrap();
            let settings = Settings {
                outbox: path("outbox"),
                state: path("state.json"),
                resend_file: Some(path("resend")),
                events: Some(path("events")),
                ..crate::options::tests::settings()
            };
            let events = Events::open(settings.events.as_deref()).unwrap();
            Self { folder, settings, events }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn put(&self, number: u64) {
            fs::write(self.path("outbox").join(file_name(BundleNumber::new(number).unwrap())), b"bundle").unwrap();
        }

        /// What a sender that begins now would send.
        fn next(&self, files: u64) -> (Outbox, State, Vec<Bundle>) {
            let mut state = State::load(&self.settings.state).unwrap();
            let mut outbox = Outbox::open(&self.settings, files).unwrap();
            let bundles = std::iter::from_fn(|| outbox.next(&mut state, &self.events).unwrap()).collect();
            (outbox, state, bundles)
        }

        fn numbers(&self) -> Vec<u64> {
            self.next(1_024).2.iter().map(|bundle| bundle.number.get()).collect()
        }

        fn said(&self, event: &str) -> Vec<String> {
            let text = fs::read_to_string(self.path("events")).unwrap();
            text.lines().filter(|line| line.contains(event)).map(str::to_owned).collect()
        }

        fn sent(&self, numbers: &[u64]) {
            let mut state = State::load(&self.settings.state).unwrap();
            state.add(numbers.iter().filter_map(|number| BundleNumber::new(*number))).unwrap();
        }
    }

    #[test]
    fn what_was_sent_before_a_kill_is_put_away_at_the_start() {
        let mut place = Place::new();
        (1..=3).for_each(|number| place.put(number));
        place.sent(&[1, 2]);
        place.settings.after = After::Keep;
        assert_eq!(place.numbers(), [3]);
        assert_eq!(fs::read_dir(place.path("outbox")).unwrap().count(), 3);
        place.settings.after = After::Delete;
        assert_eq!(place.numbers(), [3]);
        let left: Vec<_> = numbered(&place.path("outbox")).unwrap().keys().map(|number| number.get()).collect();
        assert_eq!(left, [3]);
    }

    #[test]
    fn what_is_to_be_sent_again_is_not_put_away_however_often_the_sender_is_killed() {
        let place = Place::new();
        (1..=3).for_each(|number| place.put(number));
        place.sent(&[1, 2, 3]);
        fs::write(place.path("resend"), "2").unwrap();
        // Killed each time before it was sent.
        for _ in 0..3 {
            assert_eq!(place.numbers(), [2]);
        }
        assert!(!place.path("resend").exists() && !place.path("resend.taken").exists());
        // Killed between taking the list and reading it; and there is another.
        place.sent(&[1, 2, 3]);
        (1..=3).for_each(|number| place.put(number));
        fs::write(place.path("resend.taken"), "1").unwrap();
        fs::write(place.path("resend"), "3").unwrap();
        assert_eq!(place.numbers(), [1, 3]);
        let left: Vec<_> = numbered(&place.path("outbox")).unwrap().keys().map(|number| number.get()).collect();
        assert_eq!(left, [1, 3]);
    }

    #[test]
    fn lists_that_are_none_are_refused_once_and_nothing_is_followed_or_waited_for() {
        let place = Place::new();
        place.sent(&[1, 2]);
        let list = place.path("resend");
        let mut said = 0;
        let mut refused = |problem: &str| {
            assert_eq!(place.numbers(), Vec::<u64>::new(), "{problem}");
            let refused = place.said("resend-refused");
            said += 1;
            assert_eq!(refused.len(), said, "{refused:?}");
            assert!(refused.last().unwrap().contains(problem), "{refused:?}");
        };
        fs::write(place.path("elsewhere"), "1-2").unwrap();
        std::os::unix::fs::symlink(place.path("elsewhere"), &list).unwrap();
        refused("Too many levels of symbolic links");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &list, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        refused("it is no file");
        // Longer than any list, and not on the disk.
        File::create(&list).unwrap().set_len(1 << 40).unwrap();
        refused("more than 1048576 bytes");
        fs::write(&list, "2-1").unwrap();
        refused("ends before it begins");
        assert_eq!(fs::read_to_string(place.path("elsewhere")).unwrap(), "1-2");
        assert!(State::load(&place.settings.state).unwrap().was_sent(BundleNumber::FIRST));
        assert!(!place.path("resend.taken").exists());
        // A folder cannot be removed: that is said, and nobody looks again.
        fs::create_dir(&list).unwrap();
        let (mut outbox, mut state, _) = place.next(1_024);
        assert!(outbox.next(&mut state, &place.events).unwrap().is_none());
        assert_eq!(place.said("resend-refused").len(), 6);
    }

    #[test]
    fn no_more_files_are_open_than_may_be_and_the_others_wait() {
        let place = Place::new();
        for number in 1..=5 {
            place.put(number);
            let path = place.path("outbox").join(file_name(BundleNumber::new(number).unwrap()));
            OpenOptions::new().write(true).open(path).unwrap().set_len(SMALL_MAX + 1).unwrap();
        }
        let (mut outbox, mut state, bundles) = place.next(OTHER_FILES + 2);
        assert_eq!(bundles.len(), 2);
        for bundle in bundles {
            state.add([bundle.number]).unwrap();
            outbox.put_away(&bundle, &place.events);
        }
        let rest: Vec<_> = std::iter::from_fn(|| outbox.next(&mut state, &place.events).unwrap()).collect();
        assert_eq!(rest.iter().map(|bundle| bundle.number.get()).collect::<Vec<_>>(), [3, 4]);
        assert!(place.said("unreadable").is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_said_once_and_tried_again() {
        let place = Place::new();
        let path = place.path("outbox").join(file_name(BundleNumber::FIRST));
        fs::write(&path, "").unwrap();
        let (mut outbox, mut state, bundles) = place.next(1_024);
        assert!(bundles.is_empty());
        let mut next = || outbox.next(&mut state, &place.events).unwrap().map(|bundle| bundle.number.get());
        assert_eq!((next(), next()), (None, None));
        std::thread::sleep(AGAIN_MIN);
        assert_eq!(next(), None);
        assert_eq!(place.said("unreadable").len(), 1);
        fs::write(&path, "bundle").unwrap();
        std::thread::sleep(AGAIN_MIN * 2);
        assert_eq!(next(), Some(1));
    }
}

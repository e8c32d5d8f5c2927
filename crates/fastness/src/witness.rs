//! `fastness audit witness`: remembers a log's last checkpoint, and cosigns what extends it. And what witnesses know, for
//! `fastness audit verify`.

use crate::arguments::Witness;
use crate::{audit, say};
use anyhow::{Context, bail};
use fastness_region::{
    BUNDLE_LEN_MAX, Bundle, CHECKPOINT_FILE, Checkpoint, Cosigned, NOTE_LEN_MAX, Note, RegionFolder, VerifierKey,
    WitnessError, WitnessKey, cosigned_note, keys_of, read_checkpoint, read_keys, verify_mirror,
};
use serde_json::{Value, json};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};

/// Longest file of a copy that is read: 256 entries of the longest kind, each after its length.
const TILE_LEN_MAX: u64 = 256 * (2 + (1 << 16));

/// Most bundles in a folder that are looked at.
const BUNDLES_MAX: usize = 1 << 14;

/// Runs the command.
pub async fn run(arguments: Witness) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let key = load_or_make(&arguments)?;
    let at = arguments.log.display();
    let text = fs::read_to_string(&arguments.log).with_context(|| format!("cannot read `{at}`"))?;
    let log_keys = read_keys(&text).with_context(|| format!("`{at}`"))?;
    let log_keys: Vec<VerifierKey> = log_keys.into_iter().filter(VerifierKey::is_of_log).collect();
    if log_keys.is_empty() {
        bail!("`{at}` holds no key of a log");
    }
    let mut watch = Watch { _lock: lock(&arguments.state)?, key, log_keys, arguments, said: None };
    loop {
        let good = watch.look();
        let Some(every) = watch.arguments.every else { return Ok(code(good)) };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(every)) => {}
            _ = interrupt.recv() => return Ok(code(good)),
            _ = terminate.recv() => return Ok(code(good)),
        }
    }
}

const fn code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One witness at a time works on a folder: between looking at what was cosigned and keeping what follows, nobody else does.
fn lock(state: &Path) -> anyhow::Result<File> {
    let at = || format!("cannot use the folder `{}`", state.display());
    DirBuilder::new().recursive(true).mode(0o700).create(state).with_context(at)?;
    let mut options = OpenOptions::new();
    let path = state.join("lock");
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(path).with_context(at)?;
    match fastness_region::try_lock_patiently(&file) {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => bail!("another witness works on `{}`", state.display()),
        Err(fs::TryLockError::Error(error)) => Err(error).with_context(at),
    }
}

/// The witness's key. A new one goes into its file before it signs anything.
fn load_or_make(arguments: &Witness) -> anyhow::Result<WitnessKey> {
    let path = &arguments.key;
    let at = || format!("the witness's key `{}`", path.display());
    if !path.exists() {
        let text = WitnessKey::generate(&arguments.name).with_context(at)?;
        let public = WitnessKey::parse(&text).and_then(|key| key.verifier()).with_context(at)?;
        put(path, text.as_bytes()).with_context(at)?;
        let public_path = PathBuf::from(format!("{}.pub", path.display()));
        put(&public_path, format!("{public}\n").as_bytes()).with_context(at)?;
        if arguments.json {
            say!("{}", json!({ "key": public.to_string() }));
        } else {
            say!("new key: {public}");
        }
    }
    let mode = fs::metadata(path).with_context(at)?.mode();
    if mode & 0o077 != 0 {
        bail!("{}: others may read it; `chmod 600` it, or make a new one if they did", at());
    }
    WitnessKey::parse(&fs::read_to_string(path).with_context(at)?).with_context(at)
}

/// Writes a file for its owner alone; whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = PathBuf::from(format!("{}.new", path.display()));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// At most so many bytes of a file; nothing where there is none.
fn read(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > max {
        true => Err(io::Error::other(format!("`{}` is longer than {max} bytes", path.display()))),
        false => Ok(Some(bytes)),
    }
}

/// The name of a log in names of files: everything but letters, digits, `-`, `.` and `_` percent-encoded.
fn escaped(origin: &str) -> String {
    let mut name = String::new();
    for byte in origin.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

struct Watch {
    arguments: Witness,
    key: WitnessKey,
    log_keys: Vec<VerifierKey>,
    _lock: File,
    /// What was said last, so that a watch repeats nothing.
    said: Option<Value>,
}

/// What was found in the source.
struct Seen {
    checkpoint: Checkpoint,
    note: Note,
}

impl Watch {
    /// One look at the source; whether all is good.
    fn look(&mut self) -> bool {
        let outcome = self.cosign();
        let (good, value, words) = match &outcome {
            Ok((checkpoint, new, path)) => {
                let root: String = checkpoint.root.iter().map(|byte| format!("{byte:02x}")).collect();
                let words = format!(
                    "{}: {} {} entries, root {root}",
                    checkpoint.origin,
                    if *new { "cosigned" } else { "unchanged," },
                    checkpoint.size
                );
                let value = json!({
                    "good": true, "log": checkpoint.origin, "size": checkpoint.size, "root": root, "new": new,
                    "file": path,
                });
                (true, value, words)
            }
            Err(error) => (false, json!({ "good": false, "error": format!("{error:#}") }), format!("{error:#}")),
        };
        let repeated = match &outcome {
            Ok((_, new, _)) => {
                !new && self.said.is_some() && self.said.as_ref().is_some_and(|said| said["good"] == true)
            }
            Err(_) => self.said.as_ref() == Some(&value),
        };
        if !repeated {
            match (self.arguments.json, good) {
                (true, _) => say!("{value}"),
                (false, true) => say!("{words}"),
                (false, false) => eprintln!("fastness: {words}"),
            }
        }
        self.said = Some(value);
        good
    }

    fn cosign(&self) -> anyhow::Result<(Checkpoint, bool, PathBuf)> {
        let source = &self.arguments.source;
        let checkpoint = source.join(CHECKPOINT_FILE);
        let text = read(&checkpoint, NOTE_LEN_MAX as u64)?;
        let (seen, keys) = match text {
            Some(note) => self.copy(&note)?,
            None => self.bundles()?,
        };
        let origin = &seen.checkpoint.origin;
        let path = self.state_file(origin);
        if self.last(origin)?.is_some_and(|last| last == seen.checkpoint) {
            return Ok((seen.checkpoint, false, path));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let note = cosigned_note(&seen.note, &keys, &self.key, now)?;
        put(&path, note.to_string().as_bytes()).with_context(|| format!("cannot keep `{}`", path.display()))?;
        Ok((seen.checkpoint, true, path))
    }

    fn state_file(&self, origin: &str) -> PathBuf {
        self.arguments.state.join(format!("{}.checkpoint", escaped(origin)))
    }

    /// What was cosigned of a log.
    fn last(&self, origin: &str) -> anyhow::Result<Option<Checkpoint>> {
        let path = self.state_file(origin);
        let at = || format!("what was cosigned, in `{}`, cannot be used", path.display());
        let Some(bytes) = read(&path, NOTE_LEN_MAX as u64).with_context(at)? else { return Ok(None) };
        let note = Note::parse(&bytes).with_context(at)?;
        note.verify(&[self.key.verifier()?]).with_context(at)?;
        let checkpoint = Checkpoint::parse(&note.text).with_context(at)?;
        if checkpoint.origin != origin {
            bail!("{}: it is of the log `{}`", at(), checkpoint.origin);
        }
        Ok(Some(checkpoint))
    }

    /// A copy of a log as files: checked whole, and that it extends what was cosigned.
    fn copy(&self, note: &[u8]) -> anyhow::Result<(Seen, Vec<VerifierKey>)> {
        let source = &self.arguments.source;
        let origin = Note::parse(note).ok().and_then(|note| Some(note.text.lines().next()?.to_owned()));
        let keys = self.keys_of(&origin.unwrap_or_default())?;
        let (checkpoint, _) = read_checkpoint(note, &keys)?;
        let known: Vec<Checkpoint> = self.last(&checkpoint.origin)?.into_iter().collect();
        // The checkpoint is the one that was read first, though the copy may grow meanwhile.
        let file = |path: &str| match path {
            CHECKPOINT_FILE => Ok(Some(note.to_vec())),
            path => read(&source.join(path), TILE_LEN_MAX),
        };
        let report = verify_mirror(&file, &keys, &known, |_| ())??;
        Ok((Seen { checkpoint: report.checkpoint, note: Note::parse(note)? }, keys))
    }

    /// The keys of a log: a region's sign all its logs, each under the log's own name.
    fn keys_of(&self, origin: &str) -> anyhow::Result<Vec<VerifierKey>> {
        let keys = keys_of(&self.log_keys, origin);
        if keys.is_empty() {
            bail!(
                "another log's: `{origin}` is what is there, and `{}` holds no key of it",
                self.arguments.log.display()
            );
        }
        Ok(keys)
    }

    /// A folder of bundles: the newest to which they lead from what was cosigned.
    fn bundles(&self) -> anyhow::Result<(Seen, Vec<VerifierKey>)> {
        let source = &self.arguments.source;
        let at = || format!("`{}`", source.display());
        let mut bundles = Vec::new();
        for entry in fs::read_dir(source).with_context(at)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "new") || !path.is_file() {
                continue;
            }
            if bundles.len() == BUNDLES_MAX {
                bail!("{} holds more than {BUNDLES_MAX} files", at());
            }
            let of_file = || format!("`{}`", path.display());
            let bytes = read(&path, BUNDLE_LEN_MAX as u64).with_context(of_file)?.unwrap_or_default();
            let bundle = Bundle::parse(&bytes).with_context(of_file)?;
            let checkpoint = Checkpoint::parse(&bundle.note.text).with_context(of_file)?;
            bundles.push((checkpoint.size, bundle.old, path, bundle, checkpoint.origin));
        }
        bundles.sort_by_key(|one| (one.0, one.1));
        let Some((newest, _, path, bundle, origin)) = bundles.last() else {
            bail!("{} holds neither a copy of a log (no file `{CHECKPOINT_FILE}`) nor bundles", at());
        };
        let keys = self.keys_of(origin)?;
        let mut last = self.last(origin)?;
        // Older ones lie there from before; only where nothing newer follows was the log put back.
        if last.as_ref().is_some_and(|last| *newest < last.size) {
            bundle.check(last.as_ref(), &keys).with_context(|| format!("`{}`", path.display()))?;
        }
        let (mut seen, mut gap) = (None, None);
        for (size, _, path, bundle, _) in &bundles {
            if last.as_ref().is_some_and(|last| *size < last.size) {
                continue;
            }
            match bundle.check(last.as_ref(), &keys) {
                Ok(checkpoint) => {
                    last = Some(checkpoint.clone());
                    (seen, gap) = (Some(Seen { checkpoint, note: bundle.note.clone() }), None);
                }
                Err(error @ WitnessError::Gap { .. }) => gap = gap.or(Some((path, error))),
                Err(error) => return Err(error).with_context(|| format!("`{}`", path.display())),
            }
        }
        match (seen, gap) {
            (_, Some((path, error))) => Err(error).with_context(|| format!("`{}`", path.display())),
            (Some(seen), None) => Ok((seen, keys)),
            (None, None) => bail!("{} holds no bundle of `{origin}`", at()),
        }
    }
}

/// What the regions in a folder cosigned of each other's logs; what is wrong with that goes to `broken`. A region that
/// cannot be opened at all is the verifier's to speak of.
pub fn of_regions(regions: &[(String, PathBuf)], policy: Option<&Path>, broken: &mut Vec<String>) -> Vec<Cosigned> {
    let names: Vec<String> = regions.iter().map(|(name, _)| name.clone()).collect();
    let mut known = Vec::new();
    for (name, path) in regions {
        let opened = || -> anyhow::Result<_> {
            let folder = RegionFolder::open(path)?;
            let store = folder.open_existing(audit::load_policy(path, policy)?)?;
            Ok((folder, store))
        };
        let Ok((folder, store)) = opened() else { continue };
        match folder.cosigned(&store, &names) {
            Ok(found) => known.extend(found),
            Err(error) => broken.push(format!("{name}: {error}")),
        }
        store.close();
    }
    known
}

/// A cosigned checkpoint in a file.
pub fn of_file(file: &Path, key: Option<&str>) -> anyhow::Result<Cosigned> {
    let at = || format!("the cosigned checkpoint `{}`", file.display());
    let bytes =
        read(file, NOTE_LEN_MAX as u64).with_context(at)?.with_context(|| format!("{}: there is none", at()))?;
    let note = Note::parse(&bytes).with_context(at)?;
    let checkpoint = Checkpoint::parse(&note.text).with_context(at)?;
    let mut by = file.display().to_string();
    if let Some(key) = key {
        let key = VerifierKey::parse(key).context("`--witness-key`")?;
        note.verify(std::slice::from_ref(&key)).with_context(at)?;
        key.name().clone_into(&mut by);
    }
    Ok(Cosigned { checkpoint, note, by })
}

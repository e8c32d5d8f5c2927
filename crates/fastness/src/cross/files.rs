//! `fastness cross export` and `import`: bundles on a disc that people carry. Both work on folders alone, without any key:
//! who carries a disc can read nothing of what is on it.

use super::arguments::{Export, Import};
use crate::place;
use crate::say;
use anyhow::{Context, bail};
use fastness_region::carry::copy_whole;
use fastness_region::operation::RegionName;
use fastness_region::{InboxRoom, bundle_file_name, crossing_inbox, files, number_of, ready_folder};
use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// The file beside the bundles that says what each should be, in the form of `sha256sum`.
const SUMS: &str = "SHA256SUMS";
/// The longest such file that is read.
const SUMS_LEN_MAX: usize = 16 << 20;

/// Moves what is ready for a region to a folder: what is there, whole and durable, is in the outbox no longer.
pub fn export(arguments: &Export) -> anyhow::Result<()> {
    let (from, to) = (region(&arguments.data, &arguments.from)?, RegionName::new(&arguments.to)?);
    let ready = ready_folder(&from, &to);
    let folder = &arguments.folder;
    files::make_folder(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    // What an earlier export put there stays as it is described.
    let mut sums = read_sums(folder)?.unwrap_or_default();
    let mut moved = 0;
    for (number, path) in bundles(&ready)? {
        let name = bundle_file_name(number);
        let at = || format!("cannot move `{}`", path.display());
        let Some(file) = files::open(&path).with_context(at)? else { continue };
        let (there, sum) = (folder.join(&name), sha256(&path)?);
        if !there.exists() {
            copy_whole(file, folder, &name).with_context(at)?;
        }
        // Of what is there now: an export that was cut off may have copied it, and another disc may be full of others.
        if sha256(&there)? != sum {
            bail!("`{}` is there already, and is another one: choose an empty folder", there.display());
        }
        sums.insert(number, sum);
        write_sums(folder, &sums)?;
        files::remove(&path).and_then(|()| files::sync(&ready)).with_context(at)?;
        moved += 1;
    }
    say!("{moved} bundles from {} to {to} are in `{}`", arguments.from, folder.display());
    Ok(())
}

/// Copies the bundles of a folder into a region's inbox, as long as it has room. Nothing is written to the folder, which may
/// be read-only.
pub fn import(arguments: &Import) -> anyhow::Result<()> {
    let (into, from) = (region(&arguments.data, &arguments.into)?, RegionName::new(&arguments.from)?);
    let inbox = crossing_inbox(&into, &from);
    let folder = &arguments.folder;
    let sums = read_sums(folder)?;
    files::make_folder(&inbox).with_context(|| format!("cannot make `{}`", inbox.display()))?;
    let mut room = InboxRoom::of(&inbox)?;
    let (mut copied, mut left) = (0, Vec::new());
    for (number, path) in bundles(folder)? {
        let at = || format!("cannot bring in `{}`", path.display());
        let name = bundle_file_name(number);
        let Some(file) = files::open(&path).with_context(at)? else {
            eprintln!("fastness: `{}` is no file, and is left where it is", path.display());
            continue;
        };
        if let Some(sum) = sums.as_ref().and_then(|sums| sums.get(&number))
            && *sum != sha256(&path)?
        {
            eprintln!("fastness: `{}` is not what {SUMS} says: it is damaged, and is left where it is", path.display());
            continue;
        }
        if !room.take(file.metadata().with_context(at)?.len()) {
            left.push(name);
            continue;
        }
        copy_whole(file, &inbox, &name).with_context(at)?;
        copied += 1;
    }
    say!("{copied} bundles from {from} are in the inbox of {}", arguments.into);
    if let (Some(first), count) = (left.first(), left.len()) {
        bail!("the inbox is full: {count} bundles, from {first} on, were left; import again when some were taken in");
    }
    Ok(())
}

/// A region's folder; whether it is one is all that is asked of it.
fn region(data: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let known = place::regions(data)?;
    if !known.iter().any(|one| one == name) {
        bail!("`{}` holds no region `{name}`; it holds {}", data.display(), known.join(", "));
    }
    Ok(place::region_folder(data, name))
}

/// What lies in a folder under the names of bundles, in the order of numbers.
fn bundles(folder: &Path) -> anyhow::Result<Vec<(NonZeroU64, PathBuf)>> {
    let names = match files::names(folder, usize::MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names.with_context(|| format!("cannot read `{}`", folder.display()))?,
    };
    let found = names.iter().filter_map(|name| Some((number_of(name.to_str()?)?, folder.join(name))));
    Ok(found.collect())
}

fn open(path: &Path) -> anyhow::Result<File> {
    let at = || format!("cannot read `{}`", path.display());
    files::open(path).with_context(at)?.with_context(at)
}

fn sha256(path: &Path) -> anyhow::Result<String> {
    files::sha256(&mut open(path)?).with_context(|| format!("cannot read `{}`", path.display()))
}

/// What the file of sums says of each bundle; nothing when there is none.
fn read_sums(folder: &Path) -> anyhow::Result<Option<BTreeMap<NonZeroU64, String>>> {
    let path = folder.join(SUMS);
    let bytes = match files::read(&path, SUMS_LEN_MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(files::Content::Bytes(bytes)) => bytes,
        Ok(_) => bail!("`{}` is no file of sums", path.display()),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    };
    let text = String::from_utf8(bytes).with_context(|| format!("`{}` is no text", path.display()))?;
    // Lines of other files are none of ours.
    let line = |line: &str| line.split_once("  ").and_then(|(sum, name)| Some((number_of(name)?, sum.to_owned())));
    Ok(Some(text.lines().filter_map(line).collect()))
}

fn write_sums(folder: &Path, sums: &BTreeMap<NonZeroU64, String>) -> anyhow::Result<()> {
    let lines: String = sums.iter().map(|(number, sum)| format!("{sum}  {}\n", bundle_file_name(*number))).collect();
    let at = || format!("cannot write `{}`", folder.join(SUMS).display());
    files::put(folder, SUMS, lines.as_bytes()).with_context(at)
}

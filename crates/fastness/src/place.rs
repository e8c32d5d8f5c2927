//! Where `fastness up` keeps things.

use anyhow::{Context, bail};
use fastness_region::RegionConfig;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// One of the three regions that `up` starts.
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// The prefix of its profiles.
    pub prefix: &'static str,
    /// Its port, counted from the base.
    pub port: u16,
    /// Its ceiling.
    pub ceiling: &'static str,
    /// The labels it holds at first.
    pub labels: &'static [&'static str],
}

/// The floor of all three.
pub const FLOOR: &str = "UNCLASSIFIED";

/// The regions, lowest first.
pub const REGIONS: [Builtin; 3] = [
    Builtin { name: "us-gov-west-1", prefix: "unclass", port: 1, ceiling: "CUI", labels: &["UNCLASSIFIED", "CUI"] },
    Builtin {
        name: "us-isob-east-1",
        prefix: "secret",
        port: 2,
        ceiling: "SECRET",
        labels: &["UNCLASSIFIED", "CUI", "SECRET//REL TO USA, GBR", "SECRET"],
    },
    Builtin {
        name: "us-iso-east-1",
        prefix: "topsecret",
        port: 3,
        ceiling: "TOP SECRET//SI/TK",
        labels: &["UNCLASSIFIED", "SECRET", "TOP SECRET", "TOP SECRET//SI", "TOP SECRET//TK", "TOP SECRET//SI/TK"],
    },
];

/// The folder of one region.
pub fn region_folder(data: &Path, name: &str) -> PathBuf {
    data.join("regions").join(name)
}

/// The configuration file of one region.
pub fn config_file(data: &Path, name: &str) -> PathBuf {
    region_folder(data, name).join("region.toml")
}

/// The file with a region's public keys.
pub fn keys_file(data: &Path, name: &str) -> PathBuf {
    region_folder(data, name).join(fastness_region::KEYS_FILE)
}

/// Where a region keeps the public keys of one below it, as they were handed over the first time.
pub fn witnessed_keys_file(data: &Path, name: &str, below: &str) -> PathBuf {
    region_folder(data, name).join("witnessed").join(format!("{below}.keys"))
}

/// The regions below a place in [`REGIONS`].
pub fn below(place: usize) -> impl Iterator<Item = &'static Builtin> {
    REGIONS.iter().take(place)
}

/// Each two regions, the lower one first.
pub fn pairs() -> impl Iterator<Item = (&'static Builtin, &'static Builtin)> {
    REGIONS.iter().enumerate().flat_map(|(place, above)| below(place).map(move |below| (below, above)))
}

/// A program of ours that lies beside this one, if it does.
pub fn program(name: &str) -> anyhow::Result<Option<PathBuf>> {
    let own = std::env::current_exe().context("cannot find the program itself")?;
    let beside = own.with_file_name(name);
    Ok(beside.is_file().then_some(beside))
}

/// Copies a file to a place whose folder is made if missing: whole or not at all.
pub fn copy_whole(from: &Path, to: &Path) -> std::io::Result<()> {
    if let Some(folder) = to.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let new = to.with_extension("new");
    std::fs::copy(from, &new)?;
    File::open(&new)?.sync_all()?;
    std::fs::rename(&new, to)
}

/// Reads a region's configuration.
pub fn read_config(path: &Path) -> anyhow::Result<RegionConfig> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    toml::from_str(&text).with_context(|| format!("`{}` is not a region's configuration", path.display()))
}

/// The names of the regions in a folder of `up`.
pub fn regions(data: &Path) -> anyhow::Result<Vec<String>> {
    let folder = data.join("regions");
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("there are no regions in `{}`; `fastness up` makes them", data.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The region that is meant: the one named, or the only one.
pub fn choose_region(data: &Path, named: Option<String>) -> anyhow::Result<String> {
    let names = regions(data)?;
    match named {
        Some(name) if names.contains(&name) => Ok(name),
        Some(name) => bail!("`{}` holds no region `{name}`; it holds {}", data.display(), names.join(", ")),
        None => match names.as_slice() {
            [only] => Ok(only.clone()),
            _ => bail!("which region? add `--region` and one of {}", names.join(", ")),
        },
    }
}

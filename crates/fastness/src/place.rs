//! Where `fastness up` keeps things.

use anyhow::{Context, bail};
use fastness_region::RegionConfig;
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

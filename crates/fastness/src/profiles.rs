//! The AWS configuration that `up` writes and the commands read: `aws/config` and `aws/credentials`.

use crate::client::Credential;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Profiles by name.
pub type Profiles = BTreeMap<String, Credential>;

type Sections = BTreeMap<String, BTreeMap<String, String>>;

fn config_path(data: &Path) -> PathBuf {
    data.join("aws").join("config")
}

fn credentials_path(data: &Path) -> PathBuf {
    data.join("aws").join("credentials")
}

/// Writes both files, each whole or not at all; the credentials last: where they are, everybody in them exists.
pub fn write(data: &Path, profiles: &Profiles) -> anyhow::Result<()> {
    let folder = data.join("aws");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let (mut config, mut credentials) = (String::new(), String::new());
    for (name, one) in profiles {
        writeln!(config, "[profile {name}]\nregion = {}\nendpoint_url = {}\n", one.region, one.endpoint)?;
        writeln!(
            credentials,
            "[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            one.access_key_id, one.secret_access_key
        )?;
    }
    write_private(&config_path(data), &config)?;
    write_private(&credentials_path(data), &credentials)
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Reads the profiles of a folder of `up`, if it has any.
pub fn read(data: &Path) -> anyhow::Result<Option<Profiles>> {
    if !credentials_path(data).exists() {
        return Ok(None);
    }
    join(&sections(&config_path(data))?, &sections(&credentials_path(data))?).map(Some)
}

/// One profile: from the files of the folder, else from those that the AWS variables name.
pub fn find(data: &Path, name: &str) -> anyhow::Result<Credential> {
    if let Some(found) = read(data)?.and_then(|mut profiles| profiles.remove(name)) {
        return Ok(found);
    }
    let path = |variable: &str, default: PathBuf| std::env::var_os(variable).map_or(default, PathBuf::from);
    let config = path("AWS_CONFIG_FILE", config_path(data));
    let credentials = path("AWS_SHARED_CREDENTIALS_FILE", credentials_path(data));
    let mut profiles = join(&sections(&config)?, &sections(&credentials)?)?;
    profiles.remove(name).with_context(|| {
        let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
        format!("there is no profile `{name}` in `{}`; there are {}", config.display(), names.join(", "))
    })
}

fn join(config: &Sections, credentials: &Sections) -> anyhow::Result<Profiles> {
    let mut profiles = Profiles::new();
    for (section, settings) in config {
        let name = section.strip_prefix("profile ").unwrap_or(section);
        let Some(keys) = credentials.get(name) else { continue };
        let (Some(region), Some(endpoint)) = (settings.get("region"), settings.get("endpoint_url")) else { continue };
        let (Some(id), Some(secret)) = (keys.get("aws_access_key_id"), keys.get("aws_secret_access_key")) else {
            bail!("the profile `{name}` has no key");
        };
        let credential = Credential {
            region: region.clone(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            access_key_id: id.clone(),
            secret_access_key: secret.clone(),
        };
        profiles.insert(name.to_owned(), credential);
    }
    Ok(profiles)
}

/// The sections of an AWS configuration file.
fn sections(path: &Path) -> anyhow::Result<Sections> {
    let file = ini::Ini::load_from_file_noescape(path)
        .with_context(|| format!("cannot read `{}`; `fastness up` writes it", path.display()))?;
    let mut sections = Sections::new();
    for (name, settings) in &file {
        let section = sections.entry(name.unwrap_or_default().to_owned()).or_default();
        section.extend(settings.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    Ok(sections)
}

//! The project as it lies on disk: its root, its packages, its files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process::{command, output};

/// What `cargo metadata` tells of the workspace.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// Our own packages.
    pub packages: Vec<Package>,
    /// Where builds go.
    pub target_directory: PathBuf,
}

/// One of our packages.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its Cargo.toml.
    pub manifest_path: PathBuf,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
}

/// What a package depends on.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The other package's name.
    pub name: String,
    /// `dev`, `build`, or nothing for a normal one.
    pub kind: Option<String>,
    /// The folder of one of ours.
    pub path: Option<PathBuf>,
}

/// A text file that belongs to the project.
#[derive(Debug)]
pub struct File {
    /// Its path from the root.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// The project's root.
pub fn root() -> Result<PathBuf> {
    // Cargo sets it for what it runs; a build that moved must not work on the folder it came from.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").context("start it as `cargo xtask`")?;
    Path::new(&here).parent().map(Path::to_path_buf).context("xtask lies in no project")
}

/// What `cargo metadata` says.
pub fn metadata(root: &Path) -> Result<Metadata> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps"];
    let text = output(&mut command(root, cargo(), &arguments))?;
    serde_json::from_str(&text).context("cargo metadata prints something else than expected")
}

/// The cargo that runs us.
pub fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Every text file that is in git, or would be with the next `git add`.
pub fn files(root: &Path) -> Result<Vec<File>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = output(&mut command(root, "git", &arguments))?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        // A file that was deleted but not yet removed from the index has nothing to say, nor has a binary one.
        let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

//! `cargo xtask test`: everything that shows the project to work, from nothing but Rust on a Debian.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::process::{command, stage, succeeds};
use crate::tree::{self, cargo};

/// The version that the tests were last passed with; installed only where there is none.
const NEXTEST_VERSION: &str = "0.9.143";
const REQUIREMENTS: &str = "tests/requirements.txt";

/// What to test.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only these tests
    #[arg(long, value_enum)]
    only: Option<Only>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    /// Unit, property and document tests
    Rust,
    /// End to end, with real clients
    Clients,
}

/// Passes the tests, or fails with the exit code of the first stage that failed.
pub fn run(options: &Options) -> Result<()> {
    let root = tree::root()?;
    let metadata = tree::metadata(&root)?;
    if options.only != Some(Only::Rust) {
        // First, so that a machine that cannot run the tests says so before it has built anything.
        let python = virtual_environment(&root)?;
        install_requirements(&root, &python)?;
        install_file_system(&root)?;
    }
    // The default members: `up` finds the guard's filters and the diodes beside itself.
    stage("build the programs", &mut command(&root, cargo(), &["build"]))?;
    // Both halves run to their end, whatever the first one finds: one run names everything that fails.
    let rust = if options.only == Some(Only::Clients) { Ok(()) } else { rust(&root) };
    if options.only != Some(Only::Rust) {
        let program = metadata.target_directory.join("debug/fastness");
        let mut pytest = command(&root, environment(&root).join("bin/python"), &["-m", "pytest", "tests", "-q"]);
        let clients = stage("clients (pytest)", pytest.env("FASTNESS_BIN", program));
        if rust.is_ok() {
            clients?;
        }
    }
    rust?;
    eprintln!("==> all tests passed");
    Ok(())
}

fn rust(root: &Path) -> Result<()> {
    if !succeeds(&mut command(root, cargo(), &["nextest", "--version"])) {
        let arguments = ["install", "cargo-nextest", "--locked", "--version", NEXTEST_VERSION];
        stage("install cargo-nextest", &mut command(root, cargo(), &arguments))?;
    }
    install_scanner(root)?;
    stage("rust (nextest)", &mut command(root, cargo(), &["nextest", "run", "--workspace", "--no-fail-fast"]))?;
    let opens_example = |line: &str| ["/// ```", "//! ```"].iter().any(|mark| line.trim_start().starts_with(mark));
    let documented = |file: &tree::File| {
        file.path.starts_with("crates/") && file.path.ends_with(".rs") && file.text.lines().any(opens_example)
    };
    if tree::files(root)?.iter().any(documented) {
        stage("rust (examples in the documentation)", &mut command(root, cargo(), &["test", "--doc", "--workspace"]))?;
    }
    Ok(())
}

fn environment(root: &Path) -> PathBuf {
    root.join(".venv")
}

/// The Python of the project's virtual environment, made if it is not there.
pub fn virtual_environment(root: &Path) -> Result<PathBuf> {
    let python = environment(root).join("bin/python");
    if succeeds(command(root, &python, &["-m", "pip", "--version"]).env_remove("PYTHONPATH")) {
        return Ok(python);
    }
    let can_make = || succeeds(&mut command(root, "python3", &["-c", "import ensurepip, venv"]));
    if !can_make() {
        ensure!(
            rustix::process::geteuid().is_root(),
            "Python has no virtual environments here: `sudo apt-get install python3-venv`, then start again"
        );
        install_from_debian(root, "python3-venv")?;
        ensure!(can_make(), "python3 still makes no virtual environments, although python3-venv is installed");
    }
    stage("make .venv", &mut command(root, "python3", &["-m", "venv", "--clear", ".venv"]))?;
    Ok(python)
}

fn install_from_debian(root: &Path, package: &str) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let mut apt = command(root, "apt-get", arguments);
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    stage("apt-get update", &mut apt(&["update", "-qq"]))?;
    let install = ["install", "-y", "-qq", "--no-install-recommends", package];
    stage(&format!("apt-get install {package}"), &mut apt(&install))
}

/// `s3fs`, the one client that is no Python package. Without it (and without root, who may install it) its test is skipped.
fn install_file_system(root: &Path) -> Result<()> {
    if succeeds(&mut command(root, "s3fs", &["--version"])) {
        return Ok(());
    }
    if rustix::process::geteuid().is_root() {
        return install_from_debian(root, "s3fs");
    }
    eprintln!("==> s3fs is not installed, so its test will be skipped: `sudo apt-get install s3fs`");
    Ok(())
}

/// ClamAV, which the guard may ask. Without it (and without root, who may install it) its tests are skipped.
fn install_scanner(root: &Path) -> Result<()> {
    for (program, package) in [("clamscan", "clamav"), ("clamd", "clamav-daemon")] {
        if succeeds(&mut command(root, program, &["--version"])) {
            continue;
        }
        if rustix::process::geteuid().is_root() {
            install_from_debian(root, package)?;
        } else {
            eprintln!("==> {program} is not installed, so its test will be skipped: `sudo apt-get install {package}`");
        }
    }
    Ok(())
}

/// Installs the pinned requirements, unless these very ones were installed before.
fn install_requirements(root: &Path, python: &Path) -> Result<()> {
    let wanted =
        std::fs::read_to_string(root.join(REQUIREMENTS)).with_context(|| format!("`{REQUIREMENTS}` cannot be read"))?;
    let stamp = environment(root).join("requirements.installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let mut pip =
        command(root, python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]);
    stage("install the clients (pip)", &mut pip)?;
    std::fs::write(&stamp, wanted).with_context(|| format!("`{}` cannot be written", stamp.display()))
}

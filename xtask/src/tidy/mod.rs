//! `cargo xtask tidy`: the rules of the house that no compiler checks, each with its reason.

mod callers;
mod code;
mod graph;
mod papers;
mod style;

use std::path::Path;

use anyhow::{Result, bail};

use crate::tree::{self, File, Metadata};

/// How to check.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Take the dependency graph as it is for the new snapshot
    #[arg(long)]
    bless: bool,
}

/// What a rule looks at.
struct House<'a> {
    root: &'a Path,
    metadata: &'a Metadata,
    files: &'a [File],
}

/// A rule appends to this what it finds: where, what, and why it matters.
type Findings = Vec<String>;

/// Checks every rule; prints all findings.
pub fn run(options: &Options) -> Result<()> {
    let root = tree::root()?;
    let metadata = tree::metadata(&root)?;
    if options.bless {
        graph::bless(&root, &metadata)?;
    }
    let files = tree::files(&root)?;
    let house = House { root: &root, metadata: &metadata, files: &files };
    let mut findings = Findings::new();
    graph::check(&house, &mut findings);
    style::check(&house, &mut findings);
    callers::check(&house, &mut findings);
    papers::check(&house, &mut findings)?;
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy found {} in {} files", count(findings.len(), "thing"), files.len());
    }
    println!("tidy: {} packages, {} files, nothing to find", metadata.packages.len(), files.len());
    Ok(())
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

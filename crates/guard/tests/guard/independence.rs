//! Two filters look at each type of data, and what one library gets wrong the other need not: they share no reader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What both of a pair may stand on: it finds bytes, or adds them up, and understands no format.
const SHARED: [&str; 2] = ["memchr", "simd-adler32"];

/// What each dependency of the guard is built of, itself among it.
fn built_of() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // What runs: programs that write source while it is built read no content.
    let edges = ["-e", "normal,no-proc-macro"];
    let arguments = ["tree", "-p", "fastness-guard", "--prefix", "depth", "--offline", "--no-dedupe"];
    let arguments = [&arguments[..], &edges].concat();
    let output = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut all, mut of) = (BTreeMap::new(), String::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let depth: usize = line.strip_suffix(rest).unwrap().parse().unwrap();
        let name = rest.split(' ').next().unwrap().to_owned();
        if depth == 1 {
            of.clone_from(&name);
        }
        if depth > 0 {
            all.entry(of.clone()).or_insert_with(BTreeSet::new).insert(name);
        }
    }
    all
}

fn filters() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/filter")
}

/// Whether a source names something of a crate.
fn names(source: &str, library: &str) -> bool {
    let path = format!("{}::", library.replace('-', "_"));
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(&path).any(|(at, _)| !source[..at].ends_with(is_word))
}

/// What the filter in this file is built of, without what the guard itself is.
fn libraries(file: &str, built_of: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let source = std::fs::read_to_string(filters().join(file)).unwrap();
    let named = built_of.iter().filter(|(library, _)| !library.starts_with("fastness-") && names(&source, library));
    named.flat_map(|(_, parts)| parts.clone()).collect()
}

#[test]
fn the_two_filters_of_a_type_share_no_library_that_reads_it() {
    let built_of = built_of();
    let entries = std::fs::read_dir(filters()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kinds: BTreeSet<String> =
        entries.filter_map(|name| name.strip_suffix("_rewrite.rs").map(str::to_owned)).collect();
    let known = ["csv", "gzip", "jpeg", "json", "png", "tar", "text", "xml", "zip"];
    assert_eq!(kinds, known.map(str::to_owned).into());
    for kind in kinds {
        let one = libraries(&format!("{kind}_rewrite.rs"), &built_of);
        let other = libraries(&format!("{kind}_check.rs"), &built_of);
        assert!(!one.is_empty() && !other.is_empty(), "{kind}: {one:?}, {other:?}");
        let both: Vec<_> = one.intersection(&other).filter(|name| !SHARED.contains(&name.as_str())).collect();
        assert!(both.is_empty(), "{kind}: both filters are built of {both:?}");
    }
    let [claim, check] = ["type_claim.rs", "type_check.rs"].map(|file| libraries(file, &built_of));
    assert!(claim.is_disjoint(&check) && !claim.is_empty() && !check.is_empty(), "{claim:?}, {check:?}");
    let all = |files: &[&str]| files.iter().flat_map(|file| libraries(file, &built_of)).collect::<BTreeSet<_>>();
    let claim = all(&["claim.rs", "path.rs", "text_rewrite.rs"]);
    let check = all(&["claim_check.rs", "text_check.rs"]);
    assert!(claim.is_disjoint(&check) && !claim.is_empty() && !check.is_empty(), "{claim:?}, {check:?}");
}

#[test]
fn no_filter_that_compares_uses_code_of_one_that_rewrites() {
    for entry in std::fs::read_dir(filters()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let source = std::fs::read_to_string(&path).unwrap();
        let wrong = match (name.ends_with("_check"), name.ends_with("_rewrite")) {
            (true, _) => "_rewrite::",
            (_, true) => "_check::",
            _ => continue,
        };
        assert!(!source.contains(wrong), "{name} names something of another filter: `{wrong}`");
        assert!(name != "claim_check" || !source.contains("path"), "{name} reads names as the first filter does");
    }
}

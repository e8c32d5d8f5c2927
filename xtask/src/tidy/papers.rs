//! Papers that must keep up with the code: manifests, the list of dependencies, the promises, the decisions.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::{Findings, House};
use crate::tree::File;

const DEPENDENCIES: &str = "docs/dependencies.md";
const SPECIFICATION: &str = "SPECIFICATION.md";
const FUZZ_ENGINE: &str = "fuzz/engine/Cargo.toml";
const DECISIONS: &str = "docs/decisions/";

/// Checks the papers.
pub fn check(house: &House<'_>, findings: &mut Findings) -> Result<()> {
    check_lints(house, findings)?;
    check_dependencies(house, findings)?;
    if let Some(specification) = house.files.iter().find(|file| file.path == SPECIFICATION) {
        check_promises(&specification.text, house.files, findings);
    } else {
        findings.push(format!("{SPECIFICATION} is missing: what is promised nowhere is proved nowhere"));
    }
    let names = house.files.iter().filter_map(|file| file.path.strip_prefix(DECISIONS));
    check_decisions(&names.collect::<Vec<_>>(), findings);
    Ok(())
}

fn check_lints(house: &House<'_>, findings: &mut Findings) -> Result<()> {
    for package in &house.metadata.packages {
        let manifest = parse(&std::fs::read_to_string(&package.manifest_path)?, &package.name)?;
        let shared = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        if shared != Some(true) {
            findings.push(format!(
                "package `{}` lacks `[lints] workspace = true`: the rules of the house would not hold in it",
                package.name
            ));
        }
    }
    Ok(())
}

fn check_dependencies(house: &House<'_>, findings: &mut Findings) -> Result<()> {
    let manifest = parse(&std::fs::read_to_string(house.root.join("Cargo.toml"))?, "the workspace")?;
    let table =
        manifest.get("workspace").and_then(|workspace| workspace.get("dependencies")).and_then(toml::Value::as_table);
    let table = table.context("the workspace has no list of dependencies")?;
    let foreign = table.iter().filter(|(_, value)| value.get("path").is_none()).map(|(name, _)| name.as_str());
    let mut used: BTreeSet<&str> = foreign.collect();
    for package in &house.metadata.packages {
        used.extend(package.dependencies.iter().filter(|other| other.path.is_none()).map(|other| other.name.as_str()));
    }
    // A workspace of its own, which cargo's metadata of this one does not tell of.
    let engine = parse(&std::fs::read_to_string(house.root.join(FUZZ_ENGINE))?, "the fuzzer")?;
    if let Some(table) = engine.get("dependencies").and_then(toml::Value::as_table) {
        used.extend(table.iter().filter(|(_, value)| value.get("path").is_none()).map(|(name, _)| name.as_str()));
    }
    let text = house.files.iter().find(|file| file.path == DEPENDENCIES).map_or("", |file| file.text.as_str());
    let rows: BTreeSet<&str> =
        text.lines().filter(|line| line.starts_with('|')).filter_map(|line| ticked(line).into_iter().next()).collect();
    for name in used.difference(&rows) {
        findings.push(format!(
            "{DEPENDENCIES}: no row for `{name}`: every dependency is code that we answer for, so it says why"
        ));
    }
    for name in rows.difference(&used) {
        findings.push(format!(
            "{DEPENDENCIES}: a row for `{name}`, which nothing depends on: the list would say what is not so"
        ));
    }
    Ok(())
}

fn parse(text: &str, whose: &str) -> Result<toml::Table> {
    text.parse().with_context(|| format!("the Cargo.toml of {whose} cannot be read"))
}

/// Rows of every table whose last column is headed `proof`: a promise names what proves it, or says `pending`.
fn check_promises(text: &str, files: &[File], findings: &mut Findings) {
    let mut in_table = false;
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if !line.starts_with('|') {
            in_table = false;
            continue;
        }
        let proof = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        if proof.eq_ignore_ascii_case("proof") {
            in_table = true;
            continue;
        }
        if !in_table || proof.chars().all(|c| matches!(c, '-' | ':')) && !proof.is_empty() {
            continue;
        }
        let names = ticked(proof);
        if names.is_empty() && !proof.contains("pending") {
            findings.push(format!(
                "{SPECIFICATION}:{number}: the promise names no test in backticks and does not say `pending`: a promise \
                 without proof is a hope"
            ));
        }
        for name in names.into_iter().filter(|name| *name != "pending" && !is_proof(name, files)) {
            findings.push(format!(
                "{SPECIFICATION}:{number}: `{name}` is no test, file or chore of this project: the proof is gone"
            ));
        }
    }
}

/// Whether a proof exists: a Rust test (`crate::module::name`), a test in a file (`tests/file.py::name`), a file, or a chore.
fn is_proof(name: &str, files: &[File]) -> bool {
    if let Some(chore) = name.strip_prefix("cargo xtask ") {
        return [
            "tidy",
            "test",
            "crash",
            "fuzz",
            "bench s3",
            "bench start",
            "bench scale",
            "bench memory",
            "bench labels",
            "bench ledger",
            "bench md5",
            "bench guard",
        ]
        .iter()
        .any(|known| chore == *known || chore.starts_with(&format!("{known} ")));
    }
    let Some((place, test)) = name.rsplit_once("::") else {
        return if name.contains(['/', '.']) {
            files.iter().any(|file| file.path == name)
        } else {
            is_test(name, files.iter())
        };
    };
    // A parametrized case counts as its test, a method as itself.
    let test = test.split('[').next().unwrap_or(test);
    let file_name = place.split("::").next().unwrap_or(place);
    if file_name.ends_with(".py") || file_name.ends_with(".rs") {
        let at_place = |file: &&File| file.path == file_name || file.path.ends_with(&format!("/{file_name}"));
        return is_test(test, files.iter().filter(at_place));
    }
    is_test(test, files.iter().filter(|file| file.path.ends_with(".rs")))
}

fn is_test<'a>(name: &str, mut files: impl Iterator<Item = &'a File>) -> bool {
    let (rust, python) = (format!("fn {name}("), format!("def {name}("));
    files.any(|file| {
        let tests = || file.text.contains("#[test]") || file.text.contains("::test]") || file.text.contains("::test(");
        (file.path.ends_with(".rs") && file.text.contains(&rust) && tests())
            || (file.path.ends_with(".py") && name.starts_with("test") && file.text.contains(&python))
    })
}

fn check_decisions(names: &[&str], findings: &mut Findings) {
    let mut numbers = Vec::new();
    for name in names.iter().filter(|name| **name != "README.md") {
        let number = name.split_once('-').and_then(|(digits, _)| digits.parse::<usize>().ok());
        match number.filter(|_| name.ends_with(".md")) {
            Some(number) => numbers.push(number),
            None => findings.push(format!(
                "{DECISIONS}{name}: a decision is called NNNN-what-was-decided.md, so that it can be cited"
            )),
        }
    }
    numbers.sort_unstable();
    let expected: Vec<usize> = (1..=numbers.len()).collect();
    if numbers != expected {
        findings.push(format!(
            "{DECISIONS}: numbered {numbers:?}, with a gap or twice the same: a number that is cited must mean one decision"
        ));
    }
}

/// What stands between backticks.
fn ticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<File> {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        vec![
            file("crates/label/src/lib.rs", "#[test]\nfn join_is_least() {}\n"),
            file("crates/label/src/plain.rs", "fn helper() {}\n"),
            file("tests/test_views.py", "def test_low_is_hidden(cloud):\n    pass\n\ndef helper():\n    pass\n"),
            file("docs/measurements/2026-01-01-s3.md", "x\n"),
        ]
    }

    #[test]
    fn a_promise_names_proofs_that_exist_or_is_pending() {
        let check = |proof: &str, expected: usize| {
            let text =
                format!("| promise | proof |\n|---|---|\n| p | {proof} |\n\n| other | table |\n|---|---|\n| a | b |\n");
            let mut findings = Findings::new();
            check_promises(&text, &files(), &mut findings);
            assert_eq!(findings.len(), expected, "{proof}: {findings:?}");
        };
        check("pending", 0);
        check("`join_is_least`", 0);
        check("`label::tests::join_is_least`, `tests/test_views.py::test_low_is_hidden`", 0);
        check("`test_views.py::test_low_is_hidden[SECRET]`", 0);
        check("`cargo xtask bench s3`, `docs/measurements/2026-01-01-s3.md`", 0);
        check("`join_is_least`; over HTTP: pending", 0);
        check("", 1);
        check("surely", 1);
        check("`helper`", 1);
        check("`test_views.py::helper`", 1);
        check("`test_other.py::test_low_is_hidden`", 1);
        check("`join_is_least`, `gone`", 1);
        check("`cargo xtask dance`", 1);
        check("`docs/measurements/none.md`", 1);
    }

    #[test]
    fn decisions_are_numbered_without_gaps() {
        let check = |names: &[&str], expected: usize| {
            let mut findings = Findings::new();
            check_decisions(names, &mut findings);
            assert_eq!(findings.len(), expected, "{names:?}: {findings:?}");
        };
        check(&[], 0);
        check(&["0001-a.md", "0002-b.md", "README.md"], 0);
        check(&["0001-a.md", "0003-b.md"], 1);
        check(&["0001-a.md", "0001-b.md"], 1);
        check(&["notes.md"], 1);
    }
}

//! Each pair of filters with one of the two taken over, in real processes: a filter that accepts everything, or hands on what
//! it was given. The other one alone stops what is hostile; what nobody stops then stands in `redundancy.tsv`, and
//! `docs/threats.md` says why.

use crate::common::guard_with;
use crate::corpus::{bounds_that_it_reaches, items};
use crate::sandbox::example;
use fastness_guard::{ContentType, Object, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Filters that look at the same: those that read first, the one that reads it again, and hostile objects that either of
/// the two stops alone.
const PAIRS: [(&[&str], &str, &[&str]); 11] = [
    (&["claim"], "claim-check", &["claim-name-up", "claim-name-nul", "claim-metadata-hidden", "claim-metadata-twice"]),
    (&["type-claim"], "type-check", &["text-that-is-7z", "polyglot-pdf-and-zip", "jpeg-leading-bytes"]),
    (
        &["text-rewrite"],
        "text-check",
        &["text-trojan-source", "text-hidden-message-in-tags", "text-encoding-overlong-nul"],
    ),
    (&["json-rewrite"], "json-check", &["json-broken-comment", "json-broken-bare-key"]),
    (&["xml-rewrite"], "xml-check", &["xml-entity-billion-laughs", "xml-entity-file", "xml-active-xhtml-script"]),
    (&["csv-rewrite"], "csv-check", &["csv-formula-program", "csv-formula-other-separator", "csv-hidden-zero-width"]),
    (&["png-rewrite"], "png-check", &["png-damaged-data", "png-trailing-script", "png-pixels-too-many"]),
    (&["jpeg-rewrite"], "jpeg-check", &["jpeg-cut-off", "jpeg-inks", "jpeg-pixels-too-many"]),
    (&["zip-open"], "zip-check", &["bomb-overlapping", "bomb-zip-one-entry", "zip-encrypted", "zip-link"]),
    (&["tar-open"], "tar-check", &["tar-link", "tar-name-climbs", "tar-long-name-of-gnu"]),
    (&["gzip-open"], "gzip-check", &["bomb-gzip", "gzip-trailing-text", "gzip-two-members"]),
];

/// What the filters of a pair see of the corpus.
fn is_for(pair: &str, object: &Object) -> bool {
    let kind = pair.split('-').next().unwrap();
    let own = ContentType::of_media_type(&object.content_type);
    match kind {
        "claim" => own == Some(ContentType::Text),
        "type" => true,
        kind => own.is_some_and(|own| ContentType::of_name(&format!("a.{}", ending(kind))) == Some(own)),
    }
}

fn ending(kind: &str) -> &str {
    match kind {
        "text" => "txt",
        "gzip" => "gz",
        kind => kind,
    }
}

/// Who stops each object of a pair, with one filter taken over; nobody, if nothing.
fn stopped_by(folder: &Path, taken_over: &str, objects: &BTreeMap<String, Object>) -> BTreeMap<String, Option<String>> {
    let program = folder.join(format!("without-{taken_over}"));
    symlink(example("permissive"), &program).unwrap();
    let mut guard = guard_with(program, bounds_that_it_reaches);
    let all: Vec<Object> = objects.values().cloned().collect();
    let verdicts = all.chunks(100).flat_map(|objects| guard.inspect_many(objects));
    let stopped = |verdict: Verdict| match verdict {
        Verdict::Passed { .. } => None,
        Verdict::Quarantined { findings } => Some(findings[0].filter.clone()),
    };
    objects.keys().cloned().zip(verdicts.map(stopped)).collect()
}

/// Objects that pass whole guards: hostile to somebody else, or not at all.
fn is_hostile(name: &str) -> bool {
    include_str!("corpus.tsv").lines().any(|line| line.starts_with(&format!("{name}\tquarantined\t")))
}

#[test]
fn with_one_filter_of_a_pair_taken_over_the_other_one_alone_stops_what_is_hostile() {
    let folder = tempfile::tempdir().unwrap();
    let corpus: BTreeMap<String, Object> = items().into_iter().filter(|(name, _)| is_hostile(name)).collect();
    let mut found = String::from("# taken over\thostile, and nobody stops it\n");
    for (first, second, hostile) in PAIRS {
        let own = corpus.iter().filter(|(_, object)| is_for(second, object));
        let own: BTreeMap<String, Object> = own.map(|(name, object)| (name.clone(), object.clone())).collect();
        for taken_over in first.iter().chain([&second]) {
            let others: Vec<&str> = if *taken_over == second { first.to_vec() } else { vec![second] };
            let stopped = stopped_by(folder.path(), taken_over, &own);
            for name in hostile {
                let by = stopped[*name].as_deref().unwrap_or("nobody");
                assert!(others.contains(&by), "without {taken_over}, {name} is stopped by {by}");
            }
            for name in stopped.iter().filter_map(|(name, by)| by.is_none().then_some(name)) {
                let _ = writeln!(found, "{taken_over}\t{name}");
            }
        }
    }
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guard/redundancy.tsv");
    if std::env::var_os("FASTNESS_BLESS").is_some() {
        std::fs::write(&table, &found).unwrap();
    }
    assert_eq!(std::fs::read_to_string(table).unwrap_or_default(), found, "other than in `redundancy.tsv`");
}

#[test]
fn an_archive_that_a_taken_over_filter_writes_is_stopped_by_the_one_that_compares() {
    let folder = tempfile::tempdir().unwrap();
    let corpus: BTreeMap<String, Object> = items().into_iter().collect();
    for kind in ["zip", "tar", "gzip"] {
        let own = corpus
            .iter()
            .filter(|(name, object)| name.contains("-good-") && !name.ends_with("-empty") && is_for(kind, object));
        let own: BTreeMap<String, Object> = own.map(|(name, object)| (name.clone(), object.clone())).collect();
        let stopped = stopped_by(folder.path(), &format!("{kind}-rewrite"), &own);
        let by: Vec<_> = stopped.values().flatten().collect();
        assert!(!by.is_empty() && by.iter().all(|by| **by == format!("{kind}-check")), "{kind}: {stopped:?}");
    }
}

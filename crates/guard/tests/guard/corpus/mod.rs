//! A corpus of hostile objects, made here and nowhere kept, and of ordinary ones beside them. What becomes of each, and why,
//! stands in `corpus.tsv`: name, verdict, kind of the decisive finding, and the filter that found it. The test sends all of
//! them through the real pipeline of processes, one after the other, through the same guard.

mod archives;
mod documents;
pub mod images;
mod markings;
mod structured;
mod texts;

use crate::common::{guard_with, object};
pub use archives::zip;
use fastness_guard::{Guard, Object, Policy, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The corpus is to hold at least so many hostile objects.
const HOSTILE_MIN: usize = 200;

/// Objects by name.
pub type Items = Vec<(String, Object)>;

pub fn item(items: &mut Items, name: &str, file: &str, content_type: &str, content: impl Into<Vec<u8>>) {
    items.push((name.to_owned(), object(file, content_type, content)));
}

pub fn items() -> Items {
    let mut items = Items::new();
    texts::add(&mut items);
    structured::add(&mut items);
    images::add(&mut items);
    archives::add(&mut items);
    documents::add(&mut items);
    markings::add(&mut items);
    items
}

fn line(name: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed { .. } => format!("{name}\tpassed\t-\t-"),
        Verdict::Quarantined { findings } => {
            let first = &findings[0];
            assert!(!first.what.is_empty(), "{name}: a finding says something");
            format!("{name}\tquarantined\t{}\t{}", first.kind, first.filter)
        }
    }
}

/// What passed passes again, and as it is; but a JPEG loses a little each time.
fn again(guard: &mut Guard, name: &str, object: &Object, verdict: Verdict) {
    let Verdict::Passed { content, .. } = verdict else { return };
    let next = guard.inspect(&Object { content: content.clone(), ..object.clone() });
    let Verdict::Passed { content: next, .. } = next else { panic!("{name}: {next:?}") };
    assert!(next == content || object.content_type == "image/jpeg", "{name}: written anew twice is written anew once");
}

/// What a guard has to know for the corpus, and bounds that it reaches.
pub fn bounds_that_it_reaches(policy: &mut Policy) {
    policy.words = vec!["umbra".to_owned(), "blue harvest".to_owned()];
    policy.bounds.entries = 200;
    policy.bounds.pixels = 4_000_000;
    policy.bounds.content_bytes = 8 << 20;
    policy.bounds.expanded_bytes = 32 << 20;
}

fn guard() -> Guard {
    guard_with(env!("CARGO_BIN_EXE_fastness-filter"), bounds_that_it_reaches)
}

#[test]
fn objects_in_one_batch_are_judged_as_each_is_alone() {
    let (mut together, mut alone) = (guard(), guard());
    let (names, objects): (Vec<String>, Vec<Object>) = items().into_iter().unzip();
    for (names, objects) in names.chunks(100).zip(objects.chunks(100)) {
        let verdicts = together.inspect_many(objects);
        assert_eq!(verdicts.len(), objects.len());
        for ((name, object), verdict) in names.iter().zip(objects).zip(verdicts) {
            assert_eq!(verdict, alone.inspect(object), "{name}");
        }
    }
}

#[test]
fn every_hostile_object_is_quarantined_for_the_reason_that_the_table_names() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guard/corpus.tsv");
    let text = std::fs::read_to_string(&table).unwrap_or_default();
    let expected: BTreeMap<&str, &str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some((line.split('\t').next()?, line)))
        .collect();
    let mut guard = guard();
    let (mut found, mut differences, mut hostile, mut seen) = (String::new(), String::new(), 0, 0);
    for (name, object) in items() {
        let verdict = guard.inspect(&object);
        let line = line(&name, &verdict);
        hostile += usize::from(matches!(verdict, Verdict::Quarantined { .. }));
        seen += 1;
        if expected.get(name.as_str()) != Some(&line.as_str()) {
            let _ = writeln!(differences, "{line}\n    {:?}", verdict.findings());
        }
        if matches!(verdict, Verdict::Passed { .. }) {
            assert_eq!(guard.inspect(&object), verdict, "{name}: the same in, the same out");
            again(&mut guard, &name, &object, verdict);
        }
        let _ = writeln!(found, "{line}");
    }
    if std::env::var_os("FASTNESS_BLESS").is_some() {
        std::fs::write(&table, format!("# name\tverdict\tkind\tfilter\n{found}")).unwrap();
    }
    assert!(differences.is_empty(), "other than in `corpus.tsv`:\n{differences}");
    assert_eq!(seen, expected.len(), "`corpus.tsv` names what is not made, or one name twice");
    assert!(hostile >= HOSTILE_MIN, "{hostile} hostile objects are too few");
}

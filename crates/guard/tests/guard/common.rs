//! What the tests share: policies, objects, the guard on the real filter program.

use fastness_guard::{ContentType, Guard, Object, Policy, Verdict};
use std::path::PathBuf;

pub fn policy() -> Policy {
    let mut policy = Policy::new("us");
    policy.content_types.extend(ContentType::ALL);
    policy.metadata_keys.extend(["author".to_owned(), "classification".to_owned()]);
    policy
}

pub fn guard_with(program: impl Into<PathBuf>, change: impl FnOnce(&mut Policy)) -> Guard {
    let mut policy = policy();
    change(&mut policy);
    Guard::new(policy, program).unwrap()
}

pub fn guard() -> Guard {
    guard_with(env!("CARGO_BIN_EXE_fastness-filter"), |_| {})
}

pub fn object(name: &str, content_type: &str, content: impl Into<Vec<u8>>) -> Object {
    Object {
        name: name.to_owned(),
        content_type: content_type.to_owned(),
        label: "UNCLASSIFIED".to_owned(),
        metadata: Vec::new(),
        content: content.into(),
    }
}

pub fn text(content: &str) -> Object {
    object("note.txt", "text/plain", content)
}

#[track_caller]
pub fn passed(verdict: Verdict) -> Vec<u8> {
    match verdict {
        Verdict::Passed { content, .. } => content,
        Verdict::Quarantined { findings } => panic!("quarantined: {findings:?}"),
    }
}

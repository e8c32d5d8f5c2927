//! Functions that one file alone may call, because a promise stands on it.

use super::{Findings, House, code};
use crate::tree::File;

/// A call, the one file that holds it, once, and what stands on that. Where it is defined, and in tests, it is not counted.
const SOLE: [(&str, &str, &str); 2] = [
    (
        ".put_arrivals(",
        "crates/gate/src/crossing/batches.rs",
        "what came in a bundle is stored after the guard's judgement, and in no other way",
    ),
    (
        "::arrive(",
        "crates/gate/src/crossing/receive.rs",
        "what arrives has nobody's session: only a mapping, looked up for this bundle, may make its permit",
    ),
];

/// Checks every file.
pub fn check(house: &House<'_>, findings: &mut Findings) {
    for sole in SOLE {
        check_sole(house.files, sole, findings);
    }
}

fn check_sole(files: &[File], (call, home, reason): (&str, &str, &str), findings: &mut Findings) {
    let counts = |file: &File| file.path.starts_with("crates/") && file.path.ends_with(".rs") && !is_test(&file.path);
    let mut found = 0;
    for file in files.iter().filter(|file| counts(file)) {
        let calls = code::only(&file.text).matches(call).count();
        found += calls;
        if calls > 0 && file.path != home {
            findings.push(format!("{}: `{call}…)` is called in {home} alone: {reason}", file.path));
        }
    }
    if found == 0 {
        findings.push(format!("{home}: `{call}…)` is called nowhere: {reason}"));
    }
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_caller_is_found_and_a_test_is_none() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let sole = ("store.put(", "crates/a/src/home.rs", "reason");
        let count = |files: &[File]| {
            let mut findings = Findings::new();
            check_sole(files, sole, &mut findings);
            findings.len()
        };
        let home = || file("crates/a/src/home.rs", "store.put(1);");
        assert_eq!(count(&[]), 1);
        assert_eq!(count(&[home(), file("crates/a/src/tests.rs", "store.put(1);")]), 0);
        assert_eq!(count(&[home(), file("crates/b/src/lib.rs", "// store.put(1);")]), 0);
        assert_eq!(count(&[home(), file("crates/b/src/lib.rs", "store.put(1);")]), 1);
    }
}

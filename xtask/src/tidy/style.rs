//! Rules on what files say, line by line.

use super::{Findings, House, code};
use crate::tree::File;

const LINES_MAX: usize = 700;
/// What people write and read here; data and snapshots keep the form that their makers give them.
const WRITTEN: [&str; 7] = [".rs", ".py", ".md", ".toml", ".sh", ".ini", ".ci/run"];

/// What Rust code must not hold, and why.
const BANNED: [(&str, &str); 6] = [
    (
        "unsafe",
        "memory safety is what the whole store stands on; one small crate may hold it one day, with its reasons",
    ),
    ("#[allow(", "an allowed lint stays when its cause is gone; `#[expect(…, reason = \"…\")]` says so itself"),
    ("#![allow(", "an allowed lint stays when its cause is gone; `#[expect(…, reason = \"…\")]` says so itself"),
    ("todo!", "what is not there yet stands as `pending` in SPECIFICATION.md, not as a crash"),
    ("unimplemented!", "what is not offered answers NotImplemented, it does not crash"),
    ("dbg!", "it prints whatever it is given, and some of that is classified"),
];

/// The roots of folders that exist on somebody's machine alone. Put together here, so that this file does not hold them.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// What binds a checkout to one package registry or mirror.
const REGISTRIES: [&str; 10] = [
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("npmjs", ".org"),
    concat!("deb.debian", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("--index", "-url"),
    concat!("--find", "-links"),
    concat!("replace", "-with ="),
];

/// Checks every file.
pub fn check(house: &House<'_>, findings: &mut Findings) {
    for file in house.files {
        if WRITTEN.iter().any(|suffix| file.path.ends_with(suffix)) {
            check_form(file, findings);
        }
        if file.path.ends_with(".rs") {
            check_rust(file, findings);
        }
        check_origin(file, findings);
    }
}

fn check_form(file: &File, findings: &mut Findings) {
    let path = &file.path;
    let lines = file.text.lines().count();
    if lines > LINES_MAX && !path.starts_with("docs/measurements/") {
        findings.push(format!(
            "{path}: {lines} lines; more than {LINES_MAX} in one file is more than a reader keeps in mind: give it two rooms"
        ));
    }
    for (number, line) in numbered(&file.text) {
        if line.ends_with([' ', '\t']) {
            findings.push(format!("{path}:{number}: trailing whitespace: it shows up in later changes as noise"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(format!("{path}: the last line does not end: the next line added would change it too"));
    }
}

fn check_rust(file: &File, findings: &mut Findings) {
    let path = &file.path;
    let code = code::only(&file.text);
    for (number, line) in numbered(&code) {
        for (banned, reason) in BANNED {
            if code::has_word(line, banned) {
                findings.push(format!("{path}:{number}: `{banned}`: {reason}"));
            }
        }
    }
    for (number, line) in numbered(&file.text) {
        if line.contains('\t') {
            findings.push(format!("{path}:{number}: a tab: every reader sees it at another width"));
        }
    }
}

fn check_origin(file: &File, findings: &mut Findings) {
    let path = &file.path;
    for (number, line) in numbered(&file.text) {
        for machine in MACHINE_PATHS.iter().filter(|machine| has_path(line, machine)) {
            findings.push(format!(
                "{path}:{number}: `{machine}` is a path on one machine: on the next one nothing is there"
            ));
        }
        for registry in REGISTRIES.iter().filter(|registry| line.contains(**registry)) {
            findings.push(format!(
                "{path}:{number}: `{registry}`: where packages come from is the machine's own setting; named here, the \
                 project builds on one network only"
            ));
        }
        if path.ends_with("Cargo.lock")
            && line.starts_with("source = ")
            && !line.contains("/rust-lang/crates.io-index\"")
        {
            findings.push(format!("{path}:{number}: `{line}`: a package from another source than the public registry"));
        }
    }
}

/// Whether a line holds an absolute path that starts so.
fn has_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '/' | '.' | '_' | '-' | '~' | '*' | '}' | ')' | '>'))
    })
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        let mut findings = Findings::new();
        check_form(&file, &mut findings);
        check_origin(&file, &mut findings);
        if path.ends_with(".rs") {
            check_rust(&file, &mut findings);
        }
        findings.len()
    }

    #[test]
    fn clean_code_passes() {
        assert_eq!(findings("a.rs", "//! unsafe, todo! and dbg! in prose.\nfn main() {}\n"), 0);
        assert_eq!(findings("a.rs", "#[expect(dead_code, reason = \"why\")]\nfn main() {}\n"), 0);
    }

    #[test]
    fn each_rule_finds_its_offence() {
        assert_eq!(findings("a.rs", "unsafe fn f() {}\n"), 1);
        assert_eq!(findings("a.rs", "#[allow(dead_code)]\n"), 1);
        assert_eq!(findings("a.rs", "#![allow(dead_code)]\n"), 1);
        for macro_name in ["todo", "unimplemented", "dbg"] {
            assert_eq!(findings("a.rs", &format!("{macro_name}!()\n")), 1, "{macro_name}");
        }
        assert_eq!(findings("a.rs", "fn f() {} \n"), 1);
        assert_eq!(findings("a.rs", "\tfn f() {}\n"), 1);
        assert_eq!(findings("a.rs", "fn f() {}"), 1);
        assert_eq!(findings("a.rs", &"\n".repeat(LINES_MAX + 1)), 1);
        assert_eq!(findings("a.md", concat!("see /wo", "rk/main\n")), 1);
        assert_eq!(findings("a.json", concat!("\"/ho", "me/someone\"\n")), 1);
        assert_eq!(findings("a.toml", concat!("index = \"https://pypi", ".org/simple\"\n")), 1);
        assert_eq!(findings("Cargo.lock", "source = \"registry+https://example.com/index\"\n"), 1);
    }

    #[test]
    fn a_folder_inside_another_is_no_machine_path() {
        assert_eq!(findings("a.md", concat!("docs/wo", "rk/plan and $DIR/ho", "me/x\n")), 0);
    }
}

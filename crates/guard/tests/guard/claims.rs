//! Metadata that the first filter of claims keeps: the second one has to find the same in what came.

use crate::common::{guard, guard_with, text};
use crate::sandbox::misbehaving;
use fastness_guard::{Kind, Object, Verdict};

fn claiming(value: &str) -> Object {
    Object { metadata: vec![("Author".to_owned(), value.to_owned())], ..text("a text\n") }
}

#[test]
fn metadata_that_one_filter_made_up_are_stopped_by_the_other() {
    let mut guard = guard_with(misbehaving(), |_| {});
    for (value, kind) in [
        ("invent another value", Kind::Ambiguous),
        ("invent a longer value", Kind::Ambiguous),
        ("invent another key", Kind::Ambiguous),
        ("drop it", Kind::Ambiguous),
        ("keep it twice", Kind::Ambiguous),
        ("hide in a\u{200b}b", Kind::Metadata),
        ("hide in \u{202e}b", Kind::Metadata),
        ("hide behind\r\nX-Injected: b", Kind::Metadata),
        ("hide in e\u{301}", Kind::Ambiguous),
    ] {
        let Verdict::Quarantined { findings } = guard.inspect(&claiming(value)) else { panic!("`{value}` passed") };
        assert_eq!((findings[0].kind, findings[0].filter.as_str()), (kind, "claim-check"), "{value}: {findings:?}");
    }
    let Verdict::Passed { metadata, .. } = guard.inspect(&claiming("A. Person")) else {
        panic!("an author is stopped")
    };
    assert_eq!(metadata, [("author".to_owned(), "A. Person".to_owned())]);
}

#[test]
fn metadata_are_kept_in_normalization_form_c() {
    let Verdict::Passed { metadata, .. } = guard().inspect(&claiming("E\u{301}mile")) else { panic!("stopped") };
    assert_eq!(metadata, [("author".to_owned(), "\u{c9}mile".to_owned())]);
}

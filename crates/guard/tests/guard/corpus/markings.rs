//! Markings and words inside the content, against the claimed label.

use super::{Items, item};
use crate::common::object;

pub fn add(items: &mut Items) {
    for (name, content) in [
        ("portion", "(S//NF) The plan is this.\n"),
        ("portion-bare", "(TS) The plan is this.\n"),
        ("portion-small-letters", "(s//nf) the plan\n"),
        ("portion-spelled-out", "(SECRET//NOFORN) the plan\n"),
        ("portion-with-list", "(S//REL TO USA, GBR) the plan\n"),
        ("portion-of-a-compartment", "(TS//SI-G//OC/NF) the plan\n"),
        ("portion-in-mid-text", "As was said (C//NF) before.\n"),
        ("portion-cui", "(CUI) personal data\n"),
        ("portion-unreadable", "(S//XYZZY) the plan\n"),
        ("portion-wide-letters", "(\u{ff33}//\u{ff2e}\u{ff26}) the plan\n"),
        ("banner", "TOP SECRET//SI/TK//NOFORN\n\ntext\n"),
        ("banner-bare", "text\n\nSECRET\n"),
        ("banner-decorated", "***** TOP SECRET *****\n"),
        ("banner-in-mid-line", "Handle as TOP SECRET//SI until further notice.\n"),
        ("banner-small-letters", "this is top secret//si material\n"),
        ("banner-portion-style", "Overall: TS//SI//NF.\n"),
        ("banner-after-a-word-for-it", "Classification: SECRET\n"),
        ("banner-short-after-a-word-for-it", "Marking = S\n"),
        ("banner-of-several-words-in-prose", "This TOP SECRET plan was drawn by hand.\n"),
        ("banner-confidential", "CONFIDENTIAL\n"),
        ("banner-look-alikes", "\u{405}\u{415}\u{421}RET//NOFORN\n"),
        ("banner-unreadable", "SECRET//NO SUCH THING\n"),
        ("banner-behind-a-space", "SECRET //NOFORN\n"),
    ] {
        item(items, &format!("marking-text-{name}"), "note.txt", "text/plain", content);
    }
    for (name, content) in [
        ("value", r#"{"banner": "SECRET//NOFORN"}"#),
        ("value-bare", r#"{"level": "SECRET"}"#),
        ("classification-short", r#"{"classification": "S"}"#),
        ("key", r#"{"(S//NF)": 1}"#),
        ("by-escape", r#"["\u0053ECRET//NOFORN"]"#),
        ("by-escaped-strokes", r#"["SECRET\/\/NOFORN"]"#),
        ("deep", r#"[[[{"a": ["text (TS//SI) text"]}]]]"#),
    ] {
        item(items, &format!("marking-json-{name}"), "a.json", "application/json", content);
    }
    for (name, content) in [
        ("text", "<a>SECRET//NOFORN</a>"),
        ("attribute", "<a b='(S//NF)'/>"),
        ("security-attribute", "<a classification='TS'/>"),
        ("by-reference", "<a>&#83;ECRET//NOFORN</a>"),
        ("split-by-element", "<a>TOP <b>SECRET//SI</b></a>"),
        ("in-cdata", "<a><![CDATA[(TS//SI)]]></a>"),
    ] {
        item(items, &format!("marking-xml-{name}"), "a.xml", "application/xml", content);
    }
    item(items, "marking-csv-cell", "a.csv", "text/csv", "a,b\nx,(S//NF) y\n");
    item(items, "marking-in-name", "plan (TS).txt", "text/plain", "x");
    levels(items);
    words(items);
}

fn levels(items: &mut Items) {
    let mut own = |name: &str, label: &str, content: &str| {
        let mut own = object("note.txt", "text/plain", content);
        label.clone_into(&mut own.label);
        items.push((format!("marking-at-{name}"), own));
    };
    own("good-its-own-level", "SECRET//NOFORN", "SECRET//NOFORN\n\n(S//NF) text\n(U) more\n");
    own("good-below", "TOP SECRET//SI", "(S) text (TS//SI) text\n");
    own("good-unclassified", "UNCLASSIFIED", "UNCLASSIFIED\n(U) text\n");
    own("good-sheet-of-c", "SECRET", "copyright (C) 2026\n");
    own("other-compartment", "TOP SECRET//SI", "(TS//TK) text\n");
    own("narrower-list", "SECRET//REL TO USA, GBR", "(S//NF) text\n");
    own("level-above", "SECRET", "TOP SECRET\n");
    own("cui-above-unclassified", "UNCLASSIFIED", "CUI\n");
    own("copyright-looks-like-a-portion", "UNCLASSIFIED", "(C) 2026 somebody\n");
}

fn words(items: &mut Items) {
    for (name, content) in [
        ("plain", "Project umbra begins."),
        ("capitals", "UMBRA"),
        ("wide-letters", "\u{ff35}\u{ff2d}\u{ff22}\u{ff32}\u{ff21}"),
        ("look-alike", "umbr\u{430}"),
        ("digit-for-letter", "b1ue harvest"),
        ("accent", "\u{fa}mbra"),
        ("spaced", "b l u e h a r v e s t"),
        ("over-lines", "blue\nharvest"),
        ("with-hyphens", "blue-harvest"),
        ("mathematical-letters", "\u{1d42e}\u{1d426}\u{1d41b}\u{1d42b}\u{1d41a}"),
    ] {
        item(items, &format!("word-text-{name}"), "note.txt", "text/plain", content);
    }
    item(items, "word-text-good-within-another", "note.txt", "text/plain", "penumbral shade of a blue barn at harvest");
}

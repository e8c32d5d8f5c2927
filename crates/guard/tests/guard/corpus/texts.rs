//! Plain text, names and claims.

use super::{Items, item};
use crate::common::object;

const PLAIN: &str = "text/plain";

pub fn add(items: &mut Items) {
    let good: &[(&str, &str)] = &[
        ("text-good-ascii", "Minutes of the meeting.\n\n1. Nothing was decided.\n"),
        ("text-good-empty", ""),
        ("text-good-many-scripts", "Grüße, Ελληνικά, русский, 日本語, العربية, हिन्दी, עברית\n"),
        ("text-good-emoji", "Sunny \u{2600}\u{fe0f} today \u{1f600}\n"),
        ("text-good-returns", "one\r\ntwo\r\n"),
        ("text-good-mark", "\u{feff}begins with a byte order mark\n"),
        ("text-good-not-normal", "e\u{301}tude\n"),
        ("text-good-begins-like-a-bitmap", "BMW builds cars.\n"),
        ("text-good-secret-in-prose", "It is no secret that top secret plans (s) exist. See http://example.org//a\n"),
        ("text-good-long-line", &"words and more words ".repeat(5_000)),
    ];
    for (name, content) in good {
        item(items, name, "note.txt", PLAIN, *content);
    }
    hidden(items);
    encodings(items);
    disguises(items);
    claims(items);
}

fn hidden(items: &mut Items) {
    let characters: &[(&str, u32)] = &[
        ("nul", 0),
        ("bell", 7),
        ("backspace", 8),
        ("vertical-tab", 0xb),
        ("form-feed", 0xc),
        ("escape", 0x1b),
        ("delete", 0x7f),
        ("next-line", 0x85),
        ("c1-control", 0x9b),
        ("soft-hyphen", 0xad),
        ("grapheme-joiner", 0x34f),
        ("arabic-letter-mark", 0x61c),
        ("hangul-filler", 0x115f),
        ("mongolian-separator", 0x180e),
        ("zero-width-space", 0x200b),
        ("zero-width-joiner", 0x200d),
        ("left-to-right-mark", 0x200e),
        ("right-to-left-mark", 0x200f),
        ("line-separator", 0x2028),
        ("paragraph-separator", 0x2029),
        ("left-to-right-embedding", 0x202a),
        ("right-to-left-override", 0x202e),
        ("word-joiner", 0x2060),
        ("invisible-times", 0x2062),
        ("left-to-right-isolate", 0x2066),
        ("pop-directional-isolate", 0x2069),
        ("braille-blank", 0x2800),
        ("hangul-filler-wide", 0x3164),
        ("private-use", 0xe000),
        ("variation-selector-1", 0xfe00),
        ("variation-selector-16-after-a-letter", 0xfe0f),
        ("no-break-within", 0xfeff),
        ("interlinear-anchor", 0xfff9),
        ("no-character", 0xfffe),
        ("unassigned", 0x0378),
        ("musical-format", 0x1d173),
        ("tag-a", 0xe0041),
        ("variation-selector-256", 0xe01ef),
        ("private-plane", 0x10_fffd),
    ];
    for (name, code) in characters {
        let content = format!("plain{}text", char::from_u32(*code).unwrap());
        item(items, &format!("text-hidden-{name}"), "note.txt", PLAIN, content);
    }
    let tagged: String = "secret".bytes().map(|byte| char::from_u32(0xe0000 + u32::from(byte)).unwrap()).collect();
    item(items, "text-hidden-message-in-tags", "note.txt", PLAIN, format!("harmless{tagged}"));
    let trojan = "access = \"user\u{202e} \u{2066}// only admins\u{2069} \u{2066}\"\n";
    item(items, "text-trojan-source", "note.txt", PLAIN, trojan);
    item(items, "text-lone-return-hides-a-line", "note.txt", PLAIN, "it is true that\rit is false that\n");
    item(items, "text-heap-of-marks", "note.txt", PLAIN, format!("z{}\n", "\u{30d}\u{325}".repeat(20)));
    item(items, "text-terminal-colours", "note.txt", PLAIN, "\u{1b}[31mred\u{1b}[0m\n");
    item(items, "text-two-byte-order-marks", "note.txt", PLAIN, "\u{feff}\u{feff}twice");
}

fn encodings(items: &mut Items) {
    let utf16: Vec<u8> = "\u{feff}wide".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16_without_mark: Vec<u8> = "wide".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let cases: &[(&str, &[u8])] = &[
        ("latin-1", b"gr\xfc\xdfe"),
        ("utf-16", &utf16),
        ("utf-16-without-mark", &utf16_without_mark),
        ("overlong-slash", b"a\xc0\xafb"),
        ("overlong-nul", b"a\xc0\x80b"),
        ("surrogate", b"a\xed\xa0\x80b"),
        ("beyond-unicode", b"a\xf4\x90\x80\x80b"),
        ("cut-off", b"a\xe2\x82"),
        ("stray-continuation", b"a\x80b"),
        ("five-bytes", b"a\xf8\x88\x80\x80\x80"),
        ("utf-32", b"\xff\xfe\x00\x00a\x00\x00\x00"),
    ];
    for (name, content) in cases {
        item(items, &format!("text-encoding-{name}"), "note.txt", PLAIN, *content);
    }
}

/// Something else that is called a text.
fn disguises(items: &mut Items) {
    let cases: &[(&str, &[u8])] = &[
        ("program-of-windows", b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00"),
        ("program-of-linux", b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"),
        ("program-of-macos", b"\xcf\xfa\xed\xfe\x07\x00\x00\x01\x03\x00\x00\x00"),
        ("java-class", b"\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x1d"),
        ("webassembly", b"\x00asm\x01\x00\x00\x00"),
        ("shell-script", b"#!/bin/sh\nrm -rf /\n"),
        ("html", b"<!DOCTYPE html><script>alert(1)</script>"),
        ("html-script", b"<script >alert(1)</script>"),
        ("pdf", b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n"),
        ("rtf", b"{\\rtf1\\ansi {\\object\\objocx}}"),
        ("postscript", b"%!PS-Adobe-3.0\n(x) run\n"),
        ("zip", b"PK\x03\x04\x14\x00\x00\x00\x00\x00"),
        ("rar", b"Rar!\x1a\x07\x01\x00"),
        ("7z", b"7z\xbc\xaf\x27\x1c\x00\x04"),
        ("cab", b"MSCF\x00\x00\x00\x00"),
        ("gif", b"GIF89a\x01\x00\x01\x00\x80\x00\x00"),
        ("sqlite", b"SQLite format 3\x00\x10\x00"),
        ("xml", b"<?xml version=\"1.0\"?><a/>"),
    ];
    for (name, content) in cases {
        item(items, &format!("text-that-is-{name}"), "note.txt", PLAIN, *content);
    }
}

fn claims(items: &mut Items) {
    for (name, content_type) in [
        ("unknown", "application/x-unknown"),
        ("none", ""),
        ("other-charset", "text/plain; charset=utf-7"),
        ("html", "text/html"),
        ("svg", "image/svg+xml"),
        ("program", "application/octet-stream"),
        ("javascript", "text/javascript"),
    ] {
        item(items, &format!("claim-type-{name}"), "note.txt", content_type, "x");
    }
    for (name, file) in [
        ("empty", String::new()),
        ("root", "/etc/passwd".to_owned()),
        ("up", "a/../../b.txt".to_owned()),
        ("dot", "a/./b.txt".to_owned()),
        ("double-slash", "a//b.txt".to_owned()),
        ("windows-path", "C:\\temp\\a.txt".to_owned()),
        ("drive", "c:a.txt".to_owned()),
        ("line-end", "a\nb.txt".to_owned()),
        ("nul", "a.txt\0.png".to_owned()),
        ("turned", "invoice\u{202e}txt.exe".to_owned()),
        ("zero-width", "in\u{200b}voice.txt".to_owned()),
        ("space-at-end", "a.txt ".to_owned()),
        ("dot-at-end", "a.txt.".to_owned()),
        ("long", "a".repeat(5_000)),
        ("not-normal", "e\u{301}.txt".to_owned()),
    ] {
        item(items, &format!("claim-name-{name}"), &file, PLAIN, "x");
    }
    for (name, label) in [("empty", ""), ("unknown-level", "COSMIC"), ("two-lists", "SECRET//NOFORN//REL TO USA, GBR")]
    {
        let mut own = object("note.txt", PLAIN, "x");
        label.clone_into(&mut own.label);
        items.push((format!("claim-label-{name}"), own));
    }
    for (name, pairs) in [
        ("hidden", vec![("author", "a\u{200b}b")]),
        ("lines", vec![("author", "a\r\nX-Injected: b")]),
        ("twice", vec![("author", "a"), ("Author", "b")]),
        ("word", vec![("author", "umbra")]),
        ("marking", vec![("classification", "SECRET")]),
        ("good-kept-and-dropped", vec![("author", "A. Person"), ("x-tracking", "\u{202e}"), ("classification", "U")]),
    ] {
        let mut own = object("note.txt", PLAIN, "x");
        own.metadata = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        items.push((format!("claim-metadata-{name}"), own));
    }
    let mut own = object("note.txt", PLAIN, "x");
    own.metadata = vec![("author".to_owned(), "a".repeat(100_000))];
    items.push(("claim-metadata-huge".to_owned(), own));
    item(items, "claim-content-too-large", "note.txt", PLAIN, vec![b'a'; (8 << 20) + 1]);
}

//! ZIP, tar and gzip.

use super::{Items, item};
use crate::corpus::images;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Cursor, Write};
use tar::{Builder, EntryType, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub fn add(items: &mut Items) {
    zips(items);
    zip_lies(items);
    bombs(items);
    tars(items);
    gzips(items);
}

const OPTIONS: SimpleFileOptions = SimpleFileOptions::DEFAULT;

pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, OPTIONS.compression_method(CompressionMethod::Deflated)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn stored(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, OPTIONS.compression_method(CompressionMethod::Stored)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A tar with names that its writer would not take.
pub fn tar(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Every place of `from` becomes `to`, of the same length.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bytes.to_vec();
    for at in 0..out.len().saturating_sub(from.len() - 1) {
        if &out[at..at + from.len()] == from {
            out[at..at + to.len()].copy_from_slice(to);
        }
    }
    out
}

fn replaced_last(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).rposition(|own| own == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

fn zips(items: &mut Items) {
    let own = |items: &mut Items, name: &str, content: Vec<u8>| {
        item(items, &format!("zip-{name}"), "a.zip", "application/zip", content)
    };
    own(items, "good-several", zip(&[("a.txt", b"text\n"), ("d/b.json", b"{\"a\": 1}"), ("c.png", &image())]));
    own(items, "good-stored", stored(&[("a.txt", b"text\n")]));
    own(items, "good-within-zip", zip(&[("inner.zip", &zip(&[("a.csv", b"a,b\n1,2\n")]))]));
    own(items, "good-empty", zip(&[]));
    let mut folders = ZipWriter::new(Cursor::new(Vec::new()));
    folders.add_directory("d/", OPTIONS).unwrap();
    folders.start_file("d/a.txt", OPTIONS).unwrap();
    own(items, "good-with-folder", folders.finish().unwrap().into_inner());
    // Names of eight letters, so that both headers can be changed in place.
    let plain = stored(&[("aaaaaaaa", b"x")]);
    let named = |name: &[u8; 8]| replaced(&plain, b"aaaaaaaa", name);
    own(items, "name-climbs", named(b"../a.txt"));
    own(items, "name-climbs-later", named(b"a/../..b"));
    own(items, "name-at-the-root", named(b"/etc/pwd"));
    own(items, "name-of-windows", named(b"..\\a.txt"));
    own(items, "name-with-drive", named(b"c:/a.txt"));
    own(items, "name-with-nul", named(b"a.txt\0.x"));
    own(items, "name-with-line-end", named(b"a\nb.txtx"));
    own(items, "name-not-utf-8", named(b"\xff\xfeaa.txt"));
    own(items, "name-without-type", plain.clone());
    own(items, "two-names-for-one-entry", replaced_last(&stored(&[("bbbb.txt", b"x")]), b"bbbb.txt", b"cccc.txt"));
    let twice = stored(&[("aaaa.txt", b"x"), ("bbbb.txt", b"y")]);
    own(items, "same-name-twice", replaced(&twice, b"bbbb.txt", b"aaaa.txt"));
    own(items, "same-name-in-other-case", zip(&[("a.txt", b"x"), ("A.TXT", b"y")]));
    own(items, "file-and-folder", zip(&[("a.txt", b"x"), ("a.txt/b.txt", b"y")]));
    let mut links = ZipWriter::new(Cursor::new(Vec::new()));
    links.add_symlink("a.txt", "/etc/passwd", OPTIONS).unwrap();
    own(items, "link", links.finish().unwrap().into_inner());
    own(items, "program-inside", zip(&[("a.exe", b"MZ\x90\0\x03\0")]));
    own(items, "program-called-text", zip(&[("a.txt", b"\x7fELF\x02\x01\x01\0")]));
    own(items, "script-inside", zip(&[("a.sh", b"#!/bin/sh\n")]));
    own(items, "pdf-inside", zip(&[("a.pdf", b"%PDF-1.7\n")]));
    own(items, "hidden-text-inside", zip(&[("good.txt", b"x"), ("a.txt", "x\u{200b}y".as_bytes())]));
    own(items, "word-inside", zip(&[("a.txt", b"umbra")]));
    own(items, "word-in-name", zip(&[("umbra.txt", b"x")]));
    own(items, "marking-inside", zip(&[("a.txt", b"(S//NF) text")]));
    own(items, "marking-deep-inside", zip(&[("b.zip", &zip(&[("a.json", b"{\"banner\": \"TOP SECRET//SI\"}")]))]));
}

fn image() -> Vec<u8> {
    images::png(4, 4, png::ColorType::Rgb, png::BitDepth::Eight, &images::samples(48))
}

/// Archives whose parts say different things.
fn zip_lies(items: &mut Items) {
    let own = |items: &mut Items, name: &str, content: Vec<u8>| {
        item(items, &format!("zip-{name}"), "a.zip", "application/zip", content)
    };
    let plain = zip(&[("a.txt", b"some text that is long enough to be packed, packed, packed")]);
    own(items, "leading-program", [b"MZ program ".as_slice(), &plain].concat());
    own(items, "leading-text", [b"some text".as_slice(), &plain].concat());
    own(items, "trailing-text", [&plain[..], b"more"].concat());
    own(items, "second-archive-behind", [&plain[..], &zip(&[("b.txt", b"other")])].concat());
    own(items, "cut-off", plain[..plain.len() - 8].to_vec());
    own(items, "only-the-end", plain[plain.len() - 22..].to_vec());
    own(items, "empty-bytes", Vec::new());
    let mut comment = ZipWriter::new(Cursor::new(Vec::new()));
    comment.set_comment("TOP SECRET//SI").unwrap();
    own(items, "comment", comment.finish().unwrap().into_inner());
    let flags = |bits: u8| {
        let central = plain.windows(4).position(|own| own == b"PK\x01\x02").unwrap();
        let mut out = plain.clone();
        out[6] |= bits;
        out[central + 8] |= bits;
        out
    };
    own(items, "encrypted", flags(1));
    own(items, "strongly-encrypted", flags(0x41));
    let method = |method: u8| {
        let central = plain.windows(4).position(|own| own == b"PK\x01\x02").unwrap();
        let mut out = plain.clone();
        out[8] = method;
        out[central + 10] = method;
        out
    };
    own(items, "method-bzip2", method(12));
    own(items, "method-lzma", method(14));
    own(items, "method-unknown", method(99));
    own(items, "method-lies-stored", method(0));
    let central = plain.windows(4).position(|own| own == b"PK\x01\x02").unwrap();
    let sized = |size: u32| {
        let mut out = plain.clone();
        out[central + 24..central + 28].copy_from_slice(&size.to_le_bytes());
        out
    };
    own(items, "size-too-small", sized(3));
    own(items, "size-too-large", sized(1_000_000));
    let mut sum = plain.clone();
    sum[central + 16] ^= 1;
    own(items, "wrong-checksum", sum);
    let mut local_method = plain.clone();
    local_method[8] = 0;
    own(items, "local-header-says-stored", local_method);
    let mut offset = plain.clone();
    offset[central + 42] = 5;
    own(items, "offset-into-an-entry", offset);
    let gap = {
        let mut out = [&plain[..central], &[0; 64], &plain[central..]].concat();
        let end = out.len() - 22;
        let directory = u32::try_from(central + 64).unwrap();
        out[end + 16..end + 20].copy_from_slice(&directory.to_le_bytes());
        out
    };
    own(items, "bytes-between-entries-and-directory", gap);
    let mut count = plain.clone();
    let end = count.len() - 22;
    count[end + 8..end + 12].copy_from_slice(&[9, 0, 9, 0]);
    own(items, "directory-claims-more-entries", count);
    own(items, "docx-called-zip", zip(&[("[Content_Types].xml", b"<a/>"), ("word/document.xml", b"<a/>")]));
    own(items, "jar-called-zip", zip(&[("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n")]));
}

fn bombs(items: &mut Items) {
    let own = |items: &mut Items, name: &str, content: Vec<u8>| {
        item(items, &format!("bomb-{name}"), "a.zip", "application/zip", content)
    };
    let zeros = vec![b'0'; 7 << 20];
    own(items, "zip-one-entry", zip(&[("a.txt", &vec![b'0'; 9 << 20])]));
    let names: Vec<String> = (0..8).map(|at| format!("{at}.txt")).collect();
    own(
        items,
        "zip-several-entries",
        zip(&names.iter().map(|name| (name.as_str(), zeros.as_slice())).collect::<Vec<_>>()),
    );
    let mut nested = zip(&[("a.txt", b"x")]);
    for _ in 0..6 {
        nested = zip(&[("inner.zip", &nested)]);
    }
    own(items, "zip-deep", nested);
    let names: Vec<String> = (0..300).map(|at| format!("{at}.txt")).collect();
    own(items, "zip-many-entries", zip(&names.iter().map(|name| (name.as_str(), b"".as_slice())).collect::<Vec<_>>()));
    let half: Vec<(&str, &[u8])> = names[..120].iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    own(items, "zip-many-entries-in-two", zip(&[("a.zip", &zip(&half)), ("b.zip", &zip(&half))]));
    let inner = zip(&[("a.txt", &zeros)]);
    own(items, "zip-within-zip", zip(&[("a.zip", &inner)]));
    own(items, "overlapping", overlapping());
    item(items, "bomb-gzip", "a.txt.gz", "application/gzip", gzip(&vec![b'0'; 9 << 20]));
    item(items, "bomb-gzip-within-gzip", "a.txt.gz.gz", "application/gzip", gzip(&gzip(&zeros)));
    let json = format!("[{}1]", "1,".repeat(200_000));
    item(items, "json-good-large", "a.json", "application/json", json);
}

/// Two entries of the directory that share one file (as in David Fifield's non-recursive bomb).
fn overlapping() -> Vec<u8> {
    let plain = zip(&[("aaaa.txt", b"shared, shared, shared, shared, shared"), ("bbbb.txt", b"y")]);
    let first = plain.windows(4).position(|own| own == b"PK\x01\x02").unwrap();
    let second = first + 1 + plain[first + 1..].windows(4).position(|own| own == b"PK\x01\x02").unwrap();
    let mut out = plain.clone();
    // The second record takes sizes, checksum and place of the first one, but keeps its name.
    out.copy_within(first + 16..first + 28, second + 16);
    out.copy_within(first + 42..first + 46, second + 42);
    out
}

fn tars(items: &mut Items) {
    let own = |items: &mut Items, name: &str, content: Vec<u8>| {
        item(items, &format!("tar-{name}"), "a.tar", "application/x-tar", content)
    };
    let file = EntryType::Regular;
    own(items, "good-several", tar(&[("a.txt", file, b"text\n"), ("d/b.xml", file, b"<a/>")]));
    own(items, "good-with-folder", tar(&[("d/", EntryType::Directory, b""), ("d/a.txt", file, b"x")]));
    own(items, "good-with-dots", tar(&[("./a.txt", file, b"x")]));
    own(items, "name-climbs", tar(&[("../a.txt", file, b"x")]));
    own(items, "name-at-the-root", tar(&[("/etc/passwd", file, b"x")]));
    own(items, "folder-climbs", tar(&[("../d/", EntryType::Directory, b"")]));
    own(items, "link", tar(&[("a.txt", EntryType::Symlink, b"")]));
    own(items, "hard-link", tar(&[("a.txt", EntryType::Link, b"")]));
    own(items, "character-device", tar(&[("a.txt", EntryType::Char, b"")]));
    own(items, "block-device", tar(&[("a.txt", EntryType::Block, b"")]));
    own(items, "pipe", tar(&[("a.txt", EntryType::Fifo, b"")]));
    own(items, "sparse", tar(&[("a.txt", EntryType::GNUSparse, b"")]));
    own(items, "contiguous", tar(&[("a.txt", EntryType::Continuous, b"x")]));
    own(items, "unknown-kind", tar(&[("a.txt", EntryType::new(b'Z'), b"x")]));
    own(items, "same-name-twice", tar(&[("a.txt", file, b"x"), ("a.txt", file, b"y")]));
    own(items, "same-name-with-dots", tar(&[("a.txt", file, b"x"), ("./a.txt", file, b"y")]));
    own(items, "file-and-folder", tar(&[("d", file, b"x"), ("d/a.txt", file, b"y")]));
    let pax = b"19 path=../evil.sh\n".as_slice();
    own(items, "other-name-by-extended-header", tar(&[("h", EntryType::XHeader, pax), ("a.txt", file, b"x")]));
    own(
        items,
        "other-type-by-extended-header",
        tar(&[("h", EntryType::XHeader, b"15 path=b.json\n"), ("a.txt", file, b"{}")]),
    );
    own(
        items,
        "size-by-extended-header",
        tar(&[("h", EntryType::XHeader, b"10 size=4\n"), ("a.txt", file, b"12345678")]),
    );
    own(
        items,
        "malformed-extended-header",
        tar(&[("h", EntryType::XHeader, b"16 path=b.json\n"), ("a.txt", file, b"{}")]),
    );
    own(
        items,
        "good-dated-by-extended-header",
        tar(&[("h", EntryType::XHeader, b"20 mtime=1700000000\n"), ("a.txt", file, b"x")]),
    );
    own(
        items,
        "long-name-of-gnu",
        tar(&[("././@LongLink", EntryType::GNULongName, b"../../a.txt\0"), ("a.txt", file, b"x")]),
    );
    let plain = tar(&[("a.txt", file, b"text")]);
    own(items, "trailing-text", [&plain[..], &[b'x'; 512]].concat());
    own(items, "cut-off", tar(&[("a.txt", file, &[b'x'; 2_000])])[..1_100].to_vec());
    let mut sum = plain.clone();
    sum[150] ^= 1;
    own(items, "wrong-checksum", sum);
    let mut size = plain.clone();
    size[124..136].copy_from_slice(b"77777777777\0");
    let digits: u32 = size[..512]
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    size[148..156].copy_from_slice(format!("{digits:06o}\0 ").as_bytes());
    own(items, "size-beyond-the-end", size);
    own(items, "script-inside", tar(&[("a.sh", file, b"#!/bin/sh\n")]));
    own(items, "marking-inside", tar(&[("a.txt", file, b"SECRET//NOFORN\n")]));
    own(items, "empty-bytes", Vec::new());
    own(items, "text-called-tar", b"text".to_vec());
}

fn gzips(items: &mut Items) {
    let own = |items: &mut Items, name: &str, file: &str, content: Vec<u8>| {
        item(items, &format!("gzip-{name}"), file, "application/gzip", content);
    };
    let plain = gzip(b"text\n");
    own(items, "good-text", "a.txt.gz", plain.clone());
    own(items, "good-tar", "a.tgz", gzip(&tar(&[("a.txt", EntryType::Regular, b"text\n")])));
    own(items, "two-members", "a.txt.gz", [&plain[..], &plain[..]].concat());
    own(items, "trailing-text", "a.txt.gz", [&plain[..], b"more"].concat());
    own(items, "trailing-zeros", "a.txt.gz", [&plain[..], &[0; 100]].concat());
    own(items, "cut-off", "a.txt.gz", plain[..plain.len() - 4].to_vec());
    let mut sum = plain.clone();
    let at = sum.len() - 8;
    sum[at] ^= 1;
    own(items, "wrong-checksum", "a.txt.gz", sum);
    let mut length = plain.clone();
    let at = length.len() - 1;
    length[at] ^= 1;
    own(items, "wrong-length", "a.txt.gz", length);
    own(items, "nothing-inside-is-known", "a.gz", plain.clone());
    own(items, "other-inside-than-named", "a.json.gz", plain.clone());
    own(items, "hidden-text-inside", "a.txt.gz", gzip("x\u{202e}y".as_bytes()));
    own(items, "marking-inside", "a.txt.gz", gzip(b"(TS//SI) text"));
    let mut method = plain.clone();
    method[2] = 9;
    own(items, "unknown-method", "a.txt.gz", method);
    own(items, "only-header", "a.txt.gz", plain[..10].to_vec());
    let mut flags = plain.clone();
    flags[3] = 0xe0;
    own(items, "reserved-flags", "a.txt.gz", flags);
    own(items, "link-in-tar", "a.tgz", gzip(&tar(&[("a.txt", EntryType::Symlink, b"")])));
}

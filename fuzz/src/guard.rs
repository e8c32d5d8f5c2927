//! The guard's filters, each asked within this process. The oracle: a filter answers or refuses; what the first one wrote
//! and the second one found to be the same is written anew as it is (but a JPEG loses a little each time); and nothing that
//! was let through holds a character that people do not see.
//!
//! A library that panics is no finding: in the guard, a filter's process ends with it, and the object is quarantined.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastness_guard::filter::{Made, Question, try_in_process};
use fastness_guard::{Bounds, ContentType, Finding, Policy, Rules};
use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static RULES: OnceCell<Rules> = const { OnceCell::new() };
}

/// Bounds at which no input is slow.
fn rules() -> Rules {
    let mut policy = Policy::new("us");
    policy.bounds =
        Bounds { content_bytes: 1 << 20, expanded_bytes: 4 << 20, pixels: 200_000, entries: 100, ..Bounds::default() };
    policy.words = vec!["umbra".to_owned(), "blue harvest".to_owned()];
    policy.metadata_keys = KEYS.map(str::to_owned).into();
    Rules::of(&policy)
}

/// Nothing, if a library panicked.
fn ask(filter: &str, question: &Question<'_>, contents: &[Vec<u8>]) -> Option<Result<Made, Finding>> {
    RULES.with(|own| {
        let own = own.get_or_init(rules);
        catch_unwind(AssertUnwindSafe(|| try_in_process(filter, own, question, contents))).ok()
    })
}

fn question(content_type: ContentType) -> Question<'static> {
    Question { name: "a.txt.gz", content_type, label: "SECRET//NOFORN", metadata: &[], entries: &[] }
}

/// Whether both filters let it through: what the first one wrote.
fn through(filters: [&str; 2], question: &Question<'_>, content: &[u8]) -> Option<Vec<u8>> {
    let [rewrite, check] = filters;
    let made = ask(rewrite, question, &[content.to_vec()])?.ok()?;
    let anew = made.contents.into_iter().next()?;
    ask(check, question, &[content.to_vec(), anew.clone()])?.ok()?;
    Some(anew)
}

fn is_seen(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x7f' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
}

fn content(content_type: ContentType, filters: [&str; 2], bytes: &[u8]) {
    let question = question(content_type);
    let Some(anew) = through(filters, &question, bytes) else { return };
    let again = through(filters, &question, &anew);
    match content_type {
        ContentType::Jpeg => assert!(again.is_some(), "what passed does not pass again"),
        _ => assert_eq!(again.as_ref(), Some(&anew), "what passed is not written anew as it is"),
    }
    if let Ok(text) = std::str::from_utf8(&anew) {
        let is_text = !matches!(content_type, ContentType::Png | ContentType::Jpeg);
        assert!(!is_text || text.chars().all(is_seen), "a hidden character passed");
    }
    for filter in ["words", "markings"] {
        let _ = ask(filter, &question, std::slice::from_ref(&anew));
    }
}

fn archive(content_type: ContentType, [open, rewrite, check]: [&str; 3], bytes: &[u8]) {
    let question = question(content_type);
    let Some(Ok(opened)) = ask(open, &question, &[bytes.to_vec()]) else { return };
    assert_eq!(opened.entries.len(), opened.contents.len(), "each entry has a content");
    for name in &opened.entries {
        let is_within = !name.starts_with('/') && name.split('/').all(|part| part != "..");
        assert!(is_within || content_type == ContentType::Gzip, "a name climbs out");
    }
    let whole = Question { entries: &opened.entries, ..question };
    let Some(Ok(written)) = ask(rewrite, &whole, &opened.contents) else { return };
    let Some(anew) = written.contents.into_iter().next() else { return };
    let mut compared = vec![bytes.to_vec(), anew.clone()];
    compared.extend(opened.contents.iter().chain(&opened.contents).cloned());
    let Some(Ok(_)) = ask(check, &whole, &compared) else { return };
    let Some(Ok(again)) = ask(open, &question, &[anew]) else { unreachable!("what was written anew does not open") };
    assert_eq!(
        (again.entries, again.contents),
        (opened.entries, opened.contents),
        "written anew, it holds something else"
    );
}

pub(crate) fn text(bytes: &[u8]) {
    content(ContentType::Text, ["text-rewrite", "text-check"], bytes);
}

pub(crate) fn json(bytes: &[u8]) {
    content(ContentType::Json, ["json-rewrite", "json-check"], bytes);
}

pub(crate) fn xml(bytes: &[u8]) {
    content(ContentType::Xml, ["xml-rewrite", "xml-check"], bytes);
}

pub(crate) fn csv(bytes: &[u8]) {
    content(ContentType::Csv, ["csv-rewrite", "csv-check"], bytes);
}

pub(crate) fn png(bytes: &[u8]) {
    content(ContentType::Png, ["png-rewrite", "png-check"], bytes);
}

pub(crate) fn jpeg(bytes: &[u8]) {
    content(ContentType::Jpeg, ["jpeg-rewrite", "jpeg-check"], bytes);
}

pub(crate) fn zip(bytes: &[u8]) {
    archive(ContentType::Zip, ["zip-open", "zip-rewrite", "zip-check"], bytes);
}

pub(crate) fn tar(bytes: &[u8]) {
    archive(ContentType::Tar, ["tar-open", "tar-rewrite", "tar-check"], bytes);
}

pub(crate) fn gzip(bytes: &[u8]) {
    archive(ContentType::Gzip, ["gzip-open", "gzip-rewrite", "gzip-check"], bytes);
}

/// The type by content: the first byte chooses what is claimed. Both filters answer, whatever the bytes.
pub(crate) fn kind(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Some(claimed) = ContentType::ALL.get(usize::from(*first) % ContentType::ALL.len()) else { return };
    let question = question(*claimed);
    for filter in ["type-claim", "type-check"] {
        let _ = ask(filter, &question, &[rest.to_vec()]);
    }
}

/// The keys of metadata that pass.
const KEYS: [&str; 2] = ["author", "classification"];

/// A name, and metadata by key and value, each ended by a byte that no text has. What both filters let through stays where
/// it is put, holds what people see, and passes as it is.
pub(crate) fn claim(bytes: &[u8]) {
    let pieces = bytes.split(|byte| *byte == 0xff).map(std::str::from_utf8).collect::<Result<Vec<_>, _>>();
    let Ok([name, rest @ ..]) = pieces.as_deref() else { return };
    let metadata: Vec<(String, String)> =
        rest.as_chunks::<2>().0.iter().map(|[key, value]| ((*key).to_owned(), (*value).to_owned())).collect();
    let Some(kept) = claimed(name, &metadata) else { return };
    assert!(name.split('/').all(|step| !matches!(step, "" | "." | "..")), "a name climbs out");
    let pairs = kept.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    for text in pairs.chain([*name]) {
        assert!(text.chars().all(|c| is_seen(c) && !c.is_control()), "a hidden character passed in a claim");
    }
    assert!(kept.iter().all(|(key, _)| KEYS.contains(&key.as_str())), "metadata passed that may not");
    assert_eq!(claimed(name, &kept).as_ref(), Some(&kept), "what passed does not pass again as it is");
}

/// The metadata that both filters keep; nothing, if one of them refuses.
fn claimed(name: &str, metadata: &[(String, String)]) -> Option<Vec<(String, String)>> {
    let question = Question { name, metadata, ..question(ContentType::Text) };
    let kept = ask("claim", &question, &[])?.ok()?.metadata;
    let record = crate::sure(postcard::to_stdvec(&kept));
    ask("claim-check", &question, &[record])?.ok()?;
    Some(kept)
}

/// What of a content has a text, by the first byte: its type, and the rest of it.
fn texts_of(bytes: &[u8]) -> Option<(ContentType, &[u8])> {
    const TYPES: [ContentType; 4] = [ContentType::Text, ContentType::Json, ContentType::Xml, ContentType::Csv];
    let (first, rest) = bytes.split_first()?;
    TYPES.get(usize::from(*first) % TYPES.len()).map(|own| (*own, rest))
}

/// The policy's words: one that stands in a plain text as it is written, in any case, is found whatever is around it.
pub(crate) fn words(bytes: &[u8]) {
    let Some((content_type, content)) = texts_of(bytes) else { return };
    let question = Question { name: "a", ..question(content_type) };
    let Some(answer) = ask("words", &question, &[content.to_vec()]) else { return };
    let Ok(text) = std::str::from_utf8(content) else { return };
    if content_type != ContentType::Text || !text.is_ascii() {
        return;
    }
    let text = text.to_ascii_lowercase();
    let has_word = text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "umbra");
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let is_there = has_word || letters.contains("blueharvest");
    assert!(!is_there || answer.is_err(), "a word of the list passed");
}

/// Markings: a line that is nothing but a level above the claimed label is found, whatever is around it.
pub(crate) fn markings(bytes: &[u8]) {
    let Some((content_type, content)) = texts_of(bytes) else { return };
    let question = Question { name: "a", label: "CONFIDENTIAL", ..question(content_type) };
    let Some(answer) = ask("markings", &question, &[content.to_vec()]) else { return };
    let Ok(text) = std::str::from_utf8(content) else { return };
    let is_above = |line: &str| matches!(line.trim(), "SECRET" | "TOP SECRET" | "(S)" | "(TS)" | "(TS//SI)");
    let is_there = content_type == ContentType::Text && text.lines().any(is_above);
    assert!(!is_there || answer.is_err(), "a marking above the label passed");
}

/// What a filter that was taken over may answer.
pub(crate) fn answer(bytes: &[u8]) {
    let _ = fastness_guard::is_answer(bytes);
}

pub(crate) const TEXT_WORDS: &[&str] = &["\u{feff}", "\u{301}", "\u{202e}", "\u{fe0f}", "\u{2600}", "(S//NF)", "\r\n"];
pub(crate) const CLAIM_WORDS: &[&str] = &["author", "Classification", "../", "C:\\", "a/b.txt", "\u{200b}", "e\u{301}"];
pub(crate) const LISTED_WORDS: &[&str] =
    &["umbra", "UMBRA", "blue", "harvest", "|", "\u{430}", "\u{ff55}", "{\"a\":", "<a>"];
pub(crate) const MARKING_WORDS: &[&str] =
    &["SECRET", "TOP SECRET//SI", "(TS//SI//NF)", "(S)", "CLASSIFICATION: ", "REL TO USA, GBR", "//", "{\"label\":\""];
pub(crate) const JSON_WORDS: &[&str] = &["\\u0041", "\\ud83d\\ude00", "{\"a\":", "[1,", "1e10", "-0", "null", "true"];
pub(crate) const MARKUP_WORDS: &[&str] =
    &["<?xml version='1.0'?>", "<a b='c'>", "</a>", "<![CDATA[", "]]>", "<!--", "-->", "&lt;", "&#x41;", "xmlns:p='u'"];
pub(crate) const CSV_WORDS: &[&str] = &["\"\"", ",", "\r\n", "=1", "-1", "@", "\"a,b\""];
pub(crate) const PNG_WORDS: &[&str] = &["IHDR", "IDAT", "IEND", "PLTE", "tRNS", "acTL", "zTXt"];
pub(crate) const ZIP_WORDS: &[&str] = &["PK\u{3}\u{4}", "PK\u{1}\u{2}", "PK\u{5}\u{6}", "a.txt", "../"];
pub(crate) const TAR_WORDS: &[&str] = &["ustar\u{0}00", "././@LongLink", "20 mtime=1700000000\n", "a.txt"];

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn binary(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| crate::sure(STANDARD.decode(text))).collect()
}

pub(crate) fn text_seeds() -> Vec<Vec<u8>> {
    texts(&["plain\ntext\n", "e\u{301} \u{2600}\u{fe0f} \u{65e5}\u{672c}", "(TS//SI) SECRET//NOFORN\r\n", "\u{202e}x"])
}

pub(crate) fn json_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"a": [1, -2.5e3, true, null, "\u00e9\n"], "b": {}}"#,
        r#"{"a":1,"a":2}"#,
        "[[[]]]",
        "123456789012345678901",
    ])
}

pub(crate) fn xml_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "<?xml version='1.0'?><a xmlns='u' b='&lt;1'>t<!-- c --><p:c xmlns:p='v'/><![CDATA[<]]>&#xe9;</a>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<a><?p i?></a>",
    ])
}

pub(crate) fn csv_seeds() -> Vec<Vec<u8>> {
    texts(&["a,b\r\n\"x, y\",\"say \"\"hi\"\"\"\r\n-1,+2\r\n", "a\n=1\n", "a\n\"b\nc\"\n"])
}

pub(crate) fn png_seeds() -> Vec<Vec<u8>> {
    binary(&[PNG, PNG_PALETTE])
}

pub(crate) fn jpeg_seeds() -> Vec<Vec<u8>> {
    binary(&[JPEG])
}

pub(crate) fn zip_seeds() -> Vec<Vec<u8>> {
    binary(&[ZIP])
}

pub(crate) fn tar_seeds() -> Vec<Vec<u8>> {
    let mut file = vec![0; 512];
    for (at, field) in
        [(0, "a.txt"), (100, "0000644"), (124, "00000000004"), (148, "007107"), (156, "0"), (257, "ustar\u{0}00")]
    {
        for (to, byte) in file.iter_mut().skip(at).zip(field.bytes()) {
            *to = byte;
        }
    }
    let sum: u32 =
        file.iter().zip(0..).map(|(byte, at)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    for (to, byte) in file.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *to = byte;
    }
    file.extend_from_slice(b"text");
    file.resize(2_048, 0);
    vec![file]
}

pub(crate) fn gzip_seeds() -> Vec<Vec<u8>> {
    binary(&[GZIP])
}

pub(crate) fn kind_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let (png, zip) = (png_seeds(), zip_seeds());
    for content in texts(&["text", "%PDF-1.7", "<?xml?>", "#!/bin/sh", "MZ"]).iter().chain(&png).chain(&zip) {
        for claimed in 0..11 {
            seeds.push([&[claimed], content.as_slice()].concat());
        }
    }
    seeds
}

pub(crate) fn claim_seeds() -> Vec<Vec<u8>> {
    let seeds: [&[&str]; 7] = [
        &["a/b.txt"],
        &["a.txt", "Author", "A. Person", "classification", "SECRET"],
        &["a.txt", "author", "E\u{301}mile", "x-other", "\u{202e}"],
        &["a.txt", "author", "a", "AUTHOR", "b"],
        &["../a", "author", "a\r\nb"],
        &["C:\\a.txt"],
        &["in\u{200b}voice.txt", "author", "a\u{200b}"],
    ];
    let join = |pieces: &[&str]| pieces.iter().map(|piece| piece.as_bytes()).collect::<Vec<_>>().join(&0xff);
    seeds.into_iter().map(join).collect()
}

/// The same pieces of text in each of the types that have some.
fn in_each_type(pieces: &[&str]) -> Vec<Vec<u8>> {
    let forms = |piece: &str| {
        let quoted = piece.replace('"', "");
        [
            piece.to_owned(),
            format!("{{\"a\": \"{quoted}\"}}"),
            format!("<a b='c'>{quoted}</a>"),
            format!("a,b\n{quoted},c\n"),
        ]
    };
    let numbered = |text: (u8, String)| [&[text.0], text.1.as_bytes()].concat();
    pieces.iter().flat_map(|piece| (0_u8..).zip(forms(piece)).map(numbered)).collect()
}

pub(crate) fn words_seeds() -> Vec<Vec<u8>> {
    in_each_type(&["Project UMBRA", "umbr\u{430}", "b l u e harvest", "blue|harvest", "|umbra|", "penumbral umbrage"])
}

pub(crate) fn markings_seeds() -> Vec<Vec<u8>> {
    in_each_type(&[
        "SECRET",
        "TOP SECRET//SI/TK//NOFORN",
        "(S//NF) a plan",
        "(TS//SI)",
        "classification: SECRET//REL TO USA, GBR",
        "no secret (s) // at all",
    ])
}

pub(crate) fn answer_seeds() -> Vec<Vec<u8>> {
    // One that is done, one that refuses: number of parts, length; number of answers, answer, number of contents.
    vec![vec![1, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0], vec![1, 0, 0, 0, 7, 0, 0, 0, 1, 1, 5, 1, b'x', 0, 0]]
}

/// Two by two, in colours.
const PNG: &str = "\
    iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGNITEpOSU1jSM/IzMrOAQAhDwTPLXuBOAAAAABJRU5E\
    rkJggg==";

/// Four pixels of a palette.
const PNG_PALETTE: &str = "\
    iVBORw0KGgoAAAANSUhEUgAAAAQAAAABAgMAAACEUudeAAAADFBMVEUAAAAAAAAAAAAAAAA16TeWAAAACklEQVR4nGOQBgAAHQAc\
    jvT1IQAAAABJRU5ErkJggg==";

/// Two entries, one of them packed.
const ZIP: &str = "\
    UEsDBBQAAAAAAAAAIQAbtigrEwAAABMAAAAFAAAAYS50eHR0ZXh0IHRleHQgdGV4dCB0ZXh0UEsDBBQAAAAIAH13dl1Dv6ajBAAA\
    AAIAAAAIAAAAZC9iLmpzb26rrgUAUEsBAhQDFAAAAAAAAAAhABu2KCsTAAAAEwAAAAUAAAAAAAAAAAAAAIABAAAAAGEudHh0UEsB\
    AhQDFAAAAAgAfXd2XUO/pqMEAAAAAgAAAAgAAAAAAAAAAAAAAIABNgAAAGQvYi5qc29uUEsFBgAAAAACAAIAaQAAAGAAAAAAAA==";

/// A short text.
const GZIP: &str = "\
    H4sIAAAAAAACAytJrSjhKsFCAAAStd6XGQAAAA==";

/// Eight by eight, grey.
const JPEG: &str = "\
    /9j/4AAQSkZJRgABAgAAAQABAAD/wAALCAAIAAgBABEA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpK\
    PjM2RjcsLUBXQUZMTlJTUjI+WmFaUGBKUVJP/9sAQwEODg4TERMmFRUmTzUtNU9PT09PT09PT09PT09PT09PT09PT09PT09PT09P\
    T09PT09PT09PT09PT09PT09PT09P/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9\
    AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNk\
    ZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo\
    6erx8vP09fb3+Pn6/9oACAEAAAA/AMqHwn/0z/Sv/9k=";

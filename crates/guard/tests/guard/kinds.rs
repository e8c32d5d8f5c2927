//! Ordinary objects of each type pass unchanged in meaning.

use crate::common::{guard, guard_with, object, passed, text};
use fastness_guard::{ContentType, Guard, GuardError, Kind, Policy, PolicyText, Scale, Verdict};

#[test]
fn new_processes_give_the_same_verdict() {
    let object = object("a.json", "application/json", r#"{"b": 1.50, "a": "x"}"#);
    let first = guard().inspect(&object);
    assert_eq!(guard().inspect(&object), first);
}

#[test]
fn a_picture_keeps_every_pixel() {
    let (width, height, pixels) = (7, 5, (0..7 * 5 * 3).map(|at| (at * 11 % 256) as u8).collect::<Vec<_>>());
    let mut content = Vec::new();
    let mut encoder = png::Encoder::new(&mut content, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    let anew = passed(guard().inspect(&object("a.png", "image/png", content)));
    let mut reader = png::Decoder::new(std::io::Cursor::new(anew)).read_info().unwrap();
    let mut seen = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut seen).unwrap();
    assert_eq!(seen, pixels);
}

/// Decoders give large pictures to several threads, which a filter may not start.
#[test]
fn a_photograph_passes_at_any_size() {
    let mut guard = guard();
    for (width, height) in [(100, 100), (129, 16), (640, 480), (1_600, 1_200)] {
        for (color, bytes) in [(jpeg_encoder::ColorType::Luma, 1), (jpeg_encoder::ColorType::Rgb, 3)] {
            let content = crate::corpus::images::jpeg_of(width, height, color, bytes);
            let anew = passed(guard.inspect(&object("a.jpg", "image/jpeg", content)));
            let mut decoder = jpeg_decoder::Decoder::new(anew.as_slice());
            decoder.read_info().unwrap();
            let info = decoder.info().unwrap();
            assert_eq!((info.width, info.height), (width, height));
        }
    }
}

#[test]
fn an_archive_keeps_its_files() {
    let content = crate::corpus::zip(&[("d/a.txt", b"one\r\n"), ("b.json", b"[1, 2]")]);
    let anew = passed(guard().inspect(&object("a.zip", "application/zip", content)));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(anew)).unwrap();
    let mut read = |name: &str| std::io::read_to_string(archive.by_name(name).unwrap()).unwrap();
    assert_eq!((read("d/a.txt"), read("b.json")), ("one\n".to_owned(), "[1,2]".to_owned()));
}

#[test]
fn a_level_of_another_policy_is_read_by_its_own_scale() {
    let mut guard = guard_with(env!("CARGO_BIN_EXE_fastness-filter"), |policy| {
        let nato = PolicyText::Builtin("nato".to_owned());
        policy.scales.push(Scale { policy: nato, ceiling: Some("NATO UNCLASSIFIED".to_owned()) });
    });
    let verdict = guard.inspect(&text("NATO SECRET\n\nThe plan.\n"));
    let Verdict::Quarantined { findings } = verdict else { panic!("{verdict:?}") };
    assert_eq!(findings[0].kind, Kind::Marking);
}

#[test]
fn a_policy_that_lets_a_type_through_lets_no_other() {
    let mut guard = guard_with(env!("CARGO_BIN_EXE_fastness-filter"), |policy| {
        policy.content_types = [ContentType::Json].into();
    });
    passed(guard.inspect(&object("a.json", "application/json", "1")));
    let Verdict::Quarantined { findings } = guard.inspect(&text("x")) else { panic!("a text passed") };
    assert_eq!(findings[0].kind, Kind::NotAllowed);
}

#[test]
fn a_guard_that_cannot_be_is_an_error_in_words() {
    let new = |policy| Guard::new(policy, env!("CARGO_BIN_EXE_fastness-filter")).map(|_| ()).unwrap_err().to_string();
    assert!(new(Policy::new("mars")).contains("no label policy `mars`"));
    let mut empty = Policy::new("us");
    empty.words = vec!["umbra".to_owned(), " \u{301}".to_owned()];
    assert!(new(empty).contains("holds an empty one"));
    let missing = Guard::new(Policy::new("us"), "/no/such/filter").unwrap_err();
    assert!(matches!(missing, GuardError::NoProgram(_)));
}

#[test]
fn ordinary_text_passes_as_it_is() {
    for content in ["", "plain\n", "Grüße, 日本語, Ελληνικά ☀\u{fe0f} — “quoted”\n\ttabbed", "BMW builds cars"]
    {
        assert_eq!(passed(guard().inspect(&text(content))), content.as_bytes());
    }
}

#[test]
fn json_keeps_its_meaning() {
    let content = r#" {"b": [1, -2, 2.50, 1e3, true, null, "gr\u00fc\u00dfe \"x\"\n"], "a": {}} "#;
    let anew = passed(guard().inspect(&object("a.json", "application/json", content)));
    assert_eq!(String::from_utf8(anew).unwrap(), r#"{"b":[1,-2,2.5,1000.0,true,null,"grüße \"x\"\n"],"a":{}}"#);
}

#[test]
fn xml_keeps_its_meaning() {
    let content = "<?xml version='1.0'?>\n<!-- c --><a xmlns='urn:x' b='1 &lt; 2'><p:c xmlns:p=\"urn:y\"/>t &amp;<![CDATA[<]]> &#xe9;</a>";
    let anew = passed(guard().inspect(&object("a.xml", "application/xml", content)));
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a xmlns=\"urn:x\" b=\"1 &lt; 2\"><p:c xmlns:p=\"urn:y\"/>t &amp;&lt; é</a>\n";
    assert_eq!(String::from_utf8(anew).unwrap(), expected);
}

#[test]
fn csv_keeps_its_meaning() {
    let content = "name,amount\r\n\"Smith, J.\",-5\r\n\"say \"\"hi\"\"\",\"two\nlines\"\r\n";
    let anew = passed(guard().inspect(&object("a.csv", "text/csv", content)));
    assert_eq!(String::from_utf8(anew).unwrap(), "name,amount\n\"Smith, J.\",-5\n\"say \"\"hi\"\"\",\"two\nlines\"\n");
}

//! PDF and Office: refused whole, whatever is in them (docs/guard.md says why).

use super::{Items, item};
use crate::corpus::archives::zip;

const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const SHEET: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Parts beside those that every document has.
type More = &'static [(&'static str, &'static [u8])];

pub fn add(items: &mut Items) {
    for (name, dictionary) in [
        ("plain", "/Type /Catalog"),
        ("javascript", "/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"),
        ("launch", "/OpenAction << /S /Launch /F (cmd.exe) >>"),
        ("embedded-file", "/Names << /EmbeddedFiles 2 0 R >>"),
        ("form", "/AcroForm << /XFA 2 0 R >>"),
        ("link", "/AA << /O << /S /URI /URI (http://127.0.0.1) >> >>"),
    ] {
        let content = format!("%PDF-1.7\n1 0 obj\n<< {dictionary} >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n");
        item(items, &format!("pdf-{name}"), "a.pdf", "application/pdf", content);
    }
    let types = br#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#.as_slice();
    let body = br#"<w:document xmlns:w="urn:w"/>"#.as_slice();
    let cases: &[(&str, &str, More)] = &[
        ("word-plain", WORD, &[]),
        ("word-macros", WORD, &[("word/vbaProject.bin", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")]),
        ("word-template", WORD, &[("word/_rels/settings.xml.rels", b"<R TargetMode=\"External\"/>")]),
        ("word-object", WORD, &[("word/embeddings/oleObject1.bin", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")]),
        ("sheet-link", SHEET, &[("xl/externalLinks/externalLink1.xml", b"<a/>")]),
        ("sheet-macros", SHEET, &[("xl/macrosheets/sheet1.xml", b"<a/>")]),
    ];
    for (name, content_type, more) in cases {
        let mut parts = vec![("[Content_Types].xml", types), ("word/document.xml", body)];
        parts.extend_from_slice(more);
        item(items, &format!("office-{name}"), "a.docx", content_type, zip(&parts));
    }
    let compound = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 504]].concat();
    item(items, "office-old-word", "a.doc", "application/msword", compound.clone());
    item(items, "office-old-word-called-text", "a.txt", "text/plain", compound);
    item(items, "office-rtf", "a.rtf", "application/rtf", "{\\rtf1 {\\*\\objdata 01}}");
    item(
        items,
        "polyglot-pdf-and-zip",
        "a.zip",
        "application/zip",
        [b"%PDF-1.7\n".as_slice(), &zip(&[("a.txt", b"x")])].concat(),
    );
    item(items, "polyglot-html-in-csv", "a.csv", "text/csv", "<html ><script>alert(1)</script>\n");
    item(items, "polyglot-gif-and-script", "a.txt", "text/plain", "GIF89a=1;alert(1)//\n");
    item(items, "polyglot-json-and-html", "a.json", "application/json", "<!-- \"x\" -->{}");
}

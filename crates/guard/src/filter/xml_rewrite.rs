//! XML 1.0, read by `quick-xml` and written anew: elements, attributes and text. No document type, no entity but the five
//! that every document has, no processing instruction; comments are taken away.

use crate::Kind;
use crate::filter::only;
use crate::filter::text_rewrite::{clean, decode};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use quick_xml::escape::escape;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Vocabularies that programs run or fetch with.
const ACTIVE: &[&str] = &[
    "http://www.w3.org/1999/xhtml",
    "http://www.w3.org/2000/svg",
    "http://www.w3.org/1999/XSL/Transform",
    "http://www.w3.org/1999/XSL/Format",
    "http://www.w3.org/2001/XInclude",
    "http://www.w3.org/2001/xml-events",
];

pub(crate) fn run(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let text = decode(content)?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    reader.config_mut().check_comments = true;
    let mut writer = Writer {
        nesting_max: rules.bounds().nesting,
        anew: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
        text: String::new(),
        depth: 0,
        has_root: false,
        comments: 0,
    };
    loop {
        let place = format!("byte {}", reader.buffer_position());
        let event = reader.read_event().map_err(|_| malformed("it is not well-formed XML").at(place.clone()))?;
        if matches!(event, Event::Eof) {
            break;
        }
        writer.event(event).map_err(|refusal| refusal.at(place))?;
    }
    writer.finish()
}

fn malformed(what: &str) -> Refusal {
    Refusal::new(Kind::Malformed, what)
}

struct Writer {
    nesting_max: usize,
    anew: String,
    /// Text that is not yet written, because more of it may follow a comment or a reference.
    text: String,
    depth: usize,
    has_root: bool,
    comments: usize,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) -> Result<(), Refusal> {
        match event {
            Event::Start(tag) => self.start(&tag, true),
            Event::Empty(tag) => self.start(&tag, false),
            Event::End(tag) => {
                self.flush()?;
                self.depth = self.depth.checked_sub(1).ok_or_else(|| malformed("an end without its beginning"))?;
                let name = name_of(tag.name().as_ref())?.to_owned();
                self.anew.extend(["</", &name, ">"]);
                Ok(())
            }
            Event::Text(text) => {
                let text = text.xml10_content().map_err(|_| malformed("text that cannot be decoded"))?;
                if text.contains("]]>") {
                    return Err(malformed("`]]>` in text"));
                }
                self.text.push_str(&text);
                Ok(())
            }
            Event::CData(text) => {
                let text = text.xml10_content().map_err(|_| malformed("text that cannot be decoded"))?;
                self.text.push_str(&text);
                Ok(())
            }
            Event::GeneralRef(reference) => {
                self.text.push(resolve(&reference)?);
                Ok(())
            }
            Event::Comment(_) => {
                self.comments += 1;
                Ok(())
            }
            Event::Decl(declaration) => self.declaration(&declaration),
            Event::PI(_) => Err(Refusal::new(Kind::Entity, "a processing instruction")),
            Event::DocType(_) => Err(Refusal::new(Kind::Entity, "a document type, which may define entities")),
            Event::Eof => Ok(()),
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), Refusal> {
        if self.has_root || !self.text.is_empty() || self.comments > 0 {
            return Err(malformed("an XML declaration that is not at the beginning"));
        }
        let version = declaration.version().map_err(|_| malformed("an XML declaration without a version"))?;
        if version.as_ref() != b"1.0" {
            return Err(Refusal::new(Kind::Encoding, "another version of XML than 1.0"));
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case(b"UTF-8") || name.eq_ignore_ascii_case(b"US-ASCII") => Ok(()),
            Some(_) => Err(Refusal::new(Kind::Encoding, "the XML declares another encoding than UTF-8")),
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, is_open: bool) -> Result<(), Refusal> {
        self.flush()?;
        if self.depth == 0 && std::mem::replace(&mut self.has_root, true) {
            return Err(Refusal::new(Kind::Trailing, "a second element follows the document"));
        }
        if self.depth >= self.nesting_max {
            return Err(Refusal::new(Kind::Depth, "the XML is nested deeper than the policy allows"));
        }
        self.anew.push('<');
        self.anew.push_str(name_of(tag.name().as_ref())?);
        for attribute in tag.attributes().with_checks(true) {
            let attribute = attribute.map_err(|error| match error {
                quick_xml::events::attributes::AttrError::Duplicated(..) => {
                    Refusal::new(Kind::Duplicate, "the same attribute twice in one element")
                }
                _ => malformed("an attribute that cannot be read"),
            })?;
            let key = name_of(attribute.key.as_ref())?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            let value =
                value.map_err(|_| Refusal::new(Kind::Entity, "an entity or text that an attribute may not hold"))?;
            if key.starts_with("xmlns") && ACTIVE.contains(&value.trim()) {
                return Err(Refusal::new(Kind::Active, "a vocabulary that programs run or fetch with"));
            }
            let value = escape(clean(&value)?).replace('\t', "&#9;").replace('\n', "&#10;").replace('\r', "&#13;");
            self.anew.extend([" ", key, "=\"", &value, "\""]);
        }
        self.anew.push_str(if is_open { ">" } else { "/>" });
        self.depth += usize::from(is_open);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Refusal> {
        let text = std::mem::take(&mut self.text);
        if self.depth > 0 {
            self.anew.push_str(&escape(clean(&text)?).replace('\r', "&#13;"));
        } else if !text.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
            return Err(Refusal::new(Kind::Trailing, "text outside of the document's element"));
        }
        Ok(())
    }

    fn finish(mut self) -> Outcome {
        self.flush()?;
        if self.depth > 0 || !self.has_root {
            return Err(malformed("the XML ends before it is complete"));
        }
        self.anew.push('\n');
        let done = Done::content(self.anew.into_bytes());
        Ok(if self.comments > 0 { done.note(format!("comments were taken away: {}", self.comments)) } else { done })
    }
}

fn name_of(bytes: &[u8]) -> Result<&str, Refusal> {
    let name = decode(bytes)?;
    match clean(name)? {
        // The characters that XML lets a name have are checked by the other reader.
        std::borrow::Cow::Borrowed(_) if !name.is_empty() => Ok(name),
        _ => Err(malformed("a name that is empty or not in normalization form C")),
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, Refusal> {
    let unknown = || Refusal::new(Kind::Entity, "an entity besides the five that every document has");
    if let Some(c) = reference.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(c);
    }
    match &**reference {
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"amp" => Ok('&'),
        b"apos" => Ok('\''),
        b"quot" => Ok('"'),
        _ => Err(unknown()),
    }
}

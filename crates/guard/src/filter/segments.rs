//! The pieces of text of an object that words and markings are looked for in. They are taken from what was written anew.

use crate::filter::json_rewrite::{self, Value};
use crate::rules::{Refusal, Rules, Task};
use crate::{ContentType, Kind};
use roxmltree::Document;
use std::borrow::Cow;

/// A piece of text.
#[derive(Debug)]
pub(crate) struct Segment<'a> {
    /// Where it stands, for a finding.
    pub(crate) place: Cow<'a, str>,
    pub(crate) text: Cow<'a, str>,
    /// What it is called there: a key, an attribute, an element, a column.
    pub(crate) called: Cow<'a, str>,
}

impl<'a> Segment<'a> {
    fn new(place: impl Into<Cow<'a, str>>, text: impl Into<Cow<'a, str>>, called: impl Into<Cow<'a, str>>) -> Self {
        Segment { place: place.into(), text: text.into(), called: called.into() }
    }
}

/// Calls back for every piece of the name, the metadata and the content; and last for all of the content's pieces in one,
/// called `*`, so that nothing hides between two of them.
pub(crate) fn each(
    rules: &Rules,
    task: &Task,
    content: &[u8],
    see: &mut dyn FnMut(&Segment<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    see(&Segment::new("the name", &task.name, ""))?;
    for (key, value) in &task.metadata {
        see(&Segment::new("the metadata", key, ""))?;
        see(&Segment::new(format!("metadata `{key}`"), value, key))?;
    }
    match task.content_type {
        Some(ContentType::Text) => see(&Segment::new("", text(content)?, "")),
        Some(ContentType::Json) => {
            let value = json_rewrite::parse(rules, content)?;
            let mut all = String::new();
            json(&value, "", "", &mut all, see)?;
            see(&Segment::new("the values together", all, "*"))
        }
        Some(ContentType::Xml) => xml(text(content)?, see),
        Some(ContentType::Csv) => csv(content, see),
        _ => Ok(()),
    }
}

fn text(content: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(content).map_err(|_| Refusal::new(Kind::Encoding, "the text is not UTF-8"))
}

fn join(all: &mut String, text: &str) {
    if !all.is_empty() {
        all.push(' ');
    }
    all.push_str(text);
}

type See<'f> = &'f mut dyn FnMut(&Segment<'_>) -> Result<(), Refusal>;

fn json(value: &Value, place: &str, called: &str, all: &mut String, see: See<'_>) -> Result<(), Refusal> {
    match value {
        Value::String(text) => {
            join(all, text);
            see(&Segment::new(place, text, called))
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                json(value, &format!("{place}/{at}"), called, all, see)?;
            }
            Ok(())
        }
        Value::Object(members) => {
            for (key, value) in members {
                let place = format!("{place}/{key}");
                join(all, key);
                see(&Segment::new(place.as_str(), key, ""))?;
                json(value, &place, key, all, see)?;
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) => Ok(()),
    }
}

fn xml(content: &str, see: See<'_>) -> Result<(), Refusal> {
    let document = Document::parse(content).map_err(|_| Refusal::new(Kind::Malformed, "it is not well-formed XML"))?;
    let mut all = String::new();
    for node in document.descendants() {
        if node.is_element() {
            let name = node.tag_name().name();
            let place = || format!("element `{name}`");
            see(&Segment::new(place(), name, ""))?;
            for attribute in node.attributes() {
                see(&Segment::new(place(), attribute.value(), attribute.name()))?;
            }
        } else if let (true, Some(text)) = (node.is_text(), node.text()) {
            let parent = node.parent_element().map_or("", |parent| parent.tag_name().name());
            all.push_str(text);
            see(&Segment::new(format!("element `{parent}`"), text, parent))?;
        }
    }
    see(&Segment::new("the texts together", all, "*"))
}

fn csv(content: &[u8], see: See<'_>) -> Result<(), Refusal> {
    let unreadable = |_| Refusal::new(Kind::Malformed, "it is not CSV");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(content);
    let (mut heads, mut all) = (csv::StringRecord::new(), String::new());
    for (line, record) in reader.records().enumerate() {
        let record = record.map_err(unreadable)?;
        if line == 0 {
            heads.clone_from(&record);
        }
        for (cell, at) in record.iter().zip(0..) {
            let head = heads.get(at).unwrap_or_default();
            join(&mut all, cell);
            see(&Segment::new(format!("row {}, column {}", line + 1, at + 1), cell, head))?;
        }
        all.push('\n');
    }
    see(&Segment::new("the cells together", all, "*"))
}

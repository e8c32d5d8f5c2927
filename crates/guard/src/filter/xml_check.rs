//! The other reader of XML, `roxmltree`: it reads both documents into trees and wants the same in both. It knows
//! namespaces and which characters a name may have.

use crate::Kind;
use crate::filter::text_check::{inspect, normal};
use crate::filter::{differs, pair};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use roxmltree::{Document, Node, ParsingOptions};

/// More than these is no document that a person would send: elements, attributes apart.
const NODES_MAX: u32 = 4_000_000;

/// How what was written anew begins.
const DECLARED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<";

/// Namespaces of what acts.
const ACTIVE: &[&str] = &["1999/xhtml", "2000/svg", "1999/XSL/", "2001/XInclude", "2001/xml-events"];

pub(crate) fn run(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let (before, after) = pair(contents)?;
    let (before, after) = (text(before)?, text(after)?);
    if !after.starts_with(DECLARED) {
        return Err(differs("what the XML says of itself"));
    }
    let (before, after) = (parse(before)?, parse(after)?);
    if after.descendants().any(|node| node.is_pi() || node.is_comment()) {
        return Err(Refusal::new(Kind::Active, "an instruction or a comment was written anew"));
    }
    let (one, other) = (pieces(&before, rules)?, pieces(&after, rules)?);
    if one != other {
        return Err(differs("the elements and texts before and after"));
    }
    for piece in &other {
        match piece {
            Piece::Open { attributes, .. } => attributes.iter().try_for_each(|(_, _, value)| inspect(value))?,
            Piece::Text(text) => inspect(text)?,
            Piece::Close => {}
        }
    }
    Ok(Done::default())
}

fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| Refusal::new(Kind::Encoding, "the XML is not UTF-8"))
}

fn parse(text: &str) -> Result<Document<'_>, Refusal> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
        .map_err(|_| Refusal::new(Kind::Ambiguous, "the second reader does not take it for XML"))
}

/// What a document says, without what carries no meaning.
#[derive(PartialEq, Debug)]
enum Piece<'a> {
    Open { namespace: &'a str, name: &'a str, attributes: Vec<(&'a str, &'a str, String)> },
    Text(String),
    Close,
}

enum Step<'a, 'input> {
    Enter(Node<'a, 'input>),
    Leave,
}

fn pieces<'a>(document: &'a Document<'_>, rules: &Rules) -> Result<Vec<Piece<'a>>, Refusal> {
    let (mut pieces, mut depth) = (Vec::new(), 0_usize);
    let mut steps = vec![Step::Enter(document.root_element())];
    // The text since the last element, in pieces where a comment stood between.
    let mut pending = String::new();
    while let Some(step) = steps.pop() {
        let node = match step {
            Step::Enter(node) if node.is_text() => {
                pending.push_str(node.text().unwrap_or_default());
                continue;
            }
            Step::Enter(node) if !node.is_element() => continue,
            other => {
                let text = std::mem::take(&mut pending);
                if !text.is_empty() {
                    pieces.push(Piece::Text(normal(&text).into_owned()));
                }
                match other {
                    Step::Enter(node) => node,
                    Step::Leave => {
                        depth = depth.saturating_sub(1);
                        pieces.push(Piece::Close);
                        continue;
                    }
                }
            }
        };
        let namespace = node.tag_name().namespace().unwrap_or_default();
        if ACTIVE.iter().any(|active| namespace.contains(active)) {
            return Err(Refusal::new(Kind::Active, "a vocabulary that programs run or fetch with"));
        }
        depth += 1;
        if depth > rules.bounds().nesting {
            return Err(Refusal::new(Kind::Depth, "the XML is nested deeper than the policy allows"));
        }
        let attributes = node
            .attributes()
            .map(|own| (own.namespace().unwrap_or_default(), own.name(), normal(own.value()).into_owned()))
            .collect();
        pieces.push(Piece::Open { namespace, name: node.tag_name().name(), attributes });
        steps.push(Step::Leave);
        steps.extend(node.children().rev().map(Step::Enter));
    }
    Ok(pieces)
}

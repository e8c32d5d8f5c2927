//! The filters: one function each, in a file of its own. A function never runs in the guard's process, only in a
//! `fastness-filter` of its name; tests and fuzzers call them directly.
//!
//! `…-rewrite` parses and writes anew, `…-check` reads both with another library and compares. The two share no code
//! beyond the types of question and answer: what one library gets wrong, the other one must not get wrong with it.

mod claim;
mod claim_check;
mod csv_check;
mod csv_rewrite;
mod gzip_check;
mod gzip_rewrite;
mod jpeg_check;
mod jpeg_rewrite;
mod json_check;
mod json_rewrite;
pub(crate) mod markings;
mod path;
mod png_check;
mod png_rewrite;
mod runs;
mod segments;
mod tar_check;
mod tar_rewrite;
mod text_check;
mod text_rewrite;
mod type_check;
mod type_claim;
pub(crate) mod words;
mod xml_check;
mod xml_rewrite;
mod zip_check;
mod zip_rewrite;

use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use crate::{ContentType, Finding, Kind};

/// A filter: rules, what is asked, and contents to an answer.
#[derive(Clone, Copy, Debug)]
pub struct Filter(Function, Option<Instead>);

type Function = fn(&Rules, &Task, &[Vec<u8>]) -> Outcome;

/// What a filter of tests does before its work, or instead of it, if it answers.
pub type Instead = fn(&Given<'_>) -> Option<Result<Made, Finding>>;

/// What a filter is given, as one of tests sees it.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The filter's name.
    pub filter: &'a str,
    /// Metadata of the whole object.
    pub metadata: &'a [(String, String)],
    /// Contents, those of the protocol.
    pub contents: &'a [Vec<u8>],
}

/// Every filter by its name.
const FILTERS: &[(&str, Function)] = &[
    ("claim", claim::run),
    ("claim-check", claim_check::run),
    ("type-claim", type_claim::run),
    ("type-check", type_check::run),
    ("text-rewrite", text_rewrite::run),
    ("text-check", text_check::run),
    ("json-rewrite", json_rewrite::run),
    ("json-check", json_check::run),
    ("xml-rewrite", xml_rewrite::run),
    ("xml-check", xml_check::run),
    ("csv-rewrite", csv_rewrite::run),
    ("csv-check", csv_check::run),
    ("png-rewrite", png_rewrite::run),
    ("png-check", png_check::run),
    ("jpeg-rewrite", jpeg_rewrite::run),
    ("jpeg-check", jpeg_check::run),
    ("zip-open", zip_rewrite::open),
    ("zip-rewrite", zip_rewrite::run),
    ("zip-check", zip_check::run),
    ("tar-open", tar_rewrite::open),
    ("tar-rewrite", tar_rewrite::run),
    ("tar-check", tar_check::run),
    ("gzip-open", gzip_rewrite::open),
    ("gzip-rewrite", gzip_rewrite::run),
    ("gzip-check", gzip_check::run),
    ("words", words::run),
    ("markings", markings::run),
];

/// The names of all filters.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|(name, _)| *name)
}

/// What a filter needs before its sandbox closes.
pub(crate) fn prepare(name: &str) {
    if name == "jpeg-check" {
        jpeg_check::on_one_thread();
    }
}

/// The filter of a name.
#[must_use]
pub fn find(name: &str) -> Option<Filter> {
    FILTERS.iter().find(|(own, _)| *own == name).map(|(_, function)| Filter(*function, None))
}

/// A filter that does something else first, or instead: for tests, with a program of their own.
#[must_use]
pub fn wrapped(name: &str, instead: Instead) -> Option<Filter> {
    find(name).map(|filter| Filter(filter.0, Some(instead)))
}

pub(crate) fn run(name: &str, filter: Filter, rules: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let given = Given { filter: name, metadata: &task.metadata, contents };
    match filter.1.and_then(|instead| instead(&given)) {
        Some(Ok(Made { metadata, entries, contents })) => {
            Ok(Done { metadata, entries, parts: contents, ..Done::default() })
        }
        Some(Err(Finding { kind, what, place, .. })) => Err(Refusal { kind, what, place }),
        None => (filter.0)(rules, task, contents),
    }
}

/// What one filter is asked beside the contents: for fuzzers and measurements, which ask filters one by one.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The object's name.
    pub name: &'a str,
    /// Its claimed type.
    pub content_type: ContentType,
    /// Its claimed label.
    pub label: &'a str,
    /// Its metadata.
    pub metadata: &'a [(String, String)],
    /// Names of an archive's entries, for the filters that write and compare archives.
    pub entries: &'a [String],
}

/// What one filter made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Made {
    /// Metadata that is kept.
    pub metadata: Vec<(String, String)>,
    /// Names of an archive's entries.
    pub entries: Vec<String>,
    /// Contents: of the entries, or the one that was written anew.
    pub contents: Vec<Vec<u8>>,
}

impl Question<'_> {
    pub(crate) fn task(&self) -> Task {
        Task {
            name: self.name.to_owned(),
            content_type: Some(self.content_type),
            label: self.label.to_owned(),
            metadata: self.metadata.to_vec(),
            entries: self.entries.to_vec(),
        }
    }
}

/// Asks a filter within this process, for fuzzers: without a sandbox, so never for others' bytes. Contents are those of
/// the protocol: one for most, before and after for what compares.
///
/// # Errors
/// The finding, if the filter refuses; also when there is no filter of that name.
pub fn try_in_process(
    name: &str,
    rules: &Rules,
    question: &Question<'_>,
    contents: &[Vec<u8>],
) -> Result<Made, Finding> {
    let finding = |Refusal { kind, what, place }| Finding { filter: name.to_owned(), kind, what, place };
    let Some(filter) = find(name) else { return Err(finding(Refusal::new(Kind::Unavailable, "no such filter"))) };
    let done = run(name, filter, rules, &question.task(), contents).map_err(finding)?;
    Ok(Made { metadata: done.metadata, entries: done.entries, contents: done.parts })
}

/// The one content of a question.
fn only(contents: &[Vec<u8>]) -> Result<&[u8], Refusal> {
    match contents {
        [content] => Ok(content),
        _ => Err(Refusal::new(Kind::Crash, "the guard asked for something else than this filter does")),
    }
}

/// Content before and after.
fn pair(contents: &[Vec<u8>]) -> Result<(&[u8], &[u8]), Refusal> {
    match contents {
        [before, after] => Ok((before, after)),
        _ => Err(Refusal::new(Kind::Crash, "the guard asked for something else than this filter does")),
    }
}

/// What everything that compares says when its reader and the first one understand different things.
fn differs(what: &str) -> Refusal {
    Refusal::new(Kind::Ambiguous, format!("two readers understand different things: {what}"))
}

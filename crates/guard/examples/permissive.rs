//! A filter program for tests: it serves the real filters, but one of them is taken over. Started as `without-NAME`, the
//! filter of that name accepts everything: what writes anew hands on what it was given, what opens an archive finds
//! something harmless in it, and what compares finds no difference.

use std::path::Path;
use std::process::ExitCode;

use fastness_guard::Finding;
use fastness_guard::filter::{Filter, Given, Made, find, wrapped};

fn accept(given: &Given<'_>) -> Option<Result<Made, Finding>> {
    let first = given.contents.first().cloned();
    Some(Ok(match given.filter.rsplit_once('-') {
        Some((_, "rewrite")) => Made { contents: first.into_iter().collect(), ..Made::default() },
        Some((_, "open")) => {
            Made { entries: vec!["harmless.txt".to_owned()], contents: vec![b"harmless".to_vec()], ..Made::default() }
        }
        Some(_) => Made::default(),
        None => Made { metadata: given.metadata.to_vec(), ..Made::default() },
    }))
}

fn find_some(name: &str) -> Option<Filter> {
    let own = std::env::args().next()?;
    let own = Path::new(&own).file_name()?.to_str()?;
    if own.strip_prefix("without-") == Some(name) { wrapped(name, accept) } else { find(name) }
}

fn main() -> ExitCode {
    match fastness_guard::serve(std::env::args().skip(1), find_some) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

//! What Fastness is fuzzed for: every parser of outside bytes, and the way of a request.
//!
//! Each target is a function of bytes that panics when its oracle is broken; what the oracle is stands at its head.
//! libFuzzer drives them (`engine/`, `cargo xtask fuzz`); the test `replay` feeds the committed corpus through the
//! same functions on every change, without any of that.

mod answer;
mod bundle;
mod chunked;
mod config;
mod corpus;
mod damaged;
mod diode;
mod disclosed;
mod form;
mod guard;
mod house;
mod labels;
mod ledger;
mod requests;
mod scenario;
mod sealed;
mod seeds;
mod signature;
mod trail;
mod witness;

pub use corpus::{chore, pack, unpack};

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of its corpus, and on the command line.
    pub name: &'static str,
    /// The function; a panic is a finding.
    pub run: fn(&[u8]),
    /// Inputs to begin with, made by our own signer and from the clients' shapes.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that its parsers know.
    pub words: &'static [&'static str],
    /// The longest input that is worth trying.
    pub len_max: usize,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "signature", run: signature::run, seeds: seeds::signature, words: seeds::HTTP_WORDS, len_max: 2048 },
    Target { name: "chunked", run: chunked::run, seeds: seeds::chunked, words: seeds::CHUNK_WORDS, len_max: 1024 },
    Target { name: "s3_request", run: requests::s3, seeds: seeds::s3, words: seeds::S3_WORDS, len_max: 4096 },
    Target { name: "iam_request", run: requests::iam, seeds: seeds::iam, words: seeds::IAM_WORDS, len_max: 4096 },
    Target { name: "trail", run: requests::trail, seeds: trail::seeds, words: trail::WORDS, len_max: 4096 },
    Target { name: "xml", run: requests::xml, seeds: seeds::xml, words: seeds::XML_WORDS, len_max: 4096 },
    Target { name: "form", run: requests::form, seeds: form::seeds, words: form::WORDS, len_max: 4096 },
    Target { name: "marking", run: labels::marking, seeds: seeds::marking, words: seeds::MARKING_WORDS, len_max: 512 },
    Target { name: "policy", run: labels::policy, seeds: seeds::policy, words: seeds::POLICY_WORDS, len_max: 16_384 },
    Target { name: "rows", run: rows, seeds: seeds::rows, words: seeds::ROW_WORDS, len_max: 512 },
    Target { name: "sealed", run: sealed::run, seeds: seeds::sealed, words: &[], len_max: 512 },
    Target { name: "damaged", run: damaged::run, seeds: seeds::damaged, words: &[], len_max: 256 },
    Target { name: "ledger", run: ledger::run, seeds: seeds::ledger, words: &[], len_max: 1024 },
    Target { name: "witness", run: witness::run, seeds: witness::seeds, words: witness::WORDS, len_max: 2048 },
    Target { name: "bundle", run: bundle::run, seeds: bundle::seeds, words: bundle::WORDS, len_max: 512 },
    Target { name: "disclosed", run: disclosed::run, seeds: disclosed::seeds, words: disclosed::WORDS, len_max: 512 },
    Target { name: "diode", run: diode::run, seeds: diode::seeds, words: diode::WORDS, len_max: 512 },
    Target { name: "config", run: config::run, seeds: seeds::config, words: seeds::CONFIG_WORDS, len_max: 2048 },
    Target { name: "guard_text", run: guard::text, seeds: guard::text_seeds, words: guard::TEXT_WORDS, len_max: 512 },
    Target { name: "guard_json", run: guard::json, seeds: guard::json_seeds, words: guard::JSON_WORDS, len_max: 1024 },
    Target { name: "guard_xml", run: guard::xml, seeds: guard::xml_seeds, words: guard::MARKUP_WORDS, len_max: 1024 },
    Target { name: "guard_csv", run: guard::csv, seeds: guard::csv_seeds, words: guard::CSV_WORDS, len_max: 512 },
    Target { name: "guard_png", run: guard::png, seeds: guard::png_seeds, words: guard::PNG_WORDS, len_max: 1024 },
    Target { name: "guard_jpeg", run: guard::jpeg, seeds: guard::jpeg_seeds, words: &[], len_max: 1024 },
    Target { name: "guard_zip", run: guard::zip, seeds: guard::zip_seeds, words: guard::ZIP_WORDS, len_max: 1024 },
    Target { name: "guard_tar", run: guard::tar, seeds: guard::tar_seeds, words: guard::TAR_WORDS, len_max: 4096 },
    Target { name: "guard_gzip", run: guard::gzip, seeds: guard::gzip_seeds, words: &[], len_max: 512 },
    Target { name: "guard_type", run: guard::kind, seeds: guard::kind_seeds, words: &[], len_max: 512 },
    Target {
        name: "guard_claim",
        run: guard::claim,
        seeds: guard::claim_seeds,
        words: guard::CLAIM_WORDS,
        len_max: 512,
    },
    Target {
        name: "guard_words",
        run: guard::words,
        seeds: guard::words_seeds,
        words: guard::LISTED_WORDS,
        len_max: 512,
    },
    Target {
        name: "guard_markings",
        run: guard::markings,
        seeds: guard::markings_seeds,
        words: guard::MARKING_WORDS,
        len_max: 512,
    },
    Target { name: "guard_answer", run: guard::answer, seeds: guard::answer_seeds, words: &[], len_max: 256 },
];

#[cfg(fuzzing)]
use fastness_store::fuzzing::rows;

/// The store shows its rows to the fuzzer alone; its own tests replay them.
#[cfg(not(fuzzing))]
fn rows(_: &[u8]) {}

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}

/// What the harness itself needs and cannot do without: if it fails, no input is to blame.
pub(crate) fn sure<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => unreachable!("the harness is broken: {error:?}"),
    }
}

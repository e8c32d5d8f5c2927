//! The project's chores, one subcommand each: `cargo xtask tidy`, `cargo xtask test`, `cargo xtask crash`,
//! `cargo xtask fuzz`, `cargo xtask bench s3` and its fellows.

mod bench;
mod crash;
mod fuzz;
mod process;
mod test;
mod tidy;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Check the house: the dependency graph, the style, the promises, the decisions
    Tidy(tidy::Options),
    /// Pass the tests; installs what they need
    Test(test::Options),
    /// Fuzz the parsers and the way of a request, and keep what is found
    Fuzz(fuzz::Options),
    /// Crashes and faults: power loss, errors of the disk, flipped bits, kills; longer than the tests play them
    Crash(crash::Options),
    /// Measure, some of it beside a peer
    Bench {
        #[command(subcommand)]
        subject: Subject,
    },
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// S3: small and large objects, listings, deletes, beside SeaweedFS
    S3(bench::Options),
    /// Starting: the time until `ready`, and the memory of idle regions
    Start(bench::start::Options),
    /// A million objects: listing and lookup among them, a session below them, memory and starting with them
    Scale(bench::scale::Options),
    /// Memory while 64 clients write, and read, objects of 64 MiB
    Memory(bench::memory::Options),
    /// Small writes spread over 1, 2 and 4 labels, which share the region's journal
    Labels(bench::labels::Options),
    /// The ledger by itself: appending, packing, checking; and what it costs S3, beside a program that records nothing
    Ledger(bench::ledger::Options),
    /// Many small objects from bucket to bucket across regions, through bundle, carrier and guard
    Cross(bench::cross::Options),
    /// A bundle over a diode: both MTUs, with and without loss
    Diode(bench::diode::Options),
    /// MD5 of one value, and of several at once
    Md5(bench::md5::Options),
    /// The guard: each filter in its process, and all of them one after the other
    Guard(bench::guard::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Tidy(options) => tidy::run(&options),
        Chore::Test(options) => test::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Crash(options) => crash::run(&options),
        Chore::Bench { subject } => match subject {
            Subject::S3(options) => bench::run(&options),
            Subject::Start(options) => bench::start::run(&options),
            Subject::Scale(options) => bench::scale::run(&options),
            Subject::Memory(options) => bench::memory::run(&options),
            Subject::Labels(options) => bench::labels::run(&options),
            Subject::Ledger(options) => bench::ledger::run(&options),
            Subject::Cross(options) => bench::cross::run(&options),
            Subject::Diode(options) => bench::diode::run(&options),
            Subject::Md5(options) => bench::md5::run(&options),
            Subject::Guard(options) => bench::guard::run(&options),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            let code = error.downcast_ref::<process::StageFailed>().map_or(1, |failed| failed.code);
            ExitCode::from(code)
        }
    }
}

//! The project's chores, one subcommand each: `cargo xtask tidy`, `cargo xtask test`, `cargo xtask bench s3`, `bench start`,
//! `cargo xtask fuzz`.

mod bench;
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
    /// Measure, beside a peer
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
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Tidy(options) => tidy::run(&options),
        Chore::Test(options) => test::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Bench { subject: Subject::S3(options) } => bench::run(&options),
        Chore::Bench { subject: Subject::Start(options) } => bench::start::run(&options),
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

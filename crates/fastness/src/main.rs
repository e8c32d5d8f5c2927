//! The program: `fastness up`, `serve`, and what people do with a region from the command line.

mod account;
mod arguments;
mod audit;
mod carry;
mod check;
mod client;
mod cross;
mod crossings;
mod demo;
mod diodes;
mod events;
mod export;
mod inspect;
mod key;
mod label;
mod object;
mod people;
mod place;
mod profiles;
mod say;
mod serve;
mod spill;
mod up;
mod witness;

use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser};
use std::process::ExitCode;

/// A request allocates often, mostly small and across threads: a profile gave a seventh of its time to the system's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("FASTNESS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,s3s=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("fastness: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Up(arguments) => block_on(up::run(arguments))?,
        Command::Serve(arguments) => block_on(serve::run(arguments))?,
        Command::Account(command) => block_on(account::run(command))?,
        Command::Key(command) => block_on(key::run(command))?,
        Command::Label(command) => return block_on(label::run(command)),
        Command::Object(command) => block_on(object::run(command))?,
        Command::Spill(command) => block_on(spill::run(command))?,
        Command::Cross(command) => block_on(cross::run(command))?,
        Command::Audit(command) => return audit::run(command),
        Command::WithParent { parent, program, arguments } => {
            diodes::run_with_parent(parent, &program, &arguments)?;
        }
        Command::Check(arguments) => return Ok(check::run(&arguments)),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "fastness", &mut std::io::stdout());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Threads for work with the disk, at most. Each keeps buffers of its own between two steps, so that without a bound
/// many readers at once hold a gigabyte (`cargo xtask bench memory`).
const DISK_THREADS_MAX: usize = 48;

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().max_blocking_threads(DISK_THREADS_MAX).build()?.block_on(work)
}

//! `fastness-bench`: one row of load against an S3 endpoint, measured from the client's side.
//!
//! Everything that costs time and is not the server's work (payloads, their hashes, the objects to read) is done
//! before the timed section. Requests are signed as real clients sign them; the first error is reported and fails
//! the row, so that a fast refusal never passes for a fast answer.

mod client;
mod payload;
mod report;
mod row;
mod signature;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};

use crate::row::{Plan, REQUESTS_MAX};
use crate::signature::Credentials;

/// One row of load against an S3 endpoint.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Where the server listens, as `http://HOST:PORT`
    #[arg(long)]
    endpoint: String,
    /// The region that requests are signed for
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// The access key
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    access_key: String,
    /// The secret key; prefer the environment, which other people cannot list
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_key: String,
    /// The bucket; made if it is not there
    #[arg(long, default_value = "bench")]
    bucket: String,
    /// What the clients do
    #[arg(long, value_enum)]
    op: Op,
    /// Bytes of one object; takes K, M and G, as in `4K`
    #[arg(long, default_value = "4K", value_parser = parse_size)]
    size: usize,
    /// Write prose, different in each object of a row of 256, as `text/plain`; otherwise bytes that look random
    #[arg(long)]
    text: bool,
    /// Concurrent clients, each with a connection of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    clients: u32,
    /// The timed section ends after this long at the latest
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Untimed work of the same kind before it (never for DELETE)
    #[arg(long, default_value_t = 1.0)]
    warmup_seconds: f64,
    /// The timed section ends after this many requests at the latest
    #[arg(long, default_value_t = REQUESTS_MAX)]
    requests: u64,
    /// Objects in the row: written in turn by PUT, put there before GET, HEAD, LIST and DELETE
    #[arg(long, default_value_t = 1_000)]
    keys: u64,
    /// Keys of the row start with this
    #[arg(long, default_value = "row")]
    prefix: String,
    /// The folder of the row's keys, instead of one made of prefix, operation, size and number: rows that name the
    /// same folder share its objects, if they agree on `--size`
    #[arg(long, conflicts_with = "prefix", value_parser = parse_folder)]
    folder: Option<String>,
    /// The bucket and the objects are there, from a PUT row of the same `--folder`, `--size` and at most as many `--keys`:
    /// nothing is made, written or waited for before the row
    #[arg(long, conflicts_with = "wait_seconds")]
    ready_made: bool,
    /// Keys in one page of LIST
    #[arg(long, default_value_t = 1_000)]
    page: u32,
    /// How requests are signed
    #[arg(long, value_enum, default_value_t = Signing::Header)]
    signing: Signing,
    /// Compare every byte of every answer to GET, not only its length and its head
    #[arg(long)]
    verify: bool,
    /// Wait this long for the server to take a first object
    #[arg(long, default_value_t = 0)]
    wait_seconds: u64,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What the clients of a row do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Op {
    /// Write objects.
    Put,
    /// Read whole objects.
    Get,
    /// Ask for objects' heads.
    Head,
    /// Walk a listing, one page a request.
    List,
    /// Delete objects, each once.
    Delete,
}

/// How a request carries its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Signing {
    /// In headers, with the SHA-256 of the payload.
    Header,
    /// In headers, with the payload left unsigned.
    UnsignedPayload,
    /// In the query of a presigned URL.
    Presigned,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fastness-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the row; true when every request succeeded.
fn run(arguments: Arguments) -> Result<bool> {
    ensure!((0.0..=3_600.0).contains(&arguments.seconds), "`--seconds` must lie between 0 and 3600");
    ensure!((0.0..=3_600.0).contains(&arguments.warmup_seconds), "`--warmup-seconds` must lie between 0 and 3600");
    ensure!((1..=REQUESTS_MAX).contains(&arguments.requests), "`--requests` must lie between 1 and {REQUESTS_MAX}");
    ensure!((1..=10_000_000).contains(&arguments.keys), "`--keys` must lie between 1 and 10000000");
    let runtime = runtime(arguments.threads).context("the asynchronous runtime does not start")?;
    let plan = Plan {
        authority: authority(&arguments.endpoint)?,
        credentials: Credentials {
            access_key: arguments.access_key,
            secret_key: arguments.secret_key,
            region: arguments.region,
        },
        signing: arguments.signing,
        bucket: arguments.bucket,
        prefix: arguments.prefix,
        folder: arguments.folder,
        ready_made: arguments.ready_made,
        op: arguments.op,
        payloads: payload::pool(arguments.size, arguments.text),
        content_type: arguments.text.then_some("text/plain"),
        keys: arguments.keys,
        page: arguments.page,
        verify: arguments.verify,
    };
    let bounds = row::Bounds {
        clients: arguments.clients,
        warmup: Duration::from_secs_f64(arguments.warmup_seconds),
        time: Duration::from_secs_f64(arguments.seconds),
        requests: arguments.requests,
        wait: Duration::from_secs(arguments.wait_seconds),
    };
    let report = runtime.block_on(row::run(plan, bounds))?;
    println!("{}", if arguments.json { serde_json::to_string(&report)? } else { report.to_string() });
    Ok(report.errors == 0 && report.requests > 0)
}

fn runtime(threads: u32) -> std::io::Result<tokio::runtime::Runtime> {
    // One thread needs no work stealing, and leaves the other cores to the server.
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.worker_threads(threads as usize).enable_all().build()
}

/// `HOST:PORT` of an endpoint.
fn authority(endpoint: &str) -> Result<String> {
    let uri: http::Uri = endpoint.parse().with_context(|| format!("`{endpoint}` is not a URL"))?;
    ensure!(uri.scheme_str() == Some("http"), "`{endpoint}`: the load generator speaks plain `http://` only");
    let host = uri.host().with_context(|| format!("`{endpoint}` names no host"))?;
    Ok(format!("{host}:{}", uri.port_u16().unwrap_or(80)))
}

/// The folder of a row's keys: plain, because the load generator does not encode keys.
fn parse_folder(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if text.is_empty() || text.starts_with('/') || text.ends_with('/') || !text.chars().all(plain) {
        return Err(format!(
            "`{text}` is not a folder such as `low/get`: letters, digits, `-`, `_`, `.`, and `/` within"
        ));
    }
    Ok(text.to_owned())
}

/// A number of bytes such as `4096`, `4K` or `64M`.
fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (text.get(..at).unwrap_or_default(), 1_usize << 10),
        Some((at, 'M' | 'm')) => (text.get(..at).unwrap_or_default(), 1 << 20),
        Some((at, 'G' | 'g')) => (text.get(..at).unwrap_or_default(), 1 << 30),
        _ => (text, 1),
    };
    let count: usize = digits.parse().map_err(|_| format!("`{text}` is not a size such as `4096`, `4K` or `64M`"))?;
    count
        .checked_mul(unit)
        .filter(|bytes| *bytes <= 1 << 30)
        .ok_or_else(|| format!("`{text}` is more than 1G, which one PUT of this program does not hold"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_units_and_have_a_bound() {
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_size("4K"), Ok(4096));
        assert_eq!(parse_size("64m"), Ok(64 << 20));
        assert!(parse_size("2G").is_err());
        assert!(parse_size("").is_err());
        assert!(parse_size("K").is_err());
        assert!(parse_size("-1").is_err());
    }

    #[test]
    fn a_folder_is_plain() {
        assert_eq!(parse_folder("low/get-1"), Ok("low/get-1".to_owned()));
        for folder in ["", "/", "/a", "a/", "a b", "a%", "ä"] {
            assert!(parse_folder(folder).is_err(), "{folder:?}");
        }
    }

    #[test]
    fn an_endpoint_is_plain_http() {
        assert_eq!(authority("http://127.0.0.1:9402").unwrap(), "127.0.0.1:9402");
        assert_eq!(authority("http://localhost/").unwrap(), "localhost:80");
        assert!(authority("https://127.0.0.1:9402").is_err());
        assert!(authority("127.0.0.1").is_err());
    }
}

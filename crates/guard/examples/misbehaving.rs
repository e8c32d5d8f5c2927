//! A filter program for tests: it serves the real filters, but a content that is a certain word makes `text-rewrite` do what
//! no filter should, and certain metadata `claim`. It is in the same sandbox, which must stop it.

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use fastness_guard::filter::{Filter, Given, Made, find, wrapped};
use fastness_guard::{Finding, Kind};

fn misbehave(given: &Given<'_>) -> Option<Result<Made, Finding>> {
    given.contents.iter().find_map(|content| misbehave_on(content))
}

fn misbehave_on(content: &[u8]) -> Option<Result<Made, Finding>> {
    let says = |kind, what: &str| Finding { filter: String::new(), kind, what: what.to_owned(), place: String::new() };
    let text = String::from_utf8_lossy(content);
    match text.trim() {
        "hang" => loop {
            black_box(());
        },
        "crash" => std::process::abort(),
        "panic" => drop(black_box(1 / black_box(0_u8))),
        "end" => std::process::exit(3),
        "eat memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(black_box(vec![1; 16 << 20]));
            }
        }
        "open a file" => drop(black_box(std::fs::read("/etc/hostname"))),
        "write a file" => drop(black_box(std::fs::write("/tmp/fastness-guard-escaped", "x"))),
        "open a socket" => drop(black_box(std::net::TcpStream::connect("127.0.0.1:9"))),
        "start a process" => drop(black_box(Command::new("/bin/true").spawn())),
        "start a thread" => drop(black_box(std::thread::Builder::new().spawn(|| ()))),
        "sleep" => {
            // Not allowed either: a filter has nothing to wait for.
            let begin = Instant::now();
            std::thread::sleep(Duration::from_millis(1));
            black_box(begin);
        }
        "talk nonsense" => println!("nonsense, and more of it than a number of parts needs"),
        "find the environment" if std::env::vars_os().next().is_some() => std::process::exit(4),
        "say unavailable" => return Some(Err(says(Kind::Unavailable, "no filter is to be had"))),
        "say unanswered" => return Some(Err(says(Kind::Unanswered, "no scanner answers"))),
        "say too much" => return Some(Ok(Made { entries: vec![String::new(); 5_000_000], ..Made::default() })),
        "say more than fits" => return Some(Ok(Made { entries: vec!["x".repeat(17 << 20)], ..Made::default() })),
        _ => {}
    }
    None
}

/// Keeps metadata that nobody sent, or that no other reader lets pass.
fn invent(given: &Given<'_>) -> Option<Result<Made, Finding>> {
    let (key, value) = given.metadata.first()?;
    let kept = |value: &str| vec![(key.to_lowercase(), value.to_owned())];
    let metadata = match value.as_str() {
        "invent another value" => kept("another"),
        "invent a longer value" => kept(&value.repeat(1_000)),
        "drop it" => Vec::new(),
        "invent another key" => vec![("forged".to_owned(), value.clone())],
        "keep it twice" => [kept(value), kept(value)].concat(),
        value if value.starts_with("hide") => kept(value),
        _ => return None,
    };
    Some(Ok(Made { metadata, ..Made::default() }))
}

fn find_some(name: &str) -> Option<Filter> {
    match name {
        "text-rewrite" => wrapped(name, misbehave),
        "claim" => wrapped(name, invent),
        _ => find(name),
    }
}

fn main() -> ExitCode {
    match fastness_guard::serve(std::env::args().skip(1), find_some) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

//! A filter program for tests: it serves the real filters, but content that begins with a certain word makes `text-rewrite`
//! do what no filter should. It is in the same sandbox, which must stop it.

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use fastness_guard::filter::{Filter, find, wrapped};

fn misbehave(content: &[u8]) {
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
        _ => {}
    }
}

fn find_some(name: &str) -> Option<Filter> {
    match name {
        "text-rewrite" => Some(wrapped("text-rewrite", misbehave)),
        _ => find(name),
    }
}

fn main() -> ExitCode {
    match fastness_guard::serve(std::env::args().skip(1), find_some) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

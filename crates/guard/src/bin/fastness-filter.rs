//! `fastness-filter NAME MEMORY_BYTES`: one filter of the guard, in a sandbox, between two pipes. People do not start it;
//! the guard does (`docs/formats/filter.md`).

use std::process::ExitCode;

fn main() -> ExitCode {
    // What a library says when it panics may quote content, and where it panicked names a path.
    std::panic::set_hook(Box::new(|_| eprintln!("panic")));
    match fastness_guard::serve(std::env::args().skip(1), fastness_guard::filter::find) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

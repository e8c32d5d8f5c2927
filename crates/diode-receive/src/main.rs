//! The program: `fastness-diode-receive`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fastness_diode_receive::program(std::env::args_os())
}

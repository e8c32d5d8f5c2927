//! The program: `fastness-diode-send`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fastness_diode_send::program(std::env::args_os())
}

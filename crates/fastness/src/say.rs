//! Standard output. Whoever reads it may stop reading (`| head`): then there is nothing more to say.

use std::fmt::Display;
use std::io::Write;

/// Writes one line, at once.
pub fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// As `println!`, by way of [`line`].
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}

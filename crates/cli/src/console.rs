//! Lines for people and programs, who may stop reading at any time.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};

/// A line on standard output. That nobody reads it any more (`| head`) is no reason to end a training run, and is
/// ignored; that it cannot be written (a full disk) ends the program.
macro_rules! say {
    ($($part:tt)*) => { $crate::console::line(format_args!($($part)*)) };
}

/// A line on standard error, if anybody reads it.
macro_rules! note {
    ($($part:tt)*) => { $crate::console::remark(format_args!($($part)*)) };
}

pub(crate) use {note, say};

/// What [`say`] calls.
pub fn line(text: Arguments) {
    let written = writeln!(stdout(), "{text}").and_then(|()| stdout().flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        remark(format_args!("error: standard output: {error}"));
        std::process::exit(1);
    }
}

/// What [`note`] calls.
pub fn remark(text: Arguments) {
    let _ = writeln!(stderr(), "{text}");
}

//! Results to standard output, everything else to standard error. Neither ends a run when nobody reads it any more, as
//! in `prefix-workbench train | head`.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

/// A line of the result.
pub(super) fn result(line: impl Display) {
    written(writeln!(stdout().lock(), "{line}"));
}

/// A piece of the result, shown at once.
pub(super) fn piece(text: impl Display) {
    let mut out = stdout().lock();
    written(write!(out, "{text}").and_then(|()| out.flush()));
}

/// A line about what happens.
pub(super) fn note(line: impl Display) {
    // Where standard error is closed, there is nobody to tell.
    writeln!(stderr().lock(), "{line}").ok();
}

/// A question, with the cursor behind it.
pub(super) fn ask(question: impl Display) {
    let mut err = stderr().lock();
    write!(err, "{question}").and_then(|()| err.flush()).ok();
}

fn written(result: std::io::Result<()>) {
    if let Err(error) = result
        && error.kind() != ErrorKind::BrokenPipe
    {
        note(format_args!("Note: a result could not be written: {error}"));
    }
}

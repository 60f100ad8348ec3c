//! Results to standard output, everything else to standard error. Neither ends a run when nobody reads it any more, as
//! in `prefix-workbench train | head`.
//!
//! Names, cards and texts of strangers are written too, and a terminal obeys control characters: it sets its
//! title, hides lines, writes to the clipboard. They are written as JSON writes them, `\\u001b`, here and nowhere else.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

/// A line of the result.
pub(in crate::cli) fn result(line: impl Display) {
    written(writeln!(stdout().lock(), "{}", harmless(line)));
}

/// A piece of the result, shown at once.
pub(in crate::cli) fn piece(text: impl Display) {
    let mut out = stdout().lock();
    written(write!(out, "{}", harmless(text)).and_then(|()| out.flush()));
}

/// A line about what happens.
pub(in crate::cli) fn note(line: impl Display) {
    // Where standard error is closed, there is nobody to tell.
    writeln!(stderr().lock(), "{}", harmless(line)).ok();
}

/// A question, with the cursor behind it.
pub(in crate::cli) fn ask(question: impl Display) {
    let mut err = stderr().lock();
    write!(err, "{}", harmless(question)).and_then(|()| err.flush()).ok();
}

/// A name from elsewhere as part of a line: it begins no other line.
pub(in crate::cli) fn one_line(text: impl Display) -> String {
    escaped(&text.to_string(), |_| false)
}

/// Text that a terminal shows and does not obey; lines and tabs stay.
pub(in crate::cli) fn harmless(text: impl Display) -> String {
    escaped(&text.to_string(), |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, stays: fn(char) -> bool) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        // Beside the control characters those that turn the direction of what follows, so that one name looks like another.
        let obeyed = c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        match obeyed && !stays(c) {
            true => plain.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => plain.push(c),
        }
    }
    plain
}

fn written(result: std::io::Result<()>) {
    if let Err(error) = result
        && error.kind() != ErrorKind::BrokenPipe
    {
        note(format_args!("Note: a result could not be written: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(harmless("a\u{1b}]52;c;eA==\u{7}b"), "a\\u001b]52;c;eA==\\u0007b");
        assert_eq!(harmless("\u{9b}2J\r\u{7f}\u{202e}"), "\\u009b2J\\u000d\\u007f\\u202e");
        assert_eq!(harmless("é\t中\n🙂"), "é\t中\n🙂");
        let json = serde_json::to_string("\u{9b}2J").unwrap();
        assert_eq!(serde_json::from_str::<String>(&harmless(json)).unwrap(), "\u{9b}2J", "JSON says the same");
    }

    #[test]
    fn a_name_cannot_begin_a_line() {
        assert_eq!(one_line("x\nforged  finished"), "x\\u000aforged  finished");
    }
}

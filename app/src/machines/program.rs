//! The user's own programs as child processes: what they are asked, what they say, and their refusals in their own words.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use engine::Sentence;
use engine::error::{EngineError, Failure, IoAction, io_reason};
use engine::sentence;

use crate::cli::run_file::shell_word;

/// The standard output of a program.
///
/// # Errors
/// It is not there, or ends with an error: its last words are passed on.
pub(super) fn output(command: &mut Command) -> Result<String, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().map_err(|error| not_started(&name, &error))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if done.status.success() {
        return Ok(text(&done.stdout));
    }
    let said = [text(&done.stderr), text(&done.stdout)].into_iter().find(|said| !said.is_empty());
    let said = said.unwrap_or_else(|| done.status.to_string());
    Err(Failure {
        what: sentence!("{program} refuses: {said}", program = name, said),
        advice: sentence!("It was asked: {line}", line = line(command)),
    })
}

/// A command as one would type it.
pub(super) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| shell_word(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

pub(super) fn not_started(program: &str, error: &io::Error) -> Failure {
    Failure {
        what: sentence!("{program} cannot be started: {reason}", program, reason = io_reason(error)),
        advice: sentence!("Install it, or start this program where it is on the PATH"),
    }
}

/// The error of an action on a file.
pub(super) fn at(action: IoAction, path: &Path) -> impl FnOnce(io::Error) -> EngineError {
    let path = path.to_owned();
    move |source| EngineError::Io { action, path, source }
}

/// An answer that is none that is known.
pub(super) fn not_understood(program: &str, said: &str) -> Failure {
    let said: String = said.chars().take(200).collect();
    Failure {
        what: sentence!("the answer of {program} is not understood: {said}", program, said),
        advice: sentence!("Look there what came of it, and say which version it is when you report this"),
    }
}

/// The words of a line, with quotation marks as a shell has them; nothing else of a shell means anything.
///
/// # Errors
/// A quotation mark has no other.
pub fn words(line: &str) -> Result<Vec<String>, Sentence> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        None => Ok(words),
        Some(mark) => Err(sentence!("there is no second {mark} in {line}", mark, line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_words_with_quotation_marks() {
        let read = |line: &str| words(line).unwrap();
        assert_eq!(read(" --partition=gpu   --time=2:00:00 "), ["--partition=gpu", "--time=2:00:00"]);
        assert_eq!(read("--comment 'two words' --x=\"a 'b'\" ''"), ["--comment", "two words", "--x=a 'b'", ""]);
        assert!(read("").is_empty() && words("--comment='a").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_refusal_has_the_words_of_the_program_and_what_it_was_asked() {
        let refused = output(Command::new("sh").args(["-c", "echo 'no such partition' >&2; exit 3"])).unwrap_err();
        assert_eq!(refused.what.to_string(), "sh refuses: no such partition");
        assert!(refused.advice.to_string().contains("sh -c"), "{refused:?}");
        let missing = output(&mut Command::new("/nowhere/sbatch")).unwrap_err();
        assert!(missing.what.to_string().starts_with("/nowhere/sbatch cannot be started"), "{missing:?}");
        assert_eq!(output(Command::new("sh").args(["-c", "echo 7"])).unwrap(), "7");
    }
}

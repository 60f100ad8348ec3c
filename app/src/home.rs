//! `~` in a path that somebody wrote: the folder of the user, as shells read it. A shell does so only at the beginning of
//! a word, so not in `--set data.train=~/rows.jsonl`, and nobody does in a run file or a field of the window.

use std::path::{Path, PathBuf};

/// The path with the user's folder in place of a `~` that begins it.
pub fn at_home(path: &Path) -> PathBuf {
    at(path, directories::BaseDirs::new().as_ref().map(directories::BaseDirs::home_dir))
}

/// The path of a field: without white space around it, `~` resolved.
pub fn typed(text: &str) -> PathBuf {
    at_home(Path::new(text.trim()))
}

fn at(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        // Nothing is joined to the folder itself, which would end it in a separator.
        (Ok(rest), Some(home)) if rest.as_os_str().is_empty() => home.to_owned(),
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_that_begins_a_path_is_the_users_folder() {
        let home = Some(Path::new("/home/me"));
        for (written, read) in [
            ("~", "/home/me"),
            ("~/", "/home/me"),
            ("~/models/gpt2", "/home/me/models/gpt2"),
            ("~you/models", "~you/models"),
            ("/data/~/x", "/data/~/x"),
            ("a~", "a~"),
            ("", ""),
        ] {
            assert_eq!(at(Path::new(written), home), PathBuf::from(read), "{written}");
        }
        assert_eq!(at(Path::new("~/x"), None), PathBuf::from("~/x"));
        assert!(typed("  ~/x ").is_absolute());
    }
}

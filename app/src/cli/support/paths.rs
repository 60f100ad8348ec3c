//! Paths as arguments.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::home::at_home;

/// Reads a path; one that begins with `~` is in the user's folder, also where the shell does not say so, as in `--data=~/x`.
pub(in crate::cli) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| at_home(&path))
}

//! Paths as arguments.

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::cli::support::error::CliError;
use crate::home::at_home;

/// Reads a path; one that begins with `~` is in the user's folder, also where the shell does not say so, as in `--data=~/x`.
pub(in crate::cli) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| at_home(&path))
}

/// A path that means the same in another folder.
pub(in crate::cli) fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|error| CliError::io("find", path, &error))
}

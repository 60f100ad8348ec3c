//! The name of a run.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Name of a run's folder, and of its row: short, sortable by time, unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub String);

impl RunId {
    /// Whether it can be the name of a run's folder: one part of a path, not hidden.
    pub fn is_a_name(&self) -> bool {
        let path = Path::new(&self.0);
        !self.0.starts_with('.') && path.file_name().is_some_and(|name| name == path)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

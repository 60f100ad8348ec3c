//! References of a row, and the number of them in a signature.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::TextRow;

/// A row's references, an empty one where it has none.
pub(super) fn references(row: &TextRow) -> Vec<&str> {
    if row.references.is_empty() { vec![""] } else { row.references.iter().map(String::as_str).collect() }
}

/// Number of references of each row that was scored, as `nrefs` of sacreBLEU's signature says it.
#[derive(Debug, Default)]
pub(super) struct ReferenceCount(AtomicUsize);

/// Rows differ in their number of references.
const VARIABLE: usize = usize::MAX;

impl ReferenceCount {
    pub(super) fn note(&self, rows: &[TextRow]) {
        for count in rows.iter().map(|row| row.references.len().max(1)) {
            match self.0.load(Ordering::Relaxed) {
                0 => self.0.store(count, Ordering::Relaxed),
                known if known == count => {}
                _ => self.0.store(VARIABLE, Ordering::Relaxed),
            }
        }
    }

    /// The field with its separator, nothing before a row was scored.
    pub(super) fn field(&self) -> String {
        match self.0.load(Ordering::Relaxed) {
            0 => String::new(),
            VARIABLE => "nrefs:var|".to_owned(),
            count => format!("nrefs:{count}|"),
        }
    }
}

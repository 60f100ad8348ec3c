//! Nearest tokens as a table for other programs.

use std::path::Path;

use crate::error::{EngineError, Result};
use crate::message::{Metric, NeighbourList, Side};
use crate::weights::write_whole;

const COLUMNS: [&str; 13] = [
    "side",
    "metric",
    "layer",
    "position",
    "list",
    "rank",
    "token",
    "text",
    "score",
    "random_mean",
    "random_sd",
    "vocabulary_mean",
    "vocabulary_sd",
];

/// Lists, each with what was asked for it, as CSV: a header, then one row per rank of the trained values and of those
/// before training.
pub fn neighbours_table<'a>(lists: impl IntoIterator<Item = (Side, Metric, &'a NeighbourList)>) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut written = table.write_record(COLUMNS).is_ok();
    for (side, metric, list) in lists {
        for (name, neighbours) in [("trained", &list.nearest), ("initial", &list.initial)] {
            for (rank, near) in (1..).zip(neighbours) {
                let cell = (side, metric, list.layer, list.position, name, rank);
                let found = (near.token, &near.text, near.score);
                written &= table.serialize((cell, found, list.random_best, list.vocabulary)).is_ok();
            }
        }
    }
    debug_assert!(written, "writing into memory does not fail");
    table.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Writes [`neighbours_table`] to a file, whole or not at all.
///
/// # Errors
/// [`EngineError::Io`] when the file cannot be written.
pub fn export_neighbours<'a>(
    path: &Path,
    lists: impl IntoIterator<Item = (Side, Metric, &'a NeighbourList)>,
) -> Result<(), EngineError> {
    let path = std::path::absolute(path).map_err(EngineError::io("write", path))?;
    write_whole(&path, neighbours_table(lists).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Neighbour;

    #[test]
    fn texts_with_commas_quotes_and_line_ends_come_back_as_they_were() {
        let neighbour = |token, text: &str| Neighbour { token, text: text.into(), score: 0.5 };
        let list = NeighbourList {
            layer: 3,
            position: 1,
            nearest: vec![neighbour(7, "a,\"b\"\n"), neighbour(8, "\u{4f60}")],
            initial: vec![neighbour(9, "=1+1")],
            random_best: (0.25, 0.125),
            vocabulary: (0.0, 0.1),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("neighbours.csv");
        export_neighbours(&path, [(Side::Value, Metric::Cosine, &list)]).unwrap();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS);
        let rows: Vec<csv::StringRecord> = reader.records().collect::<csv::Result<_>>().unwrap();
        let first =
            ["value", "cosine", "3", "1", "trained", "1", "7", "a,\"b\"\n", "0.5", "0.25", "0.125", "0.0", "0.1"];
        assert_eq!(rows[0].iter().collect::<Vec<_>>(), first);
        assert_eq!((&rows[1][5], &rows[1][7]), ("2", "\u{4f60}"));
        assert_eq!((rows.len(), &rows[2][4], &rows[2][7]), (3, "initial", "=1+1"));
        assert!(export_neighbours(&folder.path().join("none/a.csv"), []).is_err());
    }
}

//! Nearest tokens as a table for other programs.

use std::path::Path;

use crate::analysis::{Metric, NeighborList, Side, Space};
use crate::error::{EngineError, IoAction, Result};
use crate::files::write_whole;

const COLUMNS: [&str; 19] = [
    "side",
    "metric",
    "space",
    "layer",
    "position",
    "list",
    "rank",
    "token",
    "text",
    "score",
    "z",
    "z_before_training",
    "vocabulary_tokens",
    "vocabulary_mean",
    "vocabulary_sd",
    "chance_best_z",
    "chance_limit_z",
    "p",
    "head",
];

/// The question that a list answers: vectors, metric and space.
pub type Asked = (Side, Metric, Space);

/// Lists, each with what was asked for it, as CSV: a header, then one row per rank of the trained values and of those
/// before training. Layers and positions count from 0, as in JSON and in the files of an adapter.
pub fn neighbors_table<'a>(lists: impl IntoIterator<Item = (Asked, &'a NeighborList)>) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut written = table.write_record(COLUMNS).is_ok();
    for (asked, list) in lists {
        for (name, neighbors) in [("trained", &list.nearest), ("initial", &list.initial)] {
            for (rank, near) in (1..).zip(neighbors) {
                let (side, metric, space) = asked;
                let cell = (side, metric, space.name(), list.layer, list.position, name, rank);
                let found = (near.token, &near.text, near.score, near.z, near.before);
                // What was there before training is another vector, with another mean.
                let all = (name == "trained").then_some(&list.vocabulary);
                let lie = (all.map(|all| all.tokens), all.map(|all| all.mean), all.map(|all| all.sd));
                let judged =
                    (all.map(|all| all.best), all.and_then(|all| all.limit), all.map(|all| all.p(near.z)), list.head);
                written &= table.serialize((cell, found, lie, judged)).is_ok();
            }
        }
    }
    debug_assert!(written, "writing into memory does not fail");
    table.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Writes [`neighbors_table`] to a file, whole or not at all.
///
/// # Errors
/// [`EngineError::Io`] when the file cannot be written.
pub fn export_neighbors<'a>(
    path: &Path,
    lists: impl IntoIterator<Item = (Asked, &'a NeighborList)>,
) -> Result<(), EngineError> {
    let path = std::path::absolute(path).map_err(EngineError::io(IoAction::Write, path))?;
    write_whole(&path, neighbors_table(lists).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Neighbor, VocabularyScores};

    #[test]
    fn texts_with_commas_quotes_and_line_ends_come_back_as_they_were() {
        let neighbor = |token, text: &str| Neighbor { token, text: text.into(), score: 0.5, z: 5.0, before: Some(1.5) };
        let list = NeighborList {
            layer: 3,
            position: 1,
            head: Some(2),
            nearest: vec![neighbor(7, "a,\"b\"\n"), neighbor(8, "\u{4f60}")],
            initial: vec![Neighbor { before: None, ..neighbor(9, "=1+1") }],
            vocabulary: VocabularyScores {
                tokens: 90,
                mean: 0.25,
                sd: 0.125,
                best: 2.5,
                limit: Some(3.25),
                ..VocabularyScores::default()
            },
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("neighbors.csv");
        export_neighbors(&path, [((Side::Value, Metric::Cosine, Space::Whitened), &list)]).unwrap();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS);
        let rows: Vec<csv::StringRecord> = reader.records().collect::<csv::Result<_>>().unwrap();
        let asked = ["value", "cosine", "whitened", "3", "1"];
        let first = ["trained", "1", "7", "a,\"b\"\n", "0.5", "5.0", "1.5", "90", "0.25", "0.125", "2.5", "3.25"];
        assert_eq!(rows[0].iter().take(17).collect::<Vec<_>>(), [&asked[..], &first].concat());
        assert_eq!((rows[0][17].parse(), &rows[0][18]), (Ok(list.vocabulary.p(5.0)), "2"));
        assert_eq!((&rows[1][6], &rows[1][8]), ("2", "\u{4f60}"));
        let last = ["initial", "1", "9", "=1+1", "0.5", "5.0", "", "", "", "", "", "", "", "2"];
        assert_eq!(rows[2].iter().collect::<Vec<_>>(), [&asked[..], &last].concat());
        assert!(export_neighbors(&folder.path().join("none/a.csv"), []).is_err());
    }
}

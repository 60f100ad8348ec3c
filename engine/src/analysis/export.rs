//! Nearest tokens as a table for other programs.

use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{EngineError, Result};
use crate::message::{Metric, NeighbourList, Side};

const COLUMNS: [&str; 15] = [
    "layer",
    "position",
    "side",
    "metric",
    "rank",
    "token",
    "text",
    "score",
    "initial_token",
    "initial_text",
    "initial_score",
    "random_best_mean",
    "random_best_sd",
    "vocabulary_mean",
    "vocabulary_sd",
];

/// Writes lists as CSV (UTF-8, a header, one row per rank), whole or not at all. The initial columns are empty where
/// the values before training are not known.
///
/// # Errors
/// [`EngineError::Io`] when the file cannot be written.
pub fn export_neighbours(path: &Path, side: Side, metric: Metric, lists: &[NeighbourList]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = NamedTempFile::new_in(folder).map_err(EngineError::io("create", path))?;
    let mut table = csv::Writer::from_writer(file);
    write(&mut table, side, metric, lists).map_err(|error| EngineError::io("write", path)(error.into()))?;
    let file = table.into_inner().map_err(|error| EngineError::io("write", path)(error.into_error()))?;
    file.as_file().sync_all().map_err(EngineError::io("write", path))?;
    file.persist(path).map_err(|error| EngineError::io("write", path)(error.error))?;
    Ok(())
}

fn write<W: std::io::Write>(
    table: &mut csv::Writer<W>,
    side: Side,
    metric: Metric,
    lists: &[NeighbourList],
) -> csv::Result<()> {
    let side = match side {
        Side::Key => "key",
        Side::Value => "value",
    };
    let metric = match metric {
        Metric::Cosine => "cosine",
        Metric::Dot => "dot",
        Metric::L2 => "l2",
    };
    table.write_record(COLUMNS)?;
    for list in lists {
        for (index, nearest) in list.nearest.iter().enumerate() {
            let initial = list.initial.get(index);
            let initial_token = initial.map(|initial| initial.token.to_string()).unwrap_or_default();
            let initial_score = initial.map(|initial| initial.score.to_string()).unwrap_or_default();
            table.write_record([
                list.layer.to_string().as_str(),
                &list.position.to_string(),
                side,
                metric,
                &(index + 1).to_string(),
                &nearest.token.to_string(),
                &nearest.text,
                &nearest.score.to_string(),
                &initial_token,
                initial.map_or("", |initial| &initial.text),
                &initial_score,
                &list.random_best.0.to_string(),
                &list.random_best.1.to_string(),
                &list.vocabulary.0.to_string(),
                &list.vocabulary.1.to_string(),
            ])?;
        }
    }
    table.flush()?;
    Ok(())
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
        export_neighbours(&path, Side::Value, Metric::Cosine, &[list]).unwrap();
        let rows: Vec<csv::StringRecord> =
            csv::Reader::from_path(&path).unwrap().records().collect::<csv::Result<_>>().unwrap();
        let first = [
            "3",
            "1",
            "value",
            "cosine",
            "1",
            "7",
            "a,\"b\"\n",
            "0.5",
            "9",
            "=1+1",
            "0.5",
            "0.25",
            "0.125",
            "0",
            "0.1",
        ];
        assert_eq!(rows[0].iter().collect::<Vec<_>>(), first);
        assert_eq!((&rows[1][6], &rows[1][8], &rows[1][9]), ("\u{4f60}", "", ""));
        assert!(export_neighbours(&folder.path().join("none/a.csv"), Side::Key, Metric::L2, &[]).is_err());
    }
}

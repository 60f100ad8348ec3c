//! A file of predictions: a JSON object a line, written as they are made.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::record_of;
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::files::{self, Kind, if_there};
use crate::{Sentence, sentence};

/// What was written for one source, beside what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictedRow {
    /// The first row of its file that has the source, from 1.
    #[serde(default)]
    pub row: usize,
    /// The prompt or source.
    #[serde(default)]
    pub source: String,
    /// Text of the model.
    pub prediction: String,
    /// Texts that would be right.
    pub references: Vec<String>,
    /// Its value in the column that the figures are given by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Reads a file of predictions, also one that another program wrote: `prediction`, and `references` (a list or one text).
///
/// # Errors
/// It cannot be read, has no rows, or a row is something else.
pub fn read_predictions(path: &Path) -> Result<Vec<PredictedRow>> {
    let bytes = files::read(path, Kind::Rows)?;
    let malformed = |row: usize, reason: Sentence| EngineError::BadRow { row, path: path.to_owned(), reason };
    let mut rows = Vec::new();
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    for (line, number) in lines.zip(1..) {
        rows.push(parse(line, number).map_err(|reason| malformed(number, reason))?);
    }
    match rows.is_empty() {
        true => Err(malformed(1, sentence!("there are no predictions"))),
        false => Ok(rows),
    }
}

fn parse(line: &[u8], number: usize) -> Result<PredictedRow, Sentence> {
    let mut value: Value = serde_json::from_slice(line).map_err(|error| json_reason(&error))?;
    if let Some(references) = value.get_mut("references")
        && references.is_string()
    {
        *references = Value::Array(vec![references.take()]);
    }
    let mut row: PredictedRow = serde_json::from_value(value).map_err(|error| json_reason(&error))?;
    if row.references.is_empty() {
        return Err(sentence!("it has no references to hold the prediction against"));
    }
    if row.row == 0 {
        row.row = number;
    }
    Ok(row)
}

/// Name of a file of predictions made with certain settings on certain rows: letters, digits and what joins them.
pub fn file_name(rows: &str, digest: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let stem: String = rows.chars().map(plain).take(60).collect();
    let stem = stem.trim_matches('-');
    let stem = if stem.is_empty() { "rows" } else { stem };
    format!("{stem}-{}.jsonl", digest.get(..8).unwrap_or(digest))
}

/// A file of predictions that grows.
#[derive(Debug)]
pub struct PredictionFile {
    path: PathBuf,
    file: File,
}

impl PredictionFile {
    /// Opens a file, and gives the rows that are there already, where they were made with the settings of this digest. What a
    /// killed program left half written is made anew.
    ///
    /// # Errors
    /// The file has no ending that is known, cannot be written, or holds predictions of other settings.
    pub fn open(path: &Path, digest: &str) -> Result<(Self, Vec<PredictedRow>)> {
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            let reason = sentence!("the name of a file of predictions ends in .jsonl");
            return Err(EngineError::Setting { field: "predictions", reason });
        }
        let text = if_there(files::read(path, Kind::RunLines))?.unwrap_or_default();
        let is_ours = record_of(path)?.is_some_and(|record| record.digest == digest);
        if !text.is_empty() && !is_ours {
            let reason = sentence!(
                "there are predictions of other settings or another program; choose another name or take them away"
            );
            return Err(EngineError::Setting { field: "predictions", reason });
        }
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let mut seen = BTreeSet::new();
        let rows: Vec<PredictedRow> =
            lines.filter_map(|line| parse(line, 0).ok()).filter(|row| seen.insert(row.row)).collect();
        let this = Self { path: path.to_owned(), file: write_rows(path, &rows)? };
        Ok((this, rows))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, row: &PredictedRow) -> Result<()> {
        self.file.write_all(&line(row)?).map_err(EngineError::io(IoAction::Write, &self.path))
    }

    /// Writes the rows again, in their order.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn close(self, rows: &[PredictedRow]) -> Result<()> {
        write_rows(&self.path, rows).map(|_| ())
    }
}

fn write_rows(path: &Path, rows: &[PredictedRow]) -> Result<File> {
    let lines = rows.iter().map(line).collect::<Result<Vec<_>>>()?;
    files::write_whole(path, &lines.concat())?;
    files::append(path)
}

fn line(row: &PredictedRow) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(row).map_err(|error| EngineError::Computation(Sentence::verbatim(error)))?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::super::record::EvaluationRecord;
    use super::*;

    fn row(number: usize) -> PredictedRow {
        let (source, prediction) = (format!("s{number}"), "你好\n".to_owned());
        PredictedRow { row: number, source, prediction, references: vec!["a".to_owned()], group: None }
    }

    fn recorded(path: &Path, digest: &str) {
        EvaluationRecord { digest: digest.to_owned(), ..EvaluationRecord::default() }.write(path).unwrap();
    }

    #[test]
    fn rows_that_are_there_are_kept_and_a_torn_one_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.jsonl");
        recorded(&path, "one");
        let (mut file, there) = PredictionFile::open(&path, "one").unwrap();
        assert_eq!(there, []);
        file.push(&row(2)).unwrap();
        drop(file);
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"row\": 3, \"pred").unwrap();
        let (mut file, there) = PredictionFile::open(&path, "one").unwrap();
        assert_eq!(there, [row(2)]);
        file.push(&row(1)).unwrap();
        assert_eq!(read_predictions(&path).unwrap(), [row(2), row(1)]);
        file.close(&[row(1), row(2)]).unwrap();
        assert_eq!(read_predictions(&path).unwrap(), [row(1), row(2)]);
    }

    #[test]
    fn predictions_of_other_settings_are_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.jsonl");
        std::fs::write(&path, "{\"prediction\": \"mine\", \"references\": [\"a\"]}\n").unwrap();
        assert!(PredictionFile::open(&path, "one").is_err(), "another program's");
        recorded(&path, "two");
        assert!(PredictionFile::open(&path, "one").unwrap_err().to_string().contains("other settings"));
        assert!(PredictionFile::open(&folder.path().join("p.json"), "one").is_err(), "its record has that name");
        assert!(std::fs::read_to_string(&path).unwrap().contains("mine"));
    }

    #[test]
    fn predictions_of_other_programs_are_read_and_a_row_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.jsonl");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_predictions(&path)
        };
        let rows =
            read("{\"prediction\": \"x\", \"references\": \"a\"}\n\n{\"prediction\": \"y\", \"references\": [\"b\"]}");
        let rows = rows.unwrap();
        assert_eq!((rows[0].references.as_slice(), rows[1].row), (&["a".to_owned()][..], 2));
        for text in ["", "{\"prediction\": \"x\"}", "{\"prediction\": \"x\", \"references\": []}", "text"] {
            assert!(matches!(read(text), Err(EngineError::BadRow { row: 1, .. })), "{text}");
        }
    }

    #[test]
    fn a_name_has_nothing_that_leads_elsewhere() {
        assert_eq!(file_name("test", "0123456789"), "test-01234567.jsonl");
        assert_eq!(file_name("../../a b", "0123456789"), "a-b-01234567.jsonl");
        assert_eq!(file_name("..", "01"), "rows-01.jsonl");
        assert_eq!(file_name("测试", "01"), "测试-01.jsonl");
    }
}

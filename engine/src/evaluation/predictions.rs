//! A file of predictions: a JSON object a line, written as they are made.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::record_of;
use crate::data::{self, Predictions};
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind, Lines, if_there};
use crate::{Sentence, sentence};

/// What was written for one source, beside what would be right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// The question that it answers with other rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Probability that its question has no answer.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "no_answer_probability")]
    pub no_answer: Option<f64>,
}

/// Reads a file of predictions with their references, also one that another program wrote: see [`crate::data::read_predictions`].
///
/// # Errors
/// It cannot be read, has no rows, or a row is something else or has no reference.
pub fn read_predictions(path: &Path) -> Result<Vec<PredictedRow>> {
    let mut rows = Vec::new();
    each_part(path, &mut |part| {
        rows.extend(part);
        Ok(())
    })?;
    Ok(rows)
}

/// Goes over the same rows, some thousand at a time.
pub(super) fn each_part(path: &Path, each: &mut dyn FnMut(Vec<PredictedRow>) -> Result<()>) -> Result<()> {
    let mut n_before = 0;
    data::each_part_of_predictions(path, &mut |Predictions { texts, references, others }| {
        let references = references.ok_or_else(|| EngineError::NoReferences { path: path.to_owned() })?;
        let mut rows = Vec::with_capacity(texts.len());
        for ((prediction, references), others) in texts.into_iter().zip(references).zip(others) {
            let number = n_before + rows.len() + 1;
            let no_answer = data::no_answer_of(&others);
            if references.is_empty() && no_answer.is_none() {
                let reason = sentence!("it has no references to hold the prediction against");
                return Err(EngineError::BadRow { row: number, path: path.to_owned(), reason });
            }
            let text = |key: &str| others.get(key).and_then(Value::as_str).map(str::to_owned);
            let row = others.get("row").and_then(Value::as_u64).and_then(|row| usize::try_from(row).ok());
            rows.push(PredictedRow {
                row: row.filter(|&row| row > 0).unwrap_or(number),
                source: text("source").unwrap_or_default(),
                prediction,
                references,
                group: text("group"),
                question: data::question_of(&others),
                no_answer,
            });
        }
        n_before += rows.len();
        each(rows)
    })
}

/// Name of a file of predictions made with certain settings on certain rows: letters, digits and what joins them.
pub fn file_name(rows: &str, digest: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let stem: String = rows.chars().map(plain).take(60).collect();
    let stem = stem.trim_matches('-');
    let stem = if stem.is_empty() { "rows" } else { stem };
    format!("{stem}-{}.jsonl", digest.get(..8).unwrap_or(digest))
}

/// A file of predictions that grows. What is in memory of a row is where its line stands.
#[derive(Debug)]
pub struct PredictionFile {
    path: PathBuf,
    file: File,
    /// Number of each row, and where its line begins and ends.
    lines: Vec<(usize, Range<u64>)>,
}

impl PredictionFile {
    /// Opens a file, and gives the numbers of the rows that are there already, where they were made with the settings of this
    /// digest. What a killed program left half written is made anew.
    ///
    /// # Errors
    /// The file has no ending that is known, cannot be written, or holds predictions of other settings.
    pub fn open(path: &Path, digest: &str) -> Result<(Self, BTreeSet<usize>)> {
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            let reason = sentence!("the name of a file of predictions ends in .jsonl");
            return Err(EngineError::Setting { field: "predictions", reason });
        }
        let is_ours = record_of(path)?.is_some_and(|record| record.digest == digest);
        let there = if_there(Lines::open(path, Kind::RunLines, 0))?;
        let size = std::fs::metadata(path).map_or(0, |found| found.len());
        if size > 0 && there.is_some() && !is_ours {
            let reason = sentence!(
                "there are predictions of other settings or another program; choose another name or take them away"
            );
            return Err(EngineError::Setting { field: "predictions", reason });
        }
        let mut seen = BTreeSet::new();
        let mut lines = Vec::new();
        if let Some(mut there) = there {
            while let Some(line) = there.next_line()? {
                let row = serde_json::from_slice::<PredictedRow>(line).ok().map(|row| row.row);
                let n = line.len() as u64;
                let place = there.end() - n..there.end();
                lines.extend(row.filter(|row| seen.insert(*row)).map(|row| (row, place)));
            }
        }
        write_lines(path, &mut lines, size)?;
        let this = Self { path: path.to_owned(), file: files::append(path)?, lines };
        Ok((this, seen))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, row: &PredictedRow) -> Result<()> {
        let line = line(row)?;
        self.file.write_all(&line).map_err(EngineError::io(IoAction::Write, &self.path))?;
        let begin = self.lines.iter().next_back().map_or(0, |(_, place)| place.end);
        self.lines.push((row.row, begin..begin + line.len() as u64));
        Ok(())
    }

    /// Writes the rows again, in their order.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn close(self) -> Result<()> {
        let Self { path, file, mut lines } = self;
        drop(file);
        let size = lines.iter().next_back().map_or(0, |(_, place)| place.end);
        lines.sort_by_key(|(row, _)| *row);
        write_lines(&path, &mut lines, size)
    }
}

/// Writes these lines of a file of some size, one behind another, in its place; where they stand then is noted.
fn write_lines(path: &Path, lines: &mut [(usize, Range<u64>)], size: u64) -> Result<()> {
    let mut end = 0;
    let is_so = lines.iter().all(|(_, place)| {
        let follows = place.start == end;
        end = place.end;
        follows
    });
    if is_so && end == size && path.exists() {
        return Ok(());
    }
    let mut from = if_there(files::open(path, Kind::RunLines))?;
    let mut bytes = Vec::new();
    let mut copy = |to: &mut dyn Write| {
        let mut end = 0;
        for (_, place) in &mut *lines {
            let Some(from) = &mut from else { break };
            bytes.resize(usize::try_from(place.end - place.start).map_err(io::Error::other)?, 0);
            from.seek(SeekFrom::Start(place.start))?;
            from.read_exact(&mut bytes)?;
            to.write_all(&bytes)?;
            *place = end..end + bytes.len() as u64;
            end = place.end;
        }
        // A file that is open is not replaced everywhere.
        from = None;
        Ok(())
    };
    files::write_with(path, |to| copy(to).map_err(EngineError::io(IoAction::Write, path)))
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
        PredictedRow { row: number, source, prediction, references: vec!["a".to_owned()], ..PredictedRow::default() }
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
        assert!(there.is_empty());
        file.push(&row(2)).unwrap();
        drop(file);
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"row\": 3, \"pred").unwrap();
        let (mut file, there) = PredictionFile::open(&path, "one").unwrap();
        assert_eq!(there, BTreeSet::from([2]));
        file.push(&row(1)).unwrap();
        assert_eq!(read_predictions(&path).unwrap(), [row(2), row(1)]);
        file.close().unwrap();
        assert_eq!(read_predictions(&path).unwrap(), [row(1), row(2)]);
        let (mut file, there) = PredictionFile::open(&path, "one").unwrap();
        assert_eq!(there, BTreeSet::from([1, 2]));
        file.push(&row(5)).unwrap();
        file.push(&row(3)).unwrap();
        file.close().unwrap();
        assert_eq!(read_predictions(&path).unwrap(), [1, 2, 3, 5].map(row));
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
        let rows = read("{\"predict\": \"x\", \"labels\": \"a\", \"row\": 7, \"group\": \"g\"}").unwrap();
        assert_eq!((rows[0].row, rows[0].prediction.as_str(), rows[0].group.as_deref()), (7, "x", Some("g")));
        assert!(matches!(read(""), Err(EngineError::Malformed { .. })), "no rows");
        assert!(matches!(read("{\"prediction\": \"x\"}"), Err(EngineError::NoReferences { .. })));
        for text in ["{\"prediction\": \"x\", \"references\": []}", "text"] {
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

//! Files of predictions and of references, as any program writes them: a JSON object a line, one JSON array, or a text a
//! line; references also as those of the E2E challenge, several lines for each text and an empty line between them.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use super::text_encoding::as_utf8;
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::files::{self, Kind};
use crate::metrics::TextRow;
use crate::{Sentence, sentence};

/// Keys of a prediction: ours, and those of other programs (`predict` is ChatGLM's).
const PREDICTION_KEYS: [&str; 7] =
    ["prediction", "predicted", "generated", "generated_text", "predict", "text", "hypothesis"];
/// Keys of what would be right.
const REFERENCE_KEYS: [&str; 6] = ["references", "reference", "answers", "targets", "target", "labels"];

/// Keys of the question that several rows answer: MultiRC's `idx` has its paragraph and its question.
const QUESTION_KEYS: [&str; 3] = ["question_id", "idx", "question"];
/// Keys of the probability that there is no answer: those of the evaluate library, of SQuAD's script and of transformers.
const NO_ANSWER_KEYS: [&str; 4] = ["no_answer_probability", "na_prob", "null_odds", "no_answer"];
/// Bytes of a file of JSON lines above which a part of it is read at a time.
const LARGE: u64 = 16 << 20;
/// Rows of a part.
const PART: usize = 4096;
/// Bytes of the longest line.
const LONGEST_LINE: u64 = 256 << 20;

/// A file of predictions, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Predictions {
    /// The texts, row by row.
    pub texts: Vec<String>,
    /// What would be right, where every row has it beside its prediction.
    pub references: Option<Vec<Vec<String>>>,
    /// What else stands in the row of each; empty where rows are plain texts.
    pub others: Vec<Map<String, Value>>,
}

/// Reads predictions, with references where the file has those too.
///
/// # Errors
/// The file cannot be read, has no rows, or a row has no prediction.
pub fn read_predictions(path: &Path) -> Result<Predictions> {
    match read(path)? {
        Content::Lines(texts) => Ok(Predictions { texts, ..Predictions::default() }),
        Content::Rows(rows) => of_rows(rows, path, 0),
    }
}

/// Goes over the predictions of a file in parts, so that one of any size takes no more memory than some thousand rows.
///
/// # Errors
/// As [`read_predictions`], and those of `each`.
pub fn each_part_of_predictions(path: &Path, each: &mut dyn FnMut(Predictions) -> Result<()>) -> Result<()> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let file = files::open(path, Kind::Rows)?;
    let failed = |error| EngineError::io(IoAction::Read, path)(error);
    let mut reader = BufReader::new(&file);
    let is_lines =
        ["jsonl", "ndjson"].contains(&ending.as_str()) && reader.fill_buf().map_err(failed)?.starts_with(b"{");
    if !is_lines || file.metadata().map_err(failed)?.len() <= LARGE {
        return each(read_predictions(path)?);
    }
    let (mut line, mut rows, mut before) = (Vec::new(), Vec::new(), 0);
    loop {
        line.clear();
        let n = std::io::Read::take(&mut reader, LONGEST_LINE).read_until(b'\n', &mut line).map_err(failed)?;
        if n > 0 && !line.trim_ascii().is_empty() {
            let row = serde_json::from_slice(line.trim_ascii());
            rows.push(row.map_err(|error| bad_row(path, before + rows.len(), json_reason(&error)))?);
        }
        if rows.len() >= PART || (n == 0 && !rows.is_empty()) {
            let part = std::mem::take(&mut rows);
            let first = before;
            before += part.len();
            each(of_rows(part, path, first)?)?;
        }
        if n == 0 {
            return Ok(());
        }
    }
}

/// Predictions of some rows behind `before` others.
fn of_rows(rows: Vec<Value>, path: &Path, before: usize) -> Result<Predictions> {
    let bad_row = |row: usize, reason| bad_row(path, before + row, reason);
    let text = |(row, value): (usize, &Value)| prediction_of(value).map_err(|reason| bad_row(row, reason));
    let texts = rows.iter().enumerate().map(text).collect::<Result<Vec<_>>>()?;
    let mut references = Vec::with_capacity(rows.len());
    for (row, value) in rows.iter().enumerate() {
        match value.as_object().and_then(|fields| found(fields, &REFERENCE_KEYS)) {
            Some(value) => references.push(references_of(value).map_err(|reason| bad_row(row, reason))?),
            None if references.is_empty() => {}
            None => return Err(bad_row(row, sentence!("it has no references, and rows before it have"))),
        }
    }
    let others = rows.into_iter().map(others).collect();
    // The first rows may have been without.
    match references.len() {
        0 => Ok(Predictions { texts, references: None, others }),
        n if n == texts.len() => Ok(Predictions { texts, references: Some(references), others }),
        _ => Err(bad_row(0, sentence!("it has no references, and rows behind it have"))),
    }
}

/// The question that a row answers with others, from what stands beside its prediction.
pub fn question_of(others: &Map<String, Value>) -> Option<String> {
    let value = found(others, &QUESTION_KEYS)?;
    let number = |name: &str| value.get(name).filter(|value| !value.is_object() && !value.is_array());
    match value {
        Value::Object(_) => Some(format!("{}-{}", number("paragraph")?, number("question")?)),
        value => text_of(value).ok(),
    }
}

/// The probability that its question has no answer, from what stands beside a prediction.
pub fn no_answer_of(others: &Map<String, Value>) -> Option<f64> {
    found(others, &NO_ANSWER_KEYS)?.as_f64()
}

/// Reads the references of `n_rows` predictions.
///
/// # Errors
/// The file cannot be read, a row of it is something else, or it is for another number of rows.
pub fn read_references(path: &Path, n_rows: usize) -> Result<Vec<Vec<String>>> {
    let references = match read(path)? {
        Content::Lines(lines) => of_lines(lines, n_rows),
        Content::Rows(rows) => {
            let of = |(row, value): (usize, &Value)| {
                let value = match value.as_object() {
                    Some(fields) => found(fields, &REFERENCE_KEYS).or_else(|| found(fields, &PREDICTION_KEYS)),
                    None => Some(value),
                };
                let value = value.ok_or_else(|| no_key(&REFERENCE_KEYS));
                value.and_then(references_of).map_err(|reason| bad_row(path, row, reason))
            };
            rows.iter().enumerate().map(of).collect::<Result<_>>()?
        }
    };
    match references.len() {
        n if n == n_rows => Ok(references),
        found => Err(EngineError::UnequalRows { path: path.to_owned(), found, wanted: n_rows }),
    }
}

/// Predictions with their references, which stand in a file of their own or beside them.
///
/// # Errors
/// As [`read_predictions`] and [`read_references`]; [`EngineError::NoReferences`] where neither file has any.
pub fn read_text_rows(predictions: &Path, references: Option<&Path>) -> Result<Vec<TextRow>> {
    let Predictions { texts, references: beside, mut others } = read_predictions(predictions)?;
    let references = match (references, beside) {
        (Some(path), _) => read_references(path, texts.len())?,
        (None, Some(beside)) => beside,
        (None, None) => return Err(EngineError::NoReferences { path: predictions.to_owned() }),
    };
    others.resize(texts.len(), Map::new());
    let row = |((prediction, references), others)| TextRow {
        prediction,
        references,
        question: question_of(&others),
        no_answer: no_answer_of(&others),
    };
    Ok(texts.into_iter().zip(references).zip(others).map(row).collect())
}

enum Content {
    Lines(Vec<String>),
    Rows(Vec<Value>),
}

fn read(path: &Path) -> Result<Content> {
    let bytes = files::read(path, Kind::Rows)?;
    let (bytes, _) = as_utf8(&bytes);
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|&&byte| byte == b'\n').count();
        EngineError::BadRow { row: line, path: path.to_owned(), reason: sentence!("it is not UTF-8") }
    })?;
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let content = match ending.as_str() {
        "json" if text.trim_start().starts_with('[') => Content::Rows(array(text, path)?),
        "jsonl" | "ndjson" | "json" => Content::Rows(objects(text, path)?),
        _ if is_json_lines(text) => Content::Rows(objects(text, path)?),
        _ => Content::Lines(lines(text)),
    };
    let is_empty = match &content {
        Content::Lines(lines) => lines.is_empty(),
        Content::Rows(rows) => rows.is_empty(),
    };
    let reason = || sentence!("there are no rows");
    if is_empty { Err(malformed(path, reason())) } else { Ok(content) }
}

/// Whether the first line is an object, whatever the file is called.
fn is_json_lines(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    first.trim_start().starts_with('{') && serde_json::from_str::<Map<String, Value>>(first).is_ok()
}

fn array(text: &str, path: &Path) -> Result<Vec<Value>> {
    serde_json::from_str(text).map_err(|error| malformed(path, json_reason(&error)))
}

fn objects(text: &str, path: &Path) -> Result<Vec<Value>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(row, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| bad_row(path, row, json_reason(&error)))
    };
    lines.map(read).collect()
}

/// A text a line, empty ones too; what stands behind the last end of a line is one if it is not empty.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// A reference a line where there are as many lines as rows; else several a row, with empty lines between rows.
fn of_lines(lines: Vec<String>, n_rows: usize) -> Vec<Vec<String>> {
    let is_empty = |line: &String| line.trim().is_empty();
    let filled = lines.iter().rposition(|line| !is_empty(line)).map_or(0, |last| last + 1);
    // Files of groups end with an empty line, and others may.
    let by_line = [lines.len(), filled].into_iter().find(|&n| n == n_rows);
    match by_line {
        None if lines[..filled].iter().any(is_empty) => {
            lines.split(is_empty).filter(|group| !group.is_empty()).map(<[String]>::to_vec).collect()
        }
        n => lines.into_iter().take(n.unwrap_or(filled)).map(|line| vec![line]).collect(),
    }
}

fn found<'a>(fields: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().find_map(|&key| fields.get(key))
}

fn prediction_of(value: &Value) -> Result<String, Sentence> {
    let value = match value {
        Value::Object(fields) => found(fields, &PREDICTION_KEYS).ok_or_else(|| no_key(&PREDICTION_KEYS))?,
        other => other,
    };
    text_of(value)
}

/// The fields of a row that are neither its prediction nor its references.
fn others(value: Value) -> Map<String, Value> {
    let Value::Object(mut fields) = value else { return Map::new() };
    for keys in [PREDICTION_KEYS.as_slice(), &REFERENCE_KEYS] {
        if let Some(key) = keys.iter().find(|key| fields.contains_key(**key)) {
            fields.shift_remove(*key);
        }
    }
    fields
}

fn references_of(value: &Value) -> Result<Vec<String>, Sentence> {
    match value {
        Value::Array(texts) => texts.iter().map(text_of).collect(),
        // SQuAD: {"text": [ … ], "answer_start": [ … ]}.
        Value::Object(fields) => references_of(fields.get("text").ok_or_else(|| no_key(&["text"]))?),
        text => Ok(vec![text_of(text)?]),
    }
}

fn text_of(value: &Value) -> Result<String, Sentence> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(word) => Ok(word.to_string()),
        // An answer of SQuAD: {"text": …}.
        Value::Object(fields) if fields.get("text").is_some_and(Value::is_string) => text_of(&fields["text"]),
        Value::Null => Err(sentence!("there is null in place of a text")),
        Value::Array(_) => Err(sentence!("there is a list in place of a text")),
        Value::Object(_) => Err(sentence!("there is an object in place of a text")),
    }
}

fn no_key(keys: &[&str]) -> Sentence {
    sentence!("it has none of the keys {keys}", keys = keys.join(", "))
}

fn bad_row(path: &Path, row: usize, reason: Sentence) -> EngineError {
    EngineError::BadRow { row: row + 1, path: path.to_owned(), reason }
}

fn malformed(path: &Path, reason: Sentence) -> EngineError {
    EngineError::Malformed { what: sentence!("the file of texts"), path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn predictions_are_read_by_the_keys_of_every_program() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = ["山高", "b"].map(str::to_owned).to_vec();
        for (name, text) in [
            ("a.jsonl", "{\"prediction\": \"山高\"}\n\n{\"prediction\": \"b\"}\n"),
            ("b.jsonl", "{\"labels\": \"x\", \"predict\": \"山高\"}\n{\"labels\": \"y\", \"predict\": \"b\"}"),
            ("c.json", "[{\"generated\": \"山高\"}, {\"text\": \"b\"}]"),
            ("d.json", "[\"山高\", \"b\"]"),
            ("e", "{\"text\": \"山高\"}\n{\"text\": \"b\"}\n"),
            ("f.txt", "山高\r\nb\r\n"),
            ("g.txt", "山高\nb"),
        ] {
            assert_eq!(read_predictions(&file(folder.path(), name, text)).unwrap().texts, wanted, "{name}");
        }
        let empty = read_predictions(&file(folder.path(), "h.txt", "a\n\nb\n")).unwrap();
        assert_eq!(empty.texts, ["a", "", "b"], "an empty line is an empty text");
        let beside = read_predictions(&folder.path().join("b.jsonl")).unwrap();
        assert_eq!(beside.references, Some(vec![vec!["x".to_owned()], vec!["y".to_owned()]]));
    }

    #[test]
    fn questions_and_probabilities_beside_predictions_are_read_as_others_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let text = [
            r#"{"prediction": 1, "references": ["1"], "idx": {"paragraph": 3, "question": 5, "answer": 2}}"#,
            r#"{"prediction": "", "references": [], "question_id": "a", "no_answer_probability": 0.75}"#,
            r#"{"prediction": "x", "references": ["x"], "idx": 7, "na_prob": -2}"#,
        ];
        let rows = read_text_rows(&file(folder.path(), "a.jsonl", &text.join("\n")), None).unwrap();
        let questions: Vec<_> = rows.iter().map(|row| row.question.as_deref()).collect();
        assert_eq!(questions, [Some("3-5"), Some("a"), Some("7")]);
        assert_eq!(rows.iter().map(|row| row.no_answer).collect::<Vec<_>>(), [None, Some(0.75), Some(-2.0)]);
    }

    #[test]
    fn a_large_file_is_read_in_parts_that_count_on() {
        let folder = tempfile::tempdir().unwrap();
        let row = |at: usize| format!("{{\"prediction\": \"{at}\", \"references\": [\"{}\"]}}\n", "x".repeat(2000));
        let n = LARGE as usize / 2000 + 10;
        let path = file(folder.path(), "a.jsonl", &(0..n).map(row).collect::<String>());
        let (mut texts, mut parts) = (Vec::new(), 0);
        each_part_of_predictions(&path, &mut |part| {
            parts += 1;
            texts.extend(part.texts);
            Ok(())
        })
        .unwrap();
        assert_eq!((parts, texts), (n.div_ceil(PART), (0..n).map(|at| at.to_string()).collect()));
        let broken = (0..n).map(row).chain(["{\"prediction\": []}\n".to_owned()]).collect::<String>();
        let path = file(folder.path(), "b.jsonl", &broken);
        let error = each_part_of_predictions(&path, &mut |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains(&format!("row {}", n + 1)), "{error}");
    }

    #[test]
    fn references_are_several_a_row_or_one_a_line_or_groups_between_empty_lines() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str, n| read_references(&file(folder.path(), name, text), n).unwrap();
        let two = vec![vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]];
        assert_eq!(read("a.jsonl", "{\"references\": [\"a\", \"b\"]}\n{\"reference\": \"c\"}\n", 2), two);
        assert_eq!(read("b.txt", "a\nb\n\nc\n\n", 2), two, "as the E2E challenge has them");
        assert_eq!(read("b.txt", "a\n\nb\n", 3), [["a"], [""], ["b"]], "as many lines as rows");
        assert_eq!(read("b.txt", "a\nb\n\n", 2), [["a"], ["b"]], "an empty line at the end is no row");
        let answers =
            "{\"answers\": {\"text\": [\"a\", \"b\"], \"answer_start\": [1, 2]}}\n{\"answers\": [{\"text\": \"c\"}]}\n";
        assert_eq!(read("c.jsonl", answers, 2), two, "as SQuAD has them");
        assert_eq!(read("d.jsonl", "{\"references\": []}\n{\"references\": [3, true]}\n", 2)[1], ["3", "true"]);
    }

    #[test]
    fn unequal_numbers_of_rows_are_refused_with_both() {
        let folder = tempfile::tempdir().unwrap();
        let predictions = file(folder.path(), "p.txt", "a\nb\nc\n");
        for (name, text, n) in
            [("r.txt", "a\nb\n", "2"), ("r.jsonl", "{\"target\": \"a\"}\n", "1"), ("g.txt", "a\nb\n\nc\n\n", "2")]
        {
            let error = read_text_rows(&predictions, Some(&file(folder.path(), name, text))).unwrap_err().to_string();
            assert!(error.contains(&format!("{n} ")) && error.contains('3'), "{error}");
        }
        let error = read_text_rows(&predictions, None).unwrap_err();
        assert!(matches!(error, EngineError::NoReferences { .. }), "{error}");
    }

    #[test]
    fn a_row_that_is_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused =
            |name: &str, text: &str| read_predictions(&file(folder.path(), name, text)).unwrap_err().to_string();
        assert!(refused("a.jsonl", "{\"prediction\": \"a\"}\n{\"other\": 1}\n").contains("row 2"));
        assert!(refused("a.jsonl", "{\"prediction\": [\"a\"]}\n").contains("a list"));
        assert!(refused("a.jsonl", "{\"prediction\": null}\n").contains("null"));
        assert!(refused("a.jsonl", "{\"prediction\": \"a\"").contains("row 1"));
        assert!(refused("a.txt", "").contains("no rows"));
        let partly = "{\"text\": \"a\", \"target\": \"b\"}\n{\"text\": \"a\"}\n";
        assert!(refused("a.jsonl", partly).contains("row 2"), "references for some rows alone");
    }
}

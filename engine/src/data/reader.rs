//! Files of rows: `.jsonl`, `.json`, `.csv`, `.tsv`, `.conll`. A broken row is named and left out; only a file in which nothing
//! can be read is refused.

use std::path::Path;

use serde_json::Value;

use super::table::{ObjectRows, Table};
use super::{conll, delimited};
use crate::error::{EngineError, Result};
use crate::file_kind::refuse_other;

/// Reads the rows of a file, whose ending decides the format: `.jsonl` and `.ndjson` (an object a line), `.json`
/// (an array of objects, or an object that holds one), `.csv` and `.tsv` (with a header), `.conll`, `.bio` and `.iob2` (a
/// token and its label a line).
///
/// # Errors
/// [`EngineError::Io`] when the file cannot be read, [`EngineError::Malformed`] when it is not what its ending says or
/// holds no rows, [`EngineError::BadRow`] for the first row when no row can be read.
pub fn read_table(path: &Path) -> Result<Table> {
    let bytes = std::fs::read(path).map_err(EngineError::io("read", path))?;
    refuse_other("the file of rows", path, &bytes)?;
    let bytes = without_byte_order_mark(&bytes, path)?;
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let table = match ending.as_str() {
        "jsonl" | "ndjson" => read_json_lines(bytes, path),
        "json" => read_json(bytes, path),
        "csv" => delimited::read_csv(bytes, path),
        "tsv" | "tab" => delimited::read_tsv(bytes, path),
        "conll" | "bio" | "iob2" => conll::read(bytes, path),
        _ => Err(malformed(path, "its name must end in .jsonl, .json, .csv, .tsv or .conll")),
    }?;
    table.check_readable()
}

fn without_byte_order_mark<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a [u8]> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Ok(rest),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Err(malformed(path, "it is UTF-16 text; save it as UTF-8")),
        bytes => Ok(bytes),
    }
}

fn read_json_lines(bytes: &[u8], path: &Path) -> Result<Table> {
    let table = json_lines(bytes, path)?;
    // An array under the wrong name is still an array.
    if table.rows.is_empty()
        && bytes.trim_ascii_start().starts_with(b"[")
        && let Ok(array) = read_json(bytes, path)
    {
        return Ok(array);
    }
    Ok(table)
}

fn json_lines(bytes: &[u8], path: &Path) -> Result<Table> {
    let mut rows = ObjectRows::new(path);
    for (index, line) in bytes.split(|&b| b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        match parse_line(line) {
            Ok(value) => rows.push(index + 1, value)?,
            Err(reason) => rows.table.push_problem(index + 1, reason),
        }
    }
    Ok(rows.table)
}

fn parse_line(line: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(line).map_err(|e| not_utf8(e.valid_up_to()))?;
    serde_json::from_str(text).map_err(|e| {
        let message = e.to_string();
        let reason = message.split(" at line ").next().unwrap_or(&message);
        format!("it is not valid JSON: {reason}, character {}", e.column())
    })
}

fn read_json(bytes: &[u8], path: &Path) -> Result<Table> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + bytes.iter().take(e.valid_up_to()).filter(|&&b| b == b'\n').count();
        malformed(path, &format!("line {line}: {}", not_utf8(e.valid_up_to())))
    })?;
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        // JSON lines are often called .json; one object in each of several lines is enough of a sign.
        Err(error) => {
            return match json_lines(bytes, path) {
                Ok(table) if !table.rows.is_empty() => Ok(table),
                _ => Err(malformed(path, &format!("it is not valid JSON: {error}"))),
            };
        }
    };
    let mut rows = ObjectRows::new(path);
    for (index, value) in array_of_rows(value, path)?.into_iter().enumerate() {
        rows.push(index + 1, value)?;
    }
    Ok(rows.table)
}

fn array_of_rows(value: Value, path: &Path) -> Result<Vec<Value>> {
    let object = match value {
        Value::Array(values) => return Ok(values),
        Value::Object(object) => object,
        _ => return Err(malformed(path, "it must be an array of objects")),
    };
    let is_rows = |v: &Value| v.as_array().is_some_and(|a| a.first().is_some_and(Value::is_object));
    let names: Vec<&str> = object.iter().filter(|(_, v)| is_rows(v)).map(|(name, _)| name.as_str()).collect();
    match names.as_slice() {
        [] => Err(malformed(path, "it must be an array of objects, or an object with one such array in it")),
        [_] => Ok(object.into_iter().find_map(|(_, v)| if is_rows(&v) { array(v) } else { None }).unwrap_or_default()),
        names => Err(malformed(path, &format!("it holds several lists of rows ({}); keep one", names.join(", ")))),
    }
}

fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

/// The sentence for text in another encoding.
///
/// `offset` counts bytes from 0 within the row or file.
pub(super) fn not_utf8(offset: usize) -> String {
    format!("byte {} is not UTF-8 text; save the file as UTF-8", offset + 1)
}

fn malformed(path: &Path, reason: &str) -> EngineError {
    EngineError::Malformed { what: "the dataset", path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: impl AsRef<[u8]>) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        read_table(&path)
    }

    #[test]
    fn a_broken_line_is_named_and_the_others_are_read() {
        let table = read("x.jsonl", b"\xEF\xBB\xBF{\"a\":1}\r\n\r\n{\"a\":\n{\"b\":\"\xE4\"}\n[1]\n{\"b\":2}").unwrap();
        assert_eq!(table.columns, ["a", "b"]);
        assert_eq!(table.rows.iter().map(|r| r.number).collect::<Vec<_>>(), [1, 6]);
        let problems: Vec<_> = table.problems.iter().map(|p| (p.row, p.reason.as_str())).collect();
        assert_eq!(problems[0], (3, "it is not valid JSON: EOF while parsing a value, character 5"));
        assert_eq!(problems[1], (4, "byte 7 is not UTF-8 text; save the file as UTF-8"));
        assert_eq!(problems[2], (5, "it is not a JSON object with named fields"));
        assert_eq!(table.total_rows(), 5);
    }

    #[test]
    fn json_is_an_array_or_holds_one_or_is_lines() {
        for content in
            [r#"[{"a": 1}, {"a": 2}]"#, r#"{"version": 1, "data": [{"a": 1}, {"a": 2}]}"#, "{\"a\": 1}\n{\"a\": 2}\n"]
        {
            assert_eq!(read("x.json", content).unwrap().rows.len(), 2, "{content}");
        }
        assert_eq!(read("x.jsonl", "[{\"a\": 1},\n{\"a\": 2}]").unwrap().rows.len(), 2);
        let several = read("x.json", r#"{"p": [{"a": 1}], "q": [{"a": 1}]}"#).unwrap_err();
        assert!(several.to_string().contains("p, q"), "{several}");
    }

    #[test]
    fn a_file_without_rows_gets_a_sentence() {
        for name in ["x.jsonl", "x.csv", "x.tsv"] {
            let error = read(name, "").unwrap_err();
            assert!(error.to_string().contains("no rows"), "{name}: {error}");
        }
        assert!(read("x.json", "[]").unwrap_err().to_string().contains("no rows"));
        assert!(read("x.json", "").unwrap_err().to_string().contains("not valid JSON"));
        assert!(read("x.csv", "a,b\n").unwrap_err().to_string().contains("no rows"));
        assert!(read("x.jsonl", "{").unwrap_err().to_string().starts_with("row 1 of"));
        assert!(read("x.parquet", "PAR1").unwrap_err().to_string().contains("a Parquet file"));
        assert!(read("x.jsonl", b"\xFF\xFE{\0}\0").unwrap_err().to_string().contains("UTF-16"));
        assert!(read_table(Path::new("/nowhere/x.jsonl")).unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn deep_nesting_is_a_broken_row_and_no_overflow() {
        let deep = format!("{{\"a\": {}{}}}\n{{\"a\": 1}}", "[".repeat(200_000), "]".repeat(200_000));
        let table = read("x.jsonl", &deep).unwrap();
        assert_eq!((table.rows.len(), table.n_problems), (1, 1));
        assert!(read("x.json", "[".repeat(200_000)).is_err());
    }
}

//! Files of rows: `.jsonl`, `.json`, `.csv`, `.tsv`, `.conll`, `.txt`, packed or not; Parquet, Arrow, folders and patterns of
//! them. A broken row is named and left out; only a file in which nothing can be read is refused.

use std::path::Path;

use serde_json::Value;

use super::files::{self as streams, Packing, RowStream};
use super::table::{ObjectRows, Table};
use super::text_encoding::as_utf8;
use super::{conll, delimited, file_kind, forms, json_forms, lines};
use crate::error::{EngineError, IoAction, Result, json_cause};
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// Endings of names that say how rows are written.
pub(super) const ENDINGS: [&str; 13] = [
    ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".tab", ".conll", ".bio", ".iob2", ".txt", ".xml", ".source",
    ".target",
];

/// Reads the rows of a file, whose ending decides the format: `.jsonl` and `.ndjson` (an object a line), `.json`
/// (an array of objects, an object that holds one, or columns as pandas writes them), `.csv` and `.tsv` (with a header),
/// `.conll`, `.bio` and `.iob2` (a token and its label a line), `.txt` (a text a line), `.xml` (WebNLG), `.source` with
/// `.target` (a line each). Each may be packed by gzip, Zstandard or xz, in UTF-8 or another encoding that is told. Parquet
/// and Arrow files are known by their first bytes. A folder that the datasets library saved, one of shards, and a pattern
/// (`shards/*.parquet`) are one table.
///
/// # Errors
/// [`EngineError::Io`] when the file cannot be read, [`EngineError::NotRows`] when it is something else altogether,
/// [`EngineError::Malformed`] when it is not what its ending says or holds no rows, [`EngineError::BadRow`] for the first row
/// when no row can be read.
pub fn read_table(path: &Path) -> Result<Table> {
    check_file(path)?;
    let table = match streams::open_stream(path)? {
        Some(rows) => collected(path, rows)?,
        None => read_whole(path)?,
    };
    table.check_readable()
}

/// All rows of a stream.
fn collected(path: &Path, mut stream: Box<dyn RowStream>) -> Result<Table> {
    let mut rows = ObjectRows::new(path);
    while let Some(row) = stream.next_row()? {
        let number = rows.table.total_rows() + 1;
        match row {
            Ok(object) => rows.push(number, Value::Object(object))?,
            Err(reason) => rows.table.name_problem(number, reason),
        }
    }
    rows.table.notes.extend(stream.notes());
    Ok(rows.table)
}

/// The rows of a file of text that is read whole; it may have none.
pub(super) fn read_whole(path: &Path) -> Result<Table> {
    let packing = Packing::of(&streams::beginning(path)?);
    let bytes = match packing {
        Some(packing) => streams::unpacked(path, packing, None)?,
        None => files::read(path, Kind::Rows)?,
    };
    let name = packing.map_or_else(|| path.to_string_lossy().to_lowercase(), |_| streams::without_packing(path));
    let (bytes, encoding) = as_utf8(&bytes);
    let mut table = match name.rsplit('.').next().unwrap_or_default() {
        "jsonl" | "ndjson" => read_json_lines(&bytes, path),
        "json" => read_json(&bytes, path),
        "csv" => delimited::read_csv(&bytes, path),
        "tsv" | "tab" => delimited::read_tsv(&bytes, path),
        "conll" | "bio" | "iob2" => conll::read(&bytes, path),
        "xml" => forms::read_xml(&bytes, path),
        "source" | "target" => forms::read_pair(&bytes, path),
        // A text without an ending that is known was refused above.
        _ => lines::read(&bytes, path),
    }?;
    if let Some(encoding) = encoding {
        table.notes.insert(0, encoding.note());
    }
    Ok(table)
}

/// Refuses what is no file of rows by its name or its first bytes, without reading the rest.
///
/// # Errors
/// [`EngineError::Io`] when there is no such file, [`EngineError::NotRows`] with what it is and the way to rows.
pub fn check_file(path: &Path) -> Result<()> {
    if streams::is_pattern(path) {
        return streams::check_many(path);
    }
    let found = std::fs::metadata(path).map_err(EngineError::io(IoAction::Read, path))?;
    if found.is_dir() {
        return streams::check_many(path);
    }
    if !found.is_file() {
        let found = sentence!("a device or a pipe");
        return Err(EngineError::NotRows { path: path.to_owned(), found, advice: sentence!("Choose a file") });
    }
    if let Some(error) = file_kind::not_rows(path)? {
        return Err(error);
    }
    let is_columnar = streams::has_columnar_ending(path) || streams::is_columnar(&streams::beginning(path)?);
    if is_columnar || has_ending(&path.to_string_lossy()) { Ok(()) } else { Err(other_ending(path)) }
}

/// Whether a name says that there are rows, and how they are written.
pub(super) fn has_ending(name: &str) -> bool {
    let name = streams::without_packing(Path::new(name));
    ENDINGS.iter().chain(&streams::COLUMNAR_ENDINGS).any(|ending| name.ends_with(ending))
}

fn other_ending(path: &Path) -> EngineError {
    let advice = sentence!(
        "Give it the ending that says how its rows are written: .jsonl, .json, .csv, .tsv, .conll, .txt or .parquet"
    );
    EngineError::NotRows { path: path.to_owned(), found: sentence!("a file of another ending"), advice }
}

fn read_json_lines(bytes: &[u8], path: &Path) -> Result<Table> {
    let table = json_lines(bytes, path)?;
    // An array under the wrong name is still an array, and objects over several lines are objects.
    if table.rows.is_empty()
        && bytes.trim_ascii_start().starts_with(b"[")
        && let Ok(array) = read_json(bytes, path)
    {
        return Ok(array);
    }
    match table.rows.is_empty().then(|| objects_over_lines(bytes, path)).flatten() {
        Some(table) => table,
        None => Ok(table),
    }
}

/// Objects one behind another, each over as many lines as it likes; `None` where that is not what the text is.
fn objects_over_lines(bytes: &[u8], path: &Path) -> Option<Result<Table>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let read = |text: &str| -> serde_json::Result<Vec<Value>> {
        serde_json::Deserializer::from_str(text).into_iter().collect()
    };
    let values = read(text).ok().or_else(|| read(&json_forms::without_nan(text)?).ok())?;
    if values.is_empty() || !values.iter().all(Value::is_object) {
        return None;
    }
    let mut rows = ObjectRows::new(path);
    let pushed = values.into_iter().enumerate().try_for_each(|(index, value)| rows.push(index + 1, value));
    Some(pushed.map(|()| rows.table))
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

/// The value of a line of JSON lines.
pub(super) fn parse_line(line: &[u8]) -> Result<Value, Sentence> {
    let text = std::str::from_utf8(line).map_err(|e| not_utf8(e.valid_up_to()))?;
    parse(text).map_err(|e| {
        let (reason, column) = (json_cause(&e), e.column());
        sentence!("it is not valid JSON: {reason}, character {column}", reason, column)
    })
}

/// JSON, and what Python takes for JSON.
fn parse(text: &str) -> serde_json::Result<Value> {
    let read = serde_json::from_str(text);
    let plain = if read.is_err() { json_forms::without_nan(text) } else { None };
    plain.map_or(read, |plain| serde_json::from_str(&plain))
}

fn read_json(bytes: &[u8], path: &Path) -> Result<Table> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + bytes.iter().take(e.valid_up_to()).filter(|&&b| b == b'\n').count();
        malformed(
            path,
            sentence!("{reason} (line {line}); save the file as UTF-8", reason = not_utf8(e.valid_up_to()), line),
        )
    })?;
    let value = match parse(text) {
        Ok(value) => value,
        // JSON lines are often called .json; one object in each of several lines is enough of a sign.
        Err(error) => {
            return match json_lines(bytes, path) {
                Ok(table) if !table.rows.is_empty() => Ok(table),
                _ => objects_over_lines(bytes, path)
                    .unwrap_or_else(|| Err(malformed(path, sentence!("it is not valid JSON: {error}", error)))),
            };
        }
    };
    let mut rows = ObjectRows::new(path);
    let values = json_forms::rows_of(value).map_err(|reason| malformed(path, reason))?;
    for (index, value) in forms::unwrapped(values).into_iter().enumerate() {
        rows.push(index + 1, value)?;
    }
    Ok(rows.table)
}

/// The sentence for text in another encoding.
///
/// `offset` counts bytes from 0 within the row or file.
pub(super) fn not_utf8(offset: usize) -> Sentence {
    sentence!("byte {byte} is not UTF-8 text", byte = offset + 1)
}

fn malformed(path: &Path, reason: Sentence) -> EngineError {
    EngineError::Malformed { what: sentence!("the dataset"), path: path.to_owned(), reason }
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
        assert_eq!(table.rows.iter().map(|r| r.number).collect::<Vec<_>>(), [1, 5]);
        let problems: Vec<_> = table.problems.iter().map(|p| (p.row, p.reason.to_string())).collect();
        assert_eq!(problems[0], (2, "it is not valid JSON: it ends too early, character 5 (line 3)".to_owned()));
        assert_eq!(problems[1], (3, "byte 7 is not UTF-8 text (line 4)".to_owned()));
        assert_eq!(problems[2], (4, "it is not a JSON object with named fields (line 5)".to_owned()));
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
    fn objects_may_go_over_several_lines() {
        for name in ["x.json", "x.jsonl"] {
            let table = read(name, "{\n \"a\": \"b\",\n \"c\": NaN\n}\n{\n \"a\": \"d\"\n}\n").unwrap();
            let texts: Vec<_> = table.rows.iter().map(|row| (row.number, row.text(0).into_owned())).collect();
            assert_eq!(texts, [(1, "b".to_owned()), (2, "d".to_owned())], "{name}");
        }
        assert!(read("x.json", "{\n\"a\": 1\n}\n{\n\"a\":").is_err());
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
        assert!(read("x.parquet", "PAR1").unwrap_err().to_string().contains("in the middle"));
        assert!(read("x.parquet", "a").unwrap_err().to_string().contains("does not begin as a Parquet"));
        assert!(read("x.rows", "a").unwrap_err().advice().to_string().contains(".jsonl"));
        assert!(read_table(Path::new("/nowhere/x.jsonl")).unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn numbers_that_are_none_leave_no_row_out() {
        let rows = "{\"a\": \"x\", \"score\": NaN}\n{\"a\": \"NaN\", \"score\": -Infinity}\n";
        let table = read("x.jsonl", rows).unwrap();
        assert_eq!((table.rows.len(), table.n_problems), (2, 0));
        assert_eq!((table.rows[1].text(0), table.rows[1].text(1)), ("NaN".into(), "".into()));
        assert_eq!(read("x.json", r#"{"a": ["x", "y"], "score": [NaN, 1]}"#).unwrap().columns, ["a", "score"]);
    }

    #[test]
    fn a_file_in_another_encoding_says_which_was_read() {
        let wide: Vec<u8> = "\u{FEFF}a,b\nx,山\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let table = read("x.csv", wide).unwrap();
        assert_eq!(
            (table.rows[0].text(1), table.notes[0].to_string().as_str()),
            ("山".into(), "The file is read as UTF-16")
        );
        let latin = read("x.csv", b"a,b\ncaf\xE9,x\n").unwrap();
        assert_eq!(latin.rows[0].text(0), "café");
        assert!(latin.notes[0].to_string().contains("windows-1252"), "{:?}", latin.notes);
        let damaged =
            read("x.csv", [&b"a,b\n\xC3\xA9tage,x\n\xC3\xA9t\xC3\xA9,y\nz,"[..], b"\xE9\n"].concat()).unwrap();
        assert_eq!((damaged.rows.len(), damaged.n_problems), (2, 1), "a damaged character is no other encoding");
    }

    #[test]
    fn deep_nesting_is_a_broken_row_and_no_overflow() {
        let deep = format!("{{\"a\": {}{}}}\n{{\"a\": 1}}", "[".repeat(200_000), "]".repeat(200_000));
        let table = read("x.jsonl", &deep).unwrap();
        assert_eq!((table.rows.len(), table.n_problems), (1, 1));
        assert!(read("x.json", "[".repeat(200_000)).is_err());
    }
}

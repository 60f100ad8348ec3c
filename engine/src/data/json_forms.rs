//! The forms in which a JSON document holds rows: an array of objects, one such array among other fields, and what pandas'
//! `to_json` writes with each `orient`. Python's NaN and infinities, which no standard knows, are empty cells.

use serde_json::{Map, Value};

use super::columns::is_usual;
use crate::{Sentence, sentence};

/// Words that Python's `json` writes where a number cannot be said.
const NO_NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// The document with `null` in place of NaN and infinities; `None` when it has none. Nothing inside of texts is touched.
pub(super) fn without_nan(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(word) = NO_NUMBERS.iter().find(|word| rest.starts_with(**word)) {
            plain.push_str("null");
            rest = &rest[word.len()..];
            found = true;
            continue;
        }
        let taken = if rest.starts_with('"') { end_of_string(rest) } else { 1 };
        plain.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    plain.push_str(rest);
    found.then_some(plain)
}

/// Bytes of the quoted text at the beginning.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The rows of a document.
///
/// # Errors
/// A sentence on why there are none.
pub(super) fn rows_of(value: Value) -> Result<Vec<Value>, Sentence> {
    let object = match value {
        Value::Array(values) => return Ok(values),
        Value::Object(object) => object,
        _ => return Err(sentence!("it must be an array of objects")),
    };
    let is_rows = |v: &Value| v.as_array().is_some_and(|a| a.first().is_some_and(Value::is_object));
    let names: Vec<&str> = object.iter().filter(|(_, v)| is_rows(v)).map(|(name, _)| name.as_str()).collect();
    match names.as_slice() {
        [] => of_pandas(object),
        // Columns of equal length, some of whose cells are objects.
        names if names.len() < object.len() && lists_of_one_length(&object).is_some() => of_lists(&object),
        [_] => Ok(object.into_iter().find(|(_, v)| is_rows(v)).and_then(|(_, v)| array(v)).unwrap_or_default()),
        names => Err(sentence!("it holds several lists of rows ({names}); keep one", names = names.join(", "))),
    }
}

fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

/// `split`, `list`, `columns` and `index`: whichever the object is.
fn of_pandas(object: Map<String, Value>) -> Result<Vec<Value>, Sentence> {
    if let (Some(Value::Array(columns)), Some(Value::Array(data))) = (object.get("columns"), object.get("data")) {
        return of_split(columns, data);
    }
    if lists_of_one_length(&object).is_some() {
        return of_lists(&object);
    }
    let tables: Option<Vec<&Map<String, Value>>> = object.values().map(Value::as_object).collect();
    match tables {
        Some(tables) if !tables.is_empty() => match outer_names_columns(&object, &tables) {
            Some(true) => Ok(of_columns(&object)),
            Some(false) => Ok(object.into_iter().map(|(_, row)| row).collect()),
            None => Err(sentence!(
                "it is objects within an object, and nothing says which of their names are columns; write it \
                         with orient=\"records\""
            )
            .to_owned()),
        },
        _ => Err(sentence!("it must be an array of objects, or an object with one such array in it")),
    }
}

/// `{"columns": […], "data": [[…], …]}`.
fn of_split(columns: &[Value], data: &[Value]) -> Result<Vec<Value>, Sentence> {
    let name = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |cells: &Value| match cells.as_array() {
        Some(cells) if cells.len() == columns.len() => {
            Ok(Value::Object(columns.iter().map(name).zip(cells.iter().cloned()).collect()))
        }
        _ => Err(sentence!(
            "a list in \"data\" does not have the {n_columns} entries that \"columns\" names",
            n_columns = columns.len()
        )),
    };
    data.iter().map(row).collect()
}

/// The length of all values, if each is a list of the same.
fn lists_of_one_length(object: &Map<String, Value>) -> Option<usize> {
    let mut lengths = object.values().map(|value| value.as_array().map(Vec::len));
    let first = lengths.next()??;
    (first > 0 && lengths.all(|length| length == Some(first))).then_some(first)
}

/// `{"source": […], "target": […]}`.
fn of_lists(object: &Map<String, Value>) -> Result<Vec<Value>, Sentence> {
    let n = lists_of_one_length(object).unwrap_or(0);
    let cell = |value: &Value, at: usize| value.get(at).cloned().unwrap_or_default();
    let row = |at| Value::Object(object.iter().map(|(name, list)| (name.clone(), cell(list, at))).collect());
    Ok((0..n).map(row).collect())
}

/// Whether it is the outer names that are columns, where one can tell: numbers count rows, and columns have usual names.
fn outer_names_columns(object: &Map<String, Value>, tables: &[&Map<String, Value>]) -> Option<bool> {
    let counts = |name: &String| name.parse::<u64>().is_ok();
    let inner = || tables.iter().flat_map(|table| table.keys());
    match (object.keys().all(counts), inner().all(counts)) {
        (true, false) => return Some(false),
        (false, true) => return Some(true),
        _ => {}
    }
    match (object.keys().any(|name| is_usual(name)), inner().any(|name| is_usual(name))) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// `{"source": {"0": …}, "target": {"0": …}}`: the rows in the order in which their names appear.
fn of_columns(object: &Map<String, Value>) -> Vec<Value> {
    let mut rows: Map<String, Value> = Map::new();
    for (column, cells) in object {
        for (name, cell) in cells.as_object().into_iter().flatten() {
            let row = rows.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Some(row) = row.as_object_mut() {
                row.insert(column.clone(), cell.clone());
            }
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_pandas_writes_is_rows_whatever_its_orient() {
        let rows = json!([{"source": "a", "target": "b"}, {"source": "c", "target": "d"}]);
        for (orient, document) in [
            ("records", rows.clone()),
            ("list", json!({"source": ["a", "c"], "target": ["b", "d"]})),
            ("split", json!({"columns": ["source", "target"], "index": [0, 1], "data": [["a", "b"], ["c", "d"]]})),
            ("columns", json!({"source": {"0": "a", "1": "c"}, "target": {"0": "b", "1": "d"}})),
            ("index", json!({"0": {"source": "a", "target": "b"}, "1": {"source": "c", "target": "d"}})),
            ("index of names", json!({"x": {"source": "a", "target": "b"}, "y": {"source": "c", "target": "d"}})),
            ("table", json!({"schema": {"fields": []}, "data": rows})),
        ] {
            assert_eq!(Value::Array(rows_of(document).unwrap()), rows, "{orient}");
        }
        let unclear = rows_of(json!({"x": {"p": "a"}, "y": {"p": "c"}})).unwrap_err();
        assert!(unclear.to_string().contains("orient=\"records\""), "{unclear}");
        let short = rows_of(json!({"columns": ["a", "b"], "data": [["x"]]})).unwrap_err();
        assert!(short.to_string().contains('2'), "{short}");
        let lists = rows_of(json!({"source": ["a"], "target": ["b", "c"]})).unwrap_err();
        assert!(lists.to_string().contains("array of objects"), "{lists}");
        let parts = rows_of(json!({"train": [{"a": 1}], "test": [{"a": 2}]})).unwrap_err();
        assert!(parts.to_string().contains("train, test"), "{parts}");
        let beside = rows_of(json!({"text": ["a", "b"], "meta": [{"x": 1}, {"x": 2}]})).unwrap();
        assert_eq!(beside[1], json!({"text": "b", "meta": {"x": 2}}));
    }

    #[test]
    fn pythons_nan_is_an_empty_cell_and_texts_keep_theirs() {
        let text = r#"{"a": NaN, "b": [-Infinity, Infinity, -1.5], "NaN": "NaN \" -Infinity"}"#;
        let plain: Value = serde_json::from_str(&without_nan(text).unwrap()).unwrap();
        assert_eq!(plain, json!({"a": null, "b": [null, null, -1.5], "NaN": "NaN \" -Infinity"}));
        assert_eq!(without_nan(r#"{"a": "NaN", "b": -1}"#), None);
        assert_eq!(without_nan("\"open NaN"), None);
    }
}

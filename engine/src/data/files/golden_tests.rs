//! Files of rows against what wrote them: `tests/golden/dataset_files.py` made the files and the rows that are right.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::data::read_table;
use crate::data::table::Table;
use crate::error::Result;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/datasets")
}

fn rows_of(table: &Table) -> Vec<Value> {
    let of = |row: &crate::data::Row| -> Map<String, Value> {
        let cells = table.columns.iter().enumerate().filter(|(at, _)| row.has(*at));
        cells.map(|(at, name)| (name.clone(), row.cell(at).clone())).collect()
    };
    table.rows.iter().map(|row| Value::Object(of(row))).collect()
}

fn notes(table: &Table) -> String {
    table.notes.iter().map(ToString::to_string).collect::<Vec<String>>().join(". ")
}

#[test]
fn rows_are_those_that_the_library_wrote() {
    let expected: Map<String, Value> =
        serde_json::from_slice(&std::fs::read(home().join("expected.json")).unwrap()).unwrap();
    assert!(expected.len() > 15);
    for (name, right) in expected {
        let table = read_table(&home().join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(rows_of(&table), *right.as_array().unwrap(), "{name}");
        assert_eq!(table.n_problems, 0, "{name}");
    }
}

#[test]
fn what_is_not_read_and_what_lies_beside_is_said() {
    let of = |name: &str| notes(&read_table(&home().join(name)).unwrap());
    let dict = of("dict");
    assert!(dict.contains("Read is the split train") && dict.contains("dict/test"), "{dict}");
    assert!(dict.contains("bytes and no text: picture"), "{dict}");
    assert!(of("shuffled").contains("in its order"));
    assert!(of("shuffled/data-00000-of-00002.arrow").contains("keeps an order of rows"));
    let shards = of("shards");
    assert!(shards.contains("validation-00000-of-00001.parquet") && shards.contains("2 files"), "{shards}");
    assert!(of("shards/data/*.parquet").contains("extra, target"));
    let delta = read_table(&home().join("delta.parquet")).unwrap_err().to_string();
    assert!(delta.contains("DELTA_BYTE_ARRAY") && delta.contains("content"), "{delta}");
}

/// A copy of a file that was changed is read to its end or refused, and nothing else.
fn read_changed(folder: &Path, name: &str, bytes: &[u8]) -> Result<Table> {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    read_table(&path)
}

#[test]
fn damage_of_any_byte_is_an_error_or_other_rows_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["types.parquet", "messages-zstd.parquet", "types.feather", "types-zstd.feather", "types.arrow"] {
        let bytes = std::fs::read(home().join(name)).unwrap();
        let mut refused = 0;
        for at in (0..bytes.len()).step_by(7) {
            for change in [0xFF, 0x80, 0x01] {
                let mut bad = bytes.clone();
                bad[at] ^= change;
                refused += usize::from(read_changed(folder.path(), name, &bad).is_err());
            }
        }
        assert!(refused > 50, "{name}: {refused} of {}", bytes.len());
        for end in (1..bytes.len()).step_by(97) {
            let cut = read_changed(folder.path(), name, &bytes[..end]);
            // A stream may end behind any of its messages.
            assert!(cut.is_err() || name == "types.arrow", "{name} cut at {end}");
        }
    }
}

#[test]
fn a_size_that_the_file_does_not_have_is_refused_before_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(home().join("types-zstd.feather")).unwrap();
    // The lengths of packed parts: every one of 8 bytes that is small and stands before a Zstandard frame.
    let mut found = 0;
    for at in 8..bytes.len() - 4 {
        if bytes[at..].starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
            let mut bad = bytes.clone();
            bad[at - 8..at].copy_from_slice(&(1_i64 << 45).to_le_bytes());
            let error = read_changed(folder.path(), "x.feather", &bad).unwrap_err().to_string();
            assert!(error.contains("unpack to more than"), "{error}");
            found += 1;
        }
    }
    assert!(found > 0);
    let mut footer = std::fs::read(home().join("types.parquet")).unwrap();
    let n = footer.len();
    footer[n - 8..n - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = read_changed(folder.path(), "x.parquet", &footer).unwrap_err().to_string();
    assert!(error.contains("claims sizes"), "{error}");
}

#[test]
fn a_column_of_a_saved_folder_that_is_gone_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dataset_info.json"), json!({"features": {}}).to_string()).unwrap();
    let state = json!({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]});
    std::fs::write(folder.path().join("state.json"), state.to_string()).unwrap();
    let error = read_table(folder.path()).unwrap_err().to_string();
    assert!(error.contains("data-00000-of-00001.arrow") && error.contains("no such file"), "{error}");
}

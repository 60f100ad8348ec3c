//! Rows in columns: Parquet, both forms of Arrow's files, and packed JSON lines; the first byte chooses the beginning.
#![no_main]

use engine::data::read_table;
use libfuzzer_sys::fuzz_target;

/// Names, and what such a file begins with: a fuzzer finds marks late.
const FORMS: [(&str, &[u8]); 5] = [
    ("rows.parquet", b""),
    ("rows.arrow", b"\xFF\xFF\xFF\xFF"),
    ("rows.feather", b"ARROW1\0\0\xFF\xFF\xFF\xFF"),
    ("rows.jsonl.zst", b"\x28\xB5\x2F\xFD"),
    ("rows.jsonl.xz", b"\xFD7zXZ\0"),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (name, begins) = FORMS[usize::from(kind % 5)];
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    // Seeds are whole files behind their first byte; what was made up gets its mark.
    let whole = if rest.starts_with(begins) { rest.to_vec() } else { [begins, rest].concat() };
    std::fs::write(&file, whole).expect("a file");
    let _ = read_table(&file);
});

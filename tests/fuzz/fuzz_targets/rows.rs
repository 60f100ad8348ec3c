//! A dataset in each of its formats; the first byte chooses.
#![no_main]

use engine::data::read_table;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rows)) = bytes.split_first() else { return };
    let name = ["rows.jsonl", "rows.json", "rows.csv", "rows.tsv"][usize::from(kind % 4)];
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    std::fs::write(&file, rows).expect("a file");
    let _ = read_table(&file);
});

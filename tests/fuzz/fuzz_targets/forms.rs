//! The files of papers that have a reader of their own: the xml of WebNLG and the columns of CoNLL, with what their rows
//! become; the first byte chooses.
#![no_main]

use engine::config::{DataConfig, Task};
use engine::data::{read_table, recognized};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rows)) = bytes.split_first() else { return };
    let name = ["rows.xml", "rows.conll", "rows.json", "rows.source"][usize::from(kind % 4)];
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    std::fs::write(&file, rows).expect("a file");
    std::fs::write(folder.path().join("rows.target"), rows).expect("a file");
    let Ok(table) = read_table(&file) else { return };
    let _ = recognized(table, &DataConfig::new(&file), Task::Causal);
});

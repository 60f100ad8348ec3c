//! A prefix as one file, of any bytes.
#![no_main]

use engine::bundle::{self, OpenedAdapter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.prefix");
    std::fs::write(&path, bytes).expect("a file");
    if let Ok(file) = bundle::read(&path) {
        assert!(file.adapter.prefixes().all(|prefix| prefix.flat.len() == prefix.shape.stored()));
    }
    let _ = OpenedAdapter::read(&path, None);
});

//! A model folder whose weights are any bytes.
#![no_main]

use engine::weights::{WeightFiles, read_floats};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.safetensors");
    std::fs::write(&file, bytes).expect("a file");
    let _ = WeightFiles::open(folder.path());
    let _ = read_floats(&file);
});

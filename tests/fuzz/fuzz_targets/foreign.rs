//! Another program's adapter of any bytes, for a model of two layers.
#![no_main]

use engine::adapters::formats::import;
use engine::models::{ModelShape, Site};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("adapter.bin");
    std::fs::write(&path, bytes).expect("a file");
    let shape = ModelShape {
        architecture: "gpt2",
        n_layers: 2,
        d_model: 8,
        n_heads: 2,
        n_kv_heads: 2,
        d_head: 4,
        d_ff: 32,
        vocab_size: 16,
        n_positions: 32,
    };
    let like = [Site::Encoder, Site::Decoder, Site::Cross].map(|site| (site, shape.clone()));
    let _ = import::read(&path, &like);
    let _ = import::read(&path, &like[1..2]);
});

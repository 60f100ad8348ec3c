//! A model in GGUF of any bytes: its header, its tensors, its tokenizer.
#![no_main]

use engine::data::Tokenizer;
use engine::models::{GenerationConfig, ModelFolder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.gguf");
    std::fs::write(&file, bytes).expect("a file");
    let _ = Tokenizer::from_folder(&file);
    let _ = GenerationConfig::read(&file);
    if let Ok(model) = ModelFolder::open(&file) {
        let names: Vec<String> = model.files().shapes().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let _ = model.files().floats(&name);
        }
        assert_eq!(model.hash().len(), 64);
    }
});

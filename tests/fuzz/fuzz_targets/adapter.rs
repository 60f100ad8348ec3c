//! An adapter folder: the configuration up to the first zero byte, then the weights.
#![no_main]

use engine::adapters::formats;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let cut = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (config, weights) = bytes.split_at(cut);
    std::fs::write(folder.path().join("adapter_config.json"), config).expect("a file");
    std::fs::write(folder.path().join("adapter_model.safetensors"), weights.get(1..).unwrap_or_default())
        .expect("a file");
    let _ = formats::read(folder.path(), None);
});

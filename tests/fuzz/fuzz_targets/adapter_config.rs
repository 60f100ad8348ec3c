//! The configuration of an adapter whose weights are sound: patterns, sizes, names.
#![no_main]

use std::path::Path;

use engine::bundle::OpenedAdapter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/cases");
    for case in ["gpt2-lora-2x20-patterns", "gpt2-prefix-2x44"] {
        let folder = tempfile::tempdir().expect("a folder");
        let weights = "adapter_model.safetensors";
        std::fs::copy(cases.join(case).join("adapter").join(weights), folder.path().join(weights)).expect("a file");
        std::fs::write(folder.path().join("adapter_config.json"), bytes).expect("a file");
        let _ = OpenedAdapter::read(folder.path(), None);
    }
});

//! What a run folder holds beside tensors: figures, the list of checkpoints, the configuration.
#![no_main]

use engine::config::RunConfig;
use engine::training::run_folder::{read_checkpoints, read_records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["metrics.jsonl", "checkpoints.json"] {
        std::fs::write(folder.path().join(file), bytes).expect("a file");
    }
    let _ = read_records(&folder.path().join("metrics.jsonl"));
    let _ = read_checkpoints(folder.path());
    if let Ok(config) = serde_json::from_slice::<RunConfig>(bytes) {
        let _ = config.check();
    }
});

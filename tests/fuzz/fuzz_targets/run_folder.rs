//! What a run folder holds beside tensors: figures, the list of checkpoints, the configuration; and what is written where
//! that list says, which must stay inside of the run.
#![no_main]

use engine::config::RunConfig;
use engine::training::run_folder::{Retention, RunFolder, read_checkpoints, read_records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let home = tempfile::tempdir().expect("a folder");
    let (victim, folder) = (home.path().join("victim"), home.path().join("run"));
    std::fs::create_dir(&victim).expect("a folder");
    std::fs::write(victim.join("state.json"), "mine").expect("a file");
    let mut run = RunFolder::open(&folder).expect("a run");
    for file in ["metrics.jsonl", "checkpoints.json"] {
        std::fs::write(folder.join(file), bytes).expect("a file");
    }
    let _ = read_records(&folder.join("metrics.jsonl"));
    let _ = read_checkpoints(&folder);
    let _ = run.truncate_after(3, Some(2));
    for older in [Retention::AdapterOnly, Retention::Delete] {
        let _ = run.note_checkpoint(5, true, older);
    }
    let _ = run.forget_best();
    assert_eq!(std::fs::read(victim.join("state.json")).expect("it is still there"), b"mine");
    if let Ok(config) = serde_json::from_slice::<RunConfig>(bytes) {
        let _ = config.check();
    }
});

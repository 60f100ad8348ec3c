//! A model folder whose PyTorch weights are any bytes.
#![no_main]

use engine::weights::WeightFiles;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("pytorch_model.bin"), bytes).expect("a file");
    if let Ok(files) = WeightFiles::open(folder.path()) {
        assert_eq!(files.hash().len(), 64);
    }
});

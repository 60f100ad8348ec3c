//! Weights as PyTorch keeps them are those that safetensors keeps, and no file can do more than be refused.

use std::path::{Path, PathBuf};

use engine::error::EngineError;
use engine::weights::WeightFiles;
use proptest::prelude::*;

/// Made by `tests/golden/torch_files.py`.
fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/torch_files").join(folder)
}

const FORMS: [&str; 4] = ["zip", "protocol-4", "before-1.6", "shards"];

#[test]
fn every_form_that_pytorch_writes_holds_the_same_tensors() {
    let reference = WeightFiles::open(&golden("reference")).unwrap();
    let shapes: Vec<_> = reference.shapes().collect();
    assert_eq!(shapes.len(), 15);
    for form in FORMS {
        let files = WeightFiles::open(&golden(form)).unwrap();
        assert_eq!(files.shapes().collect::<Vec<_>>(), shapes, "{form}");
        // Over names, formats, shapes and every byte in reading order: views, shared storages, masks, all of it.
        assert_eq!(files.hash(), reference.hash(), "{form}");
        assert_eq!(files.dtype(), "F32");
    }
}

#[test]
fn tied_and_transposed_tensors_are_read_as_numbers() {
    let device = engine::device::cpu();
    let (reference, files) =
        (WeightFiles::open(&golden("reference")).unwrap(), WeightFiles::open(&golden("zip")).unwrap());
    let read = |files: &WeightFiles, name: &str, shape: [usize; 2]| {
        files.tensor(name, shape, &device).unwrap().try_into_vec_as::<f32>().unwrap()
    };
    for (name, shape) in [("wte.weight", [7, 4]), ("rows", [3, 4]), ("transposed", [5, 3]), ("bf16", [3, 3])] {
        assert_eq!(read(&files, name, shape), read(&reference, name, shape), "{name}");
    }
    assert_eq!(read(&files, "lm_head.weight", [7, 4]), read(&files, "wte.weight", [7, 4]));
    let doubles = files.tensor("f64", [5], &device).unwrap().try_into_vec_as::<f32>().unwrap();
    assert!(doubles.iter().all(|x| x.is_finite() && *x != 0.0));
    // Masks and positions are there, and no weights.
    let mask = files.tensor("attn.bias", [1, 1, 4, 4], &device).unwrap_err();
    assert!(matches!(mask, EngineError::WeightDtype { .. }), "{mask}");
}

#[test]
fn a_modules_state_dictionary_is_read() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(golden("module").join("reference.safetensors"), home.path().join("model.safetensors")).unwrap();
    let (files, reference) = (WeightFiles::open(&golden("module")).unwrap(), WeightFiles::open(home.path()).unwrap());
    assert_eq!(files.hash(), reference.hash());
    // With both in a folder, safetensors are taken.
    std::fs::write(home.path().join("pytorch_model.bin"), "not read").unwrap();
    assert_eq!(WeightFiles::open(home.path()).unwrap().hash(), reference.hash());
}

#[test]
fn a_view_that_makes_much_of_little_is_refused() {
    let error = WeightFiles::open(&golden("expanded")).err().unwrap().to_string();
    assert!(error.contains("weight: it reaches outside of its storage"), "{error}");
}

#[test]
fn a_pytorch_file_cut_anywhere_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    for form in ["zip", "before-1.6"] {
        let whole = std::fs::read(golden(form).join("pytorch_model.bin")).unwrap();
        for end in (0..whole.len()).step_by(7) {
            std::fs::write(home.path().join("pytorch_model.bin"), &whole[..end]).unwrap();
            assert!(WeightFiles::open(home.path()).is_err(), "{form} cut at {end}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes are changed where the description and the directory are: a sentence or sound tensors, and no panic.
    #[test]
    fn no_change_of_bytes_makes_the_reader_panic(
        form in 0..3_usize,
        changes in prop::collection::vec((0.0..1.0_f64, prop_oneof![any::<u8>(), Just(0xFF), Just(0), Just(b'R')]), 1..6),
    ) {
        let mut bytes = std::fs::read(golden(FORMS[form]).join("pytorch_model.bin")).unwrap();
        for (at, byte) in changes {
            let at = (at * (bytes.len() - 1) as f64) as usize;
            bytes[at] = byte;
        }
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("pytorch_model.bin"), &bytes).unwrap();
        match WeightFiles::open(home.path()) {
            Ok(files) => {
                prop_assert_eq!(files.hash().len(), 64);
                for (_, shape) in files.shapes() {
                    prop_assert!(shape.iter().product::<usize>() <= bytes.len());
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

//! Loading of a model's matrices onto the device for products in 16 bits.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::DType;

use super::*;
use crate::generation::{Decoder, DecoderOptions, DecoderStream, Sampling};
use crate::nn::{Precision, floats, head_logits};
use crate::weights::write_floats;

fn load(folder: &Path, precision: Precision) -> Result<BaseModel> {
    BaseModel::load(Arc::new(ModelFolder::open(folder)?), (&crate::device::cpu(), precision), &mut |_| Ok(()))
}

fn case(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases").join(name).join("model")
}

#[test]
fn matrices_become_sixteen_bits_once_and_nothing_else_does() {
    // Stored in f32, f16 and bf16.
    for name in ["gpt2-prefix-2x44", "gpt2-prefix-3x64-f16", "gpt2-prefix-2x32-bf16"] {
        for precision in Precision::NARROW {
            let model = load(&case(name), precision).unwrap();
            for linear in model.linears().into_iter().filter(|linear| linear.role == Role::Layer) {
                let kept = model.kept_matrix(&format!("{}.weight", linear.name)).unwrap();
                assert_eq!(kept.dtype(), precision.dtype(), "{name}, {}", linear.name);
            }
            assert_eq!(model.embeddings().dtype(), Some(precision.dtype()), "{name}");
            let head = model.head().unwrap().matrix;
            assert_eq!((head.dtype(), head.precision()), (Some(precision.dtype()), precision), "{name}");
        }
    }
    let stored = load(&case("gpt2-prefix-2x32-bf16"), Precision::F32).unwrap();
    assert_eq!(
        stored.head().unwrap().matrix.dtype(),
        Some(DType::BF16),
        "as it is stored, and widened where it is used"
    );
    assert_eq!(stored.head().unwrap().matrix.precision(), Precision::F32);
}

#[test]
fn what_f16_does_not_reach_is_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("model");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(case("gpt2-prefix-2x44")).unwrap().flatten() {
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let known = ModelFolder::open(&folder).unwrap();
    let (name, _) = known.files().shapes().find(|(name, _)| name.ends_with("h.0.mlp.c_fc.weight")).unwrap();
    let name = name.to_owned();
    let mut tensors = BTreeMap::new();
    for (name, shape) in known.files().shapes() {
        tensors.insert(name.to_owned(), (shape.to_vec(), known.files().values(name, shape).unwrap()));
    }
    tensors.get_mut(&name).unwrap().1[3] = -70_000.0;
    drop(known);
    write_floats(&folder.join("model.safetensors"), &tensors, None).unwrap();
    let error = load(&folder, Precision::F16).err().unwrap();
    assert!(
        matches!(&error, EngineError::WeightRange { name: found, value, .. } if *found == name && *value == -70_000.0),
        "{error}"
    );
    assert!(load(&folder, Precision::Bf16).is_ok());
}

#[test]
fn decoding_multiplies_the_vocabulary_in_the_precision_of_the_model() {
    for precision in Precision::NARROW {
        let model = load(&case("gpt2-prefix-2x44"), precision).unwrap();
        let causal = model.causal().unwrap();
        let prompt = [5, 9, 14];
        let conditioning = Conditioning::default();
        let mut pass =
            ForwardPass::of_prompt(causal.stack(), &prompt, 0, &conditioning, &crate::device::cpu()).unwrap();
        let hidden = causal.hidden(&mut pass); // [1, seq, d_model]
        let [_, seq, d_model] = hidden.dims();
        let last = hidden.slice([0..1, seq - 1..seq]).reshape([1, d_model]);
        let rounded = floats(head_logits(last.clone(), causal.logit_head())).unwrap();
        let widened = floats(head_logits(last, causal.head().dense())).unwrap();

        let sampling = Sampling { max_new_tokens: 1, ..Sampling::default() };
        let options = DecoderOptions { sampling, keep_logits: true, ..DecoderOptions::default() };
        let stream = DecoderStream::new(prompt.to_vec(), conditioning);
        let mut decoder = Decoder::new(model.shape(), vec![stream], options).unwrap();
        let decoded = decoder.step(causal).unwrap().remove(0).logits.unwrap();
        assert_eq!(decoded, rounded, "{precision:?}");
        assert_ne!(decoded, widened, "{precision:?}");
    }
}

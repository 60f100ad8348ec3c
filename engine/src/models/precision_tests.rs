//! Loading of a model's matrices onto the device for products in 16 bits.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::DType;

use super::*;
use crate::generation::{Decoder, DecoderOptions, DecoderStream, Sampling};
use crate::nn::{MatrixNumbers, PackedWeight, Place, Precision, Quantization, floats, head_logits};
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
        // The CPU multiplies one row in f32 with bf16 as it is stored.
        assert_eq!(decoded == widened, precision == Precision::Bf16, "{precision:?}");
    }
}

#[test]
fn matrices_become_the_blocks_that_are_asked_for_and_nothing_else_does() {
    let load = |quantization| {
        let folder = Arc::new(ModelFolder::open(&case("gpt2-prefix-3x64-f16")).unwrap());
        let numbers = MatrixNumbers { precision: Precision::F32, quantization };
        BaseModel::load(folder, (&crate::device::cpu(), numbers), &mut |_| Ok(())).unwrap()
    };
    let stored = load(Quantization::Stored);
    let named = |name: &str| stored.weights().into_iter().find(|weight| weight.name == name).unwrap();
    for quantization in [Quantization::Q8_0, Quantization::Q4_0, Quantization::Nf4] {
        let model = load(quantization);
        let (mut seen, mut packed) = (0, 0);
        for linear in model.linears().into_iter().filter(|linear| linear.role != Role::Head) {
            let name = format!("{}.weight", linear.name);
            let place = if linear.role == Role::Layer { Place::Layer } else { Place::Vocabulary };
            let mut values = stored.values(&named(&name)).unwrap();
            if linear.is_in_out {
                let (d_in, d_out) = (linear.d_in, linear.d_out);
                values = (0..d_in * d_out).map(|at| values[at % d_in * d_out + at / d_in]).collect();
            }
            let kept = model.kept_matrix(&name).unwrap();
            let kept = if linear.is_in_out { kept.transpose() } else { kept };
            // A row that is no whole number of blocks stays as it is.
            let blocks = quantization.block(place).and_then(|block| PackedWeight::pack(block, &values, linear.d_in));
            packed += usize::from(blocks.is_some());
            let expected = blocks.map_or(values, |blocks| blocks.unpacked());
            assert_eq!(floats(kept).unwrap(), expected, "{quantization}, {name}");
            seen += 1;
        }
        assert_eq!(seen, 3 * 4 + 1, "four matrices a block, and the table");
        assert!(packed >= 9, "{quantization}: {packed}");
        let is_packed = quantization.block(Place::Vocabulary).is_some();
        assert_eq!(model.embeddings().dtype().is_none(), is_packed, "{quantization}");
    }
}

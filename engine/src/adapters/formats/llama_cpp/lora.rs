//! Matrices of low rank as an adapter in GGUF (`--lora`). ggml-org/llama.cpp: convert_lora_to_gguf.py,
//! src/llama-adapter.cpp (`alpha / rank` is the one scale of all of them).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;

use super::refused;
use crate::adapters::methods::PartState;
use crate::adapters::methods::lora::LoraMatrices;
use crate::adapters::state::AdapterState;
use crate::config::Task;
use crate::error::Result;
use crate::models::load::GgufLayout;
use crate::models::{ModelFolder, tied_head};
use crate::sentence;
use crate::weights::gguf::{Form, GgufFile, GgufTensor, Metadata, Value, write_gguf};

/// The matrices beside one tensor of the model.
#[derive(Debug, Default)]
struct Beside {
    rank: usize,
    d_in: usize,
    /// `[rank, d_in]`
    a: Vec<f32>,
    /// `[rows of the tensor, rank]`
    b: Vec<f32>,
}

/// Writes the adapter.
///
/// # Errors
/// [`EngineError::NoPlace`](crate::error::EngineError::NoPlace) where something of it is no matrix of low rank beside a tensor
/// of llama.cpp's; or the file cannot be written.
pub(in crate::adapters::formats) fn write(adapter: &AdapterState, model: &ModelFolder, to: &Path) -> Result<()> {
    let layout = GgufLayout::of(&model.shape())?;
    let file = model.path.is_file().then(|| GgufFile::open(&model.path)).transpose()?;
    let is_there = |tensor: &str| file.as_ref().is_none_or(|file| file.shape(tensor).is_some());
    let (metadata, tensors) = made(&adapter.clone().on_base(model)?, &layout, is_there)?;
    let tied = tied_head(&model.list_linears(), &model.list_weights());
    if let Some(head) = tied.filter(|_| tensors.contains_key("output.weight.lora_a")) {
        return refused(sentence!(
            "{head} is the table of embeddings, and matrices beside it alone: merge it",
            head = head.name
        ));
    }
    let described: Vec<GgufTensor> = tensors
        .iter()
        .map(|(name, (shape, _))| GgufTensor {
            name: name.clone(),
            form: Form::Plain(Dtype::F32),
            shape: shape.clone(),
        })
        .collect();
    write_gguf(to, &metadata, &described, |tensor| {
        let values = tensors.get(&tensor.name).map(|(_, values)| values.as_slice()).unwrap_or_default();
        Ok(Cow::Borrowed(bytemuck::cast_slice(values)))
    })
}

/// Shapes and numbers by name.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The adapter for a file that has the tensors that are `there`.
fn made(adapter: &AdapterState, layout: &GgufLayout, there: impl Fn(&str) -> bool) -> Result<(Metadata, Tensors)> {
    let [PartState::Lora(lora)] = adapter.parts.as_slice() else {
        return refused(sentence!(
            "an adapter in GGUF has matrices of low rank alone, and this one has a prefix, a head or trained weights beside \
             them: merge it into the model"
        ));
    };
    if adapter.task.task != Task::Causal {
        return refused(sentence!("an adapter in GGUF is for a model that goes on with a text"));
    }
    if !lora.rows.is_empty() || !lora.base_copies.is_empty() {
        return refused(sentence!(
            "an adapter in GGUF has no place for rows of single tokens or whole weights: merge it"
        ));
    }
    let mut beside: BTreeMap<String, Vec<(Beside, f64)>> = BTreeMap::new();
    for layer in &lora.layers {
        let (tensor, matrices) = placed(layer, layout, &there)?;
        beside.entry(tensor).or_default().push((matrices, layer.scale));
    }
    // One number for all of them: that of the first, which the others are brought to.
    let alpha = lora.layers.first().map_or(1.0, |layer| layer.scale * layer.rank as f64);
    let mut tensors = Tensors::new();
    for (tensor, parts) in beside {
        let Beside { rank, d_in, a, b } = stacked(parts, alpha);
        let n_rows = b.len() / rank.max(1);
        tensors.insert(format!("{tensor}.lora_a"), (vec![rank, d_in], a));
        tensors.insert(format!("{tensor}.lora_b"), (vec![n_rows, rank], b));
    }
    let text = |text: &str| Value::Text(text.to_owned());
    let metadata = Metadata::from([
        ("general.type".to_owned(), text("adapter")),
        ("general.architecture".to_owned(), text(layout.architecture())),
        ("general.file_type".to_owned(), Value::Unsigned(0)),
        ("adapter.type".to_owned(), text("lora")),
        ("adapter.lora.alpha".to_owned(), Value::Float(alpha)),
    ]);
    Ok((metadata, tensors))
}

/// A layer's matrices with the rows of the second where the tensor has them, and the tensor.
fn placed(layer: &LoraMatrices, layout: &GgufLayout, there: impl Fn(&str) -> bool) -> Result<(String, Beside)> {
    let LoraMatrices { name, rank, d_in, d_out, a, b, is_embeddings, .. } = layer;
    if *is_embeddings {
        return refused(sentence!(
            "its matrices for the table of embeddings are looked up in otherwise there: merge it"
        ));
    }
    let Some(rows) = layout.rows_of(name, *d_out, there) else {
        return refused(sentence!("{name} has no name in its files", name = name.clone()));
    };
    let mut turned = vec![0.0; rows.n_rows * rank];
    for (row, values) in rows.order.iter().zip(b.chunks_exact(*rank)) {
        turned[*row as usize * rank..][..*rank].copy_from_slice(values);
    }
    Ok((rows.tensor, Beside { rank: *rank, d_in: *d_in, a: a.clone(), b: turned }))
}

/// Several layers that are one tensor in the file: their first matrices one below the other, the second side by side, each
/// times what the program's scale lacks.
fn stacked(parts: Vec<(Beside, f64)>, alpha: f64) -> Beside {
    let rank: usize = parts.iter().map(|(part, _)| part.rank).sum();
    let n_rows = parts.first().map_or(0, |(part, _)| part.b.len() / part.rank.max(1));
    let d_in = parts.first().map_or(0, |(part, _)| part.d_in);
    let mut b = Vec::with_capacity(n_rows * rank);
    let factors: Vec<f64> = parts.iter().map(|(_, scale)| factor(*scale, rank, alpha)).collect();
    for row in 0..n_rows {
        for ((part, _), factor) in parts.iter().zip(&factors) {
            let values = &part.b[row * part.rank..][..part.rank];
            b.extend(values.iter().map(|&value| (f64::from(value) * factor) as f32));
        }
    }
    Beside { rank, d_in, a: parts.into_iter().flat_map(|(part, _)| part.a).collect(), b }
}

/// What a scale is of `alpha / rank`. Nothing is scaled where `alpha` is 0.
fn factor(scale: f64, rank: usize, alpha: f64) -> f64 {
    if alpha == 0.0 { scale } else { scale * rank as f64 / alpha }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::methods::lora::LoraState;
    use crate::config::{LoraConfig, TaskRecord};
    use crate::models::ModelShape;

    fn layout(architecture: &'static str) -> GgufLayout {
        GgufLayout::of(&ModelShape {
            architecture,
            n_layers: 2,
            d_model: 8,
            n_heads: 2,
            n_kv_heads: 1,
            d_head: 4,
            d_ff: 8,
            vocab_size: 10,
            n_positions: 64,
        })
        .unwrap()
    }

    fn layer(name: &str, rank: usize, d_out: usize, scale: f64) -> LoraMatrices {
        let (a, b) = ((0..rank * 8).map(|x| x as f32), (0..rank * d_out).map(|x| x as f32 + 1.0));
        let (name, a, b) = (name.to_owned(), a.collect(), b.collect());
        LoraMatrices { name, rank, d_in: 8, d_out, a, b, scale, is_embeddings: false }
    }

    fn adapter(layers: Vec<LoraMatrices>) -> AdapterState {
        let config = LoraConfig::default();
        let lora =
            LoraState { config, fan_in_fan_out: false, layers, rows: vec![], residual: None, base_copies: vec![] };
        AdapterState::new(TaskRecord::default(), [lora])
    }

    #[test]
    fn rows_follow_the_tensor_and_one_scale_is_for_all() {
        let layers =
            vec![layer("model.layers.0.self_attn.k_proj", 1, 4, 2.0), layer("model.layers.1.mlp.up_proj", 2, 3, 0.5)];
        let (metadata, tensors) = made(&adapter(layers), &layout("llama"), |_| true).unwrap();
        assert_eq!(metadata["adapter.lora.alpha"], Value::Float(2.0));
        assert_eq!(metadata["general.architecture"], Value::Text("llama".to_owned()));
        let (shape, b) = &tensors["blk.0.attn_k.weight.lora_b"];
        assert_eq!((shape.as_slice(), b.as_slice()), ([4, 1].as_slice(), [1.0, 3.0, 2.0, 4.0].as_slice()));
        assert_eq!(tensors["blk.0.attn_k.weight.lora_a"].0, [1, 8]);
        // 0.5 of what alpha / rank makes of it: 2 / 2.
        let (shape, b) = &tensors["blk.1.ffn_up.weight.lora_b"];
        assert_eq!((shape.as_slice(), b.as_slice()), ([3, 2].as_slice(), [0.5, 1.0, 1.5, 2.0, 2.5, 3.0].as_slice()));
    }

    #[test]
    fn layers_of_one_tensor_stand_side_by_side() {
        let layers = vec![
            layer("model.layers.0.self_attn.q_proj", 1, 8, 1.0),
            layer("model.layers.0.self_attn.v_proj", 1, 4, 3.0),
        ];
        let (_, tensors) = made(&adapter(layers), &layout("phi"), |tensor| tensor == "blk.0.attn_qkv.weight").unwrap();
        let (shape, b) = &tensors["blk.0.attn_qkv.weight.lora_b"];
        // Two heads of queries, one of keys, one of values, each of four; alpha / rank is 1 / 2.
        assert_eq!(shape.as_slice(), [16, 2]);
        assert_eq!((&b[..2], &b[14..18], &b[24..26]), (&[2.0, 0.0][..], &[16.0, 0.0, 0.0, 0.0][..], &[0.0, 6.0][..]));
        assert_eq!(tensors["blk.0.attn_qkv.weight.lora_a"].0, [2, 8]);
    }

    #[test]
    fn what_gguf_has_no_place_for_is_refused() {
        let refusal =
            |adapter: &AdapterState| made(adapter, &layout("llama"), |_| true).map(|_| ()).unwrap_err().to_string();
        assert!(refusal(&adapter(vec![layer("model.layers.0.self_attn.rotary", 1, 4, 1.0)])).contains("rotary"));
        let table = LoraMatrices { is_embeddings: true, ..layer("model.embed_tokens", 1, 10, 1.0) };
        assert!(refusal(&adapter(vec![table])).contains("embeddings"));
        assert!(refusal(&AdapterState::default()).contains("low rank alone"));
        let task = TaskRecord::of(Task::SequenceClassification);
        let classes = AdapterState { task, ..adapter(vec![layer("model.layers.0.self_attn.k_proj", 1, 4, 1.0)]) };
        assert!(refusal(&classes).contains("goes on with a text"));
    }
}

//! An adapter taken into the weights of its base model, as one file in GGUF that llama.cpp loads.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use half::f16;
use safetensors::Dtype;
use serde::{Deserialize, Serialize};

use super::merge::{Changed, changed, check};
use crate::adapters::state::AdapterState;
use crate::config::Task;
use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, GgufLayout, TensorPlan, gguf_metadata};
use crate::models::{BaseModel, WeightName};
use crate::nn::{BlockType, Precision};
use crate::sentence;
use crate::weights::gguf::{Form, GgufFile, GgufTensor, Metadata, Value, write_gguf};

/// Numbers of the matrices of a file. Vectors, and positions that are learned, stay in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GgufNumbers {
    /// 16 bits.
    #[default]
    F16,
    /// Blocks of 8 bits.
    Q8_0,
    /// Blocks of 4 bits, embeddings and head in 8.
    Q4_0,
}

impl GgufNumbers {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::F16, Self::Q8_0, Self::Q4_0];

    /// As users name them.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
        }
    }

    /// As `general.file_type` says it. ggml-org/llama.cpp: include/llama.h (`llama_ftype`).
    fn file_type(self) -> u64 {
        match self {
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
        }
    }

    fn form(self, tensor: &str, shape: &[usize]) -> Form {
        let is_of_words = ["token_embd.weight", "output.weight"].contains(&tensor);
        let block = match self {
            _ if shape.len() < 2 || tensor == "position_embd.weight" => return Form::Plain(Dtype::F32),
            Self::F16 => return Form::Plain(Dtype::F16),
            Self::Q4_0 if !is_of_words => BlockType::Q4_0,
            Self::Q8_0 | Self::Q4_0 => BlockType::Q8_0,
        };
        match shape.last().is_some_and(|columns| columns.is_multiple_of(block.numbers())) {
            true => Form::Blocks(block),
            // A row that is no whole number of blocks.
            false => Form::Plain(Dtype::F16),
        }
    }
}

impl fmt::Display for GgufNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the numbers of a tensor come from.
enum Source<'a> {
    /// The base model's own bytes.
    Kept(&'a [u8]),
    /// Weights of the merged model.
    Made(TensorPlan),
    /// These.
    Values(Vec<f32>),
}

/// Writes the file, whole or not at all. Metadata and tokenizer are those of the base model where that is in GGUF, and what it
/// has in blocks stays as it is unless the adapter changes it; else `tokenizer` makes their metadata, for so many rows of
/// embeddings.
///
/// # Errors
/// As [`super::merge::merge`]; [`EngineError::NoPlace`] where llama.cpp does not compute such a model.
pub fn merge_gguf(
    base: &BaseModel,
    adapter: &AdapterState,
    numbers: GgufNumbers,
    tokenizer: impl FnOnce(usize) -> Result<Metadata>,
    to: &Path,
) -> Result<()> {
    check(base, adapter, to)?;
    if adapter.task.task != Task::Causal || !adapter.head().is_empty() {
        let reason = sentence!("a head that names classes has no place in its files: merge into a folder");
        return Err(EngineError::NoPlace { program: "llama.cpp", reason });
    }
    let changed = changed(base, adapter)?;
    let layout = GgufLayout::of(base.shape())?;
    let path = &base.folder().path;
    let file = path.is_file().then(|| GgufFile::open(path)).transpose()?;
    let (mut metadata, mut tensors) = match &file {
        Some(file) => of_file(file, &layout, &changed, numbers),
        None => of_folder(base, &layout, numbers, tokenizer)?,
    };
    if let Some((_, values)) = &changed.head {
        let shape = base.embedding_dims().to_vec();
        let tensor = described("output.weight", shape, numbers);
        tensors.push((tensor, Source::Values(values.clone())));
    }
    metadata.insert("general.file_type".to_owned(), Value::Unsigned(numbers.file_type()));
    metadata.insert("general.quantization_version".to_owned(), Value::Unsigned(2));
    let headers: Vec<GgufTensor> = tensors.iter().map(|(tensor, _)| tensor.clone()).collect();
    let weights = weights(base);
    let value = |name: &str| match weights.get(name) {
        Some(weight) => match changed.weights.get(&weight.stored) {
            Some(values) => Ok(values.clone()),
            None => base.values(weight),
        },
        None => Err(EngineError::WeightMissing { name: name.to_owned() }),
    };
    let mut sources = tensors.iter().map(|(_, source)| source);
    write_gguf(to, &metadata, &headers, |tensor| {
        Ok(match sources.next() {
            Some(Source::Kept(bytes)) => Cow::Borrowed(*bytes),
            Some(Source::Made(plan)) => Cow::Owned(encoded(tensor, &plan.values(&value)?)?),
            Some(Source::Values(values)) => Cow::Owned(encoded(tensor, values)?),
            None => Cow::Borrowed(&[]),
        })
    })
}

type Tensors<'a> = Vec<(GgufTensor, Source<'a>)>;

fn described(name: &str, shape: Vec<usize>, numbers: GgufNumbers) -> GgufTensor {
    GgufTensor { name: name.to_owned(), form: numbers.form(name, &shape), shape }
}

/// Those of a base model in GGUF, whatever else its file says.
fn of_file<'a>(
    file: &'a GgufFile,
    layout: &GgufLayout,
    changed: &Changed,
    numbers: GgufNumbers,
) -> (Metadata, Tensors<'a>) {
    let is_of_packing = |key: &str| key.starts_with("split.") || key.starts_with("quantize.");
    let metadata = file.metadata.iter().filter(|(key, _)| !is_of_packing(key));
    let tensor = |(tensor, bytes): (GgufTensor, &'a [u8])| {
        let plan = layout.plan_of(&tensor.name, &tensor.shape);
        let is_changed =
            plan.iter().flat_map(|plan| &plan.parts).any(|(weight, _)| changed.weights.contains_key(weight));
        let form = numbers.form(&tensor.name, &tensor.shape);
        match plan {
            Some(plan) if is_changed || (form != tensor.form && !matches!(tensor.form, Form::Blocks(_))) => {
                (GgufTensor { form, ..tensor }, Source::Made(plan))
            }
            _ => (tensor, Source::Kept(bytes)),
        }
    };
    (metadata.map(|(key, value)| (key.clone(), value.clone())).collect(), file.stored().map(tensor).collect())
}

/// Those of a base model in a folder of Hugging Face's.
fn of_folder<'a>(
    base: &BaseModel,
    layout: &GgufLayout,
    numbers: GgufNumbers,
    tokenizer: impl FnOnce(usize) -> Result<Metadata>,
) -> Result<(Metadata, Tensors<'a>)> {
    let config = ConfigFile::of_model(&base.folder().path)?;
    let (mut metadata, factors) = gguf_metadata(layout, &config)?;
    metadata.extend(tokenizer(base.shape().vocab_size)?);
    let name = base.folder().path.file_name().map(|name| name.to_string_lossy().into_owned());
    metadata.extend(name.map(|name| ("general.name".to_owned(), Value::Text(name))));
    let shapes: BTreeMap<String, Vec<usize>> =
        weights(base).into_iter().map(|(name, weight)| (name, weight.shape)).collect();
    let plans = layout.tensors(&shapes)?.into_iter();
    let mut tensors: Tensors<'a> =
        plans.map(|plan| (described(&plan.name, plan.shape.clone(), numbers), Source::Made(plan))).collect();
    if let Some(factors) = factors {
        let tensor = described("rope_freqs.weight", vec![factors.len()], numbers);
        tensors.push((tensor, Source::Values(factors)));
    }
    Ok((metadata, tensors))
}

/// Every weight of a model by the name that Hugging Face's files have for it.
fn weights(base: &BaseModel) -> BTreeMap<String, WeightName> {
    let named = |weight: WeightName| match weight.stored.as_str() {
        // The head of GPT-NeoX, which adapters call as any other.
        "embed_out.weight" => (weight.stored.clone(), weight),
        _ => (weight.name.clone(), weight),
    };
    base.weights().into_iter().map(named).collect()
}

/// Numbers in the form of a tensor.
fn encoded(tensor: &GgufTensor, values: &[f32]) -> Result<Vec<u8>> {
    let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
    let beyond = |value: f32| EngineError::WeightRange { name: tensor.name.clone(), value, precision: Precision::F16 };
    match tensor.form {
        Form::Plain(Dtype::F16) => match values.iter().find(|value| !f16::from_f32(**value).is_finite()) {
            Some(value) => Err(beyond(*value)),
            None => Ok(values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect()),
        },
        Form::Blocks(block) => {
            let packed: Option<Vec<Vec<u8>>> = values.chunks(columns).map(|row| block.pack(row)).collect();
            let packed = packed.unwrap_or_default().concat();
            let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            if block.is_finite(&packed) { Ok(packed) } else { Err(beyond(largest)) }
        }
        Form::Plain(_) => Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tensor_has_the_bits_that_suit_it() {
        let form = |numbers: GgufNumbers, name: &str, shape: &[usize]| numbers.form(name, shape).name();
        for (numbers, name, shape, expected) in [
            (GgufNumbers::F16, "blk.0.ffn_up.weight", &[8, 64][..], "F16"),
            (GgufNumbers::Q8_0, "blk.0.ffn_up.weight", &[8, 64], "Q8_0"),
            (GgufNumbers::Q4_0, "blk.0.ffn_up.weight", &[8, 64], "Q4_0"),
            (GgufNumbers::Q4_0, "blk.0.ffn_up.weight", &[8, 48], "F16"),
            (GgufNumbers::Q4_0, "token_embd.weight", &[8, 64], "Q8_0"),
            (GgufNumbers::Q4_0, "position_embd.weight", &[8, 64], "F32"),
            (GgufNumbers::F16, "output_norm.weight", &[64], "F32"),
        ] {
            assert_eq!(form(numbers, name, shape), expected, "{numbers} {name}");
        }
    }

    #[test]
    fn a_number_beyond_sixteen_bits_is_named() {
        let tensor = described("blk.0.ffn_up.weight", vec![1, 32], GgufNumbers::F16);
        let said = encoded(&tensor, &[1e6; 32]).unwrap_err().to_string();
        assert!(said.contains("blk.0.ffn_up.weight"), "{said}");
        let blocks = described("blk.0.ffn_up.weight", vec![1, 32], GgufNumbers::Q8_0);
        assert!(encoded(&blocks, &[1e38; 32]).is_err());
        assert_eq!(encoded(&blocks, &[1.0; 32]).unwrap().len(), 34);
    }
}

//! Parts of a file beside prefixes: `prompt.embeddings` with `prompt.cols` and `prompt.rows` of tasks, `lora.<layer>.a`
//! and `.b`, `weights.<name>`.

use serde::{Deserialize, Serialize};

use super::read::named;
use crate::adapters::methods::lora::{LoraMatrices, LoraState, TokenRows};
use crate::adapters::{AdapterState, FewShotState, PartState, PromptState, PromptTasksState, WeightsState};
use crate::config::LoraConfig;
use crate::weights::Floats;
use crate::{Sentence, sentence};

/// Their sizes and settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OtherParts {
    /// A soft prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PromptSizes>,
    /// Matrices of low rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraSizes>,
    /// Words before every prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A soft prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of PromptState and PromptTasksState")]
pub struct PromptSizes {
    pub n_virtual: usize,
    pub n_rows: usize,
    pub width: usize,
    pub of_model: Option<[usize; 2]>,
    pub n_tasks: usize,
    pub ranks: usize,
}

/// Matrices of low rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of LoraState")]
pub struct LoraSizes {
    pub config: LoraConfig,
    pub fan_in_fan_out: bool,
    pub layers: Vec<LoraLayerSizes>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<TokenRowsSizes>,
}

/// The rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of TokenRows")]
pub struct TokenRowsSizes {
    pub table: String,
    pub tokens: Vec<u32>,
    pub width: usize,
}

/// The matrices of one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of LoraMatrices")]
pub struct LoraLayerSizes {
    pub name: String,
    pub rank: usize,
    pub d_in: usize,
    pub d_out: usize,
    pub scale: f64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_embeddings: bool,
}

impl OtherParts {
    /// Those of an adapter.
    pub(super) fn of(adapter: &AdapterState) -> Self {
        let prompt = |prompt: &PromptState| PromptSizes {
            n_virtual: prompt.n_virtual,
            n_rows: prompt.n_rows,
            width: prompt.width,
            of_model: prompt.of_model,
            n_tasks: prompt.tasks.as_ref().map_or(0, |tasks| tasks.n_tasks),
            ranks: prompt.tasks.as_ref().map_or(0, |tasks| tasks.ranks),
        };
        let layer = |layer: &LoraMatrices| LoraLayerSizes {
            name: layer.name.clone(),
            rank: layer.rank,
            d_in: layer.d_in,
            d_out: layer.d_out,
            scale: layer.scale,
            is_embeddings: layer.is_embeddings,
        };
        let rows = |rows: &TokenRows| TokenRowsSizes {
            table: rows.table.clone(),
            tokens: rows.tokens.clone(),
            width: rows.width,
        };
        let lora = |lora: &LoraState| LoraSizes {
            config: lora.config.clone(),
            fan_in_fan_out: lora.fan_in_fan_out,
            layers: lora.layers.iter().map(layer).collect(),
            rows: lora.rows.iter().map(rows).collect(),
        };
        Self {
            prompt: adapter.prompt().map(prompt),
            lora: adapter.lora().map(lora),
            text: adapter.text().map(str::to_owned),
        }
    }
}

/// The tensors of everything but prefixes and the head.
pub(super) fn tensors(adapter: &AdapterState) -> Floats {
    let mut tensors = Floats::new();
    if let Some(PromptState { n_rows, width, values, tasks, .. }) = adapter.prompt() {
        tensors.insert("prompt.embeddings".to_owned(), (vec![*n_rows, *width], values.clone()));
        if let Some(PromptTasksState { n_tasks, ranks, cols, rows }) = tasks {
            tensors.insert("prompt.cols".to_owned(), (vec![*n_tasks, *n_rows, *ranks], cols.clone()));
            tensors.insert("prompt.rows".to_owned(), (vec![*n_tasks, *ranks, *width], rows.clone()));
        }
    }
    for LoraMatrices { name, rank, d_in, d_out, a, b, .. } in adapter.lora().iter().flat_map(|lora| &lora.layers) {
        tensors.insert(format!("lora.{name}.a"), (vec![*rank, *d_in], a.clone()));
        tensors.insert(format!("lora.{name}.b"), (vec![*d_out, *rank], b.clone()));
    }
    for TokenRows { table, tokens, width, values } in adapter.lora().iter().flat_map(|lora| &lora.rows) {
        tensors.insert(format!("lora.{table}.rows"), (vec![tokens.len(), *width], values.clone()));
    }
    for (name, shape, values) in adapter.weights() {
        tensors.insert(format!("weights.{name}"), (shape.clone(), values.clone()));
    }
    tensors
}

/// Everything but prefixes and the head; every size is held against the tensors.
pub(super) fn read(sizes: &OtherParts, tensors: &mut Floats) -> Result<Vec<PartState>, Sentence> {
    let mut parts: Vec<PartState> = sizes.text.iter().map(|text| FewShotState(text.clone()).into()).collect();
    let prompt = match sizes.prompt {
        None => None,
        Some(PromptSizes { n_virtual, n_rows, width, of_model, n_tasks, ranks }) => {
            if n_virtual == 0 || n_virtual > n_rows {
                return Err(sentence!("its prompt has {n_virtual} soft tokens in {n_rows} rows", n_virtual, n_rows));
            }
            let values = take(tensors, "prompt.embeddings", &[n_rows, width])?;
            let tasks = match n_tasks {
                0 => None,
                n_tasks => {
                    let cols = take(tensors, "prompt.cols", &[n_tasks, n_rows, ranks])?;
                    let rows = take(tensors, "prompt.rows", &[n_tasks, ranks, width])?;
                    Some(PromptTasksState { n_tasks, ranks, cols, rows })
                }
            };
            Some(PromptState { n_virtual, n_rows, width, values, of_model, tasks })
        }
    };
    let lora = match &sizes.lora {
        None => None,
        Some(LoraSizes { config, fan_in_fan_out, layers, rows }) => Some(LoraState {
            config: config.clone(),
            fan_in_fan_out: *fan_in_fan_out,
            layers: layers.iter().map(|sizes| matrices(sizes, tensors)).collect::<Result<_, _>>()?,
            rows: rows.iter().map(|sizes| token_rows(sizes, tensors)).collect::<Result<_, _>>()?,
            residual: None,
            base_copies: Vec::new(),
        }),
    };
    let weights = WeightsState(named(tensors, "weights.")?);
    parts.extend(prompt.map(PartState::from).into_iter().chain(lora.map(PartState::from)).chain([weights.into()]));
    Ok(parts)
}

/// Takes a tensor of these sizes.
fn take(tensors: &mut Floats, name: &str, dims: &[usize]) -> Result<Vec<f32>, Sentence> {
    let (found, values) = tensors.remove(name).ok_or_else(|| sentence!("it has no tensor {name}", name))?;
    if found != dims || dims.contains(&0) {
        return Err(sentence!("{name} is {found}, and it says {dims}", name, found, dims));
    }
    if values.iter().any(|x| !x.is_finite()) {
        return Err(sentence!("{name} holds a number that is not finite", name));
    }
    Ok(values)
}

fn matrices(sizes: &LoraLayerSizes, tensors: &mut Floats) -> Result<LoraMatrices, Sentence> {
    let LoraLayerSizes { name, rank, d_in, d_out, scale, is_embeddings } = sizes.clone();
    if !scale.is_finite() {
        return Err(sentence!("the scale of {name} is not finite", name));
    }
    let a = take(tensors, &format!("lora.{name}.a"), &[rank, d_in])?;
    let b = take(tensors, &format!("lora.{name}.b"), &[d_out, rank])?;
    Ok(LoraMatrices { name, rank, d_in, d_out, a, b, scale, is_embeddings })
}

fn token_rows(sizes: &TokenRowsSizes, tensors: &mut Floats) -> Result<TokenRows, Sentence> {
    let TokenRowsSizes { table, tokens, width } = sizes.clone();
    let values = take(tensors, &format!("lora.{table}.rows"), &[tokens.len(), width])?;
    Ok(TokenRows { table, tokens, width, values })
}

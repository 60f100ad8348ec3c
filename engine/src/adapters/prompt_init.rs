//! Initial values of a soft prompt, and of the network behind it.

use std::borrow::Cow;

use burn::tensor::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::adapters::parameters::{Parameter, floats};
use crate::adapters::prompt::{PromptShape, SoftPrompt};
use crate::config::PromptInit;
use crate::error::{EngineError, Result};
use crate::random::normal;

/// What the initial values of a soft prompt are taken from, beside the seed.
#[derive(Clone, Debug, Default)]
pub struct PromptTarget {
    /// Tokens of the text for [`PromptInit::Words`].
    pub words: Vec<u32>,
    /// Tokens of the training rows.
    pub rows: Vec<Vec<u32>>,
    /// Tokens of the name of each class.
    pub classes: Vec<Vec<u32>>,
}

impl SoftPrompt {
    /// A soft prompt with its initial values. With an encoder everything is drawn as torch draws it, as in PEFT: what
    /// the network makes of an embedding is no embedding at first, whatever it was.
    ///
    /// # Shapes
    /// - `table`: `[vocab_size, width]`, the embeddings of the model
    ///
    /// # Errors
    /// There is nothing to start from, or the device failed.
    pub fn initialise(
        shape: PromptShape,
        init: &PromptInit,
        target: &PromptTarget,
        table: &Tensor<2>,
        device: &Device,
        seed: u64,
    ) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM);
        let embedding = match shape.encoder {
            Some(_) => None,
            None => wanted(&shape, init, target, table, &mut random)?,
        };
        let hidden = shape.encoder.map_or(1, |encoder| encoder.hidden);
        let mut last_width = 1;
        let mut parameters = Vec::new();
        for (name, dims) in shape.parameter_shapes() {
            // A bias has the bound of its weight.
            if dims.len() == 2 {
                last_width = dims[1];
            }
            let width = if name.starts_with("lstm_head") { hidden } else { last_width };
            let values = draw(&name, &dims, width, &mut random);
            parameters.push(Parameter::new(name, dims, values, device));
        }
        if let Some(values) = embedding {
            let dims = [shape.n_rows, shape.width];
            parameters[0] = Parameter::new(Cow::Borrowed("embedding.weight"), dims, values, device);
        }
        Ok(Self { shape, parameters })
    }
}

/// The stream of the seed that soft prompts are drawn from, apart from those of the other parts.
const STREAM: u64 = 1 << 42;

/// As torch draws them: embeddings N(0, 1), linear layers uniform in ±1/sqrt(d_in), an LSTM in ±1/sqrt(hidden).
fn draw(name: &str, dims: &[usize], width: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    let n = dims.iter().product();
    if name == "embedding.weight" {
        return (0..n).map(|_| normal(random)).collect();
    }
    let bound = (width as f32).sqrt().recip();
    (0..n).map(|_| random.random_range(-bound..bound)).collect()
}

/// The matrix that training should start from; `None` where the drawn one is the start.
fn wanted(
    shape: &PromptShape,
    init: &PromptInit,
    target: &PromptTarget,
    table: &Tensor<2>,
    random: &mut ChaCha8Rng,
) -> Result<Option<Vec<f32>>> {
    let nothing = |reason: &str| EngineError::Setting { field: "method.init", reason: reason.to_owned() };
    let [vocab_size, width] = table.dims();
    let drawn = |random: &mut ChaCha8Rng| vec![random.random_range(0..vocab_size as u32)];
    // Each row of the matrix is the mean of some tokens' embeddings.
    let rows: Vec<Vec<u32>> = match init {
        PromptInit::Random => return Ok(None),
        PromptInit::Zero => return Ok(Some(vec![0.0; shape.n_rows * width])),
        PromptInit::ScaledRandom => return scaled(shape, table, random).map(Some),
        PromptInit::Vocabulary => (0..shape.n_rows).map(|_| drawn(random)).collect(),
        PromptInit::Words { .. } if target.words.is_empty() => {
            return Err(EngineError::Setting {
                field: "method.init.text",
                reason: "the text to start from is empty".to_owned(),
            });
        }
        PromptInit::Words { .. } => target.words.iter().cycle().take(shape.n_rows).map(|&token| vec![token]).collect(),
        PromptInit::Frequent => {
            let frequent = frequent(target.rows.iter().flatten().copied());
            if frequent.is_empty() {
                return Err(nothing("there are no rows to count tokens in"));
            }
            frequent.iter().cycle().take(shape.n_rows).map(|&token| vec![token]).collect()
        }
        PromptInit::Classes => {
            let classes = target.classes.iter().filter(|tokens| !tokens.is_empty()).cloned();
            let mut rows: Vec<Vec<u32>> = classes.take(shape.n_rows).collect();
            if rows.is_empty() {
                return Err(nothing("the task has no classes whose names could be taken"));
            }
            while rows.len() < shape.n_rows {
                rows.push(drawn(random));
            }
            rows
        }
    };
    let tokens: Vec<i64> = rows.iter().flatten().map(|&token| token.into()).collect();
    let count = tokens.len();
    let ids = Tensor::from_data(burn::tensor::TensorData::new(tokens, [1, count]), &table.device());
    let found = floats(crate::nn::embed(table, ids))?;
    let mut values = Vec::with_capacity(shape.n_rows * width);
    let mut at = 0;
    for row in rows {
        let own = &found[at * width..(at + row.len()) * width];
        let mean = |i: usize| own.iter().skip(i).step_by(width).sum::<f32>() / row.len() as f32;
        values.extend((0..width).map(mean));
        at += row.len();
    }
    Ok(Some(values))
}

/// Tokens by how often they are there, the most frequent first; of equals the lower number.
pub(crate) fn frequent(among: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut counts = std::collections::BTreeMap::new();
    for token in among {
        *counts.entry(token).or_insert(0_usize) += 1;
    }
    let mut tokens: Vec<(u32, usize)> = counts.into_iter().collect();
    tokens.sort_by_key(|(token, count)| (std::cmp::Reverse(*count), *token));
    tokens.into_iter().map(|(token, _)| token).collect()
}

/// Random with the mean and spread of each dimension of the table.
fn scaled(shape: &PromptShape, table: &Tensor<2>, random: &mut ChaCha8Rng) -> Result<Vec<f32>> {
    let table = table.clone().cast(burn::tensor::DType::F32);
    let mean = table.clone().mean_dim(0);
    let variance = (table - mean.clone()).powi_scalar(2).mean_dim(0);
    let (means, deviations) = (floats(mean)?, floats(variance.sqrt())?);
    let value = |i: usize| means[i % shape.width] + deviations[i % shape.width] * normal(random);
    Ok((0..shape.n_rows * shape.width).map(value).collect())
}

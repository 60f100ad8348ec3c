//! Initial values of a soft prompt, and of the network behind it.

use burn::tensor::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::adapters::methods::Spec;
use crate::adapters::methods::fit::least_change;
use crate::adapters::methods::init::{InitContext, lacks, without_soft};
use crate::adapters::methods::prompt::{PromptSpec, PromptState, PromptTasksShape, PromptTasksState, SoftPrompt};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::config::{PromptInit, TaskFactors};
use crate::data::Examples;
use crate::error::{EngineError, Result};
use crate::nn::floats;
use crate::random::normal;
use crate::{Sentence, sentence};

/// Sources of a soft prompt's initial values, beside the seed.
#[derive(Clone, Debug, Default)]
pub struct PromptSource {
    /// Tokens of the text for [`PromptInit::Words`].
    pub words: Vec<u32>,
    /// Tokens of the training rows for [`PromptInit::Frequent`], the most frequent first.
    pub frequent: Vec<u32>,
    /// Tokens of the name of each class.
    pub classes: Vec<Vec<u32>>,
    /// The soft prompt for [`PromptInit::Adapter`], as wide as the model's embeddings.
    pub adapter: Option<PromptStart>,
}

/// The prompt of an adapter that training starts from.
#[derive(Clone, Debug)]
pub struct PromptStart {
    /// Numbers of the prompt.
    pub prompt: PromptState,
    /// Names of its tasks.
    pub tasks: Vec<String>,
}

impl PromptSource {
    /// Takes from a run the sources that a soft prompt needs.
    fn of(spec: &PromptSpec, from: &InitContext<'_>) -> Result<Self> {
        let words = match &spec.init {
            PromptInit::Words { text } => (from.encode)(text)?,
            _ => Vec::new(),
        };
        let adapter = match &spec.init {
            PromptInit::Adapter { path } => {
                let adapter = from.warm_start.at(path)?;
                let prompt = adapter.prompt().ok_or_else(|| lacks(sentence!("soft prompt")))?.clone();
                Some(PromptStart { prompt, tasks: adapter.task.tasks.clone() })
            }
            _ => None,
        };
        let frequent = match &spec.init {
            PromptInit::Frequent => frequent(from.rows)?,
            _ => Vec::new(),
        };
        Ok(Self {
            words,
            frequent,
            classes: match &spec.init {
                PromptInit::Classes => {
                    from.class_names()?.iter().map(|class| (from.encode)(class)).collect::<Result<_>>()?
                }
                _ => Vec::new(),
            },
            adapter,
        })
    }
}

impl SoftPrompt {
    /// A soft prompt with the initial values of a run.
    ///
    /// # Errors
    /// As [`SoftPrompt::initialize`].
    pub(super) fn initial(spec: &PromptSpec, from: &InitContext<'_>) -> Result<Self> {
        let target = PromptSource::of(spec, from)?;
        Self::initialize(spec.clone(), &target, &from.model.embeddings().dense(), from.device, from.seed)
    }

    /// A soft prompt with its initial values. With an encoder everything is drawn as torch draws it, as in PEFT: what
    /// the network makes of an embedding is no embedding at first, whatever it was. Where the start is a trained prompt,
    /// the last layer of the network is then fitted to it.
    ///
    /// # Shapes
    /// - `table`: `[vocab_size, width]`, the embeddings of the model
    ///
    /// # Errors
    /// There is nothing to start from, or the device failed.
    pub fn initialize(
        spec: PromptSpec,
        target: &PromptSource,
        table: &Tensor<2>,
        device: &Device,
        seed: u64,
    ) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM);
        let embedding = match (spec.encoder, &spec.init) {
            (Some(_), PromptInit::Adapter { .. }) | (None, _) => target_values(&spec, target, table, &mut random)?,
            (Some(_), _) => None,
        };
        let hidden = spec.encoder.map_or(1, |encoder| encoder.hidden);
        let mut last_width = 1;
        let mut parameters = Vec::new();
        for (name, dims) in spec.parameter_shapes() {
            // A bias has the bound of its weight.
            if dims.len() == 2 {
                last_width = dims[1];
            }
            let width = if name.starts_with("lstm_head") { hidden } else { last_width };
            let values = draw(&name, &dims, width, &mut random);
            parameters.push(Parameter::new(name, dims, values, device));
        }
        if let (Some(tasks), Some(factors)) = (spec.tasks, &spec.factors)
            && let Some((cols, rows)) = factors_of(&spec, tasks, factors, target.adapter.as_ref(), &mut random)?
        {
            for (index, values) in [(1, cols), (2, rows)] {
                let Parameter { name, shape, .. } = parameters[index].clone();
                parameters[index] = Parameter::new(name, shape, values, device);
            }
        }
        let mut prompt = Self { spec, parameters };
        if let Some(values) = embedding {
            prompt.start_from(values, device)?;
        }
        Ok(prompt)
    }

    /// Makes the prompt equal to `values`: copied, or fitted with the last layer of the network.
    fn start_from(&mut self, values: Vec<f32>, device: &Device) -> Result<()> {
        let PromptSpec { n_rows, width, .. } = self.spec;
        let Some(hidden) = self.last_hidden(&GradParams::detached(&self.parameters)) else {
            self.parameters[0] = Parameter::new("embedding.weight", [n_rows, width], values, device);
            return Ok(());
        };
        let [_, d_in] = hidden.dims();
        let made = self.folded()?.values;
        let residual: Vec<f32> = values.iter().zip(&made).map(|(want, have)| want - have).collect();
        let change = least_change(&floats(hidden)?, &residual, n_rows, d_in);
        let at = self.parameters.len() - 2;
        let weights = self.parameters[at].to_vec()?.iter().zip(&change).map(|(w, d)| w + d).collect();
        self.parameters[at] = Parameter::new(self.parameters[at].name.clone(), [width, d_in], weights, device);
        Ok(())
    }
}

/// The factors of every task; `None` for those that were drawn.
fn factors_of(
    shape: &PromptSpec,
    tasks: PromptTasksShape,
    factors: &TaskFactors,
    start: Option<&PromptStart>,
    random: &mut ChaCha8Rng,
) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
    let PromptTasksShape { n_tasks, ranks } = tasks;
    let (n_cols, n_rows) = (shape.n_rows * ranks, ranks * shape.width);
    let wrong = |reason: Sentence| EngineError::Setting { field: "method.tasks.init", reason };
    let source = || {
        let start = start.ok_or_else(|| wrong(sentence!("there is no adapter to start from")))?;
        let found = start.prompt.tasks.as_ref().filter(|found| found.ranks == ranks);
        let found =
            found.ok_or_else(|| wrong(sentence!("the adapter has no tasks with matrices of rank {ranks}", ranks)))?;
        Ok((start, found))
    };
    let (cols, rows) = match factors {
        TaskFactors::Random => return Ok(None),
        TaskFactors::Shared => {
            let mut about = |one: f32, n: usize| (0..n).map(|_| one + DEVIATION * normal(random)).collect::<Vec<f32>>();
            let (cols, rows) = (about(1.0, n_tasks * n_cols), about((ranks as f32).recip(), n_tasks * n_rows));
            return Ok(Some((cols, rows)));
        }
        TaskFactors::Average => {
            let (_, PromptTasksState { n_tasks, cols, rows, .. }) = source()?;
            let mean = |values: &[f32], n: usize| -> Vec<f32> {
                (0..n).map(|i| values.iter().skip(i).step_by(n).sum::<f32>() / *n_tasks as f32).collect()
            };
            (mean(cols, n_cols), mean(rows, n_rows))
        }
        TaskFactors::Exact { task } => {
            let (start, PromptTasksState { cols, rows, .. }) = source()?;
            let index = start.tasks.iter().position(|name| name == task);
            let index =
                index.ok_or_else(|| wrong(sentence!("its tasks are {tasks}", tasks = start.tasks.join(", "))))?;
            (cols[index * n_cols..][..n_cols].to_vec(), rows[index * n_rows..][..n_rows].to_vec())
        }
    };
    Ok(Some((cols.repeat(n_tasks), rows.repeat(n_tasks))))
}

/// Standard deviation of the factors of tasks, PEFT's.
const DEVIATION: f32 = 0.02;

/// The stream of the seed that soft prompts are drawn from, apart from those of the other parts.
const STREAM: u64 = 1 << 42;

/// As torch draws them: embeddings N(0, 1), linear layers uniform in ±1/sqrt(d_in), an LSTM in ±1/sqrt(hidden).
fn draw(name: &str, dims: &[usize], width: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    let n = dims.iter().product();
    if name == "embedding.weight" {
        return (0..n).map(|_| normal(random)).collect();
    }
    if name.starts_with("prefix_task") {
        return (0..n).map(|_| DEVIATION * normal(random)).collect();
    }
    let bound = (width as f32).sqrt().recip();
    (0..n).map(|_| random.random_range(-bound..bound)).collect()
}

/// The matrix that training should start from; `None` where the drawn one is the start.
fn target_values(
    shape: &PromptSpec,
    target: &PromptSource,
    table: &Tensor<2>,
    random: &mut ChaCha8Rng,
) -> Result<Option<Vec<f32>>> {
    let nothing = |reason: Sentence| EngineError::Setting { field: "method.init", reason };
    let [vocab_size, width] = table.dims();
    let drawn = |random: &mut ChaCha8Rng| vec![random.random_range(0..vocab_size as u32)];
    // Each row of the matrix is the mean of some tokens' embeddings.
    let rows: Vec<Vec<u32>> = match &shape.init {
        PromptInit::Random => return Ok(None),
        PromptInit::Zero => return Ok(Some(vec![0.0; shape.n_rows * width])),
        PromptInit::ScaledRandom => return scaled(shape, table, random).map(Some),
        PromptInit::Adapter { .. } => {
            let missing = || nothing(sentence!("the adapter has no soft prompt to start from"));
            let PromptState { n_virtual, n_rows, values, .. } = &target.adapter.as_ref().ok_or_else(missing)?.prompt;
            // Rows that no model reads are kept only where nothing is cut or repeated.
            let rows = if *n_rows == shape.n_rows { *n_rows } else { *n_virtual };
            return Ok(Some(values[..rows * width].iter().copied().cycle().take(shape.n_rows * width).collect()));
        }
        &PromptInit::Uniform { bound } => {
            let bound = bound as f32;
            return Ok(Some((0..shape.n_rows * width).map(|_| random.random_range(-bound..=bound)).collect()));
        }
        &PromptInit::Common { first } => {
            let first = first.clamp(1, vocab_size) as u32;
            (0..shape.n_rows).map(|_| vec![random.random_range(0..first)]).collect()
        }
        PromptInit::Vocabulary => (0..shape.n_rows).map(|_| drawn(random)).collect(),
        PromptInit::Words { .. } if target.words.is_empty() => {
            return Err(EngineError::Setting {
                field: "method.init.text",
                reason: sentence!("the text to start from is empty"),
            });
        }
        PromptInit::Words { .. } => target.words.iter().cycle().take(shape.n_rows).map(|&token| vec![token]).collect(),
        PromptInit::Frequent => {
            let frequent = &target.frequent;
            if frequent.is_empty() {
                return Err(nothing(sentence!("there are no rows to count tokens in")));
            }
            frequent.iter().cycle().take(shape.n_rows).map(|&token| vec![token]).collect()
        }
        PromptInit::Classes => {
            let classes = target.classes.iter().filter(|tokens| !tokens.is_empty()).cloned();
            let mut rows: Vec<Vec<u32>> = classes.take(shape.n_rows).collect();
            if rows.is_empty() {
                return Err(nothing(sentence!("the task has no classes whose names could be taken")));
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
///
/// # Errors
/// Rows that stand in a file cannot be read.
pub(crate) fn frequent(rows: &Examples) -> Result<Vec<u32>> {
    let mut counts = std::collections::BTreeMap::new();
    for row in rows.iter() {
        let row = row?;
        for token in without_soft(&row.source).into_iter().chain(without_soft(&row.tokens)) {
            *counts.entry(token).or_insert(0_usize) += 1;
        }
    }
    let mut tokens: Vec<(u32, usize)> = counts.into_iter().collect();
    tokens.sort_by_key(|(token, count)| (std::cmp::Reverse(*count), *token));
    Ok(tokens.into_iter().map(|(token, _)| token).collect())
}

/// Random with the mean and spread of each dimension of the table.
fn scaled(shape: &PromptSpec, table: &Tensor<2>, random: &mut ChaCha8Rng) -> Result<Vec<f32>> {
    let table = table.clone().cast(burn::tensor::DType::F32);
    let mean = table.clone().mean_dim(0);
    let variance = (table - mean.clone()).powi_scalar(2).mean_dim(0);
    let (means, deviations) = (floats(mean)?, floats(variance.sqrt())?);
    let value = |i: usize| means[i % shape.width] + deviations[i % shape.width] * normal(random);
    Ok((0..shape.n_rows * shape.width).map(value).collect())
}

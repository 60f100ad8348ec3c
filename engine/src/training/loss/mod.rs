//! The loss of a batch, at labeled positions only. A file for each kind of label.

mod causal;
mod classes;
mod contest;
mod masked;
mod numbers;
mod spans;
mod taught;

pub(crate) use self::contest::{label_nll, row_scores, vocabulary_logits};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::{LossReduction, Task};
use crate::data::TokenBatch;
use crate::ensemble::log_probability;
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, Model, PaddedRows};
use crate::nn::floats;
use crate::sentence;

/// The micro-batches of an effective batch, each with what one of its labels counts in the loss.
pub fn weighted(reduction: LossReduction, batches: Vec<TokenBatch>) -> Vec<(TokenBatch, f64)> {
    let count: usize = match reduction {
        LossReduction::TokenMean => batches.iter().map(TokenBatch::n_labels).sum(),
        LossReduction::SentenceSum => batches.iter().map(TokenBatch::n_rows).sum(),
    };
    let weight = 1.0 / count.max(1) as f64;
    batches.into_iter().map(|batch| (batch, weight)).collect()
}

/// Sum of the negative log-likelihoods of a batch's labels in nats, in a regression of the squared errors, `[1]`, and how many
/// labels there are.
///
/// # Errors
/// The model cannot do the batch's task.
pub fn summed_nll(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    device: &Device,
) -> Result<(Tensor<1>, usize)> {
    let hidden = hidden(model, conditioning, batch, device)?;
    nll_of_hidden(model, conditioning, batch, hidden, device)
}

/// The same of hidden states that the model has made of the batch.
///
/// # Errors
/// The model cannot do the batch's task.
pub(crate) fn nll_of_hidden(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    hidden: Tensor<3>,
    device: &Device,
) -> Result<(Tensor<1>, usize)> {
    if let Some(taught) = &batch.taught {
        return taught::summed(model, (batch, taught), hidden, device);
    }
    if let Some(contest) = &batch.contest {
        let nll = contest::summed_nll(model, conditioning, (batch, contest), hidden, device)?;
        return Ok((nll, contest.len()));
    }
    if batch.task.writes() {
        return causal::summed_nll(model, batch, hidden, device);
    }
    let labels = batch.labeled();
    let logits = logits_of_hidden(model, conditioning, batch, hidden, device)?;
    if batch.task == Task::Regression {
        return Ok((numbers::squared_error(logits, batch, device), labels.len()));
    }
    Ok((nll(possible(logits, conditioning, &labels, device), &labels, device), labels.len()))
}

/// A batch, scored.
pub struct Scored {
    /// Sum over the labels, in nats; in a regression the sum of the squared errors.
    pub nll: f64,
    /// Number of labels.
    pub labels: usize,
    /// The most probable label at each place of [`TokenBatch::labeled`]; empty for a task that writes and in a regression.
    pub predicted: Vec<i32>,
    /// Log-probability of each predicted label, in nats.
    pub log_probabilities: Vec<f64>,
    /// Of a place in a text the scores of all tokens, `[2 · batch, seq]`; else empty.
    pub spans: Vec<f32>,
    /// In a regression the number that each row is taken for; else empty.
    pub numbers: Vec<f32>,
}

/// The loss of a batch, and where the labels are few enough to be looked at, what the model takes for them.
///
/// # Errors
/// The model cannot do the batch's task, or the device failed.
pub fn score(model: &Model, conditioning: &Conditioning, batch: &TokenBatch, device: &Device) -> Result<Scored> {
    if batch.task.writes() || batch.contest.is_some() {
        let (nll, labels) = summed_nll(model, conditioning, batch, device)?;
        return Ok(Scored {
            nll: f64::from(nll.into_scalar::<f32>()),
            labels,
            predicted: Vec::new(),
            log_probabilities: Vec::new(),
            spans: Vec::new(),
            numbers: Vec::new(),
        });
    }
    let labels = batch.labeled();
    let logits = logits(model, conditioning, batch, device)?;
    if batch.task == Task::Regression {
        return numbers::score(logits, batch);
    }
    let logits = possible(logits, conditioning, &labels, device);
    let [_, width] = logits.dims();
    let nll = f64::from(nll(logits.clone(), &labels, device).into_scalar::<f32>());
    let best = |row: &[f32]| {
        let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
        (best as i32, log_probability(row, best))
    };
    let scores = floats(logits)?;
    let (predicted, log_probabilities) = scores.chunks_exact(width.max(1)).map(best).unzip();
    let spans = if batch.task == Task::QuestionAnswering { scores } else { Vec::new() };
    Ok(Scored { nll, labels: labels.len(), predicted, log_probabilities, spans, numbers: Vec::new() })
}

/// Hidden states of a batch's tokens, of its targets where there are sources, `[batch, seq, d_model]`. Positions count
/// columns as `forward` of transformers does, unless the architecture numbers its tokens.
///
/// # Errors
/// The batch is made for another kind of model.
pub(crate) fn hidden(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    device: &Device,
) -> Result<Tensor<3>> {
    model.hidden(&rows_of(batch, conditioning), conditioning, None, device)
}

/// A batch as a model reads it.
pub(crate) fn rows_of<'a>(batch: &'a TokenBatch, conditioning: &Conditioning) -> PaddedRows<'a> {
    let source = batch.source.as_ref().map(|source| PaddedRows {
        shape: [batch.batch, source.seq],
        tokens: &source.tokens,
        mask: &source.mask,
        types: None,
        infix_from: Vec::new(),
        starts: None,
        source: None,
    });
    PaddedRows {
        shape: [batch.batch, batch.seq],
        tokens: &batch.tokens,
        mask: &batch.mask,
        types: batch.types.as_deref(),
        infix_from: if conditioning.n_infix() > 0 { batch.first_labeled() } else { Vec::new() },
        starts: batch.starts.as_deref(),
        source: source.map(Box::new),
    }
}

/// Scores of every class or token at the labeled places, `[n, classes]`.
///
/// # Errors
/// The model cannot do the batch's task, or nothing names its classes.
pub fn logits(model: &Model, conditioning: &Conditioning, batch: &TokenBatch, device: &Device) -> Result<Tensor<2>> {
    let hidden = hidden(model, conditioning, batch, device)?;
    logits_of_hidden(model, conditioning, batch, hidden, device)
}

fn logits_of_hidden(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    hidden: Tensor<3>,
    device: &Device,
) -> Result<Tensor<2>> {
    match batch.task {
        Task::MultipleChoice => Err(EngineError::TaskShape {
            architecture: model.shape().architecture,
            wanted: sentence!("rows with all of their choices"),
        }),
        Task::MaskedFill => masked::logits(model, batch, hidden, device),
        Task::QuestionAnswering => spans::logits(conditioning, batch, hidden, device),
        _ => classes::logits(model, conditioning, batch, hidden, device),
    }
}

/// The scores with those taken away that no row of a label's dataset can have.
fn possible(logits: Tensor<2>, conditioning: &Conditioning, labels: &[(usize, i32)], device: &Device) -> Tensor<2> {
    match &conditioning.head {
        Some(head) => head.own(logits, labels, device),
        None => logits,
    }
}

fn nll(logits: Tensor<2>, labels: &[(usize, i32)], device: &Device) -> Tensor<1> {
    let targets = labels.iter().map(|(_, label)| *label).collect();
    let targets: Tensor<2, Int> = on_device(targets, device).reshape([labels.len(), 1]);
    log_softmax(logits, 1).gather(1, targets).sum().neg()
}

fn on_device(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

/// The hidden states at some flat positions, `[n, d_model]`.
pub(crate) fn rows_at(hidden: Tensor<3>, places: impl Iterator<Item = usize>, device: &Device) -> Tensor<2> {
    let [batch, seq, d_model] = hidden.dims();
    let places = places.map(|place| place as i32).collect();
    hidden.reshape([batch * seq, d_model]).select(0, on_device(places, device))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::Example;
    use crate::models::{ForwardPass, ModelFolder};
    use crate::nn::LayerKv;
    use crate::nn::positions::PositionConvention;

    #[test]
    fn a_batch_behind_an_unshifted_prefix_is_read_from_position_0() {
        let device = crate::device::cpu();
        for case in ["gpt2-prefix-2x44", "bert-prefix-seq"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases").join(case).join("model");
            let model = ModelFolder::open(&folder).unwrap().load(&device, &mut |_| Ok(())).unwrap();
            let (site, shape) = model.sites().remove(0);
            let slots = |bias| {
                let n = shape.n_kv_heads * 3 * shape.d_head;
                let values: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 40.0 + bias).collect();
                Tensor::from_data(TensorData::new(values, [1, shape.n_kv_heads, 3, shape.d_head]), &device)
            };
            let layers: Vec<LayerKv> =
                (0..shape.n_layers).map(|_| LayerKv { key: slots(0.0), value: slots(0.5) }).collect();
            let tokens = [5, 9, 14, 6, 30];
            let example = Example { row: 1, tokens: tokens.to_vec(), n_prompt: 1, ..Example::default() };
            let batch = TokenBatch::new(&[example], &[0], 1, Task::Causal);
            let as_read = |positions| {
                let conditioning = Conditioning { positions, ..Conditioning::at(site, layers.clone()) };
                floats(hidden(&model, &conditioning, &batch, &device).unwrap()).unwrap()
            };
            let by_hand = |first: i32| {
                let conditioning = Conditioning::at(site, layers.clone());
                let rows = rows_of(&batch, &conditioning);
                let mut pass = ForwardPass::of_batch(model.stack(site), &rows, &conditioning, &device).unwrap();
                pass.positions =
                    on_device((first..first + tokens.len() as i32).collect(), &device).reshape([1, tokens.len()]);
                let hidden = match &*model {
                    Model::Encoder(model) => model.hidden(&mut pass),
                    other => other.causal().unwrap().hidden(&mut pass),
                };
                floats(hidden).unwrap()
            };
            assert_eq!(as_read(PositionConvention::Unshifted), by_hand(0), "{case}");
            assert_eq!(as_read(PositionConvention::Shifted), by_hand(3), "{case}");
            assert_ne!(by_hand(0), by_hand(3), "{case}");
        }
    }
}

//! The loss of a batch, at labelled positions only. A file for each kind of label.

mod classes;
mod masked;
pub(super) mod seq2seq;
mod written;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::ballot::log_probability;
use crate::config::{LossReduction, Task};
use crate::data::TokenBatch;
use crate::error::Result;
use crate::models::{Conditioning, Input, Model, Site, Span, Tokens};
use crate::nn::positions::{Taken, positions, real_tokens};
use crate::nn::{Sight, floats};

/// The micro-batches of an effective batch, each with what one of its labels counts in the loss.
pub fn weighted(reduction: LossReduction, batches: Vec<TokenBatch>) -> Vec<(TokenBatch, f64)> {
    let count: usize = match reduction {
        LossReduction::TokenMean => batches.iter().map(TokenBatch::n_labels).sum(),
        LossReduction::SentenceSum => batches.iter().map(|batch| batch.batch).sum(),
    };
    let weight = 1.0 / count.max(1) as f64;
    batches.into_iter().map(|batch| (batch, weight)).collect()
}

/// Sum of the negative log-likelihoods of a batch's labels in nats, `[1]`, and how many labels there are.
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
pub(super) fn nll_of_hidden(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    hidden: Tensor<3>,
    device: &Device,
) -> Result<(Tensor<1>, usize)> {
    if batch.task.writes() {
        return written::summed_nll(model, batch, hidden, device);
    }
    let labels = batch.labelled();
    let logits = logits_of_hidden(model, conditioning, batch, hidden, device)?;
    Ok((nll(possible(logits, conditioning, &labels, device), &labels, device), labels.len()))
}

/// A batch, scored.
pub struct Scored {
    /// Sum over the labels, in nats.
    pub nll: f64,
    /// How many there are.
    pub labels: usize,
    /// The most probable label at each place of [`TokenBatch::labelled`]; empty for a task that writes.
    pub predicted: Vec<i32>,
    /// Its log-probability, in nats.
    pub log_probabilities: Vec<f64>,
}

/// The loss of a batch, and where the labels are few enough to be looked at, what the model takes for them.
///
/// # Errors
/// The model cannot do the batch's task, or the device failed.
pub fn score(model: &Model, conditioning: &Conditioning, batch: &TokenBatch, device: &Device) -> Result<Scored> {
    if batch.task.writes() {
        let (nll, labels) = summed_nll(model, conditioning, batch, device)?;
        return Ok(Scored {
            nll: f64::from(nll.into_scalar::<f32>()),
            labels,
            predicted: Vec::new(),
            log_probabilities: Vec::new(),
        });
    }
    let labels = batch.labelled();
    let logits = possible(logits(model, conditioning, batch, device)?, conditioning, &labels, device);
    let [_, width] = logits.dims();
    let nll = f64::from(nll(logits.clone(), &labels, device).into_scalar::<f32>());
    let best = |row: &[f32]| {
        let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
        (best as i32, log_probability(row, best))
    };
    let (predicted, log_probabilities) = floats(logits)?.chunks_exact(width.max(1)).map(best).unzip();
    Ok(Scored { nll, labels: labels.len(), predicted, log_probabilities })
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
    let Model::Seq2Seq(model) = model else { return read(model, conditioning, batch, Span::Whole, device) };
    let encoded = seq2seq::encode(model.as_ref(), conditioning, batch, Span::Whole, device)?;
    seq2seq::decode(model.as_ref(), conditioning, batch, encoded, Span::Whole, device)
}

/// What a span of the only stack of a model makes of a batch's tokens, `[batch, seq, d_model]`.
///
/// # Errors
/// The model has two stacks, or the adapter does not fit the batch.
pub(super) fn read(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    span: Span,
    device: &Device,
) -> Result<Tensor<3>> {
    let site = match model {
        Model::Encoder(_) => Site::Encoder,
        Model::Causal(_) | Model::Seq2Seq(_) => Site::Decoder,
    };
    let (past, n_infix) = (conditioning.of(site), conditioning.n_infix());
    let shape = [batch.batch, batch.seq];
    let first = if n_infix > 0 { batch.first_labelled() } else { Vec::new() };
    let taken = match n_infix {
        0 => Taken::Before(conditioning.n_before(site)),
        n => Taken::From(n, &first),
    };
    let sight = Sight::behind(conditioning.slots(site), real_tokens(&batch.mask, shape, device), shape, device);
    let input = Input {
        tokens: Tokens::new(
            batch.tokens.iter().map(|&id| id.into()),
            shape,
            conditioning.soft_prompt.as_ref(),
            device,
        )?,
        positions: positions(&batch.mask, shape, taken, model.shape().n_positions, model.counting(), device),
        sight: if n_infix > 0 { sight.around(n_infix, &first, batch.seq, device) } else { sight },
        span,
    };
    if let Model::Encoder(encoder) = model {
        let types = batch.types.as_ref();
        let types = types.map(|types| Tensor::from_data(TensorData::new(types.clone(), shape), device));
        return Ok(encoder.hidden(&input, types.as_ref(), past, None));
    }
    Ok(model.causal()?.hidden(&input, past, None))
}

/// Scores of every class or token at the labelled places, `[n, classes]`.
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
        Task::MaskedFill => masked::logits(model, batch, hidden, device),
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
fn rows_at(hidden: Tensor<3>, places: impl Iterator<Item = usize>, device: &Device) -> Tensor<2> {
    let [batch, seq, d_model] = hidden.dims();
    let places = places.map(|place| place as i32).collect();
    hidden.reshape([batch * seq, d_model]).select(0, on_device(places, device))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::Example;
    use crate::models::ModelFolder;
    use crate::nn::LayerKv;
    use crate::nn::positions::Positions;

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
            let example = Example {
                row: 1,
                source: Vec::new(),
                tokens: tokens.to_vec(),
                n_prompt: 1,
                truncated: false,
                cut_prompt: 0,
                prompt: String::new(),
                reference: String::new(),
                types: Vec::new(),
                labels: Vec::new(),
                task: 0,
                dataset: 0,
            };
            let batch = TokenBatch::new(&[example], &[0], 1, Task::Causal);
            let as_read = |positions| {
                let conditioning = Conditioning { positions, ..Conditioning::at(site, layers.clone()) };
                floats(hidden(&model, &conditioning, &batch, &device).unwrap()).unwrap()
            };
            let by_hand = |first: i32| {
                let row = |values: Vec<i32>| on_device(values, &device).reshape([1, tokens.len()]);
                let tokens = batch.tokens.clone();
                let positions = row((first..first + tokens.len() as i32).collect());
                let input =
                    Input { tokens: Tokens::plain(row(tokens)), positions, sight: Sight::default(), span: Span::Whole };
                let hidden = match &*model {
                    Model::Encoder(model) => model.hidden(&input, None, Some(&layers), None),
                    other => other.causal().unwrap().hidden(&input, Some(&layers), None),
                };
                floats(hidden).unwrap()
            };
            assert_eq!(as_read(Positions::Unshifted), by_hand(0), "{case}");
            assert_eq!(as_read(Positions::Shifted), by_hand(3), "{case}");
            assert_ne!(by_hand(0), by_hand(3), "{case}");
        }
    }
}

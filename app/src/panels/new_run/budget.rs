//! What a run will cost, from the sizes alone: parameters trained and stored, memory by part, room in the context.

use engine::message::ModelSummary;
use engine::models::Site;

use super::draft::Draft;

/// Numbers that are trained, and those that are kept after the network is folded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Changed by the optimizer.
    pub trained: usize,
    /// In the adapter.
    pub stored: usize,
}

/// Counts the parameters of a prefix: flat `n * 2 * L * d_kv`; with a network of width `w`
/// `n * d_kv + (d_kv * w + w) + (w * 2 * L * d_kv + 2 * L * d_kv)`. Where the model has an encoder there is one at each
/// place that was chosen.
pub fn parameters(draft: &Draft, model: &ModelSummary) -> Parameters {
    let d_kv = model.n_kv_heads * model.d_head;
    let at_place = |layers: usize| {
        let row = 2 * layers * d_kv;
        let stored = draft.n_virtual * row;
        let trained = if draft.reparameterise {
            draft.n_virtual * d_kv + (d_kv * draft.width + draft.width) + (draft.width * row + row)
        } else {
            stored
        };
        Parameters { trained, stored }
    };
    if model.encoder_layers == 0 {
        return at_place(model.n_layers);
    }
    let of_site = |site: &Site| at_place(if *site == Site::Encoder { model.encoder_layers } else { model.n_layers });
    let sum = |a: Parameters, b: Parameters| Parameters { trained: a.trained + b.trained, stored: a.stored + b.stored };
    draft.sites.iter().map(of_site).fold(Parameters { trained: 0, stored: 0 }, sum)
}

/// Bytes that training or generating needs, by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The frozen base.
    pub weights: u64,
    /// The prefix; in training with the network behind it, gradients and what the optimizer remembers.
    pub adapter: u64,
    /// In training what the forward pass keeps for the backward pass, in generating the cache of keys and values.
    pub activations: u64,
    /// Logits of the labelled tokens, in chunks; of one token in generating.
    pub logits: u64,
}

impl Memory {
    /// All parts.
    pub fn total(self) -> u64 {
        self.weights + self.adapter + self.activations + self.logits
    }
}

/// Logits are made for at most so many tokens at once.
const LOGIT_ROWS: usize = 512;

/// Bytes of the frozen weights: matrices stored in 16 bits stay so.
fn weights(model: &ModelSummary) -> u64 {
    let bytes = if ["F16", "BF16"].contains(&model.dtype.as_str()) { 2 } else { 4 };
    bytes * model.parameters as u64
}

/// Estimates the memory of generating a text that fills the context.
pub fn generating(draft: &Draft, model: &ModelSummary) -> Memory {
    let f32_bytes = |numbers: usize| 4 * numbers as u64;
    Memory {
        weights: weights(model),
        adapter: f32_bytes(parameters(draft, model).stored),
        activations: f32_bytes(2 * model.n_layers * model.n_kv_heads * model.d_head * model.n_positions),
        logits: f32_bytes(model.vocab_size),
    }
}

/// Estimates the memory of a training step with rows of `seq` tokens.
pub fn training(draft: &Draft, model: &ModelSummary, seq: usize) -> Memory {
    let f32_bytes = |numbers: usize| 4 * numbers as u64;
    // The parameters, their gradient and what the optimizer remembers.
    let tensors = 2 + draft.training.optimizer.memory_per_parameter() as u64;
    let tokens = draft.training.batch_size * seq;
    let kv = seq + draft.n_virtual;
    // Kept for each layer: inputs of both norms, queries, keys, values, context, and two of the feed-forward's width.
    let per_layer =
        tokens * (6 * model.d_model + 2 * model.d_ff) + draft.training.batch_size * model.n_heads * seq * kv;
    let n_layers = model.n_layers + model.encoder_layers;
    let kept = match draft.training.gradient_checkpointing {
        // What enters each block, and one of them at a time.
        true => n_layers * tokens * model.d_model + per_layer,
        false => n_layers * per_layer,
    };
    Memory {
        weights: weights(model),
        adapter: tensors * f32_bytes(parameters(draft, model).trained),
        activations: f32_bytes(kept),
        logits: 2 * f32_bytes(tokens.min(LOGIT_ROWS) * model.vocab_size),
    }
}

/// The length below which a share of the rows lies.
pub fn quantile(lengths: &[u32], share: f64) -> usize {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    let place = (share * sorted.len() as f64) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).map_or(0, |&length| length as usize)
}

#[cfg(test)]
mod tests {
    use engine::config::{AdafactorConfig, OptimizerConfig};

    use super::*;

    fn gpt2_small() -> ModelSummary {
        ModelSummary {
            folder: "a".into(),
            architecture: "GPT2LMHeadModel".into(),
            n_layers: 12,
            encoder_layers: 0,
            d_model: 768,
            n_heads: 12,
            n_kv_heads: 12,
            d_head: 64,
            n_positions: 1024,
            vocab_size: 50_257,
            d_ff: 3072,
            parameters: 124_439_808,
            dtype: "F32".into(),
            file_bytes: 0,
            largest_tensor_bytes: 0,
            tasks: Vec::new(),
        }
    }

    #[test]
    fn gpt2_small_with_ten_positions_trains_and_stores_what_the_literature_says() {
        let mut draft = Draft { n_virtual: 10, ..Draft::default() };
        assert_eq!(parameters(&draft, &gpt2_small()), Parameters { trained: 184_320, stored: 184_320 });
        draft.reparameterise = true;
        assert_eq!(parameters(&draft, &gpt2_small()), Parameters { trained: 9_857_024, stored: 184_320 });
    }

    #[test]
    fn each_place_of_a_model_with_an_encoder_counts() {
        let model = ModelSummary { n_layers: 4, encoder_layers: 6, ..gpt2_small() };
        let count = |sites: &[Site]| {
            parameters(&Draft { n_virtual: 10, sites: sites.to_vec(), ..Draft::default() }, &model).stored
        };
        let layer = 10 * 2 * 768;
        assert_eq!(count(&Site::ALL), (6 + 4 + 4) * layer);
        assert_eq!(count(&[Site::Encoder]), 6 * layer);
        assert_eq!(count(&[Site::Decoder, Site::Cross]), 8 * layer);
    }

    #[test]
    fn memory_grows_with_the_batch_and_the_weights_do_not() {
        let small = Draft::default();
        let mut large = small.clone();
        large.training.batch_size *= 4;
        let (a, b) = (training(&small, &gpt2_small(), 128), training(&large, &gpt2_small(), 128));
        assert_eq!(a.weights, b.weights);
        assert!(b.activations > 3 * a.activations);
        assert_eq!(a.total(), a.weights + a.adapter + a.activations + a.logits);
        let mut again = small.clone();
        again.training.gradient_checkpointing = true;
        let c = training(&again, &gpt2_small(), 128);
        assert!(5 * c.activations < a.activations, "blocks are run again");
        assert_eq!((c.weights, c.adapter, c.logits), (a.weights, a.adapter, a.logits));
        let mut frugal = small;
        frugal.training.optimizer = OptimizerConfig::Adafactor(AdafactorConfig::USUAL);
        assert_eq!(2 * training(&frugal, &gpt2_small(), 128).adapter, a.adapter, "AdamW's moments are not kept");
    }

    #[test]
    fn generating_takes_the_weights_and_a_cache_as_long_as_the_context() {
        let need = generating(&Draft { n_virtual: 10, ..Draft::default() }, &gpt2_small());
        assert_eq!((need.weights, need.adapter), (497_759_232, 737_280));
        assert_eq!(need.activations, 12 * 2 * 768 * 1024 * 4);
        assert!(need.total() < training(&Draft::default(), &gpt2_small(), 128).total());
    }

    #[test]
    fn weights_of_sixteen_bits_take_half() {
        let half = ModelSummary { dtype: "BF16".into(), ..gpt2_small() };
        assert_eq!(
            2 * generating(&Draft::default(), &half).weights,
            generating(&Draft::default(), &gpt2_small()).weights
        );
    }

    #[test]
    fn a_quantile_of_nothing_is_zero() {
        assert_eq!(quantile(&[], 0.5), 0);
        assert_eq!(quantile(&[5, 1, 3], 1.0), 5);
    }
}

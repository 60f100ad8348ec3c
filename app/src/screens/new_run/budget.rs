//! Costs of a run, from the sizes alone: parameters trained and stored, memory by part, room in the context.

use engine::adapters::plan;
use engine::config::{MethodConfig, TaskRecord};
use engine::models::ModelSummary;
use engine::nn::MatrixNumbers;

use super::form::RunForm;
use super::tuning::MethodKind;

/// Numbers that are trained, and those that are kept after the network is folded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Changed by the optimizer.
    pub trained: usize,
    /// In the adapter.
    pub stored: usize,
    /// Trained, and no weights of the model itself.
    pub added: usize,
}

impl Parameters {
    /// Share of all numbers that is trained, in per cent: `print_trainable_parameters` of PEFT.
    pub fn trained_percent(self, base: usize) -> f64 {
        100.0 * self.trained as f64 / (base + self.added).max(1) as f64
    }
}

/// Counts what the method trains and keeps in a model, with the head of a task with so many classes; `None` where the
/// form asks for layers that the model does not have.
pub fn parameters(form: &RunForm, model: &ModelSummary, n_classes: usize) -> Option<Parameters> {
    let beside = form.tuning.beside().map(MethodConfig::Lora);
    let weights = form.tuning.weights_beside().map(|weights| MethodConfig::Full(weights.full()));
    let methods: Vec<MethodConfig> =
        std::iter::once(form.method(model.encoder_layers)).chain(beside).chain(weights).collect();
    let task = TaskRecord::of_size(form.shown_task(Some(model)), n_classes);
    let spec = plan(&methods, &task, model).ok()?;
    Some(Parameters { trained: spec.trained(), stored: spec.stored(), added: spec.added() })
}

/// Bytes that training or generating needs, by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The frozen base.
    pub weights: u64,
    /// The trained parameters; in training with the network behind them, gradients and the optimizer's state.
    pub adapter: u64,
    /// In training what the forward pass keeps for the backward pass, in generating the cache of keys and values.
    pub activations: u64,
    /// Logits of the labeled tokens, in chunks; of one token in generating.
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

/// Bytes of the frozen weights: matrices stored in 16 bits stay so, those multiplied in 16 bits become so, and blocks take
/// what their bytes are.
fn weights(model: &ModelSummary, numbers: MatrixNumbers) -> u64 {
    model.weight_bytes(numbers)
}

/// Estimates the memory of generating a text that fills the context.
pub fn generating(parameters: Parameters, model: &ModelSummary, numbers: MatrixNumbers) -> Memory {
    let f32_bytes = |numbers: usize| 4 * numbers as u64;
    Memory {
        weights: weights(model, numbers),
        adapter: f32_bytes(parameters.stored),
        activations: f32_bytes(2 * model.n_layers * model.n_kv_heads * model.d_head * model.n_positions),
        logits: f32_bytes(model.vocab_size),
    }
}

/// Estimates the memory of a training step with rows of `seq` tokens. Where nothing is trained, of scoring them.
pub fn training(form: &RunForm, parameters: Parameters, model: &ModelSummary, seq: usize) -> Memory {
    let f32_bytes = |numbers: usize| 4 * numbers as u64;
    // The parameters, their gradient and what the optimizer remembers.
    let tensors = 2 + form.config.training.optimizer.memory_per_parameter() as u64;
    let tokens = form.config.training.batch_size * seq;
    let is_prompt = matches!(form.tuning.kind, MethodKind::Prompt | MethodKind::PTuning);
    let kv = seq + form.n_before();
    // Soft tokens go through the model like others.
    let tokens = if is_prompt { form.config.training.batch_size * kv } else { tokens };
    // Kept for each layer: inputs of both norms, queries, keys, values, context, and two of the feed-forward's width.
    let mut per_token = 6 * model.d_model + 2 * model.d_ff;
    // A weight's own gradient needs what the layer reads: once more the inputs of attention and of the feed-forward.
    let changes_weights = form.tuning.any_lora().is_some()
        || form.tuning.weights_beside().is_some()
        || matches!(form.tuning.kind, MethodKind::Full | MethodKind::TopLayers);
    if changes_weights {
        per_token += 2 * model.d_model;
    }
    let per_layer = tokens * per_token + form.config.training.batch_size * model.n_heads * seq * kv;
    // Below the lowest layer that is trained nothing is kept.
    let layers = match form.tuning.kind {
        MethodKind::TopLayers => form.tuning.top_layers.min(model.n_layers),
        MethodKind::HeadOnly | MethodKind::Text => 1,
        _ => model.n_layers + model.encoder_layers,
    };
    let kept = match form.config.training.gradient_checkpointing {
        // What enters each block, and one of them at a time.
        true => layers * tokens * model.d_model + per_layer,
        false => layers * per_layer,
    };
    Memory {
        weights: weights(model, form.config.numbers()),
        adapter: tensors * f32_bytes(parameters.trained),
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
    use engine::models::Packing;
    use engine::nn::{Precision, Quantization};

    use engine::config::{AdafactorConfig, OptimizerConfig, Task};
    use engine::models::{LinearName, Role, Site, WeightName};

    use super::*;

    fn gpt2_small() -> ModelSummary {
        ModelSummary {
            folder: "a".into(),
            notice: None,
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
            // 85 million in the layers; the table's rows are whole blocks too.
            packing: Packing { layers: 84_934_656, vocabulary: 38_597_376, ..Packing::default() },
            tasks: Vec::new(),
            own_head: None,
            embedding_width: 768,
            weights: Vec::new(),
            linears: Vec::new(),
        }
    }

    #[test]
    fn gpt2_small_with_ten_positions_trains_and_stores_what_the_literature_says() {
        let mut form = prefix_of(10);
        assert_eq!(of(&form), Parameters { trained: 184_320, stored: 184_320, added: 184_320 });
        form.tuning.prefix.network.on = true;
        assert_eq!(of(&form), Parameters { trained: 9_857_024, stored: 184_320, added: 9_857_024 });
    }

    fn prefix_of(n_virtual: usize) -> RunForm {
        let mut form = RunForm::default();
        form.tuning.prefix.config.n_virtual = n_virtual;
        form
    }

    fn of(form: &RunForm) -> Parameters {
        parameters(form, &gpt2_small(), 0).unwrap()
    }

    fn needs(form: &RunForm) -> Memory {
        training(form, of(form), &gpt2_small(), 128)
    }

    #[test]
    fn every_method_trains_and_stores_what_the_literature_says() {
        let layer = |n: usize| {
            let linear = |name: &str, d_in, d_out| LinearName {
                name: format!("transformer.h.{n}.{name}"),
                d_in,
                d_out,
                is_in_out: true,
                role: Role::Layer,
            };
            [
                linear("attn.c_attn", 768, 2304),
                linear("attn.c_proj", 768, 768),
                linear("mlp.c_fc", 768, 3072),
                linear("mlp.c_proj", 3072, 768),
            ]
        };
        let weight = |name: &str, shape: [usize; 2]| WeightName {
            name: name.into(),
            stored: name.into(),
            shape: shape.to_vec(),
        };
        let model = ModelSummary {
            architecture: "gpt2".into(),
            linears: (0..12).flat_map(layer).collect(),
            weights: vec![
                weight("transformer.wte.weight", [50_257, 768]),
                weight("transformer.h.10.attn.c_attn.weight", [768, 2304]),
                weight("transformer.h.11.attn.c_attn.weight", [768, 2304]),
            ],
            tasks: vec![Task::Causal, Task::SequenceClassification],
            ..gpt2_small()
        };
        let mut form = RunForm::default();
        let mut count = |kind, n_classes, change: fn(&mut RunForm)| {
            form.tuning.kind = kind;
            change(&mut form);
            let Parameters { trained, stored, .. } = parameters(&form, &model, n_classes).unwrap();
            (trained, stored)
        };
        let as_it_is = |_: &mut RunForm| {};
        assert_eq!(count(MethodKind::Prompt, 0, |form| form.tuning.prompt.n_virtual = 100), (76_800, 76_800));
        // PEFT: MLP of three layers of the embeddings' width, folded into the prompt.
        assert_eq!(count(MethodKind::PTuning, 0, as_it_is), (76_800 + 3 * (768 * 768 + 768), 76_800));
        // LoRA's table for GPT-2 with rank 8 on c_attn: 12 × 8 × (768 + 2304).
        assert_eq!(count(MethodKind::Lora, 0, as_it_is), (294_912, 294_912));
        let everything = 50_257 * 768 + 2 * 768 * 2304;
        assert_eq!(count(MethodKind::Full, 0, as_it_is), (everything, everything));
        assert_eq!(count(MethodKind::TopLayers, 0, |form| form.tuning.top_layers = 1), (768 * 2304, 768 * 2304));
        let classes = |form: &mut RunForm| form.config.task = Some(Task::SequenceClassification);
        assert_eq!(count(MethodKind::HeadOnly, 3, classes), (3 * 768, 3 * 768));
        assert_eq!(count(MethodKind::Text, 0, |form| form.config.task = None), (0, 0));
        form.tuning.kind = MethodKind::Prefix;
        form.tuning.beside = super::super::tuning::Beside::Lora;
        assert_eq!(parameters(&form, &model, 0).unwrap().stored, 20 * 2 * 12 * 768 + 294_912);
        form.tuning.lora.targets = super::super::tuning::Targets::Named;
        form.tuning.lora.names = "q_proj".into();
        assert_eq!(parameters(&form, &model, 0), None, "there is no such layer");
    }

    #[test]
    fn all_weights_take_their_gradients_and_moments_too() {
        let mut form = RunForm::default();
        form.tuning.kind = MethodKind::Full;
        let weight = WeightName { name: "wte.weight".into(), stored: "wte.weight".into(), shape: vec![50_257, 768] };
        let model = ModelSummary { weights: vec![weight], ..gpt2_small() };
        let parameters = parameters(&form, &model, 0).unwrap();
        let need = training(&form, parameters, &model, 128);
        assert_eq!(need.adapter, 4 * 4 * 50_257 * 768, "the weights, their gradient and two moments");
        assert!(need.activations > needs(&RunForm::default()).activations);
    }

    #[test]
    fn each_place_of_a_model_with_an_encoder_counts() {
        let model = ModelSummary { n_layers: 4, encoder_layers: 6, ..gpt2_small() };
        let count = |sites: &[Site]| {
            let mut form = prefix_of(10);
            form.tuning.prefix.sites = sites.to_vec();
            parameters(&form, &model, 0).unwrap().stored
        };
        let layer = 10 * 2 * 768;
        assert_eq!(count(&Site::ALL), (6 + 4 + 4) * layer);
        assert_eq!(count(&[Site::Encoder]), 6 * layer);
        assert_eq!(count(&[Site::Decoder, Site::Cross]), 8 * layer);
    }

    #[test]
    fn memory_grows_with_the_batch_and_the_weights_do_not() {
        let small = RunForm::default();
        let mut large = small.clone();
        large.config.training.batch_size *= 4;
        let (a, b) = (needs(&small), needs(&large));
        assert_eq!(a.weights, b.weights);
        assert!(b.activations > 3 * a.activations);
        assert_eq!(a.total(), a.weights + a.adapter + a.activations + a.logits);
        let mut again = small.clone();
        again.config.training.gradient_checkpointing = true;
        let c = needs(&again);
        assert!(5 * c.activations < a.activations, "blocks are run again");
        assert_eq!((c.weights, c.adapter, c.logits), (a.weights, a.adapter, a.logits));
        let mut frugal = small;
        frugal.config.training.optimizer = OptimizerConfig::Adafactor(AdafactorConfig::USUAL);
        assert_eq!(2 * needs(&frugal).adapter, a.adapter, "AdamW's moments are not kept");
    }

    #[test]
    fn generating_takes_the_weights_and_a_cache_as_long_as_the_context() {
        let need = generating(of(&prefix_of(10)), &gpt2_small(), Precision::F32.into());
        assert_eq!((need.weights, need.adapter), (497_759_232, 737_280));
        assert_eq!(need.activations, 12 * 2 * 768 * 1024 * 4);
        assert!(need.total() < needs(&RunForm::default()).total());
    }

    #[test]
    fn weights_of_sixteen_bits_take_half() {
        let half = ModelSummary { dtype: "BF16".into(), ..gpt2_small() };
        let weights = |model: &ModelSummary, precision: Precision| {
            generating(of(&RunForm::default()), model, precision.into()).weights
        };
        let whole = weights(&gpt2_small(), Precision::F32);
        assert_eq!(2 * weights(&half, Precision::F32), whole, "they are stored so");
        assert_eq!(2 * weights(&gpt2_small(), Precision::F16), whole, "they are multiplied so");
        let mut form = RunForm::default();
        form.config.precision = Precision::F16;
        assert_eq!(2 * needs(&form).weights, whole);
        assert_eq!(needs(&form).activations, needs(&RunForm::default()).activations, "the rest is f32");
        (form.config.quantization, form.config.precision) = (Quantization::Q4_0, Precision::F32);
        let rest = 124_439_808 - 84_934_656 - 38_597_376;
        assert_eq!(
            needs(&form).weights,
            84_934_656 / 32 * 18 + 38_597_376 / 32 * 34 + 4 * rest,
            "4 and 8 bits and scales"
        );
    }

    #[test]
    fn a_quantile_of_nothing_is_zero() {
        assert_eq!(quantile(&[], 0.5), 0);
        assert_eq!(quantile(&[5, 1, 3], 1.0), 5);
    }
}

//! What a case asks for, computed with the parts that training and generation use.

use std::path::Path;

use burn::tensor::Tensor;

use crate::adapters::parameters::floats;
use crate::adapters::peft::name_in_training;
use crate::adapters::{Adapter, FoldedAdapter, Head, HeadShape, Parameter, Prefix, PrefixShape};
use crate::config::{
    AdamConfig, MlpActivation, OptimizerConfig, PrefixConfig, PrefixInit, Reparameterisation, Schedule, Task,
    TaskRecord, TrainingConfig,
};
use crate::data::{NO_LABEL, SourceBatch, TokenBatch};
use crate::device::{self, DeviceChoice};
use crate::error::{EngineError, Result};
use crate::generation::{Decoder, DecoderOptions, DecoderStream, SourceOptions, Writer};
use crate::message::Sampling;
use crate::models::folder::ModelFolder;
use crate::models::{Conditioning, GenerationConfig, Model, Site};
use crate::nn::head_logits;
use crate::training::loss::{self, summed_nll};
use crate::training::optimizer::{StepSettings, Trainer};
use crate::training::schedule::learning_rate;
use crate::verify::case::{Array, Arrays, Case, Generation};

/// Where the rows of a case are padded.
const SIDES: [&str; 2] = ["right", "left"];

/// Of each row: its tokens, and the logits they were chosen from.
type Decoded = (Vec<Vec<i64>>, Vec<Vec<Vec<f32>>>);

struct Setup<'a> {
    case: &'a Case,
    model: Model,
    device: burn::tensor::Device,
    adapter: Option<Sizes>,
}

/// The sizes and the kind of an adapter.
struct Sizes {
    site: Site,
    prefix: PrefixShape,
    config: PrefixConfig,
    head: Option<HeadShape>,
}

pub(super) fn compute(case: &Case, choice: DeviceChoice) -> Result<Arrays> {
    let folder = ModelFolder::open(&case.folder.join("model"))?;
    let (_, device) = device::open(choice, folder.largest_tensor_bytes(), None)?;
    let model = folder.load(&device, &mut |_| Ok(()))?;
    // Full fine-tuning changes the base, which we do not do: the untouched model is what such a case is held against.
    let adapter = match case.facts.method.as_str() {
        "full" => None,
        _ => Some(adapter(case, &case.folder.join("adapter"), &model)?),
    };
    let setup = Setup { case, model, device, adapter };
    let mut results = Arrays::new();
    let mut conditioning = Conditioning::default();
    if let Some(sizes) = &setup.adapter {
        let trainer = setup.trainer(sizes)?;
        conditioning = trainer.adapter.as_it_stands();
        setup.prefix(sizes, &conditioning, &mut results)?;
        for side in SIDES {
            setup.gradients(side, &trainer, &mut results)?;
        }
        setup.train(trainer, &mut results)?;
        setup.train_scheduled(setup.trainer(sizes)?, &mut results)?;
    }
    for side in SIDES {
        setup.forward(side, &conditioning, &mut results)?;
    }
    if let Some(options) = &case.facts.generation_options {
        setup.generate(options, &conditioning, &mut results)?;
    }
    Ok(results)
}

/// The sizes and the kind of the adapter, read from its files and its trainable tensors.
fn adapter(case: &Case, folder: &Path, model: &Model) -> Result<Sizes> {
    let sites = model.sites();
    let adapter = FoldedAdapter::read(folder, Some(&sites))?;
    adapter.check_fits(&sites)?;
    let [(site, folded)] = adapter.prefixes.as_slice() else {
        return Err(EngineError::AdapterType("none of PEFT's".to_owned()));
    };
    let width = case.floats(&format!("param/{}", name_in_training("transform.0.weight")));
    let width = width.ok().map(|(shape, _)| shape[0]);
    let reparameterisation = width.map(|width| Reparameterisation { width, activation: MlpActivation::Tanh });
    let n_virtual = folded.shape.n_virtual;
    let config = PrefixConfig { n_virtual, reparameterisation, init: PrefixInit::Random, ..PrefixConfig::default() };
    let head = match case.task() {
        task if task.has_classes() => Some(HeadShape {
            kind: model.head_kind(task)?,
            d_model: model.shape().d_model,
            n_classes: adapter.task.classes.len(),
        }),
        _ => None,
    };
    Ok(Sizes { site: *site, prefix: folded.shape, config, head })
}

impl Setup<'_> {
    fn trainer(&self, sizes: &Sizes) -> Result<Trainer> {
        let Sizes { site, prefix, config, head } = sizes;
        let parameters = self.parameters(Prefix::parameter_shapes(prefix, config))?;
        let mut prefix = Prefix::new(*prefix, config, parameters);
        if self.case.task() == Task::Seq2Seq {
            prefix = prefix.with_peft_pairs();
        }
        let head = match *head {
            Some(shape) => Some(Head { shape, parameters: self.parameters(shape.parameter_shapes())? }),
            None => None,
        };
        let task = TaskRecord::of(self.case.task());
        Ok(Trainer::new(Adapter { prefixes: vec![(*site, prefix)], head, task }, OptimizerConfig::default()))
    }

    fn parameters(&self, parts: Vec<(&'static str, Vec<usize>)>) -> Result<Vec<Parameter>> {
        let mut parameters = Vec::new();
        for (name, shape) in parts {
            let (found, values) = self.case.floats(&format!("param/{}", name_in_training(name)))?;
            if found != shape {
                let (expected, found) = (shape, found.to_vec());
                return Err(EngineError::WeightShape { name: name.to_owned(), expected, found });
            }
            parameters.push(Parameter::new(name, shape, values.to_vec(), &self.device));
        }
        Ok(parameters)
    }

    fn batch(&self, side: &str) -> Result<TokenBatch> {
        let (shape, tokens) = self.case.integers(&format!("in/{side}/input_ids"))?;
        let (_, mask) = self.case.integers(&format!("in/{side}/attention_mask"))?;
        let (_, labels) = self.case.integers(&format!("in/{side}/labels"))?;
        let &[batch, seq] = shape else {
            return Err(EngineError::WeightMissing { name: format!("in/{side}/input_ids") });
        };
        let small = |values: &[i64]| values.iter().map(|&x| i32::try_from(x).unwrap_or(NO_LABEL)).collect();
        let mask = mask.iter().map(|&x| x as f32).collect();
        let task = self.case.task();
        let mut labels: Vec<i32> = small(labels);
        if let Model::Seq2Seq(model) = &self.model {
            let source = SourceBatch { seq, tokens: small(tokens), mask };
            let tokens = (model.target_tokens().before_labels().token, self.padding()?);
            return Ok(targets(tokens, source, batch, &labels));
        }
        match task {
            // The first token of a row has no predictor; the reference's shift drops its label too.
            Task::Causal | Task::Seq2Seq => labels.chunks_exact_mut(seq).for_each(|row| row[0] = NO_LABEL),
            Task::SequenceClassification => {
                let row = |class| std::iter::once(class).chain(std::iter::repeat_n(NO_LABEL, seq - 1));
                labels = labels.into_iter().flat_map(row).collect();
            }
            Task::TokenClassification | Task::MaskedFill => {}
        }
        let types = self.case.integers(&format!("in/{side}/token_type_ids")).ok().map(|(_, types)| small(types));
        let (rows, tokens) = ((0..batch).collect(), small(tokens));
        Ok(TokenBatch { rows, batch, seq, tokens, mask, labels, types, source: None, task })
    }

    /// What stands in a target where there is no label.
    fn padding(&self) -> Result<i32> {
        let path = self.case.folder.join("model/config.json");
        let text = std::fs::read_to_string(&path).map_err(EngineError::io("read", &path))?;
        let config: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let padding = config.get("pad_token_id").and_then(serde_json::Value::as_i64);
        padding.and_then(|token| i32::try_from(token).ok()).ok_or_else(|| EngineError::Malformed {
            what: "config.json",
            path,
            reason: "it has no pad_token_id".to_owned(),
        })
    }

    /// Keys and values as the layers receive them, `[layer, kv_head, virtual, d_head]`.
    fn prefix(&self, sizes: &Sizes, conditioning: &Conditioning, results: &mut Arrays) -> Result<()> {
        let PrefixShape { n_virtual, n_layers, n_kv_heads, d_head } = sizes.prefix;
        let shape = [n_layers, n_kv_heads, n_virtual, d_head];
        let past = conditioning.of(sizes.site).into_iter().flatten();
        let keys = Tensor::cat(past.clone().map(|kv| kv.key.clone()).collect(), 0);
        let values = Tensor::cat(past.map(|kv| kv.value.clone()).collect(), 0);
        results.insert("prefix/keys".to_owned(), Array::floats(shape, floats(keys)?));
        results.insert("prefix/values".to_owned(), Array::floats(shape, floats(values)?));
        Ok(())
    }

    /// Logits of all positions, `[batch * seq, width]`; of a classifier of texts `[batch, n_classes]`.
    fn logits(&self, batch: &TokenBatch, conditioning: &Conditioning) -> Result<Tensor<2>> {
        if batch.task.writes() {
            let head = self.model.head()?;
            let [_, d_out] = head.dims();
            let hidden = loss::hidden(&self.model, conditioning, batch, &self.device)?;
            return Ok(head_logits(hidden.reshape([batch.batch * batch.seq, d_out]), head));
        }
        let everywhere = match batch.task {
            Task::SequenceClassification => batch.labels.clone(),
            _ => vec![0; batch.batch * batch.seq],
        };
        loss::logits(&self.model, conditioning, &TokenBatch { labels: everywhere, ..batch.clone() }, &self.device)
    }

    fn forward(&self, side: &str, conditioning: &Conditioning, results: &mut Arrays) -> Result<()> {
        let batch = self.batch(side)?;
        let logits = self.logits(&batch, conditioning)?;
        let [_, width] = logits.dims();
        let columns = self.case.facts.logits_columns.of(width);
        let all = floats(logits)?;
        let name = |what: &str| format!("out/{side}/{what}");
        let (nll, n) = summed_nll(&self.model, conditioning, &batch, &self.device)?;
        let loss = floats(nll)?.iter().map(|sum| sum / n as f32).collect();
        results.insert(name("loss"), Array::floats([1], loss));
        let first = |logits: &[f32]| logits.chunks_exact(width).flat_map(|at| at[..columns].to_vec()).collect();
        if batch.task == Task::SequenceClassification {
            results.insert(name("logits"), Array::floats([batch.batch, columns], first(&all)));
            return Ok(());
        }
        // A target stands behind its start token; its last token predicts nothing the reference computes.
        let seq = if batch.source.is_some() { batch.seq - 1 } else { batch.seq };
        let (mut some, mut last) = (Vec::<f32>::new(), Vec::new());
        for (row, of_row) in all.chunks_exact(batch.seq * width).enumerate() {
            let at = batch.last_of(row).min(seq - 1);
            some.extend::<Vec<f32>>(first(&of_row[..seq * width]));
            last.extend_from_slice(&of_row[at * width..(at + 1) * width]);
        }
        results.insert(name("logits_last"), Array::floats([batch.batch, width], last));
        results.insert(name("logits"), Array::floats([batch.batch, seq, columns], some));
        Ok(())
    }

    /// Gradients of the loss for the trainable tensors.
    fn gradients(&self, side: &str, trainer: &Trainer, results: &mut Arrays) -> Result<()> {
        let batch = self.batch(side)?;
        let weight = 1.0 / batch.n_labels() as f64;
        let gradient = trainer.gradient(&self.model, &[(batch, weight)], 0, &self.device)?;
        for (parameter, values) in trainer.adapter.parameters().zip(gradient.of_parameters) {
            let name = format!("grad/{side}/{}", name_in_training(parameter.name));
            results.insert(name, Array::floats(parameter.shape.clone(), floats(values)?));
        }
        Ok(())
    }

    /// Plain AdamW steps on the right-padded batch.
    fn train(&self, mut trainer: Trainer, results: &mut Arrays) -> Result<()> {
        let training = &self.case.facts.training;
        let batch = self.batch("right")?;
        let weight = 1.0 / batch.n_labels() as f64;
        let batches = [(batch, weight)];
        trainer.optimizer = adamw(training.betas, training.eps, training.weight_decay);
        let settings = StepSettings { learning_rate: training.lr, clip_norm: None, seed: 0 };
        let mut losses = Vec::new();
        for _ in 0..training.steps {
            losses.push(trainer.step(&self.model, &batches, &settings, &self.device)?.0 as f32);
        }
        losses.push(trainer.gradient(&self.model, &batches, 0, &self.device)?.loss as f32);
        results.insert("train/losses".to_owned(), Array::floats([losses.len()], losses));
        for parameter in trainer.adapter.parameters() {
            let name = format!("param_after/{}", name_in_training(parameter.name));
            results.insert(name, Array::floats(parameter.shape.clone(), parameter.to_vec()?));
        }
        Ok(())
    }

    /// Accumulated, clipped and scheduled steps.
    fn train_scheduled(&self, mut trainer: Trainer, results: &mut Arrays) -> Result<()> {
        let training = &self.case.facts.scheduled_training;
        let mut batches = Vec::new();
        for side in &training.micro_batches {
            let batch = self.batch(side)?;
            let weight = 1.0 / (batch.n_labels() * training.micro_batches.len()) as f64;
            batches.push((batch, weight));
        }
        trainer.optimizer = adamw(training.betas, training.eps, training.weight_decay);
        let (warmup_steps, total) = numbers_of(&training.schedule)?;
        let rates = TrainingConfig {
            learning_rate: training.lr,
            warmup_steps,
            schedule: Schedule::Linear,
            ..TrainingConfig::default()
        };
        let (mut losses, mut norms, mut used) = (Vec::new(), Vec::new(), Vec::new());
        for step in 1..=training.steps {
            let settings = StepSettings {
                learning_rate: learning_rate(&rates, step, total),
                clip_norm: Some(training.clip_grad_norm),
                seed: 0,
            };
            let (loss, norm) = trainer.step(&self.model, &batches, &settings, &self.device)?;
            losses.push(loss as f32);
            norms.push(norm as f32);
            used.push(settings.learning_rate as f32);
        }
        for (name, values) in [("losses", losses), ("grad_norms", norms), ("lrs", used)] {
            results.insert(format!("sched/{name}"), Array::floats([values.len()], values));
        }
        Ok(())
    }

    /// Greedy continuations, or targets, of the rows, without and with penalties.
    fn generate(&self, options: &Generation, conditioning: &Conditioning, results: &mut Arrays) -> Result<()> {
        let columns = self.case.facts.logits_columns.of(self.model.shape().vocab_size);
        let plain = Sampling { max_new_tokens: options.max_new_tokens, ..Sampling::default() };
        let repetition_penalty = options.greedy_penalised.repetition_penalty;
        let penalised = Sampling { repetition_penalty, ..plain.clone() };
        let (tokens, logits) = self.decode(conditioning, plain, 0)?;
        let shape = [tokens.len(), options.max_new_tokens];
        let some = logits.iter().flatten().flat_map(|row| row[..columns].iter().copied()).collect();
        results.insert("gen/greedy".to_owned(), Array::integers(shape, tokens.concat()));
        results.insert("gen/greedy_logits".to_owned(), Array::floats([shape[0], shape[1], columns], some));
        let (tokens, _) = self.decode(conditioning, penalised, options.greedy_penalised.no_repeat_ngram_size)?;
        results.insert("gen/greedy_penalised".to_owned(), Array::integers(shape, tokens.concat()));
        Ok(())
    }

    /// Tokens and logits of each row, all rows in one batch.
    fn decode(&self, conditioning: &Conditioning, sampling: Sampling, no_repeat_ngram: usize) -> Result<Decoded> {
        let batch = self.batch("left")?;
        let (tokens, mask, seq) = match &batch.source {
            Some(source) => (&source.tokens, &source.mask, source.seq),
            None => (&batch.tokens, &batch.mask, batch.seq),
        };
        let row = |(tokens, mask): (&[i32], &[f32])| {
            let real = tokens.iter().zip(mask).filter(|(_, real)| **real > 0.0);
            let prompt = real.map(|(token, _)| token.cast_unsigned()).collect();
            DecoderStream { prompt, conditioning: conditioning.clone(), strength: 1.0 }
        };
        let streams: Vec<DecoderStream> = tokens.chunks_exact(seq).zip(mask.chunks_exact(seq)).map(row).collect();
        let n = streams.len();
        let source = match &self.model {
            Model::Causal(_) | Model::Encoder(_) => None,
            Model::Seq2Seq(model) => {
                let file = GenerationConfig::read(&self.case.folder.join("model"))?;
                Some(SourceOptions::of(model.as_ref(), &file, 0))
            }
        };
        let options =
            DecoderOptions { sampling, no_repeat_ngram, keep_logits: true, source, ..DecoderOptions::default() };
        let mut decoder = Decoder::new(self.model.shape(), streams, options)?;
        let (mut tokens, mut logits) = (vec![Vec::new(); n], vec![Vec::new(); n]);
        while !decoder.is_done() {
            for new in decoder.step(Writer::try_from(&self.model)?)? {
                tokens[new.stream].push(i64::from(new.token));
                logits[new.stream].extend(new.logits);
            }
        }
        Ok((tokens, logits))
    }
}

/// A case's labels behind what starts a target: a token, or each row's own last one.
fn targets((start, padding): (Option<u32>, i32), source: SourceBatch, batch: usize, labels: &[i32]) -> TokenBatch {
    let seq = labels.len() / batch + 1;
    let (mut tokens, mut mask, mut shifted) = (Vec::new(), Vec::new(), Vec::new());
    for row in labels.chunks_exact(seq - 1) {
        let last = row.iter().rev().find(|&&label| label != NO_LABEL).copied().unwrap_or(0);
        tokens.push(start.map_or(last, u32::cast_signed));
        tokens.extend(row.iter().map(|&label| if label == NO_LABEL { padding } else { label }));
        // The reference sees the padding of a target; what comes after it is looked at in the last column only.
        mask.extend(vec![1.0; seq]);
        shifted.push(NO_LABEL);
        shifted.extend_from_slice(row);
    }
    let (rows, source, task) = ((0..batch).collect(), Some(source), Task::Seq2Seq);
    TokenBatch { rows, batch, seq, tokens, mask, labels: shifted, types: None, source, task }
}

fn adamw([beta1, beta2]: [f64; 2], epsilon: f64, weight_decay: f64) -> OptimizerConfig {
    OptimizerConfig::AdamW(AdamConfig { beta1, beta2, epsilon, weight_decay })
}

/// Warm-up and total steps of "linear, 2 warm-up steps, 7 in all".
fn numbers_of(schedule: &str) -> Result<(usize, usize)> {
    let unsupported = || EngineError::Unsupported { what: "schedule", name: schedule.to_owned() };
    let words = schedule.strip_prefix("linear, ").ok_or_else(unsupported)?;
    let numbers: Vec<usize> = words.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [warmup, total] => Ok((warmup, total)),
        _ => Err(unsupported()),
    }
}

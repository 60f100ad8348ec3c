//! What a case asks for, computed with the parts that training and generation use.

use std::path::Path;

use burn::tensor::Tensor;

use crate::adapters::parameters::floats;
use crate::adapters::peft::{FoldedPrefix, name_in_training};
use crate::adapters::{Adapter, Head, HeadShape, Parameter, Prefix, PrefixShape};
use crate::config::{
    AdamWConfig, MlpActivation, PrefixConfig, PrefixInit, Reparameterisation, Schedule, Task, TaskRecord,
    TrainingConfig,
};
use crate::data::{NO_LABEL, TokenBatch};
use crate::device::{self, DeviceChoice};
use crate::error::{EngineError, Result};
use crate::generation::{Decoder, DecoderOptions, DecoderStream};
use crate::message::Sampling;
use crate::models::folder::ModelFolder;
use crate::models::{Conditioning, Model};
use crate::nn::{LayerKv, head_logits};
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
    prefix: PrefixShape,
    config: PrefixConfig,
    head: Option<HeadShape>,
}

pub(super) fn compute(case: &Case, choice: DeviceChoice) -> Result<Arrays> {
    let folder = ModelFolder::open(&case.folder.join("model"))?;
    let (_, device) = device::open(choice, folder.largest_tensor_bytes(), None)?;
    let model = folder.load(&device, &mut |_| ())?;
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
        setup.prefix(sizes.prefix, &conditioning, &mut results)?;
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
        setup.generate(options, conditioning.decoder.as_deref(), &mut results)?;
    }
    Ok(results)
}

/// The sizes and the kind of the adapter, read from its files and its trainable tensors.
fn adapter(case: &Case, folder: &Path, model: &Model) -> Result<Sizes> {
    let folded = FoldedPrefix::read(folder, Some(model.shape()))?;
    folded.check_fits(model.shape())?;
    let width = case.floats(&format!("param/{}", name_in_training("transform.0.weight")));
    let width = width.ok().map(|(shape, _)| shape[0]);
    let reparameterisation = width.map(|width| Reparameterisation { width, activation: MlpActivation::Tanh });
    let n_virtual = folded.shape.n_virtual;
    let config = PrefixConfig { n_virtual, reparameterisation, dropout: 0.0, init: PrefixInit::Random };
    let head = match case.task() {
        task if task.has_classes() => Some(HeadShape {
            kind: model.head_kind(task)?,
            d_model: model.shape().d_model,
            n_classes: folded.task.classes.len(),
        }),
        _ => None,
    };
    Ok(Sizes { prefix: folded.shape, config, head })
}

impl Setup<'_> {
    fn trainer(&self, sizes: &Sizes) -> Result<Trainer> {
        let Sizes { prefix, config, head } = sizes;
        let parameters = self.parameters(Prefix::parameter_shapes(prefix, config))?;
        let prefix = Prefix::new(*prefix, config, parameters);
        let head = match *head {
            Some(shape) => Some(Head { shape, parameters: self.parameters(shape.parameter_shapes())? }),
            None => None,
        };
        let task = TaskRecord::of(self.case.task());
        Ok(Trainer::new(Adapter { prefixes: vec![(self.model.site(), prefix)], head, task }))
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
        match task {
            // The first token of a row has no predictor; the reference's shift drops its label too.
            Task::Causal => labels.chunks_exact_mut(seq).for_each(|row| row[0] = NO_LABEL),
            Task::SequenceClassification => {
                let row = |class| std::iter::once(class).chain(std::iter::repeat_n(NO_LABEL, seq - 1));
                labels = labels.into_iter().flat_map(row).collect();
            }
            Task::TokenClassification | Task::MaskedFill => {}
        }
        let types = self.case.integers(&format!("in/{side}/token_type_ids")).ok().map(|(_, types)| small(types));
        Ok(TokenBatch { rows: (0..batch).collect(), batch, seq, tokens: small(tokens), mask, labels, types, task })
    }

    /// Keys and values as the layers receive them, `[layer, kv_head, virtual, d_head]`.
    fn prefix(&self, sizes: PrefixShape, conditioning: &Conditioning, results: &mut Arrays) -> Result<()> {
        let PrefixShape { n_virtual, n_layers, n_kv_heads, d_head } = sizes;
        let shape = [n_layers, n_kv_heads, n_virtual, d_head];
        let mut conditioning = conditioning.clone();
        let past = conditioning.place(self.model.site()).take();
        let past = past.iter().flatten();
        let keys = Tensor::cat(past.clone().map(|kv| kv.key.clone()).collect(), 0);
        let values = Tensor::cat(past.map(|kv| kv.value.clone()).collect(), 0);
        results.insert("prefix/keys".to_owned(), Array::floats(shape, floats(keys)?));
        results.insert("prefix/values".to_owned(), Array::floats(shape, floats(values)?));
        Ok(())
    }

    /// Logits of all positions, `[batch * seq, width]`; of a classifier of texts `[batch, n_classes]`.
    fn logits(&self, batch: &TokenBatch, conditioning: &Conditioning) -> Result<Tensor<2>> {
        if batch.task == Task::Causal {
            let head = self.model.causal()?.head();
            let [_, d_out] = head.dims();
            let hidden = loss::hidden(&self.model, conditioning, batch, &self.device);
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
        let some = all.chunks_exact(width).flat_map(|row| row[..columns].iter().copied()).collect();
        let name = |what: &str| format!("out/{side}/{what}");
        let (nll, n) = summed_nll(&self.model, conditioning, &batch, &self.device)?;
        let loss = floats(nll)?.iter().map(|sum| sum / n as f32).collect();
        results.insert(name("loss"), Array::floats([1], loss));
        if batch.task == Task::SequenceClassification {
            results.insert(name("logits"), Array::floats([batch.batch, columns], some));
            return Ok(());
        }
        let last = (0..batch.batch).flat_map(|row| {
            let at = row * batch.seq + batch.last_of(row);
            all[at * width..(at + 1) * width].iter().copied()
        });
        results.insert(name("logits_last"), Array::floats([batch.batch, width], last.collect()));
        results.insert(name("logits"), Array::floats([batch.batch, batch.seq, columns], some));
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
        let settings = StepSettings {
            optimizer: adamw(training.betas, training.eps, training.weight_decay),
            learning_rate: training.lr,
            clip_norm: None,
            seed: 0,
        };
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
                optimizer: adamw(training.betas, training.eps, training.weight_decay),
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

    /// Greedy continuations of the left-padded rows, without and with penalties.
    fn generate(&self, options: &Generation, past: Option<&[LayerKv]>, results: &mut Arrays) -> Result<()> {
        let columns = self.case.facts.logits_columns.of(self.model.shape().vocab_size);
        let plain = Sampling { max_new_tokens: options.max_new_tokens, ..Sampling::default() };
        let repetition_penalty = options.greedy_penalised.repetition_penalty;
        let penalised = Sampling { repetition_penalty, ..plain.clone() };
        let (tokens, logits) = self.decode(past, plain, 0)?;
        let shape = [tokens.len(), options.max_new_tokens];
        let some = logits.iter().flatten().flat_map(|row| row[..columns].iter().copied()).collect();
        results.insert("gen/greedy".to_owned(), Array::integers(shape, tokens.concat()));
        results.insert("gen/greedy_logits".to_owned(), Array::floats([shape[0], shape[1], columns], some));
        let (tokens, _) = self.decode(past, penalised, options.greedy_penalised.no_repeat_ngram_size)?;
        results.insert("gen/greedy_penalised".to_owned(), Array::integers(shape, tokens.concat()));
        Ok(())
    }

    /// Tokens and logits of each row, all rows in one batch.
    fn decode(&self, past: Option<&[LayerKv]>, sampling: Sampling, no_repeat_ngram: usize) -> Result<Decoded> {
        let batch = self.batch("left")?;
        let row = |(tokens, mask): (&[i32], &[f32])| {
            let real = tokens.iter().zip(mask).filter(|(_, real)| **real > 0.0);
            let prompt = real.map(|(token, _)| token.cast_unsigned()).collect();
            DecoderStream { prompt, past: past.map(<[LayerKv]>::to_vec), strength: 1.0 }
        };
        let rows = batch.tokens.chunks_exact(batch.seq).zip(batch.mask.chunks_exact(batch.seq));
        let streams: Vec<DecoderStream> = rows.map(row).collect();
        let n = streams.len();
        let options = DecoderOptions { sampling, no_repeat_ngram, keep_logits: true, ..DecoderOptions::default() };
        let mut decoder = Decoder::new(self.model.shape(), streams, options)?;
        let (mut tokens, mut logits) = (vec![Vec::new(); n], vec![Vec::new(); n]);
        while !decoder.is_done() {
            for new in decoder.step(self.model.causal()?)? {
                tokens[new.stream].push(i64::from(new.token));
                logits[new.stream].extend(new.logits);
            }
        }
        Ok((tokens, logits))
    }
}

fn adamw([beta1, beta2]: [f64; 2], epsilon: f64, weight_decay: f64) -> AdamWConfig {
    AdamWConfig { beta1, beta2, epsilon, weight_decay }
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

//! Computation of a case's results with the parts that training and generation use.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::adapters::formats::peft::name_in_training;
use crate::adapters::{
    Adapter, AdapterPart, AdapterSpec, AdapterState, Parameter, PartSpec, PrefixShape, PrefixSpec, Spec, Trained,
};
use crate::config::{AdamConfig, OptimizerConfig, Schedule, Task, TrainingConfig};
use crate::data::{IGNORE_INDEX, SourceBatch, TokenBatch};
use crate::device::{self, DeviceChoice};
use crate::error::{EngineError, Result};
use crate::models::load::model_options;
use crate::models::{BaseModel, Conditioning, Model, ModelFolder, Site};
use crate::nn::{MatrixNumbers, floats, head_logits};
use crate::tokens::SOFT;
use crate::training::loss::{self, summed_nll};
use crate::training::schedule::learning_rate;
use crate::training::trainer::{StepSettings, Trainer};
use crate::verify::case::{Array, Arrays, Case};
use crate::verify::plan::{adapter, classifier_root, spec_of};
use crate::verify::targets::{read_twice, targets};
use crate::{Sentence, sentence};

/// Where the rows of a case are padded.
const SIDES: [&str; 2] = ["right", "left"];

pub(super) struct Setup<'a> {
    pub(super) case: &'a Case,
    pub(super) model: BaseModel,
    device: burn::tensor::Device,
    spec: AdapterSpec,
    /// Soft tokens before the text.
    pub(super) n_soft: usize,
    /// Whether the model itself is trained, and no adapter.
    is_plain: bool,
}

pub(super) fn compute(case: &Case, (choice, numbers): (DeviceChoice, MatrixNumbers)) -> Result<Arrays> {
    let folder = ModelFolder::open(&case.folder.join("model"))?;
    let (info, device) = device::open(choice, folder.largest_binding(numbers.quantization), None)?;
    device::check_precision(&info, &device, numbers.precision, None)?;
    let model = BaseModel::load(Arc::new(folder), (&device, numbers), &mut |_| Ok(()))?;
    let adapter = adapter(case, &model)?;
    let spec = spec_of(case, &model, adapter.as_ref())?;
    let n_soft = adapter.as_ref().map_or(0, AdapterState::n_soft);
    let is_plain = adapter.is_none();
    let setup = Setup { case, model, device, spec, n_soft, is_plain };
    let mut results = Arrays::new();
    let mut conditioning = Conditioning::default();
    if setup.spec.parts.is_empty() {
        // What is not trained is taken as the folder has it.
        if let Some(adapter) = adapter {
            conditioning = adapter.conditioning(&setup.model, &setup.device)?;
        }
    } else {
        let trainer = setup.trainer()?;
        conditioning = trainer.adapter.eval_conditioning();
        for part in &setup.spec.parts {
            if let PartSpec::Prefix(PrefixSpec { site, shape, .. }) = part {
                setup.prefix(*site, *shape, &conditioning, &mut results)?;
            }
        }
        for side in SIDES {
            setup.gradients(side, &trainer, &mut results)?;
        }
        setup.train(trainer, &mut results)?;
        setup.train_scheduled(setup.trainer()?, &mut results)?;
    }
    for side in SIDES {
        setup.forward(side, &conditioning, &mut results)?;
    }
    if let Some(options) = &case.facts.generation_options {
        setup.generate(options, &conditioning, &mut results)?;
    }
    Ok(results)
}

impl Setup<'_> {
    fn trainer(&self) -> Result<Trainer> {
        let (mut parts, mut known) = (Vec::new(), Vec::new());
        for part in &self.spec.parts {
            let mut parameters = Vec::new();
            for (name, shape) in part.parameter_shapes().into_iter().chain(part.fixed_shapes()) {
                known.push(format!("param/{}", self.name(part, &name)));
                let values = self.initial(&known[known.len() - 1], &name, &shape)?;
                parameters.push(Parameter::new(name, shape, values, &self.device));
            }
            parts.push(match part.with_parameters(parameters) {
                AdapterPart::Prefix(prefix) if self.case.task == Task::Seq2Seq => {
                    AdapterPart::Prefix(prefix.with_peft_pairs(self.model.shape().n_layers))
                }
                part => part,
            });
        }
        let adapter = Adapter { parts, task: self.spec.task.clone() };
        let unknown = |name: &&String| name.starts_with("param/") && !known.contains(name);
        if let Some(name) = self.case.arrays.keys().find(unknown) {
            return Err(EngineError::Unsupported { what: sentence!("trained tensor"), name: name.clone() });
        }
        Ok(Trainer::new(adapter, OptimizerConfig::default()))
    }

    /// The numbers that a parameter begins with: the case's, or the checkpoint's own where the model itself is trained.
    fn initial(&self, known: &str, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Ok((found, values)) = self.case.floats(known) else {
            let weight = self.model.weights().into_iter().find(|weight| weight.name == name);
            return match weight.filter(|_| self.is_plain) {
                Some(weight) => self.model.values(&weight),
                None if self.is_plain => self.model.folder().files().values(name, shape),
                None => Err(EngineError::WeightMissing { name: known.to_owned() }),
            };
        };
        if found != shape {
            let (expected, found) = (shape.to_vec(), found.to_vec());
            return Err(EngineError::WeightShape { name: name.to_owned(), expected, found });
        }
        Ok(values.to_vec())
    }

    /// Name of a parameter in the reference while it trains.
    fn name(&self, part: &PartSpec, name: &str) -> String {
        let lora = self.spec.lora();
        let is_plain = self.is_plain;
        let below_root = |name: &str| format!("{}{name}", classifier_root(&self.model, self.case.task));
        match (part, lora) {
            (PartSpec::Weights(_), Some(lora)) => {
                let (module, end) = name.rsplit_once('.').unwrap_or((name, ""));
                let below = match lora.layers.iter().any(|layer| layer.linear.name == module) {
                    true => ".base_layer",
                    false if lora.config.saves(module) => ".modules_to_save.default",
                    false => "",
                };
                format!("base_model.model.{}{below}.{end}", below_root(module))
            }
            (PartSpec::Weights(_), None) => below_root(name),
            (PartSpec::Lora(_), _) => name_in_training(&below_root(name)),
            (PartSpec::Head(_), _) if is_plain => name.to_owned(),
            (PartSpec::Head(_), Some(_)) => name_in_training(name).replacen("base_model.", "base_model.model.", 1),
            _ => name_in_training(name),
        }
    }

    /// Every parameter with the reference's name for it.
    fn named<'a>(&'a self, adapter: &'a Adapter) -> impl Iterator<Item = (String, &'a Parameter)> {
        let named = move |(part, spec): (&'a AdapterPart, &'a PartSpec)| {
            part.parameters().iter().map(move |parameter| (self.name(spec, &parameter.name), parameter))
        };
        adapter.parts.iter().zip(&self.spec.parts).flat_map(named)
    }

    /// A row of the reference with the soft tokens where PEFT puts them: before everything, padding too.
    fn behind_soft<T: Copy>(&self, values: &[T], seq: usize, soft: impl Fn(usize) -> T) -> Vec<T> {
        let n = self.n_soft;
        values
            .chunks_exact(seq)
            .flat_map(|row| (0..n).map(&soft).chain(row.iter().copied()).collect::<Vec<T>>())
            .collect()
    }

    pub(super) fn batch(&self, side: &str) -> Result<TokenBatch> {
        let (shape, tokens) = self.case.integers(&format!("in/{side}/input_ids"))?;
        let (_, mask) = self.case.integers(&format!("in/{side}/attention_mask"))?;
        let (_, labels) = self.case.integers(&format!("in/{side}/labels"))?;
        let &[batch, seq] = shape else {
            return Err(EngineError::WeightMissing { name: format!("in/{side}/input_ids") });
        };
        let small =
            |values: &[i64]| values.iter().map(|&x| i32::try_from(x).unwrap_or(IGNORE_INDEX)).collect::<Vec<i32>>();
        let mask: Vec<f32> = mask.iter().map(|&x| x as f32).collect();
        let task = self.case.task;
        let mut labels: Vec<i32> = small(labels);
        let mut tokens = self.behind_soft(&small(tokens), seq, |slot| SOFT.cast_signed() + slot as i32);
        if let Ok((_, tasks)) = self.case.integers("in/task_ids") {
            for (row, task) in tokens.chunks_exact_mut(self.n_soft + seq).zip(tasks) {
                let first = *task as i32 * self.n_soft as i32;
                row[..self.n_soft].iter_mut().for_each(|soft| *soft += first);
            }
        }
        let mask = self.behind_soft(&mask, seq, |_| 1.0);
        let (n_soft, text) = (self.n_soft, seq);
        let seq = n_soft + text;
        if let Model::Seq2Seq(model) = &*self.model {
            let source = SourceBatch { seq, tokens, mask };
            if task == Task::SequenceClassification {
                let start = model.target_tokens().before_labels().token;
                return Ok(read_twice((start, self.end()?), source, batch, &labels));
            }
            let tokens = (model.target_tokens().before_labels().token, self.padding()?);
            return Ok(targets(tokens, source, batch, &labels));
        }
        match task {
            // The first token of a row has no predictor; the reference's shift drops its label too.
            Task::Causal | Task::Seq2Seq => {
                labels = self.behind_soft(&labels, text, |_| IGNORE_INDEX);
                labels.chunks_exact_mut(seq).for_each(|row| row[0] = IGNORE_INDEX);
            }
            Task::SequenceClassification => {
                let row = |class| std::iter::once(class).chain(std::iter::repeat_n(IGNORE_INDEX, seq - 1));
                labels = labels.into_iter().flat_map(row).collect();
            }
            // First and last token of the answer, at the first two positions.
            Task::QuestionAnswering => {
                let rest = std::iter::repeat_n(IGNORE_INDEX, seq.saturating_sub(2));
                let row =
                    |ends: &[i32]| ends.iter().map(|end| end + n_soft as i32).chain(rest.clone()).collect::<Vec<_>>();
                labels = labels.chunks_exact(2).flat_map(row).collect();
            }
            _ => labels = self.behind_soft(&labels, text, |_| IGNORE_INDEX),
        }
        let types = self.case.integers(&format!("in/{side}/token_type_ids")).ok();
        let types = types.map(|(_, types)| self.behind_soft(&small(types), text, |_| 0));
        let rows = (0..batch).collect();
        Ok(TokenBatch {
            rows,
            batch,
            seq,
            tokens,
            mask,
            labels,
            targets: Vec::new(),
            types,
            source: None,
            task,
            contest: None,
            starts: None,
            taught: None,
        })
    }

    /// Token that stands in a target where there is no label, and behind a text that ended.
    pub(super) fn padding(&self) -> Result<i32> {
        self.token_of_config("pad_token_id", sentence!("it has no pad_token_id"))
    }

    /// Token that ends a text.
    fn end(&self) -> Result<i32> {
        self.token_of_config("eos_token_id", sentence!("it has no eos_token_id"))
    }

    fn token_of_config(&self, option: &str, missing: Sentence) -> Result<i32> {
        let path = self.case.folder.join("model");
        let config = model_options(&path)?;
        let token = config.get(option).and_then(serde_json::Value::as_i64);
        let missing = || EngineError::Malformed { what: sentence!("config.json"), path, reason: missing };
        token.and_then(|token| i32::try_from(token).ok()).ok_or_else(missing)
    }

    /// Keys and values as the layers receive them, `[layer, kv_head, virtual, d_head]`.
    fn prefix(&self, site: Site, shape: PrefixShape, conditioning: &Conditioning, results: &mut Arrays) -> Result<()> {
        let PrefixShape { n_virtual, n_kv_heads, d_head, .. } = shape;
        let n_layers = conditioning.of(site).map_or(0, |layers| layers.len());
        let shape = [n_layers, n_kv_heads, n_virtual, d_head];
        let past = conditioning.of(site).into_iter().flatten();
        let keys = Tensor::cat(past.clone().map(|kv| kv.key.clone()).collect(), 0);
        let values = Tensor::cat(past.map(|kv| kv.value.clone()).collect(), 0);
        results.insert("prefix/keys".to_owned(), Array::floats(shape, floats(keys)?));
        results.insert("prefix/values".to_owned(), Array::floats(shape, floats(values)?));
        Ok(())
    }

    /// Logits of all positions, `[batch * seq, width]`; of a classifier of texts `[batch, n_classes]`.
    fn logits(&self, batch: &TokenBatch, conditioning: &Conditioning) -> Result<Tensor<2>> {
        let tuned = self.model.with_overrides(&conditioning.tuned)?;
        let model = tuned.as_ref().unwrap_or(&self.model);
        if batch.task.writes() {
            let head = model.head()?;
            let [_, d_out] = head.matrix.dims();
            let hidden = loss::hidden(model, conditioning, batch, &self.device)?;
            return Ok(head_logits(hidden.reshape([batch.batch * batch.seq, d_out]), head));
        }
        let everywhere = match batch.task {
            Task::SequenceClassification | Task::Regression => batch.labels.clone(),
            _ => vec![0; batch.batch * batch.seq],
        };
        loss::logits(model, conditioning, &TokenBatch { labels: everywhere, ..batch.clone() }, &self.device)
    }

    fn forward(&self, side: &str, conditioning: &Conditioning, results: &mut Arrays) -> Result<()> {
        let batch = self.batch(side)?;
        let logits = self.logits(&batch, conditioning)?;
        let [_, width] = logits.dims();
        let columns = self.case.facts.logits_columns.of(width);
        let all = floats(logits)?;
        let name = |what: &str| format!("out/{side}/{what}");
        let tuned = self.model.with_overrides(&conditioning.tuned)?;
        let (nll, n) = summed_nll(tuned.as_ref().unwrap_or(&self.model), conditioning, &batch, &self.device)?;
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
        for ((name, parameter), values) in self.named(&trainer.adapter).zip(gradient.of_parameters) {
            results.insert(format!("grad/{side}/{name}"), Array::floats(parameter.shape.clone(), floats(values)?));
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
        let settings = StepSettings { learning_rate: training.lr, max_grad_norm: None, seed: 0 };
        let mut losses = Vec::new();
        for _ in 0..training.steps {
            losses.push(trainer.step(&self.model, &batches, &settings, &self.device)?.0 as f32);
        }
        losses.push(trainer.gradient(&self.model, &batches, 0, &self.device)?.loss as f32);
        results.insert("train/losses".to_owned(), Array::floats([losses.len()], losses));
        for (name, parameter) in self.named(&trainer.adapter) {
            results.insert(format!("param_after/{name}"), Array::floats(parameter.shape.clone(), parameter.to_vec()?));
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
                max_grad_norm: Some(training.clip_grad_norm),
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
}

fn adamw([beta1, beta2]: [f64; 2], epsilon: f64, weight_decay: f64) -> OptimizerConfig {
    OptimizerConfig::AdamW(AdamConfig { beta1, beta2, epsilon, weight_decay })
}

/// Warm-up and total steps of "linear, 2 warm-up steps, 7 in all".
fn numbers_of(schedule: &str) -> Result<(usize, usize)> {
    let unsupported = || EngineError::Unsupported { what: sentence!("schedule"), name: schedule.to_owned() };
    let words = schedule.strip_prefix("linear, ").ok_or_else(unsupported)?;
    let numbers: Vec<usize> = words.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [warmup, total] => Ok((warmup, total)),
        _ => Err(unsupported()),
    }
}

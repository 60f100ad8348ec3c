//! What a run needs before its first step: model, rows, initial values, or a checkpoint to go on from.

use std::path::Path;
use std::rc::Rc;

use crate::adapters::{
    Adapter, FoldedAdapter, Head, HeadShape, Lora, LoraShape, Parameter, Part, PartPlan, Place, Prefix, PrefixTarget,
    PromptEncoderShape, PromptShape, PromptTarget, SoftPrompt, TargetRow, TunedWeights,
};
use crate::config::{
    FullConfig, LoraBias, LoraConfig, MethodConfig, OptimizerConfig, PrefixInit, PromptConfig, PromptInit, RunConfig,
    Task, TaskRecord, TextConfig,
};
use crate::data::{DataReport, Dataset, Example};
use crate::error::{EngineError, Result};
use crate::message::Phase;
use crate::models::{LinearName, Loading, Model, ModelShape, SOFT, WeightName};
use crate::nn::SlidingWindow;
use crate::session::{LoadedModel, Session};
use crate::training::checkpoint::{self, AdapterPlan, CheckpointState};
use crate::training::optimizer::Trainer;
use crate::training::run_folder::{RunFolder, read_checkpoints};

/// Rows that give the initial values their scale.
const ROWS_FOR_SCALE: usize = 16;

/// What a run is trained on, before anything of it is trained or written.
pub(super) struct Ground {
    pub(super) plan: AdapterPlan,
    pub(super) model: Rc<LoadedModel>,
    pub(super) data: Dataset,
}

/// Everything a run starts with.
pub(super) struct Prepared {
    pub(super) ground: Ground,
    pub(super) folder: RunFolder,
    pub(super) trainer: Trainer,
    pub(super) state: CheckpointState,
    pub(super) total_steps: usize,
}

/// Loads the model and the rows.
pub(super) fn ground(
    config: &RunConfig,
    session: &mut Session,
    loading: &mut Loading<'_>,
    tell: &dyn Fn(Phase),
) -> Result<Ground> {
    config.check()?;
    loading(0.0)?;
    let model = session.model(&config.model, config.device, loading)?;
    tell(Phase::PreparingData);
    let n_virtual = config.method.n_virtual();
    let room = room_for_text(n_virtual, config.data.max_tokens, model.model.shape())?;
    let task = TaskRecord::of(model.task(config.task)?);
    let start = model.model.target_start();
    let mut data = Dataset::load(&config.data, &task, start, &model.tokenizer, room, config.seed)?;
    let mut before: Vec<u32> = (0..config.method.n_soft() as u32).map(|slot| SOFT + slot).collect();
    let mut text = None;
    if let MethodConfig::Text(method) = &config.method {
        let words = words_before(method, &data.train);
        before = model.tokenizer.encode(&words)?;
        text = Some(words);
        // The rows have less room behind them.
        let room = room_for_text(before.len(), config.data.max_tokens, model.model.shape())?;
        data = Dataset::load(&config.data, &task, start, &model.tokenizer, room, config.seed)?;
    }
    data.begin_with(&before, &model.tokenizer);
    tell(Phase::Initialising);
    let plan = plan(config, &model, &data.task, text)?;
    Ok(Ground { plan, model, data })
}

impl Ground {
    /// A trainer before its first step.
    pub(super) fn fresh(&self, config: &RunConfig) -> Result<Trainer> {
        let adapter = initial(&self.plan, config, &self.model, &self.data.train)?;
        Ok(Trainer::new(adapter, config.training.optimizer))
    }
}

/// Loads the model and the rows, then starts anew or goes on from the last checkpoint.
pub(super) fn prepare(
    path: &Path,
    config: &RunConfig,
    resume: bool,
    session: &mut Session,
    loading: &mut Loading<'_>,
    tell: &dyn Fn(Phase),
) -> Result<Prepared> {
    let ground = ground(config, session, loading, tell)?;
    let Ground { plan, model, data } = &ground;
    let mut folder = RunFolder::open(path)?;
    let last = if resume { read_checkpoints(path)?.last } else { None };
    let (trainer, state) = match last {
        Some(name) => restore(&folder.checkpoint(&name), plan, &config.training.optimizer, model)?,
        None => {
            let trainer = ground.fresh(config)?;
            let initial = path.join("initial");
            trainer.adapter.fold(&config.model.display().to_string())?.write(&initial, Some(&config.method))?;
            (trainer, CheckpointState::new(model.hash.clone()))
        }
    };
    let total_steps = total_steps(config, data.train.len());
    if trainer.step > total_steps {
        let done = trainer.step;
        return Err(EngineError::Resume(format!("it has done {done} steps, and {total_steps} are asked for")));
    }
    folder.write_config(config)?;
    folder.truncate_after(state.step, state.evaluated)?;
    Ok(Prepared { ground, folder, trainer, state, total_steps })
}

/// The instruction, then the first training rows as examples.
fn words_before(method: &TextConfig, rows: &[Example]) -> String {
    let shot = |example: &Example| format!("{}{}\n\n", example.prompt, example.reference);
    let shots: String = rows.iter().take(method.shots).map(shot).collect();
    format!("{}{shots}", method.instruction)
}

/// Optimizer steps of a run on so many rows.
fn total_steps(config: &RunConfig, rows: usize) -> usize {
    let t = &config.training;
    if matches!(config.method, MethodConfig::Text(_)) {
        return 0;
    }
    if t.steps > 0 { t.steps } else { ((t.epochs * steps_per_epoch(config, rows)).ceil() as usize).max(1) }
}

/// The last step of an epoch may reach into the next one.
pub(super) fn steps_per_epoch(config: &RunConfig, rows: usize) -> f64 {
    rows.div_ceil(config.training.batch_size) as f64 / config.training.accumulation as f64
}

/// Tokens of text that fit beside the prefix.
///
/// # Errors
/// The prefix leaves no room, or less than the configuration asks for.
pub fn room_for_text(n_virtual: usize, max_tokens: Option<usize>, model: &ModelShape) -> Result<usize> {
    let tokens = max_tokens.unwrap_or(2);
    let n_positions = model.n_positions;
    if n_virtual + tokens > n_positions {
        return Err(EngineError::ContextOverflow { n_virtual, tokens, n_positions });
    }
    Ok(max_tokens.unwrap_or(n_positions - n_virtual))
}

/// What is odd about the rows, a sentence each.
pub(super) fn notices(report: &DataReport, window: Option<&SlidingWindow>) -> Vec<String> {
    let mut sentences = Vec::new();
    let longest = report.lengths.iter().max().map_or(0, |&tokens| (tokens as usize).min(report.max_tokens));
    // Token t (from 1) is t columns behind the last slot.
    if let Some(window) = window.filter(|window| longest >= window.columns) {
        sentences.push(format!(
            "In {} of {} layers a token sees the last {} columns: from token {2} of a row on, none sees the prefix there",
            window.n_layers(),
            window.layers.len(),
            window.columns
        ));
    }
    if report.truncated_rows > 0 {
        sentences.push(format!("{} rows were cut to {} tokens", report.truncated_rows, report.max_tokens));
    }
    if report.skipped_rows > 0 {
        let first: Vec<String> =
            report.skipped.iter().take(3).map(|p| format!("row {}: {}", p.row, p.reason)).collect();
        sentences.push(format!("{} rows were left out, first of all {}", report.skipped_rows, first.join("; ")));
    }
    if report.duplicate_rows > 0 {
        sentences.push(format!("{} validation rows are training rows too", report.duplicate_rows));
    }
    sentences
}

/// What is drawn because the checkpoint does not have it, a sentence each.
pub(super) fn head_notices(model: &LoadedModel, task: &TaskRecord) -> Vec<String> {
    if !task.task.has_classes() {
        return Vec::new();
    }
    let fresh = format!("a fresh head for {} classes is trained with the prefix", task.classes.len());
    let pooler = match &*model.model {
        Model::Encoder(encoder) if task.task == Task::SequenceClassification => encoder.text_notice(),
        _ => None,
    };
    std::iter::once(fresh).chain(pooler.map(str::to_owned)).collect()
}

/// The sizes of the head, where the task has classes.
fn head_shape(model: &LoadedModel, task: &TaskRecord) -> Result<Option<HeadShape>> {
    if !task.task.has_classes() {
        return Ok(None);
    }
    let (kind, d_model) = (model.model.head_kind(task.task)?, model.model.shape().d_model);
    Ok(Some(HeadShape { kind, d_model, n_classes: task.classes.len() }))
}

fn restore(
    folder: &Path,
    plan: &AdapterPlan,
    optimizer: &OptimizerConfig,
    model: &LoadedModel,
) -> Result<(Trainer, CheckpointState)> {
    let before = FoldedAdapter::read(folder, Some(&model.model.sites()))?.task;
    if before != plan.task {
        return Err(EngineError::Resume(
            "the task or the classes of the rows are not those the run began with".to_owned(),
        ));
    }
    let (trainer, state) = checkpoint::read(folder, plan, optimizer, &model.device)?;
    if state.model_hash != model.hash {
        return Err(EngineError::Resume("the weights of the base model are not those the run began with".to_owned()));
    }
    Ok((trainer, state))
}

/// Standard deviation of a fresh head where the checkpoint does not say.
const HEAD_DEVIATION: f64 = 0.02;

/// The parts that a configuration asks for, of this model.
fn plan(config: &RunConfig, model: &LoadedModel, task: &TaskRecord, text: Option<String>) -> Result<AdapterPlan> {
    let base = &model.model;
    let (architecture, linears) = (base.shape().architecture, base.linears());
    let is_seq2seq = matches!(**base, Model::Seq2Seq(_));
    let [_, width] = base.embedding_dims();
    let mut parts = Vec::new();
    match &config.method {
        MethodConfig::Prefix(prefix) => {
            let sites = prefix.sites_of(&base.sites())?;
            let of = |(site, shape)| PartPlan::Prefix { site, shape, config: prefix.clone() };
            parts.extend(sites.into_iter().map(of));
        }
        MethodConfig::Prompt(prompt) => parts.push(PartPlan::Prompt(prompt_shape(prompt, width, is_seq2seq))),
        MethodConfig::Lora(lora) => parts.extend(lora_parts(lora, architecture, &linears, &base.weights())?),
        MethodConfig::Full(full) => {
            let weights = trained_weights(full, base.weights(), base.shape().n_layers, is_seq2seq);
            if !weights.is_empty() {
                parts.push(PartPlan::Weights(weights));
            }
        }
        MethodConfig::Text(_) => parts.extend(text.map(PartPlan::Text)),
    }
    if let Some(lora) = &config.lora {
        parts.extend(lora_parts(lora, architecture, &linears, &base.weights())?);
    }
    parts.extend(head_shape(model, task)?.map(PartPlan::Head));
    if parts.is_empty() {
        let reason = "the task has no head, and nothing else is trained".to_owned();
        return Err(EngineError::Setting { field: "method.top_layers", reason });
    }
    Ok(AdapterPlan { parts, task: task.clone() })
}

pub(super) fn prompt_shape(prompt: &PromptConfig, width: usize, is_seq2seq: bool) -> PromptShape {
    let n_rows = if is_seq2seq { 2 * prompt.n_virtual } else { prompt.n_virtual };
    let encoder = prompt.encoder.as_ref().map(|encoder| PromptEncoderShape {
        kind: encoder.kind,
        hidden: encoder.width.unwrap_or(width),
        layers: encoder.layers,
    });
    PromptShape { n_virtual: prompt.n_virtual, n_rows, width, encoder }
}

/// Matrices, and the biases beside them.
pub(super) fn lora_parts(
    lora: &LoraConfig,
    architecture: &str,
    linears: &[LinearName],
    weights: &[WeightName],
) -> Result<Vec<PartPlan>> {
    let shape = LoraShape::new(lora, architecture, linears)?;
    let chosen = |weight: &WeightName| match (lora.bias, weight.name.strip_suffix(".bias")) {
        (LoraBias::None, _) | (_, None) => false,
        (LoraBias::All, Some(_)) => true,
        (LoraBias::LoraOnly, Some(module)) => shape.layers.iter().any(|layer| layer.name == module),
    };
    let biases: Vec<WeightName> = weights.iter().filter(|&weight| chosen(weight)).cloned().collect();
    let mut parts = vec![PartPlan::Lora(shape)];
    if !biases.is_empty() {
        parts.push(PartPlan::Weights(biases));
    }
    Ok(parts)
}

/// The weights of the model that are trained: all, or those of the top blocks and what comes behind them.
pub(super) fn trained_weights(
    full: &FullConfig,
    weights: Vec<WeightName>,
    n_layers: usize,
    is_seq2seq: bool,
) -> Vec<WeightName> {
    let Some(top_layers) = full.top_layers else { return weights };
    if top_layers == 0 {
        return Vec::new();
    }
    let first = n_layers.saturating_sub(top_layers);
    let chosen = |weight: &WeightName| {
        let on_top = !is_seq2seq || weight.name.contains("decoder");
        let behind =
            ["norm", "ln_f", "lm_head"].iter().any(|part| weight.name.contains(part)) && !weight.name.contains("embed");
        on_top && block_of(&weight.name).map_or(behind, |block| block >= first)
    };
    weights.into_iter().filter(chosen).collect()
}

/// The number of the block that a weight is in.
fn block_of(name: &str) -> Option<usize> {
    name.split('.').find_map(|part| part.parse().ok())
}

fn initial(plan: &AdapterPlan, config: &RunConfig, model: &LoadedModel, rows: &[Example]) -> Result<Adapter> {
    let (device, seed) = (&model.device, config.seed);
    let row = |example: &Example| TargetRow { source: hard(&example.source), tokens: hard(&example.tokens) };
    let encode = |text: &str| model.tokenizer.encode(text);
    let part = |part: &PartPlan| -> Result<Part> {
        Ok(match part {
            PartPlan::Prefix { site, shape, config } => {
                let words = match &config.init {
                    PrefixInit::Words { text } => encode(text)?,
                    PrefixInit::Random | PrefixInit::ScaledRandom | PrefixInit::Zero => Vec::new(),
                };
                let target = PrefixTarget { words, rows: rows.iter().take(ROWS_FOR_SCALE).map(row).collect() };
                let place = Place { model: &model.model, site: *site, device };
                Part::Prefix(*site, Prefix::initialise(*shape, config, &target, place, seed)?)
            }
            PartPlan::Prompt(shape) => {
                let MethodConfig::Prompt(PromptConfig { init, .. }) = &config.method else {
                    return Err(EngineError::Computation("a soft prompt without its settings".to_owned()));
                };
                let target = PromptTarget {
                    words: match init {
                        PromptInit::Words { text } => encode(text)?,
                        _ => Vec::new(),
                    },
                    rows: rows.iter().map(|example| [hard(&example.source), hard(&example.tokens)].concat()).collect(),
                    classes: plan.task.classes.iter().map(|class| encode(class)).collect::<Result<_>>()?,
                };
                let table = model.model.embeddings();
                Part::Prompt(SoftPrompt::initialise(shape.clone(), init, &target, table, device, seed)?)
            }
            PartPlan::Lora(shape) => Part::Lora(Lora::fresh(shape.clone(), device, seed)),
            PartPlan::Weights(weights) => {
                let own = |weight: &WeightName| {
                    let values = model.model.values(weight)?;
                    Ok(Parameter::new(weight.name.clone(), weight.shape.clone(), values, device))
                };
                Part::Weights(TunedWeights { parameters: weights.iter().map(own).collect::<Result<_>>()? })
            }
            PartPlan::Text(text) => Part::Text(text.clone()),
            PartPlan::Head(shape) => {
                let deviation = match &*model.model {
                    Model::Encoder(encoder) => encoder.initializer_range(),
                    Model::Causal(_) | Model::Seq2Seq(_) => HEAD_DEVIATION,
                };
                Part::Head(Head::fresh(*shape, deviation, device, seed))
            }
        })
    };
    Ok(Adapter { parts: plan.parts.iter().map(part).collect::<Result<_>>()?, task: plan.task.clone() })
}

/// The tokens of the vocabulary among some tokens.
fn hard(tokens: &[u32]) -> Vec<u32> {
    tokens.iter().copied().filter(|&token| token < SOFT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_out_of_sight_is_said() {
        let window = SlidingWindow { columns: 6, layers: vec![true, false, true] };
        let said = |lengths: &[u32], max_tokens| {
            let report = DataReport { lengths: lengths.to_vec(), max_tokens, ..DataReport::default() };
            notices(&report, Some(&window))
        };
        let sentence =
            "In 2 of 3 layers a token sees the last 6 columns: from token 6 of a row on, none sees the prefix there";
        assert_eq!(said(&[4, 9], 20), [sentence]);
        assert!(said(&[4, 5], 20).is_empty());
        assert!(said(&[4, 9], 5).is_empty(), "rows are cut before that");
    }
}

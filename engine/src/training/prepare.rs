//! What a run needs before its first step: model, rows, initial values, or a checkpoint to go on from.

use std::path::Path;
use std::rc::Rc;

use crate::adapters::{Adapter, FoldedAdapter, Head, HeadShape, Place, Prefix, PrefixShape, PrefixTarget, TargetRow};
use crate::config::{MethodConfig, OptimizerConfig, PrefixConfig, PrefixInit, RunConfig, Task, TaskRecord};
use crate::data::{DataReport, Dataset, Example};
use crate::error::{EngineError, Result};
use crate::message::Phase;
use crate::models::{Loading, Model, ModelShape, Site};
use crate::nn::SlidingWindow;
use crate::session::{LoadedModel, Session};
use crate::training::checkpoint::{self, AdapterPlan, CheckpointState};
use crate::training::optimizer::Trainer;
use crate::training::run_folder::{RunFolder, read_checkpoints};

/// Rows that give the initial values their scale.
const ROWS_FOR_SCALE: usize = 16;

/// What a run is trained on, before anything of it is trained or written.
pub(super) struct Ground {
    pub(super) prefix: PrefixConfig,
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
    let MethodConfig::Prefix(prefix) = config.method.clone();
    loading(0.0)?;
    let model = session.model(&config.model, config.device, loading)?;
    let sites = prefix.sites_of(&model.model.sites())?;
    tell(Phase::PreparingData);
    let room = room_for_text(prefix.n_virtual, config.data.max_tokens, model.model.shape())?;
    let task = TaskRecord::of(model.task(config.task)?);
    let start = model.model.target_start();
    let data = Dataset::load(&config.data, &task, start, &model.tokenizer, room, config.seed)?;
    tell(Phase::Initialising);
    let plan = AdapterPlan { sites, head: head_shape(&model, &data.task)?, task: data.task.clone() };
    Ok(Ground { prefix, plan, model, data })
}

impl Ground {
    /// A trainer before its first step.
    pub(super) fn fresh(&self, config: &RunConfig) -> Result<Trainer> {
        let adapter = initial(&self.plan, &self.prefix, config, &self.model, &self.data.train)?;
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
    let Ground { prefix, plan, model, data } = &ground;
    let mut folder = RunFolder::open(path)?;
    let last = if resume { read_checkpoints(path)?.last } else { None };
    let (trainer, state) = match last {
        Some(name) => restore(&folder.checkpoint(&name), plan, (prefix, &config.training.optimizer), model)?,
        None => {
            let trainer = ground.fresh(config)?;
            let initial = path.join("initial");
            trainer.adapter.fold(&config.model.display().to_string())?.write(&initial, Some(prefix))?;
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

/// Optimizer steps of a run on so many rows.
fn total_steps(config: &RunConfig, rows: usize) -> usize {
    let t = &config.training;
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
    let pooler = match &model.model {
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
    (prefix, optimizer): (&PrefixConfig, &OptimizerConfig),
    model: &LoadedModel,
) -> Result<(Trainer, CheckpointState)> {
    let before = FoldedAdapter::read(folder, Some(&model.model.sites()))?.task;
    if before != plan.task {
        return Err(EngineError::Resume(
            "the task or the classes of the rows are not those the run began with".to_owned(),
        ));
    }
    let (trainer, state) = checkpoint::read(folder, plan, prefix, optimizer, &model.device)?;
    if state.model_hash != model.hash {
        return Err(EngineError::Resume("the weights of the base model are not those the run began with".to_owned()));
    }
    Ok((trainer, state))
}

/// Standard deviation of a fresh head where the checkpoint does not say.
const HEAD_DEVIATION: f64 = 0.02;

fn initial(
    plan: &AdapterPlan,
    prefix: &PrefixConfig,
    config: &RunConfig,
    model: &LoadedModel,
    rows: &[Example],
) -> Result<Adapter> {
    let words = match &prefix.init {
        PrefixInit::Words { text } => model.tokenizer.encode(text)?,
        PrefixInit::Random | PrefixInit::ScaledRandom | PrefixInit::Zero => Vec::new(),
    };
    let row = |example: &Example| TargetRow { source: example.source.clone(), tokens: example.tokens.clone() };
    let target = PrefixTarget { words, rows: rows.iter().take(ROWS_FOR_SCALE).map(row).collect() };
    let at = |&(site, shape): &(Site, PrefixShape)| {
        let place = Place { model: &model.model, site, device: &model.device };
        Ok((site, Prefix::initialise(shape, prefix, &target, place, config.seed)?))
    };
    let prefixes = plan.sites.iter().map(at).collect::<Result<_>>()?;
    let deviation = match &model.model {
        Model::Encoder(encoder) => encoder.initializer_range(),
        Model::Causal(_) | Model::Seq2Seq(_) => HEAD_DEVIATION,
    };
    let head = plan.head.map(|shape| Head::fresh(shape, deviation, &model.device, config.seed));
    Ok(Adapter { prefixes, head, task: plan.task.clone() })
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

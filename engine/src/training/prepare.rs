//! Preparation of a run before its first step: its inputs, and initial values or a checkpoint to go on from.

use std::path::Path;
use std::rc::Rc;

use crate::adapters::{AdapterSpec, formats};
use crate::config::RunConfig;
use crate::data::rows_of_epoch;
use crate::error::{EngineError, Result};
use crate::loaded_model::LoadedModel;
use crate::training::best::BestMetric;
use crate::training::checkpoint::{self, CheckpointState};
use crate::training::extent::total_steps;
use crate::training::inputs::{OpenAdapter, Preparation, RunInputs};
use crate::training::origin::Origin;
use crate::training::run_folder::{CheckpointIndex, RunFolder};
use crate::training::trainer::Trainer;
use crate::{Sentence, sentence};

/// Everything a run starts with.
pub(crate) struct PreparedRun {
    pub(crate) inputs: RunInputs,
    pub(crate) folder: RunFolder,
    pub(crate) trainer: Trainer,
    pub(crate) state: CheckpointState,
    pub(crate) total_steps: usize,
    /// Notices about the run, a sentence each.
    pub(crate) notices: Vec<Sentence>,
}

/// The beginning of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Anew.
    Fresh,
    /// From its last checkpoint, which must be of the same rows, split, tokenizer and order.
    Resumed,
    /// From its last checkpoint, whatever has changed since: somebody has said yes to that.
    ResumedOnOthers,
}

/// Reads the rows, then starts anew or goes on from the last checkpoint.
pub(crate) fn prepare(
    path: &Path,
    config: &RunConfig,
    beginning: Beginning,
    (model, open): (Rc<LoadedModel>, OpenAdapter),
    tell: &dyn Fn(Preparation),
) -> Result<PreparedRun> {
    let inputs = RunInputs::load(config, model, open, tell)?;
    let RunInputs { spec, model, data, .. } = &inputs;
    let now = Origin::of(config, model, data)?;
    let mut folder = RunFolder::open(path)?;
    let index = if beginning == Beginning::Fresh { CheckpointIndex::default() } else { folder.checkpoints()? };
    let mut notices = Vec::new();
    let (trainer, mut state) = match &index.last {
        Some(name) => {
            let (trainer, mut state) = restore(&folder.checkpoint(name), spec, config, model)?;
            let trainer = inputs.with_rows(trainer, config)?;
            if index.best.is_none() {
                // Older versions called the untouched start the best and kept no adapter of it.
                state.best = None;
            }
            notices.extend(same_origin(&state, &now, beginning)?);
            (trainer, state)
        }
        None => {
            let trainer = inputs.fresh(config)?;
            let start = trainer.adapter.to_state(&config.model.display().to_string())?;
            // The model's own weights are where they are.
            let start = if config.trains_weights() { start.without_weights() } else { start };
            folder.write_folder("initial", |initial| formats::write(&start, initial, Some(&config.method)))?;
            (trainer, CheckpointState::new(model.hash.clone()))
        }
    };
    let total_steps = total_steps(config, rows_of_epoch(&data.train, &config.data));
    if trainer.step > total_steps {
        let done = trainer.step;
        return Err(EngineError::Resume(sentence!(
            "it has done {done} steps, and {total_steps} are asked for",
            done,
            total_steps
        )));
    }
    let mut kept = config.clone();
    // Other datasets decide for themselves, each time they are read.
    kept.data.chat |= inputs.data.report.chat && kept.data.more.is_empty();
    if kept.data.more.is_empty() && !inputs.data.words.is_empty() {
        // Other rows may lack some of the classes.
        kept.data.verbalizer = inputs.data.words.verbalizer();
    }
    folder.write_config(&kept)?;
    folder.truncate_after(state.step, state.evaluated)?;
    let other_rows = |then: &Origin| then.validation != now.validation;
    let best_metric = BestMetric::of(&config.training.best_metric, data.task.task)?.name().to_owned();
    let is_other = std::mem::replace(&mut state.best_metric, best_metric.clone()) != best_metric;
    let is_other = is_other && state.step > 0;
    if state.origin.replace(now.clone()).as_ref().is_some_and(other_rows) || is_other {
        // A loss of other rows, and another figure, is the answer to another question.
        (state.best, state.without_improvement, state.evaluated) = (None, 0, None);
        folder.forget_best()?;
    }
    Ok(PreparedRun { inputs, folder, trainer, state, total_steps, notices })
}

/// Refuses to go on with other rows, another split or another order, unless somebody has said yes; then it is told.
fn same_origin(state: &CheckpointState, now: &Origin, beginning: Beginning) -> Result<Option<Sentence>> {
    let Some(then) = &state.origin else {
        return Ok(Some(sentence!(
            "The checkpoint is of an older version, which did not keep what the run was trained on: whether rows, split and \
             tokenizer are the same was not checked"
        )));
    };
    let differences = then.differences(now);
    match beginning {
        _ if differences.is_empty() => Ok(None),
        Beginning::ResumedOnOthers => {
            let differences = Sentence::clauses(differences).unwrap_or_default();
            Ok(Some(sentence!(
                "From here on the run goes on with something else than it began with: {differences}",
                differences
            )))
        }
        _ => Err(EngineError::Changed { differences }),
    }
}

fn restore(
    folder: &Path,
    spec: &AdapterSpec,
    config: &RunConfig,
    model: &LoadedModel,
) -> Result<(Trainer, CheckpointState)> {
    let before = formats::read(folder, Some(&model.model.sites()))?.task;
    if before != spec.task {
        return Err(EngineError::Resume(sentence!(
            "the task or the classes of the rows are not those the run began with"
        )));
    }
    let (trainer, state) = checkpoint::read(folder, spec, &config.training.optimizer, &model.device)?;
    if state.model_hash != model.hash {
        return Err(EngineError::Resume(sentence!("the weights of the base model are not those the run began with")));
    }
    Ok((trainer.of_run(config, spec, &model.model), state))
}

//! What a run needs before its first step: model, rows, initial values, or a checkpoint to go on from.

use std::path::Path;
use std::rc::Rc;

use burn::tensor::Device;

use crate::adapters::{
    Adapter, FoldedAdapter, FoldedLora, Head, HeadShape, Lora, NamedTensor, Parameter, Part, PartPlan, Place, Prefix,
    PromptEncoderShape, PromptShape, PromptStart, PromptTarget, PromptTasksShape, SoftPrompt, TunedWeights,
    is_of_a_head,
};
use crate::config::{
    EpochEnd, FewShotConfig, FullConfig, HeadInit, HeadRecord, LoraInit, MethodConfig, PrefixConfig, PrefixInit,
    PromptConfig, PromptInit, PromptTasks, RunConfig, Task, TaskRecord, TrainingConfig,
};
use crate::data::{DataReport, Dataset, Example};
use crate::error::{EngineError, Result};
use crate::loaded_model::LoadedModel;
use crate::models::{Depth, Model, ModelShape, SOFT, WeightName};
use crate::nn::SlidingWindow;
use crate::training::checkpoint::{self, AdapterPlan, CheckpointState};
use crate::training::matrices::{lora_parts, rows_of};
use crate::training::optimizer::Trainer;
use crate::training::origin::Origin;
use crate::training::run_folder::{CheckpointIndex, RunFolder};
use crate::training::starts;
use crate::{Sentence, sentence};

/// What a run is trained on, before anything of it is trained or written.
pub(crate) struct Ground {
    pub(crate) plan: AdapterPlan,
    pub(crate) model: Rc<LoadedModel>,
    pub(crate) data: Dataset,
}

/// Everything a run starts with.
pub(crate) struct Prepared {
    pub(crate) ground: Ground,
    pub(crate) folder: RunFolder,
    pub(crate) trainer: Trainer,
    pub(crate) state: CheckpointState,
    pub(crate) total_steps: usize,
    /// What is to be said about it, a sentence each.
    pub(crate) notices: Vec<Sentence>,
}

/// How a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Anew.
    Fresh,
    /// From its last checkpoint, which must be of the same rows, split, tokenizer and order.
    Resumed,
    /// From its last checkpoint, whatever has changed since: somebody has said yes to that.
    ResumedOnOthers,
}

/// What is being made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preparation {
    /// Rows are read and tokenised.
    Rows,
    /// The adapter gets its initial values.
    InitialValues,
}

/// Reads the rows for a model.
pub(crate) fn ground(config: &RunConfig, model: Rc<LoadedModel>, tell: &dyn Fn(Preparation)) -> Result<Ground> {
    tell(Preparation::Rows);
    let n_virtual = config.method.n_virtual();
    let room = room_for_text(n_virtual, config.data.max_tokens, model.model.shape())?;
    let task = TaskRecord::of(model.task(config.task)?);
    let start = model.model.target_start();
    let mut data = Dataset::load(&config.data, &task, start, &model.tokenizer, room, config.seed)?;
    let mut before: Vec<u32> = (0..config.method.n_soft() as u32).map(|slot| SOFT + slot).collect();
    let mut text = None;
    if let MethodConfig::FewShot(method) = &config.method {
        let words = words_before(method, &data.train);
        before = model.tokenizer.encode(&words)?;
        text = Some(words);
        // The rows have less room behind them.
        let room = room_for_text(before.len(), config.data.max_tokens, model.model.shape())?;
        data = Dataset::load(&config.data, &task, start, &model.tokenizer, room, config.seed)?;
    }
    data.place(&before, config.method.has_tasks(), &model.tokenizer)?;
    tell(Preparation::InitialValues);
    let plan = plan(config, &model, &data.task, text)?;
    Ok(Ground { plan, model, data })
}

impl Ground {
    /// A trainer before its first step, of the same method with other initial values.
    pub(crate) fn begin(&self, config: &RunConfig) -> Result<Trainer> {
        let plan = plan(config, &self.model, &self.data.task, None)?;
        let adapter = initial(&plan, config, &self.model, &self.data.train)?;
        Ok(Trainer::new(adapter, config.training.optimizer))
    }

    /// A trainer before its first step.
    pub(crate) fn fresh(&self, config: &RunConfig) -> Result<Trainer> {
        let adapter = initial(&self.plan, config, &self.model, &self.data.train)?;
        let (recomputes, weight_decay_on) = (config.training.gradient_checkpointing, config.training.weight_decay_on);
        Ok(Trainer { recomputes, weight_decay_on, ..Trainer::new(adapter, config.training.optimizer) })
    }
}

/// Reads the rows, then starts anew or goes on from the last checkpoint.
pub(crate) fn prepare(
    path: &Path,
    config: &RunConfig,
    beginning: Beginning,
    model: Rc<LoadedModel>,
    tell: &dyn Fn(Preparation),
) -> Result<Prepared> {
    let ground = ground(config, model, tell)?;
    let Ground { plan, model, data } = &ground;
    let now = Origin::of(config, model, data)?;
    let mut folder = RunFolder::open(path)?;
    let index = if beginning == Beginning::Fresh { CheckpointIndex::default() } else { folder.checkpoints()? };
    let mut notices = Vec::new();
    let (trainer, mut state) = match &index.last {
        Some(name) => {
            let (trainer, mut state) = restore(&folder.checkpoint(name), plan, &config.training, model)?;
            if index.best.is_none() {
                // Older versions called the untouched start the best and kept no adapter of it.
                state.best = None;
            }
            notices.extend(same_origin(&state, &now, beginning)?);
            (trainer, state)
        }
        None => {
            let trainer = ground.fresh(config)?;
            let mut start = trainer.adapter.fold(&config.model.display().to_string())?;
            if matches!(config.method, MethodConfig::Full(_)) {
                // The model's own weights are where they are.
                start.weights.clear();
            }
            folder.write_folder("initial", |initial| start.write(initial, Some(&config.method)))?;
            (trainer, CheckpointState::new(model.hash.clone()))
        }
    };
    let total_steps = total_steps(config, data.train.len());
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
    kept.data.chat |= ground.data.report.chat && kept.data.more.is_empty();
    folder.write_config(&kept)?;
    folder.truncate_after(state.step, state.evaluated)?;
    let other_rows = |then: &Origin| then.validation != now.validation;
    if state.origin.replace(now.clone()).as_ref().is_some_and(other_rows) {
        // A loss of other rows is the answer to another question.
        (state.best, state.without_improvement, state.evaluated) = (None, 0, None);
        folder.forget_best()?;
    }
    Ok(Prepared { ground, folder, trainer, state, total_steps, notices })
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

/// The instruction, then the first training rows as examples.
fn words_before(method: &FewShotConfig, rows: &[Example]) -> String {
    let shot = |example: &Example| format!("{}{}\n\n", example.prompt, example.reference);
    let shots: String = rows.iter().take(method.shots).map(shot).collect();
    format!("{}{shots}", method.instruction)
}

/// Optimizer steps of a run on so many rows.
pub(crate) fn total_steps(config: &RunConfig, rows: usize) -> usize {
    let t = &config.training;
    if matches!(config.method, MethodConfig::FewShot(_)) {
        return 0;
    }
    if t.steps > 0 { t.steps } else { ((t.epochs * steps_per_epoch(config, rows)).ceil() as usize).max(1) }
}

/// A broken number where the last step of an epoch reaches into the next one.
pub(crate) fn steps_per_epoch(config: &RunConfig, rows: usize) -> f64 {
    let t = &config.training;
    let steps = rows.div_ceil(t.batch_size) as f64 / t.accumulation as f64;
    if t.epoch_end == EpochEnd::SmallerStep { steps.ceil() } else { steps }
}

/// Tokens of text that fit beside the prefix.
///
/// # Errors
/// The prefix leaves no room, or less than the configuration asks for.
pub fn room_for_text(n_virtual: usize, max_tokens: Option<usize>, model: &ModelShape) -> Result<usize> {
    let tokens = max_tokens.unwrap_or(2);
    let n_positions = model.n_positions;
    if n_virtual.checked_add(tokens).is_none_or(|needed| needed > n_positions) {
        return Err(EngineError::ContextOverflow { n_virtual, tokens, n_positions });
    }
    Ok(max_tokens.unwrap_or(n_positions - n_virtual))
}

/// What is odd about the rows, a sentence each.
pub(crate) fn notices(report: &DataReport, window: Option<&SlidingWindow>) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let longest = report.lengths.iter().max().map_or(0, |&tokens| (tokens as usize).min(report.max_tokens));
    // Token t (from 1) is t columns behind the last slot.
    if let Some(window) = window.filter(|window| longest >= window.columns) {
        sentences.push(sentence!(
            "In {n} of {n_layers} layers a token sees the last {columns} columns: from token {columns} of a row on, none sees the prefix there",
            n = window.n_layers(),
            n_layers = window.layers.len(),
            columns = window.columns
        ));
    }
    sentences.extend(report.notices());
    sentences
}

/// What the head begins with, and what is drawn because the checkpoint does not have it, a sentence each.
pub(crate) fn head_notices(config: &RunConfig, model: &LoadedModel, task: &TaskRecord) -> Vec<Sentence> {
    if !task.task.has_classes() {
        return Vec::new();
    }
    let n_classes = task.classes.len();
    let head = match own_scores(config.head, model, task) {
        Ok(_) => sentence!("the head begins as the checkpoint's own, for {n_classes} classes", n_classes),
        Err(reason) => {
            let new = match task.heads.as_slice() {
                [] => sentence!("a new head for {n_classes} classes is trained", n_classes),
                heads => {
                    let named = |head: &HeadRecord| {
                        sentence!("{name} ({n_classes} classes)", name = head.name, n_classes = head.n_classes)
                    };
                    let named = Sentence::list(heads.iter().map(named)).unwrap_or_default();
                    sentence!("each dataset has a new head that is trained: {named}", named)
                }
            };
            match reason {
                Some(reason) => sentence!("{new}; the checkpoint's own is not used: {reason}", new, reason),
                None => new,
            }
        }
    };
    let pooler = match &*model.model {
        Model::Encoder(encoder) if task.task == Task::SequenceClassification => encoder.text_notice(),
        _ => None,
    };
    std::iter::once(head).chain(pooler).collect()
}

/// Which score of the checkpoint's own head each class has. The error says why it is not used, if it has one.
fn own_scores(
    asked: HeadInit,
    model: &LoadedModel,
    task: &TaskRecord,
) -> std::result::Result<Vec<usize>, Option<Sentence>> {
    let own = model.summary.own_head.as_ref().ok_or(None)?;
    if !task.heads.is_empty() {
        return Err(Some(sentence!("each dataset has a head of its own")));
    }
    if asked == HeadInit::New {
        return Err(Some(sentence!("a new one is asked for")));
    }
    own.scores_of(task.task, &task.classes).map_err(Some)
}

/// The sizes of the head, where the task has classes.
fn head_shape(model: &LoadedModel, task: &TaskRecord) -> Result<Option<HeadShape>> {
    if !task.task.has_classes() {
        return Ok(None);
    }
    let (kind, d_model) = (model.model.head_kind(task.task)?, model.model.head_width());
    Ok(Some(HeadShape { kind, d_model, n_classes: task.classes.len(), blocks: task.blocks() }))
}

fn restore(
    folder: &Path,
    plan: &AdapterPlan,
    training: &TrainingConfig,
    model: &LoadedModel,
) -> Result<(Trainer, CheckpointState)> {
    let before = FoldedAdapter::read(folder, Some(&model.model.sites()))?.task;
    if before != plan.task {
        return Err(EngineError::Resume(sentence!(
            "the task or the classes of the rows are not those the run began with"
        )));
    }
    let (trainer, state) = checkpoint::read(folder, plan, &training.optimizer, &model.device)?;
    if state.model_hash != model.hash {
        return Err(EngineError::Resume(sentence!("the weights of the base model are not those the run began with")));
    }
    let (recomputes, weight_decay_on) = (training.gradient_checkpointing, training.weight_decay_on);
    Ok((Trainer { recomputes, weight_decay_on, ..trainer }, state))
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
            if prefix.infix {
                base.check_infix()?;
            }
            let of = |(site, shape)| PartPlan::Prefix { site, shape, config: prefix.clone() };
            parts.extend(sites.into_iter().map(of));
        }
        MethodConfig::Prompt(prompt) => parts.push(PartPlan::Prompt(prompt_shape(
            prompt,
            width,
            is_seq2seq,
            task.tasks.len(),
            Some(layers_and_heads(base)),
        ))),
        MethodConfig::Lora(lora) => parts.extend(lora_parts(lora, architecture, &linears, &base.weights())?),
        MethodConfig::Full(full) => {
            let reads = matches!(**base, Model::Encoder(_)).then_some(task.task);
            let weights = trained_weights(full, base.weights(), base.shape().n_layers, is_seq2seq, reads);
            if !weights.is_empty() {
                parts.push(PartPlan::Weights(weights));
            }
        }
        MethodConfig::FewShot(_) => {
            // A head that nobody trains says nothing.
            if task.task.has_classes() {
                let no_head = || sentence!("its checkpoint has no such head, and words before a text train none");
                own_scores(config.head, model, task)
                    .map_err(|reason| EngineError::NoHead { reason: reason.unwrap_or_else(no_head) })?;
            }
            parts.extend(text.map(PartPlan::Text));
        }
    }
    if let Some(lora) = &config.lora {
        parts.extend(lora_parts(lora, architecture, &linears, &base.weights())?);
    }
    parts.extend(head_shape(model, task)?.map(PartPlan::Head));
    if parts.is_empty() {
        let reason = sentence!("the task has no head, and nothing else is trained");
        return Err(EngineError::Setting { field: "method.top_layers", reason });
    }
    Ok(AdapterPlan { parts, task: task.clone() })
}

pub(super) fn prompt_shape(
    prompt: &PromptConfig,
    width: usize,
    is_seq2seq: bool,
    n_tasks: usize,
    of_model: Option<[usize; 2]>,
) -> PromptShape {
    let n_rows = if is_seq2seq { 2 * prompt.n_virtual } else { prompt.n_virtual };
    let encoder = prompt.encoder.as_ref().map(|encoder| PromptEncoderShape {
        kind: encoder.kind,
        hidden: encoder.width.unwrap_or(width),
        layers: encoder.layers,
    });
    let of = |tasks: &PromptTasks| PromptTasksShape { n_tasks, ranks: tasks.ranks };
    let tasks = prompt.tasks.as_ref().map(of);
    PromptShape { n_virtual: prompt.n_virtual, n_rows, width, encoder, of_model, tasks }
}

/// Layers and heads as PEFT counts them.
fn layers_and_heads(model: &Model) -> [usize; 2] {
    let shape = match model {
        Model::Seq2Seq(model) => model.encoder_shape(),
        Model::Causal(_) | Model::Encoder(_) => model.shape(),
    };
    [shape.n_layers, shape.n_heads]
}

/// The weights of the model that are trained: all that the task reads, or those of the top blocks and what comes behind.
/// `reads` is the task of an encoder, of whose own heads each task reads its own.
pub(super) fn trained_weights(
    full: &FullConfig,
    weights: Vec<WeightName>,
    n_layers: usize,
    is_seq2seq: bool,
    reads: Option<Task>,
) -> Vec<WeightName> {
    let is_read = |weight: &WeightName| match reads {
        // A decay would change the others.
        Some(task) => {
            (task == Task::MaskedFill || !is_of_a_head(&weight.name))
                && (task == Task::SequenceClassification || !weight.name.contains("pooler."))
        }
        None => true,
    };
    let weights: Vec<WeightName> = weights.into_iter().filter(is_read).collect();
    let Some(top_layers) = full.top_layers else { return weights };
    if top_layers == 0 {
        return Vec::new();
    }
    let first = n_layers.saturating_sub(top_layers);
    let chosen = |weight: &WeightName| {
        let on_top = !is_seq2seq || weight.name.contains("decoder");
        let is_deep = match Depth::of(&weight.name) {
            Depth::Before => false,
            Depth::Block(block) => block >= first,
            Depth::Behind => true,
        };
        on_top && is_deep
    };
    weights.into_iter().filter(chosen).collect()
}

fn initial(plan: &AdapterPlan, config: &RunConfig, model: &LoadedModel, rows: &[Example]) -> Result<Adapter> {
    let (device, seed) = (&model.device, config.seed);
    let start = Start::of(config, plan, model)?;
    let encode = |text: &str| model.tokenizer.encode(text);
    let part = |part: &PartPlan| -> Result<Part> {
        Ok(match part {
            PartPlan::Prefix { site, shape, config } => {
                let target = starts::prefix_target(&config.init, *site, model, rows, &plan.task)?;
                let place = Place { model: &model.model, site: *site, device };
                Part::Prefix(*site, Prefix::initialise(*shape, config, &target, place, seed)?)
            }
            PartPlan::Prompt(shape) => {
                let MethodConfig::Prompt(PromptConfig { init, tasks, .. }) = &config.method else {
                    return Err(EngineError::Computation(sentence!("a soft prompt without its settings")));
                };
                let target = PromptTarget {
                    words: match init {
                        PromptInit::Words { text } => encode(text)?,
                        _ => Vec::new(),
                    },
                    rows: rows.iter().map(|example| [hard(&example.source), hard(&example.tokens)].concat()).collect(),
                    classes: plan.task.classes.iter().map(|class| encode(class)).collect::<Result<_>>()?,
                    adapter: start.prompt(),
                    factors: tasks.as_ref().map(|tasks| tasks.init.clone()),
                };
                let table = model.model.embeddings();
                Part::Prompt(SoftPrompt::initialise(shape.clone(), init, &target, table, device, seed)?)
            }
            PartPlan::Lora(shape) => match &start.lora {
                Some(lora) => Part::Lora(Lora::start_from(shape.clone(), lora, device)?),
                None => Part::Lora(Lora::fresh(shape.clone(), rows_of(shape, model)?, device, seed)),
            },
            PartPlan::Weights(weights) => {
                let own = |weight: &WeightName| {
                    let values = match start.weight(weight) {
                        Some(values) => values,
                        None => model.model.values(weight)?,
                    };
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
                let mut head = match own_scores(config.head, model, &plan.task) {
                    Ok(scores) => {
                        let weights = model.model.folder().head_weights(plan.task.task, &scores)?;
                        Head::given(shape.clone(), weights, device)
                    }
                    Err(_) => Head::fresh(shape.clone(), deviation, device, seed),
                };
                start.bring_head(&mut head, &plan.task, device);
                Part::Head(head)
            }
        })
    };
    Ok(Adapter { parts: plan.parts.iter().map(part).collect::<Result<_>>()?, task: plan.task.clone() })
}

/// The trained adapters that a run starts from.
#[derive(Default)]
struct Start {
    /// Of the method.
    adapter: Option<FoldedAdapter>,
    /// Of the matrices, alone or beside another method.
    lora: Option<FoldedLora>,
    /// The biases beside them.
    weights: Vec<NamedTensor>,
}

impl Start {
    /// # Errors
    /// An adapter is damaged, lacks what it is read for, or does not fit the model.
    fn of(config: &RunConfig, plan: &AdapterPlan, model: &LoadedModel) -> Result<Self> {
        let sites = model.model.sites();
        let read = |path: &Path| {
            let adapter = starts::adapter(path, model)?;
            adapter.check_fits(&sites)?;
            Ok(adapter)
        };
        let lacks =
            |what: Sentence| EngineError::AdapterMismatch { reason: sentence!("it has no {what} to start from", what) };
        let mut start = Self::default();
        match &config.method {
            MethodConfig::Prefix(PrefixConfig { init: PrefixInit::Adapter { path }, .. }) => {
                start.adapter = Some(read(path)?);
            }
            MethodConfig::Prompt(PromptConfig { init: PromptInit::Adapter { path }, .. }) => {
                start.adapter = Some(read(path)?).filter(|adapter| adapter.prompt.is_some());
                start.adapter.as_ref().ok_or_else(|| lacks(sentence!("soft prompt")))?;
            }
            _ => {}
        }
        let lora = plan.parts.iter().find_map(|part| match part {
            PartPlan::Lora(shape) => Some(&shape.config.init),
            _ => None,
        });
        if let Some(LoraInit::Adapter { path }) = lora {
            let adapter = read(path)?;
            start.lora = Some(adapter.lora.clone().ok_or_else(|| lacks(sentence!("matrices")))?);
            start.weights.clone_from(&adapter.weights);
            start.adapter.get_or_insert(adapter);
        }
        Ok(start)
    }

    fn prompt(&self) -> Option<PromptStart> {
        let adapter = self.adapter.as_ref()?;
        Some(PromptStart { prompt: adapter.prompt.clone()?, tasks: adapter.task.tasks.clone() })
    }

    fn weight(&self, weight: &WeightName) -> Option<Vec<f32>> {
        let found = self.weights.iter().find(|(name, ..)| *name == weight.name);
        found.map(|(.., values)| values.clone())
    }

    /// The head comes along when it tells the same classes apart, by name or, as PEFT knows no names, by number; of several
    /// heads the one that does, or all of them.
    fn bring_head(&self, head: &mut Head, task: &TaskRecord, device: &Device) {
        let Some(adapter) = &self.adapter else { return };
        let block = adapter.task.blocks().into_iter().position(|block| adapter.task.classes[block] == task.classes);
        let alone = block.and_then(|at| adapter.clone().with_head(Some(&adapter.task.heads[at].name)).ok());
        let adapter = alone.as_ref().unwrap_or(adapter);
        let TaskRecord { task: its, classes, heads, .. } = &adapter.task;
        let unnamed = classes.iter().enumerate().all(|(at, name)| *name == format!("LABEL_{at}"));
        let n_classes = |heads: &[HeadRecord]| heads.iter().map(|head| head.n_classes).collect::<Vec<_>>();
        let is_same = n_classes(heads) == n_classes(&task.heads) && classes.len() == task.classes.len();
        if *its != task.task || !is_same || !(unnamed || *classes == task.classes) {
            return;
        }
        let found = |parameter: &Parameter| {
            adapter.head.iter().find(|(name, shape, _)| *name == parameter.name && *shape == parameter.shape)
        };
        if head.parameters.iter().all(|parameter| found(parameter).is_some()) {
            for parameter in &mut head.parameters {
                if let Some((_, shape, values)) = found(parameter) {
                    *parameter = Parameter::new(parameter.name.clone(), shape.clone(), values.clone(), device);
                }
            }
        }
    }
}

/// The tokens of the vocabulary among some tokens.
pub(super) fn hard(tokens: &[u32]) -> Vec<u32> {
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

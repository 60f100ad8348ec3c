//! Inputs of a run, before anything of it is trained or written: model, rows, plan and initial values.

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

use crate::adapters::{AdapterSpec, AdapterState, Demonstrations, InitContext, WarmStart, plan};
use crate::config::{
    CandidateLoss, FewShotConfig, HeadInit, MethodConfig, PrefixInit, RunConfig, Task, TaskRecord, refuse,
};
use crate::data::{CandidateReading, Dataset, Example, Examples, Holding};
use crate::error::{EngineError, Result};
use crate::loaded_model::LoadedModel;
use crate::models::BaseModel;
use crate::tokens::SOFT;
use crate::training::candidates;
use crate::training::extent::room_for_text;
use crate::training::hidden_slots::HiddenSlots;
use crate::training::teacher::Teacher;
use crate::training::trainer::Trainer;
use crate::{Sentence, sentence};

/// Inputs of a run.
pub(crate) struct RunInputs {
    pub(crate) spec: AdapterSpec,
    pub(crate) model: Rc<LoadedModel>,
    pub(crate) data: Dataset,
    open: OpenAdapter,
}

/// Opens an adapter of any form for a model: files are known above.
pub(crate) type OpenAdapter = fn(&Path, &BaseModel) -> Result<AdapterState>;

/// The part of a run that is being made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preparation {
    /// Rows are read and tokenized.
    Rows,
    /// The adapter gets its initial values.
    InitialValues,
}

impl RunInputs {
    /// Reads the rows for a model.
    pub(crate) fn load(
        config: &RunConfig,
        model: Rc<LoadedModel>,
        open: OpenAdapter,
        tell: &dyn Fn(Preparation),
    ) -> Result<Self> {
        tell(Preparation::Rows);
        let n_virtual = config.method.n_virtual();
        let room = room_for_text(n_virtual, config.data.max_tokens, model.model.shape())?;
        let task = TaskRecord::of(model.task(config.task)?);
        let start = model.model.target_start();
        let holding = Holding::cached(model.cache.as_deref());
        let load = |room| {
            let of = (start, room);
            Dataset::load_holding(&config.data, &task, of, &model.tokenizer, config.seed, &holding)
        };
        let mut data = load(room)?;
        let mut before: Vec<u32> = (0..config.method.n_soft() as u32).map(|slot| SOFT + slot).collect();
        let mut methods = config.methods();
        if let MethodConfig::FewShot(method) = &config.method {
            let words = words_before(method, &data.train)?;
            before = model.tokenizer.encode(&words)?;
            methods = vec![MethodConfig::FewShot(FewShotConfig { instruction: words, shots: 0 })];
            // The rows have less room behind them.
            let room = room_for_text(before.len(), config.data.max_tokens, model.model.shape())?;
            data = load(room)?;
        }
        data.place(&before, config.method.has_tasks(), &model.tokenizer)?;
        tell(Preparation::InitialValues);
        let spec = plan(&methods, &data.task, &model.model)?;
        check(config, &spec, &model)?;
        let reading = CandidateReading::of(&model.tokenizer, data.task.task, &config.data);
        let rows =
            data.train.held().map_or_else(|| data.train.read([0]).map(Cow::Owned), |held| Ok(Cow::Borrowed(held)))?;
        candidates::check(&rows, config.training.batch_size, (&reading, config.training.candidate_loss))?;
        Ok(Self { spec, model, data, open })
    }

    /// A trainer before its first step, of the same method with other initial values.
    pub(crate) fn begin(&self, config: &RunConfig) -> Result<Trainer> {
        let spec = plan(&config.methods(), &self.data.task, &self.model.model)?;
        self.trainer(&spec, config)
    }

    /// A trainer before its first step.
    pub(crate) fn fresh(&self, config: &RunConfig) -> Result<Trainer> {
        self.trainer(&self.spec, config)
    }

    fn trainer(&self, spec: &AdapterSpec, config: &RunConfig) -> Result<Trainer> {
        let LoadedModel { model, tokenizer, device, .. } = &*self.model;
        let from = InitContext {
            model,
            device,
            encode: &|text| tokenizer.encode(text),
            begin: tokenizer.begins_texts(),
            rows: &self.data.train,
            task: &spec.task,
            words: &self.data.words.words,
            own_scores: own_scores(config.head, &self.model, &spec.task).ok(),
            warm_start: WarmStart::read(&config.methods(), |path| (self.open)(path, model))?,
            seed: config.seed,
        };
        let trainer = Trainer::new(spec.initial(&from)?, config.training.optimizer).of_run(config, spec, model);
        self.with_rows(trainer, config)
    }

    /// A trainer with what it must know of the rows: the slots that each does not see, and a teacher that reads a document.
    pub(crate) fn with_rows(&self, trainer: Trainer, config: &RunConfig) -> Result<Trainer> {
        let LoadedModel { model, tokenizer, device, .. } = &*self.model;
        let teacher = config.training.distillation.as_ref();
        let of_run = |config| Teacher::of_run(config, (&**model, tokenizer), &self.data.train, device);
        let teacher = teacher.map(of_run).transpose()?;
        let mut hidden_slots = HiddenSlots::default();
        if let Some(prefix) = config.method.prefix() {
            (hidden_slots.n_slots, hidden_slots.dropout) = (prefix.n_virtual, prefix.slot_dropout);
            if let (true, PrefixInit::Demonstrations { shots }) = (prefix.leave_one_out, &prefix.init) {
                hidden_slots.own = Demonstrations::read(&self.data.train, *shots, tokenizer.begins_texts())?.spans;
            }
        }
        Ok(Trainer { hidden_slots, teacher, ..trainer })
    }
}

/// The instruction, then the first training rows as examples.
fn words_before(method: &FewShotConfig, rows: &Examples) -> Result<String> {
    let shot = |example: &Example| format!("{}{}\n\n", example.prompt, example.reference);
    let shots: String = rows.read(0..rows.len().min(method.shots))?.iter().map(shot).collect();
    Ok(format!("{}{shots}", method.instruction))
}

/// Refuses what only a loaded model and its rows can tell.
fn check(config: &RunConfig, spec: &AdapterSpec, model: &LoadedModel) -> Result<()> {
    if config.method.prefix().is_some_and(|prefix| prefix.infix) {
        model.model.check_infix()?;
    }
    if config.training.packing {
        check_packing(config, spec, model)?;
    }
    // A head that nobody trains says nothing.
    if matches!(config.method, MethodConfig::FewShot(_)) && spec.task.task.has_head() {
        let no_head = || sentence!("its checkpoint has no such head, and words before a text train none");
        own_scores(config.head, model, &spec.task)
            .map_err(|reason| EngineError::NoHead { reason: reason.unwrap_or_else(no_head) })?;
    }
    if spec.parts.is_empty() {
        let reason = sentence!("the task has no head, and nothing else is trained");
        return Err(EngineError::Setting { field: "method.top_layers", reason });
    }
    Ok(())
}

/// Refuses several rows in a line where a row is more than a text that is gone on with.
fn check_packing(config: &RunConfig, spec: &AdapterSpec, model: &LoadedModel) -> Result<()> {
    model.model.check_packing()?;
    let task = spec.task.task;
    let is_infix = config.method.prefix().is_some_and(|prefix| prefix.infix);
    let is_among = config.training.candidate_loss != CandidateLoss::Right;
    let hides_slots = config.method.prefix().is_some_and(|prefix| prefix.leave_one_out || prefix.slot_dropout > 0.0);
    let rules = [
        (task == Task::Causal, sentence!("is for texts that are gone on with, not for {task}", task)),
        (!is_infix, sentence!("does not go with an infix, whose place is another in each row")),
        (!is_among, sentence!("does not go with candidates that are held against each other")),
        (config.training.distillation.is_none(), sentence!("does not go with a teacher, who reads each row by itself")),
        (!hides_slots, sentence!("does not go with slots that are hidden from a row: the rows of a line see the same")),
    ];
    refuse(&rules.map(|(holds, reason)| (holds, "training.packing", reason)))
}

/// Index of each class among the scores of the checkpoint's own head. The error says why none is used, if it has one.
pub(super) fn own_scores(
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

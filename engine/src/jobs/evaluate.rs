//! Loss, perplexity and how often predictions are right, of an adapter or of the model as it is on a dataset, one batch a
//! step.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::adapters::{AdapterState, HeadState};
use crate::config::{CandidateLoss, DataConfig, References, Task, TaskRecord};
use crate::data::{CandidateReading, Candidates, Dataset, Example, Examples, Holding, TokenBatch, evaluation_batches};
use crate::device::DeviceChoice;
use crate::error::{EngineError, Result};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::metrics::Bootstrap;
use crate::models::{Conditioning, Model};
use crate::nn::MatrixNumbers;
use crate::protocol::{Outcome, Phase, Report};
use crate::session::Session;
use crate::training::candidates::Scorer;
use crate::training::loss::score;
use crate::training::metrics::MetricAccumulator;
use crate::training::room_for_text;
use crate::{Sentence, sentence};

/// Rows in one forward pass.
const BATCH: usize = 8;
/// Candidates of a row, from which on each row is a step of its own.
const MANY: usize = 64;

pub(super) struct Evaluate {
    model: PathBuf,
    place: (DeviceChoice, MatrixNumbers),
    adapter: Option<PathBuf>,
    data: DataConfig,
    task: Option<Task>,
    running: Option<Running>,
}

struct Running {
    model: Rc<LoadedModel>,
    conditioning: Conditioning,
    /// With the weights that the adapter changes.
    tuned: Option<Model>,
    /// Those of a large file are read when their batch is scored.
    rows: Examples,
    batches: Vec<Vec<usize>>,
    next: usize,
    reading: CandidateReading,
    nll: f64,
    tokens: usize,
    tally: MetricAccumulator,
}

impl Evaluate {
    pub(super) fn new(
        (model, place): (PathBuf, (DeviceChoice, MatrixNumbers)),
        adapter: Option<PathBuf>,
        data: DataConfig,
        task: Option<Task>,
    ) -> Self {
        Self { model, place, adapter, data: data.for_task(task), task, running: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Running> {
        let tell = |phase| out.send(Report::Phase(phase));
        let mut heard = out.loading();
        let model = session.model(&self.model, self.place, &mut heard)?;
        tell(Phase::PreparingData);
        let adapter = self.adapter.as_ref().map(|folder| adapter_of(folder, &self.data, &model)).transpose()?;
        adapter.iter().for_each(|adapter| out.unread(adapter));
        let before = adapter.as_ref().map_or(Ok(Vec::new()), |adapter| adapter.before(&model.tokenizer))?;
        let record = match &adapter {
            Some(adapter) => adapter.task.clone(),
            None => TaskRecord::of(model.task(self.task)?),
        };
        let n_before = adapter.as_ref().map_or(0, AdapterState::n_before).max(before.len());
        let dataset = scored_rows(adapter.as_ref(), &self.data, &record, n_before, &model)?;
        for text in dataset.report.notices() {
            out.send(Report::Notice { text });
        }
        let own = if adapter.is_none() { own_head(&model, &dataset.task)? } else { None };
        let reading = CandidateReading::of(&model.tokenizer, dataset.task.task, &self.data);
        let record = own.as_ref().map_or_else(|| dataset.judged(), |own| own.task.clone());
        let (names, part_of) = dataset.parts();
        let tally = MetricAccumulator::by_part(&record, names, part_of).with_outcomes();
        let rows = dataset.train;
        let lengths: Vec<usize> = (0..rows.len()).map(|row| rows.length(row)).collect();
        // A step stays short where a row has very many candidates.
        let count = |row: &Example| row.candidates.as_deref().map_or(0, Candidates::count);
        let most = rows.held().into_iter().flatten().map(count).max().unwrap_or(0);
        let batches = evaluation_batches(&lengths, if most > MANY { 1 } else { BATCH });
        let conditioning = match adapter.as_ref().or(own.as_ref()) {
            Some(adapter) => model.conditioning(adapter)?,
            None => Conditioning::default(),
        };
        let tuned = model.model.with_overrides(&conditioning.tuned)?;
        let (next, nll, tokens) = (0, 0.0, 0);
        Ok(Running { model, conditioning, tuned, rows, batches, next, reading, nll, tokens, tally })
    }
}

/// An adapter for these rows: where datasets have heads of their own, that of the name of the rows. The first one is for
/// rows that only their file names, and no head has that name.
pub(super) fn adapter_of(folder: &Path, data: &DataConfig, model: &LoadedModel) -> Result<AdapterState> {
    let adapter = model.adapter(folder)?;
    let name = data.name_of_rows();
    let is_known = adapter.task.heads.iter().any(|head| head.name == name);
    adapter.with_head((data.name.is_some() || is_known).then_some(&name))
}

/// All rows of the one dataset, none kept back, behind what an adapter puts before them; `n_before` positions are kept free.
pub(super) fn scored_rows(
    adapter: Option<&AdapterState>,
    data: &DataConfig,
    record: &TaskRecord,
    n_before: usize,
    model: &LoadedModel,
) -> Result<Dataset> {
    let room = room_for_text(n_before, data.max_tokens, model.model.shape())?;
    // A source is asked once, with all its references.
    let references = References::First;
    let (validation, validation_share, train_rows, more) = (None, 0.0, None, Vec::new());
    let data = DataConfig { validation, validation_share, train_rows, more, references, ..data.clone() };
    let (of, holding) = ((model.model.target_start(), room), Holding::cached(model.cache.as_deref()));
    let mut dataset = Dataset::load_holding(&data, record, of, &model.tokenizer, 0, &holding)?;
    match adapter {
        Some(adapter) => dataset.place(&adapter.before(&model.tokenizer)?, adapter.has_tasks(), &model.tokenizer)?,
        None => dataset.drop_soft(),
    }
    Ok(dataset)
}

/// The model's own head as an adapter that is nothing else; `None` where there are no classes.
fn own_head(model: &LoadedModel, task: &TaskRecord) -> Result<Option<AdapterState>> {
    let no_head = |reason: Sentence| EngineError::NoHead { reason };
    if task.task == Task::MultipleChoice {
        return Err(no_head(sentence!("a head that scores choices is trained along with an adapter")));
    }
    if !task.task.has_head() {
        return Ok(None);
    }
    let Some(own) = &model.summary.own_head else {
        return Err(no_head(sentence!("its checkpoint has no such head")));
    };
    let (classes, order) = own.over(task.task, &task.classes).map_err(no_head)?;
    let head = model.model.folder().head_weights(task.task, &order)?;
    Ok(Some(AdapterState::new(TaskRecord { classes, ..task.clone() }, [HeadState(head)])))
}

impl Running {
    /// Counts one batch.
    fn score(&mut self, rows: &[Example]) -> Result<()> {
        let LoadedModel { model, device, .. } = self.model.as_ref();
        let model = self.tuned.as_ref().unwrap_or(model);
        let every: Vec<usize> = (0..rows.len()).collect();
        if rows.iter().any(|row| row.candidates.is_some()) {
            let scorer = Scorer { model, conditioning: &self.conditioning, device };
            let ranked = scorer.rank(rows, &every, (&self.reading, CandidateLoss::Right))?;
            self.nll += ranked.nll;
            self.tokens += ranked.labels;
            self.tally.add_ranked(&ranked.rows, rows);
            return Ok(());
        }
        let batch = TokenBatch::new(rows, &every, self.reading.pad, self.reading.task);
        let scored = score(model, &self.conditioning, &batch, device)?;
        self.nll += scored.nll;
        self.tokens += scored.labels;
        self.tally.add(&batch, &scored.predicted, rows);
        self.tally.add_numbers(&batch, &scored.numbers, rows);
        self.tally.add_spans(&batch, &scored.spans, rows);
        Ok(())
    }
}

impl Job for Evaluate {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(running) = &mut self.running else {
            self.running = Some(self.start(session, out)?);
            return Ok(Progress::More);
        };
        if let Some(batch) = running.batches.get(running.next) {
            let share = running.next as f32 / running.batches.len() as f32;
            out.send(Report::Phase(Phase::Evaluating { share }));
            let rows = running.rows.read(batch.iter().copied())?;
            running.score(&rows)?;
            running.next += 1;
            return Ok(Progress::More);
        }
        let loss = running.nll / running.tokens.max(1) as f64;
        let (tokens, rows) = (running.tokens, running.rows.len());
        let figures = running.tally.figures();
        let intervals = Box::new(running.tally.intervals(Bootstrap::default()));
        out.send(Report::Score { loss, perplexity: loss.exp(), tokens, rows, figures, intervals });
        Ok(Progress::Done(Outcome::Completed))
    }
}

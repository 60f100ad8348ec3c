//! Questions that one step answers.

use std::path::PathBuf;

use crate::adapters::formats;
use crate::analysis::{norms, weight_changes};
use crate::config::{DataConfig, Task, TaskRecord};
use crate::data::{DataStatistics, Holding, StatisticsOf, Tokenizer, preview as preview_rows};
use crate::device;
use crate::error::Result;
use crate::jobs::one_shot;
use crate::jobs::{Job, Outbox, Progress};
use crate::models::ModelFolder;
use crate::protocol::{Outcome, Phase, Report};
use crate::session::Session;
use crate::training::room_for_text;

/// The function that answers a question.
type Answer = Box<dyn FnOnce(&Session, &Outbox) -> Result<Report>>;

/// A question whose answer is one event.
pub(super) struct OneShot(pub(super) Option<Answer>);

impl Job for OneShot {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        if let Some(work) = self.0.take() {
            out.send(work(session, out)?);
        }
        Ok(Progress::Done(Outcome::Completed))
    }
}

pub(super) fn devices() -> Box<dyn Job> {
    one_shot(move |session| Ok(Report::Devices { devices: device::enumerate(session.trials.as_ref()) }))
}

pub(super) fn model(folder: PathBuf) -> Box<dyn Job> {
    one_shot(move |_| {
        // A folder without a tokenizer is of no use: say so when it is chosen, not when the run starts.
        let files = ModelFolder::open(&folder)?;
        let model = files.summary();
        Tokenizer::from_folder(&folder)?.fitting(model.vocab_size)?.closing_with(files.answer_start())?;
        Ok(Report::Model(Box::new(model)))
    })
}

/// The split does not matter for looking at rows; runs decide it with their own seed.
const PREVIEW_SEED: u64 = 42;

pub(super) fn preview(
    model: PathBuf,
    data: DataConfig,
    task: Option<Task>,
    n_virtual: usize,
    rows: usize,
) -> Box<dyn Job> {
    one_shot(move |_| {
        let tokenizer = Tokenizer::from_folder(&model)?;
        let folder = ModelFolder::open(&model)?;
        let data = data.for_task(task);
        let task = TaskRecord::of(folder.task(task)?);
        let room = room_for_text(n_virtual, data.max_tokens, &folder.shape())?;
        let preview = preview_rows(&data, &task, folder.target_start(), &tokenizer, rows, room, PREVIEW_SEED)?;
        Ok(Report::Preview(Box::new(preview)))
    })
}

pub(super) fn statistics(
    data: DataConfig,
    model: Option<PathBuf>,
    task: Option<Task>,
    n_virtual: usize,
) -> Box<dyn Job> {
    Box::new(OneShot(Some(Box::new(move |session, out| {
        out.send(Report::Phase(Phase::PreparingData));
        let holding = Holding::cached(Some(&session.cache));
        let Some(model) = model else {
            return Ok(Report::Statistics(Box::new(DataStatistics::of(&data, None, &holding)?)));
        };
        let tokenizer = Tokenizer::from_folder(&model)?;
        let folder = ModelFolder::open(&model)?;
        let data = data.for_task(task);
        let task = TaskRecord::of(folder.task(task)?);
        let max_tokens = room_for_text(n_virtual, data.max_tokens, &folder.shape())?;
        let (tokenizer, task, start) = (&tokenizer, &task, folder.target_start());
        let of = StatisticsOf { tokenizer, task, start, max_tokens };
        Ok(Report::Statistics(Box::new(DataStatistics::of(&data, Some(of), &holding)?)))
    }))))
}

pub(super) fn grid(adapter: PathBuf, model: Option<PathBuf>, initial: Option<PathBuf>) -> Box<dyn Job> {
    one_shot(move |_| {
        let folded = formats::read(&adapter, None)?;
        let initial = initial.filter(|folder| folder.is_dir());
        let initial = initial.map(|folder| formats::read(&folder, None)).transpose()?;
        let mut grid = match folded.prompt() {
            Some(prompt) if folded.sites().is_empty() => {
                norms::of_prompt(prompt, initial.as_ref().and_then(|initial| initial.prompt()))
            }
            _ => {
                let before = initial.map(|initial| initial.layers(&device::cpu()));
                norms::grid(&folded.layers(&device::cpu()), before.as_deref())?
            }
        };
        if let Some(model) = model.filter(|_| folded.lora().is_some() || !folded.weights().is_empty()) {
            let model = ModelFolder::open(&model)?;
            grid.changes = weight_changes(&folded.clone().on_base(&model)?, &model)?;
        }
        if folded.task.task == Task::Seq2Seq {
            grid.sites = folded.prefixes().map(|prefix| (prefix.site, prefix.shape.n_layers)).collect();
        }
        Ok(Report::Grid(Box::new(grid)))
    })
}

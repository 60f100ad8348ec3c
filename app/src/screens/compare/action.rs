//! Actions of *Compare*: columns, prompts, texts.

use std::path::PathBuf;

use engine::config::{RunConfig, Task};
use engine::protocol::{Ask, Event, Report};

use super::state::{Asked, Column, Comparison, GenerateForm};
use crate::state::State;
use crate::store::{Cursor, Request as StoreRequest, RunRow};
use crate::workspace::RunId;

/// Rows of a dataset that are offered as prompts.
const PROMPTS: usize = 50;

/// Something to be done in *Compare*.
#[derive(Clone, Debug)]
pub enum CompareAction {
    /// Put a run beside the base, or take it away.
    ToggleColumn(RunId),
    /// Use a certain checkpoint of a column's run.
    ColumnCheckpoint(RunId, Option<PathBuf>),
    /// Generate for a certain task of a column's run.
    ColumnTask(RunId, String),
    /// Get rows of the compared runs' dataset.
    FindPrompts,
    /// Continue a prompt in all columns.
    Generate(Box<GenerateForm>),
    /// End the generation.
    StopGenerating,
}

impl State {
    pub(crate) fn perform_compare(&mut self, action: CompareAction) {
        match action {
            CompareAction::ToggleColumn(run) => {
                self.stop_generating();
                self.comparison.toggle(&run);
                self.outbox.store(StoreRequest::Detail { run, since: Cursor::default() });
                self.find_prompts();
            }
            CompareAction::ColumnCheckpoint(run, checkpoint) => {
                self.comparison.columns_of(&run).for_each(|column| column.checkpoint.clone_from(&checkpoint));
            }
            CompareAction::ColumnTask(run, task) => {
                self.comparison.columns_of(&run).for_each(|column| column.task = Some(task.clone()));
            }
            CompareAction::FindPrompts => {
                self.comparison.prompts_of = None;
                self.find_prompts();
            }
            CompareAction::Generate(form) => self.generate(*form),
            CompareAction::StopGenerating => self.stop_generating(),
        }
    }

    /// Rows that cannot be read are said behind the bell, and so are tasks.
    pub(crate) fn on_compare(&mut self, event: &Event) -> bool {
        let tasks = self.runs.tasks.values_mut().find(|tasks| tasks.is(event.job));
        let is_ours = match tasks {
            Some(tasks) => tasks.on(event, |report| match report {
                Report::Inspected(found) => Some(found.tasks.clone()),
                _ => None,
            }),
            None => self.comparison.on(event),
        };
        let tasks = self.runs.tasks.values_mut().find_map(|tasks| tasks.failure.take());
        if let Some(failure) = tasks.or_else(|| self.comparison.prompts.failure.take()) {
            self.notices.fail(&failure, self.env.now);
        }
        is_ours
    }

    /// Whoever comes here first finds a run beside the base, and prompts to try.
    pub(crate) fn begin_comparison(&mut self) {
        self.comparison.waits = false;
        if self.comparison.runs().next().is_none() {
            let viewed = self.runs.view.as_ref().and_then(|view| self.row(&view.id));
            let has_adapter = |row: &&RunRow| !row.files_missing && (row.step > 0 || row.best_loss.is_some());
            let run = viewed.into_iter().chain(self.runs.rows()).find(has_adapter).map(|row| row.id.clone());
            if let Some(run) = run {
                self.compare_with(&run);
            }
        }
        self.find_prompts();
    }

    /// Puts a run beside the others, which make room if they have another model.
    pub(crate) fn compare_with(&mut self, run: &RunId) {
        let model = |id: &RunId| self.row(id).map(|row| row.model_folder.clone());
        let same_model = self.comparison.runs().next().is_none_or(|other| model(other) == model(run));
        if !same_model {
            self.stop_generating();
            self.comparison = Comparison::default();
        }
        if !self.comparison.runs().any(|known| known == run) {
            self.stop_generating();
            self.comparison.toggle(run);
        }
        self.outbox.store(StoreRequest::Detail { run: run.clone(), since: Cursor::default() });
    }

    /// Settings of the first of the compared runs, or of the starter run while there is none.
    pub fn compared(&self) -> Option<&RunConfig> {
        match self.comparison.runs().next() {
            Some(run) => self.runs.configs.get(run).map(Box::as_ref),
            None => self.env.starter.as_deref(),
        }
    }

    /// Asks for rows to choose a prompt from, once for each dataset.
    pub(crate) fn find_prompts(&mut self) {
        let Some(config) = self.compared() else { return };
        let model = config.model.clone();
        let (mut data, task, n_virtual) = (config.data.clone(), config.task, config.method.n_virtual());
        if let Some(validation) = data.validation.take() {
            data.train = validation;
        }
        data.validation_share = 0.0;
        if self.comparison.prompts_of.as_ref() == Some(&data) {
            return;
        }
        self.comparison.prompts_of = Some(data.clone());
        let job = self.outbox.ask(Ask::Preview { model, data, task, n_virtual, rows: PROMPTS });
        self.comparison.prompts.start(job);
    }

    /// Asks for the tasks of a run's prompt, once, where it has several.
    pub(crate) fn find_tasks(&mut self, run: &RunId) {
        let has_tasks = self.runs.configs.get(run).is_some_and(|config| config.method.has_tasks());
        if !has_tasks || self.runs.tasks.contains_key(run) {
            return;
        }
        let Some(adapter) = self.adapter_of(run) else { return };
        let job = self.outbox.ask(Ask::Inspect { adapter, model: None });
        self.runs.tasks.entry(run.clone()).or_default().start(job);
    }

    /// Ends the generation that is under way: its columns may go or change.
    pub(crate) fn stop_generating(&mut self) {
        self.comparison.generation.stop(&mut self.outbox);
    }

    /// Starts the columns on what is typed.
    pub(crate) fn generate(&mut self, form: GenerateForm) {
        let run = self.comparison.runs().next().cloned();
        let folder = run.as_ref().and_then(|run| self.row(run)).map(|row| row.model_folder.clone());
        let Some(model) = folder.or_else(|| self.env.starter.as_ref().map(|s| s.model.clone())) else { return };
        self.stop_generating();
        let questions = self.questions(&form);
        let request = self.comparison.request(model, self.settings.device, questions);
        self.comparison.generation.start(self.outbox.ask(Ask::Generate(Box::new(request))));
    }

    /// The question that each column would be asked now.
    pub fn questions(&self, form: &GenerateForm) -> Vec<Asked> {
        let question = |(column, &strength): (&Column, &f64)| {
            let of_run = column.run.as_ref().map(|run| {
                let adapter = column.checkpoint.clone().or_else(|| self.adapter_of(run));
                (adapter, column.task.clone().or_else(|| self.runs.tasks_of(run).first().cloned()))
            });
            let (adapter, task) = of_run.unwrap_or_default();
            Asked { prompt: form.prompt.clone(), sampling: form.sampling.clone(), strength, adapter, task }
        };
        self.comparison.columns.iter().zip(&form.strengths).map(question).collect()
    }

    /// Whether the compared runs can be asked by themselves: all that is to be known of them is.
    pub fn can_ask(&self) -> bool {
        let comparison = &self.comparison;
        let known = |run: &RunId| {
            let tasks = |config: &RunConfig| !config.method.has_tasks() || !self.runs.tasks_of(run).is_empty();
            self.row(run).is_some() && self.runs.configs.get(run).is_some_and(|config| tasks(config))
        };
        !self.env.engine_gone
            && !comparison.waits
            && !comparison.generation.is_open()
            && comparison.runs().next().is_some()
            && comparison.runs().all(known)
            && comparison.task().is_some_and(Task::writes)
    }
}

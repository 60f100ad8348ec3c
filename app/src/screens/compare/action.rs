//! Actions of *Compare*: columns, prompts, texts, sets of rows.

use engine::protocol::{Ask, Event, Report};

use super::state::set::SetForm;
use super::state::votes::SetVote;
use super::state::{Column, ColumnId, ColumnSetup, Comparison, GenerateForm, SharedText};
use crate::state::State;
use crate::store::{Cursor, Request as StoreRequest, RunRow};
use crate::workspace::RunId;

/// Rows of a dataset that are offered as prompts.
const PROMPTS: usize = 50;

/// Something to be done in *Compare*.
#[derive(Clone, Debug)]
pub enum CompareAction {
    /// Put a run beside the base, or take its columns away.
    ToggleColumn(RunId),
    /// Put something into a column of its own, behind another or behind all.
    AddColumn(Box<ColumnSetup>, Option<ColumnId>),
    /// Take a column away.
    RemoveColumn(ColumnId),
    /// Put a column before its left neighbor, or behind its right one.
    ShiftColumn {
        /// The column.
        column: ColumnId,
        /// Or to the right.
        to_the_left: bool,
    },
    /// Change what stands in a column.
    SetColumn(ColumnId, Box<ColumnSetup>),
    /// Get rows of the compared runs' dataset.
    FindPrompts,
    /// Continue a prompt in all columns.
    Generate(Box<GenerateForm>),
    /// End the generation.
    StopGenerating,
    /// Get the probabilities of texts that beams have written.
    ScoreWritten,
    /// Have every column score one text.
    ScoreSameText(Box<GenerateForm>, SharedText),
    /// Time every column alone.
    TimeServing(Box<GenerateForm>),
    /// Write texts of all columns for a set of rows.
    CompareRows(Box<SetForm>),
    /// End that; the rows that are complete are scored.
    StopRows,
    /// Mark a row of the set, or no longer.
    StarRow(usize),
    /// Note something about a row of the set.
    NoteRow(usize, String),
    /// Judge a row of the set, or take the judgment back.
    VoteRow(usize, Option<SetVote>),
}

impl State {
    pub(crate) fn perform_compare(&mut self, action: CompareAction) {
        match action {
            CompareAction::ToggleColumn(run) => {
                self.stop_generating();
                self.comparison.toggle(&run);
                self.ask_about(&run);
                self.find_prompts();
            }
            CompareAction::AddColumn(setup, behind) => self.add_column(*setup, behind),
            CompareAction::RemoveColumn(column) => {
                self.stop_generating();
                self.comparison.remove(column);
            }
            CompareAction::ShiftColumn { column, to_the_left } => self.comparison.shift(column, to_the_left),
            CompareAction::SetColumn(id, setup) => {
                if let Some(column) = self.comparison.column_mut(id) {
                    column.setup = *setup;
                }
            }
            CompareAction::FindPrompts => {
                self.comparison.prompts_of = None;
                self.find_prompts();
            }
            CompareAction::Generate(form) => self.generate(&form),
            CompareAction::StopGenerating => self.stop_generating(),
            CompareAction::ScoreWritten => self.score_written(),
            CompareAction::ScoreSameText(form, text) => self.score_same_text(&form, text),
            CompareAction::TimeServing(form) => self.time_serving(&form),
            CompareAction::CompareRows(form) => self.compare_rows(&form),
            CompareAction::StopRows => self.stop_rows(),
            CompareAction::StarRow(number) => {
                if let Some(row) = self.comparison.set.row_mut(number) {
                    row.starred = !row.starred;
                }
            }
            CompareAction::NoteRow(number, note) => {
                if let Some(row) = self.comparison.set.row_mut(number) {
                    row.note = note;
                }
            }
            CompareAction::VoteRow(number, vote) => {
                if let Some(row) = self.comparison.set.row_mut(number) {
                    row.vote = vote;
                }
            }
        }
    }

    /// What is under way goes into the columns that are there: it ends only when one goes.
    fn add_column(&mut self, setup: ColumnSetup, behind: Option<ColumnId>) {
        let runs: Vec<RunId> = setup.runs().cloned().collect();
        self.comparison.add(setup, behind);
        for run in runs {
            self.ask_about(&run);
        }
        self.find_prompts();
    }

    /// Asks the store for a run's settings and checkpoints.
    fn ask_about(&mut self, run: &RunId) {
        self.outbox.store(StoreRequest::Detail { run: run.clone(), since: Cursor::default() });
    }

    /// Asks for the end of the set; its job scores what is there and ends by itself.
    fn stop_rows(&mut self) {
        if let Some(job) = self.comparison.set.request.job() {
            self.outbox.tell(job, Ask::Stop);
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
        self.make_room_for(run);
        if !self.comparison.runs().any(|known| known == run) {
            self.stop_generating();
            self.comparison.toggle(run);
        }
        self.ask_about(run);
    }

    /// Columns of another model than that of a run go.
    fn make_room_for(&mut self, run: &RunId) {
        let model = |id: &RunId| self.row(id).map(|row| row.model_folder.clone());
        let same_model = self.comparison.runs().next().is_none_or(|other| model(other) == model(run));
        if !same_model {
            self.stop_generating();
            self.stop_rows();
            self.comparison = Comparison::default();
        }
    }

    /// Puts columns back as they were, as far as their runs are still there and of one model.
    pub(crate) fn restore_columns(&mut self, setups: &[ColumnSetup]) {
        let is_there = |setup: &&ColumnSetup| setup.runs().all(|run| self.row(run).is_some());
        let setups: Vec<ColumnSetup> = setups.iter().filter(is_there).cloned().collect();
        for setup in setups {
            let runs: Vec<RunId> = setup.runs().cloned().collect();
            if let Some(run) = runs.first() {
                self.make_room_for(run);
            }
            if setup.is_base() {
                let base = self.comparison.columns.iter_mut().find(|column| column.setup.is_base());
                // Its place is behind those that stood before it.
                if let Some(base) = base {
                    base.setup = setup;
                }
                self.base_to_the_end();
                continue;
            }
            self.comparison.add(setup, None);
            runs.iter().for_each(|run| self.ask_about(run));
        }
    }

    fn base_to_the_end(&mut self) {
        let columns = &mut self.comparison.columns;
        if let Some(place) = columns.iter().position(|column| column.setup.is_base()) {
            let base: Column = columns.remove(place);
            columns.push(base);
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
        // How many layers it has, for strengths of each.
        if let Some(folder) = self.compared_model().filter(|folder| self.model(folder).is_none()) {
            self.describe(folder);
        }
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
        self.comparison.written.stop(&mut self.outbox);
    }
}

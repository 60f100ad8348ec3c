//! Generations side by side: what is asked for and what has come so far.

use std::path::PathBuf;

use engine::ballot::{Verdict, majority};
use engine::config::{DataConfig, RunConfig, Task};
use engine::data::TokenRow;
use engine::device::DeviceChoice;
use engine::error::Failure;
use engine::generation::Sampling;
use engine::nn::Precision;
use engine::protocol::{Ask, GenerateRequest, GeneratedStream, JobId, Phase, Prompt, Stream};

use crate::state::{Purpose, State};
use crate::store::{Cursor, Request, RunRow};
use crate::workspace::RunId;

/// How many rows of a dataset are offered as prompts.
const PROMPTS: usize = 50;
/// Longer texts are no answers to vote on, in characters.
const LONGEST_ANSWER: usize = 80;

/// One column: the base, or a run.
#[derive(Clone, Debug)]
pub struct Column {
    /// `None` is the base model.
    pub run: Option<RunId>,
    /// Folder of the checkpoint that is used; `None` takes the best.
    pub checkpoint: Option<PathBuf>,
    /// Of a prompt for several tasks, the name of one; `None` takes the first.
    pub task: Option<String>,
    /// What its text answers; `None` while there is none.
    pub asked: Option<Asked>,
    /// What has come so far.
    pub text: String,
    /// How it ended.
    pub done: Option<GeneratedStream>,
}

/// All that decides what a column says.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What is continued.
    pub prompt: Prompt,
    /// How.
    pub sampling: Sampling,
    /// 1 as trained, 0 without its slots.
    pub strength: f64,
    /// Folder of its adapter; `None` is the base.
    pub adapter: Option<PathBuf>,
    /// Of a prompt for several tasks, the name of one.
    pub task: Option<String>,
}

impl Column {
    /// An empty column.
    pub fn new(run: Option<RunId>) -> Self {
        Self { run, checkpoint: None, task: None, asked: None, text: String::new(), done: None }
    }

    /// What its text was made with.
    pub fn strength(&self) -> f64 {
        self.asked.as_ref().map_or(1.0, |asked| asked.strength)
    }

    fn empty(&mut self) {
        (self.asked, self.done) = (None, None);
        self.text.clear();
    }
}

/// What the adapters say in their majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote<'a> {
    /// The answer.
    pub text: &'a str,
    /// Adapters that give it.
    pub voices: usize,
    /// Adapters.
    pub voters: usize,
    /// As many give another; this one is more probable.
    pub by_score: bool,
}

/// What is typed on the screen: the same for all columns, but for the strengths.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is continued.
    pub prompt: Prompt,
    /// Shared by all columns.
    pub sampling: Sampling,
    /// One for each column.
    pub strengths: Vec<f64>,
}

/// The screen *Compare*.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The base first.
    pub columns: Vec<Column>,
    /// The generation that is going on.
    pub job: Option<JobId>,
    /// What it is doing before its first token.
    pub phase: Option<Phase>,
    /// Why the last one ended.
    pub failure: Option<Failure>,
    /// Rows of the runs' dataset, to choose a prompt from.
    pub rows: Vec<TokenRow>,
    /// The dataset that rows were asked of.
    pub prompts_of: Option<DataConfig>,
    /// The question for rows that is under way.
    pub rows_job: Option<JobId>,
    /// What is learned of those rows, once they are here.
    pub task: Option<Task>,
    /// Nobody came here yet since the program was started: nothing is computed by itself.
    pub waits: bool,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            columns: vec![Column::new(None)],
            job: None,
            phase: None,
            failure: None,
            rows: Vec::new(),
            prompts_of: None,
            rows_job: None,
            task: None,
            waits: false,
        }
    }
}

impl Comparison {
    /// The runs that have a column.
    pub fn runs(&self) -> impl Iterator<Item = &RunId> {
        self.columns.iter().filter_map(|column| column.run.as_ref())
    }

    /// The columns of a run, to be changed.
    pub(crate) fn columns_of<'a>(&'a mut self, run: &'a RunId) -> impl Iterator<Item = &'a mut Column> {
        self.columns.iter_mut().filter(move |column| column.run.as_ref() == Some(run))
    }

    /// Puts a run into the last column, or takes its column away.
    pub fn toggle(&mut self, run: &RunId) {
        if self.runs().any(|known| known == run) {
            self.columns.retain(|column| column.run.as_ref() != Some(run));
        } else {
            self.columns.push(Column::new(Some(run.clone())));
        }
        self.columns.iter_mut().for_each(Column::empty);
    }

    /// Empties the columns, which are asked something else from now on, and says what to ask the engine for.
    pub fn request(&mut self, model: PathBuf, device: DeviceChoice, questions: Vec<Asked>) -> GenerateRequest {
        self.failure = None;
        self.phase = None;
        let sampling = questions.first().map_or_else(Sampling::default, |asked| asked.sampling.clone());
        let stream = |asked: Asked| Stream {
            prompt: asked.prompt,
            adapter: asked.adapter,
            strength: asked.strength,
            task: asked.task,
        };
        for (column, asked) in self.columns.iter_mut().zip(&questions) {
            column.empty();
            column.asked = Some(asked.clone());
        }
        let streams = questions.into_iter().map(stream).collect();
        // What every device computes in, and nothing is rounded that was not in training.
        let precision = Precision::F32;
        GenerateRequest { model, device, precision, streams, sampling }
    }

    /// Nothing was asked since the columns are what they are.
    pub fn is_unasked(&self) -> bool {
        self.failure.is_none() && self.columns.iter().all(|column| column.asked.is_none())
    }

    /// One more piece of a column.
    pub fn token(&mut self, stream: usize, text: &str) {
        self.phase = Some(Phase::Generating);
        if let Some(column) = self.columns.get_mut(stream) {
            column.text.push_str(text);
        }
    }

    /// What the best beam of a column says, instead of what was there.
    pub fn best_beam(&mut self, stream: usize, text: String) {
        self.phase = Some(Phase::Generating);
        if let Some(column) = self.columns.get_mut(stream) {
            column.text = text;
        }
    }

    /// The majority of what the adapters say, once all have ended; `None` of fewer than two, or of long texts, which are
    /// never the same.
    pub fn vote(&self) -> Option<Vote<'_>> {
        let voters = self.columns.iter().filter(|column| column.run.is_some() && column.strength() > 0.0);
        let said = |column: &'_ Column| column.done.as_ref().map(|done| done.log_probability);
        let answers: Vec<(&str, f64)> =
            voters.map(|column| Some((column.text.trim(), said(column)?))).collect::<Option<_>>()?;
        if answers.len() < 2 || answers.iter().any(|(text, _)| text.chars().count() > LONGEST_ANSWER) {
            return None;
        }
        let Verdict { winner, voices, by_score } = majority(&answers)?;
        Some(Vote { text: answers[winner].0, voices, voters: answers.len(), by_score })
    }

    /// All columns ended.
    pub fn generated(&mut self, streams: Vec<GeneratedStream>) {
        self.job = None;
        self.phase = None;
        for (column, stream) in self.columns.iter_mut().zip(streams) {
            column.text.clone_from(&stream.text);
            column.done = Some(stream);
        }
    }
}

impl State {
    /// Whoever comes here first finds a run beside the base, and prompts to try.
    pub(crate) fn begin_comparison(&mut self) {
        self.comparison.waits = false;
        if self.comparison.runs().next().is_none() {
            let viewed = self.view.as_ref().and_then(|view| self.row(&view.id));
            let has_adapter = |row: &&RunRow| !row.files_missing && (row.step > 0 || row.best_loss.is_some());
            let run = viewed.into_iter().chain(self.runs.iter().flatten()).find(has_adapter).map(|row| row.id.clone());
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
        self.ask_store(Request::Detail { run: run.clone(), since: Cursor::default() });
    }

    /// How the first of the compared runs was set up, or the starter run while there is none.
    pub fn compared(&self) -> Option<&RunConfig> {
        match self.comparison.runs().next() {
            Some(run) => self.configs.get(run).map(Box::as_ref),
            None => self.starter.as_deref(),
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
        self.comparison.rows.clear();
        self.comparison.task = None;
        let job = self.job(Purpose::FindPrompts);
        self.comparison.rows_job = Some(job);
        self.ask_engine(job, Ask::Preview { model, data, task, n_virtual, rows: PROMPTS });
    }

    /// Asks for the tasks of a run's prompt, once, where it has several.
    pub(crate) fn find_tasks(&mut self, run: &RunId) {
        let has_tasks = self.configs.get(run).is_some_and(|config| config.method.has_tasks());
        if !has_tasks || self.tasks.contains_key(run) {
            return;
        }
        let Some(adapter) = self.adapter_of(run) else { return };
        self.tasks.insert(run.clone(), Vec::new());
        let job = self.job(Purpose::TasksOf(run.clone()));
        self.ask_engine(job, Ask::Inspect { adapter, model: None });
    }

    /// Ends the generation that is under way: its columns may go or change.
    pub(crate) fn stop_generating(&mut self) {
        if let Some(job) = self.comparison.job.take() {
            self.ask_engine(job, Ask::Stop);
            self.comparison.phase = None;
        }
    }

    /// Starts the columns on what is typed.
    pub(crate) fn generate(&mut self, wish: Wish) {
        let run = self.comparison.runs().next().cloned();
        let folder = run.as_ref().and_then(|run| self.row(run)).map(|row| row.model_folder.clone());
        let Some(model) = folder.or_else(|| self.starter.as_ref().map(|s| s.model.clone())) else { return };
        self.stop_generating();
        let questions = self.questions(&wish);
        let job = self.job(Purpose::Generate);
        let request = self.comparison.request(model, self.settings.device, questions);
        self.comparison.job = Some(job);
        self.ask_engine(job, Ask::Generate(Box::new(request)));
    }

    /// What each column would be asked now.
    pub fn questions(&self, wish: &Wish) -> Vec<Asked> {
        let question = |(column, &strength): (&Column, &f64)| {
            let of_run = column.run.as_ref().map(|run| {
                let adapter = column.checkpoint.clone().or_else(|| self.adapter_of(run));
                (adapter, column.task.clone().or_else(|| self.tasks.get(run)?.first().cloned()))
            });
            let (adapter, task) = of_run.unwrap_or_default();
            Asked { prompt: wish.prompt.clone(), sampling: wish.sampling.clone(), strength, adapter, task }
        };
        self.comparison.columns.iter().zip(&wish.strengths).map(question).collect()
    }

    /// Whether the compared runs can be asked by themselves: all that is to be known of them is.
    pub fn can_ask(&self) -> bool {
        let comparison = &self.comparison;
        let known = |run: &RunId| {
            let tasks =
                |config: &RunConfig| !config.method.has_tasks() || self.tasks.get(run).is_some_and(|t| !t.is_empty());
            self.row(run).is_some() && self.configs.get(run).is_some_and(|config| tasks(config))
        };
        !self.engine_gone
            && !comparison.waits
            && comparison.job.is_none()
            && comparison.runs().next().is_some()
            && comparison.runs().all(known)
            && comparison.task.is_some_and(Task::writes)
    }
}

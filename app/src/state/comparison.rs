//! Generations side by side: what is asked for and what has come so far.

use engine::device::DeviceChoice;
use engine::error::Failure;
use engine::message::{GenerateRequest, GeneratedStream, JobId, Phase, Sampling, Stream, TokenRow};
use std::path::PathBuf;

use crate::workspace::RunId;

/// One column: the base, or a run.
#[derive(Clone, Debug)]
pub struct Column {
    /// `None` is the base model.
    pub run: Option<RunId>,
    /// Folder of the checkpoint that is used; `None` takes the best.
    pub checkpoint: Option<PathBuf>,
    /// 1 as trained, 0 without its slots: what its text was made with.
    pub strength: f64,
    /// What has come so far.
    pub text: String,
    /// How it ended.
    pub done: Option<GeneratedStream>,
}

impl Column {
    /// An empty column.
    pub fn new(run: Option<RunId>) -> Self {
        Self { run, checkpoint: None, strength: 1.0, text: String::new(), done: None }
    }
}

/// What is typed on the screen: the same for all columns, but for the strengths.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The prompt as the model gets it.
    pub prompt: String,
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
    /// The question for rows that is under way.
    pub rows_job: Option<JobId>,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            columns: vec![Column::new(None)],
            job: None,
            phase: None,
            failure: None,
            rows: Vec::new(),
            rows_job: None,
        }
    }
}

impl Comparison {
    /// The runs that have a column.
    pub fn runs(&self) -> impl Iterator<Item = &RunId> {
        self.columns.iter().filter_map(|column| column.run.as_ref())
    }

    /// Puts a run into the last column, or takes its column away.
    pub fn toggle(&mut self, run: &RunId) {
        if self.runs().any(|known| known == run) {
            self.columns.retain(|column| column.run.as_ref() != Some(run));
        } else {
            self.columns.push(Column::new(Some(run.clone())));
        }
        for column in &mut self.columns {
            column.text.clear();
            column.done = None;
        }
    }

    /// Empties the columns and says what to ask the engine for. `adapter` finds a column's folder.
    pub fn request(
        &mut self,
        model: PathBuf,
        device: DeviceChoice,
        wish: Wish,
        adapter: impl Fn(&Column) -> Option<PathBuf>,
    ) -> GenerateRequest {
        self.failure = None;
        self.phase = None;
        for (column, strength) in self.columns.iter_mut().zip(wish.strengths) {
            column.strength = strength;
            column.text.clear();
            column.done = None;
        }
        let streams = self
            .columns
            .iter()
            .map(|column| Stream { prompt: wish.prompt.clone(), adapter: adapter(column), strength: column.strength })
            .collect();
        GenerateRequest { model, device, streams, sampling: wish.sampling }
    }

    /// One more piece of a column.
    pub fn token(&mut self, stream: usize, text: &str) {
        self.phase = Some(Phase::Generating);
        if let Some(column) = self.columns.get_mut(stream) {
            column.text.push_str(text);
        }
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

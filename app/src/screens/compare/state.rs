//! Generations side by side: what is asked for and what has come so far.

use std::path::PathBuf;

use engine::config::{DataConfig, Task};
use engine::data::{DataPreview, TokenRow};
use engine::device::DeviceChoice;
use engine::ensemble::{Majority, majority};
use engine::generation::Sampling;
use engine::nn::Precision;
use engine::protocol::{Event, GenerateRequest, GeneratedStream, Phase, Prompt, Report, Stream};

use crate::state::request::Request;
use crate::workspace::RunId;

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
    /// The question that its text answers; `None` while there is none.
    pub asked: Option<Asked>,
    /// The text so far.
    pub text: String,
    /// The end of the generation.
    pub done: Option<GeneratedStream>,
}

/// All that decides what a column says.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The text to continue.
    pub prompt: Prompt,
    /// Decoding.
    pub sampling: Sampling,
    /// 1 as trained, 0 without its virtual tokens.
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

    /// The strength that its text was made with.
    pub fn strength(&self) -> f64 {
        self.asked.as_ref().map_or(1.0, |asked| asked.strength)
    }

    fn empty(&mut self) {
        (self.asked, self.done) = (None, None);
        self.text.clear();
    }

    fn end(&mut self, stream: &GeneratedStream) {
        self.text.clone_from(&stream.text);
        self.done = Some(stream.clone());
    }
}

/// The answer of the majority of the adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote<'a> {
    /// The answer.
    pub text: &'a str,
    /// Adapters that give it.
    pub votes: usize,
    /// Adapters.
    pub voters: usize,
    /// As many give another; this one is more probable.
    pub by_score: bool,
}

/// The typed question: the same for all columns, but for the strengths.
#[derive(Clone, Debug)]
pub struct GenerateForm {
    /// The text to continue.
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
    /// The question for texts, which go into the columns.
    pub generation: Request<()>,
    /// Rows of the runs' dataset, to choose a prompt from.
    pub prompts: Request<Box<DataPreview>>,
    /// The dataset that rows were asked of.
    pub prompts_of: Option<DataConfig>,
    /// Nobody came here yet since the program was started: nothing is computed by itself.
    pub waits: bool,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            columns: vec![Column::new(None)],
            generation: Request::default(),
            prompts: Request::default(),
            prompts_of: None,
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
    pub fn columns_of<'a>(&'a mut self, run: &'a RunId) -> impl Iterator<Item = &'a mut Column> {
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

    /// Rows to choose a prompt from.
    pub fn rows(&self) -> &[TokenRow] {
        self.prompts.answer.as_ref().map_or(&[], |preview| &preview.rows)
    }

    /// The task of those rows, once they are here.
    pub fn task(&self) -> Option<Task> {
        self.prompts.answer.as_ref().map(|preview| preview.task)
    }

    /// Nothing was asked since the columns are what they are.
    pub fn is_unasked(&self) -> bool {
        self.generation.failure.is_none() && self.columns.iter().all(|column| column.asked.is_none())
    }

    /// Takes in what its jobs tell: pieces of text, and what the best beam says instead.
    pub fn on(&mut self, event: &Event) -> bool {
        let Self { columns, generation, prompts, .. } = self;
        if matches!(event.what, Report::Token { .. } | Report::BestBeam { .. }) && generation.is(event.job) {
            generation.phase = Some(Phase::Generating);
        }
        let is_text = generation.on(event, |report| {
            match report {
                Report::Token { stream, text } => columns.get_mut(*stream)?.text.push_str(text),
                Report::BestBeam { stream, text } => columns.get_mut(*stream)?.text.clone_from(text),
                Report::Generated { streams } => {
                    columns.iter_mut().zip(streams).for_each(|(column, stream)| column.end(stream));
                    return Some(());
                }
                _ => {}
            }
            None
        });
        is_text
            || prompts.on(event, |report| match report {
                Report::Preview(preview) => Some(preview.clone()),
                _ => None,
            })
    }

    /// There will be no answers.
    pub fn engine_gone(&mut self) {
        self.generation.engine_gone();
        self.prompts.engine_gone();
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
        let Majority { winner, votes, by_score } = majority(&answers)?;
        Some(Vote { text: answers[winner].0, votes, voters: answers.len(), by_score })
    }
}

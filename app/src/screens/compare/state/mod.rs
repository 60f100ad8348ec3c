//! Generations side by side: what is asked for and what has come so far.

mod column;
mod questions;
mod same_text;
pub mod set;
pub mod set_order;
pub mod votes;

use std::path::PathBuf;

use engine::config::{DataConfig, Task};
use engine::data::{DataPreview, TokenRow};
use engine::device::DeviceChoice;
use engine::ensemble::{Majority, majority};
use engine::generation::{Sampling, ServingTime};
use engine::nn::MatrixNumbers;
use engine::protocol::{Event, GenerateRequest, Phase, Prompt, Report, TextScore};

pub use self::column::{Asked, Column, ColumnId, ColumnSetup, Mix, Sample};
pub use self::same_text::{SameText, SharedText};
use self::set::RowSet;
use crate::state::request::Request;
use crate::workspace::RunId;

/// Longer texts are no answers to vote on, in characters.
const LONGEST_ANSWER: usize = 80;
/// Tokens that are told as the most probable at each place.
pub const TOP: usize = 10;

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

/// The typed question: the same for all columns that have none of their own.
#[derive(Clone, Debug)]
pub struct GenerateForm {
    /// The text to continue.
    pub prompt: Prompt,
    /// Shared by all columns.
    pub sampling: Sampling,
    /// Texts of each column, where they are drawn.
    pub samples: usize,
}

/// Serving times, and what they are of.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// The question for them.
    pub request: Request<Vec<ServingTime>>,
    /// The columns with what they were asked.
    pub of: Vec<(ColumnId, Asked)>,
}

/// The screen *Compare*.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// In the order in which they are shown.
    pub columns: Vec<Column>,
    /// The question for texts, which go into the columns.
    pub generation: Request<()>,
    /// The column and the sample that each stream of that question is.
    pub streams: Vec<(ColumnId, usize)>,
    /// The probabilities of texts that beams have written.
    pub written: Request<Vec<TextScore>>,
    /// One text under every column.
    pub same_text: SameText,
    /// The cost of serving each column.
    pub serving: Serving,
    /// A set of rows under every column.
    pub set: RowSet,
    /// Rows of the runs' dataset, to choose a prompt from.
    pub prompts: Request<Box<DataPreview>>,
    /// The dataset that rows were asked of.
    pub prompts_of: Option<DataConfig>,
    /// Nobody came here yet since the program was started: nothing is computed by itself.
    pub waits: bool,
    last_id: u64,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            columns: vec![Column::new(ColumnId(0), ColumnSetup::default())],
            generation: Request::default(),
            streams: Vec::new(),
            written: Request::default(),
            same_text: SameText::default(),
            serving: Serving::default(),
            set: RowSet::default(),
            prompts: Request::default(),
            prompts_of: None,
            waits: false,
            last_id: 0,
        }
    }
}

impl Comparison {
    /// The runs that have a column.
    pub fn runs(&self) -> impl Iterator<Item = &RunId> {
        self.columns.iter().flat_map(|column| column.setup.runs())
    }

    /// A column by its name.
    pub fn column(&self, id: ColumnId) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// The same, to be changed.
    pub fn column_mut(&mut self, id: ColumnId) -> Option<&mut Column> {
        self.columns.iter_mut().find(|column| column.id == id)
    }

    /// The column of the untouched model.
    pub fn base(&self) -> Option<&Column> {
        self.columns.iter().find(|column| column.setup.is_base())
    }

    /// Puts something into a column behind another, or behind all.
    pub fn add(&mut self, setup: ColumnSetup, behind: Option<ColumnId>) -> ColumnId {
        self.last_id += 1;
        let id = ColumnId(self.last_id);
        let place = behind.and_then(|id| self.columns.iter().position(|column| column.id == id));
        let place = place.map_or(self.columns.len(), |place| place + 1);
        self.columns.insert(place, Column::new(id, setup));
        id
    }

    /// Takes a column away; the base stays.
    pub fn remove(&mut self, id: ColumnId) {
        self.columns.retain(|column| column.id != id || column.setup.is_base());
    }

    /// Puts a run into the last column, or takes its columns away.
    pub fn toggle(&mut self, run: &RunId) {
        if self.runs().any(|known| known == run) {
            self.forget(run);
        } else {
            self.add(ColumnSetup::of_run(run.clone()), None);
        }
        self.columns.iter_mut().for_each(Column::empty);
    }

    /// Takes every column away that a run has a part in.
    pub fn forget(&mut self, run: &RunId) {
        self.columns.retain(|column| !column.setup.runs().any(|known| known == run));
    }

    /// Puts a column before or behind its neighbor.
    pub fn shift(&mut self, id: ColumnId, to_the_left: bool) {
        let Some(place) = self.columns.iter().position(|column| column.id == id) else { return };
        let other = if to_the_left { place.checked_sub(1) } else { Some(place + 1) };
        if let Some(other) = other.filter(|&other| other < self.columns.len()) {
            self.columns.swap(place, other);
        }
    }

    /// Empties the columns, which are asked something else from now on, and says what to ask the engine for.
    pub fn request(
        &mut self,
        model: PathBuf,
        (device, numbers): (DeviceChoice, MatrixNumbers),
        questions: Vec<Asked>,
    ) -> GenerateRequest {
        let shared = questions.iter().find(|asked| !asked.is_own).or(questions.first());
        let sampling = shared.map_or_else(Sampling::default, |asked| asked.sampling.clone());
        let (mut streams, mut places) = (Vec::new(), Vec::new());
        for (column, asked) in self.columns.iter_mut().zip(questions) {
            let n = asked.n_samples();
            streams.extend((0..n).map(|sample| asked.stream(sample)));
            places.extend((0..n).map(|sample| (column.id, sample)));
            column.samples = vec![Sample::default(); n];
            column.asked = Some(asked);
        }
        (self.streams, self.written) = (places, Request::default());
        GenerateRequest { model, device, numbers, streams, sampling, top: TOP }
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

    /// Whether texts are there whose probabilities are neither known nor asked for: those of beams.
    pub fn lacks_scores(&self) -> bool {
        let written = || self.columns.iter().flat_map(|column| &column.samples).map(|sample| sample.done.as_ref());
        let is_free = !self.generation.is_open() && !self.written.is_open() && self.written.failure.is_none();
        is_free
            && written().all(|done| done.is_some_and(|done| !done.tokens.is_empty()))
            && written().flatten().any(|done| done.score.is_empty())
    }

    /// The text of a stream of the generation under way.
    fn sample(&mut self, stream: usize) -> Option<&mut Sample> {
        let &(id, sample) = self.streams.get(stream)?;
        self.column_mut(id)?.samples.get_mut(sample)
    }

    /// Takes in what its jobs tell: pieces of text, and what the best beam says instead; scores, times, rows.
    pub fn on(&mut self, event: &Event) -> bool {
        self.on_texts(event)
            || self.on_written(event)
            || self.same_text.on(event)
            || self.serving.request.on(event, |report| match report {
                Report::Serving { times } => Some(times.clone()),
                _ => None,
            })
            || self.set.on(event)
            || self.prompts.on(event, |report| match report {
                Report::Preview(preview) => Some(preview.clone()),
                _ => None,
            })
    }

    fn on_texts(&mut self, event: &Event) -> bool {
        if !self.generation.is(event.job) {
            return false;
        }
        match &event.what {
            Report::Token { stream, text } => {
                self.generation.phase = Some(Phase::Generating);
                if let Some(sample) = self.sample(*stream) {
                    sample.text.push_str(text);
                }
            }
            Report::BestBeam { stream, text } => {
                self.generation.phase = Some(Phase::Generating);
                if let Some(sample) = self.sample(*stream) {
                    sample.text.clone_from(text);
                }
            }
            Report::Generated { streams } => {
                for (place, stream) in streams.iter().enumerate() {
                    if let Some(sample) = self.sample(place) {
                        sample.end(stream);
                    }
                }
            }
            _ => {}
        }
        self.generation.on(event, |report| matches!(report, Report::Generated { .. }).then_some(()))
    }

    /// Scores of what beams have written go to their texts.
    fn on_written(&mut self, event: &Event) -> bool {
        let is_ours = self.written.on(event, |report| match report {
            Report::TextScored { scores } => Some(scores.clone()),
            _ => None,
        });
        for (place, score) in self.written.answer.take().unwrap_or_default().into_iter().enumerate() {
            if let Some(done) = self.sample(place).and_then(|sample| sample.done.as_mut()) {
                done.score = score;
            }
        }
        is_ours
    }

    /// There will be no answers.
    pub fn engine_gone(&mut self) {
        self.generation.engine_gone();
        self.written.engine_gone();
        self.same_text.request.engine_gone();
        self.serving.request.engine_gone();
        self.set.request.engine_gone();
        self.prompts.engine_gone();
    }

    /// The majority of what the adapters say, once all have ended; `None` of fewer than two, or of long texts, which are
    /// never the same.
    pub fn vote(&self) -> Option<Vote<'_>> {
        let voters = self.columns.iter().filter(|column| column.setup.run.is_some() && !column.strength().is_none());
        let said = |column: &'_ Column| column.done().map(|done| done.log_probability);
        let answers: Vec<(&str, f64)> =
            voters.map(|column| Some((column.text().trim(), said(column)?))).collect::<Option<_>>()?;
        if answers.len() < 2 || answers.iter().any(|(text, _)| text.chars().count() > LONGEST_ANSWER) {
            return None;
        }
        let Majority { winner, votes, by_score } = majority(&answers)?;
        Some(Vote { text: answers[winner].0, votes, voters: answers.len(), by_score })
    }

    /// The serving time of a column, if it was measured as the column is now.
    pub fn serving_of(&self, id: ColumnId, now: &Asked) -> Option<ServingTime> {
        let place = self.serving.of.iter().position(|(of, asked)| *of == id && *asked == now.without_decoding())?;
        self.serving.request.answer.as_ref()?.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use engine::config::Strength;
    use engine::protocol::{GeneratedStream, JobId};

    use super::*;

    fn run(id: &str) -> ColumnSetup {
        ColumnSetup::of_run(RunId(id.into()))
    }

    fn names(comparison: &Comparison) -> Vec<String> {
        let name = |column: &Column| column.setup.run.as_ref().map_or("base".to_owned(), |run| run.0.clone());
        comparison.columns.iter().map(name).collect()
    }

    fn question(seed: u64, is_own: bool, samples: usize) -> Asked {
        Asked {
            prompt: Prompt::Text("a".into()),
            sampling: Sampling { greedy: false, seed, ..Sampling::default() },
            is_own,
            strength: Strength::Whole(1.0),
            adapter: None,
            mixed: None,
            task: None,
            words: String::new(),
            samples,
        }
    }

    #[test]
    fn columns_come_go_and_change_places_and_the_base_stays() {
        let mut comparison = Comparison::default();
        let a = comparison.add(run("a"), None);
        let b = comparison.add(run("b"), None);
        let again = comparison.add(ColumnSetup { strength: 0.5, ..run("a") }, Some(a));
        assert_eq!(names(&comparison), ["base", "a", "a", "b"]);
        comparison.shift(b, true);
        comparison.shift(ColumnId(0), true);
        comparison.shift(b, false);
        comparison.shift(b, false);
        assert_eq!(names(&comparison), ["base", "a", "a", "b"], "beyond the ends there is no place");
        comparison.remove(ColumnId(0));
        comparison.remove(again);
        assert_eq!(names(&comparison), ["base", "a", "b"]);
        comparison.toggle(&RunId("a".into()));
        assert_eq!(names(&comparison), ["base", "b"]);
        comparison.add(ColumnSetup { mix: Some(Mix { run: RunId("b".into()), share: None }), ..run("c") }, None);
        comparison.forget(&RunId("b".into()));
        assert_eq!(names(&comparison), ["base"], "a mixture goes with either of its runs");
    }

    #[test]
    fn each_stream_finds_its_column_and_its_sample_even_when_columns_have_moved() {
        let mut comparison = Comparison::default();
        let a = comparison.add(run("a"), None);
        let request = comparison.request(
            "/m".into(),
            (DeviceChoice::Cpu, MatrixNumbers::default()),
            vec![question(1, false, 2), question(5, true, 2)],
        );
        let seeds: Vec<_> = request.streams.iter().map(|s| s.sampling.as_ref().map(|own| own.seed)).collect();
        assert_eq!((seeds, request.sampling.seed), (vec![None, Some(2), Some(5), Some(6)], 1));
        comparison.generation.start(JobId(1));
        comparison.shift(a, true);
        let event = |what| Event { job: JobId(1), what };
        assert!(comparison.on(&event(Report::Token { stream: 3, text: "x".into() })));
        assert_eq!(comparison.columns[0].samples[1].text, "x");
        let stream = |text: &str| GeneratedStream { text: text.into(), ..GeneratedStream::default() };
        let streams = ["b1", "b2", "a1", "a2"].map(stream).to_vec();
        assert!(comparison.on(&event(Report::Generated { streams })) && !comparison.generation.is_open());
        assert_eq!(comparison.columns[0].text(), "a1");
        assert_eq!(comparison.columns[1].samples[1].text, "b2");
        assert!(!comparison.on(&event(Report::Token { stream: 0, text: "late".into() })));
    }

    #[test]
    fn serving_times_are_of_the_columns_as_they_were_measured() {
        let mut comparison = Comparison::default();
        comparison.serving.request.start(JobId(3));
        comparison.serving.of = vec![(ColumnId(0), question(1, false, 1).without_decoding())];
        let times = vec![ServingTime { first_token_secs: 0.5, ..ServingTime::default() }];
        assert!(comparison.on(&Event { job: JobId(3), what: Report::Serving { times } }));
        let of = |asked: &Asked| comparison.serving_of(ColumnId(0), asked).map(|time| time.first_token_secs);
        assert_eq!(of(&question(9, true, 4)), Some(0.5), "how tokens are chosen costs nothing");
        assert_eq!(of(&Asked { strength: Strength::Whole(0.0), ..question(1, false, 1) }), None);
    }
}

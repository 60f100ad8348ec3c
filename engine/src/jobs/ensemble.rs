//! A vote of several adapters on the rows of a dataset: each answers every row, and the majority counts. Texts are written
//! greedily, those of a row in one batch, as in Lester et al. 2021, section 6.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::evaluate::{adapter_of, scored_rows};
use crate::adapters::AdapterState;
use crate::config::{Task, TaskRecord};
use crate::data::{Example, TokenBatch, evaluation_batches};
use crate::ensemble::{Majority, log_probability, majority};
use crate::error::{EngineError, Result};
use crate::generation::Sampling;
use crate::generation::{Decoder, DecoderModel, DecoderOptions, DecoderStream};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::models::{Conditioning, Model};
use crate::protocol::{EnsembleReport, EnsembleRequest, EnsembleRow, Outcome, Phase, Report};
use crate::sentence;
use crate::session::Session;
use crate::training::ClassificationMetrics;
use crate::training::loss::score;
use crate::training::metrics::{MetricAccumulator, name};

/// Rows in one forward pass, and texts that are written at once.
const BATCH: usize = 16;

pub(super) struct Ensemble {
    request: EnsembleRequest,
    running: Option<Running>,
}

struct Running {
    model: Rc<LoadedModel>,
    members: Vec<Member>,
    record: TaskRecord,
    options: DecoderOptions,
    /// Of each member, row by row: what it says at each label, or the one text that it writes.
    said: Vec<Vec<Said>>,
    next: usize,
    writing: Option<Writing>,
}

/// Some rows whose texts are being written, of all members in one batch.
struct Writing {
    decoder: Decoder,
    /// Member and row of each stream.
    places: Vec<(usize, usize)>,
    log_probabilities: Vec<f64>,
}

/// One of those who vote.
struct Member {
    conditioning: Conditioning,
    /// With the weights that the adapter changes.
    tuned: Option<Rc<Model>>,
    /// The same rows for all, each behind what the member puts before it.
    rows: Vec<Example>,
    batches: Vec<TokenBatch>,
}

/// A member's answer to a row.
#[derive(Clone, Debug)]
enum Said {
    /// Label, prediction and the prediction's log-probability, place by place.
    Labels(Vec<(i32, i32, f64)>),
    /// A text and its log-probability.
    Text(String, f64),
}

impl Ensemble {
    pub(super) fn new(request: EnsembleRequest) -> Self {
        Self { request, running: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Running> {
        let EnsembleRequest { model, device, numbers, adapters, data, max_new_tokens } = &self.request;
        if adapters.len() < 2 {
            let reason = sentence!("a vote takes at least two adapters");
            return Err(EngineError::Setting { field: "adapters", reason });
        }
        let model = session.model(model, (*device, *numbers), &mut out.loading())?;
        out.send(Report::Phase(Phase::PreparingData));
        let adapters = adapters.iter().map(|folder| adapter_of(folder, data, &model));
        let adapters = adapters.collect::<Result<Vec<AdapterState>>>()?;
        let record = TaskRecord { tasks: Vec::new(), ..adapters[0].task.clone() };
        if adapters.iter().any(|other| other.task.task != record.task || other.task.classes != record.classes) {
            let reason = sentence!("the adapters were trained for different tasks or classes");
            return Err(EngineError::AdapterMismatch { reason });
        }
        if record.task == Task::MultipleChoice {
            let reason = sentence!("choices are not voted on");
            return Err(EngineError::Setting { field: "task", reason });
        }
        if record.task == Task::Regression {
            let reason = sentence!("numbers are not voted on: evaluate each adapter of a regression for itself");
            return Err(EngineError::Setting { field: "task", reason });
        }
        // A row is cut as the longest adapter needs it, so that all see the same.
        let mut n_before = 0;
        for adapter in &adapters {
            n_before = n_before.max(adapter.n_before()).max(adapter.before(&model.tokenizer)?.len());
        }
        let rows_of = |adapter: &AdapterState| {
            scored_rows(Some(adapter), data, &adapter.task, n_before, &model)?.train.into_vec()
        };
        let mut rows = adapters.iter().map(rows_of).collect::<Result<Vec<Vec<Example>>>>()?;
        keep_common(&mut rows);
        let n_rows = rows[0].len();
        let members = adapters.iter().zip(rows).map(|(adapter, rows)| Member::new(adapter, rows, &record, &model));
        let members = members.collect::<Result<Vec<_>>>()?;
        let sampling = Sampling { max_new_tokens: *max_new_tokens, ..Sampling::default() };
        let options = DecoderOptions { keep_logits: true, ..model.decoding(sampling)? };
        let empty = if record.task.writes() { Said::Text(String::new(), 0.0) } else { Said::Labels(Vec::new()) };
        let said = vec![vec![empty; n_rows]; members.len()];
        Ok(Running { model, members, record, options, said, next: 0, writing: None })
    }
}

/// Leaves the rows that all members can read.
fn keep_common(rows: &mut [Vec<Example>]) {
    let numbers = |rows: &Vec<Example>| rows.iter().map(|example| example.row).collect::<BTreeSet<_>>();
    let common = rows.iter().map(numbers).reduce(|a, b| a.intersection(&b).copied().collect()).unwrap_or_default();
    rows.iter_mut().for_each(|rows| rows.retain(|example| common.contains(&example.row)));
}

impl Member {
    fn new(adapter: &AdapterState, rows: Vec<Example>, record: &TaskRecord, model: &LoadedModel) -> Result<Self> {
        let conditioning = model.conditioning(adapter)?;
        let tuned = model.model.with_overrides(&conditioning.tuned)?.map(Rc::new);
        let lengths: Vec<usize> = rows.iter().map(Example::length).collect();
        let batch = |of: &Vec<usize>| TokenBatch::new(&rows, of, model.tokenizer.pad(), record.task);
        let batches = match record.task.writes() {
            true => Vec::new(),
            false => evaluation_batches(&lengths, BATCH).iter().map(batch).collect(),
        };
        Ok(Self { conditioning, tuned, rows, batches })
    }

    /// The stream that the member continues: the row up to its target.
    fn stream(&self, row: usize, n_positions: usize) -> DecoderStream {
        let example = &self.rows[row];
        let prompt = match example.source.as_slice() {
            [] => &example.tokens[..example.n_prompt.min(n_positions.saturating_sub(1))],
            source => source,
        };
        DecoderStream { model: self.tuned.clone(), ..DecoderStream::new(prompt.to_vec(), self.conditioning.clone()) }
    }
}

impl Running {
    /// Rows whose texts are written together.
    fn rows_at_once(&self) -> usize {
        (BATCH / self.members.len()).max(1)
    }

    /// Pieces of work: batches of each member, or groups of rows.
    fn total(&self) -> usize {
        match self.record.task.writes() {
            true => self.members[0].rows.len().div_ceil(self.rows_at_once()),
            false => self.members.iter().map(|member| member.batches.len()).sum(),
        }
    }

    fn advance(&mut self) -> Result<()> {
        if !self.record.task.writes() {
            self.tell()?;
            self.next += 1;
            return Ok(());
        }
        let mut writing = match self.writing.take() {
            Some(writing) => writing,
            None => self.begin()?,
        };
        for new in writing.decoder.step(DecoderModel::try_from(&*self.model.model)?)? {
            let logits = new.logits.unwrap_or_default();
            writing.log_probabilities[new.stream] += log_probability(&logits, new.token as usize);
        }
        if writing.decoder.is_done() {
            self.keep(&writing)?;
            self.next += 1;
        } else {
            self.writing = Some(writing);
        }
        Ok(())
    }

    /// The labels of the next batch of a member.
    fn tell(&mut self) -> Result<()> {
        let each = self.members[0].batches.len();
        let (member, LoadedModel { model, device, .. }) = (&self.members[self.next / each], self.model.as_ref());
        let batch = &member.batches[self.next % each];
        let scored = score(member.tuned.as_deref().unwrap_or(model), &member.conditioning, batch, device)?;
        let mut rows = vec![Vec::new(); batch.batch];
        for (i, (at, label)) in batch.labeled().into_iter().enumerate() {
            rows[batch.row_of(at)].push((label, scored.predicted[i], scored.log_probabilities[i]));
        }
        for (&row, labels) in batch.rows.iter().zip(rows) {
            self.said[self.next / each][row] = Said::Labels(labels);
        }
        Ok(())
    }

    fn begin(&self) -> Result<Writing> {
        let (n, n_rows) = (self.rows_at_once(), self.members[0].rows.len());
        let members = 0..self.members.len();
        let rows = self.next * n..n_rows.min((self.next + 1) * n);
        let places: Vec<(usize, usize)> =
            rows.flat_map(|row| members.clone().map(move |member| (member, row))).collect();
        let shape = self.model.model.shape();
        let streams = places.iter().map(|&(member, row)| self.members[member].stream(row, shape.n_positions)).collect();
        let decoder = Decoder::new(shape, streams, self.options.clone())?;
        let log_probabilities = vec![0.0; places.len()];
        Ok(Writing { decoder, places, log_probabilities })
    }

    /// Keeps the texts that were written, without the token that ended them.
    fn keep(&mut self, Writing { decoder, places, log_probabilities }: &Writing) -> Result<()> {
        for (stream, (&(member, row), score)) in places.iter().zip(log_probabilities).enumerate() {
            let text = match decoder.tokens(stream) {
                [text @ .., last] if self.options.end_tokens.contains(last) => text,
                tokens => tokens,
            };
            let text = self.model.tokenizer.decode(text)?.trim().to_owned();
            self.said[member][row] = Said::Text(text, *score);
        }
        Ok(())
    }

    fn report(&self) -> Result<EnsembleReport> {
        let n = self.members.len();
        let (mut tallies, mut right) = (vec![MetricAccumulator::default(); n + 1], vec![0; n + 1]);
        let (mut rows, mut by_score) = (Vec::new(), 0);
        for (row, example) in self.members[0].rows.iter().enumerate() {
            let reference = example.reference.trim().to_owned();
            let (answers, verdicts) = match &self.said[0][row] {
                Said::Text(..) => {
                    let texts: Vec<(&str, f64)> = self.said.iter().filter_map(|said| said[row].text()).collect();
                    let verdict = majority(&texts);
                    let winner = verdict.map_or("", |verdict| texts[verdict.winner].0);
                    let answers: Vec<String> =
                        texts.iter().map(|(text, _)| *text).chain([winner]).map(str::to_owned).collect();
                    for (right, answer) in right.iter_mut().zip(&answers) {
                        *right += usize::from(*answer == reference);
                    }
                    (answers, verdict.into_iter().collect::<Vec<_>>())
                }
                Said::Labels(labels) => self.labels(row, labels.len(), &mut tallies)?,
            };
            by_score += verdicts.iter().filter(|verdict| verdict.by_score).count();
            let [answers @ .., vote] = answers.as_slice() else { continue };
            rows.push(EnsembleRow { row: example.row, reference, answers: answers.to_vec(), vote: vote.clone() });
        }
        let exact = |right: usize| right as f64 / rows.len().max(1) as f64;
        let figures = |at: usize| match self.record.task.writes() {
            true => ClassificationMetrics { accuracy: Some(exact(right[at])), ..ClassificationMetrics::default() },
            false => tallies[at].figures(&self.record).unwrap_or_default(),
        };
        Ok(EnsembleReport { members: (0..n).map(figures).collect(), vote: figures(n), by_score, rows })
    }

    /// Each member's answers to a row and their vote, in words; their pairs join the tallies.
    fn labels(
        &self,
        row: usize,
        places: usize,
        tallies: &mut [MetricAccumulator],
    ) -> Result<(Vec<String>, Vec<Majority>)> {
        let n = self.members.len();
        let mut pairs: Vec<Vec<(i32, i32)>> = vec![Vec::new(); n + 1];
        let mut verdicts = Vec::new();
        for place in 0..places {
            let at: Vec<(i32, i32, f64)> = self.said.iter().filter_map(|said| said[row].label(place)).collect();
            let Some(verdict) = majority(&at.iter().map(|&(_, guess, score)| (guess, score)).collect::<Vec<_>>())
            else {
                continue;
            };
            let guesses = at.iter().chain([&at[verdict.winner]]);
            pairs.iter_mut().zip(guesses).for_each(|(pairs, &(label, guess, _))| pairs.push((label, guess)));
            verdicts.push(verdict);
        }
        let words = |pairs: &Vec<(i32, i32)>| self.words(pairs.iter().map(|(_, guess)| *guess));
        let answers = pairs.iter().map(words).collect::<Result<_>>()?;
        tallies.iter_mut().zip(pairs).for_each(|(tally, pairs)| tally.row(row, pairs));
        Ok((answers, verdicts))
    }

    /// Classes by their names, tokens as text.
    fn words(&self, guesses: impl Iterator<Item = i32>) -> Result<String> {
        if self.record.task == Task::MaskedFill {
            let tokens: Vec<u32> = guesses.map(i32::cast_unsigned).collect();
            return Ok(self.model.tokenizer.decode(&tokens)?.trim().to_owned());
        }
        Ok(guesses.map(|guess| name(&self.record.classes, guess)).collect::<Vec<_>>().join(" "))
    }
}

impl Said {
    fn text(&self) -> Option<(&str, f64)> {
        match self {
            Self::Text(text, score) => Some((text, *score)),
            Self::Labels(_) => None,
        }
    }

    fn label(&self, place: usize) -> Option<(i32, i32, f64)> {
        match self {
            Self::Labels(labels) => labels.get(place).copied(),
            Self::Text(..) => None,
        }
    }
}

impl Job for Ensemble {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(running) = &mut self.running else {
            self.running = Some(self.start(session, out)?);
            return Ok(Progress::More);
        };
        let total = running.total();
        if running.next < total {
            let share = running.next as f32 / total as f32;
            out.send(Report::Phase(Phase::Evaluating { share }));
            running.advance()?;
            return Ok(Progress::More);
        }
        out.send(Report::Ensemble(Box::new(running.report()?)));
        Ok(Progress::Done(Outcome::Completed))
    }
}

//! A vote of several adapters on the rows of a dataset: each answers every row, and the majority counts. Texts are written
//! greedily, those of a row in one batch, as in Lester et al. 2021, section 6.

use std::ops::Range;
use std::rc::Rc;

use super::evaluate::{adapter_of, scored_rows};
use crate::adapters::AdapterState;
use crate::config::{Task, TaskRecord};
use crate::data::{Example, Examples, TokenBatch, evaluation_batches};
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
/// Rows of a part whose labels are told; within it batches are of similar length.
const PART: usize = 1024;

pub(super) struct Ensemble {
    request: EnsembleRequest,
    running: Option<Running>,
}

struct Running {
    model: Rc<LoadedModel>,
    members: Vec<Member>,
    record: TaskRecord,
    options: DecoderOptions,
    /// Rows that all members can read.
    n_rows: usize,
    /// The first of them that is not in work yet.
    next: usize,
    part: Option<Part>,
    tallies: Vec<MetricAccumulator>,
    /// Texts that are right, of each member and of the vote.
    right: Vec<usize>,
    by_score: usize,
}

/// Some rows in work, in the order of the file: what is known of a row goes when its vote is told.
struct Part {
    rows: Range<usize>,
    /// Of each member, row by row: what it says at each label, or the one text that it writes.
    said: Vec<Vec<Said>>,
    work: Work,
}

/// The way to what is said.
enum Work {
    /// Batches of a member, by their places in the part; the next one last.
    Telling(Vec<(usize, Vec<usize>)>),
    /// Texts of all members in one batch.
    Writing(Box<Writing>),
}

/// Rows whose texts are being written.
struct Writing {
    decoder: Decoder,
    /// Member and place of each stream.
    places: Vec<(usize, usize)>,
    log_probabilities: Vec<f64>,
}

/// One of those who vote.
struct Member {
    conditioning: Conditioning,
    /// With the weights that the adapter changes.
    tuned: Option<Rc<Model>>,
    /// The same rows for all, each behind what the member puts before it.
    rows: Examples,
    /// Those of them that all members can read.
    common: Vec<u32>,
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
        let rows_of = |adapter: &AdapterState| scored_rows(Some(adapter), data, &adapter.task, n_before, &model);
        let rows = adapters.iter().map(|adapter| Ok(rows_of(adapter)?.train)).collect::<Result<Vec<Examples>>>()?;
        let common = common_rows(&rows)?;
        let members = adapters.iter().zip(rows).zip(common);
        let members = members.map(|((adapter, rows), common)| Member::new(adapter, rows, common, &model));
        let members = members.collect::<Result<Vec<_>>>()?;
        let sampling = Sampling { max_new_tokens: *max_new_tokens, ..Sampling::default() };
        let options = DecoderOptions { keep_logits: true, ..model.decoding(sampling)? };
        let n_rows = members.iter().map(|member| member.common.len()).min().unwrap_or(0);
        let tallies = vec![MetricAccumulator::new(&record); members.len() + 1];
        let right = vec![0; members.len() + 1];
        let (next, part, by_score) = (0, None, 0);
        Ok(Running { model, members, record, options, n_rows, next, part, tallies, right, by_score })
    }
}

/// Of each member the places of the rows that all can read.
fn common_rows(rows: &[Examples]) -> Result<Vec<Vec<u32>>> {
    let of_member = |rows: &Examples| rows.iter().map(|row| Ok(row?.row)).collect::<Result<Vec<usize>>>();
    let numbers = rows.iter().map(of_member).collect::<Result<Vec<_>>>()?;
    let places = |own: &Vec<usize>| {
        let is_common = |number: &usize| numbers.iter().all(|other| other.binary_search(number).is_ok());
        (0..).zip(own).filter(|(_, number)| is_common(number)).map(|(place, _)| place).collect()
    };
    Ok(numbers.iter().map(places).collect())
}

impl Member {
    fn new(adapter: &AdapterState, rows: Examples, common: Vec<u32>, model: &LoadedModel) -> Result<Self> {
        let conditioning = model.conditioning(adapter)?;
        let tuned = model.model.with_overrides(&conditioning.tuned)?.map(Rc::new);
        Ok(Self { conditioning, tuned, rows, common })
    }

    fn row(&self, row: usize) -> Result<Example> {
        self.rows.get(self.common[row] as usize)
    }

    /// The stream that the member continues: the row up to its target.
    fn stream(&self, row: usize, n_positions: usize) -> Result<DecoderStream> {
        let example = self.row(row)?;
        let prompt = match example.source.as_slice() {
            [] => &example.tokens[..example.n_prompt.min(n_positions.saturating_sub(1))],
            source => source,
        };
        let stream = DecoderStream::new(prompt.to_vec(), self.conditioning.clone());
        Ok(DecoderStream { model: self.tuned.clone(), ..stream })
    }
}

impl Running {
    /// The next rows.
    fn begin(&self) -> Result<Part> {
        let n = if self.record.task.writes() { (BATCH / self.members.len()).max(1) } else { PART };
        let rows = self.next..self.n_rows.min(self.next + n);
        let members = 0..self.members.len();
        if !self.record.task.writes() {
            let said = vec![vec![Said::Labels(Vec::new()); rows.len()]; self.members.len()];
            let batches = |member: usize| {
                let Member { rows: all, common, .. } = &self.members[member];
                let lengths: Vec<usize> = rows.clone().map(|row| all.length(common[row] as usize)).collect();
                evaluation_batches(&lengths, BATCH).into_iter().map(move |batch| (member, batch))
            };
            let work = Work::Telling(members.flat_map(batches).collect());
            return Ok(Part { rows, said, work });
        }
        let said = vec![vec![Said::Text(String::new(), 0.0); rows.len()]; self.members.len()];
        let places: Vec<(usize, usize)> =
            (0..rows.len()).flat_map(|row| members.clone().map(move |member| (member, row))).collect();
        let shape = self.model.model.shape();
        let stream = |&(member, row): &(usize, usize)| self.members[member].stream(rows.start + row, shape.n_positions);
        let streams = places.iter().map(stream).collect::<Result<Vec<_>>>()?;
        let decoder = Decoder::new(shape, streams, self.options.clone())?;
        let log_probabilities = vec![0.0; places.len()];
        let work = Work::Writing(Box::new(Writing { decoder, places, log_probabilities }));
        Ok(Part { rows, said, work })
    }

    /// A bounded piece of work; rows that are answered are told.
    fn advance(&mut self, out: &Outbox) -> Result<()> {
        let mut part = match self.part.take() {
            Some(part) => part,
            None => self.begin()?,
        };
        if self.goes_on(&mut part)? {
            self.part = Some(part);
            return Ok(());
        }
        self.next = part.rows.end;
        let rows = self.votes(&part)?;
        out.send(Report::Voted { rows });
        Ok(())
    }

    /// One batch or one token more; `false` when all is said.
    fn goes_on(&self, part: &mut Part) -> Result<bool> {
        let Part { rows, said, work } = part;
        match work {
            Work::Telling(batches) => {
                if let Some((member, batch)) = batches.pop() {
                    self.tell(&self.members[member], rows.start, &batch, &mut said[member])?;
                }
                Ok(!batches.is_empty())
            }
            Work::Writing(writing) => {
                let Writing { decoder, log_probabilities, .. } = writing.as_mut();
                for new in decoder.step(DecoderModel::try_from(&*self.model.model)?)? {
                    let logits = new.logits.unwrap_or_default();
                    log_probabilities[new.stream] += log_probability(&logits, new.token as usize);
                }
                if decoder.is_done() {
                    self.keep(writing, said)?;
                    return Ok(false);
                }
                Ok(true)
            }
        }
    }

    /// The labels of a batch of a member, whose rows stand behind the first one of the part.
    fn tell(&self, member: &Member, first: usize, places: &[usize], said: &mut [Said]) -> Result<()> {
        let LoadedModel { model, device, tokenizer, .. } = self.model.as_ref();
        let examples = places.iter().map(|&place| member.row(first + place)).collect::<Result<Vec<_>>>()?;
        let every: Vec<usize> = (0..examples.len()).collect();
        let batch = TokenBatch::new(&examples, &every, tokenizer.pad(), self.record.task);
        let scored = score(member.tuned.as_deref().unwrap_or(model), &member.conditioning, &batch, device)?;
        let mut rows = vec![Vec::new(); batch.batch];
        for (i, (at, label)) in batch.labeled().into_iter().enumerate() {
            rows[batch.row_of(at)].push((label, scored.predicted[i], scored.log_probabilities[i]));
        }
        for (&place, labels) in places.iter().zip(rows) {
            said[place] = Said::Labels(labels);
        }
        Ok(())
    }

    /// Keeps the texts that were written, without the token that ended them.
    fn keep(&self, Writing { decoder, places, log_probabilities }: &Writing, said: &mut [Vec<Said>]) -> Result<()> {
        for (stream, (&(member, row), score)) in places.iter().zip(log_probabilities).enumerate() {
            let text = match decoder.tokens(stream) {
                [text @ .., last] if self.options.end_tokens.contains(last) => text,
                tokens => tokens,
            };
            let text = self.model.tokenizer.decode(text)?.trim().to_owned();
            said[member][row] = Said::Text(text, *score);
        }
        Ok(())
    }

    /// What the members and their majority say of the rows of a part; the figures know it then.
    fn votes(&mut self, part: &Part) -> Result<Vec<EnsembleRow>> {
        let mut rows = Vec::with_capacity(part.rows.len());
        for (place, row) in part.rows.clone().enumerate() {
            let example = self.members[0].row(row)?;
            let reference = example.reference.trim().to_owned();
            let said: Vec<&Said> = part.said.iter().map(|said| &said[place]).collect();
            let (answers, verdicts) = match said[0] {
                Said::Text(..) => {
                    let texts: Vec<(&str, f64)> = said.iter().filter_map(|said| said.text()).collect();
                    let verdict = majority(&texts);
                    let winner = verdict.map_or("", |verdict| texts[verdict.winner].0);
                    let answers: Vec<String> =
                        texts.iter().map(|(text, _)| *text).chain([winner]).map(str::to_owned).collect();
                    for (right, answer) in self.right.iter_mut().zip(&answers) {
                        *right += usize::from(*answer == reference);
                    }
                    (answers, verdict.into_iter().collect::<Vec<_>>())
                }
                Said::Labels(labels) => self.labels(&said, labels.len())?,
            };
            self.by_score += verdicts.iter().filter(|verdict| verdict.by_score).count();
            let [answers @ .., vote] = answers.as_slice() else { continue };
            rows.push(EnsembleRow { row: example.row, reference, answers: answers.to_vec(), vote: vote.clone() });
        }
        Ok(rows)
    }

    /// Each member's answers to a row and their vote, in words; their pairs join the tallies.
    fn labels(&mut self, said: &[&Said], places: usize) -> Result<(Vec<String>, Vec<Majority>)> {
        let mut pairs: Vec<Vec<(i32, i32)>> = vec![Vec::new(); self.members.len() + 1];
        let mut verdicts = Vec::new();
        for place in 0..places {
            let at: Vec<(i32, i32, f64)> = said.iter().filter_map(|said| said.label(place)).collect();
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
        self.tallies.iter_mut().zip(&pairs).for_each(|(tally, pairs)| tally.row(pairs));
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

    fn report(&self) -> EnsembleReport {
        let exact = |right: usize| right as f64 / self.n_rows.max(1) as f64;
        let figures = |at: usize| match self.record.task.writes() {
            true => ClassificationMetrics { accuracy: Some(exact(self.right[at])), ..ClassificationMetrics::default() },
            false => self.tallies[at].figures().unwrap_or_default(),
        };
        let n = self.members.len();
        let members = (0..n).map(figures).collect();
        EnsembleReport { members, vote: figures(n), by_score: self.by_score, total: self.n_rows }
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
        if running.next < running.n_rows {
            let share = running.next as f32 / running.n_rows as f32;
            out.send(Report::Phase(Phase::Evaluating { share }));
            running.advance(out)?;
            return Ok(Progress::More);
        }
        out.send(Report::Ensemble(Box::new(running.report())));
        Ok(Progress::Done(Outcome::Completed))
    }
}

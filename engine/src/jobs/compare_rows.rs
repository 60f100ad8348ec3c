//! Texts of several columns for a set of rows: a few rows at a time, all of their columns in one batch, then the figures of
//! each column. Stopped, it scores the rows that are complete.

use std::rc::Rc;

use super::column::{Column, Columns};
use crate::config::{DataConfig, References, TaskRecord};
use crate::data::{Dataset, Example, Examples, Holding};
use crate::ensemble::log_probability;
use crate::error::{EngineError, Result};
use crate::evaluation::{Predicted, PredictedRow, ScoredPredictions, Scoring, check_metrics, resources};
use crate::generation::{Decoder, DecoderModel, DecoderOptions, DecoderStream, Sampling, before_stop, known_text};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::protocol::{ComparedColumn, ComparedRow, Outcome, Phase, Report, RowSetRequest, Stream};
use crate::sentence;
use crate::session::Session;
use crate::training::room_for_text;
use crate::training::sources::{First, Sources};

/// Rows of a cache: texts that are written at once, times their beams.
const MOST_ROWS: usize = 64;

pub(super) struct CompareRows {
    request: RowSetRequest,
    stage: Stage,
    stopped: bool,
}

enum Stage {
    Start,
    Writing(Box<Running>),
    Scoring(Box<Scorings>),
}

struct Running {
    model: Rc<LoadedModel>,
    columns: Vec<Rc<Column>>,
    options: Vec<Option<Rc<DecoderOptions>>>,
    shared: DecoderOptions,
    rows: Vec<Asked>,
    next: usize,
    under_way: Option<Batch>,
    done: Vec<ComparedRow>,
    /// Whether targets are scored.
    losses: bool,
}

/// A row as it is asked.
struct Asked {
    row: PredictedRow,
    /// Without anything before it.
    prompt: Vec<u32>,
    /// As it would be learned.
    target: Vec<u32>,
}

/// Rows whose texts are being written: the streams of a row stand beside each other.
struct Batch {
    decoder: Decoder,
    rows: std::ops::Range<usize>,
}

/// Figures of the columns, one column after the other.
struct Scorings {
    numbers: Vec<usize>,
    left: Vec<(String, Scoring)>,
    total: usize,
    done: Vec<ComparedColumn>,
}

impl CompareRows {
    pub(super) fn new(request: RowSetRequest) -> Self {
        Self { request, stage: Stage::Start, stopped: false }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Running> {
        let RowSetRequest { data, metrics, sampling, columns: asked, losses, limit, .. } = &self.request;
        if !metrics.is_empty() {
            check_metrics(metrics)?;
        }
        if asked.is_empty() {
            let reason = sentence!("there must be at least one");
            return Err(EngineError::Setting { field: "columns", reason });
        }
        let place = (self.request.device, self.request.numbers);
        let model = session.model(&self.request.model, place, &mut out.loading())?;
        model.check_writes()?;
        let task = TaskRecord::of(model.task(self.request.task)?);
        if !task.task.writes() {
            let reason = sentence!("what is told of a row is a class or a token; evaluate without generating");
            return Err(EngineError::Setting { field: "task", reason });
        }
        out.send(Report::Phase(Phase::PreparingData));
        let mut known = Columns::default();
        let columns = asked.iter().map(|stream| known.of(stream, &model, out)).collect::<Result<Vec<_>>>()?;
        // A row is cut as the longest column needs it, so that all see the same.
        let mut n_before = 0;
        for column in &columns {
            n_before = n_before.max(column.n_before(&model)?);
        }
        let rows = rows_of(data, &task, n_before, &model, out)?;
        let sources = Sources::of(rows.iter(), *limit)?;
        let longest = model.model.shape().n_positions.saturating_sub(n_before + 1);
        let row = |first: &First| -> Result<Asked> {
            let row = sources.asked(first.place, |place| rows.get(place), (None, model.tokenizer.eos_text()))?;
            let example = rows.get(first.place)?;
            let target = example.tokens[example.n_prompt..].to_vec();
            Ok(Asked { row, prompt: prompt_of(&example, longest), target })
        };
        let rows = sources.firsts().iter().map(row).collect::<Result<_>>()?;
        let options = |stream: &Stream| {
            let own = stream.sampling.clone().map(|own| model.decoding(alone(own)));
            Ok(own.transpose()?.map(Rc::new))
        };
        Ok(Running {
            options: asked.iter().map(options).collect::<Result<_>>()?,
            shared: DecoderOptions { exact_base: false, ..model.decoding(alone(sampling.clone()))? },
            losses: *losses,
            model,
            columns,
            rows,
            next: 0,
            under_way: None,
            done: Vec::new(),
        })
    }
}

/// The text that is scored is the first of several beams.
fn alone(mut sampling: Sampling) -> Sampling {
    sampling.beams.n_returned = 1;
    sampling
}

/// All rows of the one dataset, none kept back, without anything before them. Soft tokens that a template puts stay where
/// they are.
fn rows_of(
    data: &DataConfig,
    task: &TaskRecord,
    n_before: usize,
    model: &LoadedModel,
    out: &Outbox,
) -> Result<Examples> {
    let room = room_for_text(n_before, data.max_tokens, model.model.shape())?;
    let (validation, validation_share, train_rows, more) = (None, 0.0, None, Vec::new());
    // A source is asked once, with all its references.
    let references = References::First;
    let data = DataConfig { validation, validation_share, train_rows, more, references, ..data.clone() };
    let (of, holding) = ((model.model.target_start(), room), Holding::cached(model.cache.as_deref()));
    let dataset = Dataset::load_holding(&data, task, of, &model.tokenizer, 0, &holding)?;
    for text in dataset.report.notices() {
        out.send(Report::Notice { text });
    }
    Ok(dataset.train)
}

/// Tokens that a text is written from. A row may fill the context with its target; its prompt alone always leaves room.
fn prompt_of(example: &Example, longest: usize) -> Vec<u32> {
    match example.source.as_slice() {
        [] => example.tokens[..example.n_prompt.min(longest.max(1))].to_vec(),
        source => source.to_vec(),
    }
}

impl Running {
    /// Rows whose texts are written together.
    fn at_once(&self) -> usize {
        let beams = |own: &Option<Rc<DecoderOptions>>| {
            own.as_ref().map_or(&self.shared.sampling, |own| &own.sampling).beams.n_beams
        };
        (MOST_ROWS / self.options.iter().map(beams).sum::<usize>().max(1)).max(1)
    }

    fn stream(&self, row: usize, column: usize) -> Result<DecoderStream> {
        let stream = self.columns[column].stream(self.rows[row].prompt.clone(), &self.model)?;
        Ok(DecoderStream { options: self.options[column].clone(), ..stream })
    }

    fn begin(&self) -> Result<Batch> {
        let rows = self.next..(self.next + self.at_once()).min(self.rows.len());
        let places = rows.clone().flat_map(|row| (0..self.columns.len()).map(move |column| (row, column)));
        let streams = places.map(|(row, column)| self.stream(row, column)).collect::<Result<Vec<_>>>()?;
        Ok(Batch { decoder: Decoder::new(self.model.model.shape(), streams, self.shared.clone())?, rows })
    }

    /// One more token of each text under way; a row whose texts are whole is told.
    fn advance(&mut self, out: &Outbox) -> Result<()> {
        let mut batch = match self.under_way.take() {
            Some(batch) => batch,
            None => self.begin()?,
        };
        if !batch.decoder.is_done() {
            batch.decoder.step(DecoderModel::try_from(&*self.model.model)?)?;
        }
        if !batch.decoder.is_done() {
            self.under_way = Some(batch);
        } else {
            self.next = batch.rows.end;
            for (at, row) in batch.rows.clone().enumerate() {
                let row = self.finished(row, (&batch.decoder, at * self.columns.len()))?;
                self.done.push(row.clone());
                let (done, total) = (self.done.len(), self.rows.len());
                out.send(Report::RowCompared { done, total, row: Box::new(row) });
            }
        }
        out.send(Report::Phase(Phase::Predicting { share: self.next as f32 / self.rows.len().max(1) as f32 }));
        Ok(())
    }

    /// A row with the texts of the streams from `first` on.
    fn finished(&self, row: usize, (decoder, first): (&Decoder, usize)) -> Result<ComparedRow> {
        let text = |column: usize| {
            let own = self.options[column].as_deref().unwrap_or(&self.shared);
            let text = self.model.tokenizer.decode(decoder.tokens(first + column))?;
            Ok(before_stop(&text, &own.sampling.stop_strings).trim().to_owned())
        };
        let PredictedRow { row: number, source, references, .. } = self.rows[row].row.clone();
        Ok(ComparedRow {
            row: number,
            source,
            texts: (0..self.columns.len()).map(text).collect::<Result<_>>()?,
            losses: self.losses_of(row)?,
            references,
        })
    }

    /// Nats per token of the row's target under each column. One that does not fit behind its prompt has none.
    fn losses_of(&self, row: usize) -> Result<Vec<Option<f64>>> {
        let (model, target) = (&self.model, &self.rows[row].target);
        let of = |column: usize| {
            let (mut sum, mut n) = (0.0, 0);
            let mut each = |logits: &[f32]| {
                sum -= log_probability(logits, target[n] as usize);
                n += 1;
            };
            let (shape, source) = (model.model.shape(), model.source_options());
            let writer = DecoderModel::try_from(&*model.model)?;
            match known_text(writer, shape, (self.stream(row, column)?, target), source, &mut each) {
                Ok(()) => Ok(Some(sum / n as f64)),
                Err(EngineError::ContextOverflow { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        if self.losses && !target.is_empty() { (0..self.columns.len()).map(of).collect() } else { Ok(Vec::new()) }
    }

    /// What is there, in the order of the rows, on the way to its figures.
    fn scoring(&self, metrics: &[String]) -> Result<Scorings> {
        let mut done: Vec<&ComparedRow> = self.done.iter().collect();
        done.sort_by_key(|row| row.row);
        let column = |(column, of): (usize, &Rc<Column>)| {
            let predicted = |row: &&ComparedRow| PredictedRow {
                row: row.row,
                prediction: row.texts[column].clone(),
                references: row.references.clone(),
                ..PredictedRow::default()
            };
            // Of no rows there are no figures.
            let metrics = if done.is_empty() { &[] } else { metrics };
            let rows = Predicted::Rows(done.iter().map(predicted).collect());
            Ok((of.hash.clone(), Scoring::new(rows, metrics, resources(metrics, None)?)?))
        };
        let left = self.columns.iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
        let numbers = done.iter().map(|row| row.row).collect();
        Ok(Scorings { numbers, total: left.len(), left, done: Vec::new() })
    }
}

impl Scorings {
    /// One more metric of one column; `false` when all are done.
    fn step(&mut self) -> Result<bool> {
        let Some((hash, scoring)) = self.left.first_mut() else { return Ok(false) };
        if let Some(ScoredPredictions { figures, rows, .. }) = scoring.step()? {
            let rows = rows.into_iter().map(|row| row.figures).collect();
            self.done.push(ComparedColumn { adapter_hash: std::mem::take(hash), figures, rows });
            self.left.remove(0);
        }
        Ok(true)
    }
}

impl Job for CompareRows {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        match std::mem::replace(&mut self.stage, Stage::Start) {
            Stage::Start if self.stopped => return Ok(Progress::Done(Outcome::Stopped)),
            Stage::Start => self.stage = Stage::Writing(Box::new(self.start(session, out)?)),
            Stage::Writing(mut running) if running.next < running.rows.len() && !self.stopped => {
                running.advance(out)?;
                self.stage = Stage::Writing(running);
            }
            Stage::Writing(running) => {
                self.stage = Stage::Scoring(Box::new(running.scoring(&self.request.metrics)?));
            }
            Stage::Scoring(mut scorings) => {
                let share = scorings.done.len() as f32 / scorings.total.max(1) as f32;
                out.send(Report::Phase(Phase::Scoring { share }));
                if !scorings.step()? {
                    let Scorings { numbers, done, .. } = *scorings;
                    out.send(Report::SetCompared { rows: numbers, columns: done });
                    let outcome = if self.stopped { Outcome::Stopped } else { Outcome::Completed };
                    return Ok(Progress::Done(outcome));
                }
                self.stage = Stage::Scoring(scorings);
            }
        }
        Ok(Progress::More)
    }

    /// What is complete is scored first.
    fn request_stop(&mut self) -> bool {
        self.stopped = true;
        true
    }
}

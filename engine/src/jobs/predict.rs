//! Texts for a whole file of rows, and figures of them: written to a file as they are made, so that what was interrupted goes
//! on where it was.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::evaluate::{adapter_of, scored_rows};
use crate::adapters::AdapterState;
use crate::config::{DataConfig, TaskRecord};
use crate::data::{ColumnValues, Examples};
use crate::error::{EngineError, IoAction, Result};
use crate::evaluation::{
    EvaluationRecord, EvaluationSettings, Predicted, PredictionFile, ScoredPredictions, Scoring, check_metrics,
    file_name, no_synonyms, record_of, resources,
};
use crate::files::{self, Kind};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::models::{Conditioning, Model};
use crate::protocol::{Outcome, Phase, Report, RowsRequest};
use crate::sentence;
use crate::session::Session;
use crate::training::sources::{First, Sources};
use crate::training::text_writer::{TextWriter, Writing};

/// Writes texts for rows and scores them.
pub(super) struct Predict {
    request: RowsRequest,
    stage: Stage,
}

enum Stage {
    Start,
    Writing(Box<Running>),
    Scoring(Box<(Scoring, Kept)>),
}

struct Running {
    model: Rc<LoadedModel>,
    conditioning: Conditioning,
    tuned: Option<Rc<Model>>,
    n_before: usize,
    /// Those of a large file are read when their text is written.
    rows: Examples,
    sources: Sources,
    /// Values of the column that figures are given by.
    values: Option<ColumnValues>,
    writer: TextWriter,
    done: usize,
    total: usize,
    kept: Kept,
    file: PredictionFile,
}

/// Where predictions and figures are kept, and what is kept.
struct Kept {
    path: PathBuf,
    /// Holds the file where nobody keeps it.
    passing: Option<TempDir>,
    /// The folder of a run's evaluations, where the file is elsewhere.
    copies: Option<PathBuf>,
    record: EvaluationRecord,
}

impl Predict {
    pub(super) fn new(request: RowsRequest) -> Self {
        Self { request, stage: Stage::Start }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Running> {
        let RowsRequest { data, metrics, generation, by, limit, .. } = &self.request;
        check_metrics(metrics)?;
        generation.check()?;
        let place = (self.request.device, self.request.numbers);
        let model = session.model(&self.request.model, place, &mut out.loading())?;
        model.check_writes()?;
        out.send(Report::Phase(Phase::PreparingData));
        let adapter = self.request.adapter.as_ref().map(|folder| adapter_of(folder, data, &model)).transpose()?;
        adapter.iter().for_each(|adapter| out.unread(adapter));
        let before = adapter.as_ref().map_or(Ok(Vec::new()), |adapter| adapter.before(&model.tokenizer))?;
        let record = match &adapter {
            Some(adapter) => adapter.task.clone(),
            None => TaskRecord::of(model.task(self.request.task)?),
        };
        if !record.task.writes() {
            let reason = sentence!("what is told of a row is a class or a token; evaluate without generating");
            return Err(EngineError::Setting { field: "task", reason });
        }
        let n_before = adapter.as_ref().map_or(0, AdapterState::n_before).max(before.len());
        let dataset = scored_rows(adapter.as_ref(), data, &record, n_before, &model)?;
        for text in dataset.report.notices() {
            out.send(Report::Notice { text });
        }
        let rows = dataset.train;
        let values = by.as_ref().map(|column| ColumnValues::read(&data.train, column)).transpose()?;
        let sources = Sources::of(rows.iter(), *limit)?;
        let settings = EvaluationSettings {
            model_hash: model.hash.clone(),
            adapter_hash: adapter.as_ref().map(AdapterState::hash).unwrap_or_default(),
            data: Some(DataConfig { validation: None, more: Vec::new(), ..data.clone() }),
            data_digest: file_digest(&data.train)?,
            task: record.task,
            generation: generation.clone(),
            by: by.clone(),
            limit: *limit,
        };
        let conditioning = match &adapter {
            Some(adapter) => model.conditioning(adapter)?,
            None => Conditioning::default(),
        };
        let tuned = model.model.with_overrides(&conditioning.tuned)?.map(Rc::new);
        let (mut kept, file, there) = self.keep(settings)?;
        let total = sources.firsts().len();
        let left: Vec<First> = sources.firsts().iter().copied().filter(|first| !there.contains(&first.row)).collect();
        let done = total - left.len();
        kept.record.rows = total;
        if done > 0 {
            let text = sentence!("{n} of {total} rows are there already and are kept", n = done, total);
            out.send(Report::Notice { text });
        }
        let writer = TextWriter::new(&left, generation);
        Ok(Running { model, conditioning, tuned, n_before, rows, sources, values, writer, done, total, kept, file })
    }

    /// Opens the file of predictions, and gives the numbers of the rows that are there already.
    fn keep(&self, settings: EvaluationSettings) -> Result<(Kept, PredictionFile, BTreeSet<usize>)> {
        let digest = settings.digest();
        let name = file_name(&self.request.data.name_of_rows(), &digest);
        let mut copies = self.request.keep.clone();
        let mut passing = None;
        let path = match (&self.request.predictions, &copies) {
            (Some(path), _) => path.clone(),
            (None, Some(folder)) => folder.join(&name),
            (None, None) => {
                let here = std::env::temp_dir();
                passing
                    .insert(tempfile::tempdir().map_err(EngineError::io(IoAction::Create, &here))?)
                    .path()
                    .join(&name)
            }
        };
        let make = |folder: &PathBuf| {
            std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
            files::refuse_links(folder)
        };
        copies.as_ref().map(make).transpose()?;
        if self.request.predictions.is_none() {
            copies = None;
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let adapter = self.request.adapter.clone();
        let fresh = EvaluationRecord { digest: digest.clone(), at, adapter, settings, ..EvaluationRecord::default() };
        let known = record_of(&path)?.filter(|record| record.digest == digest);
        let (file, done) = PredictionFile::open(&path, &digest)?;
        let record = known.unwrap_or(fresh);
        record.write(&path)?;
        let copies = copies.map(|folder| folder.join(name));
        Ok((Kept { path, passing, copies, record }, file, done))
    }
}

fn file_digest(path: &Path) -> Result<String> {
    let mut file = files::open(path, Kind::Rows)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block).map_err(EngineError::io(IoAction::Read, path))? {
            0 => break,
            n => digest.update(&block[..n]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Running {
    /// One more token of each text under way; a text that is whole is told and kept.
    fn advance(&mut self, out: &Outbox) -> Result<()> {
        let with = Writing {
            model: &self.model,
            tuned: self.tuned.as_ref(),
            conditioning: &self.conditioning,
            n_before: self.n_before,
        };
        let read = |place: usize| self.rows.get(place);
        for (place, prediction) in self.writer.step(&with, read)? {
            let with = (self.values.as_ref(), self.model.tokenizer.eos_text());
            let mut row = self.sources.asked(place, read, with)?;
            row.prediction = prediction;
            self.file.push(&row)?;
            self.done += 1;
            out.send(Report::Prediction { done: self.done, total: self.total, row: Box::new(row) });
        }
        out.send(Report::Phase(Phase::Predicting { share: self.writer.share() }));
        Ok(())
    }

    /// All texts are there: in the order of their rows, on the way to their figures.
    fn scoring(mut self, request: &RowsRequest, out: &Outbox) -> Result<(Scoring, Kept)> {
        self.file.close()?;
        self.kept.record.finished = true;
        let predicted = Predicted::File(self.kept.path.clone());
        Ok((scoring_of(predicted, &request.metrics, request.wordnet.as_deref(), out)?, self.kept))
    }
}

/// Predictions on the way to their figures, with what the metrics read beside them.
fn scoring_of(predicted: Predicted, metrics: &[String], wordnet: Option<&Path>, out: &Outbox) -> Result<Scoring> {
    let resources = resources(metrics, wordnet)?;
    if let Some(text) = no_synonyms(metrics, &resources) {
        out.send(Report::Notice { text });
    }
    Scoring::new(predicted, metrics, resources)
}

impl Kept {
    fn finish(&mut self, scored: &ScoredPredictions) -> Result<()> {
        self.record.take(&scored.figures, &scored.by);
        self.record.write(&self.path)?;
        let Some(copy) = &self.copies else { return Ok(()) };
        let mut from = files::open(&self.path, Kind::RunLines)?;
        files::write_with(copy, |to| {
            std::io::copy(&mut from, to).map(drop).map_err(EngineError::io(IoAction::Write, copy))
        })?;
        self.record.write(copy)
    }

    /// The file, where it is kept.
    fn predictions(&self) -> Option<PathBuf> {
        self.passing.is_none().then(|| self.path.clone())
    }
}

impl Job for Predict {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        match std::mem::replace(&mut self.stage, Stage::Start) {
            Stage::Start => self.stage = Stage::Writing(Box::new(self.start(session, out)?)),
            Stage::Writing(mut running) if !running.writer.is_done() => {
                running.advance(out)?;
                self.stage = Stage::Writing(running);
            }
            Stage::Writing(running) => {
                let (scoring, kept) = running.scoring(&self.request, out)?;
                self.stage = Stage::Scoring(Box::new((scoring, kept)));
            }
            Stage::Scoring(state) => {
                let (mut scoring, mut kept) = *state;
                out.send(Report::Phase(Phase::Scoring { share: scoring.share() }));
                match scoring.step()? {
                    None => self.stage = Stage::Scoring(Box::new((scoring, kept))),
                    Some(scored) => {
                        kept.finish(&scored)?;
                        out.send(Report::Metrics { predictions: kept.predictions(), scored: Box::new(scored) });
                        return Ok(Progress::Done(Outcome::Completed));
                    }
                }
            }
        }
        Ok(Progress::More)
    }
}

/// Figures of predictions that were kept; those of a record of ours are added to it.
pub(super) struct ScoreAgain {
    predictions: PathBuf,
    metrics: Vec<String>,
    wordnet: Option<PathBuf>,
    scoring: Option<Scoring>,
}

impl ScoreAgain {
    pub(super) fn new(predictions: PathBuf, metrics: Vec<String>, wordnet: Option<PathBuf>) -> Self {
        Self { predictions, metrics, wordnet, scoring: None }
    }
}

impl Job for ScoreAgain {
    fn step(&mut self, _session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(scoring) = &mut self.scoring else {
            check_metrics(&self.metrics)?;
            let predicted = Predicted::File(self.predictions.clone());
            self.scoring = Some(scoring_of(predicted, &self.metrics, self.wordnet.as_deref(), out)?);
            return Ok(Progress::More);
        };
        out.send(Report::Phase(Phase::Scoring { share: scoring.share() }));
        let Some(scored) = scoring.step()? else { return Ok(Progress::More) };
        if let Some(mut record) = record_of(&self.predictions)? {
            record.take(&scored.figures, &scored.by);
            record.write(&self.predictions)?;
        }
        let predictions = Some(self.predictions.clone());
        out.send(Report::Metrics { predictions, scored: Box::new(scored) });
        Ok(Progress::Done(Outcome::Completed))
    }
}

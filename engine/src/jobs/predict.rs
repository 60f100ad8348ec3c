//! Texts for a whole file of rows, and figures of them: written to a file as they are made, so that what was interrupted goes
//! on where it was.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::evaluate::{adapter_of, scored_rows};
use crate::adapters::AdapterState;
use crate::config::{DataConfig, TaskRecord};
use crate::data::{Example, read_table};
use crate::error::{EngineError, IoAction, Result};
use crate::evaluation::{
    EvaluationRecord, EvaluationSettings, PredictedRow, PredictionFile, ScoredPredictions, Scoring, check_metrics,
    file_name, read_predictions, record_of,
};
use crate::files::{self, Kind};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::models::{Conditioning, Model};
use crate::protocol::{Outcome, Phase, Report, RowsRequest};
use crate::sentence;
use crate::session::Session;
use crate::training::sources::grouped;
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
    rows: Vec<Example>,
    /// What is known of the text of a row before it is written.
    asked: HashMap<usize, PredictedRow>,
    done: Vec<PredictedRow>,
    writer: TextWriter,
    total: usize,
    kept: Kept,
    file: Option<PredictionFile>,
}

/// Where predictions and figures are kept, and what is kept.
struct Kept {
    path: Option<PathBuf>,
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
        let rows = dataset.train.into_vec()?;
        let values = by.as_ref().map(|column| values_of(&data.train, column)).transpose()?;
        let end = model.tokenizer.eos_text().to_owned();
        let (asked, mut order) = grouped(&rows, values.as_ref(), &end);
        order.truncate(limit.unwrap_or(usize::MAX));
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
        let (mut kept, file, mut done) = self.keep(settings)?;
        let wanted: HashSet<usize> = order.iter().map(|&index| rows[index].row).collect();
        done.retain(|row| wanted.contains(&row.row));
        let there: HashSet<usize> = done.iter().map(|row| row.row).collect();
        let left: Vec<usize> = order.iter().copied().filter(|&index| !there.contains(&rows[index].row)).collect();
        kept.record.rows = order.len();
        if !done.is_empty() {
            let text =
                sentence!("{n} of {total} rows are there already and are kept", n = done.len(), total = order.len());
            out.send(Report::Notice { text });
        }
        let writer = TextWriter::new(&rows, &left, generation);
        let total = order.len();
        Ok(Running { model, conditioning, tuned, n_before, rows, asked, done, writer, total, kept, file })
    }

    /// Opens the file of predictions, and gives what is there already.
    fn keep(&self, settings: EvaluationSettings) -> Result<(Kept, Option<PredictionFile>, Vec<PredictedRow>)> {
        let digest = settings.digest();
        let name = file_name(&self.request.data.name_of_rows(), &digest);
        let mut copies = self.request.keep.clone();
        let path = match (&self.request.predictions, &copies) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(folder)) => Some(folder.join(&name)),
            (None, None) => None,
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
        let Some(path) = path else {
            return Ok((Kept { path: None, copies: None, record: fresh }, None, Vec::new()));
        };
        let known = record_of(&path)?.filter(|record| record.digest == digest);
        let (file, done) = PredictionFile::open(&path, &digest)?;
        let record = known.unwrap_or(fresh);
        record.write(&path)?;
        let copies = copies.map(|folder| folder.join(name));
        Ok((Kept { path: Some(path), copies, record }, Some(file), done))
    }
}

/// The values of a column, by the number of the row.
fn values_of(path: &Path, column: &str) -> Result<BTreeMap<usize, String>> {
    let table = read_table(path)?;
    let Some(at) = table.column(column) else {
        let reason = sentence!(
            "there is no column {column}; the columns are: {columns}",
            column,
            columns = table.columns.join(", ")
        );
        return Err(EngineError::Setting { field: "by", reason });
    };
    Ok(table.rows.iter().map(|row| (row.number, row.text(at).into_owned())).collect())
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
        for (index, prediction) in self.writer.step(&with, &self.rows)? {
            let Some(mut row) = self.asked.remove(&index) else { continue };
            row.prediction = prediction;
            if let Some(file) = &mut self.file {
                file.push(&row)?;
            }
            self.done.push(row.clone());
            out.send(Report::Prediction { done: self.done.len(), total: self.total, row: Box::new(row) });
        }
        out.send(Report::Phase(Phase::Predicting { share: self.writer.share() }));
        Ok(())
    }

    /// All texts are there: in the order of their rows, on the way to their figures.
    fn scoring(mut self, metrics: &[String]) -> Result<(Scoring, Kept)> {
        self.done.sort_by_key(|row| row.row);
        if let Some(file) = self.file.take() {
            file.close(&self.done)?;
        }
        self.kept.record.finished = true;
        Ok((Scoring::new(self.done, metrics)?, self.kept))
    }
}

impl Kept {
    fn finish(&mut self, scored: &ScoredPredictions) -> Result<()> {
        self.record.take(&scored.figures, &scored.by);
        let Some(path) = &self.path else { return Ok(()) };
        self.record.write(path)?;
        let Some(copy) = &self.copies else { return Ok(()) };
        let text = files::read(path, Kind::RunLines)?;
        files::write_whole(copy, &text)?;
        self.record.write(copy)
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
                let (scoring, kept) = running.scoring(&self.request.metrics)?;
                self.stage = Stage::Scoring(Box::new((scoring, kept)));
            }
            Stage::Scoring(state) => {
                let (mut scoring, mut kept) = *state;
                out.send(Report::Phase(Phase::Scoring { share: scoring.share() }));
                match scoring.step()? {
                    None => self.stage = Stage::Scoring(Box::new((scoring, kept))),
                    Some(scored) => {
                        kept.finish(&scored)?;
                        out.send(Report::Metrics { predictions: kept.path, scored: Box::new(scored) });
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
    scoring: Option<Scoring>,
}

impl ScoreAgain {
    pub(super) fn new(predictions: PathBuf, metrics: Vec<String>) -> Self {
        Self { predictions, metrics, scoring: None }
    }
}

impl Job for ScoreAgain {
    fn step(&mut self, _session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(scoring) = &mut self.scoring else {
            check_metrics(&self.metrics)?;
            self.scoring = Some(Scoring::new(read_predictions(&self.predictions)?, &self.metrics)?);
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

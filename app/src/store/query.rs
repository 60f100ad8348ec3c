//! Answers to the screens: the table of runs, one run in full or what is new about it, the library.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use engine::Sentence;
use engine::error::Failure;
use engine::evaluation::FOLDER;
use engine::training::{EvaluationReport, SampleReport};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, Row, params};
use serde_json::Value;

use super::Answer;
use super::figures::{self, Figures};
use super::heartbeat::Heartbeat;
use super::record::unknown;
use super::rows::{
    CheckpointRow, Cursor, DatasetRow, KeptEvaluation, LogLevel, LogLine, ModelRow, RunDetail, RunRow, RunState, Series,
};
use super::tables::Key;
use super::thread::{StoreFailure, StoreThread};
use crate::workspace::RunId;

/// Points in one answer; more come with the next.
const POINTS: i64 = 300_000;
/// Figures that each step has.
const FIGURES: i64 = 6;

const RUN: &str = "SELECT runs.*, models.name AS model_name, models.folder AS model_folder,
        datasets.name AS dataset_name, experiments.name AS experiment_name,
        (SELECT group_concat(tag, char(31) ORDER BY tag) FROM tags WHERE tags.run = runs.key) AS tag_list,
        (SELECT text FROM notes WHERE notes.run = runs.key) AS note
    FROM runs JOIN models ON models.key = runs.model JOIN datasets ON datasets.key = runs.dataset
        LEFT JOIN experiments ON experiments.key = runs.experiment";

impl StoreThread {
    pub(super) fn list_runs(&mut self) -> Result<(), StoreFailure> {
        self.find_figures();
        let runs = self
            .index
            .db
            .prepare_cached(&format!("{RUN} ORDER BY runs.id DESC"))?
            .query_map([], |row| self.run_row(row))?
            .collect::<Result<Vec<_>>>()?;
        self.listed = runs.iter().map(|row| (row.id.clone(), row.files_missing)).collect();
        self.answer(Answer::Runs(runs));
        Ok(())
    }

    /// Tells the rows of the runs that have news.
    pub(super) fn tell_changes(&mut self) -> Result<(), StoreFailure> {
        self.find_figures();
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        for run in std::mem::take(&mut self.changed).into_iter().rev() {
            match self.row_of(&run)? {
                Some(row) => {
                    self.listed.insert(run, row.files_missing);
                    rows.push(row);
                }
                None => {
                    self.shared.get_mut().remove(&run);
                    gone.extend(self.listed.remove(&run).map(|_| run));
                }
            }
        }
        if !rows.is_empty() || !gone.is_empty() {
            self.answer(Answer::RunsChanged { rows, gone });
        }
        Ok(())
    }

    fn row_of(&self, run: &RunId) -> Result<Option<RunRow>> {
        let mut find = self.index.db.prepare_cached(&format!("{RUN} WHERE runs.id = ?1"))?;
        find.query_row([&run.0], |row| self.run_row(row)).optional()
    }

    fn run_row(&self, row: &Row) -> Result<RunRow> {
        let id = run_id(row)?;
        let folder = self.workspace.run_folder(&id);
        let tags: Option<String> = row.get("tag_list")?;
        let what: Option<String> = row.get("failure_what")?;
        let sparkline: String = row.get("sparkline")?;
        let (settings, figures) = self.settings_and_figures(&id, row)?;
        let state = RunState::from_name(row.get_ref("state")?.as_str()?);
        let is_elsewhere = state.is_live() && !self.live.contains_key(&id);
        Ok(RunRow {
            phase: self.live.get(&id).and_then(|live| live.phase),
            name: row.get("name")?,
            state,
            host: is_elsewhere.then(|| Heartbeat::read(&folder)).flatten().map(|beat| beat.host),
            starred: row.get("starred")?,
            tags: tags.map(|tags| tags.split('\u{1f}').map(str::to_owned).collect()).unwrap_or_default(),
            experiment: row.get("experiment_name")?,
            model: row.get("model_name")?,
            model_folder: path(row, "model_folder")?,
            dataset: row.get("dataset_name")?,
            method: row.get("method")?,
            n_virtual: count(row, "n_virtual")?.unwrap_or(0),
            trained_parameters: count(row, "trained_parameters")?,
            stored_parameters: count(row, "stored_parameters")?,
            best_loss: row.get("best_loss")?,
            best_step: count(row, "best_step")?,
            last_loss: row.get("last_loss")?,
            step: count(row, "step")?.unwrap_or(0),
            total_steps: count(row, "total_steps")?.unwrap_or(0),
            created: row.get("created")?,
            started: row.get("started")?,
            ended: row.get("ended")?,
            duration_secs: row.get("duration_secs")?,
            sparkline: serde_json::from_str(&sparkline).unwrap_or_default(),
            files_missing: self.workspace.misses_files(&id),
            archived: row.get("archived")?,
            notes: row.get::<_, Option<String>>("note")?.unwrap_or_default(),
            settings,
            figures,
            folder,
            failure: match what {
                Some(what) => Some(Failure {
                    what: Sentence::from_kept(what),
                    advice: Sentence::from_kept(row.get::<_, Option<_>>("failure_advice")?.unwrap_or_default()),
                }),
                None => None,
            },
            id,
        })
    }

    /// Read from the row where it says something else than before.
    fn settings_and_figures(&self, run: &RunId, row: &Row) -> Result<(Arc<Value>, Arc<Figures>)> {
        let mut all = self.shared.borrow_mut();
        let shared = all.entry(run.clone()).or_default();
        let settings = shared.settings(row.get_ref("config")?.as_str()?);
        let figures = match row.get_ref("figures")?.as_str_or_null()? {
            Some(text) => shared.figures(text),
            // Another program writes the database, and has not looked for them yet.
            None => Arc::new(figures::of_run(&self.index.db, row.get("key")?)?),
        };
        Ok((settings, figures))
    }

    /// Figures that are still to be found are written with the rows; where that fails they are found for each question.
    fn find_figures(&mut self) {
        if !self.keeps_rows() {
            return;
        }
        let missing = figures::missing(&self.index.db).unwrap_or_default();
        if missing.is_empty() {
            return;
        }
        let found = self.begin_transaction().and_then(|()| Ok(figures::find(&self.index.db, &missing)?));
        if let Err(failure) = found.and_then(|()| self.try_to_commit()) {
            tracing::debug!("{failure}");
            self.roll_back();
        }
    }

    pub(super) fn detail(&mut self, run: &RunId, since: Cursor) -> Result<(), StoreFailure> {
        let found = self
            .index
            .db
            .prepare_cached(&format!("{RUN} WHERE runs.id = ?1"))?
            .query_row([&run.0], |row| {
                let facts: Option<String> = row.get("facts")?;
                let config: String = row.get("config")?;
                Ok((self.run_row(row)?, row.get("key")?, row.get("revision")?, config, facts))
            })
            .optional()?;
        let Some((row, key, revision, config, facts)) = found else { return Err(unknown(run)) };
        let replace = since == Cursor::default() || since.revision != revision;
        let since = if replace { Cursor { step: -1, ..Cursor::default() } } else { since };
        let mut cursor = Cursor { revision, ..since };
        let (series, more) = self.series(key, &mut cursor)?;
        let detail = RunDetail {
            evaluations: self.evaluations(key, &mut cursor)?,
            samples: self.samples(key, &mut cursor)?,
            log: self.log_lines(key, &mut cursor)?,
            checkpoints: self.checkpoints(key, &row.folder)?,
            kept: self.kept(key, &row.folder)?,
            notes: row.notes.clone(),
            config: serde_json::from_str(&config).ok(),
            facts: facts.and_then(|facts| serde_json::from_str(&facts).ok()),
            row,
            cursor,
            replace,
            more,
            series,
        };
        self.answer(Answer::Detail(Box::new(detail)));
        Ok(())
    }

    /// Whole steps after the cursor's, at most [`POINTS`], and whether there are more.
    fn series(&self, key: Key, cursor: &mut Cursor) -> Result<(Vec<Series>, bool)> {
        let mut find = self.index.db.prepare_cached(
            "SELECT step, name, value FROM metrics WHERE run = ?1 AND step > ?2 ORDER BY step, name LIMIT ?3",
        )?;
        let limit = POINTS / FIGURES * FIGURES;
        let mut series: BTreeMap<String, Vec<[f64; 2]>> = BTreeMap::new();
        let (mut rows, mut read) = (find.query(params![key, cursor.step, limit])?, 0);
        while let Some(row) = rows.next()? {
            let step: i64 = row.get(0)?;
            let name = row.get_ref(1)?.as_str()?;
            let point = [step as f64, row.get::<_, Option<f64>>(2)?.unwrap_or(f64::NAN)];
            match series.get_mut(name) {
                Some(points) => points.push(point),
                None => drop(series.insert(name.to_owned(), vec![point])),
            }
            cursor.step = step;
            read += 1;
        }
        let series = series.into_iter().map(|(name, points)| Series { name, points }).collect();
        Ok((series, read == limit))
    }

    pub(super) fn evaluations(&self, key: Key, cursor: &mut Cursor) -> Result<Vec<EvaluationReport>> {
        let sql = "SELECT key, step, loss, best, elapsed_secs, figures, metric FROM evaluations
            WHERE run = ?1 AND key > ?2 ORDER BY key";
        collect(self.index.db.prepare_cached(sql)?, key, &mut cursor.evaluation, |row| {
            Ok(EvaluationReport {
                step: count(row, "step")?.unwrap_or(0),
                loss: row.get::<_, Option<f64>>("loss")?.unwrap_or(f64::NAN),
                best: row.get("best")?,
                elapsed_secs: row.get::<_, Option<f64>>("elapsed_secs")?.unwrap_or(0.0),
                figures: row.get::<_, Option<String>>("figures")?.and_then(|text| serde_json::from_str(&text).ok()),
                metric: row.get::<_, Option<String>>("metric")?.and_then(|text| serde_json::from_str(&text).ok()),
            })
        })
    }

    fn samples(&self, key: Key, cursor: &mut Cursor) -> Result<Vec<SampleReport>> {
        let sql =
            "SELECT key, step, row, prompt, reference, text FROM samples WHERE run = ?1 AND key > ?2 ORDER BY key";
        collect(self.index.db.prepare_cached(sql)?, key, &mut cursor.sample, |row| {
            Ok(SampleReport {
                step: count(row, "step")?.unwrap_or(0),
                row: count(row, "row")?.unwrap_or(0),
                prompt: row.get("prompt")?,
                reference: row.get("reference")?,
                text: row.get("text")?,
            })
        })
    }

    fn log_lines(&self, key: Key, cursor: &mut Cursor) -> Result<Vec<LogLine>> {
        let sql = "SELECT key, at, level, text FROM log WHERE run = ?1 AND key > ?2 ORDER BY key";
        collect(self.index.db.prepare_cached(sql)?, key, &mut cursor.log, |row| {
            let level = match row.get_ref("level")?.as_str()? {
                "error" => LogLevel::Error,
                "warning" => LogLevel::Warning,
                _ => LogLevel::Info,
            };
            Ok(LogLine { at: row.get("at")?, level, text: Sentence::from_kept(row.get("text")?) })
        })
    }

    /// Those that are still on disk.
    fn checkpoints(&self, key: Key, folder: &Path) -> Result<Vec<CheckpointRow>> {
        let mut find =
            self.index.db.prepare_cached("SELECT step, folder, best FROM checkpoints WHERE run = ?1 ORDER BY step")?;
        let rows = find.query_map([key], |row| {
            let inside = path(row, "folder")?;
            if !inside.components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(not_ours("folder"));
            }
            Ok(CheckpointRow {
                step: count(row, "step")?.unwrap_or(0),
                folder: folder.join(inside),
                best: row.get("best")?,
            })
        })?;
        rows.filter(|row| row.as_ref().map_or(true, |row| row.folder.is_dir())).collect()
    }

    /// Evaluations of whole files, the newest first.
    fn kept(&self, key: Key, folder: &Path) -> Result<Vec<KeptEvaluation>> {
        let mut find = self.index.db.prepare_cached("SELECT name, record FROM kept_evaluations WHERE run = ?1")?;
        let rows = find.query_map([key], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut kept = Vec::new();
        for row in rows {
            let (name, record) = row?;
            let is_name = Path::new(&name).components().all(|part| matches!(part, Component::Normal(_)));
            if let (true, Ok(record)) = (is_name, serde_json::from_str(&record)) {
                kept.push(KeptEvaluation { predictions: folder.join(FOLDER).join(name), record });
            }
        }
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.record.at));
        Ok(kept)
    }

    pub(super) fn list_library(&mut self) -> Result<(), StoreFailure> {
        let answer = Answer::Library { models: models(&self.index.db)?, datasets: datasets(&self.index.db)? };
        self.answer(answer);
        Ok(())
    }
}

/// Not those that only runs name which could not begin: what could not be read is not offered again.
fn models(db: &Connection) -> Result<Vec<ModelRow>> {
    let mut find = db.prepare_cached(
        "SELECT *, (SELECT count(*) FROM runs WHERE runs.model = models.key) AS runs FROM models
         WHERE architecture IS NOT NULL OR runs = 0 ORDER BY last_used DESC, folder",
    )?;
    let rows = find.query_map([], |row| {
        Ok(ModelRow {
            folder: path(row, "folder")?,
            name: row.get("name")?,
            architecture: row.get("architecture")?,
            parameters: count(row, "parameters")?,
            hash: row.get("hash")?,
            last_used: row.get("last_used")?,
            runs: count(row, "runs")?.unwrap_or(0),
        })
    })?;
    rows.collect()
}

/// Those that no run has read and that only failed runs were on are none: their file may not be there.
fn datasets(db: &Connection) -> Result<Vec<DatasetRow>> {
    let mut find = db.prepare_cached(
        "SELECT *, (SELECT count(*) FROM runs WHERE runs.dataset = datasets.key) AS runs FROM datasets
         WHERE train <> '' AND (
             rows IS NOT NULL
             OR NOT EXISTS (SELECT 1 FROM runs WHERE runs.dataset = datasets.key)
             OR EXISTS (SELECT 1 FROM runs WHERE runs.dataset = datasets.key AND runs.state <> 'failed')
         ) ORDER BY last_used DESC, train",
    )?;
    let rows = find.query_map([], |row| {
        Ok(DatasetRow {
            train: path(row, "train")?,
            validation: row.get::<_, Option<String>>("validation")?.map(PathBuf::from),
            name: row.get("name")?,
            rows: count(row, "rows")?,
            last_used: row.get("last_used")?,
            runs: count(row, "runs")?.unwrap_or(0),
        })
    })?;
    rows.collect()
}

/// The rows of a run with a key above the cursor's, which then is that of the last.
fn collect<T>(
    mut find: CachedStatement,
    run: Key,
    cursor: &mut i64,
    read: impl Fn(&Row) -> Result<T>,
) -> Result<Vec<T>> {
    let mut rows = find.query(params![run, *cursor])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        *cursor = row.get("key")?;
        found.push(read(row)?);
    }
    Ok(found)
}

/// An id is the name of a folder, and nothing that leads elsewhere, whoever made the database.
fn run_id(row: &Row) -> Result<RunId> {
    let id = RunId(row.get("id")?);
    if id.is_a_name() { Ok(id) } else { Err(not_ours("id")) }
}

/// A value that this program never wrote.
fn not_ours(column: &'static str) -> rusqlite::Error {
    let reason = format!("{column} leads out of the folder of the runs");
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, reason.into())
}

fn path(row: &Row, column: &str) -> Result<PathBuf> {
    row.get::<_, String>(column).map(PathBuf::from)
}

/// A count is stored with a sign; a negative one is none of ours.
fn count<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<Option<T>> {
    Ok(row.get::<_, Option<i64>>(column)?.and_then(|value| T::try_from(value).ok()))
}

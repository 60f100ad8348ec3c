//! Writes to each table: by the engine's events as they come, and by reading a run folder.

use std::path::Path;

use engine::config::RunConfig;
use engine::evaluation::kept_evaluations;
use engine::training::{EvaluationReport, RunFacts, SampleReport, StepReport};
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::figures;
use super::folder::{Marks, RunFile};
use super::rows::{LogLine, RunState};
use super::sparkline::Sparkline;
use crate::workspace::{RunId, dataset_name, method_summary, model_name};

/// A run's primary key.
pub(super) type Key = i64;

/// The figures of a run's row that follow from its metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) step: i64,
    pub(super) last_loss: Option<f64>,
    pub(super) duration_secs: f64,
    pub(super) sparkline: Sparkline,
}

pub(super) fn key_of(db: &Connection, run: &RunId) -> Result<Option<Key>> {
    db.prepare_cached("SELECT key FROM runs WHERE id = ?1")?.query_row([&run.0], |row| row.get(0)).optional()
}

/// Inserts a run, or gives one that is there another configuration.
pub(super) fn put_run(db: &Connection, run: &RunId, config: &RunConfig, file: &RunFile) -> Result<Key> {
    let model = put_model(db, &config.model, file.created)?;
    let dataset = put_dataset(db, &config.data.train, config.data.validation.as_deref(), file.created)?;
    let text = serde_json::to_string(config).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached(
        "INSERT INTO runs (id, name, state, model, dataset, method, n_virtual, config, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (id) DO UPDATE SET model = excluded.model, dataset = excluded.dataset,
             method = excluded.method, n_virtual = excluded.n_virtual, config = excluded.config",
    )?
    .execute(params![
        run.0,
        file.name,
        file.state.name(),
        model,
        dataset,
        method_summary(config),
        signed(config.method.n_virtual()),
        text,
        file.created
    ])?;
    let key = key_of(db, run)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    put_state(db, key, file)?;
    Ok(key)
}

/// Writes the columns that `run.json` has too: name, state, times, group, failure, and what people said where it has that.
pub(super) fn put_state(db: &Connection, key: Key, file: &RunFile) -> Result<()> {
    put_experiment(db, key, file.experiment.as_deref())?;
    let failure = file.failure.as_ref();
    db.prepare_cached(
        "UPDATE runs SET name = ?2, state = ?3, created = ?4, started = ?5, ended = ?6, failure_what = ?7,
             failure_advice = ?8, marks_kept = ?9 WHERE key = ?1",
    )?
    .execute(params![
        key,
        file.name,
        file.state.name(),
        file.created,
        file.started,
        file.ended,
        failure.map(|f| f.what.kept()),
        failure.map(|f| f.advice.kept()),
        file.marks.is_some()
    ])?;
    file.marks.as_ref().map_or(Ok(()), |marks| put_marks(db, key, marks))
}

/// Writes what people said of a run.
pub(super) fn put_marks(db: &Connection, key: Key, marks: &Marks) -> Result<()> {
    db.prepare_cached("UPDATE runs SET starred = ?2, archived = ?3 WHERE key = ?1")?.execute(params![
        key,
        marks.starred,
        marks.archived
    ])?;
    db.prepare_cached("DELETE FROM tags WHERE run = ?1")?.execute([key])?;
    for tag in marks.tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()) {
        db.prepare_cached("INSERT OR IGNORE INTO tags (run, tag) VALUES (?1, ?2)")?.execute(params![key, tag])?;
    }
    db.prepare_cached("DELETE FROM notes WHERE run = ?1")?.execute([key])?;
    if !marks.notes.is_empty() {
        db.prepare_cached("INSERT INTO notes (run, text) VALUES (?1, ?2)")?.execute(params![key, marks.notes])?;
    }
    Ok(())
}

/// Star, tags, notes and place of a run.
pub(super) fn marks_of(db: &Connection, key: Key) -> Result<Marks> {
    let mut find = db.prepare_cached("SELECT tag FROM tags WHERE run = ?1 ORDER BY tag")?;
    let tags = find.query_map([key], |row| row.get(0))?.collect::<Result<_>>()?;
    db.prepare_cached("SELECT starred, archived, (SELECT text FROM notes WHERE run = key) FROM runs WHERE key = ?1")?
        .query_row([key], |row| {
            let notes: Option<String> = row.get(2)?;
            Ok(Marks { starred: row.get(0)?, archived: row.get(1)?, tags, notes: notes.unwrap_or_default() })
        })
}

/// The content of `run.json` for a run that has none, by its row.
pub(super) fn file_of(db: &Connection, key: Key) -> Result<RunFile> {
    let sql = "SELECT name, state, created, started, ended,
            (SELECT name FROM experiments WHERE experiments.key = runs.experiment) FROM runs WHERE key = ?1";
    db.prepare_cached(sql)?.query_row([key], |row| {
        Ok(RunFile {
            name: row.get(0)?,
            state: RunState::from_name(row.get_ref(1)?.as_str()?),
            experiment: row.get(5)?,
            created: row.get(2)?,
            started: row.get(3)?,
            ended: row.get(4)?,
            failure: None,
            marks: None,
        })
    })
}

/// `run.json` has what people said of the run.
pub(super) fn put_kept_marks(db: &Connection, key: Key) -> Result<()> {
    db.prepare_cached("UPDATE runs SET marks_kept = 1 WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Runs of which people said something that no `run.json` has.
pub(super) fn unkept_marks(db: &Connection) -> Result<Vec<(RunId, Key)>> {
    let sql = "SELECT id, key FROM runs WHERE NOT marks_kept AND (starred OR archived
            OR EXISTS (SELECT 1 FROM tags WHERE run = runs.key) OR EXISTS (SELECT 1 FROM notes WHERE run = runs.key))";
    db.prepare_cached(sql)?.query_map([], |row| Ok((RunId(row.get(0)?), row.get(1)?)))?.collect()
}

fn put_experiment(db: &Connection, key: Key, name: Option<&str>) -> Result<()> {
    if let Some(name) = name {
        db.prepare_cached("INSERT OR IGNORE INTO experiments (name) VALUES (?1)")?.execute([name])?;
    }
    db.prepare_cached("UPDATE runs SET experiment = (SELECT key FROM experiments WHERE name = ?2) WHERE key = ?1")?
        .execute(params![key, name])?;
    Ok(())
}

pub(super) fn put_model(db: &Connection, folder: &Path, at: i64) -> Result<Key> {
    db.prepare_cached(
        "INSERT INTO models (folder, name, last_used) VALUES (?1, ?2, ?3)
         ON CONFLICT (folder) DO UPDATE SET last_used = max(last_used, excluded.last_used) RETURNING key",
    )?
    .query_row(params![folder.to_string_lossy(), model_name(folder), at], |row| row.get(0))
}

pub(super) fn put_dataset(db: &Connection, train: &Path, validation: Option<&Path>, at: i64) -> Result<Key> {
    db.prepare_cached(
        "INSERT INTO datasets (train, validation, name, last_used) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (train) DO UPDATE SET last_used = max(last_used, excluded.last_used),
             validation = coalesce(excluded.validation, validation) RETURNING key",
    )?
    .query_row(
        params![train.to_string_lossy(), validation.map(Path::to_string_lossy), dataset_name(train), at],
        |row| row.get(0),
    )
}

/// Writes the facts that are known once the run has started.
pub(super) fn put_facts(db: &Connection, key: Key, facts: &RunFacts) -> Result<()> {
    let text = serde_json::to_string(facts).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached(
        "UPDATE runs SET facts = ?2, trained_parameters = ?3, stored_parameters = ?4, total_steps = ?5, figures = NULL
             WHERE key = ?1",
    )?
    .execute(params![
        key,
        text,
        signed(facts.trained_parameters),
        signed(facts.stored_parameters),
        signed(facts.total_steps)
    ])?;
    db.prepare_cached(
        "UPDATE models SET architecture = ?2, parameters = ?3, hash = ?4
         WHERE key = (SELECT model FROM runs WHERE key = ?1)",
    )?
    .execute(params![key, facts.architecture, signed(facts.base_parameters), facts.model_hash])?;
    db.prepare_cached("UPDATE datasets SET rows = ?2 WHERE key = (SELECT dataset FROM runs WHERE key = ?1)")?
        .execute(params![key, signed(facts.train_rows)])?;
    Ok(())
}

pub(super) fn add_step(db: &Connection, key: Key, report: &StepReport) -> Result<()> {
    let figures = [
        ("loss", report.loss),
        ("learning_rate", report.learning_rate),
        ("grad_norm", report.grad_norm),
        ("labeled_tokens", report.labeled_tokens as f64),
        ("tokens", report.tokens as f64),
        ("elapsed_secs", report.elapsed_secs),
    ];
    let mut insert =
        db.prepare_cached("INSERT OR REPLACE INTO metrics (run, step, name, value) VALUES (?1, ?2, ?3, ?4)")?;
    for (name, value) in figures {
        insert.execute(params![key, signed(report.step), name, value])?;
    }
    Ok(())
}

/// Adds an evaluation.
pub(super) fn add_evaluation(db: &Connection, key: Key, report: &EvaluationReport) -> Result<()> {
    let figures = report.figures.as_ref().and_then(|figures| serde_json::to_string(figures).ok());
    let metric = report.metric.as_ref().and_then(|metric| serde_json::to_string(metric).ok());
    db.prepare_cached(
        "INSERT INTO evaluations (run, step, loss, best, elapsed_secs, figures, metric)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (run, step) DO UPDATE SET loss = excluded.loss, best = excluded.best, figures = excluded.figures,
             metric = excluded.metric",
    )?
    .execute(params![key, signed(report.step), report.loss, report.best, report.elapsed_secs, figures, metric])?;
    put_best(db, key)
}

/// The best is the evaluation of the checkpoint that the run calls its best: a figure whose adapter one can hold.
fn put_best(db: &Connection, key: Key) -> Result<()> {
    db.prepare_cached(
        "UPDATE runs SET (best_loss, best_step) = (NULL, NULL) WHERE key = ?1 AND best_loss IS NOT NULL",
    )?
    .execute([key])?;
    db.prepare_cached(
        "UPDATE runs SET (best_loss, best_step) = (best.loss, best.step)
         FROM (SELECT evaluations.loss, evaluations.step FROM evaluations JOIN checkpoints USING (run, step)
             WHERE run = ?1 AND checkpoints.best AND loss IS NOT NULL ORDER BY step DESC LIMIT 1)
             AS best WHERE key = ?1",
    )?
    .execute([key])?;
    figures::forget(db, key)
}

pub(super) fn add_sample(db: &Connection, key: Key, sample: &SampleReport) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO samples (run, step, row, prompt, reference, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (run, step, row) DO UPDATE SET prompt = excluded.prompt, reference = excluded.reference,
             text = excluded.text",
    )?
    .execute(params![
        key,
        signed(sample.step),
        signed(sample.row),
        sample.prompt,
        sample.reference,
        sample.text
    ])?;
    Ok(())
}

/// `folder` is inside the run's folder.
pub(super) fn add_checkpoint(db: &Connection, key: Key, step: usize, folder: &str, best: bool) -> Result<()> {
    if best {
        db.prepare_cached("UPDATE checkpoints SET best = 0 WHERE run = ?1")?.execute([key])?;
    }
    db.prepare_cached("INSERT OR REPLACE INTO checkpoints (run, step, folder, best) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![key, signed(step), folder, best])?;
    if best { put_best(db, key) } else { Ok(()) }
}

/// The checkpoints of a run are these and no others.
pub(super) fn put_checkpoints(db: &Connection, key: Key, checkpoints: &[(usize, String, bool)]) -> Result<()> {
    db.prepare_cached("DELETE FROM checkpoints WHERE run = ?1")?.execute([key])?;
    for (step, folder, best) in checkpoints {
        add_checkpoint(db, key, *step, folder, *best)?;
    }
    put_best(db, key)
}

/// The evaluations of whole files that a run has are these and no others.
pub(super) fn put_kept(db: &Connection, key: Key, folder: &Path) -> Result<()> {
    db.prepare_cached("DELETE FROM kept_evaluations WHERE run = ?1")?.execute([key])?;
    let mut insert = db.prepare_cached("INSERT INTO kept_evaluations (run, name, record) VALUES (?1, ?2, ?3)")?;
    for (path, record) in kept_evaluations(folder) {
        let record =
            serde_json::to_string(&record).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            insert.execute(params![key, name, record])?;
        }
    }
    figures::forget(db, key)
}

pub(super) fn add_log(db: &Connection, key: Key, line: &LogLine) -> Result<()> {
    let level = match line.level {
        super::LogLevel::Info => "info",
        super::LogLevel::Warning => "warning",
        super::LogLevel::Error => "error",
    };
    db.prepare_cached("INSERT INTO log (run, at, level, text) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        key,
        line.at,
        level,
        line.text.kept()
    ])?;
    Ok(())
}

/// Forgets what came after a step; readers learn from the revision that what they read is void.
pub(super) fn drop_after(db: &Connection, key: Key, step: usize) -> Result<()> {
    let mut dropped = 0;
    for table in ["metrics", "evaluations", "samples", "checkpoints"] {
        let sql = format!("DELETE FROM {table} WHERE run = ?1 AND step > ?2");
        dropped += db.prepare_cached(&sql)?.execute(params![key, signed(step)])?;
    }
    if dropped > 0 {
        db.prepare_cached("UPDATE runs SET revision = revision + 1 WHERE key = ?1")?.execute([key])?;
        put_best(db, key)?;
    }
    Ok(())
}

/// Forgets everything that a run folder can give back.
pub(super) fn clear(db: &Connection, key: Key) -> Result<()> {
    for table in ["metrics", "evaluations", "samples", "checkpoints", "log"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE run = ?1"))?.execute([key])?;
    }
    db.prepare_cached("UPDATE runs SET revision = revision + 1 WHERE key = ?1")?.execute([key])?;
    put_best(db, key)
}

/// Reads the metrics of a run for the figures of its row.
pub(super) fn summarize(db: &Connection, key: Key) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut read = db.prepare_cached(
        "SELECT step, name, value FROM metrics WHERE run = ?1 AND name IN ('loss', 'elapsed_secs')
             ORDER BY step, name",
    )?;
    let mut rows = read.query([key])?;
    while let Some(row) = rows.next()? {
        let value: Option<f64> = row.get(2)?;
        if row.get_ref(1)?.as_str()? == "loss" {
            summary.step = row.get(0)?;
            summary.last_loss = value;
            summary.sparkline.push(value.unwrap_or(f64::NAN));
        } else {
            summary.duration_secs += value.unwrap_or(0.0);
        }
    }
    summary.duration_secs += db
        .prepare_cached("SELECT total(elapsed_secs) FROM evaluations WHERE run = ?1")?
        .query_row([key], |row| row.get::<_, f64>(0))?;
    Ok(summary)
}

pub(super) fn put_summary(db: &Connection, key: Key, summary: &Summary) -> Result<()> {
    let line: Vec<f64> = summary.sparkline.points().into_iter().map(f64::from).collect();
    let line = serde_json::to_string(&line).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached("UPDATE runs SET step = ?2, last_loss = ?3, duration_secs = ?4, sparkline = ?5 WHERE key = ?1")?
        .execute(params![key, summary.step, summary.last_loss, summary.duration_secs, line])?;
    Ok(())
}

pub(super) fn put_synced(db: &Connection, key: Key, fingerprint: Option<&str>) -> Result<()> {
    db.prepare_cached("UPDATE runs SET synced = ?2 WHERE key = ?1")?.execute(params![key, fingerprint])?;
    Ok(())
}

/// SQLite's integers have a sign; no count of ours needs the last bit.
pub(super) fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

//! Runs as their folders tell them: when the database is new, when a run came by another way or was interrupted, and
//! while another program computes it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use engine::config::RunConfig;
use engine::error::io_reason;
use engine::files::{self, Kind, if_there};
use engine::training::RunFacts;
use engine::{Sentence, sentence};
use rusqlite::OptionalExtension;

use super::Answer;
use super::edit::forget_grave;
use super::folder::{self, Line, RunFile};
use super::heartbeat::is_computed;
use super::index::Right;
use super::rows::{LogLine, RunState};
use super::tables::{self, Key};
use super::thread::{StoreFailure, StoreThread};
use crate::workspace::{RunId, default_name, now};

/// The place up to which the files of a run were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Followed {
    /// A resumed run has other facts, and may have dropped steps.
    facts: Option<String>,
    metrics: u64,
    log: u64,
}

/// A run's state in the database, and its folder's fingerprint there.
struct Known {
    state: RunState,
    synced: Option<String>,
}

impl StoreThread {
    /// Reads every run folder that is not what the database says of it; answers how many runs were found interrupted. One
    /// that cannot be read is left out, which is told once, and keeps nobody from the others.
    pub(super) fn scan(&mut self) -> Result<usize, StoreFailure> {
        if !self.keeps_rows() {
            return Ok(0);
        }
        let mut names: Vec<String> = fs::read_dir(self.workspace.runs())?
            .filter_map(|entry| entry.ok().filter(|entry| entry.path().is_dir())?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        let mut interrupted = 0;
        for run in names.into_iter().map(RunId).filter(|run| !self.live.contains_key(run)).collect::<Vec<_>>() {
            let was_live = self.known(&run)?.is_none_or(|known| known.state.is_live());
            match self.adopt_if_changed(&run) {
                Ok(found) => {
                    self.left_out.remove(&run);
                    interrupted += usize::from(found == Some(RunState::Interrupted) && was_live);
                }
                Err(StoreFailure::Engine(error)) => self.leave_out(&run, error.sentence()),
                Err(StoreFailure::Files(error)) => self.leave_out(&run, io_reason(&error)),
                Err(failure) => {
                    self.roll_back();
                    return Err(failure);
                }
            }
        }
        self.miss_folders()?;
        self.miss_files();
        Ok(interrupted)
    }

    fn leave_out(&mut self, run: &RunId, reason: Sentence) {
        self.roll_back();
        if self.left_out.get(run).is_none_or(|told| *told != reason) {
            self.answer(Answer::Notice(sentence!("The run folder {run} is left out: {reason}", run = run.0, reason)));
            self.left_out.insert(run.clone(), reason);
        }
    }

    fn known(&self, run: &RunId) -> Result<Option<Known>, StoreFailure> {
        let mut find = self.index.db.prepare_cached("SELECT state, synced FROM runs WHERE id = ?1")?;
        let known = find.query_row([&run.0], |row| {
            Ok(Known { state: RunState::from_name(row.get_ref(0)?.as_str()?), synced: row.get(1)? })
        });
        Ok(known.optional()?)
    }

    /// The state it was found in, when it had to be read.
    pub(super) fn adopt_if_changed(&mut self, run: &RunId) -> Result<Option<RunState>, StoreFailure> {
        let folder = self.workspace.run_folder(run);
        let known = self.known(run)?;
        let computed = is_computed(&folder);
        let print = folder::fingerprint(&folder);
        if let Some(known) = &known
            && known.synced.as_deref() == Some(print.as_str())
            && known.state.is_live() == computed
        {
            return Ok(None);
        }
        let path = folder.join("config.json");
        if known.is_none() && is_missing(&path) {
            forget_empty(&folder);
            return Ok(None);
        }
        // A stranger's links lead nowhere, and nobody waits at a pipe.
        files::refuse_links(&folder)?;
        let config = files::read_json::<RunConfig>(&path, Kind::RunRecord, sentence!("config.json"));
        let Some(config) = if_there(config)? else { return Ok(None) };
        let file = state_of(&folder, &config, computed);
        if file.state == RunState::Interrupted && matches!(self.index.right, Right::Ours { .. }) {
            folder::sweep(&folder)?;
        }
        self.begin_transaction()?;
        let key = tables::put_run(&self.index.db, run, &config, &file)?;
        self.read_files(run, &folder, key, known.is_some())?;
        tables::put_synced(&self.index.db, key, Some(&print))?;
        self.try_to_commit()?;
        self.changed.insert(run.clone());
        if !computed {
            self.followed.remove(run);
        }
        Ok(Some(file.state))
    }

    /// Facts, metrics, checkpoints and log: what is new in them if the run was read before, else everything.
    fn read_files(&mut self, run: &RunId, folder: &Path, key: Key, known: bool) -> Result<(), StoreFailure> {
        let facts = if_there(files::read_to_string(&folder.join("facts.json"), Kind::RunRecord))?;
        let length = |name| fs::metadata(folder.join(name)).map_or(0, |file| file.len());
        let followed = self.followed.remove(run).filter(|followed| {
            known
                && followed.facts == facts
                && followed.metrics <= length("metrics.jsonl")
                && followed.log <= length("log.jsonl")
        });
        let db = &self.index.db;
        if followed.is_none() {
            tables::clear(db, key)?;
        }
        let from = followed.unwrap_or_default();
        if let Some(facts) = facts.as_deref().and_then(|text| serde_json::from_str::<RunFacts>(text).ok()) {
            tables::put_facts(db, key, &facts)?;
        }
        let metrics = folder::read_lines(&folder.join("metrics.jsonl"), from.metrics, |line| {
            match line {
                Line::Step(step) => tables::add_step(db, key, &step.into())?,
                Line::Evaluation(evaluation) => tables::add_evaluation(db, key, &evaluation.into())?,
                Line::Sample(sample) => tables::add_sample(db, key, &sample)?,
            }
            Ok::<(), StoreFailure>(())
        })?;
        let log = folder::read_lines(&folder.join("log.jsonl"), from.log, |line: LogLine| {
            Ok::<(), StoreFailure>(tables::add_log(db, key, &line)?)
        })?;
        tables::put_checkpoints(db, key, &folder::read_checkpoints(folder)?)?;
        tables::put_kept(db, key, folder)?;
        tables::put_summary(db, key, &tables::summarize(db, key)?)?;
        self.followed.insert(run.clone(), Followed { facts, metrics, log });
        Ok(())
    }

    /// Puts into the folders what people said of runs in earlier versions, or in a database that is no longer used.
    pub(super) fn keep_marks(&mut self) {
        let unkept = tables::unkept_marks(&self.index.db).unwrap_or_default();
        for (run, key) in unkept {
            let folder = self.workspace.run_folder(&run);
            if self.live.contains_key(&run) || !folder.is_dir() || is_computed(&folder) {
                continue;
            }
            let kept = self.keep_in_folder(&run, key).and_then(|()| {
                tables::put_synced(&self.index.db, key, Some(&folder::fingerprint(&folder)))?;
                Ok(tables::put_kept_marks(&self.index.db, key)?)
            });
            if let Err(failure) = kept {
                tracing::warn!("what was said of the run {run} is in the database alone: {failure}");
            }
        }
    }

    /// Runs that this program computes, into an index that does not have them yet: the files have all that was told before.
    pub(super) fn enter_live_runs(&mut self) {
        for run in self.live.keys().cloned().collect::<Vec<_>>() {
            if let Err(failure) = self.enter_live_run(&run) {
                self.roll_back();
                tracing::warn!("the run {run} is read when it has ended: {failure}");
            }
        }
    }

    fn enter_live_run(&mut self, run: &RunId) -> Result<(), StoreFailure> {
        let folder = self.workspace.run_folder(run);
        let Some(live) = self.live.get_mut(run) else { return Ok(()) };
        live.lose_row();
        let file = live.file().clone();
        let config: RunConfig =
            files::read_json(&folder.join("config.json"), Kind::RunRecord, sentence!("config.json"))?;
        self.begin_transaction()?;
        let key = tables::put_run(&self.index.db, run, &config, &file)?;
        self.read_files(run, &folder, key, false)?;
        self.followed.remove(run);
        let summary = tables::summarize(&self.index.db, key)?;
        if let Some(live) = self.live.get_mut(run) {
            live.gain_row(key, summary);
        }
        self.try_to_commit()?;
        Ok(())
    }

    /// A run whose folder is gone is computed by nobody.
    fn miss_folders(&mut self) -> Result<(), StoreFailure> {
        let live: Vec<RunId> = self
            .index
            .db
            .prepare_cached("SELECT id FROM runs WHERE state IN ('queued', 'preparing', 'running', 'paused')")?
            .query_map([], |row| row.get(0).map(RunId))?
            .collect::<Result<_, _>>()?;
        for run in live {
            if !self.live.contains_key(&run) && !self.workspace.run_folder(&run).is_dir() {
                self.index.db.execute("UPDATE runs SET state = 'interrupted' WHERE id = ?1", [&run.0])?;
                self.changed.insert(run);
            }
        }
        Ok(())
    }

    /// Files that somebody took away or put back, of whatever run.
    fn miss_files(&mut self) {
        let has_moved = |(run, were_missing): &(&RunId, &bool)| self.workspace.misses_files(run) != **were_missing;
        let moved: Vec<RunId> = self.listed.iter().filter(has_moved).map(|(run, _)| run.clone()).collect();
        self.changed.extend(moved);
    }
}

/// A day, after which an empty folder is nobody's: a run that is about to begin has its files in an instant.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// Removes the folder of a run that was killed before it had a file.
fn forget_empty(folder: &Path) {
    if age(folder) > FORGOTTEN {
        // Refused where there is something in it.
        fs::remove_dir(folder).ok();
    }
}

/// Removes what is hidden among the runs: those whose deletion was interrupted, and drafts of imports that were killed.
pub(super) fn forget_leavings(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        let is_draft = || name.starts_with(".draft-") && age(&path) > FORGOTTEN;
        if name.starts_with(".deleted-") || is_draft() {
            forget_grave(&path).unwrap_or_else(|error| tracing::warn!("{}: {error}", path.display()));
        }
    }
}

fn age(path: &Path) -> Duration {
    let changed = fs::metadata(path).and_then(|found| found.modified()).ok();
    changed.and_then(|changed| changed.elapsed().ok()).unwrap_or_default()
}

fn is_missing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// `run.json`, but for whether somebody computes the run; without it, what the other files tell.
fn state_of(folder: &Path, config: &RunConfig, computed: bool) -> RunFile {
    let mut file = RunFile::read(folder).unwrap_or_else(|| RunFile {
        name: if config.name.trim().is_empty() { default_name(config) } else { config.name.clone() },
        state: if folder.join("adapter").is_dir() { RunState::Finished } else { RunState::Interrupted },
        experiment: None,
        created: changed_at(&folder.join("config.json")),
        started: None,
        ended: None,
        failure: None,
        marks: None,
    });
    file.state = match (file.state.is_live(), computed) {
        (true, false) => RunState::Interrupted,
        (false, true) => RunState::Preparing,
        _ => file.state,
    };
    file
}

fn changed_at(path: &Path) -> i64 {
    let time = fs::metadata(path).and_then(|file| file.modified()).ok();
    let since = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_else(now)
}

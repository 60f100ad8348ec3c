//! Runs as their folders tell them: when the database is new, when a run came by another way or was interrupted, and
//! while another program computes it.

use std::fs;
use std::path::Path;

use engine::config::RunConfig;
use engine::message::RunFacts;
use rusqlite::OptionalExtension;

use super::folder::{self, Line, RunFile};
use super::keeper::{Keeper, Trouble};
use super::rows::{LogLine, RunState};
use super::tables::{self, Key};
use crate::workspace::{RunId, default_name, now};

/// How far the files of a run were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Followed {
    /// A resumed run has other facts, and may have dropped steps.
    facts: Option<String>,
    metrics: u64,
    log: u64,
}

/// What the database says about a run.
struct Known {
    state: RunState,
    synced: Option<String>,
}

impl Keeper {
    /// Reads every run folder that is not what the database says of it; answers how many runs were found interrupted.
    pub(super) fn scan(&mut self) -> Result<usize, Trouble> {
        if self.writes.is_none() {
            return Ok(0);
        }
        let mut names: Vec<String> = fs::read_dir(self.workspace.runs())?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        let mut interrupted = 0;
        for run in names.into_iter().map(RunId).filter(|run| !self.live.contains_key(run)).collect::<Vec<_>>() {
            let was_live = self.known(&run)?.is_none_or(|known| known.state.is_live());
            if self.adopt_if_changed(&run)? == Some(RunState::Interrupted) && was_live {
                interrupted += 1;
            }
        }
        self.miss_folders()?;
        Ok(interrupted)
    }

    fn known(&self, run: &RunId) -> Result<Option<Known>, Trouble> {
        let mut find = self.db.prepare_cached("SELECT state, synced FROM runs WHERE id = ?1")?;
        let known = find.query_row([&run.0], |row| {
            Ok(Known { state: RunState::from_name(row.get_ref(0)?.as_str()?), synced: row.get(1)? })
        });
        Ok(known.optional()?)
    }

    /// The state it was found in, when it had to be read.
    fn adopt_if_changed(&mut self, run: &RunId) -> Result<Option<RunState>, Trouble> {
        let folder = self.workspace.run_folder(run);
        let known = self.known(run)?;
        let locked = folder::is_locked(&folder);
        let print = folder::fingerprint(&folder);
        if let Some(known) = &known
            && known.synced.as_deref() == Some(print.as_str())
            && known.state.is_live() == locked
        {
            return Ok(None);
        }
        let Some(config) = folder::read_json::<RunConfig>(&folder.join("config.json")) else { return Ok(None) };
        let file = state_of(&folder, &config, locked);
        self.begin_transaction()?;
        let key = tables::put_run(&self.db, run, &config, &file)?;
        self.read_files(run, &folder, key, known.is_some())?;
        tables::put_synced(&self.db, key, Some(&print))?;
        self.commit();
        self.changed.insert(run.clone());
        if !locked {
            self.followed.remove(run);
        }
        Ok(Some(file.state))
    }

    /// Facts, metrics, checkpoints and log: what is new in them if the run was read before, else everything.
    fn read_files(&mut self, run: &RunId, folder: &Path, key: Key, known: bool) -> Result<(), Trouble> {
        let facts = fs::read_to_string(folder.join("facts.json")).ok();
        let length = |name| fs::metadata(folder.join(name)).map_or(0, |file| file.len());
        let followed = self.followed.remove(run).filter(|followed| {
            known
                && followed.facts == facts
                && followed.metrics <= length("metrics.jsonl")
                && followed.log <= length("log.jsonl")
        });
        let db = &self.db;
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
            Ok::<(), Trouble>(())
        })?;
        let log = folder::read_lines(&folder.join("log.jsonl"), from.log, |line: LogLine| {
            Ok::<(), Trouble>(tables::add_log(db, key, &line)?)
        })?;
        for (step, inside, best) in folder::read_checkpoints(folder) {
            tables::add_checkpoint(db, key, step, &inside, best)?;
        }
        tables::put_summary(db, key, &tables::summarise(db, key)?)?;
        self.followed.insert(run.clone(), Followed { facts, metrics, log });
        Ok(())
    }

    /// A run whose folder is gone is computed by nobody.
    fn miss_folders(&mut self) -> Result<(), Trouble> {
        let live: Vec<RunId> = self
            .db
            .prepare_cached("SELECT id FROM runs WHERE state IN ('queued', 'preparing', 'running', 'paused')")?
            .query_map([], |row| row.get(0).map(RunId))?
            .collect::<Result<_, _>>()?;
        for run in live {
            if !self.live.contains_key(&run) && !self.workspace.run_folder(&run).is_dir() {
                self.db.execute("UPDATE runs SET state = 'interrupted' WHERE id = ?1", [&run.0])?;
                self.changed.insert(run);
            }
        }
        Ok(())
    }
}

/// `run.json`, but nobody computes a run that is not locked; without it, what the other files tell.
fn state_of(folder: &Path, config: &RunConfig, locked: bool) -> RunFile {
    let mut file = RunFile::read(folder).unwrap_or_else(|| RunFile {
        name: if config.name.trim().is_empty() { default_name(config) } else { config.name.clone() },
        state: if folder.join("adapter").is_dir() { RunState::Finished } else { RunState::Interrupted },
        experiment: None,
        created: changed_at(&folder.join("config.json")),
        started: None,
        ended: None,
        failure: None,
    });
    file.state = match (file.state.is_live(), locked) {
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

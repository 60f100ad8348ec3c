//! The engine's events about the runs of this program, written into the database and the run folder.

use std::fs::File;
use std::path::{Path, PathBuf};

use engine::config::RunConfig;
use engine::error::Failure;
use engine::files::write_json;
use engine::protocol::{Event, JobId, Outcome, Phase, Report};
use engine::training::{EvaluationReport, RunFacts, SampleReport, StepReport};
use engine::{Sentence, sentence};

use super::folder::{self, Lock, RunFile};
use super::heartbeat::{self, Heartbeat};
use super::rows::{LogLevel, LogLine, RunState};
use super::tables::{self, Key, Summary};
use super::thread::{StoreFailure, StoreThread};
use crate::workspace::{RunId, default_name, now};

/// A run that this program computes or will compute.
pub(super) struct Live {
    pub(super) phase: Option<Phase>,
    folder: PathBuf,
    /// `None` when another instance writes the database, or when it failed: the folder is read later.
    key: Option<Key>,
    file: RunFile,
    summary: Summary,
    /// Name of the figure by which an evaluation is the best, where that is not the loss.
    metric: Option<String>,
    /// The summary is newer than the row.
    dirty: bool,
    /// The run's file before it was to go on; `None` once it does, and for a run that begins.
    before: Option<RunFile>,
    /// Tells other programs that the run is being computed.
    _lock: Option<File>,
}

impl Live {
    /// The row may lack something: it is read from the folder when the run has ended.
    pub(super) fn lose_row(&mut self) {
        self.key = None;
    }

    /// It has a row again, with all that was told so far.
    pub(super) fn gain_row(&mut self, key: Key, summary: Summary) {
        (self.key, self.summary) = (Some(key), summary);
    }

    /// Reads again what people say of the run: they may have said it through another program.
    fn heed_others(&mut self) {
        if let Some(file) = RunFile::read(&self.folder) {
            (self.file.name, self.file.experiment, self.file.marks) = (file.name, file.experiment, file.marks);
        }
    }

    /// The content of `run.json`.
    pub(super) fn file(&self) -> &RunFile {
        &self.file
    }
}

impl StoreThread {
    pub(super) fn register(
        &mut self,
        run: RunId,
        config: &RunConfig,
        experiment: Option<String>,
    ) -> Result<(), StoreFailure> {
        let folder = self.workspace.run_folder(&run);
        std::fs::create_dir_all(&folder)?;
        let name = if config.name.trim().is_empty() { default_name(config) } else { config.name.trim().to_owned() };
        let mut file = RunFile::read(&folder).unwrap_or(RunFile {
            name,
            state: RunState::Queued,
            experiment: None,
            created: now(),
            started: None,
            ended: None,
            failure: None,
            marks: None,
        });
        file.state = RunState::Queued;
        file.experiment = experiment.or(file.experiment);
        if !folder.join("config.json").exists() {
            write_json(&folder.join("config.json"), config)?;
        }
        let mut live = self.take(&run, file)?;
        live.file.write(&folder)?;
        if self.keeps_rows() {
            live.key = Some(tables::put_run(&self.index.db, &run, config, &live.file)?);
        }
        self.changed.insert(run.clone());
        self.live.insert(run, live);
        self.beat();
        Ok(())
    }

    /// Takes the run's lock, so that no other program computes it at the same time.
    fn take(&mut self, run: &RunId, file: RunFile) -> Result<Live, StoreFailure> {
        let folder = self.workspace.run_folder(run);
        if let Some(mut live) = self.live.remove(run) {
            live.file = file;
            return Ok(live);
        }
        let Lock::Ours(lock) = folder::lock(&folder.join("lock"))? else {
            return Err(StoreFailure::No(
                sentence!("the run {name} is being computed by another program", name = file.name),
                sentence!("Wait until it has ended, or stop it there"),
            ));
        };
        let (ours, other) = (Heartbeat::ours(now()), Heartbeat::read(&folder));
        if let Some(beat) = other.filter(|beat| beat.is_elsewhere(&ours)) {
            let (host, secs) = (&beat.host, beat.age(&ours));
            return Err(StoreFailure::No(
                sentence!("the run {name} is being computed on {host}", name = file.name, host),
                sentence!("It said so {secs} s ago; if it has ended there, try again in two minutes", secs),
            ));
        }
        let key = if self.keeps_rows() { tables::key_of(&self.index.db, run)? } else { None };
        let summary = key.map_or(Ok(Summary::default()), |key| tables::summarize(&self.index.db, key))?;
        Ok(Live { phase: None, folder, key, file, summary, metric: None, dirty: false, before: None, _lock: lock })
    }

    pub(super) fn begin(&mut self, job: JobId, run: RunId) -> Result<(), StoreFailure> {
        let folder = self.workspace.run_folder(&run);
        let file = match self.live.get(&run) {
            Some(live) => Some(live.file.clone()),
            None => RunFile::read(&folder),
        };
        let Some(mut file) = file else { return Err(unknown(&run)) };
        let before = Some(file.clone()).filter(|file| !file.state.is_live());
        file.state = RunState::Preparing;
        (file.ended, file.failure) = (None, None);
        let live = Live { before, ..self.take(&run, file)? };
        self.live.insert(run.clone(), live);
        self.beat();
        self.jobs.insert(job, run.clone());
        self.put_state(&run)
    }

    /// One line per kind of event; events of other jobs are none of ours.
    pub(super) fn record(&mut self, event: &Event) -> Result<(), StoreFailure> {
        let Some(run) = self.jobs.get(&event.job).cloned() else { return Ok(()) };
        self.changed.insert(run.clone());
        if self.keeps_rows() {
            self.begin_transaction()?;
        }
        match &event.what {
            Report::Phase(phase) => self.phase(&run, *phase),
            Report::RunStarted(facts) => self.started(&run, facts),
            Report::Step(step) => self.step(&run, step),
            Report::Evaluated(evaluation) => self.evaluated(&run, evaluation),
            Report::Sample(sample) => self.sample(&run, sample),
            Report::CheckpointWritten { step, folder, best } => self.checkpoint(&run, *step, folder, *best),
            Report::Paused { paused } => self.paused(&run, *paused),
            Report::Finished { outcome } => self.finished(event.job, &run, *outcome),
            Report::Failed(failure) => self.failed(event.job, &run, failure),
            Report::Notice { text } => self.log(&run, LogLevel::Warning, text.clone()),
            _ => Ok(()),
        }
    }

    fn phase(&mut self, run: &RunId, phase: Phase) -> Result<(), StoreFailure> {
        let Some(live) = self.live.get_mut(run) else { return Ok(()) };
        let same = live.phase.is_some_and(|old| std::mem::discriminant(&old) == std::mem::discriminant(&phase));
        live.phase = Some(phase);
        let line = match phase {
            _ if same => return Ok(()),
            Phase::LoadingModel { .. } => sentence!("Loading the model"),
            Phase::PreparingData => sentence!("Reading and tokenizing the rows"),
            Phase::Initializing => sentence!("Setting the initial values"),
            Phase::FirstStep => sentence!("Doing the first step"),
            _ => return Ok(()),
        };
        self.log(run, LogLevel::Info, line)
    }

    fn started(&mut self, run: &RunId, facts: &RunFacts) -> Result<(), StoreFailure> {
        let db = &self.index.db;
        let Some(live) = self.live.get_mut(run) else { return Ok(()) };
        live.file.state = RunState::Running;
        live.file.started.get_or_insert(now());
        live.summary = Summary::default();
        let goes_on = live.before.take().is_some();
        if let Some(key) = live.key {
            if goes_on && let Some(config) = folder::read_json(&live.folder.join("config.json")) {
                // It may go on with other settings, and what was its best may be so no longer.
                tables::put_run(db, run, &config, &live.file)?;
                tables::put_checkpoints(db, key, &folder::read_checkpoints(&live.folder)?)?;
            }
            tables::drop_after(db, key, facts.done_steps)?;
            tables::put_facts(db, key, facts)?;
            live.summary = tables::summarize(db, key)?;
        }
        live.summary.step = tables::signed(facts.done_steps);
        live.dirty = true;
        self.put_state(run)?;
        self.log(run, LogLevel::Info, beginning(facts))?;
        let (cut, skipped) = (facts.truncated_rows, facts.skipped_rows);
        if cut > 0 {
            self.log(run, LogLevel::Warning, sentence!("{cut} {cut:row was|rows were} cut to the length limit", cut))?;
        }
        if skipped > 0 {
            let line = sentence!("{skipped} {skipped:row was|rows were} skipped: nothing to learn in them", skipped);
            self.log(run, LogLevel::Warning, line)?;
        }
        Ok(())
    }

    fn step(&mut self, run: &RunId, report: &StepReport) -> Result<(), StoreFailure> {
        let Some(live) = self.live.get_mut(run) else { return Ok(()) };
        if let Some(key) = live.key {
            tables::add_step(&self.index.db, key, report)?;
        }
        live.summary.step = tables::signed(report.step);
        live.summary.last_loss = Some(report.loss).filter(|loss| !loss.is_nan());
        live.summary.duration_secs += report.elapsed_secs;
        live.summary.sparkline.push(report.loss);
        live.dirty = true;
        Ok(())
    }

    fn evaluated(&mut self, run: &RunId, report: &EvaluationReport) -> Result<(), StoreFailure> {
        let Some(live) = self.live.get_mut(run) else { return Ok(()) };
        if let Some(key) = live.key {
            tables::add_evaluation(&self.index.db, key, report)?;
        }
        live.summary.duration_secs += report.elapsed_secs;
        live.dirty = true;
        live.metric = report.metric.as_ref().map(|metric| metric.name.clone());
        let (step, loss) = (report.step, format!("{:.4}", report.loss));
        let line = match (&report.metric, report.best) {
            (None, true) => sentence!("Step {step}: validation loss {loss}, the best so far", step, loss),
            (None, false) => sentence!("Step {step}: validation loss {loss}", step, loss),
            (Some(metric), best) => {
                let (name, value) = (&metric.name, format!("{:.4}", metric.value));
                match best {
                    true => sentence!(
                        "Step {step}: {name} {value}, the best so far; validation loss {loss}",
                        step,
                        name,
                        value,
                        loss
                    ),
                    false => {
                        sentence!("Step {step}: {name} {value}; validation loss {loss}", step, name, value, loss)
                    }
                }
            }
        };
        self.log(run, LogLevel::Info, line)
    }

    fn sample(&mut self, run: &RunId, sample: &SampleReport) -> Result<(), StoreFailure> {
        match self.live.get(run).and_then(|live| live.key) {
            Some(key) => Ok(tables::add_sample(&self.index.db, key, sample)?),
            None => Ok(()),
        }
    }

    fn checkpoint(&mut self, run: &RunId, step: usize, folder: &Path, best: bool) -> Result<(), StoreFailure> {
        let Some(live) = self.live.get(run) else { return Ok(()) };
        let inside = folder.strip_prefix(&live.folder).unwrap_or(folder);
        if let Some(key) = live.key {
            tables::add_checkpoint(&self.index.db, key, step, &inside.to_string_lossy(), best)?;
        }
        self.log(run, LogLevel::Info, sentence!("Step {step}: checkpoint written", step))
    }

    fn paused(&mut self, run: &RunId, paused: bool) -> Result<(), StoreFailure> {
        let Some(live) = self.live.get_mut(run) else { return Ok(()) };
        live.file.state = if paused { RunState::Paused } else { RunState::Running };
        self.put_state(run)?;
        self.log(run, LogLevel::Info, if paused { sentence!("Paused") } else { sentence!("Going on") })
    }

    fn finished(&mut self, job: JobId, run: &RunId, outcome: Outcome) -> Result<(), StoreFailure> {
        let metric = self.live.get(run).and_then(|live| live.metric.clone());
        let (state, line) = match outcome {
            Outcome::Completed => (RunState::Finished, sentence!("Finished: all steps are done")),
            Outcome::StoppedEarly => {
                let line = match metric {
                    None => sentence!("Finished early: the validation loss no longer falls"),
                    Some(figure) => sentence!("Finished early: {figure} of the validation rows is no better", figure),
                };
                (RunState::Finished, line)
            }
            Outcome::Stopped => (RunState::Stopped, sentence!("Stopped; the run can be resumed")),
        };
        self.log(run, LogLevel::Info, line)?;
        self.jobs.remove(&job);
        self.end(run, state, None)
    }

    fn failed(&mut self, job: JobId, run: &RunId, failure: &Failure) -> Result<(), StoreFailure> {
        self.log(run, LogLevel::Error, sentence!("{what}. {advice}", what = failure.what, advice = failure.advice))?;
        self.jobs.remove(&job);
        match self.live.get_mut(run).and_then(|live| live.before.take()) {
            // It did not go on, so it is as it was.
            Some(before) => self.close_run(run, |file| *file = before),
            None => self.end(run, RunState::Failed, Some(failure.clone())),
        }
    }

    pub(super) fn withdraw(&mut self, run: &RunId) -> Result<(), StoreFailure> {
        self.jobs.retain(|_, other| other != run);
        self.log(run, LogLevel::Info, sentence!("Taken out of the queue"))?;
        self.end(run, RunState::Stopped, None)
    }

    pub(super) fn imported(&mut self, run: &RunId) -> Result<(), StoreFailure> {
        self.log(run, LogLevel::Info, sentence!("Imported"))?;
        self.end(run, RunState::Finished, None)
    }

    /// Its evaluations are read again from its folder.
    pub(super) fn kept_anew(&mut self, run: &RunId) -> Result<(), StoreFailure> {
        if let Some(key) = tables::key_of(&self.index.db, run)?.filter(|_| self.keeps_rows()) {
            tables::put_kept(&self.index.db, key, &self.workspace.run_folder(run))?;
            self.changed.insert(run.clone());
        }
        Ok(())
    }

    pub(super) fn engine_gone(&mut self) -> Result<(), StoreFailure> {
        self.interrupt_all(sentence!("The computation ended unexpectedly; resume the run from its last checkpoint"))
    }

    /// The runs of this program will not go on.
    pub(super) fn interrupt_all(&mut self, why: Sentence) -> Result<(), StoreFailure> {
        self.jobs.clear();
        let runs: Vec<RunId> = self.live.keys().cloned().collect();
        runs.iter().try_for_each(|run| {
            self.log(run, LogLevel::Warning, why.clone())?;
            self.end(run, RunState::Interrupted, None)
        })
    }

    fn end(&mut self, run: &RunId, state: RunState, failure: Option<Failure>) -> Result<(), StoreFailure> {
        self.close_run(run, |file| (file.state, file.failure, file.ended) = (state, failure, Some(now())))
    }

    /// The last thing written about a run; then others may compute it.
    fn close_run(&mut self, run: &RunId, change: impl FnOnce(&mut RunFile)) -> Result<(), StoreFailure> {
        let Some(live) = self.live.get_mut(run) else { return Ok(()) };
        change(&mut live.file);
        let written = self.put_state(run);
        let Some(live) = self.live.remove(run) else { return Ok(()) };
        heartbeat::end(&live.folder);
        if let Some(key) = live.key {
            tables::put_summary(&self.index.db, key, &live.summary)?;
            tables::put_synced(&self.index.db, key, Some(&folder::fingerprint(&live.folder)))?;
        }
        written
    }

    /// `run.json` and the row say what `live.file` says of the computation.
    fn put_state(&mut self, run: &RunId) -> Result<(), StoreFailure> {
        if let Some(live) = self.live.get_mut(run) {
            live.heed_others();
        }
        self.put_file(run)
    }

    /// `run.json` and the row say what `live.file` says. A folder that was deleted is not made again.
    fn put_file(&mut self, run: &RunId) -> Result<(), StoreFailure> {
        let Some(live) = self.live.get(run) else { return Ok(()) };
        self.changed.insert(run.clone());
        if let Some(key) = live.key {
            tables::put_state(&self.index.db, key, &live.file)?;
        }
        if live.folder.is_dir() { Ok(live.file.write(&live.folder)?) } else { Ok(()) }
    }

    fn log(&mut self, run: &RunId, level: LogLevel, text: Sentence) -> Result<(), StoreFailure> {
        let Some(live) = self.live.get(run) else { return Ok(()) };
        let line = LogLine { at: now(), level, text };
        if let Some(key) = live.key {
            tables::add_log(&self.index.db, key, &line)?;
        }
        if live.folder.is_dir() { Ok(folder::append_log(&live.folder, &line)?) } else { Ok(()) }
    }

    /// The figures of the rows, once for all events that came together.
    pub(super) fn write_summaries(&mut self) -> Result<(), StoreFailure> {
        for live in self.live.values_mut().filter(|live| live.dirty) {
            live.dirty = false;
            if let Some(key) = live.key {
                tables::put_summary(&self.index.db, key, &live.summary)?;
            }
        }
        Ok(())
    }

    /// Changes what people say of a run that this program computes.
    pub(super) fn change_live(&mut self, run: &RunId, change: impl FnOnce(&mut RunFile)) -> Result<bool, StoreFailure> {
        let Some(live) = self.live.get_mut(run) else { return Ok(false) };
        live.heed_others();
        change(&mut live.file);
        self.put_file(run).map(|()| true)
    }
}

/// The line of the log with which a run begins, or goes on.
fn beginning(facts: &RunFacts) -> Sentence {
    let (steps, done) = (facts.total_steps, facts.done_steps);
    let span = match done {
        0 => sentence!("Training to step {steps}", steps),
        _ => sentence!("Training from step {done} to step {steps}", done, steps),
    };
    sentence!(
        "{span} on {device}: {rows} rows, {validation} to validate; trains {trained} numbers, keeps {stored}",
        span,
        device = facts.device,
        rows = facts.train_rows,
        validation = facts.validation_rows,
        trained = facts.trained_parameters,
        stored = facts.stored_parameters
    )
}

pub(super) fn unknown(run: &RunId) -> StoreFailure {
    StoreFailure::No(sentence!("there is no run {run}", run = run.0), sentence!("Look at the list of runs for its id"))
}

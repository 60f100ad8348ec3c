//! `train`: trains a run and shows it; Ctrl-C writes a checkpoint and says how to go on.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use clap::Args;
use engine::config::{RunConfig, Task};
use engine::protocol::{Ask, Outcome, Report};
use engine::training::EvaluationReport;
use serde_json::json;

use crate::cli::Global;
use crate::cli::commands::{batch_size, into};
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::cli::support::progress::Progress;
use crate::cli::support::run_args::RunArgs;
use crate::cli::support::run_file;
use crate::cli::support::session::{JOB, Session, Wake, note_interrupted, open_store};
use crate::store::{Answer, Request, Store};
use crate::workspace::{RunId, Workspace};

/// Train a run. Without a file: the starter model on the starter dataset.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct TrainArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Name of the run
    #[arg(long)]
    name: Option<String>,
    /// Put the run into a named group
    #[arg(long)]
    experiment: Option<String>,
    /// Show samples at each evaluation, not only at the last
    #[arg(long)]
    samples: bool,
    /// Write the whole configuration to standard output and end
    #[arg(long)]
    print_config: bool,
    /// Say how many rows of a batch memory has room for, and end: steps of the longest rows are tried
    #[arg(long, conflicts_with_all = ["print_config", "into"])]
    probe_batch_size: bool,
    /// Train in this folder alone, without the workspace's list: for jobs that share a disk. Asked to end, it ends with 75
    #[arg(long, value_name = "FOLDER", value_parser = path())]
    into: Option<PathBuf>,
    /// With --into: go on with the run that is in the folder; begin where there is none
    #[arg(long, requires = "into")]
    resume: bool,
}

impl TrainArgs {
    /// The run that is asked for.
    pub(in crate::cli) fn config(&self, global: &Global) -> Result<RunConfig, CliError> {
        self.run.config(self.name.as_deref(), global)
    }
}

pub(in crate::cli) fn run(args: TrainArgs, global: &Global) -> Result<(), CliError> {
    let config = args.config(global)?;
    if args.print_config {
        out::piece(run_file::write(&config));
        return Ok(());
    }
    require_files(&config)?;
    if args.probe_batch_size {
        return batch_size::probe(config, global);
    }
    let progress = Progress::new(global.json).with_every_sample(args.samples);
    if let Some(folder) = &args.into {
        return into::train(folder, config, args.experiment, (args.resume, progress), global);
    }
    let workspace = global.workspace()?;
    let store = open_store(&workspace)?;
    let run = workspace.new_run()?;
    store.0.send(Request::Register { run: run.clone(), config: Box::new(config.clone()), experiment: args.experiment });
    watch(&workspace, store, &run, config, (Start::Anew, progress), global).map(drop)
}

/// A path that leads nowhere is a slip of the hand, and not a run that failed.
fn require_files(config: &RunConfig) -> Result<(), CliError> {
    if !config.model.exists() {
        return Err(CliError::failed(
            format!("there is no model {}", config.model.display()),
            "Name a folder with config.json and weights, a file in GGUF, or the id of a model that was downloaded",
        ));
    }
    let data = &config.data;
    let more = data.more.iter().flat_map(|more| [Some(&more.train), more.validation.as_ref()]);
    let files = [Some(&data.train), data.validation.as_ref()].into_iter().chain(more).flatten();
    match files.into_iter().find(|path| !path.exists()) {
        None => Ok(()),
        Some(path) if engine::data::is_pattern(path) => Ok(engine::data::check_file(path)?),
        Some(path) => Err(CliError::failed(
            format!("there is no file {}", path.display()),
            "Check the path; one in a run file is relative to that file",
        )),
    }
}

/// Start of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Start {
    /// From its initial values.
    Anew,
    /// From its last checkpoint.
    Again,
    /// From its last checkpoint, on whatever has changed since.
    OnOthers,
}

impl Start {
    fn ask(self, folder: &Path, config: RunConfig) -> Ask {
        let (folder, config) = (folder.to_owned(), Box::new(config));
        match self {
            Self::Anew => Ask::Train { folder, config, resume: false, until: None },
            Self::Again => Ask::Train { folder, config, resume: true, until: None },
            Self::OnOthers => Ask::ResumeOnOthers { folder, config },
        }
    }
}

/// Starts the engine on a registered run, and stays until the run ends; answers how it did.
pub(in crate::cli) fn watch(
    workspace: &Workspace,
    (store, answers): (Store, Receiver<Answer>),
    run: &RunId,
    config: RunConfig,
    (start, mut progress): (Start, Progress),
    global: &Global,
) -> Result<Outcome, CliError> {
    let session = match Session::start(workspace, Some(&store)) {
        Ok(session) => session,
        Err(error) => {
            store.send(Request::Withdraw(run.clone()));
            store.close();
            return Err(error);
        }
    };
    let folder = workspace.run_folder(run);
    let label = if start == Start::Anew { "Training" } else { "Resuming" };
    if global.json {
        out::result(named("run", &json!({"run": run, "name": config.name, "folder": folder})));
    } else {
        out::note(format_args!("{label} {} ({run})", config.name));
    }
    store.send(Request::Begin { job: JOB, run: run.clone() });
    store.flush();
    tell(&answers)?;
    let mut end = End::default();
    let ended = train(&session, start.ask(&folder, config), &mut progress, &mut end);
    progress.end();
    if ended.is_err() {
        // Nothing happens to a run that the engine has ended itself.
        store.send(Request::EngineGone);
    }
    store.close();
    if let Err(error) = tell(&answers) {
        out::note(format_args!("Note: {error}"));
    }
    ended?;
    let name = if workspace.is_of_one_run() { Named::Folder(&folder) } else { Named::Id(run) };
    report(name, &folder, &end, global);
    Ok(end.outcome)
}

/// Passes on what the store has to say; a refusal is an error.
fn tell(answers: &Receiver<Answer>) -> Result<(), CliError> {
    answers.try_iter().try_for_each(|answer| match answer {
        Answer::Refused(failure) => Err(failure.into()),
        Answer::Notice(text) => {
            out::note(format_args!("Note: {text}"));
            Ok(())
        }
        Answer::Interrupted(n) => {
            note_interrupted(n);
            Ok(())
        }
        _ => Ok(()),
    })
}

/// Outcome of a run, and the best that it reached in this sitting.
#[derive(Debug, PartialEq)]
struct End {
    outcome: Outcome,
    step: usize,
    /// The last evaluation, whose adapter may not be kept yet.
    last: Option<(usize, f64)>,
    best: Option<(usize, f64)>,
    /// The figure by which it is the best.
    figure: String,
    task: Task,
}

impl Default for End {
    fn default() -> Self {
        Self {
            outcome: Outcome::Stopped,
            step: 0,
            last: None,
            best: None,
            figure: "validation loss".to_owned(),
            task: Task::Causal,
        }
    }
}

fn train(session: &Session, ask: Ask, progress: &mut Progress, end: &mut End) -> Result<(), CliError> {
    session.send(ask)?;
    loop {
        let report = match session.next()? {
            Wake::Interrupt => {
                progress.say("Writing a checkpoint; Ctrl-C again ends at once");
                session.send(Ask::Stop)?;
                continue;
            }
            Wake::Engine(report) => report,
        };
        progress.show(&report);
        match report {
            Report::RunStarted(facts) => (end.step, end.task) = (facts.done_steps, facts.task),
            Report::Step(step) => end.step = step.step,
            Report::Evaluated(EvaluationReport { step, loss, metric: None, .. }) => end.last = Some((step, loss)),
            Report::Evaluated(EvaluationReport { step, metric: Some(metric), .. }) => {
                (end.last, end.figure) = (Some((step, metric.value)), metric.name);
            }
            Report::CheckpointWritten { best: true, .. } => end.best = end.last,
            Report::Finished { outcome } => {
                end.outcome = outcome;
                return Ok(());
            }
            Report::Failed(failure) => return Err(failure.into()),
            _ => {}
        }
    }
}

/// The words for a run in a command.
#[derive(Clone, Copy)]
enum Named<'a> {
    Id(&'a RunId),
    /// Of one that no list has.
    Folder(&'a Path),
}

impl Named<'_> {
    fn words(self, command: &str) -> String {
        let folder = |folder: &Path| run_file::shell_word(&folder.to_string_lossy());
        match (self, command) {
            (Self::Id(run), "resume") => format!("resume {run}"),
            (Self::Folder(path), "resume") => format!("resume --into {}", folder(path)),
            (Self::Id(run), command) => format!("{command} --run {run}"),
            (Self::Folder(path), command) => format!("{command} --adapter {}", folder(path)),
        }
    }
}

fn report(run: Named<'_>, folder: &Path, end: &End, global: &Global) {
    let best = match end.best {
        Some((0, value)) if end.step > 0 => {
            format!("; no step was better than the untouched start ({} {value:.4}), which is what is kept", end.figure)
        }
        Some((step, value)) => format!("; best {} {value:.4} at step {step}", end.figure),
        None => String::new(),
    };
    // What only reads has nothing to generate.
    let use_it = match end.task {
        task if task.writes() => format!("{} --source TEXT", run.words("generate")),
        _ => format!("{} --data FILE", run.words("evaluate")),
    };
    let (said, next) = match end.outcome {
        Outcome::Completed => ("Finished", use_it),
        Outcome::StoppedEarly => ("Finished early", use_it),
        Outcome::Stopped => ("Stopped", run.words("resume")),
    };
    let next = global.next_command(&next);
    out::note(format_args!("{said} after step {}{best}. Go on with: {next}", end.step));
    if !global.json {
        out::result(folder.display());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::mpsc::{Sender, channel};

    use engine::training::StepReport;

    use crate::cli::support::tests_support::config;
    use engine::protocol::Command;

    use super::*;

    fn step(step: usize) -> Wake {
        let step = StepReport {
            step,
            loss: 1.0,
            learning_rate: 0.1,
            grad_norm: 1.0,
            labeled_tokens: 1,
            tokens: 1,
            elapsed_secs: 0.1,
        };
        Wake::Engine(Report::Step(step))
    }

    fn checkpoint(step: usize, best: bool) -> Wake {
        Wake::Engine(Report::CheckpointWritten { step, folder: "/runs/x".into(), best })
    }

    /// An engine that answers the command to train with `first`, and the command to stop with an end.
    fn played(first: impl FnOnce(&Sender<Wake>) + 'static) -> (Session, Rc<RefCell<Vec<String>>>) {
        let (outbox, inbox) = channel();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let (log, first) = (heard.clone(), RefCell::new(Some(first)));
        let send = move |Command { ask, .. }: Command| {
            log.borrow_mut().push(format!("{ask:?}").split([' ', '{']).next().unwrap_or_default().to_owned());
            if let Ask::Train { .. } = ask
                && let Some(first) = first.borrow_mut().take()
            {
                first(&outbox);
            }
            if ask == Ask::Stop {
                outbox.send(Wake::Engine(Report::Finished { outcome: Outcome::Stopped })).unwrap();
            }
            true
        };
        (Session::with(Box::new(send), inbox), heard)
    }

    fn watched(session: &Session) -> Result<End, CliError> {
        let (ask, mut end) = (Start::Anew.ask(Path::new("/runs/x"), config()), End::default());
        train(session, ask, &mut Progress::new(true), &mut end).map(|()| end)
    }

    #[test]
    fn a_run_is_watched_to_its_end() {
        let (session, heard) = played(|outbox| {
            let evaluation =
                EvaluationReport { step: 2, loss: 0.5, best: true, elapsed_secs: 0.1, figures: None, metric: None };
            outbox.send(step(1)).unwrap();
            outbox.send(step(2)).unwrap();
            outbox.send(Wake::Engine(Report::Evaluated(evaluation.clone()))).unwrap();
            outbox.send(checkpoint(2, true)).unwrap();
            // A later evaluation whose adapter is not the best.
            let evaluation = EvaluationReport { step: 3, loss: 0.75, best: false, ..evaluation };
            outbox.send(Wake::Engine(Report::Evaluated(evaluation))).unwrap();
            outbox.send(checkpoint(3, false)).unwrap();
            outbox.send(Wake::Engine(Report::Finished { outcome: Outcome::Completed })).unwrap();
        });
        let end = watched(&session).unwrap();
        assert_eq!((end.outcome, end.step, end.best), (Outcome::Completed, 2, Some((2, 0.5))));
        assert_eq!(*heard.borrow(), ["Train"]);
    }

    #[test]
    fn an_interrupt_stops_with_a_checkpoint() {
        let (session, heard) = played(|outbox| {
            outbox.send(step(1)).unwrap();
            outbox.send(Wake::Interrupt).unwrap();
        });
        assert_eq!(watched(&session).unwrap().outcome, Outcome::Stopped);
        assert_eq!(*heard.borrow(), ["Train", "Stop"]);
    }

    #[test]
    fn a_failure_is_exit_code_one() {
        let (session, _) = played(|outbox| {
            let failure = crate::i18n::failure("the loss is no longer a number", "Lower the rate");
            outbox.send(Wake::Engine(Report::Failed(failure))).unwrap();
        });
        let error = watched(&session).unwrap_err();
        assert!(matches!(error, CliError::Failed(_)));
        assert_eq!(error.to_string(), "the loss is no longer a number. Lower the rate");
    }
}

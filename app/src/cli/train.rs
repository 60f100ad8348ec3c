//! `train`: trains a run and shows it; Ctrl-C writes a checkpoint and says how to go on.

use std::path::Path;
use std::sync::mpsc::Receiver;

use clap::Args;
use engine::config::{RunConfig, Task};
use engine::message::{Command, Event, Outcome};
use serde_json::json;

use super::error::CliError;
use super::json::named;
use super::progress::Progress;
use super::run_args::RunArgs;
use super::session::{JOB, Session, Wake, note_interrupted, open_store};
use super::{Global, out, run_file};
use crate::store::{Answer, Request, Store};
use crate::workspace::{RunId, Workspace};

/// Train a run. Without a file: the starter model on the starter dataset.
#[derive(Debug, Default, Args)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    run: RunArgs,
    /// What people call the run
    #[arg(long)]
    name: Option<String>,
    /// Put the run into a named group
    #[arg(long)]
    experiment: Option<String>,
    /// Write the whole configuration to standard output and end
    #[arg(long)]
    print_config: bool,
}

pub(super) fn run(args: TrainArgs, global: &Global) -> Result<(), CliError> {
    let config = args.run.config(args.name.as_deref(), global)?;
    if args.print_config {
        out::piece(run_file::write(&config));
        return Ok(());
    }
    let workspace = global.workspace()?;
    let store = open_store(&workspace)?;
    let run = workspace.new_run()?;
    store.0.send(Request::Register { run: run.clone(), config: Box::new(config.clone()), experiment: args.experiment });
    watch(&workspace, store, &run, config, false, global)
}

/// Starts the engine on a registered run, and stays until the run ends.
pub(super) fn watch(
    workspace: &Workspace,
    (store, answers): (Store, Receiver<Answer>),
    run: &RunId,
    config: RunConfig,
    resume: bool,
    global: &Global,
) -> Result<(), CliError> {
    let session = match Session::start(workspace, Some(&store)) {
        Ok(session) => session,
        Err(error) => {
            store.send(Request::Withdraw(run.clone()));
            store.close();
            return Err(error);
        }
    };
    let folder = workspace.run_folder(run);
    let label = if resume { "Resuming" } else { "Training" };
    if global.json {
        out::result(named("run", &json!({"run": run, "name": config.name, "folder": folder})));
    } else {
        out::note(format_args!("{label} {} ({run})", config.name));
    }
    store.send(Request::Begin { job: JOB, run: run.clone() });
    store.flush();
    tell(&answers)?;
    let mut progress = Progress::new(global.json);
    let ended = train(&session, &folder, config, resume, &mut progress);
    progress.end();
    if ended.is_err() {
        // Nothing happens to a run that the engine has ended itself.
        store.send(Request::EngineGone);
    }
    store.close();
    if let Err(error) = tell(&answers) {
        out::note(format_args!("Note: {error}"));
    }
    let end = ended?;
    report(run, &folder, &end, global.json);
    Ok(())
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

/// How a run ended, and the best that it reached.
#[derive(Debug, PartialEq)]
struct End {
    outcome: Outcome,
    step: usize,
    best: Option<(usize, f64)>,
    task: Task,
}

fn train(
    session: &Session,
    folder: &Path,
    config: RunConfig,
    resume: bool,
    progress: &mut Progress,
) -> Result<End, CliError> {
    let mut end = End { outcome: Outcome::Stopped, step: 0, best: None, task: Task::Causal };
    session.send(Command::Train { job: JOB, folder: folder.to_owned(), config: Box::new(config), resume })?;
    loop {
        let event = match session.next()? {
            Wake::Interrupt => {
                progress.say("Writing a checkpoint; Ctrl-C again ends at once");
                session.send(Command::Stop { job: JOB })?;
                continue;
            }
            Wake::Engine(event) => event,
        };
        progress.show(&event);
        match event {
            Event::RunStarted { facts, .. } => (end.step, end.task) = (facts.done_steps, facts.task),
            Event::Step { step, .. } => end.step = step.step,
            Event::Evaluated { evaluation, .. } if evaluation.best => {
                end.best = Some((evaluation.step, evaluation.loss));
            }
            Event::Finished { outcome, .. } => return Ok(End { outcome, ..end }),
            Event::Failed { failure, .. } => return Err(failure.into()),
            _ => {}
        }
    }
}

fn report(run: &RunId, folder: &Path, end: &End, json: bool) {
    let best =
        end.best.map(|(step, loss)| format!("; best validation loss {loss:.4} at step {step}")).unwrap_or_default();
    // What only reads has nothing to generate.
    let use_it = match end.task {
        task if task.writes() => format!("prefix-workbench generate --run {run} --source TEXT"),
        _ => format!("prefix-workbench evaluate --run {run} --data FILE"),
    };
    let (said, next) = match end.outcome {
        Outcome::Completed => ("Finished", use_it),
        Outcome::StoppedEarly => ("Finished early", use_it),
        Outcome::Stopped => ("Stopped", format!("prefix-workbench resume {run}")),
    };
    out::note(format_args!("{said} after step {}{best}. Go on with: {next}", end.step));
    if !json {
        out::result(folder.display());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::mpsc::{Sender, channel};

    use engine::error::Failure;
    use engine::message::{EvaluationReport, StepReport};

    use super::super::tests_support::config;
    use super::*;

    fn step(step: usize) -> Wake {
        let step = StepReport {
            step,
            loss: 1.0,
            learning_rate: 0.1,
            grad_norm: 1.0,
            labelled_tokens: 1,
            tokens: 1,
            elapsed_secs: 0.1,
        };
        Wake::Engine(Event::Step { job: JOB, step })
    }

    /// An engine that answers the command to train with `first`, and the command to stop with an end.
    fn played(first: impl FnOnce(&Sender<Wake>) + 'static) -> (Session, Rc<RefCell<Vec<String>>>) {
        let (outbox, inbox) = channel();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let (log, first) = (heard.clone(), RefCell::new(Some(first)));
        let send = move |command: Command| {
            log.borrow_mut().push(format!("{command:?}").split([' ', '{']).next().unwrap_or_default().to_owned());
            if let Command::Train { .. } = command
                && let Some(first) = first.borrow_mut().take()
            {
                first(&outbox);
            }
            if let Command::Stop { .. } = command {
                outbox.send(Wake::Engine(Event::Finished { job: JOB, outcome: Outcome::Stopped })).unwrap();
            }
            true
        };
        (Session::with(Box::new(send), inbox), heard)
    }

    fn watched(session: &Session) -> Result<End, CliError> {
        train(session, Path::new("/runs/x"), config(), false, &mut Progress::new(true))
    }

    #[test]
    fn a_run_is_watched_to_its_end() {
        let (session, heard) = played(|outbox| {
            let evaluation = EvaluationReport { step: 2, loss: 0.5, best: true, elapsed_secs: 0.1, figures: None };
            outbox.send(step(1)).unwrap();
            outbox.send(step(2)).unwrap();
            outbox.send(Wake::Engine(Event::Evaluated { job: JOB, evaluation })).unwrap();
            outbox.send(Wake::Engine(Event::Finished { job: JOB, outcome: Outcome::Completed })).unwrap();
        });
        assert_eq!(
            watched(&session).unwrap(),
            End { outcome: Outcome::Completed, step: 2, best: Some((2, 0.5)), task: Task::Causal }
        );
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
            let failure = Failure { what: "the loss is no longer a number".into(), advice: "Lower the rate".into() };
            outbox.send(Wake::Engine(Event::Failed { job: JOB, failure })).unwrap();
        });
        let error = watched(&session).unwrap_err();
        assert!(matches!(error, CliError::Failed(_)));
        assert_eq!(error.to_string(), "the loss is no longer a number. Lower the rate");
    }
}

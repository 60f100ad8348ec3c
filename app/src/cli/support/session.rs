//! The engine, the store and Ctrl-C in one inbox, for a command that asks something and waits for the end of it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use engine::protocol::{Ask, Command, JobId, Report};

use crate::cli::support::engine_link;
use crate::cli::support::error::CliError;
use crate::cli::support::out;
pub(in crate::cli) use crate::report::StoreLink;
use crate::store::{Access, Answer, Request, RunRow, Store};
use crate::workspace::Workspace;

/// The one job of a command.
pub(in crate::cli) const JOB: JobId = JobId(1);

/// Reasons to wake.
#[expect(clippy::large_enum_variant, reason = "one at a time goes through the channel")]
pub(in crate::cli) enum Wake {
    /// The engine told something.
    Engine(Report),
    /// Ctrl-C, or the system asks the program to end.
    Interrupt,
}

/// The engine's thread, with what it tells.
pub(in crate::cli) struct Session {
    send: engine_link::Send,
    inbox: Receiver<Wake>,
    /// Notices that were shown: the same rows may be asked about several times.
    noted: RefCell<BTreeSet<String>>,
}

impl Session {
    /// Starts the engine. Its events go to the store too, when there is one.
    pub(in crate::cli) fn start(workspace: &Workspace, store: Option<&Store>) -> Result<Self, CliError> {
        let (outbox, inbox) = channel();
        let interrupts = outbox.clone();
        // A scheduler sends several on the way to the end; who wants it at once has a signal that cannot be heard.
        let again = if workspace.is_of_one_run() { Again::Nothing } else { Again::End };
        listen_for_interrupts(again, move || interrupts.send(Wake::Interrupt).is_ok());
        let store = store.cloned();
        let send = engine_link::spawn(workspace, move |event| {
            if let Some(store) = &store {
                store.send(Request::Record(event.clone()));
            }
            // Nobody listens any more: the program is ending.
            outbox.send(Wake::Engine(event.what)).ok();
        })?;
        Ok(Self { send, inbox, noted: RefCell::default() })
    }

    /// With an engine played by hand.
    #[cfg(test)]
    pub(in crate::cli) fn with(send: engine_link::Send, inbox: Receiver<Wake>) -> Self {
        Self { send, inbox, noted: RefCell::default() }
    }

    pub(in crate::cli) fn send(&self, ask: Ask) -> Result<(), CliError> {
        if (self.send)(Command { job: JOB, ask }) { Ok(()) } else { Err(gone()) }
    }

    /// The next news.
    pub(in crate::cli) fn next(&self) -> Result<Wake, CliError> {
        self.inbox.recv().ok().ok_or_else(gone)
    }

    /// Asks for something to be written, and answers with where it is.
    pub(in crate::cli) fn written(&self, ask: Ask) -> Result<PathBuf, CliError> {
        self.ask(ask, |report| match report {
            Report::Written { folder } => Some(folder),
            _ => None,
        })
    }

    /// Asks, and waits for the report that `pick` wants; an error of the engine ends it, and so does Ctrl-C. Notices are said.
    pub(in crate::cli) fn ask<T>(&self, ask: Ask, mut pick: impl FnMut(Report) -> Option<T>) -> Result<T, CliError> {
        self.send(ask)?;
        loop {
            match self.next()? {
                Wake::Engine(Report::Failed(failure)) => return Err(failure.into()),
                Wake::Engine(Report::Notice { text }) => {
                    if self.noted.borrow_mut().insert(text.to_string()) {
                        out::note(format_args!("Note: {text}"));
                    }
                }
                Wake::Engine(report) => {
                    if let Some(found) = pick(report) {
                        return Ok(found);
                    }
                }
                Wake::Interrupt => return Err(CliError::failed("interrupted", "Start the command again")),
            }
        }
    }
}

fn gone() -> CliError {
    CliError::failed("the computation ended unexpectedly", "Start again with RUST_LOG=debug for details")
}

/// Meaning of a second Ctrl-C.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Again {
    /// The program ends at once.
    End,
    /// The wish is known.
    Nothing,
}

/// The first Ctrl-C is a wish; the program ends at once if nobody hears it, and mostly at the second.
pub(in crate::cli) fn listen_for_interrupts(again: Again, tell: impl Fn() -> bool + Send + 'static) {
    let asked = AtomicBool::new(false);
    let listening = ctrlc::set_handler(move || match asked.swap(true, Ordering::SeqCst) {
        true if again == Again::Nothing => {}
        false if tell() => {}
        _ => std::process::exit(1),
    });
    if let Err(error) = listening {
        tracing::warn!("Ctrl-C will end the program at once: {error}");
    }
}

/// The store, with a word when it can only be read.
pub(in crate::cli) fn open_store(workspace: &Workspace) -> Result<(Store, Receiver<Answer>), CliError> {
    let (store, answers) = Store::open(workspace, || {})?;
    if let Access::ReadOnly(why) = store.access() {
        out::note(format_args!("Note: {why}"));
    }
    Ok((store, answers))
}

/// Says that runs of a program that was ended can be resumed.
pub(in crate::cli) fn note_interrupted(n: usize) {
    out::note(format_args!("Note: interrupted runs that can be resumed: {n}"));
}

/// Asks the store, and waits for the answer that `pick` wants; a refusal ends it.
pub(in crate::cli) fn ask_store<T>(
    (store, answers): &(Store, Receiver<Answer>),
    request: Request,
    pick: impl Fn(Answer) -> Option<T>,
) -> Result<T, CliError> {
    store.send(request);
    for answer in answers {
        match answer {
            Answer::Refused(failure) => return Err(failure.into()),
            Answer::Notice(text) => out::note(format_args!("Note: {text}")),
            Answer::Interrupted(n) => note_interrupted(n),
            other => {
                if let Some(found) = pick(other) {
                    return Ok(found);
                }
            }
        }
    }
    Err(CliError::failed("the store of runs ended unexpectedly", "Start again with RUST_LOG=debug for details"))
}

/// All runs, newest first.
pub(in crate::cli) fn list_runs(store: &(Store, Receiver<Answer>)) -> Result<Vec<RunRow>, CliError> {
    ask_store(store, Request::ListRuns, |answer| match answer {
        Answer::Runs(runs) => Some(runs),
        _ => None,
    })
}

/// The run that is meant: by id, by the beginning or end of its id, by name.
pub(in crate::cli) fn find_run(store: &(Store, Receiver<Answer>), asked: &str) -> Result<RunRow, CliError> {
    choose(list_runs(store)?, asked)
}

fn choose(runs: Vec<RunRow>, asked: &str) -> Result<RunRow, CliError> {
    if let Some(run) = runs.iter().find(|run| run.id.0 == asked) {
        return Ok(run.clone());
    }
    let matches = |run: &&RunRow| {
        !asked.is_empty() && (run.name == asked || run.id.0.starts_with(asked) || run.id.0.ends_with(asked))
    };
    let mut found: Vec<&RunRow> = runs.iter().filter(matches).collect();
    match (found.len(), found.pop()) {
        (1, Some(run)) => Ok(run.clone()),
        (0, _) => {
            Err(CliError::usage(format!("there is no run {asked:?}"), "prefix-workbench runs lists those there are"))
        }
        (n, _) => Err(CliError::usage(format!("{n} runs are called {asked:?}"), "Name one by its id")),
    }
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use super::*;
    use crate::store::RunState;
    use crate::workspace::RunId;

    pub(in crate::cli) fn row(id: &str, name: &str) -> RunRow {
        RunRow {
            id: RunId(id.to_owned()),
            name: name.to_owned(),
            state: RunState::Finished,
            host: None,
            phase: None,
            starred: false,
            tags: Vec::new(),
            experiment: None,
            model: "tiny".to_owned(),
            model_folder: "/models/tiny".into(),
            dataset: "records".to_owned(),
            method: "prefix 20".to_owned(),
            n_virtual: 20,
            trained_parameters: Some(9_857_024),
            stored_parameters: Some(184_320),
            best_loss: Some(1.25),
            best_step: Some(90),
            last_loss: Some(1.5),
            step: 100,
            total_steps: 100,
            created: 0,
            started: Some(0),
            ended: Some(60),
            duration_secs: 61.0,
            sparkline: Vec::new(),
            folder: "/runs/x".into(),
            files_missing: false,
            failure: None,
            archived: false,
            notes: String::new(),
            settings: Default::default(),
            figures: Default::default(),
        }
    }

    #[test]
    fn a_run_is_named_by_id_by_part_of_it_or_by_name() {
        let runs =
            || vec![row("20261121-031502-7f3a", "twin"), row("20261122-031502-8b00", "twin"), row("x", "Aurora")];
        assert_eq!(choose(runs(), "20261121-031502-7f3a").unwrap().id.0, "20261121-031502-7f3a");
        assert_eq!(choose(runs(), "8b00").unwrap().id.0, "20261122-031502-8b00");
        assert_eq!(choose(runs(), "Aurora").unwrap().id.0, "x");
        assert!(choose(runs(), "twin").unwrap_err().to_string().starts_with("2 runs are called"));
        assert!(matches!(choose(runs(), "nothing"), Err(CliError::Usage(_))));
    }
}

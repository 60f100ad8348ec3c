//! Actions on runs, in the table and on the screens that show one.

use std::path::PathBuf;

use engine::adapters::{GgufNumbers, Program};
use engine::protocol::{Ask, Event, Report};
use engine::training::Beginning;

use crate::action::Screen;
use crate::state::State;
use crate::state::notices::{Level, Offer};
use crate::state::outbox::Fill;
use crate::state::request::Request;
use crate::state::runs::AfterDetail;
use crate::store::Request as StoreRequest;
use crate::t;
use crate::workspace::RunId;

/// Something to be done with a run.
#[derive(Clone, Debug)]
pub enum RunAction {
    /// Go on from its last checkpoint.
    Resume(RunId),
    /// Go on although rows, split, tokenizer or order have changed since it began.
    ResumeOnOthers(RunId),
    /// Fill the form with its settings.
    Duplicate(RunId),
    /// Pause or continue it.
    Pause(RunId, bool),
    /// End it, with a checkpoint.
    Stop(RunId),
    /// Write a checkpoint of it now.
    Checkpoint(RunId),
    /// Take it out of the queue.
    Withdraw(RunId),
    /// Give it another name.
    Rename(RunId, String),
    /// Delete it and its files.
    Delete(RunId),
    /// Take back the deletion of runs, as long as their files are kept.
    Undelete(Vec<RunId>),
    /// Put runs away, or take them out again.
    Archive {
        /// The runs.
        runs: Vec<RunId>,
        /// Away.
        archived: bool,
    },
    /// Give it these tags and no others.
    Tags(RunId, Vec<String>),
    /// Keep what was written about it.
    Notes(RunId, String),
    /// Mark or unmark it.
    Star(RunId, bool),
    /// Ask for a figure of several runs over their steps.
    Curves {
        /// The runs.
        runs: Vec<RunId>,
        /// `loss`, `validation loss`, or the name of a figure.
        name: String,
    },
    /// Write its adapter in a form in which it can leave.
    Export(Export),
}

/// The form in which an adapter leaves.
#[derive(Clone, Debug)]
pub enum Export {
    /// In PEFT's format.
    Peft {
        /// Run or checkpoint folder.
        adapter: PathBuf,
        /// Folder to write.
        to: PathBuf,
    },
    /// In the weights of its base model.
    Merged {
        /// Run or checkpoint folder.
        adapter: PathBuf,
        /// Base model of the adapter.
        model: PathBuf,
        /// Folder to write.
        to: PathBuf,
    },
    /// As the file that another program serves.
    For {
        /// Run or checkpoint folder.
        adapter: PathBuf,
        /// Base model of the adapter.
        model: PathBuf,
        /// The program.
        program: Program,
        /// File to write.
        to: PathBuf,
    },
    /// In the weights of its base model, one file in GGUF.
    Gguf {
        /// Run or checkpoint folder.
        adapter: PathBuf,
        /// Base model of the adapter.
        model: PathBuf,
        /// Numbers of its matrices.
        numbers: GgufNumbers,
        /// File to write.
        to: PathBuf,
    },
    /// As one file to hand on.
    OneFile {
        /// Run or checkpoint folder.
        adapter: PathBuf,
        /// Base model of the adapter.
        model: PathBuf,
        /// Whether a few rows of the validation data go along.
        with_samples: bool,
        /// File to write.
        to: PathBuf,
    },
}

impl State {
    pub(crate) fn perform_run(&mut self, action: RunAction) {
        match action {
            RunAction::Resume(run) => self.resume(&run, Beginning::Resumed),
            RunAction::ResumeOnOthers(run) => self.resume(&run, Beginning::ResumedOnOthers),
            RunAction::Duplicate(run) => self.duplicate(run),
            RunAction::Pause(run, true) => self.tell_run(&run, Ask::Pause),
            RunAction::Pause(run, false) => self.tell_run(&run, Ask::Continue),
            RunAction::Stop(run) => self.stop(&run),
            RunAction::Checkpoint(run) => self.tell_run(&run, Ask::Checkpoint),
            RunAction::Withdraw(run) => self.withdraw(&run),
            RunAction::Rename(run, name) => self.outbox.store(StoreRequest::Rename { run, name }),
            RunAction::Delete(run) => self.outbox.store(StoreRequest::Delete(run)),
            RunAction::Undelete(runs) => {
                runs.into_iter().for_each(|run| self.outbox.store(StoreRequest::Undelete(run)))
            }
            RunAction::Archive { runs, archived } => self.archive(runs, archived),
            RunAction::Tags(run, tags) => self.outbox.store(StoreRequest::Tags { run, tags }),
            RunAction::Notes(run, text) => self.outbox.store(StoreRequest::Notes { run, text }),
            RunAction::Star(run, starred) => self.outbox.store(StoreRequest::Star { run, starred }),
            RunAction::Curves { runs, name } => {
                self.runs.expect_curves(&runs, &name, self.env.now);
                self.outbox.store(StoreRequest::Curves { runs, name });
            }
            RunAction::Export(export) => self.export(export),
        }
    }

    fn resume(&mut self, run: &RunId, beginning: Beginning) {
        if self.live_of(run).is_some() || self.live.queue.iter().any(|queued| queued.run == *run) {
            return self.open(run.clone(), Screen::Training);
        }
        let Some(folder) = self.row(run).map(|row| row.folder.clone()) else { return };
        match self.runs.config(run) {
            Some(config) => self.enqueue(run.clone(), folder, config, beginning),
            None => {
                self.runs.after_detail = Some((run.clone(), AfterDetail::Resume(beginning)));
                self.open(run.clone(), Screen::Training);
            }
        }
    }

    /// What is put away can be taken out again with one press.
    fn archive(&mut self, runs: Vec<RunId>, archived: bool) {
        for run in runs.iter().cloned() {
            self.outbox.store(StoreRequest::Archive { run, archived });
        }
        if archived {
            let sentence = match runs.as_slice() {
                [run] => t!("notice.archived_one", name = self.row(run).map_or("", |row| row.name.as_str())),
                several => t!("notice.archived", n = several.len()),
            };
            self.notices.offer(Level::Info, sentence, Offer::Unarchive(runs), self.env.now);
        }
    }

    fn duplicate(&mut self, run: RunId) {
        match self.runs.config(&run) {
            Some(config) => self.fill(Fill::Run(config)),
            None => {
                self.runs.after_detail = Some((run.clone(), AfterDetail::Duplicate));
                self.open(run, Screen::Training);
            }
        }
    }

    /// Does what had to wait for a run's settings.
    pub(crate) fn go_on_with_detail(&mut self) {
        let known = self.runs.view.as_ref().filter(|view| view.config.is_some()).map(|view| view.id.clone());
        match self.runs.after_detail.take_if(|(run, _)| known.as_ref() == Some(run)) {
            Some((run, AfterDetail::Resume(beginning))) => self.resume(&run, beginning),
            Some((run, AfterDetail::Duplicate)) => self.duplicate(run),
            None => {}
        }
        if self.screen == Screen::Explorer {
            self.explore_best();
        }
    }

    fn tell_run(&mut self, run: &RunId, ask: Ask) {
        if let Some((job, _)) = self.live_of(run) {
            self.tell_live(job, ask);
        }
    }

    /// Ends a run that is computed with a checkpoint, and takes one that waits out of the queue.
    pub(crate) fn stop(&mut self, run: &RunId) {
        let live = self.live.running.iter_mut().find(|(_, live)| live.run == *run);
        let Some((&job, live)) = live else { return self.withdraw(run) };
        live.stopping = true;
        self.tell_live(job, Ask::Stop);
    }

    fn export(&mut self, export: Export) {
        let ask = match export {
            Export::Peft { adapter, to } => Ask::Export { adapter, to },
            Export::Merged { adapter, model, to } => Ask::Merge { adapter, model, to },
            Export::For { adapter, model, program, to } => Ask::ExportFor { adapter, model, program, to },
            Export::Gguf { adapter, model, numbers, to } => Ask::MergeGguf { adapter, model, numbers, to },
            Export::OneFile { adapter, model, with_samples, to } => {
                let device = self.settings.device;
                Ask::Share { adapter, model, device, card: String::new(), with_samples, to }
            }
        };
        let mut request = Request::default();
        request.start(self.outbox.ask(ask));
        self.runs.exports.push(request);
    }

    /// An adapter was written, or could not be.
    pub(crate) fn on_export(&mut self, event: &Event) -> bool {
        let is_ours = self.runs.exports.iter_mut().any(|export| {
            export.on(event, |report| match report {
                Report::Written { folder } => Some(folder.clone()),
                _ => None,
            })
        });
        let now = self.env.now;
        for export in self.runs.exports.extract_if(.., |export| !export.is_open()) {
            if let Some(failure) = export.failure {
                self.notices.fail(&failure, now);
            }
            if let Some(path) = export.answer {
                self.notices.add(Level::Good, t!("notice.written", path = path.display()), "", now);
            }
        }
        is_ours
    }
}

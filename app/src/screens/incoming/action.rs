//! Actions on an adapter that was sent, and on an experiment file that was opened.

use std::path::PathBuf;

use engine::protocol::{Ask, Event, Report};

use super::state::OpenedAdapter;
use crate::action::Screen;
use crate::experiments::OpenedExperiment;
use crate::screens::experiment::action::NewExperiment;
use crate::state::State;
use crate::state::outbox::{Effect, NewRun};
use crate::store::Request;
use crate::workspace::{RunId, imported_config};

/// Something to be done with an adapter that was sent.
#[derive(Clone, Debug)]
pub enum IncomingAction {
    /// Hold it against this model.
    HoldAgainst(PathBuf),
    /// Compute a few logits with it.
    Probe,
    /// Make a run of it.
    Import {
        /// On a base model of other weights than the sender's.
        other_base: bool,
    },
    /// Make nothing of it.
    PutAway,
    /// Train the runs of the experiment file.
    TrainExperiment,
    /// Make nothing of the experiment file.
    PutExperimentAway,
}

impl State {
    pub(crate) fn perform_incoming(&mut self, action: IncomingAction) {
        match action {
            IncomingAction::HoldAgainst(model) => self.hold_against(model),
            IncomingAction::Probe => self.probe_adapter(),
            IncomingAction::Import { other_base } => {
                self.outbox.push(Effect::NewRun(NewRun::Imported { other_base }));
            }
            IncomingAction::PutAway => self.put_adapter_away(),
            IncomingAction::TrainExperiment => {
                if let Some(opened) = self.incoming.experiment.take() {
                    let OpenedExperiment { experiment, runs, source, .. } = *opened;
                    self.make_experiment(NewExperiment { experiment, runs, source });
                }
            }
            IncomingAction::PutExperimentAway => self.incoming.experiment = None,
        }
    }

    /// Looks at what was sent, held against the model it names if that is known here, or else the one used last.
    pub(crate) fn open_adapter(&mut self, path: PathBuf) {
        let starter = self.env.starter.as_ref();
        let model = self.library.last_model().or_else(|| starter.map(|config| config.model.clone()));
        self.look_at(path, model);
    }

    fn look_at(&mut self, path: PathBuf, model: Option<PathBuf>) {
        let job = self.outbox.ask(Ask::Inspect { adapter: path.clone(), model: model.clone() });
        self.incoming.sent = Some(OpenedAdapter::new(path, model, job));
    }

    fn hold_against(&mut self, model: PathBuf) {
        if let Some(sent) = self.incoming.sent.take() {
            self.look_at(sent.path, Some(model));
        }
    }

    fn probe_adapter(&mut self) {
        let Some(sent) = &mut self.incoming.sent else { return };
        let Some(model) = sent.model.clone() else { return };
        let ask = Ask::Probe { adapter: sent.path.clone(), model, device: self.settings.device };
        sent.ask(self.outbox.ask(ask));
    }

    pub(crate) fn import_adapter(&mut self, run: RunId, folder: PathBuf, other_base: bool) {
        let Some(sent) = &mut self.incoming.sent else { return };
        let (Some(found), Some(model)) = (&sent.found, sent.model.clone()) else { return };
        let config = Box::new(imported_config(found, model.clone(), None));
        let job = self.outbox.ask(Ask::Import { adapter: sent.path.clone(), model, other_base, to: folder });
        sent.become_run(job, run, config);
    }

    fn put_adapter_away(&mut self) {
        if let Some(mut sent) = self.incoming.sent.take() {
            sent.stop(&mut self.outbox);
        }
    }

    pub(crate) fn on_incoming(&mut self, event: &Event) -> bool {
        let Some(sent) = self.incoming.sent.as_mut().filter(|sent| sent.waits_for(event.job)) else { return false };
        match &event.what {
            Report::Inspected(found) if let Some(model) = self.library.model_of(found, sent.model.as_deref()) => {
                self.hold_against(model);
            }
            Report::Written { .. } => self.imported(),
            _ => sent.on(event),
        }
        true
    }

    /// A run was made: the store hears of it, and it is shown.
    fn imported(&mut self) {
        let Some((run, config)) = self.incoming.sent.take().and_then(OpenedAdapter::into_run) else { return };
        self.outbox.store(Request::Register { run: run.clone(), config, experiment: None });
        self.outbox.store(Request::Imported(run));
        self.outbox.store(Request::ListRuns);
        self.screen = Screen::Runs;
    }
}

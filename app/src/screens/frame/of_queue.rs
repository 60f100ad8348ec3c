//! What can be done with the queue and with the experiments in it by name, whatever screen is shown.

use crate::action::Action;
use crate::experiments::Plan;
use crate::screens::experiment::action::ExperimentAction;
use crate::state::State;
use crate::t;

/// Something that can be done with what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfQueue {
    /// Let nothing new begin, or let the queue go on.
    Hold,
    /// Take the experiment under way out once its runs that are computed are done.
    StopAfter,
    /// Train those runs of an experiment again that failed.
    Again,
}

impl OfQueue {
    pub(super) fn name(self, state: &State) -> &'static str {
        match self {
            Self::Hold if state.live.held => t!("queue.go_on"),
            Self::Hold => t!("queue.hold"),
            Self::StopAfter => t!("experiment.stop_after"),
            Self::Again => t!("experiment.again"),
        }
    }

    /// The experiment that it is about, or what it does.
    pub(super) fn hint(self, state: &State) -> String {
        match self {
            Self::Hold if state.live.held => t!("queue.go_on_help").to_owned(),
            Self::Hold => t!("queue.hold_help").to_owned(),
            Self::StopAfter | Self::Again => match self.experiment(state) {
                Some(plan) => plan.experiment.name.clone(),
                None => t!("command.experiment_hint").to_owned(),
            },
        }
    }

    /// As the buttons of the queue: nothing where they are not there.
    pub(super) fn action(self, state: &State) -> Option<Action> {
        let live = &state.live;
        let action = match self {
            Self::Hold => {
                let is_there = live.held || !live.running.is_empty() || !live.queue.is_empty();
                is_there.then_some(ExperimentAction::Hold(!live.held))?
            }
            Self::StopAfter => ExperimentAction::StopAfter(self.experiment(state)?.id.clone()),
            Self::Again => ExperimentAction::Again(self.experiment(state)?.id.clone()),
        };
        Some(Action::Experiment(action))
    }

    /// Of the experiments that it can be done with, that of the run that is shown, else the newest.
    fn experiment(self, state: &State) -> Option<&Plan> {
        let can = |plan: &&Plan| match self {
            Self::Hold => false,
            Self::StopAfter => state.experiments.under_way.get(&plan.id).is_some_and(|under| !under.paused),
            Self::Again => state.standing(plan).failed > 0,
        };
        let shown = state.runs.view.as_ref().map(|view| &view.id);
        let is_shown = |plan: &&Plan| plan.runs.iter().any(|planned| Some(&planned.run) == shown);
        let of_shown = state.experiments.plans().find(is_shown).filter(can);
        of_shown.or_else(|| state.experiments.plans().find(can))
    }
}

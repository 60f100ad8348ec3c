//! Experiments whose runs are computed by machines that *Settings* names: they are handed over, and then followed by their
//! folders as any run of another program.

use engine::error::Failure;

use crate::experiments::ExperimentId;
use crate::i18n;
use crate::machines::{How, Submission, words};
use crate::state::State;
use crate::state::notices::{Level, Offer};
use crate::state::outbox::Effect;
use crate::t;

impl State {
    /// Hands over what is due of an experiment, where *Settings* names machines for it; false where this window trains it.
    pub(super) fn hand_over(&mut self, id: &ExperimentId, again: bool) -> bool {
        let via = match self.settings.via() {
            Ok(None) => return false,
            Ok(Some(via)) => via,
            Err(_) => {
                let failure = i18n::failure(t!("machines.hosts_wrong"), t!("machines.hosts_advice"));
                self.notices.fail(&failure, self.env.now);
                return true;
            }
        };
        let Some(plan) = self.experiments.plan(id) else { return true };
        let takes_flags = self.settings.machines.takes_flags();
        let flags = words(&self.settings.submit_with).ok().filter(|_| takes_flags).unwrap_or_default();
        let how = How { via, flags, at_once: None, devices: vec![None] };
        let due = plan.due(&self.rows_of(plan), again);
        self.outbox.push(Effect::HandOver { plan: Box::new(plan.clone()), due, how: Box::new(how) });
        true
    }

    /// Takes what came of handing over an experiment's runs; `None` where nothing was due that is not in other hands already.
    pub fn on_handed_over(&mut self, name: &str, done: Result<Option<Submission>, Failure>) {
        match done {
            Err(failure) => self.notices.fail(&failure, self.env.now),
            Ok(None) => {
                let sentence = t!("machines.nothing_due", name = name);
                self.notices.add(Level::Info, sentence, "", self.env.now);
            }
            Ok(Some(submission)) => {
                let (n, via, job) = (submission.runs().len(), submission.via(), submission.job());
                let sentence = t!("machines.handed_over", name = name, n = n, via = via, job = job);
                self.notices.offer(Level::Good, sentence, Offer::Experiments, self.env.now);
            }
        }
    }
}

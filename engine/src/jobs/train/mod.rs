//! A training run as a job: load, prepare, start or go on, then one step at a time.

use std::path::PathBuf;

use crate::config::RunConfig;
use crate::error::{EngineError, Result};
use crate::protocol::{Outcome, Report};
use crate::session::Session;
use crate::training::prepare::Beginning;

mod run;

use self::run::Run;
use crate::jobs::{Job, Outbox, Progress};

/// A training run.
pub(super) struct TrainJob {
    folder: PathBuf,
    config: RunConfig,
    beginning: Beginning,
    until: Option<usize>,
    stop: bool,
    checkpoint: bool,
    run: Option<Box<Run>>,
}

impl TrainJob {
    /// A run in its folder, from the start or from its last checkpoint, to its end or until a step.
    pub(super) fn new(folder: PathBuf, config: RunConfig, beginning: Beginning, until: Option<usize>) -> Self {
        Self { folder, config, beginning, until, stop: false, checkpoint: false, run: None }
    }
}

impl TrainJob {
    /// Reports changes since the run began apart from other errors: one can say yes to them.
    fn tell_changes(&self, error: &EngineError, out: &Outbox) {
        if let EngineError::Changed { differences } = error {
            out.send(Report::Changed { differences: differences.clone() });
        }
    }
}

impl Job for TrainJob {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(run) = &mut self.run else {
            if self.stop {
                return Ok(Progress::Done(Outcome::Stopped));
            }
            let run = Run::start(&self.folder, self.config.clone(), (self.beginning, self.until), session, out);
            let run = run.inspect_err(|error| self.tell_changes(error, out))?;
            self.run = Some(Box::new(run));
            return Ok(Progress::More);
        };
        if std::mem::take(&mut self.checkpoint) || (self.stop && run.unsaved()) {
            run.save(false, out)?;
        }
        if self.stop {
            run.finish(out)?;
            return Ok(Progress::Done(Outcome::Stopped));
        }
        run.advance(out)
    }

    fn request_stop(&mut self) -> bool {
        self.stop = true;
        true
    }

    fn checkpoint(&mut self) {
        self.checkpoint = true;
    }

    fn is_training(&self) -> bool {
        true
    }
}

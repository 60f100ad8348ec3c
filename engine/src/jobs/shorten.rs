//! A prefix with fewer slots that are fitted to do what all did, written as an adapter.

use std::path::PathBuf;

use crate::adapters::formats;
use crate::analysis::{Investigation, Shortening, Subject};
use crate::error::{EngineError, Result};
use crate::jobs::analyze::subject;
use crate::jobs::{Job, Outbox, Progress};
use crate::protocol::{AnalysisRequest, Outcome, Phase, Report};
use crate::sentence;
use crate::session::Session;

pub(super) struct Shorten {
    request: AnalysisRequest,
    slots: usize,
    to: PathBuf,
    running: Option<(Subject, Shortening)>,
}

impl Shorten {
    pub(super) fn new(request: AnalysisRequest, slots: usize, to: PathBuf) -> Self {
        Self { request, slots, to, running: None }
    }

    /// Writes what was fitted; it is read again.
    fn write(&self, subject: &Subject, work: &Shortening) -> Result<()> {
        let Some(adapter) = work.adapter() else { return Ok(()) };
        let (to, sites) = (&self.to, subject.model.model.sites());
        formats::write(adapter, to, None)?;
        if formats::read(to, Some(&sites))?.hash() != adapter.hash() {
            let reason = sentence!("what was written is not what is read again: {to}", to);
            return Err(EngineError::AdapterMismatch { reason });
        }
        Ok(())
    }
}

impl Job for Shorten {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some((subject, work)) = &mut self.running else {
            self.running = Some((subject(&self.request, session, out)?, Shortening::new(&[self.slots])));
            return Ok(Progress::More);
        };
        let Some(analysis) = work.step(subject)? else {
            out.send(Report::Phase(Phase::Analyzing { share: work.share() }));
            return Ok(Progress::More);
        };
        out.send(Report::Analysis(Box::new(analysis)));
        if let Some((subject, work)) = &self.running {
            self.write(subject, work)?;
        }
        out.send(Report::Written { folder: self.to.clone() });
        Ok(Progress::Done(Outcome::Completed))
    }
}

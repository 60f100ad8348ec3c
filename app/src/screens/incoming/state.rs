//! An adapter that somebody sent, dropped onto the window or named when the program was started: what it is, whether it
//! fits, what a probe says, until it is a run or was put away.

use std::path::PathBuf;

use engine::config::RunConfig;
use engine::error::Failure;
use engine::protocol::{AdapterFacts, Event, JobId, Phase, ProbeReport, Report};

use crate::experiments::OpenedExperiment;
use crate::opening::PathKind;
use crate::state::outbox::Outbox;
use crate::state::request::Request;
use crate::workspace::RunId;

/// An adapter from elsewhere, and files that are held over the window.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    /// Files that are held over the window.
    pub hovered: Option<Hovered>,
    /// An experiment file that was dropped or opened, until its runs are trained or it was put away.
    pub experiment: Option<Box<OpenedExperiment>>,
    /// An adapter that was dropped or opened, until it is a run or was put away.
    pub sent: Option<OpenedAdapter>,
}

/// Files that somebody holds over the window and has not let go of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hovered {
    /// As the system names them.
    pub paths: Vec<PathBuf>,
    /// One for each path; `None` until they were looked at.
    pub kinds: Option<Vec<PathKind>>,
}

/// An adapter that was sent, as far as it is known.
#[derive(Clone, Debug)]
pub struct OpenedAdapter {
    /// The file or folder.
    pub path: PathBuf,
    /// The base model that it is held against.
    pub model: Option<PathBuf>,
    /// Facts of the adapter, once known.
    pub found: Option<Box<AdapterFacts>>,
    /// The answer of the probe.
    pub probe: Option<ProbeReport>,
    /// The question that is under way, to look, to probe or to import; answers to an earlier one are dropped.
    question: Request<()>,
    /// The run that it becomes.
    becomes: Option<(RunId, Box<RunConfig>)>,
}

impl OpenedAdapter {
    /// Nothing is known of it yet.
    pub fn new(path: PathBuf, model: Option<PathBuf>, job: JobId) -> Self {
        let mut sent = Self { path, model, found: None, probe: None, question: Request::default(), becomes: None };
        sent.ask(job);
        sent
    }

    /// Waits for a job.
    pub fn ask(&mut self, job: JobId) {
        self.question.start(job);
    }

    /// Waits for a job that makes a run of it.
    pub fn become_run(&mut self, job: JobId, run: RunId, config: Box<RunConfig>) {
        self.ask(job);
        self.becomes = Some((run, config));
    }

    /// Whether a run is being made of it.
    pub fn is_becoming(&self) -> bool {
        self.becomes.is_some()
    }

    /// Whether a question is under way.
    pub fn is_busy(&self) -> bool {
        self.question.is_open()
    }

    /// The engine's phase while a question is open.
    pub fn phase(&self) -> Option<Phase> {
        self.question.phase
    }

    /// Why it cannot be read, be probed or become a run.
    pub fn failure(&self) -> Option<&Failure> {
        self.question.failure.as_ref()
    }

    /// Whether this is its question's job.
    pub fn waits_for(&self, job: JobId) -> bool {
        self.question.is(job)
    }

    /// Ends its question.
    pub fn stop(&mut self, outbox: &mut Outbox) {
        self.question.stop(outbox);
    }

    /// Takes in what its job tells.
    pub fn on(&mut self, event: &Event) {
        let Self { question, found, probe, .. } = self;
        question.on(event, |report| match report {
            Report::Inspected(facts) => {
                *found = Some(facts.clone());
                Some(())
            }
            Report::Probed(report) => {
                *probe = Some(report.clone());
                Some(())
            }
            _ => None,
        });
        if self.question.failure.is_some() {
            self.becomes = None;
        }
    }

    /// The run that it has become.
    pub fn into_run(self) -> Option<(RunId, Box<RunConfig>)> {
        self.becomes
    }
}

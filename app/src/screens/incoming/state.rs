//! An adapter that somebody sent, dropped onto the window or named when the program was started: what it is, whether it
//! fits, what a probe says, until it is a run or was put away.

use std::path::{Path, PathBuf};

use engine::config::RunConfig;
use engine::device::DeviceChoice;
use engine::error::Failure;
use engine::protocol::{AdapterFacts, Ask, JobId, Phase, ProbeReport};

use crate::action::Screen;
use crate::state::{Purpose, State};
use crate::store::Request;
use crate::workspace::{RunId, imported_config};

/// What is known of it.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The file or folder.
    pub path: PathBuf,
    /// The base model that it is held against.
    pub model: Option<PathBuf>,
    /// Its facts, once known.
    pub found: Option<Box<AdapterFacts>>,
    /// Why it cannot be read, be probed or become a run.
    pub failure: Option<Failure>,
    /// What the probe said.
    pub probe: Option<ProbeReport>,
    /// What the probe is doing.
    pub phase: Option<Phase>,
    /// The question that is under way; answers to an earlier one are dropped.
    pub job: Option<JobId>,
    /// The run that it becomes.
    becomes: Option<(RunId, Box<RunConfig>)>,
}

impl Incoming {
    /// Whether a run is being made of it.
    pub fn is_becoming(&self) -> bool {
        self.becomes.is_some()
    }
}

impl State {
    /// Looks at what was sent, held against the model it names if that is known here, or else the one used last.
    pub fn open_adapter(&mut self, path: PathBuf) {
        let model = self.model_rows.iter().max_by_key(|row| row.last_used).map(|row| row.folder.clone());
        let model = model.or_else(|| self.starter.as_ref().map(|config| config.model.clone()));
        self.look_at(path, model);
    }

    fn look_at(&mut self, path: PathBuf, model: Option<PathBuf>) {
        let job = self.job(Purpose::Incoming);
        self.ask_engine(job, Ask::Inspect { adapter: path.clone(), model: model.clone() });
        let nothing = Incoming {
            path,
            model,
            found: None,
            failure: None,
            probe: None,
            phase: None,
            job: Some(job),
            becomes: None,
        };
        self.incoming = Some(nothing);
    }

    /// Holds it against another model.
    pub(crate) fn hold_against(&mut self, model: PathBuf) {
        if let Some(incoming) = self.incoming.take() {
            self.look_at(incoming.path, Some(model));
        }
    }

    /// Computes a few logits with it.
    pub(crate) fn probe_adapter(&mut self, device: DeviceChoice) {
        let job = self.job(Purpose::Incoming);
        let Some(incoming) = &mut self.incoming else { return };
        let Some(model) = incoming.model.clone() else { return };
        incoming.job = Some(job);
        incoming.failure = None;
        let adapter = incoming.path.clone();
        self.ask_engine(job, Ask::Probe { adapter, model, device });
    }

    /// Makes a run of it.
    pub fn import_adapter(&mut self, run: RunId, folder: PathBuf, other_base: bool) {
        let job = self.job(Purpose::Incoming);
        let Some(incoming) = &mut self.incoming else { return };
        let (Some(found), Some(model)) = (&incoming.found, incoming.model.clone()) else { return };
        incoming.becomes = Some((run, Box::new(imported_config(found, model.clone(), None))));
        incoming.job = Some(job);
        incoming.failure = None;
        let adapter = incoming.path.clone();
        self.ask_engine(job, Ask::Import { adapter, model, other_base, to: folder });
    }

    pub(crate) fn put_adapter_away(&mut self) {
        if let Some(job) = self.incoming.take().and_then(|incoming| incoming.job) {
            self.ask_engine(job, Ask::Stop);
        }
    }

    pub(crate) fn with_incoming(&mut self, job: JobId, change: impl FnOnce(&mut Incoming)) {
        if let Some(incoming) = self.incoming.as_mut().filter(|incoming| incoming.job == Some(job)) {
            change(incoming);
        }
    }

    pub(crate) fn inspected(&mut self, job: JobId, found: Box<AdapterFacts>) {
        // A file of ours says which weights it belongs to: if they are here, it is those.
        let known = found.about.as_ref().filter(|_| found.other_base.is_some()).and_then(|about| {
            let same = |hash: &String| *hash == about.base.fingerprint;
            self.model_rows.iter().find(|row| row.hash.as_ref().is_some_and(same)).map(|row| row.folder.clone())
        });
        let asked_for = self.incoming.as_ref().and_then(|incoming| incoming.model.clone());
        match known {
            Some(model) if asked_for.as_deref() != Some(Path::new(&model)) => self.hold_against(model),
            _ => self.with_incoming(job, |incoming| incoming.found = Some(found)),
        }
    }

    /// A run was made: the store hears of it, and it is shown.
    pub(crate) fn imported(&mut self, job: JobId) {
        let Some(incoming) = self.incoming.take_if(|incoming| incoming.job == Some(job)) else { return };
        let Some((run, config)) = incoming.becomes else { return };
        self.ask_store(Request::Register { run: run.clone(), config, experiment: None });
        self.ask_store(Request::Imported(run));
        self.ask_store(Request::ListRuns);
        self.screen = Screen::Runs;
    }

    pub(crate) fn incoming_failed(&mut self, job: JobId, failure: Failure) {
        self.with_incoming(job, |incoming| {
            incoming.failure = Some(failure);
            incoming.job = None;
            incoming.phase = None;
            incoming.becomes = None;
        });
    }
}

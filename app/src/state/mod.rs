//! What the window knows. No egui, no files, no threads: events and answers come in, actions are done, and what has to
//! be sent is put into [`State::outgoing`].

pub mod hub;
pub mod live;
pub mod notices;
mod perform;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use engine::Sentence;
use engine::config::RunConfig;
use engine::data::DataPreview;
use engine::device::{DeviceChoice, DeviceInfo};
use engine::error::Failure;
use engine::hub::{HubCommand, ModelId};
use engine::models::ModelSummary;
use engine::nn::Precision;
use engine::protocol::{Ask, Command, Event, JobId, Outcome, Phase, Report};
use engine::training::Beginning;

use self::hub::HubState;
use self::live::Live;
use self::notices::Level;
use self::notices::{Notices, Offer};
use crate::action::{Leaving, Screen};
use crate::home::typed;
use crate::opening::Kind;
use crate::say;
use crate::screens::compare::state::Comparison;
use crate::screens::explorer::state::Exploration;
use crate::screens::incoming::state::Incoming;
use crate::screens::new_run::state::lab::InitLab;
use crate::screens::new_run::state::range::RangeTest;
use crate::screens::training::state::RunView;
use crate::settings::Settings;
use crate::store::{Access, Answer, CheckpointRow, DatasetRow, ModelRow, Request, RunRow};
use crate::text;
use crate::text::failure;
use crate::workspace::RunId;

/// What has to be sent.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "few are on their way at a time, and none is kept")]
pub enum Outgoing {
    /// To the engine.
    Engine(Command),
    /// To the store.
    Store(Request),
    /// To the hub's thread.
    Hub(HubCommand),
}

/// What a job was asked for.
#[derive(Clone, Debug, PartialEq)]
enum Purpose {
    Devices,
    Model(PathBuf),
    Preview,
    PreviewBeside,
    PreviewValidation,
    FindPrompts,
    Generate,
    Grid,
    Neighbours,
    Export,
    Incoming,
    TasksOf(RunId),
    Range,
    Lab,
    Train(RunId),
}

/// A model folder that somebody asked about.
#[derive(Clone, Debug)]
pub enum Described {
    /// The answer is on its way.
    Asked,
    /// Its facts.
    Known(Box<ModelSummary>),
    /// Why it cannot be used.
    Failed(Failure),
}

/// The token view of the form.
#[derive(Clone, Debug, Default)]
pub struct PreviewState {
    /// The question that is under way.
    pub job: Option<JobId>,
    /// The last answer.
    pub known: Option<Box<DataPreview>>,
    /// The model and the training rows that were asked about.
    pub of: Option<(PathBuf, PathBuf)>,
    /// Why there is none.
    pub failure: Option<Failure>,
}

impl PreviewState {
    fn take(&mut self, preview: DataPreview) {
        (self.job, self.known, self.failure) = (None, Some(Box::new(preview)), None);
    }

    fn fail(&mut self, failure: Failure) {
        (self.job, self.known, self.failure) = (None, None, Some(failure));
    }
}

/// What somebody holds over the window and has not let go of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hovered {
    /// As the system names them.
    pub paths: Vec<PathBuf>,
    /// `None` until it was looked at.
    pub kind: Option<Kind>,
}

/// A run that waits for its turn.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Which.
    pub run: RunId,
    /// Its folder.
    pub folder: PathBuf,
    /// Its settings.
    pub config: Box<RunConfig>,
    /// Anew, or from its last checkpoint.
    pub beginning: Beginning,
}

/// What the window knows.
#[derive(Debug)]
pub struct State {
    /// The screen that is shown.
    pub screen: Screen,
    /// The workspace folder.
    pub workspace: PathBuf,
    /// Who may write the database.
    pub access: Access,
    /// The person's choices.
    pub settings: Settings,
    /// CPU last; empty until the engine has answered.
    pub devices: Vec<DeviceInfo>,
    /// The run that the form begins with.
    pub starter: Option<Box<RunConfig>>,
    /// Other runs that came with the program.
    pub other_starters: Vec<RunConfig>,
    /// Changes when the form is to be filled anew, with this configuration.
    pub refill: Option<Box<RunConfig>>,
    /// Model folders by path.
    pub models: BTreeMap<PathBuf, Described>,
    /// The token view of the form.
    pub preview: PreviewState,
    /// The same of another of the form's datasets than the first one.
    pub preview_beside: PreviewState,
    /// The validation file that was chosen in the form, read as training rows would be.
    pub preview_validation: PreviewState,
    /// The last range test of the form.
    pub range: RangeTest,
    /// The last init lab of the form.
    pub lab: InitLab,
    /// All runs, newest first; `None` until the store has answered.
    pub runs: Option<Vec<RunRow>>,
    /// Models that were used.
    pub model_rows: Vec<ModelRow>,
    /// Datasets that were used.
    pub dataset_rows: Vec<DatasetRow>,
    /// Checkpoints of the runs that were looked at.
    pub checkpoints: BTreeMap<RunId, Vec<CheckpointRow>>,
    /// Settings of the runs that were looked at.
    pub configs: BTreeMap<RunId, Box<RunConfig>>,
    /// Tasks of the runs whose prompt serves several; empty until the engine has answered.
    pub tasks: BTreeMap<RunId, Vec<String>>,
    /// The run that *Training* shows, and *Explorer* unless it shows another instead.
    pub view: Option<RunView>,
    /// What is held over the window, and what it is once that is known.
    pub hovered: Option<Hovered>,
    /// Runs that this program computes.
    pub live: BTreeMap<JobId, Live>,
    /// Runs that wait.
    pub queue: VecDeque<Waiting>,
    /// A run that was not resumed, and what has changed since it began: somebody may say yes to it.
    pub changed: Option<(RunId, Vec<Sentence>)>,
    /// The screen *Compare*.
    pub comparison: Comparison,
    /// The screen *Explorer*.
    pub exploration: Exploration,
    /// An adapter that was dropped or opened, until it is a run or was put away.
    pub incoming: Option<Incoming>,
    /// Models of the hub.
    pub hub: HubState,
    /// The list behind the bell.
    pub notices: Notices,
    /// A failure that stays on the screen until it is dismissed.
    pub banner: Option<Failure>,
    /// The engine's thread is gone.
    pub engine_gone: bool,
    /// How the program comes to its end.
    pub leaving: Leaving,
    /// What has to be sent.
    pub outgoing: Vec<Outgoing>,
    /// Seconds since 1970.
    pub now: f64,
    jobs: BTreeMap<JobId, Purpose>,
    last_job: u64,
    after_detail: Option<(RunId, perform::AfterDetail)>,
}

impl State {
    /// A window that has just been opened: it asks for devices, runs and library.
    pub fn new(workspace: PathBuf, settings: Settings, access: Access, starter: Option<Box<RunConfig>>) -> Self {
        let mut state = Self {
            screen: Screen::Runs,
            workspace,
            access,
            settings,
            devices: Vec::new(),
            starter,
            other_starters: Vec::new(),
            refill: None,
            models: BTreeMap::new(),
            preview: PreviewState::default(),
            preview_beside: PreviewState::default(),
            preview_validation: PreviewState::default(),
            range: RangeTest::default(),
            lab: InitLab::default(),
            runs: None,
            model_rows: Vec::new(),
            dataset_rows: Vec::new(),
            checkpoints: BTreeMap::new(),
            configs: BTreeMap::new(),
            tasks: BTreeMap::new(),
            view: None,
            hovered: None,
            live: BTreeMap::new(),
            queue: VecDeque::new(),
            changed: None,
            comparison: Comparison::default(),
            exploration: Exploration::default(),
            incoming: None,
            hub: HubState::default(),
            notices: Notices::default(),
            banner: None,
            engine_gone: false,
            leaving: Leaving::No,
            outgoing: Vec::new(),
            now: 0.0,
            jobs: BTreeMap::new(),
            last_job: 0,
            after_detail: None,
        };
        state.ask_store(Request::ListRuns);
        state.ask_store(Request::ListLibrary);
        state.list_devices();
        state.describe_hub();
        state
    }

    fn ask_store(&mut self, request: Request) {
        self.outgoing.push(Outgoing::Store(request));
    }

    fn ask_hub(&mut self, command: HubCommand) {
        self.outgoing.push(Outgoing::Hub(command));
    }

    fn ask_engine(&mut self, job: JobId, ask: Ask) {
        self.outgoing.push(Outgoing::Engine(Command { job, ask }));
    }

    fn job(&mut self, purpose: Purpose) -> JobId {
        self.last_job += 1;
        let job = JobId(self.last_job);
        self.jobs.insert(job, purpose);
        job
    }

    fn list_devices(&mut self) {
        let job = self.job(Purpose::Devices);
        self.ask_engine(job, Ask::ListDevices);
    }

    /// The row of a run.
    pub fn row(&self, run: &RunId) -> Option<&RunRow> {
        self.runs.iter().flatten().find(|row| row.id == *run)
    }

    /// The live job of a run.
    pub fn live_of(&self, run: &RunId) -> Option<(JobId, &Live)> {
        self.live.iter().find(|(_, live)| live.run == *run).map(|(job, live)| (*job, live))
    }

    /// A model's facts, if they are known.
    pub fn model(&self, folder: &Path) -> Option<&ModelSummary> {
        match self.models.get(folder) {
            Some(Described::Known(model)) => Some(model),
            _ => None,
        }
    }

    /// Why the device that a choice stands for does not compute in a precision, as far as that is known.
    pub fn refusal(&self, choice: DeviceChoice, precision: Precision) -> Option<&Sentence> {
        self.device(choice)?.refuses.get(&precision)
    }

    /// The folder of a model that somebody asks for: a folder, or the id of a model in the hub's cache where there is no
    /// such folder.
    pub fn model_folder(&self, asked: &str) -> PathBuf {
        let folder = typed(asked);
        let is_folder =
            !asked.trim().starts_with("hub:") && !matches!(self.models.get(&folder), Some(Described::Failed(_)));
        if is_folder {
            return folder;
        }
        let Ok(id) = ModelId::parse(asked) else { return folder };
        let cached = self.hub.cached.iter().map(|model| (&model.id, &model.folder));
        let arrived = self.hub.arrived.iter().map(|(id, folder)| (id, folder));
        cached.chain(arrived).find(|(known, _)| **known == id).map_or(folder, |(_, found)| found.clone())
    }

    /// What is known of a model that somebody asks for.
    pub fn model_asked(&self, asked: &str) -> Option<&ModelSummary> {
        self.model(&self.model_folder(asked))
    }

    /// The device that a choice stands for, if it is known.
    pub fn device(&self, choice: DeviceChoice) -> Option<&DeviceInfo> {
        match choice {
            DeviceChoice::Auto => {
                let gpu = |d: &&DeviceInfo| d.choice != DeviceChoice::Cpu && !d.software && d.trouble.is_none();
                self.devices.iter().find(gpu).or_else(|| self.devices.iter().find(|d| d.choice == DeviceChoice::Cpu))
            }
            DeviceChoice::Wgpu(None) => self.devices.iter().find(|d| d.choice != DeviceChoice::Cpu),
            exact => self.devices.iter().find(|d| d.choice == exact),
        }
    }

    /// The adapter folder of a run: its best checkpoint, or what lies in its own folder.
    pub fn adapter_of(&self, run: &RunId) -> Option<PathBuf> {
        let checkpoints = self.checkpoints.get(run).map_or(&[][..], Vec::as_slice);
        let best = checkpoints.iter().rev().find(|c| c.best).or_else(|| checkpoints.last());
        best.map(|c| c.folder.clone()).or_else(|| self.row(run).map(|row| row.folder.clone()))
    }

    /// The run that is looked into.
    pub fn explored(&self) -> Option<&RunView> {
        self.exploration.instead.as_ref().or(self.view.as_ref())
    }

    /// Asks for what is new about the runs on screen, unless that was just asked.
    fn refresh_view(&mut self) {
        let mut requests = Vec::new();
        for view in self.view.iter_mut().chain(&mut self.exploration.instead).filter(|view| !view.asked && view.stale) {
            view.asked = true;
            requests.push(Request::Detail { run: view.id.clone(), since: view.cursor });
        }
        requests.into_iter().for_each(|request| self.ask_store(request));
    }

    /// Takes in what the store tells.
    pub fn absorb(&mut self, answer: Answer) {
        match answer {
            Answer::Runs(runs) => self.runs = Some(runs),
            Answer::Detail(detail) => self.absorb_detail(*detail),
            Answer::Library { models, datasets } => {
                self.model_rows = models;
                self.dataset_rows = datasets;
            }
            Answer::Changed(runs) => {
                self.ask_store(Request::ListRuns);
                for view in self.view.iter_mut().chain(&mut self.exploration.instead) {
                    view.stale |= runs.contains(&view.id);
                }
                self.refresh_view();
            }
            Answer::Deleted { run, left } => self.forget(&run, left),
            Answer::Refused(failure) => self.notices.fail(&failure, self.now),
            Answer::Notice(text) => self.notices.add(Level::Info, text::tell(&text), "", self.now),
            Answer::Interrupted(n) => {
                self.notices.offer(Level::Info, say!("notice.interrupted", n = n), Offer::Interrupted, self.now);
            }
            Answer::Access(access) => self.access = access,
        }
    }

    fn absorb_detail(&mut self, detail: crate::store::RunDetail) {
        let id = detail.row.id.clone();
        self.checkpoints.insert(id.clone(), detail.checkpoints.clone());
        if let Some(config) = &detail.config {
            self.configs.insert(id.clone(), config.clone());
        }
        if self.screen == Screen::Compare {
            self.find_prompts();
            self.find_tasks(&id);
        }
        let mut shown = self.view.iter_mut().chain(&mut self.exploration.instead);
        if let Some(view) = shown.find(|view| view.id == id && view.asked) {
            view.absorb(detail);
            self.refresh_view();
            self.go_on_with_detail();
        }
    }

    fn forget(&mut self, run: &RunId, left: Option<Sentence>) {
        self.runs.iter_mut().for_each(|runs| runs.retain(|row| row.id != *run));
        if self.comparison.runs().any(|known| known == run) {
            self.stop_generating();
            self.comparison.toggle(run);
        }
        self.checkpoints.remove(run);
        self.configs.remove(run);
        self.tasks.remove(run);
        if self.explored().is_some_and(|view| view.id == *run) {
            self.exploration = Exploration::default();
        }
        self.view.take_if(|view| view.id == *run);
        match left {
            None => self.notices.add(Level::Info, say!("notice.deleted"), "", self.now),
            Some(sentence) => self.notices.add(Level::Warn, text::tell(&sentence), "", self.now),
        }
        self.ask_store(Request::ListRuns);
    }

    /// Takes in what the engine tells: the only way in. Late news of work that nobody waits for is dropped.
    pub fn apply(&mut self, Event { job, what }: Event) {
        let Some(purpose) = self.jobs.get(&job).cloned() else { return };
        match what {
            Report::Devices { devices } => self.devices = devices,
            Report::Model(model) => self.learn_model(purpose, model),
            Report::Preview(preview) => self.take_preview(job, *preview),
            Report::Phase(phase) => self.enter_phase(job, phase),
            Report::RunStarted(facts) => self.with_live(job, |live| live.started(&facts)),
            Report::Changed { differences } => {
                if let Purpose::Train(run) = purpose {
                    self.changed = Some((run, differences));
                }
            }
            Report::Step(step) => self.with_live(job, |live| live.stepped(&step)),
            Report::Evaluated(evaluation) => self.with_live(job, |live| live.evaluated(&evaluation)),
            Report::Paused { paused } => self.with_live(job, |live| live.paused = paused),
            Report::CheckpointWritten { .. } | Report::Sample(_) => {}
            Report::Finished { outcome } => self.finished(job, &purpose, outcome),
            Report::Failed(failure) => self.failed(job, purpose, failure),
            Report::Notice { text } => self.notices.add(Level::Info, text::told(&text), "", self.now),
            Report::Token { stream, text } if self.comparison.job == Some(job) => {
                self.comparison.token(stream, &text);
            }
            Report::BestBeam { stream, text } if self.comparison.job == Some(job) => {
                self.comparison.best_beam(stream, text);
            }
            Report::Generated { streams } if self.comparison.job == Some(job) => self.comparison.generated(streams),
            Report::Token { .. } | Report::BestBeam { .. } | Report::Generated { .. } => {}
            Report::Score { .. } | Report::Voted(_) => {}
            Report::Grid(grid) if self.exploration.grid_job == Some(job) => {
                self.exploration.take_grid(grid);
                // The cell that was clicked before is asked about anew.
                if let Some(cell) = self.exploration.cell {
                    self.neighbours(cell);
                }
            }
            Report::Neighbours { lists } if self.exploration.asks(job) => self.exploration.neighbours(lists),
            Report::RangeStep(point) if self.range.job == Some(job) => self.range.points.push(point),
            Report::Range(findings) if self.range.job == Some(job) => self.range.findings = Some(findings),
            Report::Grid(_) | Report::Neighbours { .. } | Report::RangeStep(_) | Report::Range(_) => {}
            Report::LabStep(step) if self.lab.job == Some(job) => self.lab.stepped(&step),
            Report::LabScore(score) if self.lab.job == Some(job) => self.lab.scored(score),
            Report::LabStep(_) | Report::LabScore(_) | Report::Lab { .. } => {}
            Report::Inspected(found) => match purpose {
                Purpose::TasksOf(run) => drop(self.tasks.insert(run, found.tasks)),
                _ => self.inspected(job, found),
            },
            Report::Probed(probe) => self.with_incoming(job, |incoming| incoming.probe = Some(probe)),
            Report::Written { .. } if purpose == Purpose::Incoming => self.imported(job),
            Report::Written { folder } => {
                self.notices.add(Level::Good, say!("notice.written", path = folder.display()), "", self.now);
            }
        }
    }

    fn with_live(&mut self, job: JobId, change: impl FnOnce(&mut Live)) {
        if let Some(live) = self.live.get_mut(&job) {
            change(live);
        }
    }

    fn enter_phase(&mut self, job: JobId, phase: Phase) {
        if let Some(live) = self.live.get_mut(&job) {
            live.phase = Some(phase);
        } else if self.comparison.job == Some(job) {
            self.comparison.phase = Some(phase);
        } else if self.exploration.asks(job) {
            self.exploration.phase = Some(phase);
        } else if self.range.job == Some(job) {
            self.range.phase = Some(phase);
        } else if self.lab.job == Some(job) {
            self.lab.phase = Some(phase);
        } else {
            self.with_incoming(job, |incoming| incoming.phase = Some(phase));
        }
    }

    fn learn_model(&mut self, purpose: Purpose, model: Box<ModelSummary>) {
        if let Purpose::Model(folder) = purpose {
            self.ask_store(Request::RememberModel(model.clone()));
            self.ask_store(Request::ListLibrary);
            self.models.insert(folder, Described::Known(model));
        }
    }

    fn take_preview(&mut self, job: JobId, preview: DataPreview) {
        if self.preview.job == Some(job) {
            self.preview.take(preview);
        } else if self.preview_beside.job == Some(job) {
            self.preview_beside.take(preview);
        } else if self.preview_validation.job == Some(job) {
            self.preview_validation.take(preview);
        } else if self.comparison.rows_job == Some(job) {
            self.comparison.rows_job = None;
            self.comparison.task = Some(preview.task);
            self.comparison.rows = preview.rows;
        }
    }

    fn finished(&mut self, job: JobId, purpose: &Purpose, outcome: Outcome) {
        if let Purpose::Train(run) = purpose {
            let name = self.row(run).map_or_else(|| run.to_string(), |row| row.name.clone());
            let sentence = match outcome {
                Outcome::Completed => say!("notice.completed", name = name),
                Outcome::StoppedEarly => say!("notice.stopped_early", name = name),
                Outcome::Stopped => say!("notice.stopped", name = name),
            };
            let level = if outcome == Outcome::Stopped { Level::Info } else { Level::Good };
            self.notices.offer(level, sentence, Offer::Open(run.clone()), self.now);
        }
        if self.comparison.job == Some(job) {
            self.comparison.job = None;
            self.comparison.phase = None;
        }
        self.with_incoming(job, |incoming| {
            incoming.job = None;
            incoming.phase = None;
        });
        self.close(job);
    }

    fn failed(&mut self, job: JobId, purpose: Purpose, failure: Failure) {
        match purpose {
            Purpose::Model(folder) => {
                self.models.insert(folder, Described::Failed(failure));
            }
            Purpose::Preview if self.preview.job == Some(job) => {
                self.preview.fail(failure);
            }
            Purpose::PreviewBeside if self.preview_beside.job == Some(job) => self.preview_beside.fail(failure),
            Purpose::PreviewValidation if self.preview_validation.job == Some(job) => {
                self.preview_validation.fail(failure);
            }
            Purpose::Generate if self.comparison.job == Some(job) => {
                self.comparison.job = None;
                self.comparison.phase = None;
                self.comparison.failure = Some(failure);
            }
            Purpose::Grid if self.exploration.grid_job == Some(job) => {
                self.exploration.grid_job = None;
                self.exploration.failure = Some(failure);
            }
            Purpose::Neighbours if self.exploration.asks(job) => {
                self.exploration.asked = None;
                self.exploration.phase = None;
                self.exploration.failure = Some(failure);
            }
            Purpose::Incoming => self.incoming_failed(job, failure),
            Purpose::Range if self.range.job == Some(job) => self.range.failure = Some(failure),
            Purpose::Lab if self.lab.job == Some(job) => self.lab.failure = Some(failure),
            Purpose::Preview
            | Purpose::PreviewBeside
            | Purpose::PreviewValidation
            | Purpose::Generate
            | Purpose::Grid
            | Purpose::Neighbours
            | Purpose::Range
            | Purpose::Lab => {}
            Purpose::FindPrompts => {
                self.comparison.rows_job = None;
                self.notices.fail(&failure, self.now);
            }
            Purpose::Train(_) | Purpose::Export | Purpose::Devices | Purpose::TasksOf(_) => {
                self.notices.fail(&failure, self.now)
            }
        }
        self.close(job);
    }

    fn close(&mut self, job: JobId) {
        self.jobs.remove(&job);
        self.range.job.take_if(|range| *range == job);
        self.lab.job.take_if(|lab| *lab == job);
        if self.live.remove(&job).is_some() {
            self.start_next();
        }
        let idle = self.live.is_empty() && self.queue.is_empty();
        if idle && matches!(self.leaving, Leaving::WhenDone | Leaving::WhenStopped) {
            self.leaving = Leaving::Now;
        }
    }

    /// The engine's thread is gone: what it was computing is interrupted.
    pub fn engine_died(&mut self) {
        if self.engine_gone {
            return;
        }
        self.engine_gone = true;
        self.live.clear();
        self.jobs.clear();
        self.comparison.job = None;
        self.exploration.asked = None;
        self.exploration.grid_job = None;
        self.preview.job = None;
        self.preview_beside.job = None;
        self.preview_validation.job = None;
        self.incoming = None;
        self.range.job = None;
        self.lab.job = None;
        self.ask_store(Request::EngineGone);
        self.banner = Some(failure(say!("banner.engine"), say!("banner.engine_advice")));
    }
}

//! Actions are done here: the state changes and commands and requests go out.

use std::path::PathBuf;

use engine::config::RunConfig;
use engine::message::{Command, NeighbourRequest, RateRange};

use super::exploration::{Cell, Exploration};
use super::live::Live;
use super::range::RangeTest;
use super::run_view::RunView;
use super::{Described, PreviewState, Purpose, State, Waiting};
use crate::action::{Action, Leaving, Screen};
use crate::settings::Settings;
use crate::store::{Cursor, Request};
use crate::workspace::RunId;

/// How many rows *New run* shows.
const PREVIEW_ROWS: usize = 40;

impl State {
    /// Does what a user asked for. What needs a dialog, a file or a new run folder was done by the caller before.
    pub fn perform(&mut self, action: Action) {
        match action {
            Action::Show(screen) => self.show(screen),
            Action::Open(run, screen) => self.open(run, screen),
            Action::Resume(run) => self.resume(&run),
            Action::Duplicate(run) => self.duplicate(run),
            Action::Pause(run, pause) => self.pause(&run, pause),
            Action::Stop(run) => self.stop(&run),
            Action::Checkpoint(run) => {
                if let Some((job, _)) = self.live_of(&run) {
                    self.command(Command::Checkpoint { job });
                }
            }
            Action::Withdraw(run) => self.withdraw(&run),
            Action::Rename(run, name) => self.ask_store(Request::Rename { run, name }),
            Action::Delete(run) => self.ask_store(Request::Delete(run)),
            Action::Star(run, starred) => self.ask_store(Request::Star { run, starred }),
            Action::Describe(folder) | Action::AddModel(folder) => self.describe(folder),
            Action::Preview { model, data, task, n_virtual } => {
                let job = self.job(Purpose::Preview);
                self.preview.job = Some(job);
                self.command(Command::Preview { job, model, data: *data, task, n_virtual, rows: PREVIEW_ROWS });
            }
            Action::PreviewBeside { model, data, task, n_virtual } => {
                let job = self.job(Purpose::PreviewBeside);
                self.preview_beside = PreviewState { job: Some(job), ..PreviewState::default() };
                self.command(Command::Preview { job, model, data: *data, task, n_virtual, rows: PREVIEW_ROWS });
            }
            Action::TestRange(config) => self.test_range(config),
            Action::EndRange => self.end_range(),
            Action::CompareStarts(config, plan) => self.compare_starts(config, *plan),
            Action::EndLab => self.end_lab(),
            Action::AddDataset(train) => {
                self.ask_library(Request::RememberDataset { train, validation: None });
            }
            Action::ForgetModel(folder) => self.ask_library(Request::ForgetModel(folder)),
            Action::ForgetDataset(train) => self.ask_library(Request::ForgetDataset(train)),
            Action::UseModel(_) | Action::UseDataset(..) => self.show(Screen::NewRun),
            Action::ToggleColumn(run) => {
                self.comparison.toggle(&run);
                self.ask_store(Request::Detail { run, since: Cursor::default() });
                self.find_prompts();
            }
            Action::ColumnCheckpoint(run, checkpoint) => {
                self.comparison.columns_of(&run).for_each(|column| column.checkpoint.clone_from(&checkpoint));
            }
            Action::ColumnTask(run, task) => {
                self.comparison.columns_of(&run).for_each(|column| column.task = Some(task.clone()));
            }
            Action::FindPrompts => {
                self.comparison.prompts_of = None;
                self.find_prompts();
            }
            Action::Generate(wish) => self.generate(*wish),
            Action::StopGenerating => {
                if let Some(job) = self.comparison.job.take() {
                    self.command(Command::Stop { job });
                    self.comparison.phase = None;
                }
            }
            Action::Explore { checkpoint } => self.explore(checkpoint),
            Action::Neighbours { layer, position, side, metric } => {
                self.neighbours(Cell { layer, position, side, metric });
            }
            sent @ (Action::Export { .. } | Action::Merge { .. } | Action::Share { .. }) => self.send_out(sent),
            Action::OpenAdapter(path) => self.open_adapter(path),
            Action::HoldAgainst(model) => self.hold_against(model),
            Action::ProbeAdapter => self.probe_adapter(self.settings.device),
            Action::PutAdapterAway => self.put_adapter_away(),
            Action::LookUp(id) => self.look_up(&id),
            Action::Download => self.download(),
            Action::CancelDownload => self.cancel_download(),
            Action::KeepToken(text) => self.keep_token(&text.0),
            Action::Keep(settings) => self.keep(*settings),
            Action::ListDevices => self.list_devices(),
            Action::NoticesSeen => self.notices.unread = 0,
            Action::ClearNotices => self.notices.clear(),
            Action::DismissBanner => self.banner = None,
            Action::Leave(leaving) => self.leave(leaving),
            Action::Start(_) | Action::Browse(_) | Action::Write { .. } | Action::ImportAdapter { .. } => {}
        }
    }

    /// Writes an adapter in one of the forms that it can leave in.
    fn send_out(&mut self, action: Action) {
        let (job, device) = (self.job(Purpose::Export), self.settings.device);
        self.command(match action {
            Action::Export { adapter, to } => Command::Export { job, adapter, to },
            Action::Merge { adapter, model, to } => Command::Merge { job, adapter, model, to },
            Action::Share { adapter, model, with_samples, to } => {
                Command::Share { job, adapter, model, device, card: String::new(), with_samples, to }
            }
            _ => return,
        });
    }

    fn test_range(&mut self, config: Box<RunConfig>) {
        if let Some(job) = self.range.job.take() {
            self.command(Command::Stop { job });
        }
        let job = self.job(Purpose::Range);
        self.range = RangeTest { job: Some(job), ..RangeTest::default() };
        self.command(Command::TestRange { job, config, range: RateRange::default() });
    }

    /// A test under way stops and keeps its curve; the curve of one that is over goes.
    fn end_range(&mut self) {
        match self.range.job.take() {
            Some(job) => self.command(Command::Stop { job }),
            None => self.range = RangeTest::default(),
        }
    }

    fn keep(&mut self, settings: Settings) {
        let moved = settings.hub_endpoint != self.settings.hub_endpoint;
        self.settings = settings;
        if moved {
            self.describe_hub();
        }
    }

    fn ask_library(&mut self, request: Request) {
        self.ask_store(request);
        self.ask_store(Request::ListLibrary);
    }

    fn show(&mut self, screen: Screen) {
        self.screen = screen;
        if matches!(screen, Screen::Training | Screen::Explorer) && self.view.is_none() {
            let live = self.live.values().next().map(|live| live.run.clone());
            let newest = self.runs.iter().flatten().next().map(|row| row.id.clone());
            if let Some(run) = live.or(newest) {
                self.view = Some(RunView::new(run));
                self.refresh_view();
            }
        }
        match screen {
            Screen::Explorer => self.explore_best(),
            Screen::Compare => self.begin_comparison(),
            _ => {}
        }
    }

    fn open(&mut self, run: RunId, screen: Screen) {
        if screen == Screen::Compare {
            self.compare_with(&run);
        } else if self.view.as_ref().is_none_or(|view| view.id != run) {
            self.exploration = Exploration::default();
            self.view = Some(RunView::new(run));
            self.refresh_view();
        }
        self.show(screen);
    }

    /// Puts a run into the queue; it begins at once if nothing else is computed.
    pub fn enqueue(&mut self, run: RunId, folder: PathBuf, config: Box<RunConfig>, resume: bool) {
        if !resume {
            self.ask_store(Request::Register { run: run.clone(), config: config.clone(), experiment: None });
        }
        self.queue.push_back(Waiting { run: run.clone(), folder, config, resume });
        self.ask_store(Request::ListRuns);
        if self.live.is_empty() {
            self.start_next();
        }
        self.view = None;
        self.open(run, Screen::Training);
    }

    pub(super) fn start_next(&mut self) {
        if self.leaving == Leaving::WhenStopped {
            return;
        }
        if let Some(next) = self.queue.pop_front() {
            let job = self.job(Purpose::Train(next.run.clone()));
            self.live.insert(job, Live::new(next.run.clone()));
            self.ask_store(Request::Begin { job, run: next.run });
            self.command(Command::Train { job, folder: next.folder, config: next.config, resume: next.resume });
        }
    }

    fn resume(&mut self, run: &RunId) {
        if self.live_of(run).is_some() || self.queue.iter().any(|waiting| waiting.run == *run) {
            return self.open(run.clone(), Screen::Training);
        }
        let Some(folder) = self.row(run).map(|row| row.folder.clone()) else { return };
        let known = self.view.as_ref().filter(|view| view.id == *run).and_then(|view| view.config.clone());
        match known {
            Some(config) => self.enqueue(run.clone(), folder, config, true),
            None => {
                self.after_detail = Some((run.clone(), AfterDetail::Resume));
                self.open(run.clone(), Screen::Training);
            }
        }
    }

    fn duplicate(&mut self, run: RunId) {
        let known = self.view.as_ref().filter(|view| view.id == run).and_then(|view| view.config.clone());
        match known {
            Some(config) => {
                self.refill = Some(config);
                self.show(Screen::NewRun);
            }
            None => {
                self.after_detail = Some((run.clone(), AfterDetail::Duplicate));
                self.open(run, Screen::Training);
            }
        }
    }

    /// Does what had to wait for a run's settings.
    pub(super) fn go_on_with_detail(&mut self) {
        let Some(view) = self.view.as_ref().filter(|view| view.config.is_some()) else { return };
        match self.after_detail.take_if(|(run, _)| *run == view.id) {
            Some((run, AfterDetail::Resume)) => self.resume(&run),
            Some((run, AfterDetail::Duplicate)) => self.duplicate(run),
            None => {}
        }
        if self.screen == Screen::Explorer {
            self.explore_best();
        }
    }

    fn pause(&mut self, run: &RunId, pause: bool) {
        if let Some((job, _)) = self.live_of(run) {
            self.command(if pause { Command::Pause { job } } else { Command::Continue { job } });
        }
    }

    fn stop(&mut self, run: &RunId) {
        if let Some((job, _)) = self.live_of(run) {
            self.with_live(job, |live| live.stopping = true);
            self.command(Command::Stop { job });
        } else {
            self.withdraw(run);
        }
    }

    fn withdraw(&mut self, run: &RunId) {
        self.queue.retain(|waiting| waiting.run != *run);
        self.ask_store(Request::Withdraw(run.clone()));
        self.ask_store(Request::ListRuns);
    }

    pub(super) fn describe(&mut self, folder: PathBuf) {
        if !matches!(self.models.get(&folder), Some(Described::Asked)) {
            let job = self.job(Purpose::Model(folder.clone()));
            self.models.insert(folder.clone(), Described::Asked);
            self.command(Command::DescribeModel { job, folder });
        }
    }

    fn explore_best(&mut self) {
        let Some(view) = &self.view else { return };
        if self.exploration.checkpoint.is_none()
            && let Some(folder) = view.adapter()
        {
            self.explore(folder);
        }
    }

    fn explore(&mut self, checkpoint: PathBuf) {
        self.exploration.look_at(checkpoint.clone());
        let job = self.job(Purpose::Grid);
        self.exploration.grid_job = Some(job);
        let model = self.view.as_ref().and_then(|view| view.row.as_ref()).map(|row| row.model_folder.clone());
        self.command(Command::DescribePrefix { job, adapter: checkpoint, model });
    }

    fn neighbours(&mut self, cell: Cell) {
        self.exploration.cell = Some(cell);
        self.exploration.failure = None;
        if self.exploration.list().is_some() {
            return;
        }
        let (Some(adapter), Some(view)) = (self.exploration.checkpoint.clone(), &self.view) else { return };
        let Some(model) = view.row.as_ref().map(|row| row.model_folder.clone()) else { return };
        let initial = view.initial();
        if let Some(job) = self.exploration.job.take() {
            self.command(Command::Stop { job });
        }
        let job = self.job(Purpose::Neighbours);
        self.exploration.job = Some(job);
        let request = NeighbourRequest {
            model,
            device: self.settings.device,
            adapter,
            initial,
            layers: vec![cell.layer],
            positions: vec![cell.position],
            side: cell.side,
            metric: cell.metric,
            top: 12,
        };
        self.command(Command::Neighbours { job, request: Box::new(request) });
    }

    fn leave(&mut self, leaving: Leaving) {
        self.leaving = leaving;
        match leaving {
            Leaving::WhenStopped => {
                while let Some(waiting) = self.queue.pop_front() {
                    self.ask_store(Request::Withdraw(waiting.run));
                }
                let runs: Vec<RunId> = self.live.values().map(|live| live.run.clone()).collect();
                for run in &runs {
                    self.stop(run);
                }
                if runs.is_empty() {
                    self.leaving = Leaving::Now;
                }
            }
            Leaving::WhenDone if self.live.is_empty() && self.queue.is_empty() => self.leaving = Leaving::Now,
            _ => {}
        }
    }
}

/// What waits for a run's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterDetail {
    Resume,
    Duplicate,
}

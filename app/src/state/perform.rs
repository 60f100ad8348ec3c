//! Actions are done here: the state changes and commands and requests go out.

use std::path::PathBuf;

use engine::config::RunConfig;
use engine::protocol::{Ask, NeighbourRequest};
use engine::training::Beginning;
use engine::training::RateRange;

use super::live::Live;
use super::notices::Offer;
use super::{Described, PreviewState, Purpose, State, Waiting};
use crate::action::{Action, Leaving, Screen};
use crate::say;
use crate::screens::explorer::state::{Cell, Exploration, can_be_explored};
use crate::screens::new_run::state::range::RangeTest;
use crate::screens::training::state::RunView;
use crate::settings::Settings;
use crate::state::notices::Level;
use crate::store::{Cursor, Request};
use crate::workspace::{RunId, default_name};

/// How many rows *New run* shows.
const PREVIEW_ROWS: usize = 40;

impl State {
    /// Does what a user asked for. What needs a dialog, a file or a new run folder was done by the caller before.
    pub fn perform(&mut self, action: Action) {
        match action {
            Action::Show(Screen::Explorer) => self.show_explorer(),
            Action::Show(screen) => self.show(screen),
            Action::Open(run, screen) => self.open(run, screen),
            Action::Resume(run) => self.resume(&run, Beginning::Resumed),
            Action::ResumeOnOthers(run) => self.resume(&run, Beginning::ResumedOnOthers),
            Action::Duplicate(run) => self.duplicate(run),
            Action::Pause(run, pause) => self.pause(&run, pause),
            Action::Stop(run) => self.stop(&run),
            Action::Checkpoint(run) => self.checkpoint(&run),
            Action::Withdraw(run) => self.withdraw(&run),
            Action::Rename(run, name) => self.ask_store(Request::Rename { run, name }),
            Action::Delete(run) => self.ask_store(Request::Delete(run)),
            Action::Star(run, starred) => self.ask_store(Request::Star { run, starred }),
            Action::Describe(folder) | Action::AddModel(folder) => self.describe(folder),
            asked @ (Action::Preview { .. } | Action::PreviewBeside { .. } | Action::PreviewValidation { .. }) => {
                self.preview(asked);
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
                self.stop_generating();
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
            Action::StopGenerating => self.stop_generating(),
            Action::Explore { checkpoint } => self.explore(checkpoint),
            Action::Neighbours(cell) => self.neighbours(cell),
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
            Action::PutNoticeAway(id) => self.notices.put_away(id),
            Action::NoticesSeen => self.notices.unread = 0,
            Action::ClearNotices => self.notices.clear(),
            Action::DismissBanner => self.banner = None,
            Action::Leave(leaving) => self.leave(leaving),
            Action::Start(_)
            | Action::Browse(_)
            | Action::Write { .. }
            | Action::ImportAdapter { .. }
            | Action::OpenPaths(_) => {}
        }
    }

    /// Asks for the rows of the form: those that train, those of a dataset beside them, or one that validates.
    fn preview(&mut self, action: Action) {
        let (purpose, (model, data, task, n_virtual), rows) = match action {
            Action::Preview { model, data, task, n_virtual } => {
                (Purpose::Preview, (model, data, task, n_virtual), PREVIEW_ROWS)
            }
            Action::PreviewBeside { model, data, task, n_virtual } => {
                (Purpose::PreviewBeside, (model, data, task, n_virtual), PREVIEW_ROWS)
            }
            Action::PreviewValidation { model, data, task, n_virtual } => {
                (Purpose::PreviewValidation, (model, data, task, n_virtual), 1)
            }
            _ => return,
        };
        let job = self.job(purpose.clone());
        let shown = match purpose {
            Purpose::PreviewBeside => &mut self.preview_beside,
            Purpose::PreviewValidation => &mut self.preview_validation,
            _ => &mut self.preview,
        };
        let of = Some((model.clone(), data.train.clone()));
        // Of the same rows the last answer stays until the next has come; of others it would be wrong.
        let known = shown.known.take().filter(|_| purpose == Purpose::Preview && shown.of == of);
        *shown = PreviewState { job: Some(job), known, of, failure: None };
        self.ask_engine(job, Ask::Preview { model, data: *data, task, n_virtual, rows });
    }

    /// Writes an adapter in one of the forms that it can leave in.
    fn send_out(&mut self, action: Action) {
        let device = self.settings.device;
        let ask = match action {
            Action::Export { adapter, to } => Ask::Export { adapter, to },
            Action::Merge { adapter, model, to } => Ask::Merge { adapter, model, to },
            Action::Share { adapter, model, with_samples, to } => {
                Ask::Share { adapter, model, device, card: String::new(), with_samples, to }
            }
            _ => return,
        };
        let job = self.job(Purpose::Export);
        self.ask_engine(job, ask);
    }

    fn test_range(&mut self, config: Box<RunConfig>) {
        if let Some(job) = self.range.job.take() {
            self.ask_engine(job, Ask::Stop);
        }
        let job = self.job(Purpose::Range);
        self.range = RangeTest { job: Some(job), config: Some(config.clone()), ..RangeTest::default() };
        self.ask_engine(job, Ask::TestRange { config, range: RateRange::default() });
    }

    /// A test under way stops and keeps its curve; the curve of one that is over goes.
    fn end_range(&mut self) {
        match self.range.job.take() {
            Some(job) => self.ask_engine(job, Ask::Stop),
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
        let shown = if screen == Screen::Explorer { self.explored() } else { self.view.as_ref() };
        if matches!(screen, Screen::Training | Screen::Explorer) && shown.is_none() {
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
            self.view_run(run, screen == Screen::Explorer);
        } else if screen == Screen::Explorer && self.exploration.instead.is_some() {
            self.explore_anew(None, None);
        }
        self.show(screen);
    }

    /// Puts a run on screen. What the Explorer shows stays for as long as that run has nothing to look at, unless the run
    /// is to be looked into by name.
    fn view_run(&mut self, run: RunId, by_name: bool) {
        let stays = !by_name && !self.row(&run).is_some_and(can_be_explored);
        let left = self.view.replace(RunView::new(run));
        if !stays {
            self.explore_anew(None, None);
        } else if self.exploration.instead.is_none() && self.exploration.checkpoint.is_some() {
            self.exploration.instead = left;
        }
        self.refresh_view();
    }

    fn show_explorer(&mut self) {
        self.find_explored();
        self.show(Screen::Explorer);
    }

    /// What the Explorer shows when it is opened: the run on screen, or the newest that has something to look at.
    fn find_explored(&mut self) {
        let has_some = |view: &RunView| self.row(&view.id).is_none_or(can_be_explored);
        let instead = match (&self.view, &self.exploration.instead) {
            (Some(view), None) if has_some(view) => return,
            (Some(view), Some(_)) if has_some(view) => None,
            (_, Some(_)) => return,
            (_, None) => match self.runs.iter().flatten().find(|row| can_be_explored(row)) {
                Some(row) => Some(RunView::new(row.id.clone())),
                None => return,
            },
        };
        self.explore_anew(None, instead);
        self.refresh_view();
    }

    /// Looks at something else. A question about what was looked at before ends; the cell that was clicked stays.
    fn explore_anew(&mut self, checkpoint: Option<PathBuf>, instead: Option<RunView>) {
        if let Some((job, _)) = self.exploration.asked.take() {
            self.ask_engine(job, Ask::Stop);
        }
        self.exploration = Exploration::of(checkpoint, self.exploration.cell, instead);
    }

    /// Goes back to where one was when the program came to its end, as far as it is still there. Nothing is computed by
    /// itself: whatever ended the program last time would end it again.
    pub fn return_to(&mut self, screen: Screen, run: Option<RunId>, compared: &[RunId]) {
        for run in compared.iter().filter(|run| self.row(run).is_some()).cloned().collect::<Vec<_>>() {
            self.compare_with(&run);
        }
        match run.filter(|run| self.row(run).is_some()) {
            Some(run) => self.view_run(run, screen == Screen::Explorer),
            None if matches!(screen, Screen::Training | Screen::Explorer) => return,
            None => {}
        }
        self.show(screen);
        self.comparison.waits = true;
    }

    /// Puts a run into the queue; it begins at once if nothing else is computed. One that has to wait leaves the screen as
    /// it is, so that several can be set up in a row.
    pub fn enqueue(&mut self, run: RunId, folder: PathBuf, config: Box<RunConfig>, beginning: Beginning) {
        self.changed.take_if(|(changed, _)| *changed == run);
        if beginning == Beginning::Fresh {
            self.ask_store(Request::Register { run: run.clone(), config: config.clone(), experiment: None });
        }
        let name = config.name.clone();
        self.queue.push_back(Waiting { run: run.clone(), folder, config, beginning });
        self.ask_store(Request::ListRuns);
        if self.live.is_empty() {
            self.start_next();
            self.view_run(run, false);
            return self.show(Screen::Training);
        }
        let sentence = say!("notice.queued", name = name, n = self.queue.len());
        self.notices.offer(Level::Info, sentence, Offer::Open(run), self.now);
    }

    /// The name of a new run: one that nobody typed is numbered where another run has it.
    pub fn name_apart(&self, config: &mut RunConfig) {
        let is_taken = |name: &str| self.runs.iter().flatten().any(|row| row.name == name);
        let of_method = default_name(config);
        if config.name == of_method && is_taken(&of_method) {
            let numbered = (2..).map(|n| format!("{of_method} #{n}"));
            config.name = numbered.into_iter().find(|name| !is_taken(name)).unwrap_or(of_method);
        }
    }

    pub(super) fn start_next(&mut self) {
        if self.leaving == Leaving::WhenStopped {
            return;
        }
        if let Some(next) = self.queue.pop_front() {
            let job = self.job(Purpose::Train(next.run.clone()));
            self.live.insert(job, Live::new(next.run.clone()));
            self.ask_store(Request::Begin { job, run: next.run.clone() });
            let Waiting { folder, config, beginning, .. } = next;
            let ask = match beginning {
                Beginning::Fresh => Ask::Train { folder, config, resume: false },
                Beginning::Resumed => Ask::Train { folder, config, resume: true },
                Beginning::ResumedOnOthers => Ask::ResumeOnOthers { folder, config },
            };
            self.ask_engine(job, ask);
        }
    }

    fn resume(&mut self, run: &RunId, beginning: Beginning) {
        if self.live_of(run).is_some() || self.queue.iter().any(|waiting| waiting.run == *run) {
            return self.open(run.clone(), Screen::Training);
        }
        let Some(folder) = self.row(run).map(|row| row.folder.clone()) else { return };
        let known = self.view.as_ref().filter(|view| view.id == *run).and_then(|view| view.config.clone());
        match known {
            Some(config) => self.enqueue(run.clone(), folder, config, beginning),
            None => {
                self.after_detail = Some((run.clone(), AfterDetail::Resume(beginning)));
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
        let known = self.view.as_ref().filter(|view| view.config.is_some()).map(|view| view.id.clone());
        match self.after_detail.take_if(|(run, _)| known.as_ref() == Some(run)) {
            Some((run, AfterDetail::Resume(beginning))) => self.resume(&run, beginning),
            Some((run, AfterDetail::Duplicate)) => self.duplicate(run),
            None => {}
        }
        if self.screen == Screen::Explorer {
            self.explore_best();
        }
    }

    fn pause(&mut self, run: &RunId, pause: bool) {
        if let Some((job, _)) = self.live_of(run) {
            self.ask_engine(job, if pause { Ask::Pause } else { Ask::Continue });
        }
    }

    fn checkpoint(&mut self, run: &RunId) {
        if let Some((job, _)) = self.live_of(run) {
            self.ask_engine(job, Ask::Checkpoint);
        }
    }

    fn stop(&mut self, run: &RunId) {
        if let Some((job, _)) = self.live_of(run) {
            self.with_live(job, |live| live.stopping = true);
            self.ask_engine(job, Ask::Stop);
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
            self.ask_engine(job, Ask::DescribeModel { folder });
        }
    }

    fn explore_best(&mut self) {
        let Some(view) = self.explored() else { return };
        if self.exploration.checkpoint.is_none()
            && let Some(folder) = view.adapter()
        {
            self.explore(folder);
        }
    }

    fn explore(&mut self, checkpoint: PathBuf) {
        let instead = self.exploration.instead.take();
        self.explore_anew(Some(checkpoint.clone()), instead);
        let job = self.job(Purpose::Grid);
        self.exploration.grid_job = Some(job);
        let model = self.explored().and_then(|view| view.row.as_ref()).map(|row| row.model_folder.clone());
        let initial = self.explored().and_then(RunView::initial);
        self.ask_engine(job, Ask::DescribePrefix { adapter: checkpoint, model, initial });
    }

    pub(super) fn neighbours(&mut self, cell: Cell) {
        self.exploration.cell = Some(cell);
        self.exploration.failure = None;
        if let Some((job, _)) = self.exploration.asked.take() {
            self.exploration.phase = None;
            self.ask_engine(job, Ask::Stop);
        }
        if self.exploration.list().is_some() {
            return;
        }
        let (Some(adapter), Some(view)) = (self.exploration.checkpoint.clone(), self.explored()) else { return };
        let Some(model) = view.row.as_ref().map(|row| row.model_folder.clone()) else { return };
        let initial = view.initial();
        let job = self.job(Purpose::Neighbours);
        self.exploration.asked = Some((job, cell));
        let request = NeighbourRequest {
            model,
            device: self.settings.device,
            adapter,
            initial,
            layers: vec![cell.layer],
            positions: vec![cell.position],
            side: cell.side,
            metric: cell.metric,
            space: cell.space,
            top: 12,
        };
        self.ask_engine(job, Ask::Neighbours(Box::new(request)));
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
    Resume(Beginning),
    Duplicate,
}

//! The other end of the window, written by hand: what it sends is kept, what it hears is what a test says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;

use app::action::Pick;
use app::charts::Picture;
use app::experiments::{Due, ExperimentId, Plan, PlannedRun};
use app::machines::How;
use app::opening::{Opened, PathKind};
use app::screens::experiment::action::NewExperiment;
use app::settings::Settings;
use app::store::{Access, Answer, Request, RunRow};
use app::window::Workbench;
use app::window::backend::{Backend, BackendEvent};
use app::workspace::RunId;
use egui::Theme;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, SnapshotOptions};
use engine::Sentence;
use engine::device::DeviceChoice;
use engine::error::Failure;
use engine::hub::HubCommand;
use engine::protocol::{Ask, Command, Event, JobId, Report};

use crate::fixtures::{NOW, config, devices, model_summary, preview_rows};

/// The record of what was sent, and the news still to be heard.
#[derive(Default)]
pub(crate) struct World {
    /// Runs that got a folder.
    made: usize,
    pub(crate) news: VecDeque<BackendEvent>,
    pub(crate) commands: Vec<Command>,
    pub(crate) requests: Vec<Request>,
    pub(crate) asked_hub: Vec<HubCommand>,
    pub(crate) drawn: Vec<(PathBuf, Picture)>,
    pub(crate) browsed: Vec<Pick>,
    pub(crate) written: Vec<(PathBuf, String)>,
    pub(crate) reports: Vec<(Vec<RunId>, PathBuf)>,
    pub(crate) kept: Vec<Settings>,
    pub(crate) read_only: Option<String>,
    pub(crate) now: f64,
    /// Paths that were opened; `opens` is what the next ones are: an adapter where nothing is said.
    pub(crate) opened: Vec<Vec<PathBuf>>,
    pub(crate) opens: Option<Opened>,
    /// The kind of what is held over the window.
    pub(crate) kind: Option<PathKind>,
    pub(crate) desks: Vec<String>,
    /// Experiments of the workspace, newest first.
    pub(crate) plans: Vec<Plan>,
    /// What was handed to other machines.
    pub(crate) handed: Vec<(Plan, Vec<Due>, How)>,
}

#[derive(Clone, Default)]
pub(crate) struct FakeBackend(pub(crate) Rc<RefCell<World>>);

impl Backend for FakeBackend {
    fn next(&mut self) -> Option<BackendEvent> {
        self.0.borrow_mut().news.pop_front()
    }
    fn command(&mut self, command: Command) -> Result<(), Sentence> {
        self.0.borrow_mut().commands.push(command);
        Ok(())
    }
    fn seat(&mut self, _: usize, _: &[DeviceChoice], command: Command) -> Result<(), Sentence> {
        self.command(command)
    }
    fn hub(&mut self, command: HubCommand) {
        self.0.borrow_mut().asked_hub.push(command);
    }
    fn request(&mut self, request: Request) {
        self.0.borrow_mut().requests.push(request);
    }
    fn new_run(&mut self) -> Result<(RunId, PathBuf), Failure> {
        let mut world = self.0.borrow_mut();
        world.made += 1;
        let id = match world.made {
            1 => "20261121-031502-beef".to_owned(),
            n => format!("20261121-031502-beef-{n}"),
        };
        let folder = PathBuf::from("/workspace/runs").join(&id);
        Ok((RunId(id), folder))
    }
    fn list_experiments(&mut self) {
        let mut world = self.0.borrow_mut();
        let plans = world.plans.clone();
        world.news.push_back(BackendEvent::Experiments(plans, Vec::new()));
    }
    fn new_experiment(&mut self, new: NewExperiment) {
        let mut world = self.0.borrow_mut();
        let id = ExperimentId(format!("20261121-0400{:02}-cafe", world.plans.len()));
        let runs = new.runs.into_iter().enumerate().map(|(n, (member, config))| PlannedRun {
            run: RunId(format!("{}-{}", id.0, n + 1)),
            name: member.name,
            values: member.values,
            config: Box::new(config),
        });
        let plan = Plan { id: id.clone(), experiment: new.experiment, runs: runs.collect() };
        world.plans.insert(0, plan.clone());
        world.news.push_back(BackendEvent::ExperimentMade(Ok(Box::new(plan))));
    }
    fn hand_over(&mut self, plan: Plan, due: Vec<Due>, how: How) {
        self.0.borrow_mut().handed.push((plan, due, how));
    }
    fn browse(&mut self, pick: Pick) {
        self.0.borrow_mut().browsed.push(pick);
    }
    fn open_paths(&mut self, paths: Vec<PathBuf>) {
        let mut world = self.0.borrow_mut();
        let opened = world.opens.clone().or_else(|| paths.first().cloned().map(Opened::Adapter));
        world.news.extend(opened.map(BackendEvent::Opened));
        world.opened.push(paths);
    }
    fn draw(&mut self, path: PathBuf, picture: Box<Picture>) {
        self.0.borrow_mut().drawn.push((path, *picture));
    }
    fn look_at(&mut self, paths: Vec<PathBuf>) {
        let mut world = self.0.borrow_mut();
        let kinds = world.kind.map(|kind| vec![kind; paths.len()]);
        world.news.extend(kinds.map(|kinds| BackendEvent::Hovered(paths, kinds)));
    }
    fn write(&mut self, path: PathBuf, text: String) {
        self.0.borrow_mut().written.push((path, text));
    }
    fn report(&mut self, runs: Vec<RunId>, to: PathBuf) {
        self.0.borrow_mut().reports.push((runs, to));
    }
    fn keep_desk(&mut self, text: String) {
        self.0.borrow_mut().desks.push(text);
    }
    fn keep_settings(&mut self, settings: &Settings) {
        self.0.borrow_mut().kept.push(settings.clone());
    }
    fn workspace(&self) -> PathBuf {
        PathBuf::from("/workspace")
    }
    fn access(&self) -> Access {
        self.0.borrow().read_only.clone().map_or(Access::ReadWrite, |why| Access::ReadOnly(Sentence::verbatim(why)))
    }
    fn now(&self) -> f64 {
        NOW as f64 + self.0.borrow().now
    }
    fn finish(&mut self) {}
}

/// A window and its other end.
pub(crate) struct Bench {
    pub(crate) harness: Harness<'static, Option<Workbench>>,
    pub(crate) world: Rc<RefCell<World>>,
}

/// Presses the control of that name. A screen may say the same word elsewhere, as text.
pub(crate) fn press<S>(harness: &Harness<'_, S>, label: &str) {
    let named: Vec<_> = harness.query_all_by_label(label).collect();
    let mut controls = named.iter().filter(|node| node.accesskit_node().role() != Role::Label);
    let control = controls.next().unwrap_or_else(|| panic!("no control is called {label:?}"));
    assert!(controls.next().is_none(), "two controls are called {label:?}");
    control.click();
}

/// Settings, size and rights with which a window starts.
pub(crate) struct Start {
    pub(crate) settings: Settings,
    pub(crate) size: [f32; 2],
    pub(crate) read_only: Option<String>,
}

impl Default for Start {
    fn default() -> Self {
        Self { settings: settings(), size: [1280.0, 800.0], read_only: None }
    }
}

/// Dark and English, whatever the machine speaks.
pub(crate) fn settings() -> Settings {
    Settings { language: app::i18n::Language::English, theme: app::theme::ThemeChoice::Dark, ..Settings::default() }
}

impl Bench {
    pub(crate) fn new(start: Start) -> Self {
        let backend = FakeBackend::default();
        backend.0.borrow_mut().read_only = start.read_only;
        let world = backend.0.clone();
        let settings = start.settings;
        let mut backend = Some(backend);
        let draw = move |ui: &mut egui::Ui, bench: &mut Option<Workbench>| {
            let window = bench.get_or_insert_with(|| {
                let backend = backend.take().expect("one window");
                Workbench::new(ui.ctx(), Box::new(backend), settings.clone(), Some(Box::new(config())))
            });
            window.receive(ui.ctx());
            let whole = ui.ctx().content_rect();
            window.ui(&mut ui.new_child(egui::UiBuilder::new().max_rect(whole)));
        };
        let options = SnapshotOptions::new().output_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
        let harness = Harness::builder()
            .with_size(start.size)
            .with_theme(Theme::Dark)
            .with_options(options)
            .with_os(egui::os::OperatingSystem::Nix)
            .with_max_steps(12)
            .with_render_cursor(false)
            .build_ui_state(draw, None);
        let mut bench = Self { harness, world };
        bench.settle();
        bench
    }

    /// A window that knows its devices and has heard of these runs.
    pub(crate) fn with_runs(start: Start, runs: Vec<RunRow>) -> Self {
        let mut bench = Self::new(start);
        bench.hear(BackendEvent::Event(Event {
            job: bench.job_of_devices(),
            what: Report::Devices { devices: devices() },
        }));
        bench.hear(BackendEvent::Answer(Answer::Runs(runs)));
        bench
    }

    /// Draws until nothing moves; a spinner may go on.
    pub(crate) fn settle(&mut self) {
        self.harness.run_ok();
    }

    pub(crate) fn hear(&mut self, news: BackendEvent) {
        self.world.borrow_mut().news.push_back(news);
        self.settle();
    }

    pub(crate) fn event(&mut self, job: JobId, what: Report) {
        self.hear(BackendEvent::Event(Event { job, what }));
    }

    pub(crate) fn answer(&mut self, answer: Answer) {
        self.hear(BackendEvent::Answer(answer));
    }

    /// The last command that a test looks for.
    pub(crate) fn last<T>(&self, pick: impl Fn(&Command) -> Option<T>) -> Option<T> {
        self.world.borrow().commands.iter().rev().find_map(pick)
    }

    /// The last that the hub was asked for.
    pub(crate) fn last_of_hub<T>(&self, pick: impl Fn(&HubCommand) -> Option<T>) -> Option<T> {
        self.world.borrow().asked_hub.iter().rev().find_map(pick)
    }

    fn job_of_devices(&self) -> JobId {
        self.last(|command| match command {
            Command { job, ask: Ask::ListDevices } => Some(*job),
            _ => None,
        })
        .expect("devices are asked for at the start")
    }

    /// Answers what the form asks about its model and its rows.
    pub(crate) fn answer_form(&mut self) {
        // The form waits until typing has paused.
        for _ in 0..8 {
            self.harness.run_steps(10);
        }
        let model = self.last(|command| match command {
            Command { job, ask: Ask::DescribeModel { .. } } => Some(*job),
            _ => None,
        });
        if let Some(job) = model {
            self.event(job, Report::Model(Box::new(model_summary())));
        }
        let preview = self.last(|command| match command {
            Command { job, ask: Ask::Preview { .. } } => Some(*job),
            _ => None,
        });
        if let Some(job) = preview {
            self.event(job, Report::Preview(Box::new(preview_rows())));
        }
    }
}

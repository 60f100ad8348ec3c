//! The window on a real screen: the engine's and the store's threads, dialogs, files, and what is said when there is no
//! screen.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use eframe::NativeOptions;
use engine::config::RunConfig;
use engine::device::DeviceChoice;
use engine::error::{Failure, io_advice, io_reason};
use engine::files::write_whole;
use engine::hub::{Hub, HubCommand, HubConfig, HubEvent, Timeouts};
use engine::protocol::Command;
use engine::{Sentence, sentence};

use super::Workbench;
use super::backend::{Backend, BackendEvent};
use super::engines::Engines;
use crate::action::Pick;
use crate::charts::{self, Picture};
use crate::cli::WindowOptions;
use crate::desk::Desk;
use crate::experiments::{Due, Plan, ready_made};
use crate::i18n;
use crate::machines::{How, submit};
use crate::opening;
use crate::report;
use crate::screens::experiment::action::NewExperiment;
use crate::settings::Settings;
use crate::store::{Access, Answer, Request, Store};
use crate::t;
use crate::workspace::{Assets, RunId, Workspace, kept_token};

/// Frames are drawn at most so often because of events alone: where a program imitates the graphics card, each one costs
/// time that training needs.
pub(super) const EVENT_FRAME: Duration = Duration::from_millis(100);
/// Width and height of a picture; a PNG has twice as many pixels.
const PICTURE: (u32, u32) = (960, 600);
/// A dialog that ends sooner was never there.
const SHORTEST_DIALOG: Duration = Duration::from_millis(250);

/// Opens the window and returns when it is closed.
///
/// # Errors
/// There is no display, the database cannot be used, or the engine does not start: one sentence each.
pub fn run(workspace: Workspace, options: WindowOptions) -> anyhow::Result<()> {
    let mut settings = Settings::load(&workspace.settings());
    i18n::set_language(settings.language);
    if let Some(device) = options.device {
        settings.device = device;
    }
    if !has_display() {
        return Err(anyhow!(t!("start.no_display").to_owned()));
    }
    let starter = options.assets.starter_run().ok().map(Box::new);
    let native = NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Prefix Workbench")
            .with_app_id("prefix-workbench")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([900.0, 560.0]),
        renderer: eframe::Renderer::Glow,
        persist_window: false,
        ..NativeOptions::default()
    };
    eframe::run_native(
        "prefix-workbench",
        native,
        Box::new(move |cc| {
            let mut workbench = open(&workspace, &cc.egui_ctx, settings, starter)?;
            workbench.offer(options.assets.other_starters(), options.assets.neutral_text().ok());
            workbench.offer_experiments(ready_made(&options.assets));
            workbench.show_run(options.run);
            workbench.open_path(options.open);
            Ok(Box::new(workbench))
        }),
    )
    .map_err(explain)
}

/// The window with its engine and its store, whoever draws it.
///
/// # Errors
/// The database cannot be used, or the engine does not start.
pub fn open(
    workspace: &Workspace,
    ctx: &egui::Context,
    settings: Settings,
    starter: Option<Box<RunConfig>>,
) -> anyhow::Result<Workbench> {
    let backend = NativeBackend::open(workspace, ctx)?;
    let mut workbench = Workbench::new(ctx, Box::new(backend), settings, starter);
    workbench.restore(Desk::load(&workspace.desk()));
    Ok(workbench)
}

/// On Linux a display is named by the environment; elsewhere there is one, or the system says so.
fn has_display() -> bool {
    if !cfg!(all(unix, not(target_os = "macos"))) {
        return true;
    }
    ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()))
}

fn explain(error: eframe::Error) -> anyhow::Error {
    match error {
        eframe::Error::AppCreation(inner) => anyhow!("{inner}"),
        // The words before the last colon are about the library's source.
        eframe::Error::WinitEventLoop(inner) => {
            let words = inner.to_string();
            let reason = words.rsplit(": ").next().unwrap_or_default();
            anyhow!("{}", t!("start.no_window", reason = reason))
        }
        other => anyhow!("{}", t!("start.no_window", reason = other)),
    }
}

struct NativeBackend {
    workspace: Workspace,
    engines: Engines,
    hub: Option<Hub>,
    store: Store,
    answers: Receiver<Answer>,
    news: Receiver<BackendEvent>,
    tell: Sender<BackendEvent>,
    ctx: egui::Context,
    dialog_open: bool,
    /// The desk as it was last kept.
    desk: Option<String>,
}

impl NativeBackend {
    fn open(workspace: &Workspace, ctx: &egui::Context) -> anyhow::Result<Self> {
        let wake = ctx.clone();
        let (store, answers) = Store::open(workspace, move || wake.request_repaint_after(EVENT_FRAME))
            .map_err(|error| anyhow!("{error}. {}", error.advice()))?;
        let engines = Engines::start(workspace, &store, ctx).context("the engine does not start")?;
        let (tell, news) = channel();
        let (wake, hub_events) = (ctx.clone(), tell.clone());
        let config = HubConfig { kept_token: kept_token(), ..HubConfig::default() };
        let hub = Hub::spawn(config, Timeouts::default(), move |event: HubEvent| {
            // The window may be gone; what was fetched is kept.
            hub_events.send(BackendEvent::Hub(event)).ok();
            wake.request_repaint_after(EVENT_FRAME);
        })
        .context("the hub's thread does not start")?;
        Ok(Self {
            workspace: workspace.clone(),
            engines,
            hub: Some(hub),
            store,
            answers,
            news,
            tell,
            ctx: ctx.clone(),
            dialog_open: false,
            desk: None,
        })
    }

    /// Runs something that may wait on a thread of its own.
    fn aside(&self, name: &str, work: impl FnOnce() -> Option<BackendEvent> + Send + 'static) {
        let (tell, ctx) = (self.tell.clone(), self.ctx.clone());
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Some(news) = work() {
                // The window may be gone by now.
                tell.send(news).ok();
            }
            ctx.request_repaint();
        });
        if let Err(error) = spawned {
            tracing::warn!("no thread for {name}: {error}");
        }
    }
}

impl Backend for NativeBackend {
    fn next(&mut self) -> Option<BackendEvent> {
        if let Some(news) = self.engines.next() {
            return Some(news);
        }
        if let Ok(news) = self.news.try_recv() {
            self.dialog_open &= !matches!(news, BackendEvent::Picked(..) | BackendEvent::NoDialog);
            return Some(news);
        }
        self.answers.try_recv().ok().map(BackendEvent::Answer)
    }

    fn command(&mut self, command: Command) -> Result<(), Sentence> {
        self.engines.send(command)
    }

    fn seat(&mut self, seat: usize, seats: &[DeviceChoice], command: Command) -> Result<(), Sentence> {
        self.engines.send_to(seat, seats, command)
    }

    fn hub(&mut self, command: HubCommand) {
        if let Some(hub) = &self.hub {
            hub.send(command);
        }
    }

    fn request(&mut self, request: Request) {
        self.store.send(request);
    }

    fn new_run(&mut self) -> Result<(RunId, PathBuf), Failure> {
        match self.workspace.new_run() {
            Ok(run) => {
                let folder = self.workspace.run_folder(&run);
                Ok((run, folder))
            }
            Err(error) => Err(Failure::from(&error)),
        }
    }

    fn list_experiments(&mut self) {
        let workspace = self.workspace.clone();
        self.aside("experiments", move || {
            let (plans, unread) = Plan::list(&workspace);
            Some(BackendEvent::Experiments(plans, unread))
        });
    }

    fn new_experiment(&mut self, new: NewExperiment) {
        let workspace = self.workspace.clone();
        self.aside("experiment", move || {
            let made = Plan::create(&workspace, new.experiment, new.runs).and_then(|plan| {
                let kept = if new.source.is_empty() { Ok(()) } else { plan.keep_source(&workspace, &new.source) };
                kept.map(|()| plan)
            });
            Some(BackendEvent::ExperimentMade(made.map(Box::new).map_err(|error| Failure::from(&error))))
        });
    }

    fn hand_over(&mut self, plan: Plan, due: Vec<Due>, how: How) {
        let workspace = self.workspace.clone();
        self.aside("machines", move || {
            let done = submit(&plan, &due, &workspace, &how);
            Some(BackendEvent::HandedOver(plan.experiment.name, done))
        });
    }

    fn browse(&mut self, pick: Pick) {
        let dialog = dialog(pick);
        let ask = move || {
            let start = Instant::now();
            let chosen = match pick {
                Pick::Picture | Pick::RunsCsv | Pick::ComparisonFile => dialog.save_file(),
                pick if pick.is_folder() => dialog.pick_folder(),
                Pick::ExplorerCsv | Pick::ShareFile | Pick::ProgramFile | Pick::ReportFile => dialog.save_file(),
                _ => dialog.pick_file(),
            };
            match chosen {
                Some(path) => Some(BackendEvent::Picked(pick, path)),
                None if start.elapsed() < SHORTEST_DIALOG => Some(BackendEvent::NoDialog),
                None => None,
            }
        };
        if cfg!(target_os = "macos") {
            // There a dialog must be opened by the thread that draws.
            if let Some(news) = ask() {
                self.tell.send(news).ok();
            }
        } else {
            self.aside("dialog", ask);
        }
    }

    fn open_paths(&mut self, paths: Vec<PathBuf>) {
        let (workspace, language) = (self.workspace.clone(), i18n::language());
        self.aside("open", move || {
            i18n::set_language(language);
            Some(BackendEvent::Opened(opening::open(&paths, &workspace, &Assets::locate())))
        });
    }

    fn draw(&mut self, path: PathBuf, picture: Box<Picture>) {
        let language = i18n::language();
        self.aside("draw", move || {
            i18n::set_language(language);
            let svg = picture.svg(charts::Theme::Light, PICTURE);
            let is_png = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
            let bytes = if is_png { charts::png(&svg) } else { Ok(svg.into_bytes()) };
            Some(match bytes.map(|bytes| std::fs::write(&path, bytes)) {
                Ok(Ok(())) => BackendEvent::Written(path),
                Ok(Err(error)) => BackendEvent::NotWritten(Failure {
                    what: sentence!("the file cannot be written ({reason}): {path}", reason = io_reason(&error), path),
                    advice: io_advice(&error),
                }),
                Err(what) => BackendEvent::NotWritten(Failure {
                    what,
                    advice: sentence!("Choose a name that ends in .svg: that needs no drawing of pixels"),
                }),
            })
        });
    }

    fn look_at(&mut self, paths: Vec<PathBuf>) {
        self.aside("look", move || {
            let kinds = paths.iter().map(|path| opening::kind_of(path)).collect();
            Some(BackendEvent::Hovered(paths, kinds))
        });
    }

    fn write(&mut self, path: PathBuf, text: String) {
        self.aside("write", move || {
            Some(match std::fs::write(&path, text) {
                Ok(()) => BackendEvent::Written(path),
                Err(error) => BackendEvent::NotWritten(Failure {
                    what: sentence!("the file cannot be written ({reason}): {path}", reason = io_reason(&error), path),
                    advice: io_advice(&error),
                }),
            })
        });
    }

    fn report(&mut self, runs: Vec<RunId>, to: PathBuf) {
        let (workspace, language) = (self.workspace.clone(), i18n::language());
        self.aside("report", move || {
            i18n::set_language(language);
            Some(match report::write(&workspace, "", &runs, &to) {
                Ok(()) => BackendEvent::Written(to),
                Err(failure) => BackendEvent::NotWritten(failure),
            })
        });
    }

    fn keep_settings(&mut self, settings: &Settings) {
        let (path, text) = (self.workspace.settings(), settings.to_toml());
        self.aside("settings", move || {
            std::fs::write(&path, text).err().map(|error| {
                BackendEvent::NotWritten(Failure {
                    what: sentence!("the settings cannot be kept ({reason}): {path}", reason = io_reason(&error), path),
                    advice: io_advice(&error),
                })
            })
        });
    }

    fn keep_desk(&mut self, text: String) {
        // The last of several that come at once is the one that counts.
        self.desk = Some(text.clone());
        let path = self.workspace.desk();
        self.aside("desk", move || {
            if let Err(error) = write_whole(&path, text.as_bytes()) {
                tracing::warn!("what lies on the desk cannot be kept: {error}");
            }
            None
        });
    }

    fn workspace(&self) -> PathBuf {
        self.workspace.root().to_owned()
    }

    fn access(&self) -> Access {
        self.store.access().clone()
    }

    fn now(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    fn finish(&mut self) {
        self.hub = None;
        self.engines.end();
        self.store.close();
        if let Some(text) = self.desk.take()
            && let Err(error) = write_whole(&self.workspace.desk(), text.as_bytes())
        {
            tracing::warn!("what lies on the desk cannot be kept: {error}");
        }
    }
}

fn dialog(pick: Pick) -> rfd::FileDialog {
    let dialog = rfd::FileDialog::new();
    let rows = [
        "jsonl", "ndjson", "json", "csv", "tsv", "tab", "conll", "bio", "iob2", "txt", "parquet", "arrow", "feather",
        "ipc", "gz", "zst", "xz",
    ];
    match pick {
        Pick::Model | Pick::LibraryModel | Pick::IncomingModel => dialog.set_title(t!("dialog.model")),
        Pick::ModelFile => dialog.set_title(t!("dialog.model_file")).add_filter("GGUF", &["gguf"]),
        Pick::Train | Pick::LibraryDataset | Pick::EvaluateRows | Pick::CompareRows => {
            dialog.set_title(t!("dialog.train")).add_filter(t!("dialog.rows"), &rows)
        }
        Pick::Validation => dialog.set_title(t!("dialog.validation")).add_filter(t!("dialog.rows"), &rows),
        Pick::Anything => dialog.set_title(t!("dialog.anything")),
        Pick::ExplorerCsv => {
            dialog.set_title(t!("dialog.csv")).set_file_name("explorer.csv").add_filter("CSV", &["csv"])
        }
        Pick::Picture => {
            let dialog = dialog.set_title(t!("views.picture_dialog")).set_file_name("picture.svg");
            dialog.add_filter("SVG", &["svg"]).add_filter("PNG", &["png"])
        }
        Pick::RunsCsv => dialog.set_title(t!("views.csv_dialog")).set_file_name("runs.csv").add_filter("CSV", &["csv"]),
        Pick::ComparisonFile => {
            let dialog = dialog.set_title(t!("compare.export_dialog")).set_file_name("comparison.csv");
            let forms = [("CSV", "csv"), ("JSON", "json"), ("Markdown", "md"), ("HTML", "html")];
            forms.into_iter().fold(dialog, |dialog, (name, ending)| dialog.add_filter(name, &[ending]))
        }
        Pick::ExportFolder => dialog.set_title(t!("dialog.export")),
        Pick::ShareFile => {
            dialog.set_title(t!("dialog.share")).set_file_name("adapter.prefix").add_filter(".prefix", &["prefix"])
        }
        Pick::ProgramFile => {
            let endings = ["ggsq", "gguf", "pt"];
            endings.into_iter().fold(dialog.set_title(t!("dialog.export")), |dialog, ending| {
                dialog.add_filter(format!(".{ending}"), &[ending])
            })
        }
        Pick::ReportFile => {
            dialog.set_title(t!("dialog.report")).set_file_name("report.html").add_filter("HTML", &["html"])
        }
        Pick::Adapter => dialog.set_title(t!("dialog.adapter")),
    }
}

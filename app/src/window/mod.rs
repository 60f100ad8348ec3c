//! The frame: events in, screens, actions out. It ships effects and decides nothing.

pub mod backend;
mod engines;
mod native;

use std::path::PathBuf;
use std::time::Duration;

use egui::{CentralPanel, Context, Frame, Margin, Panel, Ui, ViewportCommand};
use engine::Sentence;
use engine::config::RunConfig;
use engine::error::Failure;

use self::backend::{Backend, BackendEvent};
pub use self::native::{open, run};
use crate::action::{Action, Pick, Screen};
use crate::desk::Desk;
use crate::experiments::ReadyMade;
use crate::i18n;
use crate::screens::Screens;
use crate::screens::frame::{banners_ui, leaving_ui, rail_ui, toasts_ui, top_bar_ui};
use crate::screens::incoming::state::Hovered;
use crate::settings::Settings;
use crate::state::State;
use crate::state::exit::ExitState;
use crate::state::notices::Level;
use crate::state::outbox::Effect;
use crate::store::{Access, RunRow};
use crate::t;
use crate::theme::{self, tokens};

/// Time between two looks at whether the desk has changed.
const KEEP_SECS: f64 = 1.0;

/// The window: what it knows, what is being typed, and whom it talks to.
pub struct Workbench {
    /// The state that screens read.
    pub state: State,
    screens: Screens,
    backend: Box<dyn Backend>,
    /// The settings that egui has.
    applied: Option<Settings>,
    title: String,
    minimized: bool,
    /// A run to show as soon as the runs are known.
    wanted: Option<String>,
    /// Paths to open as soon as the runs are known.
    sent: Vec<PathBuf>,
    /// The desk of the last start, to be put back as soon as the runs are known.
    left: Option<Desk>,
    /// The desk's text that was last kept, and when it was last looked at.
    kept: String,
    looked_at: f64,
}

impl Workbench {
    /// A window that has just been opened.
    pub fn new(ctx: &Context, backend: Box<dyn Backend>, settings: Settings, starter: Option<Box<RunConfig>>) -> Self {
        theme::install(ctx);
        let mut state = State::new(backend.workspace(), settings, backend.access(), starter);
        state.env.now = backend.now();
        Self {
            state,
            screens: Screens::default(),
            backend,
            applied: None,
            title: String::new(),
            minimized: false,
            wanted: None,
            sent: Vec::new(),
            left: None,
            kept: String::new(),
            looked_at: f64::NEG_INFINITY,
        }
    }

    /// Shows a run as soon as the runs are known: by its id, the beginning or end of it, or its name.
    pub fn show_run(&mut self, wanted: Option<String>) {
        self.wanted = wanted;
    }

    /// Opens what is named on the command line, which is what a double click does.
    pub fn open_path(&mut self, path: Option<PathBuf>) {
        self.sent = path.into_iter().collect();
    }

    /// Experiments that came with the program.
    pub fn offer_experiments(&mut self, ready: Vec<ReadyMade>) {
        self.state.env.ready_experiments = ready;
    }

    /// What came with the program: other runs, to be offered where there are none, and prose.
    pub fn offer(&mut self, starters: Vec<RunConfig>, neutral_text: Option<PathBuf>) {
        self.state.env.other_starters = starters;
        self.state.env.neutral_text = neutral_text;
    }

    /// Puts back what lay on the desk when the program came to its end.
    pub fn restore(&mut self, desk: Desk) {
        self.screens.restore(&desk);
        self.left = Some(desk);
    }

    /// The screen and its run, unless somebody asked for others meanwhile.
    fn put_back(&mut self) {
        if self.state.runs.list.is_none() {
            return;
        }
        let Some(desk) = self.left.take() else { return };
        if self.wanted.is_none() && self.sent.is_empty() && self.state.screen == Screen::Runs {
            let columns = desk.columns();
            self.state.return_to(desk.screen, desk.run, &columns);
        }
    }

    /// Keeps what lies on the desk, a moment after it has changed.
    fn keep_desk(&mut self, ctx: &Context) {
        if self.left.is_some() || self.state.env.access != Access::ReadWrite {
            return;
        }
        if self.state.env.now - self.looked_at < KEEP_SECS {
            if ctx.input(|input| !input.events.is_empty()) {
                ctx.request_repaint_after(Duration::from_secs_f64(KEEP_SECS));
            }
            return;
        }
        self.looked_at = self.state.env.now;
        self.keep_desk_now();
    }

    fn keep_desk_now(&mut self) {
        let text = self.screens.desk(&self.state).to_json();
        if text != self.kept {
            self.kept.clone_from(&text);
            self.backend.keep_desk(text);
        }
    }

    /// Sends each path that was dropped onto the window or named with it to where its kind belongs; looks at held ones.
    fn open_sent(&mut self, ctx: &Context) {
        let dropped =
            ctx.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_path_buf()).collect::<Vec<_>>());
        if !dropped.is_empty() {
            self.sent = dropped;
        }
        // Until the store has answered, nobody knows which models there are.
        if self.state.runs.list.is_some() && !self.sent.is_empty() {
            self.backend.open_paths(std::mem::take(&mut self.sent));
        }
        let held =
            ctx.input(|input| input.raw.hovered_files.iter().filter_map(|file| file.path.clone()).collect::<Vec<_>>());
        if held.is_empty() {
            self.state.incoming.hovered = None;
        } else if self.state.incoming.hovered.as_ref().is_none_or(|hovered| hovered.paths != held) {
            self.state.incoming.hovered = Some(Hovered { paths: held.clone(), kinds: None });
            self.backend.look_at(held);
        }
    }

    fn open_wanted(&mut self) {
        let (Some(wanted), Some(runs)) = (&self.wanted, &self.state.runs.list) else { return };
        let named = |row: &&RunRow| {
            row.id.0.starts_with(wanted.as_str()) || row.id.0.ends_with(wanted.as_str()) || row.name == *wanted
        };
        match runs.iter().find(named).map(|row| row.id.clone()) {
            Some(run) => self.state.perform(Action::Open(run, Screen::Training)),
            None => {
                let sentence = t!("notice.no_such_run", run = wanted);
                self.state.notices.add(Level::Warn, sentence, "", self.state.env.now);
            }
        }
        self.wanted = None;
    }

    /// Facts in; what has to be sent goes out. Also while the window is hidden.
    pub fn receive(&mut self, ctx: &Context) {
        self.state.env.now = self.backend.now();
        while let Some(news) = self.backend.next() {
            match news {
                BackendEvent::Event(event) => self.state.on_engine(event),
                BackendEvent::Answer(answer) => self.state.on_store(answer),
                BackendEvent::Hub(event) => self.state.on_hub(event),
                BackendEvent::EngineGone => self.state.on_engine_gone(),
                BackendEvent::SeatGone(seat) => self.state.on_seat_gone(seat),
                BackendEvent::Picked(Pick::Anything, path) => self.state.perform(Action::OpenPaths(vec![path])),
                BackendEvent::Picked(pick, path) => self.screens.picked(pick, &path, &self.state),
                BackendEvent::NoDialog => {
                    self.state.notices.add(
                        Level::Warn,
                        t!("notice.no_dialog"),
                        t!("notice.no_dialog_advice"),
                        self.state.env.now,
                    );
                }
                BackendEvent::Opened(opened) => self.state.on_opened(opened),
                BackendEvent::Hovered(paths, kinds) => {
                    if let Some(hovered) = self.state.incoming.hovered.as_mut().filter(|hovered| hovered.paths == paths)
                    {
                        hovered.kinds = Some(kinds);
                    }
                }
                BackendEvent::Experiments(plans, unread) => self.state.on_experiments(plans, &unread),
                BackendEvent::ExperimentMade(made) => self.state.on_experiment_made(made),
                BackendEvent::HandedOver(name, done) => self.state.on_handed_over(&name, done),
                BackendEvent::Written(path) => {
                    let sentence = t!("notice.written", path = path.display());
                    self.state.notices.add(Level::Good, sentence, "", self.state.env.now);
                }
                BackendEvent::NotWritten(failure) => self.state.notices.fail(&failure, self.state.env.now),
            }
        }
        self.put_back();
        self.open_wanted();
        self.open_sent(ctx);
        self.keep_desk(ctx);
        self.send();
        self.apply_settings(ctx);
        self.leave(ctx);
        self.retitle(ctx);
    }

    /// Ships what has to be sent, and what follows from the answers.
    fn send(&mut self) {
        while !self.state.outbox.effects.is_empty() {
            for effect in std::mem::take(&mut self.state.outbox.effects) {
                self.ship(effect);
            }
        }
    }

    fn ship(&mut self, effect: Effect) {
        match effect {
            Effect::Store(request) => self.backend.request(request),
            Effect::Hub(command) => self.backend.hub(command),
            Effect::Engine(command) => {
                let taken = self.backend.command(command);
                self.say_if_busy(taken);
            }
            Effect::Seat { seat, seats, command } => {
                let taken = self.backend.seat(seat, &seats, command);
                self.say_if_busy(taken);
            }
            Effect::NewRun(what) => {
                let made = self.backend.new_run();
                self.state.on_new_run(what, made);
            }
            Effect::ListExperiments => self.backend.list_experiments(),
            Effect::NewExperiment(new) => self.backend.new_experiment(*new),
            Effect::HandOver { plan, due, how } => self.backend.hand_over(*plan, due, *how),
            Effect::Browse(pick) => self.backend.browse(pick),
            Effect::Picture { path, picture } => self.backend.draw(path, picture),
            Effect::Open(paths) => self.backend.open_paths(paths),
            Effect::Write { path, text } => self.backend.write(path, text),
            Effect::Report { runs, to } => self.backend.report(runs, to),
            Effect::Fill(fill) => self.screens.fill(fill, &self.state),
        }
    }

    fn say_if_busy(&mut self, taken: Result<(), Sentence>) {
        if let Err(what) = taken {
            let advice = Sentence::verbatim(t!("notice.busy_advice"));
            self.state.notices.fail(&Failure { what, advice }, self.state.env.now);
        }
    }

    fn apply_settings(&mut self, ctx: &Context) {
        let zoomed = ctx.zoom_factor();
        if self
            .applied
            .as_ref()
            .is_some_and(|applied| applied.zoom == self.state.settings.zoom && (zoomed - applied.zoom).abs() > 1e-3)
        {
            // Ctrl+plus and Ctrl+minus are egui's own.
            self.state.settings.zoom = zoomed;
        }
        if self.applied.as_ref() != Some(&self.state.settings) {
            let settings = self.state.settings.clone();
            ctx.set_theme(egui::ThemePreference::from(settings.theme));
            ctx.set_zoom_factor(settings.zoom);
            if self.applied.is_some() {
                self.backend.keep_settings(&settings);
            }
            self.applied = Some(settings);
        }
        i18n::set_language(self.state.settings.language);
    }

    /// Closing the window while something is computed asks first.
    fn leave(&mut self, ctx: &Context) {
        let asked = ctx.input(|input| input.viewport().close_requested());
        let busy = !self.state.is_idle();
        if asked && busy && self.state.leaving != ExitState::Now {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            if self.state.leaving != ExitState::WhenStopped {
                self.state.leaving = ExitState::Asking;
            }
        }
        match self.state.leaving {
            ExitState::Now => ctx.send_viewport_cmd(ViewportCommand::Close),
            ExitState::WhenDone if !self.minimized => {
                self.minimized = true;
                ctx.send_viewport_cmd(ViewportCommand::Minimized(true));
            }
            ExitState::No | ExitState::Asking => self.minimized = false,
            ExitState::WhenDone | ExitState::WhenStopped => {}
        }
    }

    fn retitle(&mut self, ctx: &Context) {
        let running = self.state.live.running.values().filter(|live| live.total > 0);
        let (step, total) = running.fold((0, 0), |(step, total), live| (step + live.step, total + live.total));
        let title = match total {
            1.. => format!("{step} / {total} · Prefix Workbench"),
            _ => "Prefix Workbench".to_owned(),
        };
        if title != self.title {
            self.title.clone_from(&title);
            ctx.send_viewport_cmd(ViewportCommand::Title(title));
        }
    }

    /// Pixels out, wishes back.
    pub fn ui(&mut self, ui: &mut Ui) {
        i18n::set_language(self.state.settings.language);
        let mut out = Vec::new();
        let t = tokens(ui);
        let chrome = Frame::new().fill(t.chrome);
        let narrow = ui.available_width() < theme::NARROW_WINDOW;
        Panel::left("rail")
            .exact_size(if narrow { theme::NARROW_RAIL_WIDTH } else { theme::RAIL_WIDTH })
            .resizable(false)
            .frame(chrome.inner_margin(Margin::symmetric(if narrow { 8 } else { 10 }, 0)))
            .show(ui, |ui| rail_ui(ui, &self.state, narrow, &mut out));
        Panel::top("top_bar")
            .exact_size(46.0)
            .resizable(false)
            .frame(chrome.inner_margin(Margin::symmetric(16, 0)))
            .show(ui, |ui| top_bar_ui(ui, &self.state, &mut out));
        let margin = Margin { left: 20, right: 20, top: 16, bottom: 0 };
        CentralPanel::default().frame(Frame::new().fill(t.background).inner_margin(margin)).show(ui, |ui| {
            banners_ui(ui, &self.state, &mut out);
            self.screens.ui(ui, &self.state, &mut out);
        });
        leaving_ui(ui, &self.state, &mut out);
        self.screens.over_ui(ui, &self.state, &mut out);
        toasts_ui(ui, &self.state, &mut out);
        for action in out {
            self.state.perform(action);
        }
        self.send();
        self.state.note_place();
    }

    /// The last frame took so long.
    pub fn took(&mut self, secs: f32) {
        self.state.env.frames.add(self.state.env.now, secs);
    }

    /// The end: what was sent to the store is on disk when this returns.
    pub fn finish(&mut self) {
        if self.left.is_none() && self.state.env.access == Access::ReadWrite {
            self.keep_desk_now();
        }
        self.backend.finish();
    }
}

impl eframe::App for Workbench {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.receive(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        if let Some(secs) = frame.info().cpu_usage {
            self.took(secs);
        }
        Self::ui(self, ui);
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.finish();
    }
}

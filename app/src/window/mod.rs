//! The frame: events in, panels, actions out.

pub mod link;
mod native;

use std::path::PathBuf;
use std::time::Duration;

use egui::{CentralPanel, Context, Frame, Margin, Panel, RichText, Ui, ViewportCommand};
use engine::config::RunConfig;
use engine::error::Failure;

use engine::Sentence;
use engine::training::Beginning;

use self::link::{Link, News};
pub use self::native::{open, run};
use crate::action::{Action, Leaving, Screen};
use crate::desk::Desk;
use crate::opening::Opened;
use crate::say;
use crate::screens::Panels;
use crate::screens::frame::{notice_ui, rail_ui, top_bar_ui};
use crate::settings::Settings;
use crate::state::notices::Level;
use crate::state::{Hovered, Outgoing, State};
use crate::store::{Access, RunRow};
use crate::text;
use crate::text::tell;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::surface::{banner_ui, card_frame, modal_frame};

/// What lies on the desk is kept at most so often.
const KEEP_SECS: f64 = 1.0;

/// The window: what it knows, what is being typed, and whom it talks to.
pub struct Workbench {
    /// What it knows.
    pub state: State,
    panels: Panels,
    link: Box<dyn Link>,
    /// What was last given to egui.
    applied: Option<Settings>,
    title: String,
    minimised: bool,
    /// A run to show as soon as the runs are known.
    wanted: Option<String>,
    /// What to open as soon as the runs are known.
    sent: Vec<PathBuf>,
    /// What lay on the desk, to be put back as soon as the runs are known.
    left: Option<Desk>,
    /// What was last kept of the desk, and when it was last looked at.
    kept: String,
    looked_at: f64,
}

impl Workbench {
    /// A window that has just been opened.
    pub fn new(ctx: &Context, link: Box<dyn Link>, settings: Settings, starter: Option<Box<RunConfig>>) -> Self {
        theme::install(ctx);
        let mut state = State::new(link.workspace(), settings, link.access(), starter);
        state.now = link.now();
        Self {
            state,
            panels: Panels::default(),
            link,
            applied: None,
            title: String::new(),
            minimised: false,
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

    /// Other runs that came with the program, to be offered where there are none.
    pub fn offer(&mut self, starters: Vec<RunConfig>) {
        self.state.other_starters = starters;
    }

    /// Puts back what lay on the desk when the program came to its end.
    pub fn restore(&mut self, desk: Desk) {
        self.panels.restore(&desk);
        self.left = Some(desk);
    }

    /// The screen and its run, unless somebody asked for others meanwhile.
    fn put_back(&mut self) {
        if self.state.runs.is_none() {
            return;
        }
        let Some(desk) = self.left.take() else { return };
        if self.wanted.is_none() && self.sent.is_empty() && self.state.screen == Screen::Runs {
            self.state.return_to(desk.screen, desk.run, &desk.compared);
        }
    }

    /// Keeps what lies on the desk, a moment after it has changed.
    fn keep_desk(&mut self, ctx: &Context) {
        if self.left.is_some() || self.state.access != Access::ReadWrite {
            return;
        }
        if self.state.now - self.looked_at < KEEP_SECS {
            if ctx.input(|input| !input.events.is_empty()) {
                ctx.request_repaint_after(Duration::from_secs_f64(KEEP_SECS));
            }
            return;
        }
        self.looked_at = self.state.now;
        self.keep_desk_now();
    }

    fn keep_desk_now(&mut self) {
        let text = self.panels.desk(&self.state).to_json();
        if text != self.kept {
            self.kept.clone_from(&text);
            self.link.keep_desk(text);
        }
    }

    /// What is dropped onto the window or named with it is looked at and goes where its kind belongs.
    fn open_sent(&mut self, ctx: &Context) {
        let dropped =
            ctx.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_path_buf()).collect::<Vec<_>>());
        if !dropped.is_empty() {
            self.sent = dropped;
        }
        // Until the store has answered, nobody knows which models there are.
        if self.state.runs.is_some() && !self.sent.is_empty() {
            self.link.open_paths(std::mem::take(&mut self.sent));
        }
        let held =
            ctx.input(|input| input.raw.hovered_files.iter().filter_map(|file| file.path.clone()).collect::<Vec<_>>());
        if held.is_empty() {
            self.state.hovered = None;
        } else if self.state.hovered.as_ref().is_none_or(|hovered| hovered.paths != held) {
            self.state.hovered = Some(Hovered { paths: held.clone(), kind: None });
            self.link.look_at(held);
        }
    }

    fn opened(&mut self, opened: Opened) {
        match opened {
            Opened::Rows(train, validation) => self.perform(Action::UseDataset(train, validation)),
            Opened::Model(folder) => self.perform(Action::UseModel(folder)),
            Opened::RunFile(config) => {
                self.panels.refill(&config);
                self.state.perform(Action::Show(Screen::NewRun));
            }
            Opened::Run(run) => self.state.perform(Action::Open(run, Screen::Training)),
            Opened::Adapter(path) => self.state.perform(Action::OpenAdapter(path)),
            Opened::Failed(failure) => self.state.notices.fail(&failure, self.state.now),
        }
    }

    fn open_wanted(&mut self) {
        let (Some(wanted), Some(runs)) = (&self.wanted, &self.state.runs) else { return };
        let named = |row: &&RunRow| {
            row.id.0.starts_with(wanted.as_str()) || row.id.0.ends_with(wanted.as_str()) || row.name == *wanted
        };
        match runs.iter().find(named).map(|row| row.id.clone()) {
            Some(run) => self.state.perform(Action::Open(run, Screen::Training)),
            None => {
                let sentence = say!("notice.no_such_run", run = wanted);
                self.state.notices.add(Level::Warn, sentence, "", self.state.now);
            }
        }
        self.wanted = None;
    }

    /// Facts in; what has to be sent goes out. Also while the window is hidden.
    pub fn receive(&mut self, ctx: &Context) {
        self.state.now = self.link.now();
        while let Some(news) = self.link.next() {
            match news {
                News::Event(event) => self.state.apply(event),
                News::Answer(answer) => self.state.absorb(answer),
                News::Hub(event) => self.state.hear_hub(event),
                News::EngineGone => self.state.engine_died(),
                News::Picked(pick, path) => self.panels.picked(pick, &path, &self.state),
                News::NoDialog => {
                    self.state.notices.add(
                        Level::Warn,
                        say!("notice.no_dialog"),
                        say!("notice.no_dialog_advice"),
                        self.state.now,
                    );
                }
                News::Opened(opened) => self.opened(opened),
                News::Hovered(paths, kind) => {
                    if let Some(hovered) = self.state.hovered.as_mut().filter(|hovered| hovered.paths == paths) {
                        hovered.kind = Some(kind);
                    }
                }
                News::Written(path) => {
                    let sentence = say!("notice.written", path = path.display());
                    self.state.notices.add(Level::Good, sentence, "", self.state.now);
                }
                News::NotWritten(failure) => self.state.notices.fail(&failure, self.state.now),
            }
        }
        if let Some(config) = self.state.refill.take() {
            self.panels.refill(&config);
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

    fn send(&mut self) {
        for outgoing in std::mem::take(&mut self.state.outgoing) {
            match outgoing {
                Outgoing::Store(request) => self.link.request(request),
                Outgoing::Hub(command) => self.link.hub(command),
                Outgoing::Engine(command) => {
                    if let Err(sentence) = self.link.command(command) {
                        let failure =
                            Failure { what: sentence, advice: Sentence::verbatim(say!("notice.busy_advice")) };
                        self.state.notices.fail(&failure, self.state.now);
                    }
                }
            }
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
                self.link.keep_settings(&settings);
            }
            self.applied = Some(settings);
        }
        text::speak(self.state.settings.language);
    }

    /// Closing the window while something is computed asks first.
    fn leave(&mut self, ctx: &Context) {
        let asked = ctx.input(|input| input.viewport().close_requested());
        let busy = !self.state.live.is_empty() || !self.state.queue.is_empty();
        if asked && busy && self.state.leaving != Leaving::Now {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            if self.state.leaving != Leaving::WhenStopped {
                self.state.leaving = Leaving::Asking;
            }
        }
        match self.state.leaving {
            Leaving::Now => ctx.send_viewport_cmd(ViewportCommand::Close),
            Leaving::WhenDone if !self.minimised => {
                self.minimised = true;
                ctx.send_viewport_cmd(ViewportCommand::Minimized(true));
            }
            Leaving::No | Leaving::Asking => self.minimised = false,
            Leaving::WhenDone | Leaving::WhenStopped => {}
        }
    }

    fn retitle(&mut self, ctx: &Context) {
        let title = match self.state.live.values().next() {
            Some(live) if live.total > 0 => format!("{} / {} · Prefix Workbench", live.step, live.total),
            _ => "Prefix Workbench".to_owned(),
        };
        if title != self.title {
            self.title.clone_from(&title);
            ctx.send_viewport_cmd(ViewportCommand::Title(title));
        }
    }

    /// Pixels out, wishes back.
    pub fn ui(&mut self, ui: &mut Ui) {
        text::speak(self.state.settings.language);
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
            self.panels.ui(ui, &self.state, &mut out);
        });
        leaving_ui(ui, &self.state, &mut out);
        self.panels.over_ui(ui, &self.state, &mut out);
        toasts_ui(ui, &self.state, &mut out);
        for action in out {
            self.perform(action);
        }
        self.send();
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Start(mut config) => match self.link.new_run() {
                Ok((run, folder)) => {
                    self.state.name_apart(&mut config);
                    self.state.enqueue(run, folder, config, Beginning::Fresh);
                }
                Err(failure) => self.state.banner = Some(failure),
            },
            Action::ImportAdapter { other_base } => match self.link.new_run() {
                Ok((run, folder)) => self.state.import_adapter(run, folder, other_base),
                Err(failure) => self.state.banner = Some(failure),
            },
            Action::Browse(pick) => self.link.browse(pick),
            Action::OpenPaths(paths) => self.link.open_paths(paths),
            Action::Write { path, text } => self.link.write(path, text),
            Action::UseModel(folder) => {
                self.panels.picked(crate::action::Pick::Model, &folder, &self.state);
                self.state.perform(Action::Show(Screen::NewRun));
            }
            Action::UseDataset(train, validation) => {
                self.panels.use_dataset(&train, validation.as_deref(), &self.state);
                self.state.perform(Action::Show(Screen::NewRun));
            }
            other => self.state.perform(other),
        }
        if let Some(config) = self.state.refill.take() {
            self.panels.refill(&config);
        }
    }

    /// The end: what was sent to the store is on disk when this returns.
    pub fn finish(&mut self) {
        if self.left.is_none() && self.state.access == Access::ReadWrite {
            self.keep_desk_now();
        }
        self.link.finish();
    }
}

impl eframe::App for Workbench {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.receive(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        Self::ui(self, ui);
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.finish();
    }
}

/// What stays on the screen until it is dealt with.
fn banners_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    if let Access::ReadOnly(sentence) = &state.access {
        banner_ui(ui, Level::Warn, &tell(sentence), "", "", |_| {});
        ui.add_space(theme::SMALL_GAP);
    }
    if let Some(failure) = &state.banner {
        banner_ui(ui, Level::Bad, &tell(&failure.what), &tell(&failure.advice), "", |ui| {
            if quiet_ui(ui, true, say!("banner.dismiss")).clicked() {
                out.push(Action::DismissBanner);
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }
    if state.leaving == Leaving::WhenDone {
        banner_ui(ui, Level::Info, say!("leave.will_close"), "", "", |ui| {
            if quiet_ui(ui, true, say!("leave.stay")).clicked() {
                out.push(Action::Leave(Leaving::No));
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }
}

fn leaving_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    if !matches!(state.leaving, Leaving::Asking | Leaving::WhenStopped) {
        return;
    }
    let modal = egui::Modal::new(egui::Id::unique("leaving")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
        ui.set_width(440.0);
        if state.leaving == Leaving::WhenStopped {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(say!("leave.saving"));
            });
            return;
        }
        ui.label(RichText::new(say!("leave.title")).text_style(theme::title()));
        ui.add(egui::Label::new(RichText::new(say!("leave.note")).color(tokens(ui).muted)).wrap());
        ui.add_space(theme::SMALL_GAP);
        ui.horizontal(|ui| {
            if primary_ui(ui, true, say!("leave.keep")).on_hover_text(say!("leave.keep_help")).clicked() {
                out.push(Action::Leave(Leaving::WhenDone));
            }
            if quiet_ui(ui, true, say!("leave.quit")).on_hover_text(say!("leave.quit_help")).clicked() {
                out.push(Action::Leave(Leaving::WhenStopped));
            }
            if quiet_ui(ui, true, say!("frame.cancel")).clicked() {
                out.push(Action::Leave(Leaving::No));
            }
        });
    });
    if state.leaving == Leaving::Asking && modal.should_close() {
        out.push(Action::Leave(Leaving::No));
    }
}

/// What has just happened, for a few seconds. A press does what is offered, and takes it away.
fn toasts_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let mut shown = state.notices.shown(state.now).peekable();
    if shown.peek().is_none() {
        return;
    }
    ui.ctx().request_repaint_after(Duration::from_millis(500));
    let area = egui::Area::new(egui::Id::unique("toasts")).anchor(egui::Align2::RIGHT_BOTTOM, [-20.0, -20.0]);
    area.show(ui.ctx(), |ui| {
        ui.set_width(340.0);
        for notice in shown {
            let frame = card_frame(ui).inner_margin(12).shadow(ui.visuals().popup_shadow);
            let offer = notice.offer.as_ref().and_then(|offer| offer.action(state));
            // The card can be pressed beside its button.
            let behind = egui::UiBuilder::new().id_salt(("toast", notice.id)).sense(egui::Sense::CLICK);
            let card = ui.scope_builder(behind, |ui| {
                let inside = |ui: &mut Ui| {
                    ui.set_width(ui.available_width());
                    notice_ui(ui, notice, state.now, false);
                    let (label, action) = offer?;
                    quiet_ui(ui, true, label).clicked().then_some(action)
                };
                frame.show(ui, inside).inner
            });
            if card.inner.is_some() || card.response.clicked() {
                out.push(Action::PutNoticeAway(notice.id));
            }
            out.extend(card.inner);
        }
    });
}
